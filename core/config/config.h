/* conf/moongate.lua read into one checked struct. The file is Lua that returns a table, run with no library but string, table and math, within 50 ms of CPU, 16 MiB. Unknown keys, wrong
 * types and values out of range are errors with file, line where it can be told, the key's full name, what was found and what was wanted. */
#ifndef MOONGATE_CONFIG_CONFIG_H
#define MOONGATE_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"

enum { CONFIG_TOKENS_MAX = 256, CONFIG_RATE_MAX = 1000000 };
enum { CONFIG_DATA_MAX = 400 }; /* bytes of the data directory's path: names in it are built in buffers of 512 */

enum { CONFIG_SCRAPES_MAX = 1000, CONFIG_TARGETS_MAX = 10000, CONFIG_PAIRS_MAX = 100 };
enum { CONFIG_ADDRESS_MAX = 512, CONFIG_PATH_MAX = 2048 }; /* bytes of a target's address and path */

/* A list of texts, and names with texts. Owned by the configuration. */
struct config_texts {
	char **items;
	uint32_t count;
};
struct config_pair {
	char *name, *value;
};
struct config_pairs {
	struct config_pair *items; /* by rising names; of one name in the order of its list */
	uint32_t count;
};

/* A job of scraping: an entry of scrape = { { job = "…", targets = { … } }, … }. What is not given is NULL, where no default is named. */
struct config_scrape {
	char *job;                   /* the label `job`; no two entries have the same */
	struct config_texts targets; /* "host:9100" */
	struct config_texts
	    files; /* of targets, as Prometheus's file_sd has them, in JSON; `*` and `?` may stand in the last part of the path */
	struct config_pairs labels; /* of all series, beside job and instance */
	int64_t interval_ns;        /* 15 s */
	int64_t timeout_ns;         /* 10 s, or the interval where that is shorter */
	enum config_scheme { SCHEME_HTTP, SCHEME_HTTPS } scheme;
	char *path;                 /* "/metrics" */
	struct config_pairs params; /* of the query; a name may come again */
	struct config_pairs headers;
	bool honor_labels;     /* false: a scraped label that clashes with one of the target is renamed exported_… */
	bool honor_timestamps; /* true */
	bool follow_redirects; /* true */
	uint32_t sample_limit; /* 0: none */
	uint64_t body_bytes;   /* 16 MiB, inflated */
	struct {
		char *ca, *cert, *key; /* PEM files; `ca` in place of the system's */
		char *server_name;     /* that the certificate must have, in place of the target's */
		bool insecure;         /* false: the certificate is checked */
	} tls;
	struct {
		char *username, *password, *password_file;
	} basic_auth;
	char *bearer_token, *bearer_token_file;
};

enum config_durability { DURABILITY_GROUP, DURABILITY_INTERVAL };

struct config_token {
	uint8_t sha256[32];
	unsigned scopes; /* bits: 1 ingest, 2 query, 4 admin */
	uint32_t rate;   /* requests a second, over all connections; 0: no limit */
	uint32_t burst;  /* requests that may come at once; 0: those of a second */
};

/* Names as in the file; strings are owned by the struct; sizes take numbers or "16MiB", durations numbers of seconds or "10s". */
struct config {
	char *listen;         /* listen = "127.0.0.1:4318" */
	char *data;           /* data = "data"; relative to the working directory */
	char *scripts;        /* scripts = "scripts" */
	char *plugins;        /* plugins = "plugins" */
	char *conf_dir;       /* directory of the file itself: where require finds prices */
	uint32_t threads;     /* threads = cores − 1, at least 1 */
	char *timezone;       /* timezone = "UTC" */
	bool watch;           /* watch = false: reload when a script changes */
	bool allow_anonymous; /* allow_anonymous = false */
	struct config_token
	    *tokens; /* tokens = { { sha256 = "…64 hex…", scopes = { "ingest" }, rate = …, burst = … } } */
	uint32_t token_count;

	struct {                           /* http = { … } */
		uint32_t header_bytes;     /* 16 KiB */
		uint64_t body_bytes;       /* 16 MiB */
		uint64_t bodies_bytes;     /* 64 MiB: all bodies in flight */
		uint32_t max_connections;  /* 10000 */
		int64_t header_timeout_ns; /* 10 s */
		int64_t body_timeout_ns;   /* 30 s */
		int64_t idle_timeout_ns;   /* 75 s */
		int64_t write_timeout_ns;  /* 10 s */
		uint32_t rate, burst;      /* 0: as a token's, for all requests where there are no tokens */
	} http;

	struct { /* events = { … }: limits of the decoder */
		uint32_t depth, fields, key_bytes, string_bytes, event_bytes, per_body;
	} events;

	struct { /* spans = { … }: likewise of spans */
		uint32_t depth, values, key_bytes, string_bytes, span_bytes, per_body;
	} spans;

	struct {                                   /* journal = { … } */
		enum config_durability durability; /* "group" | "interval" */
		uint64_t queue_bytes;              /* 64 MiB: decoded records that wait to be durable and applied */
		uint64_t segment_bytes;            /* 16 MiB */
		uint64_t retention_bytes;          /* 10 GiB */
		int64_t retention_ns;              /* 7 d: events, spans, logs */
		int64_t audit_retention_ns;        /* 365 d */
		int64_t checkpoint_ns;             /* 60 s between checkpoints */
	} journal;

	struct { /* dedup = { window = "10m", max = 2e6 } */
		int64_t window_ns;
		uint32_t max;
	} dedup;

	struct { /* limits = { … }: of scripts */
		uint32_t call_ms, load_ms, memory_mb, strikes, state_mb;
	} limits;

	struct {                     /* metrics = { … } */
		uint32_t max_series; /* 1000000 in all */
	} metrics;

	struct {                                /* store = { … }: the history of metrics */
		int64_t retention_ns;           /* 15 d */
		uint64_t retention_bytes;       /* 10 GiB */
		int64_t out_of_order_ns;        /* 10 min */
		int64_t resolution_ns;          /* 5 s: between samples of the metrics that scripts define */
		int64_t idle_ns;                /* 1 h */
		uint32_t max_series;            /* 1000000 in memory */
		uint32_t max_series_per_metric; /* 200000 of one name */
		uint32_t exemplars;             /* 100000 */
	} store;

	struct {                    /* traces = { … }: the buffer of traces */
		int64_t settle_ns;  /* 5 s without a span once the root has ended: then a trace closes */
		int64_t max_age_ns; /* 10 min after its first span it does whatever is missing */
		uint64_t max_bytes; /* 256 MiB of open and closed ones */
		uint32_t max_spans; /* 100000 of one trace */
	} traces;

	struct {                          /* query = { … }: what a question to the history may take */
		int64_t timeout_ns;       /* 30 s */
		int64_t lookback_ns;      /* 5 min: how old a sample may be that stands for its series */
		uint32_t max_concurrency; /* 2 at the same time; more wait */
		uint32_t max_samples;     /* 50,000,000 that one reads and computes */
		uint64_t max_bytes;       /* 128 MiB of memory for one */
	} query;

	struct { /* log = { … } */
		enum log_level level;
		bool to_stdout;
		char *file;
		char *errors_file;
		uint32_t sample_first, sample_then;
	} log;

	struct {                           /* health = { … } */
		uint64_t min_free_bytes;   /* 256 MiB: below it /health says disk = false */
		uint64_t max_memory_bytes; /* 0: none; above it /health says memory = false */
	} health;

	struct {                           /* rules = { … } */
		struct config_texts files; /* Prometheus's rule files; `*`, `?` and `[…]` may stand in them */
		int64_t interval_ns;       /* 1 min: of groups that have none */
		int64_t query_offset_ns;   /* 0: likewise */
		struct config_pairs external_labels; /* $externalLabels of templates */
		char *external_url;                  /* $externalURL; NULL: http:// and the address */
	} rules;

	struct config_scrape *scrapes; /* scrape = { … } */
	uint32_t scrape_count;

	char *file; /* that was read; NULL: none */
	int32_t *
	    lines; /* where in it each option stands, in the order of options.h; −1: in no line that can be told; 0: not there, or a flag has taken its place */
};

/* The defaults, without any file. 0 or -ENOMEM. */
int config_init(struct config *c);

/* Reads a file over the defaults. 0, or a negative errno with the sentence; *c is then as after config_init, to be freed all the same. */
int config_read(struct config *c, const char *path, struct error *err);

/* What flags may set after the file. Each checks as the file's key does; the sentence names the flag. */
int config_set(struct config *c, const char *key, const char *value, struct error *err);

/* Checks what depends on several keys: a listen address that is not loopback needs tokens or allow_anonymous, the time zone exists, retention ≥ two segments, the data directory is not
 * too deep, … The sentence names file and line of a key that stands in the file. */
int config_check(const struct config *c, struct error *err);

/* Is it the address of a target, "host:9100"? Of files of targets as of the configuration, like the next two. */
bool config_is_address(const char *text);
/* Is it a path that a target may be asked for? */
bool config_is_path(const char *text);
/* Is it a label's name in its old form, [a-zA-Z_][a-zA-Z0-9_]*? */
bool config_is_label_name(const char *text);

/* Frees what the struct owns and zeroes it; harmless on a zeroed one. */
void config_deinit(struct config *c);

#endif

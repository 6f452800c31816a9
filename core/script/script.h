/* The Lua host: operators' scripts over records, inside limits that hold.
 *
 * One Lua state a script file, with the JIT off and an allocator, a watchdog and library functions of our own (LUA.md's measurements decided that). All states of one load
 * form a script_set; a reload builds a new set beside the old one and the engine swaps them between two frames. Metric values
 * and `state` tables live in C, outside the sets.
 *
 * Threads: bundles and script_set_load: any one thread. Everything else that takes a set or a host: the engine thread. The watchdog is the host's own thread. */
#ifndef MOONGATE_SCRIPT_SCRIPT_H
#define MOONGATE_SCRIPT_SCRIPT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "metrics/metrics.h"
#include "record/record.h"
#include "traces/traces.h"

/* ---- bundles: the text of everything that a set runs ---- */

enum script_file_kind {
	SCRIPT_FILE_MAIN,  /* scripts/metrics/ *.lua, alerts/, …: run, each in a state of its own */
	SCRIPT_FILE_MODULE /* reached by require: scripts/lib/ *.lua, plugins/, conf/ (prices.lua) */
};

struct script_file {
	struct slice
	    path; /* as messages name it: "scripts/metrics/cost.lua", "conf/prices.lua", wherever the folder lies */
	struct slice module; /* require name, "prices"; empty for main files */
	struct slice text;
	enum script_file_kind kind;
};

/* Immutable once made; its files are sorted by kind, then path. */
struct script_bundle {
	struct script_file *files;
	uint32_t count;
	uint64_t hash; /* of paths and texts; fixed seed, so equal across processes */
};

/* Reads <scripts_dir>/metrics/ *.lua as main files (sub-folders too; hidden files and spec/ left out), <scripts_dir>/ **.lua, <plugins_dir>/ **.lua and <conf_dir>/ *.lua as modules
 * (a directory may be NULL; plugins and conf may be missing; conf/moongate.lua itself is no module). Files over 1 MiB or that begin with the bytecode mark are refused. 0, or a negative errno with file and cause. */
int script_bundle_read(const char *scripts_dir, const char *plugins_dir, const char *conf_dir,
                       struct script_bundle **out, struct error *err);
/* Frees a bundle; NULL is allowed. No set needs it any more once it is loaded. */
void script_bundle_free(struct script_bundle *b);

/* To and from the bytes that control records and checkpoints carry. */
int script_bundle_save(const struct script_bundle *b, struct buf *out);
/* Reads what script_bundle_save wrote. 0 and the bundle, owned by the caller; or a negative errno with a sentence. */
int script_bundle_load(struct slice saved, struct script_bundle **out, struct error *err);

/* ---- the host ---- */

struct script_cut;

struct script_options {
	uint32_t call_ms;    /* a call may take so long. Default 100 */
	uint32_t load_ms;    /* running a file at load may take so long. Default 1000 */
	uint32_t memory_mb;  /* of one script's state. Default 32 */
	uint32_t strikes;    /* broken limits within a minute of engine time until quarantine. Default 3 */
	uint32_t state_mb;   /* all `state` tables together. Default 16 */
	uint32_t emit_depth; /* Default 8 */
	/* A call was cut off (time or memory limit), or a script was quarantined: the engine journals it, so that replay does the same. Called on the engine thread. */
	void (*on_cut)(void *ctx, const struct script_cut *cut);
	void (*on_quarantine)(void *ctx, struct slice script, struct slice reason);
	/* A script's filters were stopped: for whoever tells people. May be NULL, as the others may. Engine thread. */
	void (*on_filters_stopped)(void *ctx, struct slice script, struct slice reason);
	/* For trying scripts out: what handlers get as `ev` is slow, read-only, and an error after the call. `on_misuse` is told of such a mistake even
	 * where the script catches the error; `on_failure` of every call that failed or was cut off. Each text begins with script and line where they
	 * are known, and is borrowed for the call. NULL: nobody is told. Called on the engine thread. */
	bool strict_events;
	void (*on_misuse)(void *ctx, struct slice text);
	void (*on_failure)(void *ctx, struct slice text);
	void *ctx;
};

/* Where a call was cut off, exactly enough to cut it there again. */
struct script_cut {
	struct slice script; /* path */
	uint64_t seq;        /* of the frame */
	uint32_t
	    call; /* number of the call of this script within the frame (handlers, every()s and emitted ones alike), 0-based */
	uint32_t
	    effects; /* changes to metrics, states and emits that it had made; the replayed call is ended after as many */
	bool starved; /* the machine had no memory for it: no strike for the script */
};

struct script_host;
struct script_set;

/* A host with its watchdog thread. NULL with a sentence. The registry outlives it. */
struct script_host *script_host_new(const struct script_options *options, struct registry *registry, struct error *err);
/* Ends the watchdog and frees the host, once its sets are freed; NULL is allowed. */
void script_host_free(struct script_host *h);

/* How many calls have ended because the machine had no memory for them. During a replay one that did not end there before makes the result another. */
uint64_t script_host_starved(const struct script_host *h);

/* Loads all main files of a bundle into fresh states: compiles, runs their top level, collects metrics, handlers, filters and timers. Nothing outside the set changes.
 * 0 and a set, or a negative errno with "file:line: message" of the first error. Any thread; the set takes no reference to the bundle. */
int script_set_load(struct script_host *h, const struct script_bundle *b, struct script_set **out, struct error *err);

/* Makes the set's metrics real: all or nothing (types are checked against the registry first). Between frames. After it the set may run; the set that was bound before must not
 * run any more and is to be freed. Reports restarted families in the log. */
int script_set_bind(struct script_set *s, struct error *err);

/* Frees a set with its states, bound or not; NULL is allowed. The values of its metrics stay in the registry. */
void script_set_free(struct script_set *s);

/* The bundle's hash that the set was loaded from. */
uint64_t script_set_hash(const struct script_set *s);

/* ---- running ---- */

/* Does any script filter records of this type (or of all)? Cheap. */
bool script_set_has_filters(const struct script_set *s);

/* Runs the filters over records of a batch, in order, before they are journaled. A record that a filter drops gets `dropped`; one whose filter fails (error or limit) is
 * reported through `fail` (which refuses it) and gets `dropped` too: what could not be redacted is not written. */
void script_set_filter(struct script_set *s, struct batch *b,
                       void (*fail)(void *ctx, struct record *r, const char *why), void *ctx);

/* A frame is applied in these steps. `seq` is its number: it seeds math.random and names cuts. First the clock moves to `now_ns`, and the timers that became due run in the order of their times:
 * every(), and on.trace_open() over what is open in `traces` (NULL: nothing is). */
void script_set_begin(struct script_set *s, uint64_t seq, int64_t now_ns, struct traces *traces);
/* Then, for each trace that closes at this frame: runs on.trace() over it, script by script, and what they emit. What they annotate goes to `traces`. The verdict: to drop it where a handler says so, else to keep it where one says
 * so or none says anything, else by the largest probability that one gave, drawn from the trace's id. A handler that fails says nothing. */
enum trace_verdict script_set_trace(struct script_set *s, struct traces *traces, const struct trace *trace);
/* Last the records: runs the handlers, script by script, and what they emit. Events go to on(), spans to on.span(). */
void script_set_records(struct script_set *s, struct record *const *records, uint32_t count);
/* A frame without traces: the first step and the last. */
void script_set_apply(struct script_set *s, struct record *const *records, uint32_t count, uint64_t seq,
                      int64_t now_ns);

/* When the next every() is due (engine time), INT64_MAX if there is none: the engine then makes a clock frame. */
int64_t script_set_next_due(const struct script_set *s);

/* While replaying: the cuts that happened in frames yet to come (borrowed until script_set_free or the next call), and quarantines when their control record is reached. */
int script_set_expect_cuts(struct script_set *s, const struct script_cut *cuts, uint32_t count);
/* A quarantine whose control record is reached: the script is not called from here on. */
void script_set_quarantine(struct script_set *s, struct slice script, struct slice reason);

/* Are wall-clock limits off? Replay switches them off except for a backstop of 2 s, so that only recorded cuts cut. */
void script_set_replaying(struct script_set *s, bool replaying);

/* Where the host is, for the backstop: should a call not return within 2 s past its limit, the watchdog writes {script, seq} to this file and
 * aborts; the next start quarantines that script. The path is copied. */
int script_host_set_backstop(struct script_host *h, const char *path);

struct script_stats {
	struct slice script; /* path, valid as long as the set */
	uint64_t calls, errors, cuts;
	double cpu_seconds;    /* sampled: thread CPU time around each frame's run of this script */
	uint64_t memory_bytes; /* of its Lua state now */
	bool quarantined;
	struct slice reason; /* of the quarantine; empty */
	bool
	    filters_stopped; /* its filters were cut off again and again: they refuse their records until the next reload. Its handlers run on */
};

/* Copies the statistics of up to `max` scripts; returns how many there are. Engine thread (the engine hands copies on). */
uint32_t script_set_stats(const struct script_set *s, struct script_stats *out, uint32_t max);

/* Totals that scripts caused: emitted and emits past the depth, records dropped by filters, filter failures. */
struct script_totals {
	uint64_t emitted, emit_refused, filtered, filter_failed;
};
/* Copies them. The engine's thread. */
void script_set_totals(const struct script_set *s, struct script_totals *out);

/* ---- state tables (state(name)): the small key-value stores; in the host, so they outlive sets ---- */

/* Appends all states in the format of FORMAT.md; engine thread. 0 or -ENOMEM. */
int script_state_save(const struct script_host *h, struct buf *out);
/* Replaces all states. 0, -EBADMSG with a sentence, -ENOMEM. */
int script_state_load(struct script_host *h, struct slice saved, struct error *err);

#endif

/* What the api's files share. */
#ifndef MOONGATE_API_INTERNAL_H
#define MOONGATE_API_INTERNAL_H

#include <errno.h>

#include "api/api.h"
#include "api/intake.h"
#include "api/query.h"
#include "base/thread.h"
#include "ingest/ingest.h"
#include "metrics/metrics.h"
#include "net/net.h"

#define POOL_BYTES (4 << 20)         /* memory that idle intakes of a kind may keep together */
#define POOL_KEEP_BYTES (256 * 1024) /* and each of them */
#define POOL_KEEP_REJECTS 1024       /* and so many refusals */
/* For requests in flight; with the journal and a checkpoint the end takes 10 s at most. */
#define STOP_GRACE_NS (8 * NS_PER_S)

/* How every answer begins that a client may read as: the whole body is still its own. */
#define NOTHING_TAKEN "nothing was taken: "

struct rendering;

enum { SCRAPE_FORMATS = EXPOSITION_OPENMETRICS + 1 };

/* Those who ask for the metrics. */
struct scrapes {
	struct mutex lock; /* everything below */
	struct condition made;
	uint64_t asked;                         /* tickets given out */
	uint32_t waiting;                       /* requests not answered yet */
	bool making;                            /* a text is being made */
	struct rendering *last[SCRAPE_FORMATS]; /* the newest text of each format, while somebody waits */
};

struct api {
	const struct config *config;
	struct engine *engine;
	struct scrape *scrape; /* or NULL */
	struct rules *rules;   /* or NULL */
	struct http_server *server;
	struct ingest_limits limits;
	struct ingest_span_limits span_limits;
	struct ingest_sample_limits sample_limits;
	struct intake_pool pools[INTAKE_KINDS];
	uint64_t refused[REFUSED_KINDS]; /* atomic */
	struct scrapes scrapes;
	struct query_queue queries;
	int64_t started_ns; /* clock_wall_ns */
};

/* Is it the disk that takes no more? The client did nothing wrong, and may come again: 507. */
static inline bool is_disk_full(int code)
{
	return code == -ENOSPC || code == -EDQUOT || code == -EROFS;
}

/* ---- events.c ---- */

void api_post_events(void *ctx, struct http_request *req);

/* ---- remote_write.c ---- */

void api_post_write(void *ctx, struct http_request *req);

/* ---- import.c ---- */

void api_post_import(void *ctx, struct http_request *req);

/* ---- otlp_metrics.c ---- */

void api_post_otlp_metrics(void *ctx, struct http_request *req);

/* ---- otlp_traces.c ---- */

void api_post_otlp_traces(void *ctx, struct http_request *req);

/* ---- exposition.c ---- */

void api_get_metrics(void *ctx, struct http_request *req);

/* ---- targets.c ---- */

void api_get_targets(void *ctx, struct http_request *req);

/* ---- admin.c ---- */

void api_get_healthy(void *ctx, struct http_request *req);
void api_get_ready(void *ctx, struct http_request *req);
void api_get_health(void *ctx, struct http_request *req);
void api_post_reload(void *ctx, struct http_request *req);

/* ---- series.c ---- */

void api_series(void *ctx, struct http_request *req);
void api_labels(void *ctx, struct http_request *req);
void api_get_label(void *ctx, struct http_request *req);

/* ---- metadata.c, exemplars.c; the answers of a query, which units make by hand ---- */

void api_get_metadata(void *ctx, struct http_request *req);
void answer_metadata(struct query *q);
void api_query_exemplars(void *ctx, struct http_request *req);
void answer_exemplars(struct query *q);

/* ---- promql.c ---- */

void api_query(void *ctx, struct http_request *req);
void api_query_range(void *ctx, struct http_request *req);

/* ---- promql_tree.c ---- */

void api_format_query(void *ctx, struct http_request *req);
void api_parse_query(void *ctx, struct http_request *req);

/* ---- tempo.c: traces, as Tempo answers them ---- */

void api_tempo_echo(void *ctx, struct http_request *req);
void api_tempo_trace(void *ctx, struct http_request *req);
void api_tempo_search(void *ctx, struct http_request *req);
void api_tempo_tags(void *ctx, struct http_request *req);
void api_tempo_values(void *ctx, struct http_request *req);

/* ---- export.c ---- */

void api_export(void *ctx, struct http_request *req);

/* ---- remote_read.c, federate.c ---- */

void api_remote_read(void *ctx, struct http_request *req);
void api_federate(void *ctx, struct http_request *req);

/* ---- rules.c ---- */

void api_get_rules(void *ctx, struct http_request *req);
void api_get_alerts(void *ctx, struct http_request *req);

/* ---- status_server.c ---- */

void api_get_runtimeinfo(void *ctx, struct http_request *req);
void api_get_config(void *ctx, struct http_request *req);
void api_get_flags(void *ctx, struct http_request *req);

/* ---- status.c ---- */

void api_get_buildinfo(void *ctx, struct http_request *req);
void api_get_tsdb_status(void *ctx, struct http_request *req);

#endif

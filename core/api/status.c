/* What Prometheus tells of itself: /api/v1/status/buildinfo, /api/v1/status/tsdb. */
#include "api/internal.h"
#include "tsdb/tsdb.h"

#ifndef MOONGATE_VERSION
#define MOONGATE_VERSION "unknown"
#endif

/* The Prometheus whose API this is: clients choose by it what they may ask. Grafana takes a version without `features` for Prometheus itself. */
#define PROMETHEUS_VERSION "3.5.0"

void api_get_buildinfo(void *ctx, struct http_request *req)
{
	(void)ctx;
	http_reply(req, &(struct http_reply){
	                    .status = 200,
	                    .body = SLICE("{\"status\":\"success\",\"data\":{\"version\":\"" PROMETHEUS_VERSION
	                                  "\",\"revision\":\"moongate " MOONGATE_VERSION
	                                  "\",\"branch\":\"moongate\",\"buildUser\":\"\",\"buildDate\":\"\","
	                                  "\"goVersion\":\"\"}}"),
	                });
}

enum { TOP_DEFAULT = 10, TOP_MAX = 10000 };

static void put_counted(struct query *q, const char *name, const struct tsdb_counted *items, uint32_t count)
{
	struct buf *b = &q->out, pair = {0};

	buf_str(b, ",\"");
	buf_str(b, name);
	buf_str(b, "\":[");
	for (uint32_t i = 0; i < count && query_goes_on(q); i++) {
		buf_reset(&pair);
		buf_slice_append(&pair, items[i].name);
		buf_str(&pair, items[i].name.len > 0 && items[i].value.len > 0 ? "=" : "");
		buf_slice_append(&pair, items[i].value);
		b->failed |= buf_failed(&pair);
		buf_str(b, i > 0 ? ",{\"name\":" : "{\"name\":");
		buf_json_string(b, buf_slice(&pair));
		buf_str(b, ",\"value\":");
		buf_int(b, (int64_t)items[i].count);
		buf_byte(b, '}');
	}
	buf_byte(b, ']');
	buf_free(&pair);
}

static void answer_tsdb(struct query *q)
{
	struct tsdb_cardinality c;
	struct error err = {0};
	uint32_t limit;
	int code = params_limit(&q->params, "limit", TOP_DEFAULT, &limit, &err);

	if (code == 0 && (limit == 0 || limit > TOP_MAX)) {
		query_fail(q, QUERY_BAD_DATA, "invalid parameter \"limit\": limit must be between 1 and %d", TOP_MAX);
		return;
	}
	if (code == 0)
		code = tsdb_cardinality(q->view, limit, &q->arena, &c, &err);
	if (code != 0) {
		query_fail_code(q, code, &err);
		return;
	}
	buf_printf(&q->out,
	           "{\"headStats\":{\"numSeries\":%llu,\"numLabelPairs\":%llu,\"chunkCount\":%llu,\"minTime\":%lld,"
	           "\"maxTime\":%lld}",
	           (unsigned long long)c.series, (unsigned long long)c.label_pairs, (unsigned long long)c.chunks,
	           (long long)c.oldest_ms, (long long)c.newest_ms);
	put_counted(q, "seriesCountByMetricName", c.metrics, c.metric_count);
	put_counted(q, "labelValueCountByLabelName", c.labels, c.label_count);
	put_counted(q, "memoryInBytesByLabelName", c.label_bytes, c.label_bytes_count);
	put_counted(q, "seriesCountByLabelValuePair", c.pairs, c.pair_count);
	buf_byte(&q->out, '}');
}

void api_get_tsdb_status(void *ctx, struct http_request *req)
{
	query_start(ctx, req, answer_tsdb);
}

/* GET /api/v1/metadata: what is known of metrics. Of each there is one type, help and unit, what was said last. */
#include <errno.h>

#include "api/internal.h"
#include "tsdb/tsdb.h"

static const char *type_text(enum metadata_type type)
{
	static const char *const texts[] = {
	    [METADATA_UNKNOWN] = "unknown",
	    [METADATA_COUNTER] = "counter",
	    [METADATA_GAUGE] = "gauge",
	    [METADATA_HISTOGRAM] = "histogram",
	    [METADATA_GAUGE_HISTOGRAM] = "gaugehistogram",
	    [METADATA_SUMMARY] = "summary",
	    [METADATA_INFO] = "info",
	    [METADATA_STATESET] = "stateset",
	};
	return texts[type];
}

struct listing {
	struct query *q;
	uint32_t limit, count;
};

static bool put_metric(void *ctx, const struct sample_metadata *m)
{
	struct listing *l = ctx;
	struct buf *b = &l->q->out;

	if (l->count == l->limit || !query_goes_on(l->q))
		return false;
	buf_str(b, l->count++ > 0 ? "," : "");
	buf_json_string(b, m->name);
	buf_str(b, ":[{\"type\":\"");
	buf_str(b, type_text(m->type));
	buf_str(b, "\",\"help\":");
	buf_json_string(b, m->help);
	buf_str(b, ",\"unit\":");
	buf_json_string(b, m->unit);
	buf_str(b, "}]");
	return true;
}

void answer_metadata(struct query *q)
{
	struct error err = {0};
	struct listing l = {.q = q};
	uint32_t each;
	int code = params_limit(&q->params, "limit", UINT32_MAX, &l.limit, &err);

	if (code == 0)
		code = params_limit(&q->params, "limit_per_metric", 1, &each, &err);
	if (code == 0 && each == 0)
		l.limit = 0;
	buf_byte(&q->out, '{');
	if (code == 0)
		code = tsdb_metadata_each(q->history, params_get(&q->params, "metric"), put_metric, &l, &err);
	buf_byte(&q->out, '}');
	if (code != 0)
		query_fail_code(q, code, &err);
}

void api_get_metadata(void *ctx, struct http_request *req)
{
	query_start(ctx, req, answer_metadata);
}

/* GET /api/v1/rules and /api/v1/alerts, as Prometheus answers them. There are no rules here yet: Grafana asks when a data source is opened, and is told so. */
#include <errno.h>

#include "api/internal.h"
#include "promql/promql.h"

static void answer_rules(struct query *q)
{
	struct slice type = params_get(&q->params, "type");
	struct error err = {0};
	struct buf quoted = {0};

	if (type.len == 0 || slice_eq(type, SLICE("alert")) || slice_eq(type, SLICE("record"))) {
		buf_str(&q->out, "{\"groups\":[]}");
		return;
	}
	promql_quote(type, &quoted);
	buf_byte(&quoted, '\0');
	error_set(&err, -EINVAL, "invalid parameter \"type\": not supported value %s",
	          buf_failed(&quoted) ? "" : quoted.ptr);
	query_fail_code(q, -EINVAL, &err);
	buf_free(&quoted);
}

void api_get_rules(void *ctx, struct http_request *req)
{
	query_start(ctx, req, answer_rules);
}

void api_get_alerts(void *ctx, struct http_request *req)
{
	(void)ctx;
	http_reply(req, &(struct http_reply){.status = 200,
	                                     .body = SLICE("{\"status\":\"success\",\"data\":{\"alerts\":[]}}")});
}

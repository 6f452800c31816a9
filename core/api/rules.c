/* GET /api/v1/rules and /api/v1/alerts, as Prometheus answers them. There are no rules here yet: Grafana asks when a data source is opened, and is told so. */
#include "api/internal.h"

void api_get_rules(void *ctx, struct http_request *req)
{
	(void)ctx;
	http_reply(req, &(struct http_reply){.status = 200,
	                                     .body = SLICE("{\"status\":\"success\",\"data\":{\"groups\":[]}}")});
}

void api_get_alerts(void *ctx, struct http_request *req)
{
	(void)ctx;
	http_reply(req, &(struct http_reply){.status = 200,
	                                     .body = SLICE("{\"status\":\"success\",\"data\":{\"alerts\":[]}}")});
}

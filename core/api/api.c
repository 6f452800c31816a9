/* The table of routes, and the server's life. */
#include "api/internal.h"

#include <errno.h>

#include "base/clock.h"
#include "base/mem.h"

static const struct http_bodies event_bodies = {.refused = "\"accepted\":0,\"duplicate\":0,\"rejected\":[]"};
static const struct http_bodies protobuf_bodies = {.silent_snappy = "application/x-protobuf"};

static const struct http_route routes[] = {
    {"/v1/events", HTTP_POST_, SCOPE_INGEST, api_post_events, &event_bodies},
    {"/api/v1/write", HTTP_POST_, SCOPE_INGEST, api_post_write, &protobuf_bodies},
    {"/api/v1/import/prometheus", HTTP_POST_ | HTTP_PUT_, SCOPE_INGEST, api_post_import, NULL},
    {"/v1/metrics", HTTP_POST_, SCOPE_INGEST, api_post_otlp_metrics, NULL},
    {"/v1/traces", HTTP_POST_, SCOPE_INGEST, api_post_otlp_traces, NULL},
    {"/api/echo", HTTP_GET_, SCOPE_QUERY, api_tempo_echo, NULL},
    {"/api/traces/*", HTTP_GET_, SCOPE_QUERY, api_tempo_trace, NULL},
    {"/api/v2/traces/*", HTTP_GET_, SCOPE_QUERY, api_tempo_trace, NULL},
    {"/api/search", HTTP_GET_, SCOPE_QUERY, api_tempo_search, NULL},
    {"/api/v2/search/tags", HTTP_GET_, SCOPE_QUERY, api_tempo_tags, NULL},
    {"/api/v2/search/tag/*", HTTP_GET_, SCOPE_QUERY, api_tempo_values, NULL},
    {"/metrics", HTTP_GET_, SCOPE_QUERY, api_get_metrics, NULL},
    {"/api/v1/targets", HTTP_GET_, SCOPE_QUERY, api_get_targets, NULL},
    {"/health", HTTP_GET_, SCOPE_NONE, api_get_health, NULL},
    {"/ready", HTTP_GET_, SCOPE_NONE, api_get_ready, NULL},
    {"/-/ready", HTTP_GET_, SCOPE_NONE, api_get_ready, NULL},
    {"/-/healthy", HTTP_GET_, SCOPE_NONE, api_get_healthy, NULL},
    {"/api/v1/series", HTTP_GET_ | HTTP_POST_, SCOPE_QUERY, api_series, NULL},
    {"/api/v1/labels", HTTP_GET_ | HTTP_POST_, SCOPE_QUERY, api_labels, NULL},
    {"/api/v1/label/*", HTTP_GET_, SCOPE_QUERY, api_get_label, NULL},
    {"/api/v1/metadata", HTTP_GET_, SCOPE_QUERY, api_get_metadata, NULL},
    {"/api/v1/query", HTTP_GET_ | HTTP_POST_, SCOPE_QUERY, api_query, NULL},
    {"/api/v1/query_range", HTTP_GET_ | HTTP_POST_, SCOPE_QUERY, api_query_range, NULL},
    {"/api/v1/format_query", HTTP_GET_ | HTTP_POST_, SCOPE_QUERY, api_format_query, NULL},
    {"/api/v1/parse_query", HTTP_GET_ | HTTP_POST_, SCOPE_QUERY, api_parse_query, NULL},
    {"/api/v1/query_exemplars", HTTP_GET_ | HTTP_POST_, SCOPE_QUERY, api_query_exemplars, NULL},
    {"/api/v1/export", HTTP_GET_ | HTTP_POST_, SCOPE_QUERY, api_export, NULL},
    {"/api/v1/read", HTTP_POST_, SCOPE_QUERY, api_remote_read, &protobuf_bodies},
    {"/federate", HTTP_GET_, SCOPE_QUERY, api_federate, NULL},
    {"/api/v1/rules", HTTP_GET_, SCOPE_QUERY, api_get_rules, NULL},
    {"/api/v1/alerts", HTTP_GET_, SCOPE_QUERY, api_get_alerts, NULL},
    {"/api/v1/status/runtimeinfo", HTTP_GET_, SCOPE_QUERY, api_get_runtimeinfo, NULL},
    {"/api/v1/status/config", HTTP_GET_, SCOPE_QUERY, api_get_config, NULL},
    {"/api/v1/status/flags", HTTP_GET_, SCOPE_QUERY, api_get_flags, NULL},
    {"/api/v1/status/buildinfo", HTTP_GET_, SCOPE_QUERY, api_get_buildinfo, NULL},
    {"/api/v1/status/tsdb", HTTP_GET_, SCOPE_QUERY, api_get_tsdb_status, NULL},
    {"/-/reload", HTTP_POST_ | HTTP_PUT_, SCOPE_ADMIN, api_post_reload, NULL},
};

static void set_limits(struct ingest_limits *l, const struct config *c)
{
	l->depth = c->events.depth;
	l->fields = c->events.fields;
	l->key_bytes = c->events.key_bytes;
	l->string_bytes = c->events.string_bytes;
	l->event_bytes = c->events.event_bytes;
	l->events = c->events.per_body;
}

static void set_span_limits(struct ingest_span_limits *l, const struct config *c)
{
	l->depth = c->spans.depth;
	l->values = c->spans.values;
	l->key_bytes = c->spans.key_bytes;
	l->string_bytes = c->spans.string_bytes;
	l->span_bytes = c->spans.span_bytes;
	l->spans = c->spans.per_body;
}

struct api *api_new(const struct config *c, struct engine *engine, struct scrape *scrape, struct rules *rules,
                    struct error *err)
{
	struct api *a = mem_zalloc(1, sizeof *a);
	struct http_token *tokens = mem_zalloc(c->token_count + 1, sizeof *tokens);
	if (a == NULL || tokens == NULL) {
		error_set(err, -ENOMEM, "out of memory for the HTTP server");
		mem_free(a);
		mem_free(tokens);
		return NULL;
	}
	for (uint32_t i = 0; i < c->token_count; i++) {
		memcpy(tokens[i].sha256, c->tokens[i].sha256, sizeof tokens[i].sha256);
		tokens[i].scopes = c->tokens[i].scopes;
		tokens[i].rate = c->tokens[i].rate;
		tokens[i].burst = c->tokens[i].burst;
	}
	a->config = c;
	a->engine = engine;
	a->started_ns = clock_wall_ns();
	for (int kind = 0; kind < INTAKE_KINDS; kind++)
		intake_pool_init(&a->pools[kind]);
	a->scrape = scrape;
	a->rules = rules;
	mutex_init(&a->scrapes.lock);
	condition_init(&a->scrapes.made);
	query_queue_init(&a->queries, c->query.max_concurrency);
	set_limits(&a->limits, c);
	set_span_limits(&a->span_limits, c);
	ingest_sample_limits_default(&a->sample_limits);
	struct http_options o = {
	    .listen = c->listen,
	    .threads = c->threads,
	    .max_connections = c->http.max_connections,
	    .files_taken = scrape != NULL ? scrape_files(scrape) : 0,
	    .header_bytes = c->http.header_bytes,
	    .body_bytes = c->http.body_bytes,
	    .bodies_bytes = c->http.bodies_bytes,
	    .streams_bytes = c->query.max_concurrency * c->query.max_bytes,
	    .header_timeout_ns = c->http.header_timeout_ns,
	    .body_timeout_ns = c->http.body_timeout_ns,
	    .idle_timeout_ns = c->http.idle_timeout_ns,
	    .write_timeout_ns = c->http.write_timeout_ns,
	    .tokens = tokens,
	    .token_count = c->token_count,
	    .rate = c->http.rate,
	    .burst = c->http.burst,
	    .routes = routes,
	    .route_count = sizeof routes / sizeof *routes,
	    .ctx = a,
	};
	a->server = http_server_new(&o, err);
	mem_free(tokens);
	if (a->server == NULL) {
		api_free(a);
		return NULL;
	}
	return a;
}

int api_start(struct api *a, struct error *err)
{
	return http_server_start(a->server, err);
}

const char *api_address(const struct api *a)
{
	return http_server_address(a->server);
}

void api_stop(struct api *a)
{
	query_queue_stop(&a->queries, clock_mono_ns() + STOP_GRACE_NS);
	http_server_stop(a->server, STOP_GRACE_NS);
}

void api_free(struct api *a)
{
	if (a == NULL)
		return;
	if (a->server != NULL)
		http_server_free(a->server);
	for (int kind = 0; kind < INTAKE_KINDS; kind++)
		intake_pool_deinit(&a->pools[kind]);
	mutex_deinit(&a->scrapes.lock);
	condition_deinit(&a->scrapes.made);
	query_queue_deinit(&a->queries);
	mem_free(a);
}

/* What Prometheus tells of its process and its configuration: /api/v1/status/runtimeinfo, flags, config. What is said is what there is here under the names that are known there; what only a program in Go has is left out or empty. */
#include <unistd.h>

#include "api/internal.h"
#include "base/clock.h"
#include "promql/promql.h"

static void put_text(struct buf *b, const char *between, const char *name, const char *value)
{
	buf_str(b, between);
	buf_json_string(b, slice_cstr(name));
	buf_byte(b, ':');
	buf_json_string(b, slice_cstr(value));
}

static void put_duration(struct buf *b, const char *between, const char *name, int64_t ns)
{
	buf_str(b, between);
	buf_json_string(b, slice_cstr(name));
	buf_str(b, ":\"");
	promql_print_duration(ns / NS_PER_MS, b);
	buf_byte(b, '"');
}

static void put_count(struct buf *b, const char *name, uint64_t value)
{
	buf_printf(b, ",\"%s\":\"%llu\"", name, (unsigned long long)value);
}

static void reply(struct http_request *req, struct buf *b)
{
	if (buf_failed(b))
		http_reply_error(req, 503, 1, "out of memory for the answer");
	else
		http_reply(req, &(struct http_reply){.status = 200, .body = buf_slice(b)});
	buf_free(b);
}

/* ---- runtimeinfo ---- */

static void put_time(struct buf *b, const char *between, const char *name, int64_t ns)
{
	char text[32];
	clock_format_rfc3339(ns, text);
	put_text(b, between, name, text);
}

void api_get_runtimeinfo(void *ctx, struct http_request *req)
{
	const struct api *a = ctx;
	struct buf b = {0};
	char cwd[4096] = "", host[256] = "";

	if (getcwd(cwd, sizeof cwd) == NULL)
		cwd[0] = '\0';
	if (gethostname(host, sizeof host - 1) != 0)
		host[0] = '\0';
	put_time(&b, "{\"status\":\"success\",\"data\":{", "startTime", a->started_ns);
	put_text(&b, ",", "CWD", cwd);
	put_text(&b, ",", "hostname", host);
	put_time(&b, ",", "serverTime", clock_wall_ns());
	put_duration(&b, ",", "storageRetention", a->config->store.retention_ns);
	buf_printf(&b, ",\"goroutineCount\":%u,\"GOMAXPROCS\":%u}}", a->config->threads, a->config->threads);
	reply(req, &b);
}

/* ---- flags: options under the names of Prometheus's flags ---- */

void api_get_flags(void *ctx, struct http_request *req)
{
	const struct config *c = ((const struct api *)ctx)->config;
	struct buf b = {0};

	put_duration(&b, "{\"status\":\"success\",\"data\":{", "query.lookback-delta", c->query.lookback_ns);
	put_count(&b, "query.max-concurrency", c->query.max_concurrency);
	put_count(&b, "query.max-samples", c->query.max_samples);
	put_duration(&b, ",", "query.timeout", c->query.timeout_ns);
	put_text(&b, ",", "storage.tsdb.path", c->data);
	put_duration(&b, ",", "storage.tsdb.retention.time", c->store.retention_ns);
	put_count(&b, "storage.tsdb.retention.size", c->store.retention_bytes);
	put_text(&b, ",", "web.enable-remote-write-receiver", "true");
	put_text(&b, ",", "web.listen-address", c->listen);
	buf_str(&b, "}}");
	reply(req, &b);
}

/* ---- config: the part that Prometheus has as well, in its YAML ---- */

/* A YAML scalar in double quotes is a JSON string. */
static void put_line(struct buf *b, const char *indent, const char *name, const char *value)
{
	buf_str(b, indent);
	buf_str(b, name);
	buf_str(b, ": ");
	buf_json_string(b, slice_cstr(value));
	buf_byte(b, '\n');
}

static void put_interval(struct buf *b, const char *name, int64_t ns)
{
	buf_str(b, "  ");
	buf_str(b, name);
	buf_str(b, ": ");
	promql_print_duration(ns / NS_PER_MS, b);
	buf_byte(b, '\n');
}

static void put_list(struct buf *b, const char *head, const struct config_texts *items)
{
	if (items->count == 0)
		return;
	buf_str(b, head);
	for (uint32_t i = 0; i < items->count; i++) {
		buf_str(b, "    - ");
		buf_json_string(b, slice_cstr(items->items[i]));
		buf_byte(b, '\n');
	}
}

static void put_job(struct buf *b, const struct config_scrape *s)
{
	put_line(b, "- ", "job_name", s->job);
	put_interval(b, "scrape_interval", s->interval_ns);
	put_interval(b, "scrape_timeout", s->timeout_ns);
	put_line(b, "  ", "metrics_path", s->path);
	put_line(b, "  ", "scheme", s->scheme == SCHEME_HTTPS ? "https" : "http");
	put_list(b, "  static_configs:\n  - targets:\n", &s->targets);
	put_list(b, "  file_sd_configs:\n  - files:\n", &s->files);
}

void api_get_config(void *ctx, struct http_request *req)
{
	const struct config *c = ((const struct api *)ctx)->config;
	struct buf yaml = {0}, b = {0};

	buf_str(&yaml, c->scrape_count > 0 ? "scrape_configs:\n" : "");
	for (uint32_t i = 0; i < c->scrape_count; i++)
		put_job(&yaml, &c->scrapes[i]);
	b.failed |= buf_failed(&yaml);
	buf_str(&b, "{\"status\":\"success\",\"data\":{\"yaml\":");
	buf_json_string(&b, buf_slice(&yaml));
	buf_str(&b, "}}");
	buf_free(&yaml);
	reply(req, &b);
}

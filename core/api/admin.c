/* Health, readiness, reload. */
#include <errno.h>

#include "api/internal.h"
#include "base/mem.h"

static void reply_json(struct http_request *req, int status, struct slice body)
{
	http_reply(req, &(struct http_reply){.status = status, .body = body});
}

void api_get_healthy(void *ctx, struct http_request *req)
{
	(void)ctx;
	reply_json(req, 200, SLICE("{\"healthy\":true}"));
}

static void write_stopped(void *ctx, struct slice script, struct slice reason)
{
	struct buf *b = ctx;
	if (buf_failed(b))
		return;
	buf_str(b, b->ptr[b->len - 1] == '[' ? "{\"script\":" : ",{\"script\":");
	buf_json_string(b, script);
	buf_str(b, ",\"reason\":");
	buf_json_string(b, reason);
	buf_byte(b, '}');
}

/* Scripts that have been stopped are named and change nothing else: the process takes data, and taking it out of service would stop the other scripts, too. */
static void reply_ready(struct api *a, struct http_request *req)
{
	struct buf b = {0};
	buf_str(&b, "{\"ready\":true,\"quarantined\":[");
	engine_stopped_scripts(a->engine, ENGINE_STOP_HANDLERS, write_stopped, &b);
	buf_str(&b, "],\"filters_stopped\":[");
	engine_stopped_scripts(a->engine, ENGINE_STOP_FILTERS, write_stopped, &b);
	buf_str(&b, "]}");
	/* Without memory for the names it is ready none the less. */
	reply_json(req, 200, buf_failed(&b) ? SLICE("{\"ready\":true}") : buf_slice(&b));
	buf_free(&b);
}

/* Is the process able to take data? Of what people should know besides, /health speaks. */
void api_get_ready(void *ctx, struct http_request *req)
{
	struct api *a = ctx;
	struct engine_health h;
	engine_health(a->engine, &h);
	if (h.recovered && h.scripts_loaded && h.journal_writable) {
		reply_ready(a, req);
		return;
	}
	http_reply_error(req, 503, 1, "not ready:%s%s%s", h.recovered ? "" : " recovery is not over;",
	                 h.scripts_loaded ? "" : " no scripts are loaded;",
	                 h.journal_writable ? "" : " the journal cannot be written;");
}

static const char *truth(bool v)
{
	return v ? "true" : "false";
}

void api_get_health(void *ctx, struct http_request *req)
{
	struct api *a = ctx;
	struct engine_health h;
	engine_health(a->engine, &h);
	bool healthy = h.journal_writable && h.disk_ok && h.memory_ok && h.scripts_ok;
	struct buf b = {0};
	buf_printf(&b, "{\"healthy\":%s,\"checks\":{\"journal\":%s,\"disk\":%s,\"memory\":%s,\"scripts\":%s}",
	           truth(healthy), truth(h.journal_writable), truth(h.disk_ok), truth(h.memory_ok),
	           truth(h.scripts_ok));
	if (!healthy) {
		buf_str(&b, ",\"reason\":");
		buf_json_string(&b, slice_cstr(h.reasons));
	}
	buf_byte(&b, '}');
	if (buf_failed(&b))
		http_reply_error(req, 503, 1, "out of memory");
	else
		reply_json(req, healthy ? 200 : 503, buf_slice(&b));
	buf_free(&b);
}

/* On the engine's or its worker's thread. */
static void reload_done(void *user, int status, const struct error *err)
{
	struct http_request *req = user;
	if (status == 0)
		reply_json(req, 200, SLICE("{\"reloaded\":true}"));
	else if (is_disk_full(status))
		http_reply_error(req, 507, 5, "the old scripts go on: %s", err->text);
	else if (status == -EIO || status == -ENOMEM)
		http_reply_error(req, 503, 1, "the old scripts go on: %s", err->text);
	else
		http_reply_error(req, 422, 0, "the scripts were refused and the old ones go on: %s", err->text);
}

/* What a reload wants while the rules are read. */
struct reload {
	struct api *api;
	struct http_request *req;
};

/* On the rules' thread. Where they are refused the scripts stay as well. */
static void rules_done(void *user, int status, const struct error *err)
{
	struct reload *reload = user;
	struct api *a = reload->api;
	struct http_request *req = reload->req;
	mem_free(reload);
	if (status == 0)
		engine_reload(a->engine, reload_done, req);
	else if (status == -EAGAIN || status == -ENOMEM)
		http_reply_error(req, 503, 1, "the old rules and scripts go on: %s", err->text);
	else
		http_reply_error(req, 422, 0, "the rules were refused, and the old rules and scripts go on: %s",
		                 err->text);
}

void api_post_reload(void *ctx, struct http_request *req)
{
	struct api *a = ctx;
	struct reload *reload = a->rules == NULL ? NULL : mem_zalloc(1, sizeof *reload);
	if (a->rules == NULL) {
		engine_reload(a->engine, reload_done, req);
		return;
	}
	if (reload == NULL) {
		http_reply_error(req, 503, 1, "the old rules and scripts go on: out of memory");
		return;
	}
	*reload = (struct reload){a, req};
	rules_reload(a->rules, rules_done, reload);
}

/* GET /api/v1/targets: what is scraped, and how it goes, as Prometheus answers it. */
#include <stdio.h>

#include "api/answer_json.h"
#include "api/internal.h"
#include "base/clock.h"

struct listing {
	struct buf out;
	struct slice job; /* those of one job alone; empty: all */
	bool any;
};

static void write_text(struct buf *out, const char *name, const char *text)
{
	buf_printf(out, ",\"%s\":", name);
	buf_json_string(out, slice_cstr(text));
}

/* As Prometheus writes durations: "1m30s"; years, weeks and days only where nothing is left over. */
static void write_duration(struct buf *out, const char *name, int64_t ns)
{
	static const struct {
		const char *name;
		int64_t ms;
		bool whole;
	} units[] = {
	    {"y", INT64_C(365) * 86400000, true},
	    {"w", 7 * 86400000, true},
	    {"d", 86400000, true},
	    {"h", 3600000, false},
	    {"m", 60000, false},
	    {"s", 1000, false},
	    {"ms", 1, false},
	};
	int64_t ms = ns / NS_PER_MS;

	buf_printf(out, ",\"%s\":\"", name);
	if (ms == 0)
		buf_str(out, "0s");
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		int64_t count = ms / units[i].ms;
		if (count == 0 || (units[i].whole && ms % units[i].ms != 0))
			continue;
		buf_printf(out, "%lld%s", (long long)count, units[i].name);
		ms -= count * units[i].ms;
	}
	buf_byte(out, '"');
}

static void write_target(void *ctx, const struct scrape_target *t)
{
	static const char *const healths[] = {[SCRAPE_UNKNOWN] = "unknown", [SCRAPE_UP] = "up", [SCRAPE_DOWN] = "down"};
	struct listing *l = ctx;
	char time[32] = "0001-01-01T00:00:00Z"; /* what Go says of no time */

	if (l->job.len > 0 && !slice_eq(l->job, slice_cstr(t->job)))
		return;
	if (t->last_ns > 0)
		clock_format_rfc3339(t->last_ns, time);
	buf_str(&l->out,
	        l->any ? ",{\"discoveredLabels\":{\"__address__\":" : "{\"discoveredLabels\":{\"__address__\":");
	l->any = true;
	buf_json_string(&l->out, slice_cstr(t->address));
	write_text(&l->out, "job", t->job);
	buf_str(&l->out, "},\"labels\":");
	put_labels(&l->out, t->labels);
	write_text(&l->out, "scrapePool", t->job);
	write_text(&l->out, "scrapeUrl", t->url);
	write_text(&l->out, "globalUrl", t->url);
	write_text(&l->out, "lastError", t->error);
	write_text(&l->out, "lastScrape", time);
	buf_str(&l->out, ",\"lastScrapeDuration\":");
	buf_json_number(&l->out, clock_seconds(t->duration_ns));
	write_text(&l->out, "health", healths[t->health]);
	write_duration(&l->out, "scrapeInterval", t->interval_ns);
	write_duration(&l->out, "scrapeTimeout", t->timeout_ns);
	buf_byte(&l->out, '}');
}

static void work(void *ctx, struct http_request *req)
{
	struct api *a = ctx;
	struct listing l = {.any = false};
	struct slice state = SLICE("any");

	http_request_param(req, "state", &state);
	http_request_param(req, "scrapePool", &l.job);
	buf_str(&l.out, "{\"status\":\"success\",\"data\":{\"activeTargets\":[");
	if (a->scrape != NULL && !slice_eq(state, SLICE("dropped")))
		scrape_each_target(a->scrape, write_target, &l);
	buf_str(&l.out, "],\"droppedTargets\":[],\"droppedTargetCounts\":{}}}");
	if (buf_failed(&l.out)) {
		http_reply_error(req, 503, 1, "out of memory for the targets");
	} else {
		const struct http_reply reply = {.status = 200, .body = buf_slice(&l.out), .gzip = true};
		http_reply(req, &reply);
	}
	buf_free(&l.out);
}

void api_get_targets(void *ctx, struct http_request *req)
{
	if (http_request_offload(req, work, ctx) != 0)
		http_reply_error(req, 503, 1, "no worker can be had");
}

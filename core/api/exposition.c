/* GET /metrics: the engine cuts a view between two frames, a worker renders it. However many ask at once, one text is made at a time, and those who had asked
 * before it was begun share it. */
#include <stdio.h>
#include <sys/resource.h>

#include "api/internal.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/process.h"

#ifndef MOONGATE_VERSION
#define MOONGATE_VERSION "unknown"
#endif

/* The worker waits for the engine's answer; the engine is never kept waiting. */
struct wait_for_view {
	struct mutex lock;
	struct condition wake;
	struct engine_view *view;
	bool over;
};

static void view_done(void *user, struct engine_view *view)
{
	struct wait_for_view *w = user;
	mutex_lock(&w->lock);
	w->view = view;
	w->over = true;
	condition_signal(&w->wake);
	mutex_unlock(&w->lock);
}

static struct engine_view *wait_view(struct engine *e)
{
	struct wait_for_view w = {0};
	engine_view_request(e, view_done, &w);
	mutex_lock(&w.lock);
	while (!w.over)
		condition_wait(&w.wake, &w.lock);
	mutex_unlock(&w.lock);
	condition_deinit(&w.wake);
	mutex_deinit(&w.lock);
	return w.view;
}

struct pen {
	struct buf *out;
	enum exposition_format format;
};

static void one(struct pen p, const char *name, enum metric_type type, const char *unit, double v, const char *help)
{
	exposition_family(p.out, p.format, name, type, unit, help);
	exposition_sample(p.out, p.format, name, type, NULL, 0, v);
}

static void render_http(struct pen p, const struct http_server *server)
{
	struct http_stats s;
	http_server_stats(server, &s);
	one(p, "moongate_http_connections", METRIC_GAUGE, "", (double)s.connections, "Open connections.");
	one(p, "moongate_http_connections_accepted", METRIC_COUNTER, "", (double)s.connections_total,
	    "Connections accepted.");
	one(p, "moongate_http_connections_refused", METRIC_COUNTER, "", (double)s.connections_refused,
	    "Connections over the limit.");
	one(p, "moongate_http_requests", METRIC_COUNTER, "", (double)s.requests, "Requests begun.");
	one(p, "moongate_http_timeouts", METRIC_COUNTER, "", (double)s.timeouts, "Connections closed for being slow.");
	one(p, "moongate_http_requests_limited", METRIC_COUNTER, "", (double)s.limited,
	    "Requests answered 429: over the rate of their token.");
	one(p, "moongate_http_received_bytes", METRIC_COUNTER, "bytes", (double)s.bytes_in,
	    "Bytes of bodies received, as sent.");
	one(p, "moongate_http_sent_bytes", METRIC_COUNTER, "bytes", (double)s.bytes_out, "Bytes of bodies sent.");
	one(p, "moongate_http_bodies_bytes", METRIC_GAUGE, "bytes", (double)s.bodies_bytes,
	    "Memory of bodies in flight.");
	exposition_family(p.out, p.format, "moongate_http_responses", METRIC_COUNTER, "",
	                  "Responses by class of status.");
	for (int i = 1; i <= 5; i++) {
		char class[16];
		snprintf(class, sizeof class, "%dxx", i);
		const struct exposition_label label = {"class", slice_cstr(class)};
		exposition_sample(p.out, p.format, "moongate_http_responses", METRIC_COUNTER, &label, 1,
		                  (double)s.responses[i]);
	}
}

static void render_refused(struct pen p, const struct api *a)
{
	static const char *const kinds[REFUSED_KINDS] = {"event",     "span",     "sample",
	                                                 "histogram", "exemplar", "traceparent"};
	const char *name = "moongate_decode_refused";
	exposition_family(p.out, p.format, name, METRIC_COUNTER, "",
	                  "What was refused while bodies were decoded, each by itself.");
	for (int kind = 0; kind < REFUSED_KINDS; kind++) {
		const struct exposition_label label = {"kind", slice_cstr(kinds[kind])};
		exposition_sample(p.out, p.format, name, METRIC_COUNTER, &label, 1,
		                  (double)intake_refused(a, (enum refused_kind)kind));
	}
}

static void render_queries(struct pen p, const struct query_queue *queue)
{
	const char *name = "moongate_history_queries";
	exposition_family(p.out, p.format, name, METRIC_COUNTER, "", "Queries of the history by how they ended.");
	for (int result = 0; result <= QUERY_ERRORS; result++) {
		const struct exposition_label label = {"result", slice_cstr(query_result_name(result))};
		exposition_sample(p.out, p.format, name, METRIC_COUNTER, &label, 1,
		                  (double)query_queue_answered(queue, result));
	}
}

/* The metrics that every Prometheus client library has of its process. */
static void render_process(struct pen p)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	             (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
	one(p, "process_cpu_seconds", METRIC_COUNTER, "seconds", cpu, "User and system CPU time.");
	one(p, "process_resident_memory_bytes", METRIC_GAUGE, "bytes", (double)process_resident_bytes(),
	    "Resident memory.");
	one(p, "process_open_fds", METRIC_GAUGE, "", (double)process_open_files(), "Open file descriptors.");
	exposition_family(p.out, p.format, "moongate_build_info", METRIC_GAUGE, "",
	                  "Always 1; the version is the label.");
	const struct exposition_label version = {"version", SLICE(MOONGATE_VERSION)};
	exposition_sample(p.out, p.format, "moongate_build_info", METRIC_GAUGE, &version, 1, 1);
}

static void render_scrapes(struct pen p, const struct scrape_stats *s)
{
	exposition_family(p.out, p.format, "moongate_scrapes", METRIC_COUNTER, "",
	                  "Scrapes of targets by how they ended.");
	for (int i = 0; i < SCRAPE_RESULTS; i++) {
		const struct exposition_label label = {"result", slice_cstr(scrape_result_name((enum scrape_result)i))};
		exposition_sample(p.out, p.format, "moongate_scrapes", METRIC_COUNTER, &label, 1,
		                  (double)s->scrapes[i]);
	}
	one(p, "moongate_scrapes_missed", METRIC_COUNTER, "", (double)s->missed,
	    "Scrapes not begun, as the one before was not over.");
	one(p, "moongate_scrape_samples", METRIC_COUNTER, "", (double)s->samples, "Samples of targets taken.");
	one(p, "moongate_scrape_samples_refused", METRIC_COUNTER, "", (double)s->refused,
	    "Samples of targets that were not stored.");
	one(p, "moongate_scrape_lines_rejected", METRIC_COUNTER, "", (double)s->rejected,
	    "Lines of targets' answers that no series can be made of.");
	one(p, "moongate_scrape_stale_markers", METRIC_COUNTER, "", (double)s->stale, "Series of targets that ended.");
	one(p, "moongate_scrape_received_bytes", METRIC_COUNTER, "bytes", (double)s->received_bytes,
	    "Bytes of targets' answers, inflated.");
}

static void render_rules(struct pen p, struct rules *rules)
{
	struct rules_stats s;
	if (rules == NULL)
		return;
	rules_stats(rules, &s);
	one(p, "moongate_rule_groups", METRIC_GAUGE, "", (double)s.groups, "Groups of rules.");
	one(p, "moongate_rules", METRIC_GAUGE, "", (double)s.rules, "Rules in them.");
	one(p, "moongate_rule_evaluations", METRIC_COUNTER, "", (double)s.evaluations, "Evaluations of rules.");
	one(p, "moongate_rule_evaluation_failures", METRIC_COUNTER, "", (double)s.failures, "Those that failed.");
	one(p, "moongate_rule_evaluation_seconds", METRIC_COUNTER, "seconds", s.seconds,
	    "Time that evaluations of groups took.");
	one(p, "moongate_rule_group_iterations_missed", METRIC_COUNTER, "", (double)s.missed,
	    "Evaluations of groups left out, as the one before took too long.");
	const char *name = "moongate_alerts";
	exposition_family(p.out, p.format, name, METRIC_GAUGE, "", "Alerts by state.");
	const struct exposition_label pending = {"state", SLICE("pending")}, firing = {"state", SLICE("firing")};
	exposition_sample(p.out, p.format, name, METRIC_GAUGE, &pending, 1, (double)s.pending);
	exposition_sample(p.out, p.format, name, METRIC_GAUGE, &firing, 1, (double)s.firing);
}

static void render_targets(struct pen p, struct scrape *scrape)
{
	struct scrape_stats s;
	if (scrape == NULL)
		return;
	scrape_stats(scrape, &s);
	one(p, "moongate_scrape_targets", METRIC_GAUGE, "", s.targets, "Targets that are scraped.");
	one(p, "moongate_scrape_targets_up", METRIC_GAUGE, "", s.up, "Targets whose last scrape was well.");
	one(p, "moongate_scrape_targets_surplus", METRIC_GAUGE, "", s.surplus, "Targets over the limit, not scraped.");
	one(p, "moongate_scrape_files", METRIC_GAUGE, "", s.files, "Files of targets.");
	one(p, "moongate_scrape_files_broken", METRIC_GAUGE, "", s.broken_files,
	    "Files of targets that cannot be read; their targets stay as they were.");
	one(p, "moongate_scrape_series", METRIC_GAUGE, "", (double)s.series,
	    "Series in the last scrapes of all targets.");
	render_scrapes(p, &s);
}

static void render_log(struct pen p)
{
	static const char *const names[] = {"debug", "info", "warn", "error", "fatal"};
	exposition_family(p.out, p.format, "moongate_log_lines", METRIC_COUNTER, "", "Lines of the log by level.");
	for (int level = LOG_DEBUG; level <= LOG_FATAL; level++) {
		const struct exposition_label label = {"level", slice_cstr(names[level])};
		exposition_sample(p.out, p.format, "moongate_log_lines", METRIC_COUNTER, &label, 1,
		                  (double)log_lines((enum log_level)level));
	}
	one(p, "moongate_log_lines_sampled", METRIC_COUNTER, "", (double)log_sampled(), "Lines left out by sampling.");
}

static void render(struct api *a, struct engine_view *view, struct pen p)
{
	exposition_render(engine_view_metrics(view), p.format, clock_wall_ns(), p.out);
	engine_view_render(view, p.format, p.out);
	render_http(p, a->server);
	render_refused(p, a);
	render_queries(p, &a->queries);
	render_targets(p, a->scrape);
	render_rules(p, a->rules);
	render_log(p);
	render_process(p);
	exposition_end(p.out, p.format);
}

/* ---- one rendering for all who asked before it began ---- */

/* A text, counted by the replies that it is lent to and by the api as long as somebody may still want it. */
struct rendering {
	struct api *api;
	uint32_t refs;  /* under the api's lock */
	uint64_t asked; /* serves the requests up to this ticket */
	struct buf text;
	bool failed;
};

/* A request on its way: it may have any rendering that began after it came, so that it sees what was acknowledged before. */
struct ask {
	struct api *api;
	uint64_t ticket;
};

static void unref(struct rendering *r)
{
	if (r == NULL || --r->refs > 0)
		return;
	buf_free(&r->text);
	mem_free(r);
}

static void make(struct api *a, struct rendering *r, enum exposition_format format)
{
	struct engine_view *view = wait_view(a->engine);
	if (view != NULL)
		render(a, view, (struct pen){&r->text, format});
	r->failed = view == NULL || buf_failed(&r->text);
	engine_view_free(view);
}

/* A reference to the rendering for this ticket: one that is there, or that somebody is making, or a new one. NULL when memory is out. */
static struct rendering *obtain(struct api *a, enum exposition_format format, uint64_t ticket)
{
	struct scrapes *s = &a->scrapes;
	mutex_lock(&s->lock);
	for (;;) {
		struct rendering *last = s->last[format];
		if (last != NULL && last->asked >= ticket) {
			last->refs++;
			mutex_unlock(&s->lock);
			return last;
		}
		if (!s->making)
			break;
		condition_wait(&s->made, &s->lock);
	}
	s->making = true;
	uint64_t asked = s->asked;
	mutex_unlock(&s->lock);
	struct rendering *r = mem_zalloc(1, sizeof *r);
	if (r != NULL) {
		r->api = a;
		r->asked = asked;
		r->refs = 2;
		make(a, r, format);
	}
	mutex_lock(&s->lock);
	s->making = false;
	if (r != NULL) {
		unref(s->last[format]);
		s->last[format] = r;
	}
	condition_broadcast(&s->made);
	mutex_unlock(&s->lock);
	return r;
}

/* A reply does not need its text any more. Any thread. */
static void give_back(void *owner)
{
	struct rendering *r = owner;
	struct scrapes *s = &r->api->scrapes;
	mutex_lock(&s->lock);
	unref(r);
	mutex_unlock(&s->lock);
}

/* A request has its answer. The texts go with the last of those who wait for one. */
static void answered(struct api *a)
{
	struct scrapes *s = &a->scrapes;
	mutex_lock(&s->lock);
	if (--s->waiting == 0) {
		for (int format = 0; format < SCRAPE_FORMATS; format++) {
			unref(s->last[format]);
			s->last[format] = NULL;
		}
	}
	mutex_unlock(&s->lock);
}

static void work(void *ctx, struct http_request *req)
{
	struct ask *ask = ctx;
	struct api *a = ask->api;
	enum exposition_format format = exposition_choose(http_request_header(req, "accept"));
	struct rendering *r = obtain(a, format, ask->ticket);
	mem_free(ask);
	if (r == NULL || r->failed) {
		if (r != NULL)
			give_back(r);
		http_reply_error(req, 503, 1, "out of memory for the metrics");
	} else {
		struct http_reply reply = {
		    .status = 200,
		    .content_type =
		        format == EXPOSITION_OPENMETRICS ? EXPOSITION_OPENMETRICS_TYPE : EXPOSITION_TEXT_TYPE,
		    .body = buf_slice(&r->text),
		    .gzip = true,
		    .release = give_back,
		    .owner = r,
		};
		http_reply(req, &reply);
	}
	answered(a);
}

void api_get_metrics(void *ctx, struct http_request *req)
{
	struct api *a = ctx;
	struct ask *ask = mem_zalloc(1, sizeof *ask);
	if (ask == NULL) {
		http_reply_error(req, 503, 1, "out of memory for the metrics");
		return;
	}
	mutex_lock(&a->scrapes.lock);
	*ask = (struct ask){.api = a, .ticket = ++a->scrapes.asked};
	a->scrapes.waiting++;
	mutex_unlock(&a->scrapes.lock);
	if (http_request_offload(req, work, ask) == 0)
		return;
	mem_free(ask);
	http_reply_error(req, 503, 1, "no worker can be had");
	answered(a);
}

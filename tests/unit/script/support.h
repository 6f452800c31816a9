/* What the tests of script/ share: a host with a real registry, sets from texts, events from short notations, values from /metrics' text. */
#ifndef MOONGATE_TESTS_SCRIPT_SUPPORT_H
#define MOONGATE_TESTS_SCRIPT_SUPPORT_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "metrics/metrics.h"
#include "record/record.h"
#include "record/span.h"
#include "script/script.h"

#define T0 (INT64_C(1767355445) * NS_PER_S) /* 2026-01-02T12:04:05Z */

enum { FILES_MAX_TEST = 16, CUTS_MAX_TEST = 64, EVENTS_MAX_TEST = 4096 };

struct cut_seen {
	char script[128];
	uint64_t seq;
	uint32_t call, effects;
};

/* A gateway's inside without its engine. */
struct world {
	struct registry *registry;
	struct script_host *host;
	struct script_set *set;
	struct script_options options;
	struct script_file files[FILES_MAX_TEST];
	uint32_t file_count;
	struct error err;
	struct batch *batch;
	uint64_t seq;
	int64_t now_ns;
	struct cut_seen cuts[CUTS_MAX_TEST];
	uint32_t cut_count;
	char quarantined[128];
	char reason[256];
	uint32_t quarantines;
	char *exposition;
};

static inline void seen_cut(void *ctx, const struct script_cut *cut)
{
	struct world *w = ctx;

	if (w->cut_count == CUTS_MAX_TEST)
		return;
	struct cut_seen *c = &w->cuts[w->cut_count++];
	snprintf(c->script, sizeof c->script, "%.*s", SLICE_ARG(cut->script));
	c->seq = cut->seq;
	c->call = cut->call;
	c->effects = cut->effects;
}

static inline void seen_quarantine(void *ctx, struct slice script, struct slice reason)
{
	struct world *w = ctx;

	snprintf(w->quarantined, sizeof w->quarantined, "%.*s", SLICE_ARG(script));
	snprintf(w->reason, sizeof w->reason, "%.*s", SLICE_ARG(reason));
	w->quarantines++;
}

/* Nothing but fatal lines is written: scripts that fail on purpose are noisy. */
static inline void quiet(void)
{
	struct log_options o = {.level = LOG_FATAL, .to_stdout = false};

	assert_int_equal(log_start(&o, NULL), 0);
}

static inline void world_open_host(struct world *w)
{
	w->registry = registry_new(&(struct registry_options){.max_series = 100000});
	assert_non_null(w->registry);
	w->host = script_host_new(&w->options, w->registry, &w->err);
	if (w->host == NULL)
		fail_msg("%s", w->err.text);
	w->batch = batch_new();
	assert_non_null(w->batch);
}

static inline struct world *world_new(void)
{
	struct world *w = mem_zalloc(1, sizeof *w);

	assert_non_null(w);
	w->options = (struct script_options){
	    .call_ms = 100,
	    .load_ms = 1000,
	    .memory_mb = 32,
	    .strikes = 3,
	    .state_mb = 16,
	    .emit_depth = 8,
	    .on_cut = seen_cut,
	    .on_quarantine = seen_quarantine,
	    .ctx = w,
	};
	w->now_ns = T0;
	world_open_host(w);
	return w;
}

static inline void world_close_host(struct world *w)
{
	script_set_free(w->set);
	w->set = NULL;
	script_host_free(w->host);
	registry_free(w->registry);
	batch_free(w->batch);
}

static inline void world_free(struct world *w)
{
	world_close_host(w);
	free(w->exposition);
	mem_free(w);
}

/* Adds a file to the next load: a module where `module` is not NULL. */
static inline void world_file(struct world *w, const char *path, const char *module, const char *text)
{
	assert_true(w->file_count < FILES_MAX_TEST);
	w->files[w->file_count++] = (struct script_file){
	    .path = slice_cstr(path),
	    .module = slice_cstr(module != NULL ? module : ""),
	    .text = slice_cstr(text),
	    .kind = module != NULL ? SCRIPT_FILE_MODULE : SCRIPT_FILE_MAIN,
	};
}

/* Loads and binds the files added so far, then forgets them. The code; w->err says why. */
static inline int world_try_load(struct world *w)
{
	struct script_bundle b = {w->files, w->file_count, 1};
	struct script_set *set = NULL;

	w->err = (struct error){0};
	w->file_count = 0;
	int rc = script_set_load(w->host, &b, &set, &w->err);
	if (rc != 0)
		return rc;
	rc = script_set_bind(set, &w->err);
	if (rc != 0) {
		script_set_free(set);
		return rc;
	}
	script_set_free(w->set);
	w->set = set;
	return 0;
}

static inline void world_load(struct world *w)
{
	if (world_try_load(w) != 0)
		fail_msg("%s", w->err.text);
}

/* One script, loaded. */
static inline struct world *world_with(const char *text)
{
	struct world *w = world_new();

	world_file(w, "scripts/metrics/t.lua", NULL, text);
	world_load(w);
	return w;
}

/* Loads one script that is to be refused; the sentence. */
static inline const char *refusal(struct world *w, const char *text)
{
	world_file(w, "scripts/metrics/t.lua", NULL, text);
	assert_int_not_equal(world_try_load(w), 0);
	return w->err.text;
}

/* ---- events ---- */

static inline struct value value_of(struct batch *b, const char *text, size_t len)
{
	char copy[2048];
	char *end;

	assert_true(len < sizeof copy);
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (strcmp(copy, "null") == 0)
		return (struct value){.type = VALUE_NULL};
	if (strcmp(copy, "true") == 0 || strcmp(copy, "false") == 0)
		return (struct value){.boolean = copy[0] == 't', .type = VALUE_BOOL};
	double n = strtod(copy, &end);
	if (len > 0 && *end == '\0' && strchr("0123456789-", copy[0]) != NULL) {
		if (n == (double)(int64_t)n && strpbrk(copy, ".e") == NULL)
			return (struct value){.integer = (int64_t)n, .type = VALUE_INT};
		return (struct value){.number = n, .type = VALUE_DOUBLE};
	}
	struct slice s = arena_copy(&b->arena, slice_new(text, len));
	return (struct value){.str = s.ptr, .len = (uint32_t)s.len, .type = VALUE_STRING};
}

/* "a=1 b=text u={x=2 y={z=3}} l=[1 two]": fields of an object up to `close`; returns what is behind it. */
static const char *read_fields(struct batch *b, const char *at, char close, struct object *out);

__attribute__((noinline, unused)) static const char *read_value(struct batch *b, const char *at, struct value *out)
{
	if (*at == '{') {
		struct object *o = arena_alloc(&b->arena, sizeof *o);
		at = read_fields(b, at + 1, '}', o);
		*out = (struct value){.object = o, .type = VALUE_OBJECT};
		return at;
	}
	if (*at == '[') {
		struct value *items = batch_values(b, 64);
		uint32_t n = 0;
		at++;
		while (*at != ']') {
			at = read_value(b, at, &items[n++]);
			at += strspn(at, " ");
		}
		*out = (struct value){.items = items, .len = n, .type = VALUE_ARRAY};
		return at + 1;
	}
	size_t len = strcspn(at, " }]");
	*out = value_of(b, at, len);
	return at + len;
}

__attribute__((noinline, unused)) static const char *read_fields(struct batch *b, const char *at, char close,
                                                                 struct object *out)
{
	uint32_t keys[256];
	struct value *values = batch_values(b, 256);
	uint32_t n = 0;

	for (at += strspn(at, " "); *at != close; at += strspn(at, " ")) {
		size_t len = strcspn(at, "=");
		int64_t key = batch_key(b, slice_new(at, len));
		assert_true(key >= 0 && n < 256);
		keys[n] = (uint32_t)key;
		at = read_value(b, at + len + 1, &values[n++]);
	}
	int64_t shape = batch_shape(b, keys, n);
	assert_true(shape >= 0);
	*out = (struct object){(uint32_t)shape, values};
	return *at == '\0' ? at : at + 1;
}

/* Adds an event to a batch: its number. */
static inline uint32_t batch_event(struct batch *b, const char *type, int64_t time_ns, const char *fields)
{
	struct object o;

	read_fields(b, fields, '\0', &o);
	int64_t number = batch_type(b, slice_cstr(type));
	struct record *r = batch_add(b);
	assert_true(number >= 0 && r != NULL);
	r->type = (uint16_t)number;
	r->shape = o.shape;
	r->values = o.values;
	r->time_ns = time_ns;
	r->index = b->count - 1;
	return b->count - 1;
}

/* Notes an event for the next frame. */
static inline void event(struct world *w, const char *type, const char *fields)
{
	batch_event(w->batch, type, w->now_ns, fields);
}

/* Notes a span for the next frame: the fields as span.h has them. It starts now. */
static inline void span(struct world *w, const char *fields)
{
	uint32_t at = batch_event(w->batch, SPAN_TYPE, w->now_ns, fields);

	w->batch->records[at].kind = RECORD_SPAN;
}

/* Applies what was noted as one frame. */
static inline void frame(struct world *w)
{
	struct record *refs[EVENTS_MAX_TEST];

	assert_true(w->batch->count <= EVENTS_MAX_TEST);
	for (uint32_t i = 0; i < w->batch->count; i++)
		refs[i] = &w->batch->records[i];
	registry_set_now(w->registry, w->now_ns);
	script_set_apply(w->set, refs, w->batch->count, ++w->seq, w->now_ns);
	batch_reset(w->batch, 1 << 16);
}

/* An event in a frame of its own. */
static inline void post(struct world *w, const char *type, const char *fields)
{
	event(w, type, fields);
	frame(w);
}

/* ---- what came of it ---- */

static inline const char *exposition(struct world *w)
{
	struct buf out = {0};
	struct metrics_snapshot *s = registry_snapshot(w->registry);

	assert_non_null(s);
	assert_int_equal(exposition_render(s, EXPOSITION_TEXT, w->now_ns, &out), 0);
	metrics_snapshot_unref(s);
	free(w->exposition);
	for (size_t i = 0; i < out.len; i++) /* label values may hold NULs, which would end the text here */
		out.ptr[i] = out.ptr[i] != '\0' ? out.ptr[i] : '?';
	w->exposition = strndup(out.ptr != NULL ? out.ptr : "", out.len);
	buf_free(&out);
	return w->exposition;
}

/* The value of a series as /metrics writes it: value(w, "cost_usd_total{user_id=\"ann\"}"). NaN when there is none. */
static inline double value(struct world *w, const char *series)
{
	size_t len = strlen(series);

	for (const char *line = exposition(w); line != NULL && *line != '\0';) {
		if (strncmp(line, series, len) == 0 && line[len] == ' ')
			return strtod(line + len + 1, NULL);
		line = strchr(line, '\n');
		line = line == NULL ? NULL : line + 1;
	}
	return NAN;
}

#define assert_value(w, series, wanted)                                                                                \
	do {                                                                                                           \
		double got_ = value(w, series);                                                                        \
		double wanted_ = (wanted);                                                                             \
		if (!(fabs(got_ - wanted_) <= 1e-9 * fmax(1, fabs(wanted_))))                                          \
			fail_msg("%s is %.17g, wanted %.17g in:\n%s", series, got_, wanted_, (w)->exposition);         \
	} while (0)

static inline struct script_stats stats_of(struct world *w, uint32_t script)
{
	struct script_stats all[FILES_MAX_TEST];

	assert_true(script < script_set_stats(w->set, all, FILES_MAX_TEST));
	return all[script];
}

#define assert_contains(text, part)                                                                                    \
	do {                                                                                                           \
		const char *text_ = (text);                                                                            \
		if (strstr(text_, part) == NULL)                                                                       \
			fail_msg("\"%s\" does not contain \"%s\"", text_, part);                                       \
	} while (0)

#endif

/* A gateway's inside for rows about scripts: a registry and a host with small limits, sets from texts, events, and what came of them. Nothing is logged. */
#ifndef MOONGATE_TORTURE_SCENE_H
#define MOONGATE_TORTURE_SCENE_H

#include <math.h>
#include <stdint.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "metrics/metrics.h"
#include "record/record.h"
#include "script/script.h"

#include "row.h"

enum { SCENE_SCRIPTS_MAX = 16 };

struct scene {
	struct registry *registry;
	struct script_host *host;
	struct script_set *set; /* NULL until something was loaded */
	struct batch *batch;
	uint64_t seq;
	int64_t now_ns;    /* the engine's clock */
	char refused[512]; /* what a filter's failure said last; "" */
};

static inline void scene_open(struct scene *s, const struct script_options *options)
{
	const struct log_options quiet = {.level = LOG_FATAL, .to_stdout = false};
	struct error err = {0};

	*s = (struct scene){.now_ns = INT64_C(1767355445) * NS_PER_S};
	if (log_start(&quiet, &err) != 0)
		abort();
	s->registry = registry_new(&(struct registry_options){.max_series = 100000});
	s->host = s->registry != NULL ? script_host_new(options, s->registry, &err) : NULL;
	s->batch = batch_new();
	if (s->host == NULL || s->batch == NULL) {
		fprintf(stderr, "no host of scripts: %s\n", err.text);
		exit(2);
	}
}

static inline void scene_close(struct scene *s)
{
	script_set_free(s->set);
	script_host_free(s->host);
	registry_free(s->registry);
	batch_free(s->batch);
	log_stop();
}

static inline struct script_file scene_script(const char *path, struct slice text)
{
	return (struct script_file){
	    .path = slice_cstr(path), .module = {"", 0}, .text = text, .kind = SCRIPT_FILE_MAIN};
}

static inline struct script_file scene_module(const char *name, const char *path, struct slice text)
{
	return (struct script_file){
	    .path = slice_cstr(path), .module = slice_cstr(name), .text = text, .kind = SCRIPT_FILE_MODULE};
}

/* Loads files and puts them in the place of those before. 0, or what refused them. */
static inline int scene_load(struct scene *s, struct script_file *files, uint32_t count, struct error *err)
{
	const struct script_bundle b = {files, count, 1};
	struct script_set *set = NULL;

	*err = (struct error){0};
	int rc = script_set_load(s->host, &b, &set, err);
	if (rc != 0)
		return rc;
	rc = script_set_bind(set, err);
	if (rc != 0) {
		script_set_free(set);
		return rc;
	}
	script_set_free(s->set);
	s->set = set;
	return 0;
}

static inline void scene_note_refused(void *ctx, struct record *r, const char *why)
{
	struct scene *s = ctx;

	(void)r;
	snprintf(s->refused, sizeof s->refused, "%s", why);
}

/* An event with one field, "text", as a frame of its own: through the filters, then, unless they drop it, through the handlers. The engine's clock moves by
 * `after_ns` before. */
static inline void scene_post(struct scene *s, const char *type, struct slice text, int64_t after_ns)
{
	struct batch *b = s->batch;
	uint32_t key = (uint32_t)batch_key(b, SLICE("text"));
	struct value *value = batch_values(b, 1);
	struct record *r = batch_add(b);

	*value = (struct value){.str = text.ptr, .len = (uint32_t)text.len, .type = VALUE_STRING};
	s->now_ns += after_ns;
	s->refused[0] = '\0';
	r->type = (uint16_t)batch_type(b, slice_cstr(type));
	r->shape = (uint32_t)batch_shape(b, &key, 1);
	r->values = value;
	r->time_ns = s->now_ns;
	if (script_set_has_filters(s->set))
		script_set_filter(s->set, b, scene_note_refused, s);
	registry_set_now(s->registry, s->now_ns);
	script_set_apply(s->set, &r, r->dropped ? 0 : 1, ++s->seq, s->now_ns);
	batch_reset(b, 1 << 16);
}

static inline struct script_stats scene_stats(const struct scene *s, uint32_t script)
{
	struct script_stats all[SCENE_SCRIPTS_MAX];

	if (script >= script_set_stats(s->set, all, SCENE_SCRIPTS_MAX))
		abort();
	return all[script];
}

/* The value of a series as /metrics writes it; NaN when there is none. */
static inline double scene_value(const struct scene *s, const char *series)
{
	struct buf out = {0};
	struct metrics_snapshot *snapshot = registry_snapshot(s->registry);
	size_t len = strlen(series);
	double value = NAN;

	if (snapshot == NULL || exposition_render(snapshot, EXPOSITION_TEXT, s->now_ns, &out) != 0)
		abort();
	metrics_snapshot_unref(snapshot);
	buf_byte(&out, '\0');
	for (const char *line = out.ptr; line != NULL && *line != '\0'; line = line != NULL ? line + 1 : NULL) {
		if (strncmp(line, series, len) == 0 && line[len] == ' ')
			value = strtod(line + len + 1, NULL);
		line = strchr(line, '\n');
		if (line == NULL)
			break;
	}
	buf_free(&out);
	return value;
}

/* CPU time of the calling thread, in milliseconds. */
static inline double scene_cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* SplitMix64, seeded: the same row does the same things again. */
static inline uint64_t scene_random(uint64_t *state)
{
	*state += UINT64_C(0x9e3779b97f4a7c15);
	uint64_t z = *state;
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

#endif

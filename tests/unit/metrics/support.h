/* What the tests of the registry share: definitions and series in a line, texts of a moment. */
#ifndef MOONGATE_TESTS_METRICS_SUPPORT_H
#define MOONGATE_TESTS_METRICS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "metrics/metrics.h"

/* 2026-01-01T00:00:00Z, a Thursday. */
#define START (INT64_C(1767225600) * NS_PER_S)

/* Numbers without pattern, the same in every run. */
static inline uint64_t random_u64(uint64_t *state)
{
	return hash_mix(++*state, 0x5eed);
}

/* In [0, 1). */
static inline double random_unit(uint64_t *state)
{
	return (double)(random_u64(state) >> 11) / 9007199254740992.0;
}

static inline struct registry *new_registry(uint32_t max_series)
{
	struct registry *r = registry_new(&(struct registry_options){.max_series = max_series});

	assert_non_null(r);
	registry_set_now(r, START);
	return r;
}

/* A definition with up to three labels and what its type needs. */
static inline struct metric_def def_of(const char *name, enum metric_type type, const char *label1, const char *label2)
{
	static struct slice labels[64][2];
	static int next;
	static const double buckets[] = {0.1, 1, 10};
	static const double quantiles[] = {0.5, 0.9, 0.99};
	struct slice *l = labels[next++ % 64];
	struct metric_def def = {
	    .type = type,
	    .name = slice_cstr(name),
	    .help = SLICE("Help"),
	    .labels = l,
	    .buckets = buckets,
	    .bucket_count = 3,
	    .quantiles = quantiles,
	    .quantile_count = 3,
	    .window_ns = 600 * NS_PER_S,
	    .period = CALENDAR_DAY,
	    .k = 3,
	    .max_series = 1000,
	    .where = SLICE("metrics/test.lua:1"),
	};

	if (label1 != NULL)
		l[def.label_count++] = slice_cstr(label1);
	if (label2 != NULL)
		l[def.label_count++] = slice_cstr(label2);
	return def;
}

static inline struct metric *define(struct registry *r, const struct metric_def *def)
{
	struct metric *m = NULL;
	struct error err = {0};

	if (registry_define(r, def, &m, NULL, &err) != 0)
		fail_msg("%s", err.text);
	assert_non_null(m);
	return m;
}

static inline struct metric *define_simple(struct registry *r, const char *name, enum metric_type type,
                                           const char *label)
{
	struct metric_def def = def_of(name, type, label, NULL);

	return define(r, &def);
}

/* The series with one label value (NULL: none). */
static inline struct series_ref series1(struct metric *m, const char *value)
{
	struct slice values[2] = {slice_cstr(value != NULL ? value : ""), {"", 0}};
	struct series_ref s = {0};

	assert_int_equal(metric_series(m, values, &s), 0);
	return s;
}

/* The exposition of a moment; the caller frees it. NUL-terminated. */
static inline struct buf text_at(struct registry *r, enum exposition_format format, int64_t now_ns)
{
	struct metrics_snapshot *s = registry_snapshot(r);
	struct buf out = {0};

	assert_non_null(s);
	assert_int_equal(exposition_render(s, format, now_ns, &out), 0);
	metrics_snapshot_unref(s);
	buf_byte(&out, '\0');
	assert_false(buf_failed(&out));
	return out;
}

static inline struct buf text_of(struct registry *r)
{
	return text_at(r, EXPOSITION_TEXT, 0);
}

/* The value of the line that begins with `sample` and a space; fails when there is none. */
static inline double value_at(struct registry *r, const char *sample, int64_t now_ns)
{
	struct buf text = text_at(r, EXPOSITION_TEXT, now_ns);
	size_t len = strlen(sample);
	double v = 0;
	bool found = false;

	for (const char *line = text.ptr; *line != '\0' && !found; line = strchr(line, '\n') + 1) {
		found = strncmp(line, sample, len) == 0 && line[len] == ' ';
		if (found)
			v = strtod(line + len, NULL);
	}
	if (!found)
		fail_msg("no line \"%s\" in:\n%s", sample, text.ptr);
	buf_free(&text);
	return v;
}

static inline double value_of(struct registry *r, const char *sample)
{
	return value_at(r, sample, 0);
}

static inline bool has_line(struct registry *r, const char *start)
{
	struct buf text = text_of(r);
	bool found = false;

	for (const char *line = text.ptr; *line != '\0' && !found; line = strchr(line, '\n') + 1)
		found = strncmp(line, start, strlen(start)) == 0;
	buf_free(&text);
	return found;
}

static inline struct registry_stats stats_of(const struct registry *r)
{
	struct registry_stats stats;

	registry_stats(r, &stats);
	return stats;
}

#endif

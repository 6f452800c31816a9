/* Series of any times in memory, and expressions that are asked of them; results as text.
 *
 *   series(&db, "x{a=\"1\"}", 0, 10, "1 2 _ stale 5");    from 0 s on, each 10 s
 *   asked(&db, "x offset 5s", 0, 30, 10)                   a range query
 *
 * A result has a line a series, "{a="1"} 1@0 2@10", with times in seconds; then "warning: …", "info: …"; or "error: …" alone. */
#ifndef MOONGATE_TEST_PROMQL_ASKED_H
#define MOONGATE_TEST_PROMQL_ASKED_H

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/fault.h"
#include "base/mem.h"
#include "promql/eval.h"
#include "record/labels.h"

enum { DB_SERIES_MAX = 512, DB_OPEN_MAX = 16 };

struct db_series {
	struct buf labels;
	int64_t *times_ms;
	double *values;
	uint32_t count;
};

struct db_set {
	struct db *db;
	struct promql_select what;
	uint32_t next, at;
};

struct db {
	struct db_series series[DB_SERIES_MAX];
	uint32_t count;
	bool sorted;
	struct promql_query query; /* what is not the expression's or the times' */
	struct promql_result last; /* of the last query, where it was not refused */
	int code;                  /* its code */
	struct buf text;
	/* What was asked of it. */
	uint32_t selects, open, sample_reads;
	int64_t from_ms, to_ms; /* of the last select */
	int fail_next;          /* a code that `next` fails with at the second series */
};

/* ---- the source ---- */

static int db_order(const void *a, const void *b)
{
	const struct db_series *x = a, *y = b;
	return labels_compare(buf_slice(&x->labels), buf_slice(&y->labels));
}

static int db_select(void *ctx, const struct promql_select *what, void **set, struct error *err)
{
	struct db *db = ctx;
	struct db_set *s = mem_alloc(sizeof *s);

	if (s == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	if (!db->sorted)
		qsort(db->series, db->count, sizeof *db->series, db_order);
	db->sorted = true;
	*s = (struct db_set){.db = db, .what = *what};
	db->selects++;
	db->open++;
	db->from_ms = what->from_ms;
	db->to_ms = what->to_ms;
	*set = s;
	return 0;
}

static int db_next(void *set, struct slice *labels, struct error *err)
{
	struct db_set *s = set;

	while (s->next < s->db->count) {
		s->at = s->next++;
		*labels = buf_slice(&s->db->series[s->at].labels);
		int matches = matchers_match(s->what.matchers, s->what.matcher_count, *labels);
		if (matches < 0)
			return error_set(err, matches, "out of memory");
		if (s->db->fail_next != 0 && s->at == 1)
			return error_set(err, s->db->fail_next, "the store is damaged");
		if (matches > 0)
			return 1;
	}
	return 0;
}

static int db_samples(void *set, struct promql_samples *out, struct error *err)
{
	struct db_set *s = set;
	const struct db_series *of = &s->db->series[s->at];
	uint32_t from = 0, to = of->count;
	(void)err;

	while (from < to && of->times_ms[from] < s->what.from_ms)
		from++;
	while (to > from && of->times_ms[to - 1] > s->what.to_ms)
		to--;
	*out = (struct promql_samples){of->times_ms + from, of->values + from, to - from};
	s->db->sample_reads++;
	return 0;
}

static void db_close(void *set)
{
	struct db_set *s = set;
	s->db->open--;
	mem_free(s);
}

static const struct promql_source_ops db_ops = {db_select, db_next, db_samples, db_close};

/* ---- series ---- */

static void db_labels(const char *selector, struct buf *out)
{
	struct label labels[32];
	struct promql_expr *e;
	struct arena arena;
	struct error err = {0};
	uint32_t count = 0;

	arena_init(&arena);
	if (promql_parse_selector(slice_cstr(selector), &arena, &e, &err) != 0)
		fail_msg("%s: %s", selector, err.text);
	for (; count < e->selector.matcher_count; count++) {
		const struct promql_matcher *m = &e->selector.matchers[count];
		labels[count] = (struct label){m->name, m->value};
	}
	assert_int_equal(labels_canonical(labels, count, out, NULL), 0);
	arena_deinit(&arena);
}

/* A series whose samples are written one by one. */
static struct db_series *db_add(struct db *db, const char *selector, uint32_t room)
{
	struct db_series *s = &db->series[db->count++];

	assert_true(db->count <= DB_SERIES_MAX);
	*s = (struct db_series){0};
	db_labels(selector, &s->labels);
	s->times_ms = malloc((room + 1) * sizeof *s->times_ms);
	s->values = malloc((room + 1) * sizeof *s->values);
	db->sorted = false;
	return s;
}

static void db_sample(struct db_series *s, int64_t time_ms, double v)
{
	s->times_ms[s->count] = time_ms;
	s->values[s->count++] = v;
}

/* Values one behind the other from a time on, both in seconds. */
static void series(struct db *db, const char *selector, double start, double step, const char *values)
{
	struct db_series *s = db_add(db, selector, (uint32_t)strlen(values));
	const char *at = values;

	for (uint32_t i = 0; *at != '\0'; i++) {
		int64_t ms = llrint((start + i * step) * 1000);
		size_t len = strcspn(at, " ");
		if (strncmp(at, "stale", len) == 0)
			db_sample(s, ms, promql_absent());
		else if (*at != '_')
			db_sample(s, ms, strtod(at, NULL));
		at += len;
		at += strspn(at, " ");
	}
}

static void db_init(struct db *db)
{
	*db = (struct db){0};
}

static void db_free(struct db *db)
{
	for (uint32_t i = 0; i < db->count; i++) {
		buf_free(&db->series[i].labels);
		free(db->series[i].times_ms);
		free(db->series[i].values);
	}
	promql_result_free(&db->last);
	buf_free(&db->text);
	assert_int_equal(db->open, 0);
}

/* ---- questions ---- */

static void write_series(const struct promql_result *r, const struct promql_series *s, struct buf *out)
{
	labels_text(s->labels, out);
	for (uint32_t i = 0; i < s->count; i++) {
		int64_t ms = s->times_ms != NULL ? s->times_ms[i] : r->start_ms + (int64_t)i * r->step_ms;
		if (promql_is_absent(s->values[i]))
			continue;
		buf_byte(out, ' ');
		buf_number(out, s->values[i]);
		buf_byte(out, '@');
		buf_number(out, (double)ms / 1000);
	}
	buf_byte(out, '\n');
}

static void write_result(const struct promql_result *r, struct buf *out)
{
	if (r->type == PROMQL_STRING)
		promql_quote(r->text, out);
	for (uint32_t i = 0; i < r->series_count; i++)
		write_series(r, &r->series[i], out);
	for (uint32_t i = 0; i < r->warning_count; i++)
		buf_printf(out, "warning: %.*s\n", SLICE_ARG(r->warnings[i]));
	for (uint32_t i = 0; i < r->info_count; i++)
		buf_printf(out, "info: %.*s\n", SLICE_ARG(r->infos[i]));
}

/* Asks; times in seconds, a step of 0 makes it an instant query. The text is good until the next question. */
static const char *asked(struct db *db, const char *query, double start, double end, double step)
{
	struct promql_source source = {&db_ops, db};
	struct promql_query q = db->query;
	struct promql_expr *e;
	struct error err = {0};
	struct arena arena;

	arena_init(&arena);
	buf_reset(&db->text);
	promql_result_free(&db->last);
	db->code = promql_parse(slice_cstr(query), &arena, &e, &err);
	if (db->code == 0) {
		q.expr = e;
		q.text = slice_cstr(query);
		q.start_ms = llrint(start * 1000);
		q.end_ms = llrint(end * 1000);
		q.step_ms = llrint(step * 1000);
		db->code = promql_eval(&q, &source, &db->last, &err);
	}
	if (db->code == 0)
		write_result(&db->last, &db->text);
	else
		buf_printf(&db->text, "error: %s\n", err.text);
	buf_byte(&db->text, '\0');
	arena_deinit(&arena);
	return buf_failed(&db->text) ? "" : db->text.ptr;
}

static inline void range_is(struct db *db, const char *query, double start, double end, double step, const char *wanted)
{
	const char *got = asked(db, query, start, end, step);
	if (strcmp(got, wanted) != 0)
		fail_msg("%s\ngives\n%sand not\n%s", query, got, wanted);
}
static inline void instant_is(struct db *db, const char *query, double at, const char *wanted)
{
	range_is(db, query, at, at, 0, wanted);
}

/* Queries at the same moment, and what each gives. */
struct expected {
	const char *query, *result;
};

static inline void each_is(struct db *db, const struct expected *cases, size_t count, double at)
{
	for (size_t i = 0; i < count; i++)
		instant_is(db, cases[i].query, at, cases[i].result);
}

#define EACH_IS(db, cases, at) each_is(db, cases, sizeof(cases) / sizeof *(cases), at)

#endif

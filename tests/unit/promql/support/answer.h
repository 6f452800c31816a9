/* A question and its answer as text: series that are given line by line, an expression, and what comes out of its evaluation.
 *
 *   x{a="1"} 1 2 _ NaN        a value for each step, `_` where there is none
 *
 * The answer has a line a series, "{a="1"} 1 2 _", then "warning: …", "info: …"; or "error: …" alone. */
#ifndef MOONGATE_TEST_PROMQL_ANSWER_H
#define MOONGATE_TEST_PROMQL_ANSWER_H

#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/fault.h"
#include "promql/eval.h"
#include "record/labels.h"

enum { ANSWER_STEP_MS = 1000, ANSWER_SERIES_MAX = 64, ANSWER_STEPS_MAX = 16 };

struct answer_series {
	struct buf labels;
	int64_t times_ms[ANSWER_STEPS_MAX];
	double values[ANSWER_STEPS_MAX];
	uint32_t count;
};

struct answer {
	struct answer_series series[ANSWER_SERIES_MAX]; /* in the order of their labels */
	uint32_t count, steps;
	/* The set that is read. */
	struct matcher *const *matchers;
	uint32_t matcher_count, next;
	struct buf text;
};

static int answer_select(void *ctx, const struct promql_select *what, void **set, struct error *err)
{
	struct answer *a = ctx, *copy = malloc(sizeof *copy);
	(void)err;
	*copy = *a;
	copy->matchers = what->matchers;
	copy->matcher_count = what->matcher_count;
	copy->next = 0;
	*set = copy;
	return 0;
}

static int answer_next(void *set, struct slice *labels, struct error *err)
{
	struct answer *a = set;
	(void)err;
	while (a->next < a->count) {
		*labels = buf_slice(&a->series[a->next++].labels);
		if (matchers_match(a->matchers, a->matcher_count, *labels) == 1)
			return 1;
	}
	return 0;
}

static int answer_samples(void *set, struct promql_samples *out, struct error *err)
{
	const struct answer *a = set;
	const struct answer_series *s = &a->series[a->next - 1];
	(void)err;
	*out = (struct promql_samples){s->times_ms, s->values, s->count};
	return 0;
}

/* The set only borrows the series. */
static const struct promql_source_ops answer_ops = {answer_select, answer_next, answer_samples, free};

/* ---- series in ---- */

static int answer_order(const void *a, const void *b)
{
	const struct answer_series *x = a, *y = b;
	return labels_compare(buf_slice(&x->labels), buf_slice(&y->labels));
}

static void answer_labels(struct slice selector, struct buf *out)
{
	struct label labels[32];
	struct promql_expr *e;
	struct arena arena;
	struct error err = {0};
	uint32_t count = 0;

	arena_init(&arena);
	if (promql_parse_selector(selector, &arena, &e, &err) != 0)
		fail_msg("%.*s: %s", SLICE_ARG(selector), err.text);
	for (; count < e->selector.matcher_count; count++) {
		const struct promql_matcher *m = &e->selector.matchers[count];
		labels[count] = (struct label){m->name, m->value};
	}
	assert_int_equal(labels_canonical(labels, count, out, NULL), 0);
	arena_deinit(&arena);
}

static void answer_add(struct answer *a, const char *line, const char *end)
{
	struct answer_series *s = &a->series[a->count++];
	const char *at = memchr(line, '}', (size_t)(end - line));
	uint32_t step = 0;

	assert_true(a->count <= ANSWER_SERIES_MAX && at != NULL);
	*s = (struct answer_series){0};
	answer_labels(slice_new(line, (size_t)(++at - line)), &s->labels);
	for (;; step++) {
		while (at < end && *at == ' ')
			at++;
		if (at == end)
			break;
		assert_true(step < ANSWER_STEPS_MAX);
		if (*at == '_') {
			at++;
			continue;
		}
		char *behind;
		s->times_ms[s->count] = (int64_t)step * ANSWER_STEP_MS;
		s->values[s->count++] = strtod(at, &behind);
		assert_true(behind > at);
		at = behind;
	}
	a->steps = step > a->steps ? step : a->steps;
}

/* Takes series, a line each. answer_free in the end. */
static void answer_load(struct answer *a, const char *lines)
{
	*a = (struct answer){0};
	while (*lines != '\0') {
		const char *end = strchr(lines, '\n');
		if (end == NULL)
			end = lines + strlen(lines);
		answer_add(a, lines, end);
		lines = *end == '\n' ? end + 1 : end;
	}
	qsort(a->series, a->count, sizeof *a->series, answer_order);
}

static void answer_free(struct answer *a)
{
	for (uint32_t i = 0; i < a->count; i++)
		buf_free(&a->series[i].labels);
	buf_free(&a->text);
}

/* ---- answers out ---- */

enum answer_kind {
	ANSWER_RANGE,   /* over all steps of the series */
	ANSWER_INSTANT, /* at the first one */
	ANSWER_DELAYED  /* over all, names dropped at the end */
};

static void answer_result(const struct promql_result *r, struct buf *out)
{
	for (uint32_t i = 0; i < r->series_count; i++) {
		labels_text(r->series[i].labels, out);
		for (uint32_t k = 0; k < r->series[i].count; k++) {
			buf_byte(out, ' ');
			if (promql_is_absent(r->series[i].values[k]))
				buf_byte(out, '_');
			else
				buf_number(out, r->series[i].values[k]);
		}
		buf_byte(out, '\n');
	}
	for (uint32_t i = 0; i < r->warning_count; i++)
		buf_printf(out, "warning: %.*s\n", SLICE_ARG(r->warnings[i]));
	for (uint32_t i = 0; i < r->info_count; i++)
		buf_printf(out, "info: %.*s\n", SLICE_ARG(r->infos[i]));
}

/* Evaluates; the code. The text is good until the next call; NULL where there was no memory for it. */
static int answer_ask(struct answer *a, enum answer_kind kind, const char *query, const char **text)
{
	struct promql_query q = {.text = slice_cstr(query), .lookback_ms = 1, .delayed_names = kind == ANSWER_DELAYED};
	struct promql_source source = {&answer_ops, a};
	struct promql_result result;
	struct promql_expr *e;
	struct error err = {0};
	struct arena arena;

	arena_init(&arena);
	buf_reset(&a->text);
	int code = promql_parse(slice_cstr(query), &arena, &e, &err);
	if (code == 0) {
		q.expr = e;
		q.end_ms = kind == ANSWER_INSTANT ? 0 : (int64_t)(a->steps - 1) * ANSWER_STEP_MS;
		q.step_ms = kind == ANSWER_INSTANT ? 0 : ANSWER_STEP_MS;
		code = promql_eval(&q, &source, &result, &err);
	}
	if (code == 0) {
		answer_result(&result, &a->text);
		promql_result_free(&result);
	} else {
		buf_printf(&a->text, "error: %s\n", err.text);
	}
	buf_byte(&a->text, '\0');
	arena_deinit(&arena);
	*text = buf_failed(&a->text) ? NULL : a->text.ptr;
	return code;
}

static void answer_check(struct answer *a, enum answer_kind kind, const char *query, const char *wanted)
{
	const char *text;
	answer_ask(a, kind, query, &text);
	if (text == NULL || strcmp(text, wanted) != 0)
		fail_msg("%s\ngives\n%sand not\n%s", query, text == NULL ? "nothing\n" : text, wanted);
}

/* The same with each allocation failing once: -ENOMEM, or the answer as if nothing had happened; nothing is lost (AddressSanitizer), and it ends. */
static void answer_without_memory(struct answer *a, enum answer_kind kind, const char *query, const char *wanted)
{
	for (uint64_t nth = 1;; nth++) {
		const char *text;
		uint64_t before = fault_hits(FAULT_MALLOC);
		fault_set(FAULT_MALLOC, nth, false, ENOMEM);
		int code = answer_ask(a, kind, query, &text);
		bool failed = fault_hits(FAULT_MALLOC) - before >= nth;
		fault_clear();
		if (!failed) {
			assert_string_equal(text, wanted);
			return;
		}
		if (code != -ENOMEM && text != NULL)
			assert_string_equal(text, wanted);
		assert_true(nth < 10000);
	}
}

#endif

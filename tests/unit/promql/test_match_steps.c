/* Matching of whole rows against matching step by step, as Prometheus's engine goes (promql/engine.go: VectorBinop): drawn series that come and go, all ways of matching, filled and not. Results and the sentence of what fails must be the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/answer.h"

enum { STEPS = 6, SIDE_MAX = 10, RESULTS_MAX = 64, LABELS = 4 };

static uint64_t seed = 88172645463325252;

/* xorshift64 (Marsaglia, "Xorshift RNGs", 2003). */
static uint32_t draw(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 33) % below;
}

/* A label set over four names: a letter for each, or 0. */
static const char *const names[LABELS] = {"__name__", "a", "b", "c"};
struct set {
	char v[LABELS];
};

struct one {
	struct set labels;
	double values[STEPS]; /* promql_absent() */
};

struct side {
	struct one rows[SIDE_MAX];
	int count;
};

struct how {
	enum promql_op op;
	bool returns_bool, on;
	bool matched[LABELS], included[LABELS];
	enum promql_card card;
	bool fills_left, fills_right;
	double fill_left, fill_right;
};

static bool same_set(struct set a, struct set b)
{
	return memcmp(a.v, b.v, LABELS) == 0;
}

/* As labels_compare has it. */
static int set_order(const void *a, const void *b)
{
	const struct set *x = a, *y = b;
	for (int i = 0, k = 0;; i++, k++) {
		while (i < LABELS && x->v[i] == 0)
			i++;
		while (k < LABELS && y->v[k] == 0)
			k++;
		if (i == LABELS || k == LABELS)
			return (k == LABELS) - (i == LABELS);
		if (i != k)
			return i - k;
		if (x->v[i] != y->v[k])
			return x->v[i] - y->v[k];
	}
}

/* As sentences have it. */
static void set_text(struct set s, struct buf *out)
{
	const char *between = "{";
	for (int i = 0; i < LABELS; i++) {
		if (s.v[i] == 0)
			continue;
		buf_printf(out, "%s%s=\"%c\"", between, names[i], s.v[i]);
		between = ", ";
	}
	buf_str(out, *between == '{' ? "{}" : "}");
}

/* ---- step by step ---- */

struct outcome {
	struct one results[RESULTS_MAX];
	int count;
	struct buf error; /* not empty: it fails */
};

static struct set signature(const struct how *h, struct set s)
{
	for (int i = 0; i < LABELS; i++) {
		if (h->on != h->matched[i] || (!h->on && i == 0))
			s.v[i] = 0;
	}
	return s;
}

static struct set result_set(const struct how *h, struct set many, struct set one)
{
	if (!promql_op_compares(h->op))
		many.v[0] = 0;
	for (int i = 0; i < LABELS; i++) {
		if (h->card == PROMQL_ONE_TO_ONE && h->on != h->matched[i])
			many.v[i] = 0;
		if (h->included[i])
			many.v[i] = one.v[i];
	}
	if (h->returns_bool)
		many.v[0] = 0;
	return many;
}

/* What one step has matched so far. */
struct step {
	struct {
		struct set signature, result;
	} matched[RESULTS_MAX];
	int matched_count;
	int given_from[RESULTS_MAX]; /* results that have a value at this step: 1 */
};

static bool fail_with(struct outcome *o, const char *sentence)
{
	buf_str(&o->error, sentence);
	return false;
}

static bool give(struct outcome *o, struct step *now, struct set labels, int step, double value)
{
	int i = 0;
	while (i < o->count && !same_set(o->results[i].labels, labels))
		i++;
	assert_true(i < RESULTS_MAX);
	if (i == o->count) {
		o->results[o->count++].labels = labels;
		for (int k = 0; k < STEPS; k++)
			o->results[i].values[k] = promql_absent();
	}
	if (now->given_from[i]++ != 0)
		return fail_with(o, "vector cannot contain metrics with the same labelset");
	o->results[i].values[step] = value;
	return true;
}

struct sample {
	struct set labels;
	double value;
};

/* Results of a step are looked at together when all pairs have been matched. */
struct pending {
	struct sample items[RESULTS_MAX];
	int count;
};

static bool operate(struct outcome *o, const struct how *h, struct step *now, struct pending *p, struct sample many,
                    struct sample one, struct set common)
{
	bool swapped = h->card == PROMQL_ONE_TO_MANY, compares = promql_op_compares(h->op);
	double left = swapped ? one.value : many.value, right = swapped ? many.value : one.value;
	double value = promql_op_apply(h->op, left, right);
	struct set labels = result_set(h, many.labels, one.labels);

	for (int i = 0; i < now->matched_count; i++) {
		if (!same_set(now->matched[i].signature, common))
			continue;
		if (h->card == PROMQL_ONE_TO_ONE)
			return fail_with(o, "multiple matches for labels: many-to-one matching must be explicit "
			                    "(group_left/group_right)");
		if (same_set(now->matched[i].result, labels))
			return fail_with(o, "multiple matches for labels: grouping labels must ensure unique matches");
	}
	assert_true(now->matched_count < RESULTS_MAX && p->count < RESULTS_MAX);
	now->matched[now->matched_count].signature = common;
	now->matched[now->matched_count++].result = labels;
	if (compares && !h->returns_bool) {
		if (value == 0)
			return true;
		value = left;
	}
	p->items[p->count++] = (struct sample){labels, value};
	return true;
}

static bool is_matched(const struct step *now, struct set common)
{
	for (int i = 0; i < now->matched_count; i++) {
		if (same_set(now->matched[i].signature, common))
			return true;
	}
	return false;
}

static int samples_of(const struct side *s, int step, struct sample *out)
{
	int count = 0;
	for (int i = 0; i < s->count; i++) {
		if (!promql_is_absent(s->rows[i].values[step]))
			out[count++] = (struct sample){s->rows[i].labels, s->rows[i].values[step]};
	}
	return count;
}

static bool check_duplicates(struct outcome *o, const struct how *h, const struct sample *one, int count)
{
	for (int k = 1; k < count; k++) {
		for (int i = 0; i < k; i++) {
			struct set common = signature(h, one[k].labels);
			struct buf x = {0}, y = {0}, *first = &x, *second = &y;
			if (!same_set(signature(h, one[i].labels), common))
				continue;
			set_text(one[i].labels, &x);
			set_text(one[k].labels, &y);
			if (slice_compare(buf_slice(&x), buf_slice(&y)) > 0) {
				first = &y;
				second = &x;
			}
			buf_str(&o->error, "found duplicate series for the match group ");
			set_text(common, &o->error);
			buf_printf(&o->error,
			           " on the %s hand-side of the operation: [%.*s, %.*s];many-to-many "
			           "matching not allowed: matching labels must be unique on one side",
			           h->card == PROMQL_ONE_TO_MANY ? "left" : "right", SLICE_ARG(buf_slice(first)),
			           SLICE_ARG(buf_slice(second)));
			buf_free(&x);
			buf_free(&y);
			return false;
		}
	}
	return true;
}

static bool match_samples(struct outcome *o, const struct how *h, struct step *now, struct pending *p,
                          const struct sample *many, int many_count, const struct sample *one, int one_count)
{
	for (int i = 0; i < many_count; i++) {
		struct set common = signature(h, many[i].labels);
		int k = 0;
		while (k < one_count && !same_set(signature(h, one[k].labels), common))
			k++;
		struct sample filled = {common, h->fill_right};
		if (k == one_count && !h->fills_right)
			continue;
		if (!operate(o, h, now, p, many[i], k < one_count ? one[k] : filled, common))
			return false;
	}
	for (int k = 0; h->fills_left && k < one_count; k++) {
		struct set common = signature(h, one[k].labels);
		struct sample filled = {common, h->fill_left};
		if (!is_matched(now, common) && !operate(o, h, now, p, filled, one[k], common))
			return false;
	}
	return true;
}

static bool match_step(struct outcome *o, const struct how *h, const struct side *left, const struct side *right,
                       int step)
{
	struct sample many[SIDE_MAX], one[SIDE_MAX];
	struct step now = {0};
	struct pending p = {0};
	bool swapped = h->card == PROMQL_ONE_TO_MANY, fills = h->fills_left || h->fills_right;
	int many_count = samples_of(swapped ? right : left, step, many);
	int one_count = samples_of(swapped ? left : right, step, one);

	if ((many_count == 0 && one_count == 0) || ((many_count == 0 || one_count == 0) && !fills))
		return true;
	if (!check_duplicates(o, h, one, one_count) || !match_samples(o, h, &now, &p, many, many_count, one, one_count))
		return false;
	for (int i = 0; i < p.count; i++) {
		if (!give(o, &now, p.items[i].labels, step, p.items[i].value))
			return false;
	}
	return true;
}

/* ---- drawn ---- */

static void draw_side(struct side *s, char name)
{
	s->count = 0;
	for (uint32_t i = 1 + draw(5); i > 0; i--) {
		struct one row = {
		    {{(char)(draw(5) == 0 ? name - 'a' + 'A' : name), draw(10) == 0 ? 0 : (char)('1' + draw(2)),
		      draw(5) == 0 ? 0 : (char)('x' + draw(2)), draw(5) < 3 ? 0 : (char)('p' + draw(2))}},
		    {0}};
		bool any = false, known = false;
		for (int k = 0; k < STEPS; k++) {
			row.values[k] = draw(9) < 4 ? promql_absent() : (double)draw(5);
			any = any || !promql_is_absent(row.values[k]);
		}
		for (int k = 0; k < s->count; k++)
			known = known || same_set(s->rows[k].labels, row.labels);
		if (any && !known)
			s->rows[s->count++] = row;
	}
	qsort(s->rows, (size_t)s->count, sizeof *s->rows, set_order); /* a row begins with its set */
}

static struct how draw_how(void)
{
	static const enum promql_op ops[] = {PROMQL_ADD, PROMQL_MUL, PROMQL_GT, PROMQL_LE, PROMQL_NE};
	static const enum promql_card cards[] = {PROMQL_ONE_TO_ONE, PROMQL_ONE_TO_ONE, PROMQL_MANY_TO_ONE,
	                                         PROMQL_ONE_TO_MANY};
	struct how h = {.op = ops[draw(5)], .on = draw(5) < 3, .card = cards[draw(4)]};

	h.returns_bool = promql_op_compares(h.op) && draw(3) == 0;
	for (int i = draw(6) == 0 ? 0 : 1; i < LABELS; i++) {
		h.matched[i] = draw(3) == 0;
		h.included[i] = h.card != PROMQL_ONE_TO_ONE && draw(4) == 0 && !(h.on && h.matched[i]);
	}
	h.fills_left = draw(3) == 0;
	h.fills_right = draw(3) == 0;
	h.fill_left = (double)draw(4);
	h.fill_right = (double)draw(4);
	return h;
}

static void names_text(const bool *taken, struct buf *out)
{
	const char *between = "";
	buf_str(out, "(");
	for (int i = 0; i < LABELS; i++) {
		if (taken[i])
			buf_printf(out, "%s%s", between, names[i]);
		if (taken[i])
			between = ", ";
	}
	buf_str(out, ") ");
}

static void query_text(const struct how *h, struct buf *out)
{
	buf_printf(out, "{__name__=~\"l|L\"} %s %s%s ", promql_op_text(h->op), h->returns_bool ? "bool " : "",
	           h->on ? "on" : "ignoring");
	names_text(h->matched, out);
	if (h->card != PROMQL_ONE_TO_ONE) {
		buf_str(out, h->card == PROMQL_MANY_TO_ONE ? "group_left " : "group_right ");
		names_text(h->included, out);
	}
	if (h->fills_left)
		buf_printf(out, "fill_left (%d) ", (int)h->fill_left);
	if (h->fills_right)
		buf_printf(out, "fill_right (%d) ", (int)h->fill_right);
	buf_str(out, "{__name__=~\"r|R\"}");
	buf_byte(out, '\0');
}

static void values_text(const struct one *row, struct buf *out)
{
	for (int k = 0; k < STEPS; k++) {
		buf_byte(out, ' ');
		if (promql_is_absent(row->values[k]))
			buf_byte(out, '_');
		else
			buf_number(out, row->values[k]);
	}
}

static void side_text(const struct side *s, struct buf *out)
{
	for (int i = 0; i < s->count; i++) {
		if (out->len > 0)
			buf_byte(out, '\n');
		set_text(s->rows[i].labels, out);
		values_text(&s->rows[i], out);
	}
}

/* As labels_text has it: the name before the braces. */
static void outcome_text(struct outcome *o, struct buf *out)
{
	if (o->error.len > 0) {
		buf_printf(out, "error: %.*s\n", SLICE_ARG(buf_slice(&o->error)));
		buf_byte(out, '\0');
		return;
	}
	qsort(o->results, (size_t)o->count, sizeof *o->results, set_order);
	for (int i = 0; i < o->count; i++) {
		struct set rest = o->results[i].labels;
		rest.v[0] = 0;
		if (o->results[i].labels.v[0] != 0)
			buf_byte(out, o->results[i].labels.v[0]);
		if (o->results[i].labels.v[0] == 0 || !same_set(rest, (struct set){{0}}))
			set_text(rest, out);
		values_text(&o->results[i], out);
		buf_byte(out, '\n');
	}
	buf_byte(out, '\0');
}

/* ---- the tests ---- */

static uint32_t failed, given;

static void check(struct answer *a, const struct side *left, const struct side *right)
{
	struct how h = draw_how();
	struct outcome o = {0};
	struct buf query = {0}, wanted = {0};
	bool fine = true;

	query_text(&h, &query);
	for (int step = 0; fine && step < STEPS; step++)
		fine = match_step(&o, &h, left, right, step);
	outcome_text(&o, &wanted);
	a->steps = STEPS; /* also where all series end before */
	answer_check(a, ANSWER_RANGE, query.ptr, wanted.ptr);
	failed += o.error.len > 0;
	given += o.error.len == 0 && o.count > 0;
	buf_free(&query);
	buf_free(&wanted);
	buf_free(&o.error);
}

static void test_step_by_step(void **state)
{
	(void)state;
	struct side left, right;

	for (int round = 0; round < 300; round++) {
		struct answer a;
		struct buf lines = {0};
		do {
			draw_side(&left, 'l');
			draw_side(&right, 'r');
		} while (left.count == 0 || right.count == 0);
		side_text(&left, &lines);
		side_text(&right, &lines);
		buf_byte(&lines, '\0');
		answer_load(&a, lines.ptr);
		for (int i = 0; i < 12; i++)
			check(&a, &left, &right);
		answer_free(&a);
		buf_free(&lines);
	}
	/* Neither is rare, or little would have been tested. */
	assert_true(failed > 300);
	assert_true(given > 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_step_by_step)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

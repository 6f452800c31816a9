/* Aggregations by their numbers: the loops over rows against one step at a time, as Prometheus goes, to the last bit; NaN, infinities, sums that overflow, runs that begin and end anywhere. Operators on rows against those on numbers. */
#include <float.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "promql/binary.h"
#include "promql/fold.h"

static uint64_t seed = 88172645463325252;

/* xorshift64 (Marsaglia, "Xorshift RNGs", 2003). */
static uint32_t draw(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 33) % below;
}

/* Mostly numbers that lose digits against one another; some that overflow, few that are none. */
static double draw_value(void)
{
	static const double rare[] = {NAN, INFINITY, -INFINITY, 0.0, -0.0, DBL_MAX, -DBL_MAX, 1e308, -1e308, 1e100};
	if (draw(40) == 0)
		return rare[draw(10)];
	double v = (double)draw(2000001) / 1000 - 1000;
	return draw(4) == 0 ? v * 1e12 : v;
}

/* ---- one step at a time ---- */

struct naive {
	double value, mean, comp, count;
	bool seen, incremental;
};

static void kahan(double add, double *sum, double *comp)
{
	double t = *sum + add;
	if (isinf(t))
		*comp = 0;
	else if (fabs(*sum) >= fabs(add))
		*comp += (*sum - t) + add;
	else
		*comp += (add - t) + *sum;
	*sum = t;
}

static void naive_avg(struct naive *n, double v)
{
	if (!n->incremental) {
		double sum = n->value, comp = n->comp;
		kahan(v, &sum, &comp);
		if (!isinf(sum)) {
			n->value = sum;
			n->comp = comp;
			return;
		}
		n->incremental = true;
		n->mean = n->value / (n->count - 1);
		n->comp /= n->count - 1;
	}
	double q = (n->count - 1) / n->count;
	n->mean *= q;
	n->comp *= q;
	kahan(v / n->count, &n->mean, &n->comp);
}

static void naive_add(enum promql_aggregation op, struct naive *n, double v)
{
	if (!n->seen) {
		*n = (struct naive){v, v, 0, 1, true, false};
		if (op == PROMQL_STDDEV || op == PROMQL_STDVAR)
			n->value = isfinite(v) ? 0 : NAN;
		return;
	}
	n->count++;
	if (op == PROMQL_SUM)
		kahan(v, &n->value, &n->comp);
	if (op == PROMQL_AVG)
		naive_avg(n, v);
	if (op == PROMQL_AGG_MAX && (n->value < v || isnan(n->value)))
		n->value = v;
	if (op == PROMQL_AGG_MIN && (n->value > v || isnan(n->value)))
		n->value = v;
	if (op == PROMQL_STDDEV || op == PROMQL_STDVAR) {
		double delta = v - n->mean;
		n->mean += delta / n->count;
		n->value += delta * (v - n->mean);
	}
}

static double naive_result(enum promql_aggregation op, const struct naive *n)
{
	switch (op) {
	case PROMQL_SUM:
		return n->value + n->comp;
	case PROMQL_AVG:
		return n->incremental ? n->mean + n->comp : n->value / n->count + n->comp / n->count;
	case PROMQL_COUNT:
		return n->count;
	case PROMQL_GROUP:
		return 1;
	case PROMQL_STDVAR:
		return n->value / n->count;
	case PROMQL_STDDEV:
		return sqrt(n->value / n->count);
	default:
		return n->value;
	}
}

/* NaN is NaN; zeros are the same with either sign, which no result keeps apart. */
static void same(double got, double wanted)
{
	if (isnan(wanted) || isnan(got))
		assert_int_equal(isnan(got), isnan(wanted));
	else if (got != wanted)
		fail_msg("got %.17g, not %.17g", got, wanted);
}

enum { STEPS_MAX = 67 };

static void fold_rows(enum promql_aggregation op, uint32_t steps, uint32_t rows)
{
	const struct fold *f = fold_of(op);
	struct naive naive[STEPS_MAX] = {{0}};
	double *cells = malloc(f->width * steps * sizeof *cells), *values = malloc(steps * sizeof *values);

	f->begin(cells, steps);
	for (uint32_t r = 0; r < rows; r++) {
		uint32_t from = draw(3) == 0 ? draw(steps) : 0, to = from + 1 + draw(steps - from);
		if (draw(3) != 0)
			to = steps;
		for (uint32_t i = from; i < to; i++) {
			values[i] = draw_value();
			naive_add(op, &naive[i], values[i]);
		}
		f->add(cells, steps, values, from, to);
	}
	f->finish(cells, steps);
	for (uint32_t i = 0; i < steps; i++) {
		if (naive[i].seen)
			same(cells[i], naive_result(op, &naive[i]));
	}
	free(cells);
	free(values);
}

static void test_folds(void **state)
{
	(void)state;
	uint32_t known = 0;

	for (int op = PROMQL_AVG; op <= PROMQL_TOPK; op++) {
		if (fold_of((enum promql_aggregation)op) == NULL)
			continue;
		known++;
		for (int round = 0; round < 300; round++)
			fold_rows((enum promql_aggregation)op, 1 + draw(STEPS_MAX), 1 + draw(60));
	}
	assert_int_equal(known, 8);
	assert_null(fold_of(PROMQL_TOPK));
	assert_null(fold_of(PROMQL_QUANTILE));
}

/* ---- operators ---- */

static double maybe_absent(void)
{
	return draw(5) == 0 ? promql_absent() : draw(4) == 0 ? (double)draw(3) : draw_value();
}

static void check_op(enum promql_op op, bool returns_bool)
{
	double left[STEPS_MAX], right[STEPS_MAX], out[STEPS_MAX];
	uint32_t count = 1 + draw(STEPS_MAX);
	struct operands in = {left, right, draw(2) == 0 ? left : right};

	for (uint32_t i = 0; i < count; i++) {
		left[i] = maybe_absent();
		right[i] = maybe_absent();
	}
	promql_op_rows(op, returns_bool, &in, out, count);
	for (uint32_t i = 0; i < count; i++) {
		double wanted = promql_op_apply(op, left[i], right[i]);
		bool filters = promql_op_compares(op) && !returns_bool;
		bool gone = promql_is_absent(left[i]) || promql_is_absent(right[i]) || (filters && wanted == 0);
		assert_int_equal(promql_is_absent(out[i]), gone);
		if (!gone)
			same(out[i], filters ? in.kept[i] : wanted);
	}
}

static void test_operators_on_rows(void **state)
{
	(void)state;
	for (int op = PROMQL_ADD; op <= PROMQL_LE; op++) {
		for (int round = 0; round < 500; round++)
			check_op((enum promql_op)op, promql_op_compares((enum promql_op)op) && draw(2) == 0);
	}
}

static void test_operators_on_numbers(void **state)
{
	(void)state;
	static const struct {
		enum promql_op op;
		double a, b, wanted;
	} cases[] = {
	    {PROMQL_ADD, 1, 2, 3},
	    {PROMQL_SUB, 1, 2, -1},
	    {PROMQL_MUL, 3, 2, 6},
	    {PROMQL_DIV, 1, 0, INFINITY},
	    {PROMQL_DIV, 0, 0, NAN},
	    {PROMQL_MOD, 7, 3, 1},
	    {PROMQL_MOD, -7, 3, -1},
	    {PROMQL_MOD, 7, -3, 1},
	    {PROMQL_MOD, 7, 0, NAN},
	    {PROMQL_MOD, INFINITY, 3, NAN},
	    {PROMQL_MOD, 7, INFINITY, 7},
	    {PROMQL_MOD, 7, NAN, NAN},
	    {PROMQL_POW, 2, 10, 1024},
	    /* What Go gives, which rounds on its way: nearest are 1.3310000000000002, 2.5937424601000023 and 1e-300. */
	    {PROMQL_POW, 1.1, 3, 1.3310000000000004},
	    {PROMQL_POW, 1.1, 10, 2.593742460100002},
	    {PROMQL_POW, 10, -300, 9.999999999999994e-301},
	    {PROMQL_POW, 1.0001, 100000, 22015.456048481854},
	    {PROMQL_POW, 3.7, 2.5, 26.333240780428074},
	    {PROMQL_POW, 0.3, 7.25, 0.00016185610934246278},
	    {PROMQL_POW, 7, -0.75, 0.23236808024254083},
	    {PROMQL_POW, -3, 3, -27},
	    {PROMQL_POW, 2, -1074, 0x1p-1074},
	    {PROMQL_POW, 2, -1075, 0},
	    {PROMQL_POW, 2, 1024, INFINITY},
	    {PROMQL_POW, -2, 1025, -INFINITY},
	    {PROMQL_POW, 1.5, 1e18, INFINITY},
	    {PROMQL_POW, 0.75, 1e18, 0},
	    {PROMQL_POW, -1, 1e300, 1},
	    {PROMQL_POW, 2, 0.5, 1.4142135623730951},
	    {PROMQL_POW, 4, -0.5, 0.5},
	    {PROMQL_POW, -4, 0.5, NAN},
	    {PROMQL_POW, NAN, 0, 1},
	    {PROMQL_POW, 1, NAN, 1},
	    {PROMQL_POW, -1, INFINITY, 1},
	    {PROMQL_POW, -8, 1.0 / 3, NAN},
	    {PROMQL_POW, 0, -1, INFINITY},
	    {PROMQL_POW, -0.0, -3, -INFINITY},
	    {PROMQL_POW, -INFINITY, 3, -INFINITY},
	    {PROMQL_POW, 0.5, INFINITY, 0},
	    {PROMQL_ATAN2, 10, 20, 0.4636476090008061},
	    {PROMQL_ATAN2, 0, -1, 3.141592653589793},
	    {PROMQL_ATAN2, 1, NAN, NAN},
	    {PROMQL_EQ, NAN, NAN, 0},
	    {PROMQL_NE, NAN, NAN, 1},
	    {PROMQL_GT, 2, 1, 1},
	    {PROMQL_LT, 2, 1, 0},
	    {PROMQL_GE, 2, 2, 1},
	    {PROMQL_LE, NAN, 2, 0},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		same(promql_op_apply(cases[i].op, cases[i].a, cases[i].b), cases[i].wanted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_folds),
	    cmocka_unit_test(test_operators_on_rows),
	    cmocka_unit_test(test_operators_on_numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Quantiles against sorted arrays, and the window as time goes on. */
#include "support.h"

#include <float.h>

#include "metrics/summary.h"

static const double quantiles[] = {0, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999, 1};

enum { QUANTILES = sizeof quantiles / sizeof *quantiles, VALUES = 20000 };

#define WINDOW (600 * NS_PER_S)
#define SLOT (WINDOW / SUMMARY_SLOTS)

/* A registry for the clock and the memory, and one sketch. */
struct fixture {
	struct registry *r;
	union series_cell cell;
	int64_t now;
};

static struct fixture fixture(void)
{
	return (struct fixture){.r = new_registry(0), .now = START};
}

static void end(struct fixture *f)
{
	state_retire(f->r, METRIC_SUMMARY, f->cell.state);
	registry_free(f->r);
}

static void to(struct fixture *f, int64_t now)
{
	f->now = now;
	registry_set_now(f->r, now);
}

static void observe(struct fixture *f, double v)
{
	assert_int_equal(sketch_observe(f->r, &f->cell, WINDOW, f->now, v), 0);
}

static double quantile_at(const struct fixture *f, double q, int64_t now)
{
	double out;

	sketch_quantiles((const struct sketch *)f->cell.state, WINDOW, now, &q, 1, &out);
	return out;
}

static double median(const struct fixture *f)
{
	return quantile_at(f, 0.5, f->now);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void check_accuracy(const char *name, const double *sorted, const struct fixture *f)
{
	double out[QUANTILES];

	sketch_quantiles((const struct sketch *)f->cell.state, WINDOW, f->now, quantiles, QUANTILES, out);
	for (int i = 0; i < QUANTILES; i++) {
		double exact = sorted[(size_t)(quantiles[i] * (VALUES - 1))];
		if (fabs(out[i] - exact) > METRIC_QUANTILE_ERROR * fabs(exact) * (1 + 1e-9))
			fail_msg("%s, quantile %g: %.17g for %.17g", name, quantiles[i], out[i], exact);
	}
}

static double draw(int distribution, uint64_t *random)
{
	double u = random_unit(random), w = random_unit(random);

	switch (distribution) {
	case 0: /* latencies */
		return exp(2 * sqrt(-2 * log(1 - u)) * cos(6.283185307179586 * w) - 3);
	case 1:
		return u * 100;
	case 2: /* Pareto */
		return pow(1 - u, -1 / 1.5);
	case 3: /* both signs and zero */
		return u < 0.1 ? 0 : (w - 0.5) * 1000;
	case 4: /* whole numbers, many of them equal */
		return floor(u * u * 50);
	default:
		return 42;
	}
}

static void test_accuracy(void **state)
{
	(void)state;
	static const char *const names[] = {"log-normal", "uniform", "pareto", "signed", "whole", "constant"};
	static double values[VALUES];
	uint64_t random = 11;

	for (int d = 0; d < 6; d++) {
		struct fixture f = fixture();
		for (int i = 0; i < VALUES; i++) {
			values[i] = draw(d, &random);
			to(&f, START + i * (SLOT * 8 / VALUES)); /* over nine slots */
			observe(&f, values[i]);
		}
		qsort(values, VALUES, sizeof *values, compare);
		check_accuracy(names[d], values, &f);
		end(&f);
	}
}

static void test_all_magnitudes(void **state)
{
	(void)state;
	static const double values[] = {DBL_MAX, 1e300, 1, 1e-300, DBL_MIN, 4e-310, -1e-300, -1, -1e300, -DBL_MAX, 0};

	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		struct fixture f = fixture();
		observe(&f, values[i]);
		assert_true(fabs(median(&f) - values[i]) <= fabs(values[i]) * METRIC_QUANTILE_ERROR * (1 + 1e-9));
		end(&f);
	}
	struct fixture f = fixture(); /* the smallest subnormal numbers have no 1 % left */
	observe(&f, 5e-324);
	assert_true(median(&f) >= 0 && median(&f) <= 1e-323);
	end(&f);
}

static void test_empty(void **state)
{
	(void)state;
	struct fixture f = fixture();

	assert_true(isnan(median(&f)));
	observe(&f, 1);
	assert_true(isnan(quantile_at(&f, 0.5, START + 2 * WINDOW)));
	end(&f);
}

static void test_window_slides(void **state)
{
	(void)state;
	struct fixture f = fixture();

	for (int i = 0; i < 30; i++) { /* a value a slot: the window holds the last ten */
		to(&f, START + i * SLOT);
		observe(&f, i + 1);
		double low = i < 10 ? 1 : i - 10 + 2;
		assert_float_equal(quantile_at(&f, 0, f.now), low, low * 0.0101);
		assert_float_equal(quantile_at(&f, 1, f.now), i + 1, (i + 1) * 0.0101);
	}
	for (int i = 1; i < 10; i++) { /* no more values: they leave one by one */
		double low = 21 + i;
		assert_float_equal(quantile_at(&f, 0, f.now + i * SLOT), low, low * 0.0101);
	}
	assert_true(isnan(quantile_at(&f, 0, f.now + 10 * SLOT)));
	to(&f, f.now + 15 * SLOT); /* everything has left: the sketch begins anew */
	observe(&f, 7);
	assert_float_equal(quantile_at(&f, 0, f.now), 7, 0.0701);
	assert_int_equal(((struct sketch *)f.cell.state)->end[SUMMARY_SLOTS - 1], 1);
	end(&f);
}

static void test_late_and_early(void **state)
{
	(void)state;
	struct fixture f = fixture();

	to(&f, START + 20 * SLOT);
	assert_int_equal(sketch_observe(f.r, &f.cell, WINDOW, f.now - 10 * SLOT, 1), 0); /* just too old */
	assert_int_equal(stats_of(f.r).late, 1);
	assert_true(isnan(median(&f)));
	assert_int_equal(sketch_observe(f.r, &f.cell, WINDOW, f.now - 9 * SLOT, 3), 0); /* just not */
	assert_float_equal(median(&f), 3, 0.0301);
	assert_int_equal(sketch_observe(f.r, &f.cell, WINDOW, INT64_MAX, 5), 0); /* the future is now */
	assert_float_equal(quantile_at(&f, 1, f.now), 5, 0.0501);
	assert_int_equal(sketch_observe(f.r, &f.cell, WINDOW, -5, 5), 0);
	assert_int_equal(stats_of(f.r).late, 2);
	assert_true(isnan(quantile_at(&f, 0.5, f.now + 10 * SLOT)));
	end(&f);
}

/* Slots filled in any order hold what they would hold in order. */
static void test_out_of_order(void **state)
{
	(void)state;
	struct fixture f = fixture(), g = fixture();
	uint64_t random = 4;
	int64_t times[500];

	for (int i = 0; i < 500; i++)
		times[i] = START + (int64_t)(random_u64(&random) % (uint64_t)(9 * SLOT));
	to(&f, START + 9 * SLOT - 1);
	to(&g, START + 9 * SLOT - 1);
	for (int i = 0; i < 500; i++) {
		assert_int_equal(sketch_observe(f.r, &f.cell, WINDOW, times[i], (double)(times[i] % 1000)), 0);
		int64_t t = times[499 - i];
		assert_int_equal(sketch_observe(g.r, &g.cell, WINDOW, t, (double)(t % 1000)), 0);
	}
	const struct sketch *a = (struct sketch *)f.cell.state, *b = (struct sketch *)g.cell.state;
	/* The newest slot may differ in number by where the first value fell; what is in the window may not. */
	for (int64_t now = f.now; now < f.now + 11 * SLOT; now += SLOT / 2) {
		double x[QUANTILES], y[QUANTILES];
		sketch_quantiles(a, WINDOW, now, quantiles, QUANTILES, x);
		sketch_quantiles(b, WINDOW, now, quantiles, QUANTILES, y);
		for (int i = 0; i < QUANTILES; i++)
			assert_true(x[i] == y[i] || (isnan(x[i]) && isnan(y[i])));
	}
	end(&f);
	end(&g);
}

/* More buckets than a slot may have: memory stays bounded, the upper quantiles stay right, and nothing is lost. */
static void test_collapse(void **state)
{
	(void)state;
	struct fixture f = fixture();
	uint64_t random = 8;

	for (int i = 0; i < 60000; i++) {
		double u = random_unit(&random);
		observe(&f, exp((u - 0.5) * 1000)); /* over 434 decades */
	}
	const struct sketch *s = (struct sketch *)f.cell.state;
	assert_int_equal(s->end[SUMMARY_SLOTS - 1], SUMMARY_BUCKETS);
	uint64_t total = 0;
	for (uint32_t i = 0; i < SUMMARY_BUCKETS; i++)
		total += sketch_count(s->entries[i]);
	assert_int_equal(total, 60000);
	double p999 = quantile_at(&f, 0.999, f.now);
	assert_true(fabs(log(p999) - 499) < 1);
	assert_true(sketch_size(s->cap) < 81920 + 4096);
	end(&f);
}

static void test_series(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct metric *m = define_simple(r, "a", METRIC_SUMMARY, "x");
	struct series_ref s = series1(m, "1");

	assert_true(has_line(r, "a{x=\"1\",quantile=\"0.5\"} NaN\n"));
	for (int i = 1; i <= 100; i++)
		assert_int_equal(metric_observe(m, s, i, START), 0);
	assert_float_equal(value_of(r, "a{x=\"1\",quantile=\"0.5\"}"), 50, 0.51);
	assert_float_equal(value_of(r, "a{x=\"1\",quantile=\"0.99\"}"), 99, 1);
	assert_float_equal(value_of(r, "a_count{x=\"1\"}"), 100, 0);
	assert_float_equal(value_of(r, "a_sum{x=\"1\"}"), 5050, 0);
	registry_set_now(r, START + 2 * WINDOW);
	assert_int_equal(metric_observe(m, s, 7, START), 0); /* late: counted since the start, in no quantile */
	assert_true(has_line(r, "a{x=\"1\",quantile=\"0.5\"} NaN\n"));
	assert_float_equal(value_of(r, "a_count{x=\"1\"}"), 101, 0);
	assert_float_equal(value_of(r, "a_sum{x=\"1\"}"), 5057, 0);
	assert_int_equal(stats_of(r).late, 1);
	registry_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_accuracy),       cmocka_unit_test(test_all_magnitudes),
	    cmocka_unit_test(test_empty),          cmocka_unit_test(test_window_slides),
	    cmocka_unit_test(test_late_and_early), cmocka_unit_test(test_out_of_order),
	    cmocka_unit_test(test_collapse),       cmocka_unit_test(test_series),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

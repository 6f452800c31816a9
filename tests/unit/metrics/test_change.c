/* Changes: which values each type takes, sums that do not drift, buckets, exemplars. */
#include "support.h"

#include <float.h>

#include "metrics/histogram.h"
#include "metrics/internal.h"
#include "metrics/sum.h"

static const double not_finite[] = {NAN, INFINITY, -INFINITY};

static void test_counter(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct metric *m = define_simple(r, "a_total", METRIC_COUNTER, NULL);
	struct series_ref s = series1(m, NULL);

	assert_int_equal(metric_add(m, s, 2.5), 0);
	assert_int_equal(metric_add(m, s, 0), 0);
	assert_int_equal(metric_add(m, s, -0.0), 0);
	assert_int_equal(metric_add(m, s, -1e-300), -EINVAL);
	for (int i = 0; i < 3; i++)
		assert_int_equal(metric_add(m, s, not_finite[i]), -EINVAL);
	assert_int_equal(metric_set(m, s, 1), -EINVAL);
	assert_int_equal(metric_observe(m, s, 1, START), -EINVAL);
	assert_int_equal(metric_hit(m, s, true, START), -EINVAL);
	assert_int_equal(metric_see(m, s, SLICE("x"), START), -EINVAL);
	assert_float_equal(value_of(r, "a_total"), 2.5, 0);
	assert_int_equal(metric_add(m, s, DBL_MAX), 0);
	assert_int_equal(metric_add(m, s, DBL_MAX), -EINVAL);
	assert_float_equal(value_of(r, "a_total"), DBL_MAX, 0);
	registry_free(r);
}

static void test_gauge(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct metric *m = define_simple(r, "a", METRIC_GAUGE, NULL);
	struct series_ref s = series1(m, NULL);

	assert_int_equal(metric_add(m, s, 2), 0);
	assert_int_equal(metric_add(m, s, -5), 0);
	assert_float_equal(value_of(r, "a"), -3, 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(metric_add(m, s, not_finite[i]), -EINVAL);
	assert_int_equal(metric_set(m, s, -DBL_MAX), 0);
	assert_int_equal(metric_add(m, s, -DBL_MAX), -EINVAL);
	assert_float_equal(value_of(r, "a"), -DBL_MAX, 0);
	assert_int_equal(metric_set(m, s, -INFINITY), 0);
	assert_int_equal(metric_add(m, s, 1), 0);
	assert_true(has_line(r, "a -Inf\n"));
	assert_int_equal(metric_set(m, s, NAN), 0);
	assert_int_equal(metric_add(m, s, 1), 0);
	assert_true(has_line(r, "a NaN\n"));
	assert_int_equal(metric_set(m, s, 1), 0);
	assert_int_equal(metric_add(m, s, 1), 0);
	assert_float_equal(value_of(r, "a"), 2, 0);
	assert_int_equal(metric_observe(m, s, 1, START), -EINVAL);
	registry_free(r);
}

static void test_observers(void **state)
{
	(void)state;
	static const enum metric_type types[] = {METRIC_HISTOGRAM, METRIC_SUMMARY, METRIC_MEAN};
	struct registry *r = new_registry(0);
	char name[16];

	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof name, "m%d", i);
		struct metric *m = define_simple(r, name, types[i], NULL);
		struct series_ref s = series1(m, NULL);
		struct buf before = text_of(r);
		for (int j = 0; j < 3; j++)
			assert_int_equal(metric_observe(m, s, not_finite[j], START), -EINVAL);
		assert_int_equal(metric_add(m, s, 1), -EINVAL);
		assert_int_equal(metric_set(m, s, 1), -EINVAL);
		struct buf after = text_of(r);
		assert_string_equal(before.ptr, after.ptr);
		assert_int_equal(metric_observe(m, s, DBL_MAX, START), 0);
		assert_int_equal(metric_observe(m, s, DBL_MAX, START), -EINVAL); /* the sum */
		assert_int_equal(metric_observe(m, s, -3, START), 0);
		buf_free(&before);
		buf_free(&after);
	}
	assert_float_equal(value_of(r, "m0_count"), 2, 0);
	assert_float_equal(value_of(r, "m1_count"), 2, 0);
	registry_free(r);
}

/* Amounts of money: the sum is the decimal sum, for a million additions and more. */
static void test_money_adds_up(void **state)
{
	(void)state;
	uint64_t random = 1, total = 0; /* in units of 0.00001 */
	double value = 0, plain = 0;
	float rest = 0;

	for (int i = 0; i < 1000000; i++) {
		uint64_t amount = random_u64(&random) % 3000000; /* up to 30 */
		total += amount;
		plain += (double)amount / 1e5;
		assert_true(sum_add(&value, &rest, (double)amount / 1e5));
	}
	assert_float_equal(value, (double)total / 1e5, 0);
	assert_true(plain != (double)total / 1e5); /* what it is for */
	for (int i = 0; i < 1000000; i++)
		assert_true(sum_add(&value, &rest, 0.00001));
	assert_float_equal(value, (double)(total + 1000000) / 1e5, 0);
}

static void test_sums_of_all_sizes(void **state)
{
	(void)state;
	uint64_t random = 9;

	for (int round = 0; round < 200; round++) {
		__float128 exact = 0;
		double value = 0;
		float rest = 0;
		for (int i = 0; i < 1000; i++) {
			double v = ldexp(random_unit(&random) - 0.5, (int)(random_u64(&random) % 40));
			exact += v;
			assert_true(sum_add(&value, &rest, v));
		}
		double error = (double)(exact - value), ulp = nextafter(fabs(value), INFINITY) - fabs(value);
		assert_true(fabs(error) <= ulp * 0.501 || fabs(error) < 1e-9);
	}
	double value = 1e300;
	float rest = 0;
	assert_true(sum_add(&value, &rest, 1)); /* a rest that no float can hold */
	assert_true(sum_add(&value, &rest, 1e290));
	assert_true(isfinite(rest));
}

static void test_counts_are_exact(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct metric *m = define_simple(r, "a_total", METRIC_COUNTER, NULL);
	struct series_ref s = series1(m, NULL);

	assert_int_equal(metric_add(m, s, 9007199254740992.0 - 3), 0);
	for (int i = 0; i < 9; i++) /* beyond 2^53 too, where a plain double would stand still */
		assert_int_equal(metric_add(m, s, 1), 0);
	assert_float_equal(value_of(r, "a_total"), 9007199254740998.0, 0);
	registry_free(r);
}

static void test_buckets(void **state)
{
	(void)state;
	double bounds[METRIC_BUCKETS_MAX];
	uint64_t random = 2;

	for (uint32_t count = 1; count <= METRIC_BUCKETS_MAX; count++) {
		for (uint32_t i = 0; i < count; i++)
			bounds[i] = (double)i * 2 - 60;
		for (int i = 0; i < 300; i++) {
			double v = (double)(random_u64(&random) % 300) - 70;
			uint32_t slowly = 0;
			while (slowly < count && bounds[slowly] < v)
				slowly++;
			assert_int_equal(histogram_bucket(bounds, count, v), slowly);
		}
	}
}

static void test_histogram(void **state)
{
	(void)state;
	static const double values[] = {0.05, 0.1, 0.1000001, 1, 5, 10, 11, -2, 0};
	struct registry *r = new_registry(0);
	struct metric *m = define_simple(r, "a", METRIC_HISTOGRAM, "x");
	struct series_ref s = series1(m, "1");

	for (size_t i = 0; i < sizeof values / sizeof *values; i++)
		assert_int_equal(metric_observe(m, s, values[i], START), 0);
	assert_float_equal(value_of(r, "a_bucket{x=\"1\",le=\"0.1\"}"), 4, 0);
	assert_float_equal(value_of(r, "a_bucket{x=\"1\",le=\"1\"}"), 6, 0);
	assert_float_equal(value_of(r, "a_bucket{x=\"1\",le=\"10\"}"), 8, 0);
	assert_float_equal(value_of(r, "a_bucket{x=\"1\",le=\"+Inf\"}"), 9, 0);
	assert_float_equal(value_of(r, "a_count{x=\"1\"}"), 9, 0);
	assert_float_equal(value_of(r, "a_sum{x=\"1\"}"), 25.2500001, 1e-12);
	registry_free(r);
}

/* ---- exemplars ---- */

static bool open_has(struct registry *r, const char *part)
{
	struct buf text = text_at(r, EXPOSITION_OPENMETRICS, 0);
	bool has = strstr(text.ptr, part) != NULL;

	buf_free(&text);
	return has;
}

static void test_exemplars(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct metric *m = define_simple(r, "a_total", METRIC_COUNTER, "x");
	struct metric *h = define_simple(r, "h", METRIC_HISTOGRAM, NULL);
	struct series_ref s = series1(m, "1"), hs = series1(h, NULL);

	assert_int_equal(metric_add(m, s, 1), 0);
	assert_false(open_has(r, " # {"));
	registry_set_exemplar(r, SLICE("t1"), SLICE("s1"), START);
	assert_int_equal(metric_add(m, s, 2), 0);
	assert_int_equal(metric_observe(h, hs, 0.5, START), 0);
	assert_int_equal(metric_observe(h, hs, 50, START), 0);
	assert_true(open_has(r, "a_total{x=\"1\"} 3 # {trace_id=\"t1\",span_id=\"s1\"} 2 1767225600.000\n"));
	assert_true(open_has(r, "h_bucket{le=\"1.0\"} 1 # {trace_id=\"t1\",span_id=\"s1\"} 0.5 1767225600.000\n"));
	assert_true(open_has(r, "h_bucket{le=\"+Inf\"} 2 # {trace_id=\"t1\",span_id=\"s1\"} 50 1767225600.000\n"));
	assert_true(open_has(r, "h_bucket{le=\"10.0\"} 1\n"));
	registry_set_exemplar(r, SLICE("t2"), SLICE(""), START + NS_PER_S - 1);
	assert_int_equal(metric_add(m, s, 3), 0);
	assert_true(open_has(r, "trace_id=\"t1\",span_id=\"s1\"} 2 ")); /* not a second newer */
	registry_set_exemplar(r, SLICE("t2"), SLICE(""), START + NS_PER_S);
	assert_int_equal(metric_add(m, s, 4), 0);
	assert_true(open_has(r, "a_total{x=\"1\"} 10 # {trace_id=\"t2\"} 4 1767225601.000\n"));
	registry_set_exemplar(r, SLICE(""), SLICE(""), START + 9 * NS_PER_S);
	assert_int_equal(metric_add(m, s, 5), 0);
	assert_true(open_has(r, "trace_id=\"t2\"} 4 "));
	assert_false(has_line(r, "a_total{x=\"1\"} 15 #")); /* none in the text format */
	registry_free(r);
}

static void test_exemplars_of_odd_ids(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct metric *m = define_simple(r, "a_total", METRIC_COUNTER, NULL);
	struct series_ref s = series1(m, NULL);
	char longer[300];
	int64_t time = START;

	memset(longer, 'x', sizeof longer);
	registry_set_exemplar(r, slice_new(longer, 114), SLICE(""), time);
	assert_int_equal(metric_add(m, s, 1), 0);
	assert_false(open_has(r, "trace_id")); /* 8 + 114 characters are too many with the names */
	registry_set_exemplar(r, SLICE("\xff"), SLICE(""), time);
	assert_int_equal(metric_add(m, s, 1), 0);
	assert_false(open_has(r, "trace_id"));
	registry_set_exemplar(r, slice_new(longer, 113), SLICE("s"), time);
	assert_int_equal(metric_add(m, s, 1), 0);
	assert_true(open_has(r, "xxx\"} 1 ")); /* the span id found no room */
	registry_set_exemplar(r, SLICE("a\"b\\c\n"), SLICE("\xff"), time + NS_PER_S);
	assert_int_equal(metric_add(m, s, 1), 0);
	assert_true(open_has(r, "trace_id=\"a\\\"b\\\\c\\n\"} 1 "));
	registry_free(r);
}

static void test_exemplars_end_with_their_series(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct metric_def def = def_of("a_total", METRIC_COUNTER, "x", NULL);
	char name[16];

	def.idle_ns = 10 * NS_PER_S;
	def.max_series = 3000;
	struct metric *m = define(r, &def);
	registry_set_exemplar(r, SLICE("t"), SLICE("s"), START);
	for (int i = 0; i < 2500; i++) { /* while the first chunk grows, and into others */
		snprintf(name, sizeof name, "%d", i);
		assert_int_equal(metric_add(m, series1(m, name), 1), 0);
	}
	assert_int_equal(r->exemplars, 2500);
	struct metrics_snapshot *snap = registry_snapshot(r);
	assert_non_null(snap);
	assert_true(open_has(r, "a_total{x=\"2499\"} 1 # {"));
	registry_set_now(r, START + 10 * NS_PER_S);
	registry_expire(r);
	assert_int_equal(r->exemplars, 0);
	registry_set_exemplar(r, SLICE(""), SLICE(""), 0);
	assert_int_equal(metric_add(m, series1(m, "0"), 1), 0);
	assert_false(open_has(r, "trace_id"));
	struct buf text = {0};
	assert_int_equal(exposition_render(snap, EXPOSITION_OPENMETRICS, 0, &text), 0);
	buf_byte(&text, '\0');
	assert_non_null(strstr(text.ptr, "a_total{x=\"0\"} 1 # {trace_id=\"t\",span_id=\"s\"} 1 "));
	buf_free(&text);
	metrics_snapshot_unref(snap);
	registry_free(r);
}

static void test_exemplars_are_bounded(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct metric *m = define_simple(r, "a_total", METRIC_COUNTER, "x");

	registry_set_exemplar(r, SLICE("t"), SLICE(""), START);
	r->exemplars = EXEMPLARS_MAX - 1;
	assert_int_equal(metric_add(m, series1(m, "1"), 1), 0);
	assert_int_equal(metric_add(m, series1(m, "2"), 1), 0);
	assert_true(open_has(r, "a_total{x=\"1\"} 1 # {"));
	assert_true(open_has(r, "a_total{x=\"2\"} 1\n"));
	registry_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_counter),
	    cmocka_unit_test(test_gauge),
	    cmocka_unit_test(test_observers),
	    cmocka_unit_test(test_money_adds_up),
	    cmocka_unit_test(test_sums_of_all_sizes),
	    cmocka_unit_test(test_counts_are_exact),
	    cmocka_unit_test(test_buckets),
	    cmocka_unit_test(test_histogram),
	    cmocka_unit_test(test_exemplars),
	    cmocka_unit_test(test_exemplars_of_odd_ids),
	    cmocka_unit_test(test_exemplars_end_with_their_series),
	    cmocka_unit_test(test_exemplars_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

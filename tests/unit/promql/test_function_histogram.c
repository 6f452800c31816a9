/* Classic histograms: bounds, repair, quantiles and fractions, and the functions over them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "promql/buckets.h"
#include "support/asked.h"

#define REPAIRED                                                                                                       \
	"info: PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see "                     \
	"https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)"

static void bounds_are_what_go_takes(void **state)
{
	static const struct {
		const char *text;
		double bound;
	} good[] = {
	    {"0.1", 0.1}, {"1e3", 1000}, {"+Inf", INFINITY}, {"-inf", -INFINITY}, {"Infinity", INFINITY}, {"-5", -5},
	    {"+.5", 0.5}, {"5.", 5},     {"0x1p4", 16},      {"1E-2", 0.01},      {"1e-400", 0},
	};
	static const char *const bad[] = {"",     " 1",    "1 ",  "x",     "1_0",  "1e",
	                                  "0x10", "1e400", "--1", "infin", "+nan", "nan()"};
	double v;
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_true(bucket_bound(slice_cstr(good[i].text), &v));
		assert_true(v == good[i].bound);
	}
	assert_true(bucket_bound(SLICE("NaN"), &v) && isnan(v));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(bucket_bound(slice_cstr(bad[i]), &v));
	assert_false(bucket_bound(SLICE("1\0"), &v));
}

static void equal_bounds_are_one(void **state)
{
	struct bucket b[] = {{0.1, 1}, {0.1, 2}, {1, 5}, {INFINITY, 7}, {INFINITY, 1}};
	(void)state;
	assert_int_equal(buckets_merge(b, 5), 3);
	assert_true(b[0].count == 3 && b[1].count == 5 && b[2].count == 8);
	assert_int_equal(buckets_merge(b, 0), 0);
}

static void counts_that_fall_are_raised(void **state)
{
	struct bucket b[] = {{1, 10}, {2, 8}, {3, 12}, {4, 11}, {5, 9}, {INFINITY, 13}};
	struct bucket near[] = {{1, 1}, {2, 1 - 1e-13}, {3, 1 + 1e-13}, {INFINITY, 1.1}};
	struct bucket zero[] = {{1, 0}, {2, 1e-320}, {INFINITY, 1e-300}};
	struct bucket_repair r;
	(void)state;
	assert_true(buckets_repair(b, 6, &r));
	assert_true(b[1].count == 10 && b[3].count == 12 && b[4].count == 12 && b[5].count == 13);
	assert_true(r.least == 2 && r.greatest == 5 && r.difference == 3);
	/* What only sums of floating point numbers make is silently made the same. */
	assert_false(buckets_repair(near, 4, &r));
	assert_true(near[1].count == 1 && near[2].count == 1 && near[3].count == 1.1);
	assert_false(buckets_repair(zero, 3, &r));
	assert_true(zero[1].count == 0 && zero[2].count == 1e-300);
}

static void quantiles_lie_within_buckets(void **state)
{
	static const struct bucket b[] = {{0.1, 50}, {0.2, 70}, {1, 110}, {INFINITY, 120}};
	static const struct bucket below[] = {{-1, 5}, {1, 10}, {INFINITY, 10}};
	static const struct bucket empty[] = {{1, 0}, {INFINITY, 0}};
	(void)state;
	assert_true(buckets_quantile(0, b, 4) == 0);
	assert_true(buckets_quantile(0.25, b, 4) == 0.06);
	assert_true(buckets_quantile(0.5, b, 4) == 0.15000000000000002);
	assert_true(buckets_quantile(1, b, 4) == 1); /* of the last bucket nothing is known but where it begins */
	assert_true(buckets_quantile(0.25, below, 3) == -1);
	assert_true(buckets_quantile(0.75, below, 3) == 0);
	assert_true(isnan(buckets_quantile(0.5, empty, 2)));
	assert_true(isnan(buckets_quantile(0.5, b, 3)));
	assert_true(isnan(buckets_quantile(0.5, b + 3, 1)));
}

static void fractions_are_between_ranks(void **state)
{
	static const struct bucket b[] = {{0.1, 50}, {0.2, 70}, {1, 110}, {INFINITY, 120}};
	static const struct bucket below[] = {{-1, 5}, {1, 10}, {INFINITY, 10}};
	(void)state;
	assert_true(buckets_fraction(0, 0.2, b, 4) == 70.0 / 120);
	assert_true(buckets_fraction(-INFINITY, INFINITY, b, 4) == 1);
	assert_true(buckets_fraction(0.05, 0.1, b, 4) == 25.0 / 120);
	assert_true(buckets_fraction(-5, 0, b, 4) == 0);
	assert_true(buckets_fraction(0.2, 0.2, b, 4) == 0);
	/* Above the last bound nothing is known. */
	assert_true(buckets_fraction(1, 1e9, b, 4) == 0);
	assert_true(buckets_fraction(-INFINITY, -2, below, 3) == 0.5);
	assert_true(buckets_fraction(-1, 0, below, 3) == 0.25);
	assert_true(isnan(buckets_fraction(NAN, 1, b, 4)));
	assert_true(isnan(buckets_fraction(0, 1, b, 3)));
	assert_true(isnan(buckets_fraction(0, 1, b, 0)));
}

static void load(struct db *db)
{
	series(db, "h_bucket{job=\"a\",le=\"0.1\"}", 0, 10, "50 5 stale");
	series(db, "h_bucket{job=\"a\",le=\"0.2\"}", 0, 10, "70 7 stale");
	series(db, "h_bucket{job=\"a\",le=\"1\"}", 0, 10, "110 11 stale");
	series(db, "h_bucket{job=\"a\",le=\"+Inf\"}", 0, 10, "120 12 stale");
	series(db, "h_bucket{job=\"b\",le=\"1\"}", 0, 10, "9 9 9");
	series(db, "h_bucket{job=\"b\",le=\"2\"}", 0, 10, "9 5 9");
	series(db, "h_bucket{job=\"b\",le=\"+Inf\"}", 0, 10, "10 10 10");
	series(db, "h_bucket{job=\"c\",le=\"1\"}", 0, 10, "1 1 1");
	series(db, "h_count{job=\"c\"}", 0, 10, "1 1 1");
}

static void histograms_by_their_labels(void **state)
{
	struct db db;
	(void)state;
	db_init(&db);
	load(&db);
	range_is(&db, "histogram_quantile(0.5, h_bucket)", 0, 20, 10,
	         "{job=\"a\"} 0.15000000000000002@0 0.15000000000000002@10\n{job=\"b\"} 0.5555555555555556@0 "
	         "0.5555555555555556@10 0.5555555555555556@20\n{job=\"c\"} NaN@0 NaN@10 NaN@20\n" REPAIRED
	         ", from buckets 2 to 2, with a max diff of 4, over 1 samples from 1970-01-01T00:00:10Z to "
	         "1970-01-01T00:00:10Z (1:25)\n");
	instant_is(&db, "histogram_fraction(0, 0.2, h_bucket{job!=\"c\"})", 0,
	           "{job=\"a\"} 0.5833333333333334@0\n{job=\"b\"} 0.18@0\n");
	instant_is(&db, "histogram_quantile(0.25, sum by (le) (h_bucket{job=\"a\"}))", 0, "{} 0.06@0\n");
	instant_is(&db, "histogram_quantile(0.5, h_count)", 0,
	           "warning: PromQL warning: bucket label \"le\" is missing or has a malformed value of \"\" (1:25)\n");
	db.query.delayed_names = true;
	instant_is(
	    &db, "histogram_quantile(0.5, h_count)", 0,
	    "warning: PromQL warning: bucket label \"le\" is missing or has a malformed value of \"\" for metric name "
	    "\"h_count\" (1:25)\n");
	range_is(&db, "histogram_quantile(1, h_bucket{job=\"b\"})", 10, 20, 10,
	         "{job=\"b\"} 2@10 2@20\n" REPAIRED
	         " for metric name \"h_bucket\", from buckets 2 to 2, with a max diff of 4, "
	         "over 1 samples from 1970-01-01T00:00:10Z to 1970-01-01T00:00:10Z (1:23)\n");
	db_free(&db);
}

static void several_quantiles(void **state)
{
	struct db db;
	(void)state;
	db_init(&db);
	load(&db);
	instant_is(&db, "histogram_quantiles(h_bucket{job=\"a\"}, \"q\", 0.25, 1, 0)", 0,
	           "{job=\"a\", q=\"0.25\"} 0.06@0\n{job=\"a\", q=\"1.0\"} 1@0\n{job=\"a\", q=\"0.0\"} 0@0\n");
	instant_is(&db, "histogram_quantiles(h_bucket{job=\"a\"}, \"job\", 0.25)", 0, "{job=\"0.25\"} 0.06@0\n");
	instant_is(&db, "histogram_quantiles(h_bucket{job!=\"c\"}, \"job\", 0.25)", 0,
	           "error: vector cannot contain metrics with the same labelset\n");
	instant_is(&db, "histogram_quantiles(h_bucket{job=\"a\"}, \"q\", 0.5, 0.5)", 0,
	           "error: vector cannot contain metrics with the same labelset\n");
	instant_is(&db, "histogram_quantiles(h_bucket{job=\"a\"}, \"\", 0.5)", 0,
	           "error: invalid label name in histogram_quantiles(): \n");
	instant_is(&db, "histogram_quantiles(h_bucket{job=\"a\"}, \"q\", 1.5, -1, NaN)", 0,
	           "{job=\"a\", q=\"1.5\"} +Inf@0\n{job=\"a\", q=\"-1.0\"} -Inf@0\n{job=\"a\", q=\"NaN\"} NaN@0\n"
	           "warning: PromQL warning: quantile value should be between 0 and 1, got -1 (1:50)\n"
	           "warning: PromQL warning: quantile value should be between 0 and 1, got 1.5 (1:45)\n"
	           "warning: PromQL warning: quantile value should be between 0 and 1, got NaN (1:54)\n");
	/* A quantile that changes is a series for each value. */
	range_is(&db, "histogram_quantiles(h_bucket{job=\"b\"}, \"q\", min_of(time() / 10, 1))", 0, 20, 10,
	         "{job=\"b\", q=\"0.0\"} 0@0\n{job=\"b\", q=\"1.0\"} 2@10 2@20\n" REPAIRED
	         ", from buckets 2 to 2, with a max diff of 4, over 1 samples from 1970-01-01T00:00:10Z to "
	         "1970-01-01T00:00:10Z (1:21)\n");
	db_free(&db);
}

static void quantiles_are_told_without_histograms(void **state)
{
	struct db db;
	(void)state;
	db_init(&db);
	load(&db);
	instant_is(&db, "histogram_quantile(2, none)", 0,
	           "warning: PromQL warning: quantile value should be between 0 and 1, got 2 (1:20)\n");
	range_is(&db, "histogram_quantile(time() - 10, h_bucket{job=\"a\"})", 0, 10, 10,
	         "{job=\"a\"} -Inf@0 0@10\nwarning: PromQL warning: quantile value should be between 0 and 1, got -10 "
	         "(1:20)\n");
	/* Of native histograms there are none. */
	instant_is(&db,
	           "histogram_count(h_bucket) or histogram_sum(h_bucket) or histogram_avg(h_bucket) or "
	           "histogram_stddev(h_bucket) or histogram_stdvar(h_bucket)",
	           0, "");
	db_free(&db);
}

static void many_buckets(void **state)
{
	struct db db;
	char name[80];
	(void)state;
	db_init(&db);
	/* Bounds 1 to 100 and +Inf of four histograms, in no order. */
	for (int i = 0; i < 4 * 100; i++) {
		int bound = (i / 4 * 37) % 100 + 1;
		snprintf(name, sizeof name, "h{le=\"%d\",of=\"%d\"}", bound, i % 4);
		db_sample(db_add(&db, name, 1), 0, bound * (i % 4 + 1));
	}
	for (int i = 0; i < 4; i++) {
		snprintf(name, sizeof name, "h{le=\"+Inf\",of=\"%d\"}", i);
		db_sample(db_add(&db, name, 1), 0, 100.0 * (i + 1));
	}
	instant_is(&db, "histogram_quantile(0.425, h)", 0,
	           "{of=\"0\"} 42.5@0\n{of=\"1\"} 42.5@0\n{of=\"2\"} 42.5@0\n{of=\"3\"} 42.5@0\n");
	db_free(&db);
}

static void memory_may_run_out(void **state)
{
	struct db db;
	(void)state;
	db_init(&db);
	load(&db);
	bool done = false;
	for (uint64_t i = 1; !done; i++) {
		fault_set(FAULT_MALLOC, i, true, ENOMEM);
		asked(&db, "histogram_quantiles(h_bucket, \"q\", 0.5, 0.9)", 10, 10, 0);
		fault_clear();
		assert_true(db.code == 0 || db.code == -ENOMEM);
		done = db.code == 0;
		assert_true(i < 500);
	}
	assert_int_equal(db.last.series_count, 6);
	db_free(&db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bounds_are_what_go_takes),
	    cmocka_unit_test(equal_bounds_are_one),
	    cmocka_unit_test(counts_that_fall_are_raised),
	    cmocka_unit_test(quantiles_lie_within_buckets),
	    cmocka_unit_test(fractions_are_between_ranks),
	    cmocka_unit_test(histograms_by_their_labels),
	    cmocka_unit_test(several_quantiles),
	    cmocka_unit_test(quantiles_are_told_without_histograms),
	    cmocka_unit_test(many_buckets),
	    cmocka_unit_test(memory_may_run_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

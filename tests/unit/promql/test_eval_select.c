/* Selectors at steps: look-back, stale markers, offset, @, ranges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/asked.h"

static void load(struct db *db)
{
	db_init(db);
	series(db, "x{a=\"1\"}", 0, 10, "1 2 3 4 5 6 7");
	series(db, "x{a=\"2\"}", 5, 10, "10 _ stale 40 NaN");
	series(db, "y", 0, 60, "100 200 300 400 500 600 700 800 900 1000 1100");
}

/* ---- instant selectors ---- */

static void test_look_back(void **state)
{
	(void)state;
	struct db db;
	load(&db);
	db.query.lookback_ms = 12000;
	/* (t - 12 s, t]: a sample at its very beginning is too old. */
	range_is(&db, "x{a=\"1\"}", 0, 90, 6, "x{a=\"1\"} 1@0 1@6 2@12 2@18 3@24 4@30 4@36 5@42 5@48 6@54 7@60 7@66\n");
	instant_is(&db, "x{a=\"1\"}", 71.999, "x{a=\"1\"} 7@71.999\n");
	instant_is(&db, "x{a=\"1\"}", 72, "");
	instant_is(&db, "x{a=\"1\"}", -0.001, "");
	/* A stale marker ends the series, until its next sample; other NaNs are values. */
	range_is(&db, "x{a=\"2\"}", 5, 65, 10, "x{a=\"2\"} 10@5 10@15 40@35 NaN@45 NaN@55\n");
	db_free(&db);
}

static void test_look_back_is_five_minutes(void **state)
{
	(void)state;
	struct db db;
	load(&db);
	instant_is(&db, "x{a=\"1\"}", 359.999, "x{a=\"1\"} 7@359.999\n");
	instant_is(&db, "x{a=\"1\"}", 360, "");
	/* What is asked of the source is what can be needed. */
	assert_int_equal(db.from_ms, 60001);
	assert_int_equal(db.to_ms, 360000);
	db_free(&db);
}

static void test_offset_and_at(void **state)
{
	(void)state;
	struct db db;
	load(&db);
	db.query.lookback_ms = 5000;
	range_is(&db, "x{a=\"1\"} offset 20s", 20, 40, 10, "x{a=\"1\"} 1@20 2@30 3@40\n");
	range_is(&db, "x{a=\"1\"} offset -20s", 20, 40, 10, "x{a=\"1\"} 5@20 6@30 7@40\n");
	range_is(&db, "x{a=\"1\"} offset 20", 20, 40, 10, "x{a=\"1\"} 1@20 2@30 3@40\n");
	range_is(&db, "x{a=\"1\"} @ 30", 20, 40, 10, "x{a=\"1\"} 4@20 4@30 4@40\n");
	assert_int_equal(db.from_ms, 25001);
	assert_int_equal(db.to_ms, 30000);
	range_is(&db, "x{a=\"1\"} @ 30 offset 20s", 20, 40, 10, "x{a=\"1\"} 2@20 2@30 2@40\n");
	range_is(&db, "x{a=\"1\"} offset -20s @ 30", 20, 40, 10, "x{a=\"1\"} 6@20 6@30 6@40\n");
	range_is(&db, "x{a=\"1\"} @ start()", 20, 40, 10, "x{a=\"1\"} 3@20 3@30 3@40\n");
	/* The end may be behind the last step. */
	range_is(&db, "x{a=\"1\"} @ end()", 20, 49, 10, "");
	range_is(&db, "x{a=\"1\"} @ end()", 20, 43, 10, "x{a=\"1\"} 5@20 5@30 5@40\n");
	instant_is(&db, "x{a=\"1\"} @ end()", 20, "x{a=\"1\"} 3@20\n");
	db_free(&db);
}

static void test_durations(void **state)
{
	(void)state;
	struct db db;
	load(&db);
	db.query.lookback_ms = 5000;
	range_is(&db, "x{a=\"1\"} offset step()", 20, 40, 10, "x{a=\"1\"} 2@20 3@30 4@40\n");
	range_is(&db, "x{a=\"1\"} offset (range() - step() * 2)", 20, 50, 10, "x{a=\"1\"} 2@20 3@30 4@40 5@50\n");
	range_is(&db, "x{a=\"1\"} offset -max(step(), 5s)", 20, 30, 10, "x{a=\"1\"} 4@20 5@30\n");
	range_is(&db, "x{a=\"1\"} offset (min(step(), 5s) ^ 1 + 25s % 10s)", 20, 30, 10, "x{a=\"1\"} 2@20 3@30\n");
	range_is(&db, "sum_over_time(x{a=\"1\"}[step() * 2])", 20, 30, 10, "{a=\"1\"} 5@20 7@30\n");
	instant_is(&db, "x[step()]", 0, "error: 2:8: duration must be greater than 0\n");
	instant_is(&db, "x[5m - 6m]", 0, "error: 2:9: duration must be greater than 0\n");
	instant_is(&db, "x offset (1h / step())", 0, "error: 10:21: division by zero\n");
	instant_is(&db, "x offset (1h % step())", 0, "error: 10:21: modulo by zero\n");
	instant_is(&db, "x offset (1e9 * 1e9)", 0, "error: 10:19: duration is out of range\n");
	instant_is(&db, "x offset ((-1h) ^ 0.5)", 0, "error: 10:21: duration is out of range\n");
	/* All of them are looked at before anything is evaluated. */
	uint32_t selects = db.selects;
	instant_is(&db, "scalar(x) + sum_over_time(x[1h:1m / 0.0 ^ step()] offset (1h / step()))", 0,
	           "error: 58:69: division by zero\n");
	assert_int_equal(db.selects, selects);
	db_free(&db);
}

static void test_timestamp(void **state)
{
	(void)state;
	struct db db;
	load(&db);
	db.query.lookback_ms = 20000;
	range_is(&db, "timestamp(x)", 8, 38, 10, "{a=\"1\"} 0@8 10@18 20@28 30@38\n{a=\"2\"} 5@8 5@18 35@38\n");
	range_is(&db, "timestamp((x{a=\"1\"}))", 8, 8, 10, "{a=\"1\"} 0@8\n");
	range_is(&db, "timestamp(x{a=\"1\"} offset 10s)", 28, 38, 10, "{a=\"1\"} 10@28 20@38\n");
	range_is(&db, "timestamp(x{a=\"1\"} @ 18)", 28, 38, 10, "{a=\"1\"} 10@28 10@38\n");
	/* The samples are those up to 28 s or from there on, and what is looked at is the one at 38 s. */
	range_is(&db, "timestamp(x{a=\"1\"} @ 38 offset 10s)", 28, 38, 10, "{a=\"1\"} 20@28 20@38\n");
	range_is(&db, "timestamp(x{a=\"1\"} @ 38 offset 18001ms)", 28, 38, 10, "");
	range_is(&db, "timestamp(x{a=\"1\"} @ 28 offset -10s)", 28, 38, 10, "{a=\"1\"} 20@28 20@38\n");
	range_is(&db, "timestamp(-x{a=\"1\"})", 28, 38, 10, "{a=\"1\"} 28@28 38@38\n");
	range_is(&db, "timestamp(timestamp(x{a=\"1\"}))", 28, 38, 10, "{a=\"1\"} 28@28 38@38\n");
	db_free(&db);
}

/* ---- range selectors ---- */

static void test_windows(void **state)
{
	(void)state;
	struct db db;
	load(&db);
	/* (t - 20 s, t] */
	range_is(&db, "sum_over_time(x{a=\"1\"}[20s])", 0, 90, 10,
	         "{a=\"1\"} 1@0 3@10 5@20 7@30 9@40 11@50 13@60 7@70\n");
	assert_int_equal(db.from_ms, -19999);
	assert_int_equal(db.to_ms, 90000);
	range_is(&db, "sum_over_time(x{a=\"2\"}[1h])", 50, 50, 10, "{a=\"2\"} NaN@50\n");
	range_is(&db, "sum_over_time(x{a=\"2\"}[30s])", 5, 35, 10, "{a=\"2\"} 10@5 10@15 10@25 40@35\n");
	range_is(&db, "sum_over_time(x{a=\"1\"}[20s] offset 10s)", 10, 30, 10, "{a=\"1\"} 1@10 3@20 5@30\n");
	range_is(&db, "sum_over_time(x{a=\"1\"}[20s] @ 30)", 10, 30, 10, "{a=\"1\"} 7@10 7@20 7@30\n");
	range_is(&db, "sum_over_time(x{a=\"1\"}[20s] @ end() offset -10s)", 10, 30, 10, "{a=\"1\"} 9@10 9@20 9@30\n");
	range_is(&db, "last_over_time(x{a=\"1\"}[1ms])", 10, 30, 10, "x{a=\"1\"} 2@10 3@20 4@30\n");
	db_free(&db);
}

static void test_raw_samples(void **state)
{
	(void)state;
	struct db db;
	load(&db);
	instant_is(&db, "x[30s]", 40, "x{a=\"1\"} 3@20 4@30 5@40\nx{a=\"2\"} 40@35\n");
	instant_is(&db, "((x{a=\"2\"}[1m] offset 5s))", 50, "x{a=\"2\"} 10@5 40@35 NaN@45\n");
	instant_is(&db, "x[10s] @ 20", 0, "x{a=\"1\"} 3@20\n");
	instant_is(&db, "x[10s]", 200, "");
	assert_int_equal(db.last.type, PROMQL_MATRIX);
	db_free(&db);
}

static void test_extended_raw_samples(void **state)
{
	(void)state;
	struct db db;
	load(&db);
	instant_is(&db, "x{a=\"1\"}[20s] anchored", 35, "x{a=\"1\"} 2@15 3@20 4@30 4@35\n");
	instant_is(&db, "x{a=\"1\"}[20s] smoothed", 35, "x{a=\"1\"} 2.5@15 3@20 4@30 4.5@35\n");
	instant_is(&db, "x{a=\"1\"}[20s] anchored", 30, "x{a=\"1\"} 2@10 3@20 4@30\n");
	instant_is(&db, "x{a=\"1\"}[20s] smoothed", 30, "x{a=\"1\"} 2@10 3@20 4@30\n");
	instant_is(&db, "x{a=\"1\"}[20s] anchored", 5, "x{a=\"1\"} 1@-15 1@0 1@5\n");
	instant_is(&db, "x{a=\"1\"}[20s] smoothed", 5, "x{a=\"1\"} 1@-15 1@0 1.5@5\n");
	instant_is(&db, "x{a=\"1\"}[20s] anchored", 100, "");
	instant_is(&db, "x{a=\"1\"}[20s] smoothed", 70, "x{a=\"1\"} 6@50 7@60 7@70\n");
	instant_is(&db, "y[5s] smoothed", 90, "y 241.66666666666666@85 250@90\n");
	db_free(&db);
}

/* Windows that are so long that functions are called for some of the steps at a time. */
static void test_long_windows(void **state)
{
	(void)state;
	static const char *const queries[] = {
	    "sum_over_time(x[30m])",
	    "quantile_over_time(0.5, x[30m])",
	    "predict_linear(x[20m] offset 1m, scalar(x) % 7)",
	    "quantile_over_time(scalar(x) % 10 / 10, x[10m] @ 1500)",
	    "predict_linear(x[20m] @ 1500, 10)",
	    "increase(x[20m] anchored)",
	    "rate(x[20m] smoothed)",
	    "max_over_time(x[30m:1s])",
	};
	struct db db;
	db_init(&db);
	db.query.lookback_ms = 60000;
	struct db_series *s = db_add(&db, "x", 2000);
	for (int64_t i = 0; i < 2000; i++)
		db_sample(s, i * 1000 + i % 7, (double)(i * 7919 % 1000));
	for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
		struct promql_result all;
		asked(&db, queries[i], 100, 2600, 0.5);
		assert_int_equal(db.code, 0);
		assert_int_equal(db.last.series_count, 1);
		all = db.last;
		db.last = (struct promql_result){0};
		arena_init(&db.last.arena);
		for (uint32_t k = 0; k < all.steps; k += 97) {
			double v = all.series[0].values[k];
			asked(&db, queries[i], 100 + k * 0.5, 0, 0);
			assert_int_equal(db.last.series_count, !promql_is_absent(v));
			if (!promql_is_absent(v))
				assert_memory_equal(&db.last.series[0].values[0], &v, sizeof v);
		}
		promql_result_free(&all);
	}
	db_free(&db);
}

/* ---- subqueries ---- */

static void test_subquery_steps(void **state)
{
	(void)state;
	struct db db;
	load(&db);
	db.query.lookback_ms = 10000;
	/* At multiples of 10 s in (25 - 30, 25]. */
	instant_is(&db, "x{a=\"1\"}[30s:10s]", 25, "x{a=\"1\"} 1@0 2@10 3@20\n");
	instant_is(&db, "x{a=\"1\"}[30s:10s]", 20, "x{a=\"1\"} 1@0 2@10 3@20\n");
	instant_is(&db, "x{a=\"1\"}[20s:10s]", 20, "x{a=\"1\"} 2@10 3@20\n");
	instant_is(&db, "x{a=\"1\"}[20s:7s]", 20, "x{a=\"1\"} 1@7 2@14\n");
	instant_is(&db, "x{a=\"1\"}[20s:10s] offset 10s", 30, "x{a=\"1\"} 2@10 3@20\n");
	instant_is(&db, "x{a=\"1\"}[20s:10s] offset -10s", 30, "x{a=\"1\"} 4@30 5@40\n");
	instant_is(&db, "x{a=\"1\"}[20s:10s] @ 30", 0, "x{a=\"1\"} 3@20 4@30\n");
	instant_is(&db, "x{a=\"1\"}[20s:10s] @ 30 offset 10s", 0, "x{a=\"1\"} 2@10 3@20\n");
	instant_is(&db, "(x{a=\"1\"} @ 20)[20s:10s]", 60, "x{a=\"1\"} 3@50 3@60\n");
	/* Before 1970, too. */
	series(&db, "z", -30, 10, "1 2 3 4 5");
	instant_is(&db, "z[20s:7s]", -1, "z 2@-14 3@-7\n");
	instant_is(&db, "z[21s:7s]", -7, "z 1@-21 2@-14 3@-7\n");
	instant_is(&db, "z[20s:7s]", 5, "z 2@-14 3@-7 4@0\n");
	range_is(&db, "sum_over_time(x{a=\"1\"}[20s:10s])", 10, 40, 15, "{a=\"1\"} 3@10 5@25 9@40\n");
	range_is(&db, "sum_over_time(x{a=\"1\"}[20s:10s] @ 20)", 10, 40, 15, "{a=\"1\"} 5@10 5@25 5@40\n");
	range_is(&db, "sum_over_time(x{a=\"1\"}[3s:10s])", 11, 21, 5, "{a=\"1\"} 2@11 3@21\n");
	range_is(&db, "sum_over_time(sum_over_time(x{a=\"1\"}[20s:10s])[20s:10s])", 20, 40, 20,
	         "{a=\"1\"} 8@20 16@40\n");
	db_free(&db);
}

static void test_default_subquery_step(void **state)
{
	(void)state;
	struct db db;
	load(&db);
	instant_is(&db, "y[3m:]", 200, "y 200@60 300@120 400@180\n");
	db.query.subquery_step_ms = 90000;
	instant_is(&db, "y[3m:]", 200, "y 200@90 400@180\n");
	db_free(&db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_look_back),
	    cmocka_unit_test(test_look_back_is_five_minutes),
	    cmocka_unit_test(test_offset_and_at),
	    cmocka_unit_test(test_durations),
	    cmocka_unit_test(test_timestamp),
	    cmocka_unit_test(test_windows),
	    cmocka_unit_test(test_raw_samples),
	    cmocka_unit_test(test_extended_raw_samples),
	    cmocka_unit_test(test_long_windows),
	    cmocka_unit_test(test_subquery_steps),
	    cmocka_unit_test(test_default_subquery_step),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

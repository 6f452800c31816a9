/* <aggregation>_over_time, regressions, smoothing, areas. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/asked.h"

static void each_takes_the_window(void **state)
{
	static const struct expected cases[] = {
	    {"sum_over_time(x[30s])", "{} 9@40\n"},
	    {"avg_over_time(x[30s])", "{} 3@40\n"},
	    {"min_over_time(x[30s])", "{} 1@40\n"},
	    {"max_over_time(x[30s])", "{} 6@40\n"},
	    {"count_over_time(x[30s])", "{} 3@40\n"},
	    {"present_over_time(x[30s])", "{} 1@40\n"},
	    {"first_over_time(x[30s])", "x 2@40\n"},
	    {"last_over_time(x[30s])", "x 1@40\n"},
	    {"ts_of_first_over_time(x[30s])", "{} 20@40\n"},
	    {"ts_of_last_over_time(x[30s])", "{} 40@40\n"},
	    {"ts_of_max_over_time(x[30s])", "{} 30@40\n"},
	    {"ts_of_min_over_time(x[30s])", "{} 40@40\n"},
	    {"stdvar_over_time(x[30s])", "{} 4.666666666666667@40\n"},
	    {"stddev_over_time(x[30s])", "{} 2.160246899469287@40\n"},
	    {"quantile_over_time(0.5, x[30s])", "{} 2@40\n"},
	    {"quantile_over_time(0.75, x[30s])", "{} 4@40\n"},
	    {"quantile_over_time(0, x[30s])", "{} 1@40\n"},
	    {"quantile_over_time(1, x[30s])", "{} 6@40\n"},
	    {"mad_over_time(x[30s])", "{} 1@40\n"},
	    {"sum_over_time(x[1s])", "{} 1@40\n"},
	    {"sum_over_time(x[1s] offset 1s)", ""},
	};
	struct db db;
	(void)state;
	db_init(&db);
	series(&db, "x", 0, 10, "7 100 2 6 1");
	EACH_IS(&db, cases, 40);
	range_is(&db, "sum_over_time(x[15s])", 0, 60, 10, "{} 7@0 107@10 102@20 8@30 7@40 1@50\n");
	db_free(&db);
}

static void sums_lose_nothing(void **state)
{
	static const struct expected cases[] = {
	    {"sum_over_time(x[1m])", "{} 2@30\n"},
	    {"avg_over_time(x[1m])", "{} 0.5@30\n"},
	    /* Their sum is infinite, their mean is not. */
	    {"sum_over_time(big[1m])", "{} +Inf@30\n"},
	    {"avg_over_time(big[1m])", "{} 1.5e+308@30\n"},
	    {"avg_over_time(endless[1m])", "{} +Inf@30\n"},
	    {"sum_over_time(both[1m])", "{} NaN@30\n"},
	    {"stdvar_over_time(large[1m])", "{} 0.6666666666666666@30\n"},
	};
	struct db db;
	(void)state;
	db_init(&db);
	series(&db, "x", 0, 10, "1 1e100 1 -1e100");
	series(&db, "big", 0, 10, "1.5e308 1.5e308 1.5e308");
	series(&db, "endless", 0, 10, "1 inf 1");
	series(&db, "both", 0, 10, "inf -inf");
	series(&db, "large", 0, 10, "1e15 1000000000000001 1000000000000002");
	EACH_IS(&db, cases, 30);
	db_free(&db);
}

static void nan_is_an_extreme_only_alone(void **state)
{
	static const struct expected cases[] = {
	    {"max_over_time(x[1m])", "{} 3@30\n"},
	    {"min_over_time(x[1m])", "{} 2@30\n"},
	    {"max_over_time(x[1s] offset 30s)", "{} NaN@30\n"},
	    {"ts_of_max_over_time(x[1m])", "{} 10@30\n"},
	    {"ts_of_min_over_time(x[1m])", "{} 20@30\n"},
	    /* Of equal ones the last. */
	    {"ts_of_max_over_time(y[1m])", "{} 20@30\n"},
	    {"ts_of_min_over_time(y[1m])", "{} 30@30\n"},
	    /* NaN sorts first. */
	    {"quantile_over_time(0, x[1m])", "{} NaN@30\n"},
	    {"quantile_over_time(1, x[1m])", "{} 3@30\n"},
	    {"mad_over_time(x[1m])", "{} NaN@30\n"},
	};
	struct db db;
	(void)state;
	db_init(&db);
	series(&db, "x", 0, 10, "nan 3 2 nan");
	series(&db, "y", 0, 10, "1 2 2 1");
	EACH_IS(&db, cases, 30);
	db_free(&db);
}

static void quantiles_that_are_none_are_told(void **state)
{
	struct db db;
	(void)state;
	db_init(&db);
	series(&db, "x", 0, 10, "1 2 3");
	instant_is(&db, "quantile_over_time(1.5, x[1m])", 20,
	           "{} +Inf@20\nwarning: PromQL warning: quantile value should be between 0 and 1, got 1.5 (1:20)\n");
	instant_is(
	    &db, "quantile_over_time(-1e9, x[1m])", 20,
	    "{} -Inf@20\nwarning: PromQL warning: quantile value should be between 0 and 1, got -1e+09 (1:20)\n");
	instant_is(&db, "quantile_over_time(nan, x[1m])", 20,
	           "{} NaN@20\nwarning: PromQL warning: quantile value should be between 0 and 1, got NaN (1:20)\n");
	instant_is(&db, "quantile_over_time(2, none[1m])", 20, "");
	/* The quantile is that of each step. */
	range_is(&db, "quantile_over_time(time() / 20, x[1m])", 0, 20, 10, "{} 1@0 1.5@10 3@20\n");
	db_free(&db);
}

static void lines_through_samples(void **state)
{
	static const struct expected cases[] = {
	    {"deriv(line[1m])", "{} 0.5@30\n"},
	    /* (0, 1), (10, 2), (20, 1), (30, 2): covariance 100, variance 5,000. */
	    {"deriv(zigzag[1m])", "{} 0.02@30\n"},
	    {"deriv(flat[1m])", "{} 0@30\n"},
	    {"deriv(line[10s])", ""},
	    {"deriv(endless[1m])", "{} NaN@30\n"},
	    {"predict_linear(line[1m], 60)", "{} 46@30\n"},
	    {"predict_linear(line[1m] offset 10s, 60)", "{} 46@30\n"},
	    {"predict_linear(flat[1m], 3600)", "{} 7@30\n"},
	    {"predict_linear(line[10s], 60)", ""},
	    {"double_exponential_smoothing(line[1m], 0.5, 0.5)", "{} 16@30\n"},
	    {"double_exponential_smoothing(zigzag[1m], 0.5, 0.1)", "{} 2.45@30\n"},
	    {"double_exponential_smoothing(line[10s], 0.5, 0.5)", ""},
	    {"double_exponential_smoothing(line[1m], 0, 0.5)",
	     "error: invalid smoothing factor. Expected: 0 < sf < 1, got: 0.000000\n"},
	    {"double_exponential_smoothing(line[1m], 0.5, 1)",
	     "error: invalid trend factor. Expected: 0 < tf < 1, got: 1.000000\n"},
	    {"double_exponential_smoothing(line[1m], inf, 1)",
	     "error: invalid smoothing factor. Expected: 0 < sf < 1, got: +Inf\n"},
	    {"double_exponential_smoothing(none[1m], 0, 0)", ""},
	};
	struct db db;
	(void)state;
	db_init(&db);
	series(&db, "line", 0, 10, "1 6 11 16");
	series(&db, "zigzag", 0, 10, "1 2 1 2");
	series(&db, "flat", 0, 10, "7 7 7 7");
	series(&db, "endless", 0, 10, "inf inf inf inf");
	EACH_IS(&db, cases, 30);
	db_free(&db);
}

static void areas(void **state)
{
	static const struct expected cases[] = {
	    {"integral(x[1m])", "{} 75@30\n"},
	    {"integral(x[1m], 2)", "{} 75@30\n"},
	    {"integral(x[1m], 0)", "{} 30@30\n"},
	    {"integral(x[1m], 1)", "{} 120@30\n"},
	    {"integral(x[10s])", ""},
	    {"integral(x[1m], 3)", "error: invalid strategy of integral(). Expected: 0, 1 or 2, got: 3\n"},
	};
	struct db db;
	(void)state;
	db_init(&db);
	series(&db, "x", 0, 10, "1 _ 1 10");
	EACH_IS(&db, cases, 30);
	db_free(&db);
}

static void memory_may_run_out(void **state)
{
	struct db db;
	(void)state;
	db_init(&db);
	series(&db, "x", 0, 10, "1 2 3");
	for (int i = 0; i < 60; i++) {
		fault_set(FAULT_MALLOC, (uint64_t)i + 1, true, ENOMEM);
		asked(&db, "quantile_over_time(0.5, x[1m]) + mad_over_time(x[1m])", 20, 20, 0);
		fault_clear();
		assert_true(db.code == 0 || db.code == -ENOMEM);
		if (db.code == 0)
			assert_true(db.last.series[0].values[0] == 3);
	}
	db_free(&db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_takes_the_window),        cmocka_unit_test(sums_lose_nothing),
	    cmocka_unit_test(nan_is_an_extreme_only_alone), cmocka_unit_test(quantiles_that_are_none_are_told),
	    cmocka_unit_test(lines_through_samples),        cmocka_unit_test(areas),
	    cmocka_unit_test(memory_may_run_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

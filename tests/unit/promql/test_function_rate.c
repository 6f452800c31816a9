/* rate, increase, delta, irate, idelta, changes, resets: windows and their ends, resets, anchored and smoothed ranges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/asked.h"

#define NO_COUNTER "info: PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "

static void what_the_window_lacks_is_added(void **state)
{
	struct db db;
	(void)state;
	db_init(&db);
	series(&db, "x_total", 0, 10, "100 110 120 130 140 150 160");
	/* (0, 60]: five intervals of 10 s, and 10 s before, which is less than 11: 50 * 60 / 50. */
	instant_is(&db, "increase(x_total[1m])", 60, "{} 60@60\n");
	instant_is(&db, "rate(x_total[1m])", 60, "{} 1@60\n");
	/* (5, 65]: 10 to 60, each end 5 s away. */
	instant_is(&db, "increase(x_total[1m])", 65, "{} 60@65\n");
	/* (-45, 15]: samples at 0 and 10. Before the first there is half an interval, behind the last 5 s. */
	instant_is(&db, "increase(x_total[1m])", 15, "{} 20@15\n");
	/* (30, 90]: from 40 to 60; before it 10 s, behind it half of the 10 s. */
	instant_is(&db, "increase(x_total[1m])", 90, "{} 35@90\n");
	/* One sample is too few, two are enough. */
	instant_is(&db, "rate(x_total[10s])", 60, "");
	instant_is(&db, "rate(x_total[10001ms])", 60, "{} 1@60\n");
	db_free(&db);
}

static void a_counter_is_not_carried_on_below_zero(void **state)
{
	struct db db;
	(void)state;
	db_init(&db);
	series(&db, "x_total", 20, 10, "2 12 22");
	/* (0, 60]: 20 in 20 s. It was zero 2 s before the first sample; behind the last there is half an interval. */
	instant_is(&db, "increase(x_total[1m])", 60, "{} 27@60\n");
	/* As a gauge it goes on for half an interval on both sides. */
	instant_is(&db, "delta(x_total[1m])", 60, "{} 30@60\n");
	db_free(&db);
}

static void resets_are_made_up_for(void **state)
{
	struct db db;
	(void)state;
	db_init(&db);
	series(&db, "x_total", 0, 10, "90 100 5 15 3 13 23 33 43 53");
	/* (0, 60]: 23 - 100, and 100 and 15 that were lost: 38 in 50 s; the first sample is 10 s behind the start. */
	instant_is(&db, "increase(x_total[1m])", 60, "{} 45.6@60\n");
	instant_is(&db, "delta(x_total[1m])", 60, "{} -92.39999999999999@60\n");
	/* Windows with a reset before, at and behind their start, one after the other. */
	range_is(&db, "increase(x_total[30s])", 30, 90, 10, "{} 22.5@30 18@40 19.5@50 23@60 30@70 30@80 30@90\n");
	range_is(&db, "resets(x_total[30s])", 30, 90, 10, "{} 1@30 1@40 1@50 0@60 0@70 0@80 0@90\n");
	range_is(&db, "changes(x_total[30s])", 0, 30, 10, "{} 0@0 1@10 2@20 2@30\n");
	db_free(&db);
}

static void the_last_two_samples(void **state)
{
	struct db db;
	(void)state;
	db_init(&db);
	series(&db, "x_total", 0, 10, "10 30 5 _ 25");
	range_is(&db, "irate(x_total[1m])", 0, 50, 10, "{} 2@10 0.5@20 0.5@30 1@40 1@50\n");
	range_is(&db, "idelta(x_total[1m])", 0, 50, 10, "{} 20@10 -25@20 -25@30 20@40 20@50\n");
	db_free(&db);
}

static void nan_is_neither_a_reset_nor_left_out(void **state)
{
	struct db db;
	(void)state;
	db_init(&db);
	series(&db, "x_total", 0, 10, "1 2 nan 1 2");
	instant_is(&db, "resets(x_total[1m])", 40, "{} 0@40\n");
	instant_is(&db, "changes(x_total[1m])", 40, "{} 4@40\n");
	instant_is(&db, "increase(x_total[25s])", 20, "{} NaN@20\n");
	/* (-10, 40]: from 1 to 2, carried on for 10 s before; NaN in the middle is not looked at. */
	instant_is(&db, "delta(x_total[50s])", 40, "{} 1.25@40\n");
	db_free(&db);
}

static void names_that_are_no_counters_are_told(void **state)
{
	struct db db;
	(void)state;
	db_init(&db);
	series(&db, "a", 0, 10, "0 1 2");
	series(&db, "b_sum", 0, 10, "0 1 2");
	series(&db, "c_bucket", 0, 10, "0 1 2");
	instant_is(&db, "rate(a[20s])", 20, "{} 0.1@20\n" NO_COUNTER "\"a\" (1:6)\n");
	instant_is(&db, "1 + increase((a[20s]))", 20, "{} 3@20\n" NO_COUNTER "\"a\" (1:15)\n");
	instant_is(&db, "rate(a[20s:10s])", 20, "{} 0.1@20\n" NO_COUNTER "\"a\" (1:1)\n");
	instant_is(&db, "delta(a[20s])", 20, "{} 2@20\n");
	instant_is(&db, "rate({__name__=~\"b_sum|c_bucket\",__name__!=\"b_sum\"}[20s])", 20, "{} 0.1@20\n");
	/* Nothing is said where there is no result. */
	instant_is(&db, "rate(a[10s])", 20, "");
	db_free(&db);
}

static void anchored_ranges_begin_with_the_sample_before(void **state)
{
	struct db db;
	(void)state;
	db_init(&db);
	series(&db, "x_total", 0, 10, "0 5 10 2 4");
	/* (5, 35]: from the 0 at 0 s on to the 2 at 30 s, and 10 that were lost. */
	instant_is(&db, "increase(x_total[30s] anchored)", 35, "{} 12@35\n");
	instant_is(&db, "delta(x_total[30s] anchored)", 35, "{} 2@35\n");
	instant_is(&db, "rate(x_total[30s] anchored)", 35, "{} 0.4@35\n");
	range_is(&db, "resets(x_total[10s] anchored)", 10, 60, 10, "{} 0@10 0@20 1@30 0@40\n");
	range_is(&db, "changes(x_total[5s] anchored)", 0, 40, 10, "{} 0@0 1@10 1@20 1@30 1@40\n");
	/* Nothing within it: nothing comes out. */
	instant_is(&db, "increase(x_total[30s] anchored)", 70, "");
	db_free(&db);
}

static void smoothed_ranges_have_their_ends_interpolated(void **state)
{
	struct db db;
	(void)state;
	db_init(&db);
	series(&db, "x_total", 0, 10, "0 5 10 2 4");
	/* (5, 35]: from 2.5 to 3, and 10 that were lost. */
	instant_is(&db, "increase(x_total[30s] smoothed)", 35, "{} 10.5@35\n");
	instant_is(&db, "delta(x_total[30s] smoothed)", 35, "{} 0.5@35\n");
	/* (22, 27]: within one interval, in which the counter begins anew at zero. */
	instant_is(&db, "increase(x_total[5s] smoothed)", 27, "{} 0.9999999999999999@27\n");
	instant_is(&db, "increase(x_total[5s] anchored)", 27, "");
	instant_is(&db, "resets(x_total[5s] smoothed)", 27,
	           "error: smoothed modifier can only be used with: delta, increase, rate - not with resets\n");
	instant_is(&db, "avg_over_time((x_total[5s] anchored))", 27,
	           "error: anchored modifier can only be used with: changes, delta, increase, rate, resets - not with "
	           "avg_over_time\n");
	db_free(&db);
}

static void windows_that_stand_still(void **state)
{
	struct db db;
	(void)state;
	db_init(&db);
	series(&db, "x_total", 0, 10, "0 10 20 30 40 50 60");
	range_is(&db, "increase(x_total[20s] @ 40)", 0, 20, 10, "{} 20@0 20@10 20@20\n");
	range_is(&db, "increase(x_total[20s] offset 30s)", 50, 70, 10, "{} 20@50 20@60 20@70\n");
	db_free(&db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_the_window_lacks_is_added),
	    cmocka_unit_test(a_counter_is_not_carried_on_below_zero),
	    cmocka_unit_test(resets_are_made_up_for),
	    cmocka_unit_test(the_last_two_samples),
	    cmocka_unit_test(nan_is_neither_a_reset_nor_left_out),
	    cmocka_unit_test(names_that_are_no_counters_are_told),
	    cmocka_unit_test(anchored_ranges_begin_with_the_sample_before),
	    cmocka_unit_test(smoothed_ranges_have_their_ends_interpolated),
	    cmocka_unit_test(windows_that_stand_still),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Sums of increments that are in flight: which one the next increment is added to, as groups are applied, given up or fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/deltas.h"
#include "record/labels.h"

static char dir[64];
static struct tsdb *store;
static struct deltas *deltas;
static uint32_t number;

static int set_up(void **state)
{
	struct error err = {0};
	struct buf b = {0};
	struct label name = {LABEL_METRIC_NAME, SLICE("spent_total")};
	(void)state;
	snprintf(dir, sizeof dir, "/tmp/moongate-deltas-XXXXXX");
	assert_non_null(mkdtemp(dir));
	store = tsdb_open(&(struct tsdb_options){.dir = dir}, NULL, NULL, &err);
	assert_non_null(store);
	assert_int_equal(labels_canonical(&name, 1, &b, &err), 0);
	assert_int_equal(tsdb_series(store, buf_slice(&b), labels_hash(buf_slice(&b)), &number), 0);
	buf_free(&b);
	deltas = deltas_new(store);
	assert_non_null(deltas);
	return 0;
}

static int tear_down(void **state)
{
	char command[96];
	(void)state;
	deltas_free(deltas);
	tsdb_close(store);
	snprintf(command, sizeof command, "rm -r '%s'", dir);
	return system(command);
}

static void put(int64_t time_ms, double sum, uint64_t group)
{
	assert_int_equal(deltas_put(deltas, number, &(struct sample){time_ms, sum}, group), 0);
}

static void apply(int64_t time_ms, double sum, uint64_t group)
{
	tsdb_batch_begin(store);
	assert_int_equal(tsdb_append(store, number, time_ms, sum), APPEND_STORED);
	tsdb_batch_end(store);
	deltas_applied(deltas, group);
}

/* -1: there is none. */
static double newest(void)
{
	struct sample s;
	return deltas_newest(deltas, number, &s) ? s.value : -1;
}

static void test_it_is_the_last_one_on_its_way(void **state)
{
	(void)state;
	assert_true(newest() == -1);
	put(1, 10, 1);
	put(2, 15, 2);
	assert_true(newest() == 15);
	apply(1, 10, 1);
	assert_true(newest() == 15);
	apply(2, 15, 2);
	assert_true(newest() == 15);
}

/* A point that comes again while it is in flight is known, whichever of its series it is. */
static void test_points_are_known_while_they_are_on_their_way(void **state)
{
	(void)state;
	assert_false(deltas_has(deltas, number, 1));
	put(1, 10, 1);
	put(2, 15, 1);
	put(3, 16, 2);
	for (int64_t time_ms = 1; time_ms <= 3; time_ms++)
		assert_true(deltas_has(deltas, number, time_ms));
	assert_false(deltas_has(deltas, number, 4));
	assert_false(deltas_has(deltas, number + 1, 1));
	deltas_given_up(deltas, 2);
	assert_true(deltas_has(deltas, number, 2));
	assert_false(deltas_has(deltas, number, 3));
	for (int64_t time_ms = 100; time_ms < 5000; time_ms++) { /* more than are kept at once */
		put(time_ms, 1, (uint64_t)time_ms);
		deltas_applied(deltas, (uint64_t)time_ms - 10);
		assert_true(deltas_has(deltas, number, time_ms - 9 < 100 ? 100 : time_ms - 9));
		assert_false(deltas_has(deltas, number, time_ms - 10));
	}
	deltas_failed(deltas);
	assert_false(deltas_has(deltas, number, 4999));
}

/* Memory ran out while a group was filled: those before it are written all the same. */
static void test_a_group_that_is_given_up_takes_its_own_along(void **state)
{
	(void)state;
	put(1, 10, 1);
	put(2, 15, 2);
	put(3, 16, 2);
	deltas_given_up(deltas, 2);
	assert_true(newest() == 10);
	put(4, 30, 3);
	deltas_given_up(deltas, 3);
	assert_true(newest() == 10);
	apply(1, 10, 1);
	put(5, 40, 4);
	deltas_given_up(deltas, 4);
	assert_true(newest() == 10);
}

static void test_without_one_before_it_the_store_has_the_newest(void **state)
{
	(void)state;
	put(1, 10, 1);
	deltas_given_up(deltas, 1);
	assert_true(newest() == -1);
	apply(2, 7, 2);
	put(3, 9, 3);
	deltas_given_up(deltas, 3);
	assert_true(newest() == 7);
}

static void test_after_a_failure_none_is_on_its_way(void **state)
{
	(void)state;
	apply(1, 7, 1);
	put(2, 9, 2);
	put(3, 12, 3);
	deltas_failed(deltas);
	assert_true(newest() == 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_it_is_the_last_one_on_its_way, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_points_are_known_while_they_are_on_their_way, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_a_group_that_is_given_up_takes_its_own_along, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_without_one_before_it_the_store_has_the_newest, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_after_a_failure_none_is_on_its_way, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

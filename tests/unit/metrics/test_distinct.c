/* Counting different values: exact while few, within the stated error when many, by calendar period. */
#include "support.h"

#include "metrics/distinct.h"

#define DAY (INT64_C(86400) * NS_PER_S)

struct fixture {
	struct registry *r;
	union series_cell cell;
};

static struct fixture fixture(void)
{
	return (struct fixture){.r = new_registry(0)};
}

static void end(struct fixture *f)
{
	state_retire(f->r, METRIC_DISTINCT, f->cell.state);
	registry_free(f->r);
}

static void see(struct fixture *f, uint64_t value, int64_t time)
{
	char text[32];
	int len = snprintf(text, sizeof text, "user-%llu", (unsigned long long)value);

	assert_int_equal(distinct_see(f->r, &f->cell, CALENDAR_DAY, time, slice_new(text, (size_t)len)), 0);
}

static double count(const struct fixture *f)
{
	return distinct_count((const struct distinct *)f->cell.state, START);
}

static void test_exact_while_few(void **state)
{
	(void)state;
	struct fixture f = fixture();

	assert_float_equal(count(&f), 0, 0);
	for (uint64_t i = 0; i < DISTINCT_CAP_MAX / 4 * 3; i++) {
		see(&f, i, START);
		see(&f, i / 2, START);
		assert_float_equal(count(&f), (double)(i + 1), 0);
	}
	assert_int_equal(((struct distinct *)f.cell.state)->cap, DISTINCT_CAP_MAX);
	see(&f, 1000000, START);
	assert_int_equal(((struct distinct *)f.cell.state)->cap, 0);
	assert_float_equal(count(&f), 1537, 1537 * 0.025);
	end(&f);
}

/* 3 σ for each count of many independent sets; the mean over them shows that there is no bias. */
static void test_within_the_error(void **state)
{
	(void)state;
	static const uint64_t sizes[] = {1600, 5000, 20000, 41000, 100000, 300000};
	enum { SETS = 12 };
	const double sigma = 1.04 / 128;

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		double sum = 0;
		for (uint64_t set = 0; set < SETS; set++) {
			struct fixture f = fixture();
			struct distinct *d = distinct_new(f.r, 0, INT64_MAX, 0);
			assert_non_null(d);
			f.cell.state = &d->block;
			for (uint64_t v = 0; v < sizes[i]; v++) {
				uint64_t key[] = {v, set};
				distinct_put(d, hash_bytes(key, sizeof key, 12345));
			}
			double error = count(&f) / (double)sizes[i] - 1;
			if (fabs(error) > 3 * sigma)
				fail_msg("%g of %g, set %d", count(&f), (double)sizes[i], (int)set);
			sum += error;
			end(&f);
		}
		assert_true(fabs(sum / SETS) < 3 * sigma / sqrt(SETS));
	}
}

static void test_full_registers(void **state)
{
	(void)state;
	struct fixture f = fixture();
	struct distinct *d = distinct_new(f.r, 0, INT64_MAX, 0);

	f.cell.state = &d->block;
	assert_float_equal(count(&f), 0, 0);
	distinct_put(d, 1);
	assert_float_equal(count(&f), 1, 0);
	for (uint64_t i = 0; i < DISTINCT_REGISTERS; i++)
		distinct_put(d, i << (64 - DISTINCT_BITS)); /* no bit beyond the register's: the largest rank */
	assert_int_equal(d->u.dense.ranks[DISTINCT_RANK_MAX], DISTINCT_REGISTERS);
	assert_true(count(&f) > 1e18);
	assert_false(distinct_put(d, 0));
	end(&f);
}

static void test_empty_value_and_bytes(void **state)
{
	(void)state;
	struct fixture f = fixture();
	static const struct slice values[] = {{NULL, 0}, {"", 0}, {"\0", 1}, {"\0\0", 2}, {"\xff", 1}};

	for (size_t i = 0; i < sizeof values / sizeof *values; i++)
		assert_int_equal(distinct_see(f.r, &f.cell, CALENDAR_DAY, START, values[i]), 0);
	assert_float_equal(count(&f), 4, 0);
	end(&f);
}

static void test_periods(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct metric *m = define_simple(r, "a", METRIC_DISTINCT, NULL);
	struct series_ref s = series1(m, NULL);

	assert_float_equal(value_of(r, "a"), 0, 0);
	assert_int_equal(metric_see(m, s, SLICE("x"), START), 0);
	registry_set_now(r, START + DAY - 1);
	assert_int_equal(metric_see(m, s, SLICE("y"), START + DAY - 1), 0);
	assert_float_equal(value_of(r, "a"), 2, 0);
	assert_float_equal(value_at(r, "a", START + DAY - 1), 2, 0);
	assert_float_equal(value_at(r, "a", START + DAY), 0, 0);            /* the day is over */
	assert_int_equal(metric_see(m, s, SLICE("z"), START + 2 * DAY), 0); /* the future is now */
	assert_float_equal(value_of(r, "a"), 3, 0);
	registry_set_now(r, START + DAY);
	assert_int_equal(metric_see(m, s, SLICE("w"), START + DAY - 1), 0); /* of yesterday */
	assert_int_equal(stats_of(r).late, 1);
	assert_float_equal(value_of(r, "a"), 0, 0);
	assert_int_equal(metric_see(m, s, SLICE("x"), START + DAY), 0);
	assert_float_equal(value_of(r, "a"), 1, 0);
	assert_int_equal(metric_see(m, s, SLICE("y"), START), 0);
	assert_int_equal(stats_of(r).late, 2);
	assert_float_equal(value_of(r, "a"), 1, 0);
	registry_free(r);
}

static void test_late_in_a_new_series(void **state)
{
	(void)state;
	struct fixture f = fixture();

	see(&f, 1, START - 1);
	assert_int_equal(stats_of(f.r).late, 1);
	assert_null(f.cell.state);
	end(&f);
}

static void test_weeks_and_months(void **state)
{
	(void)state;
	static const struct {
		enum calendar period;
		int64_t days; /* from 2026-01-01, a Thursday, to the next period */
	} cases[] = {{CALENDAR_DAY, 1}, {CALENDAR_WEEK, 4}, {CALENDAR_MONTH, 31}};

	for (int i = 0; i < 3; i++) {
		struct registry *r = new_registry(0);
		struct metric_def def = def_of("a", METRIC_DISTINCT, NULL, NULL);
		def.period = cases[i].period;
		struct metric *m = define(r, &def);
		assert_int_equal(metric_see(m, series1(m, NULL), SLICE("x"), START), 0);
		assert_float_equal(value_at(r, "a", START + cases[i].days * DAY - 1), 1, 0);
		assert_float_equal(value_at(r, "a", START + cases[i].days * DAY), 0, 0);
		registry_free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_exact_while_few),  cmocka_unit_test(test_within_the_error),
	    cmocka_unit_test(test_full_registers),   cmocka_unit_test(test_empty_value_and_bytes),
	    cmocka_unit_test(test_periods),          cmocka_unit_test(test_late_in_a_new_series),
	    cmocka_unit_test(test_weeks_and_months),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

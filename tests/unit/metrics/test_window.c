/* Sliding ratios and means against a plain list of what was observed. */
#include "support.h"

#include "metrics/window.h"

#define WINDOW (300 * NS_PER_S)
#define SLOT (WINDOW / WINDOW_SLOTS)

enum { EVENTS = 4000 };

struct event {
	int64_t time;
	double v;
};

/* What the window holds at `now`: everything in the slots that it covers. */
static double slowly(const struct event *events, int count, int64_t now)
{
	double sum = 0;
	int n = 0;

	for (int i = 0; i < count; i++) {
		if (events[i].time / SLOT <= now / SLOT - WINDOW_SLOTS)
			continue;
		sum += events[i].v;
		n++;
	}
	return n == 0 ? NAN : sum / n;
}

static bool same(double a, double b)
{
	return isnan(a) ? isnan(b) : fabs(a - b) <= 1e-9 * fabs(b);
}

static void test_against_a_list(void **state)
{
	(void)state;
	static struct event events[EVENTS];
	struct registry *r = new_registry(0);
	union series_cell cell = {0};
	uint64_t random = 21, late = 0;
	int64_t now = START;
	int count = 0;

	for (int i = 0; i < EVENTS; i++) {
		now += (int64_t)(random_u64(&random) % (uint64_t)(i % 500 == 0 ? 2 * WINDOW : SLOT / 2));
		registry_set_now(r, now);
		struct event e = {now - (int64_t)(random_u64(&random) % (uint64_t)(WINDOW + WINDOW / 4)),
		                  floor(random_unit(&random) * 100)};
		if (i % 3 != 0)
			e.time = now;
		bool old = e.time / SLOT <= now / SLOT - WINDOW_SLOTS;
		assert_int_equal(ring_observe(r, &cell, WINDOW, e.time, e.v), 0);
		late += old;
		assert_int_equal(stats_of(r).late, late);
		if (!old)
			events[count++] = e;
		assert_true(same(ring_mean((struct ring *)cell.state, WINDOW, now), slowly(events, count, now)));
	}
	for (int64_t later = now; later < now + WINDOW + SLOT; later += SLOT / 3)
		assert_true(same(ring_mean((struct ring *)cell.state, WINDOW, later), slowly(events, count, later)));
	assert_true(isnan(ring_mean((struct ring *)cell.state, WINDOW, now + WINDOW)));
	assert_true(late > 100);
	state_retire(r, METRIC_MEAN, cell.state);
	registry_free(r);
}

static void test_ratio(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct metric_def def = def_of("a", METRIC_RATIO, "x", NULL);
	def.window_ns = WINDOW;
	struct metric *m = define(r, &def);
	struct series_ref s = series1(m, "1");

	assert_true(has_line(r, "a{x=\"1\"} NaN\n"));
	assert_int_equal(metric_hit(m, s, true, START), 0);
	assert_true(has_line(r, "a{x=\"1\"} 1\n"));
	for (int i = 0; i < 3; i++)
		assert_int_equal(metric_hit(m, s, false, START), 0);
	assert_true(has_line(r, "a{x=\"1\"} 0.25\n"));
	assert_int_equal(metric_hit(m, s, true, START + WINDOW), 0); /* the future is now */
	assert_float_equal(value_of(r, "a{x=\"1\"}"), 0.4, 0);
	registry_set_now(r, START + WINDOW - SLOT);
	assert_int_equal(metric_hit(m, s, false, START + WINDOW - SLOT), 0);
	assert_float_equal(value_of(r, "a{x=\"1\"}"), 2.0 / 6, 1e-15);
	assert_float_equal(value_at(r, "a{x=\"1\"}", START + WINDOW), 0, 0); /* an idle gateway's window empties */
	struct buf text = text_at(r, EXPOSITION_TEXT, START + 3 * WINDOW);
	assert_non_null(strstr(text.ptr, "a{x=\"1\"} NaN\n"));
	buf_free(&text);
	assert_int_equal(metric_observe(m, s, 1, START), -EINVAL);
	registry_free(r);
}

static void test_mean(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct metric_def def = def_of("a", METRIC_MEAN, NULL, NULL);
	def.window_ns = NS_PER_S; /* the shortest */
	struct metric *m = define(r, &def);
	struct series_ref s = series1(m, NULL);

	assert_true(has_line(r, "a NaN\n"));
	assert_int_equal(metric_observe(m, s, 2, START), 0);
	assert_int_equal(metric_observe(m, s, -5, START), 0);
	assert_float_equal(value_of(r, "a"), -1.5, 0);
	assert_int_equal(metric_observe(m, s, 1, -1), 0);
	assert_int_equal(metric_observe(m, s, 1, START - NS_PER_S), 0);
	assert_int_equal(stats_of(r).late, 2);
	registry_set_now(r, START + 2 * NS_PER_S);
	assert_true(has_line(r, "a NaN\n"));
	assert_int_equal(metric_observe(m, s, 4, START + 2 * NS_PER_S), 0);
	assert_float_equal(value_of(r, "a"), 4, 0);
	registry_free(r);
}

static void test_early_in_time(void **state)
{
	(void)state;
	struct registry *r = registry_new(NULL);
	union series_cell cell = {0};

	assert_non_null(r); /* its clock stands at 1970 */
	assert_int_equal(ring_observe(r, &cell, WINDOW, -5, 1), 0);
	assert_int_equal(ring_observe(r, &cell, WINDOW, 5, 3), 0);
	assert_float_equal(ring_mean((struct ring *)cell.state, WINDOW, 0), 2, 0);
	state_retire(r, METRIC_MEAN, cell.state);
	registry_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_against_a_list),
	    cmocka_unit_test(test_ratio),
	    cmocka_unit_test(test_mean),
	    cmocka_unit_test(test_early_in_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

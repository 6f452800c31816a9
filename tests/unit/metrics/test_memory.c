/* Every allocation of a busy registry's life fails once, then from some point on all of them: nothing crashes,
 * nothing leaks (AddressSanitizer), what was refused changed nothing that is counted, and when there is memory again
 * everything goes on. */
#include "scenario.h"

#include "base/fault.h"
#include "metrics/internal.h"

enum { CHANGES = 600 };

/* A life: definitions, changes with snapshots between them, a reload, a checkpoint loaded. How much of it was
 * refused. */
static int live(bool *done)
{
	struct scenario s = {.random = 17, .now = START};
	struct metrics_snapshot *shot = NULL;
	struct buf out = {0};
	int refused = 0;

	*done = false;
	s.r = registry_new(NULL);
	if (s.r == NULL)
		return 1;
	registry_set_now(s.r, s.now);
	if (scenario_define(&s) != 0) {
		registry_free(s.r);
		return 1;
	}
	for (int i = 0; i < CHANGES; i++) {
		int rc = scenario_change(&s);
		assert_true(rc == 0 || rc == -ENOMEM);
		refused += rc != 0;
		if (i % 60 == 0)
			scenario_tick(&s);
		if (i % 45 == 0) {
			metrics_snapshot_unref(shot);
			shot = registry_snapshot(s.r);
			refused += shot == NULL;
		}
	}
	registry_reload_begin(s.r);
	if (scenario_define(&s) == 0) {
		registry_reload_end(s.r);
	} else {
		registry_reload_cancel(s.r);
		refused++;
	}
	if (shot != NULL && (exposition_render(shot, EXPOSITION_OPENMETRICS, 0, &out) != 0 || (out.len = 0) != 0 ||
	                     metrics_snapshot_save(shot, &out) != 0))
		refused++;
	struct registry *again = registry_new(NULL);
	refused += again == NULL;
	if (again != NULL && shot != NULL && !buf_failed(&out))
		refused += registry_load(again, buf_slice(&out), NULL) != 0;
	registry_free(again);
	buf_free(&out);
	metrics_snapshot_unref(shot);
	*done = true;
	registry_free(s.r);
	return refused;
}

static void test_each_fails_once(void **state)
{
	(void)state;
	int refusals = 0, left_out = 0;
	bool done;

	fault_set(FAULT_MALLOC, UINT64_MAX, false, ENOMEM);
	uint64_t before = fault_hits(FAULT_MALLOC);
	assert_int_equal(live(&done), 0);
	uint64_t hits = fault_hits(FAULT_MALLOC) - before;
	fault_clear();
	assert_true(done && hits > 1000);
	for (uint64_t nth = 1; nth <= hits; nth++) {
		fault_set(FAULT_MALLOC, nth, false, ENOMEM);
		int refused = live(&done);
		fault_clear();
		refusals += refused > 0;
		left_out += refused == 0; /* an exemplar less, an index that is split later */
	}
	assert_true(refusals > left_out);
}

static void test_all_fail_from_some_point_on(void **state)
{
	(void)state;
	bool done;

	for (uint64_t nth = 1; nth < 2500; nth += 7) {
		fault_set(FAULT_MALLOC, nth, true, ENOMEM);
		int refused = live(&done);
		fault_clear();
		assert_true(refused > 0 || done);
	}
}

/* Totals: what was accepted is counted, what was refused is not. */
static void test_refused_changes_do_not_count(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct metric *c = define_simple(r, "a_total", METRIC_COUNTER, "x");
	struct metric *t = define_simple(r, "top", METRIC_TOPK, "x");
	struct metric *h = define_simple(r, "h", METRIC_SUMMARY, "x");
	double counted = 0, topped = 0, observed = 0;
	struct metrics_snapshot *shot = NULL;
	uint64_t random = 3;
	int refused = 0;

	for (int i = 0; i < 6000; i++) {
		char name[16];
		struct slice v =
		    slice_new(name, (size_t)snprintf(name, sizeof name, "%d", (int)(random_u64(&random) % 300)));
		struct series_ref s;
		if (i % 50 == 0) {
			metrics_snapshot_unref(shot);
			shot = registry_snapshot(r);
		}
		if (i % 3 == 0)
			fault_set(FAULT_MALLOC, 1 + random_u64(&random) % 6, true, ENOMEM);
		int rc = metric_series(c, &v, &s);
		rc = rc == 0 ? metric_add(c, s, i) : rc;
		counted += rc == 0 ? i : 0;
		refused += rc != 0;
		rc = metric_topk_add(t, &v, i);
		topped += rc == 0 ? i : 0;
		refused += rc != 0;
		rc = metric_series(h, &v, &s);
		rc = rc == 0 ? metric_observe(h, s, i, START) : rc;
		observed += rc == 0 ? i : 0;
		refused += rc != 0;
		fault_clear();
	}
	assert_true(refused > 100);
	struct buf text = text_of(r);
	double sums[3] = {0};
	for (const char *line = text.ptr; *line != '\0'; line = strchr(line, '\n') + 1) {
		int which = strncmp(line, "a_total{", 8) == 0 ? 0
		            : strncmp(line, "top{", 4) == 0   ? 1
		            : strncmp(line, "h_sum{", 6) == 0 ? 2
		                                              : -1;
		if (which >= 0)
			sums[which] += strtod(strchr(line, '}') + 1, NULL);
	}
	assert_float_equal(sums[0], counted, 0);
	assert_float_equal(sums[1], topped, 0);
	assert_float_equal(sums[2], observed, 0);
	buf_free(&text);
	metrics_snapshot_unref(shot);
	registry_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_each_fails_once),
	    cmocka_unit_test(test_all_fail_from_some_point_on),
	    cmocka_unit_test(test_refused_changes_do_not_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

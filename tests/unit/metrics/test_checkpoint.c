/* Checkpoints: what is loaded is what was saved, bit for bit, and goes on the same; nothing else is taken. */
#include "scenario.h"

#include "base/check.h"
#include "base/fault.h"
#include "base/file.h"
#include "metrics/checkpoint.h"
#include "metrics/internal.h"

static struct buf save(struct registry *r)
{
	struct metrics_snapshot *s = registry_snapshot(r);
	struct buf out = {0};

	assert_non_null(s);
	assert_int_equal(metrics_snapshot_save(s, &out), 0);
	metrics_snapshot_unref(s);
	return out;
}

static struct registry *load(const struct buf *saved)
{
	struct registry *r = registry_new(NULL);
	struct error err = {0};

	assert_non_null(r);
	if (registry_load(r, buf_slice(saved), &err) != 0)
		fail_msg("%s", err.text);
	return r;
}

static void same_bytes(const struct buf *a, const struct buf *b)
{
	assert_int_equal(a->len, b->len);
	assert_memory_equal(a->ptr, b->ptr, a->len);
}

/* Both registries show and save the same. */
static void same_registries(struct registry *a, struct registry *b)
{
	for (int format = 0; format < 2; format++) {
		struct buf x = text_at(a, (enum exposition_format)format, 0),
		           y = text_at(b, (enum exposition_format)format, 0);
		assert_string_equal(x.ptr, y.ptr);
		buf_free(&x);
		buf_free(&y);
	}
	struct buf x = save(a), y = save(b);
	same_bytes(&x, &y);
	buf_free(&x);
	buf_free(&y);
}

static void test_round_trip_at_any_moment(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 12; seed++) {
		struct scenario live;
		scenario_start(&live, seed);
		scenario_run(&live, (int)(seed * seed) * 60);
		struct buf saved = save(live.r);
		struct scenario recovered = live;
		recovered.r = load(&saved);
		same_registries(live.r, recovered.r);
		registry_reload_begin(recovered.r); /* as at a start: the scripts define what they had */
		assert_int_equal(scenario_define(&recovered), 0);
		registry_reload_end(recovered.r);
		same_registries(live.r, recovered.r);
		for (int i = 0; i < 5; i++) { /* and what happens then gives the same */
			scenario_run(&live, 400);
			scenario_run(&recovered, 400);
			same_registries(live.r, recovered.r);
		}
		buf_free(&saved);
		registry_free(live.r);
		registry_free(recovered.r);
	}
}

static void test_all_kinds_are_in_it(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct metric *users = define_simple(r, "users", METRIC_DISTINCT, NULL);
	struct metric *gauge = define_simple(r, "gauge", METRIC_GAUGE, "x");
	char value[16];

	for (int i = 0; i < 5000; i++) { /* registers */
		struct slice v = slice_new(value, (size_t)snprintf(value, sizeof value, "%d", i));
		assert_int_equal(metric_see(users, series1(users, NULL), v, START), 0);
	}
	assert_int_equal(metric_set(gauge, series1(gauge, "nan"), NAN), 0);
	assert_int_equal(metric_set(gauge, series1(gauge, "inf"), -INFINITY), 0);
	assert_int_equal(metric_set(gauge, series1(gauge, "zero"), -0.0), 0);
	assert_int_equal(metric_add(gauge, series1(gauge, "added"), 1), 0);
	struct buf saved = save(r);
	struct registry *again = load(&saved);
	same_registries(r, again);
	buf_free(&saved);
	registry_free(r);
	registry_free(again);
}

static void test_empty(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct buf saved = save(r);
	struct registry *again = load(&saved);

	assert_int_equal(saved.len, 20);
	same_registries(r, again);
	registry_free(again);
	buf_free(&saved);
	registry_free(r);
}

/* Families that the new scripts do not define go with the reload's end; those that changed start anew. */
static void test_waits_for_definitions(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct metric *a = define_simple(r, "a_total", METRIC_COUNTER, "x");
	struct metric *b = define_simple(r, "b_total", METRIC_COUNTER, "x");
	bool restarted;
	struct metric *m;

	assert_int_equal(metric_add(a, series1(a, "1"), 1), 0);
	assert_int_equal(metric_add(b, series1(b, "1"), 2), 0);
	struct buf saved = save(r);
	registry_free(r);
	r = load(&saved);
	assert_float_equal(value_of(r, "a_total{x=\"1\"}"), 1, 0);
	struct metric_def def = def_of("a_total", METRIC_GAUGE, "x", NULL);
	assert_int_equal(registry_define(r, &def, &m, NULL, NULL), -EEXIST);
	def = def_of("a_total", METRIC_COUNTER, "y", NULL);
	assert_int_equal(registry_define(r, &def, &m, &restarted, NULL), 0); /* without a reload, too */
	assert_true(restarted);
	assert_false(has_line(r, "a_total"));
	assert_float_equal(value_of(r, "b_total{x=\"1\"}"), 2, 0);
	registry_reload_begin(r);
	assert_ptr_equal(define(r, &def), m);
	registry_reload_end(r);
	assert_false(has_line(r, "b_total"));
	buf_free(&saved);
	registry_free(r);
}

/* Who has to say that a series has ended may have it beyond its time, and across a checkpoint; for all others it is over. */
static void test_idle_series_as_of_before(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct metric_def def = def_of("c_total", METRIC_COUNTER, "x", NULL);
	struct buf saved = {0};

	def.idle_ns = 10 * NS_PER_S;
	struct metric *m = define(r, &def);
	assert_int_equal(metric_add(m, series1(m, "1"), 1), 0);
	registry_set_now(r, START + 12 * NS_PER_S);
	struct metrics_snapshot *s = registry_snapshot_at(r, START + 9 * NS_PER_S);
	assert_int_equal(metrics_snapshot_save(s, &saved), 0);
	metrics_snapshot_unref(s);
	for (int times = 0; times < 2; times++) {
		struct metrics_family family;
		struct metrics_sampled series;
		assert_false(has_line(r, "c_total{"));
		s = registry_snapshot_at(r, START + 9 * NS_PER_S);
		struct metrics_cursor *c = metrics_cursor_new(s);
		assert_true(metrics_cursor_family(c, &family));
		assert_true(metrics_cursor_next(c, &series));
		metrics_cursor_free(c);
		metrics_snapshot_unref(s);
		registry_free(r);
		r = load(&saved);
		m = define(r, &def);
	}
	assert_int_equal(metric_add(m, series1(m, "1"), 5), 0);
	assert_float_equal(value_of(r, "c_total{x=\"1\"}"), 5, 0); /* anew */
	buf_free(&saved);
	registry_free(r);
}

static void test_loads_more_than_the_limit(void **state)
{
	(void)state;
	struct scenario s;

	scenario_start(&s, 5);
	scenario_run(&s, 3000);
	struct buf saved = save(s.r);
	struct registry *r = new_registry(3);
	assert_int_equal(registry_load(r, buf_slice(&saved), NULL), 0);
	same_registries(s.r, r);
	buf_free(&saved);
	registry_free(r);
	registry_free(s.r);
}

/* ---- what is not taken ---- */

static int load_rc(const char *bytes, size_t len, struct error *err)
{
	struct registry *r = registry_new(NULL);
	char *copy = malloc(len != 0 ? len : 1); /* exactly so long: AddressSanitizer sees a byte too many */

	CHECK(r != NULL && copy != NULL);
	memcpy(copy, bytes, len);
	int rc = registry_load(r, slice_new(copy, len), err);
	if (rc != 0)
		assert_int_equal(stats_of(r).families, 0);
	free(copy);
	registry_free(r);
	return rc;
}

static struct buf small_checkpoint(void)
{
	struct scenario s;

	scenario_start(&s, 6);
	scenario_run(&s, 120);
	struct buf saved = save(s.r);
	registry_free(s.r);
	return saved;
}

static void test_cut_at_every_byte(void **state)
{
	(void)state;
	struct buf saved = small_checkpoint();

	for (size_t len = 0; len < saved.len; len++) {
		struct error err = {0};
		assert_int_equal(load_rc(saved.ptr, len, &err), -EBADMSG);
		assert_non_null(strstr(err.text, "checkpoint of the metrics: "));
	}
	buf_byte(&saved, 0);
	struct error err = {0};
	assert_int_equal(load_rc(saved.ptr, saved.len, &err), -EBADMSG);
	assert_string_equal(err.text, "checkpoint of the metrics: 1 bytes behind the last family");
	buf_free(&saved);
}

/* Any byte may be anything: refused, or a sound registry, which can be used, saved and loaded. */
static void test_damage(void **state)
{
	(void)state;
	struct buf saved = small_checkpoint();
	uint64_t random = 31;
	int taken = 0, refused = 0;

	for (int i = 0; i < 4000; i++) {
		size_t at = i < 1500 ? (size_t)i : random_u64(&random) % saved.len;
		char was = saved.ptr[at];
		saved.ptr[at] = (char)(was ^ (1 << random_u64(&random) % 8));
		struct registry *r = registry_new(NULL);
		assert_non_null(r);
		int rc = registry_load(r, buf_slice(&saved), NULL);
		assert_true(rc == 0 || rc == -EBADMSG);
		if (rc == 0) {
			struct buf again = save(r);
			struct registry *twice = load(&again);
			same_registries(r, twice);
			registry_free(twice);
			buf_free(&again);
		}
		taken += rc == 0;
		refused += rc != 0;
		registry_free(r);
		saved.ptr[at] = was;
	}
	assert_true(taken > 500 && refused > 500);
	buf_free(&saved);
}

static void test_other_files(void **state)
{
	(void)state;
	struct buf saved = small_checkpoint();
	struct error err = {0};

	saved.ptr[0] = 'X';
	assert_int_equal(load_rc(saved.ptr, saved.len, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "begin with MGmx"));
	saved.ptr[0] = 'M';
	saved.ptr[4] = 2;
	assert_int_equal(load_rc(saved.ptr, saved.len, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "version 2, wanted 1"));
	saved.ptr[4] = 1;
	saved.ptr[15] = (char)0x80;
	assert_int_equal(load_rc(saved.ptr, saved.len, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "before 1970"));
	buf_free(&saved);
}

static void test_without_memory(void **state)
{
	(void)state;
	struct buf saved = small_checkpoint();
	int refused = 0;

	for (uint64_t nth = 1;; nth++) {
		struct error err = {0};
		fault_set(FAULT_MALLOC, nth + 2, false, ENOMEM); /* not for registry_new */
		int rc = load_rc(saved.ptr, saved.len, &err);
		fault_clear();
		if (rc == 0)
			break;
		assert_int_equal(rc, -ENOMEM);
		assert_non_null(strstr(err.text, "memory is out"));
		refused++;
	}
	assert_true(refused > 100);
	buf_free(&saved);
}

/* ---- the golden file: written by version 1, read for as long as there is one ---- */

/* It is the scenario with seed 6 after 400 changes, and i_many_users, which has seen "0" to "4999". */
static void test_golden(void **state)
{
	(void)state;
	struct buf bytes = {0};
	struct error err = {0};
	char value[16];

	if (file_read_all(TEST_DIR "/checkpoint_v1.bin", 1 << 20, &bytes, &err) != 0)
		fail_msg("%s", err.text);
	struct registry *r = load(&bytes);
	struct buf again = save(r);
	same_bytes(&bytes, &again);
	assert_int_equal(stats_of(r).families, SCENARIO_METRICS + 1);
	assert_float_equal(value_of(r, "a_cost_usd_total{user=\"user-001\",model=\"claude-\\\"sonnet\\\"\"}"), 35.547,
	                   0);
	assert_float_equal(value_of(r, "c_latency_seconds_sum{user=\"user-058\"}"), 74.679, 0);
	struct metric *users = define_simple(r, "i_many_users", METRIC_DISTINCT, NULL);
	double count = value_of(r, "i_many_users");
	assert_float_equal(count, 5000, 125);
	for (int i = 0; i < 5000; i++) { /* the same hash: they are known */
		struct slice v = slice_new(value, (size_t)snprintf(value, sizeof value, "%d", i));
		assert_int_equal(metric_see(users, series1(users, NULL), v, INT64_MAX), 0);
	}
	assert_float_equal(value_of(r, "i_many_users"), count, 0);
	buf_free(&again);
	buf_free(&bytes);
	registry_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_round_trip_at_any_moment),
	    cmocka_unit_test(test_all_kinds_are_in_it),
	    cmocka_unit_test(test_empty),
	    cmocka_unit_test(test_waits_for_definitions),
	    cmocka_unit_test(test_idle_series_as_of_before),
	    cmocka_unit_test(test_loads_more_than_the_limit),
	    cmocka_unit_test(test_cut_at_every_byte),
	    cmocka_unit_test(test_damage),
	    cmocka_unit_test(test_other_files),
	    cmocka_unit_test(test_without_memory),
	    cmocka_unit_test(test_golden),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Families: defined once, found again, kept, restarted, refused and removed by reloads. */
#include "support.h"

#include "base/fault.h"
#include "metrics/internal.h"

static int define_rc(struct registry *r, const struct metric_def *def, const char *wanted)
{
	struct metric *m = NULL;
	struct error err = {0};
	int rc = registry_define(r, def, &m, NULL, &err);

	assert_int_equal(rc, err.code);
	if (wanted != NULL && strstr(err.text, wanted) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.text, wanted);
	return rc;
}

static void add(struct metric *m, const char *value, double v)
{
	assert_int_equal(metric_add(m, series1(m, value), v), 0);
}

static void test_asks_a_metric(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct metric_def def = def_of("a_total", METRIC_COUNTER, "x", "y");
	struct metric *m = define(r, &def);

	assert_int_equal(metric_type(m), METRIC_COUNTER);
	assert_true(slice_eq(metric_name(m), SLICE("a_total")));
	assert_int_equal(metric_label_count(m), 2);
	assert_true(slice_eq(metric_label(m, 0), SLICE("x")));
	assert_true(slice_eq(metric_label(m, 1), SLICE("y")));
	registry_free(r);
	registry_free(NULL);
}

static void test_defined_twice(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct metric_def def = def_of("a_total", METRIC_COUNTER, "x", NULL);
	struct metric *m = define(r, &def);

	def.help = SLICE("Other");
	assert_ptr_equal(define(r, &def), m);
	add(m, "1", 1);
	struct buf text = text_of(r);
	assert_non_null(strstr(text.ptr, "# HELP a_total Help\n")); /* the first one holds */
	buf_free(&text);
	def = def_of("a_total", METRIC_COUNTER, "y", NULL);
	assert_int_equal(define_rc(r, &def, "other labels"), -EEXIST);
	def = def_of("a_total", METRIC_GAUGE, "x", NULL);
	assert_int_equal(define_rc(r, &def, "is a counter at metrics/test.lua:1 and a gauge"), -EEXIST);
	assert_int_equal(registry_check_type(r, &def, NULL), -EEXIST);
	def = def_of("b", METRIC_GAUGE, "x", NULL);
	assert_int_equal(registry_check_type(r, &def, NULL), 0);
	def.name = SLICE("1");
	assert_int_equal(define_rc(r, &def, "wanted letters"), -EINVAL);
	def = def_of("a", METRIC_GAUGE, NULL, NULL);
	assert_int_equal(define_rc(r, &def, "wanted another name"), -EEXIST);
	assert_int_equal(stats_of(r).families, 1);
	registry_free(r);
}

static void test_sorted_by_name(void **state)
{
	(void)state;
	static const char *const names[] = {"m", "a", "z", "B", "ma", "_", "b"};
	struct registry *r = new_registry(0);
	struct buf seen = {0};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		series1(define_simple(r, names[i], METRIC_GAUGE, NULL), NULL);
	struct buf text = text_of(r);
	for (const char *line = text.ptr; *line != '\0'; line = strchr(line, '\n') + 1) {
		if (line[0] != '#')
			buf_append(&seen, line, strcspn(line, "\n") + 1);
	}
	buf_byte(&seen, '\0');
	assert_string_equal(seen.ptr, "B 0\n_ 0\na 0\nb 0\nm 0\nma 0\nz 0\n");
	buf_free(&seen);
	buf_free(&text);
	registry_free(r);
}

static void test_reload_keeps_restarts_removes(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct metric *kept = define_simple(r, "kept_total", METRIC_COUNTER, "x");
	struct metric *other = define_simple(r, "other_total", METRIC_COUNTER, "x");
	struct metric *gone = define_simple(r, "gone_total", METRIC_COUNTER, "x");
	struct metric *again = NULL;
	bool restarted;

	add(kept, "1", 1);
	add(other, "1", 2);
	add(gone, "1", 3);
	registry_reload_begin(r);
	struct metric_def def = def_of("kept_total", METRIC_COUNTER, "x", NULL);
	def.help = SLICE("New help");
	def.max_series = 1;
	assert_int_equal(registry_define(r, &def, &again, &restarted, NULL), 0);
	assert_ptr_equal(again, kept);
	assert_false(restarted);
	def = def_of("other_total", METRIC_COUNTER, "y", NULL);
	assert_int_equal(registry_define(r, &def, &again, &restarted, NULL), 0);
	assert_ptr_not_equal(again, other);
	assert_true(restarted);
	struct metric *restarted_one = again;
	assert_int_equal(registry_define(r, &def, &again, &restarted, NULL), 0); /* by a second script */
	assert_ptr_equal(again, restarted_one);
	assert_false(restarted);
	def = def_of("new_total", METRIC_COUNTER, NULL, NULL);
	struct metric *fresh = define(r, &def);
	assert_float_equal(value_of(r, "gone_total{x=\"1\"}"), 3, 0); /* until the end nothing shows */
	assert_float_equal(value_of(r, "other_total{x=\"1\"}"), 2, 0);
	registry_reload_end(r);
	add(restarted_one, "1", 5);
	add(fresh, NULL, 7);
	add(kept, "2", 1); /* past the new max_series */
	assert_float_equal(value_of(r, "kept_total{x=\"1\"}"), 1, 0);
	assert_float_equal(value_of(r, "kept_total{moongate_overflow=\"true\"}"), 1, 0);
	assert_float_equal(value_of(r, "other_total{y=\"1\"}"), 5, 0);
	assert_float_equal(value_of(r, "new_total"), 7, 0);
	assert_false(has_line(r, "gone_total"));
	assert_false(has_line(r, "other_total{x"));
	assert_true(has_line(r, "# HELP kept_total New help"));
	assert_int_equal(stats_of(r).families, 3);
	registry_free(r);
}

static void test_reload_cancelled(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct metric *kept = define_simple(r, "kept_total", METRIC_COUNTER, "x");
	struct metric *other = define_simple(r, "other_total", METRIC_COUNTER, "x");

	add(kept, "1", 1);
	add(other, "1", 2);
	struct buf before = text_of(r);
	uint64_t bytes = stats_of(r).bytes;
	registry_reload_begin(r);
	struct metric_def def = def_of("kept_total", METRIC_COUNTER, "x", NULL);
	def.help = SLICE("Not to be");
	define(r, &def);
	def = def_of("other_total", METRIC_COUNTER, "y", NULL);
	add(define(r, &def), "1", 9);
	define_simple(r, "new_total", METRIC_COUNTER, NULL);
	def = def_of("kept_total", METRIC_GAUGE, "x", NULL);
	assert_int_equal(define_rc(r, &def, "one type"), -EEXIST);
	registry_reload_cancel(r);
	struct buf after = text_of(r);
	assert_string_equal(before.ptr, after.ptr);
	assert_int_equal(stats_of(r).families, 2);
	assert_true(stats_of(r).bytes <= bytes + 4096);
	def = def_of("kept_total", METRIC_COUNTER, "x", NULL);
	assert_ptr_equal(define(r, &def), kept); /* defined, as before */
	buf_free(&before);
	buf_free(&after);
	registry_free(r);
}

static void test_names_of_what_is_going_are_free(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct metric_def histogram = def_of("latency_seconds", METRIC_HISTOGRAM, NULL, NULL);
	struct metric_def count = def_of("latency_seconds_count", METRIC_GAUGE, NULL, NULL);

	define(r, &histogram);
	assert_int_equal(define_rc(r, &count, "the histogram \"latency_seconds\" at metrics/test.lua:1 has too"),
	                 -EEXIST);
	registry_reload_begin(r);
	define(r, &count);
	assert_int_equal(define_rc(r, &histogram, "wanted another name"), -EEXIST);
	registry_reload_end(r);
	assert_int_equal(stats_of(r).families, 1);
	assert_int_equal(define_rc(r, &histogram, "wanted another name"), -EEXIST);
	registry_free(r);
}

/* A large family goes bit by bit; what it took is given back in the end. */
static void test_a_large_family_dies_slowly(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct metric_def def = def_of("a_total", METRIC_COUNTER, "x", NULL);
	uint64_t empty = stats_of(r).bytes;
	char name[16];
	int visits = 0;

	def.max_series = 100000;
	struct metric *m = define(r, &def);
	for (int i = 0; i < 50000; i++) {
		snprintf(name, sizeof name, "%d", i);
		add(m, name, 1);
	}
	assert_true(stats_of(r).bytes > 50000 * 150);
	registry_reload_begin(r);
	registry_reload_end(r);
	assert_int_equal(stats_of(r).families, 0);
	assert_int_equal(stats_of(r).series, 0);
	assert_int_equal(r->billed, 0);
	for (; r->dying != NULL; visits++)
		registry_expire(r);
	assert_in_range(visits, 3, 5);
	assert_int_equal(stats_of(r).bytes, empty);
	registry_free(r);
}

static void test_bytes_come_back(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	uint64_t empty = stats_of(r).bytes;
	struct series_ref s;

	registry_set_exemplar(r, SLICE("0af7651916cd43dd8448eb211c80319c"), SLICE("b7ad6b7169203331"), START);
	for (int type = METRIC_COUNTER; type <= METRIC_MEAN; type++) {
		char name[16], value[16];
		snprintf(name, sizeof name, "m%d", type);
		struct metric *m = define_simple(r, name, (enum metric_type)type, "x");
		for (int i = 0; i < 3000; i++) {
			struct slice v = slice_new(value, (size_t)snprintf(value, sizeof value, "%d", i % 1500));
			if (type == METRIC_TOPK) {
				assert_int_equal(metric_topk_add(m, &v, 1), 0);
				continue;
			}
			assert_int_equal(metric_series(m, &v, &s), 0);
			if (type == METRIC_COUNTER || type == METRIC_GAUGE)
				assert_int_equal(metric_add(m, s, 1), 0);
			else if (type == METRIC_DISTINCT)
				assert_int_equal(metric_see(m, s, v, START), 0);
			else if (type == METRIC_RATIO)
				assert_int_equal(metric_hit(m, s, true, START), 0);
			else
				assert_int_equal(metric_observe(m, s, i, START), 0);
		}
	}
	assert_true(stats_of(r).bytes > empty + 1000000);
	registry_reload_begin(r);
	registry_reload_end(r);
	registry_expire(r);
	assert_int_equal(stats_of(r).bytes, empty);
	assert_int_equal(r->billed, 0);
	assert_int_equal(r->exemplars, 0);
	registry_free(r);
}

static void test_without_memory(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct metric_def def = def_of("a_total", METRIC_COUNTER, "x", NULL);
	struct metric *m;
	int refused = 0;

	for (uint64_t nth = 1;; nth++) {
		struct error err = {0};
		fault_set(FAULT_MALLOC, nth, true, ENOMEM);
		int rc = registry_define(r, &def, &m, NULL, &err);
		fault_clear();
		if (rc == 0)
			break;
		assert_int_equal(rc, -ENOMEM);
		assert_non_null(strstr(err.text, "memory is out"));
		assert_int_equal(stats_of(r).families, 0);
		refused++;
	}
	assert_true(refused >= 3);
	add(m, "1", 1);
	registry_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_asks_a_metric),
	    cmocka_unit_test(test_defined_twice),
	    cmocka_unit_test(test_sorted_by_name),
	    cmocka_unit_test(test_reload_keeps_restarts_removes),
	    cmocka_unit_test(test_reload_cancelled),
	    cmocka_unit_test(test_names_of_what_is_going_are_free),
	    cmocka_unit_test(test_a_large_family_dies_slowly),
	    cmocka_unit_test(test_bytes_come_back),
	    cmocka_unit_test(test_without_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

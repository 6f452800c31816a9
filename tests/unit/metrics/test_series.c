/* Series: found, made, limited, ended by idleness, and their numbers used again. */
#include "support.h"

#include "metrics/internal.h"

static void add(struct metric *m, const char *value, double v)
{
	assert_int_equal(metric_add(m, series1(m, value), v), 0);
}

static void advance(struct registry *r, int64_t *now, int64_t seconds)
{
	*now += seconds * NS_PER_S;
	registry_set_now(r, *now);
}

static void test_finds_what_it_made(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct metric_def def = def_of("a_total", METRIC_COUNTER, "x", "y");
	def.max_series = 100000;
	struct metric *m = define(r, &def);
	struct series_ref first[5000], again;
	char a[80], b[16];

	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < 5000; i++) { /* keys from 6 to 74 bytes, within and beyond what lies inline */
			int pad = (int)(i % 60);
			struct slice values[] = {slice_new(a, (size_t)snprintf(a, sizeof a, "%u%0*d", i, pad + 1, 0)),
			                         slice_new(b, (size_t)snprintf(b, sizeof b, "%u", i / 7))};
			assert_int_equal(metric_series(m, values, round == 0 ? &first[i] : &again), 0);
			if (round == 1)
				assert_memory_equal(&first[i], &again, sizeof again);
			assert_true(metric_series_valid(m, first[i]));
			assert_int_equal(metric_add(m, first[i], i), 0);
		}
	}
	assert_int_equal(stats_of(r).series, 5000);
	for (uint32_t i = 0; i < 5000; i++)
		assert_float_equal(metric_row(m, first[i].number)->value, 2.0 * i, 0);
	assert_false(metric_series_valid(m, (struct series_ref){5000, 1}));
	assert_false(metric_series_valid(m, (struct series_ref){0, 0}));
	registry_free(r);
}

static void test_without_labels(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct metric *m = define_simple(r, "a_total", METRIC_COUNTER, NULL);

	add(m, NULL, 1);
	add(m, NULL, 2);
	assert_float_equal(value_of(r, "a_total"), 3, 0);
	assert_int_equal(stats_of(r).series, 1);
	registry_free(r);
}

static void test_empty_value_is_no_label(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct metric_def def = def_of("a_total", METRIC_COUNTER, "x", "y");
	struct metric *m = define(r, &def);
	struct series_ref s, t;

	assert_int_equal(metric_series(m, (struct slice[]){SLICE(""), SLICE("1")}, &s), 0);
	assert_int_equal(metric_series(m, (struct slice[]){{NULL, 0}, SLICE("1")}, &t), 0);
	assert_int_equal(s.number, t.number);
	assert_int_equal(metric_series(m, (struct slice[]){SLICE("1"), SLICE("")}, &t), 0);
	assert_int_not_equal(s.number, t.number);
	assert_int_equal(metric_add(m, s, 1), 0);
	assert_float_equal(value_of(r, "a_total{y=\"1\"}"), 1, 0);
	registry_free(r);
}

static void test_bad_utf8_and_long_values(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct metric *m = define_simple(r, "a_total", METRIC_COUNTER, "x");
	char longer[3000];
	struct series_ref s, t;
	struct slice v = slice_new(longer, sizeof longer);

	assert_int_equal(series1(m, "\xff").number, series1(m, "\xef\xbf\xbd").number);
	memset(longer, 'x', sizeof longer);
	assert_int_equal(metric_series(m, &v, &s), 0);
	v.len = METRIC_LABEL_VALUE_MAX;
	assert_int_equal(metric_series(m, &v, &t), 0);
	assert_int_equal(s.number, t.number);
	assert_int_equal(stats_of(r).values_cut, 1);
	v.len = 65535; /* the length that the overflow series' key has in a value's place */
	char *huge = calloc(1, v.len);
	assert_non_null(huge);
	v.ptr = huge;
	assert_int_equal(metric_series(m, &v, &s), 0);
	assert_int_equal(stats_of(r).values_cut, 2);
	free(huge);
	registry_free(r);
}

static void test_overflow(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct metric_def def = def_of("a_total", METRIC_COUNTER, "x", NULL);
	def.max_series = 2;
	struct metric *m = define(r, &def);

	add(m, "1", 1);
	add(m, "2", 2);
	add(m, "3", 4);
	add(m, "4", 8);
	add(m, "1", 16);
	assert_float_equal(value_of(r, "a_total{x=\"1\"}"), 17, 0);
	assert_float_equal(value_of(r, "a_total{moongate_overflow=\"true\"}"), 12, 0);
	assert_int_equal(series1(m, "5").number, series1(m, "6").number);
	assert_int_equal(stats_of(r).overflowed, 2);
	assert_int_equal(stats_of(r).series, 3);
	registry_free(r);
}

static void test_overflow_of_the_whole(void **state)
{
	(void)state;
	struct registry *r = new_registry(3);
	struct metric *a = define_simple(r, "a_total", METRIC_COUNTER, "x");
	struct metric *b = define_simple(r, "b_total", METRIC_COUNTER, NULL);

	add(a, "1", 1);
	add(a, "2", 1);
	add(a, "3", 1);
	add(a, "4", 1);
	add(b, NULL, 1);
	assert_float_equal(value_of(r, "a_total{moongate_overflow=\"true\"}"), 1, 0);
	assert_float_equal(value_of(r, "b_total{moongate_overflow=\"true\"}"), 1, 0);
	registry_free(r);
}

static void test_idle_series_end(void **state)
{
	(void)state;
	int64_t now = START;
	struct registry *r = new_registry(0);
	struct metric_def def = def_of("a_total", METRIC_COUNTER, "x", NULL);
	def.idle_ns = 10 * NS_PER_S;
	struct metric *m = define(r, &def);

	add(m, "1", 1);
	struct series_ref one = series1(m, "1");
	advance(r, &now, 5);
	add(m, "2", 2);
	advance(r, &now, 4);
	assert_true(metric_series_valid(m, one));
	assert_true(has_line(r, "a_total{x=\"1\"} 1"));
	advance(r, &now, 1); /* ended, although nobody has come by */
	assert_false(metric_series_valid(m, one));
	assert_false(has_line(r, "a_total{x=\"1\"}"));
	assert_int_equal(stats_of(r).series, 2);
	registry_expire(r);
	assert_int_equal(stats_of(r).series, 1);
	assert_int_equal(stats_of(r).expired, 1);
	add(m, "1", 5); /* begins anew, under the same number and another generation */
	struct series_ref again = series1(m, "1");
	assert_int_equal(again.number, one.number);
	assert_int_not_equal(again.generation, one.generation);
	assert_false(metric_series_valid(m, one));
	assert_float_equal(value_of(r, "a_total{x=\"1\"}"), 5, 0);
	advance(r, &now, 10); /* looked up before anybody has come by */
	add(m, "1", 7);
	assert_float_equal(value_of(r, "a_total{x=\"1\"}"), 7, 0);
	assert_int_equal(stats_of(r).expired, 2);
	registry_free(r);
}

static void test_gauges_that_are_added_to_stay(void **state)
{
	(void)state;
	int64_t now = START;
	struct registry *r = new_registry(0);
	struct metric_def def = def_of("a", METRIC_GAUGE, "x", NULL);
	def.idle_ns = NS_PER_S;
	struct metric *m = define(r, &def);

	assert_int_equal(metric_set(m, series1(m, "set"), 1), 0);
	assert_int_equal(metric_add(m, series1(m, "added"), 1), 0);
	assert_int_equal(metric_set(m, series1(m, "added"), 4), 0);
	advance(r, &now, 100000);
	registry_expire(r);
	assert_false(has_line(r, "a{x=\"set\"}"));
	assert_float_equal(value_of(r, "a{x=\"added\"}"), 4, 0);
	registry_free(r);
}

static void test_idle_is_rounded_up_to_seconds(void **state)
{
	(void)state;
	int64_t now = START;
	struct registry *r = new_registry(0);
	struct metric_def def = def_of("a_total", METRIC_COUNTER, "x", NULL);
	def.idle_ns = NS_PER_S + 1;
	struct metric *m = define(r, &def);

	add(m, "1", 1);
	advance(r, &now, 1);
	assert_true(has_line(r, "a_total{"));
	advance(r, &now, 1);
	assert_false(has_line(r, "a_total{"));
	registry_free(r);
}

static void test_idle_series_make_room(void **state)
{
	(void)state;
	int64_t now = START;
	struct registry *r = new_registry(4);
	struct metric_def def = def_of("a_total", METRIC_COUNTER, "x", NULL);
	def.max_series = 2;
	def.idle_ns = 10 * NS_PER_S;
	struct metric *m = define(r, &def);
	def = def_of("b_total", METRIC_COUNTER, "x", NULL);
	def.idle_ns = 10 * NS_PER_S;
	struct metric *other = define(r, &def);

	add(m, "1", 1);
	add(m, "2", 1);
	add(m, "3", 1); /* to the overflow series */
	advance(r, &now, 9);
	add(m, "2", 1);
	advance(r, &now, 1);
	add(m, "4", 9); /* 1 has ended */
	assert_float_equal(value_of(r, "a_total{x=\"4\"}"), 9, 0);
	assert_false(has_line(r, "a_total{moongate_overflow")); /* idle as well */
	add(other, "1", 1);
	add(other, "2", 1);
	add(other, "3", 1); /* the whole registry is full */
	assert_float_equal(value_of(r, "b_total{moongate_overflow=\"true\"}"), 1, 0);
	advance(r, &now, 9);
	add(other, "4", 5); /* a_total{x="2"} has ended */
	assert_float_equal(value_of(r, "b_total{x=\"4\"}"), 5, 0);
	registry_free(r);
}

/* Removal, reuse and exposition order against a plain list. */
static void test_order_of_creation(void **state)
{
	(void)state;
	int64_t now = START;
	struct registry *r = new_registry(0);
	struct metric_def def = def_of("a_total", METRIC_COUNTER, "x", NULL);
	def.idle_ns = 10 * NS_PER_S;
	struct metric *m = define(r, &def);
	char name[16];
	uint64_t random = 3;
	int64_t born[200] = {0}, touched[200] = {0}, births = 0;

	for (int step = 0; step < 2000; step++) {
		int i = (int)(random_u64(&random) % 200);
		if (step % 7 == 0)
			advance(r, &now, 1);
		if (step % 31 == 0)
			registry_expire(r);
		snprintf(name, sizeof name, "%d", i);
		add(m, name, 1);
		if (born[i] == 0 || touched[i] + 10 <= now / NS_PER_S)
			born[i] = ++births;
		touched[i] = now / NS_PER_S;
	}
	struct buf text = text_of(r);
	int64_t last = 0, lines = 0;
	for (const char *at = strstr(text.ptr, "{x=\""); at != NULL; at = strstr(at + 1, "{x=\"")) {
		int i = atoi(at + 4);
		assert_true(born[i] > last);
		assert_true(touched[i] + 10 > now / NS_PER_S);
		last = born[i];
		lines++;
	}
	int64_t living = 0;
	for (int i = 0; i < 200; i++)
		living += born[i] != 0 && touched[i] + 10 > now / NS_PER_S;
	assert_int_equal(lines, living);
	assert_true(births > 400);
	buf_free(&text);
	registry_free(r);
}

/* What is visited when must not show: one registry expires all the time, the other never. */
static void test_visits_do_not_show(void **state)
{
	(void)state;
	int64_t now = START;
	struct registry *r[2] = {new_registry(60), new_registry(60)};
	struct metric *m[2];
	uint64_t random = 5;
	char name[16];

	for (int i = 0; i < 2; i++) {
		struct metric_def def = def_of("a_total", METRIC_COUNTER, "x", NULL);
		def.idle_ns = 5 * NS_PER_S;
		def.max_series = 40;
		m[i] = define(r[i], &def);
	}
	for (int step = 0; step < 5000; step++) {
		snprintf(name, sizeof name, "%d", (int)(random_u64(&random) % 100));
		now += (int64_t)(random_u64(&random) % 150) * NS_PER_MS;
		for (int i = 0; i < 2; i++) {
			registry_set_now(r[i], now);
			add(m[i], name, 1);
		}
		registry_expire(r[0]);
		if (step % 50 != 0)
			continue;
		struct buf a = text_of(r[0]), b = text_of(r[1]);
		assert_string_equal(a.ptr, b.ptr);
		buf_free(&a);
		buf_free(&b);
	}
	assert_true(stats_of(r[0]).overflowed > 100);
	assert_int_equal(stats_of(r[0]).overflowed, stats_of(r[1]).overflowed);
	registry_free(r[0]);
	registry_free(r[1]);
}

static void test_expire_visits_a_bounded_number(void **state)
{
	(void)state;
	int64_t now = START;
	struct registry *r = new_registry(0);
	struct metric_def def = def_of("a_total", METRIC_COUNTER, "x", NULL);
	def.idle_ns = NS_PER_S;
	def.max_series = 100000;
	struct metric *m = define(r, &def);
	char name[16];
	int calls = 0;

	for (int i = 0; i < 50000; i++) {
		snprintf(name, sizeof name, "%d", i);
		add(m, name, 1);
	}
	advance(r, &now, 2);
	for (uint64_t left = 50000; left > 0; calls++) {
		registry_expire(r);
		uint64_t after = stats_of(r).series;
		assert_true(after < left && left - after <= 16384);
		left = after;
	}
	assert_int_equal(calls, 4);
	assert_int_equal(stats_of(r).expired, 50000);
	registry_free(r);
}

static void test_the_clock_never_runs_back(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct metric_def def = def_of("a_total", METRIC_COUNTER, "x", NULL);
	def.idle_ns = NS_PER_S;
	struct metric *m = define(r, &def);

	add(m, "1", 1);
	registry_set_now(r, START + 2 * NS_PER_S);
	registry_set_now(r, START);
	assert_false(has_line(r, "a_total{"));
	registry_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_finds_what_it_made),
	    cmocka_unit_test(test_without_labels),
	    cmocka_unit_test(test_empty_value_is_no_label),
	    cmocka_unit_test(test_bad_utf8_and_long_values),
	    cmocka_unit_test(test_overflow),
	    cmocka_unit_test(test_overflow_of_the_whole),
	    cmocka_unit_test(test_idle_series_end),
	    cmocka_unit_test(test_gauges_that_are_added_to_stay),
	    cmocka_unit_test(test_idle_is_rounded_up_to_seconds),
	    cmocka_unit_test(test_idle_series_make_room),
	    cmocka_unit_test(test_order_of_creation),
	    cmocka_unit_test(test_visits_do_not_show),
	    cmocka_unit_test(test_expire_visits_a_bounded_number),
	    cmocka_unit_test(test_the_clock_never_runs_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* label_replace, label_join, sorting, absence, info. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "promql/natural.h"
#include "support/asked.h"

static void labels_are_replaced(void **state)
{
	static const struct expected cases[] = {
	    {"label_replace(x, \"to\", \"got-$1\", \"src\", \"val-(.*)\")", "x{src=\"val-7\", to=\"got-7\"} 1@0\n"},
	    {"label_replace(x, \"to\", \"$n.${n}\", \"src\", \"(?P<n>.*)-.*\")",
	     "x{src=\"val-7\", to=\"val.val\"} 1@0\n"},
	    /* The whole value has to match. */
	    {"label_replace(x, \"to\", \"y\", \"src\", \"val\")", "x{src=\"val-7\", to=\"old\"} 1@0\n"},
	    {"label_replace(x, \"to\", \"$9$1x$$\", \"src\", \".*\")", "x{src=\"val-7\", to=\"$\"} 1@0\n"},
	    /* An empty value takes the label away; what lacks a label has an empty one. */
	    {"label_replace(x, \"to\", \"\", \"src\", \".*\")", "x{src=\"val-7\"} 1@0\n"},
	    {"label_replace(x, \"to\", \"none\", \"gone\", \"\")", "x{src=\"val-7\", to=\"none\"} 1@0\n"},
	    {"label_replace(x, \"__name__\", \"y\", \"\", \"\")", "y{src=\"val-7\", to=\"old\"} 1@0\n"},
	    {"label_replace(x, \"my.label\", \"y\", \"\", \"\")",
	     "x{\"my.label\"=\"y\", src=\"val-7\", to=\"old\"} 1@0\n"},
	    {"label_replace(x, \"a\", \"y\", \"src\", \"(\")",
	     "error: invalid regular expression in label_replace(): (\n"},
	    {"label_replace(x, \"\", \"y\", \"src\", \"\")",
	     "error: invalid destination label name in label_replace(): \n"},
	    {"label_join(x, \"to\", \"-\", \"src\", \"none\", \"to\")", "x{src=\"val-7\", to=\"val-7--old\"} 1@0\n"},
	    {"label_join(x, \"to\", \"-\")", "x{src=\"val-7\"} 1@0\n"},
	    {"label_join(x, \"to\", \"-\", \"none\")", "x{src=\"val-7\"} 1@0\n"},
	    {"label_join(x, \"to\", \"-\", \"\")", "error: invalid source label name in label_join(): \n"},
	    {"label_join(x, \"\", \"-\", \"src\")", "error: invalid destination label name in label_join(): \n"},
	    {"label_replace(two, \"a\", \"\", \"\", \"\")",
	     "error: vector cannot contain metrics with the same labelset\n"},
	};
	struct db db;
	(void)state;
	db_init(&db);
	series(&db, "x{src=\"val-7\",to=\"old\"}", 0, 10, "1");
	series(&db, "two{a=\"1\"}", 0, 10, "1 stale");
	series(&db, "two{a=\"2\"}", 0, 10, "2 2");
	EACH_IS(&db, cases, 0);
	/* Series that are the same now are one where no step has both. */
	series(&db, "turns{a=\"1\"}", 0, 10, "1 stale");
	series(&db, "turns{a=\"2\"}", 10, 10, "2 2");
	range_is(&db, "label_replace(turns, \"a\", \"\", \"\", \"\")", 0, 20, 10, "turns 1@0 2@10 2@20\n");
	range_is(&db, "label_replace(two, \"a\", \"\", \"\", \"\")", 0, 20, 10,
	         "error: vector cannot contain metrics with the same labelset\n");
	/* A name that goes in the end stays where it was given anew. */
	db.query.delayed_names = true;
	instant_is(&db, "label_replace(-x, \"__name__\", \"y\", \"\", \"\")", 0, "y{src=\"val-7\", to=\"old\"} -1@0\n");
	instant_is(&db, "label_replace(-x, \"to\", \"y\", \"\", \"\")", 0, "{src=\"val-7\", to=\"y\"} -1@0\n");
	db_free(&db);
}

#define LABELS_TOO_LONG "error: a label has at most 4096 bytes, and all labels of a series 65536\n"

/* A query of 200 KiB asks for a value of a thousand times as many bytes: none of that is made first. */
static void labels_have_bounds(void **state)
{
	enum { TIMES = 60000 };
	struct buf query = {0};
	struct db db;
	char value[4097];

	(void)state;
	memset(value, 'v', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	db_init(&db);
	buf_printf(&query, "x{src=\"%s\"}", value);
	series(&db, query.ptr, 0, 10, "1");
	for (int join = 0; join < 2; join++) {
		buf_reset(&query);
		buf_str(&query, join ? "label_join(x, \"to\", \"\"" : "label_replace(x, \"to\", \"");
		for (int i = 0; i < TIMES / (1 + join); i++)
			buf_str(&query, join ? ",\"src\"" : "$0");
		buf_str(&query, join ? ")" : "\", \"src\", \".*\")");
		buf_byte(&query, '\0');
		struct rusage before, after;
		getrusage(RUSAGE_SELF, &before);
		instant_is(&db, query.ptr, 0, LABELS_TOO_LONG);
		getrusage(RUSAGE_SELF, &after);
		assert_int_equal(db.code, -E2BIG);
		assert_in_range(after.ru_maxrss - before.ru_maxrss, 0, 64 * 1024); /* KiB */
	}
	/* Sixteen labels are too many as well, each long as it may be. */
	buf_reset(&query);
	for (int i = 0; i < 16; i++)
		buf_str(&query, "label_replace(");
	buf_byte(&query, 'x');
	for (int i = 0; i < 16; i++)
		buf_printf(&query, ", \"l%d\", \"$0\", \"src\", \".*\")", i);
	buf_byte(&query, '\0');
	instant_is(&db, query.ptr, 0, LABELS_TOO_LONG);
	buf_free(&query);
	db_free(&db);
}

static void numbers_in_text_are_numbers(void **state)
{
	static const char *const rising[] = {"", "1", "2", "10", "10a", "10b", "a", "a2", "a10", "a10b", "b1"};
	(void)state;
	for (size_t i = 0; i < sizeof rising / sizeof *rising; i++) {
		for (size_t k = 0; k < sizeof rising / sizeof *rising; k++) {
			int order = natural_compare(slice_cstr(rising[i]), slice_cstr(rising[k]));
			assert_int_equal((order > 0) - (order < 0), (i > k) - (i < k));
		}
	}
	assert_int_equal(natural_compare(SLICE("v01"), SLICE("v1")), 0);
	assert_true(natural_compare(SLICE("99999999999999999999998"), SLICE("99999999999999999999999")) < 0);
	assert_true(natural_compare(SLICE("000"), SLICE("1")) < 0);
}

static void results_are_sorted(void **state)
{
	struct db db;
	(void)state;
	db_init(&db);
	series(&db, "x{n=\"a10\"}", 0, 10, "2 2");
	series(&db, "x{n=\"a2\"}", 0, 10, "nan nan");
	series(&db, "x{n=\"a3\"}", 0, 10, "-inf 1");
	series(&db, "x{m=\"1\"}", 0, 10, "2 2");
	instant_is(&db, "sort(x)", 0, "x{n=\"a3\"} -Inf@0\nx{m=\"1\"} 2@0\nx{n=\"a10\"} 2@0\nx{n=\"a2\"} NaN@0\n");
	instant_is(&db, "sort_desc(x)", 0, "x{m=\"1\"} 2@0\nx{n=\"a10\"} 2@0\nx{n=\"a3\"} -Inf@0\nx{n=\"a2\"} NaN@0\n");
	instant_is(&db, "sort_by_label(x, \"n\")", 0,
	           "x{m=\"1\"} 2@0\nx{n=\"a2\"} NaN@0\nx{n=\"a3\"} -Inf@0\nx{n=\"a10\"} 2@0\n");
	instant_is(&db, "sort_by_label_desc(x, \"m\", \"n\")", 0,
	           "x{m=\"1\"} 2@0\nx{n=\"a10\"} 2@0\nx{n=\"a3\"} -Inf@0\nx{n=\"a2\"} NaN@0\n");
	range_is(&db, "1 + sort_desc(x{n=\"a3\"})", 0, 10, 10,
	         "{n=\"a3\"} -Inf@0 2@10\nwarning: PromQL warning: sort is ineffective for range queries since results "
	         "are always ordered by labels (1:5)\n");
	db_free(&db);
}

static void many_are_sorted(void **state)
{
	struct db db;
	char name[40];
	(void)state;
	db_init(&db);
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof name, "x{i=\"%d\"}", i);
		db_sample(db_add(&db, name, 1), 0, (i * 73) % 50);
	}
	asked(&db, "sort(x)", 0, 0, 0);
	assert_int_equal(db.last.series_count, 200);
	for (uint32_t i = 1; i < 200; i++) {
		const struct promql_series *a = &db.last.series[i - 1], *b = &db.last.series[i];
		assert_true(a->values[0] < b->values[0] ||
		            (a->values[0] == b->values[0] && labels_compare(a->labels, b->labels) < 0));
	}
	asked(&db, "sort_by_label(x, \"i\")", 0, 0, 0);
	for (uint32_t i = 0; i < 200; i++)
		assert_true(db.last.series[i].values[0] == (i * 73) % 50);
	db_free(&db);
}

static void absence_has_labels(void **state)
{
	static const struct expected cases[] = {
	    {"absent(none)", "{} 1@15\n"},
	    {"absent(x)", ""},
	    {"absent(none{a=\"1\",b=~\"2\",c!=\"3\",d=\"4\"})", "{a=\"1\", d=\"4\"} 1@15\n"},
	    {"absent(none{a=\"1\",a=\"2\",b=\"3\"})", "{b=\"3\"} 1@15\n"},
	    {"absent(none{a=~\"1\",a=\"2\"})", "{a=\"2\"} 1@15\n"},
	    {"absent(none{a=\"\"})", "{} 1@15\n"},
	    {"absent(sum(none{a=\"1\"}))", "{} 1@15\n"},
	    {"absent_over_time(none{a=\"1\"}[1m])", "{a=\"1\"} 1@15\n"},
	    {"absent_over_time(x[1m])", ""},
	    {"absent_over_time(none{a=\"1\"}[1m:10s])", "{} 1@15\n"},
	};
	struct db db;
	(void)state;
	db_init(&db);
	series(&db, "x{a=\"1\"}", 10, 10, "1 stale");
	series(&db, "x{a=\"2\"}", 40, 10, "1 stale");
	EACH_IS(&db, cases, 15);
	range_is(&db, "absent(x)", 0, 60, 10, "{} 1@0 1@20 1@30 1@50 1@60\n");
	range_is(&db, "absent_over_time(x[20s])", 0, 60, 10, "{} 1@0 1@30 1@60\n");
	range_is(&db, "absent_over_time(x{a=~\".\"}[20s] offset 10s)", 0, 60, 10, "{} 1@0 1@10 1@40\n");
	db_free(&db);
}

static void info_adds_labels(void **state)
{
	static const struct expected cases[] = {
	    {"info(x)", "x{instance=\"a\", job=\"j\", os=\"linux\", own=\"1\", v=\"2\"} 1@60\nx{job=\"other\"} 5@60\n"},
	    {"info(x, {os=~\".+\"})", "x{instance=\"a\", job=\"j\", os=\"linux\", own=\"1\"} 1@60\n"},
	    {"info(x, {os=~\".*\"})",
	     "x{instance=\"a\", job=\"j\", os=\"linux\", own=\"1\"} 1@60\nx{job=\"other\"} 5@60\n"},
	    {"info(x, {__name__=\"build_info\"})",
	     "x{built=\"b\", instance=\"a\", job=\"j\", own=\"1\"} 1@60\nx{job=\"other\"} 5@60\n"},
	    {"info(x{own=\"1\"}, {__name__=~\"(target|build)_info\",os=\"linux\",built=\"\"})",
	     "x{instance=\"a\", job=\"j\", os=\"linux\", own=\"1\"} 1@60\n"},
	    {"info(x{own=\"1\"}, {__name__!=\"target_info\"})", "error: conflicting label: v\n"},
	    {"info(target_info{v=\"2\"})",
	     "target_info{instance=\"a\", job=\"j\", os=\"linux\", own=\"info's\", v=\"2\"} 1@60\n"},
	    {"info(none)", ""},
	    {"info(x, {__name__=\"twice\"})", "error: found duplicate series for info metric: existing "
	                                      "twice{instance=\"a\", job=\"j\", n=\"1\"} @ 50000, new "
	                                      "twice{instance=\"a\", job=\"j\", n=\"2\"} @ 50000\n"},
	};
	struct db db;
	(void)state;
	db_init(&db);
	series(&db, "x{instance=\"a\",job=\"j\",own=\"1\"}", 0, 10, "1 1 1 1 1 1");
	series(&db, "x{job=\"other\"}", 0, 10, "5 5 5 5 5 5");
	series(&db, "target_info{instance=\"a\",job=\"j\",own=\"info's\",os=\"linux\",v=\"1\"}", 0, 10, "1 1 1");
	series(&db, "target_info{instance=\"a\",job=\"j\",own=\"info's\",os=\"linux\",v=\"2\"}", 30, 10, "1 1 1");
	series(&db, "target_info{instance=\"b\",job=\"j\",os=\"bsd\"}", 0, 10, "1 1 1 1 1 1");
	series(&db, "build_info{instance=\"a\",job=\"j\",built=\"b\"}", 0, 10, "1 1 1 1 1 1");
	series(&db, "more_info{instance=\"a\",job=\"j\",v=\"x\"}", 0, 10, "1 1 1 1 1 1");
	series(&db, "other_info{instance=\"a\",job=\"j\",v=\"y\"}", 0, 10, "1 1 1 1 1 1");
	series(&db, "twice{instance=\"a\",job=\"j\",n=\"1\"}", 0, 10, "1 1 1 1 1 1");
	series(&db, "twice{instance=\"a\",job=\"j\",n=\"2\"}", 0, 10, "1 1 1 1 1 1");
	EACH_IS(&db, cases, 60);
	/* Where what is said changes, the series ends and another begins. */
	range_is(&db, "info(x{own=\"1\"}, {v=~\".+\"})", 10, 40, 10,
	         "x{instance=\"a\", job=\"j\", own=\"1\", v=\"1\"} 1@10 1@20\n"
	         "x{instance=\"a\", job=\"j\", own=\"1\", v=\"2\"} 1@30 1@40\n");
	range_is(&db, "info(x{own=\"1\"} offset 10s, {v=~\".+\"})", 10, 50, 20,
	         "x{instance=\"a\", job=\"j\", own=\"1\", v=\"1\"} 1@10\nx{instance=\"a\", job=\"j\", own=\"1\", "
	         "v=\"2\"} 1@30 1@50\n");
	db_free(&db);
}

static void memory_may_run_out(void **state)
{
	static const char *const queries[] = {"info(x)", "label_replace(x, \"a\", \"$1\", \"job\", \"(.)\")",
	                                      "label_join(x, \"a\", \"\", \"job\")", "sort_by_label(x, \"job\")",
	                                      "absent(none{a=\"1\",b=\"2\"})"};
	struct db db;
	(void)state;
	db_init(&db);
	series(&db, "x{instance=\"a\",job=\"j\"}", 0, 10, "1 1");
	series(&db, "target_info{instance=\"a\",job=\"j\",v=\"1\"}", 0, 10, "1 1");
	for (size_t q = 0; q < sizeof queries / sizeof *queries; q++) {
		bool done = false;
		for (uint64_t i = 1; !done; i++) {
			fault_set(FAULT_MALLOC, i, true, ENOMEM);
			asked(&db, queries[q], 10, 10, 0);
			fault_clear();
			assert_true(db.code == 0 || db.code == -ENOMEM);
			done = db.code == 0;
			assert_true(i < 500);
		}
		assert_int_equal(db.last.series_count, 1);
	}
	db_free(&db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(labels_are_replaced), cmocka_unit_test(numbers_in_text_are_numbers),
	    cmocka_unit_test(results_are_sorted),  cmocka_unit_test(many_are_sorted),
	    cmocka_unit_test(absence_has_labels),  cmocka_unit_test(info_adds_labels),
	    cmocka_unit_test(memory_may_run_out),  cmocka_unit_test(labels_have_bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

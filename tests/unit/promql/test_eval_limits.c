/* What an evaluation may take, how it fails, what it says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "promql/annotate.h"
#include "support/asked.h"

#define TOO_MANY "error: query processing would load too many samples into memory in query execution\n"

static void load(struct db *db, uint32_t count)
{
	db_init(db);
	for (uint32_t i = 0; i < count; i++) {
		char name[64];
		snprintf(name, sizeof name, "x{a=\"%03u\",b=\"%u\"}", i, i % 3);
		struct db_series *s = db_add(db, name, 100);
		for (int64_t k = 0; k < 100; k++)
			db_sample(s, k * 1000, i == 1 && k == 50 ? promql_absent() : (double)(i + k));
	}
	series(db, "y{a=\"001\"}", 0, 1, "1 2 3");
}

/* ---- samples ---- */

static void test_samples(void **state)
{
	(void)state;
	struct db db;
	load(&db, 10);
	/* Ten series of 11 samples each are read; 10 values of each are computed. */
	db.query.samples_max = 210;
	asked(&db, "sum_over_time(x[2s])", 10, 19, 1);
	assert_int_equal(db.code, 0);
	assert_int_equal(db.last.samples_read, 210);
	db.query.samples_max = 209;
	range_is(&db, "sum_over_time(x[2s])", 10, 19, 1, TOO_MANY);
	assert_int_equal(db.code, -E2BIG);
	range_is(&db, "x", 10, 99, 1, TOO_MANY);
	/* More steps than there may be samples, of a query or of a subquery, also where nothing is selected. */
	range_is(&db, "nothing", 0, 1e9, 0.001, TOO_MANY);
	instant_is(&db, "nothing[1y:1s]", 0, TOO_MANY);
	instant_is(&db, "sum_over_time(nothing[100y:1ms])", 1e9, TOO_MANY);
	range_is(&db, "1", 0, 209, 1, TOO_MANY);
	asked(&db, "1", 0, 208, 1);
	assert_int_equal(db.code, 0);
	db_free(&db);
}

/* ---- memory ---- */

static void test_bytes(void **state)
{
	(void)state;
	static const char *const queries[] = {
	    "x", "x + x", "sum by (a) (x)", "-x", "topk(3, x)", "sum_over_time(x[20s:1s])", "x and on(a) (x + 1)",
	};
	struct db db;
	load(&db, 40);
	for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
		db.query.bytes_max = 1024;
		const char *got = asked(&db, queries[i], 0, 90, 1);
		assert_int_equal(db.code, -E2BIG);
		assert_string_equal(
		    got, "error: query processing would need more than 1 KiB of memory in query execution\n");
		/* Some bound is enough, and is not far from what was taken. */
		while (db.code == -E2BIG && db.query.bytes_max < (1 << 24)) {
			db.query.bytes_max += db.query.bytes_max / 4;
			asked(&db, queries[i], 0, 90, 1);
		}
		assert_int_equal(db.code, 0);
	}
	db_free(&db);
}

static void test_bytes_of_an_instant_range(void **state)
{
	(void)state;
	struct db db;
	load(&db, 40);
	db.query.bytes_max = 20000;
	instant_is(&db, "x[1h]", 100,
	           "error: query processing would need more than 19 KiB of memory in query execution\n");
	db.query.bytes_max = 200000;
	asked(&db, "x[1h]", 100, 100, 0);
	assert_int_equal(db.code, 0);
	assert_int_equal(db.last.series_count, 40);
	assert_int_equal(db.last.series[1].count, 99);
	/* Of a subquery: what is made for its times is counted beside the rows, which stay. */
	for (db.query.bytes_max = 1024, db.code = -E2BIG; db.code == -E2BIG; db.query.bytes_max += 1024)
		asked(&db, "x[99s:1s]", 99, 99, 0);
	assert_int_equal(db.last.series_count, 40);
	assert_in_range(db.query.bytes_max, UINT64_C(40) * 98 * 16 + 40 * sizeof(struct promql_series), 120000);
	db_free(&db);
}

/* Each allocation fails once: a sentence or the same result, and nothing is lost (AddressSanitizer). */
static void without_memory(struct db *db, const char *query, double end, double step)
{
	char *wanted = strdup(asked(db, query, 20, end, step));
	assert_int_equal(db->code, 0);

	for (uint64_t nth = 1;; nth++) {
		assert_true(nth < 5000);
		uint64_t before = fault_hits(FAULT_MALLOC);
		fault_set(FAULT_MALLOC, nth, false, ENOMEM);
		struct buf own = db->text;
		db->text = (struct buf){0};
		const char *got = asked(db, query, 20, end, step);
		bool failed = fault_hits(FAULT_MALLOC) - before >= nth;
		fault_clear();
		if (db->code == 0 && !buf_failed(&db->text))
			assert_string_equal(got, wanted);
		else if (db->code != 0)
			assert_int_equal(db->code, -ENOMEM);
		if (db->code != 0 && !buf_failed(&db->text))
			assert_true(strlen(got) > strlen("error: \n"));
		assert_int_equal(db->open, 0);
		buf_free(&db->text);
		db->text = own;
		if (!failed)
			break;
	}
	free(wanted);
}

static void test_without_memory(void **state)
{
	(void)state;
	static const char *const queries[] = {
	    "x",
	    "-x + -x",
	    "-{a=\"001\", b=~\"1\"}",
	    "-({a=\"001\"} < 2 or {a=\"001\"} > 70)",
	    "sum by (b) (sum_over_time(x[10s:3s] offset 1s))",
	    "sum_over_time({a=~\"(001|002|003)|(.*4)\"}[10s])",
	    "timestamp(x @ 30)",
	    "scalar(y) + 1 * -x",
	};
	struct db db;
	load(&db, 12);
	for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
		without_memory(&db, queries[i], 90, 10);
		without_memory(&db, queries[i], 20, 0);
	}
	without_memory(&db, "x[30s]", 20, 0);
	without_memory(&db, "x[30s] smoothed", 20, 0);
	without_memory(&db, "(-x)[30s:1s]", 20, 0);
	without_memory(&db, "\"a\"", 20, 0);
	db.query.delayed_names = true;
	without_memory(&db, "-x", 90, 10);
	without_memory(&db, "(-x)[30s:1s]", 20, 0);
	db_free(&db);
}

/* ---- other failures ---- */

struct patience {
	uint32_t asked, left;
};

static bool goes_on(void *ctx)
{
	struct patience *p = ctx;
	p->asked++;
	return p->asked <= p->left;
}

static void test_cancelled(void **state)
{
	(void)state;
	struct db db;
	struct patience p = {0, UINT32_MAX};
	load(&db, 300);
	db.query.goes_on = goes_on;
	db.query.ctx = &p;
	asked(&db, "x + sum_over_time(x[20s])", 0, 90, 1);
	assert_int_equal(db.code, 0);
	uint32_t all = p.asked;
	/* 60,000 samples and 54,600 values. */
	assert_in_range(all, 4, 20);
	for (uint32_t left = 0; left < all; left++) {
		p = (struct patience){0, left};
		range_is(&db, "x + sum_over_time(x[20s])", 0, 90, 1,
		         "error: query was canceled in expression evaluation\n");
		assert_int_equal(db.code, -ECANCELED);
		assert_int_equal(p.asked, left + 1);
		assert_int_equal(db.open, 0);
	}
	db_free(&db);
}

/* Long windows are asked about, too, though no sample is read twice. */
static void test_cancelled_in_long_windows(void **state)
{
	(void)state;
	struct db db;
	struct patience p = {0, UINT32_MAX};
	db_init(&db);
	struct db_series *s = db_add(&db, "x", 5000);
	for (int64_t i = 0; i < 5000; i++)
		db_sample(s, i * 1000, (double)i);
	db.query.goes_on = goes_on;
	db.query.ctx = &p;
	asked(&db, "sum_over_time(x[1h])", 0, 5000, 1);
	assert_int_equal(db.code, 0);
	assert_in_range(p.asked, 6, 1000);
	p = (struct patience){0, 2};
	asked(&db, "sum_over_time(x[1h])", 0, 5000, 1);
	assert_int_equal(db.code, -ECANCELED);
	db_free(&db);
}

/* What is evaluated once is read as often as it stands in the query. And what is made of few samples may be many rows. */
static void test_cancelled_beside_samples(void **state)
{
	(void)state;
	static const struct {
		const char *query;
		uint32_t asked_least;
	} cases[] = {
	    /* Eight times 27,300 values. */
	    {"count(x) + min(x) + max(x) + sum(x) + avg(x) + group(x) + stddev(x) + stdvar(x)", 13},
	    /* 901 quantiles at as many steps. */
	    {"histogram_quantiles(le, \"q\", time() / 1000, 0.5)", 40},
	};
	struct db db;
	load(&db, 300);
	series(&db, "le{le=\"1\"}", 0, 1, "1");
	series(&db, "le{le=\"+Inf\"}", 0, 1, "2");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct patience p = {0, UINT32_MAX};
		double step = i == 0 ? 1 : 0.1;
		db.query.goes_on = goes_on;
		db.query.ctx = &p;
		asked(&db, cases[i].query, 0, 90, step);
		assert_int_equal(db.code, 0);
		assert_in_range(p.asked, cases[i].asked_least, 1000);
		p = (struct patience){0, p.asked - 1};
		asked(&db, cases[i].query, 0, 90, step);
		assert_int_equal(db.code, -ECANCELED);
	}
	db_free(&db);
}

static void test_source_that_fails(void **state)
{
	(void)state;
	struct db db;
	load(&db, 5);
	db.fail_next = -EBADMSG;
	range_is(&db, "x", 0, 90, 1, "error: expanding series: the store is damaged\n");
	assert_int_equal(db.code, -EBADMSG);
	range_is(&db, "y or -sum_over_time(x[5m])", 0, 90, 1, "error: expanding series: the store is damaged\n");
	db_free(&db);
}

/* ---- warnings and infos ---- */

static void annotated(struct eval *ev, struct promql_result *out, const char *wanted)
{
	struct buf text = {0};
	*out = (struct promql_result){0};
	arena_init(&out->arena);
	assert_int_equal(annotations_write(ev, out), 0);
	for (uint32_t i = 0; i < out->warning_count; i++)
		buf_printf(&text, "%.*s\n", SLICE_ARG(out->warnings[i]));
	for (uint32_t i = 0; i < out->info_count; i++)
		buf_printf(&text, "%.*s\n", SLICE_ARG(out->infos[i]));
	buf_byte(&text, '\0');
	assert_string_equal(text.ptr, wanted);
	buf_free(&text);
	promql_result_free(out);
}

static void test_annotations(void **state)
{
	(void)state;
	struct promql_query q = {.text = SLICE("sum(\n  rate(x[5m])\n)")};
	struct error err = {0};
	struct eval ev = {.query = &q, .err = &err, .bytes_max = 1 << 20};
	struct promql_result out;
	char text[2000];

	arena_init(&ev.arena);
	assert_int_equal(annotations_open(&ev), 0);
	annotated(&ev, &out, "");
	eval_annotate(&ev, ANNOTATION_INFO, 0, "not a counter: \"%s\"", "x");
	eval_annotate(&ev, ANNOTATION_WARNING, 7, "%g is no quantile", 1.5);
	eval_annotate(&ev, ANNOTATION_INFO, 12, "not a counter: \"%s\"", "x");
	eval_annotate(&ev, ANNOTATION_INFO, 7, "not a counter: \"%s\"", "x");
	eval_annotate(&ev, ANNOTATION_INFO, 7, "a");
	eval_annotate(&ev, ANNOTATION_WARNING, 7, "a");
	annotated(&ev, &out,
	          "PromQL warning: 1.5 is no quantile (2:3)\nPromQL warning: a (2:3)\n"
	          "PromQL info: a (2:3)\nPromQL info: not a counter: \"x\" (2:8)\n");
	q.text = (struct slice){0};
	annotated(&ev, &out,
	          "PromQL warning: 1.5 is no quantile\nPromQL warning: a\n"
	          "PromQL info: a\nPromQL info: not a counter: \"x\"\n");
	annotations_close(&ev);

	/* Ten of each. */
	assert_int_equal(annotations_open(&ev), 0);
	for (int i = 0; i < 13; i++)
		eval_annotate(&ev, ANNOTATION_INFO, 0, "%02d", 13 - i);
	eval_annotate(&ev, ANNOTATION_WARNING, 0, "w");
	annotated(&ev, &out,
	          "PromQL warning: w\nPromQL info: 01\nPromQL info: 02\nPromQL info: 03\nPromQL info: 04\n"
	          "PromQL info: 05\nPromQL info: 06\nPromQL info: 07\nPromQL info: 08\nPromQL info: 09\n"
	          "PromQL info: 10\n3 more info annotations omitted\n");
	annotations_close(&ev);

	/* Longer than most; and without memory. */
	assert_int_equal(annotations_open(&ev), 0);
	memset(text, 'a', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	eval_annotate(&ev, ANNOTATION_INFO, 0, "%s", text);
	assert_int_equal(annotations_write(&ev, (arena_init(&out.arena), &out)), 0);
	assert_int_equal(out.infos[0].len, sizeof text - 1 + strlen("PromQL info: "));
	promql_result_free(&out);
	fault_set(FAULT_MALLOC, 1, false, ENOMEM);
	eval_annotate(&ev, ANNOTATION_INFO, 0, "b%s", text);
	fault_clear();
	assert_int_equal(eval_spend(&ev, 0), -ENOMEM);
	annotations_close(&ev);
	arena_deinit(&ev.arena);
	assert_int_equal(ev.bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_samples),
	    cmocka_unit_test(test_bytes),
	    cmocka_unit_test(test_bytes_of_an_instant_range),
	    cmocka_unit_test(test_without_memory),
	    cmocka_unit_test(test_cancelled),
	    cmocka_unit_test(test_cancelled_in_long_windows),
	    cmocka_unit_test(test_cancelled_beside_samples),
	    cmocka_unit_test(test_source_that_fails),
	    cmocka_unit_test(test_annotations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

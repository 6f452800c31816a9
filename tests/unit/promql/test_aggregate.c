/* Aggregations: each over series that come and go, what their parameters may be, and in what order an instant result is. Wanted values are what Prometheus's engine makes of the same (promql/engine.go: aggregation, aggregationK). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "promql/place.h"
#include "support/answer.h"

static const char *const data = "x{a=\"1\", i=\"0\"} 1 2 _ NaN 5\n"
                                "x{a=\"1\", i=\"1\"} 3 _ _ 7 Inf\n"
                                "x{a=\"2\", i=\"0\"} 1e100 1 -1e100 -0 0\n"
                                "x{a=\"2\", i=\"1\"} 1 2 3 4 5\n"
                                "k{} 1 2 3 0.5 -1\n"
                                "q{} 0.5 0 1 2 NaN\n"
                                "big{n=\"1\"} 9.988465674311579e+307 1e308\n"
                                "big{n=\"2\"} 9.988465674311579e+307 1e308\n"
                                "big{n=\"3\"} -9.988465674311579e+307 1e308";

#define CHECK_ALL(kind, asks) answer_check_all(data, kind, asks, sizeof(asks) / sizeof *(asks))

static void test_folded(void **state)
{
	(void)state;
	static const struct ask asks[] = {
	    {"sum(x)", "{} 1e+100 5 -1e+100 NaN +Inf\n"},
	    {"sum by () (x)", "{} 1e+100 5 -1e+100 NaN +Inf\n"},
	    {"sum by (a) (x)", "{a=\"1\"} 4 2 _ NaN +Inf\n{a=\"2\"} 1e+100 3 -1e+100 4 5\n"},
	    {"sum by (i, nothing, i) (x)", "{i=\"0\"} 1e+100 3 -1e+100 NaN 5\n{i=\"1\"} 4 2 3 11 +Inf\n"},
	    {"sum without (a) (x)", "{i=\"0\"} 1e+100 3 -1e+100 NaN 5\n{i=\"1\"} 4 2 3 11 +Inf\n"},
	    {"sum by (__name__) (x)", "x 1e+100 5 -1e+100 NaN +Inf\n"},
	    {"sum without (a, __name__, i) (x)", "{} 1e+100 5 -1e+100 NaN +Inf\n"},
	    {"avg by (a) (x)", "{a=\"1\"} 2 2 _ NaN +Inf\n{a=\"2\"} 5e+99 1.5 -5e+99 2 2.5\n"},
	    {"avg(big)", "{} 3.3294885581038597e+307 1e+308 _ _ _\n"},
	    {"min by (a) (x)", "{a=\"1\"} 1 2 _ 7 5\n{a=\"2\"} 1 1 -1e+100 -0 0\n"},
	    {"max by (a) (x)", "{a=\"1\"} 3 2 _ 7 +Inf\n{a=\"2\"} 1e+100 2 3 4 5\n"},
	    {"count(x)", "{} 4 3 2 4 4\n"},
	    {"group by (a) (x)", "{a=\"1\"} 1 1 _ 1 1\n{a=\"2\"} 1 1 1 1 1\n"},
	    {"stddev by (a) (x)", "{a=\"1\"} 1 0 _ NaN NaN\n{a=\"2\"} 5e+99 0.5 5e+99 2 2.5\n"},
	    {"stdvar by (a) (x)", "{a=\"1\"} 1 0 _ NaN NaN\n{a=\"2\"} 2.5e+199 0.25 2.5e+199 4 6.25\n"},
	    {"sum(nothing)", ""},
	    {"count(x > 1e9)", "{} 1 _ _ _ 1\n"},
	    {"sum(sum by (a) (k))", "{} 1 2 3 0.5 -1\n"},
	};
	CHECK_ALL(ANSWER_RANGE, asks);
}

static void test_taken(void **state)
{
	(void)state;
	static const struct ask asks[] = {
	    {"topk(1, x)", "x{a=\"1\", i=\"0\"} _ 2 _ _ _\nx{a=\"1\", i=\"1\"} _ _ _ 7 +Inf\n"
	                   "x{a=\"2\", i=\"0\"} 1e+100 _ _ _ _\nx{a=\"2\", i=\"1\"} _ _ 3 _ _\n"},
	    {"bottomk(1, x)", "x{a=\"1\", i=\"0\"} 1 _ _ _ _\n"
	                      "x{a=\"2\", i=\"0\"} _ 1 -1e+100 -0 0\n"},
	    {"topk by (a) (1, x)", "x{a=\"1\", i=\"0\"} _ 2 _ _ _\nx{a=\"1\", i=\"1\"} 3 _ _ 7 +Inf\n"
	                           "x{a=\"2\", i=\"0\"} 1e+100 _ _ _ _\nx{a=\"2\", i=\"1\"} _ 2 3 4 5\n"},
	    /* k by step: 1 2 3 0 0 */
	    {"topk(scalar(k), x)", "x{a=\"1\", i=\"0\"} _ 2 _ _ _\nx{a=\"2\", i=\"0\"} 1e+100 _ -1e+100 _ _\n"
	                           "x{a=\"2\", i=\"1\"} _ 2 3 _ _\n"},
	    {"count(topk(99, x))", "{} 4 3 2 4 4\n"},
	    {"limitk(2, x)", "x{a=\"1\", i=\"0\"} 1 2 _ NaN 5\nx{a=\"1\", i=\"1\"} 3 _ _ 7 +Inf\n"
	                     "x{a=\"2\", i=\"0\"} _ 1 -1e+100 _ _\nx{a=\"2\", i=\"1\"} _ _ 3 _ _\n"},
	    {"limitk by (a) (scalar(k), x)",
	     "x{a=\"1\", i=\"0\"} 1 2 _ _ _\n"
	     "x{a=\"2\", i=\"0\"} 1e+100 1 -1e+100 _ _\nx{a=\"2\", i=\"1\"} _ 2 3 _ _\n"},
	    {"count(limit_ratio(1, x))", "{} 4 3 2 4 4\n"},
	    {"count(limit_ratio(0.3, x) or limit_ratio(-0.7, x))", "{} 4 3 2 4 4\n"},
	    {"count(limit_ratio(0.3, x) and limit_ratio(-0.7, x))", ""},
	    {"limit_ratio(0, x)", ""},
	    {"topk(0, x)", ""},
	    {"bottomk(-5, x)", ""},
	    {"limitk(0.9, x)", ""},
	    {"topk(3, nothing)", ""},
	    {"topk(1, x > 1e200)", "x{a=\"1\", i=\"1\"} _ _ _ _ +Inf\n"},
	};
	CHECK_ALL(ANSWER_RANGE, asks);
}

static void test_quantile(void **state)
{
	(void)state;
	static const struct ask asks[] = {
	    {"quantile(0.5, x)", "{} 2 2 -5e+99 2 5\n"},
	    /* Infinity with a weight of 0 is NaN. */
	    {"quantile by (a) (0, x)", "{a=\"1\"} 1 2 _ NaN NaN\n{a=\"2\"} 1 1 -1e+100 0 0\n"},
	    {"quantile by (a) (1, x)", "{a=\"1\"} 3 2 _ 7 NaN\n{a=\"2\"} 1e+100 2 3 4 5\n"},
	    {"quantile by (a) (2, x)",
	     "{a=\"1\"} +Inf +Inf _ +Inf +Inf\n{a=\"2\"} +Inf +Inf +Inf +Inf +Inf\n"
	     "warning: PromQL warning: quantile value should be between 0 and 1, got 2 (1:18)\n"},
	    {"quantile((-1), k)", "{} -Inf -Inf -Inf -Inf -Inf\n"
	                          "warning: PromQL warning: quantile value should be between 0 and 1, got -1 (1:11)\n"},
	    {"quantile(scalar(q), k)",
	     "{} 1 2 3 +Inf NaN\n"
	     "warning: PromQL warning: quantile value should be between 0 and 1, got NaN (1:10)\n"},
	    {"quantile(NaN, nothing)",
	     "warning: PromQL warning: quantile value should be between 0 and 1, got NaN (1:10)\n"},
	};
	CHECK_ALL(ANSWER_RANGE, asks);
}

static void test_values(void **state)
{
	(void)state;
	static const struct ask asks[] = {
	    {"count_values(\"v\", k)", "{v=\"-1\"} _ _ _ _ 1\n{v=\"0.5\"} _ _ _ 1 _\n{v=\"1\"} 1 _ _ _ _\n{v=\"2\"} _ "
	                               "1 _ _ _\n{v=\"3\"} _ _ 1 _ _\n"},
	    {"count_values by (a) (\"v\", x < 4)",
	     "{a=\"1\", v=\"1\"} 1 _ _ _ _\n{a=\"1\", v=\"2\"} _ 1 _ _ _\n{a=\"1\", v=\"3\"} 1 _ _ _ _\n"
	     "{a=\"2\", v=\"-0\"} _ _ _ 1 _\n"
	     "{a=\"2\", v=\"-10000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
	     "000000000000\"} _ _ 1 _ _\n"
	     "{a=\"2\", v=\"0\"} _ _ _ _ 1\n{a=\"2\", v=\"1\"} 1 1 _ _ _\n{a=\"2\", v=\"2\"} _ 1 _ _ _\n"
	     "{a=\"2\", v=\"3\"} _ _ 1 _ _\n"},
	    {"count_values without (i) (\"a\", x >= 4 < 1e9)",
	     "{a=\"4\"} _ _ _ 1 _\n{a=\"5\"} _ _ _ _ 2\n{a=\"7\"} _ _ _ 1 _\n"},
	    {"count_values without (v) (\"v\", k)", "{} 1 1 1 1 1\n"},
	    {"count_values(\"__name__\", k > 2)", "{\"3\"} _ _ 1 _ _\n"},
	    {"count_values(\"v\", k / 1e9 > 2e-9)", "{v=\"0.000000003\"} _ _ 1 _ _\n"},
	    {"count_values(\"v\", k * 1.25e21 > 3e21)", "{v=\"3750000000000000000000\"} _ _ 1 _ _\n"},
	    {"count_values(\"v\", k / 0)", "{v=\"+Inf\"} 1 1 1 1 _\n{v=\"-Inf\"} _ _ _ _ 1\n"},
	    {"count_values(\"\", x)", "error: invalid label name \"\"\n"},
	    {"count_values(\"a\\xc5z\", x)", "error: invalid label name \"a\\xc5z\"\n"},
	};
	CHECK_ALL(ANSWER_RANGE, asks);
}

static void test_parameters_that_fail(void **state)
{
	(void)state;
	static const struct ask asks[] = {
	    {"topk(NaN, nothing)", "error: Parameter value is NaN\n"},
	    {"limitk(scalar(q), x)", "error: Parameter value is NaN\n"},
	    {"bottomk(1e30, x)", "error: Scalar value 1e+30 overflows int64\n"},
	    {"topk(scalar(k) * 1e20, x)", "error: Scalar value -1e+20 underflows int64\n"},
	    {"limitk(-1e30, x)", ""},
	    {"limit_ratio(NaN, nothing)", "error: Ratio value is NaN\n"},
	    {"limit_ratio(1.5, k)",
	     "k 1 2 3 0.5 -1\n"
	     "warning: PromQL warning: ratio value should be between -1 and 1, got 1.5, capping to 1 (1:13)\n"},
	    {"limit_ratio(-1.5, k)",
	     "k 1 2 3 0.5 -1\n"
	     "warning: PromQL warning: ratio value should be between -1 and 1, got -1.5, capping to -1 (1:13)\n"},
	    /* What the operand says comes first. */
	    {"topk(NaN, x + on () x)",
	     "error: found duplicate series for the match group {} on the right hand-side of the operation: "
	     "[{__name__=\"x\", a=\"1\", i=\"0\"}, {__name__=\"x\", a=\"1\", i=\"1\"}];many-to-many matching not "
	     "allowed: "
	     "matching labels must be unique on one side\n"},
	};
	CHECK_ALL(ANSWER_RANGE, asks);
}

static void test_order_of_instants(void **state)
{
	(void)state;
	static const struct ask asks[] = {
	    {"topk(3, x)", "x{a=\"2\", i=\"0\"} 1e+100\nx{a=\"1\", i=\"1\"} 3\nx{a=\"1\", i=\"0\"} 1\n"},
	    {"bottomk(9, x)",
	     "x{a=\"1\", i=\"0\"} 1\nx{a=\"2\", i=\"1\"} 1\nx{a=\"1\", i=\"1\"} 3\nx{a=\"2\", i=\"0\"} 1e+100\n"},
	    {"topk(9, x / (x != 1))", "{a=\"1\", i=\"1\"} 1\n{a=\"2\", i=\"0\"} 1\n"},
	    {"topk(9, (x - x) / (x - 1))",
	     "{a=\"2\", i=\"0\"} 0\n{a=\"1\", i=\"1\"} 0\n{a=\"1\", i=\"0\"} NaN\n{a=\"2\", i=\"1\"} NaN\n"},
	    {"topk by (i) (1, x)", "x{a=\"2\", i=\"0\"} 1e+100\nx{a=\"1\", i=\"1\"} 3\n"},
	    {"sum by (i) (x)", "{i=\"0\"} 1e+100\n{i=\"1\"} 4\n"},
	    {"limitk(2, x)", "x{a=\"1\", i=\"0\"} 1\nx{a=\"1\", i=\"1\"} 3\n"},
	};
	CHECK_ALL(ANSWER_INSTANT, asks);
}

static void test_delayed_names(void **state)
{
	(void)state;
	static const struct ask asks[] = {
	    {"sum by (__name__) (x)", "x 1e+100 5 -1e+100 NaN +Inf\n"},
	    {"sum by (__name__) (-k)", "{} -1 -2 -3 -0.5 1\n"},
	    {"sum by (__name__) ({__name__=~\"k|q\"} * 2)",
	     "error: vector cannot contain metrics with the same labelset\n"},
	    {"topk(1, -k)", "{} -1 -2 -3 -0.5 1\n"},
	};
	CHECK_ALL(ANSWER_DELAYED, asks);
}

/* More than twelve: sorted by another way than fewer are. */
static void test_many(void **state)
{
	(void)state;
	struct answer a;
	struct buf lines = {0}, wanted = {0};
	for (int i = 0; i < 40; i++)
		buf_printf(&lines, "x{n=\"%02d\"} %d\n", i, (i * 7) % 40);
	buf_byte(&lines, '\0');
	for (int v = 39; v >= 10; v--)
		buf_printf(&wanted, "x{n=\"%02d\"} %d\n", (v * 23) % 40, v);
	buf_byte(&wanted, '\0');
	answer_load(&a, lines.ptr);
	answer_check(&a, ANSWER_INSTANT, "topk(30, x)", wanted.ptr);
	answer_check(&a, ANSWER_INSTANT, "quantile(0.25, x)", "{} 9.75\n");
	answer_check(&a, ANSWER_INSTANT, "quantile(0.9, x)", "{} 35.1\n");
	answer_check(&a, ANSWER_INSTANT, "sum(bottomk(20, x))", "{} 190\n");
	answer_free(&a);
	buf_free(&lines);
	buf_free(&wanted);
}

/* The hash against values of the reference implementation (libxxhash 0.8.1), at lengths that take each part of it; a set against its bytes. */
static void test_places(void **state)
{
	(void)state;
	static char bytes[100], value[300];
	struct label labels[] = {{SLICE("__name__"), SLICE("up")}, {SLICE("job"), slice_new(value, sizeof value)}};
	struct buf set = {0}, room = {0};

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (char)i;
	assert_true(place_hash("", 0) == UINT64_C(0xef46db3751d8e999));
	assert_true(place_hash("a", 1) == UINT64_C(0xd24ec4f1a98c6e5b));
	assert_true(place_hash("abc", 3) == UINT64_C(0x44bc2cf5ad770999));
	assert_true(place_hash(bytes, 100) == UINT64_C(0x6ac1e58032166597));
	memset(value, 'v', sizeof value);
	assert_int_equal(labels_canonical(labels, 2, &set, NULL), 0);
	double place = place_of(buf_slice(&set), &room);
	assert_true(place >= 0 && place <= 1);
	assert_int_equal(room.len, 1 + 8 + 1 + 2 + 1 + 3 + 4 + 300);
	assert_memory_equal(room.ptr, "\x08__name__\x02up\x03job\xff\x2c\x01\x00v", 21);
	buf_free(&set);
	buf_free(&room);
}

/* Whatever the bound on memory: it is kept, or the answer is what it is without. */
static void test_bounds(void **state)
{
	(void)state;
	static const struct ask asks[] = {
	    {"count(topk by (a) (9, x))", "{} 4 3 2 4 4\n"},
	    {"quantile without (a, i) (0.5, x)", "{} 2 2 -5e+99 2 5\n"},
	    {"count(count_values(\"v\", x))", "{} 3 2 2 4 3\n"},
	    {"sum by (a) (k * on () group_right x > 20)", "{a=\"2\"} 1e+100 _ _ _ _\n"},
	    {"count(x or on (i) k)", "{} 5 4 3 5 5\n"},
	};
	struct answer a;
	answer_load(&a, data);
	for (size_t i = 0; i < sizeof asks / sizeof *asks; i++) {
		uint32_t refused = 0;
		for (uint64_t bytes = 512; bytes < 1 << 20; bytes += bytes / 16) {
			const char *text;
			a.db.query.bytes_max = bytes;
			int code = answer_ask(&a, ANSWER_RANGE, asks[i].query, &text);
			if (code == 0)
				assert_string_equal(text, asks[i].wanted);
			else
				assert_int_equal(code, -E2BIG);
			refused += code != 0;
		}
		assert_true(refused > 0);
	}
	answer_free(&a);
}

static void test_long_names(void **state)
{
	(void)state;
	struct answer a;
	struct buf query = {0}, name = {0};
	for (int i = 0; i < 1025; i++)
		buf_byte(&name, 'n');
	answer_load(&a, data);
	buf_printf(&query, "count_values(\"%.*s\", k)", SLICE_ARG(buf_slice(&name)));
	buf_byte(&query, '\0');
	answer_check(&a, ANSWER_RANGE, query.ptr,
	             "error: a label name has at most 1024 bytes, that of count_values has 1025\n");
	buf_reset(&query);
	buf_printf(&query, "k * on () group_left (%.*s) q", SLICE_ARG(buf_slice(&name)));
	buf_byte(&query, '\0');
	answer_check(&a, ANSWER_RANGE, query.ptr, "{} 0.5 0 3 1 NaN\n");
	answer_free(&a);
	buf_free(&query);
	buf_free(&name);
}

static void test_without_memory(void **state)
{
	(void)state;
	struct answer a;
	answer_load(&a, data);
	answer_without_memory(&a, ANSWER_RANGE, "sum by (a) (x)",
	                      "{a=\"1\"} 4 2 _ NaN +Inf\n{a=\"2\"} 1e+100 3 -1e+100 4 5\n");
	answer_without_memory(&a, ANSWER_RANGE, "count(topk by (a) (9, x))", "{} 4 3 2 4 4\n");
	answer_without_memory(&a, ANSWER_RANGE, "quantile without (a, i) (0.5, x)", "{} 2 2 -5e+99 2 5\n");
	answer_without_memory(&a, ANSWER_RANGE, "count_values(\"v\", k / 0)",
	                      "{v=\"+Inf\"} 1 1 1 1 _\n{v=\"-Inf\"} _ _ _ _ 1\n");
	answer_without_memory(&a, ANSWER_RANGE, "count(limitk by (a) (1, x))", "{} 2 2 1 2 2\n");
	answer_without_memory(&a, ANSWER_RANGE, "limit_ratio(1, k)", "k 1 2 3 0.5 -1\n");
	answer_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_folded),
	    cmocka_unit_test(test_taken),
	    cmocka_unit_test(test_quantile),
	    cmocka_unit_test(test_values),
	    cmocka_unit_test(test_parameters_that_fail),
	    cmocka_unit_test(test_order_of_instants),
	    cmocka_unit_test(test_delayed_names),
	    cmocka_unit_test(test_many),
	    cmocka_unit_test(test_places),
	    cmocka_unit_test(test_bounds),
	    cmocka_unit_test(test_long_names),
	    cmocka_unit_test(test_without_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

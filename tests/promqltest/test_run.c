/* Whole scripts against the engine: what passes, fails, is skipped, and what is said of it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "run.h"

/* Runs a script; what it printed is in *out, with a NUL. */
static struct run_counts run(const char *text, bool verbose, struct buf *out, int wanted)
{
	struct run_counts counts = {0};
	struct error err = {0};
	struct script s;

	assert_int_equal(script_parse("x.test", slice_cstr(text), &s, &err), 0);
	assert_int_equal(run_script(&s, verbose, &counts, out, &err), wanted);
	if (wanted != 0)
		buf_str(out, err.text);
	buf_byte(out, '\0');
	script_deinit(&s);
	return counts;
}

static void assert_counts(const char *text, uint32_t passed, uint32_t failed, uint32_t skipped)
{
	struct buf out = {0};
	struct run_counts c = run(text, false, &out, 0);

	if (c.passed != passed || c.failed != failed || c.skipped != skipped)
		fail_msg("%s\n%u passed, %u failed, %u skipped\n%s", text, c.passed, c.failed, c.skipped, out.ptr);
	buf_free(&out);
}

/* One eval of a script fails, and says this. */
static void assert_says(const char *text, const char *wanted)
{
	struct buf out = {0};
	struct run_counts c = run(text, false, &out, 0);

	assert_int_equal(c.failed, 1);
	assert_string_equal(out.ptr, wanted);
	buf_free(&out);
}

#define DATA "load 1m\n  x{a=\"1\"} 0+1x10\n  x{a=\"2\"} 0+2x10\n\n"

static void what_is_as_expected_passes(void **state)
{
	(void)state;
	assert_counts(DATA "eval instant at 5m x\n  x{a=\"2\"} 10\n  x{a=\"1\"} 5\n\n"
	                   "eval instant at 5m sort_desc(x)\n  expect ordered\n  x{a=\"2\"} 10\n  x{a=\"1\"} 5\n\n"
	                   "eval range from 0 to 2m step 1m x{a=\"1\"}\n  x{a=\"1\"} 0 1 2\n\n"
	                   "eval instant at 0 1 + 1\n  2\n"
	                   "eval instant at 0 'x'\n  expect string \"x\"\n\n"
	                   "eval instant at 3m x{a=\"1\"}[2m]\n  expect range vector from 2m to 3m step 1m\n"
	                   "  x{a=\"1\"} 2 3\n\n"
	                   "eval instant at 0 x + on() x\n  expect fail\n\n"
	                   "eval_fail instant at 0 x + on() x\n  expected_fail_regexp ^found duplicate series\n"
	                   "eval instant at 0 x +\n  expect fail regex: unexpected end of input\n\n"
	                   "eval instant at 0 quantile(2, x)\n  expect warn\n  expect no_info\n  {} +Inf\n\n"
	                   "eval instant at 5m nothing\n\n"
	                   "clear\n\neval instant at 5m x\n",
	              12, 0, 0);
}

static void values_may_differ_by_a_millionth(void **state)
{
	(void)state;
	assert_counts("eval instant at 0 1\n  1.0000019\n"
	              "eval instant at 0 1\n  1.0000021\n"
	              "eval instant at 0 0\n  1e-300\n"
	              "eval instant at 0 NaN\n  NaN\n"
	              "eval instant at 0 Inf\n  Inf\n"
	              "eval instant at 0 Inf\n  -Inf\n"
	              "eval instant at 0 Inf\n  1e308\n"
	              "eval instant at 0 1e308\n  1.0000001e308\n",
	              4, 4, 0);
}

static void differences_are_shown(void **state)
{
	(void)state;
	assert_says(DATA "eval instant at 5m x\n  x{a=\"1\"} 5\n  x{a=\"2\"} 11\n  x{a=\"3\"} 1\n",
	            "FAILED  x.test:5: x\n"
	            "    x  at 5m\n"
	            "      series    wanted  got\n"
	            "      x{a=\"1\"}  5       5\n"
	            "    ! x{a=\"2\"}  11      10\n"
	            "    ! x{a=\"3\"}  1       nothing\n");
	assert_says(DATA "eval instant at 5m x\n  x{a=\"1\"} 5\n", "FAILED  x.test:5: x\n"
	                                                           "    x  at 5m\n"
	                                                           "      series    wanted   got\n"
	                                                           "      x{a=\"1\"}  5        5\n"
	                                                           "    ! x{a=\"2\"}  nothing  10\n");
	assert_says(DATA "eval instant at 5m sort(x)\n  expect ordered\n  x{a=\"2\"} 10\n  x{a=\"1\"} 5\n",
	            "FAILED  x.test:5: sort(x)\n"
	            "    sort(x)  at 5m\n"
	            "      series    wanted         got\n"
	            "    ! x{a=\"1\"}  5 in place 2   5\n"
	            "    ! x{a=\"2\"}  10 in place 1  10\n");
	assert_says(DATA "eval range from 0 to 2m step 1m x\n  x{a=\"1\"} 0 2 _\n  x{a=\"3\"} 7\n",
	            "FAILED  x.test:5: x\n"
	            "    x  at 0s to 2m step 1m\n"
	            "    differs: x{a=\"1\"}\n"
	            "      time  wanted   got\n"
	            "    ! 1m    2        1\n"
	            "    ! 2m    nothing  2\n"
	            "    not there: x{a=\"3\"}\n"
	            "      time  wanted  got\n"
	            "    ! 0s    7       nothing\n"
	            "    not wanted: x{a=\"2\"}\n"
	            "      time  wanted   got\n"
	            "    ! 0s    nothing  0\n"
	            "    ! 1m    nothing  2\n"
	            "    ! 2m    nothing  4\n");
	assert_says("eval instant at 0 1\n  2\n", "FAILED  x.test:1: 1\n"
	                                          "    1  at 0s\n"
	                                          "              wanted  got\n"
	                                          "    ! scalar  2       1\n");
	assert_says("eval instant at 0 'x'\n  expect string \"y\"\n", "FAILED  x.test:1: 'x'\n"
	                                                              "    'x'  at 0s\n"
	                                                              "    wanted \"y\", got \"x\"\n");
}

static void what_a_query_says_is_shown(void **state)
{
	(void)state;
	assert_says(DATA "eval instant at 0 x\n  expect fail\n", "FAILED  x.test:5: x\n"
	                                                         "    x  at 0s\n"
	                                                         "    wanted a failure, got a result\n");
	assert_says("eval instant at 0 x +\n", "FAILED  x.test:1: x +\n"
	                                       "    x +  at 0s\n"
	                                       "    failed: 1:4: parse error: unexpected end of input\n");
	assert_says("eval instant at 0 x +\n  expect fail msg: x\n",
	            "FAILED  x.test:1: x +\n"
	            "    x +  at 0s\n"
	            "    wanted  fail x\n"
	            "    got     1:4: parse error: unexpected end of input\n");
	assert_says(DATA "eval instant at 0 quantile(2, x)\n  expect warn regex: abc\n  {} +Inf\n",
	            "FAILED  x.test:5: quantile(2, x)\n"
	            "    quantile(2, x)  at 0s\n"
	            "    wanted  warn like abc\n"
	            "    wanted no such warn\n"
	            "    got     PromQL warning: quantile value should be between 0 and 1, got 2 (1:10)\n");
	assert_says(DATA "eval instant at 0 quantile(2, x)\n  expect no_warn\n  {} +Inf\n",
	            "FAILED  x.test:5: quantile(2, x)\n"
	            "    quantile(2, x)  at 0s\n"
	            "    wanted no such warn\n"
	            "    got     PromQL warning: quantile value should be between 0 and 1, got 2 (1:10)\n");
	assert_says(DATA "eval_info instant at 0 x{a=\"1\"}\n  x{a=\"1\"} 0\n", "FAILED  x.test:5: x{a=\"1\"}\n"
	                                                                        "    x{a=\"1\"}  at 0s\n"
	                                                                        "    wanted  info of any text\n");
}

/* A result of another type than is expected, each of them wrong. */
static void types_are_told_apart(void **state)
{
	(void)state;
	assert_counts(DATA "eval instant at 0 1\n  {} 1\n\n"
	                   "eval instant at 0 vector(1)\n  1\n"
	                   "eval instant at 0 vector(1)\n  expect string \"1\"\n\n"
	                   "eval instant at 0 1\n  expect string \"1\"\n\n"
	                   "eval instant at 0 \"1\"\n  1\n"
	                   "eval instant at 0 \"\"\n\n"
	                   "eval instant at 3m x{a=\"1\"}[2m]\n  x{a=\"1\"} 3\n\n"
	                   "eval instant at 3m x{a=\"1\"}\n  expect range vector from 3m to 3m step 1m\n"
	                   "  x{a=\"1\"} 3\n\n"
	                   "eval range from 0 to 1m step 1m 1\n  1\n"
	                   "eval range from 0 to 1m step 1m x{a=\"1\"}\n  expect ordered\n  x{a=\"1\"} 0 1\n\n"
	                   "eval range from 0 to 1m step 1m x{a=\"1\"}\n  x{a=\"1\"} 0 1 _ _\n\n",
	              0, 11, 0);
}

static void only_what_touches_native_histograms_is_skipped(void **state)
{
	struct buf out = {0};
	static const char script[] = "load 1m\n  f 1 2 3\n  h {{sum:1}}x2\n  mixed 1 {{sum:1}}\n\n"
	                             "eval instant at 0 f\n  f 1\n\n"
	                             "eval instant at 0 h\n\n"
	                             "eval instant at 0 mixed\n  mixed 1\n\n"
	                             "eval instant at 1m mixed\n  mixed 1\n\n"
	                             "eval instant at 0 f + 1\n  {} {{sum:1}}\n\n"
	                             "eval instant at 0 h or f\n  expect fail\n\n"
	                             "eval instant at 0 absent(f)\n  {} 1\n\n"
	                             "clear\n\nload_with_nhcb 1m\n  b_bucket{le=\"1\"} 1\n  b_count 1\n\n"
	                             "eval instant at 0 b_count\n  b_count 1\n\n"
	                             "eval instant at 0 b\n";

	(void)state;
	assert_counts(script, 3, 1, 5);
	run(script, true, &out, 0);
	assert_non_null(strstr(out.ptr, "passed  x.test:6: f\n"));
	assert_non_null(strstr(out.ptr, "skipped x.test:9: h\n"));
	assert_non_null(strstr(out.ptr, "skipped x.test:14: mixed\n"));
	assert_non_null(strstr(out.ptr, "skipped x.test:17: f + 1\n"));
	assert_non_null(strstr(out.ptr, "FAILED  x.test:23: absent(f)\n"));
	buf_free(&out);
}

static void a_load_that_cannot_be_ends_the_script(void **state)
{
	struct buf out = {0};
	struct run_counts c = run("load 1m\n  x 1\n\neval instant at 0 x\n  x 1\n\nload 1m\n  x 2\n\n"
	                          "eval instant at 0 x\n  x 2\n",
	                          false, &out, -EINVAL);

	(void)state;
	assert_int_equal(c.passed, 1);
	assert_string_equal(out.ptr, "x.test:7: a series has two values at 0 ms");
	buf_free(&out);
}

static void start_times_are_not_passed_over_in_silence(void **state)
{
	struct buf out = {0};
	struct run_counts c = run("load 1m\n  x@st -1m\n  x 1\n\neval instant at 0 x\n  x 1\n", false, &out, 0);

	(void)state;
	assert_int_equal(c.start_times, 1);
	assert_int_equal(c.passed, 1);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_as_expected_passes),
	    cmocka_unit_test(values_may_differ_by_a_millionth),
	    cmocka_unit_test(differences_are_shown),
	    cmocka_unit_test(what_a_query_says_is_shown),
	    cmocka_unit_test(types_are_told_apart),
	    cmocka_unit_test(only_what_touches_native_histograms_is_skipped),
	    cmocka_unit_test(a_load_that_cannot_be_ends_the_script),
	    cmocka_unit_test(start_times_are_not_passed_over_in_silence),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

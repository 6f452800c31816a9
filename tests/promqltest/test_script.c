/* Scripts: what is read, and what is refused with its line. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "record/labels.h"
#include "record/samples.h"
#include "script.h"

static struct script parse(const char *text)
{
	struct script s;
	struct error err = {0};
	int rc = script_parse("x.test", slice_cstr(text), &s, &err);
	if (rc != 0)
		print_error("%s\n", err.text);
	assert_int_equal(rc, 0);
	return s;
}

static void assert_labels(struct slice labels, const char *text)
{
	struct buf out = {0};
	labels_text(labels, &out);
	buf_byte(&out, '\0');
	assert_string_equal(out.ptr, text);
	buf_free(&out);
}

/* ---- values ---- */

static void assert_value(const struct script_value *v, double wanted)
{
	assert_false(v->omitted);
	assert_false(v->native);
	if (isnan(wanted))
		assert_true(isnan(v->value));
	else
		assert_true(v->value == wanted);
}

/* One series with these values; INFINITY - INFINITY is not among them: an omitted one is -1e300, a native one -2e300. */
static void assert_values(const char *line, const double *wanted, uint32_t count)
{
	char text[256];
	snprintf(text, sizeof text, "load 1m\n  x %s\n", line);
	struct script s = parse(text);
	assert_int_equal(s.commands[0].load.series_count, 1);
	const struct script_series *series = s.commands[0].load.series;
	assert_int_equal(series->count, count);
	for (uint32_t i = 0; i < count; i++) {
		if (wanted[i] == -1e300)
			assert_true(series->values[i].omitted);
		else if (wanted[i] == -2e300)
			assert_true(series->values[i].native);
		else
			assert_value(&series->values[i], wanted[i]);
	}
	script_deinit(&s);
}
#define VALUES(line, ...)                                                                                              \
	assert_values(line, (const double[]){__VA_ARGS__}, sizeof((const double[]){__VA_ARGS__}) / sizeof(double))

static const double omitted = -1e300, native = -2e300;

static void values_are_read(void **state)
{
	(void)state;
	VALUES("1", 1);
	VALUES("1 -2 +3.5 .5 1e3 1e-3", 1, -2, 3.5, .5, 1000, .001);
	VALUES("1_000 010", 1000, 8);
	VALUES("5x2", 5, 5, 5);
	VALUES("5x0", 5);
	VALUES("0+10x3", 0, 10, 20, 30);
	VALUES("1e2-0.5x2", 100, 99.5, 99);
	VALUES("-1-2x2", -1, -3, -5);
	VALUES("-1+2x2", -1, 1, 3);
	VALUES("_", omitted);
	VALUES("_x3 1", omitted, omitted, omitted, 1);
	VALUES("_x0 1", 1);
	VALUES("1\t\t2   3", 1, 2, 3);
	VALUES("NaN Inf -Inf nan +inf", NAN, INFINITY, -INFINITY, NAN, INFINITY);
	VALUES("Inf+0x1", INFINITY, INFINITY);
	VALUES("{{}}", native);
	VALUES(
	    "1 {{schema:1 sum:-0.3 count:3.1 z_bucket:7.1 z_bucket_w:0.05 buckets:[5.1 10 7] offset:-3 n_buckets:[ 4 ] "
	    "n_offset:2 counter_reset_hint:gauge}}x1 2",
	    1, native, native, 2);
	VALUES("{{ sum:1 }}+{{count:1}}x2", native, native, native);
	VALUES("{{custom_values:[1 Inf]}}-{{count:1}}x0", native);
}

static void a_stale_marker_keeps_its_bits(void **state)
{
	(void)state;
	struct script s = parse("load 1m\n x stale NaN\n");
	const struct script_value *v = s.commands[0].load.series->values;
	assert_true(sample_is_stale(v[0].value));
	assert_false(sample_is_stale(v[1].value));
	script_deinit(&s);
}

static void series_are_read(void **state)
{
	(void)state;
	struct script s = parse("load 1m30s\n"
	                        "\tsum{b=\"2\", a=\"} x\", } 1 2\n"
	                        "  {'my.metric', \"a b\"=`1\\`}\n"
	                        "  {} 3\n"
	                        "  a:b{c=\"\"} 1\n"
	                        "\n"
	                        "clear\n"
	                        "load_with_nhcb 5s\n");
	assert_int_equal(s.count, 3);
	const struct script_load *load = &s.commands[0].load;
	assert_int_equal(load->step_ms, 90000);
	assert_false(load->with_nhcb);
	assert_int_equal(load->series_count, 4);
	assert_labels(load->series[0].labels, "sum{a=\"} x\", b=\"2\"}");
	assert_labels(load->series[1].labels, "{\"my.metric\", \"a b\"=\"1\\\\\"}");
	assert_labels(load->series[2].labels, "{}");
	assert_labels(load->series[3].labels, "a:b");
	assert_int_equal(load->series[1].count, 0);
	assert_int_equal(load->series[2].line, 4);
	assert_int_equal(s.commands[1].kind, SCRIPT_CLEAR);
	assert_true(s.commands[2].load.with_nhcb);
	assert_int_equal(s.commands[2].line, 8);
	script_deinit(&s);
}

static void start_times_are_counted(void **state)
{
	(void)state;
	struct script s = parse("load 1m\n"
	                        "  x{a=\"b\"}@st _ -1m -30s+10sx1 *\n"
	                        "  x{a=\"b\"} 1x4\n"
	                        "  y 1\n"
	                        "  @st -1m\n"
	                        "  z 1 2\n");
	assert_int_equal(s.commands[0].load.series_count, 3);
	assert_int_equal(s.commands[0].load.start_time_count, 2);
	script_deinit(&s);
}

/* ---- evals ---- */

static void evals_are_read(void **state)
{
	(void)state;
	struct script s = parse("# a comment\n"
	                        "eval instant at 50m sum by (x) (y)\n"
	                        "  expect ordered\n"
	                        "  expect warn msg: PromQL warning: x\n"
	                        "  expect warn regex: a.*b\n"
	                        "  expect no_info\n"
	                        "  {x=\"1\"} 1\n"
	                        "  {x=\"2\"} 2\n"
	                        "  {x=\"1\"} 3\n"
	                        "\n"
	                        "eval range from 10s to 1m30s step 500ms x + \n"
	                        "{} 1 2 _ 3\n"
	                        "# ends it\n"
	                        "eval instant at 0 1\n"
	                        "  0x10\n"
	                        "eval instant at 0 'x'\n"
	                        "  expect string \"a\\\"b\"\n"
	                        "\n"
	                        "eval instant at 3m x[5m]\n"
	                        "  expect range vector from 1m to 2m step 30s\n"
	                        "  x 1 2 3\n");
	const struct script_eval *e = &s.commands[0].eval;
	assert_int_equal(s.count, 5);
	assert_int_equal(s.commands[0].line, 2);
	assert_true(slice_eq(e->expr, SLICE("sum by (x) (y)")));
	assert_int_equal(script_eval_time(e), 3000000);
	assert_int_equal(e->expect_count, 4);
	assert_int_equal(e->series_count, 2);
	assert_true(e->series[0].values[0].value == 3);
	assert_int_equal(script_expect_matches(&e->expects[1], SLICE("PromQL warning: x")), 1);
	assert_int_equal(script_expect_matches(&e->expects[1], SLICE("PromQL warning: xy")), 0);
	assert_int_equal(script_expect_matches(&e->expects[2], SLICE("..a..b..")), 1);
	assert_true(script_expects(e, EXPECT_NO_INFO));
	assert_false(script_expects(e, EXPECT_FAIL));

	e = &s.commands[1].eval;
	assert_true(e->range);
	assert_true(slice_eq(e->expr, SLICE("x +")));
	assert_int_equal(e->start_ms, 10000);
	assert_int_equal(e->end_ms, 90000);
	assert_int_equal(e->step_ms, 500);
	assert_int_equal(e->series[0].count, 4);

	assert_int_equal(s.commands[2].eval.result, RESULT_SCALAR);
	assert_true(s.commands[2].eval.scalar == 16);
	assert_int_equal(s.commands[3].eval.result, RESULT_STRING);
	assert_true(slice_eq(s.commands[3].eval.string, SLICE("a\"b")));

	e = &s.commands[4].eval;
	assert_true(e->expects_range_vector);
	assert_int_equal(e->start_ms, 60000);
	assert_int_equal(script_eval_time(e), 120000);
	script_deinit(&s);
}

static void older_forms_are_read(void **state)
{
	(void)state;
	struct script s = parse("eval_fail instant at 0 x\n"
	                        "  expected_fail_message it is so\n"
	                        "eval_fail range from 0 to 1m step 1m x\n"
	                        "  expected_fail_regexp ^it .* so$\n"
	                        "eval_warn instant at 0 x\n"
	                        "\n"
	                        "eval_info range from 0 to 1m step 1m x\n"
	                        "\n"
	                        "eval_ordered instant at 0 x\n");
	static const enum script_expectation wanted[] = {EXPECT_FAIL, EXPECT_FAIL, EXPECT_WARN, EXPECT_INFO,
	                                                 EXPECT_ORDERED};
	assert_int_equal(s.count, 5);
	for (uint32_t i = 0; i < 5; i++)
		assert_true(script_expects(&s.commands[i].eval, wanted[i]));
	for (uint32_t i = 0; i < 2; i++) {
		const struct script_expect *e = s.commands[i].eval.expects;
		assert_int_equal(script_expect_matches(e, SLICE("it is so")), 1);
		assert_int_equal(script_expect_matches(e, SLICE("it is not")), 0);
	}
	assert_int_equal(script_expect_matches(s.commands[2].eval.expects, SLICE("anything")), 1);
	script_deinit(&s);
}

/* ---- what is refused ---- */

static void broken_scripts_are_refused_with_their_line(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
	    {"# x\n\nlaod 5m\n", "x.test:3: wanted a command (clear, load or eval), got \"laod 5m\""},
	    {"load\n", "x.test:1: wanted load <step> or load_with_nhcb <step>"},
	    {"loads 5m\n", "x.test:1: wanted load <step>"},
	    {"load 5\n", "x.test:1: "},
	    {"load 5m\n x 1\n x 1 2y\n", "x.test:3: wanted a blank behind a value, got \"y\""},
	    {"load 5m\n x 1x\n", "x.test:2: wanted a whole number behind the x, got nothing"},
	    {"load 5m\n x 1x-1\n", "x.test:2: wanted a whole number behind the x"},
	    {"load 5m\n x 1+1\n", "x.test:2: wanted x and how often"},
	    {"load 5m\n x 1+x3\n", "x.test:2: wanted a number"},
	    {"load 5m\n x 1x1000000\n", "x.test:2: a line has at most 1000000 values"},
	    {"load 5m\n x 1x999998 1 1\n", "x.test:2: a line has at most 1000000 values"},
	    {"load 5m\n x 1x99999999999999999999\n", "x.test:2: a line has at most 1000000 values"},
	    {"load 5m\n x _x1000000\n", "x.test:2: a line has at most"},
	    {"load 5m\n x stales\n", "x.test:2: wanted a number"},
	    {"load 5m\n x NaNx3\n", "x.test:2: wanted a number"},
	    {"load 5m\n x 1..2\n", "x.test:2: wanted a number"},
	    {"load 5m\n x 1e\n", "x.test:2: wanted a number"},
	    {"load 5m\n x --1\n", "x.test:2: wanted a number"},
	    {"load 5m\n x{a=\"b\"}1\n", "x.test:2: wanted a blank behind the series"},
	    {"load 5m\n x{a=\"b\" 1\n", "x.test:2: "},
	    {"load 5m\n x{a=\"b} 1\n", "x.test:2: "},
	    {"load 5m\n x{a=~\"b\"} 1\n", "x.test:2: a label of a series is given with ="},
	    {"load 5m\n x{a=\"1\",a=\"2\"} 1\n", "x.test:2: "},
	    {"load 5m\n =1\n", "x.test:2: wanted a series and its values"},
	    {"load 5m\n x {{summ:1}}\n", "x.test:2: wanted what a histogram has"},
	    {"load 5m\n x {{sum 1}}\n", "x.test:2: wanted a colon"},
	    {"load 5m\n x {{sum:1\n", "x.test:2: wanted a blank or }}"},
	    {"load 5m\n x {{sum:1 \n", "x.test:2: wanted a blank or }}"},
	    {"load 5m\n x {{buckets:[1 2}}\n", "x.test:2: wanted ] or another number"},
	    {"load 5m\n x {{buckets:1}}\n", "x.test:2: wanted [ and numbers"},
	    {"load 5m\n x {{counter_reset_hint:no}}\n", "x.test:2: wanted unknown, reset, not_reset or gauge"},
	    {"load 5m\n x {{}}+1x3\n", "x.test:2: wanted a histogram"},
	    {"load 5m\n x {{}}+{{}}\n", "x.test:2: wanted x and how often"},
	    {"load 5m\n x@st -1m\n y 1\n", "x.test:3: the @st line above is of another series"},
	    {"load 5m\n x@st -1m\n x 1 2\n", "x.test:3: the @st line above has 1 times, and this one 2 values"},
	    {"load 5m\n x@st -1m\n x@st -1m\n x 1\n", "x.test:3: the @st line above has no line of samples"},
	    {"load 5m\n x@st -1m\n", "x.test:2: an @st line has no line of samples"},
	    {"load 5m\n x@st -1\n x 1\n", "x.test:2: "},
	    {"load 5m\n x@st -1m+1s\n x 1\n", "x.test:2: wanted x and how often behind a step"},
	    {"load 5m\n x@st -1m+1sx\n x 1\n", "x.test:2: wanted a whole number behind the x"},
	    {"load 5m\n x@st _y\n x 1\n", "x.test:2: wanted x and how often, got \"y\""},
	    {"load 5m\n x 1\n# a comment ends it\n y 1\n", "x.test:4: wanted a command"},
	    {"evals instant at 0 x\n", "x.test:1: wanted eval, eval_fail"},
	    {"eval instant 0 x\n", "x.test:1: wanted eval instant at <time> <expression>"},
	    {"eval instant at x y\n", "x.test:1: "},
	    {"eval instant at 5m\n", "x.test:1: wanted an expression behind the times"},
	    {"eval range from 0 to 5m x\n", "x.test:1: wanted \"step\" of from <time> to <time> step <duration>"},
	    {"eval range from 5m to 0 step 1m x\n", "x.test:1: the end lies before the start"},
	    {"eval range from 0 to 5m step 0 x\n", "x.test:1: a step is longer than nothing"},
	    {"eval range from 0 to 5m step 1m\n", "x.test:1: wanted an expression"},
	    {"eval_ordered range from 0 to 5m step 1m x\n", "x.test:1: a range query has no order"},
	    {"eval instant at 0 x\n expect fails\n", "x.test:2: wanted expect and fail, warn"},
	    {"eval instant at 0 x\n expect\n", "x.test:2: wanted expect and fail, warn"},
	    {"eval instant at 0 x\n expect warn text: x\n", "x.test:2: wanted msg: or regex:, got \"text: x\""},
	    {"eval instant at 0 x\n expect warn msg:\n", "x.test:2: wanted a text behind msg:"},
	    {"eval instant at 0 x\n expect warn regex: (\n", "x.test:2: "},
	    {"eval instant at 0 x\n expect warn\n expect no_warn\n", "x.test:3: an eval expects warn or no_warn"},
	    {"eval instant at 0 x\n expect no_info\n expect info\n", "x.test:3: an eval expects info or no_info"},
	    {"eval instant at 0 x\n expect fail\n expect fail\n", "x.test:3: an eval expects to fail once"},
	    {"eval instant at 0 x\n expected_fail_message x\n",
	     "x.test:2: expected_fail_message stands below eval_fail"},
	    {"eval_fail instant at 0 x\n expected_fail_regexp (\n", "x.test:2: "},
	    {"eval_fail instant at 0 x\n expected_fail_message\n", "x.test:2: wanted expected_fail_message or"},
	    {"eval_fail instant at 0 x\n expected_fail_text x\n", "x.test:2: wanted expected_fail_message or"},
	    {"eval instant at 0 x\n expect string x\n", "x.test:2: wanted a quoted string, got \"x\""},
	    {"eval instant at 0 x\n expect string\n", "x.test:2: wanted a quoted string"},
	    {"eval instant at 0 x\n expect range vector from 0 to 1m\n", "x.test:2: wanted \"step\""},
	    {"eval instant at 0 x\n x 1 2\n", "x.test:2: an instant query gives one value a series"},
	    {"eval instant at 0 x\n x\n", "x.test:2: wanted a value behind the series"},
	    {"eval instant at 0 x\n 1\n 2\n", "x.test:3: wanted a command"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct script s;
		struct error err = {0};
		assert_true(script_parse("x.test", slice_cstr(cases[i].text), &s, &err) < 0);
		if (strncmp(err.text, cases[i].says, strlen(cases[i].says)) != 0)
			fail_msg("%s\nwanted %s\ngot    %s", cases[i].text, cases[i].says, err.text);
		script_deinit(&s);
	}
}

static void a_script_has_a_bounded_number_of_values(void **state)
{
	struct error err = {0};
	struct script s;
	const char *line = " x 1x999999\n";
	char text[128] = "load 1s\n";

	(void)state;
	for (int i = 0; i < 4; i++)
		strcat(text, line);
	assert_int_equal(script_parse("x.test", slice_cstr(text), &s, &err), 0);
	script_deinit(&s);
	strcat(text, " x 1\n");
	assert_int_equal(script_parse("x.test", slice_cstr(text), &s, &err), -EINVAL);
	assert_string_equal(err.text, "x.test:6: a script has at most 4000000 values");
	script_deinit(&s);
}

/* Cut anywhere it is read or refused, and nothing else; under sanitizers that says something. */
static void a_script_may_end_anywhere(void **state)
{
	static const char text[] =
	    "load 5m\n x{a=\"b\\\"\"}@st -1m+1sx2\n x{a=\"b\\\"\"} 1-2x1 {{buckets:[1 2] sum:3}}\n\n"
	    "eval range from 0 to 1m step 1s x\n expect warn regex: a(b)\n x 1 _x3 stale\n\n"
	    "eval instant at 0 x\n expect string \"\\x41\"\n";
	struct error err = {0};
	struct script s;

	(void)state;
	for (size_t len = 0; len <= sizeof text - 1; len++) {
		char *copy = test_malloc(len + 1);
		memcpy(copy, text, len);
		int rc = script_parse("x.test", slice_new(copy, len), &s, &err);
		assert_true(rc == 0 || strncmp(err.text, "x.test:", 7) == 0);
		script_deinit(&s);
		test_free(copy);
	}
	assert_int_equal(script_parse("x.test", SLICE(text), &s, &err), 0);
	script_deinit(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(values_are_read),
	    cmocka_unit_test(a_stale_marker_keeps_its_bits),
	    cmocka_unit_test(series_are_read),
	    cmocka_unit_test(start_times_are_counted),
	    cmocka_unit_test(evals_are_read),
	    cmocka_unit_test(older_forms_are_read),
	    cmocka_unit_test(broken_scripts_are_refused_with_their_line),
	    cmocka_unit_test(a_script_has_a_bounded_number_of_values),
	    cmocka_unit_test(a_script_may_end_anywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

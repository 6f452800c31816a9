/* What is taken as TraceQL, and what is refused, where and why. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fault.h"
#include "traces/traceql.h"

static const char *const taken[] = {
    "{}",
    "{ }",
    "{ true }",
    "{ !true }",
    "{ 1 = 2 }",
    "{ 1 + 1 = 2 && 1 - 1 = 2 || 1 * 1 = 2 || 1 / 1 = 2 || 1 % 2 = 1 || 1 ^ 1 = 2 }",
    "{ -1 = 2 }",
    "{ \"a\" =~ \"a\" }",
    "{ `a\\` = \"a\\\\\" }",
    "{ \"\\a\\b\\f\\n\\r\\t\\v\\\"\\x41\\101\\u00e9\\U0001f600\" = .a }",
    "{ .a }",
    "{ !.a }",
    "{ .a && false }",
    "{ -.a = 2 }",
    "{ .http.status-code/100 = 2 }",
    "{ .a=~\"x\" && .b!~`y` }",
    "{ parent.a != 3 && parent.span.b = 1 && parent.resource.c = 2 }",
    "{ resource.a != 3 && span.b = 1 && event.c = 1 && link.d = 1 && instrumentation.e = 1 }",
    "{ span.\"my attr\" = 1 && .\"a \\\"b\\\"\".c = 2 && resource.x.\"y z\" = 3 }",
    "{ !(\"test\" != .c || ((true && .b) || 3 < .a)) }",
    "{ .a = nil || .a != nil || nil = .a || nil != .a || nil = nil }",
    "{ name = \"a\" && statusMessage = \"\" && rootName = \"r\" && rootServiceName = \"s\" }",
    "{ status = error && status != ok || status = unset }",
    "{ kind = server || kind = client || kind = producer || kind = consumer || kind = internal || kind = unspecified }",
    "{ duration > 1s && traceDuration < 1h30m && duration != 1.5ms && duration > 100us && duration < 1d }",
    "{ span:duration > 1s && span:name = \"a\" && span:status = ok && span:kind = client && span:id = \"a\" }",
    "{ span:statusMessage = \"a\" && span:parentID = \"b\" && span:childCount > 2 && childCount = 1 }",
    "{ trace:id = \"a\" && trace:duration > 1s && trace:rootName = \"a\" && trace:rootService = \"b\" }",
    "{ event:name = \"a\" && event:timeSinceStart > 1ms && link:spanID = \"a\" && link:traceID = \"b\" }",
    "{ instrumentation:name = \"a\" && instrumentation:version = \"1\" }",
    "{ nestedSetParent < 0 && nestedSetLeft > 1 && nestedSetRight < 9 }",
    "{nestedSetParent<0 && true}",
    "{ duration > 1 && duration * 2 > 1.5 }",
    "{ .a = maxInt || .a = minInt || .a = .5 || .a = 1e3 || .a = 1.5e-3 }",
    "{ .a } && { .b }",
    "{ .a } || { .b } && ({ .c } > { .d })",
    "{ .a } > { .b } >> { .c } < { .d } << { .e } ~ { .f }",
    "{ .a } !> { .b } !>> { .c } !< { .d } !<< { .e } !~ { .f }",
    "{ .a } &> { .b } &>> { .c } &< { .d } &<< { .e } &~ { .f }",
    "{ .a } | { .b }",
    "{ .a } | count() = 1",
    "{ .a } | max(duration) = 1s | min(.a) > -1 | avg(.b + 1) != 2.5 | sum(span.c) <= -1ms",
    "count() > 3 | { true }",
    "by(.a) | { true }",
    "{ .a } | by(resource.service.name) | count() > 2 | coalesce()",
    "{ .a } | select(span.x, resource.y, name, event:name)",
    "select(.a)",
    "({ .a } | count() > 1) && ({ .b } | count() > 2)",
    "({ .a } | by(.x) | coalesce()) > { .b }",
    "(({ .a }))",
    "{ .a } with (most_recent = true)",
    "{ .a } | count() > 1 with (a = 1, b = \"c\") with (d = 1s)",
    "{ .a } // the rest is said to nobody",
    "/* before */ { .a }",
};

static void test_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
		struct error err = {0};
		struct traceql_query *q = traceql_parse(slice_cstr(taken[i]), &err);
		if (q == NULL)
			fail_msg("%s: %s", taken[i], err.text);
		traceql_free(q);
	}
}

static const struct {
	const char *text, *error;
} refused[] = {
    {"", "line 1, col 1: the query ends where { is wanted"},
    {"true", "line 1, col 1: unexpected true, wanted is {"},
    {"{ ", "line 1, col 3: the query ends where a field or value is wanted"},
    {"{ . }", "line 1, col 3: the name of an attribute is missing"},
    {"{ span. }", "line 1, col 3: the name of an attribute is missing"},
    {"{ < }", "line 1, col 3: unexpected <, wanted is a field or value"},
    {"{ .a < }", "line 1, col 8: unexpected }, wanted is a field or value"},
    {"{ .a < 3", "line 1, col 9: the query ends where } or an operator is wanted"},
    {"{ (.a < 3 }", "line 1, col 11: unexpected }, wanted is )"},
    {"{ .a .b }", "line 1, col 6: unexpected .b, wanted is } or an operator"},
    {"{ attribute = 4 }", "line 1, col 3: unexpected attribute, wanted is a field"},
    {"{ .a == 4 }", "line 1, col 7: unexpected =, wanted is a field or value"},
    {"{\n  .\xc3\xa9 ==\n}", "line 2, col 7: unexpected =, wanted is a field or value"},
    {"{ span:nothing = 1 }", "line 1, col 3: unexpected span:nothing, wanted is a field"},
    {"{ parent = nil }", "line 1, col 3: parent alone is not supported: span:parentID is its id"},
    {"{ .a = \"x }", "line 1, col 8: a string does not end"},
    {"{ .a = `x }", "line 1, col 8: a string does not end"},
    {"{ .a = \"\\q\" }", "line 1, col 8: invalid escape sequence in a string"},
    {"{ .a = \"\\ud800\" }", "line 1, col 8: invalid escape sequence in a string"},
    {"{ span.\"a = 1 }", "line 1, col 3: the quoted name of an attribute does not end"},
    {"{ span.\"a\\n\" = 1 }", "line 1, col 3: invalid escape sequence in the name of an attribute"},
    {"{ .a = 'x' }", "line 1, col 8: unexpected character"},
    {"{ .a = 99999999999999999999 }", "line 1, col 8: a number is out of range"},
    {"{ .a = 1e999 }", "line 1, col 8: a number is out of range"},
    {"{ .a > 300y }", "line 1, col 8: a duration is out of range"},
    {"{ .a > 1x }", "line 1, col 9: unexpected x, wanted is } or an operator"},
    {"{ name > 3 }", "line 1, col 3: > does not go with a string and an int"},
    {"{ status > ok }", "line 1, col 3: > does not go with a status and a status"},
    {"{ kind = ok }", "line 1, col 3: = does not go with a kind and a status"},
    {"{ name && true }", "line 1, col 3: && does not go with a string"},
    {"{ true && 1 }", "line 1, col 11: && does not go with an int"},
    {"{ !name }", "line 1, col 4: ! does not go with a string"},
    {"{ -status = 1 }", "line 1, col 4: - does not go with a status"},
    {"{ name + 1 = 2 }", "line 1, col 3: + does not go with a string and an int"},
    {"{ .a > nil }", "line 1, col 3: > does not go with an attribute and nil"},
    {"{ duration =~ \"1\" }", "line 1, col 3: =~ does not go with a duration"},
    {"{ .a =~ .b }", "line 1, col 9: behind =~ stands a regular expression in quotes"},
    {"{ .a !~ 1 }", "line 1, col 9: behind !~ stands a regular expression in quotes"},
    {"{ 1 }", "line 1, col 3: what stands in braces is not true or false"},
    {"{ duration }", "line 1, col 3: what stands in braces is not true or false"},
    {"{ nil }", "line 1, col 3: what stands in braces is not true or false"},
    {"{ true } = { true }", "line 1, col 10: unexpected =, wanted is | or the end"},
    {"{ true } + { true }", "line 1, col 10: unexpected +, wanted is | or the end"},
    {"{ true } &&", "line 1, col 12: the query ends where { or ( is wanted"},
    {"{ true } & { true }", "line 1, col 10: unexpected character"},
    {"({ true }", "line 1, col 10: the query ends where ) or | is wanted"},
    {"coalesce() | { true }", "line 1, col 1: unexpected coalesce, wanted is {"},
    {"count() > 3 && { true }", "line 1, col 13: unexpected &&, wanted is | or the end"},
    {"{ true } | count()", "line 1, col 19: the query ends where a comparison is wanted"},
    {"{ true } | nothing() = 1",
     "line 1, col 12: unexpected nothing, wanted is {, by(), select(), coalesce() or an aggregate"},
    {"{ true } | count = 1", "line 1, col 18: unexpected =, wanted is ("},
    {"{ true } | max() = 1", "line 1, col 16: unexpected ), wanted is a field or value"},
    {"{ true } | max(name) = 1", "line 1, col 16: this is no number"},
    {"{ true } | max(1) = 1", "line 1, col 16: this is the same for all spans: a field is wanted"},
    {"{ true } | by(1)", "line 1, col 15: this is the same for all spans: a field is wanted"},
    {"{ true } | by()", "line 1, col 15: unexpected ), wanted is a field or value"},
    {"{ true } | count() = \"x\"", "line 1, col 22: an aggregate is compared with a number"},
    {"{ true } | count() + count() = 1", "line 1, col 20: reckoning with aggregates is not supported"},
    {"{ true } | count() = max(.a)", "line 1, col 22: comparing aggregates with one another is not supported"},
    {"{ true } | select(1)", "line 1, col 19: unexpected 1, wanted is a field"},
    {"{ true } | rate()", "line 1, col 12: metrics functions such as rate() are not supported"},
    {"{ true } | quantile_over_time(duration, .9)",
     "line 1, col 12: metrics functions such as quantile_over_time() are not supported"},
    {"({ .a } | by(.x)) > { .b }", "line 1, col 1: a structural operator between groups of by() is not supported"},
    {"{ .a } with (a)", "line 1, col 15: unexpected ), wanted is ="},
    {"{ .a } with", "line 1, col 12: the query ends where ( is wanted"},
    {"{ \xff }", "line 1, col 3: unexpected character"},
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		struct error err = {0};
		char wanted[256];
		snprintf(wanted, sizeof wanted, "parse error at %s", refused[i].error);
		struct traceql_query *q = traceql_parse(slice_cstr(refused[i].text), &err);
		if (q != NULL)
			fail_msg("taken: %s", refused[i].text);
		assert_int_equal(err.code, -EINVAL);
		assert_string_equal(err.text, wanted);
	}
}

static void test_bad_regex(void **state)
{
	struct error err = {0};

	(void)state;
	assert_null(traceql_parse(SLICE("{ .a =~ \"(\" }"), &err));
	assert_int_equal(err.code, -EINVAL);
	assert_ptr_equal(strstr(err.text, "parse error at line 1, col 9: invalid regular expression: "), err.text);
}

/* before, then `piece` so often, then after. */
static int parse_repeated(const char *before, const char *piece, uint32_t count, const char *after)
{
	struct buf text = {0};
	struct error err = {0};

	buf_str(&text, before);
	for (uint32_t i = 0; i < count; i++)
		buf_printf(&text, piece, i);
	buf_str(&text, after);
	struct traceql_query *q = traceql_parse(buf_slice(&text), &err);
	assert_int_equal(q == NULL, err.code != 0);
	traceql_free(q);
	buf_free(&text);
	return err.code;
}

static void test_bounds(void **state)
{
	(void)state;
	assert_int_equal(parse_repeated("{", " ", TRACEQL_BYTES_MAX - 2, "}"), 0);
	assert_int_equal(parse_repeated("{", " ", TRACEQL_BYTES_MAX - 1, "}"), -E2BIG);
	assert_int_equal(parse_repeated("{ ", "(", 100, "true"), -EINVAL);
	assert_int_equal(parse_repeated("{ ", "(", 200, "true"), -E2BIG);
	assert_int_equal(parse_repeated("{ ", "!", 200, "true }"), -E2BIG);
	assert_int_equal(parse_repeated("", "(", 200, "{}"), -E2BIG);
	assert_int_equal(parse_repeated("{ .a = 1", " + 1", 100, " }"), 0);
	assert_int_equal(parse_repeated("{ .a = 1", " + 1", 200, " }"), -E2BIG);
	assert_int_equal(parse_repeated("{ .a", " && .a", 2000, " }"), 0); /* a list is flat */
	assert_int_equal(parse_repeated("{}", " >> {}", 100, ""), 0);
	assert_int_equal(parse_repeated("{}", " >> {}", 200, ""), -E2BIG);
	assert_int_equal(parse_repeated("{ true", " && .a%u", TRACEQL_FIELDS_MAX, " }"), 0);
	assert_int_equal(parse_repeated("{ true", " && .a%u", TRACEQL_FIELDS_MAX + 1, " }"), -E2BIG);
	assert_int_equal(parse_repeated("{ true", " && .a =~ \"x\"", TRACEQL_REGEXES_MAX, " }"), 0);
	assert_int_equal(parse_repeated("{ true", " && .a =~ \"x\"", TRACEQL_REGEXES_MAX + 1, " }"), -E2BIG);
}

/* Memory that is out at any point is said, and nothing leaks (ASan). */
static void test_no_memory(void **state)
{
	struct slice text = SLICE("{ span.\"a b\" =~ \"x\" && .c = \"\\n\" } > { !.d } | by(.e) | count() > 1");
	int code = -ENOMEM;

	(void)state;
	for (uint64_t nth = 1; code == -ENOMEM; nth++) {
		struct error err = {0};
		fault_set(FAULT_MALLOC, nth, false, ENOMEM);
		struct traceql_query *q = traceql_parse(text, &err);
		fault_clear();
		code = err.code;
		assert_int_equal(q == NULL, code != 0);
		traceql_free(q);
	}
	assert_int_equal(code, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_taken),  cmocka_unit_test(test_refused),   cmocka_unit_test(test_bad_regex),
	    cmocka_unit_test(test_bounds), cmocka_unit_test(test_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

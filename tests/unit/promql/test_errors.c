/* What is refused, with Prometheus's sentence and position: its parser's own cases, and those of what surrounds them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "promql/promql.h"

struct refused {
	const char *text, *error;
};

static const struct refused syntax[] = {
    {"", "unknown position: parse error: no expression found in input"},
    {"# just a comment\n\n", "1:1: parse error: no expression found in input"},
    {"1+", "1:3: parse error: unexpected end of input"},
    {".", "1:1: parse error: unexpected character: '.'"},
    {"2.5.", "1:1: parse error: bad number or duration syntax: \"2.5.\""},
    {"100..4", "1:1: parse error: bad number or duration syntax: \"100..\""},
    {"0deadbeef", "1:1: parse error: bad number or duration syntax: \"0de\""},
    {"1_", "1:1: parse error: bad number or duration syntax: \"1_\""},
    {"1__0", "1:1: parse error: bad number or duration syntax: \"1__\""},
    {"1e", "1:1: parse error: bad number or duration syntax: \"1e\""},
    {"0x1.8", "1:1: parse error: bad number or duration syntax: \"0x1.\""},
    {"0x", "1:1: parse error: error parsing number: strconv.ParseFloat: parsing \"0x\": invalid syntax"},
    {"1e999", "1:1: parse error: error parsing number: strconv.ParseFloat: parsing \"1e999\": value out of range"},
    {"1 /", "1:4: parse error: unexpected end of input"},
    {"*1", "1:1: parse error: unexpected <op:*>"},
    {"(1))", "1:5: parse error: unexpected right parenthesis ')'"},
    {"((1)", "1:5: parse error: unclosed left parenthesis"},
    {"(", "1:2: parse error: unclosed left parenthesis"},
    {"1 !~ 1", "1:3: parse error: unexpected character after '!': '~'"},
    {"1 !", "1:3: parse error: unexpected character after '!': '\xef\xbf\xbd'"},
    {"1 =~ 1", "1:3: parse error: unexpected character after '=': '~'"},
    {"1 = 1", "1:3: parse error: unexpected \"=\""},
    {"@@", "1:1: parse error: unexpected <op:@>"},
    {"a - on(b) ignoring(c) d", "1:11: parse error: unexpected <ignoring>"},
    {"a - on(b) group_left ==", "1:22: parse error: unexpected <op:==> in grouping opts, expected \"(\""},
    {"a - on(b) group_right", "1:22: parse error: unexpected end of input in grouping opts, expected \"(\""},
    {"foo + group_left(baz) bar", "1:7: parse error: unexpected <group_left>"},
    {"-=", "1:2: parse error: unexpected \"=\""},
    {"++-++-+-+-<", "1:11: parse error: unexpected <op:<>"},
    {"e-+=/(0)", "1:4: parse error: unexpected \"=\""},
    {"a>b()", "1:3: parse error: unknown function with name \"b\""},
    {"RATE(a[5m])", "1:1: parse error: unknown function with name \"RATE\""},
    {"foo bar", "1:5: parse error: unexpected identifier \"bar\""},
    {"foo a:b", "1:5: parse error: unexpected metric identifier \"a:b\""},
    {"foo \"bar\"", "1:5: parse error: unexpected string \"\\\"bar\\\"\""},
    {"foo \"a long string\"", "1:5: parse error: unexpected string \"\\\"a long st\"..."},
    {"foo 5m", "1:5: parse error: unexpected duration \"5m\""},
    {"foo BY", "1:5: parse error: unexpected <BY>"},
    {"1 sum", "1:3: parse error: unexpected <aggr:sum>"},
    {"1 start", "1:3: parse error: unexpected \"start\""},
    {"foo,", "1:4: parse error: unexpected \",\""},
    {"a\n+\n  *", "3:3: parse error: unexpected <op:*>"},
    {"a:b(1)", "1:4: parse error: unexpected \"(\""},
    {"\xff", "1:1: parse error: unexpected character: '\xef\xbf\xbd'"},
    {"\xc3\xa4", "1:1: parse error: unexpected character: '\xc3\xa4'"},
    {"\x01", "1:1: parse error: unexpected character: '\\x01'"},
};

static const struct refused strings[] = {
    {"`\\``", "1:4: parse error: unterminated raw string"},
    {"\"\\", "1:1: parse error: escape sequence not terminated"},
    {"\"\\c\"", "1:1: parse error: unknown escape sequence U+0063 'c'"},
    {"\"\\'\"", "1:1: parse error: unknown escape sequence U+0027 '''"},
    {"\"\\x.\"", "1:1: parse error: illegal character U+002E '.' in escape sequence"},
    {"\"\\x1", "1:1: parse error: escape sequence not terminated"},
    {"\"\\477\"", "1:1: parse error: escape sequence is an invalid Unicode code point"},
    {"\"\\ud800\"", "1:1: parse error: escape sequence is an invalid Unicode code point"},
    {"\"a\nb\"", "1:1: parse error: unterminated quoted string"},
    {"some_metric{a=\"\xff\"}", "1:15: parse error: invalid UTF-8 rune"},
    {"label_replace(a, `b`, `c\xff`, `d`, `.*`)", "1:23: parse error: invalid UTF-8 rune"},
};

static const struct refused selectors[] = {
    {"{", "1:2: parse error: unexpected end of input inside braces"},
    {"}", "1:1: parse error: unexpected character: '}'"},
    {"some{", "1:6: parse error: unexpected end of input inside braces"},
    {"some}", "1:5: parse error: unexpected character: '}'"},
    {"some_metric{a=b}", "1:15: parse error: unexpected identifier \"b\" in label matching, expected string"},
    {"some_metric{a:b=\"b\"}", "1:14: parse error: unexpected character inside braces: ':'"},
    {"foo{a*\"b\"}", "1:6: parse error: unexpected character inside braces: '*'"},
    {"foo{a>=\"b\"}", "1:6: parse error: unexpected character inside braces: '>'"},
    {"foo{a!\"b\"}", "1:6: parse error: unexpected character after '!' inside braces: '\"'"},
    {"foo{{", "1:5: parse error: unexpected left brace '{'"},
    {"foo{gibberish}", "1:14: parse error: unexpected \"}\" in label matching, expected label matching operator"},
    {"foo{1}", "1:5: parse error: unexpected character inside braces: '1'"},
    {"{}", "1:1: parse error: vector selector must contain at least one non-empty matcher"},
    {"{x=\"\"}", "1:1: parse error: vector selector must contain at least one non-empty matcher"},
    {"{x=~\".*\"}", "1:1: parse error: vector selector must contain at least one non-empty matcher"},
    {"{x!~\".+\"}", "1:1: parse error: vector selector must contain at least one non-empty matcher"},
    {"{x!=\"a\"}", "1:1: parse error: vector selector must contain at least one non-empty matcher"},
    {"foo{__name__=\"bar\"}", "1:1: parse error: metric name must not be set twice: \"foo\" or \"bar\""},
    {"foo{__name__= =}", "1:15: parse error: unexpected \"=\" in label matching, expected string"},
    {"foo{,}", "1:5: parse error: unexpected \",\" in label matching, expected identifier or \"}\""},
    {"foo{a=\"b\",,}", "1:11: parse error: unexpected \",\" in label matching, expected identifier or \"}\""},
    {"foo{__name__ == \"bar\"}", "1:15: parse error: unexpected \"=\" in label matching, expected string"},
    {"foo{__name__=\"bar\" lol}",
     "1:20: parse error: unexpected identifier \"lol\" in label matching, expected \",\" or \"}\""},
    {"foo{\"a\" b}", "1:9: parse error: unexpected identifier \"b\" in label matching, expected \",\" or \"}\""},
    {"foo{\"a\"=}", "1:9: parse error: unexpected \"}\" in label matching, expected string"},
    {"foo{a=~\"(\"}", "1:5: parse error: regular expression: missing ): ("},
};

static const struct refused ranges[] = {
    {"foo[5mm]", "1:5: parse error: bad number or duration syntax: \"5mm\""},
    {"foo[5m1]", "1:5: parse error: bad number or duration syntax: \"5m1\""},
    {"foo[5m:1m1]", "1:8: parse error: bad number or duration syntax: \"1m1\""},
    {"foo[5y1hs]", "1:5: parse error: unknown unit \"hs\" in duration \"5y1hs\""},
    {"foo[5m1h]", "1:5: parse error: not a valid duration string: \"5m1h\""},
    {"foo[5m1m]", "1:5: parse error: not a valid duration string: \"5m1m\""},
    {"foo[0m]", "1:5: parse error: duration must be greater than 0"},
    {"foo[300y]", "1:5: parse error: duration out of range"},
    {"foo[1e10]", "1:5: parse error: duration out of range"},
    {"foo[\"5m\"]", "1:5: parse error: unexpected character in duration expression: '\"'"},
    {"foo[]",
     "1:5: parse error: unexpected \"]\" in subquery or range selector, expected number, duration, step(), or range()"},
    {"foo[-1]", "1:5: parse error: duration must be greater than 0"},
    {"foo[5m 3m]", "1:8: parse error: unexpected duration \"3m\" in subquery or range, expected \":\" or \"]\""},
    {"foo[5m:[", "1:8: parse error: unexpected left bracket '['"},
    {"foo[5m:3m 1]", "1:11: parse error: unexpected number \"1\" in subquery selector, expected \"]\""},
    {"foo[5m:=]",
     "1:8: parse error: unexpected \"=\" in subquery selector, expected number, duration, step(), range(), or \"]\""},
    {"foo[5m::]", "1:8: parse error: unexpected colon ':'"},
    {"foo[5m:x]", "1:8: parse error: unexpected character: 'x', expected ':'"},
    {"foo[:5m]", "1:6: parse error: unexpected colon before duration in duration expression"},
    {"foo]", "1:4: parse error: unexpected right bracket ']'"},
    {"foo[5m", "1:7: parse error: unclosed left bracket"},
    {"foo{bar=\"baz\"}[", "1:16: parse error: unexpected end of input in duration expression"},
    {"foo[5m/0]", "1:7: parse error: division by zero"},
    {"foo[5m%0]", "1:7: parse error: modulo by zero"},
    {"some_metric[5m] OFFSET 1mm", "1:24: parse error: bad number or duration syntax: \"1mm\""},
    {"some_metric[5m] OFFSET",
     "1:23: parse error: unexpected end of input in offset, expected number, duration, step(), or range()"},
    {"foo offset -bar",
     "1:13: parse error: unexpected identifier \"bar\" in offset, expected number, duration, step(), or range()"},
    {"some_metric OFFSET 1m[5m]", "1:22: parse error: no offset modifiers allowed before range"},
    {"some_metric[5m] @", "1:18: parse error: unexpected end of input in @, expected timestamp"},
    {"foo @ start", "1:12: parse error: unexpected end of input in @, expected timestamp"},
    {"some_metric @ 1234 [5m]", "1:20: parse error: no @ modifiers allowed before range"},
    {"(foo + bar)[5m]", "1:12: parse error: ranges only allowed for vector selectors"},
    {"rate(food[1m])[1h] offset 1h", "1:15: parse error: ranges only allowed for vector selectors"},
    {"1 offset 1d", "1:1: parse error: offset modifier must be preceded by an instant vector selector or range vector "
                    "selector or a subquery"},
    {"foo offset 1s offset 2s", "1:1: parse error: offset may not be set multiple times"},
    {"foo @ 1 @ 2", "1:1: parse error: @ <timestamp> may not be set multiple times"},
    {"foo @ start() @ 2", "1:1: parse error: @ <timestamp> may not be set multiple times"},
    {"rate(some_metric[5m]) @ 1234", "1:1: parse error: @ modifier must be preceded by an instant vector selector or "
                                     "range vector selector or a subquery"},
    {"foo @ +Inf", "1:1: parse error: timestamp out of bounds for @ modifier: +Inf"},
    {"foo @ -Inf", "1:1: parse error: timestamp out of bounds for @ modifier: -Inf"},
    {"foo @ NaN", "1:1: parse error: timestamp out of bounds for @ modifier: NaN"},
    {"foo @ 9223372036854775808",
     "1:1: parse error: timestamp out of bounds for @ modifier: 9223372036854775808.000000"},
    {"foo[5m:] anchored", "1:1: parse error: anchored modifier is not supported for subqueries"},
    {"1 smoothed", "1:1: parse error: smoothed modifier not"
                   " implemented"},
    {"foo anchored smoothed", "1:1: parse error: anchored and smoothed modifiers cannot be used together"},
    {"test[5d] OFFSET 10s [10m:5s]",
     "1:1: parse error: subquery is only allowed on instant vector, got matrix instead"},
    {"(foo + bar{nm=\"val\"})[5m:][10m:5s]",
     "1:1: parse error: subquery is only allowed on instant vector, got matrix instead"},
    {"1[5m:]", "1:1: parse error: subquery is only allowed on instant vector, got scalar instead"},
};

static const struct refused aggregations[] = {
    {"sum without(==)(some_metric)", "1:13: parse error: unexpected <op:==> in grouping opts, expected label"},
    {"sum without(,)(some_metric)", "1:13: parse error: unexpected \",\" in grouping opts, expected label"},
    {"sum without(foo,,)(some_metric)", "1:17: parse error: unexpected \",\" in grouping opts, expected label"},
    {"sum by (foo bar)(some_metric)",
     "1:13: parse error: unexpected identifier \"bar\" in grouping opts, expected \",\" or \")\""},
    {"a + on(by, without) b", "1:12: parse error: unexpected <without> in grouping opts, expected label"},
    {"sum by (inf)(some_metric)", "1:9: parse error: unexpected number \"inf\" in grouping opts, expected label"},
    {"sum by (\"\")(some_metric)", "1:9: parse error: invalid label name for grouping: \"\""},
    {"sum by (\"\\xff\")(some_metric)", "1:9: parse error: invalid label name for grouping: \"\\xff\""},
    {"sum by (\"foo)(some_metric{})", "1:9: parse error: unterminated quoted string"},
    {"sum some_metric by (test)", "1:5: parse error: unexpected identifier \"some_metric\""},
    {"sum (some_metric) by test", "1:22: parse error: unexpected identifier \"test\" in grouping opts, expected \"(\""},
    {"sum () by (test)", "1:1: parse error: no arguments for aggregate expression provided"},
    {"MIN keep_common (some_metric)", "1:5: parse error: unexpected identifier \"keep_common\""},
    {"MIN (some_metric) keep_common", "1:19: parse error: unexpected identifier \"keep_common\""},
    {"sum (some_metric) without (test) by (test)", "1:34: parse error: unexpected <by>"},
    {"sum without (test) (some_metric) by (test)", "1:34: parse error: unexpected <by>"},
    {"sum by (a) foo", "1:12: parse error: unexpected identifier \"foo\" in aggregation"},
    {"sum(foo bar)", "1:9: parse error: unexpected identifier \"bar\" in aggregation"},
    {"sum(rate(foo[5m] bar))", "1:18: parse error: unexpected identifier \"bar\" in aggregation"},
    {"rate(foo bar)", "1:10: parse error: unexpected identifier \"bar\""},
    {"topk(some_metric)",
     "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 2, got 1"},
    {"topk(some_metric,)", "1:17: parse error: trailing commas not allowed in function call args"},
    {"topk(1,*)", "1:7: parse error: trailing commas not allowed in function call args"},
    {"topk(some_metric, other_metric)",
     "1:6: parse error: expected type scalar in aggregation parameter, got instant vector"},
    {"count_values(5, other_metric)", "1:14: parse error: expected type string in aggregation parameter, got scalar"},
    {"sum(1)", "1:5: parse error: expected type instant vector in aggregation expression, got scalar"},
    {"sum(foo[5m])", "1:5: parse error: expected type instant vector in aggregation expression, got range vector"},
};

static const struct refused types[] = {
    {"1 and 1", "1:1: parse error: set operator \"and\" not allowed in binary scalar expression"},
    {"foo unless 1", "1:1: parse error: set operator \"unless\" not allowed in binary scalar expression"},
    {"1 or on(bar) foo", "1:1: parse error: vector matching only allowed between instant vectors"},
    {"1 == 1", "1:3: parse error: comparisons between scalars must use BOOL modifier"},
    {"foo == on(bar) 10", "1:1: parse error: vector matching only allowed between instant vectors"},
    {"foo and on(bar) group_left(baz) bar", "1:1: parse error: no grouping allowed for \"and\" operation"},
    {"foo or on(bar) group_right(baz) bar", "1:1: parse error: no grouping allowed for \"or\" operation"},
    {"http_requests{group=\"production\"} + on(instance) group_left(job,instance) cpu_count{type=\"smp\"}",
     "1:35: parse error: label \"instance\" must not occur in ON and GROUP clause at once"},
    {"foo + bool bar", "1:5: parse error: bool modifier can only be used on comparison operators"},
    {"foo and bool 10", "1:5: parse error: bool modifier can only be used on comparison operators"},
    {"foo and fill(0) bar", "1:1: parse error: filling in missing series not allowed for set operators"},
    {"foo + fill(0) 1", "1:1: parse error: filling in missing series only allowed between instant vectors"},
    {"foo[5m] + 1", "1:1: parse error: binary expression must contain only scalar and instant vector types"},
    {"1 + \"a\"", "1:5: parse error: binary expression must contain only scalar and instant vector types"},
    {"-\"string\"",
     "1:1: parse error: unary expression only allowed on expressions of type scalar or instant vector, got \"string\""},
    {"-test[5m]", "1:1: parse error: unary expression only allowed on expressions of type scalar or instant vector, "
                  "got \"range vector\""},
    {"floor()", "1:1: parse error: expected 1 argument(s) in call to \"floor\", got 0"},
    {"floor(some_metric, other_metric)", "1:1: parse error: expected 1 argument(s) in call to \"floor\", got 2"},
    {"floor(1)", "1:7: parse error: expected type instant vector in call to function \"floor\", got scalar"},
    {"hour(some_metric, some_metric, some_metric)",
     "1:1: parse error: expected at most 1 argument(s) in call to \"hour\", got 3"},
    {"label_join(a, \"b\")", "1:1: parse error: expected at least 3 argument(s) in call to \"label_join\", got 2"},
    {"label_join(a, \"b\", \",\", \"c\", d)",
     "1:30: parse error: expected type string in call to function \"label_join\", got instant vector"},
    {"time(some_metric)", "1:1: parse error: expected 0 argument(s) in call to \"time\", got 1"},
    {"non_existent_function_far_bar()",
     "1:1: parse error: unknown function with name \"non_existent_function_far_bar\""},
    {"rate(some_metric)",
     "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector"},
    {"rate(avg)", "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector"},
    {"info(foo, bar)", "1:11: parse error: expected label selectors only, got vector selector instead"},
    {"info(foo, sum(bar))", "1:11: parse error: expected label selectors only"},
    {"info(foo, 1)", "1:1: parse error: expected type instant vector in call to function \"info\", got scalar"},
};

static void check(const struct refused *cases, size_t count)
{
	int wrong = 0;
	for (size_t i = 0; i < count; i++) {
		struct arena arena;
		struct promql_expr *e = NULL;
		struct error err = {0};
		arena_init(&arena);
		int code = promql_parse(slice_cstr(cases[i].text), &arena, &e, &err);
		if (code != -EINVAL || e != NULL || strcmp(err.text, cases[i].error) != 0) {
			print_error("%s\n  wanted %s\n  got    %s (%d)\n", cases[i].text, cases[i].error, err.text,
			            code);
			wrong++;
		}
		arena_deinit(&arena);
	}
	assert_int_equal(wrong, 0);
}

#define CHECK_ALL(cases) check(cases, sizeof(cases) / sizeof *(cases))

static void refused_syntax(void **state)
{
	(void)state;
	CHECK_ALL(syntax);
	CHECK_ALL(strings);
}

static void refused_selectors(void **state)
{
	(void)state;
	CHECK_ALL(selectors);
	CHECK_ALL(ranges);
}

static void refused_aggregations(void **state)
{
	(void)state;
	CHECK_ALL(aggregations);
}

static void refused_types(void **state)
{
	(void)state;
	CHECK_ALL(types);
}

/* ---- bounds ---- */

/* `unit` so many times, with something before, between and behind. */
static int parse_many(const char *before, const char *unit, size_t times, const char *behind, struct error *err)
{
	struct buf b = {0};
	struct arena arena;
	struct promql_expr *e;
	arena_init(&arena);
	buf_str(&b, before);
	for (size_t i = 0; i < times; i++)
		buf_str(&b, unit);
	buf_str(&b, behind);
	assert_false(buf_failed(&b));
	int code = promql_parse(buf_slice(&b), &arena, &e, err);
	arena_deinit(&arena);
	buf_free(&b);
	return code;
}

static void deep_expressions_are_refused(void **state)
{
	struct error err;
	(void)state;
	assert_int_equal(parse_many("", "(", 65536, "", &err), -E2BIG);
	assert_string_equal(err.text, "1:257: parse error: expressions are nested too deeply, more than 256");
	assert_int_equal(parse_many("", "-", 65536, "1", &err), -E2BIG);
	assert_int_equal(parse_many("", "1^", 30000, "1", &err), -E2BIG);
	assert_int_equal(parse_many("", "sum(", 15000, "", &err), -E2BIG);
	assert_int_equal(parse_many("a[", "(", 65536, "", &err), -E2BIG);
	assert_int_equal(parse_many("a[", "-", 65536, "1]", &err), -E2BIG);
	assert_int_equal(parse_many("a[", "min(", 16000, "1]", &err), -E2BIG);
	assert_int_equal(parse_many("", "1+", 30000, "1", &err), -E2BIG);
	assert_string_equal(err.text, "1:1: parse error: the expression has too many levels, more than 2048");
	assert_int_equal(parse_many("a", "[5m:]", 13000, "", &err), -E2BIG);
	assert_int_equal(parse_many("a[1m", "+1m", 20000, "]", &err), -E2BIG);
}

static void what_is_just_within_is_taken(void **state)
{
	struct error err;
	(void)state;
	assert_int_equal(parse_many("", "1+", 2047, "1", &err), 0);
	assert_int_equal(parse_many("", "1+", 2048, "1", &err), -E2BIG);
	assert_int_equal(parse_many("", "-a or ", 2040, "a", &err), 0);
	assert_int_equal(parse_many("a{", "b=\"c\",", 20000, "}", &err), 0);
	assert_int_equal(parse_many("sum by (", "b,", 60000, ") (a)", &err), 0);
}

static void long_texts_are_refused(void **state)
{
	struct error err;
	(void)state;
	assert_int_equal(parse_many("", " ", PROMQL_BYTES_MAX - 1, "1", &err), 0);
	assert_int_equal(parse_many("", " ", PROMQL_BYTES_MAX, "1", &err), -E2BIG);
	assert_int_equal(parse_many("", "1", PROMQL_BYTES_MAX, "", &err), -EINVAL);
}

static int parse_regexes(uint32_t count, struct error *err)
{
	struct buf b = {0};
	struct arena arena;
	struct promql_expr *e;
	arena_init(&arena);
	buf_str(&b, "a{");
	for (uint32_t i = 0; i < count; i++)
		buf_printf(&b, "b=~\"c[de]+%u\",", i);
	buf_byte(&b, '}');
	int code = promql_parse(buf_slice(&b), &arena, &e, err);
	arena_deinit(&arena);
	buf_free(&b);
	return code;
}

static void regexes_are_counted(void **state)
{
	struct error err;
	(void)state;
	assert_int_equal(parse_regexes(PROMQL_REGEXES_MAX, &err), 0);
	assert_int_equal(parse_regexes(PROMQL_REGEXES_MAX + 1, &err), -EINVAL);
	assert_string_equal(err.text, "1:553: parse error: the expression has more than 40 regular expressions");
	assert_int_equal(parse_many("a{", "b=~\"c[de]+f\",c!~\"c[de]+f\",", 5000, "}", &err), 0);
	assert_int_equal(parse_many("a{", "b=~\"c|d|e\",", 5000, "}", &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(refused_syntax),
	    cmocka_unit_test(refused_selectors),
	    cmocka_unit_test(refused_aggregations),
	    cmocka_unit_test(refused_types),
	    cmocka_unit_test(deep_expressions_are_refused),
	    cmocka_unit_test(what_is_just_within_is_taken),
	    cmocka_unit_test(long_texts_are_refused),
	    cmocka_unit_test(regexes_are_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

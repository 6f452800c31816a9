/* What is taken: the text that a tree prints as, what it says, and that it reads back the same. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/fault.h"
#include "promql/promql.h"

struct printed {
	const char *text, *as; /* NULL: the same */
};

static const struct printed numbers[] = {
    {"1", NULL},
    {"+Inf", NULL},
    {"-inf", "-Inf"},
    {"INF", "+Inf"},
    {"nan", "NaN"},
    {".5", "0.5"},
    {"5.", "5"},
    {"123.4567", NULL},
    {"5e-3", "0.005"},
    {"5e3", "5000"},
    {"1e21", "1000000000000000000000"},
    {"1.5e-9", "0.0000000015"},
    {"0xc", "12"},
    {"0x_1F", "31"},
    {"0755", "493"},
    {"08", "8"},
    {"1_000_000", "1000000"},
    {"1_000.5", "1000.5"},
    {"+5.5e-3", "0.0055"},
    {"-0755", "-493"},
    {"-0", NULL},
    {"--1", "1"},
    {"9223372036854775807", "9223372036854776000"},
    {"9223372036854775808", "9223372036854776000"},
    {"5m", NULL},
    {"90s", "1m30s"},
    {"1w", NULL},
    {"12w6d", "90d"},
    {"365d", "1y"},
    {"-1h30m", NULL},
    {"1001ms", "1s1ms"},
    {"0s", NULL},
    {"-0s", NULL},
    {"5m + 1", NULL},
};

static const struct printed strings[] = {
    {"\"a\"", NULL},
    {"'a'", "\"a\""},
    {"`a\\n\"`", "\"a\\\\n\\\"\""},
    {"`a\nb`", "\"a\\nb\""},
    {"\"\\a\\b\\f\\n\\r\\t\\v\\\\\\\" - \\xFF\\377\\u1234\\U00010111\\U0001011111\xe2\x98\xba\"",
     "\"\\a\\b\\f\\n\\r\\t\\v\\\\\\\" - \\xff\\xff\xe1\x88\xb4\xf0\x90\x84\x91\xf0\x90\x84\x91"
     "11\xe2\x98\xba\""},
    {"'\\''", "\"'\""},
    {"\"\\x00\\u00a0\\u202e\"", "\"\\x00\\u00a0\\u202e\""},
};

static const struct printed operators[] = {
    {"1 + 1", NULL},
    {"1+2/(3*1)", "1 + 2 / (3 * 1)"},
    {"1 < bool 2 - 1 * 2", NULL},
    {"-some_metric", NULL},
    {" +some_metric", "+some_metric"},
    {"- -foo", "--foo"},
    {"-1 ^ 2", NULL},
    {"2 ^ -1", NULL},
    {"inf ^ foo", "Inf ^ foo"},
    {"inf * 2 ^ foo", "+Inf * 2 ^ foo"},
    {"2 ^ -3 ^ 4 * 5", NULL},
    {"foo * on(test,blub) bar", "foo * on (test, blub) bar"},
    {"foo * on(test) group_left bar", "foo * on (test) group_left () bar"},
    {"foo * on(test) group_right fill (1) -bar", "foo * on (test) group_right () fill (1) -bar"},
    {"foo * ignoring() bar", "foo * bar"},
    {"foo and on() bar", "foo and on () bar"},
    {"bar + on(foo) bla / on(baz, buz) group_right(test) blub",
     "bar + on (foo) bla / on (baz, buz) group_right (test) blub"},
    {"a - on(b) group_left(x, \"y.z\") c", "a - on (b) group_left (x, \"y.z\") c"},
    {"up > bool 0", NULL},
    {"a atan2 b", NULL},
    {"a OR b AND c UNLESS d", "a or b and c unless d"},
    {"a + fill(0) b", "a + fill (0) b"},
    {"a + on (c) fill_right(2) fill_left(-1) b", "a + on (c) fill_left (-1) fill_right (2) b"},
    {"fill + fill_left", NULL},
    {"foo * sum", NULL},
    {"a # a comment\n + b", "a + b"},
};

static const struct printed selectors[] = {
    {"foo", NULL},
    {"min", NULL},
    {"Start", NULL},
    {"offset{step=\"1s\"}[5m]", NULL},
    {"step{offset=\"1s\"}[5m]", NULL},
    {"anchored{job=\"test\"}", NULL},
    {"foo:bar{a=\"bc\"}", NULL},
    {"foo{}", "foo"},
    {"foo{NaN='bc'}", "foo{NaN=\"bc\"}"},
    {"foo{bar='}'}", "foo{bar=\"}\"}"},
    {"foo{a=\"b\", foo!=\"bar\", test=~\"test\", bar!~\"baz\",}",
     "foo{a=\"b\",bar!~\"baz\",foo!=\"bar\",test=~\"test\"}"},
    {"{\"foo\"}", "{__name__=\"foo\"}"},
    {"{'foo\\'bar', 'a\\\\dos\\\\path'='boo\\\\urns'}", "{\"a\\\\dos\\\\path\"=\"boo\\\\urns\",__name__=\"foo'bar\"}"},
    {"{a=\"b\", \"my.metric\", \"a.b\"=\"c\"}", "{\"a.b\"=\"c\",__name__=\"my.metric\",a=\"b\"}"},
    {"{__name__=\"bar\", __name__=\"baz\"}", "{__name__=\"bar\",__name__=\"baz\"}"},
    {"foo offset 5m", NULL},
    {"foo offset -7m", NULL},
    {"foo OFFSET 1h30m", "foo offset 1h30m"},
    {"foo offset 3600", "foo offset 1h"},
    {"foo offset 0s", "foo"},
    {"foo @ 1603774568", "foo @ 1603774568.000"},
    {"foo @ -100", "foo @ -100.000"},
    {"foo @ .3", "foo @ 0.300"},
    {"foo @ 3.3335", "foo @ 3.334"},
    {"foo @ 0xA", "foo @ 10.000"},
    {"foo @ 1m", "foo @ 60.000"},
    {"foo @ -0.0005", "foo @ -0.001"},
    {"foo @ start()", NULL},
    {"foo offset 1m @ end()", "foo @ end() offset 1m"},
    {"test[5]", "test[5s]"},
    {"foo[4.18] @ 2.345", "foo[4s180ms] @ 2.345"},
    {"test{a=\"b\"}[5y] OFFSET 3d", "test{a=\"b\"}[5y] offset 3d"},
    {"foo[5y1ms]", "foo[1825d1ms]"},
    {"a[12m] @ start() offset -3m", NULL},
    {"foo[5m] anchored", NULL},
    {"foo smoothed offset 5m", NULL},
    {"foo @ 1 smoothed", "foo @ 1.000 smoothed"},
};

static const struct printed subqueries[] = {
    {"foo{bar=\"baz\"}[10m:6s]", NULL},
    {"foo[10m:]", NULL},
    {"foo[10m5s:1h6ms]", NULL},
    {"min_over_time(rate(foo{bar=\"baz\"}[2s])[5m:5s])", NULL},
    {"min_over_time(rate(foo[2s])[5m:] @ 1603775091 offset 4m)[4m:3s]",
     "min_over_time(rate(foo[2s])[5m:] @ 1603775091.000 offset 4m)[4m:3s]"},
    {"sum without(and, by, avg, count, alert, annotations)(some_metric) [30m:10s]",
     "sum without (and, by, avg, count, alert, annotations) (some_metric)[30m:10s]"},
    {"some_metric OFFSET 1m [10m:5s]", "some_metric offset 1m[10m:5s]"},
    {"(foo + bar{nm=\"val\"})[5m:] offset 10m", NULL},
    {"(-foo)[5m:1m]", NULL},
};

static const struct printed durations[] = {
    {"foo[5m*2]", "foo[5m * 2]"},
    {"foo[(5m)]", NULL},
    {"foo[step()+1]", "foo[step() + 1]"},
    {"foo[max(step(),5m)]", "foo[max(step(), 5m)]"},
    {"foo[10m:step()]", NULL},
    {"foo[2^2^3*-1m]", "foo[2 ^ 2 ^ 3 * -1m]"},
    {"foo[-(5m - 10m)]", NULL},
    {"foo offset step()", NULL},
    {"foo offset -step()", NULL},
    {"foo offset -min(5m, range())", NULL},
    {"foo offset (5m + 1m) * 2", NULL},
    {"foo offset -(5m + 1m) * 2", "foo offset -(5m + 1m) * 2"},
    {"foo offset 5m + 3", NULL},
    {"foo offset -2 ^ 2", "foo offset -2s ^ 2"},
};

static const struct printed calls[] = {
    {"time()", NULL},
    {"floor(some_metric{foo!=\"bar\"})", NULL},
    {"round(some_metric,5)", "round(some_metric, 5)"},
    {"label_join(a, \"b\", \",\")", NULL},
    {"label_join(a, \"b\", \",\", \"c\", \"d\", \"e\")", NULL},
    {"hour()", NULL},
    {"start() + end() + step() + range()", NULL},
    {"info(foo)", NULL},
    {"info(foo, {bar=~\".*\"})", NULL},
    {"info(foo, {})", NULL},
    {"sum(sum)", NULL},
    {"sum by (foo) (some_metric)", NULL},
    {"sum (some_metric) by (foo)", "sum by (foo) (some_metric)"},
    {"sum by() (x)", "sum(x)"},
    {"sum without() (x)", "sum without () (x)"},
    {"SUM BY (foo,bar,)(x)", "sum by (foo, bar) (x)"},
    {"sum by (\"foo bar\", 'baz', start)({\"some.metric\"})",
     "sum by (\"foo bar\", baz, start) ({__name__=\"some.metric\"})"},
    {"topk by (a) (5, x)", NULL},
    {"count_values(\"value\", x)", NULL},
    {"limitk(2, x)", NULL},
    {"limit_ratio(-0.5, x)", NULL},
    {"quantile(0.9, x)", NULL},
};

static void print_again(const struct printed *c)
{
	struct arena arena;
	struct promql_expr *e, *again;
	struct error err = {0};
	struct buf out = {0};

	arena_init(&arena);
	if (promql_parse(slice_cstr(c->text), &arena, &e, &err) != 0)
		fail_msg("%s: %s", c->text, err.text);
	promql_print(e, &out);
	buf_byte(&out, '\0');
	assert_false(buf_failed(&out));
	assert_string_equal(out.ptr, c->as != NULL ? c->as : c->text);
	if (promql_parse(slice_cstr(out.ptr), &arena, &again, &err) != 0)
		fail_msg("%s, printed as %s: %s", c->text, out.ptr, err.text);
	if (!promql_same(e, again))
		fail_msg("%s, printed as %s, is another tree", c->text, out.ptr);
	buf_free(&out);
	arena_deinit(&arena);
}

static void print_all(const struct printed *cases, size_t count)
{
	for (size_t i = 0; i < count; i++)
		print_again(&cases[i]);
}

#define PRINT_ALL(cases) print_all(cases, sizeof(cases) / sizeof *(cases))

static void literals_are_printed(void **state)
{
	(void)state;
	PRINT_ALL(numbers);
	PRINT_ALL(strings);
}

static void operators_are_printed(void **state)
{
	(void)state;
	PRINT_ALL(operators);
}

static void selectors_are_printed(void **state)
{
	(void)state;
	PRINT_ALL(selectors);
	PRINT_ALL(subqueries);
	PRINT_ALL(durations);
}

static void calls_are_printed(void **state)
{
	(void)state;
	PRINT_ALL(calls);
}

/* ---- what the tree says ---- */

static struct promql_expr *parse(struct arena *arena, const char *text)
{
	struct promql_expr *e;
	struct error err = {0};
	if (promql_parse(slice_cstr(text), arena, &e, &err) != 0)
		fail_msg("%s: %s", text, err.text);
	return e;
}

static void operators_bind_as_they_should(void **state)
{
	struct arena arena;
	(void)state;
	arena_init(&arena);
	struct promql_expr *e = parse(&arena, "foo + bar or bla and blub");
	assert_int_equal(e->binary.op, PROMQL_OR);
	assert_int_equal(e->binary.left->binary.op, PROMQL_ADD);
	assert_int_equal(e->binary.right->binary.op, PROMQL_AND);
	assert_int_equal(e->binary.matching->card, PROMQL_MANY_TO_MANY);
	e = parse(&arena, "-a * b");
	assert_int_equal(e->binary.left->kind, PROMQL_UNARY);
	e = parse(&arena, "-a ^ b");
	assert_int_equal(e->kind, PROMQL_UNARY);
	assert_int_equal(e->unary.of->binary.op, PROMQL_POW);
	e = parse(&arena, "1 ^ 2 ^ 3");
	assert_int_equal(e->binary.left->kind, PROMQL_NUMBER);
	e = parse(&arena, "1 - 2 - 3");
	assert_int_equal(e->binary.right->kind, PROMQL_NUMBER);
	e = parse(&arena, "a + b offset 5m");
	assert_int_equal(e->binary.right->selector.when.offset_ms, 300000);
	e = parse(&arena, "foo offset -2 ^ 2");
	assert_int_equal(e->binary.op, PROMQL_POW);
	e = parse(&arena, "foo offset (1m) * 2");
	assert_int_equal(e->kind, PROMQL_SELECTOR);
	assert_int_equal(e->selector.when.offset_expr->duration.op, PROMQL_MUL);
	arena_deinit(&arena);
}

static void positions_are_kept(void **state)
{
	struct arena arena;
	(void)state;
	arena_init(&arena);
	struct promql_expr *e = parse(&arena, " sum by (x) (rate(foo{a=\"b\"}[5m] offset 1m)) ");
	assert_int_equal(e->start, 1);
	assert_int_equal(e->end, 44);
	e = e->aggregate.of;
	assert_int_equal(e->start, 13);
	assert_int_equal(e->end, 43);
	e = e->call.args[0];
	assert_int_equal(e->start, 18);
	assert_int_equal(e->end, 42);
	assert_int_equal(e->range.selector->end, 28);
	assert_int_equal(e->range.range_ms, 300000);
	assert_int_equal(e->range.selector->selector.when.offset_ms, 60000);
	e = parse(&arena, "(-foo)[5m:1m] @ 12.5");
	assert_int_equal(e->start, 0);
	assert_int_equal(e->end, 20);
	assert_int_equal(e->subquery.of->paren->start, 1);
	assert_int_equal(e->subquery.step_ms, 60000);
	assert_int_equal(e->subquery.when.at_ms, 12500);
	arena_deinit(&arena);
}

static void types_are_known(void **state)
{
	static const struct {
		const char *text;
		enum promql_type type;
	} cases[] = {{"1", PROMQL_SCALAR},          {"\"a\"", PROMQL_STRING},     {"a", PROMQL_VECTOR},
	             {"a[5m]", PROMQL_MATRIX},      {"a[5m:]", PROMQL_MATRIX},    {"1 + time()", PROMQL_SCALAR},
	             {"1 + a", PROMQL_VECTOR},      {"(1)", PROMQL_SCALAR},       {"-time()", PROMQL_SCALAR},
	             {"scalar(a)", PROMQL_SCALAR},  {"vector(1)", PROMQL_VECTOR}, {"sum(a)", PROMQL_VECTOR},
	             {"rate(a[5m])", PROMQL_VECTOR}};
	struct arena arena;
	(void)state;
	arena_init(&arena);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_int_equal(parse(&arena, cases[i].text)->type, cases[i].type);
	arena_deinit(&arena);
}

static void functions_are_sorted_and_found(void **state)
{
	uint32_t count = 0;
	(void)state;
	for (const struct promql_function *f; (f = promql_function_at(count)) != NULL; count++) {
		assert_ptr_equal(promql_function_find(slice_cstr(f->name)), f);
		assert_true(f->variadic == 0 || f->arg_count > 0);
	}
	assert_true(count > 80);
	assert_null(promql_function_find(SLICE("rat")));
	assert_null(promql_function_find(SLICE("ratee")));
}

struct names {
	struct buf seen;
	int left; /* how many more are visited */
};

static bool add_name(void *ctx, struct promql_expr *e)
{
	struct names *n = ctx;
	if (e->kind == PROMQL_SELECTOR)
		buf_slice_append(&n->seen, e->selector.name);
	return --n->left > 0;
}

static void trees_are_walked(void **state)
{
	struct arena arena;
	struct names n = {.left = 1000};
	(void)state;
	arena_init(&arena);
	struct promql_expr *e = parse(
	    &arena, "topk(scalar(a), (-b + on () group_left () rate(c[5m]))) or label_replace(max_over_time(d[5m:]), "
	            "\"x\", \"y\", \"z\", \"\") * 2");
	assert_true(promql_walk(e, add_name, &n));
	assert_true(slice_eq(buf_slice(&n.seen), SLICE("abcd")));
	buf_reset(&n.seen);
	n.left = 4; /* or, topk, scalar, a */
	assert_false(promql_walk(e, add_name, &n));
	assert_true(slice_eq(buf_slice(&n.seen), SLICE("a")));
	buf_free(&n.seen);
	arena_deinit(&arena);
}

/* ---- match[] ---- */

static void selectors_alone(void **state)
{
	static const struct {
		const char *text, *error; /* NULL: it is one */
	} cases[] = {
	    {"foo", NULL},
	    {"{}", NULL},
	    {"foo{a=\"b\"}", NULL},
	    {"{\"my.metric\", \"a.b\"=~\"c\"}", NULL},
	    {" sum ", NULL},
	    {"foo{__name__=\"bar\"}", NULL},
	    {"", "unknown position: parse error: unexpected end of input"},
	    {"foo offset 5m", "1:5: parse error: unexpected <offset>"},
	    {"foo[5m]", "1:4: parse error: unexpected \"[\""},
	    {"rate(foo)", "1:5: parse error: unexpected \"(\""},
	    {"1", "1:1: parse error: unexpected number \"1\""},
	    {"{a=~\"[\"}", "1:2: parse error: regular expression: missing ]: ["},
	};
	struct arena arena;
	(void)state;
	arena_init(&arena);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct promql_expr *e;
		struct error err = {0};
		int code = promql_parse_selector(slice_cstr(cases[i].text), &arena, &e, &err);
		if ((code == 0) != (cases[i].error == NULL))
			fail_msg("%s: %s", cases[i].text, err.text);
		if (code != 0)
			assert_string_equal(err.text, cases[i].error);
	}
	arena_deinit(&arena);
}

static void matchers_are_made(void **state)
{
	struct arena arena;
	struct promql_expr *e;
	struct matcher **m;
	(void)state;
	arena_init(&arena);
	assert_int_equal(promql_parse_selector(SLICE("foo{a=~\"b|c\",d!=\"\"}"), &arena, &e, NULL), 0);
	assert_int_equal(e->selector.matcher_count, 3);
	assert_int_equal(promql_matchers(e, &arena, &m, NULL), 0);
	assert_int_equal(m[0]->op, MATCH_REGEX);
	assert_int_equal(matcher_matches(m[0], SLICE("c")), 1);
	assert_false(e->selector.matchers[0].matches_empty);
	assert_int_equal(m[1]->op, MATCH_NOT_EQUAL);
	assert_false(e->selector.matchers[1].matches_empty);
	assert_true(slice_eq(m[2]->name, SLICE("__name__")));
	promql_matchers_free(m, 3);
	arena_deinit(&arena);
}

/* Each allocation fails in turn: an error, and nothing is left behind. */
static void memory_may_be_out(void **state)
{
	const struct slice text = SLICE(
	    "sum by (a, \"b.c\") (rate(foo{x=~\"a[bc]+\",y='\\n'}[5m:step()] offset 1m)) + on (a) group_left (b) -bar");
	(void)state;
	int code = -ENOMEM;
	for (uint64_t n = 1; code != 0; n++) {
		struct arena arena;
		struct promql_expr *e = NULL;
		struct error err = {0};
		arena_init(&arena);
		fault_set(FAULT_MALLOC, n, true, ENOMEM);
		code = promql_parse(text, &arena, &e, &err);
		fault_clear();
		arena_deinit(&arena);
		assert_true(code == 0 || code == -ENOMEM);
		assert_true((e != NULL) == (code == 0));
		assert_true(n < 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(literals_are_printed),
	    cmocka_unit_test(operators_are_printed),
	    cmocka_unit_test(selectors_are_printed),
	    cmocka_unit_test(calls_are_printed),
	    cmocka_unit_test(operators_bind_as_they_should),
	    cmocka_unit_test(positions_are_kept),
	    cmocka_unit_test(types_are_known),
	    cmocka_unit_test(functions_are_sorted_and_found),
	    cmocka_unit_test(trees_are_walked),
	    cmocka_unit_test(selectors_alone),
	    cmocka_unit_test(matchers_are_made),
	    cmocka_unit_test(memory_may_be_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

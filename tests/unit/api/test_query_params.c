/* Parameters of the Prometheus API: forms, times, limits, match[], names of labels in paths. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/query_params.h"
#include "base/fault.h"
#include "record/matcher.h"

static struct arena arena;

static int begin(void **state)
{
	(void)state;
	arena_init(&arena);
	return 0;
}

static int end(void **state)
{
	(void)state;
	arena_deinit(&arena);
	return 0;
}

static struct params read_query(const char *query)
{
	struct params p;
	struct error err = {0};
	if (params_read(SLICE(""), slice_cstr(query), &arena, &p, &err) != 0)
		fail_msg("%s: %s", query, err.text);
	return p;
}

static void check_get(const struct params *p, const char *name, const char *value)
{
	assert_true(slice_eq(params_get(p, name), slice_cstr(value)));
}

static void forms_are_taken_apart(void **state)
{
	struct params p;
	(void)state;
	p = read_query("a=1&b=&c&&match%5B%5D=x%20y+z%2B&a=2&=d&e=f=g");
	assert_int_equal(p.count, 7);
	check_get(&p, "a", "1");
	check_get(&p, "b", "");
	check_get(&p, "c", "");
	check_get(&p, "match[]", "x y z+");
	check_get(&p, "", "d");
	check_get(&p, "e", "f=g");
	check_get(&p, "nothing", "");
	p = read_query("");
	assert_int_equal(p.count, 0);
	assert_int_equal(params_read(SLICE("a=form"), SLICE("a=query&b=x"), &arena, &p, NULL), 0);
	check_get(&p, "a", "form");
	check_get(&p, "b", "x");
}

static void broken_forms_are_refused(void **state)
{
	static const char *const cases[][2] = {
	    {"a=%", "error parsing form values: invalid URL escape \"%\""},
	    {"a=%4", "error parsing form values: invalid URL escape \"%4\""},
	    {"%zzb=1", "error parsing form values: invalid URL escape \"%zz\""},
	    {"a=x%g1y", "error parsing form values: invalid URL escape \"%g1\""},
	};
	struct params p;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct error err = {0};
		assert_int_equal(params_read(SLICE(""), slice_cstr(cases[i][0]), &arena, &p, &err), -EINVAL);
		assert_string_equal(err.text, cases[i][1]);
	}
	char many[2 * PARAMS_MAX + 2];
	for (int i = 0; i <= PARAMS_MAX; i++)
		memcpy(many + 2 * i, "a&", 2);
	assert_int_equal(params_read(SLICE(""), slice_new(many, 2 * PARAMS_MAX - 1), &arena, &p, NULL), 0);
	assert_int_equal(params_read(SLICE(""), slice_new(many, 2 * PARAMS_MAX + 1), &arena, &p, NULL), -EINVAL);
	assert_int_equal(params_read(SLICE("a"), slice_new(many, 2 * PARAMS_MAX - 1), &arena, &p, NULL), -EINVAL);
}

static void times_are_read(void **state)
{
	static const struct {
		const char *query;
		int64_t ms;
	} cases[] = {
	    {"t=1700000000", INT64_C(1700000000000)},
	    {"t=1700000000.123", INT64_C(1700000000123)},
	    {"t=1700000000.1235", INT64_C(1700000000124)},
	    {"t=1.7e9", INT64_C(1700000000000)},
	    {"t=-1.5", -1500},
	    {"t=1700000000000", INT64_C(1700000000000000)}, /* milliseconds, which Grafana sends once: the year 55840 */
	    {"t=1e300", INT64_MAX},
	    {"t=-1e300", INT64_MIN},
	    {"t=2023-11-14T22:13:20Z", INT64_C(1700000000000)},
	    {"t=2023-11-14T23:13:20.5%2B01:00", INT64_C(1700000000500)},
	    {"t=1969-12-31T23:59:58.4996Z", -1501},
	    {"t=0001-01-01T00:00:00Z", INT64_C(-62135596800000)},
	    {"t=9999-12-31T23:59:59Z", INT64_C(253402300799000)},
	    {"t=-292273086-05-16T16:47:06Z", INT64_MIN},
	    {"t=292277025-08-18T07:12:54.999999999Z", INT64_MAX},
	    {"t=", 42},
	    {"x=1", 42},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct params p = read_query(cases[i].query);
		int64_t ms;
		assert_int_equal(params_time(&p, "t", 42, &ms, NULL), 0);
		assert_int_equal(ms, cases[i].ms);
	}
}

static void what_is_no_time_is_refused(void **state)
{
	static const char *const cases[] = {"t=x",    "t=NaN",        "t=Inf",  "t=1+2", "t=1e",
	                                    "t=0x10", "t=2023-11-14", "t=1%00", "t=--1", "t=1e400"};
	struct error err = {0};
	int64_t ms;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct params p = read_query(cases[i]);
		assert_int_equal(params_time(&p, "t", 0, &ms, &err), -EINVAL);
	}
	struct params p = read_query("t=a%22%0a");
	assert_int_equal(params_time(&p, "t", 0, &ms, &err), -EINVAL);
	assert_string_equal(err.text, "invalid parameter \"t\": cannot parse \"a\\\"\\n\" to a valid timestamp");
}

static void limits_are_read(void **state)
{
	static const struct {
		const char *query;
		uint32_t limit;
	} cases[] = {{"limit=0", 0}, {"limit=7", 7}, {"limit=%2B7", 7},  {"limit=-0", 0},
	             {"limit=", 9},  {"", 9},        {"limit=0012", 12}, {"limit=99999999999999999999", UINT32_MAX}};
	static const char *const refused[] = {"limit=-1", "limit=-", "limit=%2B", "limit=1.5", "limit=a", "limit=1 "};
	struct error err = {0};
	uint32_t limit;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct params p = read_query(cases[i].query);
		assert_int_equal(params_limit(&p, "limit", 9, &limit, &err), 0);
		assert_int_equal(limit, cases[i].limit);
	}
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		struct params p = read_query(refused[i]);
		assert_int_equal(params_limit(&p, "limit", 9, &limit, &err), -EINVAL);
	}
}

static void matchers_are_read(void **state)
{
	struct matches m;
	struct error err = {0};
	struct params p = read_query("match[]=up&match[]={a=~%22b.*%22,c=%22%22}&match=x");
	(void)state;
	assert_int_equal(params_matches(&p, &arena, &m, &err), 0);
	assert_int_equal(m.count, 2);
	assert_int_equal(m.items[0].count, 1);
	assert_int_equal(m.items[1].count, 2);
	assert_int_equal(m.items[1].matchers[0]->op, MATCH_REGEX);
	matches_free(&m);
	p = read_query("match[]=up&match[]={a=%22%22}");
	assert_int_equal(params_matches(&p, &arena, &m, &err), -EINVAL);
	assert_string_equal(err.text,
	                    "invalid parameter \"match[]\": match[] must contain at least one non-empty matcher");
	assert_int_equal(m.count, 1);
	matches_free(&m);
	p = read_query("match[]=up{");
	assert_int_equal(params_matches(&p, &arena, &m, &err), -EINVAL);
	assert_string_equal(err.text,
	                    "invalid parameter \"match[]\": 1:4: parse error: unexpected end of input inside braces");
	matches_free(&m);
}

static void names_are_unescaped(void **state)
{
	static const char *const cases[][2] = {
	    {"job", "job"},
	    {"a.b", "a.b"},
	    {"U__a_2e_b", "a.b"},
	    {"U__a__b", "a_b"},
	    {"U__", ""},
	    {"U___e4_", "\xc3\xa4"},
	    {"U___1F600_", "\xf0\x9f\x98\x80"},
	    {"U___2E__2e_", ".."},
	    {"U__a_2e", "U__a_2e"},
	    {"U__a_", "U__a_"},
	    {"U__a_xy_", "U__a_xy_"},
	    {"U___d800_", "U___d800_"},
	    {"U___110000_", "U___110000_"},
	    {"U___0000041_", "U___0000041_"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct slice name = label_name_unescape(slice_cstr(cases[i][0]), &arena);
		if (!slice_eq(name, slice_cstr(cases[i][1])))
			fail_msg("%s: %.*s", cases[i][0], SLICE_ARG(name));
	}
}

static void memory_may_be_out(void **state)
{
	int code = -ENOMEM;
	(void)state;
	for (uint64_t n = 1; code != 0; n++) {
		struct arena own;
		struct params p;
		struct matches m = {.count = 0};
		struct error err = {0};
		arena_init(&own);
		fault_set(FAULT_MALLOC, n, true, ENOMEM);
		code = params_read(SLICE("a=b"), SLICE("match[]=up{a=~%22b%2B%22}&match[]=down"), &own, &p, &err);
		if (code == 0)
			code = params_matches(&p, &own, &m, &err);
		fault_clear();
		matches_free(&m);
		arena_deinit(&own);
		assert_true(code == 0 || code == -ENOMEM);
		assert_true(n < 200);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(forms_are_taken_apart, begin, end),
	    cmocka_unit_test_setup_teardown(broken_forms_are_refused, begin, end),
	    cmocka_unit_test_setup_teardown(times_are_read, begin, end),
	    cmocka_unit_test_setup_teardown(what_is_no_time_is_refused, begin, end),
	    cmocka_unit_test_setup_teardown(limits_are_read, begin, end),
	    cmocka_unit_test_setup_teardown(matchers_are_read, begin, end),
	    cmocka_unit_test_setup_teardown(names_are_unescaped, begin, end),
	    cmocka_unit_test(memory_may_be_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fault.h"
#include "base/regex.h"
#include "record/labels.h"
#include "record/matcher.h"

static struct matcher *make(enum matcher_op op, const char *name, const char *value)
{
	struct error err = {0};
	struct matcher *m = matcher_new(op, slice_cstr(name), slice_cstr(value), &err);
	if (m == NULL)
		fail_msg("%s: %s", value, err.text);
	return m;
}

/* ---- what patterns come down to ---- */

/* A set is written with its values between commas, a prefix as it is. */
static void check_pattern(const char *pattern, enum matcher_pattern kind, const char *wanted, bool more)
{
	struct matcher *m = make(MATCH_REGEX, "a", pattern);
	struct buf found = {0};
	if (m->pattern != kind)
		fail_msg("%s: pattern %d, wanted %d", pattern, (int)m->pattern, (int)kind);
	for (uint32_t i = 0; i < m->set_count; i++) {
		if (i > 0)
			buf_byte(&found, ',');
		buf_slice_append(&found, m->set[i]);
	}
	if (kind != PATTERN_SET)
		buf_slice_append(&found, m->prefix);
	buf_byte(&found, '\0');
	assert_string_equal(found.ptr, wanted);
	assert_int_equal(m->prefix_more, more);
	assert_int_equal(m->regex != NULL, kind == PATTERN_REGEX);
	buf_free(&found);
	matcher_free(m);
}

static void test_sets(void **state)
{
	(void)state;
	check_pattern("foo", PATTERN_SET, "foo", false);
	check_pattern("", PATTERN_SET, "", false);
	check_pattern("b|a|b", PATTERN_SET, "a,b", false);
	check_pattern("a|", PATTERN_SET, ",a", false);
	check_pattern("(foo|bar)", PATTERN_SET, "bar,foo", false);
	check_pattern("a(b|c)d", PATTERN_SET, "abd,acd", false);
	check_pattern("a(b|c(?:d|e))?", PATTERN_SET, "a,ab,acd,ace", false);
	check_pattern("10\\.0\\.(1|2)", PATTERN_SET, "10.0.1,10.0.2", false);
	check_pattern("node[1-3]", PATTERN_SET, "node1,node2,node3", false);
	check_pattern("^foo$", PATTERN_SET, "foo", false);
	check_pattern("^a|b$", PATTERN_SET, "a,b", false);
	check_pattern("(^(a|b)$)", PATTERN_SET, "a,b", false);
	check_pattern("^$", PATTERN_SET, "", false);
	check_pattern("\\Qa.b\\E|c", PATTERN_SET, "a.b,c", false);
	check_pattern("\\x41\\x{e9}\\n\\101", PATTERN_SET, "A\xc3\xa9\nA", false);
	check_pattern("(?i:ab)", PATTERN_SET, "AB,Ab,aB,ab", false);
	check_pattern("(?i)k", PATTERN_SET, "K,k,\xe2\x84\xaa", false);
	check_pattern("(?P<n>a)b", PATTERN_SET, "ab", false);
	check_pattern("(?<n>a)b", PATTERN_SET, "ab", false);
	check_pattern("a{2}", PATTERN_REGEX, "", false);
	check_pattern("a{,2}", PATTERN_SET, "a{,2}", false);
	check_pattern("a]", PATTERN_SET, "a]", false);
	check_pattern("a\\_b", PATTERN_SET, "a_b", false);
	check_pattern("a(?)?", PATTERN_SET, ",a", false);
	check_pattern("(?P<\xc3\xa9>a)", PATTERN_REGEX, "", false);
	check_pattern("[[:]", PATTERN_SET, ":,[", false);
}

static void test_prefixes(void **state)
{
	(void)state;
	check_pattern(".*", PATTERN_ANY, "", false);
	check_pattern("^(.*)$", PATTERN_ANY, "", false);
	check_pattern("(?s:.*)", PATTERN_ANY, "", false);
	check_pattern(".+", PATTERN_NOT_EMPTY, "", true);
	check_pattern("(?:.)+?", PATTERN_NOT_EMPTY, "", true);
	check_pattern("api-.*", PATTERN_PREFIX, "api-", false);
	check_pattern("api-(.+)", PATTERN_PREFIX, "api-", true);
	check_pattern("(a(b))c.*$", PATTERN_PREFIX, "abc", false);
	check_pattern("api-.*x", PATTERN_REGEX, "api-", false);
	check_pattern("ab*", PATTERN_REGEX, "a", false);
	check_pattern("é*", PATTERN_REGEX, "", false);
	check_pattern("(?-s:.*)", PATTERN_REGEX, "", false);
	check_pattern("(?i)a.*", PATTERN_REGEX, "", false);
	check_pattern("a.*|b", PATTERN_REGEX, "", false);
	check_pattern("a\\b.*", PATTERN_REGEX, "a", false);
	check_pattern("(?m)^a", PATTERN_REGEX, "", false);
	check_pattern("a.{2,}", PATTERN_REGEX, "a", false);
	check_pattern("(?i:abcdefghij)", PATTERN_REGEX, "", false);
	check_pattern("[a-z][a-z]", PATTERN_REGEX, "", false);
	check_pattern("[^a]", PATTERN_REGEX, "", false);
}

static void test_large_sets(void **state)
{
	struct buf pattern = {0};
	struct error err = {0};
	(void)state;
	buf_str(&pattern, "(");
	for (int i = 0; i < 6000; i++)
		buf_printf(&pattern, "%shost-%d", i > 0 ? "|" : "", i);
	buf_str(&pattern, ")");
	struct matcher *m = matcher_new(MATCH_REGEX, SLICE("a"), buf_slice(&pattern), &err);
	assert_non_null(m);
	assert_int_equal(m->pattern, PATTERN_SET);
	assert_int_equal(m->set_count, 6000);
	assert_int_equal(matcher_matches(m, SLICE("host-5999")), 1);
	assert_int_equal(matcher_matches(m, SLICE("host-6000")), 0);
	matcher_free(m);
	/* One part a character, each of a longer text: given up, not built. */
	buf_reset(&pattern);
	for (int i = 0; i < 5000; i++)
		buf_str(&pattern, "[a]b");
	m = matcher_new(MATCH_REGEX, SLICE("a"), buf_slice(&pattern), &err);
	assert_non_null(m);
	assert_int_equal(m->pattern, PATTERN_REGEX);
	matcher_free(m);
	buf_free(&pattern);
}

/* ---- operators ---- */

static void check_op(enum matcher_op op, const char *value, const char *against, bool wanted)
{
	struct matcher *m = make(op, "a", value);
	assert_int_equal(matcher_matches(m, slice_cstr(against)), wanted);
	matcher_free(m);
}

static void test_operators(void **state)
{
	(void)state;
	check_op(MATCH_EQUAL, "x", "x", true);
	check_op(MATCH_EQUAL, "x", "", false);
	check_op(MATCH_EQUAL, "", "", true);
	check_op(MATCH_EQUAL, "x.*", "x.*", true);
	check_op(MATCH_NOT_EQUAL, "x", "", true);
	check_op(MATCH_NOT_EQUAL, "", "", false);
	check_op(MATCH_REGEX, "x+", "xx", true);
	check_op(MATCH_REGEX, "x+", "xxy", false);
	check_op(MATCH_REGEX, "a.*c", "a\nc", true);
	check_op(MATCH_NOT_REGEX, "x+", "xx", false);
	check_op(MATCH_NOT_REGEX, "x+", "", true);
	check_op(MATCH_NOT_REGEX, ".*", "", false);
	static const struct {
		enum matcher_op op;
		const char *value;
		bool empty;
	} empties[] = {{MATCH_EQUAL, "", true},        {MATCH_EQUAL, "x", false},     {MATCH_NOT_EQUAL, "x", true},
	               {MATCH_NOT_EQUAL, "", false},   {MATCH_REGEX, "x|", true},     {MATCH_REGEX, "x*", true},
	               {MATCH_REGEX, ".+", false},     {MATCH_NOT_REGEX, ".+", true}, {MATCH_NOT_REGEX, ".*", false},
	               {MATCH_NOT_REGEX, "x*", false}, {MATCH_NOT_REGEX, "x", true}};
	for (size_t i = 0; i < sizeof empties / sizeof *empties; i++) {
		struct matcher *m = make(empties[i].op, "a", empties[i].value);
		assert_int_equal(m->matches_empty, empties[i].empty);
		matcher_free(m);
	}
}

static void test_label_sets(void **state)
{
	struct label labels[] = {{SLICE("__name__"), SLICE("up")}, {SLICE("job"), SLICE("api")}};
	struct buf set = {0};
	struct error err = {0};
	(void)state;
	assert_int_equal(labels_canonical(labels, 2, &set, &err), 0);
	struct matcher *m[] = {make(MATCH_EQUAL, "__name__", "up"), make(MATCH_REGEX, "job", "a.i|x"),
	                       make(MATCH_NOT_EQUAL, "zone", "x"), make(MATCH_EQUAL, "job", "db")};
	assert_int_equal(matchers_match(m, 0, buf_slice(&set)), 1);
	assert_int_equal(matchers_match(m, 3, buf_slice(&set)), 1);
	assert_int_equal(matchers_match(m, 4, buf_slice(&set)), 0);
	for (int i = 0; i < 4; i++)
		matcher_free(m[i]);
	buf_free(&set);
}

static void test_text(void **state)
{
	struct buf out = {0};
	(void)state;
	struct matcher *m = make(MATCH_NOT_REGEX, "job", "a\\.\"b\n");
	matcher_text(m, &out);
	matcher_free(m);
	m = make(MATCH_EQUAL, "a.b", "x");
	matcher_text(m, &out);
	matcher_free(m);
	buf_byte(&out, '\0');
	assert_string_equal(out.ptr, "job!~\"a\\\\.\\\"b\\n\"\"a.b\"=\"x\"");
	buf_free(&out);
}

static void test_errors(void **state)
{
	static const char *const patterns[] = {"(a",      "a)",           "[a",  "a**",     "*a",    "\\C",
	                                       "a{1001}", "(a{100}){11}", "\\",  "(?<n>a",  "(?=a)", "\xff",
	                                       "a{2,1}",  "\\pX",         "x|(", "foo|\\8", "[b-a]"};
	(void)state;
	for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
		struct error err = {0};
		struct matcher *m = matcher_new(MATCH_REGEX, SLICE("a"), slice_cstr(patterns[i]), &err);
		if (m != NULL)
			fail_msg("%s is taken", patterns[i]);
		assert_int_equal(err.code, -EINVAL);
		assert_true(err.text[0] != '\0');
		assert_null(matcher_new(MATCH_REGEX, SLICE("a"), slice_cstr(patterns[i]), NULL));
	}
}

static void test_no_memory(void **state)
{
	static const char *const patterns[] = {"a", "a|b(c|d)", "x.*", "x.*y", "(?i:ab)"};
	(void)state;
	for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
		struct matcher *m = NULL;
		for (uint64_t nth = 1; m == NULL; nth++) {
			struct error err = {0};
			fault_set(FAULT_MALLOC, nth, true, ENOMEM);
			m = matcher_new(MATCH_REGEX, SLICE("a"), slice_cstr(patterns[i]), &err);
			fault_clear();
			if (m == NULL)
				assert_int_equal(err.code, -ENOMEM);
			assert_true(nth < 1000);
		}
		matcher_free(m);
	}
}

/* ---- the same as the engine ---- */

static uint32_t seed = 1;

static uint32_t draw(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

/* A pattern of a few parts. */
static void add_pattern(struct buf *out, int depth)
{
	static const char *const atoms[] = {"a",       "b",     "ab",   "c",           "k",      "\\.",   ".",
	                                    ".*",      ".+",    "[ab]", "[^a]",        "[a-c]",  "\\d",   "\\x61",
	                                    "é",       "x",     "",     "^",           "$",      "\\b",   "\\Qa.\\E",
	                                    "(?i:a)",  "(?i)b", "\\pL", "[[:alpha:]]", "a{1,2}", "\\141", "\\n",
	                                    "(?-s:.)", "(?m)$", "-",    "[k-]",        "\\A",    "\\z"};
	static const char *const repeats[] = {"", "", "", "", "", "", "?", "*", "+", "{2}", "??", "*?"};
	uint32_t parts = 1 + draw(4);
	for (uint32_t i = 0; i < parts; i++) {
		if (depth > 0 && draw(4) == 0) {
			static const char *const opens[] = {"(", "(?:", "(?i:", "(?P<n>", "(?<n>", "(?s:"};
			buf_str(out, opens[draw(6)]);
			for (uint32_t n = 1 + draw(3); n > 0; n--) {
				add_pattern(out, depth - 1);
				if (n > 1)
					buf_byte(out, '|');
			}
			buf_byte(out, ')');
		} else {
			buf_str(out, atoms[draw(sizeof atoms / sizeof *atoms)]);
		}
		buf_str(out, repeats[draw(sizeof repeats / sizeof *repeats)]);
	}
	if (depth > 0 && draw(5) == 0) {
		buf_byte(out, '|');
		add_pattern(out, depth - 1);
	}
}

/* One as people write them. */
static void add_common(struct buf *out)
{
	static const char *const begins[] = {"", "^", "(", "a", "ab-", "a(b)", "(?i)", "(?:é)"};
	static const char *const ends[] = {".*", ".+", ".*$", "(.*)", "(?:.)+$", "(.+)", ".*?", ".*.*"};
	const char *begin = begins[draw(8)];
	buf_str(out, begin);
	buf_str(out, ends[draw(8)]);
	if (strcmp(begin, "(") == 0)
		buf_byte(out, ')');
}

static void add_value(struct buf *out)
{
	static const char *const parts[] = {"a", "b",  "A", "k", "K", "\xe2\x84\xaa", "é", ".", "x",
	                                    "1", "\n", "-", "c", "ab"};
	for (uint32_t n = draw(6); n > 0; n--)
		buf_str(out, parts[draw(sizeof parts / sizeof *parts)]);
}

static void check_value(const struct matcher *m, const struct regex *re, struct slice value)
{
	int by_matcher = matcher_pattern_matches(m, value), by_engine = regex_matches(re, value);
	if (by_matcher != by_engine)
		fail_msg("\"%.*s\" against \"%.*s\": the matcher says %d, the engine %d", SLICE_ARG(m->value),
		         SLICE_ARG(value), by_matcher, by_engine);
}

static void check_values(const struct matcher *m, const struct regex *re)
{
	struct buf value = {0};
	for (int i = 0; i < 12; i++) {
		buf_reset(&value);
		if (m->prefix.len != 0 && draw(2) == 0)
			buf_slice_append(&value, m->prefix);
		add_value(&value);
		check_value(m, re, buf_slice(&value));
	}
	for (uint32_t i = 0; i < m->set_count && i < 20; i++) {
		check_value(m, re, m->set[i]);
		buf_reset(&value);
		buf_slice_append(&value, m->set[i]);
		buf_byte(&value, 'a');
		check_value(m, re, buf_slice(&value));
	}
	check_value(m, re, m->prefix);
	buf_free(&value);
}

static void test_equivalence(void **state)
{
	uint32_t kinds[PATTERN_REGEX + 1] = {0}, refused = 0;
	struct buf pattern = {0};
	(void)state;
	for (int i = 0; i < 30000; i++) {
		struct error by_matcher = {0}, by_engine = {0};
		buf_reset(&pattern);
		if (i % 10 == 0)
			add_common(&pattern);
		else
			add_pattern(&pattern, 2);
		struct regex *re = regex_new(buf_slice(&pattern), REGEX_MATCH, &by_engine);
		struct matcher *m = matcher_new(MATCH_REGEX, SLICE("a"), buf_slice(&pattern), &by_matcher);
		if ((m == NULL) != (re == NULL))
			fail_msg("\"%.*s\": the matcher says \"%s\", the engine \"%s\"", SLICE_ARG(buf_slice(&pattern)),
			         by_matcher.text, by_engine.text);
		if (m != NULL) {
			kinds[m->pattern]++;
			check_values(m, re);
		} else {
			assert_string_equal(by_matcher.text, by_engine.text);
			refused++;
		}
		matcher_free(m);
		regex_free(re);
	}
	buf_free(&pattern);
	for (int i = 0; i <= PATTERN_REGEX; i++) /* each kind was among them, and often */
		assert_true(kinds[i] >= 100);
	assert_true(refused < 15000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sets),      cmocka_unit_test(test_prefixes),   cmocka_unit_test(test_large_sets),
	    cmocka_unit_test(test_operators), cmocka_unit_test(test_label_sets), cmocka_unit_test(test_text),
	    cmocka_unit_test(test_errors),    cmocka_unit_test(test_no_memory),  cmocka_unit_test(test_equivalence),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

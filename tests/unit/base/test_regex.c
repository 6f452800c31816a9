#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/fault.h"
#include "base/regex.h"
#include "base/regex_tree.h"

static struct regex *make(const char *pattern, enum regex_use use)
{
	struct error err = {0};
	struct regex *re = regex_new(slice_cstr(pattern), use, &err);
	if (re == NULL)
		fail_msg("%s: %s", pattern, err.text);
	return re;
}

/* ---- the dialect ---- */

static void test_dialect(void **state)
{
	static const struct {
		const char *pattern, *text;
		int matches;
	} cases[] = {
	    {"a", "a", 1},
	    {"a", "ab", 0},
	    {"a|ab", "ab", 1}, /* the whole, whichever alternative comes first */
	    {".", "\n", 1},
	    {"(?-s).", "\n", 0},
	    {"(?i)straSSe", "STRASSE", 1},
	    {"(?i)k", "\xe2\x84\xaa", 1},
	    {"\\pN\\p{Greek}\\p{^Greek}", "1\xce\xb1z", 1},
	    {"\\Qa.b\\E*", "a.bbb", 1},
	    {"\\Qa.b", "a.b", 1},
	    {"a||b", "", 1},
	    {"(|a)*", "aa", 1},
	    {"a{,2}", "a{,2}", 1},
	    {"a{1000}", "a", 0},
	    {"(?<year>\\d+)-(?<month>\\d+)", "2026-11", 1},
	    {"[(?<n>]\\(?<n>", "<<n>", 1},   /* no groups: within brackets, escaped */
	    {"\\Q(?<n>a)\\E", "(?<n>a)", 1}, /* and quoted */
	    {"(?m)^a$\n^b$", "a\nb", 1},
	    {"a$b", "ab", 0},
	    {"\\b\\w+\\b", "word", 1},
	    {".", "\xff", 0}, /* no UTF-8 */
	    {"\\x{1F600}|\\x41|\\101", "A", 1},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct regex *re = make(cases[i].pattern, REGEX_MATCH);
		if (regex_matches(re, slice_cstr(cases[i].text)) != cases[i].matches)
			fail_msg("%s against %s: wanted %d", cases[i].pattern, cases[i].text, cases[i].matches);
		regex_free(re);
	}
	struct regex *empty = make("", REGEX_MATCH);
	assert_int_equal(regex_matches(empty, slice_new(NULL, 0)), 1);
	regex_free(empty);
	regex_free(NULL);
}

static void check_error(const char *pattern, int code, const char *wanted)
{
	struct error err = {0};
	struct regex *re = regex_new(slice_cstr(pattern), REGEX_MATCH, &err);
	if (re != NULL)
		fail_msg("%s is taken", pattern);
	assert_string_equal(err.text, wanted);
	assert_int_equal(err.code, code);
	assert_null(regex_new(slice_cstr(pattern), REGEX_MATCH, NULL));
}

static void test_errors(void **state)
{
	struct error err = {0};
	static char long_pattern[REGEX_PATTERN_BYTES_MAX + 1];
	(void)state;
	check_error("a(b", -EINVAL, "regular expression: missing ): a(b");
	check_error("a)b", -EINVAL, "regular expression: unexpected ): a)b");
	check_error("x[a", -EINVAL, "regular expression: missing ]: [a");
	check_error("xa**", -EINVAL, "regular expression: bad repetition operator: **");
	check_error("x\\8", -EINVAL, "regular expression: invalid escape sequence: \\8");
	check_error("x\\C", -EINVAL, "regular expression: invalid escape sequence: \\C");
	check_error("x(?=y)", -EINVAL, "regular expression: invalid perl operator: (?=");
	check_error("x(?<n y)", -EINVAL, "regular expression: invalid perl operator: (?<");
	check_error("a{1001}", -EINVAL, "regular expression: invalid repetition size: {1001}");
	check_error("(a{50}){50}", -EINVAL, "regular expression: invalid repetition size: {50}");
	check_error("\\p{Nowhere}", -EINVAL, "regular expression: invalid character class range: \\p{Nowhere}");
	check_error("a\xff", -EINVAL, "regular expression: invalid UTF-8");
	check_error("\\pL{200}", -E2BIG, "regular expression: pattern too large - compile failed");
	check_error(".*a.{500}", -E2BIG,
	            "regular expression: a match may be in 2508 places of it at once, at most 600 are taken; repeat "
	            "less behind "
	            "parts of any length");
	memset(long_pattern, 'a', sizeof long_pattern);
	assert_null(regex_new(slice_new(long_pattern, sizeof long_pattern), REGEX_MATCH, &err));
	assert_string_equal(err.text, "regular expression: 65537 bytes, at most 65536 are taken");
	long_pattern[0] = '(';
	assert_null(regex_new(slice_new(long_pattern, 1000), REGEX_MATCH, &err));
	assert_true(strlen(err.text) < 300);
}

/* ---- bounds ---- */

/* What people write is far from them. */
static void test_width(void **state)
{
	static const struct {
		const char *pattern;
		uint64_t whole, search;
	} cases[] = {
	    {"abc", 0, 3},
	    {"(a|b){999}", 0, 999 * 4}, /* a text is in one place at a time */
	    {"(ab|cd|ef){10}x", 0, 61},
	    {"(a|bc)x", 1, 6},           /* where x comes depends: */
	    {"(a|bc)xy{3}", 4, 9},       /* behind it any place may be one of several */
	    {".*(foo|bar|baz)", 14, 14}, /* of alternatives the dearest at each depth, not all */
	    {"(?i).*(foo|bar)", 18, 18},
	};
	struct arena arena;
	struct regex_tree tree;
	(void)state;
	arena_init(&arena);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(regex_tree_parse(slice_cstr(cases[i].pattern), &arena, &tree, NULL), 0);
		assert_int_equal(regex_tree_width(tree.root, false, &arena), cases[i].whole);
		assert_int_equal(regex_tree_width(tree.root, true, &arena), cases[i].search);
	}
	arena_deinit(&arena);
}

static void test_depth(void **state)
{
	char pattern[2 * (REGEX_DEPTH_MAX + 1) + 1];
	struct error err = {0};
	(void)state;
	for (int depth = REGEX_DEPTH_MAX; depth <= REGEX_DEPTH_MAX + 1; depth++) {
		memset(pattern, '(', (size_t)depth);
		memset(pattern + depth, ')', (size_t)depth);
		struct regex *re = regex_new(slice_new(pattern, 2 * (size_t)depth), REGEX_MATCH, &err);
		assert_int_equal(re != NULL, depth == REGEX_DEPTH_MAX);
		regex_free(re);
	}
	assert_int_equal(err.code, -E2BIG);
	assert_string_equal(err.text, "regular expression: more than 250 groups, one in another");
}

static void test_no_memory(void **state)
{
	struct regex *re = NULL;
	(void)state;
	for (uint64_t nth = 1; re == NULL; nth++) {
		struct error err = {0};
		fault_set(FAULT_MALLOC, nth, false, ENOMEM);
		re = regex_new(SLICE(".*(foo|bar|b)+(x|y)*(?<n>a)"), REGEX_MATCH, &err);
		fault_clear();
		if (re == NULL)
			assert_int_equal(err.code, -ENOMEM);
		assert_true(nth < 100);
	}
	regex_free(re);
}

/* ---- groups ---- */

static void check_slice(struct slice s, const char *wanted)
{
	if (wanted == NULL) {
		assert_null(s.ptr);
		return;
	}
	assert_int_equal(s.len, strlen(wanted));
	assert_memory_equal(s.ptr, wanted, s.len);
}

static void test_groups(void **state)
{
	struct regex *re = make("(?<host>[a-z]+)(:(\\d+))?(x)?", REGEX_MATCH);
	struct slice groups[6];
	(void)state;
	assert_int_equal(regex_group_count(re), 4);
	assert_int_equal(regex_group_named(re, SLICE("host")), 1);
	assert_int_equal(regex_group_named(re, SLICE("hos")), -1);
	assert_int_equal(regex_match_groups(re, SLICE("node:80"), groups, 6), 1);
	check_slice(groups[0], "node:80");
	check_slice(groups[1], "node");
	check_slice(groups[2], ":80");
	check_slice(groups[3], "80");
	check_slice(groups[4], NULL);
	check_slice(groups[5], NULL);
	assert_int_equal(regex_match_groups(re, SLICE("node:80!"), groups, 6), 0);
	regex_free(re);
}

static void test_many_groups(void **state)
{
	struct slice groups[REGEX_GROUPS_MAX + 10];
	char pattern[3 * (REGEX_GROUPS_MAX + 5) + 1] = {0}, text[REGEX_GROUPS_MAX + 5];
	(void)state;
	for (size_t i = 0; i < sizeof text; i++)
		memcpy(pattern + 3 * i, "(a)", 3);
	memset(text, 'a', sizeof text);
	struct regex *re = make(pattern, REGEX_MATCH);
	assert_int_equal(regex_match_groups(re, slice_new(text, sizeof text), groups, REGEX_GROUPS_MAX + 10), 1);
	check_slice(groups[REGEX_GROUPS_MAX], "a");
	check_slice(groups[REGEX_GROUPS_MAX + 1], NULL);
	regex_free(re);
}

static void test_search(void **state)
{
	struct regex *re = make("b+", REGEX_SEARCH);
	struct slice text = SLICE("abba b"), whole;
	(void)state;
	assert_int_equal(regex_search(re, text, 0, &whole), 1);
	check_slice(whole, "bb");
	assert_int_equal(regex_search(re, text, 3, &whole), 1);
	assert_ptr_equal(whole.ptr, text.ptr + 5);
	assert_int_equal(regex_search(re, text, 6, NULL), 0);
	assert_int_equal(regex_search(re, SLICE("a"), 0, NULL), 0);
	regex_free(re);
}

static void test_expand(void **state)
{
	static const struct {
		const char *template_, *wanted;
	} cases[] = {{"$1-$2", "ab-"}, {"${1}x", "abx"}, {"$1x", ""}, {"$name!", "ab!"},   {"${name}s", "abs"},
	             {"$names", ""},   {"$$1", "$1"},    {"$", "$"},  {"${", "${"},        {"${1", "${1"},
	             {"$-", "$-"},     {"$0", "ab"},     {"$01", ""}, {"$9999999999", ""}, {"${}", "${}"},
	             {"", ""},         {"a$$$1", "a$ab"}};
	struct regex *re = make("(?<name>ab)(c)?", REGEX_MATCH);
	struct slice groups[3];
	struct buf out = {0};
	(void)state;
	assert_int_equal(regex_match_groups(re, SLICE("ab"), groups, 3), 1);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		buf_reset(&out);
		regex_expand(re, slice_cstr(cases[i].template_), groups, 3, SIZE_MAX, &out);
		buf_byte(&out, '\0');
		assert_string_equal(out.ptr, cases[i].wanted);
	}
	/* No more than the group that is one too many. */
	buf_reset(&out);
	regex_expand(re, SLICE("$1$1-$1$1$1"), groups, 3, 4, &out);
	buf_byte(&out, '\0');
	assert_string_equal(out.ptr, "abab-");
	buf_free(&out);
	regex_free(re);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_dialect), cmocka_unit_test(test_errors),      cmocka_unit_test(test_width),
	    cmocka_unit_test(test_depth),   cmocka_unit_test(test_no_memory),   cmocka_unit_test(test_groups),
	    cmocka_unit_test(test_search),  cmocka_unit_test(test_many_groups), cmocka_unit_test(test_expand),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

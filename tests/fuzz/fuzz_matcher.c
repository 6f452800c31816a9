/* Any bytes as a pattern and values: what a matcher has understood of the pattern says the same as RE2, and what one refuses the other does. The first byte is the pattern's length; values end in NUL. */
#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/regex.h"
#include "base/utf8.h"
#include "record/labels.h"
#include "record/matcher.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { VALUES_MAX = 32 };

static void compare(const struct matcher *m, const struct regex *re, struct slice value)
{
	if (!utf8_valid(value, NULL) || value.len > LABEL_VALUE_BYTES_MAX)
		return; /* no label's value */
	int by_engine = regex_matches(re, value);
	CHECK(matcher_pattern_matches(m, value) == by_engine);
	CHECK(matcher_matches(m, value) == by_engine);
}

/* What the matcher names is a match, and what begins otherwise is none. */
static void check_named(const struct matcher *m, const struct regex *re)
{
	for (uint32_t i = 0; i < m->set_count && i < VALUES_MAX; i++) {
		CHECK(m->set[i].len > LABEL_VALUE_BYTES_MAX || regex_matches(re, m->set[i]) == 1);
		CHECK(i == 0 || !slice_eq(m->set[i - 1], m->set[i]));
	}
	compare(m, re, m->prefix);
}

static void check_groups(const struct regex *re, struct slice value)
{
	struct slice groups[REGEX_GROUPS_MAX + 2];
	struct buf out = {0};
	int matches = regex_match_groups(re, value, groups, REGEX_GROUPS_MAX + 2);
	CHECK(matches == regex_matches(re, value));
	if (matches == 1) {
		CHECK(groups[0].len == value.len);
		regex_expand(re, value, groups, REGEX_GROUPS_MAX + 2, SIZE_MAX, &out);
		buf_free(&out);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error by_matcher = {0}, by_engine = {0};
	size_t len = size > 0 ? data[0] : 0;
	if (size < 1 + len)
		return 0;
	struct slice pattern = slice_new((const char *)data + 1, len);
	struct slice rest = slice_new((const char *)data + 1 + len, size - 1 - len);
	struct regex *re = regex_new(pattern, REGEX_MATCH, &by_engine);
	struct matcher *m = matcher_new(MATCH_REGEX, SLICE("a"), pattern, &by_matcher);
	/* What is a set is none of the engine's, and has none of its bounds. */
	CHECK((m == NULL) == (re == NULL) || (m != NULL && by_engine.code == -E2BIG));
	CHECK(m != NULL || strcmp(by_matcher.text, by_engine.text) == 0);
	if (re != NULL) {
		check_named(m, re);
		compare(m, re, SLICE(""));
	}
	for (int i = 0; re != NULL && i < VALUES_MAX && rest.len > 0; i++) {
		const char *end = memchr(rest.ptr, '\0', rest.len);
		struct slice value = slice_new(rest.ptr, end != NULL ? (size_t)(end - rest.ptr) : rest.len);
		compare(m, re, value);
		if (i == 0 && value.len <= LABEL_VALUE_BYTES_MAX)
			check_groups(re, value);
		size_t taken = value.len + (end != NULL);
		rest = slice_new(rest.ptr + taken, rest.len - taken);
	}
	matcher_free(m);
	regex_free(re);
	return 0;
}

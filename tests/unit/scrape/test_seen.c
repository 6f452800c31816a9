/* The series of a target over several rounds: which are new, which have gone, and what a round that was not taken leaves. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/fault.h"
#include "record/labels.h"
#include "scrape/seen.h"

static struct slice set_of(const char *name)
{
	static char bytes[64];
	struct label l = {LABEL_METRIC_NAME, slice_cstr(name)};
	return slice_new(bytes, (size_t)(labels_write(bytes, &l, 1) - bytes));
}

static struct seen_series *see(struct seen *set, const char *name, bool tracked)
{
	struct seen_series *s = seen_mark(set, set_of(name), tracked);

	assert_non_null(s);
	assert_true(slice_eq(seen_labels(s), set_of(name)));
	assert_int_equal(s->hash, labels_hash(set_of(name)));
	return s;
}

/* A round in which these, one letter each, were answered; capitals had a time of their own. `wanted`: those that have gone, in order. */
static void round_of(struct seen *set, const char *seen, const char *wanted, uint32_t added, bool taken)
{
	char gone[32] = "";

	seen_begin(set);
	for (const char *at = seen; *at != '\0'; at++) {
		char name[2] = {(char)(*at | 0x20)};
		see(set, name, *at >= 'a');
	}
	for (uint32_t i = 0; i < set->count; i++) {
		struct slice labels = seen_labels(&set->items[i]);
		if (seen_is_gone(set, &set->items[i]))
			strncat(gone, labels_get(labels, LABEL_METRIC_NAME).ptr, 1);
	}
	assert_string_equal(gone, wanted);
	assert_int_equal(set->added, added);
	seen_settle(set, taken);
}

static void finds_those_that_have_gone(void **state)
{
	struct seen set = {0};

	(void)state;
	round_of(&set, "abc", "", 3, true);
	round_of(&set, "abc", "", 0, true);
	round_of(&set, "ac", "b", 0, true);
	round_of(&set, "ac", "", 0, true);
	assert_int_equal(set.count, 2);
	round_of(&set, "cab", "", 1, true);
	round_of(&set, "", "acb", 0, true);
	assert_int_equal(set.count, 0);
	round_of(&set, "", "", 0, true);
	round_of(&set, "aab", "", 2, true);
	round_of(&set, "xbya", "", 2, true);
	round_of(&set, "xbya", "", 0, true);
	seen_deinit(&set);
}

/* A series with times of its own is not missed; one that had none before is, when it gets one. */
static void does_not_miss_those_with_times(void **state)
{
	struct seen set = {0};

	(void)state;
	round_of(&set, "aB", "", 2, true);
	round_of(&set, "aB", "", 0, true);
	round_of(&set, "a", "", 0, true);
	round_of(&set, "A", "a", 0, true);
	round_of(&set, "A", "", 0, true);
	round_of(&set, "a", "", 0, true);
	round_of(&set, "", "a", 0, true);
	/* The same series with and without one in a body is missed. */
	round_of(&set, "Cc", "", 1, true);
	round_of(&set, "cC", "", 0, true);
	round_of(&set, "", "c", 0, true);
	seen_deinit(&set);
}

/* What was not taken did not happen: markers come again, and what was new is new again. */
static void repeats_a_round_that_was_not_taken(void **state)
{
	struct seen set = {0};

	(void)state;
	round_of(&set, "ab", "", 2, false);
	assert_int_equal(set.count, 0);
	round_of(&set, "ab", "", 2, true);
	round_of(&set, "ac", "b", 1, false);
	round_of(&set, "ac", "b", 1, true);
	round_of(&set, "", "ac", 0, false);
	round_of(&set, "ac", "", 0, true);
	round_of(&set, "aX", "c", 1, false);
	round_of(&set, "aX", "c", 1, true);
	round_of(&set, "a", "", 0, true);
	seen_deinit(&set);
}

/* Thousands, in orders that change, against a plain array. */
static void agrees_with_a_plain_array(void **state)
{
	enum { NAMES = 2000 };
	static bool live[NAMES], seen[NAMES];
	struct seen set = {0};
	uint32_t random = 1;

	(void)state;
	for (int turn = 0; turn < 30; turn++) {
		memset(seen, 0, sizeof seen);
		seen_begin(&set);
		for (int i = 0; i < NAMES; i++) {
			random = random * 1664525 + 1013904223;
			int n = turn % 3 == 2 ? (int)(random >> 8) % NAMES : i;
			char name[16];
			if (random >> 30 == 0)
				continue;
			snprintf(name, sizeof name, "m%d", n);
			see(&set, name, true);
			seen[n] = true;
		}
		uint32_t gone = 0, wanted = 0, count = 0;
		for (uint32_t i = 0; i < set.count; i++)
			gone += seen_is_gone(&set, &set.items[i]);
		for (int i = 0; i < NAMES; i++) {
			wanted += live[i] && !seen[i];
			live[i] = turn % 5 == 4 ? live[i] : seen[i];
			count += live[i];
		}
		assert_int_equal(gone, wanted);
		seen_settle(&set, turn % 5 != 4);
		assert_int_equal(set.count, count);
	}
	seen_deinit(&set);
}

static void says_when_memory_is_out(void **state)
{
	(void)state;
	for (uint64_t n = 1;; n++) {
		struct seen set = {0};
		fault_set(FAULT_MALLOC, n, false, ENOMEM);
		seen_begin(&set);
		bool fine = seen_mark(&set, set_of("a"), true) != NULL && seen_mark(&set, set_of("b"), true) != NULL;
		fault_clear();
		seen_settle(&set, true);
		seen_deinit(&set);
		if (fine)
			break;
		assert_true(n < 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(finds_those_that_have_gone),
	    cmocka_unit_test(does_not_miss_those_with_times),
	    cmocka_unit_test(repeats_a_round_that_was_not_taken),
	    cmocka_unit_test(agrees_with_a_plain_array),
	    cmocka_unit_test(says_when_memory_is_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

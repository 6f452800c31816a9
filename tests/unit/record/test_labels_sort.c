/* labels_sort gives the order of labels_compare, for sets that have much or little in common. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "record/labels.h"
#include "record/labels_sort.h"

enum { COUNT = 3000 };

static struct buf sets[COUNT];
static struct labels_item items[COUNT];

static uint32_t draw(uint32_t *seed, uint32_t below)
{
	*seed = *seed * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)(*seed >> 4) * below >> 28);
}

static void set(uint32_t i, struct label *labels, uint32_t count)
{
	struct error err = {0};

	buf_reset(&sets[i]);
	assert_int_equal(labels_canonical(labels, count, &sets[i], &err), 0);
	items[i] = (struct labels_item){.labels = buf_slice(&sets[i]), .number = i};
}

/* Each set is there once, and they rise. */
static void check(uint32_t count)
{
	static bool seen[COUNT];

	memset(seen, 0, sizeof seen);
	labels_sort(items, count);
	for (uint32_t i = 0; i < count; i++) {
		assert_false(seen[items[i].number]);
		seen[items[i].number] = true;
		assert_true(slice_eq(items[i].labels, buf_slice(&sets[items[i].number])));
		if (i > 0)
			assert_true(labels_compare(items[i - 1].labels, items[i].labels) <= 0);
	}
}

static void test_series_of_a_metric(void **state)
{
	uint32_t seed = 1;
	char user[32];

	(void)state;
	for (uint32_t i = 0; i < COUNT; i++) {
		snprintf(user, sizeof user, "user-with-a-long-prefix-%u", draw(&seed, 2000)); /* some twice */
		struct label labels[] = {{LABEL_METRIC_NAME, SLICE("m")},
		                         {SLICE("model"), i % 3 == 0 ? SLICE("claude") : SLICE("gpt")},
		                         {SLICE("user_id"), slice_cstr(user)}};
		set(i, labels, 3);
	}
	check(COUNT);
	check(1);
	check(0);
}

/* Any labels, some left out, values of few letters, NUL among them, so that all sorts of beginnings are the same. */
static void test_random_sets(void **state)
{
	static const char *const names[] = {"Upper", "__name__", "a", "ab", "b", "le"};
	uint32_t seed = 7;

	(void)state;
	for (uint32_t round = 0; round < 20; round++) {
		uint32_t letters = 1 + draw(&seed, 3), longest = 1 + draw(&seed, 40);
		for (uint32_t i = 0; i < COUNT; i++) {
			struct label labels[6];
			char values[6][40];
			uint32_t count = 0;
			for (uint32_t k = 0; k < 6; k++) {
				size_t len = draw(&seed, longest);
				if (draw(&seed, 8) < round % 8)
					continue;
				for (size_t c = 0; c < len; c++)
					values[k][c] = "a\0b"[draw(&seed, letters)];
				labels[count++] = (struct label){slice_cstr(names[k]), slice_new(values[k], len)};
			}
			set(i, labels, count);
		}
		check(COUNT);
	}
}

/* Sets that differ in their last byte alone, behind 4,000 of the same. */
static void test_late_differences(void **state)
{
	static char value[4000];

	(void)state;
	memset(value, 'x', sizeof value);
	for (uint32_t i = 0; i < 500; i++) {
		value[sizeof value - 1] = (char)('a' + i * 7 % 25);
		value[sizeof value / 2] = (char)('a' + i % 3);
		struct label labels[] = {{SLICE("a"), slice_new(value, sizeof value)}};
		set(i, labels, 1);
	}
	check(500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_series_of_a_metric),
	    cmocka_unit_test(test_random_sets),
	    cmocka_unit_test(test_late_differences),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	for (uint32_t i = 0; i < COUNT; i++)
		buf_free(&sets[i]);
	return failed;
}

/* Arenas: alignment, blocks, reset, and failure of memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/fault.h"

static void allocates_aligned_and_apart(void **state)
{
	struct arena a;
	unsigned char *all[2000];
	size_t sizes[2000];

	(void)state;
	arena_init(&a);
	for (size_t i = 0; i < 2000; i++) {
		sizes[i] = i * 7 % 300 + (i % 97 == 0 ? 20000 : 0);
		all[i] = arena_alloc(&a, sizes[i]);
		assert_non_null(all[i]);
		assert_int_equal((uintptr_t)all[i] % 16, 0);
		memset(all[i], (int)(i & 0xff), sizes[i]);
	}
	for (size_t i = 0; i < 2000; i++) {
		for (size_t j = 0; j < sizes[i]; j++)
			assert_true(all[i][j] == (i & 0xff));
	}
	arena_deinit(&a);
	assert_null(a.blocks);
	assert_int_equal(a.total, 0);
}

static void none_is_no_failure(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a);
	assert_non_null(arena_alloc(&a, 0));
	size_t total = a.total;
	for (int i = 0; i < 10000; i++)
		assert_non_null(arena_alloc(&a, 0));
	while (a.at < a.end)
		assert_non_null(arena_alloc(&a, 16));
	assert_non_null(arena_alloc(&a, 0));
	assert_int_equal(a.total, total);
	arena_deinit(&a);
}

static void big_ones_leave_the_block_in_use(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a);
	char *first = arena_alloc(&a, 32);
	char *big = arena_alloc(&a, 1000000);
	assert_non_null(big);
	memset(big, 1, 1000000);
	char *second = arena_alloc(&a, 32);
	assert_ptr_equal(second, first + 32);
	assert_true(a.total >= 1000000 && a.total < 1010000);
	arena_deinit(&a);
}

static void reset_keeps_one_block(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a);
	for (int i = 0; i < 100; i++)
		assert_non_null(arena_alloc(&a, 1000));
	assert_non_null(arena_alloc(&a, 100000));
	arena_reset(&a, 65536);
	assert_true(a.total > 0 && a.total <= 65536);
	size_t kept = a.total;
	char *p = arena_alloc(&a, 1000);
	memset(p, 1, 1000);
	assert_int_equal(a.total, kept);
	arena_reset(&a, 0);
	assert_int_equal(a.total, 0);
	assert_null(a.blocks);
	p = arena_alloc(&a, 10);
	assert_non_null(p);
	arena_deinit(&a);
	/* An empty one too. */
	arena_reset(&a, 100);
	assert_null(a.blocks);
	arena_deinit(&a);
}

static void goes_back_to_a_mark(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a);
	struct arena_mark empty = arena_mark(&a);
	for (int round = 0; round < 3; round++) {
		char *kept = arena_alloc(&a, 100);
		char *big = arena_alloc(&a, 30000); /* a block of its own, which stays */
		memset(kept, 'k', 100);
		memset(big, 'b', 30000);
		size_t total = a.total;
		struct arena_mark m = arena_mark(&a);
		char *next = arena_alloc(&a, 10);
		for (int i = 0; i < 500; i++)
			memset(arena_alloc(&a, (size_t)i * 37), 'x', (size_t)i * 37);
		arena_rewind(&a, m);
		assert_int_equal(a.total, total);
		assert_ptr_equal(arena_alloc(&a, 10), next);
		arena_rewind(&a, m);
		arena_rewind(&a, m);
		for (int i = 0; i < 30000; i++)
			assert_true(big[i] == 'b' && kept[i % 100] == 'k');
		arena_rewind(&a, empty);
		assert_int_equal(a.total, 0);
		/* One large piece, and nothing else yet, before the mark. */
		big = arena_alloc(&a, 300000);
		memset(big, 'c', 300000);
		m = arena_mark(&a);
		memset(arena_alloc(&a, 5), 'x', 5);
		memset(arena_alloc(&a, 400000), 'x', 400000);
		arena_rewind(&a, m);
		assert_true(a.total >= 300000 && a.total < 310000 && big[0] == 'c' && big[299999] == 'c');
		arena_rewind(&a, empty);
	}
	arena_deinit(&a);
}

static void copies(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a);
	struct slice s = arena_copy(&a, SLICE("moon"));
	assert_int_equal(s.len, 4);
	assert_string_equal(s.ptr, "moon");
	s = arena_copy(&a, (struct slice){0});
	assert_int_equal(s.len, 0);
	assert_string_equal(s.ptr, "");
	s = arena_copy(&a, (struct slice){"x", SIZE_MAX});
	assert_null(s.ptr);
	arena_deinit(&a);
}

static void survives_without_memory(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a);
	fault_set(FAULT_MALLOC, 1, true, ENOMEM);
	assert_null(arena_alloc(&a, 1));
	assert_null(arena_copy(&a, SLICE("x")).ptr);
	fault_clear();
	char *p = arena_alloc(&a, 100);
	assert_non_null(p);
	memset(p, 'a', 100);
	size_t total = a.total;
	fault_set(FAULT_MALLOC, 1, true, ENOMEM);
	assert_null(arena_alloc(&a, 100000));
	assert_int_equal(a.total, total);
	/* What is left of the block still serves. */
	assert_non_null(arena_alloc(&a, 100));
	fault_clear();
	assert_int_equal(p[99], 'a');
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_null(arena_alloc(&a, SIZE_MAX - 32));
	assert_non_null(arena_alloc(&a, 100));
	arena_deinit(&a);
}

#ifdef ARENA_CHECKED
static void stale_pointers_are_poisoned(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a);
	char *p = arena_alloc(&a, 40);
	assert_false(__asan_address_is_poisoned(p + 39));
	assert_true(__asan_address_is_poisoned(p + 40));
	arena_reset(&a, 4096);
	assert_true(__asan_address_is_poisoned(p));
	arena_deinit(&a);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(allocates_aligned_and_apart), cmocka_unit_test(big_ones_leave_the_block_in_use),
	    cmocka_unit_test(reset_keeps_one_block),       cmocka_unit_test(copies),
	    cmocka_unit_test(survives_without_memory),     cmocka_unit_test(goes_back_to_a_mark),
	    cmocka_unit_test(none_is_no_failure),
#ifdef ARENA_CHECKED
	    cmocka_unit_test(stale_pointers_are_poisoned),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

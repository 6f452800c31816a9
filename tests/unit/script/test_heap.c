/* The allocator of a Lua state: small blocks that were freed are used again, and no more of them are kept than is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/fault.h"
#include "script/heap.h"

static void ignore(struct heap *h)
{
	(void)h;
}

static struct heap new_heap(size_t cap)
{
	return (struct heap){.cap = cap, .mark = SIZE_MAX, .on_pressure = ignore, .on_refused = ignore};
}

static void a_freed_block_is_the_next_of_its_size(void **state)
{
	struct heap h = new_heap(1 << 20);
	(void)state;
	char *first = heap_alloc(&h, NULL, 0, 30);
	assert_non_null(first);
	size_t used = h.used;
	assert_null(heap_alloc(&h, first, 30, 0));
	assert_int_equal(h.used, 0);
	assert_int_equal(h.spare_bytes, used);
	void *other = heap_alloc(&h, NULL, 0, 60); /* another size */
	assert_ptr_not_equal(other, first);
	char *again = heap_alloc(&h, NULL, 0, 40); /* one that malloc bills alike, though it is larger */
	assert_ptr_equal(again, first);
	memset(again, 'x', 40);
	assert_int_equal(h.spare_bytes, 0);
	heap_alloc(&h, again, 40, 0);
	heap_alloc(&h, other, 60, 0);
	heap_deinit(&h);
}

static void a_block_keeps_its_bytes_through_sizes(void **state)
{
	struct heap h = new_heap(1 << 20);
	size_t had = 20;
	(void)state;
	char *at = heap_alloc(&h, NULL, 0, had);
	memset(at, 'k', had);
	for (size_t size = 21; size < 400; size++) {
		at = heap_alloc(&h, at, had, size);
		assert_non_null(at);
		at[size - 1] = 'k';
		had = size;
	}
	for (size_t i = 0; i < had; i++)
		assert_int_equal(at[i], 'k');
	for (; had > 1; had--) {
		at = heap_alloc(&h, at, had, had - 1);
		assert_int_equal(at[had - 2], 'k');
	}
	heap_alloc(&h, at, had, 0);
	assert_int_equal(h.used, 0);
	heap_deinit(&h);
}

static void what_is_kept_is_bounded(void **state)
{
	enum { BLOCKS = 2 * SPARE_BYTES / 48 };
	static void *blocks[BLOCKS];
	struct heap h = new_heap(64 << 20);
	(void)state;
	for (int i = 0; i < BLOCKS; i++)
		blocks[i] = heap_alloc(&h, NULL, 0, 40);
	for (int i = 0; i < BLOCKS; i++)
		heap_alloc(&h, blocks[i], 40, 0);
	assert_int_equal(h.used, 0);
	assert_true(h.spare_bytes <= SPARE_BYTES);
	assert_true(h.spare_bytes > SPARE_BYTES - 48);
	void *large = heap_alloc(&h, NULL, 0, 1000);
	heap_alloc(&h, large, 1000, 0);
	assert_true(h.spare_bytes <= SPARE_BYTES);
	heap_deinit(&h);
	assert_int_equal(h.spare_bytes, 0);
}

static void pieces_of_the_reserve_are_not_kept(void **state)
{
	struct heap h = new_heap(1 << 20);
	(void)state;
	assert_int_equal(reserve_open(&h.reserve, 256), 0);
	void *piece = heap_alloc(&h, NULL, 0, 40);
	assert_true(reserve_has(&h.reserve, piece));
	heap_alloc(&h, piece, 40, 0);
	assert_int_equal(h.spare_bytes, 0);
	heap_deinit(&h); /* they go with it */
}

static void the_cap_is_held_with_spare_blocks_too(void **state)
{
	struct heap h = new_heap(100);
	(void)state;
	h.capped = true;
	void *a = heap_alloc(&h, NULL, 0, 40);
	void *b = heap_alloc(&h, NULL, 0, 40);
	heap_alloc(&h, b, 40, 0);
	b = heap_alloc(&h, NULL, 0, 40); /* a spare one, billed like any */
	assert_int_equal(h.used, 96);
	void *c = heap_alloc(&h, NULL, 0, 20);
	assert_null(c);
	assert_true(h.refused);
	heap_alloc(&h, a, 40, 0);
	heap_alloc(&h, b, 40, 0);
	heap_deinit(&h);
}

static void shrinking_never_fails(void **state)
{
	struct heap h = new_heap(1 << 20);
	(void)state;
	char *at = heap_alloc(&h, NULL, 0, 39);
	fault_set(FAULT_MALLOC, 1, true, ENOMEM);
	assert_null(heap_alloc(&h, NULL, 0, 39));
	fault_set(FAULT_MALLOC, 0, false, 0);
	at = heap_alloc(&h, at, 39, 3);
	assert_non_null(at);
	heap_alloc(&h, at, 3, 0);
	heap_deinit(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_freed_block_is_the_next_of_its_size),
	    cmocka_unit_test(a_block_keeps_its_bytes_through_sizes),
	    cmocka_unit_test(what_is_kept_is_bounded),
	    cmocka_unit_test(pieces_of_the_reserve_are_not_kept),
	    cmocka_unit_test(the_cap_is_held_with_spare_blocks_too),
	    cmocka_unit_test(shrinking_never_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

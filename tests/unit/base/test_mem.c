/* The heap layer: products that overflow, growth, and failure on demand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/fault.h"
#include "base/mem.h"

static int clear(void **state)
{
	(void)state;
	fault_clear();
	return 0;
}

static void refuses_products_that_overflow(void **state)
{
	/* volatile: the compiler would warn about the size. */
	volatile size_t huge = SIZE_MAX / 2;

	(void)state;
	assert_null(mem_zalloc(huge, 4));
	assert_null(mem_strndup("x", SIZE_MAX));
}

static void gives_zeroes_and_copies(void **state)
{
	(void)state;
	unsigned char *zeroes = mem_zalloc(100, 3);
	assert_non_null(zeroes);
	for (int i = 0; i < 300; i++)
		assert_int_equal(zeroes[i], 0);
	mem_free(zeroes);
	char *copy = mem_strndup("moongate", 4);
	assert_string_equal(copy, "moon");
	mem_free(copy);
	copy = mem_strndup(NULL, 0);
	assert_string_equal(copy, "");
	mem_free(copy);
	void *nothing = mem_alloc(0);
	assert_non_null(nothing);
	mem_free(nothing);
	nothing = mem_zalloc(0, 8);
	assert_non_null(nothing);
	mem_free(nothing);
	mem_free(NULL);
}

static void grows_arrays(void **state)
{
	uint32_t *items = NULL;
	size_t cap = 0;
	int grown = 0;

	(void)state;
	for (uint32_t i = 0; i < 10000; i++) {
		size_t before = cap;
		assert_int_equal(mem_grow((void **)&items, &cap, i, sizeof *items), 0);
		assert_true(cap > i);
		grown += cap != before;
		items[i] = i;
	}
	assert_true(grown <= 12);
	for (uint32_t i = 0; i < 10000; i++)
		assert_int_equal(items[i], i);
	mem_free(items);
}

static void leaves_the_array_on_failure(void **state)
{
	uint64_t *items = NULL;
	size_t cap = 0;

	(void)state;
	assert_int_equal(mem_grow((void **)&items, &cap, 0, sizeof *items), 0);
	memset(items, 7, cap * sizeof *items);
	uint64_t *before = items;
	size_t cap_before = cap;
	fault_set(FAULT_MALLOC, 1, false, ENOMEM);
	assert_int_equal(mem_grow((void **)&items, &cap, cap, sizeof *items), -ENOMEM);
	assert_ptr_equal(items, before);
	assert_int_equal(cap, cap_before);
	size_t full = SIZE_MAX / 2 + 1;
	assert_int_equal(mem_grow((void **)&items, &full, full, sizeof *items), -ENOMEM);
	assert_int_equal(mem_grow((void **)&items, &cap, SIZE_MAX / 4, sizeof *items), -ENOMEM);
	assert_ptr_equal(items, before);
	mem_free(items);
}

static void fails_on_demand(void **state)
{
	(void)state;
	fault_set(FAULT_MALLOC, 1, true, ENOMEM);
	assert_null(mem_alloc(1));
	assert_null(mem_zalloc(1, 1));
	assert_null(mem_strndup("a", 1));
	assert_null(mem_realloc(NULL, 1));
	fault_set(FAULT_MALLOC, 0, false, 0);
	void *p = mem_alloc(1);
	assert_non_null(p);
	fault_set(FAULT_MALLOC, 1, false, ENOMEM);
	assert_null(mem_realloc(p, 100));
	p = mem_realloc(p, 100);
	assert_non_null(p);
	mem_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(refuses_products_that_overflow, clear),
	    cmocka_unit_test_teardown(gives_zeroes_and_copies, clear),
	    cmocka_unit_test_teardown(grows_arrays, clear),
	    cmocka_unit_test_teardown(leaves_the_array_on_failure, clear),
	    cmocka_unit_test_teardown(fails_on_demand, clear),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

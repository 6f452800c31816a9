/* The reserve: what comes from it, what does not, and that shrinking never fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/fault.h"
#include "base/reserve.h"

static void no_memory(void)
{
	fault_set(FAULT_MALLOC, 1, true, ENOMEM);
}

static void memory_again(void)
{
	fault_set(FAULT_MALLOC, 0, false, 0);
}

static void what_was_reserved_is_there(void **state)
{
	struct reserve r = {0};
	char *pieces[4];
	(void)state;
	assert_int_equal(reserve_open(&r, 64), 0);
	no_memory();
	for (int i = 0; i < 4; i++) {
		pieces[i] = reserve_realloc(&r, NULL, 0, 13);
		assert_non_null(pieces[i]);
		assert_int_equal((uintptr_t)pieces[i] % 16, 0);
		memset(pieces[i], 'a' + i, 13);
	}
	assert_null(reserve_realloc(&r, NULL, 0, 1));
	for (int i = 0; i < 4; i++)
		assert_int_equal(pieces[i][12], 'a' + i);
	assert_null(reserve_realloc(&r, pieces[0], 13, 0));
	memory_again();
	reserve_deinit(&r);
}

static void the_last_piece_need_not_be_round(void **state)
{
	struct reserve r = {0};
	(void)state;
	assert_int_equal(reserve_open(&r, 20), 0);
	no_memory();
	assert_non_null(reserve_realloc(&r, NULL, 0, 16));
	assert_non_null(reserve_realloc(&r, NULL, 0, 4));
	assert_null(reserve_realloc(&r, NULL, 0, 1));
	memory_again();
	reserve_deinit(&r);
}

static void what_is_resized_keeps_its_bytes(void **state)
{
	struct reserve r = {0};
	(void)state;
	assert_int_equal(reserve_open(&r, 32), 0);
	char *at = reserve_realloc(&r, NULL, 0, 16);
	memcpy(at, "fifteen letters", 16);
	reserve_close(&r);
	char *grown = reserve_realloc(&r, at, 16, 100);
	assert_ptr_not_equal(grown, at);
	assert_string_equal(grown, "fifteen letters");
	grown = reserve_realloc(&r, grown, 100, 200);
	assert_string_equal(grown, "fifteen letters");
	assert_null(reserve_realloc(&r, grown, 200, 0));
	reserve_deinit(&r);
}

static void shrinking_never_fails(void **state)
{
	struct reserve r = {0};
	(void)state;
	assert_int_equal(reserve_open(&r, 32), 0);
	char *inside = reserve_realloc(&r, NULL, 0, 32);
	reserve_close(&r);
	char *outside = reserve_realloc(&r, NULL, 0, 1000);
	no_memory();
	assert_ptr_equal(reserve_realloc(&r, inside, 32, 16), inside);
	assert_ptr_equal(reserve_realloc(&r, outside, 1000, 10), outside);
	assert_null(reserve_realloc(&r, inside, 16, 17));
	assert_null(reserve_realloc(&r, outside, 10, 11));
	memory_again();
	reserve_realloc(&r, outside, 10, 0);
	reserve_deinit(&r);
}

static void opening_may_fail(void **state)
{
	struct reserve r = {0};
	(void)state;
	no_memory();
	assert_int_equal(reserve_open(&r, 32), -ENOMEM);
	memory_again();
	reserve_deinit(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_was_reserved_is_there),
	    cmocka_unit_test(the_last_piece_need_not_be_round),
	    cmocka_unit_test(what_is_resized_keeps_its_bytes),
	    cmocka_unit_test(shrinking_never_fails),
	    cmocka_unit_test(opening_may_fail),
	};
	fault_clear();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

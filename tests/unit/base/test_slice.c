/* Comparing bytes: every length, every place of a difference, and nothing beyond the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/slice.h"

static void bytes_are_the_same_or_not(void **state)
{
	(void)state;
	for (size_t len = 0; len <= 40; len++) {
		/* Of just this size: a sanitizer sees what is read behind it. */
		char *x = malloc(len + (len == 0)), *y = malloc(len + (len == 0));
		assert_non_null(x);
		assert_non_null(y);
		for (size_t i = 0; i < len; i++)
			x[i] = y[i] = (char)(i * 7);
		assert_true(bytes_same(x, y, len));
		for (size_t i = 0; i < len; i++) {
			y[i] ^= 1;
			assert_false(bytes_same(x, y, len));
			y[i] ^= 1;
		}
		free(x);
		free(y);
	}
}

static void slices_are_equal_or_not(void **state)
{
	(void)state;
	assert_true(slice_eq(SLICE("abc"), slice_new("abcd", 3)));
	assert_false(slice_eq(SLICE("abc"), SLICE("abcd")));
	assert_false(slice_eq(SLICE("abc"), SLICE("abd")));
	assert_true(slice_eq(slice_new(NULL, 0), SLICE("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bytes_are_the_same_or_not),
	    cmocka_unit_test(slices_are_equal_or_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

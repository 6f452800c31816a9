/* The distance of names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/distance.h"

static void counts_the_fewest_changes(void **state)
{
	(void)state;
	assert_int_equal(distance("", ""), 0);
	assert_int_equal(distance("check", "check"), 0);
	assert_int_equal(distance("", "abc"), 3);
	assert_int_equal(distance("abc", ""), 3);
	assert_int_equal(distance("chekc", "check"), 2);
	assert_int_equal(distance("rn", "run"), 1);
	assert_int_equal(distance("kitten", "sitting"), 3);
	assert_int_equal(distance("http.body_byte", "http.body_bytes"), 1);
}

static void is_the_same_both_ways(void **state)
{
	static const char *const words[] = {"run",  "check", "demo",      "version",
	                                    "help", "",      "retention", "journal.retention"};
	(void)state;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		for (size_t k = 0; k < sizeof words / sizeof *words; k++)
			assert_int_equal(distance(words[i], words[k]), distance(words[k], words[i]));
	}
}

static void takes_long_texts_for_far(void **state)
{
	char text[200];
	(void)state;
	memset(text, 'a', sizeof text);
	text[63] = '\0';
	assert_int_equal(distance(text, text), 0);
	text[63] = 'a';
	text[64] = '\0';
	assert_int_equal(distance(text, text), DISTANCE_FAR);
	assert_int_equal(distance("", text), DISTANCE_FAR);
}

static void is_near_by_a_third(void **state)
{
	(void)state;
	assert_int_equal(distance_near(""), 0);
	assert_int_equal(distance_near("rn"), 1);
	assert_int_equal(distance_near("chekc"), 2);
	assert_int_equal(distance_near("journal.retentoin"), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(counts_the_fewest_changes),
	    cmocka_unit_test(is_the_same_both_ways),
	    cmocka_unit_test(takes_long_texts_for_far),
	    cmocka_unit_test(is_near_by_a_third),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

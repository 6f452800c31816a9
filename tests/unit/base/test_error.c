/* Error sentences: what is stored, what is cut, what is left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"

static void returns_the_code_and_stores_the_text(void **state)
{
	struct error err = {0};

	(void)state;
	assert_int_equal(error_set(&err, -ENOENT, "%s, line %d", "conf.lua", 7), -ENOENT);
	assert_int_equal(err.code, -ENOENT);
	assert_string_equal(err.text, "conf.lua, line 7");
}

static void takes_null(void **state)
{
	(void)state;
	assert_int_equal(error_set(NULL, -EINVAL, "nobody reads this"), -EINVAL);
	error_prefix(NULL, "nobody");
}

static void takes_its_own_text_as_an_argument(void **state)
{
	struct error err = {0};

	(void)state;
	error_set(&err, -EIO, "disk");
	error_set(&err, -EIO, "journal: %s", err.text);
	assert_string_equal(err.text, "journal: disk");
}

static void drops_final_newlines(void **state)
{
	struct error err = {0};

	(void)state;
	error_set(&err, -EINVAL, "a\nb\n\n");
	assert_string_equal(err.text, "a\nb");
}

static void cuts_between_characters(void **state)
{
	struct error err = {0};
	char text[ERROR_TEXT_MAX + 16];

	(void)state;
	/* With 1,022 bytes before it only half of the two-byte character fits, and none of it stays. */
	memset(text, 'x', sizeof text);
	memcpy(text + ERROR_TEXT_MAX - 2, "\xc3\xa4\xc3\xa4", 5);
	error_set(&err, -EINVAL, "%s", text);
	assert_int_equal(strlen(err.text), ERROR_TEXT_MAX - 2);
	assert_int_equal(err.text[ERROR_TEXT_MAX - 3], 'x');

	memcpy(text + ERROR_TEXT_MAX - 3, "\xc3\xa4\xc3\xa4", 5);
	error_set(&err, -EINVAL, "%s", text);
	assert_int_equal(strlen(err.text), ERROR_TEXT_MAX - 1);
}

static void prefixes(void **state)
{
	struct error err = {0};
	char text[ERROR_TEXT_MAX];

	(void)state;
	error_prefix(&err, "file");
	assert_string_equal(err.text, "");
	error_set(&err, -EINVAL, "bad port");
	error_prefix(&err, "%s:%d", "conf.lua", 3);
	assert_string_equal(err.text, "conf.lua:3: bad port");
	assert_int_equal(err.code, -EINVAL);

	memset(text, 'y', sizeof text);
	text[sizeof text - 1] = '\0';
	error_prefix(&err, "%s", text);
	assert_int_equal(strlen(err.text), ERROR_TEXT_MAX - 1);
	error_prefix(&err, "%s%s", text, text);
	assert_int_equal(strlen(err.text), ERROR_TEXT_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(returns_the_code_and_stores_the_text),
	    cmocka_unit_test(takes_null),
	    cmocka_unit_test(takes_its_own_text_as_an_argument),
	    cmocka_unit_test(drops_final_newlines),
	    cmocka_unit_test(cuts_between_characters),
	    cmocka_unit_test(prefixes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

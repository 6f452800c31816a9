/* Content-Types as senders write them, and as nobody should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/header.h"

static void types(void **state)
{
	(void)state;
	assert_true(media_type_is(SLICE("text/plain"), "text/plain"));
	assert_true(media_type_is(SLICE("Text/PLAIN; version=0.0.4"), "text/plain"));
	assert_true(media_type_is(SLICE(" text/plain\t;"), "text/plain"));
	assert_false(media_type_is(SLICE("text/plainer"), "text/plain"));
	assert_false(media_type_is(SLICE("text/plai"), "text/plain"));
	assert_false(media_type_is(SLICE("text/plain, text/html"), "text/plain"));
	assert_false(media_type_is(SLICE("; text/plain"), "text/plain"));
	assert_false(media_type_is(SLICE(""), "text/plain"));
	assert_false(media_type_is((struct slice){0}, "text/plain"));
}

static void is_parameter(const char *content_type, const char *want)
{
	struct slice got = media_type_parameter(slice_cstr(content_type), "proto");
	assert_true(slice_eq(got, slice_cstr(want)));
}

static void parameters(void **state)
{
	(void)state;
	is_parameter("a/b;proto=io.X", "io.X");
	is_parameter("a/b ; q=1 ;\tPROTO = io.X ", "io.X");
	is_parameter("a/b;proto=\"io.X\"", "io.X");
	is_parameter("a/b;proto=\"", "\"");
	is_parameter("a/b;proto=\"\"", "");
	is_parameter("a/b;proto=1;proto=2", "1");
	is_parameter("a/b;protos=1;xproto=2", "");
	is_parameter("a/b;proto", "");
	is_parameter("a/b;;=;proto=x=y", "x=y");
	is_parameter("a/b;q=\";proto=1\";proto=2", "2");
	is_parameter("a/b;q=\"\\\";proto=1\";proto=\"a;b\"", "a;b");
	is_parameter("proto=1", "");
	is_parameter("", "");
	assert_int_equal(media_type_parameter((struct slice){0}, "proto").len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(types),
	    cmocka_unit_test(parameters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

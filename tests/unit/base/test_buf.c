/* The growable buffer and JSON strings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/fault.h"

static void is(const struct buf *b, const char *want)
{
	assert_false(buf_failed(b));
	assert_int_equal(b->len, strlen(want));
	if (b->len != 0)
		assert_memory_equal(b->ptr, want, b->len);
}

static void appends(void **state)
{
	struct buf b = {0};

	(void)state;
	buf_append(&b, NULL, 0);
	is(&b, "");
	buf_slice_append(&b, (struct slice){0});
	is(&b, "");
	buf_str(&b, "moon");
	buf_byte(&b, '-');
	buf_append(&b, "gate", 4);
	buf_slice_append(&b, SLICE("!"));
	is(&b, "moon-gate!");
	buf_reset(&b);
	is(&b, "");
	assert_non_null(b.ptr);
	buf_free(&b);
	assert_null(b.ptr);
	buf_str(&b, "again");
	is(&b, "again");
	buf_free(&b);
}

static void grows_by_doubling(void **state)
{
	struct buf b = {0};
	size_t cap = 0;
	int grown = 0;

	(void)state;
	for (int i = 0; i < 1000000; i++) {
		buf_byte(&b, (char)i);
		grown += b.cap != cap;
		cap = b.cap;
	}
	assert_true(grown < 20);
	for (int i = 0; i < 1000000; i++)
		assert_true(b.ptr[i] == (char)i);
	buf_free(&b);
}

static void prints(void **state)
{
	struct buf b = {0};
	char text[2000];

	(void)state;
	buf_printf(&b, "%d-%s", 42, "x");
	is(&b, "42-x");
	memset(text, 'y', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	buf_printf(&b, "<%s>", text);
	assert_int_equal(b.len, 4 + 2 + sizeof text - 1);
	assert_memory_equal(b.ptr, "42-x<y", 6);
	assert_memory_equal(b.ptr + b.len - 2, "y>", 2);
	/* Texts that just fit and just do not fit into the room that is left. */
	for (size_t len = 0; len < 200; len++) {
		struct buf c = {0};
		buf_printf(&c, "%.*s", (int)len, text);
		assert_int_equal(c.len, len);
		buf_free(&c);
	}
	buf_free(&b);
}

static void failure_sticks(void **state)
{
	struct buf b = {0};

	(void)state;
	buf_str(&b, "kept");
	size_t cap = b.cap;
	fault_set(FAULT_MALLOC, 1, false, ENOMEM);
	assert_null(buf_room(&b, cap + 1));
	assert_true(buf_failed(&b));
	/* There is memory again, and the buffer has room, but a hole in the middle must not come about. */
	buf_str(&b, "x");
	buf_byte(&b, 'x');
	buf_int(&b, 1);
	buf_number(&b, 0.5);
	buf_json_string(&b, SLICE("x"));
	buf_printf(&b, "%s", "x");
	assert_true(buf_failed(&b));
	assert_int_equal(buf_grow(&b, 0), -ENOMEM);
	assert_int_equal(b.len, 4);
	assert_memory_equal(b.ptr, "kept", 4);
	buf_reset(&b);
	buf_str(&b, "new");
	is(&b, "new");
	buf_free(&b);
}

static void fails_at_every_allocation(void **state)
{
	(void)state;
	for (uint64_t nth = 1;; nth++) {
		struct buf b = {0};
		fault_set(FAULT_MALLOC, nth, false, ENOMEM);
		for (int i = 0; i < 100; i++) {
			buf_printf(&b, "%d ", i);
			buf_json_string(&b, SLICE("a\"b"));
			buf_number(&b, 1.5);
		}
		bool failed = buf_failed(&b);
		buf_free(&b);
		if (!failed) {
			assert_true(nth > 3);
			break;
		}
	}
	fault_clear();
}

static void refuses_absurd_sizes(void **state)
{
	struct buf b = {0};

	(void)state;
	buf_byte(&b, 'x');
	assert_int_equal(buf_grow(&b, SIZE_MAX), -ENOMEM);
	buf_reset(&b);
	assert_int_equal(buf_grow(&b, SIZE_MAX - 1), -ENOMEM);
	buf_reset(&b);
	assert_int_equal(buf_grow(&b, 10), 0);
	buf_free(&b);
}

static void json_is(struct slice in, const char *want)
{
	struct buf b = {0};

	buf_json_string(&b, in);
	buf_byte(&b, '\0');
	assert_string_equal(b.ptr, want);
	buf_free(&b);
}

static void escapes_json(void **state)
{
	(void)state;
	json_is((struct slice){0}, "\"\"");
	json_is(SLICE("plain text"), "\"plain text\"");
	json_is(SLICE("say \"hi\" \\ /"), "\"say \\\"hi\\\" \\\\ /\"");
	json_is(SLICE("\b\t\n\f\r"), "\"\\b\\t\\n\\f\\r\"");
	json_is(SLICE("\0\x01\x0b\x1f\x7f"), "\"\\u0000\\u0001\\u000b\\u001f\\u007f\"");
	json_is(SLICE("</script>"), "\"\\u003c/script>\"");
	json_is(SLICE("\xe2\x80\xa8 \xe2\x80\xa9 \xe2\x80\xa7"), "\"\\u2028 \\u2029 \xe2\x80\xa7\"");
	json_is(SLICE("gr\xc3\xbc\xc3\x9f \xe6\x9c\x88 \xf0\x9f\x8c\x99"),
	        "\"gr\xc3\xbc\xc3\x9f \xe6\x9c\x88 \xf0\x9f\x8c\x99\"");
}

/* Every byte at every place of a text of two blocks: the fast way skips none that must be escaped. */
static void escapes_each_byte_anywhere(void **state)
{
	char in[40], want[100];

	(void)state;
	for (int byte = 0; byte < 128; byte++) {
		for (size_t at = 0; at < sizeof in; at++) {
			char escaped[8];
			memset(in, 'x', sizeof in);
			in[at] = (char)byte;
			if (byte != 0 && strchr("\"\\", byte) != NULL)
				snprintf(escaped, sizeof escaped, "\\%c", byte);
			else if (byte != 0 && strchr("\b\t\n\f\r", byte) != NULL)
				snprintf(escaped, sizeof escaped, "\\%c", "btn.fr"[byte - 8]);
			else if (byte < 32 || byte == '<' || byte == 127)
				snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned)byte);
			else
				snprintf(escaped, sizeof escaped, "%c", byte);
			snprintf(want, sizeof want, "\"%.*s%s%.*s\"", (int)at,
			         "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", escaped, (int)(sizeof in - 1 - at),
			         "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
			json_is(slice_new(in, sizeof in), want);
		}
	}
}

#define BAD "\xef\xbf\xbd"

static void replaces_what_is_not_utf8(void **state)
{
	(void)state;
	json_is(SLICE("a\xff z"), "\"a" BAD " z\"");
	json_is(SLICE("\x80"), "\"" BAD "\"");
	json_is(SLICE("\xc0\xaf"), "\"" BAD BAD "\"");                 /* overlong */
	json_is(SLICE("\xe0\x80\x80"), "\"" BAD BAD BAD "\"");         /* overlong */
	json_is(SLICE("\xed\xa0\x80"), "\"" BAD BAD BAD "\"");         /* a surrogate */
	json_is(SLICE("\xf4\x90\x80\x80"), "\"" BAD BAD BAD BAD "\""); /* above U+10FFFF */
	json_is(SLICE("\xf5\x80"), "\"" BAD BAD "\"");
	/* One U+FFFD for each longest beginning of a character (Unicode 15, table 3-8). */
	json_is(SLICE("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41"), "\"" BAD BAD BAD BAD "A\"");
	/* Cut at the end of the text. */
	json_is(SLICE("x\xc3"), "\"x" BAD "\"");
	json_is(SLICE("x\xe2\x82"), "\"x" BAD "\"");
	json_is(SLICE("x\xf0\x9f\x8c"), "\"x" BAD "\"");
	/* A quote right behind a broken character stays a quote. */
	json_is(SLICE("\xe2\x82\""), "\"" BAD "\\\"\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(appends),
	    cmocka_unit_test(grows_by_doubling),
	    cmocka_unit_test(prints),
	    cmocka_unit_test(failure_sticks),
	    cmocka_unit_test(fails_at_every_allocation),
	    cmocka_unit_test(refuses_absurd_sizes),
	    cmocka_unit_test(escapes_json),
	    cmocka_unit_test(escapes_each_byte_anywhere),
	    cmocka_unit_test(replaces_what_is_not_utf8),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

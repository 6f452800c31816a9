/* UTF-8: every character is taken, everything that is no shortest form of one is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/utf8.h"

/* By definition: the bytes of a character's shortest form; 0 for what is no character. */
static size_t encode(uint32_t c, char *to)
{
	static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
	size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	if ((c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
		return 0;
	for (size_t i = len - 1; i > 0; i--, c >>= 6)
		to[i] = (char)(0x80 | (c & 0x3f));
	to[0] = (char)(leads[len] | c);
	return len;
}

static void every_character(void **state)
{
	(void)state;
	for (uint32_t c = 0; c <= 0x10ffff; c++) {
		char text[5] = {0};
		size_t len = encode(c, text), chars = 0;
		if (len == 0)
			continue;
		char again[4];
		assert_int_equal(utf8_encode(c, again), len);
		assert_memory_equal(again, text, len);
		assert_int_equal(utf8_char(text, len), len);
		assert_int_equal(utf8_char(text, sizeof text), len);
		assert_true(utf8_valid(slice_new(text, len), &chars));
		assert_int_equal(chars, 1);
		for (size_t cut = 1; cut < len; cut++)
			assert_int_equal(utf8_char(text, cut), 0);
	}
}

/* All beginnings of three bytes, each with the fourth bytes that matter: taken only if they are what some character is written as. */
static void nothing_else(void **state)
{
	static const unsigned char fourths[] = {0, 0x7f, 0x80, 0xbf, 0xc0, 0xff};
	(void)state;
	for (uint32_t first = 0x80; first < 0x100; first++) {
		for (uint32_t rest = 0; rest < 0x10000 * sizeof fourths; rest++) {
			unsigned char s[4] = {(unsigned char)first, (unsigned char)(rest >> 8), (unsigned char)rest,
			                      fourths[rest >> 16]};
			size_t len = utf8_char((const char *)s, 4);
			if (len == 0)
				continue;
			uint32_t c = len == 2 ? first & 0x1f : len == 3 ? first & 0x0f : first & 0x07;
			char again[4];
			for (size_t i = 1; i < len; i++)
				c = c << 6 | (s[i] & 0x3f);
			assert_int_equal(encode(c, again), len);
			assert_memory_equal(s, again, len);
		}
	}
}

/* A bad byte is found at each place beside runs of any length, whatever the steps. */
static void every_place(void **state)
{
	(void)state;
	for (size_t len = 1; len < 40; len++) {
		for (size_t at = 0; at < len; at++) {
			char *text = malloc(len); /* of just this length: AddressSanitizer watches its ends */
			size_t chars = 1;
			memset(text, 'a', len);
			assert_true(utf8_is_ascii(text, len));
			assert_true(utf8_valid(slice_new(text, len), &chars));
			assert_int_equal(chars, len + 1);
			text[at] = (char)0x80;
			assert_false(utf8_is_ascii(text, len));
			assert_false(utf8_valid(slice_new(text, len), NULL));
			if (at + 2 <= len) {
				memcpy(text + at, "\xc3\xa9", 2);
				assert_true(utf8_valid(slice_new(text, len), NULL));
			}
			free(text);
		}
	}
	assert_true(utf8_is_ascii("", 0));
	assert_true(utf8_valid(slice_new(NULL, 0), NULL));
}

static void cuts_between_characters(void **state)
{
	(void)state;
	struct slice text = SLICE("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
	static const size_t lengths[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
	for (size_t max = 0; max < sizeof lengths / sizeof *lengths; max++)
		assert_int_equal(utf8_cut(text, max).len, lengths[max]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_character),
	    cmocka_unit_test(nothing_else),
	    cmocka_unit_test(every_place),
	    cmocka_unit_test(cuts_between_characters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

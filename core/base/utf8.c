/* UTF-8 (Unicode, table 3-7). Text is mostly ASCII, which goes by eight bytes. */
#include "base/utf8.h"

static bool continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

size_t utf8_char(const char *s, size_t len)
{
	unsigned char a = (unsigned char)s[0];
	unsigned char b = len > 1 ? (unsigned char)s[1] : 0;

	if (a < 0x80)
		return 1;
	if (a < 0xc2 || a > 0xf4 || (b & 0xc0) != 0x80)
		return 0;
	if (a < 0xe0)
		return 2;
	if (len < 3 || !continuation(s[2]))
		return 0;
	if (a < 0xf0) /* neither overlong nor a surrogate */
		return (a == 0xe0 && b < 0xa0) || (a == 0xed && b > 0x9f) ? 0 : 3;
	if (len < 4 || !continuation(s[3]))
		return 0;
	return (a == 0xf0 && b < 0x90) || (a == 0xf4 && b > 0x8f) ? 0 : 4;
}

bool utf8_valid(struct slice s, size_t *chars)
{
	size_t count = 0;

	for (size_t at = 0; at < s.len; count++) {
		while (s.len - at >= 8 && utf8_is_ascii(s.ptr + at, 8)) {
			at += 8;
			count += 8;
		}
		if (at == s.len)
			break;
		size_t len = utf8_char(s.ptr + at, s.len - at);
		if (len == 0)
			return false;
		at += len;
	}
	if (chars != NULL)
		*chars += count;
	return true;
}

struct slice utf8_cut(struct slice s, size_t max)
{
	if (s.len <= max)
		return s;
	while (max > 0 && continuation(s.ptr[max]))
		max--;
	return slice_new(s.ptr, max);
}

size_t utf8_encode(uint32_t rune, char *to)
{
	if (rune < 0x80) {
		to[0] = (char)rune;
		return 1;
	}
	if (rune < 0x800) {
		to[0] = (char)(0xc0 | rune >> 6);
		to[1] = (char)(0x80 | (rune & 0x3f));
		return 2;
	}
	if (rune < 0x10000) {
		to[0] = (char)(0xe0 | rune >> 12);
		to[1] = (char)(0x80 | (rune >> 6 & 0x3f));
		to[2] = (char)(0x80 | (rune & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | rune >> 18);
	to[1] = (char)(0x80 | (rune >> 12 & 0x3f));
	to[2] = (char)(0x80 | (rune >> 6 & 0x3f));
	to[3] = (char)(0x80 | (rune & 0x3f));
	return 4;
}

/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. Any thread. */
#ifndef MOONGATE_BASE_UTF8_H
#define MOONGATE_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/slice.h"

/* The length of the valid character at `s`, 0 when there is none. `len` > 0. */
size_t utf8_char(const char *s, size_t len);

/* Is all of `s` UTF-8? Then its characters are added to *chars, which may be NULL. */
bool utf8_valid(struct slice s, size_t *chars);

/* Writes the character with this number, which is one of Unicode's; 1 to 4 bytes. Returns how many. */
size_t utf8_encode(uint32_t rune, char *to);

/* The beginning of `s`, which is UTF-8, of at most `max` bytes: cut at a character's end. */
struct slice utf8_cut(struct slice s, size_t max);

/* Private to utf8_is_ascii: eight bytes, and 32 or'ed together. */
static inline uint64_t utf8_word(const char *s)
{
	uint64_t word;

	memcpy(&word, s, sizeof word);
	return word;
}

static inline uint64_t utf8_seen_32(const char *s)
{
	return utf8_word(s) | utf8_word(s + 8) | utf8_word(s + 16) | utf8_word(s + 24);
}

/* Is no byte above 0x7f? 32 at a time, or eight; the last ones may overlap those before, which costs less than foretelling how many are left. No byte outside is read. */
static inline bool utf8_is_ascii(const char *s, size_t len)
{
	uint64_t seen = 0;
	size_t i = 0;

	if (len >= 32) {
		for (; i + 32 < len; i += 32)
			seen |= utf8_seen_32(s + i);
		seen |= utf8_seen_32(s + len - 32);
	} else if (len >= 8) {
		for (; i + 8 < len; i += 8)
			seen |= utf8_word(s + i);
		seen |= utf8_word(s + len - 8);
	} else {
		for (; i < len; i++)
			seen |= (unsigned char)s[i];
	}
	return (seen & UINT64_C(0x8080808080808080)) == 0;
}

#endif

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

/* Is no byte above 0x7f? 32 at a time, then eight; no byte outside is read. */
static inline bool utf8_is_ascii(const char *s, size_t len)
{
	uint64_t seen = 0, word = 0, words[4];

	if (len < 8) {
		for (size_t i = 0; i < len; i++)
			seen |= (unsigned char)s[i];
		return (seen & 0x80) == 0;
	}
	size_t i = 0;
	for (; i + sizeof words <= len; i += sizeof words) {
		memcpy(words, s + i, sizeof words);
		seen |= words[0] | words[1] | words[2] | words[3];
	}
	for (; i + 8 < len; i += 8) {
		memcpy(&word, s + i, 8);
		seen |= word;
	}
	memcpy(&word, s + len - 8, 8); /* may overlap the one before */
	return ((seen | word) & UINT64_C(0x8080808080808080)) == 0;
}

#endif

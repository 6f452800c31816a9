/* Hexadecimal digits. */
#ifndef MOONGATE_BASE_HEX_H
#define MOONGATE_BASE_HEX_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/slice.h"

/* What a digit stands for, in either case; -1: it is none. A byte or a code point. */
static inline int hex_digit(uint32_t c)
{
	if (c >= '0' && c <= '9')
		return (int)(c - '0');
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? (int)(c - 'a') + 10 : -1;
}

/* The byte that two digits stand for; -1: they are none. */
static inline int hex_byte(const char digits[2])
{
	int high = hex_digit((unsigned char)digits[0]), low = hex_digit((unsigned char)digits[1]);
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* Private to the two below: eight digits, the first in the lowest byte, from eight halves of bytes; the letters are in lower case. */
static inline uint64_t hex_digits(uint64_t halves)
{
	uint64_t letters = (halves + UINT64_C(0x0606060606060606)) >> 4 & UINT64_C(0x0101010101010101);

	return halves + UINT64_C(0x3030303030303030) + letters * 39;
}

static inline uint64_t hex_swapped(uint64_t v)
{
	return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap64(v) : v;
}

/* Writes four bytes as eight digits in lower case; returns their end. */
static inline char *hex_write4(char *to, const char from[4])
{
	uint64_t v = (unsigned char)from[0] | (uint64_t)(unsigned char)from[1] << 16 |
	             (uint64_t)(unsigned char)from[2] << 32 | (uint64_t)(unsigned char)from[3] << 48;

	v = hex_swapped(hex_digits((v >> 4 & UINT64_C(0x000f000f000f000f)) | (v & UINT64_C(0x000f000f000f000f)) << 8));
	memcpy(to, &v, sizeof v);
	return to + sizeof v;
}

/* The four bytes that eight digits in lower case stand for. False, with nothing written: they are none. */
static inline bool hex_read4(char to[4], const char from[8])
{
	uint64_t v;

	memcpy(&v, from, sizeof v);
	v = hex_swapped(v);
	uint64_t halves = ((v & UINT64_C(0x0f0f0f0f0f0f0f0f)) + (v >> 6 & UINT64_C(0x0101010101010101)) * 9) &
	                  UINT64_C(0x0f0f0f0f0f0f0f0f);
	if (hex_digits(halves) != v)
		return false;
	halves = halves << 4 | halves >> 8; /* of each two bytes the lower one */
	for (int i = 0; i < 4; i++)
		to[i] = (char)(halves >> (16 * i));
	return true;
}

/* Writes bytes, a multiple of four, as digits in lower case; returns their end. */
static inline char *hex_write(char *to, struct slice bytes)
{
	for (size_t i = 0; i < bytes.len; i += 4)
		to = hex_write4(to, bytes.ptr + i);
	return to;
}

#endif

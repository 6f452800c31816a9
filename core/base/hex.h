/* Hexadecimal digits. */
#ifndef MOONGATE_BASE_HEX_H
#define MOONGATE_BASE_HEX_H

#include <stdint.h>

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

#endif

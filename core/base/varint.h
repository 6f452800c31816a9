/* Numbers of variable length, as Protocol Buffers write them: seven bits a byte, least significant group first, the upper bit set where more follow; at most ten bytes. */
#ifndef MOONGATE_BASE_VARINT_H
#define MOONGATE_BASE_VARINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

enum { VARINT_MAX = 10 /* bytes */ };

/* Writes one where VARINT_MAX bytes are free; returns its end. */
static inline char *varint_write(char *to, uint64_t v)
{
	while (v >= 0x80) {
		*to++ = (char)(v | 0x80);
		v >>= 7;
	}
	*to++ = (char)v;
	return to;
}

static inline void varint_put(struct buf *b, uint64_t v)
{
	while (v >= 0x80) {
		buf_byte(b, (char)(v | 0x80));
		v >>= 7;
	}
	buf_byte(b, (char)v);
}

/* Small distances of either sign as small numbers; in unsigned arithmetic, since times may be any. */
static inline uint64_t zigzag(uint64_t v)
{
	return v << 1 ^ (0 - (v >> 63));
}

static inline uint64_t unzigzag(uint64_t v)
{
	return v >> 1 ^ (0 - (v & 1));
}

/* Takes one off the slice's front. False: it is cut off, or too long. */
static inline bool varint_get(struct slice *from, uint64_t *v)
{
	uint64_t out = 0;
	for (size_t i = 0; i < from->len && i < VARINT_MAX; i++) {
		uint8_t byte = (uint8_t)from->ptr[i];
		out |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (byte < 0x80) {
			*from = slice_new(from->ptr + i + 1, from->len - i - 1);
			*v = out;
			return true;
		}
	}
	return false;
}

static inline bool varint_get_u32(struct slice *from, uint32_t *v)
{
	uint64_t wide;
	if (!varint_get(from, &wide) || wide > UINT32_MAX)
		return false;
	*v = (uint32_t)wide;
	return true;
}

#endif

/* Little-endian numbers and length-prefixed bytes, to and from buffers. Readers are bounds-checked: false, and nothing read, when the
 * slice is too short; what was read leaves the slice's front. Any thread. */
#ifndef MOONGATE_BASE_BYTES_H
#define MOONGATE_BASE_BYTES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/slice.h"

static inline void bytes_put(struct buf *b, uint64_t v, int width)
{
	for (int i = 0; i < width; i++)
		buf_byte(b, (char)(v >> (8 * i)));
}

static inline void bytes_put_u32(struct buf *b, uint32_t v)
{
	bytes_put(b, v, 4);
}

static inline void bytes_put_u64(struct buf *b, uint64_t v)
{
	bytes_put(b, v, 8);
}

static inline void bytes_put_double(struct buf *b, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof bits);
	bytes_put_u64(b, bits);
}

static inline void bytes_put_slice(struct buf *b, struct slice s)
{
	bytes_put_u32(b, (uint32_t)s.len);
	buf_slice_append(b, s);
}

static inline bool bytes_get(struct slice *from, uint64_t *v, size_t width)
{
	if (from->len < width)
		return false;
	*v = 0;
	for (size_t i = 0; i < width; i++)
		*v |= (uint64_t)(uint8_t)from->ptr[i] << (8 * i);
	*from = slice_new(from->ptr + width, from->len - width);
	return true;
}

static inline bool bytes_get_u8(struct slice *from, uint8_t *v)
{
	uint64_t wide;

	if (!bytes_get(from, &wide, 1))
		return false;
	*v = (uint8_t)wide;
	return true;
}

static inline bool bytes_get_u32(struct slice *from, uint32_t *v)
{
	uint64_t wide;

	if (!bytes_get(from, &wide, 4))
		return false;
	*v = (uint32_t)wide;
	return true;
}

static inline bool bytes_get_u64(struct slice *from, uint64_t *v)
{
	return bytes_get(from, v, 8);
}

static inline bool bytes_get_double(struct slice *from, double *v)
{
	uint64_t bits;

	if (!bytes_get_u64(from, &bits))
		return false;
	memcpy(v, &bits, sizeof bits);
	return true;
}

/* The next `len` bytes, borrowed. */
static inline bool bytes_get_bytes(struct slice *from, uint64_t len, struct slice *out)
{
	if (from->len < len)
		return false;
	*out = slice_new(from->ptr, len);
	*from = slice_new(from->ptr + len, from->len - len);
	return true;
}

/* A length (u32) and its bytes, borrowed. */
static inline bool bytes_get_slice(struct slice *from, struct slice *out)
{
	uint32_t len;

	return bytes_get_u32(from, &len) && bytes_get_bytes(from, len, out);
}

#endif

/* Byte slices: a borrowed pointer and a length. A slice never owns its bytes and need not end in NUL. */
#ifndef MOONGATE_BASE_SLICE_H
#define MOONGATE_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const char *ptr; /* borrowed; may be NULL when len is 0 */
	size_t len;      /* bytes */
};

/* Are `len` bytes the same? For the few bytes that names, labels and ids mostly have: memcmp without a call. No byte outside is read. */
static inline bool bytes_same(const char *x, const char *y, size_t len)
{
	uint64_t a, b;
	uint32_t c, d;

	if (len < 4) {
		for (size_t i = 0; i < len; i++) {
			if (x[i] != y[i])
				return false;
		}
		return true;
	}
	if (len < 8) { /* two words that may overlap, as below */
		memcpy(&c, x, 4);
		memcpy(&d, y, 4);
		if (c != d)
			return false;
		memcpy(&c, x + len - 4, 4);
		memcpy(&d, y + len - 4, 4);
		return c == d;
	}
	for (size_t i = 0; i + 8 < len; i += 8) {
		memcpy(&a, x + i, 8);
		memcpy(&b, y + i, 8);
		if (a != b)
			return false;
	}
	memcpy(&a, x + len - 8, 8);
	memcpy(&b, y + len - 8, 8);
	return a == b;
}

/* A slice over a string literal, usable in initialisers. */
#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})

/* printf("%.*s", SLICE_ARG(s)) */
#define SLICE_ARG(s) (int)(s).len, (s).ptr

/* A slice over `len` bytes at `ptr`. */
static inline struct slice slice_new(const char *ptr, size_t len)
{
	return (struct slice){ptr, len};
}

/* A slice over a NUL-terminated string, without the NUL. */
static inline struct slice slice_cstr(const char *s)
{
	return (struct slice){s, strlen(s)};
}

/* Same length and same bytes. */
static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* By bytes, as memcmp orders them; of two that begin alike the shorter one comes first. */
static inline int slice_compare(struct slice a, struct slice b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len == 0 ? 0 : memcmp(a.ptr, b.ptr, len);
	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* slice_compare for qsort over slices. */
static inline int slice_order(const void *a, const void *b)
{
	return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

#endif

/* Byte slices: a borrowed pointer and a length. A slice never owns its bytes and need not end in NUL. */
#ifndef MOONGATE_BASE_SLICE_H
#define MOONGATE_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
	const char *ptr; /* borrowed; may be NULL when len is 0 */
	size_t len;      /* bytes */
};

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

#endif

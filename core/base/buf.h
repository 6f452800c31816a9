/* A growable byte buffer. Failure is sticky: after an allocation failed, appends do nothing and buf_failed() says so,
 * so that a writer checks once at its end. Owned by one thread at a time. */
#ifndef MOONGATE_BASE_BUF_H
#define MOONGATE_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/slice.h"

struct buf {
	char *ptr;   /* owned; NULL when nothing was ever appended */
	size_t len;  /* bytes in use */
	size_t cap;  /* bytes allocated */
	bool failed; /* an allocation failed; what was appended before is intact */
};

/* Makes room for `extra` more bytes. 0, or -ENOMEM (sticky). */
int buf_grow(struct buf *b, size_t extra);

/* Frees the bytes and makes the buffer empty and usable again. */
void buf_free(struct buf *b);

/* Appends formatted text. */
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends `s` as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD; controls, quotes, backslashes,
 * U+2028 and U+2029 and `<` are escaped, so that the text can stand in HTML too. */
void buf_json_string(struct buf *b, struct slice s);

/* Appends a number as JSON has it, in the shortest form that reads back the same; NaN and infinities become null. The
 * exponent form is that of ECMAScript, Go's encoding/json and Prometheus' API: below 1e-6 and from 1e21 ("1e-7",
 * "1e+21"). */
void buf_json_number(struct buf *b, double v);

/* Appends a number in the shortest form that reads back the same, for Prometheus' text format: integers and decimals in
 * full ("0.1", "123456789"), the exponent form below 1e-4 and from 1e21 ("1e-05", "1e+21"), "NaN", "+Inf", "-Inf". At
 * most 32 bytes. */
void buf_number(struct buf *b, double v);

/* The same with the exponent form already from 1e6 where the digits ask for it ("1e+06", "1.23456789e+08"): what Go's
 * strconv 'g' with precision -1 and the verb %v give, and hence a template. */
void buf_number_go(struct buf *b, double v);

/* Appends a decimal integer. */
void buf_int(struct buf *b, int64_t v);

static inline bool buf_failed(const struct buf *b)
{
	return b->failed;
}

/* Makes the buffer empty, keeps its memory, forgets a failure. */
static inline void buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = false;
}

static inline struct slice buf_slice(const struct buf *b)
{
	return slice_new(b->ptr, b->len);
}

/* Room for `extra` bytes at the end, or NULL; the caller writes and then adds to `len`. */
static inline char *buf_room(struct buf *b, size_t extra)
{
	if (b->cap - b->len < extra || b->failed) {
		if (buf_grow(b, extra) != 0)
			return NULL;
	}
	return b->ptr + b->len;
}

static inline void buf_append(struct buf *b, const void *bytes, size_t len)
{
	if (len == 0)
		return; /* before there is memory, there is none to point to */
	char *to = buf_room(b, len);
	if (to == NULL)
		return;
	memcpy(to, bytes, len);
	b->len += len;
}

static inline void buf_byte(struct buf *b, char byte)
{
	char *to = buf_room(b, 1);
	if (to == NULL)
		return;
	*to = byte;
	b->len++;
}

static inline void buf_slice_append(struct buf *b, struct slice s)
{
	buf_append(b, s.ptr, s.len);
}

static inline void buf_str(struct buf *b, const char *s)
{
	buf_append(b, s, strlen(s));
}

#endif

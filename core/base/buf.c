/* The growable buffer and its JSON strings. Numbers are in number.c.
 *
 * JSON strings go run by run: bytes that need nothing are skipped by blocks and copied at once, so plain ASCII costs
 * little more than a memcpy. */
#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/utf8.h"

enum { CAP_MIN = 64 };

int buf_grow(struct buf *b, size_t extra)
{
	size_t need;

	if (b->failed)
		return -ENOMEM;
	if (b->ptr != NULL && b->cap - b->len >= extra)
		return 0;
	if (__builtin_add_overflow(b->len, extra, &need) || need > SIZE_MAX / 2) {
		b->failed = true;
		return -ENOMEM;
	}
	size_t cap = b->cap * 2 > need ? b->cap * 2 : need;
	if (cap < CAP_MIN)
		cap = CAP_MIN;
	char *grown = mem_realloc(b->ptr, cap);
	if (grown == NULL) {
		b->failed = true;
		return -ENOMEM;
	}
	b->ptr = grown;
	b->cap = cap;
	return 0;
}

void buf_free(struct buf *b)
{
	mem_free(b->ptr);
	*b = (struct buf){0};
}

void buf_printf(struct buf *b, const char *format, ...)
{
	va_list args;
	va_list again;
	char *to = buf_room(b, CAP_MIN);

	if (to == NULL)
		return;
	va_start(args, format);
	va_copy(again, args);
	int len = vsnprintf(to, b->cap - b->len, format, args);
	if (len < 0) {
		b->failed = true;
	} else if ((size_t)len >= b->cap - b->len) {
		to = buf_room(b, (size_t)len + 1);
		if (to != NULL)
			vsnprintf(to, b->cap - b->len, format, again);
	}
	va_end(again);
	va_end(args);
	if (!b->failed)
		b->len += (size_t)len;
}

/* What a byte is in a JSON string: 0 stands for itself, 1 may begin a longer UTF-8 sequence, else the letter of its
 * escape ('u': \u00XX). */
static const unsigned char escapes[256] = {
    [0 ... 7] = 'u',   ['\b'] = 'b', ['\t'] = 't',  ['\n'] = 'n', ['\v'] = 'u', ['\f'] = 'f',      ['\r'] = 'r',
    [14 ... 31] = 'u', ['"'] = '"',  ['\\'] = '\\', ['<'] = 'u',  [127] = 'u',  [128 ... 255] = 1,
};

typedef unsigned char block __attribute__((vector_size(16)));
typedef uint64_t halves __attribute__((vector_size(16)));

/* The first byte from `at` on that does not stand for itself, or `end`. Sixteen at a time, by the compiler's vectors.
 */
static const unsigned char *plain_end(const unsigned char *at, const unsigned char *end)
{
	for (; end - at >= 16; at += 16) {
		block v;
		memcpy(&v, at, sizeof v);
		halves special = (halves)((v < 0x20) | (v > 0x7e) | (v == '"') | (v == '\\') | (v == '<'));
		if ((special[0] | special[1]) != 0)
			break;
	}
	while (at < end && escapes[*at] == 0)
		at++;
	return at;
}

/* Bytes to skip for a broken sequence: its longest well-formed beginning, at least one (Unicode 3.9, "maximal
 * subpart"). */
static size_t broken(const unsigned char *at, size_t left)
{
	char tried[4];

	for (size_t have = left < 3 ? left : 3; have > 1; have--) {
		for (size_t i = 0; i < 4; i++)
			tried[i] = (char)(i < have ? at[i] : 0x80);
		size_t len = utf8_char(tried, sizeof tried);
		if (len > have)
			return have;
	}
	return 1;
}

/* Appends what stands for the byte or sequence at `at`; returns how many bytes it covers. */
static size_t escape(struct buf *b, const unsigned char *at, size_t left)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char kind = escapes[*at];

	if (kind == 'u') {
		char text[6] = {'\\', 'u', '0', '0', hex[*at >> 4], hex[*at & 15]};
		buf_append(b, text, sizeof text);
		return 1;
	}
	if (kind != 1) {
		char text[2] = {'\\', (char)kind};
		buf_append(b, text, sizeof text);
		return 1;
	}
	size_t len = utf8_char((const char *)at, left);
	if (len == 0) {
		buf_append(b, "\xef\xbf\xbd", 3);
		return broken(at, left);
	}
	if (len == 3 && at[0] == 0xe2 && at[1] == 0x80 && (at[2] == 0xa8 || at[2] == 0xa9))
		buf_append(b, at[2] == 0xa8 ? "\\u2028" : "\\u2029", 6);
	else
		buf_append(b, at, len);
	return len;
}

void buf_json_string(struct buf *b, struct slice s)
{
	const unsigned char *at = (const unsigned char *)(s.len != 0 ? s.ptr : "");
	const unsigned char *end = at + s.len;

	if (s.len < SIZE_MAX - 2)
		buf_room(b, s.len + 2);
	buf_byte(b, '"');
	while (at < end && !b->failed) {
		const unsigned char *run = at;
		at = plain_end(at, end);
		buf_append(b, run, (size_t)(at - run));
		if (at < end)
			at += escape(b, at, (size_t)(end - at));
	}
	buf_byte(b, '"');
}

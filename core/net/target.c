/* Request targets and query parameters. */
#include <string.h>

#include "base/hex.h"
#include "net/head.h"

/* The byte that %XX at `at` stands for, or -1. */
static int percent(const char *at, const char *end)
{
	if (end - at < 3)
		return -1;
	return hex_byte(at + 1);
}

/* Decodes in place. The new length, or -1: a malformed code or a control character. */
static ptrdiff_t decode_path(char *path, size_t len)
{
	const char *end = path + len;
	char *to = path;
	for (const char *at = path; at < end; at++) {
		int c = (unsigned char)*at;
		bool coded = c == '%';
		if (coded)
			c = percent(at, end);
		if (c < ' ' || c == 0x7f)
			return -1;
		if (coded)
			at += 2;
		*to++ = (char)c;
	}
	return to - path;
}

/* "/a/b/": no segment but the last is empty, none is "." or "..". */
static bool has_plain_segments(const char *path, size_t len)
{
	const char *end = path + len;
	for (const char *at = path + 1; at < end; at++) {
		const char *slash = memchr(at, '/', (size_t)(end - at));
		const char *stop = slash != NULL ? slash : end;
		size_t n = (size_t)(stop - at);
		if (n == 0 || (n == 1 && at[0] == '.') || (n == 2 && at[0] == '.' && at[1] == '.'))
			return false;
		at = stop;
	}
	return true;
}

static bool refuse(struct refusal *no, const char *why)
{
	*no = (struct refusal){400, why};
	return false;
}

bool target_parse(struct head *h, char *target, size_t len, struct refusal *no)
{
	if (len == 1 && target[0] == '*' && h->method == HTTP_OPTIONS) {
		h->path = slice_new(target, 1);
		return true;
	}
	if (len == 0 || target[0] != '/')
		return refuse(no, "the request target must begin with '/'");
	if (memchr(target, '#', len) != NULL)
		return refuse(no, "the request target must not have a fragment");
	char *mark = memchr(target, '?', len);
	if (mark != NULL)
		h->query = slice_new(mark + 1, len - (size_t)(mark + 1 - target));
	ptrdiff_t decoded = decode_path(target, mark != NULL ? (size_t)(mark - target) : len);
	if (decoded < 0)
		return refuse(no, "the path has malformed percent codes or control characters");
	h->path = slice_new(target, (size_t)decoded);
	if (!has_plain_segments(target, (size_t)decoded))
		return refuse(no, "the path must have no empty, '.' or '..' segments");
	return true;
}

size_t target_decode_param(struct slice in, char *out)
{
	const char *end = in.ptr + in.len;
	char *to = out;
	for (const char *at = in.ptr; at < end; at++) {
		int c = *at == '%' ? percent(at, end) : -1;
		if (c >= 0) {
			*to++ = (char)c;
			at += 2;
			continue;
		}
		*to++ = *at == '+' ? ' ' : *at;
	}
	return (size_t)(to - out);
}

/* Constants as Go writes them: numbers, strings with escapes, raw strings, characters. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "template/parse.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads `count` digits of a base; −1: they are none. */
static int64_t digits(struct slice *in, int count, int base)
{
	int64_t value = 0;

	if (in->len < (size_t)count)
		return -1;
	for (int i = 0; i < count; i++) {
		int d = hex_digit(in->ptr[i]);
		if (d < 0 || d >= base)
			return -1;
		value = value * base + d;
	}
	*in = slice_new(in->ptr + count, in->len - (size_t)count);
	return value;
}

static int simple_escape(char c)
{
	static const char names[] = "abfnrtv\\'\"";
	static const char values[] = "\a\b\f\n\r\t\v\\'\"";
	const char *at = c == '\0' ? NULL : strchr(names, c);

	return at == NULL ? -1 : (unsigned char)values[at - names];
}

/* What stands behind a backslash: a byte (*is_byte) or a rune. −1: no escape. */
static int64_t read_escape(struct slice *in, bool *is_byte)
{
	if (in->len == 0)
		return -1;
	char c = in->ptr[0];
	*is_byte = true;
	if (c >= '0' && c <= '7') {
		int64_t value = digits(in, 3, 8);
		return value > 255 ? -1 : value;
	}
	*in = slice_new(in->ptr + 1, in->len - 1);
	if (c == 'x')
		return digits(in, 2, 16);
	if (c != 'u' && c != 'U')
		return simple_escape(c);
	*is_byte = false;
	int64_t rune = digits(in, c == 'u' ? 4 : 8, 16);
	return rune > 0x10ffff || (rune >= 0xd800 && rune < 0xe000) ? -1 : rune;
}

/* The text between the quotes. Its decoded form is never longer. 0, -EINVAL, -ENOMEM. */
static int unquote(struct parser *p, struct slice in, struct slice *out)
{
	char *to = arena_alloc(&p->set->arena, in.len + 4);

	if (to == NULL)
		return error_set(p->err, -ENOMEM, "out of memory for a template");
	out->ptr = to;
	while (in.len > 0) {
		char c = in.ptr[0];
		in = slice_new(in.ptr + 1, in.len - 1);
		if (c != '\\') {
			*to++ = c;
			continue;
		}
		bool is_byte;
		int64_t value = read_escape(&in, &is_byte);
		if (value < 0)
			return -EINVAL;
		if (is_byte)
			*to++ = (char)value;
		else
			to += utf8_encode((uint32_t)value, to);
	}
	out->len = (size_t)(to - out->ptr);
	return 0;
}

static int read_string(struct parser *p, const struct token *t, struct template_value *out)
{
	struct slice text = {0};
	int code = unquote(p, slice_new(t->text.ptr + 1, t->text.len - 2), &text);

	if (code == -EINVAL)
		return template_parser_fail(p, t->at, "invalid syntax in %.*s", SLICE_ARG(t->text));
	*out = template_string(text);
	return code;
}

/* The rune of the first, and only, character. −1: it is none. */
static int64_t only_rune(struct slice s)
{
	const unsigned char *u = (const unsigned char *)s.ptr;
	size_t len = s.len == 0 ? 0 : utf8_char(s.ptr, s.len);

	if (len == 0 || len != s.len)
		return -1;
	static const unsigned char first[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	int64_t rune = u[0] & first[len];
	for (size_t i = 1; i < len; i++)
		rune = rune << 6 | (u[i] & 0x3f);
	return rune;
}

static int read_character(struct parser *p, const struct token *t, struct template_value *out)
{
	struct slice in = slice_new(t->text.ptr + 1, t->text.len - 2);
	bool is_byte;
	int64_t rune;

	if (in.len > 0 && in.ptr[0] == '\\') {
		in = slice_new(in.ptr + 1, in.len - 1);
		rune = read_escape(&in, &is_byte);
		if (in.len != 0)
			rune = -1;
	} else {
		rune = only_rune(in);
	}
	if (rune < 0)
		return template_parser_fail(p, t->at, "malformed character constant: %.*s", SLICE_ARG(t->text));
	*out = template_int(rune);
	return 0;
}

/* Without underscores, which Go allows between digits. False: it is too long, or has one elsewhere. */
static bool copy_number(struct slice s, char out[64])
{
	size_t n = 0;

	if (s.len >= 64)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] != '_') {
			out[n++] = s.ptr[i];
			continue;
		}
		bool after = i > 0 && (hex_digit(s.ptr[i - 1]) >= 0 || (i == 2 && strchr("xXoO", s.ptr[1]) != NULL));
		if (!after || i + 1 == s.len || hex_digit(s.ptr[i + 1]) < 0)
			return false;
	}
	out[n] = '\0';
	return true;
}

static bool read_integer(const char *text, int64_t *out)
{
	const char *digits_at = text + (*text == '+' || *text == '-');
	int base = 10;
	char *end;

	if (digits_at[0] == '0' && digits_at[1] != '\0') {
		char kind = (char)(digits_at[1] | 0x20);
		base = kind == 'x' ? 16 : kind == 'b' ? 2 : 8;
		digits_at += kind == 'x' || kind == 'b' || kind == 'o' ? 2 : 1;
	}
	if (hex_digit(*digits_at) < 0)
		return false;
	errno = 0;
	unsigned long long value = strtoull(digits_at, &end, base);
	bool negative = *text == '-';
	if (*end != '\0' || errno != 0 || value > (unsigned long long)INT64_MAX + negative)
		return false;
	*out = negative ? (int64_t)(0 - value) : (int64_t)value;
	return true;
}

static int read_number(struct parser *p, const struct token *t, struct template_value *out)
{
	char text[64];
	char *end;
	int64_t integer;

	if (!copy_number(t->text, text))
		return template_parser_fail(p, t->at, "bad number syntax: \"%.*s\"", SLICE_ARG(t->text));
	if (read_integer(text, &integer)) {
		*out = template_int(integer);
		return 0;
	}
	bool hex = strchr(text, 'x') != NULL || strchr(text, 'X') != NULL;
	double number = strtod(text, &end);
	if (*end != '\0' || end == text || !isfinite(number) || (hex && strpbrk(text, "pP") == NULL) ||
	    strpbrk(text, "nN") != NULL) /* NaN and infinity are no numbers of Go's */
		return template_parser_fail(p, t->at, "bad number syntax: \"%.*s\"", SLICE_ARG(t->text));
	/* 1e3 is an integer too, where one is wanted; as a constant it is a float64. */
	*out = template_float(number);
	return 0;
}

int template_parse_constant(struct parser *p, const struct token *t, struct template_value *out)
{
	switch (t->type) {
	case TOKEN_STRING:
		return read_string(p, t, out);
	case TOKEN_RAW:
		*out = template_string(slice_new(t->text.ptr + 1, t->text.len - 2));
		return 0;
	case TOKEN_CHARACTER:
		return read_character(p, t, out);
	default:
		return read_number(p, t, out);
	}
}

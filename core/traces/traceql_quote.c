/* Strings as Go quotes them: "with escapes", or `as they are`. */
#include "base/utf8.h"
#include "traces/traceql_lex.h"

/* Takes `count` digits of a base; -1: one is none. */
static int64_t take_digits(struct lexer_state *l, uint32_t count, uint32_t base)
{
	int64_t v = 0;

	for (; count > 0; count--, l->at++) {
		int c = lex_byte(l, 0), lower = c | 0x20;
		int digit = lex_is_digit(c) ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 99;
		if (digit >= (int)base)
			return -1;
		v = v * base + digit;
	}
	return v;
}

/* Behind a backslash. How many bytes went to `to`, 0: it is no escape. */
static size_t escape(struct lexer_state *l, char *to)
{
	static const char names[] = "abfnrtv\\\"", bytes[] = "\a\b\f\n\r\t\v\\\"";
	int c = lex_byte(l, 0);

	for (size_t i = 0; names[i] != '\0'; i++) {
		if (c == names[i]) {
			l->at++;
			*to = bytes[i];
			return 1;
		}
	}
	if (c == 'x' || (c >= '0' && c <= '7')) {
		l->at += c == 'x';
		int64_t byte = c == 'x' ? take_digits(l, 2, 16) : take_digits(l, 3, 8);
		*to = (char)byte;
		return byte >= 0 && byte <= 255;
	}
	if (c != 'u' && c != 'U')
		return 0;
	l->at++;
	int64_t rune = take_digits(l, c == 'u' ? 4 : 8, 16);
	if (rune < 0 || rune > 0x10ffff || (rune >= 0xd800 && rune <= 0xdfff))
		return 0;
	return utf8_encode((uint32_t)rune, to);
}

static bool raw(struct lexer_state *l, struct slice *out, const char **error)
{
	uint32_t from = ++l->at;

	while (lex_byte(l, 0) >= 0 && lex_byte(l, 0) != '`')
		l->at++;
	if (lex_byte(l, 0) < 0) {
		*error = "a string does not end";
		return false;
	}
	*out = slice_new(l->input.ptr + from, l->at - from);
	l->at++;
	return true;
}

bool lex_quoted(struct lexer_state *l, struct slice *out, const char **error)
{
	if (lex_byte(l, 0) == '`')
		return raw(l, out, error);
	size_t len = 0;
	char *to = arena_alloc(l->arena, l->input.len - l->at); /* an escape is never shorter than what it means */
	if (to == NULL)
		return false;
	for (l->at++; lex_byte(l, 0) != '"';) {
		int c = lex_byte(l, 0);
		if (c < 0 || c == '\n') {
			*error = "a string does not end";
			return false;
		}
		l->at++;
		if (c != '\\') {
			to[len++] = (char)c;
			continue;
		}
		size_t more = escape(l, to + len);
		if (more == 0) {
			*error = "invalid escape sequence in a string";
			return false;
		}
		len += more;
	}
	l->at++;
	*out = slice_new(to, len);
	return true;
}

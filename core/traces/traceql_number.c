/* Numbers and durations: 12, 1.5, 1e3, 250ms, 1h30m. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "traces/traceql_lex.h"

enum { NUMBER_BYTES_MAX = 63 };

static const struct {
	const char *name;
	double ns;
} units[] = {
    {"ns", 1},   {"us", 1e3},   {"\xc2\xb5s", 1e3}, {"\xce\xbcs", 1e3}, {"ms", 1e6},       {"s", 1e9},
    {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9},     {"w", 604800e9},    {"y", 31536000e9},
};

static void digits(struct lexer_state *l)
{
	while (lex_is_digit(lex_byte(l, 0)))
		l->at++;
}

/* Digits with a point and an exponent; was there one of these? */
static bool mantissa(struct lexer_state *l, bool exponents)
{
	uint32_t from = l->at;

	digits(l);
	uint32_t whole = l->at;
	if (lex_byte(l, 0) == '.' && (lex_is_digit(lex_byte(l, 1)) || whole > from)) {
		l->at++;
		digits(l);
	}
	if (exponents && (lex_byte(l, 0) | 0x20) == 'e') {
		uint32_t sign = lex_byte(l, 1) == '+' || lex_byte(l, 1) == '-';
		if (lex_is_digit(lex_byte(l, 1 + sign))) {
			l->at += 1 + sign;
			digits(l);
		}
	}
	return l->at > whole;
}

/* The text from `from` on as a number: the locale is C's. */
static bool as_double(const struct lexer_state *l, uint32_t from, double *out)
{
	char text[NUMBER_BYTES_MAX + 1];
	size_t len = l->at - from;

	if (len > NUMBER_BYTES_MAX)
		return false;
	memcpy(text, l->input.ptr + from, len);
	text[len] = '\0';
	*out = strtod(text, NULL);
	return isfinite(*out);
}

/* The unit at hand, or 0. The longest: m is not taken of ms. */
static double take_unit(struct lexer_state *l)
{
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		size_t len = strlen(units[i].name);
		if (l->input.len - l->at < len || memcmp(l->input.ptr + l->at, units[i].name, len) != 0)
			continue;
		l->at += (uint32_t)len;
		return units[i].ns;
	}
	return 0;
}

static bool is_letter(int c)
{
	return c == '_' || c >= 0x80 || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A number and a unit, as often as there are. False, with l->at as it was: it is no duration. */
static bool duration(struct lexer_state *l, struct lex_token *t)
{
	uint32_t start = l->at;
	long double total = 0;

	while (lex_is_digit(lex_byte(l, 0)) || lex_byte(l, 0) == '.') {
		uint32_t from = l->at;
		double v = 0;
		mantissa(l, false);
		double unit = l->at > from && as_double(l, from, &v) ? take_unit(l) : 0;
		if (unit == 0) {
			l->at = start;
			return false;
		}
		total += (long double)v * unit;
	}
	if (is_letter(lex_byte(l, 0))) {
		l->at = start;
		return false;
	}
	t->type = LEX_DURATION;
	if (total >= 0x1p63L) {
		t->type = LEX_ERROR;
		t->error = "a duration is out of range";
	} else {
		t->integer = (int64_t)(total + 0.5L);
	}
	return true;
}

void lex_number(struct lexer_state *l, struct lex_token *t)
{
	uint32_t from = l->at;

	if (duration(l, t))
		return;
	t->type = LEX_INT;
	if (mantissa(l, true)) {
		t->type = LEX_FLOAT;
		if (!as_double(l, from, &t->number)) {
			t->type = LEX_ERROR;
			t->error = "a number is out of range";
		}
		return;
	}
	for (uint32_t i = from; i < l->at; i++) {
		if (__builtin_mul_overflow(t->integer, 10, &t->integer) ||
		    __builtin_add_overflow(t->integer, l->input.ptr[i] - '0', &t->integer)) {
			t->type = LEX_ERROR;
			t->error = "a number is out of range";
			return;
		}
	}
}

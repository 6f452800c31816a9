/* Numbers, durations and strings: what their characters mean. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/hex.h"
#include "base/utf8.h"
#include "promql/parser.h"
#include "promql/quote.h"

/* ---- numbers ---- */

enum { NUMBER_MAX = 4096 };

/* Underscores stand between digits, or behind the prefix of a base; takes them out. False: one does not. `text` ends in NUL. */
static bool drop_underscores(char *text)
{
	bool prefixed = text[0] == '0' && text[1] != '\0' && strchr("bBoOxX", text[1]) != NULL;
	bool hex = prefixed && (text[1] | 0x20) == 'x';
	char saw = prefixed ? '0' : '^', *to = text;

	for (const char *at = text; *at != '\0'; at++) {
		bool in_prefix = prefixed && at < text + 2;
		if (*at == '_') {
			if (saw != '0')
				return false;
			saw = '_';
			continue;
		}
		int value = hex_digit((unsigned char)*at);
		bool digit = in_prefix || (value >= 0 && value < (hex ? 16 : 10));
		if (saw == '_' && !digit)
			return false;
		saw = digit ? '0' : '!';
		*to++ = *at;
	}
	*to = '\0';
	return saw != '_';
}

/* A whole number as Go reads one whose base is in its prefix: 0x1F, 017 and 0o17 (octal), 0b101. False: it is none, or beyond int64. */
static bool whole_number(const char *text, double *out)
{
	int base = 10;
	uint64_t v = 0;

	if (text[0] == '0' && text[1] != '\0') {
		char prefix = (char)(text[1] | 0x20);
		base = prefix == 'x' ? 16 : prefix == 'b' ? 2 : 8;
		text += prefix == 'x' || prefix == 'b' || prefix == 'o' ? 2 : 1;
	}
	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		int digit = hex_digit((unsigned char)*text);
		if (digit < 0 || digit >= base || v > (uint64_t)INT64_MAX / (unsigned)base)
			return false;
		v = v * (unsigned)base + (unsigned)digit;
		if (v > (uint64_t)INT64_MAX)
			return false;
	}
	*out = (double)v;
	return true;
}

/* What strtod takes and Go's ParseFloat: decimal, with digits. The locale is C: nothing here calls setlocale. */
static bool decimal_number(const char *text, double *out)
{
	char *end;
	if (text[0] == '\0' || text[strspn(text, "0123456789.eE+-")] != '\0')
		return false;
	*out = strtod(text, &end);
	return *end == '\0';
}

static const char *read_number(char *text, double *out)
{
	if (strcasecmp(text, "inf") == 0 || strcasecmp(text, "nan") == 0) {
		*out = (*text | 0x20) == 'i' ? (double)INFINITY : (double)NAN;
		return NULL;
	}
	if (!drop_underscores(text) || (!whole_number(text, out) && !decimal_number(text, out)))
		return "invalid syntax";
	return isinf(*out) ? "value out of range" : NULL;
}

static bool number_value(struct parser *p, struct token t, double *out)
{
	char text[NUMBER_MAX + 1];
	const char *wrong = "more than 4096 bytes";

	if (t.text.len <= NUMBER_MAX) {
		memcpy(text, t.text.ptr, t.text.len);
		text[t.text.len] = '\0';
		wrong = read_number(text, out);
	}
	if (wrong == NULL)
		return true;
	parser_fail(p, t.start, "error parsing number: strconv.ParseFloat: parsing %s: %s",
	            quoted(t.text, 512, p->arena), wrong);
	return false;
}

/* ---- durations ---- */

static const struct unit {
	const char *name;
	uint64_t ms;
} units[] = {
    {"y", 365 * 86400000ull},
    {"w", 7 * 86400000ull},
    {"d", 86400000},
    {"h", 3600000},
    {"m", 60000},
    {"s", 1000},
    {"ms", 1},
};
enum { UNITS = sizeof units / sizeof *units };

static int unit_of(struct slice name)
{
	for (int i = 0; i < UNITS; i++) {
		if (slice_eq(name, slice_cstr(units[i].name)))
			return i;
	}
	return -1;
}

/* Go's durations end at 2^63 nanoseconds, 292 years. */
static const uint64_t duration_max_ms = UINT64_C(9223372036854);

static int invalid_duration(struct parser *p, struct token t)
{
	return parser_fail(p, t.start, "not a valid duration string: %s", quoted(t.text, 512, p->arena));
}

/* One number and its unit from *at on; units come from large to small, `unit` is the last one that came. */
static int take_unit(struct parser *p, struct token t, const char **at, int *unit, uint64_t *ms)
{
	const char *end = t.text.ptr + t.text.len;
	uint64_t count = 0;

	for (; *at < end && is_digit(**at); ++*at) {
		if (__builtin_mul_overflow(count, 10u, &count) ||
		    __builtin_add_overflow(count, (uint64_t)(**at - '0'), &count))
			return invalid_duration(p, t);
	}
	const char *name = *at;
	while (*at < end && !is_digit(**at))
		++*at;
	struct slice text = slice_new(name, (size_t)(*at - name));
	int found = unit_of(text);
	if (text.len == 0)
		return invalid_duration(p, t);
	if (found < 0)
		return parser_fail(p, t.start, "unknown unit %s in duration %s", quoted(text, 512, p->arena),
		                   quoted(t.text, 512, p->arena));
	if (found <= *unit)
		return invalid_duration(p, t);
	*unit = found;
	if (count > duration_max_ms / units[found].ms || *ms + count * units[found].ms > duration_max_ms)
		return parser_fail(p, t.start, "duration out of range");
	*ms += count * units[found].ms;
	return 0;
}

static bool duration_value(struct parser *p, struct token t, double *seconds)
{
	const char *at = t.text.ptr, *end = at + t.text.len;
	uint64_t ms = 0;
	int unit = -1;

	while (at < end) {
		if (take_unit(p, t, &at, &unit, &ms) != 0)
			return false;
	}
	uint64_t whole = ms / 1000, rest = ms % 1000; /* as Go's Duration.Seconds adds them up */
	*seconds = (double)whole + (double)rest / 1e3;
	return true;
}

struct promql_expr *parse_number(struct parser *p, struct token t)
{
	double value = 0;
	bool duration = t.type == TOKEN_DURATION;

	if (!(duration ? duration_value(p, t, &value) : number_value(p, t, &value)))
		return NULL;
	struct promql_expr *e = parser_new(p, PROMQL_NUMBER, PROMQL_SCALAR, t.start, t.start + (uint32_t)t.text.len);
	if (e != NULL) {
		e->number.value = value;
		e->number.duration = duration;
	}
	return e;
}

/* ---- strings ---- */

static uint32_t take_digits(const char **at, int count, uint32_t base)
{
	uint32_t v = 0;
	for (; count > 0; count--)
		v = v * base + (uint32_t)hex_digit((unsigned char)*(*at)++);
	return v;
}

/* Behind the backslash; the lexer has seen that it is an escape sequence. */
static char *put_escape(char *to, const char **at)
{
	static const char letters[] = "abtnvfr";
	char c = *(*at)++;
	const char *letter = strchr(letters, c);

	if (letter != NULL)
		*to++ = (char)(letter - letters + 7);
	else if (c == 'x')
		*to++ = (char)take_digits(at, 2, 16);
	else if (c == 'u')
		to += utf8_encode(take_digits(at, 4, 16), to);
	else if (c == 'U')
		to += utf8_encode(take_digits(at, 8, 16), to);
	else if (c >= '0' && c <= '7') {
		--*at;
		*to++ = (char)take_digits(at, 3, 8);
	} else
		*to++ = c;
	return to;
}

struct slice parse_string(struct parser *p, struct token t)
{
	struct slice inside = slice_new(t.text.ptr + 1, t.text.len - 2);
	char *copy = arena_alloc(p->arena, inside.len + 1), *to = copy;

	if (copy == NULL) {
		parser_out_of_memory(p);
		return (struct slice){0};
	}
	if (t.text.ptr[0] == '`' || memchr(inside.ptr, '\\', inside.len) == NULL) {
		memcpy(copy, inside.ptr, inside.len);
		return slice_new(copy, inside.len);
	}
	for (const char *at = inside.ptr, *end = at + inside.len; at < end;) {
		if (*at != '\\') {
			*to++ = *at++;
			continue;
		}
		at++;
		to = put_escape(to, &at);
	}
	return slice_new(copy, (size_t)(to - copy));
}

/* Numbers as text: integers, and doubles in the shortest form that reads back the same.
 *
 * Three ways, the fast ones first: whole numbers below 2^53 are integers; numbers of few decimals are an integer over a
 * power of ten (exact when both fit a double: the division is then the correctly rounded reading of that text); the rest is
 * tried with 15, 16 and 17 digits. */
#include "base/buf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { NUMBER_MAX = 32 };

/* A positive decimal number: digits × 10^exponent, without zeros at its end. */
struct decimal {
	uint64_t digits;
	int exponent;
};

/* Where the exponent form begins, and how it looks. */
struct style {
	int below;      /* exponent form for 10^x with x below this */
	int from;       /* or from this on */
	int exp_digits; /* at least so many digits in the exponent */
};

static const struct style style_text = {-4, 21, 2};
static const struct style style_go = {-4, 6, 2};
static const struct style style_json = {-6, 21, 1};

static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748"
			    "49505152535455565758596061626364656667686970717273747576777879808182838485868788899091929394959697"
			    "9899";

/* Writes `v` in decimal so that it ends before `end`; returns its first byte. */
static char *digits_before(char *end, uint64_t v)
{
	while (v >= 100) {
		end -= 2;
		memcpy(end, pairs + v % 100 * 2, 2);
		v /= 100;
	}
	if (v < 10) {
		*--end = (char)('0' + v);
		return end;
	}
	end -= 2;
	memcpy(end, pairs + v * 2, 2);
	return end;
}

static void append_integer(struct buf *b, bool negative, uint64_t v)
{
	char text[NUMBER_MAX];
	char *at = digits_before(text + sizeof text, v);

	if (negative)
		*--at = '-';
	buf_append(b, at, (size_t)(text + sizeof text - at));
}

void buf_int(struct buf *b, int64_t v)
{
	append_integer(b, v < 0, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

/* `v` as an integer over a power of ten up to 10^9, if it is one of at most 15 digits. The smallest power that fits gives the fewest
 * digits; with at most 15 of them no other number of that length reads back as `v`. */
static bool short_decimal(double v, struct decimal *d)
{
	static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};

	if (v >= 1e15 || v < 1e-5)
		return false;
	for (int i = 1; i < 10; i++) {
		double scaled = v * powers[i];
		if (scaled >= 1e15)
			return false;
		uint64_t digits = (uint64_t)(scaled + 0.5);
		if ((double)digits / powers[i] != v)
			continue;
		*d = (struct decimal){digits, -i};
		return true;
	}
	return false;
}

/* The shortest decimal that reads back as `v`, which is finite and above zero. */
static struct decimal shortest(double v)
{
	struct decimal d;
	char text[NUMBER_MAX];

	if (short_decimal(v, &d))
		return d;
	for (int precision = 14; precision <= 16; precision++) {
		snprintf(text, sizeof text, "%.*e", precision, v);
		if (strtod(text, NULL) == v)
			break;
	}
	char *e = strchr(text, 'e');
	d.exponent = (int)strtol(e + 1, NULL, 10);
	d.digits = (uint64_t)(text[0] - '0');
	for (char *at = text + 2; at < e; at++, d.exponent--)
		d.digits = d.digits * 10 + (uint64_t)(*at - '0');
	while (d.digits % 10 == 0) {
		d.digits /= 10;
		d.exponent++;
	}
	return d;
}

/* Writes d.ddde±xx to `to`; returns the end. */
static char *write_exponent(char *to, const char *digits, int count, int exp, const struct style *style)
{
	char text[8];

	*to++ = digits[0];
	if (count > 1) {
		*to++ = '.';
		memcpy(to, digits + 1, (size_t)count - 1);
		to += count - 1;
	}
	*to++ = 'e';
	*to++ = exp < 0 ? '-' : '+';
	char *end = text + sizeof text;
	char *at = digits_before(end, (uint64_t)(exp < 0 ? -exp : exp));
	while (end - at < style->exp_digits)
		*--at = '0';
	memcpy(to, at, (size_t)(end - at));
	return to + (end - at);
}

/* Writes the digits with a point after the first `point` of them (which may be outside of them); returns the end. */
static char *write_plain(char *to, const char *digits, int count, int point)
{
	if (point <= 0) {
		*to++ = '0';
		*to++ = '.';
		memset(to, '0', (size_t)-point);
		to += -point;
		memcpy(to, digits, (size_t)count);
		return to + count;
	}
	if (point >= count) {
		memcpy(to, digits, (size_t)count);
		memset(to + count, '0', (size_t)(point - count));
		return to + point;
	}
	memcpy(to, digits, (size_t)point);
	to[point] = '.';
	memcpy(to + point + 1, digits + point, (size_t)(count - point));
	return to + count + 1;
}

/* Appends a number that is not NaN nor infinite. */
static void append_finite(struct buf *b, double v, const struct style *style)
{
	char digits[NUMBER_MAX];
	bool negative = signbit(v);
	double size = fabs(v);

	if (size < 9007199254740992.0 && size == (double)(uint64_t)size && (style->from >= 21 || size < 1e6)) {
		append_integer(b, negative, (uint64_t)size);
		return;
	}
	char *to = buf_room(b, NUMBER_MAX);
	if (to == NULL)
		return;
	struct decimal d = shortest(size);
	char *first = digits_before(digits + sizeof digits, d.digits);
	int count = (int)(digits + sizeof digits - first);
	int exp = count - 1 + d.exponent;
	if (negative)
		*to++ = '-';
	if (exp < style->below || exp >= style->from)
		to = write_exponent(to, first, count, exp, style);
	else
		to = write_plain(to, first, count, exp + 1);
	b->len = (size_t)(to - b->ptr);
}

static void append_number(struct buf *b, double v, const struct style *style)
{
	if (isfinite(v))
		append_finite(b, v, style);
	else if (isnan(v))
		buf_append(b, "NaN", 3);
	else
		buf_append(b, v > 0 ? "+Inf" : "-Inf", 4);
}

void buf_number(struct buf *b, double v)
{
	append_number(b, v, &style_text);
}

void buf_number_go(struct buf *b, double v)
{
	append_number(b, v, &style_go);
}

void buf_json_number(struct buf *b, double v)
{
	if (isfinite(v))
		append_finite(b, v, &style_json);
	else
		buf_append(b, "null", 4);
}

/* Numbers as text. Most are whole (counters, bucket counts) and take the way of integers; the others get their digits
 * from decimal.c. Nothing here asks the locale. */
#include "base/buf.h"

#include <math.h>

#include "base/decimal.h"

enum { NUMBER_MAX = 32 };

/* Where the exponent form begins, and how it looks. */
struct style {
	int below;      /* exponent form for 10^x with x below this */
	int from;       /* or from this on */
	int exp_digits; /* at least so many digits in the exponent */
};

static const struct style style_text = {-4, 21, 2};
static const struct style style_go = {-4, 6, 2};
static const struct style style_json = {-6, 21, 1};

static const char pairs[] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748"
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

static int count_digits(uint64_t v)
{
	static const uint64_t powers[] = {0,
	                                  10,
	                                  100,
	                                  1000,
	                                  10000,
	                                  100000,
	                                  1000000,
	                                  10000000,
	                                  100000000,
	                                  1000000000,
	                                  10000000000,
	                                  100000000000,
	                                  1000000000000,
	                                  10000000000000,
	                                  100000000000000,
	                                  1000000000000000,
	                                  10000000000000000,
	                                  100000000000000000,
	                                  1000000000000000000,
	                                  10000000000000000000u};
	/* Bits × log10(2), which is exact or one too small. */
	int guess = (64 - __builtin_clzll(v | 1)) * 1233 >> 12;

	return guess + (v >= powers[guess]);
}

static void append_integer(struct buf *b, bool negative, uint64_t v)
{
	char *to = buf_room(b, NUMBER_MAX);

	if (to == NULL)
		return;
	*to = '-';
	to += negative + count_digits(v);
	digits_before(to, v);
	b->len = (size_t)(to - b->ptr);
}

void buf_int(struct buf *b, int64_t v)
{
	append_integer(b, v < 0, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
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

	if (size < 9007199254740992.0 && size == (double)(uint64_t)size && (style->from >= 16 || size < 1e6)) {
		append_integer(b, negative, (uint64_t)size);
		return;
	}
	char *to = buf_room(b, NUMBER_MAX);
	if (to == NULL)
		return;
	struct decimal d = decimal_shortest(size);
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

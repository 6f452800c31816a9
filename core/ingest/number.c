/* Decimal text as doubles. The few numbers that are no single operation go to strtod, whose locale is C because nothing in this program calls setlocale. */
#include "ingest/number.h"

#include <math.h>
#include <stdlib.h>
#include <strings.h>

const double number_powers[NUMBER_POWERS] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                             1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

bool number_slow(struct slice text, double *out)
{
	char copy[NUMBER_TEXT_MAX + 1];

	if (text.len > NUMBER_TEXT_MAX)
		return false;
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	*out = strtod(copy, NULL);
	return true;
}

static bool is_word(struct slice text, const char *word)
{
	return text.len == strlen(word) && strncasecmp(text.ptr, word, text.len) == 0;
}

/* The digits of a number, a point among them or not: the first 19 significant ones as a number and how many places it has to be moved. */
struct digits {
	uint64_t value;
	int32_t exponent;
	uint32_t significant, seen;
	bool point;
};

static const char *read_digits(const char *at, const char *end, struct digits *d)
{
	for (; at < end; at++) {
		if (*at == '.' && !d->point) {
			d->point = true;
			continue;
		}
		if (*at < '0' || *at > '9')
			break;
		d->seen++;
		d->exponent -= d->point;
		if (d->significant == 0 && *at == '0')
			continue;
		if (d->significant++ < 19)
			d->value = d->value * 10 + (uint64_t)(*at - '0');
	}
	return at;
}

/* Behind the `e`; NULL when there is no number. */
static const char *read_exponent(const char *at, const char *end, int32_t *out)
{
	bool negative = at < end && *at == '-';
	int32_t v = 0;

	at += at < end && (*at == '+' || *at == '-');
	const char *first = at;
	for (; at < end && *at >= '0' && *at <= '9'; at++)
		v = v < 100000 ? v * 10 + (*at - '0') : v;
	*out += negative ? -v : v;
	return at == first ? NULL : at;
}

static const char *read_decimal(struct slice text, double *out)
{
	const char *at = text.ptr, *end = text.ptr + text.len;
	struct digits d = {0};
	double v;

	at = read_digits(at, end, &d);
	if (d.seen > 0 && at < end && (*at | 0x20) == 'e')
		at = read_exponent(at + 1, end, &d.exponent);
	if (d.seen == 0 || at != end)
		return "a number was wanted";
	bool fits = d.significant <= 19 && number_exact(d.value, d.exponent, &v);
	if (!fits && !number_slow(text, &v))
		return "the number has more than 1024 bytes";
	*out = v;
	return isinf(v) ? "the number is beyond the range of a double" : NULL;
}

const char *number_go(struct slice text, double *out)
{
	bool sign = text.len > 0 && (*text.ptr == '+' || *text.ptr == '-');
	bool negative = sign && *text.ptr == '-';
	struct slice size = sign ? slice_new(text.ptr + 1, text.len - 1) : text;
	const char *wrong = NULL;

	if (is_word(size, "inf") || is_word(size, "infinity"))
		*out = INFINITY;
	else if (!sign && is_word(size, "nan"))
		*out = NAN;
	else
		wrong = read_decimal(size, out);
	if (negative && wrong == NULL)
		*out = -*out;
	return wrong;
}

#include "promql/buckets.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <strings.h>

#include "record/labels.h"

/* ---- bounds ---- */

/* inf, infinity with or without a sign, nan, in any case. */
static bool word_bound(const char *text, double *upper)
{
	const char *word = text[0] == '+' || text[0] == '-' ? text + 1 : text;
	if (strcasecmp(text, "nan") == 0)
		*upper = NAN;
	else if (strcasecmp(word, "inf") == 0 || strcasecmp(word, "infinity") == 0)
		*upper = text[0] == '-' ? -INFINITY : INFINITY;
	else
		return false;
	return true;
}

bool bucket_bound(struct slice le, double *upper)
{
	char text[LABEL_VALUE_BYTES_MAX + 1], *end;

	if (le.len == 0 || le.len > LABEL_VALUE_BYTES_MAX || memchr(le.ptr, '\0', le.len) != NULL)
		return false;
	memcpy(text, le.ptr, le.len);
	text[le.len] = '\0';
	if (word_bound(text, upper))
		return true;
	/* Of hexadecimal numbers Go wants the exponent, strtod does not. */
	bool hexadecimal = strpbrk(text, "xX") != NULL;
	if (text[strspn(text, hexadecimal ? "0123456789abcdefABCDEFxXpP.+-" : "0123456789.eE+-")] != '\0' ||
	    (hexadecimal && strpbrk(text, "pP") == NULL))
		return false;
	*upper = strtod(text, &end);
	return *end == '\0' && end != text && !isinf(*upper);
}

uint32_t buckets_merge(struct bucket *b, uint32_t count)
{
	uint32_t last = 0;
	for (uint32_t i = 1; i < count; i++) {
		if (b[i].upper == b[last].upper)
			b[last].count += b[i].count;
		else
			b[++last] = b[i];
	}
	return count == 0 ? 0 : last + 1;
}

/* ---- repair ---- */

/* Are they the same but for some last digits? By the difference in relation to both together; near zero by itself. */
static bool almost_equal(double a, double b)
{
	static const double tolerance = 1e-12;
	double sum = fabs(a) + fabs(b), difference = fabs(a - b);

	if ((isnan(a) && isnan(b)) || a == b)
		return true;
	if (a == 0 || b == 0 || sum < DBL_MIN)
		return difference < tolerance * DBL_MIN;
	return difference / (sum < DBL_MAX ? sum : DBL_MAX) < tolerance;
}

bool buckets_repair(struct bucket *b, uint32_t count, struct bucket_repair *r)
{
	double before = b[0].count;
	bool raised = false;

	*r = (struct bucket_repair){INFINITY, -INFINITY, 0};
	for (uint32_t i = 1; i < count; i++) {
		double here = b[i].count;
		bool same = here == before || almost_equal(before, here);
		if (!same && !(here < before)) {
			before = here;
			continue;
		}
		b[i].count = before;
		if (same)
			continue;
		raised = true;
		r->least = b[i].upper < r->least ? b[i].upper : r->least;
		r->greatest = b[i].upper > r->greatest ? b[i].upper : r->greatest;
		r->difference = before - here > r->difference ? before - here : r->difference;
	}
	return raised;
}

/* ---- quantiles and fractions ---- */

/* The first bucket but the last that has `rank` observations, or the last. */
static uint32_t find_rank(const struct bucket *b, uint32_t last, double rank)
{
	uint32_t from = 0, to = last;
	while (from < to) {
		uint32_t middle = from + (to - from) / 2;
		if (b[middle].count >= rank)
			to = middle;
		else
			from = middle + 1;
	}
	return from;
}

double buckets_quantile(double q, const struct bucket *b, uint32_t count)
{
	if (count < 2 || b[count - 1].upper != INFINITY || b[count - 1].count == 0)
		return NAN;
	uint32_t last = count - 1;
	double rank = q * b[last].count;
	uint32_t i = find_rank(b, last, rank);
	if (i == last)
		return b[last - 1].upper;
	if (i == 0 && b[0].upper <= 0)
		return b[0].upper;
	double start = 0, here = b[i].count;
	if (i > 0) {
		start = b[i - 1].upper;
		here -= b[i - 1].count;
		rank -= b[i - 1].count;
	}
	return start + (b[i].upper - start) * (rank / here);
}

/* How many observations are below `v`, which lies within a bucket that begins at `lower` with `before` observations below it. */
static double interpolated_rank(double v, double lower, double before, struct bucket b)
{
	if (lower == -INFINITY)
		return b.count;
	return before + (b.count - before) * (v - lower) / (b.upper - lower);
}

/* How many observations are below `v`. */
static double rank_of(double v, const struct bucket *b, uint32_t count)
{
	double lower = b[0].upper <= 0 ? -INFINITY : 0, before = 0, all = b[count - 1].count;

	for (uint32_t i = 0; i < count; i++) {
		double rank = NAN;
		if (lower >= v)
			rank = before;
		else if (b[i].upper > v)
			rank = interpolated_rank(v, lower, before, b[i]);
		if (lower >= v || b[i].upper > v)
			return rank > all ? all : rank;
		before = b[i].count;
		lower = b[i].upper;
	}
	return all;
}

double buckets_fraction(double lower, double upper, const struct bucket *b, uint32_t count)
{
	if (count == 0 || b[count - 1].upper != INFINITY || b[count - 1].count == 0 || isnan(lower) || isnan(upper))
		return NAN;
	if (lower >= upper)
		return 0;
	return (rank_of(upper, b, count) - rank_of(lower, b, count)) / b[count - 1].count;
}

/* See quantile.h. */
#include "script/quantile.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#define SMALL 1e-12 /* a fall that is smaller, relatively, is one of rounding */

static int by_bound(const void *a, const void *b)
{
	const struct bucket *x = a, *y = b;

	return (x->upper > y->upper) - (x->upper < y->upper);
}

/* Adds up buckets with the same bound; how many are left. */
static uint32_t join_same(struct bucket *b, uint32_t count)
{
	uint32_t last = 0;

	for (uint32_t i = 1; i < count; i++) {
		if (b[i].upper == b[last].upper)
			b[last].count += b[i].count;
		else
			b[++last] = b[i];
	}
	return last + 1;
}

static bool nearly_same(double a, double b)
{
	double sum = fabs(a) + fabs(b), difference = fabs(a - b);

	if (a == b || (isnan(a) && isnan(b)))
		return true;
	if (a == 0 || b == 0 || sum < DBL_MIN)
		return difference < SMALL * DBL_MIN;
	return difference / fmin(sum, DBL_MAX) < SMALL;
}

/* Buckets of one histogram that were not read at one moment, or that were summed up, may fall a little. */
static void make_rising(struct bucket *b, uint32_t count)
{
	double before = b[0].count;

	for (uint32_t i = 1; i < count; i++) {
		if (b[i].count < before || nearly_same(b[i].count, before))
			b[i].count = before;
		else
			before = b[i].count;
	}
}

double bucket_quantile(double q, struct bucket *b, uint32_t count)
{
	if (count == 0)
		return NAN;
	qsort(b, count, sizeof *b, by_bound);
	if (!isinf(b[count - 1].upper) || b[count - 1].upper < 0)
		return NAN;
	count = join_same(b, count);
	make_rising(b, count);
	double observations = b[count - 1].count;
	if (count < 2 || observations == 0 || isnan(observations))
		return NAN;
	double rank = q * observations, start = 0;
	uint32_t at = 0;
	while (at < count - 1 && !(b[at].count >= rank))
		at++;
	if (at == count - 1)
		return b[count - 2].upper;
	if (at == 0 && b[0].upper <= 0)
		return b[0].upper;
	double within = b[at].count;
	if (at > 0) {
		start = b[at - 1].upper;
		within -= b[at - 1].count;
		rank -= b[at - 1].count;
	}
	return start + (b[at].upper - start) * (rank / within);
}

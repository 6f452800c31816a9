/* Quantiles. One needs two neighbours of the sorted numbers, not the sorting: they are selected. */
#include "promql/quantile.h"

#include <math.h>
#include <stdlib.h>

static void swap(double *a, double *b)
{
	double t = *a;
	*a = *b;
	*b = t;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Puts what would stand at `k` of the sorted numbers there, nothing greater before it and nothing less behind it (Hoare's selection; where its guesses are bad too often the rest is sorted). No number is NaN. */
static void select_at(double *v, uint32_t count, uint32_t k)
{
	uint32_t from = 0, to = count; /* k lies in [from, to) */

	for (uint32_t turns = 0; to - from > 16 && turns < 64; turns++) {
		uint32_t middle = from + (to - from) / 2, last = to - 1;
		if (v[middle] < v[from])
			swap(&v[middle], &v[from]);
		if (v[last] < v[from])
			swap(&v[last], &v[from]);
		if (v[last] < v[middle])
			swap(&v[last], &v[middle]);
		double pivot = v[middle];
		uint32_t i = from, j = last;
		for (;; i++, j--) {
			while (v[i] < pivot)
				i++;
			while (v[j] > pivot)
				j--;
			if (i >= j)
				break;
			swap(&v[i], &v[j]);
		}
		/* [from, j] are not greater than the pivot, [j + 1, to) not less. */
		if (k <= j)
			to = j + 1;
		else
			from = j + 1;
	}
	qsort(v + from, to - from, sizeof *v, by_value);
}

double quantile_of(double q, double *v, uint32_t count)
{
	if (count == 0 || isnan(q))
		return NAN;
	if (q < 0 || q > 1)
		return q < 0 ? -INFINITY : INFINITY;
	uint32_t nans = 0;
	for (uint32_t i = 0; i < count; i++) {
		if (isnan(v[i]))
			swap(&v[i], &v[nans++]);
	}
	double rank = q * (double)(count - 1), low = floor(rank), weight = rank - low;
	uint32_t lower = (uint32_t)low, upper = lower + 1 < count ? lower + 1 : lower;
	if (lower < nans)
		return NAN;
	select_at(v + nans, count - nans, lower - nans);
	double next = v[upper];
	for (uint32_t i = upper; i < count; i++)
		next = v[i] < next ? v[i] : next;
	return v[lower] * (1 - weight) + next * weight;
}

/* Sums, means, extremes, variances: loops that the compiler makes vector instructions of (CMakeLists.txt), so without branches where it matters. */
#include "promql/fold.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* The arrays of a group, as the loops see them: they do not overlap. */
#define ARRAY(k) (cells + (size_t)(k)*steps)

static void zeroes(double *at, uint32_t count)
{
	memset(at, 0, count * sizeof *at);
}

static inline bool is_infinite(double v)
{
	return fabs(v) > DBL_MAX;
}

/* What a number adds to the compensation of a sum that becomes `t` by it: Neumaier's improvement of Kahan's summation (Zeitschrift für Angewandte Mathematik und Mechanik 54, 1974), which takes the lost digits of the smaller one. */
static inline double lost(double sum, double v, double t)
{
	return fabs(sum) >= fabs(v) ? (sum - t) + v : (v - t) + sum;
}

/* A sum that has gone to infinity has nothing to compensate. */
static inline double compensate(double c, double sum, double v, double t)
{
	double more = c + lost(sum, v, t);
	return is_infinite(t) ? 0 : more;
}

/* ---- sum ---- */

static void sum_begin(double *cells, uint32_t steps)
{
	zeroes(cells, 2 * steps);
}

static void sum_add(double *cells, uint32_t steps, const double *values, uint32_t from, uint32_t to)
{
	double *restrict sum = ARRAY(0) + from, *restrict comp = ARRAY(1) + from;
	const double *restrict v = values + from;
	uint32_t count = to - from;

	for (uint32_t i = 0; i < count; i++) {
		double t = sum[i] + v[i];
		comp[i] = compensate(comp[i], sum[i], v[i], t);
		sum[i] = t;
	}
}

static void sum_finish(double *cells, uint32_t steps)
{
	double *restrict sum = ARRAY(0), *restrict comp = ARRAY(1);

	for (uint32_t i = 0; i < steps; i++)
		sum[i] += comp[i];
}

/* ---- avg: of the sum while that is finite, else of the mean so far ---- */

/* The third array: how many numbers; negative where the first one is the mean. */
static void avg_begin(double *cells, uint32_t steps)
{
	zeroes(cells, 3 * steps);
}

static void avg_add_one(double *sum, double *comp, double *count, double v)
{
	double before = fabs(*count), n = before + 1;

	if (before == 0) {
		*sum = v;
		*comp = 0;
		*count = 1;
		return;
	}
	if (*count > 0) {
		double t = *sum + v;
		if (!is_infinite(t)) {
			*comp = compensate(*comp, *sum, v, t);
			*sum = t;
			*count = n;
			return;
		}
		*sum /= before;
		*comp /= before;
	}
	double q = before / n, mean = q * *sum, part = v / n, t = mean + part;
	*comp = compensate(q * *comp, mean, part, t);
	*sum = t;
	*count = -n;
}

static void avg_add(double *cells, uint32_t steps, const double *values, uint32_t from, uint32_t to)
{
	double *restrict sum = ARRAY(0) + from, *restrict comp = ARRAY(1) + from, *restrict n = ARRAY(2) + from;
	const double *restrict v = values + from;
	uint32_t count = to - from, rare = 0;

	for (uint32_t i = 0; i < count; i++)
		rare |= (uint32_t)is_infinite(sum[i] + v[i]) | (uint32_t)(n[i] < 0);
	if (rare != 0) {
		for (uint32_t i = 0; i < count; i++)
			avg_add_one(&sum[i], &comp[i], &n[i], v[i]);
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		double t = sum[i] + v[i];
		comp[i] += lost(sum[i], v[i], t);
		sum[i] = t;
		n[i] += 1;
	}
}

static void avg_finish(double *cells, uint32_t steps)
{
	double *restrict sum = ARRAY(0), *restrict comp = ARRAY(1), *restrict n = ARRAY(2);

	for (uint32_t i = 0; i < steps; i++)
		sum[i] = n[i] < 0 ? sum[i] + comp[i] : sum[i] / n[i] + comp[i] / n[i];
}

/* ---- count, group ---- */

static void one_begin(double *cells, uint32_t steps)
{
	zeroes(cells, steps);
}

static void count_add(double *cells, uint32_t steps, const double *values, uint32_t from, uint32_t to)
{
	(void)steps;
	(void)values;
	for (uint32_t i = from; i < to; i++)
		cells[i] += 1;
}

static void group_add(double *cells, uint32_t steps, const double *values, uint32_t from, uint32_t to)
{
	(void)steps;
	(void)values;
	for (uint32_t i = from; i < to; i++)
		cells[i] = 1;
}

static void as_it_is(double *cells, uint32_t steps)
{
	(void)cells;
	(void)steps;
}

/* ---- min, max: NaN only where there is nothing else ---- */

static void extreme_begin(double *cells, uint32_t steps)
{
	for (uint32_t i = 0; i < steps; i++)
		cells[i] = NAN;
}

static void min_add(double *cells, uint32_t steps, const double *values, uint32_t from, uint32_t to)
{
	double *restrict least = cells + from;
	const double *restrict v = values + from;
	uint32_t count = to - from;

	(void)steps;
	for (uint32_t i = 0; i < count; i++) {
		double kept = least[i] > v[i] ? v[i] : least[i];
		least[i] = least[i] != least[i] ? v[i] : kept;
	}
}

static void max_add(double *cells, uint32_t steps, const double *values, uint32_t from, uint32_t to)
{
	double *restrict most = cells + from;
	const double *restrict v = values + from;
	uint32_t count = to - from;

	(void)steps;
	for (uint32_t i = 0; i < count; i++) {
		double kept = most[i] < v[i] ? v[i] : most[i];
		most[i] = most[i] != most[i] ? v[i] : kept;
	}
}

/* ---- stdvar, stddev (Welford, Technometrics 4, 1962) ---- */

/* Sum of squared distances, mean, how many. The first number leaves 0, or NaN where it is not finite. */
static void var_begin(double *cells, uint32_t steps)
{
	zeroes(cells, 3 * steps);
}

static void var_add(double *cells, uint32_t steps, const double *values, uint32_t from, uint32_t to)
{
	double *restrict squares = ARRAY(0) + from, *restrict mean = ARRAY(1) + from, *restrict n = ARRAY(2) + from;
	const double *restrict v = values + from;
	uint32_t count = to - from;

	for (uint32_t i = 0; i < count; i++) {
		double delta = v[i] - mean[i];
		n[i] += 1;
		mean[i] += delta / n[i];
		squares[i] += delta * (v[i] - mean[i]);
	}
}

static void stdvar_finish(double *cells, uint32_t steps)
{
	double *restrict squares = ARRAY(0), *restrict n = ARRAY(2);

	for (uint32_t i = 0; i < steps; i++)
		squares[i] /= n[i];
}

static void stddev_finish(double *cells, uint32_t steps)
{
	stdvar_finish(cells, steps);
	for (uint32_t i = 0; i < steps; i++)
		cells[i] = sqrt(cells[i]);
}

const struct fold *fold_of(enum promql_aggregation a)
{
	static const struct fold folds[] = {
	    [PROMQL_AVG] = {3, avg_begin, avg_add, avg_finish},
	    [PROMQL_COUNT] = {1, one_begin, count_add, as_it_is},
	    [PROMQL_GROUP] = {1, one_begin, group_add, as_it_is},
	    [PROMQL_AGG_MAX] = {1, extreme_begin, max_add, as_it_is},
	    [PROMQL_AGG_MIN] = {1, extreme_begin, min_add, as_it_is},
	    [PROMQL_STDDEV] = {3, var_begin, var_add, stddev_finish},
	    [PROMQL_STDVAR] = {3, var_begin, var_add, stdvar_finish},
	    [PROMQL_SUM] = {2, sum_begin, sum_add, sum_finish},
	};
	enum { FOLDS = sizeof folds / sizeof *folds };
	return (uint32_t)a < FOLDS && folds[a].add != NULL ? &folds[a] : NULL;
}

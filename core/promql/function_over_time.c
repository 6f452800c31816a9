/* The functions <aggregation>_over_time. Each takes the samples of a window in their order and gives a number; a window without samples gives none. */
#include "promql/function.h"
#include "promql/quantile.h"

typedef double window_value(const struct range_call *c, struct window w);

/* Inlined with its `value`, so that the loop over samples is within that over steps. */
static inline __attribute__((always_inline)) int each_window(const struct range_call *c, double *out,
                                                             window_value *value)
{
	struct window w = {0, 0};
	for (uint32_t i = 0; i < c->ranges->steps.count; i++) {
		window_move(&w, c, i);
		out[i] = w.from == w.to ? promql_absent() : value(c, w);
	}
	return 0;
}

/* ---- sums ---- */

static inline double sum_of(const struct range_call *c, struct window w)
{
	double sum = 0, compensation = 0;
	for (uint32_t i = w.from; i < w.to; i++)
		kahan_add(c->row->values[i], &sum, &compensation);
	return isinf(sum) ? sum : sum + compensation;
}

int function_sum_over_time(const struct range_call *c, double *out)
{
	return each_window(c, out, sum_of);
}

/* The mean from sample `i` on, of which the samples before have this sum: each sample moves it by a part, so that nothing overflows. */
static double moved_mean(const double *v, struct window w, uint32_t i, double sum, double compensation)
{
	double count = (double)(i - w.from), mean = sum / count;
	compensation /= count;
	for (; i < w.to; i++) {
		count = (double)(i - w.from + 1);
		double q = (count - 1) / count;
		mean *= q;
		compensation *= q;
		kahan_add(v[i] / count, &mean, &compensation);
	}
	return mean + compensation;
}

static inline double avg_of(const struct range_call *c, struct window w)
{
	const double *v = c->row->values;
	double sum = v[w.from], compensation = 0, count = (double)(w.to - w.from);

	for (uint32_t i = w.from + 1; i < w.to; i++) {
		double next = sum, next_compensation = compensation;
		kahan_add(v[i], &next, &next_compensation);
		if (isinf(next))
			return moved_mean(v, w, i, sum, compensation);
		sum = next;
		compensation = next_compensation;
	}
	return sum / count + compensation / count;
}

int function_avg_over_time(const struct range_call *c, double *out)
{
	return each_window(c, out, avg_of);
}

/* Welford's recurrence, each of its sums compensated. */
static inline double stdvar_of(const struct range_call *c, struct window w)
{
	double count = 0, mean = 0, mean_rest = 0, sum = 0, sum_rest = 0;
	for (uint32_t i = w.from; i < w.to; i++) {
		double v = c->row->values[i], delta = v - (mean + mean_rest);
		count++;
		kahan_add(delta / count, &mean, &mean_rest);
		kahan_add(delta * (v - (mean + mean_rest)), &sum, &sum_rest);
	}
	return (sum + sum_rest) / count;
}

static inline double stddev_of(const struct range_call *c, struct window w)
{
	return sqrt(stdvar_of(c, w));
}

int function_stdvar_over_time(const struct range_call *c, double *out)
{
	return each_window(c, out, stdvar_of);
}

int function_stddev_over_time(const struct range_call *c, double *out)
{
	return each_window(c, out, stddev_of);
}

/* ---- one sample of the window ---- */

static inline double count_of(const struct range_call *c, struct window w)
{
	(void)c;
	return (double)(w.to - w.from);
}

int function_count_over_time(const struct range_call *c, double *out)
{
	return each_window(c, out, count_of);
}

static inline double one(const struct range_call *c, struct window w)
{
	(void)c;
	(void)w;
	return 1;
}

int function_present_over_time(const struct range_call *c, double *out)
{
	return each_window(c, out, one);
}

static inline double first_of(const struct range_call *c, struct window w)
{
	return c->row->values[w.from];
}

int function_first_over_time(const struct range_call *c, double *out)
{
	return each_window(c, out, first_of);
}

static inline double last_of(const struct range_call *c, struct window w)
{
	return c->row->values[w.to - 1];
}

int function_last_over_time(const struct range_call *c, double *out)
{
	return each_window(c, out, last_of);
}

static inline double time_of_first(const struct range_call *c, struct window w)
{
	return (double)c->row->times_ms[w.from] / 1000;
}

int function_ts_of_first_over_time(const struct range_call *c, double *out)
{
	return each_window(c, out, time_of_first);
}

static inline double time_of_last(const struct range_call *c, struct window w)
{
	return (double)c->row->times_ms[w.to - 1] / 1000;
}

int function_ts_of_last_over_time(const struct range_call *c, double *out)
{
	return each_window(c, out, time_of_last);
}

/* ---- extremes: NaN is one only where there is nothing else ---- */

static inline double max_of(const struct range_call *c, struct window w)
{
	const double *v = c->row->values;
	double max = v[w.from];
	for (uint32_t i = w.from + 1; i < w.to; i++)
		max = v[i] > max || isnan(max) ? v[i] : max;
	return max;
}

int function_max_over_time(const struct range_call *c, double *out)
{
	return each_window(c, out, max_of);
}

static inline double min_of(const struct range_call *c, struct window w)
{
	const double *v = c->row->values;
	double min = v[w.from];
	for (uint32_t i = w.from + 1; i < w.to; i++)
		min = v[i] < min || isnan(min) ? v[i] : min;
	return min;
}

int function_min_over_time(const struct range_call *c, double *out)
{
	return each_window(c, out, min_of);
}

/* Of equal ones the last. */
static inline double time_of_max(const struct range_call *c, struct window w)
{
	const double *v = c->row->values;
	uint32_t at = w.from;
	for (uint32_t i = w.from + 1; i < w.to; i++)
		at = v[i] >= v[at] || isnan(v[at]) ? i : at;
	return (double)c->row->times_ms[at] / 1000;
}

int function_ts_of_max_over_time(const struct range_call *c, double *out)
{
	return each_window(c, out, time_of_max);
}

static inline double time_of_min(const struct range_call *c, struct window w)
{
	const double *v = c->row->values;
	uint32_t at = w.from;
	for (uint32_t i = w.from + 1; i < w.to; i++)
		at = v[i] <= v[at] || isnan(v[at]) ? i : at;
	return (double)c->row->times_ms[at] / 1000;
}

int function_ts_of_min_over_time(const struct range_call *c, double *out)
{
	return each_window(c, out, time_of_min);
}

/* ---- quantiles: of a copy of the window, whose order they change ---- */

static double quantile_in(const struct range_call *c, struct window w, double q, double *room)
{
	uint32_t count = w.to - w.from;
	memcpy(room, c->row->values + w.from, count * sizeof *room);
	return quantile_of(q, room, count);
}

int function_quantile_over_time(const struct range_call *c, double *out)
{
	const double *q = c->scalars[0];
	size_t size = c->row->count * sizeof *out;
	double *room = eval_realloc(c->ev, NULL, 0, size);
	struct window w = {0, 0};

	if (room == NULL)
		return c->ev->err->code;
	for (uint32_t i = 0; i < c->ranges->steps.count; i++) {
		window_move(&w, c, i);
		out[i] = promql_absent();
		if (w.from == w.to)
			continue;
		function_check_quantiles(c->ev, q + i, 1, function_arg_at(c->expr, 0));
		out[i] = quantile_in(c, w, q[i], room);
	}
	eval_release(c->ev, room, size);
	return 0;
}

static bool any_nan(const double *v, struct window w)
{
	for (uint32_t i = w.from; i < w.to; i++) {
		if (isnan(v[i]))
			return true;
	}
	return false;
}

/* The median of the distances from the median; of NaN there is none. */
int function_mad_over_time(const struct range_call *c, double *out)
{
	size_t size = c->row->count * sizeof *out;
	double *room = eval_realloc(c->ev, NULL, 0, size);
	struct window w = {0, 0};

	if (room == NULL)
		return c->ev->err->code;
	for (uint32_t i = 0; i < c->ranges->steps.count; i++) {
		window_move(&w, c, i);
		out[i] = promql_absent();
		if (w.from == w.to)
			continue;
		out[i] = NAN;
		if (any_nan(c->row->values, w))
			continue;
		double median = quantile_in(c, w, 0.5, room);
		for (uint32_t k = w.from; k < w.to; k++)
			room[k - w.from] = fabs(c->row->values[k] - median);
		out[i] = quantile_of(0.5, room, w.to - w.from);
	}
	eval_release(c->ev, room, size);
	return 0;
}

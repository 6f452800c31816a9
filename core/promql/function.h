/* The functions of the language, one C function each, and what they share. Private to this folder; the table of them is in functions.c.
 *
 * They give what Prometheus 3 gives on amd64, to the last bit: sums in the same order, the same compensation, the same divisions. That is why no window's sum is made from the one before. What is
 * no single operation is reckoned as Go does it (go_math.h). */
#ifndef MOONGATE_PROMQL_FUNCTION_H
#define MOONGATE_PROMQL_FUNCTION_H

#include "promql/eval.h"

/* ---- of ranges ---- */

/* Samples [from, to) of a row: those of one step. */
struct window {
	uint32_t from, to;
};

/* Moves a window on to a step, which is not before the one that it was moved to last; it begins as {0, 0}. Its samples lie in (range_end - range - before, range_end + behind]. */
static inline void window_move_wide(struct window *w, const struct range_call *c, uint32_t step, int64_t before,
                                    int64_t behind)
{
	const int64_t *times = c->row->times_ms;
	uint32_t count = c->row->count, from = w->from, to = w->to;
	int64_t end = range_end(c->ranges, step), start = end - c->ranges->range_ms - before;

	end += behind;
	while (to < count && times[to] <= end)
		to++;
	while (from < to && times[from] <= start)
		from++;
	*w = (struct window){from, to};
}
static inline void window_move(struct window *w, const struct range_call *c, uint32_t step)
{
	window_move_wide(w, c, step, 0, 0);
}

/* A range as Go's Duration.Seconds has it. */
static inline double range_seconds(const struct ranges *r)
{
	int64_t whole = r->range_ms / 1000, rest_ns = r->range_ms % 1000 * 1000000;
	return (double)whole + (double)rest_ns / 1e9;
}

/* Adds to a sum with Neumaier's compensation, as Prometheus's kahansum.Inc does. */
static inline void kahan_add(double v, double *sum, double *c)
{
	double t = *sum + v;
	if (isinf(t))
		*c = 0;
	else if (fabs(*sum) >= fabs(v))
		*c += (*sum - t) + v;
	else
		*c += (v - t) + *sum;
	*sum = t;
}

range_function function_rate, function_increase, function_delta, function_irate, function_idelta;
/* anchored, smoothed: function_extended.c. */
int extended_rate(const struct range_call *c, bool counter, bool rate, double *out);
range_function function_changes, function_resets;

range_function function_avg_over_time, function_count_over_time, function_first_over_time, function_last_over_time,
    function_mad_over_time, function_max_over_time, function_min_over_time, function_present_over_time,
    function_quantile_over_time, function_stddev_over_time, function_stdvar_over_time, function_sum_over_time,
    function_ts_of_first_over_time, function_ts_of_last_over_time, function_ts_of_max_over_time,
    function_ts_of_min_over_time;

range_function function_deriv, function_predict_linear, function_double_exponential_smoothing, function_integral;

/* ---- of vectors, value by value ---- */

map_function function_abs, function_acos, function_acosh, function_asin, function_asinh, function_atan, function_atanh,
    function_ceil, function_cos, function_cosh, function_deg, function_exp, function_floor, function_ln, function_log10,
    function_log2, function_rad, function_sgn, function_sin, function_sinh, function_sqrt, function_tan, function_tanh;
map_function function_clamp, function_clamp_max, function_clamp_min, function_round;

/* ---- those that make their node ---- */

plan_function plan_time, plan_vector, plan_scalar, plan_pi, plan_min_of, plan_max_of, plan_query_start, plan_query_end,
    plan_query_step, plan_query_range;
plan_function plan_day_of_month, plan_day_of_week, plan_day_of_year, plan_days_in_month, plan_hour, plan_minute,
    plan_month, plan_year;
plan_function plan_label_replace, plan_label_join;
plan_function plan_sort, plan_sort_desc, plan_sort_by_label, plan_sort_by_label_desc;
plan_function plan_absent, plan_absent_over_time;
plan_function plan_histogram_quantile, plan_histogram_quantiles, plan_histogram_fraction, plan_histogram_nothing;
plan_function plan_info;

/* A node of one row without labels with these values, which are the arena's. NULL with the error set. */
struct node *plan_one_row(struct eval *ev, const struct promql_expr *e, const struct steps *steps, double *values);

/* ---- arguments ---- */

/* An argument, parentheses aside. */
const struct promql_expr *function_arg(const struct promql_expr *call, uint32_t i);
/* Where Prometheus says that it is: it makes a selector without a place of a subquery. */
uint32_t function_arg_at(const struct promql_expr *call, uint32_t i);

/* Does a value below 0, above 1 or NaN stand for a quantile? Then a warning says so, once for equal ones that follow each other. */
void function_check_quantiles(struct eval *ev, const double *q, uint32_t count, uint32_t at);

#endif

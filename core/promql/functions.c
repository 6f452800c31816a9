/* The functions of the language: names, types, and what stands behind each. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "promql/function.h"

#define S PROMQL_SCALAR
#define V PROMQL_VECTOR
#define M PROMQL_MATRIX
#define T PROMQL_STRING

#define RANGE(f) .shape = FUNCTION_RANGE, .range = (f)
/* What a series was at some moment is still that series. */
#define RANGE_KEEPING(f) .shape = FUNCTION_RANGE, .range = (f), .keeps_name = true
#define MAP(f) .shape = FUNCTION_MAP, .map = (f)
#define PLAN(f) .shape = FUNCTION_PLAN, .plan = (f)

/* In the order of their names, which is searched. */
static const struct function functions[] = {
    {{"abs", V, 1, {V}, 0}, MAP(function_abs)},
    {{"absent", V, 1, {V}, 0}, PLAN(plan_absent)},
    {{"absent_over_time", V, 1, {M}, 0}, PLAN(plan_absent_over_time)},
    {{"acos", V, 1, {V}, 0}, MAP(function_acos)},
    {{"acosh", V, 1, {V}, 0}, MAP(function_acosh)},
    {{"asin", V, 1, {V}, 0}, MAP(function_asin)},
    {{"asinh", V, 1, {V}, 0}, MAP(function_asinh)},
    {{"atan", V, 1, {V}, 0}, MAP(function_atan)},
    {{"atanh", V, 1, {V}, 0}, MAP(function_atanh)},
    {{"avg_over_time", V, 1, {M}, 0}, RANGE(function_avg_over_time)},
    {{"ceil", V, 1, {V}, 0}, MAP(function_ceil)},
    {{"changes", V, 1, {M}, 0}, RANGE(function_changes)},
    {{"clamp", V, 3, {V, S, S}, 0}, MAP(function_clamp)},
    {{"clamp_max", V, 2, {V, S}, 0}, MAP(function_clamp_max)},
    {{"clamp_min", V, 2, {V, S}, 0}, MAP(function_clamp_min)},
    {{"cos", V, 1, {V}, 0}, MAP(function_cos)},
    {{"cosh", V, 1, {V}, 0}, MAP(function_cosh)},
    {{"count_over_time", V, 1, {M}, 0}, RANGE(function_count_over_time)},
    {{"day_of_month", V, 1, {V}, 1}, PLAN(plan_day_of_month)},
    {{"day_of_week", V, 1, {V}, 1}, PLAN(plan_day_of_week)},
    {{"day_of_year", V, 1, {V}, 1}, PLAN(plan_day_of_year)},
    {{"days_in_month", V, 1, {V}, 1}, PLAN(plan_days_in_month)},
    {{"deg", V, 1, {V}, 0}, MAP(function_deg)},
    {{"delta", V, 1, {M}, 0}, RANGE(function_delta)},
    {{"deriv", V, 1, {M}, 0}, RANGE(function_deriv)},
    {{"double_exponential_smoothing", V, 3, {M, S, S}, 0}, RANGE(function_double_exponential_smoothing)},
    {{"end", S, 0, {0}, 0}, PLAN(plan_query_end)},
    {{"exp", V, 1, {V}, 0}, MAP(function_exp)},
    {{"first_over_time", V, 1, {M}, 0}, RANGE_KEEPING(function_first_over_time)},
    {{"floor", V, 1, {V}, 0}, MAP(function_floor)},
    {{"histogram_avg", V, 1, {V}, 0}, PLAN(plan_histogram_nothing)},
    {{"histogram_count", V, 1, {V}, 0}, PLAN(plan_histogram_nothing)},
    {{"histogram_fraction", V, 3, {S, S, V}, 0}, PLAN(plan_histogram_fraction)},
    {{"histogram_quantile", V, 2, {S, V}, 0}, PLAN(plan_histogram_quantile)},
    {{"histogram_quantiles", V, 4, {V, T, S, S}, 9}, PLAN(plan_histogram_quantiles)},
    {{"histogram_stddev", V, 1, {V}, 0}, PLAN(plan_histogram_nothing)},
    {{"histogram_stdvar", V, 1, {V}, 0}, PLAN(plan_histogram_nothing)},
    {{"histogram_sum", V, 1, {V}, 0}, PLAN(plan_histogram_nothing)},
    {{"hour", V, 1, {V}, 1}, PLAN(plan_hour)},
    {{"idelta", V, 1, {M}, 0}, RANGE(function_idelta)},
    {{"increase", V, 1, {M}, 0}, RANGE(function_increase)},
    {{"info", V, 2, {V, V}, 1}, PLAN(plan_info)},
    {{"integral", V, 2, {M, S}, 1}, RANGE(function_integral)},
    {{"irate", V, 1, {M}, 0}, RANGE(function_irate)},
    {{"label_join", V, 4, {V, T, T, T}, -1}, PLAN(plan_label_join)},
    {{"label_replace", V, 5, {V, T, T, T, T}, 0}, PLAN(plan_label_replace)},
    {{"last_over_time", V, 1, {M}, 0}, RANGE_KEEPING(function_last_over_time)},
    {{"ln", V, 1, {V}, 0}, MAP(function_ln)},
    {{"log10", V, 1, {V}, 0}, MAP(function_log10)},
    {{"log2", V, 1, {V}, 0}, MAP(function_log2)},
    {{"mad_over_time", V, 1, {M}, 0}, RANGE(function_mad_over_time)},
    {{"max_of", S, 2, {S, S}, 0}, PLAN(plan_max_of)},
    {{"max_over_time", V, 1, {M}, 0}, RANGE(function_max_over_time)},
    {{"min_of", S, 2, {S, S}, 0}, PLAN(plan_min_of)},
    {{"min_over_time", V, 1, {M}, 0}, RANGE(function_min_over_time)},
    {{"minute", V, 1, {V}, 1}, PLAN(plan_minute)},
    {{"month", V, 1, {V}, 1}, PLAN(plan_month)},
    {{"pi", S, 0, {0}, 0}, PLAN(plan_pi)},
    {{"predict_linear", V, 2, {M, S}, 0}, RANGE(function_predict_linear)},
    {{"present_over_time", V, 1, {M}, 0}, RANGE(function_present_over_time)},
    {{"quantile_over_time", V, 2, {S, M}, 0}, RANGE(function_quantile_over_time)},
    {{"rad", V, 1, {V}, 0}, MAP(function_rad)},
    {{"range", S, 0, {0}, 0}, PLAN(plan_query_range)},
    {{"rate", V, 1, {M}, 0}, RANGE(function_rate)},
    {{"resets", V, 1, {M}, 0}, RANGE(function_resets)},
    {{"round", V, 2, {V, S}, 1}, MAP(function_round)},
    {{"scalar", S, 1, {V}, 0}, PLAN(plan_scalar)},
    {{"sgn", V, 1, {V}, 0}, MAP(function_sgn)},
    {{"sin", V, 1, {V}, 0}, MAP(function_sin)},
    {{"sinh", V, 1, {V}, 0}, MAP(function_sinh)},
    {{"sort", V, 1, {V}, 0}, PLAN(plan_sort)},
    {{"sort_by_label", V, 2, {V, T}, -1}, PLAN(plan_sort_by_label)},
    {{"sort_by_label_desc", V, 2, {V, T}, -1}, PLAN(plan_sort_by_label_desc)},
    {{"sort_desc", V, 1, {V}, 0}, PLAN(plan_sort_desc)},
    {{"sqrt", V, 1, {V}, 0}, MAP(function_sqrt)},
    {{"start", S, 0, {0}, 0}, PLAN(plan_query_start)},
    {{"stddev_over_time", V, 1, {M}, 0}, RANGE(function_stddev_over_time)},
    {{"stdvar_over_time", V, 1, {M}, 0}, RANGE(function_stdvar_over_time)},
    {{"step", S, 0, {0}, 0}, PLAN(plan_query_step)},
    {{"sum_over_time", V, 1, {M}, 0}, RANGE(function_sum_over_time)},
    {{"tan", V, 1, {V}, 0}, MAP(function_tan)},
    {{"tanh", V, 1, {V}, 0}, MAP(function_tanh)},
    {{"time", S, 0, {0}, 0}, PLAN(plan_time)},
    {{"timestamp", V, 1, {V}, 0}, PLAN(plan_timestamp)},
    {{"ts_of_first_over_time", V, 1, {M}, 0}, RANGE(function_ts_of_first_over_time)},
    {{"ts_of_last_over_time", V, 1, {M}, 0}, RANGE(function_ts_of_last_over_time)},
    {{"ts_of_max_over_time", V, 1, {M}, 0}, RANGE(function_ts_of_max_over_time)},
    {{"ts_of_min_over_time", V, 1, {M}, 0}, RANGE(function_ts_of_min_over_time)},
    {{"vector", V, 1, {S}, 0}, PLAN(plan_vector)},
    {{"year", V, 1, {V}, 1}, PLAN(plan_year)},
};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

const struct promql_function *promql_function_at(uint32_t i)
{
	return i < FUNCTIONS ? &functions[i].of : NULL;
}

const struct promql_function *promql_function_find(struct slice name)
{
	uint32_t low = 0, high = FUNCTIONS;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = slice_compare(slice_cstr(functions[middle].of.name), name);
		if (order == 0)
			return &functions[middle].of;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const struct function *function_of(const struct promql_expr *call)
{
	return (const struct function *)((const char *)call->call.function - offsetof(struct function, of));
}

/* ---- anchored and smoothed ranges ---- */

/* They have samples of before and behind the range: few functions know that. */
static enum promql_extended extended_of(const struct promql_expr *call)
{
	for (uint32_t i = 0; i < call->call.arg_count; i++) {
		const struct promql_expr *e = function_arg(call, i);
		if (e->kind == PROMQL_RANGE_SELECTOR)
			return e->range.selector->selector.extended;
	}
	return PROMQL_PLAIN;
}

int function_check_extended(struct eval *ev, const struct promql_expr *call)
{
	static const char *const anchored[] = {"changes", "delta", "increase", "rate", "resets", NULL};
	static const char *const smoothed[] = {"delta", "increase", "rate", NULL};
	enum promql_extended extended = extended_of(call);
	const char *const *known = extended == PROMQL_ANCHORED ? anchored : smoothed;
	const char *name = call->call.function->name;

	if (extended == PROMQL_PLAIN)
		return 0;
	for (uint32_t i = 0; known[i] != NULL; i++) {
		if (strcmp(known[i], name) == 0)
			return 0;
	}
	if (extended == PROMQL_ANCHORED)
		return eval_fail(
		    ev, -EINVAL,
		    "anchored modifier can only be used with: changes, delta, increase, rate, resets - not with %s",
		    name);
	return eval_fail(ev, -EINVAL, "smoothed modifier can only be used with: delta, increase, rate - not with %s",
	                 name);
}

/* The functions of the language: names and types. */
#include <string.h>

#include "promql/promql.h"

#define S PROMQL_SCALAR
#define V PROMQL_VECTOR
#define M PROMQL_MATRIX
#define T PROMQL_STRING

/* In the order of their names, which is searched. */
static const struct promql_function functions[] = {
    {"abs", V, 1, {V}, 0},
    {"absent", V, 1, {V}, 0},
    {"absent_over_time", V, 1, {M}, 0},
    {"acos", V, 1, {V}, 0},
    {"acosh", V, 1, {V}, 0},
    {"asin", V, 1, {V}, 0},
    {"asinh", V, 1, {V}, 0},
    {"atan", V, 1, {V}, 0},
    {"atanh", V, 1, {V}, 0},
    {"avg_over_time", V, 1, {M}, 0},
    {"ceil", V, 1, {V}, 0},
    {"changes", V, 1, {M}, 0},
    {"clamp", V, 3, {V, S, S}, 0},
    {"clamp_max", V, 2, {V, S}, 0},
    {"clamp_min", V, 2, {V, S}, 0},
    {"cos", V, 1, {V}, 0},
    {"cosh", V, 1, {V}, 0},
    {"count_over_time", V, 1, {M}, 0},
    {"day_of_month", V, 1, {V}, 1},
    {"day_of_week", V, 1, {V}, 1},
    {"day_of_year", V, 1, {V}, 1},
    {"days_in_month", V, 1, {V}, 1},
    {"deg", V, 1, {V}, 0},
    {"delta", V, 1, {M}, 0},
    {"deriv", V, 1, {M}, 0},
    {"double_exponential_smoothing", V, 3, {M, S, S}, 0},
    {"end", S, 0, {0}, 0},
    {"exp", V, 1, {V}, 0},
    {"first_over_time", V, 1, {M}, 0},
    {"floor", V, 1, {V}, 0},
    {"histogram_avg", V, 1, {V}, 0},
    {"histogram_count", V, 1, {V}, 0},
    {"histogram_fraction", V, 3, {S, S, V}, 0},
    {"histogram_quantile", V, 2, {S, V}, 0},
    {"histogram_quantiles", V, 4, {V, T, S, S}, 9},
    {"histogram_stddev", V, 1, {V}, 0},
    {"histogram_stdvar", V, 1, {V}, 0},
    {"histogram_sum", V, 1, {V}, 0},
    {"hour", V, 1, {V}, 1},
    {"idelta", V, 1, {M}, 0},
    {"increase", V, 1, {M}, 0},
    {"info", V, 2, {V, V}, 1},
    {"integral", V, 2, {M, S}, 1},
    {"irate", V, 1, {M}, 0},
    {"label_join", V, 4, {V, T, T, T}, -1},
    {"label_replace", V, 5, {V, T, T, T, T}, 0},
    {"last_over_time", V, 1, {M}, 0},
    {"ln", V, 1, {V}, 0},
    {"log10", V, 1, {V}, 0},
    {"log2", V, 1, {V}, 0},
    {"mad_over_time", V, 1, {M}, 0},
    {"max_of", S, 2, {S, S}, 0},
    {"max_over_time", V, 1, {M}, 0},
    {"min_of", S, 2, {S, S}, 0},
    {"min_over_time", V, 1, {M}, 0},
    {"minute", V, 1, {V}, 1},
    {"month", V, 1, {V}, 1},
    {"pi", S, 0, {0}, 0},
    {"predict_linear", V, 2, {M, S}, 0},
    {"present_over_time", V, 1, {M}, 0},
    {"quantile_over_time", V, 2, {S, M}, 0},
    {"rad", V, 1, {V}, 0},
    {"range", S, 0, {0}, 0},
    {"rate", V, 1, {M}, 0},
    {"resets", V, 1, {M}, 0},
    {"round", V, 2, {V, S}, 1},
    {"scalar", S, 1, {V}, 0},
    {"sgn", V, 1, {V}, 0},
    {"sin", V, 1, {V}, 0},
    {"sinh", V, 1, {V}, 0},
    {"sort", V, 1, {V}, 0},
    {"sort_by_label", V, 2, {V, T}, -1},
    {"sort_by_label_desc", V, 2, {V, T}, -1},
    {"sort_desc", V, 1, {V}, 0},
    {"sqrt", V, 1, {V}, 0},
    {"start", S, 0, {0}, 0},
    {"stddev_over_time", V, 1, {M}, 0},
    {"stdvar_over_time", V, 1, {M}, 0},
    {"step", S, 0, {0}, 0},
    {"sum_over_time", V, 1, {M}, 0},
    {"tan", V, 1, {V}, 0},
    {"tanh", V, 1, {V}, 0},
    {"time", S, 0, {0}, 0},
    {"timestamp", V, 1, {V}, 0},
    {"ts_of_first_over_time", V, 1, {M}, 0},
    {"ts_of_last_over_time", V, 1, {M}, 0},
    {"ts_of_max_over_time", V, 1, {M}, 0},
    {"ts_of_min_over_time", V, 1, {M}, 0},
    {"vector", V, 1, {S}, 0},
    {"year", V, 1, {V}, 1},
};

const struct promql_function *promql_functions(uint32_t *count)
{
	*count = sizeof functions / sizeof *functions;
	return functions;
}

const struct promql_function *promql_function_find(struct slice name)
{
	uint32_t low = 0, high = sizeof functions / sizeof *functions;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = slice_compare(slice_cstr(functions[middle].name), name);
		if (order == 0)
			return &functions[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

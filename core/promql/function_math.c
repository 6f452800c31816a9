/* Functions of a number. */
#include "promql/function.h"
#include "promql/go_math.h"

static inline __attribute__((always_inline)) int each(const struct map_call *c, struct row *row, double (*f)(double))
{
	for (uint32_t i = 0; i < c->steps->count; i++) {
		if (!promql_is_absent(row->values[i]))
			row->values[i] = f(row->values[i]);
	}
	return 0;
}

static double degrees(double v)
{
	return v * 180 / M_PI;
}

static double radians(double v)
{
	return v * M_PI / 180;
}

static double sign(double v)
{
	return v < 0 ? -1 : v > 0 ? 1 : v;
}

#define FUNCTION(name, f)                                                                                              \
	int function_##name(const struct map_call *c, struct row *row)                                                 \
	{                                                                                                              \
		return each(c, row, f);                                                                                \
	}

FUNCTION(abs, fabs)
FUNCTION(acos, go_acos)
FUNCTION(acosh, go_acosh)
FUNCTION(asin, go_asin)
FUNCTION(asinh, go_asinh)
FUNCTION(atan, go_atan)
FUNCTION(atanh, go_atanh)
FUNCTION(ceil, ceil)
FUNCTION(cos, go_cos)
FUNCTION(cosh, go_cosh)
FUNCTION(deg, degrees)
FUNCTION(exp, go_exp)
FUNCTION(floor, floor)
FUNCTION(ln, go_log)
FUNCTION(log10, go_log10)
FUNCTION(log2, go_log2)
FUNCTION(rad, radians)
FUNCTION(sgn, sign)
FUNCTION(sin, go_sin)
FUNCTION(sinh, go_sinh)
FUNCTION(sqrt, sqrt)
FUNCTION(tan, go_tan)
FUNCTION(tanh, go_tanh)

#undef FUNCTION

/* Steps at which the bounds are the wrong way round have no value. */
static inline void clamp(double *v, double least, double greatest)
{
	if (!promql_is_absent(*v))
		*v = greatest < least ? promql_absent() : go_max(least, go_min(greatest, *v));
}

int function_clamp(const struct map_call *c, struct row *row)
{
	for (uint32_t i = 0; i < c->steps->count; i++)
		clamp(&row->values[i], c->scalars[1][i], c->scalars[2][i]);
	return 0;
}

int function_clamp_max(const struct map_call *c, struct row *row)
{
	for (uint32_t i = 0; i < c->steps->count; i++)
		clamp(&row->values[i], -INFINITY, c->scalars[1][i]);
	return 0;
}

int function_clamp_min(const struct map_call *c, struct row *row)
{
	for (uint32_t i = 0; i < c->steps->count; i++)
		clamp(&row->values[i], c->scalars[1][i], INFINITY);
	return 0;
}

/* To the nearest multiple, of two the greater one; by the inverse, which is what Prometheus multiplies with. */
int function_round(const struct map_call *c, struct row *row)
{
	for (uint32_t i = 0; i < c->steps->count; i++) {
		double inverse = 1 / (c->expr->call.arg_count > 1 ? c->scalars[1][i] : 1);
		if (!promql_is_absent(row->values[i]))
			row->values[i] = floor(row->values[i] * inverse + 0.5) / inverse;
	}
	return 0;
}

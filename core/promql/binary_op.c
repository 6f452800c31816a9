/* The operators on numbers, and on rows of them: loops that the compiler makes vector instructions of (CMakeLists.txt).
 *
 * fmod, pow and atan2 of C have the same special cases as those of Go, which Prometheus uses: x % 0 is NaN, 1 ^ NaN is 1. */
#include "promql/binary.h"
#include "promql/go_math.h"

/* x^y of finite numbers, x not 0, |y| under 2^63, as Go reckons it: the whole part by squaring, mantissa and exponent apart, the rest by a logarithm. It rounds more than once, so that pow() would have another last bit more often than not. */
static double power_of(double x, double y)
{
	enum { EXPONENT_MAX = 1 << 12 }; /* whatever follows, it overflows, or is 0 */
	double whole, rest = modf(fabs(y), &whole), product = 1;
	int exponent, sum = 0;

	if (rest > 0.5) {
		rest -= 1;
		whole += 1;
	}
	if (rest != 0)
		product = go_exp(rest * go_log(x));
	double square = frexp(x, &exponent);
	for (int64_t left = (int64_t)whole; left != 0; left >>= 1) {
		if (exponent < -EXPONENT_MAX || exponent > EXPONENT_MAX) {
			sum += exponent;
			break;
		}
		if ((left & 1) != 0) {
			product *= square;
			sum += exponent;
		}
		square *= square;
		exponent *= 2;
		if (square < 0.5) {
			square += square;
			exponent--;
		}
	}
	return y < 0 ? ldexp(1 / product, -sum) : ldexp(product, sum);
}

static double power(double x, double y)
{
	if (!isfinite(x) || x == 0 || !(fabs(y) < 0x1p63) || (x < 0 && trunc(y) != y))
		return pow(x, y); /* the special cases */
	if (fabs(y) == 0.5)
		return y > 0 ? sqrt(x) : 1 / sqrt(x);
	return power_of(x, y);
}

double promql_op_apply(enum promql_op op, double a, double b)
{
	switch (op) {
	case PROMQL_ADD:
		return a + b;
	case PROMQL_SUB:
		return a - b;
	case PROMQL_MUL:
		return a * b;
	case PROMQL_DIV:
		return a / b;
	case PROMQL_MOD:
		return fmod(a, b);
	case PROMQL_POW:
		return power(a, b);
	case PROMQL_ATAN2:
		return go_atan2(a, b);
	case PROMQL_EQ:
		return a == b;
	case PROMQL_NE:
		return a != b;
	case PROMQL_GT:
		return a > b;
	case PROMQL_LT:
		return a < b;
	case PROMQL_GE:
		return a >= b;
	case PROMQL_LE:
		return a <= b;
	default:
		return NAN; /* of sets and durations: no operators on numbers */
	}
}

#define EACH(result)                                                                                                   \
	for (uint32_t i = 0; i < count; i++)                                                                           \
	out[i] = (result)

/* 1 or 0 for a comparison. */
static void apply(enum promql_op op, const double *restrict a, const double *restrict b, double *restrict out,
                  uint32_t count)
{
	switch (op) {
	case PROMQL_ADD:
		EACH(a[i] + b[i]);
		break;
	case PROMQL_SUB:
		EACH(a[i] - b[i]);
		break;
	case PROMQL_MUL:
		EACH(a[i] * b[i]);
		break;
	case PROMQL_DIV:
		EACH(a[i] / b[i]);
		break;
	case PROMQL_EQ:
		EACH(a[i] == b[i] ? 1.0 : 0.0);
		break;
	case PROMQL_NE:
		EACH(a[i] != b[i] ? 1.0 : 0.0);
		break;
	case PROMQL_GT:
		EACH(a[i] > b[i] ? 1.0 : 0.0);
		break;
	case PROMQL_LT:
		EACH(a[i] < b[i] ? 1.0 : 0.0);
		break;
	case PROMQL_GE:
		EACH(a[i] >= b[i] ? 1.0 : 0.0);
		break;
	case PROMQL_LE:
		EACH(a[i] <= b[i] ? 1.0 : 0.0);
		break;
	default:
		EACH(promql_op_apply(op, a[i], b[i]));
		break;
	}
}

void promql_op_rows(enum promql_op op, bool returns_bool, const struct operands *in, double *out, uint32_t count)
{
	bool filters = promql_op_compares(op) && !returns_bool;

	apply(op, in->left, in->right, out, count);
	for (uint32_t i = 0; i < count; i++) {
		if (promql_is_absent(in->left[i]) || promql_is_absent(in->right[i]) || (filters && out[i] == 0))
			out[i] = promql_absent();
		else if (filters)
			out[i] = in->kept[i];
	}
}

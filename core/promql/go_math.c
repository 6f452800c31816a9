#include "promql/go_math.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* ---- exp ---- */

/* x = k ln 2 + r, with ln 2 in two parts; exp(r / 16) - 1 by its series, squared four times in the form (1 + y)² - 1 = y (y + 2) (N. Shibata, Computer Science - Research and Development 25, 2010). Multiplications and additions are
 * fused where the processor's are. */
static const double ln2_upper = 0.69314718055966295651160180568695068359375;
static const double ln2_lower = 0.28235290563031577122588448175013436025525412068e-12;

static double scaled(double y, int exponent)
{
	if (exponent >= 1024)
		return INFINITY;
	if (exponent > -1023)
		return y * ldexp(1, exponent);
	/* Subnormal numbers are rounded once more. */
	return exponent < -1075 ? 0 : y * ldexp(1, exponent + 1022) * 0x1p-1022;
}

double go_exp(double x)
{
	static const double series[] = {1.9841269841269841270e-4,
	                                1.3888888888888888889e-3,
	                                8.3333333333333333333e-3,
	                                4.1666666666666666667e-2,
	                                1.6666666666666666667e-1,
	                                0.5,
	                                1};
	if (isnan(x) || x == INFINITY)
		return x;
	if (x > 7.09782712893384e+02)
		return INFINITY;
	if (x < -1000) /* far below what is rounded to zero */
		return 0;
	double k = nearbyint(M_LOG2E * x);
	double r = fma(-ln2_lower, k, fma(-ln2_upper, k, x)) * 0.0625;
	double sum = 2.4801587301587301587e-5;
	for (int i = 0; i < 7; i++)
		sum = fma(sum, r, series[i]);
	double y = r * sum;
	for (int i = 0; i < 3; i++)
		y *= y + 2;
	return scaled(fma(y + 2, y, 1), (int)k);
}

/* ---- logarithms ---- */

/* As in FreeBSD's e_log.c: x = 2^k (1 + f), and log(1 + f) = f - f²/2 + s (f²/2 + R), s = f / (2 + f), R a polynomial of s². */
double go_log(double x)
{
	int k;
	if (isnan(x) || x == INFINITY)
		return x;
	if (x <= 0)
		return x == 0 ? -INFINITY : NAN;
	/* Of subnormal numbers Go's amd64 code takes the bits as they are. */
	uint64_t bits;
	memcpy(&bits, &x, sizeof bits);
	k = (int)(bits >> 52) - 1022;
	bits = (bits & UINT64_C(0x000fffffffffffff)) | UINT64_C(0x3fe0000000000000);
	double f;
	memcpy(&f, &bits, sizeof f);
	if (f < M_SQRT1_2) {
		k--;
		f *= 2;
	}
	f -= 1;
	double s = f / (2 + f), s2 = s * s, s4 = s2 * s2;
	double t1 =
	    s2 * (6.666666666666735130e-01 +
	          s4 * (2.857142874366239149e-01 + s4 * (1.818357216161805012e-01 + s4 * 1.479819860511658591e-01)));
	double t2 = s4 * (3.999999999940941908e-01 + s4 * (2.222219843214978396e-01 + s4 * 1.531383769920937332e-01));
	double half = 0.5 * f * f, rest = t1 + t2;
	return k * 6.93147180369123816490e-01 - ((half - (s * (half + rest) + k * 1.90821492927058770002e-10)) - f);
}

double go_log2(double x)
{
	int exponent = 0;
	double fraction = frexp(x, &exponent);
	if (fraction == 0.5)
		return exponent - 1;
	return go_log(fraction) * M_LOG2E + exponent;
}

double go_log10(double x)
{
	return go_log(x) * M_LOG10E;
}

/* ---- the lesser and the greater ---- */

double go_min(double a, double b)
{
	if (a == -INFINITY || b == -INFINITY)
		return -INFINITY;
	if (isnan(a) || isnan(b))
		return NAN;
	if (a == 0 && b == 0)
		return signbit(a) ? a : b;
	return a < b ? a : b;
}

double go_max(double a, double b)
{
	if (a == INFINITY || b == INFINITY)
		return INFINITY;
	if (isnan(a) || isnan(b))
		return NAN;
	if (a == 0 && b == 0)
		return signbit(a) ? b : a;
	return a > b ? a : b;
}

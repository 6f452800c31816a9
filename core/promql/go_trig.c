/* Angles and hyperbolic functions as Go has them: by the polynomials of the Cephes library (S. L. Moshier) and of Hart and Cheney. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "promql/go_math.h"

static double with_sign_of(double x, double v)
{
	return x < 0 ? -v : v;
}

/* ---- angles ---- */

/* Of 0 to 0.66. */
static double atan_small(double x)
{
	double z = x * x;
	double p =
	    (((-8.750608600031904122785e-01 * z + -1.615753718733365076637e+01) * z + -7.500855792314704667340e+01) *
	         z +
	     -1.228866684490136173410e+02) *
	        z +
	    -6.485021904942025371773e+01;
	double q = ((((z + +2.485846490142306297962e+01) * z + 1.650270098316988542046e+02) * z +
	             4.328810604912902668951e+02) *
	                z +
	            4.853903996359136964868e+02) *
	               z +
	           1.945506571482613964425e+02;
	return x * (z * p / q) + x;
}

/* Of what is positive: above tan(3/8 π) by the inverse, above 0.66 by what is left of π/4. */
static double atan_positive(double x)
{
	static const double more = 6.123233995736765886130e-17; /* what π/2 lacks as a double */
	if (x <= 0.66)
		return atan_small(x);
	if (x > 2.41421356237309504880)
		return M_PI_2 - atan_small(1 / x) + more;
	return M_PI_4 + atan_small((x - 1) / (x + 1)) + 0.5 * more;
}

double go_atan(double x)
{
	if (x == 0 || isnan(x))
		return x;
	return with_sign_of(x, atan_positive(fabs(x)));
}

double go_atan2(double y, double x)
{
	if (!isfinite(x) || !isfinite(y) || x == 0 || y == 0)
		return atan2(y, x); /* the special cases are C's */
	double angle = go_atan(y / x);
	if (x > 0)
		return angle;
	return angle <= 0 ? angle + M_PI : angle - M_PI;
}

double go_asin(double x)
{
	double y = fabs(x);
	if (x == 0)
		return x;
	if (!(y <= 1))
		return NAN;
	double rest = sqrt(1 - y * y);
	return with_sign_of(x, y > 0.7 ? M_PI_2 - atan_positive(rest / y) : atan_positive(y / rest));
}

double go_acos(double x)
{
	return M_PI_2 - go_asin(x);
}

/* ---- sine, cosine, tangent ---- */

/* An angle as `octants` times π/4, an even number of them, and a rest. */
struct reduced {
	uint64_t octants;
	double rest;
};

/* The binary digits of 4/π; the first word is what is before the point. */
static const uint64_t four_by_pi[] = {
    UINT64_C(0x0000000000000001), UINT64_C(0x45f306dc9c882a53), UINT64_C(0xf84eafa3ea69bb81),
    UINT64_C(0xb6c52b3278872083), UINT64_C(0xfca2c757bd778ac3), UINT64_C(0x6e48dc74849ba5c0),
    UINT64_C(0x0c925dd413a32439), UINT64_C(0xfc3bd63962534e7d), UINT64_C(0xd1046bea5d768909),
    UINT64_C(0xd338e04d68befc82), UINT64_C(0x7323ac7306a673e9), UINT64_C(0x3908bf177bf25076),
    UINT64_C(0x3ff12fffbc0b301f), UINT64_C(0xde5e2316b414da3e), UINT64_C(0xda6cfd9e4f96136e),
    UINT64_C(0x9e8c7ecd3cbfd45a), UINT64_C(0xea4f758fd7cbe2f6), UINT64_C(0x7a0e73ef14a525d4),
    UINT64_C(0xd7f6bf623f1aba10), UINT64_C(0xac06608df8f6d757),
};

__extension__ typedef unsigned __int128 wide;

/* Of large angles: the mantissa times those digits of 4/π that make the octants below 8 and 64 bits behind them (M. Payne, R. Hanek, 1983). */
static struct reduced reduce_large(double x)
{
	uint64_t bits;
	memcpy(&bits, &x, sizeof bits);
	int exponent = (int)(bits >> 52) - 1075;
	bits = (bits & UINT64_C(0x000fffffffffffff)) | UINT64_C(0x0010000000000000);
	unsigned word = (unsigned)(exponent + 61) / 64, shift = (unsigned)(exponent + 61) % 64;
	uint64_t digits[3];
	for (unsigned i = 0; i < 3; i++) {
		digits[i] = four_by_pi[word + i] << shift;
		if (shift > 0)
			digits[i] |= four_by_pi[word + i + 1] >> (64 - shift);
	}
	wide low = (wide)digits[1] * bits + (uint64_t)((wide)digits[2] * bits >> 64);
	uint64_t high = digits[0] * bits + (uint64_t)(low >> 64), next = (uint64_t)low;
	struct reduced r = {high >> 61, 0};
	high = high << 3 | next >> 61;
	/* The first one bit becomes that of a mantissa, which those behind it follow. */
	unsigned zeros = high == 0 ? 64 : (unsigned)__builtin_clzll(high);
	uint64_t rest = zeros + 1 < 64 ? high << (zeros + 1) : 0;
	rest |= zeros < 64 ? next >> (63 - zeros) : 0;
	rest = rest >> 12 | (uint64_t)(1022 - zeros) << 52;
	memcpy(&r.rest, &rest, sizeof rest);
	if ((r.octants & 1) != 0) {
		r.octants = (r.octants + 1) & 7;
		r.rest--;
	}
	r.rest *= M_PI_4;
	return r;
}

/* π/4 in three parts: products of the first two with numbers below 2^29 are exact. */
static struct reduced reduce(double x)
{
	if (x >= 0x1p29)
		return reduce_large(x);
	uint64_t octants = (uint64_t)(x * 1.2732395447351628);
	octants += octants & 1;
	double n = (double)octants;
	double rest =
	    ((x - n * 7.85398125648498535156e-1) - n * 3.77489470793079817668e-8) - n * 2.69515142907905952645e-15;
	return (struct reduced){octants & 7, rest};
}

static double sine(double x)
{
	double z = x * x;
	return x +
	       x * z *
	           (((((1.58962301576546568060e-10 * z + -2.50507477628578072866e-8) * z + 2.75573136213857245213e-6) *
	                  z +
	              -1.98412698295895385996e-4) *
	                 z +
	             8.33333333332211858878e-3) *
	                z +
	            -1.66666666666666307295e-1);
}

static double cosine(double x)
{
	double z = x * x;
	return 1 - 0.5 * z +
	       z * z *
	           (((((-1.13585365213876817300e-11 * z + 2.08757008419747316778e-9) * z + -2.75573141792967388112e-7) *
	                  z +
	              2.48015872888517045348e-5) *
	                 z +
	             -1.38888888888730564116e-3) *
	                z +
	            4.16666666666665929218e-2);
}

double go_sin(double x)
{
	if (x == 0 || !isfinite(x))
		return x == 0 ? x : NAN;
	struct reduced r = reduce(fabs(x));
	double y = (r.octants & 3) == 2 ? cosine(r.rest) : sine(r.rest);
	return with_sign_of(x, r.octants > 3 ? -y : y);
}

double go_cos(double x)
{
	if (!isfinite(x))
		return NAN;
	struct reduced r = reduce(fabs(x));
	double y = (r.octants & 3) == 2 ? sine(r.rest) : cosine(r.rest);
	return r.octants == 2 || r.octants == 4 ? -y : y;
}

double go_tan(double x)
{
	if (x == 0 || !isfinite(x))
		return x == 0 ? x : NAN;
	struct reduced r = reduce(fabs(x));
	double y = r.rest, z = y * y;
	if (z > 1e-14) {
		double p = (-1.30936939181383777646e4 * z + 1.15351664838587416140e6) * z + -1.79565251976484877988e7;
		double q =
		    (((z + 1.36812963470692954678e4) * z + -1.32089234440210967447e6) * z + 2.50083801823357915839e7) *
		        z +
		    -5.38695755929454629881e7;
		y = y + y * (z * p / q);
	}
	return with_sign_of(x, (r.octants & 2) != 0 ? -1 / y : y);
}

/* ---- hyperbolic functions ---- */

double go_sinh(double x)
{
	double y = fabs(x), z = y * y;
	if (x == 0 || isnan(x))
		return x;
	if (y > 21)
		return with_sign_of(x, go_exp(y) * 0.5);
	if (y > 0.5) {
		double e = go_exp(y);
		return with_sign_of(x, (e - 1 / e) * 0.5);
	}
	double p = ((-0.2630563213397497062819489e+2 * z + -0.2894211355989563807284660366e+4) * z +
	            -0.8991272022039509355398013511e+5) *
	               z +
	           -0.6307673640497716991184787251e+6;
	double q = ((z + -0.173678953558233699533450911e+3) * z + 0.1521517378790019070696485176e+5) * z +
	           -0.6307673640497716991212077277e+6;
	return with_sign_of(x, p * y / q);
}

double go_cosh(double x)
{
	double y = fabs(x), e = go_exp(y);
	return y > 21 ? e * 0.5 : (e + 1 / e) * 0.5;
}

double go_tanh(double x)
{
	double y = fabs(x), z = x * x;
	if (y > 0.5 * 8.8029691931113054295988e+01)
		return with_sign_of(x, 1);
	if (y >= 0.625)
		return with_sign_of(x, 1 - 2 / (go_exp(2 * y) + 1));
	if (x == 0)
		return x;
	double p = (-9.64399179425052238628e-1 * z + -9.92877231001918586564e1) * z + -1.61468768441708447952e3;
	double q = ((z + 1.12811678491632931402e2) * z + 2.23548839060100448583e3) * z + 4.84406305325125486048e3;
	return x + x * z * p / q;
}

/* ---- and their inverses ---- */

/* log(1 + x) as in FreeBSD's s_log1p.c: 1 + x = 2^k (1 + f), and what 1 + x lost to rounding is put right; `tiny`: f is next to nothing. */
static double log1p_of(int k, double f, double lost, bool tiny)
{
	static const double ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;
	double half = 0.5 * f * f;

	if (tiny) {
		if (f == 0)
			return k == 0 ? 0 : k * ln2_high + (lost + k * ln2_low);
		double rest = half * (1.0 - 0.66666666666666666 * f);
		return k == 0 ? f - rest : k * ln2_high - ((rest - (k * ln2_low + lost)) - f);
	}
	double s = f / (2.0 + f), z = s * s;
	double rest = z * (6.666666666666735130e-01 +
	                   z * (3.999999999940941908e-01 +
	                        z * (2.857142874366239149e-01 +
	                             z * (2.222219843214978396e-01 +
	                                  z * (1.818357216161805012e-01 +
	                                       z * (1.531383769920937332e-01 + z * 1.479819860511658591e-01))))));
	if (k == 0)
		return f - (half - s * (half + rest));
	return k * ln2_high - ((half - (s * (half + rest) + (k * ln2_low + lost))) - f);
}

/* Of x from 0 on: all that is asked for here. */
static double log1p_positive(double x)
{
	if (x == INFINITY)
		return x;
	if (x < 0x1p-54)
		return x;
	if (x < 0x1p-29)
		return x - x * x * 0.5;
	if (x < 4.142135623730950488017e-01) /* √2 - 1 */
		return log1p_of(0, x, 0, false);
	double u = x < 0x1p53 ? 1.0 + x : x;
	uint64_t bits;
	memcpy(&bits, &u, sizeof bits);
	int k = (int)(bits >> 52) - 1023;
	double lost = x < 0x1p53 ? (k > 0 ? 1.0 - (u - x) : x - (u - 1.0)) / u : 0;
	bits &= UINT64_C(0x000fffffffffffff);
	bool above = bits >= UINT64_C(0x0006a09e667f3bcd); /* the mantissa of √2 */
	bool tiny = above ? UINT64_C(0x0010000000000000) - bits < 4 : bits == 0;
	bits |= above ? UINT64_C(0x3fe0000000000000) : UINT64_C(0x3ff0000000000000);
	memcpy(&u, &bits, sizeof u);
	return log1p_of(k + above, u - 1.0, lost, tiny);
}

double go_asinh(double x)
{
	double y = fabs(x);
	if (!isfinite(x) || y < 0x1p-28)
		return x;
	if (y > 0x1p28)
		return with_sign_of(x, go_log(y) + M_LN2);
	if (y > 2)
		return with_sign_of(x, go_log(2 * y + 1 / (sqrt(y * y + 1) + y)));
	return with_sign_of(x, log1p_positive(y + y * y / (1 + sqrt(1 + y * y))));
}

double go_acosh(double x)
{
	if (!(x >= 1))
		return NAN;
	if (x >= 0x1p28)
		return go_log(x) + M_LN2;
	if (x > 2)
		return go_log(2 * x - 1 / (x + sqrt(x * x - 1)));
	double t = x - 1;
	return t == 0 ? 0 : log1p_positive(t + sqrt(2 * t + t * t));
}

double go_atanh(double x)
{
	double y = fabs(x);
	if (!(y <= 1))
		return NAN;
	if (y == 1)
		return with_sign_of(x, INFINITY);
	if (y < 0x1p-28)
		return x;
	double twice = y + y;
	return with_sign_of(x, 0.5 * log1p_positive(y < 0.5 ? twice + twice * y / (1 - y) : twice / (1 - y)));
}

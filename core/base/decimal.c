/* The shortest decimal of a double, by the method of Raffaello Giulietti ("The Schubfach way to render doubles", 2020).
 *
 * All decimals between the midpoints to the neighbouring doubles read back as v. With k = floor(log10 of the width of
 * that interval) it holds at least one multiple of 10^k and at most one of 10^(k+1), so four candidates are enough.
 * They are compared at four times the scale (the midpoints then are whole) against v × 10^-k, whose product with a
 * power of ten of 128 bits is cut by "rounding to odd": bits that are lost leave a one, which keeps every comparison
 * true.
 *
 * The 617 powers are computed with long arithmetic at the first use (0.1 ms) rather than listed: no table to mistrust.
 * The roads not taken: trying printf with 15, 16, 17 digits is 20 times slower and follows the locale. */
#include "base/decimal.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "base/check.h"

enum {
	POWER_MIN = -292, /* of ten: what the largest and the smallest double need */
	POWER_MAX = 324,
	LIMBS = 37,              /* of 32 bits, for 10^324 (1,077 bits) and for FRACTION_BITS */
	FRACTION_BITS = 36 * 32, /* negative powers are multiples of 2^-1152: 10^-292 has 182 bits of them */
	MANTISSA_BITS = 52,
	EXPONENT_BIAS = 1075, /* of the mantissa as a whole number */
};

/* 10^power = (hi × 2^64 + lo) × 2^x with the highest bit set; rounded up. */
struct power {
	uint64_t hi, lo;
};

__extension__ typedef unsigned __int128 u128;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct power powers[POWER_MAX - POWER_MIN + 1];

/* The highest 128 bits of a number of LIMBS limbs (the lowest first), rounded up if `more` or if lower bits are set. */
static struct power highest(const uint32_t *limbs, bool more)
{
	int top = LIMBS - 1;

	while (limbs[top] == 0)
		top--;
	int zeros = __builtin_clz(limbs[top]);
	u128 v = 0;
	uint32_t below = 0; /* the limb that is cut, and whether anything is under it */
	for (int i = 0; i < 4; i++)
		v = v << 32 | (top - i >= 0 ? limbs[top - i] : 0);
	if (top >= 4)
		below = limbs[top - 4];
	v = zeros == 0 ? v : v << zeros | below >> (32 - zeros);
	more = more || below << zeros != 0;
	for (int i = top - 5; i >= 0; i--)
		more = more || limbs[i] != 0;
	v += more;
	CHECK(v >> 127 == 1);
	return (struct power){(uint64_t)(v >> 64), (uint64_t)v};
}

static void make_powers(void)
{
	uint32_t limbs[LIMBS] = {1};

	for (int k = 0; k <= POWER_MAX; k++) {
		uint64_t carry = 0;
		powers[k - POWER_MIN] = highest(limbs, false);
		for (int i = 0; i < LIMBS; i++) {
			carry += (uint64_t)limbs[i] * 10;
			limbs[i] = (uint32_t)carry;
			carry >>= 32;
		}
	}
	memset(limbs, 0, sizeof limbs);
	limbs[FRACTION_BITS / 32] = 1;
	for (int k = -1; k >= POWER_MIN; k--) {
		uint64_t rest = 0;
		for (int i = LIMBS - 1; i >= 0; i--) {
			rest = rest << 32 | limbs[i];
			limbs[i] = (uint32_t)(rest / 10);
			rest %= 10;
		}
		/* No negative power of ten ends in binary. */
		powers[k - POWER_MIN] = highest(limbs, true);
	}
}

/* floor(log10(2^e)), floor(log10(3/4 × 2^e)), floor(log2(10^e)) for the exponents of doubles: fixed-point logarithms,
 * log10(2) = 1262611 / 2^22, log10(4/3) = 524031 / 2^22, log2(10) = 1741647 / 2^19. Shifts of negatives round down. */
static int log10_of_pow2(int e)
{
	return (e * 1262611) >> 22;
}

static int log10_of_three_quarters_pow2(int e)
{
	return (e * 1262611 - 524031) >> 22;
}

static int log2_of_pow10(int e)
{
	return (e * 1741647) >> 19;
}

/* floor(g × c / 2^128), made odd when something was cut off. */
static uint64_t multiply_to_odd(struct power g, uint64_t c)
{
	u128 low = (u128)g.lo * c;
	u128 sum = (u128)g.hi * c + (uint64_t)(low >> 64);

	return (uint64_t)(sum >> 64) | ((uint64_t)sum > 1);
}

/* Chooses among the candidates. v = mantissa × 2^exponent; `narrow`: the double below is only half as far away as the
 * one above. */
static struct decimal choose(uint64_t mantissa, int exponent, bool narrow)
{
	uint64_t odd = mantissa & 1; /* then the midpoints themselves read back as a neighbour */
	int k = narrow ? log10_of_three_quarters_pow2(exponent) : log10_of_pow2(exponent);
	int shift = exponent + log2_of_pow10(-k) + 1;
	struct power g = powers[-k - POWER_MIN];
	uint64_t value = multiply_to_odd(g, (4 * mantissa) << shift);
	uint64_t lower = multiply_to_odd(g, (4 * mantissa - (narrow ? 1 : 2)) << shift) + odd;
	uint64_t upper = multiply_to_odd(g, (4 * mantissa + 2) << shift) - odd;
	uint64_t s = value / 4;

	if (s >= 10) {
		uint64_t tens = s / 10;
		bool down = lower <= 40 * tens;
		bool up = 40 * tens + 40 <= upper;
		if (down != up)
			return (struct decimal){tens + up, k + 1};
	}
	bool down = lower <= 4 * s;
	bool up = 4 * s + 4 <= upper;
	if (down == up)
		up = value > 4 * s + 2 || (value == 4 * s + 2 && (s & 1) != 0);
	return (struct decimal){s + up, k};
}

struct decimal decimal_shortest(double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof bits);
	uint64_t fraction = bits & ((UINT64_C(1) << MANTISSA_BITS) - 1);
	int biased = (int)(bits >> MANTISSA_BITS & 0x7ff);
	pthread_once(&once, make_powers);
	struct decimal d = biased == 0 ? choose(fraction, 1 - EXPONENT_BIAS, false)
	                               : choose(fraction | UINT64_C(1) << MANTISSA_BITS, biased - EXPONENT_BIAS,
	                                        fraction == 0 && biased > 1);
	while (d.digits % 10 == 0) {
		d.digits /= 10;
		d.exponent++;
	}
	return d;
}

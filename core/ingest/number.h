/* Decimal text as doubles: what the decoders of text share. Private to ingest/. */
#ifndef MOONGATE_INGEST_NUMBER_H
#define MOONGATE_INGEST_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum { NUMBER_TEXT_MAX = 1024, NUMBER_POWERS = 23 };

/* 10^0 to 10^22, which are exact. */
extern const double number_powers[NUMBER_POWERS];

/* digits × 10^exponent where that is one correctly rounded operation: the exact fast path of Clinger ("How to read floating point numbers accurately", 1990). False where it is not: number_slow. */
static inline bool number_exact(uint64_t digits, int32_t exponent, double *out)
{
	if (digits > (uint64_t)1 << 53 || exponent <= -NUMBER_POWERS || exponent >= NUMBER_POWERS)
		return false;
	*out = exponent < 0 ? (double)digits / number_powers[-exponent] : (double)digits * number_powers[exponent];
	return true;
}

/* Decimal text of any kind, correctly rounded; infinite when it is beyond the range. False when it has more than NUMBER_TEXT_MAX bytes. */
bool number_slow(struct slice text, double *out);

/* A number as Prometheus takes it in text: what Go's ParseFloat does, without hexadecimal forms and underscores. "Inf", "Infinity" (with or without a sign) and "NaN" in any case. NULL, or what is wrong. */
const char *number_go(struct slice text, double *out);

#endif

/* Doubles as shortest decimals. Private to base. */
#ifndef MOONGATE_BASE_DECIMAL_H
#define MOONGATE_BASE_DECIMAL_H

#include <stdint.h>

/* digits × 10^exponent; at most 17 digits, the last one not 0. */
struct decimal {
	uint64_t digits;
	int exponent;
};

/* The decimal of fewest digits that reads back as `v`, and of those the one closest to it. `v` is finite and above
 * zero. Any thread. */
struct decimal decimal_shortest(double v);

#endif

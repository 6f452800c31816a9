/* Which bucket of a histogram a value belongs to. */
#ifndef MOONGATE_METRICS_HISTOGRAM_H
#define MOONGATE_METRICS_HISTOGRAM_H

#include <stdint.h>

/* The first bucket whose upper bound is not below `v`; `count` for the one up to +Inf. Bounds rise. A loop without
 * branches over the few bounds that histograms have is faster than halving, whose every second guess is wrong; past
 * 32 it is not. */
static inline uint32_t histogram_bucket(const double *bounds, uint32_t count, double v)
{
	uint32_t low = 0;

	while (count - low > 32) {
		uint32_t middle = low + (count - low) / 2;
		if (bounds[middle] < v)
			low = middle + 1;
		else
			count = middle;
	}
	uint32_t below = low;
	for (uint32_t i = low; i < count; i++)
		below += bounds[i] < v;
	return below;
}

#endif

/* The bucket of a token. */
#include "net/rate.h"

#include "base/clock.h"

void rate_init(struct rate *r, uint32_t per_second, uint32_t burst)
{
	*r = (struct rate){0};
	if (per_second == 0)
		return;
	if (burst == 0)
		burst = per_second;
	r->interval_ns = (NS_PER_S + per_second - 1) / per_second;
	r->tolerance_ns = (int64_t)(burst - 1) * r->interval_ns;
}

uint32_t rate_take(struct rate *r, int64_t now_ns)
{
	if (r->interval_ns == 0)
		return 0;
	int64_t full = __atomic_load_n(&r->full_ns, __ATOMIC_RELAXED);
	int64_t from;
	do {
		from = full > now_ns ? full : now_ns;
		int64_t wait = from - now_ns - r->tolerance_ns;
		if (wait > 0)
			return (uint32_t)((wait + NS_PER_S - 1) / NS_PER_S);
	} while (!__atomic_compare_exchange_n(&r->full_ns, &full, from + r->interval_ns, true, __ATOMIC_RELAXED,
	                                      __ATOMIC_RELAXED));
	return 0;
}

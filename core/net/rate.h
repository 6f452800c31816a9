/* How many requests a second a token may send: a bucket of `burst` requests that fills at the rate. Kept as one number, the time at which the bucket will be full again (the generic
 * cell rate algorithm, ITU-T I.371), so that all loops share it without a lock and the limit holds exactly: in any t seconds at most burst + rate · t requests pass. The time
 * between two is rounded up to a nanosecond, so that at a rate of a million up to one in a thousand fewer may. */
#ifndef MOONGATE_NET_RATE_H
#define MOONGATE_NET_RATE_H

#include <stdint.h>

struct rate {
	int64_t interval_ns;  /* between two requests in the long run; 0: there is no limit */
	int64_t tolerance_ns; /* how far ahead of it they may be */
	int64_t full_ns;      /* atomic: when the bucket is full again; past: it is */
};

/* `per_second` 0: no limit. `burst` 0: as many as in a second. */
void rate_init(struct rate *r, uint32_t per_second, uint32_t burst);

/* Takes one request out of the bucket at `now_ns`, monotonic. 0: it may pass; else the seconds, rounded up, until one may. Any thread. */
uint32_t rate_take(struct rate *r, int64_t now_ns);

#endif

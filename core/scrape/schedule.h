/* When targets are scraped. Private to scrape/.
 *
 * As Prometheus does it: the targets are spread over the interval, each by the hash of what it is, so that it has its place in the interval whenever the program starts. */
#ifndef MOONGATE_SCRAPE_SCHEDULE_H
#define MOONGATE_SCRAPE_SCHEDULE_H

#include <stdint.h>

#include "base/error.h"

/* The next time of a target with this hash behind `now_ns`, of the wall clock. */
int64_t schedule_next(int64_t now_ns, int64_t interval_ns, uint64_t hash);

/* The time in milliseconds that samples of a scrape have that was due at `due_ns` and began at `now_ns`: the former, where the two are within two milliseconds and a hundredth of the interval. So the samples of a
 * series lie at even distances, and take less room. */
int64_t schedule_time_ms(int64_t due_ns, int64_t now_ns, int64_t interval_ns);

#endif

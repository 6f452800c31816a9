/* The state of a ratio's and a mean's series: sums over a sliding window. A ratio is the mean of hits (1) and misses
 * (0). */
#ifndef MOONGATE_METRICS_WINDOW_H
#define MOONGATE_METRICS_WINDOW_H

#include "metrics/internal.h"

enum { WINDOW_SLOTS = 60 }; /* the window is so many slots of equal length, aligned to the clock */

/* 976 bytes. */
struct ring {
	struct block block;
	int64_t head; /* number of the newest slot: time / length of a slot */
	struct ring_slot {
		double sum;
		uint64_t count;
	} slots[WINDOW_SLOTS]; /* slot number n lies at n % WINDOW_SLOTS */
};

/* Adds an observation at `time_ns` (in the future: now). One that is older than the window is counted as late. 0;
 * -EINVAL when the sum would not be finite; -ENOMEM; then nothing is changed. */
int ring_observe(struct registry *r, union series_cell *cell, int64_t window_ns, int64_t time_ns, double v);

/* The mean over the window that ends at now_ns, NaN when it is empty. `s` may be NULL. Any thread. */
double ring_mean(const struct ring *s, int64_t window_ns, int64_t now_ns);

#endif

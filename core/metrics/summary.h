/* The state of a summary's series: counts of logarithmic buckets over a sliding window, from which quantiles are
 * read. */
#ifndef MOONGATE_METRICS_SUMMARY_H
#define MOONGATE_METRICS_SUMMARY_H

#include "metrics/internal.h"

enum {
	SUMMARY_SLOTS = 10,     /* the window is so many slots of equal length, aligned to the clock */
	SUMMARY_BUCKETS = 1024, /* in a slot; past it the smallest values share one */
	SUMMARY_KEY_MAX = 73500 /* a bucket's key lies within ± this */
};

/* Slots lie one after the other in `entries`, the oldest first, each sorted by key. At most 80 KiB; 8 bytes for each
 * bucket that was hit in each slot: a few hundred bytes in most series. */
struct sketch {
	struct block block;
	int64_t head;                /* number of the newest slot: time / length of a slot */
	uint32_t cap;                /* entries that there is room for */
	uint32_t end[SUMMARY_SLOTS]; /* where each slot's entries end */
	uint64_t entries[];          /* sketch_entry() */
};

/* An entry: the bucket's key above, its count in the lower 46 bits, so that entries compare by key. */
enum { SKETCH_COUNT_BITS = 46, SKETCH_BIAS = 1 << 17 };
#define SKETCH_COUNT_MAX ((UINT64_C(1) << SKETCH_COUNT_BITS) - 1)

static inline uint64_t sketch_entry(int32_t key, uint64_t count)
{
	return (uint64_t)(key + SKETCH_BIAS) << SKETCH_COUNT_BITS | count;
}

static inline int32_t sketch_key(uint64_t entry)
{
	return (int32_t)(entry >> SKETCH_COUNT_BITS) - SKETCH_BIAS;
}

static inline uint64_t sketch_count(uint64_t entry)
{
	return entry & SKETCH_COUNT_MAX;
}

static inline size_t sketch_size(uint32_t cap)
{
	return sizeof(struct sketch) + cap * sizeof(uint64_t);
}

/* An empty sketch with room for `cap` entries, or NULL. */
struct sketch *sketch_new(struct registry *r, uint32_t cap);

/* Counts an observation at `time_ns` (in the future: now). One that is older than the window is counted as late. 0,
 * or -ENOMEM with nothing changed. */
int sketch_observe(struct registry *r, union series_cell *cell, int64_t window_ns, int64_t time_ns, double v);

/* The quantiles (rising) of the window that ends at now_ns; NaN when it is empty. `s` may be NULL. Any thread. */
void sketch_quantiles(const struct sketch *s, int64_t window_ns, int64_t now_ns, const double *quantiles,
                      uint32_t count, double *out);

#endif

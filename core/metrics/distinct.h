/* The state of a distinct's series: how many different values were seen in a calendar day, week or month. */
#ifndef MOONGATE_METRICS_DISTINCT_H
#define MOONGATE_METRICS_DISTINCT_H

#include "metrics/internal.h"

enum {
	DISTINCT_BITS = 14,
	DISTINCT_REGISTERS = 1 << DISTINCT_BITS,
	DISTINCT_RANK_MAX = 64 - DISTINCT_BITS + 1, /* the largest value of a register */
	DISTINCT_CAP_MAX = 2048                     /* slots of the exact set: as large as the registers */
};

/* While few values were seen, an exact set of their hashes (open addressing; 0: empty), at most three quarters full:
 * exact up to 1,536 values. Then the registers of a HyperLogLog. 100 bytes at first, 16.6 KiB at most. */
struct distinct {
	struct block block;
	int64_t start, next; /* the calendar period: [start, next) */
	uint32_t cap;        /* slots of the set, a power of two; 0: registers */
	uint32_t count;      /* values in the set */
	union {
		uint64_t hashes[1]; /* cap of them */
		struct {
			uint16_t ranks[DISTINCT_RANK_MAX + 1]; /* how many registers have each value */
			uint8_t registers[DISTINCT_REGISTERS];
		} dense;
	} u;
};

size_t distinct_size(uint32_t cap);

/* An empty one for a period, with room for a set of `cap` (0: registers). NULL when memory is out. */
struct distinct *distinct_new(struct registry *r, int64_t start, int64_t next, uint32_t cap);

/* Counts a value seen at `time_ns` (in the future: now). A value of a period that is over is counted as late. 0, or
 * -ENOMEM with nothing changed. */
int distinct_see(struct registry *r, union series_cell *cell, enum calendar period, int64_t time_ns,
                 struct slice value);

/* Adds a hash to a state that may be changed and has room for it; whether it is new. For checkpoints. */
bool distinct_put(struct distinct *d, uint64_t hash);

/* The number of different values in the period that holds now_ns; 0 when the state's is over. `d` may be NULL. Any
 * thread. */
double distinct_count(const struct distinct *d, int64_t now_ns);

#endif

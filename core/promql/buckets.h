/* Classic histograms at one moment: how many observations were not above each of some bounds. Private to this folder. */
#ifndef MOONGATE_PROMQL_BUCKETS_H
#define MOONGATE_PROMQL_BUCKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct bucket {
	double upper; /* the bound; observations at it are counted */
	double count; /* of this bucket and of all before it */
};

/* A bound as the label `le` has it: what Go's ParseFloat takes. */
bool bucket_bound(struct slice le, double *upper);

/* Buckets are sorted by their bounds. Adds up those with the same bound; returns how many there are then. */
uint32_t buckets_merge(struct bucket *b, uint32_t count);

/* What buckets_repair raised. */
struct bucket_repair {
	double least, greatest; /* bounds */
	double difference;      /* the greatest */
};
/* Counts that fall from one bucket to the next are raised to it, and those that differ by no more than sums of floating point numbers do, a trillionth of both together, are made the same. Is any raised by more than that? At least one
 * bucket. */
bool buckets_repair(struct bucket *b, uint32_t count, struct bucket_repair *r);

/* The value that the part q, from 0 to 1, of the observations is not above, evenly distributed within a bucket. Of merged and repaired buckets with the bound +Inf; else NaN. */
double buckets_quantile(double q, const struct bucket *b, uint32_t count);

/* The part of the observations between two values. Of merged buckets with the bound +Inf; else NaN. */
double buckets_fraction(double lower, double upper, const struct bucket *b, uint32_t count);

#endif

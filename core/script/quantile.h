/* Quantiles of classic histograms, as Prometheus 3 has them (promql/quantile.go, BucketQuantile). Private to script/. */
#ifndef MOONGATE_SCRIPT_QUANTILE_H
#define MOONGATE_SCRIPT_QUANTILE_H

#include <stdint.h>

struct bucket {
	double upper; /* the bound that is its label `le` */
	double count; /* of the observations up to it */
};

/* The quantile q, from 0 to 1, of the buckets, which are sorted, joined where their bounds are the same, and made to rise, in place. NaN: there are fewer than two, the last one's bound is not +Inf, or there was no observation. A
 * quantile in the last bucket is the bound before it; in the first, which begins at 0 where its bound is above, it is interpolated as in the others. */
double bucket_quantile(double q, struct bucket *buckets, uint32_t count);

#endif

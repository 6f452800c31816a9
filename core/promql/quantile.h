/* Quantiles of numbers. Private to this folder. */
#ifndef MOONGATE_PROMQL_QUANTILE_H
#define MOONGATE_PROMQL_QUANTILE_H

#include <stdint.h>

/* The quantile of numbers of which NaN is the least, as Prometheus has it: between two of them their weighted mean; NaN of none, or for a NaN; infinite below 0 and above 1. Changes their order. */
double quantile_of(double q, double *v, uint32_t count);

#endif

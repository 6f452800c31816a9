/* Aggregations that hold a few numbers a group and step, whatever goes into them. Private to this folder.
 *
 * A group has `width` arrays of one number for each step, one behind the other. Rows are added in runs of steps at which they have a value, each step on its own, in the order of the rows: what comes out is to the last bit what Prometheus
 * gets, which goes step by step. */
#ifndef MOONGATE_PROMQL_FOLD_H
#define MOONGATE_PROMQL_FOLD_H

#include "promql/promql.h"

struct fold {
	uint32_t width;
	void (*begin)(double *cells, uint32_t steps);
	/* `values` belong to the steps [from, to). */
	void (*add)(double *cells, uint32_t steps, const double *values, uint32_t from, uint32_t to);
	/* What was added becomes the result, in the first array. Steps at which nothing was added may hold anything. */
	void (*finish)(double *cells, uint32_t steps);
};

/* Of sum, avg, count, group, min, max, stddev, stdvar; NULL of all others. */
const struct fold *fold_of(enum promql_aggregation a);

#endif

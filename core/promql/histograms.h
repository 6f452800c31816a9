/* The classic histograms that the rows of a vector make: those that are the same but for `le`. Private to this folder. */
#ifndef MOONGATE_PROMQL_HISTOGRAMS_H
#define MOONGATE_PROMQL_HISTOGRAMS_H

#include "promql/buckets.h"
#include "promql/eval.h"
#include "promql/label_index.h"

/* A row that is a bucket of a histogram. */
struct histogram_row {
	double upper;
	uint32_t histogram, values; /* numbers: of the label set, and of the row's values */
};

struct histograms {
	struct eval *ev;
	uint32_t steps;
	struct label_index sets;    /* the labels of each, without `le` */
	struct histogram_row *rows; /* by histogram and bound */
	uint32_t count;
	size_t rows_cap;
	double *values; /* of all rows, a value a step */
	size_t values_cap;
	uint32_t *starts; /* of each histogram's rows; one more for the end */
	size_t starts_cap;
	struct bucket *buckets; /* room for the largest */
	size_t buckets_cap;
};

/* None yet. */
void histograms_init(struct histograms *h, struct eval *ev, uint32_t steps);
void histograms_deinit(struct histograms *h);

/* Takes all rows of a node. Those whose `le` is no bound are left out, with a warning that names the place `at`. 0, or negative with the error set. */
int histograms_collect(struct histograms *h, struct node *of, uint32_t at);

/* The buckets that a histogram has at a step, by their bounds, merged (buckets_merge), in h->buckets. How many: 0 where it has none. */
uint32_t histograms_at(struct histograms *h, uint32_t histogram, uint32_t step);

#endif

/* info(): what its files share. Private to this folder. */
#ifndef MOONGATE_PROMQL_INFO_H
#define MOONGATE_PROMQL_INFO_H

#include "promql/eval.h"
#include "promql/label_index.h"

/* An info series: the target that it says something of, under its name, and when it was sampled last at each step. */
struct info_series {
	struct slice labels;   /* the arena's */
	uint32_t target, next; /* series of that target, or LABEL_INDEX_NONE */
	int64_t *times_ms;     /* INT64_MIN: it was not */
};

struct info {
	struct node node;
	struct rows base;
	bool begun;
	struct matcher **matchers; /* of info series; those of the name first */
	uint32_t name_count, matcher_count;
	struct label_index instances, jobs; /* values that the base has, as sets of that one label */
	struct label_index names;           /* metric names of info series, as sets of that label */
	struct label_index targets;         /* name, instance, job */
	struct info_series *series;         /* in the order of their labels */
	uint32_t count;
	size_t cap;
	uint32_t *first; /* series of each target */
	/* The row of the base whose results are given out: which series each step takes of each name, and the steps that were given out. */
	uint32_t row;
	bool picked;
	uint32_t *picks; /* by step and name; LABEL_INDEX_NONE: none */
	bool *given;
	double *out;
	struct buf labels, scratch;
};

/* What makes up the identity of a target; sorted. */
enum { INFO_IDENTIFYING = 2 };
extern const struct slice info_identifying[INFO_IDENTIFYING];

/* Makes the matchers. 0, or negative with the error set. info_series.c */
int info_matchers(struct info *n);
/* Is it the name of one of the info series that are asked for? 1, 0, or negative with the error set. */
int info_is_name(const struct info *n, struct slice labels);
/* Selects the series of the targets that the base has; each has a time only at the steps at which it counts. 0, or negative with the error set. */
int info_select(struct info *n);

#endif

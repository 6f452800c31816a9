/* What aggregations share: their operand, groups and parameter. Private to this folder; aggregate.c. */
#ifndef MOONGATE_PROMQL_AGGREGATE_H
#define MOONGATE_PROMQL_AGGREGATE_H

#include "promql/eval.h"
#include "promql/grouping.h"

/* Nodes of aggregations begin with it. */
struct aggregate {
	struct node node;
	struct node *of;
	const double *param; /* by step; NULL: it has none, or a text */
	struct grouping grouping;
	bool begun; /* for the node's own use */
};

/* Makes a node of `size` bytes, zeroed but for its `struct aggregate`, and plans what it is made of. `more`: one more label of `by`, or empty. NULL with the error set. */
void *aggregate_new(struct eval *ev, const struct promql_expr *e, const struct steps *steps, size_t size,
                    const struct node_ops *ops, struct slice more);
/* What aggregate_new made; the rest is the node's. */
void aggregate_deinit(struct aggregate *a);

/* Takes all rows of the operand and closes it: what they say about the result is said, and its error comes before those of the parameter. 0, or negative with the error set. */
int aggregate_drain(struct aggregate *a);

/* Least and greatest parameter of all steps: NaN where any is. */
struct param_range {
	double least, greatest;
	bool any_nan;
};
struct param_range aggregate_param_range(const struct aggregate *a);
/* Where the parameter is written, parentheses aside: for annotations. */
uint32_t aggregate_param_at(const struct aggregate *a);
/* What topk, bottomk and limitk want of their parameter. 1: go on; 0: nothing is taken at any step, and the operand was drained; or negative with the error set. */
int aggregate_check_k(struct aggregate *a);
/* A parameter that was checked, as a number of series. */
uint32_t aggregate_k(double param);

struct node *plan_fold(struct eval *ev, const struct promql_expr *e, const struct steps *steps); /* aggregate_fold.c */
struct node *plan_count_values(struct eval *ev, const struct promql_expr *e,
                               const struct steps *steps); /* aggregate_values.c */
struct node *plan_quantile(struct eval *ev, const struct promql_expr *e,
                           const struct steps *steps); /* aggregate_quantile.c */
struct node *plan_top(struct eval *ev, const struct promql_expr *e, const struct steps *steps); /* aggregate_top.c */
struct node *plan_limit(struct eval *ev, const struct promql_expr *e,
                        const struct steps *steps); /* aggregate_limit.c */

#endif

/* What binary operators share. Private to this folder. */
#ifndef MOONGATE_PROMQL_BINARY_H
#define MOONGATE_PROMQL_BINARY_H

#include "promql/eval.h"

/* The operator over `count` values on each side; `out` is neither of them. Where one side is absent, so is the result. Comparisons give 1 or 0 with `returns_bool`; else what stands in `kept`, or nothing. binary_op.c */
struct operands {
	const double *left, *right;
	const double *kept; /* left or right */
};
void promql_op_rows(enum promql_op op, bool returns_bool, const struct operands *in, double *out, uint32_t count);

/* Is what comes out no longer the metric that went in? */
static inline bool promql_op_changes_metric(enum promql_op op)
{
	return op <= PROMQL_ATAN2;
}

struct node *plan_matched(struct eval *ev, const struct promql_expr *e, const struct steps *steps); /* binary_match.c */
struct node *plan_set(struct eval *ev, const struct promql_expr *e, const struct steps *steps);     /* binary_set.c */

#endif

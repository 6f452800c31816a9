/* What files that plan have in common. Private to the folder. */
#ifndef MOONGATE_PROMQL_PLAN_H
#define MOONGATE_PROMQL_PLAN_H

#include "promql/eval.h"

/* The values of a call's arguments that are scalars, NULL for others. In the arena; NULL with the error set. */
const double **plan_scalars(struct eval *ev, const struct promql_expr *call, const struct steps *steps);

/* A row whose metric's name goes: now, or, delayed_names, in the end. 1, or negative with the error set. `room` is the caller's, for the row's labels. */
int row_unname(struct eval *ev, struct row *row, struct buf *room);

/* plan_distinct whether names went with the operation or go in the end. */
struct node *plan_distinct_always(struct node *n, bool strict);

/* A node of one row without labels with these values, which are the arena's. NULL with the error set. function_scalar.c */
struct node *plan_one_row(struct eval *ev, const struct promql_expr *e, const struct steps *steps, double *values);

#endif

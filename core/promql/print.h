/* Parts of expressions as text, which the two ways of printing share. */
#ifndef MOONGATE_PROMQL_PRINT_H
#define MOONGATE_PROMQL_PRINT_H

#include "promql/promql.h"

/* [1h:5m] @ 5.000 offset 1m: what stands behind a subquery's expression. */
void print_subquery_suffix(const struct promql_expr *e, struct buf *out);
/* A binary operator with bool, its matching and what fills in. */
void print_operator(const struct promql_expr *e, struct buf *out);
/* sum by (a): an aggregation before its parenthesis. */
void print_aggregation(const struct promql_expr *e, struct buf *out);

#endif

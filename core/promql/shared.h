/* Equal expressions of a query. Private to eval.c and plan.c. */
#ifndef MOONGATE_PROMQL_SHARED_H
#define MOONGATE_PROMQL_SHARED_H

#include "promql/eval.h"

/* Looks for them. 0, or negative with the error set. */
int sharing_open(struct eval *ev, const struct promql_expr *e);
void sharing_close(struct eval *ev);

/* Is it one that the query has more than once? Then a node that gives the rows which all of them have in common: made once where more than one of them is asked for, at the same steps. */
bool is_shared(const struct eval *ev, const struct promql_expr *e);
struct node *plan_shared(struct eval *ev, const struct promql_expr *e, const struct steps *steps);

/* Plans an expression (no PROMQL_PAREN) by itself. NULL with the error set. plan.c */
struct node *plan_once(struct eval *ev, const struct promql_expr *e, const struct steps *steps);

#endif

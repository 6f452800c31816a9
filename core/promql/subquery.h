/* The steps of a subquery. Private to the folder. */
#ifndef MOONGATE_PROMQL_SUBQUERY_H
#define MOONGATE_PROMQL_SUBQUERY_H

#include "promql/eval.h"

/* The steps at which the inside of a subquery is evaluated, for a call with these `outer` ones. count 0: there is none. 0 or negative with the error set. */
int subquery_steps(struct eval *ev, const struct promql_expr *e, const struct steps *outer, struct steps *out);

#endif

/* What promql_eval gives. Private to eval.c. */
#ifndef MOONGATE_PROMQL_RESULT_H
#define MOONGATE_PROMQL_RESULT_H

#include "promql/eval.h"

/* Evaluates the query's expression, whatever its type, into an empty result. 0 or negative with the error set. */
int result_make(struct eval *ev, struct promql_result *out);

/* In the result's arena, counted; NULL with the error set. */
void *result_alloc(struct eval *ev, struct promql_result *out, size_t size);

/* An instant query for a range selector: the samples themselves. result_raw.c */
int result_make_raw(struct eval *ev, const struct promql_expr *e, struct promql_result *out);

#endif

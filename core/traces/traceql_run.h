/* Running sets and stages: traceql_run.c, traceql_stage.c. */
#ifndef MOONGATE_TRACES_TRACEQL_RUN_H
#define MOONGATE_TRACES_TRACEQL_RUN_H

#include "traces/traceql_state.h"

/* Sets in the scratch. One whose `spans` is NULL is of the first `count` spans: all. */
struct set_list {
	struct traceql_set *items;
	uint32_t count, cap;
};

/* One more, uninitialised; NULL: memory is out, noted. */
struct traceql_set *run_add_set(struct traceql_state *s, struct set_list *list);
/* What an expression makes of a set, added to `out`. */
void run_set(struct traceql_state *s, const struct set_expr *e, const struct traceql_set *in, struct set_list *out);
/* What stages make of sets, in their place. */
void run_stages(struct traceql_state *s, const struct stage *stages, struct set_list *list);

#endif

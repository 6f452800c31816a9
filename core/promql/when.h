/* When a selector or subquery is looked at, and durations that hang on the query's steps. Private to the folder. */
#ifndef MOONGATE_PROMQL_WHEN_H
#define MOONGATE_PROMQL_WHEN_H

#include "promql/eval.h"

/* Times and durations beyond it are taken as it, so that sums of several are no overflow: some 36 million years. */
#define WHEN_MAX_MS (INT64_C(1) << 60)

static inline int64_t when_clamp(int64_t ms)
{
	return ms > WHEN_MAX_MS ? WHEN_MAX_MS : ms < -WHEN_MAX_MS ? -WHEN_MAX_MS : ms;
}

struct when {
	bool fixed;        /* by `@` */
	int64_t at_ms;     /* fixed: of the `@` */
	int64_t offset_ms; /* may be negative */
};
/* The time that is looked at for a step's. */
static inline int64_t when_time(const struct when *w, int64_t step_ms)
{
	return when_clamp((w->fixed ? w->at_ms : step_ms) - w->offset_ms);
}

/* 0 or negative with the error set. */
int when_of(struct eval *ev, const struct promql_when *w, struct when *out);

/* A duration: `ms`, or where there is an expression what it gives. One that is not an offset has to be positive. 0 or negative with the error set. */
int when_duration(struct eval *ev, int64_t ms, const struct promql_expr *e, bool is_offset, int64_t *out);

/* Are all durations of an expression right? They are reckoned before anything is evaluated. 0 or negative with the error set. */
int when_check(struct eval *ev, const struct promql_expr *e);

#endif

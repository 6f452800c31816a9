/* Subqueries: their inside is evaluated at multiples of their own step, over all windows of the call around it at once. */
#include "promql/subquery.h"

#include "promql/when.h"

/* The first multiple of `step` after `ms`. */
static int64_t next_multiple(int64_t ms, int64_t step)
{
	int64_t at = ms / step * step;
	return at <= ms ? at + step : at;
}

int subquery_steps(struct eval *ev, const struct promql_expr *e, const struct steps *outer, struct steps *out)
{
	struct when when;
	int64_t range, step;
	int code = when_of(ev, &e->subquery.when, &when);

	if (code == 0)
		code = when_duration(ev, e->subquery.range_ms, e->subquery.range_expr, false, &range);
	if (code == 0)
		code = when_duration(ev, e->subquery.step_ms, e->subquery.step_expr, false, &step);
	if (code != 0)
		return code;
	if (step == 0)
		step = ev->query->subquery_step_ms;

	int64_t from = when_time(&when, outer->start_ms) - range;
	int64_t end = when_time(&when, step_time(outer, outer->count - 1));
	*out = (struct steps){.start_ms = next_multiple(from, step), .step_ms = step};
	if (out->start_ms > end)
		return 0;
	uint64_t more = (uint64_t)(end - out->start_ms) / (uint64_t)step;
	/* A series with a value at each would be past the bound. */
	if (more >= ev->samples_max || more >= UINT32_MAX)
		return eval_spend(ev, ev->samples_max + 1);
	out->count = (uint32_t)more + 1;
	return 0;
}

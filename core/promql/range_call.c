/* Functions over time, one series at a time: rate(x[5m]). */
#include "base/check.h"
#include "promql/eval.h"
#include "promql/plan.h"

struct range_call_node {
	struct node node;
	struct ranges *ranges;
	range_function *function;
	bool keeps_name;
	const double **scalars;
	double *values;
	struct buf room; /* for labels */
};

/* How many samples, at most, all windows together have that a function looks at in one go. A thousand steps with windows of a month may have millions each: then it is called for some of the steps at a time, so that it can be asked in between whether to go on. */
#define VISITS_MAX (UINT64_C(1) << 22)
/* Some visits cost as much as reading a sample. */
enum { VISITS_A_SAMPLE = 16 };

/* The first sample that the windows from a step on have. */
static uint32_t first_sample(const struct ranges *r, const struct range_row *row)
{
	int64_t start = range_end(r, 0) - r->range_ms - (r->extended != PROMQL_PLAIN ? r->ev->lookback_ms : 0);
	uint32_t low = 0, high = row->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (row->times_ms[middle] > start)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* The function's values at the steps [from, from + count). */
static int call_part(struct range_call_node *c, const struct range_row *row, uint32_t from, uint32_t count)
{
	const double *scalars[PROMQL_ARGS_MAX] = {0};
	struct ranges ranges = *c->ranges;
	struct range_row part = *row;
	struct range_call call = {c->node.ev, c->node.expr, &ranges, &part, scalars};

	CHECK(c->node.expr->call.arg_count <= PROMQL_ARGS_MAX); /* none of them takes any number */
	ranges.steps.start_ms = step_time(&c->node.steps, from);
	ranges.steps.count = count;
	uint32_t first = first_sample(&ranges, row);
	part.times_ms += first;
	part.values += first;
	part.count -= first;
	for (uint32_t i = 0; i < c->node.expr->call.arg_count; i++)
		scalars[i] = c->scalars[i] == NULL ? NULL : c->scalars[i] + from;
	return c->function(&call, c->values + from);
}

static int call_function(struct range_call_node *c, const struct range_row *row)
{
	struct eval *ev = c->node.ev;
	uint32_t steps = c->node.steps.count;
	uint64_t visits = (uint64_t)row->count * steps;

	if (visits <= VISITS_MAX) {
		const struct range_call call = {ev, c->node.expr, c->ranges, row, c->scalars};
		int code = c->function(&call, c->values);
		return code == 0 ? eval_work(ev, visits / VISITS_A_SAMPLE) : code;
	}
	uint32_t at_once = (uint32_t)(VISITS_MAX / row->count) + 1;
	int code = 0;
	for (uint32_t from = 0; from < steps && code == 0; from += at_once) {
		uint32_t count = steps - from < at_once ? steps - from : at_once;
		code = call_part(c, row, from, count);
		if (code == 0)
			code = eval_work(ev, (uint64_t)count * row->count / VISITS_A_SAMPLE);
	}
	return code;
}

static int range_call_next(struct node *n, struct row *out)
{
	struct range_call_node *c = (struct range_call_node *)n;
	struct range_row row;
	int code = ranges_next(c->ranges, &row);

	if (code <= 0)
		return code;
	code = call_function(c, &row);
	if (code == 0)
		code = eval_spend(n->ev, n->steps.count);
	if (code < 0)
		return code;
	*out = (struct row){row.labels, row.drop_name, c->values};
	return c->keeps_name ? 1 : row_unname(n->ev, out, &c->room);
}

static void range_call_close(struct node *n)
{
	struct range_call_node *c = (struct range_call_node *)n;
	ranges_close(c->ranges);
	buf_free(&c->room);
}

static const struct node_ops range_call_ops = {range_call_next, range_call_close};

static const struct promql_expr *range_argument(const struct promql_expr *call)
{
	uint32_t i = 0;
	while (call->call.args[i]->type != PROMQL_MATRIX)
		i++;
	return call->call.args[i];
}

struct node *plan_range_call(struct eval *ev, const struct promql_expr *call, const struct steps *steps,
                             range_function *function, bool keeps_name)
{
	struct range_call_node *c = (struct range_call_node *)eval_alloc(ev, sizeof *c);
	double *values = eval_values(ev, steps);
	const double **scalars = plan_scalars(ev, call, steps);

	if (c == NULL || values == NULL || scalars == NULL)
		return NULL;
	*c = (struct range_call_node){
	    .function = function, .keeps_name = keeps_name, .scalars = scalars, .values = values};
	c->ranges = plan_ranges(ev, range_argument(call), steps);
	if (c->ranges == NULL)
		return NULL;
	c->node = (struct node){&range_call_ops, ev, call, *steps, c->ranges->one_name};
	return keeps_name ? &c->node : plan_distinct(&c->node, true);
}

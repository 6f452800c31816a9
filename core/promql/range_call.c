/* Functions over time, one series at a time: rate(x[5m]). */
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

static int range_call_next(struct node *n, struct row *out)
{
	struct range_call_node *c = (struct range_call_node *)n;
	struct range_row row;
	int code = ranges_next(c->ranges, &row);

	if (code <= 0)
		return code;
	const struct range_call call = {n->ev, n->expr, c->ranges, &row, c->scalars};
	code = c->function(&call, c->values);
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

/* Functions of a vector that change each value by itself: abs(x), clamp(x, 0, 1). */
#include "promql/eval.h"
#include "promql/plan.h"

struct map_call_node {
	struct node node;
	struct node *of;
	map_function *function;
	bool keeps_name;
	const double **scalars;
	struct buf room; /* for labels */
};

static int map_call_next(struct node *n, struct row *out)
{
	struct map_call_node *c = (struct map_call_node *)n;
	const struct map_call call = {n->ev, n->expr, &n->steps, c->scalars};
	int code = node_next(c->of, out);

	if (code <= 0)
		return code;
	code = c->function(&call, out);
	if (code == 0)
		code = eval_spend(n->ev, n->steps.count);
	if (code < 0)
		return code;
	return c->keeps_name ? 1 : row_unname(n->ev, out, &c->room);
}

static void map_call_close(struct node *n)
{
	struct map_call_node *c = (struct map_call_node *)n;
	node_close(c->of);
	buf_free(&c->room);
}

static const struct node_ops map_call_ops = {map_call_next, map_call_close};

static const struct promql_expr *vector_argument(const struct promql_expr *call)
{
	uint32_t i = 0;
	while (call->call.args[i]->type != PROMQL_VECTOR)
		i++;
	return call->call.args[i];
}

struct node *plan_map_call(struct eval *ev, const struct promql_expr *call, const struct steps *steps,
                           map_function *function, bool keeps_name)
{
	struct map_call_node *c = (struct map_call_node *)eval_alloc(ev, sizeof *c);
	const double **scalars = plan_scalars(ev, call, steps);

	if (c == NULL || scalars == NULL)
		return NULL;
	*c = (struct map_call_node){.function = function, .keeps_name = keeps_name, .scalars = scalars};
	c->of = eval_plan(ev, vector_argument(call), steps);
	if (c->of == NULL)
		return NULL;
	c->node = (struct node){&map_call_ops, ev, call, *steps, c->of->one_name};
	return keeps_name ? &c->node : plan_distinct(&c->node, false);
}

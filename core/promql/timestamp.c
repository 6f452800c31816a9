/* timestamp() */
#include "promql/plan.h"
#include "promql/select.h"

static int step_times(const struct map_call *c, struct row *row)
{
	for (uint32_t i = 0; i < c->steps->count; i++) {
		if (!promql_is_absent(row->values[i]))
			row->values[i] = (double)step_time(c->steps, i) / 1000;
	}
	return 0;
}

/* Gives a selector's rows without their names. */
struct named {
	struct node node;
	struct node *of;
	struct buf room;
};

static int named_next(struct node *n, struct row *out)
{
	struct named *t = (struct named *)n;
	int code = node_next(t->of, out);
	return code <= 0 ? code : row_unname(n->ev, out, &t->room);
}

static void named_close(struct node *n)
{
	struct named *t = (struct named *)n;
	node_close(t->of);
	buf_free(&t->room);
}

static const struct node_ops named_ops = {named_next, named_close};

struct node *plan_timestamp(struct eval *ev, const struct promql_expr *call, const struct steps *steps)
{
	const struct promql_expr *of = call->call.args[0];

	while (of->kind == PROMQL_PAREN)
		of = of->paren;
	if (of->kind != PROMQL_SELECTOR)
		return plan_map_call(ev, call, steps, step_times, false);
	struct named *t = (struct named *)eval_alloc(ev, sizeof *t);
	struct node *n = t == NULL ? NULL : plan_selector(ev, of, steps, true);
	if (n == NULL)
		return NULL;
	*t = (struct named){.node = {&named_ops, ev, call, *steps, n->one_name}, .of = n};
	return plan_distinct(&t->node, false);
}

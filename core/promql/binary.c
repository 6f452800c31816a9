/* Binary operators: two scalars, a vector and a scalar. Two vectors are in binary_match.c and binary_set.c. */
#include "promql/binary.h"

#include "base/buf.h"
#include "promql/plan.h"

/* ---- two scalars: known before any row is asked for ---- */

static struct node *plan_two_scalars(struct eval *ev, const struct promql_expr *e, const struct steps *steps)
{
	struct operands in = {0};
	double *values = eval_values(ev, steps);

	if (values == NULL || (in.left = eval_scalar(ev, e->binary.left, steps)) == NULL ||
	    (in.right = eval_scalar(ev, e->binary.right, steps)) == NULL)
		return NULL;
	promql_op_rows(e->binary.op, e->binary.returns_bool, &in, values, steps->count);
	return plan_one_row(ev, e, steps, values);
}

/* ---- a vector and a scalar: row by row ---- */

struct scaled_node {
	struct node node;
	struct node *of;
	const double *scalar;
	double *out;
	struct buf labels;
	bool scalar_left;
	bool changes; /* what comes out is no longer that metric */
};

static int scaled_next(struct node *n, struct row *out)
{
	struct scaled_node *s = (struct scaled_node *)n;
	const struct promql_expr *e = n->expr;
	int code = node_next(s->of, out);

	if (code <= 0)
		return code;
	/* A comparison keeps the vector's value, on whichever side it stands. */
	struct operands in = {out->values, s->scalar, out->values};
	if (s->scalar_left) {
		in.left = s->scalar;
		in.right = out->values;
	}
	promql_op_rows(e->binary.op, e->binary.returns_bool, &in, s->out, n->steps.count);
	out->values = s->out;
	code = eval_spend(n->ev, n->steps.count);
	if (code != 0)
		return code;
	return s->changes ? row_unname(n->ev, out, &s->labels) : 1;
}

static void scaled_close(struct node *n)
{
	struct scaled_node *s = (struct scaled_node *)n;

	node_close(s->of);
	buf_free(&s->labels);
}

static struct node *plan_scaled(struct eval *ev, const struct promql_expr *e, const struct steps *steps)
{
	static const struct node_ops ops = {scaled_next, scaled_close};
	struct scaled_node *s = eval_alloc(ev, sizeof *s);
	double *values = eval_values(ev, steps);

	if (s == NULL || values == NULL)
		return NULL;
	*s = (struct scaled_node){.node = {&ops, ev, e, *steps, false}, .out = values};
	s->scalar_left = e->binary.left->type == PROMQL_SCALAR;
	s->changes = promql_op_changes_metric(e->binary.op) || e->binary.returns_bool;
	s->scalar = eval_scalar(ev, s->scalar_left ? e->binary.left : e->binary.right, steps);
	if (s->scalar == NULL)
		return NULL;
	s->of = eval_plan(ev, s->scalar_left ? e->binary.right : e->binary.left, steps);
	if (s->of == NULL)
		return NULL;
	s->node.one_name = s->of->one_name;
	return s->changes && !ev->query->delayed_names ? plan_distinct(&s->node, false) : &s->node;
}

struct node *plan_binary(struct eval *ev, const struct promql_expr *e, const struct steps *steps)
{
	bool left = e->binary.left->type == PROMQL_VECTOR, right = e->binary.right->type == PROMQL_VECTOR;

	if (promql_op_is_set(e->binary.op))
		return plan_set(ev, e, steps);
	if (left && right)
		return plan_matched(ev, e, steps);
	return left || right ? plan_scaled(ev, e, steps) : plan_two_scalars(ev, e, steps);
}

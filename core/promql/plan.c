/* An expression becomes a node.
 *
 * What does not depend on the step (of a number, of selectors with `@`, of what is made of such) is evaluated for one step and repeated. Which expressions these are is Prometheus's (its StepInvariantExpr), for it is to be seen where a result hangs on it: an aggregation's
 * parameter, which may depend on the step, is not looked at. */
#include "promql/plan.h"

#include "base/check.h"
#include "promql/select.h"
#include "promql/shared.h"

void node_close(struct node *n)
{
	if (n != NULL && n->ops->close != NULL)
		n->ops->close(n);
}

static const struct promql_expr *without_parens(const struct promql_expr *e)
{
	while (e->kind == PROMQL_PAREN)
		e = e->paren;
	return e;
}

/* ---- numbers ---- */

static void fill(double *values, uint32_t count, double v)
{
	for (uint32_t i = 0; i < count; i++)
		values[i] = v;
}

static struct node *plan_number(struct eval *ev, const struct promql_expr *e, const struct steps *steps)
{
	double *values = eval_values(ev, steps);

	if (values == NULL)
		return NULL;
	fill(values, steps->count, e->number.value);
	return plan_one_row(ev, e, steps, values);
}

/* ---- unary minus ---- */

struct minus {
	struct node node;
	struct node *of;
	struct buf room;
};

int row_unname(struct eval *ev, struct row *row, struct buf *room)
{
	if (ev->query->delayed_names) {
		row->drop_name = true;
		return 1;
	}
	if (labels_unnamed_slice(row->labels, room, &row->labels) != 0)
		return eval_no_memory(ev);
	return 1;
}

static int minus_next(struct node *n, struct row *out)
{
	struct minus *m = (struct minus *)n;
	int code = node_next(m->of, out);

	if (code <= 0)
		return code;
	for (uint32_t i = 0; i < n->steps.count; i++) {
		if (!promql_is_absent(out->values[i]))
			out->values[i] = -out->values[i];
	}
	code = eval_spend(n->ev, n->steps.count);
	return code < 0 ? code : row_unname(n->ev, out, &m->room);
}

static void minus_close(struct node *n)
{
	struct minus *m = (struct minus *)n;
	node_close(m->of);
	buf_free(&m->room);
}

static const struct node_ops minus_ops = {minus_next, minus_close};

static struct node *plan_unary(struct eval *ev, const struct promql_expr *e, const struct steps *steps)
{
	struct node *of = eval_plan(ev, e->unary.of, steps);
	if (of == NULL || e->unary.op == PROMQL_ADD)
		return of;
	struct minus *m = (struct minus *)eval_alloc(ev, sizeof *m);
	if (m == NULL) {
		node_close(of);
		return NULL;
	}
	*m = (struct minus){.node = {&minus_ops, ev, e, *steps, of->one_name}, .of = of};
	return plan_distinct(&m->node, false);
}

/* ---- what does not depend on the step ---- */

/* Functions that look at the step's time, or may (hour() of nothing). */
static bool looks_at_time(const struct promql_function *f)
{
	static const char *const names[] = {"day_of_month", "day_of_week", "day_of_year",    "days_in_month",
	                                    "hour",         "minute",      "month",          "year",
	                                    "time",         "timestamp",   "predict_linear", NULL};
	uint32_t i = 0;
	while (names[i] != NULL && strcmp(names[i], f->name) != 0)
		i++;
	return names[i] != NULL;
}

static bool is_invariant(const struct promql_expr *e)
{
	switch (e->kind) {
	case PROMQL_SELECTOR:
		return e->selector.when.at != PROMQL_AT_NONE;
	case PROMQL_RANGE_SELECTOR:
		return is_invariant(e->range.selector);
	case PROMQL_SUBQUERY:
		return e->subquery.when.at != PROMQL_AT_NONE;
	case PROMQL_PAREN:
		return is_invariant(e->paren);
	case PROMQL_UNARY:
		return is_invariant(e->unary.of);
	case PROMQL_BINARY:
		return is_invariant(e->binary.left) && is_invariant(e->binary.right);
	case PROMQL_AGGREGATE:
		return is_invariant(e->aggregate.of);
	case PROMQL_CALL:
		break;
	default:
		return true;
	}
	if (looks_at_time(e->call.function))
		return false;
	for (uint32_t i = 0; i < e->call.arg_count; i++) {
		if (!is_invariant(e->call.args[i]))
			return false;
	}
	return true;
}

struct repeat {
	struct node node;
	struct node *of; /* of one step */
	double *values;
};

static int repeat_next(struct node *n, struct row *out)
{
	struct repeat *r = (struct repeat *)n;
	int code = node_next(r->of, out);

	if (code <= 0)
		return code;
	fill(r->values, n->steps.count, out->values[0]);
	out->values = r->values;
	code = eval_spend(n->ev, n->steps.count);
	return code < 0 ? code : 1;
}

static void repeat_close(struct node *n)
{
	node_close(((struct repeat *)n)->of);
}

static const struct node_ops repeat_ops = {repeat_next, repeat_close};

static struct node *plan_kind(struct eval *ev, const struct promql_expr *e, const struct steps *steps);

static struct node *plan_repeat(struct eval *ev, const struct promql_expr *e, const struct steps *steps)
{
	struct repeat *r = (struct repeat *)eval_alloc(ev, sizeof *r);
	double *values = eval_values(ev, steps);
	const struct steps one = {steps->start_ms, 0, 1};
	struct node *of = r == NULL || values == NULL ? NULL : plan_kind(ev, e, &one);

	if (of == NULL)
		return NULL;
	*r = (struct repeat){.node = {&repeat_ops, ev, e, *steps, of->one_name}, .of = of, .values = values};
	return &r->node;
}

/* ---- any ---- */

static struct node *plan_call(struct eval *ev, const struct promql_expr *e, const struct steps *steps)
{
	const struct function *f = function_of(e);

	if (function_check_extended(ev, e) != 0)
		return NULL;
	switch (f->shape) {
	case FUNCTION_RANGE:
		return plan_range_call(ev, e, steps, f->range, f->keeps_name);
	case FUNCTION_MAP:
		return plan_map_call(ev, e, steps, f->map, f->keeps_name);
	case FUNCTION_PLAN:
		return f->plan(ev, e, steps);
	}
	return NULL;
}

static struct node *plan_kind(struct eval *ev, const struct promql_expr *e, const struct steps *steps)
{
	switch (e->kind) {
	case PROMQL_NUMBER:
		return plan_number(ev, e, steps);
	case PROMQL_SELECTOR:
		return plan_selector(ev, e, steps, false);
	case PROMQL_UNARY:
		return plan_unary(ev, e, steps);
	case PROMQL_BINARY:
		return plan_binary(ev, e, steps);
	case PROMQL_AGGREGATE:
		return plan_aggregate(ev, e, steps);
	case PROMQL_CALL:
		return plan_call(ev, e, steps);
	default:
		break;
	}
	CHECK(!"planned where no vector and no scalar stands");
	return NULL;
}

struct node *plan_once(struct eval *ev, const struct promql_expr *e, const struct steps *steps)
{
	if (steps->count > 1 && e->kind != PROMQL_NUMBER && is_invariant(e))
		return plan_repeat(ev, e, steps);
	return plan_kind(ev, e, steps);
}

struct node *eval_plan(struct eval *ev, const struct promql_expr *e, const struct steps *steps)
{
	e = without_parens(e);
	return is_shared(ev, e) ? plan_shared(ev, e, steps) : plan_once(ev, e, steps);
}

/* ---- arguments ---- */

const double *eval_scalar(struct eval *ev, const struct promql_expr *e, const struct steps *steps)
{
	struct row row;
	double *values = eval_values(ev, steps);
	struct node *n = values == NULL ? NULL : eval_plan(ev, e, steps);

	if (n == NULL)
		return NULL;
	int code = node_next(n, &row);
	CHECK(code != 0); /* a scalar is one row */
	if (code > 0)
		memcpy(values, row.values, steps->count * sizeof *values);
	node_close(n);
	return code > 0 ? values : NULL;
}

struct slice eval_text(const struct promql_expr *e)
{
	return without_parens(e)->text;
}

const double **plan_scalars(struct eval *ev, const struct promql_expr *call, const struct steps *steps)
{
	uint32_t count = call->call.arg_count;
	const double **scalars = (const double **)eval_alloc(ev, (count + 1) * sizeof *scalars);

	for (uint32_t i = 0; i < count && scalars != NULL; i++) {
		scalars[i] = NULL;
		if (call->call.args[i]->type != PROMQL_SCALAR)
			continue;
		scalars[i] = eval_scalar(ev, call->call.args[i], steps);
		if (scalars[i] == NULL)
			return NULL;
	}
	return scalars;
}

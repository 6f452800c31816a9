/* Scalars, and vectors that are one series without labels. And what functions share of their arguments. */
#include "promql/function.h"
#include "promql/go_math.h"
#include "promql/quote.h"

/* ---- arguments ---- */

const struct promql_expr *function_arg(const struct promql_expr *call, uint32_t i)
{
	const struct promql_expr *e = call->call.args[i];
	while (e->kind == PROMQL_PAREN)
		e = e->paren;
	return e;
}

uint32_t function_arg_at(const struct promql_expr *call, uint32_t i)
{
	const struct promql_expr *e = function_arg(call, i);
	return e->kind == PROMQL_SUBQUERY ? 0 : e->start;
}

void function_check_quantiles(struct eval *ev, const double *q, uint32_t count, uint32_t at)
{
	char text[NUMBER_TEXT_MAX];

	for (uint32_t i = 0; i < count; i++) {
		if (q[i] >= 0 && q[i] <= 1)
			continue;
		if (i > 0 && (q[i] == q[i - 1] || (isnan(q[i]) && isnan(q[i - 1]))))
			continue;
		eval_annotate(ev, ANNOTATION_WARNING, at, "quantile value should be between 0 and 1, got %s",
		              number_text(q[i], text));
	}
}

/* ---- a row without labels ---- */

struct one_row {
	struct node node;
	double *values; /* NULL: it was given out */
};

static int next_one(struct node *n, struct row *out)
{
	struct one_row *o = (struct one_row *)n;
	if (o->values == NULL)
		return 0;
	*out = (struct row){.values = o->values};
	o->values = NULL;
	int code = eval_spend(n->ev, n->steps.count);
	return code != 0 ? code : 1;
}

static const struct node_ops one_row_ops = {.next = next_one};

struct node *plan_one_row(struct eval *ev, const struct promql_expr *e, const struct steps *steps, double *values)
{
	struct one_row *o = eval_alloc(ev, sizeof *o);
	if (o == NULL)
		return NULL;
	*o = (struct one_row){.node = {&one_row_ops, ev, e, *steps, true}, .values = values};
	return &o->node;
}

static struct node *plan_constant(struct eval *ev, const struct promql_expr *call, const struct steps *steps, double v)
{
	double *values = eval_values(ev, steps);
	if (values == NULL)
		return NULL;
	for (uint32_t i = 0; i < steps->count; i++)
		values[i] = v;
	return plan_one_row(ev, call, steps, values);
}

/* ---- time, and the query's times ---- */

struct node *plan_time(struct eval *ev, const struct promql_expr *call, const struct steps *steps)
{
	double *values = eval_values(ev, steps);
	if (values == NULL)
		return NULL;
	for (uint32_t i = 0; i < steps->count; i++)
		values[i] = (double)step_time(steps, i) / 1000;
	return plan_one_row(ev, call, steps, values);
}

struct node *plan_query_start(struct eval *ev, const struct promql_expr *call, const struct steps *steps)
{
	return plan_constant(ev, call, steps, (double)ev->query->start_ms / 1000);
}

struct node *plan_query_end(struct eval *ev, const struct promql_expr *call, const struct steps *steps)
{
	return plan_constant(ev, call, steps, (double)ev->query->end_ms / 1000);
}

struct node *plan_query_step(struct eval *ev, const struct promql_expr *call, const struct steps *steps)
{
	return plan_constant(ev, call, steps, (double)ev->query->step_ms / 1000);
}

struct node *plan_query_range(struct eval *ev, const struct promql_expr *call, const struct steps *steps)
{
	return plan_constant(ev, call, steps, (double)(ev->query->end_ms - ev->query->start_ms) / 1000);
}

struct node *plan_pi(struct eval *ev, const struct promql_expr *call, const struct steps *steps)
{
	return plan_constant(ev, call, steps, M_PI);
}

/* ---- of scalars ---- */

static struct node *plan_pair(struct eval *ev, const struct promql_expr *call, const struct steps *steps,
                              double (*f)(double a, double b))
{
	const double *a = eval_scalar(ev, call->call.args[0], steps);
	const double *b = a == NULL ? NULL : eval_scalar(ev, call->call.args[1], steps);
	double *values = b == NULL ? NULL : eval_values(ev, steps);
	if (values == NULL)
		return NULL;
	for (uint32_t i = 0; i < steps->count; i++)
		values[i] = f(a[i], b[i]);
	return plan_one_row(ev, call, steps, values);
}

struct node *plan_min_of(struct eval *ev, const struct promql_expr *call, const struct steps *steps)
{
	return plan_pair(ev, call, steps, go_min);
}

struct node *plan_max_of(struct eval *ev, const struct promql_expr *call, const struct steps *steps)
{
	return plan_pair(ev, call, steps, go_max);
}

struct node *plan_vector(struct eval *ev, const struct promql_expr *call, const struct steps *steps)
{
	const double *scalar = eval_scalar(ev, call->call.args[0], steps);
	double *values = scalar == NULL ? NULL : eval_values(ev, steps);
	if (values == NULL)
		return NULL;
	memcpy(values, scalar, steps->count * sizeof *values);
	return plan_one_row(ev, call, steps, values);
}

/* The value of the one series that has one; NaN where none has, or several have. */
static int only_value(struct node *of, double *values, uint8_t *seen)
{
	struct row row;
	int code;

	while ((code = node_next(of, &row)) == 1) {
		for (uint32_t i = 0; i < of->steps.count; i++) {
			if (promql_is_absent(row.values[i]))
				continue;
			values[i] = seen[i] ? (double)NAN : row.values[i];
			seen[i] = 1;
		}
	}
	return code;
}

struct node *plan_scalar(struct eval *ev, const struct promql_expr *call, const struct steps *steps)
{
	double *values = eval_values(ev, steps);
	uint8_t *seen = values == NULL ? NULL : eval_alloc(ev, steps->count);
	struct node *of = seen == NULL ? NULL : eval_plan(ev, call->call.args[0], steps);
	if (of == NULL)
		return NULL;
	memset(seen, 0, steps->count);
	for (uint32_t i = 0; i < steps->count; i++)
		values[i] = NAN;
	int code = only_value(of, values, seen);
	node_close(of);
	return code < 0 ? NULL : plan_one_row(ev, call, steps, values);
}

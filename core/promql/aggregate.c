/* What aggregations share. */
#include "promql/aggregate.h"

#include <errno.h>

#include "promql/quote.h"

/* ---- nodes ---- */

void *aggregate_new(struct eval *ev, const struct promql_expr *e, const struct steps *steps, size_t size,
                    const struct node_ops *ops, struct slice more)
{
	struct aggregate *a = eval_alloc(ev, size);
	if (a == NULL)
		return NULL;
	memset(a, 0, size);
	a->node = (struct node){.ops = ops, .ev = ev, .expr = e, .steps = *steps};
	grouping_init(&a->grouping, ev);
	if (grouping_set(&a->grouping, e->aggregate.labels, e->aggregate.label_count, e->aggregate.without, more) != 0)
		goto failed;
	const struct promql_expr *param = e->aggregate.param;
	if (param != NULL && param->type == PROMQL_SCALAR && (a->param = eval_scalar(ev, param, steps)) == NULL)
		goto failed;
	a->of = eval_plan(ev, e->aggregate.of, steps);
	if (a->of == NULL)
		goto failed;
	a->node.one_name = !grouping_by_name(&a->grouping) || (a->of->one_name && more.len == 0);
	return a;
failed:
	aggregate_deinit(a);
	return NULL;
}

void aggregate_deinit(struct aggregate *a)
{
	node_close(a->of);
	a->of = NULL;
	grouping_deinit(&a->grouping);
}

int aggregate_drain(struct aggregate *a)
{
	struct row row;
	int code = 0;

	while (a->of != NULL && (code = node_next(a->of, &row)) > 0)
		continue;
	node_close(a->of);
	a->of = NULL;
	return code;
}

struct node *plan_aggregate(struct eval *ev, const struct promql_expr *e, const struct steps *steps)
{
	switch (e->aggregate.op) {
	case PROMQL_COUNT_VALUES:
		return plan_count_values(ev, e, steps);
	case PROMQL_QUANTILE:
		return plan_quantile(ev, e, steps);
	case PROMQL_TOPK:
	case PROMQL_BOTTOMK:
		return plan_top(ev, e, steps);
	case PROMQL_LIMITK:
	case PROMQL_LIMIT_RATIO:
		return plan_limit(ev, e, steps);
	default:
		return plan_fold(ev, e, steps);
	}
}

/* ---- parameters ---- */

struct param_range aggregate_param_range(const struct aggregate *a)
{
	struct param_range r = {INFINITY, -INFINITY, false};

	for (uint32_t i = 0; i < a->node.steps.count; i++) {
		double v = a->param[i];
		r.any_nan = r.any_nan || isnan(v);
		r.least = v < r.least ? v : r.least;
		r.greatest = v > r.greatest ? v : r.greatest;
	}
	if (r.any_nan)
		r.least = r.greatest = NAN;
	return r;
}

uint32_t aggregate_param_at(const struct aggregate *a)
{
	const struct promql_expr *param = a->node.expr->aggregate.param;
	while (param->kind == PROMQL_PAREN)
		param = param->paren;
	return param->start;
}

int aggregate_check_k(struct aggregate *a)
{
	/* What Prometheus takes for the ends of int64. */
	static const double too_little = -9223372036854775808.0, too_much = 9223372036854774784.0;
	struct param_range r = aggregate_param_range(a);
	char text[NUMBER_TEXT_MAX];

	if (r.least > too_little && r.greatest < too_much && r.greatest >= 1)
		return 1;
	int code = aggregate_drain(a);
	if (code != 0 || r.greatest < 1)
		return code;
	if (r.any_nan)
		return eval_fail(a->node.ev, -EINVAL, "Parameter value is NaN");
	if (r.least <= too_little)
		return eval_fail(a->node.ev, -EINVAL, "Scalar value %s underflows int64", number_text(r.least, text));
	return eval_fail(a->node.ev, -EINVAL, "Scalar value %s overflows int64", number_text(r.greatest, text));
}

uint32_t aggregate_k(double param)
{
	if (!(param >= 1))
		return 0;
	return param < UINT32_MAX ? (uint32_t)param : UINT32_MAX;
}

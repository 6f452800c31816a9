/* absent, absent_over_time: a series where there is none, with the labels that a selector asked for by =. */

#include "promql/function.h"
#include "record/labels.h"

struct absent {
	struct node node;
	struct node *of;       /* absent: NULL behind its only row */
	struct ranges *ranges; /* absent_over_time: the same */
	struct slice labels;
	double *values;
};

/* The labels, each that one matcher alone names and that is one of =, set in turn as in Prometheus: further matchers of a name take the label away again. */
static int absent_labels(struct absent *a)
{
	const struct promql_expr *of = a->node.expr->call.args[0];
	struct eval *ev = a->node.ev;
	struct buf set = {0}, other = {0};
	int code = 0;

	if (of->kind == PROMQL_RANGE_SELECTOR)
		of = of->range.selector;
	if (of->kind != PROMQL_SELECTOR)
		return 0;
	for (uint32_t i = 0; i < of->selector.matcher_count && code == 0; i++) {
		const struct promql_matcher *m = &of->selector.matchers[i];
		bool again = false;
		if (slice_eq(m->name, LABEL_METRIC_NAME))
			continue;
		for (uint32_t k = 0; k < i; k++) {
			const struct promql_matcher *before = &of->selector.matchers[k];
			again = again || (before->op == MATCH_EQUAL && slice_eq(before->name, m->name));
		}
		struct slice value = m->op == MATCH_EQUAL && !again ? m->value : SLICE("");
		code = labels_with(buf_slice(&set), m->name, value, &other);
		struct buf swap = set;
		set = other;
		other = swap;
	}
	if (code == 0)
		a->labels = arena_copy(&ev->arena, buf_slice(&set));
	if (code != 0 || a->labels.ptr == NULL)
		code = labels_fail(ev, code);
	buf_free(&set);
	buf_free(&other);
	return code;
}

static int note_rows(struct absent *a)
{
	uint32_t steps = a->node.steps.count;
	struct row row;
	int code;

	while ((code = node_next(a->of, &row)) == 1) {
		for (uint32_t i = 0; i < steps; i++) {
			if (!promql_is_absent(row.values[i]))
				a->values[i] = promql_absent();
		}
	}
	return code;
}

static int note_ranges(struct absent *a)
{
	struct range_row row;
	int code;

	while ((code = ranges_next(a->ranges, &row)) == 1) {
		struct range_call c = {.ev = a->node.ev, .expr = a->node.expr, .ranges = a->ranges, .row = &row};
		struct window w = {0, 0};
		for (uint32_t i = 0; i < a->node.steps.count; i++) {
			window_move(&w, &c, i);
			if (w.from < w.to)
				a->values[i] = promql_absent();
		}
		code = eval_spend(a->node.ev, a->node.steps.count);
		if (code != 0)
			return code;
	}
	return code;
}

static void close_absent(struct node *n)
{
	struct absent *a = (struct absent *)n;
	node_close(a->of);
	if (a->ranges != NULL)
		ranges_close(a->ranges);
	a->of = NULL;
	a->ranges = NULL;
}

static int next_absent(struct node *n, struct row *out)
{
	struct absent *a = (struct absent *)n;
	if (a->of == NULL && a->ranges == NULL)
		return 0;
	int code = a->of != NULL ? note_rows(a) : note_ranges(a);
	close_absent(n);
	if (code < 0)
		return code;
	*out = (struct row){.labels = a->labels, .values = a->values};
	return 1;
}

static const struct node_ops absent_ops = {next_absent, close_absent};

static struct absent *absent_new(struct eval *ev, const struct promql_expr *call, const struct steps *steps)
{
	struct absent *a = eval_alloc(ev, sizeof *a);
	double *values = a == NULL ? NULL : eval_values(ev, steps);
	if (values == NULL)
		return NULL;
	for (uint32_t i = 0; i < steps->count; i++)
		values[i] = 1;
	*a = (struct absent){.node = {&absent_ops, ev, call, *steps, true}, .values = values};
	return absent_labels(a) == 0 ? a : NULL;
}

struct node *plan_absent(struct eval *ev, const struct promql_expr *call, const struct steps *steps)
{
	struct absent *a = absent_new(ev, call, steps);
	if (a == NULL)
		return NULL;
	a->of = eval_plan(ev, call->call.args[0], steps);
	return a->of == NULL ? NULL : &a->node;
}

struct node *plan_absent_over_time(struct eval *ev, const struct promql_expr *call, const struct steps *steps)
{
	struct absent *a = absent_new(ev, call, steps);
	if (a == NULL)
		return NULL;
	a->ranges = plan_ranges(ev, function_arg(call, 0), steps);
	return a->ranges == NULL ? NULL : &a->node;
}

/* quantile: holds all values, by group and row. */
#include "promql/aggregate.h"
#include "promql/quantile.h"
#include "promql/quote.h"

struct quantile_group {
	double *rows; /* the values of one row behind those of another */
	size_t cap;
	uint32_t count;
	bool drop_name;
};

struct quantile_node {
	struct aggregate a;
	struct quantile_group *groups;
	uint32_t count;
	size_t cap;
	double *column; /* of one step; room for the rows of the largest group */
	size_t column_cap;
	double *out;
	uint32_t next; /* group to give out */
};

/* ---- the node ---- */

static int keep_row(struct quantile_node *q, const struct row *row)
{
	struct eval *ev = q->a.node.ev;
	uint32_t steps = q->a.node.steps.count, group;
	int code = grouping_find(&q->a.grouping, row->labels, &group);

	if (code == 0 && group == q->count) {
		code = eval_grow(ev, (void **)&q->groups, &q->cap, (size_t)q->count + 1, sizeof *q->groups);
		if (code == 0)
			q->groups[q->count++] = (struct quantile_group){0};
	}
	if (code != 0)
		return code;
	struct quantile_group *g = &q->groups[group];
	code = eval_grow(ev, (void **)&g->rows, &g->cap, ((size_t)g->count + 1) * steps, sizeof *g->rows);
	if (code == 0)
		code = eval_grow(ev, (void **)&q->column, &q->column_cap, (size_t)g->count + 1, sizeof *q->column);
	if (code != 0)
		return code;
	memcpy(g->rows + (size_t)g->count++ * steps, row->values, steps * sizeof *g->rows);
	g->drop_name = g->drop_name || row->drop_name;
	return 0;
}

static void warn(const struct quantile_node *q)
{
	struct param_range r = aggregate_param_range(&q->a);
	struct eval *ev = q->a.node.ev;
	uint32_t at = aggregate_param_at(&q->a);
	const double wrong[] = {NAN, r.greatest, r.least};
	const bool is_wrong[] = {r.any_nan, r.greatest > 1, r.least < 0};
	char text[NUMBER_TEXT_MAX];

	for (int i = 0; i < 3; i++) {
		if (is_wrong[i])
			eval_annotate(ev, ANNOTATION_WARNING, at, "quantile value should be between 0 and 1, got %s",
			              number_text(wrong[i], text));
	}
}

static int take_rows(struct quantile_node *q)
{
	struct row row;
	int code;

	while ((code = node_next(q->a.of, &row)) > 0) {
		code = keep_row(q, &row);
		if (code != 0)
			return code;
	}
	node_close(q->a.of);
	q->a.of = NULL;
	warn(q);
	return code;
}

/* The values of a group, and whether there are any. 0, or negative with the error set. */
static int finish_group(struct quantile_node *q, const struct quantile_group *g, bool *any)
{
	struct eval *ev = q->a.node.ev;
	uint32_t steps = q->a.node.steps.count;
	int code = eval_spend(ev, steps);

	*any = false;
	for (uint32_t i = 0; code == 0 && i < steps; i++) {
		uint32_t count = 0;
		for (uint32_t r = 0; r < g->count; r++) {
			double v = g->rows[(size_t)r * steps + i];
			if (!promql_is_absent(v))
				q->column[count++] = v;
		}
		q->out[i] = count == 0 ? promql_absent() : quantile_of(q->a.param[i], q->column, count);
		*any = *any || count > 0;
		code = eval_work(ev, g->count);
	}
	return code;
}

static int quantile_next(struct node *n, struct row *out)
{
	struct quantile_node *q = (struct quantile_node *)n;
	bool any = false;
	int code = 0;

	if (!q->a.begun)
		code = take_rows(q);
	q->a.begun = true;
	while (code == 0 && q->next < q->count) {
		uint32_t group = q->next++;
		code = finish_group(q, &q->groups[group], &any);
		if (code != 0 || !any)
			continue;
		*out = (struct row){grouping_labels(&q->a.grouping, group), q->groups[group].drop_name, q->out};
		return 1;
	}
	return code;
}

static void quantile_close(struct node *n)
{
	struct quantile_node *q = (struct quantile_node *)n;

	for (uint32_t i = 0; i < q->count; i++)
		eval_release(n->ev, q->groups[i].rows, q->groups[i].cap * sizeof(double));
	eval_release(n->ev, q->groups, q->cap * sizeof *q->groups);
	eval_release(n->ev, q->column, q->column_cap * sizeof *q->column);
	aggregate_deinit(&q->a);
}

struct node *plan_quantile(struct eval *ev, const struct promql_expr *e, const struct steps *steps)
{
	static const struct node_ops ops = {quantile_next, quantile_close};
	struct quantile_node *q = aggregate_new(ev, e, steps, sizeof *q, &ops, slice_new(NULL, 0));

	if (q == NULL)
		return NULL;
	q->out = eval_values(ev, steps);
	if (q->out == NULL) {
		node_close(&q->a.node);
		return NULL;
	}
	return &q->a.node;
}

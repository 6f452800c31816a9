/* The result of a query: rows become series. */
#include "promql/result.h"

#include <stdlib.h>

#include "promql/plan.h"
#include "promql/select.h"
#include "promql/subquery.h"
#include "record/labels.h"

void *result_alloc(struct eval *ev, struct promql_result *out, size_t size)
{
	void *p = eval_hold(ev, size) == 0 ? arena_alloc(&out->arena, size) : NULL;
	if (p == NULL)
		eval_no_memory(ev);
	return p;
}

static int by_labels(const void *a, const void *b)
{
	return labels_compare(((const struct promql_series *)a)->labels, ((const struct promql_series *)b)->labels);
}

/* Mostly they are in order already. */
static void sort(struct promql_series *series, uint32_t count)
{
	uint32_t i = 1;
	while (i < count && by_labels(&series[i - 1], &series[i]) <= 0)
		i++;
	if (i < count)
		qsort(series, count, sizeof *series, by_labels);
}

/* ---- a node's rows ---- */

/* A row's values without absent ones, where they are, and their times. */
static int compress(struct eval *ev, struct promql_result *out, const struct steps *steps, struct promql_series *s)
{
	double *values = (double *)s->values; /* the result's own */
	uint32_t count = 0;

	for (uint32_t i = 0; i < steps->count; i++)
		count += !promql_is_absent(values[i]);
	int64_t *times = (int64_t *)result_alloc(ev, out, count * sizeof *times);
	if (times == NULL)
		return ev->err->code;
	s->times_ms = times;
	s->count = 0;
	for (uint32_t i = 0; i < steps->count; i++) {
		if (promql_is_absent(values[i]))
			continue;
		times[s->count] = step_time(steps, i);
		values[s->count++] = values[i];
	}
	return 0;
}

/* The rows' memory becomes the result's, and is counted on. */
static int take_rows(struct eval *ev, struct rows *rows, const struct steps *steps, struct promql_result *out)
{
	out->arena = rows->arena;
	arena_init(&rows->arena);
	rows->held = 0;
	struct promql_series *series = (struct promql_series *)result_alloc(ev, out, rows->count * sizeof *series);
	if (series == NULL)
		return ev->err->code;
	for (uint32_t i = 0; i < rows->count; i++)
		series[i] = (struct promql_series){rows->items[i].labels, NULL, rows->items[i].values, steps->count};
	out->series = series;
	out->series_count = rows->count;
	return 0;
}

/* delayed_names: they go now. */
struct unnamed {
	struct node node;
	struct node *of;
	struct buf room;
};

static int unnamed_next(struct node *n, struct row *out)
{
	struct unnamed *u = (struct unnamed *)n;
	int code = node_next(u->of, out);

	if (code > 0 && out->drop_name && labels_unnamed_slice(out->labels, &u->room, &out->labels) != 0)
		code = eval_no_memory(n->ev);
	return code;
}

static void unnamed_close(struct node *n)
{
	struct unnamed *u = (struct unnamed *)n;
	node_close(u->of);
	buf_free(&u->room);
}

static const struct node_ops unnamed_ops = {unnamed_next, unnamed_close};

static struct node *plan_unnamed(struct eval *ev, struct node *of)
{
	struct unnamed *u = of == NULL ? NULL : (struct unnamed *)eval_alloc(ev, sizeof *u);
	if (u == NULL) {
		node_close(of);
		return NULL;
	}
	*u = (struct unnamed){.node = {&unnamed_ops, ev, of->expr, of->steps, false}, .of = of};
	return plan_distinct_always(&u->node, false);
}

static int make_vector(struct eval *ev, const struct promql_expr *e, const struct steps *steps,
                       struct promql_result *out)
{
	struct rows rows;
	struct node *n = eval_plan(ev, e, steps);

	if (ev->query->delayed_names)
		n = plan_unnamed(ev, n);
	if (n == NULL)
		return ev->err->code;
	rows_init(&rows, ev);
	int code = rows_collect(&rows, n);
	if (code == 0)
		code = take_rows(ev, &rows, steps, out);
	rows_deinit(&rows);
	return code;
}

/* A subquery of an instant query: its rows are samples at their steps. */
static int make_subquery(struct eval *ev, const struct promql_expr *e, struct promql_result *out)
{
	struct steps inner;
	int code = subquery_steps(ev, e, &ev->steps, &inner);

	if (code != 0 || inner.count == 0)
		return code;
	code = make_vector(ev, e->subquery.of, &inner, out);
	for (uint32_t i = 0; i < out->series_count && code == 0; i++)
		code = compress(ev, out, &inner, (struct promql_series *)&out->series[i]);
	return code;
}

static int make_text(struct eval *ev, const struct promql_expr *e, struct promql_result *out)
{
	out->text = arena_copy(&out->arena, eval_text(e));
	return out->text.ptr == NULL ? eval_no_memory(ev) : 0;
}

int result_make(struct eval *ev, struct promql_result *out)
{
	const struct promql_expr *e = ev->query->expr;
	bool is_range = ev->query->step_ms > 0;
	int code;

	while (e->kind == PROMQL_PAREN)
		e = e->paren;
	if (e->type == PROMQL_STRING)
		code = make_text(ev, e, out);
	else if (e->kind == PROMQL_SUBQUERY)
		code = make_subquery(ev, e, out);
	else if (e->type == PROMQL_MATRIX)
		code = result_make_raw(ev, e, out);
	else
		code = make_vector(ev, e, &ev->steps, out);
	if (code == 0 && (is_range || e->type == PROMQL_MATRIX))
		sort((struct promql_series *)out->series, out->series_count);
	out->type = is_range ? PROMQL_MATRIX : e->type;
	return code;
}

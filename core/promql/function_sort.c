/* sort, sort_desc, sort_by_label, sort_by_label_desc: the order of the result of an instant query. A range query's is always that of the labels, and a warning says so. */
#include <stdlib.h>

#include "promql/function.h"
#include "promql/natural.h"
#include "record/labels.h"

struct sort {
	struct node node;
	struct node *of; /* NULL: it was collected */
	bool descending;
	const struct slice *names; /* labels to sort by; NULL: by value */
	uint32_t name_count;
	struct rows rows;
	const struct row **order;
	uint32_t next;
};

/* ---- orders ---- */

/* NaN is last, whichever way. */
static int compare_values(const struct sort *s, const struct row *a, const struct row *b)
{
	double x = a->values[0], y = b->values[0];
	if (isnan(x) || isnan(y))
		return isnan(x) - isnan(y);
	int order = (x > y) - (x < y);
	return s->descending ? -order : order;
}

static int compare_labels(const struct sort *s, const struct row *a, const struct row *b)
{
	int order = 0;
	for (uint32_t i = 0; i < s->name_count && order == 0; i++)
		order = natural_compare(labels_get(a->labels, s->names[i]), labels_get(b->labels, s->names[i]));
	if (order == 0)
		order = labels_compare(a->labels, b->labels);
	return s->descending ? -order : order;
}

static bool goes_before(const struct sort *s, const struct row *a, const struct row *b)
{
	return (s->names == NULL ? compare_values(s, a, b) : compare_labels(s, a, b)) < 0;
}

/* Merges two sorted neighbours; equal rows stay as they came. */
static void merge(const struct sort *s, const struct row **from, const struct row **to, uint32_t start, uint32_t middle,
                  uint32_t end)
{
	uint32_t a = start, b = middle;
	for (uint32_t i = start; i < end; i++)
		to[i] = a < middle && (b == end || !goes_before(s, from[b], from[a])) ? from[a++] : from[b++];
}

/* `room` is of the same size. Gives back the one of both that is sorted. */
static const struct row **merge_sort(const struct sort *s, const struct row **rows, const struct row **room,
                                     uint32_t count)
{
	for (uint64_t width = 1; width < count; width *= 2) {
		for (uint64_t i = 0; i < count; i += 2 * width) {
			uint64_t middle = i + width < count ? i + width : count;
			uint64_t end = middle + width < count ? middle + width : count;
			merge(s, rows, room, (uint32_t)i, (uint32_t)middle, (uint32_t)end);
		}
		const struct row **other = rows;
		rows = room;
		room = other;
	}
	return rows;
}

/* ---- the node ---- */

static int collect_sorted(struct sort *s)
{
	struct node *of = s->of;
	s->of = NULL;
	int code = rows_collect(&s->rows, of);
	if (code != 0)
		return code;
	uint32_t count = s->rows.count;
	const struct row **order = eval_alloc(s->node.ev, (2 * (size_t)count + 1) * sizeof(struct row *));
	if (order == NULL)
		return s->node.ev->err->code;
	for (uint32_t i = 0; i < count; i++)
		order[i] = &s->rows.items[i];
	s->order = merge_sort(s, order, order + count, count);
	return 0;
}

static int next_sorted(struct node *n, struct row *out)
{
	struct sort *s = (struct sort *)n;
	int code = s->of == NULL ? 0 : collect_sorted(s);
	if (code != 0 || s->next == s->rows.count)
		return code;
	*out = *s->order[s->next++];
	return 1;
}

static void close_sort(struct node *n)
{
	struct sort *s = (struct sort *)n;
	node_close(s->of);
	rows_deinit(&s->rows);
}

static const struct node_ops sort_ops = {next_sorted, close_sort};

static struct node *plan_sorted(struct eval *ev, const struct promql_expr *call, const struct steps *steps,
                                bool descending, const struct slice *names, uint32_t name_count)
{
	struct node *of = eval_plan(ev, call->call.args[0], steps);
	if (of == NULL)
		return NULL;
	if (steps->count > 1) {
		eval_annotate(ev, ANNOTATION_WARNING, call->start,
		              "sort is ineffective for range queries since results are always ordered by labels");
		return of;
	}
	struct sort *s = eval_alloc(ev, sizeof *s);
	if (s == NULL) {
		node_close(of);
		return NULL;
	}
	*s = (struct sort){.node = {&sort_ops, ev, call, *steps, of->one_name},
	                   .of = of,
	                   .descending = descending,
	                   .names = names,
	                   .name_count = name_count};
	rows_init(&s->rows, ev);
	return &s->node;
}

struct node *plan_sort(struct eval *ev, const struct promql_expr *call, const struct steps *steps)
{
	return plan_sorted(ev, call, steps, false, NULL, 0);
}

struct node *plan_sort_desc(struct eval *ev, const struct promql_expr *call, const struct steps *steps)
{
	return plan_sorted(ev, call, steps, true, NULL, 0);
}

static struct node *plan_by_label(struct eval *ev, const struct promql_expr *call, const struct steps *steps,
                                  bool descending)
{
	uint32_t count = call->call.arg_count - 1;
	struct slice *names = eval_alloc(ev, (count + 1) * sizeof *names);
	if (names == NULL)
		return NULL;
	for (uint32_t i = 0; i < count; i++)
		names[i] = eval_text(call->call.args[1 + i]);
	return plan_sorted(ev, call, steps, descending, names, count);
}

struct node *plan_sort_by_label(struct eval *ev, const struct promql_expr *call, const struct steps *steps)
{
	return plan_by_label(ev, call, steps, false);
}

struct node *plan_sort_by_label_desc(struct eval *ev, const struct promql_expr *call, const struct steps *steps)
{
	return plan_by_label(ev, call, steps, true);
}

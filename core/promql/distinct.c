/* Series whose names were dropped may have become the same: they are joined, or an error.
 *
 * Where every series that is the same as another is an error, labels are remembered and rows pass through; to be joined they are kept until the last one. */
#include <errno.h>

#include "base/table.h"
#include "promql/plan.h"
#include "record/labels.h"

struct distinct {
	struct node node;
	struct node *of;
	struct rows seen; /* to be joined: all; else without values */
	struct table by_labels;
	bool passes; /* rows through */
	bool complete;
	uint32_t given;
};

static bool same(const void *ctx, const void *key, uint32_t item)
{
	return slice_eq(((const struct rows *)ctx)->items[item].labels, *(const struct slice *)key);
}

static int refuse(struct eval *ev)
{
	return eval_fail(ev, -EINVAL, "vector cannot contain metrics with the same labelset");
}

/* A row whose labels were not seen yet. */
static int add(struct distinct *d, const struct row *row, uint64_t hash, uint32_t steps)
{
	struct eval *ev = d->node.ev;
	if (rows_add(&d->seen, row, steps) == NULL)
		return ev->err->code;
	return table_add(&d->by_labels, hash, d->seen.count - 1) == 0 ? 0 : eval_no_memory(ev);
}

static int join(struct distinct *d, struct row *to, const struct row *row)
{
	for (uint32_t i = 0; i < d->node.steps.count; i++) {
		if (promql_is_absent(row->values[i]))
			continue;
		if (!promql_is_absent(to->values[i]))
			return refuse(d->node.ev);
		to->values[i] = row->values[i];
	}
	return 0;
}

static int take(struct distinct *d, const struct row *row)
{
	uint64_t hash = labels_hash(row->labels);
	uint32_t found = table_find(&d->by_labels, hash, same, &d->seen, &row->labels);

	if (found == TABLE_NONE)
		return add(d, row, hash, d->passes ? 0 : d->node.steps.count);
	return d->passes ? refuse(d->node.ev) : join(d, &d->seen.items[found], row);
}

/* The next row that has a value. */
static int next_row(struct distinct *d, struct row *row)
{
	int code;
	do {
		code = node_next(d->of, row);
	} while (code > 0 && row_is_empty(row, d->node.steps.count));
	return code;
}

static int distinct_next(struct node *n, struct row *out)
{
	struct distinct *d = (struct distinct *)n;
	int code = 0;

	while (!d->complete && (code = next_row(d, out)) > 0) {
		code = take(d, out);
		if (code < 0)
			return code;
		if (d->passes)
			return 1;
	}
	if (code < 0)
		return code;
	d->complete = true;
	if (d->passes || d->given == d->seen.count)
		return 0;
	*out = d->seen.items[d->given++];
	return 1;
}

static void distinct_close(struct node *n)
{
	struct distinct *d = (struct distinct *)n;
	node_close(d->of);
	rows_deinit(&d->seen);
	table_deinit(&d->by_labels);
}

static const struct node_ops distinct_ops = {distinct_next, distinct_close};

struct node *plan_distinct(struct node *n, bool strict)
{
	return n->ev->query->delayed_names || n->one_name ? n : plan_distinct_always(n, strict);
}

struct node *plan_distinct_always(struct node *n, bool strict)
{
	struct eval *ev = n->ev;
	struct distinct *d = (struct distinct *)eval_alloc(ev, sizeof *d);
	if (d == NULL) {
		node_close(n);
		return NULL;
	}
	*d = (struct distinct){.node = {&distinct_ops, ev, n->expr, n->steps, true}, .of = n};
	d->passes = strict || n->steps.count == 1;
	rows_init(&d->seen, ev);
	table_init(&d->by_labels);
	return &d->node;
}

/* topk, bottomk: a heap of the best values for each group and step. Of the rows only the labels of those that ever came into a heap are kept.
 *
 * Which of equal values stays hangs on how the heap moves its items: it moves them as Go's container/heap does. */
#include <stdlib.h>

#include "promql/aggregate.h"

struct entry {
	double value;
	uint32_t row;
	uint32_t step; /* set at the end */
};

/* The heaps of a group, one for each step, `cap` entries apart. */
struct heaps {
	struct entry *entries;
	uint32_t *counts;
	uint32_t cap;
};

struct kept_row {
	size_t labels; /* where they begin in `text` */
	uint32_t len;
	bool drop_name;
};

struct top_node {
	struct aggregate a;
	bool least;     /* bottomk */
	uint32_t k_max; /* of all steps */
	struct heaps *groups;
	uint32_t group_count;
	size_t groups_cap;
	struct kept_row *rows;
	uint32_t row_count;
	size_t rows_cap;
	char *text;
	size_t text_len, text_cap;
	/* The result: entries in the order in which they go out. */
	struct entry *taken;
	size_t taken_count, next;
	double *out;
};

/* ---- a heap: the one that goes first is at the front ---- */

/* Does `a` go before `b`? NaN goes first, whatever is asked for. */
static inline bool goes_before(const struct top_node *t, struct entry a, struct entry b)
{
	return isnan(a.value) || (t->least ? a.value > b.value : a.value < b.value);
}

static inline void swap(struct entry *a, struct entry *b)
{
	struct entry x = *a;
	*a = *b;
	*b = x;
}

static void rise(const struct top_node *t, struct entry *heap, uint32_t at)
{
	while (at > 0) {
		uint32_t parent = (at - 1) / 2;
		if (!goes_before(t, heap[at], heap[parent]))
			break;
		swap(&heap[at], &heap[parent]);
		at = parent;
	}
}

static void sink(const struct top_node *t, struct entry *heap, uint32_t count)
{
	for (uint32_t at = 0, child; (child = 2 * at + 1) < count; at = child) {
		if (child + 1 < count && goes_before(t, heap[child + 1], heap[child]))
			child++;
		if (!goes_before(t, heap[child], heap[at]))
			break;
		swap(&heap[at], &heap[child]);
	}
}

/* ---- rows in ---- */

static int begin_group(struct top_node *t)
{
	struct eval *ev = t->a.node.ev;
	size_t size = t->a.node.steps.count * sizeof(uint32_t);
	int code = eval_grow(ev, (void **)&t->groups, &t->groups_cap, (size_t)t->group_count + 1, sizeof *t->groups);
	if (code != 0)
		return code;
	uint32_t *counts = eval_realloc(ev, NULL, 0, size);
	if (counts == NULL)
		return ev->err->code;
	memset(counts, 0, size);
	t->groups[t->group_count++] = (struct heaps){.counts = counts};
	return 0;
}

/* Twice the room in each heap of a group, but no more than there may be in one. */
static int widen(struct top_node *t, struct heaps *h)
{
	enum { CAP_MIN = 4 };
	uint32_t steps = t->a.node.steps.count, cap = h->cap == 0 ? CAP_MIN : h->cap * 2;
	size_t size = sizeof *h->entries * steps;
	cap = cap < t->k_max ? cap : t->k_max;
	struct entry *entries = eval_realloc(t->a.node.ev, h->entries, size * h->cap, size * cap);

	if (entries == NULL)
		return t->a.node.ev->err->code;
	for (uint32_t i = steps; i-- > 1;)
		memmove(entries + (size_t)i * cap, entries + (size_t)i * h->cap, h->counts[i] * sizeof *entries);
	h->entries = entries;
	h->cap = cap;
	return 0;
}

/* Keeps the labels of a row that comes into a heap. */
static int keep_row(struct top_node *t, const struct row *row)
{
	struct eval *ev = t->a.node.ev;
	int code = eval_grow(ev, (void **)&t->rows, &t->rows_cap, (size_t)t->row_count + 1, sizeof *t->rows);
	if (code == 0)
		code = eval_grow(ev, (void **)&t->text, &t->text_cap, t->text_len + row->labels.len + 1, 1);
	if (code != 0)
		return code;
	if (row->labels.len > 0)
		memcpy(t->text + t->text_len, row->labels.ptr, row->labels.len);
	t->rows[t->row_count++] = (struct kept_row){t->text_len, (uint32_t)row->labels.len, row->drop_name};
	t->text_len += row->labels.len;
	return 0;
}

/* Is a value to come into the heap of a step? */
static inline bool is_wanted(const struct top_node *t, const struct heaps *h, uint32_t step, double v)
{
	if (promql_is_absent(v))
		return false;
	uint32_t k = aggregate_k(t->a.param[step]);
	if (h->counts[step] < k)
		return true;
	if (k == 0)
		return false;
	double first = h->entries[(size_t)step * h->cap].value;
	return (t->least ? first > v : first < v) || (isnan(first) && !isnan(v));
}

static int put(struct top_node *t, struct heaps *h, uint32_t step, struct entry e)
{
	uint32_t count = h->counts[step];

	if (count == aggregate_k(t->a.param[step])) {
		struct entry *heap = h->entries + (size_t)step * h->cap;
		heap[0] = e;
		sink(t, heap, count);
		return 0;
	}
	if (count == h->cap) {
		int code = widen(t, h);
		if (code != 0)
			return code;
	}
	struct entry *heap = h->entries + (size_t)step * h->cap;
	heap[count] = e;
	rise(t, heap, count);
	h->counts[step]++;
	return 0;
}

static int take_row(struct top_node *t, const struct row *row)
{
	uint32_t group, number = t->row_count;
	int code = grouping_find(&t->a.grouping, row->labels, &group);

	if (code == 0 && group == t->group_count)
		code = begin_group(t);
	for (uint32_t i = 0; code == 0 && i < t->a.node.steps.count; i++) {
		struct heaps *h = &t->groups[group];
		if (!is_wanted(t, h, i, row->values[i]))
			continue;
		if (t->row_count == number)
			code = keep_row(t, row);
		if (code == 0)
			code = put(t, h, i, (struct entry){row->values[i], number, i});
	}
	return code;
}

/* ---- rows out ---- */

/* Best first; of equal ones, the one that came first. */
static int order_of_top(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	bool nan_x = isnan(x->value), nan_y = isnan(y->value);
	if (nan_x != nan_y)
		return nan_x ? 1 : -1;
	if (!nan_x && x->value != y->value)
		return x->value > y->value ? -1 : 1;
	return (x->row > y->row) - (x->row < y->row);
}

static int order_of_bottom(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	if (isnan(x->value) || isnan(y->value) || x->value == y->value)
		return order_of_top(a, b);
	return -order_of_top(a, b);
}

/* Best first. Up to twelve are put in order as Go's sort does it, to the order of equal ones; of more than that its order is nobody's to rely on. */
static void sort(const struct top_node *t, struct entry *heap, uint32_t count)
{
	enum { INSERTION_MAX = 12 };
	if (count > INSERTION_MAX) {
		qsort(heap, count, sizeof *heap, t->least ? order_of_bottom : order_of_top);
		return;
	}
	for (uint32_t i = 1; i < count; i++) {
		for (uint32_t j = i; j > 0 && goes_before(t, heap[j - 1], heap[j]); j--)
			swap(&heap[j], &heap[j - 1]);
	}
}

/* One step: the groups one behind the other, each sorted. */
static void take_sorted(struct top_node *t)
{
	size_t count = 0;

	for (uint32_t g = 0; g < t->group_count; g++) {
		const struct heaps *h = &t->groups[g];
		sort(t, h->entries, h->counts[0]);
		if (h->counts[0] > 0)
			memcpy(t->taken + count, h->entries, h->counts[0] * sizeof *t->taken);
		count += h->counts[0];
	}
}

/* Many steps: row by row, in the order in which they came. */
static void take_by_row(struct top_node *t, size_t *ends)
{
	uint32_t steps = t->a.node.steps.count;

	for (int place = 0; place < 2; place++) {
		for (uint32_t g = 0; g < t->group_count; g++) {
			const struct heaps *h = &t->groups[g];
			for (uint32_t i = 0; i < steps && h->entries != NULL; i++) {
				const struct entry *heap = h->entries + (size_t)i * h->cap;
				for (uint32_t k = 0; k < h->counts[i] && place == 0; k++)
					ends[heap[k].row]++;
				for (uint32_t k = 0; k < h->counts[i] && place == 1; k++)
					t->taken[--ends[heap[k].row]] = heap[k];
			}
		}
		for (uint32_t r = 1; r < t->row_count && place == 0; r++)
			ends[r] += ends[r - 1];
	}
}

static int take(struct top_node *t)
{
	struct eval *ev = t->a.node.ev;
	size_t ends_size = t->row_count * sizeof(size_t), count = 0;

	for (uint32_t g = 0; g < t->group_count; g++) {
		for (uint32_t i = 0; i < t->a.node.steps.count; i++)
			count += t->groups[g].counts[i];
	}
	if (count == 0)
		return 0;
	t->taken = eval_realloc(ev, NULL, 0, count * sizeof *t->taken);
	if (t->taken == NULL)
		return ev->err->code;
	t->taken_count = count;
	if (t->a.node.steps.count == 1) {
		take_sorted(t);
		return 0;
	}
	size_t *ends = eval_realloc(ev, NULL, 0, ends_size);
	if (ends == NULL)
		return ev->err->code;
	memset(ends, 0, ends_size);
	take_by_row(t, ends);
	eval_release(ev, ends, ends_size);
	return 0;
}

static int take_rows(struct top_node *t)
{
	struct row row;
	int code = aggregate_check_k(&t->a);

	if (code <= 0)
		return code;
	t->k_max = aggregate_k(aggregate_param_range(&t->a).greatest);
	while ((code = node_next(t->a.of, &row)) > 0) {
		code = take_row(t, &row);
		if (code != 0)
			return code;
	}
	node_close(t->a.of);
	t->a.of = NULL;
	return code != 0 ? code : take(t);
}

static int top_next(struct node *n, struct row *out)
{
	struct top_node *t = (struct top_node *)n;

	if (!t->a.begun) {
		t->a.begun = true;
		int code = take_rows(t);
		if (code != 0)
			return code;
	}
	if (t->next == t->taken_count)
		return 0;
	uint32_t number = t->taken[t->next].row;
	const struct kept_row *row = &t->rows[number];
	for (uint32_t i = 0; i < n->steps.count; i++)
		t->out[i] = promql_absent();
	while (t->next < t->taken_count && t->taken[t->next].row == number) {
		t->out[t->taken[t->next].step] = t->taken[t->next].value;
		t->next++;
	}
	*out = (struct row){slice_new(t->text + row->labels, row->len), row->drop_name, t->out};
	int code = eval_spend(n->ev, n->steps.count);
	return code != 0 ? code : 1;
}

static void top_close(struct node *n)
{
	struct top_node *t = (struct top_node *)n;
	size_t steps = n->steps.count;

	for (uint32_t g = 0; g < t->group_count; g++) {
		eval_release(n->ev, t->groups[g].counts, steps * sizeof(uint32_t));
		eval_release(n->ev, t->groups[g].entries, steps * t->groups[g].cap * sizeof(struct entry));
	}
	eval_release(n->ev, t->groups, t->groups_cap * sizeof *t->groups);
	eval_release(n->ev, t->rows, t->rows_cap * sizeof *t->rows);
	eval_release(n->ev, t->text, t->text_cap);
	eval_release(n->ev, t->taken, t->taken_count * sizeof *t->taken);
	aggregate_deinit(&t->a);
}

struct node *plan_top(struct eval *ev, const struct promql_expr *e, const struct steps *steps)
{
	static const struct node_ops ops = {top_next, top_close};
	struct top_node *t = aggregate_new(ev, e, steps, sizeof *t, &ops, slice_new(NULL, 0));

	if (t == NULL)
		return NULL;
	t->least = e->aggregate.op == PROMQL_BOTTOMK;
	t->a.node.one_name = t->a.of->one_name;
	t->out = eval_values(ev, steps);
	if (t->out == NULL) {
		node_close(&t->a.node);
		return NULL;
	}
	return &t->a.node;
}

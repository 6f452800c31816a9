/* Rows that are kept. */
#include "promql/eval.h"

void rows_init(struct rows *r, struct eval *ev)
{
	*r = (struct rows){.ev = ev};
	arena_init(&r->arena);
}

void rows_deinit(struct rows *r)
{
	arena_deinit(&r->arena);
	eval_release(r->ev, r->items, r->cap * sizeof *r->items);
	r->ev->bytes -= r->held;
	rows_init(r, r->ev);
}

static bool grow(struct rows *r)
{
	size_t cap = r->cap == 0 ? 16 : r->cap * 2;
	struct row *items =
	    (struct row *)eval_realloc(r->ev, r->items, r->cap * sizeof *r->items, cap * sizeof *r->items);
	if (items == NULL)
		return false;
	r->items = items;
	r->cap = cap;
	return true;
}

/* Some of the arena's bytes are taken in blocks ahead of their use: what is counted is what it has. */
static void *take(struct rows *r, size_t size)
{
	/* A block that would be past the bound is not taken first. */
	if (eval_hold(r->ev, size) != 0)
		return NULL;
	r->ev->bytes -= size;
	void *p = arena_alloc(&r->arena, size);
	if (p == NULL) {
		eval_no_memory(r->ev);
		return NULL;
	}
	r->ev->bytes += r->arena.total - r->held;
	r->held = r->arena.total;
	return p;
}

struct row *rows_add(struct rows *r, const struct row *row, uint32_t steps)
{
	size_t values = (size_t)steps * sizeof(double);

	if (r->count == r->cap && !grow(r))
		return NULL;
	char *room = (char *)take(r, values + row->labels.len);
	if (room == NULL)
		return NULL;
	memcpy(room, row->values, values);
	if (row->labels.len > 0)
		memcpy(room + values, row->labels.ptr, row->labels.len);
	struct row *to = &r->items[r->count++];
	*to = (struct row){slice_new(room + values, row->labels.len), row->drop_name, (double *)room};
	return to;
}

int rows_collect(struct rows *r, struct node *n)
{
	struct row row;
	int code;

	while ((code = node_next(n, &row)) > 0) {
		if (row_is_empty(&row, n->steps.count))
			continue;
		if (rows_add(r, &row, n->steps.count) == NULL) {
			code = r->ev->err->code;
			break;
		}
	}
	node_close(n);
	return code;
}

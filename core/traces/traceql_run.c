/* A query over a trace: filters, operators and stages, each of which makes sets of spans of those that go in. */
#include <string.h>

#include "base/mem.h"
#include "traces/traceql_run.h"

void *state_room(struct traceql_state *s, size_t size)
{
	void *room = arena_alloc(&s->scratch, size);

	if (room == NULL)
		s->code = -ENOMEM;
	return room;
}

struct traceql_set *run_add_set(struct traceql_state *s, struct set_list *list)
{
	if (list->count == list->cap) {
		uint32_t cap = list->cap == 0 ? 4 : list->cap * 2;
		struct traceql_set *items = state_room(s, cap * sizeof *items);
		if (items == NULL)
			return NULL;
		if (list->count > 0)
			memcpy(items, list->items, list->count * sizeof *items);
		list->items = items;
		list->cap = cap;
	}
	return &list->items[list->count++];
}

/* The spans in s->found as a set with the attributes of the one that they are from. None: no set. */
static void add_found(struct traceql_state *s, const struct traceql_set *from, uint32_t count, struct set_list *out)
{
	uint32_t *spans = count > 0 ? state_room(s, count * sizeof *spans) : NULL;
	struct traceql_set *set = spans != NULL ? run_add_set(s, out) : NULL;

	if (set == NULL)
		return;
	memcpy(spans, s->found, count * sizeof *spans);
	*set = *from;
	set->spans = spans;
	set->count = count;
}

static void run_filter(struct traceql_state *s, const struct node *filter, const struct traceql_set *in,
                       struct set_list *out)
{
	uint32_t count = 0;

	if (filter == NULL) {
		struct traceql_set *set = in->count > 0 ? run_add_set(s, out) : NULL;
		if (set != NULL)
			*set = *in;
		return;
	}
	for (uint32_t i = 0; i < in->count && s->code == 0; i++) {
		uint32_t span = in->spans != NULL ? in->spans[i] : i;
		state_work(s, filter->cost);
		if (match_node(s, filter, span))
			s->found[count++] = span;
	}
	add_found(s, in, count, out);
}

static void mark_all(const struct traceql_state *s, const struct set_list *list, uint8_t *marks)
{
	memset(marks, 0, s->t->span_count);
	for (uint32_t i = 0; i < list->count; i++) {
		const struct traceql_set *set = &list->items[i];
		for (uint32_t n = 0; n < set->count; n++)
			marks[set->spans != NULL ? set->spans[n] : n] = 1;
	}
}

static void run_operation(struct traceql_state *s, const struct set_expr *e, const struct traceql_set *in,
                          struct set_list *out)
{
	struct set_list left = {0}, right = {0};
	struct arena_mark mark = arena_mark(&s->scratch); /* what the sides take is given back */
	uint32_t count = 0;

	run_set(s, e->left, in, &left);
	bool none = left.count == 0 && (e->op == LEX_AND || e->op == LEX_GT || e->op == LEX_LT ||
	                                e->op == LEX_DESCENDANT || e->op == LEX_ANCESTOR || e->op == LEX_SIBLING);
	if (!none)
		run_set(s, e->right, in, &right);
	if (s->code != 0)
		return;
	none |= e->op == LEX_AND && right.count == 0;
	mark_all(s, &left, s->left);
	mark_all(s, &right, s->right);
	arena_rewind(&s->scratch, mark);
	if (none)
		return;
	state_work(s, s->t->span_count);
	if (e->op == LEX_AND || e->op == LEX_OR) {
		for (uint32_t i = 0; i < s->t->span_count; i++)
			s->hit[i] = s->left[i] | s->right[i];
	} else {
		structure_relate(s, e->op, s->left, s->right);
	}
	for (uint32_t i = 0; i < s->t->span_count; i++) {
		if (s->hit[i])
			s->found[count++] = i;
	}
	add_found(s, in, count, out);
}

void run_set(struct traceql_state *s, const struct set_expr *e, const struct traceql_set *in, struct set_list *out)
{
	if (s->code != 0)
		return;
	if (e->kind == SET_FILTER) {
		run_filter(s, e->filter, in, out);
	} else if (e->kind == SET_OPERATION) {
		run_operation(s, e, in, out);
	} else {
		struct set_list all = {0};
		struct traceql_set *first = run_add_set(s, &all);
		if (first == NULL)
			return;
		*first = *in;
		run_stages(s, e->stages, &all);
		for (uint32_t i = 0; i < all.count && s->code == 0; i++) {
			struct traceql_set *set = run_add_set(s, out);
			if (set != NULL)
				*set = all.items[i];
		}
	}
}

/* ---- the state ---- */

struct traceql_state *traceql_state_new(const struct traceql_query *q, bool (*stop)(void *ctx), void *ctx)
{
	struct traceql_state *s = mem_zalloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	s->q = q;
	s->stop = stop;
	s->stop_ctx = ctx;
	arena_init(&s->scratch);
	table_init(&s->groups);
	s->keys = mem_alloc((q->field_count + 1) * sizeof *s->keys);
	if (s->keys == NULL) {
		traceql_state_free(s);
		return NULL;
	}
	return s;
}

void traceql_state_free(struct traceql_state *s)
{
	if (s == NULL)
		return;
	arena_deinit(&s->scratch);
	table_deinit(&s->groups);
	mem_free(s->keys);
	mem_free(s->memo);
	mem_free(s->found);
	mem_free(s->left);
	mem_free(s->nested);
	mem_free(s);
}

/* Room for that many spans: found, and left, right and hit in one piece. */
static int grow_spans(struct traceql_state *s, size_t spans)
{
	bool nested = s->q->uses_nested || s->q->uses_children;
	size_t cap = s->span_cap * 2 > spans ? s->span_cap * 2 : spans;

	cap = cap < 64 ? 64 : cap;
	mem_free(s->found);
	mem_free(s->left);
	mem_free(s->nested);
	s->found = mem_alloc(cap * sizeof *s->found);
	s->left = mem_alloc(cap * 3);
	s->nested = nested ? mem_alloc(cap * 3 * sizeof *s->nested) : NULL;
	s->span_cap = 0;
	if (s->found == NULL || s->left == NULL || (nested && s->nested == NULL))
		return -ENOMEM;
	s->right = s->left + cap;
	s->hit = s->right + cap;
	s->span_cap = cap;
	return 0;
}

int state_begin(struct traceql_state *s, const struct trace *t)
{
	size_t memos = (size_t)s->q->memo_count * t->resource_count;

	s->t = t;
	s->serial++;
	s->code = 0;
	s->has_nested = false;
	arena_reset(&s->scratch, 1 << 20);
	for (uint32_t i = 0; i < s->q->field_count; i++)
		s->keys[i] = KEY_UNKNOWN;
	if (t->span_count > s->span_cap && grow_spans(s, t->span_count) != 0)
		return -ENOMEM;
	if (memos > s->memo_cap) {
		uint8_t *memo = mem_realloc(s->memo, memos * 2);
		if (memo == NULL)
			return -ENOMEM;
		s->memo = memo;
		s->memo_cap = memos * 2;
	}
	if (memos > 0)
		memset(s->memo, 0, memos);
	return 0;
}

/* Sets of all spans are written out. */
static void write_out(struct traceql_state *s, struct set_list *list)
{
	for (uint32_t i = 0; i < list->count; i++) {
		struct traceql_set *set = &list->items[i];
		if (set->spans != NULL)
			continue;
		set->spans = state_room(s, set->count * sizeof *set->spans);
		for (uint32_t n = 0; n < set->count && set->spans != NULL; n++)
			set->spans[n] = n;
	}
}

int traceql_run(struct traceql_state *s, const struct trace *t, struct traceql_set **sets, uint32_t *count)
{
	struct traceql_set all = {.spans = NULL, .count = t->span_count};
	const struct stage *first = s->q->root->stages;
	struct set_list list = {0};

	*sets = NULL;
	*count = 0;
	if (state_begin(s, t) != 0)
		return -ENOMEM;
	state_work(s, 50);
	if (first->kind == STAGE_SET) { /* nearly always, and then nothing is there yet */
		run_set(s, first->set, &all, &list);
		first = first->next;
	} else {
		struct traceql_set *set = run_add_set(s, &list);
		if (set == NULL)
			return -ENOMEM;
		*set = all;
	}
	if (list.count > 0 && s->code == 0)
		run_stages(s, first, &list);
	if (s->code == 0)
		write_out(s, &list);
	if (s->code != 0)
		return s->code;
	*sets = list.items;
	*count = list.count;
	return 0;
}

/* What answers have places of their own for. */
static bool is_shown_anyway(enum field_kind kind)
{
	return kind == FIELD_NAME || kind == FIELD_DURATION || (kind >= FIELD_TRACE_ID && kind <= FIELD_ROOT_SERVICE) ||
	       kind == FIELD_SPAN_ID;
}

int traceql_span_attributes(struct traceql_state *s, uint32_t span, struct traceql_attribute *out)
{
	int count = 0;

	for (uint32_t i = 0; i < s->q->field_count; i++) {
		const struct field *f = &s->q->fields[i];
		if (is_shown_anyway(f->kind))
			continue;
		struct traceql_value v = read_kept(s, read_field(s, i, span, 0));
		if (v.type != TRACEQL_NIL)
			out[count++] = (struct traceql_attribute){f->label, v};
	}
	return s->code != 0 ? s->code : count;
}

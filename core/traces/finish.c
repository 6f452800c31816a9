/* From arrays to one piece: spans in the order of their start, the tree between them, all of it behind one head. */
#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/mem.h"
#include "traces/internal.h"

struct finisher_order {
	int64_t start_ns;
	uint32_t source; /* number in the arrays */
};

const uint32_t part_sizes[PARTS] = {
    sizeof(struct trace_span), sizeof(struct trace_resource), sizeof(struct trace_scope), sizeof(struct trace_event),
    sizeof(struct trace_link), sizeof(struct trace_key),      sizeof(struct trace_cell),  1,
};

enum { LINEAR_SPANS = 12 }; /* up to so many are looked through one by one */

void finisher_deinit(struct finisher *f)
{
	mem_free(f->order);
	mem_free(f->places);
	*f = (struct finisher){0};
}

size_t finisher_bytes(const struct finisher *f)
{
	return f->order_cap * sizeof *f->order + f->place_cap * sizeof *f->places;
}

uint32_t finisher_source(const struct finisher *f, uint32_t span)
{
	CHECK(span < f->kept);
	return f->order[span].source;
}

struct parts parts_of(const struct trace *t)
{
	char *at = (char *)t; /* borrowed: nobody writes through it */
	struct parts p = {{
	    [PART_SPANS] = {at + t->spans_at, t->span_count, 0},
	    [PART_RESOURCES] = {at + t->resources_at, t->resource_count, 0},
	    [PART_SCOPES] = {at + t->scopes_at, t->scope_count, 0},
	    [PART_EVENTS] = {at + t->events_at, t->event_count, 0},
	    [PART_LINKS] = {at + t->links_at, t->link_count, 0},
	    [PART_KEYS] = {at + t->keys_at, t->key_count, 0},
	    [PART_CELLS] = {at + t->cells_at, t->cell_count, 0},
	    [PART_TEXT] = {at + t->text_at, t->text_len, 0},
	}};
	return p;
}

/* ---- order ---- */

static int by_start(const void *a, const void *b)
{
	const struct finisher_order *x = a;
	const struct finisher_order *y = b;

	if (x->start_ns != y->start_ns)
		return x->start_ns < y->start_ns ? -1 : 1;
	return (x->source > y->source) - (x->source < y->source);
}

static void sort_few(struct finisher_order *o, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++) {
		struct finisher_order one = o[i];
		uint32_t at = i;
		for (; at > 0 && by_start(&one, &o[at - 1]) < 0; at--)
			o[at] = o[at - 1];
		o[at] = one;
	}
}

/* Places for `n` span ids, at most half of them used, and one mark for each span behind them. */
static uint32_t place_count(uint32_t n)
{
	uint32_t places = 16;

	while (places < 2 * n)
		places *= 2;
	return places;
}

static int reserve(struct finisher *f, uint32_t n)
{
	size_t places = (size_t)place_count(n) + n;

	if (f->order_cap < n) {
		mem_free(f->order);
		f->order_cap = 0;
		f->order = mem_alloc(n * sizeof *f->order);
		if (f->order == NULL)
			return -ENOMEM;
		f->order_cap = n;
	}
	if (f->place_cap < places) {
		mem_free(f->places);
		f->place_cap = 0;
		f->places = mem_alloc(places * sizeof *f->places);
		if (f->places == NULL)
			return -ENOMEM;
		f->place_cap = places;
	}
	return 0;
}

/* ---- spans by id ---- */

/* Number → span id, in whichever array they are; the first of an id has its place. */
struct ids {
	const struct trace_span *spans;
	const struct finisher_order *order; /* NULL: the spans are in order themselves */
	uint32_t *places;                   /* NULL: few spans, looked through */
	uint32_t mask, count;
};

static const struct trace_span *nth(const struct ids *ids, uint32_t i)
{
	return &ids->spans[ids->order != NULL ? ids->order[i].source : i];
}

static uint32_t id_place(const struct ids *ids, uint64_t id)
{
	uint32_t at = (uint32_t)hash_mix(hash_seed(), id) & ids->mask;

	while (ids->places[at] != TRACE_NONE && nth(ids, ids->places[at])->id != id)
		at = (at + 1) & ids->mask;
	return at;
}

static uint32_t find_id(const struct ids *ids, uint64_t id)
{
	if (ids->places != NULL)
		return ids->places[id_place(ids, id)];
	for (uint32_t i = 0; i < ids->count; i++) {
		if (nth(ids, i)->id == id)
			return i;
	}
	return TRACE_NONE;
}

static void index_ids(struct ids *ids, uint32_t *places)
{
	ids->places = NULL;
	if (ids->count <= LINEAR_SPANS)
		return;
	uint32_t n = place_count(ids->count);
	ids->places = places;
	ids->mask = n - 1;
	memset(places, 0xff, n * sizeof *places);
	for (uint32_t i = 0; i < ids->count; i++) {
		uint32_t at = id_place(ids, nth(ids, i)->id);
		if (places[at] == TRACE_NONE)
			places[at] = i;
	}
}

/* An event that stands for a span goes where the span has come by itself. */
static void leave_out_events(struct finisher *f, const struct parts *p)
{
	const struct trace_span *spans = parts_spans(p);
	uint32_t n = 0, events = 0;

	for (uint32_t i = 0; i < f->kept; i++)
		events += (spans[f->order[i].source].marks & TRACE_SPAN_EVENT) != 0;
	if (events == 0 || events == f->kept)
		return;
	/* The spans that are none in front. */
	struct ids ids = {.spans = spans, .order = f->order, .count = f->kept - events};
	struct finisher_order *order = f->order;
	for (uint32_t i = 0; i < f->kept; i++) {
		if ((spans[order[i].source].marks & TRACE_SPAN_EVENT) == 0) {
			struct finisher_order one = order[i];
			order[i] = order[n];
			order[n++] = one;
		}
	}
	index_ids(&ids, f->places);
	for (uint32_t i = n; i < f->kept; i++) {
		if (find_id(&ids, spans[order[i].source].id) == TRACE_NONE)
			order[n++] = order[i];
	}
	f->kept = n;
}

static void sort_order(struct finisher *f)
{
	bool sorted = true;

	for (uint32_t i = 1; i < f->kept && sorted; i++)
		sorted = by_start(&f->order[i - 1], &f->order[i]) < 0;
	if (sorted)
		return;
	if (f->kept <= 32)
		sort_few(f->order, f->kept);
	else
		qsort(f->order, f->kept, sizeof *f->order, by_start);
}

static size_t padded(size_t bytes)
{
	return (bytes + 7) & ~(size_t)7;
}

size_t finisher_plan(struct finisher *f, const struct parts *p)
{
	uint32_t n = p->of[PART_SPANS].count;
	const struct trace_span *spans = parts_spans(p);
	size_t size = sizeof(struct trace);

	CHECK(n > 0);
	if (reserve(f, n) != 0)
		return 0;
	for (uint32_t i = 0; i < n; i++)
		f->order[i] = (struct finisher_order){spans[i].start_ns, i};
	f->kept = n;
	leave_out_events(f, p);
	sort_order(f);
	for (int i = 0; i < PARTS; i++)
		size += padded((size_t)(i == PART_SPANS ? f->kept : p->of[i].count) * part_sizes[i]);
	return size;
}

/* ---- the tree ---- */

/* Cuts a cycle that the walk up from a span has met at `at`: there its earliest span is at the top. */
static void cut_cycle(struct trace_span *spans, uint32_t at)
{
	uint32_t earliest = at;

	for (uint32_t i = spans[at].parent; i != at; i = spans[i].parent)
		earliest = i < earliest ? i : earliest;
	spans[earliest].parent = TRACE_NONE;
}

/* `seen`: for each span the walk that has been there. */
static void cut_cycles(struct trace_span *spans, uint32_t n, uint32_t *seen)
{
	memset(seen, 0xff, n * sizeof *seen);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = i;
		while (at != TRACE_NONE && seen[at] == TRACE_NONE) {
			seen[at] = i;
			at = spans[at].parent;
		}
		if (at != TRACE_NONE && seen[at] == i)
			cut_cycle(spans, at);
	}
}

static void link_spans(struct finisher *f, struct trace_span *spans, uint32_t n)
{
	struct ids ids = {.spans = spans, .count = n};

	index_ids(&ids, f->places);
	for (uint32_t i = 0; i < n; i++) {
		spans[i].parent = spans[i].parent_id != 0 ? find_id(&ids, spans[i].parent_id) : TRACE_NONE;
		spans[i].first_child = spans[i].next_sibling = TRACE_NONE;
	}
	cut_cycles(spans, n, f->places + place_count(n));
	for (uint32_t i = n; i-- > 0;) {
		if (spans[i].parent == TRACE_NONE)
			continue;
		struct trace_span *parent = &spans[spans[i].parent];
		spans[i].next_sibling = parent->first_child;
		parent->first_child = i;
	}
}

/* One without a parent comes before one whose parent is elsewhere, and that before one whose parent is missing. */
static uint32_t find_root(const struct trace_span *spans, uint32_t n)
{
	uint32_t top = TRACE_NONE, remote = TRACE_NONE;

	for (uint32_t i = 0; i < n; i++) {
		if (spans[i].parent_id == 0)
			return i;
		if (spans[i].parent != TRACE_NONE)
			continue;
		if (top == TRACE_NONE)
			top = i;
		if (remote == TRACE_NONE && span_is_root(&spans[i]))
			remote = i;
	}
	return remote != TRACE_NONE ? remote : top;
}

static void summarise(struct trace *t, const struct trace_span *spans)
{
	t->start_ns = spans[0].start_ns;
	t->end_ns = INT64_MIN;
	t->errors = 0;
	for (uint32_t i = 0; i < t->span_count; i++) {
		int64_t end = span_end_ns(&spans[i]);
		t->end_ns = end > t->end_ns ? end : t->end_ns;
		t->errors += spans[i].status == SPAN_ERROR;
	}
	t->root = find_root(spans, t->span_count);
}

void finisher_write(struct finisher *f, const struct parts *p, const uint8_t id[16], uint32_t marks, struct trace *to)
{
	uint32_t at = sizeof *to;
	uint32_t counts[PARTS], places[PARTS];
	const struct trace_span *from = parts_spans(p);

	for (int i = 0; i < PARTS; i++) {
		counts[i] = i == PART_SPANS ? f->kept : p->of[i].count;
		places[i] = at;
		uint32_t bytes = counts[i] * part_sizes[i];
		if (i != PART_SPANS && bytes > 0)
			memcpy((char *)to + at, p->of[i].items, bytes);
		memset((char *)to + at + bytes, 0, padded(bytes) - bytes);
		at += (uint32_t)padded(bytes);
	}
	*to = (struct trace){.size = at,
	                     .marks = marks,
	                     .span_count = counts[PART_SPANS],
	                     .resource_count = counts[PART_RESOURCES],
	                     .scope_count = counts[PART_SCOPES],
	                     .event_count = counts[PART_EVENTS],
	                     .link_count = counts[PART_LINKS],
	                     .key_count = counts[PART_KEYS],
	                     .cell_count = counts[PART_CELLS],
	                     .text_len = counts[PART_TEXT],
	                     .spans_at = places[PART_SPANS],
	                     .resources_at = places[PART_RESOURCES],
	                     .scopes_at = places[PART_SCOPES],
	                     .events_at = places[PART_EVENTS],
	                     .links_at = places[PART_LINKS],
	                     .keys_at = places[PART_KEYS],
	                     .cells_at = places[PART_CELLS],
	                     .text_at = places[PART_TEXT]};
	memcpy(to->id, id, sizeof to->id);
	struct trace_span *spans = (struct trace_span *)((char *)to + to->spans_at);
	for (uint32_t i = 0; i < f->kept; i++)
		spans[i] = from[f->order[i].source];
	link_spans(f, spans, f->kept);
	summarise(to, spans);
}

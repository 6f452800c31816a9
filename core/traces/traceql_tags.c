/* The names of attributes, and the values of a field. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "traces/traceql_source.h"
#include "traces/traces.h"

enum { DEFAULT_BYTES = 1 << 20, PASSED_COST = 10, CELL_COST = 2 };

/* What is gone through for both: the spans that a query finds, or all. */
struct walk {
	struct trace_source *source;
	const struct traces_tags_ask *ask;
	struct traceql_state *state; /* of the query, or of one that has but the field */
	size_t bytes, max_bytes;
	bool *cut;
	uint64_t *inspected_traces, *inspected_bytes;
};

/* ---- names ---- */

struct names {
	struct slice *items;
	size_t count, cap;
	struct table index;
};

struct names_walk {
	struct walk walk;
	struct arena *arena;
	struct names of[TRACEQL_SCOPES];
	uint8_t *seen; /* of each key of the trace: bits of the scopes for which it was added */
	size_t seen_cap;
	uint32_t last_resource, last_scope;
};

static bool same_name(const void *ctx, const void *key, uint32_t item)
{
	const struct names *n = ctx;

	return slice_eq(n->items[item], *(const struct slice *)key);
}

static int add_name(struct names_walk *w, enum traceql_scope scope, struct slice name)
{
	struct names *n = &w->of[scope];
	uint64_t hash = hash_bytes(name.ptr, name.len, 0);

	if (table_find(&n->index, hash, same_name, n, &name) != TABLE_NONE)
		return 0;
	if ((w->walk.ask->limit > 0 && n->count == w->walk.ask->limit) ||
	    w->walk.bytes + name.len > w->walk.max_bytes) {
		*w->walk.cut = true;
		return 0;
	}
	struct slice copy = arena_copy(w->arena, name);
	if (copy.ptr == NULL || mem_grow((void **)&n->items, &n->cap, n->count, sizeof *n->items) != 0 ||
	    table_add(&n->index, hash, (uint32_t)n->count) != 0)
		return -ENOMEM;
	n->items[n->count++] = copy;
	w->walk.bytes += name.len;
	return 0;
}

static int add_run(struct names_walk *w, const struct trace *t, enum traceql_scope scope, struct trace_run run)
{
	const struct trace_cell *cells = trace_cells(t) + run.first;
	uint8_t bit = (uint8_t)(1u << scope);

	state_work(w->walk.state, (uint64_t)run.count * CELL_COST);
	for (uint32_t i = 0; i < run.count; i++) {
		uint32_t key = cells[i].key;
		if (w->seen[key] & bit)
			continue;
		w->seen[key] |= bit;
		if (add_name(w, scope, trace_text(t, trace_keys(t)[key].name)) != 0)
			return -ENOMEM;
	}
	return 0;
}

static int names_of_span(void *ctx, const struct trace *t, uint32_t number)
{
	struct names_walk *w = ctx;
	const struct trace_span *span = &trace_spans(t)[number];
	int code = add_run(w, t, TRACEQL_SCOPE_SPAN, span->attributes);

	for (uint32_t i = 0; i < span->events.count && code == 0; i++)
		code = add_run(w, t, TRACEQL_SCOPE_EVENT, trace_events(t)[span->events.first + i].attributes);
	for (uint32_t i = 0; i < span->links.count && code == 0; i++)
		code = add_run(w, t, TRACEQL_SCOPE_LINK, trace_links(t)[span->links.first + i].attributes);
	if (code == 0 && span->resource != w->last_resource)
		code = add_run(w, t, TRACEQL_SCOPE_RESOURCE, trace_resources(t)[span->resource].attributes);
	if (code == 0 && span->scope != w->last_scope)
		code = add_run(w, t, TRACEQL_SCOPE_INSTRUMENTATION, trace_scopes(t)[span->scope].attributes);
	w->last_resource = span->resource;
	w->last_scope = span->scope;
	return code;
}

static int names_begin(void *ctx, const struct trace *t)
{
	struct names_walk *w = ctx;

	w->last_resource = w->last_scope = TRACE_NONE;
	if (t->key_count > w->seen_cap) {
		uint8_t *seen = mem_realloc(w->seen, (size_t)t->key_count * 2);
		if (seen == NULL)
			return -ENOMEM;
		w->seen = seen;
		w->seen_cap = (size_t)t->key_count * 2;
	}
	if (t->key_count > 0)
		memset(w->seen, 0, t->key_count);
	return 0;
}

/* ---- the walk ---- */

typedef int begin_function(void *ctx, const struct trace *t);
typedef int span_function(void *ctx, const struct trace *t, uint32_t span);

/* Calls `each` for the spans of a trace. */
static int walk_trace(struct walk *w, const struct trace *t, span_function *each, void *ctx)
{
	struct traceql_set *sets;
	uint32_t count;
	int code = 0;

	if (w->ask->query == NULL) {
		for (uint32_t i = 0; i < t->span_count && code == 0 && w->state->code == 0; i++)
			code = each(ctx, t, i);
		return code != 0 ? code : w->state->code;
	}
	code = traceql_run(w->state, t, &sets, &count);
	if (code == -E2BIG) { /* an editor has use for what the others have */
		*w->cut = true;
		w->state->code = 0;
		return 0;
	}
	for (uint32_t i = 0; i < count && code == 0; i++) {
		for (uint32_t n = 0; n < sets[i].count && code == 0; n++)
			code = each(ctx, t, sets[i].spans[n]);
	}
	return code;
}

/* Through all traces that are asked for. 0: also when it was stopped, or all that is wanted is there. */
static int walk_all(struct walk *w, begin_function *begin, span_function *each, void *ctx)
{
	const struct trace *t;
	int code = 0;

	while (code == 0 && (t = w->source->next(w->source->ctx, &code)) != NULL) {
		state_work(w->state, PASSED_COST);
		code = w->state->code;
		if (code != 0 || !source_overlaps(t, w->ask->start_ns, w->ask->end_ns))
			continue;
		++*w->inspected_traces;
		*w->inspected_bytes += t->size;
		code = begin(ctx, t);
		if (code == 0)
			code = walk_trace(w, t, each, ctx);
	}
	if (code == -ECANCELED) {
		*w->cut = true;
		return 0;
	}
	return code;
}

/* A query of nothing but one field, whose text lies elsewhere. */
static struct traceql_query *query_of_field(const struct field *f)
{
	struct traceql_query *q = mem_zalloc(1, sizeof *q);

	if (q == NULL)
		return NULL;
	arena_init(&q->arena);
	if (f != NULL) {
		q->fields[q->field_count++] = *f;
		q->uses_nested = f->kind >= FIELD_NESTED_LEFT && f->kind <= FIELD_NESTED_PARENT;
		q->uses_children = f->kind == FIELD_CHILD_COUNT;
	}
	return q;
}

static size_t bytes_or_default(size_t bytes)
{
	return bytes > 0 ? bytes : DEFAULT_BYTES;
}

static int give_names(struct names_walk *w, struct traces_tags *out)
{
	for (int i = 0; i < TRACEQL_SCOPES; i++) {
		struct names *n = &w->of[i];
		size_t size = n->count * sizeof(struct slice);
		if (n->count == 0)
			continue;
		out->names[i] = arena_alloc(&out->arena, size);
		if (out->names[i] == NULL)
			return -ENOMEM;
		qsort(n->items, n->count, sizeof *n->items, slice_order);
		memcpy(out->names[i], n->items, size);
		out->counts[i] = (uint32_t)n->count;
	}
	return 0;
}

int source_tags(struct trace_source *source, const struct traces_tags_ask *ask, struct traces_tags *out)
{
	struct traceql_query *none = query_of_field(NULL);
	const struct traceql_query *q = ask->query != NULL ? ask->query : none;
	struct traceql_state *state = q != NULL ? traceql_state_new(q, ask->stop, ask->stop_ctx) : NULL;
	struct names_walk w = {.arena = &out->arena};
	int code = -ENOMEM;

	*out = (struct traces_tags){0};
	arena_init(&out->arena);
	w.walk = (struct walk){source,
	                       ask,
	                       state,
	                       0,
	                       bytes_or_default(ask->max_bytes),
	                       &out->cut,
	                       &out->inspected_traces,
	                       &out->inspected_bytes};
	if (state != NULL)
		code = walk_all(&w.walk, names_begin, names_of_span, &w);
	if (code == 0)
		code = give_names(&w, out);
	for (int i = 0; i < TRACEQL_SCOPES; i++) {
		mem_free(w.of[i].items);
		table_deinit(&w.of[i].index);
	}
	mem_free(w.seen);
	traceql_state_free(state);
	traceql_free(none);
	return code;
}

void traces_tags_deinit(struct traces_tags *t)
{
	arena_deinit(&t->arena);
	*t = (struct traces_tags){0};
}

/* ---- values ---- */

struct values_walk {
	struct walk walk;
	struct arena *arena;
	struct traceql_state *reader; /* has the field, number 0 */
	struct traceql_value *items;
	size_t count, cap;
	struct table index;
	uint32_t last_resource;
	bool of_resource, of_trace; /* the value is the same for its spans */
};

static bool same_value(const void *ctx, const void *key, uint32_t item)
{
	const struct values_walk *w = ctx;

	return value_same(&w->items[item], key);
}

static int add_value(struct values_walk *w, struct traceql_value v)
{
	uint64_t hash = value_hash(&v);
	size_t bytes = sizeof v + (v.type == TRACEQL_STRING ? v.text.len : 0);

	if (v.type == TRACEQL_NIL || table_find(&w->index, hash, same_value, w, &v) != TABLE_NONE)
		return 0;
	if ((w->walk.ask->limit > 0 && w->count == w->walk.ask->limit) || w->walk.bytes + bytes > w->walk.max_bytes) {
		*w->walk.cut = true;
		return -ECANCELED; /* there is no room for any other */
	}
	if (v.type == TRACEQL_STRING) {
		v.text = arena_copy(w->arena, v.text);
		if (v.text.ptr == NULL)
			return -ENOMEM;
	}
	if (mem_grow((void **)&w->items, &w->cap, w->count, sizeof *w->items) != 0 ||
	    table_add(&w->index, hash, (uint32_t)w->count) != 0)
		return -ENOMEM;
	w->items[w->count++] = v;
	w->walk.bytes += bytes;
	return 0;
}

static int add_elements(struct values_walk *w, const struct trace *t, const struct traceql_value *v)
{
	const struct trace_cell *items = trace_cells(t) + v->cell->items.first;
	int code = 0;

	for (uint32_t i = 0; i < v->cell->items.count && code == 0; i++) {
		struct traceql_value item = read_cell(t, &items[i]);
		if (item.type != TRACEQL_ARRAY)
			code = add_value(w, item);
	}
	return code;
}

static int values_of_span(void *ctx, const struct trace *t, uint32_t span)
{
	struct values_walk *w = ctx;
	const struct field *f = &w->reader->q->fields[0];
	uint32_t resource = trace_spans(t)[span].resource;
	uint32_t count = field_is_many(f) ? read_many(w->reader, f, span) : 1;
	int code = 0;

	if (w->last_resource != TRACE_NONE && (w->of_trace || (w->of_resource && resource == w->last_resource)))
		return 0;
	w->last_resource = resource;
	state_work(w->walk.state, (uint64_t)count * 10);
	for (uint32_t i = 0; i < count && code == 0; i++) {
		struct traceql_value v = read_field(w->reader, 0, span, i);
		code = v.type == TRACEQL_ARRAY ? add_elements(w, t, &v) : add_value(w, v);
	}
	return code;
}

static int values_begin(void *ctx, const struct trace *t)
{
	struct values_walk *w = ctx;

	w->last_resource = TRACE_NONE;
	return state_begin(w->reader, t);
}

static int give_values(struct values_walk *w, struct traces_tag_values *out)
{
	size_t size = w->count * sizeof *w->items;

	if (w->count == 0)
		return 0;
	out->values = arena_alloc(&out->arena, size);
	if (out->values == NULL)
		return -ENOMEM;
	qsort(w->items, w->count, sizeof *w->items, value_order);
	memcpy(out->values, w->items, size);
	out->count = (uint32_t)w->count;
	return 0;
}

static int find_values(struct values_walk *w, const struct field *f, struct traces_tag_values *out)
{
	const struct traces_tags_ask *ask = w->walk.ask;
	struct traceql_query *own = query_of_field(f);
	int code = -ENOMEM;

	w->of_trace = f->kind >= FIELD_TRACE_ID && f->kind <= FIELD_ROOT_SERVICE;
	w->of_resource = f->kind == FIELD_ATTRIBUTE && f->scope == TRACEQL_SCOPE_RESOURCE && !f->parent;
	w->reader = own != NULL ? traceql_state_new(own, ask->stop, ask->stop_ctx) : NULL;
	if (w->reader != NULL && ask->query != NULL)
		w->walk.state = traceql_state_new(ask->query, ask->stop, ask->stop_ctx);
	else
		w->walk.state = w->reader;
	if (w->walk.state != NULL)
		code = walk_all(&w->walk, values_begin, values_of_span, w);
	if (code == 0)
		code = give_values(w, out);
	if (w->walk.state != w->reader)
		traceql_state_free(w->walk.state);
	traceql_state_free(w->reader);
	traceql_free(own);
	mem_free(w->items);
	table_deinit(&w->index);
	return code;
}

int source_tag_values(struct trace_source *source, struct slice tag, const struct traces_tags_ask *ask,
                      struct traces_tag_values *out, struct error *err)
{
	struct values_walk w = {.arena = &out->arena};
	struct field f;

	*out = (struct traces_tag_values){0};
	arena_init(&out->arena);
	w.walk = (struct walk){source,
	                       ask,
	                       NULL,
	                       0,
	                       bytes_or_default(ask->max_bytes),
	                       &out->cut,
	                       &out->inspected_traces,
	                       &out->inspected_bytes};
	if (tag.len > TRACEQL_BYTES_MAX)
		return error_set(err, -EINVAL, "the name of a tag has over %d bytes", TRACEQL_BYTES_MAX);
	int code = traceql_parse_field(tag, &out->arena, &f, err);
	if (code != 0)
		return code;
	code = find_values(&w, &f, out);
	return code == -ENOMEM ? error_set(err, code, "memory is out") : code;
}

void traces_tag_values_deinit(struct traces_tag_values *v)
{
	arena_deinit(&v->arena);
	*v = (struct traces_tag_values){0};
}

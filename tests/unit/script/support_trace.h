/* Traces for the tests of script/, laid out by hand from short notations: what handlers see of a trace does not depend on how one is collected. */
#ifndef MOONGATE_TESTS_SCRIPT_SUPPORT_TRACE_H
#define MOONGATE_TESTS_SCRIPT_SUPPORT_TRACE_H

#include "support.h"
#include "traces/trace.h"

/* A span. Spans of a test stand in the order of their start; times are milliseconds after T0. */
struct span_note {
	uint64_t id, parent;
	const char *name;
	int start, duration;
	const char *attributes; /* "a=1 b=text c=[1 two] d={x=1}", as events' fields; NULL: none */
	const char *resource;   /* likewise; NULL: that of the span before */
	const char *event;      /* the name of one event; NULL: none. Its attributes are the span's */
	uint64_t link;          /* the span that it links to; 0: none */
	uint8_t kind, status, marks;
};

/* The parts of a trace while it is being laid out. */
struct trace_plan {
	struct trace_span *spans;
	struct trace_resource resources[64];
	struct trace_scope scopes[1];
	struct trace_event events[64];
	struct trace_link links[64];
	struct trace_key keys[256];
	struct trace_cell *cells;
	char *text;
	uint32_t span_count, resource_count, event_count, link_count, key_count, cell_count, text_len;
	uint32_t cell_cap, text_cap;
};

static inline struct trace_text plan_text(struct trace_plan *p, struct slice s)
{
	struct trace_text at = {p->text_len, (uint32_t)s.len};

	assert_true(p->text_len + s.len <= p->text_cap);
	if (s.len != 0)
		memcpy(p->text + p->text_len, s.ptr, s.len);
	p->text_len += (uint32_t)s.len;
	return at;
}

static inline uint32_t plan_key(struct trace_plan *p, struct slice name)
{
	for (uint32_t i = 0; i < p->key_count; i++) {
		if (slice_eq(slice_new(p->text + p->keys[i].name.at, p->keys[i].name.len), name))
			return i;
	}
	assert_true(p->key_count < 256);
	p->keys[p->key_count] = (struct trace_key){trace_key_hash(name), plan_text(p, name)};
	return p->key_count++;
}

static inline struct trace_run plan_object(struct trace_plan *p, const struct batch *b, const struct object *o);

__attribute__((noinline, unused)) static void plan_cell(struct trace_plan *p, const struct batch *b,
                                                        const struct value *v, uint32_t at)
{
	struct trace_cell c = {.key = p->cells[at].key};

	switch (v->type) {
	case VALUE_BOOL:
		c.type = TRACE_CELL_BOOL;
		c.integer = v->boolean;
		break;
	case VALUE_INT:
		c.type = TRACE_CELL_INT;
		c.integer = v->integer;
		break;
	case VALUE_DOUBLE:
		c.type = TRACE_CELL_DOUBLE;
		c.number = v->number;
		break;
	case VALUE_STRING:
		c.type = TRACE_CELL_STRING;
		c.text = plan_text(p, slice_new(v->str, v->len));
		break;
	case VALUE_ARRAY:
		c.type = TRACE_CELL_ARRAY;
		c.items = (struct trace_run){p->cell_count, v->len};
		p->cell_count += v->len;
		for (uint32_t i = 0; i < v->len; i++) {
			p->cells[c.items.first + i].key = TRACE_NONE;
			plan_cell(p, b, &v->items[i], c.items.first + i);
		}
		break;
	case VALUE_OBJECT:
		c.type = TRACE_CELL_OBJECT;
		c.items = plan_object(p, b, v->object);
		break;
	default:
		c.type = TRACE_CELL_NULL;
	}
	p->cells[at] = c;
}

static inline struct trace_run plan_object(struct trace_plan *p, const struct batch *b, const struct object *o)
{
	const struct shape *shape = &b->shapes[o->shape];
	struct trace_run run = {p->cell_count, shape->count};

	assert_true(p->cell_count + shape->count <= p->cell_cap);
	p->cell_count += shape->count;
	for (uint32_t i = 0; i < shape->count; i++) {
		p->cells[run.first + i].key = plan_key(p, b->keys[shape->keys[i]].name);
		plan_cell(p, b, &o->values[i], run.first + i);
	}
	return run;
}

static inline struct trace_run plan_fields(struct trace_plan *p, struct batch *b, const char *fields)
{
	struct object o;

	if (fields == NULL)
		return (struct trace_run){0, 0};
	read_fields(b, fields, '\0', &o);
	return plan_object(p, b, &o);
}

static inline void plan_span(struct trace_plan *p, struct batch *b, const struct span_note *n, uint32_t at)
{
	if (n->resource != NULL || at == 0)
		p->resources[p->resource_count++].attributes = plan_fields(p, b, n->resource);
	struct trace_span s = {
	    .id = n->id,
	    .parent_id = n->parent,
	    .start_ns = T0 + n->start * NS_PER_MS,
	    .duration_ns = n->duration * NS_PER_MS,
	    .parent = TRACE_NONE,
	    .first_child = TRACE_NONE,
	    .next_sibling = TRACE_NONE,
	    .name = plan_text(p, slice_cstr(n->name)),
	    .attributes = plan_fields(p, b, n->attributes),
	    .resource = p->resource_count - 1,
	    .kind = n->kind,
	    .status = n->status,
	    .marks = n->marks,
	};
	if (n->event != NULL) {
		s.events = (struct trace_run){p->event_count, 1};
		p->events[p->event_count++] = (struct trace_event){
		    .time_ns = s.start_ns, .name = plan_text(p, slice_cstr(n->event)), .attributes = s.attributes};
	}
	if (n->link != 0) {
		s.links = (struct trace_run){p->link_count, 1};
		p->links[p->link_count++] = (struct trace_link){.trace_id = {0xbb}, .span_id = n->link};
	}
	p->spans[at] = s;
}

static inline void plan_tree(struct trace_plan *p)
{
	for (uint32_t i = p->span_count; i-- > 0;) {
		struct trace_span *s = &p->spans[i];
		for (uint32_t k = 0; k < p->span_count && s->parent_id != 0; k++) {
			if (p->spans[k].id != s->parent_id)
				continue;
			s->parent = k;
			s->next_sibling = p->spans[k].first_child;
			p->spans[k].first_child = i;
			break;
		}
	}
}

static inline uint32_t plan_part(struct trace *t, const void *items, size_t size)
{
	uint32_t at = t->size;

	if (size != 0)
		memcpy((char *)t + at, items, size);
	t->size = (uint32_t)((at + size + 7) / 8 * 8);
	return at;
}

/* A trace of these spans: mem_free. Its id is aa00…01, or as many more as `number` says. */
static inline struct trace *trace_of_notes(const struct span_note *notes, uint32_t count, uint32_t marks,
                                           uint8_t number)
{
	struct batch *b = batch_new();
	struct trace_plan *p = mem_zalloc(1, sizeof *p);

	p->cell_cap = 64 * count + 256;
	p->text_cap = 256 * count + (1 << 17);
	p->spans = mem_zalloc(count, sizeof *p->spans);
	p->cells = mem_zalloc(p->cell_cap, sizeof *p->cells);
	p->text = mem_alloc(p->text_cap);
	p->span_count = count;
	p->scopes[0].name = plan_text(p, SLICE("lib"));
	p->scopes[0].version = plan_text(p, SLICE("v1"));
	for (uint32_t i = 0; i < count; i++)
		plan_span(p, b, &notes[i], i);
	if (count < 10000)
		plan_tree(p);
	struct trace *t = mem_zalloc(1, sizeof *t + sizeof *p + count * sizeof *p->spans +
	                                    p->cell_cap * sizeof *p->cells + p->text_cap);
	*t = (struct trace){.id = {0xaa, [15] = number},
	                    .size = (sizeof *t + 7) / 8 * 8,
	                    .marks = marks,
	                    .start_ns = p->spans[0].start_ns,
	                    .span_count = count,
	                    .resource_count = p->resource_count,
	                    .scope_count = 1,
	                    .event_count = p->event_count,
	                    .link_count = p->link_count,
	                    .key_count = p->key_count,
	                    .cell_count = p->cell_count,
	                    .text_len = p->text_len};
	for (uint32_t i = 0; i < count; i++) {
		const struct trace_span *s = &p->spans[i];
		int64_t end_ns = s->start_ns + (s->duration_ns > 0 ? s->duration_ns : 0);
		t->end_ns = end_ns > t->end_ns ? end_ns : t->end_ns;
		t->errors += s->status == SPAN_ERROR;
	}
	t->spans_at = plan_part(t, p->spans, count * sizeof *p->spans);
	t->resources_at = plan_part(t, p->resources, p->resource_count * sizeof *p->resources);
	t->scopes_at = plan_part(t, p->scopes, sizeof *p->scopes);
	t->events_at = plan_part(t, p->events, p->event_count * sizeof *p->events);
	t->links_at = plan_part(t, p->links, p->link_count * sizeof *p->links);
	t->keys_at = plan_part(t, p->keys, p->key_count * sizeof *p->keys);
	t->cells_at = plan_part(t, p->cells, p->cell_count * sizeof *p->cells);
	t->text_at = plan_part(t, p->text, p->text_len);
	mem_free(p->spans);
	mem_free(p->cells);
	mem_free(p->text);
	mem_free(p);
	batch_free(b);
	return t;
}

/* Closes a trace in a frame of its own: the verdict. */
static inline enum trace_verdict close_trace(struct world *w, struct trace *t)
{
	registry_set_now(w->registry, w->now_ns);
	script_set_begin(w->set, ++w->seq, w->now_ns, NULL);
	enum trace_verdict verdict = script_set_trace(w->set, NULL, t);
	script_set_records(w->set, NULL, 0);
	return verdict;
}

/* An agent's run: a root, a call of a model, a tool with an error, a call of a model below it. */
static const struct span_note agent_run[] = {
    {.id = 1,
     .name = "invoke_agent",
     .duration = 1000,
     .kind = SPAN_SERVER,
     .attributes = "user.id=ann name=inner",
     .resource = "service.name=shop tenant=t1"},
    {.id = 2,
     .parent = 1,
     .name = "chat m",
     .start = 100,
     .duration = 300,
     .kind = SPAN_CLIENT,
     .attributes = "op=chat tokens=7 cost=0.5 stream=true l=[a 2] o={x=1}"},
    {.id = 3,
     .parent = 1,
     .name = "search",
     .start = 450,
     .duration = 500,
     .status = SPAN_ERROR,
     .attributes = "op=tool stream=false",
     .event = "exception",
     .link = 9},
    {.id = 4,
     .parent = 3,
     .name = "chat m",
     .start = 500,
     .duration = -5,
     .attributes = "op=chat user.id=bob",
     .resource = "service.name=model",
     .marks = TRACE_SPAN_LATE},
};

static inline struct trace *agent_trace(void)
{
	return trace_of_notes(agent_run, 4, 0, 1);
}

#endif

/* Fields of a span as values. */
#include <string.h>

#include "base/hash.h"
#include "traces/traceql_state.h"
#include "traces/traces.h"

static struct traceql_value nil(void)
{
	return (struct traceql_value){TRACEQL_NIL, .integer = 0};
}

static struct traceql_value whole(enum traceql_type type, int64_t v)
{
	return (struct traceql_value){type, .integer = v};
}

static struct traceql_value text_of(const struct trace *t, struct trace_text text)
{
	return (struct traceql_value){TRACEQL_STRING, .text = trace_text(t, text)};
}

struct traceql_value read_cell(const struct trace *t, const struct trace_cell *c)
{
	switch (c->type) {
	case TRACE_CELL_BOOL:
		return whole(TRACEQL_BOOL, c->integer);
	case TRACE_CELL_INT:
		return whole(TRACEQL_INT, c->integer);
	case TRACE_CELL_DOUBLE:
		return (struct traceql_value){TRACEQL_FLOAT, .number = c->number};
	case TRACE_CELL_STRING:
		return text_of(t, c->text);
	case TRACE_CELL_ARRAY:
		return (struct traceql_value){TRACEQL_ARRAY, .cell = c};
	default:
		return nil();
	}
}

/* A field's name is looked for once a trace. */
static uint32_t key_of(struct traceql_state *s, uint32_t field)
{
	if (s->keys[field] == KEY_UNKNOWN) {
		const struct field *f = &s->q->fields[field];
		s->keys[field] = trace_find_key(s->t, f->name, f->hash);
	}
	return s->keys[field];
}

static struct traceql_value in_run(struct traceql_state *s, struct trace_run run, uint32_t key)
{
	const struct trace_cell *c = trace_run_find(s->t, run, key);

	return c != NULL ? read_cell(s->t, c) : nil();
}

static struct traceql_value read_attribute(struct traceql_state *s, uint32_t field, uint32_t span, uint32_t nth)
{
	const struct field *f = &s->q->fields[field];
	const struct trace *t = s->t;
	uint32_t key = key_of(s, field);

	if (f->parent)
		span = trace_spans(t)[span].parent;
	if (key == TRACE_NONE || span == TRACE_NONE)
		return nil();
	const struct trace_span *sp = &trace_spans(t)[span];
	switch (f->scope) {
	case TRACEQL_SCOPE_SPAN:
		return in_run(s, sp->attributes, key);
	case TRACEQL_SCOPE_RESOURCE:
		return in_run(s, trace_resources(t)[sp->resource].attributes, key);
	case TRACEQL_SCOPE_INSTRUMENTATION:
		return in_run(s, trace_scopes(t)[sp->scope].attributes, key);
	case TRACEQL_SCOPE_EVENT:
		return nth < sp->events.count ? in_run(s, trace_events(t)[sp->events.first + nth].attributes, key)
		                              : nil();
	case TRACEQL_SCOPE_LINK:
		return nth < sp->links.count ? in_run(s, trace_links(t)[sp->links.first + nth].attributes, key) : nil();
	}
	struct traceql_value v = in_run(s, sp->attributes, key);
	return v.type != TRACEQL_NIL ? v : in_run(s, trace_resources(t)[sp->resource].attributes, key);
}

/* ---- numbers of the tree ---- */

enum { NESTED_LEFT, NESTED_RIGHT, NESTED_CHILDREN, NESTED };

static void number_tree(const struct trace *t, uint32_t top, uint32_t *nested, uint32_t *next)
{
	const struct trace_span *spans = trace_spans(t);
	uint32_t at = top;

	nested[NESTED * at + NESTED_LEFT] = (*next)++;
	for (;;) {
		if (spans[at].first_child != TRACE_NONE) {
			at = spans[at].first_child;
			nested[NESTED * at + NESTED_LEFT] = (*next)++;
			continue;
		}
		nested[NESTED * at + NESTED_RIGHT] = (*next)++;
		while (at != top && spans[at].next_sibling == TRACE_NONE) {
			at = spans[at].parent;
			nested[NESTED * at + NESTED_RIGHT] = (*next)++;
		}
		if (at == top)
			return;
		at = spans[at].next_sibling;
		nested[NESTED * at + NESTED_LEFT] = (*next)++;
	}
}

static const uint32_t *nested_of(struct traceql_state *s, uint32_t span)
{
	const struct trace *t = s->t;
	uint32_t next = 1;

	if (!s->has_nested) {
		s->has_nested = true;
		memset(s->nested, 0, (size_t)t->span_count * NESTED * sizeof *s->nested);
		for (uint32_t i = 0; i < t->span_count; i++) {
			uint32_t parent = trace_spans(t)[i].parent;
			if (parent == TRACE_NONE)
				number_tree(t, i, s->nested, &next);
			else
				s->nested[NESTED * parent + NESTED_CHILDREN]++;
		}
	}
	return s->nested + NESTED * (size_t)span;
}

bool read_is_root(const struct trace *t, uint32_t span)
{
	const struct trace_span *sp = &trace_spans(t)[span];
	uint32_t remote = SPAN_FLAG_REMOTE_KNOWN | SPAN_FLAG_REMOTE;

	return sp->parent == TRACE_NONE && (sp->parent_id == 0 || span == t->root || (sp->flags & remote) == remote);
}

static int64_t nested_parent(struct traceql_state *s, uint32_t span)
{
	uint32_t parent = trace_spans(s->t)[span].parent;

	if (parent != TRACE_NONE)
		return nested_of(s, parent)[NESTED_LEFT];
	return read_is_root(s->t, span) ? -1 : 0;
}

/* ---- ids ---- */

static char *id_place(struct traceql_state *s)
{
	return s->ids[s->next_id++ % ID_TEXTS];
}

static struct traceql_value trace_id(struct traceql_state *s, const uint8_t id[16])
{
	char *to = id_place(s);

	trace_id_text(id, to);
	return (struct traceql_value){TRACEQL_STRING, .text = slice_new(to, 32)};
}

static struct traceql_value span_id(struct traceql_state *s, uint64_t id)
{
	char *to = id_place(s);

	trace_span_id_text(id, to);
	return (struct traceql_value){TRACEQL_STRING, .text = slice_new(to, 16)};
}

/* ---- what is no attribute ---- */

static struct traceql_value root_service(struct traceql_state *s)
{
	struct slice name = trace_service(s->t, &trace_spans(s->t)[s->t->root]);

	return (struct traceql_value){TRACEQL_STRING, .text = name};
}

static struct traceql_value read_of_event(struct traceql_state *s, enum field_kind kind, uint32_t span, uint32_t nth)
{
	const struct trace *t = s->t;
	const struct trace_span *sp = &trace_spans(t)[span];
	bool link = kind == FIELD_LINK_TRACE_ID || kind == FIELD_LINK_SPAN_ID;

	if (nth >= (link ? sp->links.count : sp->events.count))
		return nil();
	if (kind == FIELD_LINK_TRACE_ID)
		return trace_id(s, trace_links(t)[sp->links.first + nth].trace_id);
	if (kind == FIELD_LINK_SPAN_ID)
		return span_id(s, trace_links(t)[sp->links.first + nth].span_id);
	const struct trace_event *e = &trace_events(t)[sp->events.first + nth];
	if (kind == FIELD_EVENT_NAME)
		return text_of(t, e->name);
	return whole(TRACEQL_DURATION, (int64_t)((uint64_t)e->time_ns - (uint64_t)sp->start_ns));
}

struct traceql_value read_field(struct traceql_state *s, uint32_t field, uint32_t span, uint32_t nth)
{
	const struct trace *t = s->t;
	const struct trace_span *sp = &trace_spans(t)[span];
	enum field_kind kind = s->q->fields[field].kind;

	switch (kind) {
	case FIELD_ATTRIBUTE:
		return read_attribute(s, field, span, nth);
	case FIELD_STATUS:
		return whole(TRACEQL_STATUS, sp->status);
	case FIELD_DURATION:
		return whole(TRACEQL_DURATION, sp->duration_ns);
	case FIELD_KIND:
		return whole(TRACEQL_KIND, sp->kind);
	case FIELD_NAME:
		return text_of(t, sp->name);
	case FIELD_STATUS_MESSAGE:
		return text_of(t, sp->status_message);
	case FIELD_CHILD_COUNT:
		return whole(TRACEQL_INT, nested_of(s, span)[NESTED_CHILDREN]);
	case FIELD_NESTED_LEFT:
		return whole(TRACEQL_INT, nested_of(s, span)[NESTED_LEFT]);
	case FIELD_NESTED_RIGHT:
		return whole(TRACEQL_INT, nested_of(s, span)[NESTED_RIGHT]);
	case FIELD_NESTED_PARENT:
		return whole(TRACEQL_INT, nested_parent(s, span));
	case FIELD_SPAN_ID:
		return span_id(s, sp->id);
	case FIELD_PARENT_ID:
		return sp->parent_id != 0 ? span_id(s, sp->parent_id) : nil();
	case FIELD_TRACE_ID:
		return trace_id(s, t->id);
	case FIELD_TRACE_DURATION:
		return whole(TRACEQL_DURATION, (int64_t)((uint64_t)t->end_ns - (uint64_t)t->start_ns));
	case FIELD_ROOT_NAME:
		return text_of(t, trace_spans(t)[t->root].name);
	case FIELD_ROOT_SERVICE:
		return root_service(s);
	case FIELD_SCOPE_NAME:
		return text_of(t, trace_scopes(t)[sp->scope].name);
	case FIELD_SCOPE_VERSION:
		return text_of(t, trace_scopes(t)[sp->scope].version);
	default:
		return read_of_event(s, kind, span, nth);
	}
}

uint32_t read_many(struct traceql_state *s, const struct field *f, uint32_t span)
{
	const struct trace_span *sp = &trace_spans(s->t)[span];
	bool link = f->kind == FIELD_ATTRIBUTE ? f->scope == TRACEQL_SCOPE_LINK
	                                       : f->kind == FIELD_LINK_TRACE_ID || f->kind == FIELD_LINK_SPAN_ID;

	return link ? sp->links.count : sp->events.count;
}

struct traceql_value read_kept(struct traceql_state *s, struct traceql_value v)
{
	struct buf json = {0};
	struct slice text;

	if (v.type == TRACEQL_STRING && v.text.ptr >= s->ids[0] && v.text.ptr < s->ids[ID_TEXTS]) {
		text = v.text;
	} else if (v.type == TRACEQL_ARRAY) {
		value_cell_json(s->t, v.cell, &json);
		text = buf_slice(&json);
	} else {
		return v;
	}
	v.text = buf_failed(&json) ? slice_new(NULL, 0) : arena_copy(&s->scratch, text);
	if (v.text.ptr == NULL) {
		s->code = -ENOMEM;
		v = nil();
	}
	buf_free(&json);
	return v;
}

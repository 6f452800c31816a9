/* Records of spans and events for the units of traces. */
#ifndef MOONGATE_TESTS_UNIT_TRACES_SPANS_H
#define MOONGATE_TESTS_UNIT_TRACES_SPANS_H

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "traces/traces.h"

/* A span to be made. Ids of 0: the first is 1, a parent of 0 is none. */
struct span_spec {
	uint32_t trace, id, parent;
	const char *name;
	int64_t start_ns, duration_ns;
	const char *status; /* NULL: unset */
	bool remote;
	const struct object *resource;
};

static inline struct value text_value(struct batch *b, const char *text)
{
	struct slice s = arena_copy(&b->arena, slice_cstr(text));
	return (struct value){.str = s.ptr, .len = (uint32_t)s.len, .type = VALUE_STRING};
}

static inline struct value int_value(int64_t v)
{
	return (struct value){.integer = v, .type = VALUE_INT};
}

/* Fields by name, in a shape of the batch. */
struct fields {
	struct batch *batch;
	uint32_t keys[32];
	struct value values[32];
	uint32_t count;
};

static inline void put_field(struct fields *f, const char *name, struct value v)
{
	f->keys[f->count] = (uint32_t)batch_key(f->batch, slice_cstr(name));
	f->values[f->count++] = v;
}

static inline const struct object *make_object(const struct fields *f)
{
	struct object *o = arena_alloc(&f->batch->arena, sizeof *o);
	struct value *values = batch_values(f->batch, f->count);
	memcpy(values, f->values, f->count * sizeof *values);
	*o = (struct object){(uint32_t)batch_shape(f->batch, f->keys, f->count), values};
	return o;
}

static inline struct value object_value(const struct object *o)
{
	return (struct value){.object = o, .type = VALUE_OBJECT};
}

static inline const struct object *make_service(struct batch *b, const char *name)
{
	struct fields f = {.batch = b};
	put_field(&f, "service.name", text_value(b, name));
	return make_object(&f);
}

static inline void trace_id_of(uint32_t n, uint8_t out[16])
{
	memset(out, 0, 16);
	out[0] = 0xab;
	for (int i = 0; i < 4; i++)
		out[15 - i] = (uint8_t)(n >> (8 * i));
}

static inline void put_ids(struct fields *f, uint32_t trace, uint32_t id, uint32_t parent)
{
	uint8_t bytes[16];
	char text[33];
	trace_id_of(trace, bytes);
	trace_id_text(bytes, text);
	put_field(f, "trace_id", text_value(f->batch, text));
	trace_span_id_text(id, text);
	put_field(f, "span_id", text_value(f->batch, text));
	if (parent == 0)
		return;
	trace_span_id_text(parent, text);
	put_field(f, "parent_span_id", text_value(f->batch, text));
}

static inline void put_record(struct fields *f, const char *type, enum record_kind kind, int64_t time_ns)
{
	const struct object *o = make_object(f);
	struct record *r = batch_add(f->batch);
	r->values = o->values;
	r->shape = o->shape;
	r->kind = (uint8_t)kind;
	r->time_ns = time_ns;
	r->type = (uint16_t)batch_type(f->batch, slice_cstr(type));
}

static inline const struct object *make_attributes(struct batch *b, const struct span_spec *s)
{
	struct fields f = {.batch = b};
	struct value *items = batch_values(b, 2);
	items[0] = text_value(b, "a");
	items[1] = int_value(s->id);
	put_field(&f, "number", int_value(s->id));
	put_field(&f, "gen_ai.operation.name", text_value(b, "chat"));
	put_field(&f, "ratio", (struct value){.number = 0.5, .type = VALUE_DOUBLE});
	put_field(&f, "list", (struct value){.items = items, .len = 2, .type = VALUE_ARRAY});
	return make_object(&f);
}

static inline void add_span(struct batch *b, struct span_spec s)
{
	struct fields f = {.batch = b};
	put_ids(&f, s.trace, s.id, s.parent);
	put_field(&f, "name", text_value(b, s.name != NULL ? s.name : "op"));
	put_field(&f, "kind", text_value(b, "client"));
	put_field(&f, "duration_ns", int_value(s.duration_ns));
	put_field(&f, "status", text_value(b, s.status != NULL ? s.status : "unset"));
	if (s.remote)
		put_field(&f, "flags", int_value(SPAN_FLAG_REMOTE_KNOWN | SPAN_FLAG_REMOTE));
	put_field(&f, "attributes", object_value(make_attributes(b, &s)));
	put_field(&f, "resource", object_value(s.resource != NULL ? s.resource : make_service(b, "shop")));
	put_record(&f, SPAN_TYPE, RECORD_SPAN, s.start_ns);
}

/* Gives all records of the batch to the buffer as one frame, and empties it. */
static inline int add_frame(struct traces *t, struct batch *b, uint64_t seq, int64_t now_ns)
{
	struct record *refs[4096];
	for (uint32_t i = 0; i < b->count; i++)
		refs[i] = &b->records[i];
	int rc = traces_add(t, refs, b->count, seq, now_ns);
	batch_reset(b, 1 << 20);
	return rc;
}

static inline struct trace *get_trace(struct traces *t, uint32_t n)
{
	uint8_t id[16];
	int code;
	trace_id_of(n, id);
	return traces_get(t, id, &code);
}

static inline enum trace_verdict keep(void *ctx, const struct trace *trace)
{
	(void)trace;
	if (ctx != NULL)
		++*(uint32_t *)ctx;
	return TRACE_KEEP;
}

#endif

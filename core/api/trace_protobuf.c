/* A trace as Protocol Buffers. A message's length stands before it and is known behind it: it is put in there, which moves what the message has; six levels of that cost less than a second walk that adds lengths up. */
#include <string.h>

#include "api/trace_otlp.h"
#include "base/mem.h"
#include "base/varint.h"

enum wire { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

/* ---- fields ---- */

static void put_tag(struct buf *b, uint32_t field, enum wire wire)
{
	varint_put(b, field << 3 | wire);
}

/* Begins a message; its bytes come next, then end. */
static size_t begin(struct buf *b, uint32_t field)
{
	put_tag(b, field, WIRE_BYTES);
	return b->len;
}

static void end(struct buf *b, size_t at)
{
	char length[VARINT_MAX];

	if (buf_room(b, VARINT_MAX) == NULL)
		return;
	size_t width = (size_t)(varint_write(length, b->len - at) - length);
	memmove(b->ptr + at + width, b->ptr + at, b->len - at);
	memcpy(b->ptr + at, length, width);
	b->len += width;
}

static void put_bytes(struct buf *b, uint32_t field, struct slice bytes)
{
	put_tag(b, field, WIRE_BYTES);
	varint_put(b, bytes.len);
	buf_slice_append(b, bytes);
}

/* The same, where there are any: an absent string is an empty one. */
static void put_text(struct buf *b, uint32_t field, const struct trace *t, struct trace_text text)
{
	if (text.len > 0)
		put_bytes(b, field, trace_text(t, text));
}

static void put_number(struct buf *b, uint32_t field, uint64_t v)
{
	put_tag(b, field, WIRE_VARINT);
	varint_put(b, v);
}

static void put_count(struct buf *b, uint32_t field, uint32_t v)
{
	if (v != 0)
		put_number(b, field, v);
}

static void put_little(struct buf *b, uint64_t v, int width)
{
	for (int i = 0; i < width; i++)
		buf_byte(b, (char)(v >> (8 * i)));
}

static void put_fixed64(struct buf *b, uint32_t field, uint64_t v)
{
	put_tag(b, field, WIRE_FIXED64);
	put_little(b, v, 8);
}

static void put_flags(struct buf *b, uint32_t field, uint32_t v)
{
	if (v == 0)
		return;
	put_tag(b, field, WIRE_FIXED32);
	put_little(b, v, 4);
}

static void put_span_id(struct buf *b, uint32_t field, uint64_t id)
{
	char bytes[8];

	for (int i = 0; i < 8; i++)
		bytes[i] = (char)(id >> (56 - 8 * i));
	put_bytes(b, field, slice_new(bytes, sizeof bytes));
}

/* ---- values ---- */

static void put_any_value(struct buf *b, uint32_t field, const struct trace *t, const struct trace_cell *c);

/* A KeyValue. */
static void put_pair(struct buf *b, uint32_t field, const struct trace *t, const struct trace_cell *c)
{
	size_t at = begin(b, field);

	put_bytes(b, 1, trace_text(t, trace_keys(t)[c->key].name));
	if (c->type != TRACE_CELL_NULL)
		put_any_value(b, 2, t, c);
	end(b, at);
}

static void put_pairs(struct buf *b, uint32_t field, const struct trace *t, struct trace_run run)
{
	for (uint32_t i = 0; i < run.count; i++)
		put_pair(b, field, t, &trace_cells(t)[run.first + i]);
}

static void put_items(struct buf *b, const struct trace *t, const struct trace_cell *c)
{
	size_t at = begin(b, 5);

	for (uint32_t i = 0; i < c->items.count; i++)
		put_any_value(b, 1, t, &trace_cells(t)[c->items.first + i]);
	end(b, at);
}

/* An AnyValue. Which member it has is its type, so that zeros and empty texts are written too; of null there is none. */
static void put_any_value(struct buf *b, uint32_t field, const struct trace *t, const struct trace_cell *c)
{
	size_t at = begin(b, field), map;
	uint64_t bits;

	switch ((enum trace_cell_type)c->type) {
	case TRACE_CELL_NULL:
		break;
	case TRACE_CELL_BOOL:
		put_number(b, 2, c->integer != 0);
		break;
	case TRACE_CELL_INT:
		put_number(b, 3, (uint64_t)c->integer);
		break;
	case TRACE_CELL_DOUBLE:
		memcpy(&bits, &c->number, sizeof bits);
		put_fixed64(b, 4, bits);
		break;
	case TRACE_CELL_STRING:
		put_bytes(b, 1, trace_text(t, c->text));
		break;
	case TRACE_CELL_ARRAY:
		put_items(b, t, c);
		break;
	case TRACE_CELL_OBJECT:
		map = begin(b, 6);
		put_pairs(b, 1, t, c->items);
		end(b, map);
		break;
	}
	end(b, at);
}

/* ---- spans ---- */

static void put_event(struct buf *b, const struct trace *t, const struct trace_event *e)
{
	size_t at = begin(b, 11);

	put_fixed64(b, 1, (uint64_t)e->time_ns);
	put_text(b, 2, t, e->name);
	put_pairs(b, 3, t, e->attributes);
	put_count(b, 4, e->dropped_attributes);
	end(b, at);
}

static void put_link(struct buf *b, const struct trace *t, const struct trace_link *l)
{
	size_t at = begin(b, 13);

	put_bytes(b, 1, slice_new((const char *)l->trace_id, sizeof l->trace_id));
	put_span_id(b, 2, l->span_id);
	put_text(b, 3, t, l->trace_state);
	put_pairs(b, 4, t, l->attributes);
	put_count(b, 5, l->dropped_attributes);
	put_flags(b, 6, l->flags);
	end(b, at);
}

static void put_status(struct buf *b, const struct trace *t, const struct trace_span *s)
{
	if (s->status == SPAN_UNSET && s->status_message.len == 0)
		return;
	size_t at = begin(b, 15);
	put_text(b, 2, t, s->status_message);
	put_count(b, 3, s->status);
	end(b, at);
}

static void put_span(struct buf *b, const struct trace *t, const struct trace_span *s)
{
	size_t at = begin(b, 2);

	put_bytes(b, 1, slice_new((const char *)t->id, sizeof t->id));
	put_span_id(b, 2, s->id);
	put_text(b, 3, t, s->trace_state);
	if (s->parent_id != 0)
		put_span_id(b, 4, s->parent_id);
	put_text(b, 5, t, s->name);
	put_count(b, 6, s->kind);
	put_fixed64(b, 7, (uint64_t)s->start_ns);
	put_fixed64(b, 8, (uint64_t)s->start_ns + (uint64_t)s->duration_ns);
	put_pairs(b, 9, t, s->attributes);
	put_count(b, 10, s->dropped_attributes);
	for (uint32_t i = 0; i < s->events.count; i++)
		put_event(b, t, &trace_events(t)[s->events.first + i]);
	put_count(b, 12, s->dropped_events);
	for (uint32_t i = 0; i < s->links.count; i++)
		put_link(b, t, &trace_links(t)[s->links.first + i]);
	put_count(b, 14, s->dropped_links);
	put_status(b, t, s);
	put_flags(b, 16, s->flags);
	end(b, at);
}

/* ---- groups ---- */

static void put_scope_spans(struct buf *b, const struct trace *t, const struct trace_place *places, uint32_t count)
{
	const struct trace_scope *scope = &trace_scopes(t)[places[0].scope];
	size_t at = begin(b, 2), inner = begin(b, 1);

	put_text(b, 1, t, scope->name);
	put_text(b, 2, t, scope->version);
	put_pairs(b, 3, t, scope->attributes);
	end(b, inner);
	for (uint32_t i = 0; i < count; i++)
		put_span(b, t, &trace_spans(t)[places[i].span]);
	put_text(b, 3, t, scope->schema_url);
	end(b, at);
}

static void put_resource_spans(struct buf *b, const struct trace *t, const struct trace_place *places, uint32_t count)
{
	const struct trace_resource *resource = &trace_resources(t)[places[0].resource];
	size_t at = begin(b, 1), inner = begin(b, 1);

	put_pairs(b, 1, t, resource->attributes);
	end(b, inner);
	for (uint32_t i = 0, next; i < count; i = next) {
		next = trace_places_end(places, count, i, true);
		put_scope_spans(b, t, places + i, next - i);
	}
	put_text(b, 3, t, resource->schema_url);
	end(b, at);
}

void trace_put_protobuf(struct buf *out, const struct trace *t)
{
	struct trace_place *places = trace_places(t);

	out->failed |= places == NULL;
	for (uint32_t i = 0, next; places != NULL && i < t->span_count; i = next) {
		next = trace_places_end(places, t->span_count, i, false);
		put_resource_spans(out, t, places + i, next - i);
	}
	mem_free(places);
}

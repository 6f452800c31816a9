/* A trace as OTLP's JSON. */
#include <math.h>

#include "api/trace_otlp.h"
#include "base/mem.h"

/* ---- members ---- */

/* A member's name, with the comma before it. `first` says that it is the object's first, and is not so any more. */
static void put_name(struct buf *b, const char *name, bool *first)
{
	buf_str(b, *first ? "\"" : ",\"");
	buf_str(b, name);
	buf_str(b, "\":");
	*first = false;
}

/* Texts and numbers that say nothing are left out. */
static void put_text(struct buf *b, const char *name, const struct trace *t, struct trace_text text, bool *first)
{
	if (text.len == 0)
		return;
	put_name(b, name, first);
	buf_json_string(b, trace_text(t, text));
}

static void put_count(struct buf *b, const char *name, uint32_t v, bool *first)
{
	if (v == 0)
		return;
	put_name(b, name, first);
	buf_int(b, v);
}

static void put_time(struct buf *b, const char *name, int64_t ns, bool *first)
{
	put_name(b, name, first);
	buf_byte(b, '"');
	buf_int(b, ns);
	buf_byte(b, '"');
}

static void put_span_id(struct buf *b, const char *name, uint64_t id, bool *first)
{
	char text[17];

	trace_span_id_text(id, text);
	put_name(b, name, first);
	buf_json_string(b, slice_cstr(text));
}

static void put_trace_id(struct buf *b, const uint8_t id[16], bool *first)
{
	char text[33];

	trace_id_text(id, text);
	put_name(b, "traceId", first);
	buf_json_string(b, slice_cstr(text));
}

/* ---- values ---- */

static void put_double(struct buf *b, double v)
{
	if (isfinite(v))
		buf_json_number(b, v);
	else
		buf_str(b, isnan(v) ? "\"NaN\"" : v > 0 ? "\"Infinity\"" : "\"-Infinity\"");
}

static void put_pairs(struct buf *b, const struct trace *t, struct trace_run run)
{
	buf_byte(b, '[');
	for (uint32_t i = 0; i < run.count; i++) {
		const struct trace_cell *c = &trace_cells(t)[run.first + i];
		buf_str(b, i > 0 ? ",{\"key\":" : "{\"key\":");
		buf_json_string(b, trace_text(t, trace_keys(t)[c->key].name));
		buf_str(b, ",\"value\":");
		trace_put_value_json(b, t, c);
		buf_byte(b, '}');
	}
	buf_byte(b, ']');
}

static void put_items(struct buf *b, const struct trace *t, struct trace_run run)
{
	buf_str(b, "{\"values\":[");
	for (uint32_t i = 0; i < run.count; i++) {
		buf_str(b, i > 0 ? "," : "");
		trace_put_value_json(b, t, &trace_cells(t)[run.first + i]);
	}
	buf_str(b, "]}");
}

void trace_put_value_json(struct buf *out, const struct trace *t, const struct trace_cell *c)
{
	buf_byte(out, '{');
	switch ((enum trace_cell_type)c->type) {
	case TRACE_CELL_NULL:
		break;
	case TRACE_CELL_BOOL:
		buf_str(out, c->integer != 0 ? "\"boolValue\":true" : "\"boolValue\":false");
		break;
	case TRACE_CELL_INT:
		buf_str(out, "\"intValue\":\"");
		buf_int(out, c->integer);
		buf_byte(out, '"');
		break;
	case TRACE_CELL_DOUBLE:
		buf_str(out, "\"doubleValue\":");
		put_double(out, c->number);
		break;
	case TRACE_CELL_STRING:
		buf_str(out, "\"stringValue\":");
		buf_json_string(out, trace_text(t, c->text));
		break;
	case TRACE_CELL_ARRAY:
		buf_str(out, "\"arrayValue\":");
		put_items(out, t, c->items);
		break;
	case TRACE_CELL_OBJECT:
		buf_str(out, "\"kvlistValue\":{\"values\":");
		put_pairs(out, t, c->items);
		buf_byte(out, '}');
		break;
	}
	buf_byte(out, '}');
}

static void put_attributes(struct buf *b, const struct trace *t, struct trace_run run, uint32_t dropped, bool *first)
{
	if (run.count > 0) {
		put_name(b, "attributes", first);
		put_pairs(b, t, run);
	}
	put_count(b, "droppedAttributesCount", dropped, first);
}

/* ---- spans ---- */

static void put_event(struct buf *b, const struct trace *t, const struct trace_event *e)
{
	bool first = true;

	buf_byte(b, '{');
	put_time(b, "timeUnixNano", e->time_ns, &first);
	put_text(b, "name", t, e->name, &first);
	put_attributes(b, t, e->attributes, e->dropped_attributes, &first);
	buf_byte(b, '}');
}

static void put_link(struct buf *b, const struct trace *t, const struct trace_link *l)
{
	bool first = true;

	buf_byte(b, '{');
	put_trace_id(b, l->trace_id, &first);
	put_span_id(b, "spanId", l->span_id, &first);
	put_text(b, "traceState", t, l->trace_state, &first);
	put_attributes(b, t, l->attributes, l->dropped_attributes, &first);
	put_count(b, "flags", l->flags, &first);
	buf_byte(b, '}');
}

static void put_events(struct buf *b, const struct trace *t, const struct trace_span *s, bool *first)
{
	if (s->events.count > 0)
		put_name(b, "events", first);
	for (uint32_t i = 0; i < s->events.count; i++) {
		buf_byte(b, i == 0 ? '[' : ',');
		put_event(b, t, &trace_events(t)[s->events.first + i]);
	}
	buf_str(b, s->events.count > 0 ? "]" : "");
	put_count(b, "droppedEventsCount", s->dropped_events, first);
}

static void put_links(struct buf *b, const struct trace *t, const struct trace_span *s, bool *first)
{
	if (s->links.count > 0)
		put_name(b, "links", first);
	for (uint32_t i = 0; i < s->links.count; i++) {
		buf_byte(b, i == 0 ? '[' : ',');
		put_link(b, t, &trace_links(t)[s->links.first + i]);
	}
	buf_str(b, s->links.count > 0 ? "]" : "");
	put_count(b, "droppedLinksCount", s->dropped_links, first);
}

static void put_status(struct buf *b, const struct trace *t, const struct trace_span *s, bool *first)
{
	bool inner = true;

	put_name(b, "status", first);
	buf_byte(b, '{');
	put_text(b, "message", t, s->status_message, &inner);
	put_count(b, "code", s->status, &inner);
	buf_byte(b, '}');
}

static void put_span(struct buf *b, const struct trace *t, const struct trace_span *s)
{
	bool first = true;

	buf_byte(b, '{');
	put_trace_id(b, t->id, &first);
	put_span_id(b, "spanId", s->id, &first);
	put_text(b, "traceState", t, s->trace_state, &first);
	if (s->parent_id != 0)
		put_span_id(b, "parentSpanId", s->parent_id, &first);
	put_count(b, "flags", s->flags, &first);
	put_name(b, "name", &first);
	buf_json_string(b, trace_text(t, s->name));
	put_count(b, "kind", s->kind, &first);
	put_time(b, "startTimeUnixNano", s->start_ns, &first);
	put_time(b, "endTimeUnixNano", (int64_t)((uint64_t)s->start_ns + (uint64_t)s->duration_ns), &first);
	put_attributes(b, t, s->attributes, s->dropped_attributes, &first);
	put_events(b, t, s, &first);
	put_links(b, t, s, &first);
	put_status(b, t, s, &first);
	buf_byte(b, '}');
}

/* ---- groups ---- */

static void put_scope_spans(struct buf *b, const struct trace *t, const struct trace_place *places, uint32_t count)
{
	const struct trace_scope *scope = &trace_scopes(t)[places[0].scope];
	bool first = true, outer = false;

	buf_str(b, "{\"scope\":{");
	put_text(b, "name", t, scope->name, &first);
	put_text(b, "version", t, scope->version, &first);
	put_attributes(b, t, scope->attributes, 0, &first);
	buf_str(b, "},\"spans\":[");
	for (uint32_t i = 0; i < count; i++) {
		buf_str(b, i > 0 ? "," : "");
		put_span(b, t, &trace_spans(t)[places[i].span]);
	}
	buf_byte(b, ']');
	put_text(b, "schemaUrl", t, scope->schema_url, &outer);
	buf_byte(b, '}');
}

static void put_resource_spans(struct buf *b, const struct trace *t, const struct trace_place *places, uint32_t count)
{
	const struct trace_resource *resource = &trace_resources(t)[places[0].resource];
	bool first = true, outer = false;

	buf_str(b, "{\"resource\":{");
	put_attributes(b, t, resource->attributes, 0, &first);
	buf_str(b, "},\"scopeSpans\":[");
	for (uint32_t i = 0, next; i < count; i = next) {
		next = trace_places_end(places, count, i, true);
		buf_str(b, i > 0 ? "," : "");
		put_scope_spans(b, t, places + i, next - i);
	}
	buf_byte(b, ']');
	put_text(b, "schemaUrl", t, resource->schema_url, &outer);
	buf_byte(b, '}');
}

void trace_put_otlp_json(struct buf *out, const struct trace *t)
{
	struct trace_place *places = trace_places(t);

	out->failed |= places == NULL;
	buf_byte(out, '[');
	for (uint32_t i = 0, next; places != NULL && i < t->span_count; i = next) {
		next = trace_places_end(places, t->span_count, i, false);
		buf_str(out, i > 0 ? "," : "");
		put_resource_spans(out, t, places + i, next - i);
	}
	buf_byte(out, ']');
	mem_free(places);
}

/* A Span → a record, as record/span.h has it. */
#include <errno.h>

#include "base/civil.h"
#include "base/clock.h"
#include "base/hex.h"
#include "ingest/otlp_traces.h"
#include "record/span.h"

/* The numbers of Span's fields. */
enum {
	SPAN_TRACE_ID = 1,
	SPAN_SPAN_ID = 2,
	SPAN_TRACE_STATE = 3,
	SPAN_PARENT_ID = 4,
	SPAN_NAME = 5,
	SPAN_KIND = 6,
	SPAN_START = 7,
	SPAN_END = 8,
	SPAN_ATTRIBUTES = 9,
	SPAN_DROPPED_ATTRIBUTES = 10,
	SPAN_EVENTS = 11,
	SPAN_DROPPED_EVENTS = 12,
	SPAN_LINKS = 13,
	SPAN_DROPPED_LINKS = 14,
	SPAN_STATUS = 15,
	SPAN_FLAGS = 16,
	SPAN_FIELDS
};
enum { EVENT_TIME = 1, EVENT_NAME = 2, EVENT_ATTRIBUTES = 3, EVENT_DROPPED = 4 };
enum {
	LINK_TRACE_ID = 1,
	LINK_SPAN_ID = 2,
	LINK_TRACE_STATE = 3,
	LINK_ATTRIBUTES = 4,
	LINK_DROPPED = 5,
	LINK_FLAGS = 6
};
enum { STATUS_MESSAGE = 2, STATUS_CODE = 3 };

enum { TRACE_ID_BYTES = 16, SPAN_ID_BYTES = 8 };

/* ---- objects whose names are ours ---- */

enum {
	RECORD_TRACE_ID,
	RECORD_SPAN_ID,
	RECORD_PARENT_ID,
	RECORD_NAME,
	RECORD_KIND,
	RECORD_DURATION,
	RECORD_STATUS,
	RECORD_STATUS_MESSAGE,
	RECORD_TRACE_STATE,
	RECORD_FLAGS,
	RECORD_ATTRIBUTES,
	RECORD_EVENTS,
	RECORD_LINKS,
	RECORD_DROPPED_ATTRIBUTES,
	RECORD_DROPPED_EVENTS,
	RECORD_DROPPED_LINKS,
	RECORD_RESOURCE,
	RECORD_RESOURCE_SCHEMA,
	RECORD_SCOPE,
	RECORD_SCOPE_SCHEMA,
	RECORD_FIELDS
};
static const struct slice span_names[RECORD_FIELDS] = {
    [RECORD_TRACE_ID] = {"trace_id", 8},
    [RECORD_SPAN_ID] = {"span_id", 7},
    [RECORD_PARENT_ID] = {"parent_span_id", 14},
    [RECORD_NAME] = {"name", 4},
    [RECORD_KIND] = {"kind", 4},
    [RECORD_DURATION] = {"duration_ns", 11},
    [RECORD_STATUS] = {"status", 6},
    [RECORD_STATUS_MESSAGE] = {"status_message", 14},
    [RECORD_TRACE_STATE] = {"trace_state", 11},
    [RECORD_FLAGS] = {"flags", 5},
    [RECORD_ATTRIBUTES] = {"attributes", 10},
    [RECORD_EVENTS] = {"events", 6},
    [RECORD_LINKS] = {"links", 5},
    [RECORD_DROPPED_ATTRIBUTES] = {"dropped_attributes", 18},
    [RECORD_DROPPED_EVENTS] = {"dropped_events", 14},
    [RECORD_DROPPED_LINKS] = {"dropped_links", 13},
    [RECORD_RESOURCE] = {"resource", 8},
    [RECORD_RESOURCE_SCHEMA] = {"resource_schema_url", 19},
    [RECORD_SCOPE] = {"scope", 5},
    [RECORD_SCOPE_SCHEMA] = {"scope_schema_url", 16},
};
_Static_assert((int)RECORD_FIELDS <= (int)OTLP_FORM_FIELDS, "a form has room for them");

enum { IN_EVENT_TIME, IN_EVENT_NAME, IN_EVENT_ATTRIBUTES, IN_EVENT_DROPPED, IN_EVENT_FIELDS };
static const struct slice event_names[IN_EVENT_FIELDS] = {
    {"time_ns", 7},
    {"name", 4},
    {"attributes", 10},
    {"dropped_attributes", 18},
};

enum { IN_LINK_TRACE, IN_LINK_SPAN, IN_LINK_STATE, IN_LINK_FLAGS, IN_LINK_ATTRIBUTES, IN_LINK_DROPPED, IN_LINK_FIELDS };
static const struct slice link_names[IN_LINK_FIELDS] = {
    {"trace_id", 8}, {"span_id", 7}, {"trace_state", 11}, {"flags", 5}, {"attributes", 10}, {"dropped_attributes", 18},
};

static const struct slice scope_names[] = {{"name", 4}, {"version", 7}, {"attributes", 10}};

void otlp_span_forms(struct otlp_traces *d)
{
	d->span = (struct otlp_form){.names = span_names, .count = RECORD_FIELDS};
	d->event = (struct otlp_form){.names = event_names, .count = IN_EVENT_FIELDS};
	d->link = (struct otlp_form){.names = link_names, .count = IN_LINK_FIELDS};
	d->scope_form = (struct otlp_form){.names = scope_names, .count = 3};
}

static bool make_keys(struct otlp_traces *d, struct protobuf *p, struct otlp_form *form)
{
	for (uint32_t i = 0; i < form->count; i++) {
		int64_t key = batch_key(d->batch, form->names[i]);
		if (key == -E2BIG)
			return otlp_traces_refuse(d, "the body has more than %d names of attributes", BATCH_KEYS_MAX);
		if (key < 0)
			return otlp_traces_no_memory(d, p);
		form->keys[i] = (uint32_t)key;
	}
	form->has_keys = true;
	return true;
}

bool otlp_form_shape(struct otlp_traces *d, struct protobuf *p, struct otlp_form *form, uint32_t mask, uint32_t *shape)
{
	uint32_t keys[OTLP_FORM_FIELDS], count = 0;
	uint32_t slot = mask * UINT32_C(0x9e3779b1) >> (32 - OTLP_FORM_BITS);

	if (mask != 0 && form->shapes[slot].mask == mask) {
		*shape = form->shapes[slot].shape;
		return true;
	}
	if (!form->has_keys && !make_keys(d, p, form))
		return false;
	if (d->refused)
		return true;
	for (uint32_t i = 0; i < form->count; i++) {
		if (mask >> i & 1)
			keys[count++] = form->keys[i];
	}
	int64_t number = batch_shape(d->batch, keys, count);
	if (number == -E2BIG)
		return otlp_traces_refuse(d, "the body has more than %d sets of names", BATCH_SHAPES_MAX);
	if (number < 0)
		return otlp_traces_no_memory(d, p);
	*shape = (uint32_t)number;
	form->shapes[slot].mask = mask;
	form->shapes[slot].shape = *shape;
	return true;
}

bool otlp_form_object(struct otlp_traces *d, struct protobuf *p, struct otlp_form *form, const struct otlp_fields *f,
                      struct value *out)
{
	uint32_t shape = 0;

	*out = (struct value){.type = VALUE_NULL};
	if (d->refused)
		return true;
	if (!otlp_form_shape(d, p, form, f->mask, &shape))
		return false;
	if (d->refused)
		return true;
	struct object *object = arena_alloc(&d->batch->arena, sizeof *object + f->count * sizeof *f->values);
	if (object == NULL)
		return otlp_traces_no_memory(d, p);
	struct value *values = (struct value *)(object + 1);
	*object = (struct object){.shape = shape, .values = values};
	memcpy(values, f->values, f->count * sizeof *values);
	*out = (struct value){.object = object, .type = VALUE_OBJECT};
	return true;
}

/* ---- pieces ---- */

static struct value text_value(const char *text, size_t len)
{
	return (struct value){.str = text, .len = (uint32_t)len, .type = VALUE_STRING};
}

static void put_integer(struct otlp_fields *f, uint32_t field, int64_t v)
{
	if (v != 0)
		otlp_put(f, field, (struct value){.integer = v, .type = VALUE_INT});
}

static void put_text(struct otlp_traces *d, struct otlp_fields *f, uint32_t field, struct slice text, const char *what)
{
	struct value v;

	if (text.len == 0)
		return;
	otlp_traces_string(d, text, what, &v);
	otlp_put(f, field, v);
}

/* From 2262 on; nanoseconds in 64 bits end within that year. */
static bool is_too_late(uint64_t ns)
{
	return ns >= (uint64_t)civil_day(2262, 1, 1) * CIVIL_DAY_S * NS_PER_S;
}

static bool is_zero(struct slice bytes)
{
	for (size_t i = 0; i < bytes.len; i++) {
		if (bytes.ptr[i] != 0)
			return false;
	}
	return true;
}

/* An id's digits in the arena. */
static bool make_id(struct otlp_traces *d, struct protobuf *p, struct slice id, struct value *out)
{
	char *text = arena_alloc(&d->batch->arena, 2 * id.len);

	if (text == NULL)
		return otlp_traces_no_memory(d, p);
	hex_write(text, id);
	*out = text_value(text, 2 * id.len);
	return true;
}

static bool make_trace_id(struct otlp_traces *d, struct protobuf *p, struct slice id, struct value *out)
{
	if (id.len != TRACE_ID_BYTES || id.ptr == NULL)
		return make_id(d, p, id, out);
	if (d->trace_text != NULL && memcmp(d->trace_id, id.ptr, TRACE_ID_BYTES) == 0) {
		*out = text_value(d->trace_text, 2 * TRACE_ID_BYTES);
		return true;
	}
	if (!make_id(d, p, id, out))
		return false;
	memcpy(d->trace_id, id.ptr, TRACE_ID_BYTES);
	d->trace_text = out->str;
	return true;
}

/* ---- events and links ---- */

/* The attributes of an event or a link, whose own fields are read by then. */
static bool put_attributes(struct otlp_traces *d, struct protobuf *p, const struct otlp_open *o, struct otlp_fields *f,
                           uint32_t field)
{
	struct value v;

	if (!otlp_attributes_any(d, o))
		return true;
	if (!otlp_attributes_close(d, p, o, &v))
		return false;
	otlp_put(f, field, v);
	return true;
}

static bool make_event(struct otlp_traces *d, struct protobuf *p, struct slice message, struct value *out)
{
	struct protobuf in = protobuf_inside(p, message);
	struct otlp_open o = otlp_attributes_open(d, OTLP_ROOT_EVENT);
	struct otlp_fields fields = {.count = 0};
	struct slice name = {0};
	uint64_t time = 0, dropped = 0;

	for (struct protobuf_field f = {0}; protobuf_next(&in, &f);) {
		if (f.number == EVENT_TIME && protobuf_is(&in, &f, PROTOBUF_FIXED64))
			time = f.value;
		else if (f.number == EVENT_NAME && protobuf_is(&in, &f, PROTOBUF_BYTES))
			name = f.bytes;
		else if (f.number == EVENT_ATTRIBUTES && protobuf_is(&in, &f, PROTOBUF_BYTES))
			otlp_attributes_add(d, &in, &o, f.bytes);
		else if (f.number == EVENT_DROPPED && protobuf_is(&in, &f, PROTOBUF_VARINT))
			dropped = f.value;
	}
	if (in.error != NULL) {
		*p = in;
		return false;
	}
	if (is_too_late(time))
		otlp_traces_refuse(d, "an event's timeUnixNano is past the year 2261");
	put_integer(&fields, IN_EVENT_TIME, (int64_t)time);
	put_text(d, &fields, IN_EVENT_NAME, name, "an event's name");
	if (!put_attributes(d, p, &o, &fields, IN_EVENT_ATTRIBUTES))
		return false;
	put_integer(&fields, IN_EVENT_DROPPED, (uint32_t)dropped);
	return otlp_form_object(d, p, &d->event, &fields, out);
}

struct link {
	struct slice trace_id, span_id, trace_state;
	uint64_t flags, dropped;
};

static bool read_link(struct otlp_traces *d, struct protobuf *p, struct slice message, struct otlp_open *o,
                      struct link *out)
{
	struct protobuf in = protobuf_inside(p, message);

	for (struct protobuf_field f = {0}; protobuf_next(&in, &f);) {
		if (f.number == LINK_TRACE_ID && protobuf_is(&in, &f, PROTOBUF_BYTES))
			out->trace_id = f.bytes;
		else if (f.number == LINK_SPAN_ID && protobuf_is(&in, &f, PROTOBUF_BYTES))
			out->span_id = f.bytes;
		else if (f.number == LINK_TRACE_STATE && protobuf_is(&in, &f, PROTOBUF_BYTES))
			out->trace_state = f.bytes;
		else if (f.number == LINK_ATTRIBUTES && protobuf_is(&in, &f, PROTOBUF_BYTES))
			otlp_attributes_add(d, &in, o, f.bytes);
		else if (f.number == LINK_DROPPED && protobuf_is(&in, &f, PROTOBUF_VARINT))
			out->dropped = f.value;
		else if (f.number == LINK_FLAGS && protobuf_is(&in, &f, PROTOBUF_FIXED32))
			out->flags = f.value;
	}
	if (in.error != NULL)
		*p = in;
	return in.error == NULL;
}

/* A link may be to nothing; the specification of the SDK has such links kept for their attributes. */
static bool put_link_id(struct otlp_traces *d, struct protobuf *p, struct otlp_fields *f, uint32_t field,
                        struct slice id, size_t bytes)
{
	struct value v;

	if (is_zero(id))
		return true;
	if (id.len != bytes)
		return otlp_traces_refuse(d, "a link has an id of %zu bytes instead of %zu", id.len, bytes);
	if (!make_id(d, p, id, &v))
		return false;
	otlp_put(f, field, v);
	return true;
}

static bool make_link(struct otlp_traces *d, struct protobuf *p, struct slice message, struct value *out)
{
	struct otlp_open o = otlp_attributes_open(d, OTLP_ROOT_LINK);
	struct otlp_fields fields = {.count = 0};
	struct link link = {.flags = 0};

	if (!read_link(d, p, message, &o, &link) ||
	    !put_link_id(d, p, &fields, IN_LINK_TRACE, link.trace_id, TRACE_ID_BYTES) ||
	    !put_link_id(d, p, &fields, IN_LINK_SPAN, link.span_id, SPAN_ID_BYTES))
		return false;
	put_text(d, &fields, IN_LINK_STATE, link.trace_state, "a link's traceState");
	put_integer(&fields, IN_LINK_FLAGS, (int64_t)link.flags);
	if (!put_attributes(d, p, &o, &fields, IN_LINK_ATTRIBUTES))
		return false;
	put_integer(&fields, IN_LINK_DROPPED, (uint32_t)link.dropped);
	return otlp_form_object(d, p, &d->link, &fields, out);
}

/* The events or links of a span, which may stand anywhere in it. */
static bool make_list(struct otlp_traces *d, struct protobuf *p, struct slice span, uint32_t number,
                      bool (*make)(struct otlp_traces *, struct protobuf *, struct slice, struct value *),
                      struct value *out)
{
	struct protobuf in = protobuf_inside(p, span);
	uint32_t base = d->used;
	bool fine = true;

	for (struct protobuf_field f = {0}; fine && protobuf_next(&in, &f);) {
		struct value v;
		if (f.number != number)
			continue;
		otlp_traces_count(d);
		fine = make(d, &in, f.bytes, &v);
		if (fine && !d->refused)
			fine = otlp_traces_push(d, &in, 0, &v);
	}
	if (fine && in.error == NULL)
		return otlp_traces_array(d, p, base, out);
	*p = in;
	return false;
}

/* ---- spans ---- */

/* What stands in a Span beside its attributes. */
struct parts {
	struct slice trace_id, span_id, parent_id, trace_state, name, status_message;
	uint64_t kind, start, end, status, flags;
	uint32_t dropped_attributes, dropped_events, dropped_links;
	bool events, links;
};

static void read_status(struct protobuf *p, struct slice message, struct parts *s)
{
	struct protobuf in = protobuf_inside(p, message);

	for (struct protobuf_field f = {0}; protobuf_next(&in, &f);) {
		if (f.number == STATUS_MESSAGE && protobuf_is(&in, &f, PROTOBUF_BYTES))
			s->status_message = f.bytes;
		else if (f.number == STATUS_CODE && protobuf_is(&in, &f, PROTOBUF_VARINT))
			s->status = f.value;
	}
	if (in.error != NULL)
		*p = in;
}

static const uint8_t wire_types[SPAN_FIELDS] = {
    [SPAN_TRACE_ID] = PROTOBUF_BYTES,    [SPAN_SPAN_ID] = PROTOBUF_BYTES,
    [SPAN_TRACE_STATE] = PROTOBUF_BYTES, [SPAN_PARENT_ID] = PROTOBUF_BYTES,
    [SPAN_NAME] = PROTOBUF_BYTES,        [SPAN_KIND] = PROTOBUF_VARINT,
    [SPAN_START] = PROTOBUF_FIXED64,     [SPAN_END] = PROTOBUF_FIXED64,
    [SPAN_ATTRIBUTES] = PROTOBUF_BYTES,  [SPAN_DROPPED_ATTRIBUTES] = PROTOBUF_VARINT,
    [SPAN_EVENTS] = PROTOBUF_BYTES,      [SPAN_DROPPED_EVENTS] = PROTOBUF_VARINT,
    [SPAN_LINKS] = PROTOBUF_BYTES,       [SPAN_DROPPED_LINKS] = PROTOBUF_VARINT,
    [SPAN_STATUS] = PROTOBUF_BYTES,      [SPAN_FLAGS] = PROTOBUF_FIXED32,
};

static void read_field(struct otlp_traces *d, struct protobuf *p, const struct protobuf_field *f, struct otlp_open *o,
                       struct parts *s)
{
	switch (f->number) {
	case SPAN_TRACE_ID:
		s->trace_id = f->bytes;
		break;
	case SPAN_SPAN_ID:
		s->span_id = f->bytes;
		break;
	case SPAN_TRACE_STATE:
		s->trace_state = f->bytes;
		break;
	case SPAN_PARENT_ID:
		s->parent_id = f->bytes;
		break;
	case SPAN_NAME:
		s->name = f->bytes;
		break;
	case SPAN_KIND:
		s->kind = f->value;
		break;
	case SPAN_START:
		s->start = f->value;
		break;
	case SPAN_END:
		s->end = f->value;
		break;
	case SPAN_ATTRIBUTES:
		otlp_attributes_add(d, p, o, f->bytes);
		break;
	case SPAN_DROPPED_ATTRIBUTES:
		s->dropped_attributes = (uint32_t)f->value;
		break;
	case SPAN_EVENTS:
		s->events = true;
		break;
	case SPAN_DROPPED_EVENTS:
		s->dropped_events = (uint32_t)f->value;
		break;
	case SPAN_LINKS:
		s->links = true;
		break;
	case SPAN_DROPPED_LINKS:
		s->dropped_links = (uint32_t)f->value;
		break;
	case SPAN_STATUS:
		read_status(p, f->bytes, s);
		break;
	case SPAN_FLAGS:
		s->flags = f->value;
		break;
	default:
		break;
	}
}

static void check_time(struct otlp_traces *d, uint64_t ns, const char *what)
{
	if (ns == 0)
		otlp_traces_refuse(d, "it has no %s", what);
	else if (is_too_late(ns))
		otlp_traces_refuse(d, "its %s is past the year 2261", what);
}

static void check_id(struct otlp_traces *d, struct slice id, size_t bytes, const char *what)
{
	if (id.len != bytes)
		otlp_traces_refuse(d, "its %s has %zu bytes, %zu were wanted", what, id.len, bytes);
	else if (is_zero(id))
		otlp_traces_refuse(d, "its %s is all 0", what);
}

static void check(struct otlp_traces *d, struct parts *s)
{
	check_id(d, s->trace_id, TRACE_ID_BYTES, "traceId");
	check_id(d, s->span_id, SPAN_ID_BYTES, "spanId");
	if (s->parent_id.len == SPAN_ID_BYTES && is_zero(s->parent_id))
		s->parent_id = slice_new(NULL, 0); /* which is how some SDKs write that there is none */
	if (s->parent_id.len > 0 && s->parent_id.len != SPAN_ID_BYTES)
		otlp_traces_refuse(d, "its parentSpanId has %zu bytes, %d were wanted", s->parent_id.len,
		                   SPAN_ID_BYTES);
	check_time(d, s->start, "startTimeUnixNano");
	check_time(d, s->end, "endTimeUnixNano");
}

static struct value word(const char *text)
{
	return text_value(text, strlen(text));
}

/* The fields in front of the attributes. */
static bool put_head(struct otlp_traces *d, struct protobuf *p, const struct parts *s, struct otlp_fields *f)
{
	struct value trace_id, span_id, parent, name;

	if (!make_trace_id(d, p, s->trace_id, &trace_id) || !make_id(d, p, s->span_id, &span_id))
		return false;
	otlp_put(f, RECORD_TRACE_ID, trace_id);
	otlp_put(f, RECORD_SPAN_ID, span_id);
	if (s->parent_id.len > 0) {
		if (!make_id(d, p, s->parent_id, &parent))
			return false;
		otlp_put(f, RECORD_PARENT_ID, parent);
	}
	otlp_traces_string(d, s->name, "its name", &name);
	otlp_put(f, RECORD_NAME, name);
	otlp_put(f, RECORD_KIND, word(span_kind_names[s->kind < SPAN_KINDS ? s->kind : SPAN_UNSPECIFIED]));
	put_integer(f, RECORD_DURATION, (int64_t)(s->end - s->start));
	otlp_put(f, RECORD_STATUS, word(span_status_names[s->status < SPAN_STATUSES ? s->status : SPAN_UNSET]));
	put_text(d, f, RECORD_STATUS_MESSAGE, s->status_message, "its status message");
	put_text(d, f, RECORD_TRACE_STATE, s->trace_state, "its traceState");
	put_integer(f, RECORD_FLAGS, (int64_t)s->flags);
	return true;
}

static void put_tail(struct otlp_traces *d, const struct parts *s, struct otlp_fields *f)
{
	put_integer(f, RECORD_DROPPED_ATTRIBUTES, s->dropped_attributes);
	put_integer(f, RECORD_DROPPED_EVENTS, s->dropped_events);
	put_integer(f, RECORD_DROPPED_LINKS, s->dropped_links);
	if (d->resource.type != VALUE_NULL)
		otlp_put(f, RECORD_RESOURCE, d->resource);
	if (d->resource_schema.len > 0)
		otlp_put(f, RECORD_RESOURCE_SCHEMA, text_value(d->resource_schema.ptr, d->resource_schema.len));
	if (d->scope.type != VALUE_NULL)
		otlp_put(f, RECORD_SCOPE, d->scope);
	if (d->scope_schema.len > 0)
		otlp_put(f, RECORD_SCOPE_SCHEMA, text_value(d->scope_schema.ptr, d->scope_schema.len));
}

static bool add_record(struct otlp_traces *d, struct protobuf *p, int64_t time_ns, const struct otlp_fields *f)
{
	uint32_t shape = 0;

	if (!otlp_form_shape(d, p, &d->span, f->mask, &shape))
		return false;
	if (d->refused)
		return true;
	struct value *values = batch_values(d->batch, f->count);
	struct record *r = values != NULL ? batch_add(d->batch) : NULL;
	if (r == NULL)
		return otlp_traces_no_memory(d, p);
	memcpy(values, f->values, f->count * sizeof *values);
	r->kind = RECORD_SPAN;
	r->type = (uint16_t)d->type;
	r->index = d->index;
	r->time_ns = time_ns;
	r->shape = shape;
	r->values = values;
	return true;
}

/* The fields of a span, its attributes closed into *attributes. */
static bool read_parts(struct otlp_traces *d, struct protobuf *p, struct slice message, struct parts *s,
                       struct value *attributes)
{
	struct protobuf in = protobuf_inside(p, message);
	struct otlp_open o = otlp_attributes_open(d, OTLP_ROOT_SPAN);

	*attributes = (struct value){.type = VALUE_NULL};
	for (struct protobuf_field f = {0}; protobuf_next(&in, &f);) {
		if (f.number < SPAN_FIELDS && protobuf_is(&in, &f, (enum protobuf_type)wire_types[f.number]))
			read_field(d, &in, &f, &o, s);
	}
	if (in.error != NULL) {
		*p = in;
		return false;
	}
	return !otlp_attributes_any(d, &o) || otlp_attributes_close(d, p, &o, attributes);
}

bool otlp_span_read(struct otlp_traces *d, struct protobuf *p, struct slice message)
{
	struct parts s = {.kind = 0};
	struct otlp_fields f;
	struct value attributes, events, links;

	f.count = f.mask = 0;
	d->count = 0;
	if (!read_parts(d, p, message, &s, &attributes) ||
	    (s.events && !make_list(d, p, message, SPAN_EVENTS, make_event, &events)) ||
	    (s.links && !make_list(d, p, message, SPAN_LINKS, make_link, &links)))
		return false;
	check(d, &s);
	if (d->refused)
		return true;
	if (!put_head(d, p, &s, &f))
		return false;
	if (attributes.type != VALUE_NULL)
		otlp_put(&f, RECORD_ATTRIBUTES, attributes);
	if (s.events)
		otlp_put(&f, RECORD_EVENTS, events);
	if (s.links)
		otlp_put(&f, RECORD_LINKS, links);
	put_tail(d, &s, &f);
	return d->refused || add_record(d, p, (int64_t)s.start, &f);
}

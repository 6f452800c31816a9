/* Records become spans of a builder: spans as record/span.h has them, and JSON events that stand for spans. */
#include <errno.h>
#include <math.h>

#include "base/mem.h"
#include "traces/internal.h"

static const struct slice field_names[SPAN_FIELDS] = {
    [FIELD_TRACE_ID] = {"trace_id", 8},
    [FIELD_SPAN_ID] = {"span_id", 7},
    [FIELD_PARENT_SPAN_ID] = {"parent_span_id", 14},
    [FIELD_NAME] = {"name", 4},
    [FIELD_KIND] = {"kind", 4},
    [FIELD_DURATION_NS] = {"duration_ns", 11},
    [FIELD_STATUS] = {"status", 6},
    [FIELD_STATUS_MESSAGE] = {"status_message", 14},
    [FIELD_TRACE_STATE] = {"trace_state", 11},
    [FIELD_FLAGS] = {"flags", 5},
    [FIELD_ATTRIBUTES] = {"attributes", 10},
    [FIELD_EVENTS] = {"events", 6},
    [FIELD_LINKS] = {"links", 5},
    [FIELD_DROPPED_ATTRIBUTES] = {"dropped_attributes", 18},
    [FIELD_DROPPED_EVENTS] = {"dropped_events", 14},
    [FIELD_DROPPED_LINKS] = {"dropped_links", 13},
    [FIELD_RESOURCE] = {"resource", 8},
    [FIELD_RESOURCE_SCHEMA_URL] = {"resource_schema_url", 19},
    [FIELD_SCOPE] = {"scope", 5},
    [FIELD_SCOPE_SCHEMA_URL] = {"scope_schema_url", 16},
    [FIELD_DURATION_MS] = {"duration_ms", 11},
    [FIELD_ERROR_TYPE] = {"error_type", 10},
};

/* ---- plans ---- */

static void make_plan(struct span_plan *plan, const struct batch *b, const struct shape *shape)
{
	memset(plan->at, 0xff, sizeof plan->at);
	for (uint32_t i = 0; i < shape->count; i++) {
		struct slice name = b->keys[shape->keys[i]].name;
		for (int f = 0; f < SPAN_FIELDS; f++) {
			if (slice_eq(field_names[f], name))
				plan->at[f] = (int16_t)i;
		}
	}
}

const struct span_plan *span_plan(struct traces *t, const struct record *r)
{
	if (t->batch != r->batch) {
		t->batch = r->batch;
		t->serial++;
	}
	size_t before = t->plan_cap;
	while (t->plan_cap <= r->shape) {
		void *plans = t->plans;
		if (mem_grow(&plans, &t->plan_cap, t->plan_cap, sizeof *t->plans) != 0)
			return NULL;
		t->plans = plans;
		memset(t->plans + before, 0, (t->plan_cap - before) * sizeof *t->plans);
		before = t->plan_cap;
	}
	struct span_plan *plan = &t->plans[r->shape];
	if (plan->serial != t->serial) {
		make_plan(plan, r->batch, record_shape(r));
		plan->serial = t->serial;
	}
	return plan;
}

static const struct value *field(const struct record *r, const struct span_plan *plan, enum span_field f)
{
	return plan->at[f] >= 0 ? &r->values[plan->at[f]] : NULL;
}

static struct slice text(const struct record *r, const struct span_plan *plan, enum span_field f)
{
	const struct value *v = field(r, plan, f);

	return v != NULL && v->type == VALUE_STRING ? slice_new(v->str, v->len) : SLICE("");
}

static int64_t integer(const struct record *r, const struct span_plan *plan, enum span_field f)
{
	const struct value *v = field(r, plan, f);

	return v != NULL && v->type == VALUE_INT ? v->integer : 0;
}

static const struct object *object(const struct record *r, const struct span_plan *plan, enum span_field f)
{
	const struct value *v = field(r, plan, f);

	return v != NULL && v->type == VALUE_OBJECT ? v->object : NULL;
}

/* A count or flags; what no sender says is cut. */
static uint32_t u32(int64_t v)
{
	return v < 0 ? 0 : v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

/* ---- ids ---- */

/* 32 digits in lower case, as decoders write them, at once; anything else as a person may write it. */
static bool read_trace_id(struct slice s, uint8_t out[16])
{
	uint8_t bad = 0, any = 0;

	if (s.len != 32)
		return trace_id_read(s, out);
	for (int i = 0; i < 16; i++) {
		uint8_t high = (uint8_t)s.ptr[2 * i], low = (uint8_t)s.ptr[2 * i + 1];
		uint8_t h = high <= '9' ? high - '0' : high - 'a' + 10;
		uint8_t l = low <= '9' ? low - '0' : low - 'a' + 10;
		bad |=
		    (uint8_t)((h | l) & 0xf0) | (uint8_t)(high > '9' && high < 'a') | (uint8_t)(low > '9' && low < 'a');
		out[i] = (uint8_t)(h << 4 | l);
		any |= out[i];
	}
	return bad == 0 ? any != 0 : trace_id_read(s, out);
}

static bool is_event_span(const struct record *r, const struct span_plan *plan)
{
	const struct value *ms = field(r, plan, FIELD_DURATION_MS);

	return ms != NULL && (ms->type == VALUE_INT || ms->type == VALUE_DOUBLE) &&
	       text(r, plan, FIELD_TRACE_ID).len > 0 && text(r, plan, FIELD_SPAN_ID).len > 0;
}

int span_record_ids(const struct record *r, const struct span_plan *plan, struct span_ids *out)
{
	if (r->kind != RECORD_SPAN && (r->kind != RECORD_EVENT || !is_event_span(r, plan)))
		return 0;
	struct slice parent = text(r, plan, FIELD_PARENT_SPAN_ID);
	out->parent_id = 0;
	if (!read_trace_id(text(r, plan, FIELD_TRACE_ID), out->trace_id) ||
	    !trace_span_id_read(text(r, plan, FIELD_SPAN_ID), &out->span_id))
		return -EINVAL;
	return parent.len == 0 || trace_span_id_read(parent, &out->parent_id) ? 1 : -EINVAL;
}

/* ---- events and links of a span ---- */

static const struct value *object_field(const struct batch *batch, const struct object *o, struct slice name)
{
	const struct shape *shape = &batch->shapes[o->shape];

	for (uint32_t i = 0; i < shape->count; i++) {
		if (slice_eq(batch->keys[shape->keys[i]].name, name))
			return &o->values[i];
	}
	return NULL;
}

static struct slice object_text(const struct batch *batch, const struct object *o, struct slice name)
{
	const struct value *v = object_field(batch, o, name);

	return v != NULL && v->type == VALUE_STRING ? slice_new(v->str, v->len) : SLICE("");
}

static int64_t object_integer(const struct batch *batch, const struct object *o, struct slice name)
{
	const struct value *v = object_field(batch, o, name);

	return v != NULL && v->type == VALUE_INT ? v->integer : 0;
}

/* The field `attributes` of an event or a link. */
static int object_attributes(struct builder *b, const struct batch *batch, const struct object *o, uint64_t serial,
                             struct trace_run *out)
{
	const struct value *v = object_field(batch, o, SLICE("attributes"));

	*out = (struct trace_run){0, 0};
	return v != NULL && v->type == VALUE_OBJECT ? builder_attributes(b, batch, v->object, serial, out) : 0;
}

static int add_event(struct builder *b, const struct batch *batch, const struct object *o, uint64_t serial,
                     struct trace_event *out)
{
	*out = (struct trace_event){
	    .time_ns = object_integer(batch, o, SLICE("time_ns")),
	    .dropped_attributes = u32(object_integer(batch, o, SLICE("dropped_attributes"))),
	};
	int rc = builder_text(b, object_text(batch, o, SLICE("name")), &out->name);
	return rc == 0 ? object_attributes(b, batch, o, serial, &out->attributes) : rc;
}

static int add_link(struct builder *b, const struct batch *batch, const struct object *o, uint64_t serial,
                    struct trace_link *out)
{
	*out = (struct trace_link){
	    .flags = u32(object_integer(batch, o, SLICE("flags"))),
	    .dropped_attributes = u32(object_integer(batch, o, SLICE("dropped_attributes"))),
	};
	if (!read_trace_id(object_text(batch, o, SLICE("trace_id")), out->trace_id))
		memset(out->trace_id, 0, sizeof out->trace_id);
	if (!trace_span_id_read(object_text(batch, o, SLICE("span_id")), &out->span_id))
		out->span_id = 0;
	int rc = builder_text(b, object_text(batch, o, SLICE("trace_state")), &out->trace_state);
	return rc == 0 ? object_attributes(b, batch, o, serial, &out->attributes) : rc;
}

static uint32_t count_objects(const struct value *list)
{
	uint32_t n = 0;

	for (uint32_t i = 0; list != NULL && list->type == VALUE_ARRAY && i < list->len; i++)
		n += list->items[i].type == VALUE_OBJECT;
	return n;
}

/* The events or links of a span: a run of a part. */
static int add_list(struct builder *b, const struct record *r, const struct value *list, enum part_kind kind,
                    uint64_t serial, struct trace_run *out)
{
	uint32_t n = count_objects(list);

	*out = (struct trace_run){b->parts.of[kind].count, n};
	if (n == 0)
		return 0;
	void *room = builder_room(b, kind, n);
	if (room == NULL)
		return -ENOMEM;
	memset(room, 0, (size_t)n * part_sizes[kind]);
	for (uint32_t i = 0, at = out->first; i < list->len; i++) {
		if (list->items[i].type != VALUE_OBJECT)
			continue;
		struct trace_event event;
		struct trace_link link;
		int rc = kind == PART_EVENTS ? add_event(b, r->batch, list->items[i].object, serial, &event)
		                             : add_link(b, r->batch, list->items[i].object, serial, &link);
		if (rc != 0)
			return rc;
		if (kind == PART_EVENTS) /* only now: texts and cells do not move these arrays, but events could */
			((struct trace_event *)b->parts.of[kind].items)[at++] = event;
		else
			((struct trace_link *)b->parts.of[kind].items)[at++] = link;
	}
	return 0;
}

/* ---- spans ---- */

static uint8_t name_number(struct slice name, const char *const *names, uint8_t count)
{
	for (uint8_t i = 0; i < count; i++) {
		if (slice_eq(name, slice_cstr(names[i])))
			return i;
	}
	return 0;
}

static int fill_texts(struct builder *b, const struct record *r, const struct span_plan *plan, struct trace_span *s)
{
	int rc = builder_text(b, text(r, plan, FIELD_NAME), &s->name);

	if (rc == 0 && plan->at[FIELD_STATUS_MESSAGE] >= 0)
		rc = builder_text(b, text(r, plan, FIELD_STATUS_MESSAGE), &s->status_message);
	if (rc == 0 && plan->at[FIELD_TRACE_STATE] >= 0)
		rc = builder_text(b, text(r, plan, FIELD_TRACE_STATE), &s->trace_state);
	return rc;
}

static int fill_lists(struct builder *b, const struct record *r, const struct span_plan *plan, uint64_t serial,
                      struct trace_span *s)
{
	const struct object *attributes = object(r, plan, FIELD_ATTRIBUTES);
	int rc = attributes != NULL ? builder_attributes(b, r->batch, attributes, serial, &s->attributes) : 0;

	if (rc == 0)
		rc = add_list(b, r, field(r, plan, FIELD_EVENTS), PART_EVENTS, serial, &s->events);
	if (rc == 0)
		rc = add_list(b, r, field(r, plan, FIELD_LINKS), PART_LINKS, serial, &s->links);
	return rc;
}

static int fill_span(struct builder *b, const struct record *r, const struct span_plan *plan, uint64_t serial,
                     struct trace_span *s)
{
	s->start_ns = r->time_ns;
	s->duration_ns = integer(r, plan, FIELD_DURATION_NS);
	s->flags = u32(integer(r, plan, FIELD_FLAGS));
	s->dropped_attributes = u32(integer(r, plan, FIELD_DROPPED_ATTRIBUTES));
	s->dropped_events = u32(integer(r, plan, FIELD_DROPPED_EVENTS));
	s->dropped_links = u32(integer(r, plan, FIELD_DROPPED_LINKS));
	s->kind = name_number(text(r, plan, FIELD_KIND), span_kind_names, SPAN_KINDS);
	s->status = name_number(text(r, plan, FIELD_STATUS), span_status_names, SPAN_STATUSES);
	int rc = fill_texts(b, r, plan, s);
	return rc == 0 ? fill_lists(b, r, plan, serial, s) : rc;
}

/* ---- events that stand for spans ---- */

/* Those fields that the span has in other places. */
static bool is_taken(const struct span_plan *plan, uint32_t i)
{
	return (int)i == plan->at[FIELD_TRACE_ID] || (int)i == plan->at[FIELD_SPAN_ID] ||
	       (int)i == plan->at[FIELD_PARENT_SPAN_ID] || (int)i == plan->at[FIELD_DURATION_MS];
}

static int event_attributes(struct builder *b, const struct record *r, const struct span_plan *plan,
                            struct trace_run *out)
{
	const struct shape *shape = record_shape(r);
	uint32_t n = 0;

	for (uint32_t i = 0; i < shape->count; i++)
		n += !is_taken(plan, i);
	*out = (struct trace_run){b->parts.of[PART_CELLS].count, n};
	if (n == 0)
		return 0;
	struct trace_cell *cells = builder_room(b, PART_CELLS, n);
	if (cells == NULL)
		return -ENOMEM;
	memset(cells, 0, n * sizeof *cells);
	for (uint32_t i = 0, at = out->first; i < shape->count; i++) {
		const struct key *k = &r->batch->keys[shape->keys[i]];
		struct trace_cell cell;
		uint32_t key;
		if (is_taken(plan, i))
			continue;
		int rc = builder_key(b, k->name, k->hash, &key);
		if (rc == 0)
			rc = builder_cell(b, r->batch, &r->values[i], key, &cell);
		if (rc != 0)
			return rc;
		parts_cells(&b->parts)[at++] = cell;
	}
	return 0;
}

/* Milliseconds as nanoseconds, cut to what a span can last. */
static int64_t duration_ns(const struct value *ms)
{
	double ns = (ms->type == VALUE_INT ? (double)ms->integer : ms->number) * 1e6;

	return !(ns > 0) ? 0 : ns >= 9e18 ? (int64_t)9e18 : (int64_t)(ns + 0.5);
}

static int fill_event(struct builder *b, const struct record *r, const struct span_plan *plan, struct trace_span *s)
{
	struct slice status = text(r, plan, FIELD_STATUS);
	bool failed = slice_eq(status, SLICE("failed")) || slice_eq(status, SLICE("error")) ||
	              text(r, plan, FIELD_ERROR_TYPE).len > 0;

	s->duration_ns = duration_ns(field(r, plan, FIELD_DURATION_MS));
	if (__builtin_sub_overflow(r->time_ns, s->duration_ns, &s->start_ns))
		s->start_ns = INT64_MIN;
	s->kind = SPAN_INTERNAL;
	s->status = failed ? SPAN_ERROR : SPAN_UNSET;
	s->marks |= TRACE_SPAN_EVENT;
	int rc = builder_text(b, record_type_name(r), &s->name);
	return rc == 0 ? event_attributes(b, r, plan, &s->attributes) : rc;
}

static int fill(struct builder *b, const struct record *r, const struct span_plan *plan, uint64_t serial,
                struct trace_span *s)
{
	return r->kind == RECORD_SPAN ? fill_span(b, r, plan, serial, s) : fill_event(b, r, plan, s);
}

int span_record_add(struct builder *b, const struct record *r, const struct span_plan *plan, const struct span_ids *ids,
                    uint64_t serial, uint8_t marks)
{
	struct trace_span s = {.id = ids->span_id,
	                       .parent_id = ids->parent_id,
	                       .parent = TRACE_NONE,
	                       .first_child = TRACE_NONE,
	                       .next_sibling = TRACE_NONE,
	                       .marks = marks};
	bool own = r->kind == RECORD_SPAN;
	int rc = builder_resource(b, r->batch, own ? object(r, plan, FIELD_RESOURCE) : NULL,
	                          own ? text(r, plan, FIELD_RESOURCE_SCHEMA_URL) : SLICE(""), serial, &s.resource);

	if (rc == 0)
		rc = builder_scope(b, r->batch, own ? object(r, plan, FIELD_SCOPE) : NULL,
		                   own ? text(r, plan, FIELD_SCOPE_SCHEMA_URL) : SLICE(""), serial, &s.scope);
	if (rc != 0)
		return rc;
	struct builder_mark mark = builder_mark(b);
	rc = fill(b, r, plan, serial, &s);
	struct trace_span *to = rc == 0 ? builder_room(b, PART_SPANS, 1) : NULL;
	if (to == NULL) {
		builder_rewind(b, &mark);
		return -ENOMEM;
	}
	*to = s;
	if (own)
		b->has_root = b->has_root || span_is_root(&s);
	else if (s.parent_id == 0)
		b->has_root = true;
	else
		b->has_event = true;
	return 0;
}

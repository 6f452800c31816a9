/* JSON events → records (the contract is in ingest.h).
 *
 * Agents send the same few kinds of events again and again, so the decoder remembers layouts: the names of an event in the order in which
 * they came. The next event's names are compared, byte by byte, with the layout that fits so far; as long as they agree nothing is hashed and nothing
 * looked up, and at the end the shape is known. A name that no layout expects is interned, and the event becomes a new layout. Names of one
 * object are checked to be distinct when a layout or shape is made, so an event that follows a layout needs no check.
 *
 * An event that is well-formed but refused (a limit, a wrong type) is passed over from its start by json_skip, so that the rest of the body
 * counts; its values leave the arena. What events share (names, shapes, layouts) lies in another arena and stays. */
#include <errno.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "ingest/events.h"

static const struct {
	struct slice name;
	enum role role;
} roles[] = {
    {{"type", 4}, ROLE_TYPE},         {{"time", 4}, ROLE_TIME},      {{"id", 2}, ROLE_KNOWN},
    {{"tenant_id", 9}, ROLE_KNOWN},   {{"trace_id", 8}, ROLE_KNOWN}, {{"span_id", 7}, ROLE_KNOWN},
    {{"request_id", 10}, ROLE_KNOWN}, {{"user_id", 7}, ROLE_KNOWN},
};

static enum role role_of(struct slice name)
{
	for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
		if (slice_eq(name, roles[i].name))
			return roles[i].role;
	}
	return ROLE_FIELD;
}

/* ---- fields with a meaning ---- */

static bool take_type(struct decoder *d, const struct value *v)
{
	if (v->type != VALUE_STRING)
		return events_refuse(d, "field 'type' is %s, a string was wanted", events_type_name(v));
	if (v->len == 0 || v->len > TYPE_BYTES_MAX)
		return events_refuse(d, "field 'type' has %u bytes, 1 to %d were wanted", v->len, TYPE_BYTES_MAX);
	d->type = slice_new(v->str, v->len);
	return true;
}

/* Seconds, milliseconds, microseconds or nanoseconds, told apart by size. */
static bool time_of_number(const struct value *v, int64_t *ns)
{
	double n = v->type == VALUE_INT ? (double)v->integer : v->number;
	int64_t unit = n < 1e11 ? NS_PER_S : n < 1e14 ? NS_PER_MS : n < 1e17 ? NS_PER_US : 1;
	if (!(n >= 0) || n * (double)unit >= 9.2e18)
		return false;
	if (v->type == VALUE_INT) {
		*ns = v->integer * unit;
		return true;
	}
	/* Whole seconds first: a double of seconds has some 100 ns of precision left, which rounding the product would blur. */
	double whole = __builtin_floor(n);
	*ns = (int64_t)whole * unit + (int64_t)((n - whole) * (double)unit + 0.5);
	return true;
}

static bool take_time(struct decoder *d, const struct value *v)
{
	if (v->type == VALUE_NULL)
		return true;
	if (v->type == VALUE_STRING) {
		if (clock_parse_rfc3339_near(&d->minute, slice_new(v->str, v->len), &d->time_ns))
			return true;
		return events_refuse(
		    d,
		    "field 'time' is '%s', RFC 3339 such as 2026-01-02T03:04:05Z in the years 1970 to 2261 was wanted",
		    events_shown(slice_new(v->str, v->len)).text);
	}
	if ((v->type == VALUE_INT || v->type == VALUE_DOUBLE) && time_of_number(v, &d->time_ns))
		return true;
	if (v->type == VALUE_INT || v->type == VALUE_DOUBLE)
		return events_refuse(d, "field 'time' is a number outside the years 1970 to 2261");
	return events_refuse(d, "field 'time' is %s, RFC 3339 or a Unix time was wanted", events_type_name(v));
}

/* Ids: strings or numbers; a number keeps the digits that were sent. *keep: whether the field stays. */
static bool take_known(struct decoder *d, const struct name *name, const char *text, struct value *v, bool *keep)
{
	if (v->type == VALUE_INT || v->type == VALUE_DOUBLE) {
		*v = (struct value){.str = text, .len = (uint32_t)(d->j.at - text), .type = VALUE_STRING};
		return true;
	}
	*keep = v->type == VALUE_STRING && v->len > 0;
	if (v->type == VALUE_STRING || v->type == VALUE_NULL)
		return true;
	return events_refuse(d, "field '%s' is %s, a string or a number was wanted",
	                     events_shown(slice_new(name->ptr, name->len)).text, events_type_name(v));
}

/* ---- layouts ---- */

/* Same bytes? Names are short and both texts have INGEST_PADDING bytes behind them (names lie in the body too), so whole words are compared and
 * what is too much of the last one is shifted out. */
static inline bool same_name(const char *a, const char *b, size_t len)
{
	uint64_t x, y;
	for (; len > 8; a += 8, b += 8, len -= 8) {
		memcpy(&x, a, 8);
		memcpy(&y, b, 8);
		if (x != y)
			return false;
	}
	memcpy(&x, a, 8);
	memcpy(&y, b, 8);
	return len == 0 || (x ^ y) << (64 - 8 * len) == 0;
}

/* Does the text at the cursor begin with this name, its quotes, and a colon? Then moves behind the colon. */
static inline bool matches_name(struct json *j, const struct name *name)
{
	size_t left = (size_t)(j->end - j->at);
	if (left < (size_t)name->len + 3 || j->at[0] != '"' || j->at[name->len + 1] != '"' ||
	    !same_name(j->at + 1, name->ptr, name->len))
		return false;
	const char *at = j->at + name->len + 2;
	while (at < j->end && json_is_space(*at))
		at++;
	if (at >= j->end || *at != ':')
		return false;
	j->at = at + 1;
	return true;
}

/* Another layout that agrees on the `count` names so far and expects what comes. */
static bool switch_layout(struct decoder *d, uint32_t count)
{
	for (uint32_t i = 0; i < d->layout_count; i++) {
		struct layout *l = &d->layouts[i];
		if (l == d->expected || count >= l->count)
			continue;
		if (count > 0 && (d->expected == NULL || l->prefix[count - 1] != d->expected->prefix[count - 1]))
			continue;
		if (matches_name(&d->j, &l->names[count])) {
			d->expected = l;
			return true;
		}
	}
	return false;
}

static bool reserve_names(struct decoder *d, uint32_t count)
{
	while (d->name_cap < count) {
		void *names = d->names;
		if (mem_grow(&names, &d->name_cap, d->name_cap, sizeof *d->names) != 0)
			return events_out_of_memory(d);
		d->names = names;
	}
	return true;
}

/* From here on the event follows no layout: its names so far are copied out. */
static bool leave_layout(struct decoder *d, uint32_t count)
{
	if (!reserve_names(d, count + 1))
		return false;
	if (count > 0)
		memcpy(d->names, d->expected->names, count * sizeof *d->names);
	d->expected = NULL;
	return true;
}

/* The name at the cursor, the event's `count`-th: from a layout, or interned. NULL: reading stops. */
static const struct name *next_name(struct decoder *d, uint32_t count)
{
	json_space(&d->j);
	if (d->expected != NULL) {
		bool fits = count < d->expected->count && matches_name(&d->j, &d->expected->names[count]);
		if (fits || switch_layout(d, count))
			return &d->expected->names[count];
		if (!leave_layout(d, count))
			return NULL;
	}
	struct slice name;
	uint32_t key = 0;
	if (!reserve_names(d, count + 1) || !events_read_name(d, &name) || !events_intern_name(d, name, &key))
		return NULL;
	bool escaped = name.ptr < d->event || name.ptr >= d->j.end;
	d->names[count] = (struct name){name.ptr, (uint32_t)name.len, key, role_of(name), escaped};
	return &d->names[count];
}

/* The event at hand becomes a layout, in the place of the oldest. Events whose names have escapes
 * are always read the slow way: what was sent is not the name. */
static void remember_layout(struct decoder *d, uint32_t count)
{
	if (count == 0 || count > LAYOUT_NAMES_MAX)
		return;
	for (uint32_t i = 0; i < count; i++) {
		if (d->names[i].escaped)
			return;
	}
	if (d->layouts == NULL) {
		d->layouts = arena_alloc(&d->batch->names, LAYOUTS * sizeof *d->layouts);
		if (d->layouts == NULL)
			return; /* a cache: without it decoding goes on the slow way */
	}
	struct layout *l = &d->layouts[d->next_layout];
	d->next_layout = (d->next_layout + 1) % LAYOUTS;
	if (d->layout_count < LAYOUTS)
		d->layout_count++;
	memcpy(l->names, d->names, count * sizeof *l->names);
	uint64_t prefix = 0;
	for (uint32_t i = 0; i < count; i++)
		l->prefix[i] = prefix = hash_mix(prefix, l->names[i].key + 1);
	l->count = count;
	l->has_shape = false;
	d->last = l;
}

/* ---- events ---- */

struct event {
	uint32_t names;    /* read so far */
	uint32_t base;     /* of its values on the stack */
	uint32_t left_out; /* ids that were empty */
};

/* One field: reads its value and puts what stays on the stack. A left-out id is put as VALUE_NULL with its key marked, and dropped at the end. */
static bool read_field(struct decoder *d, const struct name *name, struct event *e)
{
	struct value v;
	bool keep = true;
	json_space(&d->j);
	const char *text = d->j.at;
	if (!events_read_value(d, &v, slice_new(name->ptr, name->len), 1))
		return false;
	switch (name->role) {
	case ROLE_TYPE:
		return take_type(d, &v);
	case ROLE_TIME:
		return take_time(d, &v);
	case ROLE_KNOWN:
		if (!take_known(d, name, text, &v, &keep))
			return false;
		break;
	case ROLE_FIELD:
		break;
	}
	if (!keep) {
		e->left_out++;
		v = (struct value){.type = VALUE_NULL, .len = 1}; /* len 1: to be left out */
	}
	return events_push(d, &v);
}

static bool read_fields(struct decoder *d, struct event *e)
{
	json_space(&d->j);
	if (d->j.at < d->j.end && *d->j.at == '}') {
		d->j.at++;
		return leave_layout(d, 0);
	}
	for (;;) {
		const struct name *name = next_name(d, e->names);
		if (name == NULL)
			return false;
		e->names++;
		if (!read_field(d, name, e))
			return false;
		json_space(&d->j);
		if (d->j.at < d->j.end && *d->j.at == ',') {
			d->j.at++;
			continue;
		}
		return json_take(&d->j, '}', "',' or '}' was wanted");
	}
}

/* The shape of the fields that stay, and their values moved together. */
static bool shape_of_event(struct decoder *d, const struct event *e, const struct name *names, uint32_t *shape)
{
	uint32_t count = 0, at = e->base;
	if (!events_grow_keys(d, e->names))
		return false;
	for (uint32_t i = 0; i < e->names; i++) {
		if (names[i].role == ROLE_TYPE || names[i].role == ROLE_TIME)
			continue;
		struct value v = d->stack[at++];
		if (v.type == VALUE_NULL && v.len == 1)
			continue;
		d->keys[count] = names[i].key;
		d->stack[e->base + count++] = v;
	}
	d->depth_used = e->base + count;
	return events_make_shape(d, count, shape);
}

static bool check_distinct(struct decoder *d, uint32_t count)
{
	uint32_t number = ++d->object_number;
	for (uint32_t i = 0; i < count; i++) {
		if (!events_see_once(d, d->names[i].key, number))
			return false;
	}
	return true;
}

/* The layout that has exactly the names of the event: the expected one, or, where the event ended early, another. */
static struct layout *whole_layout(struct decoder *d, uint32_t count)
{
	struct layout *expected = d->expected;
	if (expected == NULL || expected->count == count)
		return expected;
	for (uint32_t i = 0; i < d->layout_count; i++) {
		struct layout *l = &d->layouts[i];
		if (l->count == count && l->prefix[count - 1] == expected->prefix[count - 1])
			return l;
	}
	return NULL;
}

static bool find_shape(struct decoder *d, const struct event *e, uint32_t *shape)
{
	struct layout *l = whole_layout(d, e->names);
	if (l == NULL && d->expected != NULL && !leave_layout(d, e->names))
		return false;
	if (l == NULL) {
		if (!check_distinct(d, e->names))
			return false;
		remember_layout(d, e->names);
		return shape_of_event(d, e, d->names, shape);
	}
	d->last = l;
	if (l->has_shape && e->left_out == 0) {
		*shape = l->shape;
		return true;
	}
	if (!shape_of_event(d, e, l->names, shape))
		return false;
	if (e->left_out == 0) {
		l->shape = *shape;
		l->has_shape = true;
	}
	return true;
}

static bool intern_type(struct decoder *d, uint16_t *type)
{
	if (d->last_type.ptr == NULL || !slice_eq(d->type, d->last_type)) {
		int64_t number = batch_type(d->batch, d->type);
		if (number == -E2BIG)
			return events_refuse(d, "the body has more than %d distinct types", BATCH_TYPES_MAX);
		if (number < 0)
			return events_out_of_memory(d);
		d->last_type_number = (uint32_t)number;
		d->last_type = d->batch->types[number].name;
	}
	*type = (uint16_t)d->last_type_number;
	return true;
}

static bool add_record(struct decoder *d, const struct event *e)
{
	uint32_t shape = 0;
	uint16_t type = 0;
	if (d->type.ptr == NULL)
		return events_refuse(d, "field 'type' is missing");
	if ((size_t)(d->j.at - d->event) > d->limits->event_bytes)
		return events_refuse(d, "it has %zu bytes, at most %u are taken", (size_t)(d->j.at - d->event),
		                     d->limits->event_bytes);
	if (!find_shape(d, e, &shape) || !intern_type(d, &type))
		return false;
	const struct value *values = events_pop(d, e->base);
	struct record *r = values == NULL ? NULL : batch_add(d->batch);
	if (r == NULL)
		return events_out_of_memory(d);
	r->values = values;
	r->shape = shape;
	r->type = type;
	r->time_ns = d->time_ns;
	r->index = d->index;
	return true;
}

/* Passes over what was refused. */
static int pass_over(struct decoder *d)
{
	d->depth_used = 0;
	arena_rewind(&d->batch->arena, d->mark);
	d->j.at = d->event;
	int code = json_skip(&d->j);
	if (code != 0)
		return code;
	return ingest_reject_add(d->rejects, d->batch, d->index, "%s", d->why);
}

/* One event, the cursor on its first byte. 0: a record, or refused alone. -EINVAL: a syntax error at the cursor. -ENOMEM. */
static int read_event(struct decoder *d)
{
	struct event e = {.base = 0};
	d->event = d->j.at;
	d->mark = arena_mark(&d->batch->arena);
	d->fields = 0;
	d->depth_used = 0;
	d->refused = false;
	d->type = slice_new(NULL, 0);
	d->time_ns = d->arrival_ns;
	d->expected = d->last;
	if (d->j.at >= d->j.end) {
		json_fail(&d->j, "an event was wanted");
		return -EINVAL;
	}
	if (*d->j.at != '{') {
		events_refuse(d, "it is no object");
		return pass_over(d);
	}
	d->j.at++;
	if (read_fields(d, &e) && add_record(d, &e))
		return 0;
	if (d->no_memory)
		return -ENOMEM;
	return d->refused ? pass_over(d) : -EINVAL;
}

/* ---- bodies ---- */

static int syntax_error(const struct decoder *d, const char *start, struct error *err)
{
	return error_set(err, -EINVAL, "byte %zu: %s", (size_t)(d->j.at - start), d->j.error);
}

static int too_many(const struct decoder *d, struct error *err)
{
	return error_set(err, -EFBIG, "the body has more than %u events", d->limits->events);
}

/* Reading an event failed, and with it the body. */
static int fail(const struct decoder *d, int code, const char *start, struct error *err)
{
	if (code != -EINVAL)
		return error_set(err, code, "out of memory");
	d->rejects->in_event = d->event < d->j.end; /* at the end none had begun */
	d->rejects->event = d->index;
	return syntax_error(d, start, err);
}

static int read_array_body(struct decoder *d, const char *start, struct error *err)
{
	d->j.at++;
	json_space(&d->j);
	if (d->j.at < d->j.end && *d->j.at == ']') {
		d->j.at++;
	} else {
		for (;; d->index++) {
			if (d->index == d->limits->events)
				return too_many(d, err);
			json_space(&d->j);
			int code = read_event(d);
			if (code != 0)
				return fail(d, code, start, err);
			json_space(&d->j);
			if (d->j.at < d->j.end && *d->j.at == ',') {
				d->j.at++;
				continue;
			}
			if (!json_take(&d->j, ']', "',' or ']' was wanted"))
				return syntax_error(d, start, err);
			break;
		}
	}
	json_space(&d->j);
	if (d->j.at == d->j.end)
		return 0;
	json_fail(&d->j, "nothing more was wanted after the array");
	return syntax_error(d, start, err);
}

/* A line of NDJSON that is no JSON is refused alone, with what it had begun. */
static int refuse_line(struct decoder *d, const char *line, uint32_t records)
{
	d->batch->count = records;
	arena_rewind(&d->batch->arena, d->mark);
	return ingest_reject_add(d->rejects, d->batch, d->index, "byte %zu of the line: %s", (size_t)(d->j.at - line),
	                         d->j.error);
}

/* To what the list was before. */
static void take_back(struct ingest_rejects *r, const struct ingest_rejects *before)
{
	r->count = before->count;
	r->unlisted = before->unlisted;
	r->room = before->room;
}

static int read_line(struct decoder *d, const char *line, const char *line_end)
{
	uint32_t records = d->batch->count;
	struct ingest_rejects before = *d->rejects;
	d->j.at = line;
	d->j.end = line_end;
	int code = read_event(d);
	if (code == -EINVAL)
		return refuse_line(d, line, records);
	if (code != 0)
		return code;
	json_space(&d->j);
	if (d->j.at == line_end)
		return 0;
	take_back(d->rejects, &before);
	json_fail(&d->j, "nothing more was wanted after the event");
	return refuse_line(d, line, records);
}

static int read_lines(struct decoder *d, const char *at, const char *end, struct error *err)
{
	while (at < end) {
		const char *line_end = memchr(at, '\n', (size_t)(end - at));
		if (line_end == NULL)
			line_end = end;
		while (at < line_end && json_is_space(*at))
			at++;
		if (at < line_end) {
			if (d->index == d->limits->events)
				return too_many(d, err);
			int code = read_line(d, at, line_end);
			if (code != 0)
				return error_set(err, code, "out of memory");
			d->index++;
		}
		at = line_end + 1;
	}
	return 0;
}

/* Does a later line begin with an object? Then the body may be NDJSON with a bad first line. */
static bool looks_like_lines(const char *at, const char *end)
{
	for (const char *eol = memchr(at, '\n', (size_t)(end - at)); eol != NULL && eol + 1 < end;
	     eol = memchr(eol + 1, '\n', (size_t)(end - eol - 1))) {
		if (eol[1] == '{')
			return true;
	}
	return false;
}

/* One object is tried first, however it is spread over lines: only what is none can be lines. */
static int read_object_body(struct decoder *d, const char *start, struct error *err)
{
	const char *first = d->j.at;
	const char *end = d->j.end;
	struct ingest_rejects before = *d->rejects;
	int code = read_event(d);
	if (code != 0 && (code != -EINVAL || !looks_like_lines(first, end)))
		return fail(d, code, start, err);
	if (code == 0)
		json_space(&d->j);
	if (code == 0 && d->j.at == end)
		return 0;
	d->batch->count = 0;
	arena_rewind(&d->batch->arena, d->mark);
	take_back(d->rejects, &before);
	return read_lines(d, first, end, err);
}

static int read_body(struct decoder *d, struct slice body, struct error *err)
{
	if (body.len >= 3 && memcmp(body.ptr, "\xef\xbb\xbf", 3) == 0)
		d->j.at += 3; /* a byte order mark, which RFC 8259 lets parsers ignore */
	json_space(&d->j);
	if (d->j.at == d->j.end)
		return error_set(err, -EINVAL,
		                 "the body is empty; an event, an array of events, or one event a line was wanted");
	if (*d->j.at == '[')
		return read_array_body(d, body.ptr, err);
	if (*d->j.at == '{')
		return read_object_body(d, body.ptr, err);
	json_fail(&d->j, "'{' or '[' was wanted");
	return syntax_error(d, body.ptr, err);
}

int ingest_events_json(struct batch *b, struct slice body, int64_t arrival_ns, const struct ingest_limits *limits,
                       struct ingest_rejects *rejects, struct error *err)
{
	struct decoder d = {
	    .j = {.at = body.ptr, .end = body.ptr + body.len},
	    .batch = b,
	    .limits = limits,
	    .rejects = rejects,
	    .arrival_ns = arrival_ns,
	};
	rejects->room = ingest_rejects_room(body.len);
	rejects->in_event = false;
	int code = read_body(&d, body, err);
	mem_free(d.names);
	mem_free(d.stack);
	mem_free(d.seen);
	mem_free(d.keys);
	return code;
}

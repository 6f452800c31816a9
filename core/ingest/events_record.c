/* One JSON event → one record.
 *
 * Agents send the same few kinds of events again and again, so the decoder remembers their names, in the order in which they came, as a tree; and with each the very
 * bytes that stood between the value before it and its own: comma, white space, quotes, colon. As long as an event has the same bytes there nothing is scanned, hashed
 * or looked up, and where it ends the shape is known. Most values are short plain strings and numbers and take a look (json.h). With both an
 * event of 266 bytes takes 2,000 instructions; comparing names alone took 3,740.
 *
 * From the first name on that is not in the tree an event is read the slow way, and then joins the tree. Names of one object are checked to be distinct when that happens, so
 * an event that follows the tree needs no check. A value that a look is not enough for is read the slow way alone.
 *
 * An event that is well-formed but refused (a limit, a wrong type) is passed over from its start by json_skip, so that the rest of the body
 * counts; its values leave the arena. What events share (names, shapes, the tree) lies in another arena and stays. */
#include <errno.h>

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

/* ---- the tree of names ---- */

/* Same bytes? Texts are short and both have INGEST_PADDING bytes behind them, so whole words are compared and what is too much of the last one is
 * shifted out. */
static inline bool same_text(const char *a, const char *b, size_t len)
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
	return (x ^ y) << (64 - 8 * len) == 0;
}

/* The step behind `from` whose text stands at the cursor, with a byte behind it. NULL: none that is remembered. */
static inline const struct step *next_step(const struct decoder *d, const struct step *from, const char *at)
{
	size_t left = (size_t)(d->j.end - at);
	unsigned tries = STEP_TRIES;
	for (uint32_t i = from->child; i != 0 && tries > 0; i = d->steps[i].sibling, tries--) {
		const struct step *s = &d->steps[i];
		if (s->name.text_len < left && same_text(at, s->name.text, s->name.text_len))
			return s;
	}
	return NULL;
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

/* The `count` names on the way to a step, copied out. */
static bool copy_names(struct decoder *d, const struct step *s, uint32_t count)
{
	if (!reserve_names(d, count + 1))
		return false;
	for (; count > 0; s = &d->steps[s->parent])
		d->names[--count] = s->name;
	return true;
}

/* Begins the tree: it is made for the first event, and again whenever it is full. */
static bool plant(struct decoder *d)
{
	if (d->steps == NULL)
		d->steps = arena_alloc(&d->batch->names, STEPS * sizeof *d->steps);
	if (d->steps == NULL)
		return false; /* a cache: without it decoding goes on the slow way */
	d->steps[0] = (struct step){.has_shape = false};
	d->step_count = 1;
	return true;
}

static struct step *add_step(struct decoder *d, struct step *parent, const struct name *name)
{
	uint16_t number = (uint16_t)d->step_count++;
	struct step *s = &d->steps[number];
	*s = (struct step){.name = *name, .parent = (uint16_t)(parent - d->steps), .sibling = parent->child};
	parent->child = number;
	return s;
}

/* The names of an event that left the tree at its `known`-th one join it there; the last of them, or NULL. */
static struct step *remember(struct decoder *d, const struct step *left_at, uint32_t known, uint32_t count)
{
	if (count == 0 || count > STEPS_DEEP)
		return NULL;
	for (uint32_t i = known; i < count; i++) {
		if (!d->names[i].literal)
			return NULL;
	}
	struct step *s = (struct step *)left_at;
	if (s == NULL || d->step_count + (count - known) > STEPS) {
		if (!plant(d))
			return NULL;
		s = d->steps;
		known = 0;
	}
	for (uint32_t i = known; i < count; i++)
		s = add_step(d, s, &d->names[i]);
	return s;
}

/* ---- events ---- */

struct event {
	const struct step *step; /* how far it followed the tree; NULL: there is none */
	uint32_t followed;       /* names up to there */
	uint32_t names;          /* read so far; more than `followed`: all are in d->names */
	uint32_t left_out;       /* ids that were empty */
};

/* What a value means that was read, `text` its first byte; what stays goes to the stack. A left-out id is put as VALUE_NULL with its key marked, and dropped at
 * the end. */
static bool take_value(struct decoder *d, const struct name *name, const char *text, struct value v, struct event *e)
{
	bool keep = true;
	switch ((enum role)name->role) {
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

/* Any value, the cursor on its first byte. */
static bool read_field(struct decoder *d, const struct name *name, struct event *e)
{
	struct value v;
	const char *text = d->j.at;
	return events_read_value(d, &v, slice_new(name->ptr, name->len), 1) && take_value(d, name, text, v, e);
}

/* A value that a look is enough for: a string of plain ASCII, a number of a few digits. Its end; NULL for all others. */
static inline const char *plain_value(const struct decoder *d, const char *at, struct value *v)
{
	if (*at != '"')
		return json_plain_number(at, d->j.end, v);
	const char *close = json_plain_string(at + 1, d->j.end);
	if (close == NULL || (size_t)(close - at - 1) > d->limits->string_bytes)
		return NULL;
	*v = (struct value){.str = at + 1, .len = (uint32_t)(close - at - 1), .type = VALUE_STRING};
	return close + 1;
}

/* Reads the fields as long as they are in the tree: most have a plain value that stays as it is, the others go the slow way one by one. */
static bool follow(struct decoder *d, struct event *e)
{
	const struct step *step = d->steps;
	const char *at = d->j.at;
	if (step == NULL || !events_reserve_stack(d, STEPS_DEEP))
		return !d->no_memory;
	for (const struct step *s; (s = next_step(d, step, at)) != NULL; step = s) {
		const struct name *name = &s->name;
		struct value *v = &d->stack[d->depth_used];
		const char *text = at + name->text_len;
		const char *behind = d->fields < d->limits->fields ? plain_value(d, text, v) : NULL;
		e->names++;
		if (behind == NULL) {
			d->j.at = text;
			json_space(&d->j);
			if (!read_field(d, name, e))
				return false;
			at = d->j.at;
			continue;
		}
		d->fields++;
		d->j.at = at = behind;
		if (name->role == ROLE_FIELD || (name->role == ROLE_KNOWN && v->type == VALUE_STRING && v->len > 0))
			d->depth_used++;
		else if (!take_value(d, name, text, *v, e))
			return false;
	}
	d->j.at = at;
	e->step = step;
	e->followed = e->names;
	return true;
}

/* A name at the cursor, which is not in the tree, and the white space before its value. NULL: reading stops. */
static const struct name *read_name(struct decoder *d, uint32_t count, const char *text)
{
	struct slice name;
	uint32_t key = 0;
	if (!reserve_names(d, count + 1) || !events_read_name(d, &name) || !events_intern_name(d, name, &key))
		return NULL;
	json_space(&d->j);
	d->names[count] =
	    (struct name){.text = text,
	                  .ptr = name.ptr,
	                  .text_len = (uint32_t)(d->j.at - text),
	                  .len = (uint32_t)name.len,
	                  .key = key,
	                  .role = (uint8_t)role_of(name),
	                  .literal = name.ptr > text && name.ptr < d->j.at && d->j.at - text <= STEP_TEXT_MAX};
	return &d->names[count];
}

/* Reads the fields that are not in the tree. */
static bool read_rest(struct decoder *d, struct event *e)
{
	const char *text = d->j.at;
	json_space(&d->j);
	if (e->names == 0) {
		d->j.at++; /* the opening brace */
		json_space(&d->j);
	}
	if (d->j.at < d->j.end && *d->j.at == '}') {
		d->j.at++;
		return true;
	}
	if (e->names > 0 && !json_take(&d->j, ',', "',' or '}' was wanted"))
		return false;
	if (e->names > 0 && !copy_names(d, e->step, e->names))
		return false;
	for (;;) {
		const struct name *name = read_name(d, e->names, text);
		if (name == NULL)
			return false;
		e->names++;
		if (!read_field(d, name, e))
			return false;
		text = d->j.at;
		json_space(&d->j);
		if (d->j.at < d->j.end && *d->j.at == ',') {
			d->j.at++;
			continue;
		}
		return json_take(&d->j, '}', "',' or '}' was wanted");
	}
}

/* The shape of the fields that stay, and their values moved together. */
static bool shape_of_event(struct decoder *d, const struct event *e, uint32_t *shape)
{
	uint32_t count = 0, at = 0;
	if (!events_grow_keys(d, e->names))
		return false;
	for (uint32_t i = 0; i < e->names; i++) {
		if (d->names[i].role == ROLE_TYPE || d->names[i].role == ROLE_TIME)
			continue;
		struct value v = d->stack[at++];
		if (v.type == VALUE_NULL && v.len == 1)
			continue;
		d->keys[count] = d->names[i].key;
		d->stack[count++] = v;
	}
	d->depth_used = count;
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

/* The slow way to an event's shape. Where no id was left out, the next one with its names has the shape at once. */
static bool make_shape(struct decoder *d, const struct event *e, uint32_t *shape)
{
	struct step *s = (struct step *)e->step;
	if (e->names > e->followed || s == NULL) {
		if (!check_distinct(d, e->names))
			return false;
		s = remember(d, s, e->followed, e->names);
	} else if (!copy_names(d, s, e->names)) {
		return false;
	}
	if (!shape_of_event(d, e, shape))
		return false;
	if (s != NULL && e->left_out == 0) {
		s->shape = *shape;
		s->has_shape = true;
	}
	return true;
}

static inline bool find_shape(struct decoder *d, const struct event *e, uint32_t *shape)
{
	bool known = e->step != NULL && e->names == e->followed && e->step->has_shape && e->left_out == 0;
	if (!known)
		return make_shape(d, e, shape);
	*shape = e->step->shape;
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
	const struct value *values = events_pop(d, 0);
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
	return ingest_reject_add(d->rejects, &d->batch->names, d->index, "%s", d->why);
}

int events_read_event(struct decoder *d)
{
	struct event e = {.names = 0};
	d->event = d->j.at;
	d->mark = arena_mark(&d->batch->arena);
	d->fields = 0;
	d->depth_used = 0;
	d->refused = false;
	d->type = slice_new(NULL, 0);
	d->time_ns = d->arrival_ns;
	if (d->j.at >= d->j.end) {
		json_fail(&d->j, "an event was wanted");
		return -EINVAL;
	}
	if (*d->j.at != '{') {
		events_refuse(d, "it is no object");
		return pass_over(d);
	}
	if (follow(d, &e) && read_rest(d, &e) && add_record(d, &e))
		return 0;
	if (d->no_memory)
		return -ENOMEM;
	return d->refused ? pass_over(d) : -EINVAL;
}

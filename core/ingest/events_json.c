/* JSON events → records (the contract is in ingest.h).
 *
 * Agents send the same few kinds of events again and again, so the decoder remembers layouts: the names of an event in the order in which
 * they came. The next event's names are compared, byte by byte, with the layout that fits so far; as long as they agree nothing is hashed and nothing
 * looked up, and at the end the shape is known. A name that no layout expects is interned, and the event becomes a new layout. Names of one
 * object are checked to be distinct when a layout or shape is made, so an event that follows a layout needs no check.
 *
 * An event that is well-formed but refused (a limit, a wrong type) is passed over from its start by json_skip, so that the rest of the body
 * counts; what it had put into the arena is bounded by its own size and stays until the batch is reset. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "ingest/ingest.h"
#include "ingest/json.h"

enum {
	LAYOUTS = 16,
	LAYOUT_NAMES_MAX = 96, /* longer events are decoded without a layout */
	TYPE_BYTES_MAX = 128,
	DEPTH_MAX = 128,
	NAME_SHOWN_MAX = 64
};

/* What a top-level name means. */
enum role { ROLE_FIELD, ROLE_KNOWN, ROLE_TYPE, ROLE_TIME };

struct name {
	const char
	    *ptr; /* as it was sent, without quotes; in the body (or, with escapes, in the arena: then no layout) */
	uint32_t len;
	uint32_t key; /* in the batch */
	enum role role;
	bool escaped;
};

struct layout {
	struct name names[LAYOUT_NAMES_MAX];
	uint64_t prefix[LAYOUT_NAMES_MAX]; /* hash of the keys up to and with this one */
	uint32_t count;
	uint32_t shape;
	bool has_shape;
};

struct decoder {
	struct json j;
	struct batch *batch;
	const struct ingest_limits *limits;
	struct ingest_rejects *rejects;
	int64_t arrival_ns;
	const char *event; /* start of the event at hand */
	uint32_t index;    /* its position in the body */
	uint32_t fields;   /* its values so far */

	struct layout *layouts; /* LAYOUTS of them, in the arena */
	uint32_t layout_count, next_layout;
	struct layout *expected; /* the one that the event at hand follows, or NULL */
	struct layout *last;

	struct name *names; /* of the event at hand, once it follows no layout */
	size_t name_cap;
	struct value *stack; /* values of what is being read */
	size_t stack_cap;
	uint32_t depth_used; /* of `stack` */
	uint32_t *seen;      /* for each key the object in which it was last seen */
	size_t seen_cap;
	uint32_t object_number;
	uint32_t *keys; /* keys of the object being closed */
	size_t keys_cap;

	struct slice type; /* of the event at hand; ptr NULL: none yet */
	int64_t time_ns;
	struct slice last_type; /* interned as last_type_number */
	uint32_t last_type_number;
	bool refused; /* the event at hand is well-formed so far, but no event; `why` says why */
	bool no_memory;
	char why[320];
};

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

static bool out_of_memory(struct decoder *d)
{
	d->no_memory = true;
	return json_fail(&d->j, "out of memory");
}

/* The event is refused; reading stops. */
static bool refuse(struct decoder *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool refuse(struct decoder *d, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(d->why, sizeof d->why, format, args);
	va_end(args);
	d->refused = true;
	return false;
}

/* A field's name for a message: at most 64 bytes, cut at a character's end, controls replaced. Names are valid UTF-8 by then. */
struct shown {
	char text[NAME_SHOWN_MAX + 4];
};

static struct shown shown(struct slice name)
{
	struct shown s;
	size_t len = name.len;
	if (len > NAME_SHOWN_MAX) {
		len = NAME_SHOWN_MAX;
		while (len > 0 && ((unsigned char)name.ptr[len] & 0xc0) == 0x80)
			len--;
	}
	for (size_t i = 0; i < len; i++)
		s.text[i] = (unsigned char)name.ptr[i] < 0x20 ? '?' : name.ptr[i];
	strcpy(s.text + len, name.len > len ? "…" : "");
	return s;
}

static const char *type_name(const struct value *v)
{
	static const char *const names[] = {
	    [VALUE_NULL] = "null",        [VALUE_BOOL] = "a boolean",  [VALUE_INT] = "a number",
	    [VALUE_DOUBLE] = "a number",  [VALUE_STRING] = "a string", [VALUE_ARRAY] = "an array",
	    [VALUE_OBJECT] = "an object",
	};
	return names[v->type];
}

/* ---- the stack of values ---- */

static __attribute__((noinline)) bool grow_stack(struct decoder *d)
{
	void *items = d->stack;
	if (mem_grow(&items, &d->stack_cap, d->depth_used, sizeof *d->stack) != 0)
		return out_of_memory(d);
	d->stack = items;
	return true;
}

static inline bool push(struct decoder *d, const struct value *v)
{
	if (__builtin_expect(d->depth_used == d->stack_cap, 0) && !grow_stack(d))
		return false;
	d->stack[d->depth_used++] = *v;
	return true;
}

/* Moves the values from `base` on into the arena. */
static struct value *pop_to_arena(struct decoder *d, uint32_t base)
{
	uint32_t count = d->depth_used - base;
	struct value *values = batch_values(d->batch, count);
	if (values == NULL) {
		out_of_memory(d);
		return NULL;
	}
	if (count > 0)
		memcpy(values, d->stack + base, count * sizeof *values);
	d->depth_used = base;
	return values;
}

/* ---- values ---- */

static bool read_value(struct decoder *d, struct value *out, struct slice name, uint32_t depth);

static bool count_field(struct decoder *d)
{
	if (++d->fields > d->limits->fields)
		return refuse(d, "it has more than %u fields", d->limits->fields);
	return true;
}

static bool read_string(struct decoder *d, struct slice *out, struct slice name)
{
	bool escaped;
	if (!json_string_raw(&d->j, out, &escaped))
		return false;
	if (escaped) {
		*out = json_unescape(&d->batch->arena, *out);
		if (out->ptr == NULL)
			return out_of_memory(d);
	}
	if (out->len > d->limits->string_bytes)
		return refuse(d, "field '%s': the string has %zu bytes, at most %u are taken", shown(name).text,
		              out->len, d->limits->string_bytes);
	return true;
}

static bool enter(struct decoder *d, struct slice name, uint32_t depth)
{
	if (depth > d->limits->depth || depth > DEPTH_MAX)
		return refuse(d, "field '%s' is nested deeper than %u", shown(name).text, d->limits->depth);
	d->j.at++;
	json_space(&d->j);
	return true;
}

static bool read_array(struct decoder *d, struct value *out, struct slice name, uint32_t depth)
{
	uint32_t base = d->depth_used;
	if (!enter(d, name, depth))
		return false;
	if (d->j.at < d->j.end && *d->j.at == ']') {
		d->j.at++;
	} else {
		for (;;) {
			struct value item;
			json_space(&d->j);
			if (!read_value(d, &item, name, depth) || !push(d, &item))
				return false;
			json_space(&d->j);
			if (d->j.at < d->j.end && *d->j.at == ',') {
				d->j.at++;
				continue;
			}
			if (!json_take(&d->j, ']', "',' or ']' was wanted"))
				return false;
			break;
		}
	}
	uint32_t count = d->depth_used - base;
	const struct value *items = pop_to_arena(d, base);
	*out = (struct value){.items = items, .len = count, .type = VALUE_ARRAY};
	return items != NULL;
}

/* Reads a name and the colon; undoes its escapes. */
static bool read_name(struct decoder *d, struct slice *name)
{
	bool escaped;
	json_space(&d->j);
	if (d->j.at >= d->j.end || *d->j.at != '"')
		return json_fail(&d->j, "a field name in quotes was wanted");
	if (!json_string_raw(&d->j, name, &escaped))
		return false;
	if (escaped) {
		*name = json_unescape(&d->batch->arena, *name);
		if (name->ptr == NULL)
			return out_of_memory(d);
	}
	if (!json_take(&d->j, ':', "':' was wanted after a field name"))
		return false;
	if (name->len > d->limits->key_bytes)
		return refuse(d, "field name '%s' has %zu bytes, at most %u are taken", shown(*name).text, name->len,
		              d->limits->key_bytes);
	return true;
}

static bool intern_name(struct decoder *d, struct slice name, uint32_t *key)
{
	int64_t number = batch_key(d->batch, name);
	if (number == -E2BIG)
		return refuse(d, "the body has more than %d distinct field names", BATCH_KEYS_MAX);
	if (number < 0)
		return out_of_memory(d);
	*key = (uint32_t)number;
	return true;
}

static bool grow_seen(struct decoder *d, uint32_t key)
{
	while (key >= d->seen_cap) {
		size_t old = d->seen_cap;
		void *seen = d->seen;
		if (mem_grow(&seen, &d->seen_cap, old, sizeof *d->seen) != 0)
			return out_of_memory(d);
		d->seen = seen;
		memset(d->seen + old, 0, (d->seen_cap - old) * sizeof *d->seen);
	}
	return true;
}

/* Marks a key as seen in object `number`; refuses the event when it was. */
static bool see_once(struct decoder *d, uint32_t key, uint32_t number)
{
	if (!grow_seen(d, key))
		return false;
	if (d->seen[key] == number)
		return refuse(d, "field '%s' is there twice", shown(d->batch->keys[key].name).text);
	d->seen[key] = number;
	return true;
}

static bool grow_keys(struct decoder *d, size_t count)
{
	while (d->keys_cap < count) {
		void *keys = d->keys;
		if (mem_grow(&keys, &d->keys_cap, d->keys_cap, sizeof *d->keys) != 0)
			return out_of_memory(d);
		d->keys = keys;
	}
	return true;
}

static bool make_shape(struct decoder *d, uint32_t count, uint32_t *shape)
{
	int64_t number = batch_shape(d->batch, d->keys, count);
	if (number == -E2BIG)
		return refuse(
		    d, "it has more than %d fields in one object, or the body more than %d different sets of fields",
		    SHAPE_KEYS_MAX, BATCH_SHAPES_MAX);
	if (number < 0)
		return out_of_memory(d);
	*shape = (uint32_t)number;
	return true;
}

/* A nested object: its names and values go to the stack in pairs (a name as its key's number) and are taken apart at its end. */
static bool read_pairs(struct decoder *d, uint32_t depth)
{
	if (d->j.at < d->j.end && *d->j.at == '}') {
		d->j.at++;
		return true;
	}
	for (;;) {
		struct slice name;
		uint32_t key = 0;
		struct value v;
		if (!read_name(d, &name) || !intern_name(d, name, &key))
			return false;
		if (!push(d, &(struct value){.integer = key, .type = VALUE_INT}))
			return false;
		json_space(&d->j);
		if (!read_value(d, &v, name, depth) || !push(d, &v))
			return false;
		json_space(&d->j);
		if (d->j.at < d->j.end && *d->j.at == ',') {
			d->j.at++;
			continue;
		}
		return json_take(&d->j, '}', "',' or '}' was wanted");
	}
}

static bool read_object(struct decoder *d, struct value *out, struct slice name, uint32_t depth)
{
	uint32_t base = d->depth_used;
	if (!enter(d, name, depth) || !read_pairs(d, depth))
		return false;
	uint32_t count = (d->depth_used - base) / 2;
	uint32_t number = ++d->object_number;
	struct object *object = arena_alloc(&d->batch->arena, sizeof *object);
	if (object == NULL)
		return out_of_memory(d);
	if (!grow_keys(d, count))
		return false;
	for (uint32_t i = 0; i < count; i++) {
		d->keys[i] = (uint32_t)d->stack[base + 2 * i].integer;
		if (!see_once(d, d->keys[i], number))
			return false;
		d->stack[base + i] = d->stack[base + 2 * i + 1];
	}
	d->depth_used = base + count;
	if (!make_shape(d, count, &object->shape))
		return false;
	object->values = pop_to_arena(d, base);
	*out = (struct value){.object = object, .type = VALUE_OBJECT};
	return object->values != NULL;
}

static bool read_number(struct decoder *d, struct value *out, struct slice name)
{
	bool huge;
	if (!json_number(&d->j, out, &huge))
		return false;
	if (huge)
		return refuse(d, "field '%s': the number is beyond the range of a double", shown(name).text);
	return true;
}

/* `at` stands on the value's first byte. */
static bool read_value(struct decoder *d, struct value *out, struct slice name, uint32_t depth)
{
	if (d->j.at >= d->j.end)
		return json_fail(&d->j, "a value was wanted");
	if (!count_field(d))
		return false;
	char c = *d->j.at;
	if (c == '"') {
		struct slice s;
		if (!read_string(d, &s, name))
			return false;
		*out = (struct value){.str = s.ptr, .len = (uint32_t)s.len, .type = VALUE_STRING};
		return true;
	}
	if (c == '-' || (c >= '0' && c <= '9'))
		return read_number(d, out, name);
	if (c == '{')
		return read_object(d, out, name, depth + 1);
	if (c == '[')
		return read_array(d, out, name, depth + 1);
	return json_literal(&d->j, out);
}

/* ---- fields with a meaning ---- */

static bool take_type(struct decoder *d, const struct value *v)
{
	if (v->type != VALUE_STRING)
		return refuse(d, "field 'type' is %s, a string was wanted", type_name(v));
	if (v->len == 0 || v->len > TYPE_BYTES_MAX)
		return refuse(d, "field 'type' has %u bytes, 1 to %d were wanted", v->len, TYPE_BYTES_MAX);
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
		if (clock_parse_rfc3339(slice_new(v->str, v->len), &d->time_ns))
			return true;
		return refuse(
		    d,
		    "field 'time' is '%s', RFC 3339 such as 2026-01-02T03:04:05Z in the years 1970 to 2261 was wanted",
		    shown(slice_new(v->str, v->len)).text);
	}
	if ((v->type == VALUE_INT || v->type == VALUE_DOUBLE) && time_of_number(v, &d->time_ns))
		return true;
	if (v->type == VALUE_INT || v->type == VALUE_DOUBLE)
		return refuse(d, "field 'time' is a number outside the years 1970 to 2261");
	return refuse(d, "field 'time' is %s, RFC 3339 or a Unix time was wanted", type_name(v));
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
	return refuse(d, "field '%s' is %s, a string or a number was wanted",
	              shown(slice_new(name->ptr, name->len)).text, type_name(v));
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
			return out_of_memory(d);
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

/* The name at the cursor, the event's `count`-th: from a layout, or interned. */
static bool next_name(struct decoder *d, uint32_t count, struct name *out)
{
	json_space(&d->j);
	if (d->expected != NULL) {
		bool fits = count < d->expected->count && matches_name(&d->j, &d->expected->names[count]);
		if (fits || switch_layout(d, count)) {
			*out = d->expected->names[count];
			return true;
		}
		if (!leave_layout(d, count))
			return false;
	}
	struct slice name;
	uint32_t key = 0;
	if (!reserve_names(d, count + 1) || !read_name(d, &name) || !intern_name(d, name, &key))
		return false;
	bool escaped = name.ptr < d->event || name.ptr >= d->j.end;
	*out = d->names[count] = (struct name){name.ptr, (uint32_t)name.len, key, role_of(name), escaped};
	return true;
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
		d->layouts = arena_alloc(&d->batch->arena, LAYOUTS * sizeof *d->layouts);
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
	if (!read_value(d, &v, slice_new(name->ptr, name->len), 1))
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
	return push(d, &v);
}

static bool read_fields(struct decoder *d, struct event *e)
{
	json_space(&d->j);
	if (d->j.at < d->j.end && *d->j.at == '}') {
		d->j.at++;
		return leave_layout(d, 0);
	}
	for (;;) {
		struct name name;
		if (!next_name(d, e->names, &name))
			return false;
		e->names++;
		if (!read_field(d, &name, e))
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
	if (!grow_keys(d, e->names))
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
	return make_shape(d, count, shape);
}

static bool check_distinct(struct decoder *d, uint32_t count)
{
	uint32_t number = ++d->object_number;
	for (uint32_t i = 0; i < count; i++) {
		if (!see_once(d, d->names[i].key, number))
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
			return refuse(d, "the body has more than %d distinct types", BATCH_TYPES_MAX);
		if (number < 0)
			return out_of_memory(d);
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
		return refuse(d, "field 'type' is missing");
	if ((size_t)(d->j.at - d->event) > d->limits->event_bytes)
		return refuse(d, "it has %zu bytes, at most %u are taken", (size_t)(d->j.at - d->event),
		              d->limits->event_bytes);
	if (!find_shape(d, e, &shape) || !intern_type(d, &type))
		return false;
	const struct value *values = pop_to_arena(d, e->base);
	struct record *r = values == NULL ? NULL : batch_add(d->batch);
	if (r == NULL)
		return out_of_memory(d);
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
		refuse(d, "it is no object");
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

static int fail(const struct decoder *d, int code, const char *start, struct error *err)
{
	return code == -EINVAL ? syntax_error(d, start, err) : error_set(err, code, "out of memory");
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
	return ingest_reject_add(d->rejects, d->batch, d->index, "byte %zu of the line: %s", (size_t)(d->j.at - line),
	                         d->j.error);
}

static int read_line(struct decoder *d, const char *line, const char *line_end)
{
	uint32_t records = d->batch->count;
	uint32_t refused = d->rejects->count;
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
	d->rejects->count = refused;
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

/* Does a later line begin with an object? Then the body is NDJSON, whatever its first line looks like; an object that is spread over lines
 * has its inner braces indented or behind a name. */
static bool looks_like_lines(const char *at, const char *end)
{
	for (const char *eol = memchr(at, '\n', (size_t)(end - at)); eol != NULL && eol + 1 < end;
	     eol = memchr(eol + 1, '\n', (size_t)(end - eol - 1))) {
		if (eol[1] == '{')
			return true;
	}
	return false;
}

static int read_object_body(struct decoder *d, const char *start, struct error *err)
{
	const char *first = d->j.at;
	const char *end = d->j.end;
	if (looks_like_lines(first, end))
		return read_lines(d, first, end, err);
	int code = read_event(d);
	if (code != 0)
		return fail(d, code, start, err);
	json_space(&d->j);
	if (d->j.at == end)
		return 0;
	/* Something follows the object: lines after all. */
	d->batch->count = 0;
	d->rejects->count = 0;
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
	int code = read_body(&d, body, err);
	mem_free(d.names);
	mem_free(d.stack);
	mem_free(d.seen);
	mem_free(d.keys);
	return code;
}

/* The values of JSON events: strings, numbers, arrays, nested objects with their shapes, within the limits. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "ingest/events.h"

bool events_out_of_memory(struct decoder *d)
{
	d->no_memory = true;
	return json_fail(&d->j, "out of memory");
}

bool events_refuse(struct decoder *d, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(d->why, sizeof d->why, format, args);
	va_end(args);
	d->refused = true;
	return false;
}

struct events_shown events_shown(struct slice name)
{
	struct events_shown s;
	size_t len = name.len;
	if (len > NAME_SHOWN_MAX) {
		len = NAME_SHOWN_MAX;
		while (len > 0 && ((unsigned char)name.ptr[len] & 0xc0) == 0x80)
			len--;
	}
	for (size_t i = 0; i < len; i++)
		s.text[i] = (unsigned char)name.ptr[i] < 0x20 ? '?' : name.ptr[i];
	snprintf(s.text + len, sizeof s.text - len, "%s", name.len > len ? "…" : "");
	return s;
}

const char *events_type_name(const struct value *v)
{
	static const char *const names[] = {
	    [VALUE_NULL] = "null",        [VALUE_BOOL] = "a boolean",  [VALUE_INT] = "a number",
	    [VALUE_DOUBLE] = "a number",  [VALUE_STRING] = "a string", [VALUE_ARRAY] = "an array",
	    [VALUE_OBJECT] = "an object",
	};
	return names[v->type];
}

/* ---- the stack of values ---- */

bool events_reserve_stack(struct decoder *d, uint32_t count)
{
	void *items = d->stack;
	if (count > d->stack_cap && mem_grow(&items, &d->stack_cap, count - 1, sizeof *d->stack) != 0)
		return events_out_of_memory(d);
	d->stack = items;
	return true;
}

bool events_grow_stack(struct decoder *d)
{
	return events_reserve_stack(d, d->depth_used + 1);
}

/* Moves the values from `base` on into the arena. */
struct value *events_pop(struct decoder *d, uint32_t base)
{
	uint32_t count = d->depth_used - base;
	struct value *values = batch_values(d->batch, count);
	if (values == NULL) {
		events_out_of_memory(d);
		return NULL;
	}
	if (count > 0)
		memcpy(values, d->stack + base, count * sizeof *values);
	d->depth_used = base;
	return values;
}

/* ---- values ---- */

static bool count_field(struct decoder *d)
{
	if (++d->fields > d->limits->fields)
		return events_refuse(d, "it has more than %u fields", d->limits->fields);
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
			return events_out_of_memory(d);
	}
	if (out->len > d->limits->string_bytes)
		return events_refuse(d, "field '%s': the string has %zu bytes, at most %u are taken",
		                     events_shown(name).text, out->len, d->limits->string_bytes);
	return true;
}

static bool enter(struct decoder *d, struct slice name, uint32_t depth)
{
	if (depth > d->limits->depth || depth > DEPTH_MAX)
		return events_refuse(d, "field '%s' is nested deeper than %u", events_shown(name).text,
		                     d->limits->depth);
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
			if (!events_read_value(d, &item, name, depth) || !events_push(d, &item))
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
	const struct value *items = events_pop(d, base);
	*out = (struct value){.items = items, .len = count, .type = VALUE_ARRAY};
	return items != NULL;
}

/* Reads a name and the colon; undoes its escapes. */
bool events_read_name(struct decoder *d, struct slice *name)
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
			return events_out_of_memory(d);
	}
	if (!json_take(&d->j, ':', "':' was wanted after a field name"))
		return false;
	if (name->len > d->limits->key_bytes)
		return events_refuse(d, "field name '%s' has %zu bytes, at most %u are taken", events_shown(*name).text,
		                     name->len, d->limits->key_bytes);
	return true;
}

bool events_intern_name(struct decoder *d, struct slice name, uint32_t *key)
{
	int64_t number = batch_key(d->batch, name);
	if (number == -E2BIG)
		return events_refuse(d, "the body has more than %d distinct field names", BATCH_KEYS_MAX);
	if (number < 0)
		return events_out_of_memory(d);
	*key = (uint32_t)number;
	return true;
}

static bool grow_seen(struct decoder *d, uint32_t key)
{
	while (key >= d->seen_cap) {
		size_t old = d->seen_cap;
		void *seen = d->seen;
		if (mem_grow(&seen, &d->seen_cap, old, sizeof *d->seen) != 0)
			return events_out_of_memory(d);
		d->seen = seen;
		memset(d->seen + old, 0, (d->seen_cap - old) * sizeof *d->seen);
	}
	return true;
}

/* Marks a key as seen in object `number`; refuses the event when it was. */
bool events_see_once(struct decoder *d, uint32_t key, uint32_t number)
{
	if (!grow_seen(d, key))
		return false;
	if (d->seen[key] == number)
		return events_refuse(d, "field '%s' is there twice", events_shown(d->batch->keys[key].name).text);
	d->seen[key] = number;
	return true;
}

bool events_grow_keys(struct decoder *d, size_t count)
{
	while (d->keys_cap < count) {
		void *keys = d->keys;
		if (mem_grow(&keys, &d->keys_cap, d->keys_cap, sizeof *d->keys) != 0)
			return events_out_of_memory(d);
		d->keys = keys;
	}
	return true;
}

bool events_make_shape(struct decoder *d, uint32_t count, uint32_t *shape)
{
	int64_t number = batch_shape(d->batch, d->keys, count);
	if (number == -E2BIG)
		return events_refuse(
		    d, "it has more than %d fields in one object, or the body more than %d different sets of fields",
		    SHAPE_KEYS_MAX, BATCH_SHAPES_MAX);
	if (number < 0)
		return events_out_of_memory(d);
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
		if (!events_read_name(d, &name) || !events_intern_name(d, name, &key))
			return false;
		if (!events_push(d, &(struct value){.integer = key, .type = VALUE_INT}))
			return false;
		json_space(&d->j);
		if (!events_read_value(d, &v, name, depth) || !events_push(d, &v))
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
		return events_out_of_memory(d);
	if (!events_grow_keys(d, count))
		return false;
	for (uint32_t i = 0; i < count; i++) {
		d->keys[i] = (uint32_t)d->stack[base + 2 * i].integer;
		if (!events_see_once(d, d->keys[i], number))
			return false;
		d->stack[base + i] = d->stack[base + 2 * i + 1];
	}
	d->depth_used = base + count;
	if (!events_make_shape(d, count, &object->shape))
		return false;
	object->values = events_pop(d, base);
	*out = (struct value){.object = object, .type = VALUE_OBJECT};
	return object->values != NULL;
}

static bool read_number(struct decoder *d, struct value *out, struct slice name)
{
	const char *unfit;
	if (!json_number(&d->j, out, &unfit))
		return false;
	if (unfit != NULL)
		return events_refuse(d, "field '%s': %s", events_shown(name).text, unfit);
	return true;
}

/* `at` stands on the value's first byte. */
bool events_read_value(struct decoder *d, struct value *out, struct slice name, uint32_t depth)
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

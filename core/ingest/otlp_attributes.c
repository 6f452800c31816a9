/* Attributes → objects. The names of one object mostly follow each other as they did in one before: a name is compared with what came behind the last one, and only looked up where it is another. */
#include <errno.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "ingest/otlp_traces.h"

enum { FIELD_VALUES = 1 };

/* ---- what is being read ---- */

static bool grow(struct otlp_traces *d, struct protobuf *p)
{
	if ((d->used < d->value_cap || mem_grow((void **)&d->values, &d->value_cap, d->used, sizeof *d->values) == 0) &&
	    (d->used < d->key_cap || mem_grow((void **)&d->keys, &d->key_cap, d->used, sizeof *d->keys) == 0))
		return true;
	return otlp_traces_no_memory(d, p);
}

bool otlp_traces_push(struct otlp_traces *d, struct protobuf *p, uint32_t place, const struct value *v)
{
	if ((d->used == d->value_cap || d->used == d->key_cap) && !grow(d, p))
		return false;
	d->keys[d->used] = place;
	d->values[d->used++] = *v;
	return true;
}

bool otlp_traces_count(struct otlp_traces *d)
{
	if (d->count++ < d->limits->values)
		return true;
	otlp_traces_refuse(d, "it has more than %u attributes, events, links and values in them", d->limits->values);
	return false;
}

bool otlp_traces_array(struct otlp_traces *d, struct protobuf *p, uint32_t base, struct value *out)
{
	uint32_t count = d->used - base;
	struct value *items = batch_values(d->batch, count);

	if (items == NULL)
		return otlp_traces_no_memory(d, p);
	if (count > 0)
		memcpy(items, d->values + base, count * sizeof *items);
	d->used = base;
	*out = (struct value){.items = items, .len = count, .type = VALUE_ARRAY};
	return true;
}

/* ---- names ---- */

static bool is_name(const struct otlp_traces *d, uint32_t place, struct slice name)
{
	struct slice known = d->batch->keys[place - OTLP_ROOTS].name;

	return known.len == name.len && bytes_same(known.ptr, name.ptr, name.len);
}

/* Room for all names of the batch, which others may have added to. */
static bool grow_names(struct otlp_traces *d, uint32_t count)
{
	while (d->name_cap < count) {
		size_t before = d->name_cap;
		if (mem_grow((void **)&d->names, &d->name_cap, before, sizeof *d->names) != 0)
			return false;
		memset(d->names + before, 0, (d->name_cap - before) * sizeof *d->names);
	}
	return true;
}

bool otlp_traces_start(struct otlp_traces *d)
{
	return grow_names(d, OTLP_ROOTS);
}

/* A name that did not come behind the last one before. */
static bool look_up(struct otlp_traces *d, struct protobuf *p, uint32_t last, struct slice name, uint32_t *place)
{
	if (name.len > d->limits->key_bytes)
		return otlp_traces_refuse(d, "an attribute's name has more than %u bytes", d->limits->key_bytes);
	if (!utf8_valid(name, NULL))
		return otlp_traces_refuse(d, "an attribute's name is not UTF-8");
	int64_t key = batch_key(d->batch, name);
	if (key == -E2BIG)
		return otlp_traces_refuse(d, "the body has more than %d names of attributes", BATCH_KEYS_MAX);
	if (key < 0 || !grow_names(d, (uint32_t)key + OTLP_ROOTS + 1))
		return otlp_traces_no_memory(d, p);
	*place = (uint32_t)key + OTLP_ROOTS;
	d->names[last].next[1] = d->names[last].next[0];
	d->names[last].next[0] = *place;
	return true;
}

static inline bool find_name(struct otlp_traces *d, struct protobuf *p, uint32_t last, struct slice name,
                             uint32_t *place)
{
	for (int i = 0; i < 2; i++) {
		uint32_t next = d->names[last].next[i];
		if (next != 0 && is_name(d, next, name)) {
			*place = next;
			return true;
		}
	}
	return look_up(d, p, last, name, place);
}

/* ---- values ---- */

void otlp_traces_string(struct otlp_traces *d, struct slice s, const char *what, struct value *out)
{
	*out = (struct value){.str = s.ptr, .len = (uint32_t)s.len, .type = VALUE_STRING};
	if (s.len > d->limits->string_bytes)
		otlp_traces_refuse(d, "%s has more than %u bytes", what, d->limits->string_bytes);
	else if (!utf8_is_ascii(s.ptr, s.len) && !utf8_valid(s, NULL))
		otlp_traces_refuse(d, "%s is not UTF-8", what);
}

static bool read_bytes(struct otlp_traces *d, struct protobuf *p, struct slice bytes, struct value *out)
{
	struct buf text = {0};

	if (bytes.len / 3 * 4 > d->limits->string_bytes)
		return otlp_traces_refuse(d, "an attribute's bytes are more than %u in base64",
		                          d->limits->string_bytes);
	otlp_append_base64(&text, bytes);
	struct slice copy = buf_failed(&text) ? slice_new(NULL, 0) : arena_copy(&d->batch->arena, buf_slice(&text));
	buf_free(&text);
	if (copy.ptr == NULL)
		return otlp_traces_no_memory(d, p);
	*out = (struct value){.str = copy.ptr, .len = (uint32_t)copy.len, .type = VALUE_STRING};
	return true;
}

static bool read_value(struct otlp_traces *d, struct protobuf *p, const struct otlp_value *v, uint32_t depth,
                       struct value *out);

static bool read_items(struct otlp_traces *d, struct protobuf *p, uint32_t depth)
{
	struct otlp_value item;
	struct value v;

	for (struct protobuf_field f = {0}; !d->refused && protobuf_next(p, &f);) {
		if (f.number != FIELD_VALUES || !protobuf_is(p, &f, PROTOBUF_BYTES) ||
		    !otlp_value_peek(p, f.bytes, &item))
			continue;
		if (!read_value(d, p, &item, depth, &v) || !otlp_traces_push(d, p, 0, &v))
			return false;
	}
	return p->error == NULL;
}

static bool read_list(struct otlp_traces *d, struct protobuf *p, struct slice message, uint32_t depth,
                      struct value *out)
{
	struct protobuf in = protobuf_inside(p, message);
	uint32_t base = d->used;

	if (read_items(d, &in, depth))
		return otlp_traces_array(d, p, base, out);
	*p = in;
	return false;
}

static bool take(struct otlp_traces *d, struct protobuf *p, struct otlp_open *o, struct slice message, uint32_t depth);

static bool read_map(struct otlp_traces *d, struct protobuf *p, struct slice message, uint32_t depth, struct value *out)
{
	struct protobuf in = protobuf_inside(p, message);
	struct otlp_open o = otlp_attributes_open(d, OTLP_ROOT_NESTED);
	bool fine = true;

	for (struct protobuf_field f = {0}; fine && !d->refused && protobuf_next(&in, &f);) {
		if (f.number == FIELD_VALUES && protobuf_is(&in, &f, PROTOBUF_BYTES))
			fine = take(d, &in, &o, f.bytes, depth);
	}
	if (fine && in.error == NULL)
		return otlp_attributes_close(d, p, &o, out);
	*p = in;
	return false;
}

static bool read_nested(struct otlp_traces *d, struct protobuf *p, const struct otlp_value *v, uint32_t depth,
                        struct value *out)
{
	if (depth == d->limits->depth)
		return otlp_traces_refuse(d, "an attribute has lists and maps more than %u deep", d->limits->depth);
	if (v->type == OTLP_ARRAY)
		return read_list(d, p, v->bytes, depth + 1, out);
	return read_map(d, p, v->bytes, depth + 1, out);
}

static bool read_value(struct otlp_traces *d, struct protobuf *p, const struct otlp_value *v, uint32_t depth,
                       struct value *out)
{
	*out = (struct value){.type = VALUE_NULL};
	if (!otlp_traces_count(d))
		return true;
	switch (v->type) {
	case OTLP_EMPTY:
		return true;
	case OTLP_STRING:
		otlp_traces_string(d, v->bytes, "an attribute's text", out);
		return true;
	case OTLP_BOOL:
		*out = (struct value){.boolean = v->integer != 0, .type = VALUE_BOOL};
		return true;
	case OTLP_INT:
		*out = (struct value){.integer = v->integer, .type = VALUE_INT};
		return true;
	case OTLP_DOUBLE:
		*out = (struct value){.number = v->number, .type = VALUE_DOUBLE};
		return true;
	case OTLP_BYTES:
		return read_bytes(d, p, v->bytes, out);
	case OTLP_ARRAY:
	case OTLP_MAP:
		return read_nested(d, p, v, depth, out);
	}
	return true;
}

/* ---- objects ---- */

struct otlp_open otlp_attributes_open(const struct otlp_traces *d, enum otlp_root root)
{
	return (struct otlp_open){.base = d->used, .last = (uint32_t)root};
}

/* One that is not refused so far. */
static bool take(struct otlp_traces *d, struct protobuf *p, struct otlp_open *o, struct slice message, uint32_t depth)
{
	struct otlp_attribute a;
	struct value v;

	if (!otlp_attribute_peek(p, message, &a) || !find_name(d, p, o->last, a.key, &o->last))
		return false;
	if (d->refused)
		return true;
	uint32_t place = o->last;
	o->hash = (o->hash + place) * UINT64_C(0x9e3779b97f4a7c15);
	return read_value(d, p, &a.value, depth, &v) && otlp_traces_push(d, p, place, &v);
}

bool otlp_attributes_add(struct otlp_traces *d, struct protobuf *p, struct otlp_open *o, struct slice message)
{
	struct otlp_attribute a;

	if (!d->refused && !take(d, p, o, message, 0))
		return false;
	return !d->refused || otlp_attribute_read(p, message, &a);
}

/* Of attributes with one name the last stays, in the place of the first. */
static void drop_doubles(struct otlp_traces *d, uint32_t base)
{
	uint32_t to = base;

	d->object++;
	for (uint32_t i = base; i < d->used; i++) {
		struct otlp_name *name = &d->names[d->keys[i]];
		if (name->object == d->object) {
			d->values[name->at] = d->values[i];
			continue;
		}
		name->object = d->object;
		name->at = to;
		d->keys[to] = d->keys[i];
		d->values[to++] = d->values[i];
	}
	d->used = to;
}

/* A row of names that is not remembered. */
static bool make_shape(struct otlp_traces *d, struct protobuf *p, const struct otlp_open *o, struct otlp_shape *slot,
                       uint32_t *shape)
{
	uint32_t sent = d->used;

	drop_doubles(d, o->base);
	uint32_t count = d->used - o->base;
	if (count > SHAPE_KEYS_MAX)
		return otlp_traces_refuse(d, "it has more than %d attributes in one place", SHAPE_KEYS_MAX);
	uint32_t *keys = d->keys + o->base;
	for (uint32_t i = 0; i < count; i++)
		keys[i] -= OTLP_ROOTS;
	int64_t number = batch_shape(d->batch, keys, count);
	if (number == -E2BIG)
		return otlp_traces_refuse(d, "the body has more than %d sets of names", BATCH_SHAPES_MAX);
	if (number < 0)
		return otlp_traces_no_memory(d, p);
	if (d->used == sent)
		*slot = (struct otlp_shape){o->hash, (uint32_t)number, true};
	*shape = (uint32_t)number;
	return true;
}

/* Is it the shape of these names? Hashes alone could be made to meet. */
static bool is_shape(const struct otlp_traces *d, const struct otlp_open *o, uint32_t shape)
{
	const struct shape *s = &d->batch->shapes[shape];
	const uint32_t *places = d->keys + o->base;

	if (s->count != d->used - o->base)
		return false;
	for (uint32_t i = 0; i < s->count; i++) {
		if (s->keys[i] != places[i] - OTLP_ROOTS)
			return false;
	}
	return true;
}

bool otlp_attributes_close(struct otlp_traces *d, struct protobuf *p, const struct otlp_open *o, struct value *out)
{
	struct otlp_shape *slot = &d->shapes[o->hash >> (64 - OTLP_SHAPE_BITS)];
	uint32_t shape = slot->shape;
	bool known = slot->used && slot->hash == o->hash && is_shape(d, o, shape);

	*out = (struct value){.type = VALUE_NULL};
	if (!d->refused && !known && !make_shape(d, p, o, slot, &shape))
		return false;
	if (d->refused) {
		d->used = o->base;
		return true;
	}
	size_t bytes = (d->used - o->base) * sizeof *d->values;
	struct object *object = arena_alloc(&d->batch->arena, sizeof *object + bytes);
	if (object == NULL)
		return otlp_traces_no_memory(d, p);
	struct value *values = (struct value *)(object + 1);
	*object = (struct object){.shape = shape, .values = values};
	if (bytes > 0)
		memcpy(values, d->values + o->base, bytes);
	d->used = o->base;
	*out = (struct value){.object = object, .type = VALUE_OBJECT};
	return true;
}

/* Copies of values and records from one batch into another: strings, names and shapes come along. Nesting is bounded by what decoders let in. */
#include <errno.h>

#include "record/record.h"

static int64_t copy_shape(struct batch *to, const struct batch *from, uint32_t shape)
{
	const struct shape *s = &from->shapes[shape];
	uint32_t keys[SHAPE_KEYS_MAX];
	if (to == from)
		return shape;
	for (uint32_t i = 0; i < s->count; i++) {
		int64_t key = batch_key(to, from->keys[s->keys[i]].name);
		if (key < 0)
			return key;
		keys[i] = (uint32_t)key;
	}
	return batch_shape(to, keys, s->count);
}

static int copy_values(struct batch *to, const struct batch *from, const struct value *values, uint32_t count,
                       const struct value **out)
{
	struct value *copy = batch_values(to, count);
	if (copy == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		int code = value_copy(to, from, &values[i], &copy[i]);
		if (code != 0)
			return code;
	}
	*out = copy;
	return 0;
}

static int copy_object(struct batch *to, const struct batch *from, const struct object *o, const struct object **out)
{
	int64_t shape = copy_shape(to, from, o->shape);
	if (shape < 0)
		return (int)shape;
	struct object *copy = arena_alloc(&to->arena, sizeof *copy);
	if (copy == NULL)
		return -ENOMEM;
	copy->shape = (uint32_t)shape;
	*out = copy;
	return copy_values(to, from, o->values, from->shapes[o->shape].count, &copy->values);
}

int value_copy(struct batch *to, const struct batch *from, const struct value *v, struct value *out)
{
	*out = *v;
	if (v->type == VALUE_STRING) {
		out->str = arena_copy(&to->arena, slice_new(v->str, v->len)).ptr;
		return out->str == NULL ? -ENOMEM : 0;
	}
	if (v->type == VALUE_ARRAY)
		return copy_values(to, from, v->items, v->len, &out->items);
	if (v->type == VALUE_OBJECT)
		return copy_object(to, from, v->object, &out->object);
	return 0;
}

struct record *record_copy(struct batch *to, const struct record *r)
{
	int64_t shape = copy_shape(to, r->batch, r->shape);
	int64_t type = batch_type(to, record_type_name(r));
	const struct value *values;
	if (shape < 0 || type < 0 || copy_values(to, r->batch, r->values, record_shape(r)->count, &values) != 0)
		return NULL;
	struct record copy = *r;
	struct record *out = batch_add(to);
	if (out == NULL)
		return NULL;
	copy.batch = to;
	copy.shape = (uint32_t)shape;
	copy.type = (uint16_t)type;
	copy.values = values;
	*out = copy;
	return out;
}

/* Fields of a record by name: the exact key first, then the name as a path into nested objects and arrays, the longest first key first. */
#include <errno.h>

#include "base/hash.h"
#include "record/record.h"

int shape_find(const struct batch *b, uint32_t shape, struct slice name, uint64_t hash)
{
	const struct shape *s = &b->shapes[shape];
	for (uint32_t i = 0; i < s->count; i++) {
		const struct key *k = &b->keys[s->keys[i]];
		if (k->hash == hash && slice_eq(k->name, name))
			return (int)i;
	}
	return -1;
}

static int find_name(const struct batch *b, uint32_t shape, struct slice name)
{
	return shape_find(b, shape, name, hash_bytes(name.ptr, name.len, hash_seed()));
}

/* The dot before `end`, or −1. */
static ptrdiff_t dot_before(struct slice name, size_t end)
{
	for (size_t i = end; i-- > 0;) {
		if (name.ptr[i] == '.')
			return (ptrdiff_t)i;
	}
	return -1;
}

static const struct value *walk(const struct batch *b, const struct value *v, struct slice path);

/* The field `path` of an object given by shape and values, its first key being shorter than `end`. */
static const struct value *walk_object(const struct batch *b, uint32_t shape, const struct value *values,
                                       struct slice path)
{
	for (ptrdiff_t dot = dot_before(path, path.len); dot >= 0; dot = dot_before(path, (size_t)dot)) {
		int pos = find_name(b, shape, slice_new(path.ptr, (size_t)dot));
		if (pos < 0)
			continue;
		struct slice rest = slice_new(path.ptr + dot + 1, path.len - (size_t)dot - 1);
		const struct value *found = walk(b, &values[pos], rest);
		if (found != NULL)
			return found;
	}
	return NULL;
}

static bool item_number(struct slice digits, uint32_t *n)
{
	if (digits.len == 0 || digits.len > 9 || (digits.len > 1 && digits.ptr[0] == '0'))
		return false;
	*n = 0;
	for (size_t i = 0; i < digits.len; i++) {
		if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
			return false;
		*n = *n * 10 + (uint32_t)(digits.ptr[i] - '0');
	}
	return true;
}

/* What lies at `path` below a value. */
static const struct value *walk(const struct batch *b, const struct value *v, struct slice path)
{
	while (v->type == VALUE_ARRAY) {
		const char *dot = memchr(path.ptr, '.', path.len);
		struct slice first = slice_new(path.ptr, dot != NULL ? (size_t)(dot - path.ptr) : path.len);
		uint32_t n;
		if (!item_number(first, &n) || n >= v->len)
			return NULL;
		v = &v->items[n];
		if (dot == NULL)
			return v;
		path = slice_new(dot + 1, path.len - first.len - 1);
	}
	if (v->type != VALUE_OBJECT)
		return NULL;
	int pos = find_name(b, v->object->shape, path);
	if (pos >= 0)
		return &v->object->values[pos];
	return walk_object(b, v->object->shape, v->object->values, path);
}

const struct value *record_get(const struct record *r, struct slice name, uint64_t hash)
{
	int pos = shape_find(r->batch, r->shape, name, hash);
	if (pos >= 0)
		return &r->values[pos];
	return walk_object(r->batch, r->shape, r->values, name);
}

/* ---- changing: everything on the way to the changed field is copied, so that what others share stays as it is ---- */

enum edit { EDIT_SET, EDIT_REMOVE };

struct change {
	struct batch *batch;
	enum edit edit;
	struct value value;
};

/* A shape without the field at `pos`. */
static int64_t shape_without(struct batch *b, uint32_t shape, uint32_t pos)
{
	const struct shape *s = &b->shapes[shape];
	uint32_t keys[SHAPE_KEYS_MAX];
	uint32_t n = 0;
	for (uint32_t i = 0; i < s->count; i++) {
		if (i != pos)
			keys[n++] = s->keys[i];
	}
	return batch_shape(b, keys, n);
}

/* Applies the change to the field at `pos` of an object; *shape and *values become the new object's. */
static int edit_at(const struct change *c, uint32_t *shape, const struct value **values, uint32_t pos)
{
	uint32_t count = c->batch->shapes[*shape].count;
	struct value *copy = batch_values(c->batch, count);
	if (copy == NULL)
		return -ENOMEM;
	if (c->edit == EDIT_SET) {
		memcpy(copy, *values, count * sizeof *copy);
		copy[pos] = c->value;
		*values = copy;
		return 0;
	}
	int64_t smaller = shape_without(c->batch, *shape, pos);
	if (smaller < 0)
		return (int)smaller;
	for (uint32_t i = 0, n = 0; i < count; i++) {
		if (i != pos)
			copy[n++] = (*values)[i];
	}
	*values = copy;
	*shape = (uint32_t)smaller;
	return 0;
}

static int edit_value(const struct change *c, struct value *v, struct slice path);

/* The change somewhere below the field at `pos`, which is copied. */
static int edit_below(const struct change *c, uint32_t shape, const struct value **values, uint32_t pos,
                      struct slice rest)
{
	struct value below = (*values)[pos];
	int code = edit_value(c, &below, rest);
	if (code != 0)
		return code;
	struct change replace = {c->batch, EDIT_SET, below};
	return edit_at(&replace, &shape, values, pos);
}

static int edit_object(const struct change *c, uint32_t *shape, const struct value **values, struct slice path)
{
	int pos = find_name(c->batch, *shape, path);
	if (pos >= 0)
		return edit_at(c, shape, values, (uint32_t)pos);
	for (ptrdiff_t dot = dot_before(path, path.len); dot >= 0; dot = dot_before(path, (size_t)dot)) {
		pos = find_name(c->batch, *shape, slice_new(path.ptr, (size_t)dot));
		if (pos < 0)
			continue;
		struct slice rest = slice_new(path.ptr + dot + 1, path.len - (size_t)dot - 1);
		int code = edit_below(c, *shape, values, (uint32_t)pos, rest);
		if (code != -ENOENT)
			return code;
	}
	return -ENOENT;
}

static int edit_array(const struct change *c, struct value *v, struct slice path)
{
	const char *dot = memchr(path.ptr, '.', path.len);
	struct slice first = slice_new(path.ptr, dot != NULL ? (size_t)(dot - path.ptr) : path.len);
	uint32_t n;
	if (!item_number(first, &n) || n >= v->len)
		return -ENOENT;
	struct value *copy = batch_values(c->batch, v->len);
	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, v->items, v->len * sizeof *copy);
	int code = 0;
	if (dot != NULL)
		code = edit_value(c, &copy[n], slice_new(dot + 1, path.len - first.len - 1));
	else if (c->edit == EDIT_SET)
		copy[n] = c->value;
	else
		copy[n] = (struct value){.type = VALUE_NULL}; /* the other items keep their numbers */
	if (code == 0)
		v->items = copy;
	return code;
}

static int edit_value(const struct change *c, struct value *v, struct slice path)
{
	if (v->type == VALUE_ARRAY)
		return edit_array(c, v, path);
	if (v->type != VALUE_OBJECT)
		return -ENOENT;
	uint32_t shape = v->object->shape;
	const struct value *values = v->object->values;
	int code = edit_object(c, &shape, &values, path);
	if (code != 0)
		return code;
	struct object *copy = arena_alloc(&c->batch->arena, sizeof *copy);
	if (copy == NULL)
		return -ENOMEM;
	*copy = (struct object){shape, values};
	v->object = copy;
	return 0;
}

static int add_field(struct record *r, struct slice name, struct value v)
{
	struct batch *b = r->batch;
	const struct shape *s = record_shape(r);
	uint32_t keys[SHAPE_KEYS_MAX];
	uint32_t count = s->count;
	if (count == SHAPE_KEYS_MAX)
		return -E2BIG;
	memcpy(keys, s->keys, count * sizeof *keys);
	int64_t key = batch_key(b, name);
	if (key < 0)
		return (int)key;
	keys[count] = (uint32_t)key;
	int64_t shape = batch_shape(b, keys, count + 1);
	struct value *values = batch_values(b, count + 1);
	if (shape < 0 || values == NULL)
		return shape < 0 ? (int)shape : -ENOMEM;
	memcpy(values, r->values, count * sizeof *values);
	values[count] = v;
	r->values = values;
	r->shape = (uint32_t)shape;
	return 0;
}

int record_set(struct record *r, struct slice name, struct value v)
{
	struct change c = {r->batch, EDIT_SET, v};
	int code = edit_object(&c, &r->shape, &r->values, name);
	return code == -ENOENT ? add_field(r, name, v) : code;
}

int record_remove(struct record *r, struct slice name)
{
	struct change c = {r->batch, EDIT_REMOVE, {.type = VALUE_NULL}};
	return edit_object(&c, &r->shape, &r->values, name);
}

/* Fields of a record by name: the exact key first, then the name as a path into nested objects and arrays, the longest first key first.
 *
 * Names come from scripts and keys from clients, and both may be hostile: a path is held against the keys that there are, not against each of its dots, and
 * a look-up takes SPLITS_MAX ways to split it at most. */
#include <errno.h>

#include "base/hash.h"
#include "record/record.h"
#include "record/span.h"

enum { SPLITS_MAX = 1000 };

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

/* A way to split a path: its first key, which an object has, and what follows the dot behind it. */
struct split {
	int pos;           /* of the key in the shape; −1: there is none */
	struct slice rest; /* the path behind it */
};

/* The longest first key of less than `end` bytes. */
static struct split split_path(const struct batch *b, uint32_t shape, struct slice path, size_t end)
{
	const struct shape *s = &b->shapes[shape];
	struct split best = {.pos = -1};
	size_t best_len = 0;

	for (uint32_t i = 0; i < s->count; i++) {
		struct slice key = b->keys[s->keys[i]].name;
		if (key.len >= end || path.ptr[key.len] != '.' || (best.pos >= 0 && key.len <= best_len))
			continue;
		if (key.len != 0 && memcmp(key.ptr, path.ptr, key.len) != 0)
			continue;
		best.pos = (int)i;
		best_len = key.len;
	}
	if (best.pos >= 0)
		best.rest = slice_new(path.ptr + best_len + 1, path.len - best_len - 1);
	return best;
}

static bool has_dot(struct slice path)
{
	return path.len != 0 && memchr(path.ptr, '.', path.len) != NULL;
}

/* How long the first key of a split is. */
static size_t key_len(struct slice path, struct split split)
{
	return path.len - split.rest.len - 1;
}

static const struct value *walk(const struct batch *b, const struct value *v, struct slice path, uint32_t *splits);

/* The field `path` of an object given by shape and values. */
static const struct value *walk_object(const struct batch *b, uint32_t shape, const struct value *values,
                                       struct slice path, uint32_t *splits)
{
	if (!has_dot(path))
		return NULL;
	for (size_t end = path.len;;) {
		struct split split = split_path(b, shape, path, end);
		if (split.pos < 0 || ++*splits > SPLITS_MAX)
			return NULL;
		const struct value *found = walk(b, &values[split.pos], split.rest, splits);
		if (found != NULL)
			return found;
		end = key_len(path, split);
	}
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
static const struct value *walk(const struct batch *b, const struct value *v, struct slice path, uint32_t *splits)
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
	return walk_object(b, v->object->shape, v->object->values, path, splits);
}

/* ---- spans: what is no field of theirs is an attribute ---- */

/* The position of a span's attributes in its shape, or −1. */
static int attributes_of(const struct record *r)
{
	int pos = find_name(r->batch, r->shape, SLICE("attributes"));

	return pos >= 0 && r->values[pos].type == VALUE_OBJECT ? pos : -1;
}

static const struct value *get_attribute(const struct record *r, struct slice name, uint64_t hash)
{
	int outer = attributes_of(r);
	if (outer < 0)
		return NULL;
	const struct object *o = r->values[outer].object;
	int pos = shape_find(r->batch, o->shape, name, hash);
	return pos >= 0 ? &o->values[pos] : NULL;
}

/* Is it one of the fields that a span has? Those that it may lack are set where they belong. */
static bool is_span_field(struct slice name)
{
	static const char *const names[] = {"trace_id",
	                                    "span_id",
	                                    "parent_span_id",
	                                    "name",
	                                    "kind",
	                                    "duration_ns",
	                                    "status",
	                                    "status_message",
	                                    "trace_state",
	                                    "flags",
	                                    "attributes",
	                                    "events",
	                                    "links",
	                                    "resource",
	                                    "resource_schema_url",
	                                    "scope",
	                                    "scope_schema_url",
	                                    "dropped_attributes",
	                                    "dropped_events",
	                                    "dropped_links"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (slice_eq(name, slice_cstr(names[i])))
			return true;
	}
	return false;
}

const struct value *record_get(const struct record *r, struct slice name, uint64_t hash)
{
	int pos = shape_find(r->batch, r->shape, name, hash);
	if (pos >= 0)
		return &r->values[pos];
	uint32_t splits = 0;
	const struct value *found = walk_object(r->batch, r->shape, r->values, name, &splits);
	return found == NULL && r->kind == RECORD_SPAN ? get_attribute(r, name, hash) : found;
}

/* ---- changing: everything on the way to the changed field is copied, so that what others share stays as it is ---- */

enum edit { EDIT_SET, EDIT_REMOVE };

struct change {
	struct batch *batch;
	enum edit edit;
	struct value value;
	uint32_t *splits; /* tried so far */
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
	struct change replace = {c->batch, EDIT_SET, below, c->splits};
	return edit_at(&replace, &shape, values, pos);
}

static int edit_object(const struct change *c, uint32_t *shape, const struct value **values, struct slice path)
{
	int pos = find_name(c->batch, *shape, path);
	if (pos >= 0)
		return edit_at(c, shape, values, (uint32_t)pos);
	if (!has_dot(path))
		return -ENOENT;
	for (size_t end = path.len;;) {
		struct split split = split_path(c->batch, *shape, path, end);
		if (split.pos < 0 || ++*c->splits > SPLITS_MAX)
			return -ENOENT;
		int code = edit_below(c, *shape, values, (uint32_t)split.pos, split.rest);
		if (code != -ENOENT)
			return code;
		end = key_len(path, split);
	}
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

/* Adds a field to the object given by shape and values. */
static int add_field(struct batch *b, uint32_t *shape, const struct value **values, struct slice name, struct value v)
{
	const struct shape *s = &b->shapes[*shape];
	uint32_t keys[SHAPE_KEYS_MAX];
	uint32_t count = s->count;
	if (count == SHAPE_KEYS_MAX)
		return -E2BIG;
	if (count != 0)
		memcpy(keys, s->keys, count * sizeof *keys);
	int64_t key = batch_key(b, name);
	if (key < 0)
		return (int)key;
	keys[count] = (uint32_t)key;
	int64_t larger = batch_shape(b, keys, count + 1);
	struct value *copy = batch_values(b, count + 1);
	if (larger < 0 || copy == NULL)
		return larger < 0 ? (int)larger : -ENOMEM;
	if (count != 0 && *values != NULL)
		memcpy(copy, *values, count * sizeof *copy);
	copy[count] = v;
	*values = copy;
	*shape = (uint32_t)larger;
	return 0;
}

/* Sets or removes an attribute of a span. Other spans may share the object: it is copied. */
static int edit_attribute(struct record *r, const struct change *c, struct slice name)
{
	int outer = attributes_of(r);
	if (outer < 0 && (c->edit == EDIT_REMOVE || find_name(r->batch, r->shape, SLICE("attributes")) >= 0))
		return -ENOENT;
	struct object *copy = arena_alloc(&r->batch->arena, sizeof *copy);
	int64_t empty = batch_shape(r->batch, NULL, 0);
	if (copy == NULL || empty < 0)
		return copy == NULL ? -ENOMEM : (int)empty;
	*copy = outer >= 0 ? *r->values[outer].object : (struct object){(uint32_t)empty, NULL};
	int pos = find_name(r->batch, copy->shape, name);
	if (pos < 0 && c->edit == EDIT_REMOVE)
		return -ENOENT;
	int code = pos >= 0 ? edit_at(c, &copy->shape, &copy->values, (uint32_t)pos)
	                    : add_field(r->batch, &copy->shape, &copy->values, name, c->value);
	if (code != 0)
		return code;
	struct value object = {.object = copy, .type = VALUE_OBJECT};
	struct change replace = {r->batch, EDIT_SET, object, c->splits};
	return outer >= 0 ? edit_at(&replace, &r->shape, &r->values, (uint32_t)outer)
	                  : add_field(r->batch, &r->shape, &r->values, SLICE("attributes"), object);
}

int record_set(struct record *r, struct slice name, struct value v)
{
	uint32_t splits = 0;
	struct change c = {r->batch, EDIT_SET, v, &splits};
	int code = edit_object(&c, &r->shape, &r->values, name);
	if (code == -ENOENT && r->kind == RECORD_SPAN && !is_span_field(name))
		code = edit_attribute(r, &c, name);
	return code == -ENOENT ? add_field(r->batch, &r->shape, &r->values, name, v) : code;
}

int record_remove(struct record *r, struct slice name)
{
	uint32_t splits = 0;
	struct change c = {r->batch, EDIT_REMOVE, {.type = VALUE_NULL}, &splits};
	int code = edit_object(&c, &r->shape, &r->values, name);
	return code == -ENOENT && r->kind == RECORD_SPAN ? edit_attribute(r, &c, name) : code;
}

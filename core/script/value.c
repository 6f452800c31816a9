/* See value.h. */
#include "script/value.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "script/internal.h"

enum { PUSH_DEPTH_MAX = 128 }; /* of nested values; decoders allow far less */

static void push_nested(lua_State *L, const struct batch *b, const struct value *v, uint32_t depth)
{
	if (value_push_scalar(L, v))
		return;
	lua_pop(L, 1);
	if (depth == 0)
		script_raise(L, "a field is nested too deeply");
	luaL_checkstack(L, 4, "a field is nested too deeply");
	if (v->type == VALUE_ARRAY) {
		lua_createtable(L, (int)v->len, 0);
		for (uint32_t i = 0; i < v->len; i++) {
			push_nested(L, b, &v->items[i], depth - 1);
			lua_rawseti(L, -2, (int)i + 1);
		}
		return;
	}
	const struct shape *shape = &b->shapes[v->object->shape];
	lua_createtable(L, 0, (int)shape->count);
	for (uint32_t i = 0; i < shape->count; i++) {
		struct slice name = b->keys[shape->keys[i]].name;
		lua_pushlstring(L, name.ptr, name.len);
		push_nested(L, b, &v->object->values[i], depth - 1);
		lua_rawset(L, -3);
	}
}

void value_push(lua_State *L, const struct batch *b, const struct value *v)
{
	push_nested(L, b, v, PUSH_DEPTH_MAX);
}

struct value value_from_number(lua_Number n)
{
	if (n == floor(n) && fabs(n) <= 9007199254740992.0)
		return (struct value){.integer = (int64_t)n, .type = VALUE_INT};
	return (struct value){.number = n, .type = VALUE_DOUBLE};
}

static void string_from_lua(lua_State *L, int index, struct batch *b, struct value *out,
                            const struct value_budget *budget)
{
	struct slice s;

	script_check_stopped(L); /* copying much takes a while */
	budget->check_room(L);
	s.ptr = lua_tolstring(L, index, &s.len);
	if (s.len > TEXT_MAX)
		script_raise(L, "%s: a text of %zu bytes; at most %d are allowed", budget->what, s.len, TEXT_MAX);
	struct slice copy = arena_copy(&b->arena, s);
	if (copy.ptr == NULL)
		script_starve(L);
	*out = (struct value){.str = copy.ptr, .len = (uint32_t)copy.len, .type = VALUE_STRING};
}

/* An array has the keys 1 to n and no other. */
static bool is_array(lua_State *L, int index, uint32_t *count, const struct value_budget *budget)
{
	size_t n = lua_objlen(L, index);

	*count = 0;
	lua_pushnil(L);
	while (lua_next(L, index) != 0) {
		lua_pop(L, 1);
		if (++*count > budget->values)
			script_raise(L, "%s: too many values", budget->what);
	}
	if (n == 0 || n != *count)
		return false;
	for (uint32_t i = 1; i <= n; i++) {
		lua_rawgeti(L, index, (int)i);
		bool there = !lua_isnil(L, -1);
		lua_pop(L, 1);
		if (!there)
			return false;
	}
	return true;
}

/* Room for `count` items of `size` bytes in the batch. */
static void *room(lua_State *L, struct batch *b, uint32_t count, size_t size)
{
	void *at = arena_alloc(&b->arena, ((size_t)count + 1) * size);

	if (at == NULL)
		script_starve(L);
	return at;
}

static void array_from_lua(lua_State *L, int index, struct batch *b, struct value *out, uint32_t count,
                           struct value_budget *budget)
{
	struct value *items = room(L, b, count, sizeof *items);

	for (uint32_t i = 0; i < count; i++) {
		lua_rawgeti(L, index, (int)i + 1);
		value_from_lua(L, lua_gettop(L), b, &items[i], budget);
		lua_pop(L, 1);
	}
	*out = (struct value){.items = items, .len = count, .type = VALUE_ARRAY};
}

static int by_bytes(const void *a, const void *b)
{
	const struct slice *x = a;
	const struct slice *y = b;
	size_t n = x->len < y->len ? x->len : y->len;
	int order = n == 0 ? 0 : memcmp(x->ptr, y->ptr, n);

	return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

/* The names of a table's fields but for `skip`, sorted, as the table's own strings hold them. Returns how many. */
static uint32_t sorted_names(lua_State *L, int index, struct slice skip, struct slice *names,
                             const struct value_budget *budget)
{
	uint32_t n = 0;

	lua_pushnil(L);
	while (lua_next(L, index) != 0) {
		lua_pop(L, 1);
		if (lua_type(L, -1) != LUA_TSTRING)
			script_raise(L, "%s: a field is named by a string, not by a %s", budget->what,
			             luaL_typename(L, -1));
		struct slice *name = &names[n];
		name->ptr = lua_tolstring(L, -1, &name->len);
		if (name->len > NAME_BYTES_MAX)
			script_raise(L, "%s: a field name of %zu bytes; at most %d are allowed", budget->what,
			             name->len, NAME_BYTES_MAX);
		n += !slice_eq(*name, skip);
	}
	qsort(names, n, sizeof *names, by_bytes);
	return n;
}

static uint32_t shape_of(lua_State *L, struct batch *b, const struct slice *names, uint32_t count,
                         const struct value_budget *budget)
{
	uint32_t *keys = room(L, b, count, sizeof *keys);
	int64_t got = 0;

	for (uint32_t i = 0; i < count && got >= 0; i++) {
		got = batch_key(b, names[i]);
		keys[i] = (uint32_t)got;
	}
	if (got >= 0)
		got = batch_shape(b, keys, count);
	if (got == -ENOMEM)
		script_starve(L);
	if (got < 0)
		script_raise(L, "%s: too many different field names", budget->what);
	return (uint32_t)got;
}

void value_object_from_lua(lua_State *L, int index, struct batch *b, struct slice skip, struct object *out,
                           struct value_budget *budget)
{
	uint32_t count;

	is_array(L, index, &count, budget); /* for the count, which the budget bounds */
	struct slice *names = room(L, b, count, sizeof *names);
	struct value *values = room(L, b, count, sizeof *values);
	count = sorted_names(L, index, skip, names, budget);
	out->shape = shape_of(L, b, names, count, budget);
	for (uint32_t i = 0; i < count; i++) {
		lua_pushlstring(L, names[i].ptr, names[i].len);
		lua_rawget(L, index);
		value_from_lua(L, lua_gettop(L), b, &values[i], budget);
		lua_pop(L, 1);
	}
	out->values = values;
}

static void table_from_lua(lua_State *L, int index, struct batch *b, struct value *out, struct value_budget *budget)
{
	uint32_t count;

	if (budget->depth == 0)
		script_raise(L, "%s: nested too deeply", budget->what);
	luaL_checkstack(L, 8, "nested too deeply");
	event_refuse(L, index, budget->what);
	script_check_stopped(L); /* one that was emptied has all its slots */
	budget->depth--;
	if (is_array(L, index, &count, budget)) {
		array_from_lua(L, index, b, out, count, budget);
	} else {
		struct object *object = room(L, b, 1, sizeof *object);
		value_object_from_lua(L, index, b, (struct slice){NULL, 0}, object, budget);
		*out = (struct value){.object = object, .type = VALUE_OBJECT};
	}
	budget->depth++;
}

void value_from_lua(lua_State *L, int index, struct batch *b, struct value *out, struct value_budget *budget)
{
	if (budget->values == 0)
		script_raise(L, "%s: too many values", budget->what);
	budget->values--;
	switch (lua_type(L, index)) {
	case LUA_TNIL:
		*out = (struct value){.type = VALUE_NULL};
		return;
	case LUA_TBOOLEAN:
		*out = (struct value){.boolean = lua_toboolean(L, index), .type = VALUE_BOOL};
		return;
	case LUA_TNUMBER:
		if (!isfinite(lua_tonumber(L, index)))
			script_raise(L, "%s: %s is no value for a field", budget->what, lua_tostring(L, index));
		*out = value_from_number(lua_tonumber(L, index));
		return;
	case LUA_TSTRING:
		string_from_lua(L, index, b, out, budget);
		return;
	case LUA_TTABLE:
		table_from_lua(L, index, b, out, budget);
		return;
	default:
		script_raise(L, "%s: a %s is no value for a field", budget->what, luaL_typename(L, index));
	}
}

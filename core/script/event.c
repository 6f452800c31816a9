/* See event.h for how `ev` works. Here: the table with its metatable, learning, copies and iteration; plans and fills are in fill.c. */
#include "script/event.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/mem.h"
#include "script/internal.h"
#include "script/value.h"

static const char event_mark; /* its address, at [1] of a metatable, says that the table is an `ev` */

struct view *view_new(bool spans)
{
	uint32_t plans = spans ? SPAN_PLANS : VIEW_PLANS;
	struct view *v = mem_zalloc(1, sizeof *v + plans * sizeof *v->plans);

	if (v == NULL)
		return NULL;
	v->spans = spans;
	v->inner = 1 << INNER_ATTRIBUTES;
	v->plan_count = plans;
	v->ev = LUA_NOREF;
	v->generation = 1;
	return v;
}

void view_free(struct view *v)
{
	if (v == NULL)
		return;
	for (uint32_t i = 0; i < v->field_count; i++)
		mem_free(v->fields[i].texts);
	mem_free(v->handlers);
	mem_free(v);
}

bool event_is(lua_State *L, int index)
{
	if (!lua_istable(L, index) || !lua_getmetatable(L, index))
		return false;
	lua_rawgeti(L, -1, 1);
	bool is = lua_touserdata(L, -1) == (const void *)&event_mark;
	lua_pop(L, 2);
	return is;
}

void event_mark_metatable(lua_State *L)
{
	lua_pushlightuserdata(L, (void *)(uintptr_t)&event_mark);
	lua_rawseti(L, -2, 1);
}

void event_refuse(lua_State *L, int index, const char *what)
{
	if (event_is(L, index))
		script_raise(L, "%s: an event holds what was read of it, not all of it; use ev:fields() or ev:copy()",
		             what);
}

/* ---- reading a record ---- */

static void push_time(lua_State *L, const struct record *r)
{
	lua_pushnumber(L, clock_seconds(r->time_ns));
}

/* Of a span that ends before it starts it is 0. */
static void push_duration(lua_State *L, const struct record *r)
{
	struct slice name = SLICE("duration_ns");
	const struct value *v = record_get(r, name, hash_bytes(name.ptr, name.len, hash_seed()));

	if (v != NULL && v->type == VALUE_INT)
		lua_pushnumber(L, event_duration(v));
	else
		lua_pushnil(L);
}

void event_push_field(lua_State *L, const struct record *r, struct slice name)
{
	if (slice_eq(name, SLICE("type"))) {
		struct slice type = record_type_name(r);
		lua_pushlstring(L, type.ptr, type.len);
	} else if (slice_eq(name, SLICE("time"))) {
		push_time(L, r);
	} else if (r->kind == RECORD_SPAN && slice_eq(name, SLICE("duration"))) {
		push_duration(L, r);
	} else {
		const struct value *v = record_get(r, name, hash_bytes(name.ptr, name.len, hash_seed()));
		if (v != NULL)
			value_push(L, r->batch, v);
		else
			lua_pushnil(L);
	}
}

bool event_push_nth(lua_State *L, const struct record *r, uint32_t i)
{
	const struct shape *shape = record_shape(r);

	if (i >= shape->count)
		return false;
	struct slice name = r->batch->keys[shape->keys[i]].name;
	lua_pushlstring(L, name.ptr, name.len);
	value_push(L, r->batch, &r->values[i]);
	return true;
}

void event_push_copy(lua_State *L, const struct record *r)
{
	struct slice type = record_type_name(r);

	lua_createtable(L, 0, (int)record_shape(r)->count + 2);
	for (uint32_t i = 0; event_push_nth(L, r, i); i++)
		lua_rawset(L, -3);
	lua_pushlstring(L, type.ptr, type.len);
	lua_setfield(L, -2, "type");
	push_time(L, r);
	lua_setfield(L, -2, "time");
	if (r->kind != RECORD_SPAN)
		return;
	push_duration(L, r);
	lua_setfield(L, -2, "duration");
}

/* ---- learning ---- */

static uint32_t index_begin(const char *text)
{
	return (uint32_t)((uintptr_t)text >> 4) % VIEW_INDEX;
}

/* The learned field with this interned key, or −1. */
static int field_find(const struct view *v, const char *text)
{
	for (uint32_t i = index_begin(text); v->index[i] != 0; i = (i + 1) % VIEW_INDEX) {
		if (v->fields[v->index[i] - 1].text == text)
			return v->index[i] - 1;
	}
	return -1;
}

static enum field_kind kind_of(const struct view *v, struct slice name)
{
	if (slice_eq(name, SLICE("type")))
		return FIELD_TYPE;
	if (slice_eq(name, SLICE("time")))
		return FIELD_TIME;
	return v->spans && slice_eq(name, SLICE("duration")) ? FIELD_DURATION : FIELD_NAMED;
}

/* Learns the key at `index` of the stack. Its number, or −1 when there is no room. */
static int field_learn(lua_State *L, struct view *v, int index)
{
	struct slice name;

	name.ptr = lua_tolstring(L, index, &name.len);
	if (v->field_count == VIEW_FIELDS)
		return -1;
	lua_pushvalue(L, index);
	int ref = luaL_ref(L, LUA_REGISTRYINDEX);
	uint32_t n = v->field_count++;
	v->fields[n] = (struct field){
	    .text = name.ptr,
	    .len = name.len,
	    .hash = hash_bytes(name.ptr, name.len, hash_seed()),
	    .ref = ref,
	    .kind = kind_of(v, name),
	    .dotted = memchr(name.ptr, '.', name.len) != NULL,
	};
	uint32_t i = index_begin(name.ptr);
	while (v->index[i] != 0)
		i = (i + 1) % VIEW_INDEX;
	v->index[i] = (uint8_t)(n + 1);
	if (v->spans)
		event_learn_inner(v, name);
	v->generation++;
	return (int)n;
}

/* ---- the metatable ---- */

static struct view *view_of(lua_State *L)
{
	return lua_touserdata(L, lua_upvalueindex(1));
}

static const struct record *record_of(lua_State *L, const struct view *v)
{
	if (v->record == NULL)
		script_raise(L, "an event is valid during its call only; keep what you need of it, or ev:copy()");
	return v->record;
}

/* Stores the value on top of the stack (and leaves it there) in the slot of field `n` of the table at 1. */
static void store(lua_State *L, struct view *v, int n)
{
	if (lua_isnil(L, -1))
		return;
	lua_pushvalue(L, 2);
	lua_pushvalue(L, -2);
	lua_rawset(L, 1);
	v->live |= UINT64_C(1) << n;
}

/* The upvalue of ev_index that is the method of this name; 0: it is a field's. */
static int method_of(const char *name)
{
	static const char *const names[] = {"copy", "fields", "get"};

	for (int i = 0; i < 3; i++) {
		if (strcmp(name, names[i]) == 0)
			return i + 2;
	}
	return 0;
}

/* Upvalues: view, copy, fields, get. A slot is nil: the field was not learned, is not there, or is copied when it is read. */
static int ev_index(lua_State *L)
{
	struct view *v = view_of(L);

	if (lua_type(L, 2) != LUA_TSTRING)
		return 0;
	int n = field_find(v, lua_tolstring(L, 2, NULL));
	if (n >= 0 && !v->fields[n].copied)
		return 0;
	const struct record *r = record_of(L, v);
	int method = n < 0 ? method_of(lua_tostring(L, 2)) : 0;
	if (method != 0) {
		lua_pushvalue(L, lua_upvalueindex(method));
		return 1;
	}
	struct slice name;
	name.ptr = lua_tolstring(L, 2, &name.len);
	event_push_field(L, r, name);
	if (n < 0)
		n = field_learn(L, v, 2);
	if (n < 0)
		return 1;
	if (lua_istable(L, -1) && !v->fields[n].copied) {
		v->fields[n].copied = true;
		v->generation++;
	}
	store(L, v, n);
	return 1;
}

/* A slot that is nil is written to, by a script or by a fill. */
static int ev_newindex(lua_State *L)
{
	struct view *v = view_of(L);

	if (lua_type(L, 2) != LUA_TSTRING)
		script_raise(L, "an event has fields with names; a %s is none", luaL_typename(L, 2));
	if (method_of(lua_tostring(L, 2)) != 0) /* learned as a field it would hide the method from all calls to come */
		script_raise(L, "an event: %s is a method", lua_tostring(L, 2));
	int n = field_find(v, lua_tostring(L, 2));
	if (n < 0)
		n = field_learn(L, v, 2);
	if (n < 0)
		script_raise(L, "an event: more than %d different fields; use ev:copy()", VIEW_FIELDS);
	store(L, v, n);
	return 0;
}

/* ---- methods; upvalue: the view ---- */

static void check_self(lua_State *L, const struct view *v, const char *method)
{
	lua_rawgeti(L, LUA_REGISTRYINDEX, v->ev);
	bool same = lua_rawequal(L, 1, -1);
	lua_pop(L, 1);
	if (!same)
		script_raise(L, "call it with a colon, as in ev:%s()", method);
}

static int ev_copy(lua_State *L)
{
	const struct view *v = view_of(L);

	lua_settop(L, 1);
	check_self(L, v, "copy");
	event_push_copy(L, record_of(L, v));
	return 1;
}

static int ev_get(lua_State *L)
{
	const struct view *v = view_of(L);
	struct slice name;

	lua_settop(L, 2);
	check_self(L, v, "get");
	name.ptr = luaL_checklstring(L, 2, &name.len);
	event_push_field(L, record_of(L, v), name);
	return 1;
}

/* Upvalues: view, number of the next field, the call that it belongs to. */
static int next_field(lua_State *L)
{
	const struct view *v = view_of(L);
	uint32_t i = (uint32_t)lua_tointeger(L, lua_upvalueindex(2));

	if ((lua_Number)v->call != lua_tonumber(L, lua_upvalueindex(3)))
		script_raise(L, "ev:fields() is valid during its call only");
	lua_pushinteger(L, i + 1);
	lua_replace(L, lua_upvalueindex(2));
	return event_push_nth(L, record_of(L, v), i) ? 2 : 0;
}

static int ev_fields(lua_State *L)
{
	struct view *v = view_of(L);

	lua_settop(L, 1);
	check_self(L, v, "fields");
	record_of(L, v);
	lua_pushlightuserdata(L, v);
	lua_pushinteger(L, 0);
	lua_pushnumber(L, (lua_Number)v->call);
	lua_pushcclosure(L, next_field, 3);
	return 1;
}

void event_make(lua_State *L, struct view *v)
{
	static const lua_CFunction methods[] = {ev_copy, ev_fields, ev_get};

	lua_createtable(L, 0, 16);
	lua_createtable(L, 1, 3);
	event_mark_metatable(L);
	lua_pushliteral(L, "event");
	lua_setfield(L, -2, "__metatable");
	lua_pushlightuserdata(L, v);
	lua_pushcclosure(L, ev_newindex, 1);
	lua_setfield(L, -2, "__newindex");
	lua_pushlightuserdata(L, v);
	for (int i = 0; i < 3; i++) {
		lua_pushlightuserdata(L, v);
		lua_pushcclosure(L, methods[i], 1);
	}
	lua_pushcclosure(L, ev_index, 4);
	lua_setfield(L, -2, "__index");
	lua_setmetatable(L, -2);
	v->ev = luaL_ref(L, LUA_REGISTRYINDEX);
}

/* The strict `ev`: a table of its own for each call, which can be read and nothing else, and not after the call.
 *
 * What runs has one `ev` for all events of a type (event.c), where two mistakes are silent: what a script writes is gone with the next event, and an
 * `ev` that it keeps shows another one. This one makes them errors, at some microseconds a call. */
#include <stdio.h>

#include "script/internal.h"

enum { UP_VIEW = 1, UP_CALL = 2, UP_NEXT = 3 };

/* The record of the call that the closure belongs to; `what` is done to it. */
static const struct record *record_of(lua_State *L, const char *what)
{
	const struct view *v = lua_touserdata(L, lua_upvalueindex(UP_VIEW));

	if (v->record == NULL || (lua_Number)v->call != lua_tonumber(L, lua_upvalueindex(UP_CALL)))
		script_misused(L, "ev%s: an event is used after its call; keep what you need of it, or ev:copy()",
		               what);
	return v->record;
}

static void check_self(lua_State *L, const char *method)
{
	if (!event_is(L, 1))
		script_raise(L, "call it with a colon, as in ev:%s()", method);
}

/* Pushes a closure for the same call. */
static void push_closure(lua_State *L, lua_CFunction f)
{
	lua_pushvalue(L, lua_upvalueindex(UP_VIEW));
	lua_pushvalue(L, lua_upvalueindex(UP_CALL));
	lua_pushcclosure(L, f, 2);
}

static int ev_copy(lua_State *L)
{
	check_self(L, "copy");
	event_push_copy(L, record_of(L, ":copy()"));
	return 1;
}

static int ev_get(lua_State *L)
{
	struct slice name;

	check_self(L, "get");
	name.ptr = luaL_checklstring(L, 2, &name.len);
	event_push_field(L, record_of(L, ":get()"), name);
	return 1;
}

static int next_field(lua_State *L)
{
	uint32_t i = (uint32_t)lua_tointeger(L, lua_upvalueindex(UP_NEXT));

	lua_pushinteger(L, i + 1);
	lua_replace(L, lua_upvalueindex(UP_NEXT));
	return event_push_nth(L, record_of(L, ":fields()"), i) ? 2 : 0;
}

static int ev_fields(lua_State *L)
{
	check_self(L, "fields");
	record_of(L, ":fields()");
	lua_pushvalue(L, lua_upvalueindex(UP_VIEW));
	lua_pushvalue(L, lua_upvalueindex(UP_CALL));
	lua_pushinteger(L, 0);
	lua_pushcclosure(L, next_field, 3);
	return 1;
}

/* ".name" of the key at 2, for messages; cut where it is long. */
static const char *named(lua_State *L, char *out, size_t size)
{
	snprintf(out, size, ".%s", lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2));
	return out;
}

static int ev_index(lua_State *L)
{
	static const luaL_Reg methods[] = {{"copy", ev_copy}, {"fields", ev_fields}, {"get", ev_get}, {NULL, NULL}};
	char what[128];
	struct slice name;

	const struct record *r = record_of(L, named(L, what, sizeof what));
	if (lua_type(L, 2) != LUA_TSTRING)
		return 0;
	name.ptr = lua_tolstring(L, 2, &name.len);
	for (const luaL_Reg *m = methods; m->name != NULL; m++) {
		if (strcmp(name.ptr, m->name) != 0)
			continue;
		push_closure(L, m->func);
		return 1;
	}
	event_push_field(L, r, name);
	return 1;
}

static int ev_newindex(lua_State *L)
{
	char what[128];

	record_of(L, named(L, what, sizeof what));
	script_misused(L, "ev%s: what is written to an event is gone with the next one; keep it in a local", what);
}

static void push_method(lua_State *L, const struct view *v, lua_CFunction f, const char *name)
{
	lua_pushlightuserdata(L, (void *)(uintptr_t)v);
	lua_pushnumber(L, (lua_Number)v->call);
	lua_pushcclosure(L, f, 2);
	lua_setfield(L, -2, name);
}

int event_push_strict(lua_State *L, struct view *v, const struct record *r, int handler)
{
	v->record = r;
	v->call++;
	lua_rawgeti(L, LUA_REGISTRYINDEX, handler);
	lua_newtable(L);
	lua_createtable(L, 1, 3);
	event_mark_metatable(L);
	push_method(L, v, ev_index, "__index");
	push_method(L, v, ev_newindex, "__newindex");
	lua_pushliteral(L, "event");
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, -2);
	return 1;
}

/* Basic functions that differ from the stock ones: those that could look into `ev`, and load. And what the Lua half needs from C. */
#include <string.h>

#include "script/internal.h"
#include "script/text.h"

/* ---- tables: `ev` is refused, since what lies in it is an accident of what was read before ---- */

/* Upvalue: the stock next, which makes the loop fast. */
static int l_pairs(lua_State *L)
{
	event_refuse(L, 1, "pairs");
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_pushvalue(L, 1);
	lua_pushnil(L);
	return 3;
}

static int l_next(lua_State *L)
{
	event_refuse(L, 1, "next");
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 2);
	if (lua_next(L, 1))
		return 2;
	lua_pushnil(L);
	return 1;
}

static int l_rawget(lua_State *L)
{
	event_refuse(L, 1, "rawget");
	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_checkany(L, 2);
	lua_settop(L, 2);
	lua_rawget(L, 1);
	return 1;
}

static int l_rawset(lua_State *L)
{
	event_refuse(L, 1, "rawset");
	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_checkany(L, 3);
	lua_settop(L, 3);
	lua_rawset(L, 1);
	return 1;
}

/* ---- load ---- */

/* The text at 1, or what the function at 1 gives piece by piece, which replaces it there. */
static struct slice read_chunk(lua_State *L)
{
	struct slice s = {"", 0};
	luaL_Buffer b;

	if (lua_type(L, 1) == LUA_TSTRING) {
		s.ptr = lua_tolstring(L, 1, &s.len);
		return s;
	}
	luaL_checktype(L, 1, LUA_TFUNCTION);
	script_check_stack(L);
	luaL_buffinit(L, &b);
	for (size_t total = 0;;) {
		size_t len = 0;
		lua_pushvalue(L, 1);
		lua_call(L, 0, 1);
		if (lua_isnil(L, -1) || (lua_tolstring(L, -1, &len) != NULL && len == 0))
			break;
		if (lua_type(L, -1) != LUA_TSTRING)
			script_raise(L, "load: the reader gave a %s, not a text", luaL_typename(L, -1));
		total += len;
		if (total > LOAD_TEXT_MAX)
			script_raise(L, "load: a text of more than %d bytes", LOAD_TEXT_MAX);
		luaL_addvalue(&b);
	}
	lua_pop(L, 1);
	luaL_pushresult(&b);
	lua_replace(L, 1);
	s.ptr = lua_tolstring(L, 1, &s.len);
	return s;
}

/* load(text or function, name, mode, environment): the function, or nil and what is wrong. The mode is always text. */
static int l_load(lua_State *L)
{
	lua_settop(L, 4);
	struct slice text = read_chunk(L);
	const char *name = luaL_optstring(L, 2, "=(load)");

	if (text.len > LOAD_TEXT_MAX)
		script_raise(L, "load: a text of %zu bytes; at most %d are allowed", text.len, LOAD_TEXT_MAX);
	if (script_load_text(L, text, name) != 0) {
		lua_pushnil(L);
		lua_insert(L, -2);
		return 2;
	}
	if (!lua_isnil(L, 4)) {
		luaL_checktype(L, 4, LUA_TTABLE);
		lua_pushvalue(L, 4);
		lua_setfenv(L, -2);
	}
	return 1;
}

/* ---- for the Lua half ---- */

static int l_fail(lua_State *L)
{
	script_raise(L, "%s", luaL_checkstring(L, 1));
}

/* "scripts/metrics/cost.lua:12" */
static int l_where(lua_State *L)
{
	char where[WHERE_MAX];

	script_where(L, where);
	size_t len = strlen(where);
	lua_pushlstring(L, where, len >= 2 ? len - 2 : len);
	return 1;
}

/* Raises unless the top level runs; its argument is the constructor's name. */
static int l_loading(lua_State *L)
{
	script_check_loading(L, script_of(L), luaL_checkstring(L, 1));
	return 0;
}

/* Raises when calls are nested so deeply that ending them one by one would take long: a call that is cut off unwinds at some 3 µs a pcall. Coroutines inside each other
 * have a stack each; what they may have together is less than twice what one may. */
static int l_check_depth(lua_State *L)
{
	uint32_t n = script_of(L)->coroutines + 1;
	uint32_t share = n > PCALL_DEPTH_MAX ? 0 : PCALL_DEPTH_MAX / (n * n);
	uint32_t max = share > PCALL_DEPTH_MIN ? share : PCALL_DEPTH_MIN;
	lua_Debug ar;

	if (lua_getstack(L, (int)max, &ar) != 0)
		script_raise(L, "pcall: calls are nested too deeply (more than %u)", max);
	return 0;
}

/* A length of time in seconds; the second argument begins the message where it is none. */
static int l_seconds(lua_State *L)
{
	lua_pushnumber(L, clock_seconds(text_duration(L, 1, luaL_checkstring(L, 2), 1, INTERVAL_MAX)));
	return 1;
}

/* A number that tells calls apart. */
static int l_call(lua_State *L)
{
	const struct script *s = script_of(L);

	lua_pushnumber(L,
	               s->watch == NULL ? 0 : (lua_Number)atomic_load_explicit(&s->watch->call, memory_order_relaxed));
	return 1;
}

/* The compiled module of this name, or nil. */
static int l_module(lua_State *L)
{
	const struct script_set *set = script_of(L)->set;
	struct slice name;
	char chunk[WHERE_MAX];

	name.ptr = luaL_checklstring(L, 1, &name.len);
	for (uint32_t i = 0; i < set->module_count; i++) {
		const struct module *m = &set->modules[i];
		if (!slice_eq(m->name, name))
			continue;
		snprintf(chunk, sizeof chunk, "@%.*s", SLICE_ARG(m->path));
		if (script_load_text(L, m->text, chunk) != 0)
			lua_error(L);
		return 1;
	}
	return 0;
}

static int l_now(lua_State *L)
{
	lua_pushnumber(L, clock_seconds(script_of(L)->host->now_ns));
	return 1;
}

void lib_base_open(lua_State *L)
{
	static const luaL_Reg functions[] = {{"next", l_next}, {"rawget", l_rawget}, {"rawset", l_rawset},
	                                     {"load", l_load}, {"now", l_now},       {"loadstring", l_load},
	                                     {NULL, NULL}};

	lua_getfield(L, -1, "next");
	lua_pushcclosure(L, l_pairs, 1);
	lua_setfield(L, -2, "pairs");
	for (const luaL_Reg *f = functions; f->name != NULL; f++) {
		lua_pushcfunction(L, f->func);
		lua_setfield(L, -2, f->name);
	}
}

void lib_base_core(lua_State *L)
{
	static const luaL_Reg functions[] = {{"fail", l_fail},
	                                     {"seconds", l_seconds},
	                                     {"where", l_where},
	                                     {"loading", l_loading},
	                                     {"call", l_call},
	                                     {"module", l_module},
	                                     {"check_depth", l_check_depth},
	                                     {NULL, NULL}};

	for (const luaL_Reg *f = functions; f->name != NULL; f++) {
		lua_pushcfunction(L, f->func);
		lua_setfield(L, -2, f->name);
	}
}

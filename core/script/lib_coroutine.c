/* coroutine.resume and coroutine.wrap with a guarded C stack: each running coroutine has a frame on it, and the stock functions recurse until it
 * overflows. create, yield, status, running, isyieldable are the stock ones. */
#include "script/internal.h"

/* Why `co` cannot be resumed; NULL: it can. */
static const char *not_suspended(lua_State *L, lua_State *co)
{
	lua_Debug ar;
	int status = lua_status(co);

	if (co == L)
		return "cannot resume non-suspended coroutine";
	if (status == LUA_YIELD)
		return NULL;
	if (status == 0 && lua_getstack(co, 0, &ar) > 0)
		return "cannot resume non-suspended coroutine"; /* it waits for one that it resumed itself */
	return status != 0 || lua_gettop(co) == 0 ? "cannot resume dead coroutine" : NULL;
}

/* Resumes `co` with the `n` values on top of L. The number of results, now on top of L; or −1 and the error. */
static int resume(lua_State *L, lua_State *co, int n)
{
	script_check_stack(L);
	const char *fault = not_suspended(L, co);
	if (fault == NULL && !lua_checkstack(co, n + 1))
		fault = "too many arguments to resume";
	if (fault != NULL) {
		lua_pop(L, n);
		lua_pushstring(L, fault);
		return -1;
	}
	lua_xmove(L, co, n);
	struct script *s = script_of(L);
	s->coroutines++;
	int status = lua_resume(co, n); /* raises nothing */
	s->coroutines--;
	if (s->watch != NULL && watch_stopped(s->watch))
		script_raise_cut(L);
	if (status != 0 && status != LUA_YIELD) {
		lua_xmove(co, L, 1);
		return -1;
	}
	int results = lua_gettop(co);
	luaL_checkstack(L, results + 1, "too many results to resume");
	lua_xmove(co, L, results);
	return results;
}

static int l_resume(lua_State *L)
{
	lua_State *co = lua_tothread(L, 1);

	luaL_argcheck(L, co != NULL, 1, "coroutine expected");
	int n = resume(L, co, lua_gettop(L) - 1);
	lua_pushboolean(L, n >= 0);
	lua_insert(L, n >= 0 ? -(n + 1) : -2);
	return n >= 0 ? n + 1 : 2;
}

/* Upvalue: the coroutine. */
static int call_wrapped(lua_State *L)
{
	int n = resume(L, lua_tothread(L, lua_upvalueindex(1)), lua_gettop(L));

	if (n >= 0)
		return n;
	return lua_error(L);
}

static int l_wrap(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TFUNCTION);
	lua_settop(L, 1);
	lua_State *co = lua_newthread(L);
	lua_insert(L, 1);
	lua_xmove(L, co, 1);
	lua_pushcclosure(L, call_wrapped, 1);
	return 1;
}

void lib_coroutine_open(lua_State *L)
{
	lua_pushcfunction(L, l_resume);
	lua_setfield(L, -2, "resume");
	lua_pushcfunction(L, l_wrap);
	lua_setfield(L, -2, "wrap");
}

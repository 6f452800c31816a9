/* state(name): the methods of the key-value stores. A method is a closure over its state_ref, so that calling one costs no look-up
 * by name. */
#include <errno.h>
#include <math.h>

#include "base/check.h"
#include "base/mem.h"
#include "script/internal.h"
#include "script/text.h"

enum { KEYS_MAX = 10000 };

static struct state_ref *ref_of(lua_State *L)
{
	return lua_touserdata(L, lua_upvalueindex(1));
}

/* The state, without what has expired. Raises at the top level, where another thread owns it. */
static struct state *open_state(lua_State *L, struct script *s, const char *method)
{
	struct state_ref *ref = ref_of(L);
	struct state_store *store = s->host->states;

	if (s->phase != PHASE_CALL && s->phase != PHASE_FILTER)
		script_raise(L, "state \"%.*s\": %s is for handlers and every()", SLICE_ARG(ref->name), method);
	if (ref->state == NULL || ref->generation != state_store_generation(store)) {
		int rc = state_open(store, ref->name, &ref->state);
		if (rc == -ENOMEM)
			script_starve(L);
		if (rc != 0)
			script_raise(L, "state \"%.*s\": there are too many states", SLICE_ARG(ref->name));
		ref->generation = state_store_generation(store);
	}
	state_expire(ref->state, s->host->now_ns);
	return ref->state;
}

static struct slice check_key(lua_State *L, char *buf)
{
	struct slice key;
	const struct state_ref *ref = ref_of(L);

	if (lua_isboolean(L, 2) || !text_of(L, 2, buf, &key))
		script_raise(L, "state \"%.*s\": a key is a string or number, not %s", SLICE_ARG(ref->name),
		             luaL_typename(L, 2));
	if (key.len > STATE_KEY_MAX)
		script_raise(L, "state \"%.*s\": a key of %zu bytes; at most %d are allowed", SLICE_ARG(ref->name),
		             key.len, STATE_KEY_MAX);
	return key;
}

static void push_value(lua_State *L, const struct state_value *v)
{
	switch (v->type) {
	case STATE_NUMBER:
		lua_pushnumber(L, v->number);
		return;
	case STATE_STRING:
		lua_pushlstring(L, v->text.ptr, v->text.len);
		return;
	case STATE_FALSE:
	case STATE_TRUE:
		lua_pushboolean(L, v->type == STATE_TRUE);
		return;
	}
}

static int l_get(lua_State *L)
{
	char buf[NUMBER_TEXT_MAX];
	struct state *t = open_state(L, script_of(L), "get");
	struct state_value v;

	if (!state_get(t, check_key(L, buf), &v))
		return 0;
	push_value(L, &v);
	return 1;
}

static struct state_value check_value(lua_State *L, int index)
{
	const struct state_ref *ref = ref_of(L);
	struct state_value v = {.type = STATE_NUMBER};

	switch (lua_type(L, index)) {
	case LUA_TNUMBER:
		v.number = lua_tonumber(L, index);
		if (isnan(v.number))
			script_raise(L, "state \"%.*s\": NaN is no value", SLICE_ARG(ref->name));
		return v;
	case LUA_TBOOLEAN:
		v.type = lua_toboolean(L, index) ? STATE_TRUE : STATE_FALSE;
		return v;
	case LUA_TSTRING:
		v.type = STATE_STRING;
		v.text.ptr = lua_tolstring(L, index, &v.text.len);
		if (v.text.len > STATE_TEXT_MAX)
			script_raise(L, "state \"%.*s\": a text of %zu bytes; at most %d are allowed",
			             SLICE_ARG(ref->name), v.text.len, STATE_TEXT_MAX);
		return v;
	default:
		script_raise(L, "state \"%.*s\": a value is a string, number or boolean, not a %s",
		             SLICE_ARG(ref->name), luaL_typename(L, index));
	}
}

/* Sets, and raises where that fails; whether the key is new. */
static bool put(lua_State *L, struct state *t, struct slice key, const struct state_value *v, int64_t expires_ns)
{
	const struct script *s = script_of(L);
	int rc = state_set(t, key, v, expires_ns);

	/* States forget what has expired when they are asked for something, also by filters, which are not replayed: whether there is room must
	 * not depend on that. */
	if (rc == -ENOSPC) {
		state_store_expire(s->host->states, s->host->now_ns);
		rc = state_set(t, key, v, expires_ns);
	}
	if (rc == -ENOSPC)
		script_raise(L, "state \"%.*s\": full: all states together may hold %u MiB", SLICE_ARG(ref_of(L)->name),
		             s->host->options.state_mb);
	if (rc < 0)
		script_starve(L);
	return rc == 1;
}

static int l_set(lua_State *L)
{
	char buf[NUMBER_TEXT_MAX];
	struct script *s = script_of(L);

	script_check_changes(L, s, "state:set");
	struct state *t = open_state(L, s, "set");
	struct slice key = check_key(L, buf);
	int64_t expires_ns = INT64_MAX;
	bool fresh = false;

	if (!lua_isnoneornil(L, 4))
		expires_ns = s->host->now_ns + text_duration(L, 4, "state:set: ttl", 1, INTERVAL_MAX);
	if (lua_isnoneornil(L, 3)) {
		state_remove(t, key);
	} else {
		struct state_value v = check_value(L, 3);
		fresh = put(L, t, key, &v, expires_ns);
	}
	lua_pushboolean(L, fresh);
	script_effect(L, s);
	return 1;
}

static int l_incr(lua_State *L)
{
	char buf[NUMBER_TEXT_MAX];
	struct script *s = script_of(L);

	script_check_changes(L, s, "state:incr");
	struct state *t = open_state(L, s, "incr");
	struct slice key = check_key(L, buf);
	struct state_value v = {.type = STATE_NUMBER};

	state_get(t, key, &v);
	if (v.type != STATE_NUMBER)
		script_raise(L, "state \"%.*s\": incr wants a number, \"%.*s\" holds none", SLICE_ARG(ref_of(L)->name),
		             (int)(key.len < 100 ? key.len : 100), key.ptr);
	v.number += luaL_optnumber(L, 3, 1);
	if (isnan(v.number))
		script_raise(L, "state \"%.*s\": NaN is no value", SLICE_ARG(ref_of(L)->name));
	put(L, t, key, &v, state_expires(t, key));
	lua_pushnumber(L, v.number);
	script_effect(L, s);
	return 1;
}

static int l_count(lua_State *L)
{
	lua_pushinteger(L, state_count(open_state(L, script_of(L), "count")));
	return 1;
}

static void push_keys(lua_State *L, const char *method)
{
	struct state *t = open_state(L, script_of(L), method);
	struct slice key;
	uint32_t at = 0;

	lua_newtable(L);
	for (int n = 1; n <= KEYS_MAX && state_next(t, &at, &key); n++) {
		lua_pushlstring(L, key.ptr, key.len);
		lua_rawseti(L, -2, n);
	}
}

static int l_keys(lua_State *L)
{
	push_keys(L, "keys");
	return 1;
}

/* Upvalues: state_ref, keys, number of the last one. Keys that are gone meanwhile are passed over. */
static int next_pair(lua_State *L)
{
	struct state *t = open_state(L, script_of(L), "pairs");
	int n = (int)lua_tointeger(L, lua_upvalueindex(3));
	struct state_value v;
	struct slice key;

	for (;;) {
		lua_rawgeti(L, lua_upvalueindex(2), ++n);
		if (lua_isnil(L, -1))
			return 0;
		key.ptr = lua_tolstring(L, -1, &key.len);
		if (state_get(t, key, &v))
			break;
		lua_pop(L, 1);
	}
	lua_pushinteger(L, n);
	lua_replace(L, lua_upvalueindex(3));
	push_value(L, &v);
	return 2;
}

static int l_pairs(lua_State *L)
{
	lua_pushlightuserdata(L, ref_of(L));
	push_keys(L, "pairs");
	lua_pushinteger(L, 0);
	lua_pushcclosure(L, next_pair, 3);
	return 1;
}

/* The set's reference to a state of this name. */
static struct state_ref *make_ref(lua_State *L, struct slice name)
{
	struct state_ref *ref = script_keep_room(L, sizeof *ref, "state");

	*ref = (struct state_ref){.name = script_keep(L, name, "state")};
	return ref;
}

static int l_state(lua_State *L)
{
	static const luaL_Reg methods[] = {{"get", l_get},   {"set", l_set},     {"incr", l_incr}, {"count", l_count},
	                                   {"keys", l_keys}, {"pairs", l_pairs}, {NULL, NULL}};
	struct script *s = script_of(L);
	struct slice name;

	script_check_loading(L, s, "state");
	name.ptr = luaL_checklstring(L, 1, &name.len);
	if (name.len == 0 || name.len > STATE_KEY_MAX)
		script_raise(L, "state: a name has 1 to %d bytes", STATE_KEY_MAX);
	struct state_ref *ref = make_ref(L, name);
	lua_createtable(L, 0, 8);
	for (const luaL_Reg *m = methods; m->name != NULL; m++) {
		lua_pushlightuserdata(L, ref);
		lua_pushcclosure(L, m->func, 1);
		lua_setfield(L, -2, m->name);
	}
	return 1;
}

void lib_state_open(lua_State *L)
{
	lua_pushcfunction(L, l_state);
	lua_setfield(L, -2, "state");
}

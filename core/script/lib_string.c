/* The string functions that the stock library does not bound: find, match, gmatch, gsub by our own matcher (match.h), rep by size, format by
 * nesting. Arguments, results and errors are LuaJIT's. The others (byte, char, len, lower, reverse, sub, upper) are the stock ones. */
#include <string.h>

#include "script/internal.h"
#include "script/match.h"

static bool stopped(const void *ctx)
{
	const struct script *s = ctx;

	return s->watch != NULL && watch_stopped(s->watch);
}

static void begin(lua_State *L, struct match *m, struct slice text, struct slice pattern)
{
	match_init(m, text, pattern.ptr + pattern.len, stopped, script_of(L));
}

/* Raises what a match without a result has to say, if anything. */
static void check(lua_State *L, const struct match *m)
{
	if (m->cut)
		script_raise_cut(L);
	if (m->error != NULL)
		script_raise(L, "%s", m->error);
}

static struct slice check_text(lua_State *L, int arg)
{
	struct slice s;

	s.ptr = luaL_checklstring(L, arg, &s.len);
	return s;
}

/* ---- captures ---- */

/* Pushes capture `i`; where the pattern has none, the whole match is the first. */
static void push_capture(lua_State *L, const struct match *m, uint32_t i, const char *from, const char *to)
{
	if (i >= m->count) {
		if (i != 0)
			script_raise(L, "invalid capture index");
		lua_pushlstring(L, from, (size_t)(to - from));
		return;
	}
	const struct match_capture *c = &m->captures[i];
	if (c->len == MATCH_OPEN)
		script_raise(L, "unfinished capture");
	if (c->len == MATCH_POSITION)
		lua_pushinteger(L, c->at - m->text + 1);
	else
		lua_pushlstring(L, c->at, (size_t)c->len);
}

/* Pushes all captures; `from` NULL: without the whole match where there are none. */
static int push_captures(lua_State *L, const struct match *m, const char *from, const char *to)
{
	uint32_t n = m->count == 0 && from != NULL ? 1 : m->count;

	luaL_checkstack(L, (int)n, "too many captures");
	for (uint32_t i = 0; i < n; i++)
		push_capture(L, m, i, from, to);
	return (int)n;
}

/* ---- find, match ---- */

/* The first match at or behind `at`, or at `at` alone for a pattern that begins with '^'. Its begin; *end its end. */
static const char *seek(struct match *m, const char *at, struct slice pattern, const char **end)
{
	const char *p = pattern.ptr;
	bool anchored = pattern.len > 0 && *p == '^';

	for (; at <= m->text_end; at++) {
		m->count = 0;
		*end = match_at(m, at, p + anchored);
		if (*end != NULL)
			return at;
		if (anchored || m->error != NULL || m->cut)
			return NULL;
	}
	return NULL;
}

/* Where the third argument says to begin; may lie behind the end. */
static size_t offset(lua_State *L, size_t len)
{
	lua_Integer init = luaL_optinteger(L, 3, 1);

	if (init < 0) {
		init += (lua_Integer)len + 1;
		return init > 0 ? (size_t)init - 1 : 0;
	}
	return init > 0 ? (size_t)init - 1 : 0;
}

static int find_or_match(lua_State *L, bool find)
{
	struct slice text = check_text(L, 1);
	struct slice pattern = check_text(L, 2);
	size_t init = offset(L, text.len);
	struct match m;
	const char *end = NULL;

	if (init > text.len)
		init = text.len; /* as LuaJIT without Lua 5.2's ways has it */
	begin(L, &m, text, pattern);
	if (find && (lua_toboolean(L, 4) || match_is_plain(pattern))) {
		const char *at = match_plain(&m, text.ptr + init, pattern);
		check(L, &m);
		if (at == NULL) {
			lua_pushnil(L);
			return 1;
		}
		lua_pushinteger(L, at - text.ptr + 1);
		lua_pushinteger(L, at - text.ptr + (lua_Integer)pattern.len);
		return 2;
	}
	const char *at = seek(&m, text.ptr + init, pattern, &end);
	check(L, &m);
	if (at == NULL) {
		lua_pushnil(L);
		return 1;
	}
	if (!find)
		return push_captures(L, &m, at, end);
	lua_pushinteger(L, at - text.ptr + 1);
	lua_pushinteger(L, end - text.ptr);
	return push_captures(L, &m, NULL, NULL) + 2;
}

static int l_find(lua_State *L)
{
	return find_or_match(L, true);
}

static int l_match(lua_State *L)
{
	return find_or_match(L, false);
}

/* ---- gmatch ---- */

/* Upvalues: text, pattern, offset of the next try. */
static int gmatch_next(lua_State *L)
{
	struct slice text, pattern;
	struct match m;

	text.ptr = lua_tolstring(L, lua_upvalueindex(1), &text.len);
	pattern.ptr = lua_tolstring(L, lua_upvalueindex(2), &pattern.len);
	begin(L, &m, text, pattern);
	for (const char *at = text.ptr + (size_t)lua_tointeger(L, lua_upvalueindex(3)); at <= m.text_end; at++) {
		m.count = 0;
		const char *end = match_at(&m, at, pattern.ptr);
		check(L, &m);
		if (end == NULL)
			continue;
		lua_pushinteger(L, end - text.ptr + (end == at)); /* an empty match moves on by one */
		lua_replace(L, lua_upvalueindex(3));
		return push_captures(L, &m, at, end);
	}
	lua_pushinteger(L, (lua_Integer)text.len + 1);
	lua_replace(L, lua_upvalueindex(3));
	return 0;
}

static int l_gmatch(lua_State *L)
{
	check_text(L, 1);
	check_text(L, 2);
	lua_settop(L, 2);
	lua_pushinteger(L, 0);
	lua_pushcclosure(L, gmatch_next, 3);
	return 1;
}

/* ---- gsub ---- */

/* Text that grows in a userdata, so that the state pays for it and an error frees it. At a fixed place of the stack. */
struct out {
	lua_State *L;
	char *bytes;
	size_t len, cap;
	int slot;
};

static void out_grow(struct out *o, size_t extra)
{
	if (extra > SIZE_MAX / 4 - o->len)
		script_raise(o->L, "the resulting text is too long");
	size_t cap = o->cap * 2 > o->len + extra ? o->cap * 2 : o->len + extra;
	char *bytes = lua_newuserdata(o->L, cap);
	if (o->len != 0)
		memcpy(bytes, o->bytes, o->len);
	lua_replace(o->L, o->slot);
	o->bytes = bytes;
	o->cap = cap;
}

static void out_add(struct out *o, const char *s, size_t len)
{
	if (len > o->cap - o->len)
		out_grow(o, len);
	if (len != 0)
		memcpy(o->bytes + o->len, s, len);
	o->len += len;
}

/* The value on top of the stack, which is a string or number. */
static void out_add_top(struct out *o)
{
	size_t len;
	const char *s = lua_tolstring(o->L, -1, &len);

	out_add(o, s, len);
	lua_pop(o->L, 1);
}

enum { ARG_TEXT = 1, ARG_PATTERN, ARG_REPLACEMENT, ARG_MAX, SLOT_OUT };
enum { ITEM_STEPS = 8 }; /* of the matcher, that an item of a replacement is worth */

/* A text with %0 … %9 in it. Its items count as steps: captures of nothing cost time and make no output that the memory limit would see. */
static void add_template(struct out *o, struct match *m, const char *from, const char *to)
{
	size_t len;
	const char *t = lua_tolstring(o->L, ARG_REPLACEMENT, &len);
	const char *end = t + len;

	while (t < end) {
		if (!match_tick(m, ITEM_STEPS))
			script_raise_cut(o->L);
		const char *percent = memchr(t, '%', (size_t)(end - t));
		if (percent == NULL)
			percent = end;
		out_add(o, t, (size_t)(percent - t));
		if (percent == end)
			return;
		char c = percent + 1 < end ? percent[1] : '\0';
		t = percent + 2;
		if (c < '0' || c > '9') {
			out_add(o, &c, 1);
		} else if (c == '0') {
			out_add(o, from, (size_t)(to - from));
		} else {
			push_capture(o->L, m, (uint32_t)(c - '1'), from, to);
			out_add_top(o);
		}
	}
}

/* Calls or indexes the replacement; its value, or the match itself for nil and false. */
static void add_value(struct out *o, const struct match *m, const char *from, const char *to)
{
	lua_State *L = o->L;

	if (lua_type(L, ARG_REPLACEMENT) == LUA_TTABLE) {
		push_capture(L, m, 0, from, to);
		lua_gettable(L, ARG_REPLACEMENT);
	} else {
		lua_pushvalue(L, ARG_REPLACEMENT);
		lua_call(L, push_captures(L, m, from, to), 1);
	}
	if (!lua_toboolean(L, -1)) {
		lua_pop(L, 1);
		out_add(o, from, (size_t)(to - from));
		return;
	}
	if (!lua_isstring(L, -1))
		script_raise(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
	out_add_top(o);
}

static void gsub_check_args(lua_State *L)
{
	int type = lua_type(L, ARG_REPLACEMENT);

	if (type != LUA_TNUMBER && type != LUA_TSTRING && type != LUA_TFUNCTION && type != LUA_TTABLE)
		luaL_argerror(L, ARG_REPLACEMENT, "string/function/table expected");
	if (type == LUA_TNUMBER)
		lua_tolstring(L, ARG_REPLACEMENT, NULL);
}

/* Replaces in `text`; returns how often. */
static lua_Integer gsub_all(lua_State *L, struct out *o, struct slice text, struct slice pattern, lua_Integer max)
{
	struct match m;
	bool anchored = pattern.len > 0 && *pattern.ptr == '^';
	bool is_text = lua_type(L, ARG_REPLACEMENT) == LUA_TSTRING;
	const char *at = text.ptr;
	lua_Integer n = 0;

	begin(L, &m, text, pattern);
	while (n < max) {
		m.count = 0;
		const char *end = match_at(&m, at, pattern.ptr + anchored);
		check(L, &m);
		if (end != NULL) {
			n++;
			if (is_text)
				add_template(o, &m, at, end);
			else
				add_value(o, &m, at, end);
		}
		if (end != NULL && end > at)
			at = end;
		else if (at < m.text_end)
			out_add(o, at++, 1);
		else
			break;
		if (anchored)
			break;
	}
	out_add(o, at, (size_t)(m.text_end - at));
	return n;
}

static int l_gsub(lua_State *L)
{
	struct slice text = check_text(L, ARG_TEXT);
	struct slice pattern = check_text(L, ARG_PATTERN);
	lua_Integer max = luaL_optinteger(L, ARG_MAX, (lua_Integer)text.len + 1);

	gsub_check_args(L);
	lua_settop(L, ARG_MAX);
	lua_pushnil(L); /* SLOT_OUT */
	struct out o = {.L = L, .slot = SLOT_OUT};
	script_check_stack(L);
	lua_Integer n = gsub_all(L, &o, text, pattern, max);
	lua_pushlstring(L, o.bytes, o.len);
	lua_pushinteger(L, n);
	return 2;
}

/* ---- rep, format ---- */

/* Writes `total` bytes: the unit that is there already, again and again, each time twice as much. */
static void repeat(char *bytes, size_t unit, size_t total)
{
	for (size_t have = unit; have < total; have *= 2)
		memcpy(bytes + have, bytes, have < total - have ? have : total - have);
}

static int l_rep(lua_State *L)
{
	struct slice s = check_text(L, 1);
	lua_Integer n = luaL_checkinteger(L, 2);
	struct slice sep = {"", 0};

	if (!lua_isnoneornil(L, 3))
		sep = check_text(L, 3);
	size_t unit = s.len + sep.len;
	if (n <= 0 || unit == 0) {
		lua_pushlstring(L, "", 0);
		return 1;
	}
	if ((size_t)n > script_of(L)->heap.cap / unit)
		script_raise(L, "string.rep: the resulting text is too long");
	size_t total = (size_t)n * unit;
	char *bytes = lua_newuserdata(L, total);
	memcpy(bytes, s.ptr, s.len);
	memcpy(bytes + s.len, sep.ptr, sep.len);
	repeat(bytes, unit, total);
	lua_pushlstring(L, bytes, total - sep.len);
	return 1;
}

/* Has the value a __tostring that format would call? */
static bool converts_itself(lua_State *L, int index)
{
	int type = lua_type(L, index);

	if ((type != LUA_TTABLE && type != LUA_TUSERDATA) || !luaL_getmetafield(L, index, "__tostring"))
		return false;
	lua_pop(L, 1);
	return true;
}

/* The stock function, called from C, sees neither its own name nor the script's line. */
static void raise_format_error(lua_State *L, const char *text)
{
	const char *unknown = strstr(text, "'?'");

	if (unknown == NULL)
		script_raise(L, "%s", text);
	script_raise(L, "%.*s'format'%s", (int)(unknown - text), text, unknown + 3);
}

/* Upvalues: the stock format, tostring. Values that convert themselves are converted here, where the stack is guarded. */
static int l_format(lua_State *L)
{
	int n = lua_gettop(L);

	luaL_checkstack(L, 4, "too many arguments");
	for (int i = 2; i <= n; i++) {
		if (!converts_itself(L, i))
			continue;
		script_check_stack(L);
		lua_pushvalue(L, lua_upvalueindex(2));
		lua_pushvalue(L, i);
		lua_call(L, 1, 1);
		lua_replace(L, i);
	}
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	int status = lua_pcall(L, n, 1, 0);
	if (status == LUA_ERRRUN && lua_type(L, -1) == LUA_TSTRING)
		raise_format_error(L, lua_tostring(L, -1));
	if (status != 0)
		lua_error(L);
	return 1;
}

void lib_string_open(lua_State *L)
{
	static const luaL_Reg functions[] = {{"find", l_find}, {"match", l_match}, {"gmatch", l_gmatch},
	                                     {"gsub", l_gsub}, {"rep", l_rep},     {NULL, NULL}};

	for (const luaL_Reg *f = functions; f->name != NULL; f++) {
		lua_pushcfunction(L, f->func);
		lua_setfield(L, -2, f->name);
	}
	lua_getfield(L, -1, "format");
	lua_getglobal(L, "tostring");
	lua_pushcclosure(L, l_format, 2);
	lua_setfield(L, -2, "format");
}

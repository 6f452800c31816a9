/* trace:find{ name = "chat", ["gen_ai.operation.name"] = { "chat", "text_completion" } }: the spans with all these values. The names are looked up once; from then on spans are compared without Lua, so that
 * what does not match costs some nanoseconds. */
#include "script/internal.h"
#include "script/trace_internal.h"

enum { CONDITIONS_MAX = 16, WANTED_MAX = 128 /* values, of all conditions */ };

/* A value that is wanted. A text lies in a string of Lua that the iterator holds. */
struct wanted {
	uint8_t type; /* LUA_TSTRING, LUA_TNUMBER, LUA_TBOOLEAN */
	bool boolean; /* false: also where there is nothing */
	double number;
	struct slice text;
};

struct find_condition {
	struct span_field field;
	uint32_t first, count; /* of the values, of which one is enough */
};

/* The iterator's state; behind it the values. */
struct find {
	uint64_t call;
	uint32_t at; /* the span that is next */
	uint32_t condition_count, wanted_count;
	struct find_condition conditions[CONDITIONS_MAX];
	struct wanted wanted[WANTED_MAX];
};

static bool is_wanted(const struct wanted *w, const struct span_value *v)
{
	switch (w->type) {
	case LUA_TSTRING:
		return v->type == SPAN_TEXT && slice_eq(v->text, w->text);
	case LUA_TNUMBER:
		return v->type == SPAN_NUMBER && v->number == w->number;
	default:
		if (!w->boolean && v->type == SPAN_NIL)
			return true;
		return v->type == SPAN_BOOL && (v->number != 0) == w->boolean;
	}
}

static bool matches(lua_State *L, const struct find *f, uint32_t span)
{
	struct span_value value;

	for (uint32_t i = 0; i < f->condition_count; i++) {
		const struct find_condition *c = &f->conditions[i];
		bool any = false;
		span_field_read(L, &c->field, span, &value);
		for (uint32_t k = 0; k < c->count && !any; k++)
			any = is_wanted(&f->wanted[c->first + k], &value);
		if (!any)
			return false;
	}
	return true;
}

/* Upvalues: the struct find, a table of the texts. */
static int next_found(lua_State *L)
{
	struct find *f = lua_touserdata(L, lua_upvalueindex(1));

	trace_check_call(L, f->call, "trace:find");
	struct script *s = script_of(L);
	uint32_t count = s->trace_view.trace->span_count;
	while (f->at < count) {
		uint32_t span = f->at++;
		if (span % TRACE_STOP_EVERY == 0)
			script_check_stopped(L);
		if (!matches(L, f, span))
			continue;
		trace_push_span(L, s, span);
		return 1;
	}
	return 0;
}

/* Adds the value on top of the stack, which is taken; its text is held by the table at 4. */
static void add_wanted(lua_State *L, struct find *f)
{
	int type = lua_type(L, -1);

	if (type != LUA_TSTRING && type != LUA_TNUMBER && type != LUA_TBOOLEAN)
		script_raise(L, "trace:find: a value is a string, number or boolean, or a list of them, not a %s",
		             lua_typename(L, type));
	if (f->wanted_count == WANTED_MAX)
		script_raise(L, "trace:find: more than %d values", WANTED_MAX);
	struct wanted *w = &f->wanted[f->wanted_count++];
	*w = (struct wanted){.type = (uint8_t)type, .boolean = lua_toboolean(L, -1)};
	if (type == LUA_TNUMBER)
		w->number = lua_tonumber(L, -1);
	if (type != LUA_TSTRING) {
		lua_pop(L, 1);
		return;
	}
	w->text.ptr = lua_tolstring(L, -1, &w->text.len);
	lua_rawseti(L, 4, (int)f->wanted_count);
}

/* The condition whose name lies at −2 and whose value at −1. */
static void add_condition(lua_State *L, struct find *f, const struct trace *t)
{
	if (lua_type(L, -2) != LUA_TSTRING)
		script_raise(L, "trace:find: a field is named by a string, not by a %s", luaL_typename(L, -2));
	if (f->condition_count == CONDITIONS_MAX)
		script_raise(L, "trace:find: more than %d fields", CONDITIONS_MAX);
	struct find_condition *c = &f->conditions[f->condition_count++];
	*c = (struct find_condition){.field = span_field_named(L, lua_gettop(L) - 1, t), .first = f->wanted_count};
	if (lua_type(L, -1) == LUA_TTABLE) {
		event_refuse(L, lua_gettop(L), "trace:find");
		size_t n = lua_objlen(L, -1);
		if (n > WANTED_MAX)
			script_raise(L, "trace:find: more than %d values", WANTED_MAX);
		for (size_t i = 1; i <= n; i++) {
			lua_rawgeti(L, -1, (int)i);
			add_wanted(L, f);
		}
	} else {
		lua_pushvalue(L, -1);
		add_wanted(L, f);
	}
	c->count = f->wanted_count - c->first;
}

int trace_find(lua_State *L)
{
	lua_settop(L, 2);
	const struct trace *t = trace_check_self(L, "find{…}");

	if (lua_type(L, 2) != LUA_TTABLE)
		script_raise(L, "trace:find wants a table of fields and values, got %s", luaL_typename(L, 2));
	event_refuse(L, 2, "trace:find");
	struct find *f = lua_newuserdata(L, sizeof *f);
	f->call = script_of(L)->trace_view.call;
	f->at = f->condition_count = f->wanted_count = 0;
	lua_newtable(L);
	lua_pushnil(L);
	while (lua_next(L, 2) != 0) {
		add_condition(L, f, t);
		lua_pop(L, 1);
	}
	lua_pushcclosure(L, next_found, 2);
	return 1;
}

/* The methods of traces and spans: what iterates, what climbs the tree, and annotate. Iterators over spans have no state but the span that was last, so a loop allocates nothing. */
#include <errno.h>
#include <math.h>

#include "base/mem.h"
#include "script/internal.h"
#include "script/trace_internal.h"
#include "script/value.h"

static const struct trace *trace_of(lua_State *L)
{
	return script_of(L)->trace_view.trace;
}

static const struct trace_span *span_of(lua_State *L, uint32_t span)
{
	return &trace_spans(trace_of(L))[span];
}

/* ---- traces ---- */

/* The number behind the control variable of a loop over spans. */
static uint32_t next_number(lua_State *L, const char *method)
{
	return lua_isnil(L, 2) ? 0 : trace_check_span(L, 2, method) + 1;
}

static int next_span(lua_State *L)
{
	lua_settop(L, 2);
	const struct trace *t = trace_check_self(L, "spans()");
	uint32_t i = next_number(L, "spans()");

	trace_push_span(L, script_of(L), i < t->span_count ? i : TRACE_NONE);
	return 1;
}

static int trace_each_span(lua_State *L)
{
	lua_settop(L, 1);
	trace_check_self(L, "spans()");
	lua_pushcfunction(L, next_span);
	lua_insert(L, 1);
	return 2;
}

/* The keys of a trace are one small table, so a trace without any costs some nanoseconds a name, however many spans it has. */
static int trace_has(lua_State *L)
{
	const struct trace *t = trace_check_self(L, "has(name, …)");
	int count = lua_gettop(L);
	struct slice name;

	for (int i = 2; i <= count; i++) {
		if (lua_type(L, i) != LUA_TSTRING)
			script_raise(L, "trace:has wants names of attributes, got %s", luaL_typename(L, i));
		name.ptr = lua_tolstring(L, i, &name.len);
		if (trace_find_key(t, name, trace_key_hash(name)) != TRACE_NONE) {
			lua_pushboolean(L, true);
			return 1;
		}
	}
	lua_pushboolean(L, false);
	return 1;
}

static int next_on_path(lua_State *L)
{
	lua_settop(L, 2);
	const struct trace *t = trace_check_self(L, "critical_path()");
	const bool *on_path = script_of(L)->trace_view.on_path;
	uint32_t i = next_number(L, "critical_path()");

	while (i < t->span_count && on_path != NULL && !on_path[i]) {
		if (i++ % TRACE_STOP_EVERY == 0)
			script_check_stopped(L);
	}
	trace_push_span(L, script_of(L), i < t->span_count ? i : TRACE_NONE);
	return 1;
}

static int trace_on_path(lua_State *L)
{
	lua_settop(L, 1);
	const struct trace *t = trace_check_self(L, "critical_path()");
	struct trace_view *v = &script_of(L)->trace_view;

	if (v->on_path == NULL) {
		bool *on_path = mem_alloc(t->span_count * sizeof *on_path);
		if (on_path == NULL || trace_critical_path(t, on_path) != 0) {
			mem_free(on_path);
			script_starve(L);
		}
		v->on_path = on_path;
	}
	lua_pushcfunction(L, next_on_path);
	lua_insert(L, 1);
	return 2;
}

static bool is_there(const struct trace_cell *c)
{
	return c != NULL && c->type != TRACE_CELL_NULL;
}

/* The attribute of the nearest span from this one upwards, or of the span's resource. */
static const struct trace_cell *inherited(lua_State *L, const struct trace *t, uint32_t span, uint32_t key)
{
	uint32_t steps = 0;

	for (uint32_t i = span; i != TRACE_NONE; i = trace_spans(t)[i].parent) {
		const struct trace_cell *c = trace_run_find(t, trace_spans(t)[i].attributes, key);
		if (is_there(c))
			return c;
		if (++steps % TRACE_STOP_EVERY == 0)
			script_check_stopped(L);
	}
	return trace_run_find(t, trace_resources(t)[trace_spans(t)[span].resource].attributes, key);
}

static int trace_inherit(lua_State *L)
{
	struct slice name;

	lua_settop(L, 3);
	const struct trace *t = trace_check_self(L, "inherit(span, name)");
	uint32_t span = trace_check_span(L, 2, "trace:inherit");
	if (lua_type(L, 3) != LUA_TSTRING)
		script_raise(L, "trace:inherit wants the name of an attribute, got %s", luaL_typename(L, 3));
	name.ptr = lua_tolstring(L, 3, &name.len);
	uint32_t key = trace_find_key(t, name, trace_key_hash(name));
	const struct trace_cell *c = key != TRACE_NONE ? inherited(L, t, span, key) : NULL;
	if (c != NULL)
		trace_push_cell(L, t, c, TRACE_DEPTH_MAX);
	else
		lua_pushnil(L);
	return 1;
}

/* ---- the tree ---- */

static int span_parent(lua_State *L)
{
	lua_settop(L, 1);
	uint32_t span = trace_check_span(L, 1, "parent()");

	trace_push_span(L, script_of(L), span_of(L, span)->parent);
	return 1;
}

static int next_child(lua_State *L)
{
	lua_settop(L, 2);
	uint32_t span = trace_check_span(L, 1, "children()");
	uint32_t next = lua_isnil(L, 2) ? span_of(L, span)->first_child
	                                : span_of(L, trace_check_span(L, 2, "children()"))->next_sibling;

	trace_push_span(L, script_of(L), next);
	return 1;
}

static int span_children(lua_State *L)
{
	lua_settop(L, 1);
	trace_check_span(L, 1, "children()");
	lua_pushcfunction(L, next_child);
	lua_insert(L, 1);
	return 2;
}

/* ---- what a span has ---- */

/* An iterator's closure: the span's object, and how many were given out. */
static int push_counter(lua_State *L, lua_CFunction next, const char *method)
{
	lua_settop(L, 1);
	trace_check_span(L, 1, method);
	lua_pushinteger(L, 0);
	lua_pushcclosure(L, next, 2);
	return 1;
}

/* The span of such a closure, and the number of the item that is next. */
static const struct trace_span *counted(lua_State *L, const char *method, uint32_t *i)
{
	lua_settop(L, 0);
	lua_pushvalue(L, lua_upvalueindex(1));
	uint32_t span = trace_check_span(L, 1, method);

	*i = (uint32_t)lua_tointeger(L, lua_upvalueindex(2));
	lua_pushinteger(L, (lua_Integer)*i + 1);
	lua_replace(L, lua_upvalueindex(2));
	return span_of(L, span);
}

static void set_text(lua_State *L, const char *name, struct slice text)
{
	lua_pushlstring(L, text.ptr, text.len);
	lua_setfield(L, -2, name);
}

static int next_event(lua_State *L)
{
	uint32_t i;
	const struct trace_span *span = counted(L, "events()", &i);
	const struct trace *t = trace_of(L);

	if (i >= span->events.count)
		return 0;
	const struct trace_event *e = &trace_events(t)[span->events.first + i];
	lua_createtable(L, 0, 3);
	set_text(L, "name", trace_text(t, e->name));
	lua_pushnumber(L, clock_seconds(e->time_ns));
	lua_setfield(L, -2, "time");
	trace_push_attributes(L, t, e->attributes);
	lua_setfield(L, -2, "attributes");
	return 1;
}

static int span_events(lua_State *L)
{
	return push_counter(L, next_event, "events()");
}

static int next_link(lua_State *L)
{
	uint32_t i;
	const struct trace_span *span = counted(L, "links()", &i);
	const struct trace *t = trace_of(L);
	char trace_id[33], span_id[17];

	if (i >= span->links.count)
		return 0;
	const struct trace_link *l = &trace_links(t)[span->links.first + i];
	trace_id_text(l->trace_id, trace_id);
	trace_span_id_text(l->span_id, span_id);
	lua_createtable(L, 0, 4);
	set_text(L, "trace_id", slice_new(trace_id, 32));
	set_text(L, "span_id", slice_new(span_id, 16));
	if (l->trace_state.len != 0)
		set_text(L, "trace_state", trace_text(t, l->trace_state));
	trace_push_attributes(L, t, l->attributes);
	lua_setfield(L, -2, "attributes");
	return 1;
}

static int span_links(lua_State *L)
{
	return push_counter(L, next_link, "links()");
}

static int next_attribute(lua_State *L)
{
	uint32_t i;
	const struct trace_span *span = counted(L, "attributes()", &i);
	const struct trace *t = trace_of(L);

	if (i >= span->attributes.count)
		return 0;
	const struct trace_cell *c = &trace_cells(t)[span->attributes.first + i];
	struct slice name = trace_text(t, trace_keys(t)[c->key].name);
	lua_pushlstring(L, name.ptr, name.len);
	trace_push_cell(L, t, c, TRACE_DEPTH_MAX);
	return 2;
}

static int span_attributes(lua_State *L)
{
	return push_counter(L, next_attribute, "attributes()");
}

static int span_get(lua_State *L)
{
	lua_settop(L, 2);
	uint32_t span = trace_check_span(L, 1, "get(name)");

	if (lua_type(L, 2) != LUA_TSTRING)
		script_raise(L, "span:get wants the name of a field, got %s", luaL_typename(L, 2));
	trace_push_field(L, span, 2);
	return 1;
}

/* The value at 3, for an attribute. */
static struct value check_annotation(lua_State *L)
{
	struct value v = {.type = VALUE_BOOL};
	struct slice text;

	switch (lua_type(L, 3)) {
	case LUA_TBOOLEAN:
		v.boolean = lua_toboolean(L, 3);
		return v;
	case LUA_TNUMBER:
		if (!isfinite(lua_tonumber(L, 3)))
			script_raise(L, "span:annotate: %s is no value for an attribute", lua_tostring(L, 3));
		return value_from_number(lua_tonumber(L, 3));
	case LUA_TSTRING:
		text.ptr = lua_tolstring(L, 3, &text.len);
		if (text.len > TEXT_MAX)
			script_raise(L, "span:annotate: a text of %zu bytes; at most %d are allowed", text.len,
			             TEXT_MAX);
		return (struct value){.str = text.ptr, .len = (uint32_t)text.len, .type = VALUE_STRING};
	default:
		script_raise(L, "span:annotate: a value is a string, number or boolean, not a %s", luaL_typename(L, 3));
	}
}

static int span_annotate(lua_State *L)
{
	struct script *s = script_of(L);
	struct slice name;

	lua_settop(L, 3);
	uint32_t span = trace_check_span(L, 1, "annotate(name, value)");
	if (s->trace_view.open)
		script_raise(L, "span:annotate is for on.trace: this trace has not closed");
	if (lua_type(L, 2) != LUA_TSTRING)
		script_raise(L, "span:annotate wants the name of an attribute, got %s", luaL_typename(L, 2));
	name.ptr = lua_tolstring(L, 2, &name.len);
	if (name.len == 0 || name.len > NAME_BYTES_MAX)
		script_raise(L, "span:annotate: a name has 1 to %d bytes", NAME_BYTES_MAX);
	struct value v = check_annotation(L);
	int rc = s->trace_view.traces != NULL ? traces_annotate(s->trace_view.traces, span, name, &v) : 0;
	if (rc == -E2BIG)
		script_raise(L, "span:annotate: too many for one span");
	if (rc == -ENOMEM)
		script_starve(L);
	if (rc != 0)
		script_raise(L, "span:annotate: this span takes none");
	script_effect(L, s);
	return 0;
}

const luaL_Reg trace_methods[] = {
    {"spans", trace_each_span},       {"find", trace_find}, {"has", trace_has}, {"inherit", trace_inherit},
    {"critical_path", trace_on_path}, {NULL, NULL}};

const luaL_Reg trace_span_methods[] = {
    {"parent", span_parent},         {"children", span_children}, {"events", span_events},     {"links", span_links},
    {"attributes", span_attributes}, {"get", span_get},           {"annotate", span_annotate}, {NULL, NULL}};

/* See trace_object.h. Here: the objects, their fields, and when they are good. What iterates is in trace_iterate.c, find in trace_find.c. */
#include "script/trace_object.h"

#include "base/mem.h"
#include "script/internal.h"
#include "script/trace_internal.h"

const char trace_object_mark;

/* Names that a span answers itself, in the order of enum own. */
static const char *const own_names[OWN_COUNT] = {
    [OWN_NAME] = "name",
    [OWN_KIND] = "kind",
    [OWN_STATUS] = "status",
    [OWN_STATUS_MESSAGE] = "status_message",
    [OWN_TRACE_ID] = "trace_id",
    [OWN_SPAN_ID] = "span_id",
    [OWN_PARENT_SPAN_ID] = "parent_span_id",
    [OWN_TIME] = "time",
    [OWN_DURATION] = "duration",
    [OWN_SELF_TIME] = "self_time",
    [OWN_LATE] = "late",
    [OWN_EVENT] = "event",
    [OWN_SCOPE_NAME] = "scope.name",
    [OWN_SCOPE_VERSION] = "scope.version",
};

/* ---- which object, and whether it is still good ---- */

static struct trace_object *object_at(lua_State *L, int index)
{
	struct trace_object *o = lua_type(L, index) == LUA_TUSERDATA ? lua_touserdata(L, index) : NULL;

	return o != NULL && o->mark == &trace_object_mark ? o : NULL;
}

void trace_check_call(lua_State *L, uint64_t call, const char *what)
{
	const struct trace_view *v = &script_of(L)->trace_view;

	if (v->trace == NULL || call != v->call)
		script_misused(L, "%s: it is used after its call; keep what you need of it", what);
}

const struct trace *trace_check_self(lua_State *L, const char *method)
{
	const struct trace_object *o = object_at(L, 1);

	if (o == NULL || o->span != TRACE_NONE)
		script_raise(L, "call it with a colon, as in trace:%s", method);
	trace_check_call(L, o->call, "a trace");
	return script_of(L)->trace_view.trace;
}

uint32_t trace_check_span(lua_State *L, int index, const char *method)
{
	const struct trace_object *o = object_at(L, index);

	if (o == NULL || o->span == TRACE_NONE) {
		if (index == 1)
			script_raise(L, "call it with a colon, as in span:%s", method);
		script_raise(L, "%s wants a span, got %s", method, luaL_typename(L, index));
	}
	trace_check_call(L, o->call, "a span");
	return o->span;
}

/* ---- making objects ---- */

static void push_object(lua_State *L, const struct trace_view *v, uint32_t span)
{
	struct trace_object *o = lua_newuserdata(L, sizeof *o);

	*o = (struct trace_object){&trace_object_mark, v->call, span};
	lua_rawgeti(L, LUA_REGISTRYINDEX, span == TRACE_NONE ? v->trace_metatable : v->span_metatable);
	lua_setmetatable(L, -2);
}

void trace_push_span(lua_State *L, struct script *s, uint32_t span)
{
	const struct trace_view *v = &s->trace_view;

	if (span == TRACE_NONE) {
		lua_pushnil(L);
		return;
	}
	lua_rawgeti(L, LUA_REGISTRYINDEX, v->spans);
	lua_rawgeti(L, -1, (int)span + 1);
	if (lua_isnil(L, -1)) {
		lua_pop(L, 1);
		push_object(L, v, span);
		lua_pushvalue(L, -1);
		lua_rawseti(L, -3, (int)span + 1);
	}
	lua_remove(L, -2);
}

/* ---- values ---- */

static void push_cells(lua_State *L, const struct trace *t, struct trace_run run, bool named, int depth)
{
	const struct trace_cell *cells = trace_cells(t) + run.first;

	script_check_stopped(L);
	if (depth == 0)
		script_raise(L, "an attribute is nested too deeply");
	luaL_checkstack(L, 4, "an attribute is nested too deeply");
	lua_createtable(L, named ? 0 : (int)run.count, named ? (int)run.count : 0);
	for (uint32_t i = 0; i < run.count; i++) {
		if (named) {
			struct slice name = trace_text(t, trace_keys(t)[cells[i].key].name);
			lua_pushlstring(L, name.ptr, name.len);
		}
		trace_push_cell(L, t, &cells[i], depth - 1);
		if (named)
			lua_rawset(L, -3);
		else
			lua_rawseti(L, -2, (int)i + 1);
	}
}

void trace_push_cell(lua_State *L, const struct trace *t, const struct trace_cell *c, int depth)
{
	struct slice text;

	switch (c->type) {
	case TRACE_CELL_BOOL:
		lua_pushboolean(L, c->integer != 0);
		return;
	case TRACE_CELL_INT:
		lua_pushnumber(L, (lua_Number)c->integer);
		return;
	case TRACE_CELL_DOUBLE:
		lua_pushnumber(L, c->number);
		return;
	case TRACE_CELL_STRING:
		text = trace_text(t, c->text);
		lua_pushlstring(L, text.ptr, text.len);
		return;
	case TRACE_CELL_ARRAY:
	case TRACE_CELL_OBJECT:
		push_cells(L, t, c->items, c->type == TRACE_CELL_OBJECT, depth);
		return;
	default:
		lua_pushnil(L);
		return;
	}
}

void trace_push_attributes(lua_State *L, const struct trace *t, struct trace_run run)
{
	push_cells(L, t, run, true, TRACE_DEPTH_MAX);
}

static void push_value(lua_State *L, const struct trace *t, const struct span_value *v)
{
	switch (v->type) {
	case SPAN_NIL:
		lua_pushnil(L);
		return;
	case SPAN_BOOL:
		lua_pushboolean(L, v->number != 0);
		return;
	case SPAN_NUMBER:
		lua_pushnumber(L, v->number);
		return;
	case SPAN_TEXT:
		lua_pushlstring(L, v->text.ptr, v->text.len);
		return;
	case SPAN_CELL:
		trace_push_cell(L, t, v->cell, TRACE_DEPTH_MAX);
		return;
	}
}

static void read_cell(const struct trace *t, const struct trace_cell *c, struct span_value *out)
{
	switch (c->type) {
	case TRACE_CELL_BOOL:
		out->type = SPAN_BOOL;
		out->number = c->integer != 0;
		return;
	case TRACE_CELL_INT:
		out->type = SPAN_NUMBER;
		out->number = (double)c->integer;
		return;
	case TRACE_CELL_DOUBLE:
		out->type = SPAN_NUMBER;
		out->number = c->number;
		return;
	case TRACE_CELL_STRING:
		out->type = SPAN_TEXT;
		out->text = trace_text(t, c->text);
		return;
	case TRACE_CELL_ARRAY:
	case TRACE_CELL_OBJECT:
		out->type = SPAN_CELL;
		out->cell = c;
		return;
	default:
		return;
	}
}

static void set_text(struct span_value *out, struct slice text)
{
	out->type = text.len != 0 ? SPAN_TEXT : SPAN_NIL;
	out->text = text;
}

static void set_number(struct span_value *out, double number)
{
	out->type = SPAN_NUMBER;
	out->number = number;
}

static void set_bool(struct span_value *out, bool is)
{
	out->type = SPAN_BOOL;
	out->number = is;
}

static void set_id(struct span_value *out, uint64_t id)
{
	if (id == 0)
		return;
	trace_span_id_text(id, out->id);
	set_text(out, slice_new(out->id, 16));
}

static double seconds(int64_t ns)
{
	return ns > 0 ? clock_seconds(ns) : 0;
}

/* Reckoned for all spans when the first one is asked. */
static int64_t self_time(lua_State *L, struct trace_view *v, uint32_t span)
{
	if (v->self_ns == NULL) {
		int64_t *self_ns = mem_alloc(v->trace->span_count * sizeof *self_ns);
		if (self_ns == NULL || trace_self_times(v->trace, self_ns) != 0) {
			mem_free(self_ns);
			script_starve(L);
		}
		v->self_ns = self_ns;
	}
	return v->self_ns[span];
}

static void read_own(lua_State *L, enum own own, uint32_t number, struct span_value *out)
{
	struct trace_view *v = &script_of(L)->trace_view;
	const struct trace *t = v->trace;
	const struct trace_span *span = &trace_spans(t)[number];

	switch (own) {
	case OWN_NAME:
		out->type = SPAN_TEXT;
		out->text = trace_text(t, span->name);
		return;
	case OWN_KIND:
		set_text(out, slice_cstr(span_kind_names[span->kind]));
		return;
	case OWN_STATUS:
		set_text(out, slice_cstr(span_status_names[span->status]));
		return;
	case OWN_STATUS_MESSAGE:
		set_text(out, trace_text(t, span->status_message));
		return;
	case OWN_TRACE_ID:
		set_text(out, slice_new(v->trace_id, 32));
		return;
	case OWN_SPAN_ID:
		set_id(out, span->id);
		return;
	case OWN_PARENT_SPAN_ID:
		set_id(out, span->parent_id);
		return;
	case OWN_TIME:
		set_number(out, clock_seconds(span->start_ns));
		return;
	case OWN_DURATION:
		set_number(out, seconds(span->duration_ns));
		return;
	case OWN_SELF_TIME:
		set_number(out, seconds(self_time(L, v, number)));
		return;
	case OWN_LATE:
		set_bool(out, (span->marks & TRACE_SPAN_LATE) != 0);
		return;
	case OWN_EVENT:
		set_bool(out, (span->marks & TRACE_SPAN_EVENT) != 0);
		return;
	case OWN_SCOPE_NAME:
		set_text(out, trace_text(t, trace_scopes(t)[span->scope].name));
		return;
	case OWN_SCOPE_VERSION:
		set_text(out, trace_text(t, trace_scopes(t)[span->scope].version));
		return;
	case OWN_NONE:
	case OWN_COUNT:
		return;
	}
}

/* ---- fields by name ---- */

static const struct slice place_names[PLACES] = {
    [PLACE_ATTRIBUTES] = {"attributes.", 11}, [PLACE_RESOURCE] = {"resource.", 9}, [PLACE_SCOPE] = {"scope.", 6}};

static uint32_t key_of(const struct trace *t, struct slice name)
{
	return trace_find_key(t, name, trace_key_hash(name));
}

static struct span_field named(const struct trace *t, struct slice name)
{
	struct span_field f = {.key = TRACE_NONE, .whole = TRACE_NONE};

	for (int i = 0; i < PLACES; i++) {
		struct slice head = place_names[i];
		if (name.len <= head.len || memcmp(name.ptr, head.ptr, head.len) != 0)
			continue;
		f.place = (uint8_t)i;
		f.key = key_of(t, slice_new(name.ptr + head.len, name.len - head.len));
	}
	f.whole = key_of(t, name);
	return f;
}

struct span_field span_field_named(lua_State *L, int index, const struct trace *t)
{
	struct slice name;

	name.ptr = lua_tolstring(L, index, &name.len);
	for (int own = 1; own < OWN_COUNT; own++) {
		if (slice_eq(name, slice_cstr(own_names[own])))
			return (struct span_field){.own = (uint8_t)own};
	}
	return named(t, name);
}

static const struct trace_cell *find_cell(const struct trace *t, const struct span_field *f,
                                          const struct trace_span *span)
{
	const struct trace_run runs[PLACES] = {
	    [PLACE_ATTRIBUTES] = span->attributes,
	    [PLACE_RESOURCE] = trace_resources(t)[span->resource].attributes,
	    [PLACE_SCOPE] = trace_scopes(t)[span->scope].attributes,
	};
	const struct trace_cell *c = f->key != TRACE_NONE ? trace_run_find(t, runs[f->place], f->key) : NULL;

	return c == NULL && f->whole != TRACE_NONE ? trace_run_find(t, span->attributes, f->whole) : c;
}

void span_field_read(lua_State *L, const struct span_field *f, uint32_t span, struct span_value *out)
{
	const struct trace *t = script_of(L)->trace_view.trace;

	out->type = SPAN_NIL;
	if (f->own != OWN_NONE) {
		read_own(L, (enum own)f->own, span, out);
		return;
	}
	const struct trace_cell *c = find_cell(t, f, &trace_spans(t)[span]);
	if (c != NULL)
		read_cell(t, c, out);
}

void trace_push_field(lua_State *L, uint32_t span, int index)
{
	const struct trace *t = script_of(L)->trace_view.trace;
	struct span_field f = span_field_named(L, index, t);
	struct span_value value;

	span_field_read(L, &f, span, &value);
	push_value(L, t, &value);
}

/* ---- metatables ---- */

/* Upvalue: names → number of a span's own field, or a method. */
static int span_index(lua_State *L)
{
	const struct trace_object *o = lua_touserdata(L, 1);
	struct span_value value = {.type = SPAN_NIL};

	trace_check_call(L, o->call, "a span");
	lua_pushvalue(L, 2);
	lua_rawget(L, lua_upvalueindex(1));
	int type = lua_type(L, -1);
	if (type == LUA_TFUNCTION)
		return 1;
	const struct trace *t = script_of(L)->trace_view.trace;
	if (type == LUA_TNUMBER) {
		read_own(L, (enum own)lua_tointeger(L, -1), o->span, &value);
	} else if (lua_type(L, 2) == LUA_TSTRING) {
		struct slice name;
		name.ptr = lua_tolstring(L, 2, &name.len);
		struct span_field f = named(t, name);
		span_field_read(L, &f, o->span, &value);
	}
	push_value(L, t, &value);
	return 1;
}

static int object_newindex(lua_State *L)
{
	const struct trace_object *o = lua_touserdata(L, 1);
	bool trace = o->span == TRACE_NONE;

	trace_check_call(L, o->call, trace ? "a trace" : "a span");
	script_misused(L, trace
	                      ? "a trace cannot be written to; its spans take attributes by span:annotate(name, value)"
	                      : "a span cannot be written to; it takes attributes by span:annotate(name, value)");
}

enum { FIELD_TRACE_ID = 1, FIELD_ROOT, FIELD_START, FIELD_LENGTH, FIELD_ERRORS, FIELD_MARK, FIELD_SPAN_COUNT };

static const struct {
	const char *name;
	uint8_t field;
	uint8_t mark; /* enum trace_mark */
} trace_fields[] = {{"trace_id", FIELD_TRACE_ID, 0},  {"root", FIELD_ROOT, 0},
                    {"start", FIELD_START, 0},        {"duration", FIELD_LENGTH, 0},
                    {"errors", FIELD_ERRORS, 0},      {"span_count", FIELD_SPAN_COUNT, 0},
                    {"late", FIELD_MARK, TRACE_LATE}, {"expired", FIELD_MARK, TRACE_EXPIRED},
                    {"cut", FIELD_MARK, TRACE_CUT},   {"open", FIELD_MARK, TRACE_OPEN}};

static void push_trace_field(lua_State *L, const struct trace *t, int i)
{
	struct script *s = script_of(L);

	switch (trace_fields[i].field) {
	case FIELD_TRACE_ID:
		lua_pushlstring(L, s->trace_view.trace_id, 32);
		return;
	case FIELD_ROOT:
		trace_push_span(L, s, t->root);
		return;
	case FIELD_START:
		lua_pushnumber(L, clock_seconds(t->start_ns));
		return;
	case FIELD_LENGTH:
		lua_pushnumber(L, seconds(t->end_ns - t->start_ns));
		return;
	case FIELD_ERRORS:
		lua_pushnumber(L, t->errors);
		return;
	case FIELD_SPAN_COUNT:
		lua_pushnumber(L, t->span_count);
		return;
	default:
		lua_pushboolean(L, (t->marks & trace_fields[i].mark) != 0);
		return;
	}
}

/* Upvalue: names → number in trace_fields, or a method. What a trace has is known: another name is a mistake. */
static int trace_index(lua_State *L)
{
	const struct trace_object *o = lua_touserdata(L, 1);

	trace_check_call(L, o->call, "a trace");
	lua_pushvalue(L, 2);
	lua_rawget(L, lua_upvalueindex(1));
	if (lua_type(L, -1) == LUA_TFUNCTION)
		return 1;
	if (lua_type(L, -1) != LUA_TNUMBER)
		script_raise(L, "a trace has no field %.100s; attributes are its spans'",
		             lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2));
	push_trace_field(L, script_of(L)->trace_view.trace, (int)lua_tointeger(L, -1));
	return 1;
}

/* Makes the metatable of objects whose names are in the table on top, which is taken. Its reference. */
static int make_metatable(lua_State *L, const luaL_Reg *methods, lua_CFunction index, const char *name)
{
	for (const luaL_Reg *m = methods; m->name != NULL; m++) {
		lua_pushcfunction(L, m->func);
		lua_setfield(L, -2, m->name);
	}
	lua_createtable(L, 0, 3);
	lua_insert(L, -2);
	lua_pushcclosure(L, index, 1);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, object_newindex);
	lua_setfield(L, -2, "__newindex");
	lua_pushstring(L, name);
	lua_setfield(L, -2, "__metatable");
	return luaL_ref(L, LUA_REGISTRYINDEX);
}

void lib_trace_open(lua_State *L)
{
	struct trace_view *v = &script_of(L)->trace_view;

	lua_newtable(L);
	for (int own = 1; own < OWN_COUNT; own++) {
		lua_pushinteger(L, own);
		lua_setfield(L, -2, own_names[own]);
	}
	v->span_metatable = make_metatable(L, trace_span_methods, span_index, "span");
	lua_newtable(L);
	for (size_t i = 0; i < sizeof trace_fields / sizeof *trace_fields; i++) {
		lua_pushinteger(L, (int)i);
		lua_setfield(L, -2, trace_fields[i].name);
	}
	v->trace_metatable = make_metatable(L, trace_methods, trace_index, "trace");
	lua_pushboolean(L, 0);
	v->spans = luaL_ref(L, LUA_REGISTRYINDEX);
}

/* ---- calls ---- */

enum { SPANS_AT_ONCE = 32 /* places that the table of spans has from the beginning */ };

void trace_view_begin(lua_State *L, struct script *s, const struct trace *trace, struct traces *traces, bool open)
{
	struct trace_view *v = &s->trace_view;

	lua_createtable(L, trace->span_count < SPANS_AT_ONCE ? (int)trace->span_count : SPANS_AT_ONCE, 0);
	lua_rawseti(L, LUA_REGISTRYINDEX, v->spans);
	v->trace = trace;
	v->traces = traces;
	v->open = open;
	v->call++;
	trace_id_text(trace->id, v->trace_id);
	trace_span_id_text(trace_spans(trace)[trace->root].id, v->root_id);
}

void trace_view_push(lua_State *L, struct script *s)
{
	push_object(L, &s->trace_view, TRACE_NONE);
}

void trace_view_end(struct script *s)
{
	struct trace_view *v = &s->trace_view;

	v->trace = NULL;
	v->traces = NULL;
	mem_free(v->self_ns);
	mem_free(v->on_path);
	v->self_ns = NULL;
	v->on_path = NULL;
	lua_pushboolean(s->L, 0); /* the objects, as far as nobody holds them */
	lua_rawseti(s->L, LUA_REGISTRYINDEX, v->spans);
}

int64_t trace_view_time(const struct script *s)
{
	const struct trace *t = s->trace_view.trace;

	if (t == NULL || s->trace_view.open)
		return s->host->now_ns;
	const struct trace_span *root = &trace_spans(t)[t->root];
	int64_t end_ns;
	if (root->duration_ns <= 0 || __builtin_add_overflow(root->start_ns, root->duration_ns, &end_ns))
		return root->start_ns;
	return end_ns;
}

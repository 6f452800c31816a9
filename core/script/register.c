/* on, filter, every: the functions that a script registers at its top level. `on` is a table that can be called: on(type, fn) is for events, what else
 * there is to see has a function of its own in it, on.span(fn). */
#include <errno.h>

#include "base/hash.h"
#include "base/mem.h"
#include "script/internal.h"
#include "script/text.h"

/* Where the function at `index` begins, for messages. */
static const char *where_of(lua_State *L, const struct script *s, int index, const char *what)
{
	char where[WHERE_MAX];
	lua_Debug ar;

	lua_pushvalue(L, index);
	lua_getinfo(L, ">S", &ar);
	int len = ar.source[0] == '@' ? snprintf(where, sizeof where, "%s:%d", ar.source + 1, ar.linedefined)
	                              : snprintf(where, sizeof where, "%s", s->path);
	return script_keep(L, slice_new(where, len < WHERE_MAX ? (size_t)len : WHERE_MAX - 1), what).ptr;
}

/* Adds the function at `index`. */
static struct handler *add(lua_State *L, struct script *s, struct handlers *list, int index, const char *what)
{
	if (lua_type(L, index) != LUA_TFUNCTION)
		script_raise(L, "%s wants a function, got %s", what, luaL_typename(L, index));
	if (list->count >= HANDLERS_MAX)
		script_raise(L, "%s: more than %d of them", what, HANDLERS_MAX);
	void *items = list->items;
	if (mem_grow(&items, &list->cap, list->count, sizeof *list->items) != 0)
		script_starve(L);
	list->items = items;
	const char *where = where_of(L, s, index, what);
	lua_pushvalue(L, index);
	int ref = luaL_ref(L, LUA_REGISTRYINDEX);
	struct handler *h = &list->items[list->count++];
	*h = (struct handler){.where = where, .ref = ref};
	return h;
}

static struct slice check_type(lua_State *L, const char *what)
{
	struct slice type;

	if (lua_type(L, 1) != LUA_TSTRING)
		script_raise(L, "%s wants a record type, got %s", what, luaL_typename(L, 1));
	type.ptr = lua_tolstring(L, 1, &type.len);
	if (type.len == 0 || type.len > TYPE_NAME_MAX)
		script_raise(L, "%s: a record type has 1 to %d bytes", what, TYPE_NAME_MAX);
	return script_keep(L, type, what);
}

static bool is_any(struct slice type)
{
	return slice_eq(type, SLICE("*"));
}

/* A handler's type gets a slot, so that its place among the types does not depend on what comes first. */
static void add_slot(lua_State *L, struct script_set *set, struct slice type)
{
	uint16_t slot;

	if (set->type_count >= TYPES_MAX)
		script_raise(L, "handlers for more than %d record types", TYPES_MAX);
	if (set_add_type(set, type, &slot) != 0)
		script_starve(L);
}

/* on(type, fn); the table `on` itself is at 1. */
static int l_on(lua_State *L)
{
	struct script *s = script_of(L);

	script_check_loading(L, s, "on");
	lua_remove(L, 1);
	struct slice type = check_type(L, "on");
	struct handler *h = add(L, s, &s->on, 2, "on");
	h->type = type;
	h->kind = RECORD_EVENT;
	if (is_any(type))
		s->set->any_handler_for_all = true;
	else
		add_slot(L, s->set, type);
	return 0;
}

static int l_on_span(lua_State *L)
{
	struct script *s = script_of(L);

	script_check_loading(L, s, "on.span");
	add(L, s, &s->on, 1, "on.span")->kind = RECORD_SPAN;
	return 0;
}

static int l_on_trace(lua_State *L)
{
	struct script *s = script_of(L);

	script_check_loading(L, s, "on.trace");
	add(L, s, &s->traces, 1, "on.trace");
	return 0;
}

static int l_on_trace_open(lua_State *L)
{
	struct script *s = script_of(L);

	script_check_loading(L, s, "on.trace_open");
	int64_t interval_ns = text_duration(L, 1, "on.trace_open", INTERVAL_MIN, INTERVAL_MAX);
	struct handler *h = add(L, s, &s->timers, 2, "on.trace_open");
	h->interval_ns = interval_ns;
	h->open = true;
	return 0;
}

static int l_filter(lua_State *L)
{
	struct script *s = script_of(L);

	script_check_loading(L, s, "filter");
	struct slice type = check_type(L, "filter");
	struct handler *h = add(L, s, &s->filters, 2, "filter");
	h->type = type;
	h->type_hash = hash_bytes(type.ptr, type.len, hash_seed());
	s->set->any_filter = true;
	return 0;
}

static int l_every(lua_State *L)
{
	struct script *s = script_of(L);

	script_check_loading(L, s, "every");
	int64_t interval_ns = text_duration(L, 1, "every", INTERVAL_MIN, INTERVAL_MAX);
	add(L, s, &s->timers, 2, "every")->interval_ns = interval_ns;
	return 0;
}

static bool is_for(const struct handler *h, uint32_t slot, struct slice type)
{
	if (slot == SLOT_SPAN || h->kind == RECORD_SPAN)
		return slot == SLOT_SPAN && h->kind == RECORD_SPAN;
	return is_any(h->type) || slice_eq(h->type, type);
}

int script_add_view(struct script *s, uint32_t slot, struct slice type)
{
	uint16_t handlers[HANDLERS_MAX];
	uint16_t n = 0;

	for (uint32_t i = 0; i < s->on.count; i++) {
		if (is_for(&s->on.items[i], slot, type))
			handlers[n++] = (uint16_t)i;
	}
	view_free(s->views[slot]);
	s->views[slot] = NULL;
	if (n == 0)
		return 0;
	struct view *v = view_new(slot == SLOT_SPAN);
	uint16_t *copy = mem_alloc(n * sizeof *copy);
	if (v == NULL || copy == NULL) {
		mem_free(copy);
		view_free(v);
		return -ENOMEM;
	}
	memcpy(copy, handlers, n * sizeof *copy);
	v->handlers = copy;
	v->handler_count = n;
	s->views[slot] = v;
	return 0;
}

/* Sets functions in the table on top. */
static void set_functions(lua_State *L, const luaL_Reg *functions)
{
	for (const luaL_Reg *f = functions; f->name != NULL; f++) {
		lua_pushcfunction(L, f->func);
		lua_setfield(L, -2, f->name);
	}
}

void lib_register_open(lua_State *L)
{
	static const luaL_Reg functions[] = {{"filter", l_filter}, {"every", l_every}, {NULL, NULL}};
	static const luaL_Reg kinds[] = {
	    {"span", l_on_span}, {"trace", l_on_trace}, {"trace_open", l_on_trace_open}, {NULL, NULL}};

	set_functions(L, functions);
	lua_newtable(L);
	set_functions(L, kinds);
	lua_createtable(L, 0, 2);
	lua_pushcfunction(L, l_on);
	lua_setfield(L, -2, "__call");
	lua_pushliteral(L, "on");
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, -2);
	lua_setfield(L, -2, "on");
}

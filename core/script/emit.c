/* emit(type, fields): events that scripts make of records. They are copied into a batch of the set and run after the call that made
 * them has returned (apply.c). How many there may be is bounded, since each may cause more. */
#include <errno.h>

#include "script/internal.h"
#include "script/text.h"
#include "script/value.h"

/* How many events one call may make: of a trace some for each of its spans. */
static uint32_t emits_allowed(const struct script *s)
{
	const struct trace *trace = s->trace_view.trace;

	return EMITS_PER_CALL + (trace != NULL ? EMITS_PER_SPAN * trace->span_count : 0);
}

/* Raises, and counts, when no more may be emitted. */
static void check_room(lua_State *L)
{
	struct script *s = script_of(L);
	struct script_set *set = s->set;
	const char *why = NULL;

	if (set->depth >= s->host->options.emit_depth)
		why = "emitted events have caused each other too often";
	else if (s->emits >= emits_allowed(s))
		why = "too many events from one call";
	else if (set->emits_in_frame >= EMITS_PER_FRAME || set->emitted->arena.total > EMIT_BYTES_MAX)
		why = "too many events wait";
	if (why == NULL)
		return;
	set->totals.emit_refused++;
	script_raise(L, "emit: %s", why);
}

static struct slice check_type(lua_State *L)
{
	struct slice type;

	if (lua_type(L, 1) != LUA_TSTRING)
		script_raise(L, "emit wants a record type, got %s", luaL_typename(L, 1));
	type.ptr = lua_tolstring(L, 1, &type.len);
	if (type.len == 0 || type.len > TYPE_NAME_MAX)
		script_raise(L, "emit: a record type has 1 to %d bytes", TYPE_NAME_MAX);
	return type;
}

/* The time in the table at 2, or that of the record at hand. */
static int64_t read_time(lua_State *L, const struct script *s)
{
	lua_pushliteral(L, "time");
	lua_rawget(L, 2);
	if (lua_isnil(L, -1)) {
		lua_pop(L, 1);
		return script_time_ns(s);
	}
	lua_Number seconds = lua_tonumber(L, -1);
	if (lua_type(L, -1) != LUA_TNUMBER || !(seconds >= 0 && seconds < 9.2e9))
		script_raise(L, "emit: time is a number of seconds since 1970");
	lua_pop(L, 1);
	return clock_from_seconds(seconds);
}

static void check_no_type(lua_State *L)
{
	lua_pushliteral(L, "type");
	lua_rawget(L, 2);
	if (!lua_isnil(L, -1))
		script_raise(L, "emit: the type is the first argument, not a field");
	lua_pop(L, 1);
}

/* Fields that moongate knows are strings, as the decoder of events has them. */
static void fix_known(lua_State *L, struct batch *b, const struct object *o)
{
	const struct shape *shape = &b->shapes[o->shape];
	struct value *values = (struct value *)(uintptr_t)o->values;
	char buf[NUMBER_TEXT_MAX];

	for (int i = 0; i < KNOWN_FIELDS; i++) {
		struct value *v = shape->known[i] < 0 ? NULL : &values[shape->known[i]];
		if (v == NULL || v->type == VALUE_STRING || v->type == VALUE_NULL)
			continue;
		if (v->type != VALUE_INT && v->type != VALUE_DOUBLE) {
			struct slice name = b->keys[shape->keys[shape->known[i]]].name;
			script_raise(L, "emit: %.*s is a string or number", SLICE_ARG(name));
		}
		struct slice text = text_of_number(v->type == VALUE_INT ? (double)v->integer : v->number, buf);
		text = arena_copy(&b->arena, text);
		if (text.ptr == NULL)
			script_starve(L);
		*v = (struct value){.str = text.ptr, .len = (uint32_t)text.len, .type = VALUE_STRING};
	}
}

static int l_emit(lua_State *L)
{
	struct script *s = script_of(L);
	struct batch *b = s->set->emitted;
	struct value_budget budget = {EMIT_FIELDS_MAX, EMIT_NESTING_MAX, "emit", check_room};
	struct object fields;

	script_check_changes(L, s, "emit");
	check_room(L);
	struct slice type = check_type(L);
	lua_settop(L, 2);
	if (lua_isnil(L, 2)) {
		lua_newtable(L);
		lua_replace(L, 2);
	}
	if (lua_type(L, 2) != LUA_TTABLE)
		script_raise(L, "emit wants a table of fields, got %s", luaL_typename(L, 2));
	event_refuse(L, 2, "emit");
	check_no_type(L);
	int64_t time_ns = read_time(L, s);
	value_object_from_lua(L, 2, b, SLICE("time"), &fields, &budget);
	fix_known(L, b, &fields);
	int64_t number = batch_type(b, type);
	struct record *r = number < 0 ? NULL : batch_add(b);
	if (number == -E2BIG)
		script_raise(L, "emit: too many record types");
	if (r == NULL)
		script_starve(L);
	r->values = fields.values;
	r->shape = fields.shape;
	r->type = (uint16_t)number;
	r->time_ns = time_ns;
	r->index = s->set->depth + 1;
	s->emits++;
	s->set->emits_in_frame++;
	s->set->totals.emitted++;
	script_effect(L, s);
	return 0;
}

void lib_emit_open(lua_State *L)
{
	lua_pushcfunction(L, l_emit);
	lua_setfield(L, -2, "emit");
}

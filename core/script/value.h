/* Values of records as Lua values, and back. Private to script/. */
#ifndef MOONGATE_SCRIPT_VALUE_H
#define MOONGATE_SCRIPT_VALUE_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "record/record.h"

/* Pushes a scalar; null pushes nil. False, with nil pushed, for an object or array. May raise. */
static inline bool value_push_scalar(lua_State *L, const struct value *v)
{
	switch (v->type) {
	case VALUE_STRING:
		lua_pushlstring(L, v->str, v->len);
		return true;
	case VALUE_INT:
		lua_pushnumber(L, (lua_Number)v->integer);
		return true;
	case VALUE_DOUBLE:
		lua_pushnumber(L, v->number);
		return true;
	case VALUE_BOOL:
		lua_pushboolean(L, v->boolean);
		return true;
	default:
		lua_pushnil(L);
		return v->type == VALUE_NULL;
	}
}

/* Pushes any value; objects and arrays as new tables. May raise. */
void value_push(lua_State *L, const struct batch *b, const struct value *v);

/* How much a value may hold still. */
struct value_budget {
	uint32_t values;  /* scalars, objects, arrays; counted down */
	uint32_t depth;   /* levels below */
	const char *what; /* whose value it is, for errors: `emit("x")` */
	/* Raises when the batch holds as much as it may: asked at each text, since one value can have many. */
	void (*check_room)(lua_State *L);
};

/* Copies the Lua value at the absolute index into the batch. Tables with the keys 1 to n and no other are arrays, others objects, whose keys are
 * sorted by bytes. Raises for what cannot be (functions, NaN, cycles by depth, …) and when memory is out. */
void value_from_lua(lua_State *L, int index, struct batch *b, struct value *out, struct value_budget *budget);

/* The fields of the table at the absolute index, but for the one named `skip`, as an object of the batch. */
void value_object_from_lua(lua_State *L, int index, struct batch *b, struct slice skip, struct object *out,
                           struct value_budget *budget);

/* The same for a number: an integer where it is one exactly. */
struct value value_from_number(lua_Number n);

#endif

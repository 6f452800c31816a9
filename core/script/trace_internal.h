/* What the files about traces' objects share: trace_object.c, trace_iterate.c, trace_find.c. */
#ifndef MOONGATE_SCRIPT_TRACE_INTERNAL_H
#define MOONGATE_SCRIPT_TRACE_INTERNAL_H

#include <lauxlib.h>

#include "script/trace_object.h"

enum { TRACE_DEPTH_MAX = 128 }; /* of nested attributes; decoders allow far less */

/* How often loops in C look whether the call is to end. */
enum { TRACE_STOP_EVERY = 256 };

struct trace_object {
	const void *mark; /* &trace_object_mark: no other userdata begins with it */
	uint64_t call;
	uint32_t span; /* TRACE_NONE: the trace itself */
};
extern const char trace_object_mark;

/* Fields that a span answers itself. */
enum own {
	OWN_NONE,
	OWN_NAME,
	OWN_KIND,
	OWN_STATUS,
	OWN_STATUS_MESSAGE,
	OWN_TRACE_ID,
	OWN_SPAN_ID,
	OWN_PARENT_SPAN_ID,
	OWN_TIME,
	OWN_DURATION,
	OWN_SELF_TIME,
	OWN_LATE,
	OWN_EVENT,
	OWN_SCOPE_NAME,
	OWN_SCOPE_VERSION,
	OWN_COUNT
};

/* Where attributes lie, with the prefixes that say so. */
enum place { PLACE_ATTRIBUTES, PLACE_RESOURCE, PLACE_SCOPE, PLACES };

/* The number of the span whose object lies at `index`; raises as trace_check_self does. */
uint32_t trace_check_span(lua_State *L, int index, const char *method);

/* Pushes a cell's value; lists and maps as tables, at most so deep. */
void trace_push_cell(lua_State *L, const struct trace *t, const struct trace_cell *c, int depth);
/* Pushes a table of attributes. */
void trace_push_attributes(lua_State *L, const struct trace *t, struct trace_run run);
/* Pushes the field of a span that the string at `index` names, or nil. */
void trace_push_field(lua_State *L, uint32_t span, int index);

/* trace_iterate.c: the methods, up to a NULL. */
extern const luaL_Reg trace_methods[], trace_span_methods[];

#endif

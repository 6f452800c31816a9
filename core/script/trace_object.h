/* Traces and spans as on.trace and on.trace_open see them: userdata that say which trace, and which of its spans; all that is read of them lies in the struct trace at hand.
 *
 * An object is good for the call that it was given to. It has the number of that call, and each use holds it against that of the call under way: nothing it could lead to
 * outlives the call. Objects of spans are made when they are first met and found again in a table of the call, so that one span is one key. */
#ifndef MOONGATE_SCRIPT_TRACE_OBJECT_H
#define MOONGATE_SCRIPT_TRACE_OBJECT_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "traces/traces.h"

struct script;

/* The trace at hand of a script. */
struct trace_view {
	const struct trace *trace; /* NULL outside of a call */
	struct traces *traces;     /* takes annotations; NULL: nobody does */
	bool open;                 /* it has not closed: the call is on.trace_open's */
	uint64_t call;             /* counts calls */
	int64_t *self_ns;          /* of each span; owned, NULL until asked for */
	bool *on_path;             /* likewise: is the span on the critical path? */
	int spans;                 /* in the registry: the table of the call's objects of spans, false outside */
	int trace_metatable, span_metatable; /* in the registry */
	char trace_id[33], root_id[17];      /* for exemplars */
};

/* Makes the metatables; leaves the stack as it is. */
void lib_trace_open(lua_State *L);

/* A call over this trace begins; it is not closed where `open`. In protected code: it may run out of memory. */
void trace_view_begin(lua_State *L, struct script *s, const struct trace *trace, struct traces *traces, bool open);
/* Pushes the trace's object. */
void trace_view_push(lua_State *L, struct script *s);
/* The call is over, whatever became of it. */
void trace_view_end(struct script *s);

/* When what the trace tells of has happened: the end of its root, which is the time of what on.trace emits. Of an open one it is not known: the engine's now. */
int64_t trace_view_time(const struct script *s);

/* ---- for trace_find.c ---- */

/* What a field of a span holds. */
struct span_value {
	enum { SPAN_NIL, SPAN_BOOL, SPAN_NUMBER, SPAN_TEXT, SPAN_CELL } type;
	double number; /* of a bool 0 or 1 */
	struct slice text;
	const struct trace_cell *cell; /* a list or map */
	char id[33];                   /* what `text` is of an id */
};

/* A field of spans, found by its name once for many spans of one trace. */
struct span_field {
	uint8_t own;    /* one of a span's own; 0: none */
	uint8_t place;  /* else where it lies first */
	uint32_t key;   /* of the attribute there */
	uint32_t whole; /* of the attribute with the whole name, where it is not there */
};

/* The field that the string at `index` names. */
struct span_field span_field_named(lua_State *L, int index, const struct trace *t);
/* Its value in a span. */
void span_field_read(lua_State *L, const struct span_field *f, uint32_t span, struct span_value *out);

/* The trace of the object at 1, which is to be a trace's: raises when it is none, or not the one at hand. `method` is for the message. */
const struct trace *trace_check_self(lua_State *L, const char *method);
/* Pushes the object of a span. */
void trace_push_span(lua_State *L, struct script *s, uint32_t span);
/* Raises unless `call` is the one under way; `what` was used. */
void trace_check_call(lua_State *L, uint64_t call, const char *what);

/* trace:find{…} */
int trace_find(lua_State *L);

#endif

/* `ev`: how a handler sees a record.
 *
 * For each script and record type there is one view with one Lua table, `ev`. A field that was never read is answered by the table's __index, in
 * C, which looks it up in the record and learns its name. Learned fields are filled in before each call, by a generated Lua
 * function: function(a1, a2) ev.model = a1 ev.user_id = a2 return h(ev) end, of which there is one for each handler h. The C side pushes it and the values and calls it.
 *
 * Invariant: a slot of `ev` whose bit in `live` is 0 is nil. (Writing to a nil slot always passes __newindex, which sets the bit; writing to
 * another one leaves it set.) So a fill writes the fields that the record has, and clears live ones that it has not. What a script wrote into
 * `ev` is thereby gone with the next fill; names that it wrote and that no record has are learned, too.
 *
 * Where the values of a record lie is computed once a shape (struct plan), and found again by the shape's hash, in any batch. What people
 * read of a span lies mostly in its attributes and its resource, which are objects with shapes of their own: its plans go by all of them.
 *
 * Measured with 6 fields and the JIT off, per call with the handler's own 65 ns taken off: this way 65 ns; lua_rawset from C for
 * all 147, only for those that changed 114; an iterator in a Lua loop that returns the values 82. An own pcall for each record costs nothing against one for all. */
#ifndef MOONGATE_SCRIPT_EVENT_H
#define MOONGATE_SCRIPT_EVENT_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/slice.h"
#include "record/record.h"
#include "script/sight.h"
#include "script/texts.h"

enum {
	VIEW_FIELDS = 64,  /* learned ones; what is read beyond is answered by __index each time */
	VIEW_PLANS = 8,    /* shapes that are remembered */
	SPAN_PLANS = 64,   /* of spans: each combination with the shapes of their attributes is one */
	SPAN_OUTERS = 8,   /* shapes of spans whose objects are remembered */
	VIEW_SETTERS = 16, /* sets of present fields that have a generated function; others are filled from C */
	VIEW_INDEX = 128   /* slots of the index of fields; a power of two, twice VIEW_FIELDS */
};

enum field_kind { FIELD_NAMED, FIELD_TYPE, FIELD_TIME, FIELD_DURATION };

/* A learned field. */
struct field {
	const char
	    *text; /* of the key, as interned by the Lua state: equal pointers are equal keys. `ref` keeps it alive */
	size_t len;
	uint64_t hash; /* hash_bytes(name, hash_seed()) */
	int ref;       /* of the key in the registry of the state */
	enum field_kind kind;
	bool copied;         /* was seen to be an object or array: a copy is made when it is read, by __index */
	bool dotted;         /* may be a path */
	struct texts *texts; /* owned; NULL until the field is a string, or when memory was out */
};

/* Where one field of a shape lies. */
struct plan_item {
	uint8_t field;
	uint8_t kind; /* enum field_kind, PLAN_PATH or PLAN_INNER */
	uint16_t
	    position; /* of a FIELD_NAMED in the record's values; of a PLAN_INNER the object's; of a FIELD_DURATION that of duration_ns */
	uint16_t inner; /* of a PLAN_INNER: its position in that object */
};
enum { PLAN_PATH = FIELD_DURATION + 1, PLAN_INNER };

struct plan {
	uint32_t generation; /* of the view when it was made; another one: void */
	uint32_t count;
	uint64_t mask; /* fields that the shape has */
	int handler;   /* for which the setter is, in the registry */
	int setter;    /* in the registry; LUA_NOREF: fill from C */
	struct plan_item items[VIEW_FIELDS];
};

/* The objects in a span whose fields are found by one look, and where they lie in a shape of spans. */
enum inner { INNER_ATTRIBUTES, INNER_RESOURCE, INNER_SCOPE, INNERS };

struct outer {
	uint64_t shape;     /* its hash */
	int16_t at[INNERS]; /* −1: the shape has none */
};

struct setter {
	uint64_t mask;
	int handler; /* that it calls, in the registry */
	int ref;
};

struct view {
	/* What to call; run.c's. */
	uint16_t *handlers; /* numbers in script->on, in order of registration; owned */
	uint16_t handler_count;

	const struct record *record; /* at hand; NULL outside of a call */
	uint64_t call;               /* counts calls: an iterator of another call is void */
	uint64_t live;               /* slots of `ev` that may hold something, by field */
	int ev;                      /* the table in the registry; LUA_NOREF until the first call */
	uint32_t generation;         /* changes when fields are learned; begins at 1 */
	uint32_t field_count;
	uint32_t setter_count;
	uint32_t setter_generation; /* of the view when the setters were made */
	struct field fields[VIEW_FIELDS];
	uint8_t index[VIEW_INDEX]; /* by the key's address: field + 1; 0: free */
	struct setter setters[VIEW_SETTERS];
	uint64_t shapes[SPAN_PLANS]; /* of the plans, of a span together with those of its objects; 0: none */
	uint32_t next_plan;          /* of those that a shape may have, the one that goes next when there is no room */
	struct sights sights;
	bool spans;                       /* what is seen are spans */
	uint8_t inner;                    /* objects of spans that learned fields lie in: bits by enum inner */
	struct outer outers[SPAN_OUTERS]; /* of spans, by hash */
	uint32_t plan_count;
	struct plan plans[]; /* by hash */
};

/* A view, of spans or of other records, that has learned nothing, or NULL. Owned by the caller: view_free (before or after its state is closed). */
struct view *view_new(bool spans);
void view_free(struct view *v);

/* Makes the table. In protected code. */
void event_make(lua_State *L, struct view *v);

/* Pushes a function and its arguments: calling it fills `ev` with the record's fields and calls the handler with registry reference `handler`
 * with it. Returns the number of arguments. In protected code; needs VIEW_FIELDS + 8 slots. The record is then at hand (view->record) until the caller clears it. */
int event_push(lua_State *L, struct view *v, const struct record *r, int handler);

/* The same with a strict `ev` (event_strict.c). */
int event_push_strict(lua_State *L, struct view *v, const struct record *r, int handler);

/* Is the value at `index` an `ev`? */
bool event_is(lua_State *L, int index);

/* Marks the metatable on top of the stack as that of an `ev`. */
void event_mark_metatable(lua_State *L);

/* Raises an error when it is: `what` is the function's name. */
void event_refuse(lua_State *L, int index, const char *what);

/* Spans: notes the object that a field of this name may lie in. fill.c's. */
void event_learn_inner(struct view *v, struct slice name);

/* A span's duration_ns, an int, as seconds. */
static inline double event_duration(const struct value *v)
{
	return v->integer > 0 ? clock_seconds(v->integer) : 0;
}

/* Pushes a plain table with all of the record's fields. */
void event_push_copy(lua_State *L, const struct record *r);

/* Pushes a record's field by name (type and time too), or nil. */
void event_push_field(lua_State *L, const struct record *r, struct slice name);

/* Pushes the name of field `i` (0-based) and its value; false, and nothing pushed, past the last one. */
bool event_push_nth(lua_State *L, const struct record *r, uint32_t i);

#endif

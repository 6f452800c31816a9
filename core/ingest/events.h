/* What the files of the JSON events decoder share: its state, and the reading of values. Private to ingest/. */
#ifndef MOONGATE_INGEST_EVENTS_H
#define MOONGATE_INGEST_EVENTS_H

#include "base/clock.h"
#include "ingest/ingest.h"
#include "ingest/json.h"

enum {
	STEPS = 1024,    /* remembered at a time */
	STEP_TRIES = 8,  /* of the ways on from a step, the newest */
	STEPS_DEEP = 96, /* longer events are read the slow way from there on, and not remembered */
	STEP_TEXT_MAX = 1024,
	TYPE_BYTES_MAX = 128,
	DEPTH_MAX = 128,
	NAME_SHOWN_MAX = 64
};

/* What a top-level name means. */
enum role { ROLE_FIELD, ROLE_KNOWN, ROLE_TYPE, ROLE_TIME };

struct name {
	const char *text; /* all that stood between the value before it and its own: `, "user_id": `; in the body */
	const char *ptr;  /* the name without quotes, in `text`; or, with escapes undone, in the arena */
	uint32_t text_len, len;
	uint32_t key; /* in the batch */
	uint8_t role; /* enum role */
	bool
	    literal; /* `text` holds the name as it is, and is short: the name may join the tree. With escapes what was sent is not the name */
};

/* A name in its place behind the names before it: the steps of all events so far make a tree. Number 0 is its root, before the first name. */
struct step {
	struct name name;
	uint32_t shape; /* of an event that ends here */
	bool has_shape; /* one did */
	uint16_t parent;
	uint16_t child;   /* the newest name that came behind this one; 0: none */
	uint16_t sibling; /* the next older name behind the same parent; 0: none */
};

struct decoder {
	struct json j;
	struct batch *batch;
	const struct ingest_limits *limits;
	struct ingest_rejects *rejects;
	int64_t arrival_ns;
	const char *event;      /* start of the event at hand */
	struct arena_mark mark; /* of the values before it */
	uint32_t index;         /* its position in the body */
	uint32_t fields;        /* its values so far */

	struct step *steps; /* STEPS of them, in the batch's names; NULL: none is remembered */
	uint32_t step_count;
	struct name *names; /* of the event at hand, once it leaves the tree */
	size_t name_cap;
	struct value *stack; /* values of what is being read */
	size_t stack_cap;
	uint32_t depth_used; /* of `stack` */
	uint32_t *seen;      /* for each key the object in which it was last seen */
	size_t seen_cap;
	uint32_t object_number;
	uint32_t *keys; /* keys of the object being closed */
	size_t keys_cap;

	struct slice type; /* of the event at hand; ptr NULL: none yet */
	int64_t time_ns;
	struct clock_minute minute; /* of the last time that was text */
	struct slice last_type;     /* interned as last_type_number */
	uint32_t last_type_number;
	bool refused; /* the event at hand is well-formed so far, but no event; `why` says why */
	bool no_memory;
	char why[320];
};

/* ---- events_value.c ---- */

/* Memory ran out: reading stops. Returns false. */
bool events_out_of_memory(struct decoder *d);

/* The event is refused with this sentence: reading stops. Returns false. */
bool events_refuse(struct decoder *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A field's name for a message: at most 64 bytes, cut at a character's end, controls replaced. Names are valid UTF-8 by then. */
struct events_shown {
	char text[NAME_SHOWN_MAX + 4];
};
struct events_shown events_shown(struct slice name);

/* "a string", "an array" … */
const char *events_type_name(const struct value *v);

/* Makes room on the stack of values. */
bool events_grow_stack(struct decoder *d);

/* Makes room for `count` values in all. */
bool events_reserve_stack(struct decoder *d, uint32_t count);

static inline bool events_push(struct decoder *d, const struct value *v)
{
	if (__builtin_expect(d->depth_used == d->stack_cap, 0) && !events_grow_stack(d))
		return false;
	d->stack[d->depth_used++] = *v;
	return true;
}

/* Moves the values from `base` on into the arena; NULL when memory is out. */
struct value *events_pop(struct decoder *d, uint32_t base);

/* Reads the value at the cursor, which stands on its first byte. `name` is for messages. */
bool events_read_value(struct decoder *d, struct value *out, struct slice name, uint32_t depth);

/* Reads a name and the colon; undoes its escapes. */
bool events_read_name(struct decoder *d, struct slice *name);
bool events_intern_name(struct decoder *d, struct slice name, uint32_t *key);

/* Marks a key as seen in object `number`; refuses the event when it was. */
bool events_see_once(struct decoder *d, uint32_t key, uint32_t number);

/* Room for the keys of a shape in d->keys; and the shape that they make. */
bool events_grow_keys(struct decoder *d, size_t count);
bool events_make_shape(struct decoder *d, uint32_t count, uint32_t *shape);

/* ---- events_record.c ---- */

/* One event, the cursor on its first byte. 0: a record, or refused alone. -EINVAL: a syntax error at the cursor. -ENOMEM. */
int events_read_event(struct decoder *d);

#endif

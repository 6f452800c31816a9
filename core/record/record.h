/* The record: what every decoder makes of its protocol, and the only word for data that all other modules share.
 *
 * Records live in a batch: the batch owns the arenas that hold values and copied strings, and names; and the body that strings point into. A record's fields are an array of values whose names are given by a shape, the ordered set of field names that records of
 * one kind of event have in common, so that names are stored, looked up and journaled once and not per record.
 *
 *   batch ─┬─ keys     name → number, unique in the batch
 *          ├─ shapes   ordered lists of keys, unique in the batch
 *          ├─ types    names of record types, unique in the batch
 *          └─ records  {time, type, shape, values[shape.count]}
 *
 * Nested objects are values with a shape of their own; arrays are values. Duplicate names in one object cannot occur: decoders refuse them.
 *
 * Threads: a batch belongs to one thread at a time and is handed over whole. */
#ifndef MOONGATE_RECORD_RECORD_H
#define MOONGATE_RECORD_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"
#include "base/table.h"

/* What a record is. The numbers are written to disk. */
enum record_kind { RECORD_EVENT = 1, RECORD_SPAN = 2, RECORD_LOG = 3, RECORD_AUDIT = 4 };

enum value_type { VALUE_NULL, VALUE_BOOL, VALUE_INT, VALUE_DOUBLE, VALUE_STRING, VALUE_ARRAY, VALUE_OBJECT };

struct object;

/* One value, 16 bytes. Everything it points to belongs to the batch. */
struct value {
	union {
		bool boolean;
		int64_t integer;
		double number;
		const char *str; /* UTF-8, `len` bytes, may hold NUL; not terminated */
		const struct value *items;
		const struct object *object;
	};
	uint32_t len;  /* bytes of a string, items of an array; else 0 */
	uint32_t type; /* enum value_type */
};

/* A nested object. */
struct object {
	uint32_t shape; /* in the batch's shapes; its count is the number of values */
	const struct value *values;
};

/* Fields that moongate itself gives a meaning; their position is known for each shape. */
enum known_field {
	KNOWN_ID,
	KNOWN_TENANT_ID,
	KNOWN_TRACE_ID,
	KNOWN_SPAN_ID,
	KNOWN_REQUEST_ID,
	KNOWN_USER_ID,
	KNOWN_FIELDS
};

enum {
	BATCH_KEYS_MAX = 65535,   /* distinct field names in a batch */
	BATCH_SHAPES_MAX = 65535, /* distinct field-name sets in a batch */
	BATCH_TYPES_MAX = 65535,  /* distinct record types in a batch */
	SHAPE_KEYS_MAX = 4096     /* names in a shape */
};

struct key {
	struct slice name;
	uint64_t hash; /* hash_bytes(name, hash_seed()) */
};

struct shape {
	const uint32_t *keys; /* `count` of them, in the order of the fields */
	uint32_t count;
	int16_t known[KNOWN_FIELDS]; /* position of each known field, −1: the shape has none */
	uint64_t hash;               /* of the names in order; equal for equal shapes in any batch of this process */
};

struct record_type {
	struct slice name;
	uint64_t hash; /* hash_bytes(name, hash_seed()) */
};

struct batch;

struct record {
	struct batch *batch;        /* the batch that owns it */
	const struct value *values; /* as many as its shape has keys */
	int64_t time_ns;            /* nanoseconds since the Unix epoch */
	uint32_t shape;             /* index in batch->shapes */
	uint32_t index;             /* position in what the client sent, 0-based: errors name it */
	uint16_t type;              /* index in batch->types */
	uint8_t kind;               /* enum record_kind */
	uint8_t dropped;            /* a filter dropped it: neither journaled nor applied */
};

struct batch {
	struct arena arena; /* values, objects, copied strings: what a record has for itself */
	struct arena names; /* of keys, shapes and types: what records share */
	struct key *keys;
	struct shape *shapes;
	struct record_type *types;
	struct record *records; /* moves while records are being added; stable afterwards */
	uint32_t key_count, shape_count, type_count, count;
	size_t key_cap, shape_cap, type_cap, cap;
	struct table key_table, shape_table, type_table;
	char *body;       /* owned bytes that strings may point into (mem_free), or NULL */
	size_t body_size; /* allocated bytes of body, for the memory budget */
};

/* An empty batch, or NULL. Owned by the caller. */
struct batch *batch_new(void);

/* Frees the batch with its body and everything in it; NULL is allowed. */
void batch_free(struct batch *b);

/* Empties the batch for reuse (its body is freed), keeping at most about `keep` bytes of memory. */
void batch_reset(struct batch *b, size_t keep);

/* The memory that the batch has taken for what was decoded: all of it but the body. */
size_t batch_bytes(const struct batch *b);

/* The number of the field name, added if new (the bytes are copied). Negative: -ENOMEM, or -E2BIG past BATCH_KEYS_MAX. */
int64_t batch_key(struct batch *b, struct slice name);

/* The number of the shape with these keys in this order, added if new. The keys are distinct. Negative: -ENOMEM, -E2BIG. */
int64_t batch_shape(struct batch *b, const uint32_t *keys, uint32_t count);

/* The number of the record type, added if new (copied). Negative: -ENOMEM, -E2BIG. */
int64_t batch_type(struct batch *b, struct slice name);

/* Adds a record, zeroed but for its batch, kind RECORD_EVENT; NULL when memory is out. */
struct record *batch_add(struct batch *b);

/* Room for `count` values in the arena, uninitialised; NULL when memory is out. */
static inline struct value *batch_values(struct batch *b, uint32_t count)
{
	return arena_alloc(&b->arena, (size_t)count * sizeof(struct value));
}

static inline const struct shape *record_shape(const struct record *r)
{
	return &r->batch->shapes[r->shape];
}

/* The name of the record's type. */
static inline struct slice record_type_name(const struct record *r)
{
	return r->batch->types[r->type].name;
}

/* A known field's value, or NULL when the record has none. */
static inline const struct value *record_known(const struct record *r, enum known_field field)
{
	int pos = record_shape(r)->known[field];
	return pos < 0 ? NULL : &r->values[pos];
}

/* The position of the field with this very name (no path) in a shape, or −1. `hash` is hash_bytes(name, hash_seed()). */
int shape_find(const struct batch *b, uint32_t shape, struct slice name, uint64_t hash);

/* A field by name: the exact key first, then the name as a path ("usage.input_tokens" into the object `usage`; where several splits are possible the
 * longest first key wins; array items are reached by their 0-based number, "items.0.name"; of a path that can be split in very many ways not all are tried). NULL when there is none.
 * Of a span (RECORD_SPAN) last the attribute of this very name.
 * `hash` is hash_bytes(name, hash_seed()). */
const struct value *record_get(const struct record *r, struct slice name, uint64_t hash);

/* Sets a field by the same rule as record_get finds it; a name that finds nothing is added at the top level as it is, of a span that is no
 * field of spans (span.h) to its attributes. The value (with what it points to) must
 * live as long as the batch. 0, -ENOMEM, -E2BIG. Other records that share the shape are not affected. */
int record_set(struct record *r, struct slice name, struct value v);

/* Removes a field found by the same rule. 0, -ENOENT, -ENOMEM. */
int record_remove(struct record *r, struct slice name);

/* Copies a value with everything below it into another batch (or the same). 0, or -ENOMEM, -E2BIG. */
int value_copy(struct batch *to, const struct batch *from, const struct value *v, struct value *out);

/* Copies a whole record into another batch. NULL when memory is out. */
struct record *record_copy(struct batch *to, const struct record *r);

/* Appends the value as compact JSON; keys in the order of the shape. */
struct buf;
void value_json(struct buf *out, const struct batch *b, const struct value *v);

/* Appends the record as one JSON object: type, time (RFC 3339, nanoseconds where there are any), then its fields. */
void record_json(struct buf *out, const struct record *r);

#endif

/* Records → the payload of a frame (FORMAT.md). This runs for every event on the engine thread.
 *
 * Names are written once a frame, strings once they repeat: a string is admitted to the dictionary when it is seen for the second time, so
 * that ids, which never repeat, do not fill it. Most strings repeat in their own column, often at once: each column remembers its last entry and is
 * compared with that first; a column that has not repeated for a while is written raw, without hashing, and tried again now and then. Ids that count up, or begin with the time,
 * do not repeat but for their last digits: what is not in the dictionary is held against the last string of its length.
 *
 * Spans that came together share their resource and scope, and their trace's id, which repeat in runs: each column remembers where its last object or row of hexadecimal digits lies in memory.
 *
 * All tables carry the number of the frame they were filled in, so that a new frame begins without clearing anything. */
#include <errno.h>
#include <math.h>

#include "base/hash.h"
#include "base/hex.h"
#include "base/mem.h"
#include "journal/internal.h"
#include "journal/tags.h"

enum {
	HEADS = 1024,       /* slots; a power of two */
	SHAPES = 1024,      /* likewise */
	STRINGS = 4096,     /* likewise */
	COLUMNS_MAX = 8192, /* remembered; further ones work without memory */
	STRING_MAX = 128,   /* longer ones are not worth a dictionary entry */
	HEX_MIN = 16,       /* digits; what is shorter may be anything */
	GIVE_UP = 16,       /* misses in a row until a column is written raw */
	RETRY = 256,        /* strings of a raw column until it is tried again */
	SHARED_MIN =
	    4 /* bytes that have to be the same: the other form has three bytes before the rest, a raw string two */
};

struct slot {
	uint64_t hash;
	uint32_t frame;
	uint32_t number;  /* of the head or shape */
	uint32_t columns; /* shapes: first of its columns */
};

/* Sixteen bytes: the table stays in the second cache beside all that the engine's thread does between two records. */
struct string_slot {
	uint32_t tag; /* of hash and length */
	uint32_t frame;
	uint32_t number; /* entry + 1; 0: seen once */
	uint32_t offset; /* of the entry's bytes in the payload */
};

struct column {
	uint32_t offset, len; /* of the last entry's bytes in the payload; len 0: none */
	uint32_t number;
	uint16_t misses, raw;
};

/* The last object or hexadecimal string of a column, in its batch, which stays until the group is durable. */
struct run {
	const void *at;  /* NULL: none */
	uint32_t len;    /* of a string; IS_OBJECT: an object */
	uint32_t number; /* entry + 1; 0: seen once */
};
enum { IS_OBJECT = 0 };

struct encoder {
	struct buf *out;
	char *limit;  /* see begin_values */
	size_t start; /* of the payload */
	uint32_t frame;
	uint32_t heads_used, shapes_used, strings_used, objects_used, columns_used;
	int64_t last_time_ns;
	uint64_t last_type, last_shape; /* hashes of the record before */
	uint32_t last_head, last_columns;
	struct slot heads[HEADS];
	struct slot shapes[SHAPES];
	struct string_slot strings[STRINGS];
	struct column columns[COLUMNS_MAX];
	struct run runs[COLUMNS_MAX];
	struct begun {
		uint32_t frame;
		char bytes[BEGUN_MAX];
	} begun[BEGUN_MAX + 1]; /* by length: the last string that was written out */
};

struct encoder *encoder_new(void)
{
	return mem_zalloc(1, sizeof(struct encoder));
}

void encoder_free(struct encoder *e)
{
	mem_free(e);
}

void encoder_begin(struct encoder *e, struct buf *out)
{
	e->out = out;
	e->start = out->len;
	if (++e->frame == 0) { /* the numbers came round: nothing old may look new */
		*e = (struct encoder){.out = out, .start = out->len, .frame = 1};
	}
	e->heads_used = e->shapes_used = e->strings_used = e->objects_used = e->columns_used = 0;
	e->last_time_ns = 0;
	e->last_type = e->last_shape = 0;
}

static inline char *put_varint(char *to, uint64_t v)
{
	while (v >= 0x80) {
		*to++ = (char)(v | 0x80);
		v >>= 7;
	}
	*to++ = (char)v;
	return to;
}

static void write_varint(struct encoder *e, uint64_t v)
{
	char *to = buf_room(e->out, 10);
	if (to != NULL)
		e->out->len += (size_t)(put_varint(to, v) - to);
}

static void write_text(struct encoder *e, struct slice s)
{
	write_varint(e, s.len);
	buf_slice_append(e->out, s);
}

/* The slot of a hash: the one that holds it in this frame, else a free one. NULL when the table is full. */
static struct slot *slot_find(struct slot *slots, uint32_t size, uint32_t frame, uint64_t hash)
{
	for (uint32_t i = 0; i < size / 2; i++) {
		struct slot *s = &slots[(hash + i) & (size - 1)];
		if (s->frame != frame || s->hash == hash)
			return s;
	}
	return NULL;
}

/* Writes a shape's number, defining it when it is new (again and again where the table is full). Returns its first column. */
static uint32_t write_shape(struct encoder *e, const struct batch *b, uint32_t shape)
{
	const struct shape *s = &b->shapes[shape];
	struct slot *slot = slot_find(e->shapes, SHAPES, e->frame, s->hash);
	if (slot != NULL && slot->frame == e->frame) {
		write_varint(e, (uint64_t)slot->number + 1);
		return slot->columns;
	}
	write_varint(e, 0);
	write_varint(e, s->count);
	for (uint32_t i = 0; i < s->count; i++)
		write_text(e, b->keys[s->keys[i]].name);
	uint32_t columns = e->columns_used + s->count <= COLUMNS_MAX ? e->columns_used : COLUMNS_MAX;
	if (slot != NULL)
		*slot = (struct slot){s->hash, e->frame, e->shapes_used, columns};
	e->shapes_used++;
	if (columns < COLUMNS_MAX) {
		memset(&e->columns[columns], 0, s->count * sizeof *e->columns);
		memset(&e->runs[columns], 0, s->count * sizeof *e->runs);
		e->columns_used += s->count;
	}
	return columns;
}

static uint32_t columns_of(const struct encoder *e, const struct shape *s)
{
	const struct slot *slot = slot_find((struct slot *)e->shapes, SHAPES, e->frame, s->hash);
	return slot != NULL && slot->frame == e->frame ? slot->columns : COLUMNS_MAX;
}

/* Writes the head (type and shape) of a record; returns the first column of its shape. */
static uint32_t write_head(struct encoder *e, const struct record *r)
{
	const struct shape *shape = record_shape(r);
	const struct record_type *type = &r->batch->types[r->type];
	if (e->last_shape == shape->hash && e->last_type == type->hash) {
		write_varint(e, (uint64_t)e->last_head + 1);
		return e->last_columns;
	}
	uint64_t hash = hash_mix(shape->hash, type->hash);
	struct slot *slot = slot_find(e->heads, HEADS, e->frame, hash);
	uint32_t columns, number;
	if (slot != NULL && slot->frame == e->frame) {
		number = slot->number;
		write_varint(e, (uint64_t)number + 1);
		columns = columns_of(e, shape);
	} else {
		number = e->heads_used++;
		if (slot != NULL)
			*slot = (struct slot){hash, e->frame, number, 0};
		write_varint(e, 0);
		write_text(e, type->name);
		columns = write_shape(e, r->batch, r->shape);
	}
	e->last_shape = shape->hash;
	e->last_type = type->hash;
	e->last_head = number;
	e->last_columns = columns;
	return columns;
}

static void write_time(struct encoder *e, int64_t time_ns)
{
	int64_t delta = (int64_t)((uint64_t)time_ns - (uint64_t)e->last_time_ns);
	uint64_t unit = delta % NS_PER_MS == 0;
	int64_t count = unit ? delta / NS_PER_MS : delta;
	uint64_t zigzag = (uint64_t)count << 1 ^ (uint64_t)(count >> 63);
	e->last_time_ns = time_ns;
	if (zigzag <= UINT64_MAX >> 1) {
		write_varint(e, zigzag << 1 | unit);
		return;
	}
	write_varint(e, 0); /* no room for the unit */
	buf_append(e->out, &time_ns, sizeof time_ns);
}

/* ---- values, one behind the other: each put_ function returns the cursor behind what it wrote ---- */

enum { VALUE_ROOM = 16 }; /* what a value takes at most, but for a string's bytes and what is in an array or object */

/* The cursor at the end of the payload, with VALUE_ROOM for each of `count` values and one more; a string's bytes fit as long as they end at e->limit. NULL when memory is out. */
static char *begin_values(struct encoder *e, uint32_t count)
{
	size_t room = ((size_t)count + 1) * VALUE_ROOM;
	char *to = buf_room(e->out, room);
	if (to != NULL)
		e->limit = e->out->ptr + e->out->cap - room;
	return to;
}

static void end_values(struct encoder *e, const char *to)
{
	e->out->len = (size_t)(to - e->out->ptr);
}

/* Moves the limit behind `len` more bytes; where that fails the cursor stays, and the payload is useless. */
static char *make_room(struct encoder *e, char *to, uint32_t len)
{
	size_t kept = (size_t)(e->out->ptr + e->out->cap - e->limit);
	end_values(e, to);
	char *moved = buf_room(e->out, kept + len);
	if (moved == NULL)
		return to;
	e->limit = e->out->ptr + e->out->cap - kept;
	return moved;
}

/* ---- strings ---- */

static inline char *put_ref(char *to, uint32_t number)
{
	if (number < TAG_SHORT_REFS) {
		*to = (char)number;
		return to + 1;
	}
	*to = (char)TAG_REF;
	return put_varint(to + 1, number - TAG_SHORT_REFS);
}

static inline char *put_raw(struct encoder *e, char *to, enum tag tag, const char *s, uint32_t len)
{
	if (e->limit - to < (ptrdiff_t)len) {
		to = make_room(e, to, len);
		if (buf_failed(e->out))
			return to;
	}
	*to = (char)tag;
	to = put_varint(to + 1, len);
	memcpy(to, s, len);
	return to + len;
}

static inline bool same_bytes(const struct encoder *e, uint32_t offset, const char *s, uint32_t len)
{
	return bytes_same(e->out->ptr + e->start + offset, s, len);
}

/* How many bytes two strings of `len` bytes, BEGUN_MIN at least, have in common at their beginning. */
static inline uint32_t shared_bytes(const char *x, const char *y, uint32_t len)
{
	for (uint32_t i = 0;; i = i + 16 <= len ? i + 8 : len - 8) { /* the last word overlaps the one before */
		uint64_t a, b;
		memcpy(&a, x + i, 8);
		memcpy(&b, y + i, 8);
		if (a != b)
			return i + (uint32_t)__builtin_ctzll(a ^ b) / 8;
		if (i + 8 == len)
			return len;
	}
}

/* Remembers a string that was written out. */
static inline void remember(struct encoder *e, const char *s, uint32_t len)
{
	if (len < BEGUN_MIN || len > BEGUN_MAX)
		return;
	e->begun[len].frame = e->frame;
	memcpy(e->begun[len].bytes, s, len);
}

/* A string that is in no dictionary. */
static char *put_text(struct encoder *e, char *to, const char *s, uint32_t len)
{
	if (len < BEGUN_MIN || len > BEGUN_MAX)
		return put_raw(e, to, TAG_STRING, s, len);
	struct begun *begun = &e->begun[len];
	uint32_t shared = begun->frame == e->frame ? shared_bytes(begun->bytes, s, len) : 0;
	remember(e, s, len);
	if (shared < SHARED_MIN)
		return put_raw(e, to, TAG_STRING, s, len);
	if (e->limit - to < (ptrdiff_t)len) {
		to = make_room(e, to, len);
		if (buf_failed(e->out))
			return to;
	}
	*to++ = (char)TAG_GOES_ON;
	*to++ = (char)len;
	*to++ = (char)shared;
	memcpy(to, s + shared, len - shared);
	return to + len - shared;
}

/* An entry's string is defined: by its second sight. */
static char *put_entry(struct encoder *e, char *to, struct string_slot *slot, const char *s, uint32_t len)
{
	to = put_raw(e, to, TAG_DEFINE, s, len);
	if (buf_failed(e->out))
		return to;
	remember(e, s, len);
	slot->number = ++e->strings_used;
	slot->offset = (uint32_t)((size_t)(to - e->out->ptr) - len - e->start);
	return to;
}

/* By the dictionary, where the string is an entry of it or becomes one; raw where it is seen for the first time. */
static char *put_looked_up(struct encoder *e, char *to, struct column *c, const char *s, uint32_t len)
{
	uint64_t hash = hash_bytes(s, len, hash_seed());
	struct string_slot *slot = &e->strings[hash & (STRINGS - 1)];
	uint32_t tag = (uint32_t)(hash >> 32) ^ len;
	bool used = slot->frame == e->frame;
	bool known = used && slot->tag == tag && (slot->number == 0 || same_bytes(e, slot->offset, s, len));
	if (!known) {
		if (!used || slot->number == 0) /* an entry stays to the end of the frame */
			*slot = (struct string_slot){tag, e->frame, 0, 0};
		if (c != NULL && ++c->misses >= GIVE_UP) {
			c->misses = GIVE_UP - 4;
			c->raw = RETRY;
		}
		return put_text(e, to, s, len);
	}
	to = slot->number == 0 ? put_entry(e, to, slot, s, len) : put_ref(to, slot->number - 1);
	if (c != NULL && slot->number != 0)
		*c = (struct column){slot->offset, len, slot->number - 1, 0, 0};
	return to;
}

/* Hexadecimal digits as bytes, half as many; NULL where it is something else, mostly told by the first eight characters. */
static char *put_hex(struct encoder *e, char *to, struct run *run, const char *s, uint32_t len)
{
	char bytes[STRING_MAX / 2];
	bool again = run != NULL && run->at != NULL && run->len == len && bytes_same(run->at, s, len);

	if (again && run->number != 0)
		return put_ref(to, run->number - 1);
	for (uint32_t i = 0; i < len; i += 8) {
		if (!hex_read4(bytes + i / 2, s + i))
			return NULL;
	}
	to = put_raw(e, to, again ? TAG_HEX_DEFINE : TAG_HEX, bytes, len / 2);
	if (run != NULL)
		*run = (struct run){s, len, again ? ++e->strings_used : 0};
	return to;
}

static inline char *put_string(struct encoder *e, char *to, struct column *c, const char *s, uint32_t len)
{
	if (len > STRING_MAX || len == 0)
		return put_raw(e, to, TAG_STRING, s, len);
	if (c != NULL && c->len == len && same_bytes(e, c->offset, s, len))
		return put_ref(to, c->number);
	if (len >= HEX_MIN && len % 8 == 0) {
		char *behind = put_hex(e, to, c != NULL ? &e->runs[c - e->columns] : NULL, s, len);
		if (behind != NULL)
			return behind;
	}
	if (c != NULL && c->raw > 0) {
		c->raw--;
		return put_text(e, to, s, len);
	}
	return put_looked_up(e, to, c, s, len);
}

/* ---- numbers ---- */

static inline char *put_integer(char *to, int64_t v)
{
	if (v >= 0 && v < SMALL_INTEGERS) {
		*to = (char)(TAG_SMALL + v);
		return to + 1;
	}
	uint64_t u = v >= 0 ? (uint64_t)v : ~(uint64_t)v;
	unsigned bytes = u == 0 ? 1 : (71 - (unsigned)__builtin_clzll(u)) / 8;
	*to = (char)((v >= 0 ? TAG_UNSIGNED : TAG_NEGATIVE) + bytes - 1);
	memcpy(to + 1, &u, 8);
	return to + 1 + bytes;
}

/* The nearest whole number, ties to even, of one below 2^51: from 2^52 on doubles have no places behind the point. (nearbyint is a call.) */
static inline double whole(double v)
{
	const double shift = 6755399441055744.0; /* 1.5 · 2^52 */
	return v + shift - shift;
}

/* Decimals with few digits, as durations and prices are, take three or four bytes instead of nine; only where dividing gives the very same bits. */
static char *put_double(char *to, double v)
{
	static const double scales[] = {1, 10, 100, 1000, 10000};
	for (int exponent = 1; exponent <= DECIMAL_EXPONENT_MAX && fabs(v) < 1e9 && v != 0; exponent++) {
		double scaled = whole(v * scales[exponent]);
		if (scaled / scales[exponent] != v)
			continue;
		int64_t mantissa = (int64_t)scaled;
		*to = (char)TAG_DECIMAL;
		to = put_varint(to + 1, (uint64_t)mantissa << 1 ^ (uint64_t)(mantissa >> 63));
		*to = (char)exponent;
		return to + 1;
	}
	*to = (char)TAG_DOUBLE;
	memcpy(to + 1, &v, 8);
	return to + 9;
}

/* ---- values ---- */

static void write_values(struct encoder *e, const struct batch *b, const struct value *values, uint32_t count,
                         uint32_t first_column, bool of_record);

/* How an object is to be written: the same one in a row, by its address, becomes an entry and then a reference. `run`: its column's in a record; NULL: it is nested. */
static enum tag tag_object(struct encoder *e, struct run *run, const struct object *o)
{
	if (run == NULL)
		return TAG_OBJECT;
	if (run->at != o || run->len != IS_OBJECT) {
		*run = (struct run){o, IS_OBJECT, 0};
		return TAG_OBJECT;
	}
	if (run->number != 0)
		return TAG_OBJECT_REF;
	run->number = ++e->objects_used;
	return TAG_OBJECT_DEFINE;
}

/* An array or object, behind which `left` more values come. NULL when memory is out. */
static char *put_nested(struct encoder *e, char *to, const struct batch *b, const struct value *v, struct run *run,
                        uint32_t left)
{
	enum tag tag = v->type == VALUE_OBJECT ? tag_object(e, run, v->object) : TAG_ARRAY;

	if (tag == TAG_OBJECT_REF) {
		*to = (char)tag;
		return put_varint(to + 1, run->number - 1);
	}
	end_values(e, to);
	if (v->type == VALUE_ARRAY) {
		buf_byte(e->out, (char)tag);
		write_varint(e, v->len);
		write_values(e, b, v->items, v->len, COLUMNS_MAX, false);
	} else {
		const struct object *o = v->object;
		buf_byte(e->out, (char)tag);
		uint32_t columns = write_shape(e, b, o->shape);
		write_values(e, b, o->values, b->shapes[o->shape].count, columns, false);
	}
	return begin_values(e, left);
}

/* `first_column`: of the first value; COLUMNS_MAX: they have none. */
static void write_values(struct encoder *e, const struct batch *b, const struct value *values, uint32_t count,
                         uint32_t first_column, bool of_record)
{
	struct column *columns = first_column < COLUMNS_MAX ? &e->columns[first_column] : NULL;
	char *to = begin_values(e, count);
	for (uint32_t i = 0; i < count && to != NULL; i++) {
		const struct value *v = &values[i];
		switch ((enum value_type)v->type) {
		case VALUE_NULL:
			*to++ = (char)TAG_NULL;
			break;
		case VALUE_BOOL:
			*to++ = (char)(v->boolean ? TAG_TRUE : TAG_FALSE);
			break;
		case VALUE_INT:
			to = put_integer(to, v->integer);
			break;
		case VALUE_DOUBLE:
			to = put_double(to, v->number);
			break;
		case VALUE_STRING:
			to = put_string(e, to, columns != NULL ? &columns[i] : NULL, v->str, v->len);
			break;
		case VALUE_ARRAY:
		case VALUE_OBJECT:
			to = put_nested(e, to, b, v, of_record && columns != NULL ? &e->runs[first_column + i] : NULL,
			                count - i - 1);
			break;
		}
	}
	if (to != NULL)
		end_values(e, to);
}

int encoder_add(struct encoder *e, const struct record *r)
{
	uint32_t columns = write_head(e, r);
	write_time(e, r->time_ns);
	write_values(e, r->batch, r->values, record_shape(r)->count, columns, true);
	return buf_failed(e->out) ? -ENOMEM : 0;
}

/* Records → the payload of a frame (FORMAT.md). This runs for every event on the engine thread.
 *
 * Names are written once a frame, strings once they repeat: a string is admitted to the dictionary when it is seen for the second time, so
 * that ids, which never repeat, do not fill it. Most strings repeat in their own column, often at once: each column remembers its last entry and is
 * compared with that first; a column that has not repeated for a while is written raw, without hashing, and tried again now and then.
 *
 * All tables carry the number of the frame they were filled in, so that a new frame begins without clearing anything. */
#include <errno.h>
#include <math.h>

#include "base/hash.h"
#include "base/mem.h"
#include "journal/internal.h"
#include "journal/tags.h"

enum {
	HEADS = 1024,       /* slots; a power of two */
	SHAPES = 1024,      /* likewise */
	STRINGS = 8192,     /* likewise */
	COLUMNS_MAX = 8192, /* remembered; further ones work without memory */
	STRING_MAX = 128,   /* longer ones are not worth a dictionary entry */
	GIVE_UP = 16,       /* misses in a row until a column is written raw */
	RETRY = 256         /* strings of a raw column until it is tried again */
};

struct slot {
	uint64_t hash;
	uint32_t frame;
	uint32_t number;  /* of the head or shape */
	uint32_t columns; /* shapes: first of its columns */
};

struct string_slot {
	uint64_t hash;
	uint32_t frame;
	uint32_t number; /* entry + 1; 0: seen once */
	uint32_t offset; /* of the entry's bytes in the payload */
	uint32_t len;
};

struct column {
	uint32_t offset, len; /* of the last entry's bytes in the payload; len 0: none */
	uint32_t number;
	uint16_t misses, raw;
};

struct encoder {
	struct buf *out;
	size_t start; /* of the payload */
	uint32_t frame;
	uint32_t heads_used, shapes_used, strings_used, columns_used;
	int64_t last_time_ns;
	uint64_t last_type, last_shape; /* hashes of the record before */
	uint32_t last_head, last_columns;
	struct slot heads[HEADS];
	struct slot shapes[SHAPES];
	struct string_slot strings[STRINGS];
	struct column columns[COLUMNS_MAX];
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
	e->heads_used = e->shapes_used = e->strings_used = e->columns_used = 0;
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

/* ---- strings ---- */

static void write_ref(struct encoder *e, uint32_t number)
{
	char *to = buf_room(e->out, 11);
	if (to == NULL)
		return;
	if (number < TAG_SHORT_REFS) {
		*to = (char)number;
		e->out->len++;
		return;
	}
	*to = (char)TAG_REF;
	e->out->len += (size_t)(put_varint(to + 1, number - TAG_SHORT_REFS) - to);
}

static void write_raw(struct encoder *e, enum tag tag, const char *s, uint32_t len)
{
	char *to = buf_room(e->out, (size_t)len + 11);
	if (to == NULL)
		return;
	*to = (char)tag;
	char *bytes = put_varint(to + 1, len);
	memcpy(bytes, s, len);
	e->out->len += (size_t)(bytes + len - to);
}

static inline bool same_bytes(const struct encoder *e, uint32_t offset, const char *s, uint32_t len)
{
	return bytes_same(e->out->ptr + e->start + offset, s, len);
}

/* Looks the string up in the dictionary. True: it is (now) an entry and was written. */
static bool write_by_dictionary(struct encoder *e, struct column *c, const char *s, uint32_t len)
{
	uint64_t hash = hash_bytes(s, len, hash_seed());
	struct string_slot *slot = &e->strings[hash & (STRINGS - 1)];
	bool known = slot->frame == e->frame && slot->hash == hash && slot->len == len;
	if (!known) {
		*slot = (struct string_slot){hash, e->frame, 0, 0, len};
		return false;
	}
	if (slot->number == 0) {
		write_raw(e, TAG_DEFINE, s, len);
		slot->number = ++e->strings_used;
		slot->offset = (uint32_t)(e->out->len - len - e->start);
	} else if (same_bytes(e, slot->offset, s, len)) {
		write_ref(e, slot->number - 1);
	} else {
		return false;
	}
	if (c != NULL)
		*c = (struct column){slot->offset, len, slot->number - 1, 0, 0};
	return true;
}

static void write_string(struct encoder *e, struct column *c, const char *s, uint32_t len)
{
	if (len > STRING_MAX || len == 0) {
		write_raw(e, TAG_STRING, s, len);
		return;
	}
	if (c != NULL) {
		if (c->len == len && same_bytes(e, c->offset, s, len)) {
			write_ref(e, c->number);
			return;
		}
		if (c->raw > 0) {
			c->raw--;
			write_raw(e, TAG_STRING, s, len);
			return;
		}
	}
	if (write_by_dictionary(e, c, s, len))
		return;
	write_raw(e, TAG_STRING, s, len);
	if (c != NULL && ++c->misses >= GIVE_UP) {
		c->misses = GIVE_UP - 4;
		c->raw = RETRY;
	}
}

/* ---- numbers ---- */

static void write_integer(struct encoder *e, int64_t v)
{
	char *to = buf_room(e->out, 9);
	if (to == NULL)
		return;
	if (v >= 0 && v < SMALL_INTEGERS) {
		*to = (char)(TAG_SMALL + v);
		e->out->len++;
		return;
	}
	uint64_t u = v >= 0 ? (uint64_t)v : ~(uint64_t)v;
	unsigned bytes = u == 0 ? 1 : (71 - (unsigned)__builtin_clzll(u)) / 8;
	*to = (char)((v >= 0 ? TAG_UNSIGNED : TAG_NEGATIVE) + bytes - 1);
	memcpy(to + 1, &u, 8);
	e->out->len += 1 + bytes;
}

/* Decimals with few digits, as durations and prices are, take three or four bytes instead of nine; only where dividing gives the very same bits. */
static bool write_decimal(struct encoder *e, double v)
{
	static const double scales[] = {1, 10, 100, 1000, 10000};
	if (!(fabs(v) < 1e9) || v == 0)
		return false;
	for (int exponent = 1; exponent <= DECIMAL_EXPONENT_MAX; exponent++) {
		double scaled = nearbyint(v * scales[exponent]);
		if (scaled / scales[exponent] != v)
			continue;
		char *to = buf_room(e->out, 12);
		if (to == NULL)
			return true;
		int64_t mantissa = (int64_t)scaled;
		*to = (char)TAG_DECIMAL;
		char *end = put_varint(to + 1, (uint64_t)mantissa << 1 ^ (uint64_t)(mantissa >> 63));
		*end++ = (char)exponent;
		e->out->len += (size_t)(end - to);
		return true;
	}
	return false;
}

static void write_double(struct encoder *e, double v)
{
	if (write_decimal(e, v))
		return;
	char *to = buf_room(e->out, 9);
	if (to == NULL)
		return;
	*to = (char)TAG_DOUBLE;
	memcpy(to + 1, &v, 8);
	e->out->len += 9;
}

/* ---- values ---- */

static void write_value(struct encoder *e, const struct batch *b, const struct value *v, struct column *c);

static void write_object(struct encoder *e, const struct batch *b, const struct object *o)
{
	buf_byte(e->out, (char)TAG_OBJECT);
	uint32_t columns = write_shape(e, b, o->shape);
	uint32_t count = b->shapes[o->shape].count;
	for (uint32_t i = 0; i < count; i++)
		write_value(e, b, &o->values[i], columns < COLUMNS_MAX ? &e->columns[columns + i] : NULL);
}

static void write_value(struct encoder *e, const struct batch *b, const struct value *v, struct column *c)
{
	switch ((enum value_type)v->type) {
	case VALUE_NULL:
		buf_byte(e->out, (char)TAG_NULL);
		return;
	case VALUE_BOOL:
		buf_byte(e->out, (char)(v->boolean ? TAG_TRUE : TAG_FALSE));
		return;
	case VALUE_INT:
		write_integer(e, v->integer);
		return;
	case VALUE_DOUBLE:
		write_double(e, v->number);
		return;
	case VALUE_STRING:
		write_string(e, c, v->str, v->len);
		return;
	case VALUE_ARRAY:
		buf_byte(e->out, (char)TAG_ARRAY);
		write_varint(e, v->len);
		for (uint32_t i = 0; i < v->len; i++)
			write_value(e, b, &v->items[i], NULL);
		return;
	case VALUE_OBJECT:
		write_object(e, b, v->object);
		return;
	}
}

int encoder_add(struct encoder *e, const struct record *r)
{
	uint32_t columns = write_head(e, r);
	uint32_t count = record_shape(r)->count;
	write_time(e, r->time_ns);
	for (uint32_t i = 0; i < count; i++)
		write_value(e, r->batch, &r->values[i], columns < COLUMNS_MAX ? &e->columns[columns + i] : NULL);
	return buf_failed(e->out) ? -ENOMEM : 0;
}

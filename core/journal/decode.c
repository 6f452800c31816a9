/* The payload of a frame → records (FORMAT.md). The bytes passed a checksum, but nothing is believed all the same: every count is held against the bytes
 * that are left (a value takes at least one), so memory stays within a small multiple of the payload. */
#include <errno.h>

#include "base/hex.h"
#include "base/mem.h"
#include "journal/internal.h"
#include "journal/tags.h"

struct head {
	uint32_t type, shape;
};

struct decoder {
	const uint8_t *at, *end;
	struct batch *batch;
	struct head *heads;
	uint32_t *shapes; /* frame's → batch's */
	struct slice *strings;
	const struct object **objects;
	uint32_t head_count, shape_count, string_count, object_count;
	size_t head_cap, shape_cap, string_cap, object_cap;
	struct slice begun[BEGUN_MAX + 1]; /* the last string of each length that was written out; empty: none */
	int64_t time_ns;
	const char *wrong; /* what a payload that no writer makes had wrong; NULL: memory ran out */
};

static bool bad(struct decoder *d, const char *what)
{
	d->wrong = what;
	return false;
}

static bool no_memory(struct decoder *d)
{
	d->wrong = NULL;
	return false;
}

static size_t left(const struct decoder *d)
{
	return (size_t)(d->end - d->at);
}

static bool read_varint(struct decoder *d, uint64_t *out)
{
	uint64_t v = 0;
	for (unsigned shift = 0; shift < 70; shift += 7) {
		if (d->at == d->end)
			return bad(d, "it ends within a number");
		uint8_t byte = *d->at++;
		if (shift == 63 && byte > 1)
			break;
		v |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			*out = v;
			return true;
		}
	}
	return bad(d, "a number has more than 64 bits");
}

static bool read_text(struct decoder *d, struct slice *out)
{
	uint64_t len;
	if (!read_varint(d, &len))
		return false;
	if (len > left(d))
		return bad(d, "a string is longer than what is left");
	*out = slice_new((const char *)d->at, len);
	d->at += len;
	return true;
}

static bool grow(struct decoder *d, void **items, size_t *cap, uint32_t used, size_t size)
{
	if (used < *cap)
		return true;
	return mem_grow(items, cap, used, size) == 0 || no_memory(d);
}

/* ---- definitions ---- */

static bool define_shape(struct decoder *d, uint32_t *shape)
{
	uint64_t count;
	uint32_t keys[SHAPE_KEYS_MAX];
	if (!read_varint(d, &count))
		return false;
	if (count > left(d) || count > SHAPE_KEYS_MAX)
		return bad(d, "a shape has more names than there can be");
	for (uint32_t i = 0; i < count; i++) {
		struct slice name;
		if (!read_text(d, &name))
			return false;
		int64_t key = batch_key(d->batch, name);
		if (key == -E2BIG)
			return bad(d, "there are too many names");
		if (key < 0)
			return no_memory(d);
		keys[i] = (uint32_t)key;
	}
	int64_t number = batch_shape(d->batch, keys, (uint32_t)count);
	if (number == -E2BIG)
		return bad(d, "there are too many shapes");
	if (number < 0 || !grow(d, (void **)&d->shapes, &d->shape_cap, d->shape_count, sizeof *d->shapes))
		return no_memory(d);
	d->shapes[d->shape_count++] = *shape = (uint32_t)number;
	return true;
}

static bool read_shape(struct decoder *d, uint32_t *shape)
{
	uint64_t ref;
	if (!read_varint(d, &ref))
		return false;
	if (ref == 0)
		return define_shape(d, shape);
	if (ref > d->shape_count)
		return bad(d, "a shape is used that was not defined");
	*shape = d->shapes[ref - 1];
	return true;
}

static bool define_head(struct decoder *d, struct head *head)
{
	struct slice type;
	if (!read_text(d, &type))
		return false;
	int64_t number = batch_type(d->batch, type);
	if (number == -E2BIG)
		return bad(d, "there are too many types");
	if (number < 0)
		return no_memory(d);
	head->type = (uint32_t)number;
	if (!read_shape(d, &head->shape))
		return false;
	if (!grow(d, (void **)&d->heads, &d->head_cap, d->head_count, sizeof *d->heads))
		return false;
	d->heads[d->head_count++] = *head;
	return true;
}

static bool read_head(struct decoder *d, struct head *head)
{
	uint64_t ref;
	if (!read_varint(d, &ref))
		return false;
	if (ref == 0)
		return define_head(d, head);
	if (ref > d->head_count)
		return bad(d, "a head is used that was not defined");
	*head = d->heads[ref - 1];
	return true;
}

/* ---- values ---- */

static bool read_value(struct decoder *d, struct value *out, uint32_t depth);

static bool set_string(struct value *out, struct slice s)
{
	*out = (struct value){.str = s.ptr, .len = (uint32_t)s.len, .type = VALUE_STRING};
	return true;
}

static bool read_ref(struct decoder *d, struct value *out, uint64_t number)
{
	if (number >= d->string_count)
		return bad(d, "a string is used that was not defined");
	return set_string(out, d->strings[number]);
}

static bool written_out(struct decoder *d, struct value *out, struct slice s)
{
	if (s.len >= BEGUN_MIN && s.len <= BEGUN_MAX)
		d->begun[s.len] = s;
	return set_string(out, s);
}

static bool define_string(struct decoder *d, struct slice s)
{
	if (!grow(d, (void **)&d->strings, &d->string_cap, d->string_count, sizeof *d->strings))
		return false;
	d->strings[d->string_count++] = s;
	return true;
}

static bool read_string(struct decoder *d, struct value *out, bool define)
{
	struct slice s;
	return read_text(d, &s) && (!define || define_string(d, s)) && written_out(d, out, s);
}

static bool read_hex(struct decoder *d, struct value *out, bool define)
{
	struct slice bytes;
	if (!read_text(d, &bytes))
		return false;
	if (bytes.len % 4 != 0)
		return bad(d, "hexadecimal digits are not a multiple of eight");
	char *text = arena_alloc(&d->batch->arena, 2 * bytes.len);
	if (text == NULL)
		return no_memory(d);
	hex_write(text, bytes);
	struct slice s = slice_new(text, 2 * bytes.len);
	return (!define || define_string(d, s)) && set_string(out, s);
}

static bool read_rest(struct decoder *d, struct value *out)
{
	if (left(d) < 2)
		return bad(d, "it ends within a string");
	uint8_t len = *d->at++;
	uint8_t shared = *d->at++;
	if (len < BEGUN_MIN || len > BEGUN_MAX || d->begun[len].len == 0)
		return bad(d, "a string goes on from one that is not there");
	if (shared > len || (size_t)(len - shared) > left(d))
		return bad(d, "a string is longer than what is left");
	char *text = arena_alloc(&d->batch->arena, len);
	if (text == NULL)
		return no_memory(d);
	memcpy(text, d->begun[len].ptr, shared);
	memcpy(text + shared, d->at, (size_t)(len - shared));
	d->at += len - shared;
	return written_out(d, out, slice_new(text, len));
}

static bool read_values(struct decoder *d, const struct value **out, uint64_t count, uint32_t depth)
{
	if (count > left(d))
		return bad(d, "there are more values than bytes");
	struct value *values = batch_values(d->batch, (uint32_t)count);
	if (values == NULL)
		return no_memory(d);
	for (uint64_t i = 0; i < count; i++) {
		if (!read_value(d, &values[i], depth))
			return false;
	}
	*out = values;
	return true;
}

static bool read_array(struct decoder *d, struct value *out, uint32_t depth)
{
	uint64_t count;
	if (!read_varint(d, &count))
		return false;
	if (count > UINT32_MAX)
		return bad(d, "there are more values than bytes");
	*out = (struct value){.len = (uint32_t)count, .type = VALUE_ARRAY};
	return read_values(d, &out->items, count, depth + 1);
}

static bool read_object(struct decoder *d, struct value *out, uint32_t depth)
{
	struct object *o = arena_alloc(&d->batch->arena, sizeof *o);
	if (o == NULL)
		return no_memory(d);
	*out = (struct value){.object = o, .type = VALUE_OBJECT};
	return read_shape(d, &o->shape) && read_values(d, &o->values, d->batch->shapes[o->shape].count, depth + 1);
}

/* Objects that records share: the same pointer, as it was when they were written. */
static bool define_object(struct decoder *d, struct value *out, uint32_t depth)
{
	if (depth > 0)
		return bad(d, "an object is defined within another value");
	if (!read_object(d, out, depth) ||
	    !grow(d, (void **)&d->objects, &d->object_cap, d->object_count, sizeof *d->objects))
		return false;
	d->objects[d->object_count++] = out->object;
	return true;
}

static bool read_object_ref(struct decoder *d, struct value *out, uint32_t depth)
{
	uint64_t number;
	if (!read_varint(d, &number))
		return false;
	if (depth > 0)
		return bad(d, "an object is referred to within another value");
	if (number >= d->object_count)
		return bad(d, "an object is used that was not defined");
	*out = (struct value){.object = d->objects[number], .type = VALUE_OBJECT};
	return true;
}

static bool read_double(struct decoder *d, struct value *out)
{
	if (left(d) < 8)
		return bad(d, "it ends within a number");
	out->type = VALUE_DOUBLE;
	out->len = 0;
	memcpy(&out->number, d->at, 8);
	d->at += 8;
	return true;
}

static bool read_decimal(struct decoder *d, struct value *out)
{
	static const double scales[] = {1, 10, 100, 1000, 10000};
	uint64_t zigzag;
	if (!read_varint(d, &zigzag))
		return false;
	if (d->at == d->end || *d->at == 0 || *d->at > DECIMAL_EXPONENT_MAX)
		return bad(d, "a decimal has no exponent");
	int64_t mantissa = (int64_t)(zigzag >> 1) ^ -(int64_t)(zigzag & 1);
	*out = (struct value){.number = (double)mantissa / scales[*d->at++], .type = VALUE_DOUBLE};
	return true;
}

static bool read_integer(struct decoder *d, struct value *out, uint8_t tag)
{
	unsigned bytes = (tag & 7u) + 1;
	uint64_t u = 0;
	if (left(d) < bytes)
		return bad(d, "it ends within a number");
	memcpy(&u, d->at, bytes);
	d->at += bytes;
	if (u > INT64_MAX)
		return bad(d, "an integer has more than 64 bits");
	*out = (struct value){.integer = tag >= TAG_NEGATIVE ? ~(int64_t)u : (int64_t)u, .type = VALUE_INT};
	return true;
}

static bool read_tagged(struct decoder *d, struct value *out, uint8_t tag, uint32_t depth)
{
	uint64_t number;
	switch (tag) {
	case TAG_REF:
		return read_varint(d, &number) &&
		       read_ref(d, out, number < UINT32_MAX ? number + TAG_SHORT_REFS : number);
	case TAG_STRING:
	case TAG_DEFINE:
		return read_string(d, out, tag == TAG_DEFINE);
	case TAG_NULL:
		*out = (struct value){.type = VALUE_NULL};
		return true;
	case TAG_FALSE:
	case TAG_TRUE:
		*out = (struct value){.boolean = tag == TAG_TRUE, .type = VALUE_BOOL};
		return true;
	case TAG_DOUBLE:
		return read_double(d, out);
	case TAG_DECIMAL:
		return read_decimal(d, out);
	case TAG_GOES_ON:
		return read_rest(d, out);
	case TAG_ARRAY:
		return read_array(d, out, depth);
	case TAG_OBJECT:
		return read_object(d, out, depth);
	case TAG_HEX:
	case TAG_HEX_DEFINE:
		return read_hex(d, out, tag == TAG_HEX_DEFINE);
	case TAG_OBJECT_DEFINE:
		return define_object(d, out, depth);
	case TAG_OBJECT_REF:
		return read_object_ref(d, out, depth);
	default:
		return bad(d, "a value has an unknown tag");
	}
}

static bool read_value(struct decoder *d, struct value *out, uint32_t depth)
{
	if (d->at == d->end)
		return bad(d, "it ends where a value was wanted");
	if (depth > VALUE_DEPTH_MAX)
		return bad(d, "values are nested too deep");
	uint8_t tag = *d->at++;
	if (tag < TAG_SHORT_REFS)
		return read_ref(d, out, tag);
	if (tag >= TAG_SMALL) {
		*out = (struct value){.integer = tag - TAG_SMALL, .type = VALUE_INT};
		return true;
	}
	if (tag >= TAG_UNSIGNED)
		return read_integer(d, out, tag);
	return read_tagged(d, out, tag, depth);
}

static bool read_time(struct decoder *d)
{
	uint64_t v;
	if (!read_varint(d, &v))
		return false;
	if (v == 0) {
		if (left(d) < 8)
			return bad(d, "it ends within a time");
		memcpy(&d->time_ns, d->at, 8);
		d->at += 8;
		return true;
	}
	uint64_t zigzag = v >> 1;
	uint64_t delta = (zigzag >> 1) ^ -(zigzag & 1);
	d->time_ns = (int64_t)((uint64_t)d->time_ns + delta * (v & 1 ? (uint64_t)NS_PER_MS : 1));
	return true;
}

static bool read_record(struct decoder *d, enum frame_kind kind)
{
	struct head head = {0, 0};
	const struct value *values;
	if (!read_head(d, &head) || !read_time(d) || !read_values(d, &values, d->batch->shapes[head.shape].count, 0))
		return false;
	struct record *r = batch_add(d->batch);
	if (r == NULL)
		return no_memory(d);
	r->kind = (uint8_t)kind;
	r->type = (uint16_t)head.type;
	r->shape = head.shape;
	r->time_ns = d->time_ns;
	r->values = values;
	return true;
}

int frame_decode(const struct frame *f, struct batch *out, struct error *err)
{
	struct decoder d = {.at = (const uint8_t *)f->payload.ptr, .batch = out, .wrong = "it holds no records"};
	d.end = d.at + f->payload.len;
	batch_reset(out, 1 << 20);
	bool fine = f->kind >= FRAME_EVENTS && f->kind <= FRAME_AUDIT;
	for (uint32_t i = 0; fine && i < f->count; i++)
		fine = read_record(&d, f->kind);
	if (fine && d.at != d.end)
		fine = bad(&d, "bytes are left behind the last record");
	mem_free(d.heads);
	mem_free(d.shapes);
	mem_free(d.strings);
	mem_free(d.objects);
	if (fine)
		return 0;
	batch_reset(out, 1 << 20);
	if (d.wrong == NULL)
		return error_set(err, -ENOMEM, "out of memory for a frame of %u records", f->count);
	return error_set(err, -EBADMSG, "frame %llu of the journal cannot be read: %s", (unsigned long long)f->seq,
	                 d.wrong);
}

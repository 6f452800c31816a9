/* Frames of samples (FORMAT.md): written as they come, and read back one after the other. Few values use all bytes of a double: counters and sizes have two to four. */
#include <errno.h>

#include "base/varint.h"
#include "journal/internal.h"

/* The lowest bits of an item's first number. */
enum {
	ITEM_DEFINES = 1, /* the labels of the series follow */
	ITEM_KIND_SHIFT = 1,
	ITEM_NUMBER_SHIFT = 3,
	ITEM_ONE_SAMPLE = 0, /* the kinds */
	ITEM_SAMPLES = 1,
	ITEM_EXEMPLAR = 2,
	ITEM_METADATA = 3
};

/* The lowest bits of a sample's first number. */
enum {
	TIME_SHIFT = 4,
	VALUE_BYTES = 8,                          /* of a value at most: how many it has, or */
	FAR_TIME = 15,                            /* that the time is too far for its place and follows */
	SAMPLE_MAX = 1 + VARINT_MAX + VALUE_BYTES /* bytes of a sample */
};

#define TIME_STEP_MAX (UINT64_MAX >> TIME_SHIFT)

/* Between numbers of series, which wrap. */
static int64_t step_between(uint32_t from, uint32_t to)
{
	return (int32_t)(to - from);
}

static uint64_t time_step(int64_t from, int64_t to)
{
	return zigzag((uint64_t)to - (uint64_t)from);
}

static char *write_slice(char *to, struct slice s)
{
	to = varint_write(to, s.len);
	if (s.len > 0)
		memcpy(to, s.ptr, s.len);
	return to + s.len;
}

static char *write_item(struct journal_group *g, char *to, unsigned kind, uint32_t number, struct slice labels)
{
	uint64_t step = zigzag((uint64_t)step_between(g->last_number + 1, number));
	unsigned flags = kind << ITEM_KIND_SHIFT | (labels.len > 0 ? ITEM_DEFINES : 0);
	g->last_number = number;
	to = varint_write(to, step << ITEM_NUMBER_SHIFT | flags);
	return labels.len > 0 ? write_slice(to, labels) : to;
}

/* Bytes of a value without the zeros at its end. */
static inline unsigned value_bytes(uint64_t bits)
{
	return bits == 0 ? 0 : VALUE_BYTES - (unsigned)__builtin_ctzll(bits) / 8;
}

/* Where SAMPLE_MAX bytes are free; all eight bytes of a value are written, and as many passed over as it has. */
static inline char *write_sample(struct journal_group *g, char *to, int64_t time_ms, double value)
{
	uint64_t bits, step = time_step(g->last_ms, time_ms);
	memcpy(&bits, &value, sizeof bits);
	unsigned n = value_bytes(bits);
	g->last_ms = time_ms;
	if (step <= TIME_STEP_MAX) {
		to = varint_write(to, step << TIME_SHIFT | n);
	} else {
		n = VALUE_BYTES;
		*to++ = FAR_TIME;
		to = varint_write(to, step);
	}
	put_u64(to, n == 0 ? 0 : bits >> (64 - 8 * n));
	return to + n;
}

int journal_samples_add(struct journal_group *g, uint32_t number, struct slice labels, const struct sample *samples,
                        uint32_t count)
{
	char *to = group_room(g, 3 * VARINT_MAX + labels.len + (size_t)count * SAMPLE_MAX);
	if (to == NULL)
		return -ENOMEM;
	to = write_item(g, to, count == 1 ? ITEM_ONE_SAMPLE : ITEM_SAMPLES, number, labels);
	if (count != 1)
		to = varint_write(to, count);
	for (uint32_t i = 0; i < count; i++)
		to = write_sample(g, to, samples[i].time_ms, samples[i].value);
	return group_wrote(g, to, count);
}

int journal_exemplar_add(struct journal_group *g, uint32_t number, struct slice labels, const struct sample_exemplar *x)
{
	char *to = group_room(g, 3 * VARINT_MAX + labels.len + x->labels.len + SAMPLE_MAX);
	if (to == NULL)
		return -ENOMEM;
	to = write_item(g, to, ITEM_EXEMPLAR, number, labels);
	to = write_slice(to, x->labels);
	to = write_sample(g, to, x->time_ms, x->value);
	return group_wrote(g, to, 1);
}

int journal_metadata_add(struct journal_group *g, const struct sample_metadata *m)
{
	char *to = group_room(g, 4 * VARINT_MAX + 1 + m->name.len + m->help.len + m->unit.len);
	if (to == NULL)
		return -ENOMEM;
	to = write_item(g, to, ITEM_METADATA, g->last_number + 1, SLICE(""));
	*to++ = (char)m->type;
	to = write_slice(to, m->name);
	to = write_slice(to, m->help);
	to = write_slice(to, m->unit);
	return group_wrote(g, to, 1);
}

/* ---- reading ---- */

void samples_reader_init(struct samples_reader *r, const struct frame *f)
{
	*r = (struct samples_reader){.rest = f->payload, .number = UINT32_MAX};
}

static bool read_slice(struct slice *from, struct slice *out)
{
	uint64_t len;
	if (!varint_get(from, &len) || len > from->len)
		return false;
	*out = slice_new(from->ptr, len);
	*from = slice_new(from->ptr + len, from->len - len);
	return true;
}

static bool read_value(struct slice *from, size_t n, double *value)
{
	uint64_t bits = 0;
	if (from->len < n)
		return false;
	for (size_t i = 0; i < n; i++)
		bits |= (uint64_t)(unsigned char)from->ptr[i] << (8 * (VALUE_BYTES - n + i));
	memcpy(value, &bits, sizeof bits);
	*from = slice_new(from->ptr + n, from->len - n);
	return true;
}

static bool read_sample(struct samples_reader *r, struct sample *out)
{
	uint64_t step;
	if (!varint_get(&r->rest, &step))
		return false;
	size_t n = step & ((1U << TIME_SHIFT) - 1);
	bool far = n == FAR_TIME;
	step >>= TIME_SHIFT;
	if (far && (step != 0 || !varint_get(&r->rest, &step)))
		return false;
	n = far ? VALUE_BYTES : n;
	if (n > VALUE_BYTES || !read_value(&r->rest, n, &out->value))
		return false;
	r->time_ms = (int64_t)((uint64_t)r->time_ms + unzigzag(step));
	out->time_ms = r->time_ms;
	return true;
}

static bool read_count(struct samples_reader *r, struct samples_item *out)
{
	uint64_t count;
	if (!varint_get(&r->rest, &count) || count > r->rest.len)
		return false;
	out->count = (uint32_t)count;
	return true;
}

static bool read_exemplar(struct samples_reader *r, struct samples_item *out)
{
	struct sample at;
	if (!read_slice(&r->rest, &out->exemplar.labels) || !read_sample(r, &at))
		return false;
	out->exemplar.time_ms = at.time_ms;
	out->exemplar.value = at.value;
	return true;
}

static bool read_metadata(struct samples_reader *r, struct samples_item *out)
{
	if (r->rest.len == 0 || (uint8_t)r->rest.ptr[0] > METADATA_STATESET)
		return false;
	out->metadata.type = (enum metadata_type)r->rest.ptr[0];
	r->rest = slice_new(r->rest.ptr + 1, r->rest.len - 1);
	return read_slice(&r->rest, &out->metadata.name) && read_slice(&r->rest, &out->metadata.help) &&
	       read_slice(&r->rest, &out->metadata.unit);
}

/* Is it one that step_between may give? */
static bool is_step(uint64_t step)
{
	return (step + (UINT64_C(1) << 31)) >> 32 == 0;
}

static bool read_item(struct samples_reader *r, struct samples_item *out)
{
	uint64_t head;
	if (!varint_get(&r->rest, &head) || !is_step(unzigzag(head >> ITEM_NUMBER_SHIFT)))
		return false;
	r->number += 1 + (uint32_t)unzigzag(head >> ITEM_NUMBER_SHIFT);
	*out = (struct samples_item){.number = r->number};
	if ((head & ITEM_DEFINES) != 0 && (!read_slice(&r->rest, &out->labels) || out->labels.len == 0))
		return false;
	switch (head >> ITEM_KIND_SHIFT & 3) {
	case ITEM_ONE_SAMPLE:
		out->kind = SAMPLES_ITEM_SAMPLES;
		out->count = 1;
		return true;
	case ITEM_SAMPLES:
		out->kind = SAMPLES_ITEM_SAMPLES;
		return read_count(r, out);
	case ITEM_EXEMPLAR:
		out->kind = SAMPLES_ITEM_EXEMPLAR;
		return read_exemplar(r, out);
	default:
		out->kind = SAMPLES_ITEM_METADATA;
		return read_metadata(r, out);
	}
}

static int broken(const struct samples_reader *r, struct error *err)
{
	return error_set(err, -EBADMSG, "no item of a samples frame stands %zu bytes before its end", r->rest.len);
}

int samples_reader_next(struct samples_reader *r, struct samples_item *out, struct error *err)
{
	struct sample passed;
	for (; r->left > 0; r->left--) {
		if (!read_sample(r, &passed))
			return broken(r, err);
	}
	if (r->rest.len == 0)
		return 0;
	if (!read_item(r, out))
		return broken(r, err);
	r->left = out->count;
	return 1;
}

int samples_reader_sample(struct samples_reader *r, struct sample *out, struct error *err)
{
	if (r->left == 0)
		return 0;
	if (!read_sample(r, out))
		return broken(r, err);
	r->left--;
	return 1;
}

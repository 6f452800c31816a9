/* Groups of columns: decoding. FORMAT.md, "Group of columns". Nothing here trusts a byte. */
#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "record/samples.h"
#include "tsdb/columns_decoder.h"

int columns_decoder_bad(struct columns_decoder *d, const char *what)
{
	return error_set(d->err, -EBADMSG, "group of columns: %s", what);
}

static int out_of_memory(struct columns_decoder *d)
{
	return error_set(d->err, -ENOMEM, "group of columns: out of memory");
}

/* ---- reading heads ---- */

static bool get_byte(struct ints_reader *r, uint32_t *v)
{
	if (r->at == r->end)
		return false;
	*v = *r->at++;
	return true;
}

static bool get_varint(struct ints_reader *r, uint64_t *v)
{
	uint32_t byte = 0x80;

	*v = 0;
	for (uint32_t shift = 0; shift < 64 && byte >= 0x80; shift += 7) {
		if (!get_byte(r, &byte) || (shift == 63 && byte > 1))
			return false;
		*v |= (uint64_t)(byte & 0x7f) << shift;
	}
	return true;
}

/* The same, of a number that is `max` at most. */
static bool get_bounded(struct ints_reader *r, uint64_t max, uint32_t *v)
{
	uint64_t wide;

	if (!get_varint(r, &wide) || wide > max)
		return false;
	*v = (uint32_t)wide;
	return true;
}

/* The next bytes of a part, as many as the heads say, which are `max` at most. How many there are is checked when the part is there: until then `at` and `end` are offsets. */
static bool get_bytes(struct columns_decoder *d, struct ints_reader *part, uint64_t max, struct ints_reader *out)
{
	uint32_t len;

	if (!get_bounded(&d->parts[PART_HEADS], max, &len) || len > (size_t)(part->end - part->at))
		return false;
	*out = (struct ints_reader){part->at, part->at + len};
	part->at += len;
	return true;
}

static bool get_times_head(struct columns_decoder *d, struct times_head *t)
{
	uint64_t begin;
	uint32_t order;

	if (!get_bounded(&d->parts[PART_HEADS], COLUMNS_SAMPLES_MAX, &t->count) || t->count == 0 ||
	    !get_varint(&d->parts[PART_HEADS], &begin) || !get_varint(&d->parts[PART_HEADS], &t->step) ||
	    !get_byte(&d->parts[PART_HEADS], &order) || order >= INTS_BESIDE)
		return false;
	t->begin = (begin >> 1) ^ -(begin & 1);
	t->order = (enum ints_order)order;
	return get_bytes(d, &d->parts[PART_TIMES], t->count, &t->tokens) &&
	       get_bytes(d, &d->parts[PART_REST], (uint64_t)t->count * INTS_REST_MAX, &t->rest);
}

/* The column that stands beside another: as many columns of numbers before it as the heads say. */
static bool get_beside(struct columns_decoder *d, struct column_head *h)
{
	uint32_t distance;

	if (!get_byte(&d->parts[PART_HEADS], &distance) || distance == 0 || distance > BESIDE_MAX ||
	    distance > d->ordinal)
		return false;
	h->base = d->numbered[d->ordinal - distance];
	return d->columns[h->base].count == h->count;
}

static bool get_numbers_head(struct columns_decoder *d, struct column_head *h)
{
	uint32_t orders;

	if (!get_byte(&d->parts[PART_HEADS], &h->scale) || !get_byte(&d->parts[PART_HEADS], &orders))
		return false;
	h->order = (enum ints_order)(orders & 15);
	h->units_order = (enum ints_order)(orders >> 4);
	if ((h->scale > SCALE_MAX && h->scale != SCALE_BITS) || h->order > INTS_BESIDE || h->units_order >= INTS_BESIDE)
		return false;
	if (h->order == INTS_BESIDE && !get_beside(d, h))
		return false;
	h->ordinal = d->ordinal++;
	d->numbered[h->ordinal] = (uint32_t)(h - d->columns);
	return get_bytes(d, &d->parts[PART_NUMBERS], h->count, &h->tokens) &&
	       get_bytes(d, &d->parts[PART_UNITS], h->count, &h->units) &&
	       get_bytes(d, &d->parts[PART_REST], (uint64_t)h->count * 2 * INTS_REST_MAX, &h->rest);
}

/* A column's times: a stretch of those that are kept. */
static bool get_stretch(struct columns_decoder *d, struct column_head *h)
{
	struct ints_reader *heads = &d->parts[PART_HEADS];

	if (!get_bounded(heads, COLUMNS_SERIES, &h->time) || !get_bounded(heads, COLUMNS_SAMPLES_MAX, &h->offset) ||
	    !get_bounded(heads, COLUMNS_SAMPLES_MAX, &h->count))
		return false;
	return h->count == 0 || (h->time < d->time_count && h->offset + h->count <= d->times[h->time].count);
}

static bool get_column_head(struct columns_decoder *d, uint32_t i)
{
	struct column_head *h = &d->columns[i];
	uint32_t kind;
	uint64_t value;

	h->base = COLUMNS_SERIES;
	if (!get_byte(&d->parts[PART_HEADS], &kind))
		return false;
	if ((kind & TIMES_AS_BEFORE) != 0 && i > 0) {
		h->time = h[-1].time;
		h->offset = h[-1].offset;
		h->count = h[-1].count;
		kind &= ~(uint32_t)TIMES_AS_BEFORE;
	} else if (!get_stretch(d, h)) {
		return false;
	}
	h->kind = (enum column_kind)kind;
	switch (kind) {
	case COLUMN_CONSTANT:
		if (!get_varint(&d->parts[PART_HEADS], &value))
			return false;
		h->constant = __builtin_bswap64(value);
		return true;
	case COLUMN_SAME:
		return get_byte(&d->parts[PART_HEADS], &h->same) && h->same < i &&
		       d->columns[h->same].kind == COLUMN_NUMBERS && d->columns[h->same].count == h->count;
	case COLUMN_NUMBERS:
		return get_numbers_head(d, h);
	default:
		return false;
	}
}

static int get_heads(struct columns_decoder *d)
{
	uint64_t samples = 0;

	if (!get_bounded(&d->parts[PART_HEADS], d->count, &d->time_count))
		return columns_decoder_bad(d, "its heads are cut short or name too many times");
	for (uint32_t i = 0; i < d->time_count; i++) {
		if (!get_times_head(d, &d->times[i]))
			return columns_decoder_bad(d, "the head of its times is none");
		samples += d->times[i].count;
	}
	if (samples > COLUMNS_SAMPLES_MAX)
		return columns_decoder_bad(d, "it has too many times");
	samples = 0;
	for (uint32_t i = 0; i < d->count; i++) {
		if (!get_column_head(d, i))
			return columns_decoder_bad(d, "the head of a column is none");
		samples += d->columns[i].count;
	}
	if (samples > COLUMNS_SAMPLES_MAX)
		return columns_decoder_bad(d, "it has too many samples");
	for (int i = 0; i < PARTS; i++) {
		if (d->parts[i].at != d->parts[i].end)
			return columns_decoder_bad(d, "its heads do not speak of all that is there");
	}
	return 0;
}

/* ---- parts ---- */

/* The next part, inflated into the coder's buffer; its bytes are `max` at most. */
static int get_part(struct columns_decoder *d, struct ints_reader *from, enum part part, uint64_t max,
                    struct ints_reader *out)
{
	struct buf *b = &d->coder->parts[part];
	uint32_t raw, stored;

	if (!get_bounded(from, max, &raw) || !get_bounded(from, raw, &stored) ||
	    stored > (size_t)(from->end - from->at))
		return columns_decoder_bad(d, "a part is cut short or too large");
	const unsigned char *bytes = from->at;
	from->at += stored;
	*out = (struct ints_reader){bytes, bytes + stored};
	if (stored == raw)
		return 0;
	buf_reset(b);
	char *to = buf_room(b, raw);
	if (to == NULL)
		return out_of_memory(d);
	size_t n = ZSTD_decompressDCtx(d->coder->inflate, to, raw, bytes, stored);
	if (ZSTD_isError(n) || n != raw)
		return columns_decoder_bad(d, "a part is not what zstd makes of so many bytes");
	*out = (struct ints_reader){(const unsigned char *)to, (const unsigned char *)to + raw};
	return 0;
}

static int get_parts(struct columns_decoder *d, struct slice bytes)
{
	static const uint64_t max[PARTS] = {
	    [PART_HEADS] = HEADS_MAX,
	    [PART_TIMES] = COLUMNS_SAMPLES_MAX, /* at most a token for each sample, as in the next two */
	    [PART_NUMBERS] = COLUMNS_SAMPLES_MAX,
	    [PART_UNITS] = COLUMNS_SAMPLES_MAX,
	    [PART_REST] = 3 * (uint64_t)COLUMNS_SAMPLES_MAX * INTS_REST_MAX,
	};
	struct ints_reader from = {(const unsigned char *)bytes.ptr, (const unsigned char *)bytes.ptr + bytes.len};
	uint32_t type;
	int rc = 0;

	if (!get_byte(&from, &type) || type != SAMPLE_FLOAT)
		return columns_decoder_bad(d, "its samples are of a type that is not known");
	if (!get_byte(&from, &d->count) || d->count == 0 || d->count > COLUMNS_SERIES)
		return columns_decoder_bad(d, "it has no columns or too many");
	for (int i = 0; i < PARTS && rc == 0; i++)
		rc = get_part(d, &from, (enum part)i, max[i], &d->parts[i]);
	if (rc == 0 && from.at != from.end)
		return columns_decoder_bad(d, "something stands behind it");
	return rc;
}

/* ---- columns ---- */

int columns_decoder_times(struct columns_decoder *d, struct times_head *t)
{
	if (t->decoded != NULL)
		return 0;
	uint64_t *numbers = arena_alloc(d->arena, t->count * sizeof *numbers);
	struct ints_reader rest = t->rest;
	if (numbers == NULL)
		return out_of_memory(d);
	if (!ints_decode(t->tokens, &rest, NULL, t->count, t->order, numbers) || rest.at != rest.end)
		return columns_decoder_bad(d, "its times are none");
	uint64_t at = t->begin;
	for (uint32_t i = 0; i < t->count; i++) {
		numbers[i] += at;
		at += t->step;
	}
	t->decoded = (int64_t *)numbers;
	return 0;
}

/* Puts numbers and units in the last place together. `units` may be NULL. */
static void join(const uint64_t *numbers, const uint64_t *units, uint32_t count, uint32_t scale, uint64_t *values)
{
	double by = columns_scales[scale];

	for (uint32_t i = 0; i < count; i++) {
		double v = (double)(int64_t)numbers[i];
		v = scale == 0 ? v : v / by;
		memcpy(&values[i], &v, sizeof v);
	}
	for (uint32_t i = 0; units != NULL && i < count; i++)
		values[i] += units[i];
}

/* What stands beside it was decoded before, and so lately that the ring still has it. */
static int decode_numbers(struct columns_decoder *d, struct column_head *h)
{
	struct columns_coder *c = d->coder;
	uint64_t *numbers = columns_room(&c->ring[h->ordinal % RING], h->count), *units = NULL;
	struct ints_reader rest = h->rest;
	const uint64_t *beside = NULL;

	if (numbers == NULL)
		return out_of_memory(d);
	if (h->base < COLUMNS_SERIES)
		beside = c->ring[d->columns[h->base].ordinal % RING].at;
	if (!ints_decode(h->tokens, &rest, beside, h->count, h->order, numbers))
		return columns_decoder_bad(d, "the numbers of a column are none");
	if (h->units.at != h->units.end) {
		units = columns_room(&c->scratch, h->count);
		if (units == NULL)
			return out_of_memory(d);
		if (!ints_decode(h->units, &rest, NULL, h->count, h->units_order, units))
			return columns_decoder_bad(d, "the last places of a column are none");
	}
	if (rest.at != rest.end)
		return columns_decoder_bad(d, "a column has bytes that belong to no token");
	h->decoded = arena_alloc(d->arena, h->count * sizeof *h->decoded);
	if (h->decoded == NULL)
		return out_of_memory(d);
	if (h->scale == SCALE_BITS)
		memcpy(h->decoded, numbers, h->count * sizeof *numbers);
	else
		join(numbers, units, h->count, h->scale, h->decoded);
	return 0;
}

static int decode_values(struct columns_decoder *d, struct column_head *h)
{
	if (h->kind == COLUMN_NUMBERS)
		return decode_numbers(d, h);
	if (h->kind == COLUMN_SAME) {
		h->decoded = d->columns[h->same].decoded;
		return 0;
	}
	h->decoded = arena_alloc(d->arena, h->count * sizeof *h->decoded);
	if (h->decoded == NULL)
		return out_of_memory(d);
	for (uint32_t i = 0; i < h->count; i++)
		h->decoded[i] = h->constant;
	return 0;
}

/* Those that are wanted, and those that these are made from. */
static uint64_t needed(const struct columns_decoder *d, uint64_t wanted)
{
	for (uint32_t i = d->count; i-- > 0;) {
		const struct column_head *h = &d->columns[i];
		if ((wanted >> i & 1) == 0)
			continue;
		if (h->kind == COLUMN_SAME)
			wanted |= UINT64_C(1) << h->same;
		if (h->base < COLUMNS_SERIES)
			wanted |= UINT64_C(1) << h->base;
	}
	return wanted;
}

static int decode_columns(struct columns_decoder *d, uint64_t wanted, struct column *out)
{
	uint64_t all = needed(d, wanted);

	for (uint32_t i = 0; i < d->count; i++) {
		struct column_head *h = &d->columns[i];
		if ((all >> i & 1) == 0)
			continue;
		int rc = decode_values(d, h);
		if (rc == 0 && h->count > 0 && (wanted >> i & 1) != 0)
			rc = columns_decoder_times(d, &d->times[h->time]);
		if (rc != 0)
			return rc;
	}
	for (uint32_t i = 0; i < d->count; i++) {
		const struct column_head *h = &d->columns[i];
		if ((wanted >> i & 1) == 0)
			continue;
		out[i] = (struct column){.values = h->decoded, .count = h->count};
		if (h->count > 0)
			out[i].times_ms = d->times[h->time].decoded + h->offset;
	}
	return 0;
}

int columns_decoder_begin(struct columns_decoder *d, struct slice bytes)
{
	int rc = get_parts(d, bytes);

	return rc == 0 ? get_heads(d) : rc;
}

int columns_decode(struct columns_coder *c, struct slice bytes, uint64_t wanted, struct arena *arena,
                   struct column out[COLUMNS_SERIES], struct error *err)
{
	struct columns_decoder d = {.coder = c, .arena = arena, .err = err};
	int rc = columns_decoder_begin(&d, bytes);

	if (rc == 0)
		rc = decode_columns(&d, wanted, out);
	return rc;
}

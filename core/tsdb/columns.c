/* Groups of columns: the coder, and encoding. FORMAT.md, "Group of columns". */
#include "tsdb/columns.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/varint.h"
#include "record/samples.h"
#include "tsdb/columns_format.h"
#include "tsdb/ints.h"

const double columns_scales[SCALE_MAX + 1] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12};

/* Where the samples stand that are looked at to find a column's scale. */
enum { PROBES = 16 };

/* Two varints. */
enum { LENGTHS_MAX = 20 };

struct columns_coder *columns_coder_new(int zstd_level)
{
	struct columns_coder *c = mem_zalloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->compress = ZSTD_createCCtx();
	c->inflate = ZSTD_createDCtx();
	if (c->compress == NULL || c->inflate == NULL) {
		columns_coder_free(c);
		return NULL;
	}
	ZSTD_CCtx_setParameter(c->compress, ZSTD_c_compressionLevel, zstd_level);
	ZSTD_CCtx_setParameter(c->compress, ZSTD_c_contentSizeFlag, 0); /* it is written beside it */
	return c;
}

void columns_coder_free(struct columns_coder *c)
{
	if (c == NULL)
		return;
	ZSTD_freeCCtx(c->compress);
	ZSTD_freeDCtx(c->inflate);
	for (int i = 0; i < PARTS; i++)
		buf_free(&c->parts[i]);
	for (int i = 0; i < RING; i++)
		mem_free(c->ring[i].at);
	mem_free(c->scratch.at);
	mem_free(c);
}

uint64_t *columns_room(struct numbers *n, uint32_t count)
{
	if (n->at != NULL && count <= n->cap)
		return n->at;
	mem_free(n->at);
	count = count < 64 ? 64 : count; /* not none */
	n->at = mem_alloc(count * sizeof *n->at);
	n->cap = n->at != NULL ? count : 0;
	return n->at;
}

/* ---- times ---- */

/* A column's times as a stretch of those that are kept. */
struct stretch {
	uint32_t id, offset;
};

struct encoder {
	struct columns_coder *coder;
	const struct column *columns;
	const struct column *times[COLUMNS_SERIES]; /* those whose times are kept */
	uint32_t time_count;
	uint64_t hashes[COLUMNS_SERIES]; /* of the columns' values */
	struct buf *heads, *times_tokens, *tokens, *units, *rest;
	struct stretch stretches[COLUMNS_SERIES];
	uint32_t numbered[COLUMNS_SERIES]; /* the columns of numbers so far, and their scales */
	uint32_t scales[COLUMNS_SERIES];
	uint32_t ordinal; /* how many they are */
	bool failed;      /* memory is out */
};

/* Where the first of the times stands in those of another column, if all of them follow there. */
static bool find_stretch(const struct column *kept, const struct column *col, uint32_t *offset)
{
	uint32_t low = 0, high = kept->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (kept->times_ms[middle] < col->times_ms[0])
			low = middle + 1;
		else
			high = middle;
	}
	*offset = low;
	return kept->count - low >= col->count &&
	       memcmp(kept->times_ms + low, col->times_ms, col->count * sizeof *col->times_ms) == 0;
}

/* Makes the numbers' mean, rounded, 0, and returns what it was. Where the first time is off by some milliseconds, the others then are not off by as many the other way: jitter looks the same in every sequence. What overflows is no mean, and does no harm. */
static uint64_t center(uint64_t *numbers, uint32_t count)
{
	uint64_t sum = count / 2;

	CHECK(count > 0);
	for (uint32_t i = 0; i < count; i++)
		sum += numbers[i];
	int64_t mean = (int64_t)sum / (int64_t)count - ((int64_t)sum < 0);
	for (uint32_t i = 0; i < count; i++)
		numbers[i] -= (uint64_t)mean;
	return (uint64_t)mean;
}

static void encode_times(struct encoder *e, const struct column *col)
{
	uint64_t *numbers = columns_room(&e->coder->scratch, col->count);
	uint64_t first = (uint64_t)col->times_ms[0], step = 0;

	if (numbers == NULL) {
		e->failed = true;
		return;
	}
	if (col->count > 1) {
		uint64_t span = (uint64_t)col->times_ms[col->count - 1] - first;
		step = (span + (col->count - 1) / 2) / (col->count - 1);
	}
	for (uint32_t i = 0; i < col->count; i++)
		numbers[i] = (uint64_t)col->times_ms[i] - first - i * step;
	uint64_t begin = first + center(numbers, col->count);
	enum ints_order order = ints_choose(numbers, col->count, NULL);
	size_t tokens = e->times_tokens->len, rest = e->rest->len;
	ints_encode(numbers, NULL, col->count, order, e->times_tokens, e->rest);
	varint_put(e->heads, col->count);
	varint_put(e->heads, zigzag(begin));
	varint_put(e->heads, step);
	buf_byte(e->heads, (char)order);
	varint_put(e->heads, e->times_tokens->len - tokens);
	varint_put(e->heads, e->rest->len - rest);
}

/* The times of all columns, each that is not a stretch of another's once. The first of those that are the same is the one that is kept, so a longer one that comes later is kept too. */
static void encode_all_times(struct encoder *e, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct column *col = &e->columns[i];
		struct stretch s = {0, 0};
		while (s.id < e->time_count && col->count > 0 && !find_stretch(e->times[s.id], col, &s.offset))
			s.id++;
		if (col->count == 0)
			s = (struct stretch){0, 0};
		else if (s.id == e->time_count) {
			s.offset = 0;
			e->times[e->time_count++] = col;
		}
		e->stretches[i] = s;
	}
	varint_put(e->heads, e->time_count);
	for (uint32_t i = 0; i < e->time_count; i++)
		encode_times(e, e->times[i]);
}

/* ---- values ---- */

static uint64_t bits_of(double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof bits);
	return bits;
}

static double double_of(uint64_t bits)
{
	double v;

	memcpy(&v, &bits, sizeof v);
	return v;
}

/* The integer that is nearest to the value, times 10^scale; `otherwise` for what is no number or has none that a double holds exactly. */
static inline uint64_t number_of(uint64_t value, double scale, uint64_t otherwise)
{
	double scaled = double_of(value) * scale;

	if (!(fabs(scaled) < 9007199254740992.0))
		return otherwise;
	return (uint64_t)(int64_t)(scaled + (scaled < 0 ? -0.5 : 0.5));
}

/* What the value has beside number / scale, in units of the last place. */
static inline uint64_t units_of(uint64_t value, uint64_t number, double scale)
{
	return value - bits_of((double)(int64_t)number / scale);
}

static uint32_t length_of(uint64_t v)
{
	return v == 0 ? 0 : 64 - (uint32_t)__builtin_clzll(v);
}

/* The bits that two values, one after the other, would take with a scale. */
static uint32_t pair_cost(uint64_t a, uint64_t b, double scale)
{
	uint64_t x = number_of(a, scale, 0), y = number_of(b, scale, x);

	return length_of(zigzag(y - x)) + length_of(zigzag(units_of(b, y, scale) - units_of(a, x, scale)));
}

/* The scale of a column's values, by pairs of them that differ. */
static uint32_t choose_scale(const struct column *col)
{
	uint64_t pairs[PROBES][2];
	uint32_t count = 0, at = 1, best = SCALE_BITS;
	uint64_t least = 0;

	for (uint32_t probe = 0; probe < PROBES; probe++) {
		uint32_t from = (uint32_t)((uint64_t)probe * col->count / PROBES);
		at = at > from ? at : from;
		while (at < col->count && col->values[at] == col->values[at - 1])
			at++;
		if (at >= col->count)
			break;
		pairs[count][0] = col->values[at - 1];
		pairs[count++][1] = col->values[at++];
	}
	for (uint32_t i = 0; i < count; i++)
		least += length_of(zigzag(pairs[i][1] - pairs[i][0]));
	for (uint32_t scale = 0; scale <= SCALE_MAX; scale++) {
		uint64_t sum = 0;
		for (uint32_t i = 0; i < count && sum < least; i++)
			sum += pair_cost(pairs[i][0], pairs[i][1], columns_scales[scale]);
		if (sum < least) {
			least = sum;
			best = scale;
		}
	}
	return best;
}

/* Takes the values apart. Are there units in the last place? */
static bool split(const struct column *col, uint32_t scale, uint64_t *numbers, uint64_t *units)
{
	uint64_t any = 0, last = 0;

	if (scale == SCALE_BITS) {
		memcpy(numbers, col->values, col->count * sizeof *numbers);
		return false;
	}
	for (uint32_t i = 0; i < col->count; i++) {
		last = number_of(col->values[i], columns_scales[scale], last);
		numbers[i] = last;
		units[i] = units_of(col->values[i], last, columns_scales[scale]);
		any |= units[i];
	}
	return any != 0;
}

/* The numbers of the column of numbers `distance` before column i, which is the next; NULL where it has other times or another scale. */
static const uint64_t *beside(const struct encoder *e, uint32_t i, uint32_t scale, uint32_t distance)
{
	if (distance > e->ordinal)
		return NULL;
	uint32_t ordinal = e->ordinal - distance, other = e->numbered[ordinal];
	const struct stretch *a = &e->stretches[i], *b = &e->stretches[other];

	if (e->scales[ordinal] != scale || a->id != b->id || a->offset != b->offset ||
	    e->columns[i].count != e->columns[other].count)
		return NULL;
	return e->coder->ring[ordinal % RING].at;
}

/* Codes a column's numbers in the way that is smallest, and says in the heads which that is. */
static void encode_best(struct encoder *e, uint32_t i, uint32_t scale, const uint64_t *numbers, const uint64_t *units)
{
	uint32_t count = e->columns[i].count, best = 0, least;
	enum ints_order order = ints_choose(numbers, count, &least);
	enum ints_order units_order = units != NULL ? ints_choose(units, count, NULL) : INTS_PLAIN;

	for (uint32_t distance = 1; distance <= BESIDE_MAX; distance++) {
		const uint64_t *other = beside(e, i, scale, distance);
		uint32_t cost = other == NULL ? least : ints_cost_beside(numbers, other, count);
		if (cost < least) {
			least = cost;
			best = distance;
			order = INTS_BESIDE;
		}
	}
	buf_byte(e->heads, (char)scale);
	buf_byte(e->heads, (char)((uint32_t)order | (uint32_t)units_order << 4));
	if (order == INTS_BESIDE)
		buf_byte(e->heads, (char)best);
	ints_encode(numbers, best > 0 ? beside(e, i, scale, best) : NULL, count, order, e->tokens, e->rest);
	if (units != NULL)
		ints_encode(units, NULL, count, units_order, e->units, e->rest);
}

static void encode_numbers(struct encoder *e, uint32_t i)
{
	const struct column *col = &e->columns[i];
	uint64_t *numbers = columns_room(&e->coder->ring[e->ordinal % RING], col->count);
	uint64_t *units = columns_room(&e->coder->scratch, col->count);
	uint32_t scale = choose_scale(col);
	size_t tokens = e->tokens->len, units_tokens = e->units->len, rest = e->rest->len;

	if (numbers == NULL || units == NULL) {
		e->failed = true;
		return;
	}
	bool has_units = split(col, scale, numbers, units);
	encode_best(e, i, scale, numbers, has_units ? units : NULL);
	varint_put(e->heads, e->tokens->len - tokens);
	varint_put(e->heads, e->units->len - units_tokens);
	varint_put(e->heads, e->rest->len - rest);
	e->numbered[e->ordinal] = i;
	e->scales[e->ordinal++] = scale;
}

static bool same_values(const struct column *a, const struct column *b)
{
	return a->count == b->count && memcmp(a->values, b->values, a->count * sizeof *a->values) == 0;
}

/* The first byte of a column's head, and its times, unless they are those of the column before. */
static void put_kind(struct encoder *e, uint32_t i, enum column_kind kind)
{
	const struct stretch *s = &e->stretches[i];

	if (i > 0 && s[-1].id == s->id && s[-1].offset == s->offset && e->columns[i - 1].count == e->columns[i].count) {
		buf_byte(e->heads, (char)(kind | TIMES_AS_BEFORE));
		return;
	}
	buf_byte(e->heads, (char)kind);
	varint_put(e->heads, s->id);
	varint_put(e->heads, s->offset);
	varint_put(e->heads, e->columns[i].count);
}

static void encode_column(struct encoder *e, uint32_t i)
{
	const struct column *col = &e->columns[i];
	bool constant = true;

	for (uint32_t k = 1; k < col->count && constant; k++)
		constant = col->values[k] == col->values[0];
	if (constant) {
		uint64_t value = col->count > 0 ? col->values[0] : 0;
		put_kind(e, i, COLUMN_CONSTANT);
		varint_put(e->heads, __builtin_bswap64(value)); /* most doubles end in zeros */
		return;
	}
	e->hashes[i] = hash_bytes(col->values, col->count * sizeof *col->values, 0);
	for (uint32_t k = 0; k < i; k++) {
		if (e->hashes[k] == e->hashes[i] && same_values(&e->columns[k], col)) {
			put_kind(e, i, COLUMN_SAME);
			buf_byte(e->heads, (char)k);
			return;
		}
	}
	put_kind(e, i, COLUMN_NUMBERS);
	encode_numbers(e, i);
}

/* ---- parts ---- */

static int put_part(struct columns_coder *c, const struct buf *part, struct buf *out)
{
	size_t bound = ZSTD_compressBound(part->len);
	char *to = buf_room(out, bound + LENGTHS_MAX);

	if (to == NULL || part->failed)
		return -ENOMEM;
	/* The lengths come first, and how many bytes the second of them takes is not known yet: what zstd makes is moved to them. */
	char *from = to + LENGTHS_MAX;
	size_t stored = part->len == 0 ? 0 : ZSTD_compress2(c->compress, from, bound, part->ptr, part->len);
	if (ZSTD_isError(stored))
		return -ENOMEM; /* nothing else can go wrong */
	const char *bytes = from;
	if (stored >= part->len) {
		stored = part->len;
		bytes = part->ptr;
	}
	varint_put(out, part->len);
	varint_put(out, stored);
	if (stored > 0)
		memmove(out->ptr + out->len, bytes, stored);
	out->len += stored;
	return 0;
}

int columns_encode(struct columns_coder *c, const struct column *columns, uint32_t count, struct buf *out)
{
	struct encoder e = {
	    .coder = c,
	    .columns = columns,
	    .heads = &c->parts[PART_HEADS],
	    .times_tokens = &c->parts[PART_TIMES],
	    .tokens = &c->parts[PART_NUMBERS],
	    .units = &c->parts[PART_UNITS],
	    .rest = &c->parts[PART_REST],
	};
	uint64_t samples = 0;

	CHECK(count >= 1 && count <= COLUMNS_SERIES);
	for (uint32_t i = 0; i < count; i++)
		samples += columns[i].count;
	CHECK(samples <= COLUMNS_SAMPLES_MAX);
	for (int i = 0; i < PARTS; i++)
		buf_reset(&c->parts[i]);
	encode_all_times(&e, count);
	for (uint32_t i = 0; i < count; i++)
		encode_column(&e, i);
	if (e.failed)
		return -ENOMEM;
	buf_byte(out, SAMPLE_FLOAT);
	buf_byte(out, (char)count);
	for (int i = 0; i < PARTS; i++) {
		if (put_part(c, &c->parts[i], out) != 0)
			return -ENOMEM;
	}
	return buf_failed(out) ? -ENOMEM : 0;
}

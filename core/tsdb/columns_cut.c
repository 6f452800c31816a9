/* A place in the columns of a group, without decoding what lies before it and behind: columns_decode_cut. */
#include <string.h>

#include "tsdb/columns_decoder.h"

/* What was found of a column of numbers. */
struct spot {
	bool there;
	uint32_t index;
	struct ints_pair numbers;
	struct ints_reader rest; /* behind the numbers' */
};

struct cutter {
	struct columns_decoder d;
	struct spot spots[COLUMNS_SERIES];
};

/* The first of the times that is later; they rise. */
static uint32_t first_after(const int64_t *times_ms, uint32_t count, int64_t time_ms)
{
	uint32_t low = 0, high = count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (times_ms[middle] <= time_ms)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* What is coded of the column by itself, at an index. */
static int find_own(struct cutter *x, uint32_t i, uint32_t index, struct spot *out)
{
	const struct column_head *h = &x->d.columns[i];

	struct ints_reader tokens = h->tokens;

	*out = (struct spot){.there = true, .index = index, .rest = h->rest};
	bool good = ints_at(&tokens, &out->rest, h->count, index, h->order, &out->numbers);
	if (good && h->units.at != h->units.end) /* whose bytes stand behind those of the numbers */
		good = ints_skip(tokens, &out->rest);
	return good ? 0 : columns_decoder_bad(&x->d, "the numbers of a column are none");
}

/* The column's numbers: what is coded of it, of the one beside it, of that beside that one, and so on until it is known. */
static int find_numbers(struct cutter *x, uint32_t i, uint32_t index)
{
	struct spot *mine = &x->spots[i], other;

	if (mine->there && mine->index == index)
		return 0;
	int rc = find_own(x, i, index, mine);
	for (uint32_t base = x->d.columns[i].base; rc == 0 && base < COLUMNS_SERIES; base = x->d.columns[base].base) {
		const struct spot *known = &x->spots[base];
		bool whole = known->there && known->index == index;
		if (!whole)
			rc = find_own(x, base, index, &other);
		mine->numbers.before += whole ? known->numbers.before : other.numbers.before;
		mine->numbers.at += whole ? known->numbers.at : other.numbers.at;
		if (whole)
			break;
	}
	mine->there = rc == 0;
	return rc;
}

/* A value of a number and its unit in the last place. */
static uint64_t value_of(const struct column_head *h, uint64_t number, uint64_t unit)
{
	uint64_t bits;

	if (h->scale == SCALE_BITS)
		return number;
	double v = (double)(int64_t)number;
	v = h->scale == 0 ? v : v / columns_scales[h->scale];
	memcpy(&bits, &v, sizeof bits);
	return bits + unit;
}

static int cut_numbers(struct cutter *x, uint32_t i, struct column_cut *out)
{
	const struct column_head *h = &x->d.columns[i];
	const struct spot *s = &x->spots[i];
	struct ints_pair units = {0, 0};
	int rc = find_numbers(x, i, out->index);

	if (rc != 0)
		return rc;
	if (h->units.at != h->units.end) {
		struct ints_reader tokens = h->units, rest = s->rest;
		if (!ints_at(&tokens, &rest, h->count, out->index, h->units_order, &units))
			return columns_decoder_bad(&x->d, "the last places of a column are none");
	}
	/* A NaN, and -0, is more than 2^61 units from every number that is at least 0 and below 2^53, and so from the unit before it: it takes a token of the widest kind. */
	out->plain = h->scale != SCALE_BITS && !ints_has_widest(h->units);
	if (out->index > 0)
		out->before = value_of(h, s->numbers.before, units.before);
	if (out->index < out->count)
		out->at = value_of(h, s->numbers.at, units.at);
	return 0;
}

static int cut_column(struct cutter *x, uint32_t i, int64_t time_ms, struct column_cut *out)
{
	struct column_head *h = &x->d.columns[i];
	struct times_head *t = &x->d.times[h->time];

	*out = (struct column_cut){.count = h->count};
	if (h->count == 0)
		return 0;
	int rc = columns_decoder_times(&x->d, t);
	if (rc != 0)
		return rc;
	out->times_ms = t->decoded + h->offset;
	out->index = first_after(out->times_ms, h->count, time_ms);
	if (h->kind == COLUMN_NUMBERS)
		return cut_numbers(x, i, out);
	if (h->kind == COLUMN_SAME)
		return cut_numbers(x, h->same, out); /* it has as many samples, and its own times */
	out->plain = true;                           /* where one value is at least 0 all are the same */
	out->before = out->index > 0 ? h->constant : 0;
	out->at = out->index < h->count ? h->constant : 0;
	return 0;
}

int columns_decode_cut(struct columns_coder *c, struct slice bytes, uint64_t wanted, int64_t time_ms,
                       struct arena *arena, struct column_cut out[COLUMNS_SERIES], struct error *err)
{
	struct cutter x = {.d = {.coder = c, .arena = arena, .err = err}};
	int rc = columns_decoder_begin(&x.d, bytes);

	for (uint32_t i = 0; i < x.d.count && rc == 0; i++) {
		if ((wanted >> i & 1) != 0)
			rc = cut_column(&x, i, time_ms, &out[i]);
	}
	return rc;
}

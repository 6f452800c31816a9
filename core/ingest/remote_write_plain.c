/* The series of 1.0 that nearly all are: canonical labels, and behind them nothing but samples, each a value and a time. They are counted and read without taking fields apart one by one; what is otherwise goes the common
 * way (remote_write.c), which also finds what is wrong with it. */
#include "ingest/remote_write.h"

/* A Sample as it mostly is, within a TimeSeries: its tag, a length; the value's tag, a double; the time's tag, a varint. */
enum { TAG_SAMPLE = 0x12 };

/* Are samples all there is, each with its length in one byte? Then how many they are; else 0. */
static uint32_t count_plain(struct slice rest)
{
	const char *at = rest.ptr;
	size_t left = rest.len;
	uint32_t count = 0;

	for (; left > 2 && at[0] == TAG_SAMPLE; count++) {
		size_t whole = 2 + (size_t)(unsigned char)at[1];
		if (whole >= 2 + 0x80 || whole > left)
			return 0;
		at += whole;
		left -= whole;
	}
	return left == 0 ? count : 0;
}

/* A varint of exactly `len` bytes, 1 to 8, at once: seven bits of each are pushed together, pairs, then fours, then all. Eight bytes are read, which the body's padding allows. */
static inline bool varint_of(const char *at, size_t len, uint64_t *out)
{
	const uint64_t more = UINT64_C(0x8080808080808080);
	uint64_t kept = UINT64_MAX >> (64 - 8 * len), word;

	memcpy(&word, at, sizeof word);
	if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
		word = __builtin_bswap64(word);
	word &= kept;
	if ((word & more) != (more & kept >> 8))
		return false;
	word &= ~more;
	word = (word & UINT64_C(0x007f007f007f007f)) | (word & UINT64_C(0x7f007f007f007f00)) >> 1;
	word = (word & UINT64_C(0x00003fff00003fff)) | (word & UINT64_C(0x3fff00003fff0000)) >> 2;
	*out = (word & UINT64_C(0x000000000fffffff)) | (word & UINT64_C(0x0fffffff00000000)) >> 4;
	return true;
}

_Static_assert(INGEST_PADDING >= 8, "varint_of reads eight bytes");

/* Samples as count_plain found them, if each is a value and a time. */
static bool read_plain(struct slice rest, struct sample *out)
{
	for (const char *at = rest.ptr, *end = at + rest.len; at < end; out++) {
		size_t len = (unsigned char)at[1], time_len = len - SAMPLE_TIME_AT;
		uint64_t time;
		at += 2;
		if (len <= SAMPLE_TIME_AT || time_len > 8 || at[0] != TAG_SAMPLE_VALUE ||
		    at[SAMPLE_TIME_AT - 1] != TAG_SAMPLE_TIME || !varint_of(at + SAMPLE_TIME_AT, time_len, &time))
			return false;
		memcpy(&out->value, at + 1, sizeof out->value);
		out->time_ms = (int64_t)time;
		at += len;
	}
	return true;
}

int remote_write_plain(struct decoder *d, const struct labels_found *set, struct slice rest)
{
	struct sample_batch *b = d->batch;
	uint32_t count = count_plain(rest);

	if (count == 0 || set->metric_name.len == 0 ||
	    b->sample_count + d->rejects->samples + count > d->limits->samples)
		return 0;
	struct arena_mark mark = arena_mark(&b->arena);
	struct sample *samples = arena_alloc(&b->arena, count * sizeof *samples);
	if (samples == NULL)
		return error_set(d->err, -ENOMEM, "no memory for samples");
	if (!read_plain(rest, samples)) {
		arena_rewind(&b->arena, mark);
		return 0;
	}
	struct sample_series *to = sample_batch_add(b);
	if (to == NULL)
		return error_set(d->err, -ENOMEM, "no memory for series");
	to->labels = set->labels;
	to->hash = labels_hash(set->labels);
	to->samples = samples;
	to->sample_count = count;
	to->index = d->index++;
	b->sample_count += count;
	return 1;
}

/* Head chunks: FORMAT.md, "Head chunk". */
#include "tsdb/chunk.h"

#include <stdatomic.h>
#include <string.h>

#include "base/check.h"
#include "base/varint.h"

/* Words before the stream. Bit i of TIMES, or VALUES, says whether sample i was changed; the uppermost byte of the second word is none of these bits. */
enum { WORD_TIME = 0, WORD_VALUE = 1, WORD_TIMES = 2, WORD_VALUES = 4, WORD_STREAM = 6 };

enum {
	WIDTH_BITS = 6,   /* of a width less one */
	WINDOW_BITS = 12, /* of an XOR's window: width less one, trailing zeros */
	SLACK = 10,       /* a width that is so many bits too large is given up */
	TYPE_SHIFT = 56,  /* of the sample type in the second word of TIMES */
	GROWTH_MIN = 3    /* words: any one sample, wherever its first word begins */
};

/* ---- writing ---- */

/* The bits of a time or of a value, before they go to the words; the first one is the lowest. */
struct piece {
	unsigned __int128 bits;
	uint32_t count;
};

static uint32_t bit_length(uint64_t v)
{
	return v == 0 ? 0 : 64 - (uint32_t)__builtin_clzll(v);
}

/* The time: nothing, or 0 and as many bits as the last one had, or 1, the width, and so many bits. */
static struct piece time_piece(const struct chunk_writer *w, uint64_t change, uint8_t *width)
{
	uint32_t need = bit_length(change);

	if (need == 0)
		return (struct piece){0, 0};
	if (need <= w->width && w->width - need < SLACK)
		return (struct piece){(unsigned __int128)change << 1, 1 + (uint32_t)w->width};
	*width = (uint8_t)need;
	uint64_t head = 1 | (need - 1) << 1;
	return (struct piece){(unsigned __int128)change << (1 + WIDTH_BITS) | head, 1 + WIDTH_BITS + need};
}

/* The value: nothing, or 0 and the bits of the last window, or 1, a window, and its bits. */
static struct piece value_piece(const struct chunk_writer *w, uint64_t xored, uint8_t *leading, uint8_t *trailing)
{
	if (xored == 0)
		return (struct piece){0, 0};
	uint32_t zeros = (uint32_t)__builtin_clzll(xored), behind = (uint32_t)__builtin_ctzll(xored);
	uint32_t need = 64 - zeros - behind, have = 64 - (uint32_t)w->leading - w->trailing;

	if (zeros >= w->leading && behind >= w->trailing && have - need < SLACK)
		return (struct piece){(unsigned __int128)(xored >> w->trailing) << 1, 1 + have};
	*leading = (uint8_t)zeros;
	*trailing = (uint8_t)behind;
	uint64_t head = 1 | (need - 1) << 1 | behind << (1 + WIDTH_BITS);
	return (struct piece){(unsigned __int128)(xored >> behind) << (1 + WINDOW_BITS) | head, 1 + WINDOW_BITS + need};
}

static void store(struct chunk_writer *w, uint32_t at, uint64_t word)
{
	atomic_store_explicit(&w->words[at], word, memory_order_relaxed);
}

/* Puts `count` bits, 1 to 64 and none above them, behind those that are there. A word is stored whole when it is begun, so nothing need have been zeroed. */
static inline void put(struct chunk_writer *w, uint64_t bits, uint32_t count)
{
	uint32_t at = w->bits / 64, used = w->bits % 64;
	uint64_t word = 0;

	if (used != 0)
		word = atomic_load_explicit(&w->words[at], memory_order_relaxed);
	store(w, at, word | bits << used);
	if (used + count > 64)
		store(w, at + 1, bits >> (64 - used));
	w->bits = (uint16_t)(w->bits + count);
}

static void put_piece(struct chunk_writer *w, struct piece p)
{
	if (p.count == 0)
		return;
	put(w, (uint64_t)p.bits, p.count < 64 ? p.count : 64);
	if (p.count > 64)
		put(w, (uint64_t)(p.bits >> 64), p.count - 64);
}

/* A time and a value, which mostly are short enough to go at once. */
static inline void put_pieces(struct chunk_writer *w, struct piece time, struct piece value)
{
	uint32_t count = time.count + value.count;

	if (count > 64) {
		put_piece(w, time);
		put_piece(w, value);
	} else if (count > 0) { /* with a time of 64 bits there is no value, and the shift is one by 0 */
		put(w, (uint64_t)time.bits | (uint64_t)value.bits << time.count % 64, count);
	}
}

/* Marks the sample that is to come as changed in one of the two bit sets. */
static inline void mark(struct chunk_writer *w, uint32_t set)
{
	uint32_t at = set + w->count / 64;

	store(w, at, atomic_load_explicit(&w->words[at], memory_order_relaxed) | UINT64_C(1) << (w->count % 64));
}

static bool append_first(struct chunk_writer *w, int64_t time_ms, uint64_t value)
{
	if (w->capacity < WORD_STREAM)
		return false;
	store(w, WORD_TIME, (uint64_t)time_ms);
	store(w, WORD_VALUE, value);
	store(w, WORD_TIMES, 0);
	store(w, WORD_TIMES + 1, (uint64_t)SAMPLE_FLOAT << TYPE_SHIFT);
	store(w, WORD_VALUES, 0);
	store(w, WORD_VALUES + 1, 0);
	*w = (struct chunk_writer){
	    .words = w->words,
	    .capacity = w->capacity,
	    .value = value,
	    .time_ms = time_ms,
	    .bits = WORD_STREAM * 64,
	    .count = 1,
	    .width = 64,
	};
	return true;
}

uint32_t chunk_room(const struct chunk_writer *w)
{
	uint32_t words = chunk_words(w);

	if (words == 0)
		return WORD_STREAM + 2;
	words += words / 2 > GROWTH_MIN ? words / 2 : GROWTH_MIN;
	return words < CHUNK_WORDS_MAX ? words : CHUNK_WORDS_MAX;
}

bool chunk_append(struct chunk_writer *w, int64_t time_ms, uint64_t value_bits)
{
	uint8_t width = w->width, leading = w->leading, trailing = w->trailing;

	CHECK(w->count < CHUNK_SAMPLES);
	if (w->count == 0)
		return append_first(w, time_ms, value_bits);
	/* Modulo 2^64: what overflows comes back the same way. */
	uint64_t delta = (uint64_t)time_ms - (uint64_t)w->time_ms;
	uint64_t change = zigzag(delta - (uint64_t)w->delta_ms), xored = value_bits ^ w->value;
	struct piece time = time_piece(w, change, &width);
	struct piece value = value_piece(w, xored, &leading, &trailing);

	if ((uint32_t)w->bits + time.count + value.count > (uint32_t)w->capacity * 64)
		return false;
	if (time.count > 0)
		mark(w, WORD_TIMES);
	if (value.count > 0)
		mark(w, WORD_VALUES);
	put_pieces(w, time, value);
	w->time_ms = time_ms;
	w->delta_ms = (int64_t)delta;
	w->value = value_bits;
	w->width = width;
	w->leading = leading;
	w->trailing = trailing;
	w->count++;
	return true;
}

/* ---- reading ---- */

/* Bits of the stream that one unaligned load has at least, and so the widest number that is read with the bit before it at once. */
enum { PEEK_BITS = 57, NARROW = PEEK_BITS - 1 };

/* Where a reader is. All of it lives in registers: what follows is inlined into the loops. */
struct cursor {
	const unsigned char *bytes;      /* a copy of the chunk's, little-endian, with room behind it to be read */
	uint64_t at, end;                /* bits */
	uint64_t time, delta, value;     /* of the last sample */
	uint64_t time_mask, time_bits;   /* of the last time that was changed: so many ones; 1 + their number */
	uint64_t value_mask, value_bits; /* the same of the last window */
	uint64_t trailing;
	bool time_wide, value_wide; /* more than NARROW */
};

/* PEEK_BITS bits or more from `at`. */
static inline uint64_t peek(const struct cursor *c, uint64_t at)
{
	uint64_t word;

	memcpy(&word, c->bytes + at / 8, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word >> (at % 8);
}

/* All 64 bits from `at`. */
static inline uint64_t peek_wide(const struct cursor *c, uint64_t at)
{
	return (peek(c, at) & UINT32_MAX) | peek(c, at + 32) << 32;
}

static inline uint64_t ones(uint64_t count)
{
	return UINT64_MAX >> (64 - count);
}

/* A time whose width is new, or too wide for one load. */
static inline uint64_t odd_time(struct cursor *c, uint64_t head)
{
	if ((head & 1) != 0) {
		uint64_t width = ((head >> 1) & ones(WIDTH_BITS)) + 1;
		c->time_mask = ones(width);
		c->time_bits = 1 + width;
		c->time_wide = width > NARROW;
		c->at += WIDTH_BITS;
	}
	return peek_wide(c, c->at + 1) & c->time_mask;
}

/* The same for a value. */
static inline uint64_t odd_value(struct cursor *c, uint64_t head)
{
	if ((head & 1) != 0) {
		uint64_t width = ((head >> 1) & ones(WIDTH_BITS)) + 1;
		c->trailing = (head >> (1 + WIDTH_BITS)) & ones(WIDTH_BITS);
		c->value_mask = ones(width);
		c->value_bits = 1 + width;
		c->value_wide = width > NARROW;
		c->at += WINDOW_BITS;
	}
	return peek_wide(c, c->at + 1) & c->value_mask;
}

/* Moves on to the next time: the same delta again if `changed` is 0, what the stream says if it is all ones. There is no branch between these two, since nobody could foretell it. */
static inline void next_time(struct cursor *c, uint64_t changed)
{
	uint64_t head = peek(c, c->at);
	uint64_t bits = (head >> 1) & c->time_mask & changed;

	if (__builtin_expect(((head | c->time_wide) & changed & 1) != 0, 0))
		bits = odd_time(c, head);
	c->at += c->time_bits & changed;
	c->delta += (bits >> 1) ^ -(bits & 1);
	c->time += c->delta;
}

/* The same for the value. */
static inline void next_value(struct cursor *c, uint64_t changed)
{
	uint64_t head = peek(c, c->at);
	uint64_t bits = (head >> 1) & c->value_mask & changed;

	if (__builtin_expect(((head | c->value_wide) & changed & 1) != 0, 0))
		bits = odd_value(c, head);
	c->at += c->value_bits & changed;
	c->value ^= bits << c->trailing;
}

/* Samples `from` to `to` of any chunk, whose bits "changed" begin with the lowest. Returns how many were read, like those below. */
static uint32_t read_any(struct cursor *from, uint64_t times_set, uint64_t values_set, uint32_t count, int64_t *times,
                         uint64_t *values)
{
	struct cursor c = *from;
	uint32_t i;

	for (i = 0; i < count; i++) {
		next_time(&c, -(times_set & 1));
		next_value(&c, -(values_set & 1));
		if (c.at > c.end)
			break;
		times_set >>= 1;
		values_set >>= 1;
		times[i] = (int64_t)c.time;
		values[i] = c.value;
	}
	*from = c;
	return i;
}

/* The same where no time is changed. */
static uint32_t read_regular(struct cursor *from, uint64_t values_set, uint32_t count, int64_t *times, uint64_t *values)
{
	struct cursor c = *from;
	uint32_t i;

	for (i = 0; i < count; i++) {
		next_value(&c, -(values_set & 1));
		if (c.at > c.end)
			break;
		values_set >>= 1;
		c.time += c.delta;
		times[i] = (int64_t)c.time;
		values[i] = c.value;
	}
	*from = c;
	return i;
}

/* The same where nothing is changed. */
static uint32_t read_constant(struct cursor *c, uint32_t count, int64_t *times, uint64_t *values)
{
	for (uint32_t i = 0; i < count; i++) {
		times[i] = (int64_t)(c->time + c->delta * (i + 1));
		values[i] = c->value;
	}
	c->time += c->delta * count;
	return count;
}

static uint32_t read_some(struct cursor *c, uint64_t times_set, uint64_t values_set, uint32_t count, int64_t *times,
                          uint64_t *values)
{
	if (count == 0)
		return 0;
	times_set &= ones(count);
	values_set &= ones(count);
	if (times_set != 0)
		return read_any(c, times_set, values_set, count, times, values);
	if (values_set != 0)
		return read_regular(c, values_set, count, times, values);
	return read_constant(c, count, times, values);
}

/* The samples behind the first one, in three pieces: the second, whose time begins the deltas and so is mostly changed where no other is; then those of the first word of the sets, and of the second. */
static uint32_t read_rest(struct cursor *c, const uint64_t *words, uint32_t count, int64_t *times, uint64_t *values)
{
	static const uint32_t bounds[] = {1, 2, 64, 128};
	uint32_t done = 1;

	for (uint32_t i = 0; i < 3 && done == bounds[i] && done < count; i++) {
		uint32_t end = count < bounds[i + 1] ? count : bounds[i + 1];
		uint32_t set = done / 64, bit = done % 64;
		done += read_some(c, words[WORD_TIMES + set] >> bit, words[WORD_VALUES + set] >> bit, end - done,
		                  times + done, values + done);
	}
	return done;
}

/* What a reader needs of a chunk. */
struct reading {
	uint64_t copy[CHUNK_WORDS_MAX + 4];
	struct cursor cursor; /* behind the first sample */
};

/* Copies the words, so that the loops may look at bits behind the end, and that the compiler need not think of the writer. False: they are no chunk of floats. */
static inline bool begin_reading(struct reading *r, const _Atomic uint64_t *words, uint32_t word_count)
{
	uint32_t used = word_count < CHUNK_WORDS_MAX ? word_count : CHUNK_WORDS_MAX;

	if (used < WORD_STREAM)
		return false;
	for (uint32_t i = 0; i < used; i++)
		r->copy[i] = atomic_load_explicit(&words[i], memory_order_relaxed);
	memset(r->copy + used, 0, 4 * sizeof *r->copy);
	if (r->copy[WORD_TIMES + 1] >> TYPE_SHIFT != SAMPLE_FLOAT)
		return false;
	r->cursor = (struct cursor){
	    .bytes = (const unsigned char *)r->copy,
	    .at = WORD_STREAM * 64,
	    .end = (uint64_t)used * 64,
	    .time = r->copy[WORD_TIME],
	    .value = r->copy[WORD_VALUE],
	    .time_mask = UINT64_MAX,
	    .time_bits = 65,
	    .time_wide = true,
	    .value_mask = UINT64_MAX,
	    .value_bits = 65,
	    .value_wide = true,
	};
	return true;
}

uint32_t chunk_read(const _Atomic uint64_t *words, uint32_t word_count, uint32_t count, int64_t *times_ms,
                    uint64_t *values)
{
	struct reading r;

	CHECK(count <= CHUNK_SAMPLES);
	if (count == 0 || !begin_reading(&r, words, word_count))
		return 0;
	times_ms[0] = (int64_t)r.cursor.time;
	values[0] = r.cursor.value;
	return read_rest(&r.cursor, r.copy, count, times_ms, values);
}

/* ---- summaries ---- */

int64_t chunk_first_ms(const _Atomic uint64_t *words)
{
	return (int64_t)atomic_load_explicit(&words[WORD_TIME], memory_order_relaxed);
}

/* Adds the value of the last sample so many times again. */
static inline void repeat(struct chunk_summary *s, uint64_t value, uint32_t times)
{
	s->count += times;
	s->stale += value == SAMPLE_STALE_BITS ? times : 0;
}

/* Adds samples whose bits "changed" begin with the lowest; those that nothing is changed of are only counted. False as chunk_summarize says. */
static bool summarize_some(struct cursor *from, uint64_t times_set, uint64_t values_set, uint32_t count,
                           struct chunk_summary *out)
{
	struct cursor c = *from;
	uint32_t done = 0;

	times_set &= ones(count);
	values_set &= ones(count);
	for (uint64_t any = times_set | values_set; any != 0; any &= any - 1) {
		uint32_t at = (uint32_t)__builtin_ctzll(any);
		repeat(out, c.value, at - done);
		c.time += c.delta * (at - done);
		next_time(&c, -(times_set >> at & 1));
		if ((values_set >> at & 1) != 0) {
			next_value(&c, UINT64_MAX);
			summary_add(out, (int64_t)c.time, c.value);
		} else {
			repeat(out, c.value, 1);
		}
		if (c.at > c.end)
			return false;
		done = at + 1;
	}
	repeat(out, c.value, count - done);
	c.time += c.delta * (count - done);
	*from = c;
	return true;
}

bool chunk_summarize(const _Atomic uint64_t *words, uint32_t word_count, uint32_t count, struct chunk_summary *out)
{
	struct reading r;

	CHECK(count <= CHUNK_SAMPLES);
	summary_init(out);
	if (count == 0)
		return true;
	if (!begin_reading(&r, words, word_count))
		return false;
	struct cursor *c = &r.cursor;
	summary_add(out, (int64_t)c->time, c->value);
	uint32_t first = count < 64 ? count : 64;
	if (first > 1 && !summarize_some(c, r.copy[WORD_TIMES] >> 1, r.copy[WORD_VALUES] >> 1, first - 1, out))
		return false;
	if (count > 64 && !summarize_some(c, r.copy[WORD_TIMES + 1], r.copy[WORD_VALUES + 1], count - 64, out))
		return false;
	out->last_ms = (int64_t)c->time;
	return true;
}

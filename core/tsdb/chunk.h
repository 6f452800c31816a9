/* A head chunk: up to 120 samples of one series, compressed as they come. After Gorilla (Pelkonen et al., VLDB 2015): delta-of-delta times, XOR values; but the bits that say "as before" stand apart, so that a reader knows where each sample's
 * bits are without having looked at those before. FORMAT.md has the layout.
 *
 * One writer appends; any number of readers read beside it, without a lock. A reader is told how many samples it may see (the writer publishes that number where it keeps the chunk, by a release after the append), and reads no more than
 * these: bits that are added behind them, also within words that it reads, do not disturb it. The buffer is never moved under a reader: where it has to grow, the writer copies it, publishes the copy, and retires the old one.
 *
 * Words are 64 bits, native in memory and little-endian on disk. */
#ifndef MOONGATE_TSDB_CHUNK_H
#define MOONGATE_TSDB_CHUNK_H

#include <stdbool.h>
#include <stdint.h>

#include "record/samples.h"

enum {
	CHUNK_SAMPLES = 120,
	/* Words that samples need at most: six before them (the first sample and the bits "as before"), and for each further one 71 bits for its time and 77 for its value. */
	CHUNK_WORDS_MAX = 6 + (119 * (71 + 77) + 63) / 64
};

/* The writer's end of a chunk. Zeroed: an empty one without room. The owner gives it words, and keeps them. */
struct chunk_writer {
	_Atomic uint64_t *words;   /* the owner's; need not be zeroed */
	uint64_t value;            /* bits of the last sample's value */
	int64_t time_ms, delta_ms; /* of the last sample */
	uint16_t capacity;         /* words */
	uint16_t bits;             /* written */
	uint8_t count;             /* samples */
	uint8_t width;             /* of the last time that was not as before: 1 to 64 bits */
	uint8_t leading, trailing; /* zero bits of the last XOR's window */
};

/* Words that are in use: what a copy, or a file, needs of them. */
static inline uint32_t chunk_words(const struct chunk_writer *w)
{
	return ((uint32_t)w->bits + 63) / 64;
}

/* Words that a chunk should be given next: enough for any one more sample, and some more so that it grows a few times only. At most CHUNK_WORDS_MAX. */
uint32_t chunk_room(const struct chunk_writer *w);

/* Appends a sample; fewer than CHUNK_SAMPLES are in. False: the words do not suffice, and nothing was changed; give it more (chunk_room, copying chunk_words of them) and try again. Times may be any, also none later than the last one. */
bool chunk_append(struct chunk_writer *w, int64_t time_ms, uint64_t value_bits);

/* Reads the first `count` samples, which were published, into arrays with room for them. Any thread. Returns how many were read: fewer only where the bits are none that a writer makes, as from a damaged file. */
uint32_t chunk_read(const _Atomic uint64_t *words, uint32_t word_count, uint32_t count, int64_t *times_ms,
                    uint64_t *values);

/* What is known of a chunk, or of any samples of one series, without reading them: enough for `increase` over whole chunks.
 *
 * Stale markers are in `count`, `stale` and the times, and in nothing else: values are what PromQL's range selectors see, which pass over them. Any other NaN is a value. As PromQL has it, `min` and `max` leave it out where there is anything else, and
 * a comparison with it is false: it hides a fall, and makes the increase NaN only as the first or the last value. */
struct chunk_summary {
	int64_t first_ms, last_ms; /* 0 where there are no samples */
	double first, last;        /* values, their bits kept; NaN where there is none */
	double min, max;           /* the same */
	double fallen; /* the sum of the values from which it fell to a lower one: what resets of a counter took away */
	uint32_t count; /* of samples, stale markers among them */
	uint32_t stale; /* of stale markers */
};

/* Of no samples. */
void summary_init(struct chunk_summary *s);

/* Adds a sample that is later than those before. */
void summary_add(struct chunk_summary *s, int64_t time_ms, uint64_t value_bits);

/* Makes it what both together are: `later` begins after `s` ends. The same as if the samples had been added one by one, but for the rounding of `fallen` where it is a sum of three and more. */
void summary_join(struct chunk_summary *s, const struct chunk_summary *later);

/* The reset-corrected increase from the first value to the last one, as increase() has it before it extrapolates. Below two values 0, or NaN. */
static inline double summary_increase(const struct chunk_summary *s)
{
	return s->last - s->first + s->fallen;
}

#endif

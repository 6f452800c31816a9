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
#include "tsdb/tsdb.h"

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

/* The summary of the same samples, without their arrays; what repeats itself is passed over. False: the bits are none that a writer makes. */
bool chunk_summarize(const _Atomic uint64_t *words, uint32_t word_count, uint32_t count, struct chunk_summary *out);

/* The time of a chunk's first sample. Any thread. */
int64_t chunk_first_ms(const _Atomic uint64_t *words);

/* ---- samples in two ---- */

/* Samples of a series, as they come: the newest one at or before a time, and the summary of those after. */
struct summary_split {
	bool halves; /* false: all are `after` */
	int64_t at_ms;
	struct series_newest before;
	struct chunk_summary after;
};

/* Of no samples; `at_ms` NULL: all will be `after`. */
void split_init(struct summary_split *s, const int64_t *at_ms);

/* Adds samples that are later than those before, and rise. */
void split_add_all(struct summary_split *s, const int64_t *times_ms, const uint64_t *values, uint32_t count);

/* Adds a sample that is later than those before. */
void split_add(struct summary_split *s, int64_t time_ms, uint64_t value_bits);

/* Adds all those of a summary, which are later than those before. False, with nothing changed: it does not say enough, and they have to be added one by one. */
bool split_join(struct summary_split *s, const struct chunk_summary *known);

#endif

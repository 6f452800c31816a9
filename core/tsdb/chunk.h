/* A head chunk: up to 120 samples of one series, compressed as they come (Gorilla, Pelkonen et al., VLDB 2015: delta-of-delta times, XOR values), in the dialect described in FORMAT.md.
 *
 * One writer appends; any number of readers read beside it, without a lock. A reader is told how many samples it may see (the writer publishes that number where it keeps the chunk, after the bits), and reads no more than these: bits that
 * are added behind them, also within the last word, do not disturb it. The buffer is never moved under a reader: where it has to grow the writer copies it, publishes the copy, and retires the old one.
 *
 * Words are 64 bits, big-endian in bit order (the first bit is the most significant one), native in memory and little-endian on disk. */
#ifndef MOONGATE_TSDB_CHUNK_H
#define MOONGATE_TSDB_CHUNK_H

#include <stdbool.h>
#include <stdint.h>

#include "record/samples.h"

enum {
	CHUNK_SAMPLES = 120,
	/* Words that `count` samples need at most: the first sample 128 bits, each further one 68 for its time and 77 for its value. */
	CHUNK_WORDS_MAX = 2 + (119 * (68 + 77) + 63) / 64
};

/* What is known of a chunk without reading it: enough for `increase` over whole chunks. */
struct chunk_summary {
	int64_t first_ms, last_ms;
	double first, last; /* values; stale markers are left out of all of these: NaN where there is nothing else */
	double min, max;
	double increase; /* reset-corrected: the sum of all rises, a fall counting as a rise from zero; within the chunk */
	uint32_t count;  /* of samples, stale markers among them */
	uint32_t stale;  /* of stale markers */
};

/* The writer's end of a chunk. Zeroed: an empty one without room. The owner gives it words (chunk_room says how many are wanted), and keeps them. */
struct chunk_writer {
	_Atomic uint64_t *words; /* the owner's */
	uint16_t capacity;       /* words */
	uint16_t bits;           /* written */
	uint8_t count;           /* samples */
	uint8_t leading, meaningful; /* of the last XOR window; 0 meaningful: none yet */
	int64_t time_ms, delta_ms;   /* of the last sample */
	uint64_t value;              /* its bits */
};

/* Words that must be there before the next append: `capacity` or more. */
uint32_t chunk_room(const struct chunk_writer *w);

/* Appends a sample that is later than the last one; there is room, and fewer than CHUNK_SAMPLES are in. */
void chunk_append(struct chunk_writer *w, int64_t time_ms, uint64_t value_bits);

/* Reads the first `count` samples, which were published. Any thread. Returns how many were read: fewer only where the bits are none that a writer makes, as from a damaged file. */
uint32_t chunk_read(const _Atomic uint64_t *words, uint32_t word_count, uint32_t count, int64_t *times_ms, uint64_t *values);

/* Adds a sample to a summary; zero-initialise one by summary_init. */
void summary_init(struct chunk_summary *s);
void summary_add(struct chunk_summary *s, int64_t time_ms, double value);
/* What both together are: `later` begins after `s` ends. */
void summary_join(struct chunk_summary *s, const struct chunk_summary *later);

#endif

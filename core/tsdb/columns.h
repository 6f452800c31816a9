/* Columns: how a block keeps samples. Up to 64 related series of a block (neighbours in the order of their labels) are one group, compressed together: their times and values as tokens of what is not foretold, under zstd. FORMAT.md has the layout.
 *
 * Nothing is lost: a value's bits come back, whichever NaN it is. Values that are decimals of few digits, as most measured ones are, become integers (value = integer / 10^scale), and sums of such decimals, which doubles round, integers and
 * the units in the last place that they are off. Times, and values, that another series of the group has too are kept once.
 *
 * The same columns give the same bytes, with one version of zstd. */
#ifndef MOONGATE_TSDB_COLUMNS_H
#define MOONGATE_TSDB_COLUMNS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

enum {
	COLUMNS_SERIES = 64,
	COLUMNS_SAMPLES_MAX = 1 << 20 /* of a group */
};

/* The samples of one series; borrowed. */
struct column {
	const int64_t *times_ms; /* rising; any that do not are kept too, but not found in another's */
	const uint64_t *values;  /* bits of doubles */
	uint32_t count;
};

/* What one thread needs to encode and decode; reused. Owned by the caller; NULL when memory is out. */
struct columns_coder;
struct columns_coder *columns_coder_new(int zstd_level);
void columns_coder_free(struct columns_coder *c);

/* Appends the encoding of a group of 1 to COLUMNS_SERIES columns, of COLUMNS_SAMPLES_MAX samples at most. 0, or -ENOMEM with nothing of use in `out` behind its old end. The caller adds a checksum: without it a changed bit may decode as another value. */
int columns_encode(struct columns_coder *c, const struct column *columns, uint32_t count, struct buf *out);

/* Decodes the columns of a group whose numbers `wanted` has as bits (bit 0 is the first); out[i] of the others is not touched. Arrays are in the arena, and columns with the same times or values share them. 0, -EBADMSG with a sentence for bytes that no encoder makes (never reading outside `bytes`,
 * nor allocating more than what COLUMNS_SAMPLES_MAX samples need), -ENOMEM. */
int columns_decode(struct columns_coder *c, struct slice bytes, uint64_t wanted, struct arena *arena,
                   struct column out[COLUMNS_SERIES], struct error *err);

/* A column at a place in it: beside the first sample that is later than a time. */
struct column_cut {
	const int64_t *times_ms; /* of all its samples */
	uint32_t count, index;   /* that sample's; `count`: there is none */
	uint64_t before, at;     /* bits of the values at index - 1 and at index; 0 where there is none */
	bool
	    plain; /* all values that are at least 0 and below 2^53 have, among them, no NaN and no -0. False: that is not known */
};

/* Of a group's columns whose numbers `wanted` has as bits what is beside the first sample later than `time_ms`. Values are passed over as they are coded, which takes a part of the time that columns_decode takes; of bytes that no encoder makes some are taken for values. Otherwise as there. */
int columns_decode_cut(struct columns_coder *c, struct slice bytes, uint64_t wanted, int64_t time_ms,
                       struct arena *arena, struct column_cut out[COLUMNS_SERIES], struct error *err);

#endif

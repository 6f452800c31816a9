/* What columns' two halves, encoding and decoding, share. FORMAT.md, "Group of columns". */
#ifndef MOONGATE_TSDB_COLUMNS_FORMAT_H
#define MOONGATE_TSDB_COLUMNS_FORMAT_H

#include <zstd.h>

#include "base/buf.h"
#include "tsdb/columns.h"

/* The bytes of a group are in three parts, each compressed by itself, since they are of different kinds. */
enum part { PART_HEADS, PART_TIMES, PART_NUMBERS, PART_UNITS, PART_REST, PARTS };

enum column_kind { COLUMN_CONSTANT = 0, COLUMN_SAME = 1, COLUMN_NUMBERS = 2 };

enum {
	TIMES_AS_BEFORE = 0x80, /* beside a kind */
	SCALE_MAX = 12,         /* value = number / 10^scale, and so many units in the last place */
	SCALE_BITS = 15,        /* value = number, as bits */
	BESIDE_MAX = 4,         /* how many columns of numbers before a column's may stand beside it */
	RING = 8, /* numbers of columns that are kept: that one, and those that may stand beside it; a power of two */
	HEADS_MAX = 1 << 14
};

/* An array of numbers that grows. */
struct numbers {
	uint64_t *at; /* owned */
	size_t cap;
};

struct columns_coder {
	ZSTD_CCtx *compress; /* owned */
	ZSTD_DCtx *inflate;  /* owned */
	struct buf parts[PARTS];
	struct numbers ring[RING]; /* of the last columns of numbers, by their ordinal modulo RING */
	struct numbers scratch;    /* of times, and of units in the last place */
};

extern const double columns_scales[SCALE_MAX + 1];

/* The array with room for a column's numbers, what was in it lost; NULL when memory is out. */
uint64_t *columns_room(struct numbers *n, uint32_t count);

#endif

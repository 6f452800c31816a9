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

struct columns_coder {
	ZSTD_CCtx *compress; /* owned */
	ZSTD_DCtx *inflate;  /* owned */
	struct buf parts[PARTS];
	uint64_t *numbers[RING]; /* owned: of the last columns of numbers, by their ordinal modulo RING */
	uint64_t *units;         /* owned: the units in the last place of one */
	size_t numbers_cap;      /* of each */
};

extern const double columns_scales[SCALE_MAX + 1];

/* Makes the arrays of numbers large enough for a column. 0 or -ENOMEM. */
int columns_room(struct columns_coder *c, uint32_t count);

#endif

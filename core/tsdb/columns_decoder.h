/* A group of columns that is being read: its heads, and where each column's bytes are. Shared by those who decode all of a column, and those who look for a place in it. Private to columns_*.c. */
#ifndef MOONGATE_TSDB_COLUMNS_DECODER_H
#define MOONGATE_TSDB_COLUMNS_DECODER_H

#include "tsdb/columns.h"
#include "tsdb/columns_format.h"
#include "tsdb/ints.h"

/* What the heads say of times that are kept. */
struct times_head {
	uint64_t begin, step;
	uint32_t count;
	enum ints_order order;
	struct ints_reader tokens, rest;
	int64_t *decoded; /* in the caller's arena; NULL until somebody wants them */
};

/* What they say of a column. */
struct column_head {
	uint32_t time, offset, count;
	enum column_kind kind;
	uint64_t constant;
	uint32_t same; /* the column that it is the same as */
	uint32_t scale;
	uint32_t ordinal; /* among the columns of numbers */
	uint32_t base;    /* the column that stands beside it; COLUMNS_SERIES: none does */
	enum ints_order order, units_order;
	struct ints_reader tokens, units, rest;
	uint64_t *decoded; /* as above */
};

struct columns_decoder {
	struct columns_coder *coder;
	struct arena *arena;
	struct error *err;
	uint32_t time_count, count;
	struct times_head times[COLUMNS_SERIES];
	struct column_head columns[COLUMNS_SERIES];
	uint32_t numbered[COLUMNS_SERIES]; /* the columns of numbers so far */
	uint32_t ordinal;                  /* how many they are */
	struct ints_reader parts[PARTS];   /* what is not read yet */
};

/* Reads the heads of a group, all of it checked but for the columns' own bytes, into a decoder that has its coder, arena and error, and is zeroed otherwise. 0, -EBADMSG or -ENOMEM with a sentence. */
int columns_decoder_begin(struct columns_decoder *d, struct slice bytes);

/* Decodes times that are kept, once. Errors as above. */
int columns_decoder_times(struct columns_decoder *d, struct times_head *t);

int columns_decoder_bad(struct columns_decoder *d, const char *what);

#endif

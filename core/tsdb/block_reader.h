/* A block's reader, as block_read.c and block_split.c share it. Private to them. */
#ifndef MOONGATE_TSDB_BLOCK_READER_H
#define MOONGATE_TSDB_BLOCK_READER_H

#include <zstd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "record/labels.h"
#include "tsdb/block_map.h"
#include "tsdb/sample_room.h"

enum { BLOCK_NO_PAGE = UINT32_MAX, BLOCK_NO_PIECE = UINT32_MAX };

/* A piece's columns. */
struct decoded {
	uint64_t have; /* which were decoded, as bits */
	struct column columns[BLOCK_PAGE_SERIES];
};

/* A piece's columns at the time that cuts through it. */
struct cut {
	uint32_t piece; /* BLOCK_NO_PIECE: none */
	int64_t time_ms;
	uint64_t have;
	struct column_cut columns[BLOCK_PAGE_SERIES];
};

struct block_reader {
	const struct block *block;
	struct arena index; /* lists and values */
	bool index_failed;  /* memory did not suffice for a list: the answer was that it is empty */

	/* The page that was read last. */
	uint32_t page;
	struct buf page_bytes;
	uint32_t *symbols; /* owned: name and value of each label of each series */
	size_t symbols_cap;
	uint32_t symbol_ends[BLOCK_PAGE_SERIES]; /* of each series' in `symbols` */
	struct chunk_summary summaries[BLOCK_PAGE_SERIES];

	/* The labels that were made last, and what of: the next ones mostly begin as they do. */
	struct buf labels;
	uint32_t label_count;
	uint32_t label_symbols[2 * LABELS_MAX];
	size_t label_ends[LABELS_MAX];

	/* The pieces of one page, as far as they were decoded. */
	uint32_t pieces_page;
	struct decoded *pieces; /* in the arena, by their order in the page */
	struct cut cut;
	struct arena columns;
	uint64_t asked; /* series of that page whose samples were asked for */
	bool eager;     /* there were several of the page before: there will be of this one, too */

	/* The summaries of the pieces of one page, piece by piece for each of its series. */
	uint32_t parts_page;
	struct chunk_summary *parts; /* owned; NULL: it has none */

	struct columns_coder *coder;
	ZSTD_DCtx *inflate;      /* owned: of pages */
	struct sample_room room; /* of the series that was read last */
};

/* Series of a page: all but the last one have BLOCK_PAGE_SERIES. */
static inline uint32_t block_page_series(const struct block *b, uint32_t page)
{
	uint32_t left = b->info.series - page * BLOCK_PAGE_SERIES;
	return left < BLOCK_PAGE_SERIES ? left : BLOCK_PAGE_SERIES;
}

/* -EBADMSG, with a sentence that names the file, what of it is damaged, and the page of the series. */
int block_reader_damaged(const struct block_reader *r, const char *what, uint32_t number, struct error *err);

/* The bytes of a frame of the page of series `number`, in the buffer `to`. 0, -ENOMEM, -EBADMSG with a sentence. */
int block_reader_inflate(const struct block_reader *r, struct slice frame, struct buf *to, struct slice *out,
                         uint32_t number, struct error *err);

/* Makes the page the one whose pieces are kept. 0 or -ENOMEM. */
int block_reader_begin(struct block_reader *r, uint32_t page);

/* The bytes of a piece's group, once its checksum holds; false: it does not. */
bool block_piece_bytes(const struct block *b, const struct block_piece *p, struct slice *out);

/* Which columns to decode of a piece of which `have` were, for one of them. */
uint64_t block_reader_wanted(struct block_reader *r, uint64_t have, uint64_t bit);

/* A series' column of a piece of the page that was begun. 0, -ENOMEM, -EBADMSG with a sentence. */
int block_reader_column(struct block_reader *r, uint32_t piece, uint32_t number, struct column *out, struct error *err);

/* What of a column lies in from_ms..to_ms. */
struct column column_within(struct column c, int64_t from_ms, int64_t to_ms);

#endif

/* An open block: its map, and where the index lies in it. Private to block_*.c. */
#ifndef MOONGATE_TSDB_BLOCK_MAP_H
#define MOONGATE_TSDB_BLOCK_MAP_H

#include "tsdb/block.h"
#include "tsdb/block_format.h"

struct block {
	struct block_info info;
	char name[BLOCK_NAME_MAX];
	char *path; /* owned */
	const char *map;
	size_t size;
	struct slice sections[BLOCK_SECTIONS];

	/* Of the sections; checked when the block was opened: numbers of symbols, values and pieces, and offsets, are within their bounds. */
	uint32_t symbol_count, page_count, piece_count, name_count, value_count;
	const uint32_t *symbol_ends;
	const char *symbol_bytes;
	const struct block_page *pages; /* page_count + 1 */
	const struct block_piece *pieces;
	const uint64_t *
	    part_ends; /* of section 7: where each page's summaries of pieces begin; page_count + 1. NULL: there are none */
	struct slice parts;
	const struct block_name *names; /* name_count + 1 */
	const struct block_value *values;
};

static inline struct slice block_symbol_text(const struct block *b, uint32_t symbol)
{
	uint32_t begin = symbol == 0 ? 0 : b->symbol_ends[symbol - 1];
	return slice_new(b->symbol_bytes + begin, b->symbol_ends[symbol] - begin);
}

#endif

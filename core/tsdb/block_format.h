/* What a block's writer and reader share of its layout (FORMAT.md, "Block"). Private to block_*.c. */
#ifndef MOONGATE_TSDB_BLOCK_FORMAT_H
#define MOONGATE_TSDB_BLOCK_FORMAT_H

#include <stdint.h>

#define BLOCK_MAGIC "MOONBLCK"
#define BLOCK_SUFFIX ".block"

enum { BLOCK_VERSION = 1, BLOCK_HEADER_BYTES = 256, BLOCK_SECTIONS_AT = 48, PIECE_HEADER_BYTES = 8 };

/* Of a page, before it is compressed: 64 series of LABELS_BYTES_MAX have less. */
enum { BLOCK_PAGE_BYTES_MAX = 16 * 1024 * 1024 };

enum block_section {
	BLOCK_SYMBOLS,
	BLOCK_PAGES,
	BLOCK_PAGE_TABLE,
	BLOCK_PIECES,
	BLOCK_LABELS,
	BLOCK_POSTINGS,
	BLOCK_PARTS, /* none in a block of older days */
	BLOCK_SECTIONS
};

/* Of section 3. */
struct block_page {
	uint64_t offset;
	uint32_t first_piece;
	uint32_t zero;
};

/* Of section 4. */
struct block_piece {
	uint64_t offset;
	int64_t first_ms, last_ms;
};

/* Of section 5: a name, and a value. */
struct block_name {
	uint32_t symbol, first_value;
};

struct block_value {
	uint32_t symbol, series;
	uint64_t offset;
};

/* What a page has of each series besides labels: the fields' weights. */
enum { BLOCK_DOUBLES = 5, BLOCK_SUMMARY_BYTES_MIN = 4 + 8 * BLOCK_DOUBLES };

#endif

/* The strings of a block while it is written: each once, numbered in the order in which they come; and the pairs of name and value, with their series. Private to block_write*.c. */
#ifndef MOONGATE_TSDB_BLOCK_SYMBOLS_H
#define MOONGATE_TSDB_BLOCK_SYMBOLS_H

#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "base/table.h"
#include "tsdb/block_format.h"

struct label_use {
	uint32_t name, value; /* symbols */
	uint32_t series;      /* that have it */
};

struct block_symbols {
	struct buf bytes;
	uint32_t *ends; /* of each string in `bytes`; owned */
	uint32_t count;
	size_t cap;
	struct table table;

	struct label_use *uses; /* owned */
	uint32_t use_count;
	size_t use_cap;
	struct table use_table;

	uint32_t *series_uses; /* the uses of one series after the other; owned */
	uint32_t *series_ends; /* where those of each series end; owned */
	size_t series_uses_len, series_uses_cap;
	uint32_t series;
	size_t series_cap;
};

void block_symbols_init(struct block_symbols *s);
void block_symbols_deinit(struct block_symbols *s);

/* Adds the next series' labels (canonical); appends its count of labels and their symbols, as a page has them, to `page`. 0; -ENOMEM; -E2BIG: over 4 GiB of strings, or of series' labels. */
int block_symbols_add(struct block_symbols *s, struct slice labels, struct buf *page);

static inline struct slice block_symbol(const struct block_symbols *s, uint32_t symbol)
{
	uint32_t begin = symbol == 0 ? 0 : s->ends[symbol - 1];
	return slice_new(s->bytes.ptr + begin, s->ends[symbol] - begin);
}

/* Appends the sections. The buffers' failure is sticky: the caller looks. -ENOMEM, or 0. */
void block_symbols_section(const struct block_symbols *s, struct buf *out);
int block_symbols_postings(struct block_symbols *s, struct buf *labels, struct buf *postings);

#endif

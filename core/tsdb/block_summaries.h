/* Summaries of the series of a page as a block keeps them (FORMAT.md): field by field, so that they compress. Private to block_*.c. */
#ifndef MOONGATE_TSDB_BLOCK_SUMMARIES_H
#define MOONGATE_TSDB_BLOCK_SUMMARIES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "tsdb/chunk.h"

/* Appends `count` of them, of a block that begins at from_ms. Failure is the buffer's. */
void block_summaries_put(struct buf *out, const struct chunk_summary *summaries, uint32_t count, int64_t from_ms);

/* Takes them off again. False: they are cut off. */
bool block_summaries_take(struct slice *from, struct chunk_summary *out, uint32_t count, int64_t from_ms);

#endif

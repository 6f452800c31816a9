/* Snappy's block format (format_description.txt of its sources), taken apart and made. Any thread. */
#ifndef MOONGATE_BASE_SNAPPY_H
#define MOONGATE_BASE_SNAPPY_H

#include "base/buf.h"
#include "base/slice.h"

/* How many bytes a block says it has, uncompressed; for who takes memory for them. 0; -EFBIG when they are more than `max`; -EINVAL when it does not begin like a block, or no block of so many bytes
 * can hold so much. */
int snappy_block_length(struct slice block, size_t max, size_t *len);

/* Writes the `len` bytes of a block, those that snappy_block_length said, to `to`. 0; -EINVAL when the block is damaged, with nothing of use in `to`. */
int snappy_block_decode(struct slice block, char *to, size_t len);

/* Appends bytes as a block. 0 or -ENOMEM. */
int snappy_block_encode(struct slice bytes, struct buf *out);

#endif

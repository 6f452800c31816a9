/* Snappy by its own library. Ours is what stands before it: a declared length costs nothing until it is believable. */
#include "base/snappy.h"

#include <errno.h>
#include <snappy-c.h>

/* The best that the format can do is a copy of 64 bytes said in three: 21.3 to 1. */
enum { RATIO_MAX = 22 };

int snappy_block_length(struct slice block, size_t max, size_t *len)
{
	if (snappy_uncompressed_length(block.ptr, block.len, len) != SNAPPY_OK)
		return -EINVAL;
	if (*len > max)
		return -EFBIG;
	return *len / RATIO_MAX > block.len ? -EINVAL : 0;
}

int snappy_block_decode(struct slice block, char *to, size_t len)
{
	size_t room = len;
	return snappy_uncompress(block.ptr, block.len, to, &room) == SNAPPY_OK && room == len ? 0 : -EINVAL;
}

int snappy_block_encode(struct slice bytes, struct buf *out)
{
	size_t room = snappy_max_compressed_length(bytes.len);
	char *to = buf_room(out, room);

	if (to == NULL || snappy_compress(bytes.ptr, bytes.len, to, &room) != SNAPPY_OK)
		return -ENOMEM; /* it fails for want of room alone */
	out->len += room;
	return 0;
}

/* Snappy's block format (format_description.txt of its sources), by its own library. Ours is what stands before it: a declared length costs nothing until it is believable. */
#include <snappy-c.h>

#include <errno.h>

#include "base/mem.h"
#include "ingest/ingest.h"

/* The best that the format can do is a copy of 64 bytes said in three: 21.3 to 1. */
enum { RATIO_MAX = 22 };

int ingest_snappy(struct slice body, size_t max, char **out, size_t *len, struct error *err)
{
	*out = NULL;
	if (snappy_uncompressed_length(body.ptr, body.len, len) != SNAPPY_OK)
		return error_set(err, -EINVAL, "the body does not begin like Snappy's block format");
	if (*len > max)
		return error_set(err, -EFBIG, "the body has %zu bytes uncompressed, more than the %zu that are taken",
		                 *len, max);
	if (*len / RATIO_MAX > body.len)
		return error_set(err, -EINVAL,
		                 "the body says that it has %zu bytes uncompressed, which its %zu cannot hold", *len,
		                 body.len);
	char *bytes = mem_alloc(*len + INGEST_PADDING);
	if (bytes == NULL)
		return error_set(err, -ENOMEM, "no memory for a body of %zu bytes", *len);
	size_t room = *len;
	if (snappy_uncompress(body.ptr, body.len, bytes, &room) != SNAPPY_OK || room != *len) {
		mem_free(bytes);
		return error_set(err, -EINVAL, "the body is no valid Snappy block");
	}
	memset(bytes + *len, 0, INGEST_PADDING);
	*out = bytes;
	return 0;
}

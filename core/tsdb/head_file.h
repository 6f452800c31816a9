/* What saving and loading the head share of its layout (FORMAT.md, "Saved head"). Private to head_save.c and head_load.c. */
#ifndef MOONGATE_TSDB_HEAD_FILE_H
#define MOONGATE_TSDB_HEAD_FILE_H

#include <stdint.h>

#define HEAD_MAGIC "MOONHEAD"

enum { HEAD_VERSION = 1, HEAD_HEADER_BYTES = 64 };

/* Small distances of either sign as small numbers; in unsigned arithmetic, since times may be any. */
static inline uint64_t zigzag(uint64_t v)
{
	return v << 1 ^ (0 - (v >> 63));
}

static inline uint64_t unzigzag(uint64_t v)
{
	return v >> 1 ^ (0 - (v & 1));
}

#endif

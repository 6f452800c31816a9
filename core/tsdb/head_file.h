/* What saving and loading the head share of its layout (FORMAT.md, "Saved head"). Private to head_save.c and head_load.c. */
#ifndef MOONGATE_TSDB_HEAD_FILE_H
#define MOONGATE_TSDB_HEAD_FILE_H

#include <stdint.h>

#define HEAD_MAGIC "MOONHEAD"

enum { HEAD_VERSION = 1, HEAD_HEADER_BYTES = 64 };

#endif

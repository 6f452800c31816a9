/* Constants of the checkpoint's format, which FORMAT.md describes. */
#ifndef MOONGATE_METRICS_CHECKPOINT_H
#define MOONGATE_METRICS_CHECKPOINT_H

#define CHECKPOINT_MAGIC "MGmx"

enum {
	CHECKPOINT_VERSION = 1,
	CHECKPOINT_SERIES_MIN = 2 + 8 + 4 + 8 + 4, /* bytes of the shortest series */
	CHECKPOINT_DISTINCT_NONE = 0,
	CHECKPOINT_DISTINCT_SET = 1,
	CHECKPOINT_DISTINCT_REGISTERS = 2
};

#endif

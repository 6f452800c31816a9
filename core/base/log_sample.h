/* Which log lines are written when there are many of a kind. Private to the log; the caller holds its lock. */
#ifndef MOONGATE_BASE_LOG_SAMPLE_H
#define MOONGATE_BASE_LOG_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

enum { LOG_SAMPLE_SLOTS = 512, LOG_SAMPLE_WAYS = 4 };

/* One kind of line: a level with a message. */
struct log_sample_slot {
	uint64_t hash;
	int64_t second;  /* of the monotonic clock: the window that `seen` counts in */
	uint32_t seen;   /* lines of this kind in that second */
	uint64_t missed; /* left out since one was written */
};

struct log_sample {
	struct log_sample_slot slots[LOG_SAMPLE_SLOTS];
};

/* Whether a line of kind `hash` is written at `second`: the first `first` of each second, then every `then`th. When it
 * is, *missed gets how many of its kind were left out since the last one that was. */
bool log_sample_take(struct log_sample *s, uint64_t hash, int64_t second, uint32_t first, uint32_t then,
                     uint64_t *missed);

#endif

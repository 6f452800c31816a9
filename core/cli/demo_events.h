/* A seeded stream of what a fleet of agents would send: sessions that start, call models and tools, fail, retry and stop, of users with very different appetites.
 * The same seed and start give the same bytes. */
#ifndef MOONGATE_CLI_DEMO_EVENTS_H
#define MOONGATE_CLI_DEMO_EVENTS_H

#include <stdint.h>

#include "base/buf.h"

enum demo_type { DEMO_START, DEMO_STOP, DEMO_MODEL, DEMO_TOOL, DEMO_ERROR, DEMO_POOL, DEMO_ACTIVE, DEMO_TYPES };

struct demo_totals {
	uint64_t by_type[DEMO_TYPES];
	uint64_t input_tokens, output_tokens;
};

struct demo;

/* `users` people, simulated time beginning at start_ns. NULL when memory is out. The caller frees it. */
struct demo *demo_new(uint64_t seed, uint32_t users, int64_t start_ns);
void demo_free(struct demo *d);

/* Appends the next event as one line of NDJSON, at simulated time `now_ns` (never before the last one's). */
void demo_next(struct demo *d, int64_t now_ns, struct buf *out);

void demo_totals(const struct demo *d, struct demo_totals *out);

/* "model.call" and so on. */
const char *demo_type_name(enum demo_type type);

#endif

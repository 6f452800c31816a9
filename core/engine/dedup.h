/* The window in which a retry is recognised: a set of 64-bit keys, each forgotten `window_ns` after it was added, or
 * earlier when more than `max` would be held (the oldest go, and are counted).
 *
 * A key is a keyed hash of (tenant_id, id): two different ids meet with a probability of about max / 2^64 a check, and the secret
 * seed keeps anyone from making them meet. One thread. */
#ifndef MOONGATE_ENGINE_DEDUP_H
#define MOONGATE_ENGINE_DEDUP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct dedup;

/* An empty window, or NULL when memory is out. It grows with what it holds: 13 to 20 bytes a key when full. */
struct dedup *dedup_new(int64_t window_ns, uint32_t max);
void dedup_free(struct dedup *d);

/* The key of an event's id within its tenant (empty: none). */
uint64_t dedup_key(struct slice tenant, struct slice id);

/* Asks the processor to fetch the place of a key that will be added soon. */
void dedup_prefetch(const struct dedup *d, uint64_t key);

/* Moves the window to `now_ns` (never back) and does a bounded share of the cleaning. Call once a group. */
void dedup_advance(struct dedup *d, int64_t now_ns);

/* Adds a key at the window's time. 1: it is new. 0: it was there. -ENOMEM: it could not be stored. */
int dedup_add(struct dedup *d, uint64_t key);

/* Takes back a key that was added: its event was not made durable. */
void dedup_remove(struct dedup *d, uint64_t key);

struct dedup_stats {
	uint64_t keys;    /* held now */
	uint64_t evicted; /* forgotten before their time, since the start */
	uint64_t bytes;   /* memory */
};
void dedup_stats(const struct dedup *d, struct dedup_stats *out);

#endif

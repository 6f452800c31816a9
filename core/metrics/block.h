/* Blocks: memory that snapshots share with the registry without counting references.
 *
 * A snapshot of a million series cannot afford a million atomic increments, so what it shares is kept alive by time
 * instead. The registry's one writer numbers its snapshots. A block (label texts, the state of a sketch, …) is never
 * freed or changed while a snapshot lives that was taken after the block was made:
 *  - block_shared() tells the writer that it must copy the block before it changes it (copy on write);
 *  - block_retire() frees a block that the writer has dropped, at once when no snapshot lives, else with the last
 *    snapshot that may see it.
 *
 * Retired blocks hang on the newest snapshot of that moment. When a snapshot ends, its blocks move to the next older
 * living one, in constant time; the oldest frees its blocks. So the writer never waits for a reader, and a reader
 * never for longer than a few list operations.
 *
 * Threads: block_new, block_shared, block_retire and snapshots_enter are the writer's; snapshots_leave is for any
 * thread. */
#ifndef MOONGATE_METRICS_BLOCK_H
#define MOONGATE_METRICS_BLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/thread.h"
#include "metrics/spares.h"

/* The head of every block; the rest of the struct follows. */
struct block {
	union {
		uint64_t stamp;     /* in use: number of the last snapshot that was taken before the block was made */
		struct block *next; /* retired: the list that it waits in */
	};
};

/* A living snapshot, as the list below knows it. */
struct snapshot_link {
	struct snapshot_link *older, *newer;
	uint64_t number;     /* from 1 on, rising */
	struct block *first; /* blocks retired while this was the newest snapshot, or inherited from newer ones */
	struct block *last;
};

/* The living snapshots of one registry. Owned by the registry and each snapshot together, by reference count. */
struct snapshots {
	struct mutex lock; /* the list, and the retired blocks of its members */
	struct snapshot_link *newest_link;
	_Atomic uint64_t newest; /* number of the newest living snapshot; 0: none lives */
	uint64_t issued;         /* the last number given; the writer's */
	struct spares spares;
	_Atomic uint32_t refs;
};

/* No snapshots, one reference. NULL when memory is out. */
struct snapshots *snapshots_new(void);
void snapshots_unref(struct snapshots *s);

/* Begins a snapshot (and takes a reference): from here on no block that exists is changed or freed. */
void snapshots_enter(struct snapshots *s, struct snapshot_link *link);

/* Ends it, frees what only it could see, gives the reference back. */
void snapshots_leave(struct snapshots *s, struct snapshot_link *link);

/* `size` bytes (the struct block among them), uninitialised but for the stamp; NULL when memory is out. */
void *block_new(const struct snapshots *s, size_t size);

/* The caller will not use the block again. */
void block_retire(struct snapshots *s, void *block);

/* May a snapshot that lives see this block? */
static inline bool block_shared(const struct snapshots *s, const struct block *b)
{
	/* Acquire: what the readers of an ended snapshot read happens before the change that follows. */
	return atomic_load_explicit(&s->newest, memory_order_acquire) > b->stamp;
}

#endif

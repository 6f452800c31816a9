/* Epochs: how readers read, without a lock, what one writer changes and frees.
 *
 * The writer never changes what a reader may be reading; it publishes a new version and retires the old one. A retired block is freed once every reader that may still see it has left: readers note the
 * epoch at which they entered, and the writer counts epochs on. So a reader costs the writer nothing but memory that is kept a little longer, and the writer never waits.
 *
 *   writer   publish the new pointer (release) → epoch_retire(old) → … epoch_collect, now and then
 *   reader   epoch_enter → load pointers (acquire), read → epoch_leave
 *
 * Keir Fraser, Practical lock freedom (Cambridge, 2004), 5.2.3, with one writer. */
#ifndef MOONGATE_BASE_EPOCH_H
#define MOONGATE_BASE_EPOCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	EPOCH_READERS = 64, /* at the same time */
	EPOCH_KEPT = 2,     /* and besides so many that must not be refused, each with a place that is kept for it */
	EPOCH_PLACES = EPOCH_READERS + EPOCH_KEPT
};

struct epoch_retired {
	void *block;
	void (*free)(void *block);
	uint64_t epoch;
};

struct epochs {
	_Atomic uint64_t now; /* counts from 1 */
	struct {
		_Atomic uint64_t entered; /* the epoch at which its reader entered; 0: free */
		uint64_t apart[7]; /* no two readers in one cache line, wherever this lies: it may be on the heap */
	} readers[EPOCH_PLACES];
	/* The writer's: what waits to be freed, oldest first. */
	struct epoch_retired *retired;
	size_t first, count, cap;
	size_t held; /* places that are kept for epoch_retire_held */
};

/* In place; allocates nothing. */
void epochs_init(struct epochs *e);
/* Frees everything that was retired. No reader is inside. */
void epochs_deinit(struct epochs *e);

/* Enters: what is reachable from now on stays until epoch_leave. The reader's place, or -EAGAIN: EPOCH_READERS are inside. Any thread; a thread may enter several times. */
int epoch_enter(struct epochs *e);
/* The same in the place that is kept for `which`, below EPOCH_KEPT, where nobody is. Never refused. */
int epoch_enter_kept(struct epochs *e, int which);
void epoch_leave(struct epochs *e, int place);

/* Room for `more` retirements, so that these cannot fail. 0 or -ENOMEM. The writer's, like all below. */
int epoch_reserve(struct epochs *e, size_t more);

/* Hands over a block that cannot be reached any more by readers that enter from now on; `free` (mem_free or what the block wants) is called on the writer's thread, by epoch_collect. There is room (epoch_reserve). NULL is allowed. */
void epoch_retire(struct epochs *e, void *block, void (*free)(void *block));

/* Keeps a place for one retirement, whatever is reserved and retired meanwhile: for a change of several steps that must not fail at the last. 0 or -ENOMEM. It is used up by epoch_retire_held, or given back by epoch_unhold. */
int epoch_hold(struct epochs *e);
void epoch_unhold(struct epochs *e);
void epoch_retire_held(struct epochs *e, void *block, void (*free)(void *block));

/* Frees what nobody can see any more; cheap when there is nothing. */
void epoch_collect(struct epochs *e);

/* A moment: has every reader left that entered before it? For what is to be done in two steps: say what is not wanted any more, then take it away. */
uint64_t epoch_mark(struct epochs *e);
bool epoch_passed(struct epochs *e, uint64_t mark);

/* Blocks that wait to be freed. */
size_t epoch_waiting(const struct epochs *e);

#endif

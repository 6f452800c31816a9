/* Epochs, see epoch.h.
 *
 * The order that matters: a reader notes its epoch, then loads pointers; the writer publishes pointers, then looks at the notes. Between the two both change `now` (the reader by nothing). One of these
 * changes comes first, and the other sees all that came before it: either the reader loads the new pointer, or the writer finds the reader's note. */
#include "base/epoch.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

void epochs_init(struct epochs *e)
{
	memset(e, 0, sizeof *e);
	atomic_store(&e->now, 1);
}

void epochs_deinit(struct epochs *e)
{
	for (size_t i = 0; i < EPOCH_PLACES; i++)
		CHECK(atomic_load(&e->readers[i].entered) == 0);
	epoch_collect(e);
	CHECK(e->count == 0);
	mem_free(e->retired);
	e->retired = NULL;
	e->cap = 0;
}

/* Takes a place that is free. */
static bool take_place(struct epochs *e, int place)
{
	uint64_t none = 0;
	/* An epoch that is a little old when it is stored keeps more than it has to, never less. */
	uint64_t now = atomic_load(&e->now);

	if (atomic_load_explicit(&e->readers[place].entered, memory_order_relaxed) != 0 ||
	    !atomic_compare_exchange_strong(&e->readers[place].entered, &none, now))
		return false;
	atomic_fetch_add(&e->now, 0);
	return true;
}

int epoch_enter(struct epochs *e)
{
	for (int i = 0; i < EPOCH_READERS; i++) {
		if (take_place(e, i))
			return i;
	}
	return -EAGAIN;
}

int epoch_enter_kept(struct epochs *e, int which)
{
	CHECK(which >= 0 && which < EPOCH_KEPT);
	CHECK(take_place(e, EPOCH_READERS + which));
	return EPOCH_READERS + which;
}

void epoch_leave(struct epochs *e, int place)
{
	CHECK(place >= 0 && place < EPOCH_PLACES);
	/* Release: what was read is read before the block can be freed. */
	atomic_store_explicit(&e->readers[place].entered, 0, memory_order_release);
}

int epoch_reserve(struct epochs *e, size_t more)
{
	more += e->held;
	if (e->first + e->count + more <= e->cap)
		return 0;
	if (e->first > 0)
		memmove(e->retired, e->retired + e->first, e->count * sizeof *e->retired);
	e->first = 0;
	return mem_grow((void **)&e->retired, &e->cap, e->count + more - 1, sizeof *e->retired);
}

int epoch_hold(struct epochs *e)
{
	int code = epoch_reserve(e, 1);
	if (code == 0)
		e->held++;
	return code;
}

void epoch_unhold(struct epochs *e)
{
	CHECK(e->held > 0);
	e->held--;
}

void epoch_retire_held(struct epochs *e, void *block, void (*free)(void *block))
{
	epoch_unhold(e);
	epoch_retire(e, block, free);
}

/* The oldest epoch at which a reader that is still inside entered; UINT64_MAX: nobody is. */
static uint64_t oldest_reader(struct epochs *e)
{
	uint64_t oldest = UINT64_MAX;
	for (size_t i = 0; i < EPOCH_PLACES; i++) {
		uint64_t entered = atomic_load(&e->readers[i].entered);
		if (entered != 0 && entered < oldest)
			oldest = entered;
	}
	return oldest;
}

void epoch_retire(struct epochs *e, void *block, void (*free)(void *block))
{
	if (block == NULL)
		return;
	CHECK(e->first + e->count < e->cap);
	e->retired[e->first + e->count] = (struct epoch_retired){block, free, atomic_load(&e->now)};
	e->count++;
}

void epoch_collect(struct epochs *e)
{
	if (e->count == 0)
		return;
	/* Who enters from here on has a later epoch than everything that was retired. */
	atomic_fetch_add(&e->now, 1);
	uint64_t oldest = oldest_reader(e);
	while (e->count > 0 && e->retired[e->first].epoch < oldest) {
		struct epoch_retired r = e->retired[e->first];
		e->first++;
		e->count--;
		r.free(r.block);
	}
	if (e->count == 0)
		e->first = 0;
}

uint64_t epoch_mark(struct epochs *e)
{
	return atomic_fetch_add(&e->now, 1);
}

bool epoch_passed(struct epochs *e, uint64_t mark)
{
	return oldest_reader(e) > mark;
}

size_t epoch_waiting(const struct epochs *e)
{
	return e->count;
}

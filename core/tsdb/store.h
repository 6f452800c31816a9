/* The store's insides, shared by tsdb.c, maintain.c, view.c, cardinality.c. Private to them. */
#ifndef MOONGATE_TSDB_STORE_H
#define MOONGATE_TSDB_STORE_H

#include <stdatomic.h>

#include "base/thread.h"
#include "tsdb/block.h"
#include "tsdb/extras.h"
#include "tsdb/head.h"
#include "tsdb/tsdb.h"

/* A block with those who hold it. */
struct held_block {
	_Atomic uint32_t refs;
	struct block *block;  /* owned */
	_Atomic bool damaged; /* found when it was read: it is served, and no more merged */
};

/* The blocks at one moment, in the order of time; immutable. */
struct block_set {
	_Atomic uint32_t refs;
	int64_t sealed_ms; /* samples before are in blocks, others in the head; INT64_MIN: none are */
	uint32_t count;
	struct held_block *items[];
};

struct tsdb {
	struct tsdb_options options;
	char *dir, *chunks_dir; /* owned */
	struct head *head;
	struct extras *extras; /* owned */

	/* Who has the lock swaps the pointer, or takes a reference: a few instructions. */
	struct mutex lock;
	struct block_set *set;

	_Atomic int64_t sealed_ms;  /* the set's, for the writer */
	_Atomic int64_t seal_to_ms; /* the writer takes nothing before: the keeper may seal up to here */
	_Atomic int64_t oldest_ms, newest_ms;
	_Atomic bool stopping; /* tsdb_maintain_stop */

	int64_t now_ms; /* the writer's clock; INT64_MAX: it has none */
	int64_t cut_ms; /* the writer's: what the head was told to cut */

	_Atomic uint64_t sealed, merged, removed, refused, lost;
};

/* The largest multiple of `step` that is not above, times before 1970 too; where that is no int64_t, INT64_MIN. */
static inline int64_t floor_to(int64_t time_ms, int64_t step)
{
	int64_t rest = time_ms % step, floor;
	rest = rest < 0 ? rest + step : rest;
	return __builtin_sub_overflow(time_ms, rest, &floor) ? INT64_MIN : floor;
}

/* From `from` to `to`, which does not come before: no distance is too large. */
static inline uint64_t span_ms(int64_t from, int64_t to)
{
	return (uint64_t)to - (uint64_t)from;
}

struct tsdb_view {
	struct tsdb *t;
	struct head_view *head;
	struct block_set *set;
	bool (*stopped)(const void *ctx); /* NULL: nobody stops it */
	const void *stopped_ctx;
	uint32_t looks; /* series since it was asked */
};

enum { SERIES_BETWEEN_LOOKS = 64 };

/* Is what the view is asked to end? Called between series. */
static inline bool view_is_stopped(struct tsdb_view *v)
{
	return v->stopped != NULL && ++v->looks % SERIES_BETWEEN_LOOKS == 0 && v->stopped(v->stopped_ctx);
}

/* tsdb.c: the set of this moment, with a reference; any thread. */
struct block_set *block_set_get(struct tsdb *t);
void block_set_unref(struct block_set *s);

/* Makes a set of the old one's blocks without `gone` of them from `from` on, and with one more in their place (NULL: none; owned from here on), and swaps it in. The keeper's. 0 or -ENOMEM with nothing changed. */
int block_set_replace(struct tsdb *t, uint32_t from, uint32_t gone, struct block *instead, int64_t sealed_ms);

#endif

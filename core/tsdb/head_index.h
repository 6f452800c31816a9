/* The head's index: which series have which label. One writer adds series, and takes away those that have ended; any number of readers look up beside it (base/epoch.h), and see each series either under all of its labels or, while it is
 * being added, under some.
 *
 *   names  name → label_name ── its values, newest first
 *   pairs  name, value → label_pair ── numbers of the series that have it, rising
 *
 * Both maps are open-addressed tables of pointers that are copied when they grow; lists of numbers likewise. What a copy replaces is retired. */
#ifndef MOONGATE_TSDB_HEAD_INDEX_H
#define MOONGATE_TSDB_HEAD_INDEX_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/epoch.h"
#include "base/slice.h"
#include "tsdb/postings.h"

struct pointer_map; /* head_index.c */

/* Rising numbers that a reader may read the first `count` of. */
struct number_list {
	_Atomic uint32_t count;
	uint32_t capacity;
	uint32_t numbers[];
};

struct head_index {
	struct epochs *epochs; /* borrowed */
	_Atomic(struct pointer_map *) names, pairs;
	_Atomic(struct number_list *) all;
	/* The writer's. */
	uint32_t removal; /* removals so far */
	uint64_t bytes;   /* in use, retired ones not among them */
};

/* An empty index, in place. 0 or -ENOMEM (head_index_deinit is allowed then, too). */
int head_index_init(struct head_index *ix, struct epochs *epochs);
/* No reader is inside. */
void head_index_deinit(struct head_index *ix);

/* Adds a series, whose number is above all that were added before, under each of its labels (canonical, copied where kept). 0, or -ENOMEM with the series under none. The writer's. */
int head_index_add(struct head_index *ix, uint32_t number, struct slice labels);

/* Takes series away: `numbers` rise, labels_of gives the labels of each. What no series has any more goes. 0, or -ENOMEM: some may still be listed, under some labels; call it again. The writer's. */
int head_index_remove(struct head_index *ix, struct postings numbers,
                      struct slice (*labels_of)(void *ctx, uint32_t number), void *ctx);

/* What readers ask, between epoch_enter and epoch_leave: postings_source's functions, with the index as ctx. */
struct postings head_index_equal(void *ctx, struct slice name, struct slice value);
int head_index_values(void *ctx, struct slice name, struct arena *arena, const struct slice **values, uint32_t *count);
struct postings head_index_all(void *ctx);
/* Which series count: wants() says 1, 0, or a negative errno, which ends the walk. NULL in its place: all do. */
struct head_index_filter {
	int (*wants)(void *ctx, uint32_t number);
	void *ctx;
};
/* The values of a label, and the names of all labels, that series have which count; rising, in the arena. 0, -ENOMEM, or what the filter said. */
int head_index_values_of(struct head_index *ix, struct slice name, const struct head_index_filter *filter,
                         struct arena *arena, const struct slice **values, uint32_t *count);
int head_index_names(struct head_index *ix, const struct head_index_filter *filter, struct arena *arena,
                     const struct slice **names, uint32_t *count);

#endif

/* The ring of exemplars: the newest of all series together, the oldest go first. Private to the store; what it promises is in tsdb.h.
 *
 *   ring ── oldest … newest ──▶ exemplar ──▶ row: a series that has some, found by its labels
 *
 * It is keyed by labels and not by the head's numbers, since a series may leave the head before its exemplars go. Only the writer changes it, under a lock that others take to copy the ring's pointers; exemplars and rows do not
 * change, and are freed when nobody who copied pointers to them is inside any more (epoch.h). */
#ifndef MOONGATE_TSDB_EXEMPLARS_H
#define MOONGATE_TSDB_EXEMPLARS_H

#include "base/epoch.h"
#include "base/table.h"
#include "base/thread.h"
#include "tsdb/tsdb.h"

struct kept_exemplar;

/* A series that has exemplars. Others than the writer read `slot` and the labels only. */
struct exemplar_row {
	const struct kept_exemplar *newest;
	uint32_t count; /* of its exemplars in the ring */
	uint32_t slot;  /* no other row that is there at the same time has it */
	uint64_t hash;
	uint32_t labels_len;
	char labels[]; /* canonical */
};

struct kept_exemplar {
	struct exemplar_row *row;
	int64_t time_ms;
	double value;
	uint32_t labels_len;
	char labels[]; /* canonical */
};

static inline struct slice row_labels(const struct exemplar_row *r)
{
	return slice_new(r->labels, r->labels_len);
}

static inline struct slice kept_labels(const struct kept_exemplar *k)
{
	return slice_new(k->labels, k->labels_len);
}

struct exemplars {
	struct epochs *epochs; /* borrowed */
	uint32_t max;
	uint64_t max_bytes;
	struct mutex lock;
	struct kept_exemplar **ring; /* max of them; NULL until there is one */
	uint32_t first, count;
	struct exemplar_slot {
		struct exemplar_row *row; /* NULL: free */
		uint32_t next;            /* free one */
	} * slots;
	size_t slot_cap;
	uint32_t slot_count, free_slot; /* TABLE_NONE: none */
	struct table table;             /* of slots, by the rows' hash */
	uint32_t rows;
	uint64_t bytes; /* of exemplars and rows */
	uint64_t outcomes[EXEMPLAR_OUTCOMES], evicted;
};

/* In place. */
void exemplars_init(struct exemplars *x, struct epochs *epochs, uint32_t max);
/* No reader is inside. */
void exemplars_deinit(struct exemplars *x);

/* The writer's. enum exemplar_outcome; -ENOMEM: it is not stored, though older ones may have gone. */
int exemplars_add(struct exemplars *x, struct slice labels, uint64_t hash, const struct sample_exemplar *e);

/* The ring at one moment, oldest first. Any thread, which is inside the epochs until exemplars_copy_deinit. */
struct exemplars_copy {
	const struct kept_exemplar **items; /* owned */
	uint32_t count;
	uint32_t slots; /* those of all rows are below */
};
/* 0 or -ENOMEM. */
int exemplars_copy(struct exemplars *x, struct exemplars_copy *out);
void exemplars_copy_deinit(struct exemplars_copy *c);

/* What of a copy the matchers match and lies in from_ms..to_ms, as tsdb_exemplars_select gives it. 0 or -ENOMEM. */
int exemplars_copy_select(const struct exemplars_copy *c, struct matcher *const *matchers, uint32_t matcher_count,
                          int64_t from_ms, int64_t to_ms, struct arena *arena, const struct exemplar_series **out,
                          uint32_t *out_count);

#endif

/* The series that a target answered last time: so that those which have gone are found, and nobody copies and hashes the labels of one that stays. Private to scrape/.
 *
 * A scrape is a round: seen_begin, seen_mark for each that was answered, a walk over those that are gone, and, once it is known what became of the samples, seen_settle. */
#ifndef MOONGATE_SCRAPE_SEEN_H
#define MOONGATE_SCRAPE_SEEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "base/table.h"

struct seen_series {
	char *labels; /* canonical, owned; they stay where they are until the series is settled away */
	uint32_t labels_len;
	bool
	    tracked; /* in the round that it was seen in it had no time of its own: it is missed when it does not come again */
	bool known; /* taken once */
	bool live;  /* its newest sample that was taken had no time of its own, and is no stale marker */
	uint64_t hash;
	uint64_t round; /* the last one that it was seen in */
};

struct seen {
	struct seen_series *items; /* in the order in which they came first */
	uint32_t count;
	size_t cap;
	struct table table;
	uint64_t round;
	uint32_t expected; /* the item that will be seen next, if the target answers in the same order as before */
	uint32_t added;    /* in this round */
};

/* An empty set; zeroed memory is one. */
void seen_deinit(struct seen *set);

void seen_begin(struct seen *set);

/* The series of these labels, which is new where it is not there yet. The pointer is good until the next is seen, what it points to until it is settled. NULL: memory is out. */
struct seen_series *seen_mark(struct seen *set, struct slice labels, bool tracked);

/* Does it take a stale marker in this round? */
static inline bool seen_is_gone(const struct seen *set, const struct seen_series *s)
{
	return s->live && !(s->round == set->round && s->tracked);
}

/* The samples of the round and its stale markers were taken, or none of them was. */
void seen_settle(struct seen *set, bool taken);

static inline struct slice seen_labels(const struct seen_series *s)
{
	return slice_new(s->labels, s->labels_len);
}

#endif

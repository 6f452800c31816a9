/* Postings: rising lists of series numbers, and what queries do with them. The lists lie where their owner keeps them (in memory for the head, mapped for a block); results are built in the caller's arena, or are one
 * of the lists that came in where that is the answer.
 *
 * A query's matchers become one list: first those that name what they want are intersected, the smallest first; then what the others exclude is taken away.
 *
 * Memory, in 4-byte numbers, until the arena is rewound: a result has the room that it may come to need, which is that of the shorter list for an intersection, of `from` for a difference, of all lists for a union. While a union is
 * built there is as much again, or a bitmap of at most four times that. A selection keeps its first list and a copy of it; what is built for each further matcher, with 16 bytes for each value that it looks at, goes before the next. */
#ifndef MOONGATE_TSDB_POSTINGS_H
#define MOONGATE_TSDB_POSTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"

struct matcher;

/* Rising series numbers, none twice. Borrowed. */
struct postings {
	const uint32_t *numbers;
	uint32_t count;
};

/* What an index answers; the head and each block implement it. `ctx` is theirs. All lists and slices live as long as the index is held. */
struct postings_source {
	/* The series that have this label with this value, which is not empty; none: count 0. */
	struct postings (*equal)(void *ctx, struct slice name, struct slice value);
	/* The values of a label in rising byte order, none empty, and how many; `*values` may be built in the arena. 0 or -ENOMEM. */
	int (*values)(void *ctx, struct slice name, struct arena *arena, const struct slice **values, uint32_t *count);
	/* All series. */
	struct postings (*all)(void *ctx);
	void *ctx;
	/* Asked now and then while values are matched: is the selection to end with -ECANCELED? NULL: it is not. */
	bool (*stopped)(const void *of);
	const void *stopped_of;
};

/* Build in the arena; 0 or -ENOMEM. `out` may be an input. Linear in the shorter input times the logarithm of the longer where they differ much (galloping), else in both. */
int postings_intersect(struct arena *arena, struct postings a, struct postings b, struct postings *out);
int postings_subtract(struct arena *arena, struct postings from, struct postings without, struct postings *out);
/* Of two lists a merge; of more a bitmap over the range of their numbers, or where those are few in a wide range, merges of two, of four, … */
int postings_union(struct arena *arena, const struct postings *lists, uint32_t count, struct postings *out);

/* The series that all matchers match. No matcher: all. A value of a label is asked of a regular expression at most once by each. 0, or -ENOMEM, -ECANCELED, then the arena is as it was. */
int postings_select(const struct postings_source *source, struct matcher *const *matchers, uint32_t count,
                    struct arena *arena, struct postings *out);

#endif

/* Postings: rising lists of series numbers, and what queries do with them. The lists lie where their owner keeps them (in memory for the head, mapped for a block); results are built in the caller's arena.
 *
 * A query's matchers become one list: first those that name what they want are intersected, smallest first; then what the others exclude is taken away. */
#ifndef MOONGATE_TSDB_POSTINGS_H
#define MOONGATE_TSDB_POSTINGS_H

#include <stdint.h>

#include "base/arena.h"
#include "record/matcher.h"

/* Rising series numbers, none twice. Borrowed. */
struct postings {
	const uint32_t *numbers;
	uint32_t count;
};

/* What an index answers; the head and each block implement it. `ctx` is theirs. All lists and slices live as long as the index is held. */
struct postings_source {
	/* The series that have this label with this value; none: count 0. */
	struct postings (*equal)(void *ctx, struct slice name, struct slice value);
	/* The values of a label in rising byte order, and how many; `*values` may be built in the arena. 0 or -ENOMEM. */
	int (*values)(void *ctx, struct slice name, struct arena *arena, const struct slice **values, uint32_t *count);
	/* All series. */
	struct postings (*all)(void *ctx);
	void *ctx;
};

/* Builds in the arena; 0 or -ENOMEM. `out` may alias no input. Linear in the shorter input times the logarithm of the longer where they differ much (galloping), else in both. */
int postings_intersect(struct arena *arena, struct postings a, struct postings b, struct postings *out);
int postings_subtract(struct arena *arena, struct postings from, struct postings without, struct postings *out);
/* Of many lists: a merge by heap for few, by sorting or a bitmap for many; whichever is measured to be best. */
int postings_union(struct arena *arena, const struct postings *lists, uint32_t count, struct postings *out);

/* The series that all matchers match. No matcher: all. A value of a label is asked of a regular expression at most once. 0 or -ENOMEM. */
int postings_select(const struct postings_source *source, struct matcher *const *matchers, uint32_t count, struct arena *arena,
                    struct postings *out);

#endif

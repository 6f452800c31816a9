/* Which series belong together: by the labels that are named, or by all others. Groups of aggregations, and the series of two vectors that match. Private to this folder. */
#ifndef MOONGATE_PROMQL_GROUPING_H
#define MOONGATE_PROMQL_GROUPING_H

#include "base/buf.h"
#include "promql/eval.h"
#include "promql/label_index.h"

struct grouping {
	const struct slice *names; /* sorted, distinct; the arena's */
	uint32_t count;
	bool without; /* by all labels but those, and but the metric's name */
	struct label_index groups;
	struct buf key;
};

/* By no label, so that there is one group. */
void grouping_init(struct grouping *g, struct eval *ev);
void grouping_deinit(struct grouping *g);
/* By labels in any order; `more`: one more that belongs together by them, or empty. 0, or negative with the error set. */
int grouping_set(struct grouping *g, const struct slice *names, uint32_t count, bool without, struct slice more);
/* Is the metric's name one of the labels that series belong together by? */
bool grouping_by_name(const struct grouping *g);

/* The number of the group that a series belongs to: 0, 1, 2, … in the order in which they come. 0, or negative with the error set. */
int grouping_find(struct grouping *g, struct slice labels, uint32_t *group);
/* The labels that the series of a group have in common; good until the next group comes. */
static inline struct slice grouping_labels(const struct grouping *g, uint32_t group)
{
	return label_index_labels(&g->groups, group);
}

#endif

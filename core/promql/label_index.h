/* Label sets by number: 0, 1, 2, … in the order in which they come. What aggregations know their groups by, and binary operators the series that match. Private to this folder. */
#ifndef MOONGATE_PROMQL_LABEL_INDEX_H
#define MOONGATE_PROMQL_LABEL_INDEX_H

#include "base/table.h"
#include "promql/eval.h"

enum { LABEL_INDEX_NONE = TABLE_NONE };

struct label_index {
	struct eval *ev;
	struct table table;
	char *text; /* the sets, one behind the other */
	size_t text_len, text_cap;
	struct label_index_set {
		size_t at;
		uint32_t len;
	} * sets;
	uint32_t count;
	size_t cap;
	uint32_t last; /* the set that came last: series that follow each other often have the same */
};

/* An empty one; what it holds is counted in `ev`. */
void label_index_init(struct label_index *x, struct eval *ev);
void label_index_deinit(struct label_index *x);

/* The number of a set, which it gets now if it had none: 0, or negative with the error set. The bytes are copied. */
int label_index_add(struct label_index *x, struct slice labels, uint32_t *number);
/* The number of a set, or LABEL_INDEX_NONE. */
uint32_t label_index_find(struct label_index *x, struct slice labels);
/* A set by its number; good until the next one is added. */
static inline struct slice label_index_labels(const struct label_index *x, uint32_t number)
{
	return slice_new(x->text + x->sets[number].at, x->sets[number].len);
}

/* Makes room in an array of the evaluation for `wanted` items in all, and for some more. 0, or negative with the error set. */
int eval_grow(struct eval *ev, void **items, size_t *cap, size_t wanted, size_t size);

#endif

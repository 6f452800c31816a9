/* Label sets, each once, in the order in which they came. */
#ifndef MOONGATE_ALERTS_SERIES_SET_H
#define MOONGATE_ALERTS_SERIES_SET_H

#include "base/arena.h"
#include "base/table.h"

/* Zeroed it is empty. */
struct series_set {
	struct arena arena;
	struct slice *items; /* owned; what they point to is the arena's */
	uint32_t count;
	size_t cap;
	struct table table;
};

/* Frees what it holds: it is empty afterwards. */
void series_set_deinit(struct series_set *s);
/* Adds a copy. 1: it is new; 0: it was there; -ENOMEM. */
int series_set_add(struct series_set *s, struct slice labels);
/* Its place, or TABLE_NONE. */
uint32_t series_set_find(const struct series_set *s, struct slice labels);

#endif

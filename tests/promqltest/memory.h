/* Series in memory, as scripts load them, and the promql_source that an expression reads them from. Native histograms are no more than times here: the source leaves them out, and says when one was asked for. */
#ifndef PROMQLTEST_MEMORY_H
#define PROMQLTEST_MEMORY_H

#include "promql/promql.h"
#include "script.h"

struct memory_series;

struct memory {
	struct memory_series **series; /* owned, in the order of their labels */
	size_t count, cap;
	bool native_selected; /* a selection had native histograms in its time; set back by who asks */
};

void memory_init(struct memory *m);
/* Frees everything; m is empty and usable afterwards. */
void memory_deinit(struct memory *m);

/* Adds what a load has. 0; -EINVAL where a series has two values for one time, -ENOMEM. */
int memory_load(struct memory *m, const struct script_load *load, struct error *err);

/* The source over it; m must live as long, and may not be added to while a set is open. */
struct promql_source memory_source(struct memory *m);

#endif

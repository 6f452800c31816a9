/* Targets that rest, by the time at which they are due. Private to scrape/. */
#ifndef MOONGATE_SCRAPE_DUE_H
#define MOONGATE_SCRAPE_DUE_H

#include "scrape/target.h"

/* A binary heap over due_ns, which may not change while a target is in it. Zeroed it is empty. */
struct due {
	struct target **items;
	uint32_t count;
	size_t cap;
};

void due_deinit(struct due *h);
/* Makes room for `count` in all, so that adding up to that many cannot fail. 0 or -ENOMEM. */
int due_reserve(struct due *h, uint32_t count);
/* There is room. */
void due_add(struct due *h, struct target *t);
/* It is in the heap. */
void due_remove(struct due *h, struct target *t);

/* The one that is due first, or NULL. */
static inline struct target *due_first(const struct due *h)
{
	return h->count > 0 ? h->items[0] : NULL;
}

#endif

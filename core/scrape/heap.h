/* Targets that rest, by the time at which they are due. Private to scrape/. */
#ifndef MOONGATE_SCRAPE_HEAP_H
#define MOONGATE_SCRAPE_HEAP_H

#include "scrape/target.h"

/* A binary heap over due_ns, which may not change while a target is in it. Zeroed it is empty. */
struct heap {
	struct target **items;
	uint32_t count;
	size_t cap;
};

void heap_deinit(struct heap *h);
/* Makes room for `count` in all, so that adding up to that many cannot fail. 0 or -ENOMEM. */
int heap_reserve(struct heap *h, uint32_t count);
/* There is room. */
void heap_add(struct heap *h, struct target *t);
/* It is in the heap. */
void heap_remove(struct heap *h, struct target *t);

/* The one that is due first, or NULL. */
static inline struct target *heap_first(const struct heap *h)
{
	return h->count > 0 ? h->items[0] : NULL;
}

#endif

/* See due.h. */
#include "scrape/due.h"

#include <errno.h>

#include "base/check.h"
#include "base/mem.h"

void due_deinit(struct due *h)
{
	mem_free(h->items);
	*h = (struct due){0};
}

int due_reserve(struct due *h, uint32_t count)
{
	if (count <= h->cap)
		return 0;
	struct target **grown = mem_realloc(h->items, count * sizeof(struct target *));
	if (grown == NULL)
		return -ENOMEM;
	h->items = grown;
	h->cap = count;
	return 0;
}

static void put(struct due *h, size_t at, struct target *t)
{
	h->items[at] = t;
	t->place = at;
}

/* Puts t where it belongs, at `at` or above it. */
static void rise(struct due *h, size_t at, struct target *t)
{
	while (at > 0 && h->items[(at - 1) / 2]->due_ns > t->due_ns) {
		put(h, at, h->items[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	put(h, at, t);
}

/* The same, at `at` or below it. */
static void sink(struct due *h, size_t at, struct target *t)
{
	for (;;) {
		size_t child = 2 * at + 1;
		if (child + 1 < h->count && h->items[child + 1]->due_ns < h->items[child]->due_ns)
			child++;
		if (child >= h->count || h->items[child]->due_ns >= t->due_ns)
			break;
		put(h, at, h->items[child]);
		at = child;
	}
	put(h, at, t);
}

void due_add(struct due *h, struct target *t)
{
	CHECK(h->count < h->cap);
	h->count++;
	rise(h, h->count - 1, t);
}

void due_remove(struct due *h, struct target *t)
{
	size_t at = t->place;

	CHECK(at < h->count && h->items[at] == t);
	struct target *last = h->items[--h->count];
	if (last == t)
		return;
	if (at > 0 && h->items[(at - 1) / 2]->due_ns > last->due_ns)
		rise(h, at, last);
	else
		sink(h, at, last);
}

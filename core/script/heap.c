/* See heap.h. The memory comes from malloc: LuaJIT's own allocator cannot be capped, and a free list of our own in front of
 * malloc gained nothing that could be measured. */
#include "script/heap.h"

static void *refuse(struct heap *h)
{
	if (h->capped) {
		h->refused = true;
		h->on_refused(h);
	}
	return NULL;
}

void heap_starve(struct heap *h)
{
	h->starved = h->capped;
	refuse(h);
}

void *heap_alloc(void *ud, void *ptr, size_t old_size, size_t new_size)
{
	struct heap *h = ud;

	if (new_size == 0) {
		h->used -= old_size;
		return reserve_realloc(&h->reserve, ptr, old_size, 0);
	}
	if (h->capped && new_size > old_size && h->used - old_size + new_size > h->cap)
		return refuse(h);
	void *got = reserve_realloc(&h->reserve, ptr, old_size, new_size);
	if (got == NULL) {
		heap_starve(h);
		return NULL;
	}
	h->used += new_size - old_size;
	if (h->used > h->mark)
		h->on_pressure(h);
	return got;
}

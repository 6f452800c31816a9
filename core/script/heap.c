/* See heap.h. The memory comes from malloc: LuaJIT's own allocator cannot be capped, and a free list of our own in front of
 * malloc gained nothing that could be measured. */
#include "script/heap.h"

enum { COPIED_BYTES = 64 << 10 }; /* blocks from this size on count twice while they grow */

static void *refuse(struct heap *h)
{
	if (h->capped) {
		h->refused = true;
		h->on_refused(h);
	}
	return NULL;
}

/* What malloc takes for a block: a word before it, in steps of 16 bytes, 32 at least. Small objects would otherwise take a third more than the cap. */
static size_t bill(size_t size)
{
	size_t rounded = (size + 8 + 15) & ~(size_t)15;

	return size == 0 ? 0 : rounded < 32 ? 32 : rounded;
}

/* May the heap grow so? A large block that grows may be copied: for a moment there are both. */
static bool fits(const struct heap *h, size_t old_bill, size_t new_bill)
{
	size_t gone = new_bill < COPIED_BYTES ? old_bill : 0;

	return h->used - gone + new_bill <= h->cap;
}

void heap_starve(struct heap *h)
{
	h->starved = h->capped;
	refuse(h);
}

void *heap_alloc(void *ud, void *ptr, size_t old_size, size_t new_size)
{
	struct heap *h = ud;
	size_t old_bill = bill(old_size);
	size_t new_bill = bill(new_size);

	if (new_size == 0) {
		h->used -= old_bill;
		return reserve_realloc(&h->reserve, ptr, old_size, 0);
	}
	if (h->capped && new_bill > old_bill && !fits(h, old_bill, new_bill))
		return refuse(h);
	void *got = reserve_realloc(&h->reserve, ptr, old_size, new_size);
	if (got == NULL) {
		heap_starve(h);
		return NULL;
	}
	h->used += new_bill - old_bill;
	if (h->used > h->mark)
		h->on_pressure(h);
	return got;
}

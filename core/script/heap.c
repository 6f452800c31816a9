/* See heap.h. The memory comes from malloc: LuaJIT's own allocator cannot be capped. Small blocks that are freed wait in lists for the next of their size: a script whose
 * strings are new with each record (users that do not come again) makes one and drops one all the time, for which malloc took 85 ns and this takes 32. */
#include "script/heap.h"

#include "base/mem.h"

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

/* ---- small blocks ---- */

/* The list of blocks that malloc bills so; SPARE_SIZES or more: they are not small. */
static size_t list_of(size_t bill)
{
	return bill / 16 - 2;
}

/* The bytes to ask for: a small block has all that malloc bills for it, so that it fits whatever comes next from its list. */
static size_t whole(size_t size, size_t bill)
{
	return list_of(bill) < SPARE_SIZES ? bill - 8 : size;
}

/* A spare block of the size, or NULL. */
static void *take_spare(struct heap *h, size_t bill)
{
	size_t list = list_of(bill);
	struct spare *spare = list < SPARE_SIZES ? h->spares[list] : NULL;

	if (spare != NULL) {
		h->spares[list] = spare->next;
		h->spare_bytes -= bill;
	}
	return spare;
}

/* Keeps a freed block. False: it is not small, or enough are kept, or it is the reserve's. */
static bool keep_spare(struct heap *h, void *ptr, size_t bill)
{
	size_t list = list_of(bill);
	struct spare *spare = ptr;

	if (ptr == NULL || list >= SPARE_SIZES || h->spare_bytes + bill > SPARE_BYTES || reserve_has(&h->reserve, ptr))
		return false;
	spare->next = h->spares[list];
	h->spares[list] = spare;
	h->spare_bytes += bill;
	return true;
}

void heap_deinit(struct heap *h)
{
	for (size_t i = 0; i < SPARE_SIZES; i++) {
		for (struct spare *spare = h->spares[i], *next; spare != NULL; spare = next) {
			next = spare->next;
			mem_free(spare);
		}
		h->spares[i] = NULL;
	}
	h->spare_bytes = 0;
	reserve_deinit(&h->reserve);
}

/* ---- the allocator ---- */

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
		if (keep_spare(h, ptr, old_bill))
			return NULL;
		return reserve_realloc(&h->reserve, ptr, old_size, 0);
	}
	if (h->capped && new_bill > old_bill && !fits(h, old_bill, new_bill))
		return refuse(h);
	void *got = ptr == NULL ? take_spare(h, new_bill) : NULL;
	if (got == NULL)
		got = reserve_realloc(&h->reserve, ptr, whole(old_size, old_bill), whole(new_size, new_bill));
	if (got == NULL) {
		heap_starve(h);
		return NULL;
	}
	h->used += new_bill - old_bill;
	if (h->used > h->mark)
		h->on_pressure(h);
	return got;
}

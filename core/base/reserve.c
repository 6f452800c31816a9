/* A block from which pieces are cut off in order. What is given back before the end is not used again: the block is
 * for a start, of which most stays. */
#include "base/reserve.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"

enum { ALIGN = 16 };

int reserve_open(struct reserve *r, size_t size)
{
	*r = (struct reserve){.bytes = mem_alloc(size)};
	if (r->bytes == NULL)
		return -ENOMEM;
	r->size = size;
	r->open = true;
	return 0;
}

void reserve_close(struct reserve *r)
{
	r->open = false;
}

void reserve_deinit(struct reserve *r)
{
	mem_free(r->bytes);
	*r = (struct reserve){0};
}

bool reserve_has(const struct reserve *r, const void *ptr)
{
	return (uintptr_t)ptr - (uintptr_t)r->bytes < r->size;
}

/* A piece of the reserve, or of mem. */
static void *take(struct reserve *r, size_t size)
{
	if (!r->open || size > r->size - r->used)
		return mem_alloc(size);
	char *at = r->bytes + r->used;
	size_t rounded = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	r->used = rounded < r->size - r->used ? r->used + rounded : r->size;
	return at;
}

void *reserve_realloc(struct reserve *r, void *ptr, size_t old_size, size_t new_size)
{
	bool from = ptr != NULL && reserve_has(r, ptr);

	if (new_size == 0) {
		if (!from)
			mem_free(ptr);
		return NULL;
	}
	if (ptr == NULL)
		return take(r, new_size);
	if (from && new_size <= old_size)
		return ptr;
	void *moved = from ? take(r, new_size) : mem_realloc(ptr, new_size);
	if (moved == NULL)
		return new_size <= old_size ? ptr : NULL; /* it fits where it is */
	if (from)
		memcpy(moved, ptr, old_size);
	return moved;
}

/* Arrays that grow in an arena. */
#ifndef PROMQLTEST_LIST_H
#define PROMQLTEST_LIST_H

#include <stdint.h>
#include <string.h>

#include "base/arena.h"

/* `items`, `count` of them of `size` bytes, with room for one more: it is doubled where `count` is a power of two. NULL: memory is out, and the old ones are as they were. */
static inline void *list_room(struct arena *arena, void *items, uint32_t count, size_t size)
{
	if (count != 0 && (count & (count - 1)) != 0)
		return items;
	void *copy = arena_alloc(arena, (count > 0 ? (size_t)count * 2 : 1) * size);
	if (copy != NULL && count > 0)
		memcpy(copy, items, count * size);
	return copy;
}

#endif

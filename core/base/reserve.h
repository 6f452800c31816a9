/* Memory taken beforehand, for code that must not be refused any while it starts: it asks for all of it at first, where
 * a refusal is an error like any other. One thread. */
#ifndef MOONGATE_BASE_RESERVE_H
#define MOONGATE_BASE_RESERVE_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed: nothing is reserved, everything comes from mem. */
struct reserve {
	char *bytes; /* owned */
	size_t size, used;
	bool open;
};

/* Takes `size` bytes, from which allocations come until reserve_close. 0 or -ENOMEM. */
int reserve_open(struct reserve *r, size_t size);

/* From here on allocations come from mem. What came from the reserve stays there until it is given back. */
void reserve_close(struct reserve *r);

/* Gives the memory back: nothing that came from it is in use any more. Harmless on a zeroed one. */
void reserve_deinit(struct reserve *r);

/* Is it a piece of the reserve? */
bool reserve_has(const struct reserve *r, const void *ptr);

/* What lua_Alloc is: `new_size` 0 frees, `ptr` NULL allocates, else the block of `old_size` bytes is resized, which
 * fails only where it grows. From the reserve while it is open and has room, else from mem. */
void *reserve_realloc(struct reserve *r, void *ptr, size_t old_size, size_t new_size);

#endif

/* An open-addressing hash table from a 64-bit hash to a 32-bit item number. The items (and their keys) live in the
 * caller's own array; the caller says whether an item is the one it seeks. One writer and no concurrent readers. */
#ifndef MOONGATE_BASE_TABLE_H
#define MOONGATE_BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TABLE_NONE = 0xffffffffu };

struct table_slot {
	uint32_t tag;  /* lower half of the hash: its low bits are the place to begin at, the others tell items apart */
	uint32_t item; /* TABLE_NONE: empty */
};

struct table {
	struct table_slot *slots; /* owned; a power of two of them, or NULL */
	uint32_t mask;            /* number of slots − 1 */
	uint32_t used;            /* items in the table */
};

/* Is `item` the one that `key` means? */
typedef bool (*table_same)(const void *ctx, const void *key, uint32_t item);

/* An empty table; allocates nothing. */
void table_init(struct table *t);

/* Frees the slots. */
void table_deinit(struct table *t);

/* Forgets all items, keeps the memory. */
void table_clear(struct table *t);

/* Adds an item that the table does not have. 0, or -ENOMEM with the table as it was. */
int table_add(struct table *t, uint64_t hash, uint32_t item);

/* Removes the item number `item` that was added with `hash`; returns whether it was there. */
bool table_remove(struct table *t, uint64_t hash, uint32_t item);

/* Makes room for `items` in all, so that adding up to that many cannot fail. 0, or -ENOMEM with the table as it was. */
int table_reserve(struct table *t, uint32_t items);

/* Asks the processor for the slot where `hash` begins; for batches of look-ups. */
static inline void table_prefetch(const struct table *t, uint64_t hash)
{
	if (t->slots != NULL)
		__builtin_prefetch(&t->slots[(uint32_t)hash & t->mask]);
}

/* The first item whose hash seems to be this one, or TABLE_NONE: a guess that reads no item. */
static inline uint32_t table_peek(const struct table *t, uint64_t hash)
{
	uint32_t tag = (uint32_t)hash;

	if (t->used == 0)
		return TABLE_NONE;
	for (uint32_t i = tag & t->mask;; i = (i + 1) & t->mask) {
		if (t->slots[i].tag == tag || t->slots[i].item == TABLE_NONE)
			return t->slots[i].item;
	}
}

/* The item with this hash for which `same(ctx, key, item)` holds, or TABLE_NONE. */
static inline uint32_t table_find(const struct table *t, uint64_t hash, table_same same, const void *ctx,
                                  const void *key)
{
	if (t->used == 0)
		return TABLE_NONE;
	uint32_t tag = (uint32_t)hash;
	for (uint32_t i = tag & t->mask;; i = (i + 1) & t->mask) {
		const struct table_slot *s = &t->slots[i];
		if (s->item == TABLE_NONE)
			return TABLE_NONE;
		if (s->tag == tag && same(ctx, key, s->item))
			return s->item;
	}
}

#endif

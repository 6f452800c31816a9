/* Hash table of item numbers: linear probing over slots of eight bytes, at most three quarters full.
 *
 * A slot keeps the lower 32 bits of the hash. They give the place to begin at, so that growing needs no item's key, and
 * the bits above the mask tell items apart before `same` is asked: with a million items one foreign item in 4,000 is
 * compared in full. Keeping all 64 bits would spare those few calls and cost twice the cache.
 *
 * Removal shifts the items behind the hole back instead of leaving a tombstone, so a table that lives for months with
 * items coming and going does not silt up. */
#include "base/table.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

enum { SLOTS_MIN = 8 };
#define SLOTS_MAX (UINT32_C(1) << 31)

static void clear_slots(struct table_slot *slots, uint32_t count)
{
	memset(slots, 0xff, (size_t)count * sizeof *slots);
}

void table_init(struct table *t)
{
	*t = (struct table){0};
}

void table_deinit(struct table *t)
{
	mem_free(t->slots);
	table_init(t);
}

void table_clear(struct table *t)
{
	if (t->used != 0)
		clear_slots(t->slots, t->mask + 1);
	t->used = 0;
}

/* Puts an item into the first free slot from its place on; there is one. */
static void put(struct table *t, uint32_t tag, uint32_t item)
{
	uint32_t i = tag & t->mask;

	while (t->slots[i].item != TABLE_NONE)
		i = (i + 1) & t->mask;
	t->slots[i] = (struct table_slot){tag, item};
}

static int resize(struct table *t, uint32_t count)
{
	struct table grown = {.mask = count - 1, .used = t->used};

	grown.slots = mem_alloc((size_t)count * sizeof *grown.slots);
	if (grown.slots == NULL)
		return -ENOMEM;
	clear_slots(grown.slots, count);
	for (uint32_t i = 0, left = t->used; left != 0; i++) {
		if (t->slots[i].item == TABLE_NONE)
			continue;
		put(&grown, t->slots[i].tag, t->slots[i].item);
		left--;
	}
	mem_free(t->slots);
	*t = grown;
	return 0;
}

int table_reserve(struct table *t, uint32_t items)
{
	uint32_t have = t->slots == NULL ? 0 : t->mask + 1;
	uint32_t count = have < SLOTS_MIN ? SLOTS_MIN : have;

	while (items > count / 4 * 3) {
		if (count == SLOTS_MAX)
			return -ENOMEM;
		count *= 2;
	}
	return count == have ? 0 : resize(t, count);
}

int table_add(struct table *t, uint64_t hash, uint32_t item)
{
	int rc = table_reserve(t, t->used + 1);
	if (rc != 0)
		return rc;
	put(t, (uint32_t)hash, item);
	t->used++;
	return 0;
}

/* Empties slot `hole` and closes the gap: an item behind it moves back unless its own place lies after the hole. */
static void close_gap(struct table *t, uint32_t hole)
{
	for (uint32_t i = (hole + 1) & t->mask; t->slots[i].item != TABLE_NONE; i = (i + 1) & t->mask) {
		uint32_t from_home = (i - t->slots[i].tag) & t->mask;
		uint32_t from_hole = (i - hole) & t->mask;
		if (from_home < from_hole)
			continue;
		t->slots[hole] = t->slots[i];
		hole = i;
	}
	t->slots[hole].item = TABLE_NONE;
}

bool table_remove(struct table *t, uint64_t hash, uint32_t item)
{
	if (t->used == 0)
		return false;
	uint32_t i = (uint32_t)hash & t->mask;
	while (t->slots[i].item != item) {
		if (t->slots[i].item == TABLE_NONE)
			return false;
		i = (i + 1) & t->mask;
	}
	if (item == TABLE_NONE)
		return false;
	close_gap(t, i);
	t->used--;
	return true;
}

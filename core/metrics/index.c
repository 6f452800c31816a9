/* The index of a family's series; index.h says why in parts. */
#include "metrics/index.h"

#include "base/mem.h"

void index_init(struct series_index *ix)
{
	table_init(&ix->one);
	ix->parts = &ix->one;
	ix->shift = 32;
}

static void free_parts(struct table *parts)
{
	for (int i = 0; i < INDEX_PARTS; i++)
		table_deinit(&parts[i]);
	mem_free(parts);
}

void index_deinit(struct series_index *ix)
{
	if (ix->parts != &ix->one)
		free_parts(ix->parts);
	table_deinit(&ix->one);
}

/* Deals the entries out to parts. Without memory all stays in one table, and the next addition tries again. */
static void split(struct series_index *ix)
{
	struct table *parts = mem_zalloc(INDEX_PARTS, sizeof *parts);
	int rc = 0;

	if (parts == NULL)
		return;
	for (int i = 0; i < INDEX_PARTS; i++)
		table_init(&parts[i]);
	for (uint32_t i = 0; rc == 0 && i <= ix->one.mask; i++) {
		const struct table_slot *slot = &ix->one.slots[i];
		if (slot->item != TABLE_NONE)
			rc = table_add(&parts[slot->tag >> (32 - INDEX_PART_BITS)], slot->tag, slot->item);
	}
	if (rc != 0) {
		free_parts(parts);
		return;
	}
	table_deinit(&ix->one);
	ix->parts = parts;
	ix->shift = 32 - INDEX_PART_BITS;
}

int index_add(struct series_index *ix, uint64_t hash, uint32_t number)
{
	if (ix->one.used >= INDEX_SPLIT)
		split(ix);
	return table_add(index_part(ix, hash), hash, number);
}

bool index_remove(struct series_index *ix, uint64_t hash, uint32_t number)
{
	return table_remove(index_part(ix, hash), hash, number);
}

uint64_t index_bytes(const struct series_index *ix)
{
	uint32_t count = ix->parts == &ix->one ? 1 : INDEX_PARTS;
	uint64_t slots = 0;

	for (uint32_t i = 0; i < count; i++)
		slots += ix->parts[i].slots == NULL ? 0 : (uint64_t)ix->parts[i].mask + 1;
	return slots * sizeof(struct table_slot) + (count > 1 ? count * sizeof(struct table) : 0);
}

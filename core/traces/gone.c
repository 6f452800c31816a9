/* What became of the traces that have left lately. */
#include <errno.h>

#include "base/mem.h"
#include "traces/internal.h"

static bool same_id(const void *ctx, const void *key, uint32_t item)
{
	const struct gone *g = ctx;

	return memcmp(g->items[item].id, key, sizeof g->items[item].id) == 0;
}

static uint32_t find(const struct gone *g, const uint8_t id[16])
{
	return table_find(&g->table, id_hash(id), same_id, g, id);
}

enum gone_how gone_find(const struct gone *g, const uint8_t id[16])
{
	uint32_t at = g->count > 0 ? find(g, id) : TABLE_NONE;

	return at != TABLE_NONE ? g->items[at].how : GONE_NOT;
}

int gone_add(struct gone *g, const uint8_t id[16], enum gone_how how)
{
	uint32_t at = find(g, id);
	void *items = g->items;

	if (at != TABLE_NONE) {
		g->items[at].how = (uint8_t)how;
		return 0;
	}
	if (g->count < g->max) {
		if (mem_grow(&items, &g->cap, g->count, sizeof *g->items) != 0)
			return -ENOMEM;
		g->items = items;
		if (table_reserve(&g->table, g->count + 1) != 0)
			return -ENOMEM;
		at = g->count++;
	} else {
		at = g->next;
		g->next = (g->next + 1) % g->max;
		table_remove(&g->table, id_hash(g->items[at].id), at);
	}
	memcpy(g->items[at].id, id, sizeof g->items[at].id);
	g->items[at].how = (uint8_t)how;
	(void)table_add(&g->table, id_hash(id), at); /* there is room */
	return 0;
}

void gone_deinit(struct gone *g)
{
	mem_free(g->items);
	table_deinit(&g->table);
}

size_t gone_bytes(const struct gone *g)
{
	size_t slots = g->table.slots != NULL ? (size_t)g->table.mask + 1 : 0;

	return g->cap * sizeof *g->items + slots * sizeof *g->table.slots;
}

#include "alerts/series_set.h"

#include <errno.h>

#include "base/mem.h"
#include "record/labels.h"

void series_set_deinit(struct series_set *s)
{
	arena_deinit(&s->arena);
	mem_free(s->items);
	table_deinit(&s->table);
	*s = (struct series_set){0};
}

static bool same(const void *ctx, const void *key, uint32_t item)
{
	const struct series_set *s = ctx;

	return slice_eq(s->items[item], *(const struct slice *)key);
}

uint32_t series_set_find(const struct series_set *s, struct slice labels)
{
	return table_find(&s->table, labels_hash(labels), same, s, &labels);
}

int series_set_add(struct series_set *s, struct slice labels)
{
	uint64_t hash = labels_hash(labels);

	if (table_find(&s->table, hash, same, s, &labels) != TABLE_NONE)
		return 0;
	if (mem_grow((void **)&s->items, &s->cap, s->count, sizeof *s->items) != 0)
		return -ENOMEM;
	struct slice copy = arena_copy(&s->arena, labels);
	if (copy.ptr == NULL || table_add(&s->table, hash, s->count) != 0)
		return -ENOMEM;
	s->items[s->count++] = copy;
	return 1;
}

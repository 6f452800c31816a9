/* See seen.h. */
#include "scrape/seen.h"

#include "base/mem.h"
#include "record/labels.h"

void seen_deinit(struct seen *set)
{
	for (uint32_t i = 0; i < set->count; i++)
		mem_free(set->items[i].labels);
	mem_free(set->items);
	table_deinit(&set->table);
	*set = (struct seen){0};
}

void seen_begin(struct seen *set)
{
	set->round++;
	set->expected = 0;
	set->added = 0;
}

static bool is_same(const void *ctx, const void *key, uint32_t item)
{
	const struct seen *set = ctx;
	return slice_eq(seen_labels(&set->items[item]), *(const struct slice *)key);
}

static struct seen_series *add(struct seen *set, struct slice labels, uint64_t hash)
{
	if (set->count == set->cap && mem_grow((void **)&set->items, &set->cap, set->count, sizeof *set->items) != 0)
		return NULL;
	char *copy = mem_alloc(labels.len + 1);
	if (copy == NULL || table_add(&set->table, hash, set->count) != 0) {
		mem_free(copy);
		return NULL;
	}
	memcpy(copy, labels.ptr, labels.len);
	struct seen_series *s = &set->items[set->count++];
	*s = (struct seen_series){.labels = copy, .labels_len = (uint32_t)labels.len, .hash = hash};
	set->added++;
	return s;
}

/* Targets answer in the same order again and again: then one comparison of bytes finds the series, and nothing is hashed. */
static struct seen_series *find(struct seen *set, struct slice labels)
{
	uint32_t at = set->expected;

	if (at < set->count && slice_eq(seen_labels(&set->items[at]), labels)) {
		set->expected++;
		return &set->items[at];
	}
	uint64_t hash = labels_hash(labels);
	at = table_find(&set->table, hash, is_same, set, &labels);
	if (at == TABLE_NONE)
		return add(set, labels, hash);
	set->expected = at + 1;
	return &set->items[at];
}

struct seen_series *seen_mark(struct seen *set, struct slice labels, bool tracked)
{
	struct seen_series *s = find(set, labels);

	if (s == NULL)
		return NULL;
	s->tracked = tracked || (s->round == set->round && s->tracked);
	s->round = set->round;
	return s;
}

/* Forgets those that the caller has put no labels into; the others move up. */
static void close_gaps(struct seen *set)
{
	uint32_t kept = 0;

	table_clear(&set->table);
	for (uint32_t i = 0; i < set->count; i++) {
		if (set->items[i].labels == NULL)
			continue;
		set->items[kept] = set->items[i];
		table_add(&set->table, set->items[kept].hash, kept); /* there is room: it had more */
		kept++;
	}
	set->count = kept;
}

void seen_settle(struct seen *set, bool taken)
{
	bool gaps = false;

	for (uint32_t i = 0; i < set->count; i++) {
		struct seen_series *s = &set->items[i];
		bool seen = s->round == set->round;
		if (taken) {
			s->live = seen && s->tracked;
			s->known = seen;
		}
		if (s->known)
			continue;
		mem_free(s->labels);
		s->labels = NULL;
		gaps = true;
	}
	if (gaps)
		close_gaps(set);
}

#include "engine/deltas.h"

#include <errno.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/table.h"

enum { SWEEP_MIN = 1024 };

static uint64_t hash_number(uint32_t number)
{
	return hash_mix(number, 0);
}

struct entry {
	uint32_t number;
	uint64_t group;
	struct sample newest;
	/* What this group found on its way, of the one before it; 0: nothing. */
	uint64_t group_before;
	struct sample newest_before;
};

struct deltas {
	const struct tsdb *store;
	struct table table; /* by number, of entries */
	struct entry *entries;
	uint32_t count;
	size_t cap;
	uint32_t sweep_at; /* entries: time to let go of those that are applied */
	uint64_t applied;
};

struct deltas *deltas_new(const struct tsdb *store)
{
	struct deltas *d = mem_zalloc(1, sizeof *d);
	if (d == NULL)
		return NULL;
	d->store = store;
	d->sweep_at = SWEEP_MIN;
	table_init(&d->table);
	return d;
}

void deltas_free(struct deltas *d)
{
	if (d == NULL)
		return;
	table_deinit(&d->table);
	mem_free(d->entries);
	mem_free(d);
}

static bool is_number(const void *ctx, const void *key, uint32_t item)
{
	const struct deltas *d = ctx;
	return d->entries[item].number == *(const uint32_t *)key;
}

static struct entry *find(const struct deltas *d, uint32_t number)
{
	uint32_t item = table_find(&d->table, hash_number(number), is_number, d, &number);
	return item == TABLE_NONE ? NULL : &d->entries[item];
}

bool deltas_newest(const struct deltas *d, uint32_t number, struct sample *out)
{
	const struct entry *e = find(d, number);
	if (e == NULL || e->group <= d->applied)
		return tsdb_newest(d->store, number, out);
	*out = e->newest;
	return true;
}

/* Lets go of what is in the store. The table has room for what stays. */
static void sweep(struct deltas *d)
{
	uint32_t kept = 0;
	table_clear(&d->table);
	for (uint32_t i = 0; i < d->count; i++) {
		if (d->entries[i].group <= d->applied)
			continue;
		d->entries[kept] = d->entries[i];
		(void)table_add(&d->table, hash_number(d->entries[kept].number),
		                kept); /* it had room for all of them */
		kept++;
	}
	d->count = kept;
	d->sweep_at = kept < SWEEP_MIN / 2 ? SWEEP_MIN : 2 * kept;
}

int deltas_put(struct deltas *d, uint32_t number, const struct sample *newest, uint64_t group)
{
	struct entry *e = find(d, number);
	if (e != NULL) {
		if (e->group != group) {
			e->group_before = e->group;
			e->newest_before = e->newest;
		}
		e->newest = *newest;
		e->group = group;
		return 0;
	}
	if (d->count >= d->sweep_at)
		sweep(d);
	if (d->count == d->cap) {
		int code = mem_grow((void **)&d->entries, &d->cap, d->count, sizeof *d->entries);
		if (code != 0)
			return code;
	}
	int code = table_add(&d->table, hash_number(number), d->count);
	if (code == 0)
		d->entries[d->count++] = (struct entry){.number = number, .group = group, .newest = *newest};
	return code;
}

void deltas_applied(struct deltas *d, uint64_t group)
{
	d->applied = group;
}

void deltas_given_up(struct deltas *d, uint64_t group)
{
	for (uint32_t i = 0; i < d->count; i++) {
		struct entry *e = &d->entries[i];
		if (e->group != group)
			continue;
		e->group = e->group_before; /* it is applied by now, or still on its way */
		e->newest = e->newest_before;
	}
}

void deltas_failed(struct deltas *d)
{
	table_clear(&d->table);
	d->count = 0;
}

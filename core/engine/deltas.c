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

/* Of a series: the sum so far. */
struct entry {
	uint32_t number;
	uint64_t group;
	struct sample newest;
	/* What this group found on its way, of the one before it; 0: nothing. */
	uint64_t group_before;
	struct sample newest_before;
};

/* Of a series: one that is in flight. Groups rise. */
struct point {
	uint32_t number;
	int64_t time_ms;
	uint64_t group;
};

struct deltas {
	const struct tsdb *store;
	struct table table; /* by number, of entries */
	struct entry *entries;
	uint32_t count;
	size_t cap;
	uint32_t sweep_at;        /* entries: time to let go of those that are applied */
	struct table point_table; /* by number and time, of points */
	struct point *points;
	uint32_t point_count;
	size_t point_cap;
	uint32_t point_sweep_at;
	uint64_t applied;
};

struct deltas *deltas_new(const struct tsdb *store)
{
	struct deltas *d = mem_zalloc(1, sizeof *d);
	if (d == NULL)
		return NULL;
	d->store = store;
	d->sweep_at = d->point_sweep_at = SWEEP_MIN;
	table_init(&d->table);
	table_init(&d->point_table);
	return d;
}

void deltas_free(struct deltas *d)
{
	if (d == NULL)
		return;
	table_deinit(&d->table);
	table_deinit(&d->point_table);
	mem_free(d->entries);
	mem_free(d->points);
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

/* ---- points ---- */

static uint64_t hash_point(uint32_t number, int64_t time_ms)
{
	return hash_mix((uint64_t)time_ms, number);
}

static bool is_point(const void *ctx, const void *key, uint32_t item)
{
	const struct point *at = &((const struct deltas *)ctx)->points[item], *wanted = key;
	return at->number == wanted->number && at->time_ms == wanted->time_ms;
}

bool deltas_has(const struct deltas *d, uint32_t number, int64_t time_ms)
{
	const struct point key = {.number = number, .time_ms = time_ms};
	uint32_t item = table_find(&d->point_table, hash_point(number, time_ms), is_point, d, &key);
	return item != TABLE_NONE && d->points[item].group > d->applied;
}

/* Keeps those that lie in groups above `from` and up to `to`. The table has room for them. */
static void keep_points(struct deltas *d, uint64_t from, uint64_t to)
{
	uint32_t kept = 0;
	table_clear(&d->point_table);
	for (uint32_t i = 0; i < d->point_count; i++) {
		struct point p = d->points[i];
		if (p.group <= from || p.group > to)
			continue;
		d->points[kept] = p;
		(void)table_add(&d->point_table, hash_point(p.number, p.time_ms), kept); /* it had room for all */
		kept++;
	}
	d->point_count = kept;
}

static int put_point(struct deltas *d, uint32_t number, int64_t time_ms, uint64_t group)
{
	if (d->point_count >= d->point_sweep_at) {
		keep_points(d, d->applied, UINT64_MAX);
		d->point_sweep_at = d->point_count < SWEEP_MIN / 2 ? SWEEP_MIN : 2 * d->point_count;
	}
	if (d->point_count == d->point_cap) {
		int code = mem_grow((void **)&d->points, &d->point_cap, d->point_count, sizeof *d->points);
		if (code != 0)
			return code;
	}
	int code = table_add(&d->point_table, hash_point(number, time_ms), d->point_count);
	if (code == 0)
		d->points[d->point_count++] = (struct point){number, time_ms, group};
	return code;
}

/* ---- sums ---- */

static int put_newest(struct deltas *d, uint32_t number, const struct sample *newest, uint64_t group)
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

int deltas_put(struct deltas *d, uint32_t number, const struct sample *newest, uint64_t group)
{
	int code = put_newest(d, number, newest, group);
	return code == 0 ? put_point(d, number, newest->time_ms, group) : code;
}

void deltas_applied(struct deltas *d, uint64_t group)
{
	d->applied = group;
}

void deltas_given_up(struct deltas *d, uint64_t group)
{
	keep_points(d, 0, group - 1);
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
	table_clear(&d->point_table);
	d->count = d->point_count = 0;
}

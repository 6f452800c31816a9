/* Which targets the scraper has: when there may be others, all that there should be are made anew, and each that is there already goes on as it is. */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "scrape/internal.h"
#include "scrape/schedule.h"

struct update {
	struct scrape *s;
	struct target **next;
	uint32_t count;
	size_t cap;
	struct table table; /* of next */
	uint32_t surplus;
};

/* ctx: an array of targets; key: one. */
static bool is_same(const void *ctx, const void *key, uint32_t item)
{
	struct target *const *targets = ctx;
	const struct target *t = key;
	return slice_eq(buf_slice(&targets[item]->identity), buf_slice(&t->identity));
}

/* A target that there should be. One that is there already is kept in its place. */
static int found(void *ctx, struct target *t)
{
	struct update *u = ctx;

	if (table_find(&u->table, t->hash, is_same, (const void *)u->next, t) != TABLE_NONE) {
		target_free(t);
		return 0;
	}
	if (u->count == CONFIG_TARGETS_MAX) {
		u->surplus++;
		target_free(t);
		return 0;
	}
	if ((u->count == u->cap && mem_grow((void **)&u->next, &u->cap, u->count, sizeof(struct target *)) != 0) ||
	    table_add(&u->table, t->hash, u->count) != 0) {
		target_free(t);
		return -ENOMEM;
	}
	uint32_t old = table_find(&u->s->table, t->hash, is_same, (const void *)u->s->targets, t);
	if (old != TABLE_NONE) {
		target_free(t);
		t = u->s->targets[old];
	}
	t->owner = u->s;
	t->wanted = true;
	u->next[u->count++] = t;
	return 0;
}

/* By jobs, addresses and labels. */
static int by_order(const void *a, const void *b)
{
	const struct target *x = *(struct target *const *)a, *y = *(struct target *const *)b;

	if (x->job != y->job)
		return x->job < y->job ? -1 : 1;
	int order = strcmp(x->address, y->address);
	return order != 0 ? order : slice_compare(buf_slice(&x->identity), buf_slice(&y->identity));
}

/* Who is in s->targets was there before; drops those that were made for nothing. */
static void drop(struct update *u)
{
	for (uint32_t i = 0; i < u->count; i++) {
		struct target *t = u->next[i];
		if (table_find(&u->s->table, t->hash, is_same, (const void *)u->s->targets, t) == TABLE_NONE)
			target_free(t);
	}
	mem_free(u->next);
	table_deinit(&u->table);
}

static void leave(struct scrape *s, struct target *t)
{
	if (t->state == TARGET_RESTS)
		due_remove(&s->resting, t);
	fetch_cancel(s->fetcher, t);
	t->leaving = true;
	t->due_ns = 0;
	t->next = s->leaving;
	s->leaving = t;
}

void scrape_schedule(struct scrape *s, struct target *t)
{
	int64_t wall = clock_wall_ns(), next = schedule_next(wall, t->interval_ns, t->hash);

	/* A timer that went off a moment early has not used up its time. */
	if (t->due_wall_ns != 0 && next > t->due_wall_ns - t->interval_ns / 2 &&
	    next < t->due_wall_ns + t->interval_ns / 2)
		next += t->interval_ns;
	t->due_wall_ns = next;
	t->due_ns = clock_mono_ns() + (next - wall);
	due_add(&s->resting, t);
}

/* Puts the new targets in place of the old ones; nothing can fail any more. */
static void swap(struct scrape *s, struct update *u)
{
	struct target **old = s->targets;
	uint32_t old_count = s->count;

	if (u->count > 0)
		qsort((void *)u->next, u->count, sizeof(struct target *), by_order);
	table_clear(&u->table);
	for (uint32_t i = 0; i < u->count; i++)
		table_add(&u->table, u->next[i]->hash, i);
	mutex_lock(&s->lock);
	s->targets = u->next;
	s->count = u->count;
	s->stats.surplus = u->surplus;
	mutex_unlock(&s->lock);
	table_deinit(&s->table);
	s->table = u->table;
	for (uint32_t i = 0; i < old_count; i++) {
		if (!old[i]->wanted)
			leave(s, old[i]);
	}
	for (uint32_t i = 0; i < u->count; i++) {
		if (u->next[i]->due_wall_ns == 0)
			scrape_schedule(s, u->next[i]);
	}
	mem_free((void *)old);
}

int scrape_update_targets(struct scrape *s)
{
	struct update u = {.s = s};
	struct error err = {0};

	for (uint32_t i = 0; i < s->count; i++)
		s->targets[i]->wanted = false;
	table_init(&u.table);
	int code = discovery_each(s->discovery, found, &u, &err);
	if (code == 0)
		code = due_reserve(&s->resting, u.count + s->count);
	if (code != 0) {
		drop(&u);
		return code;
	}
	if (u.surplus > 0 && s->stats.surplus == 0)
		LOG(LOG_ERROR, "there are too many targets, the last ones are not scraped",
		    log_int("max", CONFIG_TARGETS_MAX), log_int("surplus", u.surplus));
	swap(s, &u);
	return 0;
}

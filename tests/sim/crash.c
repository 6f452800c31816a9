/* What a power loss leaves (vdisk.h): each change that no sync made certain happened, did not, or did in part. */
#include <stdlib.h>
#include <string.h>

#include "tree.h"

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t draw(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static bool chance(uint64_t *state, unsigned of_16)
{
	return draw(state) % 16 < of_16;
}

/* Which of the first `at` changes are certain. Going back from the end, the sync met last is the one that had to save
 * what lies before it: a failed one saves nothing, and the pages are clean for those that come later. (Names are no pages: they wait for the next one.) */
static bool *find_certain(const struct vdisk *d, uint32_t at)
{
	enum { NONE, SAVED, LOST };
	bool *certain = sim_alloc(at + 1, sizeof *certain);
	char *synced = sim_alloc(d->live.count, 1);
	for (uint32_t i = at; i-- > 0;) {
		const struct change *c = &d->log[i];
		switch (c->kind) {
		case CHANGE_SYNC:
			if (!c->failed || !c->is_dir)
				synced[c->node] = c->failed ? LOST : SAVED;
			break;
		case CHANGE_WRITE:
		case CHANGE_TRUNCATE:
		case CHANGE_ALLOCATE:
			certain[i] = synced[c->node] == SAVED;
			break;
		case CHANGE_RENAME:
			certain[i] = synced[c->dir] == SAVED && synced[c->to_dir] == SAVED;
			break;
		case CHANGE_LINK:
		case CHANGE_UNLINK:
			certain[i] = synced[c->dir] == SAVED;
			break;
		}
	}
	free(synced);
	return certain;
}

/* One sector of a write, or what of it lies below `end`. */
static void write_sector(struct tree *t, const struct change *c, uint64_t from, uint64_t to, uint64_t *seed)
{
	const char *bytes = c->bytes != NULL ? c->bytes->bytes + (from - c->offset) : NULL;
	unsigned fate = (unsigned)(draw(seed) % 8);
	if (fate < 3) /* dropped */
		return;
	if (fate == 3) { /* torn: only its begin, or only its end */
		uint64_t middle = from + draw(seed) % (to - from + 1);
		if (chance(seed, 8)) {
			bytes = bytes != NULL ? bytes + (middle - from) : NULL;
			from = middle;
		} else {
			to = middle;
		}
	}
	if (to > from)
		tree_write(t, c->node, from, bytes, to - from);
}

static void write_in_doubt(struct tree *t, const struct change *c, unsigned mood, uint64_t *seed)
{
	struct node *n = &t->nodes[c->node];
	uint64_t end = c->offset + c->len;
	if (chance(seed, mood)) {
		tree_apply(t, c);
		return;
	}
	if (chance(seed, 5))
		return;
	/* The size may have grown by all of it, by a part, or not at all. */
	if (end > n->size && chance(seed, 12)) {
		uint64_t from = c->offset > n->size ? c->offset : n->size;
		tree_resize(t, c->node, chance(seed, 8) ? end : from + draw(seed) % (end - from + 1));
	}
	if (end > n->size)
		end = n->size;
	for (uint64_t from = c->offset; from < end;) {
		uint64_t to = (from / SECTOR + 1) * SECTOR;
		write_sector(t, c, from, to < end ? to : end, seed);
		from = to;
	}
}

struct vdisk *vdisk_crash(const struct vdisk *d, uint64_t at, uint64_t seed)
{
	struct vdisk *out = vdisk_new();
	pthread_mutex_lock((pthread_mutex_t *)(uintptr_t)&d->lock);
	if (at > d->log_count)
		at = d->log_count;
	bool *certain = find_certain(d, (uint32_t)at);
	tree_deinit(&out->base);
	tree_copy(&out->base, &d->base);
	/* Of 16 changes in doubt so many happen as a whole: nearly none, nearly all, or a mixture. */
	unsigned mood = (unsigned)(draw(&seed) % 17);
	unsigned names = (unsigned)(draw(&seed) % 17);
	for (uint32_t i = 0; i < at; i++) {
		const struct change *c = &d->log[i];
		if (c->kind == CHANGE_LINK)
			tree_node(&out->base, c->node, c->is_dir); /* it may be renamed to where it is found */
		if (certain[i])
			tree_apply(&out->base, c);
		else if (c->kind == CHANGE_WRITE)
			write_in_doubt(&out->base, c, mood, &seed);
		else if (chance(&seed, c->kind == CHANGE_TRUNCATE || c->kind == CHANGE_ALLOCATE ? mood : names))
			tree_apply(&out->base, c);
	}
	pthread_mutex_unlock((pthread_mutex_t *)(uintptr_t)&d->lock);
	free(certain);
	tree_sweep(&out->base);
	tree_deinit(&out->live);
	tree_copy(&out->live, &out->base);
	return out;
}

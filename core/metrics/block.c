/* Blocks and the list of living snapshots; block.h tells how they work. */
#include "metrics/block.h"

#include "base/mem.h"

struct snapshots *snapshots_new(void)
{
	struct snapshots *s = mem_zalloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	mutex_init(&s->lock);
	spares_init(&s->spares);
	atomic_init(&s->refs, 1);
	return s;
}

void snapshots_unref(struct snapshots *s)
{
	if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	spares_deinit(&s->spares);
	mutex_deinit(&s->lock);
	mem_free(s);
}

void snapshots_enter(struct snapshots *s, struct snapshot_link *link)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	mutex_lock(&s->lock);
	*link = (struct snapshot_link){.older = s->newest_link, .number = ++s->issued};
	if (link->older != NULL)
		link->older->newer = link;
	s->newest_link = link;
	atomic_store_explicit(&s->newest, link->number, memory_order_release);
	mutex_unlock(&s->lock);
}

/* Hands the retired blocks of `from` to the end of `to`'s. */
static void hand_on(struct snapshot_link *from, struct snapshot_link *to)
{
	if (from->first == NULL)
		return;
	if (to->first == NULL)
		to->first = from->first;
	else
		to->last->next = from->first;
	to->last = from->last;
	from->first = NULL;
}

void snapshots_leave(struct snapshots *s, struct snapshot_link *link)
{
	mutex_lock(&s->lock);
	if (link->older != NULL) {
		link->older->newer = link->newer;
		hand_on(link, link->older);
	}
	if (link->newer != NULL) {
		link->newer->older = link->older;
	} else {
		s->newest_link = link->older;
		atomic_store_explicit(&s->newest, link->older != NULL ? link->older->number : 0, memory_order_release);
	}
	mutex_unlock(&s->lock);
	for (struct block *b = link->first, *next; b != NULL; b = next) {
		next = b->next;
		mem_free(b);
	}
	snapshots_unref(s);
}

void *block_new(const struct snapshots *s, size_t size)
{
	struct block *b = mem_alloc(size);

	if (b != NULL)
		b->stamp = s->issued;
	return b;
}

void block_retire(struct snapshots *s, void *block)
{
	struct block *b = block;

	if (b == NULL)
		return;
	if (!block_shared(s, b)) {
		mem_free(b);
		return;
	}
	mutex_lock(&s->lock);
	struct snapshot_link *newest = s->newest_link;
	if (newest != NULL) {
		b->next = NULL;
		if (newest->first == NULL)
			newest->first = b;
		else
			newest->last->next = b;
		newest->last = b;
	}
	mutex_unlock(&s->lock);
	if (newest == NULL)
		mem_free(b);
}

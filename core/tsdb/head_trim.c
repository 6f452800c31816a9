/* What the head lets go of: samples that were sealed, and series that have ended. */
#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "tsdb/head_series.h"

/* ---- samples ---- */

/* Lets go of the full chunks in memory that end before `trim_ms`. There is room for a retirement. */
static void cut_chunks(struct head *h, struct series *s, int64_t trim_ms)
{
	struct head_chunk *c = atomic_load_explicit(&s->newest, memory_order_relaxed);
	for (struct head_chunk *older; c != NULL; c = older) {
		older = atomic_load_explicit(&c->older, memory_order_relaxed);
		if (older == NULL || older->last_ms >= trim_ms)
			continue;
		atomic_store_explicit(&c->older, NULL, memory_order_release);
		h->stats.bytes -= head_chain_bytes(older);
		epoch_retire(&h->epochs, older, head_chain_free);
		return;
	}
}

/* Lets go of late samples before `trim_ms`. There is room for a retirement. 0 or -ENOMEM. */
static int cut_late(struct head *h, struct series *s, int64_t trim_ms)
{
	struct late *old = atomic_load_explicit(&s->late, memory_order_relaxed);
	uint32_t had = old == NULL ? 0 : atomic_load_explicit(&old->count, memory_order_relaxed);
	uint32_t keep = 0;
	for (uint32_t i = 0; i < had; i++)
		keep += old->samples[i].time_ms >= trim_ms;
	if (keep == had && had > 0)
		return 0;
	struct late *late = NULL;
	if (keep > 0) {
		late = mem_alloc(sizeof *late + keep * sizeof late->samples[0]);
		if (late == NULL)
			return -ENOMEM;
		uint32_t count = 0;
		for (uint32_t i = 0; i < had; i++) {
			if (old->samples[i].time_ms >= trim_ms)
				late->samples[count++] = old->samples[i];
		}
		atomic_init(&late->count, count);
		late->capacity = keep;
	}
	if (old != NULL)
		h->stats.bytes -= (old->capacity - keep) * sizeof old->samples[0];
	atomic_store_explicit(&s->late, late, memory_order_release);
	epoch_retire(&h->epochs, old, mem_free);
	return 0;
}

/* ---- series ---- */

/* Series that left together. */
struct leaving {
	struct head *head;
	uint32_t count;
	uint32_t numbers[];
};

/* No view sees them any more. On the writer's thread, as all that is retired. */
static void free_left(void *block)
{
	struct leaving *l = block;
	struct series_pages *pages = atomic_load(&l->head->pages);
	for (uint32_t i = 0; i < l->count; i++) {
		_Atomic(struct series_page *) *at = &pages->items[l->numbers[i] >> PAGE_BITS];
		struct series_page *page = atomic_load(at);
		_Atomic(struct series *) *place = &page->items[l->numbers[i] & (PAGE_SERIES - 1)];
		head_series_free(atomic_load(place));
		atomic_store(place, NULL);
		/* The page that is being filled stays. */
		if (--page->used == 0 && l->numbers[i] >> PAGE_BITS != l->head->next_number >> PAGE_BITS) {
			atomic_store(at, NULL);
			mem_free(page);
			l->head->stats.bytes -= sizeof *page;
		}
	}
	mem_free(l);
}

static bool has_ended(struct series *s, int64_t idle_ms)
{
	const struct late *late = atomic_load_explicit(&s->late, memory_order_relaxed);
	if (late != NULL && atomic_load_explicit(&late->count, memory_order_relaxed) > 0)
		return false;
	if (atomic_load_explicit(&s->newest, memory_order_relaxed) != NULL)
		return s->writer.time_ms < idle_ms;
	/* Made for a sample that has not come yet, or was refused: twice round is long enough. */
	bool ended = s->unused;
	s->unused = true;
	return ended;
}

static struct slice labels_of(void *ctx, uint32_t number)
{
	return series_labels_of(head_find(ctx, number));
}

static uint64_t series_bytes(const struct series *s)
{
	return sizeof *s + s->labels_len + head_chain_bytes(atomic_load_explicit(&s->newest, memory_order_relaxed));
}

int head_finish_leaving(struct head *h)
{
	struct leaving *l = h->leaving;
	if (l == NULL)
		return 0;
	int code = head_index_remove(&h->index, (struct postings){l->numbers, l->count}, labels_of, h);
	if (code != 0)
		return code;
	h->leaving = NULL;
	epoch_retire_held(&h->epochs, l, free_left);
	return 0;
}

/* First the writer does not know them any more, then they leave the index: what is taken from there in part must not get samples. 0, or -ENOMEM: they stay. */
static int leave(struct head *h, struct leaving *l)
{
	int code = epoch_hold(&h->epochs);
	if (code != 0)
		return code;
	for (uint32_t i = 0; i < l->count; i++) {
		struct series *s = head_find(h, l->numbers[i]);
		CHECK(table_remove(&h->table, s->hash, s->number));
		s->left = true;
		h->stats.bytes -= series_bytes(s);
	}
	h->stats.series -= l->count;
	h->stats.expired += l->count;
	h->leaving = l;
	return 0;
}

/* ---- the walk ---- */

static int trim_series(struct head *h, struct series *s)
{
	int code = epoch_reserve(&h->epochs, 2);
	if (code != 0)
		return code;
	cut_chunks(h, s, h->trim_ms);
	return cut_late(h, s, h->trim_ms);
}

/* The first number from trim_at on whose page is there: numbers are not given twice, so that of most of them the series may have left long ago. */
static struct series *next_series(struct head *h)
{
	for (; h->trim_at < h->next_number; h->trim_at++) {
		if (!head_has_page(h, h->trim_at)) {
			uint32_t last = h->trim_at | (PAGE_SERIES - 1);
			if (last >= h->next_number)
				break;
			h->trim_at = last;
			continue;
		}
		struct series *s = head_find(h, h->trim_at);
		if (s != NULL && !s->left)
			return s;
	}
	h->trim_at = h->next_number;
	return NULL;
}

/* Trims series from trim_at on, and notes those that have ended. */
static int walk(struct head *h, int64_t idle_ms, uint32_t visits, struct leaving *l)
{
	for (struct series *s; visits > 0 && (s = next_series(h)) != NULL; visits--, h->trim_at++) {
		int code = trim_series(h, s);
		if (code != 0)
			return code;
		if (has_ended(s, idle_ms))
			l->numbers[l->count++] = s->number;
	}
	return 0;
}

void head_cut(struct head *h, int64_t time_ms)
{
	CHECK(h->batch == 0);
	h->cut_ms = time_ms;
	if (h->stats.oldest_ms < time_ms)
		h->stats.oldest_ms = time_ms; /* what there is now is not older */
	h->cut_mark = epoch_mark(&h->epochs);
}

/* At the beginning of a round: what was cut may go once nobody asks for it. */
static int begin_round(struct head *h)
{
	if (!epoch_passed(&h->epochs, h->cut_mark))
		return 0;
	h->trim_ms = h->cut_ms;
	return spill_release(h->spill, h->trim_ms);
}

int head_trim(struct head *h, int64_t idle_ms, uint32_t visits)
{
	CHECK(h->batch == 0);
	uint32_t first = h->trim_at;
	int code = head_finish_leaving(h);
	if (code == 0 && first == 0)
		code = begin_round(h);
	if (code != 0)
		return code;
	struct leaving *l = mem_alloc(sizeof *l + visits * sizeof l->numbers[0]);
	if (l == NULL)
		return -ENOMEM;
	l->head = h;
	l->count = 0;
	code = walk(h, idle_ms < h->trim_ms ? idle_ms : h->trim_ms, visits, l);
	if (code == 0 && l->count > 0) {
		code = leave(h, l);
		if (code == 0) {
			l = NULL;
			code = head_finish_leaving(h);
		}
	}
	mem_free(l);
	if (code != 0) {
		h->trim_at = first; /* all of these once more: what was done is done */
		return code;
	}
	if (next_series(h) != NULL)
		return 1;
	h->trim_at = 0;
	return 0;
}

void head_collect(struct head *h)
{
	CHECK(h->batch == 0);
	epoch_collect(&h->epochs);
}

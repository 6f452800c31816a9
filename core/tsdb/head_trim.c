/* What the head lets go of: samples that were sealed, and series that have ended. */
#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "tsdb/head_series.h"

/* ---- samples ---- */

static void free_chain(void *block)
{
	for (struct head_chunk *c = block; c != NULL;) {
		struct head_chunk *older = atomic_load(&c->older);
		mem_free(c);
		c = older;
	}
}

/* Lets go of the full chunks in memory that end before `trim_ms`. There is room for a retirement. */
static void cut_chunks(struct head *h, struct series *s, int64_t trim_ms)
{
	struct head_chunk *c = atomic_load_explicit(&s->newest, memory_order_relaxed);
	for (struct head_chunk *older; c != NULL; c = older) {
		older = atomic_load_explicit(&c->older, memory_order_relaxed);
		if (older == NULL || older->last_ms >= trim_ms)
			continue;
		atomic_store_explicit(&c->older, NULL, memory_order_release);
		for (const struct head_chunk *gone = older; gone != NULL;
		     gone = atomic_load_explicit(&gone->older, memory_order_relaxed))
			h->stats.bytes -= head_chunk_bytes(gone);
		epoch_retire(&h->epochs, older, free_chain);
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
	uint64_t bytes = sizeof *s + s->labels_len;
	for (const struct head_chunk *c = atomic_load(&s->newest); c != NULL; c = atomic_load(&c->older))
		bytes += head_chunk_bytes(c);
	return bytes;
}

/* 0, or -ENOMEM: they stay. */
static int leave(struct head *h, struct leaving *l)
{
	int code = epoch_hold(&h->epochs);
	if (code != 0)
		return code;
	code = head_index_remove(&h->index, (struct postings){l->numbers, l->count}, labels_of, h);
	if (code != 0) {
		epoch_unhold(&h->epochs);
		return code;
	}
	for (uint32_t i = 0; i < l->count; i++) {
		struct series *s = head_find(h, l->numbers[i]);
		CHECK(table_remove(&h->table, s->hash, s->number));
		s->left = true;
		h->stats.bytes -= series_bytes(s);
	}
	h->stats.series -= l->count;
	h->stats.expired += l->count;
	epoch_retire_held(&h->epochs, l, free_left);
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

/* Trims series from trim_at on, and notes those that have ended. */
static int walk(struct head *h, int64_t idle_ms, uint32_t end, struct leaving *l)
{
	int code = 0;
	for (; h->trim_at < end && code == 0; h->trim_at++) {
		struct series *s = head_find(h, h->trim_at);
		if (s == NULL || s->left)
			continue;
		code = trim_series(h, s);
		if (code == 0 && has_ended(s, idle_ms))
			l->numbers[l->count++] = s->number;
	}
	return code;
}

void head_cut(struct head *h, int64_t time_ms)
{
	CHECK(h->batch == 0);
	h->cut_ms = time_ms;
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
	int code = first == 0 ? begin_round(h) : 0;
	if (code != 0)
		return code;
	uint32_t left = h->next_number - first;
	uint32_t end = first + (left < visits ? left : visits);
	struct leaving *l = mem_alloc(sizeof *l + (end - first) * sizeof l->numbers[0]);
	if (l == NULL)
		return -ENOMEM;
	l->head = h;
	l->count = 0;
	code = walk(h, idle_ms < h->trim_ms ? idle_ms : h->trim_ms, end, l);
	if (code == 0 && l->count > 0) {
		code = leave(h, l);
		if (code == 0)
			l = NULL;
	}
	mem_free(l);
	if (code != 0) {
		h->trim_at = first; /* all of these once more: what was done is done */
		return code;
	}
	if (h->trim_at < h->next_number)
		return 1;
	h->trim_at = 0;
	return 0;
}

void head_collect(struct head *h)
{
	CHECK(h->batch == 0);
	epoch_collect(&h->epochs);
}

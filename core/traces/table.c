/* Traces by id, and the lists that they are in: open, or closed in a page. */
#include <errno.h>

#include "base/check.h"
#include "base/mem.h"
#include "traces/internal.h"

enum { SPARE_BYTES = 1 << 16 /* of one builder */, SPARES_BYTES = 4 << 20 /* of all */ };

struct builder *traces_builder_new(struct traces *t, const uint8_t id[16])
{
	struct builder *b = t->spare;

	if (b == NULL)
		return builder_new(id);
	t->spare = b->newer;
	t->spare_bytes -= b->bytes;
	builder_reuse(b, id);
	return b;
}

void traces_builder_free(struct traces *t, struct builder *b)
{
	size_t most = t->options.max_bytes / 16 < SPARES_BYTES ? t->options.max_bytes / 16 : SPARES_BYTES;

	if (b == NULL || b->bytes > SPARE_BYTES || t->spare_bytes + b->bytes > most) {
		builder_free(b);
		return;
	}
	b->newer = t->spare;
	t->spare = b;
	t->spare_bytes += b->bytes;
}

static bool same_entry(const void *ctx, const void *key, uint32_t item)
{
	const struct traces *t = ctx;

	return memcmp(t->entries[item].id, key, sizeof t->entries[item].id) == 0;
}

uint32_t traces_table_entry(const struct traces *t, const uint8_t id[16])
{
	return table_find(&t->table, id_hash(id), same_entry, t, id);
}

/* A free entry, which there is room for. */
static uint32_t take_entry(struct traces *t)
{
	uint32_t at = t->entry_free;

	if (at == TRACE_NONE)
		at = t->entry_count++;
	else
		t->entry_free = t->entries[at].at;
	t->entries[at] = (struct entry){.at = 0};
	return at;
}

static void free_entry(struct traces *t, uint32_t at)
{
	struct entry *e = &t->entries[at];

	table_remove(&t->table, id_hash(e->id), at);
	*e = (struct entry){.at = t->entry_free};
	t->entry_free = at;
}

static int reserve(struct traces *t)
{
	void *entries = t->entries, *open = t->open, *heap = t->heap;
	int rc = table_reserve(&t->table, t->table.used + 1);

	if (rc == 0 && t->entry_free == TRACE_NONE)
		rc = mem_grow(&entries, &t->entry_cap, t->entry_count, sizeof *t->entries);
	if (rc == 0)
		rc = mem_grow(&open, &t->open_cap, t->open_count, sizeof *t->open);
	if (rc == 0)
		rc = mem_grow(&heap, &t->heap_cap, t->open_count, sizeof *t->heap);
	t->entries = entries;
	t->open = open;
	t->heap = heap;
	return rc;
}

static void list_add(struct traces *t, struct builder *b)
{
	b->older = t->newest;
	b->newer = NULL;
	if (t->newest != NULL)
		t->newest->newer = b;
	else
		t->oldest = b;
	t->newest = b;
}

static void list_remove(struct traces *t, struct builder *b)
{
	if (b->older != NULL)
		b->older->newer = b->newer;
	else
		t->oldest = b->newer;
	if (b->newer != NULL)
		b->newer->older = b->older;
	else
		t->newest = b->older;
}

int traces_table_open(struct traces *t, struct builder *b)
{
	if (reserve(t) != 0)
		return -ENOMEM;
	uint32_t at = traces_table_entry(t, b->id);
	if (at == TABLE_NONE) {
		at = take_entry(t);
		memcpy(t->entries[at].id, b->id, sizeof b->id);
		(void)table_add(&t->table, id_hash(b->id), at); /* there is room */
	}
	CHECK(t->entries[at].open == NULL);
	t->entries[at].open = b;
	t->entries[at].page = NULL;
	b->entry = at;
	b->number = ++t->builders;
	b->open_at = t->open_count++;
	memcpy(t->open[b->open_at].id, b->id, sizeof b->id);
	t->open[b->open_at].builder = b;
	list_add(t, b);
	traces_due_add(t, b);
	t->open_bytes += b->bytes;
	return 0;
}

void traces_table_close(struct traces *t, struct builder *b, struct page *page, uint32_t at)
{
	list_remove(t, b);
	traces_due_remove(t, b);
	t->open_count--;
	t->open[b->open_at] = t->open[t->open_count];
	t->open[b->open_at].builder->open_at = b->open_at;
	t->open_bytes -= b->bytes;
	if (page == NULL) {
		free_entry(t, b->entry);
		return;
	}
	t->entries[b->entry].open = NULL;
	t->entries[b->entry].page = page;
	t->entries[b->entry].at = at;
}

struct page *traces_table_give_up(struct traces *t, uint32_t entry)
{
	struct page *page = t->entries[entry].page;
	struct piece *piece = (struct piece *)(page->data + t->entries[entry].at);

	atomic_store_explicit(&piece->dead_at, ++t->ordinal, memory_order_relaxed);
	t->stats.closed--;
	t->stats.spans -= piece->trace.span_count;
	if (--page->live > 0 || page == t->pages.newest)
		return NULL;
	return pages_remove(&t->pages, page) ? page : NULL;
}

struct page *traces_table_evict_page(struct traces *t)
{
	struct page *page = t->pages.oldest;

	for (uint32_t i = 0; i < page->count; i++) {
		const struct piece *piece = page_piece(page, i);
		if (atomic_load_explicit(&piece->dead_at, memory_order_relaxed) != 0)
			continue;
		t->stats.closed--;
		t->stats.spans -= piece->trace.span_count;
		t->stats.evicted_traces++;
		t->stats.evicted_spans += piece->trace.span_count;
		free_entry(t, piece->entry);
		(void)gone_add(&t->gone, piece->trace.id, GONE_EVICTED_CLOSED); /* else what comes late of it is new */
	}
	return pages_remove(&t->pages, page) ? page : NULL;
}

size_t traces_table_bytes(const struct traces *t)
{
	size_t slots = t->table.slots != NULL ? (size_t)t->table.mask + 1 : 0;

	return t->pages.bytes + t->open_bytes + t->entry_cap * sizeof *t->entries + slots * sizeof *t->table.slots +
	       t->open_cap * sizeof *t->open + t->heap_cap * sizeof *t->heap + t->spare_bytes + gone_bytes(&t->gone);
}

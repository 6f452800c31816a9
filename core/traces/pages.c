#include "traces/pages.h"

#include "base/check.h"
#include "base/mem.h"

static size_t piece_bytes(size_t trace_size)
{
	return offsetof(struct piece, trace) + trace_size;
}

bool page_has_room(const struct page *page, size_t size)
{
	size_t places = ((size_t)page->count + 1) * sizeof(uint32_t);

	return page->used + piece_bytes(size) + places <= page->cap;
}

struct page *page_new(const struct pages *p, size_t size)
{
	size_t cap = p->page_bytes - sizeof(struct page);
	size_t want = (piece_bytes(size) + sizeof(uint32_t) + 7) & ~(size_t)7;

	if (cap < want)
		cap = want;
	struct page *page = mem_alloc(sizeof *page + cap);
	if (page == NULL)
		return NULL;
	*page = (struct page){.cap = cap, .refs = 1, .first_seq = UINT64_MAX};
	return page;
}

struct page *pages_room(const struct pages *p, size_t size)
{
	return p->newest != NULL && page_has_room(p->newest, size) ? p->newest : page_new(p, size);
}

void pages_add(struct pages *p, struct page *page)
{
	page->older = p->newest;
	page->newer = NULL;
	if (p->newest != NULL)
		p->newest->newer = page;
	else
		p->oldest = page;
	p->newest = page;
	p->bytes += sizeof *page + page->cap;
}

bool pages_remove(struct pages *p, struct page *page)
{
	if (page->older != NULL)
		page->older->newer = page->newer;
	else
		p->oldest = page->newer;
	if (page->newer != NULL)
		page->newer->older = page->older;
	else
		p->newest = page->older;
	p->bytes -= sizeof *page + page->cap;
	return --page->refs == 0;
}

void page_free(struct page *page)
{
	mem_free(page);
}

struct piece *page_next(struct page *page)
{
	return (struct piece *)(page->data + page->used);
}

void page_publish(struct page *page)
{
	struct piece *piece = page_next(page);
	uint32_t *ends = (uint32_t *)(page->data + page->cap);

	CHECK(page_has_room(page, piece->trace.size));
	ends[-(ptrdiff_t)page->count - 1] = page->used;
	page->used += (uint32_t)piece_bytes(piece->trace.size);
	page->count++;
	page->live++;
	if (piece->first_seq < page->first_seq)
		page->first_seq = piece->first_seq;
}

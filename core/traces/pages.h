/* Closed traces, one behind the other in pages. What a page has published is never changed; it is freed once nobody refers to it any more. All of it under the buffer's lock, but what says otherwise. */
#ifndef MOONGATE_TRACES_PAGES_H
#define MOONGATE_TRACES_PAGES_H

#include <stdatomic.h>

#include "traces/trace.h"

/* A closed trace in a page. */
struct piece {
	_Atomic uint64_t dead_at; /* the ordinal at which it was given up; 0: it is alive */
	uint64_t first_seq,
	    late_seq;       /* the frames of its oldest span, and of the first that is late (UINT64_MAX: none) */
	uint32_t entry;     /* in the table of traces, while it is alive */
	uint32_t records;   /* as a builder's */
	struct trace trace; /* and what follows it */
};

/* From the front pieces, from the back their places, the first one last. */
struct page {
	struct page *older, *newer;
	size_t cap;         /* bytes of `data` */
	uint32_t used;      /* of them by pieces that are published */
	uint32_t count;     /* pieces published */
	uint32_t live;      /* of them alive */
	uint32_t refs;      /* the list's, and one of each view or copy under way */
	uint64_t first_seq; /* at most that of any piece */
	_Alignas(8) char data[];
};

struct pages {
	struct page *oldest, *newest; /* the newest takes what comes */
	size_t bytes;                 /* of all in the list */
	size_t page_bytes;            /* of a page; one with a larger trace is as large as that asks for */
};

/* The newest page with room for a piece of a trace of `size` bytes; a new one where that has not. NULL: memory is out. The writer's, without the lock but for the list. */
struct page *pages_room(const struct pages *p, size_t size);
/* A page with room for it that is in no list; the writer's. NULL: memory is out. */
struct page *page_new(const struct pages *p, size_t size);
/* Has it room for a piece of a trace of `size` bytes? */
bool page_has_room(const struct page *page, size_t size);
/* A page becomes the newest of the list. */
void pages_add(struct pages *p, struct page *page);
/* Takes it out of the list, which gives up its reference: true where it is to be freed (page_free, without the lock). */
bool pages_remove(struct pages *p, struct page *page);
/* Any thread, without the lock. */
void page_free(struct page *page);

/* Where the next piece of a page goes: the writer fills it in, then publishes it. */
struct piece *page_next(struct page *page);
void page_publish(struct page *page);

static inline uint32_t page_place(const struct page *page, uint32_t n)
{
	const uint32_t *ends = (const uint32_t *)(page->data + page->cap);
	return ends[-(ptrdiff_t)n - 1];
}
static inline struct piece *page_piece(struct page *page, uint32_t n)
{
	return (struct piece *)(page->data + page_place(page, n));
}

#endif

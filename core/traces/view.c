/* Reading from any thread. Closed traces are read where they are, under a reference to their page. Open ones are copied in steps, so that the writer waits for some hundred KiB at most; what is made of the copies is made without the lock. */
#include <errno.h>

#include "base/mem.h"
#include "traces/internal.h"

enum { STEP_BYTES = 256 * 1024 };

/* Room for copies of open traces, kept from one to the next. */
struct reader {
	char *bytes;
	size_t cap;
	struct finisher finisher;
};

/* An open trace as it was at one moment. */
struct glimpse {
	struct parts parts; /* counts; items: where they are copied to */
	uint64_t number;
	uint32_t edits, marks;
	size_t bytes;
};

static void reader_deinit(struct reader *r)
{
	mem_free(r->bytes);
	finisher_deinit(&r->finisher);
}

static size_t padded(size_t bytes)
{
	return (bytes + 7) & ~(size_t)7;
}

static void look(const struct builder *b, struct glimpse *g)
{
	*g = (struct glimpse){.number = b->number, .edits = b->edits, .marks = b->marks};
	for (int i = 0; i < PARTS; i++) {
		g->parts.of[i].count = b->parts.of[i].count;
		g->bytes += padded((size_t)b->parts.of[i].count * part_sizes[i]);
	}
}

/* Has the trace still what was seen of it? Under the lock. NULL: it has not. */
static const struct builder *still_open(const struct traces *t, const uint8_t id[16], const struct glimpse *g)
{
	uint32_t at = traces_table_entry(t, id);
	const struct builder *b = at != TABLE_NONE ? t->entries[at].open : NULL;

	return b != NULL && b->number == g->number && b->edits == g->edits ? b : NULL;
}

/* The next step of a copy of all parts, one behind the other; `*done`: bytes so far. Under the lock. */
static void copy_step(const struct builder *b, struct glimpse *g, char *to, size_t *done)
{
	size_t at = 0, left = STEP_BYTES;

	for (int i = 0; i < PARTS && left > 0; i++) {
		size_t bytes = (size_t)g->parts.of[i].count * part_sizes[i];
		g->parts.of[i].items = to + at;
		if (*done < at + bytes) {
			size_t from = *done > at ? *done - at : 0;
			size_t n = bytes - from < left ? bytes - from : left;
			memcpy(to + at + from, (const char *)b->parts.of[i].items + from, n);
			left -= n;
			*done = at + from + n;
		}
		at += padded(bytes);
		if (left > 0 && *done < at)
			*done = at;
	}
}

static int reserve(struct reader *r, size_t bytes)
{
	if (bytes <= r->cap)
		return 0;
	mem_free(r->bytes);
	r->cap = 0;
	r->bytes = mem_alloc(bytes);
	if (r->bytes == NULL)
		return -ENOMEM;
	r->cap = bytes;
	return 0;
}

/* What a trace was found as. */
struct found {
	struct page *page; /* closed: referred to, to be let go of */
	const struct trace *trace;
	struct glimpse glimpse; /* else: copied */
};

/* 0; -ENOENT; -ENOMEM; 1: it has changed meanwhile. */
static int copy_open(struct traces *t, const uint8_t id[16], struct reader *r, struct glimpse *g)
{
	size_t done = 0;

	if (reserve(r, g->bytes) != 0)
		return -ENOMEM;
	while (done < g->bytes) {
		mutex_lock(&t->lock);
		const struct builder *b = still_open(t, id, g);
		if (b != NULL)
			copy_step(b, g, r->bytes, &done);
		mutex_unlock(&t->lock);
		if (b == NULL)
			return 1;
	}
	return 0;
}

static int find_trace(struct traces *t, const uint8_t id[16], struct reader *r, struct found *out)
{
	int rc;

	do {
		*out = (struct found){.page = NULL};
		mutex_lock(&t->lock);
		uint32_t at = traces_table_entry(t, id);
		const struct entry *e = at != TABLE_NONE ? &t->entries[at] : NULL;
		if (e != NULL && e->open == NULL) {
			out->page = e->page;
			out->page->refs++;
			out->trace = &((struct piece *)(e->page->data + e->at))->trace;
		} else if (e != NULL) {
			look(e->open, &out->glimpse);
		}
		mutex_unlock(&t->lock);
		if (e == NULL)
			return -ENOENT;
		rc = out->page != NULL ? 0 : copy_open(t, id, r, &out->glimpse);
	} while (rc == 1);
	return rc;
}

static void let_go(struct traces *t, struct page *page)
{
	if (page == NULL)
		return;
	mutex_lock(&t->lock);
	bool last = --page->refs == 0;
	mutex_unlock(&t->lock);
	if (last)
		page_free(page);
}

/* The copy as one piece, the caller's. NULL: memory is out. */
static struct trace *make_trace(struct reader *r, const uint8_t id[16], const struct glimpse *g, struct trace *to,
                                size_t *cap)
{
	size_t size = finisher_plan(&r->finisher, &g->parts);

	if (size == 0)
		return NULL;
	if (*cap < size) {
		mem_free(to);
		*cap = 0;
		to = mem_alloc(size);
		if (to == NULL)
			return NULL;
		*cap = size;
	}
	finisher_write(&r->finisher, &g->parts, id, g->marks | TRACE_OPEN, to);
	return to;
}

struct trace *traces_get(struct traces *t, const uint8_t id[16], int *code)
{
	struct reader r = {.bytes = NULL};
	struct found f;
	struct trace *copy = NULL;
	size_t cap = 0;

	*code = find_trace(t, id, &r, &f);
	if (*code == 0 && f.page != NULL) {
		copy = mem_alloc(f.trace->size);
		if (copy != NULL)
			memcpy(copy, f.trace, f.trace->size);
	} else if (*code == 0) {
		copy = make_trace(&r, id, &f.glimpse, NULL, &cap);
	}
	if (*code == 0) {
		let_go(t, f.page);
		*code = copy != NULL ? 0 : -ENOMEM;
	}
	reader_deinit(&r);
	return copy;
}

/* ---- views ---- */

struct view_page {
	struct page *page;
	uint32_t count; /* pieces that it had */
};

struct traces_view {
	struct traces *traces;
	uint64_t ordinal;
	struct open_trace *open; /* ids alone are looked at */
	size_t open_cap;
	uint32_t open_count, open_at;
	struct view_page *pages; /* newest first */
	size_t page_cap;
	uint32_t page_count, page_at;
	struct page *held; /* of the trace at hand, one that has closed meanwhile */
	struct reader reader;
	struct trace *copy;
	size_t copy_cap;
};

static uint32_t count_pages(const struct traces *t)
{
	return (uint32_t)(t->pages.bytes / t->pages.page_bytes); /* none is smaller */
}

static void fill_view(struct traces_view *v)
{
	struct traces *t = v->traces;

	v->ordinal = t->ordinal;
	v->open_count = t->open_count;
	if (t->open_count > 0)
		memcpy(v->open, t->open, t->open_count * sizeof *v->open);
	for (struct page *page = t->pages.newest; page != NULL; page = page->older) {
		page->refs++;
		v->pages[v->page_count++] = (struct view_page){page, page->count};
	}
}

/* Room is made without the lock, and a little more than was wanted. */
static int open_view(struct traces_view *v)
{
	struct traces *t = v->traces;

	for (;;) {
		mutex_lock(&t->lock);
		uint32_t open = t->open_count, pages = count_pages(t);
		bool fits = open <= v->open_cap && pages <= v->page_cap;
		if (fits)
			fill_view(v);
		mutex_unlock(&t->lock);
		if (fits)
			return 0;
		mem_free(v->open);
		mem_free(v->pages);
		v->open_cap = open + open / 8 + 16;
		v->page_cap = pages + 16;
		v->open = mem_zalloc(v->open_cap, sizeof *v->open);
		v->pages = mem_zalloc(v->page_cap, sizeof *v->pages);
		if (v->open == NULL || v->pages == NULL)
			return -ENOMEM;
	}
}

struct traces_view *traces_view_open(struct traces *t)
{
	struct traces_view *v = mem_zalloc(1, sizeof *v);

	if (v == NULL)
		return NULL;
	v->traces = t;
	if (open_view(v) == 0)
		return v;
	traces_view_close(v);
	return NULL;
}

void traces_view_close(struct traces_view *v)
{
	if (v == NULL)
		return;
	let_go(v->traces, v->held);
	for (; v->page_at < v->page_count; v->page_at++)
		let_go(v->traces, v->pages[v->page_at].page);
	reader_deinit(&v->reader);
	mem_free(v->copy);
	mem_free(v->open);
	mem_free(v->pages);
	mem_free(v);
}

static const struct trace *next_open(struct traces_view *v, int *code)
{
	const uint8_t *id = v->open[v->open_at++].id;
	struct found f;
	int rc = find_trace(v->traces, id, &v->reader, &f);

	if (rc == -ENOENT)
		return NULL; /* it was dropped, or evicted */
	if (rc != 0) {
		*code = rc;
		return NULL;
	}
	v->held = f.page;
	if (f.page != NULL)
		return f.trace;
	struct trace *made = make_trace(&v->reader, id, &f.glimpse, v->copy, &v->copy_cap);
	v->copy = made;
	if (made == NULL) {
		v->copy_cap = 0;
		*code = -ENOMEM;
	}
	return made;
}

static const struct trace *next_closed(struct traces_view *v)
{
	while (v->page_at < v->page_count) {
		struct view_page *p = &v->pages[v->page_at];
		while (p->count > 0) {
			struct piece *piece = page_piece(p->page, --p->count);
			uint64_t dead = atomic_load_explicit(&piece->dead_at, memory_order_relaxed);
			if (dead == 0 || dead > v->ordinal)
				return &piece->trace;
		}
		let_go(v->traces, p->page);
		v->page_at++;
	}
	return NULL;
}

const struct trace *traces_view_next(struct traces_view *v, int *code)
{
	*code = 0;
	let_go(v->traces, v->held);
	v->held = NULL;
	while (v->open_at < v->open_count) {
		const struct trace *t = next_open(v, code);
		if (t != NULL || *code != 0)
			return t;
	}
	return next_closed(v);
}

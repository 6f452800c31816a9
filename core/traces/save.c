/* What a checkpoint keeps of the buffer (FORMAT.md): which traces there are. Their spans are in the journal. */
#include <errno.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/varint.h"
#include "traces/internal.h"

enum { FORMAT = 1 };

static void put_trace(struct buf *out, const uint8_t id[16], uint64_t first_seq, uint64_t late_seq, uint32_t marks,
                      uint32_t records)
{
	buf_append(out, id, 16);
	varint_put(out, first_seq);
	varint_put(out, late_seq + 1); /* none: 0 */
	varint_put(out, marks);
	varint_put(out, records);
}

static void save_gone(const struct gone *g, struct buf *out)
{
	varint_put(out, g->count);
	for (uint32_t i = 0; i < g->count; i++) {
		const struct gone_trace *one = &g->items[(g->next + i) % g->count];
		buf_append(out, one->id, sizeof one->id);
		buf_byte(out, (char)one->how);
	}
}

static void save_closed(const struct traces *t, struct buf *out)
{
	varint_put(out, t->stats.closed);
	for (struct page *page = t->pages.oldest; page != NULL; page = page->newer) {
		for (uint32_t i = 0; i < page->count; i++) {
			const struct piece *p = page_piece(page, i);
			if (atomic_load_explicit(&p->dead_at, memory_order_relaxed) == 0)
				put_trace(out, p->trace.id, p->first_seq, p->late_seq, p->trace.marks, p->records);
		}
	}
}

static void save_open(const struct traces *t, struct buf *out)
{
	varint_put(out, t->open_count);
	for (const struct builder *b = t->oldest; b != NULL; b = b->newer) {
		put_trace(out, b->id, b->first_seq, b->late_seq, b->marks, b->records);
		buf_byte(out, b->was_dropped);
		bytes_put_u64(out, (uint64_t)b->first_ns);
		bytes_put_u64(out, (uint64_t)b->last_ns);
	}
}

int traces_save(const struct traces *t, struct buf *out)
{
	buf_byte(out, FORMAT);
	bytes_put_u64(out, traces_oldest_seq(t));
	save_gone(&t->gone, out);
	save_closed(t, out);
	save_open(t, out);
	return buf_failed(out) ? -ENOMEM : 0;
}

/* ---- loading ---- */

static bool get_id(struct slice *from, uint8_t out[16])
{
	struct slice id;

	if (!bytes_get_bytes(from, 16, &id))
		return false;
	memcpy(out, id.ptr, 16);
	return true;
}

/* A number of items, each of which takes more than a byte. */
static bool get_count(struct slice *from, uint32_t *n)
{
	return varint_get_u32(from, n) && *n <= from->len;
}

static int load_gone(struct traces *t, struct slice *from)
{
	uint32_t n;

	if (!get_count(from, &n))
		return -EBADMSG;
	for (uint32_t i = 0; i < n; i++) {
		uint8_t id[16], how;
		if (!get_id(from, id) || !bytes_get_u8(from, &how) || how == GONE_NOT || how > GONE_EVICTED_CLOSED)
			return -EBADMSG;
		int rc = gone_add(&t->gone, id, how);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static bool get_trace(struct slice *from, struct refill_trace *f)
{
	const uint32_t known = TRACE_LATE | TRACE_CUT | TRACE_EXPIRED;
	bool ok = get_id(from, f->id) && varint_get(from, &f->first_seq) && varint_get(from, &f->late_seq) &&
	          varint_get_u32(from, &f->marks) && varint_get_u32(from, &f->records);

	f->late_seq--;
	return ok && (f->marks & ~known) == 0 && f->records > 0;
}

static bool get_open(struct slice *from, struct refill_trace *f)
{
	uint8_t dropped;
	uint64_t first, last;

	if (!bytes_get_u8(from, &dropped) || dropped > 1 || !bytes_get_u64(from, &first) || !bytes_get_u64(from, &last))
		return false;
	f->open = true;
	f->was_dropped = dropped != 0;
	f->first_ns = (int64_t)first;
	f->last_ns = (int64_t)last;
	return true;
}

static int load_traces(struct refill *r, struct slice *from, bool open)
{
	uint32_t n;

	if (!get_count(from, &n))
		return -EBADMSG;
	for (uint32_t i = 0; i < n; i++) {
		struct refill_trace f = {.open = false};
		if (!get_trace(from, &f) || (open && !get_open(from, &f)))
			return -EBADMSG;
		int rc = refill_add(r, &f);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int load(struct traces *t, struct slice from)
{
	uint8_t format;

	if (!bytes_get_u8(&from, &format) || format != FORMAT || !bytes_get_u64(&from, &t->refill->oldest_seq))
		return -EBADMSG;
	int rc = load_gone(t, &from);
	if (rc == 0)
		rc = load_traces(t->refill, &from, false);
	if (rc == 0)
		rc = load_traces(t->refill, &from, true);
	return rc == 0 && from.len > 0 ? -EBADMSG : rc;
}

int traces_load(struct traces *t, struct slice saved, struct error *err)
{
	refill_free(t); /* of a checkpoint that was refused behind this part */
	gone_deinit(&t->gone);
	t->gone = (struct gone){.max = t->gone.max};
	t->refill = mem_zalloc(1, sizeof *t->refill);
	int rc = t->refill != NULL ? load(t, saved) : -ENOMEM;

	if (rc == 0)
		return 0;
	refill_free(t);
	gone_deinit(&t->gone);
	t->gone = (struct gone){.max = t->gone.max};
	return error_set(err, rc, rc == -ENOMEM ? "out of memory for traces" : "its list of traces cannot be read");
}

/* Traces close: each becomes a piece of a page, scripts say what becomes of it, and what they have found out is written into it. */
#include <errno.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "traces/internal.h"

#define RETRY_NS NS_PER_S /* what could not be closed is due again so much later */

enum { ANNOTATIONS_MAX = 64 /* of one span, each time that its trace closes */ };

/* A piece that lies in a page and is not published. */
struct place {
	struct page *page;
	struct piece *piece;
};

static bool in_list(const struct traces *t, const struct page *page)
{
	return page == t->pages.newest;
}

/* The page was taken for this one piece, which does not come. */
static void give_back(const struct traces *t, struct page *page)
{
	if (page != NULL && !in_list(t, page))
		page_free(page);
}

static void write_piece(struct traces *t, const struct builder *b, uint32_t marks, struct place *p)
{
	p->piece = page_next(p->page);
	atomic_init(&p->piece->dead_at, 0);
	p->piece->first_seq = b->first_seq;
	p->piece->late_seq = b->late_seq;
	p->piece->entry = b->entry;
	p->piece->records = b->records;
	finisher_write(&t->finisher, &b->parts, b->id, marks, &p->piece->trace);
}

static int make_piece(struct traces *t, const struct builder *b, uint32_t marks, struct place *p)
{
	size_t size = finisher_plan(&t->finisher, &b->parts);

	p->page = size != 0 ? pages_room(&t->pages, size) : NULL;
	if (p->page == NULL)
		return -ENOMEM;
	write_piece(t, b, marks, p);
	return 0;
}

/* Lets everybody see the piece in place of the builder, which is freed. */
static void publish(struct traces *t, struct builder *b, const struct place *p)
{
	uint32_t at = (uint32_t)((char *)p->piece - p->page->data);

	mutex_lock(&t->lock);
	if (!in_list(t, p->page))
		pages_add(&t->pages, p->page);
	page_publish(p->page);
	t->stats.spans -= b->parts.of[PART_SPANS].count - p->piece->trace.span_count; /* events whose spans are here */
	t->stats.closed++;
	traces_table_close(t, b, p->page, at);
	mutex_unlock(&t->lock);
	traces_builder_free(t, b);
}

int close_quietly(struct traces *t, struct builder *b, uint32_t marks)
{
	struct place p;
	int rc = make_piece(t, b, marks, &p);

	if (rc == 0)
		publish(t, b, &p);
	return rc;
}

/* ---- what scripts have found out ---- */

int traces_annotate(struct traces *t, uint32_t span, struct slice name, const struct value *v)
{
	bool is_text = v->type == VALUE_STRING;

	if (t->closing == NULL || span >= t->finisher.kept || name.len == 0 ||
	    (!is_text && v->type != VALUE_BOOL && v->type != VALUE_INT && v->type != VALUE_DOUBLE))
		return -EINVAL;
	if (t->annotated == NULL)
		t->annotated = mem_zalloc(t->finisher.kept, 1);
	if (t->annotated == NULL)
		return -ENOMEM;
	if (t->annotated[span] == ANNOTATIONS_MAX)
		return -E2BIG;
	void *items = t->annotations;
	if (mem_grow(&items, &t->annotation_cap, t->annotation_count, sizeof *t->annotations) != 0)
		return -ENOMEM;
	t->annotations = items;
	struct buf *text = &t->annotation_text;
	size_t len = text->len;
	if (len + name.len + (is_text ? v->len : 0) > TRACE_BYTES_MAX)
		return -ENOMEM;
	struct annotation a = {span, (uint32_t)len, (uint32_t)name.len, (uint32_t)(len + name.len), *v};
	buf_slice_append(text, name);
	if (is_text)
		buf_append(text, v->str, v->len);
	if (buf_failed(text)) {
		text->failed = false;
		text->len = len;
		return -ENOMEM;
	}
	t->annotations[t->annotation_count++] = a;
	t->annotated[span]++;
	return 0;
}

static void forget_annotations(struct traces *t)
{
	t->annotation_count = 0;
	buf_reset(&t->annotation_text);
	mem_free(t->annotated);
	t->annotated = NULL;
}

static struct outcome annotation_outcome(const struct traces *t, const struct trace *trace, const struct annotation *a)
{
	struct outcome o = {.kind = OUTCOME_ANNOTATED,
	                    .span = a->span,
	                    .span_id = trace_spans(trace)[a->span].id,
	                    .name = slice_new(t->annotation_text.ptr + a->name_at, a->name_len),
	                    .value = a->value};

	memcpy(o.id, trace->id, sizeof o.id);
	if (o.value.type == VALUE_STRING)
		o.value.str = t->annotation_text.ptr + a->text_at;
	return o;
}

/* Writes them into the open trace, and for the journal. 0, -ENOMEM: some are missing in the trace. */
static int annotate(struct traces *t, struct builder *b, const struct trace *trace)
{
	size_t before = b->bytes;
	int rc = 0;

	mutex_lock(&t->lock); /* readers copy what is changed */
	b->edits++;
	for (uint32_t i = 0; i < t->annotation_count; i++) {
		const struct annotation *a = &t->annotations[i];
		struct outcome o = annotation_outcome(t, trace, a);
		outcome_put(t, &o);
		if (rc == 0)
			rc = builder_annotate(b, finisher_source(&t->finisher, a->span), o.name, &o.value);
	}
	t->open_bytes += b->bytes - before;
	mutex_unlock(&t->lock);
	return rc;
}

/* The piece with annotations takes the place of the one without. Where memory is out they are missing in it. */
static void add_annotations(struct traces *t, struct builder *b, uint32_t marks, struct place *p)
{
	struct page *first = p->page;

	if (t->annotation_count == 0 || annotate(t, b, &p->piece->trace) != 0)
		return;
	struct place again;
	size_t size = finisher_plan(&t->finisher, &b->parts);
	again.page = size == 0 ? NULL : page_has_room(first, size) ? first : page_new(&t->pages, size);
	if (again.page == NULL)
		return;
	write_piece(t, b, marks, &again);
	if (again.page != first)
		give_back(t, first);
	*p = again;
}

/* ---- closing ---- */

static void drop(struct traces *t, struct builder *b)
{
	struct outcome o = {.kind = OUTCOME_DROPPED};
	uint32_t spans = b->parts.of[PART_SPANS].count;

	memcpy(o.id, b->id, sizeof o.id);
	outcome_put(t, &o);
	(void)gone_add(&t->gone, b->id, GONE_DROPPED); /* without memory, what comes late of it is a new trace */
	mutex_lock(&t->lock);
	t->stats.dropped_traces++;
	t->stats.dropped_spans += spans;
	t->stats.spans -= spans;
	traces_table_close(t, b, NULL, 0);
	mutex_unlock(&t->lock);
	traces_builder_free(t, b);
}

/* An event whose parent is missing counts as a root where there is no other. */
static bool has_event_root(const struct trace *trace)
{
	const struct trace_span *spans = trace_spans(trace);

	for (uint32_t i = 0; i < trace->span_count; i++) {
		if ((spans[i].marks & TRACE_SPAN_EVENT) != 0 && spans[i].parent == TRACE_NONE)
			return true;
	}
	return false;
}

static void count_closed(struct traces *t, uint32_t marks)
{
	mutex_lock(&t->lock);
	t->stats.closed_total++;
	t->stats.late_total += (marks & TRACE_LATE) != 0;
	t->stats.expired_total += (marks & TRACE_EXPIRED) != 0;
	mutex_unlock(&t->lock);
}

static enum trace_verdict ask(struct traces *t, const struct builder *b, const struct trace *trace,
                              enum trace_verdict (*decide)(void *ctx, const struct trace *trace), void *ctx)
{
	t->closing = b;
	enum trace_verdict verdict = decide(ctx, trace);
	t->closing = NULL;
	return b->was_dropped ? TRACE_DROP : verdict;
}

static bool is_quiet(const struct traces *t, const struct builder *b, int64_t now_ns)
{
	return now_ns - b->last_ns >= t->options.settle_ns;
}

static int close_one(struct traces *t, struct builder *b, int64_t now_ns,
                     enum trace_verdict (*decide)(void *ctx, const struct trace *trace), void *ctx)
{
	bool aged = traces_due_by_age(t, b, now_ns);
	uint32_t marks = b->marks | (aged && !(b->has_root && is_quiet(t, b, now_ns)) ? TRACE_EXPIRED : 0);
	struct place p;
	int rc = make_piece(t, b, marks, &p);

	if (rc != 0)
		return rc;
	if (!b->has_root && !aged && !has_event_root(&p.piece->trace)) {
		b->rootless_at = b->parts.of[PART_SPANS].count; /* it waits for its age */
		give_back(t, p.page);
		return 0;
	}
	count_closed(t, marks);
	if (ask(t, b, &p.piece->trace, decide, ctx) == TRACE_DROP) {
		drop(t, b);
		give_back(t, p.page);
	} else {
		add_annotations(t, b, marks, &p);
		publish(t, b, &p);
	}
	forget_annotations(t);
	return 0;
}

int traces_close_due(struct traces *t, int64_t now_ns,
                     enum trace_verdict (*decide)(void *ctx, const struct trace *trace), void *ctx)
{
	int rc = 0;

	for (struct builder *b = traces_due_first(t); b != NULL && b->heap_due_ns <= now_ns; b = traces_due_first(t)) {
		if (close_one(t, b, now_ns, decide, ctx) != 0) {
			b->retry_ns = now_ns + RETRY_NS;
			rc = -ENOMEM;
		}
	}
	traces_make_room(t);
	return rc;
}

/* ---- looking at open ones ---- */

static int reserve_scratch(struct traces *t, size_t size)
{
	if (size <= t->scratch_cap)
		return 0;
	mem_free(t->scratch);
	t->scratch_cap = 0;
	t->scratch = mem_alloc(size);
	if (t->scratch == NULL)
		return -ENOMEM;
	t->scratch_cap = size;
	return 0;
}

int traces_each_open(struct traces *t, bool (*each)(void *ctx, const struct trace *trace), void *ctx)
{
	for (const struct builder *b = t->oldest; b != NULL; b = b->newer) {
		size_t size = finisher_plan(&t->finisher, &b->parts);
		if (size == 0 || reserve_scratch(t, size) != 0)
			return -ENOMEM;
		finisher_write(&t->finisher, &b->parts, b->id, b->marks | TRACE_OPEN, t->scratch);
		if (!each(ctx, t->scratch))
			break;
	}
	return 0;
}

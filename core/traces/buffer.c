/* The buffer: spans come in, what is too much goes. */
#include <errno.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "traces/internal.h"

enum {
	PAGE_BYTES_MAX = 1 << 20,
	PAGE_BYTES_MIN = 1 << 16,
	PAGES_WANTED = 32,       /* at least, of a full buffer: with each some of what is here goes at once */
	GONE_MAX = 1 << 18,      /* traces that have left are remembered, */
	BYTES_FOR_GONE = 1 << 10 /* one for so many bytes of the buffer at most */
};

static void set_defaults(struct traces_options *o)
{
	if (o->settle_ns <= 0)
		o->settle_ns = 5 * NS_PER_S;
	if (o->max_age_ns <= 0)
		o->max_age_ns = 600 * NS_PER_S;
	if (o->max_bytes == 0)
		o->max_bytes = (size_t)256 << 20;
	if (o->max_spans == 0)
		o->max_spans = 100000;
}

struct traces *traces_new(const struct traces_options *options)
{
	struct traces *t = mem_zalloc(1, sizeof *t);

	if (t == NULL)
		return NULL;
	t->options = *options;
	set_defaults(&t->options);
	size_t max = t->options.max_bytes;
	t->pages.page_bytes = max / PAGES_WANTED > PAGE_BYTES_MAX   ? PAGE_BYTES_MAX
	                      : max / PAGES_WANTED < PAGE_BYTES_MIN ? PAGE_BYTES_MIN
	                                                            : (max / PAGES_WANTED) & ~(size_t)7;
	t->gone.max = max / BYTES_FOR_GONE > GONE_MAX ? GONE_MAX : (uint32_t)(max / BYTES_FOR_GONE) + 1;
	t->entry_free = TRACE_NONE;
	mutex_init(&t->lock);
	return t;
}

void traces_free(struct traces *t)
{
	if (t == NULL)
		return;
	while (t->oldest != NULL) {
		struct builder *b = t->oldest;
		t->oldest = b->newer;
		builder_free(b);
	}
	while (t->spare != NULL) {
		struct builder *b = t->spare;
		t->spare = b->newer;
		builder_free(b);
	}
	while (t->pages.oldest != NULL) {
		struct page *page = t->pages.oldest;
		bool last = pages_remove(&t->pages, page);
		CHECK(last); /* no view is open */
		page_free(page);
	}
	refill_free(t);
	gone_deinit(&t->gone);
	table_deinit(&t->table);
	finisher_deinit(&t->finisher);
	buf_free(&t->outcomes);
	buf_free(&t->annotation_text);
	mem_free(t->annotations);
	mem_free(t->annotated);
	mem_free(t->scratch);
	mem_free(t->entries);
	mem_free(t->open);
	mem_free(t->heap);
	mem_free(t->plans);
	mutex_deinit(&t->lock);
	mem_free(t);
}

/* ---- adding ---- */

/* A trace that is not here, or not any more. */
static struct builder *open_new(struct traces *t, const uint8_t id[16], uint64_t seq)
{
	struct builder *b = traces_builder_new(t, id);
	enum gone_how gone = gone_find(&t->gone, id);

	if (b == NULL)
		return NULL;
	b->first_seq = seq;
	if (gone != GONE_NOT)
		b->marks = TRACE_CUT;
	if (gone == GONE_DROPPED || gone == GONE_EVICTED_CLOSED) {
		b->marks |= TRACE_LATE;
		b->late_seq = seq;
	}
	b->was_dropped = gone == GONE_DROPPED;
	return b;
}

static struct builder *open_again(struct traces *t, const struct piece *piece, uint64_t seq)
{
	struct builder *b = traces_builder_new(t, piece->trace.id);

	if (b == NULL || builder_reopen(b, &piece->trace) != 0) {
		traces_builder_free(t, b);
		return NULL;
	}
	b->marks = TRACE_LATE | (piece->trace.marks & TRACE_CUT);
	b->first_seq = piece->first_seq;
	b->records = piece->records;
	b->late_seq = seq;
	return b;
}

/* The open trace of this id. NULL: memory is out. */
static struct builder *open_trace(struct traces *t, const uint8_t id[16], uint64_t seq, int64_t now_ns)
{
	uint32_t at = traces_table_entry(t, id);
	struct page *page = NULL;

	if (at != TABLE_NONE && t->entries[at].open != NULL)
		return t->entries[at].open;
	struct builder *b = at == TABLE_NONE
	                        ? open_new(t, id, seq)
	                        : open_again(t, (struct piece *)(t->entries[at].page->data + t->entries[at].at), seq);
	if (b == NULL)
		return NULL;
	b->first_ns = b->last_ns = now_ns;
	struct entry was = at != TABLE_NONE ? t->entries[at] : (struct entry){.at = 0};
	if (traces_table_open(t, b) != 0) {
		traces_builder_free(t, b);
		return NULL;
	}
	t->stats.spans += b->parts.of[PART_SPANS].count;
	if (was.page != NULL) {
		struct builder *opened = t->entries[at].open;
		t->entries[at] = was;
		page = traces_table_give_up(t, at);
		t->entries[at].open = opened;
		t->entries[at].page = NULL;
	}
	page_free(page);
	return b;
}

/* One that holds nothing yet is not left behind. */
static void close_empty(struct traces *t, struct builder *b)
{
	if (b->parts.of[PART_SPANS].count > 0)
		return;
	traces_table_close(t, b, NULL, 0);
	traces_builder_free(t, b);
}

static int add_to(struct traces *t, struct builder *b, const struct record *r, const struct span_plan *plan,
                  const struct span_ids *ids)
{
	size_t before = b->bytes;
	uint8_t marks = b->late_seq != UINT64_MAX ? TRACE_SPAN_LATE : 0;
	int rc = span_record_add(b, r, plan, ids, t->serial, marks);

	t->open_bytes += b->bytes - before;
	if (rc != 0) {
		b->marks |= TRACE_CUT;
		t->stats.left_out_spans++;
		return rc;
	}
	b->records++;
	t->stats.spans++;
	t->stats.spans_total++;
	return 0;
}

static int add_record(struct traces *t, const struct record *r, uint64_t seq, int64_t now_ns)
{
	struct span_ids ids;
	const struct span_plan *plan = span_plan(t, r);
	int is_span = plan != NULL ? span_record_ids(r, plan, &ids) : -ENOMEM;

	if (is_span == 0)
		return 0;
	if (is_span == -EINVAL && r->kind == RECORD_EVENT) {
		t->stats.invalid_events++;
		return 0;
	}
	struct builder *b = is_span == 1 ? open_trace(t, ids.trace_id, seq, now_ns) : NULL;
	if (b == NULL) { /* a span without ids: filters can make one */
		t->stats.left_out_spans++;
		return is_span == -EINVAL ? 0 : -ENOMEM;
	}
	b->last_ns = now_ns;
	if (b->parts.of[PART_SPANS].count >= t->options.max_spans) {
		b->marks |= TRACE_CUT;
		t->stats.left_out_spans++;
		return 0;
	}
	int rc = add_to(t, b, r, plan, &ids);
	traces_due_earlier(t, b);
	close_empty(t, b);
	return rc;
}

int traces_add(struct traces *t, struct record *const *records, uint32_t count, uint64_t seq, int64_t now_ns)
{
	int rc = 0;

	t->batch = NULL; /* another one may lie where the last call's was */
	mutex_lock(&t->lock);
	for (uint32_t i = 0; i < count; i++) {
		if (add_record(t, records[i], seq, now_ns) != 0)
			rc = -ENOMEM;
	}
	(void)traces_due_first(t); /* so that traces_next_due can say it */
	mutex_unlock(&t->lock);
	traces_make_room(t);
	return rc;
}

/* ---- evicting ---- */

static bool evict_page(struct traces *t)
{
	if (t->pages.oldest == NULL)
		return false;
	mutex_lock(&t->lock);
	struct page *page = traces_table_evict_page(t);
	mutex_unlock(&t->lock);
	page_free(page);
	return true;
}

static bool evict_open(struct traces *t)
{
	struct builder *b = t->oldest;

	if (b == NULL)
		return false;
	mutex_lock(&t->lock);
	t->stats.spans -= b->parts.of[PART_SPANS].count;
	t->stats.evicted_traces++;
	t->stats.evicted_spans += b->parts.of[PART_SPANS].count;
	traces_table_close(t, b, NULL, 0);
	mutex_unlock(&t->lock);
	struct outcome gone = {.kind = OUTCOME_EVICTED};
	memcpy(gone.id, b->id, sizeof gone.id);
	outcome_put(t, &gone);
	/* What comes late of it is a part of it; where it was late itself, all that comes of it still is. */
	enum gone_how how = b->was_dropped          ? GONE_DROPPED
	                    : b->marks & TRACE_LATE ? GONE_EVICTED_CLOSED
	                                            : GONE_EVICTED_OPEN;
	(void)gone_add(&t->gone, b->id, how); /* else it is a new one */
	traces_builder_free(t, b);
	return true;
}

void traces_make_room(struct traces *t)
{
	while (traces_table_bytes(t) > t->options.max_bytes) {
		if (!evict_page(t) && !evict_open(t))
			break;
	}
	(void)traces_due_first(t);
	mutex_lock(&t->lock);
	t->stats.bytes = traces_table_bytes(t);
	mutex_unlock(&t->lock);
}

/* ---- what is asked ---- */

int64_t traces_next_due(const struct traces *t)
{
	return t->open_count > 0 ? t->heap[0]->heap_due_ns : INT64_MAX;
}

uint64_t traces_oldest_seq(const struct traces *t)
{
	uint64_t oldest = t->refill != NULL ? t->refill->oldest_seq : UINT64_MAX;

	for (const struct builder *b = t->oldest; b != NULL; b = b->newer)
		oldest = b->first_seq < oldest ? b->first_seq : oldest;
	for (const struct page *page = t->pages.oldest; page != NULL; page = page->newer)
		oldest = page->first_seq < oldest ? page->first_seq : oldest;
	return oldest;
}

void traces_stats(struct traces *t, struct traces_stats *out)
{
	mutex_lock(&t->lock);
	*out = t->stats;
	out->open = t->open_count;
	mutex_unlock(&t->lock);
}

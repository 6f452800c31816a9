/* Behind a restart: the traces that a checkpoint speaks of are read again from the journal's frames. */
#include <errno.h>

#include "base/mem.h"
#include "traces/internal.h"

static bool same_id(const void *ctx, const void *key, uint32_t item)
{
	const struct refill *r = ctx;

	return memcmp(r->items[item].id, key, sizeof r->items[item].id) == 0;
}

static struct refill_trace *find(const struct refill *r, const uint8_t id[16])
{
	uint32_t at = table_find(&r->table, id_hash(id), same_id, r, id);

	return at != TABLE_NONE ? &r->items[at] : NULL;
}

int refill_add(struct refill *r, const struct refill_trace *one)
{
	void *items = r->items;

	if (find(r, one->id) != NULL)
		return -EBADMSG;
	int rc = mem_grow(&items, &r->cap, r->count, sizeof *r->items);
	r->items = items;
	if (rc != 0 || table_add(&r->table, id_hash(one->id), r->count) != 0)
		return -ENOMEM;
	r->items[r->count++] = *one;
	return 0;
}

void refill_free(struct traces *t)
{
	struct refill *r = t->refill;

	if (r == NULL)
		return;
	for (uint32_t i = 0; i < r->count; i++) {
		if (r->items[i].builder != NULL)
			t->open_bytes -= r->items[i].builder->bytes;
		builder_free(r->items[i].builder);
		buf_free(&r->items[i].annotations);
	}
	mem_free(r->items);
	table_deinit(&r->table);
	mem_free(r);
	t->refill = NULL;
}

/* ---- annotations ---- */

/* Which span of the builder is meant: by its number, where the trace is what it was then, else the first of its id. */
static uint32_t find_annotated(const struct traces *t, const struct builder *b, const struct outcome *o)
{
	const struct trace_span *spans = parts_spans(&b->parts);

	if (o->span < t->finisher.kept && spans[finisher_source(&t->finisher, o->span)].id == o->span_id)
		return finisher_source(&t->finisher, o->span);
	for (uint32_t i = 0; i < b->parts.of[PART_SPANS].count; i++) {
		if (spans[i].id == o->span_id)
			return i;
	}
	return TRACE_NONE;
}

static int annotate(struct traces *t, struct builder *b, const struct refill_trace *f)
{
	struct slice left = buf_slice(&f->annotations);
	struct outcome o;
	int rc = 0;

	if (left.len > 0 && finisher_plan(&t->finisher, &b->parts) == 0)
		return -ENOMEM;
	while (rc == 0 && left.len > 0 && outcome_get(&left, &o)) {
		uint32_t span = find_annotated(t, b, &o);
		if (span != TRACE_NONE)
			rc = builder_annotate(b, span, o.name, &o.value);
	}
	return rc;
}

static int keep_annotation(struct refill *r, const struct outcome *o, struct slice bytes)
{
	struct refill_trace *f = o->kind == OUTCOME_ANNOTATED ? find(r, o->id) : NULL;

	if (f == NULL)
		return 0;
	buf_slice_append(&f->annotations, bytes);
	return buf_failed(&f->annotations) ? -ENOMEM : 0;
}

int traces_refill_outcomes(struct traces *t, struct slice outcomes, struct error *err)
{
	struct outcome o;

	while (outcomes.len > 0) {
		struct slice from = outcomes;
		if (!outcome_get(&outcomes, &o))
			return error_set(err, -EBADMSG, "what became of traces cannot be read");
		from.len -= outcomes.len;
		if (t->refill != NULL && keep_annotation(t->refill, &o, from) != 0)
			return error_set(err, -ENOMEM, "out of memory for what became of traces");
	}
	return 0;
}

/* ---- spans ---- */

/* The trace is whole: it becomes an open one, or a closed one. */
static int take_over(struct traces *t, struct refill_trace *f)
{
	struct builder *b = f->builder;
	size_t before = b->bytes;
	int rc = annotate(t, b, f);

	t->open_bytes += b->bytes - before;
	if (rc != 0)
		return rc;
	b->first_ns = f->open ? f->first_ns : 0;
	b->last_ns = f->open ? f->last_ns : 0;
	b->marks = f->marks | (f->got < f->records ? TRACE_CUT : 0);
	b->records = f->records;
	t->open_bytes -= b->bytes; /* traces_table_open counts them */
	if (traces_table_open(t, b) != 0) {
		t->open_bytes += b->bytes;
		return -ENOMEM;
	}
	t->stats.spans += b->parts.of[PART_SPANS].count;
	f->builder = NULL;
	return f->open ? 0 : close_quietly(t, b, b->marks);
}

static struct builder *refill_builder(struct traces *t, struct refill_trace *f)
{
	if (f->builder != NULL || f->got == f->records)
		return f->builder;
	f->builder = builder_new(f->id);
	if (f->builder == NULL)
		return NULL;
	f->builder->first_seq = f->first_seq;
	f->builder->late_seq = f->late_seq;
	f->builder->was_dropped = f->was_dropped;
	t->open_bytes += f->builder->bytes;
	return f->builder;
}

static int refill_record(struct traces *t, const struct record *r, uint64_t seq)
{
	struct span_ids ids;
	const struct span_plan *plan = span_plan(t, r);

	if (plan == NULL)
		return -ENOMEM;
	if (span_record_ids(r, plan, &ids) != 1)
		return 0;
	struct refill_trace *f = find(t->refill, ids.trace_id);
	if (f == NULL || seq < f->first_seq || f->got == f->records)
		return 0;
	struct builder *b = refill_builder(t, f);
	if (b == NULL)
		return -ENOMEM;
	size_t before = b->bytes;
	int rc = span_record_add(b, r, plan, &ids, t->serial, seq >= f->late_seq ? TRACE_SPAN_LATE : 0);
	t->open_bytes += b->bytes - before;
	if (rc != 0)
		return rc;
	f->got++;
	return f->got == f->records && !f->open ? take_over(t, f) : 0;
}

int traces_refill(struct traces *t, struct record *const *records, uint32_t count, uint64_t seq, int64_t now_ns)
{
	int rc = 0;

	(void)now_ns; /* the checkpoint says when what is open came */
	if (t->refill == NULL)
		return 0;
	t->batch = NULL;
	for (uint32_t i = 0; i < count && rc == 0; i++)
		rc = refill_record(t, records[i], seq);
	traces_make_room(t);
	return rc;
}

int traces_refill_end(struct traces *t)
{
	struct refill *r = t->refill;
	int rc = 0;

	for (uint32_t i = 0; r != NULL && i < r->count && rc == 0; i++) {
		struct refill_trace *f = &r->items[i];
		if (f->builder != NULL && f->got > 0)
			rc = take_over(t, f);
	}
	refill_free(t);
	traces_make_room(t);
	return rc;
}

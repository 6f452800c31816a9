/* Snapshots: the rows of all families copied, everything else shared (block.h).
 *
 * What it costs the writer: one memcpy a chunk of 1024 series, 16 bytes a series of a counter, gauge or topk, 24 to
 * 32 of a summary, distinct, ratio and mean, 16 + 8 a bucket of a histogram. States (sketches, registers, rings) are
 * not copied now; the first change of each after the snapshot copies that one state, as long as the snapshot lives. */
#include "metrics/snapshot.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "metrics/distinct.h"
#include "metrics/summary.h"
#include "metrics/window.h"

/* A full chunk's copy lies in a spare buffer. */
static bool is_full(uint32_t used, size_t chunk)
{
	return chunk_part(used, chunk) == CHUNK_SERIES;
}

static void free_rows(struct metrics_snapshot *s, struct family_view *f, size_t i)
{
	if (is_full(f->used, i))
		spares_give(&s->snapshots->spares, f->chunks[i].rows, (size_t)CHUNK_SERIES * f->row_size);
	else
		mem_free(f->chunks[i].rows);
}

static void free_families(struct metrics_snapshot *s)
{
	for (size_t i = 0; i < s->family_count; i++) {
		struct family_view *f = &s->families[i];
		for (size_t j = 0; j < f->chunk_count; j++)
			free_rows(s, f, j);
		mem_free(f->chunks);
	}
	mem_free(s->families);
}

static int copy_chunk(struct chunk_view *to, const struct metric *m, size_t i)
{
	const struct series_chunk *chunk = &m->chunks[i];
	size_t size = (size_t)chunk_part(m->used, i) * m->row_size;

	to->labels = chunk->labels;
	to->exemplars = chunk->exemplars;
	to->rows = is_full(m->used, i) ? spares_take(&m->registry->snapshots->spares, size) : mem_alloc(size);
	if (to->rows == NULL)
		return -ENOMEM;
	if (size != 0)
		memcpy(to->rows, chunk->rows, size);
	return 0;
}

static int copy_family(struct family_view *f, const struct metric *m)
{
	*f = (struct family_view){
	    .meta = m->meta,
	    .identity = m->identity,
	    .row_size = m->row_size,
	    .cell_count = m->cell_count,
	    .exemplar_slots = exemplar_slots(m),
	    .idle_s = m->idle_s,
	    .used = m->used,
	    .disordered = m->disordered,
	};
	f->chunks = mem_zalloc(m->chunk_count, sizeof *f->chunks);
	if (f->chunks == NULL)
		return -ENOMEM;
	int rc = 0;
	for (; rc == 0 && f->chunk_count < m->chunk_count; f->chunk_count++)
		rc = copy_chunk(&f->chunks[f->chunk_count], m, f->chunk_count);
	return rc;
}

struct metrics_snapshot *registry_snapshot(struct registry *r)
{
	struct metrics_snapshot *s = mem_zalloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	s->snapshots = r->snapshots;
	s->families = mem_zalloc(r->metric_count, sizeof *s->families);
	if (s->families == NULL)
		goto out_of_memory;
	while (s->family_count < r->metric_count) {
		size_t i = s->family_count++;
		if (copy_family(&s->families[i], r->metrics[i]) != 0)
			goto out_of_memory;
	}
	atomic_init(&s->refs, 1);
	s->now_ns = r->now_ns;
	s->now_s = r->now_s;
	snapshots_enter(r->snapshots, &s->link);
	return s;

out_of_memory:
	free_families(s);
	mem_free(s);
	return NULL;
}

struct metrics_snapshot *registry_snapshot_at(struct registry *r, int64_t shown_ns)
{
	struct metrics_snapshot *s = registry_snapshot(r);

	if (s != NULL)
		s->now_s = touched_at(shown_ns);
	return s;
}

struct metrics_snapshot *metrics_snapshot_ref(struct metrics_snapshot *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void metrics_snapshot_unref(struct metrics_snapshot *s)
{
	if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	free_families(s);
	snapshots_leave(s->snapshots, &s->link);
	mem_free(s);
}

/* ---- walks ---- */

static bool view_series(const struct series_walk *w, uint32_t number, struct series_view *out)
{
	const struct family_view *f = w->family;
	const struct chunk_view *chunk = &f->chunks[number >> CHUNK_BITS];
	uint32_t at = number & (CHUNK_SERIES - 1);

	out->number = number;
	out->labels = chunk->labels->items[at];
	out->row = (const struct series_row *)(chunk->rows + (size_t)at * f->row_size);
	return out->labels != NULL && !row_idle(out->row, f->idle_s, w->now_s);
}

static int compare_ages(const void *a, const void *b)
{
	const struct series_age *x = a, *y = b;

	return (x->birth > y->birth) - (x->birth < y->birth);
}

void walk_begin_numbers(struct series_walk *w, const struct metrics_snapshot *s, const struct family_view *f)
{
	*w = (struct series_walk){.family = f, .now_s = s->now_s, .count = f->used};
}

int walk_begin(struct series_walk *w, const struct metrics_snapshot *s, const struct family_view *f)
{
	struct series_view v;

	walk_begin_numbers(w, s, f);
	if (!f->disordered)
		return 0;
	w->order = mem_alloc(f->used * sizeof *w->order);
	if (w->order == NULL) {
		w->count = 0;
		return -ENOMEM;
	}
	w->count = 0;
	for (uint32_t i = 0; i < f->used; i++) {
		if (view_series(w, i, &v))
			w->order[w->count++] = (struct series_age){v.labels->birth, i};
	}
	qsort(w->order, w->count, sizeof *w->order, compare_ages);
	return 0;
}

bool walk_next(struct series_walk *w, struct series_view *out)
{
	while (w->at < w->count) {
		uint32_t at = w->at++;
		if (view_series(w, w->order != NULL ? w->order[at].number : at, out))
			return true;
	}
	return false;
}

void walk_end(struct series_walk *w)
{
	mem_free(w->order);
}

/* ---- values ---- */

double series_value(const struct family_view *f, const struct series_view *v, int64_t now_ns)
{
	const struct metric_def *def = &f->meta->def;

	switch (def->type) {
	case METRIC_DISTINCT:
		return distinct_count((const void *)v->row->cells[CELL_STATE].state, now_ns);
	case METRIC_RATIO:
	case METRIC_MEAN:
		return ring_mean((const void *)v->row->cells[CELL_STATE].state, def->window_ns, now_ns);
	default:
		return v->row->value;
	}
}

void series_quantiles(const struct family_view *f, const struct series_view *v, int64_t now_ns, double *out)
{
	const struct metric_def *def = &f->meta->def;
	const struct sketch *sketch = (const struct sketch *)v->row->cells[CELL_STATE].state;

	sketch_quantiles(sketch, def->window_ns, now_ns, def->quantiles, def->quantile_count, out);
}

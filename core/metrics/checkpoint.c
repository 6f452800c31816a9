/* Saving a snapshot; FORMAT.md describes every byte. The same snapshot always gives the same bytes, and loading and
 * saving again gives them once more. */
#include "metrics/checkpoint.h"

#include <errno.h>
#include <stdlib.h>

#include "metrics/distinct.h"
#include "metrics/snapshot.h"
#include "metrics/summary.h"
#include "metrics/window.h"

static void put_int(struct buf *out, uint64_t v, size_t size)
{
	char *to = buf_room(out, size);

	if (to == NULL)
		return;
	for (size_t i = 0; i < size; i++)
		to[i] = (char)(v >> 8 * i & 0xff);
	out->len += size;
}

static void put_f64(struct buf *out, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof bits);
	put_int(out, bits, sizeof bits);
}

static void put_f32(struct buf *out, float v)
{
	uint32_t bits;

	memcpy(&bits, &v, sizeof bits);
	put_int(out, bits, sizeof bits);
}

static void put_text(struct buf *out, struct slice s)
{
	put_int(out, s.len, 2);
	buf_slice_append(out, s);
}

static void save_sketch(struct buf *out, const struct sketch *s)
{
	put_int(out, s != NULL, 1);
	if (s == NULL)
		return;
	put_int(out, (uint64_t)s->head, 8);
	for (uint32_t i = 0; i < SUMMARY_SLOTS; i++)
		put_int(out, s->end[i], 4);
	for (uint32_t i = 0; i < s->end[SUMMARY_SLOTS - 1]; i++)
		put_int(out, s->entries[i], 8);
}

static int compare_hashes(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void save_distinct(struct buf *out, const struct distinct *d)
{
	uint64_t sorted[DISTINCT_CAP_MAX];
	uint32_t count = 0;

	if (d == NULL) {
		put_int(out, CHECKPOINT_DISTINCT_NONE, 1);
		return;
	}
	put_int(out, d->cap != 0 ? CHECKPOINT_DISTINCT_SET : CHECKPOINT_DISTINCT_REGISTERS, 1);
	put_int(out, (uint64_t)d->start, 8);
	put_int(out, (uint64_t)d->next, 8);
	if (d->cap == 0) {
		buf_append(out, d->u.dense.registers, DISTINCT_REGISTERS);
		return;
	}
	for (uint32_t i = 0; i < d->cap; i++) {
		if (d->u.hashes[i] != 0)
			sorted[count++] = d->u.hashes[i];
	}
	qsort(sorted, count, sizeof *sorted, compare_hashes);
	put_int(out, count, 4);
	for (uint32_t i = 0; i < count; i++)
		put_int(out, sorted[i], 8);
}

static void save_ring(struct buf *out, const struct ring *s)
{
	uint64_t used = 0;

	put_int(out, s != NULL, 1);
	if (s == NULL)
		return;
	for (uint32_t i = 0; i < WINDOW_SLOTS; i++)
		used |= (uint64_t)(s->slots[i].count != 0) << i;
	put_int(out, (uint64_t)s->head, 8);
	put_int(out, used, 8);
	for (uint32_t i = 0; i < WINDOW_SLOTS; i++) {
		if (s->slots[i].count == 0)
			continue;
		put_f64(out, s->slots[i].sum);
		put_int(out, s->slots[i].count, 8);
	}
}

static void save_state(struct buf *out, const struct family_view *f, const struct series_row *row)
{
	switch (f->meta->def.type) {
	case METRIC_COUNTER:
	case METRIC_GAUGE:
		return;
	case METRIC_HISTOGRAM:
		for (uint32_t i = 0; i < f->cell_count; i++)
			put_int(out, row->cells[i].count, 8);
		return;
	case METRIC_SUMMARY:
		put_int(out, row->cells[CELL_SUMMARY_COUNT].count, 8);
		save_sketch(out, (const void *)row->cells[CELL_STATE].state);
		return;
	case METRIC_DISTINCT:
		save_distinct(out, (const void *)row->cells[CELL_STATE].state);
		return;
	case METRIC_TOPK:
		put_f64(out, row->cells[CELL_TOPK_INHERITED].num);
		return;
	case METRIC_RATIO:
	case METRIC_MEAN:
		save_ring(out, (const void *)row->cells[CELL_STATE].state);
		return;
	}
}

static void save_exemplars(struct buf *out, const struct family_view *f, uint32_t number)
{
	uint32_t count = 0;

	if (f->exemplar_slots == 0)
		return;
	for (uint32_t i = 0; i < f->exemplar_slots; i++)
		count += view_exemplar(f, number, i) != NULL;
	put_int(out, count, 1);
	for (uint32_t i = 0; i < f->exemplar_slots && count != 0; i++) {
		const struct exemplar *e = view_exemplar(f, number, i);
		if (e == NULL)
			continue;
		put_int(out, i, 1);
		put_int(out, (uint64_t)e->time_ns, 8);
		put_f64(out, e->value);
		put_text(out, slice_new(e->ids, e->trace_len));
		put_text(out, slice_new(e->ids + e->trace_len, e->span_len));
	}
}

static void save_series(struct buf *out, const struct family_view *f, const struct series_view *v)
{
	put_text(out, series_labels_key(v->labels));
	put_int(out, (uint64_t)v->labels->created_ns, 8);
	put_int(out, v->row->touched, 4);
	put_f64(out, v->row->value);
	put_f32(out, v->row->rest);
	save_state(out, f, v->row);
	save_exemplars(out, f, v->number);
}

static void save_def(struct buf *out, const struct metric_def *def)
{
	put_int(out, def->type, 1);
	put_int(out, def->period, 1);
	put_int(out, def->label_count, 1);
	put_int(out, def->bucket_count, 1);
	put_int(out, def->quantile_count, 1);
	put_int(out, (uint64_t)def->window_ns, 8);
	put_int(out, def->k, 4);
	put_int(out, def->max_series, 4);
	put_int(out, (uint64_t)def->idle_ns, 8);
	put_text(out, def->name);
	put_text(out, def->help);
	put_text(out, def->unit);
	put_text(out, def->where);
	for (uint32_t i = 0; i < def->label_count; i++)
		put_text(out, def->labels[i]);
	for (uint32_t i = 0; i < def->bucket_count; i++)
		put_f64(out, def->buckets[i]);
	for (uint32_t i = 0; i < def->quantile_count; i++)
		put_f64(out, def->quantiles[i]);
}

static int save_family(struct buf *out, const struct metrics_snapshot *s, const struct family_view *f)
{
	struct series_walk walk;
	struct series_view v;
	uint32_t count = 0;

	save_def(out, &f->meta->def);
	size_t count_at = out->len;
	put_int(out, 0, 4);
	int rc = walk_begin(&walk, s, f);
	while (!buf_failed(out) && walk_next(&walk, &v)) {
		save_series(out, f, &v);
		count++;
	}
	walk_end(&walk);
	if (rc != 0 || buf_failed(out))
		return -ENOMEM;
	for (uint32_t i = 0; i < 4; i++)
		out->ptr[count_at + i] = (char)(count >> 8 * i & 0xff);
	return 0;
}

int metrics_snapshot_save(const struct metrics_snapshot *s, struct buf *out)
{
	int rc = 0;

	buf_str(out, CHECKPOINT_MAGIC);
	put_int(out, CHECKPOINT_VERSION, 4);
	put_int(out, (uint64_t)s->now_ns, 8);
	put_int(out, s->family_count, 4);
	for (size_t i = 0; i < s->family_count && rc == 0; i++)
		rc = save_family(out, s, &s->families[i]);
	return buf_failed(out) ? -ENOMEM : rc;
}

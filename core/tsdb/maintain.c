/* The keeper's work: the head's older part becomes blocks, small blocks become large ones, old ones go. One step a call. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/mem.h"
#include "record/labels.h"
#include "tsdb/sample_room.h"
#include "tsdb/store.h"

enum { MERGE_FACTOR = 3 /* each size of blocks is so many of the one below */ };

static int out_of_memory(const struct tsdb *t, struct error *err)
{
	return error_set(err, -ENOMEM, "out of memory while maintaining %s", t->dir);
}

/* 0, or -ECANCELED: nobody waits for what is half done. */
static int goes_on(const struct tsdb *t, struct error *err)
{
	return atomic_load(&t->stopping) ? error_set(err, -ECANCELED, "%s is being closed", t->dir) : 0;
}

static int remove_block(const struct tsdb *t, const char *name, struct error *err)
{
	struct buf path = {0};
	buf_printf(&path, "%s/%s", t->dir, name);
	buf_byte(&path, '\0');
	int code = buf_failed(&path) ? -ENOMEM : file_unlink(path.ptr);
	buf_free(&path);
	if (code == 0 || code == -ENOENT) /* not there: removed by an earlier step that then failed */
		return 0;
	return error_set(err, code, "%s/%s cannot be removed: %s", t->dir, name, strerror(-code));
}

/* Opens what was written; where that fails it is removed, to be made again. NULL with a sentence. */
static struct block *take_written(const struct tsdb *t, const char *name, struct error *err)
{
	struct block *b = block_open(t->dir, name, err);
	struct error ignored;
	if (b == NULL)
		(void)remove_block(t, name, &ignored); /* where it stays, it is whole: the next start finds it */
	return b;
}

/* ---- sealing ---- */

struct sealable {
	struct slice labels;
	uint32_t number;
};

static int compare_sealable(const void *a, const void *b)
{
	return labels_compare(((const struct sealable *)a)->labels, ((const struct sealable *)b)->labels);
}

/* All series of a view in the order of their labels. 0 or -ENOMEM. */
static int sorted_series(struct head_view *v, struct sealable **out, uint32_t *count)
{
	struct postings_source source;
	head_view_index(v, &source);
	struct postings all = source.all(source.ctx);
	*out = mem_alloc((all.count + (size_t)1) * sizeof **out);
	if (*out == NULL)
		return -ENOMEM;
	*count = 0;
	for (uint32_t i = 0; i < all.count; i++) {
		struct slice labels = head_view_labels(v, all.numbers[i]);
		if (labels.len > 0)
			(*out)[(*count)++] = (struct sealable){labels, all.numbers[i]};
	}
	qsort(*out, *count, sizeof **out, compare_sealable);
	return 0;
}

/* A time from `from_ms` on in the first block that has a sample; INT64_MAX: there is none before `to_ms`. */
static int first_sample(struct head_view *v, int64_t block_ms, int64_t from_ms, int64_t to_ms, int64_t *first)
{
	struct postings_source source;
	struct head_samples s;
	head_view_index(v, &source);
	struct postings all = source.all(source.ctx);
	*first = INT64_MAX;
	/* Mostly one series tells: it has a sample in the first block that there may be. */
	for (uint32_t i = 0; i < all.count && (*first == INT64_MAX || floor_to(*first, block_ms) > from_ms); i++) {
		int64_t until = *first < to_ms ? *first : to_ms;
		int code = head_view_read(v, all.numbers[i], from_ms, until - 1, &s);
		if (code != 0)
			return code;
		if (s.count > 0)
			*first = s.times_ms[0];
	}
	return 0;
}

/* Writes the samples of from_ms..to_ms. 0 and the name; -ENODATA: there is none. */
static int write_sealed(struct tsdb *t, struct head_view *v, int64_t from_ms, int64_t to_ms, char name[BLOCK_NAME_MAX],
                        struct error *err)
{
	struct sealable *all;
	uint32_t count;
	if (sorted_series(v, &all, &count) != 0)
		return out_of_memory(t, err);
	struct block_writer *w = block_writer_new(t->dir, from_ms, to_ms, err);
	int code = w == NULL ? err->code : 0;
	uint64_t lost = 0;
	for (uint32_t i = 0; i < count && code == 0; i++) {
		struct head_samples s;
		code = goes_on(t, err);
		if (code != 0)
			break;
		code = head_view_read(v, all[i].number, from_ms, to_ms - 1, &s);
		lost += s.damaged;
		if (code != 0)
			out_of_memory(t, err);
		else if (s.count > 0)
			code = block_writer_add(w, all[i].labels, &(struct column){s.times_ms, s.values, s.count}, err);
	}
	mem_free(all);
	if (code == 0) {
		code = block_writer_finish(w, name, err);
		if (code == 0 || code == -ENODATA)
			atomic_fetch_add(&t->lost, lost);
		return code;
	}
	block_writer_cancel(w);
	return code;
}

/* Makes the block that begins at from_ms, or finds that there is nothing for one. */
static int seal_one(struct tsdb *t, struct head_view *v, int64_t from_ms, int64_t to_ms, struct error *err)
{
	char name[BLOCK_NAME_MAX];
	struct block *b = NULL;
	int code = write_sealed(t, v, from_ms, to_ms, name, err);
	if (code != 0 && code != -ENODATA)
		return code;
	if (code == 0) {
		b = take_written(t, name, err);
		if (b == NULL)
			return err->code;
	}
	code = block_set_replace(t, t->set->count, 0, b, to_ms);
	if (code != 0) {
		block_close(b);
		return out_of_memory(t, err);
	}
	if (b != NULL)
		atomic_fetch_add(&t->sealed, 1);
	return 1;
}

static int seal(struct tsdb *t, struct error *err)
{
	int64_t to = atomic_load(&t->seal_to_ms), from = t->set->sealed_ms;
	if (to <= from)
		return 0;
	int code;
	struct head_view *v = head_view_open_kept(t->head, HEAD_SEALING, &code);
	if (v == NULL)
		return error_set(err, code, "no view of the head could be opened: %s", strerror(-code));
	int64_t first;
	code = first_sample(v, t->options.block_ms, from, to, &first);
	if (code != 0) {
		out_of_memory(t, err);
	} else if (first == INT64_MAX) { /* nothing up to `to` */
		code = block_set_replace(t, t->set->count, 0, NULL, to);
		if (code != 0)
			out_of_memory(t, err);
		else
			code = 1;
	} else {
		/* A stretch without samples is passed over at once. */
		int64_t begin = floor_to(first, t->options.block_ms);
		begin = begin < from ? from : begin;
		int64_t end;
		if (__builtin_add_overflow(floor_to(first, t->options.block_ms), t->options.block_ms, &end) || end > to)
			end = to;
		code = seal_one(t, v, begin, end, err);
	}
	head_view_close(v);
	return code;
}

/* ---- merging ---- */

struct merge_source {
	struct held_block *held;
	struct block_reader *reader;
	uint32_t at, count;
	struct buf labels; /* of the series at hand */
};

static int load_labels(struct merge_source *m, struct error *err)
{
	buf_reset(&m->labels);
	return m->at == m->count ? 0 : block_reader_series(m->reader, m->at, &m->labels, NULL, err);
}

static struct slice source_labels(const struct merge_source *m)
{
	return slice_new(m->labels.ptr, m->labels.len);
}

/* The least labels among the sources, or NULL: all are at their ends. */
static const struct merge_source *least(const struct merge_source *m, uint32_t count)
{
	const struct merge_source *best = NULL;
	for (uint32_t i = 0; i < count; i++) {
		if (m[i].at < m[i].count &&
		    (best == NULL || labels_compare(source_labels(&m[i]), source_labels(best)) < 0))
			best = &m[i];
	}
	return best;
}

/* Adds the series with these labels of all sources that have it, and moves these on. */
static int merge_series(struct tsdb *t, struct merge_source *m, uint32_t count, struct slice labels,
                        struct sample_room *g, struct block_writer *w, struct error *err)
{
	CHECK(labels.ptr != NULL); /* no series is without labels */
	g->count = 0;
	bool has[64] = {false};
	for (uint32_t i = 0; i < count; i++) {
		struct column c;
		if (m[i].at == m[i].count || !slice_eq(source_labels(&m[i]), labels))
			continue;
		has[i] = true;
		int code = block_reader_samples(m[i].reader, m[i].at, INT64_MIN, INT64_MAX, &c, err);
		if (code == -EBADMSG)
			m[i].held->damaged = true;
		if (code != 0)
			return code;
		if (sample_room_add(g, c.times_ms, c.values, c.count) != 0)
			return out_of_memory(t, err);
	}
	int code = block_writer_add(w, labels, &(struct column){g->times_ms, g->values, g->count}, err);
	for (uint32_t i = 0; i < count && code == 0; i++) {
		if (!has[i])
			continue;
		m[i].at++;
		code = load_labels(&m[i], err);
		if (code == -EBADMSG)
			m[i].held->damaged = true;
	}
	return code;
}

static int merge_all(struct tsdb *t, struct merge_source *m, uint32_t count, struct block_writer *w, struct error *err)
{
	struct sample_room g = {0};
	struct buf labels = {0};
	int code = goes_on(t, err);
	for (const struct merge_source *next; code == 0 && (next = least(m, count)) != NULL;) {
		buf_reset(&labels);
		buf_append(&labels, next->labels.ptr, next->labels.len);
		code = buf_failed(&labels) ? out_of_memory(t, err)
		                           : merge_series(t, m, count, slice_new(labels.ptr, labels.len), &g, w, err);
		if (code == 0)
			code = goes_on(t, err);
	}
	buf_free(&labels);
	sample_room_deinit(&g);
	return code;
}

/* Writes one block of `count` that follow each other. */
static int write_merged(struct tsdb *t, struct held_block *const *blocks, uint32_t count, char name[BLOCK_NAME_MAX],
                        struct error *err)
{
	struct merge_source m[64] = {0};
	struct block_writer *w = block_writer_new(t->dir, block_info(blocks[0]->block)->from_ms,
	                                          block_info(blocks[count - 1]->block)->to_ms, err);
	int code = w == NULL ? err->code : 0;
	for (uint32_t i = 0; i < count && code == 0; i++) {
		m[i].held = blocks[i];
		m[i].count = block_info(blocks[i]->block)->series;
		m[i].reader = block_reader_new(blocks[i]->block);
		code = m[i].reader == NULL ? out_of_memory(t, err) : load_labels(&m[i], err);
		if (code == -EBADMSG)
			blocks[i]->damaged = true;
	}
	if (code == 0)
		code = merge_all(t, m, count, w, err);
	for (uint32_t i = 0; i < count; i++) {
		block_reader_free(m[i].reader);
		buf_free(&m[i].labels);
	}
	if (code == 0)
		return block_writer_finish(w, name, err);
	block_writer_cancel(w);
	return code;
}

/* Puts one in the place of `count` blocks from `first` on. 1 or a negative errno. */
static int merge(struct tsdb *t, uint32_t first, uint32_t count, struct error *err)
{
	char name[BLOCK_NAME_MAX];
	struct block_set *set = block_set_get(t); /* the blocks, beyond the swap */
	int code = write_merged(t, set->items + first, count, name, err);
	struct block *b = code == 0 ? take_written(t, name, err) : NULL;
	if (code == 0 && b == NULL)
		code = err->code;
	if (code == 0 && block_set_replace(t, first, count, b, set->sealed_ms) != 0) {
		block_close(b);
		code = out_of_memory(t, err);
	}
	if (code == 0) {
		atomic_fetch_add(&t->merged, count);
		code = 1;
	}
	/* What cannot be removed now lies within the new one's time, and goes at the next start. */
	for (uint32_t i = first; code == 1 && i < first + count; i++) {
		int removed = remove_block(t, block_name(set->items[i]->block), err);
		if (removed != 0)
			code = removed;
	}
	block_set_unref(set);
	return code;
}

/* Blocks of [begin, begin + span), none damaged: how many from `at` on. */
static uint32_t within(const struct block_set *s, uint32_t at, int64_t begin, int64_t span)
{
	uint32_t count = 0;
	for (; at + count < s->count && count < 64; count++) {
		const struct block_info *b = block_info(s->items[at + count]->block);
		if (s->items[at + count]->damaged || span_ms(begin, b->to_ms) > (uint64_t)span)
			break;
	}
	return count;
}

/* Small blocks become one of three times their length, and so on, up to a tenth of the retention: windows are multiples of their length, so that every run merges alike. */
static int merge_some(struct tsdb *t, struct error *err)
{
	struct block_set *s = t->set; /* only this thread changes it */
	int64_t most = t->options.retention_ms / 10;
	for (int64_t span = t->options.block_ms * MERGE_FACTOR; span <= most; span *= MERGE_FACTOR) {
		for (uint32_t i = 0; i < s->count; i++) {
			int64_t begin = floor_to(block_info(s->items[i]->block)->from_ms, span);
			if (span_ms(begin, s->sealed_ms) < (uint64_t)span)
				break; /* it is not full yet */
			uint32_t count = within(s, i, begin, span);
			if (count >= 2)
				return merge(t, i, count, err);
		}
	}
	return 0;
}

/* ---- retention ---- */

static int retain(struct tsdb *t, struct error *err)
{
	struct block_set *s = t->set;
	if (s->count == 0)
		return 0;
	uint64_t bytes = 0;
	for (uint32_t i = 0; i < s->count; i++)
		bytes += block_info(s->items[i]->block)->bytes;
	const struct block_info *oldest = block_info(s->items[0]->block);
	int64_t newest = atomic_load(&t->newest_ms), limit;
	bool too_old = newest != INT64_MIN && !__builtin_sub_overflow(newest, t->options.retention_ms, &limit) &&
	               oldest->to_ms <= limit;
	if (!too_old && bytes <= t->options.retention_bytes)
		return 0;
	char name[BLOCK_NAME_MAX];
	memcpy(name, block_name(s->items[0]->block), sizeof name);
	/* First from the disk: a block that nobody serves any more, but is there, would come back at the next start. */
	int code = remove_block(t, name, err);
	if (code != 0)
		return code;
	if (block_set_replace(t, 0, 1, NULL, s->sealed_ms) != 0)
		return out_of_memory(t, err);
	atomic_fetch_add(&t->removed, 1);
	return 1;
}

int tsdb_maintain(struct tsdb *t, struct error *err)
{
	int code = seal(t, err);
	if (code == 0)
		code = retain(t, err);
	return code != 0 ? code : merge_some(t, err);
}

void tsdb_maintain_stop(struct tsdb *t)
{
	atomic_store(&t->stopping, true);
}

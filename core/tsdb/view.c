/* Views of the whole store, and what is selected from them: the head's series and those of each block, merged in the order of their labels. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/table.h"
#include "record/labels.h"
#include "tsdb/postings.h"
#include "tsdb/sample_room.h"
#include "tsdb/store.h"

struct tsdb_view *tsdb_view_open(struct tsdb *t, int *code)
{
	struct tsdb_view *v = mem_zalloc(1, sizeof *v);
	*code = -ENOMEM;
	if (v == NULL)
		return NULL;
	v->t = t;
	/* The set that there was when the head's view was opened: a later one may have what batches after it brought, which are then seen in half; an earlier one lacks what the head has let go. */
	v->set = block_set_get(t);
	for (;;) {
		v->head = head_view_open(t->head, code);
		struct block_set *now = block_set_get(t);
		if (v->head != NULL && now == v->set) {
			block_set_unref(now);
			return v;
		}
		block_set_unref(v->set);
		v->set = now;
		if (v->head == NULL)
			break;
		head_view_close(v->head);
	}
	block_set_unref(v->set);
	mem_free(v);
	return NULL;
}

void tsdb_view_close(struct tsdb_view *v)
{
	if (v == NULL)
		return;
	head_view_close(v->head);
	block_set_unref(v->set);
	mem_free(v);
}

/* ---- sources ---- */

struct head_entry {
	struct slice labels;
	uint32_t number;
};

/* A block, or the head. */
struct source {
	struct held_block *held; /* NULL: the head */
	struct block_reader *reader;
	struct postings numbers;          /* of a block */
	const struct head_entry *entries; /* of the head, sorted */
	uint32_t at, count;
	struct buf labels; /* of the block's series at hand */
	bool given;        /* it has the series that was given last, at `at` */
};

struct series_set {
	struct tsdb_view *view;
	int64_t from_ms, to_ms;
	struct arena arena;
	struct source *sources; /* in the order of time, the head last */
	uint32_t count;
	struct buf labels;       /* of the series that was given last */
	struct sample_room room; /* of samples that come from several sources */
};

static int out_of_memory(struct error *err)
{
	return error_set(err, -ENOMEM, "out of memory while selecting series");
}

static int compare_entries(const void *a, const void *b)
{
	return labels_compare(((const struct head_entry *)a)->labels, ((const struct head_entry *)b)->labels);
}

static int select_head(struct series_set *s, struct source *of, struct matcher *const *matchers, uint32_t count)
{
	struct postings_source source;
	struct postings found;
	head_view_index(s->view->head, &source);
	int code = postings_select(&source, matchers, count, &s->arena, &found);
	struct head_entry *entries =
	    code == 0 ? arena_alloc(&s->arena, (found.count + (size_t)1) * sizeof *entries) : NULL;
	if (entries == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < found.count; i++) {
		struct slice labels = head_view_labels(s->view->head, found.numbers[i]);
		int seen = head_view_sees(s->view->head, found.numbers[i]);
		if (seen < 0)
			return seen;
		if (seen == 1)
			entries[of->count++] = (struct head_entry){labels, found.numbers[i]};
	}
	qsort(entries, of->count, sizeof *entries, compare_entries);
	of->entries = entries;
	return 0;
}

static int load_labels(struct source *of, struct error *err)
{
	if (of->held == NULL || of->at == of->count)
		return 0;
	buf_reset(&of->labels);
	int code = block_reader_series(of->reader, of->numbers.numbers[of->at], &of->labels, NULL, err);
	if (code == -EBADMSG)
		of->held->damaged = true;
	return code;
}

static int select_block(struct series_set *s, struct source *of, struct matcher *const *matchers, uint32_t count,
                        struct error *err)
{
	struct postings_source source;
	of->reader = block_reader_new(of->held->block);
	if (of->reader == NULL)
		return out_of_memory(err);
	block_reader_index(of->reader, &source);
	if (postings_select(&source, matchers, count, &s->arena, &of->numbers) != 0 ||
	    block_reader_index_failed(of->reader))
		return out_of_memory(err);
	of->count = of->numbers.count;
	return load_labels(of, err);
}

struct series_set *tsdb_select(struct tsdb_view *v, struct matcher *const *matchers, uint32_t count, int64_t from_ms,
                               int64_t to_ms, struct error *err)
{
	struct series_set *s = mem_zalloc(1, sizeof *s);
	if (s == NULL) {
		out_of_memory(err);
		return NULL;
	}
	s->view = v;
	s->from_ms = from_ms;
	s->to_ms = to_ms;
	arena_init(&s->arena);
	s->sources = mem_zalloc(v->set->count + (size_t)1, sizeof *s->sources);
	int code = s->sources == NULL ? out_of_memory(err) : 0;
	for (uint32_t i = 0; i < v->set->count && code == 0; i++) {
		const struct block_info *b = block_info(v->set->items[i]->block);
		if (b->to_ms <= from_ms || b->from_ms > to_ms)
			continue;
		struct source *of = &s->sources[s->count++];
		of->held = v->set->items[i];
		code = select_block(s, of, matchers, count, err);
	}
	if (code == 0 && to_ms >= v->set->sealed_ms && select_head(s, &s->sources[s->count++], matchers, count) != 0)
		code = out_of_memory(err);
	if (code == 0)
		return s;
	series_set_free(s);
	return NULL;
}

void series_set_free(struct series_set *s)
{
	if (s == NULL)
		return;
	for (uint32_t i = 0; i < s->count; i++) {
		block_reader_free(s->sources[i].reader);
		buf_free(&s->sources[i].labels);
	}
	mem_free(s->sources);
	arena_deinit(&s->arena);
	buf_free(&s->labels);
	sample_room_deinit(&s->room);
	mem_free(s);
}

/* ---- the walk ---- */

static struct slice labels_at(const struct source *of)
{
	return of->held == NULL ? of->entries[of->at].labels : slice_new(of->labels.ptr, of->labels.len);
}

/* Past the series that was given last. */
static int move_on(struct series_set *s, struct error *err)
{
	for (uint32_t i = 0; i < s->count; i++) {
		struct source *of = &s->sources[i];
		if (!of->given)
			continue;
		of->given = false;
		of->at++;
		int code = load_labels(of, err);
		if (code != 0)
			return code;
	}
	return 0;
}

int series_set_next(struct series_set *s, struct slice *labels, struct error *err)
{
	int code = move_on(s, err);
	if (code != 0)
		return code;
	const struct source *least = NULL;
	for (uint32_t i = 0; i < s->count; i++) {
		const struct source *of = &s->sources[i];
		if (of->at < of->count && (least == NULL || labels_compare(labels_at(of), labels_at(least)) < 0))
			least = of;
	}
	if (least == NULL)
		return 0;
	buf_reset(&s->labels);
	buf_slice_append(&s->labels, labels_at(least));
	if (buf_failed(&s->labels))
		return out_of_memory(err);
	*labels = slice_new(s->labels.ptr, s->labels.len);
	for (uint32_t i = 0; i < s->count; i++) {
		struct source *of = &s->sources[i];
		of->given = of->at < of->count && slice_eq(labels_at(of), labels_at(least));
	}
	return 1;
}

/* ---- samples ---- */

static int read_source(struct series_set *s, const struct source *of, struct column *out, struct error *err)
{
	int64_t from = s->from_ms, to = s->to_ms;
	if (of->held != NULL) {
		int code = block_reader_samples(of->reader, of->numbers.numbers[of->at], from, to, out, err);
		if (code == -EBADMSG)
			of->held->damaged = true;
		return code;
	}
	struct head_samples h;
	from = from < s->view->set->sealed_ms ? s->view->set->sealed_ms : from;
	if (head_view_read(s->view->head, of->entries[of->at].number, from, to, &h) != 0)
		return out_of_memory(err);
	if (h.damaged > 0)
		return error_set(err, -EBADMSG, "%s is damaged: %u chunks of a series", s->view->t->chunks_dir,
		                 h.damaged);
	*out = (struct column){h.times_ms, h.values, h.count};
	return 0;
}

int series_set_samples(struct series_set *s, struct series_samples *out, struct error *err)
{
	uint32_t givers = 0;
	s->room.count = 0;
	*out = (struct series_samples){0};
	for (uint32_t i = 0; i < s->count; i++)
		givers += s->sources[i].given;
	for (uint32_t i = 0; i < s->count; i++) {
		struct column c = {0};
		if (!s->sources[i].given)
			continue;
		int code = read_source(s, &s->sources[i], &c, err);
		if (code != 0)
			return code;
		if (givers == 1) { /* as most are: no copy */
			*out = (struct series_samples){c.times_ms, c.values, c.count};
			return 0;
		}
		if (sample_room_add(&s->room, c.times_ms, c.values, c.count) != 0)
			return out_of_memory(err);
	}
	*out = (struct series_samples){s->room.times_ms, s->room.values, s->room.count};
	return 0;
}

/* ---- names and values of labels ---- */

/* Texts of several sources, each once; sorted in the end. */
struct texts {
	struct slice *items; /* owned */
	size_t count, cap;
	struct table table;
	struct arena *arena; /* of their bytes */
};

static bool same_text(const void *ctx, const void *key, uint32_t item)
{
	const struct texts *t = ctx;
	return slice_eq(t->items[item], *(const struct slice *)key);
}

static int add_text(struct texts *t, struct slice text)
{
	uint64_t hash = hash_bytes(text.ptr, text.len, hash_seed());
	if (table_find(&t->table, hash, same_text, t, &text) != TABLE_NONE)
		return 0;
	if (mem_grow((void **)&t->items, &t->cap, t->count, sizeof *t->items) != 0)
		return -ENOMEM;
	struct slice copy = arena_copy(t->arena, text);
	if (copy.ptr == NULL || table_add(&t->table, hash, (uint32_t)t->count) != 0)
		return -ENOMEM;
	t->items[t->count++] = copy;
	return 0;
}

static int finish_texts(struct texts *t, const struct slice **out, uint32_t *count)
{
	struct slice *copy = arena_alloc(t->arena, (t->count + 1) * sizeof *copy);
	if (copy == NULL)
		return -ENOMEM;
	if (t->count > 0) {
		qsort(t->items, t->count, sizeof *t->items, slice_order);
		memcpy(copy, t->items, t->count * sizeof *copy);
	}
	*out = copy;
	*count = (uint32_t)t->count;
	return 0;
}

/* Adds the texts of the labels of each series that matches: names, or the values of one name. */
static int add_of_series(struct tsdb_view *v, const struct slice *name, struct matcher *const *matchers, uint32_t count,
                         int64_t from_ms, int64_t to_ms, struct texts *to, struct error *err)
{
	struct series_set *s = tsdb_select(v, matchers, count, from_ms, to_ms, err);
	struct slice labels;
	int code = s == NULL ? err->code : 0;
	while (code == 0 && (code = series_set_next(s, &labels, err)) == 1) {
		code = 0;
		for (struct label l; code == 0 && labels_next(&labels, &l);) {
			if (name != NULL && !slice_eq(l.name, *name))
				continue;
			code = add_text(to, name == NULL ? l.name : l.value);
			if (code != 0)
				out_of_memory(err);
		}
	}
	series_set_free(s);
	return code;
}

/* Adds what the indexes of head and blocks have. */
static int add_of_indexes(struct tsdb_view *v, const struct slice *name, int64_t from_ms, int64_t to_ms,
                          struct texts *to, struct error *err)
{
	struct arena arena;
	const struct slice *items;
	uint32_t count = 0;
	int code = 0;
	arena_init(&arena);
	for (uint32_t i = 0; i <= v->set->count && code == 0; i++) {
		struct block_reader *r = NULL;
		struct postings_source source;
		if (i < v->set->count) {
			const struct block *b = v->set->items[i]->block;
			if (block_info(b)->to_ms <= from_ms || block_info(b)->from_ms > to_ms)
				continue;
			r = block_reader_new(b);
			if (r == NULL) {
				code = -ENOMEM;
				break;
			}
			block_reader_index(r, &source);
			code = name != NULL ? source.values(source.ctx, *name, &arena, &items, &count)
			                    : block_reader_label_names(r, &arena, &items, &count);
		} else {
			head_view_index(v->head, &source);
			code = name != NULL ? source.values(source.ctx, *name, &arena, &items, &count)
			                    : head_view_label_names(v->head, &arena, &items, &count);
		}
		for (uint32_t k = 0; k < count && code == 0; k++)
			code = add_text(to, items[k]);
		block_reader_free(r);
		arena_reset(&arena, SIZE_MAX);
	}
	arena_deinit(&arena);
	return code == 0 ? 0 : out_of_memory(err);
}

static int collect(struct tsdb_view *v, const struct slice *name, struct matcher *const *matchers, uint32_t count,
                   int64_t from_ms, int64_t to_ms, struct arena *arena, const struct slice **out, uint32_t *out_count,
                   struct error *err)
{
	struct texts t = {.arena = arena};
	table_init(&t.table);
	int code = count == 0 ? add_of_indexes(v, name, from_ms, to_ms, &t, err)
	                      : add_of_series(v, name, matchers, count, from_ms, to_ms, &t, err);
	if (code == 0 && finish_texts(&t, out, out_count) != 0)
		code = out_of_memory(err);
	table_deinit(&t.table);
	mem_free(t.items);
	return code;
}

int tsdb_label_names(struct tsdb_view *v, struct matcher *const *matchers, uint32_t count, int64_t from_ms,
                     int64_t to_ms, struct arena *arena, const struct slice **names, uint32_t *name_count,
                     struct error *err)
{
	return collect(v, NULL, matchers, count, from_ms, to_ms, arena, names, name_count, err);
}

int tsdb_label_values(struct tsdb_view *v, struct slice name, struct matcher *const *matchers, uint32_t count,
                      int64_t from_ms, int64_t to_ms, struct arena *arena, const struct slice **values,
                      uint32_t *value_count, struct error *err)
{
	return collect(v, &name, matchers, count, from_ms, to_ms, arena, values, value_count, err);
}

/* Names and values of labels in a view: of the indexes of head and blocks, or where there are matchers of the series that they match. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/table.h"
#include "record/labels.h"
#include "tsdb/postings.h"
#include "tsdb/store.h"

static int out_of_memory(struct error *err)
{
	return error_set(err, -ENOMEM, "out of memory while listing labels");
}

/* ---- texts ---- */

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
		count = 0;
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
		} else if (to_ms >= v->set->sealed_ms) {
			code = name != NULL ? head_view_label_values(v->head, *name, &arena, &items, &count)
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

/* Symbols, labels and postings of a block that is written, see block_symbols.h. */
#include "tsdb/block_symbols.h"

#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/varint.h"
#include "record/labels.h"

void block_symbols_init(struct block_symbols *s)
{
	memset(s, 0, sizeof *s);
	table_init(&s->table);
	table_init(&s->use_table);
}

void block_symbols_deinit(struct block_symbols *s)
{
	buf_free(&s->bytes);
	mem_free(s->ends);
	table_deinit(&s->table);
	mem_free(s->uses);
	table_deinit(&s->use_table);
	mem_free(s->series_uses);
	mem_free(s->series_ends);
}

/* ---- adding ---- */

static bool same_symbol(const void *ctx, const void *key, uint32_t item)
{
	return slice_eq(block_symbol(ctx, item), *(const struct slice *)key);
}

static int symbol_of(struct block_symbols *s, struct slice text, uint32_t *out)
{
	uint64_t hash = hash_bytes(text.ptr, text.len, hash_seed());
	*out = table_find(&s->table, hash, same_symbol, s, &text);
	if (*out != TABLE_NONE)
		return 0;
	if (s->count == TABLE_NONE - 1 || text.len > UINT32_MAX - s->bytes.len)
		return -E2BIG;
	int code = s->count < s->cap ? 0 : mem_grow((void **)&s->ends, &s->cap, s->count, sizeof *s->ends);
	if (code == 0)
		code = table_add(&s->table, hash, s->count);
	if (code != 0)
		return code;
	buf_slice_append(&s->bytes, text);
	if (buf_failed(&s->bytes))
		return -ENOMEM;
	s->ends[s->count] = (uint32_t)s->bytes.len;
	*out = s->count++;
	return 0;
}

static bool same_use(const void *ctx, const void *key, uint32_t item)
{
	const struct block_symbols *s = ctx;
	const struct label_use *wanted = key;
	return s->uses[item].name == wanted->name && s->uses[item].value == wanted->value;
}

static int use_of(struct block_symbols *s, uint32_t name, uint32_t value, uint32_t *out)
{
	struct label_use wanted = {name, value, 0};
	uint64_t hash = hash_mix(hash_mix(hash_seed(), name), value);
	*out = table_find(&s->use_table, hash, same_use, s, &wanted);
	if (*out != TABLE_NONE)
		return 0;
	int code =
	    s->use_count < s->use_cap ? 0 : mem_grow((void **)&s->uses, &s->use_cap, s->use_count, sizeof *s->uses);
	if (code == 0)
		code = table_add(&s->use_table, hash, s->use_count);
	if (code != 0)
		return code;
	s->uses[s->use_count] = wanted;
	*out = s->use_count++;
	return 0;
}

static int add_label(struct block_symbols *s, const struct label *l, struct buf *page)
{
	uint32_t name, value, use;
	int code = symbol_of(s, l->name, &name);
	if (code == 0)
		code = symbol_of(s, l->value, &value);
	if (code == 0)
		code = use_of(s, name, value, &use);
	if (code == 0 && s->series_uses_len == UINT32_MAX)
		code = -E2BIG;
	if (code == 0 && s->series_uses_len == s->series_uses_cap)
		code =
		    mem_grow((void **)&s->series_uses, &s->series_uses_cap, s->series_uses_len, sizeof *s->series_uses);
	if (code != 0)
		return code;
	s->series_uses[s->series_uses_len++] = use;
	s->uses[use].series++;
	varint_put(page, name);
	varint_put(page, value);
	return 0;
}

int block_symbols_add(struct block_symbols *s, struct slice labels, struct buf *page)
{
	uint32_t count = 0;
	struct slice rest = labels;
	for (struct label l; labels_next(&rest, &l);)
		count++;
	varint_put(page, count);
	int code = s->series < s->series_cap
	               ? 0
	               : mem_grow((void **)&s->series_ends, &s->series_cap, s->series, sizeof *s->series_ends);
	rest = labels;
	for (struct label l; code == 0 && labels_next(&rest, &l);)
		code = add_label(s, &l, page);
	if (code != 0)
		return code;
	s->series_ends[s->series++] = (uint32_t)s->series_uses_len;
	return buf_failed(page) ? -ENOMEM : 0;
}

/* ---- the sections ---- */

void block_symbols_section(const struct block_symbols *s, struct buf *out)
{
	bytes_put_u32(out, s->count);
	bytes_put_u32(out, 0);
	for (uint32_t i = 0; i < s->count; i++)
		bytes_put_u32(out, s->ends[i]);
	buf_append(out, s->bytes.ptr, s->bytes.len);
}

static int compare_uses(const void *a, const void *b, void *ctx)
{
	const struct block_symbols *s = ctx;
	const struct label_use *x = &s->uses[*(const uint32_t *)a], *y = &s->uses[*(const uint32_t *)b];
	if (x->name != y->name)
		return slice_compare(block_symbol(s, x->name), block_symbol(s, y->name));
	return slice_compare(block_symbol(s, x->value), block_symbol(s, y->value));
}

/* The series of each use, gathered by counting: `lists` has those of use u from begins[u] on. */
static void gather_lists(const struct block_symbols *s, uint32_t *begins, uint32_t *lists)
{
	uint32_t at = 0;
	for (uint32_t u = 0; u < s->use_count; u++) {
		begins[u] = at;
		at += s->uses[u].series;
	}
	for (uint32_t number = 0, i = 0; number < s->series; number++) {
		for (; i < s->series_ends[number]; i++)
			lists[begins[s->series_uses[i]]++] = number;
	}
	for (uint32_t u = 0; u < s->use_count; u++)
		begins[u] -= s->uses[u].series;
}

static void put_list(struct buf *out, const uint32_t *numbers, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		varint_put(out, i == 0 ? numbers[0] : numbers[i] - numbers[i - 1] - 1);
}

static void put_names(const struct block_symbols *s, const uint32_t *order, struct buf *labels)
{
	uint32_t names = 0;
	for (uint32_t i = 0; i < s->use_count; i++)
		names += i == 0 || s->uses[order[i]].name != s->uses[order[i - 1]].name;
	bytes_put_u32(labels, names);
	bytes_put_u32(labels, 0);
	for (uint32_t i = 0; i < s->use_count; i++) {
		if (i > 0 && s->uses[order[i]].name == s->uses[order[i - 1]].name)
			continue;
		bytes_put_u32(labels, s->uses[order[i]].name);
		bytes_put_u32(labels, i);
	}
	bytes_put_u32(labels, 0);
	bytes_put_u32(labels, s->use_count);
}

int block_symbols_postings(struct block_symbols *s, struct buf *labels, struct buf *postings)
{
	uint32_t *order = mem_alloc((s->use_count + 1) * sizeof *order);
	uint32_t *begins = mem_alloc((s->use_count + 1) * sizeof *begins);
	uint32_t *lists = mem_alloc((s->series_uses_len + 1) * sizeof *lists);
	int code = order == NULL || begins == NULL || lists == NULL ? -ENOMEM : 0;
	if (code == 0) {
		for (uint32_t i = 0; i < s->use_count; i++)
			order[i] = i;
		qsort_r(order, s->use_count, sizeof *order, compare_uses, s);
		gather_lists(s, begins, lists);
		put_names(s, order, labels);
		for (uint32_t i = 0; i < s->use_count; i++) {
			const struct label_use *u = &s->uses[order[i]];
			bytes_put_u32(labels, u->value);
			bytes_put_u32(labels, u->series);
			bytes_put_u64(labels, postings->len);
			if (u->series < s->series)
				put_list(postings, lists + begins[order[i]], u->series);
		}
		code = buf_failed(labels) || buf_failed(postings) ? -ENOMEM : 0;
	}
	mem_free(order);
	mem_free(begins);
	mem_free(lists);
	return code;
}

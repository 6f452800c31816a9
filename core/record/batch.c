/* Batches: the names, shapes and types that records share, and the records themselves.
 *
 * Names are interned through small tables that are cleared by forgetting, not by wiping what was never used. Shapes are found by the hash of their
 * names in order and then compared, so that two batches of one process give equal hashes to equal shapes. */
#include <errno.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/mem.h"
#include "record/record.h"

static const struct slice known_names[KNOWN_FIELDS] = {
    [KNOWN_ID] = {"id", 2},           [KNOWN_TENANT_ID] = {"tenant_id", 9},    [KNOWN_TRACE_ID] = {"trace_id", 8},
    [KNOWN_SPAN_ID] = {"span_id", 7}, [KNOWN_REQUEST_ID] = {"request_id", 10}, [KNOWN_USER_ID] = {"user_id", 7},
};

struct batch *batch_new(void)
{
	struct batch *b = mem_zalloc(1, sizeof *b);
	if (b == NULL)
		return NULL;
	arena_init(&b->arena);
	arena_init(&b->names);
	table_init(&b->key_table);
	table_init(&b->shape_table);
	table_init(&b->type_table);
	return b;
}

void batch_free(struct batch *b)
{
	if (b == NULL)
		return;
	arena_deinit(&b->arena);
	arena_deinit(&b->names);
	mem_free(b->keys);
	mem_free(b->shapes);
	mem_free(b->types);
	mem_free(b->records);
	table_deinit(&b->key_table);
	table_deinit(&b->shape_table);
	table_deinit(&b->type_table);
	mem_free(b->body);
	mem_free(b);
}

/* Gives an array back when it is worth more than its share of what may be kept. */
static void trim(void **items, size_t *cap, size_t size, size_t keep)
{
	if (*cap * size <= keep)
		return;
	mem_free(*items);
	*items = NULL;
	*cap = 0;
}

static void reset_table(struct table *t, size_t keep)
{
	if (t->used == 0)
		return;
	if (((size_t)t->mask + 1) * sizeof(struct table_slot) > keep)
		table_deinit(t);
	else
		table_clear(t);
}

void batch_reset(struct batch *b, size_t keep)
{
	size_t share = keep / 8;
	arena_reset(&b->arena, keep / 2);
	arena_reset(&b->names, keep / 4);
	trim((void **)&b->keys, &b->key_cap, sizeof *b->keys, share);
	trim((void **)&b->shapes, &b->shape_cap, sizeof *b->shapes, share);
	trim((void **)&b->types, &b->type_cap, sizeof *b->types, share);
	trim((void **)&b->records, &b->cap, sizeof *b->records, keep / 4);
	reset_table(&b->key_table, share);
	reset_table(&b->shape_table, share);
	reset_table(&b->type_table, share);
	b->key_count = b->shape_count = b->type_count = b->count = 0;
	mem_free(b->body);
	b->body = NULL;
	b->body_size = 0;
}

static size_t table_bytes(const struct table *t)
{
	return t->slots == NULL ? 0 : ((size_t)t->mask + 1) * sizeof(struct table_slot);
}

size_t batch_bytes(const struct batch *b)
{
	return b->arena.total + b->key_cap * sizeof *b->keys + b->shape_cap * sizeof *b->shapes +
	       b->type_cap * sizeof *b->types + b->cap * sizeof *b->records + table_bytes(&b->key_table) +
	       table_bytes(&b->shape_table) + table_bytes(&b->type_table);
}

/* ---- names ---- */

struct name_key {
	struct slice name;
	uint64_t hash;
};

static bool same_key(const void *ctx, const void *key, uint32_t item)
{
	const struct batch *b = ctx;
	const struct name_key *k = key;
	return b->keys[item].hash == k->hash && slice_eq(b->keys[item].name, k->name);
}

int64_t batch_key(struct batch *b, struct slice name)
{
	struct name_key k = {name, hash_bytes(name.ptr, name.len, hash_seed())};
	uint32_t found = table_find(&b->key_table, k.hash, same_key, b, &k);
	if (found != TABLE_NONE)
		return found;
	if (b->key_count == BATCH_KEYS_MAX)
		return -E2BIG;
	if (b->key_count == b->key_cap && mem_grow((void **)&b->keys, &b->key_cap, b->key_count, sizeof *b->keys) != 0)
		return -ENOMEM;
	struct slice copy = arena_copy(&b->names, name);
	if (copy.ptr == NULL || table_add(&b->key_table, k.hash, b->key_count) != 0)
		return -ENOMEM;
	b->keys[b->key_count] = (struct key){copy, k.hash};
	return b->key_count++;
}

static bool same_type(const void *ctx, const void *key, uint32_t item)
{
	const struct batch *b = ctx;
	const struct name_key *k = key;
	return b->types[item].hash == k->hash && slice_eq(b->types[item].name, k->name);
}

int64_t batch_type(struct batch *b, struct slice name)
{
	struct name_key k = {name, hash_bytes(name.ptr, name.len, hash_seed())};
	uint32_t found = table_find(&b->type_table, k.hash, same_type, b, &k);
	if (found != TABLE_NONE)
		return found;
	if (b->type_count == BATCH_TYPES_MAX)
		return -E2BIG;
	if (b->type_count == b->type_cap &&
	    mem_grow((void **)&b->types, &b->type_cap, b->type_count, sizeof *b->types) != 0)
		return -ENOMEM;
	struct slice copy = arena_copy(&b->names, name);
	if (copy.ptr == NULL || table_add(&b->type_table, k.hash, b->type_count) != 0)
		return -ENOMEM;
	b->types[b->type_count] = (struct record_type){copy, k.hash};
	return b->type_count++;
}

/* ---- shapes ---- */

struct shape_key {
	const uint32_t *keys;
	uint32_t count;
	uint64_t hash;
};

static bool same_shape(const void *ctx, const void *key, uint32_t item)
{
	const struct batch *b = ctx;
	const struct shape_key *k = key;
	const struct shape *s = &b->shapes[item];
	return s->hash == k->hash && s->count == k->count &&
	       (k->count == 0 || memcmp(s->keys, k->keys, k->count * sizeof *k->keys) == 0);
}

static void find_known(const struct batch *b, struct shape *s)
{
	for (int f = 0; f < KNOWN_FIELDS; f++)
		s->known[f] = -1;
	for (uint32_t i = 0; i < s->count; i++) {
		struct slice name = b->keys[s->keys[i]].name;
		if (name.len < 2 || name.ptr[name.len - 1] != 'd') /* all of them end in "id" */
			continue;
		for (int f = 0; f < KNOWN_FIELDS; f++) {
			if (slice_eq(name, known_names[f]))
				s->known[f] = (int16_t)i;
		}
	}
}

int64_t batch_shape(struct batch *b, const uint32_t *keys, uint32_t count)
{
	struct shape_key k = {keys, count, hash_mix(count, hash_seed())};
	if (count > SHAPE_KEYS_MAX)
		return -E2BIG;
	for (uint32_t i = 0; i < count; i++)
		k.hash = hash_mix(k.hash, b->keys[keys[i]].hash);
	uint32_t found = table_find(&b->shape_table, k.hash, same_shape, b, &k);
	if (found != TABLE_NONE)
		return found;
	if (b->shape_count == BATCH_SHAPES_MAX)
		return -E2BIG;
	if (b->shape_count == b->shape_cap &&
	    mem_grow((void **)&b->shapes, &b->shape_cap, b->shape_count, sizeof *b->shapes) != 0)
		return -ENOMEM;
	uint32_t *copy = arena_alloc(&b->names, count * sizeof *copy + 1);
	if (copy == NULL || table_add(&b->shape_table, k.hash, b->shape_count) != 0)
		return -ENOMEM;
	if (count > 0)
		memcpy(copy, keys, count * sizeof *copy);
	struct shape *s = &b->shapes[b->shape_count];
	*s = (struct shape){.keys = copy, .count = count, .hash = k.hash};
	find_known(b, s);
	return b->shape_count++;
}

/* ---- records ---- */

struct record *batch_add(struct batch *b)
{
	if (b->count == b->cap &&
	    (b->count == UINT32_MAX || mem_grow((void **)&b->records, &b->cap, b->count, sizeof *b->records) != 0))
		return NULL;
	struct record *r = &b->records[b->count++];
	*r = (struct record){.batch = b, .kind = RECORD_EVENT};
	return r;
}

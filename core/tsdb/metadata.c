/* See metadata.h. */
#include "tsdb/metadata.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/mem.h"

void metadata_init(struct metadata *m, struct epochs *epochs)
{
	*m = (struct metadata){.epochs = epochs};
	mutex_init(&m->lock);
	table_init(&m->table);
}

void metadata_deinit(struct metadata *m)
{
	for (uint32_t i = 0; i < m->count; i++)
		mem_free(m->items[i]);
	mem_free(m->items);
	table_deinit(&m->table);
	mutex_deinit(&m->lock);
}

static bool has_name(const void *ctx, const void *key, uint32_t item)
{
	const struct metadata *m = ctx;
	const struct slice *name = key;

	return slice_eq(m->items[item]->m.name, *name);
}

static uint64_t text_bytes(const struct sample_metadata *s)
{
	return (uint64_t)s->name.len + s->help.len + s->unit.len;
}

static bool says_the_same(const struct sample_metadata *a, const struct sample_metadata *b)
{
	return a->type == b->type && slice_eq(a->help, b->help) && slice_eq(a->unit, b->unit);
}

static struct slice put_text(char **to, struct slice s)
{
	struct slice out = slice_new(*to, s.len);

	if (s.len > 0)
		memcpy(*to, s.ptr, s.len);
	*to += s.len;
	return out;
}

static struct kept_metadata *new_kept(const struct sample_metadata *s)
{
	struct kept_metadata *k = mem_alloc(sizeof *k + text_bytes(s));

	if (k == NULL)
		return NULL;
	char *to = k->text;
	k->m.type = s->type;
	k->m.name = put_text(&to, s->name);
	k->m.help = put_text(&to, s->help);
	k->m.unit = put_text(&to, s->unit);
	return k;
}

/* A metric that is not there yet. 0 or -ENOMEM. */
static int add(struct metadata *m, const struct sample_metadata *s, uint64_t hash)
{
	if (table_reserve(&m->table, m->count + 1) != 0)
		return -ENOMEM;
	struct kept_metadata *k = new_kept(s);
	if (k == NULL)
		return -ENOMEM;
	mutex_lock(&m->lock);
	void *items = m->items;
	int code = mem_grow(&items, &m->cap, m->count, sizeof(struct kept_metadata *));
	m->items = items;
	if (code == 0)
		m->items[m->count++] = k;
	mutex_unlock(&m->lock);
	if (code != 0) {
		mem_free(k);
		return code;
	}
	CHECK(table_add(&m->table, hash, m->count - 1) == 0); /* there is room */
	m->bytes += text_bytes(s);
	return 0;
}

static int replace(struct metadata *m, const struct sample_metadata *s, uint32_t item)
{
	struct kept_metadata *old = m->items[item];
	struct kept_metadata *k = epoch_reserve(m->epochs, 1) == 0 ? new_kept(s) : NULL;

	if (k == NULL)
		return -ENOMEM;
	mutex_lock(&m->lock);
	m->items[item] = k;
	mutex_unlock(&m->lock);
	m->bytes += text_bytes(s) - text_bytes(&old->m);
	epoch_retire(m->epochs, old, mem_free);
	epoch_collect(m->epochs);
	return 0;
}

static uint32_t find(const struct metadata *m, struct slice name, uint64_t *hash)
{
	*hash = hash_bytes(name.ptr, name.len, hash_seed());
	return table_find(&m->table, *hash, has_name, m, &name);
}

/* As metadata_admit; `item`: what is kept of the metric, or TABLE_NONE. */
static int admit(struct metadata *m, const struct sample_metadata *s, uint32_t item)
{
	bool is_new = item == TABLE_NONE;

	if (!is_new && says_the_same(&m->items[item]->m, s))
		return 1;
	uint64_t had = is_new ? 0 : text_bytes(&m->items[item]->m);
	if ((!is_new || m->count < METADATA_METRICS_MAX) && text_bytes(s) <= METADATA_ENTRY_MAX &&
	    m->bytes - had + text_bytes(s) <= METADATA_BYTES_MAX)
		return 0;
	m->refused++;
	return -ENOSPC;
}

int metadata_admit(struct metadata *m, const struct sample_metadata *s)
{
	uint64_t hash;
	return admit(m, s, find(m, s->name, &hash));
}

int metadata_put(struct metadata *m, const struct sample_metadata *s)
{
	uint64_t hash;
	uint32_t item = find(m, s->name, &hash);
	int code = admit(m, s, item);

	if (code != 0)
		return code == 1 ? 0 : code;
	return item == TABLE_NONE ? add(m, s, hash) : replace(m, s, item);
}

/* ---- reading ---- */

int metadata_copy(struct metadata *m, struct metadata_copy *out)
{
	*out = (struct metadata_copy){0};
	mutex_lock(&m->lock);
	/* Under the lock: how many there are is known only here, and it is at most METADATA_METRICS_MAX pointers. */
	out->items = mem_alloc(((size_t)m->count + 1) * sizeof *out->items);
	if (out->items != NULL && m->count > 0)
		memcpy(out->items, m->items, m->count * sizeof *out->items);
	out->count = out->items != NULL ? m->count : 0;
	mutex_unlock(&m->lock);
	return out->items != NULL ? 0 : -ENOMEM;
}

static int compare_names(const void *a, const void *b)
{
	const struct kept_metadata *const *x = a, *const *y = b;

	return slice_compare((*x)->m.name, (*y)->m.name);
}

void metadata_copy_sort(struct metadata_copy *c)
{
	qsort(c->items, c->count, sizeof *c->items, compare_names);
}

void metadata_copy_deinit(struct metadata_copy *c)
{
	mem_free(c->items);
	*c = (struct metadata_copy){0};
}

#include "traces/builder.h"

#include <errno.h>

#include "base/hash.h"
#include "base/mem.h"
#include "traces/internal.h"

/* Texts from here on are not looked for: what is long is seldom there twice. */
enum { TEXT_SHARED_MAX = 4096 };

/* Items of the index, by their upper bits. */
enum { ITEM_TEXT, ITEM_KEY, ITEM_RESOURCE, ITEM_SCOPE, ITEM_SHIFT = 30 };

/* So many items are made room for at first. */
static const uint32_t first_caps[PARTS] = {
    [PART_SPANS] = 4, [PART_RESOURCES] = 1, [PART_SCOPES] = 2, [PART_EVENTS] = 4,
    [PART_LINKS] = 2, [PART_KEYS] = 16,     [PART_CELLS] = 32, [PART_TEXT] = 512};

enum { DOUBLED_BYTES = 1 << 16 }; /* a larger array grows by a half */

struct builder *builder_new(const uint8_t id[16])
{
	struct builder *b = mem_zalloc(1, sizeof *b);

	if (b == NULL)
		return NULL;
	b->bytes = sizeof *b;
	builder_reuse(b, id);
	return b;
}

static struct part emptied(struct part p)
{
	return (struct part){p.items, 0, p.cap};
}

void builder_reuse(struct builder *b, const uint8_t id[16])
{
	struct builder fresh = {.bytes = b->bytes, .index = b->index, .late_seq = UINT64_MAX, .retry_ns = INT64_MIN};

	for (int i = 0; i < PARTS; i++)
		fresh.parts.of[i] = emptied(b->parts.of[i]);
	fresh.texts = emptied(b->texts);
	fresh.hashes[0] = emptied(b->hashes[0]);
	fresh.hashes[1] = emptied(b->hashes[1]);
	memcpy(fresh.id, id, sizeof fresh.id);
	table_clear(&fresh.index);
	*b = fresh;
}

void builder_free(struct builder *b)
{
	if (b == NULL)
		return;
	for (int i = 0; i < PARTS; i++)
		mem_free(b->parts.of[i].items);
	mem_free(b->texts.items);
	mem_free(b->hashes[0].items);
	mem_free(b->hashes[1].items);
	table_deinit(&b->index);
	mem_free(b);
}

/* ---- arrays ---- */

static int grow(struct builder *b, struct part *p, uint32_t size, uint32_t first, uint32_t count)
{
	uint64_t want = (uint64_t)p->count + count;
	uint64_t cap = p->cap == 0                               ? first
	               : (uint64_t)p->cap * size < DOUBLED_BYTES ? (uint64_t)p->cap * 2
	                                                         : p->cap + (uint64_t)p->cap / 2;

	if (cap < want)
		cap = want;
	if (want * size > TRACE_BYTES_MAX)
		return -ENOMEM;
	void *items = mem_realloc(p->items, cap * size);
	if (items == NULL)
		return -ENOMEM;
	b->bytes += (cap - p->cap) * size;
	p->items = items;
	p->cap = (uint32_t)cap;
	return 0;
}

static void *room(struct builder *b, struct part *p, uint32_t size, uint32_t first, uint32_t count)
{
	if (count > p->cap - p->count && grow(b, p, size, first, count) != 0)
		return NULL;
	void *at = (char *)p->items + (size_t)p->count * size;
	p->count += count;
	return at;
}

void *builder_room(struct builder *b, enum part_kind kind, uint32_t count)
{
	return room(b, &b->parts.of[kind], part_sizes[kind], first_caps[kind] > count ? first_caps[kind] : count,
	            count);
}

struct builder_mark builder_mark(const struct builder *b)
{
	struct builder_mark m;

	for (int i = 0; i < PARTS; i++)
		m.counts[i] = b->parts.of[i].count;
	return m;
}

void builder_rewind(struct builder *b, const struct builder_mark *m)
{
	for (int i = 0; i < PARTS; i++) {
		if (i != PART_KEYS && i != PART_TEXT && i != PART_RESOURCES && i != PART_SCOPES)
			b->parts.of[i].count = m->counts[i];
	}
	memset(b->shapes, 0, sizeof b->shapes); /* they may speak of cells that are no more */
}

/* ---- the index ---- */

static uint64_t item_hash(uint64_t hash, uint32_t kind)
{
	return hash ^ kind * HASH_K0;
}

/* There is room for it: builder_reserve_index. */
static void index_add(struct builder *b, uint64_t hash, uint32_t kind, uint32_t number)
{
	(void)table_add(&b->index, item_hash(hash, kind), kind << ITEM_SHIFT | number);
}

static int reserve_index(struct builder *b)
{
	size_t before = b->index.slots != NULL ? b->index.mask + 1 : 0;

	if (table_reserve(&b->index, b->index.used + 1) != 0)
		return -ENOMEM;
	b->bytes += ((size_t)b->index.mask + 1 - before) * sizeof *b->index.slots;
	return 0;
}

static bool same_text(const void *ctx, const void *key, uint32_t item)
{
	const struct builder *b = ctx;
	const struct slice *s = key;

	if (item >> ITEM_SHIFT != ITEM_TEXT)
		return false;
	struct trace_text text = ((const struct trace_text *)b->texts.items)[item];
	return text.len == s->len && bytes_same(parts_text(&b->parts) + text.at, s->ptr, s->len);
}

static int append_text(struct builder *b, struct slice s, struct trace_text *out)
{
	uint32_t at = b->parts.of[PART_TEXT].count;

	if (s.len > TRACE_BYTES_MAX)
		return -ENOMEM;
	char *to = builder_room(b, PART_TEXT, (uint32_t)s.len);
	if (to == NULL)
		return -ENOMEM;
	memcpy(to, s.ptr, s.len);
	*out = (struct trace_text){at, (uint32_t)s.len};
	return 0;
}

int builder_text(struct builder *b, struct slice s, struct trace_text *out)
{
	*out = (struct trace_text){0, 0};
	if (s.len == 0)
		return 0;
	if (s.len > TEXT_SHARED_MAX)
		return append_text(b, s, out);
	uint64_t hash = hash_bytes(s.ptr, s.len, hash_seed());
	uint32_t item = table_find(&b->index, item_hash(hash, ITEM_TEXT), same_text, b, &s);
	if (item != TABLE_NONE) {
		*out = ((const struct trace_text *)b->texts.items)[item];
		return 0;
	}
	uint32_t number = b->texts.count;
	if (reserve_index(b) != 0 || append_text(b, s, out) != 0)
		return -ENOMEM;
	struct trace_text *text = room(b, &b->texts, sizeof *text, 16, 1);
	if (text == NULL)
		return -ENOMEM; /* the bytes are there, and will not be found: nothing worse */
	*text = *out;
	index_add(b, hash, ITEM_TEXT, number);
	return 0;
}

static bool same_key(const void *ctx, const void *key, uint32_t item)
{
	const struct builder *b = ctx;
	const struct slice *s = key;

	if (item >> ITEM_SHIFT != ITEM_KEY)
		return false;
	struct trace_text name = parts_keys(&b->parts)[item & ((1u << ITEM_SHIFT) - 1)].name;
	return name.len == s->len && bytes_same(parts_text(&b->parts) + name.at, s->ptr, s->len);
}

int builder_key(struct builder *b, struct slice name, uint64_t hash, uint32_t *out)
{
	uint32_t item = table_find(&b->index, item_hash(hash, ITEM_KEY), same_key, b, &name);
	struct trace_key key = {.hash = 0};

	if (item != TABLE_NONE) {
		*out = item & ((1u << ITEM_SHIFT) - 1);
		return 0;
	}
	*out = b->parts.of[PART_KEYS].count;
	if (builder_text(b, name, &key.name) != 0 || reserve_index(b) != 0)
		return -ENOMEM;
	struct trace_key *to = builder_room(b, PART_KEYS, 1);
	if (to == NULL)
		return -ENOMEM;
	key.hash = trace_key_hash(name);
	*to = key;
	index_add(b, hash, ITEM_KEY, *out);
	return 0;
}

/* ---- cells ---- */

static int fill_items(struct builder *b, const struct batch *batch, const struct value *v, struct trace_run run)
{
	for (uint32_t i = 0; i < run.count; i++) {
		struct trace_cell cell;
		int rc = builder_cell(b, batch, &v->items[i], TRACE_NONE, &cell);
		if (rc != 0)
			return rc;
		parts_cells(&b->parts)[run.first + i] = cell;
	}
	return 0;
}

static int fill_fields(struct builder *b, const struct batch *batch, const struct object *o, struct trace_run run)
{
	const struct shape *shape = &batch->shapes[o->shape];

	for (uint32_t i = 0; i < run.count; i++) {
		const struct key *k = &batch->keys[shape->keys[i]];
		struct trace_cell cell;
		uint32_t key;
		int rc = builder_key(b, k->name, k->hash, &key);
		if (rc == 0)
			rc = builder_cell(b, batch, &o->values[i], key, &cell);
		if (rc != 0)
			return rc;
		parts_cells(&b->parts)[run.first + i] = cell;
	}
	return 0;
}

/* Room for a run; what its cells hold is filled in by the caller, whatever else is added meanwhile. */
static int make_run(struct builder *b, uint32_t count, struct trace_run *out)
{
	*out = (struct trace_run){b->parts.of[PART_CELLS].count, count};
	if (count == 0)
		return 0;
	struct trace_cell *cells = builder_room(b, PART_CELLS, count);
	if (cells == NULL)
		return -ENOMEM;
	memset(cells, 0, count * sizeof *cells);
	return 0;
}

int builder_cell(struct builder *b, const struct batch *batch, const struct value *v, uint32_t key,
                 struct trace_cell *out)
{
	int rc;

	*out = (struct trace_cell){.key = key, .type = v->type}; /* the two enums are one */
	switch (v->type) {
	case VALUE_BOOL:
		out->integer = v->boolean;
		return 0;
	case VALUE_INT:
		out->integer = v->integer;
		return 0;
	case VALUE_DOUBLE:
		out->number = v->number;
		return 0;
	case VALUE_STRING:
		return builder_text(b, slice_new(v->str, v->len), &out->text);
	case VALUE_ARRAY:
		rc = make_run(b, v->len, &out->items);
		return rc == 0 ? fill_items(b, batch, v, out->items) : rc;
	case VALUE_OBJECT:
		rc = make_run(b, batch->shapes[v->object->shape].count, &out->items);
		return rc == 0 ? fill_fields(b, batch, v->object, out->items) : rc;
	default:
		return 0;
	}
}

/* As fill_fields, where the keys are known. */
static int fill_again(struct builder *b, const struct batch *batch, const struct object *o, struct trace_run run,
                      uint32_t known)
{
	for (uint32_t i = 0; i < run.count; i++) {
		struct trace_cell cell;
		int rc = builder_cell(b, batch, &o->values[i], parts_cells(&b->parts)[known + i].key, &cell);
		if (rc != 0)
			return rc;
		parts_cells(&b->parts)[run.first + i] = cell;
	}
	return 0;
}

int builder_attributes(struct builder *b, const struct batch *batch, const struct object *o, uint64_t serial,
                       struct trace_run *out)
{
	struct shape_memo *memo = &b->shapes[o->shape % SHAPES_KEPT];
	int rc = make_run(b, batch->shapes[o->shape].count, out);

	if (rc != 0)
		return rc;
	if (memo->serial == serial && memo->shape == o->shape)
		return fill_again(b, batch, o, *out, memo->first);
	rc = fill_fields(b, batch, o, *out);
	if (rc == 0)
		*memo = (struct shape_memo){serial, o->shape, out->first};
	return rc;
}

int builder_annotate(struct builder *b, uint32_t span, struct slice name, const struct value *v)
{
	uint32_t key;
	struct trace_cell cell;
	int rc = builder_key(b, name, hash_bytes(name.ptr, name.len, hash_seed()), &key);

	if (rc == 0)
		rc = builder_cell(b, NULL, v, key, &cell); /* nothing is below it */
	if (rc != 0)
		return rc;
	struct trace_run run = parts_spans(&b->parts)[span].attributes;
	for (uint32_t i = 0; i < run.count; i++) {
		struct trace_cell *old = &parts_cells(&b->parts)[run.first + i];
		if (old->key == key) {
			*old = cell;
			return 0;
		}
	}
	/* At the end of the cells a run just grows; elsewhere it moves there, once for all that is added to this span. */
	bool last = run.first + run.count == b->parts.of[PART_CELLS].count;
	uint32_t at = last ? run.first : b->parts.of[PART_CELLS].count;
	struct trace_cell *to = builder_room(b, PART_CELLS, last ? 1 : run.count + 1);
	if (to == NULL)
		return -ENOMEM;
	if (!last)
		memcpy(to, parts_cells(&b->parts) + run.first, run.count * sizeof *to);
	parts_cells(&b->parts)[at + run.count] = cell;
	parts_spans(&b->parts)[span].attributes = (struct trace_run){at, run.count + 1};
	return 0;
}

/* ---- resources and scopes ---- */

static bool cell_is(const struct builder *b, const struct batch *batch, const struct trace_cell *c,
                    const struct value *v);

static bool text_is(const struct builder *b, struct trace_text text, struct slice s)
{
	return slice_eq(slice_new(parts_text(&b->parts) + text.at, text.len), s);
}

static bool fields_are(const struct builder *b, const struct batch *batch, struct trace_run run, const struct object *o)
{
	const struct shape *shape = o != NULL ? &batch->shapes[o->shape] : NULL;

	if (run.count != (shape != NULL ? shape->count : 0))
		return false;
	for (uint32_t i = 0; i < run.count; i++) {
		const struct trace_cell *c = &parts_cells(&b->parts)[run.first + i];
		if (!text_is(b, parts_keys(&b->parts)[c->key].name, batch->keys[shape->keys[i]].name) ||
		    !cell_is(b, batch, c, &o->values[i]))
			return false;
	}
	return true;
}

static bool items_are(const struct builder *b, const struct batch *batch, struct trace_run run, const struct value *v)
{
	if (run.count != v->len)
		return false;
	for (uint32_t i = 0; i < run.count; i++) {
		if (!cell_is(b, batch, &parts_cells(&b->parts)[run.first + i], &v->items[i]))
			return false;
	}
	return true;
}

static bool cell_is(const struct builder *b, const struct batch *batch, const struct trace_cell *c,
                    const struct value *v)
{
	if (c->type != v->type)
		return false;
	switch (v->type) {
	case VALUE_BOOL:
		return c->integer == v->boolean;
	case VALUE_INT:
		return c->integer == v->integer;
	case VALUE_DOUBLE:
		return c->integer == v->integer; /* by their bits */
	case VALUE_STRING:
		return text_is(b, c->text, slice_new(v->str, v->len));
	case VALUE_ARRAY:
		return items_are(b, batch, c->items, v);
	case VALUE_OBJECT:
		return fields_are(b, batch, c->items, v->object);
	default:
		return true;
	}
}

static uint64_t object_hash(const struct batch *batch, const struct object *o, uint64_t hash);

static uint64_t value_hash(const struct batch *batch, const struct value *v, uint64_t hash)
{
	hash = hash_mix(hash, v->type);
	if (v->type == VALUE_STRING)
		return hash_mix(hash, hash_bytes(v->str, v->len, hash_seed()));
	if (v->type == VALUE_BOOL)
		return hash_mix(hash, v->boolean);
	if (v->type == VALUE_INT || v->type == VALUE_DOUBLE)
		return hash_mix(hash, (uint64_t)v->integer); /* of a double its bits */
	if (v->type == VALUE_OBJECT)
		return object_hash(batch, v->object, hash);
	for (uint32_t i = 0; v->type == VALUE_ARRAY && i < v->len; i++)
		hash = value_hash(batch, &v->items[i], hash);
	return hash;
}

static uint64_t object_hash(const struct batch *batch, const struct object *o, uint64_t hash)
{
	const struct shape *shape = o != NULL ? &batch->shapes[o->shape] : NULL;

	for (uint32_t i = 0; shape != NULL && i < shape->count; i++) {
		hash = hash_mix(hash, batch->keys[shape->keys[i]].hash);
		hash = value_hash(batch, &o->values[i], hash);
	}
	return hash;
}

struct sought {
	const struct builder *builder;
	const struct batch *batch;
	const struct object *object;
	struct slice url;
	uint64_t hash;
};

static uint64_t sought_hash(const struct sought *s)
{
	return object_hash(s->batch, s->object, hash_bytes(s->url.ptr, s->url.len, hash_seed()));
}

/* Among the items of one kind: those whose whole hash is this one are compared. */
static bool hash_is(const struct builder *b, uint32_t kind, uint32_t item, uint64_t hash)
{
	const uint64_t *hashes = b->hashes[kind - ITEM_RESOURCE].items;

	return item >> ITEM_SHIFT == kind && hashes[item & ((1u << ITEM_SHIFT) - 1)] == hash;
}

static bool same_resource(const void *ctx, const void *key, uint32_t item)
{
	const struct builder *b = ctx;
	const struct sought *s = key;

	if (!hash_is(b, ITEM_RESOURCE, item, s->hash))
		return false;
	const struct trace_resource *r = &parts_resources(&b->parts)[item & ((1u << ITEM_SHIFT) - 1)];
	return text_is(b, r->schema_url, s->url) && fields_are(b, s->batch, r->attributes, s->object);
}

/* Where a resource or scope is to be added: room in the index and in the list of hashes. */
static int reserve_item(struct builder *b, uint32_t kind)
{
	struct part *hashes = &b->hashes[kind - ITEM_RESOURCE];

	if (reserve_index(b) != 0 || room(b, hashes, sizeof(uint64_t), 1, 1) == NULL)
		return -ENOMEM;
	hashes->count--;
	return 0;
}

static void add_item(struct builder *b, uint32_t kind, uint64_t hash, uint32_t number)
{
	struct part *hashes = &b->hashes[kind - ITEM_RESOURCE];

	((uint64_t *)hashes->items)[number] = hash;
	hashes->count = number + 1;
	index_add(b, hash, kind, number);
}

static int add_resource(struct builder *b, const struct sought *s, uint32_t *out)
{
	struct trace_resource r = {{0, 0}, {0, 0}};
	int rc = reserve_item(b, ITEM_RESOURCE);

	if (rc == 0)
		rc = builder_text(b, s->url, &r.schema_url);
	if (rc == 0 && s->object != NULL)
		rc = make_run(b, s->batch->shapes[s->object->shape].count, &r.attributes);
	if (rc == 0 && s->object != NULL)
		rc = fill_fields(b, s->batch, s->object, r.attributes);
	struct trace_resource *to = rc == 0 ? builder_room(b, PART_RESOURCES, 1) : NULL;
	if (to == NULL)
		return -ENOMEM;
	*to = r;
	*out = b->parts.of[PART_RESOURCES].count - 1;
	add_item(b, ITEM_RESOURCE, s->hash, *out);
	return 0;
}

static bool was_seen(const struct seen_object *seen, const struct object *o, struct slice url, uint64_t serial)
{
	return seen->serial == serial && seen->object == o && seen->url.len == url.len &&
	       (url.len == 0 || seen->url.ptr == url.ptr);
}

int builder_resource(struct builder *b, const struct batch *batch, const struct object *o, struct slice url,
                     uint64_t serial, uint32_t *out)
{
	if (was_seen(&b->resource, o, url, serial)) {
		*out = b->resource.number;
		return 0;
	}
	struct sought s = {b, batch, o, url, 0};
	s.hash = sought_hash(&s);
	uint32_t item = table_find(&b->index, item_hash(s.hash, ITEM_RESOURCE), same_resource, b, &s);
	*out = item & ((1u << ITEM_SHIFT) - 1);
	if (item == TABLE_NONE && add_resource(b, &s, out) != 0)
		return -ENOMEM;
	b->resource = (struct seen_object){serial, o, url, *out};
	return 0;
}

/* What a scope's object holds, taken apart. */
struct scope_fields {
	struct slice name, version;
	const struct object *attributes;
};

static struct slice text_of(const struct value *v)
{
	return v->type == VALUE_STRING ? slice_new(v->str, v->len) : SLICE("");
}

static struct scope_fields scope_fields(const struct batch *batch, const struct object *o)
{
	struct scope_fields f = {SLICE(""), SLICE(""), NULL};
	const struct shape *shape = o != NULL ? &batch->shapes[o->shape] : NULL;

	for (uint32_t i = 0; shape != NULL && i < shape->count; i++) {
		struct slice name = batch->keys[shape->keys[i]].name;
		const struct value *v = &o->values[i];
		if (slice_eq(name, SLICE("name")))
			f.name = text_of(v);
		else if (slice_eq(name, SLICE("version")))
			f.version = text_of(v);
		else if (slice_eq(name, SLICE("attributes")) && v->type == VALUE_OBJECT)
			f.attributes = v->object;
	}
	return f;
}

static bool same_scope(const void *ctx, const void *key, uint32_t item)
{
	const struct builder *b = ctx;
	const struct sought *s = key;

	if (!hash_is(b, ITEM_SCOPE, item, s->hash))
		return false;
	const struct trace_scope *scope = &parts_scopes(&b->parts)[item & ((1u << ITEM_SHIFT) - 1)];
	struct scope_fields f = scope_fields(s->batch, s->object);
	return text_is(b, scope->schema_url, s->url) && text_is(b, scope->name, f.name) &&
	       text_is(b, scope->version, f.version) && fields_are(b, s->batch, scope->attributes, f.attributes);
}

static int add_scope(struct builder *b, const struct sought *s, uint32_t *out)
{
	struct scope_fields f = scope_fields(s->batch, s->object);
	struct trace_scope scope = {.attributes = {0, 0}};
	int rc = reserve_item(b, ITEM_SCOPE);

	if (rc == 0)
		rc = builder_text(b, f.name, &scope.name);
	if (rc == 0)
		rc = builder_text(b, f.version, &scope.version);
	if (rc == 0)
		rc = builder_text(b, s->url, &scope.schema_url);
	if (rc == 0 && f.attributes != NULL)
		rc = make_run(b, s->batch->shapes[f.attributes->shape].count, &scope.attributes);
	if (rc == 0 && f.attributes != NULL)
		rc = fill_fields(b, s->batch, f.attributes, scope.attributes);
	struct trace_scope *to = rc == 0 ? builder_room(b, PART_SCOPES, 1) : NULL;
	if (to == NULL)
		return -ENOMEM;
	*to = scope;
	*out = b->parts.of[PART_SCOPES].count - 1;
	add_item(b, ITEM_SCOPE, s->hash, *out);
	return 0;
}

int builder_scope(struct builder *b, const struct batch *batch, const struct object *o, struct slice url,
                  uint64_t serial, uint32_t *out)
{
	if (was_seen(&b->scope, o, url, serial)) {
		*out = b->scope.number;
		return 0;
	}
	struct sought s = {b, batch, o, url, 0};
	s.hash = sought_hash(&s);
	uint32_t item = table_find(&b->index, item_hash(s.hash, ITEM_SCOPE), same_scope, b, &s);
	*out = item & ((1u << ITEM_SHIFT) - 1);
	if (item == TABLE_NONE && add_scope(b, &s, out) != 0)
		return -ENOMEM;
	b->scope = (struct seen_object){serial, o, url, *out};
	return 0;
}

/* ---- opening again ---- */

static int index_keys(struct builder *b)
{
	for (uint32_t i = 0; i < b->parts.of[PART_KEYS].count; i++) {
		struct trace_text name = parts_keys(&b->parts)[i].name;
		if (reserve_index(b) != 0)
			return -ENOMEM;
		index_add(b, hash_bytes(parts_text(&b->parts) + name.at, name.len, hash_seed()), ITEM_KEY, i);
	}
	return 0;
}

int builder_reopen(struct builder *b, const struct trace *t)
{
	struct parts from = parts_of(t);

	for (int i = 0; i < PARTS; i++) {
		if (from.of[i].count == 0)
			continue;
		void *to = builder_room(b, i, from.of[i].count);
		if (to == NULL)
			return -ENOMEM;
		memcpy(to, from.of[i].items, (size_t)from.of[i].count * part_sizes[i]);
	}
	for (uint32_t i = 0; i < t->span_count; i++) {
		struct trace_span *s = &parts_spans(&b->parts)[i];
		s->marks &= (uint8_t)~TRACE_SPAN_LATE;
		b->has_root = b->has_root || span_is_root(s);
		b->has_event = b->has_event || (s->marks & TRACE_SPAN_EVENT) != 0;
	}
	/* Resources and scopes of before are not in the index: one that comes again is there twice, no more. */
	for (int i = 0; i < 2; i++) {
		uint32_t count = b->parts.of[PART_RESOURCES + i].count;
		void *hashes = room(b, &b->hashes[i], sizeof(uint64_t), 1, count);
		if (hashes == NULL)
			return -ENOMEM;
		memset(hashes, 0, count * sizeof(uint64_t));
	}
	return index_keys(b);
}

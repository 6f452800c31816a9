/* libyaml's events, made into a tree by recursion, whose depth is bounded. */
#include "base/yaml.h"

#include <errno.h>
#include <string.h>
#include <yaml.h>

#include "base/mem.h"

struct anchor {
	struct slice name;
	const struct yaml_node *node; /* NULL: it is being read */
};

struct reader {
	yaml_parser_t parser;
	yaml_event_t event; /* at hand */
	bool has_event;
	struct arena *arena;
	struct anchor *anchors; /* owned */
	uint32_t anchor_count;
	size_t anchor_cap;
	uint32_t nodes;
	uint32_t depth;
	struct error *err;
};

static int read_node(struct reader *r, const struct yaml_node **out);

static uint32_t line_of(const yaml_mark_t *mark)
{
	return (uint32_t)mark->line + 1;
}

static int starve(struct reader *r)
{
	return error_set(r->err, -ENOMEM, "out of memory for a YAML text");
}

static int parser_failed(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;

	if (p->error == YAML_MEMORY_ERROR)
		return starve(r);
	if (p->error == YAML_READER_ERROR)
		return error_set(r->err, -EINVAL, "byte %zu: %s", p->problem_offset, p->problem);
	return error_set(r->err, -EINVAL, "line %u: %s%s%s", line_of(&p->problem_mark),
	                 p->context != NULL ? p->context : "", p->context != NULL ? ": " : "",
	                 p->problem != NULL ? p->problem : "no YAML");
}

/* The next event takes the place of the one at hand. */
static int advance(struct reader *r)
{
	if (r->has_event)
		yaml_event_delete(&r->event);
	r->has_event = yaml_parser_parse(&r->parser, &r->event) == 1;
	return r->has_event ? 0 : parser_failed(r);
}

/* ---- anchors ---- */

static int set_anchor(struct reader *r, const yaml_char_t *name, uint32_t *place)
{
	*place = UINT32_MAX;
	if (name == NULL)
		return 0;
	struct slice copy = arena_copy(r->arena, slice_cstr((const char *)name));
	if (copy.ptr == NULL ||
	    mem_grow((void **)&r->anchors, &r->anchor_cap, r->anchor_count, sizeof *r->anchors) != 0)
		return starve(r);
	*place = r->anchor_count;
	r->anchors[r->anchor_count++] = (struct anchor){copy, NULL};
	return 0;
}

/* The last anchor of that name counts. */
static int follow_alias(struct reader *r, const struct yaml_node **out)
{
	struct slice name = slice_cstr((const char *)r->event.data.alias.anchor);
	uint32_t line = line_of(&r->event.start_mark);

	for (uint32_t i = r->anchor_count; i > 0; i--) {
		const struct anchor *a = &r->anchors[i - 1];
		if (!slice_eq(a->name, name))
			continue;
		if (a->node == NULL)
			return error_set(r->err, -EINVAL, "line %u: anchor '%.*s' value contains itself", line,
			                 SLICE_ARG(name));
		if (a->node->size > YAML_NODES_MAX - r->nodes)
			return error_set(r->err, -E2BIG, "line %u: more than %d values", line, YAML_NODES_MAX);
		r->nodes += a->node->size;
		*out = a->node;
		return 0;
	}
	return error_set(r->err, -EINVAL, "line %u: unknown anchor '%.*s' referenced", line, SLICE_ARG(name));
}

/* ---- nodes ---- */

static bool is_null(const struct yaml_node *n)
{
	static const char *const words[] = {"", "~", "null", "Null", "NULL"};

	for (size_t i = 0; n->plain && i < sizeof words / sizeof *words; i++) {
		if (slice_eq(n->text, slice_cstr(words[i])))
			return true;
	}
	return false;
}

static int read_scalar(struct reader *r, struct yaml_node *n)
{
	n->text =
	    arena_copy(r->arena, slice_new((const char *)r->event.data.scalar.value, r->event.data.scalar.length));
	if (n->text.ptr == NULL)
		return starve(r);
	n->plain = r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	n->type = is_null(n) ? YAML_NULL : YAML_SCALAR;
	return 0;
}

static int read_list(struct reader *r, struct yaml_node *n)
{
	const struct yaml_node **items = NULL;
	size_t cap = 0;
	int code = advance(r);

	n->type = YAML_LIST;
	while (code == 0 && r->event.type != YAML_SEQUENCE_END_EVENT) {
		if (mem_grow((void **)&items, &cap, n->count, sizeof *items) != 0)
			code = starve(r);
		if (code == 0)
			code = read_node(r, &items[n->count]);
		if (code != 0)
			break;
		n->size += items[n->count++]->size;
		code = advance(r);
	}
	const struct yaml_node **kept = code == 0 ? arena_alloc(r->arena, n->count * sizeof *kept + 1) : NULL;
	if (code == 0 && kept == NULL)
		code = starve(r);
	if (kept != NULL && items != NULL)
		memcpy(kept, items, n->count * sizeof *kept);
	n->items = kept;
	mem_free(items);
	return code;
}

/* The key at hand, and its value. */
static int read_pair(struct reader *r, struct yaml_pair *pair, const struct yaml_pair *before, uint32_t count)
{
	pair->line = line_of(&r->event.start_mark);
	pair->column = (uint32_t)r->event.start_mark.column + 1;
	const struct yaml_node *key;
	int code = read_node(r, &key);
	if (code != 0)
		return code;
	if (key->type != YAML_SCALAR && key->type != YAML_NULL)
		return error_set(r->err, -EINVAL, "line %u: a key is a text, not %s", pair->line, yaml_type_name(key));
	pair->key = key->text;
	for (uint32_t i = 0; i < count; i++) {
		if (slice_eq(before[i].key, pair->key))
			return error_set(r->err, -EINVAL, "line %u: mapping key \"%.*s\" already defined at line %u",
			                 pair->line, SLICE_ARG(pair->key), before[i].line);
	}
	code = advance(r);
	return code == 0 ? read_node(r, &pair->value) : code;
}

static int read_map(struct reader *r, struct yaml_node *n)
{
	struct yaml_pair *pairs = NULL;
	size_t cap = 0;
	int code = advance(r);

	n->type = YAML_MAP;
	while (code == 0 && r->event.type != YAML_MAPPING_END_EVENT) {
		if (n->count == YAML_KEYS_MAX)
			code = error_set(r->err, -E2BIG, "line %u: a map of more than %d keys", n->line, YAML_KEYS_MAX);
		else if (mem_grow((void **)&pairs, &cap, n->count, sizeof *pairs) != 0)
			code = starve(r);
		if (code == 0)
			code = read_pair(r, &pairs[n->count], pairs, n->count);
		if (code != 0)
			break;
		n->size += pairs[n->count++].value->size;
		code = advance(r);
	}
	struct yaml_pair *kept = code == 0 ? arena_alloc(r->arena, n->count * sizeof *kept + 1) : NULL;
	if (code == 0 && kept == NULL)
		code = starve(r);
	if (kept != NULL && pairs != NULL)
		memcpy(kept, pairs, n->count * sizeof *kept);
	n->pairs = kept;
	mem_free(pairs);
	return code;
}

static int read_inner(struct reader *r, struct yaml_node *n, bool map)
{
	if (r->depth == YAML_DEPTH_MAX)
		return error_set(r->err, -E2BIG, "line %u: nested more than %d deep", n->line, YAML_DEPTH_MAX);
	r->depth++;
	int code = map ? read_map(r, n) : read_list(r, n);
	r->depth--;
	return code;
}

/* The node that begins with the event at hand; its last event is at hand afterwards. */
static int read_node(struct reader *r, const struct yaml_node **out)
{
	uint32_t anchor = UINT32_MAX;
	int code = 0;

	if (r->event.type == YAML_ALIAS_EVENT)
		return follow_alias(r, out);
	struct yaml_node *n = arena_alloc(r->arena, sizeof *n);
	if (n == NULL)
		return starve(r);
	if (r->nodes == YAML_NODES_MAX)
		return error_set(r->err, -E2BIG, "line %u: more than %d values", line_of(&r->event.start_mark),
		                 YAML_NODES_MAX);
	r->nodes++;
	*n = (struct yaml_node){
	    .line = line_of(&r->event.start_mark), .column = (uint32_t)r->event.start_mark.column + 1, .size = 1};
	switch (r->event.type) {
	case YAML_SCALAR_EVENT:
		code = set_anchor(r, r->event.data.scalar.anchor, &anchor);
		if (code == 0)
			code = read_scalar(r, n);
		break;
	case YAML_SEQUENCE_START_EVENT:
		code = set_anchor(r, r->event.data.sequence_start.anchor, &anchor);
		if (code == 0)
			code = read_inner(r, n, false);
		break;
	case YAML_MAPPING_START_EVENT:
		code = set_anchor(r, r->event.data.mapping_start.anchor, &anchor);
		if (code == 0)
			code = read_inner(r, n, true);
		break;
	default:
		return error_set(r->err, -EINVAL, "line %u: a value was expected", n->line);
	}
	if (code == 0 && anchor != UINT32_MAX)
		r->anchors[anchor].node = n;
	*out = n;
	return code;
}

/* The stream's only document. */
static int read_stream(struct reader *r, const struct yaml_node **out)
{
	static const struct yaml_node nothing = {.type = YAML_NULL, .plain = true, .line = 1, .column = 1, .size = 1};
	int code = advance(r); /* the stream's start */

	*out = &nothing;
	if (code == 0)
		code = advance(r);
	if (code != 0 || r->event.type == YAML_STREAM_END_EVENT)
		return code;
	code = advance(r); /* behind the document's start */
	if (code == 0)
		code = read_node(r, out);
	if (code == 0)
		code = advance(r); /* the document's end */
	if (code == 0)
		code = advance(r);
	if (code == 0 && r->event.type != YAML_STREAM_END_EVENT)
		return error_set(r->err, -EINVAL, "line %u: more than one document", line_of(&r->event.start_mark));
	return code;
}

int yaml_read(struct slice text, struct arena *arena, const struct yaml_node **out, struct error *err)
{
	struct reader r = {.arena = arena, .err = err};

	if (text.len > YAML_BYTES_MAX)
		return error_set(err, -E2BIG, "line 1: longer than %d bytes", YAML_BYTES_MAX);
	if (yaml_parser_initialize(&r.parser) == 0)
		return starve(&r);
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.len > 0 ? text.ptr : ""), text.len);
	int code = read_stream(&r, out);
	if (r.has_event)
		yaml_event_delete(&r.event);
	yaml_parser_delete(&r.parser);
	mem_free(r.anchors);
	return code;
}

const struct yaml_node *yaml_find(const struct yaml_node *map, struct slice key)
{
	for (uint32_t i = 0; map->type == YAML_MAP && i < map->count; i++) {
		if (slice_eq(map->pairs[i].key, key))
			return map->pairs[i].value;
	}
	return NULL;
}

const struct yaml_pair *yaml_unknown(const struct yaml_node *map, const char *const *names)
{
	for (uint32_t i = 0; map->type == YAML_MAP && i < map->count; i++) {
		bool known = false;
		for (const char *const *name = names; *name != NULL && !known; name++)
			known = slice_eq(map->pairs[i].key, slice_cstr(*name));
		if (!known)
			return &map->pairs[i];
	}
	return NULL;
}

const char *yaml_type_name(const struct yaml_node *n)
{
	static const char *const names[] = {"nothing", "a text", "a list", "a map"};

	return names[n->type];
}

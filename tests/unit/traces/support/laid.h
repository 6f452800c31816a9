/* A trace laid out by hand, from spans that are written down:
 *
 *   laid_span(&l, (struct laid_span){.parent = 0, .name = "b", .attributes = "x=1,y=text,z=1.5,t=true,n=null,l=[1|2]"})
 *
 * Spans are given in the order of their start; a parent may be one that comes later. laid_trace makes the piece, which laid_free frees. */
#ifndef MOONGATE_TEST_TRACES_LAID_H
#define MOONGATE_TEST_TRACES_LAID_H

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "traces/trace.h"

enum { LAID_CELLS = 4096, LAID_SPANS = 512, LAID_TEXT = 64 * 1024, LAID_NONE = -1, LAID_ORPHAN = -2 };

struct laid_span {
	int parent; /* LAID_NONE: a root; LAID_ORPHAN: its parent is not there */
	const char *name, *attributes, *resource, *scope_attributes, *scope_name;
	const char *event, *event_attributes; /* one of each name before a '|' */
	const char *link_attributes;
	int64_t start_ns, duration_ns;
	int status, kind;
};

struct laid {
	struct trace_span spans[LAID_SPANS];
	struct trace_resource resources[LAID_SPANS];
	struct trace_scope scopes[LAID_SPANS];
	struct trace_event events[LAID_SPANS];
	struct trace_link links[LAID_SPANS];
	struct trace_key keys[LAID_CELLS];
	struct trace_cell cells[LAID_CELLS];
	char text[LAID_TEXT];
	uint32_t span_count, resource_count, event_count, link_count, key_count, cell_count, text_len;
	const char *last_resource;
	void *piece;
};

static struct trace_text laid_text(struct laid *l, const char *s, size_t len)
{
	struct trace_text t = {l->text_len, (uint32_t)len};

	memcpy(l->text + l->text_len, s, len);
	l->text_len += (uint32_t)len;
	return t;
}

static struct trace_text laid_cstr(struct laid *l, const char *s)
{
	return s != NULL ? laid_text(l, s, strlen(s)) : (struct trace_text){0, 0};
}

static uint32_t laid_key(struct laid *l, const char *s, size_t len)
{
	uint32_t hash = (uint32_t)hash_bytes(s, len, 0);

	for (uint32_t i = 0; i < l->key_count; i++) {
		if (l->keys[i].hash == hash && l->keys[i].name.len == len &&
		    memcmp(l->text + l->keys[i].name.at, s, len) == 0)
			return i;
	}
	l->keys[l->key_count] = (struct trace_key){hash, laid_text(l, s, len)};
	return l->key_count++;
}

static struct trace_cell laid_value(struct laid *l, uint32_t key, const char *s, size_t len)
{
	struct trace_cell c = {.key = key, .type = TRACE_CELL_STRING};
	char copy[256], *end;

	memcpy(copy, s, len);
	copy[len] = '\0';
	if (copy[0] == '[') {
		struct trace_cell items[16];
		uint32_t count = 0;
		for (char *at = copy + 1; *at != ']'; at += *at == '|') {
			size_t item = strcspn(at, "|]");
			items[count++] = laid_value(l, TRACE_NONE, at, item);
			at += item;
		}
		c.type = TRACE_CELL_ARRAY;
		c.items = (struct trace_run){l->cell_count, count};
		memcpy(l->cells + l->cell_count, items, count * sizeof *items);
		l->cell_count += count;
	} else if (strcmp(copy, "null") == 0) {
		c.type = TRACE_CELL_NULL;
	} else if (strcmp(copy, "true") == 0 || strcmp(copy, "false") == 0) {
		c.type = TRACE_CELL_BOOL;
		c.integer = copy[0] == 't';
	} else if (c.integer = strtoll(copy, &end, 10), *end == '\0' && len > 0) {
		c.type = TRACE_CELL_INT;
	} else if (c.number = strtod(copy, &end), *end == '\0' && len > 0) {
		c.type = TRACE_CELL_DOUBLE;
	} else {
		c.text = laid_text(l, s, len);
	}
	return c;
}

static struct trace_run laid_cells(struct laid *l, const char *s)
{
	struct trace_cell cells[32];
	uint32_t count = 0;

	for (; s != NULL && *s != '\0'; s += *s == ',') {
		size_t name = strcspn(s, "="), value = strcspn(s + name, ",") - 1;
		cells[count] = laid_value(l, laid_key(l, s, name), s + name + 1, value);
		count++;
		s += name + 1 + value;
	}
	struct trace_run run = {l->cell_count, count};
	memcpy(l->cells + l->cell_count, cells, count * sizeof *cells);
	l->cell_count += count;
	return run;
}

static void laid_events(struct laid *l, struct trace_span *s, const struct laid_span *from)
{
	const char *attributes = from->event_attributes;

	s->events.first = l->event_count;
	for (const char *at = from->event; at != NULL && *at != '\0'; at += *at == '|') {
		struct trace_event *e = &l->events[l->event_count++];
		size_t len = strcspn(at, "|");
		e->name = laid_text(l, at, len);
		e->time_ns = s->start_ns + 1000 * (int64_t)(s->events.count + 1);
		if (attributes != NULL && *attributes != '\0') {
			char copy[128] = {0};
			size_t some = strcspn(attributes, "|");
			memcpy(copy, attributes, some);
			e->attributes = laid_cells(l, copy);
			attributes += some + (attributes[some] == '|');
		}
		s->events.count++;
		at += len;
	}
	s->links.first = l->link_count;
	if (from->link_attributes != NULL) {
		struct trace_link *k = &l->links[l->link_count++];
		memset(k->trace_id, 0xab, sizeof k->trace_id);
		k->span_id = 0xcd;
		k->attributes = laid_cells(l, from->link_attributes);
		s->links.count = 1;
	}
}

static uint32_t laid_span(struct laid *l, struct laid_span from)
{
	uint32_t number = l->span_count++;
	struct trace_span *s = &l->spans[number];

	*s = (struct trace_span){.first_child = TRACE_NONE, .next_sibling = TRACE_NONE};
	s->id = number + 1;
	s->start_ns = from.start_ns != 0 ? from.start_ns : (int64_t)(1000 + number) * 1000000;
	s->duration_ns = from.duration_ns;
	s->parent = from.parent >= 0 ? (uint32_t)from.parent : TRACE_NONE;
	s->parent_id = from.parent >= 0 ? s->parent + 1u : from.parent == LAID_ORPHAN ? 0xdead : 0;
	s->name = laid_cstr(l, from.name);
	s->status = (uint8_t)from.status;
	s->kind = (uint8_t)from.kind;
	s->attributes = laid_cells(l, from.attributes);
	laid_events(l, s, &from);
	s->scope = number;
	l->scopes[number] = (struct trace_scope){.name = laid_cstr(l, from.scope_name),
	                                         .attributes = laid_cells(l, from.scope_attributes)};
	if (l->resource_count == 0 || from.resource != l->last_resource) {
		l->resources[l->resource_count++] = (struct trace_resource){.attributes = laid_cells(l, from.resource)};
		l->last_resource = from.resource;
	}
	s->resource = l->resource_count - 1;
	return number;
}

static void laid_tree(struct laid *l)
{
	for (uint32_t i = l->span_count; i-- > 0;) {
		struct trace_span *s = &l->spans[i];
		if (s->parent == TRACE_NONE)
			continue;
		s->next_sibling = l->spans[s->parent].first_child;
		l->spans[s->parent].first_child = i;
	}
}

static uint32_t laid_part(char *piece, uint32_t *size, const void *items, size_t bytes)
{
	uint32_t at = *size;

	if (bytes > 0)
		memcpy(piece + at, items, bytes);
	*size += (uint32_t)((bytes + 7) & ~(size_t)7);
	return at;
}

static const struct trace *laid_trace(struct laid *l)
{
	char *piece = calloc(1, sizeof *l + sizeof(struct trace));
	struct trace *t = (struct trace *)piece;
	uint32_t size = (sizeof *t + 7) & ~7u;

	laid_tree(l);
	t->span_count = t->scope_count = l->span_count;
	t->resource_count = l->resource_count;
	t->event_count = l->event_count;
	t->link_count = l->link_count;
	t->key_count = l->key_count;
	t->cell_count = l->cell_count;
	t->text_len = l->text_len;
	t->spans_at = laid_part(piece, &size, l->spans, l->span_count * sizeof *l->spans);
	t->resources_at = laid_part(piece, &size, l->resources, l->resource_count * sizeof *l->resources);
	t->scopes_at = laid_part(piece, &size, l->scopes, l->span_count * sizeof *l->scopes);
	t->events_at = laid_part(piece, &size, l->events, l->event_count * sizeof *l->events);
	t->links_at = laid_part(piece, &size, l->links, l->link_count * sizeof *l->links);
	t->keys_at = laid_part(piece, &size, l->keys, l->key_count * sizeof *l->keys);
	t->cells_at = laid_part(piece, &size, l->cells, l->cell_count * sizeof *l->cells);
	t->text_at = laid_part(piece, &size, l->text, l->text_len);
	t->size = size;
	memset(t->id, 0x1f, sizeof t->id);
	t->root = TRACE_NONE;
	t->start_ns = INT64_MAX;
	for (uint32_t i = 0; i < l->span_count; i++) {
		const struct trace_span *s = &l->spans[i];
		int64_t end = s->start_ns + (s->duration_ns > 0 ? s->duration_ns : 0);
		t->start_ns = s->start_ns < t->start_ns ? s->start_ns : t->start_ns;
		t->end_ns = end > t->end_ns ? end : t->end_ns;
		t->errors += s->status == SPAN_ERROR;
		if (t->root == TRACE_NONE && s->parent_id == 0)
			t->root = i;
	}
	for (uint32_t i = 0; t->root == TRACE_NONE; i++)
		t->root = l->spans[i].parent == TRACE_NONE ? i : TRACE_NONE;
	l->piece = piece;
	return t;
}

__attribute__((unused)) static void laid_free(struct laid *l)
{
	free(l->piece);
	l->piece = NULL;
}

#endif

/* A trace laid out by hand, with one of everything: two resources, three spans of which the third belongs to the first one's resource, values of all types, an event, a link. */
#ifndef MOONGATE_TEST_API_MADE_TRACE_H
#define MOONGATE_TEST_API_MADE_TRACE_H

#include <stddef.h>
#include <string.h>

#include "base/hash.h"
#include "traces/traces.h"

enum { MADE_SPANS = 3, MADE_KEYS = 9, MADE_CELLS = 13, MADE_TEXT = 400 };
#define MADE_START INT64_C(1700000000000000000)

struct made_trace {
	struct trace head;
	struct trace_span spans[MADE_SPANS];
	struct trace_resource resources[2];
	struct trace_scope scopes[2];
	struct trace_event events[1];
	struct trace_link links[1];
	struct trace_key keys[MADE_KEYS];
	struct trace_cell cells[MADE_CELLS];
	char text[MADE_TEXT];
};

static struct trace_text made_text(struct made_trace *m, const char *s)
{
	struct trace_text t = {m->head.text_len, (uint32_t)strlen(s)};

	memcpy(m->text + t.at, s, t.len);
	m->head.text_len += t.len;
	return t;
}

static struct trace_cell made_string(struct made_trace *m, uint32_t key, const char *s)
{
	return (struct trace_cell){.key = key, .type = TRACE_CELL_STRING, .text = made_text(m, s)};
}

static void made_keys(struct made_trace *m)
{
	static const char *const names[MADE_KEYS] = {"service.name", "user.id", "tokens", "ratio",  "ok",
	                                             "list",         "map",     "none",   "in<side"};

	for (uint32_t i = 0; i < MADE_KEYS; i++) {
		uint32_t hash = (uint32_t)hash_bytes(names[i], strlen(names[i]), 0);
		m->keys[i] = (struct trace_key){hash, made_text(m, names[i])};
	}
}

/* 0, 1: the resources. 2 to 8: the first span. 9, 10: items of its list. 11: of its map. 12: of event and link. */
static void made_cells(struct made_trace *m)
{
	m->cells[0] = made_string(m, 0, "front");
	m->cells[1] = made_string(m, 0, "back");
	m->cells[2] = made_string(m, 1, "");
	m->cells[3] = (struct trace_cell){.key = 2, .type = TRACE_CELL_INT, .integer = -7};
	m->cells[4] = (struct trace_cell){.key = 3, .type = TRACE_CELL_DOUBLE, .number = 0.5};
	m->cells[5] = (struct trace_cell){.key = 4, .type = TRACE_CELL_BOOL, .integer = 0};
	m->cells[6] = (struct trace_cell){.key = 5, .type = TRACE_CELL_ARRAY, .items = {9, 2}};
	m->cells[7] = (struct trace_cell){.key = 6, .type = TRACE_CELL_OBJECT, .items = {11, 1}};
	m->cells[8] = (struct trace_cell){.key = 7, .type = TRACE_CELL_NULL};
	m->cells[9] = made_string(m, TRACE_NONE, "a\"</b>");
	m->cells[10] = (struct trace_cell){.key = TRACE_NONE, .type = TRACE_CELL_DOUBLE, .number = __builtin_inf()};
	m->cells[11] = (struct trace_cell){.key = 8, .type = TRACE_CELL_INT, .integer = INT64_MAX};
	m->cells[12] = made_string(m, 8, "x");
}

static void made_spans(struct made_trace *m)
{
	m->spans[0] = (struct trace_span){.id = 0x0102030405060708,
	                                  .start_ns = MADE_START,
	                                  .duration_ns = 2000000000,
	                                  .parent = TRACE_NONE,
	                                  .first_child = 1,
	                                  .next_sibling = TRACE_NONE,
	                                  .name = made_text(m, "invoke_agent"),
	                                  .trace_state = made_text(m, "a=b"),
	                                  .attributes = {2, 7},
	                                  .kind = SPAN_SERVER,
	                                  .flags = 0x101,
	                                  .dropped_attributes = 1,
	                                  .dropped_events = 2,
	                                  .dropped_links = 3};
	m->spans[1] = (struct trace_span){.id = 2,
	                                  .parent_id = 0x0102030405060708,
	                                  .start_ns = MADE_START + 500000000,
	                                  .duration_ns = 1000000000,
	                                  .parent = 0,
	                                  .first_child = TRACE_NONE,
	                                  .next_sibling = 2,
	                                  .name = made_text(m, "chat"),
	                                  .status_message = made_text(m, "too many requests"),
	                                  .resource = 1,
	                                  .scope = 1,
	                                  .events = {0, 1},
	                                  .links = {0, 1},
	                                  .kind = SPAN_CLIENT,
	                                  .status = SPAN_ERROR};
	m->spans[2] = (struct trace_span){.id = 3,
	                                  .parent_id = 0x0102030405060708,
	                                  .start_ns = MADE_START + 600000000,
	                                  .duration_ns = -5,
	                                  .parent = 0,
	                                  .first_child = TRACE_NONE,
	                                  .next_sibling = TRACE_NONE,
	                                  .status = SPAN_OK};
}

/* Good as long as *m is. */
static const struct trace *made_trace(struct made_trace *m)
{
	memset(m, 0, sizeof *m);
	made_keys(m);
	made_cells(m);
	made_spans(m);
	m->resources[0] =
	    (struct trace_resource){.attributes = {0, 1}, .schema_url = made_text(m, "https://example.org/1")};
	m->resources[1] = (struct trace_resource){.attributes = {1, 1}};
	m->scopes[0] = (struct trace_scope){.name = made_text(m, "lib"), .version = made_text(m, "1.2")};
	m->scopes[1].attributes = (struct trace_run){12, 1};
	m->scopes[1].schema_url = made_text(m, "https://example.org/2");
	m->events[0] = (struct trace_event){MADE_START + 1, made_text(m, "exception"), {12, 1}, 4};
	m->links[0] = (struct trace_link){.span_id = 9,
	                                  .trace_state = made_text(m, "c=d"),
	                                  .attributes = {12, 1},
	                                  .flags = 1,
	                                  .dropped_attributes = 5};
	memset(m->links[0].trace_id, 0xab, 16);
	memset(m->head.id, 0x1f, 16);
	m->head.size = sizeof *m;
	m->head.start_ns = MADE_START;
	m->head.end_ns = MADE_START + 2000000000;
	m->head.errors = 1;
	m->head.span_count = MADE_SPANS;
	m->head.resource_count = m->head.scope_count = 2;
	m->head.event_count = m->head.link_count = 1;
	m->head.key_count = MADE_KEYS;
	m->head.cell_count = MADE_CELLS;
	m->head.spans_at = offsetof(struct made_trace, spans);
	m->head.resources_at = offsetof(struct made_trace, resources);
	m->head.scopes_at = offsetof(struct made_trace, scopes);
	m->head.events_at = offsetof(struct made_trace, events);
	m->head.links_at = offsetof(struct made_trace, links);
	m->head.keys_at = offsetof(struct made_trace, keys);
	m->head.cells_at = offsetof(struct made_trace, cells);
	m->head.text_at = offsetof(struct made_trace, text);
	return &m->head;
}

#endif

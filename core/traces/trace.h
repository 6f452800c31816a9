/* One trace in one piece of memory: a head, and behind it arrays that are found by offsets, so that it can be copied as bytes. It is immutable.
 *
 *   head │ spans │ resources │ scopes │ events │ links │ keys │ cells │ text
 *
 * A cell is a value with a name; attributes are a run of cells. Names are numbers of the trace's own table of keys, texts are places in its text, each once: who looks for an attribute in many spans
 * finds its key once a trace (trace_find_key) and compares numbers. Lists and maps are cells whose items are other runs of cells.
 *
 * Spans stand in the order of their start, of those of one start in the order of arrival. `parent`, `first_child` and `next_sibling` make the tree; children are in that order too. A span whose parent is not there, or would be below
 * itself (a cycle is cut at its earliest span), has none and is at the top. */
#ifndef MOONGATE_TRACES_TRACE_H
#define MOONGATE_TRACES_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "record/span.h"

#define TRACE_NONE UINT32_MAX /* no span, no key */

/* Bytes in a trace's text. */
struct trace_text {
	uint32_t at, len;
};

/* A run of cells, events or links. */
struct trace_run {
	uint32_t first, count;
};

enum trace_cell_type {
	TRACE_CELL_NULL,
	TRACE_CELL_BOOL,
	TRACE_CELL_INT,
	TRACE_CELL_DOUBLE,
	TRACE_CELL_STRING,
	TRACE_CELL_ARRAY, /* items are cells without a key (TRACE_NONE) */
	TRACE_CELL_OBJECT
};

struct trace_cell {
	uint32_t key;  /* in the trace's keys */
	uint32_t type; /* enum trace_cell_type */
	union {
		int64_t integer; /* of a bool 0 or 1 */
		double number;
		struct trace_text text;
		struct trace_run items;
	};
};

struct trace_key {
	uint32_t hash; /* the low half of hash_bytes(name, 0) */
	struct trace_text name;
};

struct trace_resource {
	struct trace_run attributes;
	struct trace_text schema_url;
};

struct trace_scope {
	struct trace_text name, version, schema_url;
	struct trace_run attributes;
};

struct trace_event {
	int64_t time_ns;
	struct trace_text name;
	struct trace_run attributes;
	uint32_t dropped_attributes;
};

struct trace_link {
	uint8_t trace_id[16];
	uint64_t span_id;
	struct trace_text trace_state;
	struct trace_run attributes;
	uint32_t flags, dropped_attributes;
};

enum trace_span_mark {
	TRACE_SPAN_LATE = 1, /* came after its trace had closed once: what was said of it then did not know this span */
	TRACE_SPAN_EVENT = 2 /* was a JSON event: its name is the event's type, its attributes are all other fields */
};

struct trace_span {
	uint64_t id, parent_id; /* the eight bytes as a number, the first one highest; a parent_id of 0: none */
	int64_t start_ns;       /* nanoseconds since the Unix epoch */
	int64_t duration_ns;    /* may be negative */
	uint32_t parent, first_child, next_sibling; /* numbers of spans; TRACE_NONE */
	struct trace_text name, status_message, trace_state;
	struct trace_run attributes, events, links;
	uint32_t resource, scope; /* numbers; each span has both, which may be empty */
	uint32_t flags;           /* as OTLP has them */
	uint32_t dropped_attributes, dropped_events, dropped_links;
	uint8_t kind;   /* enum span_kind */
	uint8_t status; /* enum span_status */
	uint8_t marks;  /* enum trace_span_mark */
};

enum trace_mark {
	TRACE_OPEN = 1,   /* not closed: a copy of what had come */
	TRACE_LATE = 2,   /* closed before, and opened again by spans that came later */
	TRACE_CUT = 4,    /* spans of it are missing: some were evicted, or were more than a trace may have */
	TRACE_EXPIRED = 8 /* closed by its age, not by its end */
};

struct trace {
	uint8_t id[16];
	uint32_t size;  /* of the whole piece in bytes, this head included; a multiple of 8 */
	uint32_t marks; /* enum trace_mark */
	int64_t start_ns,
	    end_ns; /* the earliest start, the latest end (of a span with a negative duration its start) */
	uint32_t
	    root; /* the first span without a parent_id; else the first at the top whose parent is remote; else the first at the top. There is always one */
	uint32_t errors; /* spans of status error */
	uint32_t span_count, resource_count, scope_count, event_count, link_count, key_count, cell_count, text_len;
	uint32_t spans_at, resources_at, scopes_at, events_at, links_at, keys_at, cells_at,
	    text_at; /* from the head's start */
};

static inline const void *trace_part(const struct trace *t, uint32_t at)
{
	return (const char *)t + at;
}

/* The arrays. */
static inline const struct trace_span *trace_spans(const struct trace *t)
{
	return trace_part(t, t->spans_at);
}
static inline const struct trace_resource *trace_resources(const struct trace *t)
{
	return trace_part(t, t->resources_at);
}
static inline const struct trace_scope *trace_scopes(const struct trace *t)
{
	return trace_part(t, t->scopes_at);
}
static inline const struct trace_event *trace_events(const struct trace *t)
{
	return trace_part(t, t->events_at);
}
static inline const struct trace_link *trace_links(const struct trace *t)
{
	return trace_part(t, t->links_at);
}
static inline const struct trace_key *trace_keys(const struct trace *t)
{
	return trace_part(t, t->keys_at);
}
static inline const struct trace_cell *trace_cells(const struct trace *t)
{
	return trace_part(t, t->cells_at);
}

/* A text's bytes, in the trace. */
static inline struct slice trace_text(const struct trace *t, struct trace_text text)
{
	return slice_new((const char *)t + t->text_at + text.at, text.len);
}

/* The hash of a key's name, for trace_find_key: reckoned once for many traces. */
uint32_t trace_key_hash(struct slice name);
/* The number of a key in this trace, or TRACE_NONE: then no cell has it. */
uint32_t trace_find_key(const struct trace *t, struct slice name, uint32_t hash);

/* The cell of a run with that key, or NULL. */
static inline const struct trace_cell *trace_run_find(const struct trace *t, struct trace_run run, uint32_t key)
{
	const struct trace_cell *cells = trace_cells(t) + run.first;

	for (uint32_t i = 0; i < run.count; i++) {
		if (cells[i].key == key)
			return &cells[i];
	}
	return NULL;
}

/* An attribute of the span, or NULL. By name: for who asks once. */
const struct trace_cell *trace_attribute(const struct trace *t, const struct trace_span *s, struct slice name);
/* An attribute of the span's resource, or NULL. */
const struct trace_cell *trace_resource_attribute(const struct trace *t, const struct trace_span *s, struct slice name);

/* service.name of the span's resource; empty where there is none or it is no string. */
struct slice trace_service(const struct trace *t, const struct trace_span *s);

/* The number of the span with this id, or TRACE_NONE. Of several with one id the first. */
uint32_t trace_find_span(const struct trace *t, uint64_t id);

/* Nanoseconds of the span in which none of its children ran; never negative. `self` has span_count places: all spans at once. 0 or -ENOMEM. */
int trace_self_times(const struct trace *t, int64_t *self);

/* The chain of spans that decided when the trace ended: from the root to the child that ended last, and on from where that one began to the one that ended last before, as
 * the critical path of Jaeger has it. `on_path` has span_count places and says of each span whether it is on it. 0 or -ENOMEM. */
int trace_critical_path(const struct trace *t, bool *on_path);

/* Ids as text and back. */
void trace_id_text(const uint8_t id[16], char out[33]); /* 32 digits in lower case, terminated */
void trace_span_id_text(uint64_t id, char out[17]);
/* Reads 1 to 32 digits of either case, leading zeros may be missing. False: it is no id, or all 0. */
bool trace_id_read(struct slice text, uint8_t out[16]);
bool trace_span_id_read(struct slice text, uint64_t *out);

#endif

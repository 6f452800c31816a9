/* The arrays of a trace, wherever they lie: growing in a builder, copied, or in one piece. */
#ifndef MOONGATE_TRACES_PARTS_H
#define MOONGATE_TRACES_PARTS_H

#include "traces/trace.h"

/* In the order in which they lie in a piece. */
enum part_kind {
	PART_SPANS,
	PART_RESOURCES,
	PART_SCOPES,
	PART_EVENTS,
	PART_LINKS,
	PART_KEYS,
	PART_CELLS,
	PART_TEXT,
	PARTS
};

/* Bytes of an item. */
extern const uint32_t part_sizes[PARTS];

/* Of all parts of a trace together: offsets in it have 32 bits. */
enum { TRACE_BYTES_MAX = 1 << 30 };

struct part {
	void *items; /* owned or borrowed, as the owner of the struct says */
	uint32_t count, cap;
};

struct parts {
	struct part of[PARTS];
};

static inline struct trace_span *parts_spans(const struct parts *p)
{
	return p->of[PART_SPANS].items;
}
static inline struct trace_resource *parts_resources(const struct parts *p)
{
	return p->of[PART_RESOURCES].items;
}
static inline struct trace_scope *parts_scopes(const struct parts *p)
{
	return p->of[PART_SCOPES].items;
}
static inline struct trace_key *parts_keys(const struct parts *p)
{
	return p->of[PART_KEYS].items;
}
static inline struct trace_cell *parts_cells(const struct parts *p)
{
	return p->of[PART_CELLS].items;
}
static inline const char *parts_text(const struct parts *p)
{
	return p->of[PART_TEXT].items;
}

/* The parts of a piece; borrowed from it. */
struct parts parts_of(const struct trace *t);

/* ---- finish.c: arrays become one piece ---- */

/* What putting traces together takes besides their bytes; kept from one to the next. */
struct finisher {
	struct finisher_order *order;
	uint32_t *places; /* of span ids, and marks of walks */
	size_t order_cap, place_cap;
	uint32_t kept; /* spans that are in the piece */
	uint32_t spans_size;
};

void finisher_deinit(struct finisher *f);

/* First: sorts the spans and decides which stay (an event is left out where its span is there). The piece's size in bytes, or 0: memory is out. There is a span. */
size_t finisher_plan(struct finisher *f, const struct parts *p);
/* Then: writes the piece, for which `to` has the bytes (aligned to 8). `marks`: enum trace_mark. */
void finisher_write(struct finisher *f, const struct parts *p, const uint8_t id[16], uint32_t marks, struct trace *to);
/* Which span of the arrays stands at a place of the piece that was planned last. */
uint32_t finisher_source(const struct finisher *f, uint32_t span);
/* The memory that it holds. */
size_t finisher_bytes(const struct finisher *f);

#endif

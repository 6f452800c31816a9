/* The evaluator's state, and its parts. */
#ifndef MOONGATE_TRACES_TRACEQL_STATE_H
#define MOONGATE_TRACES_TRACEQL_STATE_H

#include <errno.h>

#include "base/table.h"
#include "traces/traceql_tree.h"

enum {
	REGEX_SLOTS = 256,      /* what expressions said of texts lately */
	REGEX_TEXT_KEPT = 40,   /* of texts up to this length; of longer ones it is known for the trace at hand alone */
	ID_TEXTS = 4,           /* of ids that are compared: no expression has more at once */
	STOP_EVERY = 200 * 1000 /* in costs of nodes, some ns each */
};

#define KEY_UNKNOWN (TRACE_NONE - 1) /* a field's name was not looked for yet */

struct regex_slot {
	uint64_t key;    /* 0: empty */
	uint64_t serial; /* of the trace; 0: of any */
	uint32_t len;
	bool matches;
	char text[REGEX_TEXT_KEPT];
};

struct traceql_state {
	const struct traceql_query *q;
	bool (*stop)(void *ctx);
	void *stop_ctx;
	uint64_t work; /* since stop was asked last */
	int code;      /* -ENOMEM or -ECANCELED: what is said of this trace is void */

	const struct trace *t;
	uint64_t serial;      /* of the trace, from 1 */
	struct arena scratch; /* of what is good for one trace */
	uint32_t *keys;       /* of each field: the number of its name in the trace, once it was asked for */
	uint8_t *memo;        /* of each memo and resource: 0, or 1 + what it was */
	size_t memo_cap;
	/* A place for each span. */
	uint32_t *found;             /* what a filter has found so far */
	uint8_t *left, *right, *hit; /* sides of an operator and what comes of them */
	uint32_t *nested;            /* three for each: left, right, children; filled when it is first asked for */
	size_t span_cap;
	bool has_nested;

	struct table groups;
	char ids[ID_TEXTS][40];
	uint32_t next_id;
	struct regex_slot slots[REGEX_SLOTS];
};

/* ---- traceql_read.c: fields of a span as values ---- */

/* How many values a field of events or links has. */
uint32_t read_many(struct traceql_state *s, const struct field *f, uint32_t span);
/* The value of a field, of events and links the nth one. */
struct traceql_value read_field(struct traceql_state *s, uint32_t field, uint32_t span, uint32_t nth);
/* An attribute's value, or an element's. */
struct traceql_value read_cell(const struct trace *t, const struct trace_cell *c);
/* The value as it can be kept while the trace is at hand: ids copied, arrays as JSON. */
struct traceql_value read_kept(struct traceql_state *s, struct traceql_value v);
/* Is it a root, in the sense of nestedSetParent? */
bool read_is_root(const struct trace *t, uint32_t span);

/* ---- traceql_match.c ---- */

bool match_node(struct traceql_state *s, const struct node *n, uint32_t span);
struct traceql_value match_value(struct traceql_state *s, const struct node *n, uint32_t span);

/* ---- traceql_value.c ---- */

/* Does the comparison hold? */
bool value_compare(const struct trace *t, enum lex_type op, const struct traceql_value *a,
                   const struct traceql_value *b);
struct traceql_value value_arithmetic(enum lex_type op, const struct traceql_value *a, const struct traceql_value *b);
/* Of values that read_kept gave. */
uint64_t value_hash(const struct traceql_value *v);
bool value_same(const struct traceql_value *a, const struct traceql_value *b);
/* A fixed order: by type, then by value. For qsort. */
int value_order(const void *left, const void *right);
void value_cell_json(const struct trace *t, const struct trace_cell *c, struct buf *out);

static inline bool value_is_number(const struct traceql_value *v)
{
	return v->type == TRACEQL_INT || v->type == TRACEQL_FLOAT || v->type == TRACEQL_DURATION;
}
static inline double value_number(const struct traceql_value *v)
{
	return v->type == TRACEQL_FLOAT ? v->number : (double)v->integer;
}

/* ---- traceql_structure.c ---- */

/* Of `a` and `b`, which say of each span whether it is on that side of a structural operator, to s->hit: which spans come of it. Linear in the spans. */
void structure_relate(struct traceql_state *s, enum lex_type op, const uint8_t *a, const uint8_t *b);

/* Forgets the trace before, and is ready for this one. 0, -ENOMEM. */
int state_begin(struct traceql_state *s, const struct trace *t);
/* Room in the scratch; NULL: memory is out, noted. */
void *state_room(struct traceql_state *s, size_t size);
/* Adds to what was done, and asks whether to stop. */
static inline void state_work(struct traceql_state *s, uint64_t cost)
{
	s->work += cost;
	if (s->work < STOP_EVERY || s->stop == NULL)
		return;
	s->work = 0;
	if (s->stop(s->stop_ctx) && s->code == 0)
		s->code = -ECANCELED;
}

#endif

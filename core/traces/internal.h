/* The buffer's own structures, shared by its files only. */
#ifndef MOONGATE_TRACES_INTERNAL_H
#define MOONGATE_TRACES_INTERNAL_H

#include "base/hash.h"
#include "base/thread.h"
#include "traces/builder.h"
#include "traces/pages.h"
#include "traces/traces.h"

/* The fields of a record that a span is made of. */
enum span_field {
	FIELD_TRACE_ID,
	FIELD_SPAN_ID,
	FIELD_PARENT_SPAN_ID,
	FIELD_NAME,
	FIELD_KIND,
	FIELD_DURATION_NS,
	FIELD_STATUS,
	FIELD_STATUS_MESSAGE,
	FIELD_TRACE_STATE,
	FIELD_FLAGS,
	FIELD_ATTRIBUTES,
	FIELD_EVENTS,
	FIELD_LINKS,
	FIELD_DROPPED_ATTRIBUTES,
	FIELD_DROPPED_EVENTS,
	FIELD_DROPPED_LINKS,
	FIELD_RESOURCE,
	FIELD_RESOURCE_SCHEMA_URL,
	FIELD_SCOPE,
	FIELD_SCOPE_SCHEMA_URL,
	FIELD_DURATION_MS, /* of events */
	FIELD_ERROR_TYPE,
	SPAN_FIELDS
};

/* Where the fields are in a shape; −1: it has none. */
struct span_plan {
	uint64_t serial; /* of the batch: struct traces */
	int16_t at[SPAN_FIELDS];
};

/* A trace by its id: open, or closed and in a page. */
struct entry {
	uint8_t id[16];
	struct builder *open; /* or NULL */
	struct page *page;    /* where open is NULL; both NULL: the entry is free, and `at` the next free one */
	uint32_t at;          /* in page->data */
};

/* What became of traces that are here no more. The numbers are written to disk. */
enum gone_how { GONE_NOT, GONE_DROPPED, GONE_EVICTED_OPEN, GONE_EVICTED_CLOSED };

struct gone_trace {
	uint8_t id[16];
	uint8_t how; /* enum gone_how */
};

/* The traces that have left lately: what comes late of them is told apart from what is new. A ring. */
struct gone {
	struct gone_trace *items;
	size_t cap;
	uint32_t count, next, max; /* `next`: the oldest, once there are `max` */
	struct table table;
};

/* What a script has found out of the trace that is being closed. */
struct annotation {
	uint32_t span;              /* in the piece */
	uint32_t name_at, name_len; /* in traces.annotation_text */
	uint32_t text_at;           /* of a string, likewise */
	struct value value;
};

struct open_trace {
	uint8_t id[16];
	struct builder *builder;
};

struct refill;

struct traces {
	struct traces_options options;

	struct mutex
	    lock; /* over what follows up to `open_bytes`; the writer alone changes it, so that it may read without */
	struct entry *entries;
	size_t entry_cap;
	uint32_t entry_count, entry_free; /* the first free one, TRACE_NONE */
	struct table table;               /* id → entry */
	struct open_trace *open;          /* in no order */
	size_t open_cap;
	uint32_t open_count;
	struct pages pages;
	uint64_t ordinal;          /* rising with each piece that dies */
	struct traces_stats stats; /* all but open */
	size_t open_bytes;

	/* The writer's own. */
	struct builder *oldest, *newest; /* the open ones */
	struct builder **heap;           /* by due time, then age; as many as are open */
	size_t heap_cap;
	uint64_t builders; /* opened so far */
	struct builder
	    *spare; /* closed ones of small traces, by `newer`: most of what a small one costs is its memory */
	size_t spare_bytes;
	uint64_t serial; /* of the batch that the plans are for */
	const struct batch *batch;
	struct span_plan *plans;
	size_t plan_cap;
	struct gone gone;
	struct finisher finisher;
	struct trace *scratch; /* of traces_each_open */
	size_t scratch_cap;
	struct buf outcomes;

	const struct builder *closing; /* within decide */
	struct annotation *annotations;
	size_t annotation_cap;
	uint32_t annotation_count;
	uint8_t *annotated; /* how many each span has got; while there are any */
	struct buf annotation_text;

	struct refill *refill; /* between a load and its end */
};

/* ---- times and roots ---- */

static inline int64_t span_end_ns(const struct trace_span *s)
{
	int64_t end;

	if (s->duration_ns <= 0)
		return s->start_ns;
	return __builtin_add_overflow(s->start_ns, s->duration_ns, &end) ? INT64_MAX : end;
}

/* Does it begin the trace, or this machine's part of it? */
static inline bool span_is_root(const struct trace_span *s)
{
	const uint32_t remote = SPAN_FLAG_REMOTE_KNOWN | SPAN_FLAG_REMOTE;

	return s->parent_id == 0 || (s->flags & remote) == remote;
}

/* ---- span_record.c: records become spans ---- */

/* What is needed of a record to know where it belongs. */
struct span_ids {
	uint8_t trace_id[16];
	uint64_t span_id, parent_id;
};

/* Is the record one that makes a span? 1 and its ids; 0: it is none; -EINVAL: its ids are none. `plan` is that of its shape. */
int span_record_ids(const struct record *r, const struct span_plan *plan, struct span_ids *out);
/* Adds it. `serial`: of its batch. 0; -ENOMEM: nothing was added. */
int span_record_add(struct builder *b, const struct record *r, const struct span_plan *plan, const struct span_ids *ids,
                    uint64_t serial, uint8_t marks);
/* The plan of the record's shape; NULL: memory is out. */
const struct span_plan *span_plan(struct traces *t, const struct record *r);

/* ---- due.c: which is due when; the writer's ---- */

/* When the trace is due. */
int64_t traces_due_ns(const struct traces *t, const struct builder *b);
/* Would it be due for its age alone? */
bool traces_due_by_age(const struct traces *t, const struct builder *b, int64_t now_ns);
void traces_due_add(struct traces *t, struct builder *b);
void traces_due_remove(struct traces *t, struct builder *b);
/* It may be due earlier than before. (That it is due later is seen when its turn comes.) */
void traces_due_earlier(struct traces *t, struct builder *b);
/* The one that is due first, whose heap_due_ns is right; NULL: none is open. */
struct builder *traces_due_first(struct traces *t);

/* ---- table.c: traces by id ---- */

/* A builder of no list, and back; the writer's. NULL: memory is out. */
struct builder *traces_builder_new(struct traces *t, const uint8_t id[16]);
void traces_builder_free(struct traces *t, struct builder *b);

/* The entry of a trace, TRACE_NONE. Under the lock, or the writer. */
uint32_t traces_table_entry(const struct traces *t, const uint8_t id[16]);
/* A builder becomes an open trace, which has no entry, or that of a closed one that is given up. 0, -ENOMEM: nothing has changed. Under the lock. */
int traces_table_open(struct traces *t, struct builder *b);
/* An open trace is none any more: its entry goes, or, with a page, says where it lies now. Under the lock; the builder is the caller's. */
void traces_table_close(struct traces *t, struct builder *b, struct page *page, uint32_t at);
/* A closed trace is given up; its entry stays. Under the lock. A page to be freed without it, or NULL. */
struct page *traces_table_give_up(struct traces *t, uint32_t entry);
/* Takes the oldest page out with all that lies in it. Under the lock. What to free without it, or NULL. */
struct page *traces_table_evict_page(struct traces *t);
/* The memory of all of it. The writer's. */
size_t traces_table_bytes(const struct traces *t);

/* ---- gone.c ---- */

enum gone_how gone_find(const struct gone *g, const uint8_t id[16]);
/* Remembers a trace, and forgets the oldest where there are too many. 0, -ENOMEM. */
int gone_add(struct gone *g, const uint8_t id[16], enum gone_how how);
void gone_deinit(struct gone *g);
size_t gone_bytes(const struct gone *g);

/* ---- close.c ---- */

/* Closes an open trace without asking anybody. 0, -ENOMEM: it is still open. */
int close_quietly(struct traces *t, struct builder *b, uint32_t marks);
/* Lets go of what is too much, the oldest first. */
void traces_make_room(struct traces *t);

/* ---- outcomes.c (FORMAT.md) ---- */

enum outcome_kind { OUTCOME_DROPPED = 1, OUTCOME_EVICTED = 2, OUTCOME_ANNOTATED = 3 };

struct outcome {
	enum outcome_kind kind;
	uint8_t id[16];
	/* Of an annotation. */
	uint32_t span; /* its number in the trace as it closed then */
	uint64_t span_id;
	struct slice name;
	struct value value;
};

void outcome_put(struct traces *t, const struct outcome *o);
/* Takes one off the front. False: it is none. */
bool outcome_get(struct slice *from, struct outcome *out);

/* ---- refill.c ---- */

/* A trace that a checkpoint speaks of, to be read again. */
struct refill_trace {
	uint8_t id[16];
	bool open, was_dropped;
	uint32_t marks, records; /* as the builder's */
	uint64_t first_seq, late_seq;
	int64_t first_ns, last_ns; /* of an open one */
	uint32_t got;              /* records read so far */
	struct builder *builder;   /* owned until it is open, or closed */
	struct buf annotations;    /* outcomes of this trace */
};

struct refill {
	struct refill_trace *items; /* the closed ones first, each sort in its order */
	size_t cap;
	uint32_t count;
	struct table table;
	uint64_t oldest_seq;
};

void refill_free(struct traces *t);
/* Adds one; `hash` as the table's. 0; -EBADMSG: it is there twice; -ENOMEM. */
int refill_add(struct refill *r, const struct refill_trace *one);

static inline uint64_t id_hash(const uint8_t id[16])
{
	return hash_bytes(id, 16, hash_seed());
}

#endif

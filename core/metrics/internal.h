/* The registry's insides, shared by the files of this folder.
 *
 * A family (struct metric) keeps its series by number, 1024 to a chunk. A chunk has arrays of rows (16 bytes each,
 * plus what the type needs), of keys (64 bytes) and of pointers to the label blocks. Chunks are never moved once the
 * first one is full, so growing a family to a million series costs one small allocation every 1024; a snapshot copies
 * the rows chunk by chunk, which the C library serves from memory that it already has, and shares everything else as
 * blocks (block.h).
 *
 * A row holds the value beside the time of the last change, because they are always written together: with a million
 * series a change then costs one missed cache line where arrays of their own would cost three. */
#ifndef MOONGATE_METRICS_INTERNAL_H
#define MOONGATE_METRICS_INTERNAL_H

#include <math.h>

#include "metrics/block.h"
#include "metrics/index.h"
#include "metrics/metrics.h"

enum {
	CHUNK_BITS = 10,
	CHUNK_SERIES = 1 << CHUNK_BITS,
	CHUNK_FIRST = 4, /* series that a family's first chunk begins with; it doubles up to CHUNK_SERIES */
	KEY_MAX = METRIC_LABELS_MAX * (METRIC_LABEL_VALUE_MAX + 2),
	NUMBER_NONE = 0xffffffffu,
	EXEMPLARS_MAX = 100000 /* in a registry, as many as Prometheus keeps by default */
};

#define TOUCHED_PINNED UINT32_MAX    /* row.touched of a gauge that was added to: never idle */
#define TOUCHED_MAX (UINT32_MAX - 1) /* the last second that a row can tell, in 2106 */

static inline uint32_t touched_at(int64_t now_ns)
{
	int64_t seconds = now_ns / NS_PER_S;
	return seconds < TOUCHED_MAX ? (uint32_t)seconds : TOUCHED_MAX;
}
#define IDLE_NEVER UINT32_MAX /* metric.idle_s */

/* ---- definitions ---- */

/* A checked definition with everything that it points to, in one block. Immutable. */
struct metric_meta {
	struct block block;
	size_t size;           /* of the whole block, bytes */
	struct metric_def def; /* its slices and arrays lie behind it */
	struct slice base;     /* the name without _total for a counter, else the name: OpenMetrics' family name */
};

struct metric_meta *meta_new(struct registry *r, const struct metric_def *def);
const char *metric_type_name(enum metric_type type);

/* Would both expose a sample or family of the same name, in either format? */
bool meta_names_clash(const struct metric_def *a, const struct metric_def *b);

/* Counter names end in _total in OpenMetrics. The name without it. */
struct slice metric_base_name(enum metric_type type, struct slice name);

/* ---- series ---- */

/* The labels of one series, from its creation to its end. Immutable. */
struct series_labels {
	struct block block;
	uint64_t birth;     /* rising in the family, from 1 on */
	int64_t created_ns; /* engine time */
	uint32_t key_len;
	uint32_t text_len;
	char
	    bytes[]; /* the key (labels.h), then the text as expositions have it: {a="x",b="y"}; empty without labels */
};

static inline struct slice series_labels_key(const struct series_labels *l)
{
	return slice_new(l->bytes, l->key_len);
}

static inline struct slice series_labels_text(const struct series_labels *l)
{
	return slice_new(l->bytes + l->key_len, l->text_len);
}

static inline size_t series_labels_size(const struct series_labels *l)
{
	return sizeof *l + l->key_len + l->text_len;
}

/* The label blocks of a chunk by series number; NULL: no such series. */
struct labels_array {
	struct block block;
	const struct series_labels *items[];
};

/* What every row begins with; metric.row_size says how long a row is. */
struct series_row {
	double value;     /* counter, gauge, topk; the sum of a histogram and summary */
	float rest;       /* what adding to `value` has rounded off (sum.h) */
	uint32_t touched; /* engine time in seconds; in a free row the number of the next free one */
	union series_cell {
		uint64_t count;
		double num;
		struct block *state; /* owned */
	} cells[];
};

/* What the cells are, by type: counter, gauge: none; histogram: the count of each bucket, +Inf last; the others: */
enum {
	CELL_STATE = 0, /* summary: struct sketch; distinct: struct distinct; ratio, mean: struct ring. NULL at first */
	CELL_SUMMARY_COUNT = 1,  /* observations since the start */
	CELL_TOPK_INHERITED = 0, /* the count that was taken over from the entry that this one replaced */
	CELL_TOPK_HEAP = 1       /* where the series stands in the heap */
};

/* An exemplar; immutable. */
struct exemplar {
	struct block block;
	int64_t time_ns;
	double value;
	uint32_t trace_len, span_len;
	char ids[]; /* trace id, then span id */
};

/* The exemplars of a chunk: metric_exemplar_slots() for each series; NULL: none. */
struct exemplars_array {
	struct block block;
	const struct exemplar *items[];
};

/* A series' key again, where a look-up finds it at once: one cache line that is fetched together with the row,
 * instead of two that follow on each other. The writer's alone. */
struct series_key {
	uint32_t generation; /* 0: no series */
	uint16_t len;        /* KEY_LONG: the key is in the label block only */
	char bytes[58];
};

enum { KEY_INLINE = sizeof(((struct series_key *)0)->bytes), KEY_LONG = UINT16_MAX };

struct series_chunk {
	unsigned char *rows;     /* the writer's; owned */
	struct series_key *keys; /* the writer's; at a cache line within keys_memory */
	void *keys_memory;       /* owned */
	struct labels_array *labels;
	struct exemplars_array *exemplars; /* NULL until there is one */
};

struct metric {
	struct registry *registry;
	struct metric *next_dying; /* removed, with chunks that are still to be freed */
	struct metric_meta *meta;
	uint64_t identity;             /* of no other family of the registry */
	struct metric_meta *next_meta; /* during a reload: what the new scripts say, where it differs; else NULL */
	enum metric_type type;
	uint32_t label_count;
	uint32_t cell_count;
	uint32_t row_size; /* bytes */
	uint32_t idle_s;   /* IDLE_NEVER: series do not end by idleness */
	bool defined;      /* a script has defined it (since the last reload began) */
	bool was_defined;  /* `defined` before the reload began */
	bool disordered;   /* numbers were used again: the order of creation is not that of numbers */

	struct series_index index; /* of all series but the overflow series */
	struct series_chunk *chunks;
	size_t chunk_count, chunk_cap;
	uint32_t room;     /* numbers that the chunks have rows for */
	uint32_t used;     /* numbers ever given out: all series are below */
	uint32_t free;     /* first free number below `used`, or NUMBER_NONE */
	uint32_t count;    /* living series, the overflow series among them */
	uint32_t overflow; /* number of the overflow series, or NUMBER_NONE */
	uint64_t births;
	uint32_t cursor;     /* where the next visit for idle series begins */
	uint32_t full_until; /* 1 + the last second that no idle series is left of (series_reclaim); 0: not known */

	uint32_t *heap; /* topk: series numbers, smallest count first */
	uint32_t heap_len;
	size_t heap_cap;
};

struct registry {
	struct snapshots *snapshots;
	struct metric **metrics; /* sorted by name; owned */
	size_t metric_count, metric_cap;
	struct metric **pending; /* during a reload: new or restarted families, unsorted; owned */
	size_t pending_count, pending_cap;
	bool reloading;
	uint32_t max_series;
	uint64_t billed;        /* series counted against max_series */
	uint64_t families_made; /* since the start */
	int64_t now_ns;
	uint32_t now_s;
	struct metric *dying;           /* removed families that are freed bit by bit */
	size_t expire_at;               /* the metric that registry_expire visits next */
	uint32_t full_until;            /* as in struct metric, for all families */
	uint64_t seed;                  /* of the keys' hashes */
	struct slice trace_id, span_id; /* of the record at hand; borrowed */
	int64_t trace_time_ns;
	uint32_t exemplars;
	struct registry_stats stats; /* of which families, series are counted when asked */
};

static inline struct series_row *metric_row(const struct metric *m, uint32_t number)
{
	unsigned char *rows = m->chunks[number >> CHUNK_BITS].rows;
	return (struct series_row *)(rows + (size_t)(number & (CHUNK_SERIES - 1)) * m->row_size);
}

static inline const struct series_labels *metric_labels_of(const struct metric *m, uint32_t number)
{
	return m->chunks[number >> CHUNK_BITS].labels->items[number & (CHUNK_SERIES - 1)];
}

static inline struct series_key *metric_key(const struct metric *m, uint32_t number)
{
	return &m->chunks[number >> CHUNK_BITS].keys[number & (CHUNK_SERIES - 1)];
}

static inline bool row_idle(const struct series_row *row, uint32_t idle_s, uint32_t now_s)
{
	return (uint64_t)row->touched + idle_s <= now_s;
}

/* A change was made to the series. */
static inline void row_touch(struct series_row *row, uint32_t now_s)
{
	if (row->touched != TOUCHED_PINNED)
		row->touched = now_s;
}

/* metric.c: an empty family of a definition, or NULL. */
struct metric *metric_new(struct registry *r, struct metric_meta *meta);
/* Ends a family: series, states, definition. A large one goes on dying in registry_expire, so that removing it stops
 * nothing. */
void metric_free(struct metric *m);
/* Frees up to `chunks` chunks of dying families. */
void metric_free_dying(struct registry *r, size_t chunks);
/* Takes over what a definition says of limits. */
void metric_apply_meta(struct metric *m, struct metric_meta *meta);
/* Rows for one more number. 0 or -ENOMEM. */
int metric_grow(struct metric *m);
/* The label array of a number's chunk, fit to be changed; NULL when memory is out. */
struct labels_array *metric_labels_writable(struct metric *m, uint32_t number);
/* How many of the first `count` numbers lie in a chunk (which begins at or before `count`). */
uint32_t chunk_part(uint32_t count, size_t chunk);

/* series.c: a family's series by key.
 *
 * A series that was not changed for `idle` has ended, whether or not anything has come by to remove it: looking it up
 * removes it, snapshots leave it out, and it does not count against a limit. So what a program sees does not depend
 * on when registry_expire visits, and a replay sees the same. */

/* The number of the living series with these values, or NUMBER_NONE in *number. Values that are not UTF-8 or too long
 * are never found. 0, or -ENOMEM where an idle series had to be removed. */
int series_find(struct metric *m, const struct slice *values, uint32_t *number);
/* Makes the series; the family does not have it. Limits are the caller's. 0 or -ENOMEM. */
int series_create(struct metric *m, struct slice key, int64_t created_ns, uint32_t *number);
/* Ends a series. 0, or -ENOMEM (a snapshot shares its chunk's arrays) with nothing changed. */
int series_remove(struct metric *m, uint32_t number);
/* Finds or makes the overflow series. 0 or -ENOMEM. */
int series_overflow(struct metric *m, uint32_t *number);
/* Is there room for one more series within the limits? 1, 0, or -ENOMEM. Removes an idle series where that makes
 * room. */
int series_room(struct metric *m);
/* Series that count against limits: a topk counts its k from the start, overflow series never count. */
uint32_t metric_billed(const struct metric *m);

/* ---- blocks that are billed to the registry ---- */

void *registry_block(struct registry *r, size_t size);
void registry_retire(struct registry *r, void *block, size_t size);

/* ---- states ---- */

/* Do rows of this type own a block in CELL_STATE? */
static inline bool metric_has_state(enum metric_type type)
{
	return type == METRIC_SUMMARY || type == METRIC_DISTINCT || type == METRIC_RATIO || type == METRIC_MEAN;
}

/* Retires what a type keeps in CELL_STATE (may be NULL). */
void state_retire(struct registry *r, enum metric_type type, struct block *state);

/* exemplar.c */

/* Exemplars that a series of the family may have. */
uint32_t exemplar_slots(const struct metric *m);
/* Keeps the trace of the record at hand for `slot` of the series, if there is one and it is its turn. 0; out of
 * memory it keeps the old one, since an exemplar is an example. */
void exemplar_offer(struct metric *m, uint32_t number, uint32_t slot, double value);
/* Puts an exemplar into its place, in place of what is there. One whose trace id is not UTF-8 or too long for
 * OpenMetrics is left out. 0 or -ENOMEM. */
int exemplar_put(struct metric *m, uint32_t number, uint32_t slot, struct slice trace, struct slice span, double value,
                 int64_t time_ns);
/* Removes those of a series. 0 or -ENOMEM with nothing changed. */
int exemplars_clear(struct metric *m, uint32_t number);
/* Makes room for `room` series in a chunk that has some. 0 or -ENOMEM. */
int exemplars_grow(struct metric *m, struct series_chunk *chunk, uint32_t had, uint32_t room);
/* Retires all of a chunk, which has some. */
void exemplars_drop(struct metric *m, struct series_chunk *chunk, uint32_t room);

#endif

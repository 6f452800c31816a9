/* A series of the head, as the writer and the readers share it. Private to head*.c. */
#ifndef MOONGATE_TSDB_HEAD_SERIES_H
#define MOONGATE_TSDB_HEAD_SERIES_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/epoch.h"
#include "base/table.h"
#include "tsdb/chunk.h"
#include "tsdb/head.h"
#include "tsdb/head_index.h"
#include "tsdb/sample_room.h"
#include "tsdb/spill.h"

/* A chunk in memory. What a reader may read of it never moves: where it must grow a copy takes its place. */
struct head_chunk {
	_Atomic(struct head_chunk *) older; /* a full one that could not be spilled; NULL: `older_ref` */
	spill_ref older_ref;                /* the one before, in a file; 0: there is none */
	uint32_t first;                     /* ordinal of its first sample */
	_Atomic uint32_t count;             /* samples that are there to be read */
	uint32_t capacity;                  /* words */
	int64_t last_ms;                    /* of a full one: its newest sample */
	_Atomic uint64_t words[];
};

struct late_sample {
	int64_t time_ms;
	uint64_t value;
	uint64_t batch;
};

/* Samples out of order, in the order of arrival. */
struct late {
	_Atomic uint32_t count;
	uint32_t capacity;
	struct late_sample samples[];
};

/* How many samples a series had before a batch. */
struct note {
	uint64_t batch;
	uint32_t before; /* ordinal, NOTE_BEFORE_BITS of it */
};

enum { NOTE_BEFORE_BITS = 24 };
#define NOTE_BEFORE_MASK ((UINT64_C(1) << NOTE_BEFORE_BITS) - 1)

/* A note in one word, so that readers see both halves of the same one: 40 bits of batch (a thousand batches a second for 34 years), 24 bits of ordinal, which wrap: differences of ordinals are what counts, and a head
 * holds fewer samples of a series than half of them. */
static inline uint64_t note_pack(struct note n)
{
	return n.batch << NOTE_BEFORE_BITS | (n.before & NOTE_BEFORE_MASK);
}

static inline struct note note_unpack(uint64_t word)
{
	return (struct note){word >> NOTE_BEFORE_BITS, (uint32_t)(word & NOTE_BEFORE_MASK)};
}

/* Samples from ordinal `from` up to ordinal `to`; negative where `to` comes before. */
static inline int32_t ordinals_between(uint32_t from, uint32_t to)
{
	uint32_t distance = (to - from) << (32 - NOTE_BEFORE_BITS);
	return (int32_t)distance >> (32 - NOTE_BEFORE_BITS);
}

/* A note that was overwritten while a view needed it. */
struct undo {
	uint64_t note;
	struct undo *next; /* of an earlier batch */
};

struct series {
	_Atomic(struct head_chunk *) newest; /* NULL: no sample yet */
	_Atomic uint64_t version;            /* note of the last batch that changed it */
	_Atomic(struct undo *) undo;
	_Atomic(struct late *) late; /* NULL: none */
	struct chunk_writer writer;  /* of the newest chunk; the writer's, as the rest */
	uint64_t hash;
	uint32_t number;
	bool unused; /* was found without any sample by head_trim once */
	bool left;   /* by head_trim; views may still read it */
	bool marked; /* head_mark */
	uint32_t labels_len;
	char labels[]; /* canonical; immutable */
};

enum { PAGE_BITS = 10, PAGE_SERIES = 1 << PAGE_BITS };

struct series_page {
	uint32_t used; /* items that are not NULL; the writer's */
	_Atomic(struct series *) items[PAGE_SERIES];
};

/* All pages, NULL where all series of one have left; copied when it grows. */
struct series_pages {
	uint32_t count;
	_Atomic(struct series_page *) items[];
};

struct head {
	struct epochs epochs;
	_Atomic uint64_t ended;                      /* the last batch that has ended */
	_Atomic uint64_t view_batches[EPOCH_PLACES]; /* of the views that are open, by their place; 0: none */
	_Atomic(struct series_pages *) pages;
	struct head_index index;
	struct spill *spill;

	/* The writer's. */
	uint64_t batch; /* that is going on; 0: none is */
	/* At its beginning: the batches of the views that were open, and the lowest of them; UINT64_MAX: none was. */
	uint64_t seen[EPOCH_PLACES], oldest_view;
	uint32_t seen_count;
	struct table table; /* by labels_hash */
	struct leaving
	    *leaving; /* head_trim.c: series that left, but could not be taken out of the index yet; NULL: none */
	uint32_t next_number;
	uint32_t trim_at;  /* the number that head_trim visits next */
	int64_t cut_ms;    /* of the last head_cut */
	uint64_t cut_mark; /* the views before it */
	int64_t trim_ms;   /* of the last one that no view is from before of: what may go */
	int64_t from_ms, out_of_order_ms, now_ms;
	uint32_t max_series, max_per_metric;
	struct head_stats stats; /* but for what is asked of others */
};

static inline struct slice series_labels_of(const struct series *s)
{
	return slice_new(s->labels, s->labels_len);
}

/* Where the series of a number is found, or NULL where all those about it have left. */
static inline _Atomic(struct series *) *head_slot(const struct head *h, uint32_t number)
{
	struct series_pages *pages = atomic_load_explicit(&h->pages, memory_order_acquire);
	if (pages == NULL || number >> PAGE_BITS >= pages->count)
		return NULL;
	struct series_page *page = atomic_load_explicit(&pages->items[number >> PAGE_BITS], memory_order_acquire);
	return page == NULL ? NULL : &page->items[number & (PAGE_SERIES - 1)];
}

/* The series of a number that was given, or NULL where it has left. A reader that found the number in the index gets it until its view is closed. */
static inline struct series *head_find(const struct head *h, uint32_t number)
{
	_Atomic(struct series *) *slot = head_slot(h, number);
	return slot == NULL ? NULL : atomic_load_explicit(slot, memory_order_acquire);
}

static inline bool head_has_page(const struct head *h, uint32_t number)
{
	struct series_pages *pages = atomic_load_explicit(&h->pages, memory_order_relaxed);
	return pages != NULL && number >> PAGE_BITS < pages->count &&
	       atomic_load_explicit(&pages->items[number >> PAGE_BITS], memory_order_relaxed) != NULL;
}

/* The memory of a chunk. */
static inline uint64_t head_chunk_bytes(const struct head_chunk *c)
{
	return sizeof *c + c->capacity * sizeof c->words[0];
}

static inline uint64_t head_chain_bytes(const struct head_chunk *c)
{
	uint64_t bytes = 0;
	for (; c != NULL; c = atomic_load_explicit(&c->older, memory_order_relaxed))
		bytes += head_chunk_bytes(c);
	return bytes;
}

/* Frees a series with all that it has in memory; nobody reads it. */
void head_series_free(struct series *s);
/* Frees a chunk and those before it in memory. */
void head_chain_free(void *chunk);

/* head_trim.c: takes series that have left out of the index. 0, or -ENOMEM: some are still in it. */
int head_finish_leaving(struct head *h);

/* head_spill.c: puts a full chunk of a series, and those before it that no file would take, into files. 0, the reference of the full one, and how many they were; or a negative errno: all stay in memory, and readers' chunks as they were. */
int head_spill(struct head *h, const struct series *s, const struct head_chunk *full, spill_ref *out, uint32_t *count);

/* ---- head_read.c: what readers and the writer read of a series ---- */

/* Reads the samples of from_ms..to_ms that had been stored when batch `until` ended (UINT64_MAX: all there are), rising in time. Chunks that cannot be read are counted in *damaged. 0 or -ENOMEM. */
int series_read(const struct head *h, const struct series *s, uint64_t until, int64_t from_ms, int64_t to_ms,
                struct sample_room *room, uint32_t *damaged);

/* Adds what series_read would give, from what is kept of full chunks where that says it; `room` and `late` are for what is decoded. 0 or -ENOMEM. */
int series_summarize(const struct head *h, const struct series *s, uint64_t until, int64_t from_ms, int64_t to_ms,
                     struct sample_room *room, struct sample_room *late, struct summary_split *out, uint32_t *damaged);

/* Has it a sample that had been stored when batch `until` ended? Mostly one look at the series tells. 1, 0, or -ENOMEM. */
int series_is_seen(const struct head *h, const struct series *s, uint64_t until);

/* What of a series is in no file. */
struct series_memory {
	uint32_t first;  /* ordinal of the first sample in the room */
	spill_ref older; /* the chunk before it; 0: none */
	const struct late *late;
	uint32_t late_seen; /* samples of `late` to look at; those of later batches are not to be */
};
/* Reads the samples of chunks in memory that had been stored when batch `until` ended into the room. 0 or -ENOMEM. */
int series_read_memory(const struct series *s, uint64_t until, struct sample_room *room, struct series_memory *out);

/* head_view.c */
struct head_view {
	struct head *head;
	int place;      /* among the epochs' readers */
	uint64_t batch; /* the last one that is seen */
	struct sample_room room;
	struct sample_room late; /* head_view_summary's: samples out of order */
};

/* head.c: for loading. Makes the series with this number, which is none below next_number, and not the last one that there is, whatever max_series says. 0 or -ENOMEM. */
int head_series_make(struct head *h, uint32_t number, struct slice labels, uint64_t hash, struct series **out);
/* Appends behind the newest sample, or begins the first chunk with the ordinal and the chunk before it that are given. 0 or -ENOMEM. */
int head_series_push(struct head *h, struct series *s, int64_t time_ms, uint64_t value);
int head_series_begin(struct head *h, struct series *s, uint32_t first, spill_ref older);
int head_series_push_late(struct head *h, struct series *s, const struct late_sample *sample);

#endif

/* The head: the newest samples of every series, in memory but for full chunks, which lie in files (spill.h).
 *
 * One writer, the engine's thread, appends in batches; any number of readers read beside it and see each batch whole or not at all, without a lock, and without the writer waiting for them.
 *
 *   series ─┬─ newest ──▶ open chunk ──▶ full chunks: in memory until they are spilled, then in files, each knows the one before it
 *           ├─ late   samples that came out of order, in the order of arrival, each with its batch
 *           └─ version, undo: how many samples it had before the batches that readers must not see yet
 *
 * What a reader sees. Batches are numbered, and a view is opened at the last one that has ended, B. A series' samples in order are counted: the ordinal of a sample is the number of those before it. With its first sample in batch N a series
 * notes (N, its count until then) in `version`. A reader that finds N ≤ B may see all the samples it counted before it looked at `version`; else only those from before N, or, where an earlier batch above B had changed the series too, from
 * before that one: while a view is open from before N the writer keeps the note that it overwrites, in `undo`. */
#ifndef MOONGATE_TSDB_HEAD_H
#define MOONGATE_TSDB_HEAD_H

#include <stdint.h>

#include "base/epoch.h"
#include "base/error.h"
#include "base/slice.h"
#include "record/samples.h"
#include "tsdb/postings.h"
#include "tsdb/tsdb.h"

struct head;

struct head_options {
	const char *dir;           /* of the files of full chunks; made where missing */
	int64_t out_of_order_ms;   /* how far behind the head's newest sample one out of order may be */
	uint32_t max_series;       /* living at the same time */
	uint32_t max_per_metric;   /* of them with the same `__name__`; 0: as many as there may be */
	uint32_t spill_file_bytes; /* 0: the default (spill.h) */
};

/* Samples out of order that wait in one series until they are sealed. */
enum { HEAD_LATE_MAX = 8192 };

/* An empty head, or NULL with a sentence. Owned by the caller. */
struct head *head_new(const struct head_options *o, struct error *err);
/* No view is open. NULL is allowed. */
void head_free(struct head *h);

/* ---- the writer ---- */

/* Samples before `from_ms` are refused. At first any time is taken. */
void head_set_floor(struct head *h, int64_t from_ms);

/* How many series there may be, from now on: head_options' bounds anew. */
void head_set_max(struct head *h, uint32_t max_series, uint32_t max_per_metric);

/* The writer's clock: how late a sample is is measured from the newest one, but from nothing later than this. INT64_MAX, as at first: it has none. */
void head_set_now(struct head *h, int64_t now_ms);

/* How far behind the newest sample one out of order may be, from now on. */
void head_set_out_of_order(struct head *h, int64_t out_of_order_ms);

/* Between these two lie appends, all or none of which a view sees. */
void head_batch_begin(struct head *h);
void head_batch_end(struct head *h);

/* The number of the series with these canonical labels, whose labels_hash is `hash`; made where there is none. Numbers rise and are not given twice. 0; -ENOSPC: max_series live; -EDQUOT: max_per_metric do; -ENOMEM. Within a batch or not. */
int head_series(struct head *h, struct slice labels, uint64_t hash, uint32_t *number);
/* The same for one that had its place within these bounds before: they do not count now. 0; -ENOSPC: no number is left; -ENOMEM. */
int head_series_admitted(struct head *h, struct slice labels, uint64_t hash, uint32_t *number);

/* For many samples at once: asks the processor for what head_series will read, in two steps with other work between them, and likewise for head_append. Nothing changes, and numbers may be of no series. */
void head_prefetch_slot(const struct head *h, uint64_t hash);
void head_prefetch_labels(const struct head *h, uint64_t hash);
void head_prefetch_series(const struct head *h, uint32_t number);
void head_prefetch_chunk(const struct head *h, uint32_t number);

/* A mark on a living series, for the writer's own use; a series has none when it is made or loaded. */
bool head_is_marked(const struct head *h, uint32_t number);
void head_mark(struct head *h, uint32_t number, bool marked);

/* Does a number that head_series gave still mean a series? It may have left by head_trim. */
bool head_has(const struct head *h, uint32_t number);

/* Its labels; empty: the number means no series. */
struct slice head_labels(const struct head *h, uint32_t number);

/* The newest sample that came in order. False: the number means no series, or it has no sample. */
bool head_newest(const struct head *h, uint32_t number, struct sample *out);

/* Has it a sample of exactly this time? 1, 0, or -ENOMEM. */
int head_has_sample(const struct head *h, uint32_t number, int64_t time_ms);

/* Appends to a series, within a batch. enum append_outcome; -ESTALE: the number means no series; -ENOMEM. Nothing was changed where it is negative. */
int head_append(struct head *h, uint32_t number, int64_t time_ms, double value);

/* Samples before `time_ms` were sealed: views that are opened from now on do not ask for them. They are let go, by head_trim, once those that are open now are closed. Between batches. */
void head_cut(struct head *h, int64_t time_ms);

/* Lets go of samples that were cut and that no view asks for, and of whole series whose newest sample is one of them and before `idle_ms`, or that it finds without any for the second time. Visits up to `visits` series, going on where the last call ended. 1: there are more; 0: all were
 * visited since the last 0; -ENOMEM: some of these are left as they are. Numbers that mean no series any more cost next to nothing. Between batches. */
int head_trim(struct head *h, int64_t idle_ms, uint32_t visits);

/* Frees what no view sees any more. Cheap; between batches, now and then. */
void head_collect(struct head *h);

/* Files of full chunks that could not be synced are written anew. 0 also where there are none; before a checkpoint. While no head_sync runs. */
int head_mend(struct head *h);

/* What a saved head has besides its samples. */
struct head_state {
	uint32_t next_number;
	int64_t from_ms, oldest_ms, newest_ms;
	uint64_t samples;
};
/* Of this moment: between batches, with the view that is to be saved. */
void head_state(const struct head *h, struct head_state *out);

/* Fills an empty head with what head_save wrote, however many series may be made now. 0; -EBADMSG, -EPROTO with a sentence that names the file and what is wrong (the head is then to be freed); another negative errno. */
int head_load(struct head *h, const char *dir, const char *name, struct error *err);

struct head_stats {
	uint64_t series, created, expired; /* living; since the start */
	uint64_t samples, late;            /* stored since the start; of them out of order */
	uint64_t chunks_spilled,
	    chunks_kept; /* full chunks written to files; those that could not be when they were full, and may have been since */
	uint64_t bytes; /* memory in use, but for what waits for views to close */
	uint64_t spill_bytes;
	int64_t oldest_ms,
	    newest_ms; /* no sample that is not cut is older; of the newest one ever. INT64_MAX, INT64_MIN: there was none */
};
void head_stats(const struct head *h, struct head_stats *out);

/* ---- readers: any thread ---- */

/* What a reader sees: all batches that had ended when it was opened, and nothing of later ones. Used by one thread at a time. */
struct head_view;

/* NULL: -EAGAIN, as many as may be are open (EPOCH_READERS), or -ENOMEM, in *code. What the writer replaces meanwhile is kept: views are for the length of a query. */
struct head_view *head_view_open(struct head *h, int *code);
/* The same for those of whom there is one at a time, and who are not kept out by queries: -ENOMEM alone. */
enum head_keeper { HEAD_CHECKPOINT, HEAD_SEALING };
struct head_view *head_view_open_kept(struct head *h, enum head_keeper who, int *code);
void head_view_close(struct head_view *v);

/* The index, for postings_select; it may list series that have no sample in the view. The arena is the caller's. */
void head_view_index(struct head_view *v, struct postings_source *out);
/* Names of labels, and values of one, of the series that have any sample in the view; rising, in the arena. 0 or -ENOMEM. */
int head_view_label_names(struct head_view *v, struct arena *arena, const struct slice **names, uint32_t *count);
int head_view_label_values(struct head_view *v, struct slice name, struct arena *arena, const struct slice **values,
                           uint32_t *count);

/* Labels of a series that the index listed; good until the view is closed. */
struct slice head_view_labels(const struct head_view *v, uint32_t number);

/* For many series that the index listed, one after the other: asks the processor for what is read of one, in four steps, with other work between them: where the series is found, the series, its newest chunk, the head of the one before it. */
enum head_fetch { HEAD_FETCH_SLOT, HEAD_FETCH_SERIES, HEAD_FETCH_CHUNK, HEAD_FETCH_SPILLED };
void head_view_prefetch(const struct head_view *v, uint32_t number, enum head_fetch step);

/* Has a series that the index listed any sample in the view? One gets its number before its first batch, which may fail. 1, 0, or -ENOMEM. */
int head_view_sees(const struct head_view *v, uint32_t number);

/* Its chunks, in memory and in files; some may be left that were cut. */
uint32_t head_view_chunks(const struct head_view *v, uint32_t number);

/* The samples of a series with from_ms ≤ time ≤ to_ms, rising in time; the arrays are the view's, until the next call. */
struct head_samples {
	const int64_t *times_ms;
	const uint64_t *values; /* bits of doubles */
	uint32_t count;
	uint32_t damaged; /* chunks that could not be read: what is in them, and before them, is missing */
};
/* 0 or -ENOMEM. */
int head_view_read(struct head_view *v, uint32_t number, int64_t from_ms, int64_t to_ms, struct head_samples *out);

struct summary_split; /* chunk.h */
/* Adds to `out` what head_view_read would give, which mostly takes no decoding but of the chunk that is not full yet. *damaged as there. 0 or -ENOMEM. */
int head_view_summary(struct head_view *v, uint32_t number, int64_t from_ms, int64_t to_ms, struct summary_split *out,
                      uint32_t *damaged);

/* Makes durable what the view sees of full chunks in files. 0 or a negative errno (then head_mend). One thread at a time. */
int head_sync(struct head_view *v);

/* Writes what the view sees in memory to dir/name, synced: labels and numbers of all series, the samples of chunks that are not in files, those out of order. `state` is of the view's moment. A head that loads it, beside the files of full chunks as head_sync left
 * them afterwards, has the same samples; some that came later may be among them, and are duplicates when they are appended again. The layout is in FORMAT.md ("Saved head"). 0, or a negative errno with a sentence and nothing left behind. */
int head_save(struct head_view *v, const struct head_state *state, const char *dir, const char *name,
              struct error *err);

#endif

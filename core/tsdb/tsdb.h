/* The history of metrics: the newest samples of all series in the head, what is older in blocks. Layouts are in FORMAT.md.
 *
 *   append (engine thread) ──▶ head ──seal, every 2 h──▶ block ──merge──▶ larger block ──retention──▶ gone
 *                               ▲                         ▲
 *                               └──────── tsdb_view ──────┘   select: any thread
 *
 * One writer appends in batches, and a view sees each of them whole or not at all. One keeper (a maintenance thread) seals, merges and removes. Views are for any thread, and stop neither.
 *
 * What a sample must be. Times are any int64, in milliseconds; but one before what was sealed is refused (APPEND_TOO_OLD), so that what comes from before 1970 is taken where a whole store is of such times, and refused beside others. The newest sample is the
 * store's clock: what is sealed, idle, or past its retention is so by that. So whoever appends keeps away what lies in the future, once, on the way in, so that a journal stores the same again. enum append_outcome
 * has the other reasons. */
#ifndef MOONGATE_TSDB_TSDB_H
#define MOONGATE_TSDB_TSDB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "record/matcher.h"
#include "record/samples.h"

struct tsdb;

struct tsdb_options {
	const char *dir;          /* made where missing; the caller holds the data directory's lock */
	int64_t block_ms;         /* length of a block as it is sealed. Default (0): 2 h */
	int64_t retention_ms;     /* samples older than the newest one by more go, block by block. Default: 15 d */
	uint64_t retention_bytes; /* of blocks: the oldest go. Default: 10 GiB */
	int64_t out_of_order_ms;  /* default: 10 min */
	uint32_t max_series;      /* in the head at the same time. Default: 1,000,000 */
	uint32_t max_per_metric;  /* of them with the same `__name__`. Default: no bound of its own */
	uint32_t exemplars;       /* kept at the same time, of all series together. Default: 100,000 */
	int64_t
	    idle_ms; /* a series without a new sample for so long leaves the head, once it is sealed. Default: 1 h */
};

/* Opens the blocks of a directory; what is damaged is named by `refused` (which may be NULL), set aside as <name>.damaged, and the others are served. The head is empty (tsdb_load). NULL with a sentence. Owned by the caller. */
struct tsdb *tsdb_open(const struct tsdb_options *o, void (*refused)(void *ctx, const struct error *why), void *ctx,
                       struct error *err);
/* No view is open, no other call runs. NULL is allowed. */
void tsdb_close(struct tsdb *t);

/* ---- the writer ---- */

/* What became of a sample. */
enum append_outcome {
	APPEND_STORED,
	APPEND_DUPLICATE, /* the same time and value are there, however old, unless sealed: nothing was done */
	APPEND_CONFLICT,  /* another value is there at this time, likewise: refused */
	APPEND_TOO_OLD,   /* before what was sealed, or out of order by more than out_of_order: refused */
	APPEND_TOO_LATE,  /* more samples out of order than a series may have waiting: refused */
	APPEND_OUTCOMES
};

/* Numbers of series that were given so far are below. */
uint32_t tsdb_numbers(const struct tsdb *t);

/* The writer's clock. How late a sample is, and what is old enough to be sealed, is measured from the newest sample, but from nothing later than this: one sender that is ahead of time makes nobody else late. At first there is none. */
void tsdb_set_now(struct tsdb *t, int64_t now_ms);

void tsdb_batch_begin(struct tsdb *t);
void tsdb_batch_end(struct tsdb *t);

/* The series with these canonical labels, whose labels_hash is `hash`; made where there is none. Its number is good until tsdb_has says no. 0; -ENOSPC: max_series; -EDQUOT: max_per_metric; -ENOMEM. */
int tsdb_series(struct tsdb *t, struct slice labels, uint64_t hash, uint32_t *number);
/* The same without these bounds, for a series whose samples were taken, and are to be stored: it was within them then, and since it may have left, or, at a replay, others may not have left yet. So there may be more series than max_series for a while, of which no new
 * one is made meanwhile. 0; -ENOSPC: no number is left; -ENOMEM. */
int tsdb_series_admitted(struct tsdb *t, struct slice labels, uint64_t hash, uint32_t *number);
bool tsdb_has(const struct tsdb *t, uint32_t number);

/* For many samples at once: asks the processor for what tsdb_series will read, in two steps with other work between them, and likewise for tsdb_append. Nothing changes, and numbers may be of no series. */
void tsdb_prefetch_slot(const struct tsdb *t, uint64_t hash);
void tsdb_prefetch_labels(const struct tsdb *t, uint64_t hash);
void tsdb_prefetch_series(const struct tsdb *t, uint32_t number);
void tsdb_prefetch_chunk(const struct tsdb *t, uint32_t number);

/* A mark on a series for the writer's own use; a series has none when it is made or loaded. A number that means no series has none. */
bool tsdb_is_marked(const struct tsdb *t, uint32_t number);
void tsdb_mark(struct tsdb *t, uint32_t number, bool marked);

/* Between these two samples come again that were appended before, from a journal, and what has no admitted series of its own asks for one once more (tsdb_series). The series that had left meanwhile to make room may all be there still: the bounds of series are a quarter wider. Where live samples and those of ticks were appended is then known to some seconds only, so that a sample may be out of order by a minute more. */
void tsdb_replay_begin(struct tsdb *t);
void tsdb_replay_end(struct tsdb *t);

/* The labels of a series in the head; empty: the number means none. Good as long as tsdb_has says so. The writer's. */
struct slice tsdb_labels(const struct tsdb *t, uint32_t number);

/* The newest sample in order of a series in the head, by its bits. False: the number means no series, or it has none. The writer's. */
bool tsdb_newest(const struct tsdb *t, uint32_t number, struct sample *out);

/* Has the series, in the head, a sample of exactly this time? 1, 0, or -ENOMEM. The writer's. */
int tsdb_has_sample(struct tsdb *t, uint32_t number, int64_t time_ms);

/* Within a batch. enum append_outcome; -ESTALE: the number means no series; -ENOMEM. Nothing was changed where it is negative. */
int tsdb_append(struct tsdb *t, uint32_t number, int64_t time_ms, double value);

/* What the writer has to do now and then, between batches: bounds, letting go of what was sealed, a part at a time (some thousand series, a millisecond). True: more is left, which may be done soon; else once a second will do. Not while samples come again from a journal: it may raise the time before which they are refused, above that of samples which were taken. */
bool tsdb_tick(struct tsdb *t);

/* ---- the keeper: one thread ---- */

/* Seals what is due, merges blocks, removes those past retention; one step a call. 1: something was done, and more may be; 0: nothing is due; or a negative errno with a sentence: nothing is lost, and it is tried again at the next call. */
int tsdb_maintain(struct tsdb *t, struct error *err);
/* From now on a step ends soon, with what it was at left undone and nothing lost: -ECANCELED. Any thread. */
void tsdb_maintain_stop(struct tsdb *t);

/* ---- checkpoints ---- */

/* What a checkpoint keeps of the history: the head as it is when this is called. The writer's, between batches, one at a time; however many readers there are. NULL: -ENOMEM, or why files of chunks that could not be synced could not be written anew either. */
struct tsdb_cut;
/* Makes one, as said above. Owned by the caller: tsdb_cut_free. */
struct tsdb_cut *tsdb_cut(struct tsdb *t, int *code);
/* Writes it to dir/name, a name that no checkpoint refers to yet, and makes durable what it refers to. Any thread, one at a time; tsdb_cut is not called meanwhile. 0 or a negative errno with a sentence. */
int tsdb_cut_write(struct tsdb_cut *c, const char *name, struct error *err);
/* Lets the head go on without it, whether it was written or not; NULL is allowed. Any thread. */
void tsdb_cut_free(struct tsdb_cut *c);

/* Fills the empty head of a store that was just opened with what tsdb_cut_write wrote under this name. 0 or a negative errno with a sentence. */
int tsdb_load(struct tsdb *t, const char *name, struct error *err);
/* Removes what was written under this name; once no checkpoint refers to it. 0 or a negative errno. */
int tsdb_cut_remove(struct tsdb *t, const char *name);

/* ---- summaries ---- */

/* What is known of a chunk, or of any samples of one series, without reading them: enough for `increase` over whole chunks.
 *
 * Stale markers are in `count`, `stale` and the times, and in nothing else: values are what PromQL's range selectors see, which pass over them. Any other NaN is a value. As PromQL has it, `min` and `max` leave it out where there is anything else, and
 * a comparison with it is false: it hides a fall, and makes the increase NaN only as the first or the last value. */
struct chunk_summary {
	int64_t first_ms, last_ms; /* 0 where there are no samples */
	double first, last;        /* values, their bits kept; NaN where there is none */
	double min, max;           /* the same */
	double fallen; /* the sum of the values from which it fell to a lower one: what resets of a counter took away */
	uint32_t count; /* of samples, stale markers among them */
	uint32_t stale; /* of stale markers */
};

/* Of no samples. */
void summary_init(struct chunk_summary *s);

/* Adds a sample that is later than those before. */
void summary_add(struct chunk_summary *s, int64_t time_ms, uint64_t value_bits);

/* Adds samples that are later than those before, and rise: the same as one by one, faster. */
void summary_add_all(struct chunk_summary *s, const int64_t *times_ms, const uint64_t *values, uint32_t count);

/* Makes it what both together are: `later` begins after `s` ends. The same as if the samples had been added one by one, but for the rounding of `fallen` where it is a sum of three and more. */
void summary_join(struct chunk_summary *s, const struct chunk_summary *later);

/* The reset-corrected increase from the first value to the last one, as increase() has it before it extrapolates. Below two values 0, or NaN. */
static inline double summary_increase(const struct chunk_summary *s)
{
	return s->last - s->first + s->fallen;
}

/* ---- views: any thread, one thread at a time ---- */

struct tsdb_view;

/* NULL: -EAGAIN, as many as may be are open; -ENOMEM. */
struct tsdb_view *tsdb_view_open(struct tsdb *t, int *code);
/* Lets go of what it kept from being freed; its sets are freed before. NULL is allowed. */
void tsdb_view_close(struct tsdb_view *v);

/* From here on whatever is asked of the view asks `stopped` now and then, between series and between values of a label that are matched; when it says yes, -ECANCELED with a sentence is the answer. */
void tsdb_view_stop_when(struct tsdb_view *v, bool (*stopped)(const void *ctx), const void *ctx);

/* The series that all matchers match and that may have samples in from_ms..to_ms, in the order of their labels (labels_compare). Owned by the caller, used before the view is closed. NULL with a sentence. */
struct series_set;
struct series_set *tsdb_select(struct tsdb_view *v, struct matcher *const *matchers, uint32_t count, int64_t from_ms,
                               int64_t to_ms, struct error *err);
void series_set_free(struct series_set *s);

/* The next one: 1 and its labels, good until the next call; 0: there is none; -ENOMEM, -ECANCELED (tsdb_view_stop_when), or -EBADMSG with a sentence: a block is damaged, and the set is at its end. */
int series_set_next(struct series_set *s, struct slice *labels, struct error *err);

/* The samples of that one within the time that was selected, rising; arrays are the set's, until the next call. 0; -ENOMEM; -EBADMSG with a sentence: a block is damaged there, which is named; the others can be read. */
struct series_samples {
	const int64_t *times_ms;
	const uint64_t *values; /* bits of doubles */
	uint32_t count;
};
int series_set_samples(struct series_set *s, struct series_samples *out, struct error *err);

/* The summary of the samples that series_set_samples would give: of blocks and full chunks of the head that lie within the time that was selected, what is kept of them; only those that it cuts through, chunks that are not full, and those that samples out of order fell into, are
 * decoded. So it is that of these samples added one by one, but for the rounding of `fallen` (summary_join). 0; -ENOMEM, -EBADMSG as above. */
int series_set_summary(struct series_set *s, struct chunk_summary *out, struct error *err);

/* The newest one of some samples, by its bits. */
struct series_newest {
	bool there;
	int64_t time_ms;
	uint64_t value; /* may be a stale marker: the series had ended */
};
/* The same in two, decoded once: the newest of the samples at or before `at_ms`, and the summary of those after. Errors as above. */
int series_set_summary_after(struct series_set *s, int64_t at_ms, struct series_newest *before,
                             struct chunk_summary *after, struct error *err);

/* Names of labels, and values of one, of the series that the matchers match, rising; in the arena. 0, or a negative errno with a sentence. */
int tsdb_label_names(struct tsdb_view *v, struct matcher *const *matchers, uint32_t count, int64_t from_ms,
                     int64_t to_ms, struct arena *arena, const struct slice **names, uint32_t *name_count,
                     struct error *err);
int tsdb_label_values(struct tsdb_view *v, struct slice name, struct matcher *const *matchers, uint32_t count,
                      int64_t from_ms, int64_t to_ms, struct arena *arena, const struct slice **values,
                      uint32_t *value_count, struct error *err);

/* What the head's index has most of: names and values live as long as the view, the arrays lie in the arena. Those with the highest counts come first, of equal ones by name; `limit` of each at most. */
struct tsdb_counted {
	struct slice name,
	    value; /* a metric's name is a `value` with an empty `name`; of a label only the name is there */
	uint64_t count;
};
struct tsdb_cardinality {
	uint64_t series, label_pairs, chunks;
	int64_t oldest_ms, newest_ms; /* when the head was last looked at (tsdb_tick). INT64_MAX, INT64_MIN: none */
	const struct tsdb_counted *metrics, *labels, *label_bytes,
	    *pairs; /* series of a metric; values of a label; bytes of all its values in all series; series of a pair */
	uint32_t metric_count, label_count, label_bytes_count, pair_count;
};
/* Walks the whole index: some 100 ns a pair, and a chunk's header for each chunk. 0 or -ENOMEM with a sentence. */
int tsdb_cardinality(struct tsdb_view *v, uint32_t limit, struct arena *arena, struct tsdb_cardinality *out,
                     struct error *err);

/* ---- exemplars: the newest of all series together, in a ring; beside head and blocks ----
 *
 * Past `exemplars` of them, or 512 bytes for each on an average (their labels, and those of the series that have some), the oldest go. Those of a series come in the order of time, as in Prometheus; at the same time the value rises, or of
 * the same value the labels do. Whether labels have at most 128 characters, decoders look. */

enum exemplar_outcome {
	EXEMPLAR_STORED,
	EXEMPLAR_DUPLICATE, /* it is the newest one of its series: nothing was done */
	EXEMPLAR_TOO_OLD,   /* it is before the newest one of its series: refused */
	EXEMPLAR_OUTCOMES
};

/* The writer's. `labels` are the series', canonical, and `hash` their labels_hash; whether the head has it does not matter. enum exemplar_outcome; -ENOMEM: it is not stored, though older ones may have gone. */
int tsdb_exemplar_add(struct tsdb *t, struct slice labels, uint64_t hash, const struct sample_exemplar *e);

/* A series with exemplars, which rise in time. */
struct exemplar_series {
	struct slice labels;
	const struct sample_exemplar *exemplars;
	uint32_t count;
};
/* Those of the series that all matchers match, in from_ms..to_ms, in the order of the series' labels; in the arena. Of one moment; any thread. 0; -EAGAIN: as many readers as may be are at it; -ENOMEM; with a sentence. */
int tsdb_exemplars_select(struct tsdb *t, struct matcher *const *matchers, uint32_t count, int64_t from_ms,
                          int64_t to_ms, struct arena *arena, const struct exemplar_series **out, uint32_t *out_count,
                          struct error *err);

/* ---- metadata: what is known of metrics, by name ---- */

enum {
	METADATA_METRICS_MAX = 100000,
	METADATA_ENTRY_MAX = 64 * 1024,        /* bytes of name, help and unit together */
	METADATA_BYTES_MAX = 16 * 1024 * 1024, /* of all */
};

/* The writer's. What was said of the metric last holds. 0; -ENOSPC: a bound, and all is as it was, which is counted; -ENOMEM. */
int tsdb_metadata_put(struct tsdb *t, const struct sample_metadata *m);

/* What would tsdb_metadata_put make of it? 1: nothing, it is there; 0: it would be kept, if there is memory; -ENOSPC: a bound, which is counted as there. For who has to write it down first. The writer's. */
int tsdb_metadata_admit(struct tsdb *t, const struct sample_metadata *m);

/* Calls `each` for the metric of this name, or, where it is empty, for all, rising by name, until it returns false. Of one moment; any thread; slices are good for the call. 0; -EAGAIN, -ENOMEM with a sentence. */
int tsdb_metadata_each(struct tsdb *t, struct slice name, bool (*each)(void *ctx, const struct sample_metadata *m),
                       void *ctx, struct error *err);

/* ---- both in checkpoints ---- */

/* Appends exemplars and metadata of the cut's moment, in the format of FORMAT.md; who keeps it adds a checksum. Any thread. 0 or -ENOMEM. */
int tsdb_cut_extras(const struct tsdb_cut *c, struct buf *out);

/* Fills a store that was just opened with them; what is more than `exemplars` is left out, the oldest first. 0; -EBADMSG with a sentence, and there are none; -ENOMEM. */
int tsdb_load_extras(struct tsdb *t, struct slice saved, struct error *err);

struct tsdb_stats {
	uint64_t series, created, expired;
	uint64_t samples, late;
	uint64_t head_bytes, head_file_bytes;
	uint64_t blocks, block_bytes;
	uint64_t sealed, merged, removed, refused; /* blocks, since the start */
	uint64_t
	    lost; /* chunks of the head that were damaged on disk when they were to be sealed: their samples, and those before them, are in no block */
	int64_t oldest_ms, newest_ms;                                     /* INT64_MAX, INT64_MIN: none */
	uint64_t exemplars, exemplar_series, exemplar_bytes;              /* now */
	uint64_t exemplar_outcomes[EXEMPLAR_OUTCOMES], exemplars_evicted; /* since the start */
	int64_t oldest_exemplar_ms;        /* the time of the one that goes next; INT64_MAX: none */
	uint64_t metadata, metadata_bytes; /* now */
	uint64_t metadata_refused;         /* since the start */
};
void tsdb_stats(struct tsdb *t, struct tsdb_stats *out); /* the writer's thread */

#endif

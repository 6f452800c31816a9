/* The live metrics: families of series whose values the scripts change, and their exposition.
 *
 * One writer, the engine thread, owns the registry. Everyone else works on a snapshot: the engine copies the values
 * (plain arrays, a memcpy for each 1024 series) between two frames, so a snapshot never holds half a frame; names,
 * label texts and the states of sketches and windows are shared with it and do not change while it lives (the writer
 * copies before it changes). Exposition, checkpoints and conditions run on other threads over snapshots.
 *
 * Values of one family lie in arrays by series number, a short row for each, so that snapshot, exposition and the
 * store's ticks are linear walks.
 *
 * What the registry shows follows from the definitions, the changes and the clock it was given, in their order, and
 * from nothing else: after a checkpoint was loaded the same changes give the same bits. Sums are compensated (sum.h),
 * so that decimal amounts of money add up to the decimal total. */
#ifndef MOONGATE_METRICS_METRICS_H
#define MOONGATE_METRICS_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/slice.h"

/* The numbers are written to disk. */
enum metric_type {
	METRIC_COUNTER = 1,
	METRIC_GAUGE = 2,
	METRIC_HISTOGRAM = 3, /* classic buckets, cumulative on exposition */
	METRIC_SUMMARY = 4,   /* quantiles over a sliding window; _sum and _count since the start */
	/* Number of distinct values seen in the running calendar period; a gauge outside. A value belongs to the period
	 * of its record's time (one in the future: to now's); those of a period that is over are late. */
	METRIC_DISTINCT = 5,
	/* The k largest sums by label values, the rest in one overflow series; a gauge outside. All series together are
	 * the exact total; a series shows what was added since its labels came into the k: never more than their true
	 * sum, and at most total / k less; labels whose sum is above total / k are among the k. Never idle. */
	METRIC_TOPK = 6,
	METRIC_RATIO = 7, /* hits / (hits + misses) over a sliding window; a gauge outside, NaN while empty */
	METRIC_MEAN = 8   /* mean of observations over a sliding window; a gauge outside, NaN while empty */
};

enum {
	METRIC_LABELS_MAX = 16,
	METRIC_BUCKETS_MAX = 128,
	METRIC_QUANTILES_MAX = 16,
	METRIC_TOPK_MAX = 100000,
	/* bytes; longer values are cut at a character's end and counted (moongate_label_values_cut_total) */
	METRIC_LABEL_VALUE_MAX = 1024
};

#define METRIC_SERIES_MAX_DEFAULT 10000u
#define METRIC_IDLE_DEFAULT (24 * 3600 * NS_PER_S)

/* What a script says of a metric. All slices are borrowed for the call and copied where kept. What the type does not
 * have is not looked at. Sizes: name 256 bytes, label name 128, help 4096, unit 64. */
struct metric_def {
	enum metric_type type;
	struct slice name; /* [a-zA-Z_:][a-zA-Z0-9_:]*, not "moongate_…" */
	struct slice help; /* may be empty */
	struct slice unit; /* "" or a suffix of the name (before _total): "seconds", "bytes", "usd" */
	/* names [a-zA-Z_][a-zA-Z0-9_]*, not "le", "quantile", "moongate_overflow" or "__…" */
	const struct slice *labels;
	uint32_t label_count;
	const double *buckets; /* histogram: upper bounds, strictly rising, finite; +Inf is implied */
	uint32_t bucket_count;
	const double *quantiles; /* summary: 0..1, rising */
	uint32_t quantile_count;
	/* summary, ratio, mean: length of the sliding window, 1 s to 400 days. It moves on by a tenth (summary) or a
	 * sixtieth of it, and never holds anything older. */
	int64_t window_ns;
	enum calendar period; /* distinct */
	/* topk: series kept, 1 to METRIC_TOPK_MAX; they count against the registry's limit from the start. */
	uint32_t k;
	uint32_t max_series; /* past it, new label values go to the overflow series; 0: the default */
	/* A series untouched for so long has ended (a gauge's that was added to: never); rounded up to seconds; 0: never. */
	int64_t idle_ns;
	struct slice where; /* "metrics/cost.lua:4", for messages */
};

struct registry_options {
	uint32_t max_series; /* in all; default 1,000,000 */
};

struct registry;
struct metric;
struct metrics_snapshot;

/* Stated errors, also in docs. */

/* Relative error of a summary's quantile values (log-spaced buckets, 1024 in a tenth of the window: nine decades;
 * beyond, the smallest values share one) */
#define METRIC_QUANTILE_ERROR 0.01
/* Standard error of distinct: 1.04/√m is 0.0081 with m = 2^14 registers; exact up to 1,536 values */
#define METRIC_DISTINCT_ERROR 0.01

/* A registry, or NULL when memory is out. Owned by the caller, used by one thread. */
struct registry *registry_new(const struct registry_options *options);
/* NULL is allowed. Snapshots outlive it. */
void registry_free(struct registry *r);

/* Checks a definition on its own: names, buckets, quantiles, units, bounds. 0, or -EINVAL with a sentence that names
 * the metric and what was wanted. Any thread. */
int metric_def_check(const struct metric_def *def, struct error *err);

/* Whether two definitions may share one family: same type, labels, buckets, quantiles, window, period, k. 0, or
 * -EEXIST with a sentence that names the difference and both places. (help, unit, max_series, idle may differ: the
 * first one of a load holds.) Any thread. */
int metric_def_compatible(const struct metric_def *old, const struct metric_def *new_, struct error *err);

/* A reload: between begin and end every metric of the new scripts is defined; at end families that were not are
 * removed. A definition with the type of the existing family and the same labels, buckets, … keeps its series and
 * values and takes the new help, limits, …; one with other labels or buckets starts anew (*restarted says so); one
 * with another type is refused with -EEXIST (registry_check_type asks beforehand). Until the end snapshots show the
 * families as they were. */
void registry_reload_begin(struct registry *r);
/* Cannot fail. A large family that goes is freed bit by bit by registry_expire. */
void registry_reload_end(struct registry *r);
/* In place of the end, after a definition was refused: everything is again as it was at the beginning. What
 * registry_define gave since then is invalid, unless it was there before. */
void registry_reload_cancel(struct registry *r);

/* Would this definition change the type of an existing family? 0 or -EEXIST with a sentence. */
int registry_check_type(const struct registry *r, const struct metric_def *def, struct error *err);

/* Defines a family, or finds the existing one. *out is valid until the registry_reload_end that removes it;
 * `restarted` may be NULL. 0; -EINVAL (metric_def_check); -EEXIST: not compatible with the family of that name, or it
 * would show a name that another defined family shows (histogram "x" and counter "x_count"); -ENOMEM; each with a
 * sentence. */
int registry_define(struct registry *r, const struct metric_def *def, struct metric **out, bool *restarted,
                    struct error *err);

/* The engine's clock, before each frame and tick: windows, idle times and calendar periods follow it. It never runs
 * back. */
void registry_set_now(struct registry *r, int64_t now_ns);

/* The trace that the record at hand carries: histograms and counters keep it as exemplar (one a series or bucket,
 * replaced by one of a record at least a second newer). Empty trace_id: none, which the caller sets when the record
 * is done. Borrowed until the next call. */
void registry_set_exemplar(struct registry *r, struct slice trace_id, struct slice span_id, int64_t time_ns);

/* Frees what idle series and removed families take; call once in a while (a few seconds of engine time). Visits some
 * 16,000 series a call, 5 ms at most. When it is called does not show: an idle series has ended at its second. */
void registry_expire(struct registry *r);

/* A series: its number, and a generation that tells a reused number. */
struct series_ref {
	uint32_t number;
	uint32_t generation;
};

/* The series with these label values (as many as the metric has labels; an empty value means the label is absent),
 * made if new. Past max_series, or the registry's, the overflow series (label moongate_overflow="true"). Invalid
 * UTF-8 in a value is replaced by U+FFFD. Not for topk. 0 or -ENOMEM. */
int metric_series(struct metric *m, const struct slice *values, struct series_ref *out);

/* For many look-ups at once: asks the processor for what metric_series() will read, in two steps with other work between them. Nothing changes, whatever
 * the values are. Worth while for a large metric only: a small one is in the cache. */
bool metric_is_large(const struct metric *m);
/* The first step; what it returns is for the second one. */
uint64_t metric_prefetch_index(const struct metric *m, const struct slice *values);
/* The second step. */
void metric_prefetch_series(const struct metric *m, uint64_t hash);

/* Takes back a series that was made for a change which then failed with -ENOMEM, so that it is not shown without a
 * value; one that was changed before stays. */
void metric_series_forget(struct metric *m, struct series_ref s);

/* Whether the series still exists (it may have ended as idle). A ref that is kept from one record to the next is
 * asked first. */
bool metric_series_valid(const struct metric *m, struct series_ref s);

/* Is it the series that all those beyond max_series share? */
bool metric_is_overflow(const struct metric *m, struct series_ref s);

/* What the definition said; slices are borrowed until the next reload's end. */
enum metric_type metric_type(const struct metric *m);
/* The name as defined. */
struct slice metric_name(const struct metric *m);
/* How many values metric_series() takes. */
uint32_t metric_label_count(const struct metric *m);
/* The name of label `i`. */
struct slice metric_label(const struct metric *m, uint32_t i);

/* Changes. All return 0, or -EINVAL for a value that the type does not take (NaN; a counter or topk add below zero;
 * infinite; one that would make the sum infinite) or a metric of another type, -ENOMEM (sketches, windows and new
 * entries only), with nothing changed. The series is valid. `time_ns` is the record's; one in the future counts as
 * now, one before the window is late: it is in no window, but in a summary's sum and count. */
int metric_add(struct metric *m, struct series_ref s, double v); /* counter, gauge */
int metric_set(struct metric *m, struct series_ref s, double v); /* gauge (NaN and infinities are allowed here) */
int metric_observe(struct metric *m, struct series_ref s, double v, int64_t time_ns); /* histogram, summary, mean */
int metric_hit(struct metric *m, struct series_ref s, bool hit, int64_t time_ns);     /* ratio */
int metric_see(struct metric *m, struct series_ref s, struct slice value, int64_t time_ns); /* distinct */
/* topk has no series refs: space-saving over label values. */
int metric_topk_add(struct metric *m, const struct slice *values, double v);

/* Figures for moongate's own metrics. Those "since the start" are the process's, not saved in checkpoints. */
struct registry_stats {
	uint64_t families, series;
	uint64_t overflowed; /* changes that went to an overflow series, since the start (topk's do not count) */
	uint64_t expired;    /* series removed as idle, since the start */
	uint64_t late;       /* observations older than their window or period, since the start */
	uint64_t values_cut; /* label values longer than METRIC_LABEL_VALUE_MAX in look-ups, since the start */
	uint64_t bytes;      /* memory in use, but for snapshots */
};
/* Engine thread. */
void registry_stats(const struct registry *r, struct registry_stats *out);

/* ---- snapshots ---- */

/* Copies the values of all families; engine thread, between frames. NULL when memory is out. The caller owns one
 * reference. */
struct metrics_snapshot *registry_snapshot(struct registry *r);
/* The same with series that have come to be idle since shown_ns, as far as they have not been removed: they are shown and saved as if they were not. For whoever has to say that they have ended. */
struct metrics_snapshot *registry_snapshot_at(struct registry *r, int64_t shown_ns);
/* One more reference; any thread that has one. */
struct metrics_snapshot *metrics_snapshot_ref(struct metrics_snapshot *s);
/* Gives a reference back; NULL is allowed. Any thread. */
void metrics_snapshot_unref(struct metrics_snapshot *s);

enum exposition_format { EXPOSITION_TEXT, EXPOSITION_OPENMETRICS };

#define EXPOSITION_TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define EXPOSITION_OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* Chooses by an Accept header (RFC 9110 weights; may be empty). Any thread. */
enum exposition_format exposition_choose(struct slice accept);

/* Appends all families of the snapshot that have series, sorted by name, series in order of creation; windows and
 * calendar periods end at `now_ns` (the wall clock, so that an idle gateway's windows empty), or at the snapshot's
 * own time where that is later. Does not append "# EOF". 0 or -ENOMEM. Any thread. Formats: Prometheus text 0.0.4
 * (names as defined); OpenMetrics 1.0 (counters' names without _total in TYPE, UNIT, HELP, with it in samples;
 * _created, exemplars). */
int exposition_render(const struct metrics_snapshot *s, enum exposition_format format, int64_t now_ns, struct buf *out);

/* moongate's own metrics are written with the same pen. `name` without _total for counters: it is added. Failure is the
 * buffer's, sticky. Any thread. */
void exposition_family(struct buf *out, enum exposition_format format, const char *name, enum metric_type type,
                       const char *unit, const char *help);
struct exposition_label {
	const char *name;
	struct slice value; /* UTF-8; escaped on writing; empty: the label is left out */
};
/* One line. */
void exposition_sample(struct buf *out, enum exposition_format format, const char *name, enum metric_type type,
                       const struct exposition_label *labels, uint32_t label_count, double v);
/* The end of the whole answer: "# EOF" for OpenMetrics. */
void exposition_end(struct buf *out, enum exposition_format format);

/* ---- the values of a snapshot, one by one ---- */

/* The samples that a scrape of the exposition in the text format would give: the same series, by their canonical labels
 * (record/labels.h; `le` and `quantile` in the form of OpenMetrics, as the decoders have them), and the same values, NaN
 * by one pattern of bits. For the history, which samples them (engine/tick.h). A walk costs some 10 ns a series. */
struct metrics_cursor;

enum { METRIC_VALUES_MAX = METRIC_BUCKETS_MAX + 3 }; /* of a series: a histogram's buckets, +Inf, count, sum */

struct metrics_family {
	uint64_t identity; /* that of no other family of the registry: one that started anew is another */
	struct slice name, help, unit;
	enum metric_type type;
	uint32_t numbers;     /* those of its series are below */
	uint32_t value_count; /* of each series */
	/* Values from this one on only rise, from 0 when the series was made: all of a counter and a histogram, count
	 * and sum of a summary. (A sum may fall where values below zero are observed.) value_count: there is none. */
	uint32_t cumulative;
};

struct metrics_sampled {
	uint32_t number; /* small; used again for another series once this one has ended */
	uint64_t birth;  /* of no other series of the family, while the process runs */
	int64_t created_ns;
	const double *values; /* in the order of the exposition's lines; the cursor's, until its next call */
};

/* In front of the first family; NULL: memory is out. The snapshot is borrowed, and outlives the cursor. Windows end at
 * the snapshot's time. Used by one thread at a time. */
struct metrics_cursor *metrics_cursor_new(const struct metrics_snapshot *s);
/* NULL is allowed. */
void metrics_cursor_free(struct metrics_cursor *c);

/* Goes to the next family, by name, whether or not it has series. False: there is none. The texts are the snapshot's. */
bool metrics_cursor_family(struct metrics_cursor *c, struct metrics_family *out);

/* The next living series of that family, by number: to sort a million of them by age would stop the engine for 100 ms.
 * False: there is none. */
bool metrics_cursor_next(struct metrics_cursor *c, struct metrics_sampled *out);

/* Appends the canonical labels, `__name__` among them, of value `i` of the series that was got last. 0, or -ENOMEM with
 * nothing appended. */
int metrics_cursor_labels(const struct metrics_cursor *c, uint32_t i, struct buf *out);

struct metrics_exemplar {
	struct slice trace_id, span_id; /* the snapshot's; span_id may be empty */
	double value;
	int64_t time_ns; /* of the record */
};

/* The exemplar of value `i` of that series. False: it has none. */
bool metrics_cursor_exemplar(const struct metrics_cursor *c, uint32_t i, struct metrics_exemplar *out);

/* ---- checkpoint ---- */

/* Appends the snapshot in the format of FORMAT.md (self-contained, checksummed by the caller), exemplars included.
 * Any thread. 0 or -ENOMEM. */
int metrics_snapshot_save(const struct metrics_snapshot *s, struct buf *out);

/* Fills an empty registry from saved bytes and sets its clock to theirs. The families are there until a reload's end
 * finds them undefined. What was saved is loaded whatever the limits are now. 0, -EBADMSG with a sentence (registry
 * then empty), -ENOMEM. */
int registry_load(struct registry *r, struct slice saved, struct error *err);

#endif

/* The live metrics: families of series whose values the scripts change, and their exposition.
 *
 * One writer, the engine thread, owns the registry. Everyone else works on a snapshot: the engine copies the values (plain arrays, a
 * memcpy a family) between two frames, so a snapshot never holds half a frame; names and label texts are shared with it by
 * reference count and never change. Exposition, checkpoints and conditions run on other threads over snapshots.
 *
 * Values of one family lie in arrays by series number, not in structs by series, so that snapshot, exposition and the store's ticks are linear walks. */
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
	METRIC_DISTINCT = 5,  /* number of distinct values seen in the running calendar period; a gauge outside */
	METRIC_TOPK = 6,      /* the k largest sums by label values, the rest in one overflow series; a gauge outside */
	METRIC_RATIO = 7,     /* hits / (hits + misses) over a sliding window; a gauge outside, NaN while empty */
	METRIC_MEAN = 8       /* mean of observations over a sliding window; a gauge outside, NaN while empty */
};

enum {
	METRIC_LABELS_MAX = 16,
	METRIC_BUCKETS_MAX = 128,
	METRIC_QUANTILES_MAX = 16,
	METRIC_TOPK_MAX = 100000,
	METRIC_LABEL_VALUE_MAX =
	    1024 /* bytes; longer values are cut at a character's end and counted (moongate_label_values_cut_total) */
};

#define METRIC_SERIES_MAX_DEFAULT 10000u
#define METRIC_IDLE_DEFAULT (24 * 3600 * NS_PER_S)

/* What a script says of a metric. All slices are borrowed for the call and copied where kept. */
struct metric_def {
	enum metric_type type;
	struct slice name;          /* [a-zA-Z_:][a-zA-Z0-9_:]* */
	struct slice help;          /* may be empty */
	struct slice unit;          /* "" or a suffix of the name (before _total): "seconds", "bytes", "usd" */
	const struct slice *labels; /* names [a-zA-Z_][a-zA-Z0-9_]*, not "le", "quantile" or "__…" */
	uint32_t label_count;
	const double *buckets; /* histogram: upper bounds, strictly rising, finite; +Inf is implied */
	uint32_t bucket_count;
	const double *quantiles; /* summary: 0..1, rising */
	uint32_t quantile_count;
	int64_t window_ns;    /* summary, ratio, mean: length of the sliding window */
	enum calendar period; /* distinct */
	uint32_t k;           /* topk: series kept */
	uint32_t max_series;  /* past it, new label values go to the overflow series */
	int64_t idle_ns;      /* a series untouched for so long is removed (gauges with add/inc/dec: never); 0: never */
	struct slice where;   /* "metrics/cost.lua:4", for messages */
};

struct registry_options {
	uint32_t max_series; /* in all; default 1,000,000 */
};

struct registry;
struct metric;
struct metrics_snapshot;

/* Stated errors, also in docs: */
#define METRIC_QUANTILE_ERROR 0.01 /* relative error of a summary's quantile values (log-spaced buckets) */
#define METRIC_DISTINCT_ERROR                                                                                          \
	0.01 /* standard error of distinct, 1.04/√m, m = 2^14 registers when dense; exact while small */

/* A registry, or NULL when memory is out. Owned by the caller, used by one thread. */
struct registry *registry_new(const struct registry_options *options);
void registry_free(struct registry *r);

/* Checks a definition on its own: names, buckets, quantiles, units, bounds. 0, or -EINVAL with a sentence that names the metric and what was wanted. Any thread. */
int metric_def_check(const struct metric_def *def, struct error *err);

/* Whether two definitions may share one family: same type, labels, buckets, quantiles, window, period, k. 0, or -EEXIST with a sentence that
 * names the difference and both places. (help, max_series, idle may differ: the first one holds.) Any thread. */
int metric_def_compatible(const struct metric_def *old, const struct metric_def *new_, struct error *err);

/* A reload: between begin and end every metric of the new scripts is defined; at end families that were not are removed. A definition with the
 * type of the existing family and the same labels, buckets, … keeps its series and values; one with other labels or buckets starts
 * anew (*restarted says so); one with another type is refused with -EEXIST (registry_check_type asks beforehand). */
void registry_reload_begin(struct registry *r);
void registry_reload_end(struct registry *r);
/* In place of the end: everything is again as it was at the beginning. What registry_define gave since then is invalid, unless it was there before. */
void registry_reload_cancel(struct registry *r);

/* Would this definition change the type of an existing family? 0 or -EEXIST with a sentence. */
int registry_check_type(const struct registry *r, const struct metric_def *def, struct error *err);

/* Defines a family, or finds the existing one. *out is valid until the registry_reload_end that removes it. 0, -EEXIST, -EINVAL, -ENOMEM. */
int registry_define(struct registry *r, const struct metric_def *def, struct metric **out, bool *restarted,
                    struct error *err);

/* The engine's clock, before each frame and tick: windows, idle times and calendar periods follow it. */
void registry_set_now(struct registry *r, int64_t now_ns);

/* The trace that the record at hand carries: histograms and counters keep it as exemplar. Empty trace_id: none. Borrowed until the next call. */
void registry_set_exemplar(struct registry *r, struct slice trace_id, struct slice span_id, int64_t time_ns);

/* Removes idle series; call once in a while (a few seconds of engine time). Visits a bounded number of series a call. */
void registry_expire(struct registry *r);

/* A series: its number, and a generation that tells a reused number. */
struct series_ref {
	uint32_t number;
	uint32_t generation;
};

/* The series with these label values (as many as the metric has labels; an empty value means the label is absent), made if new. Past max_series the overflow
 * series (label moongate_overflow="true"). Invalid UTF-8 in a value is replaced by U+FFFD. 0 or -ENOMEM. */
int metric_series(struct metric *m, const struct slice *values, struct series_ref *out);

/* Whether the series still exists (it may have been removed as idle). */
bool metric_series_valid(const struct metric *m, struct series_ref s);

enum metric_type metric_type(const struct metric *m);
struct slice metric_name(const struct metric *m);
uint32_t metric_label_count(const struct metric *m);
/* The name of label `i`. */
struct slice metric_label(const struct metric *m, uint32_t i);

/* Changes. All return 0, or -EINVAL for a value that the type does not take (NaN; a counter or topk add below zero; infinite), -ENOMEM, with nothing changed. The series is valid. */
int metric_add(struct metric *m, struct series_ref s, double v); /* counter, gauge */
int metric_set(struct metric *m, struct series_ref s, double v); /* gauge (NaN and infinities are allowed here) */
int metric_observe(struct metric *m, struct series_ref s, double v, int64_t time_ns); /* histogram, summary, mean */
int metric_hit(struct metric *m, struct series_ref s, bool hit, int64_t time_ns);     /* ratio */
int metric_see(struct metric *m, struct series_ref s, struct slice value, int64_t time_ns); /* distinct */
/* topk has no series refs: space-saving over label values. */
int metric_topk_add(struct metric *m, const struct slice *values, double v);

struct registry_stats {
	uint64_t families, series;
	uint64_t overflowed; /* changes that went to an overflow series, since the start */
	uint64_t expired;    /* series removed as idle */
	uint64_t late;       /* observations older than their window: not counted in it */
	uint64_t values_cut; /* label values longer than METRIC_LABEL_VALUE_MAX */
	uint64_t bytes;      /* estimated memory */
};
void registry_stats(const struct registry *r, struct registry_stats *out);

/* ---- snapshots ---- */

/* Copies the values of all families; engine thread, between frames. NULL when memory is out. The caller owns one reference. */
struct metrics_snapshot *registry_snapshot(struct registry *r);
struct metrics_snapshot *metrics_snapshot_ref(struct metrics_snapshot *s);
void metrics_snapshot_unref(struct metrics_snapshot *s); /* any thread */

enum exposition_format { EXPOSITION_TEXT, EXPOSITION_OPENMETRICS };

#define EXPOSITION_TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define EXPOSITION_OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* Chooses by an Accept header (RFC 9110 weights; may be empty). Any thread. */
enum exposition_format exposition_choose(struct slice accept);

/* Appends all families of the snapshot, sorted by name, series in order of creation; windows end at `now_ns` (the wall clock, so that an idle gateway's windows
 * empty). Does not append "# EOF". 0 or -ENOMEM. Any thread. Formats: Prometheus text 0.0.4; OpenMetrics 1.0 (counters' names without _total in TYPE, UNIT, _created, exemplars). */
int exposition_render(const struct metrics_snapshot *s, enum exposition_format format, int64_t now_ns, struct buf *out);

/* moongate's own metrics are written with the same pen. `name` without _total for counters: it is added. */
void exposition_family(struct buf *out, enum exposition_format format, const char *name, enum metric_type type,
                       const char *unit, const char *help);
struct exposition_label {
	const char *name;
	struct slice value;
};
void exposition_sample(struct buf *out, enum exposition_format format, const char *name, enum metric_type type,
                       const struct exposition_label *labels, uint32_t label_count, double v);
/* The end of the whole answer: "# EOF" for OpenMetrics. */
void exposition_end(struct buf *out, enum exposition_format format);

/* ---- checkpoint ---- */

/* Appends the snapshot in the format of FORMAT.md (self-contained, checksummed by the caller). Any thread. 0 or -ENOMEM. */
int metrics_snapshot_save(const struct metrics_snapshot *s, struct buf *out);

/* Fills an empty registry from saved bytes. The families are there until a reload's end finds them undefined. 0, -EBADMSG with a sentence (registry then empty), -ENOMEM. */
int registry_load(struct registry *r, struct slice saved, struct error *err);

#endif

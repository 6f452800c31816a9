/* The metrics over time as a script may ask for them: what the `m` of an alert's condition, when = function(m), answers from. A view of the store and a snapshot of the registry of one moment, in which the live value of a series is its newest
 * sample. Answers follow from these two and the time alone.
 *
 *   conditions' worker ──history_begin(view, snapshot, now)──▶ history_push: `m` in a state of its own ──▶ history_end: `m` is dead
 *
 * Increases are not PromQL's. increase(x[24h]) there takes the first and last sample within the window and extrapolates to its ends: 3.0012 for three requests. Here nothing is extrapolated; what is counted is what was added from the newest sample
 * at or before the window's start (at most HISTORY_LOOKBACK_MS before it) to the live value, or where there is none the newest sample. What came between that first sample and the window's start is counted too, so that windows that follow each other add up to the whole.
 * A live counter or histogram that was made within the window and that the store has nothing of yet begins at 0. As in PromQL a fall is a reset, after which counting begins at 0 again, stale markers are passed over, and a series with a single sample has an increase: 0 (there: none).
 *
 * Nothing here knows of Lua (lib_history.c does). Used by one thread at a time. Private to script/. */
#ifndef MOONGATE_SCRIPT_HISTORY_H
#define MOONGATE_SCRIPT_HISTORY_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"
#include "base/table.h"
#include "metrics/metrics.h"
#include "record/labels.h"
#include "record/matcher.h"
#include "tsdb/tsdb.h"

#define HISTORY_LOOKBACK_MS INT64_C(300000) /* as PromQL's */

enum {
	HISTORY_NAMES_MAX = 32,       /* in `by`, and in `where`, and labels of value() */
	HISTORY_SERIES_MAX = 2000000, /* that one question looks at */
	HISTORY_BYTES_MAX =
	    128 << 20,      /* of answers that are held, and of live series that are remembered between questions */
	HISTORY_TICKS = 256 /* series between two looks at the stop flag: some 100 µs */
};

struct live_metric;
struct history_result;

/* Zeroed: it has not begun. Its owner's, and outlives the states that it was pushed to. */
struct history {
	struct tsdb_view *store; /* borrowed until the end; NULL: it has ended, or not begun */
	const struct metrics_snapshot *live;
	int64_t now_ms;
	uint64_t begun; /* how often it has: tells the `m` of one call from that of another */
	uint64_t asked; /* questions, since it was made */
	struct live_metric *metrics;
	struct history_result *results;
	size_t bytes;
};

/* The view and the snapshot are of the moment now_ns (or of moments close by), and live until the end. */
void history_begin(struct history *h, struct tsdb_view *store, const struct metrics_snapshot *live, int64_t now_ns);
/* Frees all answers; `m` raises from now on. Once more does nothing. */
void history_end(struct history *h);

/* Pushes `m` for the call that has begun. The state is a script's. May raise for want of memory. */
void history_push(lua_State *L, struct history *h);

/* ---- questions ---- */

struct history_matcher {
	enum matcher_op op;
	struct slice name, value;
};

struct history_question {
	struct slice name; /* the series' `__name__`; of a quantile the histogram's, without _bucket */
	const struct history_matcher *where;
	uint32_t where_count;
	bool
	    grouped; /* summed by the labels `by`, which may be none; else each series is a row, without its `__name__` */
	const struct slice *by;
	uint32_t by_count;
	int64_t window_ms;                /* (now - window, now] */
	bool per_second;                  /* divided by the window */
	double quantile;                  /* for history_quantile */
	bool (*stopped)(const void *ctx); /* asked every HISTORY_TICKS series */
	const void *ctx;
};

struct history_row {
	struct slice labels; /* canonical */
	double value;
};

/* An answer, in the order of the labels. The history's, until it ends or history_result_free. */
struct history_result {
	struct history_result *next, **prev;
	struct history_row *rows;
	uint32_t count;
	size_t bytes;
	struct arena arena; /* labels and rows */
};

/* What was added in the window. 0; -EINTR: it was stopped; -ENOMEM; -E2BIG: a bound, -EINVAL: a matcher, -EBADMSG: a damaged block, each with a sentence. */
int history_increase(struct history *h, const struct history_question *q, struct history_result **out,
                     struct error *err);

/* The quantile of a histogram's observations in the window, as histogram_quantile() has it of the increases of the buckets; NaN where there were none. The same codes. */
int history_quantile(struct history *h, const struct history_question *q, struct history_result **out,
                     struct error *err);

/* The value of the series with exactly these labels (sorted by the call) and the question's name: the live one, else the newest sample of the last HISTORY_LOOKBACK_MS, unless the series has ended. *there: there is one. The same codes. */
int history_value(struct history *h, const struct history_question *q, const struct label *labels, uint32_t count,
                  double *out, bool *there, struct error *err);

void history_result_free(struct history *h, struct history_result *r);

/* ---- history_live.c: live values by labels ---- */

struct live_series {
	struct slice labels;
	uint64_t hash; /* labels_hash */
	double value;
	int64_t created_ms;
	uint64_t asked; /* the question that has met it */
};

/* Those that the registry shows under one name. */
struct live_metric {
	struct live_metric *next;
	struct slice name;
	bool cumulative;           /* values began at 0 when the series was made */
	struct live_series *items; /* owned */
	uint32_t count;
	size_t cap;
	struct table table;
	struct arena arena;
};

/* How far a question is. */
struct history_progress {
	const struct history_question *question;
	uint64_t series;
};

/* Counts a series. 0, -EINTR, or -E2BIG with a sentence. */
int history_tick(const struct history *h, struct history_progress *p, struct error *err);

/* The live series of this name; made once until the end, which takes some 300 ns a series. There may be none of them. The codes of a question. */
int history_live(struct history *h, struct slice name, struct history_progress *p, struct live_metric **out,
                 struct error *err);
/* NULL: there is no such one. */
struct live_series *history_live_find(const struct live_metric *m, struct slice labels);
void history_live_free(struct history *h);

#endif

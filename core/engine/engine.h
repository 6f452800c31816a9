/* The writer: the one thread that filters, frames and applies, and owns registry and scripts; with deduplication, checkpoints, recovery and reload.
 *
 *   submit (any thread) → queue → filter → dedup → frame → commit ─┐ (journal's sync thread)
 *   reply  ← done()             ← apply (scripts, registry) ← durable ┘
 *
 * While group N is being synced, group N+1 is being filled; only durable frames are applied; a submission is done when all its frames are applied. */
#ifndef MOONGATE_ENGINE_ENGINE_H
#define MOONGATE_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "config/config.h"
#include "journal/journal.h"
#include "metrics/metrics.h"
#include "record/record.h"
#include "script/script.h"
#include "traces/traces.h"
#include "tsdb/tsdb.h"

struct engine;

/* A record that a filter's failure refused. */
struct submission_failure {
	uint32_t index;   /* record.index */
	struct slice why; /* in the batch's arena */
};

/* A sample that was not stored, or all samples of a series that could not be made. */
struct sample_refusal {
	uint32_t series; /* position in the batch */
	uint32_t sample; /* position in the series, without what was refused before; of a whole series 0 */
	int64_t time_ms; /* of the sample, which may have left the batch; of a whole series its first one's */
	enum sample_refused {
		SAMPLE_REFUSED_CONFLICT = APPEND_CONFLICT,
		SAMPLE_REFUSED_TOO_OLD = APPEND_TOO_OLD,
		SAMPLE_REFUSED_TOO_LATE = APPEND_TOO_LATE,
		SAMPLE_REFUSED_TOO_NEW = APPEND_OUTCOMES, /* more than ten minutes in the future */
		SAMPLE_REFUSED_SERIES,                    /* store.max_series */
		SAMPLE_REFUSED_METRIC,                    /* store.max_series_per_metric */
		SAMPLE_REFUSED_DELTA,     /* an increment that does not follow the newest point of its series */
		SAMPLE_REFUSED_INCREMENT, /* one that makes the sum NaN or infinite */
		SAMPLE_REFUSALS
	} why;
};
/* What is wrong, as a sentence's second half: "is older than …". */
const char *sample_refused_text(enum sample_refused why);

enum { SUBMISSION_REFUSALS_MAX = 100 }; /* that are named; all are counted */

/* What became of samples. */
struct sample_results {
	uint64_t stored, duplicate;
	uint64_t refused[SAMPLE_REFUSALS]; /* samples, by reason */
	uint64_t refused_total;
	struct sample_refusal *refusals; /* the first ones, in no order that is promised; in the batch's arena */
	uint32_t refusal_count;
	uint64_t exemplars; /* taken */
};

/* Records or samples on their way. The caller fills batch or samples, done and user; the engine the rest. Owned by the caller, lent until done. */
struct submission {
	struct batch *batch;                /* its records all of one kind; may be changed by filters. NULL: samples */
	struct sample_batch *samples;       /* NULL: records. Increments in it are added up (record/samples.h) */
	void (*done)(struct submission *s); /* on the engine thread; must not block */
	void *user;

	int status; /* 0: durable and applied; else a negative errno: nothing of it counts. -ENOSPC, -EIO, -EAGAIN (queue full, stopping) */
	uint32_t accepted;  /* records that are new */
	uint32_t duplicate; /* records known already */
	uint32_t failed;    /* refused by a filter's failure: their `dropped` is set and `failures` names them */
	struct submission_failure *failures; /* `failed` of them, in the batch's arena */
	struct sample_results results;       /* of samples */

	struct submission *next; /* the engine's */
	size_t held_bytes;       /* likewise: what it counts against journal.queue_bytes */
	uint32_t *numbers;       /* likewise: of the series of samples */
};

/* Opens the data directory (lock, checkpoint, journal), loads scripts, replays. Everything that was damaged or cut is logged. NULL with a sentence. `config` is borrowed for the engine's life. */
struct engine *engine_new(const struct config *config, struct error *err);

/* Starts the threads. */
int engine_start(struct engine *e, struct error *err);

/* Finishes what was submitted, syncs, writes a checkpoint, joins the threads. */
void engine_stop(struct engine *e);
/* Frees a stopped engine, or one that never started; NULL is allowed. */
void engine_free(struct engine *e);

/* Hands records or samples over. `done` is called later, exactly once. Any thread. Never blocks; past the queue's bounds (a number, and journal.queue_bytes of decoded records that
 * are not done yet) done is called with -EAGAIN before this returns. */
void engine_submit(struct engine *e, struct submission *s);

/* Would any submission be refused now? So that nobody decodes what is refused afterwards. Any thread. */
bool engine_is_full(const struct engine *e);

/* Loads the scripts anew and swaps them in; `done` is called on the engine thread with 0 or a negative errno and the sentence. Any thread. */
void engine_reload(struct engine *e, void (*done)(void *user, int status, const struct error *err), void *user);

/* The buffer of traces, for its readers (traces/traces.h). Any thread; borrowed, until the engine is freed. */
struct traces *engine_traces(struct engine *e);

/* The history of metrics, to open views of. Any thread; borrowed, until the engine is freed. */
struct tsdb *engine_history(struct engine *e);

struct engine_view;
/* A snapshot of the metrics, cut between two frames, with moongate's own script and engine figures of the same moment; `done` owns one reference to the snapshot (NULL: memory is out). Any thread. */
void engine_view_request(struct engine *e, void (*done)(void *user, struct engine_view *view), void *user);
void engine_view_free(struct engine_view *v);                        /* any thread */
struct metrics_snapshot *engine_view_metrics(struct engine_view *v); /* borrowed */
/* Appends the moongate_* families of engine, journal, dedup, scripts and registry. */
void engine_view_render(const struct engine_view *v, enum exposition_format format, struct buf *out);

/* For /-/ready and /health: any thread. */
struct engine_health {
	bool recovered, scripts_loaded, journal_writable, disk_ok, memory_ok,
	    scripts_ok;    /* scripts_ok: none is quarantined */
	char reasons[512]; /* what is false, for people; "" */
};
/* Fills *out with the state of this moment. Any thread; never blocks. */
void engine_health(struct engine *e, struct engine_health *out);

/* What of a script has been stopped, until the next reload. */
enum engine_stop {
	ENGINE_STOP_HANDLERS, /* it is quarantined */
	ENGINE_STOP_FILTERS   /* its filters are not run, and the records that they are for are refused */
};
/* Calls `each` for every script of which `what` has been stopped, in the order in which that happened. The slices are good for the call; `each` must not block, nor call
 * the engine. Any thread. */
void engine_stopped_scripts(struct engine *e, enum engine_stop what,
                            void (*each)(void *ctx, struct slice script, struct slice reason), void *ctx);

#endif

/* The buffer of traces: spans on their way to becoming whole traces, and whole traces for search. Bounded by bytes; the oldest go first, and are counted.
 *
 *   traces_add ─▶ open traces ──(root ended and quiet for `settle`, or `max_age`)──▶ traces_close_due ─▶ decide: scripts ─┬─▶ kept: pages, newest last ─▶ views
 *                     ▲                                                                                                    └─▶ dropped: gone, its id remembered
 *                     └── a span of a trace that has closed opens it again, with what is still here of it: TRACE_LATE
 *
 * Spans are durable in the journal. What is here is derived: a checkpoint says which traces there are; their spans are read again from the journal's frames of spans (and of events that stand for spans), from `traces_oldest_seq` on, with the outcomes that
 * the engine journaled. All that decides is the engine's clock and the order of frames, so that a replay closes the same traces at the same frames, in the same order.
 *
 * Closed traces lie in pages, whole and immutable; a page is freed once it is evicted and no view holds it. A trace that closes again is written anew and its former piece is dead, which views that are older do not notice.
 *
 * Threads: all of it on the engine's thread, but what says "any thread". Open traces and the table of ids are under one lock, which the writer holds for a frame's spans and readers for some traces at a time. */
#ifndef MOONGATE_TRACES_TRACES_H
#define MOONGATE_TRACES_TRACES_H

#include "base/buf.h"
#include "base/error.h"
#include "record/record.h"
#include "traces/trace.h"
#include "traces/traceql.h"

struct traces;

struct traces_options {
	int64_t settle_ns;  /* a trace whose root has ended closes once nothing has come for so long. Default 5 s */
	int64_t max_age_ns; /* a trace closes so long after its first span came, whatever is missing. Default 10 min */
	size_t max_bytes;   /* of open and closed traces together. Default 256 MiB */
	uint32_t max_spans; /* of one trace; more are counted and left out. Default 100000 */
};

/* An empty buffer, or NULL: memory is out. */
struct traces *traces_new(const struct traces_options *options);
/* Frees it; views must be closed. NULL is allowed. */
void traces_free(struct traces *t);

/* Adds spans of a frame: records of kind RECORD_SPAN, and events with trace_id, span_id and duration_ms (numbers or texts that are none are passed over: they are events and no more). Of such an event
 * the span's name is its type, its end the event's time, its kind internal, its status error where `status` is "failed" or "error" or there is an `error_type`; `parent_span_id` is its parent; all its fields are attributes. Other records are passed over.
 * `now_ns` is the frame's time: when they came. An event whose span has come by itself is no second span. 0; -ENOMEM: some are missing, and counted. */
int traces_add(struct traces *t, struct record *const *records, uint32_t count, uint64_t seq, int64_t now_ns);

/* ---- closing ---- */

enum trace_verdict { TRACE_KEEP, TRACE_DROP };

/* When the next trace is due to close, on the engine's clock; INT64_MAX: none is open. */
int64_t traces_next_due(const struct traces *t);

/* Closes what is due at `now_ns`, in the order of due times, of equal ones in that of first arrival. `decide` gets each trace whole and says what becomes of it; it may call traces_annotate meanwhile, and nothing else.
 * 0; -ENOMEM: what could not be closed is due again later. */
int traces_close_due(struct traces *t, int64_t now_ns,
                     enum trace_verdict (*decide)(void *ctx, const struct trace *trace), void *ctx);

/* Within `decide`: adds an attribute to a span of the trace at hand, or changes it, for search and display: what scripts have found out. A string, number or bool. 0; -EINVAL: of another type, or the name is empty; -E2BIG: over 64 on one span; -ENOMEM. */
int traces_annotate(struct traces *t, uint32_t span, struct slice name, const struct value *v);

/* Appends what was decided since the last call and is not in the spans themselves: verdicts other than to keep, annotations, traces that were evicted while open. The engine journals it as control records. Nothing appended: nothing to say. FORMAT.md. 0, -ENOMEM. */
int traces_outcomes(struct traces *t, struct buf *out);

/* Calls `each` for the open traces, oldest first, with a copy of what has come of each (TRACE_OPEN), until it returns false. 0, -ENOMEM. */
int traces_each_open(struct traces *t, bool (*each)(void *ctx, const struct trace *trace), void *ctx);

/* ---- after a restart ---- */

/* Appends which traces there are, and which have left lately, for a checkpoint. FORMAT.md. 0, -ENOMEM. */
int traces_save(const struct traces *t, struct buf *out);
/* Into an empty buffer. 0; -EBADMSG with a sentence; -ENOMEM: it is empty still. What was loaded is there once it is refilled. */
int traces_load(struct traces *t, struct slice saved, struct error *err);
/* The number of the oldest frame with a span that is here; UINT64_MAX: none. After a load it is that which was saved, until the refilling ends. */
uint64_t traces_oldest_seq(const struct traces *t);

/* Their spans are read again: first all outcomes of frames up to the checkpoint with traces_refill_outcomes, in order; then the frames of spans and events from traces_oldest_seq on up to the checkpoint, each with traces_refill.
 * At the end what was open then is open, and the rest closed, without decide; a trace whose spans the journal has no more is gone, one that lacks some is marked as cut. 0, -ENOMEM; of outcomes also -EBADMSG with a sentence. */
int traces_refill_outcomes(struct traces *t, struct slice outcomes, struct error *err);
int traces_refill(struct traces *t, struct record *const *records, uint32_t count, uint64_t seq, int64_t now_ns);
int traces_refill_end(struct traces *t);

/* ---- reading: any thread ---- */

/* A copy of the trace, closed or open, with all spans that are here; NULL: there is none, or memory is out (*code -ENOENT or -ENOMEM). The caller's: trace_free. */
struct trace *traces_get(struct traces *t, const uint8_t id[16], int *code);
/* NULL is allowed. */
void trace_free(struct trace *trace);

/* All traces of one moment, or nearly: open ones are copied when the view comes to them. */
struct traces_view;
struct traces_view *traces_view_open(struct traces *t); /* NULL: memory is out */
/* The next one: open traces first, then closed ones, the newest first. NULL: there are no more, or memory is out (*code -ENOMEM, else 0). Good until the next call. */
const struct trace *traces_view_next(struct traces_view *v, int *code);
void traces_view_close(struct traces_view *v); /* NULL is allowed */

struct traces_stats {
	uint64_t open, closed, spans, bytes; /* now */
	uint64_t spans_total, closed_total,
	    late_total; /* since the start: spans that came in, traces that closed, those of them that closed again */
	uint64_t expired_total;                 /* closed by their age */
	uint64_t dropped_traces, dropped_spans; /* by a verdict */
	uint64_t evicted_traces, evicted_spans; /* for want of room */
	uint64_t left_out_spans;                /* over max_spans, without ids, or memory was out */
	uint64_t invalid_events;                /* events with a trace_id and duration_ms whose ids are none */
};
/* Any thread. */
void traces_stats(struct traces *t, struct traces_stats *out);

#endif

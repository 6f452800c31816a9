/* Requests that ask the history: answered on a worker thread, in Prometheus's shape, within bounds.
 *
 *   handler (loop) ──query_start──▶ queue ──▶ worker: parameters, view of the store, `answer` ──▶ reply
 *
 * As many as conf's query.max_concurrency are answered at the same time; QUERIES_WAITING more wait, and past that the answer is 503. The work at a query ends soon after its client has gone. */
#ifndef MOONGATE_API_QUERY_H
#define MOONGATE_API_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "api/query_params.h"
#include "base/buf.h"
#include "base/thread.h"

struct api;
struct http_request;
struct tsdb;
struct tsdb_view;

enum {
	QUERIES_WAITING = 1000,
	QUERY_ANSWER_BYTES = 32 << 20 /* of one answer */
};

/* Prometheus's types of errors, and their status. */
enum query_error {
	QUERY_BAD_DATA,    /* bad_data, 400 */
	QUERY_EXECUTION,   /* execution, 422 */
	QUERY_TIMEOUT,     /* timeout, 503 */
	QUERY_UNAVAILABLE, /* unavailable, 503 */
	QUERY_CANCELED,    /* canceled, 499: for the client, if it still reads */
	QUERY_INTERNAL,    /* internal, 500 */
	QUERY_ERRORS
};

struct query {
	struct api *api;
	struct http_request *req;
	void (*answer)(struct query *q);
	struct query *next; /* in the queue */

	struct arena arena;
	struct params params;
	struct tsdb *history;
	struct tsdb_view *view; /* of the history as it is when the query is begun */
	bool at_once;           /* it is tried on the loop: query_start_at_once */
	int64_t deadline_ns;    /* clock_mono_ns */
	int64_t timeout_ns;     /* that it is the end of */
	uint32_t steps;         /* since it was looked whether it is cancelled */

	/* The answer, which `answer` writes. */
	struct buf out;
	bool bare;                /* all of the body; else it is the `data` of Prometheus's envelope */
	struct buf notes[2];      /* by enum query_note: texts as JSON has them, commas between */
	bool plain_errors;        /* its errors are plain text, as Prometheus has them beside its envelope */
	const char *content_type; /* NULL: JSON */
	const char *encoding; /* Content-Encoding that `out` has; NULL: none, and it is gzipped for who takes that */
	/* An answer that is too large to be written at once: `more` goes on with it when the client has taken what came before, on the loop, until it returns false. It has nothing but `rest` then: no view, no arena. The query has that freed. */
	bool (*more)(void *rest, struct buf *out);
	void (*free_rest)(void *rest);
	void *rest;
	size_t rest_bytes;    /* that it holds */
	int status;           /* 0: all is well */
	enum query_error why; /* while status is not 0 */
	struct error error;
};

/* Has `answer` called on a worker with everything up to `out` in place; the reply is made of what it leaves. On the loop. */
void query_start(struct api *a, struct http_request *req, void (*answer)(struct query *q));

/* The same for questions most of which take less than handing them to a worker and their answers back, which costs some 70 µs of CPU. A short one that matches no regular expression is tried on the loop first; what is not answered within 0.3 ms goes to a worker,
 * which begins anew. While at_once is set `answer` may give up by query_not_at_once: what it has would hold the loop's other connections up. */
void query_start_at_once(struct api *a, struct http_request *req, void (*answer)(struct query *q));
void query_not_at_once(struct query *q);

/* The answer is an error; the first one counts. `err` may be NULL: only the type. */
void query_fail(struct query *q, enum query_error why, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same for what the store, or reading parameters, said: -EINVAL is the client's fault; -ECANCELED: the query is cancelled, and the error says why. */
void query_fail_code(struct query *q, int code, const struct error *err);

/* What the envelope says beside the data: "warnings" and "infos". */
enum query_note { NOTE_WARNING, NOTE_INFO };
void query_note(struct query *q, enum query_note kind, struct slice text);
/* That a limit was reached. */
void query_truncated(struct query *q);

/* How long it may take from now on, where the client wants less than conf's query.timeout. */
void query_set_timeout(struct query *q, int64_t timeout_ns);

/* Is nobody to have the answer any more: its time is over, the gateway is ending, or the client has gone? Whoever works at a query asks between pieces of work of at most some ten milliseconds, and ends with -ECANCELED; so does the
 * store, whose view asks by itself (tsdb_view_stop_when). It changes nothing and costs a look at the clock (30 ns); any thread. */
bool query_is_cancelled(const struct query *q);

/* Called between pieces of work, some microseconds each: is the query to go on? False, with the error set: it is cancelled, which is looked at now and then, or its answer is too large. */
bool query_goes_on(struct query *q);
/* The same between pieces that may take milliseconds and more: whether it is cancelled is looked at each time. */
bool query_has_time(struct query *q);

/* start and end; all of time where they are missing. False with the error set. */
bool query_times(struct query *q, int64_t *from_ms, int64_t *to_ms);

/* Queries that wait are freed; no worker runs any more. */
struct query_queue {
	struct mutex lock; /* everything below */
	struct query *first, **last;
	uint32_t running, waiting;
	uint32_t running_max;
	int64_t stop_ns; /* atomic, clock_mono_ns: from here on all are refused; INT64_MAX: they are not */
	uint64_t answered[QUERY_ERRORS + 1]; /* atomic: by enum query_error, then those without one */
};
void query_queue_init(struct query_queue *queue, uint32_t running_max);
void query_queue_deinit(struct query_queue *queue);
/* How many queries ended so, and its name: "ok" for QUERY_ERRORS. Any thread. */
uint64_t query_queue_answered(const struct query_queue *queue, int result);
const char *query_result_name(int result);
/* From at_ns (clock_mono_ns) on whoever runs or waits is refused: the server's end waits for workers, and they for a queue that would take hours. Any thread. */
void query_queue_stop(struct query_queue *queue, int64_t at_ns);

#endif

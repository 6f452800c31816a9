/* What all ways in share: a body is decoded on the loop's thread, handed to the engine, and answered when it is durable and applied. What holds it meanwhile is pooled, and the body's
 * memory stays on the server's budget until then.
 *
 *   intake_post ─▶ way->decode ─▶ engine_submit … done ─▶ way->reply      (loop's thread … engine's thread)
 *        └────────────┴─ way->fail ◀──────────┘
 *
 * A way in is a constant of three functions; the request is answered by exactly one call of reply or fail. */
#ifndef MOONGATE_API_INTAKE_H
#define MOONGATE_API_INTAKE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/thread.h"
#include "engine/engine.h"
#include "ingest/ingest.h"
#include "net/net.h"

struct api;
struct intake;

enum intake_kind { INTAKE_RECORDS, INTAKE_SAMPLES, INTAKE_KINDS };

/* Why nothing of a body was taken, for all reasons but that its decoder refused it. */
struct intake_failure {
	int status;        /* 503 or 507: it helps to send the body again */
	int retry_after_s; /* for Retry-After; more than 0 */
	const char *why;   /* a sentence; good for the call */
};

/* What decoders refused one by one, the sender being told. */
enum refused_kind {
	REFUSED_EVENTS,
	REFUSED_SPANS,
	REFUSED_SAMPLES,
	REFUSED_HISTOGRAMS,
	REFUSED_EXEMPLARS,
	REFUSED_TRACEPARENTS, /* headers */
	REFUSED_KINDS
};

struct intake_way {
	enum intake_kind kind;     /* which of the submission's batches there is */
	enum refused_kind records; /* what its records are, where it is INTAKE_RECORDS */

	/* Decodes `body`, which has INGEST_PADDING bytes behind it and belongs to the batch, into it. 0; -EINVAL or -EFBIG with a sentence, which `refused` answers; -ENOMEM. Loop's thread. */
	int (*decode)(struct intake *in, struct slice body, struct error *err);

	/* Answers a body that was decoded: all that the engine made of it is in in->submission (status 0), what the decoder refused in in->rejects. Also called, on the loop's thread, for a
	 * body with nothing in it. Mostly on the engine's thread: it must not block. */
	void (*reply)(struct intake *in);

	/* Answers a body that the decoder refused as a whole, with status 400 or 413. Loop's thread. */
	void (*refused)(struct intake *in, int status, const struct error *err);

	/* Answers what failed and may be sent again. Any thread. There may be no intake: the request says all that is known. */
	void (*fail)(struct http_request *req, const struct intake_failure *failure);
};

/* A request on its way. Owned by the pool but while it is on its way. */
struct intake {
	struct submission submission; /* its batch or its samples */
	struct ingest_rejects rejects;
	size_t body_len;  /* of the decoded body, in bytes */
	struct buf reply; /* room for the answer's text, empty at first */
	struct api *api;
	struct http_request *req; /* good until it is answered */
	const struct intake_way *way;

	size_t pooled_bytes; /* the pool's: what it counts against the pool's share */
	struct intake *next; /* likewise */
};

/* Idle intakes of one kind. */
struct intake_pool {
	struct mutex lock; /* everything below */
	struct intake *idle;
	size_t bytes;
};

/* How many since the start. Any thread. */
uint64_t intake_refused(const struct api *a, enum refused_kind kind);

/* Counts more of them. Any thread. */
void intake_count_refused(struct api *a, enum refused_kind kind, uint64_t n);

/* Takes the request in, by that way. Backpressure comes before decoding. On the loop's thread, in a handler. */
void intake_post(struct api *a, struct http_request *req, const struct intake_way *way);

/* A `fail` that answers in the project's own shape: http_reply_error. */
void intake_fail(struct http_request *req, const struct intake_failure *failure);

void intake_pool_init(struct intake_pool *pool);
void intake_pool_deinit(struct intake_pool *pool); /* frees what is in it */

#endif

/* The common way in, and the pool of what goes along it. */
#include "api/intake.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/internal.h"
#include "base/mem.h"

/* ---- the pool ---- */

void intake_pool_init(struct intake_pool *pool)
{
	*pool = (struct intake_pool){0};
	mutex_init(&pool->lock);
}

static void intake_free(struct intake *in)
{
	batch_free(in->submission.batch);
	sample_batch_free(in->submission.samples);
	ingest_rejects_free(&in->rejects);
	buf_free(&in->reply);
	mem_free(in);
}

void intake_pool_deinit(struct intake_pool *pool)
{
	while (pool->idle != NULL) {
		struct intake *in = pool->idle;
		pool->idle = in->next;
		intake_free(in);
	}
	mutex_deinit(&pool->lock);
}

static struct intake *intake_new(enum intake_kind kind)
{
	struct intake *in = mem_zalloc(1, sizeof *in);
	if (in == NULL)
		return NULL;
	if (kind == INTAKE_RECORDS)
		in->submission.batch = batch_new();
	else
		in->submission.samples = sample_batch_new();
	if (in->submission.batch != NULL || in->submission.samples != NULL)
		return in;
	mem_free(in);
	return NULL;
}

static struct intake *intake_take(struct intake_pool *pool, enum intake_kind kind)
{
	mutex_lock(&pool->lock);
	struct intake *in = pool->idle;
	if (in != NULL) {
		pool->idle = in->next;
		pool->bytes -= in->pooled_bytes;
	}
	mutex_unlock(&pool->lock);
	return in != NULL ? in : intake_new(kind);
}

/* Empties the batch, keeping a share of its memory. Returns the bytes of the body that it held and of what it keeps. */
static size_t reset_batch(struct submission *s, size_t *kept)
{
	size_t body;
	if (s->batch != NULL) {
		body = s->batch->body_size;
		batch_reset(s->batch, POOL_KEEP_BYTES);
		*kept = sizeof *s->batch + batch_bytes(s->batch);
	} else {
		body = s->samples->body_size;
		sample_batch_reset(s->samples, POOL_KEEP_BYTES);
		*kept = sizeof *s->samples + sample_batch_bytes(s->samples);
	}
	return body;
}

/* Gives the body's memory back to the budget and the rest to the pool. */
static void intake_release(struct intake *in)
{
	struct intake_pool *pool = &in->api->pools[in->way->kind];
	size_t kept, body = reset_batch(&in->submission, &kept);
	if (body > 0)
		http_body_release(in->api->server, body);
	buf_reset(&in->reply);
	in->rejects.count = in->rejects.unlisted = 0;
	in->rejects.samples = in->rejects.exemplars = in->rejects.histograms = in->rejects.points = 0;
	in->req = NULL;
	in->pooled_bytes = sizeof *in + kept + in->reply.cap;
	bool small = in->reply.cap <= POOL_KEEP_BYTES && in->rejects.cap <= POOL_KEEP_REJECTS;
	mutex_lock(&pool->lock);
	bool keep = small && pool->bytes + in->pooled_bytes <= POOL_BYTES;
	if (keep) {
		in->next = pool->idle;
		pool->idle = in;
		pool->bytes += in->pooled_bytes;
	}
	mutex_unlock(&pool->lock);
	if (!keep)
		intake_free(in);
}

/* ---- failures ---- */

void intake_fail(struct http_request *req, const struct intake_failure *f)
{
	http_reply_error(req, f->status, f->retry_after_s, "%s", f->why);
}

static void fail_for(struct http_request *req, const struct intake_way *way, int code)
{
	char why[160];
	struct intake_failure f = {.status = 503, .retry_after_s = 1, .why = why};
	if (is_disk_full(code) || code == -EFBIG) {
		f.status = 507;
		f.retry_after_s = 5;
		snprintf(why, sizeof why, NOTHING_TAKEN "the journal cannot be written: %s", strerror(-code));
	} else if (code == -EAGAIN) {
		f.why = NOTHING_TAKEN "too much is waiting already, or the gateway is stopping";
	} else if (code == -ENOMEM) {
		f.why = NOTHING_TAKEN "out of memory";
	} else {
		snprintf(why, sizeof why, NOTHING_TAKEN "%s", strerror(-code));
	}
	way->fail(req, &f);
}

/* ---- the way ---- */

/* On the engine's thread; on the caller's of engine_submit where the queue was full. */
static void submission_done(struct submission *s)
{
	struct intake *in = s->user;
	if (s->status == 0)
		in->way->reply(in);
	else
		fail_for(in->req, in->way, s->status);
	intake_release(in);
}

/* The batch takes the body over, so that its strings can point into it. */
static struct slice take_body(struct intake *in)
{
	static const char empty[INGEST_PADDING + 1];
	struct submission *s = &in->submission;
	struct slice body = http_request_body(in->req);
	size_t size;
	char *owned = http_request_take_body(in->req, &size);
	in->body_len = body.len;
	if (s->batch != NULL) {
		s->batch->body = owned;
		s->batch->body_size = size;
	} else {
		s->samples->body = owned;
		s->samples->body_size = size;
	}
	return body.len > 0 ? body : slice_new(empty, 0);
}

void intake_count_refused(struct api *a, enum refused_kind kind, uint64_t n)
{
	if (n > 0)
		__atomic_fetch_add(&a->refused[kind], n, __ATOMIC_RELAXED);
}

static void count_refused(const struct intake *in)
{
	const struct ingest_rejects *r = &in->rejects;
	if (in->way->kind == INTAKE_RECORDS)
		intake_count_refused(in->api, in->way->records, (uint64_t)r->count + r->unlisted);
	intake_count_refused(in->api, REFUSED_SAMPLES, r->samples);
	intake_count_refused(in->api, REFUSED_HISTOGRAMS, r->histograms);
	intake_count_refused(in->api, REFUSED_EXEMPLARS, r->exemplars);
}

uint64_t intake_refused(const struct api *a, enum refused_kind kind)
{
	return __atomic_load_n(&a->refused[kind], __ATOMIC_RELAXED);
}

static bool is_empty(const struct submission *s)
{
	if (s->batch != NULL)
		return s->batch->count == 0;
	return s->samples->series_count == 0 && s->samples->metadata_count == 0;
}

void intake_post(struct api *a, struct http_request *req, const struct intake_way *way)
{
	if (engine_is_full(a->engine)) {
		fail_for(req, way, -EAGAIN);
		return;
	}
	struct intake *in = intake_take(&a->pools[way->kind], way->kind);
	if (in == NULL) {
		fail_for(req, way, -ENOMEM);
		return;
	}
	in->api = a;
	in->req = req;
	in->way = way;
	struct submission *s = &in->submission;
	*s = (struct submission){.batch = s->batch, .samples = s->samples, .done = submission_done, .user = in};
	struct error err = {0};
	int code = way->decode(in, take_body(in), &err);
	if (code == 0)
		count_refused(in);
	if (code == 0 && !is_empty(s)) {
		engine_submit(a->engine, s);
		return;
	}
	if (code == 0)
		way->reply(in);
	else if (code == -ENOMEM)
		fail_for(req, way, -ENOMEM);
	else
		way->refused(in, code == -EFBIG ? 413 : 400, &err);
	intake_release(in);
}

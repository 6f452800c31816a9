/* POST /v1/events: decode on the loop's thread, hand over to the engine, answer when everything is durable and applied. */
#include <errno.h>
#include <stdio.h>

#include "api/internal.h"
#include "base/clock.h"
#include "base/mem.h"

#define REFUSED "nothing was taken: "
#define NO_MEMORY REFUSED "out of memory"
#define TOO_MUCH "nothing was taken: too much is waiting already, or the gateway is stopping"

/* One request's way through the engine. Reused: its batch keeps its memory. */
struct ingest {
	struct submission submission;
	struct ingest_rejects rejects;
	size_t rejects_room; /* bytes of the list of refusals in the answer */
	struct buf reply;
	struct api *api;
	struct http_request *req;
	size_t pooled_bytes; /* what it counts against the pool's share while it is there */
	struct ingest *next;
};

static void ingest_free(struct ingest *in)
{
	if (in == NULL)
		return;
	batch_free(in->submission.batch);
	ingest_rejects_free(&in->rejects);
	buf_free(&in->reply);
	mem_free(in);
}

static struct ingest *ingest_new(struct api *a)
{
	mutex_lock(&a->lock);
	struct ingest *in = a->pool;
	if (in != NULL) {
		a->pool = in->next;
		a->pool_bytes -= in->pooled_bytes;
	}
	mutex_unlock(&a->lock);
	if (in != NULL)
		return in;
	in = mem_zalloc(1, sizeof *in);
	if (in == NULL)
		return NULL;
	in->api = a;
	in->submission.batch = batch_new();
	if (in->submission.batch != NULL)
		return in;
	mem_free(in);
	return NULL;
}

/* Gives the body's memory back to the budget and the rest to the pool. */
static void ingest_release(struct ingest *in)
{
	struct api *a = in->api;
	struct batch *b = in->submission.batch;
	size_t body = b->body_size;
	batch_reset(b, POOL_KEEP_BYTES);
	if (body > 0)
		http_body_release(a->server, body);
	buf_reset(&in->reply);
	in->rejects.count = in->rejects.unlisted = 0;
	in->req = NULL;
	in->pooled_bytes = sizeof *in + sizeof *b + batch_bytes(b) + in->reply.cap;
	mutex_lock(&a->lock);
	bool keep = a->pool_bytes + in->pooled_bytes <= POOL_BYTES && in->reply.cap <= POOL_KEEP_BYTES &&
	            in->rejects.cap <= 1024;
	if (keep) {
		in->next = a->pool;
		a->pool = in;
		a->pool_bytes += in->pooled_bytes;
	}
	mutex_unlock(&a->lock);
	if (!keep)
		ingest_free(in);
}

void api_pool_free(struct api *a)
{
	while (a->pool != NULL) {
		struct ingest *in = a->pool;
		a->pool = in->next;
		ingest_free(in);
	}
}

static void put_rejected(struct buf *b, uint32_t n, uint32_t index, struct slice why)
{
	if (n > 0)
		buf_byte(b, ',');
	buf_str(b, "{\"index\":");
	buf_int(b, index);
	buf_str(b, ",\"error\":");
	buf_json_string(b, why);
	buf_byte(b, '}');
}

/* The decoder's and the filters' refusals, each in rising order of index, as one list of at most `room` bytes. Returns how many it names. */
static uint32_t put_rejects(struct buf *b, const struct ingest_rejects *r, const struct submission *s, size_t room)
{
	uint32_t i = 0, j = 0, n = 0;
	size_t start = b->len;
	while ((i < r->count || j < s->failed) && b->len - start < room) {
		bool decoder = j >= s->failed || (i < r->count && r->items[i].index < s->failures[j].index);
		if (decoder)
			put_rejected(b, n, r->items[i].index, r->items[i].text);
		else
			put_rejected(b, n, s->failures[j].index, s->failures[j].why);
		i += decoder;
		j += !decoder;
		n++;
	}
	return n;
}

/* Counts and refusals, in braces; of an answer that is no 200 behind the error. */
static void put_counts(struct ingest *in, const struct ingest_rejects *r, int status, const char *why)
{
	const struct submission *s = &in->submission;
	struct buf *b = &in->reply;
	buf_byte(b, '{');
	if (status != 200) {
		http_error_member(b, status, slice_cstr(why));
		buf_byte(b, ',');
	}
	buf_str(b, "\"accepted\":");
	buf_int(b, s->accepted);
	buf_str(b, ",\"duplicate\":");
	buf_int(b, s->duplicate);
	buf_str(b, ",\"rejected\":[");
	uint32_t listed = put_rejects(b, r, s, in->rejects_room);
	buf_byte(b, ']');
	uint32_t unlisted = r->count + r->unlisted + s->failed - listed;
	if (unlisted > 0) {
		buf_str(b, ",\"unlisted\":");
		buf_int(b, unlisted);
	}
	buf_byte(b, '}');
}

static const char *why_nothing(const struct ingest *in)
{
	return in->rejects.count + in->rejects.unlisted + in->submission.failed > 0
	           ? "nothing was taken: every event was refused"
	           : "nothing was taken: the body has no events";
}

static void reply_counts(struct ingest *in)
{
	const struct submission *s = &in->submission;
	int status = s->accepted + s->duplicate > 0 ? 200 : 400;
	struct buf *b = &in->reply;
	put_counts(in, &in->rejects, status, why_nothing(in));
	if (buf_failed(b)) {
		/* The records are in all the same; a client that repeats them because of this answer is recognised by their ids. */
		http_reply_error(in->req, 503, 1, "out of memory for the answer");
		return;
	}
	struct http_reply reply = {
	    .status = status,
	    .body = buf_slice(b),
	};
	http_reply(in->req, &reply);
}

static void reply_failure(struct ingest *in)
{
	int status = in->submission.status;
	if (is_disk_full(status) || status == -EFBIG)
		http_reply_error(in->req, 507, 5, "nothing was taken: the journal cannot be written: %s",
		                 strerror(-status));
	else if (status == -EAGAIN)
		http_reply_error(in->req, 503, 1, TOO_MUCH);
	else
		http_reply_error(in->req, 503, 1, "nothing was taken: %s", strerror(-status));
}

/* On the engine thread. */
static void submission_done(struct submission *s)
{
	struct ingest *in = s->user;
	if (s->status == 0)
		reply_counts(in);
	else
		reply_failure(in);
	ingest_release(in);
}

/* The batch takes the body over, so that its strings can point into it. */
static struct slice take_body(struct ingest *in)
{
	struct batch *b = in->submission.batch;
	struct slice body = http_request_body(in->req);
	b->body = http_request_take_body(in->req, &b->body_size);
	return b->body == NULL ? SLICE("") : slice_new(body.ptr, body.len);
}

static int decode(struct ingest *in, struct error *err)
{
	static const char empty[INGEST_PADDING + 1];
	struct slice body = take_body(in);
	if (body.len == 0)
		body = slice_new(empty, 0);
	in->rejects_room = ingest_rejects_room(body.len);
	return ingest_events_json(in->submission.batch, body, clock_wall_ns(), &in->api->limits, &in->rejects, err);
}

/* The body was refused as a whole: the answer has the shape of every other, and names the event in which the error lies, where it lies in one. */
static void reply_refused(struct ingest *in, int code, const struct error *err)
{
	struct ingest_rejects *r = &in->rejects;
	if (code == -ENOMEM) {
		http_reply_error(in->req, 503, 1, NO_MEMORY);
		return;
	}
	char why[sizeof err->text + sizeof REFUSED];
	snprintf(why, sizeof why, REFUSED "%s", err->text);
	struct ingest_reject broken = {r->event, slice_cstr(err->text)};
	struct ingest_rejects only = {.items = &broken, .count = code == -EINVAL && r->in_event};
	struct http_reply reply = {.status = code == -EFBIG ? 413 : 400};
	put_counts(in, &only, reply.status, why);
	reply.body = buf_slice(&in->reply);
	if (buf_failed(&in->reply))
		http_reply_error(in->req, 503, 1, NO_MEMORY);
	else
		http_reply(in->req, &reply);
}

void api_post_events(void *ctx, struct http_request *req)
{
	struct api *a = ctx;
	if (engine_is_full(a->engine)) {
		http_reply_error(req, 503, 1, TOO_MUCH);
		return;
	}
	struct ingest *in = ingest_new(a);
	if (in == NULL) {
		http_reply_error(req, 503, 1, NO_MEMORY);
		return;
	}
	in->req = req;
	struct submission *s = &in->submission;
	*s = (struct submission){.batch = s->batch, .done = submission_done, .user = in};
	struct error err = {0};
	int code = decode(in, &err);
	if (code != 0) {
		reply_refused(in, code, &err);
		ingest_release(in);
		return;
	}
	if (s->batch->count == 0) {
		reply_counts(in);
		ingest_release(in);
		return;
	}
	engine_submit(a->engine, s);
}

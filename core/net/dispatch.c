/* What happens to a request between the socket and its handler: admission, inflating, the call; and the server's own refusals. */
#include "base/log.h"
#include "net/internal.h"
#include "net/status.h"

/* Bodies of more bytes than this, and what inflates to more than that, leave the loop for a worker. */
enum { INLINE_BYTES = 64 * 1024, INLINE_OUTPUT = 192 * 1024 };

/* ---- the server's own answers ---- */

static struct slice allow_text(unsigned methods, char *out, size_t size)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = {{HTTP_GET_, "GET"}, {METHOD_HEAD, "HEAD"},    {HTTP_POST_, "POST"},
	             {HTTP_PUT_, "PUT"}, {HTTP_DELETE_, "DELETE"}, {METHOD_OPTIONS, "OPTIONS"}};
	size_t len = 0;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if ((methods & names[i].bit) != 0)
			len += (size_t)snprintf(out + len, size - len, "%s%s", len > 0 ? ", " : "", names[i].name);
	}
	return slice_new(out, len);
}

/* `allow`: room for a value. */
static uint32_t extra_headers(const struct http_request *req, int status, struct http_header *out, char *allow,
                              size_t size)
{
	switch (status) {
	case 204:
	case 405:
		out[0] = (struct http_header){"Allow", allow_text(req->admission.allow, allow, size)};
		return 1;
	case 401:
		out[0] = (struct http_header){"WWW-Authenticate", SLICE("Bearer")};
		return 1;
	case 415:
		out[0] = (struct http_header){"Accept-Encoding", SLICE("gzip, zstd, snappy")};
		return 1;
	case 429:
		snprintf(allow, size, "%u", req->admission.retry_after_s);
		out[0] = (struct http_header){"Retry-After", slice_cstr(allow)};
		return 1;
	case 503:
		out[0] = (struct http_header){"Retry-After", SLICE("1")};
		return 1;
	default:
		return 0;
	}
}

static const char *further_members(const struct http_route *route)
{
	return route != NULL && route->bodies != NULL ? route->bodies->refused : NULL;
}

/* Renders and sends. The connection stays usable when the request was read to its end. */
static void answer(struct conn *c, struct refusal no)
{
	struct http_request *req = c->req;
	struct buf body = {0};
	struct http_header header;
	char allow[64];
	uint32_t n = extra_headers(req, no.status, &header, allow, sizeof allow);

	if (no.why != NULL)
		status_json(&body, no.status, slice_cstr(no.why), further_members(req->route));
	if (req->id_len == 0)
		request_identify(req);
	bool at_end = req->reader.phase == READER_AT_END;
	req->close_after = !at_end;
	req->linger = !at_end && no.status != 408;
	reply_render(req, &(struct http_reply){
	                      .status = no.status,
	                      .headers = &header,
	                      .header_count = n,
	                      .body = buf_failed(&body) ? SLICE("") : buf_slice(&body),
	                  });
	buf_free(&body);
	request_ref(req); /* the one that send_reply gives back */
	c->state = CONN_HANDLER;
	send_reply(req);
}

void dispatch_refuse(struct conn *c, struct refusal no)
{
	answer(c, no);
}

/* ---- the head ---- */

void dispatch_head(struct conn *c, bool more)
{
	struct http_request *req = c->req;
	struct head *h = &req->reader.head;

	admit(&c->loop->server->gate, h, c->loop->now_ns, &req->admission);
	if (req->admission.no.status == 429)
		count(&c->loop->counters.limited, 1);
	if (req->admission.no.status != 0 && !req->admission.drain) {
		answer(c, req->admission.no);
		return;
	}
	req->reader.discard = req->admission.drain;
	req->route = req->admission.route;
	req->body_wire = h->content_length;
	c->state = CONN_BODY;
	c->since_ns = c->loop->now_ns;
	if (req->admission.wants_continue && !more && !send_continue(c))
		conn_close(c);
}

/* ---- the body ---- */

static void call_handler(struct conn *c)
{
	struct http_request *req = c->req;
	struct loop *l = c->loop;
	struct http_request *before = request_running;

	request_identify(req);
	request_ref(req);
	req->handed_out = true;
	TAILQ_INSERT_TAIL(&l->handed, req, handed);
	l->handed_count++;
	request_running = req;
	req->route->handler(l->server->options.ctx, req);
	request_running = before;
}

/* The body was inflated, or refused. */
static void inflated(struct conn *c, enum inflated state)
{
	CHECK(state != INFLATE_MORE);
	if (state == INFLATE_REFUSED)
		answer(c, c->req->reader.no);
	else
		call_handler(c);
}

/* Inflates about `step` bytes with `f`, NULL when memory is out; a body that is complete takes the place of the one that was sent. */
static enum inflated inflate_with(struct inflater *f, struct reader *r, size_t step)
{
	if (f == NULL) {
		r->no = (struct refusal){503, "out of memory for inflating the body"};
		return INFLATE_REFUSED;
	}
	inflater_begin(f, slice_new(r->body.ptr, r->body.len), r->limits->body_bytes, r->limits->budget);
	enum inflated state = inflater_run(f, step, &r->no);
	if (state != INFLATE_DONE)
		return state;
	struct body body = inflater_take(f);
	body_free(&r->body, r->limits->budget);
	r->body = body;
	return state;
}

/* On a worker's thread: the loop leaves the reader alone until on_inflated. The inflater, which may have a window of 8 MiB, lives here and nowhere else: those
 * who wait for a worker hold no more than what they sent. */
static void inflate_on_worker(uv_work_t *work)
{
	struct http_request *req = work->data;
	CHECK(req->magic == REQUEST_MAGIC);
	struct inflater *f = inflater_new(req->admission.encoding);
	req->inflated = inflate_with(f, &req->reader, SIZE_MAX);
	inflater_free(f);
}

static void on_inflated(uv_work_t *work, int status)
{
	struct http_request *req = work->data;
	CHECK(req->magic == REQUEST_MAGIC && status == 0);
	req->loop->now_ns = clock_mono_ns();
	if (req->conn != NULL)
		inflated(req->conn, req->inflated);
	request_unref(req);
}

/* Small bodies that stay small are inflated on the loop, which keeps an inflater for them. */
static enum inflated inflate_here(struct http_request *req)
{
	if (req->reader.body.len > INLINE_BYTES)
		return INFLATE_MORE;
	struct inflater *f = loop_inflater(req->loop, req->admission.encoding);
	enum inflated state = inflate_with(f, &req->reader, INLINE_OUTPUT);
	if (f != NULL)
		loop_inflater_put(req->loop, req->admission.encoding, f);
	return state;
}

static void inflate(struct conn *c)
{
	struct http_request *req = c->req;
	enum inflated state = inflate_here(req);
	if (state != INFLATE_MORE) {
		inflated(c, state);
		return;
	}
	request_ref(req);
	req->work.data = req;
	CHECK(uv_queue_work(&c->loop->uv, &req->work, inflate_on_worker, on_inflated) == 0);
}

void dispatch_request(struct conn *c)
{
	struct http_request *req = c->req;
	if (req->reader.head.chunked)
		req->body_wire = reader_seen(&req->reader);
	count(&c->loop->counters.bytes_in, req->body_wire);
	c->state = CONN_HANDLER;
	c->since_ns = c->loop->now_ns;
	if (req->admission.no.status != 0)
		answer(c, req->admission.no); /* it was drained */
	else if (req->admission.encoding != ENCODING_IDENTITY && req->reader.body.len > 0)
		inflate(c);
	else
		call_handler(c);
}

/* ---- work for other threads ---- */

static void run_work(uv_work_t *work)
{
	struct http_request *req = work->data;
	CHECK(req->magic == REQUEST_MAGIC);
	req->work_fn(req->work_ctx, req);
}

static void on_worked(uv_work_t *work, int status)
{
	struct http_request *req = work->data;
	CHECK(req->magic == REQUEST_MAGIC && status == 0);
	request_unref(req);
}

int http_request_offload(struct http_request *req, void (*work)(void *ctx, struct http_request *req), void *ctx)
{
	CHECK(req->magic == REQUEST_MAGIC && request_running == req && !req->replied);
	req->work.data = req;
	req->work_fn = work;
	req->work_ctx = ctx;
	request_ref(req);
	int code = uv_queue_work(&req->loop->uv, &req->work, run_work, on_worked);
	if (code != 0)
		request_unref(req);
	return code;
}

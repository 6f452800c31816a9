/* A connection: reading, feeding the reader, closing.
 *
 * One request at a time. While one is with its handler reading goes on, so that a client that says nothing more costs no system call; the
 * first bytes that do come are kept (one read's worth) and reading stops until the reply is out. */
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/internal.h"

/* Requests of one connection that are served at a stretch, before others get their turn. */
enum { TURN_REQUESTS = 32 };

#define LINGER_NS (2 * NS_PER_S)
#define LINGER_STOPPING_NS (NS_PER_S / 4)
#define LINGER_BYTES (UINT64_C(64) << 20)
#define RATE_FROM_NS (10 * NS_PER_S) /* from then on a body must have come at */
#define RATE_BYTES 1024              /* bytes a second */

static struct conn *conn_of(void *data)
{
	struct conn *c = data;
	CHECK(c->magic == CONN_MAGIC);
	return c;
}

/* ---- life ---- */

static void on_closed(uv_handle_t *handle)
{
	conn_free(conn_of(handle->data));
}

static void forget(struct conn *c)
{
	struct http_server *s = c->loop->server;

	TAILQ_REMOVE(&c->loop->conns, c, all);
	if (c->refused) {
		c->loop->refused_open--;
		return;
	}
	__atomic_sub_fetch(&s->connections, 1, __ATOMIC_RELAXED);
	count(&c->loop->counters.connections, UINT64_MAX); /* one less */
}

static void close_handle(struct conn *c, bool reset)
{
	/* A reset can be refused, after a shutdown; a close cannot. */
	if (!reset || uv_tcp_close_reset(&c->tcp, on_closed) != 0)
		uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void abandon(struct http_request *req)
{
	__atomic_store_n(&req->abandoned, true, __ATOMIC_RELAXED);
}

static void end(struct conn *c, bool reset)
{
	struct http_request *req = c->req;
	bool writing = c->state == CONN_WRITE;

	if (c->state == CONN_CLOSING)
		return;
	c->state = CONN_CLOSING;
	forget(c);
	send_unblock(c);
	loop_unyield(c);
	mem_free(c->pending);
	c->pending = NULL;
	c->req = NULL;
	close_handle(c, reset);
	if (writing) { /* the write is cancelled, which libuv will say only at the end of this round */
		buf_free(&req->out);
		reply_release(req);
	}
	if (req != NULL) {
		abandon(req);
		req->conn = NULL;
		request_unref(req);
	}
}

void conn_close(struct conn *c)
{
	end(c, false);
}

void conn_abort(struct conn *c)
{
	end(c, true);
}

/* ---- reading ---- */

static void read_stop(struct conn *c)
{
	if (!c->reading)
		return;
	c->reading = false;
	uv_read_stop((uv_stream_t *)&c->tcp);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct conn *c = conn_of(handle->data);
	char *at;
	size_t room = c->state == CONN_BODY ? reader_direct(&c->req->reader, &at) : 0;

	(void)suggested;
	c->direct = room > 0;
	buf->base = room > 0 ? at : c->loop->read_buffer;
	buf->len = room > 0 ? room : READ_BYTES;
}

static bool takes_bytes(const struct conn *c)
{
	return c->state == CONN_IDLE || c->state == CONN_HEAD || c->state == CONN_BODY;
}

static bool begin_request(struct conn *c)
{
	c->req = request_new(c->loop);
	if (c->req == NULL) {
		LOG(LOG_ERROR, "out of memory for a request: the connection is closed");
		conn_close(c);
		return false;
	}
	c->req->conn = c;
	c->state = CONN_HEAD;
	c->since_ns = c->loop->now_ns;
	count(&c->loop->counters.requests, 1);
	return true;
}

static void on_event(struct conn *c, enum reader_event event, bool more)
{
	switch (event) {
	case READER_MORE:
		break;
	case READER_HEAD:
		dispatch_head(c, more);
		break;
	case READER_DONE:
		dispatch_request(c);
		break;
	case READER_REFUSED:
		dispatch_refuse(c, c->req->reader.no);
		break;
	}
}

/* May another request begin with the bytes at hand? */
static bool has_turn(const struct conn *c, uint32_t *turns, size_t left)
{
	return c->req != NULL || (left > 0 && (*turns)-- > 0);
}

/* Feeds bytes until they are used up, a request keeps the connection busy, or its turn is over. Returns how many were used. */
static size_t feed(struct conn *c, const char *bytes, size_t len)
{
	enum reader_event event = READER_HEAD;
	uint32_t turns = TURN_REQUESTS;
	size_t at = 0;

	c->feeding = true;
	while (takes_bytes(c) && event != READER_MORE) {
		size_t used;
		if (!has_turn(c, &turns, len - at) || (c->req == NULL && !begin_request(c)))
			break;
		event = reader_feed(&c->req->reader, bytes + at, len - at, &used);
		at += used;
		on_event(c, event, at < len);
	}
	c->feeding = false;
	return at;
}

/* Keeps what came too early. */
static void keep(struct conn *c, const char *bytes, size_t len)
{
	CHECK(c->pending == NULL);
	c->pending = mem_alloc(len);
	if (c->pending == NULL) {
		LOG(LOG_ERROR, "out of memory for a request: the connection is closed");
		conn_close(c);
		return;
	}
	memcpy(c->pending, bytes, len);
	c->pending_at = 0;
	c->pending_len = len;
	read_stop(c);
}

static void receive(struct conn *c, const char *bytes, size_t len)
{
	size_t used = takes_bytes(c) ? feed(c, bytes, len) : 0;
	if (used == len || c->state == CONN_LINGER || c->state == CONN_CLOSING)
		return;
	keep(c, bytes + used, len - used);
	if (takes_bytes(c))
		loop_yield(c);
}

/* Bytes went straight into the body. */
static void receive_direct(struct conn *c, size_t n)
{
	c->direct = false;
	c->feeding = true;
	on_event(c, reader_landed(&c->req->reader, n), false);
	c->feeding = false;
}

/* The client has shut down its side; what it asked before is still answered. */
static void at_eof(struct conn *c)
{
	c->eof = true;
	c->reading = false;
	if (c->req != NULL)
		abandon(c->req);
	if (c->state != CONN_HANDLER && c->state != CONN_WRITE)
		conn_close(c);
	else
		uv_read_stop((uv_stream_t *)&c->tcp);
}

static void discard(struct conn *c, size_t n)
{
	c->lingered += n;
	if (c->lingered > LINGER_BYTES)
		conn_close(c);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct conn *c = conn_of(stream->data);
	if (n == 0)
		return;
	c->loop->now_ns = clock_mono_ns();
	if (n == UV_EOF)
		at_eof(c);
	else if (n < 0)
		conn_close(c);
	else if (c->state == CONN_LINGER)
		discard(c, (size_t)n);
	else if (c->direct)
		receive_direct(c, (size_t)n);
	else
		receive(c, buf->base, (size_t)n);
}

void conn_read(struct conn *c)
{
	if (c->reading)
		return;
	c->reading = true;
	if (uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) != 0)
		conn_close(c);
}

/* ---- after a reply ---- */

void conn_linger(struct conn *c)
{
	uv_os_fd_t fd;

	mem_free(c->pending);
	c->pending = NULL;
	if (c->eof || uv_fileno((uv_handle_t *)&c->tcp, &fd) != 0 || shutdown(fd, SHUT_WR) != 0) {
		conn_close(c);
		return;
	}
	c->state = CONN_LINGER;
	c->since_ns = c->loop->now_ns;
	conn_read(c);
}

void conn_resume(struct conn *c)
{
	if (c->pending != NULL) {
		c->pending_at += feed(c, c->pending + c->pending_at, c->pending_len - c->pending_at);
		if (c->pending_at == c->pending_len && c->state != CONN_CLOSING) {
			mem_free(c->pending);
			c->pending = NULL;
		}
	}
	if (!takes_bytes(c))
		return;
	if (c->pending != NULL)
		loop_yield(c);
	else if (c->eof)
		conn_close(c);
	else
		conn_read(c);
}

void conn_replied(struct conn *c)
{
	struct http_request *req = c->req;
	bool close_after = req->close_after;
	/* A server that stops closes on clients that may be sending their next request. */
	bool may_send = req->linger || c->pending != NULL || is_stopping(c->loop->server);

	c->req = NULL;
	req->conn = NULL;
	request_unref(req);
	c->state = CONN_IDLE;
	c->since_ns = c->loop->now_ns;
	if (close_after && may_send)
		conn_linger(c);
	else if (close_after)
		conn_close(c);
	else if (!c->feeding)
		conn_resume(c);
}

/* ---- time ---- */

static bool body_is_slow(const struct conn *c, int64_t passed)
{
	const struct reader *r = &c->req->reader;
	uint64_t bytes = r->wire > reader_seen(r) ? r->wire : reader_seen(r);
	if (passed > c->loop->server->options.body_timeout_ns)
		return true;
	return passed > RATE_FROM_NS && bytes < (uint64_t)(passed / NS_PER_S) * RATE_BYTES;
}

static void too_slow(struct conn *c, const char *why)
{
	count(&c->loop->counters.timeouts, 1);
	if (why == NULL || !reader_has_begun(&c->req->reader))
		conn_close(c);
	else
		dispatch_refuse(c, (struct refusal){408, why});
}

void conn_check(struct conn *c)
{
	const struct http_options *o = &c->loop->server->options;
	int64_t passed = c->loop->now_ns - c->since_ns;

	switch (c->state) {
	case CONN_IDLE:
		if (passed > o->idle_timeout_ns)
			too_slow(c, NULL);
		break;
	case CONN_HEAD:
		if (passed > o->header_timeout_ns)
			too_slow(c, "the headers did not come in time");
		break;
	case CONN_BODY:
		if (body_is_slow(c, passed))
			too_slow(c, "the body did not come in time");
		break;
	case CONN_WRITE:
		if (passed > o->write_timeout_ns) {
			count(&c->loop->counters.timeouts, 1);
			conn_abort(c);
		}
		break;
	case CONN_LINGER:
		if (passed > (c->loop->stopping ? LINGER_STOPPING_NS : LINGER_NS))
			conn_close(c);
		break;
	case CONN_HANDLER:
	case CONN_CLOSING:
		break;
	}
}

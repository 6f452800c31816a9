/* From a rendered reply to the socket.
 *
 * Most replies go out with one writev. What the socket does not take is written in slices, so that progress is seen; the memory of such replies is
 * bounded: past its share a loop closes the connection that has not read for the longest time. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "net/internal.h"
#include "net/status.h"

enum { SLICE_BYTES = 256 * 1024, TRY_BYTES = 1 << 30 };
enum { REPLIES_SHARE = 2 }; /* replies that wait may take as much again as half of what bodies may */

/* "Tue, 15 Nov 1994 08:12:31 GMT", made once a second. */
static const char *date(struct loop *l)
{
	static const char days[] = "ThuFriSatSunMonTueWed"; /* the epoch was a Thursday */
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	char now[32]; /* 1994-11-15T08:12:31.000Z */
	int64_t wall = clock_wall_ns();
	int64_t seconds = wall / NS_PER_S;

	if (seconds == l->date_s && l->date[0] != '\0')
		return l->date;
	l->date_s = seconds;
	clock_format_rfc3339(wall, now);
	int month = (now[5] - '0') * 10 + now[6] - '1';
	snprintf(l->date, sizeof l->date, "%.3s, %.2s %.3s %.4s %.8s GMT", days + 3 * (seconds / 86400 % 7), now + 8,
	         months + 3 * month, now, now + 11);
	return l->date;
}

static char *put(char *at, const char *text, size_t len)
{
	memcpy(at, text, len);
	return at + len;
}

static char *put_str(char *at, const char *text)
{
	return put(at, text, strlen(text));
}

static char *put_number(char *at, uint64_t v)
{
	char digits[20];
	size_t n = 0;
	do {
		digits[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	while (n > 0)
		*at++ = digits[--n];
	return at;
}

/* At most 15 + 40 + 8 + 30 + 20 + 20 + 16 + 64 + 30 bytes. */
static void render_head(struct http_request *req, struct loop *l)
{
	char *at = put_str(req->head, "HTTP/1.1 ");
	at = put_number(at, (uint64_t)req->status);
	at = put_str(at, " ");
	at = put_str(at, status_reason(req->status));
	at = put_str(at, "\r\nDate: ");
	at = put_str(at, date(l));
	if (req->streams && req->reader.head.minor > 0) {
		at = put_str(at, "\r\nTransfer-Encoding: chunked");
	} else if (!req->streams && req->status != 204 && req->status != 304) {
		at = put_str(at, "\r\nContent-Length: ");
		at = put_number(at, req->body_len);
	}
	at = put_str(at, "\r\nX-Request-Id: ");
	at = put(at, req->id, req->id_len);
	if (req->close_after)
		at = put_str(at, "\r\nConnection: close");
	else if (req->reader.head.minor == 0)
		at = put_str(at, "\r\nConnection: keep-alive");
	at = put_str(at, "\r\n");
	if (req->out.len == 0)
		at = put_str(at, "\r\n");
	req->head_len = (size_t)(at - req->head);
	CHECK(req->head_len <= sizeof req->head);
}

static size_t total(const struct http_request *req)
{
	return req->head_len + req->body_at + req->body_sent;
}

enum { PARTS = 3 }; /* of a reply */

/* The bytes from req->sent on, at most `most` of them. */
static unsigned cut(struct http_request *req, size_t most, uv_buf_t bufs[PARTS], size_t *bytes)
{
	bool lent = req->release != NULL && !req->streams;
	const struct slice parts[PARTS] = {
	    {req->head, req->head_len},
	    {req->out.ptr, req->body_at + (lent ? 0 : req->body_sent)},
	    {req->lent.ptr, lent ? req->body_sent : 0},
	};
	unsigned n = 0;
	size_t skip = req->sent;
	*bytes = 0;
	for (int i = 0; i < PARTS && *bytes < most; i++) {
		size_t passed = skip < parts[i].len ? skip : parts[i].len;
		size_t len = parts[i].len - passed;
		skip -= passed;
		len = len < most - *bytes ? len : most - *bytes;
		if (len == 0)
			continue;
		bufs[n++] = uv_buf_init((char *)(uintptr_t)parts[i].ptr + passed, (unsigned)len);
		*bytes += len;
	}
	return n;
}

/* ---- a client that does not keep up ---- */

static void give_way(struct conn *c)
{
	count(&c->loop->counters.timeouts, 1);
	conn_abort(c);
}

/* The one before `c` that has not read for the longest time, of those that stream. */
static struct conn *first_holder(const struct loop *l, const struct conn *c)
{
	struct conn *first;

	TAILQ_FOREACH(first, &l->blocked, blocked)
	{
		if (first == c || first->held_bytes > 0)
			break;
	}
	return first != c ? first : NULL;
}

/* What streams hold has a budget of its own: a large answer whose client reads, but not faster than it is made, does not have those of others reset. */
static void block(struct conn *c)
{
	struct loop *l = c->loop;
	const struct stream *stream = c->req->stream;
	size_t share = (size_t)(l->server->budget.max / REPLIES_SHARE / l->server->options.threads);
	struct conn *holder;

	c->blocked_bytes = c->req->out.cap + c->req->lent.len + 1; /* as if nobody else had the lent ones */
	c->held_bytes = stream != NULL ? stream_bytes(stream) : 0;
	l->blocked_bytes += c->blocked_bytes;
	l->held_bytes += c->held_bytes;
	TAILQ_INSERT_TAIL(&l->blocked, c, blocked);
	while (l->blocked_bytes > share && TAILQ_FIRST(&l->blocked) != c)
		give_way(TAILQ_FIRST(&l->blocked));
	while (l->held_bytes > l->server->options.streams_bytes && (holder = first_holder(l, c)) != NULL)
		give_way(holder);
}

void send_unblock(struct conn *c)
{
	if (c->blocked_bytes == 0)
		return;
	TAILQ_REMOVE(&c->loop->blocked, c, blocked);
	c->loop->blocked_bytes -= c->blocked_bytes;
	c->loop->held_bytes -= c->held_bytes;
	c->blocked_bytes = c->held_bytes = 0;
}

static void write_slice(struct conn *c);

/* All that there was is with the kernel: the reply is over, or its next part is made. Each goes through libuv's queue, so that other connections have their turn between. */
static void go_on(struct conn *c)
{
	struct http_request *req = c->req;

	if (req->stream == NULL) {
		conn_replied(c);
		return;
	}
	buf_reset(&req->out);
	int more = stream_next(req->stream, &req->out);
	if (more < 0) {
		LOG(LOG_ERROR, "out of memory within an answer: the connection is reset",
		    log_slice("path", req->reader.head.path));
		conn_abort(c);
		return;
	}
	if (more == 0)
		reply_release(req);
	if (req->out.len == 0) { /* without chunks an end needs no bytes */
		conn_replied(c);
		return;
	}
	req->head_len = req->body_at = req->sent = 0;
	req->body_sent = req->out.len;
	count(&c->loop->counters.bytes_out, req->body_sent);
	c->state = CONN_WRITE;
	write_slice(c);
}

static void on_written(uv_write_t *write, int status)
{
	struct http_request *req = write->data;
	CHECK(req->magic == REQUEST_MAGIC);
	struct conn *c = req->conn;
	if (c != NULL) {
		c->loop->now_ns = clock_mono_ns();
		c->since_ns = c->loop->now_ns;
		req->sent += req->slice;
		send_unblock(c);
		if (status != 0)
			conn_close(c);
		else if (req->sent < total(req))
			write_slice(c);
		else
			go_on(c);
	}
	request_unref(req);
}

static void write_slice(struct conn *c)
{
	struct http_request *req = c->req;
	uv_buf_t bufs[PARTS];
	unsigned n = cut(req, SLICE_BYTES, bufs, &req->slice);

	request_ref(req);
	req->write.data = req;
	block(c);
	if (uv_write(&req->write, (uv_stream_t *)&c->tcp, bufs, n, on_written) == 0)
		return;
	conn_close(c);
	request_unref(req);
}

/* ---- */

static void send_now(struct conn *c)
{
	struct http_request *req = c->req;
	uv_buf_t bufs[PARTS];
	size_t bytes;
	unsigned n = cut(req, TRY_BYTES, bufs, &bytes);

	int sent = uv_try_write((uv_stream_t *)&c->tcp, bufs, n);
	if (sent == UV_EAGAIN)
		sent = 0;
	if (sent < 0) {
		conn_close(c);
		return;
	}
	req->sent = (size_t)sent;
	if (req->sent == total(req)) {
		c->since_ns = c->loop->now_ns;
		go_on(c);
		return;
	}
	c->state = CONN_WRITE;
	c->since_ns = c->loop->now_ns;
	write_slice(c);
}

static void log_reply(const struct http_request *req)
{
	if (!log_enabled(LOG_DEBUG))
		return;
	LOG(LOG_DEBUG, "answered", log_slice("request_id", slice_new(req->id, req->id_len)),
	    log_slice("path", req->reader.head.path), log_int("status", req->status), log_int("bytes", req->body_sent));
}

void send_reply(struct http_request *req)
{
	struct loop *l = req->loop;
	struct conn *c = req->conn;

	CHECK(l->magic == LOOP_MAGIC && req->replied);
	count(&l->counters.responses[req->status / 100], 1);
	log_reply(req);
	if (c != NULL) {
		CHECK(c->magic == CONN_MAGIC && c->req == req && c->state != CONN_WRITE);
		count(&l->counters.bytes_out, req->body_sent);
		req->close_after |= !req->reader.head.keep_alive || is_stopping(l->server);
		req->close_after |= req->streams && req->reader.head.minor == 0;
		render_head(req, l);
		send_now(c);
	}
	request_unref(req);
}

bool send_continue(struct conn *c)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
	uv_buf_t buf = uv_buf_init((char *)(uintptr_t)text, sizeof text - 1);
	int sent = uv_try_write((uv_stream_t *)&c->tcp, &buf, 1);
	/* A full socket: the client reads no answers, and after a while sends without being told to. */
	return sent == UV_EAGAIN || sent == (int)sizeof text - 1;
}

/* Replies as handlers give them, rendered on the thread that gives them: all but the lines that the loop knows best (status, date, length, connection). */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "net/internal.h"
#include "net/status.h"

/* Below it gzip's own bytes and a packet that goes out anyway leave nothing to gain. */
enum { GZIP_FROM = 860, MESSAGE_MAX = 1280 };

/* A line end in a value would begin a header, or a reply, of somebody else's. */
static void put_value(struct buf *b, struct slice value)
{
	char *to = buf_room(b, value.len);
	if (to == NULL)
		return;
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.ptr[i];
		to[i] = (c < ' ' && c != '\t') || c == 0x7f ? ' ' : (char)c;
	}
	b->len += value.len;
}

static void put_header(struct buf *b, const char *name, struct slice value)
{
	buf_str(b, name);
	buf_str(b, ": ");
	put_value(b, value);
	buf_str(b, "\r\n");
}

static bool has_body(int status)
{
	return status != 204 && status != 304;
}

static void put_headers(struct buf *b, const struct http_reply *reply, bool zipped)
{
	if (has_body(reply->status))
		put_header(b, "Content-Type",
		           slice_cstr(reply->content_type != NULL ? reply->content_type : "application/json"));
	for (uint32_t i = 0; i < reply->header_count; i++)
		put_header(b, reply->headers[i].name, reply->headers[i].value);
	if (zipped)
		buf_str(b, "Content-Encoding: gzip\r\n");
	if (reply->gzip)
		buf_str(b, "Vary: Accept-Encoding\r\n");
	buf_str(b, "\r\n");
}

static bool wants_gzip(const struct http_request *req, const struct http_reply *reply)
{
	return reply->gzip && (reply->body.len >= GZIP_FROM || reply->produce != NULL) && has_body(reply->status) &&
	       gzip_accepted(head_known_value(&req->reader.head, HEAD_ACCEPT_ENCODING));
}

static void render(struct http_request *req, const struct http_reply *reply, bool zipped)
{
	struct buf *b = &req->out;
	buf_reset(b);
	put_headers(b, reply, zipped);
	req->body_at = b->len;
	if (!has_body(reply->status) || reply->produce != NULL)
		return;
	if (zipped && gzip_append(b, reply->body) != 0)
		b->failed = true;
	if (!zipped && reply->release == NULL)
		buf_slice_append(b, reply->body);
}

void reply_release(struct http_request *req)
{
	stream_free(req->stream);
	req->stream = NULL;
	if (req->release != NULL)
		req->release(req->owner);
	req->release = NULL;
	req->lent = (struct slice){0};
}

/* Appends the first part to what was rendered: it is the largest, and compressing it is not the loop's work where another thread replies. */
static bool begin_body(struct http_request *req)
{
	int more = stream_next(req->stream, &req->out);

	req->body_len = req->out.len - req->body_at;
	if (more == 0)
		reply_release(req);
	return more >= 0;
}

/* The body follows the head part by part. A HEAD is told how, and gets none. Without memory for a stream it is a 503 as any other. */
static void begin_stream(struct http_request *req, const struct http_reply *reply, bool zipped)
{
	req->streams = has_body(req->status) && req->out.len > 0;
	if (!req->streams || req->reader.head.method == HTTP_HEAD) {
		reply_release(req);
		return;
	}
	req->stream = stream_new(reply, zipped, req->reader.head.minor > 0);
	if (req->stream != NULL && begin_body(req))
		return;
	req->streams = false;
	buf_free(&req->out);
	req->body_at = req->body_len = 0;
	req->status = 503;
	reply_release(req);
}

/* What was rendered is all of the reply; or its body is lent; or is to come. */
static void settle(struct http_request *req, const struct http_reply *reply, bool zipped)
{
	req->body_len = req->out.len - req->body_at;
	if (reply->release == NULL)
		return;
	req->release = reply->release;
	req->owner = reply->owner;
	if (reply->produce != NULL) {
		begin_stream(req, reply, zipped);
		return;
	}
	if (zipped || !has_body(req->status) || req->out.len == 0) {
		reply_release(req);
		return;
	}
	req->lent = reply->body;
	req->body_len = reply->body.len;
}

void reply_render(struct http_request *req, const struct http_reply *reply)
{
	bool zipped = wants_gzip(req, reply);

	CHECK(reply->status >= 200 && reply->status < 600);
	CHECK(reply->produce == NULL || reply->release != NULL);
	req->status = reply->status;
	render(req, reply, zipped);
	if (zipped && buf_failed(&req->out)) {
		zipped = false;
		render(req, reply, false);
	}
	if (buf_failed(&req->out)) { /* not even its headers: a bare 503, which the loop writes without memory */
		buf_free(&req->out);
		req->body_at = 0;
		req->status = 503;
	}
	settle(req, reply, zipped);
	req->body_sent = req->reader.head.method == HTTP_HEAD ? 0 : req->body_len;
	req->replied = true;
}

void http_reply(struct http_request *req, const struct http_reply *reply)
{
	CHECK(req->magic == REQUEST_MAGIC && req->handed_out && !req->replied);
	reply_render(req, reply);
	if (request_running == req)
		send_reply(req);
	else
		loop_post(req);
}

void http_reply_error(struct http_request *req, int status, int retry_after_s, const char *format, ...)
{
	char message[MESSAGE_MAX];
	char seconds[16];
	struct buf body = {0};
	struct http_header headers[2];
	uint32_t n = 0;
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
	status_json(&body, status, slice_cstr(message), NULL);
	if (retry_after_s > 0) {
		snprintf(seconds, sizeof seconds, "%d", retry_after_s);
		headers[n++] = (struct http_header){"Retry-After", slice_cstr(seconds)};
	}
	if (status == 401)
		headers[n++] = (struct http_header){"WWW-Authenticate", SLICE("Bearer")};
	http_reply(req, &(struct http_reply){
	                    .status = status,
	                    .headers = headers,
	                    .header_count = n,
	                    .body = buf_failed(&body) ? SLICE("") : buf_slice(&body),
	                });
	buf_free(&body);
}

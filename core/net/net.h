/* HTTP/1.1 server on libuv loops: parsing (llhttp, strict), limits, timeouts, keep-alive, pipelining, chunked and compressed bodies (gzip, zstd, Snappy blocks), tokens, routing.
 *
 * Each of `threads` loops has a listening socket of its own (SO_REUSEPORT) and its connections. A connection serves one request at a time; pipelined ones
 * wait in the socket. A handler runs on the loop's thread when the whole body has arrived and been inflated; it replies at once, or keeps the
 * request and replies later from any thread.
 *
 * What the server refuses by itself, always as JSON {"error":{"code":…,"message":…}}: malformed HTTP (400, then close), unknown path (404), wrong method
 * (405 with Allow), wrong or missing token (401, 403), foreign Origin on a POST, PUT or DELETE (403), a client that is too slow with its request (408), header
 * bytes (431), body bytes or inflated bytes (413), unknown Content-Encoding (415), an expectation other than 100-continue (417), more requests than their token may send (429 with Retry-After), a body's memory budget spent
 * (503 with Retry-After), too many connections (503, close). OPTIONS is answered with Allow, HEAD as GET without a body, Expect: 100-continue
 * before the body is read and only when the request would be accepted. After a refusal that leaves a body unread the connection is closed; a body that comes
 * with a 429 is read, counted and thrown away, and the connection goes on (unless its client waits for 100, or it is larger than body_bytes). Rates hold for all routes that have a
 * scope, over all loops together.
 *
 * Slow clients cost nobody else anything: bodies take memory as they come, not as announced, and replies that clients do not read may take half of
 * bodies_bytes besides (past it those that have not read for the longest time are closed). */
#ifndef MOONGATE_NET_NET_H
#define MOONGATE_NET_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

struct http_server;
struct http_request;

enum http_method { HTTP_GET_ = 1, HTTP_POST_ = 2, HTTP_PUT_ = 4, HTTP_DELETE_ = 8 }; /* bits */

/* What a token may do; 0: no token is needed (health). */
enum http_scope { SCOPE_NONE = 0, SCOPE_INGEST = 1, SCOPE_QUERY = 2, SCOPE_ADMIN = 4 };

enum { HTTP_BODY_PADDING = 64 }; /* readable bytes behind every body */

typedef void http_handler(void *ctx, struct http_request *req);

/* What is special about the bodies that a route takes; every member may be NULL. */
struct http_bodies {
	/* Further members of the server's own refusals of a request once it was admitted (a body that is broken, too large or too slow): JSON without braces. So that who speaks to this path
	 * reads one shape, whoever answers. */
	const char *refused;
	/* A media type in lower case: bodies of that type, and those without a Content-Type, are Snappy blocks where no Content-Encoding says what they are. For protocols whose senders
	 * do not always say it. */
	const char *silent_snappy;
};

struct http_route {
	const char *path; /* exact, or with a trailing "/ *" without the space: a prefix */
	unsigned methods; /* bits of enum http_method; HEAD goes with GET */
	unsigned scope;   /* one of enum http_scope */
	http_handler *handler;
	const struct http_bodies *bodies; /* NULL: nothing is special */
};

struct http_token {
	uint8_t sha256[32]; /* of the token's text */
	unsigned scopes;    /* bits of enum http_scope */
	uint32_t rate;      /* requests a second; 0: no limit */
	uint32_t burst;     /* requests that may come at once; 0: those of a second */
};

struct http_options {
	const char *listen;       /* "127.0.0.1:4318", "[::1]:0"; port 0 takes a free one */
	uint32_t threads;         /* loops; at least 1 */
	uint32_t max_connections; /* in all. Default 10000; fewer where the limit of open files asks for it */
	uint32_t files_taken;     /* open files that others of this process may need, beside a few hundred */
	uint32_t header_bytes;    /* request line and headers. Default 16384 */
	uint64_t body_bytes;      /* as sent, and once more after inflating. Default 16 MiB */
	uint64_t bodies_bytes;    /* all bodies in flight together, until http_body_release. Default 64 MiB */
	uint64_t
	    streams_bytes; /* what the owners of bodies that are made while they are sent hold, of one loop. Default 256 MiB */
	int64_t header_timeout_ns;       /* from the first byte to the end of headers. Default 10 s */
	int64_t body_timeout_ns;         /* the whole body. Default 30 s, and at least 1 KiB/s after the first 10 s */
	int64_t idle_timeout_ns;         /* between requests. Default 75 s */
	int64_t write_timeout_ns;        /* a client that does not read. Default 10 s */
	const struct http_token *tokens; /* copied; 0 tokens: everything is allowed */
	uint32_t token_count;
	uint32_t rate, burst;            /* as a token's, of all requests together where there are no tokens */
	const struct http_route *routes; /* borrowed for the server's life */
	uint32_t route_count;
	void *ctx; /* for the handlers */
};

/* Binds and starts listening (threads start in http_server_start). NULL with a sentence. */
struct http_server *http_server_new(const struct http_options *options, struct error *err);

/* "127.0.0.1:4318": the address really bound. Valid for the server's life. */
const char *http_server_address(const struct http_server *s);

/* Starts the loops' threads. 0, or a negative errno with a sentence; the server is then stopped. Once. */
int http_server_start(struct http_server *s, struct error *err);

/* Stops accepting, closes idle connections, lets requests in flight finish for at most `grace_ns`, then closes the rest and joins the threads. Any thread but a loop's, one at a time. */
void http_server_stop(struct http_server *s, int64_t grace_ns);

/* Stops it if need be. Requests that nobody has replied to are freed: no thread may use one any more. */
void http_server_free(struct http_server *s);

/* ---- a request: valid until it is replied to ---- */

unsigned http_request_method(const struct http_request *req); /* a bit of enum http_method; HEAD is HTTP_GET_ */
/* Percent-decoded; no "..", no ".", no control characters, no empty segments: refused before. */
struct slice http_request_path(const struct http_request *req);
struct slice http_request_query(const struct http_request *req); /* raw, without '?' */
/* The first header of that name (any case), or an empty slice with NULL ptr. */
struct slice http_request_header(const struct http_request *req, const char *name);
/* The body, inflated, with HTTP_BODY_PADDING readable (zero) bytes behind it. Empty when it was taken. */
struct slice http_request_body(const struct http_request *req);
/* A short id for logs: the X-Request-Id header where it is plain (1–64 of [A-Za-z0-9._-]), else made up; also sent back as X-Request-Id. */
struct slice http_request_id(const struct http_request *req);

/* The first query parameter of that name, decoded into the request's memory, NUL-terminated; false when missing (or memory is out). Malformed percent codes are kept as they are. */
bool http_request_param(struct http_request *req, const char *name, struct slice *out);
/* All of that name, one after the other: *at is where to go on, 0 at first. 1 with *out as above; 0: there is none left; -ENOMEM. */
int http_request_param_next(struct http_request *req, const char *name, size_t *at, struct slice *out);

/* Has the client gone, having closed its side or broken the connection? Who computes for long asks now and then, and stops: nobody wants the answer (who has merely shut down its own side is taken for gone, as by
 * Go's server). Not seen while a pipelined request waits behind this one. Any thread. */
bool http_request_is_abandoned(const struct http_request *req);

/* Takes the body's memory out of the request (mem_free it), *size its allocated bytes, which stay on the budget until http_body_release(server, size). NULL when there is none. */
char *http_request_take_body(struct http_request *req, size_t *size);
void http_body_release(struct http_server *s, size_t size); /* any thread */

struct http_header {
	const char *name;
	struct slice value;
};

/* Replies and ends the request; `body` is copied, or, with `release`, lent until release(owner) is called, once, on any thread: so that many replies share a large
 * body. gzip is applied when `gzip` and the client accepts it. On the loop's own thread or any other: from another thread the
 * reply is posted to the loop. With `produce` a body is made while it is sent. Exactly once a request, which the caller may not use afterwards. If the client has gone the reply is dropped. Line ends in
 * header values become spaces. */
struct http_reply {
	int status;
	const char *content_type; /* NULL: application/json */
	const struct http_header *headers;
	uint32_t header_count;
	struct slice body;
	bool gzip;
	void (*release)(void *owner);
	void *owner;
	/* For a body that is too large to be made before it is sent; `release` must be given. Called on the loop's thread, each time the client has taken what came before, to append the next part, some 64 KiB: all other connections of that
	 * loop wait meanwhile. True: there is more. `body` is lent and comes first, compressed and framed within http_reply; where it is empty, or the compressor keeps all of it, so is what is produced next. It is sent in chunks, to a client of HTTP/1.0 until the connection ends. Where `out` has failed the connection is reset: the client
	 * sees that the answer is not whole. */
	bool (*produce)(void *owner, struct buf *out);
	size_t owner_bytes; /* that the owner holds until the release: they count among streams_bytes */
};
/* Answers the request, as said above. */
void http_reply(struct http_request *req, const struct http_reply *reply);

/* Replies {"error":{"code":"…","message":"…"}} with the status; retry_after_s > 0 adds Retry-After. The code is derived from the status ("not_found", "too_large", …). */
void http_reply_error(struct http_request *req, int status, int retry_after_s, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Appends "error":{"code":"…","message":"…"}, as http_reply_error has it, without braces around: for replies that say more. */
void http_error_member(struct buf *out, int status, struct slice message);

/* Runs `work` on a worker thread (libuv's pool), not on the loop: for rendering and compressing. `work` must reply. 0 or a negative errno. In a handler only. */
int http_request_offload(struct http_request *req, void (*work)(void *ctx, struct http_request *req), void *ctx);

struct http_stats {
	uint64_t connections, connections_total, connections_refused;
	uint64_t requests;            /* begun */
	uint64_t responses[6];        /* by status / 100 */
	uint64_t bytes_in, bytes_out; /* of bodies as sent */
	uint64_t timeouts;            /* connections closed by one */
	uint64_t limited;             /* requests over the rate of their token: 429 */
	uint64_t bodies_bytes;        /* in flight now */
};
void http_server_stats(const struct http_server *s, struct http_stats *out); /* any thread */

#endif

/* The Nth allocation fails, for every N: requests are answered, with 503 at worst, or their connection is closed; nothing crashes, nothing is left over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <zlib.h>

#include "base/check.h"
#include "base/fault.h"
#include "served.h"

enum { PLAIN_BYTES = 300000 };

static char plain[PLAIN_BYTES];
static char packed[PLAIN_BYTES];
static size_t packed_len;

static void zip(void *ctx, struct http_request *req)
{
	(void)ctx;
	http_reply(req, &(struct http_reply){.status = 200, .body = slice_new(plain, 20000), .gzip = true});
}

static void complain(void *ctx, struct http_request *req)
{
	struct slice v;
	(void)ctx;
	http_reply_error(req, 422, 1, "%s", http_request_param(req, "q", &v) ? v.ptr : "no q");
}

static void offload(void *ctx, struct http_request *req)
{
	CHECK(http_request_offload(req, zip, ctx) == 0);
}

/* ---- a body that is made while it is sent, one at a time ---- */

static uint32_t parts_left;
static _Atomic uint32_t streams_begun, streams_released;

static bool produce(void *owner, struct buf *out)
{
	(void)owner;
	buf_append(out, plain, 20000);
	return --parts_left > 0;
}

static void release(void *owner)
{
	(void)owner;
	streams_released++;
}

static void stream(void *ctx, struct http_request *req)
{
	(void)ctx;
	parts_left = 10;
	streams_begun++;
	http_reply(req, &(struct http_reply){.status = 200,
	                                     .body = slice_new(plain, 1000),
	                                     .gzip = true,
	                                     .release = release,
	                                     .owner = plain,
	                                     .produce = produce});
}

static void offload_stream(void *ctx, struct http_request *req)
{
	CHECK(http_request_offload(req, stream, ctx) == 0);
}

static const struct http_route routes[] = {
    {"/", HTTP_GET_ | HTTP_POST_, SCOPE_NONE, echo, NULL},    {"/zip", HTTP_GET_, SCOPE_NONE, zip, NULL},
    {"/fail", HTTP_GET_, SCOPE_NONE, complain, NULL},         {"/offload", HTTP_GET_, SCOPE_NONE, offload, NULL},
    {"/stream", HTTP_GET_, SCOPE_NONE, offload_stream, NULL},
};

static void pack(void)
{
	z_stream z = {0};
	uint32_t x = 1;
	for (size_t i = 0; i < sizeof plain; i++) {
		x = x * 1664525 + 1013904223;
		plain[i] = (char)('a' + (x >> 30));
	}
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (Bytef *)plain;
	z.avail_in = sizeof plain;
	z.next_out = (Bytef *)packed;
	z.avail_out = sizeof packed;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	packed_len = z.total_out;
	deflateEnd(&z);
}

/* Sends, shuts down, reads to the end without allocating. The status of the last answer; 0: none. */
static int converse(const char *head, const char *body, size_t body_len)
{
	static char in[2 * PLAIN_BYTES];
	size_t len = 0;
	int status = 0;
	struct client c = dial();

	if (say(&c, head) && say_bytes(&c, body, body_len))
		shutdown(c.fd, SHUT_WR);
	for (ssize_t n = 1; n > 0 && len<sizeof in - 1; len += n> 0 ? (size_t)n : 0)
		n = recv(c.fd, in + len, sizeof in - 1 - len, 0);
	in[len] = '\0';
	close(c.fd);
	if (len > 0) {
		assert_int_equal(strncmp(in, "HTTP/1.1 ", 9), 0);
		status = atoi(in + 9);
	}
	return status;
}

static void is_answer(int status, int want)
{
	if (status != want && status != 503 && status != 0)
		fail_msg("status %d, wanted %d", status, want);
}

static void scenario(void)
{
	char head[256];
	snprintf(head, sizeof head,
	         "POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", packed_len);
	is_answer(converse("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "", 0), 200);
	is_answer(converse("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n", plain, sizeof plain), 200);
	is_answer(
	    converse("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n", "0\r\n\r\n", 5),
	    200);
	is_answer(converse(head, packed, packed_len), 200);
	is_answer(converse("GET /zip HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n", "", 0), 200);
	is_answer(converse("GET /stream HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n", "", 0), 200);
	is_answer(converse("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n", "", 0), 200);
	is_answer(converse("GET /fail?q=%20 HTTP/1.1\r\nHost: a\r\n\r\n", "", 0), 422);
	is_answer(converse("GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n", "", 0), 404);
	is_answer(
	    converse(
	        "GET /offload HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\nGET /zip HTTP/1.1\r\nHost: a\r\n\r\n",
	        "", 0),
	    200);
}

/* One request is served again, on whatever memory there is. */
static void is_well(void)
{
	assert_int_equal(converse("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "", 0), 200);
	WAIT_FOR(stats().connections == 0);
	WAIT_FOR(stats().bodies_bytes == 0);
	WAIT_FOR(streams_released == streams_begun);
}

static bool fails_at(uint64_t nth)
{
	struct http_options o = {.routes = routes, .route_count = sizeof routes / sizeof *routes};
	serve(&o);
	fault_set(FAULT_MALLOC, nth, false, ENOMEM);
	uint64_t before = fault_hits(FAULT_MALLOC);
	scenario();
	bool reached = fault_hits(FAULT_MALLOC) - before >= nth;
	fault_clear();
	is_well();
	unserve();
	return reached;
}

static void every_allocation_may_fail(void **state)
{
	uint64_t nth = 1;
	(void)state;
	while (fails_at(nth))
		nth++;
	assert_true(nth > 20);
}

static void all_allocations_may_fail_for_a_while(void **state)
{
	(void)state;
	for (uint64_t nth = 1; nth < 30; nth++) {
		struct http_options o = {.routes = routes, .route_count = sizeof routes / sizeof *routes};
		serve(&o);
		is_well(); /* leaves a connection and a request in the pools */
		fault_set(FAULT_MALLOC, nth, true, ENOMEM);
		is_answer(converse("GET /zip HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "", 0), 200);
		is_answer(converse("GET /zip HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n",
		                   "", 0),
		          200);
		is_answer(
		    converse("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nConnection: close\r\n\r\n", "x", 1),
		    200);
		fault_clear();
		is_well();
		unserve();
	}
}

/* A connection that cannot be taken waits until it can. */
static void accepting_goes_on_later(void **state)
{
	struct http_options o = {
	    .routes = routes, .route_count = sizeof routes / sizeof *routes, .header_timeout_ns = NS_PER_S / 10};
	struct client c[3];
	struct answer a = {0};
	(void)state;
	serve(&o);
	fault_set(FAULT_MALLOC, 1, true, ENOMEM);
	uint64_t before = fault_hits(FAULT_MALLOC);
	for (int i = 0; i < 3; i++) {
		c[i] = dial();
		say(&c[i], "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	}
	WAIT_FOR(fault_hits(FAULT_MALLOC) >= before + 3);
	fault_clear();
	for (int i = 0; i < 3; i++) {
		assert_true(hear(&c[i], &a));
		assert_int_equal(a.status, 200);
		hang_up(&c[i]);
	}
	answer_free(&a);
	unserve();
}

static void starting_may_fail(void **state)
{
	uint64_t nth = 1;
	(void)state;
	for (struct http_server *s = NULL; s == NULL; nth++) {
		struct http_options o = {.listen = "127.0.0.1:0", .threads = 2, .routes = routes, .route_count = 1};
		struct error err = {0};
		fault_set(FAULT_MALLOC, nth, false, ENOMEM);
		s = http_server_new(&o, &err);
		fault_clear();
		assert_true(s != NULL || (err.code == -ENOMEM && err.text[0] != '\0'));
		http_server_free(s);
	}
	assert_true(nth > 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_allocation_may_fail),
	    cmocka_unit_test(all_allocations_may_fail_for_a_while),
	    cmocka_unit_test(accepting_goes_on_later),
	    cmocka_unit_test(starting_may_fail),
	};
	pack();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

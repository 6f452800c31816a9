/* Replies whose bodies are made while they are sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/check.h"
#include "served.h"

enum { PART = 10000, PARTS = 40, FIRST = 5 /* bytes before what is produced */ };

/* One at a time is enough: the state of an owner. */
struct made {
	uint32_t left;
};
static _Atomic uint32_t begun, released;

static bool produce(void *owner, struct buf *out)
{
	struct made *m = owner;
	for (uint32_t i = 0; i < PART; i++)
		buf_byte(out, (char)('a' + (m->left + i) % 26));
	return --m->left > 0;
}

/* Parts without a byte, and an end without one. */
static bool produce_nothing(void *owner, struct buf *out)
{
	struct made *m = owner;
	(void)out;
	return --m->left > 0;
}

static bool produce_failing(void *owner, struct buf *out)
{
	struct made *m = owner;
	buf_str(out, "part");
	out->failed = --m->left == PARTS / 2;
	return true;
}

static void release(void *owner)
{
	released++;
	mem_free(owner);
}

static void stream(struct http_request *req, bool (*how)(void *owner, struct buf *out), size_t owner_bytes)
{
	struct made *m = mem_alloc(sizeof *m);
	CHECK(m != NULL);
	m->left = PARTS;
	begun++;
	http_reply(req, &(struct http_reply){
	                    .status = 200,
	                    .content_type = "text/plain",
	                    .body = SLICE("first"),
	                    .gzip = true,
	                    .release = release,
	                    .owner = m,
	                    .produce = how,
	                    .owner_bytes = owner_bytes,
	                });
}

static void get_stream(void *ctx, struct http_request *req)
{
	(void)ctx;
	stream(req, produce, 100);
}

static void get_nothing(void *ctx, struct http_request *req)
{
	(void)ctx;
	stream(req, produce_nothing, 100);
}

static void get_failing(void *ctx, struct http_request *req)
{
	(void)ctx;
	stream(req, produce_failing, 100);
}

/* Without an end, and more of it than replies may hold that clients do not read. */
static bool produce_for_ever(void *owner, struct buf *out)
{
	(void)owner;
	for (uint32_t i = 0; i < 1 << 16; i++)
		buf_byte(out, 'x');
	return true;
}

static void get_endless(void *ctx, struct http_request *req)
{
	(void)ctx;
	stream(req, produce_for_ever, 3 << 20);
}

static void get_plain(void *ctx, struct http_request *req)
{
	(void)ctx;
	http_reply(req, &(struct http_reply){.status = 200, .body = SLICE("{}")});
}

static const struct http_route routes[] = {
    {"/stream", HTTP_GET_, SCOPE_NONE, get_stream, NULL},   {"/nothing", HTTP_GET_, SCOPE_NONE, get_nothing, NULL},
    {"/failing", HTTP_GET_, SCOPE_NONE, get_failing, NULL}, {"/endless", HTTP_GET_, SCOPE_NONE, get_endless, NULL},
    {"/plain", HTTP_GET_, SCOPE_NONE, get_plain, NULL},
};

static int set_up(uint64_t streams_bytes)
{
	begun = released = 0;
	struct http_options o = {
	    .threads = 1, .bodies_bytes = 2 << 20, .streams_bytes = streams_bytes, .routes = routes, .route_count = 5};
	serve(&o);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return set_up(4 << 20);
}

static int setup_for_two(void **state)
{
	(void)state;
	return set_up(7 << 20);
}

static int teardown(void **state)
{
	(void)state;
	unserve();
	assert_int_equal(begun, released);
	return 0;
}

/* ---- what was meant ---- */

static void is_whole(const char *body, size_t len)
{
	assert_int_equal(len, FIRST + PARTS * PART);
	assert_memory_equal(body, "first", FIRST);
	for (uint32_t part = 0; part < PARTS; part++) {
		for (uint32_t i = 0; i < PART; i++)
			assert_int_equal(body[FIRST + part * PART + i], 'a' + (PARTS - part + i) % 26);
	}
}

/* Sends a request and reads until the server closes. */
static void fetch(const char *request, struct client *c)
{
	*c = dial();
	assert_true(say(c, request));
	while (hear_more(c))
		;
	buf_byte(&c->in, '\0');
	c->in.len--;
}

static char *body_of(struct client *c, size_t *len)
{
	char *end = strstr(c->in.ptr, "\r\n\r\n");
	assert_non_null(end);
	*len = c->in.len - (size_t)(end + 4 - c->in.ptr);
	return end + 4;
}

/* Takes the chunks out, in place. False: they do not end. */
static bool join_chunks(char *body, size_t *len)
{
	char *at = body, *to = body, *end = body + *len;
	for (;;) {
		char *line;
		size_t size = strtoull(at, &line, 16);
		if (line == at || line + 2 > end || memcmp(line, "\r\n", 2) != 0)
			return false;
		at = line + 2;
		if (size == 0)
			break;
		assert_true(at + size + 2 <= end);
		memmove(to, at, size);
		to += size;
		at += size;
		assert_memory_equal(at, "\r\n", 2);
		at += 2;
	}
	*len = (size_t)(to - body);
	return at + 2 == end;
}

/* ---- tests ---- */

static void it_comes_in_chunks(void **state)
{
	struct client c;
	size_t len;

	(void)state;
	fetch("GET /stream HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", &c);
	assert_non_null(strstr(c.in.ptr, "Transfer-Encoding: chunked\r\n"));
	char *body = body_of(&c, &len);
	assert_null(strstr(c.in.ptr, "Content-Length"));
	assert_true(join_chunks(body, &len));
	is_whole(body, len);
	hang_up(&c);
}

static void to_an_old_client_it_comes_as_it_is(void **state)
{
	struct client c;
	size_t len;

	(void)state;
	fetch("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &c);
	assert_non_null(strstr(c.in.ptr, "Connection: close\r\n"));
	assert_null(strstr(c.in.ptr, "Transfer-Encoding"));
	char *body = body_of(&c, &len);
	is_whole(body, len);
	hang_up(&c);
}

static void it_comes_compressed(void **state)
{
	struct client c;
	size_t len;
	static unsigned char plain[FIRST + PARTS * PART + 1];
	z_stream z = {0};

	(void)state;
	fetch("GET /stream HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n", &c);
	assert_non_null(strstr(c.in.ptr, "Content-Encoding: gzip\r\n"));
	char *body = body_of(&c, &len);
	assert_true(join_chunks(body, &len));
	assert_true(len < PART);
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	z.next_in = (unsigned char *)body;
	z.avail_in = (unsigned)len;
	z.next_out = plain;
	z.avail_out = sizeof plain;
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	is_whole((char *)plain, z.total_out);
	inflateEnd(&z);
	hang_up(&c);
}

static void the_connection_goes_on_after_it(void **state)
{
	struct client c = dial();
	struct answer a = {0};

	(void)state;
	assert_true(say(&c, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\nHEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n"
	                    "GET /plain HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
	while (hear_more(&c))
		;
	buf_byte(&c.in, '\0');
	char *last = strstr(c.in.ptr, "0\r\n\r\nHTTP/1.1 200 OK\r\n");
	assert_non_null(last);
	char *plain = strstr(last + 10, "HTTP/1.1 200 OK\r\n");
	assert_non_null(plain);
	assert_non_null(strstr(plain, "\r\n\r\n{}"));
	/* HEAD tells how it would come, and gets nothing of it. */
	assert_non_null(strstr(last, "Transfer-Encoding: chunked\r\n"));
	answer_free(&a);
	hang_up(&c);
}

static void parts_may_be_empty(void **state)
{
	struct client c;
	size_t len;

	(void)state;
	fetch("GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", &c);
	char *body = body_of(&c, &len);
	assert_true(join_chunks(body, &len));
	assert_int_equal(len, FIRST);
	hang_up(&c);
	fetch("GET /nothing HTTP/1.0\r\n\r\n", &c);
	body_of(&c, &len);
	assert_int_equal(len, FIRST);
	hang_up(&c);
}

static void without_memory_it_does_not_end(void **state)
{
	struct client c;
	size_t len;

	(void)state;
	fetch("GET /failing HTTP/1.1\r\nHost: a\r\n\r\n", &c);
	char *body = body_of(&c, &len);
	assert_false(join_chunks(body, &len));
	hang_up(&c);
}

static void who_goes_ends_it(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		struct client c = dial();
		assert_true(say(&c, "GET /endless HTTP/1.1\r\nHost: a\r\n\r\n"));
		assert_true(hear_more(&c));
		hang_up(&c);
	}
	WAIT_FOR(released == 20);
}

/* Each owner holds 3 MiB, and 4 MiB may be held for clients: the one that has not read for longer is reset. */
static void who_does_not_read_makes_way(void **state)
{
	(void)state;
	struct client first = dial(), second = dial();
	assert_true(say(&first, "GET /endless HTTP/1.1\r\nHost: a\r\n\r\n"));
	WAIT_FOR(begun == 1);
	assert_true(hear_more(&first));
	assert_true(say(&second, "GET /endless HTTP/1.1\r\nHost: a\r\n\r\n"));
	assert_true(hear_more(&second));
	WAIT_FOR(released == 1);
	hang_up(&first);
	hang_up(&second);
}

/* Nobody waits for a client that does not read: past the grace its stream is given up, and released. */
static void the_server_s_end_ends_it(void **state)
{
	struct client c = dial();

	(void)state;
	assert_true(say(&c, "GET /endless HTTP/1.1\r\nHost: a\r\n\r\n"));
	assert_true(hear_more(&c));
	http_server_stop(server, NS_PER_S / 10);
	assert_int_equal(released, 1);
	hang_up(&c);
}

/* More than waiting replies may take, but no more than streams may hold: two clients that read, slower than it comes, both go on. */
static void who_reads_goes_on_beside_others(void **state)
{
	struct client clients[2] = {dial(), dial()};

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_true(say(&clients[i], "GET /endless HTTP/1.1\r\nHost: a\r\n\r\n"));
	for (int round = 0; round < 400; round++)
		assert_true(hear_more(&clients[round % 2]));
	assert_int_equal(released, 0);
	hang_up(&clients[0]);
	hang_up(&clients[1]);
	WAIT_FOR(released == 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(it_comes_in_chunks, setup, teardown),
	    cmocka_unit_test_setup_teardown(to_an_old_client_it_comes_as_it_is, setup, teardown),
	    cmocka_unit_test_setup_teardown(it_comes_compressed, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_connection_goes_on_after_it, setup, teardown),
	    cmocka_unit_test_setup_teardown(parts_may_be_empty, setup, teardown),
	    cmocka_unit_test_setup_teardown(without_memory_it_does_not_end, setup, teardown),
	    cmocka_unit_test_setup_teardown(who_goes_ends_it, setup, teardown),
	    cmocka_unit_test_setup_teardown(who_does_not_read_makes_way, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_server_s_end_ends_it, setup, teardown),
	    cmocka_unit_test_setup_teardown(who_reads_goes_on_beside_others, setup_for_two, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

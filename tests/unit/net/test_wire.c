/* The server over real sockets: answers, keep-alive, pipelining, refusals, encodings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "malformed.h"
#include "served.h"

/* Says what it was asked. */
static void show(void *ctx, struct http_request *req)
{
	struct buf b = {0};
	struct slice v = {0};
	(void)ctx;
	buf_printf(&b, "%u %.*s ?%.*s", http_request_method(req), SLICE_ARG(http_request_path(req)),
	           SLICE_ARG(http_request_query(req)));
	if (http_request_param(req, "q", &v))
		buf_printf(&b, " q=%.*s", SLICE_ARG(v));
	for (size_t at = 0; http_request_param_next(req, "all", &at, &v) == 1;)
		buf_printf(&b, " all=%.*s", SLICE_ARG(v));
	v = http_request_header(req, "x-thing");
	if (v.ptr != NULL)
		buf_printf(&b, " thing=%.*s", SLICE_ARG(v));
	buf_printf(&b, " id=%.*s", SLICE_ARG(http_request_id(req)));
	struct http_header extra[] = {{"X-A", SLICE("1")}, {"X-B", SLICE("a\r\nX-Evil: 1")}};
	http_reply(req, &(struct http_reply){.status = 200,
	                                     .content_type = "text/plain",
	                                     .headers = extra,
	                                     .header_count = 2,
	                                     .body = buf_slice(&b)});
	buf_free(&b);
}

static void zipped(void *ctx, struct http_request *req)
{
	static char text[5000];
	struct slice n = SLICE("5000");
	(void)ctx;
	memset(text, 'x', sizeof text);
	http_request_param(req, "n", &n);
	http_reply(req,
	           &(struct http_reply){.status = 200, .body = slice_new(text, (size_t)atoi(n.ptr)), .gzip = true});
}

static void teapot(void *ctx, struct http_request *req)
{
	struct slice who = SLICE("");
	(void)ctx;
	http_request_param(req, "who", &who);
	http_reply_error(req, 422, 7, "%.*s is not \"tea\"", SLICE_ARG(who));
}

static void nothing(void *ctx, struct http_request *req)
{
	(void)ctx;
	http_reply(req, &(struct http_reply){.status = 204});
}

static const struct http_route routes[] = {
    {"/", HTTP_GET_ | HTTP_POST_, SCOPE_NONE, echo, NULL},      {"/echo", HTTP_POST_, SCOPE_NONE, echo, NULL},
    {"/show/*", HTTP_GET_ | HTTP_PUT_, SCOPE_NONE, show, NULL}, {"/zipped", HTTP_GET_, SCOPE_NONE, zipped, NULL},
    {"/teapot", HTTP_GET_, SCOPE_NONE, teapot, NULL},           {"/nothing", HTTP_GET_, SCOPE_NONE, nothing, NULL},
};

static int setup(void **state)
{
	struct http_options o = {
	    .threads = 2, .routes = routes, .route_count = sizeof routes / sizeof *routes, .body_bytes = 1 << 20};
	(void)state;
	serve(&o);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unserve();
	return 0;
}

static void answers_have_the_usual_headers(void **state)
{
	struct client c = dial();
	struct answer a = {0};
	(void)state;
	say(&c, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
	assert_true(hear(&c, &a));
	assert_int_equal(a.status, 200);
	assert_string_equal(a.body.ptr, "hello");
	assert_string_equal(header_of(&a, "Content-Type"), "application/octet-stream");
	assert_string_equal(header_of(&a, "Content-Length"), "5");
	struct tm t = {0};
	assert_int_equal(strlen(header_of(&a, "Date")), 29);
	const char *end = strptime(header_of(&a, "Date"), "%a, %d %b %Y %H:%M:%S GMT", &t);
	int weekday = t.tm_wday;
	time_t date = timegm(&t); /* computes the day of the week anew */
	assert_true(end != NULL && *end == '\0' && t.tm_wday == weekday);
	assert_true(date <= time(NULL) + 1 && date >= time(NULL) - 5); /* time() is behind the clock by up to a tick */
	assert_int_equal(strlen(header_of(&a, "X-Request-Id")), 16);
	assert_null(header_of(&a, "Server"));
	assert_null(header_of(&a, "Connection"));
	assert_null(header_of(&a, "Vary"));
	answer_free(&a);
	hang_up(&c);
}

static void requests_are_shown_to_handlers(void **state)
{
	static const struct {
		const char *line, *headers, *body;
	} cases[] = {
	    {"GET /show/a%20b?x=1&q=a%2Bb+c", "X-Request-Id: my-id_1.2\r\n",
	     "1 /show/a b ?x=1&q=a%2Bb+c q=a+b c id=my-id_1.2"},
	    {"PUT /show/?q", "x-THING:  y z \r\nX-Request-Id: i\r\n", "4 /show/ ?q q= thing=y z id=i"},
	    {"GET /show/x?%71=2&q=1", "X-Request-Id: i\r\nX-Thing:\r\n", "1 /show/x ?%71=2&q=1 q=2 thing= id=i"},
	    {"GET /show/x?qq=2&=q&&aq=3", "X-Request-Id: i\r\n", "1 /show/x ?qq=2&=q&&aq=3 id=i"},
	    {"GET /show/x?all=1&b=2&all&al%6c=%33&all=", "X-Request-Id: i\r\n",
	     "1 /show/x ?all=1&b=2&all&al%6c=%33&all= all=1 all= all=3 all= id=i"},
	};
	struct client c = dial();
	struct answer a = {0};
	char text[512];
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: a\r\n%s\r\n", cases[i].line, cases[i].headers);
		say(&c, text);
		assert_true(hear(&c, &a));
		assert_string_equal(a.body.ptr, cases[i].body);
		assert_string_equal(header_of(&a, "X-A"), "1");
		assert_string_equal(header_of(&a, "X-B"), "a  X-Evil: 1");
		assert_null(header_of(&a, "X-Evil"));
	}
	answer_free(&a);
	hang_up(&c);
}

static void bad_request_ids_are_replaced(void **state)
{
	static const char *const ids[] = {
	    "", "a b", "a\"b", "<b>", "\xc3\xa9", "12345678901234567890123456789012345678901234567890123456789012345"};
	char text[512];
	struct answer a = {0};
	(void)state;
	for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
		int n = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: %s\r\n\r\n", ids[i]);
		assert_int_equal(ask_bytes(text, (size_t)n, &a), 200);
		assert_int_equal(strlen(header_of(&a, "X-Request-Id")), 16);
	}
	answer_free(&a);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
	struct client c = dial();
	struct answer a = {0};
	struct buf all = {0};
	char want[32];
	(void)state;
	for (int i = 0; i < 100; i++) {
		int n = snprintf(want, sizeof want, "number %d", i);
		if (i % 3 == 0)
			buf_printf(
			    &all,
			    "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n",
			    n, want);
		else
			buf_printf(&all, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", n, want);
	}
	assert_true(say_bytes(&c, all.ptr, all.len));
	for (int i = 0; i < 100; i++) {
		snprintf(want, sizeof want, "number %d", i);
		assert_true(hear(&c, &a));
		assert_string_equal(a.body.ptr, want);
	}
	buf_free(&all);
	answer_free(&a);
	hang_up(&c);
}

/* A client that sends requests without end gets its turn like the others, no more. */
static void a_flood_of_requests_waits_for_its_turn(void **state)
{
	enum { REQUESTS = 3000 };
	struct http_options o = {.threads = 1, .routes = routes, .route_count = sizeof routes / sizeof *routes};
	const char *request = "GET / HTTP/1.1\r\nHost:a\r\n\r\n";
	struct buf all = {0};
	struct client flood, other;
	struct answer a = {0};
	(void)state;
	unserve();
	serve(&o);
	for (int i = 0; i < REQUESTS; i++)
		buf_str(&all, request);
	flood = dial();
	other = dial();
	assert_true(say_bytes(&flood, all.ptr, all.len));
	say(&other, request);
	assert_true(hear(&other, &a));
	for (int i = 0; i < REQUESTS; i++) {
		assert_true(hear(&flood, &a));
		assert_int_equal(a.status, 200);
	}
	assert_int_equal(stats().requests, REQUESTS + 1);
	buf_free(&all);
	answer_free(&a);
	hang_up(&flood);
	hang_up(&other);
}

static void a_request_may_be_cut_anywhere(void **state)
{
	const char *text = "POST /echo HTTP/1.1\r\nHost: a\r\nX-Request-Id: i\r\nTransfer-Encoding: chunked\r\n\r\n"
	                   "5\r\nhello\r\n0\r\nX: y\r\n\r\n";
	struct client c = dial();
	struct answer a = {0};
	(void)state;
	for (size_t at = 1; at < strlen(text); at++) {
		uint64_t before = stats().requests;
		assert_true(say_bytes(&c, text, at));
		WAIT_FOR(stats().requests == before + 1);
		assert_true(say(&c, text + at));
		assert_true(hear(&c, &a));
		assert_int_equal(a.status, 200);
		assert_string_equal(a.body.ptr, "hello");
	}
	answer_free(&a);
	hang_up(&c);
}

static void connections_stay_or_close(void **state)
{
	static const struct {
		const char *version, *headers, *connection;
	} cases[] = {
	    {"1.1", "", NULL},
	    {"1.1", "Connection: keep-alive\r\n", NULL},
	    {"1.1", "Connection: close\r\n", "close"},
	    {"1.1", "Connection: upgrade\r\nUpgrade: websocket\r\n", NULL},
	    {"1.1", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
	     NULL},
	    {"1.0", "", "close"},
	    {"1.0", "Connection: keep-alive\r\n", "keep-alive"},
	    {"1.0", "Connection: close\r\n", "close"},
	};
	struct answer a = {0};
	char text[512];
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct client c = dial();
		snprintf(text, sizeof text, "GET / HTTP/%s\r\nHost: a\r\n%s\r\n", cases[i].version, cases[i].headers);
		say(&c, text);
		assert_true(hear(&c, &a));
		assert_int_equal(a.status, 200);
		const char *connection = header_of(&a, "Connection");
		if (cases[i].connection == NULL)
			assert_null(connection);
		else
			assert_string_equal(connection, cases[i].connection);
		if (a.closes) {
			hear_end(&c);
		} else {
			say(&c, text);
			assert_true(hear(&c, &a));
		}
		hang_up(&c);
	}
	answer_free(&a);
}

static void head_is_get_without_body(void **state)
{
	struct client c = dial();
	struct answer get = {0}, head = {0};
	(void)state;
	for (int i = 0; i < 2; i++) {
		const char *rest = i == 0 ? " /zipped HTTP/1.1\r\nHost: a\r\n\r\n"
		                          : " /zipped HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n";
		char text[128];
		snprintf(text, sizeof text, "GET%s", rest);
		say(&c, text);
		assert_true(hear(&c, &get));
		snprintf(text, sizeof text, "HEAD%s", rest);
		say(&c, text);
		assert_true(hear_to(&c, &head, "HEAD"));
		assert_int_equal(head.status, 200);
		assert_int_equal(atoi(header_of(&head, "Content-Length")), get.body.len);
	}
	say(&c, "HEAD /none HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(hear_to(&c, &head, "HEAD"));
	assert_int_equal(head.status, 404);
	say(&c, "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(hear(&c, &get));
	assert_int_equal(get.status, 204);
	assert_null(header_of(&get, "Content-Length"));
	assert_null(header_of(&get, "Content-Type"));
	answer_free(&get);
	answer_free(&head);
	hang_up(&c);
}

static void the_server_answers_by_itself(void **state)
{
	struct client c = dial();
	struct answer a = {0};
	(void)state;
	say(&c, "OPTIONS /show/x HTTP/1.1\r\nHost: a\r\nOrigin: http://evil\r\n\r\n");
	assert_true(hear(&c, &a));
	assert_int_equal(a.status, 204);
	assert_string_equal(header_of(&a, "Allow"), "GET, HEAD, PUT, OPTIONS");
	assert_null(header_of(&a, "Access-Control-Allow-Origin"));
	say(&c, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(hear(&c, &a));
	assert_string_equal(header_of(&a, "Allow"), "GET, HEAD, POST, PUT, OPTIONS");
	say(&c, "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(hear(&c, &a));
	assert_int_equal(a.status, 405);
	assert_string_equal(header_of(&a, "Allow"), "POST, OPTIONS");
	assert_string_equal(
	    a.body.ptr,
	    "{\"error\":{\"code\":\"method_not_allowed\",\"message\":\"the path does not have this method\"}}");
	say(&c, "GET /<script> HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(hear(&c, &a));
	assert_int_equal(a.status, 404);
	assert_null(strstr(a.body.ptr, "script"));
	say(&c, "GET /teapot?who=%3Cb%3E%22%0a%ff HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(hear(&c, &a));
	assert_int_equal(a.status, 422);
	assert_string_equal(header_of(&a, "Retry-After"), "7");
	assert_string_equal(
	    a.body.ptr,
	    "{\"error\":{\"code\":\"unprocessable\",\"message\":\"\\u003cb>\\\"\\n\xef\xbf\xbd is not \\\"tea\\\"\"}}");
	answer_free(&a);
	hang_up(&c);
}

static void refusals_before_the_body_close(void **state)
{
	static const struct {
		const char *head;
		int status;
	} cases[] = {
	    {"POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", 404},
	    {"PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 405},
	    {"POST /echo HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\nContent-Length: 9\r\n\r\n", 403},
	    {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Encoding: br\r\nContent-Length: 9\r\n\r\n", 415},
	    {"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nContent-Length: 9\r\n\r\n", 417},
	    {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n", 413},
	    {"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1048577\r\n\r\n", 413},
	    {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n100001\r\n", 413},
	    {"OPTIONS /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", 204},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct client c = dial();
		struct answer a = {0};
		say(&c, cases[i].head);
		assert_true(hear(&c, &a));
		assert_int_equal(a.status, cases[i].status);
		assert_true(a.closes);
		if (a.status == 415)
			assert_string_equal(header_of(&a, "Accept-Encoding"), "gzip, zstd, snappy");
		hear_end(&c);
		answer_free(&a);
		hang_up(&c);
	}
}

/* A client that goes on sending gets its answer all the same: it is not lost by a reset. */
static void a_refused_upload_hears_why(void **state)
{
	static char zeros[1 << 16];
	struct client c = dial();
	struct answer a = {0};
	(void)state;
	say(&c, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n");
	for (int i = 0; i < 256; i++)
		assert_true(say_bytes(&c, zeros, sizeof zeros));
	assert_true(hear(&c, &a));
	assert_int_equal(a.status, 413);
	hear_end(&c);
	answer_free(&a);
	hang_up(&c);
}

static void continue_is_said_once_and_only_when_needed(void **state)
{
	struct client c = dial();
	struct answer a = {0};
	(void)state;
	for (int i = 0; i < 2; i++) {
		say(&c, "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
		assert_true(hear(&c, &a));
		assert_int_equal(a.status, 100);
		say(&c, "hello");
		assert_true(hear(&c, &a));
		assert_int_equal(a.status, 200);
		assert_string_equal(a.body.ptr, "hello");
		say(&c, "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello");
		assert_true(hear(&c, &a));
		assert_int_equal(a.status, 200);
	}
	answer_free(&a);
	hang_up(&c);
}

static void malformed_requests_get_one_answer(void **state)
{
	const char *after = "GET /echo HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
	(void)state;
	for (size_t i = 0; i < malformed_count; i++) {
		for (int with = 0; with < 2; with++) {
			struct buf bytes = {0};
			struct answer a = {0};
			buf_slice_append(&bytes, malformed[i].bytes);
			if (with == 1)
				buf_str(&bytes, after);
			if (ask_bytes(bytes.ptr, bytes.len, &a) != 400 || !a.closes)
				fail_msg("%s: status %d", malformed[i].what, a.status);
			buf_free(&bytes);
			answer_free(&a);
		}
	}
}

/* The good request before a malformed one is answered; the good one behind it is not. */
static void a_malformed_request_ends_a_pipeline(void **state)
{
	struct client c = dial();
	struct answer a = {0};
	(void)state;
	say(&c, "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost : a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(hear(&c, &a));
	assert_int_equal(a.status, 200);
	assert_true(hear(&c, &a));
	assert_int_equal(a.status, 400);
	hear_end(&c);
	answer_free(&a);
	hang_up(&c);
}

static void heads_are_bounded(void **state)
{
	struct buf b = {0};
	struct answer a = {0};
	(void)state;
	buf_str(&b, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
	while (b.len < 65536)
		buf_byte(&b, 'x');
	buf_str(&b, "\r\n\r\n");
	assert_int_equal(ask_bytes(b.ptr, b.len, &a), 431);
	assert_true(a.closes);
	answer_free(&a);
	buf_free(&b);
}

static void replies_are_zipped_where_wanted(void **state)
{
	static const struct {
		const char *accept;
		int n;
		bool zipped;
	} cases[] = {
	    {"gzip", 5000, true},
	    {"deflate, GZIP;q=0.5, br", 5000, true},
	    {"*", 5000, true},
	    {"br, *;q=0.1", 5000, true},
	    {"gzip;q=0", 5000, false},
	    {"gzip; q=0.000", 5000, false},
	    {"gzip;q=0, *", 5000, false},
	    {"*;q=0", 5000, false},
	    {"identity", 5000, false},
	    {"gzipx", 5000, false},
	    {"", 5000, false},
	    {"gzip", 860, true},
	    {"gzip", 859, false},
	};
	struct client c = dial();
	struct answer a = {0};
	char text[256];
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		snprintf(text, sizeof text, "GET /zipped?n=%d HTTP/1.1\r\nHost: a\r\nAccept-Encoding: %s\r\n\r\n",
		         cases[i].n, cases[i].accept);
		say(&c, text);
		assert_true(hear(&c, &a));
		assert_string_equal(header_of(&a, "Vary"), "Accept-Encoding");
		const char *encoding = header_of(&a, "Content-Encoding");
		assert_true((encoding != NULL) == cases[i].zipped);
		assert_true(cases[i].zipped ? a.body.len < 200 : a.body.len == (size_t)cases[i].n);
		if (cases[i].zipped)
			assert_int_equal((unsigned char)a.body.ptr[0], 0x1f);
	}
	answer_free(&a);
	hang_up(&c);
}

static void large_bodies_go_both_ways(void **state)
{
	struct client c = dial();
	struct answer a = {0};
	struct buf b = {0};
	(void)state;
	for (size_t len = 1000; len <= 1 << 20; len = len * 4 > 1 << 20 && len < 1 << 20 ? 1 << 20 : len * 4) {
		buf_reset(&b);
		buf_printf(&b, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", len);
		size_t at = b.len;
		for (size_t i = 0; i < len; i++)
			buf_byte(&b, (char)(i * 7 + (i >> 9)));
		assert_true(say_bytes(&c, b.ptr, b.len));
		assert_true(hear(&c, &a));
		assert_int_equal(a.body.len, len);
		assert_memory_equal(a.body.ptr, b.ptr + at, len);
	}
	assert_true(stats().bytes_in >= 1 << 20);
	assert_true(stats().bytes_out >= 1 << 20);
	buf_free(&b);
	answer_free(&a);
	hang_up(&c);
}

/* A client may shut down its side and wait for the answers. */
static void half_closed_clients_are_answered(void **state)
{
	struct client c = dial();
	struct answer a = {0};
	(void)state;
	say(&c, "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
	shutdown(c.fd, SHUT_WR);
	assert_true(hear(&c, &a));
	assert_true(hear(&c, &a));
	assert_int_equal(a.status, 200);
	hear_end(&c);
	answer_free(&a);
	hang_up(&c);
}

static void figures_are_kept(void **state)
{
	struct http_stats before = stats();
	(void)state;
	assert_int_equal(ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"), 200);
	assert_int_equal(ask("GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), 404);
	WAIT_FOR(stats().connections == before.connections);
	struct http_stats after = stats();
	assert_int_equal(after.connections_total, before.connections_total + 2);
	assert_int_equal(after.requests, before.requests + 2);
	assert_int_equal(after.responses[2], before.responses[2] + 1);
	assert_int_equal(after.responses[4], before.responses[4] + 1);
	assert_int_equal(after.bytes_in, before.bytes_in + 5);
	assert_int_equal(after.bodies_bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(answers_have_the_usual_headers, setup, teardown),
	    cmocka_unit_test_setup_teardown(requests_are_shown_to_handlers, setup, teardown),
	    cmocka_unit_test_setup_teardown(bad_request_ids_are_replaced, setup, teardown),
	    cmocka_unit_test_setup_teardown(pipelined_requests_are_answered_in_order, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_flood_of_requests_waits_for_its_turn, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_request_may_be_cut_anywhere, setup, teardown),
	    cmocka_unit_test_setup_teardown(connections_stay_or_close, setup, teardown),
	    cmocka_unit_test_setup_teardown(head_is_get_without_body, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_server_answers_by_itself, setup, teardown),
	    cmocka_unit_test_setup_teardown(refusals_before_the_body_close, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_refused_upload_hears_why, setup, teardown),
	    cmocka_unit_test_setup_teardown(continue_is_said_once_and_only_when_needed, setup, teardown),
	    cmocka_unit_test_setup_teardown(malformed_requests_get_one_answer, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_malformed_request_ends_a_pipeline, setup, teardown),
	    cmocka_unit_test_setup_teardown(heads_are_bounded, setup, teardown),
	    cmocka_unit_test_setup_teardown(replies_are_zipped_where_wanted, setup, teardown),
	    cmocka_unit_test_setup_teardown(large_bodies_go_both_ways, setup, teardown),
	    cmocka_unit_test_setup_teardown(half_closed_clients_are_answered, setup, teardown),
	    cmocka_unit_test_setup_teardown(figures_are_kept, setup, teardown),
	};
	return cmocka_run_group_tests(tests, malformed_read, malformed_free);
}

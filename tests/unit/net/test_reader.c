/* Requests as the reader takes them: the same however their bytes are cut, within limits, and no memory left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "net/net.h"
#include "net/reader.h"

enum { HEADERS = 1024, BODY = 4096 };

static struct budget budget = {.max = 1 << 20};
static const struct reader_limits limits = {.header_bytes = HEADERS, .body_bytes = BODY, .budget = &budget};
static struct reader reader;

static int setup(void **state)
{
	(void)state;
	budget.max = 1 << 20;
	reader_reset(&reader, &limits, 4096);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	reader_reset(&reader, &limits, 0);
	assert_int_equal(budget.used, 0);
	return 0;
}

/* Feeds until the bytes are used up, the request is complete or refused; a body over the limit is not read. */
static enum reader_event feed(const char *bytes, size_t len, size_t *total)
{
	enum reader_event event = READER_HEAD;
	size_t used;

	*total = 0;
	while (event == READER_HEAD) {
		event = reader_feed(&reader, bytes + *total, len - *total, &used);
		*total += used;
		if (event == READER_HEAD && reader.head.content_length > reader.limits->body_bytes)
			break;
	}
	return event;
}

static enum reader_event feed_all(const char *text)
{
	size_t used;
	return feed(text, strlen(text), &used);
}

static void is(struct slice got, const char *want)
{
	assert_int_equal(got.len, strlen(want));
	if (got.len > 0)
		assert_memory_equal(got.ptr, want, got.len);
}

/* ---- good requests ---- */

struct good {
	const char *text;
	llhttp_method_t method;
	const char *path, *query, *host, *body;
	bool keep_alive;
	size_t behind; /* bytes of `text` that belong to the next request */
};

#define HEAD "POST /v1/events HTTP/1.1\r\nHost: a:80\r\n"
#define CHUNKED HEAD "Transfer-Encoding: chunked\r\n\r\n"

static const struct good good[] = {
    {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_GET, "/", "", "a", "", true, 0},
    {"GET / HTTP/1.1\r\nHost:a\r\n\r\n", HTTP_GET, "/", "", "a", "", true, 0},
    {"GET / HTTP/1.1\r\nHost: \t a \t \r\n\r\n", HTTP_GET, "/", "", "a", "", true, 0},
    {"GET / HTTP/1.1\r\nHost: a\r\nX:\r\nY: \r\n\r\n", HTTP_GET, "/", "", "a", "", true, 0},
    {"GET / HTTP/1.1\r\nHost: [::1]:4318\r\n\r\n", HTTP_GET, "/", "", "[::1]:4318", "", true, 0},
    {"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_GET, "/", "", "a", "", true, 0},
    {"GET / HTTP/1.0\r\n\r\n", HTTP_GET, "/", "", "", "", false, 0},
    {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", HTTP_GET, "/", "", "", "", true, 0},
    {"GET / HTTP/1.0\r\nConnection: Keep-Alive, close\r\n\r\n", HTTP_GET, "/", "", "", "", false, 0},
    {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", HTTP_GET, "/", "", "a", "", false, 0},
    {"GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, Close\r\n\r\n", HTTP_GET, "/", "", "a", "", false, 0},
    {"HEAD /metrics HTTP/1.1\r\nhOSt: a\r\n\r\n", HTTP_HEAD, "/metrics", "", "a", "", true, 0},
    {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_OPTIONS, "*", "", "a", "", true, 0},
    {"GET /a%20b/%C3%A9?q=%20&x=a+b HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_GET, "/a b/\xc3\xa9", "q=%20&x=a+b", "a", "",
     true, 0},
    {"GET /a? HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_GET, "/a", "", "a", "", true, 0},
    {"GET /a/ HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_GET, "/a/", "", "a", "", true, 0},
    {"GET /...?/../ HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_GET, "/...", "/../", "a", "", true, 0},
    {"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\nGET ", HTTP_GET, "/", "", "a", "", true,
     4},
    {HEAD "Content-Length: 5\r\n\r\nhello", HTTP_POST, "/v1/events", "", "a:80", "hello", true, 0},
    {HEAD "Content-Length: 005\r\n\r\nhello", HTTP_POST, "/v1/events", "", "a:80", "hello", true, 0},
    {HEAD "Content-Length: 0\r\n\r\n", HTTP_POST, "/v1/events", "", "a:80", "", true, 0},
    {HEAD "\r\n", HTTP_POST, "/v1/events", "", "a:80", "", true, 0},
    {HEAD "Content-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\n", HTTP_POST, "/v1/events", "", "a:80", "hello", true, 16},
    {HEAD "Upgrade: x\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nhi", HTTP_POST, "/v1/events", "", "a:80", "hi",
     true, 0},
    {CHUNKED "0\r\n\r\n", HTTP_POST, "/v1/events", "", "a:80", "", true, 0},
    {CHUNKED "5\r\nhello\r\n0\r\n\r\n", HTTP_POST, "/v1/events", "", "a:80", "hello", true, 0},
    {CHUNKED "00005\r\nhello\r\n000\r\n\r\nGET", HTTP_POST, "/v1/events", "", "a:80", "hello", true, 3},
    {CHUNKED "1\r\nh\r\n3\r\nell\r\n1\r\no\r\n0\r\n\r\n", HTTP_POST, "/v1/events", "", "a:80", "hello", true, 0},
    {CHUNKED "A\r\nhellohello\r\n0\r\n\r\n", HTTP_POST, "/v1/events", "", "a:80", "hellohello", true, 0},
    {CHUNKED "a;x=\"q\";y=z\r\nhellohello\r\n0;last\r\n\r\n", HTTP_POST, "/v1/events", "", "a:80", "hellohello", true,
     0},
    {CHUNKED "5\r\nhello\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\nG", HTTP_POST, "/v1/events", "", "a:80", "hello", true, 1},
    {CHUNKED "5\r\nhello\r\n0\r\nContent-Length: 99\r\nTransfer-Encoding: cow\r\n\r\n", HTTP_POST, "/v1/events", "",
     "a:80", "hello", true, 0},
    {"POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding:  CHUNKED \r\nUpgrade: x\r\nConnection: "
     "upgrade\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
     HTTP_POST, "/", "", "a", "hi", true, 0},
};

static void check(const struct good *g)
{
	static const char zeros[HTTP_BODY_PADDING];
	const struct head *h = &reader.head;

	assert_int_equal(h->method, g->method);
	is(h->path, g->path);
	is(h->query, g->query);
	is(head_known_value(h, HEAD_HOST), g->host);
	is(head_value(h, "HOST"), g->host);
	is(slice_new(reader.body.ptr, reader.body.len), g->body);
	if (reader.body.ptr != NULL)
		assert_memory_equal(reader.body.ptr + reader.body.len, zeros, sizeof zeros);
	assert_true(h->keep_alive == g->keep_alive);
}

static void are_read_the_same_at_every_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		const struct good *g = &good[i];
		size_t len = strlen(g->text);
		for (size_t cut = 0; cut <= len; cut++) {
			size_t used, more = 0;
			reader_reset(&reader, &limits, 4096);
			enum reader_event event = feed(g->text, cut, &used);
			if (event == READER_MORE)
				event = feed(g->text + cut, len - cut, &more);
			if (event != READER_DONE)
				fail_msg("%s cut at %zu: event %d, %s", g->text, cut, event, reader.no.why);
			assert_int_equal(used + more, len - g->behind);
			check(g);
		}
	}
}

static void are_read_byte_by_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		const struct good *g = &good[i];
		size_t at = 0;
		size_t used;
		enum reader_event event = READER_MORE;
		reader_reset(&reader, &limits, 0);
		assert_false(reader_has_begun(&reader));
		while (event == READER_MORE) {
			event = feed(g->text + at, 1, &used);
			assert_true(reader_has_begun(&reader));
			at += used;
		}
		assert_int_equal(event, READER_DONE);
		assert_int_equal(at, strlen(g->text) - g->behind);
		check(g);
	}
}

static void follow_each_other(void **state)
{
	struct buf all = {0};
	size_t at = 0;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		buf_append(&all, good[i].text, strlen(good[i].text) - good[i].behind);
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		size_t used;
		reader_reset(&reader, &limits, 4096);
		assert_int_equal(feed(all.ptr + at, all.len - at, &used), READER_DONE);
		at += used;
		check(&good[i]);
	}
	assert_int_equal(at, all.len);
	buf_free(&all);
}

/* ---- limits ---- */

/* A head of exactly `len` bytes. */
static struct buf head_of(size_t len)
{
	struct buf b = {0};
	buf_str(&b, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
	while (b.len + 4 < len)
		buf_byte(&b, 'x');
	buf_str(&b, "\r\n\r\n");
	assert_int_equal(b.len, len);
	return b;
}

static void heads_are_bounded(void **state)
{
	size_t used;
	struct buf fits = head_of(HEADERS);
	struct buf larger = head_of(HEADERS + 1);

	(void)state;
	assert_int_equal(feed(fits.ptr, fits.len, &used), READER_DONE);
	for (size_t step = 1; step <= larger.len; step += step) {
		enum reader_event event = READER_MORE;
		reader_reset(&reader, &limits, 0);
		for (size_t at = 0; at < larger.len && event == READER_MORE; at += step)
			event = feed(larger.ptr + at, larger.len - at < step ? larger.len - at : step, &used);
		assert_int_equal(event, READER_REFUSED);
		assert_int_equal(reader.no.status, 431);
	}
	buf_free(&fits);
	buf_free(&larger);
}

static void fields_are_bounded(void **state)
{
	for (int n = 98; n <= 101; n++) {
		struct buf b = {0};
		size_t used;
		buf_str(&b, "GET / HTTP/1.1\r\nHost: a\r\n");
		for (int i = 1; i < n; i++)
			buf_str(&b, "X: 1\r\n");
		buf_str(&b, "\r\n");
		reader_reset(&reader, &limits, 0);
		enum reader_event event = feed(b.ptr, b.len, &used);
		assert_int_equal(event, n <= HEAD_FIELDS_MAX ? READER_DONE : READER_REFUSED);
		assert_int_equal(reader.no.status, n <= HEAD_FIELDS_MAX ? 0 : 431);
		buf_free(&b);
	}
	(void)state;
}

static void declared_lengths_cost_nothing(void **state)
{
	char text[256];

	(void)state;
	assert_int_equal(feed_all(HEAD "Content-Length: 4096\r\n\r\nx"), READER_MORE);
	assert_int_equal(budget.used, 4096 + HTTP_BODY_PADDING);
	for (int bits = 31; bits <= 63; bits++) {
		reader_reset(&reader, &limits, 0);
		snprintf(text, sizeof text, HEAD "Content-Length: %llu\r\n\r\nx", 1ULL << bits);
		assert_int_equal(feed_all(text), READER_HEAD);
		assert_int_equal(reader.head.content_length, 1ULL << bits);
		reader_reset(&reader, &limits, 0);
		snprintf(text, sizeof text, CHUNKED "%llx\r\nx", 1ULL << bits);
		assert_int_equal(feed_all(text), READER_REFUSED);
		assert_int_equal(reader.no.status, 413);
		assert_int_equal(budget.used, 0);
	}
}

static void bodies_grow_as_they_come(void **state)
{
	static const struct reader_limits large = {.header_bytes = HEADERS, .body_bytes = 16 << 20, .budget = &budget};
	static char megabyte[1 << 20];
	const char *head = HEAD "Content-Length: 16777216\r\n\r\n";
	size_t used;

	(void)state;
	budget.max = 1 << 30;
	reader_reset(&reader, &large, 0);
	assert_int_equal(reader_feed(&reader, head, strlen(head), &used), READER_HEAD);
	for (size_t sent = 1; sent <= 16 << 20; sent += sent) {
		size_t have = reader.body.len;
		while (have < sent) {
			size_t n = sent - have < sizeof megabyte ? sent - have : sizeof megabyte;
			enum reader_event event = reader_feed(&reader, megabyte, n, &used);
			assert_int_equal(event, have + n == 16 << 20 ? READER_DONE : READER_MORE);
			have += n;
		}
		assert_true(budget.used <= 4 * sent + 4096 + HTTP_BODY_PADDING);
	}
	assert_int_equal(budget.used, (16 << 20) + HTTP_BODY_PADDING);
	reader_reset(&reader, &limits, 0);
}

static void chunked_bodies_are_bounded(void **state)
{
	struct buf b = {0};
	size_t used;

	(void)state;
	buf_str(&b, CHUNKED);
	for (int i = 0; i < BODY / 16; i++)
		buf_str(&b, "10\r\n0123456789abcdef\r\n");
	assert_int_equal(feed(b.ptr, b.len, &used), READER_MORE);
	assert_int_equal(reader.body.len, BODY);
	assert_int_equal(feed_all("1\r\nx\r\n"), READER_REFUSED);
	assert_int_equal(reader.no.status, 413);
	buf_free(&b);
}

static void odd_chunks_come_together(void **state)
{
	struct buf b = {0};
	char want[BODY];
	size_t at = 0;
	size_t used;

	(void)state;
	for (size_t i = 0; i < sizeof want; i++)
		want[i] = (char)(i * 31 + (i >> 8));
	buf_str(&b, CHUNKED);
	for (size_t n = 1; at < sizeof want; n = n * 3 % 127 + 1) {
		n = n < sizeof want - at ? n : sizeof want - at;
		buf_printf(&b, "%zx\r\n", n);
		buf_append(&b, want + at, n);
		buf_str(&b, "\r\n");
		at += n;
	}
	buf_str(&b, "0\r\n\r\n");
	for (size_t step = 1; step < 300; step += 7) {
		enum reader_event event = READER_MORE;
		reader_reset(&reader, &limits, 0);
		for (size_t i = 0; event == READER_MORE; i += step)
			event = feed(b.ptr + i, b.len - i < step ? b.len - i : step, &used);
		assert_int_equal(event, READER_DONE);
		assert_int_equal(reader.body.len, sizeof want);
		assert_memory_equal(reader.body.ptr, want, sizeof want);
	}
	buf_free(&b);
}

static void framing_is_bounded(void **state)
{
	char zeros[1024];
	size_t used;
	size_t total = 0;
	enum reader_event event = READER_MORE;

	(void)state;
	memset(zeros, '0', sizeof zeros);
	assert_int_equal(feed_all(CHUNKED), READER_MORE);
	for (; event == READER_MORE; total += sizeof zeros)
		event = feed(zeros, sizeof zeros, &used);
	assert_int_equal(reader.no.status, 400);
	assert_true(total < 100 * 1024);
	reader_reset(&reader, &limits, 0);
	assert_int_equal(feed_all(CHUNKED "0\r\nX: "), READER_MORE);
	for (event = READER_MORE, total = 0; event == READER_MORE; total += sizeof zeros)
		event = feed(zeros, sizeof zeros, &used);
	assert_int_equal(reader.no.status, 431);
	assert_true(total < 8 * 1024);
}

static void spent_budget_refuses(void **state)
{
	(void)state;
	budget.max = 1000;
	assert_int_equal(feed_all(HEAD "Content-Length: 2000\r\n\r\nx"), READER_REFUSED);
	assert_int_equal(reader.no.status, 503);
	assert_int_equal(budget.used, 0);
	reader_reset(&reader, &limits, 0);
	assert_int_equal(feed_all(CHUNKED "5\r\nhello\r\n"), READER_REFUSED);
	assert_int_equal(reader.no.status, 503);
	assert_int_equal(budget.used, 0);
}

/* ---- straight into the body ---- */

static void long_bodies_are_read_in_place(void **state)
{
	static const struct reader_limits large = {.header_bytes = HEADERS, .body_bytes = 1 << 20, .budget = &budget};
	const char *head = HEAD "Content-Length: 300000\r\n\r\nabc";
	enum reader_event event = READER_MORE;
	size_t used;
	char *at;

	(void)state;
	budget.max = 2 << 20;
	reader_reset(&reader, &large, 0);
	assert_int_equal(reader_direct(&reader, &at), 0);
	assert_int_equal(feed(head, strlen(head) - 3, &used), READER_MORE);
	assert_int_equal(feed("abc", 3, &used), READER_MORE);
	for (unsigned i = 3; event == READER_MORE; i++) {
		size_t room = reader_direct(&reader, &at);
		if (room == 0) {
			assert_true(reader.left < 16384);
			event = feed("z", 1, &used);
			continue;
		}
		assert_true(room <= reader.left);
		size_t n = room < 5000 ? room : 5000;
		memset(at, 'a' + (int)(i % 26), n);
		event = reader_landed(&reader, n);
	}
	assert_int_equal(event, READER_DONE);
	assert_int_equal(reader.body.len, 300000);
	assert_memory_equal(reader.body.ptr, "abcddddd", 8);
	assert_int_equal(reader.body.ptr[reader.body.len - 1], 'z');
	assert_int_equal(reader.body.ptr[reader.body.len], 0);
	reader_reset(&reader, &limits, 0);
}

/* What is to be thrown away is counted, held to the same limits, and takes no memory. */
static void discarded_bodies_take_no_memory(void **state)
{
	static const char *const texts[] = {
	    HEAD "Content-Length: 11\r\n\r\nhello world",
	    HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
	};
	size_t used;
	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		const char *at = texts[i];
		enum reader_event event = READER_MORE;
		reader_reset(&reader, &limits, 0);
		assert_int_equal(reader_feed(&reader, at, strlen(at), &used), READER_HEAD);
		reader.discard = true;
		for (at += used; *at != '\0'; at += used) {
			assert_int_equal(event, READER_MORE);
			event = reader_feed(&reader, at, 1, &used);
			assert_null(reader.body.ptr);
		}
		assert_int_equal(event, READER_DONE);
		assert_int_equal(reader_seen(&reader), 11);
		assert_int_equal(budget.used, 0);
	}
	reader_reset(&reader, &limits, 0);
	assert_false(reader.discard);
}

/* ---- parameters ---- */

static void parameters_are_decoded(void **state)
{
	static const char *const cases[][2] = {
	    {"", ""},     {"a+b", "a b"},     {"%41%2b", "A+"}, {"%", "%"},
	    {"%4", "%4"}, {"%zz%41", "%zzA"}, {"%00", ""},      {"100%25", "100%"},
	};
	char out[32];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		size_t n = target_decode_param(slice_cstr(cases[i][0]), out);
		out[n] = '\0';
		assert_string_equal(out, cases[i][1]);
		assert_int_equal(n, i == 6 ? 1 : strlen(cases[i][1]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(are_read_the_same_at_every_cut, setup, teardown),
	    cmocka_unit_test_setup_teardown(are_read_byte_by_byte, setup, teardown),
	    cmocka_unit_test_setup_teardown(follow_each_other, setup, teardown),
	    cmocka_unit_test_setup_teardown(heads_are_bounded, setup, teardown),
	    cmocka_unit_test_setup_teardown(fields_are_bounded, setup, teardown),
	    cmocka_unit_test_setup_teardown(declared_lengths_cost_nothing, setup, teardown),
	    cmocka_unit_test_setup_teardown(bodies_grow_as_they_come, setup, teardown),
	    cmocka_unit_test_setup_teardown(chunked_bodies_are_bounded, setup, teardown),
	    cmocka_unit_test_setup_teardown(odd_chunks_come_together, setup, teardown),
	    cmocka_unit_test_setup_teardown(framing_is_bounded, setup, teardown),
	    cmocka_unit_test_setup_teardown(spent_budget_refuses, setup, teardown),
	    cmocka_unit_test_setup_teardown(long_bodies_are_read_in_place, setup, teardown),
	    cmocka_unit_test_setup_teardown(discarded_bodies_take_no_memory, setup, teardown),
	    cmocka_unit_test_setup_teardown(parameters_are_decoded, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Bounds of the whole server: connections, descriptors, memory for bodies, compressed bodies, tokens, addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <zlib.h>
#include <zstd.h>

#include "base/check.h"
#include "served.h"

enum { MIB = 1 << 20 };

/* Keeps the bodies of requests until the test gives them back. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *kept[64];
static size_t kept_size[64];
static uint32_t kept_count;

static void keep_body(void *ctx, struct http_request *req)
{
	(void)ctx;
	pthread_mutex_lock(&lock);
	kept[kept_count] = http_request_take_body(req, &kept_size[kept_count]);
	kept_count++;
	pthread_mutex_unlock(&lock);
	http_reply(req, &(struct http_reply){.status = 202});
}

static void give_back(void)
{
	pthread_mutex_lock(&lock);
	while (kept_count > 0) {
		kept_count--;
		mem_free(kept[kept_count]);
		http_body_release(server, kept_size[kept_count]);
	}
	pthread_mutex_unlock(&lock);
}

/* Answers with the length and a checksum. */
static void sum(void *ctx, struct http_request *req)
{
	struct slice body = http_request_body(req);
	char text[64];
	(void)ctx;
	for (int i = 0; i < HTTP_BODY_PADDING; i++)
		CHECK(body.ptr[body.len + (size_t)i] == 0);
	int n = snprintf(text, sizeof text, "%zu %08lx", body.len, crc32(0, (const Bytef *)body.ptr, (uInt)body.len));
	http_reply(req, &(struct http_reply){.status = 200, .body = slice_new(text, (size_t)n)});
}

static const struct http_route routes[] = {
    {"/", HTTP_GET_, SCOPE_NONE, echo, NULL},
    {"/keep", HTTP_POST_, SCOPE_NONE, keep_body, NULL},
    {"/sum", HTTP_POST_, SCOPE_NONE, sum, NULL},
    {"/secret", HTTP_GET_ | HTTP_POST_, SCOPE_ADMIN, echo, NULL},
};

static struct http_options options(void)
{
	return (struct http_options){.routes = routes, .route_count = sizeof routes / sizeof *routes};
}

static int teardown(void **state)
{
	(void)state;
	if (server != NULL)
		unserve();
	return 0;
}

/* ---- connections ---- */

static void connections_are_bounded(void **state)
{
	struct http_options o = options();
	struct client c[8], more;
	struct answer a = {0};
	(void)state;
	o.max_connections = 8;
	o.threads = 2;
	serve(&o);
	for (int i = 0; i < 8; i++)
		c[i] = dial();
	WAIT_FOR(stats().connections == 8);
	for (int i = 0; i < 200; i++) {
		more = dial();
		say(&more, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
		if (i < 20) {
			assert_true(hear(&more, &a));
			assert_int_equal(a.status, 503);
			assert_string_equal(header_of(&a, "Retry-After"), "1");
			assert_string_equal(
			    a.body.ptr, "{\"error\":{\"code\":\"unavailable\",\"message\":\"too many connections\"}}");
			assert_true(a.closes);
			hear_end(&more);
		}
		hang_up(&more);
	}
	WAIT_FOR(stats().connections_refused == 200);
	assert_int_equal(stats().connections, 8);
	for (int i = 0; i < 8; i++) {
		say(&c[i], "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
		assert_true(hear(&c[i], &a));
		assert_int_equal(a.status, 200);
		hang_up(&c[i]);
	}
	WAIT_FOR(stats().connections == 0);
	assert_int_equal(ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), 200);
	answer_free(&a);
}

static double cpu_seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* With all descriptors in use connections are closed as they come, the loop does not spin, and afterwards all is well. */
static void descriptors_may_run_out(void **state)
{
	enum { CLIENTS = 40 };
	struct http_options o = options();
	struct client c[CLIENTS];
	struct rlimit before, few;
	int filler[64], fillers = 0;
	(void)state;
	serve(&o);
	assert_int_equal(ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), 200);
	WAIT_FOR(stats().connections == 0);
	for (int i = 0; i < CLIENTS; i++)
		c[i] = (struct client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = (rlim_t)c[CLIENTS - 1].fd + 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	while (fillers < 64 && (filler[fillers] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		fillers++;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	for (int i = 0; i < CLIENTS; i++)
		assert_int_equal(connect(c[i].fd, (struct sockaddr *)&to, sizeof to), 0);
	for (int i = 0; i < CLIENTS; i++)
		hear_end(&c[i]);
	double cpu = cpu_seconds();
	usleep(200000); /* nothing to wait for: that nothing happens is the point */
	assert_true(cpu_seconds() - cpu < 0.05);
	while (fillers > 0)
		close(filler[--fillers]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	for (int i = 0; i < CLIENTS; i++)
		hang_up(&c[i]);
	assert_int_equal(ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), 200);
}

/* Connections are not given the descriptors that files need. */
static void open_files_bound_connections(void **state)
{
	struct http_options o = options();
	struct rlimit before, few;
	struct client c[40];
	struct answer a = {0};
	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = 72;
	o.files_taken = 4;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	serve(&o);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	for (int i = 0; i < 32; i++)
		c[i] = dial();
	WAIT_FOR(stats().connections == 32);
	c[32] = dial();
	assert_true(hear(&c[32], &a));
	assert_int_equal(a.status, 503);
	for (int i = 0; i <= 32; i++)
		hang_up(&c[i]);
	answer_free(&a);
}

/* ---- memory for bodies ---- */

static int post(const char *path, const char *headers, struct slice body, struct answer *a)
{
	struct buf b = {0};
	buf_printf(&b, "POST %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n", path,
	           headers, body.len);
	buf_slice_append(&b, body);
	int status = ask_bytes(b.ptr, b.len, a);
	buf_free(&b);
	return status;
}

static void bodies_are_bounded_together(void **state)
{
	static char zeros[MIB / 2];
	struct http_options o = options();
	struct slice body = slice_new(zeros, sizeof zeros);
	struct answer a = {0};
	(void)state;
	o.bodies_bytes = 2 * MIB;
	o.body_bytes = MIB;
	serve(&o);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 3; i++)
			assert_int_equal(post("/keep", "", body, &a), 202);
		assert_int_equal(post("/keep", "", body, &a), 503);
		assert_string_equal(header_of(&a, "Retry-After"), "1");
		assert_true(a.closes);
		assert_int_equal(ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), 200);
		/* Chunks do not say what comes: refused on the way. */
		struct buf chunked = {0};
		buf_str(&chunked, "POST /keep HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n80000\r\n");
		buf_slice_append(&chunked, body);
		assert_int_equal(ask_bytes(chunked.ptr, chunked.len, &a), 503);
		buf_free(&chunked);
		assert_true(stats().bodies_bytes <= 2 * MIB);
		give_back();
		WAIT_FOR(stats().bodies_bytes == 0);
	}
	answer_free(&a);
}

/* ---- compressed bodies ---- */

static void add_gzip(struct buf *out, struct slice in)
{
	z_stream z = {0};
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
	size_t bound = deflateBound(&z, in.len);
	z.next_out = (Bytef *)buf_room(out, bound);
	assert_non_null(z.next_out);
	z.next_in = (Bytef *)(uintptr_t)in.ptr;
	z.avail_in = (uInt)in.len;
	z.avail_out = (uInt)bound;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out->len += z.total_out;
	deflateEnd(&z);
}

static void add_zstd(struct buf *out, struct slice in)
{
	char *to = buf_room(out, ZSTD_compressBound(in.len));
	assert_non_null(to);
	out->len += ZSTD_compress(to, ZSTD_compressBound(in.len), in.ptr, in.len, 3);
}

/* Small ones are inflated on the loop, large ones and ones that become large on a worker. */
static void compressed_bodies_are_inflated(void **state)
{
	static const size_t lengths[] = {0, 1, 1000, 100000, 300000, 3 * MIB};
	struct http_options o = options();
	struct answer a = {0};
	char want[64];
	(void)state;
	o.threads = 2;
	serve(&o);
	for (size_t i = 0; i < 2 * sizeof lengths / sizeof *lengths; i++) {
		struct buf text = {0}, packed = {0};
		uint32_t x = 7;
		while (text.len < lengths[i / 2]) {
			x = x * 1664525 + 1013904223;
			buf_printf(&text, "%u,%s", x >> 20,
			           i % 3 == 0 ? "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" : "b");
		}
		struct slice all = slice_new(text.ptr, lengths[i / 2]);
		(i % 2 == 0 ? add_gzip : add_zstd)(&packed, all);
		CHECK(packed.ptr != NULL);
		const char *encoding = i % 2 == 0 ? "Content-Encoding: gzip\r\n" : "Content-Encoding: zstd\r\n";
		assert_int_equal(post("/sum", encoding, buf_slice(&packed), &a), 200);
		snprintf(want, sizeof want, "%zu %08lx", all.len, crc32(0, (const Bytef *)all.ptr, (uInt)all.len));
		assert_string_equal(a.body.ptr, want);
		buf_free(&text);
		buf_free(&packed);
	}
	answer_free(&a);
}

static void broken_bodies_are_refused_and_the_connection_stays(void **state)
{
	struct http_options o = options();
	struct client c;
	struct answer a = {0};
	(void)state;
	serve(&o);
	c = dial();
	for (int i = 0; i < 3; i++) {
		say(&c, "POST /sum HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello");
		assert_true(hear(&c, &a));
		assert_int_equal(a.status, 400);
		assert_non_null(strstr(a.body.ptr, "gzip"));
		say(&c, "POST /sum HTTP/1.1\r\nHost: a\r\nContent-Encoding: zstd\r\nTransfer-Encoding: "
		        "chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n");
		assert_true(hear(&c, &a));
		assert_int_equal(a.status, 400);
		say(&c, "POST /sum HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n");
		assert_true(hear(&c, &a));
		assert_int_equal(a.status, 200);
	}
	answer_free(&a);
	hang_up(&c);
}

/* Resident bytes of this process. */
static size_t resident(void)
{
	unsigned long pages = 0, ignored;
	FILE *f = fopen("/proc/self/statm", "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu %lu", &ignored, &pages), 2);
	fclose(f);
	return pages * 4096;
}

static void fifty_bombs_at_once_are_refused(void **state)
{
	enum { BOMBS = 50 };
	static struct client c[BOMBS];
	struct http_options o = options();
	struct buf bomb = {0}, request = {0};
	struct answer a = {0};
	char *zeros = mem_zalloc(1, 8 * MIB);
	(void)state;
	for (int i = 0; i < 3; i++)
		add_gzip(&bomb, slice_new(zeros, 8 * MIB));
	mem_free(zeros);
	CHECK(bomb.ptr != NULL);
	buf_printf(&request, "POST /sum HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
	           bomb.len);
	buf_slice_append(&request, buf_slice(&bomb));
	serve(&o);
	for (int i = 0; i < BOMBS; i++)
		c[i] = dial();
	size_t before = resident();
	for (int i = 0; i < BOMBS; i++)
		assert_true(say_bytes(&c[i], request.ptr, request.len));
	assert_int_equal(ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), 200); /* the loop is free */
	for (int i = 0; i < BOMBS; i++) {
		assert_true(hear(&c[i], &a));
		assert_int_equal(a.status, 413);
		hang_up(&c[i]);
	}
#ifndef __SANITIZE_ADDRESS__ /* which keeps freed memory */
	assert_true(resident() < before + BOMBS * (size_t)MIB);
#endif
	(void)before;
	answer_free(&a);
	buf_free(&bomb);
	buf_free(&request);
}

/* ---- tokens ---- */

static void tokens_are_wanted(void **state)
{
	/* echo -n right | sha256sum */
	static const struct http_token tokens[] = {
	    {{0x27, 0x04, 0x2f, 0x4e, 0x6e, 0xca, 0x7d, 0x0b, 0x2a, 0x7e, 0xe4, 0x02, 0x6d, 0xf2, 0xec, 0xfa,
	      0x51, 0xd3, 0x33, 0x9e, 0x6d, 0x12, 0x2a, 0xa0, 0x99, 0x11, 0x8e, 0xcd, 0x85, 0x63, 0xba, 0xd9},
	     SCOPE_ADMIN,
	     0,
	     0}};
	struct http_options o = options();
	struct answer a = {0};
	(void)state;
	o.tokens = tokens;
	o.token_count = 1;
	serve(&o);
	assert_int_equal(ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), 200);
	const char *none = "GET /secret HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
	assert_int_equal(ask_bytes(none, strlen(none), &a), 401);
	assert_string_equal(header_of(&a, "WWW-Authenticate"), "Bearer");
	assert_int_equal(
	    ask("GET /secret HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer wrong\r\nConnection: close\r\n\r\n"), 401);
	assert_int_equal(
	    ask("GET /secret HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer right\r\nConnection: close\r\n\r\n"), 200);
	/* Before a byte of the body is read, or asked for. */
	assert_int_equal(ask("POST /secret HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n"),
	                 401);
	answer_free(&a);
}

/* ---- addresses ---- */

static void addresses_are_understood_or_refused(void **state)
{
	static const struct {
		const char *listen, *bound, *error;
	} cases[] = {
	    {"127.0.0.1:0", "127.0.0.1:", NULL},
	    {"localhost:0", ":", NULL},
	    {"0.0.0.0:0", "0.0.0.0:", NULL},
	    {"", NULL, "wanted ADDRESS:PORT"},
	    {"127.0.0.1", NULL, "wanted ADDRESS:PORT"},
	    {":4318", NULL, "wanted ADDRESS:PORT"},
	    {"::1:4318", NULL, "wanted ADDRESS:PORT"},
	    {"127.0.0.1:", NULL, "the port"},
	    {"127.0.0.1:x", NULL, "the port"},
	    {"127.0.0.1:65536", NULL, "the port"},
	    {"127.0.0.1:-1", NULL, "the port"},
	    {"127.0.0.1:80 ", NULL, "the port"},
	    {"256.0.0.1:0", NULL, "256.0.0.1"},
	    {"192.0.2.1:0", NULL, "assign"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct http_options o = options();
		struct error err = {0};
		o.listen = cases[i].listen;
		struct http_server *s = http_server_new(&o, &err);
		assert_true((s != NULL) == (cases[i].error == NULL));
		if (s != NULL)
			assert_non_null(strstr(http_server_address(s), cases[i].bound != NULL ? cases[i].bound : "?"));
		else
			assert_non_null(strstr(err.text, cases[i].error != NULL ? cases[i].error : "?"));
		http_server_free(s);
	}
}

static void a_port_in_use_is_refused(void **state)
{
	struct http_options o = options();
	struct error err = {0};
	char address[64];
	(void)state;
	serve(&o);
	snprintf(address, sizeof address, "127.0.0.1:%u", port);
	o.listen = address;
	assert_null(http_server_new(&o, &err));
	assert_int_equal(err.code, -EADDRINUSE);
	assert_non_null(strstr(err.text, address));
	unserve();
	server = http_server_new(&o, &err); /* its connections in TIME_WAIT are no obstacle */
	assert_non_null(server);
	http_server_free(server);
	server = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(connections_are_bounded, teardown),
	    cmocka_unit_test_teardown(descriptors_may_run_out, teardown),
	    cmocka_unit_test_teardown(open_files_bound_connections, teardown),
	    cmocka_unit_test_teardown(bodies_are_bounded_together, teardown),
	    cmocka_unit_test_teardown(compressed_bodies_are_inflated, teardown),
	    cmocka_unit_test_teardown(broken_bodies_are_refused_and_the_connection_stays, teardown),
	    cmocka_unit_test_teardown(fifty_bombs_at_once_are_refused, teardown),
	    cmocka_unit_test_teardown(tokens_are_wanted, teardown),
	    cmocka_unit_test_teardown(addresses_are_understood_or_refused, teardown),
	    cmocka_unit_test_teardown(a_port_in_use_is_refused, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

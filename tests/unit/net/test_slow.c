/* Clients that are slow: timeouts on a clock that the test moves; others do not feel them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "served.h"

static int64_t offset; /* atomic: what the test has moved the clock by */

static int64_t wall(void *ctx)
{
	struct timespec t;
	(void)ctx;
	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static int64_t mono(void *ctx)
{
	struct timespec t;
	(void)ctx;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec + __atomic_load_n(&offset, __ATOMIC_RELAXED);
}

static void pass(double seconds)
{
	__atomic_add_fetch(&offset, (int64_t)(seconds * 1e9), __ATOMIC_RELAXED);
}

static char large[4 << 20];

static void send_large(void *ctx, struct http_request *req)
{
	(void)ctx;
	http_reply(req, &(struct http_reply){.status = 200, .body = slice_new(large, sizeof large)});
}

/* Answered when the test says so. */
static struct http_request *waiting;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void wait_for_test(void *ctx, struct http_request *req)
{
	(void)ctx;
	pthread_mutex_lock(&lock);
	waiting = req;
	pthread_mutex_unlock(&lock);
}

static struct http_request *take_waiting(void)
{
	pthread_mutex_lock(&lock);
	struct http_request *req = waiting;
	waiting = NULL;
	pthread_mutex_unlock(&lock);
	return req;
}

static const struct http_route routes[] = {
    {"/", HTTP_GET_ | HTTP_POST_, SCOPE_NONE, echo, NULL},
    {"/large", HTTP_GET_, SCOPE_NONE, send_large, NULL},
    {"/wait", HTTP_GET_, SCOPE_NONE, wait_for_test, NULL},
};

static int setup_with(uint64_t bodies_bytes)
{
	struct http_options o = {
	    .routes = routes,
	    .route_count = sizeof routes / sizeof *routes,
	    .header_timeout_ns = 10 * NS_PER_S,
	    .body_timeout_ns = 60 * NS_PER_S,
	    .idle_timeout_ns = 75 * NS_PER_S,
	    .write_timeout_ns = 10 * NS_PER_S,
	    .bodies_bytes = bodies_bytes,
	};
	serve(&o);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return setup_with(0);
}

static int setup_small(void **state)
{
	(void)state;
	return setup_with(32 << 20);
}

static int teardown(void **state)
{
	(void)state;
	unserve();
	return 0;
}

/* Somebody else is served at once. */
static void others_are_served(void)
{
	assert_int_equal(ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), 200);
}

static void slow_heads_time_out(void **state)
{
	struct client c = dial();
	struct answer a = {0};
	(void)state;
	say(&c, "GET / HTTP/1.1\r\nHost:");
	WAIT_FOR(stats().requests == 1);
	pass(9);
	others_are_served();
	assert_int_equal(stats().timeouts, 0);
	pass(1.5);
	assert_true(hear(&c, &a));
	assert_int_equal(a.status, 408);
	assert_true(a.closes);
	hear_end(&c);
	assert_int_equal(stats().timeouts, 1);
	answer_free(&a);
	hang_up(&c);
}

static void dripping_heads_time_out_too(void **state)
{
	struct client c = dial();
	struct answer a = {0};
	(void)state;
	say(&c, "GET / HTTP/1.1\r\nX: ");
	WAIT_FOR(stats().requests == 1);
	for (int i = 0; i < 11; i++) {
		pass(1);
		say(&c, "x");
	}
	assert_true(hear(&c, &a));
	assert_int_equal(a.status, 408);
	answer_free(&a);
	hang_up(&c);
}

static void slow_bodies_time_out(void **state)
{
	struct client c = dial();
	struct answer a = {0};
	uint64_t received = 0;
	(void)state;
	say(&c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
	for (int s = 0; s < 59; s++) { /* twice the least rate */
		static const char bytes[2048];
		assert_true(say_bytes(&c, bytes, sizeof bytes));
		received += sizeof bytes;
		WAIT_FOR(stats().bodies_bytes >= received);
		pass(1);
	}
	others_are_served();
	assert_int_equal(stats().timeouts, 0);
	pass(2);
	assert_true(hear(&c, &a));
	assert_int_equal(a.status, 408);
	hear_end(&c);
	answer_free(&a);
	hang_up(&c);
}

static void bodies_below_the_least_rate_time_out(void **state)
{
	struct client c = dial();
	struct answer a = {0};
	(void)state;
	say(&c, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
	WAIT_FOR(stats().bodies_bytes > 0);
	pass(9.5);
	others_are_served();
	assert_int_equal(stats().timeouts, 0);
	pass(2);
	assert_true(hear(&c, &a));
	assert_int_equal(a.status, 408);
	answer_free(&a);
	hang_up(&c);
}

static void idle_connections_are_closed_without_a_word(void **state)
{
	struct client used = dial();
	struct client fresh = dial();
	struct answer a = {0};
	(void)state;
	say(&used, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(hear(&used, &a));
	WAIT_FOR(stats().connections == 2);
	pass(74);
	others_are_served();
	assert_int_equal(stats().timeouts, 0);
	pass(2);
	hear_end(&used);
	hear_end(&fresh);
	assert_int_equal(stats().timeouts, 2);
	answer_free(&a);
	hang_up(&used);
	hang_up(&fresh);
}

/* A handler takes as long as it likes. */
static void handlers_do_not_time_out(void **state)
{
	struct http_request *req;
	struct client c = dial();
	struct answer a = {0};
	(void)state;
	say(&c, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
	WAIT_FOR((req = take_waiting()) != NULL);
	pass(1000);
	others_are_served();
	http_reply(req, &(struct http_reply){.status = 200, .body = SLICE("late")});
	assert_true(hear(&c, &a));
	assert_string_equal(a.body.ptr, "late");
	answer_free(&a);
	hang_up(&c);
}

static int socket_error(const struct client *c)
{
	int error = 0;
	socklen_t len = sizeof error;
	assert_int_equal(getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len), 0);
	return error;
}

/* By a reset: the kernel gives up what it has for them, too. */
static void slow_readers_are_closed(void **state)
{
	struct client c = dial();
	(void)state;
	for (int i = 0; i < 8; i++)
		say(&c, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
	WAIT_FOR(stats().responses[2] >= 1);
	pass(9);
	others_are_served();
	pass(2);
	WAIT_FOR(stats().timeouts == 1);
	WAIT_FOR(stats().connections == 0);
	WAIT_FOR(socket_error(&c) == ECONNRESET);
	hang_up(&c);
}

/* One that reads slowly but steadily gets everything. */
static void steady_readers_are_served(void **state)
{
	struct client c = dial();
	size_t total = 0;
	(void)state;
	say(&c, "GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	while (hear_more(&c)) {
		total += c.in.len;
		c.in.len = 0;
		pass(0.05);
	}
	assert_true(total > sizeof large);
	assert_int_equal(stats().timeouts, 0);
	hang_up(&c);
}

/* Replies that nobody reads are bounded together: the ones that wait longest go first. */
static void replies_that_wait_are_bounded(void **state)
{
	struct client readers[16];
	struct answer a = {0};
	(void)state;
	for (int i = 0; i < 16; i++) {
		readers[i] = dial();
		for (int k = 0; k < 4; k++)
			say(&readers[i], "GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
	}
	WAIT_FOR(stats().timeouts >= 12); /* 16 MiB hold three of 4 MiB */
	others_are_served();
	struct client c = dial();
	say(&c, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(hear(&c, &a));
	assert_int_equal(a.body.len, sizeof large);
	answer_free(&a);
	hang_up(&c);
	for (int i = 0; i < 16; i++)
		hang_up(&readers[i]);
}

static void many_slow_senders_hurt_nobody(void **state)
{
	enum { SENDERS = 300 };
	static struct client senders[SENDERS];
	(void)state;
	for (int i = 0; i < SENDERS; i++) {
		senders[i] = dial();
		say(&senders[i], i % 2 == 0 ? "GET / HTTP/1.1\r\nHo"
		                            : "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 16777216\r\n\r\nx");
	}
	WAIT_FOR(stats().requests == SENDERS);
	WAIT_FOR(stats().bodies_bytes >= SENDERS / 2 * 4096);
	assert_true(stats().bodies_bytes < SENDERS / 2 * 4200); /* not the 2 GiB that they announced */
	for (int i = 0; i < 20; i++)
		others_are_served();
	pass(11);
	WAIT_FOR(stats().timeouts == SENDERS);
	WAIT_FOR(stats().connections == 0);
	for (int i = 0; i < SENDERS; i++)
		hang_up(&senders[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(slow_heads_time_out, setup, teardown),
	    cmocka_unit_test_setup_teardown(dripping_heads_time_out_too, setup, teardown),
	    cmocka_unit_test_setup_teardown(slow_bodies_time_out, setup, teardown),
	    cmocka_unit_test_setup_teardown(bodies_below_the_least_rate_time_out, setup, teardown),
	    cmocka_unit_test_setup_teardown(idle_connections_are_closed_without_a_word, setup, teardown),
	    cmocka_unit_test_setup_teardown(handlers_do_not_time_out, setup, teardown),
	    cmocka_unit_test_setup_teardown(slow_readers_are_closed, setup, teardown),
	    cmocka_unit_test_setup_teardown(steady_readers_are_served, setup, teardown),
	    cmocka_unit_test_setup_teardown(replies_that_wait_are_bounded, setup_small, teardown),
	    cmocka_unit_test_setup_teardown(many_slow_senders_hurt_nobody, setup, teardown),
	};
	clock_set_source(wall, mono, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

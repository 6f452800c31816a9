/* Replies from other threads, clients that go meanwhile, work off the loop, the orderly end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/check.h"
#include "served.h"

enum { HELD_MAX = 4096, THREADS = 3 };

/* Requests on their way to the answering threads. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct http_request *held[HELD_MAX];
static uint32_t held_count;
static bool open_gate, finished;
static pthread_t threads[THREADS];

static void hold(void *ctx, struct http_request *req)
{
	(void)ctx;
	pthread_mutex_lock(&lock);
	held[held_count++] = req;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&lock);
}

static void *answer_held(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&lock);
	for (;;) {
		while (!finished && (!open_gate || held_count == 0))
			pthread_cond_wait(&changed, &lock);
		if (finished)
			break;
		struct http_request *req = held[--held_count];
		pthread_mutex_unlock(&lock);
		echo(NULL, req);
		pthread_mutex_lock(&lock);
	}
	pthread_mutex_unlock(&lock);
	return NULL;
}

static uint32_t count_held(void)
{
	pthread_mutex_lock(&lock);
	uint32_t n = held_count;
	pthread_mutex_unlock(&lock);
	return n;
}

static void set_gate(bool open)
{
	pthread_mutex_lock(&lock);
	open_gate = open;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static void take_body(void *ctx, struct http_request *req)
{
	size_t size;
	struct slice body = http_request_body(req);
	char *taken = http_request_take_body(req, &size);
	(void)ctx;
	CHECK(taken == body.ptr);
	CHECK(size >= body.len + HTTP_BODY_PADDING);
	CHECK(stats().bodies_bytes >= size);
	CHECK(http_request_body(req).len == 0);
	http_reply(req, &(struct http_reply){.status = 200, .body = body});
	mem_free(taken);
	http_body_release(server, size);
}

static void work(void *ctx, struct http_request *req)
{
	usleep(200);
	echo(ctx, req);
}

static void offload(void *ctx, struct http_request *req)
{
	CHECK(http_request_offload(req, work, ctx) == 0);
}

/* A large body that replies share: how often it was lent and given back. */
static char large[1 << 20];
static _Atomic uint32_t lent, given_back;

static void give_back(void *owner)
{
	CHECK(owner == large);
	given_back++;
}

static void lend_work(void *ctx, struct http_request *req)
{
	(void)ctx;
	lent++;
	http_reply(req, &(struct http_reply){
	                    .status = http_request_query(req).len > 0 ? 204 : 200,
	                    .body = slice_new(large, sizeof large),
	                    .gzip = true,
	                    .release = give_back,
	                    .owner = large,
	                });
}

static void lend(void *ctx, struct http_request *req)
{
	CHECK(http_request_offload(req, lend_work, ctx) == 0);
}

static const struct http_route routes[] = {
    {"/lend", HTTP_GET_, SCOPE_NONE, lend, NULL},     {"/", HTTP_POST_, SCOPE_NONE, echo, NULL},
    {"/hold", HTTP_POST_, SCOPE_NONE, hold, NULL},    {"/take", HTTP_POST_, SCOPE_NONE, take_body, NULL},
    {"/work", HTTP_POST_, SCOPE_NONE, offload, NULL},
};

static int setup(void **state)
{
	struct http_options o = {.threads = 2, .routes = routes, .route_count = sizeof routes / sizeof *routes};
	(void)state;
	finished = open_gate = false;
	held_count = 0;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, answer_held, NULL), 0);
	serve(&o);
	return 0;
}

static void stop_threads(void)
{
	pthread_mutex_lock(&lock);
	finished = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static int teardown(void **state)
{
	(void)state;
	if (server != NULL)
		unserve();
	stop_threads();
	return 0;
}

static void post(struct client *c, const char *path, const char *body)
{
	char text[512];
	snprintf(text, sizeof text, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n%s", path, strlen(body),
	         body);
	say(c, text);
}

static void replies_from_other_threads_arrive(void **state)
{
	enum { CLIENTS = 20, ROUNDS = 50 };
	struct client c[CLIENTS];
	struct answer a = {0};
	char body[32];
	(void)state;
	set_gate(true);
	for (int i = 0; i < CLIENTS; i++)
		c[i] = dial();
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < CLIENTS; i++) {
			snprintf(body, sizeof body, "%d of %d", round, i);
			post(&c[i], i % 2 == 0 ? "/hold" : "/work", body);
		}
		for (int i = 0; i < CLIENTS; i++) {
			snprintf(body, sizeof body, "%d of %d", round, i);
			assert_true(hear(&c[i], &a));
			assert_int_equal(a.status, 200);
			assert_string_equal(a.body.ptr, body);
		}
	}
	answer_free(&a);
	for (int i = 0; i < CLIENTS; i++)
		hang_up(&c[i]);
}

static void pipelined_ones_wait_for_their_turn(void **state)
{
	struct client c = dial();
	struct answer a = {0};
	char body[32];
	(void)state;
	for (int i = 0; i < 100; i++) {
		snprintf(body, sizeof body, "number %d", i);
		post(&c, i % 3 == 0 ? "/hold" : i % 3 == 1 ? "/" : "/work", body);
	}
	WAIT_FOR(count_held() == 1);
	assert_int_equal(stats().requests, 1);
	set_gate(true);
	for (int i = 0; i < 100; i++) {
		snprintf(body, sizeof body, "number %d", i);
		assert_true(hear(&c, &a));
		assert_string_equal(a.body.ptr, body);
	}
	answer_free(&a);
	hang_up(&c);
}

/* What comes while a request is with its handler is bounded: the client's own socket fills up. */
static void floods_wait_in_the_socket(void **state)
{
	static char zeros[1 << 20];
	struct client c = dial();
	ssize_t n = 1;
	size_t sent = 0;
	(void)state;
	post(&c, "/hold", "x");
	WAIT_FOR(count_held() == 1);
	while (n > 0) {
		n = send(c.fd, zeros, sizeof zeros, MSG_DONTWAIT | MSG_NOSIGNAL);
		sent += n > 0 ? (size_t)n : 0;
		if (n < 0)
			assert_int_equal(errno, EAGAIN);
	}
	assert_true(sent < 64 << 20);
	set_gate(true);
	struct answer a = {0};
	assert_true(hear(&c, &a));
	assert_int_equal(a.status, 200);
	assert_true(hear(&c, &a)); /* zeros are no request */
	assert_int_equal(a.status, 400);
	answer_free(&a);
	hang_up(&c);
}

static void clients_may_go_meanwhile(void **state)
{
	enum { CLIENTS = 100 };
	struct client c[CLIENTS];
	(void)state;
	for (int i = 0; i < CLIENTS; i++) {
		struct linger reset = {.l_onoff = 1};
		c[i] = dial();
		post(&c[i], "/hold", "hello");
		if (i % 2 == 0)
			setsockopt(c[i].fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	}
	WAIT_FOR(count_held() == CLIENTS);
	for (int i = 0; i < CLIENTS; i++)
		hang_up(&c[i]);
	WAIT_FOR(stats().connections <=
	         CLIENTS / 2); /* resets are seen at once, a shut-down side may still want its answer */
	assert_true(stats().bodies_bytes > 0);
	set_gate(true);
	WAIT_FOR(stats().connections == 0);
	WAIT_FOR(stats().bodies_bytes == 0);
	WAIT_FOR(stats().responses[2] == CLIENTS);
}

static struct http_request *held_at(uint32_t i)
{
	pthread_mutex_lock(&lock);
	struct http_request *req = held[i];
	pthread_mutex_unlock(&lock);
	return req;
}

/* Who computes an answer learns that nobody wants it; the memory is not handed to another request meanwhile. */
static void handlers_learn_that_clients_have_gone(void **state)
{
	struct linger reset = {.l_onoff = 1};
	struct client stays, closes, resets, half;
	struct answer a = {0};
	struct client *const all[] = {&stays, &closes, &resets, &half};
	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		*all[i] = dial();
		post(all[i], "/hold", "hello");
		WAIT_FOR(count_held() == i + 1);
		assert_false(http_request_is_abandoned(held_at(i)));
	}
	hang_up(&closes);
	setsockopt(resets.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	hang_up(&resets);
	shutdown(half.fd, SHUT_WR);
	for (uint32_t i = 1; i < 4; i++)
		WAIT_FOR(http_request_is_abandoned(held_at(i)));
	assert_false(http_request_is_abandoned(held_at(0)));
	set_gate(true);
	assert_true(hear(&stays, &a));
	assert_true(hear(&half, &a)); /* it may have its answer all the same */
	post(&stays, "/hold", "again");
	assert_true(hear(&stays, &a));
	answer_free(&a);
	hang_up(&stays);
	hang_up(&half);
}

static void bodies_can_be_taken(void **state)
{
	struct client c = dial();
	struct answer a = {0};
	(void)state;
	post(&c, "/take", "mine");
	assert_true(hear(&c, &a));
	assert_string_equal(a.body.ptr, "mine");
	WAIT_FOR(stats().bodies_bytes == 0);
	answer_free(&a);
	hang_up(&c);
}

static void bodies_can_be_lent(void **state)
{
	struct client c = dial();
	struct answer a = {0};
	(void)state;
	for (size_t i = 0; i < sizeof large; i++)
		large[i] = (char)('a' + i * 7 % 26);
	lent = given_back = 0;
	for (int i = 0; i < 3; i++)
		say(&c, "GET /lend HTTP/1.1\r\nHost: a\r\n\r\n");
	for (int i = 0; i < 3; i++) {
		assert_true(hear(&c, &a));
		assert_int_equal(a.body.len, sizeof large);
		assert_memory_equal(a.body.ptr, large, sizeof large);
	}
	say(&c, "HEAD /lend HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(hear_to(&c, &a, "HEAD"));
	assert_string_equal(header_of(&a, "Content-Length"), "1048576");
	say(&c, "GET /lend?none HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(hear(&c, &a));
	assert_int_equal(a.status, 204);
	say(&c, "GET /lend HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n");
	assert_true(hear(&c, &a));
	assert_string_equal(header_of(&a, "Content-Encoding"), "gzip");
	assert_true(a.body.len < sizeof large / 10);
	WAIT_FOR(lent == 6 && given_back == 6);
	answer_free(&a);
	hang_up(&c);
}

/* Clients that go before they have read it, some of them before there is an answer. */
static void lent_bodies_come_back_from_the_gone(void **state)
{
	enum { CLIENTS = 50 };
	struct client c[CLIENTS];
	(void)state;
	lent = given_back = 0;
	for (int i = 0; i < CLIENTS; i++) {
		c[i] = dial();
		say(&c[i], "GET /lend HTTP/1.1\r\nHost: a\r\n\r\n");
		if (i % 2 == 0)
			hang_up(&c[i]);
	}
	WAIT_FOR(lent >= CLIENTS / 2);
	for (int i = 1; i < CLIENTS; i += 2)
		hang_up(&c[i]);
	WAIT_FOR(stats().connections == 0);
	WAIT_FOR(given_back == lent);
}

/* ---- the end ---- */

static void *stop_server(void *grace)
{
	http_server_stop(server, *(int64_t *)grace);
	return NULL;
}

/* What is in flight is finished: with its handler, or its head complete; what is not is closed. */
static void stopping_finishes_what_is_in_flight(void **state)
{
	struct client idle = dial(), head = dial(), body = dial(), busy = dial();
	struct answer a = {0};
	pthread_t stopper;
	int64_t grace = 20 * NS_PER_S;
	(void)state;
	set_gate(false);
	post(&idle, "/", "x");
	assert_true(hear(&idle, &a));
	say(&head, "POST / HTTP/1.1\r\nHost:");
	say(&body, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe");
	post(&busy, "/hold", "busy");
	WAIT_FOR(count_held() == 1 && stats().requests == 4 && stats().bodies_bytes > 0);
	assert_int_equal(pthread_create(&stopper, NULL, stop_server, &grace), 0);
	hear_end(&idle);
	hear_end(&head);
	say(&body, "llo");
	assert_true(hear(&body, &a));
	assert_string_equal(a.body.ptr, "hello");
	assert_true(a.closes);
	set_gate(true);
	assert_true(hear(&busy, &a));
	assert_string_equal(a.body.ptr, "busy");
	assert_true(a.closes);
	hear_end(&busy);
	pthread_join(stopper, NULL);
	assert_int_equal(stats().connections, 0);
	answer_free(&a);
	hang_up(&idle);
	hang_up(&head);
	hang_up(&body);
	hang_up(&busy);
}

static void new_connections_are_refused_then(void **state)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	(void)state;
	http_server_stop(server, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), -1);
	assert_int_equal(errno, ECONNREFUSED);
	close(fd);
	http_server_stop(server, 0); /* once more is harmless */
}

/* After the grace the rest is closed; a handler that replies later still harms nobody. */
static void grace_ends(void **state)
{
	struct client slow = dial(), busy = dial();
	int64_t begun = clock_mono_ns();
	(void)state;
	say(&slow, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe");
	post(&busy, "/hold", "busy");
	WAIT_FOR(count_held() == 1 && stats().bodies_bytes > 128);
	http_server_stop(server, NS_PER_S / 20);
	assert_true(clock_mono_ns() - begun < 10 * NS_PER_S);
	hear_end(&slow);
	hear_end(&busy);
	assert_int_equal(stats().connections, 0);
	set_gate(true);
	WAIT_FOR(count_held() == 0);
	stop_threads(); /* the reply is over: now the server may go */
	finished = false;
	http_server_free(server);
	server = NULL;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, answer_held, NULL), 0);
	hang_up(&slow);
	hang_up(&busy);
}

static void a_server_need_not_be_started(void **state)
{
	struct http_options o = {.listen = "127.0.0.1:0", .threads = 3, .routes = routes, .route_count = 1};
	struct error err = {0};
	(void)state;
	struct http_server *s = http_server_new(&o, &err);
	assert_non_null(s);
	http_server_free(s);
	s = http_server_new(&o, &err);
	assert_non_null(s);
	http_server_stop(s, NS_PER_S);
	http_server_free(s);
}

static void a_server_need_not_be_stopped(void **state)
{
	struct client c = dial();
	(void)state;
	WAIT_FOR(stats().connections == 1);
	http_server_free(server);
	server = NULL;
	hear_end(&c);
	hang_up(&c);
}

static void stopping_under_load_loses_no_answer(void **state)
{
	enum { CLIENTS = 30 };
	struct client c[CLIENTS];
	struct answer a = {0};
	int answered = 0;
	(void)state;
	set_gate(true);
	for (int i = 0; i < CLIENTS; i++) {
		c[i] = dial();
		post(&c[i], "/", "first");
		assert_true(hear(&c[i], &a));
	}
	for (int i = 0; i < CLIENTS; i++)
		post(&c[i], i % 2 == 0 ? "/hold" : "/work", "second");
	WAIT_FOR(stats().requests == 2 * CLIENTS);
	http_server_stop(server, 10 * NS_PER_S);
	for (int i = 0; i < CLIENTS; i++) {
		answered += hear(&c[i], &a) && strcmp(a.body.ptr, "second") == 0;
		hang_up(&c[i]);
	}
	assert_int_equal(answered, CLIENTS);
	answer_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(replies_from_other_threads_arrive, setup, teardown),
	    cmocka_unit_test_setup_teardown(pipelined_ones_wait_for_their_turn, setup, teardown),
	    cmocka_unit_test_setup_teardown(floods_wait_in_the_socket, setup, teardown),
	    cmocka_unit_test_setup_teardown(clients_may_go_meanwhile, setup, teardown),
	    cmocka_unit_test_setup_teardown(handlers_learn_that_clients_have_gone, setup, teardown),
	    cmocka_unit_test_setup_teardown(bodies_can_be_taken, setup, teardown),
	    cmocka_unit_test_setup_teardown(bodies_can_be_lent, setup, teardown),
	    cmocka_unit_test_setup_teardown(lent_bodies_come_back_from_the_gone, setup, teardown),
	    cmocka_unit_test_setup_teardown(stopping_finishes_what_is_in_flight, setup, teardown),
	    cmocka_unit_test_setup_teardown(new_connections_are_refused_then, setup, teardown),
	    cmocka_unit_test_setup_teardown(grace_ends, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_server_need_not_be_started, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_server_need_not_be_stopped, setup, teardown),
	    cmocka_unit_test_setup_teardown(stopping_under_load_loses_no_answer, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

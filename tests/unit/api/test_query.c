/* A query's life: who waits, who is kept out, and that the work ends when nobody is to have the answer. A real server and an engine that does not run; the answers are ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "../net/served.h"
#include "api/internal.h"
#include "base/check.h"

static char dir[64];
enum { RUNNING = 2 /* queries at the same time */ };

static struct config config;
static struct api api;

/* ---- answers ---- */

static _Atomic uint32_t begun;
static _Atomic bool let_go;

/* Works until it is let go, or cancelled. */
static void answer_held(struct query *q)
{
	struct error err = {0};

	begun++;
	while (!let_go && !query_is_cancelled(q))
		usleep(1000);
	if (query_is_cancelled(q))
		query_fail_code(q, -ECANCELED, &err);
	else
		buf_str(&q->out, "true");
}

/* The time is over while it works. */
static void answer_late(struct query *q)
{
	CHECK(!query_is_cancelled(q));
	q->deadline_ns = clock_mono_ns() - 1;
	CHECK(query_is_cancelled(q));
	CHECK(!query_has_time(q));
}

static void hold(void *ctx, struct http_request *req)
{
	query_start(ctx, req, answer_held);
}

static void late(void *ctx, struct http_request *req)
{
	query_start(ctx, req, answer_late);
}

static const struct http_route routes[] = {
    {"/hold", HTTP_GET_, SCOPE_NONE, hold, NULL},
    {"/late", HTTP_GET_, SCOPE_NONE, late, NULL},
};

/* ---- around each test ---- */

static void set(const char *key, const char *folder)
{
	struct error err = {0};
	char path[96];

	snprintf(path, sizeof path, "%s/%s", dir, folder);
	assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
	assert_int_equal(config_set(&config, key, path, &err), 0);
}

static int set_up(void **state)
{
	struct http_options o = {.threads = 1, .routes = routes, .route_count = 2, .ctx = &api};
	struct error err = {0};

	(void)state;
	snprintf(dir, sizeof dir, "/tmp/moongate-query-XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(config_init(&config), 0);
	set("data", "data");
	set("scripts", "scripts");
	set("plugins", "plugins");
	api = (struct api){.config = &config, .engine = engine_new(&config, &err)};
	if (api.engine == NULL)
		fail_msg("%s", err.text);
	query_queue_init(&api.queries, RUNNING);
	begun = 0;
	let_go = false;
	serve(&o);
	return 0;
}

static int tear_down(void **state)
{
	char command[96];

	(void)state;
	unserve();
	query_queue_deinit(&api.queries);
	engine_free(api.engine);
	config_deinit(&config);
	snprintf(command, sizeof command, "rm -r '%s'", dir);
	return system(command);
}

static struct client ask_for(const char *path)
{
	struct client c = dial();
	char text[64];

	snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
	say(&c, text);
	return c;
}

static uint32_t waiting(void)
{
	mutex_lock(&api.queries.lock);
	uint32_t n = api.queries.waiting;
	mutex_unlock(&api.queries.lock);
	return n;
}

static uint64_t ended(int result)
{
	return query_queue_answered(&api.queries, result);
}

/* The answer to a client, which then goes. */
static void assert_answer(struct client *c, int status, const char *what)
{
	struct answer a = {0};

	assert_true(hear(c, &a));
	assert_int_equal(a.status, status);
	if (strstr(a.body.ptr, what) == NULL)
		fail_msg("%s, want %s", a.body.ptr, what);
	answer_free(&a);
	hang_up(c);
}

/* ---- tests ---- */

static void ends_when_the_client_has_gone(void **state)
{
	(void)state;
	struct client goes = ask_for("/hold"), stays = ask_for("/hold");
	WAIT_FOR(begun == 2);
	assert_int_equal(ended(QUERY_CANCELED), 0);
	hang_up(&goes);
	WAIT_FOR(ended(QUERY_CANCELED) == 1);
	let_go = true;
	assert_answer(&stays, 200, "{\"status\":\"success\",\"data\":true}");
	assert_int_equal(ended(QUERY_ERRORS), 1);
	assert_string_equal(query_result_name(QUERY_ERRORS), "ok");
	assert_string_equal(query_result_name(QUERY_CANCELED), "canceled");
}

/* Who shuts down its side alone is told. */
static void says_why_it_ended(void **state)
{
	(void)state;
	struct client half = ask_for("/hold"), slow = ask_for("/late");
	WAIT_FOR(begun == 1);
	shutdown(half.fd, SHUT_WR);
	assert_answer(&half, 499,
	              "{\"status\":\"error\",\"errorType\":\"canceled\",\"error\":\"the client has gone\"}");
	assert_answer(&slow, 503, "\"errorType\":\"timeout\",\"error\":\"query timed out: it took more than 30 s\"");
	struct client last = ask_for("/hold");
	WAIT_FOR(begun == 2);
	query_queue_stop(&api.queries, clock_mono_ns());
	assert_answer(&last, 503, "\"errorType\":\"unavailable\",\"error\":\"the gateway is stopping\"");
}

static void who_has_gone_keeps_nobody_out(void **state)
{
	static struct client crowd[QUERIES_WAITING];
	struct client running[RUNNING], more = {0};
	struct rlimit files;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	for (int i = 0; i < RUNNING; i++)
		running[i] = ask_for("/hold");
	WAIT_FOR(begun == RUNNING);
	for (int i = 0; i < QUERIES_WAITING; i++)
		crowd[i] = ask_for("/hold");
	WAIT_FOR(waiting() == QUERIES_WAITING);
	struct client extra = ask_for("/hold");
	assert_answer(&extra, 503, "too many queries wait already");
	for (int i = 0; i < QUERIES_WAITING; i++)
		hang_up(&crowd[i]);
	/* The server may not have seen all of that yet. */
	for (bool waits = false; !waits;) {
		uint64_t refused = ended(QUERY_UNAVAILABLE);
		more = ask_for("/hold");
		WAIT_FOR(ended(QUERY_UNAVAILABLE) > refused || waiting() < QUERIES_WAITING);
		waits = ended(QUERY_UNAVAILABLE) == refused;
		if (!waits)
			hang_up(&more);
	}
	assert_true(ended(QUERY_CANCELED) > 0);
	assert_int_equal(begun, RUNNING);
	let_go = true;
	for (int i = 0; i < RUNNING; i++)
		assert_answer(&running[i], 200, "true");
	assert_answer(&more, 200, "true");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(ends_when_the_client_has_gone, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(says_why_it_ended, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(who_has_gone_keeps_nobody_out, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

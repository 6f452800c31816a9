/* A loop: its thread, its listening socket, the replies that other threads post to it, its one timer.
 *
 * One timer a loop walks all connections a few times a second: at 10,000 of them that is a few hundred microseconds, where a timer for each would cost
 * a heap operation for each request. It stands still while there are no connections. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/internal.h"

enum { BACKLOG = 4096, STOP_TICK_MS = 10 };

static struct loop *loop_of(void *data)
{
	struct loop *l = data;
	CHECK(l->magic == LOOP_MAGIC);
	return l;
}

/* ---- the end ---- */

static void close_handle(void *handle)
{
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

/* From here on posted replies are dropped. */
static void close_inbox(struct loop *l)
{
	pthread_mutex_lock(&l->lock);
	l->open = false;
	pthread_mutex_unlock(&l->lock);
}

/* With the last connection and the last request that a handler has, the loop has nothing left to wait for. */
static void finish_if_idle(struct loop *l)
{
	if (!l->stopping || !TAILQ_EMPTY(&l->conns))
		return;
	if (l->handed_count > 0 && l->now_ns < l->server->grace_until_ns)
		return;
	close_inbox(l);
	close_handle(&l->async);
	close_handle(&l->tick);
	close_handle(&l->idle);
}

/* Requests whose head is complete are in flight; and so are answers, until a lingering connection has closed by itself. */
static bool is_in_flight(const struct conn *c)
{
	return c->state == CONN_BODY || c->state == CONN_HANDLER || c->state == CONN_WRITE || c->state == CONN_LINGER;
}

static void close_connections(struct loop *l, bool all)
{
	struct conn *c = TAILQ_FIRST(&l->conns);
	while (c != NULL) {
		struct conn *next = TAILQ_NEXT(c, all);
		if (all || !is_in_flight(c))
			conn_close(c);
		c = next;
	}
}

static void begin_stop(struct loop *l)
{
	l->stopping = true;
	close_handle(&l->listener);
	close_connections(l, false);
	loop_watch(l);
}

/* ---- time ---- */

static void on_tick(uv_timer_t *timer)
{
	struct loop *l = loop_of(timer->data);
	struct conn *c = TAILQ_FIRST(&l->conns);

	l->now_ns = clock_mono_ns();
	if (l->accept_waits && !l->stopping)
		conn_accept(l);
	while (c != NULL) {
		struct conn *next = TAILQ_NEXT(c, all);
		conn_check(c);
		c = next;
	}
	if (l->stopping && l->now_ns >= l->server->grace_until_ns)
		close_connections(l, true);
	finish_if_idle(l);
	if (TAILQ_EMPTY(&l->conns) && !l->stopping && !l->accept_waits) {
		uv_timer_stop(timer);
		l->ticking = false;
	}
}

void loop_watch(struct loop *l)
{
	uint64_t every = (uint64_t)l->server->tick_ms;
	if (l->stopping)
		every = STOP_TICK_MS;
	else if (l->ticking)
		return;
	l->ticking = true;
	if (!uv_is_closing((uv_handle_t *)&l->tick))
		CHECK(uv_timer_start(&l->tick, on_tick, every, every) == 0);
}

/* ---- turns ---- */

/* Once around: those who yield again come after whatever the sockets have meanwhile. */
static void on_idle(uv_idle_t *idle)
{
	struct loop *l = loop_of(idle->data);
	uint32_t turns = 0;
	struct conn *c;

	l->now_ns = clock_mono_ns();
	TAILQ_FOREACH(c, &l->yielded, yielded)
	turns++;
	for (; turns > 0 && !TAILQ_EMPTY(&l->yielded); turns--) {
		c = TAILQ_FIRST(&l->yielded);
		loop_unyield(c);
		conn_resume(c);
	}
	if (TAILQ_EMPTY(&l->yielded))
		uv_idle_stop(idle);
}

void loop_yield(struct conn *c)
{
	struct loop *l = c->loop;
	c->yielding = true;
	TAILQ_INSERT_TAIL(&l->yielded, c, yielded);
	if (!uv_is_closing((uv_handle_t *)&l->idle))
		CHECK(uv_idle_start(&l->idle, on_idle) == 0);
}

void loop_unyield(struct conn *c)
{
	if (!c->yielding)
		return;
	c->yielding = false;
	TAILQ_REMOVE(&c->loop->yielded, c, yielded);
}

/* ---- replies from other threads ---- */

static void on_async(uv_async_t *async)
{
	struct loop *l = loop_of(async->data);

	l->now_ns = clock_mono_ns();
	pthread_mutex_lock(&l->lock);
	struct http_request *req = l->inbox;
	l->inbox = NULL;
	l->inbox_end = &l->inbox;
	pthread_mutex_unlock(&l->lock);
	while (req != NULL) {
		struct http_request *next = req->inbox_next;
		send_reply(req);
		req = next;
	}
	if (!l->stopping && is_stopping(l->server))
		begin_stop(l);
	finish_if_idle(l);
}

void loop_post(struct http_request *req)
{
	struct loop *l = req->loop;

	req->inbox_next = NULL;
	pthread_mutex_lock(&l->lock);
	bool first = l->inbox == NULL;
	if (l->open) { /* else nobody is left to send it: loop_deinit frees the request */
		*l->inbox_end = req;
		l->inbox_end = &req->inbox_next;
	}
	if (l->open && first)
		uv_async_send(&l->async);
	pthread_mutex_unlock(&l->lock);
}

/* ---- inflaters ---- */

struct inflater *loop_inflater(struct loop *l, enum encoding encoding)
{
	struct inflater *f = l->inflaters[encoding];
	l->inflaters[encoding] = NULL;
	return f != NULL ? f : inflater_new(encoding);
}

void loop_inflater_put(struct loop *l, enum encoding encoding, struct inflater *f)
{
	inflater_end(f);
	if (l->inflaters[encoding] == NULL && inflater_is_small(f))
		l->inflaters[encoding] = f;
	else
		inflater_free(f);
}

/* ---- life ---- */

/* With all descriptors in use libuv gives up one that it keeps in reserve, accepts and closes what waits, and takes it back: clients are not left hanging
 * and the loop does not spin. It does not say so; what comes here is any other failure. */
static void on_connection(uv_stream_t *listener, int status)
{
	struct loop *l = loop_of(listener->data);
	if (status == 0) {
		conn_accept(l);
		return;
	}
	l->now_ns = clock_mono_ns();
	conn_refused(l, uv_strerror(status));
}

static int init_handles(struct loop *l, int fd)
{
	int code = uv_async_init(&l->uv, &l->async, on_async);
	if (code != 0) {
		close(fd);
		return code;
	}
	CHECK(uv_timer_init(&l->uv, &l->tick) == 0 && uv_idle_init(&l->uv, &l->idle) == 0);
	CHECK(uv_tcp_init(&l->uv, &l->listener) == 0);
	l->async.data = l->tick.data = l->idle.data = l->listener.data = l;
	code = uv_tcp_open(&l->listener, fd);
	if (code != 0) {
		close(fd);
		return code;
	}
	return uv_listen((uv_stream_t *)&l->listener, BACKLOG, on_connection);
}

int loop_init(struct loop *l, struct http_server *s, int fd, struct error *err)
{
	l->magic = LOOP_MAGIC;
	l->server = s;
	l->id_state = (uint64_t)clock_wall_ns() + ((uint64_t)(l - s->loops) << 56);
	TAILQ_INIT(&l->conns);
	TAILQ_INIT(&l->blocked);
	TAILQ_INIT(&l->yielded);
	TAILQ_INIT(&l->handed);
	pthread_mutex_init(&l->lock, NULL);
	l->inbox_end = &l->inbox;
	int code = uv_loop_init(&l->uv);
	if (code != 0) {
		close(fd);
		return error_set(err, code, "cannot make an event loop: %s", uv_strerror(code));
	}
	l->has_uv = true;
	code = init_handles(l, fd);
	if (code != 0)
		return error_set(err, code, "cannot listen on %s: %s", s->address, uv_strerror(code));
	l->open = true;
	return 0;
}

static void *run(void *arg)
{
	struct loop *l = loop_of(arg);
	char name[16];

	snprintf(name, sizeof name, "http-%u", (unsigned)(l - l->server->loops) & 0xffff);
	pthread_setname_np(pthread_self(), name);
	uv_run(&l->uv, UV_RUN_DEFAULT);
	return NULL;
}

/* Signals belong to the main thread; SIGPIPE to nobody: a write to a client that has gone is an error like any other. */
int loop_start(struct loop *l, struct error *err)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int code = pthread_create(&l->thread, NULL, run, l);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (code != 0)
		return error_set(err, -code, "cannot start an HTTP thread: %s", strerror(code));
	l->has_thread = true;
	return 0;
}

static void close_any(uv_handle_t *handle, void *arg)
{
	(void)arg;
	close_handle(handle);
}

void loop_join(struct loop *l)
{
	if (l->has_thread)
		CHECK(pthread_join(l->thread, NULL) == 0);
	l->has_thread = false;
	if (!l->has_uv)
		return;
	l->has_uv = false;
	close_inbox(l);
	uv_walk(&l->uv, close_any, NULL); /* whatever a thread that never ran has left */
	uv_run(&l->uv, UV_RUN_DEFAULT);
	CHECK(uv_loop_close(&l->uv) == 0);
}

void loop_deinit(struct loop *l)
{
	if (l->magic == 0)
		return;
	while (!TAILQ_EMPTY(&l->handed)) {
		struct http_request *req = TAILQ_FIRST(&l->handed);
		TAILQ_REMOVE(&l->handed, req, handed);
		request_free(req);
	}
	while (l->request_pool != NULL) {
		struct http_request *req = l->request_pool;
		l->request_pool = req->pool_next;
		request_free(req);
	}
	while (l->conn_pool != NULL) {
		struct conn *c = l->conn_pool;
		l->conn_pool = c->pool_next;
		mem_free(c);
	}
	for (int i = 0; i < ENCODING_UNKNOWN; i++)
		inflater_free(l->inflaters[i]);
	pthread_mutex_destroy(&l->lock);
	l->magic = 0;
}

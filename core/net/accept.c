/* New connections: taken, or turned away with an answer. */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/internal.h"

enum { POOL_MAX = 1024, REFUSED_MAX = 16 };

static struct conn *conn_new(struct loop *l)
{
	struct conn *c = l->conn_pool;
	if (c != NULL) {
		l->conn_pool = c->pool_next;
		l->conns_pooled--;
	} else {
		c = mem_alloc(sizeof *c);
		if (c == NULL)
			return NULL;
	}
	memset(c, 0, sizeof *c);
	c->magic = CONN_MAGIC;
	c->loop = l;
	return c;
}

void conn_free(struct conn *c)
{
	struct loop *l = c->loop;
	c->magic = 0;
	if (l->conns_pooled == POOL_MAX) {
		mem_free(c);
		return;
	}
	c->pool_next = l->conn_pool;
	l->conn_pool = c;
	l->conns_pooled++;
}

void conn_refused(struct loop *l, const char *why)
{
	count(&l->counters.connections_refused, 1);
	l->refused_new++;
	if (l->refused_log_ns != 0 && l->now_ns - l->refused_log_ns < NS_PER_S)
		return;
	LOG(LOG_WARN, "connections are refused", log_str("reason", why), log_int("refused", l->refused_new));
	l->refused_log_ns = l->now_ns;
	l->refused_new = 0;
}

/* One too many: it gets its answer if that fits into the socket, as it does, and a moment to read it. */
static void refuse(struct conn *c)
{
	struct loop *l = c->loop;
	struct http_server *s = l->server;
	uv_buf_t answer = uv_buf_init(s->refusal, (unsigned)s->refusal_len);

	conn_refused(l, "too many connections");
	uv_try_write((uv_stream_t *)&c->tcp, &answer, 1);
	if (l->refused_open > REFUSED_MAX)
		conn_close(c);
	else
		conn_linger(c);
}

void conn_accept(struct loop *l)
{
	struct http_server *s = l->server;
	struct conn *c = conn_new(l);

	l->now_ns = clock_mono_ns();
	l->accept_waits = c == NULL; /* libuv accepts nothing more until this one is taken */
	if (c == NULL) {
		loop_watch(l);
		return;
	}
	CHECK(uv_tcp_init(&l->uv, &c->tcp) == 0);
	c->tcp.data = c;
	c->since_ns = l->now_ns;
	c->refused = __atomic_add_fetch(&s->connections, 1, __ATOMIC_RELAXED) > s->options.max_connections;
	TAILQ_INSERT_TAIL(&l->conns, c, all);
	if (c->refused) {
		__atomic_sub_fetch(&s->connections, 1, __ATOMIC_RELAXED);
		l->refused_open++;
	} else {
		count(&l->counters.connections, 1);
		count(&l->counters.connections_total, 1);
	}
	loop_watch(l);
	if (uv_accept((uv_stream_t *)&l->listener, (uv_stream_t *)&c->tcp) != 0)
		conn_close(c);
	else if (c->refused)
		refuse(c);
	else
		conn_read(c);
}

/* The server's own structs. Each loop's are touched by that loop's thread alone, but for what is marked.
 *
 * A request is counted by who needs it: its connection, its handler, a write, a piece of work. It outlives its connection while a handler has it. */
#ifndef MOONGATE_NET_INTERNAL_H
#define MOONGATE_NET_INTERNAL_H

#include <netinet/in.h>
#include <pthread.h>
#include <sys/queue.h>
#include <uv.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/clock.h"
#include "net/admit.h"
#include "net/net.h"
#include "net/reader.h"
#include "net/stream.h"

enum {
	SERVER_MAGIC = 0x6d677376,
	LOOP_MAGIC = 0x6d676c70,
	CONN_MAGIC = 0x6d67636e,
	REQUEST_MAGIC = 0x6d677271,
};

enum { READ_BYTES = 64 * 1024, REPLY_HEAD_MAX = 512, REQUEST_ID_MAX = 64 };

struct loop;
struct conn;

struct http_request {
	unsigned magic;
	unsigned refs;
	struct loop *loop;
	struct conn *conn; /* NULL: the client has gone. Loop thread only */
	struct reader reader;
	struct admission admission;
	const struct http_route *route;
	struct arena arena; /* decoded parameters */
	char id[REQUEST_ID_MAX];
	uint32_t id_len;
	uint64_t body_wire;     /* the body's bytes as sent */
	enum inflated inflated; /* by a worker */
	uv_work_t work;
	void (*work_fn)(void *ctx, struct http_request *req);
	void *work_ctx;
	bool handed_out; /* to a handler; on the loop's list of those */
	bool abandoned;  /* atomic: the client has gone, or shut down its side. Written by the loop */

	/* The reply: written by the one who replies, then read by the loop. */
	bool replied;
	int status;
	struct buf out;    /* Content-Type and further headers, the empty line, the body if it is not lent */
	size_t body_at;    /* where in `out` the body begins */
	struct slice lent; /* the body, while `release` is not NULL */
	void (*release)(void *owner);
	void *owner;
	bool streams;          /* the body is made while it is sent */
	struct stream *stream; /* owned; NULL: nothing more will come of it */
	size_t body_len;       /* as Content-Length says */
	size_t body_sent;      /* its bytes that go over the wire: none for HEAD */

	/* Sending: loop thread. */
	bool close_after; /* the reply says Connection: close */
	bool linger;      /* the client may still be sending what nobody reads */
	char head[REPLY_HEAD_MAX];
	size_t head_len;
	size_t sent;  /* of head and out */
	size_t slice; /* bytes of the write in progress */
	uv_write_t write;

	struct http_request *inbox_next; /* under the loop's lock */
	TAILQ_ENTRY(http_request) handed;
	struct http_request *pool_next;
};

enum conn_state {
	CONN_IDLE,    /* between requests */
	CONN_HEAD,    /* reading a head */
	CONN_BODY,    /* reading a body */
	CONN_HANDLER, /* a request is being inflated, or is with its handler */
	CONN_WRITE,   /* a reply does not fit into the socket */
	CONN_LINGER,  /* answered and shut down; what comes is thrown away, so that the answer is not lost by a reset */
	CONN_CLOSING,
};

struct conn {
	unsigned magic;
	enum conn_state state;
	uv_tcp_t tcp;
	struct loop *loop;
	struct http_request *req; /* being read, handled or answered; NULL in CONN_IDLE, CONN_LINGER and CONN_CLOSING */
	int64_t since_ns;         /* when the state began; in CONN_WRITE, when bytes last moved */
	char *pending;            /* bytes behind the current request, owned; while there are some, nothing is read */
	size_t pending_at, pending_len;
	uint64_t lingered;    /* bytes thrown away */
	size_t blocked_bytes; /* memory of a reply that waits for the client; on the loop's list of those when not 0 */
	size_t held_bytes;    /* by the owner of its reply's body meanwhile */
	bool reading;         /* uv_read_start is on */
	bool direct;          /* the read in progress goes into the body */
	bool feeding;         /* conn_feed is on the stack */
	bool eof;             /* the client has shut down its side */
	bool refused;         /* one connection too many: not counted */
	TAILQ_ENTRY(conn) all;
	TAILQ_ENTRY(conn) blocked;
	bool yielding; /* on the loop's list of those */
	TAILQ_ENTRY(conn) yielded;
	struct conn *pool_next;
};

TAILQ_HEAD(conn_list, conn);
TAILQ_HEAD(request_list, http_request);

/* Written by the loop's thread, read by any: relaxed atomics. */
struct counters {
	uint64_t connections, connections_total, connections_refused, requests, responses[6], bytes_in, bytes_out,
	    timeouts, limited;
};

struct loop {
	unsigned magic;
	struct http_server *server;
	uv_loop_t uv;
	uv_tcp_t listener;
	uv_async_t async;
	uv_timer_t tick;
	uv_idle_t idle; /* runs while connections yield */
	pthread_t thread;
	bool has_uv, has_thread;
	bool ticking;
	bool stopping;          /* begin_stop was here; what clients are told follows is_stopping() */
	bool accept_waits;      /* a connection could not be taken for want of memory */
	int64_t refused_log_ns; /* when refusals were last logged */
	uint64_t refused_new;   /* since then */
	uint32_t refused_open;  /* refused connections that linger */
	struct conn_list conns; /* all but closing ones */
	struct conn_list blocked;
	size_t blocked_bytes, held_bytes; /* of all of them */
	struct conn_list yielded;
	struct request_list handed; /* requests that handlers have */
	uint32_t handed_count;
	struct conn *conn_pool;
	struct http_request *request_pool;
	uint32_t conns_pooled, requests_pooled;
	struct inflater *inflaters[ENCODING_UNKNOWN]; /* one idle one of a kind */
	int64_t now_ns;                               /* monotonic, when the current callback began */
	int64_t date_s;                               /* what `date` stands for */
	char date[32];
	uint64_t id_state; /* of made-up request ids */
	struct counters counters;

	pthread_mutex_t lock; /* the fields below; any thread */
	bool open;            /* `async` may be used */
	struct http_request *inbox, **inbox_end;

	char read_buffer[READ_BYTES];
};

struct http_server {
	unsigned magic;
	struct http_options options;
	struct http_token *tokens; /* owned */
	struct rate *rates;        /* owned: one a token, then that of requests without one */
	struct gate gate;
	struct reader_limits limits;
	struct budget budget;
	struct loop *loops; /* owned */
	char address[80];
	char refusal[256]; /* the whole answer to a connection too many */
	size_t refusal_len;
	int64_t tick_ms;
	uint64_t connections;   /* atomic: open and counted */
	int stopping;           /* atomic */
	int64_t grace_until_ns; /* set before `stopping` */
	bool started;
};

/* Has the end begun? True a moment before the loops notice. */
static inline bool is_stopping(const struct http_server *s)
{
	return __atomic_load_n(&s->stopping, __ATOMIC_ACQUIRE) != 0;
}

static inline void count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

/* ---- listen.c ---- */

/* Makes `n` sockets that share one address, which it writes to `address`. 0, or a negative errno with a sentence; then none is left open. */
int listen_open(const char *listen, uint32_t n, int *fds, char *address, size_t size, struct error *err);

/* ---- loop.c ---- */

int loop_init(struct loop *l, struct http_server *s, int fd, struct error *err);
int loop_start(struct loop *l, struct error *err);
/* Joins the thread, or runs the loop to its end where it never had one. */
void loop_join(struct loop *l);
/* Frees what loop_join left: pools, and requests that nobody replied to. */
void loop_deinit(struct loop *l);
/* Makes the timer run while there is something to watch. */
void loop_watch(struct loop *l);
/* Hands a replied request to its loop, from any thread. */
void loop_post(struct http_request *req);
/* Takes from and gives to the loop's store of idle inflaters; NULL when memory is out. */
struct inflater *loop_inflater(struct loop *l, enum encoding encoding);
void loop_inflater_put(struct loop *l, enum encoding encoding, struct inflater *f);

/* The connection has bytes of further requests at hand, which come after the others have had their turn. */
void loop_yield(struct conn *c);
void loop_unyield(struct conn *c);

/* ---- accept.c ---- */

/* Accepts one connection. */
void conn_accept(struct loop *l);
/* A connection was turned away: counts it, and says so in the log once a second. */
void conn_refused(struct loop *l, const char *why);
/* Gives a closed connection's memory to the pool. */
void conn_free(struct conn *c);

/* ---- conn.c ---- */

/* Begins to read, or goes on. */
void conn_read(struct conn *c);
/* Goes on with the bytes that came early, then with reading. */
void conn_resume(struct conn *c);
/* Shuts down our side and throws away what still comes, for a while. */
void conn_linger(struct conn *c);
/* Closes at once; a request with a handler goes on without it. */
void conn_close(struct conn *c);
/* Likewise, and the client is told by a reset: for one who does not read. What he was sent would stay in the kernel, for as long as he acknowledges its probes. */
void conn_abort(struct conn *c);
/* The reply to c->req is with the kernel. */
void conn_replied(struct conn *c);
/* Looks whether a timeout has passed. */
void conn_check(struct conn *c);

/* ---- dispatch.c ---- */

/* The head is complete: admits or refuses. `more`: bytes of the body are at hand already. */
void dispatch_head(struct conn *c, bool more);
/* The request is complete: inflates, then calls the handler. */
void dispatch_request(struct conn *c);
/* Answers c->req by the server itself and closes. */
void dispatch_refuse(struct conn *c, struct refusal no);

/* ---- send.c ---- */

/* The replied `req` goes to its client, if there still is one; the handler's count on it ends. */
void send_reply(struct http_request *req);
/* The connection no longer waits for its client to read. */
void send_unblock(struct conn *c);
/* Tells the client to go on with the body. False when the connection is broken. */
bool send_continue(struct conn *c);

/* ---- request.c ---- */

struct http_request *request_new(struct loop *l);
void request_ref(struct http_request *req);
void request_unref(struct http_request *req);
void request_free(struct http_request *req);
/* Chooses the id: the client's, or one made up. */
void request_identify(struct http_request *req);
/* The request that the handler running on this thread was called with, or NULL. */
extern _Thread_local struct http_request *request_running;

/* ---- reply.c ---- */

/* Renders a reply into the request. */
void reply_render(struct http_request *req, const struct http_reply *reply);
/* Gives a lent body back. */
void reply_release(struct http_request *req);

/* ---- gzip.c ---- */

/* Does an Accept-Encoding allow gzip? */
bool gzip_accepted(struct slice accept_encoding);
/* Appends `in`, compressed. 0 or -ENOMEM. Any thread. */
int gzip_append(struct buf *out, struct slice in);
/* The same part by part, one thread at a time. NULL when memory is out. */
struct gzip_stream;
struct gzip_stream *gzip_stream_new(void);
void gzip_stream_free(struct gzip_stream *s);
int gzip_stream_put(struct gzip_stream *s, struct slice in, bool last, struct buf *out);

#endif

/* The load of `make bench` and of the torture rows: keep-alive connections that post bodies of events, and the CPU time that the server used for them.
 *
 * Without a rate each connection sends its next body when the last one was answered. With one, bodies are due at fixed times and
 * latency counts from when a body was due, so that a stalled server cannot hide behind a client that waits for it.
 *
 * With --patience it is a client as it should be: what was not acknowledged, because the connection was lost or the server refused it for now (429, 503,
 * 507), is sent again with the same ids, until nothing at all has been acknowledged for so many seconds. With --give-up a refused body is left alone; a
 * lost one, of which nobody knows, is still sent again. The result is what the server has to have on its books.
 *
 * SIGTERM ends the run early: nothing new is begun, and what is under way is waited for.
 *
 * CPU time is the server process's own, from /proc/<pid>/stat, and holds on a machine that others use too. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "load/body.h"

enum { BODIES = 8, LATENCIES_MAX = 4 << 20, REPLY_MAX = 65536 };

#define NS_PER_MS INT64_C(1000000)
#define RECONNECT_NS (10 * NS_PER_MS)

struct options {
	struct body_options body;
	long pid;
	uint32_t connections;
	uint64_t total;
	double rate; /* events a second; 0: as fast as answers come */
	uint64_t seed;
	bool print;
	bool any_answer;   /* of a server that does not count events */
	double patience;   /* seconds; 0: every loss and refusal is a failure */
	bool give_up;      /* what was refused is not sent again */
	uint32_t again_ms; /* pause before a refused body is sent again */
};

struct connection {
	int fd; /* -1: there is none */
	bool busy;
	struct body body; /* its own copy: ids differ */
	size_t sent;
	char reply[REPLY_MAX];
	size_t got;
	int64_t due_ns;  /* when the body was due */
	int64_t sent_ns; /* when it was last begun to be sent */
	int64_t wake_ns; /* busy without anything under way: when to send again; else 0 */
};

struct counts {
	uint64_t sent, answered, failed;    /* events; sent ones once, however often they were sent again */
	uint64_t acknowledged, sum;         /* events of 2xx answers, and their values */
	uint64_t duplicate;                 /* of them: known already, as the server says */
	uint64_t lost, refused;             /* bodies: no answer; 429, 503 or 507 */
	uint64_t without_retry_after;       /* of the refused */
	int64_t refusal_max_ns, gap_max_ns; /* the slowest refusal; the longest time without an acknowledgement */
};

static struct options opt = {
    .body = {.host = "127.0.0.1", .port = "4318", .path = "/v1/events", .events = 1000, .users = 2000},
    .connections = 8,
    .total = 1000000,
    .again_ms = 100,
    .seed = 1};
static uint64_t next_id;
static struct counts counts;
static int64_t last_acknowledged_ns;
static float *latencies;
static uint64_t latency_count;
static volatile sig_atomic_t ending;

static void on_term(int number)
{
	(void)number;
	ending = 1;
}

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/* ---- connections ---- */

static bool try_connect(struct connection *c, int epoll)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(opt.body.port))};
	inet_pton(AF_INET, opt.body.host, &to.sin_addr);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		die("socket");
	if (connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0) {
		close(c->fd);
		c->fd = -1;
		return false;
	}
	int on = 1;
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &ev) != 0)
		die("epoll_ctl");
	return true;
}

static void want(struct connection *c, int epoll, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = c};
	if (epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &ev) != 0)
		die("epoll_ctl");
}

static void drop(struct connection *c)
{
	close(c->fd);
	c->fd = -1;
}

/* The connection has gone. Whether the body was taken nobody knows: it is sent again. */
static void lose(struct connection *c, const char *how)
{
	if (opt.patience == 0)
		die(how);
	drop(c);
	if (!c->busy)
		return;
	counts.lost++;
	c->wake_ns = now_ns() + RECONNECT_NS;
}

static void continue_sending(struct connection *c, int epoll)
{
	while (c->sent < c->body.len) {
		ssize_t n = send(c->fd, c->body.bytes + c->sent, c->body.len - c->sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN) {
			want(c, epoll, EPOLLIN | EPOLLOUT);
			return;
		}
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) {
			/* An answer may stand in the socket all the same: reading tells. */
			want(c, epoll, EPOLLIN);
			return;
		}
		if (n < 0)
			die("send");
		c->sent += (size_t)n;
	}
	want(c, epoll, EPOLLIN);
}

static void send_body(struct connection *c, int epoll)
{
	c->sent = c->got = 0;
	c->wake_ns = 0;
	c->sent_ns = now_ns();
	if (c->fd >= 0 || try_connect(c, epoll))
		continue_sending(c, epoll);
	else if (opt.patience == 0)
		die("connect");
	else
		c->wake_ns = c->sent_ns + RECONNECT_NS;
}

static void begin_sending(struct connection *c, int epoll, int64_t due_ns)
{
	body_renumber(&c->body, &opt.body, &next_id);
	c->busy = true;
	c->due_ns = due_ns;
	counts.sent += opt.body.events;
	send_body(c, epoll);
}

/* ---- answers ---- */

/* The value of a header of the reply, or NULL. */
static const char *header(const struct connection *c, const char *name, const char *end)
{
	const char *at = strcasestr(c->reply, name);
	return at != NULL && at < end ? at + strlen(name) : NULL;
}

/* Where the head ends when the whole reply is there, else NULL. */
static const char *reply_head_end(struct connection *c)
{
	c->reply[c->got] = '\0';
	const char *end = strstr(c->reply, "\r\n\r\n");
	if (end == NULL)
		return NULL;
	const char *length = header(c, "\r\ncontent-length:", end);
	size_t body = length != NULL ? strtoul(length, NULL, 10) : 0;
	return c->got >= (size_t)(end + 4 - c->reply) + body ? end : NULL;
}

static uint64_t count_in(const char *json, const char *name)
{
	const char *at = strstr(json, name);
	return at != NULL ? strtoull(at + strlen(name), NULL, 10) : 0;
}

static void acknowledged(struct connection *c, int64_t now)
{
	uint64_t duplicate = count_in(c->reply, "\"duplicate\":");
	if (!opt.any_answer && count_in(c->reply, "\"accepted\":") + duplicate != opt.body.events) {
		fprintf(stderr, "load: not all events were taken: %.300s\n", c->reply);
		exit(1);
	}
	counts.acknowledged += opt.body.events;
	counts.duplicate += duplicate;
	counts.sum += c->body.sum;
	if (now - last_acknowledged_ns > counts.gap_max_ns)
		counts.gap_max_ns = now - last_acknowledged_ns;
	last_acknowledged_ns = now;
}

static bool is_refused_for_now(int status)
{
	return status == 429 || status == 503 || status == 507;
}

static void refused(struct connection *c, const char *head_end, int64_t now)
{
	counts.refused++;
	counts.without_retry_after += header(c, "\r\nretry-after:", head_end) == NULL;
	if (now - c->sent_ns > counts.refusal_max_ns)
		counts.refusal_max_ns = now - c->sent_ns;
	if (!opt.give_up)
		c->wake_ns = now + opt.again_ms * NS_PER_MS;
}

static void answered(struct connection *c, const char *head_end)
{
	int64_t now = now_ns();
	int status = strncmp(c->reply, "HTTP/1.1 ", 9) == 0 ? atoi(c->reply + 9) : 0;
	const char *closes = header(c, "\r\nconnection: close", head_end);
	if (closes != NULL || c->sent < c->body.len)
		drop(c); /* what of the body is left would be taken for a request */
	if (opt.patience > 0 && is_refused_for_now(status)) {
		refused(c, head_end, now);
		if (c->wake_ns != 0)
			return;
	} else if (status == 200) {
		acknowledged(c, now);
	} else {
		if (counts.failed == 0)
			fprintf(stderr, "load: first refusal: %.300s\n", c->reply);
		counts.failed += opt.body.events;
	}
	counts.answered += opt.body.events;
	if (latency_count < LATENCIES_MAX)
		latencies[latency_count++] = (float)(now - c->due_ns) / 1e6f;
	c->busy = false;
}

static void receive(struct connection *c)
{
	ssize_t n = recv(c->fd, c->reply + c->got, REPLY_MAX - 1 - c->got, 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || !c->busy) {
		lose(c, n <= 0 ? "the server closed a connection" : "an answer that was not asked for");
		return;
	}
	c->got += (size_t)n;
	const char *head_end = reply_head_end(c);
	if (head_end != NULL)
		answered(c, head_end);
}

/* ---- the run ---- */

static void be_patient(void)
{
	if (opt.patience == 0 || (double)(now_ns() - last_acknowledged_ns) / 1e9 < opt.patience)
		return;
	fprintf(stderr, "load: nothing was acknowledged for %g s\n", opt.patience);
	exit(1);
}

static void send_again(struct connection *conns, int epoll)
{
	int64_t now = now_ns();
	for (uint32_t i = 0; i < opt.connections; i++) {
		if (conns[i].wake_ns != 0 && conns[i].wake_ns <= now)
			send_body(&conns[i], epoll);
	}
}

static void pump(struct connection *conns, int epoll, int timeout_ms)
{
	struct epoll_event ready[256];
	if (opt.patience > 0 && timeout_ms > 10)
		timeout_ms = 10;
	int n = epoll_wait(epoll, ready, 256, timeout_ms);
	if (ending)
		opt.total = counts.sent;
	for (int i = 0; i < n; i++) {
		struct connection *c = ready[i].data.ptr;
		if (ready[i].events & EPOLLOUT)
			continue_sending(c, epoll);
		if (ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
			receive(c);
		if (opt.rate == 0 && !c->busy && counts.sent < opt.total)
			begin_sending(c, epoll, now_ns());
	}
	if (opt.patience == 0)
		return;
	send_again(conns, epoll);
	be_patient();
}

static void run_closed(struct connection *conns, int epoll)
{
	for (uint32_t i = 0; i < opt.connections && counts.sent < opt.total; i++)
		begin_sending(&conns[i], epoll, now_ns());
	while (counts.answered < counts.sent)
		pump(conns, epoll, 1000);
}

static void run_open(struct connection *conns, int epoll)
{
	double interval_ns = 1e9 * opt.body.events / opt.rate;
	int64_t start = now_ns();
	uint64_t scheduled = 0;
	uint32_t at = 0;
	for (;;) {
		uint64_t bodies = opt.total / opt.body.events;
		if (scheduled >= bodies && counts.answered >= counts.sent)
			break;
		int64_t due = start + (int64_t)((double)scheduled * interval_ns);
		uint32_t tried = 0;
		while (scheduled < bodies && due <= now_ns() && tried < opt.connections) {
			struct connection *c = &conns[at++ % opt.connections];
			tried++;
			if (c->busy)
				continue;
			begin_sending(c, epoll, due);
			due = start + (int64_t)((double)++scheduled * interval_ns);
			tried = 0;
		}
		int64_t left_ns = due - now_ns();
		bool wait = tried == opt.connections || left_ns > 100 * NS_PER_MS || scheduled >= bodies;
		pump(conns, epoll, wait ? 100 : left_ns > 0 ? (int)(left_ns / NS_PER_MS) : 0);
	}
}

static double server_cpu_seconds(void)
{
	char path[64], text[1024];
	snprintf(path, sizeof path, "/proc/%ld/stat", opt.pid);
	FILE *f = fopen(path, "re");
	if (f == NULL)
		return 0;
	size_t n = fread(text, 1, sizeof text - 1, f);
	fclose(f);
	text[n] = '\0';
	char *at = strrchr(text, ')'); /* fields 14 and 15 of proc(5); the name may hold spaces */
	unsigned long user = 0, sys = 0;
	if (at == NULL || sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys) != 2)
		return 0;
	return (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
}

static long peak_kib(void)
{
	char path[64], line[256];
	snprintf(path, sizeof path, "/proc/%ld/status", opt.pid);
	FILE *f = fopen(path, "re");
	long kib = 0;
	while (f != NULL && fgets(line, sizeof line, f) != NULL)
		sscanf(line, "VmHWM: %ld", &kib);
	if (f != NULL)
		fclose(f);
	return kib;
}

static int by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;
	return (x > y) - (x < y);
}

static float quantile(double q)
{
	return latency_count == 0 ? 0 : latencies[(uint64_t)(q * (double)(latency_count - 1))];
}

/* ---- options ---- */

static void usage(void)
{
	fprintf(
	    stderr,
	    "usage: bench_load --port P --pid PID [--events N] [--connections C] [--total E] [--rate R]"
	    " [--users U] [--path /v1/events] [--seed S] [--print] [--any-answer] [--books] [--pad BYTES] [--items N]"
	    " [--patience SECONDS [--give-up] [--again-ms MS]]\n");
	exit(2);
}

static bool read_flag(const char *name)
{
	if (strcmp(name, "--any-answer") == 0)
		opt.any_answer = true;
	else if (strcmp(name, "--print") == 0)
		opt.print = true;
	else if (strcmp(name, "--books") == 0)
		opt.body.books = true;
	else if (strcmp(name, "--give-up") == 0)
		opt.give_up = true;
	else
		return false;
	return true;
}

static bool read_text(const char *name, const char *value)
{
	if (strcmp(name, "--port") == 0)
		opt.body.port = value;
	else if (strcmp(name, "--path") == 0)
		opt.body.path = value;
	else
		return false;
	return true;
}

static bool read_number(const char *name, const char *value)
{
	uint64_t n = strtoull(value, NULL, 10);
	if (strcmp(name, "--pid") == 0)
		opt.pid = (long)n;
	else if (strcmp(name, "--events") == 0)
		opt.body.events = (uint32_t)n;
	else if (strcmp(name, "--connections") == 0)
		opt.connections = (uint32_t)n;
	else if (strcmp(name, "--users") == 0)
		opt.body.users = (uint32_t)n;
	else if (strcmp(name, "--pad") == 0)
		opt.body.pad = (uint32_t)n;
	else if (strcmp(name, "--items") == 0)
		opt.body.items = (uint32_t)n;
	else if (strcmp(name, "--total") == 0)
		opt.total = n;
	else if (strcmp(name, "--seed") == 0)
		opt.seed = n;
	else if (strcmp(name, "--again-ms") == 0)
		opt.again_ms = (uint32_t)n;
	else if (strcmp(name, "--rate") == 0)
		opt.rate = atof(value);
	else if (strcmp(name, "--patience") == 0)
		opt.patience = atof(value);
	else
		return false;
	return true;
}

static void read_options(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (read_flag(argv[i]))
			continue;
		const char *name = argv[i];
		const char *value = i + 1 < argc ? argv[++i] : "";
		if (!read_text(name, value) && !read_number(name, value))
			usage();
	}
	if (opt.body.events == 0 || opt.connections == 0 || opt.body.users == 0) {
		fprintf(stderr, "load: --events, --connections and --users want a number above 0\n");
		exit(2);
	}
}

/* Ids of one run never meet those of another, begun in the same second too. */
static uint64_t first_id(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	uint64_t us = (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
	return us << 1 & ((UINT64_C(1) << 48) - 1);
}

static void print_result(double seconds, double cpu)
{
	qsort(latencies, latency_count, sizeof *latencies, by_value);
	printf("{\"events\":%" PRIu64 ",\"per_body\":%u,\"connections\":%u,\"failed\":%" PRIu64
	       ",\"seconds\":%.3f,\"cpu_seconds\":%.2f,\"events_per_cpu_second\":%.0f,\"events_per_second\":%.0f,"
	       "\"p50_ms\":%.2f,\"p99_ms\":%.2f,\"max_ms\":%.2f,\"peak_mib\":%.1f,",
	       counts.answered, opt.body.events, opt.connections, counts.failed, seconds, cpu,
	       cpu > 0 ? (double)counts.answered / cpu : 0, (double)counts.answered / seconds, (double)quantile(0.5),
	       (double)quantile(0.99), (double)quantile(1), (double)peak_kib() / 1024);
	printf("\"acknowledged\":%" PRIu64 ",\"sum\":%" PRIu64 ",\"duplicate\":%" PRIu64 ",\"lost\":%" PRIu64
	       ",\"refused\":%" PRIu64 ",\"without_retry_after\":%" PRIu64
	       ",\"refusal_max_ms\":%.2f,\"gap_max_ms\":%.2f}\n",
	       counts.acknowledged, counts.sum, counts.duplicate, counts.lost, counts.refused,
	       counts.without_retry_after, (double)counts.refusal_max_ns / 1e6, (double)counts.gap_max_ns / 1e6);
}

int main(int argc, char **argv)
{
	read_options(argc, argv);
	body_seed(opt.seed);
	next_id = first_id();
	struct body bodies[BODIES];
	for (uint32_t i = 0; i < BODIES; i++)
		body_make(&bodies[i], &opt.body);
	if (opt.print) {
		fwrite(bodies[0].bytes, 1, bodies[0].len, stdout);
		return 0;
	}
	signal(SIGTERM, on_term);
	latencies = malloc(LATENCIES_MAX * sizeof *latencies);
	struct connection *conns = calloc(opt.connections, sizeof *conns);
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	if (latencies == NULL || conns == NULL || epoll < 0)
		die("start");
	for (uint32_t i = 0; i < opt.connections; i++) {
		body_copy(&conns[i].body, &bodies[i % BODIES]);
		conns[i].fd = -1;
		if (!try_connect(&conns[i], epoll) && opt.patience == 0)
			die("connect");
	}
	double cpu = server_cpu_seconds();
	int64_t start = last_acknowledged_ns = now_ns();
	(opt.rate > 0 ? run_open : run_closed)(conns, epoll);
	print_result((double)(now_ns() - start) / 1e9, server_cpu_seconds() - cpu);
	return counts.failed == 0 ? 0 : 1;
}

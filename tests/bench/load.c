/* The load of `make bench`: keep-alive connections that post bodies of events, and the CPU time that the server used for them.
 *
 * Without a rate each connection sends its next body when the last one was answered. With one, bodies are due at fixed times and
 * latency counts from when a body was due, so that a stalled server cannot hide behind a client that waits for it.
 *
 * Bodies are made once and only their ids and users are changed between sends, so that the client stays cheap beside the server. CPU time is the
 * server process's own, from /proc/<pid>/stat, and holds on a machine that others use too. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BODIES = 8, ID_DIGITS = 12, USER_DIGITS = 6, LATENCIES_MAX = 4 << 20, REPLY_MAX = 65536 };

struct options {
	const char *host, *port, *path;
	long pid;
	uint32_t events, connections, users;
	uint64_t total;
	double rate; /* events a second; 0: as fast as answers come */
	uint64_t seed;
	bool print;
};

struct body {
	char *bytes; /* head and body of the request */
	size_t len;
	size_t *ids;   /* offset of each event's id digits */
	size_t *users; /* and of its user's */
};

struct connection {
	int fd;
	bool busy;
	struct body body; /* its own copy: ids differ */
	size_t sent;
	char reply[REPLY_MAX];
	size_t got;
	int64_t due_ns;
};

static struct options opt = {.host = "127.0.0.1",
                             .port = "4318",
                             .path = "/v1/events",
                             .events = 1000,
                             .connections = 8,
                             .users = 2000,
                             .total = 1000000,
                             .seed = 1};
static uint64_t next_id, random_state;
static uint64_t answered, failed, sent_events;
static float *latencies;
static uint64_t latency_count;

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

/* xorshift64*: the same stream for the same seed. */
static uint32_t draw(uint32_t below)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (uint32_t)((random_state * UINT64_C(2685821657736338717)) >> 32) % below;
}

/* ---- bodies ---- */

static int put_model_call(char *to, size_t room, const char *time)
{
	static const char *const models[] = {"gpt-4o", "gpt-4o-mini", "gpt-4.1", "claude-sonnet-4-5",
	                                     "claude-haiku-4-5"};
	static const char *const templates[] = {"support", "research", "coder", "triage"};
	bool fails = draw(50) == 0;
	return snprintf(to, room,
	                "{\"type\":\"model.call\",\"time\":\"%s\",\"id\":\"ev-%0*d\",\"agent_id\":\"a-%03u\","
	                "\"template_id\":\"%s\","
	                "\"user_id\":\"u-%0*x\",\"model\":\"%s\",\"input_tokens\":%u,\"output_tokens\":%u,\"cached_"
	                "input_tokens\":%u,"
	                "\"duration_ms\":%u.%u,\"status\":\"%s\"%s}",
	                time, ID_DIGITS, 0, draw(200), templates[draw(4)], USER_DIGITS, 0, models[draw(5)],
	                200 + draw(4000), 20 + draw(900), draw(200), 200 + draw(9000), draw(10),
	                fails ? "failed" : "success", fails ? ",\"error_type\":\"rate_limit\"" : "");
}

static int put_tool_call(char *to, size_t room, const char *time)
{
	static const char *const tools[] = {"search", "calculator", "browser", "sql", "email"};
	bool fails = draw(20) == 0;
	return snprintf(
	    to, room,
	    "{\"type\":\"tool.call\",\"time\":\"%s\",\"id\":\"ev-%0*d\",\"agent_id\":\"a-%03u\",\"user_id\":\"u-%0*x\","
	    "\"tool_name\":\"%s\",\"status\":\"%s\",\"duration_ms\":%u.%u,\"request_id\":\"req-%08x%08x\","
	    "\"arguments_bytes\":%u,\"result_bytes\":%u%s}",
	    time, ID_DIGITS, 0, draw(200), USER_DIGITS, 0, tools[draw(5)], fails ? "failed" : "success", 5 + draw(3000),
	    draw(10), draw(UINT32_MAX), draw(UINT32_MAX), draw(2000), draw(20000),
	    fails ? ",\"error_type\":\"timeout\"" : "");
}

static void make_body(struct body *b, bool only_model_calls)
{
	size_t room = (size_t)opt.events * 512 + 1024;
	char *events = malloc(room);
	b->bytes = malloc(room + 512);
	b->ids = malloc(opt.events * sizeof *b->ids);
	b->users = malloc(opt.events * sizeof *b->users);
	if (events == NULL || b->bytes == NULL || b->ids == NULL || b->users == NULL)
		die("memory");
	struct timespec ts;
	struct tm tm;
	char time[64];
	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%S.123Z", &tm);
	size_t len = 0;
	for (uint32_t i = 0; i < opt.events; i++) {
		size_t start = len;
		bool model = only_model_calls || draw(10) < 7;
		len += (size_t)(model ? put_model_call : put_tool_call)(events + len, room - len, time);
		b->ids[i] = (size_t)(strstr(events + start, "\"ev-") - events) + 4;
		b->users[i] = (size_t)(strstr(events + start, "\"u-") - events) + 3;
		events[len++] = '\n';
	}
	int head =
	    sprintf(b->bytes,
	            "POST %s HTTP/1.1\r\nHost: %s:%s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
	            opt.path, opt.host, opt.port, len);
	memcpy(b->bytes + head, events, len);
	b->len = (size_t)head + len;
	for (uint32_t i = 0; i < opt.events; i++) {
		b->ids[i] += (size_t)head;
		b->users[i] += (size_t)head;
	}
	free(events);
}

static void put_hex(char *to, int digits, uint64_t v)
{
	static const char hex[] = "0123456789abcdef";
	for (int d = digits - 1; d >= 0; d--, v >>= 4)
		to[d] = hex[v & 15];
}

static void renumber(struct body *b)
{
	for (uint32_t i = 0; i < opt.events; i++) {
		put_hex(b->bytes + b->ids[i], ID_DIGITS, next_id++);
		put_hex(b->bytes + b->users[i], USER_DIGITS, draw(opt.users));
	}
}

/* ---- connections ---- */

static void open_connection(struct connection *c, int epoll)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(opt.port))};
	inet_pton(AF_INET, opt.host, &to.sin_addr);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0)
		die("connect");
	int on = 1;
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &ev) != 0)
		die("epoll_ctl");
}

static void want(struct connection *c, int epoll, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = c};
	if (epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &ev) != 0)
		die("epoll_ctl");
}

static void continue_sending(struct connection *c, int epoll)
{
	while (c->sent < c->body.len) {
		ssize_t n = send(c->fd, c->body.bytes + c->sent, c->body.len - c->sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN) {
			want(c, epoll, EPOLLIN | EPOLLOUT);
			return;
		}
		if (n < 0)
			die("send");
		c->sent += (size_t)n;
	}
	want(c, epoll, EPOLLIN);
}

static void begin_sending(struct connection *c, int epoll, int64_t due_ns)
{
	renumber(&c->body);
	c->sent = c->got = 0;
	c->busy = true;
	c->due_ns = due_ns;
	sent_events += opt.events;
	continue_sending(c, epoll);
}

/* Whether the whole reply is there. */
static bool reply_complete(struct connection *c)
{
	c->reply[c->got] = '\0';
	char *end = strstr(c->reply, "\r\n\r\n");
	if (end == NULL)
		return false;
	char *length = strcasestr(c->reply, "\r\ncontent-length:");
	size_t body = length != NULL && length < end ? strtoul(length + 17, NULL, 10) : 0;
	return c->got >= (size_t)(end + 4 - c->reply) + body;
}

static void receive(struct connection *c)
{
	ssize_t n = recv(c->fd, c->reply + c->got, REPLY_MAX - 1 - c->got, 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		die("the server closed a connection");
	c->got += (size_t)n;
	if (!reply_complete(c))
		return;
	bool fine = strncmp(c->reply, "HTTP/1.1 200", 12) == 0;
	if (!fine && failed == 0)
		fprintf(stderr, "load: first refusal: %.300s\n", c->reply);
	answered += opt.events;
	failed += fine ? 0 : opt.events;
	if (latency_count < LATENCIES_MAX)
		latencies[latency_count++] = (float)(now_ns() - c->due_ns) / 1e6f;
	c->busy = false;
}

/* ---- the run ---- */

static void pump(struct connection *conns, int epoll, int timeout_ms)
{
	struct epoll_event ready[256];
	int n = epoll_wait(epoll, ready, 256, timeout_ms);
	for (int i = 0; i < n; i++) {
		struct connection *c = ready[i].data.ptr;
		if (ready[i].events & EPOLLOUT)
			continue_sending(c, epoll);
		if (ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
			receive(c);
		if (opt.rate == 0 && !c->busy && sent_events < opt.total)
			begin_sending(c, epoll, now_ns());
	}
	(void)conns;
}

static void run_closed(struct connection *conns, int epoll)
{
	for (uint32_t i = 0; i < opt.connections && sent_events < opt.total; i++)
		begin_sending(&conns[i], epoll, now_ns());
	while (answered < sent_events)
		pump(conns, epoll, 1000);
}

static void run_open(struct connection *conns, int epoll)
{
	double interval_ns = 1e9 * opt.events / opt.rate;
	int64_t start = now_ns();
	uint64_t scheduled = 0;
	uint64_t bodies = opt.total / opt.events;
	uint32_t at = 0;
	while (scheduled < bodies || answered < sent_events) {
		int64_t due = start + (int64_t)((double)scheduled * interval_ns);
		for (uint32_t tried = 0; scheduled < bodies && due <= now_ns() && tried < opt.connections; tried++) {
			struct connection *c = &conns[at++ % opt.connections];
			if (c->busy)
				continue;
			begin_sending(c, epoll, due);
			due = start + (int64_t)((double)++scheduled * interval_ns);
			tried = 0;
		}
		int64_t left_ms = (due - now_ns()) / 1000000;
		pump(conns, epoll, left_ms < 0 ? 0 : left_ms > 100 ? 100 : (int)left_ms);
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

static void read_options(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *name = argv[i];
		if (strcmp(name, "--print") == 0) {
			opt.print = true;
			continue;
		}
		const char *value = i + 1 < argc ? argv[++i] : "";
		if (strcmp(name, "--port") == 0)
			opt.port = value;
		else if (strcmp(name, "--path") == 0)
			opt.path = value;
		else if (strcmp(name, "--pid") == 0)
			opt.pid = atol(value);
		else if (strcmp(name, "--events") == 0)
			opt.events = (uint32_t)atol(value);
		else if (strcmp(name, "--connections") == 0)
			opt.connections = (uint32_t)atol(value);
		else if (strcmp(name, "--users") == 0)
			opt.users = (uint32_t)atol(value);
		else if (strcmp(name, "--total") == 0)
			opt.total = strtoull(value, NULL, 10);
		else if (strcmp(name, "--rate") == 0)
			opt.rate = atof(value);
		else if (strcmp(name, "--seed") == 0)
			opt.seed = strtoull(value, NULL, 10);
		else {
			fprintf(
			    stderr,
			    "usage: bench_load --port P --pid PID [--events N] [--connections C] [--total E] [--rate R]"
			    " [--users U] [--path /v1/events] [--seed S] [--print]\n");
			exit(2);
		}
	}
	if (opt.events == 0 || opt.connections == 0 || opt.users == 0)
		die("--events, --connections and --users want a number above 0");
}

int main(int argc, char **argv)
{
	read_options(argc, argv);
	random_state = opt.seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	next_id = (uint64_t)time(NULL) << 24; /* ids of one run never meet those of another */
	struct body first;
	make_body(&first, false);
	if (opt.print) {
		renumber(&first);
		fwrite(first.bytes, 1, first.len, stdout);
		return 0;
	}
	latencies = malloc(LATENCIES_MAX * sizeof *latencies);
	struct connection *conns = calloc(opt.connections, sizeof *conns);
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	if (latencies == NULL || conns == NULL || epoll < 0)
		die("start");
	for (uint32_t i = 0; i < opt.connections; i++) {
		if (i < BODIES)
			make_body(&conns[i].body, false);
		else { /* a copy of an earlier body is as good: users and models repeat, ids do not */
			conns[i].body = conns[i % BODIES].body;
			conns[i].body.bytes = malloc(conns[i].body.len);
			if (conns[i].body.bytes == NULL)
				die("memory");
			memcpy(conns[i].body.bytes, conns[i % BODIES].body.bytes, conns[i].body.len);
		}
		open_connection(&conns[i], epoll);
	}
	double cpu = server_cpu_seconds();
	int64_t start = now_ns();
	(opt.rate > 0 ? run_open : run_closed)(conns, epoll);
	double seconds = (double)(now_ns() - start) / 1e9;
	cpu = server_cpu_seconds() - cpu;
	qsort(latencies, latency_count, sizeof *latencies, by_value);
	printf("{\"events\":%" PRIu64 ",\"per_body\":%u,\"connections\":%u,\"bytes_per_event\":%.0f,\"failed\":%" PRIu64
	       ",\"seconds\":%.3f,\"cpu_seconds\":%.2f,\"events_per_cpu_second\":%.0f,\"events_per_second\":%.0f,"
	       "\"p50_ms\":%.2f,\"p99_ms\":%.2f,\"max_ms\":%.2f,\"peak_mib\":%.1f}\n",
	       answered, opt.events, opt.connections, (double)first.len / opt.events, failed, seconds, cpu,
	       cpu > 0 ? (double)answered / cpu : 0, (double)answered / seconds, (double)quantile(0.5),
	       (double)quantile(0.99), (double)quantile(1), (double)peak_kib() / 1024);
	return failed == 0 ? 0 : 1;
}

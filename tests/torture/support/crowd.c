/* Clients that nobody wants, by the thousand: what Lua's one socket at a time cannot be.
 *
 *   torture_crowd --port P --senders N --readers M --path /metrics --seconds S   slow senders and slow readers
 *   torture_crowd --port P --connects N --seconds S                             connections, as fast as they come
 *
 * A sender sends a byte of its headers every 200 ms; every second one has sent its headers at once and does so with its body. A reader asks for `path` and
 * reads a byte every 200 ms. Each goes on until the server closes or `seconds` have passed. A connect says nothing, and stays.
 *
 * Prints "ready" when all are connected and one line of JSON at the end: how many connections were made, how many the server closed, after how
 * many seconds at the latest, how many it answered. SIGTERM ends it early. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 512, RECEIVE_BYTES = 4096, STEP_MS = 200, TURNS = 20 };

enum kind { SLOW_HEADERS, SLOW_BODY, SLOW_READER, SILENT };

struct client {
	int fd; /* -1: the server has closed it */
	enum kind kind;
	size_t sent;
	bool answered;
	int64_t began_ns;
};

static struct {
	int port;
	uint32_t senders, readers, connects;
	const char *path;
	double seconds;
} opt = {.path = "/metrics", .seconds = 20};

static struct {
	uint32_t made, failed, closed, answered;
	int64_t closed_max_ns;
} counts;

static volatile sig_atomic_t ending;

static void on_term(int number)
{
	(void)number;
	ending = 1;
}

static void die(const char *what)
{
	fprintf(stderr, "crowd: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/* ---- one client ---- */

static void over(struct client *c)
{
	int64_t lasted = now_ns() - c->began_ns;
	close(c->fd);
	c->fd = -1;
	counts.closed++;
	if (lasted > counts.closed_max_ns)
		counts.closed_max_ns = lasted;
}

static bool begin(struct client *c, int epoll)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port)};
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		die("socket");
	int small = RECEIVE_BYTES;
	if (c->kind == SLOW_READER)
		setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	c->began_ns = now_ns();
	if (connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0) {
		close(c->fd);
		c->fd = -1;
		counts.failed++;
		return false;
	}
	counts.made++;
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	/* A reader is not asked whether there is something to read: only whether the server has gone. */
	struct epoll_event ev = {.events = c->kind == SLOW_READER ? EPOLLRDHUP : EPOLLIN | EPOLLRDHUP, .data.ptr = c};
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &ev) != 0)
		die("epoll_ctl");
	return true;
}

static void say(struct client *c, const char *text, size_t len)
{
	ssize_t n = send(c->fd, text, len, MSG_NOSIGNAL);
	if (n > 0)
		c->sent += (size_t)n;
}

static void first_words(struct client *c)
{
	char text[256];
	int n = 0;
	if (c->kind == SLOW_BODY)
		n = snprintf(text, sizeof text,
		             "POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n");
	else if (c->kind == SLOW_READER)
		n = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", opt.path);
	if (n > 0)
		say(c, text, (size_t)n);
}

/* What each does now and then. */
static void step(struct client *c)
{
	static const char head[] = "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";
	char byte;
	if (c->kind == SLOW_HEADERS)
		say(c, c->sent < sizeof head - 1 ? &head[c->sent] : "x", 1);
	else if (c->kind == SLOW_BODY)
		say(c, " ", 1);
	else if (c->kind == SLOW_READER && recv(c->fd, &byte, 1, 0) == 1)
		c->answered = true;
}

/* An answer, or the end. */
static void hear(struct client *c)
{
	char bytes[RECEIVE_BYTES];
	ssize_t n = recv(c->fd, bytes, sizeof bytes, c->kind == SLOW_READER ? MSG_PEEK : 0);
	if (n > 0 && !c->answered) {
		c->answered = true;
		counts.answered++;
	}
	if (n == 0 || (n < 0 && errno != EAGAIN))
		over(c);
}

/* A reader that the server has closed on may have bytes left to read: those do not matter. */
static void on_event(struct client *c, uint32_t events)
{
	bool gone = (events & (EPOLLHUP | EPOLLERR)) != 0 || (c->kind == SLOW_READER && (events & EPOLLRDHUP) != 0);
	if (c->fd < 0)
		return;
	if (gone)
		over(c);
	else
		hear(c);
}

/* ---- all of them ---- */

static void poll_once(int epoll, int timeout_ms)
{
	struct epoll_event ready[EVENTS];
	int n = epoll_wait(epoll, ready, EVENTS, timeout_ms);
	for (int i = 0; i < n; i++)
		on_event(ready[i].data.ptr, ready[i].events);
}

static void run(struct client *clients, uint32_t n, int epoll)
{
	int64_t until = now_ns() + (int64_t)(opt.seconds * 1e9);
	int64_t next_step = now_ns();
	uint32_t turn = 0;
	while (!ending && now_ns() < until && (counts.closed < counts.made || opt.connects > 0)) {
		if (now_ns() >= next_step) {
			/* Each has its own moment: they do not know of each other. */
			next_step += STEP_MS * INT64_C(1000000) / TURNS;
			for (uint32_t i = turn++ % TURNS; i < n; i += TURNS) {
				if (clients[i].fd >= 0)
					step(&clients[i]);
			}
		}
		int64_t left_ms = (next_step - now_ns()) / 1000000;
		poll_once(epoll, left_ms > 0 ? (int)left_ms : 0);
	}
}

static void raise_descriptors(uint32_t n)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_max < n + 16) {
		errno = EMFILE;
		die("the limit of open files is too low for so many");
	}
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

static void read_options(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i += 2) {
		const char *name = argv[i], *value = argv[i + 1];
		if (strcmp(name, "--port") == 0)
			opt.port = atoi(value);
		else if (strcmp(name, "--senders") == 0)
			opt.senders = (uint32_t)atol(value);
		else if (strcmp(name, "--readers") == 0)
			opt.readers = (uint32_t)atol(value);
		else if (strcmp(name, "--connects") == 0)
			opt.connects = (uint32_t)atol(value);
		else if (strcmp(name, "--path") == 0)
			opt.path = value;
		else if (strcmp(name, "--seconds") == 0)
			opt.seconds = atof(value);
		else {
			fprintf(stderr, "crowd: what is %s?\n", name);
			exit(2);
		}
	}
}

static enum kind kind_of(uint32_t i)
{
	if (i < opt.senders)
		return i % 2 == 0 ? SLOW_HEADERS : SLOW_BODY;
	return i < opt.senders + opt.readers ? SLOW_READER : SILENT;
}

int main(int argc, char **argv)
{
	read_options(argc, argv);
	uint32_t n = opt.senders + opt.readers + opt.connects;
	raise_descriptors(n);
	signal(SIGTERM, on_term);
	struct client *clients = calloc(n + 1, sizeof *clients);
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	if (clients == NULL || epoll < 0)
		die("start");
	for (uint32_t i = 0; i < n && !ending; i++) {
		clients[i].kind = kind_of(i);
		if (begin(&clients[i], epoll))
			first_words(&clients[i]);
		if (i % 64 == 0)
			poll_once(epoll, 0);
	}
	printf("ready\n");
	fflush(stdout);
	run(clients, n, epoll);
	printf("{\"made\":%u,\"failed\":%u,\"closed\":%u,\"closed_max_s\":%.2f,\"answered\":%u}\n", counts.made,
	       counts.failed, counts.closed, (double)counts.closed_max_ns / 1e9, counts.answered);
	return 0;
}

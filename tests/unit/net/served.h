/* A server on a free port and clients with blocking sockets, for the tests that go over the wire. */
#ifndef MOONGATE_TEST_NET_SERVED_H
#define MOONGATE_TEST_NET_SERVED_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "net/net.h"

enum { PATIENCE_S = 20 };

static struct http_server *server;
static uint16_t port;

/* Starts a server: `o` needs its routes only. */
__attribute__((unused)) static void serve(struct http_options *o)
{
	struct error err = {0};
	if (o->listen == NULL)
		o->listen = "127.0.0.1:0";
	server = http_server_new(o, &err);
	if (server == NULL)
		fail_msg("%s", err.text);
	port = (uint16_t)atoi(strrchr(http_server_address(server), ':') + 1);
	if (http_server_start(server, &err) != 0)
		fail_msg("%s", err.text);
}

__attribute__((unused)) static struct http_stats stats(void)
{
	struct http_stats s;
	http_server_stats(server, &s);
	return s;
}

/* Stops it; nothing may be left on the budget. */
__attribute__((unused)) static void unserve(void)
{
	http_server_stop(server, NS_PER_S);
	assert_int_equal(stats().bodies_bytes, 0);
	assert_int_equal(stats().connections, 0);
	http_server_free(server);
	server = NULL;
}

__attribute__((unused)) static void wait_a_little(time_t deadline, const char *what)
{
	if (time(NULL) > deadline)
		fail_msg("waited in vain for %s", what);
	usleep(500);
}

/* Waits for a condition. */
#define WAIT_FOR(condition)                                                                                            \
	for (time_t until_ = time(NULL) + PATIENCE_S; !(condition);) {                                                 \
		wait_a_little(until_, #condition);                                                                     \
	}

struct client {
	int fd;
	struct buf in; /* read and not yet looked at */
};

struct answer {
	int status;
	struct buf head; /* with a NUL behind it */
	struct buf body; /* the same */
	bool closes;
};

__attribute__((unused)) static struct client dial(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct timeval patience = {.tv_sec = PATIENCE_S};
	struct client c = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	assert_true(c.fd >= 0);
	assert_int_equal(setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
	assert_int_equal(setsockopt(c.fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience), 0);
	int on = 1;
	assert_int_equal(setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
	assert_int_equal(connect(c.fd, (struct sockaddr *)&a, sizeof a), 0);
	return c;
}

__attribute__((unused)) static void hang_up(struct client *c)
{
	close(c->fd);
	buf_free(&c->in);
	c->fd = -1;
}

/* Sends all bytes; false when the server has closed meanwhile. */
__attribute__((unused)) static bool say_bytes(struct client *c, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = send(c->fd, bytes, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes += n;
		len -= (size_t)n;
	}
	return true;
}

__attribute__((unused)) static bool say(struct client *c, const char *text)
{
	return say_bytes(c, text, strlen(text));
}

/* Reads more; false at the end. */
__attribute__((unused)) static bool hear_more(struct client *c)
{
	char *to = buf_room(&c->in, 65536);
	assert_non_null(to);
	ssize_t n = recv(c->fd, to, 65536, 0);
	if (n < 0 && errno == EAGAIN)
		fail_msg("no answer within %d s", PATIENCE_S);
	if (n <= 0)
		return false;
	c->in.len += (size_t)n;
	return true;
}

__attribute__((unused)) static const char *header_of(const struct answer *a, const char *name)
{
	static char value[512];
	size_t len = strlen(name);
	for (const char *line = strstr(a->head.ptr, "\r\n"); line != NULL; line = strstr(line + 2, "\r\n")) {
		const char *at = line + 2;
		if (strncasecmp(at, name, len) != 0 || at[len] != ':')
			continue;
		const char *end = strstr(at, "\r\n");
		snprintf(value, sizeof value, "%.*s", (int)(end - at - (ptrdiff_t)len - 2), at + len + 2);
		return value;
	}
	return NULL;
}

__attribute__((unused)) static void answer_free(struct answer *a)
{
	buf_free(&a->head);
	buf_free(&a->body);
}

static void cut(struct buf *to, struct buf *from, size_t len)
{
	buf_reset(to);
	buf_append(to, from->ptr, len);
	buf_byte(to, '\0');
	to->len--;
	memmove(from->ptr, from->ptr + len, from->len - len);
	from->len -= len;
}

/* Reads one answer to `method`; false when the server closes before its head is complete. */
__attribute__((unused)) static bool hear_to(struct client *c, struct answer *a, const char *method)
{
	char *end;
	for (;;) {
		end = c->in.len > 0 ? memmem(c->in.ptr, c->in.len, "\r\n\r\n", 4) : NULL;
		if (end != NULL)
			break;
		if (!hear_more(c))
			return false;
	}
	cut(&a->head, &c->in, (size_t)(end + 4 - c->in.ptr));
	assert_int_equal(strncmp(a->head.ptr, "HTTP/1.1 ", 9), 0);
	a->status = atoi(a->head.ptr + 9);
	const char *connection = header_of(a, "Connection");
	a->closes = connection != NULL && strcmp(connection, "close") == 0;
	const char *length = header_of(a, "Content-Length");
	size_t len = length != NULL && strcmp(method, "HEAD") != 0 ? strtoull(length, NULL, 10) : 0;
	assert_true(length != NULL || a->status == 204 || a->status == 304 || a->status < 200);
	while (c->in.len < len)
		assert_true(hear_more(c));
	cut(&a->body, &c->in, len);
	return true;
}

__attribute__((unused)) static bool hear(struct client *c, struct answer *a)
{
	return hear_to(c, a, "GET");
}

/* Nothing more comes and the server has closed its side. */
__attribute__((unused)) static void hear_end(struct client *c)
{
	while (c->in.len == 0 && hear_more(c))
		;
	if (c->in.len > 0)
		fail_msg("after the last answer: %.*s", (int)c->in.len, c->in.ptr);
}

/* Sends bytes on a connection of their own and reads one answer, which must be an error with JSON, if it is one. */
__attribute__((unused)) static int ask_bytes(const char *bytes, size_t len, struct answer *a)
{
	struct client c = dial();
	say_bytes(&c, bytes, len);
	if (!hear(&c, a))
		fail_msg("no answer");
	if (a->status >= 400 && strncmp(a->body.ptr, "{\"error\":{\"code\":\"", 18) != 0)
		fail_msg("an error without JSON: %s", a->body.ptr);
	if (a->closes)
		hear_end(&c);
	hang_up(&c);
	return a->status;
}

__attribute__((unused)) static int ask(const char *text)
{
	struct answer a = {0};
	int status = ask_bytes(text, strlen(text), &a);
	answer_free(&a);
	return status;
}

/* A handler that sends the body back. */
__attribute__((unused)) static void echo(void *ctx, struct http_request *req)
{
	(void)ctx;
	http_reply(req, &(struct http_reply){
	                    .status = 200,
	                    .content_type = "application/octet-stream",
	                    .body = http_request_body(req),
	                });
}

#endif

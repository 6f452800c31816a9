/* The demo's HTTP client. */
#include "cli/http_client.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_MAX = 16384, REPLY_MAX = 1 << 20, WAIT_S = 30 };

static int refuse_url(const char *url, struct error *err)
{
	return error_set(err, -EINVAL, "%s: wanted a URL such as http://127.0.0.1:4318", url);
}

/* Splits "host", "host:port", "[address]" or "[address]:port" of `len` bytes. */
static bool split_authority(struct http_client *c, const char *text, size_t len)
{
	bool brackets = len > 0 && text[0] == '[';
	const char *host = brackets ? text + 1 : text;
	const char *host_end = memchr(host, brackets ? ']' : ':', len - brackets);
	if (host_end == NULL && brackets)
		return false;
	if (host_end == NULL)
		host_end = text + len;
	const char *behind = host_end + brackets;
	size_t left = len - (size_t)(behind - text);
	if (left > 0 && *behind != ':')
		return false;
	struct slice port = left > 0 ? slice_new(behind + 1, left - 1) : SLICE("80");
	size_t host_len = (size_t)(host_end - host);
	if (host_len == 0 || host_len >= sizeof c->host || port.len == 0 || port.len >= sizeof c->port ||
	    memchr(port.ptr, ':', port.len) != NULL)
		return false;
	snprintf(c->host, sizeof c->host, "%.*s", (int)host_len, host);
	snprintf(c->port, sizeof c->port, "%.*s", SLICE_ARG(port));
	snprintf(c->authority, sizeof c->authority, brackets ? "[%s]:%s" : "%s:%s", c->host, c->port);
	return true;
}

int http_client_init(struct http_client *c, const char *url, const char *path, struct error *err)
{
	static const char scheme[] = "http://";
	*c = (struct http_client){.fd = -1};
	if (strncmp(url, scheme, sizeof scheme - 1) != 0)
		return refuse_url(url, err);
	const char *host = url + sizeof scheme - 1;
	const char *slash = strchr(host, '/');
	if (!split_authority(c, host, slash != NULL ? (size_t)(slash - host) : strlen(host)))
		return refuse_url(url, err);
	const char *base = slash != NULL ? slash : "";
	size_t base_len = strlen(base);
	while (base_len > 0 && base[base_len - 1] == '/')
		base_len--;
	if (snprintf(c->path, sizeof c->path, "%.*s%s", (int)base_len, base, path) >= (int)sizeof c->path)
		return error_set(err, -EINVAL, "%s: the path is too long", url);
	return 0;
}

void http_client_close(struct http_client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static int open_connection(struct http_client *c, struct error *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
	int code = getaddrinfo(c->host, c->port, &hints, &list);
	if (code != 0)
		return error_set(err, -EHOSTUNREACH, "%s: %s", c->authority, gai_strerror(code));
	int failure = EHOSTUNREACH;
	for (struct addrinfo *a = list; a != NULL && c->fd < 0; a = a->ai_next) {
		c->fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, 0);
		if (c->fd < 0 || connect(c->fd, a->ai_addr, a->ai_addrlen) == 0)
			continue;
		failure = errno;
		http_client_close(c);
	}
	freeaddrinfo(list);
	if (c->fd < 0)
		return error_set(err, -failure, "%s: %s", c->authority, strerror(failure));
	int on = 1;
	struct timeval wait = {.tv_sec = WAIT_S};
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
	setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
	return 0;
}

static int send_all(int fd, struct slice s)
{
	while (s.len > 0) {
		ssize_t n = send(fd, s.ptr, s.len, MSG_NOSIGNAL);
		if (n < 0)
			return -errno;
		s = slice_new(s.ptr + n, s.len - (size_t)n);
	}
	return 0;
}

/* The value of a header of the reply's head, or NULL. */
static const char *header(const char *head, const char *name)
{
	size_t len = strlen(name);
	for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line + 2, "\r\n")) {
		if (strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':')
			return line + 3 + len;
	}
	return NULL;
}

static int receive(struct http_client *c, struct buf *b)
{
	char *to = buf_room(b, 8192);
	if (to == NULL)
		return -ENOMEM;
	ssize_t n = recv(c->fd, to, 8191, 0);
	if (n <= 0)
		return n == 0 ? -ECONNRESET : -errno;
	b->len += (size_t)n;
	b->ptr[b->len] = '\0';
	return 0;
}

/* Reads one answer; its body is left in `b`. */
static int read_reply(struct http_client *c, struct buf *b, int *retry_after_s)
{
	const char *end = NULL;
	buf_reset(b);
	while (end == NULL) {
		int code = receive(c, b);
		if (code != 0)
			return code;
		end = strstr(b->ptr, "\r\n\r\n");
		if (end == NULL && b->len > HEAD_MAX)
			return -EPROTO;
	}
	size_t head = (size_t)(end - b->ptr) + 4;
	const char *length = header(b->ptr, "Content-Length");
	const char *retry = header(b->ptr, "Retry-After");
	const char *connection = header(b->ptr, "Connection");
	size_t body = length != NULL ? strtoul(length, NULL, 10) : 0;
	int status = strncmp(b->ptr, "HTTP/1.", 7) == 0 ? (int)strtol(b->ptr + 9, NULL, 10) : -EPROTO;
	bool closes = connection != NULL && strncasecmp(connection, " close", 6) == 0;
	*retry_after_s = retry != NULL ? (int)strtol(retry, NULL, 10) : 0;
	if (status < 100 || body > REPLY_MAX)
		return -EPROTO;
	while (b->len < head + body) {
		int code = receive(c, b);
		if (code != 0)
			return code;
	}
	memmove(b->ptr, b->ptr + head, body);
	b->len = body;
	if (closes)
		http_client_close(c);
	return status;
}

int http_client_post(struct http_client *c, struct slice body, struct buf *reply, int *retry_after_s, struct error *err)
{
	char head[1024];
	int code = c->fd < 0 ? open_connection(c, err) : 0;
	if (code != 0)
		return code;
	int len = snprintf(
	    head, sizeof head,
	    "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-ndjson\r\nContent-Length: %zu\r\n\r\n",
	    c->path, c->authority, body.len);
	code = send_all(c->fd, slice_new(head, (size_t)len));
	if (code == 0)
		code = send_all(c->fd, body);
	if (code == 0)
		code = read_reply(c, reply, retry_after_s);
	if (code >= 0)
		return code;
	http_client_close(c);
	return error_set(err, code, "%s: %s", c->authority, strerror(-code));
}

/* Listening sockets: one for each loop, sharing a port, so that the kernel spreads connections and no loop waits for another. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/internal.h"

enum {
	SEND_BYTES = 192 * 1024, /* the kernel doubles it */
	UNSENT_BYTES = 64 * 1024
};

/* "127.0.0.1:4318", "[::1]:0", "localhost:80". */
static int split(const char *listen, char *host, size_t size, const char **port, struct error *err)
{
	const char *colon = strrchr(listen, ':');
	size_t len = colon != NULL ? (size_t)(colon - listen) : 0;
	const char *from = listen;
	if (len > 2 && listen[0] == '[' && listen[len - 1] == ']') {
		from++;
		len -= 2;
	}
	if (len == 0 || len >= size || (from == listen && memchr(listen, ':', len) != NULL))
		return error_set(err, -EINVAL, "cannot listen on \"%s\": wanted ADDRESS:PORT or [IPV6]:PORT", listen);
	memcpy(host, from, len);
	host[len] = '\0';
	*port = colon + 1;
	size_t digits = strspn(*port, "0123456789");
	if (digits == 0 || digits > 5 || (*port)[digits] != '\0' || strtoul(*port, NULL, 10) > 65535)
		return error_set(err, -EINVAL, "cannot listen on \"%s\": the port must be a number from 0 to 65535",
		                 listen);
	return 0;
}

static int resolve(const char *listen, struct sockaddr_storage *to, socklen_t *len, struct error *err)
{
	char host[256];
	const char *port = NULL;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	struct addrinfo *found = NULL;

	int code = split(listen, host, sizeof host, &port, err);
	if (code != 0)
		return code;
	int failed = getaddrinfo(host, port, &hints, &found);
	if (failed != 0) {
		error_set(err, -EINVAL, "cannot listen on \"%s\": %s", listen, gai_strerror(failed));
		return -EINVAL;
	}
	memcpy(to, found->ai_addr, found->ai_addrlen);
	*len = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

/* A bound socket, or a negative errno. Its options are inherited by its connections: TCP_NODELAY, and a send buffer of a fixed size, because by
 * itself the kernel would take in 4 MiB for each client that does not read, and take its time for it. What no client has room for is bounded besides: five
 * hundred large answers to clients that do not read would keep the loop copying for a tenth of a second. */
static int open_socket(const struct sockaddr_storage *address, socklen_t len, bool shared)
{
	int on = 1;
	int send_bytes = SEND_BYTES;
	int unsent_bytes = UNSENT_BYTES;
	int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	bool ok = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
	          setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
	          setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof send_bytes) == 0 &&
	          setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_bytes, sizeof unsent_bytes) == 0 &&
	          (!shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0) &&
	          bind(fd, (const struct sockaddr *)address, len) == 0;
	if (ok)
		return fd;
	int code = -errno;
	close(fd);
	return code;
}

static in_port_t *port_of(struct sockaddr_storage *a)
{
	return a->ss_family == AF_INET6 ? &((struct sockaddr_in6 *)a)->sin6_port : &((struct sockaddr_in *)a)->sin_port;
}

/* With SO_REUSEPORT a second process would silently take half of the connections: a socket without it finds out first. */
static int probe(const struct sockaddr_storage *address, socklen_t len)
{
	int fd = open_socket(address, len, false);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static void format_address(struct sockaddr_storage *a, char *out, size_t size)
{
	char host[INET6_ADDRSTRLEN] = "";
	unsigned port = ntohs(*port_of(a));
	bool six = a->ss_family == AF_INET6;
	const void *bytes = six ? (const void *)&((struct sockaddr_in6 *)a)->sin6_addr
	                        : (const void *)&((struct sockaddr_in *)a)->sin_addr;
	inet_ntop(a->ss_family, bytes, host, sizeof host);
	snprintf(out, size, six ? "[%s]:%u" : "%s:%u", host, port);
}

int listen_open(const char *listen, uint32_t n, int *fds, char *address, size_t size, struct error *err)
{
	struct sockaddr_storage a = {0};
	socklen_t len = 0;
	uint32_t opened = 0;

	int code = resolve(listen, &a, &len, err);
	if (code != 0)
		return code;
	if (*port_of(&a) != 0)
		code = probe(&a, len);
	for (; code == 0 && opened < n; opened++) {
		int fd = open_socket(&a, len, true);
		if (fd < 0) {
			code = fd;
			break;
		}
		fds[opened] = fd;
		if (opened == 0 && getsockname(fd, (struct sockaddr *)&a, &len) != 0) /* the port, where it was 0 */
			code = -errno;
	}
	if (code == 0) {
		format_address(&a, address, size);
		return 0;
	}
	while (opened > 0)
		close(fds[--opened]);
	return error_set(err, code, "cannot listen on \"%s\": %s", listen, strerror(-code));
}

/* One request on a connection of its own, without taking memory: its answers may come from a server that has none. */
#ifndef MOONGATE_TORTURE_TALK_H
#define MOONGATE_TORTURE_TALK_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static bool talk_send(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
		bytes += n;
		len -= (size_t)n;
	}
	return true;
}

/* Sends head and body to a port of this machine and reads until the server closes. The status of the answer; 0: there was none; −1: there was something else,
 * or nothing within 20 s. */
static int talk(uint16_t port, const char *head, const char *body, size_t body_len)
{
	static char in[1 << 20];
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct timeval patience = {.tv_sec = 20};
	size_t len = 0;
	ssize_t n = -1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0) {
		if (talk_send(fd, head, strlen(head)))
			talk_send(fd, body, body_len);
		while (len < sizeof in - 1 && (n = recv(fd, in + len, sizeof in - 1 - len, 0)) > 0)
			len += (size_t)n;
	}
	bool reset = n < 0 && errno == ECONNRESET;
	close(fd);
	in[len] = '\0';
	if (n < 0 && !reset)
		return -1;
	if (len == 0)
		return 0;
	return strncmp(in, "HTTP/1.1 ", 9) == 0 ? atoi(in + 9) : -1;
}

#endif

/* A small blocking HTTP/1.1 client for `moongate demo`: one keep-alive connection, POST only, http:// only. */
#ifndef MOONGATE_CLI_HTTP_CLIENT_H
#define MOONGATE_CLI_HTTP_CLIENT_H

#include "base/buf.h"
#include "base/error.h"

struct http_client {
	char host[256], port[8], path[512];
	char authority[272]; /* host and port as they stand in a URL: "[::1]:4318" */
	int fd;
};

/* Takes "http://host:port/base" apart (an IPv6 address in brackets); `path` is put behind the base. 0, or -EINVAL with a sentence. Nothing is connected yet. */
int http_client_init(struct http_client *c, const char *url, const char *path, struct error *err);

/* Posts a body and reads the answer: the status (and *retry_after_s where the server asks for it), or a negative errno with a sentence; the connection is then closed and the next
 * call makes a new one. Waits 30 seconds at most. */
int http_client_post(struct http_client *c, struct slice body, struct buf *reply, int *retry_after_s,
                     struct error *err);

void http_client_close(struct http_client *c);

#endif

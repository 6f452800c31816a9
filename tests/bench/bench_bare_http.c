/* The least that an HTTP server on libuv and llhttp can do: parse requests, count the bytes of their bodies, answer 200. One loop, nothing checked, no timeouts.
 * `make bench` measures the gateway next to it: what lies between the two is the gateway's own.
 *
 *   bench_bare_http [PORT]    PORT 0, the default, takes a free one; prints the port, then serves until it is killed. */
#include <llhttp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { READ_BYTES = 65536, BACKLOG = 1024 };

struct connection {
	uv_tcp_t tcp;
	llhttp_t parser;
};

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 42\r\n\r\n"
                             "{\"accepted\":1,\"duplicate\":0,\"rejected\":[]}";

static char bytes[READ_BYTES];
static unsigned long long counted;

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void hang_up(struct connection *c)
{
	if (!uv_is_closing((uv_handle_t *)&c->tcp))
		uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
	(void)parser;
	(void)at;
	counted += len;
	return 0;
}

static int on_complete(llhttp_t *parser)
{
	struct connection *c = parser->data;
	uv_buf_t buf = uv_buf_init((char *)(uintptr_t)answer, sizeof answer - 1);
	if (uv_try_write((uv_stream_t *)&c->tcp, &buf, 1) != (int)sizeof answer - 1)
		hang_up(c);
	return 0;
}

static const llhttp_settings_t settings = {.on_body = on_body, .on_message_complete = on_complete};

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	(void)handle;
	(void)suggested;
	*buf = uv_buf_init(bytes, sizeof bytes);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct connection *c = stream->data;
	if (n < 0 || (n > 0 && llhttp_execute(&c->parser, buf->base, (size_t)n) != HPE_OK))
		hang_up(c);
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct connection *c = status == 0 ? calloc(1, sizeof *c) : NULL;
	if (c == NULL || uv_tcp_init(listener->loop, &c->tcp) != 0) {
		fprintf(stderr, "bare: a connection could not be taken\n");
		exit(1);
	}
	llhttp_init(&c->parser, HTTP_REQUEST, &settings);
	c->tcp.data = c->parser.data = c;
	if (uv_accept(listener, (uv_stream_t *)&c->tcp) != 0 ||
	    uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) != 0)
		hang_up(c);
}

int main(int argc, char **argv)
{
	uv_tcp_t listener;
	struct sockaddr_in address;
	int size = sizeof address;

	setvbuf(stdout, NULL, _IOLBF, 0);
	int failed = uv_ip4_addr("127.0.0.1", argc > 1 ? atoi(argv[1]) : 0, &address);
	if (failed == 0)
		failed = uv_tcp_init(uv_default_loop(), &listener);
	if (failed == 0)
		failed = uv_tcp_bind(&listener, (const struct sockaddr *)&address, 0);
	if (failed == 0)
		failed = uv_listen((uv_stream_t *)&listener, BACKLOG, on_connection);
	if (failed == 0)
		failed = uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &size);
	if (failed != 0) {
		fprintf(stderr, "bare: cannot listen: %s\n", uv_strerror(failed));
		return 1;
	}
	printf("%u\n", ntohs(address.sin_port));
	return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

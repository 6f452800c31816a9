/* The server as a whole: options, loops, the orderly end, figures. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/process.h"
#include "net/internal.h"
#include "net/status.h"

enum { THREADS_MAX = 256, TICK_MIN_MS = 10, TICK_MAX_MS = 250 };
enum { DESCRIPTORS_KEPT = 256 }; /* for files, listening sockets, refused connections */

static int64_t or_default(int64_t value, int64_t standard)
{
	return value > 0 ? value : standard;
}

static void set_options(struct http_server *s, const struct http_options *from)
{
	struct http_options *o = &s->options;
	*o = *from;
	o->threads = (uint32_t)or_default(o->threads, 1);
	o->max_connections = (uint32_t)or_default(o->max_connections, 10000);
	o->header_bytes = (uint32_t)or_default(o->header_bytes, 16384);
	o->body_bytes = o->body_bytes > 0 ? o->body_bytes : UINT64_C(16) << 20;
	o->bodies_bytes = o->bodies_bytes > 0 ? o->bodies_bytes : UINT64_C(64) << 20;
	o->streams_bytes = o->streams_bytes > 0 ? o->streams_bytes : UINT64_C(256) << 20;
	o->header_timeout_ns = or_default(o->header_timeout_ns, 10 * NS_PER_S);
	o->body_timeout_ns = or_default(o->body_timeout_ns, 30 * NS_PER_S);
	o->idle_timeout_ns = or_default(o->idle_timeout_ns, 75 * NS_PER_S);
	o->write_timeout_ns = or_default(o->write_timeout_ns, 10 * NS_PER_S);
	o->listen = NULL; /* borrowed for http_server_new only */
	o->tokens = NULL;
}

/* A connection that takes the last descriptor takes it from the journal: the limit of open files is one of connections too. */
static void fit_descriptors(struct http_options *o)
{
	uint64_t files = process_max_files();
	uint64_t fit = files > 2 * DESCRIPTORS_KEPT ? files - DESCRIPTORS_KEPT : files / 2;

	fit = fit > o->files_taken ? fit - o->files_taken : 1;
	if (o->max_connections <= fit)
		return;
	LOG(LOG_WARN, "fewer connections than configured: the limit of open files is too low",
	    log_int("max_connections", o->max_connections), log_int("possible", fit), log_int("open_files", files),
	    log_int("taken", o->files_taken));
	o->max_connections = (uint32_t)fit;
}

/* Timeouts are at most a quarter late. */
static int64_t tick_ms(const struct http_options *o)
{
	int64_t shortest = o->header_timeout_ns;
	shortest = o->body_timeout_ns < shortest ? o->body_timeout_ns : shortest;
	shortest = o->idle_timeout_ns < shortest ? o->idle_timeout_ns : shortest;
	shortest = o->write_timeout_ns < shortest ? o->write_timeout_ns : shortest;
	int64_t tick = shortest / 4 / NS_PER_MS;
	tick = tick < TICK_MIN_MS ? TICK_MIN_MS : tick;
	return tick > TICK_MAX_MS ? TICK_MAX_MS : tick;
}

static int make_refusal(struct http_server *s)
{
	struct buf body = {0};
	status_json(&body, 503, SLICE("too many connections"), NULL);
	if (buf_failed(&body)) {
		buf_free(&body);
		return -ENOMEM;
	}
	int n =
	    snprintf(s->refusal, sizeof s->refusal,
	             "HTTP/1.1 503 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nRetry-After: 1\r\n"
	             "Connection: close\r\n\r\n%.*s",
	             status_reason(503), body.len, SLICE_ARG(buf_slice(&body)));
	buf_free(&body);
	CHECK(n > 0 && (size_t)n < sizeof s->refusal);
	s->refusal_len = (size_t)n;
	return 0;
}

static int copy_options(struct http_server *s, const struct http_options *o)
{
	set_options(s, o);
	fit_descriptors(&s->options);
	s->tick_ms = tick_ms(&s->options);
	s->budget.max = s->options.bodies_bytes;
	s->tokens = mem_zalloc(o->token_count + 1, sizeof *s->tokens);
	s->rates = mem_zalloc(o->token_count + 1, sizeof *s->rates);
	s->loops = mem_zalloc(s->options.threads, sizeof *s->loops);
	if (s->tokens == NULL || s->rates == NULL || s->loops == NULL || make_refusal(s) != 0)
		return -ENOMEM;
	if (o->token_count > 0)
		memcpy(s->tokens, o->tokens, o->token_count * sizeof *s->tokens);
	for (uint32_t i = 0; i < o->token_count; i++)
		rate_init(&s->rates[i], s->tokens[i].rate, s->tokens[i].burst);
	rate_init(&s->rates[o->token_count], o->rate, o->burst);
	s->gate = (struct gate){
	    .routes = o->routes,
	    .route_count = o->route_count,
	    .tokens = s->tokens,
	    .token_count = o->token_count,
	    .rates = s->rates,
	    .body_bytes = s->options.body_bytes,
	    .budget = &s->budget,
	};
	s->limits = (struct reader_limits){
	    .header_bytes = s->options.header_bytes,
	    .body_bytes = s->options.body_bytes,
	    .budget = &s->budget,
	};
	return 0;
}

static int open_loops(struct http_server *s, const char *listen, struct error *err)
{
	int fds[THREADS_MAX];
	uint32_t n = s->options.threads;

	int code = listen_open(listen, n, fds, s->address, sizeof s->address, err);
	for (uint32_t i = 0; code == 0 && i < n; i++) {
		code = loop_init(&s->loops[i], s, fds[i], err);
		for (uint32_t k = i + 1; code != 0 && k < n; k++)
			close(fds[k]);
	}
	return code;
}

struct http_server *http_server_new(const struct http_options *options, struct error *err)
{
	if (options->threads > THREADS_MAX) {
		error_set(err, -EINVAL, "%u HTTP threads: wanted at most %d", options->threads, THREADS_MAX);
		return NULL;
	}
	struct http_server *s = mem_zalloc(1, sizeof *s);
	if (s == NULL) {
		error_set(err, -ENOMEM, "out of memory for the HTTP server");
		return NULL;
	}
	s->magic = SERVER_MAGIC;
	int code = copy_options(s, options);
	if (code != 0)
		error_set(err, code, "out of memory for the HTTP server");
	else
		code = open_loops(s, options->listen, err);
	if (code == 0)
		return s;
	http_server_free(s);
	return NULL;
}

static struct http_server *valid(const struct http_server *s)
{
	CHECK(s->magic == SERVER_MAGIC);
	return (struct http_server *)(uintptr_t)s;
}

const char *http_server_address(const struct http_server *s)
{
	return valid(s)->address;
}

int http_server_start(struct http_server *s, struct error *err)
{
	int code = 0;

	CHECK(!valid(s)->started);
	s->started = true;
	for (uint32_t i = 0; code == 0 && i < s->options.threads; i++)
		code = loop_start(&s->loops[i], err);
	if (code != 0)
		http_server_stop(s, 0);
	return code;
}

static void wake(struct loop *l)
{
	pthread_mutex_lock(&l->lock);
	if (l->open)
		uv_async_send(&l->async);
	pthread_mutex_unlock(&l->lock);
}

void http_server_stop(struct http_server *s, int64_t grace_ns)
{
	valid(s)->grace_until_ns = clock_mono_ns() + grace_ns;
	__atomic_store_n(&s->stopping, 1, __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < s->options.threads; i++)
		wake(&s->loops[i]);
	for (uint32_t i = 0; i < s->options.threads; i++)
		loop_join(&s->loops[i]);
}

void http_server_free(struct http_server *s)
{
	if (s == NULL)
		return;
	valid(s);
	if (s->loops != NULL)
		http_server_stop(s, 0);
	for (uint32_t i = 0; s->loops != NULL && i < s->options.threads; i++)
		loop_deinit(&s->loops[i]);
	mem_free(s->loops);
	mem_free(s->tokens);
	mem_free(s->rates);
	s->magic = 0;
	mem_free(s);
}

static uint64_t get(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

void http_server_stats(const struct http_server *s, struct http_stats *out)
{
	*out = (struct http_stats){.bodies_bytes = get(&valid(s)->budget.used)};
	for (uint32_t i = 0; i < s->options.threads; i++) {
		const struct counters *c = &s->loops[i].counters;
		out->connections += get(&c->connections);
		out->connections_total += get(&c->connections_total);
		out->connections_refused += get(&c->connections_refused);
		out->requests += get(&c->requests);
		for (int k = 0; k < 6; k++)
			out->responses[k] += get(&c->responses[k]);
		out->bytes_in += get(&c->bytes_in);
		out->bytes_out += get(&c->bytes_out);
		out->timeouts += get(&c->timeouts);
		out->limited += get(&c->limited);
	}
}

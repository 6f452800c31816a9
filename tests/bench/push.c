/* A sender of remote_write 1.0 for benches: the series of a fleet of agents (support/series.h), round by round, over several connections of their own to one receiver on loopback. Series are dealt to the
 * connections once and for all, as Prometheus's shards are, and no connection is more than a round ahead. Requests are made while they are sent: what is measured is the receiver's CPU time, by others.
 *
 *   bench_push --port N [--path /api/v1/write] [--agents 179] [--rounds 1440] [--a-request 1] [--series 1000] [--connections 4] [--ago 60] [--named 0]
 *
 * --rounds: samples of each series, 15 s apart, the last one --ago seconds old; --named 1: metrics are called as what they are, buckets with their `le`; else all alike; --a-request: how many of a series stand in one request; --series: how many series do. Prints one line: series, samples, requests, bytes. Any answer but 204 ends it
 * with exit code 1. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <snappy-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "bench/support/series.h"
#include "record/labels.h"

enum { ANSWER_MAX = 8192 };

struct options {
	uint32_t port, agents, rounds, a_request, series, connections, ago, named;
	const char *path;
};

static struct options o = {.agents = 179,
                           .rounds = 1440,
                           .a_request = 1,
                           .series = 1000,
                           .connections = 4,
                           .ago = 60,
                           .path = "/api/v1/write"};
static struct fleet fleet;
static struct buf *labels; /* of each series, encoded as remote_write has them */
static int64_t shift_ms;   /* from the fleet's time to ours */
static pthread_barrier_t round_over;

struct sender {
	pthread_t thread;
	uint32_t number;
	int fd;
	struct buf series, message, packed,
	    head; /* one of the body, the body, the same compressed, what goes before it */
	uint64_t requests, bytes;
};

static void die(const char *what, const char *more)
{
	fprintf(stderr, "bench_push: %s%s\n", what, more);
	exit(1);
}

/* ---- bodies ---- */

/* Labels of the fleet's series `i`, so that their order is the fleet's. */
static void make_labels(uint32_t i, struct buf *out)
{
	char name[48], agent[24], instance[32];
	struct fleet_name named = fleet_name(i, o.agents);
	uint32_t number = o.named ? named.agent : i % o.agents;
	snprintf(name, sizeof name, "agent_metric_%02u_total", i / o.agents);
	snprintf(agent, sizeof agent, "agent-%05u", number);
	snprintf(instance, sizeof instance, "10.0.0.%u:9090", number % 16);
	struct label set[7] = {{LABEL_METRIC_NAME, slice_cstr(o.named ? named.metric : name)},
	                       {SLICE("agent_id"), slice_cstr(agent)},
	                       {SLICE("instance"), slice_cstr(instance)},
	                       {SLICE("job"), SLICE("agents")},
	                       {SLICE("template_id"), number % 2 == 0 ? SLICE("support") : SLICE("research")}};
	struct error err = {0};
	uint32_t count = 5;
	for (int extra = 0; o.named && extra < 2 && named.labels[extra][0] != NULL; extra++)
		set[count++] = (struct label){slice_cstr(named.labels[extra][0]), slice_cstr(named.labels[extra][1])};
	if (labels_canonical(set, count, out, &err) != 0)
		die(err.text, "");
}

static void put_varint(struct buf *b, uint64_t v)
{
	for (; v >= 128; v >>= 7)
		buf_byte(b, (char)(v | 128));
	buf_byte(b, (char)v);
}

static size_t varint_size(uint64_t v)
{
	size_t n = 1;
	for (; v >= 128; v >>= 7)
		n++;
	return n;
}

/* A TimeSeries with the samples of rounds from..to. */
static void put_series(struct sender *s, uint32_t number, uint32_t from, uint32_t to)
{
	struct buf *b = &s->series;
	buf_reset(b);
	buf_slice_append(b, buf_slice(&labels[number]));
	for (uint32_t i = from; i < to; i++) {
		uint64_t time = (uint64_t)(fleet.series[number].times_ms[i] + shift_ms);
		buf_byte(b, 0x12);
		put_varint(b, 10 + varint_size(time));
		buf_byte(b, 0x09);
		buf_slice_append(b, slice_new((const char *)&fleet.series[number].values[i], 8));
		buf_byte(b, 0x10);
		put_varint(b, time);
	}
	buf_byte(&s->message, 0x0a);
	put_varint(&s->message, b->len);
	buf_slice_append(&s->message, buf_slice(b));
}

static void compress(struct sender *s)
{
	size_t len = snappy_max_compressed_length(s->message.len);
	buf_reset(&s->packed);
	char *to = buf_room(&s->packed, len);
	if (to == NULL || buf_failed(&s->message) ||
	    snappy_compress(s->message.ptr, s->message.len, to, &len) != SNAPPY_OK)
		die("no memory for a body", "");
	s->packed.len = len;
	buf_reset(&s->head);
	buf_printf(&s->head,
	           "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: snappy\r\nContent-Type: "
	           "application/x-protobuf\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\nContent-Length: %zu\r\n\r\n",
	           o.path, len);
}

/* ---- sending ---- */

static int dial(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)o.port)};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
		die("the receiver does not answer", "");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return fd;
}

static void send_all(int fd, struct slice bytes)
{
	for (size_t at = 0; at < bytes.len;) {
		ssize_t n = send(fd, bytes.ptr + at, bytes.len - at, MSG_NOSIGNAL);
		if (n <= 0)
			die("the receiver hung up", "");
		at += (size_t)n;
	}
}

/* All receivers answer 204 without a body. */
static void want_204(int fd)
{
	char text[ANSWER_MAX + 1];
	size_t len = 0;
	do {
		ssize_t n = recv(fd, text + len, ANSWER_MAX - len, 0);
		if (n <= 0)
			die("no answer", "");
		len += (size_t)n;
		text[len] = '\0';
	} while (strstr(text, "\r\n\r\n") == NULL && len < ANSWER_MAX);
	if (strncmp(text, "HTTP/1.1 204", 12) != 0)
		die("an answer that is no 204: ", text);
}

static void send_request(struct sender *s)
{
	compress(s);
	send_all(s->fd, buf_slice(&s->head));
	send_all(s->fd, buf_slice(&s->packed));
	want_204(s->fd);
	s->requests++;
	s->bytes += s->head.len + s->packed.len;
}

/* The requests of one step that are this sender's: each o.connections-th block of o.series series. */
static void send_step(struct sender *s, uint32_t from, uint32_t to)
{
	for (uint32_t first = s->number * o.series; first < fleet.count; first += o.connections * o.series) {
		uint32_t end = fleet.count - first < o.series ? fleet.count : first + o.series;
		buf_reset(&s->message);
		for (uint32_t i = first; i < end; i++)
			put_series(s, i, from, to);
		send_request(s);
	}
}

static void *run(void *arg)
{
	struct sender *s = arg;
	s->fd = dial();
	for (uint32_t from = 0; from < o.rounds; from += o.a_request) {
		send_step(s, from, o.rounds - from < o.a_request ? o.rounds : from + o.a_request);
		pthread_barrier_wait(&round_over);
	}
	close(s->fd);
	return NULL;
}

/* ---- all of it ---- */

static void read_options(int argc, char **argv)
{
	static const struct {
		const char *name;
		uint32_t *to;
	} numbers[] = {{"--port", &o.port},     {"--agents", &o.agents},
	               {"--rounds", &o.rounds}, {"--a-request", &o.a_request},
	               {"--series", &o.series}, {"--connections", &o.connections},
	               {"--ago", &o.ago},       {"--named", &o.named}};
	for (int i = 1; i + 1 < argc; i += 2) {
		size_t k = 0;
		while (k < sizeof numbers / sizeof *numbers && strcmp(argv[i], numbers[k].name) != 0)
			k++;
		if (k < sizeof numbers / sizeof *numbers)
			*numbers[k].to = (uint32_t)strtoul(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--path") == 0)
			o.path = argv[i + 1];
		else
			die("an option that is not known: ", argv[i]);
	}
	if (o.port == 0 || o.agents == 0 || o.rounds == 0 || o.a_request == 0 || o.series == 0 || o.connections == 0)
		die("--port is wanted, and no number may be 0", "");
}

/* The newest sample is o.ago seconds old. */
static void set_shift(void)
{
	int64_t last = fleet.series[0].times_ms[0];
	for (uint32_t i = 0; i < fleet.count; i++) {
		int64_t time = fleet.series[i].times_ms[fleet.series[i].count - 1];
		last = time > last ? time : last;
	}
	shift_ms = ((int64_t)time(NULL) - o.ago) * 1000 - last;
}

int main(int argc, char **argv)
{
	read_options(argc, argv);
	fleet = fleet_make(o.agents, o.rounds, 3, 1);
	set_shift();
	labels = calloc(fleet.count, sizeof *labels);
	struct sender *senders = calloc(o.connections, sizeof *senders);
	if (labels == NULL || senders == NULL)
		die("no memory", "");
	for (uint32_t i = 0; i < fleet.count; i++)
		make_labels(i, &labels[i]);
	pthread_barrier_init(&round_over, NULL, o.connections);
	for (uint32_t i = 0; i < o.connections; i++) {
		senders[i].number = i;
		if (pthread_create(&senders[i].thread, NULL, run, &senders[i]) != 0)
			die("no thread", "");
	}
	uint64_t requests = 0, bytes = 0;
	for (uint32_t i = 0; i < o.connections; i++) {
		pthread_join(senders[i].thread, NULL);
		requests += senders[i].requests;
		bytes += senders[i].bytes;
		buf_free(&senders[i].series);
		buf_free(&senders[i].message);
		buf_free(&senders[i].packed);
		buf_free(&senders[i].head);
	}
	printf("{\"series\":%u,\"samples\":%llu,\"requests\":%llu,\"bytes\":%llu}\n", fleet.count,
	       (unsigned long long)fleet.samples, (unsigned long long)requests, (unsigned long long)bytes);
	for (uint32_t i = 0; i < fleet.count; i++)
		buf_free(&labels[i]);
	free(labels);
	free(senders);
	fleet_free(&fleet);
	return 0;
}

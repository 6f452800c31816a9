/* moongate demo: sends the generator's events at a rate, and says what became of them. A body that was not answered, or answered with 429, 503 or 507, is sent again as it
 * is: its ids keep it from counting twice. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/demo_events.h"
#include "cli/http_client.h"
#include "cli/internal.h"

enum { TRIES_MAX = 10, BODY_EVENTS_MAX = 500, BODIES_PER_SECOND = 20 };

static const char *target = "http://127.0.0.1:4318", *rate = "200", *seconds = "10", *seed = "1", *users = "100",
                  *start, *out;

static const struct flag flags[] = {
    {"--target", "URL", "where to send (default: http://127.0.0.1:4318)", &target},
    {"--rate", "N", "events a second; 0: as fast as answers come (default: 200)", &rate},
    {"--seconds", "S", "how long (default: 10)", &seconds},
    {"--seed", "N", "another seed, other events (default: 1)", &seed},
    {"--users", "N", "how many people (default: 100)", &users},
    {"--start", "TIME", "RFC 3339: simulate from then on (default: now)", &start},
    {"--out", "-", "print the events instead of sending them", &out},
    {NULL, NULL, NULL, NULL},
};

struct sending {
	struct http_client client;
	struct demo *demo;
	struct buf body, reply;
	double rate, seconds;
	int64_t start_ns; /* of simulated time */
	int64_t began_ns; /* monotonic */
	int64_t shown_ns; /* monotonic: last line of progress */
	uint64_t made, sent, accepted, duplicate, retried, failed;
	bool tty;
};

static bool read_number(const char *name, const char *text, double min, double max, double *v)
{
	char *end;
	*v = strtod(text, &end);
	if (end != text && *end == '\0' && *v >= min && *v <= max)
		return true;
	fprintf(stderr, "moongate demo: %s: found '%s', wanted a number from %g to %.0f\n", name, text, min, max);
	return false;
}

static void sleep_ns(int64_t ns)
{
	struct timespec ts = {.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
	if (ns > 0)
		nanosleep(&ts, NULL);
}

/* Adds up what the answer says. False: it is no such answer. */
static bool read_reply(struct sending *s)
{
	cJSON *reply = cJSON_ParseWithLength(s->reply.ptr, s->reply.len);
	const cJSON *accepted = cJSON_GetObjectItemCaseSensitive(reply, "accepted");
	const cJSON *duplicate = cJSON_GetObjectItemCaseSensitive(reply, "duplicate");
	bool fine = cJSON_IsNumber(accepted) && cJSON_IsNumber(duplicate);
	if (fine) {
		s->accepted += (uint64_t)accepted->valuedouble;
		s->duplicate += (uint64_t)duplicate->valuedouble;
	}
	cJSON_Delete(reply);
	return fine;
}

/* Sends the body until it is answered for good. False: given up. */
static bool send_body(struct sending *s, uint64_t events)
{
	struct error err = {0};
	int status = 0;
	for (int i = 0; i < TRIES_MAX; i++) {
		int retry_after_s = 0;
		status = http_client_post(&s->client, buf_slice(&s->body), &s->reply, &retry_after_s, &err);
		bool again = status < 0 || status == 429 || status == 503 || status == 507;
		if (!again)
			break;
		s->retried++;
		if (i + 1 < TRIES_MAX)
			sleep_ns(retry_after_s > 0 ? retry_after_s * NS_PER_S : 200 * NS_PER_MS);
	}
	s->sent += events;
	if (status == 200) {
		if (read_reply(s))
			return true;
		status = -EPROTO;
		error_set(&err, status, "the answer is none of moongate's: %.*s",
		          (int)(s->reply.len < 300 ? s->reply.len : 300), s->reply.ptr);
	}
	s->failed += events;
	if (status < 0)
		fprintf(stderr, "%smoongate demo: %s\n", s->tty ? "\n" : "", err.text);
	else
		fprintf(stderr, "%smoongate demo: the answer was %d: %.*s\n", s->tty ? "\n" : "", status,
		        (int)(s->reply.len < 300 ? s->reply.len : 300), s->reply.ptr);
	return false;
}

/* How many events are due by now. */
static uint64_t due(const struct sending *s)
{
	double elapsed = (double)(clock_mono_ns() - s->began_ns) / 1e9;
	if (s->rate == 0)
		return elapsed < s->seconds ? s->made + BODY_EVENTS_MAX : s->made;
	return (uint64_t)(s->rate * (elapsed < s->seconds ? elapsed : s->seconds));
}

static void make_body(struct sending *s, uint64_t events)
{
	buf_reset(&s->body);
	for (uint64_t i = 0; i < events; i++, s->made++) {
		/* Simulated time follows the number of events where there is a rate, so that the bytes depend on seed and start alone. */
		int64_t offset =
		    s->rate > 0 ? (int64_t)((double)s->made / s->rate * 1e9) : clock_mono_ns() - s->began_ns;
		demo_next(s->demo, s->start_ns + offset, &s->body);
	}
}

static void show_progress(struct sending *s, bool last)
{
	int64_t now = clock_mono_ns();
	if (!s->tty || (!last && now - s->shown_ns < NS_PER_S / 4))
		return;
	s->shown_ns = now;
	fprintf(stderr, "\r%6.1f s  %llu sent  %llu accepted  %llu duplicate  %llu retried %s",
	        (double)(now - s->began_ns) / 1e9, (unsigned long long)s->sent, (unsigned long long)s->accepted,
	        (unsigned long long)s->duplicate, (unsigned long long)s->retried, last ? "\n" : "");
}

static bool send_all(struct sending *s)
{
	for (;;) {
		uint64_t wanted = due(s);
		bool over = (double)(clock_mono_ns() - s->began_ns) / 1e9 >= s->seconds;
		uint64_t n = wanted > s->made ? wanted - s->made : 0;
		if (n == 0 && over)
			return true;
		if (n == 0) {
			sleep_ns(NS_PER_S / BODIES_PER_SECOND);
			continue;
		}
		n = n < BODY_EVENTS_MAX ? n : BODY_EVENTS_MAX;
		make_body(s, n);
		if (buf_failed(&s->body) || !send_body(s, n))
			return false;
		show_progress(s, false);
		if (s->rate > 0 && n < BODY_EVENTS_MAX)
			sleep_ns(NS_PER_S / BODIES_PER_SECOND);
	}
}

static void print_events(struct sending *s)
{
	uint64_t total = (uint64_t)(s->rate * s->seconds);
	while (s->made < total) {
		make_body(s, total - s->made < BODY_EVENTS_MAX ? total - s->made : BODY_EVENTS_MAX);
		fwrite(s->body.ptr, 1, s->body.len, stdout);
	}
}

static void print_summary(const struct sending *s)
{
	struct demo_totals t;
	demo_totals(s->demo, &t);
	printf("sent        %llu events: %llu accepted, %llu duplicate, %llu failed\n", (unsigned long long)s->sent,
	       (unsigned long long)s->accepted, (unsigned long long)s->duplicate, (unsigned long long)s->failed);
	for (int i = 0; i < DEMO_TYPES; i++)
		printf("%-11s %llu\n", demo_type_name((enum demo_type)i), (unsigned long long)t.by_type[i]);
	printf("tokens      %llu in, %llu out\n", (unsigned long long)t.input_tokens,
	       (unsigned long long)t.output_tokens);
	printf("\nSee what became of them:  curl -s http://%s/metrics | grep ^agent_\n", s->client.authority);
}

static int prepare(struct sending *s, double *seed_value)
{
	double people;
	struct error err = {0};
	if (!read_number("--rate", rate, 0, 1e7, &s->rate) ||
	    !read_number("--seconds", seconds, 0.01, 1e6, &s->seconds) ||
	    !read_number("--seed", seed, 0, 1e15, seed_value) || !read_number("--users", users, 1, 1e6, &people))
		return EXIT_USAGE;
	s->start_ns = clock_wall_ns();
	if (start != NULL && !clock_parse_rfc3339(slice_cstr(start), &s->start_ns)) {
		fprintf(stderr, "moongate demo: --start: found '%s', wanted a time such as 2026-01-02T03:04:05Z\n",
		        start);
		return EXIT_USAGE;
	}
	if (out != NULL && (strcmp(out, "-") != 0 || s->rate == 0)) {
		fprintf(stderr, "moongate demo: --out takes '-' (standard output), and a rate above 0\n");
		return EXIT_USAGE;
	}
	if (http_client_init(&s->client, target, "/v1/events", &err) != 0) {
		fprintf(stderr, "moongate demo: --target: %s\n", err.text);
		return EXIT_USAGE;
	}
	s->demo = demo_new((uint64_t)*seed_value, (uint32_t)people, s->start_ns);
	if (s->demo != NULL)
		return 0;
	fprintf(stderr, "moongate demo: out of memory\n");
	return EXIT_FAILED;
}

static int run_demo(int argc, char **argv)
{
	int code = flags_read(&command_demo, argc, argv);
	if (code != 0)
		return code < 0 ? EXIT_FINE : code;
	struct sending s = {.client.fd = -1, .tty = isatty(STDERR_FILENO) != 0};
	double seed_value;
	code = prepare(&s, &seed_value);
	if (code != 0)
		return code;
	s.began_ns = clock_mono_ns();
	if (out != NULL) {
		print_events(&s);
	} else {
		code = send_all(&s) ? EXIT_FINE : EXIT_FAILED;
		show_progress(&s, true);
		print_summary(&s);
	}
	http_client_close(&s.client);
	buf_free(&s.body);
	buf_free(&s.reply);
	demo_free(s.demo);
	return code;
}

const struct command command_demo = {
    .name = "demo",
    .summary = "Send the events of simulated agent sessions",
    .usage = "[--target URL] [--rate N] [--seconds S] [--seed N] [--users N]",
    .details = "Sessions start, call models and tools that sometimes fail and are retried, and stop; a few users\n"
               "make most of the bill. With --rate and --start the same seed gives the same bytes.\n\n"
               "  moongate demo --seconds 30 --rate 1000\n"
               "  moongate demo --out - --seconds 1 | head -3\n",
    .run = run_demo,
    .flags = flags,
};

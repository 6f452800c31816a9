/* The whole scraper against a small HTTP server of this test, with a sink that keeps what it is given: times are waited for, and every wait is for a condition. */
#include "support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "scrape/scrape.h"

/* ---- a server: one connection at a time, one answer for all, closed behind it ---- */

static struct server {
	int listener;
	uint16_t port;
	pthread_t thread;
	pthread_mutex_t lock;
	char answer[8192];
	size_t answer_len;
	char request[4096]; /* the last one */
	unsigned requests;
} server = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void serve(int fd)
{
	char request[4096];
	size_t have = 0;

	while (have < sizeof request - 1) {
		ssize_t n = read(fd, request + have, sizeof request - 1 - have);
		if (n <= 0)
			return;
		have += (size_t)n;
		request[have] = '\0';
		if (strstr(request, "\r\n\r\n") != NULL)
			break;
	}
	pthread_mutex_lock(&server.lock);
	memcpy(server.request, request, sizeof request);
	server.requests++;
	ssize_t sent = send(fd, server.answer, server.answer_len, MSG_NOSIGNAL);
	pthread_mutex_unlock(&server.lock);
	if (sent < 0)
		return;
	shutdown(fd, SHUT_WR);
	while (read(fd, request, sizeof request) > 0)
		;
}

static void *run_server(void *arg)
{
	(void)arg;
	for (;;) {
		int fd = accept(server.listener, NULL, NULL);
		if (fd < 0)
			return NULL;
		serve(fd);
		close(fd);
	}
}

static void answer_with(const char *status, const char *type, const char *body)
{
	pthread_mutex_lock(&server.lock);
	server.answer_len =
	    (size_t)snprintf(server.answer, sizeof server.answer,
	                     "HTTP/1.1 %s\r\nContent-Type: %s\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
	                     status, type, strlen(body), body);
	pthread_mutex_unlock(&server.lock);
}

static int start_server(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof address;

	(void)state;
	server.listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(server.listener, (struct sockaddr *)&address, len) != 0 || listen(server.listener, 16) != 0 ||
	    getsockname(server.listener, (struct sockaddr *)&address, &len) != 0)
		return -1;
	server.port = ntohs(address.sin_port);
	return pthread_create(&server.thread, NULL, run_server, NULL);
}

static int stop_server(void **state)
{
	(void)state;
	shutdown(server.listener, SHUT_RDWR);
	pthread_join(server.thread, NULL);
	return close(server.listener);
}

/* ---- a sink ---- */

static struct sink {
	struct mutex lock;
	struct condition wake;
	struct buf text; /* of all batches, without durations */
	unsigned batches;
	int status;       /* what is answered */
	uint64_t refused; /* likewise */
	bool holds;       /* nothing is answered now */
	void *held;
	void (*held_done)(void *token, const struct scrape_outcome *outcome);
} sink;

static void submit(void *ctx, struct sample_batch *b, void (*done)(void *token, const struct scrape_outcome *outcome),
                   void *token)
{
	(void)ctx;
	mutex_lock(&sink.lock);
	batch_text(b, &sink.text);
	buf_str(&sink.text, "--\n");
	sink.batches++;
	const struct scrape_outcome outcome = {sink.status, sink.refused, "is too old"};
	bool holds = sink.holds;
	sink.held = token;
	sink.held_done = done;
	condition_broadcast(&sink.wake);
	mutex_unlock(&sink.lock);
	if (!holds)
		done(token, &outcome);
}

/* Has any batch held this? */
static bool was_given(const char *text)
{
	mutex_lock(&sink.lock);
	buf_byte(&sink.text, '\0');
	sink.text.len--;
	bool found = strstr(sink.text.ptr, text) != NULL;
	mutex_unlock(&sink.lock);
	return found;
}

/* Waits for something that will be; a minute is for a machine that is busy with other things. */
#define WAIT_UNTIL(condition_)                                                                                         \
	do {                                                                                                           \
		int tries_ = 0;                                                                                        \
		while (!(condition_)) {                                                                                \
			if (++tries_ > 6000)                                                                           \
				fail_msg("waited in vain for %s; given:\n%.*s", #condition_,                           \
				         SLICE_ARG(buf_slice(&sink.text)));                                            \
			usleep(10000);                                                                                 \
		}                                                                                                      \
	} while (0)

static unsigned batches(void)
{
	mutex_lock(&sink.lock);
	unsigned n = sink.batches;
	mutex_unlock(&sink.lock);
	return n;
}

static int reset(void **state)
{
	(void)state;
	mutex_lock(&sink.lock);
	buf_reset(&sink.text);
	sink.batches = 0;
	sink.status = 0;
	sink.refused = 0;
	sink.holds = false;
	mutex_unlock(&sink.lock);
	return 0;
}

/* ---- scrapers ---- */

static struct config config;
static char conf_path[64], files_dir[64];

/* %u: the server's port. */
static struct scrape *start(const char *entry)
{
	const struct scrape_sink to = {submit, NULL};
	struct error err = {0};
	char text[2048];

	FILE *f = fopen(conf_path, "wb");
	assert_non_null(f);
	snprintf(text, sizeof text, entry, server.port);
	fprintf(f, "return { scrape = { { %s } } }\n", text);
	fclose(f);
	assert_int_equal(config_init(&config), 0);
	if (config_read(&config, conf_path, &err) != 0)
		fail_msg("%s", err.text);
	struct scrape *s = scrape_new(&config, &to, &err);
	if (s == NULL || scrape_start(s, &err) != 0)
		fail_msg("%s", err.text);
	return s;
}

static void stop(struct scrape *s)
{
	scrape_stop(s);
	scrape_free(s);
	config_deinit(&config);
}

static struct scrape_stats stats_of(struct scrape *s)
{
	struct scrape_stats stats;

	scrape_stats(s, &stats);
	return stats;
}

/* The state of the only target. */
static struct {
	unsigned count;
	enum scrape_health health;
	char error[256], url[256];
	int64_t last_ns;
	uint64_t samples;
} seen;

static void see(void *ctx, const struct scrape_target *t)
{
	(void)ctx;
	seen.count++;
	seen.health = t->health;
	snprintf(seen.error, sizeof seen.error, "%s", t->error);
	snprintf(seen.url, sizeof seen.url, "%s", t->url);
	seen.last_ns = t->last_ns;
	seen.samples = t->samples;
}

static enum scrape_health health_of(struct scrape *s)
{
	seen.count = 0;
	scrape_each_target(s, see, NULL);
	assert_true(seen.count <= 1);
	return seen.count == 1 ? seen.health : SCRAPE_UNKNOWN; /* it has not looked for targets yet */
}

static bool was_asked_with(const char *text)
{
	pthread_mutex_lock(&server.lock);
	bool found = strstr(server.request, text) != NULL;
	pthread_mutex_unlock(&server.lock);
	return found;
}

static void scrapes_and_ends_series(void **state)
{
	char text[128];

	(void)state;
	answer_with("200 OK", "text/plain; version=0.0.4", "a 1\nb{k=\"v\"} 2\n");
	struct scrape *s = start("job = 'j', targets = { '127.0.0.1:%u' }, interval = 0.2, params = { p = '1' }, "
	                         "headers = { ['X-Own'] = 'me' }, bearer_token = 'secret'");
	snprintf(text, sizeof text, "a{instance=\"127.0.0.1:%u\", job=\"j\"} 1 @", server.port);
	WAIT_UNTIL(was_given(text));
	snprintf(text, sizeof text, "up{instance=\"127.0.0.1:%u\", job=\"j\"} 1 @", server.port);
	WAIT_UNTIL(was_given(text));
	WAIT_UNTIL(health_of(s) == SCRAPE_UP);
	assert_string_equal(seen.error, "");
	assert_int_equal(seen.samples, 2);
	assert_true(seen.last_ns > 0);
	assert_true(was_asked_with("GET /metrics?p=1 HTTP/1.1\r\n"));
	assert_true(was_asked_with("\r\nAccept: application/openmetrics-text;version=1.0.0;"));
	assert_true(was_asked_with("\r\nX-Prometheus-Scrape-Timeout-Seconds: 0.2\r\n"));
	assert_true(was_asked_with("\r\nAccept-Encoding: gzip\r\n"));
	assert_true(was_asked_with("\r\nUser-Agent: moongate/"));
	assert_true(was_asked_with("\r\nX-Own: me\r\n"));
	assert_true(was_asked_with("\r\nAuthorization: Bearer secret\r\n"));
	answer_with("200 OK", "text/plain", "a 1\n");
	snprintf(text, sizeof text, "b{instance=\"127.0.0.1:%u\", job=\"j\", k=\"v\"} stale @", server.port);
	WAIT_UNTIL(was_given(text));
	answer_with("500 Oh", "text/plain", "a 1\n");
	snprintf(text, sizeof text, "a{instance=\"127.0.0.1:%u\", job=\"j\"} stale @", server.port);
	WAIT_UNTIL(was_given(text));
	snprintf(text, sizeof text, "up{instance=\"127.0.0.1:%u\", job=\"j\"} 0 @", server.port);
	WAIT_UNTIL(was_given(text));
	WAIT_UNTIL(health_of(s) == SCRAPE_DOWN);
	assert_string_equal(seen.error, "the answer has the status 500, wanted 200");
	struct scrape_stats stats = stats_of(s);
	assert_int_equal(stats.targets, 1);
	assert_int_equal(stats.up, 0);
	assert_true(stats.scrapes[SCRAPE_OK] >= 2 && stats.scrapes[SCRAPE_STATUS] >= 1);
	assert_true(stats.stale >= 2);
	assert_true(stats.samples >= 3 && stats.received_bytes >= 19);
	assert_int_equal(stats.series, 0);
	answer_with("200 OK", "text/plain", "a 1\n");
	WAIT_UNTIL(health_of(s) == SCRAPE_UP);
	/* At the end of the process series do not end. */
	unsigned before = batches();
	stop(s);
	assert_true(batches() <= before + 1);
	snprintf(text, sizeof text, "up{instance=\"127.0.0.1:%u\", job=\"j\"} stale", server.port);
	assert_false(was_given(text));
}

static bool is_down_for(struct scrape *s, enum scrape_result result, const char *error)
{
	return health_of(s) == SCRAPE_DOWN && strstr(seen.error, error) != NULL && stats_of(s).scrapes[result] > 0;
}

/* An answer, and what the target is then down for: not at once maybe, where the machine is so slow that a scrape takes too long. */
static void assert_down(const char *entry, enum scrape_result result, const char *error)
{
	struct scrape *s = start(entry);

	WAIT_UNTIL(is_down_for(s, result, error));
	assert_int_equal(stats_of(s).scrapes[SCRAPE_OK], 0);
	stop(s);
}

#define ENTRY "job = 'j', targets = { '127.0.0.1:%u' }, interval = 0.2"

static void says_why_a_target_is_down(void **state)
{
	(void)state;
	answer_with("404 Not Found", "text/plain", "");
	assert_down(ENTRY, SCRAPE_STATUS, "the answer has the status 404, wanted 200");
	answer_with("200 OK", "text/html", "<html>");
	assert_down(ENTRY, SCRAPE_MALFORMED, "the answer has the Content-Type \"text/html\", wanted text/plain or");
	answer_with("200 OK", "text/plain", "<html>");
	assert_down(ENTRY, SCRAPE_MALFORMED, "line 1");
	answer_with("200 OK", "application/openmetrics-text; version=1.0.0", "a 1\n");
	assert_down(ENTRY, SCRAPE_MALFORMED, "EOF");
	answer_with("200 OK", "text/plain\r\nContent-Encoding: gzip", "a 1\n");
	assert_down(ENTRY, SCRAPE_MALFORMED, "the answer cannot be inflated");
	answer_with("200 OK", "text/plain", "a 1\nb 1\n");
	assert_down(ENTRY ", sample_limit = 1", SCRAPE_LIMIT, "the answer has 2 samples, sample_limit is 1");
	char longer[4096];
	memset(longer, '#', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	answer_with("200 OK", "text/plain", longer);
	assert_down(ENTRY ", body_bytes = 4000", SCRAPE_TOO_LARGE, "the answer is too long: body_bytes is 4000");
	answer_with("302 Found", "text/plain\r\nLocation: file:///etc/passwd", "");
	assert_down(ENTRY, SCRAPE_UNREACHABLE, "rotocol");
	answer_with("302 Found", "text/plain\r\nLocation: /metrics", "");
	assert_down(ENTRY, SCRAPE_UNREACHABLE, "redirects");
	assert_down(ENTRY ", follow_redirects = false", SCRAPE_STATUS, "the answer has the status 302");
	assert_down(ENTRY ", bearer_token_file = '/tmp/no/such/file'", SCRAPE_UNREACHABLE,
	            "cannot open /tmp/no/such/file");
	assert_down("job = 'j', targets = { '127.0.0.1:1' }, interval = 0.2 --%u\n", SCRAPE_UNREACHABLE,
	            "Failed to connect");
}

/* A server that says nothing: more connections than it takes wait in its queue. */
static void does_not_wait_longer_than_the_timeout(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof address;
	char entry[128];

	(void)state;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(listener, 16), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	snprintf(entry, sizeof entry, "job = 'j', targets = { '127.0.0.1:%u' }, interval = 0.3, timeout = 0.1 --%%u\n",
	         ntohs(address.sin_port));
	assert_down(entry, SCRAPE_TIMEOUT, "no whole answer within 0.1 s");
	close(listener);
}

/* Accepts one connection, if one waits, and closes those that have ended; returns how many are open. */
static int count_open(int listener, int *fds, int count)
{
	char byte;
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), kept = 0;

	if (fd >= 0)
		fds[count++] = fd;
	for (int i = 0; i < count; i++) {
		ssize_t n;
		while ((n = recv(fds[i], &byte, 1, 0)) > 0)
			;
		if (n == 0)
			close(fds[i]);
		else
			fds[kept++] = fds[i];
	}
	return kept;
}

/* Targets that say nothing take no more connections than the limit of open files has room for, and each has its turn. */
static void asks_as_many_as_there_are_files_for(void **state)
{
	enum { TARGETS = 24, FILES = 80, AT_ONCE = 5 };
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
	socklen_t len = sizeof address;
	struct rlimit before, few;
	struct buf entry = {0};
	int fds[TARGETS + 1], count = 0, most = 0;

	(void)state;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(listener, TARGETS), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	buf_str(&entry, "job = 'j', interval = 0.2, timeout = 0.1, targets = {");
	for (int i = 1; i <= TARGETS; i++)
		buf_printf(&entry, "'127.0.0.%d:%u',", i, ntohs(address.sin_port));
	buf_printf(&entry, "} --%%u\n%c", 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = FILES;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	struct scrape *s = start(entry.ptr);
	assert_int_equal(scrape_files(s), FILES / 4);
	while (stats_of(s).scrapes[SCRAPE_TIMEOUT] < 2 * TARGETS) {
		count = count_open(listener, fds, count);
		assert_true(count <= AT_ONCE);
		most = count > most ? count : most;
		usleep(100);
	}
	assert_int_equal(most, AT_ONCE);
	assert_int_equal(stats_of(s).scrapes[SCRAPE_UNREACHABLE], 0);
	assert_true(stats_of(s).missed > 0);
	stop(s);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	while (count > 0)
		close(fds[--count]);
	close(listener);
	buf_free(&entry);
}

static void counts_what_is_not_taken(void **state)
{
	(void)state;
	answer_with("200 OK", "text/plain", "a 1\nb 1\n");
	sink.refused = 1;
	struct scrape *s = start(ENTRY);
	WAIT_UNTIL(stats_of(s).refused >= 2);
	assert_int_equal(health_of(s), SCRAPE_UP);
	assert_true(stats_of(s).samples >= 2);
	mutex_lock(&sink.lock);
	sink.status = -EAGAIN;
	mutex_unlock(&sink.lock);
	WAIT_UNTIL(health_of(s) == SCRAPE_DOWN);
	assert_string_equal(seen.error, "its samples were not taken: too much waits to be written");
	assert_true(stats_of(s).scrapes[SCRAPE_REFUSED] >= 1);
	uint64_t samples = stats_of(s).samples;
	unsigned before = batches();
	WAIT_UNTIL(batches() > before);
	assert_int_equal(stats_of(s).samples, samples);
	stop(s);
}

/* A sink that does not answer holds up nobody but the target, and the end waits for it. */
static void *let_go(void *arg)
{
	const struct scrape_outcome outcome = {0, 0, NULL};

	(void)arg;
	usleep(100000);
	sink.held_done(sink.held, &outcome);
	return NULL;
}

static void waits_for_what_is_handed_over(void **state)
{
	pthread_t thread;

	(void)state;
	answer_with("200 OK", "text/plain", "a 1\n");
	sink.holds = true;
	struct scrape *s = start(ENTRY);
	WAIT_UNTIL(batches() == 1);
	unsigned asked = server.requests;
	usleep(500000); /* more than an interval: nothing is asked meanwhile */
	assert_int_equal(batches(), 1);
	assert_int_equal(server.requests, asked);
	assert_int_equal(pthread_create(&thread, NULL, let_go, NULL), 0);
	stop(s);
	pthread_join(thread, NULL);
}

/* ---- files of targets ---- */

static void write_targets(const char *name, const char *format)
{
	char path[160], temporary[180];

	snprintf(path, sizeof path, "%s/%s", files_dir, name);
	snprintf(temporary, sizeof temporary, "%s.new", path);
	FILE *f = fopen(temporary, "wb");
	assert_non_null(f);
	fprintf(f, format, server.port);
	fclose(f);
	assert_int_equal(rename(temporary, path), 0);
}

static void follows_files(void **state)
{
	char entry[256], text[128], path[160];

	(void)state;
	answer_with("200 OK", "text/plain", "a 1\n");
	snprintf(entry, sizeof entry, "job = 'j', files = { '%s/*.json' }, interval = 0.2 --%%u\n", files_dir);
	write_targets("t.txt", "nothing");
	struct scrape *s = start(entry);
	WAIT_UNTIL(stats_of(s).files == 0);
	write_targets("t.json", "[ { \"targets\": [ \"127.0.0.1:%u\" ], \"labels\": { \"team\": \"x\" } } ]");
	snprintf(text, sizeof text, "a{instance=\"127.0.0.1:%u\", job=\"j\", team=\"x\"} 1 @", server.port);
	WAIT_UNTIL(was_given(text));
	assert_int_equal(stats_of(s).files, 1);
	/* A broken file keeps its targets; */
	write_targets("t.json", "[ { \"targets\": [ \"127.0.0.1:%u\" ");
	WAIT_UNTIL(stats_of(s).broken_files == 1);
	unsigned before = batches();
	WAIT_UNTIL(batches() >= before + 2);
	assert_int_equal(stats_of(s).targets, 1);
	/* other labels are another target, and the series of the old one end; */
	write_targets("t.json", "[ { \"targets\": [ \"127.0.0.1:%u\" ], \"labels\": { \"team\": \"y\" } } ]");
	snprintf(text, sizeof text, "a{instance=\"127.0.0.1:%u\", job=\"j\", team=\"x\"} stale @", server.port);
	WAIT_UNTIL(was_given(text));
	snprintf(text, sizeof text, "up{instance=\"127.0.0.1:%u\", job=\"j\", team=\"x\"} stale @", server.port);
	WAIT_UNTIL(was_given(text));
	snprintf(text, sizeof text, "a{instance=\"127.0.0.1:%u\", job=\"j\", team=\"y\"} 1 @", server.port);
	WAIT_UNTIL(was_given(text));
	assert_int_equal(stats_of(s).broken_files, 0);
	/* and a file that has gone takes its targets along. */
	snprintf(path, sizeof path, "%s/t.json", files_dir);
	assert_int_equal(unlink(path), 0);
	snprintf(text, sizeof text, "up{instance=\"127.0.0.1:%u\", job=\"j\", team=\"y\"} stale @", server.port);
	WAIT_UNTIL(was_given(text));
	assert_int_equal(stats_of(s).targets, 0);
	assert_int_equal(stats_of(s).files, 0);
	stop(s);
	snprintf(path, sizeof path, "%s/t.txt", files_dir);
	assert_int_equal(unlink(path), 0);
}

/* It is made, or it says what is missing. */
static void is_made_or_not_without_memory(void **state)
{
	static char name[] = "j", path[] = "/metrics", address[] = "x:1";
	static char *targets[] = {address};
	struct config_scrape job = {
	    .job = name, .path = path, .targets = {targets, 1}, .interval_ns = NS_PER_S, .timeout_ns = NS_PER_S};
	const struct config one = {.scrapes = &job, .scrape_count = 1};
	const struct scrape_sink to = {submit, NULL};

	(void)state;
	for (uint64_t n = 1;; n++) {
		struct error err = {0};
		uint64_t before = fault_hits(FAULT_MALLOC);
		fault_set(FAULT_MALLOC, n, false, ENOMEM);
		struct scrape *s = scrape_new(&one, &to, &err);
		bool reached = fault_hits(FAULT_MALLOC) - before >= n;
		fault_clear();
		assert_true(s != NULL || (err.code == -ENOMEM && err.text[0] != '\0'));
		scrape_free(s);
		if (!reached)
			break;
	}
}

static void needs_nothing_when_nothing_is_scraped(void **state)
{
	const struct scrape_sink to = {submit, NULL};
	struct error err = {0};

	(void)state;
	assert_int_equal(config_init(&config), 0);
	struct scrape *s = scrape_new(&config, &to, &err);
	assert_non_null(s);
	assert_int_equal(scrape_start(s, &err), 0);
	assert_int_equal(stats_of(s).targets, 0);
	stop(s);
}

static int set_up(void **state)
{
	snprintf(conf_path, sizeof conf_path, "/tmp/moongate-scrape-XXXXXX");
	snprintf(files_dir, sizeof files_dir, "/tmp/moongate-targets-XXXXXX");
	int fd = mkstemp(conf_path);
	if (fd < 0 || close(fd) != 0 || mkdtemp(files_dir) == NULL)
		return -1;
	return start_server(state);
}

static int tear_down(void **state)
{
	buf_free(&sink.text);
	return stop_server(state) | unlink(conf_path) | rmdir(files_dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(scrapes_and_ends_series, reset),
	    cmocka_unit_test_setup(says_why_a_target_is_down, reset),
	    cmocka_unit_test_setup(does_not_wait_longer_than_the_timeout, reset),
	    cmocka_unit_test_setup(asks_as_many_as_there_are_files_for, reset),
	    cmocka_unit_test_setup(counts_what_is_not_taken, reset),
	    cmocka_unit_test_setup(waits_for_what_is_handed_over, reset),
	    cmocka_unit_test_setup(follows_files, reset),
	    cmocka_unit_test_setup(is_made_or_not_without_memory, reset),
	    cmocka_unit_test_setup(needs_nothing_when_nothing_is_scraped, reset),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

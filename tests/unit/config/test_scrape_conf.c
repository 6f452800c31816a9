/* scrape = { … } of the configuration: what is read, what by default, and every sentence about a mistake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "config/config.h"

static char path[64];

static int make_path(void **state)
{
	(void)state;
	snprintf(path, sizeof path, "/tmp/moongate-conf-XXXXXX");
	int fd = mkstemp(path);
	return fd < 0 || close(fd) != 0;
}

static int remove_path(void **state)
{
	(void)state;
	return unlink(path);
}

static int read_text(struct config *c, const char *text, struct error *err)
{
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
	assert_int_equal(config_init(c), 0);
	*err = (struct error){0};
	return config_read(c, path, err);
}

static void assert_refused(const char *text, const char *wanted)
{
	struct config c;
	struct error err;
	assert_true(read_text(&c, text, &err) < 0);
	if (strncmp(err.text, path, strlen(path)) != 0 || strstr(err.text, wanted) == NULL)
		fail_msg("%s\n  gave:   %s\n  wanted: %s…%s", text, err.text, path, wanted);
	assert_int_equal(c.scrape_count, 0);
	config_deinit(&c);
}

static void reads_jobs(void **state)
{
	struct config c;
	struct error err;
	(void)state;
	int code = read_text(
	    &c,
	    "return { scrape = {\n"
	    " { job = 'a', targets = { 'x:1', '[::1]:2' }, files = { 't/*.json' }, interval = '5s', timeout = 2,\n"
	    "   path = '/federate', scheme = 'https', params = { ['match[]'] = { 'up', 'a b' }, a = 'z' },\n"
	    "   headers = { ['X-Scope'] = 'ann' }, labels = { zone = 'b', env = 'prod' }, honor_labels = true,\n"
	    "   honor_timestamps = false, follow_redirects = false, sample_limit = 10, body_bytes = '1MiB',\n"
	    "   tls = { ca = 'ca.pem', cert = 'c.pem', key = 'k.pem', server_name = 's', insecure = true },\n"
	    "   basic_auth = { username = 'ann', password_file = 'p' } },\n"
	    " { job = 'b', targets = { 'y' }, interval = 3, bearer_token_file = 't' } } }",
	    &err);
	assert_string_equal(err.text, "");
	assert_int_equal(code, 0);
	assert_int_equal(c.scrape_count, 2);
	const struct config_scrape *a = &c.scrapes[0], *b = &c.scrapes[1];
	assert_string_equal(a->job, "a");
	assert_int_equal(a->targets.count, 2);
	assert_string_equal(a->targets.items[1], "[::1]:2");
	assert_string_equal(a->files.items[0], "t/*.json");
	assert_int_equal(a->interval_ns, 5 * NS_PER_S);
	assert_int_equal(a->timeout_ns, 2 * NS_PER_S);
	assert_string_equal(a->path, "/federate");
	assert_int_equal(a->scheme, SCHEME_HTTPS);
	assert_int_equal(a->params.count, 3);
	assert_string_equal(a->params.items[0].name, "a");
	assert_string_equal(a->params.items[1].value, "up");
	assert_string_equal(a->params.items[2].value, "a b");
	assert_string_equal(a->headers.items[0].name, "X-Scope");
	assert_string_equal(a->labels.items[0].name, "env");
	assert_string_equal(a->labels.items[1].value, "b");
	assert_true(a->honor_labels && !a->honor_timestamps && !a->follow_redirects);
	assert_int_equal(a->sample_limit, 10);
	assert_int_equal(a->body_bytes, 1 << 20);
	assert_string_equal(a->tls.ca, "ca.pem");
	assert_string_equal(a->tls.cert, "c.pem");
	assert_string_equal(a->tls.key, "k.pem");
	assert_string_equal(a->tls.server_name, "s");
	assert_true(a->tls.insecure);
	assert_string_equal(a->basic_auth.username, "ann");
	assert_null(a->basic_auth.password);
	assert_string_equal(a->basic_auth.password_file, "p");
	assert_int_equal(b->interval_ns, 3 * NS_PER_S);
	assert_int_equal(b->timeout_ns, 3 * NS_PER_S);
	assert_string_equal(b->path, "/metrics");
	assert_int_equal(b->scheme, SCHEME_HTTP);
	assert_true(!b->honor_labels && b->honor_timestamps && b->follow_redirects && !b->tls.insecure);
	assert_int_equal(b->sample_limit, 0);
	assert_int_equal(b->body_bytes, 16 << 20);
	assert_string_equal(b->bearer_token_file, "t");
	assert_int_equal(config_check(&c, &err), 0);
	config_deinit(&c);
}

static void has_defaults(void **state)
{
	struct config c;
	struct error err;
	(void)state;
	assert_int_equal(read_text(&c, "return { scrape = { { job = 'a', targets = { 'x:1' } } } }", &err), 0);
	assert_int_equal(c.scrapes[0].interval_ns, 15 * NS_PER_S);
	assert_int_equal(c.scrapes[0].timeout_ns, 10 * NS_PER_S);
	config_deinit(&c);
	assert_int_equal(read_text(&c, "return { scrape = {} }", &err), 0);
	assert_int_equal(c.scrape_count, 0);
	config_deinit(&c);
}

/* Behind `scrape = { {` of an entry that is fine otherwise. */
static void names_the_mistake(void **state)
{
	static const char *const mistakes[][2] = {
	    {"intervall = 5", ":3: scrape[1]: intervall: there is no such option; did you mean 'interval'?"},
	    {"scrape_interval = 5",
	     ":3: scrape[1]: scrape_interval: there is no such option; did you mean 'interval'?"},
	    {"tls = { ca_file = 'x' }", ":3: scrape[1]: tls.ca_file: there is no such option; did you mean 'tls.ca'?"},
	    {"tokens = {}", "scrape[1]: tokens: there is no such option"},
	    {"interval = 0.05", ":3: scrape[1]: interval: found 0.05, wanted a duration from 0.1 to"},
	    {"timeout = 16", ":3: scrape[1]: timeout: found more than the interval, wanted at most that"},
	    {"interval = 5, timeout = 6", "timeout: found more than the interval"},
	    {"scheme = 'ftp'", "scheme: found \"ftp\", wanted one of \"http\", \"https\""},
	    {"path = 'metrics'", "path: found what is no path"},
	    {"path = '/m?x=1'", "path: found what is no path"},
	    {"path = '/a b'", "path: found what is no path"},
	    {"targets = 'x:1'", "targets: found no list"},
	    {"targets = { 5 }", "targets: found what is no text"},
	    {"targets = { '' }", "targets: found what is no text, or an empty one"},
	    {"targets = { 'http://x:1' }", "targets: found \"http://x:1\", wanted host:port, without scheme and path"},
	    {"targets = { 'x:1/metrics' }", "targets: found \"x:1/metrics\""},
	    {"targets = { 'ann@x:1' }", "targets: found \"ann@x:1\""},
	    {"targets = { 'x\\0y' }", "targets: found what is no text"},
	    {"targets = {}", "targets: found none"},
	    {"files = { '*/x.json' }", "files: found \"*/x.json\", wanted * and ? in the last part of the path alone"},
	    {"params = { a = 5 }", "params: found a value that is no text"},
	    {"params = { a = { 5 } }", "params: found a value that is no text"},
	    {"params = { 'x' }", "params: found a name that is no text"},
	    {"labels = { a = { 'x' } }", "labels: found a value that is no text"},
	    {"labels = { ['a.b'] = 'x' }", "labels: found a name that is none of a label"},
	    {"labels = { __x = 'x' }", "labels: found a name that is none of a label"},
	    {"headers = { ['a b'] = 'x' }", "headers: found what is no header"},
	    {"headers = { a = 'x\\r\\ny: z' }", "headers: found what is no header"},
	    {"headers = { authorization = 'x' }", "headers: found one that is set otherwise, wanted others than"},
	    {"honor_labels = 1", "honor_labels: found 1, wanted true or false"},
	    {"bearer_token = 'x', bearer_token_file = 'y'", "bearer_token_file: found bearer_token beside it"},
	    {"bearer_token = 'x', basic_auth = { username = 'y' }", "basic_auth: found a bearer token beside it"},
	    {"basic_auth = { password = 'y' }", "basic_auth: found no username"},
	    {"basic_auth = { username = 'a', password = 'y', password_file = 'z' }", "basic_auth: found password and"},
	    {"tls = { cert = 'x' }", "tls: found one of cert and key, wanted both"},
	    {"tls = 5", "tls: found a number, wanted a table of options"},
	    {"'x'", ":2: scrape[1]: an entry has an entry without a name"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
		char text[512];
		snprintf(text, sizeof text, "return { http = { rate = 0 }, scrape = {\n { job = 'a', %s\n %s } } }",
		         strncmp(mistakes[i][0], "targets", 7) == 0 ? "" : "targets = { 'x:1' },", mistakes[i][0]);
		assert_refused(text, mistakes[i][1]);
	}
}

static void names_the_entry(void **state)
{
	(void)state;
	assert_refused("return { scrape = 5 }", ":1: scrape: found no list");
	assert_refused("return { scrape = { job = 'a' } }", ":1: scrape: found no list");
	assert_refused("return { scrape = { 'a' } }", ": scrape[1]: found no table, wanted { job = ");
	assert_refused("return { scrape = { { targets = { 'x' } } } }", "scrape[1]: job: found none");
	assert_refused("return { scrape = {\n -- job = {\n { job = 'a', targets = { 'x' } },\n { targets = { 'x' },\n "
	               "job = 'a' } } }",
	               ":5: scrape[2]: job: found the same as of another entry, wanted each job once");
	assert_refused("return { scrape = {\n { job = '{', targets = { 'x' } },\n { job = 'b',\n targets = { 'x' }, "
	               "interval = 0 } } }",
	               ":4: scrape[2]: interval: found 0, wanted a duration");
	/* Where a list was made by a program the line of the list has to do. */
	assert_refused(
	    "local t = {} for i = 1, 3 do t[i] = { job = 'a', targets = { 'x' } } end\nreturn { scrape = t }",
	    ":2: scrape[2]: job: found the same");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_jobs),
	    cmocka_unit_test(has_defaults),
	    cmocka_unit_test(names_the_mistake),
	    cmocka_unit_test(names_the_entry),
	};
	return cmocka_run_group_tests(tests, make_path, remove_path);
}

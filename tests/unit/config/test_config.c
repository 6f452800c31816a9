/* Configuration: defaults, the file, flags, the checks of the whole; and every sentence about a mistake. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <string.h>

#include "base/clock.h"
#include "config/config.h"
#include "config/options.h"

#define HASH "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"

/* What reading a file may cost. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { CPU_MS_MAX = 1000 };
#else
enum { CPU_MS_MAX = 100 };
#endif

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

static void write_conf(const char *text, size_t len)
{
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static int read_text(struct config *c, const char *text, struct error *err)
{
	write_conf(text, strlen(text));
	assert_int_equal(config_init(c), 0);
	*err = (struct error){0};
	return config_read(c, path, err);
}

/* Reads a text that must be refused with a sentence that has `wanted` behind the file's name. */
static void assert_refused(const char *text, const char *wanted)
{
	struct config c, fresh;
	struct error err;
	assert_true(read_text(&c, text, &err) < 0);
	if (strncmp(err.text, path, strlen(path)) != 0 || strstr(err.text, wanted) == NULL)
		fail_msg("%s\n  gave:   %s\n  wanted: %s…%s", text, err.text, path, wanted);
	/* Nothing of the refused file stays. */
	assert_int_equal(config_init(&fresh), 0);
	assert_string_equal(c.listen, fresh.listen);
	assert_int_equal(c.token_count, 0);
	config_deinit(&fresh);
	config_deinit(&c);
}

static void has_its_defaults(void **state)
{
	struct config c;
	struct error err = {0};
	(void)state;
	assert_int_equal(config_init(&c), 0);
	assert_string_equal(c.listen, "127.0.0.1:4318");
	assert_string_equal(c.timezone, "UTC");
	assert_true(c.threads >= 1);
	assert_int_equal(c.http.body_bytes, 16 << 20);
	assert_int_equal(c.http.header_timeout_ns, 10 * NS_PER_S);
	assert_int_equal(c.journal.durability, DURABILITY_GROUP);
	assert_int_equal(c.journal.retention_ns, INT64_C(7) * 86400 * NS_PER_S);
	assert_int_equal(c.dedup.max, 2000000);
	assert_int_equal(c.limits.call_ms, 100);
	assert_int_equal(c.log.level, LOG_INFO);
	assert_true(c.log.to_stdout);
	assert_null(c.log.file);
	assert_int_equal(config_check(&c, &err), 0);
	config_deinit(&c);
}

static void assert_same_option(const struct option *o, const struct config *a, const struct config *b)
{
	const char *x = (const char *)a + o->offset, *y = (const char *)b + o->offset;
	size_t size = o->type == OPTION_BOOL                                 ? sizeof(bool)
	              : o->type == OPTION_SIZE || o->type == OPTION_DURATION ? sizeof(uint64_t)
	                                                                     : sizeof(uint32_t);
	if (o->type == OPTION_STRING || o->type == OPTION_PATH) {
		const char *s = *(char *const *)x, *t = *(char *const *)y;
		if ((s == NULL) != (t == NULL) || (s != NULL && strcmp(s, t) != 0))
			fail_msg("%s: the file says %s, the default is %s", o->key, s, t);
	} else if (memcmp(x, y, size) != 0) {
		fail_msg("%s: conf/moongate.lua does not say its default", o->key);
	}
}

/* The file that is shipped is the manual of the options: each is in it, with its default. */
static void ships_a_file_that_names_every_option_with_its_default(void **state)
{
	static char text[64 << 10];
	struct config c, defaults;
	struct error err = {0};
	(void)state;
	FILE *f = fopen("conf/moongate.lua", "rb");
	assert_non_null(f);
	text[fread(text, 1, sizeof text - 1, f)] = '\0';
	fclose(f);
	assert_int_equal(config_init(&defaults), 0);
	assert_int_equal(config_init(&c), 0);
	assert_int_equal(config_read(&c, "conf/moongate.lua", &err), 0);
	assert_string_equal(c.conf_dir, "conf");
	for (size_t i = 0; i < option_count; i++) {
		char name[64];
		const char *dot = strchr(options[i].key, '.');
		snprintf(name, sizeof name, " %s = ", dot != NULL ? dot + 1 : options[i].key);
		if (strstr(text, name) == NULL)
			fail_msg("conf/moongate.lua does not name %s", options[i].key);
		assert_same_option(&options[i], &c, &defaults);
	}
	config_deinit(&c);
	config_deinit(&defaults);
}

static void reads_a_file(void **state)
{
	struct config c;
	struct error err;
	(void)state;
	assert_int_equal(read_text(&c,
	                           "local mib = 1024 * 1024\n"
	                           "return { listen = '0.0.0.0:9', threads = 3, watch = true,\n"
	                           "  http = { body_bytes = 2 * mib, idle_timeout = '1m30s', header_timeout = 0.25 },\n"
	                           "  journal = { durability = 'interval', retention_bytes = '3GB' },\n"
	                           "  log = { level = 'error', file = 'x.log' },\n"
	                           "  tokens = { { sha256 = '" HASH
	                           "', scopes = { 'ingest', 'admin' }, rate = 7, burst = 9 } } }",
	                           &err),
	                 0);
	assert_string_equal(c.listen, "0.0.0.0:9");
	assert_int_equal(c.threads, 3);
	assert_true(c.watch);
	assert_int_equal(c.http.body_bytes, 2 << 20);
	assert_int_equal(c.http.idle_timeout_ns, 90 * NS_PER_S);
	assert_int_equal(c.http.header_timeout_ns, NS_PER_S / 4);
	assert_int_equal(c.journal.durability, DURABILITY_INTERVAL);
	assert_int_equal(c.journal.retention_bytes, 3000000000);
	assert_int_equal(c.log.level, LOG_ERROR);
	assert_string_equal(c.log.file, "x.log");
	assert_int_equal(c.token_count, 1);
	assert_int_equal(c.tokens[0].scopes, 1 | 4);
	assert_int_equal(c.tokens[0].rate, 7);
	assert_int_equal(c.tokens[0].burst, 9);
	assert_int_equal(c.tokens[0].sha256[0], 0x2c);
	assert_int_equal(c.tokens[0].sha256[31], 0xae);
	assert_string_equal(c.conf_dir, "/tmp");
	assert_int_equal(config_check(&c, &err), 0);
	config_deinit(&c);
}

static void names_the_line_of_a_mistake(void **state)
{
	(void)state;
	assert_refused("return {\n\n  lissten = 1 }", ":3: lissten: there is no such option; did you mean 'listen'?");
	assert_refused("return {\n  http = {\n    body_byte = 1 } }",
	               ":3: http.body_byte: there is no such option; did you mean 'http.body_bytes'?");
	assert_refused("return { qwertyuiop = 1 }", ":1: qwertyuiop: there is no such option");
	assert_refused("return { threads = 'many' }",
	               ":1: threads: found \"many\", wanted a whole number from 1 to 256");
	assert_refused("return { threads = 0 }", ":1: threads: found 0, wanted a whole number from 1 to 256");
	assert_refused("return { threads = 1.5 }", ":1: threads: found 1.5, wanted a whole number");
	assert_refused("return { threads = 0/0 }", ":1: threads: found ");
	assert_refused("return { threads = {} }", ":1: threads: found a table, wanted a whole number");
	assert_refused("return { watch = 'true' }", ":1: watch: found a text, wanted true or false");
	assert_refused("return { watch = 1 }", ":1: watch: found 1, wanted true or false");
	assert_refused("return { listen = '' }", ":1: listen: found an empty text");
	assert_refused("return { listen = true }", ":1: listen: found true, wanted a text");
	assert_refused("return { http = 5 }", ":1: http: found a number, wanted a table of options");
	assert_refused("return { http = { body_bytes = '16 apples' } }",
	               ":1: http.body_bytes: found \"16 apples\", wanted a size");
	assert_refused("return { http = { idle_timeout = '-5s' } }", ":1: http.idle_timeout: found ");
	assert_refused("return { http = { idle_timeout = 1e300 } }",
	               ":1: http.idle_timeout: found 1e+300, wanted a duration");
	assert_refused("-- threads = 9\nlocal s = 'threads = 9'\nreturn { threads = 999 }", ":3: threads: found 999");
	assert_refused("return { journal = { durability = 'never' } }",
	               "found \"never\", wanted one of \"group\", \"interval\"");
	assert_refused("return { ['http.body_bytes'] = '2MiB' }", "http.body_bytes: there is no such option");
	assert_refused("return { ['watch\\0'] = true }", "watch: there is no such option");
	assert_refused("return { 5 }", "has an entry without a name");
	assert_refused("return { http = { 5 } }", "http has an entry without a name");
}

static void names_the_mistake_in_tokens(void **state)
{
	(void)state;
	assert_refused("return {\n tokens = 5 }", ":2: tokens: found no list");
	assert_refused("return { tokens = { 'secret' } }", ":1: tokens: found an entry that is no table");
	assert_refused("return { tokens = { { sha256 = 'abc', scopes = { 'query' } } } }",
	               "found a sha256 that is none");
	assert_refused("return { tokens = { { scopes = { 'query' } } } }", "found a sha256 that is none");
	assert_refused("return { tokens = { { sha256 = '" HASH "' } } }", "found scopes that are no list");
	assert_refused("return { tokens = { { sha256 = '" HASH "', scopes = { 'query' } },\n { sha256 = '" HASH
	               "', scopes = { 'admin' } } } }",
	               "tokens: found the same sha256 twice, wanted each token once");
	assert_refused("return { tokens = { { sha256 = '" HASH "', scopes = {} } } }", "found a token without scopes");
	assert_refused("return { tokens = { { sha256 = '" HASH "', scopes = { 'root' } } } }",
	               "found an unknown scope");
	assert_refused("return { tokens = { { sha256 = '" HASH "', scopes = { 'query' }, name = 'x' } } }",
	               "found an unknown field in a token");
	assert_refused("return {\n tokens = { { sha256 = '" HASH "', scopes = { 'query' }, rate = 0 } } }",
	               ":2: tokens: found a token's rate or burst that is none, wanted a whole number");
	assert_refused("return { tokens = { { sha256 = '" HASH "', scopes = { 'query' }, rate = 1.5 } } }",
	               "rate or burst that is none");
	assert_refused("return { tokens = { { sha256 = '" HASH "', scopes = { 'query' }, rate = '5' } } }",
	               "rate or burst that is none");
	assert_refused("return { tokens = { { sha256 = '" HASH "', scopes = { 'query' }, rate = 5, burst = 1e7 } } }",
	               "rate or burst that is none");
	assert_refused("return { tokens = { { sha256 = '" HASH "', scopes = { 'query' }, burst = 5 } } }",
	               ":1: tokens: found a token's burst without a rate");
	assert_refused("return { http = { rate = -1 } }", ":1: http.rate: found -1, wanted a whole number");
	/* What is no item of the list may not be passed over: that would leave the door open. */
	assert_refused("return { tokens = { ann = { sha256 = '" HASH "', scopes = { 'query' } } } }",
	               ":1: tokens: found no list");
	assert_refused("return { tokens = { { sha256 = '" HASH "', scopes = { 'query' } }, ann = 1 } }",
	               ":1: tokens: found no list");
	assert_refused("return { tokens = { [2] = { sha256 = '" HASH "', scopes = { 'query' } } } }",
	               ":1: tokens: found no list");
	assert_refused("return { tokens = { { sha256 = '" HASH "', scopes = { 'query', x = 'admin' } } } }",
	               "found scopes that are no list");
}

static void survives_hostile_files(void **state)
{
	(void)state;
	assert_refused("return", "found a nil, wanted the file to return a table of options");
	assert_refused("return {\n", ":2: unexpected symbol near '<eof>'");
	assert_refused("error 'no'", "attempt to call global 'error'");
	assert_refused("local t = {} while true do t = {} end", "the configuration takes more than 50 ms of CPU time");
	assert_refused("local t = {} for i = 1, 1e9 do t[i] = {} end", "");
	assert_refused("local s = 'x' for i = 1, 40 do s = s .. s end return {}",
	               "the configuration wants more than 16 MiB");
	assert_refused("return io.open('/etc/passwd')", "attempt to index global 'io'");
	assert_refused("return require 'ffi'", "attempt to call global 'require'");
	assert_refused("return { threads = setmetatable({}, {}) }", "attempt to call global 'setmetatable'");
	assert_refused("return string.dump(function() end)", "attempt to call field 'dump'");
}

static int64_t cpu_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* What C does in one call is not seen by the count of instructions: it must be short, or not be there. */
static void ends_in_time_whatever_the_file_does(void **state)
{
	static const char *const files[] = {
	    "while true do end",
	    "local t = {} for i = 1, 1e9 do t[i] = i end",
	    "local t = {} for i = 1, 4e5 do t[i] = i * 7919 % 65537 end for i = 1, 100 do table.sort(t) end return {}",
	    "local t = {} for i = 1, 1e5 do t[i] = 'x' end while true do table.concat(t) end",
	    "local t = {} for i = 1, 2e5 do t[i] = i end while true do table.insert(t, 1, 1) table.remove(t, 1) end",
	    "local s = 'x' for i = 1, 21 do s = s .. s end while true do local t = s .. 'y' end",
	    "local s = 'x' for i = 1, 21 do s = s .. s end while true do s:reverse() s:upper() s:lower() end",
	    "local s = 'x' for i = 1, 21 do s = s .. s end while true do ('%q'):format(s) end",
	    "local s = 'x' for i = 1, 12 do s = s .. s end while true do s:byte(1, -1) end",
	};
	(void)state;
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		int64_t began = cpu_ms();
		assert_refused(files[i], "");
		int64_t spent = cpu_ms() - began;
		if (spent > CPU_MS_MAX)
			fail_msg("%s: %lld ms of CPU time", files[i], (long long)spent);
	}
}

static void refuses_bytecode_and_files_that_are_not_there(void **state)
{
	struct config c;
	struct error err = {0};
	(void)state;
	write_conf("\x1bLJ\x02\x00", 5);
	assert_int_equal(config_init(&c), 0);
	assert_int_equal(config_read(&c, path, &err), -EINVAL);
	assert_non_null(strstr(err.text, "found bytecode, wanted Lua source"));
	assert_int_equal(config_read(&c, "/tmp/no/such/moongate.lua", &err), -ENOENT);
	assert_non_null(strstr(err.text, "/tmp/no/such/moongate.lua"));
	assert_string_equal(c.listen, "127.0.0.1:4318");
	config_deinit(&c);
}

static void takes_flags(void **state)
{
	struct config c;
	struct error err = {0};
	(void)state;
	assert_int_equal(config_init(&c), 0);
	assert_int_equal(config_set(&c, "listen", "[::1]:0", &err), 0);
	assert_int_equal(config_set(&c, "threads", "4", &err), 0);
	assert_int_equal(config_set(&c, "http.body_bytes", "1MiB", &err), 0);
	assert_int_equal(config_set(&c, "log.level", "debug", &err), 0);
	assert_string_equal(c.listen, "[::1]:0");
	assert_int_equal(c.threads, 4);
	assert_int_equal(c.http.body_bytes, 1 << 20);
	assert_int_equal(c.log.level, LOG_DEBUG);
	assert_int_equal(config_set(&c, "threads", "x", &err), -EINVAL);
	assert_string_equal(err.text, "threads: found \"x\", wanted a whole number from 1 to 256");
	assert_int_equal(config_set(&c, "nothing", "x", &err), -EINVAL);
	assert_int_equal(c.threads, 4);
	config_deinit(&c);
}

/* Sets one option and checks the whole; NULL `wanted`: fine. */
static void assert_check(const char *key, const char *value, const char *wanted)
{
	struct config c;
	struct error err = {0};
	assert_int_equal(config_init(&c), 0);
	assert_int_equal(config_set(&c, key, value, &err), 0);
	int code = config_check(&c, &err);
	if ((code == 0) != (wanted == NULL) || (wanted != NULL && strstr(err.text, wanted) == NULL))
		fail_msg("%s = %s gave %d: %s", key, value, code, err.text);
	config_deinit(&c);
}

static void is_not_reachable_from_elsewhere_without_tokens(void **state)
{
	static const char *const inside[] = {"127.0.0.1:0", "127.255.0.9:80", "[::1]:4318", "localhost:4318"};
	static const char *const outside[] = {"0.0.0.0:4318",
	                                      "[::]:4318",
	                                      "10.0.0.1:1",
	                                      "127.example.com:80",
	                                      "127.0.0.1.example.com:80",
	                                      "localhost.example.com:80",
	                                      "128.0.0.1:80",
	                                      "[::ffff:127.0.0.1]:80"};
	struct config c;
	struct error err = {0};
	(void)state;
	for (size_t i = 0; i < sizeof inside / sizeof *inside; i++)
		assert_check("listen", inside[i], NULL);
	for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
		assert_check("listen", outside[i], "can be reached from other machines");
	assert_int_equal(read_text(&c, "return { listen = '0.0.0.0:0', allow_anonymous = true }", &err), 0);
	assert_int_equal(config_check(&c, &err), 0);
	config_deinit(&c);
}

static void checks_what_hangs_together(void **state)
{
	static const char *const addresses[] = {
	    "4318", ":4318", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:1x"};
	(void)state;
	for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++)
		assert_check("listen", addresses[i], "wanted an address and a port");
	assert_check("http.bodies_bytes", "1MiB",
	             "http.bodies_bytes: found 1048576, wanted at least http.body_bytes (16777216)");
	char data[CONFIG_DATA_MAX + 2];
	memset(data, 'd', sizeof data);
	data[CONFIG_DATA_MAX + 1] = '\0';
	assert_check("data", data, "data: the path has 401 bytes, wanted at most 400");
	assert_check("journal.retention_bytes", "20MiB",
	             "journal.retention_bytes: found 20971520, wanted at least two segments");
	assert_check("timezone", "Mars/Olympus", "timezone: ");
	assert_check("timezone", "Europe/Berlin", NULL);
	assert_check("timezone", "UTC", NULL);
}

/* What is only seen when all is known is told with its place, too: that of the key, unless a flag has taken it over. */
static void names_the_line_of_what_does_not_fit(void **state)
{
	static const char *const files[][2] = {
	    {"return {\n\n listen = '0.0.0.0:1' }", ":3: listen: \"0.0.0.0:1\" can be reached from other machines"},
	    {"return {\n data = ('d'):upper(), http = {\n burst = 5 } }",
	     ":3: http.burst: found 5 without a rate, wanted http.rate as well"},
	    {"return {\n http = { body_bytes = '8MiB',\n bodies_bytes = '1MiB' } }", ":3: http.bodies_bytes: found"},
	    {"return { journal = {\n retention_bytes = '20MiB' } }", ":2: journal.retention_bytes: found"},
	    {"return {\n timezone = 'Mars/Olympus' }", ":2: timezone: "},
	    {"local t = {} t['time' .. 'zone'] = 'Mars' return t", ": timezone: "},
	    {"return { tokens = { { sha256 = '" HASH "', scopes = { 'query' } } },\n http = {\n rate = 9 } }",
	     ":3: http.rate: found 9 beside tokens, wanted a rate in each token instead"},
	};
	struct config c;
	struct error err;
	char wanted[256];
	(void)state;
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		assert_int_equal(read_text(&c, files[i][0], &err), 0);
		assert_int_equal(config_check(&c, &err), -EINVAL);
		snprintf(wanted, sizeof wanted, "%s%s", path, files[i][1]);
		if (strncmp(err.text, wanted, strlen(wanted)) != 0)
			fail_msg("%s\n  gave:   %s\n  wanted: %s", files[i][0], err.text, wanted);
		config_deinit(&c);
	}
	assert_int_equal(read_text(&c, "return { listen = '127.0.0.1:1' }", &err), 0);
	assert_int_equal(config_set(&c, "listen", "0.0.0.0:2", &err), 0);
	assert_int_equal(config_check(&c, &err), -EINVAL);
	assert_int_equal(strncmp(err.text, "listen: \"0.0.0.0:2\"", 19), 0);
	config_deinit(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(has_its_defaults),
	    cmocka_unit_test(ships_a_file_that_names_every_option_with_its_default),
	    cmocka_unit_test(reads_a_file),
	    cmocka_unit_test(names_the_line_of_a_mistake),
	    cmocka_unit_test(names_the_mistake_in_tokens),
	    cmocka_unit_test(names_the_line_of_what_does_not_fit),
	    cmocka_unit_test(survives_hostile_files),
	    cmocka_unit_test(ends_in_time_whatever_the_file_does),
	    cmocka_unit_test(refuses_bytecode_and_files_that_are_not_there),
	    cmocka_unit_test(takes_flags),
	    cmocka_unit_test(is_not_reachable_from_elsewhere_without_tokens),
	    cmocka_unit_test(checks_what_hangs_together),
	};
	return cmocka_run_group_tests(tests, make_path, remove_path);
}

/* What the log and the refusals say of a script that breaks a limit: the script and the line where it was when it was cut off. */
#include "support.h"

#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"

static char log_path[] = "/tmp/moongate-offence-XXXXXX";

/* What was logged since the last time. */
static const char *logged(void)
{
	static struct buf text;
	struct error err = {0};

	buf_reset(&text);
	assert_int_equal(file_read_all(log_path, 1 << 20, &text, &err), 0);
	buf_byte(&text, '\0');
	assert_int_equal(truncate(log_path, 0), 0);
	return text.ptr;
}

/* What is to meet its memory limit first has time for it, under sanitizers too. */
enum { SOON_MS = 10, MUCH_LATER_MS = 2000 };

static struct world *small_world(uint32_t call_ms)
{
	struct world *w = world_new();

	world_close_host(w);
	w->options.call_ms = call_ms;
	w->options.load_ms = 40;
	w->options.memory_mb = 4;
	w->options.strikes = 1000;
	world_open_host(w);
	return w;
}

/* A call of the handler for "x" is cut off (or fails) at `at`. */
static void is_named(const char *text, const char *at, uint32_t call_ms)
{
	struct world *w = small_world(call_ms);
	char wanted[128];

	world_file(w, "conf/endless.lua", "endless", "local n = 0\nwhile true do n = n + 1 end");
	world_file(w, "scripts/metrics/t.lua", NULL, text);
	world_load(w);
	logged();
	post(w, "x", "text=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	snprintf(wanted, sizeof wanted, "\"at\":\"%s\"", at);
	const char *log = logged();
	assert_contains(log, wanted);
	assert_contains(log, "\"script\":\"scripts/metrics/t.lua\"");
	assert_int_equal(stats_of(w, 0).cuts, 1);
	world_free(w);
}

static void test_time(void **state)
{
	(void)state;
	is_named("on('x', function()\n  local n = 0\n  while true do end\nend)", "scripts/metrics/t.lua:3", SOON_MS);
	/* The innermost line of the script, and the first one: a pcall that catches the cut is not where it was. */
	is_named("local function spin()\n  while true do end\nend\non('x', function()\n  pcall(spin)\n  while true do "
	         "pcall(spin) end\nend)",
	         "scripts/metrics/t.lua:2", SOON_MS);
	is_named("on('x', function()\n  coroutine.wrap(function()\n    while true do end\n  end)()\nend)",
	         "scripts/metrics/t.lua:3", SOON_MS);
	is_named("on('x', function()\n\n  require 'endless'\nend)", "conf/endless.lua:2", SOON_MS);
	/* In C functions: the line that called. */
	is_named("on('x', function(ev)\n  local s = ev.text:rep(500)\n  local at = s:find('.-.-.-.-b')\nend)",
	         "scripts/metrics/t.lua:3", SOON_MS);
	/* A tail call leaves no line behind: where the handler begins. */
	is_named("on('x', function(ev)\n  local s = ev.text:rep(500)\n  return s:find('.-.-.-.-b')\nend)",
	         "scripts/metrics/t.lua:1", SOON_MS);
	is_named("on('x', function(ev)\n  local s = ev.text:rep(500)\n  for _ in s:gmatch('.-.-.-b') do\n  end\nend)",
	         "scripts/metrics/t.lua:3", SOON_MS);
	/* In moongate's own Lua: the line that called. */
	is_named("on('x', function()\n  table.sort({ 2, 1, 3 }, function()\n    while true do end\n  end)\nend)",
	         "scripts/metrics/t.lua:3", SOON_MS);
	is_named("on('x', function()\n  local t = {}\n  for i = 1, 1e5 do t[i] = -i end\n  while true do\n    "
	         "table.sort(t)\n  end\nend)",
	         "scripts/metrics/t.lua:5", SOON_MS);
}

static void test_memory(void **state)
{
	(void)state;
	is_named("on('x', function()\n  local t = {}\n  for i = 1, 1e9 do\n    t[i] = { i }\n  end\nend)",
	         "scripts/metrics/t.lua:4", MUCH_LATER_MS);
	is_named("on('x', function()\n  local s = 'x'\n  while true do\n    s = s .. s\n  end\nend)",
	         "scripts/metrics/t.lua:4", MUCH_LATER_MS);
	is_named("on('x', function()\n  local n = 3e6\n  local s = ('x'):rep(n)\nend)", "scripts/metrics/t.lua:3",
	         MUCH_LATER_MS);
	is_named("on('x', function()\n  local co = coroutine.wrap(function()\n    local t = {}\n    for i = 1, 1e9 do "
	         "t[i] = i end\n  end)\n  co()\nend)",
	         "scripts/metrics/t.lua:6", MUCH_LATER_MS);
}

static void test_quarantine(void **state)
{
	(void)state;
	struct world *w = small_world(SOON_MS);

	world_close_host(w);
	w->options.strikes = 2;
	world_open_host(w);
	world_file(w, "scripts/metrics/t.lua", NULL, "on('x', function()\n  while true do end\nend)");
	world_load(w);
	post(w, "x", "");
	post(w, "x", "");
	assert_string_equal(w->reason, "2 calls cut off within a minute, the last one because it took longer than a "
	                               "call may at scripts/metrics/t.lua:2");
	world_free(w);
}

/* The sentence that a reload is refused with. */
static void test_loading(void **state)
{
	(void)state;
	struct world *w = small_world(SOON_MS);

	assert_string_equal(refusal(w, "local n = 0\n\nwhile true do n = n + 1 end"),
	                    "scripts/metrics/t.lua:3: loading scripts/metrics/t.lua takes longer than it may (40 ms)");
	assert_string_equal(refusal(w, "local t = {}\nfor i = 1, 1e9 do t[i] = { i } end"),
	                    "scripts/metrics/t.lua:2: loading scripts/metrics/t.lua takes more memory than a script "
	                    "may have (4 MiB)");
	world_file(w, "conf/endless.lua", "endless", "\nwhile true do end");
	assert_string_equal(refusal(w, "require 'endless'"),
	                    "conf/endless.lua:2: loading scripts/metrics/t.lua takes longer than it may (40 ms)");
	world_free(w);
}

static char why[512];

static void failed(void *ctx, struct record *r, const char *text)
{
	(void)ctx;
	(void)r;
	snprintf(why, sizeof why, "%s", text);
}

static void filter_fails(const char *text, const char *sentence)
{
	struct world *w = small_world(strstr(sentence, "memory") != NULL ? MUCH_LATER_MS : SOON_MS);

	world_file(w, "scripts/metrics/t.lua", NULL, text);
	world_load(w);
	logged();
	event(w, "x", "a=1");
	script_set_filter(w->set, w->batch, failed, NULL);
	assert_string_equal(why, sentence);
	const char *log = logged();
	const char *quote = strrchr(sentence, '"'); /* which the log escapes */
	assert_contains(log, quote != NULL ? quote + 1 : sentence);
	assert_contains(log, "\"script\":\"scripts/metrics/t.lua\"");
	assert_contains(log, "\"filter\":\"scripts/metrics/t.lua:1\"");
	world_free(w);
}

static void test_filters(void **state)
{
	(void)state;
	filter_fails("filter('x', function(ev)\n  ev.a = nil\n  while true do end\nend)",
	             "scripts/metrics/t.lua:3: the filter takes longer than a call may");
	filter_fails("filter('x', function(ev)\n  local t = {}\n  for i = 1, 1e9 do t[i] = i end\nend)",
	             "scripts/metrics/t.lua:3: the filter needs more memory than a script may have");
	filter_fails("filter('x', function(ev)\n  error {}\nend)",
	             "scripts/metrics/t.lua:1: in the handler that begins there: the error is no text");
	filter_fails("filter('x', function(ev)\n  return {}\nend)",
	             "scripts/metrics/t.lua:1: a filter returns \"drop\", false or nothing, not a table");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_time),    cmocka_unit_test(test_memory),  cmocka_unit_test(test_quarantine),
	    cmocka_unit_test(test_loading), cmocka_unit_test(test_filters),
	};
	int fd = mkstemp(log_path);
	struct log_options o = {.level = LOG_WARN, .to_stdout = false, .file = log_path};
	struct error err = {0};

	if (fd < 0 || log_start(&o, &err) != 0)
		return 1;
	close(fd);
	int failures = cmocka_run_group_tests(tests, NULL, NULL);
	log_stop();
	unlink(log_path);
	return failures;
}

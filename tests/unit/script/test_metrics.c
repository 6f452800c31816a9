/* Metrics from scripts: every constructor and method, labels, and what is refused with script and line. */
#include "support.h"

static void test_every_type_counts(void **state)
{
	(void)state;
	struct world *w =
	    world_with("local c = counter 'c_total' { labels = { 'a', 'b' } }\n"
	               "local g = gauge 'g' {}\n"
	               "local h = histogram 'h_seconds' { unit = 'seconds', labels = { 'a' }, buckets = { 1, 5 } }\n"
	               "local s = summary 's' { quantiles = { 0.5 }, window = '10m' }\n"
	               "local d = distinct 'd' { period = 'day' }\n"
	               "local t = topk 't' { labels = { 'a' }, k = 2 }\n"
	               "local r = ratio 'r' { window = '5m' }\n"
	               "local m = mean 'm' { window = '5m' }\n"
	               "on('x', function(ev)\n"
	               "  c:add(ev.n, ev.user_id, 7) c:inc(ev.user_id, 7)\n"
	               "  g:set(5) g:add(2.5) g:inc() g:dec() g:dec()\n"
	               "  h:observe(ev.n, true)\n"
	               "  s:observe(ev.n) d:see(ev.user_id) t:add(ev.n, ev.user_id) t:inc(ev.user_id)\n"
	               "  r:hit() r:hit() r:hit() r:miss() m:observe(ev.n)\n"
	               "end)\n");
	event(w, "x", "user_id=ann n=2.5");
	event(w, "x", "user_id=bob n=4");
	frame(w);
	assert_value(w, "c_total{a=\"ann\",b=\"7\"}", 3.5);
	assert_value(w, "c_total{a=\"bob\",b=\"7\"}", 5);
	assert_value(w, "g", 6.5);
	assert_value(w, "h_seconds_bucket{a=\"true\",le=\"1\"}", 0);
	assert_value(w, "h_seconds_bucket{a=\"true\",le=\"5\"}", 2);
	assert_value(w, "h_seconds_sum{a=\"true\"}", 6.5);
	assert_value(w, "s_count", 2);
	assert_value(w, "d", 2);
	assert_value(w, "t{a=\"ann\"}", 3.5);
	assert_value(w, "r", 0.75);
	assert_value(w, "m", 3.25);
	assert_int_equal(stats_of(w, 0).errors, 0);
	assert_int_equal(stats_of(w, 0).calls, 2);
	world_free(w);
}

/* Loads a script whose top level is wrong: its message. */
static void refuses(const char *text, const char *message)
{
	struct world *w = world_new();

	assert_contains(refusal(w, text), message);
	world_free(w);
}

static void test_definitions_are_checked(void **state)
{
	(void)state;
	refuses("\ncounter 'bad-name' {}", "scripts/metrics/t.lua:2: ");
	refuses("counter 'a' { lables = {} }", "scripts/metrics/t.lua:1: counter \"a\": unknown option lables; it "
	                                       "takes help, idle, labels, max_series, unit");
	refuses("counter 'a' { labels = 'x' }", "t.lua:1: counter \"a\": labels wants a list of strings");
	refuses("counter 'a' { labels = { 'x', 5 } }", "labels wants a list of strings");
	refuses("counter 'a' { labels = { x = 'y' } }", "labels wants a list of strings");
	refuses("counter 'a' { labels = { 'le le' } }", "t.lua:1: ");
	refuses("counter 'a' { help = 5 }", "help wants a string");
	refuses("counter 'a' { max_series = 0 }", "max_series is a whole number from 1 to 10000000");
	refuses("counter 'a' { max_series = 1.5 }", "max_series is a whole number");
	refuses("counter 'a' { idle = '5 parsecs' }", "t.lua:1: idle: ");
	refuses("counter 'a' { idle = true }", "idle wants seconds, a text such as \"24h\", or \"never\"");
	refuses("histogram 'a' { buckets = { 2, 1 } }", "t.lua:1: ");
	refuses("histogram 'a' { buckets = { 'x' } }", "buckets wants a list of numbers");
	refuses("summary 'a' { quantiles = { 2 } }", "t.lua:1: ");
	refuses("distinct 'a' { period = 'year' }", "period wants \"day\", \"week\" or \"month\"");
	refuses("topk 'a' { labels = { 'x' }, k = -1 }", "k is a whole number");
	refuses("ratio 'a' { window = {} }", "window wants seconds or a text such as \"5m\"");
	refuses("counter(5) {}", "counter wants a name, got number");
	refuses("counter 'a' 'b'", "counter \"a\" wants a table after its name, got string");
}

static void test_names_without_tables(void **state)
{
	(void)state;
	refuses("local a = 1\nlocal c = counter 'n'\nlocal b = 2",
	        "scripts/metrics/t.lua:2: counter \"n\" wants a table after its name");
	refuses("local c = gauge 'n'\nc:set(1)", "scripts/metrics/t.lua:2: gauge \"n\" wants a table after its name");
	refuses("local c = mean 'n'\nc.x = 1", "scripts/metrics/t.lua:2: mean \"n\" wants a table after its name");
}

static void test_same_name_in_two_scripts(void **state)
{
	(void)state;
	struct world *w = world_new();
	const char *one = "local c = counter 'c_total' { labels = { 'a' } }\non('x', function() c:inc('1') end)";

	world_file(w, "scripts/metrics/a.lua", NULL, one);
	world_file(w, "scripts/metrics/b.lua", NULL, one);
	world_load(w);
	post(w, "x", "");
	assert_value(w, "c_total{a=\"1\"}", 2);

	world_file(w, "scripts/metrics/a.lua", NULL, one);
	world_file(w, "scripts/metrics/b.lua", NULL, "\n\ncounter 'c_total' { labels = { 'b' } }");
	assert_int_not_equal(world_try_load(w), 0);
	assert_contains(w->err.text, "scripts/metrics/b.lua:3: ");
	assert_contains(w->err.text, "scripts/metrics/a.lua:1");
	world_file(w, "scripts/metrics/a.lua", NULL, one);
	world_file(w, "scripts/metrics/b.lua", NULL, "gauge 'c_total' { labels = { 'a' } }");
	assert_int_not_equal(world_try_load(w), 0);
	assert_contains(w->err.text, "scripts/metrics/b.lua:1: ");
	post(w, "x", "");
	assert_value(w, "c_total{a=\"1\"}", 4);
	world_free(w);
}

/* Runs a handler that catches the error of `call`; the message is what the script's own counter is labelled with. */
static void call_fails(const char *call, const char *message)
{
	char text[1024];
	snprintf(text, sizeof text,
	         "local c = counter 'c_total' { labels = { 'a', 'b' } }\n"
	         "local g, h = gauge 'g' {}, histogram 'h' {}\n"
	         "local d, r, t = distinct 'd' {}, ratio 'r' {}, topk 't' { labels = { 'a' } }\n"
	         "local why = counter 'why_total' { labels = { 'text' } }\n"
	         "on('x', function(ev)\n"
	         "  local ok, e = pcall(function() %s end)\n"
	         "  why:inc(ok and 'it did not fail' or e)\n"
	         "end)\n",
	         call);
	struct world *w = world_with(text);
	post(w, "x", "s=text n=1");
	if (strstr(exposition(w), message) == NULL)
		fail_msg("%s: no \"%s\" in\n%s", call, message, w->exposition);
	assert_null(strstr(w->exposition, "\nc_total{")); /* what fails makes no series */
	assert_int_equal(stats_of(w, 0).errors, 0);
	world_free(w);
}

#define PLACE "scripts/metrics/t.lua:6: "

static void test_calls_are_checked(void **state)
{
	(void)state;
	call_fails("c:add(-1, 'a', 'b')",
	           PLACE "counter \\\"c_total\\\": add wants a finite number of at least 0, got -1");
	call_fails("c:add(0/0, 'a', 'b')", "add wants a finite number of at least 0");
	call_fails("c:add(1/0, 'a', 'b')", "add wants a finite number of at least 0, got inf");
	call_fails("c:add('1', 'a', 'b')", "add wants a number, got string");
	call_fails("c:add(nil, 'a', 'b')", "add wants a number, got nil");
	call_fails("c:add(1, 'a')",
	           PLACE "counter \\\"c_total\\\": add wants a number and 2 label values: a, b, got 2 arguments");
	call_fails("c:add(1, 'a', 'b', 'c')", "got 4 arguments");
	call_fails("c.add(1, 'a', 'b')", "counter \\\"c_total\\\": call it with a colon");
	call_fails("c:inc()", "inc wants 2 label values: a, b, got 0 arguments");
	call_fails("c:add(1, {}, 'b')", "label a wants a string, number or boolean, got a table");
	call_fails("c:set(1)", "attempt to call method 'set'");
	call_fails("g:add(0/0)", "gauge \\\"g\\\": add wants a finite number");
	call_fails("h:observe(1/0)", "histogram \\\"h\\\": observe wants a finite number");
	call_fails("d:see(nil)", "distinct \\\"d\\\": see wants a string, number or boolean, got nil");
	call_fails("r:hit('x')", "ratio \\\"r\\\": hit wants 0 label values, got 1 argument");
	call_fails("t:add(-1, 'x')", "topk \\\"t\\\": add wants a finite number of at least 0, got -1");
	call_fails("c:with { a = 1 }", PLACE "counter \\\"c_total\\\": with: the label b is missing");
	call_fails("c:with { a = 1, b = 2, z = 3 }", "with: there is no label \\\"z\\\"");
	call_fails("c:with(5)", "with wants one table");
	call_fails("c:with { a = 1, b = 2 }:add(-1)", "add wants a finite number of at least 0");
	call_fails("c:with { a = 1, b = 2 }:add(1, 2)", "add wants a number and 0 label values, got 2 arguments");
	call_fails("c:with { a = 1, b = 2 }:with { a = 1 }", "with: the labels are bound already");
	call_fails("c:with { a = 1, b = 2 }.add(g, 1)", "counter: call it with a colon");
	call_fails("c:with { a = 1, b = 2 }.add(r:with {}, 1)", "counter: call it with a colon");
	call_fails("counter 'late' {}", "counter is for the top level of a script");
	call_fails("on('y', print)", "on is for the top level of a script");
	call_fails("state 'y'", "state is for the top level of a script");
}

static void test_changes_are_for_handlers(void **state)
{
	(void)state;
	refuses("local c = counter 'c_total' {}\nc:inc()",
	        "scripts/metrics/t.lua:2: inc: only handlers and every() may do that");
	refuses("local s = state 's'\ns:set('a', 1)",
	        "scripts/metrics/t.lua:2: state:set: only handlers and every() may do that");
	refuses("local s = state 's'\ns:get('a')", "state \"s\": get is for handlers and every()");
	refuses("emit('x')", "scripts/metrics/t.lua:1: emit: only handlers and every() may do that");
	refuses("local c = counter 'c_total' { labels = { 'a' } }\nlocal b = c:with { a = 1 }\nb:inc()",
	        "scripts/metrics/t.lua:3: ");
}

/* In a tail call the script's frame is gone: the place is then that of the handler. */
static void test_place_of_tail_calls(void **state)
{
	(void)state;
	struct world *w = world_with("local c = counter 'c_total' {}\n"
	                             "local function wrong() return c:add(-1) end\n"
	                             "local why = counter 'why_total' { labels = { 'text' } }\n"
	                             "on('x', function(ev)\n"
	                             "  local ok, e = pcall(wrong)\n"
	                             "  why:inc(e)\n"
	                             "end)\n");
	post(w, "x", "");
	assert_contains(exposition(w), "scripts/metrics/t.lua:");
	world_free(w);
}

static void test_bound_labels(void **state)
{
	(void)state;
	struct world *w =
	    world_with("local c = counter 'c_total' { labels = { 'a', 'b' } }\n"
	               "local fixed = c:with { a = 'x', b = true }\n"
	               "local t = topk('t') { labels = { 'a' }, k = 3 }:with { a = 1.5 }\n"
	               "local r, g = ratio('r') { labels = { 'a' } }:with { a = '' }, gauge('g') {}:with {}\n"
	               "on('x', function(ev)\n"
	               "  fixed:inc() fixed:add(2)\n"
	               "  c:with { a = ev.user_id, b = 7 }:add(ev.n)\n"
	               "  t:add(2) t:inc() r:hit() r:miss() g:set(5) g:dec()\n"
	               "end)\n");
	event(w, "x", "user_id=ann n=0.5");
	event(w, "x", "user_id=ann n=0.25");
	frame(w);
	assert_value(w, "c_total{a=\"x\",b=\"true\"}", 6);
	assert_value(w, "c_total{a=\"ann\",b=\"7\"}", 0.75);
	assert_value(w, "t{a=\"1.5\"}", 6);
	assert_value(w, "r", 0.5);
	assert_value(w, "g", 4);
	assert_int_equal(stats_of(w, 0).errors, 0);
	world_free(w);
}

static void test_label_texts(void **state)
{
	(void)state;
	struct world *w =
	    world_with("local c = counter 'c_total' { labels = { 'a', 'b' } }\n"
	               "on('x', function(ev)\n"
	               "  c:inc(nil, 'z') c:inc('', 'z') c:inc(3, -4) c:inc(0.1, 1e15) c:inc(1e100, 2^53)\n"
	               "  c:inc(false, 'a\"b\\\\c\\nd') c:inc(123456789012, 'q')\n"
	               "end)\n");
	post(w, "x", "");
	assert_value(w, "c_total{b=\"z\"}", 2);
	assert_value(w, "c_total{a=\"3\",b=\"-4\"}", 1);
	assert_value(w, "c_total{a=\"0.1\",b=\"1e+15\"}", 1);
	assert_value(w, "c_total{a=\"1e+100\",b=\"9.007199254741e+15\"}", 1);
	assert_value(w, "c_total{a=\"false\",b=\"a\\\"b\\\\c\\nd\"}", 1);
	assert_value(w, "c_total{a=\"123456789012\",b=\"q\"}", 1);
	world_free(w);
}

static void test_overflow_series(void **state)
{
	(void)state;
	struct world *w = world_with("local c = counter 'c_total' { labels = { 'a' }, max_series = 2 }\n"
	                             "on('x', function(ev) for i = 1, 5 do c:inc(i) end end)\n");
	post(w, "x", "");
	assert_value(w, "c_total{a=\"1\"}", 1);
	assert_value(w, "c_total{moongate_overflow=\"true\"}", 3);
	world_free(w);
}

/* By default a series stays for as long as it still has something to say. */
static void test_windows_outlast_a_quiet_day(void **state)
{
	(void)state;
	struct world *w = world_with(
	    "local r, m = ratio 'r' { window = '3d' }, mean 'm' { window = 5 * 86400 }\n"
	    "local s = summary 's' { window = '3d' }\n"
	    "local month, week = distinct 'month' { period = 'month' }, distinct 'week' { period = 'week' }\n"
	    "local c, short = counter 'c_total' {}, ratio 'short' { window = '3d', idle = '1d' }\n"
	    "on('x', function(ev)\n"
	    "  r:hit() m:observe(5) s:observe(7) month:see('ann') week:see('ann') c:inc() short:hit()\n"
	    "end)\n");
	w->now_ns += 3 * 86400 * NS_PER_S; /* a Monday */
	post(w, "x", "");
	w->now_ns += 47 * 3600 * NS_PER_S;
	post(w, "other", "");
	assert_value(w, "r", 1);
	assert_value(w, "m", 5);
	assert_value(w, "s_count", 1);
	assert_value(w, "month", 1);
	assert_value(w, "week", 1);
	assert_true(isnan(value(w, "c_total")) && isnan(value(w, "short")));
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_windows_outlast_a_quiet_day),
	    cmocka_unit_test(test_every_type_counts),
	    cmocka_unit_test(test_definitions_are_checked),
	    cmocka_unit_test(test_names_without_tables),
	    cmocka_unit_test(test_same_name_in_two_scripts),
	    cmocka_unit_test(test_calls_are_checked),
	    cmocka_unit_test(test_changes_are_for_handlers),
	    cmocka_unit_test(test_place_of_tail_calls),
	    cmocka_unit_test(test_bound_labels),
	    cmocka_unit_test(test_label_texts),
	    cmocka_unit_test(test_overflow_series),
	};
	quiet();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

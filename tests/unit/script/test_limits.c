/* Limits where they are met by accident rather than by attack (test_hostile.c has the attacks). */
#include <errno.h>
#include <time.h>

#include "base/fault.h"
#include "support.h"

/* Memory that is kept until next to nothing is left: a call that needs none is made, one that does is cut off. */
static void test_memory_is_full_before_a_call(void **state)
{
	(void)state;
	struct world *w = world_new();

	w->options.memory_mb = 2;
	world_close_host(w);
	world_open_host(w);
	world_file(w, "scripts/metrics/t.lua", NULL,
	           "local calls = counter 'calls_total' {}\n"
	           "on('fill', function() while true do kept = { kept } end end)\n"
	           "on('x', function() calls:inc() end)\n");
	world_load(w);
	post(w, "x", "");
	post(w, "fill", "");
	for (int i = 0; i < 5; i++)
		post(w, "x", "");
	assert_value(w, "calls_total", 6);
	assert_int_equal(stats_of(w, 0).cuts, 1);
	post(w, "fill", "");
	post(w, "fill", "");
	assert_true(stats_of(w, 0).quarantined);
	assert_contains(w->reason, "scripts/metrics/t.lua:2");
	world_free(w);
}

/* Entries whose time is up take no room, though nobody has asked for their state since. */
static void test_what_has_expired_makes_room(void **state)
{
	(void)state;
	struct world *w = world_new();

	w->options.state_mb = 1;
	world_close_host(w);
	world_open_host(w);
	world_file(w, "scripts/metrics/t.lua", NULL,
	           "local old, fresh = state 'old', state 'fresh'\n"
	           "on('old', function() for i = 1, 15 do old:set(i, ('x'):rep(65536), '1m') end end)\n"
	           "on('fresh', function(ev) for i = 1, 15 do fresh:set(i, ('y'):rep(65536)) end end)\n");
	world_load(w);
	post(w, "old", "");
	assert_int_equal(stats_of(w, 0).errors, 0);
	post(w, "fresh", "");
	assert_int_equal(stats_of(w, 0).errors, 1);
	w->now_ns += 61 * NS_PER_S;
	post(w, "fresh", "");
	assert_int_equal(stats_of(w, 0).errors, 1);
	world_free(w);
}

/* What is emitted lies outside of any script's memory until it runs. One event can have more texts than there is room. */
static void test_what_is_emitted_is_bounded(void **state)
{
	(void)state;
	struct world *w = world_new();
	struct script_totals totals;

	w->options.call_ms = 1900; /* the bound is to end it, not the clock */
	world_close_host(w);
	world_open_host(w);
	world_file(w, "scripts/metrics/t.lua", NULL,
	           "local got, refused = counter 'got_total' {}, counter 'refused_total' {}\n"
	           "local many, text = {}, ('x'):rep(65536)\n"
	           "for i = 1, 950 do many['f' .. i] = text end\n"
	           "on('x', function()\n"
	           "  for _ = 1, 2 do\n"
	           "    local ok, e = pcall(emit, 'y', many)\n"
	           "    if not ok and e:find('too many events wait', 1, true) then refused:inc() end\n"
	           "  end\n"
	           "end)\n"
	           "on('y', function(ev) got:inc() end)\n");
	world_load(w);
	post(w, "x", "");
	assert_int_equal(stats_of(w, 0).errors + stats_of(w, 0).cuts, 0);
	assert_value(w, "got_total", 1);
	assert_value(w, "refused_total", 1);
	script_set_totals(w->set, &totals);
	assert_int_equal(totals.emit_refused, 1);
	world_free(w);
}

/* A call that catches errors all the time is interrupted in the middle of that, sooner or later, and what the watchdog has armed can be lost there. It ends all the same, long before the backstop would end the process. */
static void test_each_of_many_calls_is_cut(void **state)
{
	(void)state;
	enum { CALLS = 300 };
	struct world *w = world_new();

	w->options.call_ms = 2;
	w->options.strikes = 10 * CALLS;
	world_close_host(w);
	world_open_host(w);
	world_file(w, "scripts/metrics/t.lua", NULL,
	           "on('x', function()\n"
	           "  while true do pcall(string.gsub, 'xx', '.', function() error {} end) end\n"
	           "end)\n");
	world_load(w);
	for (int i = 0; i < CALLS; i++)
		post(w, "x", "");
	assert_int_equal(stats_of(w, 0).cuts, CALLS);
	world_free(w);
}

/* A length of time that no 64 bits hold is refused like any other that is too long. */
static void test_lengths_of_time_are_bounded(void **state)
{
	(void)state;
	struct world *w = world_new();

	assert_contains(refusal(w, "every(9.9e9, print)"), "t.lua:1: every: 9900000000 s is outside of");
	assert_contains(refusal(w, "every(1e300, print)"), "t.lua:1: every: 1e+300 s is outside of");
	assert_contains(refusal(w, "every(0/0, print)"), "t.lua:1: every: ");
	world_free(w);
}

/* What one timer emits says nothing of the next timer's changes. */
static void test_timers_have_no_trace(void **state)
{
	(void)state;
	struct world *w = world_with("local a, b = counter 'a_total' {}, counter 'b_total' {}\n"
	                             "every('1s', function() emit('y', { trace_id = 'abc' }) end)\n"
	                             "every('1s', function() b:inc() end)\n"
	                             "on('y', function() a:inc() end)\n");
	post(w, "x", "");
	w->now_ns += NS_PER_S;
	post(w, "x", "");
	struct buf out = {0};
	struct metrics_snapshot *s = registry_snapshot(w->registry);
	assert_int_equal(exposition_render(s, EXPOSITION_OPENMETRICS, w->now_ns, &out), 0);
	metrics_snapshot_unref(s);
	buf_byte(&out, '\0');
	assert_contains(out.ptr, "a_total 1 # {trace_id=\"abc\"}");
	assert_contains(out.ptr, "b_total 1\n");
	buf_free(&out);
	world_free(w);
}

/* C functions that walk tables can be stopped between two: a table that was emptied still has all its slots. */
static void test_walks_of_tables_end(void **state)
{
	(void)state;
	struct world *w = world_with("local big, list = {}, {}\n"
	                             "for i = 1, 250000 do big['k' .. i] = 1 end\n"
	                             "for k in pairs(big) do big[k] = nil end\n"
	                             "for i = 1, 1000 do list[i] = big end\n"
	                             "on('x', function() emit('y', { list = list }) end)\n");
	struct timespec began, ended;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &began);
	post(w, "x", "");
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ended);
	assert_int_equal(stats_of(w, 0).cuts, 1);
	int64_t spent = (ended.tv_sec - began.tv_sec) * NS_PER_S + ended.tv_nsec - began.tv_nsec;
	if (spent > 250 * NS_PER_MS)
		fail_msg("the call of 100 ms took %lld ms", (long long)(spent / NS_PER_MS));
	world_free(w);
}

/* Whichever allocation fails while events are handled: none shows another one's fields, and what comes later is counted. */
static void test_memory_runs_out_anywhere(void **state)
{
	(void)state;
	bool ended = false;

	for (uint64_t nth = 1; !ended; nth++) {
		/* More fields than `ev` has room for at first, and none of them in the first event. */
		struct world *w = world_with("local seen = counter 'seen_total' { labels = { 'sum' } }\n"
		                             "on('x', function(ev)\n"
		                             "  local sum = 0\n"
		                             "  for i = 1, 24 do sum = sum + (ev['f' .. i] or 0) end\n"
		                             "  seen:inc(sum) emit('y', { sum = sum })\n"
		                             "end)\n"
		                             "on('y', function(ev) seen:inc('y' .. ev.sum) end)\n");
		post(w, "x", "");
		event(w, "x",
		      "f1=1 f2=1 f3=1 f4=1 f5=1 f6=1 f7=1 f8=1 f9=1 f10=1 f11=1 f12=1 f13=1 f14=1 f15=1 "
		      "f16=1 f17=1 f18=1 f19=1 f20=1 f21=1 f22=1 f23=1 f24=1");
		fault_set(FAULT_MALLOC, nth, false, ENOMEM);
		uint64_t hits = fault_hits(FAULT_MALLOC);
		frame(w);
		ended = fault_hits(FAULT_MALLOC) - hits < nth;
		fault_clear();
		post(w, "x", "");
		post(w, "x", "f9=1");
		if (value(w, "seen_total{sum=\"0\"}") != 2 || value(w, "seen_total{sum=\"y1\"}") != 1)
			fail_msg("after failure %llu:\n%s", (unsigned long long)nth, w->exposition);
		assert_true(stats_of(w, 0).errors + stats_of(w, 0).cuts <= 1);
		world_free(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_memory_runs_out_anywhere),     cmocka_unit_test(test_what_has_expired_makes_room),
	    cmocka_unit_test(test_what_is_emitted_is_bounded),   cmocka_unit_test(test_lengths_of_time_are_bounded),
	    cmocka_unit_test(test_timers_have_no_trace),         cmocka_unit_test(test_walks_of_tables_end),
	    cmocka_unit_test(test_memory_is_full_before_a_call), cmocka_unit_test(test_each_of_many_calls_is_cut),
	};
	quiet();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

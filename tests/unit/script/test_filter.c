/* Filters: what they may do to a record, and what becomes of one whose filter does not come to a good end. */
#include "support.h"

static char why[512];
static uint32_t refused;

static void note(void *ctx, struct record *r, const char *text)
{
	(void)ctx;
	(void)r;
	snprintf(why, sizeof why, "%s", text);
	refused++;
}

/* Filters what was noted. */
static void filter(struct world *w)
{
	refused = 0;
	script_set_filter(w->set, w->batch, note, NULL);
}

static void test_what_is_written_stays(void **state)
{
	(void)state;
	struct world *w =
	    world_with("local c = counter 'c_total' { labels = { 'a', 'b', 'n' } }\n"
	               "filter('x', function(ev)\n"
	               "  ev.secret = nil ev['u.mail'] = 'gone' ev.n = ev.n + 1 ev.user_id = 7\n"
	               "  assert(ev.secret == nil and ev:get('n') == ev.n and ev:copy().u.mail == 'gone')\n"
	               "  assert(not pcall(function() ev.type = 'y' end) and not pcall(pairs, ev))\n"
	               "end)\n"
	               "on('x', function(ev) c:inc(ev.secret, ev['u.mail'], ev.n) c:inc(ev.user_id) end)");
	event(w, "x", "secret=s u={mail=m} n=1");
	filter(w);
	assert_int_equal(refused, 0);
	frame(w);
	assert_value(w, "c_total{b=\"gone\",n=\"2\"}", 1);
	world_free(w);
}

static void test_records_are_dropped(void **state)
{
	(void)state;
	struct world *w =
	    world_with("filter('*', function(ev)\n"
	               "  if ev.how == 'drop' then return 'drop' elseif ev.how == 'no' then return false end\n"
	               "  if ev.how == 'odd' then return 5 elseif ev.how == 'fail' then error 'no' end\n"
	               "end)");
	event(w, "x", "how=drop");
	event(w, "x", "how=no");
	event(w, "x", "how=keep");
	filter(w);
	assert_int_equal(refused, 0);
	assert_true(w->batch->records[0].dropped && w->batch->records[1].dropped && !w->batch->records[2].dropped);
	event(w, "x", "how=odd");
	filter(w);
	assert_int_equal(refused, 1);
	assert_contains(why, "scripts/metrics/t.lua:1: a filter returns \"drop\", false or nothing, not a number");
	event(w, "x", "how=fail");
	filter(w);
	assert_int_equal(refused, 1);
	assert_contains(why, "scripts/metrics/t.lua:3: no");
	struct script_totals totals;
	script_set_totals(w->set, &totals);
	assert_int_equal(totals.filtered, 2);
	assert_int_equal(totals.filter_failed, 2);
	world_free(w);
}

static void test_nothing_else_is_changed(void **state)
{
	(void)state;
	struct world *w =
	    world_with("local c, s = counter 'c_total' {}, state 's'\n"
	               "filter('x', function(ev)\n"
	               "  assert(s:get('a') == nil and s:count() == 0)\n"
	               "  for _, f in ipairs { function() c:inc() end, function() s:set('a', 1) end,\n"
	               "                       function() s:incr('a') end, function() emit('y') end } do\n"
	               "    local ok, e = pcall(f)\n"
	               "    assert(not ok and e:find('a filter changes its record and nothing else'), e)\n"
	               "  end\n"
	               "end)");
	event(w, "x", "");
	filter(w);
	if (refused != 0)
		fail_msg("%s", why);
	world_free(w);
}

/* What filters write lies in the request's memory, which no script's limit knows. */
static void test_what_is_written_is_bounded(void **state)
{
	(void)state;
	struct world *w = world_new();

	w->options.call_ms = 1900; /* the bound is to end it, not the clock */
	world_close_host(w);
	world_open_host(w);
	world_file(w, "scripts/metrics/t.lua", NULL,
	           "local text = ('x'):rep(65536)\n"
	           "filter('x', function(ev) for i = 1, 4096 do ev.text = text end end)\n"
	           "filter('y', function(ev) ev.text = 'short' end)\n"
	           "local many = {}\n"
	           "for i = 1, 1000 do many[i] = text end\n"
	           "filter('z', function(ev) ev.texts = many end)\n");
	world_load(w);
	event(w, "x", "");
	filter(w);
	assert_int_equal(refused, 1);
	assert_contains(why, "scripts/metrics/t.lua:2: filter: ");
	assert_true(w->batch->arena.total < 34 << 20);
	batch_reset(w->batch, 1 << 16);
	event(w, "z", ""); /* one value alone would be past it */
	filter(w);
	assert_int_equal(refused, 1);
	assert_contains(why, "scripts/metrics/t.lua:6: filter: more than 32 MiB");
	assert_true(w->batch->arena.total < 34 << 20);
	batch_reset(w->batch, 1 << 16);
	event(w, "y", "");
	filter(w);
	assert_int_equal(refused, 0);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_is_written_stays),
	    cmocka_unit_test(test_records_are_dropped),
	    cmocka_unit_test(test_nothing_else_is_changed),
	    cmocka_unit_test(test_what_is_written_is_bounded),
	};
	quiet();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

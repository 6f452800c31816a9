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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_type_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What a reload keeps, and what one that is refused leaves as it was. */
#include "support.h"

#define OLD "local c = counter 'c_total' { labels = { 'a' } }\non('x', function() c:inc('1') end)\n"

/* The first metric would begin anew, the last two take each other's names: nothing of it may come to be. */
static void test_refused_definitions_change_nothing(void **state)
{
	(void)state;
	struct world *w = world_with(OLD);

	post(w, "x", "");
	assert_contains(refusal(w, "local c = counter 'c_total' { labels = { 'b' } }\n"
	                           "local g = gauge 'fresh' {}\n"
	                           "histogram 'h' {} counter 'h_count' {}\n"
	                           "on('x', function() c:inc('2') g:set(1) end)\n"),
	                "metric \"h_count\"");
	post(w, "x", "");
	assert_value(w, "c_total{a=\"1\"}", 2);
	assert_int_equal(stats_of(w, 0).errors, 0);
	world_file(w, "scripts/metrics/t.lua", NULL, OLD);
	world_load(w);
	post(w, "x", "");
	assert_value(w, "c_total{a=\"1\"}", 3);
	assert_null(strstr(w->exposition, "fresh"));
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_refused_definitions_change_nothing),
	};
	quiet();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Limits where they are met by accident rather than by attack (test_hostile.c has the attacks). */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_memory_is_full_before_a_call),
	};
	quiet();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

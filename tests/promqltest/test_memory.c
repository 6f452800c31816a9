/* Series in memory, as the engine gets them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "memory.h"
#include "record/labels.h"
#include "record/samples.h"

static void load_into(struct memory *m, const char *text, int wanted)
{
	struct script s;
	struct error err = {0};

	assert_int_equal(script_parse("x.test", slice_cstr(text), &s, &err), 0);
	for (uint32_t i = 0; i < s.count; i++) {
		assert_int_equal(s.commands[i].kind, SCRIPT_LOAD);
		assert_int_equal(memory_load(m, &s.commands[i].load, &err), wanted);
	}
	script_deinit(&s);
}

static void put_samples(struct buf *out, const struct promql_samples *samples)
{
	for (uint32_t i = 0; i < samples->count; i++) {
		buf_printf(out, " %lld:", (long long)samples->times_ms[i] / 1000);
		if (sample_is_stale(samples->values[i]))
			buf_str(out, "stale");
		else
			buf_number(out, samples->values[i]);
	}
	buf_byte(out, '\n');
}

/* What a selection gives, as text: a line for each series, "name{labels} second:value …". */
static void select_text(struct memory *m, const char *selector, int64_t from_s, int64_t to_s, struct buf *out)
{
	struct promql_source source = memory_source(m);
	struct error err = {0};
	struct arena arena;
	struct promql_expr *e;
	struct promql_select what = {.from_ms = from_s * 1000, .to_ms = to_s * 1000};
	struct matcher **matchers;
	struct promql_samples samples;
	struct slice labels;
	void *set;

	arena_init(&arena);
	assert_int_equal(promql_parse_selector(slice_cstr(selector), &arena, &e, &err), 0);
	assert_int_equal(promql_matchers(e, &arena, &matchers, &err), 0);
	what.matchers = matchers;
	what.matcher_count = e->selector.matcher_count;
	assert_int_equal(source.ops->select(source.ctx, &what, &set, &err), 0);
	while (source.ops->next(set, &labels, &err) == 1) {
		assert_int_equal(source.ops->samples(set, &samples, &err), 0);
		labels_text(labels, out);
		put_samples(out, &samples);
	}
	assert_int_equal(source.ops->next(set, &labels, &err), 0);
	source.ops->close(set);
	promql_matchers_free(matchers, what.matcher_count);
	arena_deinit(&arena);
}

static void assert_selects(struct memory *m, const char *selector, int64_t from_s, int64_t to_s, const char *wanted)
{
	struct buf out = {0};

	select_text(m, selector, from_s, to_s, &out);
	buf_byte(&out, '\0');
	assert_string_equal(out.ptr, wanted);
	buf_free(&out);
}

static void a_selection_is_ordered_and_cut_at_both_ends(void **state)
{
	struct memory m;

	(void)state;
	memory_init(&m);
	load_into(&m, "load 10s\n  x{a=\"2\"} 0+1x5\n  x{a=\"10\"} 1 _ stale 4\n  y 7\n", 0);
	assert_selects(&m, "x", 10, 30, "x{a=\"10\"} 20:stale 30:4\nx{a=\"2\"} 10:1 20:2 30:3\n");
	assert_selects(&m, "{a=\"\"}", 0, 0, "y 0:7\n");
	assert_selects(&m, "{__name__=~\".\"}", 60, 90, "x{a=\"10\"}\nx{a=\"2\"}\ny\n");
	assert_selects(&m, "z", 0, 90, "");
	memory_deinit(&m);
	assert_selects(&m, "x", 10, 30, "");
}

static void loads_add_up(void **state)
{
	struct memory m;

	(void)state;
	memory_init(&m);
	load_into(&m, "load 20s\n  x 1 2 3\n\nload 10s\n  x _ 5 _ _ _ 6\n  x 1 7 2\n", 0);
	assert_selects(&m, "x", 0, 90, "x 0:1 10:7 20:2 40:3\n");
	load_into(&m, "load 10s\n  x 2\n", -EINVAL);
	memory_deinit(&m);
}

static void native_histograms_are_told_of_where_they_are_selected(void **state)
{
	struct memory m;

	(void)state;
	memory_init(&m);
	load_into(&m, "load 10s\n  x{a=\"1\"} 1 {{sum:1}} 3\n  x{a=\"2\"} 1\n", 0);
	assert_selects(&m, "x", 0, 9, "x{a=\"1\"} 0:1\nx{a=\"2\"} 0:1\n");
	assert_selects(&m, "x", 11, 30, "x{a=\"1\"} 20:3\nx{a=\"2\"}\n");
	assert_selects(&m, "x{a!=\"1\"}", 0, 30, "x{a=\"2\"} 0:1\n");
	assert_false(m.native_selected);
	assert_selects(&m, "x", 0, 10, "x{a=\"1\"} 0:1\nx{a=\"2\"} 0:1\n");
	assert_true(m.native_selected);
	memory_deinit(&m);
}

static void classic_histograms_become_native_ones_beside_themselves(void **state)
{
	struct memory m;

	(void)state;
	memory_init(&m);
	load_into(&m,
	          "load_with_nhcb 10s\n  h_bucket{le=\"1\"} 1 _ 2\n  h_bucket{le=\"no\"} _ 1\n  h_sum _ _ 3\n"
	          "  h_count 1\n  other{le=\"1\"} 1\n",
	          0);
	assert_selects(&m, "{le=\"1\"}", 0, 30, "h_bucket{le=\"1\"} 0:1 20:2\nother{le=\"1\"} 0:1\n");
	assert_selects(&m, "h", 1, 19, "h\n");
	assert_false(m.native_selected);
	assert_selects(&m, "h", 1, 20, "h\n");
	assert_true(m.native_selected);
	memory_deinit(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_selection_is_ordered_and_cut_at_both_ends),
	    cmocka_unit_test(loads_add_up),
	    cmocka_unit_test(native_histograms_are_told_of_where_they_are_selected),
	    cmocka_unit_test(classic_histograms_become_native_ones_beside_themselves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

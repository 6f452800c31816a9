/* Self times and critical paths of trees made by hand, and trees that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spans.h"

/* The closed trace of spans without anything else. */
static struct trace *make(const struct span_spec *specs, uint32_t count)
{
	struct traces *t = traces_new(&(struct traces_options){.max_bytes = 16 << 20});
	struct batch *b = batch_new();
	for (uint32_t i = 0; i < count; i++)
		add_span(b, specs[i]);
	assert_int_equal(add_frame(t, b, 1, 1), 0);
	struct trace *trace = get_trace(t, 1);
	assert_non_null(trace);
	traces_free(t);
	batch_free(b);
	return trace;
}

#define SPAN(id, parent, start, duration)                                                                              \
	{                                                                                                              \
		1, id, parent, NULL, start, duration, NULL, false, NULL                                                \
	}

static void check(const struct span_spec *specs, uint32_t count, const int64_t *self, const bool *path)
{
	struct trace *t = make(specs, count);
	int64_t times[16];
	bool on_path[16];
	assert_int_equal(t->span_count, count);
	assert_int_equal(trace_self_times(t, times), 0);
	assert_int_equal(trace_critical_path(t, on_path), 0);
	for (uint32_t i = 0; i < count; i++) {
		assert_int_equal(times[i], self[i]);
		assert_int_equal(on_path[i], path[i]);
	}
	trace_free(t);
}

static void children_overlap(void **state)
{
	(void)state;
	const struct span_spec s[] = {SPAN(1, 0, 0, 100), SPAN(2, 1, 10, 40), SPAN(3, 1, 30, 40), SPAN(4, 1, 80, 10)};
	check(s, 4, (int64_t[]){30, 40, 40, 10}, (bool[]){true, false, true, true});
}

static void children_outlive_their_parent(void **state)
{
	(void)state;
	const struct span_spec s[] = {SPAN(1, 0, 0, 100), SPAN(2, 1, 90, 500), SPAN(3, 2, 200, 50)};
	check(s, 3, (int64_t[]){90, 450, 50}, (bool[]){true, true, false});
}

static void clocks_differ(void **state)
{
	(void)state; /* the child has ended before its parent began */
	const struct span_spec s[] = {SPAN(2, 1, 0, 40), SPAN(1, 0, 50, 100)};
	check(s, 2, (int64_t[]){40, 100}, (bool[]){false, true});
}

static void durations_are_negative(void **state)
{
	(void)state;
	const struct span_spec s[] = {SPAN(1, 0, 0, 100), SPAN(2, 1, 20, -500), SPAN(3, 1, 30, INT64_MAX)};
	check(s, 3, (int64_t[]){30, 0, INT64_MAX - 30}, (bool[]){true, true, true});
}

static void parents_form_a_cycle(void **state)
{
	(void)state;
	const struct span_spec s[] = {SPAN(1, 3, 30, 1), SPAN(2, 1, 20, 1), SPAN(3, 2, 10, 1), SPAN(4, 4, 40, 1)};
	struct trace *t = make(s, 4);
	const struct trace_span *spans = trace_spans(t);
	assert_int_equal(spans[0].id, 3); /* the earliest is at the top */
	assert_int_equal(spans[0].parent, TRACE_NONE);
	assert_int_equal(spans[2].parent, 0);
	assert_int_equal(spans[1].parent, 2);
	assert_int_equal(spans[3].parent, TRACE_NONE);
	assert_int_equal(t->root, 0);
	trace_free(t);
}

static void ids_come_twice(void **state)
{
	(void)state;
	const struct span_spec s[] = {SPAN(1, 0, 0, 9), SPAN(2, 1, 5, 1), SPAN(2, 1, 3, 1), SPAN(3, 2, 6, 1)};
	struct trace *t = make(s, 4);
	const struct trace_span *spans = trace_spans(t);
	assert_int_equal(trace_find_span(t, 2), 1);
	assert_int_equal(spans[1].start_ns, 3);
	assert_int_equal(spans[3].parent, 1);
	assert_int_equal(trace_find_span(t, 7), TRACE_NONE);
	trace_free(t);
}

/* As deep as a trace can be. */
static void a_chain_is_walked(void **state)
{
	enum { DEPTH = 3000 };
	static struct span_spec s[DEPTH];
	static int64_t self[DEPTH];
	static bool path[DEPTH];
	(void)state;
	for (uint32_t i = 0; i < DEPTH; i++)
		s[i] = (struct span_spec)SPAN(i + 1, i, i, 2 * (DEPTH - i));
	struct trace *t = make(s, DEPTH);
	assert_int_equal(trace_self_times(t, self), 0);
	assert_int_equal(trace_critical_path(t, path), 0);
	for (uint32_t i = 0; i < DEPTH; i++) {
		assert_int_equal(trace_spans(t)[i].parent, i == 0 ? TRACE_NONE : i - 1);
		assert_true(path[i]);
	}
	trace_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(children_overlap),     cmocka_unit_test(children_outlive_their_parent),
	    cmocka_unit_test(clocks_differ),        cmocka_unit_test(durations_are_negative),
	    cmocka_unit_test(parents_form_a_cycle), cmocka_unit_test(ids_come_twice),
	    cmocka_unit_test(a_chain_is_walked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

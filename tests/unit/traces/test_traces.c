/* The buffer: traces open, close, are kept or dropped, come late, are evicted, and are read meanwhile. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spans.h"

#define S INT64_C(1000000000)

struct fixture {
	struct traces *t;
	struct batch *b;
};

static int set_up(void **state)
{
	static struct fixture f;
	f.t = traces_new(&(struct traces_options){.max_bytes = 64 << 20});
	f.b = batch_new();
	*state = &f;
	return f.t == NULL || f.b == NULL;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	traces_free(f->t);
	batch_free(f->b);
	return 0;
}

static void test_life(void **state)
{
	struct fixture *f = *state;
	uint32_t asked = 0;
	add_span(f->b, (struct span_spec){1, 2, 1, "child", 110, 50, "error", false, NULL});
	add_span(f->b, (struct span_spec){1, 3, 1, "other", 105, 20, NULL, false, NULL});
	assert_int_equal(add_frame(f->t, f->b, 7, 100 * S), 0);
	assert_int_equal(traces_next_due(f->t), 700 * S); /* no root: its age */
	add_span(f->b, (struct span_spec){1, 1, 0, "root", 100, 100, NULL, false, NULL});
	assert_int_equal(add_frame(f->t, f->b, 8, 101 * S), 0);
	assert_int_equal(traces_next_due(f->t), 106 * S);
	assert_int_equal(traces_oldest_seq(f->t), 7);

	struct trace *open = get_trace(f->t, 1);
	assert_non_null(open);
	assert_int_equal(open->marks, TRACE_OPEN);
	assert_int_equal(open->span_count, 3);
	trace_free(open);

	assert_int_equal(traces_close_due(f->t, 106 * S - 1, keep, &asked), 0);
	assert_int_equal(asked, 0);
	assert_int_equal(traces_close_due(f->t, 106 * S, keep, &asked), 0);
	assert_int_equal(asked, 1);
	assert_int_equal(traces_next_due(f->t), INT64_MAX);
	struct trace *t = get_trace(f->t, 1);
	assert_non_null(t);
	assert_int_equal(t->marks, 0);
	assert_int_equal(t->errors, 1);
	assert_int_equal(t->start_ns, 100);
	assert_int_equal(t->end_ns, 200);
	const struct trace_span *spans = trace_spans(t);
	assert_int_equal(t->root, 0);
	assert_int_equal(spans[0].id, 1);
	assert_int_equal(spans[1].id, 3);
	assert_int_equal(spans[0].first_child, 1);
	assert_int_equal(spans[1].next_sibling, 2);
	assert_int_equal(spans[2].parent, 0);
	assert_int_equal(spans[2].kind, SPAN_CLIENT);
	assert_true(slice_eq(trace_text(t, spans[2].name), SLICE("child")));
	assert_true(slice_eq(trace_service(t, &spans[2]), SLICE("shop")));
	assert_int_equal(t->resource_count, 1);
	const struct trace_cell *cell = trace_attribute(t, &spans[2], SLICE("number"));
	assert_non_null(cell);
	assert_int_equal(cell->integer, 2);
	cell = trace_attribute(t, &spans[2], SLICE("list"));
	assert_int_equal(cell->items.count, 2);
	assert_int_equal(trace_cells(t)[cell->items.first + 1].integer, 2);
	assert_null(trace_attribute(t, &spans[2], SLICE("missing")));
	trace_free(t);
	struct traces_stats s;
	traces_stats(f->t, &s);
	assert_int_equal(s.open, 0);
	assert_int_equal(s.closed, 1);
	assert_int_equal(s.spans, 3);
	assert_int_equal(s.spans_total, 3);
}

static enum trace_verdict drop_all(void *ctx, const struct trace *trace)
{
	(void)trace;
	++*(uint32_t *)ctx;
	return TRACE_DROP;
}

static void test_late_and_dropped(void **state)
{
	struct fixture *f = *state;
	uint32_t asked = 0;
	add_span(f->b, (struct span_spec){1, 1, 0, "root", 100, 100, NULL, false, NULL});
	add_span(f->b, (struct span_spec){2, 1, 0, "root", 100, 100, NULL, false, NULL});
	add_frame(f->t, f->b, 1, S);
	traces_close_due(f->t, 6 * S, keep, &asked);
	assert_int_equal(asked, 2);
	add_span(f->b, (struct span_spec){1, 2, 1, "late", 150, 10, NULL, false, NULL});
	add_frame(f->t, f->b, 2, 7 * S);
	struct trace *t = get_trace(f->t, 1);
	assert_int_equal(t->marks, TRACE_OPEN | TRACE_LATE);
	assert_int_equal(t->span_count, 2);
	assert_int_equal(trace_spans(t)[0].marks, 0);
	assert_int_equal(trace_spans(t)[1].marks, TRACE_SPAN_LATE);
	trace_free(t);
	asked = 0;
	traces_close_due(f->t, 12 * S, drop_all, &asked);
	assert_int_equal(asked, 1);
	assert_null(get_trace(f->t, 1));
	struct buf out = {0};
	assert_int_equal(traces_outcomes(f->t, &out), 0);
	assert_int_equal(out.len, 17);
	buf_free(&out);
	/* What comes late of it is shown, and goes whatever is said. */
	add_span(f->b, (struct span_spec){1, 3, 1, "later", 150, 10, NULL, true, NULL});
	add_frame(f->t, f->b, 3, 13 * S);
	t = get_trace(f->t, 1);
	assert_int_equal(t->marks, TRACE_OPEN | TRACE_LATE | TRACE_CUT);
	trace_free(t);
	traces_close_due(f->t, 18 * S, keep, &asked);
	assert_int_equal(asked, 2);
	assert_null(get_trace(f->t, 1));
	struct traces_stats s;
	traces_stats(f->t, &s);
	assert_int_equal(s.dropped_traces, 2);
	assert_int_equal(s.dropped_spans, 3);
	assert_int_equal(s.late_total, 2);
	assert_int_equal(s.spans, 1);
	assert_int_equal(s.closed, 1);
}

static enum trace_verdict annotate(void *ctx, const struct trace *trace)
{
	struct fixture *f = ctx;
	struct value usd = {.number = 0.25, .type = VALUE_DOUBLE};
	struct value text = {.str = "yes", .len = 3, .type = VALUE_STRING};
	for (uint32_t i = 0; i < trace->span_count; i++) {
		assert_int_equal(traces_annotate(f->t, i, SLICE("moongate.cost_usd"), &usd), 0);
		assert_int_equal(traces_annotate(f->t, i, SLICE("number"), &text), 0);
	}
	assert_int_equal(traces_annotate(f->t, trace->span_count, SLICE("x"), &usd), -EINVAL);
	assert_int_equal(traces_annotate(f->t, 0, SLICE(""), &usd), -EINVAL);
	for (int i = 2; i < 64; i++)
		assert_int_equal(traces_annotate(f->t, 0, SLICE("y"), &usd), 0);
	assert_int_equal(traces_annotate(f->t, 0, SLICE("y"), &usd), -E2BIG);
	return TRACE_KEEP;
}

static void check_annotated(struct traces *traces)
{
	struct trace *t = get_trace(traces, 1);
	assert_non_null(t);
	for (uint32_t i = 0; i < t->span_count; i++) {
		const struct trace_cell *c = trace_attribute(t, &trace_spans(t)[i], SLICE("moongate.cost_usd"));
		assert_non_null(c);
		assert_true(c->number == 0.25);
		c = trace_attribute(t, &trace_spans(t)[i], SLICE("number"));
		assert_true(slice_eq(trace_text(t, c->text), SLICE("yes")));
		assert_non_null(trace_attribute(t, &trace_spans(t)[i], SLICE("ratio")));
	}
	trace_free(t);
}

static void spans_of_one(struct batch *b)
{
	add_span(b, (struct span_spec){1, 2, 1, "child", 150, 10, NULL, false, NULL});
	add_span(b, (struct span_spec){1, 1, 0, "root", 100, 100, NULL, false, NULL});
}

/* Saved, loaded and read again, it is what it was: annotated, and open what was open. */
static void test_restart(void **state)
{
	struct fixture *f = *state;
	struct buf saved = {0}, outcomes = {0};
	struct error err = {0};
	spans_of_one(f->b);
	add_frame(f->t, f->b, 1, S);
	assert_int_equal(traces_close_due(f->t, 6 * S, annotate, f), 0);
	check_annotated(f->t);
	add_span(f->b, (struct span_spec){2, 1, 9, "below", 100, 100, NULL, false, NULL});
	add_frame(f->t, f->b, 2, 7 * S);
	assert_int_equal(traces_outcomes(f->t, &outcomes), 0);
	assert_int_equal(traces_save(f->t, &saved), 0);
	for (size_t cut = 0; cut < saved.len; cut++) {
		struct traces *part = traces_new(&(struct traces_options){.max_bytes = 64 << 20});
		assert_int_equal(traces_load(part, slice_new(saved.ptr, cut), &err), -EBADMSG);
		traces_free(part);
	}
	struct traces *again = traces_new(&(struct traces_options){.max_bytes = 64 << 20});
	assert_int_equal(traces_load(again, buf_slice(&saved), &err), 0);
	assert_int_equal(traces_oldest_seq(again), 1);
	assert_int_equal(traces_refill_outcomes(again, buf_slice(&outcomes), &err), 0);
	assert_int_equal(traces_refill_outcomes(again, SLICE("\x09"), &err), -EBADMSG);
	spans_of_one(f->b);
	struct record *refs[2] = {&f->b->records[0], &f->b->records[1]};
	assert_int_equal(traces_refill(again, refs, 2, 1, S), 0);
	batch_reset(f->b, 0);
	add_span(f->b, (struct span_spec){2, 1, 9, "below", 100, 100, NULL, false, NULL});
	refs[0] = &f->b->records[0];
	assert_int_equal(traces_refill(again, refs, 1, 2, 7 * S), 0);
	assert_int_equal(traces_refill_end(again), 0);
	check_annotated(again);
	assert_int_equal(traces_next_due(again), 607 * S);
	struct buf twice = {0};
	assert_int_equal(traces_save(again, &twice), 0);
	assert_true(slice_eq(buf_slice(&saved), buf_slice(&twice)));
	traces_free(again);
	buf_free(&saved);
	buf_free(&twice);
	buf_free(&outcomes);
}

static void test_bytes_hold(void **state)
{
	struct fixture *f = *state;
	struct traces *t = traces_new(&(struct traces_options){.max_bytes = 4 << 20, .max_spans = 10});
	struct traces_stats s;
	for (uint32_t i = 0; i < 20000; i++) {
		for (uint32_t k = 0; k < 12; k++)
			add_span(f->b, (struct span_spec){1 + i, 1 + k, k, "op", k, 100, NULL, false, NULL});
		assert_int_equal(add_frame(t, f->b, i + 1, (int64_t)(i + 1) * S / 50), 0);
		traces_close_due(t, (int64_t)(i + 1) * S / 50, keep, NULL);
		traces_stats(t, &s);
		assert_true(s.bytes <= 4 << 20);
	}
	assert_int_equal(s.left_out_spans, 40000);
	assert_int_equal(s.spans + s.evicted_spans, 200000);
	assert_int_equal(s.open + s.closed + s.evicted_traces, 20000);
	assert_true(s.closed > 100);
	struct trace *newest = get_trace(t, 20000);
	assert_int_equal(newest->marks, TRACE_OPEN | TRACE_CUT);
	trace_free(newest);
	assert_null(get_trace(t, 1));
	traces_free(t);
}

static void test_view(void **state)
{
	struct fixture *f = *state;
	int code;
	for (uint32_t i = 1; i <= 3; i++) {
		add_span(f->b, (struct span_spec){i, 1, 0, "op", i, 100, NULL, false, NULL});
		add_frame(f->t, f->b, i, i * S);
	}
	traces_close_due(f->t, 7 * S, keep, NULL); /* the first two */
	struct traces_view *v = traces_view_open(f->t);
	add_span(f->b, (struct span_spec){1, 2, 1, "op", 5, 100, NULL, false, NULL});
	add_frame(f->t, f->b, 4, 8 * S); /* opened again: the view has it as it was */
	traces_close_due(f->t, 100 * S, keep, NULL);
	const uint8_t order[] = {3, 2, 1};
	for (int i = 0; i < 3; i++) {
		const struct trace *t = traces_view_next(v, &code);
		assert_non_null(t);
		assert_int_equal(t->id[15], order[i]);
		assert_int_equal(t->span_count, 1);
	}
	assert_null(traces_view_next(v, &code));
	assert_int_equal(code, 0);
	traces_view_close(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_life, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_late_and_dropped, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_restart, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_bytes_hold, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_view, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

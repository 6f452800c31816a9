/* Each allocation fails once: nothing crashes, what is left out is counted, and what is here is whole. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/fault.h"
#include "spans.h"

#define S INT64_C(1000000000)

static enum trace_verdict annotate(void *ctx, const struct trace *trace)
{
	struct value v = {.str = "text", .len = 4, .type = VALUE_STRING};
	int rc = traces_annotate(ctx, 0, SLICE("found"), &v);
	assert_true(rc == 0 || rc == -ENOMEM);
	return trace->id[15] % 4 == 0 ? TRACE_DROP : TRACE_KEEP;
}

static void fill(struct batch *b, uint32_t round)
{
	for (uint32_t i = 1; i <= 40; i++)
		add_span(b, (struct span_spec){1 + i % 8, round * 100 + i, round * 100, "op", i, 5, NULL, true, NULL});
}

/* A life of some traces, with whatever fails in it. */
static void live(struct traces *t, struct batch *const *frames)
{
	struct buf out = {0};
	for (uint32_t round = 0; round < 3; round++) {
		struct record *refs[40];
		for (uint32_t i = 0; i < 40; i++)
			refs[i] = &frames[round]->records[i];
		(void)traces_add(t, refs, 40, round + 1, (int64_t)(round + 1) * 10 * S);
		(void)traces_close_due(t, ((int64_t)(round + 1) * 10 + 6) * S, annotate, t);
	}
	struct traces_view *v = traces_view_open(t);
	int code = 0;
	while (v != NULL && traces_view_next(v, &code) != NULL)
		continue;
	traces_view_close(v);
	trace_free(get_trace(t, 1));
	(void)traces_save(t, &out);
	(void)traces_outcomes(t, &out);
	buf_free(&out);
}

static void each_allocation_fails(void **state)
{
	struct batch *frames[3];
	bool failed = true;
	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		frames[i] = batch_new();
		fill(frames[i], i + 1);
	}
	uint64_t nth = 1;
	for (; failed; nth++) {
		struct traces *t = traces_new(&(struct traces_options){.max_bytes = 16 << 20});
		struct traces_stats s;
		assert_non_null(t);
		fault_set(FAULT_MALLOC, nth, false, ENOMEM);
		uint64_t before = fault_hits(FAULT_MALLOC);
		live(t, frames);
		failed = fault_hits(FAULT_MALLOC) - before >= nth;
		fault_clear();
		traces_stats(t, &s);
		assert_int_equal(s.spans_total + s.left_out_spans, 120);
		assert_int_equal(s.spans + s.dropped_spans + s.evicted_spans, s.spans_total);
		traces_free(t);
		assert_true(nth < 100000);
	}
	assert_true(nth > 100); /* else it was not what fails that was tried */
	for (uint32_t i = 0; i < 3; i++)
		batch_free(frames[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(each_allocation_fails)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Readers on other threads, while the writer adds, closes and evicts: what they see is whole, and they see nothing twice. For TSan above all. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/thread.h"
#include "spans.h"

#define S INT64_C(1000000000)

enum { READERS = 2, FRAMES = 400, TRACES = 60 };

struct reading {
	struct traces *traces;
	_Atomic bool over;
	_Atomic uint64_t seen;
};

/* Each span's number is its id, each has the same attributes. cmocka's assertions are the main thread's alone. */
static void look_at(const struct trace *t)
{
	const struct trace_span *spans = trace_spans(t);
	CHECK(t->span_count > 0 && t->root < t->span_count);
	for (uint32_t i = 0; i < t->span_count; i++) {
		const struct trace_cell *c = trace_attribute(t, &spans[i], SLICE("number"));
		CHECK(c != NULL && (uint64_t)c->integer == spans[i].id);
		CHECK(slice_eq(trace_service(t, &spans[i]), SLICE("shop")));
		CHECK(spans[i].parent == TRACE_NONE || spans[spans[i].parent].id == spans[i].parent_id);
	}
}

static void *read_all(void *arg)
{
	struct reading *r = arg;
	while (!atomic_load(&r->over)) {
		struct traces_view *v = traces_view_open(r->traces);
		int code;
		bool seen[TRACES + 1] = {false};
		for (const struct trace *t = traces_view_next(v, &code); t != NULL; t = traces_view_next(v, &code)) {
			CHECK(!seen[t->id[15]]);
			seen[t->id[15]] = true;
			look_at(t);
			atomic_fetch_add(&r->seen, 1);
		}
		CHECK(code == 0);
		struct traces_stats s;
		traces_stats(r->traces, &s);
		CHECK(s.bytes <= 1 << 20);
		traces_view_close(v);
		for (uint32_t n = 1; n <= TRACES; n++) {
			struct trace *t = get_trace(r->traces, n);
			if (t != NULL)
				look_at(t);
			trace_free(t);
		}
	}
	return NULL;
}

static enum trace_verdict decide(void *ctx, const struct trace *t)
{
	struct value v = {.number = 1.5, .type = VALUE_DOUBLE};
	CHECK(traces_annotate(ctx, t->root, SLICE("cost"), &v) == 0);
	return t->span_count % 16 == 0 ? TRACE_DROP : TRACE_KEEP;
}

static void readers_see_whole_traces(void **state)
{
	struct reading r = {.traces = traces_new(&(struct traces_options){.max_bytes = 1 << 20, .max_spans = 4000})};
	struct thread threads[READERS];
	struct batch *b = batch_new();
	struct traces_stats s;
	(void)state;
	for (int i = 0; i < READERS; i++)
		assert_int_equal(thread_start(&threads[i], "reader", read_all, &r), 0);
	for (uint32_t f = 1; f <= FRAMES || atomic_load(&r.seen) < 1000; f++) {
		for (uint32_t i = 0; i < 50; i++)
			add_span(b, (struct span_spec){1 + (f * 7 + i / 3) % TRACES, f * 100 + i, i == 0 ? 0 : f * 100,
			                               "op", i, 9, NULL, i % 2 == 0, NULL});
		assert_int_equal(add_frame(r.traces, b, f, f * S), 0);
		assert_int_equal(traces_close_due(r.traces, f * S, decide, r.traces), 0);
	}
	atomic_store(&r.over, true);
	for (int i = 0; i < READERS; i++)
		thread_join(&threads[i]);
	traces_stats(r.traces, &s);
	assert_true(s.evicted_traces > 0 && s.late_total > 0 && s.dropped_traces > 0);
	assert_int_equal(s.spans + s.evicted_spans + s.dropped_spans, s.spans_total);
	batch_free(b);
	traces_free(r.traces);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(readers_see_whole_traces)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

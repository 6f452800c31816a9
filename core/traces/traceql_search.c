/* Search: the newest traces that a query finds. All are gone through, but once there are as many results as are wanted, a trace that began before the oldest of them costs one comparison: the newest come first, or nearly. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "traces/traceql_source.h"
#include "traces/traces.h"

enum { DEFAULT_LIMIT = 20, DEFAULT_SPANS = 3, DEFAULT_BYTES = 16 << 20, PASSED_COST = 10 };

struct search {
	const struct traceql_ask *ask;
	struct traceql_results *out; /* results: a heap, the oldest on top */
	struct traceql_state *state;
	struct error *err;
	uint32_t limit, spans;
	size_t cap, bytes, max_bytes;
	uint32_t open; /* results of traces that were open: each may come once more, closed */
};

/* The older one first; of one start by their ids, so that an answer does not hang on the order in which traces came. */
static int age_order(const struct traceql_result *a, const struct traceql_result *b)
{
	if (a->start_ns != b->start_ns)
		return a->start_ns < b->start_ns ? -1 : 1;
	return memcmp(a->id, b->id, sizeof a->id);
}

static void swap(struct traceql_result **a, struct traceql_result **b)
{
	struct traceql_result *was = *a;

	*a = *b;
	*b = was;
}

static void sift_up(struct traceql_result **heap, uint32_t at)
{
	for (; at > 0 && age_order(heap[at], heap[(at - 1) / 2]) < 0; at = (at - 1) / 2)
		swap(&heap[at], &heap[(at - 1) / 2]);
}

static void sift_down(struct traceql_result **heap, uint32_t count, uint32_t at)
{
	for (;;) {
		uint32_t child = 2 * at + 1;
		if (child >= count)
			return;
		if (child + 1 < count && age_order(heap[child + 1], heap[child]) < 0)
			child++;
		if (age_order(heap[at], heap[child]) <= 0)
			return;
		swap(&heap[at], &heap[child]);
		at = child;
	}
}

static size_t bytes_of(const struct traceql_result *r)
{
	return sizeof *r + r->arena.total;
}

static void forget(struct search *s, uint32_t at)
{
	struct traceql_result **heap = s->out->results, *r = heap[at];

	s->open -= (r->marks & TRACE_OPEN) != 0;
	s->bytes -= bytes_of(r);
	result_free(r);
	heap[at] = heap[--s->out->count];
	if (at < s->out->count) {
		sift_down(heap, s->out->count, at);
		sift_up(heap, at);
	}
}

/* A trace that was open when it came, and has closed since, comes again: what it is now counts. */
static void forget_open(struct search *s, const uint8_t id[16])
{
	for (uint32_t i = 0; i < s->out->count; i++) {
		if (memcmp(s->out->results[i]->id, id, 16) == 0) {
			forget(s, i);
			return;
		}
	}
}

static int keep(struct search *s, struct traceql_result *r)
{
	struct traceql_results *out = s->out;

	if (mem_grow((void **)&out->results, &s->cap, out->count, sizeof(struct traceql_result *)) != 0) {
		result_free(r);
		return -ENOMEM;
	}
	s->open += (r->marks & TRACE_OPEN) != 0;
	s->bytes += bytes_of(r);
	out->results[out->count++] = r;
	sift_up(out->results, out->count - 1);
	if (out->count > s->limit)
		forget(s, 0);
	if (s->bytes > s->max_bytes)
		return error_set(s->err, -E2BIG, "the results are over %zu bytes: ask for fewer traces or spans",
		                 s->max_bytes);
	return 0;
}

/* Sets *err where a query was over TRACEQL_RUN_BYTES_MAX. -E2BIG. */
static int too_large(struct error *err)
{
	return error_set(err, -E2BIG, "the query takes over %d MiB for one trace", TRACEQL_RUN_BYTES_MAX >> 20);
}

static int search_one(struct search *s, const struct trace *t)
{
	struct traceql_set *sets;
	uint32_t count;

	if (s->open > 0)
		forget_open(s, t->id);
	if (s->out->count == s->limit && t->start_ns < s->out->results[0]->start_ns) {
		state_work(s->state, PASSED_COST);
		return s->state->code;
	}
	s->out->inspected_traces++;
	s->out->inspected_spans += t->span_count;
	s->out->inspected_bytes += t->size;
	int code = traceql_run(s->state, t, &sets, &count);
	if (code != 0 || count == 0)
		return code == -E2BIG ? too_large(s->err) : code;
	struct traceql_result *r = result_new(s->state, t, sets, count, s->spans);
	if (r != NULL)
		return keep(s, r);
	return s->state->code == -E2BIG ? too_large(s->err) : s->state->code != 0 ? s->state->code : -ENOMEM;
}

static int newest_first(const void *a, const void *b)
{
	return age_order(*(struct traceql_result *const *)b, *(struct traceql_result *const *)a);
}

int source_search(struct trace_source *source, const struct traceql_ask *ask, struct traceql_results *out,
                  struct error *err)
{
	struct search s = {
	    .ask = ask,
	    .out = out,
	    .err = err,
	    .limit = ask->limit > 0 ? ask->limit : DEFAULT_LIMIT,
	    .spans = ask->spans_per_set > 0 ? ask->spans_per_set : DEFAULT_SPANS,
	    .max_bytes = ask->max_bytes > 0 ? ask->max_bytes : DEFAULT_BYTES,
	    .state = traceql_state_new(ask->query, ask->stop, ask->stop_ctx),
	};
	const struct trace *t;
	int code = s.state != NULL ? 0 : -ENOMEM;

	memset(out, 0, sizeof *out);
	while (code == 0 && (t = source->next(source->ctx, &code)) != NULL) {
		if (source_overlaps(t, ask->start_ns, ask->end_ns)) {
			code = search_one(&s, t);
			continue;
		}
		state_work(s.state, PASSED_COST);
		code = s.state->code;
	}
	traceql_state_free(s.state);
	if (out->count > 0)
		qsort(out->results, out->count, sizeof(struct traceql_result *), newest_first);
	if (code == -ECANCELED) {
		out->stopped = true;
		return 0;
	}
	if (code == -ENOMEM)
		return error_set(err, code, "memory is out");
	return code;
}

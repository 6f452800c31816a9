/* Where traces come from, for what goes through all of them: the buffer's view (traceql_view.c), or in tests what they make. */
#ifndef MOONGATE_TRACES_TRACEQL_SOURCE_H
#define MOONGATE_TRACES_TRACEQL_SOURCE_H

#include "traces/traceql_state.h"

struct trace_source {
	/* The next trace, good until the next call. NULL: there are no more, or memory is out (*code -ENOMEM, else 0). */
	const struct trace *(*next)(void *ctx, int *code);
	void *ctx;
};

/* traceql_search, traces_tags and traces_tag_values over a source. */
int source_search(struct trace_source *source, const struct traceql_ask *ask, struct traceql_results *out,
                  struct error *err);
int source_tags(struct trace_source *source, const struct traces_tags_ask *ask, struct traces_tags *out);
int source_tag_values(struct trace_source *source, struct slice tag, const struct traces_tags_ask *ask,
                      struct traces_tag_values *out, struct error *err);

static inline bool source_overlaps(const struct trace *t, int64_t start_ns, int64_t end_ns)
{
	return end_ns == 0 || (t->start_ns <= end_ns && t->end_ns >= start_ns);
}

/* A trace as an answer; NULL: memory is out. The caller's: result_free. */
struct traceql_result *result_new(struct traceql_state *s, const struct trace *t, const struct traceql_set *sets,
                                  uint32_t count, uint32_t spans_per_set);
void result_free(struct traceql_result *r);

#endif

/* What the buffer of traces costs: bodies of 1,000 spans of eight attributes, of 100 traces each, are added, close and are kept, up to a million spans; then a walk over all of them, and a trace by its id. Decoding is not in it (bench_otlp_traces). */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "unit/traces/spans.h"

enum { BODIES = 1000, TRACES = 100, SPANS = 10, GETS = 20000 };

#define S INT64_C(1000000000)

static double cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static const struct object *attributes(struct batch *b, uint32_t n)
{
	struct fields f = {.batch = b};
	char user[32];
	snprintf(user, sizeof user, "user-%u", n % 5000);
	put_field(&f, "gen_ai.operation.name", text_value(b, n % 2 == 0 ? "chat" : "execute_tool"));
	put_field(&f, "gen_ai.request.model", text_value(b, "gpt-4o-mini"));
	put_field(&f, "gen_ai.provider.name", text_value(b, "openai"));
	put_field(&f, "gen_ai.usage.input_tokens", int_value(n % 9000));
	put_field(&f, "gen_ai.usage.output_tokens", int_value(n % 700));
	put_field(&f, "user.id", text_value(b, user));
	put_field(&f, "server.address", text_value(b, "api.example.com"));
	put_field(&f, "gen_ai.request.temperature", (struct value){.number = 0.7, .type = VALUE_DOUBLE});
	return make_object(&f);
}

static void add(struct batch *b, uint32_t trace, uint32_t span, const struct object *resource)
{
	struct fields f = {.batch = b};
	put_ids(&f, trace, trace * 16 + span, span == 1 ? 0 : trace * 16 + span / 2);
	put_field(&f, "name", text_value(b, span % 2 == 0 ? "chat gpt-4o-mini" : "execute_tool search"));
	put_field(&f, "kind", text_value(b, "client"));
	put_field(&f, "duration_ns", int_value(1000000 + span));
	put_field(&f, "status", text_value(b, "unset"));
	put_field(&f, "attributes", object_value(attributes(b, trace * 7 + span)));
	put_field(&f, "resource", object_value(resource));
	put_record(&f, SPAN_TYPE, RECORD_SPAN, trace * S + span);
}

/* Spans of all traces of the body in turn, the root last. */
static void make_body(struct batch *b, uint32_t body)
{
	batch_reset(b, 16 << 20);
	const struct object *resource = make_service(b, "shop");
	for (uint32_t span = SPANS; span >= 1; span--) {
		for (uint32_t i = 0; i < TRACES; i++)
			add(b, 1 + body * TRACES + i, span, resource);
	}
}

static void fill(struct traces *t)
{
	struct batch *b = batch_new();
	static struct record *refs[TRACES * SPANS];
	double add_ns = 0, close_ns = 0;
	for (uint32_t body = 0; body < BODIES; body++) {
		make_body(b, body);
		for (uint32_t i = 0; i < b->count; i++)
			refs[i] = &b->records[i];
		double at = cpu_ns();
		traces_add(t, refs, b->count, body + 1, (int64_t)(body + 1) * 10 * S);
		double added = cpu_ns();
		traces_close_due(t, (int64_t)(body + 1) * 10 * S + 5 * S, keep, NULL);
		add_ns += added - at;
		close_ns += cpu_ns() - added;
	}
	double spans = (double)BODIES * TRACES * SPANS;
	printf("add %.0f ns, close and keep %.0f ns a span\n", add_ns / spans, close_ns / spans);
	batch_free(b);
}

static void walk(struct traces *t)
{
	double at = cpu_ns();
	uint64_t spans = 0, errors = 0;
	int code;
	struct traces_view *v = traces_view_open(t);
	for (const struct trace *one = traces_view_next(v, &code); one != NULL; one = traces_view_next(v, &code)) {
		const struct trace_span *s = trace_spans(one);
		for (uint32_t i = 0; i < one->span_count; i++)
			errors += s[i].status == SPAN_ERROR;
		spans += one->span_count;
	}
	traces_view_close(v);
	printf("a walk over %llu spans (%llu errors): %.1f ms\n", (unsigned long long)spans, (unsigned long long)errors,
	       (cpu_ns() - at) / 1e6);
}

int main(void)
{
	struct traces *t = traces_new(&(struct traces_options){.max_bytes = (size_t)2 << 30});
	struct traces_stats s;
	fill(t);
	traces_stats(t, &s);
	printf("%llu spans in %llu closed traces: %.0f bytes a span\n", (unsigned long long)s.spans,
	       (unsigned long long)s.closed, (double)s.bytes / (double)s.spans);
	walk(t);
	double at = cpu_ns();
	for (uint32_t i = 0; i < GETS; i++)
		trace_free(get_trace(t, 1 + i * 7919 % (BODIES * TRACES)));
	printf("a trace by its id: %.2f us\n", (cpu_ns() - at) / 1e3 / GETS);
	struct buf saved = {0};
	at = cpu_ns();
	int rc = traces_save(t, &saved);
	printf("saved for a checkpoint: %.1f ms, %.1f MB (%d)\n", (cpu_ns() - at) / 1e6, (double)saved.len / 1e6, rc);
	buf_free(&saved);
	traces_free(t);
	return 0;
}

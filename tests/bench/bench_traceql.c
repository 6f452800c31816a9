/* What TraceQL costs over a buffer of a million spans: 100,000 traces of ten, each span of eight attributes. CPU of a whole search, the best of a few. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "unit/traces/spans.h"

enum { BODIES = 1000, TRACES = 100, SPANS = 10, RUNS = 5 };

#define S INT64_C(1000000000)

static double cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static const struct object *attributes(struct batch *b, uint32_t n)
{
	static const char *const models[] = {"gpt-4o", "gpt-4o-mini", "o3", "claude-sonnet-4"};
	struct fields f = {.batch = b};
	char user[32];
	snprintf(user, sizeof user, "user-%u", n % 5000);
	put_field(&f, "gen_ai.operation.name", text_value(b, n % 2 == 0 ? "chat" : "execute_tool"));
	put_field(&f, "gen_ai.provider.name", text_value(b, "openai"));
	put_field(&f, "gen_ai.request.model", text_value(b, models[n / 20 % 4]));
	put_field(&f, "gen_ai.usage.input_tokens", int_value(n % 9000));
	put_field(&f, "gen_ai.usage.output_tokens", int_value(n % 700));
	put_field(&f, "user.id", text_value(b, user));
	put_field(&f, "server.address", text_value(b, "api.example.com"));
	put_field(&f, "gen_ai.request.temperature", (struct value){.number = 0.7, .type = VALUE_DOUBLE});
	return make_object(&f);
}

/* One span in ten takes over two seconds, one in twenty fails. */
static void add(struct batch *b, uint32_t trace, uint32_t span, const struct object *resource)
{
	struct fields f = {.batch = b};
	uint32_t n = trace * 7 + span;
	put_ids(&f, trace, trace * 16 + span, span == 1 ? 0 : trace * 16 + span / 2);
	put_field(&f, "name", text_value(b, span % 2 == 0 ? "chat" : "execute_tool search"));
	put_field(&f, "kind", text_value(b, "client"));
	put_field(&f, "duration_ns", int_value(n % 10 == 3 ? 2500000000 : 1000000 + span));
	put_field(&f, "status", text_value(b, n % 20 == 3 ? "error" : "unset"));
	put_field(&f, "attributes", object_value(attributes(b, n)));
	put_field(&f, "resource", object_value(resource));
	put_record(&f, SPAN_TYPE, RECORD_SPAN, trace * S + span);
}

static void fill(struct traces *t)
{
	struct batch *b = batch_new();
	static struct record *refs[TRACES * SPANS];
	for (uint32_t body = 0; body < BODIES; body++) {
		batch_reset(b, 16 << 20);
		const struct object *services[] = {make_service(b, "shop"), make_service(b, "search")};
		for (uint32_t span = 1; span <= SPANS; span++) {
			for (uint32_t i = 0; i < TRACES; i++)
				add(b, 1 + body * TRACES + i, span, services[i % 2]);
		}
		for (uint32_t i = 0; i < b->count; i++)
			refs[i] = &b->records[i];
		traces_add(t, refs, b->count, body + 1, (int64_t)(body + 1) * 10 * S);
		traces_close_due(t, (int64_t)(body + 1) * 10 * S + 5 * S, keep, NULL);
	}
	batch_free(b);
}

static void search(struct traces *t, const char *text)
{
	struct error err = {0};
	struct traceql_query *q = traceql_parse(slice_cstr(text), &err);
	struct traceql_results r;
	double best = 1e18;

	if (q == NULL) {
		printf("%s\n", err.text);
		exit(1);
	}
	for (int run = 0; run < RUNS; run++) {
		double at = cpu_ns();
		int code = traceql_search(t, &(struct traceql_ask){.query = q}, &r, &err);
		double took = cpu_ns() - at;
		best = took < best ? took : best;
		if (run + 1 == RUNS)
			printf("%6.1f ms  %3u found, run over %7llu spans%s  %s\n", best / 1e6, r.count,
			       (unsigned long long)r.inspected_spans, code == 0 ? "" : " FAILED", text);
		traceql_results_deinit(&r);
	}
	traceql_free(q);
}

static void names_and_values(struct traces *t)
{
	struct traces_tags tags;
	struct traces_tag_values values;
	struct traces_tags_ask ask = {0};
	struct error err = {0};
	double at = cpu_ns();

	traces_tags(t, &ask, &tags);
	printf("%6.1f ms  %u names of spans' attributes\n", (cpu_ns() - at) / 1e6, tags.counts[TRACEQL_SCOPE_SPAN]);
	traces_tags_deinit(&tags);
	at = cpu_ns();
	traces_tag_values(t, SLICE("span.gen_ai.request.model"), &ask, &values, &err);
	printf("%6.1f ms  %u values of span.gen_ai.request.model\n", (cpu_ns() - at) / 1e6, values.count);
	traces_tag_values_deinit(&values);
	at = cpu_ns();
	traces_tag_values(t, SLICE("resource.service.name"), &ask, &values, &err);
	printf("%6.1f ms  %u values of resource.service.name\n", (cpu_ns() - at) / 1e6, values.count);
	traces_tag_values_deinit(&values);
}

int main(void)
{
	struct traces *t = traces_new(&(struct traces_options){.max_bytes = (size_t)2 << 30});

	fill(t);
	/* What is never found has to be sought everywhere. */
	search(t, "{ resource.service.name = \"shop\" && span.gen_ai.request.model =~ \"gpt-3.*\" && duration > 2s && "
	          "status = error }");
	search(t, "{ resource.service.name = \"shop\" && span.gen_ai.request.model =~ \"gpt-.*\" && duration > 2s && "
	          "status = error }");
	search(t, "{ span.gen_ai.request.model =~ \"gpt-3.*\" }");
	search(t, "{ span.user.id = \"nobody\" }");
	search(t, "{ .user.id = \"nobody\" }");
	search(t, "{ resource.service.name = \"nothing\" }");
	search(t, "{ status = error && duration > 3s }");
	search(t, "{ name = \"chat\" } > { status = ok }");
	search(t, "{ name = \"chat\" } >> { name = \"nothing\" }");
	search(t, "{ status = error } !<< { name = \"nothing\" }");
	search(t, "{} | count() > 10");
	search(t, "{} | avg(duration) > 10s");
	search(t, "{} | by(name) | count() > 5");
	search(t, "{ nestedSetParent < 0 && status = ok }");
	search(t, "{}");
	names_and_values(t);
	traces_free(t);
	return 0;
}

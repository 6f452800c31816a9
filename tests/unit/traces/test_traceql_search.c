/* Search over many traces, and names and values of their attributes. */
#include <errno.h>

#include "base/fault.h"
#include "support/asked.h"
#include "traces/traceql_source.h"

enum { TRACES_MAX = 64 };

struct many {
	struct trace *traces[TRACES_MAX];
	uint32_t count, at;
};

static struct laid laid;
static struct many many;

static const struct trace *next(void *ctx, int *code)
{
	struct many *m = ctx;

	*code = 0;
	return m->at < m->count ? m->traces[m->at++] : NULL;
}

static struct trace_source source_of_all(void)
{
	many.at = 0;
	return (struct trace_source){next, &many};
}

static void add_trace(uint8_t id, int64_t start_s, uint32_t marks)
{
	struct trace *t = (struct trace *)(uintptr_t)laid_trace(&laid);

	memset(t->id, id, sizeof t->id);
	t->marks = marks;
	t->start_ns = start_s * 1000000000;
	t->end_ns = t->start_ns + 500000000;
	many.traces[many.count++] = t;
	laid.piece = NULL;
}

/* Traces that begin at these seconds, each of four spans. */
static void make_traces(const int *starts, uint32_t count)
{
	static char model[TRACES_MAX][32];

	for (uint32_t i = 0; i < count; i++) {
		memset(&laid, 0, sizeof laid);
		snprintf(model[i], sizeof model[i], "model=m%d,n=%d,l=[a|b]", starts[i], starts[i]);
		laid_span(&laid, (struct laid_span){
		                     .parent = LAID_NONE, .name = "root", .resource = "service.name=web,env=prod"});
		laid_span(&laid, (struct laid_span){.parent = 0,
		                                    .name = "x",
		                                    .resource = "service.name=llm,f=1.5",
		                                    .attributes = model[i],
		                                    .status = SPAN_ERROR,
		                                    .event = "e",
		                                    .event_attributes = "why=io"});
		laid_span(&laid, (struct laid_span){.parent = 0,
		                                    .name = "x",
		                                    .attributes = "user=ann,ok=true",
		                                    .link_attributes = "to=there",
		                                    .scope_attributes = "lib=1"});
		laid_span(&laid, (struct laid_span){.parent = 0, .name = "x", .attributes = "user=bob"});
		add_trace((uint8_t)(starts[i] + 1), starts[i], 0);
	}
}

static void free_traces(void)
{
	for (uint32_t i = 0; i < many.count; i++)
		free(many.traces[i]);
	many.count = 0;
}

static int search(const char *query, struct traceql_ask ask, struct traceql_results *out, struct error *err)
{
	struct trace_source source = source_of_all();
	struct traceql_query *q = asked_parse(query);

	ask.query = q;
	int code = source_search(&source, &ask, out, err);
	traceql_free(q);
	return code;
}

/* The seconds at which the results begin. */
static void assert_found(const char *query, struct traceql_ask ask, const char *wanted)
{
	struct traceql_results r;
	struct error err = {0};
	struct buf text = {0};

	assert_int_equal(search(query, ask, &r, &err), 0);
	for (uint32_t i = 0; i < r.count; i++)
		buf_printf(&text, i > 0 ? " %d" : "%d", (int)(r.results[i]->start_ns / 1000000000));
	buf_byte(&text, '\0');
	assert_string_equal(text.ptr, wanted);
	buf_free(&text);
	traceql_results_deinit(&r);
}

static const int shuffled[] = {5, 9, 1, 7, 3, 8, 2, 6, 4, 10};

static void test_order_and_limit(void **state)
{
	(void)state;
	make_traces(shuffled, 10);
	assert_found("{}", (struct traceql_ask){.limit = 3}, "10 9 8");
	assert_found("{}", (struct traceql_ask){.limit = 1}, "10");
	assert_found("{}", (struct traceql_ask){0}, "10 9 8 7 6 5 4 3 2 1");
	assert_found("{ .n < 6 }", (struct traceql_ask){.limit = 3}, "5 4 3");
	assert_found("{ .n = 1 || .n = 10 }", (struct traceql_ask){.limit = 3}, "10 1");
	assert_found("{ .n = 11 }", (struct traceql_ask){0}, "");
	int64_t s = 1000000000;
	assert_found("{}", (struct traceql_ask){.start_ns = 4 * s, .end_ns = 6 * s}, "6 5 4");
	assert_found("{}", (struct traceql_ask){.start_ns = 4 * s + s / 4, .end_ns = 6 * s - 1}, "5 4");
	assert_found("{}", (struct traceql_ask){.start_ns = 4 * s + s / 2 + 1, .end_ns = 5 * s}, "5");
	assert_found("{}", (struct traceql_ask){.start_ns = 20 * s, .end_ns = 30 * s}, "");
	free_traces();
}

static void test_default_limit(void **state)
{
	int starts[30];
	struct traceql_results r;
	struct error err = {0};

	(void)state;
	for (int i = 0; i < 30; i++)
		starts[i] = i;
	make_traces(starts, 30);
	assert_int_equal(search("{}", (struct traceql_ask){0}, &r, &err), 0);
	assert_int_equal(r.count, 20);
	assert_int_equal(r.inspected_traces, 30);
	assert_int_equal(r.inspected_spans, 120);
	assert_true(r.inspected_bytes > 30 * 4 * sizeof(struct trace_span));
	traceql_results_deinit(&r);
	free_traces();
	for (int i = 0; i < 30; i++)
		starts[i] = 30 - i;
	make_traces(starts, 30);
	assert_int_equal(search("{}", (struct traceql_ask){0}, &r, &err), 0);
	assert_int_equal(r.inspected_traces, 20); /* what is older than all results is passed over */
	traceql_results_deinit(&r);
	free_traces();
}

static void test_result(void **state)
{
	struct traceql_results r;
	struct error err = {0};
	struct buf text = {0};
	int start = 7;

	(void)state;
	make_traces(&start, 1);
	assert_int_equal(search("{ name = \"x\" && span.model != nil } | count() = 1 | select(.l)",
	                        (struct traceql_ask){0}, &r, &err),
	                 0);
	free_traces(); /* what was found needs them no more */
	assert_int_equal(r.count, 1);
	const struct traceql_result *found = r.results[0];
	assert_int_equal(found->id[0], 8);
	assert_int_equal(found->start_ns, INT64_C(7000000000));
	assert_int_equal(found->duration_ns, 500000000);
	assert_true(slice_eq(found->root_name, SLICE("root")) && slice_eq(found->root_service, SLICE("web")));
	assert_int_equal(found->service_count, 3);
	assert_true(slice_eq(found->services[1].name, SLICE("llm")));
	assert_int_equal(found->services[1].spans, 1);
	assert_int_equal(found->services[1].errors, 1);
	assert_int_equal(found->services[2].spans, 2); /* without a resource */
	assert_int_equal(found->set_count, 1);
	const struct traceql_result_set *set = &found->sets[0];
	assert_int_equal(set->matched, 1);
	assert_int_equal(set->span_count, 1);
	assert_int_equal(set->spans[0].id, 2);
	for (uint32_t i = 0; i < set->spans[0].attribute_count; i++) {
		buf_printf(&text, "%.*s=", SLICE_ARG(set->spans[0].attributes[i].name));
		traceql_value_text(&set->spans[0].attributes[i].value, &text);
		buf_byte(&text, ' ');
	}
	buf_byte(&text, '\0');
	assert_string_equal(text.ptr, "model=m7 l=[\"a\",\"b\"] ");
	assert_int_equal(set->attribute_count, 1);
	assert_true(slice_eq(set->attributes[0].name, SLICE("count()")));
	buf_free(&text);
	traceql_results_deinit(&r);
}

static void test_spans_of_a_set(void **state)
{
	struct traceql_results r;
	struct error err = {0};
	int start = 1;

	(void)state;
	make_traces(&start, 1);
	assert_int_equal(search("{}", (struct traceql_ask){0}, &r, &err), 0);
	assert_int_equal(r.results[0]->sets[0].matched, 4);
	assert_int_equal(r.results[0]->sets[0].span_count, 3);
	traceql_results_deinit(&r);
	assert_int_equal(search("{} | by(name)", (struct traceql_ask){.spans_per_set = 2}, &r, &err), 0);
	assert_int_equal(r.results[0]->set_count, 2);
	assert_int_equal(r.results[0]->sets[1].matched, 3);
	assert_int_equal(r.results[0]->sets[1].span_count, 2);
	traceql_results_deinit(&r);
	free_traces();
}

/* A trace that closes while it is searched comes twice: what it is at last counts. */
static void test_open_then_closed(void **state)
{
	struct traceql_results r;
	struct error err = {0};
	static const int starts[] = {1, 2};

	(void)state;
	make_traces(starts, 2);
	many.traces[0]->marks = TRACE_OPEN;
	laid.piece = NULL;
	add_trace(2, 1, TRACE_EXPIRED); /* the id of the first */
	assert_int_equal(search("{}", (struct traceql_ask){0}, &r, &err), 0);
	assert_int_equal(r.count, 2);
	assert_int_equal(r.results[1]->marks, TRACE_EXPIRED);
	traceql_results_deinit(&r);
	free_traces();
}

static bool stop_at_once(void *ctx)
{
	++*(int *)ctx;
	return true;
}

static void test_stop_and_bytes(void **state)
{
	struct traceql_results r;
	struct error err = {0};
	int calls = 0;
	struct buf query = {0};

	(void)state;
	make_traces(shuffled, 10);
	buf_str(&query, "{ .n > 0");
	for (int i = 0; i < 1500; i++)
		buf_str(&query, " && .n > 0");
	buf_str(&query, " }");
	buf_byte(&query, '\0');
	assert_int_equal(search(query.ptr, (struct traceql_ask){.stop = stop_at_once, .stop_ctx = &calls}, &r, &err),
	                 0);
	assert_int_equal(calls, 1);
	assert_true(r.stopped);
	assert_in_range(r.count, 1, 9); /* what was found until then is there */
	traceql_results_deinit(&r);
	assert_int_equal(search("{}", (struct traceql_ask){.max_bytes = 10000}, &r, &err), -E2BIG);
	assert_string_equal(err.text, "the results are over 10000 bytes: ask for fewer traces or spans");
	traceql_results_deinit(&r);
	assert_int_equal(search("{}", (struct traceql_ask){.limit = 1, .max_bytes = 20000}, &r, &err), 0);
	traceql_results_deinit(&r);
	buf_free(&query);
	free_traces();
}

/* That a trace would take too much is said by a search; names and values are those of the others. */
static void test_too_much(void **state)
{
	struct traceql_results r;
	struct traces_tags tags;
	struct traces_tag_values values;
	struct error err = {0};
	struct buf text = {0};

	(void)state;
	buf_str(&text, "{}");
	for (int i = 1; i < TRACEQL_STAGES_MAX; i++)
		buf_str(&text, " | by(span:id)");
	buf_byte(&text, '\0');
	memset(&laid, 0, sizeof laid);
	for (int i = 0; i < LAID_SPANS; i++)
		laid_span(&laid, (struct laid_span){.parent = LAID_NONE, .name = "x"});
	add_trace(1, 1, 0);
	assert_int_equal(search(text.ptr, (struct traceql_ask){0}, &r, &err), -E2BIG);
	assert_string_equal(err.text, "the query takes over 64 MiB for one trace");
	traceql_results_deinit(&r);
	struct traceql_query *q = asked_parse(text.ptr);
	struct traces_tags_ask ask = {.query = q};
	struct trace_source source = source_of_all();
	assert_int_equal(source_tags(&source, &ask, &tags), 0);
	assert_true(tags.cut);
	traces_tags_deinit(&tags);
	source = source_of_all();
	assert_int_equal(source_tag_values(&source, SLICE("span.a"), &ask, &values, &err), 0);
	assert_true(values.cut);
	traces_tag_values_deinit(&values);
	traceql_free(q);
	buf_free(&text);
	free_traces();
}

/* ---- names and values ---- */

static void assert_tags(const char *query, struct traces_tags_ask ask, const char *wanted, bool cut)
{
	struct trace_source source = source_of_all();
	struct traceql_query *q = query != NULL ? asked_parse(query) : NULL;
	struct traces_tags tags;
	struct buf text = {0};

	ask.query = q;
	assert_int_equal(source_tags(&source, &ask, &tags), 0);
	for (int i = 0; i < TRACEQL_SCOPES; i++) {
		buf_printf(&text, "%s%s:", i > 0 ? "; " : "", traceql_scope_names[i]);
		for (uint32_t n = 0; n < tags.counts[i]; n++)
			buf_printf(&text, " %.*s", SLICE_ARG(tags.names[i][n]));
	}
	buf_byte(&text, '\0');
	assert_string_equal(text.ptr, wanted);
	assert_int_equal(tags.cut, cut);
	traces_tags_deinit(&tags);
	buf_free(&text);
	traceql_free(q);
}

static void test_tags(void **state)
{
	(void)state;
	make_traces(shuffled, 10);
	assert_tags(NULL, (struct traces_tags_ask){0},
	            "span: l model n ok user; resource: env f service.name; event: why; link: to; instrumentation: lib",
	            false);
	assert_tags("{ .n != nil }", (struct traces_tags_ask){0},
	            "span: l model n; resource: f service.name; event: why; link:; instrumentation:", false);
	assert_tags(NULL, (struct traces_tags_ask){.limit = 2},
	            "span: model n; resource: env service.name; event: why; link: to; instrumentation: lib", true);
	assert_tags(NULL, (struct traces_tags_ask){.max_bytes = 15},
	            "span:; resource: env service.name; event:; link:; instrumentation:", true);
	assert_tags(NULL, (struct traces_tags_ask){.start_ns = 1, .end_ns = 2},
	            "span:; resource:; event:; link:; instrumentation:", false);
	free_traces();
}

static void assert_values(const char *tag, const char *query, struct traces_tags_ask ask, const char *wanted, bool cut)
{
	struct trace_source source = source_of_all();
	struct traceql_query *q = query != NULL ? asked_parse(query) : NULL;
	struct traces_tag_values values;
	struct error err = {0};
	struct buf text = {0};

	ask.query = q;
	assert_int_equal(source_tag_values(&source, slice_cstr(tag), &ask, &values, &err), 0);
	for (uint32_t i = 0; i < values.count; i++) {
		buf_printf(&text, i > 0 ? " %d:" : "%d:", (int)values.values[i].type);
		traceql_value_text(&values.values[i], &text);
	}
	buf_byte(&text, '\0');
	assert_string_equal(text.ptr, wanted);
	assert_int_equal(values.cut, cut);
	traces_tag_values_deinit(&values);
	buf_free(&text);
	traceql_free(q);
}

static void test_tag_values(void **state)
{
	struct traces_tags_ask all = {0};

	(void)state;
	make_traces(shuffled, 4);
	assert_values("span.model", NULL, all, "3:m1 3:m5 3:m7 3:m9", false);
	assert_values("span.n", NULL, all, "1:1 1:5 1:7 1:9", false);
	assert_values(".user", NULL, all, "3:ann 3:bob", false);
	assert_values("user", NULL, all, "3:ann 3:bob", false);
	assert_values("service.name", NULL, all, "3:llm 3:web", false);
	assert_values("resource.service.name", NULL, all, "3:llm 3:web", false);
	assert_values("span.service.name", NULL, all, "", false);
	assert_values("resource.f", NULL, all, "2:1.5", false);
	assert_values("span.l", NULL, all, "3:a 3:b", false);
	assert_values("span.ok", NULL, all, "4:true", false);
	assert_values("event.why", NULL, all, "3:io", false);
	assert_values("event:name", NULL, all, "3:e", false);
	assert_values("link.to", NULL, all, "3:there", false);
	assert_values("instrumentation.lib", NULL, all, "1:1", false);
	assert_values("status", NULL, all, "6:unset 6:error", false);
	assert_values("name", NULL, all, "3:root 3:x", false);
	assert_values("rootServiceName", NULL, all, "3:web", false);
	assert_values("trace:id", NULL, (struct traces_tags_ask){.limit = 1}, "3:06060606060606060606060606060606",
	              true);
	assert_values("childCount", NULL, all, "1:0 1:3", false);
	assert_values("span.model", "{ .n < 6 }", all, "3:m1 3:m5", false);
	assert_values("resource.service.name", "{ .n < 6 }", all, "3:llm", false);
	assert_values("span.model", NULL, (struct traces_tags_ask){.limit = 2}, "3:m5 3:m9", true);
	assert_values("span.model", NULL, (struct traces_tags_ask){.max_bytes = 60}, "3:m5 3:m9", true);
	free_traces();
}

static void test_bad_tags(void **state)
{
	static const char *const bad[] = {"", "span.", "span:nothing", "span.\"a"};
	struct traces_tags_ask ask = {0};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct trace_source source = source_of_all();
		struct traces_tag_values values;
		struct error err = {0};
		int code = source_tag_values(&source, slice_cstr(bad[i]), &ask, &values, &err);
		assert_int_equal(code, i == 0 || i == 2 ? -EINVAL : code);
		assert_int_equal(code != 0, err.text[0] != '\0');
		traces_tag_values_deinit(&values);
	}
}

static void test_no_memory(void **state)
{
	int done = 0;

	(void)state;
	make_traces(shuffled, 4);
	struct traceql_query *q = asked_parse("{ .user != nil } | select(.l, span:parentID)");
	for (uint64_t nth = 1; done < 3; nth++) {
		struct trace_source source = source_of_all();
		struct traceql_results r;
		struct traces_tags tags;
		struct traces_tag_values values;
		struct error err = {0};
		struct traceql_ask ask = {.query = q, .limit = 2};
		struct traces_tags_ask tags_ask = {.query = q};
		fault_set(FAULT_MALLOC, nth, false, ENOMEM);
		done = source_search(&source, &ask, &r, &err) == 0;
		fault_clear();
		traceql_results_deinit(&r);
		source = source_of_all();
		fault_set(FAULT_MALLOC, nth, false, ENOMEM);
		done += source_tags(&source, &tags_ask, &tags) == 0;
		fault_clear();
		traces_tags_deinit(&tags);
		source = source_of_all();
		fault_set(FAULT_MALLOC, nth, false, ENOMEM);
		done += source_tag_values(&source, SLICE("span.\"user\""), &tags_ask, &values, &err) == 0;
		fault_clear();
		traces_tag_values_deinit(&values);
	}
	traceql_free(q);
	free_traces();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_order_and_limit),  cmocka_unit_test(test_default_limit),
	    cmocka_unit_test(test_result),           cmocka_unit_test(test_spans_of_a_set),
	    cmocka_unit_test(test_open_then_closed), cmocka_unit_test(test_stop_and_bytes),
	    cmocka_unit_test(test_too_much),         cmocka_unit_test(test_tags),
	    cmocka_unit_test(test_tag_values),       cmocka_unit_test(test_bad_tags),
	    cmocka_unit_test(test_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

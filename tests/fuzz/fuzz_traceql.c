/* Any bytes as a query: it is refused with a sentence, or run over a trace that has some of everything; what it finds are spans of that trace, rising, and their attributes can be written. */
#include <string.h>

#include "../unit/traces/support/laid.h"
#include "base/check.h"
#include "traces/traces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct trace *the_trace(void)
{
	static struct laid laid;
	static const struct trace *t;

	if (t != NULL)
		return t;
	laid_span(&laid, (struct laid_span){.parent = LAID_NONE,
	                                    .name = "GET /",
	                                    .resource = "service.name=web,region=[eu|us]",
	                                    .attributes = "a=1,b=x,c=1.5,d=true,e=null,l=[a|b],n=[1|2],o=[]",
	                                    .duration_ns = 3000000000,
	                                    .status = SPAN_OK,
	                                    .kind = SPAN_SERVER});
	laid_span(&laid, (struct laid_span){.parent = 0,
	                                    .name = "query",
	                                    .attributes = "a=2,b=y,my name=1",
	                                    .status = SPAN_ERROR,
	                                    .event = "exception|retry",
	                                    .event_attributes = "a=1|b=2",
	                                    .scope_name = "lib",
	                                    .scope_attributes = "a=1"});
	laid_span(&laid, (struct laid_span){.parent = 1, .name = "chat", .resource = "service.name=llm,a=1"});
	laid_span(&laid,
	          (struct laid_span){.parent = 0, .name = "query", .attributes = "a=2", .link_attributes = "a=1"});
	laid_span(&laid, (struct laid_span){.parent = LAID_NONE, .name = "late", .duration_ns = -5});
	laid_span(&laid, (struct laid_span){.parent = LAID_ORPHAN, .name = "lost"});
	return t = laid_trace(&laid);
}

static void check_sets(struct traceql_state *s, const struct trace *t, const struct traceql_set *sets, uint32_t count)
{
	struct traceql_attribute attributes[TRACEQL_FIELDS_MAX];
	struct buf text = {0};

	for (uint32_t i = 0; i < count; i++) {
		CHECK(sets[i].count > 0 && sets[i].count <= t->span_count);
		for (uint32_t n = 0; n < sets[i].count; n++)
			CHECK(sets[i].spans[n] < t->span_count && (n == 0 || sets[i].spans[n] > sets[i].spans[n - 1]));
		for (uint32_t n = 0; n < sets[i].attribute_count; n++)
			traceql_value_text(&sets[i].attributes[n].value, &text);
	}
	for (uint32_t i = 0; i < t->span_count; i++) {
		int found = traceql_span_attributes(s, i, attributes);
		CHECK(found >= 0);
		for (int n = 0; n < found; n++)
			traceql_value_text(&attributes[n].value, &text);
	}
	buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct trace *t = the_trace();
	struct error err = {0};
	struct traceql_query *q = traceql_parse(slice_new((const char *)data, size), &err);
	struct traceql_set *sets;
	uint32_t count;

	CHECK((q == NULL) == (err.code != 0) && (q == NULL) == (err.text[0] != '\0'));
	if (q == NULL) {
		CHECK(strncmp(err.text, "parse error at line ", 20) == 0);
		return 0;
	}
	struct traceql_state *s = traceql_state_new(q, NULL, NULL);
	CHECK(s != NULL && traceql_run(s, t, &sets, &count) == 0);
	check_sets(s, t, sets, count);
	traceql_state_free(s);
	traceql_free(q);
	return 0;
}

/* Any bytes as TraceQL: refused with a sentence and its place, or run over a trace of a few spans, twice with the same result. */
#include "base/check.h"
#include "ingest/ingest.h"
#include "traces/traces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SPAN(id, parent, rest)                                                                                         \
	"{\"type\":\"call\",\"time\":1700000000,\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\",\"span_id\":\"" id   \
	"\"" parent "," rest "}"

static const char body[] =
    "[" SPAN("00000000000000a1", "", "\"duration_ms\":900,\"user_id\":\"ann\",\"n\":1,\"list\":[1,\"x\",2.5]") "," SPAN(
        "00000000000000a2", ",\"parent_span_id\":\"00000000000000a1\"",
        "\"duration_ms\":5,\"status\":\"failed\",\"model\":\"large\",\"cost\":0.25") "," SPAN("00000000000000a3",
                                                                                              ",\"parent_span_id\":"
                                                                                              "\"00000000000000a2\"",
                                                                                              "\"duration_ms\":2.5,"
                                                                                              "\"ok\":true,\"nothing\":"
                                                                                              "null") "]"
                                                                                                      "                "
                                                                                                      "                "
                                                                                                      "                "
                                                                                                      "               "
                                                                                                      " "; /* what a decoder may read behind it */

static struct trace *make_trace(void)
{
	static const uint8_t id[16] = {0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd,
	                               0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c};
	struct traces *t = traces_new(&(struct traces_options){5000000000, 600000000000, 1 << 20, 100});
	struct batch *b = batch_new();
	struct ingest_limits limits;
	struct ingest_rejects rejects = {.room = 1 << 16};
	struct record *records[3];
	struct error err = {0};
	int code;

	ingest_limits_default(&limits);
	CHECK(ingest_events_json(b, slice_new(body, sizeof body - 1 - INGEST_PADDING), 0, &limits, &rejects, &err) ==
	      0);
	CHECK(b->count == 3);
	for (int i = 0; i < 3; i++)
		records[i] = &b->records[i];
	CHECK(traces_add(t, records, 3, 1, 1) == 0);
	struct trace *trace = traces_get(t, id, &code);
	CHECK(trace != NULL && trace->span_count == 3);
	ingest_rejects_free(&rejects);
	batch_free(b);
	traces_free(t);
	return trace;
}

/* Spans that were matched, of all sets. */
static uint32_t run(const struct traceql_query *q, const struct trace *trace)
{
	struct traceql_state *s = traceql_state_new(q, NULL, NULL);
	struct traceql_set *sets;
	uint32_t count, spans = 0;

	CHECK(s != NULL);
	CHECK(traceql_run(s, trace, &sets, &count) == 0);
	for (uint32_t i = 0; i < count; i++) {
		CHECK(sets[i].count > 0 && sets[i].count <= trace->span_count);
		spans = spans * 4 + sets[i].count;
	}
	traceql_state_free(s);
	return spans;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct trace *trace;
	struct error err = {0};

	if (trace == NULL)
		trace = make_trace();
	struct traceql_query *q = traceql_parse(slice_new((const char *)data, size), &err);
	CHECK(q != NULL || err.text[0] != '\0');
	if (q != NULL)
		CHECK(run(q, trace) == run(q, trace));
	traceql_free(q);
	return 0;
}

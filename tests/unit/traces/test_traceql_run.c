/* What TraceQL means: each kind of field, type and operator over one trace. */
#include <errno.h>

#include "base/fault.h"
#include "support/asked.h"

/*  0 GET /      web
 *  ├─ 1 query   web       events exception, retry
 *  │  └─ 2 chat llm
 *  └─ 3 query   web       a link
 *  4 late       web
 *  5 lost       llm       its parent is not there */
static const char web[] = "service.name=web,env=prod,region=[eu|us]", llm[] = "service.name=llm,user=bob";

static struct laid laid;

static const struct trace *make_trace(void)
{
	memset(&laid, 0, sizeof laid);
	laid_span(&laid,
	          (struct laid_span){.parent = LAID_NONE,
	                             .name = "GET /",
	                             .resource = web,
	                             .attributes = "http.status=200,user=ann,ok=true,tags=[a|b],nums=[1|2],none=[]",
	                             .duration_ns = 3000000000,
	                             .status = SPAN_OK,
	                             .kind = SPAN_SERVER});
	laid_span(&laid, (struct laid_span){.parent = 0,
	                                    .name = "query",
	                                    .resource = web,
	                                    .attributes = "db=pg,n=5,f=1.5,nil=null",
	                                    .duration_ns = 500000000,
	                                    .status = SPAN_ERROR,
	                                    .kind = SPAN_CLIENT,
	                                    .event = "exception|retry",
	                                    .event_attributes = "type=io|n=2"});
	laid_span(&laid, (struct laid_span){.parent = 1,
	                                    .name = "chat",
	                                    .resource = llm,
	                                    .attributes = "gen_ai.request.model=gpt-4,n=7,my attr=1,f=2",
	                                    .duration_ns = 2500000000,
	                                    .kind = SPAN_CLIENT,
	                                    .scope_name = "lib",
	                                    .scope_attributes = "x=1"});
	laid_span(&laid, (struct laid_span){.parent = 0,
	                                    .name = "query",
	                                    .resource = web,
	                                    .attributes = "n=5,env=dev",
	                                    .duration_ns = -5,
	                                    .kind = SPAN_INTERNAL,
	                                    .link_attributes = "why=x"});
	laid_span(&laid,
	          (struct laid_span){.parent = LAID_NONE, .name = "late", .resource = web, .attributes = "n=-1"});
	laid_span(&laid, (struct laid_span){.parent = LAID_ORPHAN, .name = "lost", .resource = llm});
	return laid_trace(&laid);
}

struct example {
	const char *query, *spans;
};

static void check(const struct example *examples, size_t count)
{
	const struct trace *t = make_trace();

	for (size_t i = 0; i < count; i++)
		assert_asked(examples[i].query, t, examples[i].spans);
	laid_free(&laid);
}
#define CHECK_ALL(examples) check(examples, sizeof(examples) / sizeof *(examples))

static void test_fields(void **state)
{
	static const struct example examples[] = {
	    {"{}", "0 1 2 3 4 5"},
	    {"{ true }", "0 1 2 3 4 5"},
	    {"{ false }", ""},
	    {"{ name = \"query\" }", "1 3"},
	    {"{ span:name = `chat` }", "2"},
	    {"{ status = error }", "1"},
	    {"{ status != error && status != unset }", "0"},
	    {"{ kind = client }", "1 2"},
	    {"{ kind = unspecified }", "4 5"},
	    {"{ statusMessage = \"\" }", "0 1 2 3 4 5"},
	    {"{ duration > 2s }", "0 2"},
	    {"{ duration < 0 }", "3"},
	    {"{ 500ms = duration }", "1"},
	    {"{ traceDuration = 3s }", "0 1 2 3 4 5"},
	    {"{ rootName = \"GET /\" && rootServiceName = \"web\" }", "0 1 2 3 4 5"},
	    {"{ trace:rootService = \"llm\" }", ""},
	    {"{ trace:id = \"1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f\" }", "0 1 2 3 4 5"},
	    {"{ span:id = \"0000000000000003\" }", "2"},
	    {"{ span:parentID = \"0000000000000001\" }", "1 3"},
	    {"{ span:parentID = nil }", "0 4"},
	    {"{ span:childCount = 2 }", "0"},
	    {"{ span:childCount = 0 }", "2 3 4 5"},
	    {"{ nestedSetParent < 0 }", "0 4"},
	    {"{ nestedSetParent = 0 }", "5"},
	    {"{ nestedSetParent = 1 }", "1 3"},
	    {"{ nestedSetLeft = 2 && nestedSetRight = 5 }", "1"},
	    {"{ nestedSetLeft = 9 && nestedSetRight = 10 }", "4"},
	    {"{ instrumentation:name = \"lib\" && instrumentation:version = \"\" }", "2"},
	    {"{ instrumentation.x = 1 }", "2"},
	    {"{ event:name = \"retry\" }", "1"},
	    {"{ event:name != \"retry\" }", "1"},
	    {"{ event:name =~ \"re.*\" }", "1"},
	    {"{ event:timeSinceStart > 1us }", "1"},
	    {"{ event:timeSinceStart > 2us }", ""},
	    {"{ event.type = \"io\" }", "1"},
	    {"{ event.n > 1 && event.type != nil }", "1"},
	    {"{ event.n = nil }", "0 2 3 4 5"},
	    {"{ link:spanID = \"00000000000000cd\" && link.why = \"x\" }", "3"},
	    {"{ link:traceID = \"abababababababababababababababab\" }", "3"},
	};
	(void)state;
	CHECK_ALL(examples);
}

static void test_attributes(void **state)
{
	static const struct example examples[] = {
	    {"{ span.user = \"ann\" }", "0"},
	    {"{ .user = \"bob\" }", "2 5"},
	    {"{ resource.user = \"ann\" }", ""},
	    {"{ .env = \"dev\" }", "3"}, /* the span's own comes first */
	    {"{ .env = \"prod\" }", "0 1 4"},
	    {"{ resource.env = \"prod\" }", "0 1 3 4"},
	    {"{ span.\"my attr\" = 1 }", "2"},
	    {"{ .gen_ai.request.model =~ \"gpt-.*\" }", "2"},
	    {"{ .gen_ai.request.model =~ \"pt-\" }", ""},
	    {"{ .gen_ai.request.model !~ \"claude.*\" }", "2"},
	    {"{ .ok }", "0"},
	    {"{ !.ok }", ""},
	    {"{ .ok = true && .ok != false }", "0"},
	    {"{ parent.n = 5 }", "2"},
	    {"{ parent.resource.service.name = \"web\" && parent.span.user = \"ann\" }", "1 3"},
	    {"{ parent.user = nil }", "0 2 4 5"},
	    {"{ .nowhere = 1 }", ""},
	    {"{ .nowhere != 1 }", ""},
	    {"{ .nowhere = nil }", "0 1 2 3 4 5"},
	    {"{ .nil = nil }", "0 1 2 3 4 5"},
	    {"{ .n != nil }", "1 2 3 4"},
	    {"{ nil != .n }", "1 2 3 4"},
	    {"{ nil = nil }", ""},
	    {"{ nil != nil }", ""},
	};
	(void)state;
	CHECK_ALL(examples);
}

static void test_comparisons(void **state)
{
	static const struct example examples[] = {
	    {"{ .n = 5 }", "1 3"},
	    {"{ .n != 5 }", "2 4"},
	    {"{ .n >= 5 && .n < 7 }", "1 3"},
	    {"{ .n > -2 && .n <= -1 }", "4"},
	    {"{ .n = 5.0 }", "1 3"},
	    {"{ .f > 1 }", "1 2"},
	    {"{ 1.5 >= .f }", "1"},
	    {"{ .n = \"5\" }", ""},
	    {"{ .n != \"5\" }", ""},
	    {"{ .user > \"ann\" }", "2 5"},
	    {"{ .user <= \"ann\" }", "0"},
	    {"{ .user != 1 }", ""},
	    {"{ duration = .nowhere }", ""},
	    {"{ .n = 5ns }", "1 3"},
	    {"{ .tags = \"b\" }", "0"},
	    {"{ .tags = \"c\" }", ""},
	    {"{ .tags != \"a\" }", ""},
	    {"{ .tags != \"c\" }", "0"},
	    {"{ .tags =~ \"[bc]\" }", "0"},
	    {"{ .tags !~ \"[bc]\" }", ""},
	    {"{ .tags !~ \"[cd]\" }", "0"},
	    {"{ .nums > 1 }", "0"},
	    {"{ 1 < .nums }", "0"},
	    {"{ .nums > 2 }", ""},
	    {"{ .nums != \"x\" }", ""},
	    {"{ .none = 1 || .none != 1 }", "0"},
	    {"{ .tags != nil }", "0"},
	    {"{ resource.region = \"us\" && status = error }", "1"},
	    {"{ .tags = .tags }", ""},
	};
	(void)state;
	CHECK_ALL(examples);
}

static void test_arithmetic(void **state)
{
	static const struct example examples[] = {
	    {"{ .n + 2 = 7 }", "1 3"},
	    {"{ .n * 2 - 1 = 13 }", "2"},
	    {"{ .n / 2 = 2 }", "1 3"}, /* of ints, as Tempo divides them */
	    {"{ .n / 2.0 = 2.5 }", "1 3"},
	    {"{ .n % 2 = 1 }", "1 2 3"},
	    {"{ .n / 0 = nil }", "0 1 2 3 4 5"},
	    {"{ .n / 0 = 1 || .n % 0 = 1 }", ""},
	    {"{ 2 ^ 3 ^ 2 = 512 }", "0 1 2 3 4 5"},
	    {"{ -.n = 1 }", "4"},
	    {"{ -.f = -1.5 }", "1"},
	    {"{ -2 ^ 2 = -4 }", "0 1 2 3 4 5"},
	    {"{ 1 + 2 * 3 = 7 && (1 + 2) * 3 = 9 }", "0 1 2 3 4 5"},
	    {"{ duration * 2 > 5s }", "0"},
	    {"{ duration + 1s = 1.5s }", "1"},
	    {"{ .user + 1 = 2 }", ""},
	    {"{ -.user = nil }", "0 1 2 3 4 5"},
	    {"{ minInt / -1 = minInt && minInt % -1 = 0 && maxInt + 1 = minInt }", "0 1 2 3 4 5"},
	    {"{ 5 % 3.5 = 1.5 }", "0 1 2 3 4 5"},
	};
	(void)state;
	CHECK_ALL(examples);
}

static void test_booleans(void **state)
{
	static const struct example examples[] = {
	    {"{ .n = 5 && status = error }", "1"},
	    {"{ .n = 7 || status = ok }", "0 2"},
	    {"{ status = ok || status = error && .n = 5 }", "1"}, /* of one rank */
	    {"{ status = ok || (status = error && .n = 5) }", "0 1"},
	    {"{ !(status = ok) }", "1 2 3 4 5"},
	    {"{ !(.nowhere = 1) }", "0 1 2 3 4 5"},
	    {"{ (.n = 5) = (status = error) }", "0 1 2 4 5"},
	    {"{ .user || status = ok }", "0"},
	    {"{ .user && true }", ""},
	    {"{ resource.service.name = \"llm\" && !(resource.env = \"prod\") }", "2 5"},
	    {"{ (resource.service.name = \"llm\") || (resource.env = \"prod\" && .n = 5) }", "1 2 3 5"},
	    {"{ resource.service.name = \"web\" && .n =~ \"5\" }", ""},
	};
	(void)state;
	CHECK_ALL(examples);
}

static void test_sets(void **state)
{
	static const struct example examples[] = {
	    {"{ .n = 5 } && { status = error }", "1 3"},
	    {"{ .n = 5 } && { .nowhere = 1 }", ""},
	    {"{ .nowhere = 1 } && { .n = 5 }", ""},
	    {"{ .n = 7 } || { status = error }", "1 2"},
	    {"{ .nowhere = 1 } || { status = error }", "1"},
	    {"{ name = \"GET /\" } > { name = \"query\" }", "1 3"},
	    {"{ name = \"GET /\" } > { name = \"chat\" }", ""},
	    {"{ name = \"GET /\" } >> { name = \"chat\" }", "2"},
	    {"{ name = \"chat\" } < { name = \"query\" }", "1"},
	    {"{ name = \"chat\" } << {}", "0 1"},
	    {"{ status = error } ~ {}", "3"},
	    {"{ name = \"query\" } ~ { name = \"query\" }", "1 3"},
	    {"{ name = \"late\" } ~ {}", "0"}, /* roots */
	    {"{ name = \"lost\" } ~ {}", ""},
	    {"{ name = \"GET /\" } !> {}", "0 2 4 5"},
	    {"{ name = \"GET /\" } !>> {}", "0 4 5"},
	    {"{ name = \"chat\" } !< {}", "0 2 3 4 5"},
	    {"{ name = \"chat\" } !<< {}", "2 3 4 5"},
	    {"{ status = error } !~ {}", "0 1 2 4 5"},
	    {"{ .nowhere = 1 } !>> { status = error }", "1"},
	    {"{ .nowhere = 1 } > {}", ""},
	    {"{ name = \"GET /\" } &> { status = error }", "0 1"},
	    {"{ name = \"GET /\" } &>> { name = \"chat\" }", "0 2"},
	    {"{ name = \"chat\" } &< { name = \"query\" }", "1 2"},
	    {"{ name = \"chat\" } &<< { name = \"GET /\" }", "0 2"},
	    {"{ status = error } &~ { kind = internal }", "1 3"},
	    {"{ status = error } &~ { kind = server }", ""},
	    {"{ name = \"GET /\" } > { name = \"query\" } > { name = \"chat\" }", "2"},
	    {"{ name = \"late\" } || { name = \"GET /\" } > { name = \"query\" }", "1 3 4"},
	    {"({ name = \"late\" } || { name = \"GET /\" }) > { name = \"query\" }", "1 3"},
	};
	(void)state;
	CHECK_ALL(examples);
}

static void test_stages(void **state)
{
	static const struct example examples[] = {
	    {"{ .n = 5 } | { status = error }", "1"},
	    {"{ .n = 5 } | count() = 2", "1 3 count()=2"},
	    {"{ .n = 5 } | count() > 2", ""},
	    {"{ .nowhere = 1 } | count() = 0", ""}, /* there is no set */
	    {"count() = 6", "0 1 2 3 4 5 count()=6"},
	    {"{} | avg(.n) = 4", "0 1 2 3 4 5 avg(.n)=4"},
	    {"{} | avg(.nowhere) = 0", ""},
	    {"{} | max(duration) = 3s", "0 1 2 3 4 5 max(duration)=3s"},
	    {"{} | min( duration ) < 0", "0 1 2 3 4 5 min( duration )=-5ns"},
	    {"{ .n > 0 } | sum(.n) = 17", "1 2 3 sum(.n)=17"},
	    {"{ .n = 5 } | avg(duration) > 100ms", "1 3 avg(duration)=249.999997ms"},
	    {"{} | sum(.f) = 3.5", "0 1 2 3 4 5 sum(.f)=3.5"}, /* a float and an int */
	    {"{} | max(.user) = 1", ""},
	    {"{} | by(resource.service.name)",
	     "0 1 3 4 by(resource.service.name)=web; 2 5 by(resource.service.name)=llm"},
	    {"{ name != \"late\" } | by(.n)", "0 5 by(.n)=nil; 1 3 by(.n)=5; 2 by(.n)=7"},
	    {"{} | by(.tags)", "0 by(.tags)=[\"a\",\"b\"]; 1 2 3 4 5 by(.tags)=nil"},
	    {"{ .n != nil } | by(span:parentID)",
	     "1 3 by(span:parentID)=0000000000000001; 2 by(span:parentID)=0000000000000002; 4 by(span:parentID)=nil"},
	    {"{} | by(resource.service.name) | count() > 2", "0 1 3 4 by(resource.service.name)=web count()=4"},
	    {"{} | by(status) | by(kind) | count() > 1", "4 5 by(status)=unset by(kind)=unspecified count()=2"},
	    {"{} | by(.n > 1) | { .n = 5 || kind = server }", "0 by(.n > 1)=false; 1 3 by(.n > 1)=true"},
	    {"{ .n != nil } | by(.n) | coalesce()", "1 2 3 4"},
	    {"{ .n = 5 } | select(.user, name)", "1 3"},
	    {"({ .n = 5 } | count() > 1) && { status = ok }", "0 1 3"},
	    {"({ .n = 5 } | count() > 2) || { status = ok }", "0"},
	    {"({ .n = 5 } | count() > 1) > { name = \"chat\" }", "2"},
	    {"({} | by(.n) | count() > 1) && {}", "0 1 2 3 4 5"},
	    {"({ .n != nil } | by(.n) | coalesce()) > {}", "2"},
	    {"({} | by(kind) | count() = 2)", "1 2 by(kind)=client count()=2; 4 5 by(kind)=unspecified count()=2"},
	};
	(void)state;
	CHECK_ALL(examples);
}

static void test_span_attributes(void **state)
{
	const struct trace *t = make_trace();
	struct traceql_query *q =
	    asked_parse("{ resource.service.name != nil && duration > 0 && span.tags != 1 && status = ok && "
	                "nestedSetParent < 0 } | select(.user, span.n, name, span:parentID, event:name)");
	struct traceql_state *s = traceql_state_new(q, NULL, NULL);
	struct traceql_attribute out[TRACEQL_FIELDS_MAX];
	struct traceql_set *sets;
	struct buf text = {0};
	uint32_t count;

	(void)state;
	assert_int_equal(traceql_run(s, t, &sets, &count), 0);
	for (uint32_t span = 0; span < 2; span++) {
		int attributes = traceql_span_attributes(s, span, out);
		for (int i = 0; i < attributes; i++) {
			buf_printf(&text, "%.*s=", SLICE_ARG(out[i].name));
			traceql_value_text(&out[i].value, &text);
			buf_byte(&text, ' ');
		}
	}
	buf_byte(&text, '\0');
	assert_string_equal(text.ptr,
	                    "service.name=web tags=[\"a\",\"b\"] status=ok nestedSetParent=-1 user=ann "
	                    "service.name=web status=error nestedSetParent=1 n=5 span:parentID=0000000000000001 "
	                    "event:name=exception ");
	buf_free(&text);
	traceql_state_free(s);
	traceql_free(q);
	laid_free(&laid);
}

static void test_texts(void **state)
{
	static const struct {
		int64_t ns;
		const char *text;
	} durations[] = {
	    {0, "0s"},
	    {1, "1ns"},
	    {1500, "1.5\xc2\xb5s"},
	    {2000000, "2ms"},
	    {1000000001, "1.000000001s"},
	    {62500000000, "1m2.5s"},
	    {3600000000000, "1h0m0s"},
	    {-1, "-1ns"},
	    {INT64_MIN, "-2562047h47m16.854775808s"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
		struct traceql_value v = {TRACEQL_DURATION, .integer = durations[i].ns};
		struct buf text = {0};
		traceql_value_text(&v, &text);
		buf_byte(&text, '\0');
		assert_string_equal(text.ptr, durations[i].text);
		buf_free(&text);
	}
}

/* A regular expression says the same of a text again, whether it is short or long, and of other texts what is theirs. */
static void test_regex_memory(void **state)
{
	struct buf attributes = {0};
	char query[64];

	(void)state;
	memset(&laid, 0, sizeof laid);
	for (int i = 0; i < 400; i++) {
		buf_reset(&attributes);
		buf_printf(&attributes, "t=%0*d", i % 3 == 0 ? 60 : 6, i % 50);
		buf_byte(&attributes, '\0');
		laid_span(&laid, (struct laid_span){.parent = LAID_NONE, .name = "x", .attributes = attributes.ptr});
		laid.cells[laid.cell_count - 1].type = TRACE_CELL_STRING;
		laid.cells[laid.cell_count - 1].text = laid_text(&laid, attributes.ptr + 2, strlen(attributes.ptr) - 2);
	}
	const struct trace *t = laid_trace(&laid);
	for (int n = 0; n < 50; n += 7) {
		struct buf got = {0}, wanted = {0};
		snprintf(query, sizeof query, "{ .t =~ \"0*%02d\" && .t !~ \"x\" }", n);
		asked(query, t, &got);
		for (int i = n; i < 400; i += 50)
			buf_printf(&wanted, i > n ? " %d" : "%d", i);
		buf_byte(&wanted, '\0');
		assert_string_equal(got.ptr, wanted.ptr);
		buf_free(&got);
		buf_free(&wanted);
	}
	buf_free(&attributes);
	laid_free(&laid);
}

static bool stop_at_once(void *ctx)
{
	++*(int *)ctx;
	return true;
}

static void test_stop(void **state)
{
	struct buf text = {0};
	struct traceql_set *sets;
	uint32_t count;
	int asked_for = 0;

	(void)state;
	buf_str(&text, "{ .n");
	for (int i = 0; i < 1500; i++)
		buf_str(&text, " || .nr");
	buf_str(&text, " }");
	buf_byte(&text, '\0');
	memset(&laid, 0, sizeof laid);
	for (int i = 0; i < 500; i++)
		laid_span(&laid, (struct laid_span){.parent = LAID_NONE, .name = "x", .attributes = "nr=1"});
	const struct trace *t = laid_trace(&laid);
	struct traceql_query *q = asked_parse(text.ptr);
	struct traceql_state *s = traceql_state_new(q, stop_at_once, &asked_for);
	assert_int_equal(traceql_run(s, t, &sets, &count), -ECANCELED);
	assert_int_equal(asked_for, 1);
	assert_int_equal(count, 0);
	traceql_state_free(s);
	traceql_free(q);
	buf_free(&text);
	laid_free(&laid);
}

/* Groups of groups of groups, each span one of its own: the bound is said, and the state is good for the next trace. */
static void test_too_much(void **state)
{
	struct buf text = {0};
	struct traceql_set *sets;
	uint32_t count;

	(void)state;
	buf_str(&text, "{ .n = 5 || name = \"x\" }");
	for (int i = 1; i < TRACEQL_STAGES_MAX; i++)
		buf_str(&text, " | by(span:id)");
	buf_byte(&text, '\0');
	struct traceql_query *q = asked_parse(text.ptr);
	struct traceql_state *s = traceql_state_new(q, NULL, NULL);
	memset(&laid, 0, sizeof laid);
	for (int i = 0; i < LAID_SPANS; i++)
		laid_span(&laid, (struct laid_span){.parent = LAID_NONE, .name = "x"});
	const struct trace *t = laid_trace(&laid);
	assert_int_equal(traceql_run(s, t, &sets, &count), -E2BIG);
	assert_int_equal(count, 0);
	laid_free(&laid);
	t = make_trace();
	assert_int_equal(traceql_run(s, t, &sets, &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal(sets[0].attribute_count, TRACEQL_STAGES_MAX - 1);
	laid_free(&laid);
	traceql_state_free(s);
	traceql_free(q);
	buf_free(&text);
}

static void test_no_memory(void **state)
{
	const struct trace *t = make_trace();
	struct traceql_query *q =
	    asked_parse("{ resource.env = \"prod\" && nestedSetLeft > 0 } >> {} | by(.tags) | count() > 0");
	int code = -ENOMEM;

	(void)state;
	for (uint64_t nth = 1; code == -ENOMEM; nth++) {
		struct traceql_set *sets;
		uint32_t count;
		fault_set(FAULT_MALLOC, nth, false, ENOMEM);
		struct traceql_state *s = traceql_state_new(q, NULL, NULL);
		code = s != NULL ? traceql_run(s, t, &sets, &count) : -ENOMEM;
		fault_clear();
		if (s != NULL && code == -ENOMEM) { /* it may be tried again */
			assert_int_equal(traceql_run(s, t, &sets, &count), 0);
			assert_int_equal(count, 1);
		}
		traceql_state_free(s);
	}
	assert_int_equal(code, 0);
	traceql_free(q);
	laid_free(&laid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fields),      cmocka_unit_test(test_attributes),
	    cmocka_unit_test(test_comparisons), cmocka_unit_test(test_arithmetic),
	    cmocka_unit_test(test_booleans),    cmocka_unit_test(test_sets),
	    cmocka_unit_test(test_stages),      cmocka_unit_test(test_span_attributes),
	    cmocka_unit_test(test_texts),       cmocka_unit_test(test_regex_memory),
	    cmocka_unit_test(test_stop),        cmocka_unit_test(test_too_much),
	    cmocka_unit_test(test_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

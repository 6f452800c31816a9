/* on.span: spans as handlers and filters see them. */
#include "support.h"

#define SEEN "local seen = counter 'seen_total' { labels = { 'what' } }\n"
#define IDS "trace_id=aaf7651916cd43dd8448eb211c80319c span_id=b7ad6b7169203331 "
#define CHAT                                                                                                           \
	IDS "parent_span_id=c0ad6b7169203331 name=chat kind=client duration_ns=1500000000 status=error "               \
	    "status_message=late attributes={gen_ai.request.model=gpt-4o gen_ai.usage.input_tokens=7 l=[a b]} "        \
	    "resource={service.name=shop host={name=h1}} scope={name=lib version=v1}"

static struct world *seeing(const char *handlers)
{
	char text[8192];

	assert_true(snprintf(text, sizeof text, SEEN "%s", handlers) < (int)sizeof text);
	return world_with(text);
}

static void saw(struct world *w, const char *what, double times)
{
	char series[512];

	snprintf(series, sizeof series, "seen_total{what=\"%s\"}", what);
	assert_value(w, series, times);
}

static void no_errors(struct world *w)
{
	assert_int_equal(stats_of(w, 0).errors, 0);
	assert_int_equal(stats_of(w, 0).cuts, 0);
}

/* A handler that tells what it reads, by the names in `reads`. */
static struct world *reading(const char *reads)
{
	char text[4096];

	snprintf(text, sizeof text,
	         "on.span(function(span)\n"
	         "  local s = {}\n"
	         "  for i, name in ipairs { %s } do s[i] = tostring(span[name]) end\n"
	         "  seen:inc(table.concat(s, ' ')) end)",
	         reads);
	return seeing(text);
}

static void fields_attributes_resource_and_scope_are_read(void **state)
{
	(void)state;
	struct world *w = reading(
	    "'type', 'name', 'kind', 'status', 'status_message', 'trace_id', 'span_id', 'parent_span_id', 'time', "
	    "'duration', 'gen_ai.request.model', 'gen_ai.usage.input_tokens', 'resource.service.name', "
	    "'resource.host.name', 'scope.name', 'attributes.gen_ai.request.model', 'none', 'resource.none'");

	for (int i = 0; i < 3; i++) { /* learned, planned, filled */
		span(w, CHAT);
		frame(w);
	}
	saw(w,
	    "span chat client error late aaf7651916cd43dd8448eb211c80319c b7ad6b7169203331 c0ad6b7169203331 1767355445 "
	    "1.5 gpt-4o 7 shop h1 lib gpt-4o nil nil",
	    3);
	no_errors(w);
	world_free(w);
}

/* One name lies in other places of other spans, or nowhere. */
static void shapes_change_from_span_to_span(void **state)
{
	(void)state;
	struct world *w = reading("'a', 'b', 'resource.r', 'duration', 'status_message'");

	for (int i = 0; i < 5; i++) {
		span(w, IDS "name=n duration_ns=-5 attributes={a=1 b=2} resource={r=x}");
		span(w, IDS "name=n duration_ns=2000000000 attributes={b=2 a=1} resource={q=0 r=y}");
		span(w, IDS "name=n status_message=m attributes={b=3}");
		span(w, IDS "name=n resource={r={s=1}}");
		span(w, IDS "attributes=7 resource=8 b=top");
		frame(w);
	}
	saw(w, "1 2 x 0 nil", 5);
	saw(w, "1 2 y 2 nil", 5);
	saw(w, "nil 3 nil nil m", 5);
	saw(w, "nil top nil nil nil", 5);
	no_errors(w);
	world_free(w);
}

static void a_field_of_the_span_goes_before_an_attribute(void **state)
{
	(void)state;
	struct world *w = reading("'name', 'attributes.name', 'resource.x', 'attributes.duration'");

	for (int i = 0; i < 3; i++) {
		span(w, IDS "name=n attributes={name=inner resource.x=attribute duration=3} resource={x=resource}");
		frame(w);
		span(w, IDS "name=n attributes={name=inner resource.x=attribute} resource={y=1}");
		frame(w);
	}
	saw(w, "n inner resource 3", 3);
	saw(w, "n inner attribute nil", 3);
	world_free(w);
}

/* Neither kind of handler sees what is for the other, whatever an event calls itself. */
static void events_and_spans_are_told_apart(void **state)
{
	(void)state;
	struct world *w = seeing("on('*', function(ev) seen:inc('any ' .. ev.type) end)\n"
	                         "on('span', function(ev) seen:inc('event ' .. ev.name) end)\n"
	                         "on.span(function(span) seen:inc('span ' .. span.name) end)\n");

	span(w, IDS "name=s");
	event(w, "span", "name=e");
	event(w, "x", "a=1");
	frame(w);
	saw(w, "any span", 1);
	saw(w, "any x", 1);
	saw(w, "event e", 1);
	saw(w, "span s", 1);
	no_errors(w);
	world_free(w);
}

static void structures_are_copies_and_copy_has_all(void **state)
{
	(void)state;
	struct world *w = seeing("on.span(function(span)\n"
	                         "  local c = span:copy()\n"
	                         "  seen:inc(span.l[2] .. ' ' .. span.attributes['gen_ai.request.model'] .. ' ' ..\n"
	                         "    c.duration .. ' ' .. c.type .. ' ' .. c.resource.host.name) end)\n");

	for (int i = 0; i < 3; i++) {
		span(w, CHAT);
		frame(w);
	}
	saw(w, "b gpt-4o 1.5 span h1", 3);
	no_errors(w);
	world_free(w);
}

static void exemplars_and_emits_go_by_the_span(void **state)
{
	(void)state;
	struct world *w = seeing("on('y', function(ev) seen:inc(('%.1f'):format(ev.time)) end)\n"
	                         "on.span(function(span) emit('y') end)\n");

	span(w, CHAT);
	w->now_ns += 5 * NS_PER_S;
	frame(w);
	saw(w, "1767355445.0", 1);
	world_free(w);
}

static void fail_nothing(void *ctx, struct record *r, const char *why)
{
	(void)ctx;
	(void)r;
	fail_msg("%s", why);
}

/* What a filter sets is an attribute, unless spans have a field of that name. */
static void filters_change_attributes(void **state)
{
	(void)state;
	struct world *w =
	    seeing("filter('span', function(ev)\n"
	           "  ev['gen_ai.request.model'] = 'm2'\n"
	           "  ev['gen_ai.usage.input_tokens'] = nil\n"
	           "  ev['user.id'] = 'ann'\n"
	           "  ev.trace_state = 'k=v'\n"
	           "  ev['resource.service.name'] = 's2'\n"
	           "end)\n"
	           "on.span(function(span) seen:inc(table.concat({ span.attributes['gen_ai.request.model'],\n"
	           "  tostring(span.attributes['gen_ai.usage.input_tokens']),\n"
	           "  span.attributes['user.id'], span.trace_state, tostring(span.attributes.trace_state),\n"
	           "  span.resource['service.name'] }, ' ')) end)\n");

	span(w, CHAT);
	script_set_filter(w->set, w->batch, fail_nothing, NULL);
	frame(w);
	saw(w, "m2 nil ann k=v nil s2", 1);
	no_errors(w);
	world_free(w);
}

static char refused[512];

static void note_refused(void *ctx, struct record *r, const char *why)
{
	(void)ctx;
	(void)r;
	snprintf(refused, sizeof refused, "%s", why);
}

static void the_duration_of_a_span_stays(void **state)
{
	(void)state;
	struct world *w = seeing("filter('*', function(ev) ev.duration = 3 end)");

	event(w, "x", "a=1");
	script_set_filter(w->set, w->batch, note_refused, NULL);
	assert_string_equal(refused, "");
	batch_reset(w->batch, 0);
	span(w, CHAT);
	script_set_filter(w->set, w->batch, note_refused, NULL);
	assert_non_null(strstr(refused, "the duration of a span stays as it is"));
	world_free(w);
}

static void mistakes_are_told_with_their_line(void **state)
{
	(void)state;
	struct world *w = world_new();

	assert_string_equal(refusal(w, "\non.span('x', function() end)"),
	                    "scripts/metrics/t.lua:2: on.span wants a function, got string");
	assert_string_equal(refusal(w, "on('x')"), "scripts/metrics/t.lua:1: on wants a function, got no value");
	assert_string_equal(refusal(w, "on(nil, print)"), "scripts/metrics/t.lua:1: on wants a record type, got nil");
	world_file(w, "scripts/metrics/t.lua", NULL, "on('x', function() on.span(print) end)");
	world_load(w);
	post(w, "x", "a=1");
	assert_int_equal(stats_of(w, 0).errors, 1);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fields_attributes_resource_and_scope_are_read),
	    cmocka_unit_test(shapes_change_from_span_to_span),
	    cmocka_unit_test(a_field_of_the_span_goes_before_an_attribute),
	    cmocka_unit_test(events_and_spans_are_told_apart),
	    cmocka_unit_test(structures_are_copies_and_copy_has_all),
	    cmocka_unit_test(exemplars_and_emits_go_by_the_span),
	    cmocka_unit_test(filters_change_attributes),
	    cmocka_unit_test(the_duration_of_a_span_stays),
	    cmocka_unit_test(mistakes_are_told_with_their_line),
	};

	quiet();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* on.trace: whole traces as handlers see them, and what they say of them. */
#include "support_trace.h"
#include "traces/traces.h"

#define SEEN "local seen = counter 'seen_total' { labels = { 'what' } }\n"

static struct world *seeing(const char *handlers)
{
	char text[8192];

	assert_true(snprintf(text, sizeof text, SEEN "%s", handlers) < (int)sizeof text);
	return world_with(text);
}

static void saw(struct world *w, const char *what, double times)
{
	char series[1024];

	snprintf(series, sizeof series, "seen_total{what=\"%s\"}", what);
	assert_value(w, series, times);
}

static void no_errors(struct world *w)
{
	assert_int_equal(stats_of(w, 0).errors, 0);
	assert_int_equal(stats_of(w, 0).cuts, 0);
}

/* A handler that tells what `body` puts into the list `s`, over the agent's run. */
static void tells(const char *body, const char *what)
{
	char text[4096];

	snprintf(
	    text, sizeof text,
	    "on.trace(function(trace)\n"
	    "  local s = {}\n"
	    "  local function put(...) for i = 1, select('#', ...) do s[#s + 1] = tostring((select(i, ...))) end end\n"
	    "  %s\n"
	    "  seen:inc(table.concat(s, ' ')) end)",
	    body);
	struct world *w = seeing(text);
	struct trace *t = agent_trace();
	for (int i = 0; i < 2; i++)
		assert_int_equal(close_trace(w, t), TRACE_KEEP);
	no_errors(w);
	saw(w, what, 2);
	mem_free(t);
	world_free(w);
}

static void a_trace_has_fields(void **state)
{
	(void)state;
	tells("put(trace.trace_id, trace.root.name, trace.start, trace.duration, trace.errors, trace.span_count, "
	      "trace.late, trace.expired, trace.cut, trace.open)",
	      "aa000000000000000000000000000001 invoke_agent 1767355445 1 1 4 false false false false");
}

static void a_span_has_fields_and_attributes(void **state)
{
	(void)state;
	tells("for span in trace:spans() do if span.span_id == '0000000000000003' then\n"
	      "put(span.name, span.kind, span.status, span.status_message, span.trace_id, span.parent_span_id,\n"
	      "  ('%.2f'):format(span.time), span.duration, span.self_time, span.late, span.event, span.op, "
	      "span.stream,\n"
	      "  span.none, span['resource.service.name'], span['scope.name'], span['scope.version']) end end",
	      "search unspecified error nil aa000000000000000000000000000001 0000000000000001 1767355445.45 0.5 0.5 "
	      "false "
	      "false tool false nil shop lib v1");
	tells("for span in trace:spans() do if span.late then put(span.parent_span_id, span.duration) end end\n"
	      "put(trace.root.parent_span_id, trace.root.status)",
	      "0000000000000003 0 nil unset");
}

static void a_field_goes_before_an_attribute_which_get_reaches(void **state)
{
	(void)state;
	tells("local r = trace.root put(r.name, r['attributes.name'], r:get('attributes.name'), r:get('name'), "
	      "type(r.attributes), r:get('attributes.attributes'), r['resource.none'])",
	      "invoke_agent inner inner invoke_agent function nil nil");
}

static void the_tree_is_walked(void **state)
{
	(void)state;
	tells("put(trace.root:parent())\n"
	      "for child in trace.root:children() do put(child.name, child:parent() == trace.root)\n"
	      "  for below in child:children() do put('>', below.span_id, below:parent() == child) end end\n"
	      "for span in trace:spans() do s[#s + 1] = span.span_id:sub(-1) end",
	      "nil chat m true search true > 0000000000000004 true 1 2 3 4");
}

static void spans_are_found_by_their_values(void **state)
{
	(void)state;
	tells("local function found(t) local n = {} for span in trace:find(t) do n[#n + 1] = span.span_id:sub(-1) end\n"
	      "  put(table.concat(n, ',') .. ';') end\n"
	      "found { name = 'chat m' } found { op = 'chat', tokens = 7 } found { op = { 'tool', 'chat' } }\n"
	      "found { op = false } found { stream = true } found { stream = false, op = 'tool' }\n"
	      "found {} found { ['resource.service.name'] = 'model' } found { status = 'error' } found { op = {} }\n"
	      "found { cost = 0.5 } found { tokens = '7' } found { late = true } found { ['user.id'] = { 'ann', false "
	      "} }",
	      "2,4; 2; 2,3,4; 1; 2; 3; 1,2,3,4; 4; 3; ; 2; ; 4; 1,2,3;");
}

static void a_trace_says_which_attributes_it_has(void **state)
{
	(void)state;
	tells("put(trace:has('op'), trace:has('none', 'user.id'), trace:has('none', 'op2'), trace:has(), "
	      "trace:has('service.name'),\n"
	      "  pcall(trace.has, trace, 5) == false, pcall(trace.has, trace.root, 'op') == false)",
	      "true true false false true true true");
}

static void attributes_are_inherited(void **state)
{
	(void)state;
	tells("for span in trace:spans() do put(trace:inherit(span, 'user.id'), trace:inherit(span, 'service.name'),\n"
	      "  trace:inherit(span, 'op'), trace:inherit(span, 'none')) end",
	      "ann shop nil nil ann shop chat nil ann shop tool nil bob model chat nil");
}

static void lists_maps_events_and_links_are_tables(void **state)
{
	(void)state;
	tells("for span in trace:find { op = 'chat', tokens = 7 } do put(span.l[1], span.l[2], span.o.x)\n"
	      "  local names = {} for name, value in span:attributes() do names[#names + 1] = name end\n"
	      "  put(table.concat(names, ',')) end\n"
	      "for span in trace:find { op = 'tool' } do\n"
	      "  for e in span:events() do put(e.name, e.time, e.attributes.op) end\n"
	      "  for l in span:links() do put(l.trace_id, l.span_id, next(l.attributes)) end end",
	      "a 2 1 op,tokens,cost,stream,l,o exception 1767355445.45 tool bb000000000000000000000000000000 "
	      "0000000000000009 nil");
}

static void the_critical_path_leads_from_the_root(void **state)
{
	(void)state;
	tells("for _ = 1, 2 do for span in trace:critical_path() do s[#s + 1] = span.span_id:sub(-1) end end\n"
	      "put(s[1], #s >= 4, s[1 + #s / 2])\n"
	      "for i = 1, #s - 3 do table.remove(s, 1) end",
	      "1 true 1");
}

/* ---- what handlers may do ---- */

static void emits_have_the_time_of_the_roots_end(void **state)
{
	(void)state;
	struct world *w = seeing("on('y', function(ev) seen:inc(('%.1f %s'):format(ev.time, ev.span_id)) end)\n"
	                         "on.trace(function(trace) for span in trace:spans() do\n"
	                         "  emit('y', { span_id = span.span_id }) end end)");
	struct trace *t = agent_trace();

	w->now_ns += 60 * NS_PER_S;
	close_trace(w, t);
	no_errors(w);
	saw(w, "1767355446.0 0000000000000004", 1);
	mem_free(t);
	world_free(w);
}

static void exemplars_carry_the_trace(void **state)
{
	(void)state;
	struct world *w = seeing("on.trace(function(trace) seen:inc('x') end)");
	struct trace *t = agent_trace();
	struct buf out = {0};

	close_trace(w, t);
	struct metrics_snapshot *s = registry_snapshot(w->registry);
	assert_int_equal(exposition_render(s, EXPOSITION_OPENMETRICS, w->now_ns, &out), 0);
	buf_byte(&out, '\0');
	assert_non_null(strstr(out.ptr, "trace_id=\"aa000000000000000000000000000001\",span_id=\"0000000000000001\""));
	metrics_snapshot_unref(s);
	buf_free(&out);
	mem_free(t);
	world_free(w);
}

/* ---- verdicts ---- */

static enum trace_verdict verdict(const char *handlers, uint8_t number)
{
	struct world *w = world_with(handlers);
	struct trace *t = trace_of_notes(agent_run, 4, 0, number);
	enum trace_verdict v = close_trace(w, t);

	mem_free(t);
	world_free(w);
	return v;
}

#define SAYS(what) "on.trace(function() return " what " end)\n"

static void verdicts_are_combined(void **state)
{
	(void)state;
	assert_int_equal(verdict("", 1), TRACE_KEEP);
	assert_int_equal(verdict(SAYS("nil"), 1), TRACE_KEEP);
	assert_int_equal(verdict(SAYS("'drop'"), 1), TRACE_DROP);
	assert_int_equal(verdict(SAYS("'keep'") SAYS("'drop'"), 1), TRACE_DROP);
	assert_int_equal(verdict(SAYS("'drop'") SAYS("'keep'"), 1), TRACE_DROP);
	assert_int_equal(verdict(SAYS("0"), 1), TRACE_DROP);
	assert_int_equal(verdict(SAYS("1"), 1), TRACE_KEEP);
	assert_int_equal(verdict(SAYS("0") SAYS("'keep'"), 1), TRACE_KEEP);
	assert_int_equal(verdict(SAYS("1") SAYS("0"), 1), TRACE_KEEP);
	assert_int_equal(verdict(SAYS("error('x')") SAYS("0"), 1), TRACE_DROP);
}

/* The draw is the trace's own: a share near the probability, and the same in any process. */
static void a_probability_is_drawn_from_the_id(void **state)
{
	(void)state;
	struct world *w = world_with(SAYS("0.25"));
	int kept = 0;

	for (int i = 0; i < 256; i++) {
		struct trace *t = trace_of_notes(agent_run, 1, 0, (uint8_t)i);
		enum trace_verdict v = close_trace(w, t);
		assert_int_equal(close_trace(w, t), v);
		kept += v == TRACE_KEEP;
		mem_free(t);
	}
	assert_in_range(kept, 40, 90);
	world_free(w);
}

static void other_words_are_errors(void **state)
{
	(void)state;
	static const char *const words[] = {"true", "'Keep'", "2", "-0.1", "0/0", "{}", "print"};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		char text[128];
		snprintf(text, sizeof text, "on.trace(function() return %s end)", words[i]);
		struct world *w = world_with(text);
		struct trace *t = agent_trace();
		assert_int_equal(close_trace(w, t), TRACE_KEEP);
		assert_int_equal(stats_of(w, 0).errors, 1);
		mem_free(t);
		world_free(w);
	}
}

/* ---- sample{…} ---- */

static enum trace_verdict sampled(struct world *w, uint8_t number, uint32_t marks, const char *user, bool error)
{
	struct span_note note = {
	    .id = 1, .name = "n", .duration = 3000, .attributes = user, .status = error ? SPAN_ERROR : SPAN_OK};
	struct trace *t = trace_of_notes(&note, 1, marks, number);
	enum trace_verdict v = close_trace(w, t);

	mem_free(t);
	no_errors(w);
	return v;
}

static void sample_keeps_what_a_policy_keeps(void **state)
{
	(void)state;
	struct world *w = world_with("on.trace(sample { errors = true, slower_than = '5s', first_per = 'user.id' })");

	assert_int_equal(sampled(w, 1, 0, "user.id=ann", false), TRACE_KEEP);
	assert_int_equal(sampled(w, 1, 0, "user.id=ann", false), TRACE_KEEP); /* the first one, again */
	assert_int_equal(sampled(w, 2, 0, "user.id=ann", false), TRACE_DROP);
	assert_int_equal(sampled(w, 2, 0, "user.id=ann", true), TRACE_KEEP);
	assert_int_equal(sampled(w, 3, 0, "user.id=bob", false), TRACE_KEEP);
	assert_int_equal(sampled(w, 4, 0, NULL, false), TRACE_DROP);
	assert_int_equal(sampled(w, 4, TRACE_LATE, NULL, false), TRACE_KEEP);
	w->now_ns += 3601 * NS_PER_S;
	assert_int_equal(sampled(w, 5, 0, "user.id=ann", false), TRACE_KEEP);
	world_free(w);
	w = world_with("on.trace(sample { slower_than = 2.5 })");
	assert_int_equal(sampled(w, 1, 0, NULL, false), TRACE_KEEP);
	world_free(w);
	w = world_with("on.trace(sample { per_minute = 2 })");
	assert_int_equal(sampled(w, 1, 0, NULL, false), TRACE_KEEP);
	assert_int_equal(sampled(w, 2, 0, NULL, false), TRACE_KEEP);
	assert_int_equal(sampled(w, 3, 0, NULL, false), TRACE_DROP);
	w->now_ns += 60 * NS_PER_S;
	assert_int_equal(sampled(w, 4, 0, NULL, false), TRACE_KEEP);
	world_free(w);
}

static void sample_refuses_what_is_no_policy(void **state)
{
	(void)state;
	static const char *const texts[][2] = {
	    {"sample { err = true }",
	     "sample: unknown option err; it takes errors, every, first_per, per_minute, rate, slower_than"},
	    {"sample {}", "sample wants a policy: errors, slower_than, first_per, per_minute or rate"},
	    {"sample(1)", "sample wants a table of policies, got number"},
	    {"sample { rate = 2 }", "sample: rate wants a number from 0 to 1"},
	    {"sample { rate = 0.5, every = 5 }", "sample: every is for first_per"},
	    {"sample { per_minute = 0 }", "sample: per_minute wants a whole number from 1"},
	};
	struct world *w = world_new();

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		const char *text = refusal(w, texts[i][0]);
		assert_memory_equal(text, "scripts/metrics/t.lua:1: ", 25);
		assert_string_equal(text + 25, texts[i][1]);
	}
	world_free(w);
}

/* ---- mistakes ---- */

static char told[16][512];
static uint32_t told_count;

static void tell(void *ctx, struct slice text)
{
	(void)ctx;
	if (told_count < 16)
		snprintf(told[told_count++], sizeof *told, "%.*s", SLICE_ARG(text));
}

/* The first failure of a handler over the agent's run, called twice. */
static const char *failure(const char *handler)
{
	struct world *w = world_new();
	struct trace *t = agent_trace();

	world_close_host(w);
	w->options.on_failure = tell;
	told_count = 0;
	world_open_host(w);
	world_file(w, "scripts/metrics/t.lua", NULL, handler);
	world_load(w);
	close_trace(w, t);
	close_trace(w, t);
	mem_free(t);
	world_free(w);
	return told_count != 0 ? told[0] : "none";
}

#define AT "scripts/metrics/t.lua:1: "
#define GONE ": it is used after its call; keep what you need of it"

static void objects_are_good_for_their_call(void **state)
{
	(void)state;
	assert_string_equal(failure("local k on.trace(function(t) if k then return k.errors end k = t end)"),
	                    AT "a trace" GONE);
	assert_string_equal(failure("local k on.trace(function(t) if k then return k.name end k = t.root end)"),
	                    AT "a span" GONE);
	assert_string_equal(failure("local k on.trace(function(t) if k then k:parent() end k = t.root end)"),
	                    AT "a span" GONE);
	assert_string_equal(failure("local k on.trace(function(t) if k then k() end k = t:find {} end)"),
	                    AT "trace:find" GONE);
	assert_string_equal(failure("local k on.trace(function(t) if k then k() end k = t.root:attributes() end)"),
	                    AT "a span" GONE);
	assert_string_equal(failure("local f, k on.trace(function(t) if k then f(k) end f, k = t:spans() end)"),
	                    AT "a trace" GONE);
	assert_string_equal(failure("local k on.trace(function(t) if k then t:inherit(k, 'x') end k = t.root end)"),
	                    AT "a span" GONE);
}

static void mistakes_are_told_with_their_line(void **state)
{
	(void)state;
	assert_string_equal(failure("on.trace(function(t) t.root.x = 1 end)"),
	                    AT "a span cannot be written to; it takes attributes by span:annotate(name, value)");
	assert_string_equal(failure("on.trace(function(t) t.x = 1 end)"),
	                    AT "a trace cannot be written to; its spans take attributes by span:annotate(name, value)");
	assert_string_equal(failure("on.trace(function(t) return t.user end)"),
	                    AT "a trace has no field user; attributes are its spans'");
	assert_string_equal(failure("on.trace(function(t) t.spans() end)"),
	                    AT "call it with a colon, as in trace:spans()");
	assert_string_equal(failure("on.trace(function(t) t.root.parent(t) end)"),
	                    AT "call it with a colon, as in span:parent()");
	assert_string_equal(failure("on.trace(function(t) t:inherit('x', 'y') end)"),
	                    AT "trace:inherit wants a span, got string");
	assert_string_equal(failure("on.trace(function(t) t:inherit(t.root) end)"),
	                    AT "trace:inherit wants the name of an attribute, got nil");
	assert_string_equal(failure("on.trace(function(t) t:find('x') end)"),
	                    AT "trace:find wants a table of fields and values, got string");
	assert_string_equal(failure("on.trace(function(t) t:find { x = print } end)"),
	                    AT "trace:find: a value is a string, number or boolean, or a list of them, not a function");
	assert_string_equal(failure("on.trace(function(t) t:find { 'x' } end)"),
	                    AT "trace:find: a field is named by a string, not by a number");
	assert_string_equal(failure("on.trace(function(t) return 'x' end)"),
	                    AT "in the handler that begins there: on.trace: a handler returns nothing, \"keep\", "
	                       "\"drop\" or a number from 0 to 1");
}

/* A metric's method takes no span for a metric, nor a span's method a metric. */
static void objects_are_not_taken_for_others(void **state)
{
	(void)state;
	assert_non_null(strstr(failure("local c = counter 'c_total' { labels = { 'a' } }\n"
	                               "on.trace(function(t) local b = c:with { a = '1' } b.inc(t.root) end)"),
	                       "call it with a colon, as in m:inc"));
	assert_non_null(strstr(failure("local c = counter 'c_total' { labels = { 'a' } }\n"
	                               "on.trace(function(t) local b = c:with { a = '1' } t.root.parent(b) end)"),
	                       "call it with a colon, as in span:parent()"));
}

/* What moongate check reports also where the script catches it. */
static void misuse_is_reported_though_it_is_caught(void **state)
{
	(void)state;
	struct world *w = world_new();
	struct trace *t = agent_trace();

	world_close_host(w);
	w->options.strict_events = true;
	w->options.on_misuse = tell;
	told_count = 0;
	world_open_host(w);
	world_file(w, "scripts/metrics/t.lua", NULL,
	           "local k on.trace(function(t) pcall(function() t.root.x = 1 end)\n"
	           "  if k then pcall(function() return k.name end) end k = t.root end)");
	world_load(w);
	close_trace(w, t);
	assert_int_equal(told_count, 1);
	close_trace(w, t);
	assert_int_equal(told_count, 3);
	assert_string_equal(told[2], "scripts/metrics/t.lua:2: a span" GONE);
	assert_int_equal(stats_of(w, 0).errors, 0);
	mem_free(t);
	world_free(w);
}

/* ---- bounds ---- */

enum { MANY = 100000 };

static struct trace *many_spans(uint32_t count)
{
	struct span_note *notes = mem_zalloc(count, sizeof *notes);

	for (uint32_t i = 0; i < count; i++)
		notes[i] =
		    (struct span_note){.id = i + 1, .parent = i, .name = "n", .duration = 1, .attributes = "a=1"};
	struct trace *t = trace_of_notes(notes, count, 0, 1);
	struct trace_span *spans = (struct trace_span *)((char *)t + t->spans_at);
	for (uint32_t i = 1; i < count; i++) { /* a chain */
		spans[i].parent = i - 1;
		spans[i - 1].first_child = i;
	}
	mem_free(notes);
	return t;
}

/* Loops in C over many spans, again and again, end with the call. */
static void a_call_over_many_spans_is_cut_off(void **state)
{
	(void)state;
	static const char *const loops[] = {
	    "while true do for span in t:find { a = 2 } do end end",
	    "local last for span in t:find { span_id = ('%016x'):format(100000) } do last = span end\n"
	    "while true do t:inherit(last, 'none') end",
	    "while true do for span in t:spans() do local x = span.name end end",
	};
	struct trace *t = many_spans(MANY);

	for (size_t i = 0; i < sizeof loops / sizeof *loops; i++) {
		char text[512];
		snprintf(text, sizeof text, SEEN "on.trace(function(t) seen:inc('a') %s end)", loops[i]);
		struct world *w = world_with(text);
		assert_int_equal(close_trace(w, t), TRACE_KEEP);
		assert_int_equal(stats_of(w, 0).cuts, 1);
		assert_int_equal(w->cuts[0].call, 0);
		assert_int_equal(w->cuts[0].effects, 1);
		saw(w, "a", 1);
		world_free(w);
	}
	mem_free(t);
}

/* The second of three handlers is cut off after two changes; a replay ends it there. */
static void a_replay_cuts_the_same_call(void **state)
{
	(void)state;
	struct world *w = seeing("on.trace(function() seen:inc('first') end)\n"
	                         "on.trace(function() seen:inc('a') seen:inc('b') seen:inc('c') return 'drop' end)\n"
	                         "on.trace(function() seen:inc('last') end)");
	struct script_cut cut = {.script = SLICE("scripts/metrics/t.lua"), .seq = 1, .call = 1, .effects = 2};
	struct trace *t = agent_trace();

	script_set_expect_cuts(w->set, &cut, 1);
	script_set_replaying(w->set, true);
	assert_int_equal(close_trace(w, t), TRACE_KEEP);
	saw(w, "first", 1);
	saw(w, "b", 1);
	assert_true(isnan(value(w, "seen_total{what=\"c\"}")));
	saw(w, "last", 1);
	assert_int_equal(w->cut_count, 1);
	mem_free(t);
	world_free(w);
}

/* A trace may make events for each of its spans, however many. */
static void a_trace_of_many_spans_emits_for_each(void **state)
{
	(void)state;
	struct world *w = seeing("on('y', function() seen:inc('y') end)\n"
	                         "on.trace(function(t) for _ in t:spans() do emit('y') end end)");
	struct trace *t = many_spans(3000);

	close_trace(w, t);
	no_errors(w);
	saw(w, "y", 3000);
	mem_free(t);
	world_free(w);
}

/* ---- the buffer ---- */

#define ROOT "trace_id=aaf7651916cd43dd8448eb211c80319c span_id=b7ad6b7169203331 name=run duration_ns=1000 "

static void collect(struct world *w, struct traces *traces, const char *fields)
{
	span(w, fields);
	struct record *r = &w->batch->records[0];
	script_set_begin(w->set, ++w->seq, w->now_ns, traces);
	script_set_records(w->set, &r, 1);
	assert_int_equal(traces_add(traces, &r, 1, w->seq, w->now_ns), 0);
	batch_reset(w->batch, 1 << 16);
}

struct closing {
	struct world *w;
	struct traces *traces;
};

static enum trace_verdict decide(void *ctx, const struct trace *trace)
{
	const struct closing *c = ctx;

	return script_set_trace(c->w->set, c->traces, trace);
}

static void open_traces_are_seen_and_closed_ones_annotated(void **state)
{
	(void)state;
	struct world *w =
	    seeing("on.trace_open('10s', function(t) seen:inc('open ' .. t.root.name .. ' ' .. tostring(t.open)) end)\n"
	           "on.trace(function(t) t.root:annotate('usd', 0.5) t.root:annotate('who', 'ann') end)\n"
	           "on.trace(function(t) assert(not pcall(t.root.annotate, t.root, '', 1))\n"
	           "  assert(not pcall(t.root.annotate, t.root, 'x', {})) end)");
	struct traces_options options = {5 * NS_PER_S, 600 * NS_PER_S, 1 << 24, 1000};
	struct traces *traces = traces_new(&options);
	struct closing c = {w, traces};
	uint8_t id[16];
	int code;

	collect(w, traces, ROOT);
	assert_true(script_set_next_due(w->set) <= w->now_ns + 10 * NS_PER_S);
	w->now_ns += 11 * NS_PER_S;
	script_set_begin(w->set, ++w->seq, w->now_ns, traces);
	saw(w, "open run true", 1);
	assert_int_equal(traces_close_due(traces, w->now_ns, decide, &c), 0);
	no_errors(w);
	assert_true(trace_id_read(SLICE("aaf7651916cd43dd8448eb211c80319c"), id));
	struct trace *t = traces_get(traces, id, &code);
	assert_non_null(t);
	assert_true(trace_attribute(t, trace_spans(t), SLICE("usd"))->number == 0.5);
	assert_non_null(trace_attribute(t, trace_spans(t), SLICE("who")));
	trace_free(t);
	traces_free(traces);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_trace_has_fields),
	    cmocka_unit_test(a_span_has_fields_and_attributes),
	    cmocka_unit_test(a_field_goes_before_an_attribute_which_get_reaches),
	    cmocka_unit_test(the_tree_is_walked),
	    cmocka_unit_test(spans_are_found_by_their_values),
	    cmocka_unit_test(a_trace_says_which_attributes_it_has),
	    cmocka_unit_test(attributes_are_inherited),
	    cmocka_unit_test(lists_maps_events_and_links_are_tables),
	    cmocka_unit_test(the_critical_path_leads_from_the_root),
	    cmocka_unit_test(emits_have_the_time_of_the_roots_end),
	    cmocka_unit_test(exemplars_carry_the_trace),
	    cmocka_unit_test(verdicts_are_combined),
	    cmocka_unit_test(a_probability_is_drawn_from_the_id),
	    cmocka_unit_test(other_words_are_errors),
	    cmocka_unit_test(sample_keeps_what_a_policy_keeps),
	    cmocka_unit_test(sample_refuses_what_is_no_policy),
	    cmocka_unit_test(objects_are_good_for_their_call),
	    cmocka_unit_test(mistakes_are_told_with_their_line),
	    cmocka_unit_test(objects_are_not_taken_for_others),
	    cmocka_unit_test(misuse_is_reported_though_it_is_caught),
	    cmocka_unit_test(a_call_over_many_spans_is_cut_off),
	    cmocka_unit_test(a_replay_cuts_the_same_call),
	    cmocka_unit_test(a_trace_of_many_spans_emits_for_each),
	    cmocka_unit_test(open_traces_are_seen_and_closed_ones_annotated),
	};

	quiet();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

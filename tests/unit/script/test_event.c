/* `ev`: what handlers read of a record, however it is shaped, and what they write to it. */
#include "support.h"

/* Every script here reports what it saw as label values of seen_total. */
#define SEEN "local seen = counter 'seen_total' { labels = { 'what' } }\n"

static void saw(struct world *w, const char *what, double times)
{
	char series[512];

	snprintf(series, sizeof series, "seen_total{what=\"%s\"}", what);
	assert_value(w, series, times);
}

static struct world *seeing(const char *handlers)
{
	char text[8192];

	assert_true(snprintf(text, sizeof text, SEEN "%s", handlers) < (int)sizeof text);
	return world_with(text);
}

static void no_errors(struct world *w)
{
	assert_int_equal(stats_of(w, 0).errors, 0);
	assert_int_equal(stats_of(w, 0).cuts, 0);
}

static void test_fields_of_all_types(void **state)
{
	(void)state;
	struct world *w = seeing("on('x', function(ev)\n"
	                         "  local s = {}\n"
	                         "  for i, name in ipairs { 's', 'i', 'd', 'y', 'n', 'z', 'none', 'type' } do\n"
	                         "    s[i] = type(ev[name]) .. ':' .. tostring(ev[name])\n"
	                         "  end\n"
	                         "  seen:inc(table.concat(s, ' ')) end)\n");
	for (int i = 0; i < 3; i++)
		post(w, "x", "s=text i=-7 d=2.5 y=true n=false z=null");
	saw(w, "string:text number:-7 number:2.5 boolean:true boolean:false nil:nil nil:nil string:x", 3);
	no_errors(w);
	world_free(w);
}

static void test_time(void **state)
{
	(void)state;
	struct world *w = seeing("on('x', function(ev) seen:inc(('%.3f %.3f'):format(ev.time, now())) end)");

	w->now_ns = T0 + 2 * NS_PER_S;
	batch_event(w->batch, "x", T0 + 250 * NS_PER_MS, "");
	frame(w);
	saw(w, "1767355445.250 1767355447.000", 1);
	world_free(w);
}

/* The same handler over records of changing shapes: a field that a record lacks is nil, whatever the one before had. */
static void test_changing_shapes(void **state)
{
	(void)state;
	struct world *w = seeing("on('x', function(ev)\n"
	                         "  seen:inc(tostring(ev.a) .. ' ' .. tostring(ev.b) .. ' ' .. tostring(ev.c)) end)\n");
	for (int round = 0; round < 3; round++) {
		event(w, "x", "a=1 b=2 c=3");
		event(w, "x", "b=2 q=9");
		event(w, "x", "");
		event(w, "x", "c=3 a=1");
		event(w, "x", "a=null b=5");
		event(w, "x", "a=x b=2 c=3");
		frame(w);
	}
	saw(w, "1 2 3", 3);
	saw(w, "nil 2 nil", 3);
	saw(w, "nil nil nil", 3);
	saw(w, "1 nil 3", 3);
	saw(w, "nil 5 nil", 3);
	saw(w, "x 2 3", 3);
	no_errors(w);
	world_free(w);
}

/* More shapes, sets of present fields and fields than are remembered. */
static void test_more_than_is_remembered(void **state)
{
	(void)state;
	struct world *w = seeing("on('x', function(ev)\n"
	                         "  local sum = 0\n"
	                         "  for i = 0, 99 do sum = sum + (ev['f' .. i] or 0) end\n"
	                         "  seen:inc(sum == ev.want and 'right' or 'wrong ' .. sum .. ' ' .. ev.want) end)\n");
	srand(7);
	for (int round = 0; round < 300; round++) {
		char fields[4096];
		int sum = 0;
		size_t at = 0;
		for (int i = 0; i < 100; i++) {
			if (rand() % 3 != 0)
				continue;
			int v = rand() % 100;
			at += (size_t)snprintf(fields + at, sizeof fields - at, "f%d=%d ", i, v);
			sum += v;
		}
		snprintf(fields + at, sizeof fields - at, "want=%d", sum);
		event(w, "x", fields);
		if (round % 50 == 49)
			frame(w);
	}
	saw(w, "right", 300);
	no_errors(w);
	world_free(w);
}

static void test_nested_fields(void **state)
{
	(void)state;
	struct world *w =
	    seeing("on('x', function(ev)\n"
	           "  local u = ev.usage\n"
	           "  seen:inc(tostring(ev['usage.input']) .. ' ' .. tostring(ev['usage.deep.er']) .. ' ' ..\n"
	           "    tostring(u and u.input) .. ' ' .. tostring(u and u.deep and u.deep.er) .. ' ' ..\n"
	           "    tostring(ev.list and #ev.list) .. ' ' .. tostring(ev.list and ev.list[2]) .. ' ' .. "
	           "tostring(ev['list.0']))\n"
	           "end)\n");
	for (int i = 0; i < 4; i++) {
		event(w, "x", "usage={input=5 deep={er=true}} list=[one two]");
		event(w, "x", "usage={input=6}");
		event(w, "x", "other=1");
		event(w, "x", "usage=text list=plain");
		event(w, "x", "usage.input=7 usage={input=8}");
	}
	frame(w);
	saw(w, "5 true 5 true 2 two one", 4);
	saw(w, "6 nil 6 nil nil nil nil", 4);
	saw(w, "nil nil nil nil nil nil nil", 4);
	saw(w, "nil nil nil nil 5 nil nil",
	    4); /* texts: u.input is a method of strings that is not there, #ev.list a length */
	saw(w, "7 nil 8 nil nil nil nil", 4); /* the exact key comes first */
	world_free(w);
}

static void test_copies_of_objects_are_fresh(void **state)
{
	(void)state;
	struct world *w = seeing("local kept\n"
	                         "on('x', function(ev)\n"
	                         "  local l = ev.l\n"
	                         "  assert(l == ev.l)\n"
	                         "  l[1] = 'changed'\n"
	                         "  if kept then seen:inc(tostring(kept ~= l) .. kept[1]) end\n"
	                         "  kept = l end)\n"
	                         "on('x', function(ev) seen:inc('again ' .. ev.l[1]) end)\n");
	post(w, "x", "l=[a]");
	post(w, "x", "l=[b]");
	saw(w, "truechanged", 1);
	saw(w, "again a", 1);
	saw(w, "again b", 1);
	no_errors(w);
	world_free(w);
}

static void test_writes_are_wiped(void **state)
{
	(void)state;
	struct world *w = seeing(
	    "on('x', function(ev)\n"
	    "  seen:inc(tostring(ev.a) .. tostring(ev.b) .. tostring(ev.new) .. tostring(ev.type))\n"
	    "  ev.a, ev.b, ev.new, ev.type = 'A', nil, 'N', 'T'\n"
	    "  if ev.a ~= 'A' or ev.b ~= nil or ev.new ~= 'N' or ev.type ~= 'T' then seen:inc('not written') end\n"
	    "end)\n"
	    "on('x', function(ev) seen:inc('second ' .. tostring(ev.a) .. tostring(ev.new)) end)\n");
	for (int i = 0; i < 3; i++) {
		event(w, "x", "a=1 b=2");
		event(w, "x", "b=2");
		event(w, "x", "c=1");
	}
	frame(w);
	saw(w, "12nilx", 3);
	saw(w, "nil2nilx", 3);
	saw(w, "nilnilnilx", 3);
	saw(w, "second 1nil", 3);
	saw(w, "second nilnil", 6);
	assert_null(strstr(w->exposition, "not written"));
	no_errors(w);
	world_free(w);
}

static void test_methods(void **state)
{
	(void)state;
	struct world *w =
	    seeing("local kept\n"
	           "on('x', function(ev)\n"
	           "  local names = {}\n"
	           "  for name, value in ev:fields() do names[#names + 1] = name .. '=' .. type(value) end\n"
	           "  seen:inc(table.concat(names, ' '))\n"
	           "  local c = ev:copy()\n"
	           "  seen:inc(c.type .. c.time .. c.a .. c.o.p[1] .. c.copy)\n"
	           "  seen:inc(ev:get('copy') .. ev:get('o.p.0') .. tostring(ev:get('none')) .. ev:get('type'))\n"
	           "  c.a = 'mine'\n"
	           "  for k, v in pairs(c) do assert(v ~= nil) end\n"
	           "  if kept then seen:inc('kept ' .. kept.a) end\n"
	           "  kept = c end)\n");
	w->now_ns = 1000 * NS_PER_S;
	post(w, "x", "a=1 o={p=[q]} copy=field z=null");
	post(w, "x", "a=2 o={p=[q]} copy=field z=null");
	saw(w, "a=number o=table copy=string z=nil", 2);
	saw(w, "x10001qfield", 1);
	saw(w, "x10002qfield", 1);
	saw(w, "fieldqnilx", 2);
	saw(w, "kept mine", 1);
	no_errors(w);
	world_free(w);
}

static void test_misuse_is_refused(void **state)
{
	(void)state;
	struct world *w =
	    seeing("local kept, iterator\n"
	           "local function fails(what, f, ...)\n"
	           "  local ok, e = pcall(f, ...)\n"
	           "  seen:inc(what .. ': ' .. (ok and 'it did not fail' or e:gsub('^.-:%d+: ', '')))\n"
	           "end\n"
	           "on('x', function(ev)\n"
	           "  local a = ev.a\n"
	           "  if kept then fails('iterator', iterator) return end\n"
	           "  fails('pairs', pairs, ev) fails('next', next, ev) fails('rawget', rawget, ev, 'a') "
	           "fails('rawset', rawset, ev, 'a', 1)\n"
	           "  fails('setmetatable', setmetatable, ev, {}) fails('number', function() ev[1] = 2 end)\n"
	           "  fails('dot', ev.copy) fails('insert', table.insert, ev, 1)\n"
	           "  seen:inc('meta ' .. tostring(getmetatable(ev)))\n"
	           "  kept, iterator = ev, ev:fields()\n"
	           "end)\n"
	           "on('y', function() fails('after', function() return kept.b end) fails('copy after', function() "
	           "return kept:copy() end)\n"
	           "  fails('write after', function() kept.q = 1 end) end)\n");
	post(w, "x", "a=1 b=2");
	post(w, "y", "");
	post(w, "x", "a=1 b=2");
	saw(w, "pairs: pairs: an event holds what was read of it, not all of it; use ev:fields() or ev:copy()", 1);
	saw(w, "next: next: an event holds what was read of it, not all of it; use ev:fields() or ev:copy()", 1);
	saw(w, "rawget: rawget: an event holds what was read of it, not all of it; use ev:fields() or ev:copy()", 1);
	saw(w, "rawset: rawset: an event holds what was read of it, not all of it; use ev:fields() or ev:copy()", 1);
	saw(w, "setmetatable: cannot change a protected metatable", 1);
	saw(w, "number: an event has fields with names; a number is none", 1);
	saw(w, "dot: call it with a colon, as in ev:copy()", 1);
	saw(w, "insert: an event has fields with names; a number is none", 1);
	saw(w, "meta event", 1);
	saw(w, "after: an event is valid during its call only; keep what you need of it, or ev:copy()", 1);
	saw(w, "copy after: an event is valid during its call only; keep what you need of it, or ev:copy()", 1);
	saw(w, "iterator: ev:fields() is valid during its call only", 1);
	no_errors(w);
	world_free(w);
}

static void test_types_and_all(void **state)
{
	(void)state;
	struct world *w = seeing("on('a', function(ev) seen:inc('1' .. ev.type .. tostring(ev.n)) end)\n"
	                         "on('*', function(ev) seen:inc('2' .. ev.type .. tostring(ev.n)) end)\n"
	                         "on('b', function(ev) seen:inc('3' .. ev.type .. tostring(ev.m)) end)\n");
	for (int i = 0; i < 2; i++) {
		event(w, "a", "n=1 m=2");
		event(w, "b", "n=3 m=4");
		event(w, "c", "n=5");
		event(w, "a", "m=2");
	}
	frame(w);
	saw(w, "1a1", 2);
	saw(w, "1anil", 2);
	saw(w, "2a1", 2);
	saw(w, "2b3", 2);
	saw(w, "2c5", 2);
	saw(w, "3b4", 2);
	assert_int_equal(stats_of(w, 0).calls, 14);
	no_errors(w);
	world_free(w);
}

/* More types than have a table of their own. */
static void test_very_many_types(void **state)
{
	(void)state;
	struct world *w = seeing("on('*', function(ev) seen:inc(ev.type == ev.want and 'right' or 'wrong') end)\n");

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 600; i++) {
			char type[32], fields[64];
			snprintf(type, sizeof type, "t%d", i);
			snprintf(fields, sizeof fields, "want=%s", type);
			event(w, type, fields);
		}
		frame(w);
	}
	saw(w, "right", 1200);
	assert_null(strstr(w->exposition, "wrong"));
	world_free(w);
}

/* Records of many batches, as single posts are. */
static void test_many_batches(void **state)
{
	(void)state;
	struct world *w = seeing("on('x', function(ev) seen:inc(ev.a .. (ev.b or '')) end)\n");
	struct batch *batches[50];
	struct record *refs[50];

	for (int i = 0; i < 50; i++) {
		batches[i] = batch_new();
		batch_event(batches[i], "other", w->now_ns, "z=1");
		batch_event(batches[i], i % 2 ? "x" : "y", w->now_ns, i % 3 ? "a=1 b=2" : "pad=0 a=3");
		refs[i] = &batches[i]->records[1];
	}
	script_set_apply(w->set, refs, 50, ++w->seq, w->now_ns);
	for (int i = 0; i < 50; i++)
		batch_free(batches[i]);
	saw(w, "12", 17);
	saw(w, "3", 8);
	no_errors(w);
	world_free(w);
}

static void test_odd_names(void **state)
{
	(void)state;
	struct world *w = seeing("on('x', function(ev)\n"
	                         "  seen:inc(ev['with \"quotes\"\\\\'] or '-') seen:inc(ev['é'] or '-') "
	                         "seen:inc(ev['end'] or '-') seen:inc(ev[''] or '-')\n"
	                         "end)\n");
	for (int i = 0; i < 3; i++) {
		uint32_t keys[4];
		struct value *values = batch_values(w->batch, 4);
		const char *names[] = {"with \"quotes\"\\", "é", "end", ""};
		for (int k = 0; k < 4; k++) {
			keys[k] = (uint32_t)batch_key(w->batch, slice_cstr(names[k]));
			values[k] = (struct value){.integer = k + 1, .type = VALUE_INT};
		}
		uint32_t shape = (uint32_t)batch_shape(w->batch, keys, 4);
		event(w, "x", "");
		w->batch->records[0].shape = shape;
		w->batch->records[0].values = values;
		frame(w);
	}
	saw(w, "1", 3);
	saw(w, "2", 3);
	saw(w, "3", 3);
	saw(w, "4", 3);
	no_errors(w);
	world_free(w);
}

/* An error in one handler ends that call alone. */
static void test_errors_stay_alone(void **state)
{
	(void)state;
	struct world *w =
	    seeing("on('x', function(ev) if ev.bad then local t = nil t.x = 1 end seen:inc('first') end)\n"
	           "on('x', function(ev) seen:inc('second') end)\n"
	           "on('x', function(ev) if ev.bad then error(setmetatable({}, { __tostring = function() while true do "
	           "end end })) end end)\n");
	event(w, "x", "");
	event(w, "x", "bad=true");
	event(w, "x", "");
	frame(w);
	saw(w, "first", 2);
	saw(w, "second", 3);
	assert_int_equal(stats_of(w, 0).errors, 2);
	assert_int_equal(stats_of(w, 0).calls, 9);
	assert_int_equal(stats_of(w, 0).cuts, 0);
	world_free(w);
}

static void test_exemplars(void **state)
{
	(void)state;
	struct world *w = world_with("local c = counter 'c_total' {}\non('x', function(ev) c:inc() end)");
	struct buf out = {0};

	event(w, "x", "trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span_id=00f067aa0ba902b7");
	event(w, "x", "");
	frame(w);
	struct metrics_snapshot *s = registry_snapshot(w->registry);
	assert_int_equal(exposition_render(s, EXPOSITION_OPENMETRICS, w->now_ns, &out), 0);
	buf_byte(&out, '\0');
	assert_contains(out.ptr, "trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\"");
	buf_free(&out);
	metrics_snapshot_unref(s);
	world_free(w);
}

/* What is written into one event is gone with the next, whatever its name is. */
static void test_methods_are_not_written(void **state)
{
	(void)state;
	struct world *w = world_with("local why = counter 'why_total' { labels = { 'text' } }\n"
	                             "on('x', function(ev)\n"
	                             "  local ok, e = pcall(function() ev.copy = 5 end)\n"
	                             "  why:inc(ok and 'written' or e)\n"
	                             "  assert(ev:copy().n == ev.n and ev:get('copy') == ev.n)\n"
	                             "end)\n");
	post(w, "x", "n=1 copy=1");
	post(w, "x", "n=2 copy=2");
	assert_int_equal(stats_of(w, 0).errors, 0);
	assert_value(w, "why_total{text=\"scripts/metrics/t.lua:3: an event: copy is a method\"}", 2);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_methods_are_not_written),
	    cmocka_unit_test(test_fields_of_all_types),
	    cmocka_unit_test(test_time),
	    cmocka_unit_test(test_changing_shapes),
	    cmocka_unit_test(test_more_than_is_remembered),
	    cmocka_unit_test(test_nested_fields),
	    cmocka_unit_test(test_copies_of_objects_are_fresh),
	    cmocka_unit_test(test_writes_are_wiped),
	    cmocka_unit_test(test_methods),
	    cmocka_unit_test(test_misuse_is_refused),
	    cmocka_unit_test(test_types_and_all),
	    cmocka_unit_test(test_very_many_types),
	    cmocka_unit_test(test_many_batches),
	    cmocka_unit_test(test_odd_names),
	    cmocka_unit_test(test_errors_stay_alone),
	    cmocka_unit_test(test_exemplars),
	};
	quiet();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

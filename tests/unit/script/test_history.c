/* What conditions read: scripts in sandboxed states over a store in a directory and a registry, with ticks as the engine makes them. */
#include <errno.h>
#include <unistd.h>

#include "base/fault.h"
#include "record/labels.h"
#include "script/history.h"
#include "script/internal.h"
#include "script/quantile.h"
#include "support.h"
#include "tsdb/tsdb.h"

#define SECOND NS_PER_S
#define MINUTE (60 * NS_PER_S)
#define RESOLUTION_MS INT64_C(5000)

/* Texts of answers: labels sorted, "a=1,b=2 value; …". */
static const char helpers[] = "function show(labels, v)\n"
                              "  local names = {}\n"
                              "  for k, x in pairs(labels) do names[#names + 1] = k .. '=' .. x end\n"
                              "  table.sort(names)\n"
                              "  return table.concat(names, ',') .. ' ' .. tostring(v)\n"
                              "end\n"
                              "function rows(iterate)\n"
                              "  local out = {}\n"
                              "  for labels, v in iterate do out[#out + 1] = show(labels, v) end\n"
                              "  return table.concat(out, '; ')\n"
                              "end\n";

struct past {
	struct world *w;
	char dir[64];
	struct tsdb *store;
	struct history h;
	int64_t ticked_ns;
	char answer[4096];
	bool failed;
};

static void open_store(struct past *p)
{
	struct error err = {0};

	p->store = tsdb_open(&(struct tsdb_options){.dir = p->dir}, NULL, NULL, &err);
	if (p->store == NULL)
		fail_msg("%s", err.text);
}

static struct past *past_with(const char *text)
{
	struct past *p = mem_zalloc(1, sizeof *p);
	char script[8192];

	assert_non_null(p);
	snprintf(script, sizeof script, "%s%s", helpers, text);
	p->w = world_with(script);
	snprintf(p->dir, sizeof p->dir, "/tmp/moongate-history-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	open_store(p);
	p->ticked_ns = p->w->now_ns;
	return p;
}

static void past_free(struct past *p)
{
	char command[128];

	history_end(&p->h);
	assert_int_equal(p->h.bytes, 0);
	tsdb_close(p->store);
	world_free(p->w);
	snprintf(command, sizeof command, "rm -r '%s'", p->dir);
	assert_int_equal(system(command), 0);
	mem_free(p);
}

static void store_sample(struct past *p, struct slice labels, int64_t time_ms, double value)
{
	uint32_t number;

	assert_int_equal(tsdb_series(p->store, labels, labels_hash(labels), &number), 0);
	assert_true(tsdb_append(p->store, number, time_ms, value) <= APPEND_DUPLICATE);
}

/* A sample of every live value, as it was before the clock reached this moment, and a zero before the first one of what has been made since the last tick. */
static void tick(struct past *p)
{
	struct metrics_snapshot *s = registry_snapshot(p->w->registry);
	struct metrics_cursor *c = metrics_cursor_new(s);
	struct metrics_family f;
	struct metrics_sampled v;
	struct buf labels = {0};
	int64_t now_ms = p->w->now_ns / NS_PER_MS;

	tsdb_batch_begin(p->store);
	while (metrics_cursor_family(c, &f)) {
		while (metrics_cursor_next(c, &v)) {
			for (uint32_t i = 0; i < f.value_count; i++) {
				buf_reset(&labels);
				assert_int_equal(metrics_cursor_labels(c, i, &labels), 0);
				if (i >= f.cumulative && v.created_ns >= p->ticked_ns)
					store_sample(p, buf_slice(&labels), now_ms - RESOLUTION_MS, 0);
				store_sample(p, buf_slice(&labels), now_ms, v.values[i]);
			}
		}
	}
	tsdb_batch_end(p->store);
	p->ticked_ns = p->w->now_ns;
	buf_free(&labels);
	metrics_cursor_free(c);
	metrics_snapshot_unref(s);
}

static void pass(struct past *p, int64_t ns)
{
	p->w->now_ns += ns;
	registry_set_now(p->w->registry, p->w->now_ns);
}

/* A sample from the wire, so long ago. */
static void wire(struct past *p, const char *name, const char *instance, int64_t ago_ns, double value)
{
	struct label labels[] = {{LABEL_METRIC_NAME, slice_cstr(name)}, {SLICE("instance"), slice_cstr(instance)}};
	struct buf b = {0};
	struct error err = {0};

	assert_int_equal(labels_canonical(labels, 2, &b, &err), 0);
	tsdb_batch_begin(p->store);
	store_sample(p, buf_slice(&b), (p->w->now_ns - ago_ns) / NS_PER_MS, value);
	tsdb_batch_end(p->store);
	buf_free(&b);
}

static double stale(void)
{
	uint64_t bits = SAMPLE_STALE_BITS;
	double v;

	memcpy(&v, &bits, sizeof v);
	return v;
}

struct asked {
	struct past *past;
	const char *function;
};

static int protected_ask(lua_State *L)
{
	struct asked *a = lua_touserdata(L, 1);

	lua_getglobal(L, a->function);
	history_push(L, &a->past->h);
	lua_call(L, 1, 1);
	snprintf(a->past->answer, sizeof a->past->answer, "%s", lua_isnil(L, -1) ? "nil" : lua_tostring(L, -1));
	return 0;
}

/* Calls a function of the script with an `m` of this moment, as a condition is called. What it gives, or its error. */
static const char *ask(struct past *p, const char *function)
{
	struct script *s = p->w->set->scripts[0];
	struct watch watch = {0};
	struct asked a = {p, function};
	int code;
	struct tsdb_view *v = tsdb_view_open(p->store, &code);
	struct metrics_snapshot *live = registry_snapshot(p->w->registry);

	assert_true(v != NULL && live != NULL);
	history_begin(&p->h, v, live, p->w->now_ns);
	script_enter(s, &watch, PHASE_IDLE, script_limit_ns(s));
	int status = lua_cpcall(s->L, protected_ask, &a);
	p->failed = status != 0;
	if (status != 0) {
		struct slice text = watch_stopped(&watch) ? slice_cstr(s->cut_at) : script_error_text(s->L);
		snprintf(p->answer, sizeof p->answer, "%s%.*s", watch_stopped(&watch) ? "cut at " : "",
		         SLICE_ARG(text));
		watch_disarm(p->w->host->watchdog, &watch);
		lua_pop(s->L, 1);
	}
	script_leave(s);
	history_end(&p->h);
	assert_int_equal(p->h.bytes, 0);
	metrics_snapshot_unref(live);
	tsdb_view_close(v);
	return p->answer;
}

#define assert_answer(p, function, wanted)                                                                             \
	do {                                                                                                           \
		const char *got_ = ask(p, function);                                                                   \
		if ((p)->failed || strcmp(got_, wanted) != 0)                                                          \
			fail_msg("%s: \"%s\", wanted \"%s\"", function, got_, wanted);                                 \
	} while (0)

#define assert_refused(p, function, part)                                                                              \
	do {                                                                                                           \
		const char *got_ = ask(p, function);                                                                   \
		if (!(p)->failed || strstr(got_, part) == NULL)                                                        \
			fail_msg("%s: \"%s\", wanted an error with \"%s\"", function, got_, part);                     \
	} while (0)

/* ---- counters ---- */

static const char cost[] =
    "local cost = counter 'cost_usd_total' { labels = { 'user_id', 'model' } }\n"
    "on('call', function(ev) cost:add(ev.usd, ev.user, ev.model) end)\n"
    "function value(m) return tostring(m:value('cost_usd_total', { user_id = 'ann', model = 'a' })) end\n"
    "function all(m) return rows(m:increase('cost_usd_total', '1h')) end\n"
    "function by_user(m) return rows(m:increase('cost_usd_total', '1h', { by = 'user_id' })) end\n"
    "function by_both(m) return rows(m:increase('cost_usd_total', '1h', { by = { 'model', 'user_id' } })) end\n"
    "function total(m) return rows(m:increase('cost_usd_total', '1h', { by = {} })) end\n"
    "function by_other(m) return rows(m:increase('cost_usd_total', '1h', { by = 'other' })) end\n"
    "function where_a(m) return rows(m:increase('cost_usd_total', 3600, { by = 'user_id', where = { model = 'a' } })) "
    "end\n"
    "function where_like(m) return rows(m:increase('cost_usd_total', 3600, { by = 'user_id', where = { user_id = "
    "'=~a.*' } })) end\n"
    "function where_not(m) return rows(m:increase('cost_usd_total', 3600, { where = { user_id = '!=ann' } })) end\n"
    "function where_unlike(m) return rows(m:increase('cost_usd_total', 3600, { where = { user_id = '!~ann|x', model = "
    "'a' } })) end\n"
    "function per_second(m) return rows(m:rate('cost_usd_total', '50s', { by = {} })) end\n"
    "function none(m) return rows(m:increase('nothing_total', '1h')) end\n";

/* What was added is there at once, before any tick, and no more than that: nothing is extrapolated. */
static void test_what_is_live_counts_from_zero(void **state)
{
	(void)state;
	struct past *p = past_with(cost);

	pass(p, SECOND);
	post(p->w, "call", "usd=0.1 user=ann model=a");
	post(p->w, "call", "usd=0.2 user=ann model=a");
	post(p->w, "call", "usd=5 user=bob model=a");
	pass(p, SECOND);
	assert_answer(p, "value", "0.3");
	assert_answer(p, "all", "model=a,user_id=ann 0.3; model=a,user_id=bob 5");
	assert_answer(p, "none", "");
	past_free(p);
}

static void spend(struct past *p)
{
	pass(p, SECOND);
	post(p->w, "call", "usd=1 user=bob model=a");
	post(p->w, "call", "usd=2 user=ann model=a");
	pass(p, 4 * SECOND);
	tick(p);
	pass(p, SECOND);
	post(p->w, "call", "usd=4 user=ann model=b");
	post(p->w, "call", "usd=8 user=ann model=a");
	pass(p, 4 * SECOND);
	tick(p);
	pass(p, SECOND);
	post(p->w, "call", "usd=16 user=ann model=a");
}

static void test_by_and_where(void **state)
{
	(void)state;
	struct past *p = past_with(cost);

	spend(p);
	assert_answer(p, "all", "model=a,user_id=ann 26; model=a,user_id=bob 1; model=b,user_id=ann 4");
	assert_answer(p, "by_user", "user_id=ann 30; user_id=bob 1");
	assert_answer(p, "by_both", "model=a,user_id=ann 26; model=a,user_id=bob 1; model=b,user_id=ann 4");
	assert_answer(p, "total", " 31");
	assert_answer(p, "by_other", " 31");
	assert_answer(p, "where_a", "user_id=ann 26; user_id=bob 1");
	assert_answer(p, "where_like", "user_id=ann 30");
	assert_answer(p, "where_not", "model=a,user_id=bob 1");
	assert_answer(p, "where_unlike", "model=a,user_id=bob 1");
	assert_answer(p, "per_second", " 0.62");
	past_free(p);
}

/* The window begins at the newest sample at or before its start. Windows one after the other add up to the whole. */
static void test_windows_add_up(void **state)
{
	(void)state;
	struct past *p = past_with("local c = counter 'c_total' {}\n"
	                           "on('add', function(ev) c:add(ev.n) end)\n"
	                           "function minute(m) for _, v in m:increase('c_total', '1m') do return v end end\n"
	                           "function hour(m) for _, v in m:increase('c_total', '1h') do return v end end\n");
	double sum = 0;

	pass(p, SECOND);
	for (int i = 0; i < 10 * 12; i++) { /* ten minutes */
		post(p->w, "add", i % 7 == 0 ? "n=3" : "n=0.25");
		pass(p, 5 * SECOND);
		tick(p);
		if (i % 12 == 11)
			sum += strtod(ask(p, "minute"), NULL);
	}
	double hour = strtod(ask(p, "hour"), NULL);
	assert_true(sum == hour && hour == 18 * 3 + 102 * 0.25);
	past_free(p);
}

/* A restart without a checkpoint: counters begin again, which is a reset. */
static void test_counters_that_begin_again(void **state)
{
	(void)state;
	struct past *p = past_with(cost);

	spend(p);
	tick(p);
	char text[16384];
	snprintf(text, sizeof text, "%s%s", helpers, cost);
	world_close_host(p->w);
	world_open_host(p->w);
	world_file(p->w, "scripts/metrics/t.lua", NULL, text);
	world_load(p->w);
	pass(p, MINUTE);
	post(p->w, "call", "usd=100 user=ann model=a"); /* more than before: by its value alone it would not be seen */
	pass(p, SECOND);
	assert_answer(p, "by_user", "user_id=ann 130; user_id=bob 1");
	tick(p);
	assert_answer(p, "by_user", "user_id=ann 130; user_id=bob 1");
	assert_answer(p, "value", "100");
	past_free(p);
}

/* Through sealing, too: blocks and head give the same. */
static void test_over_blocks(void **state)
{
	(void)state;
	struct past *p = past_with("local c = counter 'c_total' { labels = { 'user' } }\n"
	                           "on('add', function(ev) c:add(ev.n, ev.user) end)\n"
	                           "function day(m) return rows(m:increase('c_total', '24h', { by = 'user' })) end\n"
	                           "function some(m) return rows(m:increase('c_total', '150m')) end\n");
	struct error err = {0};
	int code;

	pass(p, SECOND);
	for (int i = 0; i < 7 * 60; i++) { /* seven hours */
		post(p->w, "add", i % 2 == 0 ? "n=1 user=ann" : "n=0.5 user=bob");
		pass(p, MINUTE);
		tick(p);
	}
	do {
		while (tsdb_tick(p->store))
			;
		code = tsdb_maintain(p->store, &err);
		assert_true(code >= 0);
	} while (code == 1);
	struct tsdb_stats stats;
	tsdb_stats(p->store, &stats);
	assert_true(stats.blocks > 0);
	post(p->w, "add", "n=0.25 user=ann");
	assert_answer(p, "day", "user=ann 210.25; user=bob 105");
	assert_answer(p, "some", "user=ann 75.25; user=bob 37.5");
	past_free(p);
}

/* ---- the wire ---- */

static const char seen[] = "function value(m) return tostring(m:value('up', { instance = 'a' })) end\n"
                           "function without(m) return tostring(m:value('up')) end\n"
                           "function ended(m) return tostring(m:value('up', { instance = 'b' })) end\n"
                           "function old(m) return tostring(m:value('up', { instance = 'c' })) end\n"
                           "function nan(m) local v = m:value('up', { instance = 'd' }) return tostring(v ~= v) end\n"
                           "function grown(m) return rows(m:increase('x_total', '10m')) end\n";

static void test_samples_from_the_wire(void **state)
{
	(void)state;
	struct past *p = past_with(seen);

	pass(p, 24 * 60 * MINUTE);
	wire(p, "up", "a", MINUTE, 0);
	wire(p, "up", "a", SECOND, 1);
	wire(p, "up", "b", MINUTE, 1);
	wire(p, "up", "b", SECOND, stale());
	wire(p, "up", "c", 5 * MINUTE, 1);
	wire(p, "up", "d", SECOND, NAN);
	assert_answer(p, "value", "1");
	assert_answer(p, "without", "nil");
	assert_answer(p, "ended", "nil");
	assert_answer(p, "old", "nil");
	assert_answer(p, "nan", "true");
	past_free(p);
}

/* By where the first samples lie: within five minutes before the window, longer ago, none before; ended; fallen. */
static void test_where_increases_begin(void **state)
{
	(void)state;
	struct past *p = past_with(seen);

	pass(p, 24 * 60 * MINUTE);
	wire(p, "x_total", "before", 15 * MINUTE - SECOND, 10);
	wire(p, "x_total", "before", 5 * MINUTE, 13);
	wire(p, "x_total", "exactly", 10 * MINUTE, 10);
	wire(p, "x_total", "exactly", 5 * MINUTE, 14);
	wire(p, "x_total", "fallen", 12 * MINUTE, 100);
	wire(p, "x_total", "fallen", 8 * MINUTE, 7);
	wire(p, "x_total", "fallen", 2 * MINUTE, 8);
	wire(p, "x_total", "gone", 12 * MINUTE, 1);
	wire(p, "x_total", "long", 15 * MINUTE, 10);
	wire(p, "x_total", "long", 5 * MINUTE, 15);
	wire(p, "x_total", "long", SECOND, 16);
	wire(p, "x_total", "one", SECOND, 6);
	wire(p, "x_total", "restarted", 14 * MINUTE, 50);
	wire(p, "x_total", "restarted", 12 * MINUTE, stale());
	wire(p, "x_total", "restarted", 3 * MINUTE, 2);
	wire(p, "x_total", "restarted", 2 * MINUTE, 3);
	wire(p, "x_total", "stopped", 11 * MINUTE, 1);
	wire(p, "x_total", "stopped", 4 * MINUTE, 3);
	wire(p, "x_total", "stopped", 3 * MINUTE, stale());
	wire(p, "x_total", "tomorrow", -MINUTE, 5);
	assert_answer(p, "grown",
	              "instance=before 3; instance=exactly 4; instance=fallen 8; instance=long 1; instance=one 0; "
	              "instance=restarted 1; instance=stopped 2");
	past_free(p);
}

/* ---- other types ---- */

static const char typed[] =
    "local h = histogram 'took_seconds' { labels = { 'tool' }, buckets = { 1, 2, 4 } }\n"
    "local s = summary 'size' { quantiles = { 0.5 } }\n"
    "local g = gauge 'level' {}\n"
    "on('h', function(ev) h:observe(ev.v, ev.tool) end)\n"
    "on('s', function(ev) s:observe(ev.v) end)\n"
    "on('g', function(ev) g:set(ev.v) end)\n"
    "function values(m) return table.concat({ tostring(m:value('took_seconds_count', { tool = 'a' })),\n"
    "  tostring(m:value('took_seconds_sum', { tool = 'a' })), tostring(m:value('took_seconds_bucket', { tool = 'a', le "
    "= '2.0' })),\n"
    "  tostring(m:value('took_seconds_bucket', { tool = 'a', le = '+Inf' })), tostring(m:value('took_seconds', { tool "
    "= 'a' })),\n"
    "  tostring(m:value('size_count')), tostring(m:value('size_sum')), tostring(m:value('level')),\n"
    "  tostring(m:value('size', { quantile = '0.5' }) ~= nil) }, ' ') end\n"
    "function median(m) return rows(m:quantile(0.5, 'took_seconds', '1h')) end\n"
    "function overall(m) return rows(m:quantile(0.5, 'took_seconds', '1h', { by = {} })) end\n"
    "function high(m) return rows(m:quantile(1, 'took_seconds', '1h', { where = { tool = 'b' } })) end\n"
    "function fresh(m) return rows(m:quantile(0.5, 'took_seconds', '1m', { by = 'tool' })) end\n"
    "function counts(m) return rows(m:increase('took_seconds_count', '1h')) end\n";

static void test_types_with_several_series(void **state)
{
	(void)state;
	struct past *p = past_with(typed);

	pass(p, SECOND);
	for (int i = 0; i < 4; i++)
		post(p->w, "h", "v=1.5 tool=a");
	for (int i = 0; i < 2; i++)
		post(p->w, "h", "v=3 tool=b");
	post(p->w, "h", "v=100 tool=b");
	post(p->w, "s", "v=7");
	post(p->w, "g", "v=-2.5");
	assert_answer(p, "values", "4 6 4 4 nil 1 7 -2.5 true");
	assert_answer(p, "median", "tool=a 1.5; tool=b 3.5");
	assert_answer(p, "overall", " 1.875");
	assert_answer(p, "high", "tool=b 4");
	assert_answer(p, "counts", "tool=a 4; tool=b 3");
	pass(p, SECOND);
	tick(p);
	for (int i = 0; i < 25; i++) {
		pass(p, 5 * SECOND);
		tick(p);
	}
	post(p->w, "h", "v=0.5 tool=a");
	assert_answer(p, "fresh", "tool=a 0.5; tool=b nan");
	assert_answer(p, "median", "tool=a 1.375; tool=b 3.5");
	past_free(p);
}

/* What Prometheus's own tests of histogram_quantile() have (promqltest/testdata/histograms.test), and its odd cases. */
static void test_quantiles_of_buckets(void **state)
{
	(void)state;
	static const struct {
		double q, wanted;
		struct bucket buckets[6];
		uint32_t count;
	} cases[] = {
	    {0.2, 0.048, {{0.1, 5}, {0.2, 7}, {1e0, 10}, {INFINITY, 12}}, 4},
	    {0.5, 0.15, {{INFINITY, 12}, {0.1, 5}, {1e0, 10}, {0.2, 7}}, 4},
	    {0.8, 0.8933333333333333, {{0.1, 5}, {0.2, 7}, {1e0, 10}, {INFINITY, 12}}, 4},
	    {0, 0, {{0.1, 5}, {0.2, 7}, {1e0, 10}, {INFINITY, 12}}, 4},
	    {1, 1, {{0.1, 5}, {0.2, 7}, {1e0, 10}, {INFINITY, 12}}, 4},
	    {0.2, -0.2, {{-0.2, 1}, {0, 2}, {0.2, 4}, {INFINITY, 4}}, 4},
	    {0.5, 0, {{-0.2, 1}, {0, 2}, {0.2, 4}, {INFINITY, 4}}, 4},
	    {0.7, 0.08, {{-0.2, 1}, {0, 2}, {0.2, 4}, {INFINITY, 4}}, 4},
	    {0.5, NAN, {{0.1, 5}, {0.2, 7}}, 2},                                   /* no +Inf */
	    {0.5, NAN, {{INFINITY, 5}}, 1},                                        /* nothing else */
	    {0.5, NAN, {{0.1, 0}, {INFINITY, 0}}, 2},                              /* no observation */
	    {0.5, 0.15, {{0.1, 5}, {0.2, 7}, {1, 10}, {1, 0}, {INFINITY, 12}}, 5}, /* the same bound twice */
	    {0.5, 0.1, {{0.1, 10}, {0.2, 9}, {1, 10}, {INFINITY, 20}}, 4},         /* a bucket that falls */
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct bucket b[6];
		memcpy(b, cases[i].buckets, sizeof b);
		double got = bucket_quantile(cases[i].q, b, cases[i].count), wanted = cases[i].wanted;
		if (isnan(wanted) ? !isnan(got) : !(fabs(got - wanted) <= 1e-12))
			fail_msg("case %zu: %.17g, wanted %.17g", i, got, wanted);
	}
	assert_true(isnan(bucket_quantile(0.5, NULL, 0)));
}

/* ---- mistakes ---- */

static void test_mistakes_are_named(void **state)
{
	(void)state;
	static const struct {
		const char *code, *error;
	} cases[] = {
	    {"m.value('x')", "m:value: call it with a colon, as in m:value(…)"},
	    {"m:value()", "m:value: name wants the name of a metric, a string, got no value"},
	    {"m:value('')", "m:value: name wants the name of a metric, got \"\""},
	    {"m:value(7)", "a string, got number"},
	    {"m:value('x', 'ann')", "m:value: labels wants a table of label = value, got string"},
	    {"m:value('x', { 'ann' })", "m:value: labels wants names of labels, got a number"},
	    {"m:value('x', { user = {} })", "m:value: labels: user wants a string, number or boolean, got a table"},
	    {"m:value('x', { __name__ = 'y' })", "m:value: the label \"__name__\" comes twice"},
	    {"m:value('x', {}, 1)", "m:value takes (name, labels), got 3 arguments"},
	    {"m:increase('x')", "m:increase: window wants seconds or a text such as \"5m\", got no value"},
	    {"m:increase('x', 'soon')", "m:increase: window:"},
	    {"m:rate('x', 0)", "m:rate: window: 0 s is outside of 1 s to"},
	    {"m:increase('x', '1h', 'user')",
	     "m:increase: options want a table, as in { by = \"user_id\" }, got string"},
	    {"m:increase('x', '1h', { wher = {} })", "unknown option wher; did you mean where; it takes by, where"},
	    {"m:increase('x', '1h', { 'user' })", "unknown option number; it takes by, where"},
	    {"m:increase('x', '1h', { by = 7 })", "by wants the name of a label or a list of them, got number"},
	    {"m:increase('x', '1h', { by = { 7 } })", "by wants names of labels, got a number"},
	    {"m:increase('x', '1h', { by = { a = 'b' } })", "by wants a list of at most 32 names of labels"},
	    {"m:increase('x', '1h', { where = 'a' })", "m:increase: where wants a table of label = value, got string"},
	    {"m:increase('x', '1h', { where = { a = '=~(' } })", "m:increase: "},
	    {"m:increase('x', '1h', {}, 1)", "m:increase takes (name, window, options), got 4 arguments"},
	    {"m:quantile('x', '1h')", "m:quantile: q wants a number from 0 to 1, got string"},
	    {"m:quantile(99, 'x', '1h')", "m:quantile: q wants a number from 0 to 1, got 99"},
	    {"m:incraese('x', '1h')",
	     "m has no incraese; did you mean increase; it has value, increase, rate, quantile"},
	    {"m.value = 1 m.x = 2", "m is read-only"},
	    {"getmetatable(m).__index = 1", "attempt to index a string value"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[512];
		snprintf(text, sizeof text, "function wrong(m) local _ = nil\n%s%s end\n",
		         cases[i].code[1] == '.' || cases[i].code[0] == 'g' ? "" : "return ", cases[i].code);
		if (strncmp(cases[i].code, "m.value('", 9) == 0)
			snprintf(text, sizeof text, "function wrong(m)\nreturn %s end\n", cases[i].code);
		struct past *p = past_with(text);
		assert_refused(p, "wrong", cases[i].error);
		assert_contains(p->answer, "scripts/metrics/t.lua:");
		past_free(p);
	}
}

/* `m`, its methods and what iterates are good for one call: afterwards each is an error, also while another call is under way. */
static void test_use_after_the_end(void **state)
{
	(void)state;
	struct past *p = past_with(
	    "local kept, iterate, method\n"
	    "on('x', function() pcall(kept.value, kept, 'up') end)\n"
	    "function keep(m) kept, iterate, method = m, m:increase('x_total', '1h'), m.value iterate() return 'kept' "
	    "end\n"
	    "function again(m) return kept:value('x') end\n"
	    "function iterate_on(m) return iterate() end\n"
	    "function method_of_old(m) return method(m, 'x') end\n"
	    "function finished(m) local i = m:increase('x_total', '1h') i() i() i() return tostring(i()) end\n"
	    "function in_handler(m) return 'ok' end\n");
	pass(p, 60 * MINUTE);
	wire(p, "x_total", "a", MINUTE, 1);
	wire(p, "x_total", "b", MINUTE, 1);
	assert_answer(p, "keep", "kept");
	assert_refused(p, "again", "m is used after its call; keep what it answered");
	assert_refused(p, "iterate_on", "m is used after its call");
	assert_refused(p, "method_of_old", "m is used after its call");
	post(p->w, "x", "");
	assert_int_equal(stats_of(p->w, 0).errors, 0); /* the pcall held it */
	assert_answer(p, "finished", "nil");
	past_free(p);
}

/* A condition reads: what changes something is an error. */
static void test_conditions_change_nothing(void **state)
{
	(void)state;
	struct past *p = past_with("local c = counter 'c_total' {}\nfunction add(m) c:inc() end\n");

	assert_refused(p, "add", "only handlers and every() may do that");
	past_free(p);
}

/* ---- limits ---- */

static void test_the_watchdog_stops_a_long_one(void **state)
{
	(void)state;
	struct past *p =
	    past_with("local c = counter 'c_total' { labels = { 'n' }, max_series = 20000 }\n"
	              "on('fill', function() for i = 1, 2000 do n = (n or 0) + 1 c:inc(n) end end)\n"
	              "function forever(m)\n"
	              "  while true do pcall(m.increase, m, 'c_total', '1h', { by = 'n' }) end\n"
	              "end\n"
	              "function loop(m) while true do for _ in m:increase('c_total', '1h') do end end end\n"
	              "function once(m) return rows(m:increase('c_total', '1h', { by = {} })) end\n");
	pass(p, SECOND);
	for (int i = 0; i < 5; i++)
		post(p->w, "fill", "");
	pass(p, SECOND);
	tick(p);
	assert_refused(p, "forever", "cut at scripts/metrics/t.lua:");
	assert_refused(p, "loop", "cut at scripts/metrics/t.lua:");
	assert_answer(p, "once", " 10000"); /* the state can be used again */
	past_free(p);
}

static bool always(const void *ctx)
{
	(void)ctx;
	return true;
}

/* A question itself looks at the flag as it goes. */
static void test_a_question_is_stopped(void **state)
{
	(void)state;
	struct past *p = past_with("local c = counter 'c_total' { labels = { 'n' } }\n"
	                           "on('fill', function() for i = 1, 1000 do c:inc(i) end end)\n");
	struct history_question q = {.name = SLICE("c_total"), .window_ms = 1000, .stopped = always};
	struct history_result *r = NULL;
	struct error err = {0};
	int code;

	pass(p, SECOND);
	post(p->w, "fill", "");
	pass(p, SECOND);
	tick(p);
	struct tsdb_view *v = tsdb_view_open(p->store, &code);
	struct metrics_snapshot *live = registry_snapshot(p->w->registry);
	history_begin(&p->h, v, live, p->w->now_ns);
	assert_int_equal(history_increase(&p->h, &q, &r, &err), -EINTR);
	assert_null(r);
	assert_int_equal(p->h.bytes, 0);
	q.stopped = NULL;
	assert_int_equal(history_increase(&p->h, &q, &r, &err), 0);
	assert_int_equal(r->count, 1000);
	q.stopped = always; /* the live series are known by now: it is the walk over the store that stops */
	assert_int_equal(history_increase(&p->h, &q, &r, &err), -EINTR);
	history_end(&p->h);
	metrics_snapshot_unref(live);
	tsdb_view_close(v);
	past_free(p);
}

/* Answers that are held have a bound, and are given back. */
static void test_answers_are_bounded(void **state)
{
	(void)state;
	struct past *p = past_with(
	    "local c = counter 'c_total' { labels = { 'n' } }\n"
	    "on('fill', function() for i = 1, 1000 do c:inc(i) end end)\n"
	    "function hold(m) for i = 1, 1e6 do m:increase('c_total', '1h') end end\n"
	    "function pass(m) for i = 1, 20 do for _ in m:increase('c_total', '1h') do end end return 'ok' end\n");
	p->w->host->options.call_ms = 100000;
	pass(p, SECOND);
	post(p->w, "fill", "");
	assert_refused(p, "hold", "m:increase: the answers hold more than 128 MiB");
	assert_answer(p, "pass", "ok");
	past_free(p);
}

/* Each allocation fails once: the call ends, nothing is lost, and the next one answers. */
static void test_out_of_memory(void **state)
{
	(void)state;
	struct past *p = past_with(typed);
	struct history_question q = {.name = SLICE("took_seconds"), .window_ms = 3600000, .quantile = 0.5};
	struct error err = {0};
	int code;

	pass(p, SECOND);
	post(p->w, "h", "v=1.5 tool=a");
	tick(p);
	post(p->w, "h", "v=1.5 tool=b");
	struct tsdb_view *v = tsdb_view_open(p->store, &code);
	struct metrics_snapshot *live = registry_snapshot(p->w->registry);
	uint32_t failures = 0;
	for (uint32_t n = 1; failures + 1 == n; n++) {
		struct history_result *r = NULL;
		history_begin(&p->h, v, live, p->w->now_ns);
		fault_set(FAULT_MALLOC, n, false, ENOMEM);
		code = history_quantile(&p->h, &q, &r, &err);
		fault_clear();
		failures += code == -ENOMEM;
		assert_true(code == 0 ? r->count == 2 : code == -ENOMEM);
		history_end(&p->h);
		assert_int_equal(p->h.bytes, 0);
	}
	assert_true(failures > 10);
	metrics_snapshot_unref(live);
	tsdb_view_close(v);
	past_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_is_live_counts_from_zero),
	    cmocka_unit_test(test_by_and_where),
	    cmocka_unit_test(test_windows_add_up),
	    cmocka_unit_test(test_counters_that_begin_again),
	    cmocka_unit_test(test_over_blocks),
	    cmocka_unit_test(test_samples_from_the_wire),
	    cmocka_unit_test(test_where_increases_begin),
	    cmocka_unit_test(test_types_with_several_series),
	    cmocka_unit_test(test_quantiles_of_buckets),
	    cmocka_unit_test(test_mistakes_are_named),
	    cmocka_unit_test(test_use_after_the_end),
	    cmocka_unit_test(test_conditions_change_nothing),
	    cmocka_unit_test(test_the_watchdog_stops_a_long_one),
	    cmocka_unit_test(test_a_question_is_stopped),
	    cmocka_unit_test(test_answers_are_bounded),
	    cmocka_unit_test(test_out_of_memory),
	};
	quiet();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

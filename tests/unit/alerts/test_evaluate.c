/* Rules over series in memory, a minute at a time: which alerts there are in which state, and which samples are written. The series are a load of Prometheus's test language; what is expected follows from its
 * rules/alerting.go and rules/group.go, step by step. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alerts/alerts.h"
#include "base/fault.h"
#include "memory.h"
#include "record/labels.h"
#include "record/samples.h"

enum { MINUTE_MS = 60000 };

struct world {
	struct script script;
	struct memory memory;
	struct arena arena;
	struct rule_file file;
	struct rules_group *group;
	struct rules_env env;
	struct buf log;
	bool writes; /* samples are part of the log */
};

static int ask(void *ctx, const struct promql_expr *expr, struct slice text, int64_t at_ms, struct promql_result *out,
               struct error *err)
{
	struct world *w = ctx;
	const struct promql_source source = memory_source(&w->memory);
	const struct promql_query q = {.expr = expr, .text = text, .start_ms = at_ms, .end_ms = at_ms};

	return promql_eval(&q, &source, out, err);
}

static int append(void *ctx, struct slice labels, int64_t time_ms, double value, struct error *err)
{
	struct world *w = ctx;
	(void)err;
	if (!w->writes)
		return 0;
	buf_str(&w->log, "  ");
	labels_text(labels, &w->log);
	if (sample_is_stale(value))
		buf_str(&w->log, " stale");
	else
		buf_printf(&w->log, " %g", value);
	buf_printf(&w->log, " @%lld\n", (long long)(time_ms / 1000));
	return 0;
}

static void fail_on(void *ctx, const struct error *err)
{
	(void)ctx;
	fail_msg("%s", err->text);
}

static struct rules_group *read_group(struct world *w, const char *rules)
{
	assert_int_equal(rule_file_read(SLICE("r.yml"), slice_cstr(rules), &w->arena, &w->file, fail_on, NULL), 0);
	struct rules_group *g = rules_group_new(&w->file.groups[0]);
	assert_non_null(g);
	return g;
}

static void world_begin(struct world *w, const char *load, const char *rules)
{
	struct error err = {0};
	*w = (struct world){.writes = true};
	arena_init(&w->arena);
	memory_init(&w->memory);
	if (script_parse("load", slice_cstr(load), &w->script, &err) != 0 ||
	    memory_load(&w->memory, &w->script.commands[0].load, &err) != 0)
		fail_msg("%s", err.text);
	w->group = read_group(w, rules);
	static const struct alert_text external[] = {{SLICE("region"), SLICE("eu")}};
	w->env = (struct rules_env){.query = ask,
	                            .append = append,
	                            .ctx = w,
	                            .external_labels = external,
	                            .external_label_count = 1,
	                            .external_url = SLICE("http://m:4318/x")};
}

static void world_end(struct world *w)
{
	rules_group_free(w->group);
	arena_deinit(&w->arena);
	memory_deinit(&w->memory);
	script_deinit(&w->script);
	buf_free(&w->log);
}

static void log_state(struct world *w)
{
	const struct rule_group *group = rules_group_of(w->group);
	for (uint32_t i = 0; i < group->rule_count; i++) {
		uint32_t count;
		const struct alert *alerts = rules_group_alerts(w->group, i, &count);
		const struct rule_health *health = rules_group_health(w->group, i);
		if (health->error.code != 0)
			buf_printf(&w->log, "  %.*s: %s\n", SLICE_ARG(group->rules[i].name), health->error.text);
		for (uint32_t k = 0; k < count; k++) {
			buf_str(&w->log, "  ");
			labels_text(alerts[k].labels, &w->log);
			buf_printf(&w->log, " %s %g", alert_state_name(alerts[k].state), alerts[k].value);
			for (uint32_t a = 0; a < alerts[k].annotation_count; a++)
				buf_printf(&w->log, " %.*s=%.*s", SLICE_ARG(alerts[k].annotations[a].name),
				           SLICE_ARG(alerts[k].annotations[a].value));
			buf_byte(&w->log, '\n');
		}
	}
}

/* Evaluates at these minutes, and compares what was logged. */
static void run(struct world *w, int from, int to, const char *wanted)
{
	buf_reset(&w->log);
	for (int minute = from; minute <= to; minute++) {
		buf_printf(&w->log, "%dm\n", minute);
		assert_int_equal(rules_group_evaluate(w->group, (int64_t)minute * MINUTE_MS, &w->env), 0);
		log_state(w);
	}
	buf_byte(&w->log, '\0');
	if (strcmp(w->log.ptr, wanted) != 0)
		fail_msg("gives:\n%s\nwanted:\n%s", w->log.ptr, wanted);
}

static void an_alert_goes_through_its_states(void **state)
{
	struct world w;
	(void)state;
	world_begin(&w, "load 1m\n  errors{job=\"a\"} 0 5 5 6 0 0\n",
	            "groups:\n- name: g\n  rules:\n  - alert: High\n    expr: errors > 1\n    for: 2m\n"
	            "    labels: {severity: '{{ if gt $value 5.5 }}critical{{ else }}warning{{ end }}'}\n"
	            "    annotations: {summary: '{{ $value }} of {{ $labels.job }} in {{ $externalLabels.region }}, {{ "
	            "externalURL }}{{ pathPrefix }}'}\n");
	run(&w, 0, 2,
	    "0m\n"
	    "1m\n"
	    "  ALERTS{alertname=\"High\", alertstate=\"pending\", job=\"a\", severity=\"warning\"} 1 @60\n"
	    "  ALERTS_FOR_STATE{alertname=\"High\", job=\"a\", severity=\"warning\"} 60 @60\n"
	    "  {alertname=\"High\", job=\"a\", severity=\"warning\"} pending 5 summary=5 of a in eu, "
	    "http://m:4318/x/x\n"
	    "2m\n"
	    "  ALERTS{alertname=\"High\", alertstate=\"pending\", job=\"a\", severity=\"warning\"} 1 @120\n"
	    "  ALERTS_FOR_STATE{alertname=\"High\", job=\"a\", severity=\"warning\"} 60 @120\n"
	    "  {alertname=\"High\", job=\"a\", severity=\"warning\"} pending 5 summary=5 of a in eu, "
	    "http://m:4318/x/x\n");
	/* Another severity is another alert: the pending one is forgotten, the new one begins. */
	run(&w, 3, 3,
	    "3m\n"
	    "  ALERTS{alertname=\"High\", alertstate=\"pending\", job=\"a\", severity=\"critical\"} 1 @180\n"
	    "  ALERTS_FOR_STATE{alertname=\"High\", job=\"a\", severity=\"critical\"} 180 @180\n"
	    "  ALERTS{alertname=\"High\", alertstate=\"pending\", job=\"a\", severity=\"warning\"} stale @180\n"
	    "  ALERTS_FOR_STATE{alertname=\"High\", job=\"a\", severity=\"warning\"} stale @180\n"
	    "  {alertname=\"High\", job=\"a\", severity=\"critical\"} pending 6 summary=6 of a in eu, "
	    "http://m:4318/x/x\n");
	run(&w, 4, 5,
	    "4m\n"
	    "  ALERTS{alertname=\"High\", alertstate=\"pending\", job=\"a\", severity=\"critical\"} stale @240\n"
	    "  ALERTS_FOR_STATE{alertname=\"High\", job=\"a\", severity=\"critical\"} stale @240\n"
	    "5m\n");
	world_end(&w);
}

static void it_fires_and_is_resolved(void **state)
{
	struct world w;
	(void)state;
	world_begin(&w, "load 1m\n  errors{job=\"a\"} 5 5 5 0 0 5x30 0\n",
	            "groups:\n- name: g\n  rules:\n  - alert: High\n    expr: errors > 1\n    for: 2m\n");
	w.writes = false;
	run(&w, 0, 5,
	    "0m\n  {alertname=\"High\", job=\"a\"} pending 5\n"
	    "1m\n  {alertname=\"High\", job=\"a\"} pending 5\n"
	    "2m\n  {alertname=\"High\", job=\"a\"} firing 5\n"
	    "3m\n  {alertname=\"High\", job=\"a\"} inactive 5\n"
	    "4m\n  {alertname=\"High\", job=\"a\"} inactive 5\n"
	    "5m\n  {alertname=\"High\", job=\"a\"} pending 5\n"); /* from the beginning */
	uint32_t count;
	const struct alert *a = rules_group_alerts(w.group, 0, &count);
	assert_int_equal(count, 1);
	assert_int_equal(a->active_at_ms, 5 * MINUTE_MS);
	assert_int_equal(a->resolved_at_ms, INT64_MIN);
	world_end(&w);
}

static void a_resolved_alert_is_forgotten_in_time(void **state)
{
	struct world w;
	(void)state;
	world_begin(&w, "load 1m\n  errors 5 0x30\n",
	            "groups:\n- name: g\n  rules:\n  - alert: High\n    expr: errors > 1\n");
	w.writes = false;
	run(&w, 0, 1, "0m\n  {alertname=\"High\"} firing 5\n1m\n  {alertname=\"High\"} inactive 5\n");
	buf_reset(&w.log);
	assert_int_equal(rules_group_evaluate(w.group, 16 * MINUTE_MS, &w.env), 0);
	uint32_t count;
	rules_group_alerts(w.group, 0, &count);
	assert_int_equal(count, 1); /* 15 minutes are not more than 15 minutes */
	assert_int_equal(rules_group_evaluate(w.group, 16 * MINUTE_MS + 1, &w.env), 0);
	rules_group_alerts(w.group, 0, &count);
	assert_int_equal(count, 0);
	world_end(&w);
}

static void it_is_kept_firing(void **state)
{
	struct world w;
	(void)state;
	world_begin(&w, "load 1m\n  errors 5 0 0 5 0 0 0 0\n",
	            "groups:\n- name: g\n  rules:\n  - alert: High\n    expr: errors > 1\n    keep_firing_for: 3m\n");
	w.writes = false;
	run(&w, 0, 7,
	    "0m\n  {alertname=\"High\"} firing 5\n"
	    "1m\n  {alertname=\"High\"} firing 5\n"
	    "2m\n  {alertname=\"High\"} firing 5\n"
	    "3m\n  {alertname=\"High\"} firing 5\n" /* found again: its time begins anew */
	    "4m\n  {alertname=\"High\"} firing 5\n"
	    "5m\n  {alertname=\"High\"} firing 5\n"
	    "6m\n  {alertname=\"High\"} firing 5\n"
	    "7m\n  {alertname=\"High\"} inactive 5\n");
	world_end(&w);
}

static void what_is_recorded(void **state)
{
	struct world w;
	(void)state;
	world_begin(&w, "load 1m\n  x{a=\"1\", b=\"2\"} 1 2 _ 4\n  x{a=\"2\", b=\"2\"} 10 stale _ _\n",
	            "groups:\n- name: g\n  query_offset: 30s\n  labels: {team: t, b: group}\n  rules:\n"
	            "  - record: job:x\n    expr: x * 2\n    labels: {b: '', c: '3'}\n"
	            "  - record: answer\n    expr: '42'\n"
	            "  - record: broken\n    expr: x * on (b) x\n"
	            "  - record: same\n    expr: x\n    labels: {a: one}\n");
	run(&w, 0, 2,
	    "0m\n"
	    "  answer{b=\"group\", team=\"t\"} 42 @-30\n"
	    "1m\n"
	    "  job:x{a=\"1\", c=\"3\", team=\"t\"} 2 @30\n"
	    "  job:x{a=\"2\", c=\"3\", team=\"t\"} 20 @30\n"
	    "  answer{b=\"group\", team=\"t\"} 42 @30\n"
	    "  broken: found duplicate series for the match group {b=\"2\"} on the right hand-side of the operation: "
	    "[{__name__=\"x\", a=\"1\", b=\"2\"}, {__name__=\"x\", a=\"2\", b=\"2\"}];many-to-many matching not "
	    "allowed: matching labels must be unique on one side\n"
	    "  same: vector contains metrics with the same labelset after applying rule labels\n"
	    "2m\n"
	    "  job:x{a=\"1\", c=\"3\", team=\"t\"} 4 @90\n"
	    "  job:x{a=\"2\", c=\"3\", team=\"t\"} stale @90\n"
	    "  answer{b=\"group\", team=\"t\"} 42 @90\n"
	    "  broken{b=\"group\", team=\"t\"} 4 @90\n"
	    "  same{a=\"one\", b=\"group\", team=\"t\"} 2 @90\n");
	world_end(&w);
}

static void limits_and_duplicates(void **state)
{
	struct world w;
	(void)state;
	world_begin(&w, "load 1m\n  x{a=\"1\"} 1 1 0\n  x{a=\"2\"} 0 1 0\n",
	            "groups:\n- name: g\n  limit: 1\n  rules:\n  - alert: A\n    expr: x > 0\n  - alert: B\n    expr: "
	            "x > 0\n    labels: {a: x}\n"
	            "  - record: r\n    expr: x > 0\n");
	run(&w, 0, 1,
	    "0m\n"
	    "  ALERTS{a=\"1\", alertname=\"A\", alertstate=\"firing\"} 1 @0\n"
	    "  ALERTS_FOR_STATE{a=\"1\", alertname=\"A\"} 0 @0\n"
	    "  ALERTS{a=\"x\", alertname=\"B\", alertstate=\"firing\"} 1 @0\n"
	    "  ALERTS_FOR_STATE{a=\"x\", alertname=\"B\"} 0 @0\n"
	    "  r{a=\"1\"} 1 @0\n"
	    "  {a=\"1\", alertname=\"A\"} firing 1\n"
	    "  {a=\"x\", alertname=\"B\"} firing 1\n"
	    "1m\n"
	    "  A: exceeded limit of 1 with 2 alerts\n"
	    "  B: vector contains metrics with the same labelset after applying alert labels\n"
	    "  {a=\"x\", alertname=\"B\"} firing 1\n"
	    "  r: exceeded limit of 1 with 2 series\n");
	world_end(&w);
}

static void a_template_that_fails_stops_nothing(void **state)
{
	struct world w;
	(void)state;
	world_begin(&w, "load 1m\n  x 1\n  up{job=\"a\"} 7\n",
	            "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: x\n    annotations:\n"
	            "      a: '{{ $labels.a.b }}'\n      b: '{{ query \"up\" | first | value }} {{ with query \"up\" "
	            "}}{{ (index . 0).Labels.job }}{{ end }}'\n"
	            "      c: '{{ query \"up +\" }}'\n");
	w.writes = false;
	run(&w, 0, 0,
	    "0m\n  {alertname=\"A\"} firing 1"
	    " a=<error expanding template: template: __alert_A:1:115: executing \"__alert_A\" at <$labels.a.b>: can't "
	    "evaluate field b in type string>"
	    " b=7 a"
	    " c=<error expanding template: template: __alert_A:1:115: executing \"__alert_A\" at <query>: error "
	    "calling query: 1:5: parse error: unexpected end of input>\n");
	world_end(&w);
}

static void a_reload_keeps_what_was_found(void **state)
{
	struct world w;
	(void)state;
	world_begin(
	    &w, "load 1m\n  x 1x10\n",
	    "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: x\n    for: 2m\n  - record: gone\n    expr: x\n");
	w.writes = false;
	run(&w, 0, 1, "0m\n  {alertname=\"A\"} pending 1\n1m\n  {alertname=\"A\"} pending 1\n");
	struct rules_group *old = w.group;
	w.group = read_group(
	    &w,
	    "groups:\n- name: g\n  rules:\n  - record: new\n    expr: x\n  - alert: A\n    expr: x * 2\n    for: 2m\n");
	assert_int_equal(rules_group_adopt(w.group, old), 0);
	rules_group_free(old);
	w.writes = true;
	run(&w, 2, 2,
	    "2m\n"
	    "  new 1 @120\n"
	    "  gone stale @120\n"
	    "  ALERTS{alertname=\"A\", alertstate=\"firing\"} 1 @120\n"
	    "  ALERTS_FOR_STATE{alertname=\"A\"} 0 @120\n"
	    "  ALERTS{alertname=\"A\", alertstate=\"pending\"} stale @120\n"
	    "  {alertname=\"A\"} firing 2\n");
	buf_reset(&w.log);
	assert_int_equal(rules_group_end(w.group, 3 * MINUTE_MS, &w.env), 0);
	buf_byte(&w.log, '\0');
	assert_string_equal(w.log.ptr, "  new stale @180\n"
	                               "  ALERTS{alertname=\"A\", alertstate=\"firing\"} stale @180\n"
	                               "  ALERTS_FOR_STATE{alertname=\"A\"} stale @180\n");
	world_end(&w);
}

/* The process was down from 2m to 10m: job a had fired, b had been pending for a minute, c is not found any more. */
static void a_restart_goes_on(void **state)
{
	struct world w;
	struct error err = {0};
	(void)state;
	world_begin(&w,
	            "load 1m\n  x{job=\"a\"} 1x20\n  x{job=\"b\"} 1x20\n  x{job=\"d\"} 1x20\n"
	            "  ALERTS_FOR_STATE{alertname=\"A\", job=\"a\"} 0 0 0\n  ALERTS_FOR_STATE{alertname=\"A\", "
	            "job=\"b\"} _ 60 60\n"
	            "  ALERTS_FOR_STATE{alertname=\"A\", job=\"c\"} 0 0 0 0 0 0 0\n  ALERTS{alertname=\"A\", "
	            "alertstate=\"firing\", job=\"c\"} 1x6\n",
	            "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: x\n    for: 2m\n");
	assert_int_equal(rules_group_restore(w.group, 10 * (int64_t)MINUTE_MS, &w.env, &err), 0);
	run(&w, 10, 10,
	    "10m\n"
	    "  ALERTS{alertname=\"A\", alertstate=\"firing\", job=\"a\"} 1 @600\n"
	    "  ALERTS_FOR_STATE{alertname=\"A\", job=\"a\"} 0 @600\n"
	    "  ALERTS{alertname=\"A\", alertstate=\"pending\", job=\"b\"} 1 @600\n"
	    "  ALERTS_FOR_STATE{alertname=\"A\", job=\"b\"} 540 @600\n"
	    "  ALERTS{alertname=\"A\", alertstate=\"pending\", job=\"d\"} 1 @600\n"
	    "  ALERTS_FOR_STATE{alertname=\"A\", job=\"d\"} 600 @600\n"
	    "  ALERTS{alertname=\"A\", alertstate=\"firing\", job=\"c\"} stale @600\n"
	    "  ALERTS_FOR_STATE{alertname=\"A\", job=\"c\"} stale @600\n"
	    "  {alertname=\"A\", job=\"a\"} firing 1\n"
	    "  {alertname=\"A\", job=\"b\"} pending 1\n"
	    "  {alertname=\"A\", job=\"d\"} pending 1\n");
	w.writes = false;
	run(&w, 11, 11,
	    "11m\n"
	    "  {alertname=\"A\", job=\"a\"} firing 1\n"
	    "  {alertname=\"A\", job=\"b\"} firing 1\n" /* one minute before, one after */
	    "  {alertname=\"A\", job=\"d\"} pending 1\n");
	world_end(&w);
}

/* Every Nth allocation fails: what was found before is whole, and nothing leaks (ASan). */
static void memory_may_be_out(void **state)
{
	bool done = false;
	(void)state;
	for (uint64_t n = 1; !done; n++) {
		struct world w;
		world_begin(&w, "load 1m\n  x{a=\"1\"} 1 1 1\n  x{a=\"2\"} 0 1 0\n",
		            "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: x > 0\n    annotations: {s: '{{ "
		            "$value }}'}\n  - record: r\n    expr: x\n");
		w.writes = false;
		uint64_t before = fault_hits(FAULT_MALLOC);
		fault_set(FAULT_MALLOC, n, false, ENOMEM);
		for (int minute = 0; minute < 3; minute++) {
			int code = rules_group_evaluate(w.group, (int64_t)minute * MINUTE_MS, &w.env);
			assert_true(code == 0 || code == -ENOMEM);
		}
		done = fault_hits(FAULT_MALLOC) - before < n;
		fault_clear();
		log_state(&w);
		world_end(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_alert_goes_through_its_states),
	    cmocka_unit_test(it_fires_and_is_resolved),
	    cmocka_unit_test(a_resolved_alert_is_forgotten_in_time),
	    cmocka_unit_test(it_is_kept_firing),
	    cmocka_unit_test(what_is_recorded),
	    cmocka_unit_test(limits_and_duplicates),
	    cmocka_unit_test(a_template_that_fails_stops_nothing),
	    cmocka_unit_test(a_reload_keeps_what_was_found),
	    cmocka_unit_test(a_restart_goes_on),
	    cmocka_unit_test(memory_may_be_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alerts/alerts.h"
#include "base/fault.h"

/* Errors, a line each. */
static void note(void *ctx, const struct error *err)
{
	buf_str(ctx, err->text);
	buf_byte(ctx, '\n');
}

static int read_text(const char *text, struct arena *arena, struct rule_file *out, struct buf *errors)
{
	int count = rule_file_read(SLICE("r.yml"), slice_cstr(text), arena, out, note, errors);

	buf_byte(errors, '\0');
	return count;
}

static void a_file_is_read_whole(void **state)
{
	static const char text[] = "groups:\n"
	                           "- name: agents\n"
	                           "  interval: 30s\n"
	                           "  limit: 5\n"
	                           "  query_offset: 1m\n"
	                           "  labels: {team: a}\n"
	                           "  rules:\n"
	                           "  - alert: HighErrorRate\n"
	                           "    expr: rate(agent_errors_total[5m]) > 0.1\n"
	                           "    for: 5m\n"
	                           "    keep_firing_for: 1h30m\n"
	                           "    labels: {severity: warning, b: 1}\n"
	                           "    annotations:\n"
	                           "      summary: \"{{ $value | humanize }} of {{ $labels.job }}\"\n"
	                           "  - record: job:errors:rate5m\n"
	                           "    expr: sum by (job) (rate(agent_errors_total[5m]))\n"
	                           "- name: empty\n";
	struct arena arena;
	struct rule_file f;
	struct buf errors = {0};
	(void)state;
	arena_init(&arena);
	int count = read_text(text, &arena, &f, &errors);
	if (count != 0)
		fail_msg("%s", errors.ptr);
	assert_int_equal(f.group_count, 2);
	const struct rule_group *g = &f.groups[0];
	assert_true(slice_eq(g->name, SLICE("agents")));
	assert_int_equal(g->interval_ms, 30000);
	assert_int_equal(g->limit, 5);
	assert_int_equal(g->query_offset_ms, 60000);
	assert_int_equal(g->label_count, 1);
	assert_int_equal(g->rule_count, 2);
	const struct rule *alert = &g->rules[0];
	assert_int_equal(alert->kind, RULE_ALERTING);
	assert_int_equal(alert->line, 8);
	assert_int_equal(alert->for_ms, 300000);
	assert_int_equal(alert->keep_firing_for_ms, 5400000);
	assert_int_equal(alert->label_count, 2);
	assert_true(slice_eq(alert->labels[0].name, SLICE("b"))); /* in order */
	assert_true(slice_eq(alert->labels[0].text, SLICE("1")));
	assert_int_equal(alert->annotation_count, 1);
	assert_int_equal(alert->expr->kind, PROMQL_BINARY);
	assert_int_equal(g->rules[1].kind, RULE_RECORDING);
	assert_true(slice_eq(g->rules[1].name, SLICE("job:errors:rate5m")));
	assert_int_equal(f.groups[1].rule_count, 0);
	assert_int_equal(f.groups[1].query_offset_ms, -1);
	buf_free(&errors);
	arena_deinit(&arena);
}

static void what_is_wrong_is_named(void **state)
{
	static const struct {
		const char *text, *errors;
	} examples[] = {
	    {"", ""},
	    {"groups:\n", ""},
	    {"group: []\n", "r.yml:1: a rule file has no field group\n"},
	    {"groups: {}\n", "r.yml:1: groups is a list, not a map\n"},
	    {"- a\n", "r.yml:1: a rule file is a map with groups, not a list\n"},
	    {"groups:\n- rules: []\n", "r.yml:2: groupname must not be empty\n"},
	    {"groups:\n- name: a\n- name: a\n", "r.yml:3: groupname: \"a\" is repeated in the same file\n"},
	    {"groups:\n- name: a\n  every: 1m\n", "r.yml:3: a group has no field every\n"},
	    {"groups:\n- name: a\n  interval: 5\n", "r.yml:3: interval: "},
	    {"groups:\n- name: a\n  limit: x\n", "r.yml:3: limit is an integer\n"},
	    {"groups:\n- name: a\n  rules:\n  - expr: up\n", "r.yml:4: one of 'record' or 'alert' must be set\n"},
	    {"groups:\n- name: a\n  rules:\n  - {record: x, alert: y, expr: up}\n",
	     "r.yml:4: only one of 'record' and 'alert' must be set\n"},
	    {"groups:\n- name: a\n  rules:\n  - alert: x\n", "r.yml:4: field 'expr' must be set in rule\n"},
	    {"groups:\n- name: a\n  rules:\n  - alert: x\n    expr: up +\n",
	     "r.yml:5: could not parse expression: 1:5: parse error: unexpected end of input\n"},
	    {"groups:\n- name: a\n  rules:\n  - record: x\n    expr: up\n    for: 5m\n",
	     "r.yml:6: invalid field 'for' in recording rule\n"},
	    {"groups:\n- name: a\n  rules:\n  - record: x\n    expr: up\n    annotations: {a: b}\n",
	     "r.yml:6: invalid field 'annotations' in recording rule\n"},
	    {"groups:\n- name: a\n  rules:\n  - record: \"x{a=\\\"b\\\"}\"\n    expr: up\n",
	     "r.yml:4: invalid recording rule name: x{a=\"b\"}\n"},
	    {"groups:\n- name: a\n  rules:\n  - alert: x\n    expr: up\n    labels: {__name__: y}\n",
	     "r.yml:6: invalid label name: __name__\n"},
	    {"groups:\n- name: a\n  rules:\n  - alert: x\n    expr: up\n    annotations:\n      s: \"{{ $foo }}\"\n",
	     "r.yml:7: annotation \"s\": template: __alert_x:1: undefined variable \"$foo\"\n"},
	    {"groups:\n- name: a\n  rules:\n  - alert: x\n    expr: up\n    annotations: {s: '{{ query \"up\" | first "
	     "| value }} {{ externalURL }}'}\n",
	     ""},
	    {"groups:\n- name: a\n  rules:\n  - alert: x\n    expr: up\n    labels: {s: [1]}\n",
	     "r.yml:6: label s is a text, not a list\n"},
	    {"groups:\n- name: a\n  rules:\n  - alert: x\n    expr: up\n    colour: red\n",
	     "r.yml:6: a rule has no field colour\n"},
	    {"groups:\n- name: a\n  rules:\n  - alert: x\n    expr: up\n    expr: down\n",
	     "r.yml: line 6: mapping key \"expr\" already defined at line 5\n"},
	    {"groups:\n- name: a\n  rules:\n  - alert: x\n    expr: (\n  - record: y\n    expr: up\n    for: 1m\n",
	     "r.yml:5: could not parse expression: 1:2: parse error: unclosed left parenthesis\nr.yml:8: invalid field "
	     "'for' in recording rule\n"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
		struct arena arena;
		struct rule_file f;
		struct buf errors = {0};
		arena_init(&arena);
		int count = read_text(examples[i].text, &arena, &f, &errors);
		size_t len = strlen(examples[i].errors);
		bool whole = len == 0 || examples[i].errors[len - 1] == '\n';
		if ((count == 0) != (len == 0) || strncmp(errors.ptr, examples[i].errors, len + whole) != 0)
			fail_msg("%s\n   gives %d: %s\n  wanted: %s", examples[i].text, count, errors.ptr,
			         examples[i].errors);
		buf_free(&errors);
		arena_deinit(&arena);
	}
}

static void memory_may_be_out(void **state)
{
	bool done = false;
	(void)state;
	for (uint64_t n = 1; !done; n++) {
		struct arena arena;
		struct rule_file f;
		struct buf errors = {0};
		uint64_t before = fault_hits(FAULT_MALLOC);
		arena_init(&arena);
		buf_grow(&errors, 4096);
		fault_set(FAULT_MALLOC, n, false, ENOMEM);
		int count = read_text("groups:\n- name: a\n  rules:\n  - alert: x\n    expr: up == 0\n    annotations: "
		                      "{s: '{{ $value }}'}\n",
		                      &arena, &f, &errors);
		done = fault_hits(FAULT_MALLOC) - before < n;
		fault_clear();
		if (count != 0 && count != -ENOMEM)
			fail_msg("%d: %s", count, errors.ptr);
		buf_free(&errors);
		arena_deinit(&arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_file_is_read_whole),
	    cmocka_unit_test(what_is_wrong_is_named),
	    cmocka_unit_test(memory_may_be_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

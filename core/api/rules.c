/* GET /api/v1/rules and /api/v1/alerts, in Prometheus's shape (web/api/v1/api.go). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/internal.h"
#include "base/clock.h"
#include "promql/promql.h"
#include "record/labels.h"

/* ---- texts ---- */

/* RFC 3339 in UTC, with the milliseconds where there are any; the beginning of Go's time for what has not been. */
static void put_time(struct buf *out, int64_t ms)
{
	char text[32];

	if (ms == INT64_MIN) {
		buf_str(out, "\"0001-01-01T00:00:00Z\"");
		return;
	}
	int len = clock_format_rfc3339(ms * NS_PER_MS, text);
	bool whole = len > 5 && memcmp(text + len - 5, ".000Z", 5) == 0;
	buf_byte(out, '"');
	buf_append(out, text, (size_t)(whole ? len - 5 : len));
	buf_str(out, whole ? "Z\"" : "\"");
}

/* With an exponent and as few digits as read back the same: 1e+00, as Prometheus writes an alert's value. */
static void put_value(struct buf *out, double v)
{
	char text[40];

	if (v != v || v - v != 0) { /* NaN and infinities */
		buf_byte(out, '"');
		buf_number(out, v);
		buf_byte(out, '"');
		return;
	}
	for (int digits = 0; digits <= 17; digits++) {
		snprintf(text, sizeof text, "%.*e", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	buf_printf(out, "\"%s\"", text);
}

static void put_labels(struct buf *out, struct slice labels)
{
	struct slice rest = labels;
	const char *before = "{";

	for (struct label l; labels_next(&rest, &l); before = ",") {
		buf_str(out, before);
		buf_json_string(out, l.name);
		buf_byte(out, ':');
		buf_json_string(out, l.value);
	}
	buf_str(out, *before == '{' ? "{}" : "}");
}

static void put_texts(struct buf *out, const struct alert_text *texts, uint32_t count)
{
	buf_byte(out, '{');
	for (uint32_t i = 0; i < count; i++) {
		buf_str(out, i > 0 ? "," : "");
		buf_json_string(out, texts[i].name);
		buf_byte(out, ':');
		buf_json_string(out, texts[i].value);
	}
	buf_byte(out, '}');
}

static const struct rule_text *find_text(const struct rule_text *texts, uint32_t count, struct slice name)
{
	for (uint32_t i = 0; i < count; i++) {
		if (slice_eq(texts[i].name, name))
			return &texts[i];
	}
	return NULL;
}

/* Those of the group that the rule has not itself, then its own. */
static void put_rule_labels(struct buf *out, const struct rule_group *group, const struct rule *rule)
{
	const char *before = "";

	buf_byte(out, '{');
	for (uint32_t i = 0; i < group->label_count; i++) {
		if (find_text(rule->labels, rule->label_count, group->labels[i].name) != NULL)
			continue;
		buf_str(out, before);
		buf_json_string(out, group->labels[i].name);
		buf_byte(out, ':');
		buf_json_string(out, group->labels[i].text);
		before = ",";
	}
	for (uint32_t i = 0; i < rule->label_count; i++) {
		buf_str(out, before);
		buf_json_string(out, rule->labels[i].name);
		buf_byte(out, ':');
		buf_json_string(out, rule->labels[i].text);
		before = ",";
	}
	buf_byte(out, '}');
}

static void put_annotations(struct buf *out, const struct rule *rule)
{
	buf_byte(out, '{');
	for (uint32_t i = 0; i < rule->annotation_count; i++) {
		buf_str(out, i > 0 ? "," : "");
		buf_json_string(out, rule->annotations[i].name);
		buf_byte(out, ':');
		buf_json_string(out, rule->annotations[i].text);
	}
	buf_byte(out, '}');
}

/* ---- alerts ---- */

static void put_alert(struct buf *out, const struct alert *a)
{
	buf_str(out, "{\"labels\":");
	put_labels(out, a->labels);
	buf_str(out, ",\"annotations\":");
	put_texts(out, a->annotations, a->annotation_count);
	buf_printf(out, ",\"state\":\"%s\",\"activeAt\":", alert_state_name(a->state));
	put_time(out, a->active_at_ms);
	if (a->keep_firing_since_ms != INT64_MIN) {
		buf_str(out, ",\"keepFiringSince\":");
		put_time(out, a->keep_firing_since_ms);
	}
	buf_str(out, ",\"value\":");
	put_value(out, a->value);
	buf_byte(out, '}');
}

/* Those that are pending or firing; *before stands before the first. */
static void put_alerts(struct buf *out, const struct rules_group *g, uint32_t rule, const char **before)
{
	uint32_t count;
	const struct alert *alerts = rules_group_alerts(g, rule, &count);

	for (uint32_t i = 0; i < count; i++) {
		if (alerts[i].state == ALERT_INACTIVE)
			continue;
		buf_str(out, *before);
		put_alert(out, &alerts[i]);
		*before = ",";
	}
}

/* ---- rules ---- */

/* What is asked for. */
struct listing {
	struct query *q;
	bool alerts, records; /* kinds of rules */
	bool without_alerts;
	const char *before; /* the next group */
};

/* Is the text among the values of the parameter? Where it is not given, all are. */
static bool is_asked(const struct params *p, const char *name, struct slice text)
{
	bool given = false;

	for (uint32_t i = 0; i < p->count; i++) {
		if (!slice_eq(p->items[i].name, slice_cstr(name)))
			continue;
		given = true;
		if (slice_eq(p->items[i].value, text))
			return true;
	}
	return !given;
}

static bool is_listed(const struct listing *l, const struct rule *r)
{
	bool kind = r->kind == RULE_ALERTING ? l->alerts : l->records;

	return kind && is_asked(&l->q->params, "rule_name[]", r->name);
}

static const char *state_of(const struct rules_group *g, uint32_t rule)
{
	enum alert_state state = ALERT_INACTIVE;
	uint32_t count;
	const struct alert *alerts = rules_group_alerts(g, rule, &count);

	for (uint32_t i = 0; i < count; i++)
		state = alerts[i].state > state ? alerts[i].state : state;
	return alert_state_name(state);
}

static void put_duration_s(struct buf *out, const char *name, int64_t ms)
{
	buf_printf(out, ",\"%s\":", name);
	buf_json_number(out, (double)ms / 1000);
}

static void put_health(struct buf *out, const struct rule_health *h)
{
	buf_printf(out, ",\"health\":\"%s\"", !h->evaluated ? "unknown" : h->error.code == 0 ? "ok" : "err");
	if (h->error.code != 0) {
		buf_str(out, ",\"lastError\":");
		buf_json_string(out, slice_cstr(h->error.text));
	}
	buf_str(out, ",\"evaluationTime\":");
	buf_json_number(out, h->seconds);
	buf_str(out, ",\"lastEvaluation\":");
	put_time(out, h->evaluated ? h->evaluated_at_ms : INT64_MIN);
}

static void put_rule(struct listing *l, const struct rules_group *g, uint32_t at)
{
	const struct rule_group *group = rules_group_of(g);
	const struct rule *rule = &group->rules[at];
	struct buf *out = &l->q->out;
	bool alert = rule->kind == RULE_ALERTING;

	buf_byte(out, '{');
	if (alert)
		buf_printf(out, "\"state\":\"%s\",", state_of(g, at));
	buf_str(out, "\"name\":");
	buf_json_string(out, rule->name);
	buf_str(out, ",\"query\":");
	struct buf text = {0};
	promql_print(rule->expr, &text);
	buf_json_string(out, buf_slice(&text));
	out->failed |= buf_failed(&text);
	buf_free(&text);
	if (alert) {
		put_duration_s(out, "duration", rule->for_ms);
		put_duration_s(out, "keepFiringFor", rule->keep_firing_for_ms);
	}
	buf_str(out, ",\"labels\":");
	put_rule_labels(out, group, rule);
	if (alert) {
		const char *before = "[";
		buf_str(out, ",\"annotations\":");
		put_annotations(out, rule);
		buf_str(out, ",\"alerts\":");
		if (!l->without_alerts)
			put_alerts(out, g, at, &before);
		buf_str(out, *before == '[' ? "[]" : "]");
	}
	put_health(out, rules_group_health(g, at));
	buf_printf(out, ",\"type\":\"%s\"}", alert ? "alerting" : "recording");
}

static void list_group(void *ctx, const struct rules_group_view *view)
{
	struct listing *l = ctx;
	const struct rule_group *group = rules_group_of(view->group);
	struct buf *out = &l->q->out;
	const char *before = "[";

	if (!is_asked(&l->q->params, "rule_group[]", group->name) || !is_asked(&l->q->params, "file[]", group->file))
		return;
	size_t begin = out->len;
	buf_str(out, l->before);
	buf_str(out, "{\"name\":");
	buf_json_string(out, group->name);
	buf_str(out, ",\"file\":");
	buf_json_string(out, group->file);
	buf_str(out, ",\"rules\":");
	for (uint32_t i = 0; i < group->rule_count; i++) {
		if (!is_listed(l, &group->rules[i]))
			continue;
		buf_str(out, before);
		put_rule(l, view->group, i);
		before = ",";
	}
	if (*before == '[') { /* a group none of whose rules was asked for is not listed */
		out->len = begin;
		return;
	}
	buf_byte(out, ']');
	put_duration_s(out, "interval", view->interval_ms);
	buf_printf(out, ",\"limit\":%lld,\"evaluationTime\":", (long long)group->limit);
	buf_json_number(out, view->seconds);
	buf_str(out, ",\"lastEvaluation\":");
	put_time(out, view->evaluated_at_ms);
	buf_byte(out, '}');
	l->before = ",";
}

static void refuse_type(struct query *q, struct slice type)
{
	struct error err = {0};
	struct buf quoted = {0};

	promql_quote(type, &quoted);
	buf_byte(&quoted, '\0');
	error_set(&err, -EINVAL, "invalid parameter \"type\": not supported value %s",
	          buf_failed(&quoted) ? "" : quoted.ptr);
	query_fail_code(q, -EINVAL, &err);
	buf_free(&quoted);
}

static void answer_rules(struct query *q)
{
	struct slice type = params_get(&q->params, "type");
	struct listing l = {.q = q,
	                    .alerts = !slice_eq(type, SLICE("record")),
	                    .records = !slice_eq(type, SLICE("alert")),
	                    .without_alerts = slice_eq(params_get(&q->params, "exclude_alerts"), SLICE("true")),
	                    .before = ""};

	if (type.len > 0 && l.alerts && l.records) {
		refuse_type(q, type);
		return;
	}
	buf_str(&q->out, "{\"groups\":[");
	if (q->api->rules != NULL)
		rules_each_group(q->api->rules, list_group, &l);
	buf_str(&q->out, "]}");
}

void api_get_rules(void *ctx, struct http_request *req)
{
	query_start(ctx, req, answer_rules);
}

struct alert_listing {
	struct buf *out;
	const char *before;
};

static void list_alerts(void *ctx, const struct rules_group_view *view)
{
	struct alert_listing *l = ctx;

	for (uint32_t i = 0; i < rules_group_of(view->group)->rule_count; i++)
		put_alerts(l->out, view->group, i, &l->before);
}

static void answer_alerts(struct query *q)
{
	struct alert_listing l = {&q->out, ""};

	buf_str(&q->out, "{\"alerts\":[");
	if (q->api->rules != NULL)
		rules_each_group(q->api->rules, list_alerts, &l);
	buf_str(&q->out, "]}");
}

void api_get_alerts(void *ctx, struct http_request *req)
{
	query_start(ctx, req, answer_alerts);
}

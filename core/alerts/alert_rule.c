/* Alerting rules: which alerts there are, and in which state (Prometheus's rules/alerting.go). */
#include <errno.h>

#include "alerts/internal.h"
#include "base/mem.h"

/* What an evaluation has found. */
struct candidate {
	struct slice labels;
	struct alert_text *annotations;
	double value;
	bool known; /* the rule has it already */
};

const char *alert_state_name(enum alert_state state)
{
	static const char *const names[] = {"inactive", "pending", "firing"};

	return names[state];
}

/* ---- what a rule holds ---- */

static void alert_free(struct alert *a)
{
	mem_free((void *)(uintptr_t)a->labels.ptr);
	mem_free((void *)(uintptr_t)a->annotations);
}

void rule_alerts_free(struct rule_state *s)
{
	for (uint32_t i = 0; i < s->alert_count; i++)
		alert_free(&s->alerts[i]);
	mem_free(s->alerts);
	table_deinit(&s->by_labels);
	s->alerts = NULL;
	s->alert_count = 0;
	s->alert_cap = 0;
}

int rule_alerts_index(struct rule_state *s)
{
	table_clear(&s->by_labels);
	for (uint32_t i = 0; i < s->alert_count; i++) {
		if (table_add(&s->by_labels, labels_hash(s->alerts[i].labels), i) != 0)
			return -ENOMEM;
	}
	return 0;
}

static bool same(const void *ctx, const void *key, uint32_t item)
{
	const struct rule_state *s = ctx;

	return slice_eq(s->alerts[item].labels, *(const struct slice *)key);
}

static struct alert *find(struct rule_state *s, struct slice labels)
{
	uint32_t at = table_find(&s->by_labels, labels_hash(labels), same, s, &labels);

	return at == TABLE_NONE ? NULL : &s->alerts[at];
}

/* Annotations in one piece of memory of their own. NULL: memory is out. */
static const struct alert_text *keep_annotations(const struct alert_text *from, uint32_t count)
{
	size_t size = count * sizeof *from + 1;

	for (uint32_t i = 0; i < count; i++)
		size +=
		    from[i].value.len; /* names are the rule's, which may go before the alert: they are copied too */
	for (uint32_t i = 0; i < count; i++)
		size += from[i].name.len;
	struct alert_text *to = mem_alloc(size);
	if (to == NULL)
		return NULL;
	char *at = (char *)(to + count);
	for (uint32_t i = 0; i < count; i++) {
		memcpy(at, from[i].name.ptr, from[i].name.len);
		to[i].name = slice_new(at, from[i].name.len);
		at += from[i].name.len;
		memcpy(at, from[i].value.ptr, from[i].value.len);
		to[i].value = slice_new(at, from[i].value.len);
		at += from[i].value.len;
	}
	return to;
}

/* ---- what is found ---- */

/* A template's text, expanded, in the evaluation's memory. */
static int expand(struct evaluation *e, const struct rule_template_data *data, struct slice text, struct slice *out)
{
	struct buf b = {0};
	int code = rule_template_expand(data, text, &b);

	if (code == 0) {
		*out = arena_copy(&e->arena, b.len > 0 ? buf_slice(&b) : SLICE(""));
		code = out->ptr == NULL ? -ENOMEM : 0;
	}
	buf_free(&b);
	return code;
}

static int make_labels(struct evaluation *e, const struct rule_template_data *data, struct slice *out)
{
	const struct rule *rule = e->state->rule;
	const struct rule_group *group = e->state->group;
	struct label_changes changes = {.count = 0};
	int code = 0;

	for (uint32_t i = 0; i < group->label_count; i++)
		label_changes_set(&changes, group->labels[i].name, group->labels[i].text);
	for (uint32_t i = 0; i < rule->label_count && code == 0; i++) {
		struct slice value;
		code = expand(e, data, rule->labels[i].text, &value);
		if (code == 0)
			label_changes_set(&changes, rule->labels[i].name, value);
	}
	label_changes_set(&changes, SLICE("alertname"), rule->name);
	return code == 0 ? evaluation_labels(e, data->labels, &changes, out) : code;
}

static int make_candidate(struct evaluation *e, const struct promql_series *s, struct candidate *c)
{
	const struct rule *rule = e->state->rule;
	const struct rule_template_data data = {e->env, rule->name, s->labels, s->values[0], e->sample_ms};

	*c = (struct candidate){.value = s->values[0]};
	int code = make_labels(e, &data, &c->labels);
	c->annotations = arena_alloc(&e->arena, rule->annotation_count * sizeof *c->annotations + 1);
	if (c->annotations == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < rule->annotation_count && code == 0; i++) {
		c->annotations[i].name = rule->annotations[i].name;
		code = expand(e, &data, rule->annotations[i].text, &c->annotations[i].value);
	}
	return code;
}

static int make_candidates(struct evaluation *e, const struct promql_result *r, struct candidate *candidates,
                           struct series_set *found)
{
	for (uint32_t i = 0; i < r->series_count; i++) {
		int code = make_candidate(e, &r->series[i], &candidates[i]);
		if (code == 0)
			code = series_set_add(found, candidates[i].labels);
		if (code < 0)
			return code;
		if (code == 0)
			return error_set(e->err, -EINVAL,
			                 "vector contains metrics with the same labelset after applying alert labels");
	}
	return 0;
}

/* ---- what becomes of it ---- */

/* A new alert, or one that was resolved and is found again. */
static int start(struct evaluation *e, const struct candidate *c, struct alert *a)
{
	uint32_t count = e->state->rule->annotation_count;
	const struct alert_text *annotations = keep_annotations(c->annotations, count);
	char *labels =
	    a->labels.ptr != NULL ? (char *)(uintptr_t)a->labels.ptr : mem_strndup(c->labels.ptr, c->labels.len);

	if (annotations == NULL || labels == NULL) {
		mem_free((void *)(uintptr_t)annotations);
		if (a->labels.ptr == NULL)
			mem_free(labels);
		return -ENOMEM;
	}
	mem_free((void *)(uintptr_t)a->annotations);
	*a = (struct alert){
	    .labels = slice_new(labels, c->labels.len),
	    .annotations = annotations,
	    .annotation_count = count,
	    .state = ALERT_PENDING,
	    .value = c->value,
	    .active_at_ms = prior_active_at(&e->state->prior, c->labels, e->at_ms, e->state->rule->for_ms),
	    .fired_at_ms = INT64_MIN,
	    .resolved_at_ms = INT64_MIN,
	    .keep_firing_since_ms = INT64_MIN,
	};
	return 0;
}

/* One that is pending or firing: its value and its texts are those of now. */
static int go_on(struct evaluation *e, const struct candidate *c, struct alert *a)
{
	uint32_t count = e->state->rule->annotation_count;
	const struct alert_text *annotations = keep_annotations(c->annotations, count);

	if (annotations == NULL)
		return -ENOMEM;
	mem_free((void *)(uintptr_t)a->annotations);
	a->annotations = annotations;
	a->annotation_count = count;
	a->value = c->value;
	return 0;
}

/* All of them are found, or none is changed but for its texts. */
static int take_candidates(struct evaluation *e, const struct candidate *candidates, uint32_t count)
{
	struct rule_state *s = e->state;

	for (uint32_t i = 0; i < count; i++) {
		struct alert *a = find(s, candidates[i].labels);
		int code;
		if (a == NULL) {
			if (mem_grow((void **)&s->alerts, &s->alert_cap, s->alert_count, sizeof *s->alerts) != 0)
				return -ENOMEM;
			a = &s->alerts[s->alert_count];
			*a = (struct alert){0};
			if (table_reserve(&s->by_labels, s->alert_count + 1) != 0)
				return -ENOMEM;
			code = start(e, &candidates[i], a);
			if (code == 0)
				code = table_add(&s->by_labels, labels_hash(a->labels), s->alert_count++);
		} else {
			code = a->state == ALERT_INACTIVE ? start(e, &candidates[i], a) : go_on(e, &candidates[i], a);
		}
		if (code != 0)
			return code;
	}
	return 0;
}

/* An alert that was not found. False: it is forgotten. *counts: it is pending or firing still. */
static bool miss(const struct evaluation *e, struct alert *a, bool *counts)
{
	int64_t keep_ms = e->state->rule->keep_firing_for_ms;
	bool held = false;

	*counts = false;
	if (a->state == ALERT_FIRING && keep_ms > 0) {
		if (a->keep_firing_since_ms == INT64_MIN)
			a->keep_firing_since_ms = e->at_ms;
		held = e->at_ms - a->keep_firing_since_ms < keep_ms;
	}
	if (a->state == ALERT_PENDING)
		return false;
	if (a->resolved_at_ms != INT64_MIN && e->at_ms - a->resolved_at_ms > ALERT_RESOLVED_KEPT_MS)
		return false;
	if (a->state != ALERT_INACTIVE && !held) {
		a->state = ALERT_INACTIVE;
		a->resolved_at_ms = e->at_ms;
	}
	*counts = held;
	return true;
}

static void mature(const struct evaluation *e, struct alert *a)
{
	if (a->state == ALERT_PENDING && e->at_ms - a->active_at_ms >= e->state->rule->for_ms) {
		a->state = ALERT_FIRING;
		a->fired_at_ms = e->at_ms;
	}
}

/* ALERTS and ALERTS_FOR_STATE of an active alert. */
static int append_alert(struct evaluation *e, const struct alert *a)
{
	struct label_changes changes = {.count = 0};
	struct slice labels;

	label_changes_set(&changes, LABEL_METRIC_NAME, SLICE("ALERTS"));
	label_changes_set(&changes, SLICE("alertname"), e->state->rule->name);
	label_changes_set(&changes, SLICE("alertstate"), slice_cstr(alert_state_name(a->state)));
	int code = evaluation_labels(e, a->labels, &changes, &labels);
	if (code == 0)
		code = evaluation_append(e, labels, 1);
	if (code != 0)
		return code;
	changes.count = 0;
	label_changes_set(&changes, LABEL_METRIC_NAME, SLICE("ALERTS_FOR_STATE"));
	label_changes_set(&changes, SLICE("alertname"), e->state->rule->name);
	code = evaluation_labels(e, a->labels, &changes, &labels);
	int64_t active_at_s = a->active_at_ms / 1000; /* whole seconds, as Prometheus writes them */
	return code == 0 ? evaluation_append(e, labels, (double)active_at_s) : code;
}

/* All alerts of the rule, found and not; those that are forgotten go. *active: how many are pending or firing. 0, -ENOMEM. */
static int advance(struct evaluation *e, const struct series_set *found, uint32_t *active)
{
	struct rule_state *s = e->state;
	uint32_t kept = 0;

	*active = 0;
	for (uint32_t i = 0; i < s->alert_count; i++) {
		struct alert *a = &s->alerts[i];
		bool counts = series_set_find(found, a->labels) != TABLE_NONE;
		if (counts) {
			a->keep_firing_since_ms = INT64_MIN;
		} else if (!miss(e, a, &counts)) {
			alert_free(a);
			continue;
		}
		if (counts) {
			++*active;
			mature(e, a);
		}
		s->alerts[kept++] = *a;
	}
	s->alert_count = kept;
	return rule_alerts_index(s);
}

static int append_alerts(struct evaluation *e, uint32_t active)
{
	struct rule_state *s = e->state;
	int64_t limit = s->group->limit;
	int code = 0;

	if (limit > 0 && active > limit) {
		rule_alerts_free(s);
		return error_set(e->err, -EINVAL, "exceeded limit of %lld with %u alerts", (long long)limit, active);
	}
	for (uint32_t i = 0; i < s->alert_count && code == 0; i++) {
		if (s->alerts[i].state != ALERT_INACTIVE)
			code = append_alert(e, &s->alerts[i]);
	}
	return code;
}

int rule_evaluate_alert(struct evaluation *e)
{
	struct promql_result r;
	struct series_set found = {0};
	uint32_t active;

	int code = evaluation_query(e, &r);
	if (code != 0)
		return code;
	struct candidate *candidates = arena_alloc(&e->arena, r.series_count * sizeof *candidates + 1);
	code = candidates == NULL ? -ENOMEM : make_candidates(e, &r, candidates, &found);
	if (code == 0)
		code = take_candidates(e, candidates, r.series_count);
	if (code == 0)
		code = advance(e, &found, &active);
	if (code == 0)
		code = append_alerts(e, active);
	series_set_deinit(&found);
	promql_result_free(&r);
	return code;
}

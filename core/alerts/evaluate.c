/* Groups of rules: their rules one after the other, and what becomes of series that are gone. */
#include <errno.h>

#include "alerts/internal.h"
#include "base/clock.h"
#include "base/mem.h"
#include "record/samples.h"

struct rules_group {
	const struct rule_group *group;
	struct rule_state *states; /* a rule each; owned */
};

/* ---- one rule ---- */

int evaluation_query(struct evaluation *e, struct promql_result *out)
{
	const struct rule *rule = e->state->rule;
	int code = e->env->query(e->env->ctx, rule->expr, rule->expr_text, e->sample_ms, out, e->err);

	if (code != 0)
		return code;
	if (out->type == PROMQL_VECTOR || out->type == PROMQL_SCALAR)
		return 0;
	promql_result_free(out);
	return error_set(e->err, -EINVAL, "rule result is not a vector or scalar");
}

int evaluation_append(struct evaluation *e, struct slice labels, double value)
{
	int code = series_set_add(&e->written, labels);

	if (code < 0)
		return code;
	return e->env->append(e->env->ctx, labels, e->sample_ms, value, e->err);
}

void label_changes_set(struct label_changes *c, struct slice name, struct slice value)
{
	for (uint32_t i = 0; i < c->count; i++) {
		if (slice_eq(c->items[i].name, name)) {
			c->items[i].value = value;
			return;
		}
	}
	if (c->count < LABELS_MAX)
		c->items[c->count++] = (struct label){name, value};
}

static bool is_changed(const struct label_changes *c, struct slice name)
{
	for (uint32_t i = 0; i < c->count; i++) {
		if (slice_eq(c->items[i].name, name))
			return true;
	}
	return slice_eq(name, LABEL_METRIC_NAME);
}

int evaluation_labels(struct evaluation *e, struct slice labels, const struct label_changes *c, struct slice *out)
{
	struct label all[2 * LABELS_MAX];
	struct slice rest = labels;
	struct label l;
	struct buf text = {0};
	uint32_t count = 0;

	while (count < LABELS_MAX && labels_next(&rest, &l)) {
		if (!is_changed(c, l.name))
			all[count++] = l;
	}
	for (uint32_t i = 0; i < c->count; i++)
		all[count++] = c->items[i];
	int code = labels_canonical(all, count, &text, e->err);
	if (code == 0) {
		*out = arena_copy(&e->arena, buf_slice(&text));
		code = out->ptr == NULL ? -ENOMEM : 0;
	}
	buf_free(&text);
	return code;
}

/* Series that were written before and are not any more get a stale marker. */
static int end_series(const struct series_set *before, const struct series_set *now, struct evaluation *e)
{
	for (uint32_t i = 0; i < before->count; i++) {
		if (now != NULL && series_set_find(now, before->items[i]) != TABLE_NONE)
			continue;
		int code = e->env->append(e->env->ctx, before->items[i], e->sample_ms, sample_stale(), e->err);
		if (code != 0)
			return code;
	}
	return 0;
}

static int64_t offset_of(const struct rule_group *group, const struct rules_env *env)
{
	return group->query_offset_ms >= 0 ? group->query_offset_ms : env->query_offset_ms;
}

static struct evaluation begin(struct rule_state *s, int64_t at_ms, const struct rules_env *env, struct error *err)
{
	return (struct evaluation){
	    .state = s, .env = env, .at_ms = at_ms, .sample_ms = at_ms - offset_of(s->group, env), .err = err};
}

static int evaluate_rule(struct rule_state *s, int64_t at_ms, const struct rules_env *env)
{
	struct error err = {0};
	struct evaluation e = begin(s, at_ms, env, &err);
	int64_t began_ns = clock_mono_ns();

	arena_init(&e.arena);
	int code = s->rule->kind == RULE_ALERTING ? rule_evaluate_alert(&e) : rule_evaluate_record(&e);
	if (code == 0)
		code = end_series(&s->written, &e.written, &e);
	if (code == 0)
		code = end_series(&s->ended, &e.written, &e);
	if (code == 0 && env->flush != NULL)
		code = env->flush(env->ctx, &err);
	if (code == 0) {
		series_set_deinit(&s->ended);
		series_set_deinit(&s->written);
		s->written = e.written;
		prior_deinit(&s->prior);
	} else {
		series_set_deinit(&e.written);
	}
	arena_deinit(&e.arena);
	if (code == -ENOMEM)
		error_set(&err, code, "out of memory");
	s->health = (struct rule_health){true, err, at_ms, (double)(clock_mono_ns() - began_ns) / 1e9};
	return code;
}

/* ---- groups ---- */

struct rules_group *rules_group_new(const struct rule_group *group)
{
	struct rules_group *g = mem_zalloc(1, sizeof *g);
	if (g == NULL)
		return NULL;
	g->group = group;
	g->states = mem_zalloc(group->rule_count + 1, sizeof *g->states);
	if (g->states == NULL) {
		mem_free(g);
		return NULL;
	}
	for (uint32_t i = 0; i < group->rule_count; i++) {
		g->states[i].rule = &group->rules[i];
		g->states[i].group = group;
	}
	return g;
}

static void state_free(struct rule_state *s)
{
	series_set_deinit(&s->written);
	series_set_deinit(&s->ended);
	prior_deinit(&s->prior);
	rule_alerts_free(s);
}

void rules_group_free(struct rules_group *g)
{
	if (g == NULL)
		return;
	for (uint32_t i = 0; i < g->group->rule_count; i++)
		state_free(&g->states[i]);
	mem_free(g->states);
	mem_free(g);
}

/* The place of the nth rule of this kind and name, or the number of rules. */
static uint32_t nth_named(const struct rule_group *group, const struct rule *like, uint32_t n)
{
	uint32_t i = 0;

	for (; i < group->rule_count; i++) {
		const struct rule *r = &group->rules[i];
		if (r->kind == like->kind && slice_eq(r->name, like->name) && n-- == 0)
			break;
	}
	return i;
}

/* How many rules before this one have its kind and name. */
static uint32_t rank_of(const struct rule_group *group, uint32_t at)
{
	uint32_t rank = 0;

	for (uint32_t i = 0; i < at; i++)
		rank += group->rules[i].kind == group->rules[at].kind &&
		        slice_eq(group->rules[i].name, group->rules[at].name);
	return rank;
}

/* What the rule had, but for whose it is. */
static void take_over(struct rule_state *to, struct rule_state *from)
{
	const struct rule *rule = to->rule;
	const struct rule_group *group = to->group;

	state_free(to);
	*to = *from;
	to->rule = rule;
	to->group = group;
	*from = (struct rule_state){.rule = from->rule, .group = from->group};
}

/* Series of a rule that is gone are ended by the group's first rule. */
static int leave_behind(struct rules_group *g, struct rule_state *from)
{
	for (uint32_t i = 0; g->group->rule_count > 0 && i < from->written.count; i++) {
		if (series_set_add(&g->states[0].ended, from->written.items[i]) < 0)
			return -ENOMEM;
	}
	return 0;
}

int rules_group_adopt(struct rules_group *g, struct rules_group *from)
{
	for (uint32_t i = 0; i < from->group->rule_count; i++) {
		uint32_t to = nth_named(g->group, &from->group->rules[i], rank_of(from->group, i));
		if (to == g->group->rule_count && leave_behind(g, &from->states[i]) != 0)
			return -ENOMEM;
	}
	for (uint32_t i = 0; i < from->group->rule_count; i++) {
		uint32_t to = nth_named(g->group, &from->group->rules[i], rank_of(from->group, i));
		if (to == g->group->rule_count)
			continue;
		struct series_set ended = g->states[to].ended;
		g->states[to].ended = (struct series_set){0};
		take_over(&g->states[to], &from->states[i]);
		series_set_deinit(&g->states[to].ended);
		g->states[to].ended = ended;
	}
	return 0;
}

int rules_group_evaluate(struct rules_group *g, int64_t at_ms, const struct rules_env *env)
{
	for (uint32_t i = 0; i < g->group->rule_count; i++) {
		if (evaluate_rule(&g->states[i], at_ms, env) == -ENOMEM)
			return -ENOMEM;
	}
	return 0;
}

int rules_group_end(struct rules_group *g, int64_t at_ms, const struct rules_env *env)
{
	for (uint32_t i = 0; i < g->group->rule_count; i++) {
		struct rule_state *s = &g->states[i];
		struct error err = {0};
		struct evaluation e = begin(s, at_ms, env, &err);
		int code = end_series(&s->written, NULL, &e);
		if (code == 0)
			code = end_series(&s->ended, NULL, &e);
		if (code == 0 && env->flush != NULL)
			code = env->flush(env->ctx, &err);
		if (code != 0)
			return code;
		series_set_deinit(&s->written);
		series_set_deinit(&s->ended);
	}
	return 0;
}

int rules_group_restore(struct rules_group *g, int64_t at_ms, const struct rules_env *env, struct error *err)
{
	for (uint32_t i = 0; i < g->group->rule_count; i++) {
		struct rule_state *s = &g->states[i];
		struct evaluation e = begin(s, at_ms, env, err);
		if (s->rule->kind != RULE_ALERTING)
			continue;
		arena_init(&e.arena);
		int code = rule_restore(&e);
		arena_deinit(&e.arena);
		if (code != 0)
			return code == -ENOMEM ? error_set(err, code, "out of memory") : code;
	}
	return 0;
}

const struct rule_group *rules_group_of(const struct rules_group *g)
{
	return g->group;
}

const struct rule_health *rules_group_health(const struct rules_group *g, uint32_t rule)
{
	return &g->states[rule].health;
}

const struct alert *rules_group_alerts(const struct rules_group *g, uint32_t rule, uint32_t *count)
{
	*count = g->states[rule].alert_count;
	return g->states[rule].alerts;
}

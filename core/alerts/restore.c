/* What an earlier process had found, from the series that it has written. */
#include <errno.h>

#include "alerts/internal.h"
#include "base/mem.h"
#include "record/samples.h"

void prior_deinit(struct prior *p)
{
	series_set_deinit(&p->alerts);
	mem_free(p->times);
	p->times = NULL;
	p->cap = 0;
}

int64_t prior_active_at(const struct prior *p, struct slice labels, int64_t at_ms, int64_t for_ms)
{
	uint32_t at = series_set_find(&p->alerts, labels);
	if (at == TABLE_NONE)
		return at_ms;
	const struct prior_times *t = &p->times[at];
	bool fired = t->down_at_ms - t->active_at_ms >= for_ms;
	return fired ? t->active_at_ms : t->active_at_ms + (at_ms - t->down_at_ms);
}

static int note_series(struct evaluation *e, const struct promql_series *s)
{
	struct prior *p = &e->state->prior;
	const struct label_changes none = {.count = 0};
	struct slice labels;

	if (s->count == 0 || s->times_ms == NULL)
		return 0;
	int code = evaluation_labels(e, s->labels, &none, &labels);
	if (code != 0)
		return code;
	if (mem_grow((void **)&p->times, &p->cap, p->alerts.count, sizeof *p->times) != 0)
		return -ENOMEM;
	code = series_set_add(&p->alerts, labels);
	if (code <= 0)
		return code;
	double active_at_s = s->values[s->count - 1];
	int64_t down_at_ms = s->times_ms[s->count - 1];
	bool plausible = active_at_s >= 0 && active_at_s * 1000 <= (double)down_at_ms;
	p->times[p->alerts.count - 1] =
	    (struct prior_times){plausible ? (int64_t)active_at_s * 1000 : down_at_ms, down_at_ms};
	return 0;
}

/* A series that is there still: if it is not written again, it ends. */
static int note_ended(struct evaluation *e, const struct promql_series *s)
{
	int code = series_set_add(&e->state->ended, s->labels);

	return code < 0 ? code : 0;
}

/* Calls `note` for the series of a selector: what stands before and behind the alert's name. */
static int each_series(struct evaluation *e, const char *before, const char *behind,
                       int (*note)(struct evaluation *e, const struct promql_series *s))
{
	struct buf text = {0};
	struct promql_expr *expr;
	struct promql_result r;

	buf_str(&text, before);
	promql_quote(e->state->rule->name, &text);
	buf_str(&text, behind);
	int code = buf_failed(&text) ? -ENOMEM : promql_parse(buf_slice(&text), &e->arena, &expr, e->err);
	if (code == 0)
		code = e->env->query(e->env->ctx, expr, buf_slice(&text), e->sample_ms, &r, e->err);
	buf_free(&text);
	if (code != 0)
		return code;
	for (uint32_t i = 0; i < r.series_count && code == 0; i++)
		code = note(e, &r.series[i]);
	promql_result_free(&r);
	return code;
}

/* Is there another alert of this name in the group? Then the series of one are not told from those of the other. */
static bool shares_name(const struct rule_state *s)
{
	for (uint32_t i = 0; i < s->group->rule_count; i++) {
		const struct rule *r = &s->group->rules[i];
		if (r != s->rule && r->kind == RULE_ALERTING && slice_eq(r->name, s->rule->name))
			return true;
	}
	return false;
}

int rule_restore(struct evaluation *e)
{
	int code = each_series(e, "ALERTS_FOR_STATE{alertname=", "}[1h]", note_series);

	if (code != 0 || shares_name(e->state))
		return code;
	return each_series(e, "{__name__=~\"ALERTS|ALERTS_FOR_STATE\", alertname=", "}", note_ended);
}

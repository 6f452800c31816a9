/* Instant selectors: for each step the newest sample of (t - look-back, t]; of smoothed ones what lies on the line to the next sample of (t, t + look-back].
 *
 * A series' samples and the steps both rise: one walk over both. */
#include "promql/select.h"

#include <errno.h>

/* ---- the source's side ---- */

int selection_open(struct selection *s, struct eval *ev, const struct promql_expr *selector, int64_t from_ms,
                   int64_t to_ms)
{
	struct error err = {0};

	*s = (struct selection){.ev = ev};
	int code = promql_matchers(selector, &ev->arena, &s->matchers, &err);
	if (code != 0) {
		s->matchers = NULL;
		return eval_fail(ev, code, "%s", err.text);
	}
	s->what = (struct promql_select){s->matchers, selector->selector.matcher_count, from_ms, to_ms};
	return 0;
}

static int source_failed(struct selection *s, int code, const struct error *err)
{
	return eval_fail(s->ev, code, "expanding series: %s", err->text);
}

int selection_next(struct selection *s, struct slice *labels)
{
	const struct promql_source *source = s->ev->source;
	struct error err = {0};
	int code;

	if (s->set == NULL) {
		code = source->ops->select(source->ctx, &s->what, &s->set, &err);
		if (code != 0)
			return source_failed(s, code, &err);
	}
	code = source->ops->next(s->set, labels, &err);
	return code < 0 ? source_failed(s, code, &err) : code;
}

int selection_samples(struct selection *s, struct promql_samples *out)
{
	struct error err = {0};
	int code = s->ev->source->ops->samples(s->set, out, &err);
	return code < 0 ? source_failed(s, code, &err) : eval_spend(s->ev, out->count);
}

void selection_close(struct selection *s)
{
	if (s->set != NULL)
		s->ev->source->ops->close(s->set);
	s->set = NULL;
	if (s->matchers != NULL)
		promql_matchers_free(s->matchers, s->what.matcher_count);
	s->matchers = NULL;
}

bool selector_has_name(const struct promql_expr *selector)
{
	for (uint32_t i = 0; i < selector->selector.matcher_count; i++) {
		const struct promql_matcher *m = &selector->selector.matchers[i];
		if (m->op == MATCH_EQUAL && slice_eq(m->name, SLICE("__name__")))
			return true;
	}
	return false;
}

/* ---- the node ---- */

struct instant {
	struct node node;
	struct selection from;
	int64_t first_ms, step_ms; /* the times that are looked at for the steps */
	bool times, smoothed;
	double *values;
};

static void look_back(const struct instant *s, const struct promql_samples *in, double *out)
{
	const int64_t *times = in->times_ms;
	int64_t at = s->first_ms, lookback = s->node.ev->lookback_ms;
	uint32_t k = 0; /* samples that are not after `at` */

	for (uint32_t i = 0; i < s->node.steps.count; i++, at += s->step_ms) {
		while (k < in->count && times[k] <= at)
			k++;
		out[i] = promql_absent();
		if (k > 0 && times[k - 1] > at - lookback && !is_stale(in->values[k - 1]))
			out[i] = s->times ? (double)times[k - 1] / 1000 : in->values[k - 1];
	}
}

static double between(const struct promql_samples *in, uint32_t left, uint32_t right, int64_t at)
{
	double from = in->values[left], to = in->values[right];
	double part = (double)(at - in->times_ms[left]) / (double)(in->times_ms[right] - in->times_ms[left]);

	return from + (to - from) * part;
}

/* Stale markers are passed over: as in a range, they are no samples. */
static void smooth(const struct instant *s, const struct promql_samples *in, double *out)
{
	const int64_t *times = in->times_ms;
	int64_t at = s->first_ms, lookback = s->node.ev->lookback_ms;
	uint32_t left = UINT32_MAX, right = 0; /* the last sample before `at`, and the first one that is not */

	for (uint32_t i = 0; i < s->node.steps.count; i++, at += s->step_ms) {
		for (; right < in->count && (times[right] < at || is_stale(in->values[right])); right++) {
			if (!is_stale(in->values[right]))
				left = right;
		}
		bool has_left = left != UINT32_MAX && times[left] > at - lookback;
		bool has_right = right < in->count && times[right] <= at + lookback;
		out[i] = promql_absent();
		if (has_right && times[right] == at)
			out[i] = in->values[right];
		else if (has_left)
			out[i] = has_right ? between(in, left, right, at) : in->values[left];
	}
}

static int instant_next(struct node *n, struct row *out)
{
	struct instant *s = (struct instant *)n;
	struct promql_samples samples;
	int code;

	do {
		code = selection_next(&s->from, &out->labels);
		if (code <= 0)
			return code;
		code = selection_samples(&s->from, &samples);
		if (code < 0)
			return code;
	} while (samples.count == 0);
	if (s->smoothed)
		smooth(s, &samples, s->values);
	else
		look_back(s, &samples, s->values);
	out->drop_name = false;
	out->values = s->values;
	return 1;
}

static void instant_close(struct node *n)
{
	selection_close(&((struct instant *)n)->from);
}

static const struct node_ops instant_ops = {instant_next, instant_close};

struct node *plan_selector(struct eval *ev, const struct promql_expr *e, const struct steps *steps, bool times)
{
	struct instant *s = (struct instant *)eval_alloc(ev, sizeof *s);
	double *values = eval_values(ev, steps);
	struct when when;

	if (s == NULL || values == NULL || when_of(ev, &e->selector.when, &when) != 0)
		return NULL;
	bool smoothed = e->selector.extended == PROMQL_SMOOTHED && !times; /* a time is that of a sample */
	*s = (struct instant){.times = times, .smoothed = smoothed, .values = values};
	s->node = (struct node){&instant_ops, ev, e, *steps, selector_has_name(e)};
	int64_t looked_at = when_time(&when, steps->start_ms);
	s->first_ms = looked_at;
	s->step_ms = when.fixed ? 0 : steps->step_ms;
	/* Prometheus's timestamp() selects as @ and offset say, and then looks at the time of @ alone. */
	if (times && when.fixed)
		s->first_ms = when.at_ms;
	int64_t last = looked_at + (int64_t)(steps->count - 1) * s->step_ms + (smoothed ? ev->lookback_ms : 0);
	if (selection_open(&s->from, ev, e, looked_at - ev->lookback_ms + 1, last) != 0) {
		selection_close(&s->from);
		return NULL;
	}
	return &s->node;
}

/* Range selectors: the samples of all windows, as the source has them; stale markers are left out. Subqueries look the same from here on. */
#include "promql/select.h"
#include "promql/subquery.h"

struct ranges_impl {
	struct selection from;
	struct node *rows; /* of a subquery */
	struct steps inner;
	int64_t *times;
	double *values;
	size_t cap; /* of both */
};

/* ---- samples ---- */

/* Room for so many samples. */
static int make_room(struct ranges *r, uint32_t count)
{
	struct ranges_impl *s = r->impl;
	size_t cap = s->cap < 256 ? 256 : s->cap;

	if (count <= s->cap)
		return 0;
	while (cap < count)
		cap *= 2;
	/* What is there need not be kept. */
	eval_release(r->ev, s->times, s->cap * sizeof *s->times);
	eval_release(r->ev, s->values, s->cap * sizeof *s->values);
	s->cap = 0;
	s->values = NULL;
	s->times = (int64_t *)eval_realloc(r->ev, NULL, 0, cap * sizeof *s->times);
	if (s->times == NULL)
		return r->ev->err->code;
	s->values = (double *)eval_realloc(r->ev, NULL, 0, cap * sizeof *s->values);
	if (s->values == NULL) {
		eval_release(r->ev, s->times, cap * sizeof *s->times);
		s->times = NULL;
		return r->ev->err->code;
	}
	s->cap = cap;
	return 0;
}

/* Is any of them a stale marker? Mostly none is: no branch a sample. */
static bool has_stale(const double *values, uint32_t count)
{
	unsigned found = 0;
	for (uint32_t i = 0; i < count; i++)
		found |= is_stale(values[i]);
	return found != 0;
}

static int without_stale(struct ranges *r, const struct promql_samples *in, struct range_row *out)
{
	struct ranges_impl *s = r->impl;
	uint32_t count = 0;
	int code = make_room(r, in->count);

	if (code != 0)
		return code;
	for (uint32_t i = 0; i < in->count; i++) {
		s->times[count] = in->times_ms[i];
		s->values[count] = in->values[i];
		count += !is_stale(in->values[i]);
	}
	out->times_ms = s->times;
	out->values = s->values;
	out->count = count;
	return 0;
}

static int selected_next(struct ranges *r, struct range_row *out)
{
	struct ranges_impl *s = r->impl;
	struct promql_samples samples;
	int code = selection_next(&s->from, &out->labels);

	if (code <= 0)
		return code;
	code = selection_samples(&s->from, &samples);
	if (code < 0)
		return code;
	out->times_ms = samples.times_ms;
	out->values = samples.values;
	out->count = samples.count;
	if (has_stale(samples.values, samples.count))
		code = without_stale(r, &samples, out);
	return code < 0 ? code : 1;
}

/* A row's values become samples at its steps. */
static int subquery_next(struct ranges *r, struct range_row *out)
{
	struct ranges_impl *s = r->impl;
	struct row row;
	int code = s->rows == NULL ? 0 : node_next(s->rows, &row);

	if (code <= 0)
		return code;
	out->labels = row.labels;
	out->drop_name = row.drop_name;
	out->count = 0;
	for (uint32_t i = 0; i < s->inner.count; i++) {
		s->times[out->count] = step_time(&s->inner, i);
		s->values[out->count] = row.values[i];
		out->count += !promql_is_absent(row.values[i]);
	}
	out->times_ms = s->times;
	out->values = s->values;
	return 1;
}

int ranges_next(struct ranges *r, struct range_row *out)
{
	int code;

	do {
		out->drop_name = false;
		code = r->expr->kind == PROMQL_SUBQUERY ? subquery_next(r, out) : selected_next(r, out);
	} while (code > 0 && out->count == 0);
	return code;
}

void ranges_close(struct ranges *r)
{
	struct ranges_impl *s = r->impl;

	if (r->expr->kind == PROMQL_SUBQUERY)
		node_close(s->rows);
	else
		selection_close(&s->from);
	eval_release(r->ev, s->times, s->cap * sizeof *s->times);
	eval_release(r->ev, s->values, s->cap * sizeof *s->values);
}

/* ---- planning ---- */

static int plan_selected(struct ranges *r, const struct promql_expr *e)
{
	struct ranges_impl *s = r->impl;
	const struct promql_expr *selector = e->range.selector;
	struct when when;
	int code = when_of(r->ev, &selector->selector.when, &when);

	if (code == 0)
		code = when_duration(r->ev, e->range.range_ms, e->range.range_expr, false, &r->range_ms);
	if (code != 0)
		return code;
	r->fixed = when.fixed;
	r->fixed_ms = when_time(&when, 0);
	r->offset_ms = when.offset_ms;
	r->extended = selector->selector.extended;
	r->one_name = selector_has_name(selector);

	int64_t from = range_end(r, 0) - r->range_ms + 1, to = range_end(r, r->steps.count - 1);
	if (r->extended != PROMQL_PLAIN)
		from -= r->ev->lookback_ms;
	if (r->extended == PROMQL_SMOOTHED)
		to += r->ev->lookback_ms;
	return selection_open(&s->from, r->ev, selector, from, to);
}

static int plan_subquery(struct ranges *r, const struct promql_expr *e)
{
	struct ranges_impl *s = r->impl;
	struct when when;
	int code = when_of(r->ev, &e->subquery.when, &when);

	if (code == 0)
		code = when_duration(r->ev, e->subquery.range_ms, e->subquery.range_expr, false, &r->range_ms);
	if (code == 0)
		code = subquery_steps(r->ev, e, &r->steps, &s->inner);
	if (code != 0)
		return code;
	r->fixed = when.fixed;
	r->fixed_ms = when_time(&when, 0);
	r->offset_ms = when.offset_ms;
	r->one_name = true;
	if (s->inner.count == 0)
		return 0;
	code = make_room(r, s->inner.count);
	if (code != 0)
		return code;
	s->rows = eval_plan(r->ev, e->subquery.of, &s->inner);
	if (s->rows == NULL)
		return r->ev->err->code;
	r->one_name = s->rows->one_name;
	return 0;
}

struct ranges *plan_ranges(struct eval *ev, const struct promql_expr *e, const struct steps *steps)
{
	struct ranges *r = (struct ranges *)eval_alloc(ev, sizeof *r);
	struct ranges_impl *s = (struct ranges_impl *)eval_alloc(ev, sizeof *s);

	if (r == NULL || s == NULL)
		return NULL;
	while (e->kind == PROMQL_PAREN)
		e = e->paren;
	*s = (struct ranges_impl){0};
	*r = (struct ranges){.ev = ev, .expr = e, .steps = *steps, .impl = s};
	int code = e->kind == PROMQL_SUBQUERY ? plan_subquery(r, e) : plan_selected(r, e);
	if (code == 0)
		return r;
	ranges_close(r);
	return NULL;
}

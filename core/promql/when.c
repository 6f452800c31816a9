/* @, offset, and durations that hang on the query's steps: [step() * 2], offset (range() / 2). */
#include "promql/when.h"

#include <errno.h>

static int wrong(struct eval *ev, const struct promql_expr *e, const char *what)
{
	/* Prometheus names the bytes, not line and column. */
	return eval_fail(ev, -EINVAL, "%u:%u: %s", e->start, e->end, what);
}

static int reckon(struct eval *ev, const struct promql_expr *e, double *out);

static int reckon_operands(struct eval *ev, const struct promql_expr *e, double *a, double *b)
{
	int code = e->duration.left == NULL ? 0 : reckon(ev, e->duration.left, a);
	return code != 0 || e->duration.right == NULL ? code : reckon(ev, e->duration.right, b);
}

/* Go's Min and Max: NaN where one of them is. */
static double least(double a, double b)
{
	return isnan(a) || isnan(b) ? NAN : a < b ? a : b;
}

/* In seconds. */
static int reckon(struct eval *ev, const struct promql_expr *e, double *out)
{
	double a = 0, b = 0;

	if (e->kind == PROMQL_NUMBER) {
		*out = e->number.value;
		return 0;
	}
	int code = reckon_operands(ev, e, &a, &b);
	if (code != 0)
		return code;
	switch (e->duration.op) {
	case PROMQL_STEP:
		*out = (double)ev->query->step_ms / 1000;
		return 0;
	case PROMQL_RANGE:
		*out = (double)(ev->query->end_ms - ev->query->start_ms) / 1000;
		return 0;
	case PROMQL_MIN:
		*out = least(a, b);
		return 0;
	case PROMQL_MAX:
		*out = -least(-a, -b);
		return 0;
	case PROMQL_DIV:
	case PROMQL_MOD:
		if (b == 0)
			return wrong(ev, e, e->duration.op == PROMQL_DIV ? "division by zero" : "modulo by zero");
		*out = e->duration.op == PROMQL_DIV ? a / b : fmod(a, b);
		return 0;
	case PROMQL_ADD:
		*out = a + b;
		return 0;
	case PROMQL_SUB:
		*out = a - b;
		return 0;
	case PROMQL_MUL:
		*out = a * b;
		return 0;
	default: /* PROMQL_POW: the parser takes no other */
		*out = pow(a, b);
		return 0;
	}
}

int when_duration(struct eval *ev, int64_t ms, const struct promql_expr *e, bool is_offset, int64_t *out)
{
	double seconds = 0;

	if (e == NULL) {
		*out = when_clamp(ms);
		return 0;
	}
	int code = reckon(ev, e, &seconds);
	if (code != 0)
		return code;
	if (seconds <= 0 && !is_offset)
		return wrong(ev, e, "duration must be greater than 0");
	/* Where Go's durations end, at 292 years; Prometheus goes round there. */
	if (!(fabs(seconds) < 9223372036.0))
		return wrong(ev, e, "duration is out of range");
	*out = (int64_t)(seconds * 1000);
	return 0;
}

int when_of(struct eval *ev, const struct promql_when *w, struct when *out)
{
	*out = (struct when){.fixed = w->at != PROMQL_AT_NONE};
	if (w->at == PROMQL_AT_TIME)
		out->at_ms = when_clamp(w->at_ms);
	else if (w->at == PROMQL_AT_START)
		out->at_ms = when_clamp(ev->query->start_ms);
	else if (w->at == PROMQL_AT_END)
		out->at_ms = when_clamp(ev->query->end_ms);
	return when_duration(ev, w->offset_ms, w->offset_expr, true, &out->offset_ms);
}

/* ---- all of them ---- */

static bool check(void *ctx, struct promql_expr *e)
{
	struct eval *ev = ctx;
	struct when when;
	int64_t ms;

	switch (e->kind) {
	case PROMQL_SELECTOR:
		return when_of(ev, &e->selector.when, &when) == 0;
	case PROMQL_RANGE_SELECTOR:
		return when_duration(ev, e->range.range_ms, e->range.range_expr, false, &ms) == 0;
	case PROMQL_SUBQUERY:
		return when_of(ev, &e->subquery.when, &when) == 0 &&
		       when_duration(ev, e->subquery.step_ms, e->subquery.step_expr, false, &ms) == 0 &&
		       when_duration(ev, e->subquery.range_ms, e->subquery.range_expr, false, &ms) == 0;
	default:
		return true;
	}
}

int when_check(struct eval *ev, const struct promql_expr *e)
{
	/* Nothing is changed: the visitor's type is that of the parser's walks. */
	return promql_walk((struct promql_expr *)e, check, ev) ? 0 : ev->err->code;
}

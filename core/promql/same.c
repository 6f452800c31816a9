/* Are two trees the same? */
#include <math.h>

#include "promql/promql.h"

static bool same_number(double a, double b)
{
	return (isnan(a) && isnan(b)) || (a == b && signbit(a) == signbit(b));
}

static bool same_or_none(const struct promql_expr *a, const struct promql_expr *b)
{
	return a == NULL || b == NULL ? a == b : promql_same(a, b);
}

static bool same_labels(const struct slice *a, uint32_t a_count, const struct slice *b, uint32_t b_count)
{
	bool same = a_count == b_count;
	for (uint32_t i = 0; i < a_count && same; i++)
		same = slice_eq(a[i], b[i]);
	return same;
}

static bool same_when(const struct promql_when *a, const struct promql_when *b)
{
	return a->at == b->at && a->at_ms == b->at_ms && a->offset_ms == b->offset_ms &&
	       same_or_none(a->offset_expr, b->offset_expr);
}

static bool same_matcher(const struct promql_matcher *a, const struct promql_matcher *b)
{
	return a->op == b->op && slice_eq(a->name, b->name) && slice_eq(a->value, b->value);
}

/* The same matchers as often, in any order: printing sorts them. */
static bool same_selector(const struct promql_expr *a, const struct promql_expr *b)
{
	uint32_t count = a->selector.matcher_count;
	if (!slice_eq(a->selector.name, b->selector.name) || count != b->selector.matcher_count ||
	    a->selector.extended != b->selector.extended || !same_when(&a->selector.when, &b->selector.when))
		return false;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t in_a = 0, in_b = 0;
		for (uint32_t k = 0; k < count; k++) {
			in_a += same_matcher(&a->selector.matchers[i], &a->selector.matchers[k]);
			in_b += same_matcher(&a->selector.matchers[i], &b->selector.matchers[k]);
		}
		if (in_a != in_b)
			return false;
	}
	return true;
}

static bool same_matching(const struct promql_matching *a, const struct promql_matching *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return a->card == b->card && a->on == b->on && a->fills_left == b->fills_left &&
	       a->fills_right == b->fills_right && same_number(a->fill_left, b->fill_left) &&
	       same_number(a->fill_right, b->fill_right) &&
	       same_labels(a->labels, a->label_count, b->labels, b->label_count) &&
	       same_labels(a->include, a->include_count, b->include, b->include_count);
}

static bool same_call(const struct promql_expr *a, const struct promql_expr *b)
{
	bool same = a->call.function == b->call.function && a->call.arg_count == b->call.arg_count;
	for (uint32_t i = 0; i < a->call.arg_count && same; i++)
		same = promql_same(a->call.args[i], b->call.args[i]);
	return same;
}

bool promql_same(const struct promql_expr *a, const struct promql_expr *b)
{
	if (a->kind != b->kind || a->type != b->type)
		return false;
	switch (a->kind) {
	case PROMQL_NUMBER:
		return a->number.duration == b->number.duration && same_number(a->number.value, b->number.value);
	case PROMQL_TEXT:
		return slice_eq(a->text, b->text);
	case PROMQL_SELECTOR:
		return same_selector(a, b);
	case PROMQL_RANGE_SELECTOR:
		return a->range.range_ms == b->range.range_ms &&
		       same_or_none(a->range.range_expr, b->range.range_expr) &&
		       promql_same(a->range.selector, b->range.selector);
	case PROMQL_SUBQUERY:
		return a->subquery.range_ms == b->subquery.range_ms && a->subquery.step_ms == b->subquery.step_ms &&
		       same_or_none(a->subquery.range_expr, b->subquery.range_expr) &&
		       same_or_none(a->subquery.step_expr, b->subquery.step_expr) &&
		       same_when(&a->subquery.when, &b->subquery.when) && promql_same(a->subquery.of, b->subquery.of);
	case PROMQL_PAREN:
		return promql_same(a->paren, b->paren);
	case PROMQL_UNARY:
		return a->unary.op == b->unary.op && promql_same(a->unary.of, b->unary.of);
	case PROMQL_BINARY:
		return a->binary.op == b->binary.op && a->binary.returns_bool == b->binary.returns_bool &&
		       same_matching(a->binary.matching, b->binary.matching) &&
		       promql_same(a->binary.left, b->binary.left) && promql_same(a->binary.right, b->binary.right);
	case PROMQL_AGGREGATE:
		return a->aggregate.op == b->aggregate.op && a->aggregate.without == b->aggregate.without &&
		       same_labels(a->aggregate.labels, a->aggregate.label_count, b->aggregate.labels,
		                   b->aggregate.label_count) &&
		       same_or_none(a->aggregate.param, b->aggregate.param) &&
		       promql_same(a->aggregate.of, b->aggregate.of);
	case PROMQL_CALL:
		return same_call(a, b);
	case PROMQL_DURATION:
		return a->duration.op == b->duration.op && a->duration.wrapped == b->duration.wrapped &&
		       same_or_none(a->duration.left, b->duration.left) &&
		       same_or_none(a->duration.right, b->duration.right);
	}
	return false;
}

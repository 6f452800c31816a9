/* What stands behind an expression: [5m], [5m:1m], offset 5m, @ 1609746000, @ start(), anchored, smoothed. */
#include <math.h>

#include "promql/parser.h"

#define SELECTORS "an instant vector selector or range vector selector or a subquery"

/* ---- brackets ---- */

/* A duration that is above zero, unless it has to be reckoned with. As milliseconds, or in *reckoned. */
static bool parse_positive(struct parser *p, int64_t *ms, const struct promql_expr **reckoned)
{
	const struct promql_expr *d = parse_duration(p, 0);

	if (d == NULL)
		return false;
	/* Prometheus looks at what follows before it judges. */
	if (parser_peek(p) == TOKEN_ERROR)
		return false;
	if (d->kind == PROMQL_NUMBER) {
		bool is_zero;
		if (!(d->number.value > 0)) {
			parser_fail(p, d->start, "duration must be greater than 0");
			return false;
		}
		*ms = seconds_to_ms(d->number.value, &is_zero);
	} else {
		*reckoned = d;
	}
	return true;
}

static struct promql_expr *finish_range(struct parser *p, struct promql_expr *of, uint32_t open, int64_t range_ms,
                                        const struct promql_expr *range_expr)
{
	const char *wrong = NULL;

	parser_take(p);
	if (of->kind != PROMQL_SELECTOR)
		wrong = "ranges only allowed for vector selectors";
	else if (of->selector.when.has_offset || of->selector.when.offset_expr != NULL)
		wrong = "no offset modifiers allowed before range";
	else if (of->selector.when.at == PROMQL_AT_TIME)
		wrong = "no @ modifiers allowed before range";
	if (wrong != NULL) {
		parser_fail(p, open, "%s", wrong);
		return NULL;
	}
	struct promql_expr *e = parser_new(p, PROMQL_RANGE_SELECTOR, PROMQL_MATRIX, of->start, p->end);
	if (e == NULL)
		return NULL;
	e->range.selector = of;
	e->range.range_ms = range_ms;
	e->range.range_expr = range_expr;
	return parser_adopt(p, e, of) && parser_adopt(p, e, range_expr) ? e : NULL;
}

static struct promql_expr *finish_subquery(struct parser *p, struct promql_expr *of, int64_t range_ms,
                                           const struct promql_expr *range_expr)
{
	struct promql_expr *e = parser_new(p, PROMQL_SUBQUERY, PROMQL_MATRIX, of->start, of->end);

	if (e == NULL)
		return NULL;
	e->subquery.of = of;
	e->subquery.range_ms = range_ms;
	e->subquery.range_expr = range_expr;
	parser_enter(p, "subquery selector", "number, duration, step(), range(), or \"]\"");
	if (parser_peek(p) != TOKEN_RIGHT_BRACKET) {
		if (!parse_positive(p, &e->subquery.step_ms, &e->subquery.step_expr))
			return NULL;
		parser_enter(p, "subquery selector", "\"]\"");
	}
	if (!parser_expect(p, TOKEN_RIGHT_BRACKET))
		return NULL;
	e->end = p->end;
	return parser_adopt(p, e, of) && parser_adopt(p, e, range_expr) && parser_adopt(p, e, e->subquery.step_expr)
	           ? e
	           : NULL;
}

static struct promql_expr *parse_brackets(struct parser *p, struct promql_expr *of)
{
	uint32_t open = parser_take(p).start;
	const struct promql_expr *range_expr = NULL;
	int64_t range_ms = 0;
	struct promql_expr *e = NULL;

	struct context before = parser_enter(p, "subquery or range selector", "number, duration, step(), or range()");
	if (!parse_positive(p, &range_ms, &range_expr))
		return NULL;
	parser_enter(p, "subquery or range", "\":\" or \"]\"");
	if (parser_peek(p) == TOKEN_RIGHT_BRACKET)
		e = finish_range(p, of, open, range_ms, range_expr);
	else if (parser_accept(p, TOKEN_COLON))
		e = finish_subquery(p, of, range_ms, range_expr);
	else
		parser_unexpected(p);
	p->context = before;
	return e;
}

/* ---- offset and @ ---- */

/* Where the time of a selector or subquery is kept; NULL, with the error set, for all else. */
static struct promql_when *when_of(struct parser *p, struct promql_expr *e, const char *what)
{
	if (e->kind == PROMQL_SELECTOR)
		return &e->selector.when;
	if (e->kind == PROMQL_RANGE_SELECTOR)
		return &e->range.selector->selector.when;
	if (e->kind == PROMQL_SUBQUERY)
		return &e->subquery.when;
	parser_fail(p, e->start, "%s modifier must be preceded by " SELECTORS, what);
	return NULL;
}

static bool add_offset(struct parser *p, struct promql_expr *e)
{
	parser_take(p);
	struct context before = parser_enter(p, "offset", "number, duration, step(), or range()");
	const struct promql_expr *d = parse_offset(p);
	p->context = before;
	struct promql_when *when = d != NULL ? when_of(p, e, "offset") : NULL;
	if (when == NULL)
		return false;
	if (when->has_offset || when->offset_expr != NULL) {
		parser_fail(p, e->start, "offset may not be set multiple times");
		return false;
	}
	if (d->kind == PROMQL_NUMBER) {
		bool is_zero;
		when->offset_ms = seconds_to_ms(d->number.value, &is_zero);
		when->has_offset = !is_zero;
	} else {
		when->offset_expr = d;
	}
	e->end = p->end;
	return parser_adopt(p, e, when->offset_expr);
}

/* A number as printf's %f of Go has it. */
static bool out_of_bounds(struct parser *p, const struct promql_expr *e, double t)
{
	if (isnan(t))
		parser_fail(p, e->start, "timestamp out of bounds for @ modifier: NaN");
	else if (isinf(t))
		parser_fail(p, e->start, "timestamp out of bounds for @ modifier: %s", t > 0 ? "+Inf" : "-Inf");
	else
		parser_fail(p, e->start, "timestamp out of bounds for @ modifier: %f", t);
	return false;
}

static bool parse_timestamp(struct parser *p, double *out)
{
	bool negative = parser_accept(p, TOKEN_SUB);
	if (!negative)
		parser_accept(p, TOKEN_ADD);
	enum token_type type = parser_peek(p);
	if (type != TOKEN_NUMBER && type != TOKEN_DURATION) {
		parser_unexpected(p);
		return false;
	}
	const struct promql_expr *number = parse_number(p, parser_take(p));
	if (number == NULL)
		return false;
	*out = negative ? -number->number.value : number->number.value;
	return true;
}

static bool parse_at_value(struct parser *p, enum promql_at *at, double *time)
{
	enum token_type type = parser_peek(p);

	if (type == TOKEN_START || type == TOKEN_END_OF_QUERY) {
		*at = type == TOKEN_START ? PROMQL_AT_START : PROMQL_AT_END;
		parser_take(p);
		return parser_expect(p, TOKEN_LEFT_PAREN) && parser_expect(p, TOKEN_RIGHT_PAREN);
	}
	*at = PROMQL_AT_TIME;
	return parse_timestamp(p, time);
}

/* Rounded half away from zero, and no further than an int64 reaches. */
static int64_t time_ms(double seconds)
{
	double ms = round(seconds * 1000);
	if (ms >= 9223372036854775807.0)
		return INT64_MAX;
	return ms <= -9223372036854775808.0 ? INT64_MIN : (int64_t)ms;
}

static bool add_at(struct parser *p, struct promql_expr *e)
{
	enum promql_at at;
	double time = 0;

	parser_take(p);
	struct context before = parser_enter(p, "@", "timestamp");
	if (!parse_at_value(p, &at, &time))
		return false;
	p->context = before;
	/* Seconds are held against the bounds of milliseconds: as Prometheus does. */
	if (isnan(time) || fabs(time) >= 9223372036854775808.0)
		return out_of_bounds(p, e, time);
	struct promql_when *when = when_of(p, e, "@");
	if (when == NULL)
		return false;
	if (when->at != PROMQL_AT_NONE) {
		parser_fail(p, e->start, "@ <timestamp> may not be set multiple times");
		return false;
	}
	when->at = at;
	when->at_ms = at == PROMQL_AT_TIME ? time_ms(time) : 0;
	e->end = p->end;
	return true;
}

/* ---- anchored and smoothed ---- */

static bool add_extended(struct parser *p, struct promql_expr *e)
{
	struct token word = parser_take(p);
	enum promql_extended kind = word.type == TOKEN_ANCHORED ? PROMQL_ANCHORED : PROMQL_SMOOTHED;
	struct promql_expr *s = e->kind == PROMQL_RANGE_SELECTOR ? e->range.selector : e;
	const char *name = kind == PROMQL_ANCHORED ? "anchored" : "smoothed";

	if (s->kind == PROMQL_SUBQUERY)
		parser_fail(p, e->start, "%s modifier is not supported for subqueries", name);
	else if (s->kind != PROMQL_SELECTOR)
		parser_fail(p, e->start, "%s modifier not %s", name, "implemented"); /* its words */
	else if (s->selector.extended != PROMQL_PLAIN && s->selector.extended != kind)
		parser_fail(p, e->start, "anchored and smoothed modifiers cannot be used together");
	else
		s->selector.extended = kind;
	return p->code == 0;
}

struct promql_expr *parse_modifiers(struct parser *p, struct promql_expr *e)
{
	while (e != NULL) {
		bool added = true;
		switch (parser_peek(p)) {
		case TOKEN_LEFT_BRACKET:
			e = parse_brackets(p, e);
			break;
		case TOKEN_OFFSET:
			added = add_offset(p, e);
			break;
		case TOKEN_AT:
			added = add_at(p, e);
			break;
		case TOKEN_ANCHORED:
		case TOKEN_SMOOTHED:
			added = add_extended(p, e);
			break;
		default:
			return e;
		}
		if (!added)
			return NULL;
	}
	return e;
}

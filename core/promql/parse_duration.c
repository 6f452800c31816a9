/* Durations, and arithmetic with them: [5m * 2], offset (step() - 1m). A plain one is PROMQL_NUMBER, in seconds; what has to be reckoned when the query's step is known is PROMQL_DURATION. */
#include <math.h>

#include "promql/parser.h"

int64_t seconds_to_ms(double seconds, bool *is_zero)
{
	double ns = round(seconds * 1e9);
	*is_zero = ns == 0;
	/* Parts of a millisecond are cut off; but of years of nanoseconds a double lacks the last thousand. */
	return (int64_t)((ns + copysign(1000, ns)) / 1e6);
}

static struct promql_expr *new_duration(struct parser *p, enum promql_op op, struct promql_expr *left,
                                        struct promql_expr *right, uint32_t start)
{
	struct promql_expr *e = parser_new(p, PROMQL_DURATION, PROMQL_SCALAR, start, p->end);
	if (e == NULL)
		return NULL;
	e->duration.op = op;
	e->duration.left = left;
	e->duration.right = right;
	return parser_adopt(p, e, left) && parser_adopt(p, e, right) ? e : NULL;
}

/* Go's durations end at 2^63 nanoseconds. */
static bool in_range(struct parser *p, double seconds, uint32_t at)
{
	if (!(seconds > 9223372036.854775807) && !(seconds < -9223372036.854775807) && !isnan(seconds))
		return true;
	parser_fail(p, at, "duration out of range");
	return false;
}

static struct promql_expr *parse_plain(struct parser *p)
{
	struct promql_expr *e = parse_number(p, parser_take(p));
	return e != NULL && in_range(p, e->number.value, e->start) ? e : NULL;
}

/* A sign before a duration. */
static struct promql_expr *sign(struct parser *p, struct token sign, struct promql_expr *of)
{
	if (of == NULL)
		return NULL;
	if (of->kind == PROMQL_NUMBER) {
		of->number.value = sign.type == TOKEN_SUB ? -of->number.value : of->number.value;
		of->start = sign.start;
		return of;
	}
	return sign.type == TOKEN_SUB ? new_duration(p, PROMQL_SUB, NULL, of, sign.start) : of;
}

/* step(), range(), min(a, b), max(a, b). */
static struct promql_expr *parse_named(struct parser *p)
{
	struct token name = parser_take(p);
	struct promql_expr *left = NULL, *right = NULL;
	bool pair = name.type == TOKEN_MIN || name.type == TOKEN_MAX;
	enum promql_op op = name.type == TOKEN_STEP    ? PROMQL_STEP
	                    : name.type == TOKEN_RANGE ? PROMQL_RANGE
	                    : name.type == TOKEN_MIN   ? PROMQL_MIN
	                                               : PROMQL_MAX;

	if (!parser_expect(p, TOKEN_LEFT_PAREN))
		return NULL;
	if (pair) {
		left = parse_duration(p, 0);
		if (left == NULL || !parser_expect(p, TOKEN_COMMA))
			return NULL;
		right = parse_duration(p, 0);
		if (right == NULL)
			return NULL;
	}
	return parser_expect(p, TOKEN_RIGHT_PAREN) ? new_duration(p, op, left, right, name.start) : NULL;
}

static struct promql_expr *parse_wrapped(struct parser *p)
{
	struct token open = parser_take(p);
	struct promql_expr *e = parse_duration(p, 0);

	if (e == NULL || !parser_expect(p, TOKEN_RIGHT_PAREN))
		return NULL;
	if (e->kind == PROMQL_NUMBER)
		e = new_duration(p, PROMQL_ADD, NULL, e, open.start);
	if (e != NULL)
		e->duration.wrapped = true;
	return e;
}

static bool is_named(enum token_type t)
{
	return t == TOKEN_STEP || t == TOKEN_RANGE || t == TOKEN_MIN || t == TOKEN_MAX;
}

static struct promql_expr *parse_operand(struct parser *p)
{
	enum token_type type = parser_peek(p);

	if (type == TOKEN_NUMBER || type == TOKEN_DURATION)
		return parse_plain(p);
	if (is_named(type))
		return parse_named(p);
	if (type == TOKEN_LEFT_PAREN)
		return parse_wrapped(p);
	if (type == TOKEN_ADD || type == TOKEN_SUB) {
		struct token t = parser_take(p);
		return sign(p, t, parse_duration(p, POWER_BINDS));
	}
	parser_unexpected(p);
	return NULL;
}

/* Operators behind an operand, those that bind at least so tightly. */
static struct promql_expr *parse_rest(struct parser *p, struct promql_expr *e, int min_binds)
{
	while (e != NULL) {
		enum promql_op op;
		int binds = operator_of(parser_peek(p), &op);
		if (binds < SUM_BINDS || binds < min_binds || op == PROMQL_ATAN2)
			return e;
		struct token t = parser_take(p);
		struct promql_expr *right = parse_duration(p, op == PROMQL_POW ? binds : binds + 1);
		if (right == NULL)
			return NULL;
		bool zero = right->kind == PROMQL_NUMBER && right->number.value == 0;
		if (zero && (op == PROMQL_DIV || op == PROMQL_MOD)) {
			parser_fail(p, t.start, op == PROMQL_DIV ? "division by zero" : "modulo by zero");
			return NULL;
		}
		e = new_duration(p, op, e, right, e->start);
	}
	return NULL;
}

struct promql_expr *parse_duration(struct parser *p, int min_binds)
{
	struct promql_expr *e = parser_nest(p) ? parse_rest(p, parse_operand(p), min_binds) : NULL;
	parser_unnest(p);
	return e;
}

struct promql_expr *parse_offset(struct parser *p)
{
	enum token_type type = parser_peek(p);

	/* An operator behind `offset 5m` belongs to the expression, not to the duration; only one that begins with a parenthesis goes on. */
	if (type == TOKEN_LEFT_PAREN)
		return parse_duration(p, 0);
	if (type != TOKEN_ADD && type != TOKEN_SUB)
		return parse_operand(p);
	struct token t = parser_take(p);
	type = parser_peek(p);
	if (type == TOKEN_ADD || type == TOKEN_SUB) { /* --5m: no offset but a duration has two signs */
		struct promql_expr *e = sign(p, t, parse_duration(p, POWER_BINDS));
		return parse_rest(p, e, 0);
	}
	return sign(p, t, parse_operand(p));
}

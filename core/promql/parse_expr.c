/* Expressions: operators by precedence, and what stands between them.
 *
 *   or < and, unless < comparisons < + - < * / % atan2 < ^ (from the right); a sign binds like a product; brackets, offset and @ bind the tightest */
#include "promql/parser.h"

int operator_of(enum token_type type, enum promql_op *op)
{
	static const struct {
		enum promql_op op;
		int binds;
	} operators[] = {
	    [TOKEN_ADD - TOKEN_OPERATORS] = {PROMQL_ADD, SUM_BINDS},
	    [TOKEN_SUB - TOKEN_OPERATORS] = {PROMQL_SUB, SUM_BINDS},
	    [TOKEN_MUL - TOKEN_OPERATORS] = {PROMQL_MUL, PRODUCT_BINDS},
	    [TOKEN_DIV - TOKEN_OPERATORS] = {PROMQL_DIV, PRODUCT_BINDS},
	    [TOKEN_MOD - TOKEN_OPERATORS] = {PROMQL_MOD, PRODUCT_BINDS},
	    [TOKEN_POW - TOKEN_OPERATORS] = {PROMQL_POW, POWER_BINDS},
	    [TOKEN_ATAN2 - TOKEN_OPERATORS] = {PROMQL_ATAN2, PRODUCT_BINDS},
	    [TOKEN_EQ - TOKEN_OPERATORS] = {PROMQL_EQ, 3},
	    [TOKEN_NE - TOKEN_OPERATORS] = {PROMQL_NE, 3},
	    [TOKEN_GT - TOKEN_OPERATORS] = {PROMQL_GT, 3},
	    [TOKEN_LT - TOKEN_OPERATORS] = {PROMQL_LT, 3},
	    [TOKEN_GE - TOKEN_OPERATORS] = {PROMQL_GE, 3},
	    [TOKEN_LE - TOKEN_OPERATORS] = {PROMQL_LE, 3},
	    [TOKEN_AND - TOKEN_OPERATORS] = {PROMQL_AND, 2},
	    [TOKEN_OR - TOKEN_OPERATORS] = {PROMQL_OR, 1},
	    [TOKEN_UNLESS - TOKEN_OPERATORS] = {PROMQL_UNLESS, 2},
	};
	if (type < TOKEN_OPERATORS || type >= TOKEN_REGEX)
		return 0;
	*op = operators[type - TOKEN_OPERATORS].op;
	return operators[type - TOKEN_OPERATORS].binds;
}

static struct promql_expr *parse_binds(struct parser *p, int min_binds);

/* ---- behind an operator: bool, on, group_left, fill ---- */

/* (number), with a sign or without. */
static bool parse_fill_value(struct parser *p, double *out)
{
	parser_take(p);
	if (!parser_expect(p, TOKEN_LEFT_PAREN))
		return false;
	bool negative = parser_accept(p, TOKEN_SUB);
	if (!negative)
		parser_accept(p, TOKEN_ADD);
	if (parser_peek(p) != TOKEN_NUMBER && parser_peek(p) != TOKEN_DURATION) {
		parser_unexpected(p);
		return false;
	}
	const struct promql_expr *number = parse_number(p, parser_take(p));
	if (number == NULL)
		return false;
	*out = negative ? -number->number.value : number->number.value;
	return parser_expect(p, TOKEN_RIGHT_PAREN);
}

/* fill(v), or one or both of fill_left(v), fill_right(v). */
static bool parse_fill(struct parser *p, struct promql_matching *m)
{
	if (parser_peek(p) == TOKEN_FILL) {
		m->fills_left = m->fills_right = true;
		if (!parse_fill_value(p, &m->fill_left))
			return false;
		m->fill_right = m->fill_left;
		return true;
	}
	for (;;) {
		enum token_type next = parser_peek(p);
		if (next == TOKEN_FILL_LEFT && !m->fills_left) {
			m->fills_left = true;
			if (!parse_fill_value(p, &m->fill_left))
				return false;
		} else if (next == TOKEN_FILL_RIGHT && !m->fills_right) {
			m->fills_right = true;
			if (!parse_fill_value(p, &m->fill_right))
				return false;
		} else {
			return true;
		}
	}
}

/* The labels behind group_left and group_right, which may be left out where what comes next can stand there without them. */
static bool parse_include(struct parser *p, struct promql_matching *m)
{
	enum token_type next = parser_peek(p);
	bool fill = next >= TOKEN_FILL && next <= TOKEN_FILL_RIGHT;

	if (next != TOKEN_LEFT_PAREN && (fill || begins_expression(next)))
		return true;
	return parse_grouping(p, &m->include, &m->include_count);
}

static bool parse_matching(struct parser *p, struct promql_matching *m)
{
	enum token_type next = parser_peek(p);

	if (next == TOKEN_ON || next == TOKEN_IGNORING) {
		m->on = next == TOKEN_ON;
		parser_take(p);
		if (!parse_grouping(p, &m->labels, &m->label_count))
			return false;
		next = parser_peek(p);
		if (next == TOKEN_GROUP_LEFT || next == TOKEN_GROUP_RIGHT) {
			m->card = next == TOKEN_GROUP_LEFT ? PROMQL_MANY_TO_ONE : PROMQL_ONE_TO_MANY;
			parser_take(p);
			if (!parse_include(p, m))
				return false;
		}
	}
	return parse_fill(p, m);
}

static struct promql_expr *parse_binary(struct parser *p, struct promql_expr *left, enum promql_op op, int binds)
{
	struct promql_expr *e = parser_new(p, PROMQL_BINARY, PROMQL_VECTOR, left->start, left->end);
	struct promql_matching *m = arena_alloc(p->arena, sizeof *m);
	if (e == NULL || m == NULL) {
		parser_out_of_memory(p);
		return NULL;
	}
	*m = (struct promql_matching){0};
	e->binary.op = op;
	e->binary.left = left;
	e->binary.matching = m;
	parser_take(p);
	e->binary.returns_bool = parser_accept(p, TOKEN_BOOL);
	if (!parse_matching(p, m))
		return NULL;
	/* ^ groups from the right, all others from the left. */
	struct promql_expr *right = parse_binds(p, op == PROMQL_POW ? binds : binds + 1);
	if (right == NULL)
		return NULL;
	e->binary.right = right;
	e->end = right->end;
	if (left->type == PROMQL_SCALAR && right->type == PROMQL_SCALAR)
		e->type = PROMQL_SCALAR;
	return parser_adopt(p, e, left) && parser_adopt(p, e, right) ? e : NULL;
}

/* ---- what stands between operators ---- */

static struct promql_expr *parse_unary(struct parser *p)
{
	struct token sign = parser_take(p);
	struct promql_expr *of = parse_binds(p, POWER_BINDS);

	if (of == NULL)
		return NULL;
	bool negative = sign.type == TOKEN_SUB;
	if (of->kind == PROMQL_NUMBER) {
		of->number.value = negative ? -of->number.value : of->number.value;
		of->start = sign.start;
		return of;
	}
	struct promql_expr *e = parser_new(p, PROMQL_UNARY, of->type, sign.start, of->end);
	if (e == NULL)
		return NULL;
	e->unary.op = negative ? PROMQL_SUB : PROMQL_ADD;
	e->unary.of = of;
	return parser_adopt(p, e, of) ? e : NULL;
}

static struct promql_expr *parse_paren(struct parser *p)
{
	struct token open = parser_take(p);
	struct promql_expr *of = parse_expression(p);

	if (of == NULL || !parser_expect(p, TOKEN_RIGHT_PAREN))
		return NULL;
	struct promql_expr *e = parser_new(p, PROMQL_PAREN, of->type, open.start, p->end);
	if (e == NULL)
		return NULL;
	e->paren = of;
	return parser_adopt(p, e, of) ? e : NULL;
}

static struct promql_expr *parse_text(struct parser *p)
{
	struct token t = parser_take(p);
	struct slice text = parse_string(p, t);
	struct promql_expr *e = text.ptr != NULL ? parser_new(p, PROMQL_TEXT, PROMQL_STRING, t.start, p->end) : NULL;

	if (e != NULL)
		e->text = text;
	return e;
}

/* A word: of a function or an aggregation where parentheses follow, else a metric's name. */
static struct promql_expr *parse_word(struct parser *p)
{
	struct token word = parser_take(p);
	enum token_type next = parser_peek(p);
	bool grouped = next == TOKEN_BY || next == TOKEN_WITHOUT;

	if (token_is_aggregation(word.type) && (next == TOKEN_LEFT_PAREN || grouped))
		return parse_aggregation(p, word);
	if (next == TOKEN_LEFT_PAREN && (word.type == TOKEN_IDENTIFIER || word.type >= TOKEN_PREPROCESSORS))
		return parse_call(p, word);
	return parse_selector(p, &word);
}

static struct promql_expr *parse_operand(struct parser *p)
{
	enum token_type type = parser_peek(p);

	if (type == TOKEN_LEFT_PAREN)
		return parse_paren(p);
	if (type == TOKEN_NUMBER || type == TOKEN_DURATION)
		return parse_number(p, parser_take(p));
	if (type == TOKEN_STRING)
		return parse_text(p);
	if (type == TOKEN_LEFT_BRACE)
		return parse_selector(p, NULL);
	if (is_metric_name(type))
		return parse_word(p);
	parser_unexpected(p);
	return NULL;
}

/* An operand with all operators behind it that bind at least so tightly. */
static struct promql_expr *parse_binds(struct parser *p, int min_binds)
{
	struct promql_expr *e = NULL;
	enum promql_op op;

	if (parser_nest(p)) {
		bool sign = parser_peek(p) == TOKEN_ADD || parser_peek(p) == TOKEN_SUB;
		e = sign ? parse_unary(p) : parse_modifiers(p, parse_operand(p));
	}
	while (e != NULL) {
		int binds = operator_of(parser_peek(p), &op);
		if (binds == 0 || binds < min_binds)
			break;
		e = parse_binary(p, e, op, binds);
	}
	parser_unnest(p);
	return e;
}

struct promql_expr *parse_expression(struct parser *p)
{
	return parse_binds(p, 1);
}

/* Calls of functions, aggregations, and the labels in parentheses behind by, without, on, ignoring, group_left and group_right. */
#include "base/utf8.h"
#include "promql/parser.h"
#include "promql/quote.h"

/* ---- labels ---- */

/* Inside parentheses all keywords but `without` are labels as well. */
static bool is_label(enum token_type t)
{
	return t == TOKEN_IDENTIFIER || t == TOKEN_METRIC_IDENTIFIER || t == TOKEN_AND || t == TOKEN_OR ||
	       t == TOKEN_UNLESS || t == TOKEN_ATAN2 || token_is_aggregation(t) ||
	       (t >= TOKEN_KEYWORDS && t != TOKEN_WITHOUT);
}

static bool parse_label(struct parser *p, struct slice *out)
{
	enum token_type type = parser_peek(p);

	if (type != TOKEN_STRING && !is_label(type)) {
		parser_unexpected(p);
		return false;
	}
	struct token t = parser_take(p);
	*out = t.type == TOKEN_STRING ? parse_string(p, t) : arena_copy(p->arena, t.text);
	if (out->ptr == NULL) {
		parser_out_of_memory(p);
		return false;
	}
	if (out->len > 0 && utf8_valid(*out, NULL))
		return true;
	parser_fail(p, t.start, "invalid label name for grouping: %s", quoted(*out, UINT32_MAX, p->arena));
	return false;
}

static bool parse_labels(struct parser *p, struct slice **labels, uint32_t *count)
{
	while (parser_peek(p) != TOKEN_RIGHT_PAREN || *count == 0) {
		struct slice *grown = parser_grow(p, *labels, *count, sizeof **labels);
		if (grown == NULL)
			return false;
		*labels = grown;
		if (!parse_label(p, &grown[*count]))
			return false;
		++*count;
		struct context before = parser_enter(p, "grouping opts", "\",\" or \")\"");
		bool more = parser_accept(p, TOKEN_COMMA);
		bool right = more || parser_expect(p, TOKEN_RIGHT_PAREN);
		p->context = before;
		if (!more)
			return right;
	}
	parser_take(p);
	return true;
}

bool parse_grouping(struct parser *p, const struct slice **labels, uint32_t *count)
{
	struct context before = parser_enter(p, "grouping opts", "\"(\"");
	struct slice *items = NULL;

	*count = 0;
	if (!parser_expect(p, TOKEN_LEFT_PAREN))
		return false;
	parser_enter(p, "grouping opts", "label");
	bool right = parser_accept(p, TOKEN_RIGHT_PAREN) || parse_labels(p, &items, count);
	p->context = before;
	*labels = items;
	return right;
}

/* ---- arguments ---- */

struct arguments {
	struct promql_expr **items;
	uint32_t count;
};

bool begins_expression(enum token_type t)
{
	return is_metric_name(t) || t == TOKEN_LEFT_PAREN || t == TOKEN_LEFT_BRACE || t == TOKEN_NUMBER ||
	       t == TOKEN_DURATION || t == TOKEN_STRING || t == TOKEN_ADD || t == TOKEN_SUB;
}

static bool parse_arguments(struct parser *p, struct arguments *a)
{
	*a = (struct arguments){0};
	if (!parser_expect(p, TOKEN_LEFT_PAREN))
		return false;
	if (parser_accept(p, TOKEN_RIGHT_PAREN))
		return true;
	for (;;) {
		struct promql_expr **grown = parser_grow(p, (void *)a->items, a->count, sizeof *grown);
		if (grown == NULL)
			return false;
		a->items = grown;
		grown[a->count] = parse_expression(p);
		if (grown[a->count++] == NULL)
			return false;
		if (parser_peek(p) != TOKEN_COMMA)
			return parser_expect(p, TOKEN_RIGHT_PAREN);
		uint32_t comma = parser_take(p).start;
		if (!begins_expression(parser_peek(p))) {
			parser_fail(p, comma, "trailing commas not allowed in function call args");
			return false;
		}
	}
}

struct promql_expr *parse_call(struct parser *p, struct token name)
{
	struct arguments a;
	if (!parse_arguments(p, &a))
		return NULL;
	const struct promql_function *f = promql_function_find(name.text);
	if (f == NULL) {
		parser_fail(p, name.start, "unknown function with name %s", quoted(name.text, UINT32_MAX, p->arena));
		return NULL;
	}
	struct promql_expr *e = parser_new(p, PROMQL_CALL, f->returns, name.start, p->end);
	if (e == NULL)
		return NULL;
	e->call.function = f;
	e->call.args = a.items;
	e->call.arg_count = a.count;
	for (uint32_t i = 0; i < a.count; i++) {
		if (!parser_adopt(p, e, a.items[i]))
			return NULL;
	}
	return e;
}

/* ---- aggregations ---- */

static bool has_parameter(enum promql_aggregation op)
{
	return op == PROMQL_TOPK || op == PROMQL_BOTTOMK || op == PROMQL_COUNT_VALUES || op == PROMQL_QUANTILE ||
	       op == PROMQL_LIMITK || op == PROMQL_LIMIT_RATIO;
}

/* by (…), without (…), where one of them comes now and none came before. */
static bool parse_by(struct parser *p, struct promql_expr *e, bool *came)
{
	enum token_type type = parser_peek(p);
	if (*came || (type != TOKEN_BY && type != TOKEN_WITHOUT))
		return true;
	*came = true;
	e->aggregate.without = type == TOKEN_WITHOUT;
	parser_take(p);
	if (!parse_grouping(p, &e->aggregate.labels, &e->aggregate.label_count))
		return false;
	e->end = p->end;
	return true;
}

static bool take_arguments(struct parser *p, struct promql_expr *e, const struct arguments *a)
{
	uint32_t wanted = has_parameter(e->aggregate.op) ? 2 : 1;

	if (a->count == 0) {
		parser_fail(p, e->start, "no arguments for aggregate expression provided");
		return false;
	}
	if (a->count != wanted) {
		parser_fail(p, e->start,
		            "wrong number of arguments for aggregate expression provided, expected %u, got %u", wanted,
		            a->count);
		return false;
	}
	e->aggregate.param = wanted == 2 ? a->items[0] : NULL;
	e->aggregate.of = a->items[wanted - 1];
	return parser_adopt(p, e, e->aggregate.param) && parser_adopt(p, e, e->aggregate.of);
}

struct promql_expr *parse_aggregation(struct parser *p, struct token op)
{
	struct arguments a;
	bool by = false;
	struct promql_expr *e = parser_new(p, PROMQL_AGGREGATE, PROMQL_VECTOR, op.start, p->end);

	if (e == NULL)
		return NULL;
	e->aggregate.op = (enum promql_aggregation)(op.type - TOKEN_AGGREGATIONS);
	struct context before = parser_enter(p, "aggregation", NULL);
	if (!parse_by(p, e, &by) || !parse_arguments(p, &a))
		return NULL;
	e->end = p->end;
	if (!parse_by(p, e, &by))
		return NULL;
	p->context = before;
	return take_arguments(p, e, &a) ? e : NULL;
}

/* GET and POST /api/v1/format_query and /api/v1/parse_query: an expression as Prometheus prints it, and its tree as Prometheus's console draws it. */
#include <errno.h>
#include <math.h>

#include "api/internal.h"
#include "promql/promql.h"

static struct promql_expr *read_expression(struct query *q)
{
	struct promql_expr *e;
	struct error err = {0};
	int code = promql_parse(params_get(&q->params, "query"), &q->arena, &e, &err);

	if (code == 0)
		return e;
	if (code != -ENOMEM)
		error_prefix(&err, "invalid parameter \"query\"");
	query_fail_code(q, code, &err);
	return NULL;
}

/* ---- format_query ---- */

static void answer_format(struct query *q)
{
	struct buf text = {0};
	const struct promql_expr *e = read_expression(q);

	if (e != NULL) {
		promql_print_pretty(e, &text);
		q->out.failed |= buf_failed(&text);
		buf_json_string(&q->out, buf_slice(&text));
	}
	buf_free(&text);
}

void api_format_query(void *ctx, struct http_request *req)
{
	query_start(ctx, req, answer_format);
}

/* ---- parse_query: a node is an object; what it has is written by these ---- */

static void put_node(struct buf *b, const struct promql_expr *e);

static void key(struct buf *b, const char *name)
{
	buf_str(b, ",\"");
	buf_str(b, name);
	buf_str(b, "\":");
}

static void put_text(struct buf *b, const char *name, struct slice value)
{
	key(b, name);
	buf_json_string(b, value);
}

static void put_word(struct buf *b, const char *name, const char *value)
{
	put_text(b, name, slice_cstr(value));
}

static void put_flag(struct buf *b, const char *name, bool value)
{
	key(b, name);
	buf_str(b, value ? "true" : "false");
}

static void put_int(struct buf *b, const char *name, int64_t value)
{
	key(b, name);
	buf_int(b, value);
}

static void put_operand(struct buf *b, const char *name, const struct promql_expr *e)
{
	key(b, name);
	if (e != NULL)
		put_node(b, e);
	else
		buf_str(b, "null");
}

static void put_list(struct buf *b, const char *name, const struct slice *items, uint32_t count)
{
	key(b, name);
	buf_byte(b, '[');
	for (uint32_t i = 0; i < count; i++) {
		buf_str(b, i > 0 ? "," : "");
		buf_json_string(b, items[i]);
	}
	buf_byte(b, ']');
}

static void put_number(struct buf *b, double v)
{
	buf_byte(b, '"');
	buf_number(b, v);
	buf_byte(b, '"');
}

static const char *type_word(enum promql_type type)
{
	static const char *const words[] = {"none", "scalar", "vector", "matrix", "string"};
	return words[type];
}

/* ---- selectors ---- */

static void put_matchers(struct buf *b, const struct promql_expr *selector)
{
	static const char *const ops[] = {
	    [MATCH_EQUAL] = "=", [MATCH_NOT_EQUAL] = "!=", [MATCH_REGEX] = "=~", [MATCH_NOT_REGEX] = "!~"};

	key(b, "matchers");
	buf_byte(b, '[');
	for (uint32_t i = 0; i < selector->selector.matcher_count; i++) {
		const struct promql_matcher *m = &selector->selector.matchers[i];
		buf_str(b, i > 0 ? ",{\"name\":" : "{\"name\":");
		buf_json_string(b, m->name);
		put_word(b, "type", ops[m->op]);
		put_text(b, "value", m->value);
		buf_byte(b, '}');
	}
	buf_byte(b, ']');
}

static void put_when(struct buf *b, const struct promql_when *when)
{
	put_int(b, "offset", when->offset_ms);
	key(b, "timestamp");
	if (when->at == PROMQL_AT_TIME)
		buf_int(b, when->at_ms);
	else
		buf_str(b, "null");
	key(b, "startOrEnd");
	buf_str(b, when->at == PROMQL_AT_START ? "\"start\"" : when->at == PROMQL_AT_END ? "\"end\"" : "null");
}

static void put_selector(struct buf *b, const char *type, const struct promql_expr *s)
{
	buf_printf(b, "{\"type\":\"%s\"", type);
	put_text(b, "name", s->selector.name);
	put_when(b, &s->selector.when);
	put_matchers(b, s);
	put_flag(b, "anchored", s->selector.extended == PROMQL_ANCHORED);
	put_flag(b, "smoothed", s->selector.extended == PROMQL_SMOOTHED);
}

static void put_subquery(struct buf *b, const struct promql_expr *e)
{
	buf_str(b, "{\"type\":\"subquery\"");
	put_operand(b, "expr", e->subquery.of);
	put_int(b, "range", e->subquery.range_ms);
	put_int(b, "step", e->subquery.step_ms);
	put_when(b, &e->subquery.when);
}

/* ---- operators, aggregations, calls ---- */

static void put_fill(struct buf *b, bool fills, double value)
{
	if (fills && isfinite(value))
		buf_json_number(b, value);
	else
		buf_str(b, "null"); /* JSON has no NaN */
}

static void put_matching(struct buf *b, const struct promql_matching *m)
{
	static const char *const cards[] = {[PROMQL_ONE_TO_ONE] = "one-to-one",
	                                    [PROMQL_MANY_TO_ONE] = "many-to-one",
	                                    [PROMQL_ONE_TO_MANY] = "one-to-many",
	                                    [PROMQL_MANY_TO_MANY] = "many-to-many"};

	key(b, "matching");
	if (m == NULL) {
		buf_str(b, "null");
		return;
	}
	buf_printf(b, "{\"card\":\"%s\"", cards[m->card]);
	put_list(b, "labels", m->labels, m->label_count);
	put_flag(b, "on", m->on);
	put_list(b, "include", m->include, m->include_count);
	buf_str(b, ",\"fillValues\":{\"lhs\":");
	put_fill(b, m->fills_left, m->fill_left);
	buf_str(b, ",\"rhs\":");
	put_fill(b, m->fills_right, m->fill_right);
	buf_str(b, "}}");
}

static void put_binary(struct buf *b, const struct promql_expr *e)
{
	buf_str(b, "{\"type\":\"binaryExpr\"");
	put_word(b, "op", promql_op_text(e->binary.op));
	put_operand(b, "lhs", e->binary.left);
	put_operand(b, "rhs", e->binary.right);
	put_matching(b, e->binary.matching);
	put_flag(b, "bool", e->binary.returns_bool);
}

static void put_aggregate(struct buf *b, const struct promql_expr *e)
{
	buf_str(b, "{\"type\":\"aggregation\"");
	put_word(b, "op", promql_aggregation_text(e->aggregate.op));
	put_operand(b, "expr", e->aggregate.of);
	put_operand(b, "param", e->aggregate.param);
	put_list(b, "grouping", e->aggregate.labels, e->aggregate.label_count);
	put_flag(b, "without", e->aggregate.without);
}

static void put_call(struct buf *b, const struct promql_expr *e)
{
	const struct promql_function *f = e->call.function;

	buf_str(b, "{\"type\":\"call\",\"func\":{\"name\":");
	buf_json_string(b, slice_cstr(f->name));
	buf_str(b, ",\"argTypes\":[");
	for (uint32_t i = 0; i < f->arg_count; i++)
		buf_printf(b, "%s\"%s\"", i > 0 ? "," : "", type_word(f->args[i]));
	buf_byte(b, ']');
	put_int(b, "variadic", f->variadic);
	put_word(b, "returnType", type_word(f->returns));
	buf_str(b, "},\"args\":[");
	for (uint32_t i = 0; i < e->call.arg_count; i++) {
		buf_str(b, i > 0 ? "," : "");
		put_node(b, e->call.args[i]);
	}
	buf_byte(b, ']');
}

static void put_node(struct buf *b, const struct promql_expr *e)
{
	switch (e->kind) {
	case PROMQL_NUMBER:
		buf_str(b, "{\"type\":\"numberLiteral\",\"val\":");
		put_number(b, e->number.value);
		break;
	case PROMQL_TEXT:
		buf_str(b, "{\"type\":\"stringLiteral\"");
		put_text(b, "val", e->text);
		break;
	case PROMQL_SELECTOR:
		put_selector(b, "vectorSelector", e);
		break;
	case PROMQL_RANGE_SELECTOR:
		put_selector(b, "matrixSelector", e->range.selector);
		put_int(b, "range", e->range.range_ms);
		break;
	case PROMQL_SUBQUERY:
		put_subquery(b, e);
		break;
	case PROMQL_PAREN:
		buf_str(b, "{\"type\":\"parenExpr\"");
		put_operand(b, "expr", e->paren);
		break;
	case PROMQL_UNARY:
		buf_str(b, "{\"type\":\"unaryExpr\"");
		put_word(b, "op", promql_op_text(e->unary.op));
		put_operand(b, "expr", e->unary.of);
		break;
	case PROMQL_BINARY:
		put_binary(b, e);
		break;
	case PROMQL_AGGREGATE:
		put_aggregate(b, e);
		break;
	case PROMQL_CALL:
		put_call(b, e);
		break;
	case PROMQL_DURATION: /* is part of a range, a step or an offset: no node there either */
		buf_str(b, "{\"type\":\"duration\"");
		break;
	}
	buf_byte(b, '}');
}

static void answer_parse(struct query *q)
{
	const struct promql_expr *e = read_expression(q);

	if (e != NULL)
		put_node(&q->out, e);
}

void api_parse_query(void *ctx, struct http_request *req)
{
	query_start(ctx, req, answer_parse);
}

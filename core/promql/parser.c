/* The frame of the parser: tokens, errors, memory; what is called from outside. */
#include "promql/parser.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "promql/quote.h"

/* ---- errors ---- */

/* "line:column", as Prometheus counts: bytes from 1 on. */
static void position(struct slice text, uint32_t at, char *room, size_t size)
{
	uint32_t line = 1, begin = 0;

	if (text.len == 0) {
		snprintf(room, size, "unknown position");
		return;
	}
	for (uint32_t i = 0; i < at && i < text.len; i++) {
		if (text.ptr[i] == '\n') {
			line++;
			begin = i + 1;
		}
	}
	snprintf(room, size, "%u:%u", line, at - begin + 1);
}

int parser_fail(struct parser *p, uint32_t at, const char *format, ...)
{
	char where[32], text[ERROR_TEXT_MAX];
	va_list args;

	if (p->code != 0)
		return p->code;
	p->code = -EINVAL;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	position(p->lexer.input, at, where, sizeof where);
	error_set(p->err, -EINVAL, "%s: parse error: %s", where, text);
	return p->code;
}

void parser_out_of_memory(struct parser *p)
{
	if (p->code == 0)
		p->code = error_set(p->err, -ENOMEM, "out of memory while reading an expression");
}

static bool too_much(struct parser *p, uint32_t at, const char *what, unsigned max)
{
	if (p->code == 0) {
		parser_fail(p, at, "%s, more than %u", what, max);
		p->code = -E2BIG;
		if (p->err != NULL)
			p->err->code = -E2BIG;
	}
	return false;
}

/* How an unexpected token is called. */
static const char *describe(struct parser *p, struct token t)
{
	static const char *const kinds[TOKEN_TYPES] = {
	    [TOKEN_IDENTIFIER] = "identifier ", [TOKEN_METRIC_IDENTIFIER] = "metric identifier ",
	    [TOKEN_NUMBER] = "number ",         [TOKEN_DURATION] = "duration ",
	    [TOKEN_STRING] = "string ",
	};
	const char *kind = kinds[t.type] != NULL ? kinds[t.type] : "";
	bool name = t.type == TOKEN_IDENTIFIER || t.type == TOKEN_METRIC_IDENTIFIER;
	bool cut = !name && t.text.len > 10;
	char text[256];

	if (t.type == TOKEN_END)
		return "end of input";
	if (token_is_keyword(t.type))
		snprintf(text, sizeof text, "<%.*s>", SLICE_ARG(t.text));
	else if (token_is_operator(t.type))
		snprintf(text, sizeof text, "<op:%.*s>", SLICE_ARG(t.text));
	else if (token_is_aggregation(t.type))
		snprintf(text, sizeof text, "<aggr:%.*s>", SLICE_ARG(t.text));
	else
		snprintf(text, sizeof text, "%s%s%s", kind, quoted(t.text, cut ? 10 : UINT32_MAX, p->arena),
		         cut ? "..." : "");
	struct slice copy = arena_copy(p->arena, slice_cstr(text));
	return copy.ptr != NULL ? copy.ptr : "token";
}

void parser_unexpected(struct parser *p)
{
	const struct context *c = &p->context;

	if (parser_peek(p) == TOKEN_ERROR) /* which has been said */
		return;
	parser_fail(p, p->next.start, "unexpected %s%s%s%s%s", describe(p, p->next), c->in != NULL ? " in " : "",
	            c->in != NULL ? c->in : "", c->expected != NULL ? ", expected " : "",
	            c->expected != NULL ? c->expected : "");
}

struct context parser_enter(struct parser *p, const char *in, const char *expected)
{
	struct context before = p->context;
	p->context = (struct context){in, expected};
	return before;
}

/* ---- tokens ---- */

enum token_type parser_peek(struct parser *p)
{
	if (!p->has_next) {
		p->next = lexer_next(&p->lexer);
		p->has_next = true;
		if (p->next.type == TOKEN_ERROR)
			parser_fail(p, p->next.start, "%.*s", SLICE_ARG(p->next.text));
	}
	return p->next.type;
}

struct token parser_take(struct parser *p)
{
	enum token_type type = parser_peek(p);
	/* Nothing lies behind these. */
	p->has_next = type == TOKEN_END || type == TOKEN_ERROR;
	p->end = p->next.start + (uint32_t)p->next.text.len;
	return p->next;
}

bool parser_accept(struct parser *p, enum token_type type)
{
	if (parser_peek(p) != type)
		return false;
	parser_take(p);
	return true;
}

bool parser_expect(struct parser *p, enum token_type type)
{
	if (parser_accept(p, type))
		return true;
	parser_unexpected(p);
	return false;
}

/* ---- the tree ---- */

struct promql_expr *parser_new(struct parser *p, enum promql_kind kind, enum promql_type type, uint32_t start,
                               uint32_t end)
{
	struct promql_expr *e = arena_alloc(p->arena, sizeof *e);
	if (e == NULL) {
		parser_out_of_memory(p);
		return NULL;
	}
	*e = (struct promql_expr){.kind = kind, .type = type, .start = start, .end = end, .depth = 1};
	return e;
}

bool parser_adopt(struct parser *p, struct promql_expr *e, const struct promql_expr *operand)
{
	if (operand == NULL || operand->depth < e->depth)
		return true;
	e->depth = operand->depth + 1;
	return e->depth <= PROMQL_DEPTH_MAX ||
	       too_much(p, e->start, "the expression has too many levels", PROMQL_DEPTH_MAX);
}

bool parser_nest(struct parser *p)
{
	if (++p->nesting <= PROMQL_NESTING_MAX)
		return true;
	return too_much(p, p->end, "expressions are nested too deeply", PROMQL_NESTING_MAX);
}

void parser_unnest(struct parser *p)
{
	p->nesting--;
}

void *parser_grow(struct parser *p, void *items, uint32_t count, size_t size)
{
	if (items != NULL && (count & (count - 1)) != 0) /* it has room up to the next power of two */
		return items;
	void *copy = arena_alloc(p->arena, (count > 0 ? count * (size_t)2 : 1) * size);
	if (copy == NULL)
		parser_out_of_memory(p);
	else if (items != NULL)
		memcpy(copy, items, count * size);
	return copy;
}

/* ---- from outside ---- */

typedef struct promql_expr *parse_start(struct parser *p);

static struct promql_expr *start_expression(struct parser *p)
{
	if (parser_peek(p) == TOKEN_END) {
		parser_fail(p, 0, "no expression found in input");
		return NULL;
	}
	struct promql_expr *e = parse_expression(p);
	if (e == NULL || !parser_expect(p, TOKEN_END) || !check_types(p, e))
		return NULL;
	return e;
}

static struct promql_expr *start_selector(struct parser *p)
{
	struct token name = {0};
	bool named = is_metric_name(parser_peek(p));
	if (named)
		name = parser_take(p);
	struct promql_expr *e = parse_selector(p, named ? &name : NULL);
	return e != NULL && parser_expect(p, TOKEN_END) ? e : NULL;
}

static int parse(struct slice text, struct arena *arena, parse_start *start, struct promql_expr **out,
                 struct error *err)
{
	struct parser p = {.arena = arena, .err = err};

	*out = NULL;
	if (text.len > PROMQL_BYTES_MAX)
		return error_set(err, -E2BIG, "the expression has %zu bytes, more than %d", text.len, PROMQL_BYTES_MAX);
	lexer_init(&p.lexer, text, arena);
	struct promql_expr *e = start(&p);
	if (p.code == 0)
		*out = e;
	return p.code;
}

int promql_parse(struct slice text, struct arena *arena, struct promql_expr **out, struct error *err)
{
	return parse(text, arena, start_expression, out, err);
}

int promql_parse_selector(struct slice text, struct arena *arena, struct promql_expr **out, struct error *err)
{
	return parse(text, arena, start_selector, out, err);
}

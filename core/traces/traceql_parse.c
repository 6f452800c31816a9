/* Sets of spans, and pipelines. The grammar is in TRACEQL.md. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "traces/traceql_parser.h"

void *traceql_parser_fail(struct parser *p, uint32_t at, int code, const char *format, ...)
{
	uint32_t line = 1, column = 1;
	char text[ERROR_TEXT_MAX];
	va_list args;

	if (p->code != 0)
		return NULL;
	p->code = code;
	for (uint32_t i = 0; i < at && i < p->lexer.input.len; i++) {
		unsigned char c = (unsigned char)p->lexer.input.ptr[i];
		column = c == '\n' ? 1 : column + ((c & 0xc0) != 0x80);
		line += c == '\n';
	}
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	error_set(p->err, code, "parse error at line %u, col %u: %s", line, column, text);
	return NULL;
}

void *traceql_parser_no_memory(struct parser *p)
{
	if (p->code == 0)
		p->code = error_set(p->err, -ENOMEM, "memory is out");
	return NULL;
}

void *traceql_parser_room(struct parser *p, size_t size)
{
	void *room = arena_alloc(&p->q->arena, size);

	if (room == NULL)
		return traceql_parser_no_memory(p);
	memset(room, 0, size);
	return room;
}

void *traceql_parser_unexpected(struct parser *p, const char *wanted)
{
	const struct lex_token *t = &p->token;
	struct slice text = slice_new(p->lexer.input.ptr + t->start, t->end - t->start);

	if (t->type == LEX_END)
		return traceql_parser_fail(p, t->start, -EINVAL, "the query ends where %s is wanted", wanted);
	text = utf8_valid(text, NULL) ? utf8_cut(text, 60) : SLICE("what is no UTF-8");
	return traceql_parser_fail(p, t->start, -EINVAL, "unexpected %.*s, wanted is %s", SLICE_ARG(text), wanted);
}

bool traceql_parser_advance(struct parser *p)
{
	p->token = lex_next(&p->lexer);
	if (p->token.type != LEX_ERROR)
		return true;
	if (p->token.error == NULL)
		traceql_parser_no_memory(p);
	else
		traceql_parser_fail(p, p->token.start, -EINVAL, "%s", p->token.error);
	return false;
}

bool traceql_parser_accept(struct parser *p, enum lex_type type)
{
	return p->token.type == type && traceql_parser_advance(p);
}

bool traceql_parser_expect(struct parser *p, enum lex_type type, const char *what)
{
	if (p->token.type == type)
		return traceql_parser_advance(p);
	traceql_parser_unexpected(p, what);
	return false;
}

bool traceql_parser_enter(struct parser *p)
{
	if (++p->depth <= TRACEQL_DEPTH_MAX)
		return true;
	traceql_parser_fail(p, p->token.start, -E2BIG, "over %d levels", TRACEQL_DEPTH_MAX);
	return false;
}

static const struct {
	enum lex_type type;
	const char *name;
} names[] = {
    {LEX_ADD, "+"}, {LEX_SUB, "-"},  {LEX_MUL, "*"}, {LEX_DIV, "/"},    {LEX_MOD, "%"},        {LEX_POW, "^"},
    {LEX_NOT, "!"}, {LEX_AND, "&&"}, {LEX_OR, "||"}, {LEX_EQ, "="},     {LEX_NE, "!="},        {LEX_LT, "<"},
    {LEX_LE, "<="}, {LEX_GT, ">"},   {LEX_GE, ">="}, {LEX_REGEX, "=~"}, {LEX_NOT_REGEX, "!~"},
};

const char *lex_name(enum lex_type type)
{
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (names[i].type == type)
			return names[i].name;
	}
	return "the operator";
}

/* ---- sets ---- */

static struct set_expr *parse_set(struct parser *p, int level);
static struct stage *parse_pipeline(struct parser *p);

static struct set_expr *new_set(struct parser *p, enum set_kind kind, uint32_t start)
{
	struct set_expr *e = traceql_parser_room(p, sizeof *e);

	if (e != NULL) {
		e->kind = (uint8_t)kind;
		e->start = start;
	}
	return e;
}

static struct set_expr *parse_filter(struct parser *p)
{
	struct set_expr *e = new_set(p, SET_FILTER, p->token.start);

	if (e == NULL || !traceql_parser_advance(p))
		return NULL;
	if (traceql_parser_accept(p, LEX_RIGHT_BRACE))
		return e;
	uint32_t at = p->token.start;
	e->filter = p->code == 0 ? parse_expr(p) : NULL;
	if (e->filter == NULL)
		return NULL;
	if (e->filter->type != TRACEQL_BOOL && e->filter->type != TYPE_ANY)
		return traceql_parser_fail(p, at, -EINVAL, "what stands in braces is not true or false");
	if (!traceql_parser_expect(p, LEX_RIGHT_BRACE, "} or an operator"))
		return NULL;
	plan_expr(p->q, e->filter);
	return e;
}

/* A pipeline in parentheses; of one set alone that set. */
static struct set_expr *parse_wrapped(struct parser *p)
{
	struct set_expr *e = new_set(p, SET_PIPELINE, p->token.start);

	if (e == NULL || !traceql_parser_advance(p))
		return NULL;
	e->stages = parse_pipeline(p);
	if (e->stages == NULL || !traceql_parser_expect(p, LEX_RIGHT_PAREN, ") or |"))
		return NULL;
	if (e->stages->kind == STAGE_SET && e->stages->next == NULL)
		return e->stages->set;
	for (const struct stage *s = e->stages; s != NULL; s = s->next) {
		e->many = s->kind == STAGE_BY || (e->many && s->kind != STAGE_COALESCE);
		if (s->set != NULL && s->set->depth + 1 > e->depth)
			e->depth = (uint16_t)(s->set->depth + 1);
	}
	return e;
}

static int set_level(enum lex_type op)
{
	if (op == LEX_AND || op == LEX_OR)
		return 1;
	return op == LEX_GT || op == LEX_LT || op >= LEX_NOT_REGEX ? 2 : 0;
}

static struct set_expr *set_operation(struct parser *p, enum lex_type op, struct set_expr *left, struct set_expr *right)
{
	struct set_expr *e = new_set(p, SET_OPERATION, left->start);

	if (e == NULL)
		return NULL;
	e->op = (uint8_t)op;
	e->left = left;
	e->right = right;
	e->depth = (uint16_t)((left->depth > right->depth ? left->depth : right->depth) + 1);
	if (set_level(op) == 2 && (left->many || right->many))
		return traceql_parser_fail(p, left->start, -EINVAL,
		                           "a structural operator between groups of by() is not supported");
	if (e->depth > TRACEQL_DEPTH_MAX)
		return traceql_parser_fail(p, left->start, -E2BIG, "over %d levels", TRACEQL_DEPTH_MAX);
	return e;
}

static struct set_expr *parse_set_primary(struct parser *p)
{
	if (p->token.type == LEX_LEFT_BRACE)
		return parse_filter(p);
	if (p->token.type == LEX_LEFT_PAREN)
		return parse_wrapped(p);
	return traceql_parser_unexpected(p, "{ or (");
}

static struct set_expr *parse_set(struct parser *p, int level)
{
	if (!traceql_parser_enter(p)) {
		traceql_parser_leave(p);
		return NULL;
	}
	struct set_expr *left = parse_set_primary(p);
	while (left != NULL && set_level(p->token.type) >= level) {
		enum lex_type op = p->token.type;
		struct set_expr *right = traceql_parser_advance(p) ? parse_set(p, set_level(op) + 1) : NULL;
		left = right != NULL ? set_operation(p, op, left, right) : NULL;
	}
	traceql_parser_leave(p);
	return left;
}

/* ---- stages ---- */

static const struct {
	const char *word;
	enum aggregate aggregate;
} aggregates[] = {
    {"count", AGGREGATE_COUNT}, {"avg", AGGREGATE_AVG}, {"max", AGGREGATE_MAX},
    {"min", AGGREGATE_MIN},     {"sum", AGGREGATE_SUM},
};

static bool aggregate_word(const struct parser *p, enum aggregate *out)
{
	for (size_t i = 0; i < sizeof aggregates / sizeof *aggregates; i++) {
		if (traceql_parser_word_is(p, aggregates[i].word)) {
			*out = aggregates[i].aggregate;
			return true;
		}
	}
	return false;
}

/* The text of a call as the name of what it says: "avg(duration)". */
static bool label_from(struct parser *p, struct stage *s, uint32_t start, uint32_t end)
{
	s->label = slice_new(p->lexer.input.ptr + start, end - start);
	return true;
}

/* (expression) of by() and the aggregates. */
static bool parse_argument(struct parser *p, struct stage *s, uint32_t start)
{
	if (!traceql_parser_advance(p) || !traceql_parser_expect(p, LEX_LEFT_PAREN, "("))
		return false;
	uint32_t at = p->token.start, end = p->token.end;
	if (s->kind == STAGE_SCALAR && s->aggregate == AGGREGATE_COUNT)
		return traceql_parser_expect(p, LEX_RIGHT_PAREN, ")") && label_from(p, s, start, end);
	s->expr = parse_expr(p);
	end = p->token.end;
	if (s->expr == NULL || !traceql_parser_expect(p, LEX_RIGHT_PAREN, ")"))
		return false;
	if (s->expr->reach == REACH_STATIC) {
		traceql_parser_fail(p, at, -EINVAL, "this is the same for all spans: a field is wanted");
		return false;
	}
	uint8_t type = s->expr->type;
	if (s->kind == STAGE_SCALAR && type != TYPE_ANY && type != TRACEQL_INT && type != TRACEQL_FLOAT &&
	    type != TRACEQL_DURATION) {
		traceql_parser_fail(p, at, -EINVAL, "this is no number");
		return false;
	}
	plan_expr(p->q, s->expr);
	return label_from(p, s, start, end);
}

static struct stage *new_stage(struct parser *p, enum stage_kind kind)
{
	struct stage *s;

	if (p->q->stage_count++ == TRACEQL_STAGES_MAX)
		return traceql_parser_fail(p, p->token.start, -E2BIG, "over %d stages", TRACEQL_STAGES_MAX);
	s = traceql_parser_room(p, sizeof *s);
	if (s != NULL)
		s->kind = (uint8_t)kind;
	return s;
}

static struct stage *parse_scalar_stage(struct parser *p, enum aggregate aggregate)
{
	struct stage *s = new_stage(p, STAGE_SCALAR);

	if (s == NULL)
		return NULL;
	s->aggregate = (uint8_t)aggregate;
	if (!parse_argument(p, s, p->token.start))
		return NULL;
	uint32_t at = p->token.start;
	enum lex_type op = p->token.type;
	if (op >= LEX_ADD && op <= LEX_POW)
		return traceql_parser_fail(p, at, -EINVAL, "reckoning with aggregates is not supported");
	if (op < LEX_EQ || op > LEX_GE)
		return traceql_parser_unexpected(p, "a comparison");
	s->op = (uint8_t)op;
	if (!traceql_parser_advance(p))
		return NULL;
	at = p->token.start;
	if (aggregate_word(p, &(enum aggregate){0}))
		return traceql_parser_fail(p, at, -EINVAL, "comparing aggregates with one another is not supported");
	if (!parse_scalar(p, &s->value))
		return NULL;
	enum traceql_type type = s->value.type;
	if (type != TRACEQL_INT && type != TRACEQL_FLOAT && type != TRACEQL_DURATION)
		return traceql_parser_fail(p, at, -EINVAL, "an aggregate is compared with a number");
	return s;
}

/* What select() names, the query names: that is all it is for. */
static struct stage *parse_select(struct parser *p)
{
	struct stage *s = new_stage(p, STAGE_SELECT);
	uint32_t field;

	if (s == NULL || !traceql_parser_advance(p) || !traceql_parser_expect(p, LEX_LEFT_PAREN, "("))
		return NULL;
	do {
		if (!parse_field(p, &field))
			return NULL;
	} while (traceql_parser_accept(p, LEX_COMMA));
	return p->code == 0 && traceql_parser_expect(p, LEX_RIGHT_PAREN, ") or ,") ? s : NULL;
}

static bool is_metrics_function(const struct parser *p)
{
	static const char *const functions[] = {
	    "rate",          "count_over_time",    "min_over_time",       "max_over_time", "avg_over_time",
	    "sum_over_time", "quantile_over_time", "histogram_over_time", "compare",       "topk",
	    "bottomk",
	};
	for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
		if (traceql_parser_word_is(p, functions[i]))
			return true;
	}
	return false;
}

static struct stage *parse_stage(struct parser *p, bool first)
{
	enum aggregate aggregate;
	struct stage *s;

	if (p->token.type == LEX_LEFT_BRACE || p->token.type == LEX_LEFT_PAREN) {
		s = new_stage(p, STAGE_SET);
		if (s != NULL)
			s->set = parse_set(p, 1);
		return s != NULL && s->set != NULL ? s : NULL;
	}
	if (aggregate_word(p, &aggregate))
		return parse_scalar_stage(p, aggregate);
	if (traceql_parser_word_is(p, "by")) {
		s = new_stage(p, STAGE_BY);
		return s != NULL && parse_argument(p, s, p->token.start) ? s : NULL;
	}
	if (traceql_parser_word_is(p, "coalesce") && !first) {
		s = new_stage(p, STAGE_COALESCE);
		return s != NULL && traceql_parser_advance(p) && traceql_parser_expect(p, LEX_LEFT_PAREN, "(") &&
		               traceql_parser_expect(p, LEX_RIGHT_PAREN, ")")
		           ? s
		           : NULL;
	}
	if (traceql_parser_word_is(p, "select"))
		return parse_select(p);
	if (is_metrics_function(p))
		return traceql_parser_fail(p, p->token.start, -EINVAL,
		                           "metrics functions such as %.*s() are not supported",
		                           SLICE_ARG(p->token.text));
	return traceql_parser_unexpected(p, first ? "{" : "{, by(), select(), coalesce() or an aggregate");
}

static struct stage *parse_pipeline(struct parser *p)
{
	struct stage *first = parse_stage(p, true), *last = first;

	while (last != NULL && traceql_parser_accept(p, LEX_PIPE)) {
		last->next = parse_stage(p, false);
		last = last->next;
	}
	return p->code == 0 ? first : NULL;
}

/* with (name = value, …): advice to Tempo. */
static bool pass_hints(struct parser *p)
{
	struct traceql_value v;

	while (traceql_parser_word_is(p, "with")) {
		if (!traceql_parser_advance(p) || !traceql_parser_expect(p, LEX_LEFT_PAREN, "("))
			return false;
		do {
			if (!traceql_parser_expect(p, LEX_WORD, "the name of a hint") ||
			    !traceql_parser_expect(p, LEX_EQ, "=") || !parse_scalar(p, &v))
				return false;
		} while (traceql_parser_accept(p, LEX_COMMA));
		if (p->code != 0 || !traceql_parser_expect(p, LEX_RIGHT_PAREN, ") or ,"))
			return false;
	}
	return true;
}

static bool parse_query(struct parser *p)
{
	struct set_expr *root = new_set(p, SET_PIPELINE, 0);

	if (root == NULL || !traceql_parser_advance(p))
		return false;
	root->stages = parse_pipeline(p);
	if (root->stages == NULL || !pass_hints(p))
		return false;
	if (p->token.type != LEX_END) {
		traceql_parser_unexpected(p, "| or the end");
		return false;
	}
	p->q->root = root;
	return true;
}

struct traceql_query *traceql_parse(struct slice text, struct error *err)
{
	if (text.len > TRACEQL_BYTES_MAX) {
		error_set(err, -E2BIG, "parse error at line 1, col 1: the query has over %d bytes", TRACEQL_BYTES_MAX);
		return NULL;
	}
	struct traceql_query *q = mem_zalloc(1, sizeof *q);
	if (q == NULL) {
		error_set(err, -ENOMEM, "memory is out");
		return NULL;
	}
	arena_init(&q->arena);
	struct parser p = {.q = q, .err = err};
	struct slice copy = arena_copy(&q->arena, text); /* names and strings lie in it */
	p.lexer = (struct lexer_state){copy, &q->arena, 0};
	if (copy.ptr == NULL)
		traceql_parser_no_memory(&p);
	if (p.code != 0 || !parse_query(&p)) {
		traceql_free(q);
		return NULL;
	}
	return q;
}

void traceql_free(struct traceql_query *q)
{
	if (q == NULL)
		return;
	for (uint32_t i = 0; i < q->regex_count; i++)
		regex_free(q->regexes[i]);
	arena_deinit(&q->arena);
	mem_free(q);
}

/* What the parser's files share: a recursive descent with one token of lookahead, which is read only when it is asked for. So an error of what has been read comes before one of what follows, as in Prometheus's LALR
 * parser, and of all errors the first one is kept.
 *
 * What was expected instead of an unexpected token depends, there, on the innermost rule that has an error production. Here it is `context`: who begins such a rule sets it, and sets back the one before behind it. */
#ifndef MOONGATE_PROMQL_PARSER_H
#define MOONGATE_PROMQL_PARSER_H

#include <stdbool.h>
#include <stdint.h>

#include "promql/lexer.h"
#include "promql/promql.h"

struct context {
	const char *in;       /* "aggregation"; NULL: nothing is said */
	const char *expected; /* NULL: nothing is said */
};

struct parser {
	struct lexer lexer;
	struct arena *arena;
	struct error *err;
	int code; /* of the first error; 0: none */
	struct token next;
	bool has_next;
	struct context context;
	uint32_t nesting;
	/* Patterns that were compiled: an expression mostly has the same ones again and again. */
	struct {
		struct slice text;
		bool matches_empty;
	} regexes[PROMQL_REGEXES_MAX];
	uint32_t regex_count;
	uint32_t end; /* of the token that was taken last */
};

/* ---- parser.c ---- */

/* The next token, which stays. */
enum token_type parser_peek(struct parser *p);
/* Takes the next token. */
struct token parser_take(struct parser *p);
/* Takes the next token where it is of this type. */
bool parser_accept(struct parser *p, enum token_type type);
/* The same; else it is an error. */
bool parser_expect(struct parser *p, enum token_type type);

/* An error at a byte of the text; the first one is kept. Returns -EINVAL. */
int parser_fail(struct parser *p, uint32_t at, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The next token cannot be here. */
void parser_unexpected(struct parser *p);
void parser_out_of_memory(struct parser *p);

struct context parser_enter(struct parser *p, const char *in, const char *expected);

/* An expression from the arena, its depth that of its operands and one; NULL with the error set. */
struct promql_expr *parser_new(struct parser *p, enum promql_kind kind, enum promql_type type, uint32_t start,
                               uint32_t end);
/* `e` has this operand; NULL is allowed. False, with the error set: the tree is too deep. */
bool parser_adopt(struct parser *p, struct promql_expr *e, const struct promql_expr *operand);

/* Between these two the parser is one level deeper. False, with the error set: too deep. */
bool parser_nest(struct parser *p);
void parser_unnest(struct parser *p);

/* A growing array in the arena: the larger copy of `items` with room for one more than `count`; NULL with the error set. */
void *parser_grow(struct parser *p, void *items, uint32_t count, size_t size);

/* ---- parse_expr.c: NULL with the error set ---- */

struct promql_expr *parse_expression(struct parser *p);
/* The operator that a token is, and how tightly it binds: 1 to 6; 0: it is none. */
int operator_of(enum token_type type, enum promql_op *op);
enum { POWER_BINDS = 6, PRODUCT_BINDS = 5, SUM_BINDS = 4 };

/* ---- parse_call.c ---- */

/* (a, b, …): what stands between parentheses behind a function's or an aggregation's name. */
struct promql_expr *parse_call(struct parser *p, struct token name);
struct promql_expr *parse_aggregation(struct parser *p, struct token op);
/* May an expression begin so? */
bool begins_expression(enum token_type t);
/* (a, b): labels. False with the error set. */
bool parse_grouping(struct parser *p, const struct slice **labels, uint32_t *count);

/* ---- parse_selector.c ---- */

/* Where it may stand alone or before braces. `name`: that token, which was taken, or NULL. */
struct promql_expr *parse_selector(struct parser *p, const struct token *name);
/* May it be a metric's name? Keywords that begin nothing may. */
bool is_metric_name(enum token_type type);

/* ---- parse_modifier.c ---- */

/* Brackets, offset, @, anchored, smoothed behind an expression, as many as there are. */
struct promql_expr *parse_modifiers(struct parser *p, struct promql_expr *e);

/* ---- parse_duration.c ---- */

struct promql_expr *parse_duration(struct parser *p, int min_binds);
/* The one behind `offset`. */
struct promql_expr *parse_offset(struct parser *p);
/* Seconds as milliseconds, rounded to nanoseconds before. */
int64_t seconds_to_ms(double seconds, bool *is_zero);

/* ---- literal.c ---- */

/* A number or duration, which the token is. NULL with the error set. */
struct promql_expr *parse_number(struct parser *p, struct token t);
/* What a string says, in the arena. Its ptr is NULL with the error set. */
struct slice parse_string(struct parser *p, struct token t);

/* ---- types.c ---- */

/* Checks the types of a whole tree. False with the error set. */
bool check_types(struct parser *p, struct promql_expr *e);

#endif

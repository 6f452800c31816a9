/* The parser's state, and its parts: traceql_parse.c has sets and pipelines, traceql_expr.c expressions over fields, traceql_check.c their types. */
#ifndef MOONGATE_TRACES_TRACEQL_PARSER_H
#define MOONGATE_TRACES_TRACEQL_PARSER_H

#include "traces/traceql_tree.h"

struct parser {
	struct traceql_query *q;
	struct lexer_state lexer;
	struct lex_token token; /* the one at hand */
	struct error *err;
	int code;       /* of what went wrong first; 0: nothing */
	uint32_t depth; /* of calls */
};

/* Notes what is wrong at a byte of the text, if nothing was yet. Always NULL, for `return traceql_parser_fail(…)`. */
void *traceql_parser_fail(struct parser *p, uint32_t at, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The token at hand is not what may stand there; `wanted` says what may. */
void *traceql_parser_unexpected(struct parser *p, const char *wanted);
void *traceql_parser_no_memory(struct parser *p);
/* To the next token. False: there is none that could be read. */
bool traceql_parser_advance(struct parser *p);
/* Is the token at hand of that type? Then on to the next one. */
bool traceql_parser_accept(struct parser *p, enum lex_type type);
/* The same, and anything else is an error. */
bool traceql_parser_expect(struct parser *p, enum lex_type type, const char *what);
/* One level more of what stands in one another; false: too many. traceql_parser_leave afterwards in any case. */
bool traceql_parser_enter(struct parser *p);
static inline void traceql_parser_leave(struct parser *p)
{
	p->depth--;
}
void *traceql_parser_room(struct parser *p, size_t size); /* zeroed; NULL: memory is out, noted */
static inline bool traceql_parser_word_is(const struct parser *p, const char *word)
{
	return p->token.type == LEX_WORD && slice_eq(p->token.text, slice_cstr(word));
}
/* What a token is called in sentences. */
const char *lex_name(enum lex_type type);

/* An expression; NULL: it is none, noted. */
struct node *parse_expr(struct parser *p);
/* A field; false: it is none, noted. */
bool parse_field(struct parser *p, uint32_t *field);
/* A number or duration, with a sign. */
bool parse_scalar(struct parser *p, struct traceql_value *out);

/* Gives a node what it has by its parts: type, reach, depth, cost; notes where types do not go together. NULL then. */
struct node *check_node(struct parser *p, struct node *n);
/* The order of conditions, and which of them are remembered by resource. */
void plan_expr(struct traceql_query *q, struct node *n);

#endif

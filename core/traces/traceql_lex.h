/* Tokens of TraceQL. */
#ifndef MOONGATE_TRACES_TRACEQL_LEX_H
#define MOONGATE_TRACES_TRACEQL_LEX_H

#include "traces/traceql.h"

enum lex_type {
	LEX_ERROR, /* `error` is the sentence */
	LEX_END,
	LEX_WORD,      /* text */
	LEX_INTRINSIC, /* text: "span:name" */
	LEX_ATTRIBUTE, /* scope, parent; text is the name */
	LEX_STRING,    /* text, unquoted */
	LEX_INT,       /* integer */
	LEX_FLOAT,     /* number */
	LEX_DURATION,  /* integer, nanoseconds */
	LEX_LEFT_BRACE,
	LEX_RIGHT_BRACE,
	LEX_LEFT_PAREN,
	LEX_RIGHT_PAREN,
	LEX_COMMA,
	LEX_PIPE,
	LEX_ADD,
	LEX_SUB,
	LEX_MUL,
	LEX_DIV,
	LEX_MOD,
	LEX_POW,
	LEX_NOT,
	LEX_AND,
	LEX_OR,
	LEX_EQ,
	LEX_NE,
	LEX_LT,
	LEX_LE,
	LEX_GT,
	LEX_GE,
	LEX_REGEX,     /* =~ */
	LEX_NOT_REGEX, /* !~, also: no sibling */
	LEX_DESCENDANT,
	LEX_ANCESTOR,
	LEX_SIBLING,
	LEX_NOT_CHILD,
	LEX_NOT_PARENT,
	LEX_NOT_DESCENDANT,
	LEX_NOT_ANCESTOR,
	LEX_UNION_CHILD,
	LEX_UNION_PARENT,
	LEX_UNION_DESCENDANT,
	LEX_UNION_ANCESTOR,
	LEX_UNION_SIBLING
};

/* The scope of an attribute that has none: of the span, else of the resource. */
enum { LEX_SCOPE_ANY = TRACEQL_SCOPES };

struct lex_token {
	enum lex_type type;
	uint32_t start, end; /* bytes of the input */
	uint8_t scope;       /* enum traceql_scope or LEX_SCOPE_ANY */
	bool parent;
	struct slice text;
	int64_t integer;
	double number;
	const char *error;
};

struct lexer_state {
	struct slice input;
	struct arena *arena; /* of texts whose quotes and escapes are taken away */
	uint32_t at;
};

/* The next token. After LEX_ERROR or LEX_END nothing more is asked for. */
struct lex_token lex_next(struct lexer_state *l);

/* What stands between quotes: traceql_quote.c. Takes the text from its first quote on; false: *error says why, or memory is out (NULL). */
bool lex_quoted(struct lexer_state *l, struct slice *out, const char **error);
/* Numbers and durations: traceql_number.c. */
void lex_number(struct lexer_state *l, struct lex_token *t);

/* The byte `ahead` of the next one, -1 behind the end. */
static inline int lex_byte(const struct lexer_state *l, uint32_t ahead)
{
	return (uint64_t)l->at + ahead < l->input.len ? (unsigned char)l->input.ptr[l->at + ahead] : -1;
}

static inline bool lex_is_digit(int c)
{
	return c >= '0' && c <= '9';
}

#endif

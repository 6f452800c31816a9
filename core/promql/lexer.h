/* Tokens of PromQL. Which characters are what depends on where they stand: inside braces every word is an identifier, inside brackets durations are reckoned with. */
#ifndef MOONGATE_PROMQL_LEXER_H
#define MOONGATE_PROMQL_LEXER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"

/* Classes lie together: token_is_operator and its like compare. */
enum token_type {
	TOKEN_ERROR, /* `text` is the sentence */
	TOKEN_END,
	TOKEN_COMMA,
	TOKEN_COLON,
	TOKEN_EQUALS,
	TOKEN_LEFT_PAREN,
	TOKEN_RIGHT_PAREN,
	TOKEN_LEFT_BRACE,
	TOKEN_RIGHT_BRACE,
	TOKEN_LEFT_BRACKET,
	TOKEN_RIGHT_BRACKET,
	TOKEN_IDENTIFIER,
	TOKEN_METRIC_IDENTIFIER, /* with a colon in it */
	TOKEN_NUMBER,
	TOKEN_DURATION,
	TOKEN_STRING, /* with its quotes */

	TOKEN_OPERATORS, /* ---- */
	TOKEN_ADD = TOKEN_OPERATORS,
	TOKEN_SUB,
	TOKEN_MUL,
	TOKEN_DIV,
	TOKEN_MOD,
	TOKEN_POW,
	TOKEN_ATAN2,
	TOKEN_EQ,
	TOKEN_NE,
	TOKEN_GT,
	TOKEN_LT,
	TOKEN_GE,
	TOKEN_LE,
	TOKEN_AND,
	TOKEN_OR,
	TOKEN_UNLESS,
	TOKEN_REGEX,     /* =~ */
	TOKEN_NOT_REGEX, /* !~ */
	TOKEN_AT,

	TOKEN_AGGREGATIONS, /* ---- in the order of enum promql_aggregation */
	TOKEN_AVG = TOKEN_AGGREGATIONS,
	TOKEN_BOTTOMK,
	TOKEN_COUNT,
	TOKEN_COUNT_VALUES,
	TOKEN_GROUP,
	TOKEN_LIMIT_RATIO,
	TOKEN_LIMITK,
	TOKEN_MAX,
	TOKEN_MIN,
	TOKEN_QUANTILE,
	TOKEN_STDDEV,
	TOKEN_STDVAR,
	TOKEN_SUM,
	TOKEN_TOPK,

	TOKEN_KEYWORDS, /* ---- */
	TOKEN_ANCHORED = TOKEN_KEYWORDS,
	TOKEN_BOOL,
	TOKEN_BY,
	TOKEN_FILL,
	TOKEN_FILL_LEFT,
	TOKEN_FILL_RIGHT,
	TOKEN_GROUP_LEFT,
	TOKEN_GROUP_RIGHT,
	TOKEN_IGNORING,
	TOKEN_OFFSET,
	TOKEN_ON,
	TOKEN_SMOOTHED,
	TOKEN_WITHOUT,

	TOKEN_PREPROCESSORS, /* ---- words with parentheses behind them */
	TOKEN_END_OF_QUERY = TOKEN_PREPROCESSORS,
	TOKEN_RANGE,
	TOKEN_START,
	TOKEN_STEP,
	TOKEN_TYPES
};

struct token {
	enum token_type type;
	uint32_t start; /* byte of the input */
	struct slice text;
};

struct lexer {
	struct slice input;
	struct arena *arena; /* of sentences */
	uint32_t at;         /* the next byte */
	uint32_t start;      /* where the token at hand begins */
	uint32_t parens;     /* open ones */
	bool braces, brackets;
	bool in_duration;  /* behind a bracket, until a number was seen */
	bool got_colon;    /* in these brackets */
	bool got_duration; /* in any brackets so far */
};

void lexer_init(struct lexer *l, struct slice input, struct arena *arena);

/* The next token; comments are passed over. After TOKEN_ERROR, or TOKEN_END, nothing more is asked for. */
struct token lexer_next(struct lexer *l);

static inline bool token_is_operator(enum token_type t)
{
	return t >= TOKEN_OPERATORS && t < TOKEN_AGGREGATIONS;
}
static inline bool token_is_aggregation(enum token_type t)
{
	return t >= TOKEN_AGGREGATIONS && t < TOKEN_KEYWORDS;
}
static inline bool token_is_keyword(enum token_type t)
{
	return t >= TOKEN_KEYWORDS && t < TOKEN_PREPROCESSORS;
}

/* Numbers, in lexer_number.c: takes a number's characters from l->at on. It may be none; then false, with l->at where that was seen. */
bool lexer_number(struct lexer *l);
/* Behind a lexer_number that failed: takes the rest of a duration. */
bool lexer_duration(struct lexer *l);

static inline bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}
static inline bool is_alpha(int c)
{
	return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
static inline bool is_space(int c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The byte `ahead` of the next one, -1 behind the end. */
static inline int lexer_byte(const struct lexer *l, uint32_t ahead)
{
	return (uint64_t)l->at + ahead < l->input.len ? (unsigned char)l->input.ptr[l->at + ahead] : -1;
}

#endif

#include "promql/lexer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/hex.h"
#include "promql/quote.h"

void lexer_init(struct lexer *l, struct slice input, struct arena *arena)
{
	*l = (struct lexer){.input = input, .arena = arena};
}

static struct token emit(struct lexer *l, enum token_type type)
{
	struct token t = {type, l->start, slice_new(l->input.ptr + l->start, l->at - l->start)};
	l->start = l->at;
	return t;
}

__attribute__((format(printf, 2, 3))) static struct token fail(struct lexer *l, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	struct slice copy = arena_copy(l->arena, slice_cstr(text));
	return (struct token){TOKEN_ERROR, l->start, copy.ptr != NULL ? copy : SLICE("out of memory")};
}

static struct slice rest(const struct lexer *l)
{
	return slice_new(l->input.ptr + l->at, l->input.len - l->at);
}

/* The next character is taken; UINT32_MAX, taking nothing, at the end. */
static uint32_t take(struct lexer *l)
{
	uint32_t len;
	if (l->at >= l->input.len)
		return UINT32_MAX;
	uint32_t r = rune_at(rest(l), &len);
	l->at += len;
	return r;
}

/* A character that cannot be here. */
static struct token fail_at(struct lexer *l, const char *what, uint32_t rune)
{
	char room[RUNE_TEXT_MAX];
	return fail(l, "%s %s", what, rune_quoted(rune, room));
}

/* ---- strings ---- */

/* So many digits, `c` the first of them. */
static bool take_digits(struct lexer *l, uint32_t c, int count, uint32_t base, uint32_t max, struct token *error)
{
	char room[RUNE_TEXT_MAX];
	uint32_t x = 0;

	for (;;) {
		uint32_t digit = (uint32_t)hex_digit(c); /* none: above all */
		if (digit >= base) {
			*error = c == UINT32_MAX
			             ? fail(l, "escape sequence not terminated")
			             : fail(l, "illegal character %s in escape sequence", rune_named(c, room));
			return false;
		}
		x = x * base + digit;
		if (--count == 0)
			break;
		c = take(l);
	}
	if (x <= max && (x < 0xd800 || x >= 0xe000))
		return true;
	*error = fail(l, "escape sequence is an invalid Unicode code point");
	return false;
}

/* Behind a backslash. */
static bool take_escape(struct lexer *l, uint32_t quote, struct token *error)
{
	char room[RUNE_TEXT_MAX];
	uint32_t c = take(l);

	if (c == quote || (c < 0x80 && c > 0 && strchr("abfnrtv\\", (int)c) != NULL))
		return true;
	if (c >= '0' && c <= '7')
		return take_digits(l, c, 3, 8, 255, error);
	if (c == 'x')
		return take_digits(l, take(l), 2, 16, 255, error);
	if (c == 'u')
		return take_digits(l, take(l), 4, 16, 0x10ffff, error);
	if (c == 'U')
		return take_digits(l, take(l), 8, 16, 0x10ffff, error);
	*error = c == UINT32_MAX ? fail(l, "escape sequence not terminated")
	                         : fail(l, "unknown escape sequence %s", rune_named(c, room));
	return false;
}

/* Its first quote was taken. */
static struct token lex_string(struct lexer *l, uint32_t quote)
{
	struct token error;
	bool raw = quote == '`';

	for (;;) {
		uint32_t c = take(l);
		if (c == quote)
			return emit(l, TOKEN_STRING);
		if (c == RUNE_BAD)
			return fail(l, "invalid UTF-8 rune");
		if (c == UINT32_MAX || (c == '\n' && !raw))
			return fail(l, raw ? "unterminated raw string" : "unterminated quoted string");
		if (c == '\\' && !raw && !take_escape(l, quote, &error))
			return error;
	}
}

/* ---- words ---- */

static const struct {
	const char *word;
	enum token_type type;
} words[] = {
    {"and", TOKEN_AND},
    {"or", TOKEN_OR},
    {"unless", TOKEN_UNLESS},
    {"atan2", TOKEN_ATAN2},
    {"sum", TOKEN_SUM},
    {"avg", TOKEN_AVG},
    {"count", TOKEN_COUNT},
    {"min", TOKEN_MIN},
    {"max", TOKEN_MAX},
    {"group", TOKEN_GROUP},
    {"stddev", TOKEN_STDDEV},
    {"stdvar", TOKEN_STDVAR},
    {"topk", TOKEN_TOPK},
    {"bottomk", TOKEN_BOTTOMK},
    {"count_values", TOKEN_COUNT_VALUES},
    {"quantile", TOKEN_QUANTILE},
    {"limitk", TOKEN_LIMITK},
    {"limit_ratio", TOKEN_LIMIT_RATIO},
    {"offset", TOKEN_OFFSET},
    {"smoothed", TOKEN_SMOOTHED},
    {"anchored", TOKEN_ANCHORED},
    {"by", TOKEN_BY},
    {"without", TOKEN_WITHOUT},
    {"on", TOKEN_ON},
    {"ignoring", TOKEN_IGNORING},
    {"group_left", TOKEN_GROUP_LEFT},
    {"group_right", TOKEN_GROUP_RIGHT},
    {"fill", TOKEN_FILL},
    {"fill_left", TOKEN_FILL_LEFT},
    {"fill_right", TOKEN_FILL_RIGHT},
    {"bool", TOKEN_BOOL},
    {"start", TOKEN_START},
    {"end", TOKEN_END_OF_QUERY},
    {"step", TOKEN_STEP},
    {"range", TOKEN_RANGE},
    {"inf", TOKEN_NUMBER},
    {"nan", TOKEN_NUMBER},
};

static enum token_type word_type(struct slice word)
{
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (strlen(words[i].word) == word.len && strncasecmp(words[i].word, word.ptr, word.len) == 0)
			return words[i].type;
	}
	return memchr(word.ptr, ':', word.len) != NULL ? TOKEN_METRIC_IDENTIFIER : TOKEN_IDENTIFIER;
}

static bool paren_follows(const struct lexer *l)
{
	uint32_t ahead = 0;
	while (is_space(lexer_byte(l, ahead)))
		ahead++;
	return lexer_byte(l, ahead) == '(';
}

static struct token lex_word(struct lexer *l)
{
	while (is_alpha(lexer_byte(l, 0)) || is_digit(lexer_byte(l, 0)) || lexer_byte(l, 0) == ':')
		l->at++;
	enum token_type type = word_type(slice_new(l->input.ptr + l->start, l->at - l->start));
	/* `fill` is a metric's name as well, as long as nothing is called. */
	if (type >= TOKEN_FILL && type <= TOKEN_FILL_RIGHT && !paren_follows(l))
		type = TOKEN_IDENTIFIER;
	return emit(l, type);
}

/* step, range, min or max in brackets, its first character taken; else nothing more is taken. */
static bool lex_duration_word(struct lexer *l, struct token *out)
{
	uint32_t at = l->at;
	while (is_alpha(lexer_byte(l, 0)))
		l->at++;
	enum token_type type = word_type(slice_new(l->input.ptr + l->start, l->at - l->start));
	if (type == TOKEN_STEP || type == TOKEN_RANGE || type == TOKEN_MIN || type == TOKEN_MAX) {
		*out = emit(l, type);
		return true;
	}
	l->at = at;
	return false;
}

static bool begins_duration_word(uint32_t c)
{
	return c == 's' || c == 'S' || c == 'm' || c == 'M' || c == 'r' || c == 'R';
}

static struct token lex_number(struct lexer *l)
{
	if (lexer_number(l))
		return emit(l, TOKEN_NUMBER);
	if (lexer_duration(l))
		return emit(l, TOKEN_DURATION);
	struct slice taken = slice_new(l->input.ptr + l->start, l->at - l->start);
	return fail(l, "bad number or duration syntax: %s", quoted(taken, UINT32_MAX, l->arena));
}

/* ---- inside braces, inside brackets ---- */

static struct token lex_in_braces(struct lexer *l)
{
	uint32_t c = take(l);

	if (c == UINT32_MAX)
		return fail(l, "unexpected end of input inside braces");
	if (c < 0x80 && is_alpha((int)c)) {
		while (is_alpha(lexer_byte(l, 0)) || is_digit(lexer_byte(l, 0)))
			l->at++;
		return emit(l, TOKEN_IDENTIFIER);
	}
	switch (c) {
	case ',':
		return emit(l, TOKEN_COMMA);
	case '"':
	case '\'':
	case '`':
		return lex_string(l, c);
	case '=':
		if (lexer_byte(l, 0) != '~')
			return emit(l, TOKEN_EQUALS);
		l->at++;
		return emit(l, TOKEN_REGEX);
	case '!':
		c = take(l);
		if (c == '~' || c == '=')
			return emit(l, c == '~' ? TOKEN_NOT_REGEX : TOKEN_NE);
		return fail_at(l, "unexpected character after '!' inside braces:", c);
	case '{':
		return fail_at(l, "unexpected left brace", c);
	case '}':
		l->braces = false;
		return emit(l, TOKEN_RIGHT_BRACE);
	default:
		return fail_at(l, "unexpected character inside braces:", c);
	}
}

static struct token lex_left_paren(struct lexer *l)
{
	l->parens++;
	return emit(l, TOKEN_LEFT_PAREN);
}

static struct token lex_right_paren(struct lexer *l)
{
	struct token t = emit(l, TOKEN_RIGHT_PAREN);
	if (l->parens == 0)
		return fail(l, "unexpected right parenthesis ')'");
	l->parens--;
	return t;
}

static enum token_type arithmetic(uint32_t c)
{
	switch (c) {
	case '+':
		return TOKEN_ADD;
	case '-':
		return TOKEN_SUB;
	case '*':
		return TOKEN_MUL;
	case '/':
		return TOKEN_DIV;
	case '%':
		return TOKEN_MOD;
	case '^':
		return TOKEN_POW;
	case ',':
		return TOKEN_COMMA;
	default:
		return TOKEN_ERROR;
	}
}

/* Behind a bracket, until a number was seen. */
static struct token lex_in_duration(struct lexer *l)
{
	struct token t;
	if (is_digit(lexer_byte(l, 0)) || (lexer_byte(l, 0) == '.' && is_digit(lexer_byte(l, 1)))) {
		l->got_duration = true;
		l->in_duration = false;
		return lex_number(l);
	}
	uint32_t c = take(l);
	if (c == UINT32_MAX)
		return fail(l, "unexpected end of input in duration expression");
	if (arithmetic(c) != TOKEN_ERROR)
		return emit(l, arithmetic(c));
	if (begins_duration_word(c) && lex_duration_word(l, &t))
		return t;
	switch (c) {
	case ']':
		l->brackets = l->in_duration = l->got_colon = false;
		return emit(l, TOKEN_RIGHT_BRACKET);
	case ':':
		t = emit(l, TOKEN_COLON);
		if (!l->got_duration)
			return fail(l, "unexpected colon before duration in duration expression");
		if (l->got_colon)
			return fail(l, "unexpected repeated colon in duration expression");
		l->got_colon = true;
		return t;
	case '(':
		return lex_left_paren(l);
	case ')':
		return lex_right_paren(l);
	default:
		return fail_at(l, "unexpected character in duration expression:", c);
	}
}

/* A word or a colon in brackets, behind a number; the character was taken. */
static struct token lex_word_in_brackets(struct lexer *l, uint32_t c)
{
	struct token t;
	if (c == ':') {
		if (l->got_colon)
			return fail_at(l, "unexpected colon", c);
		l->got_colon = true;
		return emit(l, TOKEN_COLON);
	}
	if (begins_duration_word(c) && lex_duration_word(l, &t))
		return t;
	char room[RUNE_TEXT_MAX];
	return fail(l, "unexpected character: %s, expected ':'", rune_quoted(c, room));
}

/* ---- everywhere else ---- */

static struct token lex_end(struct lexer *l)
{
	if (l->parens > 0)
		return fail(l, "unclosed left parenthesis");
	if (l->brackets)
		return fail(l, "unclosed left bracket");
	return emit(l, TOKEN_END);
}

/* An operator of one character, or of two where `second` follows. */
static struct token one_or_two(struct lexer *l, char second, enum token_type two, enum token_type one)
{
	if (lexer_byte(l, 0) != second)
		return emit(l, one);
	l->at++;
	return emit(l, two);
}

static struct token lex_bracket(struct lexer *l, uint32_t c)
{
	if (c == '[') {
		if (l->brackets)
			return fail_at(l, "unexpected left bracket", c);
		l->got_colon = false;
		l->brackets = l->in_duration = true;
		return emit(l, TOKEN_LEFT_BRACKET);
	}
	if (!l->brackets)
		return fail_at(l, "unexpected right bracket", c);
	l->brackets = false;
	return emit(l, TOKEN_RIGHT_BRACKET);
}

static struct token lex_statement(struct lexer *l)
{
	if (is_digit(lexer_byte(l, 0)) || (lexer_byte(l, 0) == '.' && is_digit(lexer_byte(l, 1))))
		return lex_number(l);
	uint32_t c = take(l);
	if (c == UINT32_MAX)
		return lex_end(l);
	if (c == ':' || (c < 0x80 && is_alpha((int)c)))
		return l->brackets ? lex_word_in_brackets(l, c) : lex_word(l);
	if (arithmetic(c) != TOKEN_ERROR)
		return emit(l, arithmetic(c));
	switch (c) {
	case '=':
		if (lexer_byte(l, 0) == '~')
			return fail(l, "unexpected character after '=': '~'");
		return one_or_two(l, '=', TOKEN_EQ, TOKEN_EQUALS);
	case '!':
		c = take(l);
		if (c == '=')
			return emit(l, TOKEN_NE);
		return fail_at(l, "unexpected character after '!':", c);
	case '<':
		return one_or_two(l, '=', TOKEN_LE, TOKEN_LT);
	case '>':
		return one_or_two(l, '=', TOKEN_GE, TOKEN_GT);
	case '"':
	case '\'':
	case '`':
		return lex_string(l, c);
	case '(':
		return lex_left_paren(l);
	case ')':
		return lex_right_paren(l);
	case '{':
		l->braces = true;
		return emit(l, TOKEN_LEFT_BRACE);
	case '[':
	case ']':
		return lex_bracket(l, c);
	case '@':
		return emit(l, TOKEN_AT);
	default:
		return fail_at(l, "unexpected character:", c);
	}
}

/* Spaces, and comments where there may be some. */
static void skip(struct lexer *l)
{
	for (;;) {
		int c = lexer_byte(l, 0);
		if (is_space(c)) {
			l->at++;
		} else if (c == '#' && (l->braces || !l->in_duration)) {
			while (c >= 0 && c != '\n' && c != '\r') {
				l->at++;
				c = lexer_byte(l, 0);
			}
		} else {
			break;
		}
	}
	l->start = l->at;
}

struct token lexer_next(struct lexer *l)
{
	skip(l);
	if (l->braces)
		return lex_in_braces(l);
	return l->in_duration ? lex_in_duration(l) : lex_statement(l);
}

/* Tokens of a template. Outside of actions there is text; "{{- " and " -}}" take away the space beside them. */
#include "base/utf8.h"
#include "template/internal.h"

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
	       (c & 0x80) != 0;
}

static bool starts(const struct lexer *l, size_t at, const char *text)
{
	size_t len = strlen(text);
	return l->input.len - at >= len && memcmp(l->input.ptr + at, text, len) == 0;
}

static char peek(const struct lexer *l, size_t ahead)
{
	return l->at + ahead < l->input.len ? l->input.ptr[l->at + ahead] : '\0';
}

static struct token make(struct lexer *l, enum token_type type, size_t from, size_t to)
{
	l->at = to;
	return (struct token){type, slice_new(l->input.ptr + from, to - from), (uint32_t)from};
}

static struct token fail(struct lexer *l, size_t at, const char *why)
{
	l->error = why;
	return (struct token){TOKEN_ERROR, slice_cstr(why), (uint32_t)at};
}

/* Is there a "-}}" with space before it? */
static bool at_trimming_close(const struct lexer *l)
{
	return is_space(peek(l, 0)) && starts(l, l->at + 1, "-}}");
}

/* A comment is the whole of its action. */
static struct token lex_comment(struct lexer *l)
{
	size_t begin = l->at;
	size_t end = begin + 2;

	while (end < l->input.len && !starts(l, end, "*/"))
		end++;
	if (end >= l->input.len)
		return fail(l, begin, "unclosed comment");
	l->at = end + 2;
	if (at_trimming_close(l)) {
		l->at += 4;
		l->trims = true;
	} else if (starts(l, l->at, "}}")) {
		l->at += 2;
		l->trims = false;
	} else {
		return fail(l, begin, "comment ends before closing delimiter");
	}
	l->in_action = false;
	return template_lex(l);
}

static struct token lex_open(struct lexer *l)
{
	size_t from = l->at;
	bool trims = starts(l, from, "{{-") && from + 3 < l->input.len && is_space(l->input.ptr[from + 3]);

	l->at += trims ? 4 : 2;
	l->in_action = true;
	l->action_at = from;
	l->parens = 0;
	/* A comment may stand behind the space that a trimmed opening wants. */
	if (starts(l, l->at, "/*"))
		return lex_comment(l);
	return (struct token){TOKEN_OPEN, slice_new(l->input.ptr + from, l->at - from), (uint32_t)from};
}

static struct token lex_text(struct lexer *l)
{
	size_t from = l->at;
	size_t to = from;

	if (l->trims) {
		while (from < l->input.len && is_space(l->input.ptr[from]))
			from++;
		to = from;
		l->trims = false;
	}
	while (to < l->input.len && !starts(l, to, "{{"))
		to++;
	size_t next = to;
	if (to < l->input.len && starts(l, to, "{{-") && to + 3 < l->input.len && is_space(l->input.ptr[to + 3])) {
		while (to > from && is_space(l->input.ptr[to - 1]))
			to--;
	}
	l->at = next;
	if (to > from)
		return (struct token){TOKEN_TEXT, slice_new(l->input.ptr + from, to - from), (uint32_t)from};
	if (next < l->input.len)
		return lex_open(l);
	return (struct token){TOKEN_EOF, slice_new("", 0), (uint32_t)l->input.len};
}

static struct token lex_close(struct lexer *l, size_t len, bool trims)
{
	size_t from = l->at;

	if (l->parens > 0)
		return fail(l, from, "unclosed left paren");
	l->in_action = false;
	l->trims = trims;
	return make(l, TOKEN_CLOSE, from, from + len);
}

/* A string or character, from its quote on. */
static struct token lex_quoted(struct lexer *l, char quote)
{
	size_t from = l->at;

	for (size_t at = from + 1; at < l->input.len && l->input.ptr[at] != '\n'; at++) {
		if (l->input.ptr[at] == '\\' && at + 1 < l->input.len && l->input.ptr[at + 1] != '\n')
			at++;
		else if (l->input.ptr[at] == quote)
			return make(l, quote == '"' ? TOKEN_STRING : TOKEN_CHARACTER, from, at + 1);
	}
	return fail(l, from, quote == '"' ? "unterminated quoted string" : "unterminated character constant");
}

static struct token lex_raw(struct lexer *l)
{
	size_t from = l->at;

	for (size_t at = from + 1; at < l->input.len; at++) {
		if (l->input.ptr[at] == '`')
			return make(l, TOKEN_RAW, from, at + 1);
	}
	return fail(l, from, "unterminated raw quoted string");
}

static size_t name_end(const struct lexer *l, size_t at)
{
	while (at < l->input.len && is_name(l->input.ptr[at]))
		at++;
	return at;
}

/* Behind a field, a variable or a name no letter of another kind may stand. */
static struct token lex_word(struct lexer *l, enum token_type type, size_t skip)
{
	size_t from = l->at;
	size_t to = name_end(l, from + skip);
	char next = to < l->input.len ? l->input.ptr[to] : '\0';

	if (next != '\0' && !is_space(next) && strchr(".,|:()=", next) == NULL && !starts(l, to, "}}"))
		return fail(l, to, "bad character");
	return make(l, type, from, to);
}

static struct token lex_number(struct lexer *l)
{
	size_t from = l->at;
	size_t to = from + (peek(l, 0) == '+' || peek(l, 0) == '-');

	while (to < l->input.len) {
		char c = l->input.ptr[to];
		bool exponent = (c == '+' || c == '-') && (l->input.ptr[to - 1] == 'e' || l->input.ptr[to - 1] == 'E' ||
		                                           l->input.ptr[to - 1] == 'p' || l->input.ptr[to - 1] == 'P');
		if (!is_name(c) && c != '.' && !exponent)
			break;
		to++;
	}
	return make(l, TOKEN_NUMBER, from, to);
}

static struct token lex_dot(struct lexer *l)
{
	char next = peek(l, 1);

	if (next >= '0' && next <= '9')
		return lex_number(l);
	if (is_name(next))
		return lex_word(l, TOKEN_FIELD, 1);
	return make(l, TOKEN_DOT, l->at, l->at + 1);
}

static struct token lex_punctuation(struct lexer *l)
{
	char c = peek(l, 0);
	size_t at = l->at;

	switch (c) {
	case ':':
		if (peek(l, 1) != '=')
			return fail(l, at, "expected :=");
		return make(l, TOKEN_DECLARE, at, at + 2);
	case '=':
		return make(l, TOKEN_ASSIGN, at, at + 1);
	case '|':
		return make(l, TOKEN_PIPE, at, at + 1);
	case ',':
		return make(l, TOKEN_COMMA, at, at + 1);
	case '(':
		l->parens++;
		return make(l, TOKEN_LEFT, at, at + 1);
	case ')':
		if (l->parens == 0)
			return fail(l, at, "unexpected right paren");
		l->parens--;
		return make(l, TOKEN_RIGHT, at, at + 1);
	default:
		return fail(l, at, "unrecognized character in action");
	}
}

static struct token lex_action(struct lexer *l)
{
	if (l->at >= l->input.len)
		return fail(l, l->action_at, "unclosed action");
	if (at_trimming_close(l))
		return lex_close(l, 4, true);
	if (starts(l, l->at, "}}"))
		return lex_close(l, 2, false);
	char c = peek(l, 0);
	if (is_space(c)) {
		size_t to = l->at;
		while (to < l->input.len && is_space(l->input.ptr[to]) &&
		       !(to > l->at && starts(l, to + 1, "-}}"))) /* that space belongs to the end */
			to++;
		return make(l, TOKEN_SPACE, l->at, to);
	}
	if (c == '"' || c == '\'')
		return lex_quoted(l, c);
	if (c == '`')
		return lex_raw(l);
	if (c == '$')
		return lex_word(l, TOKEN_VARIABLE, 1);
	if (c == '.')
		return lex_dot(l);
	if (c == '+' || c == '-' || (c >= '0' && c <= '9'))
		return lex_number(l);
	return is_name(c) ? lex_word(l, TOKEN_NAME, 0) : lex_punctuation(l);
}

struct token template_lex(struct lexer *l)
{
	return l->in_action ? lex_action(l) : lex_text(l);
}

void template_place(struct slice input, size_t at, uint32_t *line, uint32_t *column)
{
	size_t begin = 0;

	*line = 1;
	for (size_t i = 0; i < at && i < input.len; i++) {
		if (input.ptr[i] == '\n') {
			++*line;
			begin = i + 1;
		}
	}
	*column = (uint32_t)(at - begin);
}

/* Words, operators, and attributes, whose names end only where an operator or space may begin: .http-status is one name. */
#include <string.h>

#include "base/utf8.h"
#include "traces/traceql_lex.h"

static bool is_space(int c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

static bool is_word(int c)
{
	return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || lex_is_digit(c);
}

/* May the byte stand in the name of an attribute? */
static bool in_attribute(int c)
{
	return c > 0 && !is_space(c) && strchr("{}()=~!<>&|^,", c) == NULL;
}

static bool starts_with(const struct lexer_state *l, const char *text)
{
	size_t len = strlen(text);

	return l->input.len - l->at >= len && memcmp(l->input.ptr + l->at, text, len) == 0;
}

/* Spaces, and comments as Go has them. */
static void skip_blanks(struct lexer_state *l)
{
	for (;;) {
		if (is_space(lex_byte(l, 0))) {
			l->at++;
		} else if (starts_with(l, "//")) {
			while (lex_byte(l, 0) >= 0 && lex_byte(l, 0) != '\n')
				l->at++;
		} else if (starts_with(l, "/*")) {
			const char *from = l->input.ptr + l->at + 2;
			const char *end = memmem(from, l->input.len - l->at - 2, "*/", 2);
			l->at = end != NULL ? (uint32_t)(end + 2 - l->input.ptr) : (uint32_t)l->input.len;
		} else {
			return;
		}
	}
}

static void lex_fail(struct lex_token *t, const char *error)
{
	t->type = LEX_ERROR;
	t->error = error;
}

/* "quoted" within the name of an attribute: backslashes stand before quotes and backslashes only. */
static bool quoted_part(struct lexer_state *l, char *to, size_t *len, const char **error)
{
	for (l->at++;; l->at++) {
		int c = lex_byte(l, 0);
		if (c < 0) {
			*error = "the quoted name of an attribute does not end";
			return false;
		}
		if (c == '"')
			break;
		if (c == '\\') {
			l->at++;
			c = lex_byte(l, 0);
			if (c != '"' && c != '\\') {
				*error = "invalid escape sequence in the name of an attribute";
				return false;
			}
		}
		to[(*len)++] = (char)c;
	}
	l->at++;
	return true;
}

static void lex_attribute(struct lexer_state *l, struct lex_token *t)
{
	uint32_t from = l->at;
	const char *error = NULL;
	size_t len = 0;

	t->type = LEX_ATTRIBUTE;
	while (in_attribute(lex_byte(l, 0)) && lex_byte(l, 0) != '"')
		l->at++;
	t->text = slice_new(l->input.ptr + from, l->at - from);
	if (lex_byte(l, 0) != '"') {
		if (t->text.len == 0)
			lex_fail(t, "the name of an attribute is missing");
		return;
	}
	char *to = arena_alloc(l->arena, l->input.len - from);
	if (to == NULL) {
		lex_fail(t, NULL);
		return;
	}
	l->at = from;
	while (in_attribute(lex_byte(l, 0))) {
		if (lex_byte(l, 0) != '"') {
			to[len++] = (char)lex_byte(l, 0);
			l->at++;
		} else if (!quoted_part(l, to, &len, &error)) {
			lex_fail(t, error);
			return;
		}
	}
	t->text = slice_new(to, len);
}

static bool take_scope(struct lexer_state *l, const char *name, char behind)
{
	size_t len = strlen(name);

	if (!starts_with(l, name) || lex_byte(l, (uint32_t)len) != behind)
		return false;
	l->at += (uint32_t)len + 1;
	return true;
}

/* "span." and its like. Behind "parent." only those of spans and resources are scopes. */
static bool take_attribute_scope(struct lexer_state *l, struct lex_token *t)
{
	t->scope = LEX_SCOPE_ANY;
	t->parent = take_scope(l, "parent", '.');
	for (int i = 0; i < TRACEQL_SCOPES; i++) {
		if (t->parent && i != TRACEQL_SCOPE_SPAN && i != TRACEQL_SCOPE_RESOURCE)
			continue;
		if (take_scope(l, traceql_scope_names[i], '.')) {
			t->scope = (uint8_t)i;
			return true;
		}
	}
	return t->parent;
}

/* "span:name" */
static bool take_intrinsic(struct lexer_state *l, struct lex_token *t)
{
	static const char *const scopes[] = {"trace", "span", "event", "link", "instrumentation"};
	uint32_t from = l->at;

	for (size_t i = 0; i < sizeof scopes / sizeof *scopes; i++) {
		if (!take_scope(l, scopes[i], ':'))
			continue;
		while (is_word(lex_byte(l, 0)))
			l->at++;
		t->type = LEX_INTRINSIC;
		t->text = slice_new(l->input.ptr + from, l->at - from);
		return true;
	}
	return false;
}

static void lex_word(struct lexer_state *l, struct lex_token *t)
{
	uint32_t from = l->at;

	if (take_attribute_scope(l, t)) {
		lex_attribute(l, t);
		return;
	}
	if (take_intrinsic(l, t))
		return;
	while (is_word(lex_byte(l, 0)))
		l->at++;
	t->type = LEX_WORD;
	t->text = slice_new(l->input.ptr + from, l->at - from);
}

/* Longer ones before those that they begin with. */
static const struct {
	const char *text;
	enum lex_type type;
} operators[] = {
    {"!>>", LEX_NOT_DESCENDANT},
    {"!<<", LEX_NOT_ANCESTOR},
    {"&>>", LEX_UNION_DESCENDANT},
    {"&<<", LEX_UNION_ANCESTOR},
    {"&&", LEX_AND},
    {"||", LEX_OR},
    {"!=", LEX_NE},
    {"=~", LEX_REGEX},
    {"!~", LEX_NOT_REGEX},
    {">=", LEX_GE},
    {"<=", LEX_LE},
    {">>", LEX_DESCENDANT},
    {"<<", LEX_ANCESTOR},
    {"!>", LEX_NOT_CHILD},
    {"!<", LEX_NOT_PARENT},
    {"&>", LEX_UNION_CHILD},
    {"&<", LEX_UNION_PARENT},
    {"&~", LEX_UNION_SIBLING},
    {"{", LEX_LEFT_BRACE},
    {"}", LEX_RIGHT_BRACE},
    {"(", LEX_LEFT_PAREN},
    {")", LEX_RIGHT_PAREN},
    {",", LEX_COMMA},
    {"|", LEX_PIPE},
    {"+", LEX_ADD},
    {"-", LEX_SUB},
    {"*", LEX_MUL},
    {"/", LEX_DIV},
    {"%", LEX_MOD},
    {"^", LEX_POW},
    {"!", LEX_NOT},
    {"=", LEX_EQ},
    {"<", LEX_LT},
    {">", LEX_GT},
    {"~", LEX_SIBLING},
};

static void lex_operator(struct lexer_state *l, struct lex_token *t)
{
	for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
		if (starts_with(l, operators[i].text)) {
			t->type = operators[i].type;
			l->at += (uint32_t)strlen(operators[i].text);
			return;
		}
	}
	size_t len = utf8_char(l->input.ptr + l->at, l->input.len - l->at);
	l->at += len > 0 ? (uint32_t)len : 1;
	lex_fail(t, "unexpected character");
}

struct lex_token lex_next(struct lexer_state *l)
{
	struct lex_token t = {.type = LEX_END};

	skip_blanks(l);
	t.start = l->at;
	int c = lex_byte(l, 0);
	if (c == '"' || c == '`') {
		t.type = LEX_STRING;
		if (!lex_quoted(l, &t.text, &t.error))
			t.type = LEX_ERROR;
	} else if (lex_is_digit(c) || (c == '.' && lex_is_digit(lex_byte(l, 1)))) {
		lex_number(l, &t);
	} else if (c == '.') {
		l->at++;
		t.scope = LEX_SCOPE_ANY;
		lex_attribute(l, &t);
	} else if (is_word(c)) {
		lex_word(l, &t);
	} else if (c >= 0) {
		lex_operator(l, &t);
	}
	t.end = l->at;
	return t;
}

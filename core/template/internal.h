/* What the files of template/ share. */
#ifndef MOONGATE_TEMPLATE_INTERNAL_H
#define MOONGATE_TEMPLATE_INTERNAL_H

#include "base/table.h"
#include "template/template.h"

/* ---- lex.c ---- */

enum token_type {
	TOKEN_ERROR, /* `text` says why */
	TOKEN_EOF,
	TOKEN_TEXT, /* outside of actions, trimmed */
	TOKEN_OPEN,
	TOKEN_CLOSE,
	TOKEN_SPACE,
	TOKEN_FIELD,    /* .name */
	TOKEN_VARIABLE, /* $name, or $ */
	TOKEN_NAME,     /* a function or keyword */
	TOKEN_DOT,
	TOKEN_NUMBER,
	TOKEN_STRING,    /* with its quotes */
	TOKEN_RAW,       /* likewise */
	TOKEN_CHARACTER, /* likewise */
	TOKEN_DECLARE,   /* := */
	TOKEN_ASSIGN,    /* = */
	TOKEN_COMMA,
	TOKEN_PIPE,
	TOKEN_LEFT,
	TOKEN_RIGHT
};

struct token {
	enum token_type type;
	struct slice text;
	uint32_t at; /* byte in the template's text */
};

struct lexer {
	struct slice input;
	size_t at;
	size_t action_at; /* where the action at hand began */
	bool in_action;
	bool trims; /* the action before ended with " -}}" */
	uint32_t parens;
	const char *error; /* of TOKEN_ERROR */
};

struct token template_lex(struct lexer *l);
/* The line, from 1, and byte column, from 0, of a place. */
void template_place(struct slice input, size_t at, uint32_t *line, uint32_t *column);

/* ---- parse.c: the tree ---- */

enum operand_type {
	OPERAND_DOT,
	OPERAND_VALUE,    /* a constant */
	OPERAND_VARIABLE, /* and fields of it */
	OPERAND_FUNCTION,
	OPERAND_PIPELINE /* in parentheses, and fields of it */
};

struct pipeline;

struct operand {
	enum operand_type type;
	uint32_t at;
	struct slice source; /* as it stands in the text, for messages */
	const struct slice *fields;
	uint32_t field_count;
	struct slice name; /* of a variable or function */
	struct template_value value;
	const struct template_function *function;
	const struct pipeline *pipeline;
};

struct command {
	const struct operand *operands;
	uint32_t count;
	uint32_t at;
	struct slice source;
};

struct pipeline {
	struct slice variables[2];
	uint32_t variable_count;
	bool declares; /* := */
	const struct command *commands;
	uint32_t count;
	uint32_t at;
	struct slice source;
};

enum node_type { NODE_TEXT, NODE_PRINT, NODE_IF, NODE_RANGE, NODE_WITH, NODE_TEMPLATE, NODE_BREAK, NODE_CONTINUE };

struct node {
	enum node_type type;
	uint32_t at;
	struct slice text;               /* of text; or the name of a template */
	const struct pipeline *pipeline; /* NULL: NODE_TEMPLATE without data */
	const struct node *body, *otherwise;
	const struct node *next;
};

/* One template of a set. */
struct definition {
	struct slice name;  /* its own */
	struct slice file;  /* the name that its text was parsed under, for places */
	struct slice input; /* that text */
	const struct node *body;
	bool empty;
};

struct template_set {
	struct arena arena;
	const struct template_functions *const *packs;
	uint32_t pack_count;
	struct definition **definitions;
	uint32_t count;
	size_t cap;
};

const struct definition *template_set_find(const struct template_set *set, struct slice name);
const struct template_function *template_set_function(const struct template_set *set, struct slice name);

/* ---- value.c ---- */

/* Go's name of a value's type: "float64", "string". */
const char *template_type_name(const struct template_value *v);

/* ---- format.c ---- */

/* Appends what Go's fmt.Sprintf gives. */
void template_format_print(struct buf *out, struct slice format, const struct template_value *args, uint32_t count,
                           size_t max_bytes);
/* Appends a text as Go's strconv.Quote has it. */
void template_format_quote(struct buf *out, struct slice s);
/* Appends a text as it stands in HTML, in attributes too. */
void template_format_escape_html(struct buf *out, struct slice s);
/* Appends a duration as Go prints it: 1h2m3.5s. */
void template_format_duration(struct buf *out, int64_t ns);

#endif

/* A template's text to its tree: a recursive descent over the lexer's tokens, one token ahead. Names of functions, and variables, are looked up here, as Go does, so that what runs cannot lack them. */
#include <errno.h>

#include "base/mem.h"
#include "template/internal.h"
#include "template/parse.h"

static struct token take(struct parser *p)
{
	struct token t = p->ahead;

	p->last_end = t.at + (uint32_t)t.text.len;
	p->ahead = template_lex(&p->lexer);
	return t;
}

static void skip_space(struct parser *p)
{
	while (p->ahead.type == TOKEN_SPACE)
		take(p);
}

int template_parser_fail(struct parser *p, uint32_t at, const char *format, ...)
{
	char text[512];
	uint32_t line, column;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	template_place(p->lexer.input, at, &line, &column);
	return error_set(p->err, -EINVAL, "template: %.*s:%u: %s", SLICE_ARG(p->file), line, text);
}

static int unexpected(struct parser *p, const struct token *t, const char *where)
{
	switch (t->type) {
	case TOKEN_ERROR:
		return template_parser_fail(p, t->at, "%.*s", SLICE_ARG(t->text));
	case TOKEN_EOF:
		return template_parser_fail(p, t->at, "unexpected EOF");
	default:
		return template_parser_fail(p, t->at, "unexpected \"%.*s\" in %s",
		                            (int)(t->text.len < 40 ? t->text.len : 40), t->text.ptr, where);
	}
}

/* ---- lists that grow while they are parsed, and end in the arena ---- */

/* A copy of `count` items in the arena; NULL: memory is out, which is said. */
static const void *keep(struct parser *p, const void *items, uint32_t count, size_t size)
{
	void *copy = arena_alloc(&p->set->arena, count * size + 1);

	if (copy == NULL) {
		error_set(p->err, -ENOMEM, "out of memory for a template");
		return NULL;
	}
	if (count > 0)
		memcpy(copy, items, count * size);
	return copy;
}

static int enter(struct parser *p, uint32_t at)
{
	if (p->depth == TEMPLATE_DEPTH_MAX)
		return template_parser_fail(p, at, "nested more than %d deep", TEMPLATE_DEPTH_MAX);
	p->depth++;
	return 0;
}

/* ---- variables ---- */

static int declare(struct parser *p, struct slice name, uint32_t at)
{
	if (p->variable_count == TEMPLATE_VARIABLES_MAX)
		return template_parser_fail(p, at, "more than %d variables", TEMPLATE_VARIABLES_MAX);
	p->variables[p->variable_count++] = name;
	return 0;
}

static bool is_declared(const struct parser *p, struct slice name)
{
	for (uint32_t i = 0; i < p->variable_count; i++) {
		if (slice_eq(p->variables[i], name))
			return true;
	}
	return false;
}

/* ---- operands ---- */

static int parse_fields(struct parser *p, struct operand *o)
{
	struct slice fields[TEMPLATE_ARGS_MAX];
	uint32_t count = 0;

	while (p->ahead.type == TOKEN_FIELD) {
		struct token t = take(p);
		if (count == TEMPLATE_ARGS_MAX)
			return template_parser_fail(p, t.at, "more than %d fields", TEMPLATE_ARGS_MAX);
		fields[count++] = slice_new(t.text.ptr + 1, t.text.len - 1);
	}
	if (p->ahead.type == TOKEN_DOT) /* "$x." and "(…)." */
		return unexpected(p, &p->ahead, "operand");
	o->field_count = count;
	o->fields = keep(p, fields, count, sizeof *fields);
	return o->fields == NULL ? -ENOMEM : 0;
}

static int parse_name(struct parser *p, const struct token *t, struct operand *o)
{
	o->name = t->text;
	if (slice_eq(t->text, SLICE("true")) || slice_eq(t->text, SLICE("false"))) {
		o->type = OPERAND_VALUE;
		o->value = template_bool(t->text.ptr[0] == 't');
		return 0;
	}
	if (slice_eq(t->text, SLICE("nil"))) {
		o->type = OPERAND_VALUE;
		return 0;
	}
	o->type = OPERAND_FUNCTION;
	o->function = template_set_function(p->set, t->text);
	if (o->function == NULL)
		return template_parser_fail(p, t->at, "function \"%.*s\" not defined", SLICE_ARG(t->text));
	return 0;
}

static int parse_parenthesis(struct parser *p, const struct token *t, struct operand *o)
{
	o->type = OPERAND_PIPELINE;
	int code = enter(p, t->at);
	if (code == 0)
		code = template_parse_pipeline(p, "parenthesized pipeline", &o->pipeline);
	if (code != 0)
		return code;
	p->depth--;
	if (p->ahead.type != TOKEN_RIGHT)
		return p->ahead.type == TOKEN_ERROR ? unexpected(p, &p->ahead, "")
		                                    : template_parser_fail(p, p->ahead.at, "unclosed left paren");
	take(p);
	return 0;
}

/* An operand, with its fields. 1: there was none. */
static int parse_operand(struct parser *p, struct operand *o)
{
	*o = (struct operand){.at = p->ahead.at};
	int code = 0;
	switch (p->ahead.type) {
	case TOKEN_NAME: {
		struct token t = take(p);
		code = parse_name(p, &t, o);
		break;
	}
	case TOKEN_DOT:
		take(p);
		o->type = OPERAND_DOT;
		break;
	case TOKEN_FIELD: /* its fields follow */
		o->type = OPERAND_DOT;
		break;
	case TOKEN_VARIABLE: {
		struct token t = take(p);
		o->type = OPERAND_VARIABLE;
		o->name = t.text;
		if (!is_declared(p, t.text))
			return template_parser_fail(p, t.at, "undefined variable \"%.*s\"", SLICE_ARG(t.text));
		break;
	}
	case TOKEN_LEFT: {
		struct token t = take(p);
		code = parse_parenthesis(p, &t, o);
		break;
	}
	case TOKEN_CHARACTER:
	case TOKEN_NUMBER:
	case TOKEN_STRING:
	case TOKEN_RAW: {
		struct token t = take(p);
		o->type = OPERAND_VALUE;
		code = template_parse_constant(p, &t, &o->value);
		break;
	}
	default:
		return 1;
	}
	bool constant = o->type == OPERAND_VALUE;
	if (code == 0 && constant && p->ahead.type == TOKEN_FIELD)
		return template_parser_fail(p, p->ahead.at, "unexpected . after term \"%.*s\"",
		                            (int)(p->last_end - o->at), p->lexer.input.ptr + o->at);
	if (code == 0)
		code = parse_fields(p, o);
	o->source = slice_new(p->lexer.input.ptr + o->at, p->last_end - o->at);
	return code;
}

/* ---- pipelines ---- */

static int parse_command(struct parser *p, struct command *c)
{
	struct operand operands[TEMPLATE_ARGS_MAX + 1];
	uint32_t count = 0;

	skip_space(p);
	c->at = p->ahead.at;
	for (;;) {
		skip_space(p);
		struct operand o;
		int code = parse_operand(p, &o);
		if (code < 0)
			return code;
		if (code == 1)
			break;
		if (count > TEMPLATE_ARGS_MAX)
			return template_parser_fail(p, o.at, "more than %d arguments", TEMPLATE_ARGS_MAX);
		operands[count++] = o;
		if (p->ahead.type != TOKEN_SPACE)
			break;
	}
	skip_space(p);
	if (count == 0)
		return p->ahead.type == TOKEN_ERROR ? unexpected(p, &p->ahead, "")
		                                    : template_parser_fail(p, c->at, "empty command");
	c->count = count;
	c->operands = keep(p, operands, count, sizeof *operands);
	c->source =
	    slice_new(p->lexer.input.ptr + c->at, operands[count - 1].at + operands[count - 1].source.len - c->at);
	return c->operands == NULL ? -ENOMEM : 0;
}

/* "$x :=", "$x =", and in range "$i, $x :=". What begins with a variable may be none of these: then nothing is taken. */
static int parse_declaration(struct parser *p, const char *context, struct pipeline *pipe)
{
	struct lexer lexer = p->lexer;
	struct token ahead = p->ahead;
	uint32_t last_end = p->last_end;
	struct token names[2];
	uint32_t count = 0;

	while (p->ahead.type == TOKEN_VARIABLE && count < 2) {
		names[count++] = take(p);
		skip_space(p);
		if (p->ahead.type != TOKEN_COMMA)
			break;
		take(p);
		skip_space(p);
		if (count == 1 && strcmp(context, "range") != 0)
			return template_parser_fail(p, names[0].at, "too many declarations in %s", context);
		if (count == 1 && p->ahead.type != TOKEN_VARIABLE)
			return template_parser_fail(p, p->ahead.at, "range can only initialize variables");
		if (count == 2)
			return template_parser_fail(p, names[0].at, "too many declarations in %s", context);
	}
	bool declares = p->ahead.type == TOKEN_DECLARE;
	if (count == 0 || (!declares && p->ahead.type != TOKEN_ASSIGN)) {
		if (count == 2)
			return unexpected(p, &p->ahead, context);
		p->lexer = lexer;
		p->ahead = ahead;
		p->last_end = last_end;
		return 0;
	}
	take(p);
	pipe->declares = declares;
	pipe->variable_count = count;
	for (uint32_t i = 0; i < count; i++) {
		pipe->variables[i] = names[i].text;
		if (!declares && !is_declared(p, names[i].text))
			return template_parser_fail(p, names[i].at, "undefined variable \"%.*s\"",
			                            SLICE_ARG(names[i].text));
	}
	return 0;
}

static int check_commands(struct parser *p, const struct pipeline *pipe, const char *context)
{
	if (pipe->count == 0)
		return template_parser_fail(p, p->ahead.at, "missing value for %s", context);
	for (uint32_t i = 1; i < pipe->count; i++) {
		const struct operand *first = &pipe->commands[i].operands[0];
		if (first->type == OPERAND_VALUE || (first->type == OPERAND_DOT && first->field_count == 0))
			return template_parser_fail(p, first->at, "non executable command in pipeline stage %u", i + 1);
	}
	return 0;
}

int template_parse_pipeline(struct parser *p, const char *context, const struct pipeline **out)
{
	struct command commands[TEMPLATE_ARGS_MAX];
	struct pipeline pipe = {0};

	skip_space(p);
	pipe.at = p->ahead.at;
	int code = parse_declaration(p, context, &pipe);
	for (uint32_t n = 0; code == 0; n++) {
		skip_space(p);
		bool ends = p->ahead.type == TOKEN_CLOSE || p->ahead.type == TOKEN_RIGHT;
		if (ends && n == 0)
			break;
		if (n == TEMPLATE_ARGS_MAX)
			return template_parser_fail(p, p->ahead.at, "more than %d commands", TEMPLATE_ARGS_MAX);
		code = parse_command(p, &commands[n]);
		if (code != 0)
			return code;
		pipe.count = n + 1;
		if (p->ahead.type != TOKEN_PIPE)
			break;
		take(p);
	}
	if (code != 0)
		return code;
	if (p->ahead.type != TOKEN_CLOSE && p->ahead.type != TOKEN_RIGHT)
		return unexpected(p, &p->ahead, context);
	pipe.source = slice_new(p->lexer.input.ptr + pipe.at, p->last_end - pipe.at);
	pipe.commands = keep(p, commands, pipe.count, sizeof *commands);
	code = pipe.commands == NULL ? -ENOMEM : check_commands(p, &pipe, context);
	for (uint32_t i = 0; code == 0 && pipe.declares && i < pipe.variable_count; i++)
		code = declare(p, pipe.variables[i], pipe.at);
	if (code == 0) {
		*out = keep(p, &pipe, 1, sizeof pipe);
		code = *out == NULL ? -ENOMEM : 0;
	}
	return code;
}

/* The pipeline of an action, to its end. */
int template_parse_action_pipeline(struct parser *p, const char *context, const struct pipeline **out)
{
	int code = template_parse_pipeline(p, context, out);

	return code == 0 ? template_parse_close(p, context) : code;
}

int template_parse_close(struct parser *p, const char *context)
{
	skip_space(p);
	if (p->ahead.type != TOKEN_CLOSE)
		return unexpected(p, &p->ahead, context);
	take(p);
	return 0;
}

/* ---- blocks: see parse_block.c ---- */

struct token template_parser_take(struct parser *p)
{
	return take(p);
}

int template_parser_unexpected(struct parser *p, const char *where)
{
	return unexpected(p, &p->ahead, where);
}

int template_parser_enter(struct parser *p)
{
	return enter(p, p->ahead.at);
}

void template_parser_skip_space(struct parser *p)
{
	skip_space(p);
}

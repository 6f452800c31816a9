/* Blocks, and the templates that a text defines. */
#include <errno.h>

#include "base/mem.h"
#include "template/parse.h"

/* How a list of nodes ended. */
enum ending { ENDS_EOF, ENDS_END, ENDS_ELSE };

static int parse_list(struct parser *p, const struct node **out, enum ending *ending);

static struct node *new_node(struct parser *p, enum node_type type, uint32_t at)
{
	struct node *n = arena_alloc(&p->set->arena, sizeof *n);

	if (n == NULL) {
		error_set(p->err, -ENOMEM, "out of memory for a template");
		return NULL;
	}
	*n = (struct node){.type = type, .at = at};
	return n;
}

/* ---- if, range, with ---- */

static int parse_control(struct parser *p, struct node *n, const char *context);

/* Behind "else": its end, or what makes it a block of its own, "else if". */
static int parse_else(struct parser *p, struct node *n, const char *context)
{
	template_parser_skip_space(p);
	bool chains = p->ahead.type == TOKEN_NAME &&
	              (slice_eq(p->ahead.text, SLICE("if")) || slice_eq(p->ahead.text, SLICE("with"))) &&
	              slice_eq(p->ahead.text, slice_cstr(context));
	if (chains) { /* it ends with the same {{end}} */
		uint32_t at = template_parser_take(p).at;
		struct node *inner = new_node(p, n->type, at);
		int code = inner == NULL ? -ENOMEM : parse_control(p, inner, context);
		n->otherwise = inner;
		return code;
	}
	int code = template_parse_close(p, "else");
	enum ending ending = ENDS_EOF;
	if (code == 0)
		code = parse_list(p, &n->otherwise, &ending);
	if (code == 0 && ending == ENDS_EOF)
		return template_parser_fail(p, p->ahead.at, "unexpected EOF");
	if (code == 0 && ending == ENDS_ELSE)
		return template_parser_fail(p, p->ahead.at, "expected end; found {{else}}");
	return code == 0 ? template_parse_close(p, "end") : code;
}

static int parse_control(struct parser *p, struct node *n, const char *context)
{
	uint32_t variables = p->variable_count;
	enum ending ending = ENDS_EOF;

	int code = template_parser_enter(p);
	if (code == 0)
		code = template_parse_action_pipeline(p, context, &n->pipeline);
	p->ranges += n->type == NODE_RANGE;
	if (code == 0)
		code = parse_list(p, &n->body, &ending);
	p->ranges -= n->type == NODE_RANGE;
	if (code == 0 && ending == ENDS_EOF)
		return template_parser_fail(p, p->ahead.at, "unexpected EOF");
	if (code == 0)
		code = ending == ENDS_ELSE ? parse_else(p, n, context) : template_parse_close(p, "end");
	p->variable_count = variables;
	p->depth--;
	return code;
}

/* ---- templates by name ---- */

static int parse_name_of(struct parser *p, const char *context, struct slice *out)
{
	struct template_value name;

	template_parser_skip_space(p);
	if (p->ahead.type != TOKEN_STRING && p->ahead.type != TOKEN_RAW)
		return template_parser_unexpected(p, context);
	struct token t = template_parser_take(p);
	int code = template_parse_constant(p, &t, &name);
	*out = name.text;
	return code;
}

static int parse_template(struct parser *p, struct node *n)
{
	int code = parse_name_of(p, "template clause", &n->text);

	template_parser_skip_space(p);
	if (code == 0 && p->ahead.type != TOKEN_CLOSE)
		return template_parse_action_pipeline(p, "template clause", &n->pipeline);
	return code == 0 ? template_parse_close(p, "template clause") : code;
}

static bool is_blank(const struct node *n)
{
	for (; n != NULL; n = n->next) {
		if (n->type != NODE_TEXT)
			return false;
		for (size_t i = 0; i < n->text.len; i++) {
			if (memchr(" \t\r\n", n->text.ptr[i], 4) == NULL)
				return false;
		}
	}
	return true;
}

static int define(struct parser *p, struct slice name, const struct node *body)
{
	struct template_set *set = p->set;
	bool empty = is_blank(body);
	struct definition *d = NULL;

	for (uint32_t i = 0; i < set->count && d == NULL; i++) {
		if (slice_eq(set->definitions[i]->name, name))
			d = set->definitions[i];
	}
	if (d != NULL && empty && !d->empty)
		return 0; /* what is empty replaces nothing */
	if (d == NULL) {
		d = arena_alloc(&set->arena, sizeof *d);
		if (d == NULL ||
		    mem_grow((void **)&set->definitions, &set->cap, set->count, sizeof(struct definition *)) != 0)
			return error_set(p->err, -ENOMEM, "out of memory for a template");
		set->definitions[set->count++] = d;
	}
	*d = (struct definition){name, p->file, p->lexer.input, body, empty};
	return 0;
}

/* The body of "define" or "block": a template of its own, which sees no variables but $. */
static int parse_definition(struct parser *p, struct slice name)
{
	struct slice variables[TEMPLATE_VARIABLES_MAX];
	uint32_t count = p->variable_count;
	uint32_t ranges = p->ranges;
	const struct node *body = NULL;
	enum ending ending = ENDS_EOF;

	memcpy(variables, p->variables, count * sizeof *variables);
	p->variable_count = 1;
	p->ranges = 0;
	int code = template_parser_enter(p);
	if (code == 0)
		code = parse_list(p, &body, &ending);
	if (code == 0 && ending != ENDS_END)
		return ending == ENDS_EOF
		           ? template_parser_fail(p, p->ahead.at, "unexpected EOF")
		           : template_parser_fail(p, p->ahead.at, "unexpected {{else}} in define clause");
	if (code == 0)
		code = template_parse_close(p, "end");
	p->depth--;
	memcpy(p->variables, variables, count * sizeof *variables);
	p->variable_count = count;
	p->ranges = ranges;
	return code == 0 ? define(p, name, body) : code;
}

static int parse_define(struct parser *p, uint32_t at)
{
	struct slice name;

	if (p->depth > 0)
		return template_parser_fail(p, at, "unexpected {{define}}");
	int code = parse_name_of(p, "define clause", &name);
	if (code == 0)
		code = template_parse_close(p, "define clause");
	return code == 0 ? parse_definition(p, name) : code;
}

static int parse_block(struct parser *p, struct node *n)
{
	int code = parse_name_of(p, "block clause", &n->text);

	if (code == 0)
		code = template_parse_action_pipeline(p, "block clause", &n->pipeline);
	return code == 0 ? parse_definition(p, n->text) : code;
}

/* ---- lists ---- */

static int parse_loop_word(struct parser *p, const struct node *n, const char *word)
{
	if (p->ranges == 0)
		return template_parser_fail(p, n->at, "{{%s}} outside {{range}}", word);
	return template_parse_close(p, word);
}

/* An action, behind its "{{". *out is NULL where it leaves nothing behind. */
static int parse_action(struct parser *p, struct node **out, enum ending *ending, bool *ended)
{
	static const struct {
		const char *word;
		enum node_type type;
	} controls[] = {{"if", NODE_IF}, {"range", NODE_RANGE}, {"with", NODE_WITH}};
	template_parser_skip_space(p);
	uint32_t at = p->ahead.at;
	struct slice word = p->ahead.type == TOKEN_NAME ? p->ahead.text : SLICE("");

	if (slice_eq(word, SLICE("end")) || slice_eq(word, SLICE("else"))) {
		*ended = true;
		*ending = word.len == 3 ? ENDS_END : ENDS_ELSE;
		template_parser_take(p);
		return 0;
	}
	if (slice_eq(word, SLICE("define"))) {
		template_parser_take(p);
		return parse_define(p, at);
	}
	struct node *n = *out = new_node(p, NODE_PRINT, at);
	if (n == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < sizeof controls / sizeof *controls; i++) {
		if (!slice_eq(word, slice_cstr(controls[i].word)))
			continue;
		template_parser_take(p);
		n->type = controls[i].type;
		return parse_control(p, n, controls[i].word);
	}
	bool breaks = slice_eq(word, SLICE("break"));
	if (breaks || slice_eq(word, SLICE("continue"))) {
		template_parser_take(p);
		n->type = breaks ? NODE_BREAK : NODE_CONTINUE;
		return parse_loop_word(p, n, breaks ? "break" : "continue");
	}
	bool block = slice_eq(word, SLICE("block"));
	if (block || slice_eq(word, SLICE("template"))) {
		template_parser_take(p);
		n->type = NODE_TEMPLATE;
		return block ? parse_block(p, n) : parse_template(p, n);
	}
	return template_parse_action_pipeline(p, "command", &n->pipeline);
}

static int parse_list(struct parser *p, const struct node **out, enum ending *ending)
{
	const struct node **tail = out;
	bool ended = false;

	*out = NULL;
	while (!ended) {
		struct node *n = NULL;
		struct token t = p->ahead;
		if (t.type == TOKEN_EOF) {
			*ending = ENDS_EOF;
			return 0;
		}
		if (t.type != TOKEN_TEXT && t.type != TOKEN_OPEN)
			return template_parser_unexpected(p, "input");
		template_parser_take(p);
		int code = 0;
		if (t.type == TOKEN_OPEN) {
			code = parse_action(p, &n, ending, &ended);
		} else {
			n = new_node(p, NODE_TEXT, t.at);
			code = n == NULL ? -ENOMEM : 0;
			if (n != NULL)
				n->text = t.text;
		}
		if (code != 0)
			return code;
		if (n != NULL) {
			*tail = n;
			tail = &n->next;
		}
	}
	return 0;
}

int template_set_parse(struct template_set *set, struct slice name, struct slice text, struct error *err)
{
	if (text.len > TEMPLATE_TEXT_MAX)
		return error_set(err, -E2BIG, "template: %.*s: longer than %d bytes", SLICE_ARG(name),
		                 TEMPLATE_TEXT_MAX);
	struct parser *p = mem_zalloc(1, sizeof *p);
	if (p == NULL)
		return error_set(err, -ENOMEM, "out of memory for a template");
	p->set = set;
	p->err = err;
	p->file = arena_copy(&set->arena, name);
	p->lexer.input = arena_copy(&set->arena, text);
	p->variables[p->variable_count++] = SLICE("$");
	const struct node *body;
	enum ending ending = ENDS_EOF;
	int code = p->file.ptr == NULL || p->lexer.input.ptr == NULL
	               ? error_set(err, -ENOMEM, "out of memory for a template")
	               : 0;
	if (code == 0) {
		p->ahead = template_lex(&p->lexer);
		code = parse_list(p, &body, &ending);
	}
	if (code == 0 && ending != ENDS_EOF)
		code = template_parser_fail(p, p->ahead.at, "unexpected {{%s}}", ending == ENDS_END ? "end" : "else");
	if (code == 0)
		code = define(p, p->file, body);
	mem_free(p);
	return code;
}

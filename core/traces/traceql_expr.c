/* Expressions over the fields of a span. By rising precedence: && and || (alike), comparisons, + and -, !, * / and %, ^ (to the right). */
#include <errno.h>
#include <string.h>

#include "traces/traceql_parser.h"

enum { LEVEL_BOOL = 1, LEVEL_COMPARE, LEVEL_ADD, LEVEL_NOT, LEVEL_MUL, LEVEL_POW };

static struct node *parse_level(struct parser *p, int level);

static struct node *new_node(struct parser *p, enum node_kind kind, uint32_t start)
{
	struct node *n = traceql_parser_room(p, sizeof *n);

	if (n != NULL) {
		n->kind = (uint8_t)kind;
		n->start = start;
	}
	return n;
}

static struct node *new_static(struct parser *p, struct traceql_value v, uint32_t start)
{
	struct node *n = new_node(p, NODE_STATIC, start);

	if (n == NULL)
		return NULL;
	n->value = v;
	n->end = p->token.end;
	return traceql_parser_advance(p) ? check_node(p, n) : NULL;
}

static const struct {
	const char *word;
	struct traceql_value value;
} words[] = {
    {"true", {TRACEQL_BOOL, .integer = 1}},
    {"false", {TRACEQL_BOOL, .integer = 0}},
    {"nil", {TRACEQL_NIL, .integer = 0}},
    {"ok", {TRACEQL_STATUS, .integer = SPAN_OK}},
    {"error", {TRACEQL_STATUS, .integer = SPAN_ERROR}},
    {"unset", {TRACEQL_STATUS, .integer = SPAN_UNSET}},
    {"unspecified", {TRACEQL_KIND, .integer = SPAN_UNSPECIFIED}},
    {"internal", {TRACEQL_KIND, .integer = SPAN_INTERNAL}},
    {"server", {TRACEQL_KIND, .integer = SPAN_SERVER}},
    {"client", {TRACEQL_KIND, .integer = SPAN_CLIENT}},
    {"producer", {TRACEQL_KIND, .integer = SPAN_PRODUCER}},
    {"consumer", {TRACEQL_KIND, .integer = SPAN_CONSUMER}},
    {"minInt", {TRACEQL_INT, .integer = INT64_MIN}},
    {"maxInt", {TRACEQL_INT, .integer = INT64_MAX}},
};

/* The token at hand as a value; false: it is none. */
static bool static_value(const struct parser *p, struct traceql_value *out)
{
	const struct lex_token *t = &p->token;

	switch (t->type) {
	case LEX_STRING:
		*out = (struct traceql_value){TRACEQL_STRING, .text = t->text};
		return true;
	case LEX_INT:
		*out = (struct traceql_value){TRACEQL_INT, .integer = t->integer};
		return true;
	case LEX_FLOAT:
		*out = (struct traceql_value){TRACEQL_FLOAT, .number = t->number};
		return true;
	case LEX_DURATION:
		*out = (struct traceql_value){TRACEQL_DURATION, .integer = t->integer};
		return true;
	case LEX_WORD:
		for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
			if (slice_eq(t->text, slice_cstr(words[i].word))) {
				*out = words[i].value;
				return true;
			}
		}
		return false;
	default:
		return false;
	}
}

bool parse_scalar(struct parser *p, struct traceql_value *out)
{
	bool minus = traceql_parser_accept(p, LEX_SUB);

	if (p->code != 0)
		return false;
	if (!static_value(p, out) || (minus && p->token.type == LEX_WORD)) {
		traceql_parser_unexpected(p, "a value");
		return false;
	}
	if (minus && out->type == TRACEQL_STRING) {
		traceql_parser_unexpected(p, "a number");
		return false;
	}
	if (minus && out->type == TRACEQL_FLOAT)
		out->number = -out->number;
	else if (minus)
		out->integer = -out->integer;
	return traceql_parser_advance(p);
}

static bool same_field(const struct field *a, const struct field *b)
{
	return a->kind == b->kind && a->scope == b->scope && a->parent == b->parent && slice_eq(a->name, b->name);
}

/* The token at hand as a field. */
static bool read_field(const struct lex_token *t, struct field *f)
{
	*f = (struct field){.kind = FIELD_ATTRIBUTE, .scope = LEX_SCOPE_ANY};
	if (t->type == LEX_WORD || t->type == LEX_INTRINSIC) {
		if (!field_intrinsic(t->text, &f->kind))
			return false;
		f->label = slice_cstr(field_label(f->kind));
		return true;
	}
	if (t->type != LEX_ATTRIBUTE)
		return false;
	f->scope = t->scope;
	f->parent = t->parent;
	f->name = t->text;
	f->label = t->text;
	f->hash = trace_key_hash(t->text);
	return true;
}

bool parse_field(struct parser *p, uint32_t *field)
{
	struct traceql_query *q = p->q;
	struct field f;

	if (!read_field(&p->token, &f)) {
		if (traceql_parser_word_is(p, "parent"))
			traceql_parser_fail(p, p->token.start, -EINVAL,
			                    "parent alone is not supported: span:parentID is its id");
		else
			traceql_parser_unexpected(p, "a field");
		return false;
	}
	for (*field = 0; *field < q->field_count; ++*field) {
		if (same_field(&q->fields[*field], &f))
			return traceql_parser_advance(p);
	}
	if (q->field_count == TRACEQL_FIELDS_MAX) {
		traceql_parser_fail(p, p->token.start, -E2BIG, "over %d different fields", TRACEQL_FIELDS_MAX);
		return false;
	}
	q->fields[q->field_count++] = f;
	q->uses_nested |= f.kind >= FIELD_NESTED_LEFT && f.kind <= FIELD_NESTED_PARENT;
	q->uses_children |= f.kind == FIELD_CHILD_COUNT;
	return traceql_parser_advance(p);
}

static struct node *parse_unary(struct parser *p, enum node_kind kind, int level)
{
	uint32_t start = p->token.start;

	if (!traceql_parser_advance(p))
		return NULL;
	struct node *of = parse_level(p, level);
	struct node *n = of != NULL ? new_node(p, kind, start) : NULL;
	if (n == NULL)
		return NULL;
	n->left = of;
	n->end = of->end;
	return check_node(p, n);
}

static struct node *parse_parens(struct parser *p)
{
	if (!traceql_parser_advance(p))
		return NULL;
	struct node *n = parse_level(p, LEVEL_BOOL);
	return n != NULL && traceql_parser_expect(p, LEX_RIGHT_PAREN, ")") ? n : NULL;
}

static struct node *parse_primary(struct parser *p)
{
	struct traceql_value v;
	uint32_t start = p->token.start, end = p->token.end;

	if (p->token.type == LEX_LEFT_PAREN)
		return parse_parens(p);
	if (p->token.type == LEX_SUB)
		return parse_unary(p, NODE_NEGATE, LEVEL_NOT);
	if (p->token.type == LEX_NOT)
		return parse_unary(p, NODE_NOT, LEVEL_MUL);
	if (static_value(p, &v))
		return new_static(p, v, start);
	if (p->token.type != LEX_WORD && p->token.type != LEX_INTRINSIC && p->token.type != LEX_ATTRIBUTE)
		return traceql_parser_unexpected(p, "a field or value");
	uint32_t field;
	if (!parse_field(p, &field))
		return NULL;
	struct node *n = new_node(p, NODE_FIELD, start);
	if (n == NULL)
		return NULL;
	n->field = field;
	n->end = end;
	return check_node(p, n);
}

static int level_of(enum lex_type op)
{
	switch (op) {
	case LEX_AND:
	case LEX_OR:
		return LEVEL_BOOL;
	case LEX_EQ:
	case LEX_NE:
	case LEX_LT:
	case LEX_LE:
	case LEX_GT:
	case LEX_GE:
	case LEX_REGEX:
	case LEX_NOT_REGEX:
		return LEVEL_COMPARE;
	case LEX_ADD:
	case LEX_SUB:
		return LEVEL_ADD;
	case LEX_MUL:
	case LEX_DIV:
	case LEX_MOD:
		return LEVEL_MUL;
	case LEX_POW:
		return LEVEL_POW;
	default:
		return 0;
	}
}

static bool add_item(struct parser *p, struct node *list, struct node *item)
{
	if (list->count == list->cap) {
		uint32_t cap = list->cap == 0 ? 4 : list->cap * 2;
		struct node **items = traceql_parser_room(p, cap * sizeof(struct node *));
		if (items == NULL)
			return false;
		if (list->count > 0)
			memcpy(items, list->items, list->count * sizeof(struct node *));
		list->items = items;
		list->cap = cap;
	}
	list->items[list->count++] = item;
	return true;
}

/* a && b && c is one list: the order in which they are asked is free. */
static struct node *join(struct parser *p, enum node_kind kind, struct node *left, struct node *right)
{
	struct node *n = left;

	if (left->kind != kind) {
		n = new_node(p, kind, left->start);
		if (n == NULL || !add_item(p, n, left))
			return NULL;
	}
	if (!add_item(p, n, right))
		return NULL;
	n->end = right->end;
	return check_node(p, n);
}

/* The pattern is compiled now, and hence a string as it stands there. */
static struct node *regex_node(struct parser *p, enum lex_type op, struct node *left, struct node *right)
{
	struct traceql_query *q = p->q;
	struct error err = {0};

	if (right->kind != NODE_STATIC || right->value.type != TRACEQL_STRING)
		return traceql_parser_fail(p, right->start, -EINVAL, "behind %s stands a regular expression in quotes",
		                           lex_name(op));
	if (q->regex_count == TRACEQL_REGEXES_MAX)
		return traceql_parser_fail(p, right->start, -E2BIG, "over %d regular expressions", TRACEQL_REGEXES_MAX);
	struct regex *re = regex_new(right->value.text, REGEX_MATCH, &err);
	if (re == NULL)
		return traceql_parser_fail(p, right->start, err.code, "invalid regular expression: %s", err.text);
	uint32_t number = q->regex_count++;
	q->regexes[number] = re;
	struct node *n = new_node(p, NODE_REGEX, left->start);
	if (n == NULL)
		return NULL;
	n->op = (uint8_t)op;
	n->left = left;
	n->regex = number;
	n->end = right->end;
	return check_node(p, n);
}

static enum lex_type flipped(enum lex_type op)
{
	switch (op) {
	case LEX_LT:
		return LEX_GT;
	case LEX_LE:
		return LEX_GE;
	case LEX_GT:
		return LEX_LT;
	case LEX_GE:
		return LEX_LE;
	default:
		return op;
	}
}

static bool is_nil(const struct node *n)
{
	return n->kind == NODE_STATIC && n->value.type == TRACEQL_NIL;
}

static struct node *compare_node(struct parser *p, enum lex_type op, struct node *left, struct node *right)
{
	bool swap = left->kind == NODE_STATIC && right->kind != NODE_STATIC;
	bool presence = (op == LEX_EQ || op == LEX_NE) && is_nil(left) + is_nil(right) == 1;
	struct node *n = new_node(p, NODE_COMPARE, left->start);

	if (n == NULL)
		return NULL;
	n->op = (uint8_t)(swap ? flipped(op) : op);
	n->left = swap ? right : left;
	n->right = swap ? left : right;
	n->end = right->end;
	if (presence) {
		n->kind = op == LEX_EQ ? NODE_ABSENT : NODE_EXISTS;
		n->left = is_nil(left) ? right : left;
	}
	return check_node(p, n);
}

static struct node *binary_node(struct parser *p, enum lex_type op, struct node *left, struct node *right)
{
	if (op == LEX_AND || op == LEX_OR)
		return join(p, op == LEX_AND ? NODE_AND : NODE_OR, left, right);
	if (op == LEX_REGEX || op == LEX_NOT_REGEX)
		return regex_node(p, op, left, right);
	if (level_of(op) == LEVEL_COMPARE)
		return compare_node(p, op, left, right);
	struct node *n = new_node(p, NODE_ARITHMETIC, left->start);
	if (n == NULL)
		return NULL;
	n->op = (uint8_t)op;
	n->left = left;
	n->right = right;
	n->end = right->end;
	return check_node(p, n);
}

static struct node *parse_level(struct parser *p, int level)
{
	if (!traceql_parser_enter(p)) {
		traceql_parser_leave(p);
		return NULL;
	}
	struct node *left = parse_primary(p);
	while (left != NULL && level_of(p->token.type) >= level) {
		enum lex_type op = p->token.type;
		if (!traceql_parser_advance(p)) {
			left = NULL;
			break;
		}
		struct node *right = parse_level(p, level_of(op) + (op != LEX_POW));
		left = right != NULL ? binary_node(p, op, left, right) : NULL;
	}
	traceql_parser_leave(p);
	return left;
}

struct node *parse_expr(struct parser *p)
{
	return parse_level(p, LEVEL_BOOL);
}

int traceql_parse_field(struct slice text, struct arena *arena, struct field *out, struct error *err)
{
	struct lexer_state lexer = {text, arena, 0};
	struct lex_token t = lex_next(&lexer);
	bool whole = t.type != LEX_ERROR && lex_next(&lexer).type == LEX_END;

	if (text.len == 0)
		return error_set(err, -EINVAL, "the name of a tag is empty");
	if (t.type == LEX_ERROR && t.error == NULL)
		return error_set(err, -ENOMEM, "memory is out");
	if (whole && read_field(&t, out))
		return 0;
	if (t.type == LEX_ATTRIBUTE || t.type == LEX_INTRINSIC)
		return error_set(err, -EINVAL, "there is no field \"%.*s\"", (int)(text.len < 200 ? text.len : 200),
		                 text.ptr);
	t = (struct lex_token){.type = LEX_ATTRIBUTE, .scope = LEX_SCOPE_ANY, .text = text};
	read_field(&t, out);
	return 0;
}

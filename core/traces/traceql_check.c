/* What goes together: types of operands, as far as they are known before there is a span; and the order in which conditions are asked for. */
#include <errno.h>

#include "traces/traceql_parser.h"

static const char *type_name(uint8_t type)
{
	static const char *const names[] = {"nil",        "an int",   "a float", "a string", "a boolean",
	                                    "a duration", "a status", "a kind",  "an array", "an attribute"};
	return names[type];
}

static bool is_number(uint8_t type)
{
	return type == TRACEQL_INT || type == TRACEQL_FLOAT || type == TRACEQL_DURATION;
}

static bool go_together(uint8_t a, uint8_t b)
{
	return a == TYPE_ANY || b == TYPE_ANY || a == b || (is_number(a) && is_number(b));
}

/* May the operator have an operand of that type? */
static bool takes(enum lex_type op, uint8_t type)
{
	if (type == TYPE_ANY)
		return true;
	switch (op) {
	case LEX_EQ:
	case LEX_NE:
		return type != TRACEQL_NIL;
	case LEX_LT:
	case LEX_LE:
	case LEX_GT:
	case LEX_GE:
		return is_number(type) || type == TRACEQL_STRING;
	case LEX_AND:
	case LEX_OR:
	case LEX_NOT:
		return type == TRACEQL_BOOL;
	case LEX_REGEX:
	case LEX_NOT_REGEX:
		return type == TRACEQL_STRING;
	default:
		return is_number(type);
	}
}

/* Is it what nil = nil says: never? */
static bool both_nil(const struct node *n)
{
	return n->left->type == TRACEQL_NIL && n->right->type == TRACEQL_NIL && (n->op == LEX_EQ || n->op == LEX_NE);
}

static struct node *check_binary(struct parser *p, struct node *n)
{
	const struct node *l = n->left, *r = n->right;

	if (n->kind == NODE_COMPARE && both_nil(n))
		return n;
	if (!go_together(l->type, r->type) || !takes(n->op, l->type) || !takes(n->op, r->type))
		return traceql_parser_fail(p, n->start, -EINVAL, "%s does not go with %s and %s", lex_name(n->op),
		                           type_name(l->type), type_name(r->type));
	return n;
}

static struct node *check_one(struct parser *p, struct node *n, enum lex_type op, const struct node *operand)
{
	if (!takes(op, operand->type))
		return traceql_parser_fail(p, operand->start, -EINVAL, "%s does not go with %s", lex_name(op),
		                           type_name(operand->type));
	return n;
}

static struct node *check_items(struct parser *p, struct node *n)
{
	enum lex_type op = n->kind == NODE_AND ? LEX_AND : LEX_OR;

	/* the ones before were looked at when they were added */
	for (uint32_t i = n->count > 2 ? n->count - 1 : 0; i < n->count; i++) {
		if (check_one(p, n, op, n->items[i]) == NULL)
			return NULL;
	}
	return n;
}

static void absorb(struct node *n, const struct node *part)
{
	if (part->depth + 1 > n->depth)
		n->depth = (uint16_t)(part->depth + 1);
	if (part->reach > n->reach)
		n->reach = part->reach;
	n->cost = (uint16_t)(n->cost + part->cost > 10000 ? 10000 : n->cost + part->cost);
}

static void field_costs(const struct traceql_query *q, struct node *n)
{
	const struct field *f = &q->fields[n->field];

	n->type = f->kind == FIELD_ATTRIBUTE ? TYPE_ANY : field_type(f->kind);
	n->reach = REACH_SPAN;
	n->cost = 2;
	if (field_is_many(f)) {
		n->cost = 30;
	} else if (f->kind == FIELD_ATTRIBUTE) {
		n->cost = f->parent ? 12 : 10;
		if (f->scope == TRACEQL_SCOPE_RESOURCE && !f->parent)
			n->reach = REACH_RESOURCE;
	} else if (f->kind >= FIELD_TRACE_ID && f->kind <= FIELD_ROOT_SERVICE) {
		n->reach = REACH_TRACE;
	} else if (f->kind == FIELD_NAME || f->kind == FIELD_SPAN_ID || f->kind == FIELD_PARENT_ID) {
		n->cost = 5;
	}
}

static struct node *check_types(struct parser *p, struct node *n)
{
	n->type = TRACEQL_BOOL;
	switch (n->kind) {
	case NODE_STATIC:
		n->type = (uint8_t)n->value.type;
		return n;
	case NODE_FIELD:
		field_costs(p->q, n);
		return n;
	case NODE_AND:
	case NODE_OR:
		absorb(n, n->items[n->count - 1]);
		if (n->count == 2)
			absorb(n, n->items[0]);
		return check_items(p, n);
	case NODE_NOT:
	case NODE_EXISTS:
	case NODE_ABSENT:
		absorb(n, n->left);
		return n->kind == NODE_NOT ? check_one(p, n, LEX_NOT, n->left) : n;
	case NODE_NEGATE:
		absorb(n, n->left);
		n->type = n->left->type;
		return check_one(p, n, LEX_SUB, n->left);
	case NODE_REGEX:
		absorb(n, n->left);
		n->cost += 10;
		return check_one(p, n, n->op, n->left);
	default:
		absorb(n, n->left);
		absorb(n, n->right);
		if (n->kind == NODE_ARITHMETIC)
			n->type = n->left->type != TYPE_ANY ? n->left->type : n->right->type;
		return check_binary(p, n);
	}
}

struct node *check_node(struct parser *p, struct node *n)
{
	if (check_types(p, n) == NULL)
		return NULL;
	if (n->depth > TRACEQL_DEPTH_MAX)
		return traceql_parser_fail(p, n->start, -E2BIG, "over %d levels", TRACEQL_DEPTH_MAX);
	return n;
}

/* Stable: what costs alike stays in the order in which it was written. */
static void sort_items(struct node *n)
{
	for (uint32_t i = 1; i < n->count; i++) {
		struct node *item = n->items[i];
		uint32_t at = i;
		for (; at > 0 && n->items[at - 1]->cost > item->cost; at--)
			n->items[at] = n->items[at - 1];
		n->items[at] = item;
	}
}

void plan_expr(struct traceql_query *q, struct node *n)
{
	if (n->reach < REACH_SPAN && n->kind != NODE_STATIC && n->type == TRACEQL_BOOL) {
		n->memo = ++q->memo_count;
		n->cost = 3; /* nearly always it is remembered */
	}
	if (n->kind == NODE_AND || n->kind == NODE_OR) {
		for (uint32_t i = 0; i < n->count && n->memo == 0; i++)
			plan_expr(q, n->items[i]);
		sort_items(n);
	} else if (n->kind == NODE_NOT && n->memo == 0) {
		plan_expr(q, n->left);
	}
}

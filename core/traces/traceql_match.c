/* Expressions over a span: whether they hold, and their values. */
#include <string.h>

#include "base/hash.h"
#include "traces/traceql_state.h"

/* ---- regular expressions: what they said is remembered ---- */

static bool ask_regex(struct traceql_state *s, uint32_t regex, struct slice text)
{
	int code = regex_matches(s->q->regexes[regex], text);

	if (code < 0)
		s->code = code;
	return code > 0;
}

static bool regex_holds(struct traceql_state *s, uint32_t regex, struct slice text)
{
	bool small = text.len <= REGEX_TEXT_KEPT;
	uint64_t serial = small ? 0 : s->serial;
	uint64_t key = small ? hash_bytes(text.ptr, text.len, regex) : hash_mix((uint64_t)(uintptr_t)text.ptr, regex);
	struct regex_slot *slot;

	key = hash_mix(key, regex + 1) | 1; /* never that of an empty slot */
	slot = &s->slots[key / 2 % REGEX_SLOTS];
	if (slot->key == key && slot->serial == serial && slot->len == text.len &&
	    (!small || bytes_same(slot->text, text.ptr, text.len)))
		return slot->matches;
	state_work(s, text.len);
	bool matches = ask_regex(s, regex, text);
	slot->key = key;
	slot->serial = serial;
	slot->len = (uint32_t)text.len;
	slot->matches = matches;
	if (small && text.len > 0)
		memcpy(slot->text, text.ptr, text.len);
	return matches;
}

static bool regex_value(struct traceql_state *s, const struct node *n, const struct traceql_value *v)
{
	bool wanted = n->op == LEX_REGEX;

	if (v->type == TRACEQL_STRING)
		return regex_holds(s, n->regex, v->text) == wanted;
	if (v->type != TRACEQL_ARRAY)
		return false;
	const struct trace_cell *items = trace_cells(s->t) + v->cell->items.first;
	for (uint32_t i = 0; i < v->cell->items.count; i++) {
		bool matches = items[i].type == TRACE_CELL_STRING &&
		               regex_holds(s, n->regex, trace_text(s->t, items[i].text)) == wanted;
		if (matches == wanted)
			return wanted;
	}
	return !wanted;
}

/* ---- conditions ---- */

/* Of one value of the left side. */
static bool condition(struct traceql_state *s, const struct node *n, uint32_t span, const struct traceql_value *left)
{
	if (n->kind == NODE_REGEX)
		return regex_value(s, n, left);
	if (n->kind == NODE_EXISTS || n->kind == NODE_ABSENT)
		return left->type != TRACEQL_NIL;
	if (n->right->kind == NODE_STATIC)
		return value_compare(s->t, n->op, left, &n->right->value);
	struct traceql_value right = match_value(s, n->right, span);
	return value_compare(s->t, n->op, left, &right);
}

/* A field of events or links: one that does is enough. */
static bool any_condition(struct traceql_state *s, const struct node *n, uint32_t span)
{
	uint32_t field = n->left->field, count = read_many(s, &s->q->fields[field], span);

	state_work(s, count);
	for (uint32_t i = 0; i < count && s->code == 0; i++) {
		struct traceql_value v = read_field(s, field, span, i);
		if (condition(s, n, span, &v))
			return true;
	}
	return false;
}

static bool holds(struct traceql_state *s, const struct node *n, uint32_t span)
{
	bool result;

	if (n->left->kind == NODE_FIELD && field_is_many(&s->q->fields[n->left->field])) {
		result = any_condition(s, n, span);
	} else {
		struct traceql_value v = match_value(s, n->left, span);
		result = condition(s, n, span, &v);
	}
	return n->kind == NODE_ABSENT ? !result : result;
}

static bool negation(struct traceql_state *s, const struct node *of, uint32_t span)
{
	if (of->type == TRACEQL_BOOL)
		return !match_node(s, of, span);
	struct traceql_value v = match_value(s, of, span);
	return v.type == TRACEQL_BOOL && !v.integer;
}

static bool truth(struct traceql_state *s, const struct node *n, uint32_t span)
{
	struct traceql_value v;

	switch (n->kind) {
	case NODE_AND:
		for (uint32_t i = 0; i < n->count; i++) {
			if (!match_node(s, n->items[i], span))
				return false;
		}
		return true;
	case NODE_OR:
		for (uint32_t i = 0; i < n->count; i++) {
			if (match_node(s, n->items[i], span))
				return true;
		}
		return false;
	case NODE_NOT:
		return negation(s, n->left, span);
	case NODE_COMPARE:
	case NODE_REGEX:
	case NODE_EXISTS:
	case NODE_ABSENT:
		return holds(s, n, span);
	default:
		v = match_value(s, n, span);
		return v.type == TRACEQL_BOOL && v.integer;
	}
}

bool match_node(struct traceql_state *s, const struct node *n, uint32_t span)
{
	if (n->memo == 0)
		return truth(s, n, span);
	size_t place = (size_t)(n->memo - 1) * s->t->resource_count + trace_spans(s->t)[span].resource;
	if (s->memo[place] == 0)
		s->memo[place] = (uint8_t)(1 + truth(s, n, span));
	return s->memo[place] == 2;
}

static struct traceql_value negative(struct traceql_value v)
{
	if (v.type == TRACEQL_FLOAT)
		v.number = -v.number;
	else if (v.type == TRACEQL_INT || v.type == TRACEQL_DURATION)
		v.integer = (int64_t)(0 - (uint64_t)v.integer);
	else
		v.type = TRACEQL_NIL;
	return v;
}

struct traceql_value match_value(struct traceql_state *s, const struct node *n, uint32_t span)
{
	struct traceql_value a, b;

	switch (n->kind) {
	case NODE_STATIC:
		return n->value;
	case NODE_FIELD:
		return read_field(s, n->field, span, 0);
	case NODE_NEGATE:
		return negative(match_value(s, n->left, span));
	case NODE_ARITHMETIC:
		a = match_value(s, n->left, span);
		b = match_value(s, n->right, span);
		return value_arithmetic(n->op, &a, &b);
	default:
		return (struct traceql_value){TRACEQL_BOOL, .integer = match_node(s, n, span)};
	}
}

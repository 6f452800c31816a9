/* Selectors: a metric's name, matchers in braces. */
#include <errno.h>
#include <stdlib.h>

#include "promql/parser.h"
#include "promql/quote.h"
#include "record/labels.h"

bool is_metric_name(enum token_type t)
{
	return t == TOKEN_IDENTIFIER || t == TOKEN_METRIC_IDENTIFIER || token_is_aggregation(t) || t == TOKEN_AND ||
	       t == TOKEN_OR || t == TOKEN_UNLESS || t == TOKEN_BY || t == TOKEN_WITHOUT || t == TOKEN_OFFSET ||
	       t == TOKEN_ANCHORED || t == TOKEN_SMOOTHED || t >= TOKEN_PREPROCESSORS;
}

struct matchers {
	struct promql_matcher *items;
	uint32_t count;
};

static bool add(struct parser *p, struct matchers *to, const struct promql_matcher *m)
{
	struct promql_matcher *grown = parser_grow(p, to->items, to->count, sizeof *grown);
	if (grown == NULL)
		return false;
	to->items = grown;
	grown[to->count++] = *m;
	return true;
}

/* Does the pattern match the empty value? It has to compile for that; what it comes to is thrown away, for the tree owns no more than the arena does. */
static bool compile(struct parser *p, struct slice pattern, uint32_t at, bool *matches_empty)
{
	struct error err = {0};

	for (uint32_t i = 0; i < p->regex_count; i++) {
		if (slice_eq(p->regexes[i].text, pattern)) {
			*matches_empty = p->regexes[i].matches_empty;
			return true;
		}
	}
	struct matcher *made = matcher_new(MATCH_REGEX, SLICE(""), pattern, &err);
	if (made == NULL) {
		if (err.code == -ENOMEM)
			parser_out_of_memory(p);
		else
			parser_fail(p, at, "%s", err.text);
		return false;
	}
	*matches_empty = made->matches_empty;
	bool dear = made->regex != NULL;
	matcher_free(made);
	if (!dear)
		return true;
	if (p->regex_count == PROMQL_REGEXES_MAX) {
		parser_fail(p, at, "the expression has more than %d regular expressions", PROMQL_REGEXES_MAX);
		return false;
	}
	p->regexes[p->regex_count].text = pattern;
	p->regexes[p->regex_count++].matches_empty = *matches_empty;
	return true;
}

static bool check_value(struct parser *p, struct promql_matcher *m, uint32_t at)
{
	if (m->op == MATCH_EQUAL || m->op == MATCH_NOT_EQUAL)
		m->matches_empty = m->value.len == 0;
	else if (!compile(p, m->value, at, &m->matches_empty))
		return false;
	m->matches_empty ^= m->op == MATCH_NOT_EQUAL || m->op == MATCH_NOT_REGEX;
	return true;
}

static bool take_operator(struct parser *p, enum matcher_op *op)
{
	if (parser_accept(p, TOKEN_EQUALS))
		*op = MATCH_EQUAL;
	else if (parser_accept(p, TOKEN_NE))
		*op = MATCH_NOT_EQUAL;
	else if (parser_accept(p, TOKEN_REGEX))
		*op = MATCH_REGEX;
	else if (parser_accept(p, TOKEN_NOT_REGEX))
		*op = MATCH_NOT_REGEX;
	else
		return false;
	return true;
}

static bool parse_value(struct parser *p, struct slice *out)
{
	struct context before = parser_enter(p, "label matching", "string");
	if (parser_peek(p) != TOKEN_STRING) {
		parser_unexpected(p);
		return false;
	}
	*out = parse_string(p, parser_take(p));
	p->context = before;
	return out->ptr != NULL;
}

/* name op "value", "name" op "value", or "metric". */
static bool parse_matcher(struct parser *p, struct matchers *to)
{
	struct promql_matcher m = {.op = MATCH_EQUAL};
	enum token_type type = parser_peek(p);

	if (type != TOKEN_IDENTIFIER && type != TOKEN_STRING) {
		parser_unexpected(p);
		return false;
	}
	struct token name = parser_take(p);
	m.name = type == TOKEN_STRING ? parse_string(p, name) : arena_copy(p->arena, name.text);
	if (m.name.ptr == NULL) {
		parser_out_of_memory(p);
		return false;
	}
	if (take_operator(p, &m.op))
		return parse_value(p, &m.value) && check_value(p, &m, name.start) && add(p, to, &m);
	if (type == TOKEN_STRING) {
		m.value = m.name;
		m.name = LABEL_METRIC_NAME;
		return check_value(p, &m, name.start) && add(p, to, &m);
	}
	parser_enter(p, "label matching", "label matching operator");
	parser_unexpected(p);
	return false;
}

static bool parse_braces(struct parser *p, struct matchers *to)
{
	struct context before = parser_enter(p, "label matching", "identifier or \"}\"");

	parser_take(p);
	while (!parser_accept(p, TOKEN_RIGHT_BRACE)) {
		if (!parse_matcher(p, to))
			return false;
		struct context name = parser_enter(p, "label matching", "\",\" or \"}\"");
		bool more = parser_accept(p, TOKEN_COMMA);
		if (!more && parser_peek(p) != TOKEN_RIGHT_BRACE) {
			parser_unexpected(p);
			return false;
		}
		p->context = name;
	}
	p->context = before;
	return true;
}

struct promql_expr *parse_selector(struct parser *p, const struct token *name)
{
	struct matchers found = {0};

	if (name == NULL && parser_peek(p) != TOKEN_LEFT_BRACE) {
		parser_unexpected(p);
		return NULL;
	}
	uint32_t start = name != NULL ? name->start : p->next.start;
	uint32_t end = p->end;
	if (parser_peek(p) == TOKEN_LEFT_BRACE) {
		if (!parse_braces(p, &found))
			return NULL;
		end = p->end;
	}
	struct promql_expr *e = parser_new(p, PROMQL_SELECTOR, PROMQL_VECTOR, start, end);
	if (e == NULL)
		return NULL;
	e->selector.name = SLICE("");
	if (name != NULL) {
		struct promql_matcher m = {.op = MATCH_EQUAL, .name = LABEL_METRIC_NAME};
		m.value = arena_copy(p->arena, name->text);
		e->selector.name = m.value;
		if (m.value.ptr == NULL) {
			parser_out_of_memory(p);
			return NULL;
		}
		if (!add(p, &found, &m))
			return NULL;
	}
	e->selector.matchers = found.items;
	e->selector.matcher_count = found.count;
	return e;
}

/* ---- for the store ---- */

int promql_matchers(const struct promql_expr *selector, struct arena *arena, struct matcher ***out, struct error *err)
{
	uint32_t count = selector->selector.matcher_count;
	struct matcher **made = arena_alloc(arena, (count + (size_t)1) * sizeof *made);
	struct error own = {0};

	if (made == NULL)
		return error_set(err, -ENOMEM, "out of memory for matchers");
	err = err != NULL ? err : &own;
	for (uint32_t i = 0; i < count; i++) {
		const struct promql_matcher *m = &selector->selector.matchers[i];
		made[i] = matcher_new(m->op, m->name, m->value, err);
		if (made[i] == NULL) {
			promql_matchers_free(made, i);
			return err->code;
		}
	}
	*out = made;
	return 0;
}

void promql_matchers_free(struct matcher **matchers, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		matcher_free(matchers[i]);
}

/* Types: which expressions may stand where. The order of the checks is Prometheus's, for the first error is the one that is told. */
#include "promql/parser.h"
#include "promql/quote.h"
#include "record/labels.h"

const char *promql_type_text(enum promql_type type)
{
	static const char *const texts[] = {"none", "scalar", "instant vector", "range vector", "string"};
	return texts[type];
}

static bool expect(struct parser *p, struct promql_expr *e, enum promql_type wanted, const char *where)
{
	if (!check_types(p, e))
		return false;
	if (e->type != wanted)
		parser_fail(p, e->start, "expected type %s in %s, got %s", promql_type_text(wanted), where,
		            promql_type_text(e->type));
	return p->code == 0;
}

static bool check_aggregate(struct parser *p, struct promql_expr *e)
{
	if (!expect(p, e->aggregate.of, PROMQL_VECTOR, "aggregation expression"))
		return false;
	return e->aggregate.param == NULL ||
	       expect(p, e->aggregate.param, e->aggregate.op == PROMQL_COUNT_VALUES ? PROMQL_STRING : PROMQL_SCALAR,
	              "aggregation parameter");
}

/* ---- operators ---- */

/* Where the operator stands: behind the left operand and the spaces there. */
static uint32_t operator_start(const struct parser *p, const struct promql_expr *e)
{
	uint32_t at = e->binary.left->end;
	while (at < p->lexer.input.len && is_space(p->lexer.input.ptr[at]))
		at++;
	return at;
}

static void check_group_labels(struct parser *p, const struct promql_expr *e)
{
	const struct promql_matching *m = e->binary.matching;
	for (uint32_t i = 0; m->on && i < m->label_count; i++) {
		for (uint32_t k = 0; k < m->include_count; k++) {
			if (slice_eq(m->labels[i], m->include[k]))
				parser_fail(p, operator_start(p, e),
				            "label %s must not occur in ON and GROUP clause at once",
				            quoted(m->labels[i], UINT32_MAX, p->arena));
		}
	}
}

static void check_set(struct parser *p, const struct promql_expr *e)
{
	const struct promql_matching *m = e->binary.matching;
	if (m->card != PROMQL_MANY_TO_MANY)
		parser_fail(p, e->start, "no grouping allowed for \"%s\" operation", promql_op_text(e->binary.op));
	if (m->fills_left || m->fills_right)
		parser_fail(p, e->start, "filling in missing series not allowed for set operators");
}

static bool check_operands(struct parser *p, const struct promql_expr *e)
{
	for (int i = 0; i < 2; i++) {
		const struct promql_expr *side = i == 0 ? e->binary.left : e->binary.right;
		if (side->type != PROMQL_SCALAR && side->type != PROMQL_VECTOR)
			parser_fail(p, side->start,
			            "binary expression must contain only scalar and instant vector types");
	}
	return p->code == 0;
}

static bool check_binary(struct parser *p, struct promql_expr *e)
{
	struct promql_matching *m = e->binary.matching;
	enum promql_op op = e->binary.op;
	if (!check_types(p, e->binary.left) || !check_types(p, e->binary.right))
		return false;
	enum promql_type left = e->binary.left->type, right = e->binary.right->type;

	if (e->binary.returns_bool && !promql_op_compares(op))
		parser_fail(p, operator_start(p, e), "bool modifier can only be used on comparison operators");
	if (promql_op_compares(op) && !e->binary.returns_bool && left == PROMQL_SCALAR && right == PROMQL_SCALAR)
		parser_fail(p, operator_start(p, e), "comparisons between scalars must use BOOL modifier");
	if (promql_op_is_set(op) && m->card == PROMQL_ONE_TO_ONE)
		m->card = PROMQL_MANY_TO_MANY;
	check_group_labels(p, e);
	if (!check_operands(p, e))
		return false;
	if (left != PROMQL_VECTOR || right != PROMQL_VECTOR) {
		if (m->label_count > 0)
			parser_fail(p, e->start, "vector matching only allowed between instant vectors");
		if (m->fills_left || m->fills_right)
			parser_fail(p, e->start, "filling in missing series only allowed between instant vectors");
		e->binary.matching = NULL;
	} else if (promql_op_is_set(op)) {
		check_set(p, e);
	}
	if ((left == PROMQL_SCALAR || right == PROMQL_SCALAR) && promql_op_is_set(op))
		parser_fail(p, e->start, "set operator \"%s\" not allowed in binary scalar expression",
		            promql_op_text(op));
	return p->code == 0;
}

static bool check_unary(struct parser *p, struct promql_expr *e)
{
	if (!check_types(p, e->unary.of))
		return false;
	if (e->type != PROMQL_SCALAR && e->type != PROMQL_VECTOR)
		parser_fail(p, e->start,
		            "unary expression only allowed on expressions of type scalar or instant vector, got \"%s\"",
		            promql_type_text(e->type));
	return p->code == 0;
}

/* ---- calls ---- */

static bool check_count(struct parser *p, const struct promql_expr *e)
{
	const struct promql_function *f = e->call.function;
	uint32_t given = e->call.arg_count, least = f->arg_count - (f->variadic != 0);
	uint32_t most = f->variadic < 0 ? UINT32_MAX : least + (uint32_t)f->variadic;

	if (f->variadic == 0 && given != f->arg_count)
		parser_fail(p, e->start, "expected %u argument(s) in call to \"%s\", got %u", f->arg_count, f->name,
		            given);
	else if (given < least)
		parser_fail(p, e->start, "expected at least %u argument(s) in call to \"%s\", got %u", least, f->name,
		            given);
	else if (given > most)
		parser_fail(p, e->start, "expected at most %u argument(s) in call to \"%s\", got %u", most, f->name,
		            given);
	return p->code == 0;
}

/* The second argument of info() selects labels, of no metric. */
static bool check_info(struct parser *p, const struct promql_expr *e)
{
	struct promql_expr *labels = e->call.args[1];

	if (labels->type != PROMQL_VECTOR)
		parser_fail(p, e->start, "expected type instant vector in call to function \"info\", got %s",
		            promql_type_text(labels->type));
	else if (labels->kind != PROMQL_SELECTOR)
		parser_fail(p, labels->start, "expected label selectors only");
	else if (labels->selector.name.len > 0)
		parser_fail(p, labels->start, "expected label selectors only, got vector selector instead");
	else
		labels->selector.may_be_empty = true;
	return p->code == 0;
}

static bool check_call(struct parser *p, struct promql_expr *e)
{
	const struct promql_function *f = e->call.function;

	if (!check_count(p, e))
		return false;
	if (e->call.arg_count > 1 && slice_eq(slice_cstr(f->name), SLICE("info")) && !check_info(p, e))
		return false;
	for (uint32_t i = 0; i < e->call.arg_count; i++) {
		struct promql_expr *arg = e->call.args[i];
		enum promql_type wanted = f->args[i < f->arg_count ? i : f->arg_count - 1u];
		if (!check_types(p, arg))
			return false;
		if (arg->type != wanted)
			parser_fail(p, arg->start, "expected type %s in call to function \"%s\", got %s",
			            promql_type_text(wanted), f->name, promql_type_text(arg->type));
	}
	return p->code == 0;
}

/* ---- selectors ---- */

static bool check_selector(struct parser *p, const struct promql_expr *e)
{
	uint32_t count = e->selector.matcher_count;
	bool not_empty = false;

	if (e->selector.name.len > 0) { /* whose matcher is the last one */
		for (uint32_t i = 0; i + 1 < count; i++) {
			const struct promql_matcher *m = &e->selector.matchers[i];
			if (slice_eq(m->name, LABEL_METRIC_NAME))
				parser_fail(p, e->start, "metric name must not be set twice: %s or %s",
				            quoted(e->selector.name, UINT32_MAX, p->arena),
				            quoted(m->value, UINT32_MAX, p->arena));
		}
		return p->code == 0;
	}
	for (uint32_t i = 0; i < count; i++)
		not_empty |= !e->selector.matchers[i].matches_empty;
	if (!not_empty && !e->selector.may_be_empty)
		parser_fail(p, e->start, "vector selector must contain at least one non-empty matcher");
	return p->code == 0;
}

static bool check_subquery(struct parser *p, struct promql_expr *e)
{
	static const char *const names[] = {"none", "scalar", "vector", "matrix", "string"};

	if (!check_types(p, e->subquery.of))
		return false;
	if (e->subquery.of->type != PROMQL_VECTOR)
		parser_fail(p, e->start, "subquery is only allowed on instant vector, got %s instead",
		            names[e->subquery.of->type]);
	return p->code == 0;
}

bool check_types(struct parser *p, struct promql_expr *e)
{
	switch (e->kind) {
	case PROMQL_NUMBER:
	case PROMQL_TEXT:
	case PROMQL_DURATION:
		return true;
	case PROMQL_SELECTOR:
		return check_selector(p, e);
	case PROMQL_RANGE_SELECTOR:
		return check_types(p, e->range.selector);
	case PROMQL_SUBQUERY:
		return check_subquery(p, e);
	case PROMQL_PAREN:
		return check_types(p, e->paren);
	case PROMQL_UNARY:
		return check_unary(p, e);
	case PROMQL_BINARY:
		return check_binary(p, e);
	case PROMQL_AGGREGATE:
		return check_aggregate(p, e);
	case PROMQL_CALL:
		return check_call(p, e);
	}
	return false;
}

/* Every expression of a tree. */
#include "promql/promql.h"

static bool walk(struct promql_expr *e, promql_visit *visit, void *ctx)
{
	return e == NULL || promql_walk(e, visit, ctx);
}

static bool walk_arguments(struct promql_expr *e, promql_visit *visit, void *ctx)
{
	bool more = true;
	for (uint32_t i = 0; i < e->call.arg_count && more; i++)
		more = promql_walk(e->call.args[i], visit, ctx);
	return more;
}

bool promql_walk(struct promql_expr *e, promql_visit *visit, void *ctx)
{
	if (!visit(ctx, e))
		return false;
	switch (e->kind) {
	case PROMQL_NUMBER:
	case PROMQL_TEXT:
	case PROMQL_SELECTOR:
	case PROMQL_DURATION:
		return true;
	case PROMQL_RANGE_SELECTOR:
		return promql_walk(e->range.selector, visit, ctx);
	case PROMQL_SUBQUERY:
		return promql_walk(e->subquery.of, visit, ctx);
	case PROMQL_PAREN:
		return promql_walk(e->paren, visit, ctx);
	case PROMQL_UNARY:
		return promql_walk(e->unary.of, visit, ctx);
	case PROMQL_BINARY:
		return promql_walk(e->binary.left, visit, ctx) && promql_walk(e->binary.right, visit, ctx);
	case PROMQL_AGGREGATE:
		return walk(e->aggregate.param, visit, ctx) && promql_walk(e->aggregate.of, visit, ctx);
	case PROMQL_CALL:
		return walk_arguments(e, visit, ctx);
	}
	return true;
}

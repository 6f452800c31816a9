/* Expressions over several lines, laid out as Prometheus does it: what has more than a hundred bytes on one line is split at its outermost operator or call, each level indented by two spaces. */
#include "promql/print.h"
#include "promql/promql.h"

enum { LINE_BYTES = 100 };

static void indent(uint32_t level, struct buf *out)
{
	for (uint32_t i = 0; i < level; i++)
		buf_str(out, "  ");
}

static void pretty(const struct promql_expr *e, uint32_t level, struct buf *out);

static void pretty_binary(const struct promql_expr *e, uint32_t level, struct buf *out)
{
	pretty(e->binary.left, level + 1, out);
	buf_byte(out, '\n');
	indent(level, out);
	print_operator(e, out);
	buf_byte(out, '\n');
	pretty(e->binary.right, level + 1, out);
}

/* (…) with what is inside on lines of its own. */
static void pretty_inside(struct promql_expr *const *items, uint32_t count, uint32_t level, struct buf *out)
{
	buf_str(out, "(\n");
	for (uint32_t i = 0; i < count; i++) {
		buf_str(out, i > 0 ? ",\n" : "");
		pretty(items[i], level + 1, out);
	}
	buf_byte(out, '\n');
	indent(level, out);
	buf_byte(out, ')');
}

static void pretty_aggregate(const struct promql_expr *e, uint32_t level, struct buf *out)
{
	struct promql_expr *items[2] = {e->aggregate.param, e->aggregate.of};
	uint32_t without_param = e->aggregate.param == NULL;

	indent(level, out);
	print_aggregation(e, out);
	pretty_inside(items + without_param, 2 - without_param, level, out);
}

/* The operand is indented by itself, but the operator comes before it. */
static void pretty_unary(const struct promql_expr *e, uint32_t level, struct buf *out)
{
	struct buf operand = {0};

	pretty(e->unary.of, level, &operand);
	indent(level, out);
	buf_str(out, promql_op_text(e->unary.op));
	size_t margin = 0;
	while (margin < operand.len && operand.ptr[margin] == ' ')
		margin++;
	buf_append(out, operand.ptr + margin, operand.len - margin);
	out->failed |= buf_failed(&operand);
	buf_free(&operand);
}

/* Writes the expression on one line where it fits. */
static bool fits(const struct promql_expr *e, uint32_t level, struct buf *out)
{
	size_t before = out->len;
	/* A subquery that fits is not indented, in Prometheus either. */
	indent(e->kind == PROMQL_SUBQUERY ? 0 : level, out);
	size_t start = out->len;
	promql_print(e, out);
	if (out->len - start <= LINE_BYTES || buf_failed(out))
		return true;
	out->len = before;
	return false;
}

static void pretty(const struct promql_expr *e, uint32_t level, struct buf *out)
{
	if (e->kind == PROMQL_UNARY) {
		pretty_unary(e, level, out);
		return;
	}
	if (fits(e, level, out))
		return;
	switch (e->kind) {
	case PROMQL_BINARY:
		pretty_binary(e, level, out);
		break;
	case PROMQL_AGGREGATE:
		pretty_aggregate(e, level, out);
		break;
	case PROMQL_CALL:
		indent(level, out);
		buf_str(out, e->call.function->name);
		pretty_inside(e->call.args, e->call.arg_count, level, out);
		break;
	case PROMQL_PAREN:
		indent(level, out);
		pretty_inside(&(struct promql_expr *){e->paren}, 1, level, out);
		break;
	case PROMQL_SUBQUERY:
		pretty(e->subquery.of, level, out);
		print_subquery_suffix(e, out);
		break;
	default:
		indent(level, out);
		promql_print(e, out);
	}
}

void promql_print_pretty(const struct promql_expr *e, struct buf *out)
{
	pretty(e, 0, out);
}

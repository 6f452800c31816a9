/* Expressions as text, in the form that Prometheus gives them. */
#include <math.h>
#include <stdlib.h>

#include "base/decimal.h"
#include "promql/parser.h"
#include "promql/print.h"
#include "record/labels.h"

const char *promql_op_text(enum promql_op op)
{
	static const char *const texts[] = {
	    [PROMQL_ADD] = "+",       [PROMQL_SUB] = "-",         [PROMQL_MUL] = "*",       [PROMQL_DIV] = "/",
	    [PROMQL_MOD] = "%",       [PROMQL_POW] = "^",         [PROMQL_ATAN2] = "atan2", [PROMQL_EQ] = "==",
	    [PROMQL_NE] = "!=",       [PROMQL_GT] = ">",          [PROMQL_LT] = "<",        [PROMQL_GE] = ">=",
	    [PROMQL_LE] = "<=",       [PROMQL_AND] = "and",       [PROMQL_OR] = "or",       [PROMQL_UNLESS] = "unless",
	    [PROMQL_STEP] = "step()", [PROMQL_RANGE] = "range()", [PROMQL_MIN] = "min",     [PROMQL_MAX] = "max",
	};
	return texts[op];
}

const char *promql_aggregation_text(enum promql_aggregation a)
{
	static const char *const texts[] = {
	    [PROMQL_AVG] = "avg",       [PROMQL_BOTTOMK] = "bottomk",
	    [PROMQL_COUNT] = "count",   [PROMQL_COUNT_VALUES] = "count_values",
	    [PROMQL_GROUP] = "group",   [PROMQL_LIMIT_RATIO] = "limit_ratio",
	    [PROMQL_LIMITK] = "limitk", [PROMQL_AGG_MAX] = "max",
	    [PROMQL_AGG_MIN] = "min",   [PROMQL_QUANTILE] = "quantile",
	    [PROMQL_STDDEV] = "stddev", [PROMQL_STDVAR] = "stdvar",
	    [PROMQL_SUM] = "sum",       [PROMQL_TOPK] = "topk",
	};
	return texts[a];
}

/* ---- numbers and durations ---- */

static void zeros(struct buf *out, int count)
{
	for (; count > 0; count--)
		buf_byte(out, '0');
}

/* The shortest decimal that reads back the same, never with an exponent. */
static void print_number(double v, struct buf *out)
{
	if (!isfinite(v) || v == 0) {
		buf_str(out, isnan(v) ? "NaN" : v == 0 ? signbit(v) ? "-0" : "0" : v > 0 ? "+Inf" : "-Inf");
		return;
	}
	struct decimal d = decimal_shortest(fabs(v));
	char digits[24];
	int count = 0;
	for (uint64_t rest = d.digits; rest > 0; rest /= 10)
		digits[sizeof digits - (size_t)++count] = (char)('0' + rest % 10);
	const char *first = digits + sizeof digits - count;
	int whole = count + d.exponent; /* digits before the point */
	if (v < 0)
		buf_byte(out, '-');
	if (whole <= 0) {
		buf_str(out, "0.");
		zeros(out, -whole);
		buf_append(out, first, (size_t)count);
		return;
	}
	buf_append(out, first, (size_t)(whole < count ? whole : count));
	zeros(out, whole - count);
	if (whole < count) {
		buf_byte(out, '.');
		buf_append(out, first + whole, (size_t)(count - whole));
	}
}

void promql_print_duration(int64_t ms, struct buf *out)
{
	static const struct {
		const char *name;
		int64_t ms;
		bool whole; /* only when nothing is left: 90d is easier to read than 12w6d */
	} units[] = {{"y", 365 * INT64_C(86400000), true},
	             {"w", 7 * INT64_C(86400000), true},
	             {"d", 86400000, false},
	             {"h", 3600000, false},
	             {"m", 60000, false},
	             {"s", 1000, false},
	             {"ms", 1, false}};

	if (ms == 0)
		buf_str(out, "0s");
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		if ((units[i].whole && ms % units[i].ms != 0) || ms < units[i].ms)
			continue;
		buf_int(out, ms / units[i].ms);
		buf_str(out, units[i].name);
		ms %= units[i].ms;
	}
}

static void print_seconds(double seconds, struct buf *out)
{
	bool is_zero;
	if (signbit(seconds)) /* -0s too, by which 1 can be divided */
		buf_byte(out, '-');
	promql_print_duration(seconds_to_ms(fabs(seconds), &is_zero), out);
}

static void print_literal(const struct promql_expr *e, struct buf *out)
{
	if (e->number.duration)
		print_seconds(e->number.value, out);
	else
		print_number(e->number.value, out);
}

/* ---- labels ---- */

static bool is_legacy(struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		if (!is_alpha(name.ptr[i]) && (i == 0 || !is_digit(name.ptr[i])))
			return false;
	}
	return name.len > 0;
}

static void print_labels(const struct slice *labels, uint32_t count, struct buf *out)
{
	for (uint32_t i = 0; i < count; i++) {
		buf_str(out, i > 0 ? ", " : "");
		if (is_legacy(labels[i]))
			buf_slice_append(out, labels[i]);
		else
			promql_quote(labels[i], out);
	}
}

/* ---- selectors ---- */

/* Milliseconds as seconds. Where a double has not all of them, the seconds that read back as them. */
static void print_time(int64_t ms, struct buf *out)
{
	uint64_t size = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;

	if (size < UINT64_C(1) << 53) {
		buf_printf(out, "%s%llu.%03u", ms < 0 ? "-" : "", (unsigned long long)(size / 1000),
		           (unsigned)(size % 1000));
		return;
	}
	double seconds = (double)ms / 1000, wanted = (double)ms;
	if (round(seconds * 1000) != wanted)
		seconds = nextafter(seconds, round(seconds * 1000) < wanted ? INFINITY : -INFINITY);
	print_number(seconds, out);
}

static void print_when(const struct promql_when *when, enum promql_extended extended, bool extended_last,
                       struct buf *out)
{
	static const char *const words[] = {"", " anchored", " smoothed"};

	if (!extended_last)
		buf_str(out, words[extended]);
	if (when->at == PROMQL_AT_TIME) {
		buf_str(out, " @ ");
		print_time(when->at_ms, out);
	} else if (when->at != PROMQL_AT_NONE) {
		buf_str(out, when->at == PROMQL_AT_START ? " @ start()" : " @ end()");
	}
	if (extended_last)
		buf_str(out, words[extended]);
	if (when->offset_expr != NULL) {
		buf_str(out, " offset ");
		promql_print(when->offset_expr, out);
	} else if (when->offset_ms != 0) {
		buf_str(out, when->offset_ms < 0 ? " offset -" : " offset ");
		promql_print_duration(when->offset_ms < 0 ? -when->offset_ms : when->offset_ms, out);
	}
}

static void print_matcher(const struct promql_matcher *m, struct buf *out)
{
	static const char *const ops[] = {
	    [MATCH_EQUAL] = "=", [MATCH_NOT_EQUAL] = "!=", [MATCH_REGEX] = "=~", [MATCH_NOT_REGEX] = "!~"};
	print_labels(&m->name, 1, out);
	buf_str(out, ops[m->op]);
	promql_quote(m->value, out);
}

/* The matchers in the order of their texts; they are written behind what `out` holds, and then put in order. */
static void print_matchers(const struct promql_expr *e, struct buf *out)
{
	uint32_t count = 0;
	struct buf texts = {0}, ends = {0};

	for (uint32_t i = 0; i < e->selector.matcher_count; i++) {
		const struct promql_matcher *m = &e->selector.matchers[i];
		if (m->op == MATCH_EQUAL && m->value.len > 0 && slice_eq(m->name, LABEL_METRIC_NAME) &&
		    slice_eq(m->value, e->selector.name))
			continue;
		size_t start = texts.len;
		print_matcher(m, &texts);
		struct slice place = slice_new(NULL, texts.len - start);
		buf_append(&ends, &place, sizeof place);
		count++;
	}
	out->failed |= buf_failed(&texts) || buf_failed(&ends);
	if (count > 0 && !buf_failed(out)) {
		struct slice *items = (struct slice *)ends.ptr; /* malloc aligns for any type */
		size_t at = 0;
		for (uint32_t i = 0; i < count; i++) {
			items[i].ptr = texts.ptr + at;
			at += items[i].len;
		}
		qsort(items, count, sizeof *items, slice_order);
		for (uint32_t i = 0; i < count; i++) {
			buf_byte(out, i > 0 ? ',' : '{');
			buf_slice_append(out, items[i]);
		}
		buf_byte(out, '}');
	}
	buf_free(&texts);
	buf_free(&ends);
}

static void print_selector(const struct promql_expr *e, struct buf *out)
{
	size_t start = out->len;
	buf_slice_append(out, e->selector.name);
	print_matchers(e, out);
	if (out->len == start)
		buf_str(out, "{}"); /* of info(): Prometheus prints nothing, which does not read back */
}

static void print_span(int64_t ms, const struct promql_expr *reckoned, struct buf *out)
{
	if (reckoned != NULL)
		promql_print(reckoned, out);
	else
		promql_print_duration(ms, out);
}

static void print_range(const struct promql_expr *e, struct buf *out)
{
	const struct promql_expr *s = e->range.selector;
	print_selector(s, out);
	buf_byte(out, '[');
	print_span(e->range.range_ms, e->range.range_expr, out);
	buf_byte(out, ']');
	print_when(&s->selector.when, s->selector.extended, false, out);
}

void print_subquery_suffix(const struct promql_expr *e, struct buf *out)
{
	buf_byte(out, '[');
	print_span(e->subquery.range_ms, e->subquery.range_expr, out);
	buf_byte(out, ':');
	if (e->subquery.step_ms != 0 || e->subquery.step_expr != NULL)
		print_span(e->subquery.step_ms, e->subquery.step_expr, out);
	buf_byte(out, ']');
	print_when(&e->subquery.when, PROMQL_PLAIN, false, out);
}

static void print_subquery(const struct promql_expr *e, struct buf *out)
{
	promql_print(e->subquery.of, out);
	print_subquery_suffix(e, out);
}

/* ---- operators, aggregations, calls ---- */

static void print_fill(const char *name, double v, struct buf *out)
{
	buf_str(out, name);
	print_number(v, out);
	buf_byte(out, ')');
}

static void print_matching(const struct promql_matching *m, struct buf *out)
{
	bool grouped = m->card == PROMQL_MANY_TO_ONE || m->card == PROMQL_ONE_TO_MANY;

	if (m->label_count > 0 || m->on || grouped) {
		buf_str(out, m->on ? " on (" : " ignoring (");
		print_labels(m->labels, m->label_count, out);
		buf_byte(out, ')');
	}
	if (grouped) {
		buf_str(out, m->card == PROMQL_MANY_TO_ONE ? " group_left (" : " group_right (");
		print_labels(m->include, m->include_count, out);
		buf_byte(out, ')');
	}
	bool same = m->fills_left && m->fills_right &&
	            (m->fill_left == m->fill_right || (isnan(m->fill_left) && isnan(m->fill_right)));
	if (same && signbit(m->fill_left) == signbit(m->fill_right)) {
		print_fill(" fill (", m->fill_left, out);
		return;
	}
	if (m->fills_left)
		print_fill(" fill_left (", m->fill_left, out);
	if (m->fills_right)
		print_fill(" fill_right (", m->fill_right, out);
}

void print_operator(const struct promql_expr *e, struct buf *out)
{
	buf_str(out, promql_op_text(e->binary.op));
	buf_str(out, e->binary.returns_bool ? " bool" : "");
	if (e->binary.matching != NULL)
		print_matching(e->binary.matching, out);
}

static void print_binary(const struct promql_expr *e, struct buf *out)
{
	const struct promql_expr *left = e->binary.left;
	if (e->binary.op == PROMQL_POW && left->kind == PROMQL_NUMBER && isinf(left->number.value))
		buf_str(out, "Inf"); /* the sign of +Inf would be that of the power */
	else
		promql_print(left, out);
	buf_byte(out, ' ');
	print_operator(e, out);
	buf_byte(out, ' ');
	promql_print(e->binary.right, out);
}

void print_aggregation(const struct promql_expr *e, struct buf *out)
{
	buf_str(out, promql_aggregation_text(e->aggregate.op));
	if (e->aggregate.without || e->aggregate.label_count > 0) {
		buf_str(out, e->aggregate.without ? " without (" : " by (");
		print_labels(e->aggregate.labels, e->aggregate.label_count, out);
		buf_str(out, ") ");
	}
}

static void print_aggregate(const struct promql_expr *e, struct buf *out)
{
	print_aggregation(e, out);
	buf_byte(out, '(');
	if (e->aggregate.param != NULL) {
		promql_print(e->aggregate.param, out);
		buf_str(out, ", ");
	}
	promql_print(e->aggregate.of, out);
	buf_byte(out, ')');
}

static void print_call(const struct promql_expr *e, struct buf *out)
{
	buf_str(out, e->call.function->name);
	buf_byte(out, '(');
	for (uint32_t i = 0; i < e->call.arg_count; i++) {
		buf_str(out, i > 0 ? ", " : "");
		promql_print(e->call.args[i], out);
	}
	buf_byte(out, ')');
}

static void print_arithmetic(const struct promql_expr *e, struct buf *out)
{
	enum promql_op op = e->duration.op;
	const struct promql_expr *left = e->duration.left, *right = e->duration.right;

	buf_str(out, e->duration.wrapped ? "(" : "");
	if (op == PROMQL_MIN || op == PROMQL_MAX) {
		buf_str(out, promql_op_text(op));
		buf_byte(out, '(');
		promql_print(left, out);
		buf_str(out, ", ");
		promql_print(right, out);
		buf_byte(out, ')');
	} else if (left != NULL) {
		promql_print(left, out);
		buf_byte(out, ' ');
		buf_str(out, promql_op_text(op));
		buf_byte(out, ' ');
		promql_print(right, out);
	} else {
		buf_str(out, op == PROMQL_ADD ? "" : promql_op_text(op));
		if (right != NULL)
			promql_print(right, out);
	}
	buf_str(out, e->duration.wrapped ? ")" : "");
}

void promql_print(const struct promql_expr *e, struct buf *out)
{
	switch (e->kind) {
	case PROMQL_NUMBER:
		print_literal(e, out);
		break;
	case PROMQL_TEXT:
		promql_quote(e->text, out);
		break;
	case PROMQL_SELECTOR:
		print_selector(e, out);
		print_when(&e->selector.when, e->selector.extended, true, out);
		break;
	case PROMQL_RANGE_SELECTOR:
		print_range(e, out);
		break;
	case PROMQL_SUBQUERY:
		print_subquery(e, out);
		break;
	case PROMQL_PAREN:
		buf_byte(out, '(');
		promql_print(e->paren, out);
		buf_byte(out, ')');
		break;
	case PROMQL_UNARY:
		buf_str(out, promql_op_text(e->unary.op));
		promql_print(e->unary.of, out);
		break;
	case PROMQL_BINARY:
		print_binary(e, out);
		break;
	case PROMQL_AGGREGATE:
		print_aggregate(e, out);
		break;
	case PROMQL_CALL:
		print_call(e, out);
		break;
	case PROMQL_DURATION:
		print_arithmetic(e, out);
		break;
	}
}

/* Values: what comparing and reckoning with them means, and how they are written. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "traces/traceql_state.h"

enum { JSON_DEPTH_MAX = 64 };

static bool holds(enum lex_type op, int order)
{
	switch (op) {
	case LEX_EQ:
		return order == 0;
	case LEX_NE:
		return order != 0;
	case LEX_LT:
		return order < 0;
	case LEX_LE:
		return order <= 0;
	case LEX_GT:
		return order > 0;
	default:
		return order >= 0;
	}
}

static bool compare_doubles(enum lex_type op, double a, double b)
{
	if (isnan(a) || isnan(b))
		return op == LEX_NE;
	return holds(op, (a > b) - (a < b));
}

static enum lex_type turned(enum lex_type op)
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

/* One element is enough, but of != all must differ. Arrays are not compared with arrays. */
static bool compare_elements(const struct trace *t, enum lex_type op, const struct trace_cell *array,
                             const struct traceql_value *with)
{
	const struct trace_cell *items = trace_cells(t) + array->items.first;
	bool all = op == LEX_NE;

	if (with->type == TRACEQL_ARRAY || with->type == TRACEQL_NIL)
		return false;
	for (uint32_t i = 0; i < array->items.count; i++) {
		struct traceql_value item = read_cell(t, &items[i]);
		if (item.type == TRACEQL_ARRAY)
			item.type = TRACEQL_NIL;
		if (value_compare(t, op, &item, with) != all)
			return !all;
	}
	return all;
}

bool value_compare(const struct trace *t, enum lex_type op, const struct traceql_value *a,
                   const struct traceql_value *b)
{
	if (a->type == TRACEQL_ARRAY)
		return compare_elements(t, op, a->cell, b);
	if (b->type == TRACEQL_ARRAY)
		return compare_elements(t, turned(op), b->cell, a);
	if (value_is_number(a) && value_is_number(b)) {
		if (a->type == TRACEQL_FLOAT || b->type == TRACEQL_FLOAT)
			return compare_doubles(op, value_number(a), value_number(b));
		return holds(op, (a->integer > b->integer) - (a->integer < b->integer));
	}
	if (a->type != b->type || a->type == TRACEQL_NIL)
		return false;
	if (a->type == TRACEQL_STRING) {
		if (op == LEX_EQ || op == LEX_NE)
			return slice_eq(a->text, b->text) == (op == LEX_EQ);
		return holds(op, slice_compare(a->text, b->text));
	}
	return (op == LEX_EQ || op == LEX_NE) && (a->integer == b->integer) == (op == LEX_EQ);
}

/* Of ints, an int; what has none is nil. */
static struct traceql_value whole(enum lex_type op, int64_t a, int64_t b)
{
	uint64_t x = (uint64_t)a, y = (uint64_t)b, v = 0;

	switch (op) {
	case LEX_ADD:
		v = x + y;
		break;
	case LEX_SUB:
		v = x - y;
		break;
	case LEX_MUL:
		v = x * y;
		break;
	default:
		if (b == 0)
			return (struct traceql_value){TRACEQL_NIL, .integer = 0};
		if (b == -1) /* the least one divided by it is too large */
			v = op == LEX_DIV ? 0 - x : 0;
		else
			v = (uint64_t)(op == LEX_DIV ? a / b : a % b);
	}
	return (struct traceql_value){TRACEQL_INT, .integer = (int64_t)v};
}

struct traceql_value value_arithmetic(enum lex_type op, const struct traceql_value *a, const struct traceql_value *b)
{
	struct traceql_value v = {TRACEQL_FLOAT, .number = 0};

	if (!value_is_number(a) || !value_is_number(b))
		return (struct traceql_value){TRACEQL_NIL, .integer = 0};
	if (a->type == TRACEQL_INT && b->type == TRACEQL_INT && op != LEX_POW)
		return whole(op, a->integer, b->integer);
	double x = value_number(a), y = value_number(b);
	switch (op) {
	case LEX_ADD:
		v.number = x + y;
		break;
	case LEX_SUB:
		v.number = x - y;
		break;
	case LEX_MUL:
		v.number = x * y;
		break;
	case LEX_DIV:
		v.number = x / y;
		break;
	case LEX_MOD:
		v.number = fmod(x, y);
		break;
	default:
		v.number = pow(x, y);
	}
	return v;
}

uint64_t value_hash(const struct traceql_value *v)
{
	if (v->type == TRACEQL_STRING || v->type == TRACEQL_ARRAY)
		return hash_bytes(v->text.ptr, v->text.len, v->type);
	if (v->type == TRACEQL_FLOAT)
		return hash_bytes(&v->number, sizeof v->number, v->type);
	return v->type == TRACEQL_NIL ? 0 : hash_mix(v->type, (uint64_t)v->integer);
}

bool value_same(const struct traceql_value *a, const struct traceql_value *b)
{
	return value_order(a, b) == 0;
}

int value_order(const void *left, const void *right)
{
	const struct traceql_value *a = left, *b = right;

	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	switch (a->type) {
	case TRACEQL_NIL:
		return 0;
	case TRACEQL_STRING:
	case TRACEQL_ARRAY:
		return slice_compare(a->text, b->text);
	case TRACEQL_FLOAT:
		if (isnan(a->number) || isnan(b->number))
			return isnan(a->number) - isnan(b->number);
		return (a->number > b->number) - (a->number < b->number);
	default:
		return (a->integer > b->integer) - (a->integer < b->integer);
	}
}

/* ---- as text ---- */

static void cell_json(const struct trace *t, const struct trace_cell *c, struct buf *out, int depth)
{
	const struct trace_cell *items;
	bool object = c->type == TRACE_CELL_OBJECT;

	switch (c->type) {
	case TRACE_CELL_BOOL:
		buf_str(out, c->integer ? "true" : "false");
		return;
	case TRACE_CELL_INT:
		buf_int(out, c->integer);
		return;
	case TRACE_CELL_DOUBLE:
		buf_json_number(out, c->number);
		return;
	case TRACE_CELL_STRING:
		buf_json_string(out, trace_text(t, c->text));
		return;
	case TRACE_CELL_NULL:
		buf_str(out, "null");
		return;
	}
	if (depth == JSON_DEPTH_MAX) {
		buf_str(out, "null");
		return;
	}
	items = trace_cells(t) + c->items.first;
	buf_byte(out, object ? '{' : '[');
	for (uint32_t i = 0; i < c->items.count; i++) {
		if (i > 0)
			buf_byte(out, ',');
		if (object) {
			buf_json_string(out, trace_text(t, trace_keys(t)[items[i].key].name));
			buf_byte(out, ':');
		}
		cell_json(t, &items[i], out, depth + 1);
	}
	buf_byte(out, object ? '}' : ']');
}

void value_cell_json(const struct trace *t, const struct trace_cell *c, struct buf *out)
{
	cell_json(t, c, out, 0);
}

/* Nanoseconds as whole and fraction of a unit, without zeros at the end. */
static void fraction(struct buf *out, uint64_t ns, uint64_t unit, const char *name)
{
	char digits[16];
	uint64_t rest = ns % unit;
	int len = 0;

	buf_printf(out, "%" PRIu64, ns / unit);
	for (uint64_t place = unit / 10; rest > 0; place /= 10) {
		digits[len++] = (char)('0' + rest / place);
		rest %= place;
	}
	if (len > 0)
		buf_printf(out, ".%.*s", len, digits);
	buf_str(out, name);
}

static void duration_text(int64_t ns, struct buf *out)
{
	uint64_t v = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns, s = NS_PER_S;

	if (ns < 0)
		buf_byte(out, '-');
	if (v == 0)
		buf_str(out, "0s");
	else if (v < 1000)
		buf_printf(out, "%" PRIu64 "ns", v);
	else if (v < 1000000)
		fraction(out, v, 1000, "\xc2\xb5s");
	else if (v < s)
		fraction(out, v, 1000000, "ms");
	if (v < s)
		return;
	if (v >= 3600 * s)
		buf_printf(out, "%" PRIu64 "h", v / (3600 * s));
	if (v >= 60 * s)
		buf_printf(out, "%" PRIu64 "m", v / (60 * s) % 60);
	fraction(out, v % (60 * s), s, "s");
}

void traceql_value_text(const struct traceql_value *v, struct buf *out)
{
	switch (v->type) {
	case TRACEQL_NIL:
		buf_str(out, "nil");
		return;
	case TRACEQL_INT:
		buf_int(out, v->integer);
		return;
	case TRACEQL_FLOAT:
		buf_number(out, v->number);
		return;
	case TRACEQL_BOOL:
		buf_str(out, v->integer ? "true" : "false");
		return;
	case TRACEQL_DURATION:
		duration_text(v->integer, out);
		return;
	case TRACEQL_STATUS:
		buf_str(out, v->integer >= 0 && v->integer < SPAN_STATUSES ? span_status_names[v->integer] : "unset");
		return;
	case TRACEQL_KIND:
		buf_str(out, v->integer >= 0 && v->integer < SPAN_KINDS ? span_kind_names[v->integer] : "unspecified");
		return;
	default:
		buf_slice_append(out, v->text);
	}
}

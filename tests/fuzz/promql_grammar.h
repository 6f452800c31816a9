/* Expressions of PromQL from bytes: each byte decides something, and where there are no more the shortest way is taken, so that any bytes are an expression that is read without an error. */
#ifndef MOONGATE_FUZZ_PROMQL_GRAMMAR_H
#define MOONGATE_FUZZ_PROMQL_GRAMMAR_H

#include "base/buf.h"

struct grammar {
	const uint8_t *at, *end;
	struct buf text;
	int depth;
	/* What was written makes a step's value hang on more than the step: on the query's ends, or on the order of series. */
	bool by_query, by_order;
};

enum { GRAMMAR_DEPTH = 7 };

static uint32_t pick(struct grammar *g, uint32_t count)
{
	return g->at < g->end ? *g->at++ % count : 0;
}

#define PICK(g, list) ((list)[pick((g), sizeof(list) / sizeof *(list))])

static void write_scalar(struct grammar *g);
static void write_vector(struct grammar *g);

static void say(struct grammar *g, const char *text)
{
	buf_str(&g->text, text);
}

static void write_number(struct grammar *g)
{
	static const char *const numbers[] = {"1",   "0",   "2",    "0.5", "-1",  "10",
	                                      "NaN", "Inf", "-Inf", "1e3", "0.9", "5m"};
	say(g, PICK(g, numbers));
}

/* ---- selectors ---- */

static void write_name(struct grammar *g)
{
	static const char *const names[] = {"x_total", "y_total", "gauge", "h_bucket", "sparse", "none"};
	say(g, PICK(g, names));
}

static void write_matchers(struct grammar *g)
{
	static const char *const matchers[] = {"{}",         "{a=\"1\"}",     "{a!=\"1\"}",    "{a=~\"1|2\"}",
	                                       "{a!~\"1\"}", "{b=\"\"}",      "{le=~\".+\"}",  "{a=\"1\",b=\"2\"}",
	                                       "{b!=\"\"}",  "{a=~\"[12]\"}", "{le!=\"+Inf\"}"};
	say(g, PICK(g, matchers));
}

static void write_modifiers(struct grammar *g)
{
	static const char *const modifiers[] = {
	    "", "", "", "", " offset 30s", " offset -30s", " @ 300", " @ 100 offset 1m", " offset (7s * 2)"};
	static const char *const of_query[] = {" @ start()", " @ end()", " offset step()",
	                                       " @ end() offset -(range() / 2)"};

	if (pick(g, 16) == 15) {
		say(g, PICK(g, of_query));
		g->by_query = true;
	} else {
		say(g, PICK(g, modifiers));
	}
}

static void write_selector(struct grammar *g)
{
	if (pick(g, 12) == 11) {
		/* Of several names: what drops them joins series, in an order that hangs on all steps. */
		say(g, "{__name__=~\"[xy]_total|gauge\"}");
		g->by_order = true;
	} else {
		write_name(g);
		if (pick(g, 2) == 1)
			write_matchers(g);
	}
}

static void write_matrix(struct grammar *g, bool extended)
{
	static const char *const ranges[] = {"[1m]", "[10s]", "[35s]", "[5m]", "[1ms]", "[20m]", "[30s + 7s]"};
	static const char *const subqueries[] = {"[1m:10s]", "[2m:7s]",  "[1m:]",   "[30s:30s]",
	                                         "[10m:1m]", "[45s:1s]", "[5s:20s]"};

	if (g->depth < GRAMMAR_DEPTH && pick(g, 3) == 2) {
		say(g, "(");
		write_vector(g);
		say(g, ")");
		say(g, PICK(g, subqueries));
		write_modifiers(g);
		return;
	}
	write_selector(g);
	say(g, PICK(g, ranges));
	if (extended && pick(g, 6) == 5)
		say(g, pick(g, 2) == 0 ? " anchored" : " smoothed");
	write_modifiers(g);
}

/* ---- scalars ---- */

static void write_two_scalars(struct grammar *g)
{
	static const char *const operators[] = {" + ", " - ",     " * ",       " / ",      " % ",
	                                        " ^ ", " atan2 ", " == bool ", " > bool ", " <= bool "};
	say(g, "(");
	write_scalar(g);
	say(g, PICK(g, operators));
	write_scalar(g);
	say(g, ")");
}

static void write_scalar(struct grammar *g)
{
	static const char *const of_query[] = {"step()", "range()", "start()", "end()"};
	uint32_t which = g->depth >= GRAMMAR_DEPTH ? 0 : pick(g, 8);

	g->depth++;
	if (which == 3 || which == 4) {
		say(g, "scalar(");
		write_vector(g);
		say(g, ")");
	} else if (which == 5) {
		write_two_scalars(g);
	} else if (which == 6) {
		say(g, PICK(g, of_query));
		g->by_query = true;
	} else if (which == 7) {
		say(g, pick(g, 2) == 0 ? "pi()" : "time()");
	} else {
		write_number(g);
	}
	g->depth--;
}

/* ---- functions ---- */

/* A name, then the arguments: v a vector, s a scalar, m a range vector, e one that may be extended; all else is itself. */
static void write_call(struct grammar *g, const char *shape)
{
	for (; *shape != '\0'; shape++) {
		if (strncmp(shape, "$v", 2) == 0)
			write_vector(g);
		else if (strncmp(shape, "$s", 2) == 0)
			write_scalar(g);
		else if (strncmp(shape, "$m", 2) == 0 || strncmp(shape, "$e", 2) == 0)
			write_matrix(g, shape[1] == 'e');
		else {
			buf_byte(&g->text, *shape);
			continue;
		}
		shape++;
	}
}

static void write_range_function(struct grammar *g)
{
	static const char *const shapes[] = {"rate($e)",
	                                     "increase($e)",
	                                     "delta($e)",
	                                     "irate($m)",
	                                     "idelta($m)",
	                                     "changes($e)",
	                                     "resets($e)",
	                                     "deriv($m)",
	                                     "sum_over_time($m)",
	                                     "avg_over_time($m)",
	                                     "min_over_time($m)",
	                                     "max_over_time($m)",
	                                     "count_over_time($m)",
	                                     "last_over_time($m)",
	                                     "first_over_time($m)",
	                                     "present_over_time($m)",
	                                     "absent_over_time($m)",
	                                     "stddev_over_time($m)",
	                                     "stdvar_over_time($m)",
	                                     "mad_over_time($m)",
	                                     "quantile_over_time($s, $m)",
	                                     "predict_linear($m, $s)",
	                                     "double_exponential_smoothing($m, 0.5, 0.3)",
	                                     "ts_of_max_over_time($m)",
	                                     "ts_of_last_over_time($m)",
	                                     "ts_of_min_over_time($m)",
	                                     "ts_of_first_over_time($m)",
	                                     "integral($m)"};
	write_call(g, PICK(g, shapes));
}

static void write_vector_function(struct grammar *g)
{
	static const char *const shapes[] = {"abs($v)",
	                                     "ceil($v)",
	                                     "floor($v)",
	                                     "exp($v)",
	                                     "ln($v)",
	                                     "log2($v)",
	                                     "sqrt($v)",
	                                     "sgn($v)",
	                                     "sin($v)",
	                                     "atan($v)",
	                                     "deg($v)",
	                                     "round($v)",
	                                     "round($v, $s)",
	                                     "clamp($v, $s, $s)",
	                                     "clamp_min($v, $s)",
	                                     "clamp_max($v, $s)",
	                                     "hour($v)",
	                                     "hour()",
	                                     "day_of_month($v)",
	                                     "days_in_month($v)",
	                                     "year($v)",
	                                     "minute()",
	                                     "timestamp($v)",
	                                     "vector($s)",
	                                     "absent($v)",
	                                     "histogram_quantile($s, $v)",
	                                     "histogram_fraction($s, $s, $v)",
	                                     "histogram_quantiles($v, \"q\", 0.5, $s)",
	                                     "label_replace($v, \"b\", \"$1-\", \"a\", \"(.*)\")",
	                                     "label_replace($v, \"a\", \"\", \"\", \"\")",
	                                     "label_replace($v, \"__name__\", \"n$1\", \"a\", \"(1)|2\")",
	                                     "label_join($v, \"c\", \"-\", \"a\", \"b\")",
	                                     "label_join($v, \"a\", \"\", \"le\")",
	                                     "info($v)",
	                                     "info($v, {data=\"d1\"})"};
	const char *shape = PICK(g, shapes);
	/* Of a vector with `@` it is evaluated at the first step, where there may be other info series. */
	g->by_query |= strncmp(shape, "info", 4) == 0;
	write_call(g, shape);
}

static void write_ordering(struct grammar *g)
{
	static const char *const shapes[] = {"sort($v)",
	                                     "sort_desc($v)",
	                                     "sort_by_label($v, \"a\")",
	                                     "topk(2, $v)",
	                                     "sort_by_label_desc($v, \"a\", \"b\")",
	                                     "bottomk($s, $v)",
	                                     "topk by (a) ($s, $v)",
	                                     "limitk(2, $v)",
	                                     "limitk without (a) ($s, $v)",
	                                     "limit_ratio(0.5, $v)",
	                                     "limit_ratio($s, $v)"};
	g->by_order = true;
	write_call(g, PICK(g, shapes));
}

/* ---- operators ---- */

static void write_aggregation(struct grammar *g)
{
	static const char *const names[] = {"sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"};
	static const char *const groups[] = {"",       " by (a)",       " without (a)", " by (a, b, __name__)",
	                                     " by ()", " without (le)", " by (le)"};
	uint32_t which = pick(g, 10);

	say(g, which < 8 ? names[which] : which == 8 ? "quantile" : "count_values");
	say(g, PICK(g, groups));
	say(g, "(");
	if (which == 8)
		write_scalar(g);
	if (which == 9)
		say(g, pick(g, 2) == 0 ? "\"v\"" : "\"a\"");
	if (which >= 8)
		say(g, ", ");
	write_vector(g);
	say(g, ")");
}

static void write_matching(struct grammar *g, bool set)
{
	static const char *const on[] = {
	    "", "", "on (a) ", "ignoring (a) ", "ignoring (le, b) ", "on () ", "ignoring () ", "on (a, b) "};
	static const char *const sides[] = {"",
	                                    "",
	                                    "group_left () ",
	                                    "group_right () ",
	                                    "group_left (b) ",
	                                    "group_right (b, le) ",
	                                    "group_left (none) "};
	static const char *const fills[] = {"", "", "", "fill (0) ", "fill_left (1) ", "fill_right (NaN) "};
	uint32_t which = pick(g, sizeof on / sizeof *on);

	say(g, on[which]);
	if (set)
		return;
	/* A label of on() may not be one of group_x. */
	if (*on[which] != '\0' && strcmp(on[which], "on (a, b) ") != 0)
		say(g, PICK(g, sides));
	say(g, PICK(g, fills));
}

static void write_binary(struct grammar *g)
{
	static const char *const operators[] = {" + ", " - ",     " * ",       " / ",      " % ",
	                                        " ^ ", " atan2 ", " == ",      " != ",     " > ",
	                                        " < ", " >= ",    " == bool ", " > bool ", " <= bool "};
	static const char *const sets[] = {" and ", " or ", " unless "};
	uint32_t which = pick(g, 8);

	say(g, "(");
	if (which == 6)
		write_scalar(g);
	else
		write_vector(g);
	if (which < 3) {
		say(g, PICK(g, sets));
		write_matching(g, true);
	} else {
		say(g, PICK(g, operators));
		if (which < 6)
			write_matching(g, false);
	}
	if (which == 7)
		write_scalar(g);
	else
		write_vector(g);
	say(g, ")");
}

static void write_vector(struct grammar *g)
{
	uint32_t which = g->depth >= GRAMMAR_DEPTH ? 0 : pick(g, 12);

	g->depth++;
	if (which == 3 || which == 4) {
		write_range_function(g);
	} else if (which == 5 || which == 6) {
		write_vector_function(g);
	} else if (which == 7) {
		write_aggregation(g);
	} else if (which == 8 || which == 9) {
		write_binary(g);
	} else if (which == 10) {
		say(g, "-(");
		write_vector(g);
		say(g, ")");
	} else if (which == 11) {
		write_ordering(g);
	} else {
		say(g, "("); /* or an operator behind an offset would be a part of it */
		write_selector(g);
		write_modifiers(g);
		say(g, ")");
	}
	g->depth--;
}

#endif

/* Functions of the samples and their times: straight lines through them, smoothing, the area under them. */
#include <errno.h>
#include <stdio.h>

#include "promql/function.h"

struct line {
	double slope, intercept;
};

/* The least squares' line, with its height at `time`. Values that are all the same lie on it exactly. */
static struct line regression(const struct range_row *row, struct window w, int64_t time)
{
	double n = 0, x_sum = 0, x_rest = 0, y_sum = 0, y_rest = 0, xy_sum = 0, xy_rest = 0, x2_sum = 0, x2_rest = 0;
	double y_first = row->values[w.from];
	bool constant = true;

	for (uint32_t i = w.from; i < w.to; i++) {
		double x = (double)(row->times_ms[i] - time) / 1e3, y = row->values[i];
		if (i > w.from && y != y_first)
			constant = false;
		n++;
		kahan_add(x, &x_sum, &x_rest);
		kahan_add(y, &y_sum, &y_rest);
		kahan_add(x * y, &xy_sum, &xy_rest);
		kahan_add(x * x, &x2_sum, &x2_rest);
	}
	if (constant)
		return isinf(y_first) ? (struct line){NAN, NAN} : (struct line){0, y_first};
	x_sum += x_rest;
	y_sum += y_rest;
	xy_sum += xy_rest;
	x2_sum += x2_rest;
	double covariance = xy_sum - x_sum * y_sum / n, variance = x2_sum - x_sum * x_sum / n;
	double slope = covariance / variance;
	return (struct line){slope, y_sum / n - slope * x_sum / n};
}

int function_deriv(const struct range_call *c, double *out)
{
	struct window w = {0, 0};
	for (uint32_t i = 0; i < c->ranges->steps.count; i++) {
		window_move(&w, c, i);
		/* Times from the first sample on: near zero they lose nothing. */
		out[i] = w.to - w.from < 2 ? promql_absent() : regression(c->row, w, c->row->times_ms[w.from]).slope;
	}
	return 0;
}

int function_predict_linear(const struct range_call *c, double *out)
{
	struct window w = {0, 0};
	for (uint32_t i = 0; i < c->ranges->steps.count; i++) {
		window_move(&w, c, i);
		out[i] = promql_absent();
		if (w.to - w.from < 2)
			continue;
		struct line l = regression(c->row, w, step_time(&c->ranges->steps, i));
		out[i] = l.slope * c->scalars[1][i] + l.intercept;
	}
	return 0;
}

static int check_factor(struct eval *ev, double factor, const char *name, const char *letters)
{
	char text[400]; /* %f of the largest number has 316 bytes */

	if (!(factor <= 0 || factor >= 1))
		return 0;
	if (isinf(factor))
		snprintf(text, sizeof text, "%sInf", factor < 0 ? "-" : "+");
	else
		snprintf(text, sizeof text, "%f", factor);
	return eval_fail(ev, -EINVAL, "invalid %s factor. Expected: 0 < %s < 1, got: %s", name, letters, text);
}

/* Holt's linear method: a level and a trend, both smoothed. */
static double smoothed(const double *v, struct window w, double level_factor, double trend_factor)
{
	double before = 0, level = v[w.from], trend = v[w.from + 1] - v[w.from];

	for (uint32_t i = w.from + 1; i < w.to; i++) {
		double x = level_factor * v[i];
		if (i > w.from + 1)
			trend = trend_factor * (level - before) + (1 - trend_factor) * trend;
		double y = (1 - level_factor) * (level + trend);
		before = level;
		level = x + y;
	}
	return level;
}

int function_double_exponential_smoothing(const struct range_call *c, double *out)
{
	struct window w = {0, 0};
	for (uint32_t i = 0; i < c->ranges->steps.count; i++) {
		double level_factor = c->scalars[1][i], trend_factor = c->scalars[2][i];
		window_move(&w, c, i);
		out[i] = promql_absent();
		if (w.from == w.to)
			continue;
		int code = check_factor(c->ev, level_factor, "smoothing", "sf");
		if (code == 0)
			code = check_factor(c->ev, trend_factor, "trend", "tf");
		if (code != 0)
			return code;
		if (w.to - w.from >= 2)
			out[i] = smoothed(c->row->values, w, level_factor, trend_factor);
	}
	return 0;
}

/* The height of each piece between two samples: that of the left one, of the right one, or their mean. */
static double area(const struct range_row *row, struct window w, double strategy)
{
	double sum = 0, rest = 0;
	for (uint32_t i = w.from + 1; i < w.to; i++) {
		double left = row->values[i - 1], right = row->values[i];
		double width = (double)(row->times_ms[i] - row->times_ms[i - 1]) / 1000;
		double height = strategy == 0 ? left : strategy == 1 ? right : (left + right) / 2;
		kahan_add(height * width, &sum, &rest);
	}
	return isinf(sum) ? sum : sum + rest;
}

int function_integral(const struct range_call *c, double *out)
{
	struct window w = {0, 0};
	for (uint32_t i = 0; i < c->ranges->steps.count; i++) {
		double strategy = c->expr->call.arg_count > 1 ? c->scalars[1][i] : 2;
		if (strategy != 0 && strategy != 1 && strategy != 2)
			return eval_fail(c->ev, -EINVAL, "invalid strategy of integral(). Expected: 0, 1 or 2, got: %g",
			                 strategy);
		window_move(&w, c, i);
		out[i] = w.to - w.from < 2 ? promql_absent() : area(c->row, w, strategy);
	}
	return 0;
}

/* rate, increase, delta: the difference of the first and the last sample of a window, carried on to its ends; irate, idelta: that of the last two samples. */
#include "promql/function.h"
#include "promql/quote.h"
#include "record/labels.h"

static bool ends_in(struct slice s, struct slice end)
{
	return s.len >= end.len && memcmp(s.ptr + s.len - end.len, end.ptr, end.len) == 0;
}

/* Counters are named so; for others Prometheus says that it is unsure, where there is a result at all. */
static void note_no_counter(const struct range_call *c, const double *out)
{
	struct slice name = labels_get(c->row->labels, LABEL_METRIC_NAME);
	struct arena arena;
	uint32_t i = 0;

	if (name.len == 0 || ends_in(name, SLICE("_total")) || ends_in(name, SLICE("_sum")) ||
	    ends_in(name, SLICE("_count")) || ends_in(name, SLICE("_bucket")))
		return;
	while (i < c->ranges->steps.count && promql_is_absent(out[i]))
		i++;
	if (i == c->ranges->steps.count)
		return;
	arena_init(&arena);
	eval_annotate(c->ev, ANNOTATION_INFO, function_arg_at(c->expr, 0),
	              "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: %s",
	              quoted(name, UINT32_MAX, &arena));
	arena_deinit(&arena);
}

/* What a counter's resets within a window make up for: each value before one. `next` is a reset at or behind the window's second sample, or its end. Where there is none -0 is added, which changes no number: what is no counter falls half of
 * the time, and a branch would be guessed wrong as often. */
static double add_resets(double sum, const double *v, uint32_t next, uint32_t to)
{
	double before = v[next - 1];
	for (uint32_t i = next; i < to; i++) {
		double lost[] = {-0.0, before};
		sum += lost[v[i] < before];
		before = v[i];
	}
	return sum;
}

/* The first reset from sample `i` on, which is not the first one; `count` where there is none. */
static uint32_t find_reset(const double *v, uint32_t i, uint32_t count)
{
	while (i < count && !(v[i] < v[i - 1]))
		i++;
	return i;
}

/* By how much a difference is to be multiplied. A window's end that is near enough to a sample, as far as samples are from each other and a tenth more, belongs to the series; else that goes on for half of that distance. And a counter is
 * not carried on to below zero. */
static inline double extrapolation(const struct range_call *c, struct window w, int64_t end_ms, double difference,
                                   bool counter)
{
	const int64_t *times = c->row->times_ms;
	int64_t first = times[w.from], last = times[w.to - 1];
	double to_start = (double)(first - (end_ms - c->ranges->range_ms)) / 1000;
	double to_end = (double)(end_ms - last) / 1000;
	double sampled = (double)(last - first) / 1000;
	double average = sampled / (double)(w.to - w.from - 1);
	double threshold = average * 1.1;
	double v = c->row->values[w.from];

	if (to_start >= threshold)
		to_start = average / 2;
	if (counter && difference > 0 && v >= 0) {
		double to_zero = sampled * (v / difference);
		if (to_zero < to_start)
			to_start = to_zero;
	}
	if (to_end >= threshold)
		to_end = average / 2;
	return (sampled + to_start + to_end) / sampled;
}

static inline int extrapolated_rate(const struct range_call *c, bool counter, bool rate, double *out)
{
	const double *v = c->row->values;
	double seconds = range_seconds(c->ranges);
	uint32_t reset = counter ? find_reset(v, 1, c->row->count) : c->row->count;
	struct window w = {0, 0};

	if (c->ranges->extended != PROMQL_PLAIN)
		return extended_rate(c, counter, rate, out);
	for (uint32_t i = 0; i < c->ranges->steps.count; i++) {
		window_move(&w, c, i);
		if (w.to - w.from < 2) {
			out[i] = promql_absent();
			continue;
		}
		double difference = v[w.to - 1] - v[w.from];
		if (counter && reset <= w.from)
			reset = find_reset(v, w.from + 1, c->row->count);
		if (counter && reset < w.to)
			difference = add_resets(difference, v, reset, w.to);
		double factor = extrapolation(c, w, range_end(c->ranges, i), difference, counter);
		if (rate)
			factor /= seconds;
		out[i] = difference * factor;
	}
	return 0;
}

int function_rate(const struct range_call *c, double *out)
{
	int code = extrapolated_rate(c, true, true, out);
	note_no_counter(c, out);
	return code;
}

int function_increase(const struct range_call *c, double *out)
{
	int code = extrapolated_rate(c, true, false, out);
	note_no_counter(c, out);
	return code;
}

int function_delta(const struct range_call *c, double *out)
{
	return extrapolated_rate(c, false, false, out);
}

static inline int last_two(const struct range_call *c, bool rate, double *out)
{
	const double *v = c->row->values;
	const int64_t *times = c->row->times_ms;
	struct window w = {0, 0};

	for (uint32_t i = 0; i < c->ranges->steps.count; i++) {
		window_move(&w, c, i);
		out[i] = promql_absent();
		if (w.to - w.from < 2)
			continue;
		uint32_t last = w.to - 1;
		int64_t interval = times[last] - times[last - 1];
		if (interval == 0)
			continue;
		/* A counter that was reset began at zero. */
		out[i] = rate && v[last] < v[last - 1] ? v[last] : v[last] - v[last - 1];
		if (rate)
			out[i] /= (double)interval / 1000;
	}
	return 0;
}

int function_irate(const struct range_call *c, double *out)
{
	return last_two(c, true, out);
}

int function_idelta(const struct range_call *c, double *out)
{
	return last_two(c, false, out);
}

/* Windows that look beyond their ends. Anchored ones begin with the last sample before them; smoothed ones have the values at both ends interpolated between the samples around these. And changes and resets, which know anchored windows.
 *
 * A row's samples reach back by the look-back before a window, and for smoothed ones ahead by it. */
#include "promql/function.h"

/* The first sample of [from, to) whose time is behind `time` (or at it), or `to`. */
static uint32_t first_behind(const struct range_row *row, uint32_t from, uint32_t to, int64_t time, bool or_at)
{
	while (from < to) {
		uint32_t middle = from + (to - from) / 2;
		if (row->times_ms[middle] > time || (or_at && row->times_ms[middle] == time))
			to = middle;
		else
			from = middle + 1;
	}
	return from;
}

/* The sample that the window begins with: the last one that is not behind its start, or the first of all. */
static uint32_t first_sample(const struct range_row *row, struct window w, int64_t start)
{
	uint32_t behind = first_behind(row, w.from, w.to - 1, start, false);
	return behind > w.from ? behind - 1 : w.from;
}

/* The value between samples `i` and `i + 1`. A counter that is reset there rises from zero. */
static double interpolate(const struct range_row *row, uint32_t i, int64_t time, bool counter)
{
	double a = row->values[i], b = row->values[i + 1];
	if (counter && b < a)
		a = 0;
	return a + (b - a) * (double)(time - row->times_ms[i]) / (double)(row->times_ms[i + 1] - row->times_ms[i]);
}

static double resets_between(const struct range_row *row, uint32_t from, uint32_t to, double left, double right)
{
	double sum = 0, before = left;
	for (uint32_t i = from; i < to; i++) {
		if (row->values[i] < before)
			sum += before;
		before = row->values[i];
	}
	return right < before ? sum + before : sum;
}

/* The difference from one end of a window, whose samples beyond the ends are in [w.from, w.to), to the other. */
static double difference(const struct range_row *row, struct window w, int64_t start, int64_t end, bool smoothed,
                         bool counter)
{
	uint32_t last = w.to - 1, first = first_sample(row, w, start);
	if (smoothed)
		last = first_behind(row, w.from, last, end, true);
	if (row->times_ms[last] <= start)
		return promql_absent();
	double left = row->values[first], right = row->values[last];
	if (smoothed && row->times_ms[first] < start)
		left = interpolate(row, first, start, counter);
	if (smoothed && last > w.from && row->times_ms[last] > end)
		right = interpolate(row, last - 1, end, counter);
	if (!counter)
		return right - left;
	/* What lies at the ends is in `left` and `right`. */
	if (row->times_ms[first] <= start)
		first++;
	uint32_t to = row->times_ms[last] >= end ? last : last + 1;
	return right - left + resets_between(row, first, to, left, right);
}

int extended_rate(const struct range_call *c, bool counter, bool rate, double *out)
{
	bool smoothed = c->ranges->extended == PROMQL_SMOOTHED;
	int64_t beyond = c->ev->lookback_ms;
	double seconds = range_seconds(c->ranges);
	struct window w = {0, 0};

	for (uint32_t i = 0; i < c->ranges->steps.count; i++) {
		int64_t end = range_end(c->ranges, i);
		window_move_wide(&w, c, i, beyond, smoothed ? beyond : 0);
		out[i] = promql_absent();
		if (w.from == w.to)
			continue;
		out[i] = difference(c->row, w, end - c->ranges->range_ms, end, smoothed, counter);
		if (rate && !promql_is_absent(out[i]))
			out[i] /= seconds;
	}
	return 0;
}

static inline bool is_reset(double before, double v)
{
	return v < before;
}

static inline bool is_change(double before, double v)
{
	return v != before && !(isnan(v) && isnan(before));
}

/* How often what a sample is to the one before it, `resets` or changes, happens in each window: the count of the window before, and what has come and gone. */
static inline int count_events(const struct range_call *c, bool resets, double *out)
{
	const double *v = c->row->values;
	bool anchored = c->ranges->extended == PROMQL_ANCHORED;
	int64_t before = anchored ? c->ev->lookback_ms : 0;
	struct window w = {0, 0}, counted = {0, 0}; /* the events of samples (from, to) */
	int64_t events = 0;

	for (uint32_t i = 0; i < c->ranges->steps.count; i++) {
		window_move_wide(&w, c, i, before, 0);
		out[i] = promql_absent();
		if (w.from == w.to)
			continue;
		int64_t start = range_end(c->ranges, i) - c->ranges->range_ms;
		if (anchored && c->row->times_ms[w.to - 1] <= start)
			continue;
		uint32_t from = anchored ? first_sample(c->row, w, start) : w.from;
		if (from >= counted.to) {
			counted = (struct window){from, from + 1};
			events = 0;
		}
		for (; counted.to < w.to; counted.to++)
			events += resets ? is_reset(v[counted.to - 1], v[counted.to])
			                 : is_change(v[counted.to - 1], v[counted.to]);
		for (; counted.from < from; counted.from++)
			events -= resets ? is_reset(v[counted.from], v[counted.from + 1])
			                 : is_change(v[counted.from], v[counted.from + 1]);
		out[i] = (double)events;
	}
	return 0;
}

int function_resets(const struct range_call *c, double *out)
{
	return count_events(c, true, out);
}

int function_changes(const struct range_call *c, double *out)
{
	return count_events(c, false, out);
}

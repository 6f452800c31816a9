/* An instant query for a range selector: the samples of its window. With `anchored` or `smoothed` the window has a sample at each of its ends, made of those around. */
#include "promql/result.h"

struct raw {
	struct eval *ev;
	struct promql_result *out;
	struct promql_series *series;
	size_t cap;
	uint32_t count;
};

/* The next series, its arrays of `count` samples yet to be written. NULL with the error set. */
static struct promql_series *add(struct raw *r, struct slice labels, uint32_t count)
{
	if (r->count == r->cap) {
		size_t cap = r->cap == 0 ? 16 : r->cap * 2, size = sizeof *r->series;
		void *p = eval_realloc(r->ev, r->series, r->cap * size, cap * size);
		if (p == NULL)
			return NULL;
		r->series = (struct promql_series *)p;
		r->cap = cap;
	}
	char *copy = (char *)result_alloc(r->ev, r->out, labels.len);
	int64_t *times = (int64_t *)result_alloc(r->ev, r->out, count * sizeof *times);
	double *values = (double *)result_alloc(r->ev, r->out, count * sizeof *values);
	if (copy == NULL || times == NULL || values == NULL)
		return NULL;
	if (labels.len > 0)
		memcpy(copy, labels.ptr, labels.len);
	r->series[r->count] = (struct promql_series){slice_new(copy, labels.len), times, values, count};
	return &r->series[r->count++];
}

static int add_row(struct raw *r, const struct range_row *row)
{
	struct promql_series *s = add(r, row->labels, row->count);
	if (s == NULL)
		return r->ev->err->code;
	memcpy((int64_t *)s->times_ms, row->times_ms, row->count * sizeof *row->times_ms);
	memcpy((double *)s->values, row->values, row->count * sizeof *row->values);
	return 0;
}

/* ---- anchored, smoothed ---- */

/* The first of the samples [0, end) that is after `ms`, or, `at`, at it or after; `end`: none is. */
static uint32_t first_after(const struct range_row *row, uint32_t end, int64_t ms, bool at)
{
	uint32_t low = 0, high = end;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (at ? row->times_ms[middle] >= ms : row->times_ms[middle] > ms)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* The value at `ms` on the line from sample i to the next one. */
static double between(const struct range_row *row, uint32_t i, int64_t ms)
{
	double y1 = row->values[i], y2 = row->values[i + 1];
	return y1 + (y2 - y1) * (double)(ms - row->times_ms[i]) / (double)(row->times_ms[i + 1] - row->times_ms[i]);
}

/* Samples at both ends of the window, and those between them. */
static int add_extended(struct raw *r, const struct ranges *ranges, const struct range_row *row)
{
	bool smoothed = ranges->extended == PROMQL_SMOOTHED;
	int64_t end = range_end(ranges, 0), start = end - ranges->range_ms;
	uint32_t last = row->count - 1, first = first_after(row, last, start, false);

	first = first > 0 ? first - 1 : 0;
	if (smoothed)
		last = first_after(row, last, end, true);
	if (row->times_ms[last] <= start)
		return 0;
	double left = row->values[first], right = row->values[last];
	if (smoothed && row->times_ms[first] < start)
		left = between(row, first, start);
	if (smoothed && last > 0 && row->times_ms[last] > end)
		right = between(row, last - 1, end);

	/* Those within, the ends left out. */
	uint32_t from = first + (row->times_ms[first] <= start), to = last + (row->times_ms[last] < end);
	uint32_t count = to > from ? to - from : 0;
	struct promql_series *s = add(r, row->labels, count + 2);
	if (s == NULL)
		return r->ev->err->code;
	int64_t *times = (int64_t *)s->times_ms;
	double *values = (double *)s->values;
	times[0] = start;
	values[0] = left;
	memcpy(times + 1, row->times_ms + from, count * sizeof *times);
	memcpy(values + 1, row->values + from, count * sizeof *values);
	times[count + 1] = end;
	values[count + 1] = right;
	return 0;
}

static int collect(struct raw *r, struct ranges *ranges)
{
	struct range_row row;
	int code;

	while ((code = ranges_next(ranges, &row)) > 0) {
		code = ranges->extended == PROMQL_PLAIN ? add_row(r, &row) : add_extended(r, ranges, &row);
		if (code != 0)
			return code;
	}
	return code;
}

int result_make_raw(struct eval *ev, const struct promql_expr *e, struct promql_result *out)
{
	struct raw r = {.ev = ev, .out = out};
	struct ranges *ranges = plan_ranges(ev, e, &ev->steps);

	if (ranges == NULL)
		return ev->err->code;
	int code = collect(&r, ranges);
	ranges_close(ranges);
	if (code == 0 && r.count > 0) {
		struct promql_series *series = (struct promql_series *)result_alloc(ev, out, r.count * sizeof *series);
		if (series != NULL) {
			memcpy(series, r.series, r.count * sizeof *series);
			out->series = series;
			out->series_count = r.count;
		}
		code = ev->err->code;
	}
	eval_release(ev, r.series, r.cap * sizeof *r.series);
	return code;
}

/* Comparison of results. */
#include "compare.h"

#include <float.h>
#include <math.h>

#include "grid.h"
#include "record/labels.h"
#include "record/samples.h"

bool compare_almost(double a, double b)
{
	const double epsilon = 0.000001;

	if ((isnan(a) && isnan(b)) || a == b)
		return true;
	double sum = fabs(a) + fabs(b), difference = fabs(a - b);
	if (a == 0 || b == 0 || sum < DBL_MIN)
		return difference < epsilon * DBL_MIN;
	return difference / fmin(sum, DBL_MAX) < epsilon;
}

/* ---- texts ---- */

static void put_value(struct buf *out, double v)
{
	if (sample_is_stale(v))
		buf_str(out, "stale");
	else
		buf_number_go(out, v);
}

void compare_put_time(struct buf *out, int64_t ms)
{
	if (ms < 0)
		buf_byte(out, '-');
	promql_print_duration(ms < 0 ? -ms : ms, out);
}

static bool say(struct buf *out, const char *what)
{
	buf_printf(out, "    %s\n", what);
	return false;
}

/* A row with values where there are any; `place`: the wanted one's, where it is another; 0: none. */
static void place_row(struct grid *t, bool wrong, struct slice name, const double *wanted, int64_t place,
                      const double *got)
{
	struct buf cells[2] = {{0}, {0}};
	const double *const values[2] = {wanted, got};

	for (int i = 0; i < 2; i++) {
		if (values[i] != NULL)
			put_value(&cells[i], *values[i]);
		else
			buf_str(&cells[i], "nothing");
	}
	if (place > 0)
		buf_printf(&cells[0], " in place %lld", (long long)place);
	grid_row(t, wrong, name, buf_slice(&cells[0]), buf_slice(&cells[1]));
	buf_free(&cells[0]);
	buf_free(&cells[1]);
}

static void value_row(struct grid *t, bool wrong, struct slice name, const double *wanted, const double *got)
{
	place_row(t, wrong, name, wanted, 0, got);
}

/* ---- points of a result ---- */

static bool is_absent(double v)
{
	uint64_t bits;
	memcpy(&bits, &v, sizeof bits);
	return bits == PROMQL_ABSENT_BITS;
}

/* The next point of a series from *at on, which is moved behind it. False: there is none. */
static bool next_point(const struct promql_result *r, const struct promql_series *s, uint32_t *at, int64_t *t,
                       double *v)
{
	while (s->times_ms == NULL && *at < s->count && is_absent(s->values[*at]))
		++*at;
	if (*at >= s->count)
		return false;
	*t = s->times_ms != NULL ? s->times_ms[*at] : r->start_ms + (int64_t)*at * r->step_ms;
	*v = s->values[(*at)++];
	return true;
}

static bool wanted_point(const struct script_eval *e, const struct script_series *s, uint32_t *at, int64_t *t,
                         double *v)
{
	while (*at < s->count && s->values[*at].omitted)
		++*at;
	if (*at >= s->count)
		return false;
	*t = e->start_ms + (int64_t)*at * e->step_ms;
	*v = s->values[(*at)++].value;
	return true;
}

/* The expected series with these labels, or -1. */
static int64_t find_wanted(const struct script_eval *e, struct slice labels)
{
	for (uint32_t i = 0; i < e->series_count; i++) {
		if (slice_eq(e->series[i].labels, labels))
			return i;
	}
	return -1;
}

static const struct promql_series *find_got(const struct promql_result *r, struct slice labels)
{
	for (uint32_t i = 0; i < r->series_count; i++) {
		if (slice_eq(r->series[i].labels, labels))
			return &r->series[i];
	}
	return NULL;
}

/* The order of the labels, no labels twice. */
static bool is_sorted(const struct promql_result *r, struct buf *out)
{
	for (uint32_t i = 1; i < r->series_count; i++) {
		int order = labels_compare(r->series[i - 1].labels, r->series[i].labels);
		if (order < 0)
			continue;
		buf_str(out, order == 0 ? "    wanted series that differ, got twice "
		                        : "    wanted series in the order "
		                          "of their labels, got too late ");
		labels_text(r->series[i].labels, out);
		buf_byte(out, '\n');
		return false;
	}
	return true;
}

/* ---- matrices ---- */

/* Rows of a series whose points differ; nothing else is added. Returns whether there are none. NULL: there is no such series. */
static bool series_rows(const struct script_eval *e, const struct promql_result *r, const struct script_series *wanted,
                        const struct promql_series *got, struct grid *t)
{
	uint32_t at[2] = {0, 0};
	int64_t times[2];
	double values[2];
	bool same = true;
	bool has_wanted = wanted != NULL && wanted_point(e, wanted, &at[0], &times[0], &values[0]);
	bool has_got = got != NULL && next_point(r, got, &at[1], &times[1], &values[1]);

	while (has_wanted || has_got) {
		bool take_wanted = has_wanted && (!has_got || times[0] <= times[1]);
		bool take_got = has_got && (!has_wanted || times[1] <= times[0]);
		bool equal = take_wanted && take_got && compare_almost(values[0], values[1]);
		struct buf time = {0};
		if (!equal) {
			compare_put_time(&time, take_wanted ? times[0] : times[1]);
			value_row(t, true, buf_slice(&time), take_wanted ? &values[0] : NULL,
			          take_got ? &values[1] : NULL);
		}
		buf_free(&time);
		same &= equal;
		if (take_wanted)
			has_wanted = wanted_point(e, wanted, &at[0], &times[0], &values[0]);
		if (take_got)
			has_got = next_point(r, got, &at[1], &times[1], &values[1]);
	}
	return same;
}

/* A series that is wanted or got or both. */
static bool compare_points(const struct script_eval *e, const struct promql_result *r,
                           const struct script_series *wanted, const struct promql_series *got, struct buf *out)
{
	struct grid t = {0};
	bool same = series_rows(e, r, wanted, got, &t) && wanted != NULL && got != NULL;

	if (!same) {
		buf_str(out, wanted == NULL ? "    not wanted: " : got == NULL ? "    not there: " : "    differs: ");
		labels_text(wanted != NULL ? wanted->labels : got->labels, out);
		buf_byte(out, '\n');
		grid_print(&t, "time", out);
	}
	buf_free(&t.cells);
	return same;
}

static bool compare_matrix(const struct script_eval *e, const struct promql_result *got, struct buf *out)
{
	bool same = is_sorted(got, out);

	if (script_expects(e, EXPECT_ORDERED))
		return say(out, "wanted an order, got the series of a range, which have none");
	if (e->result == RESULT_SCALAR)
		return say(out, "wanted a scalar, got series over a range");
	for (uint32_t i = 0; i < e->series_count; i++) {
		const struct script_series *s = &e->series[i];
		if (s->count > 0 && e->start_ms + (int64_t)(s->count - 1) * e->step_ms > e->end_ms) {
			buf_printf(out, "    line %u: more values than the range has steps\n", s->line);
			same = false;
		}
		same &= compare_points(e, got, s, find_got(got, s->labels), out);
	}
	for (uint32_t i = 0; i < got->series_count; i++) {
		if (find_wanted(e, got->series[i].labels) < 0)
			same &= compare_points(e, got, NULL, &got->series[i], out);
	}
	return same;
}

/* ---- vectors ---- */

/* One value a series: that of index `at`, where it has one. */
static const double *value_at(const struct promql_series *s, uint32_t at)
{
	return at < s->count && (s->times_ms != NULL || !is_absent(s->values[at])) ? &s->values[at] : NULL;
}

/* Has the series come before in the result? */
static bool is_twice(const struct promql_result *got, uint32_t at)
{
	return find_got(got, got->series[at].labels) != &got->series[at];
}

static void labels_row(struct grid *t, bool wrong, struct slice labels, const struct script_series *wanted,
                       int64_t place, const double *got)
{
	struct buf name = {0};

	labels_text(labels, &name);
	place_row(t, wrong, buf_slice(&name), wanted != NULL ? &wanted->values[0].value : NULL, place, got);
	buf_free(&name);
}

static bool compare_values(const struct script_eval *e, const struct promql_result *got, uint32_t at, struct grid *t)
{
	bool same = true, ordered = script_expects(e, EXPECT_ORDERED);
	int64_t place = 0;

	for (uint32_t i = 0; i < got->series_count; i++) {
		const double *value = value_at(&got->series[i], at);
		if (value == NULL)
			continue;
		int64_t found = find_wanted(e, got->series[i].labels);
		const struct script_series *wanted = found >= 0 ? &e->series[found] : NULL;
		bool elsewhere = ordered && found >= 0 && found != place;
		bool right = wanted != NULL && compare_almost(wanted->values[0].value, *value) && !elsewhere &&
		             !is_twice(got, i);
		place++;
		same &= right;
		labels_row(t, !right, got->series[i].labels, wanted, elsewhere ? found + 1 : 0, value);
	}
	for (uint32_t i = 0; i < e->series_count; i++) {
		const struct promql_series *s = find_got(got, e->series[i].labels);
		if (s != NULL && value_at(s, at) != NULL)
			continue;
		same = false;
		labels_row(t, true, e->series[i].labels, &e->series[i], 0, NULL);
	}
	return same;
}

static bool compare_vector(const struct script_eval *e, const struct promql_result *got, uint32_t at, struct buf *out)
{
	struct grid t = {0};

	if (e->result != RESULT_SERIES)
		return say(out, e->result == RESULT_SCALAR ? "wanted a scalar, got a vector"
		                                           : "wanted a string, got a vector");
	bool same = compare_values(e, got, at, &t);
	if (!same)
		grid_print(&t, "series", out);
	buf_free(&t.cells);
	return same;
}

static bool compare_scalar(const struct script_eval *e, const double *got, struct buf *out)
{
	struct grid t = {0};

	if (e->result != RESULT_SCALAR)
		return say(out, e->result == RESULT_STRING ? "wanted a string, got a scalar"
		                                           : "wanted series, got a scalar");
	if (got != NULL && compare_almost(e->scalar, *got))
		return true;
	value_row(&t, true, SLICE("scalar"), &e->scalar, got);
	grid_print(&t, "", out);
	return false;
}

/* ---- results ---- */

static bool compare_string(const struct script_eval *e, struct slice got, struct buf *out)
{
	if (e->result != RESULT_STRING)
		return say(out, "wanted no string, got one (expect string \"…\")");
	if (slice_eq(e->string, got))
		return true;
	buf_str(out, "    wanted ");
	promql_quote(e->string, out);
	buf_str(out, ", got ");
	promql_quote(got, out);
	buf_byte(out, '\n');
	return false;
}

bool compare_result(const struct script_eval *e, const struct promql_result *got, struct buf *out)
{
	switch (got->type) {
	case PROMQL_SCALAR:
		return compare_scalar(e, got->series_count > 0 ? got->series[0].values : NULL, out);
	case PROMQL_STRING:
		return compare_string(e, got->text, out);
	case PROMQL_VECTOR:
		return e->expects_range_vector ? say(out, "wanted a range vector, got an instant one")
		                               : compare_vector(e, got, 0, out);
	case PROMQL_MATRIX:
		if (!e->range && !e->expects_range_vector && got->series_count > 0)
			return say(out, "got a range vector, which is expected with expect range vector from … to … "
			                "step …");
		return compare_matrix(e, got, out);
	case PROMQL_NONE:
		break;
	}
	return say(out, "got a result of no type");
}

bool compare_step(const struct script_eval *e, const struct promql_result *got, int64_t time_ms, bool is_scalar,
                  struct buf *out)
{
	bool same = is_sorted(got, out);
	uint32_t at = (uint32_t)((time_ms - got->start_ms) / got->step_ms);

	if (is_scalar)
		return compare_scalar(e, got->series_count > 0 ? value_at(&got->series[0], at) : NULL, out) && same;
	return compare_vector(e, got, at, out) && same;
}

/* Tables of series. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "cli/query.h"

enum { COLUMNS_MAX = LABELS_MAX, COURSE_CELLS = 24, CELL_MAX = 48 };

void query_short_number(double v, char text[24])
{
	static const struct {
		double size;
		const char *name;
	} units[] = {{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}};
	double size = fabs(v);

	for (size_t i = 0; i < sizeof units / sizeof *units && isfinite(v); i++) {
		if (size >= 1e4 && size >= units[i].size && size < 1e16) {
			snprintf(text, 24, "%.4g%s", v / units[i].size, units[i].name);
			return;
		}
	}
	snprintf(text, 24, "%.4g", v);
}

/* ---- which labels are columns ---- */

struct columns {
	struct slice names[COLUMNS_MAX];
	size_t widths[COLUMNS_MAX]; /* in characters */
	uint32_t count;
};

static size_t characters(struct slice s)
{
	size_t count = 0;
	return utf8_valid(s, &count) ? count : s.len;
}

static struct slice value_of(const struct query_series *s, struct slice name)
{
	for (uint32_t i = 0; i < s->label_count; i++) {
		if (slice_eq(s->labels[i].name, name))
			return s->labels[i].value;
	}
	return SLICE("");
}

static struct slice title(struct slice name)
{
	return slice_eq(name, LABEL_METRIC_NAME) ? SLICE("metric") : name;
}

static void widen(struct columns *c, uint32_t column, struct slice text)
{
	size_t width = characters(text);
	width = width < CELL_MAX ? width : CELL_MAX;
	c->widths[column] = width > c->widths[column] ? width : c->widths[column];
}

/* All names that occur, the metric's before the others. */
static void find_columns(const struct query_answer *a, struct columns *c)
{
	c->count = 0;
	for (uint32_t i = 0; i < a->series_count; i++) {
		const struct query_series *s = &a->series[i];
		for (uint32_t l = 0; l < s->label_count; l++) {
			uint32_t at = 0;
			while (at < c->count && !slice_eq(c->names[at], s->labels[l].name))
				at++;
			if (at == COLUMNS_MAX)
				continue;
			if (at == c->count) {
				c->names[at] = s->labels[l].name;
				c->widths[at] = 0;
				widen(c, at, title(s->labels[l].name));
				c->count++;
			}
			widen(c, at, s->labels[l].value);
		}
	}
	for (uint32_t i = 1; i < c->count; i++) {
		if (!slice_eq(c->names[i], LABEL_METRIC_NAME))
			continue;
		struct slice name = c->names[0];
		size_t width = c->widths[0];
		c->names[0] = c->names[i];
		c->widths[0] = c->widths[i];
		c->names[i] = name;
		c->widths[i] = width;
	}
}

/* ---- cells ---- */

/* What would move the cursor, or is no text, is a question mark: labels are what somebody sent. */
static void put_text(struct slice s, size_t width, FILE *out)
{
	size_t shown = 0;

	for (size_t i = 0; i < s.len && shown < width;) {
		size_t n = 1;
		unsigned char c = (unsigned char)s.ptr[i];
		if (c >= 0x80) {
			while (i + n < s.len && ((unsigned char)s.ptr[i + n] & 0xc0) == 0x80)
				n++;
		}
		bool control = c < 0x20 || c == 0x7f || (c == 0xc2 && n == 2 && (unsigned char)s.ptr[i + 1] < 0xa0);
		bool last = shown + 1 == width && i + n < s.len;
		if (last)
			fputs("…", out);
		else if (control || !utf8_valid(slice_new(s.ptr + i, n), NULL))
			fputc('?', out);
		else
			fwrite(s.ptr + i, 1, n, out);
		shown++;
		i += n;
	}
	for (; shown < width; shown++)
		fputc(' ', out);
}

static void put_labels(const struct columns *c, const struct query_series *s, FILE *out)
{
	for (uint32_t i = 0; i < c->count; i++) {
		put_text(s != NULL ? value_of(s, c->names[i]) : title(c->names[i]), c->widths[i], out);
		fputs("  ", out);
	}
}

/* ---- an instant ---- */

static void print_instant(const struct query_answer *a, const struct columns *c, FILE *out)
{
	size_t width = strlen("value");

	for (uint32_t i = 0; i < a->series_count; i++) {
		size_t len = a->series[i].count > 0 ? strlen(a->series[i].texts[0]) : 0;
		width = len > width ? len : width;
	}
	put_labels(c, NULL, out);
	fprintf(out, "%*s\n", (int)width, "value");
	for (uint32_t i = 0; i < a->series_count; i++) {
		put_labels(c, &a->series[i], out);
		fprintf(out, "%*s\n", (int)width, a->series[i].count > 0 ? a->series[i].texts[0] : "");
	}
}

/* ---- a range ---- */

struct sum {
	double first, min, mean, max, last;
};

static struct sum sum_up(const struct query_series *s)
{
	struct sum sum = {.first = NAN, .min = NAN, .mean = NAN, .max = NAN, .last = NAN};
	double total = 0;
	uint32_t count = 0;

	for (uint32_t i = 0; i < s->count; i++) {
		double v = s->values[i];
		if (isnan(v))
			continue;
		sum.first = count == 0 ? v : sum.first;
		sum.min = count == 0 || v < sum.min ? v : sum.min;
		sum.max = count == 0 || v > sum.max ? v : sum.max;
		sum.last = v;
		total += v;
		count++;
	}
	if (count > 0)
		sum.mean = total / count;
	return sum;
}

/* The course of a series in blocks of eight heights, over the time of all; where it has no value there is a gap. */
static void put_course(const struct query_series *s, const struct sum *sum, double from, double to, FILE *out)
{
	static const char *const heights[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	double totals[COURSE_CELLS] = {0};
	uint32_t counts[COURSE_CELLS] = {0};

	for (uint32_t i = 0; i < s->count; i++) {
		double place = to > from ? (s->times[i] - from) / (to - from) * COURSE_CELLS : 0;
		uint32_t cell = place < COURSE_CELLS ? (uint32_t)place : COURSE_CELLS - 1;
		if (!isfinite(s->values[i]))
			continue;
		totals[cell] += s->values[i];
		counts[cell]++;
	}
	for (uint32_t cell = 0; cell < COURSE_CELLS; cell++) {
		if (counts[cell] == 0) {
			fputc(' ', out);
			continue;
		}
		double height =
		    sum->max > sum->min ? (totals[cell] / counts[cell] - sum->min) / (sum->max - sum->min) : 0;
		fputs(heights[isfinite(height) ? (int)(height * 7 + 0.5) : 0], out);
	}
}

static void print_range(const struct query_answer *a, const struct columns *c, FILE *out)
{
	double from = INFINITY, to = -INFINITY;

	for (uint32_t i = 0; i < a->series_count; i++) {
		const struct query_series *s = &a->series[i];
		if (s->count == 0)
			continue;
		from = s->times[0] < from ? s->times[0] : from;
		to = s->times[s->count - 1] > to ? s->times[s->count - 1] : to;
	}
	put_labels(c, NULL, out);
	fprintf(out, "%9s %9s %9s %9s %9s  course\n", "first", "min", "mean", "max", "last");
	for (uint32_t i = 0; i < a->series_count; i++) {
		struct sum sum = sum_up(&a->series[i]);
		const double values[] = {sum.first, sum.min, sum.mean, sum.max, sum.last};
		put_labels(c, &a->series[i], out);
		for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
			char text[24];
			query_short_number(values[v], text);
			fprintf(out, "%9s ", text);
		}
		fputc(' ', out);
		put_course(&a->series[i], &sum, from, to, out);
		fputc('\n', out);
	}
}

void query_print_table(const struct query_answer *a, FILE *out)
{
	struct columns *c = mem_alloc(sizeof *c);

	if (c == NULL)
		return;
	find_columns(a, c);
	if (strcmp(a->type, "matrix") == 0)
		print_range(a, c, out);
	else
		print_instant(a, c, out);
	mem_free(c);
}

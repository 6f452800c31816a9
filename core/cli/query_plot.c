/* Series over time, drawn in the terminal: each character is two by four dots of Braille. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "cli/query.h"

enum { SERIES_MAX = 8, LEFT = 10 /* of the axis */, MARKS = 8 /* right of the lines */, DOTS_X = 2, DOTS_Y = 4 };

struct canvas {
	uint32_t width, height; /* in characters */
	uint8_t *dots;          /* of each character, as Unicode numbers them */
	uint8_t *owner;         /* which series drew there last */
	double from, to, low, high;
};

static const char *const colors[SERIES_MAX] = {"36", "33", "35", "32", "31", "34", "96", "93"};

/* ---- what is drawn ---- */

static double last_value(const struct query_series *s)
{
	for (uint32_t i = s->count; i > 0; i--) {
		if (isfinite(s->values[i - 1]))
			return s->values[i - 1];
	}
	return -INFINITY;
}

/* The series with the largest last values, in that order. */
static uint32_t choose(const struct query_answer *a, const struct query_series *chosen[SERIES_MAX])
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < a->series_count; i++) {
		double v = last_value(&a->series[i]);
		uint32_t at = count;
		while (at > 0 && last_value(chosen[at - 1]) < v)
			at--;
		if (at == SERIES_MAX)
			continue;
		count += count < SERIES_MAX;
		memmove(&chosen[at + 1], &chosen[at], (count - 1 - at) * sizeof *chosen);
		chosen[at] = &a->series[i];
	}
	return count;
}

static void find_bounds(const struct query_series *const *series, uint32_t count, struct canvas *c)
{
	c->low = INFINITY;
	c->high = -INFINITY;
	for (uint32_t i = 0; i < count; i++) {
		for (uint32_t k = 0; k < series[i]->count; k++) {
			double v = series[i]->values[k];
			if (!isfinite(v))
				continue;
			c->low = v < c->low ? v : c->low;
			c->high = v > c->high ? v : c->high;
		}
	}
	if (c->low > c->high)
		c->low = c->high = 0;
	/* From zero where it is near; a line that is flat stands in the middle. */
	if (c->low > 0 && c->low < c->high / 2)
		c->low = 0;
	if (c->low == c->high) {
		double margin = c->low != 0 ? fabs(c->low) / 10 : 1;
		c->low -= margin;
		c->high += margin;
	}
}

/* ---- dots ---- */

static void set_dot(struct canvas *c, int64_t x, int64_t y, uint8_t owner)
{
	static const uint8_t bits[DOTS_Y][DOTS_X] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};

	if (x < 0 || y < 0 || x >= (int64_t)c->width * DOTS_X || y >= (int64_t)c->height * DOTS_Y)
		return;
	size_t cell = (size_t)(y / DOTS_Y) * c->width + (size_t)(x / DOTS_X);
	c->dots[cell] |= bits[y % DOTS_Y][x % DOTS_X];
	c->owner[cell] = owner;
}

static void draw_line(struct canvas *c, double x0, double y0, double x1, double y1, uint8_t owner)
{
	double length = fmax(fabs(x1 - x0), fabs(y1 - y0));
	uint32_t steps = length < 1 ? 1 : length < 100000 ? (uint32_t)ceil(length) : 100000;

	for (uint32_t i = 0; i <= steps; i++) {
		double part = (double)i / steps;
		set_dot(c, (int64_t)llround(x0 + (x1 - x0) * part), (int64_t)llround(y0 + (y1 - y0) * part), owner);
	}
}

static double x_of(const struct canvas *c, double time)
{
	double span = c->to > c->from ? c->to - c->from : 1;
	return (time - c->from) / span * (c->width * DOTS_X - 1);
}

static double y_of(const struct canvas *c, double v)
{
	return (c->high - v) / (c->high - c->low) * (c->height * DOTS_Y - 1);
}

/* Neighbours are joined, unless a step between them is missing. */
static void draw_series(struct canvas *c, const struct query_series *s, uint8_t owner)
{
	double step = INFINITY;

	for (uint32_t i = 1; i < s->count; i++)
		step = fmin(step, s->times[i] - s->times[i - 1]);
	for (uint32_t i = 0; i < s->count; i++) {
		if (!isfinite(s->values[i]))
			continue;
		double x = x_of(c, s->times[i]), y = y_of(c, s->values[i]);
		bool joined = i > 0 && isfinite(s->values[i - 1]) && s->times[i] - s->times[i - 1] < 1.5 * step;
		if (joined)
			draw_line(c, x_of(c, s->times[i - 1]), y_of(c, s->values[i - 1]), x, y, owner);
		else
			draw_line(c, x, y, x, y, owner);
	}
}

/* ---- printing ---- */

static void print_cell(const struct canvas *c, size_t cell, bool colored, FILE *out)
{
	uint8_t dots = c->dots[cell];

	if (dots == 0) {
		fputc(' ', out);
		return;
	}
	/* U+2800 and the dots, in UTF-8. */
	const char text[4] = {(char)0xe2, (char)(0xa0 | dots >> 6), (char)(0x80 | (dots & 0x3f)), '\0'};
	if (colored)
		fprintf(out, "\x1b[%sm%s\x1b[0m", colors[c->owner[cell]], text);
	else
		fputs(text, out);
}

/* Where lines end: the numbers that the legend has. */
static void print_marks(const struct canvas *c, const struct query_series *const *series, uint32_t count, uint32_t row,
                        uint32_t used, FILE *out)
{
	for (uint32_t i = 0; i < count; i++) {
		double y = y_of(c, last_value(series[i]));
		if (!(y >= row * DOTS_Y && y < (row + 1) * DOTS_Y))
			continue;
		for (; used < c->width; used++)
			fputc(' ', out);
		fprintf(out, " %u", i + 1);
	}
}

static void print_rows(const struct canvas *c, const struct query_series *const *series, uint32_t count, bool colored,
                       FILE *out)
{
	for (uint32_t row = 0; row < c->height; row++) {
		char label[24] = "";
		bool labelled = row == 0 || row == c->height - 1 || row == c->height / 2;
		double part = c->height > 1 ? (double)row / (c->height - 1) : 0;
		if (labelled)
			query_short_number(c->high - (c->high - c->low) * part, label);
		fprintf(out, "%*s %s", LEFT - 2, label, labelled ? "┤" : "│");
		uint32_t used = c->width;
		while (used > 0 && c->dots[(size_t)row * c->width + used - 1] == 0)
			used--;
		for (uint32_t column = 0; column < used; column++)
			print_cell(c, (size_t)row * c->width + column, colored, out);
		print_marks(c, series, count, row, used, out);
		fputc('\n', out);
	}
}

static void time_text(double seconds, double span, char text[32])
{
	time_t t = (time_t)seconds;
	struct tm tm;

	text[0] = '\0';
	if (fabs(seconds) < 1e11 && gmtime_r(&t, &tm) != NULL)
		strftime(text, 32, span > 86400 ? "%m-%d %H:%M" : span > 600 ? "%H:%M" : "%H:%M:%S", &tm);
}

static void print_axis(const struct canvas *c, FILE *out)
{
	char texts[3][32];
	double span = c->to - c->from;

	fprintf(out, "%*s└", LEFT - 1, "");
	for (uint32_t i = 0; i < c->width; i++)
		fputs("─", out);
	for (int i = 0; i < 3; i++)
		time_text(c->from + span * i / 2, span, texts[i]);
	int middle = (int)c->width / 2 - (int)strlen(texts[1]) / 2 - (int)strlen(texts[0]);
	int right = (int)c->width - (int)strlen(texts[2]) - (int)c->width / 2 - (int)(strlen(texts[1]) + 1) / 2;
	fprintf(out, "\n%*s%s%*s%s%*s%s  UTC\n", LEFT, "", texts[0], middle > 1 ? middle : 1, "", texts[1],
	        right > 1 ? right : 1, "", texts[2]);
}

/* Names are what somebody sent: control characters are shown as question marks. */
static void print_name(struct slice name, FILE *out)
{
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.ptr[i];
		/* U+0080..U+009F, some of which terminals obey. */
		bool wide = c == 0xc2 && i + 1 < name.len && (unsigned char)name.ptr[i + 1] < 0xa0;
		fputc(wide || c < 0x20 || c == 0x7f ? '?' : c, out);
		i += wide;
	}
}

static void series_name(const struct query_series *s, struct buf *out)
{
	struct buf set = {0};
	struct label copy[LABELS_MAX];
	uint32_t count = s->label_count < LABELS_MAX ? s->label_count : LABELS_MAX;

	memcpy(copy, s->labels, count * sizeof *copy);
	if (labels_canonical(copy, count, &set, NULL) == 0)
		labels_text(buf_slice(&set), out);
	buf_free(&set);
}

static void print_legend(const struct query_answer *a, const struct query_series *const *series, uint32_t count,
                         bool colored, FILE *out)
{
	struct buf name = {0};

	for (uint32_t i = 0; i < count; i++) {
		char value[24];
		query_short_number(last_value(series[i]), value);
		buf_reset(&name);
		series_name(series[i], &name);
		fprintf(out, "%*s", LEFT, "");
		fprintf(out, colored ? "\x1b[%sm%u ━━\x1b[0m " : "%.0s%u  ", colors[i], i + 1);
		print_name(buf_slice(&name), out);
		fprintf(out, "  %s\n", value);
	}
	if (count < a->series_count)
		fprintf(out, "%*sand %u more\n", LEFT, "", a->series_count - count);
	buf_free(&name);
}

void query_print_plot(const struct query_answer *a, const struct query_plot *plot, FILE *out)
{
	const struct query_series *chosen[SERIES_MAX + 1];
	uint32_t count = choose(a, chosen);
	struct canvas c = {.width = plot->width > LEFT + MARKS + 20 ? plot->width - LEFT - MARKS : 20,
	                   .height = plot->height,
	                   .from = plot->from,
	                   .to = plot->to};

	c.dots = mem_zalloc(c.width, c.height);
	c.owner = mem_zalloc(c.width, c.height);
	if (c.dots != NULL && c.owner != NULL) {
		find_bounds(chosen, count, &c);
		for (uint32_t i = count; i > 0; i--)
			draw_series(&c, chosen[i - 1], (uint8_t)(i - 1));
		print_rows(&c, chosen, count, plot->colors, out);
		print_axis(&c, out);
		print_legend(a, chosen, count, plot->colors, out);
	}
	mem_free(c.dots);
	mem_free(c.owner);
}

/* What a question in PromQL came to, and how the command line shows it. */
#ifndef MOONGATE_CLI_QUERY_H
#define MOONGATE_CLI_QUERY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "record/labels.h"

struct query_series {
	const struct label *labels; /* as the server gave them, which sorts them */
	uint32_t label_count;
	const double *times; /* seconds, rising */
	const double *values;
	const char *const *texts; /* of the values, as the server wrote them */
	uint32_t count;
};

struct query_answer {
	struct arena arena; /* of all below */
	char type[16];      /* "scalar", "vector", "matrix", "string" */
	const struct query_series *series;
	uint32_t series_count;
	const char *text;         /* of a string */
	const char *const *notes; /* warnings and infos */
	uint32_t note_count;
};

/* Reads an answer of Prometheus's API. 0; -EPROTO with a sentence: it is none, or it says what went wrong; -ENOMEM. query_answer_free in any case. */
int query_answer_read(struct slice json, struct query_answer *out, struct error *err);
void query_answer_free(struct query_answer *a);

/* The series as a table: of an instant query a column a label and one of values; of a range a line a series with its first, smallest, mean, largest and last value and their course. */
void query_print_table(const struct query_answer *a, FILE *out);

struct query_plot {
	uint32_t width, height; /* in characters, of the whole chart */
	bool colors;
	double from, to; /* seconds */
};
/* The series over time, in Braille dots; what they are called is below. At most eight are drawn, those with the largest last values; the legend says how many are not. */
void query_print_plot(const struct query_answer *a, const struct query_plot *plot, FILE *out);

/* A number in at most six characters or so: "12.35k", "0.0012", "-3". */
void query_short_number(double v, char text[24]);

#endif

/* What the two files of the text decoder share: the cursor, and the reading of names, strings and label sets. Private to ingest/. */
#ifndef MOONGATE_INGEST_PROMETHEUS_TEXT_H
#define MOONGATE_INGEST_PROMETHEUS_TEXT_H

#include "base/buf.h"
#include "ingest/ingest.h"
#include "record/labels.h"

struct text {
	const char *at, *end;
	const char *line_begin;
	uint32_t line;      /* 1-based */
	const char *wrong;  /* what is wrong at `at`, or was wanted there; NULL: nothing */
	bool no_memory;     /* … and so reading stopped */
	bool open;          /* OpenMetrics, which is stricter about spaces and ends */
	int64_t arrival_ms; /* the time of samples that say none */
	struct sample_batch *batch;
	const struct ingest_sample_limits *limits;
	struct ingest_rejects *rejects;
	struct error *err;
	enum metadata_type type; /* of the last TYPE line */
	struct buf number;       /* of le and quantile */

	struct label labels[LABELS_MAX + 1]; /* of the set at hand; one more than fits says that there are too many */
	uint32_t label_count;
};

/* Remembers what was wrong; returns false. */
static inline bool text_fail(struct text *t, const char *wrong)
{
	if (t->wrong == NULL)
		t->wrong = wrong;
	return false;
}

/* Memory ran out. Returns false. */
static inline bool text_out_of_memory(struct text *t)
{
	t->no_memory = true;
	return text_fail(t, "no memory");
}

static inline bool text_is(const struct text *t, char c)
{
	return t->at < t->end && *t->at == c;
}

/* Takes a character that has to be here. */
static inline bool text_take(struct text *t, char c, const char *wrong)
{
	if (!text_is(t, c))
		return text_fail(t, wrong);
	t->at++;
	return true;
}

/* Passes over spaces and tabs, of which OpenMetrics has none. */
static inline void text_blanks(struct text *t)
{
	while (!t->open && t->at < t->end && (*t->at == ' ' || *t->at == '\t'))
		t->at++;
}

/* Takes a line end; the last line of the older format needs none. */
bool text_line_end(struct text *t);

/* A name without quotes, [a-zA-Z_][a-zA-Z0-9_]*, of a metric with colons too; empty when there is none here. */
struct slice text_name(struct text *t, bool metric);

/* A quoted string, its escapes undone. False: there is none, or memory is out. */
bool text_quoted(struct text *t, struct slice *out);

/* `raw` with \\, \n and (`quotes`) \" undone, in the arena where there is any; others stay as they are. ptr NULL when memory is out. */
struct slice text_unescape(struct text *t, struct slice raw, bool quotes);

/* The labels between braces, the cursor behind the opening one, into t->labels, behind those that are there. `metric_name` (NULL: there can be none) is set where it stands among them. */
bool text_labels(struct text *t, struct slice *metric_name);

/* Makes a set of t->labels, in the arena, with labels of an empty value or without. 1: there it is; 0: it is refused, *why says why; -EFBIG, -ENOMEM. */
int text_set(struct text *t, bool keep_empty, struct slice *out, struct error *why);

#endif

/* The parser of scripts, between its files. */
#ifndef PROMQLTEST_READER_H
#define PROMQLTEST_READER_H

#include "line.h"

struct reader {
	struct arena *arena;
	const char *path;
	struct slice rest;  /* of the script, behind the line at hand */
	uint32_t line;      /* number of the line at hand, from 1 on */
	struct slice ahead; /* the next line, trimmed, comments empty; looked at and not taken */
	bool has_ahead;
	uint32_t values; /* of all series lines so far */
	struct error *err;
};

/* The next line without taking it. False: there is none, or it is empty: what belongs to a command ends. */
bool reader_next_of_block(struct reader *r, struct slice *line);
/* Takes the line that reader_next_of_block showed. */
void reader_take(struct reader *r);

/* "file:line: …". Returns the code. */
int reader_fail(struct reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Puts file and line before the sentence that *err has; for a failed call. Returns its code. */
int reader_failed(struct reader *r);
int reader_out_of_memory(struct reader *r);

/* A series line at hand, with its number. */
int reader_series(struct reader *r, struct slice line, struct script_series *out);

/* `load` and `eval`, from behind the first word on; `first` is that word. 0, -EINVAL, -ENOMEM. */
int reader_load(struct reader *r, struct slice first, struct slice rest, struct script_load *out);
int reader_eval(struct reader *r, struct slice first, struct slice rest, struct script_eval *out);

#endif

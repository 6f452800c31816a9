/* The table of options: one row says everything about a key, and reading, flags, checks and suggestions all follow from it. Private to config/. */
#ifndef MOONGATE_CONFIG_OPTIONS_H
#define MOONGATE_CONFIG_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

enum option_type {
	OPTION_BOOL,
	OPTION_STRING,    /* char *, owned */
	OPTION_PATH,      /* likewise; may be given empty for none */
	OPTION_SIZE,      /* uint64_t bytes: a number, or "16MiB" */
	OPTION_SIZE32,    /* uint32_t bytes */
	OPTION_COUNT,     /* uint32_t */
	OPTION_DURATION,  /* int64_t ns: a number of seconds, or "10s" */
	OPTION_CHOICE,    /* int: one of `choices`, by its number */
	OPTION_TEXTS,     /* struct config_texts: a list of texts */
	OPTION_PAIRS,     /* struct config_pairs: names with a text each */
	OPTION_MULTIPAIRS /* struct config_pairs: names with a text or a list of texts each */
};

struct option {
	const char *key; /* "listen", "http.body_bytes" */
	enum option_type type;
	size_t offset;   /* in the struct that it is an option of: struct config, or that of an entry of a list */
	double min, max; /* of numbers, in bytes, counts or seconds */
	const char *by_default;     /* as the file would say it */
	const char *const *choices; /* NULL-terminated */
};

/* The options of one struct. */
struct option_table {
	const struct option *rows;
	size_t count;
};

/* Those of the file itself, */
extern const struct option options[];
extern const size_t option_count;
static inline struct option_table options_of_file(void)
{
	return (struct option_table){options, option_count};
}
/* and those of an entry of `scrape`. */
extern const struct option_table options_of_scrape;

/* The option of that full name, or NULL. */
const struct option *option_find(struct option_table table, const char *key);
/* The known key nearest to a misspelt one, or NULL when none is near. */
const char *option_suggest(struct option_table table, const char *key);

/* Gives a zeroed struct the defaults of its options. 0, or a negative errno, to be freed all the same. */
int option_set_defaults(void *of, struct option_table table, struct error *err);
/* Frees what the options of a struct own. */
void option_free(void *of, struct option_table table);

/* Sets an option, which is one of a text, number or truth, of the struct `of` from the text of a flag or a default. 0, -EINVAL with "found …, wanted …", -ENOMEM. */
int option_set_text(void *of, const struct option *o, const char *text, struct error *err);
int option_set_number(void *of, const struct option *o, double v, struct error *err);
int option_set_bool(void *of, const struct option *o, bool v, struct error *err);

/* Appends a copy of a text to a list, or of a pair. 0 or -ENOMEM. */
int config_texts_add(struct config_texts *t, const char *text);
int config_pairs_add(struct config_pairs *p, const char *name, const char *value);
/* "a size such as 16777216 or "16MiB"" */
const char *option_wanted(const struct option *o);

#endif

/* The table of options: one row says everything about a key, and reading, flags, checks and suggestions all follow from it. Private to config/. */
#ifndef MOONGATE_CONFIG_OPTIONS_H
#define MOONGATE_CONFIG_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

enum option_type {
	OPTION_BOOL,
	OPTION_STRING,   /* char *, owned */
	OPTION_PATH,     /* likewise; may be given empty for none */
	OPTION_SIZE,     /* uint64_t bytes: a number, or "16MiB" */
	OPTION_SIZE32,   /* uint32_t bytes */
	OPTION_COUNT,    /* uint32_t */
	OPTION_DURATION, /* int64_t ns: a number of seconds, or "10s" */
	OPTION_CHOICE    /* int: one of `choices`, by its number */
};

struct option {
	const char *key; /* "listen", "http.body_bytes" */
	enum option_type type;
	size_t offset;              /* in struct config */
	double min, max;            /* of numbers, in bytes, counts or seconds */
	const char *by_default;     /* as the file would say it */
	const char *const *choices; /* NULL-terminated */
};

extern const struct option options[];
extern const size_t option_count;

/* The option of that full name, or NULL. */
const struct option *option_find(const char *key);
/* The known key nearest to a misspelt one, or NULL when none is near. */
const char *option_suggest(const char *key);

/* Sets an option from the text of a flag or a default. 0, -EINVAL with "found …, wanted …", -ENOMEM. */
int option_set_text(struct config *c, const struct option *o, const char *text, struct error *err);
int option_set_number(struct config *c, const struct option *o, double v, struct error *err);
int option_set_bool(struct config *c, const struct option *o, bool v, struct error *err);
/* "a size such as 16777216 or "16MiB"" */
const char *option_wanted(const struct option *o);

#endif

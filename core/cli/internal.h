/* What the commands share. */
#ifndef MOONGATE_CLI_INTERNAL_H
#define MOONGATE_CLI_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "alerts/alerts.h"
#include "config/config.h"
#include "engine/engine.h"
#include "scrape/scrape.h"

enum { EXIT_FINE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* One option of a command. */
struct flag {
	const char *name;  /* "--conf" */
	const char *value; /* what it takes, for the help: "FILE"; NULL: nothing, it is a switch */
	const char *help;  /* one line */
	const char **to;   /* where its value goes; a switch sets it to "true" */
};

struct command {
	const char *name;
	const char *summary; /* one line */
	const char *usage;   /* behind "moongate <name> " */
	const char *details; /* paragraphs and examples for `moongate help <name>`; may be NULL */
	int (*run)(int argc, char **argv);
	const struct flag *flags; /* ends with a NULL name */
	const char **operand;     /* what may stand once without a name; NULL: nothing */
};

/* Reads the options of a command (behind its name) into their places. 0; EXIT_USAGE after saying what was wrong; or −1 after printing the help that --help asked for. */
int flags_read(const struct command *c, int argc, char **argv);

extern const struct command command_run, command_check, command_demo, command_query, command_version, command_help;
/* All of them, in the order of the help; ends with NULL. */
extern const struct command *const commands[];

void help_print(const struct command *c);
void help_overview(void);
/* The command nearest to a misspelt name, or NULL. */
const char *command_suggest(const char *name);

/* Defaults, then the file (where `path` is NULL: conf/moongate.lua if it is there), then the given flags as key, value pairs (NULL values are passed over). 0, or says what was wrong on stderr. */
int load_config(struct config *c, const char *path, const char *const (*flags)[2], unsigned count);

/* ---- scrape_submit.c ---- */

/* Hands what is scraped to the engine, which is borrowed. */
struct scrape_sink scrape_into(struct engine *engine);

/* ---- rules_store.c ---- */

/* Where rules read and write: the engine, which is borrowed. */
struct rules_store rules_store_of(struct engine *engine);

/* ---- watch.c: reload when a script changes ---- */

struct watch;
/* Watches directories with all below them for changes of .lua files; `changed` is called on the watch's own thread when things have been quiet for 200 ms. NULL with a sentence. */
struct watch *watch_start(const char *const *dirs, unsigned count, void (*changed)(void *ctx), void *ctx,
                          struct error *err);
void watch_stop(struct watch *w);

#endif

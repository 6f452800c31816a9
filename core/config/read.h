/* What the readers of conf/moongate.lua share: read.c runs the file and reads its options, read_tokens.c and read_scrape.c the lists of tables in it. Private to config/.
 *
 * They run in a protected call: what Lua raises ends the reading, so that whatever they hold is at each moment owned by the configuration. Values lie on the top of Lua's stack. */
#ifndef MOONGATE_CONFIG_READ_H
#define MOONGATE_CONFIG_READ_H

#include <lua.h>

#include "base/reserve.h"
#include "config/options.h"

struct reading {
	struct config *config;
	const char *path;
	struct slice text;
	struct error *err;
	struct reserve reserve; /* what the state is made in */
	size_t memory;
	bool starved;        /* the machine had no memory, whatever became of that in Lua */
	int64_t deadline_ns; /* of clock_cpu_ns */
	int code;            /* what taking the table apart gave */

	/* What is being read: the file's own options, or those of an entry, from 1, of a list of tables. */
	struct option_table table;
	void *of;
	const char *list;
	int entry;
};

/* Puts file, line and entry before the sentence about a key; returns `code`. */
int read_at_key(struct reading *r, const char *key, int code);

/* "key: found …, wanted …", with its place. −EINVAL. */
int read_refuse(struct reading *r, const char *key, const char *found, const char *wanted);

/* The items of the value on the stack's top when it is a list of at most `max` and nothing else, or −1: what has a name would be passed over, and an entry that is passed over is worse than one
 * that is refused. */
int read_list_length(lua_State *L, size_t max);

/* Reads the table on the stack's top into the struct `of`. `section` is "" at first. */
int read_table(struct reading *r, lua_State *L, const char *section);

/* The text on the stack's top, without a NUL in it, or NULL. */
const char *read_plain_text(lua_State *L);

/* Values of OPTION_TEXTS, OPTION_PAIRS and OPTION_MULTIPAIRS. 0, −EINVAL with the sentence and its place, −ENOMEM. */
int read_texts(struct reading *r, lua_State *L, const struct option *o);
int read_pairs(struct reading *r, lua_State *L, const struct option *o);

/* The lists: tokens = { … }, scrape = { … }. */
int read_tokens(struct reading *r, lua_State *L);
int read_scrapes(struct reading *r, lua_State *L);

#endif

/* Lua patterns, matched by code of our own: same syntax, results and error texts as LuaJIT's string library, but a match can be
 * stopped while it runs. (The stock matcher cannot: ".-.-b" over 64 KiB of text runs for hours.) And a NUL in a pattern is a
 * character like others, where it ends the stock one's. Knows nothing of Lua states.
 *
 * Private to script/. Any thread, one struct a match. */
#ifndef MOONGATE_SCRIPT_MATCH_H
#define MOONGATE_SCRIPT_MATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum {
	MATCH_CAPTURES_MAX = 32,
	MATCH_DEPTH_MAX = 200, /* pattern items that wait for what follows them: bounds the C stack */
	MATCH_TICKS = 4096     /* steps between two looks at the stop flag: some 10 µs */
};

#define MATCH_OPEN (-1)     /* length of a capture whose end is not reached */
#define MATCH_POSITION (-2) /* length of a position capture "()" */

struct match_capture {
	const char *at;
	ptrdiff_t len; /* bytes, or MATCH_OPEN, MATCH_POSITION */
};

struct match {
	const char *text, *text_end;      /* borrowed */
	const char *pattern_end;          /* borrowed */
	bool (*stopped)(const void *ctx); /* asked every MATCH_TICKS steps; NULL: never stopped */
	const void *ctx;
	const char *error; /* what is wrong with the pattern; set while matching */
	bool cut;          /* `stopped` said so: the match has no result */
	int32_t ticks;     /* steps left until the next look */
	uint32_t depth;
	uint32_t count; /* captures */
	struct match_capture captures[MATCH_CAPTURES_MAX];
};

/* Prepares a match of texts in `text` against patterns that end at `pattern_end`. */
void match_init(struct match *m, struct slice text, const char *pattern_end, bool (*stopped)(const void *ctx),
                const void *ctx);

/* Matches the pattern from `pattern` on at `at` and only there. The end of what matched, with captures set; or NULL: no match, or `error` or `cut` is set. */
const char *match_at(struct match *m, const char *at, const char *pattern);

/* Has the pattern no special characters, so that it is a plain text? */
bool match_is_plain(struct slice pattern);

/* The first place of `what`, as it is, in the text from `from` on. NULL: none, or `cut` is set. */
const char *match_plain(struct match *m, const char *from, struct slice what);

/* Counts `steps` of work done outside of match_at. False: the match is cut. */
bool match_tick(struct match *m, size_t steps);

#endif

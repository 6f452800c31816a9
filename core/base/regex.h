/* Regular expressions: RE2 behind a C interface, with the settings of Prometheus. Matching takes time linear in the text whatever the pattern, and memory within a bound.
 *
 * The dialect is that of Go's regexp package, which RE2 shares: `.` matches a newline too (as Prometheus 3 has it), case and greediness by flags in the pattern, no back-references, no look-around. (?<name>…), which Go
 * takes since 1.22 and Debian's RE2 (2022-06-01) does not, is rewritten to (?P<name>…); \C, which RE2 alone takes, is refused. What differs still:
 *
 *   texts that are not UTF-8      Go takes a bad byte for U+FFFD, so that `.` matches it; here nothing but what \Q…\E or a literal could say matches it, and a pattern cannot say it. Labels are UTF-8.
 *   classes of Unicode            Unicode 14 here; Go has 13 up to 1.20, 15 since. Names as in \p{Greek}; those that Go takes since 1.25 (\p{Letter}, \p{greek}) are errors here
 *   names of groups               RE2 takes letters beyond ASCII too
 *   depth                         Go nests 1,000 deep, here it is REGEX_DEPTH_MAX groups (regex_tree.h)
 *   size                          what takes more than the bounds below is an error here; Go takes larger ones
 *   words of errors               RE2's: "missing ): (a" where Go has "missing closing ): `(a`"
 *
 * The bounds. Memory: see REGEX_MEMORY_BYTES. Time: a byte of the text costs some ns where RE2's automaton has its states at hand; where a pattern makes it go through more states than it may keep, each place of the
 * pattern that a match may be at costs 2 to 4 ns a byte. So a pattern may have only REGEX_WIDTH_MAX such places: a value of 4 KiB takes 10 ms at most, a text of 64 KiB 16 times that.
 *
 * A compiled expression is immutable and may be used by any number of threads at once. */
#ifndef MOONGATE_BASE_REGEX_H
#define MOONGATE_BASE_REGEX_H

#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

enum {
	REGEX_PATTERN_BYTES_MAX = 64 * 1024,
	REGEX_MEMORY_BYTES =
	    8 * 1024 * 1024,   /* of an expression, at any time: while it is compiled, and with what matching caches */
	REGEX_WIDTH_MAX = 600, /* places of the pattern at once (regex_tree_width) */
	REGEX_GROUPS_MAX = 64  /* that regex_match_groups gives, beside the whole */
};

struct regex;

/* What an expression is for: regex_search is dearer, and has tighter bounds. */
enum regex_use { REGEX_MATCH, REGEX_SEARCH };

/* Compiles a pattern (UTF-8). Owned by the caller: regex_free. NULL, with *err set: -EINVAL with the sentence that RE2 gives and the pattern's faulty piece, -E2BIG past the bounds, -ENOMEM. */
struct regex *regex_new(struct slice pattern, enum regex_use use, struct error *err);
/* NULL is allowed. */
void regex_free(struct regex *re);

/* Does the whole text match (the pattern as if between ^(?: and )$)? 1, 0, or -ENOMEM. */
int regex_matches(const struct regex *re, struct slice text);

/* The same, and what the groups matched: groups[0] is the whole, then as many as `count` says (it counts the whole; at most REGEX_GROUPS_MAX + 1 are looked for); one that took no part, or that the pattern does not have,
 * has ptr NULL. They lie in the text, which is not NULL. */
int regex_match_groups(const struct regex *re, struct slice text, struct slice *groups, uint32_t count);

/* Does any part of the text match? From byte `from` on, which is at most the text's length; what lies before it is looked at by \b and ^. The first such part, as long as its pattern likes: `whole` (may be NULL). 1, 0, or
 * -ENOMEM. For expressions that were made for it. */
int regex_search(const struct regex *re, struct slice text, size_t from, struct slice *whole);

/* Groups of the pattern, and the number of the group with a name, or -1. */
uint32_t regex_group_count(const struct regex *re);
int regex_group_named(const struct regex *re, struct slice name);

/* Appends a template with $1, ${1}, $name, ${name}, $$ put in, as Go's Regexp.Expand does: an unknown or absent group is empty, $1x is the group named "1x", a $ without a name stands for itself. Names are of letters,
 * digits, and underscores of ASCII. It ends once `out` has more than `enough` bytes: a short template may put a long group in many times. */
void regex_expand(const struct regex *re, struct slice template_, const struct slice *groups, uint32_t count,
                  size_t enough, struct buf *out);

#endif

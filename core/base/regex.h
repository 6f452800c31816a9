/* Regular expressions: RE2 behind a C interface, with the settings of Prometheus. Matching takes time linear in the text whatever the pattern, and memory within a bound.
 *
 * The dialect is that of Go's regexp package, which RE2 shares: `.` matches a newline too (as Prometheus 3 has it), case and greediness by flags in the pattern, no back-references, no look-around. What Go takes
 * and Debian's RE2 does not, (?<name>…), is rewritten to (?P<name>…) before it is compiled.
 *
 * A compiled expression is immutable and may be used by any number of threads at once. */
#ifndef MOONGATE_BASE_REGEX_H
#define MOONGATE_BASE_REGEX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
	REGEX_PATTERN_BYTES_MAX = 64 * 1024,
	REGEX_MEMORY_BYTES = 8 * 1024 * 1024, /* of a compiled expression with what matching caches */
	REGEX_GROUPS_MAX = 64
};

struct regex;

/* Compiles a pattern (UTF-8). Owned by the caller: regex_free. NULL: -EINVAL with the sentence that RE2 gives and the pattern's faulty part, -E2BIG past the bounds, -ENOMEM. */
struct regex *regex_new(struct slice pattern, struct error *err);
/* NULL is allowed. */
void regex_free(struct regex *re);

/* Does the whole text match (the pattern as if between ^(?: and )$)? */
bool regex_matches(const struct regex *re, struct slice text);

/* The same, and what the groups matched: groups[0] is the whole, then as many as `count` says; one that took no part has ptr NULL. */
bool regex_match_groups(const struct regex *re, struct slice text, struct slice *groups, uint32_t count);

/* Does any part of the text match? From byte `from` on; `whole` (may be NULL) is what did. */
bool regex_search(const struct regex *re, struct slice text, size_t from, struct slice *whole);

/* Groups of the pattern, and the number of the group with a name, or -1. */
uint32_t regex_group_count(const struct regex *re);
int regex_group_named(const struct regex *re, struct slice name);

/* Appends a template with $1, ${1}, $name, ${name}, $$ put in, as Go's Regexp.Expand does (an unknown or absent group is empty; $1x is the group named "1x"). */
void regex_expand(const struct regex *re, struct slice template_, const struct slice *groups, uint32_t count, struct buf *out);

#ifdef __cplusplus
}
#endif
#endif

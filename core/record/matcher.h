/* Label matchers: name, operator, value. What selects series, log streams, alerts: =, !=, =~, !~. An absent label is the empty value, so that {a=""} and {a!="x"} match what has no `a`.
 *
 * Regular expressions are RE2's (base/regex.h) and match the whole value. Most of those that people write are no real expressions: "a|b|c", "api-.*", ".+", "10\.0\.(1|2)", "(?i:get)". A matcher knows what its pattern is, so that
 * indexes look up the alternatives or the range of a prefix, and the engine is asked only for the rest. Values are UTF-8: of bytes that are not, .* takes here all, as Go's regexp does, and none in RE2. */
#ifndef MOONGATE_RECORD_MATCHER_H
#define MOONGATE_RECORD_MATCHER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

enum matcher_op { MATCH_EQUAL, MATCH_NOT_EQUAL, MATCH_REGEX, MATCH_NOT_REGEX };

/* What a regular expression comes down to; the negation is not looked at. */
enum matcher_pattern {
	PATTERN_ANY,       /* .* : every value, absent too */
	PATTERN_NOT_EMPTY, /* .+ */
	PATTERN_SET,    /* one of `set`: a literal, or literals joined by |, sorted, distinct; "" may be among them */
	PATTERN_PREFIX, /* `prefix` and then anything (.*), or at least one character (.+: prefix_more) */
	PATTERN_REGEX   /* the engine is asked; `prefix`, which may be empty, is what every match begins with */
};

struct regex;

struct matcher {
	enum matcher_op op;
	struct slice name, value; /* owned */
	/* Of regular expressions; for = and != it is PATTERN_SET of the value. */
	enum matcher_pattern pattern;
	bool prefix_more;
	bool matches_empty;      /* does it match what has no such label? Those are looked for by what is excluded */
	struct slice prefix;     /* owned */
	const struct slice *set; /* owned */
	uint32_t set_count;
	struct regex *regex; /* NULL where the pattern needs none */
};

/* A matcher, or NULL with *err set (a pattern that does not compile, -ENOMEM). Owned by the caller: matcher_free. */
struct matcher *matcher_new(enum matcher_op op, struct slice name, struct slice value, struct error *err);
/* NULL is allowed. */
void matcher_free(struct matcher *m);

/* Does the value, "" for an absent label, match? 1, 0, or -ENOMEM, which an engine that runs out of memory says. Any number of threads at once. */
int matcher_matches(const struct matcher *m, struct slice value);

/* The same for the pattern alone: a negation is not looked at. */
int matcher_pattern_matches(const struct matcher *m, struct slice value);

/* Do all of them match a canonical label set (labels.h)? 1, 0, or -ENOMEM. */
int matchers_match(struct matcher *const *m, uint32_t count, struct slice labels);

/* Is it != or !~? */
static inline bool matcher_negates(const struct matcher *m)
{
	return m->op == MATCH_NOT_EQUAL || m->op == MATCH_NOT_REGEX;
}

/* Appends name="value" as PromQL writes it, escaped; names that need it are quoted. */
void matcher_text(const struct matcher *m, struct buf *out);

#endif

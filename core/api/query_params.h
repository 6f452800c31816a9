/* The parameters of a request to the Prometheus API: of the query, and of a form in the body, which come first. Names may be repeated. */
#ifndef MOONGATE_API_QUERY_PARAMS_H
#define MOONGATE_API_QUERY_PARAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"

struct matcher;

enum {
	PARAMS_MAX = 1000, /* of a request */
	MATCHES_MAX = 100  /* match[] */
};

struct param {
	struct slice name, value;
};

struct params {
	const struct param *items; /* in the arena, with all that they point to */
	uint32_t count;
};

/* Reads a form (application/x-www-form-urlencoded), which may be empty, and a query. 0; -EINVAL with a sentence; -ENOMEM. */
int params_read(struct slice form, struct slice query, struct arena *arena, struct params *out, struct error *err);

/* The first value of a name; empty where there is none. */
struct slice params_get(const struct params *p, const char *name);

/* A time: Unix seconds, with a fraction or an exponent, or RFC 3339; as milliseconds, no further than an int64 reaches. `otherwise` where it is missing or empty. 0, or -EINVAL with a sentence. */
int params_time(const struct params *p, const char *name, int64_t otherwise, int64_t *ms, struct error *err);

/* A duration: seconds, with a fraction or an exponent, or as PromQL has it ("1h30m"); in milliseconds, rounded to nearest. `otherwise` where it is missing or empty. 0; -EINVAL with a sentence; -ENOMEM. */
int params_duration(const struct params *p, const char *name, int64_t otherwise, int64_t *ms, struct arena *arena,
                    struct error *err);

/* A number that is not negative; `otherwise` where it is missing or empty. 0, or -EINVAL with a sentence. */
int params_limit(const struct params *p, const char *name, uint32_t otherwise, uint32_t *out, struct error *err);

/* The matchers of one match[]. */
struct match {
	struct matcher **matchers; /* owned; the array is the arena's */
	uint32_t count;
};
struct matches {
	struct match items[MATCHES_MAX];
	uint32_t count;
};

/* Reads every match[]: each has a matcher that does not match the empty value, so that nobody asks for everything by a slip. 0; -EINVAL with a sentence; -ENOMEM. matches_free in any case. */
int params_matches(const struct params *p, struct arena *arena, struct matches *out, struct error *err);
void matches_free(struct matches *m);

/* The name of a label as a path has it: what Prometheus escapes with U__ is unescaped (U__a_2e_b is a.b), anything else is itself. In the arena, or the name; ptr NULL: memory is out. */
struct slice label_name_unescape(struct slice name, struct arena *arena);

#endif

/* Strict JSON (RFC 8259) over bytes in memory: the pieces that decoders are made of. Nothing here knows of events.
 *
 * A cursor may read up to INGEST_PADDING bytes behind its end and never takes them for input. Private to ingest/. */
#ifndef MOONGATE_INGEST_JSON_H
#define MOONGATE_INGEST_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "record/record.h"

struct json {
	const char *at;
	const char *end;
	const char *error; /* what was wanted at `at`; set by whatever returned false or a negative errno */
};

static inline bool json_is_space(char c)
{
	return (unsigned char)c <= ' ' && (c == ' ' || c == '\n' || c == '\r' || c == '\t'); /* mostly it is none */
}

static inline void json_space(struct json *j)
{
	while (j->at < j->end && json_is_space(*j->at))
		j->at++;
}

/* Remembers what was wrong; returns false. */
static inline bool json_fail(struct json *j, const char *error)
{
	j->error = error;
	return false;
}

/* Takes one byte and the space before it. */
static inline bool json_take(struct json *j, char c, const char *error)
{
	json_space(j);
	if (j->at >= j->end || *j->at != c)
		return json_fail(j, error);
	j->at++;
	return true;
}

/* A string, `at` on its opening quote: the bytes between the quotes, escapes not undone; UTF-8 and escapes are checked. */
bool json_string_raw(struct json *j, struct slice *raw, bool *escaped);

/* Undoes the escapes of a checked raw string into the arena; its ptr is NULL when memory is out. */
struct slice json_unescape(struct arena *a, struct slice raw);

/* A number, `at` on its first byte. VALUE_INT where it fits, else VALUE_DOUBLE. *unfit says why a well-formed number is not taken all the same (beyond double's range, of
 * more than 1024 bytes; the value is then unspecified), else it is NULL. */
bool json_number(struct json *j, struct value *out, const char **unfit);

/* true, false, null. */
bool json_literal(struct json *j, struct value *out);

/* Passes over one value of any depth, checking its syntax, without recursion. 0, -EINVAL with `error`, -ENOMEM. Memory: one bit a level. */
int json_skip(struct json *j);

#endif

/* Decoders: bytes of one protocol → records. One file a protocol; pure functions over a buffer: no I/O, no clock, no global state.
 * Any thread, one batch a thread. Every decoder survives any input, in time and memory linear in its length. */
#ifndef MOONGATE_INGEST_INGEST_H
#define MOONGATE_INGEST_INGEST_H

#include <stdint.h>

#include "base/error.h"
#include "base/slice.h"
#include "record/record.h"

/* Decoders may read (not use) this many bytes behind the end of a body: they must be allocated. */
enum { INGEST_PADDING = 64 };

struct ingest_limits {
	uint32_t depth;        /* nesting of objects and arrays in an event; the event itself is 1. Default 32 */
	uint32_t fields;       /* fields of one event, nested ones and array items counted. Default 1024 */
	uint32_t key_bytes;    /* of a field name. Default 256 */
	uint32_t string_bytes; /* of one string, decoded. Default 65536 */
	uint32_t event_bytes;  /* of one event as sent. Default 1 MiB */
	uint32_t events;       /* in one body. Default 100000 */
};

/* One event of a body that was refused, with the reason. */
struct ingest_reject {
	uint32_t index;    /* 0-based position in the body */
	struct slice text; /* a sentence, valid UTF-8, in the batch's names */
};

struct ingest_rejects {
	struct ingest_reject *items; /* owned (ingest_rejects_free) */
	uint32_t count;
	uint32_t unlisted; /* refused, but beyond the room for the list */
	size_t cap;
	size_t room;    /* bytes that may still be listed, as an answer has them */
	bool in_event;  /* the body was refused as a whole for a syntax error within an event, */
	uint32_t event; /* the one at this 0-based position */
};

/* How many bytes the refusals of a body may take: what is refused must not cost more than what is taken. Twice the body, and at least 256 KiB, is room for all refusals of
 * anything but a body of the smallest things that are no events. */
size_t ingest_rejects_room(size_t body_len);

/* Adds a refusal, the text formatted into the batch's names, or counts it as unlisted. 0 or -ENOMEM. */
int ingest_reject_add(struct ingest_rejects *rejects, struct batch *b, uint32_t index, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Frees the list itself; its texts go with the batch. */
void ingest_rejects_free(struct ingest_rejects *rejects);

/* The defaults named above. */
void ingest_limits_default(struct ingest_limits *limits);

/* JSON events (RFC 8259): one object, an array of objects, or NDJSON (objects separated by line ends; blank lines skipped; told apart by the body's
 * first bytes: '[' is an array; one object may be spread over lines; an object followed by anything but white space is NDJSON, and so is what is no object but has a
 * later line that begins like one; there an object spans no line end).
 *
 * Of each event: `type` (non-empty string, required; ≤ 128 bytes) becomes the record's type, `time` its time (RFC 3339, or a number since the Unix epoch told apart by size:
 * |t| < 1e11 seconds, < 1e14 milliseconds, < 1e17 microseconds, else nanoseconds; years 1970..2261; missing or null: `arrival_ns`); neither stays among the fields. `id`, `tenant_id`, `trace_id`,
 * `span_id`, `request_id`, `user_id` must be strings or numbers where present and not null; a number is kept as its decimal text, an empty or null one is left out. All other fields stay as they are.
 * Integers that fit int64 are VALUE_INT, other numbers VALUE_DOUBLE; a number beyond double's range (1e999), NaN and Infinity, duplicate keys, lone surrogates, invalid UTF-8, raw control characters are errors.
 *
 * An event that is well-formed JSON but no valid event is refused alone, by its index; in NDJSON so is a line with a syntax error. A syntax error in an
 * array or a single object, a cut-off body, an empty body, or an array of more than limits->events refuses the whole body.
 *
 * `body` has INGEST_PADDING readable bytes behind it, and outlives the batch or is owned by it: strings without escapes point into it.
 * 0: decoded, each event is either a record of the batch or in `rejects`, listed or counted. Values of what was refused are given back, so that decoding never takes
 * more than some eight times the body. -EINVAL: the whole body is refused, `err` says why and at which byte offset,
 * rejects->in_event and rejects->event within which event where it is one.
 * -EFBIG: over limits->events. -ENOMEM. After an error the batch is to be reset. */
int ingest_events_json(struct batch *b, struct slice body, int64_t arrival_ns, const struct ingest_limits *limits,
                       struct ingest_rejects *rejects, struct error *err);

#endif

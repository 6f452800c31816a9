/* One request out of a stream of bytes: head, then body. No sockets, no clock: what it does depends on the bytes alone, however they are cut. */
#ifndef MOONGATE_NET_READER_H
#define MOONGATE_NET_READER_H

#include <llhttp.h>
#include <stdbool.h>
#include <stdint.h>

#include "net/body.h"
#include "net/head.h"

struct reader_limits {
	uint32_t header_bytes;
	uint64_t body_bytes; /* as sent */
	struct budget *budget;
};

enum reader_phase {
	READER_IN_HEAD,
	READER_IN_FIXED,
	READER_IN_CHUNKS,
	READER_IN_TRAILER,
	READER_AT_END,
	READER_BROKEN
};

enum reader_event {
	READER_MORE,    /* all bytes are used, more are needed */
	READER_HEAD,    /* the head is complete; feed on for the body */
	READER_DONE,    /* the request is complete */
	READER_REFUSED, /* see `no`; the connection cannot be used any further */
};

/* What follows the last chunk; read and forgotten. */
struct trailer {
	uint32_t bytes; /* so far */
	uint32_t line;  /* so far, of the line */
	bool cr, colon; /* seen in the line */
};

struct reader {
	const struct reader_limits *limits; /* borrowed */
	enum reader_phase phase;
	llhttp_t parser;
	struct head head;
	struct body body;
	uint64_t left;   /* of a body with Content-Length */
	bool discard;    /* set at READER_HEAD: the body is counted, not kept */
	uint64_t passed; /* its bytes so far */
	uint64_t wire;   /* bytes of a chunked body with its framing */
	const char *fed; /* what is being fed; borrowed for the call */
	struct trailer trailer;
	struct refusal no;
};

/* Makes `r`, zeroed at first, ready for the next request. The body is freed unless it was taken; `keep` bytes of memory may stay with the head. */
void reader_reset(struct reader *r, const struct reader_limits *limits, size_t keep);

/* Feeds `len` bytes, of which `*used` are used up. A head of a declared length over body_bytes is the caller's to refuse at READER_HEAD. */
enum reader_event reader_feed(struct reader *r, const char *bytes, size_t len, size_t *used);

/* For a long body: memory to read its next bytes straight into, and how many fit; 0 when bytes should rather be fed. */
size_t reader_direct(struct reader *r, char **at);

/* `n` bytes were written to where reader_direct pointed. */
enum reader_event reader_landed(struct reader *r, size_t n);

/* The body's bytes that have come, kept or not. */
static inline uint64_t reader_seen(const struct reader *r)
{
	return r->body.len + r->passed;
}

/* Has the request's first byte been seen? */
bool reader_has_begun(const struct reader *r);

#endif

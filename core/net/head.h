/* The head of a request: finding its end, checking its lines, its fields, its target. Knows nothing of sockets. */
#ifndef MOONGATE_NET_HEAD_H
#define MOONGATE_NET_HEAD_H

#include <llhttp.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/header.h"
#include "base/slice.h"

enum { HEAD_FIELDS_MAX = 100 };

/* Fields that the server itself looks at. */
enum head_known {
	HEAD_OTHER,
	HEAD_HOST,
	HEAD_ORIGIN,
	HEAD_EXPECT,
	HEAD_REQUEST_ID,
	HEAD_AUTHORIZATION,
	HEAD_CONTENT_LENGTH,
	HEAD_ACCEPT_ENCODING,
	HEAD_CONTENT_ENCODING,
	HEAD_TRANSFER_ENCODING,
	HEAD_KNOWN
};

/* Offsets into the head's bytes. */
struct head_field {
	uint32_t name, name_len;
	uint32_t value, value_len; /* without white space at either end */
};

/* Why bytes are refused: a status and a literal sentence. */
struct refusal {
	int status; /* 0: not refused */
	const char *why;
};

/* How far the lines were checked; offsets from the first byte. */
struct head_scan {
	size_t begin; /* of the request line: behind one empty line that a client may send first */
	size_t line;  /* of the line that is not complete yet */
	size_t at;    /* everything before was looked at */
	uint32_t lines;
};

struct head {
	struct buf
	    raw; /* request line and fields as sent, with the empty line behind them; the path is decoded in place */
	struct head_scan scan;
	struct head_field fields[HEAD_FIELDS_MAX];
	uint32_t count;
	uint8_t known[HEAD_KNOWN]; /* 1 + index of the first such field; 0: there is none */
	uint8_t times[HEAD_KNOWN]; /* how often it is there */
	llhttp_method_t method;
	uint8_t minor;           /* of HTTP/1.x: 0 or 1 */
	bool keep_alive;         /* what the client asked for */
	bool chunked;            /* else a body has content_length bytes */
	uint64_t content_length; /* 0: there is no body */
	struct slice target;     /* as sent; over its path's bytes lies what `path` has */
	struct slice path;       /* percent-decoded */
	struct slice query;      /* raw, without '?' */
};

enum head_found { HEAD_MORE, HEAD_COMPLETE, HEAD_REFUSED };

/* Looks for the end of the head in `len` bytes that begin with its first one; on HEAD_COMPLETE `*end` is the offset behind it. Called again
 * with more bytes (and the same ones before them) it goes on where it stopped. Every line must end in CR LF, with no other CR or LF; no line
 * may begin with white space or a colon; the request line must be `METHOD SP target SP HTTP/1.0` or `1.1`. */
enum head_found head_find(struct head_scan *s, const char *bytes, size_t len, size_t *end, struct refusal *no);

/* Takes the complete head in `h->raw` apart with `parser`, which is left behind the head, ready for the body's chunks. False with a refusal. */
bool head_parse(struct head *h, llhttp_t *parser, struct refusal *no);

/* Makes `h` ready for another request; `keep` is how many bytes of memory it may hold on to. */
void head_reset(struct head *h, size_t keep);

/* The value of the first field of a kind, or an empty slice with NULL ptr. */
struct slice head_known_value(const struct head *h, enum head_known which);

/* The value of the first field of that name (any case), or an empty slice with NULL ptr. */
struct slice head_value(const struct head *h, const char *name);

/* Splits the target into path and query and decodes the path in place. False with a refusal: not in origin form, a fragment, malformed
 * percent codes, control characters, "." or ".." or empty segments. "*" is taken for OPTIONS. */
bool target_parse(struct head *h, char *target, size_t len, struct refusal *no);

/* Decodes percent codes and '+' of a query parameter from `in` to `out`, which has room for as many bytes; malformed codes stay as they are.
 * Returns the length. */
size_t target_decode_param(struct slice in, char *out);

#endif

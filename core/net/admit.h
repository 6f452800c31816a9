/* What to do with a request of which the head is known: everything that is decided before a byte of its body is read. Pure: no sockets. */
#ifndef MOONGATE_NET_ADMIT_H
#define MOONGATE_NET_ADMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "net/head.h"
#include "net/inflate.h"
#include "net/net.h"
#include "net/rate.h"

/* HEAD and OPTIONS besides the bits of enum http_method. */
enum { METHOD_HEAD = 16, METHOD_OPTIONS = 32 };

struct gate {
	const struct http_route *routes; /* borrowed */
	uint32_t route_count;
	const struct http_token *tokens; /* borrowed */
	uint32_t token_count;
	struct rate *rates; /* borrowed: one a token, then that of requests without one; NULL: no limits */
	uint64_t body_bytes;
	const struct budget *budget;
};

struct admission {
	const struct http_route *route; /* NULL unless it goes to a handler */
	struct refusal no;              /* status 0: admitted; 204: OPTIONS, answered with `allow` */
	unsigned allow;                 /* for 204 and 405: methods of the path, with METHOD_HEAD and METHOD_OPTIONS */
	enum encoding encoding;         /* of the body */
	bool wants_continue;            /* the client waits for 100 */
	uint32_t retry_after_s;         /* of a 429 */
	bool drain; /* of a 429: the body is to be read and thrown away, so that the connection stays usable */
};

/* `now_ns`: monotonic, for the rates. */
void admit(const struct gate *g, const struct head *h, int64_t now_ns, struct admission *out);

/* The bit of enum http_method for a method, HEAD as GET; METHOD_OPTIONS; 0 for any other. */
unsigned admit_method(llhttp_method_t method);

/* Which scopes an Authorization value gives: bits of enum http_scope, or -1 when it holds no known token. The time it takes depends on the
 * length of the value and the number of tokens, not on how much of one matches. *which is then the token's number, the last one's where it stands several times. */
int admit_scopes(const struct gate *g, struct slice authorization, uint32_t *which);

/* Is `origin` that of a page served under `host`? */
bool admit_origin(struct slice origin, struct slice host);

#endif

/* What to do with a request of which the head is known: everything that is decided before a byte of its body is read. Pure: no sockets. */
#ifndef MOONGATE_NET_ADMIT_H
#define MOONGATE_NET_ADMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "net/head.h"
#include "net/inflate.h"
#include "net/net.h"

/* HEAD and OPTIONS besides the bits of enum http_method. */
enum { METHOD_HEAD = 16, METHOD_OPTIONS = 32 };

struct gate {
	const struct http_route *routes; /* borrowed */
	uint32_t route_count;
	const struct http_token *tokens; /* borrowed */
	uint32_t token_count;
	uint64_t body_bytes;
	const struct budget *budget;
};

struct admission {
	const struct http_route *route; /* NULL unless it goes to a handler */
	struct refusal no;              /* status 0: admitted; 204: OPTIONS, answered with `allow` */
	unsigned allow;                 /* for 204 and 405: methods of the path, with METHOD_HEAD and METHOD_OPTIONS */
	enum encoding encoding;         /* of the body */
	bool wants_continue;            /* the client waits for 100 */
};

void admit(const struct gate *g, const struct head *h, struct admission *out);

/* The bit of enum http_method for a method, HEAD as GET; METHOD_OPTIONS; 0 for any other. */
unsigned admit_method(llhttp_method_t method);

/* Which scopes an Authorization value gives: bits of enum http_scope, or -1 when it holds no known token. The time it takes depends on the
 * length of the value and the number of tokens, not on how much of one matches. */
int admit_scopes(const struct gate *g, struct slice authorization);

/* Is `origin` that of a page served under `host`? */
bool admit_origin(struct slice origin, struct slice host);

#endif

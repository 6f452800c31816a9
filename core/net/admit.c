/* Routes, tokens, origins, rates, encodings, lengths. In this order, so that who may not use a path learns nothing about its limits. */
#include "net/admit.h"

#include <nettle/memops.h>
#include <nettle/sha2.h>
#include <string.h>

unsigned admit_method(llhttp_method_t method)
{
	switch (method) {
	case HTTP_GET:
	case HTTP_HEAD:
		return HTTP_GET_;
	case HTTP_POST:
		return HTTP_POST_;
	case HTTP_PUT:
		return HTTP_PUT_;
	case HTTP_DELETE:
		return HTTP_DELETE_;
	case HTTP_OPTIONS:
		return METHOD_OPTIONS;
	default:
		return 0;
	}
}

/* ---- routes ---- */

/* How much of `path` the route's pattern stands for: 0: none; an exact one counts for more than any prefix. */
static size_t match(const char *pattern, struct slice path)
{
	size_t len = strlen(pattern);
	if (len >= 2 && pattern[len - 1] == '*' && pattern[len - 2] == '/')
		return path.len >= len - 1 && memcmp(pattern, path.ptr, len - 1) == 0 ? len - 1 : 0;
	return path.len == len && memcmp(pattern, path.ptr, len) == 0 ? len + 1 : 0;
}

static unsigned with_implied(unsigned methods)
{
	return methods | METHOD_OPTIONS | ((methods & HTTP_GET_) != 0 ? METHOD_HEAD : 0);
}

/* Several routes may have the same path with other methods. */
static void find_route(const struct gate *g, struct slice path, unsigned method, struct admission *out)
{
	size_t best = 0;
	unsigned methods = 0;
	for (uint32_t i = 0; i < g->route_count; i++) {
		const struct http_route *route = &g->routes[i];
		size_t n = match(route->path, path);
		if (n == 0 || n < best)
			continue;
		if (n > best) {
			best = n;
			methods = 0;
			out->route = NULL;
		}
		methods |= route->methods;
		if ((route->methods & method) != 0)
			out->route = route;
	}
	out->allow = methods != 0 ? with_implied(methods) : 0;
}

static unsigned all_methods(const struct gate *g)
{
	unsigned methods = 0;
	for (uint32_t i = 0; i < g->route_count; i++)
		methods |= g->routes[i].methods;
	return with_implied(methods);
}

static struct refusal check_route(const struct gate *g, const struct head *h, struct admission *out)
{
	unsigned method = admit_method(h->method);
	if (h->path.len == 1 && h->path.ptr[0] == '*')
		out->allow = all_methods(g);
	else
		find_route(g, h->path, method, out);
	if (out->allow == 0)
		return (struct refusal){404, "there is nothing at this path"};
	if (method == METHOD_OPTIONS)
		return (struct refusal){204, NULL};
	if (out->route == NULL)
		return (struct refusal){405, "the path does not have this method"};
	return (struct refusal){0};
}

/* ---- tokens ---- */

int admit_scopes(const struct gate *g, struct slice authorization, uint32_t *which)
{
	static const struct slice scheme = SLICE("bearer ");
	struct sha256_ctx sha;
	uint8_t digest[SHA256_DIGEST_SIZE];
	unsigned scopes = 0;
	unsigned found = 0;
	uint32_t number = 0;

	if (authorization.len <= scheme.len || !header_same(slice_new(authorization.ptr, scheme.len), scheme))
		return -1;
	struct slice token = header_trim(slice_new(authorization.ptr + scheme.len, authorization.len - scheme.len));
	sha256_init(&sha);
	sha256_update(&sha, token.len, (const uint8_t *)token.ptr);
	sha256_digest(&sha, sizeof digest, digest);
	for (uint32_t i = 0; i < g->token_count; i++) {
		unsigned same = (unsigned)memeql_sec(digest, g->tokens[i].sha256, sizeof digest);
		found |= same;
		scopes |= g->tokens[i].scopes & (0u - same);
		number = (number & ~(0u - same)) | (i & (0u - same));
	}
	*which = number;
	return found != 0 ? (int)scopes : -1;
}

/* *which: the number of the rate that holds for the request. */
static struct refusal check_token(const struct gate *g, const struct head *h, unsigned scope, uint32_t *which)
{
	*which = g->token_count;
	if (g->token_count == 0 || scope == SCOPE_NONE)
		return (struct refusal){0};
	struct slice authorization = head_known_value(h, HEAD_AUTHORIZATION);
	if (authorization.ptr == NULL)
		return (struct refusal){401, "this needs a token: Authorization: Bearer"};
	int scopes = admit_scopes(g, authorization, which);
	if (scopes < 0)
		return (struct refusal){401, "the token is not known"};
	if (((unsigned)scopes & scope) == 0)
		return (struct refusal){403, "the token does not have the scope that this needs"};
	return (struct refusal){0};
}

/* ---- origins ---- */

/* Cuts off a port that is the scheme's own; what looks like one behind another port is none. */
static struct slice without_port(struct slice s, const char *port)
{
	struct slice end = slice_cstr(port);
	if (s.len <= end.len || memcmp(s.ptr + s.len - end.len, end.ptr, end.len) != 0)
		return s;
	struct slice rest = slice_new(s.ptr, s.len - end.len);
	bool is_host = rest.ptr[rest.len - 1] == ']' || memchr(rest.ptr, ':', rest.len) == NULL;
	return is_host ? rest : s;
}

static bool cut_prefix(struct slice *s, const char *lower)
{
	struct slice begin = slice_cstr(lower);
	if (s->len < begin.len || !header_same(slice_new(s->ptr, begin.len), begin))
		return false;
	s->ptr += begin.len;
	s->len -= begin.len;
	return true;
}

bool admit_origin(struct slice origin, struct slice host)
{
	const char *port = ":80";
	if (!cut_prefix(&origin, "http://")) {
		if (!cut_prefix(&origin, "https://"))
			return false;
		port = ":443";
	}
	return host.len > 0 && header_same(without_port(origin, port), without_port(host, port));
}

static struct refusal check_origin(const struct head *h)
{
	bool changes = (admit_method(h->method) & (HTTP_POST_ | HTTP_PUT_ | HTTP_DELETE_)) != 0;
	if (!changes || h->times[HEAD_ORIGIN] == 0)
		return (struct refusal){0};
	if (h->times[HEAD_ORIGIN] > 1 ||
	    !admit_origin(head_known_value(h, HEAD_ORIGIN), head_known_value(h, HEAD_HOST)))
		return (struct refusal){403, "requests from pages of another origin are refused"};
	return (struct refusal){0};
}

/* ---- rates ---- */

/* Who asks first whether it may send its body, and is told no, may send it or not: the connection is closed then, for nobody can tell what would come next. */
static struct refusal check_rate(const struct gate *g, const struct head *h, uint32_t which, int64_t now_ns,
                                 struct admission *out)
{
	if (g->rates == NULL || out->route->scope == SCOPE_NONE)
		return (struct refusal){0};
	out->retry_after_s = rate_take(&g->rates[which], now_ns);
	if (out->retry_after_s == 0)
		return (struct refusal){0};
	out->drain = h->times[HEAD_EXPECT] == 0 && h->content_length <= g->body_bytes;
	if (which == g->token_count)
		return (struct refusal){429, "more requests came than may be sent without a token"};
	return (struct refusal){429, "more requests came than this token may send"};
}

/* ---- the body to come ---- */

/* Is the body Snappy although no Content-Encoding says so? */
static bool is_silent_snappy(const struct http_route *route, const struct head *h)
{
	if (route->bodies == NULL || route->bodies->silent_snappy == NULL ||
	    head_known_value(h, HEAD_CONTENT_ENCODING).len > 0)
		return false;
	struct slice type = head_value(h, "content-type");
	type = header_cut(&type, ';');
	return type.len == 0 || header_is(type, route->bodies->silent_snappy);
}

static struct refusal check_body(const struct gate *g, const struct head *h, struct admission *out)
{
	out->encoding = encoding_parse(head_known_value(h, HEAD_CONTENT_ENCODING));
	if (out->encoding == ENCODING_UNKNOWN || h->times[HEAD_CONTENT_ENCODING] > 1)
		return (struct refusal){415, "Content-Encoding must be gzip, zstd, snappy or identity"};
	if (is_silent_snappy(out->route, h))
		out->encoding = ENCODING_SNAPPY;
	struct slice expect = head_known_value(h, HEAD_EXPECT);
	if (expect.ptr != NULL && h->minor == 1) {
		if (h->times[HEAD_EXPECT] > 1 || !header_is(expect, "100-continue"))
			return (struct refusal){417, "the only expectation that can be met is 100-continue"};
		out->wants_continue = h->chunked || h->content_length > 0;
	}
	if (h->content_length > g->body_bytes)
		return (struct refusal){413, "the body is too large"};
	if (!budget_has(g->budget, h->content_length))
		return (struct refusal){503, "the memory for bodies in flight is used up"};
	return (struct refusal){0};
}

void admit(const struct gate *g, const struct head *h, int64_t now_ns, struct admission *out)
{
	uint32_t which = 0;
	*out = (struct admission){0};
	out->no = check_route(g, h, out);
	if (out->no.status == 0)
		out->no = check_token(g, h, out->route->scope, &which);
	if (out->no.status == 0)
		out->no = check_origin(h);
	if (out->no.status == 0)
		out->no = check_rate(g, h, which, now_ns, out);
	if (out->no.status == 0)
		out->no = check_body(g, h, out);
	if (out->no.status != 0)
		out->route = NULL;
}

/* Routes, tokens and scopes, origins, encodings, expectations, lengths: decided from the head alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "net/admit.h"
#include "net/reader.h"

static void handler(void *ctx, struct http_request *req)
{
	(void)ctx;
	(void)req;
}

static const struct http_bodies silent = {.silent_snappy = "application/x-protobuf"};

static const struct http_route routes[] = {
    {"/healthy", HTTP_GET_, SCOPE_NONE, handler, NULL},
    {"/events", HTTP_POST_, SCOPE_INGEST, handler, NULL},
    {"/metrics", HTTP_GET_, SCOPE_QUERY, handler, NULL},
    {"/reload", HTTP_POST_ | HTTP_PUT_, SCOPE_ADMIN, handler, NULL},
    {"/label/*", HTTP_GET_, SCOPE_QUERY, handler, NULL},
    {"/label/name/*", HTTP_GET_, SCOPE_QUERY, handler, NULL},
    {"/label/name/values", HTTP_GET_, SCOPE_QUERY, handler, NULL},
    {"/both", HTTP_GET_, SCOPE_QUERY, handler, NULL},
    {"/both", HTTP_DELETE_, SCOPE_ADMIN, handler, NULL},
    {"/silent", HTTP_POST_, SCOPE_INGEST, handler, &silent},
};

enum { ROUTES = sizeof routes / sizeof *routes };

static struct budget budget = {.max = 1 << 20};
static struct gate gate = {.routes = routes, .route_count = ROUTES, .body_bytes = 65536, .budget = &budget};
static const struct reader_limits limits = {.header_bytes = 16384, .body_bytes = 65536, .budget = &budget};
static struct reader reader;
static struct admission got;
static int64_t now_ns = NS_PER_S;

/* Admits a request with these header lines; the status, 0 for admitted. */
static int ask_line(const char *line, const char *headers)
{
	char text[1024];
	size_t used;
	int n = snprintf(text, sizeof text, "%s\r\nHost: gate:4318\r\n%s\r\n", line, headers);
	reader_reset(&reader, &limits, 0);
	assert_int_equal(reader_feed(&reader, text, (size_t)n, &used), READER_HEAD);
	admit(&gate, &reader.head, now_ns, &got);
	assert_true((got.no.status == 0) == (got.route != NULL));
	return got.no.status;
}

static int ask(const char *method, const char *path, const char *headers)
{
	char line[256];
	snprintf(line, sizeof line, "%s %s HTTP/1.1", method, path);
	return ask_line(line, headers);
}

static int teardown(void **state)
{
	(void)state;
	reader_reset(&reader, &limits, 0);
	gate.tokens = NULL;
	gate.token_count = 0;
	gate.rates = NULL;
	budget.used = 0;
	return 0;
}

static void is_route(const char *path, const char *want)
{
	int status = ask("GET", path, "");
	if (want == NULL) {
		assert_int_equal(status, 404);
		return;
	}
	assert_int_equal(status, 0);
	assert_string_equal(got.route->path, want);
}

static void routes_are_found(void **state)
{
	(void)state;
	is_route("/metrics", "/metrics");
	is_route("/metrics?x=/y", "/metrics");
	is_route("/metric%73", "/metrics");
	is_route("/metrics/", NULL);
	is_route("/metric", NULL);
	is_route("/metricsx", NULL);
	is_route("/Metrics", NULL);
	is_route("/", NULL);
	is_route("/label", NULL);
	is_route("/label/", "/label/*");
	is_route("/label/a/values", "/label/*");
	is_route("/label/name", "/label/*");
	is_route("/label/name/x", "/label/name/*");
	is_route("/label/name/values", "/label/name/values");
	is_route("/label/*", "/label/*");
}

static void methods_are_checked(void **state)
{
	static const struct {
		const char *method, *path;
		int status;
		unsigned allow;
	} cases[] = {
	    {"GET", "/metrics", 0, 0},
	    {"HEAD", "/metrics", 0, 0},
	    {"POST", "/metrics", 405, HTTP_GET_ | METHOD_HEAD | METHOD_OPTIONS},
	    {"GET", "/events", 405, HTTP_POST_ | METHOD_OPTIONS},
	    {"HEAD", "/events", 405, HTTP_POST_ | METHOD_OPTIONS},
	    {"PUT", "/reload", 0, 0},
	    {"DELETE", "/reload", 405, HTTP_POST_ | HTTP_PUT_ | METHOD_OPTIONS},
	    {"PATCH", "/reload", 405, HTTP_POST_ | HTTP_PUT_ | METHOD_OPTIONS},
	    {"TRACE", "/metrics", 405, HTTP_GET_ | METHOD_HEAD | METHOD_OPTIONS},
	    {"DELETE", "/both", 0, 0},
	    {"GET", "/both", 0, 0},
	    {"POST", "/both", 405, HTTP_GET_ | HTTP_DELETE_ | METHOD_HEAD | METHOD_OPTIONS},
	    {"OPTIONS", "/both", 204, HTTP_GET_ | HTTP_DELETE_ | METHOD_HEAD | METHOD_OPTIONS},
	    {"OPTIONS", "/events", 204, HTTP_POST_ | METHOD_OPTIONS},
	    {"OPTIONS", "*", 204, HTTP_GET_ | HTTP_POST_ | HTTP_PUT_ | HTTP_DELETE_ | METHOD_HEAD | METHOD_OPTIONS},
	    {"OPTIONS", "/nothing", 404, 0},
	    {"PATCH", "/nothing", 404, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(ask(cases[i].method, cases[i].path, ""), cases[i].status);
		if (cases[i].status == 405 || cases[i].status == 204)
			assert_int_equal(got.allow, cases[i].allow);
	}
	assert_int_equal(ask("DELETE", "/both", ""), 0);
	assert_int_equal(got.route->scope, SCOPE_ADMIN);
}

/* ---- tokens ---- */

static struct http_token token_of(const char *text, unsigned scopes)
{
	struct http_token t = {.scopes = scopes};
	struct sha256_ctx sha;
	sha256_init(&sha);
	sha256_update(&sha, strlen(text), (const uint8_t *)text);
	sha256_digest(&sha, sizeof t.sha256, t.sha256);
	return t;
}

/* Every route with every kind of credential. */
static void scopes_are_wanted(void **state)
{
	static const char *const names[] = {"nothing", "i", "q", "iq", "a", "ia", "qa", "all"};
	static struct http_token tokens[8];

	(void)state;
	for (unsigned s = 0; s < 8; s++)
		tokens[s] = token_of(names[s], s);
	gate.tokens = tokens;
	gate.token_count = 8;
	for (size_t i = 0; i < ROUTES; i++) {
		const struct http_route *r = &routes[i];
		const char *method = (r->methods & HTTP_GET_) ? "GET" : (r->methods & HTTP_POST_) ? "POST" : "DELETE";
		bool open = r->scope == SCOPE_NONE;
		assert_int_equal(ask(method, r->path, ""), open ? 0 : 401);
		assert_int_equal(ask(method, r->path, "Authorization: Bearer wrong\r\n"), open ? 0 : 401);
		for (unsigned s = 0; s < 8; s++) {
			char header[64];
			snprintf(header, sizeof header, "Authorization: Bearer %s\r\n", names[s]);
			int want = open || (s & r->scope) != 0 ? 0 : 403;
			assert_int_equal(ask(method, r->path, header), want);
		}
	}
}

static void other_credentials_are_not_known(void **state)
{
	static const char *const headers[] = {
	    "Authorization:\r\n",
	    "Authorization: Bearer\r\n",
	    "Authorization: Bearer \r\n",
	    "Authorization: secret\r\n",
	    "Authorization: Basic secret\r\n",
	    "Authorization: Bearersecret\r\n",
	    "Authorization: Bearer secre\r\n",
	    "Authorization: Bearer secretx\r\n",
	    "Authorization: Bearer SECRET\r\n",
	    "Authorization: Bearer secret,secret\r\n",
	    "Authorization: Bearer 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\r\n",
	    "X-Authorization: Bearer secret\r\n",
	};
	static struct http_token token;

	(void)state;
	token = token_of("secret", SCOPE_QUERY);
	gate.tokens = &token;
	gate.token_count = 1;
	for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
		assert_int_equal(ask("GET", "/metrics", headers[i]), 401);
	assert_int_equal(ask("GET", "/metrics", "Authorization: Bearer secret\r\n"), 0);
	assert_int_equal(ask("GET", "/metrics", "authorization: bearer   secret  \r\n"), 0);
	assert_int_equal(ask("OPTIONS", "/metrics", ""), 204);
	assert_int_equal(ask("GET", "/nothing", ""), 404);
}

static void scopes_of_equal_tokens_add_up(void **state)
{
	static struct http_token tokens[3];

	(void)state;
	tokens[0] = token_of("t", SCOPE_QUERY);
	tokens[1] = token_of("u", SCOPE_ADMIN);
	tokens[2] = token_of("t", SCOPE_INGEST);
	gate.tokens = tokens;
	gate.token_count = 3;
	uint32_t which = 0;
	assert_int_equal(admit_scopes(&gate, SLICE("Bearer t"), &which), SCOPE_QUERY | SCOPE_INGEST);
	assert_int_equal(admit_scopes(&gate, SLICE("Bearer u"), &which), SCOPE_ADMIN);
	assert_int_equal(admit_scopes(&gate, SLICE("Bearer v"), &which), -1);
}

/* ---- rates ---- */

static void a_token_over_its_rate_is_refused(void **state)
{
	(void)state;
	struct http_token tokens[] = {token_of("t", SCOPE_INGEST | SCOPE_QUERY), token_of("u", SCOPE_QUERY)};
	struct rate rates[3];
	gate.tokens = tokens;
	gate.token_count = 2;
	gate.rates = rates;
	rate_init(&rates[0], 2, 3);
	rate_init(&rates[1], 0, 0);
	rate_init(&rates[2], 1, 1);
	now_ns = 100 * NS_PER_S;
	for (int i = 0; i < 3; i++)
		assert_int_equal(ask("POST", "/events", "Authorization: Bearer t\r\nContent-Length: 5\r\n"), 0);
	assert_int_equal(ask("POST", "/events", "Authorization: Bearer t\r\nContent-Length: 5\r\n"), 429);
	assert_int_equal(got.retry_after_s, 1);
	assert_true(got.drain);
	assert_int_equal(ask("GET", "/metrics", "Authorization: Bearer t\r\n"), 429); /* every route behind it */
	assert_int_equal(
	    ask("POST", "/events", "Authorization: Bearer t\r\nExpect: 100-continue\r\nContent-Length: 5\r\n"), 429);
	assert_false(got.drain);
	assert_int_equal(ask("POST", "/events", "Authorization: Bearer t\r\nContent-Length: 65537\r\n"), 429);
	assert_false(got.drain);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(ask("GET", "/healthy", ""), 0);
		assert_int_equal(ask("GET", "/healthy", "Authorization: Bearer t\r\n"), 0);
		assert_int_equal(ask("GET", "/metrics", "Authorization: Bearer u\r\n"), 0);
		assert_int_equal(ask("GET", "/metrics", "Authorization: Bearer v\r\n"), 401);
	}
	now_ns += NS_PER_S / 2;
	assert_int_equal(ask("GET", "/metrics", "Authorization: Bearer t\r\n"), 0);
	assert_int_equal(ask("GET", "/metrics", "Authorization: Bearer t\r\n"), 429);
}

static void requests_without_a_token_have_a_rate(void **state)
{
	(void)state;
	struct rate rates[1];
	gate.rates = rates;
	rate_init(&rates[0], 1, 0);
	now_ns = 200 * NS_PER_S;
	assert_int_equal(ask("GET", "/metrics", ""), 0);
	assert_int_equal(ask("POST", "/events", ""), 429);
	assert_int_equal(ask("GET", "/healthy", ""), 0);
	now_ns += NS_PER_S;
	assert_int_equal(ask("POST", "/events", ""), 0);
}

/* ---- origins ---- */

static void origins_are_compared(void **state)
{
	static const struct {
		const char *origin, *host;
		bool same;
	} cases[] = {
	    {"http://a", "a", true},
	    {"http://A", "a", true},
	    {"https://a", "a", true},
	    {"http://a:80", "a", true},
	    {"http://a", "a:80", true},
	    {"https://a", "a:443", true},
	    {"http://a:4318", "a:4318", true},
	    {"http://[::1]:4318", "[::1]:4318", true},
	    {"http://a:4318", "a", false},
	    {"http://a", "a:4318", false},
	    {"http://a", "a:443", false},
	    {"http://a:4318:80", "a:4318", false},
	    {"https://a:4318:443", "a:4318", false},
	    {"http://[::1]:80", "[::1]", true},
	    {"http://[::1]:4318:80", "[::1]:4318", false},
	    {"http://:80", "", false},
	    {"https://a", "a:80", false},
	    {"http://a.evil", "a", false},
	    {"http://evil", "a", false},
	    {"http://a/", "a", false},
	    {"http://a@evil", "a", false},
	    {"http://", "a", false},
	    {"http://", "", false},
	    {"null", "a", false},
	    {"", "a", false},
	    {"a", "a", false},
	    {"ftp://a", "a", false},
	    {"file://", "a", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_true(admit_origin(slice_cstr(cases[i].origin), slice_cstr(cases[i].host)) == cases[i].same);
}

static void foreign_origins_may_not_change(void **state)
{
	(void)state;
	assert_int_equal(ask("POST", "/events", "Origin: http://evil\r\n"), 403);
	assert_int_equal(ask("POST", "/events", "Origin: null\r\n"), 403);
	assert_int_equal(ask("POST", "/events", "Origin:\r\n"), 403);
	assert_int_equal(ask("PUT", "/reload", "Origin: http://evil\r\n"), 403);
	assert_int_equal(ask("DELETE", "/both", "Origin: http://evil\r\n"), 403);
	assert_int_equal(ask("POST", "/events", "Origin: http://gate:4318\r\nOrigin: http://evil\r\n"), 403);
	assert_int_equal(ask("POST", "/events", "Origin: http://gate:4318\r\n"), 0);
	assert_int_equal(ask("GET", "/metrics", "Origin: http://evil\r\n"), 0);
	assert_int_equal(ask("OPTIONS", "/events", "Origin: http://evil\r\n"), 204);
}

/* ---- bodies ---- */

/* What a route's bodies are where nobody says it; who says it is believed. */
static void silence_may_mean_snappy(void **state)
{
	static const struct {
		const char *headers;
		enum encoding encoding;
	} cases[] = {
	    {"Content-Type: application/x-protobuf\r\n", ENCODING_SNAPPY},
	    {"Content-Type: Application/X-Protobuf ; proto=a.B\r\n", ENCODING_SNAPPY},
	    {"Content-Type: application/x-protobuf\r\nContent-Encoding:\r\n", ENCODING_SNAPPY},
	    {"Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n", ENCODING_SNAPPY},
	    {"Content-Type: application/x-protobuf\r\nContent-Encoding: identity\r\n", ENCODING_IDENTITY},
	    {"Content-Type: application/x-protobuf\r\nContent-Encoding: zstd\r\n", ENCODING_ZSTD},
	    {"Content-Type: application/json\r\n", ENCODING_IDENTITY},
	    {"Content-Type: application/x-protobuffer\r\n", ENCODING_IDENTITY},
	    {"", ENCODING_SNAPPY},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(ask("POST", "/silent", cases[i].headers), 0);
		assert_int_equal(got.encoding, cases[i].encoding);
	}
	assert_int_equal(ask("POST", "/events", "Content-Type: application/x-protobuf\r\n"), 0);
	assert_int_equal(got.encoding, ENCODING_IDENTITY);
}

static void bodies_are_announced(void **state)
{
	(void)state;
	assert_int_equal(ask("POST", "/events", "Content-Encoding: gzip\r\n"), 0);
	assert_int_equal(got.encoding, ENCODING_GZIP);
	assert_int_equal(ask("POST", "/events", "Content-Encoding: zstd\r\n"), 0);
	assert_int_equal(got.encoding, ENCODING_ZSTD);
	assert_int_equal(ask("POST", "/events", ""), 0);
	assert_int_equal(got.encoding, ENCODING_IDENTITY);
	assert_int_equal(ask("POST", "/events", "Content-Encoding: snappy\r\n"), 0);
	assert_int_equal(got.encoding, ENCODING_SNAPPY);
	assert_int_equal(ask("POST", "/events", "Content-Encoding: br\r\n"), 415);
	assert_int_equal(ask("POST", "/events", "Content-Encoding: gzip, zstd\r\n"), 415);
	assert_int_equal(ask("POST", "/events", "Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n"), 415);
	assert_int_equal(ask("POST", "/events", "Content-Length: 65536\r\n"), 0);
	assert_int_equal(ask("POST", "/events", "Content-Length: 65537\r\n"), 413);
	assert_int_equal(ask("POST", "/events", "Content-Length: 9223372036854775807\r\n"), 413);
	budget.used = budget.max - 1000;
	assert_int_equal(ask("POST", "/events", "Content-Length: 1000\r\n"), 0);
	assert_int_equal(ask("POST", "/events", "Content-Length: 1001\r\n"), 503);
}

static void expectations_are_met_or_refused(void **state)
{
	(void)state;
	assert_int_equal(ask("POST", "/events", "Expect: 100-continue\r\nContent-Length: 5\r\n"), 0);
	assert_true(got.wants_continue);
	assert_int_equal(ask("POST", "/events", "Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n"), 0);
	assert_true(got.wants_continue);
	assert_int_equal(ask("POST", "/events", "Expect: 100-continue\r\n"), 0);
	assert_false(got.wants_continue);
	assert_int_equal(ask("POST", "/events", "Expect: tea\r\nContent-Length: 5\r\n"), 417);
	assert_int_equal(ask("POST", "/events", "Expect: 100-continue\r\nExpect: 100-continue\r\n"), 417);
	assert_int_equal(ask_line("POST /events HTTP/1.0", "Expect: 100-continue\r\nContent-Length: 5\r\n"), 0);
	assert_false(got.wants_continue);
}

/* Who may not use a path learns nothing of its limits. */
static void refusals_have_an_order(void **state)
{
	static struct http_token token;
	const char *all = "Content-Length: 99999\r\nOrigin: null\r\nContent-Encoding: br\r\nExpect: tea\r\n";
	char with[256];

	(void)state;
	token = token_of("secret", SCOPE_QUERY);
	gate.tokens = &token;
	gate.token_count = 1;
	assert_int_equal(ask("POST", "/nothing", all), 404);
	assert_int_equal(ask("POST", "/metrics", all), 405);
	assert_int_equal(ask("POST", "/events", all), 401);
	snprintf(with, sizeof with, "Authorization: Bearer secret\r\n%s", all);
	assert_int_equal(ask("POST", "/events", with), 403);
	token.scopes = SCOPE_INGEST;
	assert_int_equal(ask("POST", "/events", with), 403);
	snprintf(with, sizeof with, "Authorization: Bearer secret\r\n%s", strstr(all, "Content-Encoding"));
	assert_int_equal(ask("POST", "/events", with), 415);
	snprintf(with, sizeof with, "Authorization: Bearer secret\r\n%s", strstr(all, "Expect"));
	assert_int_equal(ask("POST", "/events", with), 417);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(routes_are_found, teardown),
	    cmocka_unit_test_teardown(methods_are_checked, teardown),
	    cmocka_unit_test_teardown(scopes_are_wanted, teardown),
	    cmocka_unit_test_teardown(other_credentials_are_not_known, teardown),
	    cmocka_unit_test_teardown(scopes_of_equal_tokens_add_up, teardown),
	    cmocka_unit_test_teardown(a_token_over_its_rate_is_refused, teardown),
	    cmocka_unit_test_teardown(requests_without_a_token_have_a_rate, teardown),
	    cmocka_unit_test_teardown(origins_are_compared, teardown),
	    cmocka_unit_test_teardown(foreign_origins_may_not_change, teardown),
	    cmocka_unit_test_teardown(silence_may_mean_snappy, teardown),
	    cmocka_unit_test_teardown(bodies_are_announced, teardown),
	    cmocka_unit_test_teardown(expectations_are_met_or_refused, teardown),
	    cmocka_unit_test_teardown(refusals_have_an_order, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

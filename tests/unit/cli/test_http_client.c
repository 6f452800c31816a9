/* The demo's client: which URLs it takes, and for what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/http_client.h"

static void urls_are_taken_apart(void **state)
{
	(void)state;
	static const struct {
		const char *url, *host, *port, *authority, *path;
	} cases[] = {
	    {"http://127.0.0.1:4318", "127.0.0.1", "4318", "127.0.0.1:4318", "/v1/events"},
	    {"http://localhost", "localhost", "80", "localhost:80", "/v1/events"},
	    {"http://gateway.example:8080/behind/a/proxy/", "gateway.example", "8080", "gateway.example:8080",
	     "/behind/a/proxy/v1/events"},
	    {"http://[::1]:4318", "::1", "4318", "[::1]:4318", "/v1/events"},
	    {"http://[2001:db8::7]/", "2001:db8::7", "80", "[2001:db8::7]:80", "/v1/events"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct http_client c;
		struct error err = {0};
		if (http_client_init(&c, cases[i].url, "/v1/events", &err) != 0)
			fail_msg("%s", err.text);
		assert_string_equal(c.host, cases[i].host);
		assert_string_equal(c.port, cases[i].port);
		assert_string_equal(c.authority, cases[i].authority);
		assert_string_equal(c.path, cases[i].path);
	}
}

static void what_is_no_url_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
	    "",           "127.0.0.1:4318",    "https://localhost", "http://",       "http://:80",
	    "http://a:",  "http://[::1",       "http://[]:80",      "http://[::1]x", "http://[::1]:",
	    "http://::1", "http://a:123456789"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct http_client c;
		struct error err = {0};
		if (http_client_init(&c, bad[i], "/v1/events", &err) == 0)
			fail_msg("taken: %s", bad[i]);
		assert_non_null(strstr(err.text, "wanted a URL"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(urls_are_taken_apart),
	    cmocka_unit_test(what_is_no_url_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

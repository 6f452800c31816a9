/* The JSON reader against simdjson: what is well-formed to one is so to the other. The texts are grown from a grammar and then damaged, so that most are
 * nearly right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "ingest/ingest.h"
#include "ingest/json.h"
#include "oracle.h"

enum { TEXTS = 200000, TEXT_MAX = 4096 };

static uint64_t seed = 88172645463325252;

/* xorshift64 (Marsaglia, "Xorshift RNGs", 2003). */
static uint32_t draw(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 33) % below;
}

static const char *pick(const char *const *from, uint32_t count)
{
	return from[draw(count)];
}

#define PICK(table) pick(table, sizeof(table) / sizeof *(table))

static void grow_string(struct buf *out)
{
	static const char *const pieces[] = {"a",
	                                     "key",
	                                     "\\n",
	                                     "\\\"",
	                                     "\\\\",
	                                     "\\/",
	                                     "\\u0041",
	                                     "\\u00e9",
	                                     "\\ud83d\\ude00",
	                                     "\xc3\xa9",
	                                     "\xe2\x82\xac",
	                                     "\xf0\x9f\x98\x80",
	                                     " ",
	                                     "{",
	                                     "]",
	                                     "0123456789abcdefghijklmnopqrstuvwxyz",
	                                     "\x7f",
	                                     "\\b",
	                                     "\\f\\r\\t"};
	buf_byte(out, '"');
	for (uint32_t n = draw(4); n > 0; n--)
		buf_str(out, PICK(pieces));
	buf_byte(out, '"');
}

static void grow_space(struct buf *out)
{
	static const char *const spaces[] = {"", "", "", "", " ", "\n", "\t", "\r", "  \n"};
	buf_str(out, PICK(spaces));
}

static void grow(struct buf *out, unsigned depth);

static void grow_list(struct buf *out, unsigned depth, bool object)
{
	buf_byte(out, object ? '{' : '[');
	grow_space(out);
	for (uint32_t n = draw(4), i = 0; i < n; i++) {
		if (i > 0)
			buf_byte(out, ',');
		grow_space(out);
		if (object) {
			grow_string(out);
			grow_space(out);
			buf_byte(out, ':');
		}
		grow(out, depth + 1);
	}
	buf_byte(out, object ? '}' : ']');
}

static void grow(struct buf *out, unsigned depth)
{
	static const char *const scalars[] = {"true",
	                                      "false",
	                                      "null",
	                                      "0",
	                                      "-0",
	                                      "1",
	                                      "-1",
	                                      "0.5",
	                                      "1e5",
	                                      "1E-5",
	                                      "1.25e+3",
	                                      "9223372036854775807",
	                                      "-9223372036854775808",
	                                      "1234567890.0987654321",
	                                      "3.14",
	                                      "2.2250738585072014e-308"};
	uint32_t kind = draw(depth > 6 ? 2 : 4);
	grow_space(out);
	if (kind == 0)
		buf_str(out, PICK(scalars));
	else if (kind == 1)
		grow_string(out);
	else
		grow_list(out, depth, kind == 2);
	grow_space(out);
}

/* None, one or two bytes are changed, left out, doubled; or the end is cut off. */
static void damage(struct buf *text)
{
	static const char bytes[] = "{}[]\",:\\0123456789.-+eEtfnu \n\t\x01\x1f\x80\xc0\xed\xff/abc";
	for (uint32_t n = draw(3); n > 0 && text->len > 0; n--) {
		uint32_t at = draw((uint32_t)text->len);
		switch (draw(4)) {
		case 0:
			text->ptr[at] = bytes[draw(sizeof bytes - 1)];
			break;
		case 1:
			memmove(text->ptr + at, text->ptr + at + 1, text->len - at - 1);
			text->len--;
			break;
		case 2:
			buf_byte(text, text->ptr[at]);
			break;
		default:
			text->len = at;
		}
	}
}

static bool ours(struct slice text)
{
	struct json j = {.at = text.ptr, .end = text.ptr + text.len};
	json_space(&j);
	if (json_skip(&j) != 0)
		return false;
	json_space(&j);
	return j.at == j.end;
}

static void agrees_with_simdjson(void **state)
{
	struct buf text = {0};
	uint32_t valid = 0, invalid = 0, beyond = 0;
	(void)state;
	_Static_assert((int)ORACLE_PADDING <= (int)INGEST_PADDING, "one padding serves both");
	for (uint32_t i = 0; i < TEXTS; i++) {
		buf_reset(&text);
		grow(&text, 0);
		damage(&text);
		if (text.len > TEXT_MAX)
			continue;
		char *copy = malloc(text.len + INGEST_PADDING);
		assert_non_null(copy);
		memcpy(copy, text.ptr, text.len);
		memset(copy + text.len, '"', INGEST_PADDING);
		enum oracle_verdict theirs = oracle_json(copy, text.len);
		bool mine = ours(slice_new(copy, text.len));
		if (theirs != ORACLE_BEYOND && mine != (theirs == ORACLE_VALID))
			fail_msg("text %u: ours says %s, simdjson %s: %.*s", i, mine ? "valid" : "invalid",
			         theirs == ORACLE_VALID ? "valid" : "invalid", (int)text.len, text.ptr);
		valid += mine;
		invalid += !mine;
		beyond += theirs == ORACLE_BEYOND;
		free(copy);
	}
	buf_free(&text);
	/* Both sorts were there, and simdjson had an opinion on most. */
	assert_true(valid > TEXTS / 5 && invalid > TEXTS / 5 && beyond < TEXTS / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_simdjson)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

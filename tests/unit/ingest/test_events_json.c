/* JSON events: what is taken, what is refused alone, what refuses the body. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"
#include "ingest/ingest.h"

#define ARRIVAL (1700000000 * NS_PER_S)

struct decoded {
	struct batch *batch;
	struct ingest_rejects rejects;
	struct error err;
	int code;
	char *body;
};

/* The body is copied to the end of an allocation with exactly the padding that is promised, so that the sanitizer sees any byte too much. */
static struct decoded decode_limited(struct slice body, const struct ingest_limits *limits)
{
	struct decoded d = {.batch = batch_new()};
	d.body = malloc(body.len + INGEST_PADDING);
	memcpy(d.body, body.ptr, body.len);
	memset(d.body + body.len, '"', INGEST_PADDING); /* the worst that could stand there */
	d.code = ingest_events_json(d.batch, slice_new(d.body, body.len), ARRIVAL, limits, &d.rejects, &d.err);
	return d;
}

static struct decoded decode(const char *text)
{
	struct ingest_limits limits;
	ingest_limits_default(&limits);
	return decode_limited(slice_cstr(text), &limits);
}

static void done(struct decoded *d)
{
	batch_free(d->batch);
	ingest_rejects_free(&d->rejects);
	free(d->body);
}

static void assert_record(const struct decoded *d, uint32_t i, const char *json)
{
	struct buf b = {0};
	assert_true(i < d->batch->count);
	record_json(&b, &d->batch->records[i]);
	buf_byte(&b, '\0');
	assert_string_equal(b.ptr, json);
	buf_free(&b);
}

#define AT_ARRIVAL "\"time\":\"2023-11-14T22:13:20.000Z\""

static void one_object_an_array_and_lines_are_told_apart(void **state)
{
	(void)state;
	static const struct {
		const char *body;
		uint32_t records;
	} cases[] = {
	    {"{\"type\":\"a\"}", 1},
	    {"  \n {\"type\":\"a\"} \r\n ", 1},
	    {"{\n  \"type\": \"a\",\n  \"x\": {\n    \"y\": 1\n  }\n}\n", 1},
	    {"{\n\"type\":\"a\",\n\"x\":\n{\n\"y\": 1\n}\n}\n", 1}, /* a brace where a line's event would begin */
	    {"{\"type\":\"a\",\"x\":[\n{\"y\":1},\n{\"y\":2}\n]}", 1},
	    {"[]", 0},
	    {"[{\"type\":\"a\"}]", 1},
	    {" [ {\"type\":\"a\"} , {\"type\":\"b\"} ] \n", 2},
	    {"{\"type\":\"a\"}\n{\"type\":\"b\"}", 2},
	    {"{\"type\":\"a\"}\r\n\r\n{\"type\":\"b\"}\r\n", 2},
	    {"\n\n{\"type\":\"a\"}\n  \n{\"type\":\"b\"}\n\n", 2},
	    {"\xef\xbb\xbf{\"type\":\"a\"}", 1},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct decoded d = decode(cases[i].body);
		assert_int_equal(d.code, 0);
		assert_int_equal(d.batch->count, cases[i].records);
		assert_int_equal(d.rejects.count, 0);
		done(&d);
	}
}

static void fields_keep_their_values(void **state)
{
	(void)state;
	struct decoded d = decode("{\"type\":\"t\",\"i\":-5,\"d\":2.50,\"e\":1e3,\"s\":\"a\\n\\u00e9\\ud83d\\ude00\\/"
	                          "\",\"b\":true,\"n\":null,"
	                          "\"o\":{\"k\":[1,[],{}]},\"big\":9223372036854775807,\"bigger\":9223372036854775808,"
	                          "\"min\":-9223372036854775808,\"z\":-0,\"u\":\"\xc3\xa9\",\"nul\":\"a\\u0000b\"}");
	assert_int_equal(d.code, 0);
	assert_record(&d, 0,
	              "{\"type\":\"t\"," AT_ARRIVAL
	              ",\"i\":-5,\"d\":2.5,\"e\":1000.0,\"s\":\"a\\n\xc3\xa9\xf0\x9f\x98\x80/\",\"b\":true,"
	              "\"n\":null,\"o\":{\"k\":[1,[],{}]},\"big\":9223372036854775807,\"bigger\":9223372036854776000.0,"
	              "\"min\":-9223372036854775808,\"z\":-0.0,\"u\":\"\xc3\xa9\",\"nul\":\"a\\u0000b\"}");
	done(&d);
}

static void times_are_told_apart_by_size(void **state)
{
	(void)state;
	static const struct {
		const char *time;
		int64_t ns;
	} cases[] = {
	    {"1767323045", 1767323045 * NS_PER_S},
	    {"1767323045.25", 1767323045 * NS_PER_S + NS_PER_S / 4},
	    {"1767323045123", 1767323045123 * NS_PER_MS},
	    {"1767323045123456", 1767323045123456 * NS_PER_US},
	    {"1767323045123456789", 1767323045123456789},
	    {"0", 0},
	    {"null", ARRIVAL},
	    {"\"2026-01-02T03:04:05Z\"", 1767323045 * NS_PER_S},
	    {"\"2026-01-02T04:04:05.5+01:00\"", 1767323045 * NS_PER_S + NS_PER_S / 2},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char body[128];
		snprintf(body, sizeof body, "{\"type\":\"t\",\"time\":%s}", cases[i].time);
		struct decoded d = decode(body);
		assert_int_equal(d.batch->count, 1);
		assert_true(d.batch->records[0].time_ns == cases[i].ns);
		done(&d);
	}
	static const char *const bad[] = {"-1",   "1e300", "\"\"", "\"yesterday\"", "\"2026-13-01T00:00:00Z\"",
	                                  "true", "[]",    "{}",   "9.3e18"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char body[128];
		snprintf(body, sizeof body, "[{\"type\":\"t\",\"time\":%s}]", bad[i]);
		struct decoded d = decode(body);
		assert_int_equal(d.code, 0);
		assert_int_equal(d.rejects.count, 1);
		assert_non_null(strstr(d.rejects.items[0].text.ptr, "time"));
		done(&d);
	}
}

static void ids_are_texts(void **state)
{
	(void)state;
	struct decoded d =
	    decode("[{\"type\":\"t\",\"id\":12.50,\"user_id\":\"u\",\"tenant_id\":null,\"trace_id\":\"\"},"
	           "{\"type\":\"t\",\"user_id\":[1]},{\"type\":\"t\",\"id\":true}]");
	assert_int_equal(d.batch->count, 1);
	assert_record(&d, 0, "{\"type\":\"t\"," AT_ARRIVAL ",\"id\":\"12.50\",\"user_id\":\"u\"}");
	const struct record *r = &d.batch->records[0];
	assert_int_equal(record_known(r, KNOWN_ID)->len, 5);
	assert_null(record_known(r, KNOWN_TENANT_ID));
	assert_null(record_known(r, KNOWN_TRACE_ID));
	assert_int_equal(d.rejects.count, 2);
	assert_non_null(strstr(d.rejects.items[0].text.ptr, "user_id"));
	done(&d);
}

static void an_event_that_is_none_is_refused_alone(void **state)
{
	(void)state;
	static const struct {
		const char *event, *says;
	} cases[] = {
	    {"{}", "type"},
	    {"{\"x\":1}", "type"},
	    {"7", "object"},
	    {"\"text\"", "object"},
	    {"[{\"type\":\"a\"}]", "object"},
	    {"null", "object"},
	    {"{\"type\":7}", "type"},
	    {"{\"type\":\"\"}", "type"},
	    {"{\"type\":null}", "type"},
	    {"{\"type\":\"t\",\"a\":1,\"a\":2}", "twice"},
	    {"{\"type\":\"t\",\"type\":\"t\"}", "twice"},
	    {"{\"type\":\"t\",\"o\":{\"a\":1,\"b\":2,\"a\":3}}", "twice"},
	    {"{\"type\":\"t\",\"a\":1,\"\\u0061\":2}", "twice"},
	    {"{\"type\":\"t\",\"v\":1e999}", "double"},
	    {"{\"type\":\"t\",\"v\":-1e999}", "double"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char body[512];
		snprintf(body, sizeof body, "[{\"type\":\"before\"},%s,{\"type\":\"after\",\"n\":1}]", cases[i].event);
		struct decoded d = decode(body);
		assert_int_equal(d.code, 0);
		assert_int_equal(d.batch->count, 2);
		assert_int_equal(d.batch->records[1].index, 2);
		assert_int_equal(d.rejects.count, 1);
		assert_int_equal(d.rejects.items[0].index, 1);
		if (strstr(d.rejects.items[0].text.ptr, cases[i].says) == NULL)
			fail_msg("%s: %s", cases[i].event, d.rejects.items[0].text.ptr);
		done(&d);
	}
}

/* Numbers may be as long as they like: what would not fit the buffer of strtod refuses its event, and no other. */
static void a_long_number_is_refused_alone(void **state)
{
	(void)state;
	static const char *const heads[] = {"0.", "9", "-1"};
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
		struct buf b = {0};
		buf_printf(&b, "[{\"type\":\"before\"},{\"type\":\"t\",\"v\":%s%01100d1},{\"type\":\"after\"}]",
		           heads[i], 0);
		buf_byte(&b, '\0');
		struct decoded d = decode(b.ptr);
		assert_int_equal(d.code, 0);
		assert_int_equal(d.batch->count, 2);
		assert_int_equal(d.rejects.count, 1);
		assert_int_equal(d.rejects.items[0].index, 1);
		assert_non_null(strstr(d.rejects.items[0].text.ptr, "number"));
		done(&d);
		buf_free(&b);
	}
}

/* What is no JSON refuses the whole array, and only its line in NDJSON. */
static void a_syntax_error_refuses_array_or_line(void **state)
{
	(void)state;
	static const char *const bad[] = {
	    "{\"type\":\"t\",\"v\":01}",
	    "{\"type\":\"t\",\"v\":1.}",
	    "{\"type\":\"t\",\"v\":.5}",
	    "{\"type\":\"t\",\"v\":+1}",
	    "{\"type\":\"t\",\"v\":-}",
	    "{\"type\":\"t\",\"v\":1e}",
	    "{\"type\":\"t\",\"v\":1e+}",
	    "{\"type\":\"t\",\"v\":0x10}",
	    "{\"type\":\"t\",\"v\":NaN}",
	    "{\"type\":\"t\",\"v\":Infinity}",
	    "{\"type\":\"t\",\"v\":-Infinity}",
	    "{\"type\":\"t\",\"v\":nul}",
	    "{\"type\":\"t\",\"v\":True}",
	    "{\"type\":\"t\",\"v\":tru",
	    "{\"type\":\"t\",\"v\":'a'}",
	    "{\"type\":\"t\",v:1}",
	    "{\"type\":\"t\",\"v\" 1}",
	    "{\"type\":\"t\",\"v\":}",
	    "{\"type\":\"t\",}",
	    "{\"type\":\"t\",,\"v\":1}",
	    "{,\"type\":\"t\"}",
	    "{\"type\":\"t\" \"v\":1}",
	    "{\"type\":\"t\",\"v\":[1,]}",
	    "{\"type\":\"t\",\"v\":[,1]}",
	    "{\"type\":\"t\",\"v\":[1 2]}",
	    "{\"type\":\"t\",\"v\":[1}",
	    "{\"type\":\"t\",\"v\":{]}",
	    "{\"type\":\"t\",\"v\":\"a",
	    "{\"type\":\"t\",\"v\":\"\\\"}",
	    "{\"type\":\"t\",\"v\":\"\\x\"}",
	    "{\"type\":\"t\",\"v\":\"\\u12\"}",
	    "{\"type\":\"t\",\"v\":\"\\u12g4\"}",
	    "{\"type\":\"t\",\"v\":\"\\ud800\"}",
	    "{\"type\":\"t\",\"v\":\"\\udc00\"}",
	    "{\"type\":\"t\",\"v\":\"\\ud800\\u0041\"}",
	    "{\"type\":\"t\",\"v\":\"\\ud800x\"}",
	    "{\"type\":\"t\",\"v\":\"\x01\"}",
	    "{\"type\":\"t\",\"v\":\"\t\"}",
	    "{\"type\":\"t\",\"v\":\"\x80\"}",
	    "{\"type\":\"t\",\"v\":\"\xc0\xaf\"}",
	    "{\"type\":\"t\",\"v\":\"\xe0\x80\xaf\"}",
	    "{\"type\":\"t\",\"v\":\"\xed\xa0\x80\"}",
	    "{\"type\":\"t\",\"v\":\"\xf4\x90\x80\x80\"}",
	    "{\"type\":\"t\",\"v\":\"\xf5\x80\x80\x80\"}",
	    "{\"type\":\"t\",\"v\":\"\xc3\"}",
	    "{\"type\":\"t\",\"v\":\"\xe2\x82\"}",
	    "{\"type\":\"t\",\"v\":\"\xff\"}",
	    "{\"type\":\"t\",\"v\":\"\x7f\xfe\"}",
	    "{\"\x80\":1,\"type\":\"t\"}",
	    "{\"type\":\"t\",\"v\":1}}",
	    "{\"type\":\"t\"",
	    "{\"type\"",
	    "{\"type",
	    "{\"",
	    "{",
	    "{\"type\":\"t\",\"v\":/**/1}",
	    "{\"type\":\"t\",\"v\":1 // x",
	    "{\"type\":\"t\",\"v\":1_000}",
	    "{\"type\":\"t\",\"v\":--1}",
	    "{\"type\":\"t\",\"v\":\f1}",
	    "{\"type\":\"t\",\"v\":\xc2\xa0"
	    "1}",
	    "{1:2,\"type\":\"t\"}",
	    "{\"type\":\"t\",null:1}",
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char body[512];
		snprintf(body, sizeof body, "[{\"type\":\"before\"},%s]", bad[i]);
		struct decoded d = decode(body);
		if (d.code != -EINVAL)
			fail_msg("taken in an array: %s", bad[i]);
		assert_non_null(strstr(d.err.text, "byte "));
		done(&d);
		snprintf(body, sizeof body, "{\"type\":\"before\"}\n%s\n{\"type\":\"after\"}\n", bad[i]);
		d = decode(body);
		assert_int_equal(d.code, 0);
		if (d.batch->count != 2 || d.rejects.count != 1 || d.rejects.items[0].index != 1)
			fail_msg("taken as a line: %s", bad[i]);
		done(&d);
	}
}

static void what_is_no_event_at_all_refuses_the_body(void **state)
{
	(void)state;
	static const char *const bad[] = {"",
	                                  "   \n",
	                                  "x",
	                                  "1",
	                                  "\"a\"",
	                                  "null",
	                                  "[",
	                                  "]",
	                                  "}",
	                                  "[{\"type\":\"a\"}",
	                                  "[{\"type\":\"a\"},]",
	                                  "[{\"type\":\"a\"}] x",
	                                  "[{\"type\":\"a\"}}",
	                                  "\xef\xbb\xbf",
	                                  "[1,2",
	                                  ",",
	                                  "\x00"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct decoded d = decode(bad[i]);
		if (d.code != -EINVAL)
			fail_msg("taken: %s", bad[i]);
		assert_true(d.err.text[0] != '\0');
		done(&d);
	}
}

/* Of a body that is refused as a whole it is known in which event the error lies, where it lies in one. */
static void a_syntax_error_names_its_event(void **state)
{
	(void)state;
	static const struct {
		const char *body;
		int event; /* -1: in none */
	} cases[] = {
	    {"", -1},
	    {"42", -1},
	    {"[", -1},
	    {"[{\"type\":\"t\"}", -1},
	    {"[{\"type\":\"t\"},", -1},
	    {"[{\"type\":\"t\"} {\"type\":\"t\"}]", -1},
	    {"[{\"type\":\"t\"}] x", -1},
	    {"{\"type\":", 0},
	    {"[{\"type\":", 0},
	    {"[{\"type\":\"t\"},{\"v\":01}]", 1},
	    {"[{\"type\":\"t\"},7,{},[x]]", 3},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct decoded d = decode(cases[i].body);
		assert_int_equal(d.code, -EINVAL);
		assert_int_equal(d.rejects.in_event ? (int)d.rejects.event : -1, cases[i].event);
		done(&d);
	}
}

static void every_prefix_of_a_body_is_refused(void **state)
{
	(void)state;
	static const char body[] = "[{\"type\":\"t\\u00e9\",\"time\":\"2026-01-02T03:04:05Z\",\"o\":{\"k\":[1.5e3,null,"
	                           "true,\"\xe2\x82\xac\"]}},{\"type\":\"u\"}]";
	struct ingest_limits limits;
	ingest_limits_default(&limits);
	for (size_t len = 0; len < sizeof body - 1; len++) {
		struct decoded d = decode_limited(slice_new(body, len), &limits);
		assert_int_equal(d.code, -EINVAL);
		done(&d);
	}
	struct decoded d = decode(body);
	assert_int_equal(d.code, 0);
	assert_int_equal(d.batch->count, 2);
	done(&d);
}

/* Events of a few layouts in any order, with fields missing at the end and in the middle, must come out as if each were alone. */
static void prediction_never_changes_an_event(void **state)
{
	(void)state;
	static const char *const fields[] = {"\"type\":\"t\"", "\"id\":\"%d\"", "\"a\":%d",    "\"user_id\":\"\"",
	                                     "\"b\":[%d]",     "\"a.b\":\"x\"", "\"ab\":null", "\"\\u0063\":1"};
	uint32_t random = 12345;
	struct buf all = {0};
	struct buf wanted = {0}, got = {0};
	for (int i = 0; i < 3000; i++) {
		struct buf one = {0};
		buf_byte(&one, '{');
		random = random * 1664525 + 1013904223;
		uint32_t mask = (random >> 16 & 0xff) | 1;
		if (i % 3 != 0)
			mask = i % 2 ? 0x07 : 0x1f; /* mostly the same few */
		for (int f = 0; f < 8; f++) {
			if (mask >> f & 1) {
				buf_str(&one, one.len > 1 ? "," : "");
				buf_printf(&one, fields[f], i);
			}
		}
		buf_str(&one, "}");
		buf_byte(&one, '\0');
		struct decoded d = decode(one.ptr);
		assert_int_equal(d.batch->count, 1);
		record_json(&wanted, &d.batch->records[0]);
		buf_byte(&wanted, '\n');
		done(&d);
		buf_append(&all, one.ptr, one.len - 1);
		buf_byte(&all, '\n');
		buf_free(&one);
	}
	buf_byte(&all, '\0');
	struct decoded d = decode(all.ptr);
	assert_int_equal(d.batch->count, 3000);
	for (uint32_t i = 0; i < d.batch->count; i++) {
		record_json(&got, &d.batch->records[i]);
		buf_byte(&got, '\n');
	}
	assert_int_equal(got.len, wanted.len);
	assert_memory_equal(got.ptr, wanted.ptr, got.len);
	done(&d);
	buf_free(&all);
	buf_free(&wanted);
	buf_free(&got);
}

static void limits_refuse_the_event_alone(void **state)
{
	(void)state;
	struct ingest_limits limits = {
	    .depth = 3, .fields = 10, .key_bytes = 8, .string_bytes = 16, .event_bytes = 100, .events = 5};
	static const struct {
		const char *event, *says;
	} cases[] = {
	    {"{\"type\":\"t\",\"v\":[[[1]]]}", "deep"},
	    {"{\"type\":\"t\",\"v\":[1,2,3,4,5,6,7,8,9,10]}", "fields"},
	    {"{\"type\":\"t\",\"much too long\":1}", "name"},
	    {"{\"type\":\"t\",\"v\":\"12345678901234567\"}", "string"},
	    {"{\"type\":\"t\"                                                                                          "
	     "}",
	     "bytes"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char body[512];
		snprintf(body, sizeof body, "[%s,{\"type\":\"after\"}]", cases[i].event);
		struct decoded d = decode_limited(slice_cstr(body), &limits);
		assert_int_equal(d.code, 0);
		assert_int_equal(d.batch->count, 1);
		assert_int_equal(d.rejects.count, 1);
		if (strstr(d.rejects.items[0].text.ptr, cases[i].says) == NULL)
			fail_msg("%s: %s", cases[i].event, d.rejects.items[0].text.ptr);
		done(&d);
	}
	struct decoded d = decode_limited(SLICE("[1,2,3,4,5,6]"), &limits);
	assert_int_equal(d.code, -EFBIG);
	done(&d);
}

/* RELIABILITY: a body may not cost much more than its own size, whatever it holds. */
static void memory_stays_in_proportion(void **state)
{
	(void)state;
	enum { SIZE = 4 << 20 };
	static const struct {
		const char *head, *piece, *tail;
	} shapes[] = {
	    {"", "[", ""},
	    {"[{\"type\":\"t\",\"v\":", "[", ""},
	    {"[", "1,", "1]"},
	    {"[", "{},", "{}]"},
	    {"[{\"type\":\"t\",\"v\":[", "1,", "1]}]"},
	    {"[{\"type\":\"t\",\"v\":[", "[],", "1]}]"},
	    {"[", "{\"type\":\"t\"},", "{\"type\":\"t\"}]"},
	    {"[{\"type\":\"t\",\"v\":\"", "\\n", "\"}]"},
	};
	struct ingest_limits limits;
	ingest_limits_default(&limits);
	limits.events = 10000000;
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
		struct buf b = {0};
		buf_str(&b, shapes[i].head);
		while (b.len < SIZE)
			buf_str(&b, shapes[i].piece);
		buf_str(&b, shapes[i].tail);
		struct decoded d = decode_limited(buf_slice(&b), &limits);
		size_t used = d.batch->arena.total + d.batch->names.total + d.batch->cap * sizeof(struct record) +
		              d.rejects.cap * sizeof *d.rejects.items;
		if (used > 8 * (size_t)SIZE)
			fail_msg("shape %zu: %zu MiB for a body of %d", i, used >> 20, SIZE >> 20);
		done(&d);
		buf_free(&b);
	}
}

/* More refusals than there is room for are counted, and the values of what was refused are given back. */
static void refusals_are_listed_as_far_as_there_is_room(void **state)
{
	enum { EVENTS = 50000 };
	struct buf b = {0};
	(void)state;
	buf_byte(&b, '[');
	for (int i = 0; i < EVENTS; i++)
		buf_str(&b, i % 100 == 99 ? "{\"type\":\"t\",\"v\":[0]}," : "[0],");
	buf_str(&b, "{\"v\":[0,0,0,0,0,0,0,0]}]");
	struct ingest_limits limits;
	ingest_limits_default(&limits);
	struct decoded d = decode_limited(buf_slice(&b), &limits);
	assert_int_equal(d.code, 0);
	assert_int_equal(d.batch->count, EVENTS / 100);
	assert_int_equal(d.rejects.count + d.rejects.unlisted, EVENTS - EVENTS / 100 + 1);
	assert_true(d.rejects.count > 4000 && d.rejects.unlisted > 0);
	for (uint32_t i = 1; i < d.rejects.count; i++)
		assert_true(d.rejects.items[i].index > d.rejects.items[i - 1].index);
	for (uint32_t i = 0; i < d.batch->count; i++)
		assert_int_equal(d.batch->records[i].values[0].len, 1);
	assert_true(d.batch->arena.total < 64 * 1024);
	done(&d);
	buf_free(&b);
}

static void running_out_of_memory_is_an_answer(void **state)
{
	(void)state;
	for (uint64_t nth = 1; nth < 40; nth++) {
		struct ingest_limits limits;
		ingest_limits_default(&limits);
		struct batch *b = batch_new();
		struct ingest_rejects rejects = {0};
		struct error err = {0};
		static const char body[256] =
		    "[{\"type\":\"t\",\"a\":{\"b\":[1,2]},\"c\":\"\\n\"},7,{\"type\":\"u\",\"x\":1}]";
		fault_set(FAULT_MALLOC, nth, true, ENOMEM);
		int code = ingest_events_json(b, slice_cstr(body), ARRIVAL, &limits, &rejects, &err);
		fault_clear();
		assert_true(code == 0 || code == -ENOMEM);
		if (code == 0)
			assert_int_equal(b->count, 2);
		batch_free(b);
		ingest_rejects_free(&rejects);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_object_an_array_and_lines_are_told_apart),
	    cmocka_unit_test(fields_keep_their_values),
	    cmocka_unit_test(times_are_told_apart_by_size),
	    cmocka_unit_test(ids_are_texts),
	    cmocka_unit_test(an_event_that_is_none_is_refused_alone),
	    cmocka_unit_test(a_long_number_is_refused_alone),
	    cmocka_unit_test(a_syntax_error_refuses_array_or_line),
	    cmocka_unit_test(what_is_no_event_at_all_refuses_the_body),
	    cmocka_unit_test(a_syntax_error_names_its_event),
	    cmocka_unit_test(every_prefix_of_a_body_is_refused),
	    cmocka_unit_test(prediction_never_changes_an_event),
	    cmocka_unit_test(limits_refuse_the_event_alone),
	    cmocka_unit_test(memory_stays_in_proportion),
	    cmocka_unit_test(refusals_are_listed_as_far_as_there_is_room),
	    cmocka_unit_test(running_out_of_memory_is_an_answer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The header traceparent, and the events that it is given to. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "ingest/ingest.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"

static void what_is_valid(void **state)
{
	static const char *const good[] = {
	    "00-" TRACE "-" PARENT "-01",
	    "00-" TRACE "-" PARENT "-00",
	    "00-" TRACE "-" PARENT "-ff",
	    "01-" TRACE "-" PARENT "-01",
	    "cc-" TRACE "-" PARENT "-01-what-comes-later",
	    "cc-" TRACE "-" PARENT "-01-",
	};
	static const char *const bad[] = {
	    "",
	    "00",
	    "00-" TRACE "-" PARENT,
	    "00-" TRACE "-" PARENT "-0",
	    "00-" TRACE "-" PARENT "-0x",
	    "00-" TRACE "-" PARENT "-01-",
	    "00-" TRACE "-" PARENT "-01.",
	    "cc-" TRACE "-" PARENT "-01.later",
	    "ff-" TRACE "-" PARENT "-01",
	    "0A-" TRACE "-" PARENT "-01",
	    "00-" TRACE "." PARENT "-01",
	    "00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT "-01",
	    "00-" TRACE "-00f067aa0ba902bG-01",
	    "00-00000000000000000000000000000000-" PARENT "-01",
	    "00-" TRACE "-0000000000000000-01",
	};
	struct ingest_traceparent t;
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_true(ingest_traceparent(slice_cstr(good[i]), &t));
		assert_true(slice_eq(t.trace_id, SLICE(TRACE)));
		assert_true(slice_eq(t.parent_id, SLICE(PARENT)));
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(ingest_traceparent(slice_cstr(bad[i]), &t));
}

static void events_join(void **state)
{
	static const char body[] = "[{\"type\":\"a\",\"time\":1},"
	                           "{\"type\":\"a\",\"time\":1,\"trace_id\":\"own\"},"
	                           "{\"type\":\"a\",\"time\":1,\"trace_id\":null,\"parent_span_id\":\"other\"},"
	                           "{\"type\":\"a\",\"time\":1,\"parent_span_id\":null},"
	                           "{\"type\":\"a\",\"time\":1,\"span_id\":\"" PARENT "\"}]";
	static const char *const wanted[] = {
	    ",\"trace_id\":\"" TRACE "\",\"parent_span_id\":\"" PARENT "\"}",
	    ",\"trace_id\":\"own\"}",
	    ",\"parent_span_id\":\"other\",\"trace_id\":\"" TRACE "\"}",
	    ",\"parent_span_id\":\"" PARENT "\",\"trace_id\":\"" TRACE "\"}",
	    ",\"span_id\":\"" PARENT "\",\"trace_id\":\"" TRACE "\"}",
	};
	struct batch *b = batch_new();
	struct ingest_limits limits;
	struct ingest_rejects rejects = {0};
	struct ingest_traceparent from = {SLICE(TRACE), SLICE(PARENT)};
	char *padded = calloc(1, sizeof body + INGEST_PADDING);
	(void)state;
	assert_non_null(padded);
	memcpy(padded, body, sizeof body);
	ingest_limits_default(&limits);
	assert_int_equal(ingest_events_json(b, slice_new(padded, sizeof body - 1), 0, &limits, &rejects, NULL), 0);
	assert_int_equal(ingest_events_join(b, &from), 0);
	assert_int_equal(b->count, sizeof wanted / sizeof *wanted);
	for (uint32_t i = 0; i < b->count; i++) {
		struct buf text = {0};
		record_json(&text, &b->records[i]);
		buf_byte(&text, '\0');
		assert_string_equal(strchr(text.ptr + 20, ','), wanted[i]);
		buf_free(&text);
	}
	batch_free(b);
	free(padded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_valid),
	    cmocka_unit_test(events_join),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

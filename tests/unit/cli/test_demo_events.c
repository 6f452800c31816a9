/* The demo's generator: the same seed gives the same bytes, every line is an event that the decoder takes, and the books agree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <string.h>

#include "base/clock.h"
#include "cli/demo_events.h"
#include "ingest/ingest.h"

#define START (INT64_C(1767323045) * NS_PER_S)

enum { EVENTS = 20000 };

/* `count` events, a millisecond apart. The caller frees the text. */
static struct buf generate(uint64_t seed, int64_t start_ns, uint32_t count, struct demo_totals *totals)
{
	struct buf out = {0};
	struct demo *d = demo_new(seed, 100, start_ns);
	assert_non_null(d);
	for (uint32_t i = 0; i < count; i++)
		demo_next(d, start_ns + (int64_t)i * NS_PER_MS, &out);
	if (totals != NULL)
		demo_totals(d, totals);
	demo_free(d);
	assert_false(buf_failed(&out));
	return out;
}

static void depends_on_seed_and_start_alone(void **state)
{
	struct buf a = generate(7, START, 2000, NULL), same = generate(7, START, 2000, NULL);
	struct buf seed = generate(8, START, 2000, NULL), later = generate(7, START + 1, 2000, NULL);
	(void)state;
	assert_true(slice_eq(buf_slice(&a), buf_slice(&same)));
	assert_false(slice_eq(buf_slice(&a), buf_slice(&seed)));
	assert_false(slice_eq(buf_slice(&a), buf_slice(&later)));
	buf_free(&a);
	buf_free(&same);
	buf_free(&seed);
	buf_free(&later);
}

/* Every line must be taken as an event. */
static void assert_taken(const struct buf *text)
{
	struct ingest_limits limits;
	struct ingest_rejects rejects = {0};
	struct error err = {0};
	struct batch *b = batch_new();
	char *padded = malloc(text->len + INGEST_PADDING);
	assert_non_null(padded);
	memcpy(padded, text->ptr, text->len);
	memset(padded + text->len, 0, INGEST_PADDING);
	ingest_limits_default(&limits);
	assert_int_equal(ingest_events_json(b, slice_new(padded, text->len), START, &limits, &rejects, &err), 0);
	assert_int_equal(rejects.count, 0);
	assert_int_equal(b->count, EVENTS);
	ingest_rejects_free(&rejects);
	batch_free(b);
	free(padded);
}

static uint32_t count_lines_with(const struct buf *text, const char *part)
{
	uint32_t n = 0;
	for (const char *at = text->ptr;
	     (at = memmem(at, (size_t)(text->ptr + text->len - at), part, strlen(part))) != NULL; at++)
		n++;
	return n;
}

static void writes_events_that_are_taken_and_counts_them(void **state)
{
	struct demo_totals t;
	struct buf text = generate(1, START, EVENTS, &t);
	uint64_t sum = 0;
	(void)state;
	assert_taken(&text);
	for (int i = 0; i < DEMO_TYPES; i++) {
		char part[64];
		snprintf(part, sizeof part, "\"type\":\"%s\"", demo_type_name((enum demo_type)i));
		assert_int_equal(count_lines_with(&text, part), t.by_type[i]);
		assert_true(t.by_type[i] > 0);
		sum += t.by_type[i];
	}
	assert_int_equal(sum, EVENTS);
	assert_int_equal(count_lines_with(&text, "\n"), EVENTS);
	assert_true(t.input_tokens > t.output_tokens);
	buf_free(&text);
}

static void is_like_life(void **state)
{
	struct demo_totals t;
	struct buf text = generate(3, START, EVENTS, &t);
	(void)state;
	uint32_t failed = count_lines_with(&text, "\"status\":\"failed\"");
	assert_in_range(failed, EVENTS / 200, EVENTS / 5);
	/* The first of a hundred users makes far more than a hundredth. */
	uint32_t first = count_lines_with(&text, "\"user_id\":\"user-1\""),
	         tenth = count_lines_with(&text, "\"user_id\":\"user-50\"");
	if (first <= 5 * tenth)
		fail_msg("user-1 has %u events, user-50 has %u: %.600s", first, tenth, text.ptr);
	buf_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(depends_on_seed_and_start_alone),
	    cmocka_unit_test(writes_events_that_are_taken_and_counts_them),
	    cmocka_unit_test(is_like_life),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Looking for the next frame among bytes that are none: right, and cheap even when a client has put headers into its strings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "journal/internal.h"

enum { GENERATION = 7 };

/* Bytes full of headers of frames that reach far and are not valid. */
static char *planted(size_t len, uint32_t reach)
{
	char *bytes = calloc(1, len);
	assert_non_null(bytes);
	for (size_t at = 0; at + FRAME_HEADER_BYTES <= len; at += FRAME_HEADER_BYTES)
		frame_header_put(bytes + at,
		                 &(struct frame_header){
		                     .length = reach, .count = 1, .kind = FRAME_EVENTS, .seq = 1, .raw_length = reach});
	return bytes;
}

/* A valid frame at `at`, over what is there. */
static void put_frame(char *bytes, size_t at, uint32_t length)
{
	frame_header_put(bytes + at,
	                 &(struct frame_header){.length = length, .kind = FRAME_EVENTS, .raw_length = length});
	frame_seal_header(bytes + at, 9, GENERATION);
}

static void planted_headers_cost_little(void **state)
{
	(void)state;
	enum { LEN = 8 << 20, REACH = 4 << 20 };
	char *bytes = planted(LEN, REACH);
	clock_t began = clock();
	assert_int_equal(frame_find(GENERATION, bytes, 4096, LEN), LEN);
	assert_true((double)(clock() - began) / CLOCKS_PER_SEC < 5); /* one by one it is a minute */
	free(bytes);
}

static void a_frame_among_planted_headers_is_found(void **state)
{
	(void)state;
	enum { LEN = 1 << 20, REACH = 100 * 1000 };
	for (uint32_t length = 0; length < 300000; length = length * 3 + 1) {
		char *bytes = planted(LEN, REACH);
		size_t at = 8 * (LEN / 16 + length % 7);
		put_frame(bytes, at, length);
		assert_int_equal(frame_find(GENERATION, bytes, 0, LEN), at);
		assert_int_equal(frame_find(GENERATION + 1, bytes, 0, LEN), LEN);
		assert_int_equal(frame_find(GENERATION, bytes, at + 8, LEN), LEN);
		bytes[at + FRAME_HEADER_BYTES - 1] ^= 1; /* in its checksum */
		assert_int_equal(frame_find(GENERATION, bytes, 0, LEN), LEN);
		free(bytes);
	}
}

static void the_last_bytes_can_be_a_frame(void **state)
{
	(void)state;
	enum { LEN = 64 << 10 };
	char *bytes = planted(LEN, 5000);
	put_frame(bytes, LEN - FRAME_HEADER_BYTES - 8 * 100, 8 * 100);
	assert_int_equal(frame_find(GENERATION, bytes, 0, LEN), LEN - FRAME_HEADER_BYTES - 8 * 100);
	assert_int_equal(frame_find(GENERATION, bytes, 0, LEN - 8), LEN - 8);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_frame_among_planted_headers_is_found),
	    cmocka_unit_test(the_last_bytes_can_be_a_frame),
	    cmocka_unit_test(planted_headers_cost_little),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Malformed requests are refused by the reader, wherever their bytes are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "malformed.h"
#include "net/reader.h"

static struct budget budget = {.max = 1 << 20};
static const struct reader_limits limits = {.header_bytes = 16384, .body_bytes = 1 << 20, .budget = &budget};

/* Feeds `len` bytes until they are used up or the reader has said its last word. */
static enum reader_event feed(struct reader *r, const char *bytes, size_t len, size_t *total)
{
	enum reader_event event = READER_HEAD;
	size_t used;

	*total = 0;
	while (event == READER_HEAD) {
		event = reader_feed(r, bytes + *total, len - *total, &used);
		*total += used;
	}
	return event;
}

static enum reader_event feed_cut(struct reader *r, struct slice s, size_t cut)
{
	size_t used;
	reader_reset(r, &limits, 0);
	enum reader_event event = feed(r, s.ptr, cut, &used);
	if (event == READER_MORE)
		event = feed(r, s.ptr + cut, s.len - cut, &used);
	return event;
}

static void are_refused_at_every_cut(void **state)
{
	struct reader r = {0};

	(void)state;
	for (size_t i = 0; i < malformed_count; i++) {
		const struct malformed *m = &malformed[i];
		for (size_t cut = 0; cut <= m->bytes.len; cut++) {
			enum reader_event event = feed_cut(&r, m->bytes, cut);
			if (event != READER_REFUSED || r.no.status != 400 || r.no.why == NULL)
				fail_msg("%s, cut at %zu: event %d, status %d", m->what, cut, event, r.no.status);
		}
	}
	reader_reset(&r, &limits, 0);
	assert_int_equal(budget.used, 0);
}

static void are_refused_byte_by_byte(void **state)
{
	struct reader r = {0};

	(void)state;
	for (size_t i = 0; i < malformed_count; i++) {
		const struct malformed *m = &malformed[i];
		enum reader_event event = READER_MORE;
		size_t used;
		reader_reset(&r, &limits, 0);
		for (size_t k = 0; k < m->bytes.len && event == READER_MORE; k++)
			event = feed(&r, m->bytes.ptr + k, 1, &used);
		if (event != READER_REFUSED || r.no.status != 400)
			fail_msg("%s: event %d, status %d", m->what, event, r.no.status);
	}
	reader_reset(&r, &limits, 0);
}

static void are_many(void **state)
{
	(void)state;
	assert_true(malformed_count >= 160);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(are_refused_at_every_cut),
	    cmocka_unit_test(are_refused_byte_by_byte),
	    cmocka_unit_test(are_many),
	};
	return cmocka_run_group_tests(tests, malformed_read, malformed_free);
}

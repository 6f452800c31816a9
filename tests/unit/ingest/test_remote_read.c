/* Requests of remote read, byte by byte. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ingest/ingest.h"

/* {__name__="up", job=~"a|b"} from 1000 to 2000, with hints and types of answers; and a query for nothing. */
static const char two[] = "\x0a\x27"
                          "\x08\xe8\x07\x10\xd0\x0f"
                          "\x1a\x0e\x12\x08__name__\x1a\x02up"
                          "\x1a\x0c\x08\x02\x12\x03job\x1a\x03"
                          "a|b"
                          "\x22\x01\x08"
                          "\x0a\x00"
                          "\x10\x00\x10\x01";

static struct arena arena;
static struct ingest_read asked;
static struct error err;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena);
	err = (struct error){0};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_deinit(&arena);
	return 0;
}

static void matcher_is(const struct ingest_read_matcher *m, enum matcher_op op, const char *name, const char *value)
{
	assert_int_equal(m->op, op);
	assert_true(slice_eq(m->name, slice_cstr(name)));
	assert_true(slice_eq(m->value, slice_cstr(value)));
}

static void all_of_a_request_is_read(void **state)
{
	(void)state;
	/* The hints' content is not looked at: it may be cut off. */
	assert_int_equal(ingest_remote_read(slice_new(two, sizeof two - 1), &arena, &asked, &err), 0);
	assert_int_equal(asked.count, 2);
	assert_int_equal(asked.queries[0].start_ms, 1000);
	assert_int_equal(asked.queries[0].end_ms, 2000);
	assert_int_equal(asked.queries[0].matcher_count, 2);
	matcher_is(&asked.queries[0].matchers[0], MATCH_EQUAL, "__name__", "up");
	matcher_is(&asked.queries[0].matchers[1], MATCH_REGEX, "job", "a|b");
	assert_int_equal(asked.queries[1].matcher_count, 0);
	assert_int_equal(asked.queries[1].end_ms, 0);
}

static void cut_off_anywhere_it_is_an_error_or_less(void **state)
{
	(void)state;
	for (size_t len = 0; len < sizeof two - 1; len++) {
		int code = ingest_remote_read(slice_new(two, len), &arena, &asked, &err);
		assert_true(code == 0 || code == -EINVAL);
		assert_true(code == 0 ? asked.count <= 2 : strstr(err.text, "body at byte") != NULL);
	}
}

static void more_than_may_be_is_refused(void **state)
{
	char many[2 * (INGEST_READ_QUERIES + 1)];

	(void)state;
	for (size_t i = 0; i < sizeof many; i += 2)
		memcpy(many + i, "\x0a\x00", 2);
	assert_int_equal(ingest_remote_read(slice_new(many, sizeof many), &arena, &asked, &err), -EINVAL);
	assert_string_equal(err.text, "more than 100 queries");
	static const char type[] = "\x0a\x04\x1a\x02\x08\x04";
	assert_int_equal(ingest_remote_read(slice_new(type, sizeof type - 1), &arena, &asked, &err), -EINVAL);
	assert_non_null(strstr(err.text, "a matcher has a type that is none"));
}

static void who_does_not_take_samples_is_refused(void **state)
{
	static const char chunks[] = "\x12\x01\x01", both[] = "\x12\x02\x01\x00", unpacked[] = "\x10\x01";

	(void)state;
	assert_int_equal(ingest_remote_read(slice_new(both, sizeof both - 1), &arena, &asked, &err), 0);
	assert_int_equal(ingest_remote_read(slice_new(chunks, sizeof chunks - 1), &arena, &asked, &err), -EINVAL);
	assert_string_equal(err.text, "there are answers of samples only, which the client does not take");
	assert_int_equal(ingest_remote_read(slice_new(unpacked, sizeof unpacked - 1), &arena, &asked, &err), -EINVAL);
	assert_int_equal(ingest_remote_read(slice_new("\x12\x01\x80", 3), &arena, &asked, &err), -EINVAL);
	assert_non_null(strstr(err.text, "body at byte"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(all_of_a_request_is_read, setup, teardown),
	    cmocka_unit_test_setup_teardown(cut_off_anywhere_it_is_an_error_or_less, setup, teardown),
	    cmocka_unit_test_setup_teardown(more_than_may_be_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(who_does_not_take_samples_is_refused, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

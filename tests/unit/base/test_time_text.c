/* RFC 3339 and durations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/civil.h"
#include "base/clock.h"

#define S(seconds) ((int64_t)(seconds)*NS_PER_S)

static void reads_times(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} good[] = {
	    {"1970-01-01T00:00:00Z", 0},
	    {"1970-01-01T00:00:00.000000001Z", 1},
	    {"2026-01-02T03:04:05Z", S(1767323045)},
	    {"2026-01-02T03:04:05.678Z", S(1767323045) + 678000000},
	    {"2026-01-02t03:04:05.678z", S(1767323045) + 678000000},
	    {"2026-01-02 03:04:05.6Z", S(1767323045) + 600000000},
	    {"2026-01-02T03:04:05.123456789Z", S(1767323045) + 123456789},
	    {"2026-01-02T03:04:05.1234567899999Z", S(1767323045) + 123456789},
	    {"2026-01-02T04:04:05+01:00", S(1767323045)},
	    {"2026-01-01T21:34:05-05:30", S(1767323045)},
	    {"2026-01-02T03:04:05+00:00", S(1767323045)},
	    {"2026-01-02T03:04:05-00:00", S(1767323045)},
	    {"1969-12-31T23:30:00-01:00", S(1800)},
	    {"2000-02-29T00:00:00Z", S(951782400)},
	    {"2024-02-29T23:59:59.5Z", S(1709251199) + 500000000},
	    {"2016-12-31T23:59:60Z", S(1483228800)},
	    {"2016-12-31T23:59:60.25Z", S(1483228800) + 250000000},
	    {"2261-12-31T23:59:59.999999999Z", S(9214646399) + 999999999},
	};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		int64_t ns = -1;
		if (!clock_parse_rfc3339(slice_cstr(good[i].text), &ns))
			fail_msg("%s was refused", good[i].text);
		if (ns != good[i].ns)
			fail_msg("%s: %" PRId64, good[i].text, ns);
	}
}

static void refuses_other_texts(void **state)
{
	static const char *const bad[] = {
	    "",
	    "2026",
	    "2026-01-02",
	    "2026-01-02T03:04:05",
	    "2026-01-02T03:04Z",
	    "2026-1-02T03:04:05Z",
	    "2026-13-02T03:04:05Z",
	    "2026-00-02T03:04:05Z",
	    "2026-01-32T03:04:05Z",
	    "2026-01-00T03:04:05Z",
	    "2026-02-29T03:04:05Z",
	    "2100-02-29T03:04:05Z",
	    "2026-04-31T03:04:05Z",
	    "2026-01-02T24:00:00Z",
	    "2026-01-02T03:60:05Z",
	    "2026-01-02T03:04:61Z",
	    "2026-01-02T03:04:05.Z",
	    "2026-01-02T03:04:05,5Z",
	    "2026-01-02T03:04:05.5",
	    "2026-01-02T03:04:05ZZ",
	    "2026-01-02T03:04:05Z ",
	    " 2026-01-02T03:04:05Z",
	    "2026-01-02T03:04:05+01",
	    "2026-01-02T03:04:05+0100",
	    "2026-01-02T03:04:05+24:00",
	    "2026-01-02T03:04:05+01:60",
	    "2026-01-02T03:04:05+1:00",
	    "2026-01-02_03:04:05Z",
	    "2026/01/02T03:04:05Z",
	    "+026-01-02T03:04:05Z",
	    "-026-01-02T03:04:05Z",
	    "2026-01-02T+3:04:05Z",
	    "1969-12-31T23:59:59Z",
	    "1970-01-01T00:00:00+00:01",
	    "0000-01-01T00:00:00Z",
	    "2262-01-01T00:00:00Z",
	    "9999-12-31T23:59:59Z",
	    "2261-12-31T23:59:60Z",
	    "1767323045000000000Z",
	};
	int64_t ns = 77;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (clock_parse_rfc3339(slice_cstr(bad[i]), &ns))
			fail_msg("\"%s\" was taken", bad[i]);
	}
	assert_false(clock_parse_rfc3339((struct slice){0}, &ns));
	assert_false(clock_parse_rfc3339(slice_new("2026-01-02T03:04:05\0Z", 21), &ns));
	assert_int_equal(ns, 77);
}

/* No byte behind the slice is looked at: every beginning of a good text is refused or, cut in its fraction's zone, bad.
 */
static void stays_inside(void **state)
{
	static const char text[] = "2026-01-02T03:04:05.678+01:00";
	int64_t ns;

	(void)state;
	for (size_t len = 0; len < sizeof text - 1; len++)
		assert_false(clock_parse_rfc3339(slice_new(text, len), &ns));
	assert_true(clock_parse_rfc3339(slice_new(text, sizeof text - 1), &ns));
}

/* Whatever came before, the answer is that of the parser without a memory. */
static void reads_the_same_near_another(void **state)
{
	static const char *const texts[] = {
	    "2026-01-02T03:04:05Z",           "2026-01-02T03:04:05.678Z",
	    "2026-01-02T03:04:59.999999999Z", "2026-01-02T03:04:60Z",
	    "2026-01-02T03:04:05+01:00",      "2026-01-02t03:04:07z",
	    "2026-01-02 03:04:08.5Z",         "2026-01-02T03:05:00Z",
	    "2026-01-02T03:04:05.Z",          "2026-01-02T03:04:5Z",
	    "2026-01-02T03:04:61Z",           "2026-01-02T03:04:",
	    "2026-01-02T03:04:05ZZ",          "2261-12-31T23:59:59.9Z",
	    "2261-12-31T23:59:60Z",           "2016-12-31T23:59:60.25Z",
	    "2016-12-31T23:59:01Z",           "1970-01-01T00:00:00Z",
	    "2026-01-02T03:04:05.5-00:30",    "2026-01-02T03:04:05.1234567891Z",
	    "2026-01-02T03:04:05x7Z",
	};
	const size_t count = sizeof texts / sizeof *texts;

	(void)state;
	for (size_t i = 0; i < count * count; i++) {
		struct clock_minute near = {0};
		int64_t wanted = 77, got = 77;
		(void)clock_parse_rfc3339_near(&near, slice_cstr(texts[i / count]), &got);
		got = 77;
		bool good = clock_parse_rfc3339(slice_cstr(texts[i % count]), &wanted);
		if (clock_parse_rfc3339_near(&near, slice_cstr(texts[i % count]), &got) != good || got != wanted)
			fail_msg("\"%s\" after \"%s\": %" PRId64, texts[i % count], texts[i / count], got);
	}
}

static void writes_times(void **state)
{
	char out[32];

	(void)state;
	assert_int_equal(clock_format_rfc3339(S(1767323045) + 678999999, out), 24);
	assert_string_equal(out, "2026-01-02T03:04:05.678Z");
	clock_format_rfc3339(0, out);
	assert_string_equal(out, "1970-01-01T00:00:00.000Z");
	clock_format_rfc3339(-1, out);
	assert_string_equal(out, "1969-12-31T23:59:59.999Z");
	clock_format_rfc3339(INT64_MAX, out);
	assert_string_equal(out, "2262-04-11T23:47:16.854Z");
	clock_format_rfc3339(INT64_MIN, out);
	assert_string_equal(out, "1677-09-21T00:12:43.145Z");
}

static void reads_what_it_writes(void **state)
{
	char out[32];

	(void)state;
	/* A prime number of milliseconds a step meets every field's every value. */
	for (int64_t ms = 0; ms < INT64_C(9214646400000); ms += INT64_C(86028121) * 7) {
		int64_t ns;
		int len = clock_format_rfc3339(ms * NS_PER_MS, out);
		assert_true(clock_parse_rfc3339(slice_new(out, (size_t)len), &ns));
		assert_true(ns == ms * NS_PER_MS);
	}
}

static void knows_the_calendar(void **state)
{
	(void)state;
	for (int64_t day = -200000; day < 200000; day++) {
		time_t t = (time_t)(day * CIVIL_DAY_S);
		struct tm tm;
		gmtime_r(&t, &tm);
		struct civil date = civil_from_day(day);
		assert_true(date.year == tm.tm_year + 1900 && date.month == (unsigned)tm.tm_mon + 1 &&
		            date.day == (unsigned)tm.tm_mday);
		assert_true(civil_day(date.year, date.month, date.day) == day);
	}
}

static void reads_durations(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} good[] = {
	    {"0", 0},
	    {"0s", 0},
	    {"30s", S(30)},
	    {"1h30m", S(5400)},
	    {"500ms", 500 * NS_PER_MS},
	    {"10m", S(600)},
	    {"7d", S(604800)},
	    {"2w", S(1209600)},
	    {"1y", S(31536000)},
	    {"1y2w3d4h5m6s7ms", S(31536000 + 1209600 + 259200 + 14400 + 300 + 6) + 7 * NS_PER_MS},
	    {"1m30ms", S(60) + 30 * NS_PER_MS},
	    {"90m", S(5400)},
	    {"007s", S(7)},
	    {"292y", S(INT64_C(292) * 31536000)},
	};
	struct error err = {0};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		int64_t ns = -1;
		assert_int_equal(clock_parse_duration(slice_cstr(good[i].text), &ns, &err), 0);
		if (ns != good[i].ns)
			fail_msg("%s: %" PRId64, good[i].text, ns);
	}
}

static void refuses_other_durations(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
	    {"", "is empty"},
	    {"s", "whole number before each unit"},
	    {"5", "one of the units"},
	    {"00", "one of the units"},
	    {"5 s", "one of the units"},
	    {"5S", "one of the units"},
	    {"5us", "one of the units"},
	    {"5sec", "one of the units"},
	    {"1.5h", "one of the units"},
	    {"-5s", "whole number"},
	    {"+5s", "whole number"},
	    {" 5s", "whole number"},
	    {"5s ", "one of the units"},
	    {"30m1h", "from the largest"},
	    {"1h1h", "each unit once"},
	    {"1h5", "one of the units"},
	    {"293y", "longer than 292 years"},
	    {"99999999999999999999s", "longer than 292 years"},
	    {"9223372036855s", "longer than 292 years"},
	    {"292y52w", "longer than 292 years"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct error err = {0};
		int64_t ns = 5;
		int rc = clock_parse_duration(slice_cstr(bad[i].text), &ns, &err);
		if (rc != -EINVAL || ns != 5 || strstr(err.text, bad[i].why) == NULL)
			fail_msg("\"%s\": %d, %s", bad[i].text, rc, err.text);
		assert_non_null(strstr(err.text, bad[i].text));
	}
	int64_t ns;
	assert_int_equal(clock_parse_duration((struct slice){0}, &ns, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_times),
	    cmocka_unit_test(refuses_other_texts),
	    cmocka_unit_test(stays_inside),
	    cmocka_unit_test(writes_times),
	    cmocka_unit_test(reads_the_same_near_another),
	    cmocka_unit_test(reads_what_it_writes),
	    cmocka_unit_test(knows_the_calendar),
	    cmocka_unit_test(reads_durations),
	    cmocka_unit_test(refuses_other_durations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Clocks, zones and calendar windows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

static int64_t at(const char *text)
{
	int64_t ns;

	if (!clock_parse_rfc3339(slice_cstr(text), &ns))
		fail_msg("not a time: %s", text);
	return ns;
}

static void zone(const char *name)
{
	struct error err = {0};

	if (clock_set_timezone(name, &err) != 0)
		fail_msg("%s", err.text);
}

static void window(enum calendar unit, const char *inside, const char *start, const char *next)
{
	char from[32], to[32];
	int64_t s, n;

	clock_calendar(unit, at(inside), &s, &n);
	clock_format_rfc3339(s, from);
	clock_format_rfc3339(n, to);
	char got[80], want[80];
	snprintf(got, sizeof got, "%.19s..%.19s", from, to);
	snprintf(want, sizeof want, "%.19s..%.19s", start, next);
	assert_string_equal(got, want);
}

static int64_t step(void *ctx)
{
	return *(int64_t *)ctx;
}

static void can_be_stepped(void **state)
{
	int64_t now = 1234;

	(void)state;
	clock_set_source(step, step, &now);
	assert_int_equal(clock_wall_ns(), 1234);
	assert_int_equal(clock_mono_ns(), 1234);
	now = 99;
	assert_int_equal(clock_wall_ns(), 99);
	clock_set_source(NULL, NULL, NULL);
	assert_true(clock_wall_ns() > at("2020-01-01T00:00:00Z"));
	int64_t before = clock_mono_ns();
	assert_true(clock_mono_ns() >= before);
}

static void is_utc_without_a_zone(void **state)
{
	(void)state;
	window(CALENDAR_DAY, "2026-03-29T00:00:00Z", "2026-03-29T00:00:00", "2026-03-30T00:00:00");
	window(CALENDAR_DAY, "2026-03-29T23:59:59.999Z", "2026-03-29T00:00:00", "2026-03-30T00:00:00");
}

static void utc(void **state)
{
	(void)state;
	zone("UTC");
	window(CALENDAR_DAY, "2024-02-29T12:00:00Z", "2024-02-29T00:00:00", "2024-03-01T00:00:00");
	window(CALENDAR_WEEK, "2026-01-01T00:00:00Z", "2025-12-29T00:00:00", "2026-01-05T00:00:00");
	window(CALENDAR_WEEK, "2026-01-04T23:59:59Z", "2025-12-29T00:00:00", "2026-01-05T00:00:00");
	window(CALENDAR_WEEK, "2026-01-05T00:00:00Z", "2026-01-05T00:00:00", "2026-01-12T00:00:00");
	window(CALENDAR_WEEK, "1970-01-01T00:00:00Z", "1969-12-29T00:00:00", "1970-01-05T00:00:00");
	window(CALENDAR_MONTH, "2024-02-29T12:00:00Z", "2024-02-01T00:00:00", "2024-03-01T00:00:00");
	window(CALENDAR_MONTH, "2025-12-31T23:59:59Z", "2025-12-01T00:00:00", "2026-01-01T00:00:00");
}

static void berlin(void **state)
{
	(void)state;
	zone("Europe/Berlin");
	window(CALENDAR_DAY, "2026-01-15T22:59:59Z", "2026-01-14T23:00:00", "2026-01-15T23:00:00");
	window(CALENDAR_DAY, "2026-01-15T23:00:00Z", "2026-01-15T23:00:00", "2026-01-16T23:00:00");
	window(CALENDAR_DAY, "2026-07-15T12:00:00Z", "2026-07-14T22:00:00", "2026-07-15T22:00:00");
	/* Clocks go forward: 23 hours. */
	window(CALENDAR_DAY, "2026-03-28T22:59:59Z", "2026-03-27T23:00:00", "2026-03-28T23:00:00");
	window(CALENDAR_DAY, "2026-03-29T00:30:00Z", "2026-03-28T23:00:00", "2026-03-29T22:00:00");
	window(CALENDAR_DAY, "2026-03-29T21:59:59Z", "2026-03-28T23:00:00", "2026-03-29T22:00:00");
	window(CALENDAR_DAY, "2026-03-29T22:00:00Z", "2026-03-29T22:00:00", "2026-03-30T22:00:00");
	/* And back: 25. */
	window(CALENDAR_DAY, "2026-10-25T00:59:59Z", "2026-10-24T22:00:00", "2026-10-25T23:00:00");
	window(CALENDAR_DAY, "2026-10-25T01:00:00Z", "2026-10-24T22:00:00", "2026-10-25T23:00:00");
	window(CALENDAR_DAY, "2026-10-25T22:59:59Z", "2026-10-24T22:00:00", "2026-10-25T23:00:00");
	window(CALENDAR_WEEK, "2026-03-29T12:00:00Z", "2026-03-22T23:00:00", "2026-03-29T22:00:00");
	window(CALENDAR_WEEK, "2026-10-25T12:00:00Z", "2026-10-18T22:00:00", "2026-10-25T23:00:00");
	window(CALENDAR_MONTH, "2026-03-15T12:00:00Z", "2026-02-28T23:00:00", "2026-03-31T22:00:00");
	window(CALENDAR_MONTH, "2026-10-31T22:59:59Z", "2026-09-30T22:00:00", "2026-10-31T23:00:00");
	window(CALENDAR_MONTH, "2026-10-31T23:00:00Z", "2026-10-31T23:00:00", "2026-11-30T23:00:00");
}

static void where_midnight_is_special(void **state)
{
	(void)state;
	/* Clocks went from 00:00 to 01:00: the day began at one. */
	zone("America/Sao_Paulo");
	window(CALENDAR_DAY, "2018-11-04T12:00:00Z", "2018-11-04T03:00:00", "2018-11-05T02:00:00");
	window(CALENDAR_DAY, "2018-11-04T02:59:59Z", "2018-11-03T03:00:00", "2018-11-04T03:00:00");
	/* From 01:00 back to 00:00: two midnights, the first one counts. */
	zone("America/Havana");
	window(CALENDAR_DAY, "2025-11-02T04:30:00Z", "2025-11-02T04:00:00", "2025-11-03T05:00:00");
	window(CALENDAR_DAY, "2025-11-02T05:30:00Z", "2025-11-02T04:00:00", "2025-11-03T05:00:00");
	/* Samoa had no 30 December 2011. */
	zone("Pacific/Apia");
	window(CALENDAR_DAY, "2011-12-30T09:59:59Z", "2011-12-29T10:00:00", "2011-12-30T10:00:00");
	window(CALENDAR_DAY, "2011-12-30T10:00:00Z", "2011-12-30T10:00:00", "2011-12-31T10:00:00");
	zone("Asia/Kathmandu");
	window(CALENDAR_DAY, "2026-05-05T18:15:00Z", "2026-05-05T18:15:00", "2026-05-06T18:15:00");
}

/* Whatever the zone does, windows hold their moment and follow each other without gap or overlap. */
static void seconds_are_as_exact_as_a_double(void **state)
{
	(void)state;
	assert_true(clock_seconds(INT64_C(1700000000250000000)) == 1700000000.25);
	assert_true(clock_seconds(INT64_C(1767323045678000000)) == 1767323045.678);
	assert_true(clock_seconds(0) == 0);
	assert_true(clock_seconds(-500000000) == -0.5);
	assert_true(clock_seconds(1) == 1e-9);
	assert_true(clock_from_seconds(1700000000.25) == INT64_C(1700000000250000000));
	assert_true(clock_from_seconds(0.000000001) == 1);
	assert_true(clock_from_seconds(0) == 0);
}

static void windows_tile_time(void **state)
{
	static const char *const zones[] = {
	    "UTC",          "Europe/Berlin",       "America/New_York", "America/St_Johns", "America/Havana",
	    "Pacific/Apia", "Australia/Lord_Howe", "Asia/Gaza",        "Africa/Cairo",     "Asia/Beirut"};

	(void)state;
	for (size_t z = 0; z < sizeof zones / sizeof *zones; z++) {
		zone(zones[z]);
		for (int unit = CALENDAR_DAY; unit <= CALENDAR_MONTH; unit++) {
			int64_t ns = at("2000-01-01T12:00:00Z");
			int64_t start, next, other_start, other_next;
			clock_calendar((enum calendar)unit, ns, &start, &next);
			for (int i = 0; i < 5000 / (1 + unit * 14); i++) {
				int64_t length = next - start;
				if (start > ns || ns >= next || length < 20 * 3600 * NS_PER_S ||
				    length > 32 * 86400 * NS_PER_S)
					fail_msg("%s: window %d after 2000", zones[z], i);
				clock_calendar((enum calendar)unit, next - 1, &other_start, &other_next);
				assert_true(other_start == start && other_next == next);
				ns = next;
				clock_calendar((enum calendar)unit, ns, &start, &next);
				assert_true(start == ns);
			}
		}
	}
}

static void ends_of_time(void **state)
{
	int64_t start, next;

	(void)state;
	for (size_t z = 0; z < 2; z++) {
		zone(z == 0 ? "UTC" : "Europe/Berlin");
		for (int unit = CALENDAR_DAY; unit <= CALENDAR_MONTH; unit++) {
			clock_calendar((enum calendar)unit, INT64_MAX - 1, &start, &next);
			assert_true(start < INT64_MAX - 1 && next == INT64_MAX);
			clock_calendar((enum calendar)unit, INT64_MIN, &start, &next);
			assert_true(start == INT64_MIN && next > INT64_MIN);
		}
	}
}

static void refuses_unknown_zones(void **state)
{
	static const char *const bad[] = {
	    "",
	    "Europe/Berln",
	    "/etc/localtime",
	    "../../../etc/passwd",
	    "Europe/../Europe/Berlin",
	    "Europe",
	    "zone.tab",
	    "UTC+1",
	    "CET-1CEST,M3.5.0",
	    "Europe/Berlin\n",
	    ":Europe/Berlin",
	    "europe/berlin ",
	    "tzdata.zi",
	};
	char long_name[400];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct error err = {0};
		if (clock_set_timezone(bad[i], &err) != -EINVAL)
			fail_msg("\"%s\" was taken", bad[i]);
		assert_non_null(strstr(err.text, "time zone"));
		assert_non_null(strstr(err.text, "Europe/Berlin"));
	}
	memset(long_name, 'x', sizeof long_name - 1);
	long_name[sizeof long_name - 1] = '\0';
	assert_int_equal(clock_set_timezone(long_name, NULL), -EINVAL);
	/* The one that was set stays. */
	zone("Europe/Berlin");
	assert_int_equal(clock_set_timezone("No/Where", NULL), -EINVAL);
	window(CALENDAR_DAY, "2026-01-15T12:00:00Z", "2026-01-14T23:00:00", "2026-01-15T23:00:00");
}

static void *other_thread(void *ctx)
{
	int64_t *answer = ctx;

	clock_calendar(CALENDAR_DAY, answer[0], &answer[1], &answer[2]);
	return NULL;
}

static void threads_have_their_own_cache(void **state)
{
	int64_t answer[3] = {at("2026-03-29T12:00:00Z"), 0, 0};
	int64_t start, next;
	pthread_t thread;

	(void)state;
	zone("Europe/Berlin");
	clock_calendar(CALENDAR_DAY, at("2001-01-01T12:00:00Z"), &start, &next);
	assert_int_equal(pthread_create(&thread, NULL, other_thread, answer), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(answer[1] == at("2026-03-28T23:00:00Z"));
	assert_true(answer[2] == at("2026-03-29T22:00:00Z"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(can_be_stepped),
	    cmocka_unit_test(is_utc_without_a_zone),
	    cmocka_unit_test(utc),
	    cmocka_unit_test(berlin),
	    cmocka_unit_test(where_midnight_is_special),
	    cmocka_unit_test(seconds_are_as_exact_as_a_double),
	    cmocka_unit_test(windows_tile_time),
	    cmocka_unit_test(ends_of_time),
	    cmocka_unit_test(refuses_unknown_zones),
	    cmocka_unit_test(threads_have_their_own_cache),
	};
	/* The machine's own zone must not matter. */
	setenv("TZ", "Asia/Tokyo", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

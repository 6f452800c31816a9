/* The clocks and the calendar. Texts of times and durations are in time_text.c. */
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/civil.h"
#include "base/file.h"

#define ZONES "/usr/share/zoneinfo/"

static struct {
	int64_t (*wall)(void *ctx);
	int64_t (*mono)(void *ctx);
	void *ctx;
} source;

/* Not UTC: days begin where the C library's zone says so. */
static bool zoned;
static uint32_t zone_generation = 1; /* counts changes of the zone: caches of another one are stale */

static int64_t machine_ns(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t clock_wall_ns(void)
{
	return source.wall != NULL ? source.wall(source.ctx) : machine_ns(CLOCK_REALTIME);
}

int64_t clock_mono_ns(void)
{
	return source.mono != NULL ? source.mono(source.ctx) : machine_ns(CLOCK_MONOTONIC);
}

int64_t clock_cpu_ns(void)
{
	return machine_ns(CLOCK_THREAD_CPUTIME_ID);
}

void clock_set_source(int64_t (*wall)(void *ctx), int64_t (*mono)(void *ctx), void *ctx)
{
	source.wall = wall;
	source.mono = mono;
	source.ctx = ctx;
}

/* Whether `name` is the path of a compiled zone below ZONES; `path` gets it. */
static bool zone_exists(const char *name, char *path, size_t size)
{
	char magic[4];

	if (name[0] == '\0' || name[0] == '/' || strstr(name, "..") != NULL)
		return false;
	for (const char *c = name; *c != '\0'; c++) {
		bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
		if (!letter && strchr("_-+/", *c) == NULL)
			return false;
	}
	if ((size_t)snprintf(path, size, ":" ZONES "%s", name) >= size)
		return false;
	int fd = file_open(path + 1, 0);
	if (fd < 0)
		return false;
	bool compiled =
	    file_pread(fd, magic, sizeof magic, 0) == (ssize_t)sizeof magic && memcmp(magic, "TZif", 4) == 0;
	file_close(fd);
	return compiled;
}

int clock_set_timezone(const char *name, struct error *err)
{
	char path[256];
	bool utc = strcmp(name, "UTC") == 0;

	if (!utc && !zone_exists(name, path, sizeof path))
		return error_set(err, -EINVAL,
		                 "time zone \"%.100s\" is not known to this system (" ZONES
		                 "): wanted \"UTC\" or a name such as \"Europe/Berlin\"",
		                 name);
	if (setenv("TZ", utc ? "UTC0" : path, 1) != 0)
		return error_set(err, -errno, "time zone \"%.100s\": %s", name, strerror(errno));
	tzset();
	zoned = !utc;
	__atomic_fetch_add(&zone_generation, 1, __ATOMIC_RELAXED);
	return 0;
}

/* Day number (civil.h) on the wall clocks of the zone at the Unix time `s`. */
static int64_t local_day(int64_t s)
{
	time_t t = (time_t)s;
	struct tm tm;

	if (localtime_r(&t, &tm) == NULL)
		return civil_floor_div(s, CIVIL_DAY_S);
	return civil_day(tm.tm_year + INT64_C(1900), (unsigned)tm.tm_mon + 1, (unsigned)tm.tm_mday);
}

/* The first second at which the zone's calendar shows `day` or a later one.
 *
 * Asked of localtime alone, because mktime has no answer for a midnight that a change of clocks leaves out and two for
 * one that it repeats. The first guess takes the offset of noon; where that is not the edge (a change between midnight
 * and noon) a search between the widest offsets finds it. Depends on nothing but the day, so neighbouring days share
 * their edge. */
static int64_t day_edge(int64_t day)
{
	int64_t low = day * CIVIL_DAY_S - 16 * 3600;
	int64_t high = day * CIVIL_DAY_S + 16 * 3600;
	time_t noon = (time_t)(day * CIVIL_DAY_S + CIVIL_DAY_S / 2);
	struct tm tm;

	if (localtime_r(&noon, &tm) != NULL) {
		int64_t guess = day * CIVIL_DAY_S - tm.tm_gmtoff;
		if (local_day(guess) >= day && local_day(guess - 1) < day)
			return guess;
	}
	while (high - low > 1) {
		int64_t middle = low + (high - low) / 2;
		if (local_day(middle) >= day)
			high = middle;
		else
			low = middle;
	}
	return high;
}

/* The first day of the unit that holds `day`, and of the one after it. */
static void unit_days(enum calendar unit, int64_t day, int64_t *first, int64_t *after)
{
	struct civil date;

	switch (unit) {
	case CALENDAR_DAY:
		*first = day;
		*after = day + 1;
		return;
	case CALENDAR_WEEK:
		/* 1970-01-01 was a Thursday, three days after a Monday. */
		*first = day - (day + 3 - civil_floor_div(day + 3, 7) * 7);
		*after = *first + 7;
		return;
	case CALENDAR_MONTH:
		date = civil_from_day(day);
		*first = civil_day(date.year, date.month, 1);
		*after = date.month == 12 ? civil_day(date.year + 1, 1, 1) : civil_day(date.year, date.month + 1, 1);
		return;
	}
}

/* `s` seconds as nanoseconds, at the ends of the range where they do not fit. */
static int64_t seconds_ns(int64_t s)
{
	int64_t ns;

	if (__builtin_mul_overflow(s, NS_PER_S, &ns))
		return s < 0 ? INT64_MIN : INT64_MAX;
	return ns;
}

static void find_unit(enum calendar unit, int64_t ns, int64_t *start, int64_t *next)
{
	int64_t s = civil_floor_div(ns, NS_PER_S);
	int64_t first, after;

	if (!zoned) {
		unit_days(unit, civil_floor_div(s, CIVIL_DAY_S), &first, &after);
		*start = seconds_ns(first * CIVIL_DAY_S);
		*next = seconds_ns(after * CIVIL_DAY_S);
		return;
	}
	/* Where clocks go back over midnight a date shows twice; the edges decide which day the moment belongs to. */
	int64_t day = local_day(s);
	while (s < day_edge(day))
		day--;
	while (s >= day_edge(day + 1))
		day++;
	unit_days(unit, day, &first, &after);
	*start = seconds_ns(day_edge(first));
	*next = seconds_ns(day_edge(after));
}

void clock_calendar(enum calendar unit, int64_t ns, int64_t *start, int64_t *next)
{
	static _Thread_local struct {
		int64_t start, next;
		uint32_t generation; /* 0: nothing yet */
	} cache[3];
	uint32_t generation = __atomic_load_n(&zone_generation, __ATOMIC_RELAXED);

	if (cache[unit].generation != generation || ns < cache[unit].start || ns >= cache[unit].next) {
		find_unit(unit, ns, &cache[unit].start, &cache[unit].next);
		cache[unit].generation = generation;
	}
	*start = cache[unit].start;
	*next = cache[unit].next;
}

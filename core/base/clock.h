/* Time. Everything that asks for the time asks here, so that a test can step it. */
#ifndef MOONGATE_BASE_CLOCK_H
#define MOONGATE_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/slice.h"

#define NS_PER_S INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_US INT64_C(1000)

/* Wall clock, nanoseconds since the Unix epoch. Any thread. */
int64_t clock_wall_ns(void);

/* Monotonic clock, nanoseconds since some point. Any thread. */
int64_t clock_mono_ns(void);

/* CPU time that the calling thread has used. The machine's own, also where the clocks are replaced: for bounding work and for figures, and nothing that a replay repeats may
 * hang on it. */
int64_t clock_cpu_ns(void);

/* Nanoseconds as seconds, as exactly as a double holds them: whole seconds and the rest are each converted exactly, and rounded once. */
static inline double clock_seconds(int64_t ns)
{
	int64_t whole = ns / NS_PER_S;
	return (double)whole + (double)(ns - whole * NS_PER_S) / 1e9;
}

/* And back, to the nearest nanosecond that the double tells. `s` lies within an int64_t's nanoseconds. */
static inline int64_t clock_from_seconds(double s)
{
	double whole = __builtin_floor(s);
	return (int64_t)whole * NS_PER_S + (int64_t)((s - whole) * 1e9 + 0.5);
}

/* Replaces both clocks for tests and simulation (NULL: the machine's own). Call before any thread starts. */
void clock_set_source(int64_t (*wall)(void *ctx), int64_t (*mono)(void *ctx), void *ctx);

/* RFC 3339 ("2026-01-02T03:04:05.678Z", "...+01:00"; `T` and `Z` in either case, a space for the T; up to nine
 * fractional digits, further ones cut; a leap second 60 counts as 59 of the same minute plus one second). False when
 * `s` is not one or lies outside 1970..2261. */
bool clock_parse_rfc3339(struct slice s, int64_t *ns);
/* The same in milliseconds, rounded down, and in the years 0000..9999. */
bool clock_parse_rfc3339_ms(struct slice s, int64_t *ms);

/* The same, remembering the minute of the last text in UTC, for streams of times that lie close together: one of the same minute is read from its
 * seconds on. Zeroed it knows none. */
struct clock_minute {
	char text[17]; /* "2026-01-02T03:04:" */
	int64_t ns;    /* its start; only with `known` */
	bool known;
};
bool clock_parse_rfc3339_near(struct clock_minute *near, struct slice s, int64_t *ns);

/* Writes `ns` as "2026-01-02T03:04:05.678Z" with milliseconds; `out` has room for 32 bytes. Returns the length. */
int clock_format_rfc3339(int64_t ns, char out[32]);

/* "30s", "1h30m", "500ms", "10m", "7d", "2w", "1y" as Prometheus has durations: numbers with units in falling order, at
 * least one. Result in nanoseconds. 0, or -EINVAL with a sentence. */
int clock_parse_duration(struct slice s, int64_t *ns, struct error *err);

/* The time zone of calendar windows, an IANA name ("UTC", "Europe/Berlin"). 0, or -EINVAL when the system does not know
 * it. Process-wide; call before any thread starts. */
int clock_set_timezone(const char *name, struct error *err);

enum calendar { CALENDAR_DAY, CALENDAR_WEEK, CALENDAR_MONTH };

/* The start of the calendar day, ISO week (Monday) or month that holds `ns`, and the start of the one after it, in the
 * set time zone. Any thread; the last answer is cached a thread. */
void clock_calendar(enum calendar unit, int64_t ns, int64_t *start, int64_t *next);

#endif

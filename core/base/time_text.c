/* Times and durations as text: RFC 3339 and Prometheus durations. Own date arithmetic, so that neither the locale nor
 * the time zone of the process matters. */
#include <errno.h>
#include <string.h>

#include "base/civil.h"
#include "base/clock.h"

/* Reads `count` digits at `*at`, moving it; -1 when there are fewer. */
static int digits(const char **at, const char *end, int count)
{
	int v = 0;

	if (end - *at < count)
		return -1;
	for (int i = 0; i < count; i++) {
		unsigned digit = (unsigned char)(*at)[i] - (unsigned)'0';
		if (digit > 9)
			return -1;
		v = v * 10 + (int)digit;
	}
	*at += count;
	return v;
}

/* Reads one of two bytes. */
static bool either(const char **at, const char *end, char a, char b)
{
	if (*at == end || (**at != a && **at != b))
		return false;
	++*at;
	return true;
}

static unsigned month_days(int64_t year, unsigned month)
{
	static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap);
}

/* "2026-01-02" as seconds since the epoch. */
static bool parse_date(const char **at, const char *end, int64_t *s)
{
	int year = digits(at, end, 4);
	if (year < 0 || !either(at, end, '-', '-'))
		return false;
	int month = digits(at, end, 2);
	if (month < 1 || month > 12 || !either(at, end, '-', '-'))
		return false;
	int day = digits(at, end, 2);
	if (day < 1 || day > (int)month_days(year, (unsigned)month))
		return false;
	*s = civil_day(year, (unsigned)month, (unsigned)day) * CIVIL_DAY_S;
	return true;
}

/* "03:04:05.678": adds to *s, sets *fraction (nanoseconds). */
static bool parse_time(const char **at, const char *end, int64_t *s, int64_t *fraction)
{
	int hour = digits(at, end, 2);
	if (hour < 0 || hour > 23 || !either(at, end, ':', ':'))
		return false;
	int minute = digits(at, end, 2);
	if (minute < 0 || minute > 59 || !either(at, end, ':', ':'))
		return false;
	int second = digits(at, end, 2);
	if (second < 0 || second > 60)
		return false;
	*s += hour * 3600 + minute * 60 + second;
	*fraction = 0;
	if (!either(at, end, '.', '.'))
		return true;
	int64_t unit = NS_PER_S;
	const char *first = *at;
	for (; *at < end && **at >= '0' && **at <= '9'; ++*at) {
		unit /= 10;
		*fraction += (**at - '0') * unit;
	}
	return *at != first;
}

/* "Z" or "+01:00": seconds ahead of UTC. */
static bool parse_offset(const char **at, const char *end, int64_t *offset)
{
	*offset = 0;
	if (either(at, end, 'Z', 'z'))
		return true;
	bool west = *at < end && **at == '-';
	if (!either(at, end, '+', '-'))
		return false;
	int hour = digits(at, end, 2);
	if (hour < 0 || hour > 23 || !either(at, end, ':', ':'))
		return false;
	int minute = digits(at, end, 2);
	if (minute < 0 || minute > 59)
		return false;
	*offset = (hour * 3600 + minute * 60) * (west ? -1 : 1);
	return true;
}

/* As seconds since the epoch and nanoseconds behind them, in any year of four digits. */
static bool parse_rfc3339(struct slice text, int64_t *seconds, int64_t *fraction)
{
	int64_t s, offset;

	if (text.len < sizeof "2026-01-02T03:04:05Z" - 1)
		return false;
	const char *at = text.ptr;
	const char *end = at + text.len;
	if (!parse_date(&at, end, &s))
		return false;
	if (!either(&at, end, 'T', 't') && !either(&at, end, ' ', ' '))
		return false;
	if (!parse_time(&at, end, &s, fraction) || !parse_offset(&at, end, &offset) || at != end)
		return false;
	*seconds = s - offset;
	return true;
}

bool clock_parse_rfc3339_ms(struct slice text, int64_t *ms)
{
	int64_t s, fraction;

	if (!parse_rfc3339(text, &s, &fraction))
		return false;
	*ms = s * 1000 + fraction / NS_PER_MS;
	return true;
}

bool clock_parse_rfc3339(struct slice text, int64_t *ns)
{
	int64_t s, fraction;

	if (!parse_rfc3339(text, &s, &fraction))
		return false;
	/* 2262-01-01 is the first year's end that nanoseconds in 64 bits do not reach. */
	if (s < 0 || s >= civil_day(2262, 1, 1) * CIVIL_DAY_S)
		return false;
	*ns = s * NS_PER_S + fraction;
	return true;
}

/* "05Z" or "05.678Z", `at` behind the minute; leap seconds and all that is rare are left to the whole parser. */
static bool parse_seconds(const char *at, const char *end, int64_t *ns)
{
	static const int64_t units[] = {NS_PER_S, 100000000, 10000000, 1000000, 100000, 10000, 1000, 100, 10, 1};
	ptrdiff_t len = end - at;
	if (len < 3 || end[-1] != 'Z')
		return false;
	unsigned tens = (unsigned char)at[0] - (unsigned)'0', ones = (unsigned char)at[1] - (unsigned)'0';
	ptrdiff_t decimals = len == 3 ? 0 : len - 4; /* "05" and "Z", and the point */
	if (tens > 5 || ones > 9 || (len > 3 && at[2] != '.') || len == 4 || decimals > 9)
		return false;
	int64_t fraction = 0;
	for (const char *digit = end - 1 - decimals; digit < end - 1; digit++) {
		unsigned v = (unsigned char)*digit - (unsigned)'0';
		if (v > 9)
			return false;
		fraction = fraction * 10 + v;
	}
	*ns = (tens * 10 + ones) * NS_PER_S + fraction * units[decimals];
	return true;
}

bool clock_parse_rfc3339_near(struct clock_minute *near, struct slice s, int64_t *ns)
{
	const size_t len = sizeof near->text;
	int64_t behind;
	if (s.len > len && near->known && bytes_same(s.ptr, near->text, len) &&
	    parse_seconds(s.ptr + len, s.ptr + s.len, &behind)) {
		*ns = near->ns + behind;
		return true;
	}
	if (!clock_parse_rfc3339(s, ns))
		return false;
	near->known = parse_seconds(s.ptr + len, s.ptr + s.len, &behind);
	if (near->known) {
		memcpy(near->text, s.ptr, len);
		near->ns = *ns - behind;
	}
	return true;
}

static char *write_digits(char *to, int64_t v, int count)
{
	for (int i = count - 1; i >= 0; i--, v /= 10)
		to[i] = (char)('0' + v % 10);
	return to + count;
}

int clock_format_rfc3339(int64_t ns, char out[32])
{
	int64_t s = civil_floor_div(ns, NS_PER_S);
	int64_t day = civil_floor_div(s, CIVIL_DAY_S);
	int64_t of_day = s - day * CIVIL_DAY_S;
	int64_t fraction = ns % NS_PER_S + (ns % NS_PER_S < 0 ? NS_PER_S : 0);
	struct civil date = civil_from_day(day);
	char *to = write_digits(out, date.year, 4);

	*to++ = '-';
	to = write_digits(to, date.month, 2);
	*to++ = '-';
	to = write_digits(to, date.day, 2);
	*to++ = 'T';
	to = write_digits(to, of_day / 3600, 2);
	*to++ = ':';
	to = write_digits(to, of_day / 60 % 60, 2);
	*to++ = ':';
	to = write_digits(to, of_day % 60, 2);
	*to++ = '.';
	to = write_digits(to, fraction / NS_PER_MS, 3);
	*to++ = 'Z';
	*to = '\0';
	return (int)(to - out);
}

static const struct unit {
	const char *name;
	int64_t ns;
} units[] = {
    {"y", 365 * 24 * 3600 * NS_PER_S},
    {"w", 7 * 24 * 3600 * NS_PER_S},
    {"d", 24 * 3600 * NS_PER_S},
    {"h", 3600 * NS_PER_S},
    {"m", 60 * NS_PER_S},
    {"s", NS_PER_S},
    {"ms", NS_PER_MS},
};

enum { UNITS = sizeof units / sizeof *units };

/* The index of the unit at `at`, UNITS when there is none; *len gets its length. */
static int find_unit(const char *at, const char *end, size_t *len)
{
	size_t letters = 0;

	while (at + letters < end && (at[letters] < '0' || at[letters] > '9'))
		letters++;
	*len = letters;
	for (int i = 0; i < UNITS; i++) {
		if (strlen(units[i].name) == letters && memcmp(units[i].name, at, letters) == 0)
			return i;
	}
	return UNITS;
}

static int refuse(struct error *err, struct slice s, const char *why)
{
	int shown = s.len > 64 ? 64 : (int)s.len;

	return error_set(err, -EINVAL, "duration \"%.*s\": %s (such as \"30s\", \"1h30m\", \"7d\")", shown,
	                 s.len == 0 ? "" : s.ptr, why);
}

int clock_parse_duration(struct slice s, int64_t *ns, struct error *err)
{
	int64_t sum = 0;
	int last = -1;

	if (s.len == 0)
		return refuse(err, s, "is empty, expected numbers with units");
	const char *at = s.ptr;
	const char *end = at + s.len;
	if (s.len == 1 && *at == '0') {
		*ns = 0;
		return 0;
	}
	while (at < end) {
		int64_t count = 0;
		const char *first = at;
		size_t len;
		for (; at < end && *at >= '0' && *at <= '9'; at++) {
			if (__builtin_mul_overflow(count, 10, &count) ||
			    __builtin_add_overflow(count, *at - '0', &count))
				return refuse(err, s, "is longer than 292 years");
		}
		if (at == first)
			return refuse(err, s, "expected a whole number before each unit");
		int unit = find_unit(at, end, &len);
		if (unit == UNITS)
			return refuse(err, s, "expected one of the units y, w, d, h, m, s, ms after each number");
		if (unit <= last)
			return refuse(err, s, "expected each unit once, from the largest to the smallest");
		if (__builtin_mul_overflow(count, units[unit].ns, &count) || __builtin_add_overflow(sum, count, &sum))
			return refuse(err, s, "is longer than 292 years");
		last = unit;
		at += len;
	}
	*ns = sum;
	return 0;
}

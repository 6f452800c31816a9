/* Days and dates of the proleptic Gregorian calendar. Private to base. */
#ifndef MOONGATE_BASE_CIVIL_H
#define MOONGATE_BASE_CIVIL_H

#include <stdint.h>

enum { CIVIL_DAY_S = 86400 };

struct civil {
	int64_t year;
	unsigned month; /* 1..12 */
	unsigned day;   /* 1..31 */
};

/* Division that rounds down, for times before 1970. */
static inline int64_t civil_floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Days since 1970-01-01. Years are counted from March, so that the leap day is the last of its year: the months before
 * one are then (153 m + 2) / 5 days long in sum, and 400 years have 146,097 days. */
static inline int64_t civil_day(int64_t year, unsigned month, unsigned day)
{
	int64_t y = year - (month <= 2);
	int64_t era = civil_floor_div(y, 400);
	int64_t of_era = y - era * 400;
	int64_t of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* The date of a day number: the other way round. */
static inline struct civil civil_from_day(int64_t days)
{
	int64_t shifted = days + 719468;
	int64_t era = civil_floor_div(shifted, 146097);
	int64_t of_era = shifted - era * 146097;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	int64_t month = (5 * of_year + 2) / 153;
	struct civil date = {
	    .year = year + era * 400 + (month >= 10),
	    .month = (unsigned)(month < 10 ? month + 3 : month - 9),
	    .day = (unsigned)(of_year - (153 * month + 2) / 5 + 1),
	};
	return date;
}

#endif

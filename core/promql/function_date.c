/* Parts of a date, in UTC. */
#include "base/civil.h"
#include "promql/function.h"

/* Seconds since 1970 split up. */
struct moment {
	struct civil date;
	int64_t day;    /* since 1970-01-01 */
	int64_t second; /* of the day */
};

/* As Go has it: seconds become those since a day long before (1 January of the year -292,277,022,399), a number without sign, which wraps. What is no second of 64 bits (NaN, infinities) is the least one there is. */
static struct moment moment_of(double v)
{
	static const uint64_t before_1970 = UINT64_C(9223372028715321600);
	int64_t s = v >= -0x1p63 && v < 0x1p63 ? (int64_t)v : INT64_MIN;
	uint64_t since = (uint64_t)s + before_1970;
	int64_t day = (int64_t)(since / CIVIL_DAY_S) - (int64_t)(before_1970 / CIVIL_DAY_S);
	return (struct moment){civil_from_day(day), day, (int64_t)(since % CIVIL_DAY_S)};
}

typedef double part(struct moment m);

static double day_of_month(struct moment m)
{
	return m.date.day;
}

/* 0 is Sunday; 1970 began on a Thursday. */
static double day_of_week(struct moment m)
{
	return (double)(((m.day + 4) % 7 + 7) % 7);
}

static double day_of_year(struct moment m)
{
	return (double)(m.day - civil_day(m.date.year, 1, 1) + 1);
}

static double days_in_month(struct moment m)
{
	bool december = m.date.month == 12;
	int64_t next = civil_day(m.date.year + december, december ? 1 : m.date.month + 1, 1);
	return (double)(next - civil_day(m.date.year, m.date.month, 1));
}

static double hour(struct moment m)
{
	int64_t hours = m.second / 3600;
	return (double)hours;
}

static double minute(struct moment m)
{
	return (double)(m.second / 60 % 60);
}

static double month(struct moment m)
{
	return m.date.month;
}

static double year(struct moment m)
{
	return (double)m.date.year;
}

/* Without an argument it is the time of each step, in whole seconds. */
static struct node *plan_now(struct eval *ev, const struct promql_expr *call, const struct steps *steps, part *of)
{
	double *values = eval_values(ev, steps);
	if (values == NULL)
		return NULL;
	for (uint32_t i = 0; i < steps->count; i++)
		values[i] = of(moment_of(trunc((double)step_time(steps, i) / 1000)));
	return plan_one_row(ev, call, steps, values);
}

#define FUNCTION(name)                                                                                                 \
	static int map_##name(const struct map_call *c, struct row *row)                                               \
	{                                                                                                              \
		for (uint32_t i = 0; i < c->steps->count; i++) {                                                       \
			if (!promql_is_absent(row->values[i]))                                                         \
				row->values[i] = name(moment_of(row->values[i]));                                      \
		}                                                                                                      \
		return 0;                                                                                              \
	}                                                                                                              \
	struct node *plan_##name(struct eval *ev, const struct promql_expr *call, const struct steps *steps)           \
	{                                                                                                              \
		if (call->call.arg_count == 0)                                                                         \
			return plan_now(ev, call, steps, name);                                                        \
		return plan_map_call(ev, call, steps, map_##name, false);                                              \
	}

FUNCTION(day_of_month)
FUNCTION(day_of_week)
FUNCTION(day_of_year)
FUNCTION(days_in_month)
FUNCTION(hour)
FUNCTION(minute)
FUNCTION(month)
FUNCTION(year)

/* See schedule.h. */
#include "scrape/schedule.h"

#include "base/clock.h"

#define TOLERANCE_NS (2 * NS_PER_MS)

int64_t schedule_next(int64_t now_ns, int64_t interval_ns, uint64_t hash)
{
	int64_t offset = (int64_t)(hash % (uint64_t)interval_ns);
	int64_t into = (now_ns - offset) % interval_ns;

	if (into < 0)
		into += interval_ns;
	return now_ns - into + interval_ns;
}

int64_t schedule_time_ms(int64_t due_ns, int64_t now_ns, int64_t interval_ns)
{
	int64_t tolerance = interval_ns / 100 < TOLERANCE_NS ? interval_ns / 100 : TOLERANCE_NS;
	int64_t late = now_ns - due_ns;

	return (late <= tolerance && late >= -tolerance ? due_ns : now_ns) / NS_PER_MS;
}

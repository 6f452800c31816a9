/* Summaries of chunks. */
#include <math.h>
#include <string.h>

#include "tsdb/chunk.h"

void summary_init(struct chunk_summary *s)
{
	*s = (struct chunk_summary){.first = NAN, .last = NAN, .min = NAN, .max = NAN};
}

static bool has_values(const struct chunk_summary *s)
{
	return s->count > s->stale;
}

void summary_add(struct chunk_summary *s, int64_t time_ms, uint64_t value_bits)
{
	double value;

	memcpy(&value, &value_bits, sizeof value);
	if (s->count == 0)
		s->first_ms = time_ms;
	s->last_ms = time_ms;
	if (value_bits == SAMPLE_STALE_BITS) {
		s->count++;
		s->stale++;
		return;
	}
	if (!has_values(s))
		s->first = value;
	else if (value < s->last)
		s->fallen += s->last;
	s->count++;
	s->last = value;
	if (value < s->min || isnan(s->min))
		s->min = value;
	if (value > s->max || isnan(s->max))
		s->max = value;
}

void summary_join(struct chunk_summary *s, const struct chunk_summary *later)
{
	if (later->count == 0)
		return;
	if (s->count == 0) {
		*s = *later;
		return;
	}
	s->last_ms = later->last_ms;
	if (has_values(later)) {
		if (!has_values(s))
			s->first = later->first;
		else if (later->first < s->last)
			s->fallen += s->last;
		s->fallen += later->fallen;
		s->last = later->last;
		if (later->min < s->min || isnan(s->min))
			s->min = later->min;
		if (later->max > s->max || isnan(s->max))
			s->max = later->max;
	}
	s->count += later->count;
	s->stale += later->stale;
}

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

/* Samples behind one that was a number, so that there are a least and a greatest value: no look at NaN for each. The same steps as summary_add's. */
static void add_numbers(struct chunk_summary *s, const uint64_t *values, uint32_t count)
{
	double last = s->last, min = s->min, max = s->max;
	uint32_t stale = 0;

	for (uint32_t i = 0; i < count; i++) {
		double value;
		if (values[i] == SAMPLE_STALE_BITS) {
			stale++;
			continue;
		}
		memcpy(&value, &values[i], sizeof value);
		if (value < last)
			s->fallen += last;
		last = value;
		min = value < min ? value : min;
		max = value > max ? value : max;
	}
	s->last = last;
	s->min = min;
	s->max = max;
	s->stale += stale;
	s->count += count;
}

void summary_add_all(struct chunk_summary *s, const int64_t *times_ms, const uint64_t *values, uint32_t count)
{
	uint32_t i = 0;

	for (; i < count && isnan(s->min); i++)
		summary_add(s, times_ms[i], values[i]);
	if (i == count)
		return;
	add_numbers(s, values + i, count - i);
	s->last_ms = times_ms[count - 1];
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

void split_init(struct summary_split *s, const int64_t *at_ms)
{
	*s = (struct summary_split){.halves = at_ms != NULL, .at_ms = at_ms != NULL ? *at_ms : 0};
	summary_init(&s->after);
}

void split_add(struct summary_split *s, int64_t time_ms, uint64_t value_bits)
{
	if (s->halves && time_ms <= s->at_ms)
		s->before = (struct series_newest){true, time_ms, value_bits};
	else
		summary_add(&s->after, time_ms, value_bits);
}

void split_add_all(struct summary_split *s, const int64_t *times_ms, const uint64_t *values, uint32_t count)
{
	uint32_t first = 0;

	while (s->halves && first < count && times_ms[first] <= s->at_ms)
		first++;
	if (first > 0)
		s->before = (struct series_newest){true, times_ms[first - 1], values[first - 1]};
	if (first < count) /* of none the arrays may be NULL */
		summary_add_all(&s->after, times_ms + first, values + first, count - first);
}

bool split_join(struct summary_split *s, const struct chunk_summary *known)
{
	if (!s->halves || known->count == 0 || known->first_ms > s->at_ms) {
		summary_join(&s->after, known);
		return true;
	}
	if (known->last_ms > s->at_ms || known->stale > 0) /* the last one may be the marker */
		return false;
	s->before = (struct series_newest){true, known->last_ms, 0};
	memcpy(&s->before.value, &known->last, sizeof known->last);
	return true;
}

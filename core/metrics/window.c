/* Sums over a sliding window, which moves on by a sixtieth of its length: the answer covers the last 59 to 60
 * sixtieths.
 *
 * A snapshot shares the ring, and the first change after it copies 976 bytes (some 50 ns). The road not taken:
 * subtracting what leaves the window from a running sum needs less reading, but keeps the rounding errors of values
 * long gone. */
#include "metrics/window.h"

#include <errno.h>

static struct ring *ring_new(struct registry *r, const struct ring *from)
{
	struct ring *s = registry_block(r, sizeof *s);

	if (s == NULL)
		return NULL;
	if (from != NULL) {
		s->head = from->head;
		memcpy(s->slots, from->slots, sizeof s->slots);
		return s;
	}
	s->head = 0;
	memset(s->slots, 0, sizeof s->slots);
	return s;
}

/* The cell's ring, fit to be changed; NULL when memory is out. */
static struct ring *make_writable(struct registry *r, union series_cell *cell)
{
	struct ring *old = (struct ring *)cell->state;

	if (old != NULL && !block_shared(r->snapshots, &old->block))
		return old;
	struct ring *s = ring_new(r, old);
	if (s == NULL)
		return NULL;
	if (old != NULL)
		registry_retire(r, old, sizeof *old);
	cell->state = &s->block;
	return s;
}

static void advance(struct ring *s, int64_t number)
{
	if (number - s->head >= WINDOW_SLOTS) {
		memset(s->slots, 0, sizeof s->slots);
		s->head = number;
	}
	while (s->head < number)
		s->slots[++s->head % WINDOW_SLOTS] = (struct ring_slot){0};
}

int ring_observe(struct registry *r, union series_cell *cell, int64_t window_ns, int64_t time_ns, double v)
{
	int64_t length = window_ns / WINDOW_SLOTS;
	int64_t now = r->now_ns / length;
	/* Most values are of the sixtieth at hand: a multiplication then stands for a division. */
	int64_t number = time_ns >= now * length ? now : time_ns < 0 ? 0 : time_ns / length;

	if (number <= now - WINDOW_SLOTS) {
		r->stats.late++;
		return 0;
	}
	struct ring *s = make_writable(r, cell);
	if (s == NULL)
		return -ENOMEM;
	advance(s, number);
	struct ring_slot *slot = &s->slots[number % WINDOW_SLOTS];
	if (!isfinite(slot->sum + v))
		return -EINVAL;
	slot->sum += v;
	slot->count++;
	return 0;
}

double ring_mean(const struct ring *s, int64_t window_ns, int64_t now_ns)
{
	int64_t now = now_ns / (window_ns / WINDOW_SLOTS);
	struct ring_slot all = {0};

	if (s == NULL)
		return NAN;
	for (int64_t n = now - WINDOW_SLOTS + 1; n <= s->head; n++) {
		if (n <= s->head - WINDOW_SLOTS || n < 0)
			continue;
		all.sum += s->slots[n % WINDOW_SLOTS].sum;
		all.count += s->slots[n % WINDOW_SLOTS].count;
	}
	return all.count == 0 ? NAN : all.sum / (double)all.count;
}

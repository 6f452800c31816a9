/* Exponential histograms as classic ones.
 *
 * Their buckets move: a sender widens them by halving the resolution, each stream by itself, and with delta temporality from point to point. Bounds taken from the buckets as they come would make new series
 * with each change and would not match between two instances, so that neither increments nor sum by (le) came out right. So the bounds are one fixed set, those of scale 1 from 2^-20 to 2^44, that is
 * 2^(k/2) for k from -40 to 88, and 0: 130 of them and +Inf, whatever the scale. (From a microsecond in seconds to four hours in nanoseconds; SDKs keep 160 buckets.) They are bounds of every finer
 * scale too, so that nothing is guessed: a bucket is counted at the first bound that is not below its upper end, which for scale 1 and above holds all that is in it, and for coarser scales is the bucket's
 * own upper end. What is larger than the last bound is in +Inf alone. Values below zero are rare: where there are any, the same bounds with a minus are in front of the others.
 *
 * Road not taken: the buckets' own bounds, as many as there are. They are exact, and do what is said above. */
#include <math.h>

#include "base/mem.h"
#include "ingest/otlp_metrics.h"

enum {
	SCALE_MIN = -10, /* OpenTelemetry's own range */
	SCALE_MAX = 20,
	GRID_SCALE = 1, /* bounds are 2^(k / 2^GRID_SCALE) */
	GRID_MIN = -40,
	GRID_MAX = 88,
	GRID_STEPS = GRID_MAX - GRID_MIN + 1,
	GRID_ZERO = GRID_STEPS, /* place of 0; the negative ones are in front, those above zero behind */
	GRID_COUNT = 2 * GRID_STEPS + 1
};

/* A bound of the grid, by its place; exact powers of two, and those times the square root of two. */
static double grid_bound(uint32_t place)
{
	if (place == GRID_ZERO)
		return 0;
	bool negative = place < GRID_ZERO;
	int32_t k = negative ? GRID_MAX - (int32_t)place : GRID_MIN + (int32_t)(place - GRID_ZERO - 1);
	double v = ldexp((k & 1) != 0 ? 1.4142135623730951 : 1, (k - (k & 1)) / 2);
	return negative ? -v : v;
}

static int make_grid(struct otlp *d)
{
	d->grid = mem_alloc(GRID_COUNT * sizeof *d->grid);
	if (d->grid == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < GRID_COUNT; i++) {
		buf_reset(&d->text);
		buf_number(&d->text, grid_bound(i));
		if (buf_failed(&d->text))
			return -ENOMEM;
		d->grid[i].len = (uint32_t)d->text.len;
		memcpy(d->grid[i].text, d->text.ptr, d->text.len);
	}
	return 0;
}

/* ⌈index × 2^(GRID_SCALE − scale)⌉ and the floor of it: an index of the sender's scale in steps of the grid. */
static int64_t steps_up(int64_t index, int32_t scale)
{
	if (scale < GRID_SCALE)
		return index * (INT64_C(1) << (GRID_SCALE - scale));
	return -(-index >> (scale - GRID_SCALE));
}

static int64_t steps_down(int64_t index, int32_t scale)
{
	return -steps_up(-index, scale);
}

/* The place of the first bound that is not below 2^(k/2); GRID_COUNT: it is beyond all of them. */
static uint32_t place_above(int64_t k)
{
	if (k > GRID_MAX)
		return GRID_COUNT;
	return (uint32_t)(GRID_ZERO + 1 + (k < GRID_MIN ? 0 : k - GRID_MIN));
}

/* The same for −2^(k/2). */
static uint32_t place_below(int64_t k)
{
	if (k < GRID_MIN)
		return GRID_ZERO;
	return (uint32_t)(k > GRID_MAX ? 0 : GRID_MAX - k);
}

static uint32_t place_of(double value)
{
	uint32_t low = 0, high = GRID_COUNT;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (value <= grid_bound(middle))
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static uint32_t exponential_bucket(const struct otlp *d, double value)
{
	(void)d;
	return place_of(value);
}

/* Puts the buckets' counts into the grid's; the last one is what is beyond it. *negative: something is below zero. */
static void spread(const struct otlp_point *pt, uint64_t *grid, bool *negative)
{
	memset(grid, 0, (GRID_COUNT + 1) * sizeof *grid);
	for (size_t i = 0; i < pt->positive.counts.count; i++) {
		int64_t above = (int64_t)pt->positive.offset + (int64_t)i + 1;
		grid[place_above(steps_up(above, pt->scale))] += pt->positive.counts.items[i];
	}
	*negative = false;
	for (size_t i = 0; i < pt->negative.counts.count; i++) {
		int64_t near = (int64_t)pt->negative.offset + (int64_t)i; /* the end that is nearer to zero */
		grid[place_below(steps_down(near, pt->scale))] += pt->negative.counts.items[i];
		*negative |= pt->negative.counts.items[i] > 0;
	}
	grid[place_of(pt->zero_threshold)] += pt->zero_count;
}

int otlp_exponential_take(struct otlp *d)
{
	uint64_t grid[GRID_COUNT + 1], below = 0;
	bool negative;

	if (d->point.scale < SCALE_MIN || d->point.scale > SCALE_MAX)
		return otlp_refuse(d, "its scale is %d, which is not between %d and %d", (int)d->point.scale, SCALE_MIN,
		                   SCALE_MAX);
	if (!(d->point.zero_threshold >= 0))
		return otlp_refuse(d, "its zeroThreshold is below zero");
	int code = otlp_labels_make(d, SLICE("le"));
	if (code <= 0)
		return code;
	code = otlp_exemplars_read(d, exponential_bucket);
	if (code == 0 && d->grid == NULL)
		code = make_grid(d);
	spread(&d->point, grid, &negative);
	for (uint32_t i = negative ? 0 : GRID_ZERO; i < GRID_COUNT && code == 0; i++) {
		below += grid[i];
		code = otlp_series_bucket(d, i, slice_new(d->grid[i].text, d->grid[i].len), below);
	}
	if (code == 0)
		code = otlp_series_finish_histogram(d);
	return code < 0 ? code : 1;
}

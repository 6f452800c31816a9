/* Quantiles over a sliding window.
 *
 * Buckets grow by the factor γ = 1.01 / 0.99, as in DDSketch (Masson, Rim, Lee, VLDB 2019): bucket i holds (γ^(i−1),
 * γ^i] and is answered with 0.99 γ^i, which is within 1 % of everything in it. Negative values have buckets of their
 * own and zero has one, so any finite value can be observed. The window slides by a tenth of its length: quantiles
 * cover the last nine to ten tenths, never anything older than the window.
 *
 * All slots share one block, sorted arrays one after the other, because most series hit a few dozen buckets: cloning
 * (after a snapshot), saving and freeing are one copy each. Inserting a bucket moves the rest of its slot; nearly
 * always that is the newest and the last one, and a bucket is inserted once and then counted up.
 *
 * The road not taken: t-digest and CKMS are smaller for wide distributions, but their error is in rank, they cannot
 * be subtracted slot by slot, and what they answer depends on the order of merging. */
#include "metrics/summary.h"

#include <errno.h>
#include <float.h>

#define LN_GAMMA 0.020000666706669524 /* ln(1.01 / 0.99) */

enum { CAP_FIRST = 8, KEY_SHIFT = 38000 };

/* Keys rise with values: −(i + shift) for −γ^i, 0 for zero, i + shift for γ^i. */
static int32_t key_of(double v)
{
	if (v == 0)
		return 0;
	int32_t i = (int32_t)ceil(log(fabs(v)) / LN_GAMMA) + KEY_SHIFT;
	return v < 0 ? -i : i;
}

static double value_of(int32_t key)
{
	if (key == 0)
		return 0;
	double size = 0.99 * exp(((key < 0 ? -key : key) - KEY_SHIFT) * LN_GAMMA);
	if (!(size <= DBL_MAX))
		size = DBL_MAX;
	return key < 0 ? -size : size;
}

struct sketch *sketch_new(struct registry *r, uint32_t cap)
{
	struct sketch *s = registry_block(r, sketch_size(cap));

	if (s == NULL)
		return NULL;
	s->head = 0;
	s->cap = cap;
	memset(s->end, 0, sizeof s->end);
	return s;
}

static uint32_t slot_begin(const struct sketch *s, uint32_t slot)
{
	return slot == 0 ? 0 : s->end[slot - 1];
}

static uint32_t sketch_len(const struct sketch *s)
{
	return s->end[SUMMARY_SLOTS - 1];
}

/* Makes the cell's sketch one that may be changed and has room for one more entry if `grow`. 0 or -ENOMEM. */
static int make_writable(struct registry *r, union series_cell *cell, bool grow)
{
	struct sketch *old = (struct sketch *)cell->state;
	bool full = grow && sketch_len(old) == old->cap;

	if (!full && !block_shared(r->snapshots, &old->block))
		return 0;
	struct sketch *s = sketch_new(r, full ? old->cap * 2 : old->cap);
	if (s == NULL)
		return -ENOMEM;
	s->head = old->head;
	memcpy(s->end, old->end, sizeof s->end);
	memcpy(s->entries, old->entries, sketch_len(old) * sizeof *s->entries);
	registry_retire(r, old, sketch_size(old->cap));
	cell->state = &s->block;
	return 0;
}

/* Moves the window on, so that `slot` is the newest; what falls out of it is forgotten. */
static void advance(struct sketch *s, int64_t slot)
{
	int64_t by = slot - s->head;

	if (by <= 0)
		return;
	s->head = slot;
	if (by >= SUMMARY_SLOTS) {
		memset(s->end, 0, sizeof s->end);
		return;
	}
	uint32_t gone = s->end[by - 1];
	memmove(s->entries, s->entries + gone, (sketch_len(s) - gone) * sizeof *s->entries);
	for (uint32_t i = 0; i < SUMMARY_SLOTS; i++)
		s->end[i] = (i + by < SUMMARY_SLOTS ? s->end[i + by] : s->end[SUMMARY_SLOTS - 1]) - gone;
}

/* Where in the slot the key is or belongs. */
static uint32_t find_key(const struct sketch *s, uint32_t slot, int32_t key)
{
	uint32_t low = slot_begin(s, slot);
	uint32_t high = s->end[slot];

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (sketch_key(s->entries[middle]) < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static uint64_t sum_counts(uint64_t a, uint64_t b)
{
	return a + b < SKETCH_COUNT_MAX ? a + b : SKETCH_COUNT_MAX;
}

/* Puts a new key before position `at` of the slot; there is room. */
static void insert(struct sketch *s, uint32_t slot, uint32_t at, int32_t key)
{
	memmove(s->entries + at + 1, s->entries + at, (sketch_len(s) - at) * sizeof *s->entries);
	s->entries[at] = sketch_entry(key, 1);
	for (uint32_t i = slot; i < SUMMARY_SLOTS; i++)
		s->end[i]++;
}

/* A slot has one bucket too many: the two lowest become one. */
static void collapse(struct sketch *s, uint32_t slot)
{
	uint32_t low = slot_begin(s, slot);
	uint64_t *lowest = s->entries + low;

	lowest[1] = sketch_entry(sketch_key(lowest[1]), sum_counts(sketch_count(lowest[0]), sketch_count(lowest[1])));
	memmove(lowest, lowest + 1, (sketch_len(s) - low - 1) * sizeof *lowest);
	for (uint32_t i = slot; i < SUMMARY_SLOTS; i++)
		s->end[i]--;
}

int sketch_observe(struct registry *r, union series_cell *cell, int64_t window_ns, int64_t time_ns, double v)
{
	int64_t length = window_ns / SUMMARY_SLOTS;
	int64_t now = r->now_ns / length;
	int64_t number = time_ns < 0 ? 0 : time_ns > r->now_ns ? now : time_ns / length;
	int32_t key = key_of(v);

	if (number <= now - SUMMARY_SLOTS) {
		r->stats.late++;
		return 0;
	}
	if (cell->state == NULL) {
		struct sketch *fresh = sketch_new(r, CAP_FIRST);
		if (fresh == NULL)
			return -ENOMEM;
		fresh->head = number;
		cell->state = &fresh->block;
	}
	if (make_writable(r, cell, false) != 0)
		return -ENOMEM;
	struct sketch *s = (struct sketch *)cell->state;
	advance(s, number);
	uint32_t slot = (uint32_t)(number - s->head + SUMMARY_SLOTS - 1);
	uint32_t at = find_key(s, slot, key);
	if (at < s->end[slot] && sketch_key(s->entries[at]) == key) {
		s->entries[at] = sketch_entry(key, sum_counts(sketch_count(s->entries[at]), 1));
		return 0;
	}
	if (make_writable(r, cell, true) != 0)
		return -ENOMEM;
	s = (struct sketch *)cell->state;
	insert(s, slot, at, key);
	if (s->end[slot] - slot_begin(s, slot) > SUMMARY_BUCKETS)
		collapse(s, slot);
	return 0;
}

/* ---- reading ---- */

/* The live slots, each with a cursor. */
struct merge {
	const uint64_t *at[SUMMARY_SLOTS];
	const uint64_t *end[SUMMARY_SLOTS];
	uint32_t count;
};

static uint64_t merge_begin(struct merge *m, const struct sketch *s, int64_t now)
{
	uint64_t total = 0;

	m->count = 0;
	for (uint32_t i = 0; i < SUMMARY_SLOTS; i++) {
		if (s->head - (SUMMARY_SLOTS - 1) + i <= now - SUMMARY_SLOTS)
			continue;
		m->at[m->count] = s->entries + slot_begin(s, i);
		m->end[m->count] = s->entries + s->end[i];
		for (const uint64_t *e = m->at[m->count]; e < m->end[m->count]; e++)
			total += sketch_count(*e);
		m->count++;
	}
	return total;
}

/* The lowest key of all slots that was not yet taken, with its count over them. False at the end. */
static bool merge_next(struct merge *m, int32_t *key, uint64_t *count)
{
	bool any = false;

	for (uint32_t i = 0; i < m->count; i++) {
		if (m->at[i] == m->end[i])
			continue;
		int32_t k = sketch_key(*m->at[i]);
		if (!any || k < *key)
			*key = k;
		any = true;
	}
	*count = 0;
	for (uint32_t i = 0; i < m->count && any; i++) {
		if (m->at[i] != m->end[i] && sketch_key(*m->at[i]) == *key)
			*count += sketch_count(*m->at[i]++);
	}
	return any;
}

void sketch_quantiles(const struct sketch *s, int64_t window_ns, int64_t now_ns, const double *quantiles,
                      uint32_t count, double *out)
{
	struct merge merge;
	uint64_t total = s == NULL ? 0 : merge_begin(&merge, s, now_ns / (window_ns / SUMMARY_SLOTS));
	uint64_t passed = 0, in_bucket;
	uint32_t q = 0;
	int32_t key = 0;

	for (uint32_t i = 0; i < count; i++)
		out[i] = NAN;
	while (total != 0 && q < count && merge_next(&merge, &key, &in_bucket)) {
		passed += in_bucket;
		for (; q < count && (double)passed > quantiles[q] * (double)(total - 1); q++)
			out[q] = value_of(key);
	}
}

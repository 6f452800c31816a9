/* The k largest sums: Space-Saving (Metwally, Agrawal, El Abbadi, ICDT 2005) with weights.
 *
 * k entries have a count each. An add for a label list that has an entry raises its count. Any other takes over the
 * entry with the smallest count, inherits that count and raises it. So the counts add up to the total, the smallest
 * is at most total / k, and a list whose true sum is above the smallest count always has an entry.
 *
 * What is shown is not the count but its sure part, count − inherited: exactly what was added since the entry's list
 * came in. What leaves with a list moves to the overflow series. So, for every total there ever was:
 *  - all series and the overflow together are exactly what was added (like any sum of doubles, exact for whole
 *    numbers);
 *  - a series shows at most its true sum, and at least that less its inherited count, which is at most total / k. For
 *    a sharp list of the largest ten ask for a k of a hundred.
 *
 * Ties are decided by age, so that the same adds give the same entries after a checkpoint too, whose heap may lie
 * differently. */
#include "metrics/topk.h"

#include <errno.h>
#include <float.h>

#include "base/check.h"
#include "base/mem.h"
#include "metrics/labels.h"
#include "metrics/sum.h"

int topk_reserve(struct metric *m)
{
	void *heap = m->heap;
	size_t had = m->heap_cap;

	int rc = mem_grow(&heap, &m->heap_cap, m->heap_len, sizeof *m->heap);
	if (rc != 0)
		return rc;
	m->heap = heap;
	m->registry->stats.bytes += (m->heap_cap - had) * sizeof *m->heap;
	return 0;
}

void topk_deinit(struct metric *m)
{
	m->registry->stats.bytes -= m->heap_cap * sizeof *m->heap;
	mem_free(m->heap);
}

static double count_of(const struct series_row *row)
{
	return row->value + row->cells[CELL_TOPK_INHERITED].num;
}

/* Does `a` go before `b`? */
static bool before(const struct metric *m, uint32_t a, uint32_t b)
{
	double count_a = count_of(metric_row(m, a));
	double count_b = count_of(metric_row(m, b));

	if (count_a != count_b)
		return count_a < count_b;
	return metric_labels_of(m, a)->birth < metric_labels_of(m, b)->birth;
}

static void place(struct metric *m, uint32_t at, uint32_t number)
{
	m->heap[at] = number;
	metric_row(m, number)->cells[CELL_TOPK_HEAP].count = at;
}

/* The entry at `at` may have become larger. */
static void sift_down(struct metric *m, uint32_t at)
{
	uint32_t number = m->heap[at];

	for (uint32_t child = 2 * at + 1; child < m->heap_len; child = 2 * at + 1) {
		if (child + 1 < m->heap_len && before(m, m->heap[child + 1], m->heap[child]))
			child++;
		if (!before(m, m->heap[child], number))
			break;
		place(m, at, m->heap[child]);
		at = child;
	}
	place(m, at, number);
}

void topk_push(struct metric *m, uint32_t number)
{
	uint32_t at = m->heap_len++;

	CHECK(m->heap_len <= m->meta->def.k);
	for (uint32_t parent; at > 0; at = parent) {
		parent = (at - 1) / 2;
		if (!before(m, number, m->heap[parent]))
			break;
		place(m, at, m->heap[parent]);
	}
	place(m, at, number);
}

/* Adds to a series that has an entry. */
static int add_to(struct metric *m, uint32_t number, double v)
{
	struct series_row *row = metric_row(m, number);

	if (!sum_add(&row->value, &row->rest, v))
		return -EINVAL;
	row_touch(row, m->registry->now_s);
	sift_down(m, (uint32_t)row->cells[CELL_TOPK_HEAP].count);
	return 0;
}

/* Moves what an entry shows to the overflow series. False when that would not be finite. */
static bool hand_over(struct metric *m, const struct series_row *from, struct series_row *overflow)
{
	double value = overflow->value;
	float rest = overflow->rest;

	if (!sum_add(&value, &rest, from->value) || !sum_add(&value, &rest, from->rest))
		return false;
	overflow->value = value;
	overflow->rest = rest;
	row_touch(overflow, m->registry->now_s);
	return true;
}

/* All entries are taken: the smallest makes place. What can fail comes first. */
static int replace_smallest(struct metric *m, struct slice key, double v)
{
	uint32_t smallest = m->heap[0];
	double inherited = count_of(metric_row(m, smallest));
	bool had_overflow = m->overflow != NUMBER_NONE;
	uint32_t overflow, number;

	if (!isfinite(inherited + v))
		return -EINVAL;
	int rc = series_overflow(m, &overflow);
	if (rc == 0 && metric_labels_writable(m, smallest) == NULL)
		rc = -ENOMEM;
	if (rc == 0)
		rc = series_create(m, key, m->registry->now_ns, &number);
	if (rc != 0) {
		if (!had_overflow && m->overflow != NUMBER_NONE) /* it would show a zero that was never handed over */
			CHECK(series_remove(m, m->overflow) == 0);
		return rc;
	}
	if (!hand_over(m, metric_row(m, smallest), metric_row(m, overflow))) {
		CHECK(series_remove(m, number) == 0);
		return -EINVAL;
	}
	struct series_row *row = metric_row(m, number);
	row->value = v;
	row->cells[CELL_TOPK_INHERITED].num = inherited;
	place(m, 0, number);
	sift_down(m, 0);
	CHECK(series_remove(m, smallest) == 0);
	return 0;
}

/* The way of lists that have no entry, or a long key. */
static __attribute__((noinline)) int add_new(struct metric *m, const struct slice *values, double v)
{
	char bytes[KEY_MAX];
	struct slice clean[METRIC_LABELS_MAX];
	uint32_t number;
	struct slice key = slice_new(bytes, key_clean(bytes, values, m->label_count, &m->registry->stats.values_cut));

	key_values(key, clean, m->label_count);
	int rc = series_find(m, clean, &number);
	if (rc != 0)
		return rc;
	if (number != NUMBER_NONE)
		return add_to(m, number, v);
	if (m->heap_len == m->meta->def.k) /* nothing is worth no one's place */
		return v == 0 ? 0 : replace_smallest(m, key, v);
	rc = topk_reserve(m);
	if (rc == 0)
		rc = series_create(m, key, m->registry->now_ns, &number);
	if (rc != 0)
		return rc;
	metric_row(m, number)->value = v;
	topk_push(m, number);
	return 0;
}

int metric_topk_add(struct metric *m, const struct slice *values, double v)
{
	uint32_t number;

	CHECK(m->type == METRIC_TOPK);
	if (!(v >= 0 && v <= DBL_MAX))
		return -EINVAL;
	int rc = series_find(m, values, &number);
	if (rc != 0)
		return rc;
	return number != NUMBER_NONE ? add_to(m, number, v) : add_new(m, values, v);
}

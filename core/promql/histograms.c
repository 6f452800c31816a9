#include "promql/histograms.h"

#include <stdlib.h>

#include "promql/quote.h"
#include "record/labels.h"

/* Bounds that were read lately: the rows of a histogram come one behind the other, and the next one has the same. */
enum { BOUNDS = 64, BOUND_BYTES = 16 };
struct bounds {
	struct {
		char text[BOUND_BYTES];
		uint8_t len;
		double upper;
	} of[BOUNDS];
};

static bool read_bound(struct bounds *near, struct slice le, double *upper)
{
	if (le.len == 0 || le.len > BOUND_BYTES)
		return bucket_bound(le, upper);
	uint32_t place = ((unsigned char)le.ptr[le.len - 1] * 7 + (unsigned char)le.ptr[0] * 5 +
	                  (unsigned char)le.ptr[le.len / 2] + (uint32_t)le.len) %
	                 BOUNDS;
	if (near->of[place].len == le.len && memcmp(near->of[place].text, le.ptr, le.len) == 0) {
		*upper = near->of[place].upper;
		return true;
	}
	if (!bucket_bound(le, upper))
		return false;
	memcpy(near->of[place].text, le.ptr, le.len);
	near->of[place].len = (uint8_t)le.len;
	near->of[place].upper = *upper;
	return true;
}

void histograms_init(struct histograms *h, struct eval *ev, uint32_t steps)
{
	*h = (struct histograms){.ev = ev, .steps = steps};
	label_index_init(&h->sets, ev);
}

void histograms_deinit(struct histograms *h)
{
	label_index_deinit(&h->sets);
	eval_release(h->ev, h->rows, h->rows_cap * sizeof *h->rows);
	eval_release(h->ev, h->values, h->values_cap * sizeof *h->values);
	eval_release(h->ev, h->starts, h->starts_cap * sizeof *h->starts);
	eval_release(h->ev, h->buckets, h->buckets_cap * sizeof *h->buckets);
	histograms_init(h, h->ev, h->steps);
}

/* ---- rows ---- */

static void warn(struct eval *ev, struct slice labels, struct slice le, uint32_t at)
{
	struct slice name = ev->query->delayed_names ? labels_get(labels, LABEL_METRIC_NAME) : (struct slice){0};
	struct arena arena;

	arena_init(&arena);
	eval_annotate(ev, ANNOTATION_WARNING, at, "bucket label \"le\" is missing or has a malformed value of %s%s%s",
	              quoted(le, UINT32_MAX, &arena), name.len > 0 ? " for metric name " : "",
	              name.len > 0 ? quoted(name, UINT32_MAX, &arena) : "");
	arena_deinit(&arena);
}

static int add_row(struct histograms *h, const struct row *row, double upper, struct buf *set)
{
	struct eval *ev = h->ev;
	uint32_t number;
	int code = labels_without(row->labels, SLICE("le"), set);

	if (code != 0)
		return eval_fail(ev, code, "no memory for labels");
	code = label_index_add(&h->sets, buf_slice(set), &number);
	if (code == 0)
		code = eval_grow(ev, (void **)&h->rows, &h->rows_cap, (size_t)h->count + 1, sizeof *h->rows);
	if (code == 0)
		code = eval_grow(ev, (void **)&h->values, &h->values_cap, ((size_t)h->count + 1) * h->steps,
		                 sizeof *h->values);
	if (code != 0)
		return code;
	memcpy(h->values + (size_t)h->count * h->steps, row->values, h->steps * sizeof *h->values);
	h->rows[h->count] = (struct histogram_row){upper, number, h->count};
	h->count++;
	return 0;
}

static int read_rows(struct histograms *h, struct node *of, uint32_t at)
{
	/* Not on the stack: histogram_quantile() may stand in itself hundreds of times. */
	struct bounds *near = eval_alloc(h->ev, sizeof *near);
	struct buf set = {0};
	struct row row;
	int code;

	if (near == NULL)
		return h->ev->err->code;
	memset(near, 0, sizeof *near);
	while ((code = node_next(of, &row)) == 1) {
		struct slice le = labels_get(row.labels, SLICE("le"));
		double upper;
		if (row_is_empty(&row, h->steps))
			continue;
		if (!read_bound(near, le, &upper)) {
			warn(h->ev, row.labels, le, at);
			continue;
		}
		code = add_row(h, &row, upper, &set);
		if (code != 0)
			break;
	}
	buf_free(&set);
	return code;
}

/* ---- by histogram and bound ---- */

/* NaN is no bound that anything would be below: last. */
static int by_bound(const void *a, const void *b)
{
	const struct histogram_row *x = a, *y = b;
	if (isnan(x->upper) || isnan(y->upper))
		return isnan(x->upper) - isnan(y->upper);
	if (x->upper != y->upper)
		return x->upper < y->upper ? -1 : 1;
	return (x->values > y->values) - (x->values < y->values);
}

/* Few, and often in order already. */
static void sort_few(struct histogram_row *rows, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++) {
		struct histogram_row row = rows[i];
		uint32_t k = i;
		for (; k > 0 && by_bound(&rows[k - 1], &row) > 0; k--)
			rows[k] = rows[k - 1];
		rows[k] = row;
	}
}

/* Puts the rows of a histogram together: each of them goes to the place that the counts of those before leave it. */
static int gather(struct histograms *h)
{
	uint32_t sets = h->sets.count;
	size_t sorted_cap = 0;
	struct histogram_row *sorted = NULL;
	int code =
	    eval_grow(h->ev, (void **)&h->starts, &h->starts_cap, (size_t)sets + 2, sizeof *h->starts); /* see below */
	if (code == 0)
		code = eval_grow(h->ev, (void **)&sorted, &sorted_cap, (size_t)h->count + 1, sizeof *sorted);
	if (code != 0)
		return code;
	memset(h->starts, 0, (sets + 2) * sizeof *h->starts);
	/* Counted two places behind, the sums one place behind are where to write, and have become the starts when all is written. */
	for (uint32_t i = 0; i < h->count; i++)
		h->starts[h->rows[i].histogram + 2]++;
	for (uint32_t i = 2; i < sets + 2; i++)
		h->starts[i] += h->starts[i - 1];
	for (uint32_t i = 0; i < h->count; i++)
		sorted[h->starts[h->rows[i].histogram + 1]++] = h->rows[i];
	eval_release(h->ev, h->rows, h->rows_cap * sizeof *h->rows);
	h->rows = sorted;
	h->rows_cap = sorted_cap;
	return 0;
}

static int sort_rows(struct histograms *h)
{
	size_t largest = 0;
	int code = gather(h);

	if (code != 0)
		return code;
	for (uint32_t i = 0; i < h->sets.count; i++) {
		struct histogram_row *rows = h->rows + h->starts[i];
		uint32_t count = h->starts[i + 1] - h->starts[i];
		if (count <= 32)
			sort_few(rows, count);
		else
			qsort(rows, count, sizeof *rows, by_bound);
		largest = count > largest ? count : largest;
	}
	return eval_grow(h->ev, (void **)&h->buckets, &h->buckets_cap, largest + 1, sizeof *h->buckets);
}

int histograms_collect(struct histograms *h, struct node *of, uint32_t at)
{
	int code = read_rows(h, of, at);
	return code == 0 ? sort_rows(h) : code;
}

uint32_t histograms_at(struct histograms *h, uint32_t histogram, uint32_t step)
{
	uint32_t count = 0;
	for (uint32_t i = h->starts[histogram]; i < h->starts[histogram + 1]; i++) {
		double v = h->values[(size_t)h->rows[i].values * h->steps + step];
		if (!promql_is_absent(v))
			h->buckets[count++] = (struct bucket){h->rows[i].upper, v};
	}
	return buckets_merge(h->buckets, count);
}

/* What the head's index has most of: metrics, labels, pairs. */
#include <errno.h>
#include <stdlib.h>

#include "record/labels.h"
#include "tsdb/postings.h"
#include "tsdb/store.h"

/* The highest counts so far: a heap whose root is the lowest of them. */
struct top {
	struct tsdb_counted *items;
	uint32_t count, limit;
};

/* Which one comes first in the answer: negative, positive; or 0. */
static int order(const void *a, const void *b)
{
	const struct tsdb_counted *x = a, *y = b;
	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	int by_name = slice_compare(x->name, y->name);
	return by_name != 0 ? by_name : slice_compare(x->value, y->value);
}

static void swap(struct top *t, uint32_t a, uint32_t b)
{
	struct tsdb_counted kept = t->items[a];
	t->items[a] = t->items[b];
	t->items[b] = kept;
}

static void sift_up(struct top *t, uint32_t at)
{
	for (uint32_t above; at > 0 && order(&t->items[above = (at - 1) / 2], &t->items[at]) < 0; at = above)
		swap(t, above, at);
}

static void sift_down(struct top *t)
{
	for (uint32_t at = 0;;) {
		uint32_t last = at, below = 2 * at + 1;
		for (uint32_t i = below; i < below + 2 && i < t->count; i++) {
			if (order(&t->items[i], &t->items[last]) > 0)
				last = i;
		}
		if (last == at)
			return;
		swap(t, at, last);
		at = last;
	}
}

static void put(struct top *t, struct slice name, struct slice value, uint64_t count)
{
	struct tsdb_counted item = {name, value, count};
	if (t->count < t->limit) {
		t->items[t->count] = item;
		sift_up(t, t->count++);
	} else if (t->limit > 0 && order(&item, &t->items[0]) < 0) {
		t->items[0] = item;
		sift_down(t);
	}
}

struct walk {
	struct postings_source source;
	struct top metrics, labels, label_bytes, pairs;
	uint64_t label_pairs;
};

/* All values of a label; what is made for them goes back to the scratch arena. */
static int walk_label(struct walk *w, struct slice name, struct arena *scratch)
{
	const struct slice *values;
	uint32_t count;
	uint64_t bytes = 0;
	bool metric = slice_eq(name, LABEL_METRIC_NAME);
	struct arena_mark mark = arena_mark(scratch);

	int code = w->source.values(w->source.ctx, name, scratch, &values, &count);
	for (uint32_t i = 0; i < count && code == 0; i++) {
		uint64_t series = w->source.equal(w->source.ctx, name, values[i]).count;
		bytes += values[i].len * series;
		put(&w->pairs, name, values[i], series);
		if (metric)
			put(&w->metrics, SLICE(""), values[i], series);
	}
	if (code == 0) {
		w->label_pairs += count;
		put(&w->labels, name, SLICE(""), count);
		put(&w->label_bytes, name, SLICE(""), bytes);
	}
	arena_rewind(scratch, mark);
	return code;
}

static int walk_labels(struct walk *w, struct head_view *head)
{
	struct arena scratch;
	const struct slice *names;
	uint32_t count;

	arena_init(&scratch);
	int code = head_view_label_names(head, &scratch, &names, &count);
	for (uint32_t i = 0; i < count && code == 0; i++)
		code = walk_label(w, names[i], &scratch);
	arena_deinit(&scratch);
	return code;
}

static const struct tsdb_counted *sorted(struct top *t, uint32_t *count)
{
	qsort(t->items, t->count, sizeof *t->items, order);
	*count = t->count;
	return t->items;
}

int tsdb_cardinality(struct tsdb_view *v, uint32_t limit, struct arena *arena, struct tsdb_cardinality *out,
                     struct error *err)
{
	struct walk w = {0};
	struct top *const tops[] = {&w.metrics, &w.labels, &w.label_bytes, &w.pairs};
	int code = 0;

	for (size_t i = 0; i < sizeof tops / sizeof *tops && code == 0; i++) {
		tops[i]->limit = limit;
		tops[i]->items = arena_alloc(arena, (limit + (size_t)1) * sizeof *tops[i]->items);
		code = tops[i]->items == NULL ? -ENOMEM : 0;
	}
	head_view_index(v->head, &w.source);
	if (code == 0)
		code = walk_labels(&w, v->head);
	if (code != 0)
		return error_set(err, -ENOMEM, "out of memory while counting series");
	struct postings all = w.source.all(w.source.ctx);
	*out = (struct tsdb_cardinality){.series = all.count, .label_pairs = w.label_pairs};
	for (uint32_t i = 0; i < all.count; i++)
		out->chunks += head_view_chunks(v->head, all.numbers[i]);
	out->oldest_ms = atomic_load(&v->t->oldest_ms);
	out->newest_ms = atomic_load(&v->t->newest_ms);
	out->metrics = sorted(&w.metrics, &out->metric_count);
	out->labels = sorted(&w.labels, &out->label_count);
	out->label_bytes = sorted(&w.label_bytes, &out->label_bytes_count);
	out->pairs = sorted(&w.pairs, &out->pair_count);
	return 0;
}

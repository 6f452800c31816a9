/* Reading the ring of exemplars: a copy of its pointers is all that is made under the lock. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "record/labels.h"
#include "tsdb/exemplars.h"

int exemplars_copy(struct exemplars *x, struct exemplars_copy *out)
{
	*out = (struct exemplars_copy){0};
	/* Before the lock is taken, for as many as there may be by then. */
	out->items = mem_alloc((size_t)x->max * sizeof *out->items);
	if (out->items == NULL)
		return -ENOMEM;
	mutex_lock(&x->lock);
	uint32_t head = x->max - x->first < x->count ? x->max - x->first : x->count;
	if (x->count > 0) {
		memcpy(out->items, x->ring + x->first, head * sizeof *out->items);
		memcpy(out->items + head, x->ring, (x->count - head) * sizeof *out->items);
	}
	out->count = x->count;
	out->slots = x->slot_count;
	mutex_unlock(&x->lock);
	return 0;
}

void exemplars_copy_deinit(struct exemplars_copy *c)
{
	mem_free(c->items);
	*c = (struct exemplars_copy){0};
}

/* ---- selecting ---- */

enum { UNKNOWN = 0, NO = 1, YES = 2 };

/* What is known of a row, by its slot. */
struct seen {
	const struct exemplar_row *row;
	uint32_t count;  /* of its exemplars that are wanted */
	uint32_t filled; /* of them in the result */
	uint8_t matches;
	struct sample_exemplar *out; /* in the arena */
};

struct selection {
	const struct exemplars_copy *copy;
	struct matcher *const *matchers;
	uint32_t matcher_count;
	int64_t from_ms, to_ms;
	struct arena *arena;
	struct seen *seen; /* owned; by slot */
	uint32_t rows;     /* that have some */
};

/* Is it wanted? 1, 0, or -ENOMEM. */
static int wants(struct selection *s, const struct kept_exemplar *k)
{
	struct seen *seen = &s->seen[k->row->slot];

	if (k->time_ms < s->from_ms || k->time_ms > s->to_ms)
		return 0;
	if (seen->matches == UNKNOWN) {
		int code = matchers_match(s->matchers, s->matcher_count, row_labels(k->row));
		if (code < 0)
			return code;
		seen->row = k->row;
		seen->matches = code == 1 ? YES : NO;
	}
	return seen->matches == YES;
}

static int count_wanted(struct selection *s)
{
	for (uint32_t i = 0; i < s->copy->count; i++) {
		int code = wants(s, s->copy->items[i]);
		if (code < 0)
			return code;
		struct seen *seen = &s->seen[s->copy->items[i]->row->slot];
		s->rows += code == 1 && seen->count == 0;
		seen->count += (uint32_t)code;
	}
	return 0;
}

static int compare_series(const void *a, const void *b)
{
	const struct exemplar_series *x = a, *y = b;

	return labels_compare(x->labels, y->labels);
}

/* The series with their exemplars' places; these are filled afterwards. 0 or -ENOMEM. */
static int make_series(struct selection *s, const struct exemplar_series **out)
{
	struct exemplar_series *series = arena_alloc(s->arena, ((size_t)s->rows + 1) * sizeof *series);
	uint32_t count = 0;

	if (series == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->copy->slots; i++) {
		struct seen *seen = &s->seen[i];
		if (seen->count == 0)
			continue;
		seen->out = arena_alloc(s->arena, seen->count * sizeof *seen->out);
		struct slice labels = arena_copy(s->arena, row_labels(seen->row));
		if (seen->out == NULL || labels.ptr == NULL)
			return -ENOMEM;
		series[count++] = (struct exemplar_series){labels, seen->out, seen->count};
	}
	qsort(series, count, sizeof *series, compare_series);
	*out = series;
	return 0;
}

static int fill(struct selection *s)
{
	for (uint32_t i = 0; i < s->copy->count; i++) {
		const struct kept_exemplar *k = s->copy->items[i];
		struct seen *seen = &s->seen[k->row->slot];
		int code = seen->count > 0 ? wants(s, k) : 0;
		if (code <= 0)
			continue; /* all rows that are wanted were asked before */
		struct slice labels = arena_copy(s->arena, kept_labels(k));
		if (labels.ptr == NULL && k->labels_len > 0)
			return -ENOMEM;
		seen->out[seen->filled++] = (struct sample_exemplar){labels, k->value, k->time_ms};
	}
	return 0;
}

int exemplars_copy_select(const struct exemplars_copy *c, struct matcher *const *matchers, uint32_t matcher_count,
                          int64_t from_ms, int64_t to_ms, struct arena *arena, const struct exemplar_series **out,
                          uint32_t *out_count)
{
	struct selection s = {.copy = c,
	                      .matchers = matchers,
	                      .matcher_count = matcher_count,
	                      .from_ms = from_ms,
	                      .to_ms = to_ms,
	                      .arena = arena,
	                      .seen = mem_zalloc((size_t)c->slots + 1, sizeof *s.seen)};
	int code = s.seen == NULL ? -ENOMEM : count_wanted(&s);

	if (code == 0)
		code = make_series(&s, out);
	if (code == 0)
		code = fill(&s);
	*out_count = code == 0 ? s.rows : 0;
	mem_free(s.seen);
	return code;
}

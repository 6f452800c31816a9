/* An index in memory: series with values of a few labels, from numbers that a seed draws. */
#ifndef MOONGATE_UNIT_TSDB_SUPPORT_H
#define MOONGATE_UNIT_TSDB_SUPPORT_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tsdb/postings.h"

struct memory_label {
	const char *name;
	uint32_t values_max;
	uint32_t lacking; /* of a hundred series, how many do not have it */
};

struct memory_value {
	char text[16];
	uint32_t *numbers;
	uint32_t count, cap;
};

enum { MEMORY_LABELS_MAX = 8 };

struct memory_index {
	const struct memory_label *labels;
	uint32_t label_count, series;
	struct memory_value *values[MEMORY_LABELS_MAX]; /* sorted by text */
	struct slice *sorted[MEMORY_LABELS_MAX];        /* those that some series has */
	uint32_t sorted_count[MEMORY_LABELS_MAX];
	uint32_t *value_of[MEMORY_LABELS_MAX]; /* by series: its value's number, or UINT32_MAX */
	uint32_t *all;
	uint32_t step; /* between the numbers of two series */
	int fail_values;
};

static inline uint32_t memory_draw(uint32_t *seed, uint32_t below)
{
	*seed = *seed * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)(*seed >> 4) * below >> 28);
}

static inline int memory_label_of(const struct memory_index *x, struct slice name)
{
	for (uint32_t l = 0; l < x->label_count; l++) {
		if (slice_eq(name, slice_cstr(x->labels[l].name)))
			return (int)l;
	}
	return -1;
}

static inline int memory_by_text(const void *key, const void *item)
{
	const struct slice *text = key;
	const struct memory_value *v = item;
	size_t len = strlen(v->text);
	int order = memcmp(text->ptr, v->text, text->len < len ? text->len : len);
	return order != 0 ? order : (text->len > len) - (text->len < len);
}

static inline struct postings memory_equal(void *ctx, struct slice name, struct slice value)
{
	struct memory_index *x = ctx;
	int l = memory_label_of(x, name);
	struct memory_value *v = NULL;
	if (l >= 0)
		v = bsearch(&value, x->values[l], x->labels[l].values_max, sizeof *v, memory_by_text);
	return v != NULL ? (struct postings){v->numbers, v->count} : (struct postings){NULL, 0};
}

static inline int memory_values(void *ctx, struct slice name, struct arena *arena, const struct slice **values,
                                uint32_t *count)
{
	struct memory_index *x = ctx;
	int l = memory_label_of(x, name);
	(void)arena;
	*count = 0;
	if (x->fail_values > 0 && --x->fail_values == 0)
		return -ENOMEM;
	if (l >= 0) {
		*values = x->sorted[l];
		*count = x->sorted_count[l];
	}
	return 0;
}

static inline struct postings memory_all(void *ctx)
{
	struct memory_index *x = ctx;
	return (struct postings){x->all, x->series};
}

static inline void *memory_room(size_t count, size_t size)
{
	void *p = calloc(count != 0 ? count : 1, size);
	if (p == NULL)
		abort();
	return p;
}

static inline void memory_fill(struct memory_index *x, uint32_t l, uint32_t *seed)
{
	const struct memory_label *label = &x->labels[l];
	x->values[l] = memory_room(label->values_max, sizeof **x->values);
	x->sorted[l] = memory_room(label->values_max, sizeof **x->sorted);
	x->value_of[l] = memory_room(x->series, sizeof **x->value_of);
	for (uint32_t v = 0; v < label->values_max; v++)
		snprintf(x->values[l][v].text, sizeof x->values[l][v].text, "v%06u", v);
	for (uint32_t s = 0; s < x->series; s++) {
		x->value_of[l][s] = UINT32_MAX;
		if (memory_draw(seed, 100) < label->lacking)
			continue;
		struct memory_value *v = &x->values[l][x->value_of[l][s] = memory_draw(seed, label->values_max)];
		if (v->count == v->cap) {
			v->cap = v->cap != 0 ? 2 * v->cap : 4;
			v->numbers = realloc(v->numbers, v->cap * sizeof *v->numbers);
			if (v->numbers == NULL)
				abort();
		}
		v->numbers[v->count++] = x->all[s];
	}
	for (uint32_t v = 0; v < label->values_max; v++) {
		if (x->values[l][v].count != 0)
			x->sorted[l][x->sorted_count[l]++] = slice_cstr(x->values[l][v].text);
	}
}

static inline void memory_index_init(struct memory_index *x, const struct memory_label *labels, uint32_t count,
                                     uint32_t series, uint32_t step, uint32_t seed)
{
	*x = (struct memory_index){.labels = labels, .label_count = count, .series = series, .step = step};
	x->all = memory_room(series, sizeof *x->all);
	for (uint32_t s = 0; s < series; s++)
		x->all[s] = s * step + 1;
	for (uint32_t l = 0; l < count; l++)
		memory_fill(x, l, &seed);
}

static inline struct postings_source memory_source(struct memory_index *x)
{
	return (struct postings_source){.equal = memory_equal, .values = memory_values, .all = memory_all, .ctx = x};
}

/* The value that a series has; empty: none. */
static inline struct slice memory_value_of(const struct memory_index *x, uint32_t series, struct slice name)
{
	int l = memory_label_of(x, name);
	if (l < 0 || x->value_of[l][series] == UINT32_MAX)
		return SLICE("");
	return slice_cstr(x->values[l][x->value_of[l][series]].text);
}

static inline void memory_index_deinit(struct memory_index *x)
{
	for (uint32_t l = 0; l < x->label_count; l++) {
		for (uint32_t v = 0; v < x->labels[l].values_max; v++)
			free(x->values[l][v].numbers);
		free(x->values[l]);
		free(x->sorted[l]);
		free(x->value_of[l]);
	}
	free(x->all);
}

#endif

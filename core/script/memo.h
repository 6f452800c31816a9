/* Series that a method of a metric has changed lately, by the addresses of their label strings. Private to script/.
 *
 * Lua keeps each string once, so equal strings of one state have one address, and two addresses are compared in place of two texts: no hash, no look-up, no
 * comparison of keys. An address means its text only as long as the string lives: so what is remembered is kept alive by references in the state's registry,
 * and that is bounded: MEMO_ENTRIES places, short strings. Labels of many values would come and go without ever being met again: a series is remembered when
 * it is met in its place twice in a row.
 *
 * It is a cache of metric_series() alone: what it answers is what that would. So the overflow series is never remembered, since whether a new series still has to
 * share it may change. One state's thread. */
#ifndef MOONGATE_SCRIPT_MEMO_H
#define MOONGATE_SCRIPT_MEMO_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "metrics/metrics.h"

enum {
	MEMO_LABELS = 3,    /* metrics with more go without */
	MEMO_ENTRIES = 64,  /* a power of two */
	MEMO_TEXT_MAX = 128 /* bytes of a string; longer ones are not kept alive */
};

struct memo_entry {
	const char *texts[MEMO_LABELS];
	int refs[MEMO_LABELS]; /* in the registry: what keeps the strings alive */
	struct series_ref series;
	uint32_t candidate; /* mark of the labels that came here last, without being remembered */
	bool filled;
};

/* Zeroed it is empty. */
struct memo {
	struct memo_entry entries[MEMO_ENTRIES];
};

/* The place of these labels, and their mark. */
static inline struct memo_entry *memo_place(struct memo *m, const struct slice *labels, uint32_t count, uint32_t *mark)
{
	uint64_t mix = 0;

	for (uint32_t i = 0; i < count; i++)
		mix = (mix ^ (uintptr_t)labels[i].ptr) * UINT64_C(0x9e3779b97f4a7c15);
	*mark = (uint32_t)mix;
	return &m->entries[mix >> 58];
}
_Static_assert(MEMO_ENTRIES == 1 << (64 - 58), "the place is the topmost bits");

/* The entry with the series of these labels, living still; or NULL. */
static inline const struct memo_entry *memo_find(const struct memo *m, const struct metric *metric,
                                                 const struct slice *labels, uint32_t count)
{
	uint32_t mark;
	const struct memo_entry *e = memo_place((struct memo *)(uintptr_t)m, labels, count, &mark);

	if (!e->filled)
		return NULL;
	for (uint32_t i = 0; i < count; i++) {
		if (e->texts[i] != labels[i].ptr)
			return NULL;
	}
	return metric_series_valid(metric, e->series) ? e : NULL;
}

/* Offers a series that was looked up. Its labels lie on the stack from `first` on, as strings. May raise (memory). */
void memo_offer(lua_State *L, struct memo_entry *e, uint32_t mark, const struct slice *labels, int first,
                uint32_t count, const struct metric *metric, struct series_ref series);

#endif

/* From matchers to series. Each matcher is turned into lists of what it names: the series that it wants, or where it matches what has no such label, those that it does not want. */
#include <errno.h>
#include <string.h>

#include "record/matcher.h"
#include "tsdb/merge.h"
#include "tsdb/postings.h"

struct selection {
	const struct postings_source *source;
	struct arena *arena;
	struct postings found;
	uint32_t *own; /* where `found` lies when it may be changed in place; else NULL */
	bool begun;    /* there is a first list: nothing found is nothing */
};

enum { VALUES_BETWEEN_LOOKS = 64 };

static bool is_stopped(const struct selection *s)
{
	return s->source->stopped != NULL && s->source->stopped(s->source->stopped_of);
}

/* ---- the lists of a matcher ---- */

/* Values of a label, and which of them are looked at. */
struct values {
	const struct slice *items;
	uint32_t first, end;
};

/* The first value that is not below `prefix`; with `past`, the first behind all that begin with it. */
static uint32_t bound(const struct slice *items, uint32_t count, struct slice prefix, bool past)
{
	uint32_t low = 0, high = count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		struct slice item = items[middle];
		if (past && item.len > prefix.len)
			item.len = prefix.len;
		int order = slice_compare(item, prefix);
		if (order < 0 || (past && order == 0))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int values_of(const struct selection *s, const struct matcher *m, bool prefixed, struct values *out)
{
	uint32_t count = 0;
	out->items = NULL;
	int code = s->source->values(s->source->ctx, m->name, s->arena, &out->items, &count);
	if (code != 0)
		return code;
	out->first = 0;
	out->end = count;
	if (prefixed && m->prefix.len != 0) {
		out->first = bound(out->items, count, m->prefix, false);
		out->end = bound(out->items, count, m->prefix, true);
	}
	return 0;
}

static struct postings equal(const struct selection *s, const struct matcher *m, struct slice value)
{
	return s->source->equal(s->source->ctx, m->name, value);
}

/* Those of a set, by looking each up. */
static int lists_of_set(const struct selection *s, const struct matcher *m, struct postings **lists, uint32_t *count)
{
	*lists = merge_room(s->arena, m->set_count, sizeof **lists);
	if (*lists == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->set_count; i++) {
		if (m->set[i].len != 0)
			(*lists)[(*count)++] = equal(s, m, m->set[i]);
	}
	return 0;
}

/* Those of all values of the label whose match is the one wanted. */
static int lists_of_values(const struct selection *s, const struct matcher *m, bool wanted, struct postings **lists,
                           uint32_t *count)
{
	struct values v;
	int code = values_of(s, m, wanted, &v);
	if (code != 0)
		return code;
	*lists = merge_room(s->arena, v.end - v.first, sizeof **lists);
	if (*lists == NULL)
		return -ENOMEM;
	for (uint32_t i = v.first; i < v.end; i++) {
		if (i % VALUES_BETWEEN_LOOKS == 0 && is_stopped(s))
			return -ECANCELED;
		int matches = matcher_pattern_matches(m, v.items[i]);
		if (matches < 0)
			return matches;
		if ((matches != 0) == wanted)
			(*lists)[(*count)++] = equal(s, m, v.items[i]);
	}
	return 0;
}

/* What the matcher names, as one list. A temporary one lies in the arena. */
static int list_of(const struct selection *s, const struct matcher *m, struct postings *out)
{
	/* A value is named when its match is not that of the empty one; the pattern, before it is negated, says the opposite where the matcher negates. */
	bool wanted = !m->matches_empty != matcher_negates(m);
	struct postings *lists = NULL;
	uint32_t count = 0;
	int code;
	if (wanted && m->pattern == PATTERN_SET && m->set_count == 1 && m->set[0].len != 0) {
		*out = equal(s, m, m->set[0]);
		return 0;
	}
	if (wanted && m->pattern == PATTERN_SET)
		code = lists_of_set(s, m, &lists, &count);
	else if (!wanted && m->pattern == PATTERN_ANY)
		code = 0; /* no value does not match */
	else
		code = lists_of_values(s, m, wanted, &lists, &count);
	return code != 0 ? code : postings_union(s->arena, lists, count, out);
}

/* ---- one after another ---- */

/* Room for what will be of `found`, which is changed in place from then on. */
static int own(struct selection *s, uint32_t most)
{
	if (s->own != NULL)
		return 0;
	s->own = merge_room(s->arena, most, sizeof *s->own);
	return s->own != NULL ? 0 : -ENOMEM;
}

static int take_first(struct selection *s, const struct matcher *m)
{
	s->begun = true;
	return list_of(s, m, &s->found);
}

/* What the matcher names is kept alone. */
static int narrow(struct selection *s, const struct matcher *m)
{
	struct postings list;
	if (!s->begun)
		return take_first(s, m);
	int code = own(s, s->found.count);
	if (code != 0)
		return code;
	struct arena_mark mark = arena_mark(s->arena);
	code = list_of(s, m, &list);
	if (code == 0)
		s->found = (struct postings){s->own, merge_intersect(s->own, s->found, list)};
	arena_rewind(s->arena, mark);
	return code;
}

/* What it names is taken away. */
static int exclude(struct selection *s, const struct matcher *m)
{
	struct postings list;
	int code = own(s, s->found.count);
	if (code != 0)
		return code;
	struct arena_mark mark = arena_mark(s->arena);
	code = list_of(s, m, &list);
	if (code == 0)
		s->found = (struct postings){s->own, merge_subtract(s->own, s->found, list)};
	arena_rewind(s->arena, mark);
	return code;
}

/* The shortest list that one matcher by itself names: with it nothing is built that is longer. NULL: there is none such. */
static const struct matcher *shortest(const struct selection *s, struct matcher *const *matchers, uint32_t count)
{
	const struct matcher *best = NULL;
	uint32_t least = 0;
	for (uint32_t i = 0; i < count; i++) {
		const struct matcher *m = matchers[i];
		if (m->matches_empty || matcher_negates(m) || m->pattern != PATTERN_SET || m->set_count != 1)
			continue;
		uint32_t length = equal(s, m, m->set[0]).count;
		if (best == NULL || length < least) {
			best = m;
			least = length;
		}
	}
	return best;
}

static int select_all(struct selection *s, struct matcher *const *matchers, uint32_t count)
{
	int code = 0;
	const struct matcher *first = shortest(s, matchers, count);
	if (first != NULL)
		code = take_first(s, first);
	for (uint32_t i = 0; i < count && code == 0 && (!s->begun || s->found.count != 0); i++) {
		if (!matchers[i]->matches_empty && matchers[i] != first)
			code = narrow(s, matchers[i]);
	}
	if (code == 0 && !s->begun)
		s->found = s->source->all(s->source->ctx);
	for (uint32_t i = 0; i < count && code == 0 && s->found.count != 0; i++) {
		if (matchers[i]->matches_empty)
			code = exclude(s, matchers[i]);
	}
	return code;
}

int postings_select(const struct postings_source *source, struct matcher *const *matchers, uint32_t count,
                    struct arena *arena, struct postings *out)
{
	struct selection s = {.source = source, .arena = arena};
	struct arena_mark mark = arena_mark(arena);
	int code = select_all(&s, matchers, count);
	if (code != 0) {
		arena_rewind(arena, mark);
		return code;
	}
	*out = s.found;
	return 0;
}

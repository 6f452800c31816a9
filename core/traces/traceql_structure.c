/* Structural operators. Each relation is found for all spans at once by the links of the tree, so that no pair of spans is looked at. */
#include <string.h>

#include "traces/traceql_state.h"

enum relation { CHILD, PARENT, DESCENDANT, ANCESTOR, SIBLING };
enum how { PLAIN, NEGATED, UNION };

enum { OF_A = 1, OF_B = 2 }; /* bits of s->hit: stands in the relation to a span of that side */

static const struct {
	enum lex_type op;
	enum relation relation;
	enum how how;
} operators[] = {
    {LEX_GT, CHILD, PLAIN},
    {LEX_LT, PARENT, PLAIN},
    {LEX_DESCENDANT, DESCENDANT, PLAIN},
    {LEX_ANCESTOR, ANCESTOR, PLAIN},
    {LEX_SIBLING, SIBLING, PLAIN},
    {LEX_NOT_CHILD, CHILD, NEGATED},
    {LEX_NOT_PARENT, PARENT, NEGATED},
    {LEX_NOT_DESCENDANT, DESCENDANT, NEGATED},
    {LEX_NOT_ANCESTOR, ANCESTOR, NEGATED},
    {LEX_NOT_REGEX, SIBLING, NEGATED},
    {LEX_UNION_CHILD, CHILD, UNION},
    {LEX_UNION_PARENT, PARENT, UNION},
    {LEX_UNION_DESCENDANT, DESCENDANT, UNION},
    {LEX_UNION_ANCESTOR, ANCESTOR, UNION},
    {LEX_UNION_SIBLING, SIBLING, UNION},
};

static enum relation inverse(enum relation r)
{
	static const enum relation inverses[] = {PARENT, CHILD, ANCESTOR, DESCENDANT, SIBLING};

	return inverses[r];
}

/* Spans with an ancestor in `in`. s->found says of each whether that is known: up to where it is, then down again. */
static void descendants(struct traceql_state *s, const uint8_t *in, uint8_t bit)
{
	const struct trace_span *spans = trace_spans(s->t);
	uint32_t *known = s->found, count = s->t->span_count;

	memset(known, 0, count * sizeof *known);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t at = i, parent;
		while (!known[at] && (parent = spans[at].parent) != TRACE_NONE && !in[parent])
			at = parent;
		bool below = known[at] ? (s->hit[at] & bit) != 0 : spans[at].parent != TRACE_NONE;
		for (at = i; !known[at]; at = parent) {
			known[at] = 1;
			if (below)
				s->hit[at] |= bit;
			parent = spans[at].parent;
			if (parent == TRACE_NONE || in[parent])
				break;
		}
	}
}

/* Spans with a descendant in `in`. */
static void ancestors(struct traceql_state *s, const uint8_t *in, uint8_t bit)
{
	const struct trace_span *spans = trace_spans(s->t);

	for (uint32_t i = 0; i < s->t->span_count; i++) {
		if (!in[i])
			continue;
		for (uint32_t at = spans[i].parent; at != TRACE_NONE && !(s->hit[at] & bit); at = spans[at].parent)
			s->hit[at] |= bit;
	}
}

/* Spans with another one in `in` that has the same parent; roots are siblings of one another. s->found has how many of them a parent has. */
static void siblings(struct traceql_state *s, const uint8_t *in, uint8_t bit)
{
	const struct trace *t = s->t;
	const struct trace_span *spans = trace_spans(t);
	uint32_t *of = s->found, roots = 0;

	memset(of, 0, t->span_count * sizeof *of);
	for (uint32_t i = 0; i < t->span_count; i++) {
		if (in[i] && spans[i].parent != TRACE_NONE)
			of[spans[i].parent]++;
		else if (in[i] && read_is_root(t, i))
			roots++;
	}
	for (uint32_t i = 0; i < t->span_count; i++) {
		uint32_t parent = spans[i].parent;
		uint32_t all = parent != TRACE_NONE ? of[parent] : read_is_root(t, i) ? roots : 0;
		if (all > in[i])
			s->hit[i] |= bit;
	}
}

static void find_related(struct traceql_state *s, enum relation relation, const uint8_t *in, uint8_t bit)
{
	const struct trace_span *spans = trace_spans(s->t);

	switch (relation) {
	case CHILD:
		for (uint32_t i = 0; i < s->t->span_count; i++) {
			if (spans[i].parent != TRACE_NONE && in[spans[i].parent])
				s->hit[i] |= bit;
		}
		return;
	case PARENT:
		for (uint32_t i = 0; i < s->t->span_count; i++) {
			if (spans[i].parent != TRACE_NONE && in[i])
				s->hit[spans[i].parent] |= bit;
		}
		return;
	case DESCENDANT:
		descendants(s, in, bit);
		return;
	case ANCESTOR:
		ancestors(s, in, bit);
		return;
	case SIBLING:
		siblings(s, in, bit);
		return;
	}
}

void structure_relate(struct traceql_state *s, enum lex_type op, const uint8_t *a, const uint8_t *b)
{
	size_t i = 0;

	while (operators[i].op != op)
		i++;
	enum relation relation = operators[i].relation;
	enum how how = operators[i].how;
	memset(s->hit, 0, s->t->span_count);
	find_related(s, relation, a, OF_A);
	if (how == UNION)
		find_related(s, inverse(relation), b, OF_B);
	for (uint32_t n = 0; n < s->t->span_count; n++) {
		bool related = s->hit[n] & OF_A;
		s->hit[n] = (b[n] && related != (how == NEGATED)) || (a[n] && s->hit[n] & OF_B);
	}
}

/* Spans of a trace by resource and scope. */
#include <stdlib.h>

#include "api/trace_otlp.h"
#include "base/mem.h"

static int order(const void *a, const void *b)
{
	const struct trace_place *x = a, *y = b;

	if (x->resource != y->resource)
		return x->resource < y->resource ? -1 : 1;
	if (x->scope != y->scope)
		return x->scope < y->scope ? -1 : 1;
	return x->span < y->span ? -1 : x->span > y->span;
}

struct trace_place *trace_places(const struct trace *t)
{
	const struct trace_span *spans = trace_spans(t);
	struct trace_place *places = mem_zalloc((size_t)t->span_count + 1, sizeof *places);

	if (places == NULL)
		return NULL;
	for (uint32_t i = 0; i < t->span_count; i++)
		places[i] = (struct trace_place){spans[i].resource, spans[i].scope, i};
	qsort(places, t->span_count, sizeof *places, order);
	return places;
}

uint32_t trace_places_end(const struct trace_place *places, uint32_t count, uint32_t at, bool scopes)
{
	uint32_t end = at;

	while (end < count && places[end].resource == places[at].resource &&
	       (!scopes || places[end].scope == places[at].scope))
		end++;
	return end;
}

/* A trace that was found, as an answer that needs the buffer no more. */
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "traces/traceql_source.h"
#include "traces/traces.h"

/* `count` zeroed items in the result; NULL: memory is out, noted in the state. */
static void *room(struct traceql_state *s, struct traceql_result *r, size_t count, size_t size)
{
	void *items = arena_alloc(&r->arena, count * size);

	if (items != NULL)
		memset(items, 0, count * size);
	else
		s->code = -ENOMEM;
	return items;
}

static struct slice kept_text(struct traceql_state *s, struct traceql_result *r, struct slice text)
{
	struct slice copy = arena_copy(&r->arena, text);

	if (copy.ptr == NULL)
		s->code = -ENOMEM;
	return copy;
}

static void keep_attributes(struct traceql_state *s, struct traceql_result *r, const struct traceql_attribute *from,
                            uint32_t count, struct traceql_attribute **out, uint32_t *out_count)
{
	struct traceql_attribute *to = count > 0 ? room(s, r, count, sizeof *to) : NULL;

	if (to == NULL)
		return;
	for (uint32_t i = 0; i < count; i++) {
		to[i] = from[i];
		to[i].name = kept_text(s, r, from[i].name);
		if (to[i].value.type == TRACEQL_STRING || to[i].value.type == TRACEQL_ARRAY)
			to[i].value.text = kept_text(s, r, from[i].value.text);
	}
	*out = to;
	*out_count = count;
}

static void keep_span(struct traceql_state *s, struct traceql_result *r, uint32_t number,
                      struct traceql_result_span *to)
{
	const struct trace_span *span = &trace_spans(s->t)[number];
	struct traceql_attribute attributes[TRACEQL_FIELDS_MAX];

	to->id = span->id;
	to->name = kept_text(s, r, trace_text(s->t, span->name));
	to->start_ns = span->start_ns;
	to->duration_ns = span->duration_ns;
	int count = traceql_span_attributes(s, number, attributes);
	if (count > 0)
		keep_attributes(s, r, attributes, (uint32_t)count, &to->attributes, &to->attribute_count);
}

static void keep_set(struct traceql_state *s, struct traceql_result *r, const struct traceql_set *set, uint32_t most,
                     struct traceql_result_set *to)
{
	uint32_t count = set->count < most ? set->count : most;

	to->matched = set->count;
	keep_attributes(s, r, set->attributes, set->attribute_count, &to->attributes, &to->attribute_count);
	to->spans = room(s, r, count, sizeof *to->spans);
	if (to->spans == NULL)
		return;
	to->span_count = count;
	for (uint32_t i = 0; i < count && s->code == 0; i++)
		keep_span(s, r, set->spans[i], &to->spans[i]);
}

/* ---- services ---- */

static bool same_service(const void *ctx, const void *key, uint32_t item)
{
	const struct traceql_service *services = ctx;

	return slice_eq(services[item].name, *(const struct slice *)key);
}

/* The number of the service with that name in r->services, which has a place for each resource. */
static uint32_t service_of(struct traceql_state *s, struct traceql_result *r, struct slice name)
{
	uint64_t hash = hash_bytes(name.ptr, name.len, 0);
	uint32_t found = table_find(&s->groups, hash, same_service, r->services, &name);

	if (found != TABLE_NONE)
		return found;
	found = r->service_count++;
	r->services[found].name = kept_text(s, r, name);
	if (table_add(&s->groups, hash, found) != 0)
		s->code = -ENOMEM;
	return found;
}

static void keep_services(struct traceql_state *s, struct traceql_result *r, const struct trace *t)
{
	uint32_t *of = state_room(s, t->resource_count * sizeof *of);

	table_clear(&s->groups);
	r->services = room(s, r, t->resource_count, sizeof *r->services);
	if (of == NULL || r->services == NULL)
		return;
	for (uint32_t i = 0; i < t->resource_count; i++)
		of[i] = TRACE_NONE;
	for (uint32_t i = 0; i < t->span_count && s->code == 0; i++) {
		const struct trace_span *span = &trace_spans(t)[i];
		if (of[span->resource] == TRACE_NONE)
			of[span->resource] = service_of(s, r, trace_service(t, span));
		struct traceql_service *service = &r->services[of[span->resource]];
		service->spans++;
		service->errors += span->status == SPAN_ERROR;
	}
}

struct traceql_result *result_new(struct traceql_state *s, const struct trace *t, const struct traceql_set *sets,
                                  uint32_t count, uint32_t spans_per_set)
{
	struct traceql_result *r = mem_zalloc(1, sizeof *r);
	const struct trace_span *root = &trace_spans(t)[t->root];

	if (r == NULL)
		return NULL;
	arena_init(&r->arena);
	memcpy(r->id, t->id, sizeof r->id);
	r->root_service = kept_text(s, r, trace_service(t, root));
	r->root_name = kept_text(s, r, trace_text(t, root->name));
	r->start_ns = t->start_ns;
	r->duration_ns = (int64_t)((uint64_t)t->end_ns - (uint64_t)t->start_ns);
	r->marks = t->marks;
	r->sets = room(s, r, count, sizeof *r->sets);
	r->set_count = count;
	for (uint32_t i = 0; i < count && s->code == 0; i++)
		keep_set(s, r, &sets[i], spans_per_set, &r->sets[i]);
	if (s->code == 0)
		keep_services(s, r, t);
	if (s->code == 0)
		return r;
	result_free(r);
	return NULL;
}

void result_free(struct traceql_result *r)
{
	if (r == NULL)
		return;
	arena_deinit(&r->arena);
	mem_free(r);
}

void traceql_results_deinit(struct traceql_results *r)
{
	for (uint32_t i = 0; i < r->count; i++)
		result_free(r->results[i]);
	mem_free(r->results);
	*r = (struct traceql_results){0};
}

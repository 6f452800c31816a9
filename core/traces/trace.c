/* Reading a trace: keys, attributes, services, spans by id. */
#include "traces/trace.h"

#include "base/hash.h"
#include "base/mem.h"
#include "traces/traces.h"

uint32_t trace_key_hash(struct slice name)
{
	return (uint32_t)hash_bytes(name.ptr, name.len, 0);
}

uint32_t trace_find_key(const struct trace *t, struct slice name, uint32_t hash)
{
	const struct trace_key *keys = trace_keys(t);

	for (uint32_t i = 0; i < t->key_count; i++) {
		if (keys[i].hash == hash && slice_eq(trace_text(t, keys[i].name), name))
			return i;
	}
	return TRACE_NONE;
}

static const struct trace_cell *find_in(const struct trace *t, struct trace_run run, struct slice name)
{
	if (run.count == 0)
		return NULL;
	uint32_t key = trace_find_key(t, name, trace_key_hash(name));
	return key != TRACE_NONE ? trace_run_find(t, run, key) : NULL;
}

const struct trace_cell *trace_attribute(const struct trace *t, const struct trace_span *s, struct slice name)
{
	return find_in(t, s->attributes, name);
}

const struct trace_cell *trace_resource_attribute(const struct trace *t, const struct trace_span *s, struct slice name)
{
	return find_in(t, trace_resources(t)[s->resource].attributes, name);
}

struct slice trace_service(const struct trace *t, const struct trace_span *s)
{
	const struct trace_cell *name = trace_resource_attribute(t, s, SLICE("service.name"));

	return name != NULL && name->type == TRACE_CELL_STRING ? trace_text(t, name->text) : SLICE("");
}

uint32_t trace_find_span(const struct trace *t, uint64_t id)
{
	const struct trace_span *spans = trace_spans(t);

	for (uint32_t i = 0; i < t->span_count; i++) {
		if (spans[i].id == id)
			return i;
	}
	return TRACE_NONE;
}

void trace_free(struct trace *trace)
{
	mem_free(trace);
}

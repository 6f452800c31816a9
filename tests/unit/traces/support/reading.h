/* Keys of traces, as trace.h has them, for units that link no buffer. Weak: the library's own are taken where it has them. */
#ifndef MOONGATE_TEST_TRACES_READING_H
#define MOONGATE_TEST_TRACES_READING_H

#include "base/hash.h"
#include "traces/trace.h"

__attribute__((weak)) uint32_t trace_key_hash(struct slice name)
{
	return (uint32_t)hash_bytes(name.ptr, name.len, 0);
}

__attribute__((weak)) uint32_t trace_find_key(const struct trace *t, struct slice name, uint32_t hash)
{
	const struct trace_key *keys = trace_keys(t);

	for (uint32_t i = 0; i < t->key_count; i++) {
		if (keys[i].hash == hash && slice_eq(trace_text(t, keys[i].name), name))
			return i;
	}
	return TRACE_NONE;
}

__attribute__((weak)) struct slice trace_service(const struct trace *t, const struct trace_span *s)
{
	struct slice name = SLICE("service.name");
	uint32_t key = trace_find_key(t, name, trace_key_hash(name));
	const struct trace_cell *c = NULL;

	if (key != TRACE_NONE)
		c = trace_run_find(t, trace_resources(t)[s->resource].attributes, key);
	return c != NULL && c->type == TRACE_CELL_STRING ? trace_text(t, c->text) : SLICE("");
}

#endif

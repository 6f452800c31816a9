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

#endif

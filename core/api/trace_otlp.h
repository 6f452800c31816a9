/* A trace as OTLP has it (opentelemetry-proto 1.x, opentelemetry.proto.trace.v1): the spans of each resource together, within it those of each scope, in order of start. What ingest/ makes of it is the same trace again. */
#ifndef MOONGATE_API_TRACE_OTLP_H
#define MOONGATE_API_TRACE_OTLP_H

#include "base/buf.h"
#include "traces/traces.h"

/* Appends Protocol Buffers: field 1, repeated ResourceSpans, as TracesData and Tempo's Trace have it. A sticky failure of `out` where memory is out. */
void trace_put_protobuf(struct buf *out, const struct trace *t);

/* Appends OTLP's JSON: the array of ResourceSpans. Ids in hexadecimal, 64-bit numbers as strings, enumerations as numbers; what is empty or 0 is left out but for ids, names and times. A sticky failure likewise. */
void trace_put_otlp_json(struct buf *out, const struct trace *t);

/* One value with its type as OTLP's JSON has it: {"stringValue":"x"}; {} for null. */
void trace_put_value_json(struct buf *out, const struct trace *t, const struct trace_cell *c);

/* ---- how spans are grouped; for the two writers ---- */

struct trace_place {
	uint32_t resource, scope, span;
};

/* The spans by resource, scope and start: the caller's, mem_free. NULL: memory is out. */
struct trace_place *trace_places(const struct trace *t);

/* Where the run of places with the same resource, and with `scopes` the same scope, as that at `at` ends. */
uint32_t trace_places_end(const struct trace_place *places, uint32_t count, uint32_t at, bool scopes);

#endif

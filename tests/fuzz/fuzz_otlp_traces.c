/* Any bytes as a body of OTLP traces in Protocol Buffers. */
#include "otlp_traces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_body(ingest_otlp_traces_protobuf, data, size);
	return 0;
}

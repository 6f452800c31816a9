/* Any bytes as a body of OTLP metrics in Protocol Buffers. */
#include "otlp_metrics.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_body(ingest_otlp_metrics_protobuf, data, size);
	return 0;
}

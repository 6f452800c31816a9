/* Any bytes as a body of OTLP metrics in JSON. What is made of it on the way is well-formed Protocol Buffers, which the decoder itself checks. */
#include "otlp_metrics.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_body(ingest_otlp_metrics_json, data, size);
	return 0;
}

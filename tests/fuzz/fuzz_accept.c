/* The Accept header of a scrape: any bytes choose one of the two formats; none at all chooses text. */
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "metrics/metrics.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum exposition_format format = exposition_choose(slice_new((const char *)data, size));

	CHECK(format == EXPOSITION_TEXT || format == EXPOSITION_OPENMETRICS);
	CHECK(size != 0 || format == EXPOSITION_TEXT);
	return 0;
}

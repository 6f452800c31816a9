/* Any bytes as a body of events. What is taken must survive its own JSON: written, read again, written again it is the same. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "ingest/ingest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_all(const struct batch *b, struct buf *out)
{
	for (uint32_t i = 0; i < b->count; i++) {
		record_json(out, &b->records[i]);
		buf_byte(out, '\n');
	}
}

static int read_padded(struct batch *b, struct slice text, char **copy, struct ingest_rejects *rejects)
{
	struct ingest_limits limits;
	struct error err = {0};
	ingest_limits_default(&limits);
	*copy = malloc(text.len + INGEST_PADDING);
	if (text.len > 0)
		memcpy(*copy, text.ptr, text.len);
	memset(*copy + text.len, '"', INGEST_PADDING);
	return ingest_events_json(b, slice_new(*copy, text.len), 1, &limits, rejects, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct batch *first = batch_new(), *second = batch_new();
	struct ingest_rejects rejects = {0}, none = {0};
	struct buf once = {0}, twice = {0};
	char *a = NULL, *b = NULL;
	if (read_padded(first, slice_new((const char *)data, size), &a, &rejects) == 0 && first->count > 0) {
		write_all(first, &once);
		CHECK(read_padded(second, buf_slice(&once), &b, &none) == 0);
		CHECK(second->count + none.count == first->count);
		if (none.count == 0) { /* escaping can make a text longer than the limits */
			write_all(second, &twice);
			CHECK(slice_eq(buf_slice(&once), buf_slice(&twice)));
		}
	}
	batch_free(first);
	batch_free(second);
	ingest_rejects_free(&rejects);
	ingest_rejects_free(&none);
	buf_free(&once);
	buf_free(&twice);
	free(a);
	free(b);
	return 0;
}

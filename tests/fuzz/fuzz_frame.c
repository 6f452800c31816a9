/* Any bytes as the payload of a frame. */
#include <string.h>

#include "base/buf.h"
#include "journal/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 3)
		return 0;
	struct batch *b = batch_new();
	struct error err = {0};
	struct frame f = {
	    .seq = 1,
	    .kind = (enum frame_kind)(data[0] % FRAME_KINDS),
	    .count = data[1],
	    .payload = slice_new((const char *)data + 2, size - 2),
	};
	if (frame_decode(&f, b, &err) == 0) {
		struct buf out = {0};
		for (uint32_t i = 0; i < b->count && out.len < 1 << 20; i++)
			record_json(&out, &b->records[i]);
		buf_free(&out);
	}
	batch_free(b);
	return 0;
}

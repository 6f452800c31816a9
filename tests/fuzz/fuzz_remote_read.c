/* Any bytes as a request of remote read: what is taken lies within the body and the bounds, and costs no more memory than a few times the body. */
#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "ingest/ingest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct slice part, struct slice body)
{
	CHECK(part.len == 0 || (part.ptr >= body.ptr && part.ptr + part.len <= body.ptr + body.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice body = slice_new((const char *)data, size);
	struct ingest_read asked;
	struct error err = {0};
	struct arena arena;

	arena_init(&arena);
	int code = ingest_remote_read(body, &arena, &asked, &err);
	CHECK(code == 0 || code == -EINVAL);
	CHECK((code == 0) == (err.text[0] == '\0'));
	CHECK(arena.total <= 64 * size + (1 << 16));
	for (uint32_t i = 0; code == 0 && i < asked.count; i++) {
		CHECK(asked.queries[i].matcher_count <= INGEST_READ_MATCHERS);
		for (uint32_t k = 0; k < asked.queries[i].matcher_count; k++) {
			const struct ingest_read_matcher *m = &asked.queries[i].matchers[k];
			CHECK(m->op <= MATCH_NOT_REGEX);
			check_inside(m->name, body);
			check_inside(m->value, body);
		}
	}
	CHECK(code != 0 || asked.count <= INGEST_READ_QUERIES);
	arena_deinit(&arena);
	return 0;
}

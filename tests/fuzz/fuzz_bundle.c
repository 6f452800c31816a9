/* The texts of all scripts as control records and checkpoints carry them: any bytes are refused with a sentence, or give a bundle that saves and loads again as the same. */
#include <errno.h>
#include <stdint.h>

#include "base/check.h"
#include "script/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script_bundle *first, *again;
	struct error err = {0};
	struct buf once = {0}, twice = {0};

	int rc = script_bundle_load(slice_new((const char *)data, size), &first, &err);
	if (rc != 0) {
		CHECK(rc == err.code && err.text[0] != '\0');
		CHECK(rc == -EBADMSG || rc == -EINVAL || rc == -EFBIG);
		return 0;
	}
	CHECK(script_bundle_save(first, &once) == 0 && once.len == size);
	CHECK(script_bundle_load(buf_slice(&once), &again, &err) == 0);
	CHECK(again->hash == first->hash && again->count == first->count);
	CHECK(script_bundle_save(again, &twice) == 0 && slice_eq(buf_slice(&once), buf_slice(&twice)));
	script_bundle_free(first);
	script_bundle_free(again);
	buf_free(&once);
	buf_free(&twice);
	return 0;
}

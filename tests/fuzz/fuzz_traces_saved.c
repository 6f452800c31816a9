/* Saved traces and outcomes: any bytes are refused with a sentence, or give a buffer that can be read and saved again. The first byte chooses. */
#include <errno.h>

#include "base/check.h"
#include "traces/traces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_error(int rc, const struct error *err)
{
	CHECK(rc == 0 || (rc == -EBADMSG && err->code == rc && err->text[0] != '\0'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error err = {0};
	struct buf saved = {0};
	struct traces_stats s;

	if (size < 1)
		return 0;
	struct slice in = slice_new((const char *)data + 1, size - 1);
	struct traces *t = traces_new(&(struct traces_options){.max_bytes = 16 << 20});
	CHECK(t != NULL);
	int rc = data[0] % 2 == 0 ? traces_load(t, in, &err) : traces_refill_outcomes(t, in, &err);
	check_error(rc, &err);
	CHECK(traces_refill_end(t) == 0);
	traces_stats(t, &s);
	CHECK(s.open == 0 && s.closed == 0); /* none of their spans has come */
	CHECK(traces_save(t, &saved) == 0);
	struct traces *again = traces_new(&(struct traces_options){.max_bytes = 16 << 20});
	CHECK(again != NULL && traces_load(again, buf_slice(&saved), &err) == 0);
	traces_free(again);
	traces_free(t);
	buf_free(&saved);
	return 0;
}

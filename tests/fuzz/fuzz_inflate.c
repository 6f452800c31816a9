/* Any bytes as a compressed body: what comes out, or why nothing does, depends on neither the steps nor the machine; it stays within the limit and gives all memory
 * back. For gzip, zlib alone is the oracle, also of the length that is counted without it. The first byte chooses coding, limit and step. */
#include <snappy-c.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/check.h"
#include "bounds.h"
#include "net/gzip_length.h"
#include "net/inflate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIMIT_MAX (UINT64_C(16) << 20)

static const uint64_t limits[] = {LIMIT_MAX, 0, 1, 4096, 256 << 10, 300 << 10, 1 << 20, 2 << 20};
static const size_t steps[] = {SIZE_MAX, 1, 1000, 192 << 10};

/* zlib's own word on all members of `in`: the length when it is fine and not over `limit`, else -1. Whatever comes out goes to `out`, which may be NULL. */
static int64_t inflate_all(struct slice in, uint64_t limit, char *out)
{
	static char scrap[64 * 1024];
	z_stream z = {.next_in = (Bytef *)(uintptr_t)in.ptr, .avail_in = (uInt)in.len};
	uint64_t len = 0;
	int code = Z_OK;

	CHECK(inflateInit2(&z, 15 + 16) == Z_OK);
	while (code == Z_OK && len <= limit) {
		z.next_out = (Bytef *)(out != NULL ? out + len : scrap);
		z.avail_out = out != NULL ? (uInt)(limit - len + 1) : (uInt)sizeof scrap;
		uInt room = z.avail_out;
		code = inflate(&z, Z_NO_FLUSH);
		len += room - z.avail_out;
		if (code == Z_STREAM_END && z.avail_in > 0)
			code = inflateReset(&z);
		else if (code == Z_BUF_ERROR && z.avail_in > 0)
			code = Z_OK;
	}
	inflateEnd(&z);
	return code == Z_STREAM_END && len <= limit ? (int64_t)len : -1;
}

static void compare(struct slice in, uint64_t limit, enum inflated state, const struct body *body)
{
	int64_t len = inflate_all(in, limit, NULL);
	uint64_t counted = 0;
	enum gzip_length fits = gzip_length(in, limit, &counted);

	CHECK((state == INFLATE_DONE) == (len >= 0));
	CHECK(len < 0 || (fits == GZIP_FITS && counted == (uint64_t)len));
	if (len < 0)
		return;
	CHECK((uint64_t)len == body->len);
	char *out = malloc((size_t)limit + 1);
	CHECK(out != NULL && inflate_all(in, limit, out) == len);
	CHECK(len == 0 || memcmp(out, body->ptr, (size_t)len) == 0);
	free(out);
}

static enum inflated run(struct slice in, enum encoding encoding, uint64_t limit, size_t step, struct budget *budget,
                         struct body *out)
{
	struct inflater *f = inflater_new(encoding);
	enum inflated state = INFLATE_MORE;
	struct refusal no = {0};

	CHECK(f != NULL);
	inflater_begin(f, in, limit, budget);
	while (state == INFLATE_MORE)
		state = inflater_run(f, step, &no);
	CHECK((state == INFLATE_REFUSED) == (no.status != 0) && (no.status == 0) == (no.why == NULL));
	CHECK(no.status == 0 || no.status == 400 || no.status == 413);
	if (state == INFLATE_DONE)
		*out = inflater_take(f);
	CHECK(out->len <= limit);
	inflater_free(f);
	return state;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct budget budget = {.max = UINT64_MAX};
	struct body whole = {0}, pieces = {0};

	if (size < 2)
		return 0;
	enum encoding encoding = data[0] & 64 ? ENCODING_SNAPPY : data[0] & 1 ? ENCODING_GZIP : ENCODING_ZSTD;
	uint64_t limit = limits[data[0] >> 1 & 7];
	struct slice in = slice_new((const char *)data + 1, size - 1);
	enum inflated state = run(in, encoding, limit, SIZE_MAX, &budget, &whole);
	bounds_pause();
	CHECK(run(in, encoding, limit, steps[data[0] >> 4 & 3], &budget, &pieces) == state);
	CHECK(whole.len == pieces.len && (whole.len == 0 || memcmp(whole.ptr, pieces.ptr, whole.len) == 0));
	if (encoding == ENCODING_GZIP)
		compare(in, limit, state, &whole);
	if (encoding == ENCODING_SNAPPY && state == INFLATE_DONE)
		CHECK(snappy_validate_compressed_buffer(in.ptr, in.len) == SNAPPY_OK);
	bounds_resume();
	body_free(&whole, &budget);
	body_free(&pieces, &budget);
	CHECK(budget.used == 0);
	return 0;
}

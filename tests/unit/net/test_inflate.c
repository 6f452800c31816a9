/* Inflating: members and frames, damage, bombs, steps, budgets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <snappy-c.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/mem.h"
#include "net/inflate.h"
#include "net/net.h"

enum { MIB = 1 << 20 };

static struct budget budget;

static int setup(void **state)
{
	(void)state;
	budget = (struct budget){.max = 64 * MIB};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(budget.used, 0);
	return 0;
}

static void add_gzip(struct buf *out, const char *bytes, size_t len)
{
	z_stream z = {0};
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
	size_t bound = deflateBound(&z, len);
	char *to = buf_room(out, bound);
	assert_non_null(to);
	z.next_in = (Bytef *)(uintptr_t)bytes;
	z.avail_in = (uInt)len;
	z.next_out = (Bytef *)to;
	z.avail_out = (uInt)bound;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out->len += z.total_out;
	deflateEnd(&z);
}

static void add_zstd(struct buf *out, const char *bytes, size_t len)
{
	char *to = buf_room(out, ZSTD_compressBound(len));
	assert_non_null(to);
	size_t n = ZSTD_compress(to, ZSTD_compressBound(len), bytes, len, 3);
	assert_false(ZSTD_isError(n));
	out->len += n;
}

static struct buf snappy_of(const char *bytes, size_t len)
{
	struct buf b = {0};
	size_t n = snappy_max_compressed_length(len);
	char *to = buf_room(&b, n);
	assert_non_null(to);
	assert_int_equal(snappy_compress(bytes, len, to, &n), SNAPPY_OK);
	b.len = n;
	return b;
}

static void add(enum encoding e, struct buf *out, const char *bytes, size_t len)
{
	if (e == ENCODING_GZIP)
		add_gzip(out, bytes, len);
	else
		add_zstd(out, bytes, len);
}

/* Text that packs three to one, say. */
static struct buf text_of(size_t len)
{
	struct buf b = {0};
	uint32_t x = 1;
	while (b.len < len) {
		x = x * 1664525 + 1013904223;
		buf_printf(&b, "{\"id\":%u,\"type\":\"model.call\"}\n", x);
	}
	b.len = len;
	return b;
}

static struct refusal inflate_all(struct inflater *f, struct slice in, uint64_t limit, size_t step, struct body *out)
{
	struct refusal no = {0};
	enum inflated state = INFLATE_MORE;
	inflater_begin(f, in, limit, &budget);
	while (state == INFLATE_MORE)
		state = inflater_run(f, step, &no);
	if (state == INFLATE_DONE)
		*out = inflater_take(f);
	inflater_end(f);
	return no;
}

static const enum encoding both[] = {ENCODING_GZIP, ENCODING_ZSTD};

static void parts_come_together(void **state)
{
	static const char zeros[HTTP_BODY_PADDING];
	struct buf text = text_of(700000);

	(void)state;
	for (int e = 0; e < 2; e++) {
		struct inflater *f = inflater_new(both[e]);
		struct buf packed = {0};
		assert_non_null(f);
		add(both[e], &packed, text.ptr, 100000);
		add(both[e], &packed, text.ptr, 0);
		add(both[e], &packed, text.ptr + 100000, 1);
		add(both[e], &packed, text.ptr + 100001, text.len - 100001);
		for (size_t step = 1; step < 2 * text.len; step = step * 37 + 1) {
			struct body body = {0};
			struct refusal no = inflate_all(f, buf_slice(&packed), text.len, step, &body);
			assert_int_equal(no.status, 0);
			assert_int_equal(body.len, text.len);
			assert_memory_equal(body.ptr, text.ptr, text.len);
			assert_memory_equal(body.ptr + body.len, zeros, sizeof zeros);
			body_free(&body, &budget);
		}
		inflater_free(f);
		buf_free(&packed);
	}
	buf_free(&text);
}

static void nothing_may_follow_or_lack(void **state)
{
	struct buf text = text_of(3000);

	(void)state;
	for (int e = 0; e < 2; e++) {
		struct inflater *f = inflater_new(both[e]);
		struct buf packed = {0};
		struct body body = {0};
		add(both[e], &packed, text.ptr, text.len);
		for (size_t len = 1; len < packed.len; len++) {
			struct refusal no = inflate_all(f, slice_new(packed.ptr, len), MIB, SIZE_MAX, &body);
			assert_int_equal(no.status, 400);
		}
		for (int byte = 0; byte < 256; byte++) {
			char *end = buf_room(&packed, 20);
			memset(end, byte, 20);
			struct refusal no =
			    inflate_all(f, slice_new(packed.ptr, packed.len + 20), MIB, SIZE_MAX, &body);
			assert_int_equal(no.status, 400);
		}
		inflater_free(f);
		buf_free(&packed);
	}
	buf_free(&text);
}

/* A flipped bit never gives other bytes as good. (zstd has no checksum unless asked for, so only gzip can promise it.) */
static void damage_is_found(void **state)
{
	struct buf text = text_of(2000);
	struct buf packed = {0};
	struct inflater *f = inflater_new(ENCODING_GZIP);

	(void)state;
	add_gzip(&packed, text.ptr, text.len);
	CHECK(packed.ptr != NULL);
	for (size_t i = 10; i < packed.len; i++) {
		struct body body = {0};
		packed.ptr[i] ^= 4;
		struct refusal no = inflate_all(f, buf_slice(&packed), MIB, SIZE_MAX, &body);
		assert_int_equal(no.status, 400);
		packed.ptr[i] ^= 4;
	}
	inflater_free(f);
	buf_free(&packed);
	buf_free(&text);
}

static void limits_hold_to_the_byte(void **state)
{
	struct buf text = text_of(100000);

	(void)state;
	for (int e = 0; e < 2; e++) {
		struct inflater *f = inflater_new(both[e]);
		struct buf packed = {0};
		struct body body = {0};
		add(both[e], &packed, text.ptr, text.len);
		assert_int_equal(inflate_all(f, buf_slice(&packed), text.len, SIZE_MAX, &body).status, 0);
		assert_int_equal(body.len, text.len);
		body_free(&body, &budget);
		assert_int_equal(inflate_all(f, buf_slice(&packed), text.len - 1, SIZE_MAX, &body).status, 413);
		assert_int_equal(inflate_all(f, buf_slice(&packed), 1, SIZE_MAX, &body).status, 413);
		inflater_free(f);
		buf_free(&packed);
	}
	buf_free(&text);
}

/* Members of a bomb: each megabytes of zeros in some thousand bytes. */
static struct buf bomb_of(enum encoding e, int parts, size_t each)
{
	struct buf b = {0};
	char *zeros = mem_zalloc(1, each);
	assert_non_null(zeros);
	for (int i = 0; i < parts; i++)
		add(e, &b, zeros, each);
	mem_free(zeros);
	return b;
}

static void bombs_cost_little(void **state)
{
	(void)state;
	for (int e = 0; e < 2; e++) {
		struct buf bomb = bomb_of(both[e], 5, 8 * MIB);
		struct inflater *f = inflater_new(both[e]);
		struct refusal no = {0};
		enum inflated went = INFLATE_MORE;
		uint64_t peak = 0;

		inflater_begin(f, buf_slice(&bomb), 16 * MIB, &budget);
		while (went == INFLATE_MORE) {
			went = inflater_run(f, 65536, &no);
			peak = budget.used > peak ? budget.used : peak;
		}
		assert_int_equal(went, INFLATE_REFUSED);
		assert_int_equal(no.status, 413);
		assert_true(peak < 9 * MIB);
		inflater_free(f);
		buf_free(&bomb);
	}
}

static void what_looks_like_a_bomb_but_fits_is_taken(void **state)
{
	(void)state;
	for (int e = 0; e < 2; e++) {
		struct buf packed = bomb_of(both[e], 2, 7 * MIB);
		struct inflater *f = inflater_new(both[e]);
		for (uint64_t limit = 14 * MIB; limit <= 16 * MIB; limit += 2 * MIB) {
			struct body body = {0};
			struct refusal no = inflate_all(f, buf_slice(&packed), limit, 100000, &body);
			assert_int_equal(no.status, 0);
			assert_int_equal(body.len, 14 * MIB);
			for (size_t i = 0; i < body.len; i += 4096)
				assert_int_equal(body.ptr[i], 0);
			body_free(&body, &budget);
		}
		inflater_free(f);
		buf_free(&packed);
	}
}

/* The checksum of a body that was counted first is looked at in the second pass. */
static void damage_in_what_was_counted_is_found(void **state)
{
	struct buf packed = bomb_of(ENCODING_GZIP, 1, 8 * MIB);
	struct inflater *f = inflater_new(ENCODING_GZIP);
	struct body body = {0};

	(void)state;
	CHECK(packed.ptr != NULL);
	packed.ptr[packed.len - 6] ^= 1;
	assert_int_equal(inflate_all(f, buf_slice(&packed), 16 * MIB, SIZE_MAX, &body).status, 400);
	inflater_free(f);
	buf_free(&packed);
}

static void large_windows_are_refused(void **state)
{
	struct inflater *f = inflater_new(ENCODING_ZSTD);
	/* Magic number, no single segment, window descriptors of 2^31 and 2^41 bytes, then a raw block. */
	static const unsigned char windows[] = {0xa8, 0xf8};
	struct body body = {0};

	(void)state;
	for (size_t i = 0; i < sizeof windows; i++) {
		char frame[] = {0x28, (char)0xb5, 0x2f, (char)0xfd, 0, (char)windows[i], 9, 0, 0, 'x'};
		struct refusal no = inflate_all(f, slice_new(frame, sizeof frame), MIB, SIZE_MAX, &body);
		assert_int_equal(no.status, 400);
		assert_non_null(strstr(no.why, "window"));
	}
	/* A single segment that says it has 2^62 bytes, and 2 MiB in a window that would do. */
	char segment[] = {0x28, (char)0xb5, 0x2f, (char)0xfd, (char)0xe0, 0, 0, 0, 0, 0, 0, 0, 0x40, 9, 0, 0, 'x'};
	assert_int_equal(inflate_all(f, slice_new(segment, sizeof segment), MIB, SIZE_MAX, &body).status, 413);
	char frame[] = {0x28, (char)0xb5, 0x2f, (char)0xfd, (char)0x80, 0x20, 0, 0, 0x20, 0, 9, 0, 0, 'x'};
	assert_int_equal(inflate_all(f, slice_new(frame, sizeof frame), MIB, SIZE_MAX, &body).status, 413);
	inflater_free(f);
}

static void spent_budget_refuses(void **state)
{
	struct buf text = text_of(MIB);

	(void)state;
	budget.max = 300000;
	for (int e = 0; e < 2; e++) {
		struct inflater *f = inflater_new(both[e]);
		struct buf packed = {0};
		struct body body = {0};
		add(both[e], &packed, text.ptr, text.len);
		assert_int_equal(inflate_all(f, buf_slice(&packed), 2 * MIB, SIZE_MAX, &body).status, 503);
		inflater_free(f);
		buf_free(&packed);
	}
	buf_free(&text);
}

static void a_snappy_block_comes_in_one_go(void **state)
{
	static const char zeros[HTTP_BODY_PADDING];
	struct inflater *f = inflater_new(ENCODING_SNAPPY);

	(void)state;
	assert_non_null(f);
	assert_true(inflater_is_small(f));
	for (size_t len = 0; len < 900000; len = len * 5 + 1) {
		struct buf text = text_of(len);
		struct buf packed = snappy_of(text.ptr == NULL ? "" : text.ptr, len);
		for (size_t step = 1000; step < 2 * MIB; step *= 40) {
			struct body body = {0};
			struct refusal no = inflate_all(f, buf_slice(&packed), len, step, &body);
			assert_int_equal(no.status, 0);
			assert_int_equal(body.len, len);
			assert_memory_equal(body.ptr, text.ptr == NULL ? "" : text.ptr, len);
			assert_memory_equal(body.ptr + len, zeros, sizeof zeros);
			body_free(&body, &budget);
		}
		buf_free(&text);
		buf_free(&packed);
	}
	inflater_free(f);
}

/* What a step allows for is all that is made: the loop's thread never takes a large block apart. */
static void a_large_snappy_block_waits_for_its_steps(void **state)
{
	struct buf text = text_of(100000);
	struct buf packed = snappy_of(text.ptr, text.len);
	struct inflater *f = inflater_new(ENCODING_SNAPPY);
	struct refusal no = {0};

	(void)state;
	inflater_begin(f, buf_slice(&packed), MIB, &budget);
	assert_int_equal(inflater_run(f, 99999, &no), INFLATE_MORE);
	assert_int_equal(budget.used, 0);
	assert_int_equal(inflater_run(f, 1, &no), INFLATE_DONE);
	inflater_free(f);
	buf_free(&packed);
	buf_free(&text);
}

static void snappy_refuses(struct slice in, uint64_t limit, int status)
{
	struct inflater *f = inflater_new(ENCODING_SNAPPY);
	struct body body = {0};
	assert_int_equal(inflate_all(f, in, limit, SIZE_MAX, &body).status, status);
	assert_int_equal(budget.used, 0);
	inflater_free(f);
}

static void snappy_keeps_to_limits(void **state)
{
	struct buf text = text_of(100000);
	struct buf packed = snappy_of(text.ptr, text.len);

	(void)state;
	for (size_t len = 1; len < packed.len; len += len < 30 ? 1 : 997)
		snappy_refuses(slice_new(packed.ptr, len), MIB, 400);
	snappy_refuses(buf_slice(&packed), text.len - 1, 413);
	budget.max = text.len; /* and the padding, which does not fit any more */
	snappy_refuses(buf_slice(&packed), MIB, 503);
	budget.max = 0;                                                /* lies are seen before memory is asked for */
	snappy_refuses(SLICE("\x80\x80\x80\x08\x00x"), 16 * MIB, 400); /* 16 MiB in six bytes */
	snappy_refuses(SLICE("\x80\x80\x80\x10\x00x"), 16 * MIB, 413); /* 32 MiB */
	snappy_refuses(SLICE("\xff\xff\xff\xff\xff\xff\xff\xff\x7fx"), 16 * MIB, 400); /* 2^63 */
	buf_free(&packed);
	buf_free(&text);
}

static void names_of_encodings(void **state)
{
	(void)state;
	assert_int_equal(encoding_parse(SLICE("")), ENCODING_IDENTITY);
	assert_int_equal(encoding_parse(SLICE("Identity")), ENCODING_IDENTITY);
	assert_int_equal(encoding_parse(SLICE("GZIP")), ENCODING_GZIP);
	assert_int_equal(encoding_parse(SLICE("x-gzip")), ENCODING_GZIP);
	assert_int_equal(encoding_parse(SLICE("zstd")), ENCODING_ZSTD);
	assert_int_equal(encoding_parse(SLICE("Snappy")), ENCODING_SNAPPY);
	assert_int_equal(encoding_parse(SLICE("x-snappy-framed")), ENCODING_UNKNOWN);
	assert_int_equal(encoding_parse(SLICE("gzip, gzip")), ENCODING_UNKNOWN);
	assert_int_equal(encoding_parse(SLICE("deflate")), ENCODING_UNKNOWN);
	assert_int_equal(encoding_parse(SLICE("br")), ENCODING_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(parts_come_together, setup, teardown),
	    cmocka_unit_test_setup_teardown(nothing_may_follow_or_lack, setup, teardown),
	    cmocka_unit_test_setup_teardown(damage_is_found, setup, teardown),
	    cmocka_unit_test_setup_teardown(limits_hold_to_the_byte, setup, teardown),
	    cmocka_unit_test_setup_teardown(bombs_cost_little, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_looks_like_a_bomb_but_fits_is_taken, setup, teardown),
	    cmocka_unit_test_setup_teardown(damage_in_what_was_counted_is_found, setup, teardown),
	    cmocka_unit_test_setup_teardown(large_windows_are_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(spent_budget_refuses, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_snappy_block_comes_in_one_go, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_large_snappy_block_waits_for_its_steps, setup, teardown),
	    cmocka_unit_test_setup_teardown(snappy_keeps_to_limits, setup, teardown),
	    cmocka_unit_test_setup_teardown(names_of_encodings, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

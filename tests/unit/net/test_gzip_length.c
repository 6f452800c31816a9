/* The length of a gzip body, counted from its codes alone: what zlib makes of the same bytes is the measure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <zlib.h>

#include "base/buf.h"
#include "net/gzip_length.h"

enum { TEXT = 100000 };

static unsigned char text[TEXT];

/* Bytes that have matches, literals of all kinds, long runs and noise. */
static int make_text(void **state)
{
	uint32_t x = 1;
	(void)state;
	for (size_t i = 0; i < TEXT; i++) {
		x = x * 1664525 + 1013904223;
		bool noise = i % 20000 < 3000;
		text[i] = noise ? (unsigned char)(x >> 24) : i % 20000 < 10000 ? (unsigned char)('a' + (x >> 29)) : 'z';
	}
	return 0;
}

static void add_member(struct buf *out, size_t len, int level, int strategy, gz_header *header)
{
	static unsigned char packed[2 * TEXT];
	z_stream z = {.next_in = text, .avail_in = (uInt)len, .next_out = packed, .avail_out = sizeof packed};
	assert_int_equal(deflateInit2(&z, level, Z_DEFLATED, 15 + 16, 8, strategy), Z_OK);
	if (header != NULL)
		assert_int_equal(deflateSetHeader(&z, header), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	buf_append(out, packed, sizeof packed - z.avail_out);
	assert_false(buf_failed(out));
	deflateEnd(&z);
}

static void assert_length(struct slice in, uint64_t wanted)
{
	uint64_t length = 0;
	assert_int_equal(gzip_length(in, wanted, &length), GZIP_FITS);
	assert_int_equal(length, wanted);
	assert_int_equal(gzip_length(in, UINT64_MAX, &length), GZIP_FITS);
	assert_int_equal(length, wanted);
	if (wanted > 0)
		assert_int_equal(gzip_length(in, wanted - 1, &length), GZIP_OVER);
}

static void every_kind_of_block_is_counted(void **state)
{
	static const int strategies[] = {Z_DEFAULT_STRATEGY, Z_HUFFMAN_ONLY, Z_RLE, Z_FIXED};
	static const size_t sizes[] = {0, 1, 257, 65536, TEXT};
	(void)state;
	for (int level = 0; level <= 9; level++) {
		for (size_t s = 0; s < sizeof strategies / sizeof *strategies; s++) {
			for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++) {
				struct buf b = {0};
				add_member(&b, sizes[n], level, strategies[s], NULL);
				assert_length(buf_slice(&b), sizes[n]);
				buf_free(&b);
			}
		}
	}
}

static void members_and_headers_are_passed_over(void **state)
{
	unsigned char extra[] = "extra\0field";
	unsigned char name[] = "a name", comment[] = "a comment";
	gz_header header = {.extra = extra, .extra_len = sizeof extra, .name = name, .comment = comment, .hcrc = 1};
	struct buf b = {0};
	(void)state;
	add_member(&b, 5, 9, Z_DEFAULT_STRATEGY, NULL);
	add_member(&b, 0, 9, Z_DEFAULT_STRATEGY, NULL);
	add_member(&b, 100, 1, Z_FIXED, &header);
	add_member(&b, 1000, 0, Z_DEFAULT_STRATEGY, NULL);
	assert_length(buf_slice(&b), 1105);
	buf_free(&b);
}

/* No prefix is whole, and what zlib takes after a byte was changed has the length that zlib says. */
static void damage_is_found(void **state)
{
	struct buf b = {0};
	uint64_t length;
	(void)state;
	add_member(&b, 4000, 9, Z_DEFAULT_STRATEGY, NULL);
	for (size_t cut = 0; cut < b.len; cut++)
		assert_int_equal(gzip_length(slice_new(b.ptr, cut), TEXT, &length), GZIP_BROKEN);
	static unsigned char out[TEXT];
	unsigned broken = 0;
	for (size_t i = 0; i < b.len * 8; i++) {
		b.ptr[i / 8] ^= (char)(1 << i % 8);
		z_stream z = {
		    .next_in = (Bytef *)b.ptr, .avail_in = (uInt)b.len, .next_out = out, .avail_out = sizeof out};
		assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
		bool fine = inflate(&z, Z_FINISH) == Z_STREAM_END && z.avail_in == 0;
		enum gzip_length found = gzip_length(buf_slice(&b), TEXT, &length);
		broken += found == GZIP_BROKEN;
		if (fine)
			assert_true(found == GZIP_FITS && length == z.total_out);
		inflateEnd(&z);
		b.ptr[i / 8] ^= (char)(1 << i % 8);
	}
	assert_true(broken > b.len); /* the rest is for the checksum to find */
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_kind_of_block_is_counted),
	    cmocka_unit_test(members_and_headers_are_passed_over),
	    cmocka_unit_test(damage_is_found),
	};
	return cmocka_run_group_tests(tests, make_text, NULL);
}

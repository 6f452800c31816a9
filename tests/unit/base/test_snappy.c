/* Snappy's block format: what its library writes is read; what lies about its length, or is damaged, is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <snappy-c.h>

#include "base/snappy.h"

enum { MIB = 1 << 20 };

static struct slice compress(const char *text, size_t len, char **owned)
{
	size_t out = snappy_max_compressed_length(len);
	*owned = malloc(out);
	assert_int_equal(snappy_compress(text, len, *owned, &out), SNAPPY_OK);
	return slice_new(*owned, out);
}

/* Both steps, into memory to measure: AddressSanitizer watches its end. */
static int take_apart(struct slice block, size_t max, char **out, size_t *len)
{
	*out = NULL;
	int code = snappy_block_length(block, max, len);
	if (code != 0)
		return code;
	*out = malloc(*len + 1);
	return snappy_block_decode(block, *out, *len);
}

static void round_trip(void **state)
{
	static char text[200000];
	static const size_t lengths[] = {0, 1, 60, 61, 4096, 65536, 65537, 200000};
	(void)state;
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (char)(i * i >> 7);
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		char *owned, *out;
		size_t len;
		struct slice block = compress(text, lengths[i], &owned);
		assert_int_equal(take_apart(block, lengths[i], &out, &len), 0);
		assert_int_equal(len, lengths[i]);
		assert_memory_equal(out, text, len);
		free(out);
		if (len > 0)
			assert_int_equal(snappy_block_length(block, lengths[i] - 1, &len), -EFBIG);
		free(owned);
	}
}

/* Runs are the best case of the format: none is taken for a lie. */
static void takes_the_densest(void **state)
{
	char *text = calloc(1, MIB), *owned, *out;
	size_t len;
	(void)state;
	struct slice block = compress(text, MIB, &owned);
	assert_int_equal(take_apart(block, MIB, &out, &len), 0);
	assert_int_equal(len, MIB);
	free(out);
	free(owned);
	free(text);
}

/* Lengths from 2^20 to past 2^63 in front of next to nothing. */
static void lies_are_seen_by_the_length(void **state)
{
	(void)state;
	for (unsigned bits = 20; bits <= 69; bits++) {
		char block[32] = {0};
		size_t at = 0, len;
		for (unsigned left = bits; left >= 7; left -= 7)
			block[at++] = (char)0x80;
		block[at++] = (char)(1 << bits % 7);
		block[at++] = 0x00; /* a literal of one byte */
		block[at++] = 'x';
		int code = snappy_block_length(slice_new(block, at), 16 * MIB, &len);
		assert_int_equal(code, bits > 24 && bits < 32 ? -EFBIG : -EINVAL);
	}
}

static void damaged(void **state)
{
	char text[2000], *owned;
	uint32_t refused = 0;
	(void)state;
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (char)(i % 17 * (i / 100));
	struct slice block = compress(text, sizeof text, &owned);
	for (size_t cut = 0; cut < block.len; cut++) {
		char *exact = malloc(cut + 1), *out; /* AddressSanitizer watches its end */
		size_t len;
		memcpy(exact, block.ptr, cut);
		assert_int_equal(take_apart(slice_new(exact, cut), MIB, &out, &len), -EINVAL);
		free(out);
		free(exact);
	}
	for (size_t bit = 0; bit < block.len * 8; bit++) {
		char *out;
		size_t len;
		owned[bit / 8] ^= (char)(1u << bit % 8);
		int code = take_apart(block, MIB, &out, &len);
		assert_true(code == 0 || code == -EINVAL || code == -EFBIG);
		refused += code != 0;
		free(out);
		owned[bit / 8] ^= (char)(1u << bit % 8);
	}
	assert_true(refused > block.len);
	free(owned);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(round_trip),
	    cmocka_unit_test(takes_the_densest),
	    cmocka_unit_test(lies_are_seen_by_the_length),
	    cmocka_unit_test(damaged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

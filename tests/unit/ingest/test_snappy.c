/* Snappy's block format: what its library writes is read; what lies about its length, or is damaged, is refused before memory is taken for it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <snappy-c.h>

#include "base/fault.h"
#include "base/mem.h"
#include "ingest/ingest.h"

enum { MIB = 1 << 20 };

static struct slice compress(const char *text, size_t len, char **owned)
{
	size_t out = snappy_max_compressed_length(len);
	*owned = malloc(out);
	assert_int_equal(snappy_compress(text, len, *owned, &out), SNAPPY_OK);
	return slice_new(*owned, out);
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
		struct error err = {0};
		struct slice body = compress(text, lengths[i], &owned);
		assert_int_equal(ingest_snappy(body, lengths[i], &out, &len, &err), 0);
		assert_int_equal(len, lengths[i]);
		assert_memory_equal(out, text, len);
		for (size_t pad = 0; pad < INGEST_PADDING; pad++)
			assert_int_equal(out[len + pad], 0);
		mem_free(out);
		if (len > 0) {
			assert_int_equal(ingest_snappy(body, lengths[i] - 1, &out, &len, &err), -EFBIG);
			assert_null(out);
			assert_non_null(strstr(err.text, "more than the"));
		}
		free(owned);
	}
}

/* Runs are the best case of the format: none is taken for a lie. */
static void takes_the_densest(void **state)
{
	char *text = calloc(1, MIB), *owned, *out;
	size_t len;
	(void)state;
	struct slice body = compress(text, MIB, &owned);
	assert_int_equal(ingest_snappy(body, MIB, &out, &len, NULL), 0);
	assert_int_equal(len, MIB);
	mem_free(out);
	free(owned);
	free(text);
}

/* Lengths from 2^20 to past 2^63 in front of next to nothing. No memory could be had, and none is asked for. */
static void lies_cost_nothing(void **state)
{
	(void)state;
	fault_set(FAULT_MALLOC, 1, true, ENOMEM);
	uint64_t hits = fault_hits(FAULT_MALLOC);
	for (unsigned bits = 20; bits <= 69; bits++) {
		char body[32] = {0}, *out;
		size_t at = 0, len;
		struct error err = {0};
		for (unsigned left = bits; left >= 7; left -= 7)
			body[at++] = (char)0x80;
		body[at++] = (char)(1 << bits % 7);
		body[at++] = 0x00; /* a literal of one byte */
		body[at++] = 'x';
		int code = ingest_snappy(slice_new(body, at), 16 * MIB, &out, &len, &err);
		assert_int_equal(code, bits > 24 && bits < 32 ? -EFBIG : -EINVAL);
		assert_null(out);
		assert_true(err.text[0] != '\0');
	}
	assert_int_equal(fault_hits(FAULT_MALLOC), hits);
	fault_clear();
}

static void damaged(void **state)
{
	char text[2000], *owned;
	uint32_t refused = 0;
	(void)state;
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (char)(i % 17 * (i / 100));
	struct slice body = compress(text, sizeof text, &owned);
	for (size_t cut = 0; cut < body.len; cut++) {
		char *exact = malloc(cut + 1), *out; /* AddressSanitizer watches its end */
		size_t len;
		memcpy(exact, body.ptr, cut);
		assert_int_equal(ingest_snappy(slice_new(exact, cut), MIB, &out, &len, NULL), -EINVAL);
		free(exact);
	}
	for (size_t bit = 0; bit < body.len * 8; bit++) {
		char *out;
		size_t len;
		owned[bit / 8] ^= (char)(1u << bit % 8);
		int code = ingest_snappy(body, MIB, &out, &len, NULL);
		assert_true(code == 0 || code == -EINVAL || code == -EFBIG);
		refused += code != 0;
		mem_free(out);
		owned[bit / 8] ^= (char)(1u << bit % 8);
	}
	assert_true(refused > body.len);
	free(owned);
}

static void no_memory(void **state)
{
	char *owned, *out;
	size_t len;
	struct error err = {0};
	(void)state;
	struct slice body = compress("hello", 5, &owned);
	fault_set(FAULT_MALLOC, 1, false, ENOMEM);
	assert_int_equal(ingest_snappy(body, MIB, &out, &len, &err), -ENOMEM);
	fault_clear();
	assert_null(out);
	free(owned);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(round_trip), cmocka_unit_test(takes_the_densest), cmocka_unit_test(lies_cost_nothing),
	    cmocka_unit_test(damaged),    cmocka_unit_test(no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

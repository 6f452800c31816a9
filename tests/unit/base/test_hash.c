/* The hash: fixed values (they decide which traces are sampled), spread, seeds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

static void fill(unsigned char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (unsigned char)(i * 37 + 11);
}

static void keeps_its_values(void **state)
{
	static const struct {
		size_t len;
		uint64_t seed, want;
	} cases[] = {
	    {0, 0, UINT64_C(0xda2fc9eaae2a7be5)},  {1, 1, UINT64_C(0xc6e9eb8d2e997dc2)},
	    {3, 2, UINT64_C(0xe6e3b1e2f61cab8a)},  {4, 0, UINT64_C(0x43b5dbb50277ed91)},
	    {7, 1, UINT64_C(0xfa8175ac41db098e)},  {8, 2, UINT64_C(0xd1303293cf250cd6)},
	    {15, 0, UINT64_C(0x5315391caa6d7e4e)}, {16, 1, UINT64_C(0x10dc1a4a345e03fb)},
	    {17, 2, UINT64_C(0xf6079b685949e716)}, {31, 0, UINT64_C(0xf350f3c5c99fa110)},
	    {32, 1, UINT64_C(0x9b4d69f9c493abc9)}, {33, 2, UINT64_C(0x2ee01f9ccb344ca4)},
	    {48, 0, UINT64_C(0x6be1df935ad6922d)}, {64, 1, UINT64_C(0x47f6b1e6bd57af23)},
	    {65, 2, UINT64_C(0xefeafe0ba562cfce)}, {200, 0, UINT64_C(0x91be2092066a8db2)},
	};
	unsigned char bytes[200];

	(void)state;
	fill(bytes, sizeof bytes);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_true(hash_bytes(bytes, cases[i].len, cases[i].seed) == cases[i].want);
	assert_true(hash_mix(1, 2) == UINT64_C(0xa1097d910aaab0a1));
}

static void does_not_depend_on_the_place(void **state)
{
	unsigned char at[8][208];

	(void)state;
	for (size_t len = 0; len <= 200; len++) {
		for (size_t shift = 0; shift < 8; shift++) {
			memset(at[shift], (int)shift, sizeof at[shift]);
			fill(at[shift] + shift, len);
			assert_true(hash_bytes(at[shift] + shift, len, 5) == hash_bytes(at[0], len, 5));
		}
	}
}

/* Flipping a bit of the key flips each bit of the hash about every second time. */
static void one_bit_changes_half_of_all(void **state)
{
	unsigned char bytes[100];

	(void)state;
	for (size_t len = 1; len <= sizeof bytes; len++) {
		int flips[64] = {0};
		int tries = 0;
		for (uint64_t seed = 0; seed < 2048 / len + 8; seed++) {
			fill(bytes, len);
			bytes[0] ^= (unsigned char)seed;
			uint64_t before = hash_bytes(bytes, len, seed);
			for (size_t bit = 0; bit < len * 8; bit++) {
				bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
				uint64_t change = before ^ hash_bytes(bytes, len, seed);
				bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
				for (int i = 0; i < 64; i++)
					flips[i] += change >> i & 1;
				tries++;
			}
		}
		for (int i = 0; i < 64; i++) {
			assert_true(flips[i] > tries * 0.45);
			assert_true(flips[i] < tries * 0.55);
		}
	}
}

/* The same for the bits of the seed. */
static void seeds_matter(void **state)
{
	unsigned char bytes[100];

	(void)state;
	fill(bytes, sizeof bytes);
	for (size_t len = 0; len <= sizeof bytes; len++) {
		int flips = 0;
		for (int bit = 0; bit < 64; bit++) {
			uint64_t change = hash_bytes(bytes, len, 99) ^ hash_bytes(bytes, len, 99 ^ UINT64_C(1) << bit);
			assert_true(__builtin_popcountll(change) >= 8);
			flips += __builtin_popcountll(change);
		}
		assert_true(flips > 64 * 28 && flips < 64 * 36);
	}
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Counts keys that share the lower 32 bits of their hash with another. By chance n keys do so n² / 2^33 times. */
static int collisions(uint32_t *low, int count)
{
	int same = 0;

	qsort(low, (size_t)count, sizeof *low, by_value);
	for (int i = 1; i < count; i++)
		same += low[i] == low[i - 1];
	return same;
}

static void similar_keys_part(void **state)
{
	enum { COUNT = 200000 };
	uint32_t *low = malloc(COUNT * sizeof *low);
	char key[64];

	(void)state;
	assert_non_null(low);
	for (int i = 0; i < COUNT; i++)
		low[i] = (uint32_t)hash_bytes(key, (size_t)snprintf(key, sizeof key, "user-%d", i), 0);
	assert_true(collisions(low, COUNT) < 20); /* 4.7 expected */
	for (int i = 0; i < COUNT; i++)
		low[i] = (uint32_t)hash_bytes(
		    key, (size_t)snprintf(key, sizeof key, "{agent_id=\"a%d\",model=\"m%d\"}", i % 700, i), 0);
	assert_true(collisions(low, COUNT) < 20);
	for (int i = 0; i < COUNT; i++) {
		uint64_t v = (uint64_t)i << 24;
		low[i] = (uint32_t)hash_bytes(&v, sizeof v, 0);
	}
	assert_true(collisions(low, COUNT) < 20);
	for (int i = 0; i < COUNT; i++)
		low[i] = (uint32_t)hash_mix((uint64_t)i / 500, (uint64_t)i % 500);
	assert_true(collisions(low, COUNT) < 20);
	/* Keys of zeros differ by their length alone. */
	memset(key, 0, sizeof key);
	for (size_t i = 0; i < sizeof key; i++)
		low[i] = (uint32_t)hash_bytes(key, i, 0);
	assert_int_equal(collisions(low, sizeof key), 0);
	free(low);
}

static void mixing_keeps_the_order(void **state)
{
	(void)state;
	assert_true(hash_mix(1, 2) != hash_mix(2, 1));
	assert_true(hash_mix(0, 0) != 0);
	assert_true(hash_mix(hash_mix(0, 1), 2) != hash_mix(hash_mix(0, 2), 1));
}

static void the_process_has_a_seed(void **state)
{
	(void)state;
	uint64_t drawn = hash_seed();
	assert_true(drawn == hash_seed());
	hash_seed_set(42);
	assert_true(hash_seed() == 42);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keeps_its_values),
	    cmocka_unit_test(does_not_depend_on_the_place),
	    cmocka_unit_test(one_bit_changes_half_of_all),
	    cmocka_unit_test(seeds_matter),
	    cmocka_unit_test(similar_keys_part),
	    cmocka_unit_test(mixing_keeps_the_order),
	    cmocka_unit_test(the_process_has_a_seed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

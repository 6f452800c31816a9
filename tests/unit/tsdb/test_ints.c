/* Integers as tokens: each token at both its ends, runs of every length, every order; and what no writer makes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "tsdb/ints.h"

enum { MAX = 12000 };

static uint64_t numbers[MAX], beside[MAX], got[MAX];

static struct ints_reader reader(const struct buf *b)
{
	return (struct ints_reader){(const unsigned char *)b->ptr, (const unsigned char *)b->ptr + b->len};
}

/* Codes them and back. Returns the tokens, and puts the bytes behind them into `behind`. */
static size_t check(uint32_t count, enum ints_order order, size_t *behind)
{
	struct buf tokens = {0}, rest = {0};

	ints_encode(numbers, beside, count, order, &tokens, &rest);
	assert_false(tokens.failed || rest.failed);
	memset(got, 0xee, sizeof got);
	struct ints_reader r = reader(&rest);
	assert_true(ints_decode(reader(&tokens), &r, beside, count, order, got));
	assert_ptr_equal(r.at, r.end);
	assert_memory_equal(got, numbers, count * sizeof *got);
	if (count > 0) /* one more or less than there are */
		assert_false(ints_decode(reader(&tokens), &(struct ints_reader){r.end - rest.len, r.end}, beside,
		                         count - 1, order, got));
	assert_false(ints_decode(reader(&tokens), &(struct ints_reader){r.end - rest.len, r.end}, beside, count + 1,
	                         order, got));
	if (rest.len > 0)
		assert_false(ints_decode(reader(&tokens), &(struct ints_reader){r.end - rest.len, r.end - 1}, beside,
		                         count, order, got));
	size_t len = tokens.len;
	*behind = rest.len;
	buf_free(&tokens);
	buf_free(&rest);
	return len;
}

/* As FORMAT.md has them: the first number that needs so many bytes behind its token. */
static void test_tokens(void **state)
{
	(void)state;
	static const struct {
		uint64_t from;
		uint32_t bytes;
	} steps[] = {{1, 0},
	             {128, 1},
	             {16512, 2},
	             {1065088, 3},
	             {UINT64_C(1) << 24, 4},
	             {UINT64_C(1) << 32, 5},
	             {UINT64_C(1) << 40, 6},
	             {UINT64_C(1) << 48, 7},
	             {UINT64_C(1) << 56, 8}};
	size_t behind;

	for (uint32_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		numbers[0] = steps[i].from;
		assert_int_equal(check(1, INTS_RISE, &behind), 1);
		assert_int_equal(behind, steps[i].bytes);
		if (i == 0)
			continue;
		numbers[0]--;
		assert_int_equal(check(1, INTS_RISE, &behind), 1);
		assert_int_equal(behind, steps[i - 1].bytes);
	}
	numbers[0] = UINT64_MAX;
	assert_int_equal(check(1, INTS_RISE, &behind), 1);
	assert_int_equal(behind, 8);
}

static void test_runs(void **state)
{
	(void)state;
	static const uint32_t bounds[] = {1, 2, 33, 34, 35, 289, 290, 2593, 2594, 2595, 2627, 2628, 5186, 5187, 10000};
	size_t behind;

	for (uint32_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
		uint32_t run = bounds[i];
		memset(numbers, 0, sizeof numbers);
		size_t tokens = check(run, INTS_PLAIN, &behind);
		assert_true(tokens <= 1 + run / 2593);
		assert_true(run <= 33 ? behind == 0 : behind > 0);
		numbers[run] = 5; /* and with numbers around it */
		check(run + 1, INTS_PLAIN, &behind);
		numbers[0] = 7;
		check(run + 1, INTS_DELTA, &behind);
	}
}

static void test_orders(void **state)
{
	(void)state;
	size_t behind;

	for (uint32_t width = 0; width < 64; width += 3) {
		for (uint32_t i = 0; i < 300; i++) {
			numbers[i] = hash_mix(i, width) >> width;
			beside[i] = hash_mix(i, width + 1) >> (63 - width);
		}
		for (uint32_t order = INTS_PLAIN; order <= INTS_BESIDE; order++) {
			for (uint32_t count = 0; count < 5; count++)
				check(count, (enum ints_order)order, &behind);
			check(300, (enum ints_order)order, &behind);
		}
	}
}

/* The order that fits is found. */
static void test_choice(void **state)
{
	(void)state;
	uint32_t least;

	for (uint32_t i = 0; i < 300; i++)
		numbers[i] = hash_mix(i, 1) % 9 - 4;
	assert_int_equal(ints_choose(numbers, 300, NULL), INTS_PLAIN);
	for (uint32_t i = 0; i < 300; i++)
		numbers[i] = (i > 0 ? numbers[i - 1] : 0) + hash_mix(i, 1) % 100;
	assert_int_equal(ints_choose(numbers, 300, &least), INTS_RISE);
	for (uint32_t i = 0; i < 300; i++)
		beside[i] = numbers[i] - i / 50;
	assert_true(ints_cost_beside(numbers, beside, 300) < least / 10);
	for (uint32_t i = 0; i < 300; i++)
		numbers[i] = (uint64_t)i * i * 1000 + hash_mix(i, 1) % 2;
	assert_int_equal(ints_choose(numbers, 300, NULL), INTS_DELTA2);
	for (uint32_t i = 0; i < 300; i++)
		numbers[i] = (i > 0 ? numbers[i - 1] : 1000000) + hash_mix(i, 1) % 9 - 4;
	assert_int_equal(ints_choose(numbers, 300, NULL), INTS_DELTA);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_tokens),
	    cmocka_unit_test(test_runs),
	    cmocka_unit_test(test_orders),
	    cmocka_unit_test(test_choice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

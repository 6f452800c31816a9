/* The series index and the spare buffers: both must be the same after they have grown, been emptied, and run out of
 * memory. */
#include "support.h"

#include "base/check.h"
#include "base/fault.h"
#include "base/mem.h"
#include "metrics/index.h"
#include "metrics/spares.h"

enum { MANY = 200000 };

static uint64_t hash_of(uint32_t i)
{
	return hash_mix(i, 99);
}

static bool same(const void *ctx, const void *key, uint32_t number)
{
	(void)ctx;
	return *(const uint32_t *)key == number;
}

static bool has(const struct series_index *ix, uint32_t i)
{
	uint64_t hash = hash_of(i);

	return table_find(index_part(ix, hash), hash, same, NULL, &i) == i;
}

static void test_grows_into_parts(void **state)
{
	(void)state;
	struct series_index ix;

	index_init(&ix);
	for (uint32_t i = 0; i < MANY; i++) {
		assert_int_equal(index_add(&ix, hash_of(i), i), 0);
		if (i == 1000)
			assert_ptr_equal(ix.parts, &ix.one);
	}
	assert_ptr_not_equal(ix.parts, &ix.one);
	assert_true(index_bytes(&ix) >= MANY * sizeof(struct table_slot));
	for (uint32_t i = 0; i < MANY; i++)
		assert_true(has(&ix, i));
	for (uint32_t i = 0; i < MANY; i += 2)
		assert_true(index_remove(&ix, hash_of(i), i));
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(has(&ix, i), i % 2);
	assert_false(index_remove(&ix, hash_of(0), 0));
	index_deinit(&ix);
}

static void test_splits_later_without_memory(void **state)
{
	(void)state;
	struct series_index ix;
	uint32_t n = 0;

	index_init(&ix);
	for (; n < INDEX_SPLIT; n++)
		assert_int_equal(index_add(&ix, hash_of(n), n), 0);
	for (uint64_t nth = 1; ix.parts == &ix.one; nth++) {
		fault_set(FAULT_MALLOC, nth, true, ENOMEM);
		int rc = index_add(&ix, hash_of(n), n);
		fault_clear();
		n += rc == 0;
		for (uint32_t i = 0; i < n; i += 97)
			assert_true(has(&ix, i));
		assert_true(nth < 1000);
	}
	for (uint32_t i = 0; i < n; i++)
		assert_true(has(&ix, i));
	index_deinit(&ix);
}

static void test_spares(void **state)
{
	(void)state;
	struct spares s;

	spares_init(&s);
	assert_int_equal(spares_more(&s, 4096), 0);
	assert_int_equal(spares_more(&s, 4096), 0);
	assert_int_equal(spares_more(&s, 8192), 0);
	void *a = spares_take(&s, 4096), *b = spares_take(&s, 4096), *c = spares_take(&s, 4096);
	CHECK(a != NULL && b != NULL && c != NULL);
	assert_int_equal(s.lists[0].kept, 0);
	memset(c, 1, 4096);
	spares_give(&s, a, 4096);
	spares_give(&s, b, 4096);
	assert_int_equal(s.lists[0].kept, 2);
	spares_give(&s, c, 4096); /* one too many: freed */
	assert_int_equal(s.lists[0].kept, 2);
	spares_less(&s, 4096);
	assert_int_equal(s.lists[0].kept, 1);
	spares_give(&s, NULL, 4096);
	fault_set(FAULT_MALLOC, 1, true, ENOMEM);
	assert_int_equal(spares_more(&s, 4096), -ENOMEM);
	void *kept = spares_take(&s, 4096);
	assert_non_null(kept);
	assert_null(spares_take(&s, 4096));
	fault_clear();
	spares_give(&s, kept, 4096);
	spares_deinit(&s);
}

static void test_more_sizes_than_lists(void **state)
{
	(void)state;
	struct spares s;

	spares_init(&s);
	for (size_t i = 1; i <= SPARE_SIZES + 4; i++)
		assert_int_equal(spares_more(&s, i * 1024), 0);
	for (size_t i = 1; i <= SPARE_SIZES + 4; i++) {
		void *buffer = spares_take(&s, i * 1024);
		assert_non_null(buffer);
		memset(buffer, 0, i * 1024);
		spares_give(&s, buffer, i * 1024);
	}
	for (size_t i = 1; i <= SPARE_SIZES + 4; i++)
		spares_less(&s, i * 1024);
	for (size_t i = 0; i < SPARE_SIZES; i++)
		assert_int_equal(s.lists[i].size, 0);
	spares_deinit(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_grows_into_parts),
	    cmocka_unit_test(test_splits_later_without_memory),
	    cmocka_unit_test(test_spares),
	    cmocka_unit_test(test_more_sizes_than_lists),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

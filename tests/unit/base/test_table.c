/* The hash table against a plain array: with colliding hashes, removals and failing memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/fault.h"
#include "base/hash.h"
#include "base/table.h"

enum { ITEMS = 3000 };

/* The caller's items: each has a key and is in the table or not. */
struct model {
	uint64_t keys[ITEMS];
	bool in[ITEMS];
	uint32_t count;
};

static bool same(const void *ctx, const void *key, uint32_t item)
{
	const struct model *m = ctx;

	return m->keys[item] == *(const uint64_t *)key;
}

static uint64_t spread(uint64_t key)
{
	return hash_bytes(&key, sizeof key, 1);
}

/* Everything goes to a few places, at the end of the table too, so that runs are long and wrap around. */
static uint64_t crowd(uint64_t key)
{
	return key % 5 == 0 ? key << 20 | 0xfffff : key << 24 | (key % 3);
}

static void agree(const struct table *t, const struct model *m, uint64_t (*hash)(uint64_t))
{
	assert_int_equal(t->used, m->count);
	for (uint32_t i = 0; i < ITEMS; i++) {
		uint32_t found = table_find(t, hash(m->keys[i]), same, m, &m->keys[i]);
		assert_int_equal(found, m->in[i] ? i : TABLE_NONE);
	}
}

static void exercise(uint64_t (*hash)(uint64_t), int steps)
{
	static struct model m;
	struct table t;
	uint64_t random = 7;

	memset(&m, 0, sizeof m);
	table_init(&t);
	for (uint32_t i = 0; i < ITEMS; i++)
		m.keys[i] = i * 3 + 1;
	for (int step = 0; step < steps; step++) {
		random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
		/* Up to the middle mostly additions, then mostly removals. */
		uint32_t i = (uint32_t)(random >> 33) % ITEMS;
		bool add = (random >> 20) % 8 < (step < steps / 2 ? 6 : 2);
		if (add && !m.in[i]) {
			assert_int_equal(table_add(&t, hash(m.keys[i]), i), 0);
			m.in[i] = true;
			m.count++;
		} else if (!add) {
			assert_int_equal(table_remove(&t, hash(m.keys[i]), i), m.in[i]);
			m.count -= m.in[i];
			m.in[i] = false;
		}
		if (step % (steps / 8) == 0)
			agree(&t, &m, hash);
	}
	agree(&t, &m, hash);
	table_clear(&t);
	memset(m.in, 0, sizeof m.in);
	m.count = 0;
	agree(&t, &m, hash);
	table_deinit(&t);
}

static void agrees_with_a_model(void **state)
{
	(void)state;
	exercise(spread, 40000);
}

static void agrees_when_hashes_collide(void **state)
{
	(void)state;
	exercise(crowd, 8000);
}

static void empty_ones_answer(void **state)
{
	struct table t;
	struct model m = {0};
	uint64_t key = 1;

	(void)state;
	table_init(&t);
	assert_int_equal(table_find(&t, 1, same, &m, &key), TABLE_NONE);
	assert_false(table_remove(&t, 1, 0));
	table_prefetch(&t, 1);
	table_clear(&t);
	table_deinit(&t);
}

static void failure_changes_nothing(void **state)
{
	static struct model m;
	struct table t;
	uint32_t refused = 0;

	(void)state;
	memset(&m, 0, sizeof m);
	table_init(&t);
	for (uint32_t i = 0; i < ITEMS; i++)
		m.keys[i] = i;
	fault_set(FAULT_MALLOC, 1, true, ENOMEM);
	assert_int_equal(table_add(&t, 1, 0), -ENOMEM);
	assert_null(t.slots);
	fault_clear();
	for (uint32_t i = 0; i < ITEMS; i++) {
		fault_set(FAULT_MALLOC, 1, true, ENOMEM);
		int rc = table_add(&t, spread(i), i);
		fault_clear();
		if (rc != 0) {
			assert_int_equal(rc, -ENOMEM);
			assert_int_equal(t.used, i);
			agree(&t, &m, spread);
			refused++;
			assert_int_equal(table_add(&t, spread(i), i), 0);
		}
		m.in[i] = true;
		m.count++;
	}
	agree(&t, &m, spread);
	assert_true(refused >= 9);
	table_deinit(&t);
}

static void reserves(void **state)
{
	struct table t;

	(void)state;
	table_init(&t);
	assert_int_equal(table_reserve(&t, 1000), 0);
	fault_set(FAULT_MALLOC, 1, true, ENOMEM);
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(table_add(&t, spread(i), i), 0);
	fault_clear();
	assert_true(t.mask + 1 >= 1000 && t.mask + 1 <= 2048);
	assert_int_equal(table_reserve(&t, UINT32_MAX), -ENOMEM);
	assert_int_equal(t.used, 1000);
	table_deinit(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(agrees_with_a_model),
	    cmocka_unit_test(agrees_when_hashes_collide),
	    cmocka_unit_test(empty_ones_answer),
	    cmocka_unit_test(failure_changes_nothing),
	    cmocka_unit_test(reserves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

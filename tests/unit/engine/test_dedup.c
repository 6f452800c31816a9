/* The window of known ids against a slow, obvious model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/hash.h"
#include "engine/dedup.h"

#define WINDOW (600 * NS_PER_S)

static uint64_t key_of(uint64_t n)
{
	char id[32];
	int len = snprintf(id, sizeof id, "event-%llu", (unsigned long long)n);
	return dedup_key(SLICE("tenant"), slice_new(id, (size_t)len));
}

static void a_key_is_new_once(void **state)
{
	(void)state;
	struct dedup *d = dedup_new(WINDOW, 1000);
	dedup_advance(d, NS_PER_S);
	assert_int_equal(dedup_add(d, key_of(1)), 1);
	assert_int_equal(dedup_add(d, key_of(1)), 0);
	assert_int_equal(dedup_add(d, key_of(2)), 1);
	dedup_free(d);
}

static void tenants_do_not_share_ids(void **state)
{
	(void)state;
	assert_int_not_equal(dedup_key(SLICE("a"), SLICE("1")), dedup_key(SLICE("b"), SLICE("1")));
	assert_int_not_equal(dedup_key(SLICE(""), SLICE("1")), dedup_key(SLICE("b"), SLICE("1")));
	assert_int_not_equal(dedup_key(SLICE("a"), SLICE("b")), dedup_key(SLICE("b"), SLICE("a")));
}

static void a_key_is_forgotten_after_the_window(void **state)
{
	(void)state;
	struct dedup *d = dedup_new(WINDOW, 100000);
	dedup_advance(d, NS_PER_S);
	assert_int_equal(dedup_add(d, key_of(1)), 1);
	dedup_advance(d, WINDOW);
	assert_int_equal(dedup_add(d, key_of(1)), 0);
	/* Generations are a 64th of the window long: forgotten at the latest two of them after it. */
	for (int64_t t = WINDOW; t <= WINDOW + WINDOW / 16; t += WINDOW / 256)
		dedup_advance(d, t + NS_PER_S);
	assert_int_equal(dedup_add(d, key_of(1)), 1);
	dedup_free(d);
}

static void a_full_window_evicts_the_oldest_and_counts_them(void **state)
{
	(void)state;
	enum { MAX = 6400 };
	struct dedup *d = dedup_new(WINDOW, MAX);
	struct dedup_stats s;
	dedup_advance(d, NS_PER_S);
	for (uint64_t i = 0; i < 3 * MAX; i++)
		assert_int_equal(dedup_add(d, key_of(i)), 1);
	dedup_stats(d, &s);
	assert_true(s.keys <= MAX);
	assert_true(s.keys >= MAX - MAX / 32);
	assert_int_equal(s.keys + s.evicted, 3 * MAX);
	for (uint64_t i = 3 * MAX - MAX / 2; i < 3 * MAX; i++)
		assert_int_equal(dedup_add(d, key_of(i)), 0);
	dedup_free(d);
}

/* With a small window every key begins a generation, and one body can bring more of them than numbers there are: the sweep that this takes moves keys,
 * also the forgotten one that is just being added again. */
static void a_forgotten_key_comes_back_while_the_table_is_swept(void **state)
{
	(void)state;
	struct dedup *d = dedup_new(WINDOW, 64);
	dedup_advance(d, NS_PER_S);
	for (uint64_t i = 0; i < 200000; i++) {
		assert_int_equal(dedup_add(d, key_of(i)), 1);
		if (i < 70)
			continue;
		assert_int_equal(dedup_add(d, key_of(i - 70)), 1);
		assert_int_equal(dedup_add(d, key_of(i - 70)), 0);
	}
	dedup_free(d);
}

static void a_removed_key_is_new_again(void **state)
{
	(void)state;
	struct dedup *d = dedup_new(WINDOW, 100000);
	dedup_advance(d, NS_PER_S);
	for (uint64_t i = 0; i < 5000; i++)
		dedup_add(d, key_of(i));
	for (uint64_t i = 0; i < 5000; i += 3)
		dedup_remove(d, key_of(i));
	for (uint64_t i = 0; i < 5000; i++)
		assert_int_equal(dedup_add(d, key_of(i)), i % 3 == 0 ? 1 : 0);
	struct dedup_stats s;
	dedup_stats(d, &s);
	assert_int_equal(s.keys, 5000);
	dedup_free(d);
}

/* Many steps of adding, removing and time against the exact answer: a key added less than a window ago is known, one older than a
 * window and two generations is not. */
static void it_agrees_with_the_exact_window(void **state)
{
	(void)state;
	enum { KEYS = 20000, STEPS = 300000 };
	static int64_t added[KEYS]; /* 0: not there */
	struct dedup *d = dedup_new(WINDOW, 4 * KEYS);
	uint64_t random = 42;
	int64_t now = NS_PER_S;
	for (int i = 0; i < STEPS; i++) {
		random = hash_mix(random, (uint64_t)i);
		uint64_t k = random % KEYS;
		if (random >> 40 & 1) {
			now += (int64_t)(random >> 41 & 0xfff) * 1000 * NS_PER_US;
			dedup_advance(d, now);
		}
		if ((random >> 60) == 0) {
			dedup_remove(d, key_of(k));
			added[k] = 0;
			continue;
		}
		int got = dedup_add(d, key_of(k));
		int64_t age = now - added[k];
		if (added[k] != 0 && age < WINDOW - 2 * NS_PER_S)
			assert_int_equal(got, 0);
		if (added[k] == 0 || age > WINDOW + 3 * (WINDOW / 64))
			assert_int_equal(got, 1);
		if (got == 1)
			added[k] = now;
	}
	struct dedup_stats s;
	dedup_stats(d, &s);
	assert_int_equal(s.evicted, 0);
	dedup_free(d);
}

/* A window that stays full: what is forgotten is cleared away where it lies, and memory stays at what a full window needs. */
static void a_full_window_stays_within_its_memory(void **state)
{
	(void)state;
	enum { MAX = 200000, BYTES_A_KEY = 19 };
	struct dedup *d = dedup_new(WINDOW, MAX);
	struct dedup_stats stats;
	for (uint64_t n = 0; n < UINT64_C(5) * MAX; n++) {
		if (n % 500 == 0)
			dedup_advance(d, NS_PER_S + (int64_t)n);
		assert_int_equal(dedup_add(d, key_of(n)), 1);
		if (n % 10000 == 0 && n >= MAX) {
			dedup_stats(d, &stats);
			assert_true(stats.bytes <= (uint64_t)BYTES_A_KEY * MAX + 16384);
		}
	}
	dedup_stats(d, &stats);
	assert_int_equal(stats.keys + stats.evicted, UINT64_C(5) * MAX);
	assert_true(stats.keys > MAX - MAX / 32);
	for (uint64_t n = UINT64_C(5) * MAX - stats.keys; n < UINT64_C(5) * MAX; n++)
		assert_int_equal(dedup_add(d, key_of(n)), 0);
	dedup_free(d);
}

static void memory_is_given_up_in_an_orderly_way(void **state)
{
	(void)state;
	struct dedup *d = dedup_new(WINDOW, 100000);
	dedup_advance(d, NS_PER_S);
	fault_set(FAULT_MALLOC, 1, true, 12);
	assert_true(dedup_add(d, key_of(1)) < 0);
	fault_clear();
	assert_int_equal(dedup_add(d, key_of(1)), 1);
	dedup_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_key_is_new_once),
	    cmocka_unit_test(tenants_do_not_share_ids),
	    cmocka_unit_test(a_key_is_forgotten_after_the_window),
	    cmocka_unit_test(a_full_window_evicts_the_oldest_and_counts_them),
	    cmocka_unit_test(a_forgotten_key_comes_back_while_the_table_is_swept),
	    cmocka_unit_test(a_removed_key_is_new_again),
	    cmocka_unit_test(it_agrees_with_the_exact_window),
	    cmocka_unit_test(a_full_window_stays_within_its_memory),
	    cmocka_unit_test(memory_is_given_up_in_an_orderly_way),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

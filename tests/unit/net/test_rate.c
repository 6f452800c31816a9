/* The bucket of a token: what passes at once, what passes in the long run, and that threads share it. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "net/rate.h"

static void no_rate_is_no_limit(void **state)
{
	struct rate r;
	(void)state;
	rate_init(&r, 0, 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(rate_take(&r, NS_PER_S), 0);
}

static void a_burst_passes_and_no_more(void **state)
{
	struct rate r;
	(void)state;
	rate_init(&r, 10, 25);
	for (int i = 0; i < 25; i++)
		assert_int_equal(rate_take(&r, NS_PER_S), 0);
	assert_int_equal(rate_take(&r, NS_PER_S), 1);
	assert_int_equal(rate_take(&r, NS_PER_S + NS_PER_S / 10 - 1), 1);
	assert_int_equal(rate_take(&r, NS_PER_S + NS_PER_S / 10), 0);
	assert_int_equal(rate_take(&r, NS_PER_S + NS_PER_S / 10), 1);
}

/* In t seconds at most burst + rate · t, and hardly fewer, however often it is asked. */
static void the_rate_holds_in_the_long_run(void **state)
{
	static const uint32_t rates[][2] = {{1, 1}, {7, 3}, {1000, 1}, {1000, 0}, {333333, 10}, {1000000, 1}};
	(void)state;
	for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
		struct rate r;
		uint64_t passed = 0;
		uint32_t burst = rates[i][1] != 0 ? rates[i][1] : rates[i][0];
		int64_t step = NS_PER_S / rates[i][0] / 3 + 1, span = 1000 * (NS_PER_S / rates[i][0]);
		rate_init(&r, rates[i][0], rates[i][1]);
		for (int64_t t = 0; t < span; t += step)
			passed += rate_take(&r, 5 * NS_PER_S + t) == 0;
		assert_true(passed <= 1000 + burst);
		assert_true(passed >= 998 + burst - 1 - 1000 * (uint64_t)rates[i][0] / NS_PER_S);
	}
}

static void the_wait_is_rounded_up(void **state)
{
	struct rate r;
	(void)state;
	rate_init(&r, 1, 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(rate_take(&r, NS_PER_S), 0);
	assert_int_equal(rate_take(&r, NS_PER_S), 1);
	assert_int_equal(rate_take(&r, NS_PER_S / 2), 2); /* a thread whose clock is behind waits longer */
	assert_int_equal(rate_take(&r, 100 * NS_PER_S), 0);
}

struct sharing {
	struct rate rate;
	uint64_t passed; /* atomic */
};

static void *take_many(void *ctx)
{
	struct sharing *s = ctx;
	for (int i = 0; i < 20000; i++) {
		if (rate_take(&s->rate, NS_PER_S) == 0)
			__atomic_add_fetch(&s->passed, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void threads_share_a_bucket(void **state)
{
	enum { THREADS = 4, BURST = 30000 };
	struct sharing s = {.passed = 0};
	pthread_t threads[THREADS];
	(void)state;
	rate_init(&s.rate, 10, BURST);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_many, &s), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(s.passed, BURST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(no_rate_is_no_limit),
	    cmocka_unit_test(a_burst_passes_and_no_more),
	    cmocka_unit_test(the_rate_holds_in_the_long_run),
	    cmocka_unit_test(the_wait_is_rounded_up),
	    cmocka_unit_test(threads_share_a_bucket),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

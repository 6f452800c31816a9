/* Threads, mutexes and conditions, on the machine and under a scheduler that only notes what it is asked for. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/thread.h"

enum { THREADS = 4, ROUNDS = 10000 };

struct meeting {
	struct mutex lock;
	struct condition changed;
	uint64_t count;
	int turn;
};

static void *count_up(void *arg)
{
	struct meeting *m = arg;
	for (int i = 0; i < ROUNDS; i++) {
		mutex_lock(&m->lock);
		m->count++;
		mutex_unlock(&m->lock);
	}
	return NULL;
}

static void test_mutex_excludes(void **state)
{
	struct meeting m;
	struct thread threads[THREADS];
	(void)state;
	mutex_init(&m.lock);
	m.count = 0;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(thread_start(&threads[i], "counter", count_up, &m), 0);
	for (int i = 0; i < THREADS; i++)
		thread_join(&threads[i]);
	assert_int_equal(m.count, THREADS * ROUNDS);
	mutex_deinit(&m.lock);
}

static void *answer(void *arg)
{
	struct meeting *m = arg;
	mutex_lock(&m->lock);
	for (int i = 0; i < 100; i++) {
		while (m->turn != 1)
			condition_wait(&m->changed, &m->lock);
		m->turn = 0;
		condition_signal(&m->changed);
	}
	mutex_unlock(&m->lock);
	return NULL;
}

static void test_condition_wakes(void **state)
{
	struct meeting m = {0}; /* zeroed memory is ready as it is */
	struct thread other;
	(void)state;
	assert_int_equal(thread_start(&other, "other", answer, &m), 0);
	mutex_lock(&m.lock);
	for (int i = 0; i < 100; i++) {
		m.turn = 1;
		condition_signal(&m.changed);
		while (m.turn != 0)
			condition_wait(&m.changed, &m.lock);
	}
	mutex_unlock(&m.lock);
	thread_join(&other);
}

static int64_t stopped_clock(void *ctx)
{
	(void)ctx;
	return 5;
}

/* Also under a stepped clock: what waits is the machine. */
static void test_wait_for_ends(void **state)
{
	struct meeting m = {0};
	(void)state;
	int64_t began = clock_mono_ns();
	clock_set_source(stopped_clock, stopped_clock, NULL);
	mutex_lock(&m.lock);
	condition_wait_for(&m.changed, &m.lock, -1);
	condition_wait_for(&m.changed, &m.lock, 20 * NS_PER_MS);
	mutex_unlock(&m.lock);
	clock_set_source(NULL, NULL, NULL);
	assert_true(clock_mono_ns() - began >= 20 * NS_PER_MS);
}

static void *answer_once(void *arg)
{
	struct meeting *m = arg;
	mutex_lock(&m->lock);
	m->turn = 1;
	condition_signal(&m->changed);
	mutex_unlock(&m->lock);
	return NULL;
}

static void test_wait_for_is_woken(void **state)
{
	struct meeting m = {0};
	struct thread other;
	(void)state;
	mutex_lock(&m.lock);
	assert_int_equal(thread_start(&other, "other", answer_once, &m), 0);
	while (m.turn == 0)
		condition_wait_for(&m.changed, &m.lock, INT64_MAX - 1);
	mutex_unlock(&m.lock);
	thread_join(&other);
}

static void *answer_second(void *arg)
{
	struct meeting *m = arg;
	mutex_lock(&m->lock);
	m->turn++;
	condition_broadcast(&m->changed);
	while (m->turn < 3)
		condition_wait(&m->changed, &m->lock);
	mutex_unlock(&m->lock);
	return NULL;
}

static void test_broadcast_wakes_all(void **state)
{
	struct meeting m = {0};
	struct thread waiting[2];
	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(thread_start(&waiting[i], "waits", answer_second, &m), 0);
	mutex_lock(&m.lock);
	while (m.turn < 2)
		condition_wait(&m.changed, &m.lock);
	m.turn = 3;
	condition_broadcast(&m.changed);
	mutex_unlock(&m.lock);
	for (int i = 0; i < 2; i++)
		thread_join(&waiting[i]);
}

static void test_cpu_clock(void **state)
{
	(void)state;
	clockid_t clock = thread_cpu_clock();
	int64_t began = thread_cpu_ns(clock);
	volatile unsigned spent = 0;
	while (thread_cpu_ns(clock) - began < NS_PER_MS)
		spent++;
	assert_true(spent > 0);
}

/* ---- a scheduler ---- */

struct asked {
	int starts, joins, locks, unlocks, signals, broadcasts;
	int64_t wait_ns;
};

static int note_start(void *ctx, struct thread *t, const char *name, void *(*run)(void *), void *arg)
{
	struct asked *a = ctx;
	assert_string_equal(name, "counter");
	t->scheduled = a;
	run(arg);
	return ++a->starts == 1 ? 0 : -EAGAIN;
}
static void note_join(void *ctx, struct thread *t)
{
	struct asked *a = ctx;
	assert_ptr_equal(t->scheduled, a);
	a->joins++;
}
static void note_lock(void *ctx, struct mutex *m)
{
	((struct asked *)ctx)->locks++;
	m->words[0]++;
}
static void note_unlock(void *ctx, struct mutex *m)
{
	((struct asked *)ctx)->unlocks++;
	m->words[0]--;
}
static void note_wait(void *ctx, struct condition *c, struct mutex *m, int64_t ns)
{
	(void)c, (void)m;
	((struct asked *)ctx)->wait_ns = ns;
}
static void note_signal(void *ctx, struct condition *c)
{
	(void)c;
	((struct asked *)ctx)->signals++;
}
static void note_broadcast(void *ctx, struct condition *c)
{
	(void)c;
	((struct asked *)ctx)->broadcasts++;
}
static clockid_t note_cpu_clock(void *ctx)
{
	(void)ctx;
	return 42;
}
static int64_t note_cpu_ns(void *ctx, clockid_t clock)
{
	(void)ctx;
	return clock + 1;
}

static void test_scheduler_is_asked(void **state)
{
	static const struct thread_scheduler s = {note_start,  note_join,      note_lock,      note_unlock, note_wait,
	                                          note_signal, note_broadcast, note_cpu_clock, note_cpu_ns};
	struct asked asked = {0};
	struct meeting m = {0};
	struct thread t;
	(void)state;
	thread_set_scheduler(&s, &asked);
	mutex_init(&m.lock);
	condition_init(&m.changed);
	assert_int_equal(thread_start(&t, "counter", count_up, &m), 0);
	thread_join(&t);
	assert_int_equal(thread_start(&t, "counter", count_up, &m), -EAGAIN);
	assert_int_equal(asked.starts, 2);
	assert_int_equal(asked.joins, 1);
	assert_int_equal(asked.locks, 2 * ROUNDS);
	assert_int_equal(asked.unlocks, 2 * ROUNDS);
	assert_int_equal(m.lock.words[0], 0);
	condition_wait(&m.changed, &m.lock);
	assert_int_equal(asked.wait_ns, INT64_MAX);
	condition_wait_for(&m.changed, &m.lock, 7);
	assert_int_equal(asked.wait_ns, 7);
	condition_signal(&m.changed);
	assert_int_equal(asked.signals, 1);
	condition_broadcast(&m.changed);
	assert_int_equal(asked.broadcasts, 1);
	assert_int_equal(thread_cpu_ns(thread_cpu_clock()), 43);
	thread_give_way(); /* asks nobody, and slows nobody */
	condition_deinit(&m.changed);
	mutex_deinit(&m.lock);
	thread_set_scheduler(NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_mutex_excludes),      cmocka_unit_test(test_condition_wakes),
	    cmocka_unit_test(test_wait_for_ends),       cmocka_unit_test(test_wait_for_is_woken),
	    cmocka_unit_test(test_broadcast_wakes_all), cmocka_unit_test(test_cpu_clock),
	    cmocka_unit_test(test_scheduler_is_asked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

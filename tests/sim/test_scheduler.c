/* The scheduler: that a seed repeats, that time passes only as it says, that a deadlock is seen, that a life can be cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/thread.h"
#include "scheduler.h"

enum { THREADS = 4, ROUNDS = 50 };

struct meeting {
	struct sched *sched;
	struct mutex lock, other;
	struct condition changed;
	char order[THREADS * ROUNDS + 1];
	unsigned count, inside;
	int64_t waited_ns;
	bool reached;
};

struct member {
	struct meeting *meeting;
	char name;
};

/* ---- schedules ---- */

static void *write_down(void *arg)
{
	struct member *me = arg;
	struct meeting *m = me->meeting;
	for (int i = 0; i < ROUNDS; i++) {
		mutex_lock(&m->lock);
		assert_int_equal(m->inside++, 0);
		sched_point(m->sched);
		m->order[m->count++] = me->name;
		assert_int_equal(--m->inside, 0);
		mutex_unlock(&m->lock);
	}
	return NULL;
}

static void *four_write(void *arg)
{
	struct meeting *m = arg;
	struct thread threads[THREADS];
	struct member members[THREADS];
	for (int i = 0; i < THREADS; i++) {
		members[i] = (struct member){m, (char)('a' + i)};
		assert_int_equal(thread_start(&threads[i], "writer", write_down, &members[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		thread_join(&threads[i]);
	return NULL;
}

static uint64_t schedule(uint64_t seed, struct meeting *m)
{
	struct sched *s = sched_new(seed, NS_PER_S);
	*m = (struct meeting){.sched = s};
	assert_int_equal(sched_run(s, four_write, m, 0), SCHED_OVER);
	assert_int_equal(m->count, THREADS * ROUNDS);
	uint64_t hash = sched_hash(s);
	sched_free(s);
	return hash;
}

static void a_seed_repeats(void **state)
{
	struct meeting first, again;
	unsigned different = 0;
	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		uint64_t hash = schedule(seed, &first);
		assert_true(schedule(seed, &again) == hash);
		assert_string_equal(first.order, again.order);
		different += schedule(seed + 1, &again) != hash && strcmp(first.order, again.order) != 0;
	}
	assert_int_equal(different, 20);
}

/* ---- time ---- */

static void *wait_an_hour(void *arg)
{
	struct meeting *m = arg;
	int64_t began = clock_mono_ns(), wall = clock_wall_ns();
	mutex_lock(&m->lock);
	while (clock_mono_ns() - began < 3600 * NS_PER_S) /* woken by mistake, now and then */
		condition_wait_for(&m->changed, &m->lock, 3600 * NS_PER_S - (clock_mono_ns() - began));
	mutex_unlock(&m->lock);
	m->waited_ns = clock_mono_ns() - began;
	assert_true(clock_wall_ns() - wall == m->waited_ns);
	sched_step_wall(m->sched, -NS_PER_S);
	assert_true(clock_wall_ns() - wall < m->waited_ns);
	return NULL;
}

static void time_jumps_to_what_is_waited_for(void **state)
{
	struct sched *s = sched_new(1, 5 * NS_PER_S);
	struct meeting m = {.sched = s};
	(void)state;
	assert_int_equal(sched_run(s, wait_an_hour, &m, 0), SCHED_OVER);
	assert_true(m.waited_ns < 3601 * NS_PER_S);
	sched_free(s);
}

/* ---- ends ---- */

static void *lock_the_other_way(void *arg)
{
	struct meeting *m = arg;
	for (;;) {
		mutex_lock(&m->other);
		mutex_lock(&m->lock);
		mutex_unlock(&m->lock);
		mutex_unlock(&m->other);
	}
	return NULL;
}

static void *lock_both(void *arg)
{
	struct meeting *m = arg;
	struct thread t;
	assert_int_equal(thread_start(&t, "other", lock_the_other_way, m), 0);
	for (;;) {
		mutex_lock(&m->lock);
		mutex_lock(&m->other);
		mutex_unlock(&m->other);
		mutex_unlock(&m->lock);
	}
	return NULL;
}

static void a_deadlock_is_seen(void **state)
{
	struct sched *s = sched_new(3, NS_PER_S);
	struct meeting m = {.sched = s};
	(void)state;
	assert_int_equal(sched_run(s, lock_both, &m, 0), SCHED_DEADLOCK);
	sched_free(s);
}

static void *run_and_reach(void *arg)
{
	struct meeting *m = arg;
	four_write(m);
	m->reached = true;
	return NULL;
}

static void a_life_is_cut_where_it_was_said(void **state)
{
	struct sched *s = sched_new(4, NS_PER_S);
	struct meeting m = {.sched = s};
	(void)state;
	assert_int_equal(sched_run(s, run_and_reach, &m, 100), SCHED_CUT);
	assert_int_equal(sched_decisions(s), 100);
	assert_false(m.reached);
	m = (struct meeting){.sched = s}; /* the lock may have been held: the next life has its own */
	assert_int_equal(sched_run(s, run_and_reach, &m, 0), SCHED_OVER);
	assert_true(m.reached);
	assert_int_equal(m.count, THREADS * ROUNDS);
	sched_free(s);
}

static void *leave_one_behind(void *arg)
{
	struct meeting *m = arg;
	static struct thread t;
	static struct member member;
	member = (struct member){m, 'a'};
	assert_int_equal(thread_start(&t, "left", write_down, &member), 0);
	return NULL;
}

static void a_thread_that_nobody_joined_is_seen(void **state)
{
	struct sched *s = sched_new(5, NS_PER_S);
	struct meeting m = {.sched = s};
	(void)state;
	assert_int_equal(sched_run(s, leave_one_behind, &m, 0), SCHED_LEFT);
	sched_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_seed_repeats),
	    cmocka_unit_test(time_jumps_to_what_is_waited_for),
	    cmocka_unit_test(a_deadlock_is_seen),
	    cmocka_unit_test(a_life_is_cut_where_it_was_said),
	    cmocka_unit_test(a_thread_that_nobody_joined_is_seen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

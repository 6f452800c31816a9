/* Snapshots: what one holds never changes, whatever happens to the registry, and on whatever thread it is read and
 * ended. */
#include "scenario.h"

#include <pthread.h>
#include <sched.h>

#include "base/fault.h"
#include "metrics/internal.h"

static struct buf both_texts(const struct metrics_snapshot *s)
{
	struct buf out = {0};

	assert_int_equal(exposition_render(s, EXPOSITION_TEXT, 0, &out), 0);
	assert_int_equal(exposition_render(s, EXPOSITION_OPENMETRICS, 0, &out), 0);
	assert_int_equal(metrics_snapshot_save(s, &out), 0);
	return out;
}

static void is_still(const struct metrics_snapshot *s, const struct buf *before)
{
	struct buf now = both_texts(s);

	assert_int_equal(now.len, before->len);
	assert_memory_equal(now.ptr, before->ptr, now.len);
	buf_free(&now);
}

static void test_isolation(void **state)
{
	(void)state;
	enum { SHOTS = 8 };
	struct metrics_snapshot *shots[SHOTS];
	struct buf texts[SHOTS];
	struct scenario s;
	uint64_t random = 1;

	scenario_start(&s, 1);
	for (int i = 0; i < SHOTS; i++) {
		scenario_run(&s, 1500);
		shots[i] = registry_snapshot(s.r);
		assert_non_null(shots[i]);
		texts[i] = both_texts(shots[i]);
	}
	scenario_run(&s, 5000);
	for (int i = 0; i < SHOTS; i++)
		is_still(shots[i], &texts[i]);
	for (int left = SHOTS; left > 0; left--) { /* ended in any order, while changes go on */
		int i = (int)(random_u64(&random) % (uint64_t)left);
		is_still(shots[i], &texts[i]);
		metrics_snapshot_unref(shots[i]);
		buf_free(&texts[i]);
		shots[i] = shots[left - 1];
		texts[i] = texts[left - 1];
		scenario_run(&s, 300);
	}
	registry_free(s.r);
}

static void test_outlives_families_and_registry(void **state)
{
	(void)state;
	struct scenario s;

	scenario_start(&s, 2);
	scenario_run(&s, 4000);
	struct metrics_snapshot *shot = registry_snapshot(s.r);
	assert_non_null(shot);
	struct buf text = both_texts(shot);
	assert_ptr_equal(metrics_snapshot_ref(shot), shot);
	registry_reload_begin(s.r);
	registry_reload_end(s.r);
	is_still(shot, &text);
	metrics_snapshot_unref(shot);
	registry_free(s.r);
	is_still(shot, &text);
	metrics_snapshot_unref(shot);
	metrics_snapshot_unref(NULL);
	buf_free(&text);
}

static void test_large_families(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct metric_def def = def_of("a_total", METRIC_COUNTER, "x", NULL);
	char name[16];

	def.max_series = 10000;
	struct metric *m = define(r, &def);
	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < 1024 + round * 700; i++) {
			snprintf(name, sizeof name, "%d", i);
			assert_int_equal(metric_add(m, series1(m, name), i), 0);
		}
		struct metrics_snapshot *one = registry_snapshot(r), *two = registry_snapshot(r);
		assert_true(one != NULL && two != NULL);
		struct buf text = both_texts(one);
		assert_int_equal(metric_add(m, series1(m, "0"), 1), 0);
		assert_int_equal(metric_add(m, series1(m, "1023"), 1), 0);
		is_still(one, &text);
		is_still(two, &text);
		buf_free(&text);
		metrics_snapshot_unref(one);
		metrics_snapshot_unref(two);
	}
	registry_free(r);
}

static void test_without_memory(void **state)
{
	(void)state;
	struct scenario s;
	int refused = 0;

	scenario_start(&s, 3);
	scenario_run(&s, 3000);
	for (uint64_t nth = 1;; nth++) {
		fault_set(FAULT_MALLOC, nth, false, ENOMEM);
		struct metrics_snapshot *shot = registry_snapshot(s.r);
		fault_clear();
		if (shot != NULL) {
			metrics_snapshot_unref(shot);
			break;
		}
		refused++;
	}
	assert_true(refused > SCENARIO_METRICS * 2);
	struct metrics_snapshot *shot = registry_snapshot(s.r);
	assert_non_null(shot);
	for (uint64_t nth = 1, ok = 0; ok < 3; nth++) {
		struct buf out = {0};
		int rc = 0;
		fault_set(FAULT_MALLOC, nth, false, ENOMEM);
		for (int format = 0; format < 2 && rc == 0; format++)
			rc = exposition_render(shot, (enum exposition_format)format, 0, &out);
		if (rc == 0)
			rc = metrics_snapshot_save(shot, &out);
		fault_clear();
		assert_true(rc == 0 || rc == -ENOMEM);
		ok = rc == 0 ? ok + 1 : 0;
		buf_free(&out);
	}
	metrics_snapshot_unref(shot);
	registry_free(s.r);
}

/* ---- the writer goes on while other threads read ---- */

enum { READERS = 2, QUEUE = 3, SHOTS = 120 };

struct exchange {
	pthread_mutex_t lock;
	struct metrics_snapshot *queue[QUEUE];
	int count;
	bool done;
	int read;
};

static struct metrics_snapshot *take(struct exchange *x)
{
	for (;;) {
		pthread_mutex_lock(&x->lock);
		struct metrics_snapshot *s = x->count > 0 ? x->queue[--x->count] : NULL;
		bool done = x->done;
		pthread_mutex_unlock(&x->lock);
		if (s != NULL || done)
			return s;
		sched_yield();
	}
}

static void *reader(void *arg)
{
	struct exchange *x = arg;
	struct buf first = {0}, second = {0};

	for (struct metrics_snapshot *s = take(x); s != NULL; s = take(x)) {
		buf_reset(&first);
		buf_reset(&second);
		bool same = exposition_render(s, EXPOSITION_OPENMETRICS, 0, &first) == 0 &&
		            exposition_render(s, EXPOSITION_OPENMETRICS, 0, &second) == 0 && first.len == second.len &&
		            memcmp(first.ptr, second.ptr, first.len) == 0 && metrics_snapshot_save(s, &first) == 0;
		pthread_mutex_lock(&x->lock);
		x->read += same;
		pthread_mutex_unlock(&x->lock);
		metrics_snapshot_unref(s);
	}
	buf_free(&first);
	buf_free(&second);
	return NULL;
}

static void test_threads(void **state)
{
	(void)state;
	struct exchange x = {.lock = PTHREAD_MUTEX_INITIALIZER};
	pthread_t threads[READERS];
	struct scenario s;

	scenario_start(&s, 4);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, reader, &x), 0);
	for (int shots = 0; shots < SHOTS;) {
		scenario_run(&s, 50);
		pthread_mutex_lock(&x.lock);
		if (x.count < QUEUE) {
			struct metrics_snapshot *shot = registry_snapshot(s.r);
			assert_non_null(shot);
			x.queue[x.count++] = shot;
			shots++;
		}
		pthread_mutex_unlock(&x.lock);
	}
	pthread_mutex_lock(&x.lock);
	x.done = true;
	pthread_mutex_unlock(&x.lock);
	for (int i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(x.read, SHOTS);
	registry_free(s.r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_isolation),      cmocka_unit_test(test_outlives_families_and_registry),
	    cmocka_unit_test(test_large_families), cmocka_unit_test(test_without_memory),
	    cmocka_unit_test(test_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

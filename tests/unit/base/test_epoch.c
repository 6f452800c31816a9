/* Epochs: what is retired goes when nobody can see it any more, and not before. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/epoch.h"
#include "base/mem.h"
#include "base/thread.h"

static int freed;

static void count_free(void *block)
{
	freed++;
	mem_free(block);
}

static void retire(struct epochs *e)
{
	assert_int_equal(epoch_reserve(e, 1), 0);
	epoch_retire(e, mem_alloc(8), count_free);
}

static void test_freed_once_readers_have_left(void **state)
{
	struct epochs e;
	(void)state;
	epochs_init(&e);
	freed = 0;
	retire(&e);
	epoch_collect(&e);
	assert_int_equal(freed, 1);

	int first = epoch_enter(&e);
	retire(&e);
	epoch_collect(&e);
	assert_int_equal(freed, 1);
	int second = epoch_enter(&e); /* does not see what was retired before */
	assert_int_not_equal(first, second);
	retire(&e);
	epoch_leave(&e, first);
	epoch_collect(&e);
	assert_int_equal(freed, 2);
	assert_int_equal(epoch_waiting(&e), 1);
	epoch_leave(&e, second);
	epoch_collect(&e);
	assert_int_equal(freed, 3);

	retire(&e);
	epochs_deinit(&e);
	assert_int_equal(freed, 4);
}

static void test_a_mark_is_passed_once_those_before_it_left(void **state)
{
	struct epochs e;
	(void)state;
	epochs_init(&e);
	assert_true(epoch_passed(&e, epoch_mark(&e)));
	int before = epoch_enter(&e);
	uint64_t mark = epoch_mark(&e);
	int after = epoch_enter(&e);
	assert_false(epoch_passed(&e, mark));
	epoch_leave(&e, before);
	assert_true(epoch_passed(&e, mark));
	epoch_leave(&e, after);
	epochs_deinit(&e);
}

static void test_places_run_out(void **state)
{
	struct epochs e;
	(void)state;
	epochs_init(&e);
	for (int i = 0; i < EPOCH_READERS; i++)
		assert_int_equal(epoch_enter(&e), i);
	assert_int_equal(epoch_enter(&e), -EAGAIN);
	freed = 0;
	for (int i = 0; i < EPOCH_KEPT; i++)
		assert_int_equal(epoch_enter_kept(&e, i), EPOCH_READERS + i);
	retire(&e);
	epoch_leave(&e, 17);
	assert_int_equal(epoch_enter(&e), 17);
	for (int i = 0; i < EPOCH_READERS; i++)
		epoch_leave(&e, i);
	epoch_collect(&e);
	assert_int_equal(freed, 0);
	for (int i = 0; i < EPOCH_KEPT; i++)
		epoch_leave(&e, EPOCH_READERS + i);
	epoch_collect(&e);
	assert_int_equal(freed, 1);
	epochs_deinit(&e);
}

static void test_a_held_place_stays(void **state)
{
	struct epochs e;
	(void)state;
	epochs_init(&e);
	freed = 0;
	assert_int_equal(epoch_hold(&e), 0);
	for (int i = 0; i < 100; i++)
		retire(&e);
	assert_true(e.first + e.count < e.cap);
	epoch_retire_held(&e, mem_alloc(8), count_free);
	epoch_collect(&e);
	assert_int_equal(freed, 101);
	epochs_deinit(&e);
}

/* A writer replaces what readers read, as fast as it can. */

enum { WORDS = 64, READERS = 3, ROUNDS = 20000 };

struct version {
	uint64_t words[WORDS]; /* all the same */
};

struct shared {
	struct epochs epochs;
	_Atomic(struct version *) current;
	_Atomic bool over;
	_Atomic uint64_t read, torn;
};

static void scribble_and_free(void *block)
{
	memset(block, 0xee, sizeof(struct version));
	mem_free(block);
}

static void *read_versions(void *arg)
{
	struct shared *s = arg;
	while (!atomic_load(&s->over)) {
		int place = epoch_enter(&s->epochs);
		const struct version *v = atomic_load_explicit(&s->current, memory_order_acquire);
		for (int i = 1; i < WORDS; i++) {
			if (v->words[i] != v->words[0] || v->words[i] == UINT64_C(0xeeeeeeeeeeeeeeee))
				atomic_fetch_add(&s->torn, 1);
		}
		epoch_leave(&s->epochs, place);
		atomic_fetch_add(&s->read, 1);
	}
	return NULL;
}

static struct version *make_version(uint64_t word)
{
	struct version *v = mem_alloc(sizeof *v);
	for (int i = 0; i < WORDS; i++)
		v->words[i] = word;
	return v;
}

static void test_readers_beside_the_writer(void **state)
{
	static struct shared s;
	struct thread threads[READERS];
	(void)state;
	epochs_init(&s.epochs);
	atomic_store(&s.current, make_version(1));
	for (int i = 0; i < READERS; i++)
		assert_int_equal(thread_start(&threads[i], "reader", read_versions, &s), 0);
	/* Until the readers have had their part, too. */
	for (uint64_t i = 2; i < ROUNDS || atomic_load(&s.read) < ROUNDS / 10; i++) {
		struct version *old = atomic_load(&s.current);
		assert_int_equal(epoch_reserve(&s.epochs, 1), 0);
		atomic_store_explicit(&s.current, make_version(i), memory_order_release);
		epoch_retire(&s.epochs, old, scribble_and_free);
		epoch_collect(&s.epochs);
	}
	atomic_store(&s.over, true);
	for (int i = 0; i < READERS; i++)
		thread_join(&threads[i]);
	assert_int_equal(atomic_load(&s.torn), 0);
	epochs_deinit(&s.epochs);
	mem_free(atomic_load(&s.current));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_freed_once_readers_have_left),
	    cmocka_unit_test(test_a_mark_is_passed_once_those_before_it_left),
	    cmocka_unit_test(test_places_run_out),
	    cmocka_unit_test(test_a_held_place_stays),
	    cmocka_unit_test(test_readers_beside_the_writer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Blocks that outlive their retirement for as long as a snapshot may see them. That none is freed too early or
 * forgotten is what AddressSanitizer and the counting below watch over. */
#include "support.h"

#include <pthread.h>
#include <sched.h>

#include "base/check.h"
#include "base/mem.h"
#include "metrics/block.h"

struct item {
	struct block block;
	uint64_t value;
};

static struct item *item_new(struct snapshots *s, uint64_t value)
{
	struct item *i = block_new(s, sizeof *i);

	assert_non_null(i);
	i->value = value;
	return i;
}

static size_t waiting(const struct snapshot_link *link)
{
	size_t n = 0;

	for (const struct block *b = link->first; b != NULL; b = b->next)
		n++;
	return n;
}

static void test_unshared(void **state)
{
	(void)state;
	struct snapshots *s = snapshots_new();
	struct item *i = item_new(s, 1);

	assert_false(block_shared(s, &i->block));
	block_retire(s, i);
	block_retire(s, NULL);
	snapshots_unref(s);
}

static void test_shared_while_a_snapshot_lives(void **state)
{
	(void)state;
	struct snapshots *s = snapshots_new();
	struct snapshot_link one, two;
	struct item *before = item_new(s, 1);

	snapshots_enter(s, &one);
	assert_true(block_shared(s, &before->block));
	struct item *between = item_new(s, 2);
	assert_false(block_shared(s, &between->block));
	snapshots_enter(s, &two);
	assert_true(block_shared(s, &between->block));
	snapshots_leave(s, &two);
	assert_false(block_shared(s, &between->block)); /* the first snapshot cannot see it */
	assert_true(block_shared(s, &before->block));
	snapshots_leave(s, &one);
	assert_false(block_shared(s, &before->block));
	block_retire(s, before);
	block_retire(s, between);
	snapshots_unref(s);
}

static void test_retired_blocks_wait(void **state)
{
	(void)state;
	struct snapshots *s = snapshots_new();
	struct snapshot_link one, two, three;
	struct item *a = item_new(s, 1), *b = item_new(s, 2), *c = item_new(s, 3);

	snapshots_enter(s, &one);
	block_retire(s, a);
	snapshots_enter(s, &two);
	block_retire(s, b);
	snapshots_enter(s, &three);
	block_retire(s, c);
	assert_int_equal(waiting(&one), 1);
	assert_int_equal(waiting(&two), 1);
	assert_int_equal(waiting(&three), 1);
	assert_int_equal(a->value + b->value + c->value, 6); /* none is freed */
	snapshots_leave(s, &two);
	assert_int_equal(waiting(&one), 2);
	assert_int_equal(waiting(&three), 1);
	snapshots_leave(s, &three);
	assert_int_equal(waiting(&one), 3);
	assert_int_equal(a->value + b->value + c->value, 6);
	snapshots_leave(s, &one);
	snapshots_unref(s);
}

static void test_the_oldest_may_go_first(void **state)
{
	(void)state;
	struct snapshots *s = snapshots_new();
	struct snapshot_link one, two;
	struct item *a = item_new(s, 1);

	snapshots_enter(s, &one);
	snapshots_enter(s, &two);
	block_retire(s, a);
	snapshots_leave(s, &one);
	assert_int_equal(a->value, 1);
	assert_int_equal(waiting(&two), 1);
	snapshots_leave(s, &two);
	snapshots_unref(s);
}

static void test_links_outlive_the_registry(void **state)
{
	(void)state;
	struct snapshots *s = snapshots_new();
	struct snapshot_link one;
	struct item *a = item_new(s, 7);

	snapshots_enter(s, &one);
	block_retire(s, a);
	snapshots_unref(s);
	assert_int_equal(a->value, 7);
	snapshots_leave(s, &one);
}

/* ---- threads: a writer that changes and takes snapshots, readers that check and end them ---- */

enum { ROUNDS = 2000, ITEMS = 8, READERS = 2, QUEUE = 4 };

struct shot {
	struct snapshot_link link;
	const struct item *items[ITEMS];
	uint64_t round;
};

struct exchange {
	struct snapshots *snapshots;
	pthread_mutex_t lock;
	struct shot *queue[QUEUE];
	int count;
	bool done;
	uint64_t wrong;
};

static struct shot *take(struct exchange *x)
{
	for (;;) {
		pthread_mutex_lock(&x->lock);
		struct shot *shot = x->count > 0 ? x->queue[--x->count] : NULL;
		bool done = x->done;
		pthread_mutex_unlock(&x->lock);
		if (shot != NULL || done)
			return shot;
		sched_yield();
	}
}

static void *reader(void *arg)
{
	struct exchange *x = arg;

	for (struct shot *shot = take(x); shot != NULL; shot = take(x)) {
		uint64_t wrong = 0;
		for (int i = 0; i < ITEMS; i++)
			wrong += shot->items[i]->value != shot->round;
		pthread_mutex_lock(&x->lock);
		x->wrong += wrong;
		pthread_mutex_unlock(&x->lock);
		snapshots_leave(x->snapshots, &shot->link);
		mem_free(shot);
	}
	return NULL;
}

static void hand_out(struct exchange *x, struct shot *shot)
{
	for (bool given = false; !given;) {
		pthread_mutex_lock(&x->lock);
		given = x->count < QUEUE;
		if (given)
			x->queue[x->count++] = shot;
		pthread_mutex_unlock(&x->lock);
		if (!given)
			sched_yield();
	}
}

static void test_threads(void **state)
{
	(void)state;
	struct exchange x = {.snapshots = snapshots_new(), .lock = PTHREAD_MUTEX_INITIALIZER};
	struct item *items[ITEMS];
	pthread_t threads[READERS];

	for (int i = 0; i < ITEMS; i++)
		items[i] = item_new(x.snapshots, 0);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, reader, &x), 0);
	for (uint64_t round = 1; round <= ROUNDS; round++) {
		for (int i = 0; i < ITEMS; i++) {
			if (block_shared(x.snapshots, &items[i]->block)) {
				block_retire(x.snapshots, items[i]);
				items[i] = item_new(x.snapshots, 0);
			}
			items[i]->value = round;
		}
		struct shot *shot = mem_zalloc(1, sizeof *shot);
		assert_non_null(shot);
		shot->round = round;
		memcpy(shot->items, items, sizeof items);
		snapshots_enter(x.snapshots, &shot->link);
		hand_out(&x, shot);
	}
	pthread_mutex_lock(&x.lock);
	x.done = true;
	pthread_mutex_unlock(&x.lock);
	for (int i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(x.wrong, 0);
	assert_int_equal(x.count, 0);
	for (int i = 0; i < ITEMS; i++)
		block_retire(x.snapshots, items[i]);
	snapshots_unref(x.snapshots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_unshared),
	    cmocka_unit_test(test_shared_while_a_snapshot_lives),
	    cmocka_unit_test(test_retired_blocks_wait),
	    cmocka_unit_test(test_the_oldest_may_go_first),
	    cmocka_unit_test(test_links_outlive_the_registry),
	    cmocka_unit_test(test_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

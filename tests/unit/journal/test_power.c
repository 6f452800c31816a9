/* The journal on a virtual disk whose power is cut, in the orders that matter. (All orders at random: tests/torture/row_02_power_loss.c.) */
#include "harness.h"
#include "vdisk.h"

enum { SEEDS = 20 };

static void start_on(struct harness *h, struct vdisk *d)
{
	*h = (struct harness){.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};
	h->options = (struct journal_options){.dir = "data/journal",
	                                      .segment_bytes = 1 << 20,
	                                      .retention_bytes = 1 << 30,
	                                      .on_commit = harness_on_commit,
	                                      .ctx = h};
	vdisk_install(d);
	harness_open(h);
}

/* What a power loss after change `at` leaves, by any seed, has frame `last`. No journal is open. */
static void holds(struct vdisk *d, uint64_t at, uint64_t last)
{
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct harness h;
		struct vdisk *after = vdisk_crash(d, at, seed);
		start_on(&h, after);
		struct harness_read r = harness_replay(&h, 0);
		assert_true(r.in_order && r.whole);
		assert_true(r.last_seq >= last);
		harness_close(&h);
		vdisk_free(after);
	}
}

static void start(struct harness *h)
{
	struct error err = {0};
	if (journal_start(h->journal, &err) != 0)
		fail_msg("%s", err.text);
}

static void what_was_committed_is_there(void **state)
{
	struct harness h;
	struct vdisk *d = vdisk_new();
	(void)state;
	start_on(&h, d);
	start(&h);
	uint64_t marks[6];
	for (uint64_t n = 1; n <= 5; n++) {
		assert_int_equal(harness_write(&h, (int64_t)n, 1, 3000), 0);
		marks[n] = vdisk_mark(d);
	}
	harness_close(&h);
	for (uint64_t n = 1; n <= 5; n++)
		holds(d, marks[n], n);
	vdisk_install(NULL);
	vdisk_free(d);
}

/* A process is killed at any change; what the next one finds there it will answer for, so that a power loss must not take it any more. */
static void what_is_found_after_a_kill_is_made_durable(void **state)
{
	struct harness h;
	struct vdisk *first = vdisk_new();
	(void)state;
	start_on(&h, first);
	start(&h);
	for (int64_t n = 1; n <= 4; n++)
		assert_int_equal(harness_write(&h, n, 1, 3000), 0);
	harness_close(&h);
	for (uint64_t at = 0; at <= vdisk_mark(first); at++) {
		struct vdisk *d = vdisk_kill(first, at);
		start_on(&h, d);
		uint64_t last = h.found.last_seq;
		start(&h);
		uint64_t mark = vdisk_mark(d);
		harness_close(&h);
		holds(d, mark, last);
		vdisk_free(d);
	}
	vdisk_install(NULL);
	vdisk_free(first);
}

static int fail_syncs(void *ctx, enum vdisk_op op, const char *path, size_t *len)
{
	_Atomic bool *on = ctx;
	(void)path, (void)len;
	return op == VDISK_SYNC && *on ? EIO : 0;
}

/* After a failed sync the pages are clean and readable, and not on disk. */
static void what_a_failed_sync_left_readable_is_made_durable(void **state)
{
	struct harness h;
	struct vdisk *first = vdisk_new();
	_Atomic bool failing = false;
	(void)state;
	vdisk_ask(first, fail_syncs, &failing);
	start_on(&h, first);
	start(&h);
	assert_int_equal(harness_write(&h, 1, 1, 3000), 0);
	failing = true;
	assert_int_equal(harness_write(&h, 2, 1, 3000), -EIO);
	struct vdisk *d = vdisk_kill(first, vdisk_mark(first));
	harness_close(&h);
	start_on(&h, d);
	assert_int_equal(h.found.last_seq, 2);
	start(&h);
	uint64_t mark = vdisk_mark(d);
	harness_close(&h);
	holds(d, mark, 2);
	vdisk_install(NULL);
	vdisk_free(d);
	vdisk_free(first);
}

/* A checkpoint may know of frames that the journal has lost: their numbers are not given again, or a start from that checkpoint would pass over
 * the new ones. */
static void numbers_are_not_given_twice(void **state)
{
	struct harness h;
	struct vdisk *d = vdisk_new();
	(void)state;
	start_on(&h, d);
	start(&h);
	assert_int_equal(harness_write(&h, 1, 1, 10), 0);
	harness_close(&h);
	start_on(&h, d);
	assert_int_equal(h.found.last_seq, 1);
	journal_skip_to(h.journal, 9);
	start(&h);
	assert_int_equal(harness_write(&h, 2, 1, 10), 0);
	harness_close(&h);
	start_on(&h, d);
	assert_int_equal(h.found.last_seq, 10);
	assert_int_equal(harness_replay(&h, 9).records, 1);
	assert_int_equal(harness_replay(&h, 0).records, 2);
	harness_close(&h);
	vdisk_install(NULL);
	vdisk_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_was_committed_is_there),
	    cmocka_unit_test(what_is_found_after_a_kill_is_made_durable),
	    cmocka_unit_test(what_a_failed_sync_left_readable_is_made_durable),
	    cmocka_unit_test(numbers_are_not_given_twice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

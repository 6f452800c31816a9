/* The journal on a virtual disk whose power is cut, in the orders that matter. (All orders at random: tests/torture/row_02_power_loss.c.) */
#include <stdatomic.h>

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

/* A journal that runs on a disk of its own, with syncs by interval or not; and the end of the disk. */
static struct vdisk *begin(struct harness *h, bool interval)
{
	struct vdisk *d = vdisk_new();
	start_on(h, d);
	if (interval) {
		harness_close(h);
		h->options.interval_sync = true;
		harness_open(h);
	}
	harness_run(h);
	return d;
}

static void end(struct vdisk *d)
{
	vdisk_install(NULL);
	vdisk_free(d);
}

static void what_was_committed_is_there(void **state)
{
	struct harness h;
	(void)state;
	struct vdisk *d = begin(&h, false);
	uint64_t marks[6];
	for (uint64_t n = 1; n <= 5; n++) {
		assert_int_equal(harness_write(&h, (int64_t)n, 1, 3000), 0);
		marks[n] = vdisk_mark(d);
	}
	harness_close(&h);
	for (uint64_t n = 1; n <= 5; n++)
		holds(d, marks[n], n);
	end(d);
}

static void seal_all(struct harness *h)
{
	struct journal_stats stats;
	do {
		usleep(1000);
		journal_stats(h->journal, &stats);
	} while (stats.segments > 1);
}

/* A segment that was sealed and comes back after a power loss, torn, since it was never synced: its sealed files are better than it is. */
static void a_torn_segment_does_not_displace_its_sealed_files(void **state)
{
	static const char path[] = "data/journal/segment-00000000000000000001.open";
	struct harness h;
	struct vdisk *d = vdisk_new();
	size_t len;
	(void)state;
	start_on(&h, d);
	harness_run(&h);
	for (int64_t n = 1; n <= 4; n++)
		assert_int_equal(harness_write(&h, n, 1, 3000), 0);
	harness_close(&h);
	char *bytes = vdisk_get(d, path, &len);
	assert_non_null(bytes);
	harness_open(&h);
	harness_run(&h);
	seal_all(&h);
	harness_close(&h);
	bytes[4096 + 3500] ^= 1; /* in the second frame */
	assert_int_equal(vdisk_put(d, path, bytes, len), 0);
	free(bytes);
	harness_open(&h);
	harness_run(&h);
	seal_all(&h);
	harness_reopen(&h);
	struct harness_read r = harness_replay(&h, 0);
	assert_true(r.in_order && r.whole);
	assert_int_equal(r.records, 4);
	harness_close(&h);
	end(d);
}

/* With syncs by interval what is done is not on disk yet; who has asked for it may rely on it. */
static void what_was_synced_on_request_is_there(void **state)
{
	struct harness h;
	(void)state;
	struct vdisk *d = begin(&h, true);
	for (int64_t n = 1; n <= 3; n++)
		assert_int_equal(harness_write(&h, n, 1, 3000), 0);
	uint64_t before = vdisk_mark(d);
	assert_int_equal(journal_sync(h.journal, 3), 0);
	uint64_t after = vdisk_mark(d);
	assert_int_equal(journal_sync(h.journal, 3), 0);
	harness_close(&h);
	assert_true(after > before);
	holds(d, after, 3);
	end(d);
}

static int fail_syncs_of_segments(void *ctx, enum vdisk_op op, const char *path, size_t *len)
{
	(void)ctx, (void)len;
	return op == VDISK_SYNC && strstr(path, "segment") != NULL ? EIO : 0;
}

/* What a failed sync has left is in doubt until it was written anew, by sealing. */
static void what_a_failed_sync_has_left_is_in_doubt(void **state)
{
	struct harness h;
	(void)state;
	struct vdisk *d = begin(&h, true);
	assert_int_equal(harness_write(&h, 1, 1, 3000), 0);
	assert_int_equal(harness_write(&h, 2, 1, 3000), 0);
	vdisk_ask(d, fail_syncs_of_segments, NULL);
	int code = journal_sync(h.journal, 2);
	assert_true(code == -EIO || code == 0); /* 0: it is sealed by now */
	vdisk_ask(d, NULL, NULL);
	struct journal_stats stats;
	journal_stats(h.journal, &stats);
	assert_int_equal(stats.commit_failures, 1);
	while (journal_sync(h.journal, 2) != 0)
		usleep(1000);
	uint64_t mark = vdisk_mark(d);
	assert_int_equal(harness_write(&h, 3, 1, 3000), 0);
	harness_close(&h);
	holds(d, mark, 2);
	end(d);
}

static void write_samples(struct harness *h)
{
	int code;
	struct journal_group *g = journal_group_begin(h->journal, &code);
	assert_non_null(g);
	assert_int_equal(journal_frame_begin(g, FRAME_SAMPLES, 1), 0);
	assert_int_equal(journal_samples_add(g, 0, SLICE(""), &(struct sample){1, 1}, 1), 0);
	journal_frame_end(g);
	assert_int_equal(harness_commit(h, g), 0);
}

/* Segments with samples are sealed once a checkpoint covers them; but no checkpoint is written while one is in doubt. */
static void samples_in_doubt_wait_for_no_checkpoint(void **state)
{
	struct harness h;
	(void)state;
	struct vdisk *d = begin(&h, true);
	write_samples(&h);
	vdisk_ask(d, fail_syncs_of_segments, NULL);
	int code = journal_sync(h.journal, 1);
	assert_true(code == -EIO || code == 0);
	vdisk_ask(d, NULL, NULL);
	for (int tries = 0; tries < 20000 && journal_sync(h.journal, 1) != 0; tries++)
		usleep(1000);
	assert_int_equal(journal_sync(h.journal, 1), 0);
	harness_close(&h);
	end(d);
}

/* A process is killed at any change; what the next one finds there it will answer for, so that a power loss must not take it any more. */
static void what_is_found_after_a_kill_is_made_durable(void **state)
{
	struct harness h;
	struct vdisk *first = vdisk_new();
	(void)state;
	start_on(&h, first);
	harness_run(&h);
	for (int64_t n = 1; n <= 4; n++)
		assert_int_equal(harness_write(&h, n, 1, 3000), 0);
	harness_close(&h);
	for (uint64_t at = 0; at <= vdisk_mark(first); at++) {
		struct vdisk *d = vdisk_kill(first, at);
		start_on(&h, d);
		uint64_t last = h.found.last_seq;
		harness_run(&h);
		uint64_t mark = vdisk_mark(d);
		harness_close(&h);
		holds(d, mark, last);
		vdisk_free(d);
	}
	end(first);
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
	harness_run(&h);
	assert_int_equal(harness_write(&h, 1, 1, 3000), 0);
	failing = true;
	assert_int_equal(harness_write(&h, 2, 1, 3000), -EIO);
	struct vdisk *d = vdisk_kill(first, vdisk_mark(first));
	harness_close(&h);
	start_on(&h, d);
	assert_int_equal(h.found.last_seq, 2);
	harness_run(&h);
	uint64_t mark = vdisk_mark(d);
	harness_close(&h);
	holds(d, mark, 2);
	end(d);
	vdisk_free(first);
}

struct hold {
	_Atomic bool first;     /* the file of the first segment can be neither renamed nor removed */
	_Atomic bool refuse;    /* the next sync of the segment being written fails */
	_Atomic uint32_t tries; /* at the first segment's file */
	_Atomic bool second;    /* the second one's was given up */
};

static int hold(void *ctx, enum vdisk_op op, const char *path, size_t *len)
{
	struct hold *h = ctx;
	bool names = op == VDISK_RENAME || op == VDISK_UNLINK;
	(void)len;
	if (names && h->first && strcmp(path, "data/journal/segment-00000000000000000001.open") == 0) {
		h->tries++;
		return EIO;
	}
	if (names && strcmp(path, "data/journal/segment-00000000000000000002.open") == 0)
		h->second = true;
	if (op == VDISK_SYNC && strcmp(path, "data/journal/segment.tmp") == 0 && atomic_exchange(&h->refuse, false))
		return EIO;
	return 0;
}

static uint64_t segments(struct harness *h)
{
	struct journal_stats stats;
	journal_stats(h->journal, &stats);
	return stats.segments;
}

/* Only the segments behind a closed one say which of its frames were refused: as long as its file cannot be removed, theirs stay too. */
static void what_was_refused_does_not_come_back_with_its_file(void **state)
{
	struct harness h;
	struct error err = {0};
	struct vdisk *d = vdisk_new();
	struct hold on = {.first = true};
	(void)state;
	start_on(&h, d);
	harness_run(&h);
	vdisk_ask(d, hold, &on);
	assert_int_equal(harness_write(&h, 1, 1, 10), 0);
	on.refuse = true;
	assert_int_equal(harness_write(&h, 1000, 1, 10), -EIO);
	assert_int_equal(journal_resume(h.journal, &err), 0);
	for (int64_t n = 2; n < 30; n++)
		assert_int_equal(harness_write(&h, n, 1, 200000), 0);
	while (on.tries < 2 && !on.second)
		usleep(1000);
	assert_false(on.second);
	harness_close(&h);
	for (int i = 0; i < 2; i++) {
		start_on(&h, d);
		struct harness_read r = harness_replay(&h, 0);
		assert_int_equal(r.records, 29);
		assert_int_equal(r.last, 29);
		on.first = i == 0;
		harness_run(&h);
		while (!on.first && segments(&h) > 1)
			usleep(1000);
		harness_close(&h);
	}
	assert_null(vdisk_get(d, "data/journal/segment-00000000000000000001.open", NULL));
	end(d);
}

static int hold_sealing(void *ctx, enum vdisk_op op, const char *path, size_t *len)
{
	struct hold *h = ctx;
	(void)len;
	if (op != VDISK_OPEN || !h->first || strstr(path, "/events-") == NULL)
		return 0;
	h->tries++;
	return EIO;
}

static uint64_t damaged(struct harness *h)
{
	struct journal_stats stats;
	journal_stats(h->journal, &stats);
	return stats.damaged_frames;
}

/* A frame goes bad in a closed segment: sealing would leave it out without a word. */
static void damage_that_sealing_meets_is_counted(void **state)
{
	struct harness h;
	struct vdisk *d = vdisk_new();
	struct hold on = {.first = true};
	static const char path[] = "data/journal/segment-00000000000000000001.open";
	size_t len;
	(void)state;
	vdisk_ask(d, hold_sealing, &on);
	start_on(&h, d);
	harness_run(&h);
	for (int64_t n = 1; n <= 8; n++)
		assert_int_equal(harness_write(&h, n, 1, 200000), 0);
	while (on.tries == 0)
		usleep(1000);
	char *bytes = vdisk_get(d, path, &len);
	bytes[4096 + 1000] ^= 1;
	bytes[4096 + 4 * 200000 + 10000] ^= 1; /* in the fifth and last one there */
	assert_int_equal(vdisk_put(d, path, bytes, len), 0);
	free(bytes);
	on.first = false;
	while (segments(&h) > 1)
		usleep(1000);
	assert_int_equal(damaged(&h), 2);
	harness_close(&h);
	start_on(&h, d);
	assert_int_equal(harness_replay(&h, 0).records, 6);
	assert_int_equal(damaged(&h), 0);
	harness_close(&h);
	end(d);
}

/* A checkpoint may know of frames that the journal has lost: their numbers are not given again, or a start from that checkpoint would pass over
 * the new ones. */
static void numbers_are_not_given_twice(void **state)
{
	struct harness h;
	(void)state;
	struct vdisk *d = begin(&h, false);
	assert_int_equal(harness_write(&h, 1, 1, 10), 0);
	harness_close(&h);
	start_on(&h, d);
	assert_int_equal(h.found.last_seq, 1);
	journal_skip_to(h.journal, 9);
	harness_run(&h);
	assert_int_equal(harness_write(&h, 2, 1, 10), 0);
	harness_close(&h);
	start_on(&h, d);
	assert_int_equal(h.found.last_seq, 10);
	assert_int_equal(harness_replay(&h, 9).records, 1);
	assert_int_equal(harness_replay(&h, 0).records, 2);
	harness_close(&h);
	end(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_torn_segment_does_not_displace_its_sealed_files),
	    cmocka_unit_test(what_was_synced_on_request_is_there),
	    cmocka_unit_test(what_a_failed_sync_has_left_is_in_doubt),
	    cmocka_unit_test(samples_in_doubt_wait_for_no_checkpoint),
	    cmocka_unit_test(what_was_committed_is_there),
	    cmocka_unit_test(what_is_found_after_a_kill_is_made_durable),
	    cmocka_unit_test(what_a_failed_sync_left_readable_is_made_durable),
	    cmocka_unit_test(what_was_refused_does_not_come_back_with_its_file),
	    cmocka_unit_test(damage_that_sealing_meets_is_counted),
	    cmocka_unit_test(numbers_are_not_given_twice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

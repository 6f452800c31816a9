/* The store as a whole: what was appended is what is selected, through sealing, merging, retention, checkpoints, restarts, and damage. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/thread.h"
#include "tsdb/head.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SPARSE = 1 }; /* of the steps at which something may fail, so much fewer the later they are */
#else
enum { SPARSE = 10 };
#endif

static double as_double(uint64_t bits)
{
	double v;
	memcpy(&v, &bits, sizeof v);
	return v;
}

/* Is all of minutes first..last there, and nothing else? */
static void check(struct tsdb *t, uint32_t first, uint32_t last)
{
	int code;
	struct error err = {0};
	struct tsdb_view *v = tsdb_view_open(t, &code);
	assert_non_null(v);
	struct series_set *s = tsdb_select(v, NULL, 0, first * MINUTE, (last - 1) * MINUTE, &err);
	assert_non_null(s);
	struct slice labels;
	uint32_t found = 0;
	while ((code = series_set_next(s, &labels, &err)) == 1) {
		struct series_samples samples;
		uint32_t n = (uint32_t)strtoul(labels_get(labels, SLICE("n")).ptr, NULL, 10), at = 0;
		while (found < n) /* those before it have nothing */
			assert_false(has_any(found++, first, last));
		found++;
		assert_int_equal(series_set_samples(s, &samples, &err), 0);
		for (uint32_t i = first; i < last; i++) {
			if (!has(n, i))
				continue;
			assert_true(at < samples.count);
			assert_int_equal(samples.times_ms[at], i * MINUTE);
			assert_true(as_double(samples.values[at]) == value_of(n, i));
			at++;
		}
		assert_int_equal(at, samples.count);
	}
	assert_int_equal(code, 0);
	while (found < SERIES)
		assert_false(has_any(found++, first, last));
	series_set_free(s);
	tsdb_view_close(v);
}

static struct tsdb_stats stats_of(struct tsdb *t)
{
	struct tsdb_stats s;
	tsdb_stats(t, &s);
	return s;
}

/* ---- the life of samples ---- */

static void test_blocks_and_head_are_one(void **state)
{
	(void)state;
	begin();
	struct tsdb *t = open_store();
	fill(t, 0, 50 * 60);
	check(t, 0, 50 * 60);
	check(t, 7 * 60 + 13, 8 * 60);
	check(t, 47 * 60, 50 * 60);
	struct tsdb_stats s = stats_of(t);
	/* 48 hours are sealed: three of 18, one of 6 behind the second, and so on by windows of 6, 18. */
	assert_int_equal(s.sealed, 24);
	assert_true(s.blocks < 8 && s.merged >= 24);
	assert_int_equal(s.newest_ms, (50 * 60 - 1) * MINUTE);
	assert_true(s.samples > 0);
	tsdb_close(t);
	/* Without a checkpoint the blocks are there, and the head is empty. */
	t = open_store();
	check(t, 0, 48 * 60);
	assert_int_equal(stats_of(t).blocks, s.blocks);
	tsdb_close(t);
	end();
}

static void test_sealed_time_takes_no_samples(void **state)
{
	(void)state;
	begin();
	struct tsdb *t = open_store();
	fill(t, 0, 6 * 60);
	tsdb_batch_begin(t);
	assert_int_equal(tsdb_append(t, series(t, 777), 4 * HOUR - 1, 1), APPEND_TOO_OLD);
	assert_int_equal(tsdb_append(t, series(t, 777), 4 * HOUR, 1), APPEND_STORED);
	tsdb_batch_end(t);
	tsdb_close(t);
	end();
}

static void test_a_long_gap_is_passed_over(void **state)
{
	struct error err = {0};
	uint32_t steps = 0;
	(void)state;
	begin();
	struct tsdb *t = open_with((struct tsdb_options){.max_series = 1000, .retention_ms = INT64_MAX});
	static const int64_t times[] = {-70LL * 365 * 24 * HOUR, 0, 40LL * 365 * 24 * HOUR, 140LL * 365 * 24 * HOUR};
	for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
		tsdb_batch_begin(t);
		assert_int_equal(tsdb_append(t, series(t, 1), times[i], (double)i), APPEND_STORED);
		tsdb_batch_end(t);
	}
	tsdb_tick(t);
	while (tsdb_maintain(t, &err) == 1)
		assert_true(++steps < 20);
	for (int i = 0; i < 3; i++)
		tsdb_tick(t);
	int code;
	struct tsdb_view *v = tsdb_view_open(t, &code);
	struct series_set *s = tsdb_select(v, NULL, 0, INT64_MIN, INT64_MAX, &err);
	struct series_samples samples;
	struct slice labels;
	assert_int_equal(series_set_next(s, &labels, &err), 1);
	assert_int_equal(series_set_samples(s, &samples, &err), 0);
	assert_int_equal(samples.count, 4);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(samples.times_ms[i], times[i]);
	assert_int_equal(series_set_next(s, &labels, &err), 0);
	series_set_free(s);
	tsdb_view_close(v);
	tsdb_close(t);
	end();
}

/* Who closes the store does not wait for a block: it is left undone. */
static void test_the_keeper_is_stopped(void **state)
{
	struct error err = {0};
	(void)state;
	begin();
	struct tsdb *t = open_store();
	fill(t, 0, 100);
	fill(t, 330, 345);
	tsdb_tick(t);
	tsdb_maintain_stop(t);
	assert_int_equal(tsdb_maintain(t, &err), -ECANCELED);
	assert_int_equal(stats_of(t).blocks, 0);
	tsdb_close(t);
	end();
}

static void test_the_earliest_times(void **state)
{
	struct error err = {0};
	int code;
	(void)state;
	begin();
	struct tsdb *t = open_with((struct tsdb_options){.max_series = 1000, .retention_ms = INT64_MAX});
	static const int64_t times[] = {INT64_MIN, INT64_MIN + 1, INT64_MIN + HOUR, INT64_MIN + 5 * HOUR,
	                                INT64_MIN + 40 * HOUR};
	enum { TIMES = sizeof times / sizeof *times };
	for (uint32_t i = 0; i < TIMES; i++) {
		tsdb_batch_begin(t);
		assert_int_equal(tsdb_append(t, series(t, 1), times[i], i), APPEND_STORED);
		tsdb_batch_end(t);
	}
	maintain(t);
	assert_true(stats_of(t).sealed >= 2);
	struct tsdb_view *v = tsdb_view_open(t, &code);
	struct series_set *s = tsdb_select(v, NULL, 0, INT64_MIN, INT64_MAX, &err);
	struct series_samples samples;
	struct slice labels;
	assert_int_equal(series_set_next(s, &labels, &err), 1);
	assert_int_equal(series_set_samples(s, &samples, &err), 0);
	assert_int_equal(samples.count, TIMES);
	for (uint32_t i = 0; i < TIMES; i++)
		assert_int_equal(samples.times_ms[i], times[i]);
	series_set_free(s);
	tsdb_view_close(v);
	tsdb_close(t);
	end();
}

static void test_retention(void **state)
{
	(void)state;
	begin();
	struct tsdb *t = open_with((struct tsdb_options){.max_series = 1000, .retention_ms = 10 * HOUR});
	fill(t, 0, 30 * 60);
	struct tsdb_stats s = stats_of(t);
	assert_true(s.removed >= 8);
	assert_true(s.oldest_ms >= 18 * HOUR && s.oldest_ms <= 20 * HOUR);
	check(t, 20 * 60, 30 * 60);
	tsdb_close(t);
	t = open_with((struct tsdb_options){.max_series = 1000, .retention_bytes = s.block_bytes / 2});
	maintain(t);
	assert_true(stats_of(t).block_bytes <= s.block_bytes / 2);
	tsdb_close(t);
	end();
}

/* How many series there are to be seen now. */
/* Series that never got a sample, all of theirs having been refused, give their places back, also before anything was sealed, and where nothing was ever stored. */
static void test_series_without_samples_leave(void **state)
{
	(void)state;
	begin();
	struct tsdb *t = open_store();
	for (uint32_t n = 0; n < SERIES; n++)
		series(t, n);
	assert_int_equal(stats_of(t).series, SERIES);
	for (int i = 0; i < 3; i++)
		tsdb_tick(t);
	assert_int_equal(stats_of(t).series, 0);
	uint32_t used = series(t, 1), unused = series(t, 2);
	tsdb_batch_begin(t);
	assert_int_equal(tsdb_append(t, used, HOUR, 1), APPEND_STORED);
	tsdb_batch_end(t);
	for (int i = 0; i < 3; i++)
		tsdb_tick(t);
	assert_true(tsdb_has(t, used));
	assert_false(tsdb_has(t, unused));
	tsdb_close(t);
	end();
}

static int try_series(struct tsdb *t, uint32_t n)
{
	char text[16];
	uint32_t number;
	struct buf b = {0};
	struct error err = {0};
	snprintf(text, sizeof text, "%u", n);
	struct label labels[] = {{LABEL_METRIC_NAME, n < 100 ? SLICE("m") : SLICE("other")},
	                         {SLICE("n"), slice_cstr(text)}};
	assert_int_equal(labels_canonical(labels, 2, &b, &err), 0);
	int code = tsdb_series(t, buf_slice(&b), labels_hash(buf_slice(&b)), &number);
	buf_free(&b);
	return code;
}

/* A checkpoint has series that left soon after it, and made room for others: at a replay both are there. */
static void test_a_replay_has_more_room(void **state)
{
	(void)state;
	begin();
	struct tsdb *t = open_with((struct tsdb_options){.max_series = 40, .max_per_metric = 20});
	for (uint32_t n = 0; n < 20; n++)
		assert_int_equal(try_series(t, n), 0);
	assert_int_equal(try_series(t, 20), -EDQUOT);
	for (uint32_t n = 100; n < 120; n++)
		assert_int_equal(try_series(t, n), 0);
	assert_int_equal(try_series(t, 120), -ENOSPC);
	tsdb_replay_begin(t);
	for (uint32_t n = 20; n < 25; n++)
		assert_int_equal(try_series(t, n), 0);
	assert_int_equal(try_series(t, 25), -EDQUOT);
	for (uint32_t n = 120; n < 125; n++)
		assert_int_equal(try_series(t, n), 0);
	assert_int_equal(try_series(t, 125), -ENOSPC);
	tsdb_replay_end(t);
	assert_int_equal(try_series(t, 125), -ENOSPC);
	assert_int_equal(try_series(t, 24), 0); /* it is there */
	tsdb_close(t);
	end();
}

/* ---- restarts ---- */

static void checkpoint(struct tsdb *t, const char *name)
{
	int code;
	struct error err = {0};
	struct tsdb_cut *c = tsdb_cut(t, &code);
	assert_non_null(c);
	assert_int_equal(tsdb_cut_write(c, name, &err), 0);
	tsdb_cut_free(c);
}

/* As many views as may be are open, of samples and of the rest: nobody else gets one, but checkpoints are cut, and what is due is sealed. */
static void test_readers_keep_no_checkpoint_out(void **state)
{
	struct tsdb_view *views[EPOCH_READERS];
	int code;
	(void)state;
	begin();
	struct tsdb *t = open_store();
	fill(t, 0, 200);
	for (int i = 0; i < EPOCH_READERS; i++) {
		views[i] = tsdb_view_open(t, &code);
		assert_non_null(views[i]);
	}
	assert_null(tsdb_view_open(t, &code));
	assert_int_equal(code, -EAGAIN);
	checkpoint(t, "cut-1");
	uint64_t sealed = stats_of(t).sealed;
	fill(t, 200, 6 * 60);
	assert_true(stats_of(t).sealed > sealed);
	checkpoint(t, "cut-2");
	for (int i = 0; i < EPOCH_READERS; i++)
		tsdb_view_close(views[i]);
	check(t, 0, 6 * 60);
	tsdb_close(t);
	end();
}

static void test_a_cut_that_is_not_durable_is_none(void **state)
{
	struct error err = {0};
	(void)state;
	begin();
	struct tsdb *t = open_store();
	fill(t, 0, 3 * 60);
	uint32_t failures = 0;
	for (uint64_t nth = 1;; nth++, failures++) {
		char path[96];
		int code;
		snprintf(path, sizeof path, "%s/head-1", dir);
		struct tsdb_cut *c = tsdb_cut(t, &code);
		assert_non_null(c);
		fault_set(FAULT_FSYNC, nth, false, EIO);
		code = tsdb_cut_write(c, "head-1", &err);
		fault_clear();
		tsdb_cut_free(c);
		assert_int_equal(access(path, F_OK) == 0, code == 0);
		if (code == 0)
			break;
	}
	assert_true(failures >= 3); /* the file's, its directory's, that of chunks */
	tsdb_close(t);
	t = open_store();
	assert_int_equal(tsdb_load(t, "head-1", &err), 0);
	check(t, 0, 3 * 60);
	tsdb_close(t);
	end();
}

static void test_a_restart_at_any_time(void **state)
{
	struct error err = {0};
	(void)state;
	begin();
	struct tsdb *t = open_store();
	uint32_t at = 0;
	for (uint32_t round = 0; round < 20; round++) {
		char name[32], last[32];
		uint32_t until = at + 37 + round * 11, replayed = round * 7;
		snprintf(name, sizeof name, "head-%u", round);
		snprintf(last, sizeof last, "head-%u", round - 1);
		fill(t, at, until - replayed);
		checkpoint(t, name);
		fill(t, until - replayed, until); /* known to the journal alone */
		if (round > 0)
			assert_int_equal(tsdb_cut_remove(t, last), 0);
		tsdb_close(t);
		t = open_store();
		assert_int_equal(tsdb_load(t, name, &err), 0);
		for (uint32_t i = until - replayed; i < until; i++) { /* comes again */
			tsdb_batch_begin(t);
			for (uint32_t n = 0; n < SERIES; n++) {
				if (has(n, i))
					assert_true(tsdb_append(t, series(t, n), i * MINUTE, value_of(n, i)) <=
					            APPEND_TOO_OLD);
			}
			tsdb_batch_end(t);
		}
		check(t, 0, until);
		at = until;
	}
	tsdb_close(t);
	end();
}

/* ---- damage and failure ---- */

static void flip_in_blocks(size_t at)
{
	char command[256];
	snprintf(command, sizeof command,
	         "for f in '%s'/*.block; do printf '\\252' | dd of=\"$f\" bs=1 seek=%zu conv=notrunc status=none; "
	         "break; done",
	         dir, at);
	assert_int_equal(system(command), 0);
}

static void test_a_damaged_block_is_set_aside(void **state)
{
	(void)state;
	begin();
	struct tsdb *t = open_store();
	fill(t, 0, 12 * 60);
	tsdb_close(t);
	flip_in_blocks(20); /* the header of the first one, which has six hours */
	t = open_store();
	assert_int_equal(refused, 1);
	assert_int_equal(stats_of(t).refused, 1);
	check(t, 6 * 60, 10 * 60);
	tsdb_close(t);
	t = open_store();
	assert_int_equal(refused, 1);
	tsdb_close(t);
	end();
}

static void test_damaged_samples_are_named_and_not_merged(void **state)
{
	struct error err = {0};
	int code;
	(void)state;
	begin();
	struct tsdb *t = open_store();
	fill(t, 0, 4 * 60);
	checkpoint(t, "head-1");
	tsdb_close(t);
	flip_in_blocks(300); /* the samples of the first 64 series, in the first two hours */
	t = open_store();
	assert_int_equal(tsdb_load(t, "head-1", &err), 0);
	struct tsdb_view *v = tsdb_view_open(t, &code);
	struct series_set *s = tsdb_select(v, NULL, 0, INT64_MIN, INT64_MAX, &err);
	struct slice labels;
	uint32_t bad = 0, good = 0;
	while (series_set_next(s, &labels, &err) == 1) {
		struct series_samples samples;
		code = series_set_samples(s, &samples, &err);
		assert_true(code == 0 || code == -EBADMSG);
		bad += code != 0;
		good += code == 0;
		if (code != 0)
			assert_non_null(strstr(err.text, ".block is damaged: the samples of its series 0 to 63"));
	}
	uint32_t there = 0;
	for (uint32_t n = 0; n < SERIES; n++)
		there += has_any(n, 0, 4 * 60);
	assert_int_equal(bad, 64);
	assert_int_equal(good, there - 64);
	series_set_free(s);
	tsdb_view_close(v);
	fill(t, 4 * 60, 14 * 60); /* the keeper passes it over */
	check(t, 2 * 60, 14 * 60);
	tsdb_close(t);
	end();
}

/* The file of full chunks is damaged: what it had is missing from the block, and that is said. */
static void test_chunks_that_are_lost_are_counted(void **state)
{
	char command[160];
	(void)state;
	begin();
	struct tsdb *t = open_store();
	fill(t, 0, 2 * 60 + 29);
	snprintf(command, sizeof command,
	         "dd if=/dev/zero of='%s/head/chunks-0000000000' bs=64k count=16 conv=notrunc "
	         "status=none",
	         dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(stats_of(t).lost, 0);
	for (uint32_t i = 2 * 60 + 29; i < 3 * 60 + 10; i++) {
		tsdb_batch_begin(t);
		for (uint32_t n = 0; n < SERIES; n++)
			assert_int_equal(tsdb_append(t, series(t, n), i * MINUTE, 1), APPEND_STORED);
		tsdb_batch_end(t);
	}
	maintain(t);
	assert_true(stats_of(t).lost > 0);
	assert_int_equal(stats_of(t).sealed, 1);
	tsdb_close(t);
	end();
}

static void test_maintenance_fails_anywhere(void **state)
{
	static const struct {
		enum fault_point point;
		int error;
	} faults[] = {{FAULT_MALLOC, ENOMEM}, {FAULT_WRITE, ENOSPC}, {FAULT_FSYNC, EIO},
	              {FAULT_RENAME, EIO},    {FAULT_OPEN, EMFILE},  {FAULT_MMAP, ENOMEM}};
	(void)state;
	for (size_t k = 0; k < sizeof faults / sizeof *faults; k++) {
		for (uint64_t nth = 1;; nth += 1 + nth / SPARSE) {
			struct error err = {0};
			begin();
			struct tsdb *t = open_store();
			fill(t, 0, 9 * 60 + 29); /* not quite to where the next block and a merge are due */
			for (uint32_t i = 9 * 60 + 29; i < 13 * 60 + 10; i++) {
				tsdb_batch_begin(t);
				for (uint32_t n = 0; n < SERIES; n++) {
					if (has(n, i))
						assert_int_equal(
						    tsdb_append(t, series(t, n), i * MINUTE, value_of(n, i)),
						    APPEND_STORED);
				}
				tsdb_batch_end(t);
			}
			fault_set(faults[k].point, nth, false, faults[k].error);
			uint32_t failures = 0;
			for (int step = 0; step < 12; step++) {
				tsdb_tick(t);
				failures += tsdb_maintain(t, &err) < 0;
			}
			fault_clear();
			maintain(t);
			check(t, 0, 13 * 60 + 10);
			tsdb_close(t);
			t = open_store();
			check(t, 0, 12 * 60);
			tsdb_close(t);
			end();
			assert_int_equal(refused, 0);
			if (failures == 0)
				break;
		}
	}
}

/* ---- readers beside writer and keeper ---- */

struct race {
	struct tsdb *t;
	_Atomic bool over;
	_Atomic uint64_t views, broken;
	_Atomic uint32_t written; /* minutes */
};

static void *keep(void *arg)
{
	struct race *r = arg;
	struct error err = {0};
	while (!atomic_load(&r->over)) {
		if (tsdb_maintain(r->t, &err) < 0)
			atomic_fetch_add(&r->broken, 1);
		usleep(200);
	}
	return NULL;
}

/* All of the series that have a sample each minute have them all, and the same number of them. */
static void *read_all(void *arg)
{
	struct race *r = arg;
	while (!atomic_load(&r->over)) {
		int code;
		struct error err = {0};
		uint32_t at_least = atomic_load(&r->written), common = 0;
		struct tsdb_view *v = tsdb_view_open(r->t, &code);
		struct series_set *s = v == NULL ? NULL : tsdb_select(v, NULL, 0, INT64_MIN, INT64_MAX, &err);
		struct slice labels;
		bool bad = s == NULL;
		while (!bad && series_set_next(s, &labels, &err) == 1) {
			struct series_samples samples;
			struct chunk_summary known;
			uint32_t n = (uint32_t)strtoul(labels_get(labels, SLICE("n")).ptr, NULL, 10);
			bad = series_set_summary(s, &known, &err) != 0 || series_set_samples(s, &samples, &err) != 0 ||
			      known.count != samples.count;
			if (bad || n % 3 == 0)
				continue;
			bad = known.first != value_of(n, 0) || known.last != value_of(n, samples.count - 1);
			if (common == 0)
				common = samples.count;
			bad = bad || samples.count != common || samples.count < at_least;
			for (uint32_t i = 0; i < samples.count && !bad; i++)
				bad =
				    samples.times_ms[i] != i * MINUTE || as_double(samples.values[i]) != value_of(n, i);
		}
		series_set_free(s);
		tsdb_view_close(v);
		if (bad)
			atomic_fetch_add(&r->broken, 1);
		atomic_fetch_add(&r->views, 1);
	}
	return NULL;
}

static void test_readers_beside_writer_and_keeper(void **state)
{
	static struct race r;
	struct thread threads[3];
	(void)state;
	begin();
	r.t = open_store();
	assert_int_equal(thread_start(&threads[0], "keeper", keep, &r), 0);
	for (int i = 1; i < 3; i++)
		assert_int_equal(thread_start(&threads[i], "reader", read_all, &r), 0);
	for (uint32_t i = 0; i < 40 * 60 || atomic_load(&r.views) < 50; i++) {
		tsdb_batch_begin(r.t);
		for (uint32_t n = 0; n < 30; n++) {
			if (has(n, i))
				assert_int_equal(tsdb_append(r.t, series(r.t, n), i * MINUTE, value_of(n, i)),
				                 APPEND_STORED);
		}
		tsdb_batch_end(r.t);
		atomic_store(&r.written, i + 1);
		tsdb_tick(r.t);
		if (i >= 40 * 60)
			usleep(1000);
	}
	atomic_store(&r.over, true);
	for (int i = 0; i < 3; i++)
		thread_join(&threads[i]);
	assert_int_equal(atomic_load(&r.broken), 0);
	assert_true(stats_of(r.t).sealed > 0);
	tsdb_close(r.t);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_blocks_and_head_are_one),
	    cmocka_unit_test(test_sealed_time_takes_no_samples),
	    cmocka_unit_test(test_a_long_gap_is_passed_over),
	    cmocka_unit_test(test_the_keeper_is_stopped),
	    cmocka_unit_test(test_the_earliest_times),
	    cmocka_unit_test(test_retention),
	    cmocka_unit_test(test_series_without_samples_leave),
	    cmocka_unit_test(test_a_replay_has_more_room),
	    cmocka_unit_test(test_readers_keep_no_checkpoint_out),
	    cmocka_unit_test(test_a_cut_that_is_not_durable_is_none),
	    cmocka_unit_test(test_a_restart_at_any_time),
	    cmocka_unit_test(test_a_damaged_block_is_set_aside),
	    cmocka_unit_test(test_damaged_samples_are_named_and_not_merged),
	    cmocka_unit_test(test_chunks_that_are_lost_are_counted),
	    cmocka_unit_test(test_maintenance_fails_anywhere),
	    cmocka_unit_test(test_readers_beside_writer_and_keeper),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

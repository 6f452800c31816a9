/* The head: what was appended is what is read, bit for bit, in its order; views see whole batches; nothing is lost by spilling, trimming, or running out of memory. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/thread.h"
#include "record/labels.h"
#include "tsdb/chunk.h"
#include "tsdb/head.h"

#define MINUTE 60000

struct fixture {
	struct head *head;
	char dir[64];
};

static void open_head(struct fixture *f, uint32_t max_series)
{
	struct error err = {0};
	snprintf(f->dir, sizeof f->dir, "/tmp/moongate-head-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->head = head_new(
	    &(struct head_options){
	        .dir = f->dir, .out_of_order_ms = 10 * MINUTE, .max_series = max_series, .spill_file_bytes = 64 * 1024},
	    &err);
	assert_non_null(f->head);
}

static void close_head(struct fixture *f)
{
	char command[128];
	head_free(f->head);
	snprintf(command, sizeof command, "rm -r '%s'", f->dir);
	assert_int_equal(system(command), 0);
}

/* job="test", n="<n>", __name__="m". */
static struct slice labels_for(struct buf *b, unsigned n)
{
	char text[16];
	snprintf(text, sizeof text, "%u", n);
	struct label labels[] = {
	    {SLICE("n"), slice_cstr(text)}, {SLICE("job"), SLICE("test")}, {LABEL_METRIC_NAME, SLICE("m")}};
	struct error err = {0};
	buf_reset(b);
	assert_int_equal(labels_canonical(labels, 3, b, &err), 0);
	return slice_new(b->ptr, b->len);
}

static uint32_t series(struct head *h, unsigned n)
{
	struct buf b = {0};
	uint32_t number;
	struct slice labels = labels_for(&b, n);
	assert_int_equal(head_series(h, labels, labels_hash(labels), &number), 0);
	buf_free(&b);
	return number;
}

static int append(struct head *h, uint32_t number, int64_t time_ms, double value)
{
	head_batch_begin(h);
	int outcome = head_append(h, number, time_ms, value);
	head_batch_end(h);
	return outcome;
}

static struct head_view *view_of(struct head *h)
{
	int code;
	struct head_view *v = head_view_open(h, &code);
	assert_non_null(v);
	assert_int_equal(code, 0);
	return v;
}

static double as_double(uint64_t bits)
{
	double v;
	memcpy(&v, &bits, sizeof v);
	return v;
}

/* ---- one series ---- */

static void test_a_series_comes_back_in_order(void **state)
{
	struct fixture f;
	struct head_samples s;
	(void)state;
	open_head(&f, 100);
	uint32_t number = series(f.head, 1);
	assert_int_equal(series(f.head, 1), number);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(append(f.head, number, 15000 * i, i * 0.1), APPEND_STORED);
	struct head_view *v = view_of(f.head);
	assert_int_equal(head_view_read(v, number, INT64_MIN, INT64_MAX, &s), 0);
	assert_int_equal(s.count, 1000);
	assert_int_equal(s.damaged, 0);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(s.times_ms[i], 15000 * i);
		assert_true(as_double(s.values[i]) == i * 0.1);
	}
	for (int from = 0; from < 1000; from += 37) {
		for (int to = from - 1; to < 1000; to += 91) {
			assert_int_equal(head_view_read(v, number, 15000 * from - 1, 15000 * to, &s), 0);
			assert_int_equal(s.count, to - from + 1);
			if (s.count > 0)
				assert_int_equal(s.times_ms[0], 15000 * from);
		}
	}
	head_view_close(v);
	struct head_stats stats;
	head_stats(f.head, &stats);
	assert_int_equal(stats.samples, 1000);
	assert_int_equal(stats.chunks_spilled, 8);
	assert_int_equal(stats.chunks_kept, 0);
	assert_int_equal(stats.newest_ms, 15000 * 999);
	close_head(&f);
}

/* How late a sample is does not hang on who is ahead of time. */
static void test_who_is_ahead_makes_nobody_late(void **state)
{
	struct fixture f;
	(void)state;
	open_head(&f, 100);
	uint32_t ahead = series(f.head, 1), other = series(f.head, 2);
	int64_t now = 3 * 60 * MINUTE;
	head_set_now(f.head, now);
	assert_int_equal(append(f.head, ahead, now + 10 * MINUTE, 1), APPEND_STORED);
	assert_int_equal(append(f.head, other, now, 1), APPEND_STORED);
	assert_int_equal(append(f.head, other, now - 10 * MINUTE, 1), APPEND_STORED);
	assert_int_equal(append(f.head, other, now - 10 * MINUTE - 1, 1), APPEND_TOO_OLD);
	assert_int_equal(append(f.head, ahead, now - 10 * MINUTE, 1), APPEND_STORED);
	/* Nor on a clock that is ahead of all samples. */
	head_set_now(f.head, now + 60 * MINUTE);
	assert_int_equal(append(f.head, other, now + 2, 1), APPEND_STORED);
	assert_int_equal(append(f.head, other, now + 1, 1), APPEND_STORED);
	assert_int_equal(append(f.head, other, now - 1, 1), APPEND_TOO_OLD);
	close_head(&f);
}

static void test_what_becomes_of_a_sample(void **state)
{
	struct fixture f;
	struct head_samples s;
	uint64_t stale = SAMPLE_STALE_BITS;
	(void)state;
	open_head(&f, 100);
	uint32_t number = series(f.head, 1);
	int64_t now = 3 * 60 * MINUTE;
	head_set_floor(f.head, MINUTE);
	assert_int_equal(append(f.head, number, now, 1), APPEND_STORED);
	assert_int_equal(append(f.head, number, now, 1), APPEND_DUPLICATE);
	assert_int_equal(append(f.head, number, now, 2), APPEND_CONFLICT);
	assert_int_equal(append(f.head, number, now - 10 * MINUTE, 5), APPEND_STORED);
	assert_int_equal(append(f.head, number, now - 10 * MINUTE, 5), APPEND_DUPLICATE);
	assert_int_equal(append(f.head, number, now - 10 * MINUTE, 6), APPEND_CONFLICT);
	assert_int_equal(append(f.head, number, now - 10 * MINUTE - 1, 5), APPEND_TOO_OLD);
	/* What is there may come again, however late. */
	uint32_t retried = series(f.head, 3);
	for (int64_t i = 0; i < 200; i++) /* some of it in files */
		assert_int_equal(append(f.head, retried, now - 30 * MINUTE + i, (double)i), APPEND_STORED);
	for (int64_t i = 0; i < 200; i += 50) {
		assert_int_equal(append(f.head, retried, now - 30 * MINUTE + i, (double)i), APPEND_DUPLICATE);
		assert_int_equal(append(f.head, retried, now - 30 * MINUTE + i, (double)i + 1), APPEND_CONFLICT);
	}
	assert_int_equal(append(f.head, retried, now - 30 * MINUTE - 1, 5), APPEND_TOO_OLD);
	assert_int_equal(append(f.head, number, now - MINUTE, as_double(stale)), APPEND_STORED);
	/* Another series begins as early as the floor lets it. */
	uint32_t other = series(f.head, 2);
	assert_int_equal(append(f.head, other, MINUTE - 1, 1), APPEND_TOO_OLD);
	assert_int_equal(append(f.head, other, MINUTE, -0.0), APPEND_STORED);
	assert_int_equal(append(f.head, other, MINUTE, 0.0), APPEND_CONFLICT); /* bits are what counts */

	struct head_view *v = view_of(f.head);
	assert_int_equal(head_view_read(v, number, INT64_MIN, INT64_MAX, &s), 0);
	assert_int_equal(s.count, 3);
	assert_int_equal(s.times_ms[0], now - 10 * MINUTE);
	assert_true(s.values[1] == stale);
	assert_true(as_double(s.values[2]) == 1);
	head_view_close(v);
	close_head(&f);
}

static void test_late_samples_have_a_bound(void **state)
{
	struct fixture f;
	struct head_samples s;
	(void)state;
	open_head(&f, 100);
	uint32_t number = series(f.head, 1);
	assert_int_equal(append(f.head, number, 20000, 0), APPEND_STORED);
	for (int i = 0; i < HEAD_LATE_MAX; i++)
		assert_int_equal(append(f.head, number, (i * 7919) % 19997, i), APPEND_STORED);
	assert_int_equal(append(f.head, number, 19998, 0), APPEND_TOO_LATE);
	struct head_view *v = view_of(f.head);
	assert_int_equal(head_view_read(v, number, INT64_MIN, INT64_MAX, &s), 0);
	assert_int_equal(s.count, HEAD_LATE_MAX + 1);
	for (uint32_t i = 1; i < s.count; i++)
		assert_true(s.times_ms[i - 1] < s.times_ms[i]);
	head_view_close(v);
	close_head(&f);
}

static void test_too_many_series(void **state)
{
	struct fixture f;
	struct buf b = {0};
	uint32_t number;
	(void)state;
	open_head(&f, 5000);
	for (unsigned i = 0; i < 5000; i++)
		assert_int_equal(series(f.head, i), i);
	struct slice labels = labels_for(&b, 5000);
	assert_int_equal(head_series(f.head, labels, labels_hash(labels), &number), -ENOSPC);
	for (unsigned i = 0; i < 5000; i++)
		assert_int_equal(series(f.head, i), i);
	buf_free(&b);
	close_head(&f);
}

/* ---- the index ---- */

static uint32_t count_of(struct head_view *v, const char *name, const char *value)
{
	struct postings_source source;
	head_view_index(v, &source);
	return source.equal(source.ctx, slice_cstr(name), slice_cstr(value)).count;
}

static void test_the_index_names_all_labels(void **state)
{
	struct fixture f;
	const struct slice *values;
	uint32_t count;
	struct arena arena;
	(void)state;
	arena_init(&arena);
	open_head(&f, 3000);
	for (unsigned i = 0; i < 3000; i++)
		series(f.head, i);
	struct head_view *v = view_of(f.head);
	assert_int_equal(count_of(v, "job", "test"), 3000);
	assert_int_equal(count_of(v, "job", "none"), 0);
	assert_int_equal(count_of(v, "none", "test"), 0);
	assert_int_equal(count_of(v, "n", "2999"), 1);
	struct postings_source source;
	head_view_index(v, &source);
	assert_int_equal(source.all(source.ctx).count, 3000);
	assert_int_equal(source.values(source.ctx, SLICE("n"), &arena, &values, &count), 0);
	assert_int_equal(count, 3000);
	assert_true(slice_eq(values[0], SLICE("0")) && slice_eq(values[1], SLICE("1")) &&
	            slice_eq(values[2], SLICE("10")));
	assert_int_equal(source.values(source.ctx, SLICE("none"), &arena, &values, &count), 0);
	assert_int_equal(count, 0);
	/* Those alone that a sample can be seen of. */
	assert_int_equal(head_view_label_names(v, &arena, &values, &count), 0);
	assert_int_equal(count, 0);
	head_view_close(v);
	assert_int_equal(append(f.head, series(f.head, 7), MINUTE, 1), APPEND_STORED);
	v = view_of(f.head);
	assert_int_equal(head_view_label_values(v, SLICE("n"), &arena, &values, &count), 0);
	assert_int_equal(count, 1);
	assert_true(slice_eq(values[0], SLICE("7")));
	assert_int_equal(head_view_label_names(v, &arena, &values, &count), 0);
	assert_int_equal(count, 3);
	assert_true(slice_eq(values[0], LABEL_METRIC_NAME) && slice_eq(values[2], SLICE("n")));
	head_view_close(v);
	arena_deinit(&arena);
	close_head(&f);
}

/* ---- views ---- */

static uint32_t count_in(struct head_view *v, uint32_t number)
{
	struct head_samples s;
	assert_int_equal(head_view_read(v, number, INT64_MIN, INT64_MAX, &s), 0);
	assert_int_equal(s.damaged, 0);
	return s.count;
}

static void test_a_view_stays_as_it_was(void **state)
{
	struct fixture f;
	struct head_view *views[40];
	(void)state;
	open_head(&f, 100);
	uint32_t number = series(f.head, 1);
	for (int i = 0; i < 40; i++) {
		views[i] = view_of(f.head);
		head_batch_begin(f.head);
		for (int k = 0; k < 10; k++)
			assert_int_equal(head_append(f.head, number, 1000 * (10 * i + k), i), APPEND_STORED);
		struct head_view *during = view_of(f.head);
		assert_int_equal(count_in(during, number), 10 * i);
		head_view_close(during);
		head_batch_end(f.head);
		head_collect(f.head);
	}
	for (int i = 0; i < 40; i++)
		assert_int_equal(count_in(views[i], number), 10 * i);
	for (int i = 39; i >= 0; i -= 2)
		head_view_close(views[i]);
	assert_int_equal(append(f.head, number, 1000 * 400, 0), APPEND_STORED);
	for (int i = 0; i < 40; i += 2) {
		assert_int_equal(count_in(views[i], number), 10 * i);
		head_view_close(views[i]);
	}
	struct head_view *last = view_of(f.head);
	assert_int_equal(count_in(last, number), 401);
	head_view_close(last);
	close_head(&f);
}

static void test_late_samples_belong_to_their_batch(void **state)
{
	struct fixture f;
	(void)state;
	open_head(&f, 100);
	uint32_t number = series(f.head, 1);
	assert_int_equal(append(f.head, number, 10000, 0), APPEND_STORED);
	for (int i = 0; i < 50; i++) {
		struct head_view *before = view_of(f.head);
		head_batch_begin(f.head);
		assert_int_equal(head_append(f.head, number, 5000 + i, 0), APPEND_STORED);
		assert_int_equal(count_in(before, number), 1 + i);
		head_batch_end(f.head);
		assert_int_equal(count_in(before, number), 1 + i);
		head_view_close(before);
	}
	close_head(&f);
}

/* ---- letting go ---- */

static int trim_all(struct head *h, int64_t cut_ms, int64_t idle_ms)
{
	int code;
	head_cut(h, cut_ms);
	while ((code = head_trim(h, idle_ms, 100)) == 1)
		continue;
	return code;
}

static void test_trimming_leaves_what_is_newer(void **state)
{
	struct fixture f;
	struct head_samples s;
	struct head_stats stats;
	(void)state;
	open_head(&f, 1000);
	for (unsigned n = 0; n < 500; n++)
		assert_int_equal(series(f.head, n), n);
	for (int i = 0; i < 400; i++) {
		head_batch_begin(f.head);
		for (unsigned n = 0; n < 500; n++) { /* odd ones end early */
			if (n % 2 == 0 || i < 100)
				assert_int_equal(head_append(f.head, n, 15000 * i, n + i), APPEND_STORED);
		}
		head_batch_end(f.head);
	}
	head_stats(f.head, &stats);
	uint64_t spilled = stats.spill_bytes;
	assert_int_equal(stats.oldest_ms, 0);
	struct head_view *old = view_of(f.head);
	assert_int_equal(trim_all(f.head, 15000 * 300, 15000 * 200), 0);
	head_collect(f.head);
	/* What the old view saw it still sees, and once it is closed all that goes. */
	assert_int_equal(count_in(old, 2), 400);
	assert_int_equal(count_in(old, 3), 100);
	head_stats(f.head, &stats);
	assert_int_equal(stats.series, 500);
	assert_int_equal(stats.oldest_ms, 15000 * 300);
	head_view_close(old);
	assert_int_equal(trim_all(f.head, 15000 * 300, 15000 * 200), 0);
	head_collect(f.head);
	head_stats(f.head, &stats);
	assert_int_equal(stats.series, 250);
	assert_int_equal(stats.expired, 250);
	assert_true(stats.spill_bytes < spilled);
	struct head_view *v = view_of(f.head);
	assert_int_equal(count_of(v, "job", "test"), 250);
	assert_int_equal(count_of(v, "n", "3"), 0);
	for (unsigned n = 0; n < 500; n += 2) {
		assert_int_equal(head_view_read(v, n, 15000 * 300, INT64_MAX, &s), 0);
		assert_int_equal(s.count, 100);
		assert_int_equal(s.damaged, 0);
		assert_true(as_double(s.values[99]) == n + 399);
	}
	head_view_close(v);
	/* One that left comes again as another. */
	assert_false(head_has(f.head, 3));
	assert_int_equal(series(f.head, 3), 500);
	assert_int_equal(append(f.head, 500, 15000 * 400, 1), APPEND_STORED);
	v = view_of(f.head);
	assert_int_equal(count_of(v, "n", "3"), 1);
	head_view_close(v);
	close_head(&f);
}

static void test_series_come_and_go_without_end(void **state)
{
	struct fixture f;
	struct head_stats stats;
	uint64_t bytes = 0;
	(void)state;
	open_head(&f, 4000);
	for (int round = 0; round < 30; round++) {
		head_batch_begin(f.head);
		for (unsigned n = 0; n < 2000; n++)
			assert_int_equal(
			    head_append(f.head, series(f.head, (unsigned)round * 2000 + n), 15000 * round, 1),
			    APPEND_STORED);
		head_batch_end(f.head);
		assert_int_equal(trim_all(f.head, 15000 * round, 15000 * round), 0);
		head_collect(f.head);
		head_stats(f.head, &stats);
		assert_int_equal(stats.series, 2000);
		if (round == 5)
			bytes = stats.bytes;
	}
	assert_true(stats.bytes < bytes + bytes / 10);
	close_head(&f);
}

/* A round is as long as there are series, not as there were. */
static void test_a_round_passes_over_those_that_left(void **state)
{
	struct fixture f;
	struct head_stats stats;
	(void)state;
	open_head(&f, 50000);
	head_batch_begin(f.head);
	for (unsigned n = 0; n < 40000; n++)
		assert_int_equal(head_append(f.head, series(f.head, n), n % 10000 == 0 ? 2000 : 1000, 1),
		                 APPEND_STORED);
	head_batch_end(f.head);
	assert_int_equal(trim_all(f.head, 2000, 2000), 0);
	head_collect(f.head);
	head_stats(f.head, &stats);
	assert_int_equal(stats.series, 4);
	assert_int_equal(head_trim(f.head, 2000, 4), 0);
	head_cut(f.head, 3000);
	assert_int_equal(head_trim(f.head, 3000, 3), 1);
	assert_int_equal(head_trim(f.head, 3000, 3), 0);
	head_collect(f.head);
	head_stats(f.head, &stats);
	assert_int_equal(stats.series, 0);
	assert_int_equal(series(f.head, 1), 40000);
	close_head(&f);
}

/* ---- failure ---- */

/* A series that leaves while memory is out, and comes again, is found under all its labels. */
static void test_leaving_fails_anywhere(void **state)
{
	struct fixture f;
	struct head_stats stats;
	bool failed = true;
	(void)state;
	for (uint64_t nth = 1; failed; nth++) {
		open_head(&f, 100);
		for (unsigned n = 0; n < 20; n++)
			assert_int_equal(append(f.head, series(f.head, n), 1000, n), APPEND_STORED);
		head_cut(f.head, 2000);
		fault_set(FAULT_MALLOC, nth, true, ENOMEM);
		failed = head_trim(f.head, 2000, 100) != 0;
		fault_clear();
		for (unsigned n = 0; n < 10; n++)
			assert_int_equal(append(f.head, series(f.head, n), 3000, n), APPEND_STORED);
		struct head_view *v = view_of(f.head);
		for (unsigned n = 0; n < 10; n++) {
			char text[16];
			snprintf(text, sizeof text, "%u", n);
			assert_int_equal(count_of(v, "n", text), 1);
		}
		uint32_t listed = count_of(v, "job", "test");
		assert_true(listed == 10 || (failed && listed == 20));
		assert_int_equal(count_of(v, "__name__", "m"), listed);
		head_view_close(v);
		while (head_trim(f.head, 2000, 100) != 0)
			continue;
		head_collect(f.head);
		head_stats(f.head, &stats);
		assert_int_equal(stats.series, 10);
		assert_int_equal(stats.expired % 10, 0);
		v = view_of(f.head);
		assert_int_equal(count_of(v, "job", "test"), 10);
		assert_int_equal(count_of(v, "n", "15"), 0);
		head_view_close(v);
		close_head(&f);
	}
}

/* What a view that is long open costs: a note for each series, not for each batch. */
static void test_a_long_view_keeps_few_notes(void **state)
{
	struct fixture f;
	(void)state;
	open_head(&f, 100);
	uint32_t number = series(f.head, 1);
	struct head_view *v[3];
	fault_set(FAULT_MALLOC, UINT64_MAX, false, ENOMEM); /* counts */
	uint64_t before = fault_hits(FAULT_MALLOC);
	for (int i = 0; i < 1000; i++) {
		if (i % 100 == 50 && i < 300)
			v[i / 100] = view_of(f.head);
		assert_int_equal(append(f.head, number, 15000 * i, i), APPEND_STORED);
	}
	assert_true(fault_hits(FAULT_MALLOC) - before < 150);
	fault_clear();
	for (int k = 0; k < 3; k++) {
		assert_int_equal(count_in(v[k], number), 100 * k + 50);
		head_view_close(v[k]);
	}
	close_head(&f);
}

static void test_a_full_disk_keeps_chunks_in_memory(void **state)
{
	struct fixture f;
	struct head_stats stats;
	(void)state;
	open_head(&f, 100);
	uint32_t number = series(f.head, 1);
	for (int i = 0; i < 1000; i++) {
		if (i == 200)
			fault_set(FAULT_WRITE, 1, true, ENOSPC);
		assert_int_equal(append(f.head, number, 15000 * i, i), APPEND_STORED);
	}
	fault_clear();
	struct head_view *v = view_of(f.head);
	assert_int_equal(count_in(v, number), 1000);
	assert_int_equal(trim_all(f.head, 15000 * 500, INT64_MIN), 0);
	assert_int_equal(count_in(v, number), 1000);
	head_view_close(v);
	assert_int_equal(trim_all(f.head, 15000 * 500, INT64_MIN), 0);
	head_collect(f.head);
	v = view_of(f.head);
	struct head_samples s;
	assert_int_equal(head_view_read(v, number, 15000 * 500, INT64_MAX, &s), 0);
	assert_int_equal(s.count, 500);
	head_view_close(v);
	head_stats(f.head, &stats);
	assert_int_equal(stats.chunks_spilled, 1);
	assert_int_equal(stats.chunks_kept, 7);
	close_head(&f);
}

static void test_kept_chunks_go_to_files_later(void **state)
{
	struct fixture f;
	struct head_stats stats;
	(void)state;
	open_head(&f, 100);
	uint32_t number = series(f.head, 1);
	struct head_view *old = NULL;
	for (int i = 0; i < 1000; i++) {
		if (i == 200)
			fault_set(FAULT_WRITE, 1, true, ENOSPC);
		if (i == 700) {
			old = view_of(f.head);
			fault_clear();
		}
		assert_int_equal(append(f.head, number, 15000 * i, i), APPEND_STORED);
	}
	head_stats(f.head, &stats);
	assert_int_equal(stats.chunks_spilled, 8);
	assert_int_equal(stats.chunks_kept, 4);
	assert_int_equal(count_in(old, number), 700);
	head_view_close(old);
	head_collect(f.head);
	struct head_view *v = view_of(f.head);
	struct head_samples s;
	assert_int_equal(head_view_read(v, number, INT64_MIN, INT64_MAX, &s), 0);
	assert_int_equal(s.count, 1000);
	assert_int_equal(s.damaged, 0);
	for (int i = 0; i < 1000; i++)
		assert_true(s.times_ms[i] == 15000 * i && as_double(s.values[i]) == i);
	head_view_close(v);
	close_head(&f);
}

static void test_a_failed_sync_is_not_tried_again_on_its_file(void **state)
{
	struct fixture f;
	(void)state;
	open_head(&f, 100);
	uint32_t number = series(f.head, 1);
	for (int i = 0; i < 500; i++)
		assert_int_equal(append(f.head, number, 15000 * i, i), APPEND_STORED);
	struct head_view *v = view_of(f.head);
	fault_set(FAULT_FSYNC, 1, false, EIO);
	assert_int_equal(head_sync(v), -EIO);
	fault_clear();
	assert_int_equal(head_sync(v), -EIO); /* not tried again */
	fault_set(FAULT_RENAME, 1, false, EIO);
	assert_int_equal(head_mend(f.head), -EIO); /* the new file was not to be had either */
	fault_clear();
	assert_int_equal(head_sync(v), -EIO);
	assert_int_equal(head_mend(f.head), 0);
	assert_int_equal(head_sync(v), 0);
	assert_int_equal(count_in(v, number), 500);
	for (int i = 500; i < 1000; i++)
		assert_int_equal(append(f.head, number, 15000 * i, i), APPEND_STORED);
	assert_int_equal(head_sync(v), 0);
	head_view_close(v);
	head_collect(f.head);
	v = view_of(f.head);
	assert_int_equal(count_in(v, number), 1000);
	head_view_close(v);
	close_head(&f);
}

/* One life of a head; every allocation in it fails once. What was said to be stored is there. */
static void live_with_failures(uint64_t nth)
{
	struct fixture f;
	struct head_samples s;
	struct buf b = {0};
	uint32_t stored[40] = {0}, number;
	int64_t newest[40];
	open_head(&f, 1000);
	struct head_view *v = view_of(f.head);
	fault_set(FAULT_MALLOC, nth, false, ENOMEM);
	for (unsigned i = 0; i < 150; i++) {
		head_batch_begin(f.head);
		for (unsigned n = 0; n < 40; n += 1 + i % 3) {
			struct label label = {SLICE("n"), slice_new("0123456789012345678901234567890123456789", n + 1)};
			struct error err = {0};
			buf_reset(&b);
			if (labels_canonical(&label, 1, &b, &err) != 0)
				continue;
			struct slice labels = slice_new(b.ptr, b.len);
			if (head_series(f.head, labels, labels_hash(labels), &number) != 0)
				continue;
			int64_t time_ms = 15000 * (int64_t)i - (n % 7 == 0 && i % 10 == 5 ? 40000 : 0);
			if (head_append(f.head, number, time_ms, i) == APPEND_STORED) {
				stored[n]++;
				newest[n] = number;
			}
		}
		head_batch_end(f.head);
		head_collect(f.head);
	}
	fault_clear();
	head_view_close(v);
	v = view_of(f.head);
	for (unsigned n = 0; n < 40; n++) {
		assert_int_equal(head_view_read(v, (uint32_t)newest[n], INT64_MIN, INT64_MAX, &s), 0);
		assert_int_equal(s.count, stored[n]);
		struct slice labels = head_view_labels(v, (uint32_t)newest[n]);
		struct slice value = labels_get(labels, SLICE("n"));
		assert_int_equal(value.len, n + 1);
		struct postings_source source;
		head_view_index(v, &source);
		assert_int_equal(source.equal(source.ctx, SLICE("n"), value).count, 1);
	}
	head_view_close(v);
	fault_set(FAULT_MALLOC, nth % 97 + 1, false, ENOMEM);
	for (int i = 0; i < 3; i++)
		(void)trim_all(f.head, 15000 * (i == 0 ? 100 : 200), 15000 * 149);
	fault_clear();
	buf_free(&b);
	close_head(&f);
}

static void test_memory_runs_out_anywhere(void **state)
{
	(void)state;
	for (uint64_t nth = 1; nth < 1200; nth += 1 + nth / 40)
		live_with_failures(nth);
}

/* ---- readers beside the writer ---- */

enum { SERIES = 50, READERS = 3, BATCHES = 3000 };

struct race {
	struct fixture f;
	_Atomic bool over;
	_Atomic uint64_t views, broken;
};

/* Every batch adds one sample to each series: all have the same number of them, whenever one looks. */
static void *read_all(void *arg)
{
	struct race *r = arg;
	int code;
	while (!atomic_load(&r->over)) {
		struct head_view *v = head_view_open(r->f.head, &code);
		struct head_samples s;
		struct postings_source source;
		uint32_t first = 0;
		if (v == NULL) {
			atomic_fetch_add(&r->broken, 1);
			continue;
		}
		head_view_index(v, &source);
		struct postings all = source.equal(source.ctx, SLICE("job"), SLICE("test"));
		for (uint32_t i = 0; i < all.count; i++) {
			bool bad = head_view_read(v, all.numbers[i], INT64_MIN, INT64_MAX, &s) != 0 || s.damaged != 0;
			if (i == 0)
				first = s.count;
			bad = bad || s.count != first;
			for (uint32_t k = 0; !bad && k < s.count; k++)
				bad = s.times_ms[k] != 1000 * (int64_t)k ||
				      as_double(s.values[k]) != all.numbers[i] + k * 0.5;
			if (bad)
				atomic_fetch_add(&r->broken, 1);
		}
		head_view_close(v);
		atomic_fetch_add(&r->views, 1);
	}
	return NULL;
}

static void test_no_view_sees_half_a_batch(void **state)
{
	static struct race r;
	struct thread threads[READERS];
	(void)state;
	open_head(&r.f, 1000);
	for (unsigned n = 0; n < SERIES; n++)
		series(r.f.head, n);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(thread_start(&threads[i], "reader", read_all, &r), 0);
	for (int i = 0; i < BATCHES; i++) {
		head_batch_begin(r.f.head);
		for (unsigned n = 0; n < SERIES; n++)
			assert_int_equal(head_append(r.f.head, n, 1000 * i, n + i * 0.5), APPEND_STORED);
		head_batch_end(r.f.head);
		head_collect(r.f.head);
	}
	while (atomic_load(&r.views) < 100) /* on a busy machine readers come to it late */
		usleep(1000);
	atomic_store(&r.over, true);
	for (int i = 0; i < READERS; i++)
		thread_join(&threads[i]);
	assert_int_equal(atomic_load(&r.broken), 0);
	close_head(&r.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_series_comes_back_in_order),
	    cmocka_unit_test(test_who_is_ahead_makes_nobody_late),
	    cmocka_unit_test(test_what_becomes_of_a_sample),
	    cmocka_unit_test(test_late_samples_have_a_bound),
	    cmocka_unit_test(test_too_many_series),
	    cmocka_unit_test(test_the_index_names_all_labels),
	    cmocka_unit_test(test_a_view_stays_as_it_was),
	    cmocka_unit_test(test_late_samples_belong_to_their_batch),
	    cmocka_unit_test(test_trimming_leaves_what_is_newer),
	    cmocka_unit_test(test_series_come_and_go_without_end),
	    cmocka_unit_test(test_a_round_passes_over_those_that_left),
	    cmocka_unit_test(test_leaving_fails_anywhere),
	    cmocka_unit_test(test_a_long_view_keeps_few_notes),
	    cmocka_unit_test(test_a_full_disk_keeps_chunks_in_memory),
	    cmocka_unit_test(test_kept_chunks_go_to_files_later),
	    cmocka_unit_test(test_a_failed_sync_is_not_tried_again_on_its_file),
	    cmocka_unit_test(test_memory_runs_out_anywhere),
	    cmocka_unit_test(test_no_view_sees_half_a_batch),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

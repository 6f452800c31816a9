/* A head that is saved beside its writer, and loaded: the same samples, none lost and none twice, and whatever the bytes are no crash. */
#include <errno.h>
#include <fcntl.h>
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
#include "tsdb/head.h"

enum { SERIES = 60, STEP = 15000 };

#define NAME "head-1"

static char dir[64], spill[96];

static void begin(void)
{
	snprintf(dir, sizeof dir, "/tmp/moongate-save-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(spill, sizeof spill, "%s/chunks", dir);
}

static void end(void)
{
	char command[128];
	snprintf(command, sizeof command, "rm -r '%s'", dir);
	assert_int_equal(system(command), 0);
}

static struct head *make(void)
{
	struct error err = {0};
	struct head *h = head_new(
	    &(struct head_options){
	        .dir = spill, .out_of_order_ms = 600000, .max_series = 1000, .spill_file_bytes = 64 * 1024},
	    &err);
	assert_non_null(h);
	return h;
}

static uint32_t series(struct head *h, uint32_t n)
{
	char text[16];
	struct buf b = {0};
	uint32_t number;
	struct error err = {0};
	snprintf(text, sizeof text, "%u", n);
	struct label labels[] = {{LABEL_METRIC_NAME, SLICE("m")}, {SLICE("n"), slice_cstr(text)}};
	assert_int_equal(labels_canonical(labels, 2, &b, &err), 0);
	struct slice s = slice_new(b.ptr, b.len);
	assert_int_equal(head_series(h, s, labels_hash(s), &number), 0);
	buf_free(&b);
	return number;
}

/* What series n has of batch i: some begin late, some end early, every fifth gets one out of order now and then. */
static bool has(uint32_t n, uint32_t i)
{
	return i >= n % 7 && (n % 11 != 0 || i < 130);
}

static void append(struct head *h, uint32_t n, uint32_t i, int expected)
{
	uint32_t number = series(h, n);
	assert_int_equal(head_append(h, number, (int64_t)STEP * i, n + i * 0.5), expected);
	if (n % 5 == 0 && i % 50 == 49)
		assert_int_equal(head_append(h, number, (int64_t)STEP * i - 20001, n), expected);
}

static void batch(struct head *h, uint32_t i, int expected)
{
	head_batch_begin(h);
	for (uint32_t n = 0; n < SERIES; n++) {
		if (has(n, i))
			append(h, n, i, expected);
	}
	head_batch_end(h);
	head_collect(h);
}

static uint32_t expected_count(uint32_t n, uint32_t batches)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < batches; i++)
		count += has(n, i) + (has(n, i) && n % 5 == 0 && i % 50 == 49);
	return count;
}

static void check(struct head *h, uint32_t batches)
{
	int code;
	struct head_view *v = head_view_open(h, &code);
	struct head_samples s;
	for (uint32_t n = 0; n < SERIES; n++) {
		uint32_t number = series(h, n);
		assert_int_equal(head_view_read(v, number, INT64_MIN, INT64_MAX, &s), 0);
		assert_int_equal(s.count, expected_count(n, batches));
		assert_int_equal(s.damaged, 0);
		for (uint32_t i = 1; i < s.count; i++)
			assert_true(s.times_ms[i - 1] < s.times_ms[i]);
	}
	head_view_close(v);
}

/* Fills a head with `before` batches, takes the view, goes on for `after` more, then saves. */
static void save(uint32_t before, uint32_t after, bool full_disk)
{
	struct head *h = make();
	struct head_state state;
	struct error err = {0};
	int code;
	for (uint32_t i = 0; i < before; i++) {
		if (full_disk && i == before / 2)
			fault_set(FAULT_WRITE, 1, true, ENOSPC);
		batch(h, i, APPEND_STORED);
	}
	struct head_view *v = head_view_open(h, &code);
	head_state(h, &state);
	for (uint32_t i = before; i < before + after; i++)
		batch(h, i, APPEND_STORED);
	fault_clear();
	assert_int_equal(head_save(v, &state, dir, NAME, &err), 0);
	assert_int_equal(head_sync(v), 0);
	head_view_close(v);
	head_free(h);
}

static void check_loaded(uint32_t before, uint32_t after)
{
	struct head *h = make();
	struct head_stats stats;
	struct error err = {0};
	assert_int_equal(head_load(h, dir, NAME, &err), 0);
	if (after == 0)
		check(h, before);
	/* What came behind the view comes again, as from the journal: what the files have of it is recognised. */
	for (uint32_t i = before; i < before + after; i++) {
		head_batch_begin(h);
		for (uint32_t n = 0; n < SERIES; n++) {
			if (!has(n, i))
				continue;
			uint32_t number = series(h, n);
			int outcome = head_append(h, number, (int64_t)STEP * i, n + i * 0.5);
			assert_true(outcome == APPEND_STORED || outcome == APPEND_DUPLICATE);
			if (n % 5 == 0 && i % 50 == 49)
				assert_int_equal(head_append(h, number, (int64_t)STEP * i - 20001, n), APPEND_STORED);
		}
		head_batch_end(h);
	}
	check(h, before + after);
	for (uint32_t i = before + after; i < before + after + 300; i++)
		batch(h, i, APPEND_STORED);
	check(h, before + after + 300);
	head_stats(h, &stats);
	assert_int_equal(stats.series, SERIES);
	head_free(h);
}

static void test_loaded_as_it_was_saved(void **state)
{
	static const uint32_t befores[] = {1, 2, 60, 119, 120, 121, 125, 239, 240, 241, 700};
	static const uint32_t afters[] = {0, 1, 2, 3, 121, 250};
	(void)state;
	for (size_t i = 0; i < sizeof befores / sizeof *befores; i++) {
		for (size_t k = 0; k < sizeof afters / sizeof *afters; k++) {
			begin();
			save(befores[i], afters[k], false);
			check_loaded(befores[i], afters[k]);
			end();
		}
	}
}

static void test_chunks_that_no_disk_took(void **state)
{
	(void)state;
	begin();
	save(700, 0, true);
	check_loaded(700, 0);
	end();
}

/* What was saved refers to chunks whose files are let go before the head is saved again. */
static void test_files_let_go_since(void **state)
{
	struct head_state at;
	struct head_stats stats;
	struct error err = {0};
	int code;
	(void)state;
	begin();
	struct head *h = make();
	for (uint32_t i = 0; i < 126; i++)
		batch(h, i, APPEND_STORED);
	struct head_view *v = head_view_open(h, &code);
	head_state(h, &at);
	for (uint32_t i = 126; i < 133; i++) /* of some series all is in files now */
		batch(h, i, APPEND_STORED);
	assert_int_equal(head_save(v, &at, dir, NAME, &err), 0);
	assert_int_equal(head_sync(v), 0);
	head_view_close(v);
	for (uint32_t i = 133; i < 900; i++)
		batch(h, i, APPEND_STORED);
	head_cut(h, (int64_t)STEP * 800);
	assert_int_equal(head_trim(h, INT64_MIN, 1000), 0);
	head_collect(h);
	head_free(h);
	h = make();
	assert_int_equal(head_load(h, dir, NAME, &err), 0);
	head_set_floor(h, (int64_t)STEP * 800);
	for (uint32_t i = 800; i < 900; i++)
		batch(h, i, APPEND_STORED);
	v = head_view_open(h, &code);
	for (uint32_t n = 0; n < SERIES; n++) {
		struct head_samples s;
		assert_int_equal(head_view_read(v, series(h, n), (int64_t)STEP * 800, INT64_MAX, &s), 0);
		assert_int_equal(s.count, expected_count(n, 900) - expected_count(n, 800));
		assert_int_equal(s.damaged, 0);
	}
	head_view_close(v);
	head_stats(h, &stats);
	assert_int_equal(stats.series, SERIES);
	head_free(h);
	end();
}

static void test_an_empty_head(void **state)
{
	struct head_state at;
	struct error err = {0};
	int code;
	(void)state;
	begin();
	struct head *h = make();
	head_set_floor(h, 5);
	struct head_view *v = head_view_open(h, &code);
	head_state(h, &at);
	assert_int_equal(head_save(v, &at, dir, NAME, &err), 0);
	head_view_close(v);
	head_free(h);
	h = make();
	assert_int_equal(head_load(h, dir, NAME, &err), 0);
	head_state(h, &at);
	assert_int_equal(at.next_number, 0);
	assert_int_equal(at.from_ms, 5);
	assert_int_equal(at.newest_ms, INT64_MIN);
	head_free(h);
	h = make();
	assert_int_equal(head_load(h, dir, "none", &err), -ENOENT);
	head_free(h);
	end();
}

/* ---- damage ---- */

static int load(struct error *err)
{
	struct head *h = make();
	int code = head_load(h, dir, NAME, err);
	head_free(h);
	return code;
}

static void test_damage_is_named(void **state)
{
	char path[128];
	struct error err = {0};
	uint8_t byte;
	(void)state;
	begin();
	save(3, 0, false);
	snprintf(path, sizeof path, "%s/" NAME, dir);
	int fd = open(path, O_RDWR);
	off_t size = lseek(fd, 0, SEEK_END);
	for (off_t at = 0; at < size; at += at < 80 ? 1 : 7) {
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 0x20;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		assert_true(load(&err) == (at >= 8 && at < 12 ? -EPROTO : -EBADMSG));
		assert_non_null(strstr(err.text, NAME));
		byte ^= 0x20;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	for (; size > 0; size -= size > 80 ? 13 : 1) {
		assert_int_equal(ftruncate(fd, size - 1), 0);
		assert_int_equal(load(&err), -EBADMSG);
	}
	close(fd);
	end();
}

static void test_memory_and_disk_run_out(void **state)
{
	static const enum fault_point points[] = {FAULT_MALLOC, FAULT_OPEN, FAULT_WRITE, FAULT_FSYNC, FAULT_RENAME};
	struct error err = {0};
	struct head_state at;
	int code;
	(void)state;
	begin();
	struct head *h = make();
	for (uint32_t i = 0; i < 200; i++)
		batch(h, i, APPEND_STORED);
	struct head_view *v = head_view_open(h, &code);
	head_state(h, &at);
	for (size_t k = 0; k < sizeof points / sizeof *points; k++) {
		uint32_t failed = 0;
		for (uint64_t n = 1;; n++) {
			fault_set(points[k], n, false, EIO);
			code = head_save(v, &at, dir, NAME, &err);
			fault_clear();
			if (code == 0)
				break;
			failed++;
		}
		assert_true(failed > 0);
	}
	assert_int_equal(head_sync(v), 0);
	head_view_close(v);
	head_free(h);
	for (uint64_t n = 1;; n += 1 + n / 20) {
		h = make();
		fault_set(FAULT_MALLOC, n, false, ENOMEM);
		code = head_load(h, dir, NAME, &err);
		fault_clear();
		head_free(h);
		if (code == 0)
			break;
		assert_int_equal(code, -ENOMEM);
	}
	end();
}

/* ---- beside the writer ---- */

struct saver {
	struct head_view *view;
	struct head_state state;
	int code;
};

static void *run_save(void *arg)
{
	struct saver *s = arg;
	struct error err = {0};
	s->code = head_save(s->view, &s->state, dir, NAME, &err);
	if (s->code == 0)
		s->code = head_sync(s->view);
	return NULL;
}

static void test_saving_beside_the_writer(void **state)
{
	struct saver s;
	struct thread thread;
	int code;
	(void)state;
	begin();
	struct head *h = make();
	uint32_t i = 0;
	for (uint32_t round = 0; round < 8; round++) {
		for (uint32_t end_at = i + 37; i < end_at; i++)
			batch(h, i, APPEND_STORED);
		s.view = head_view_open(h, &code);
		head_state(h, &s.state);
		assert_int_equal(thread_start(&thread, "saver", run_save, &s), 0);
		for (uint32_t end_at = i + 23; i < end_at; i++)
			batch(h, i, APPEND_STORED);
		thread_join(&thread);
		assert_int_equal(s.code, 0);
		head_view_close(s.view);
	}
	uint32_t before = i - 23;
	head_free(h);
	check_loaded(before, 23);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_loaded_as_it_was_saved),   cmocka_unit_test(test_chunks_that_no_disk_took),
	    cmocka_unit_test(test_files_let_go_since),       cmocka_unit_test(test_an_empty_head),
	    cmocka_unit_test(test_damage_is_named),          cmocka_unit_test(test_memory_and_disk_run_out),
	    cmocka_unit_test(test_saving_beside_the_writer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

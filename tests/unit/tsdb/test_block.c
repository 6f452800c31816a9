/* Blocks: what was written is what is read; what is damaged is named and the rest can be read; nothing is left behind by a failure. */
#include <errno.h>
#include <fcntl.h>
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
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "record/labels.h"
#include "tsdb/block.h"
#include "tsdb/block_format.h"

enum { FROM = 7200000, TO = 2 * 7200000 };

struct fixture {
	char dir[64];
	char name[BLOCK_NAME_MAX];
};

static void begin(struct fixture *f)
{
	snprintf(f->dir, sizeof f->dir, "/tmp/moongate-block-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
}

static void end(struct fixture *f)
{
	char command[128];
	snprintf(command, sizeof command, "rm -r '%s'", f->dir);
	assert_int_equal(system(command), 0);
}

static struct slice labels_for(struct buf *b, uint32_t n)
{
	char user[16], model[16];
	snprintf(user, sizeof user, "u%06u", n);
	snprintf(model, sizeof model, "m%u", n % 5);
	struct label labels[] = {{LABEL_METRIC_NAME, SLICE("cost")},
	                         {SLICE("user"), slice_cstr(user)},
	                         {SLICE("zmodel"), slice_cstr(model)},
	                         {SLICE("odd"), n % 2 == 1 ? SLICE("yes") : SLICE("")}};
	struct error err = {0};
	buf_reset(b);
	assert_int_equal(labels_canonical(labels, 4, b, &err), 0);
	return slice_new(b->ptr, b->len);
}

/* Series of one parity come before those of the other: "odd" sorts before "user". */
static uint32_t nth(uint32_t at, uint32_t count)
{
	uint32_t odd = count / 2;
	return at < odd ? 2 * at + 1 : 2 * (at - odd);
}

static uint32_t sample_count(uint32_t n)
{
	return n % 9 == 0 ? 1 : n % 7 == 0 ? 3000 : 480;
}

static void samples_for(uint32_t n, int64_t *times, uint64_t *values)
{
	uint32_t count = sample_count(n);
	int64_t step = (TO - FROM) / count;
	for (uint32_t i = 0; i < count; i++) {
		double v = n % 3 == 0 ? n : n * 0.01 + i * 0.25;
		times[i] = FROM + step * i + n % 3;
		memcpy(&values[i], &v, sizeof v);
	}
}

/* For labels: made large enough beforehand, so that what fails is the writer. */
static struct buf room;

static int add(struct block_writer *w, uint32_t n, struct error *err)
{
	static int64_t times[3000];
	static uint64_t values[3000];
	samples_for(n, times, values);
	return block_writer_add(w, labels_for(&room, n), &(struct column){times, values, sample_count(n)}, err);
}

static int write_block(struct fixture *f, uint32_t count, struct error *err)
{
	struct block_writer *w = block_writer_new(f->dir, FROM, TO, err);
	if (w == NULL)
		return err->code;
	for (uint32_t i = 0; i < count; i++) {
		int code = add(w, nth(i, count), err);
		if (code != 0) {
			block_writer_cancel(w);
			return code;
		}
	}
	return block_writer_finish(w, f->name, err);
}

static struct block *open_block(struct fixture *f)
{
	struct error err = {0};
	struct block *b = block_open(f->dir, f->name, &err);
	if (b == NULL)
		print_error("%s\n", err.text);
	assert_non_null(b);
	return b;
}

/* Is the series at this place there, whole? 0, or what reading it gave. */
static int check_series(struct block_reader *r, uint32_t at, uint32_t count, struct error *err)
{
	static int64_t times[3000];
	static uint64_t values[3000];
	struct buf wanted = {0}, got = {0};
	struct column c;
	struct chunk_summary summary, right;
	uint32_t n = nth(at, count);
	int code = block_reader_samples(r, at, INT64_MIN, INT64_MAX, &c, err);
	if (code != 0)
		return code;
	code = block_reader_series(r, at, &got, &summary, err);
	if (code != 0)
		return code;
	samples_for(n, times, values);
	assert_int_equal(c.count, sample_count(n));
	assert_memory_equal(c.times_ms, times, c.count * sizeof *times);
	assert_memory_equal(c.values, values, c.count * sizeof *values);
	struct slice labels = labels_for(&wanted, n);
	assert_int_equal(got.len, labels.len);
	assert_memory_equal(got.ptr, labels.ptr, labels.len);
	summary_init(&right);
	for (uint32_t i = 0; i < c.count; i++)
		summary_add(&right, times[i], values[i]);
	assert_memory_equal(&summary, &right, sizeof right);
	buf_free(&wanted);
	buf_free(&got);
	return 0;
}

static void test_what_was_written_is_read(void **state)
{
	static const uint32_t counts[] = {1, 63, 64, 65, 500};
	struct fixture f;
	struct error err = {0};
	(void)state;
	begin(&f);
	for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
		assert_int_equal(write_block(&f, counts[k], &err), 0);
		struct block *b = open_block(&f);
		assert_int_equal(block_info(b)->series, counts[k]);
		assert_int_equal(block_info(b)->from_ms, FROM);
		struct block_reader *r = block_reader_new(b);
		uint64_t samples = 0;
		for (uint32_t i = 0; i < counts[k]; i++) {
			assert_int_equal(check_series(r, i, counts[k], &err), 0);
			samples += sample_count(nth(i, counts[k]));
		}
		for (uint32_t i = counts[k]; i-- > 0;) /* in any order */
			assert_int_equal(check_series(r, i * 37 % counts[k], counts[k], &err), 0);
		assert_int_equal(block_info(b)->samples, samples);
		block_reader_free(r);
		block_close(b);
	}
	end(&f);
}

/* m{text="000…n"}, a thousand bytes long. */
static struct slice long_labels(struct buf *b, uint32_t n)
{
	enum { LEN = 1000 };
	char text[LEN + 1];
	struct error err = {0};
	snprintf(text, sizeof text, "%0*u", LEN, n);
	struct label labels[] = {{LABEL_METRIC_NAME, SLICE("m")}, {SLICE("text"), slice_new(text, LEN)}};
	buf_reset(b);
	assert_int_equal(labels_canonical(labels, 2, b, &err), 0);
	return slice_new(b->ptr, b->len);
}

/* A section of more than a megabyte, beside small ones. */
static void test_long_values(void **state)
{
	enum { SERIES = 1500 };
	struct fixture f;
	struct error err = {0};
	struct buf got = {0};
	int64_t time = FROM;
	(void)state;
	begin(&f);
	struct block_writer *w = block_writer_new(f.dir, FROM, TO, &err);
	assert_non_null(w);
	for (uint32_t n = 0; n < SERIES; n++) {
		uint64_t value = n;
		struct column c = {&time, &value, 1};
		assert_int_equal(block_writer_add(w, long_labels(&room, n), &c, &err), 0);
	}
	assert_int_equal(block_writer_finish(w, f.name, &err), 0);
	struct block *b = open_block(&f);
	struct block_reader *r = block_reader_new(b);
	for (uint32_t n = 0; n < SERIES; n++) {
		struct slice labels = long_labels(&room, n);
		struct column c;
		buf_reset(&got);
		assert_int_equal(block_reader_series(r, n, &got, NULL, &err), 0);
		assert_true(slice_eq(labels, slice_new(got.ptr, got.len)));
		assert_int_equal(block_reader_samples(r, n, FROM, TO, &c, &err), 0);
		assert_true(c.count == 1 && c.values[0] == n);
	}
	block_reader_free(r);
	block_close(b);
	buf_free(&got);
	end(&f);
}

static void test_a_part_of_the_time(void **state)
{
	static int64_t times[3000];
	static uint64_t values[3000];
	struct fixture f;
	struct error err = {0};
	struct column c;
	(void)state;
	begin(&f);
	assert_int_equal(write_block(&f, 100, &err), 0);
	struct block *b = open_block(&f);
	struct block_reader *r = block_reader_new(b);
	for (uint32_t at = 0; at < 100; at += 7) {
		uint32_t n = nth(at, 100);
		samples_for(n, times, values);
		for (int64_t from = FROM - 1000; from < TO; from += 700001) {
			for (int64_t to = from; to < TO + 100000; to += 900001) {
				uint32_t first = 0, last = 0;
				while (first < sample_count(n) && times[first] < from)
					first++;
				for (last = first; last < sample_count(n) && times[last] <= to;)
					last++;
				assert_int_equal(block_reader_samples(r, at, from, to, &c, &err), 0);
				assert_int_equal(c.count, last - first);
				if (c.count > 0)
					assert_memory_equal(c.values, values + first, c.count * sizeof *values);
			}
		}
	}
	block_reader_free(r);
	block_close(b);
	end(&f);
}

/* Summaries from those of pieces: of any part of the time they are those of the samples. */
static void check_splits(struct fixture *f, uint32_t count)
{
	static const int64_t spans[][2] = {
	    {FROM, TO}, {FROM + 1, TO - 1}, {FROM + (TO - FROM) / 3, TO}, {FROM, FROM + (TO - FROM) / 2}};
	struct error err = {0};
	struct block *b = open_block(f);
	struct block_reader *r = block_reader_new(b), *other = block_reader_new(b);
	for (uint32_t i = 0; i < count; i++) {
		for (size_t k = 0; k < sizeof spans / sizeof *spans; k++) {
			int64_t from = spans[k][0], to = spans[k][1], at = from + (to - from) / 2;
			struct column c;
			struct summary_split got, wanted;
			split_init(&got, &at);
			split_init(&wanted, &at);
			assert_int_equal(block_reader_split(r, i, from, to, &got, &err), 0);
			assert_int_equal(block_reader_samples(other, i, from, to, &c, &err), 0);
			for (uint32_t n = 0; n < c.count; n++)
				split_add(&wanted, c.times_ms[n], c.values[n]);
			assert_memory_equal(&got.before, &wanted.before, sizeof got.before);
			assert_memory_equal(&got.after, &wanted.after, sizeof got.after);
		}
	}
	block_reader_free(r);
	block_reader_free(other);
	block_close(b);
}

/* Takes the section of the summaries of pieces out of the header, as if there had been none when it was written. */
static void without_parts(struct fixture *f)
{
	enum { ENTRY = BLOCK_SECTIONS_AT + 24 * BLOCK_PARTS };
	unsigned char header[BLOCK_HEADER_BYTES];
	char path[160];
	snprintf(path, sizeof path, "%s/%s", f->dir, f->name);
	int fd = open(path, O_RDWR);
	assert_true(fd >= 0 && pread(fd, header, sizeof header, 0) == sizeof header);
	memset(header + ENTRY, 0, 24);
	uint32_t crc = crc32c(0, (const char *)header + 16, sizeof header - 16);
	for (int i = 0; i < 4; i++)
		header[12 + i] = (unsigned char)(crc >> (8 * i));
	assert_int_equal(pwrite(fd, header, sizeof header, 0), sizeof header);
	close(fd);
}

static void test_summaries_of_pieces(void **state)
{
	struct fixture f;
	struct error err = {0};
	(void)state;
	begin(&f);
	assert_int_equal(write_block(&f, 200, &err), 0);
	check_splits(&f, 200);
	without_parts(&f);
	check_splits(&f, 200);
	end(&f);
}

static void test_the_index(void **state)
{
	struct fixture f;
	struct error err = {0};
	struct postings_source source;
	struct arena arena;
	const struct slice *texts;
	uint32_t count;
	(void)state;
	arena_init(&arena);
	begin(&f);
	assert_int_equal(write_block(&f, 200, &err), 0);
	struct block *b = open_block(&f);
	struct block_reader *r = block_reader_new(b);
	block_reader_index(r, &source);
	struct postings p = source.equal(source.ctx, SLICE("odd"), SLICE("yes"));
	assert_int_equal(p.count, 100);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(p.numbers[i], i);
	p = source.equal(source.ctx, SLICE("zmodel"), SLICE("m3"));
	assert_int_equal(p.count, 40);
	for (uint32_t i = 0; i < 40; i++)
		assert_int_equal(nth(p.numbers[i], 200) % 5, 3);
	assert_int_equal(source.equal(source.ctx, LABEL_METRIC_NAME, SLICE("cost")).count, 200);
	assert_int_equal(source.equal(source.ctx, LABEL_METRIC_NAME, SLICE("costs")).count, 0);
	assert_int_equal(source.equal(source.ctx, SLICE("none"), SLICE("")).count, 0);
	assert_int_equal(source.all(source.ctx).count, 200);
	assert_int_equal(source.values(source.ctx, SLICE("user"), &arena, &texts, &count), 0);
	assert_int_equal(count, 200);
	assert_true(slice_eq(texts[0], SLICE("u000000")) && slice_eq(texts[199], SLICE("u000199")));
	assert_int_equal(block_reader_label_names(r, &arena, &texts, &count), 0);
	assert_int_equal(count, 4);
	assert_true(slice_eq(texts[0], LABEL_METRIC_NAME) && slice_eq(texts[3], SLICE("zmodel")));
	block_reader_free(r);
	block_close(b);
	arena_deinit(&arena);
	end(&f);
}

static void test_names(void **state)
{
	int64_t from, to;
	(void)state;
	assert_true(block_name_parse("-5-7.block", &from, &to));
	assert_true(from == -5 && to == 7);
	assert_true(block_name_parse("-9223372036854775808--7.block", &from, &to));
	assert_true(from == INT64_MIN && to == -7);
	static const char *const bad[] = {
	    "",           "5-7",           "7-5.block",  "5-5.block", "05-7.block",
	    "+5-7.block", "5-7.block.tmp", "5 -7.block", "a-7.block", "5-99999999999999999999.block"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(block_name_parse(bad[i], &from, &to));
}

/* ---- damage ---- */

static void flip(const struct fixture *f, size_t at, uint8_t mask)
{
	char path[160];
	uint8_t byte;
	snprintf(path, sizeof path, "%s/%s", f->dir, f->name);
	int fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
	byte ^= mask;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
	close(fd);
}

/* Every byte: the block is refused by name, or what is damaged is, and the rest is whole. */
static void test_a_flipped_bit_is_found(void **state)
{
	struct fixture f;
	struct error err = {0};
	uint32_t count = 130, refused = 0, partly = 0, unharmed = 0;
	(void)state;
	begin(&f);
	assert_int_equal(write_block(&f, count, &err), 0);
	struct block *b = open_block(&f);
	size_t size = (size_t)block_info(b)->bytes;
	block_close(b);
	for (size_t at = 0; at < size; at += at < 300 || at + 5000 > size ? 1 : 23) {
		flip(&f, at, 0x10);
		memset(&err, 0, sizeof err);
		b = block_open(f.dir, f.name, &err);
		if (b == NULL) {
			assert_true(err.code == -EBADMSG || err.code == -EPROTO);
			assert_non_null(strstr(err.text, f.name));
			refused++;
		} else {
			struct block_reader *r = block_reader_new(b);
			uint32_t bad = 0;
			for (uint32_t i = 0; i < count; i++) {
				int code = check_series(r, i, count, &err);
				assert_true(code == 0 || code == -EBADMSG);
				bad += code != 0;
				if (code != 0)
					assert_non_null(strstr(err.text, f.name));
			}
			assert_true(bad <= BLOCK_PAGE_SERIES);
			partly += bad > 0;
			unharmed += bad == 0; /* the padding between sections */
			block_reader_free(r);
			block_close(b);
		}
		flip(&f, at, 0x10);
	}
	assert_true(refused > 256 && partly > 100 && unharmed < 8 * 8);
	end(&f);
}

static void test_a_cut_off_block_is_refused(void **state)
{
	struct fixture f;
	struct error err = {0};
	char path[160];
	(void)state;
	begin(&f);
	assert_int_equal(write_block(&f, 100, &err), 0);
	struct block *b = open_block(&f);
	off_t size = (off_t)block_info(b)->bytes;
	block_close(b);
	snprintf(path, sizeof path, "%s/%s", f.dir, f.name);
	while (size > 0) {
		size -= size > 600 ? 101 : 1;
		assert_int_equal(truncate(path, size), 0);
		assert_null(block_open(f.dir, f.name, &err));
		assert_int_equal(err.code, -EBADMSG);
	}
	end(&f);
}

/* ---- failure ---- */

static uint32_t files_in(const struct fixture *f)
{
	char command[160];
	int count = -1;
	snprintf(command, sizeof command, "ls -A '%s' | wc -l", f->dir);
	FILE *p = popen(command, "r");
	assert_non_null(p);
	assert_int_equal(fscanf(p, "%d", &count), 1);
	pclose(p);
	return (uint32_t)count;
}

static void test_a_failure_leaves_nothing_behind(void **state)
{
	static const struct {
		enum fault_point point;
		int error;
	} faults[] = {{FAULT_OPEN, EMFILE},
	              {FAULT_WRITE, ENOSPC},
	              {FAULT_FSYNC, EIO},
	              {FAULT_RENAME, EIO},
	              {FAULT_MALLOC, ENOMEM}};
	struct fixture f;
	(void)state;
	begin(&f);
	for (size_t k = 0; k < sizeof faults / sizeof *faults; k++) {
		uint32_t failed = 0;
		labels_for(&room, 1);
		for (uint64_t n = 1;; n++) {
			struct error err = {0};
			fault_set(faults[k].point, n, false, faults[k].error);
			int code = write_block(&f, 70, &err);
			uint64_t hits = fault_hits(faults[k].point);
			fault_clear();
			if (code == 0)
				break;
			assert_true(hits > 0);
			assert_int_equal(code, -faults[k].error);
			assert_true(err.text[0] != '\0');
			assert_int_equal(files_in(&f), 0);
			failed++;
		}
		assert_true(failed > 0);
		char path[160];
		snprintf(path, sizeof path, "%s/%s", f.dir, f.name);
		assert_int_equal(unlink(path), 0);
	}
	struct error err = {0};
	struct block_writer *w = block_writer_new(f.dir, FROM, TO, &err);
	assert_int_equal(block_writer_finish(w, f.name, &err), -ENODATA);
	assert_int_equal(files_in(&f), 0);
	end(&f);
}

static void test_reading_without_memory(void **state)
{
	struct fixture f;
	struct error err = {0};
	(void)state;
	begin(&f);
	assert_int_equal(write_block(&f, 70, &err), 0);
	for (uint64_t n = 1;; n++) {
		fault_set(FAULT_MALLOC, n, false, ENOMEM);
		struct block *b = block_open(f.dir, f.name, &err);
		struct block_reader *r = b == NULL ? NULL : block_reader_new(b);
		struct column c;
		struct buf labels = {0};
		int code = r == NULL ? -ENOMEM : 0;
		for (uint32_t i = 0; i < 70 && code == 0; i++) {
			code = block_reader_samples(r, i, INT64_MIN, INT64_MAX, &c, &err);
			if (code == 0)
				code = block_reader_series(r, i, &labels, NULL, &err);
			struct summary_split split;
			split_init(&split, NULL);
			if (code == 0)
				code = block_reader_split(r, i, FROM + (TO - FROM) / 3, TO, &split, &err);
		}
		fault_clear();
		buf_free(&labels);
		block_reader_free(r);
		block_close(b);
		assert_true(code == 0 || code == -ENOMEM);
		if (code == 0)
			break;
		assert_true(n < 1000);
	}
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_was_written_is_read),
	    cmocka_unit_test(test_long_values),
	    cmocka_unit_test(test_a_part_of_the_time),
	    cmocka_unit_test(test_summaries_of_pieces),
	    cmocka_unit_test(test_the_index),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_a_flipped_bit_is_found),
	    cmocka_unit_test(test_a_cut_off_block_is_refused),
	    cmocka_unit_test(test_a_failure_leaves_nothing_behind),
	    cmocka_unit_test(test_reading_without_memory),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	buf_free(&room);
	return failed;
}

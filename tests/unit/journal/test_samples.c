/* Frames of samples: what was written is what is read, and nothing else is taken. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "journal/internal.h"

static struct journal_group group; /* of no journal: samples need its buffer alone */

static void begin(void)
{
	memset(&group, 0, sizeof group);
	group.frame_open = true;
	assert_non_null(buf_room(&group.bytes, FRAME_HEADER_BYTES));
	group.bytes.len = FRAME_HEADER_BYTES;
	group.last_number = UINT32_MAX;
}

static struct frame frame(void)
{
	return (struct frame){
	    .kind = FRAME_SAMPLES,
	    .count = group.header.count,
	    .payload = slice_new(group.bytes.ptr + FRAME_HEADER_BYTES, group.bytes.len - FRAME_HEADER_BYTES)};
}

static void next(struct samples_reader *r, struct samples_item *item, enum samples_item_kind kind, uint32_t number)
{
	struct error err = {0};
	assert_int_equal(samples_reader_next(r, item, &err), 1);
	assert_int_equal(item->kind, kind);
	if (kind != SAMPLES_ITEM_METADATA)
		assert_int_equal(item->number, number);
}

static void has_sample(struct samples_reader *r, int64_t time_ms, uint64_t bits)
{
	struct error err = {0};
	struct sample s;
	uint64_t found;
	assert_int_equal(samples_reader_sample(r, &s, &err), 1);
	memcpy(&found, &s.value, sizeof found);
	assert_true(s.time_ms == time_ms);
	assert_true(found == bits);
}

static double of_bits(uint64_t bits)
{
	double v;
	memcpy(&v, &bits, sizeof v);
	return v;
}

static void what_was_written_is_read(void **state)
{
	struct samples_reader r;
	struct samples_item item;
	struct error err = {0};
	(void)state;
	begin();
	struct sample many[] = {{INT64_MIN, of_bits(SAMPLE_STALE_BITS)}, {INT64_MAX, -0.0}, {0, 1}};
	struct sample_exemplar x = {SLICE("labels of it"), 2.5, 7};
	struct sample_metadata m = {SLICE("up"), SLICE("Is it?"), SLICE(""), METADATA_GAUGE};
	assert_int_equal(journal_samples_add(&group, 5, SLICE("labels"), many, 3), 0);
	assert_int_equal(journal_samples_add(&group, UINT32_MAX, SLICE(""), many + 2, 1), 0);
	assert_int_equal(journal_metadata_add(&group, &m), 0);
	assert_int_equal(journal_exemplar_add(&group, 0, SLICE("others"), &x), 0);
	assert_int_equal(journal_samples_add(&group, 1u << 31, SLICE(""), many, 0), 0);
	struct frame f = frame();
	assert_int_equal(f.count, 6);
	samples_reader_init(&r, &f);
	next(&r, &item, SAMPLES_ITEM_SAMPLES, 5);
	assert_true(slice_eq(item.labels, SLICE("labels")));
	assert_int_equal(item.count, 3);
	has_sample(&r, INT64_MIN, SAMPLE_STALE_BITS);
	has_sample(&r, INT64_MAX, UINT64_C(1) << 63); /* the third one is passed over */
	next(&r, &item, SAMPLES_ITEM_SAMPLES, UINT32_MAX);
	assert_int_equal(item.labels.len, 0);
	has_sample(&r, 0, UINT64_C(0x3ff0000000000000));
	struct sample none;
	assert_int_equal(samples_reader_sample(&r, &none, &err), 0);
	next(&r, &item, SAMPLES_ITEM_METADATA, 0);
	assert_true(slice_eq(item.metadata.name, SLICE("up")) && slice_eq(item.metadata.help, SLICE("Is it?")));
	assert_int_equal(item.metadata.unit.len, 0);
	assert_int_equal(item.metadata.type, METADATA_GAUGE);
	next(&r, &item, SAMPLES_ITEM_EXEMPLAR, 0);
	assert_true(slice_eq(item.labels, SLICE("others")) && slice_eq(item.exemplar.labels, x.labels));
	assert_true(item.exemplar.value == 2.5 && item.exemplar.time_ms == 7);
	next(&r, &item, SAMPLES_ITEM_SAMPLES, 1u << 31);
	assert_int_equal(item.count, 0);
	assert_int_equal(samples_reader_next(&r, &item, &err), 0);
	buf_free(&group.bytes);
}

/* Values of every number of bytes, one bit at each end of them; times as far as they may be. */
static void every_value_and_time_is_read(void **state)
{
	static const int64_t times[] = {
	    0, 1, -1, 15000, INT64_MAX, INT64_MIN, (INT64_C(1) << 59) - 1, -(INT64_C(1) << 59), INT64_C(1) << 59};
	enum { TIMES = sizeof times / sizeof *times };
	(void)state;
	begin();
	for (uint32_t i = 0; i < 64 * TIMES; i++) {
		uint64_t bits = UINT64_C(1) << (i % 64);
		struct sample s[] = {{times[i % TIMES], of_bits(bits)},
		                     {times[i / 64], of_bits(bits | 1)},
		                     {0, of_bits(bits | UINT64_C(1) << 63)}};
		assert_true(journal_samples_add(&group, i, SLICE(""), s, 3) >= 0);
	}
	struct samples_reader r;
	struct samples_item item;
	struct frame f = frame();
	samples_reader_init(&r, &f);
	for (uint32_t i = 0; i < 64 * TIMES; i++) {
		uint64_t bits = UINT64_C(1) << (i % 64);
		next(&r, &item, SAMPLES_ITEM_SAMPLES, i);
		has_sample(&r, times[i % TIMES], bits);
		has_sample(&r, times[i / 64], bits | 1);
		has_sample(&r, 0, bits | UINT64_C(1) << 63);
	}
	buf_free(&group.bytes);
}

/* As FORMAT.md has it. */
static void the_bytes_are_those_of_the_format(void **state)
{
	(void)state;
	begin();
	struct sample s[] = {{0, 1}, {-1, 0}, {INT64_MAX, 2}};
	assert_int_equal(journal_samples_add(&group, 0, SLICE(""), s, 3), 0);
	static const char want[] =
	    "\x02\x03\x02\xf0\x3f\x10\x0f\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x00\x00\x00\x00\x00\x00\x40";
	assert_int_equal(frame().payload.len, sizeof want - 1);
	assert_memory_equal(frame().payload.ptr, want, sizeof want - 1);
	buf_free(&group.bytes);
}

/* Reads all of a frame. 0, or -EBADMSG. */
static int read_all(struct slice payload)
{
	struct frame f = {.kind = FRAME_SAMPLES, .payload = payload};
	struct samples_reader r;
	struct samples_item item;
	struct error err = {0};
	int code;
	samples_reader_init(&r, &f);
	while ((code = samples_reader_next(&r, &item, &err)) == 1)
		;
	if (code != 0)
		assert_true(err.text[0] != '\0');
	return code;
}

static void a_frame_that_is_cut_off_is_none(void **state)
{
	(void)state;
	begin();
	struct sample s[] = {{1000, 1}, {2000, 2}};
	struct sample_exemplar x = {SLICE("x"), 2.5, 7};
	struct sample_metadata m = {SLICE("up"), SLICE(""), SLICE(""), METADATA_GAUGE};
	size_t ends[4];
	journal_samples_add(&group, 5, SLICE("labels"), s, 2);
	ends[0] = group.bytes.len;
	journal_exemplar_add(&group, 6, SLICE("labels"), &x);
	ends[1] = group.bytes.len;
	journal_metadata_add(&group, &m);
	ends[2] = group.bytes.len;
	journal_samples_add(&group, 7, SLICE(""), s, 1);
	ends[3] = group.bytes.len;
	struct slice whole = frame().payload;
	for (size_t len = 0; len <= whole.len; len++) {
		bool ends_here = len == 0;
		for (int i = 0; i < 4; i++)
			ends_here = ends_here || len == ends[i] - FRAME_HEADER_BYTES;
		char *copy = mem_alloc(len + 1); /* so that a read behind it is seen */
		memcpy(copy, whole.ptr, len);
		assert_int_equal(read_all(slice_new(copy, len)), ends_here ? 0 : -EBADMSG);
		mem_free(copy);
	}
	buf_free(&group.bytes);
}

static void what_no_writer_makes_is_refused(void **state)
{
	(void)state;
	/* a definition without labels; labels longer than what is there; a type that there is not; a step beyond 32 bits; a count beyond what is there */
	assert_int_equal(read_all(SLICE("\x01\x00\x00"
	                                "12345678")),
	                 -EBADMSG);
	assert_int_equal(read_all(SLICE("\x01\x7f"
	                                "a")),
	                 -EBADMSG);
	assert_int_equal(read_all(SLICE("\x06\x63\x01"
	                                "a\x01"
	                                "b\x01"
	                                "c")),
	                 -EBADMSG);
	assert_int_equal(read_all(SLICE("\xf8\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00"
	                                "12345678")),
	                 -EBADMSG);
	assert_int_equal(read_all(SLICE("\x02\x7f\x00"
	                                "12345678")),
	                 -EBADMSG);
	/* a value of nine bytes; of fourteen; a far time in its near place */
	assert_int_equal(read_all(SLICE("\x00\x09"
	                                "12345678901234")),
	                 -EBADMSG);
	assert_int_equal(read_all(SLICE("\x00\x0e"
	                                "12345678901234")),
	                 -EBADMSG);
	assert_int_equal(read_all(SLICE("\x00\x1f\x00"
	                                "12345678")),
	                 -EBADMSG);
}

static void a_full_frame_says_so(void **state)
{
	(void)state;
	begin();
	struct sample s = {1000, 1};
	uint32_t count = 0;
	int code;
	do {
		code = journal_samples_add(&group, count++, SLICE(""), &s, 1);
	} while (code == 0);
	assert_int_equal(code, 1);
	assert_in_range(group.bytes.len - FRAME_HEADER_BYTES, JOURNAL_FRAME_BYTES, JOURNAL_FRAME_BYTES + 64);
	assert_int_equal((group.bytes.len - FRAME_HEADER_BYTES) / count, 4); /* a sample: 1.0 takes two bytes */
	buf_free(&group.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_was_written_is_read),          cmocka_unit_test(every_value_and_time_is_read),
	    cmocka_unit_test(the_bytes_are_those_of_the_format), cmocka_unit_test(a_frame_that_is_cut_off_is_none),
	    cmocka_unit_test(what_no_writer_makes_is_refused),   cmocka_unit_test(a_full_frame_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

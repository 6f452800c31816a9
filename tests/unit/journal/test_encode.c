/* Records into a payload and back: strings that repeat and do not, near the end of the buffer and past it, and without memory. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fault.h"
#include "journal/internal.h"

static uint32_t state = 4711;

static uint32_t draw(uint32_t below)
{
	state = state * 1664525 + 1013904223;
	return (state >> 8) % below;
}

static struct slice text(struct batch *b, const char *format, uint32_t number, uint32_t pad)
{
	char name[32];
	struct slice s = {arena_alloc(&b->arena, 32 + (size_t)pad), 0};
	assert_non_null(s.ptr);
	s.len = (size_t)snprintf(name, sizeof name, format, number);
	memcpy((char *)(uintptr_t)s.ptr, name, s.len);
	memset((char *)(uintptr_t)s.ptr + s.len, '.', pad);
	s.len += pad;
	return s;
}

static struct value string(struct slice s)
{
	return (struct value){.str = s.ptr, .len = (uint32_t)s.len, .type = VALUE_STRING};
}

/* Of few values, of many, never twice, and of any length; numbers of every size; an array between them. */
static struct value any_value(struct batch *b, uint32_t field, uint32_t record)
{
	static const double doubles[] = {0.5, -1.25, 930.5, 1e300, 0, 12345.6789, -0.0001, 999999999.9, 1e9, 0.1 + 0.2};
	struct value *items;
	switch (field) {
	case 0:
		return string(text(b, "model %u", draw(5), 0));
	case 1:
		return string(text(b, "user %u", draw(20000), 0));
	case 2:
		return string(text(b, "id %u", record, 0));
	case 3:
		return string(text(b, "", 0, draw(10) == 0 ? draw(5000) : draw(140)));
	case 4:
		return (struct value){.integer = (int64_t)((uint64_t)draw(1u << 20) << draw(44)) * (draw(2) ? 1 : -1),
		                      .type = VALUE_INT};
	case 5:
		return (struct value){.number = doubles[draw(sizeof doubles / sizeof *doubles)], .type = VALUE_DOUBLE};
	case 6:
		return (struct value){.boolean = draw(2), .type = draw(2) ? VALUE_BOOL : VALUE_NULL};
	default:
		items = batch_values(b, 4);
		for (uint32_t i = 0; i < 4; i++)
			items[i] = any_value(b, draw(7), record);
		return (struct value){.items = items, .len = 4, .type = VALUE_ARRAY};
	}
}

enum { FIELDS = 8 };

static struct batch *make(uint32_t count)
{
	struct batch *b = batch_new();
	uint32_t keys[FIELDS];
	for (uint32_t i = 0; i < FIELDS; i++)
		keys[i] = (uint32_t)batch_key(b, text(b, "field %u", i, 0));
	for (uint32_t n = 0; n < count; n++) {
		struct value *values = batch_values(b, FIELDS);
		for (uint32_t i = 0; i < FIELDS; i++)
			values[i] = any_value(b, keys[i], n);
		uint32_t used = 1 + draw(FIELDS);
		struct record *r = batch_add(b);
		r->values = values;
		r->shape = (uint32_t)batch_shape(b, keys, used);
		r->type = (uint16_t)batch_type(b, SLICE("t"));
		r->time_ns = (int64_t)n * draw(1000000);
	}
	return b;
}

static void assert_same(const struct batch *a, const struct batch *b)
{
	assert_int_equal(a->count, b->count);
	for (uint32_t i = 0; i < a->count; i++) {
		struct buf x = {0}, y = {0};
		record_json(&x, &a->records[i]);
		record_json(&y, &b->records[i]);
		assert_true(slice_eq(buf_slice(&x), buf_slice(&y)));
		buf_free(&x);
		buf_free(&y);
	}
}

static void assert_reads_back(const struct batch *b, struct slice payload)
{
	struct frame f = {.seq = 1, .kind = FRAME_EVENTS, .count = b->count, .payload = payload};
	struct batch *back = batch_new();
	struct error err = {0};
	assert_int_equal(frame_decode(&f, back, &err), 0);
	assert_same(b, back);
	batch_free(back);
}

static void what_is_written_reads_back(void **unused)
{
	(void)unused;
	struct encoder *e = encoder_new();
	for (int round = 0; round < 40; round++) {
		struct batch *b = make(1 + draw(round < 30 ? 50 : 3000));
		struct buf out = {0};
		buf_append(&out, "before", draw(6)); /* a frame may begin anywhere in a group */
		size_t start = out.len;
		encoder_begin(e, &out);
		for (uint32_t i = 0; i < b->count; i++)
			assert_int_equal(encoder_add(e, &b->records[i]), 0);
		assert_reads_back(b, slice_new(out.ptr + start, out.len - start));
		buf_free(&out);
		batch_free(b);
	}
	encoder_free(e);
}

/* Repeated strings are written once and then by their number, however many others come between. */
static void what_repeats_is_written_once(void **unused)
{
	(void)unused;
	struct encoder *e = encoder_new();
	struct batch *b = batch_new();
	uint32_t key = (uint32_t)batch_key(b, SLICE("a"));
	uint32_t shape = (uint32_t)batch_shape(b, &key, 1);
	for (uint32_t n = 0; n < 20000; n++) {
		struct value *v = batch_values(b, 1);
		*v = n % 2 ? string(SLICE("what comes again and again")) : string(text(b, "%012u", n, 0));
		struct record *r = batch_add(b);
		r->values = v;
		r->shape = shape;
		r->type = (uint16_t)batch_type(b, SLICE("t"));
	}
	struct buf out = {0};
	encoder_begin(e, &out);
	for (uint32_t i = 0; i < b->count; i++)
		assert_int_equal(encoder_add(e, &b->records[i]), 0);
	/* of the counter what is new, behind three bytes; of the other string its number */
	assert_in_range(out.len, 10000 * (3 + 1 + 2 + 1 + 2), 10000 * (3 + 2 + 2 + 1 + 2) + 200);
	assert_reads_back(b, buf_slice(&out));
	buf_free(&out);
	batch_free(b);
	encoder_free(e);
}

/* One string for each record. */
static struct batch *batch_of(const struct slice *strings, uint32_t count)
{
	struct batch *b = batch_new();
	uint32_t key = (uint32_t)batch_key(b, SLICE("a"));
	uint32_t shape = (uint32_t)batch_shape(b, &key, 1);
	for (uint32_t n = 0; n < count; n++) {
		struct value *v = batch_values(b, 1);
		*v = string(strings[n]);
		struct record *r = batch_add(b);
		r->values = v;
		r->shape = shape;
		r->type = (uint16_t)batch_type(b, SLICE("t"));
	}
	return b;
}

static struct buf encode(struct encoder *e, const struct batch *b)
{
	struct buf out = {0};
	encoder_begin(e, &out);
	for (uint32_t i = 0; i < b->count; i++)
		assert_int_equal(encoder_add(e, &b->records[i]), 0);
	return out;
}

/* Ids that count up cost what is new of them; strings of another length between them, of the shortest and the longest that are remembered, and one byte
 * beyond, do not confuse that. A new frame knows none. */
static void what_begins_alike_is_written_from_there_on(void **unused)
{
	(void)unused;
	enum { IDS = 3000, LENGTHS = 9 };
	static const uint32_t lengths[LENGTHS] = {7, 8, 9, 15, 16, 17, 36, 40, 41};
	static char texts[LENGTHS * IDS][48];
	static struct slice strings[LENGTHS * IDS];
	struct encoder *e = encoder_new();
	for (uint32_t n = 0; n < LENGTHS * IDS; n++) {
		uint32_t len = lengths[n % LENGTHS];
		snprintf(texts[n], sizeof texts[n], "x%0*u", (int)len - 1,
		         100000 + n / LENGTHS); /* no hexadecimal digits */
		strings[n] = slice_new(texts[n], len);
	}
	struct batch *b = batch_of(strings, LENGTHS * IDS);
	for (int frame = 0; frame < 2; frame++) {
		struct buf out = encode(e, b);
		assert_reads_back(b, buf_slice(&out));
		/* Of each record two bytes of head and time; then a raw string, or three bytes and the one to four digits that are new. */
		assert_in_range(out.len, IDS * (9 * 2 + 9 + 43 + 7 * 4), IDS * (9 * 2 + 9 + 43 + 7 * 4 + 7) + 400);
		buf_free(&out);
	}
	batch_free(b);
	encoder_free(e);
}

/* The same string twice, where the dictionary's place is taken by another: nothing of it is new. */
static void equal_and_foreign_strings_read_back(void **unused)
{
	(void)unused;
	static const struct slice strings[] = {
	    SLICE("abcdefgh"), SLICE("abcdefgh"), SLICE("abcdefgh"),   SLICE("abcdefgi"),   SLICE("abcXefgi"),
	    SLICE("abcXYfgi"), SLICE("XXXXXXXX"), SLICE("abcdefghij"), SLICE("abcdefghiJ"), SLICE("abcdefghIJ"),
	};
	struct encoder *e = encoder_new();
	struct batch *b = batch_of(strings, sizeof strings / sizeof *strings);
	struct buf out = encode(e, b);
	assert_reads_back(b, buf_slice(&out));
	buf_free(&out);
	batch_free(b);
	encoder_free(e);
}

/* A payload of one record with one field, whose value is these bytes. */
static int decode_value(const void *value, size_t len, struct error *err)
{
	static const char head[] = {0, 1, 't', 0, 1, 1, 'a', 1};
	struct batch *b = batch_new();
	struct buf payload = {0};
	buf_append(&payload, head, sizeof head);
	buf_append(&payload, value, len);
	struct frame f = {.seq = 1, .kind = FRAME_EVENTS, .count = 1, .payload = buf_slice(&payload)};
	int code = frame_decode(&f, b, err);
	buf_free(&payload);
	batch_free(b);
	return code;
}

static void what_goes_on_from_nothing_is_refused(void **unused)
{
	(void)unused;
	static const struct {
		const char *bytes, *why;
		size_t len;
	} cases[] = {
	    {"\x8e", "it ends within a string", 1},
	    {"\x8e\x08", "it ends within a string", 2},
	    {"\x8e\x08\x00"
	     "abcdefgh",
	     "a string goes on from one that is not there", 11},
	    {"\x8e\x07\x00"
	     "abcdefg",
	     "a string goes on from one that is not there", 10},
	    {"\x8e\xff\x00"
	     "abcdefg",
	     "a string goes on from one that is not there", 10},
	    /* in an array behind one that is there */
	    {"\x87\x02\x81\x08"
	     "abcdefgh\x8e\x08\x07x",
	     NULL, 16},
	    {"\x87\x02\x81\x08"
	     "abcdefgh\x8e\x08\x08",
	     NULL, 15},
	    {"\x87\x02\x81\x08"
	     "abcdefgh\x8e\x08\x07",
	     "a string is longer than what is left", 15},
	    {"\x87\x02\x81\x08"
	     "abcdefgh\x8e\x08\x09",
	     "a string is longer than what is left", 15},
	    {"\x87\x02\x81\x08"
	     "abcdefgh\x8e\x09\x00xxxxxxxxx",
	     "a string goes on from one that is not there", 24},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct error err = {0};
		assert_int_equal(decode_value(cases[i].bytes, cases[i].len, &err), cases[i].why != NULL ? -EBADMSG : 0);
		if (cases[i].why != NULL)
			assert_non_null(strstr(err.text, cases[i].why));
	}
}

static void running_out_of_memory_is_an_answer(void **unused)
{
	(void)unused;
	struct encoder *e = encoder_new();
	struct batch *b = make(500);
	for (int nth = 1; nth < 12; nth++) {
		struct buf out = {0};
		int code = 0;
		encoder_begin(e, &out);
		fault_set(FAULT_MALLOC, nth, true, ENOMEM);
		for (uint32_t i = 0; i < b->count && code == 0; i++)
			code = encoder_add(e, &b->records[i]);
		fault_clear();
		assert_true(code == -ENOMEM || nth > 6);
		if (code == 0)
			assert_reads_back(b, buf_slice(&out));
		buf_free(&out);
	}
	batch_free(b);
	encoder_free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_written_reads_back),
	    cmocka_unit_test(what_repeats_is_written_once),
	    cmocka_unit_test(what_begins_alike_is_written_from_there_on),
	    cmocka_unit_test(equal_and_foreign_strings_read_back),
	    cmocka_unit_test(what_goes_on_from_nothing_is_refused),
	    cmocka_unit_test(running_out_of_memory_is_an_answer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

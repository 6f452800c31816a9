/* What spans have in a frame: objects that records share, and hexadecimal digits. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "journal/internal.h"

enum { RECORDS = 60, RUN = 10, FIELDS = 5, RESOURCE = 4 };

static struct value string(struct batch *b, const char *s)
{
	struct slice copy = arena_copy(&b->arena, slice_cstr(s));
	return (struct value){.str = copy.ptr, .len = (uint32_t)copy.len, .type = VALUE_STRING};
}

static struct value object(struct batch *b, const char *name, struct value v)
{
	uint32_t key = (uint32_t)batch_key(b, slice_cstr(name));
	struct object *o = arena_alloc(&b->arena, sizeof *o);
	struct value *values = batch_values(b, 1);
	*values = v;
	*o = (struct object){.shape = (uint32_t)batch_shape(b, &key, 1), .values = values};
	return (struct value){.object = o, .type = VALUE_OBJECT};
}

/* Records in runs of RUN with one trace and one resource; attributes of their own, the resource within them too. */
static struct batch *make(void)
{
	static const char *const names[FIELDS] = {"trace_id", "span_id", "other", "attributes", "resource"};
	static const char *const others[] = {"0123456789abcdef",   "0123456789ABCDEF",         "0123456789abcde",
	                                     "0123456789abcdeg",   "0123456789abcdef01234567", "0123456789abcdef0",
	                                     "00000000g000000000", "ffffffffffffffff",         ""};
	struct batch *b = batch_new();
	struct value resource = {.type = VALUE_NULL}, trace = {.type = VALUE_NULL};
	uint32_t keys[FIELDS];
	char text[64];
	for (uint32_t i = 0; i < FIELDS; i++)
		keys[i] = (uint32_t)batch_key(b, slice_cstr(names[i]));
	for (uint32_t n = 0; n < RECORDS; n++) {
		if (n % RUN == 0) {
			snprintf(text, sizeof text, "%032x", n + 1);
			trace = string(b, text);
			resource = object(b, "service.name", string(b, "the same words for all of them"));
		}
		struct value *v = batch_values(b, FIELDS);
		snprintf(text, sizeof text, "%016x", n * 77777);
		v[0] = trace;
		v[1] = string(b, text);
		v[2] = string(b, others[n % (sizeof others / sizeof *others)]);
		v[3] = object(b, "within", n % 3 ? resource : string(b, text));
		v[RESOURCE] = resource;
		struct record *r = batch_add(b);
		r->kind = RECORD_SPAN;
		r->values = v;
		r->shape = (uint32_t)batch_shape(b, keys, FIELDS);
		r->type = (uint16_t)batch_type(b, SLICE("span"));
		r->time_ns = n;
	}
	return b;
}

static struct buf encode(const struct batch *b)
{
	struct encoder *e = encoder_new();
	struct buf out = {0};
	assert_non_null(e);
	encoder_begin(e, &out);
	for (uint32_t i = 0; i < b->count; i++)
		assert_int_equal(encoder_add(e, &b->records[i]), 0);
	encoder_free(e);
	return out;
}

static int decode(struct slice payload, uint32_t count, struct batch *out)
{
	struct frame f = {.seq = 1, .kind = FRAME_SPANS, .count = count, .payload = payload};
	struct error err = {0};
	return frame_decode(&f, out, &err);
}

static void shared_objects_are_one_again(void **unused)
{
	struct batch *b = make(), *back = batch_new();
	struct buf out = encode(b);
	uint32_t objects = 0;
	(void)unused;
	assert_int_equal(decode(buf_slice(&out), b->count, back), 0);
	for (uint32_t i = 0; i < b->count; i++) {
		struct buf x = {0}, y = {0};
		record_json(&x, &b->records[i]);
		record_json(&y, &back->records[i]);
		assert_true(slice_eq(buf_slice(&x), buf_slice(&y)));
		buf_free(&x);
		buf_free(&y);
		objects +=
		    i == 0 || back->records[i].values[RESOURCE].object != back->records[i - 1].values[RESOURCE].object;
	}
	assert_int_equal(objects, 2 * RECORDS / RUN); /* written at first sight, defined at the second */
	/* A span's own: its id in 10 bytes, the trace's by its number; text would take 18 and 34. */
	assert_in_range(out.len, 1, RECORDS * 60);
	buf_free(&out);
	batch_free(b);
	batch_free(back);
}

/* A cut payload is none, whatever stands at its end; a changed one may be another, but nothing worse. */
static void damage_is_an_answer(void **unused)
{
	struct batch *b = make(), *back = batch_new();
	struct buf out = encode(b);
	(void)unused;
	for (size_t len = 0; len < out.len; len++) {
		char *cut = malloc(len + 1); /* so that a sanitizer sees its end */
		assert_non_null(cut);
		memcpy(cut, out.ptr, len);
		assert_int_equal(decode(slice_new(cut, len), b->count, back), -EBADMSG);
		free(cut);
	}
	for (size_t at = 0; at < out.len; at++) {
		char was = out.ptr[at];
		for (int bit = 0; bit < 8; bit++) {
			out.ptr[at] = (char)(was ^ 1 << bit);
			int code = decode(buf_slice(&out), b->count, back);
			assert_true(code == 0 || code == -EBADMSG);
		}
		out.ptr[at] = was;
	}
	buf_free(&out);
	batch_free(b);
	batch_free(back);
}

/* Payloads that no writer makes: one record of type "t" with one field "a", whose value follows. */
static void what_cannot_be_is_refused(void **unused)
{
	static const struct {
		const char *value;
		size_t len;
		int code;
	} cases[] = {
	    {"\x8a\x04\x01\x23\xab\xef", 6, 0},
	    {"\x8a\x00", 2, 0},
	    {"\x8a\x03\x01\x02\x03", 5, -EBADMSG},                      /* six digits */
	    {"\x8a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10, -EBADMSG}, /* longer than all */
	    {"\x8c\x01\xa1", 3, 0},                                     /* of the record's own shape: {"a":1} */
	    {"\x8d\x00", 2, -EBADMSG},                                  /* nothing was defined */
	    {"\x87\x01\x8d\x00", 4, -EBADMSG},                          /* within an array */
	    {"\x87\x01\x8c\x01\xa1", 5, -EBADMSG},                      /* likewise */
	    {"\x88\x01\x8c\x01\xa1", 5, -EBADMSG},                      /* within an object */
	};
	struct batch *back = batch_new();
	(void)unused;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buf payload = {0};
		buf_append(&payload,
		           "\x00\x01t\x00\x01\x01"
		           "a\x03",
		           8);
		buf_append(&payload, cases[i].value, cases[i].len);
		int code = decode(buf_slice(&payload), 1, back);
		assert_int_equal(code, cases[i].code);
		buf_free(&payload);
	}
	batch_free(back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(shared_objects_are_one_again),
	    cmocka_unit_test(damage_is_an_answer),
	    cmocka_unit_test(what_cannot_be_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

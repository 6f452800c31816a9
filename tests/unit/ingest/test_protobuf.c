/* The reader of Protocol Buffers against protobuf-c: what that writes is read the same; of damaged bytes nothing is taken that it does not take, with the same values. And what is refused says where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "ingest/protobuf.h"
#include "wire.pb-c.h"

enum { MESSAGES = 100000, LIST_MAX = 6, DEPTH_MAX = 3 };

static uint64_t seed = 88172645463325252;

/* xorshift64 (Marsaglia, "Xorshift RNGs", 2003). */
static uint64_t draw_bits(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static uint32_t draw(uint32_t below)
{
	return (uint32_t)(draw_bits() >> 33) % below;
}

/* Of any number of bits. */
static uint64_t draw_number(void)
{
	return draw_bits() >> draw(64);
}

/* ---- reading, as a decoder would ---- */

struct wire {
	uint64_t number, real;
	uint32_t small, word;
	struct slice text;
	uint64_t packed[LIST_MAX * 64], apart[LIST_MAX * 64];
	uint32_t packed_count, apart_count, children;
	int64_t wide;
	int32_t negative;
};

static void read_list(struct protobuf *p, const struct protobuf_field *f, uint64_t *out, uint32_t *count)
{
	if (f->type == PROTOBUF_VARINT) {
		out[(*count)++] = f->value;
		return;
	}
	if (!protobuf_is(p, f, PROTOBUF_BYTES))
		return;
	const char *outer = protobuf_enter(p, f);
	while (p->at < p->end && protobuf_varint(p, &out[*count]))
		++*count;
	protobuf_leave(p, outer);
}

static void read_wire(struct protobuf *p, struct wire *w, uint32_t depth)
{
	for (struct protobuf_field f; protobuf_next(p, &f);) {
		if (f.number == 1 && protobuf_is(p, &f, PROTOBUF_VARINT))
			w->number = f.value;
		else if (f.number == 2 && protobuf_is(p, &f, PROTOBUF_FIXED64))
			w->real = f.value;
		else if (f.number == 3 && protobuf_is(p, &f, PROTOBUF_FIXED32))
			w->small = (uint32_t)f.value;
		else if (f.number == 4 && protobuf_is(p, &f, PROTOBUF_FIXED32))
			w->word = (uint32_t)f.value;
		else if (f.number == 5 && protobuf_is(p, &f, PROTOBUF_BYTES))
			w->text = f.bytes;
		else if (f.number == 7)
			read_list(p, &f, w->packed, &w->packed_count);
		else if (f.number == 8)
			read_list(p, &f, w->apart, &w->apart_count);
		else if (f.number == 1000 && protobuf_is(p, &f, PROTOBUF_FIXED64))
			w->wide = (int64_t)f.value;
		else if (f.number == 536870911 && protobuf_is(p, &f, PROTOBUF_VARINT))
			w->negative = (int32_t)f.value;
		else if (f.number == 6 && protobuf_is(p, &f, PROTOBUF_BYTES)) {
			struct wire child = {0};
			w->children++;
			if (depth == 64)
				continue;
			const char *outer = protobuf_enter(p, &f);
			read_wire(p, &child, depth + 1);
			protobuf_leave(p, outer);
		}
	}
}

static void same(const struct wire *w, const Oracle__Wire *o)
{
	uint64_t real;
	uint32_t small;
	memcpy(&real, &o->real, sizeof real);
	memcpy(&small, &o->small, sizeof small);
	assert_true(w->number == o->number && w->real == real && w->small == small && w->word == o->word);
	assert_true(w->wide == o->wide && w->negative == o->negative);
	assert_true(slice_eq(w->text, slice_new((const char *)o->text.data, o->text.len)));
	assert_int_equal(w->packed_count, o->n_packed);
	assert_int_equal(w->apart_count, o->n_apart);
	assert_true(o->n_packed == 0 || memcmp(w->packed, o->packed, o->n_packed * 8) == 0);
	assert_true(o->n_apart == 0 || memcmp(w->apart, o->apart, o->n_apart * 8) == 0);
	assert_int_equal(w->children > 0, o->child != NULL);
}

/* ---- writing ---- */

struct made {
	Oracle__Wire wire[DEPTH_MAX];
	uint64_t packed[DEPTH_MAX][LIST_MAX], apart[DEPTH_MAX][LIST_MAX];
	uint8_t text[DEPTH_MAX][200];
};

static Oracle__Wire *make(struct made *m, uint32_t depth)
{
	Oracle__Wire *w = &m->wire[depth];
	oracle__wire__init(w);
	uint64_t bits = draw_bits();
	w->number = draw_number();
	memcpy(&w->real, &bits, sizeof w->real);
	memcpy(&w->small, &bits, sizeof w->small);
	w->word = (uint32_t)draw_number();
	w->wide = (int64_t)draw_bits();
	w->negative = (int32_t)draw_number();
	w->text.data = m->text[depth];
	w->text.len = draw(sizeof m->text[depth]);
	memset(m->text[depth], 'a' + (int)draw(26), w->text.len);
	w->packed = m->packed[depth];
	w->apart = m->apart[depth];
	w->n_packed = draw(LIST_MAX);
	w->n_apart = draw(LIST_MAX);
	for (uint32_t i = 0; i < LIST_MAX; i++) {
		w->packed[i] = draw_number();
		w->apart[i] = draw_number();
	}
	w->child = depth + 1 < DEPTH_MAX && draw(2) ? make(m, depth + 1) : NULL;
	return w;
}

static struct slice pack(const Oracle__Wire *w, char **owned)
{
	size_t len = oracle__wire__get_packed_size(w);
	*owned = malloc(len + 1);
	assert_int_equal(oracle__wire__pack(w, (uint8_t *)*owned), len);
	return slice_new(*owned, len);
}

static void reads_what_protobuf_c_writes(void **state)
{
	(void)state;
	for (int i = 0; i < MESSAGES / 10; i++) {
		struct made made;
		struct wire got = {0};
		char *owned;
		const Oracle__Wire *w = make(&made, 0);
		struct slice body = pack(w, &owned);
		char *exact = malloc(body.len + (body.len == 0)); /* AddressSanitizer watches its end */
		memcpy(exact, body.ptr, body.len);
		struct protobuf p = protobuf_begin(slice_new(exact, body.len));
		read_wire(&p, &got, 0);
		assert_null(p.error);
		assert_int_equal(protobuf_offset(&p), body.len);
		same(&got, w);
		free(exact);
		free(owned);
	}
}

/* Of what only ours refuses: a field's number or type that none can have, more than 64 bits, and lists and children that protobuf-c does not look into. */
static void takes_no_more_than_protobuf_c(void **state)
{
	uint32_t taken = 0, only_ours_refuses = 0;
	(void)state;
	for (int i = 0; i < MESSAGES; i++) {
		struct made made;
		struct wire got = {0};
		char *owned;
		struct slice body = pack(make(&made, 0), &owned);
		for (uint32_t n = 1 + draw(2); n > 0 && body.len > 0; n--)
			owned[draw((uint32_t)body.len)] = (char)draw(256);
		if (draw(8) == 0 && body.len > 0)
			body.len = draw((uint32_t)body.len);
		struct protobuf p = protobuf_begin(body);
		read_wire(&p, &got, 0);
		Oracle__Wire *o = oracle__wire__unpack(NULL, body.len, (const uint8_t *)body.ptr);
		if (p.error == NULL) {
			assert_non_null(o);
			same(&got, o);
			taken++;
		} else {
			assert_true(protobuf_offset(&p) <= body.len);
			only_ours_refuses += o != NULL;
		}
		if (o != NULL)
			oracle__wire__free_unpacked(o, NULL);
		free(owned);
	}
	assert_true(taken > MESSAGES / 4);
	assert_true(only_ours_refuses < MESSAGES / 100);
}

struct bad {
	struct slice bytes;
	const char *error;
	size_t offset;
};

static void says_where(void **state)
{
	static const struct bad cases[] = {
	    {SLICE("\x08\x01\x08"), "cut off", 3},
	    {SLICE("\x08\x01\x08\x80\x80"), "cut off", 3},
	    {SLICE("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), "more than 64 bits", 1},
	    {SLICE("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x00"), "more than 64 bits", 1},
	    {SLICE("\x11\0\0\0\0\0\0\0"), "cut off", 1},
	    {SLICE("\x25\0\0\0"), "cut off", 1},
	    {SLICE("\x2a\x01"), "longer than what it stands in", 2},
	    {SLICE("\x2a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), "longer than what it stands in", 10},
	    {SLICE("\x32\x03\x2a\x02xyz"), "longer than what it stands in", 4},
	    {SLICE("\x3a\x02\x01\x80\x08\x01"), "cut off", 3},
	    {SLICE("\x08\x01\x02\x00"), "number that none can have", 2},
	    {SLICE("\x08\x01\x80\x80\x80\x80\x10\x00"), "number that none can have", 2},
	    {SLICE("\x0b\x0c"), "groups", 0},
	    {SLICE("\x08\x01\x0c"), "groups", 2},
	    {SLICE("\x0e\x01"), "a wire type that there is not", 0},
	    {SLICE("\x0d\0\0\0\0"), "another wire type", 5},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct protobuf p = protobuf_begin(cases[i].bytes);
		struct protobuf_field f;
		struct wire w = {0};
		read_wire(&p, &w, 0);
		assert_non_null(p.error);
		if (strstr(p.error, cases[i].error) == NULL)
			fail_msg("case %zu: \"%s\" does not say \"%s\"", i, p.error, cases[i].error);
		assert_int_equal(protobuf_offset(&p), cases[i].offset);
		assert_false(protobuf_next(&p, &f));
	}
}

/* What is unknown is passed over, of every type, and the greatest numbers are read whole. */
static void passes_over_the_unknown(void **state)
{
	struct protobuf p =
	    protobuf_begin(SLICE("\x78\x05\x79\x01\x02\x03\x04\x05\x06\x07\x08\x7a\x02\x0b\x0c\x7d\x01\x02\x03\x04"
	                         "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
	struct wire w = {0};
	(void)state;
	read_wire(&p, &w, 0);
	assert_null(p.error);
	assert_true(w.number == UINT64_MAX);
	p = protobuf_begin(slice_new(NULL, 0));
	read_wire(&p, &w, 0);
	assert_null(p.error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_what_protobuf_c_writes),
	    cmocka_unit_test(takes_no_more_than_protobuf_c),
	    cmocka_unit_test(says_where),
	    cmocka_unit_test(passes_over_the_unknown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

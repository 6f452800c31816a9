/* Label sets made of others: each against the same made label by label, over drawn sets; and without memory. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/fault.h"
#include "promql/eval.h"
#include "record/labels.h"

static uint64_t seed = 88172645463325252;

/* xorshift64 (Marsaglia, "Xorshift RNGs", 2003). */
static uint32_t draw(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 33) % below;
}

/* Names that begin alike, are parts of one another, and stand on both sides of `__name__`. */
static const char *const pool[] = {"A", "Z_", "__name__", "__name__x", "__type__", "__u",  "__unit__", "_a",
                                   "a", "aa", "aaa",      "ab",        "job",      "jobs", "le",       "\xc3\xa4"};
enum { POOL = sizeof pool / sizeof *pool };

/* A bit for each name, set once in 2 to the `rarely`. */
static uint32_t draw_bits(int rarely)
{
	uint32_t bits = (1U << POOL) - 1;
	for (int i = 0; i < rarely; i++)
		bits &= draw(1U << POOL);
	return bits;
}

/* A label for each bit. A fifth of the values are long, so that lengths of two bytes come up. */
static void make(uint32_t bits, struct buf *out)
{
	static char text[POOL][3000];
	struct label labels[POOL];
	uint32_t count = 0;

	for (uint32_t i = 0; i < POOL; i++) {
		size_t len = 1 + draw(draw(5) == 0 ? sizeof text[i] - 1 : 20);
		memset(text[i], 'a' + (int)draw(26), len);
		if ((bits >> i & 1) != 0)
			labels[count++] = (struct label){slice_cstr(pool[i]), slice_new(text[i], len)};
	}
	buf_reset(out);
	assert_int_equal(labels_canonical(labels, count, out, NULL), 0);
}

/* What `keeps` says of each name, made without haste. */
static void expect(struct slice from, uint32_t kept_bits, struct buf *out)
{
	struct label labels[POOL];
	uint32_t count = 0;

	for (struct label l; labels_next(&from, &l);) {
		for (uint32_t i = 0; i < POOL; i++) {
			if (slice_eq(l.name, slice_cstr(pool[i])) && (kept_bits >> i & 1) != 0)
				labels[count++] = l;
		}
	}
	buf_reset(out);
	assert_int_equal(labels_canonical(labels, count, out, NULL), 0);
}

static uint32_t bit_of(const char *name)
{
	for (uint32_t i = 0; i < POOL; i++) {
		if (strcmp(pool[i], name) == 0)
			return UINT32_C(1) << i;
	}
	return 0;
}

static uint32_t names_of(uint32_t bits, struct slice *names)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < POOL; i++) {
		if ((bits >> i & 1) != 0)
			names[count++] = slice_cstr(pool[i]);
	}
	return count;
}

struct fixture {
	struct buf set, wanted, got, exact;
};

static void deinit(struct fixture *f)
{
	buf_free(&f->set);
	buf_free(&f->wanted);
	buf_free(&f->got);
	free(f->exact.ptr);
}

/* The set in memory of just its length, so that AddressSanitizer watches its end. */
static struct slice exact(struct fixture *f)
{
	free(f->exact.ptr);
	f->exact.ptr = malloc(f->set.len + (f->set.len == 0));
	if (f->set.len > 0)
		memcpy(f->exact.ptr, f->set.ptr, f->set.len);
	return slice_new(f->exact.ptr, f->set.len);
}

static void same(const struct fixture *f)
{
	assert_int_equal(f->got.len, f->wanted.len);
	if (f->got.len > 0)
		assert_memory_equal(f->got.ptr, f->wanted.ptr, f->got.len);
}

static void test_kept_and_left_out(void **state)
{
	(void)state;
	struct fixture f = {0};
	struct slice names[POOL];

	for (int round = 0; round < 4000; round++) {
		uint32_t bits = draw(4) == 0 ? 0 : draw_bits(2), named = draw_bits(draw(3) == 0 ? 3 : 1);
		uint32_t count = names_of(named, names);
		make(bits, &f.set);
		struct slice set = exact(&f);

		assert_int_equal(labels_only(set, names, count, &f.got), 0);
		expect(set, named, &f.wanted);
		same(&f);
		assert_int_equal(labels_except(set, names, count, false, &f.got), 0);
		expect(set, ~named, &f.wanted);
		same(&f);
		assert_int_equal(labels_except(set, names, count, true, &f.got), 0);
		expect(set, ~named & ~bit_of("__name__"), &f.wanted);
		same(&f);
		assert_int_equal(labels_unnamed(set, &f.got), 0);
		expect(set, ~(bit_of("__name__") | bit_of("__type__") | bit_of("__unit__")), &f.wanted);
		same(&f);
		struct slice rest;
		assert_int_equal(labels_unnamed_slice(set, &f.got, &rest), 0);
		assert_true(slice_eq(rest, buf_slice(&f.wanted)));
		uint32_t one = draw(POOL);
		assert_int_equal(labels_without(set, slice_cstr(pool[one]), &f.got), 0);
		expect(set, ~(UINT32_C(1) << one), &f.wanted);
		same(&f);
	}
	deinit(&f);
}

static void test_with(void **state)
{
	(void)state;
	struct fixture f = {0};
	static char value[LABEL_VALUE_BYTES_MAX + 1];

	for (int round = 0; round < 4000; round++) {
		struct label labels[POOL + 1];
		uint32_t count = 0, one = draw(POOL);
		make(draw_bits(2), &f.set);
		struct slice set = exact(&f), rest = set, name = slice_cstr(pool[one]);
		size_t len = draw(3) == 0 ? 0 : draw(draw(4) == 0 ? LABEL_VALUE_BYTES_MAX + 1 : 30);
		memset(value, 'a' + (int)draw(26), len);

		for (struct label l; labels_next(&rest, &l);) {
			if (!slice_eq(l.name, name))
				labels[count++] = l;
		}
		labels[count++] = (struct label){name, slice_new(value, len)};
		buf_reset(&f.wanted);
		assert_int_equal(labels_canonical(labels, count, &f.wanted, NULL), 0);
		assert_int_equal(labels_with(set, name, slice_new(value, len), &f.got), 0);
		same(&f);
	}
	memset(value, 'x', sizeof value);
	assert_int_equal(labels_with(buf_slice(&f.set), SLICE("a"), slice_new(value, sizeof value), &f.got), -E2BIG);
	assert_int_equal(labels_with(buf_slice(&f.set), slice_new(value, 1025), SLICE("a"), &f.got), -E2BIG);
	assert_int_equal(labels_with(buf_slice(&f.set), SLICE(""), SLICE("a"), &f.got), -E2BIG);
	/* There is no such label to take away. */
	assert_int_equal(labels_with(buf_slice(&f.set), slice_new(value, 1025), SLICE(""), &f.got), 0);
	expect(buf_slice(&f.set), ~UINT32_C(0), &f.wanted);
	same(&f);
	deinit(&f);
}

static void test_without_memory(void **state)
{
	(void)state;
	struct fixture f = {0};
	struct slice names[] = {SLICE("a"), SLICE("job")};
	struct label labels[] = {{SLICE("a"), SLICE("1")}, {SLICE("b"), SLICE("2")}};
	assert_int_equal(labels_canonical(labels, 2, &f.set, NULL), 0);

	for (int which = 0; which < 4; which++) {
		int code = 0;
		fault_set(FAULT_MALLOC, 1, false, ENOMEM);
		if (which == 0)
			code = labels_only(buf_slice(&f.set), names, 2, &f.got);
		if (which == 1)
			code = labels_except(buf_slice(&f.set), names, 2, true, &f.got);
		if (which == 2)
			code = labels_unnamed(buf_slice(&f.set), &f.got);
		if (which == 3)
			code = labels_with(buf_slice(&f.set), SLICE("c"), SLICE("3"), &f.got);
		fault_clear();
		assert_int_equal(code, -ENOMEM);
		buf_free(&f.got);
	}
	deinit(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_kept_and_left_out),
	    cmocka_unit_test(test_with),
	    cmocka_unit_test(test_without_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

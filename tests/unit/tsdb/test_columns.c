/* Groups of columns: what was encoded is decoded, bit for bit, whichever columns are wanted; the same samples give the same bytes; damaged bytes do no harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/hash.h"
#include "record/samples.h"
#include "tsdb/columns.h"

#define START INT64_C(1767225600000)

enum { MAX = 500 };

/* A group with room for its samples. */
struct group {
	int64_t times[COLUMNS_SERIES][MAX];
	uint64_t values[COLUMNS_SERIES][MAX];
	struct column columns[COLUMNS_SERIES];
	uint32_t count;
};

static struct group g;

static uint64_t bits_of(double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof bits);
	return bits;
}

/* The next column, with times 15 s apart; its values are to be written. */
static uint64_t *add(uint32_t count)
{
	uint32_t i = g.count++;

	assert_true(i < COLUMNS_SERIES && count <= MAX);
	for (uint32_t k = 0; k < count; k++)
		g.times[i][k] = START + (int64_t)k * 15000;
	g.columns[i] = (struct column){g.times[i], g.values[i], count};
	return g.values[i];
}

static void clear(void)
{
	memset(&g, 0, sizeof g);
}

/* A copy in memory of exactly its length, so that AddressSanitizer sees who leaves it. */
static char *exact(const struct buf *b, size_t len)
{
	char *copy = malloc(len + (len == 0));

	assert_non_null(copy);
	if (len > 0)
		memcpy(copy, b->ptr, len);
	return copy;
}

static void check_column(const struct column *got, const struct column *want)
{
	assert_int_equal(got->count, want->count);
	if (want->count == 0)
		return;
	assert_memory_equal(got->times_ms, want->times_ms, want->count * sizeof *want->times_ms);
	assert_memory_equal(got->values, want->values, want->count * sizeof *want->values);
}

static void check_decode(struct columns_coder *c, struct slice bytes, uint64_t wanted)
{
	struct column out[COLUMNS_SERIES];
	struct error err = {0};
	struct arena arena;

	arena_init(&arena);
	memset(out, 0xee, sizeof out);
	if (columns_decode(c, bytes, wanted, &arena, out, &err) != 0)
		fail_msg("%s", err.text);
	for (uint32_t i = 0; i < COLUMNS_SERIES; i++) {
		if (i < g.count && (wanted >> i & 1) != 0)
			check_column(&out[i], &g.columns[i]);
		else
			assert_int_equal(out[i].count, 0xeeeeeeee);
	}
	arena_deinit(&arena);
}

/* What a cut says of NaN, and of -0. */
static void check_plain(const struct column *want)
{
	bool odd = false, within = true, constant = true;

	for (uint32_t i = 0; i < want->count; i++) {
		double v;
		memcpy(&v, &want->values[i], sizeof v);
		constant = constant && want->values[i] == want->values[0];
		odd = odd || isnan(v) || want->values[i] == bits_of(-0.0);
		within = within && (isnan(v) || (v >= 0 && v < 9007199254740992.0));
	}
	assert_false(odd && within && !constant);
}

static void check_cut_column(const struct column_cut *got, const struct column *want, int64_t time_ms)
{
	uint32_t index = 0;

	while (index < want->count && want->times_ms[index] <= time_ms)
		index++;
	assert_int_equal(got->count, want->count);
	assert_int_equal(got->index, index);
	assert_true(got->before == (index > 0 ? want->values[index - 1] : 0));
	assert_true(got->at == (index < want->count ? want->values[index] : 0));
	if (want->count > 0)
		assert_memory_equal(got->times_ms, want->times_ms, want->count * sizeof *want->times_ms);
	if (got->plain)
		check_plain(want);
}

/* Groups whose times do not rise cannot be cut. */
static bool times_rise(void)
{
	for (uint32_t i = 0; i < g.count; i++) {
		for (uint32_t k = 1; k < g.columns[i].count; k++) {
			if (g.columns[i].times_ms[k - 1] >= g.columns[i].times_ms[k])
				return false;
		}
	}
	return true;
}

static void check_cut(struct columns_coder *c, struct slice bytes, uint64_t wanted, int64_t time_ms)
{
	struct column_cut out[COLUMNS_SERIES];
	struct error err = {0};
	struct arena arena;

	arena_init(&arena);
	memset(out, 0xee, sizeof out);
	if (columns_decode_cut(c, bytes, wanted, time_ms, &arena, out, &err) != 0)
		fail_msg("%s", err.text);
	for (uint32_t i = 0; i < COLUMNS_SERIES; i++) {
		if (i < g.count && (wanted >> i & 1) != 0)
			check_cut_column(&out[i], &g.columns[i], time_ms);
		else
			assert_int_equal(out[i].count, 0xeeeeeeee);
	}
	arena_deinit(&arena);
}

/* Before all of it, behind it, and beside some of its samples. */
static void check_cuts(struct columns_coder *c, struct slice bytes)
{
	const struct column *first = &g.columns[0];

	if (!times_rise())
		return;
	check_cut(c, bytes, UINT64_MAX, INT64_MIN);
	check_cut(c, bytes, UINT64_MAX, INT64_MAX);
	for (uint32_t i = 0; i < 12 && first->count > 0; i++) {
		int64_t at = first->times_ms[i < 3 ? i % first->count : hash_mix(i, 2) % first->count];
		check_cut(c, bytes, UINT64_MAX, at);
		check_cut(c, bytes, hash_mix(i, 3), at > INT64_MIN ? at - 1 : at);
		check_cut(c, bytes, UINT64_C(1) << i % g.count, at < INT64_MAX ? at + 1 : at);
	}
}

/* Encodes the group twice, the second time with a coder that is new, and decodes all of it, each column alone, and some together. Returns its bytes. */
static size_t check(void)
{
	struct columns_coder *c = columns_coder_new(1), *fresh = columns_coder_new(1);
	struct buf out = {0}, again = {0};

	assert_true(c != NULL && fresh != NULL);
	assert_int_equal(columns_encode(c, g.columns, g.count, &out), 0);
	char *copy = exact(&out, out.len);
	struct slice bytes = slice_new(copy, out.len);
	check_decode(c, bytes, UINT64_MAX);
	for (uint32_t i = 0; i < g.count; i++)
		check_decode(c, bytes, UINT64_C(1) << i);
	for (uint64_t i = 0; i < 8; i++)
		check_decode(c, bytes, hash_mix(i, 1));
	check_decode(c, bytes, 0);
	check_cuts(c, bytes);
	assert_int_equal(columns_encode(fresh, g.columns, g.count, &again), 0);
	assert_int_equal(again.len, out.len);
	assert_memory_equal(again.ptr, out.ptr, out.len);
	size_t len = out.len;
	free(copy);
	buf_free(&out);
	buf_free(&again);
	columns_coder_free(c);
	columns_coder_free(fresh);
	return len;
}

static void test_constant(void **state)
{
	(void)state;
	const uint64_t values[] = {0, bits_of(-0.0), bits_of(1), SAMPLE_STALE_BITS, UINT64_MAX};

	clear();
	for (uint32_t i = 0; i < 5; i++) {
		uint64_t *v = add(480);
		for (uint32_t k = 0; k < 480; k++)
			v[k] = values[i];
	}
	assert_in_range(check(), 1, 80);
}

static void test_few_samples(void **state)
{
	(void)state;
	clear();
	add(0);
	add(1)[0] = bits_of(3.25);
	add(0);
	uint64_t *v = add(2);
	v[0] = bits_of(7);
	v[1] = bits_of(8);
	check();
	clear();
	add(0);
	check();
}

/* A column that is as an earlier one is kept once; other times do not matter. */
static void test_same(void **state)
{
	(void)state;
	clear();
	uint64_t *v = add(400);
	for (uint32_t k = 0; k < 400; k++)
		v[k] = hash_mix(k, 1);
	size_t one = check();
	for (uint32_t i = 1; i < 20; i++) {
		v = add(400);
		memcpy(v, g.values[0], 400 * sizeof *v);
		if (i == 7)
			g.times[i][399]++;
	}
	assert_in_range(check(), one, one + 200);
}

/* Times that are a stretch of another column's; the longer one comes later as well as earlier. */
static void test_stretches(void **state)
{
	(void)state;
	clear();
	for (uint32_t i = 0; i < 12; i++) {
		uint32_t from = i * 17 % 50, count = i == 5 ? 450 : 300 + i;
		add(count);
		for (uint32_t k = 0; k < count; k++) {
			uint32_t at = i == 5 ? k : from + k;
			g.times[i][k] = START + (int64_t)at * 15000 + (int64_t)(hash_mix(at, 3) % 7);
			uint32_t level = k / 100;
			g.values[i][k] = bits_of(i + level);
		}
	}
	check();
}

/* Short decimals cost what their digits do: counters of money and seconds, and gauges. */
static void test_decimals(void **state)
{
	(void)state;
	static const double scales[] = {1, 10, 100, 1000, 1e4, 1e6, 1e9};

	for (uint32_t s = 0; s < sizeof scales / sizeof *scales; s++) {
		clear();
		for (uint32_t i = 0; i < 8; i++) {
			uint64_t *v = add(480);
			int64_t sum = 0;
			for (uint32_t k = 0; k < 480; k++) {
				sum += (int64_t)(hash_mix(k, i) % 100);
				v[k] = bits_of((double)sum / scales[s]);
			}
		}
		assert_in_range(check(), 1, 8 * 480 * 95 / 100);
	}
}

/* A sum of decimals in doubles is no decimal, but near one: the units in the last place are kept beside it. */
static void test_sums(void **state)
{
	(void)state;
	clear();
	for (uint32_t i = 0; i < 8; i++) {
		uint64_t *v = add(480);
		double sum = 0;
		for (uint32_t k = 0; k < 480; k++) {
			sum += (double)(hash_mix(k, i) % 1000) * 0.0001;
			v[k] = bits_of(sum);
		}
	}
	assert_in_range(check(), 1, 8 * 480 * 5 / 2);
}

/* Everything that is no number, in the midst of numbers, and what is too large or small for any scale. */
static void test_odd_values(void **state)
{
	(void)state;
	const uint64_t odd[] = {bits_of(NAN),
	                        bits_of(INFINITY),
	                        bits_of(-INFINITY),
	                        SAMPLE_STALE_BITS,
	                        UINT64_C(0xfff4000000000123),
	                        UINT64_MAX,
	                        bits_of(-0.0),
	                        bits_of(DBL_MAX),
	                        bits_of(-DBL_MAX),
	                        bits_of(DBL_TRUE_MIN),
	                        bits_of(9007199254740993.0),
	                        bits_of(-9007199254740992.0),
	                        bits_of(9.3e18),
	                        bits_of(1e-300)};
	enum { ODD = sizeof odd / sizeof *odd };

	clear();
	for (uint32_t i = 0; i < ODD; i++) {
		uint64_t *v = add(300);
		for (uint32_t k = 0; k < 300; k++)
			v[k] = k % 50 == i || k == 299 ? odd[i] : bits_of(k * 0.25);
	}
	uint64_t *v = add(300);
	for (uint32_t k = 0; k < 300; k++)
		v[k] = odd[hash_mix(k, 1) % ODD];
	check();
}

/* Bits without any sense, and times that overflow when they are subtracted. */
static void test_any_bits(void **state)
{
	(void)state;
	clear();
	for (uint32_t i = 0; i < COLUMNS_SERIES; i++) {
		uint64_t *v = add(40);
		for (uint32_t k = 0; k < 40; k++) {
			v[k] = hash_mix(k, i) >> (i % 60) << (i % 7);
			g.times[i][k] = (int64_t)((UINT64_C(1) << 63) + k * (UINT64_MAX / 40) + hash_mix(k, i) % 1000);
		}
	}
	check();
	for (uint32_t k = 0; k < 40; k++)
		g.times[3][k] = k < 20 ? INT64_MIN + (int64_t)k : INT64_MAX - 40 + (int64_t)k;
	check();
}

/* Cumulative buckets, whose increments resemble one another. */
static void test_buckets(void **state)
{
	(void)state;
	uint64_t counts[12] = {0};

	clear();
	for (uint32_t i = 0; i < 48; i++)
		add(480);
	for (uint32_t k = 0; k < 480; k++) {
		for (uint32_t calls = hash_mix(k, 5) % 4; calls > 0; calls--) {
			for (uint32_t b = (uint32_t)(hash_mix(k, calls) % 12); b < 12; b++)
				counts[b]++;
		}
		for (uint32_t i = 0; i < 48; i++) {
			uint64_t more = (uint64_t)(i / 12) * (k / 60);
			g.values[i][k] = bits_of((double)(counts[i % 12] + more));
		}
	}
	assert_in_range(check(), 1, 48 * 480 / 4);
}

static void test_long(void **state)
{
	(void)state;
	struct columns_coder *c = columns_coder_new(1);
	int64_t *times = malloc(COLUMNS_SAMPLES_MAX * sizeof *times);
	uint64_t *values = malloc(COLUMNS_SAMPLES_MAX * sizeof *values);
	struct column col = {times, values, COLUMNS_SAMPLES_MAX}, out[COLUMNS_SERIES];
	struct buf bytes = {0};
	struct error err = {0};
	struct arena arena;

	assert_true(c != NULL && times != NULL && values != NULL);
	for (uint32_t i = 0; i < COLUMNS_SAMPLES_MAX; i++) {
		times[i] = START + (int64_t)i * 1000 + (i > 700000);
		values[i] = i < 600000 ? bits_of(1) : hash_mix(i, 1);
	}
	arena_init(&arena);
	assert_int_equal(columns_encode(c, &col, 1, &bytes), 0);
	assert_int_equal(columns_decode(c, buf_slice(&bytes), 1, &arena, out, &err), 0);
	check_column(&out[0], &col);
	arena_deinit(&arena);
	buf_free(&bytes);
	free(times);
	free(values);
	columns_coder_free(c);
}

/* ---- what lies on disk ---- */

static size_t read_golden(const char *name, char *to, size_t max)
{
	FILE *f = fopen(name, "rb");

	assert_non_null(f);
	size_t len = fread(to, 1, max, f);
	fclose(f);
	return len;
}

/* FORMAT.md's example, as it stands there: too small for zstd, so that these bytes are the same with every version of it. */
static void example(void)
{
	static const double counter[] = {1, 3, 3, 3, 1000}, bucket[] = {1, 2, 2, 2, 999},
	                    cost[] = {0.1, 0.1 + 0.2, 0.3, 0.5, 0.5};

	clear();
	for (uint32_t i = 0; i < 5; i++) {
		for (uint32_t k = 0; k < 5 && i == 0; k++)
			add(5);
		g.times[0][i] += i == 2 ? 2 : 0;
		g.values[0][i] = bits_of(counter[i]);
		g.values[1][i] = bits_of(bucket[i]);
		g.values[2][i] = bits_of(cost[i]);
		g.values[3][i] = bits_of(17);
		g.values[4][i] = g.values[2][i];
	}
	for (uint32_t k = 1; k < 5; k++)
		memcpy(g.times[k], g.times[0], sizeof g.times[0]);
	g.columns[4].times_ms = g.times[0] + 1; /* a stretch */
	g.columns[4].count = 4;
	g.columns[4].values = g.values[3];
}

static void test_golden(void **state)
{
	(void)state;
	struct columns_coder *c = columns_coder_new(1);
	struct buf out = {0};
	char golden[4096];

	assert_non_null(c);
	example();
	assert_int_equal(columns_encode(c, g.columns, g.count, &out), 0);
	size_t len = read_golden(TEST_DIR "/golden/columns.bin", golden, sizeof golden);
	assert_int_equal(out.len, len);
	assert_memory_equal(out.ptr, golden, len);
	check_decode(c, slice_new(golden, len), UINT64_MAX);
	buf_free(&out);
	columns_coder_free(c);
}

/* Something of everything. */
static void mixture(uint32_t samples)
{
	clear();
	for (uint32_t i = 0; i < 12; i++) {
		uint64_t *v = add(samples - i % 3);
		double sum = 0;
		for (uint32_t k = 0; k < samples - i % 3; k++) {
			uint64_t random = hash_mix(k, i / 2);
			sum += (double)(random % 50) * 0.01;
			g.times[i][k] += i % 4 == 0 ? (int64_t)(random % 5) : 0;
			v[k] = i % 6 == 0  ? bits_of(17)
			       : i % 6 < 3 ? bits_of(floor(sum))
			       : i % 6 < 5 ? bits_of(sum)
			                   : random;
		}
	}
	memcpy(g.values[9], g.values[8], sizeof g.values[8]);
}

/* A group that zstd has compressed, kept: a later version of it, and of this, reads it. */
static void test_golden_compressed(void **state)
{
	(void)state;
	struct columns_coder *c = columns_coder_new(1);
	char golden[1 << 14];

	assert_non_null(c);
	mixture(200);
	size_t len = read_golden(TEST_DIR "/golden/columns_zstd.bin", golden, sizeof golden);
	check_decode(c, slice_new(golden, len), UINT64_MAX);
	columns_coder_free(c);
}

/* Decodes what may be damaged. Is it refused? What is not has a sound shape and can be read. */
static bool refused(struct columns_coder *c, const char *bytes, size_t len)
{
	struct column out[COLUMNS_SERIES] = {0};
	struct error err = {0};
	struct arena arena;
	uint64_t sum = 0, samples = 0;

	arena_init(&arena);
	int rc = columns_decode(c, slice_new(bytes, len), UINT64_MAX, &arena, out, &err);
	if (rc != 0) {
		assert_int_equal(rc, -EBADMSG);
		assert_int_equal(err.code, -EBADMSG);
		assert_true(strlen(err.text) > 20);
	}
	for (uint32_t i = 0; rc == 0 && i < COLUMNS_SERIES; i++) {
		samples += out[i].count;
		for (uint32_t k = 0; k < out[i].count; k++)
			sum += out[i].values[k] + (uint64_t)out[i].times_ms[k];
	}
	assert_true(samples <= COLUMNS_SAMPLES_MAX);
	arena_deinit(&arena);
	hash_mix(sum, 0);
	return rc != 0;
}

static void check_damaged(uint32_t samples)
{
	struct columns_coder *c = columns_coder_new(1);
	struct buf out = {0};

	assert_non_null(c);
	if (samples == 0)
		example();
	else
		mixture(samples);
	assert_int_equal(columns_encode(c, g.columns, g.count, &out), 0);
	for (size_t len = 0; len < out.len; len++) {
		char *copy = exact(&out, len);
		assert_true(refused(c, copy, len));
		free(copy);
	}
	char *copy = exact(&out, out.len);
	for (size_t bit = 0; bit < out.len * 8; bit++) {
		copy[bit / 8] = (char)(copy[bit / 8] ^ (1 << (bit % 8)));
		refused(c, copy, out.len);
		copy[bit / 8] = (char)(copy[bit / 8] ^ (1 << (bit % 8)));
	}
	assert_false(refused(c, copy, out.len));
	free(copy);
	buf_byte(&out, 0);
	assert_true(refused(c, out.ptr, out.len));
	buf_free(&out);
	columns_coder_free(c);
}

static void test_damaged(void **state)
{
	(void)state;
	check_damaged(0);
	check_damaged(25);
	check_damaged(100);
}

/* Each allocation fails once: the error is said, nothing is lost, and the next call does it. */
static void test_memory(void **state)
{
	(void)state;
	struct buf out = {0};
	struct error err = {0};
	uint32_t failed = 0;

	mixture(200);
	for (uint64_t nth = 1;; nth++) {
		struct column got[COLUMNS_SERIES];
		struct arena arena;
		arena_init(&arena);
		fault_set(FAULT_MALLOC, nth, false, ENOMEM);
		struct columns_coder *c = columns_coder_new(1);
		buf_free(&out);
		int rc = c == NULL ? -ENOMEM : columns_encode(c, g.columns, g.count, &out);
		if (rc == 0)
			rc = columns_decode(c, buf_slice(&out), UINT64_MAX, &arena, got, &err);
		fault_clear();
		arena_deinit(&arena);
		assert_true(rc == 0 || rc == -ENOMEM);
		if (c != NULL) {
			buf_free(&out);
			assert_int_equal(columns_encode(c, g.columns, g.count, &out), 0);
			check_decode(c, buf_slice(&out), UINT64_MAX);
		}
		columns_coder_free(c);
		failed += rc != 0;
		if (rc == 0)
			break;
	}
	assert_true(failed > 10);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_constant),   cmocka_unit_test(test_few_samples),
	    cmocka_unit_test(test_same),       cmocka_unit_test(test_stretches),
	    cmocka_unit_test(test_decimals),   cmocka_unit_test(test_sums),
	    cmocka_unit_test(test_odd_values), cmocka_unit_test(test_any_bits),
	    cmocka_unit_test(test_buckets),    cmocka_unit_test(test_long),
	    cmocka_unit_test(test_golden),     cmocka_unit_test(test_golden_compressed),
	    cmocka_unit_test(test_damaged),    cmocka_unit_test(test_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

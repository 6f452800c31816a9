/* Head chunks: what was appended is read, bit for bit, whatever it was; beside a writer; and damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "tsdb/chunk.h"

/* A chunk with memory of exactly its capacity, so that AddressSanitizer sees who leaves it. */
struct chunk {
	struct chunk_writer w;
	uint32_t grown;
};

static uint64_t bits_of(double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof bits);
	return bits;
}

static void grow(struct chunk *c)
{
	uint32_t room = chunk_room(&c->w);
	_Atomic uint64_t *words = malloc(room * sizeof *words);

	assert_non_null(words);
	assert_true(room > c->w.capacity && room <= CHUNK_WORDS_MAX);
	for (uint32_t i = 0; i < room; i++)
		words[i] = UINT64_C(0xdeadbeefdeadbeef); /* need not be zeroed */
	for (uint32_t i = 0; i < chunk_words(&c->w); i++)
		words[i] = c->w.words[i];
	free(c->w.words);
	c->w.words = words;
	c->w.capacity = (uint16_t)room;
	c->grown++;
}

static void append(struct chunk *c, int64_t time_ms, uint64_t value)
{
	struct chunk_writer before = c->w;

	if (chunk_append(&c->w, time_ms, value))
		return;
	assert_memory_equal(&before, &c->w, sizeof before);
	grow(c);
	assert_true(chunk_append(&c->w, time_ms, value));
}

static void reset(struct chunk *c)
{
	free(c->w.words);
	*c = (struct chunk){0};
}

/* Its summary is that of its samples, added one by one. */
static void check_summary(const struct chunk *c, const int64_t *times, const uint64_t *values, uint32_t count)
{
	struct chunk_summary want, got;

	summary_init(&want);
	for (uint32_t i = 0; i < count; i++)
		summary_add(&want, times[i], values[i]);
	memset(&got, 0xee, sizeof got);
	assert_true(chunk_summarize(c->w.words, chunk_words(&c->w), count, &got));
	assert_memory_equal(&got, &want, sizeof got);
	assert_true(count == 0 || chunk_first_ms(c->w.words) == times[0]);
}

/* Appends the samples and reads them at every step. Returns the bits that they took. */
static uint32_t check(const int64_t *times, const uint64_t *values, uint32_t count)
{
	struct chunk c = {0};
	int64_t t[CHUNK_SAMPLES];
	uint64_t v[CHUNK_SAMPLES];

	for (uint32_t n = 1; n <= count; n++) {
		append(&c, times[n - 1], values[n - 1]);
		assert_int_equal(c.w.count, n);
		assert_int_equal(chunk_read(c.w.words, chunk_words(&c.w), n, t, v), n);
		assert_memory_equal(t, times, n * sizeof *t);
		assert_memory_equal(v, values, n * sizeof *v);
		check_summary(&c, times, values, n);
	}
	uint32_t bits = c.w.bits;
	reset(&c);
	return bits;
}

static void test_regular(void **state)
{
	(void)state;
	int64_t times[CHUNK_SAMPLES];
	uint64_t values[CHUNK_SAMPLES];

	for (uint32_t i = 0; i < CHUNK_SAMPLES; i++) {
		times[i] = INT64_C(1767225600000) + i * 15000;
		values[i] = bits_of(42);
	}
	/* The words before the stream, and the first delta: one bit, six of its width, fifteen of zigzag(15000). */
	assert_int_equal(check(times, values, CHUNK_SAMPLES), 6 * 64 + 22);
	for (uint32_t i = 0; i < CHUNK_SAMPLES; i++)
		values[i] = bits_of(1000.0 + i * 3);
	assert_true(check(times, values, CHUNK_SAMPLES) < 6 * 64 + 22 + CHUNK_SAMPLES * 14);
}

/* The times and values that break arithmetic, each beside each. */
static void test_extremes(void **state)
{
	(void)state;
	static const int64_t times[] = {
	    0, 1, -1, INT64_MAX, INT64_MIN, INT64_MIN + 1, INT64_MAX - 1, 4102444800000, -62135596800000};
	const uint64_t values[] = {0,
	                           bits_of(-0.0),
	                           bits_of(INFINITY),
	                           bits_of(-INFINITY),
	                           SAMPLE_STALE_BITS,
	                           UINT64_C(0x7ff8000000000001),
	                           UINT64_C(0xfff4000000000123),
	                           UINT64_MAX,
	                           bits_of(DBL_MAX),
	                           bits_of(DBL_TRUE_MIN),
	                           1};
	enum { TIMES = sizeof times / sizeof *times, VALUES = sizeof values / sizeof *values };
	int64_t t[CHUNK_SAMPLES];
	uint64_t v[CHUNK_SAMPLES];

	for (uint32_t stride = 1; stride < 40; stride++) {
		for (uint32_t i = 0; i < CHUNK_SAMPLES; i++) {
			t[i] = times[i * stride % TIMES];
			v[i] = values[i * stride / 3 % VALUES];
		}
		check(t, v, CHUNK_SAMPLES);
	}
}

/* The widest samples that there are fit into CHUNK_WORDS_MAX. */
static void test_widest(void **state)
{
	(void)state;
	int64_t times[CHUNK_SAMPLES];
	uint64_t values[CHUNK_SAMPLES];
	uint64_t seed = 7;

	for (int round = 0; round < 200; round++) {
		for (uint32_t i = 0; i < CHUNK_SAMPLES; i++) {
			seed = hash_mix(seed, i);
			times[i] = (int64_t)(seed >> (round % 60));
			values[i] = hash_mix(seed, 1) >> (seed % 64) << (seed / 64 % 64);
			if (round % 2 == 0) /* changed wholly, then in one bit */
				values[i] = i % 2 == 0 ? UINT64_C(1) << 63 | 1 : 1;
		}
		assert_true(check(times, values, CHUNK_SAMPLES) <= CHUNK_WORDS_MAX * 64);
	}
}

/* FORMAT.md's example, as it stands there. */
static void test_golden(void **state)
{
	(void)state;
	struct chunk c = {0};
	FILE *f = fopen(TEST_DIR "/golden/chunk.bin", "rb");
	unsigned char golden[CHUNK_WORDS_MAX * 8], own[CHUNK_WORDS_MAX * 8];

	assert_non_null(f);
	size_t len = fread(golden, 1, sizeof golden, f);
	fclose(f);
	append(&c, 1767225600000, bits_of(17));
	append(&c, 1767225615000, bits_of(17));
	append(&c, 1767225630002, bits_of(18));
	append(&c, 1767225645000, bits_of(21.5));
	append(&c, 1767225660000, SAMPLE_STALE_BITS);
	for (uint32_t i = 0; i < chunk_words(&c.w) * 8; i++)
		own[i] = (unsigned char)(c.w.words[i / 8] >> (i % 8 * 8));
	assert_int_equal(len, chunk_words(&c.w) * 8);
	assert_memory_equal(own, golden, len);
	reset(&c);
}

/* Cut short or with a bit flipped, a chunk is read or is not; nothing outside is touched. */
static void test_damaged(void **state)
{
	(void)state;
	struct chunk c = {0};
	int64_t t[CHUNK_SAMPLES];
	uint64_t v[CHUNK_SAMPLES];

	for (uint32_t i = 0; i < CHUNK_SAMPLES; i++)
		append(&c, i * 15000 + i * i % 7, i % 3 == 0 ? hash_mix(i, 1) : bits_of(i));
	uint32_t count = chunk_words(&c.w);
	for (uint32_t cut = 0; cut < count; cut++) {
		_Atomic uint64_t *part = malloc(cut * sizeof *part + 1);
		assert_non_null(part);
		for (uint32_t i = 0; i < cut; i++)
			part[i] = c.w.words[i];
		assert_true(chunk_read(part, cut, CHUNK_SAMPLES, t, v) < CHUNK_SAMPLES);
		assert_false(chunk_summarize(part, cut, CHUNK_SAMPLES, &(struct chunk_summary){0}));
		free(part);
	}
	for (uint32_t bit = 0; bit < count * 64; bit++) {
		c.w.words[bit / 64] ^= UINT64_C(1) << (bit % 64);
		uint32_t read = chunk_read(c.w.words, count, CHUNK_SAMPLES, t, v);
		assert_true(read <= CHUNK_SAMPLES);
		c.w.words[bit / 64] ^= UINT64_C(1) << (bit % 64);
	}
	c.w.words[3] ^= UINT64_C(3) << 56; /* another sample type */
	assert_int_equal(chunk_read(c.w.words, count, CHUNK_SAMPLES, t, v), 0);
	reset(&c);
}

/* ---- beside a writer ---- */

enum { ROUNDS = 300, READERS = 3 };

/* One chunk after another, each in words of its own; what is published is where it is and how much of it is there, count in the lowest byte. */
struct shared {
	_Atomic uint64_t words[ROUNDS][CHUNK_WORDS_MAX];
	_Atomic uint64_t published;
	_Atomic bool wrong;
	_Atomic uint32_t reads;
};

static int64_t time_of(uint32_t round, uint32_t i)
{
	return (int64_t)(round * 1000000 + i * 5000 + (round % 2) * (hash_mix(i, round) % 5));
}

static uint64_t value_of(uint32_t round, uint32_t i)
{
	uint32_t level = i / (1 + round % 5);

	return round % 3 == 0 ? hash_mix(i, round) : bits_of(level * 0.25);
}

static void *read_beside(void *arg)
{
	struct shared *s = arg;
	int64_t t[CHUNK_SAMPLES];
	uint64_t v[CHUNK_SAMPLES];
	uint64_t seen;

	do {
		seen = atomic_load_explicit(&s->published, memory_order_acquire);
		uint32_t round = (uint32_t)(seen >> 8), count = seen & 0xff;
		bool good = chunk_read(s->words[round], CHUNK_WORDS_MAX, count, t, v) == count;
		for (uint32_t i = 0; good && i < count; i++)
			good = t[i] == time_of(round, i) && v[i] == value_of(round, i);
		if (!good)
			s->wrong = true;
		atomic_fetch_add(&s->reads, 1);
	} while (seen < ((uint64_t)(ROUNDS - 1) << 8 | CHUNK_SAMPLES));
	return NULL;
}

static void test_beside_a_writer(void **state)
{
	(void)state;
	static struct shared s;
	pthread_t readers[READERS];

	for (uint32_t i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, read_beside, &s), 0);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		struct chunk_writer w = {.words = s.words[round], .capacity = CHUNK_WORDS_MAX};
		for (uint32_t i = 0; i < CHUNK_SAMPLES; i++) {
			assert_true(chunk_append(&w, time_of(round, i), value_of(round, i)));
			atomic_store_explicit(&s.published, (uint64_t)round << 8 | (i + 1), memory_order_release);
		}
	}
	for (uint32_t i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	assert_false(s.wrong);
	assert_true(s.reads >= READERS);
}

/* ---- summaries ---- */

static void same(double a, double b)
{
	assert_true(a == b || (isnan(a) && isnan(b)));
}

/* Any split in two says the same as the whole, and the whole what the samples say. */
static void test_summary(void **state)
{
	(void)state;
	const double values[] = {5, 7, 7, 2, 4, 4, 9, 1, 1.5};
	struct chunk_summary all;
	enum { COUNT = sizeof values / sizeof *values };

	summary_init(&all);
	assert_int_equal(all.count, 0);
	same(all.first, NAN);
	for (int i = 0; i < COUNT; i++)
		summary_add(&all, i * 10, bits_of(values[i]));
	same(all.first, 5);
	same(all.last, 1.5);
	same(all.min, 1);
	same(all.max, 9);
	same(all.fallen, 7 + 9);
	same(summary_increase(&all), 2 + 2 + 2 + 5 + 1 + 0.5);
	assert_int_equal(all.first_ms, 0);
	assert_int_equal(all.last_ms, (COUNT - 1) * 10);
	for (int split = 0; split <= COUNT; split++) {
		struct chunk_summary a, b;
		summary_init(&a);
		summary_init(&b);
		for (int i = 0; i < COUNT; i++)
			summary_add(i < split ? &a : &b, i * 10, bits_of(values[i]));
		summary_join(&a, &b);
		assert_memory_equal(&a, &all, sizeof a);
	}
}

static void test_summary_stale(void **state)
{
	(void)state;
	struct chunk_summary s, t;

	summary_init(&s);
	summary_add(&s, 10, SAMPLE_STALE_BITS);
	assert_int_equal(s.count, 1);
	assert_int_equal(s.stale, 1);
	same(s.first, NAN);
	same(s.min, NAN);
	same(s.fallen, 0);
	summary_add(&s, 20, bits_of(3));
	summary_add(&s, 30, SAMPLE_STALE_BITS);
	same(s.first, 3);
	same(s.last, 3);
	same(summary_increase(&s), 0);
	assert_int_equal(s.first_ms, 10);
	assert_int_equal(s.last_ms, 30);
	summary_init(&t);
	summary_add(&t, 40, bits_of(1)); /* a fall over the marker */
	summary_join(&s, &t);
	same(summary_increase(&s), 1);
	same(s.min, 1);
	same(s.max, 3);
	assert_int_equal(s.count, 4);
	assert_int_equal(s.stale, 2);
}

static void test_summary_nan(void **state)
{
	(void)state;
	struct chunk_summary s;

	summary_init(&s);
	summary_add(&s, 1, bits_of(5));
	summary_add(&s, 2, UINT64_C(0x7ff8000000000001));
	same(summary_increase(&s), NAN);
	same(s.min, 5);
	same(s.max, 5);
	summary_add(&s, 3, bits_of(2)); /* the NaN hides the fall, as in PromQL */
	same(summary_increase(&s), -3);
	same(s.min, 2);
	summary_init(&s);
	summary_add(&s, 1, UINT64_C(0x7ff8000000000001));
	same(s.min, NAN);
	assert_int_equal(bits_of(s.first), UINT64_C(0x7ff8000000000001));
	summary_add(&s, 2, bits_of(2));
	same(s.min, 2);
	same(summary_increase(&s), NAN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_regular),     cmocka_unit_test(test_extremes),
	    cmocka_unit_test(test_widest),      cmocka_unit_test(test_golden),
	    cmocka_unit_test(test_damaged),     cmocka_unit_test(test_beside_a_writer),
	    cmocka_unit_test(test_summary),     cmocka_unit_test(test_summary_stale),
	    cmocka_unit_test(test_summary_nan),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

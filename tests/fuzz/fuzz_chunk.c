/* Head chunks: any bytes as a chunk, and any samples through one and back. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "tsdb/chunk.h"

/* What was read goes here, so that it is looked at. */
static volatile uint64_t sink;

/* The summary is that of the samples, where all of them are there. */
static void check_summary(const _Atomic uint64_t *words, uint32_t word_count, uint32_t count, const int64_t *times,
                          const uint64_t *values, uint32_t read)
{
	struct chunk_summary got, want;

	CHECK(chunk_summarize(words, word_count, count, &got) == (read == count));
	summary_init(&want);
	for (uint32_t i = 0; i < read; i++)
		summary_add(&want, times[i], values[i]);
	CHECK(read != count || memcmp(&got, &want, sizeof got) == 0);
}

/* The bytes as words, in memory of exactly their length. */
static void read_any(const uint8_t *data, size_t size, uint32_t count)
{
	uint32_t words = (uint32_t)(size / 8);
	_Atomic uint64_t *copy = mem_alloc(words * 8 + 1);
	int64_t times[CHUNK_SAMPLES];
	uint64_t values[CHUNK_SAMPLES];
	uint64_t sum = 0;

	CHECK(copy != NULL);
	memcpy((void *)copy, data, words * 8);
	uint32_t n = chunk_read(copy, words, count, times, values);
	CHECK(n <= count);
	for (uint32_t i = 0; i < n; i++)
		sum += (uint64_t)times[i] + values[i];
	sink = sum;
	check_summary(copy, words, count, times, values, n);
	mem_free((void *)copy);
}

/* A sample of one to seventeen bytes: what kind it is of, then what it has beyond the last one. */
static size_t next_sample(const uint8_t *data, size_t size, int64_t *time, uint64_t *value)
{
	uint64_t t = 0, v = 0;
	size_t time_bytes = data[0] & 15, value_bytes = data[0] >> 4;

	time_bytes = time_bytes > 8 ? 0 : time_bytes;
	value_bytes = value_bytes > 8 ? 0 : value_bytes;
	if (size < 1 + time_bytes + value_bytes)
		return size;
	memcpy(&t, data + 1, time_bytes);
	memcpy(&v, data + 1 + time_bytes, value_bytes);
	*time = (int64_t)((uint64_t)*time + t + (time_bytes < 8 ? 15000 : 0));
	*value ^= value_bytes < 4 ? v << 40 : v;
	return 1 + time_bytes + value_bytes;
}

static void round_trip(const uint8_t *data, size_t size)
{
	_Atomic uint64_t words[CHUNK_WORDS_MAX];
	struct chunk_writer w = {.words = words, .capacity = CHUNK_WORDS_MAX};
	int64_t times[CHUNK_SAMPLES], got_times[CHUNK_SAMPLES], time = 0;
	uint64_t values[CHUNK_SAMPLES], got_values[CHUNK_SAMPLES], value = 0;

	for (uint32_t i = 0; i < CHUNK_SAMPLES && size > 0; i++) {
		size_t used = next_sample(data, size, &time, &value);
		data += used;
		size -= used;
		times[i] = time;
		values[i] = value;
		CHECK(chunk_append(&w, time, value));
	}
	CHECK(chunk_read(words, chunk_words(&w), w.count, got_times, got_values) == w.count);
	CHECK(memcmp(times, got_times, w.count * sizeof *times) == 0);
	CHECK(memcmp(values, got_values, w.count * sizeof *values) == 0);
	check_summary(words, chunk_words(&w), w.count, times, values, w.count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	read_any(data + 1, size - 1, data[0] % (CHUNK_SAMPLES + 1));
	round_trip(data, size);
	return 0;
}

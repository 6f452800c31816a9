/* Groups of columns: any bytes as a group; the same bytes as its five parts, not compressed, so that the fuzzer need not find their lengths; and any samples through a group and back. */
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "record/samples.h"
#include "tsdb/columns.h"

enum { SAMPLES = 4096 };

/* What was decoded goes here, so that it is looked at. */
static volatile uint64_t sink;

/* A place in the columns, which need not agree with what all of them say where no encoder has made them. */
static void cut(struct columns_coder *c, struct slice bytes, uint64_t wanted, int64_t time_ms)
{
	struct column_cut out[COLUMNS_SERIES] = {0};
	struct error err = {0};
	struct arena arena;
	uint64_t sum = 0;

	arena_init(&arena);
	if (columns_decode_cut(c, bytes, wanted, time_ms, &arena, out, &err) == 0) {
		for (uint32_t i = 0; i < COLUMNS_SERIES; i++) {
			CHECK(out[i].index <= out[i].count);
			sum += out[i].before + out[i].at;
			if (out[i].index < out[i].count)
				sum += (uint64_t)out[i].times_ms[out[i].index];
		}
	} else {
		CHECK(err.code < 0 && err.text[0] != '\0');
	}
	sink = sum;
	arena_deinit(&arena);
}

/* Decodes, and looks at every sample. Groups without any limit but the format's own may be of 2^20 samples; these are touched too. */
static void decode(struct columns_coder *c, struct slice bytes, uint64_t wanted)
{
	struct column out[COLUMNS_SERIES] = {0};
	struct error err = {0};
	struct arena arena;
	uint64_t sum = 0;

	arena_init(&arena);
	if (columns_decode(c, bytes, wanted, &arena, out, &err) == 0) {
		for (uint32_t i = 0; i < COLUMNS_SERIES; i++) {
			for (uint32_t k = 0; k < out[i].count; k++)
				sum += (uint64_t)out[i].times_ms[k] + out[i].values[k];
		}
	} else {
		CHECK(err.code < 0 && err.text[0] != '\0');
	}
	sink = sum;
	arena_deinit(&arena);
}

/* Cuts the bytes into the five parts: the first two bytes say where, roughly. */
static void decode_parts(struct columns_coder *c, const uint8_t *data, size_t size)
{
	struct buf group = {0};

	if (size < 7)
		return;
	buf_byte(&group, SAMPLE_FLOAT);
	buf_byte(&group, (char)data[0]);
	const uint8_t *at = data + 6, *end = data + size;
	for (int i = 0; i < 5; i++) {
		size_t left = (size_t)(end - at), len = i == 4 || data[1 + i] > left ? left : data[1 + i];
		for (int k = 0; k < 2; k++) { /* the length, twice, as two bytes and a third */
			buf_byte(&group, (char)(len | 0x80));
			buf_byte(&group, (char)(len >> 7 | 0x80));
			buf_byte(&group, (char)(len >> 14));
		}
		buf_append(&group, at, len);
		at += len;
	}
	CHECK(!buf_failed(&group));
	decode(c, buf_slice(&group), UINT64_MAX);
	cut(c, buf_slice(&group), UINT64_MAX, data[0]);
	buf_free(&group);
}

/* A sample by a byte or more: how the last one changes. */
static size_t next_sample(const uint8_t *data, size_t size, int64_t *time, uint64_t *value)
{
	double number;
	uint64_t bits = 0;
	int64_t step = 15000 + (data[0] >> 3 & 3);

	*time = *time > INT64_MAX - step ? *time : *time + step;
	memcpy(&number, value, sizeof number);
	switch (data[0] & 7) {
	case 0:
		return 1;
	case 1: /* any bits */
		memcpy(value, data + 1, size < 9 ? size - 1 : 8);
		return size < 9 ? size : 9;
	case 2:
		*value = SAMPLE_STALE_BITS;
		return 1;
	case 3: /* far away */
		memcpy(&bits, data + 1, size < 9 ? size - 1 : 8);
		*time = (int64_t)((uint64_t)*time + ((UINT64_MAX >> 1) - (uint64_t)*time) / 2 * (bits & 1));
		return size < 9 ? size : 9;
	case 4:
		number += 0.01 * (data[0] >> 3);
		break;
	case 5:
		number -= data[0] >> 3;
		break;
	case 6:
		number = 0;
		break;
	default:
		number += 1e6 * (data[0] >> 3) + 0.5;
	}
	memcpy(value, &number, sizeof number);
	return 1;
}

/* Beside some sample of the first column: every column says what its samples do, where their times rise. */
static void check_cut(struct columns_coder *c, struct slice bytes, const struct column *columns, uint32_t count)
{
	struct column_cut out[COLUMNS_SERIES] = {0};
	struct error err = {0};
	struct arena arena;
	int64_t at = columns[0].count > 0 ? columns[0].times_ms[columns[0].count / 3] : 0;

	arena_init(&arena);
	CHECK(columns_decode_cut(c, bytes, UINT64_MAX, at, &arena, out, &err) == 0);
	for (uint32_t i = 0; i < count; i++) {
		const struct column *col = &columns[i];
		CHECK(out[i].count == col->count);
		CHECK(out[i].index == 0 || out[i].before == col->values[out[i].index - 1]);
		CHECK(out[i].index == col->count || out[i].at == col->values[out[i].index]);
	}
	arena_deinit(&arena);
}

static void check_group(struct columns_coder *c, const struct column *columns, uint32_t count)
{
	struct column out[COLUMNS_SERIES] = {0};
	struct buf bytes = {0};
	struct error err = {0};
	struct arena arena;

	arena_init(&arena);
	CHECK(columns_encode(c, columns, count, &bytes) == 0);
	CHECK(columns_decode(c, buf_slice(&bytes), UINT64_MAX, &arena, out, &err) == 0);
	for (uint32_t i = 0; i < count; i++) {
		CHECK(out[i].count == columns[i].count);
		if (out[i].count > 0) {
			CHECK(memcmp(out[i].times_ms, columns[i].times_ms, out[i].count * sizeof *out[i].times_ms) ==
			      0);
			CHECK(memcmp(out[i].values, columns[i].values, out[i].count * sizeof *out[i].values) == 0);
		}
	}
	check_cut(c, buf_slice(&bytes), columns, count);
	arena_deinit(&arena);
	buf_free(&bytes);
}

static void round_trip(struct columns_coder *c, const uint8_t *data, size_t size)
{
	static int64_t times[SAMPLES];
	static uint64_t values[SAMPLES];
	struct column columns[COLUMNS_SERIES];
	uint32_t used = 0, count = 1 + data[0] % COLUMNS_SERIES, length = 1 + data[1] % 200;

	data += 2;
	size -= 2;
	for (uint32_t i = 0; i < count; i++) {
		int64_t time = i % 3 == 0 ? INT64_MIN + i : INT64_C(1767225600000);
		uint64_t value = 0;
		columns[i] = (struct column){times + used, values + used, 0};
		while (size > 0 && columns[i].count < length && used < SAMPLES) {
			size_t eaten = next_sample(data, size, &time, &value);
			data += eaten;
			size -= eaten;
			times[used] = time;
			values[used++] = value;
			columns[i].count++;
		}
		if (size == 0 && i > 0 && columns[i].count == 0) /* the last ones repeat the first, cut */
			columns[i] = (struct column){columns[0].times_ms + columns[0].count / 2,
			                             columns[0].values + columns[0].count / 4,
			                             columns[0].count - columns[0].count / 2};
	}
	check_group(c, columns, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct columns_coder *c;

	if (c == NULL)
		c = columns_coder_new(1);
	CHECK(c != NULL);
	if (size < 2)
		return 0;
	decode(c, slice_new((const char *)data, size), UINT64_MAX);
	decode(c, slice_new((const char *)data, size), UINT64_C(0x8421084210842108));
	cut(c, slice_new((const char *)data, size), UINT64_MAX, 0);
	decode_parts(c, data, size);
	round_trip(c, data, size);
	return 0;
}

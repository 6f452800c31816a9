/* Any bytes as a body of remote_write. The first byte says the version, and whether the rest is a Snappy block. What is taken is in order, within the limits and costs no more memory than ingest.h says; an
 * error always has a sentence. Decoding again gives the same. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/snappy.h"
#include "ingest/ingest.h"
#include "record/labels.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SNAPPY_MAX = 1 << 20 };

static const struct ingest_sample_limits limits = {
    .series = 20000, .samples = 100000, .exemplars = 10000, .metadata = 10000, .label_bytes = 4 << 20};

static void check_series(const struct sample_series *s, uint32_t count)
{
	struct labels_found found;
	struct slice rest = s->labels;

	CHECK(labels_take(&rest, &found) && rest.len == 0 && found.metric_name.len > 0);
	CHECK(s->hash == labels_hash(s->labels) && s->index < count);
	CHECK(s->sample_count + s->exemplar_count > 0);
	for (uint32_t i = 0; i < s->exemplar_count; i++)
		CHECK(labels_check(s->exemplars[i].labels, NULL, NULL) == 0);
}

static void check_batch(const struct sample_batch *b, const struct ingest_rejects *rejects, size_t size)
{
	uint64_t samples = 0, exemplars = 0;

	CHECK(b->series_count <= limits.series && b->sample_count <= limits.samples);
	CHECK(b->exemplar_count <= limits.exemplars && b->metadata_count <= limits.metadata);
	CHECK(sample_batch_bytes(b) + rejects->cap * sizeof *rejects->items <=
	      16 * size + (1 << 20) + limits.label_bytes);
	for (uint32_t i = 0; i < b->series_count; i++) {
		check_series(&b->series[i], (uint32_t)size);
		CHECK(i == 0 || b->series[i].index > b->series[i - 1].index);
		samples += b->series[i].sample_count;
		exemplars += b->series[i].exemplar_count;
	}
	CHECK(samples == b->sample_count && exemplars == b->exemplar_count);
	for (uint32_t i = 0; i < b->metadata_count; i++)
		CHECK(b->metadata[i].name.len > 0 && b->metadata[i].type <= METADATA_STATESET);
}

static void decode(struct slice body, enum ingest_remote_write version)
{
	struct sample_batch *b = sample_batch_new();
	uint64_t hash = 0;

	for (int run = 0; run < 2; run++) {
		struct ingest_rejects rejects = {0};
		struct error err = {0};
		uint64_t sum = 0;
		int code = ingest_remote_write(b, body, version, &limits, &rejects, &err);
		CHECK(code == 0 || code == -EINVAL || code == -EFBIG);
		CHECK((code == 0) == (err.text[0] == '\0'));
		if (code == 0)
			check_batch(b, &rejects, body.len);
		for (uint32_t i = 0; code == 0 && i < b->series_count; i++)
			sum = sum * 31 + b->series[i].hash + b->series[i].sample_count;
		CHECK(run == 0 || sum == hash);
		hash = sum;
		ingest_rejects_free(&rejects);
		sample_batch_reset(b, 64 << 10);
	}
	sample_batch_free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = size - 1;

	if (size == 0)
		return 0;
	struct slice sent = slice_new((const char *)data + 1, size - 1);
	bool packed = data[0] & 2;
	if (packed && snappy_block_length(sent, SNAPPY_MAX, &len) != 0)
		return 0;
	char *body = mem_alloc(len + INGEST_PADDING);
	CHECK(body != NULL);
	if (!packed && len > 0)
		memcpy(body, sent.ptr, len);
	memset(body + len, 0x0a, INGEST_PADDING);
	if (!packed || snappy_block_decode(sent, body, len) == 0)
		decode(slice_new(body, len), data[0] & 1 ? INGEST_REMOTE_WRITE_2 : INGEST_REMOTE_WRITE_1);
	mem_free(body);
	return 0;
}

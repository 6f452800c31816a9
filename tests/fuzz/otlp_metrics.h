/* What the fuzz targets of OTLP metrics hold of both encodings: what is taken is in order, within the limits and costs no more memory than ingest.h says; an error always has a sentence. Decoding again gives
 * the same. */
#ifndef MOONGATE_FUZZ_OTLP_METRICS_H
#define MOONGATE_FUZZ_OTLP_METRICS_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "ingest/ingest.h"
#include "record/labels.h"

static const struct ingest_sample_limits limits = {
    .series = 20000, .samples = 100000, .exemplars = 10000, .metadata = 10000, .label_bytes = 4 << 20};

static inline void check_series(const struct sample_series *s)
{
	struct labels_found found;
	struct slice rest = s->labels;

	CHECK(labels_take(&rest, &found) && rest.len == 0 && found.metric_name.len > 0);
	CHECK(s->hash == labels_hash(s->labels) && s->sample_count == 1);
	for (uint32_t i = 0; i < s->exemplar_count; i++)
		CHECK(labels_check(s->exemplars[i].labels, NULL, NULL) == 0);
}

static inline void check_batch(const struct sample_batch *b, const struct ingest_rejects *rejects, size_t size)
{
	uint64_t exemplars = 0;

	CHECK(b->series_count <= limits.series && b->sample_count == b->series_count);
	CHECK(b->exemplar_count <= limits.exemplars && b->metadata_count <= limits.metadata);
	CHECK(sample_batch_bytes(b) + rejects->cap * sizeof *rejects->items <=
	      16 * size + (1 << 20) + limits.label_bytes + (size_t)limits.series * 200);
	for (uint32_t i = 0; i < b->series_count; i++) {
		check_series(&b->series[i]);
		CHECK(i == 0 || b->series[i].index >= b->series[i - 1].index);
		exemplars += b->series[i].exemplar_count;
	}
	CHECK(exemplars == b->exemplar_count);
	for (uint32_t i = 0; i < b->metadata_count; i++)
		CHECK(b->metadata[i].name.len > 0 && b->metadata[i].type <= METADATA_STATESET);
}

static inline uint64_t digest(const struct sample_batch *b)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < b->series_count; i++) {
		uint64_t bits;
		memcpy(&bits, &b->series[i].samples[0].value, sizeof bits);
		sum = (sum + b->series[i].hash) * 31 + bits + (uint64_t)b->series[i].samples[0].time_ms;
	}
	return sum;
}

typedef int decoder(struct sample_batch *b, struct slice body, const struct ingest_sample_limits *limits,
                    struct ingest_rejects *rejects, struct error *err);

static inline void try_body(decoder *decode, const uint8_t *data, size_t size)
{
	struct sample_batch *b = sample_batch_new();
	char *body = mem_alloc(size + INGEST_PADDING);
	uint64_t before = 0;

	CHECK(b != NULL && body != NULL);
	if (size > 0)
		memcpy(body, data, size);
	memset(body + size, 0x0a, INGEST_PADDING);
	for (int run = 0; run < 2; run++) {
		struct ingest_rejects rejects = {0};
		struct error err = {0};
		int code = decode(b, slice_new(body, size), &limits, &rejects, &err);
		CHECK(code == 0 || code == -EINVAL || code == -EFBIG);
		CHECK((code == 0) == (err.text[0] == '\0'));
		if (code == 0)
			check_batch(b, &rejects, size);
		CHECK(run == 0 || code != 0 || digest(b) == before);
		before = digest(b);
		ingest_rejects_free(&rejects);
		sample_batch_reset(b, 64 << 10);
	}
	mem_free(body);
	sample_batch_free(b);
}

#endif

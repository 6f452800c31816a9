/* Any bytes as text exposition; the first one says whether it is OpenMetrics. What is taken is in order and costs no more memory than ingest.h says; written again, with its times, it is read the same. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "bounds.h"
#include "ingest/ingest.h"
#include "record/labels.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct ingest_sample_limits limits = {
    .series = 20000, .samples = 20000, .exemplars = 10000, .metadata = 10000};

static int decode(struct sample_batch *b, struct slice body, enum ingest_text format)
{
	struct ingest_rejects rejects = {0};
	struct error err = {0};

	int code = ingest_prometheus_text(b, body, format, 1, &limits, &rejects, &err);
	CHECK(code == 0 || code == -EINVAL || code == -EFBIG);
	CHECK((code == 0) == (err.text[0] == '\0'));
	CHECK(code != -EINVAL || strncmp(err.text, "line ", 5) == 0);
	CHECK(sample_batch_bytes(b) + rejects.cap * sizeof *rejects.items <= 32 * body.len + (1 << 20));
	ingest_rejects_free(&rejects);
	return code;
}

static void check_batch(const struct sample_batch *b, size_t size)
{
	CHECK(b->series_count == b->sample_count && b->sample_count <= limits.samples);
	for (uint32_t i = 0; i < b->series_count; i++) {
		const struct sample_series *s = &b->series[i];
		CHECK(s->sample_count == 1 && s->exemplar_count <= 1 && s->index < size);
		CHECK(i == 0 || s->index > b->series[i - 1].index);
		CHECK(s->hash == labels_hash(s->labels) && labels_check(s->labels, NULL, NULL) == 0);
		CHECK(labels_get(s->labels, LABEL_METRIC_NAME).len > 0);
		CHECK(s->exemplar_count == 0 || labels_check(s->exemplars[0].labels, NULL, NULL) == 0);
	}
}

/* In the older format, in which every series can be written. */
static void write_all(const struct sample_batch *b, struct buf *out)
{
	for (uint32_t i = 0; i < b->series_count; i++) {
		labels_text(b->series[i].labels, out);
		buf_byte(out, ' ');
		buf_number(out, b->series[i].samples[0].value);
		buf_byte(out, ' ');
		buf_int(out, b->series[i].samples[0].time_ms);
		buf_byte(out, '\n');
	}
}

static void compare(const struct sample_batch *a, const struct sample_batch *b)
{
	CHECK(a->series_count == b->series_count);
	for (uint32_t i = 0; i < a->series_count; i++) {
		CHECK(slice_eq(a->series[i].labels, b->series[i].labels));
		CHECK(memcmp(a->series[i].samples, b->series[i].samples, sizeof(struct sample)) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sample_batch *first = sample_batch_new(), *again = sample_batch_new();

	if (size > 0) {
		char *body = malloc(size);
		memcpy(body, data + 1, size - 1);
		enum ingest_text format = data[0] & 1 ? INGEST_OPENMETRICS : INGEST_TEXT;
		if (decode(first, slice_new(body, size - 1), format) == 0) {
			struct buf text = {0};
			check_batch(first, size);
			bounds_pause();
			write_all(first, &text);
			CHECK(decode(again, buf_slice(&text), INGEST_TEXT) == 0);
			compare(first, again);
			bounds_resume();
			buf_free(&text);
		}
		sample_batch_free(first);
		first = NULL;
		free(body);
	}
	sample_batch_free(first);
	sample_batch_free(again);
	return 0;
}

/* For tests of OTLP: messages of Protocol Buffers written by hand, and what is decoded of them as text, so that goldens can be read. */
#ifndef MOONGATE_TEST_OTLP_H
#define MOONGATE_TEST_OTLP_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/ingest.h"
#include "record/labels.h"

/* ---- writing ---- */

static inline void put_varint(struct buf *b, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		buf_byte(b, (char)(v | 0x80));
	buf_byte(b, (char)v);
}

static inline void put_int(struct buf *b, uint32_t field, uint64_t v)
{
	put_varint(b, field << 3);
	put_varint(b, v);
}

static inline void put_fixed(struct buf *b, uint32_t field, uint64_t v)
{
	put_varint(b, field << 3 | 1);
	for (int i = 0; i < 8; i++)
		buf_byte(b, (char)(v >> (8 * i)));
}

static inline void put_double(struct buf *b, uint32_t field, double v)
{
	uint64_t bits;
	memcpy(&bits, &v, sizeof bits);
	put_fixed(b, field, bits);
}

static inline void put_slice(struct buf *b, uint32_t field, struct slice s)
{
	put_varint(b, field << 3 | 2);
	put_varint(b, s.len);
	buf_slice_append(b, s);
}

static inline void put_text(struct buf *b, uint32_t field, const char *s)
{
	put_slice(b, field, slice_cstr(s));
}

/* A message, given back. */
static inline void put_message(struct buf *b, uint32_t field, struct buf m)
{
	put_slice(b, field, buf_slice(&m));
	buf_free(&m);
}

static inline struct buf attribute(const char *key, struct buf value)
{
	struct buf b = {0};
	put_text(&b, 1, key);
	put_message(&b, 2, value);
	return b;
}

static inline struct buf text_value(const char *s)
{
	struct buf b = {0};
	put_text(&b, 1, s);
	return b;
}

static inline struct buf text_attribute(const char *key, const char *value)
{
	return attribute(key, text_value(value));
}

static inline struct buf int_value(int64_t v)
{
	struct buf b = {0};
	put_int(&b, 3, (uint64_t)v);
	return b;
}

/* The fields of the kinds of metric. */
enum { GAUGE = 5, SUM = 7, HISTOGRAM = 9, EXPONENTIAL = 10, SUMMARY = 11, DELTA = 1, CUMULATIVE = 2 };

/* A Metric of one kind; what stands beside the points comes behind them, as real writers have it. */
static inline struct buf metric(const char *name, const char *unit, uint32_t kind, struct buf points, int temporality,
                                bool monotonic)
{
	struct buf b = {0};
	put_text(&b, 1, name);
	put_text(&b, 2, "what it is");
	put_text(&b, 3, unit);
	if (temporality != 0)
		put_int(&points, 2, (uint64_t)temporality);
	if (monotonic)
		put_int(&points, 3, 1);
	put_message(&b, kind, points);
	return b;
}

/* A body of one resource and one scope. Either may be empty. */
static inline struct buf body_of(struct buf resource, struct buf metrics)
{
	struct buf b = {0}, scope = {0}, scopes = {0}, all = {0};
	put_text(&scope, 1, "a scope");
	put_text(&scope, 2, "1.0");
	put_message(&scopes, 1, scope);
	buf_slice_append(&scopes, buf_slice(&metrics));
	buf_free(&metrics);
	put_message(&all, 1, resource);
	put_message(&all, 2, scopes);
	put_message(&b, 1, all);
	return b;
}

/* ---- decoding ---- */

struct decoded {
	struct sample_batch *batch;
	struct ingest_rejects rejects;
	struct error err;
	int code;
	char *body;
	struct buf text;
};

typedef int decoder(struct sample_batch *b, struct slice body, const struct ingest_sample_limits *limits,
                    struct ingest_rejects *rejects, struct error *err);

static inline void series_text(const struct sample_series *s, struct buf *out)
{
	labels_text(s->labels, out);
	for (uint32_t i = 0; i < s->sample_count; i++) {
		uint64_t bits;
		memcpy(&bits, &s->samples[i].value, sizeof bits);
		buf_byte(out, ' ');
		if (bits == SAMPLE_STALE_BITS)
			buf_str(out, "stale");
		else
			buf_number(out, s->samples[i].value);
		buf_printf(out, " @%lld", (long long)s->samples[i].time_ms);
	}
	if (s->created_ms != 0)
		buf_printf(out, " from %lld", (long long)s->created_ms);
	if (s->delta)
		buf_str(out, " delta");
	for (uint32_t i = 0; i < s->exemplar_count; i++) {
		buf_str(out, " # ");
		labels_text(s->exemplars[i].labels, out);
		buf_byte(out, ' ');
		buf_number(out, s->exemplars[i].value);
		buf_printf(out, " @%lld", (long long)s->exemplars[i].time_ms);
	}
	buf_byte(out, '\n');
}

/* Everything of a batch but indices; refusals in front. */
static inline void batch_text(struct decoded *d)
{
	for (uint32_t i = 0; i < d->rejects.count; i++)
		buf_printf(&d->text, "%u refused: %.*s\n", d->rejects.items[i].index,
		           SLICE_ARG(d->rejects.items[i].text));
	for (uint32_t i = 0; i < d->batch->metadata_count; i++) {
		const struct sample_metadata *m = &d->batch->metadata[i];
		buf_printf(&d->text, "%.*s type %d, \"%.*s\", %.*s\n", SLICE_ARG(m->name), m->type, SLICE_ARG(m->help),
		           SLICE_ARG(m->unit));
	}
	for (uint32_t i = 0; i < d->batch->series_count; i++)
		series_text(&d->batch->series[i], &d->text);
	buf_byte(&d->text, '\0');
}

static inline struct decoded decode_limited(decoder *decode, struct slice bytes,
                                            const struct ingest_sample_limits *limits)
{
	struct decoded d = {.batch = sample_batch_new(), .body = calloc(1, bytes.len + INGEST_PADDING)};
	if (bytes.len > 0)
		memcpy(d.body, bytes.ptr, bytes.len);
	d.code = decode(d.batch, slice_new(d.body, bytes.len), limits, &d.rejects, &d.err);
	memset(d.body, 0xff, bytes.len); /* nothing points into it */
	for (uint32_t i = 0; d.code == 0 && i < d.batch->series_count; i++) {
		const struct sample_series *s = &d.batch->series[i];
		assert_int_equal(labels_check(s->labels, NULL, NULL), 0);
		assert_true(s->hash == labels_hash(s->labels));
		assert_int_equal(s->sample_count, 1);
	}
	if (d.code == 0)
		batch_text(&d);
	return d;
}

static inline struct decoded decode(decoder *how, struct slice bytes)
{
	struct ingest_sample_limits limits;
	ingest_sample_limits_default(&limits);
	return decode_limited(how, bytes, &limits);
}

static inline void done(struct decoded *d)
{
	sample_batch_free(d->batch);
	ingest_rejects_free(&d->rejects);
	buf_free(&d->text);
	free(d->body);
}

/* Decodes a body, which is given back, and compares. */
static inline void gives(struct buf body, const char *want)
{
	struct decoded d = decode(ingest_otlp_metrics_protobuf, buf_slice(&body));
	assert_int_equal(d.code, 0);
	assert_string_equal(d.text.ptr, want);
	done(&d);
	buf_free(&body);
}

#endif

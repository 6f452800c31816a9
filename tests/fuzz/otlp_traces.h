/* What the fuzz targets of OTLP traces hold of both encodings: what is taken is a span as record/span.h has it and costs no more memory than a multiple of the body; an error always has a sentence. Decoding
 * again gives the same. */
#ifndef MOONGATE_FUZZ_OTLP_TRACES_H
#define MOONGATE_FUZZ_OTLP_TRACES_H

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "ingest/ingest.h"
#include "record/span.h"

static const struct ingest_span_limits limits = {
    .depth = 32, .values = 1000, .key_bytes = 64, .string_bytes = 4096, .span_bytes = 1 << 16, .spans = 1000};

static inline void check_id(const struct record *r, enum known_field field, uint32_t len)
{
	const struct value *v = record_known(r, field);

	CHECK(v != NULL && v->type == VALUE_STRING && v->len == len);
	CHECK(strspn(v->str, "0") < len);
}

static inline uint64_t check_batch(const struct batch *b, const struct ingest_rejects *rejects)
{
	uint64_t sum = 0;

	CHECK(b->count + rejects->count + rejects->unlisted <= limits.spans);
	for (uint32_t i = 0; i < b->count; i++) {
		const struct record *r = &b->records[i];
		struct buf text = {0};
		CHECK(r->kind == RECORD_SPAN && r->time_ns > 0 && slice_eq(record_type_name(r), SLICE(SPAN_TYPE)));
		check_id(r, KNOWN_TRACE_ID, 32);
		check_id(r, KNOWN_SPAN_ID, 16);
		record_json(&text, r);
		CHECK(!buf_failed(&text) && utf8_valid(buf_slice(&text), NULL));
		sum = sum * 31 + hash_bytes(text.ptr, text.len, 0);
		buf_free(&text);
	}
	return sum;
}

typedef int decoder(struct batch *b, struct slice body, const struct ingest_span_limits *limits,
                    struct ingest_rejects *rejects, struct error *err);

static inline void try_body(decoder *decode, const uint8_t *data, size_t size)
{
	struct batch *b = batch_new();
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
		CHECK(batch_bytes(b) <= 32 * size + (1 << 20));
		uint64_t now = code == 0 ? check_batch(b, &rejects) : 0;
		CHECK(run == 0 || now == before);
		before = now;
		ingest_rejects_free(&rejects);
		batch_reset(b, 64 << 10);
	}
	mem_free(body);
	batch_free(b);
}

#endif

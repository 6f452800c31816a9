/* What decoding a data point of OTLP costs, into series of a batch: sums of five attributes, twenty points a metric and one, and in JSON; histograms of fifteen bounds, which are eighteen series each;
 * exponential histograms, which are 133. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "ingest/ingest.h"

enum { POINTS = 2000, ATTRIBUTES = 5, BOUNDS = 15, ROUNDS = 100, PARTS = 10 };

static double cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* ---- writing Protocol Buffers ---- */

static void put_varint(struct buf *b, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		buf_byte(b, (char)(v | 0x80));
	buf_byte(b, (char)v);
}

static void put_fixed(struct buf *b, uint32_t field, uint64_t v)
{
	put_varint(b, field << 3 | 1);
	buf_append(b, &v, sizeof v);
}

static void put_double(struct buf *b, uint32_t field, double v)
{
	put_varint(b, field << 3 | 1);
	buf_append(b, &v, sizeof v);
}

static void put_slice(struct buf *b, uint32_t field, struct slice s)
{
	put_varint(b, field << 3 | 2);
	put_varint(b, s.len);
	buf_slice_append(b, s);
}

/* A message, given back. */
static void put_message(struct buf *b, uint32_t field, struct buf m)
{
	put_slice(b, field, buf_slice(&m));
	buf_free(&m);
}

static struct buf attribute(const char *key, const char *value)
{
	struct buf b = {0}, v = {0};
	put_slice(&b, 1, slice_cstr(key));
	put_slice(&v, 1, slice_cstr(value));
	put_message(&b, 2, v);
	return b;
}

static const char *const keys[ATTRIBUTES] = {"gen_ai.request.model", "gen_ai.operation.name", "status", "user.id",
                                             "server.address"};

static void put_attributes(struct buf *b, uint32_t field, uint32_t point)
{
	for (uint32_t i = 0; i < ATTRIBUTES; i++) {
		char value[48];
		snprintf(value, sizeof value, "%s-value-%u", keys[i], i == 3 ? point : point % (i + 2));
		put_message(b, field, attribute(keys[i], value));
	}
}

enum kind { SUM = 7, HISTOGRAM = 9, EXPONENTIAL = 10 };

static struct buf point(enum kind kind, uint32_t i)
{
	struct buf b = {0}, list = {0};
	put_fixed(&b, 2, UINT64_C(1700000000000000000));
	put_fixed(&b, 3, UINT64_C(1700000015000000000));
	if (kind == SUM) {
		put_double(&b, 4, 930.5 + i);
		put_attributes(&b, 7, i);
		return b;
	}
	put_fixed(&b, 4, i);
	put_double(&b, 5, 930.5 + i);
	if (kind == EXPONENTIAL) {
		put_attributes(&b, 1, i);
		put_varint(&b, 6 << 3);
		put_varint(&b, 3 * 2); /* scale 3, in zigzag */
		for (uint32_t k = 0; k < 100; k++)
			put_varint(&list, k % 7);
		struct buf buckets = {0};
		put_message(&buckets, 2, list);
		put_message(&b, 8, buckets);
		return b;
	}
	for (uint32_t k = 0; k <= BOUNDS; k++) {
		uint64_t count = k;
		buf_append(&list, &count, sizeof count);
	}
	put_message(&b, 6, list);
	list = (struct buf){0};
	for (uint32_t k = 0; k < BOUNDS; k++) {
		double bound = 0.005 * (1 << k);
		buf_append(&list, &bound, sizeof bound);
	}
	put_message(&b, 7, list);
	put_attributes(&b, 9, i);
	return b;
}

static struct buf body(enum kind kind, uint32_t points, uint32_t per_metric)
{
	struct buf b = {0}, all = {0}, resource = {0}, scope = {0};
	put_message(&resource, 1, attribute("service.name", "agent"));
	put_message(&resource, 1, attribute("service.instance.id", "0b5b0a3e-9c6c-4d0b-8a54-7a1d8a1c6d55"));
	put_message(&resource, 1, attribute("host.name", "box-1"));
	put_message(&all, 1, resource);
	for (uint32_t i = 0; i < points; i += per_metric) {
		struct buf metric = {0}, data = {0};
		char name[64];
		snprintf(name, sizeof name, "gen_ai.client.operation.m%u", i);
		put_slice(&metric, 1, slice_cstr(name));
		put_slice(&metric, 3, slice_cstr("s"));
		for (uint32_t k = 0; k < per_metric; k++)
			put_message(&data, 1, point(kind, i + k));
		put_varint(&data, 2 << 3);
		put_varint(&data, 2);
		put_message(&metric, kind, data);
		put_message(&scope, 2, metric);
	}
	put_message(&all, 2, scope);
	put_message(&b, 1, all);
	if (buf_room(&b, INGEST_PADDING) == NULL)
		exit(1);
	memset(b.ptr + b.len, 0, INGEST_PADDING);
	return b;
}

/* The same sums in JSON, as SDKs write it. */
static struct buf json_body(uint32_t points, uint32_t per_metric)
{
	struct buf b = {0};
	buf_str(
	    &b,
	    "{\"resourceMetrics\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":"
	    "\"agent\"}}]},\"scopeMetrics\":[{\"scope\":{\"name\":\"s\"},\"metrics\":[");
	for (uint32_t i = 0; i < points; i++) {
		if (i % per_metric == 0)
			buf_printf(&b,
			           "%s{\"name\":\"gen_ai.client.operation.m%u\",\"unit\":\"s\",\"sum\":{"
			           "\"aggregationTemporality\":2,\"isMonotonic\":false,\"dataPoints\":[",
			           i == 0 ? "" : "]}},", i);
		buf_printf(&b, "%s{\"attributes\":[", i % per_metric == 0 ? "" : ",");
		for (uint32_t k = 0; k < ATTRIBUTES; k++)
			buf_printf(&b, "%s{\"key\":\"%s\",\"value\":{\"stringValue\":\"%s-value-%u\"}}",
			           k == 0 ? "" : ",", keys[k], keys[k], k == 3 ? i : i % (k + 2));
		buf_printf(&b,
		           "],\"startTimeUnixNano\":\"1700000000000000000\",\"timeUnixNano\":\"1700000015000000000\","
		           "\"asDouble\":%u.5}",
		           930 + i);
	}
	buf_str(&b, "]}}]}]}]}");
	if (buf_room(&b, INGEST_PADDING) == NULL)
		exit(1);
	memset(b.ptr + b.len, 0, INGEST_PADDING);
	return b;
}

/* ---- measuring ---- */

typedef int decoder(struct sample_batch *b, struct slice body, const struct ingest_sample_limits *limits,
                    struct ingest_rejects *rejects, struct error *err);

static struct sample_batch *batch;

static void decode(const char *name, decoder *how, struct slice bytes, uint32_t points)
{
	struct ingest_sample_limits limits;
	struct ingest_rejects rejects = {0};
	ingest_sample_limits_default(&limits);
	limits.series = 1000000;
	limits.label_bytes = 256 << 20;
	sample_batch_reset(batch, 512 << 20);
	int code = how(batch, bytes, &limits, &rejects, NULL);
	if (code != 0 || batch->series_count < points) {
		fprintf(stderr, "%s is not taken\n", name);
		exit(1);
	}
}

static void measure(const char *name, decoder *how, struct buf b, uint32_t points, uint32_t per_metric)
{
	uint32_t rounds = ROUNDS / PARTS;
	double best = 1e18;
	for (int part = 0; part < PARTS; part++) {
		double began = cpu_ns();
		for (uint32_t i = 0; i < rounds; i++)
			decode(name, how, buf_slice(&b), points);
		double ns = (cpu_ns() - began) / rounds / points;
		best = ns < best ? ns : best;
	}
	printf("%-12s %2u a metric, %4zu bytes and %5.1f series a point  %8.1f ns a point  %6.1f ns a series\n", name,
	       per_metric, b.len / points, (double)batch->series_count / points, best,
	       best * points / batch->series_count);
	buf_free(&b);
}

int main(void)
{
	decoder *protobuf = ingest_otlp_metrics_protobuf;
	batch = sample_batch_new();
	if (batch == NULL)
		return 1;
	measure("sum", protobuf, body(SUM, POINTS, 20), POINTS, 20);
	measure("sum", protobuf, body(SUM, POINTS, 1), POINTS, 1);
	measure("sum, JSON", ingest_otlp_metrics_json, json_body(POINTS, 20), POINTS, 20);
	measure("histogram", protobuf, body(HISTOGRAM, POINTS, 20), POINTS, 20);
	measure("exponential", protobuf, body(EXPONENTIAL, POINTS / 10, 20), POINTS / 10, 20);
	sample_batch_free(batch);
	return 0;
}

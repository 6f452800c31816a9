/* What decoding a span of some 260 bytes costs: of model calls and tool calls in turn, ten spans a trace, a thousand a body; as Protocol Buffers, and journaled and read back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "ingest/ingest.h"
#include "journal/internal.h"

enum { SPANS = 1000, PER_TRACE = 10, ROUNDS = 100, PARTS = 10 };

static double cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* ---- the body ---- */

static void put_varint(struct buf *b, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		buf_byte(b, (char)(v | 0x80));
	buf_byte(b, (char)v);
}

static void put_slice(struct buf *b, uint32_t field, struct slice s)
{
	put_varint(b, field << 3 | 2);
	put_varint(b, s.len);
	buf_slice_append(b, s);
}

static void put_message(struct buf *b, uint32_t field, struct buf m)
{
	put_slice(b, field, buf_slice(&m));
	buf_free(&m);
}

static void put_fixed(struct buf *b, uint32_t field, uint64_t v)
{
	put_varint(b, field << 3 | 1);
	buf_append(b, &v, sizeof v);
}

static void put_attribute(struct buf *b, uint32_t field, const char *key, const char *text, uint64_t number)
{
	struct buf a = {0}, v = {0};
	if (text != NULL) {
		put_slice(&v, 1, slice_cstr(text));
	} else {
		put_varint(&v, 3 << 3);
		put_varint(&v, number);
	}
	put_slice(&a, 1, slice_cstr(key));
	put_message(&a, 2, v);
	put_message(b, field, a);
}

static void put_id(struct buf *b, uint32_t field, uint32_t len, uint64_t number)
{
	char id[16];
	for (uint32_t i = 0; i < len; i++)
		id[i] = (char)((number + 1) * UINT64_C(0x9e3779b97f4a7c15) >> (i % 8 * 8));
	put_slice(b, field, slice_new(id, len));
}

static struct buf span(uint32_t i)
{
	struct buf b = {0};
	bool call = i % 2 == 0;
	put_id(&b, 1, 16, i / PER_TRACE);
	put_id(&b, 2, 8, 1000000 + i);
	if (i % PER_TRACE != 0)
		put_id(&b, 4, 8, 1000000 + i / PER_TRACE * PER_TRACE);
	put_slice(&b, 5, call ? SLICE("chat gpt-4o") : SLICE("execute_tool search"));
	put_varint(&b, 6 << 3);
	put_varint(&b, call ? 3 : 1);
	put_fixed(&b, 7, UINT64_C(1700000000000000000) + i * UINT64_C(1234567));
	put_fixed(&b, 8, UINT64_C(1700000000000000000) + i * UINT64_C(1234567) + 987654 * (1 + i % 7));
	if (call) {
		put_attribute(&b, 9, "gen_ai.operation.name", "chat", 0);
		put_attribute(&b, 9, "gen_ai.request.model", "gpt-4o", 0);
		put_attribute(&b, 9, "gen_ai.usage.input_tokens", NULL, 1000 + i);
		put_attribute(&b, 9, "gen_ai.usage.output_tokens", NULL, 10 + i % 100);
		put_attribute(&b, 9, "server.address", "api.openai.com", 0);
	} else {
		put_attribute(&b, 9, "gen_ai.operation.name", "execute_tool", 0);
		put_attribute(&b, 9, "gen_ai.tool.name", i % 3 ? "search" : "calculator", 0);
		put_attribute(&b, 9, "gen_ai.tool.call.id", "call_9pW2sT0kqv1Ze", 0);
		put_attribute(&b, 9, "user.id", "ann", 0);
	}
	return b;
}

static struct buf body(void)
{
	struct buf b = {0}, resource = {0}, scope = {0}, scopes = {0}, all = {0};
	put_attribute(&resource, 1, "service.name", "agent", 0);
	put_attribute(&resource, 1, "host.name", "box-1", 0);
	put_message(&all, 1, resource);
	put_slice(&scope, 1, SLICE("agent-lib"));
	put_message(&scopes, 1, scope);
	for (uint32_t i = 0; i < SPANS; i++)
		put_message(&scopes, 2, span(i));
	put_message(&all, 2, scopes);
	put_message(&b, 1, all);
	if (buf_room(&b, INGEST_PADDING) == NULL)
		exit(1);
	memset(b.ptr + b.len, 0, INGEST_PADDING);
	return b;
}

/* ---- measuring ---- */

static struct batch *batch, *back;
static struct encoder *encoder;
static struct buf wire, payload;

static void decode_wire(void)
{
	struct ingest_span_limits limits;
	struct ingest_rejects rejects = {0};
	ingest_span_limits_default(&limits);
	batch_reset(batch, 4 << 20);
	if (ingest_otlp_traces_protobuf(batch, buf_slice(&wire), &limits, &rejects, NULL) != 0 || batch->count != SPANS)
		exit(1);
}

static void encode(void)
{
	buf_reset(&payload);
	encoder_begin(encoder, &payload);
	for (uint32_t i = 0; i < batch->count; i++) {
		if (encoder_add(encoder, &batch->records[i]) != 0)
			exit(1);
	}
}

static void decode_frame(void)
{
	struct frame f = {.seq = 1, .kind = FRAME_SPANS, .count = SPANS, .payload = buf_slice(&payload)};
	if (frame_decode(&f, back, NULL) != 0)
		exit(1);
}

static void measure(const char *name, void (*what)(void), size_t bytes)
{
	double best = 1e18;
	for (int part = 0; part < PARTS; part++) {
		double began = cpu_ns();
		for (int i = 0; i < ROUNDS; i++)
			what();
		double ns = (cpu_ns() - began) / ROUNDS / SPANS;
		best = ns < best ? ns : best;
	}
	printf("%-24s %7.1f ns a span of %3zu bytes\n", name, best, bytes / SPANS);
}

int main(void)
{
	batch = batch_new();
	back = batch_new();
	encoder = encoder_new();
	wire = body();
	if (batch == NULL || back == NULL || encoder == NULL)
		return 1;
	measure("Protocol Buffers", decode_wire, wire.len);
	encode();
	measure("into the journal", encode, payload.len);
	measure("out of the journal", decode_frame, payload.len);
	encoder_free(encoder);
	batch_free(batch);
	batch_free(back);
	buf_free(&wire);
	buf_free(&payload);
	return 0;
}

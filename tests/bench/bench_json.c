/* What decoding an event costs: ours, into records; and simdjson's two interfaces, which only read every value. On the demo's events, one a line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/demo_events.h"
#include "ingest/ingest.h"
#include "oracle.h"

enum { EVENTS = 1000, ROUNDS = 2000 };

static double cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static struct slice make_body(char **owned)
{
	struct buf text = {0};
	struct demo *d = demo_new(1, 1000, INT64_C(1767323045) * NS_PER_S);
	if (d == NULL)
		exit(1);
	for (int i = 0; i < EVENTS; i++)
		demo_next(d, (INT64_C(1767323045) + i) * NS_PER_S, &text);
	demo_free(d);
	*owned = calloc(1, text.len + INGEST_PADDING);
	if (buf_failed(&text) || *owned == NULL)
		exit(1);
	memcpy(*owned, text.ptr, text.len);
	struct slice body = slice_new(*owned, text.len);
	buf_free(&text);
	return body;
}

static struct batch *batch;

static long ours(const char *text, size_t len)
{
	struct ingest_limits limits;
	struct ingest_rejects rejects = {0};
	struct error err = {0};
	ingest_limits_default(&limits);
	batch_reset(batch, 16 << 20);
	int code = ingest_events_json(batch, slice_new(text, len), 1, &limits, &rejects, &err);
	ingest_rejects_free(&rejects);
	return code == 0 && batch->count == EVENTS ? (long)batch->count : -1;
}

static void measure(const char *name, long (*decode)(const char *text, size_t len), struct slice body)
{
	double best = 1e18;
	for (int part = 0; part < 10; part++) {
		double began = cpu_ns();
		for (int i = 0; i < ROUNDS / 10; i++) {
			if (decode(body.ptr, body.len) < 0) {
				fprintf(stderr, "%s does not take the body\n", name);
				exit(1);
			}
		}
		double ns = (cpu_ns() - began) / (ROUNDS / 10.0) / EVENTS;
		best = ns < best ? ns : best;
	}
	printf("%-34s %6.0f ns an event  %5.2f GB/s\n", name, best, (double)body.len / EVENTS / best);
}

int main(void)
{
	char *owned;
	struct slice body = make_body(&owned);
	batch = batch_new();
	if (batch == NULL)
		return 1;
	printf("%d events of %zu bytes\n", EVENTS, body.len / EVENTS);
	measure("ours, into records", ours, body);
	measure("simdjson On-Demand, every value", oracle_walk, body);
	measure("simdjson DOM, every value", oracle_dom, body);
	batch_free(batch);
	free(owned);
	return 0;
}

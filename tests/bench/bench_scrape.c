/* What a sample of a scrape costs: decoding it alone, and all that is made of it (labels of the target merged in, the series found again), in the order of the scrape before, and in another one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "scrape/collect.h"

enum { SERIES = 1000, ROUNDS = 500, PARTS = 10, LINE_BYTES = 256 };

static double cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* A page of SERIES lines with seven labels each, beginning with the `first` one. */
static struct slice page(uint32_t first)
{
	char *text = malloc(SERIES * LINE_BYTES + INGEST_PADDING);
	size_t len = 0;
	if (text == NULL)
		exit(1);
	for (uint32_t i = 0; i < SERIES; i++) {
		uint32_t n = (first + i * 7) % SERIES; /* 7 and SERIES have no divisor in common */
		if (first == 0)
			n = i;
		len +=
		    (size_t)snprintf(text + len, LINE_BYTES,
		                     "agent_tool_calls_total{agent_id=\"agent-%u\",cluster=\"c\",model=\"gpt-4o-mini\","
		                     "region=\"eu-%u\",tenant=\"t%u\",tool=\"search\",user_id=\"user-%u\"} %u\n",
		                     n % 50, n % 3, n % 10, n, n * 17);
	}
	memset(text + len, 0, INGEST_PADDING);
	return slice_new(text, len);
}

static struct target *target;
static struct sample_batch *batch;

static bool decode(struct slice body)
{
	struct ingest_sample_limits limits;
	struct ingest_rejects rejects = {0};
	ingest_sample_limits_default(&limits);
	return ingest_prometheus_text(batch, body, INGEST_TEXT, 1, &limits, &rejects, NULL) == 0;
}

static bool scrape(struct slice body)
{
	target->round = (struct scrape_round){.at_ms = 1};
	bool fine = collect(target, body, INGEST_TEXT, batch) == 0;
	seen_settle(&target->series, fine);
	return fine && batch->series_count == SERIES + REPORTS;
}

/* The best of some parts, in nanoseconds a sample; pages take turns. */
static void measure(const char *what, bool (*run)(struct slice body), const struct slice pages[2])
{
	double best = 1e18;
	for (int part = 0; part < PARTS; part++) {
		double begin = cpu_ns();
		for (int i = 0; i < ROUNDS / PARTS; i++) {
			sample_batch_reset(batch, 16 << 20);
			if (!run(pages[i % 2]))
				exit(1);
		}
		double spent = (cpu_ns() - begin) / ((double)ROUNDS * SERIES / PARTS);
		best = spent < best ? spent : best;
	}
	printf("%-44s %6.0f ns a sample\n", what, best);
}

int main(void)
{
	static char job_name[] = "agents", path[] = "/metrics";
	struct config_scrape job = {
	    .job = job_name, .path = path, .interval_ns = 1, .timeout_ns = 1, .honor_timestamps = true};
	struct error err = {0};
	const struct slice same[2] = {page(0), page(0)}, other[2] = {page(0), page(1)};

	batch = sample_batch_new();
	target = target_new(&job, "127.0.0.1:9100", NULL, 0, &err);
	if (batch == NULL || target == NULL)
		return 1;
	measure("decoded", decode, same);
	measure("made a scrape, in the order of the last one", scrape, same);
	measure("made a scrape, in another order each time", scrape, other);
	return 0;
}

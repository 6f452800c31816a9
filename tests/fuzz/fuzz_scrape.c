/* Any bytes as a target's answer: the first one says which format it is in, and whether labels are honored. What comes of it is canonical, at the time of the scrape or its own; asked again it is the same, with no series
 * added; and when nothing is answered any more, each series that had no time of its own ends, once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "scrape/collect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { AT_MS = 1000 };

static struct target *make(struct config_scrape *job)
{
	static char name[] = "j", path[] = "/metrics";
	const struct target_file_label labels[] = {{"a", "1"}, {"exported_a", "2"}, {"z", "3"}};
	struct error err = {0};

	*job = (struct config_scrape){.job = name,
	                              .path = path,
	                              .interval_ns = 1000000000,
	                              .timeout_ns = 1000000000,
	                              .honor_labels = job->honor_labels,
	                              .honor_timestamps = true};
	struct target *t = target_new(job, "x:1", labels, 3, &err);
	CHECK(t != NULL);
	return t;
}

/* A scrape that answers these bytes. */
static struct sample_batch *scrape(struct target *t, const uint8_t *data, size_t size, enum ingest_text format)
{
	struct sample_batch *b = sample_batch_new();

	CHECK(b != NULL);
	b->body_size = size + INGEST_PADDING;
	b->body = mem_zalloc(1, b->body_size);
	CHECK(b->body != NULL);
	memcpy(b->body, data, size);
	t->round = (struct scrape_round){.at_ms = AT_MS};
	CHECK(collect(t, slice_new(b->body, size), format, b) == 0);
	return b;
}

static bool is_stale(const struct sample_series *s)
{
	uint64_t bits;

	memcpy(&bits, &s->samples[0].value, sizeof bits);
	return bits == SAMPLE_STALE_BITS;
}

/* The stale markers of a batch, after what every batch has to be. */
static uint64_t check_batch(const struct target *t, const struct sample_batch *b)
{
	uint64_t stale = 0;

	CHECK(b->series_count == b->sample_count && b->series_count >= REPORTS);
	for (uint32_t i = 0; i < b->series_count; i++) {
		const struct sample_series *s = &b->series[i];
		CHECK(s->sample_count == 1 && s->hash == labels_hash(s->labels));
		CHECK(labels_check(s->labels, NULL, NULL) == 0);
		CHECK(labels_get(s->labels, LABEL_METRIC_NAME).len > 0);
		CHECK(t->job->honor_labels || slice_eq(labels_get(s->labels, SLICE("a")), SLICE("1")));
		stale += is_stale(s);
	}
	CHECK(stale == t->round.stale);
	CHECK(t->round.result == SCRAPE_OK || b->series_count == REPORTS + stale);
	CHECK(b->series[b->series_count - REPORTS].samples[0].value == (t->round.result == SCRAPE_OK));
	return stale;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_scrape job = {.honor_labels = size > 0 && (data[0] & 2) != 0};
	uint64_t tracked = 0;

	if (size == 0)
		return 0;
	enum ingest_text format = (data[0] & 1) != 0 ? INGEST_OPENMETRICS : INGEST_TEXT;
	struct target *t = make(&job);
	struct sample_batch *b = scrape(t, data + 1, size - 1, format);
	CHECK(check_batch(t, b) == 0);
	seen_settle(&t->series, true);
	for (uint32_t i = 0; i < t->series.count; i++)
		tracked += t->series.items[i].live;
	uint32_t remembered = t->series.count, count = b->series_count;
	sample_batch_free(b);
	b = scrape(t, data + 1, size - 1, format);
	CHECK(check_batch(t, b) == 0 && b->series_count == count && t->series.added == 0);
	seen_settle(&t->series, true);
	CHECK(t->series.count == remembered);
	sample_batch_free(b);
	b = scrape(t, data, 0, INGEST_TEXT);
	CHECK(check_batch(t, b) == tracked && b->series_count == tracked + REPORTS);
	seen_settle(&t->series, true);
	CHECK(t->series.count == 0);
	sample_batch_free(b);
	target_free(t);
	return 0;
}

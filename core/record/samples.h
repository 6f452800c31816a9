/* Samples from the wire: what the decoders of metric protocols make of a body, and the store takes. Like a batch of records a batch of samples owns everything it points to, belongs to one thread at a
 * time and is handed over whole.
 *
 *   sample_batch ─┬─ series    {labels, samples…, exemplars…}, in the order sent
 *                 └─ metadata  {metric name, type, help, unit} */
#ifndef MOONGATE_RECORD_SAMPLES_H
#define MOONGATE_RECORD_SAMPLES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/slice.h"

/* What a sample is. Native histograms will be a second type; until then there is one. The numbers are written to disk. */
enum sample_type { SAMPLE_FLOAT = 1 };

/* The bits of the NaN that says that a series has ended (Prometheus's stale marker). Compared as bits: another NaN is a value. */
#define SAMPLE_STALE_BITS UINT64_C(0x7ff0000000000002)

static inline double sample_stale(void)
{
	const uint64_t bits = SAMPLE_STALE_BITS;
	double marker;

	memcpy(&marker, &bits, sizeof marker);
	return marker;
}

static inline bool sample_is_stale(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof bits);
	return bits == SAMPLE_STALE_BITS;
}

struct sample {
	int64_t time_ms; /* since the Unix epoch; any int64 */
	double value;    /* its bits are kept: NaNs are told apart */
};

struct sample_exemplar {
	struct slice labels; /* canonical (labels.h); at most 128 characters in all, as OpenMetrics has it */
	double value;
	int64_t time_ms;
};

/* One series of a body with its samples, in the order sent. The same labels may come again in the batch. */
struct sample_series {
	struct slice labels;          /* canonical, with `__name__` */
	uint64_t hash;                /* labels_hash(labels) */
	const struct sample *samples; /* in the batch */
	const struct sample_exemplar *exemplars;
	uint32_t sample_count, exemplar_count;
	int64_t created_ms; /* when a counter or histogram began; 0: the protocol did not say */
	/* The values are increments, each since the point before it (of the first: since created_ms), as OpenTelemetry's delta temporality has it: whoever takes the batch in adds them up. */
	bool delta;
	uint32_t index; /* position in what the client sent, 0-based: errors name it */
};

/* The numbers are written to disk. */
enum metadata_type {
	METADATA_UNKNOWN = 0,
	METADATA_COUNTER = 1,
	METADATA_GAUGE = 2,
	METADATA_HISTOGRAM = 3,
	METADATA_GAUGE_HISTOGRAM = 4,
	METADATA_SUMMARY = 5,
	METADATA_INFO = 6,
	METADATA_STATESET = 7
};

/* What is known of a metric; slices in the batch. */
struct sample_metadata {
	struct slice name, help, unit;
	enum metadata_type type;
};

struct sample_batch {
	struct arena arena; /* of everything below but the arrays that grow */
	struct sample_series *series;
	struct sample_metadata *metadata;
	uint32_t series_count, metadata_count;
	uint64_t sample_count, exemplar_count; /* of all series */
	size_t series_cap, metadata_cap;
	char *body;       /* owned bytes that slices may point into (mem_free), or NULL */
	size_t body_size; /* allocated bytes of body, for the memory budget */
};

/* An empty batch, or NULL. Owned by the caller. */
struct sample_batch *sample_batch_new(void);

/* Frees the batch with its body and everything in it; NULL is allowed. */
void sample_batch_free(struct sample_batch *b);

/* Empties the batch for reuse (its body is freed), keeping at most about `keep` bytes of memory. */
void sample_batch_reset(struct sample_batch *b, size_t keep);

/* The memory that the batch has taken for what was decoded: all of it but the body. */
size_t sample_batch_bytes(const struct sample_batch *b);

/* Makes room for so many more, for who knows how many will come: nothing is taken that is not needed. 0 or -ENOMEM. */
int sample_batch_reserve(struct sample_batch *b, uint32_t series, uint32_t metadata);

/* Adds a zeroed series, or metadata; NULL when memory is out. The pointer is good until the next is added. Whoever fills a series adds to sample_count and exemplar_count. */
struct sample_series *sample_batch_add(struct sample_batch *b);
struct sample_metadata *sample_batch_add_metadata(struct sample_batch *b);

#endif

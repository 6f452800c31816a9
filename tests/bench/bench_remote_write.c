/* What decoding a sample of remote_write costs: ours, 1.0 and 2.0, into batches; and protobuf-c, which only unpacks. Series of ten labels, of one sample each and of twenty. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ingest/ingest.h"
#include "remote_write.pb-c.h"

enum { SERIES = 1000, LABELS = 10, SAMPLES_MAX = 20, ROUNDS = 500, PARTS = 10, NAMES_MAX = LABELS * (SERIES + 1) };

static double cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static const char *const names[LABELS] = {"__name__", "agent_id", "cluster", "instance", "job",
                                          "model",    "region",   "tenant",  "tool",     "user_id"};

/* The same texts for both versions: the last label is a series' own, the others have few values. */
static const char *value_of(uint32_t series, uint32_t label)
{
	static char texts[NAMES_MAX][32];
	uint32_t variant = label == LABELS - 1 ? series : series % (label + 1);
	char *text = texts[label * SERIES + variant];
	snprintf(text, sizeof texts[0], "%s-value-%u", names[label], variant);
	return text;
}

static ProtobufCBinaryData bytes_of(const char *s)
{
	return (ProtobufCBinaryData){strlen(s), (uint8_t *)(uintptr_t)s};
}

static Oracle__Sample samples[SAMPLES_MAX];
static Oracle__Sample *sample_list[SAMPLES_MAX];

static struct slice pack(const ProtobufCMessage *m)
{
	size_t len = protobuf_c_message_get_packed_size(m);
	char *bytes = calloc(1, len + INGEST_PADDING);
	if (bytes == NULL)
		exit(1);
	protobuf_c_message_pack(m, (uint8_t *)bytes);
	return slice_new(bytes, len);
}

static struct slice request_1(uint32_t per_series)
{
	static Oracle__Series1 series[SERIES], *list[SERIES];
	static Oracle__Label labels[SERIES][LABELS], *label_list[SERIES][LABELS];
	Oracle__WriteRequest1 r = ORACLE__WRITE_REQUEST1__INIT;
	for (uint32_t i = 0; i < SERIES; i++) {
		oracle__series1__init(&series[i]);
		for (uint32_t l = 0; l < LABELS; l++) {
			oracle__label__init(&labels[i][l]);
			labels[i][l].name = bytes_of(names[l]);
			labels[i][l].value = bytes_of(value_of(i, l));
			label_list[i][l] = &labels[i][l];
		}
		series[i].labels = label_list[i];
		series[i].n_labels = LABELS;
		series[i].samples = sample_list;
		series[i].n_samples = per_series;
		list[i] = &series[i];
	}
	r.timeseries = list;
	r.n_timeseries = SERIES;
	return pack(&r.base);
}

static uint32_t symbol(Oracle__WriteRequest2 *r, const char *text)
{
	for (uint32_t i = 0; i < r->n_symbols; i++) {
		if (r->symbols[i].len == strlen(text) && memcmp(r->symbols[i].data, text, r->symbols[i].len) == 0)
			return i;
	}
	r->symbols[r->n_symbols] = bytes_of(text);
	return (uint32_t)r->n_symbols++;
}

static struct slice request_2(uint32_t per_series)
{
	static Oracle__Series2 series[SERIES], *list[SERIES];
	static uint32_t refs[SERIES][LABELS * 2];
	static ProtobufCBinaryData symbols[NAMES_MAX];
	Oracle__WriteRequest2 r = ORACLE__WRITE_REQUEST2__INIT;
	r.symbols = symbols;
	symbol(&r, "");
	for (uint32_t i = 0; i < SERIES; i++) {
		oracle__series2__init(&series[i]);
		for (uint32_t l = 0; l < LABELS; l++) {
			refs[i][2 * l] = symbol(&r, names[l]);
			refs[i][2 * l + 1] = symbol(&r, value_of(i, l));
		}
		series[i].labels_refs = refs[i];
		series[i].n_labels_refs = LABELS * 2;
		series[i].samples = sample_list;
		series[i].n_samples = per_series;
		list[i] = &series[i];
	}
	r.timeseries = list;
	r.n_timeseries = SERIES;
	return pack(&r.base);
}

static struct sample_batch *batch;

static bool decode(struct slice body, enum ingest_remote_write version, uint32_t per_series)
{
	struct ingest_sample_limits limits;
	struct ingest_rejects rejects = {0};
	ingest_sample_limits_default(&limits);
	sample_batch_reset(batch, 16 << 20);
	int code = ingest_remote_write(batch, body, version, &limits, &rejects, NULL);
	return code == 0 && batch->sample_count == (uint64_t)SERIES * per_series;
}

static bool ours_1(struct slice body, uint32_t per_series)
{
	return decode(body, INGEST_REMOTE_WRITE_1, per_series);
}

static bool ours_2(struct slice body, uint32_t per_series)
{
	return decode(body, INGEST_REMOTE_WRITE_2, per_series);
}

static bool unpack(const ProtobufCMessageDescriptor *type, struct slice body)
{
	ProtobufCMessage *m = protobuf_c_message_unpack(type, NULL, body.len, (const uint8_t *)body.ptr);
	bool fine = m != NULL;
	protobuf_c_message_free_unpacked(m, NULL);
	return fine;
}

static bool theirs_1(struct slice body, uint32_t per_series)
{
	(void)per_series;
	return unpack(&oracle__write_request1__descriptor, body);
}

static bool theirs_2(struct slice body, uint32_t per_series)
{
	(void)per_series;
	return unpack(&oracle__write_request2__descriptor, body);
}

static void measure(const char *name, bool (*run)(struct slice body, uint32_t per_series), struct slice body,
                    uint32_t per_series)
{
	uint32_t rounds = ROUNDS / PARTS / (per_series > 1 ? 4 : 1);
	double best = 1e18;
	for (int part = 0; part < PARTS; part++) {
		double began = cpu_ns();
		for (uint32_t i = 0; i < rounds; i++) {
			if (!run(body, per_series)) {
				fprintf(stderr, "%s does not take the body\n", name);
				exit(1);
			}
		}
		double ns = (cpu_ns() - began) / rounds / SERIES / per_series;
		best = ns < best ? ns : best;
	}
	printf("%2u samples a series of %4zu bytes  %-14s %6.1f ns a sample\n", per_series, body.len / SERIES, name,
	       best);
}

int main(void)
{
	static const uint32_t per_series[] = {1, SAMPLES_MAX};
	batch = sample_batch_new();
	if (batch == NULL)
		return 1;
	for (uint32_t i = 0; i < SAMPLES_MAX; i++) {
		oracle__sample__init(&samples[i]);
		samples[i].value = 0.1 * i + 930.5;
		samples[i].timestamp = INT64_C(1795351742634) + i * 15000;
		sample_list[i] = &samples[i];
	}
	for (int i = 0; i < 2; i++) {
		struct slice first = request_1(per_series[i]), second = request_2(per_series[i]);
		measure("1.0, ours", ours_1, first, per_series[i]);
		measure("1.0, protobuf-c", theirs_1, first, per_series[i]);
		measure("2.0, ours", ours_2, second, per_series[i]);
		measure("2.0, protobuf-c", theirs_2, second, per_series[i]);
		free((void *)(uintptr_t)first.ptr);
		free((void *)(uintptr_t)second.ptr);
	}
	sample_batch_free(batch);
	return 0;
}

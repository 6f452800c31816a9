/* The remote_write bodies of a real Prometheus, where they are kept: each is taken whole, its counts are those noted with it, and those that were read by another reader too are compared value by value. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "base/snappy.h"
#include "captures.h"
#include "remote_write.h"

/* ---- a real Prometheus ---- */

static double number_of(const cJSON *v)
{
	if (v == NULL)
		return 0;
	if (!cJSON_IsString(v))
		return v->valuedouble;
	return strcmp(v->valuestring, "NaN") == 0 ? NAN : strcmp(v->valuestring, "+Inf") == 0 ? INFINITY : -INFINITY;
}

static void same_number(double got, const cJSON *want)
{
	double v = number_of(want);
	assert_true(isnan(v) ? isnan(got) : bits_of(v) == bits_of(got));
}

static int64_t time_of(const cJSON *of)
{
	const cJSON *time = cJSON_GetObjectItem(of, "timestamp");
	return time == NULL ? 0 : strtoll(time->valuestring, NULL, 10);
}

static void same_labels(struct slice set, const cJSON *want)
{
	const cJSON *pair;
	struct label l;
	cJSON_ArrayForEach(pair, want)
	{
		assert_true(labels_next(&set, &l));
		assert_true(slice_eq(l.name, slice_cstr(cJSON_GetObjectItem(pair, "name")->valuestring)));
		assert_true(slice_eq(l.value, slice_cstr(cJSON_GetObjectItem(pair, "value")->valuestring)));
	}
	assert_false(labels_next(&set, &l));
}

static void same_as_json(const struct sample_batch *b, const cJSON *want)
{
	const cJSON *series, *item;
	uint32_t at = 0;
	cJSON_ArrayForEach(series, cJSON_GetObjectItem(want, "timeseries"))
	{
		const struct sample_series *s = &b->series[at++];
		uint32_t samples = 0, exemplars = 0;
		assert_true(at <= b->series_count);
		same_labels(s->labels, cJSON_GetObjectItem(series, "labels"));
		cJSON_ArrayForEach(item, cJSON_GetObjectItem(series, "samples"))
		{
			assert_true(samples < s->sample_count);
			same_number(s->samples[samples].value, cJSON_GetObjectItem(item, "value"));
			assert_true(s->samples[samples++].time_ms == time_of(item));
		}
		cJSON_ArrayForEach(item, cJSON_GetObjectItem(series, "exemplars"))
		{
			assert_true(exemplars < s->exemplar_count);
			same_labels(s->exemplars[exemplars].labels, cJSON_GetObjectItem(item, "labels"));
			same_number(s->exemplars[exemplars].value, cJSON_GetObjectItem(item, "value"));
			assert_true(s->exemplars[exemplars++].time_ms == time_of(item));
		}
		assert_true(samples == s->sample_count && exemplars == s->exemplar_count);
	}
	assert_int_equal(at, b->series_count);
	at = 0;
	cJSON_ArrayForEach(item, cJSON_GetObjectItem(want, "metadata"))
	{
		static const char *const types[] = {"UNKNOWN",        "COUNTER", "GAUGE", "HISTOGRAM",
		                                    "GAUGEHISTOGRAM", "SUMMARY", "INFO",  "STATESET"};
		const cJSON *type = cJSON_GetObjectItem(item, "type"), *help = cJSON_GetObjectItem(item, "help"),
		            *unit = cJSON_GetObjectItem(item, "unit");
		const struct sample_metadata *m = &b->metadata[at++];
		assert_true(at <= b->metadata_count);
		assert_true(slice_eq(m->name, slice_cstr(cJSON_GetObjectItem(item, "metricFamilyName")->valuestring)));
		assert_true(slice_eq(m->help, slice_cstr(help == NULL ? "" : help->valuestring)));
		assert_true(slice_eq(m->unit, slice_cstr(unit == NULL ? "" : unit->valuestring)));
		assert_string_equal(types[m->type], type == NULL ? "UNKNOWN" : type->valuestring);
	}
	assert_int_equal(at, b->metadata_count);
}

static void same_as_summary(const struct sample_batch *b, const cJSON *sum, size_t raw)
{
	uint64_t stale = 0, nan = 0;
	for (uint32_t i = 0; i < b->series_count; i++) {
		for (uint32_t j = 0; j < b->series[i].sample_count; j++) {
			stale += bits_of(b->series[i].samples[j].value) == SAMPLE_STALE_BITS;
			nan += isnan(b->series[i].samples[j].value);
		}
	}
	assert_true(cJSON_GetObjectItem(sum, "series")->valuedouble == b->series_count);
	assert_true(cJSON_GetObjectItem(sum, "samples")->valuedouble == (double)b->sample_count);
	assert_true(cJSON_GetObjectItem(sum, "exemplars")->valuedouble == (double)b->exemplar_count);
	assert_true(cJSON_GetObjectItem(sum, "metadata")->valuedouble == b->metadata_count);
	assert_true(cJSON_GetObjectItem(sum, "stale")->valuedouble == (double)stale);
	assert_true(cJSON_GetObjectItem(sum, "nan")->valuedouble == (double)nan);
	assert_true(cJSON_GetObjectItem(sum, "raw")->valuedouble == (double)raw);
}

static bool try_capture(const char *folder, const cJSON *sum)
{
	char name[64];
	const char *id = cJSON_GetObjectItem(sum, "id")->valuestring;
	size_t len;
	snprintf(name, sizeof name, "%s.bin", id);
	struct slice sent = captures_read(folder, name);
	assert_non_null(sent.ptr);
	assert_int_equal(snappy_block_length(sent, 16 << 20, &len), 0);
	char *raw = malloc(len);
	assert_int_equal(snappy_block_decode(sent, raw, len), 0);
	struct decoded d = decode(slice_new(raw, len), INGEST_REMOTE_WRITE_1);
	assert_int_equal(d.code, 0);
	assert_int_equal(d.rejects.count + d.rejects.unlisted, 0);
	same_as_summary(d.batch, sum, len);
	for (uint32_t i = 0; i < d.batch->series_count; i++) /* a real sender's sets are canonical: none was copied */
		assert_true(d.batch->series[i].labels.ptr > d.body && d.batch->series[i].labels.ptr < d.body + len);
	snprintf(name, sizeof name, "%s.decoded.json", id);
	struct slice json = captures_read(folder, name);
	cJSON *want = json.ptr == NULL ? NULL : cJSON_ParseWithLength(json.ptr, json.len);
	if (want != NULL)
		same_as_json(d.batch, want);
	bool compared = want != NULL;
	cJSON_Delete(want);
	done(&d);
	free(raw);
	free((void *)(uintptr_t)json.ptr);
	free((void *)(uintptr_t)sent.ptr);
	return compared;
}

static void a_real_prometheus(void **state)
{
	char folder[2048];
	uint32_t tried = 0, compared = 0;
	const cJSON *sum;
	(void)state;
	if (!captures_folder(folder, sizeof folder, "prometheus-remote-write")) {
		print_message("no captures beside the repository: a body made here is all there is\n");
		struct meant meant[SERIES_MAX];
		char *owned;
		for (uint32_t i = 0; i < SERIES_MAX; i++)
			meant[i] = mean(false);
		struct decoded d =
		    decode(request(meant, SERIES_MAX, INGEST_REMOTE_WRITE_1, &owned), INGEST_REMOTE_WRITE_1);
		assert_int_equal(d.code, 0);
		assert_true(d.batch->sample_count > 0);
		done(&d);
		free(owned);
		return;
	}
	struct slice text = captures_read(folder, "SUMMARY.json");
	cJSON *sums = cJSON_ParseWithLength(text.ptr, text.len);
	assert_non_null(sums);
	cJSON_ArrayForEach(sum, sums)
	{
		compared += try_capture(folder, sum);
		tried++;
	}
	print_message("%u captured bodies, %u of them compared value by value\n", tried, compared);
	assert_true(tried > 0 && compared > 0);
	cJSON_Delete(sums);
	free((void *)(uintptr_t)text.ptr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_real_prometheus),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The metrics of a real OpenTelemetry SDK, where they are kept: each body is taken whole, and those in Protocol Buffers give the same as the JSON that another reader made of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "captures.h"
#include "otlp.h"

enum { BODIES = 4 };

static struct decoded decode_file(decoder *how, const char *folder, int number, const char *kind)
{
	char name[64];
	snprintf(name, sizeof name, "%03d.%s", number, kind);
	struct slice bytes = captures_read(folder, name);
	assert_non_null(bytes.ptr);
	struct decoded d = decode(how, bytes);
	if (d.code != 0)
		fail_msg("%s/%s: %s", folder, name, d.err.text);
	assert_int_equal(d.rejects.count + d.rejects.unlisted, 0);
	free((void *)(uintptr_t)bytes.ptr);
	return d;
}

static void has(const struct decoded *d, const char *line)
{
	if (strstr(d->text.ptr, line) == NULL)
		fail_msg("there is no \"%s\" in\n%s", line, d->text.ptr);
}

/* The third body has all kinds of instrument. */
static void look_at(const struct decoded *d)
{
	has(d, "\nagent_chat_latency_seconds_bucket{job=\"moongate-test-agent\", le=\"0.1\", route=\"/chat\"} 6 @");
	has(d, "\nagent_chat_latency_seconds_bucket{job=\"moongate-test-agent\", le=\"10\", route=\"/chat\"} 12 @");
	has(d, "\nagent_chat_latency_seconds_sum{job=\"moongate-test-agent\", route=\"/chat\"} 137.55 @");
	has(d, "\nagent_tool_calls_total{job=\"moongate-test-agent\", status=\"error\", tool_name=\"search\"} 6 @");
	has(d, "\nagent_cost_USD_total{gen_ai_request_model=\"gpt-4o\", job=\"moongate-test-agent\"} 0.0075 @");
	has(d, "\nagent_temperature_celsius{job=\"moongate-test-agent\", room=\"b\"} -3 @");
	has(d, "\ngen_ai_client_token_usage_bucket{gen_ai_token_type=\"output\", job=\"moongate-test-agent\", "
	       "le=\"1\"} 3 @");
	has(d, "\nexp_latency_milliseconds_bucket{job=\"moongate-test-agent\", le=\"0\", n=\"0\"} 1 @");
	has(d,
	    "\nexp_latency_milliseconds_bucket{job=\"moongate-test-agent\", le=\"16\"} 3 @"); /* of 12.5, at scale 20 */
	has(d, "\nexp_latency_milliseconds_bucket{job=\"moongate-test-agent\", le=\"11.313708498984761\"} 0 @");
	has(d, "\nqueue_depth{job=\"moongate-test-agent\", queue=\"main\"} 7 @");
	has(d, "\ntarget_info{deployment_environment_name=\"test\", feature_on=\"true\", feature_ratio=\"0.25\", "
	       "host_name=\"box-1\", job=\"moongate-test-agent\", "
	       "process_command_args=\"[\\\"node\\\",\\\"agent.js\\\",\\\"--fast\\\"]\", process_pid=\"");
}

/* Delta temporality is of counters and histograms; what goes up and down is cumulative in the same body. */
static void look_at_delta(const struct decoded *d)
{
	uint32_t deltas = 0;
	for (uint32_t i = 0; i < d->batch->series_count; i++) {
		const struct sample_series *s = &d->batch->series[i];
		struct slice name = labels_get(s->labels, LABEL_METRIC_NAME);
		bool still = slice_eq(name, SLICE("agent_active")) || slice_eq(name, SLICE("heap_used_bytes")) ||
		             slice_eq(name, SLICE("agent_temperature_celsius")) ||
		             slice_eq(name, SLICE("queue_depth")) || slice_eq(name, SLICE("target_info"));
		assert_int_equal(s->delta, !still);
		deltas += s->delta;
	}
	assert_true(deltas > 0);
}

static void json_bodies(void **state)
{
	char folder[2048];
	(void)state;
	if (!captures_folder(folder, sizeof folder, "otel-js-v3-json-none-metrics")) {
		print_message("no captures beside the repository: test_otlp_json.c has bodies made here\n");
		return;
	}
	for (int i = 1; i <= BODIES; i++) {
		struct decoded d = decode_file(ingest_otlp_metrics_json, folder, i, "bin");
		if (i == 3)
			look_at(&d);
		done(&d);
	}
	assert_true(captures_folder(folder, sizeof folder, "otel-js-v3-json-none-metrics-delta"));
	for (int i = 1; i <= BODIES; i++) {
		struct decoded d = decode_file(ingest_otlp_metrics_json, folder, i, "bin");
		look_at_delta(&d);
		done(&d);
	}
}

static void protobuf_bodies(void **state)
{
	static const char *const folders[] = {"otel-js-v3-proto-none-metrics", "otel-js-v3-proto-none-metrics-delta",
	                                      "otel-js-v3-proto-gzip-metrics"};
	char folder[2048];
	(void)state;
	for (size_t f = 0; f < sizeof folders / sizeof *folders; f++) {
		if (!captures_folder(folder, sizeof folder, folders[f]))
			return;
		for (int i = 1; i <= BODIES; i++) {
			struct decoded d =
			    decode_file(ingest_otlp_metrics_protobuf, folder, i, f == 2 ? "decoded.bin" : "bin");
			struct decoded same = decode_file(ingest_otlp_metrics_json, folder, i, "decoded.json");
			assert_string_equal(d.text.ptr, same.text.ptr);
			if (f != 1 && i == 3)
				look_at(&d);
			if (f == 1)
				look_at_delta(&d);
			done(&d);
			done(&same);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(json_bodies),
	    cmocka_unit_test(protobuf_bodies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

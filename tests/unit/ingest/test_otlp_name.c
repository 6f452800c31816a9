/* Names of OpenTelemetry as Prometheus has them. The expectations are what Prometheus 3 makes of the same names when nothing is configured, but for the two deviations that otlp_name.h tells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ingest/otlp_name.h"

static void metric(const char *name, const char *unit, enum otlp_name_kind kind, const char *want)
{
	size_t max = otlp_metric_name_max(slice_cstr(name), slice_cstr(unit));
	char *to = malloc(max); /* made to measure, so that sanitizers see what is written beyond */
	size_t len = otlp_metric_name(to, slice_cstr(name), slice_cstr(unit), kind);
	assert_true(len <= max);
	if (!slice_eq(slice_new(to, len), slice_cstr(want)))
		fail_msg("%s of \"%s\": %.*s, want %s", name, unit, (int)len, to, want);
	free(to);
}

static void metric_names(void **state)
{
	(void)state;
	metric("http.server.duration", "s", OTLP_NAME_PLAIN, "http_server_duration_seconds");
	metric("agent.chat.latency", "ms", OTLP_NAME_PLAIN, "agent_chat_latency_milliseconds");
	metric("simple_metric", "", OTLP_NAME_GAUGE, "simple_metric");
	metric("requests", "", OTLP_NAME_COUNTER, "requests_total");
	metric("requests_total", "", OTLP_NAME_COUNTER, "requests_total");
	metric("total.requests", "", OTLP_NAME_COUNTER, "requests_total");
	metric("total", "", OTLP_NAME_COUNTER, "total");
	metric("items", "1", OTLP_NAME_COUNTER, "items_total");
	metric("cpu.usage", "1", OTLP_NAME_GAUGE, "cpu_usage_ratio");
	metric("cpu.ratio.usage", "1", OTLP_NAME_GAUGE, "cpu_usage_ratio");
	metric("cpu.usage", "1", OTLP_NAME_PLAIN, "cpu_usage");
	metric("agent.tool.calls", "{call}", OTLP_NAME_COUNTER, "agent_tool_calls_total");
	metric("agent.cost", "USD", OTLP_NAME_COUNTER, "agent_cost_USD_total");
	metric("agent.temperature", "Cel", OTLP_NAME_GAUGE, "agent_temperature_celsius");
	metric("load", "%", OTLP_NAME_GAUGE, "load_percent");
	metric("heap.used", "By", OTLP_NAME_PLAIN, "heap_used_bytes");
	metric("heap.used.bytes", "By", OTLP_NAME_PLAIN, "heap_used_bytes");
	metric("bytes.of.heap", "By", OTLP_NAME_PLAIN, "bytes_of_heap");
	metric("megabytes", "By", OTLP_NAME_PLAIN, "megabytes_bytes");
	metric("throughput", "By/s", OTLP_NAME_GAUGE, "throughput_bytes_per_second");
	metric("throughput", "By/{window}", OTLP_NAME_GAUGE, "throughput_bytes");
	metric("throughput", "{request}/m", OTLP_NAME_GAUGE, "throughput_per_minute");
	metric("throughput", "1/s", OTLP_NAME_COUNTER, "throughput_per_second_total");
	metric("throughput.per.second", "1/s", OTLP_NAME_GAUGE, "throughput_per_second");
	metric("rate", " By / s ", OTLP_NAME_GAUGE, "rate_bytes_per_second");
	metric("custom", "unit@with#special/chars", OTLP_NAME_GAUGE, "custom_unit_with_special_per_chars");
	metric("custom", "a/b/c", OTLP_NAME_GAUGE, "custom_a_per_b_c");
	metric("custom", "@", OTLP_NAME_GAUGE, "custom");
	metric("custom", "s/@", OTLP_NAME_GAUGE, "custom_seconds");
	metric("disk", "TiBy", OTLP_NAME_GAUGE, "disk_tebibytes");
	metric("a__b..c", "u__v", OTLP_NAME_GAUGE, "a_b_c_u_v");
	metric("_a_", "", OTLP_NAME_GAUGE, "a");
	metric("a:b", "", OTLP_NAME_GAUGE, "a:b");
	metric("5xx.responses", "", OTLP_NAME_COUNTER, "_5xx_responses_total");
	metric("m\xc3\xa9trique", "", OTLP_NAME_GAUGE, "m_trique");
	metric("@#$", "", OTLP_NAME_GAUGE, "");
	metric("", "s", OTLP_NAME_GAUGE, "seconds");
	metric("x", "total", OTLP_NAME_COUNTER, "x_total");
	metric("q", "us/mo", OTLP_NAME_COUNTER, "q_microseconds_per_month_total");
	metric("7", "us/mo", OTLP_NAME_COUNTER, "_7_microseconds_per_month_total");
}

static void unit(const char *from, const char *want)
{
	char to[128];
	size_t len = otlp_unit_name(to, slice_cstr(from));
	assert_true(slice_eq(slice_new(to, len), slice_cstr(want)));
}

static void unit_names(void **state)
{
	(void)state;
	unit("s", "seconds");
	unit("By/s", "bytes_per_second");
	unit("1", "");
	unit("1/s", "per_second");
	unit("{call}", "");
	unit("", "");
	unit("furlong", "furlong");
}

static void label(const char *key, const char *want)
{
	char *to = malloc(strlen(key) + 4);
	size_t len = otlp_label_name(to, slice_cstr(key));
	if (!slice_eq(slice_new(to, len), slice_cstr(want)))
		fail_msg("%s: %.*s, want %s", key, (int)len, to, want);
	/* What stands as it is, is what is made of it. */
	assert_int_equal(otlp_label_name_fine(slice_cstr(key)), *want != '\0' && strcmp(key, want) == 0);
	free(to);
}

static void label_names(void **state)
{
	(void)state;
	label("status", "status");
	label("LabelWithCapitals", "LabelWithCapitals");
	label("http.method", "http_method");
	label("a:b", "a_b");
	label("a..b", "a__b");
	label("a!with&special$chars)", "a_with_special_chars_");
	label("123label", "key_123label");
	label("_private", "key_private");
	label(".private", "key_private");
	label("_", "key_");
	label("__reserved__", "__reserved__");
	label("__", "");
	label("", "");
	label("caf\xc3\xa9", "caf_");
	label("\xe3\x82\x88\xe3\x81\x86", "");
	label("x\xff\xfey", "x__y");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(metric_names),
	    cmocka_unit_test(unit_names),
	    cmocka_unit_test(label_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

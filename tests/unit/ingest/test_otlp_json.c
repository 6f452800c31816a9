/* OTLP's JSON: it means what the same message in Protocol Buffers means. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fault.h"
#include "otlp.h"

static struct decoded decode_json(const char *json)
{
	return decode(ingest_otlp_metrics_json, slice_cstr(json));
}

static void gives_json(const char *json, const char *want)
{
	struct decoded d = decode_json(json);
	if (d.code != 0)
		fail_msg("%s", d.err.text);
	assert_string_equal(d.text.ptr, want);
	done(&d);
}

/* One metric within everything around it. */
#define METRIC(metric)                                                                                                 \
	"{\"resourceMetrics\":[{\"resource\":{\"attributes\":[]},\"scopeMetrics\":[{\"scope\":{\"name\":\"s\"},"       \
	"\"metrics\":[{" metric "}]}]}]}"

static void kinds(void **state)
{
	(void)state;
	gives_json(METRIC("\"name\":\"g\",\"unit\":\"1\",\"gauge\":{\"dataPoints\":[{\"timeUnixNano\":\"2000000\","
	                  "\"asInt\":\"-5\","
	                  "\"attributes\":[{\"key\":\"a.b\",\"value\":{\"stringValue\":\"x\\u00e9\\n\"}}]}]}"),
	           "g_ratio type 2, \"\", \n"
	           "g_ratio{a_b=\"x\xc3\xa9\\n\"} -5 @2\n");
	gives_json(
	    METRIC("\"name\":\"s\",\"description\":\"d\",\"sum\":{\"isMonotonic\":true,\"dataPoints\":[{"
	           "\"timeUnixNano\":2000000,\"startTimeUnixNano\":1000000,\"asDouble\":0.5,\"exemplars\":[{"
	           "\"traceId\":\"0AF7651916cd43dd8448eb211c80319c\",\"spanId\":\"b7ad6b7169203331\",\"asInt\":3}]}],"
	           "\"aggregationTemporality\":1}"),
	    "s_total type 1, \"d\", \n"
	    "s_total 0.5 @2 from 1 delta # {span_id=\"b7ad6b7169203331\", "
	    "trace_id=\"0af7651916cd43dd8448eb211c80319c\"} 3 @2\n");
	gives_json(
	    METRIC("\"histogram\":{\"aggregationTemporality\":\"AGGREGATION_TEMPORALITY_CUMULATIVE\",\"dataPoints\":[{"
	           "\"bucketCounts\":[\"1\",2,3.0],\"explicitBounds\":[0.5,\"Infinity\"],\"count\":6e0,\"sum\":\"NaN\","
	           "\"timeUnixNano\":2000000}]},\"name\":\"h\""),
	    "h type 3, \"\", \n"
	    "h_bucket{le=\"0.5\"} 1 @2\n"
	    "h_bucket{le=\"+Inf\"} 6 @2\n"
	    "h_count 6 @2\n"
	    "h_sum NaN @2\n");
	gives_json(
	    METRIC("\"name\":\"q\",\"summary\":{\"dataPoints\":[{\"timeUnixNano\":2000000,\"count\":"
	           "\"18446744073709551615\","
	           "\"sum\":-0.5,\"quantileValues\":[{\"quantile\":0.99,\"value\":\"-Infinity\"}],\"flags\":0}]}"),
	    "q type 5, \"\", \n"
	    "q{quantile=\"0.99\"} -Inf @2\n"
	    "q_count 18446744073709552000 @2\n"
	    "q_sum -0.5 @2\n");
}

/* The original names of fields are taken too; what is not known, or null, is as if it were not there. */
static void names(void **state)
{
	(void)state;
	gives_json(
	    "{\"resource_metrics\":[{\"scope_metrics\":[{\"metrics\":[{\"name\":\"g\",\"unit\":null,\"new\":{\"a\":[1,"
	    "{\"b\":null}]},\"gauge\":{\"data_points\":[{\"time_unix_nano\":\"2000000\",\"as_double\":1,"
	    "\"start_time_unix_nano\":null,\"attributes\":null}]}}],\"schema_url\":\"\"}],\"schemaUrl\":\"x\"}]}",
	    "g type 2, \"\", \n"
	    "g 1 @2\n");
	gives_json("{}", "");
	gives_json(" { \"resourceMetrics\" : [ ] } \n", "");
}

static void values(void **state)
{
	(void)state;
	gives_json(
	    METRIC("\"name\":\"g\",\"gauge\":{\"dataPoints\":[{\"timeUnixNano\":2000000,\"asInt\":1,\"attributes\":["
	           "{\"key\":\"a\",\"value\":{\"intValue\":\"9223372036854775807\"}},"
	           "{\"key\":\"b\",\"value\":{\"intValue\":-9223372036854775808}},"
	           "{\"key\":\"c\",\"value\":{\"boolValue\":false}},"
	           "{\"key\":\"d\",\"value\":{\"bytesValue\":\"Af8hIQ\"}},"
	           "{\"key\":\"e\",\"value\":{\"bytesValue\":\"-_-_\"}},"
	           "{\"key\":\"f\",\"value\":{}},"
	           "{\"key\":\"g\",\"value\":{\"arrayValue\":{\"values\":[{\"intValue\":1},{},{\"kvlistValue\":{"
	           "\"values\":[{\"key\":\"k\",\"value\":{\"doubleValue\":0.5}}]}}]}}},"
	           "{\"value\":{\"stringValue\":\"x\"},\"key\":\"\\u0068\"}]}]}"),
	    "g type 2, \"\", \n"
	    "g{a=\"9223372036854775807\", b=\"-9223372036854775808\", c=\"false\", d=\"Af8hIQ==\", e=\"+/+/\", "
	    "g=\"[1,null,{\\\"k\\\":0.5}]\", h=\"x\"} 1 @2\n");
}

/* An exponential histogram with every field that there is, in both encodings. */
static void exponential(void **state)
{
	struct buf point = {0}, buckets = {0}, e = {0}, points = {0}, metrics = {0}, none = {0};
	const char *json = METRIC(
	    "\"name\":\"e\",\"description\":\"what it is\",\"unit\":\"s\",\"exponentialHistogram\":{"
	    "\"aggregationTemporality\":1,\"dataPoints\":[{\"attributes\":[{\"key\":\"n\",\"value\":{\"intValue\":3}}],"
	    "\"startTimeUnixNano\":\"1000000\",\"timeUnixNano\":\"2000000\",\"count\":9,\"sum\":2.5,\"scale\":-2,"
	    "\"zeroCount\":\"2\",\"positive\":{\"offset\":-1,\"bucketCounts\":[\"1\",300]},\"negative\":{\"offset\":1,"
	    "\"bucketCounts\":[4]},\"min\":1,\"max\":2,\"zeroThreshold\":0.125,\"exemplars\":[{\"asDouble\":0.75,"
	    "\"timeUnixNano\":\"3000000\",\"filteredAttributes\":[{\"key\":\"k\",\"value\":{\"stringValue\":\"v\"}}]}]}"
	    "]}");
	(void)state;
	put_message(&point, 1, attribute("n", int_value(3)));
	put_fixed(&point, 2, 1000000);
	put_fixed(&point, 3, 2000000);
	put_fixed(&point, 4, 9);
	put_double(&point, 5, 2.5);
	put_int(&point, 6, 3); /* −2 in zigzag */
	put_fixed(&point, 7, 2);
	put_int(&buckets, 1, 1);
	put_text(&buckets, 2, "\x01\xac\x02");
	put_message(&point, 8, buckets);
	buckets = (struct buf){0};
	put_int(&buckets, 1, 2);
	put_text(&buckets, 2, "\x04");
	put_message(&point, 9, buckets);
	put_double(&point, 14, 0.125);
	put_fixed(&e, 2, 3000000);
	put_double(&e, 3, 0.75);
	put_message(&e, 7, text_attribute("k", "v"));
	put_message(&point, 11, e);
	put_message(&points, 1, point);
	put_message(&metrics, 2, metric("e", "s", EXPONENTIAL, points, DELTA, false));
	struct buf body = body_of(none, metrics);
	struct decoded a = decode(ingest_otlp_metrics_protobuf, buf_slice(&body)), b = decode_json(json);
	assert_int_equal(a.code, 0);
	assert_int_equal(b.code, 0);
	assert_string_equal(a.text.ptr, b.text.ptr);
	assert_non_null(
	    strstr(b.text.ptr, "e_seconds_bucket{le=\"1\", n=\"3\"} 7 @2 from 1 delta # {k=\"v\"} 0.75 @3\n"));
	done(&a);
	done(&b);
	buf_free(&body);
}

static void refuses_json(const char *json, const char *why)
{
	struct decoded d = decode_json(json);
	assert_int_equal(d.code, -EINVAL);
	if (strcmp(d.err.text, why) != 0)
		fail_msg("%s: \"%s\", want \"%s\"", json, d.err.text, why);
	done(&d);
}

static void malformed(void **state)
{
	(void)state;
	refuses_json("", "byte 0: an object was wanted");
	refuses_json("[]", "byte 0: an object was wanted");
	refuses_json("{", "byte 1: a field name in quotes was wanted");
	refuses_json("{}x", "byte 2: nothing was wanted behind the object");
	refuses_json("{\"a\":1,}", "byte 7: a field name in quotes was wanted");
	refuses_json("{\"a\" 1}", "byte 5: ':' was wanted after a field name");
	refuses_json("{\"a\":tru}", "byte 5: a value was wanted");
	refuses_json("{\"resourceMetrics\":{}}", "byte 19: a list was wanted");
	refuses_json("{\"resourceMetrics\":[null]}", "byte 20: an object was wanted");
	refuses_json("{\"resourceMetrics\":[{} {}]}", "byte 23: ',' or ']' was wanted");
	refuses_json("{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"name\":5}]}]}]}",
	             "byte 57: a string was wanted");
	refuses_json("{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"name\":\"\xff\"}]}]}]}",
	             "byte 60: a string is not valid UTF-8");
}

/* A data point with one field that does not fit. */
static void unfit(const char *field, const char *why)
{
	char json[512], place[256];
	const char *front = "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"histogram\":{\"dataPoints\":[{";
	snprintf(json, sizeof json, "%s%s}]}}]}]}]}", front, field);
	struct decoded d = decode_json(json);
	snprintf(place, sizeof place, "byte %zu: %s", strlen(front) + (size_t)(strchr(field, ':') - field) + 1, why);
	if (d.code != -EINVAL || strcmp(d.err.text, place) != 0)
		fail_msg("%s: \"%s\", want \"%s\"", field, d.err.text, place);
	done(&d);
}

static void numbers(void **state)
{
	static const char *const whole = "a whole number was wanted that fits the field";
	(void)state;
	unfit("\"count\":1.5", whole);
	unfit("\"count\":-1", whole);
	unfit("\"count\":\"x\"", whole);
	unfit("\"count\":\"\"", whole);
	unfit("\"count\":\"18446744073709551616\"", whole);
	unfit("\"count\":18446744073709551616", whole);
	unfit("\"count\":\"NaN\"", whole);
	unfit("\"flags\":4294967296", whole);
	unfit("\"count\":true", "a number was wanted");
	unfit("\"sum\":1e999", "the number is beyond the range of a double");
	unfit("\"sum\":\"one\"", "a number was wanted, or \"NaN\", \"Infinity\" or \"-Infinity\"");
	unfit("\"exemplars\":5", "a list was wanted");
	unfit("\"bucketCounts\":5", "a list was wanted");
	struct decoded d =
	    decode_json("{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"sum\":{\"dataPoints\":[{"
	                "\"exemplars\":[{\"traceId\":\"0\"}]}]}}]}]}]}");
	assert_int_equal(d.code, -EINVAL);
	assert_non_null(strstr(d.err.text, "hexadecimal digits were wanted, two for each byte"));
	done(&d);
}

/* 50 lists within each other are 100 messages and more. */
static void deep(void **state)
{
	struct buf b = {0};
	(void)state;
	buf_str(&b, "{\"resourceMetrics\":[{\"resource\":{\"attributes\":[{\"key\":\"a\",\"value\":");
	for (int i = 0; i < 50; i++)
		buf_str(&b, "{\"arrayValue\":{\"values\":[");
	struct decoded d = decode(ingest_otlp_metrics_json, buf_slice(&b));
	assert_int_equal(d.code, -EINVAL);
	assert_non_null(strstr(d.err.text, "messages are nested more than 100 deep"));
	done(&d);
	buf_free(&b);
}

/* Lengths of one byte and of four, at their border. */
static void lengths(void **state)
{
	(void)state;
	for (int len = 80; len < 200; len++) {
		char json[1024], want[1024], x[256];
		memset(x, 'x', (size_t)len);
		x[len] = '\0';
		snprintf(json, sizeof json,
		         METRIC("\"name\":\"g\",\"gauge\":{\"dataPoints\":[{\"timeUnixNano\":2000000,\"asInt\":1,"
		                "\"attributes\":[{\"key\":\"a\",\"value\":{\"stringValue\":\"%s\"}}]}]}"),
		         x);
		snprintf(want, sizeof want, "g type 2, \"\", \ng{a=\"%s\"} 1 @2\n", x);
		gives_json(json, want);
	}
}

static void without_memory(void **state)
{
	const char *json =
	    METRIC("\"name\":\"g\\n\",\"gauge\":{\"dataPoints\":[{\"timeUnixNano\":2000000,\"asInt\":1}]}");
	struct ingest_sample_limits limits;
	char *body = calloc(1, strlen(json) + INGEST_PADDING);
	int code = -ENOMEM;
	uint64_t nth = 0;
	(void)state;
	memcpy(body, json, strlen(json));
	ingest_sample_limits_default(&limits);
	while (code == -ENOMEM) {
		struct sample_batch *b = sample_batch_new();
		struct ingest_rejects rejects = {0};
		struct error err = {0};
		fault_set(FAULT_MALLOC, ++nth, true, ENOMEM);
		code = ingest_otlp_metrics_json(b, slice_new(body, strlen(json)), &limits, &rejects, &err);
		fault_clear();
		assert_true(code == 0 || (code == -ENOMEM && err.text[0] != '\0'));
		ingest_rejects_free(&rejects);
		sample_batch_free(b);
	}
	assert_int_equal(code, 0);
	assert_true(nth > 4);
	free(body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(kinds),  cmocka_unit_test(exponential), cmocka_unit_test(names),
	    cmocka_unit_test(values), cmocka_unit_test(malformed),   cmocka_unit_test(numbers),
	    cmocka_unit_test(deep),   cmocka_unit_test(lengths),     cmocka_unit_test(without_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

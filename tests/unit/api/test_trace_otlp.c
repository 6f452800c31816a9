/* A trace as OTLP: what protobuf-c and cJSON read of what was written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "api/trace_otlp.h"
#include "made_trace.h"
#include "otlp_traces.pb-c.h"

static struct made_trace made;
static struct buf out;

static int begin(void **state)
{
	(void)state;
	buf_reset(&out);
	return 0;
}

static int end(void **state)
{
	(void)state;
	buf_free(&out);
	return 0;
}

static void assert_bytes(ProtobufCBinaryData found, const char *wanted)
{
	assert_int_equal(found.len, strlen(wanted));
	assert_memory_equal(found.data, wanted, found.len);
}

static Oracle__Spans__TracesData *written(void)
{
	trace_put_protobuf(&out, made_trace(&made));
	assert_false(buf_failed(&out));
	Oracle__Spans__TracesData *data = oracle__spans__traces_data__unpack(NULL, out.len, (const uint8_t *)out.ptr);
	assert_non_null(data);
	return data;
}

/* ---- Protocol Buffers ---- */

static void test_groups(void **state)
{
	(void)state;
	Oracle__Spans__TracesData *data = written();
	assert_int_equal(data->n_resource_spans, 2);
	const Oracle__Spans__ResourceSpans *front = data->resource_spans[0], *back = data->resource_spans[1];
	assert_bytes(front->resource->attributes[0]->key, "service.name");
	assert_bytes(front->resource->attributes[0]->value->string_value, "front");
	assert_bytes(front->schema_url, "https://example.org/1");
	assert_int_equal(front->n_scope_spans, 1);
	assert_bytes(front->scope_spans[0]->scope->name, "lib");
	assert_bytes(front->scope_spans[0]->scope->version, "1.2");
	assert_int_equal(front->scope_spans[0]->n_spans, 2);
	assert_bytes(back->resource->attributes[0]->value->string_value, "back");
	assert_false(back->has_schema_url);
	assert_int_equal(back->scope_spans[0]->scope->n_attributes, 1);
	assert_bytes(back->scope_spans[0]->schema_url, "https://example.org/2");
	assert_int_equal(back->scope_spans[0]->n_spans, 1);
	oracle__spans__traces_data__free_unpacked(data, NULL);
}

static void test_a_span(void **state)
{
	(void)state;
	Oracle__Spans__TracesData *data = written();
	const Oracle__Spans__Span *s = data->resource_spans[0]->scope_spans[0]->spans[0];
	assert_int_equal(s->trace_id.len, 16);
	assert_int_equal(s->trace_id.data[15], 0x1f);
	assert_bytes(s->span_id, "\x01\x02\x03\x04\x05\x06\x07\x08");
	assert_false(s->has_parent_span_id);
	assert_bytes(s->trace_state, "a=b");
	assert_bytes(s->name, "invoke_agent");
	assert_int_equal(s->kind, 2);
	assert_int_equal(s->start_time_unix_nano, MADE_START);
	assert_int_equal(s->end_time_unix_nano, MADE_START + 2000000000);
	assert_int_equal(s->dropped_attributes_count, 1);
	assert_int_equal(s->dropped_events_count, 2);
	assert_int_equal(s->dropped_links_count, 3);
	assert_int_equal(s->flags, 0x101);
	assert_null(s->status);
	oracle__spans__traces_data__free_unpacked(data, NULL);
}

static void test_values_of_all_types(void **state)
{
	(void)state;
	Oracle__Spans__TracesData *data = written();
	const Oracle__Spans__Span *s = data->resource_spans[0]->scope_spans[0]->spans[0];
	Oracle__Spans__KeyValue **a = s->attributes;
	assert_int_equal(s->n_attributes, 7);
	assert_true(a[0]->value->has_string_value);
	assert_bytes(a[0]->value->string_value, "");
	assert_int_equal(a[1]->value->int_value, -7);
	assert_true(a[2]->value->double_value == 0.5);
	assert_true(a[3]->value->has_bool_value && !a[3]->value->bool_value);
	assert_int_equal(a[4]->value->array_value->n_values, 2);
	assert_bytes(a[4]->value->array_value->values[0]->string_value, "a\"</b>");
	assert_true(a[4]->value->array_value->values[1]->double_value == __builtin_inf());
	assert_bytes(a[5]->value->kvlist_value->values[0]->key, "in<side");
	assert_int_equal(a[5]->value->kvlist_value->values[0]->value->int_value, INT64_MAX);
	assert_bytes(a[6]->key, "none");
	assert_null(a[6]->value);
	oracle__spans__traces_data__free_unpacked(data, NULL);
}

static void test_events_links_status(void **state)
{
	(void)state;
	Oracle__Spans__TracesData *data = written();
	const Oracle__Spans__Span *s = data->resource_spans[1]->scope_spans[0]->spans[0];
	assert_bytes(s->parent_span_id, "\x01\x02\x03\x04\x05\x06\x07\x08");
	assert_int_equal(s->status->code, 2);
	assert_bytes(s->status->message, "too many requests");
	assert_int_equal(s->n_events, 1);
	assert_int_equal(s->events[0]->time_unix_nano, MADE_START + 1);
	assert_bytes(s->events[0]->name, "exception");
	assert_bytes(s->events[0]->attributes[0]->value->string_value, "x");
	assert_int_equal(s->events[0]->dropped_attributes_count, 4);
	assert_int_equal(s->n_links, 1);
	assert_int_equal(s->links[0]->trace_id.data[0], 0xab);
	assert_int_equal(s->links[0]->span_id.data[7], 9);
	assert_bytes(s->links[0]->trace_state, "c=d");
	assert_int_equal(s->links[0]->n_attributes, 1);
	assert_int_equal(s->links[0]->dropped_attributes_count, 5);
	assert_int_equal(s->links[0]->flags, 1);
	const Oracle__Spans__Span *backwards = data->resource_spans[0]->scope_spans[0]->spans[1];
	assert_int_equal(backwards->end_time_unix_nano, backwards->start_time_unix_nano - 5);
	assert_int_equal(backwards->status->code, 1);
	oracle__spans__traces_data__free_unpacked(data, NULL);
}

/* ---- JSON ---- */

static void test_json(void **state)
{
	static const char wanted[] =
	    "[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":\"front\"}}]},"
	    "\"scopeSpans\":[{\"scope\":{\"name\":\"lib\",\"version\":\"1.2\"},\"spans\":["
	    "{\"traceId\":\"1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f\",\"spanId\":\"0102030405060708\",\"traceState\":\"a=b\","
	    "\"flags\":257,\"name\":\"invoke_agent\",\"kind\":2,\"startTimeUnixNano\":\"1700000000000000000\","
	    "\"endTimeUnixNano\":\"1700000002000000000\",\"attributes\":["
	    "{\"key\":\"user.id\",\"value\":{\"stringValue\":\"\"}},{\"key\":\"tokens\",\"value\":{\"intValue\":\"-7\"}"
	    "},"
	    "{\"key\":\"ratio\",\"value\":{\"doubleValue\":0.5}},{\"key\":\"ok\",\"value\":{\"boolValue\":false}},"
	    "{\"key\":\"list\",\"value\":{\"arrayValue\":{\"values\":[{\"stringValue\":\"a\\\"\\u003c/b>\"},"
	    "{\"doubleValue\":\"Infinity\"}]}}},"
	    "{\"key\":\"map\",\"value\":{\"kvlistValue\":{\"values\":[{\"key\":\"in\\u003cside\",\"value\":"
	    "{\"intValue\":\"9223372036854775807\"}}]}}},{\"key\":\"none\",\"value\":{}}],"
	    "\"droppedAttributesCount\":1,\"droppedEventsCount\":2,\"droppedLinksCount\":3,\"status\":{}},"
	    "{\"traceId\":\"1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f\",\"spanId\":\"0000000000000003\","
	    "\"parentSpanId\":\"0102030405060708\",\"name\":\"\",\"startTimeUnixNano\":\"1700000000600000000\","
	    "\"endTimeUnixNano\":\"1700000000599999995\",\"status\":{\"code\":1}}]}],"
	    "\"schemaUrl\":\"https://example.org/1\"},"
	    "{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":\"back\"}}]},"
	    "\"scopeSpans\":[{\"scope\":{\"attributes\":[{\"key\":\"in\\u003cside\",\"value\":{\"stringValue\":\"x\"}}]"
	    "},"
	    "\"spans\":[{\"traceId\":\"1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f\",\"spanId\":\"0000000000000002\","
	    "\"parentSpanId\":\"0102030405060708\",\"name\":\"chat\",\"kind\":3,"
	    "\"startTimeUnixNano\":\"1700000000500000000\",\"endTimeUnixNano\":\"1700000001500000000\","
	    "\"events\":[{\"timeUnixNano\":\"1700000000000000001\",\"name\":\"exception\",\"attributes\":"
	    "[{\"key\":\"in\\u003cside\",\"value\":{\"stringValue\":\"x\"}}],\"droppedAttributesCount\":4}],"
	    "\"links\":[{\"traceId\":\"abababababababababababababababab\",\"spanId\":\"0000000000000009\","
	    "\"traceState\":\"c=d\",\"attributes\":[{\"key\":\"in\\u003cside\",\"value\":{\"stringValue\":\"x\"}}],"
	    "\"droppedAttributesCount\":5,\"flags\":1}],"
	    "\"status\":{\"message\":\"too many requests\",\"code\":2}}],\"schemaUrl\":\"https://example.org/2\"}]}]";

	(void)state;
	trace_put_otlp_json(&out, made_trace(&made));
	assert_false(buf_failed(&out));
	buf_byte(&out, '\0');
	assert_string_equal(out.ptr, wanted);
	cJSON *read = cJSON_Parse(out.ptr);
	assert_int_equal(cJSON_GetArraySize(read), 2);
	cJSON_Delete(read);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_groups, begin, end),
	    cmocka_unit_test_setup_teardown(test_a_span, begin, end),
	    cmocka_unit_test_setup_teardown(test_values_of_all_types, begin, end),
	    cmocka_unit_test_setup_teardown(test_events_links_status, begin, end),
	    cmocka_unit_test_setup_teardown(test_json, begin, end),
	};
	return cmocka_run_group_tests_name("trace_otlp", tests, NULL, NULL);
}

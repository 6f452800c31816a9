/* The messages of OTLP, as its JSON has them: opentelemetry-proto 1.x. Fields of which nothing is made are not here: what is in them is passed over. */
#include "ingest/otlp_json.h"

#define MESSAGE(fields)                                                                                                \
	{                                                                                                              \
		(fields), sizeof(fields) / sizeof *(fields)                                                            \
	}

/* ---- common.v1, resource.v1 ---- */

static const struct otlp_json_message any_value;

static const struct otlp_json_field list_fields[] = {
    {SLICE("values"), 1, OTLP_JSON_MESSAGE, true, &any_value, NULL},
};
static const struct otlp_json_message list = MESSAGE(list_fields);

static const struct otlp_json_field map_fields[] = {
    {SLICE("values"), 1, OTLP_JSON_MESSAGE, true, &otlp_json_attribute, NULL},
};
static const struct otlp_json_message map = MESSAGE(map_fields);

static const struct otlp_json_field any_value_fields[] = {
    {SLICE("stringValue"), 1, OTLP_JSON_STRING, false, NULL, NULL},
    {SLICE("boolValue"), 2, OTLP_JSON_BOOL, false, NULL, NULL},
    {SLICE("intValue"), 3, OTLP_JSON_INT64, false, NULL, NULL},
    {SLICE("doubleValue"), 4, OTLP_JSON_DOUBLE, false, NULL, NULL},
    {SLICE("arrayValue"), 5, OTLP_JSON_MESSAGE, false, &list, NULL},
    {SLICE("kvlistValue"), 6, OTLP_JSON_MESSAGE, false, &map, NULL},
    {SLICE("bytesValue"), 7, OTLP_JSON_BYTES, false, NULL, NULL},
};
static const struct otlp_json_message any_value = MESSAGE(any_value_fields);

static const struct otlp_json_field attribute_fields[] = {
    {SLICE("key"), 1, OTLP_JSON_STRING, false, NULL, NULL},
    {SLICE("value"), 2, OTLP_JSON_MESSAGE, false, &any_value, NULL},
};
const struct otlp_json_message otlp_json_attribute = MESSAGE(attribute_fields);

static const struct otlp_json_field resource_fields[] = {
    {SLICE("attributes"), 1, OTLP_JSON_MESSAGE, true, &otlp_json_attribute, NULL},
};
const struct otlp_json_message otlp_json_resource = MESSAGE(resource_fields);

static const struct otlp_json_field scope_fields[] = {
    {SLICE("name"), 1, OTLP_JSON_STRING, false, NULL, NULL},
    {SLICE("version"), 2, OTLP_JSON_STRING, false, NULL, NULL},
    {SLICE("attributes"), 3, OTLP_JSON_MESSAGE, true, &otlp_json_attribute, NULL},
};
const struct otlp_json_message otlp_json_scope = MESSAGE(scope_fields);

/* ---- metrics.v1 ---- */

static const struct otlp_json_field exemplar_fields[] = {
    {SLICE("filteredAttributes"), 7, OTLP_JSON_MESSAGE, true, &otlp_json_attribute, NULL},
    {SLICE("timeUnixNano"), 2, OTLP_JSON_FIXED64, false, NULL, NULL},
    {SLICE("asDouble"), 3, OTLP_JSON_DOUBLE, false, NULL, NULL},
    {SLICE("asInt"), 6, OTLP_JSON_SFIXED64, false, NULL, NULL},
    {SLICE("spanId"), 4, OTLP_JSON_HEX, false, NULL, NULL},
    {SLICE("traceId"), 5, OTLP_JSON_HEX, false, NULL, NULL},
};
static const struct otlp_json_message exemplar = MESSAGE(exemplar_fields);

static const struct otlp_json_field number_fields[] = {
    {SLICE("attributes"), 7, OTLP_JSON_MESSAGE, true, &otlp_json_attribute, NULL},
    {SLICE("startTimeUnixNano"), 2, OTLP_JSON_FIXED64, false, NULL, NULL},
    {SLICE("timeUnixNano"), 3, OTLP_JSON_FIXED64, false, NULL, NULL},
    {SLICE("asDouble"), 4, OTLP_JSON_DOUBLE, false, NULL, NULL},
    {SLICE("asInt"), 6, OTLP_JSON_SFIXED64, false, NULL, NULL},
    {SLICE("exemplars"), 5, OTLP_JSON_MESSAGE, true, &exemplar, NULL},
    {SLICE("flags"), 8, OTLP_JSON_UINT32, false, NULL, NULL},
};
static const struct otlp_json_message number = MESSAGE(number_fields);

static const struct otlp_json_field histogram_point_fields[] = {
    {SLICE("attributes"), 9, OTLP_JSON_MESSAGE, true, &otlp_json_attribute, NULL},
    {SLICE("bucketCounts"), 6, OTLP_JSON_FIXED64, true, NULL, NULL},
    {SLICE("explicitBounds"), 7, OTLP_JSON_DOUBLE, true, NULL, NULL},
    {SLICE("count"), 4, OTLP_JSON_FIXED64, false, NULL, NULL},
    {SLICE("sum"), 5, OTLP_JSON_DOUBLE, false, NULL, NULL},
    {SLICE("min"), 11, OTLP_JSON_DOUBLE, false, NULL, NULL},
    {SLICE("max"), 12, OTLP_JSON_DOUBLE, false, NULL, NULL},
    {SLICE("startTimeUnixNano"), 2, OTLP_JSON_FIXED64, false, NULL, NULL},
    {SLICE("timeUnixNano"), 3, OTLP_JSON_FIXED64, false, NULL, NULL},
    {SLICE("exemplars"), 8, OTLP_JSON_MESSAGE, true, &exemplar, NULL},
    {SLICE("flags"), 10, OTLP_JSON_UINT32, false, NULL, NULL},
};
static const struct otlp_json_message histogram_point = MESSAGE(histogram_point_fields);

static const struct otlp_json_field buckets_fields[] = {
    {SLICE("offset"), 1, OTLP_JSON_SINT32, false, NULL, NULL},
    {SLICE("bucketCounts"), 2, OTLP_JSON_UINT64, true, NULL, NULL},
};
static const struct otlp_json_message buckets = MESSAGE(buckets_fields);

static const struct otlp_json_field exponential_point_fields[] = {
    {SLICE("attributes"), 1, OTLP_JSON_MESSAGE, true, &otlp_json_attribute, NULL},
    {SLICE("count"), 4, OTLP_JSON_FIXED64, false, NULL, NULL},
    {SLICE("min"), 12, OTLP_JSON_DOUBLE, false, NULL, NULL},
    {SLICE("max"), 13, OTLP_JSON_DOUBLE, false, NULL, NULL},
    {SLICE("sum"), 5, OTLP_JSON_DOUBLE, false, NULL, NULL},
    {SLICE("positive"), 8, OTLP_JSON_MESSAGE, false, &buckets, NULL},
    {SLICE("negative"), 9, OTLP_JSON_MESSAGE, false, &buckets, NULL},
    {SLICE("scale"), 6, OTLP_JSON_SINT32, false, NULL, NULL},
    {SLICE("zeroCount"), 7, OTLP_JSON_FIXED64, false, NULL, NULL},
    {SLICE("startTimeUnixNano"), 2, OTLP_JSON_FIXED64, false, NULL, NULL},
    {SLICE("timeUnixNano"), 3, OTLP_JSON_FIXED64, false, NULL, NULL},
    {SLICE("exemplars"), 11, OTLP_JSON_MESSAGE, true, &exemplar, NULL},
    {SLICE("flags"), 10, OTLP_JSON_UINT32, false, NULL, NULL},
    {SLICE("zeroThreshold"), 14, OTLP_JSON_DOUBLE, false, NULL, NULL},
};
static const struct otlp_json_message exponential_point = MESSAGE(exponential_point_fields);

static const struct otlp_json_field quantile_fields[] = {
    {SLICE("quantile"), 1, OTLP_JSON_DOUBLE, false, NULL, NULL},
    {SLICE("value"), 2, OTLP_JSON_DOUBLE, false, NULL, NULL},
};
static const struct otlp_json_message quantile = MESSAGE(quantile_fields);

static const struct otlp_json_field summary_point_fields[] = {
    {SLICE("attributes"), 7, OTLP_JSON_MESSAGE, true, &otlp_json_attribute, NULL},
    {SLICE("startTimeUnixNano"), 2, OTLP_JSON_FIXED64, false, NULL, NULL},
    {SLICE("timeUnixNano"), 3, OTLP_JSON_FIXED64, false, NULL, NULL},
    {SLICE("count"), 4, OTLP_JSON_FIXED64, false, NULL, NULL},
    {SLICE("sum"), 5, OTLP_JSON_DOUBLE, false, NULL, NULL},
    {SLICE("quantileValues"), 6, OTLP_JSON_MESSAGE, true, &quantile, NULL},
    {SLICE("flags"), 8, OTLP_JSON_UINT32, false, NULL, NULL},
};
static const struct otlp_json_message summary_point = MESSAGE(summary_point_fields);

static const struct slice temporalities[] = {
    SLICE("AGGREGATION_TEMPORALITY_UNSPECIFIED"),
    SLICE("AGGREGATION_TEMPORALITY_DELTA"),
    SLICE("AGGREGATION_TEMPORALITY_CUMULATIVE"),
    SLICE(""),
};

static const struct otlp_json_field gauge_fields[] = {
    {SLICE("dataPoints"), 1, OTLP_JSON_MESSAGE, true, &number, NULL},
};
static const struct otlp_json_message gauge = MESSAGE(gauge_fields);

static const struct otlp_json_field sum_fields[] = {
    {SLICE("aggregationTemporality"), 2, OTLP_JSON_ENUM, false, NULL, temporalities},
    {SLICE("isMonotonic"), 3, OTLP_JSON_BOOL, false, NULL, NULL},
    {SLICE("dataPoints"), 1, OTLP_JSON_MESSAGE, true, &number, NULL},
};
static const struct otlp_json_message sum = MESSAGE(sum_fields);

static const struct otlp_json_field histogram_fields[] = {
    {SLICE("aggregationTemporality"), 2, OTLP_JSON_ENUM, false, NULL, temporalities},
    {SLICE("dataPoints"), 1, OTLP_JSON_MESSAGE, true, &histogram_point, NULL},
};
static const struct otlp_json_message histogram = MESSAGE(histogram_fields);

static const struct otlp_json_field exponential_fields[] = {
    {SLICE("aggregationTemporality"), 2, OTLP_JSON_ENUM, false, NULL, temporalities},
    {SLICE("dataPoints"), 1, OTLP_JSON_MESSAGE, true, &exponential_point, NULL},
};
static const struct otlp_json_message exponential = MESSAGE(exponential_fields);

static const struct otlp_json_field summary_fields[] = {
    {SLICE("dataPoints"), 1, OTLP_JSON_MESSAGE, true, &summary_point, NULL},
};
static const struct otlp_json_message summary = MESSAGE(summary_fields);

static const struct otlp_json_field metric_fields[] = {
    {SLICE("name"), 1, OTLP_JSON_STRING, false, NULL, NULL},
    {SLICE("description"), 2, OTLP_JSON_STRING, false, NULL, NULL},
    {SLICE("unit"), 3, OTLP_JSON_STRING, false, NULL, NULL},
    {SLICE("gauge"), 5, OTLP_JSON_MESSAGE, false, &gauge, NULL},
    {SLICE("sum"), 7, OTLP_JSON_MESSAGE, false, &sum, NULL},
    {SLICE("histogram"), 9, OTLP_JSON_MESSAGE, false, &histogram, NULL},
    {SLICE("exponentialHistogram"), 10, OTLP_JSON_MESSAGE, false, &exponential, NULL},
    {SLICE("summary"), 11, OTLP_JSON_MESSAGE, false, &summary, NULL},
};
static const struct otlp_json_message metric = MESSAGE(metric_fields);

static const struct otlp_json_field scope_metrics_fields[] = {
    {SLICE("scope"), 1, OTLP_JSON_MESSAGE, false, &otlp_json_scope, NULL},
    {SLICE("metrics"), 2, OTLP_JSON_MESSAGE, true, &metric, NULL},
};
static const struct otlp_json_message scope_metrics = MESSAGE(scope_metrics_fields);

static const struct otlp_json_field resource_metrics_fields[] = {
    {SLICE("resource"), 1, OTLP_JSON_MESSAGE, false, &otlp_json_resource, NULL},
    {SLICE("scopeMetrics"), 2, OTLP_JSON_MESSAGE, true, &scope_metrics, NULL},
};
static const struct otlp_json_message resource_metrics = MESSAGE(resource_metrics_fields);

static const struct otlp_json_field metrics_fields[] = {
    {SLICE("resourceMetrics"), 1, OTLP_JSON_MESSAGE, true, &resource_metrics, NULL},
};
const struct otlp_json_message otlp_json_metrics = MESSAGE(metrics_fields);

/* ---- trace.v1 ---- */

static const struct slice span_kinds[] = {
    SLICE("SPAN_KIND_UNSPECIFIED"),
    SLICE("SPAN_KIND_INTERNAL"),
    SLICE("SPAN_KIND_SERVER"),
    SLICE("SPAN_KIND_CLIENT"),
    SLICE("SPAN_KIND_PRODUCER"),
    SLICE("SPAN_KIND_CONSUMER"),
    SLICE(""),
};
static const struct slice status_codes[] = {
    SLICE("STATUS_CODE_UNSET"),
    SLICE("STATUS_CODE_OK"),
    SLICE("STATUS_CODE_ERROR"),
    SLICE(""),
};

static const struct otlp_json_field event_fields[] = {
    {SLICE("attributes"), 3, OTLP_JSON_MESSAGE, true, &otlp_json_attribute, NULL},
    {SLICE("name"), 2, OTLP_JSON_STRING, false, NULL, NULL},
    {SLICE("timeUnixNano"), 1, OTLP_JSON_FIXED64, false, NULL, NULL},
    {SLICE("droppedAttributesCount"), 4, OTLP_JSON_UINT32, false, NULL, NULL},
};
static const struct otlp_json_message event = MESSAGE(event_fields);

static const struct otlp_json_field link_fields[] = {
    {SLICE("attributes"), 4, OTLP_JSON_MESSAGE, true, &otlp_json_attribute, NULL},
    {SLICE("spanId"), 2, OTLP_JSON_HEX, false, NULL, NULL},
    {SLICE("traceId"), 1, OTLP_JSON_HEX, false, NULL, NULL},
    {SLICE("traceState"), 3, OTLP_JSON_STRING, false, NULL, NULL},
    {SLICE("droppedAttributesCount"), 5, OTLP_JSON_UINT32, false, NULL, NULL},
    {SLICE("flags"), 6, OTLP_JSON_FIXED32, false, NULL, NULL},
};
static const struct otlp_json_message link = MESSAGE(link_fields);

static const struct otlp_json_field status_fields[] = {
    {SLICE("code"), 3, OTLP_JSON_ENUM, false, NULL, status_codes},
    {SLICE("message"), 2, OTLP_JSON_STRING, false, NULL, NULL},
};
static const struct otlp_json_message status = MESSAGE(status_fields);

static const struct otlp_json_field span_fields[] = {
    {SLICE("traceId"), 1, OTLP_JSON_HEX, false, NULL, NULL},
    {SLICE("spanId"), 2, OTLP_JSON_HEX, false, NULL, NULL},
    {SLICE("traceState"), 3, OTLP_JSON_STRING, false, NULL, NULL},
    {SLICE("parentSpanId"), 4, OTLP_JSON_HEX, false, NULL, NULL},
    {SLICE("name"), 5, OTLP_JSON_STRING, false, NULL, NULL},
    {SLICE("kind"), 6, OTLP_JSON_ENUM, false, NULL, span_kinds},
    {SLICE("startTimeUnixNano"), 7, OTLP_JSON_FIXED64, false, NULL, NULL},
    {SLICE("endTimeUnixNano"), 8, OTLP_JSON_FIXED64, false, NULL, NULL},
    {SLICE("attributes"), 9, OTLP_JSON_MESSAGE, true, &otlp_json_attribute, NULL},
    {SLICE("droppedAttributesCount"), 10, OTLP_JSON_UINT32, false, NULL, NULL},
    {SLICE("events"), 11, OTLP_JSON_MESSAGE, true, &event, NULL},
    {SLICE("droppedEventsCount"), 12, OTLP_JSON_UINT32, false, NULL, NULL},
    {SLICE("status"), 15, OTLP_JSON_MESSAGE, false, &status, NULL},
    {SLICE("links"), 13, OTLP_JSON_MESSAGE, true, &link, NULL},
    {SLICE("droppedLinksCount"), 14, OTLP_JSON_UINT32, false, NULL, NULL},
    {SLICE("flags"), 16, OTLP_JSON_FIXED32, false, NULL, NULL},
};
static const struct otlp_json_message span = MESSAGE(span_fields);

static const struct otlp_json_field scope_spans_fields[] = {
    {SLICE("scope"), 1, OTLP_JSON_MESSAGE, false, &otlp_json_scope, NULL},
    {SLICE("spans"), 2, OTLP_JSON_MESSAGE, true, &span, NULL},
    {SLICE("schemaUrl"), 3, OTLP_JSON_STRING, false, NULL, NULL},
};
static const struct otlp_json_message scope_spans = MESSAGE(scope_spans_fields);

static const struct otlp_json_field resource_spans_fields[] = {
    {SLICE("resource"), 1, OTLP_JSON_MESSAGE, false, &otlp_json_resource, NULL},
    {SLICE("scopeSpans"), 2, OTLP_JSON_MESSAGE, true, &scope_spans, NULL},
    {SLICE("schemaUrl"), 3, OTLP_JSON_STRING, false, NULL, NULL},
};
static const struct otlp_json_message resource_spans = MESSAGE(resource_spans_fields);

static const struct otlp_json_field traces_fields[] = {
    {SLICE("resourceSpans"), 1, OTLP_JSON_MESSAGE, true, &resource_spans, NULL},
};
const struct otlp_json_message otlp_json_traces = MESSAGE(traces_fields);

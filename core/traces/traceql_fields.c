/* Names of what is no attribute. */
#include <string.h>

#include "traces/traceql_tree.h"

const char *const traceql_scope_names[TRACEQL_SCOPES] = {"span", "resource", "event", "link", "instrumentation"};

static const struct {
	const char *written, *label;
	enum field_kind kind;
	uint8_t type;
} intrinsics[] = {
    {"name", "name", FIELD_NAME, TRACEQL_STRING},
    {"status", "status", FIELD_STATUS, TRACEQL_STATUS},
    {"statusMessage", "statusMessage", FIELD_STATUS_MESSAGE, TRACEQL_STRING},
    {"kind", "kind", FIELD_KIND, TRACEQL_KIND},
    {"duration", "duration", FIELD_DURATION, TRACEQL_DURATION},
    {"rootName", "rootName", FIELD_ROOT_NAME, TRACEQL_STRING},
    {"rootServiceName", "rootServiceName", FIELD_ROOT_SERVICE, TRACEQL_STRING},
    {"traceDuration", "traceDuration", FIELD_TRACE_DURATION, TRACEQL_DURATION},
    {"nestedSetLeft", "nestedSetLeft", FIELD_NESTED_LEFT, TRACEQL_INT},
    {"nestedSetRight", "nestedSetRight", FIELD_NESTED_RIGHT, TRACEQL_INT},
    {"nestedSetParent", "nestedSetParent", FIELD_NESTED_PARENT, TRACEQL_INT},
    {"childCount", "childCount", FIELD_CHILD_COUNT, TRACEQL_INT},
    {"span:name", "name", FIELD_NAME, TRACEQL_STRING},
    {"span:status", "status", FIELD_STATUS, TRACEQL_STATUS},
    {"span:statusMessage", "statusMessage", FIELD_STATUS_MESSAGE, TRACEQL_STRING},
    {"span:kind", "kind", FIELD_KIND, TRACEQL_KIND},
    {"span:duration", "duration", FIELD_DURATION, TRACEQL_DURATION},
    {"span:childCount", "childCount", FIELD_CHILD_COUNT, TRACEQL_INT},
    {"span:id", "span:id", FIELD_SPAN_ID, TRACEQL_STRING},
    {"span:parentID", "span:parentID", FIELD_PARENT_ID, TRACEQL_STRING},
    {"trace:id", "trace:id", FIELD_TRACE_ID, TRACEQL_STRING},
    {"trace:duration", "traceDuration", FIELD_TRACE_DURATION, TRACEQL_DURATION},
    {"trace:rootName", "rootName", FIELD_ROOT_NAME, TRACEQL_STRING},
    {"trace:rootService", "rootServiceName", FIELD_ROOT_SERVICE, TRACEQL_STRING},
    {"event:name", "event:name", FIELD_EVENT_NAME, TRACEQL_STRING},
    {"event:timeSinceStart", "event:timeSinceStart", FIELD_EVENT_TIME, TRACEQL_DURATION},
    {"link:traceID", "link:traceID", FIELD_LINK_TRACE_ID, TRACEQL_STRING},
    {"link:spanID", "link:spanID", FIELD_LINK_SPAN_ID, TRACEQL_STRING},
    {"instrumentation:name", "instrumentation:name", FIELD_SCOPE_NAME, TRACEQL_STRING},
    {"instrumentation:version", "instrumentation:version", FIELD_SCOPE_VERSION, TRACEQL_STRING},
};
enum { INTRINSICS = sizeof intrinsics / sizeof *intrinsics };

/* Those that an editor offers. */
const char *const traceql_intrinsic_names[] = {
    "duration",
    "event:name",
    "event:timeSinceStart",
    "instrumentation:name",
    "instrumentation:version",
    "kind",
    "link:spanID",
    "link:traceID",
    "name",
    "rootName",
    "rootServiceName",
    "span:duration",
    "span:id",
    "span:kind",
    "span:name",
    "span:parentID",
    "span:status",
    "span:statusMessage",
    "status",
    "statusMessage",
    "trace:duration",
    "trace:id",
    "trace:rootName",
    "trace:rootService",
    "traceDuration",
    NULL,
};

bool field_intrinsic(struct slice written, enum field_kind *out)
{
	for (int i = 0; i < INTRINSICS; i++) {
		if (slice_eq(written, slice_cstr(intrinsics[i].written))) {
			*out = intrinsics[i].kind;
			return true;
		}
	}
	return false;
}

const char *field_label(enum field_kind kind)
{
	for (int i = 0; i < INTRINSICS; i++) {
		if (intrinsics[i].kind == kind)
			return intrinsics[i].label;
	}
	return "";
}

uint8_t field_type(enum field_kind kind)
{
	for (int i = 0; i < INTRINSICS; i++) {
		if (intrinsics[i].kind == kind)
			return intrinsics[i].type;
	}
	return TYPE_ANY;
}

/* OTLP's JSON as Protocol Buffers: the JSON mapping of protobuf (ProtoJSON) with OTLP's own rules, by tables that say which fields a message has. All signals' JSON bodies are brought into the form that the
 * decoders read, so that both encodings mean the same. Private to ingest/. */
#ifndef MOONGATE_INGEST_OTLP_JSON_H
#define MOONGATE_INGEST_OTLP_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

enum { OTLP_JSON_DEPTH_MAX = 100 }; /* messages within each other; protobuf's own limit */

enum otlp_json_kind {
	OTLP_JSON_MESSAGE,
	OTLP_JSON_STRING,
	OTLP_JSON_BYTES,    /* base64, or the variant for URLs; padding may be missing */
	OTLP_JSON_HEX,      /* bytes in hexadecimal, as OTLP has trace and span ids */
	OTLP_JSON_BOOL,     /* varint */
	OTLP_JSON_ENUM,     /* varint; a number or a name */
	OTLP_JSON_INT64,    /* varint; this and all numbers below: as numbers or in quotes */
	OTLP_JSON_UINT64,   /* varint */
	OTLP_JSON_UINT32,   /* varint */
	OTLP_JSON_SINT32,   /* varint, zigzag */
	OTLP_JSON_FIXED32,  /* unsigned */
	OTLP_JSON_FIXED64,  /* unsigned */
	OTLP_JSON_SFIXED64, /* signed */
	OTLP_JSON_DOUBLE    /* also "NaN", "Infinity", "-Infinity" */
};

struct otlp_json_message;

struct otlp_json_field {
	struct slice name; /* in lowerCamelCase; taken in snake_case too */
	uint32_t number;
	enum otlp_json_kind kind;
	bool repeated;                           /* numbers are written packed */
	const struct otlp_json_message *message; /* OTLP_JSON_MESSAGE: what it is */
	const struct slice *names;               /* OTLP_JSON_ENUM: by number, ends in an empty one */
};

struct otlp_json_message {
	const struct otlp_json_field *fields; /* in the order in which they mostly are sent */
	uint32_t count;
};

/* What the signals have in common (opentelemetry.proto.common.v1, resource.v1), for the tables of each. */
extern const struct otlp_json_message otlp_json_attribute, otlp_json_resource, otlp_json_scope;

/* ExportMetricsServiceRequest, ExportTraceServiceRequest. */
extern const struct otlp_json_message otlp_json_metrics, otlp_json_traces;

/* Appends the message that a body of JSON is. Fields that the table does not have are passed over, those that are null are left out. At most four times the body is written, and some bytes. `body` has
 * INGEST_PADDING readable bytes behind it. 0; -EINVAL, `err` says why and at which byte; -EFBIG for a message of more than 256 MiB; -ENOMEM. */
int otlp_json_to_protobuf(struct slice body, const struct otlp_json_message *message, struct buf *out,
                          struct error *err);

#endif

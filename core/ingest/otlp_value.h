/* What all signals of OpenTelemetry share: attributes and their values (opentelemetry.proto.common.v1), read off Protocol Buffers. JSON bodies are brought into that form first (otlp_json.h), so that there
 * is one reader. Nothing is copied: strings stay in the body. Private to ingest/. */
#ifndef MOONGATE_INGEST_OTLP_VALUE_H
#define MOONGATE_INGEST_OTLP_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "ingest/protobuf.h"

enum { OTLP_VALUE_DEPTH_MAX = 32 }; /* lists and maps in an attribute's value */

/* The numbers are those of AnyValue's fields. */
enum otlp_type {
	OTLP_EMPTY = 0,
	OTLP_STRING = 1,
	OTLP_BOOL = 2,
	OTLP_INT = 3,
	OTLP_DOUBLE = 4,
	OTLP_ARRAY = 5,
	OTLP_MAP = 6,
	OTLP_BYTES = 7
};

/* An AnyValue. */
struct otlp_value {
	enum otlp_type type;
	int64_t integer;    /* OTLP_INT, OTLP_BOOL */
	double number;      /* OTLP_DOUBLE */
	struct slice bytes; /* OTLP_STRING (UTF-8 is not checked), OTLP_BYTES; of OTLP_ARRAY and OTLP_MAP the message */
};

/* A KeyValue. */
struct otlp_attribute {
	struct slice key; /* UTF-8 is not checked */
	struct otlp_value value;
};

/* Reads a KeyValue from its bytes, looking through the list or map that it is too. False: they are malformed, p has the error. */
bool otlp_attribute_read(struct protobuf *p, struct slice message, struct otlp_attribute *out);

/* The same for a KeyValue and an AnyValue, where lists and maps are not looked into. */
bool otlp_attribute_peek(struct protobuf *p, struct slice message, struct otlp_attribute *out);
bool otlp_value_peek(struct protobuf *p, struct slice message, struct otlp_value *out);

/* Appends bytes in base64, padded. */
void otlp_append_base64(struct buf *to, struct slice s);

/* Appends a value as a label has it: strings as they are, true and false, integers, doubles in their shortest form (NaN, +Inf, -Inf), bytes in base64, lists and maps as JSON, in the order sent; nothing for
 * an empty one. False: it is nested deeper than OTLP_VALUE_DEPTH_MAX. */
bool otlp_value_text(struct buf *to, const struct otlp_value *v);

#endif

/* How a span is written as a record: the names of its fields. Decoders make such records, journal and filters treat them as any other, the buffer of traces and scripts read them.
 *
 * A span has kind RECORD_SPAN, the type "span", and as time its start. Its fields, in this order; what is empty, zero or absent is left out but for those that are marked:
 *
 *   trace_id *          string of 32 hexadecimal digits in lower case, not all 0
 *   span_id *           string of 16, likewise
 *   parent_span_id      string of 16; a span without it is a root
 *   name *              string, may be empty
 *   kind *              "unspecified", "internal", "server", "client", "producer", "consumer"
 *   duration_ns *       int: end minus start, negative where a span ends before it starts
 *   status *            "unset", "ok", "error"
 *   status_message      string
 *   trace_state         string, as the header tracestate has it
 *   flags               int, as OTLP has them: bit 8 says that bit 9 (the parent is remote) is known
 *   attributes          object: name → value
 *   events              array of objects: time_ns (int), name, attributes, dropped_attributes (int)
 *   links               array of objects: trace_id, span_id (strings as above), trace_state, flags, attributes, dropped_attributes
 *   dropped_attributes, dropped_events, dropped_links   int: what the sender says that it left out
 *   resource            object: name → value
 *   resource_schema_url string
 *   scope               object: name, version (strings), attributes
 *   scope_schema_url    string
 *
 * Values of attributes are values of records: an attribute without a value is null, bytes are their text in base64. Spans that came together share the objects `resource` and `scope`: the pointers are equal.
 *
 * record_get and record_set find a field of a span by its name or path (record.h), and where there is none the attribute of that very name: "gen_ai.usage.input_tokens". Of the resource it is "resource.service.name". A name that is neither is added to the attributes. */
#ifndef MOONGATE_RECORD_SPAN_H
#define MOONGATE_RECORD_SPAN_H

#define SPAN_TYPE "span"

enum span_kind { SPAN_UNSPECIFIED, SPAN_INTERNAL, SPAN_SERVER, SPAN_CLIENT, SPAN_PRODUCER, SPAN_CONSUMER, SPAN_KINDS };
enum span_status { SPAN_UNSET, SPAN_OK, SPAN_ERROR, SPAN_STATUSES };

/* What the fields `kind` and `status` hold, by OTLP's numbers. */
extern const char *const span_kind_names[SPAN_KINDS];
extern const char *const span_status_names[SPAN_STATUSES];

enum {
	SPAN_FLAG_REMOTE_KNOWN = 0x100, /* of `flags` */
	SPAN_FLAG_REMOTE = 0x200        /* the parent lies in another process */
};

#endif

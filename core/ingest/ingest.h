/* Decoders: bytes of one protocol → records or samples. One file a protocol; pure functions over a buffer: no I/O, no clock, no global state.
 * Any thread, one batch a thread. Every decoder survives any input, in time and memory linear in its length. */
#ifndef MOONGATE_INGEST_INGEST_H
#define MOONGATE_INGEST_INGEST_H

#include <stdint.h>

#include "base/error.h"
#include "base/slice.h"
#include "record/matcher.h"
#include "record/record.h"
#include "record/samples.h"

/* Decoders may read (not use) this many bytes behind the end of a body: they must be allocated. */
enum { INGEST_PADDING = 64 };

struct ingest_limits {
	uint32_t depth;        /* nesting of objects and arrays in an event; the event itself is 1. Default 32 */
	uint32_t fields;       /* fields of one event, nested ones and array items counted. Default 1024 */
	uint32_t key_bytes;    /* of a field name. Default 256 */
	uint32_t string_bytes; /* of one string, decoded. Default 65536 */
	uint32_t event_bytes;  /* of one event as sent. Default 1 MiB */
	uint32_t events;       /* in one body. Default 100000 */
};

/* What a body of samples may hold. What is in a label set is bounded by record/labels.h. */
struct ingest_sample_limits {
	uint32_t series;    /* of one body, those without samples too. Default 200000 */
	uint32_t samples;   /* of one body. Default 1000000 */
	uint32_t exemplars; /* of one body. Default 100000 */
	uint32_t metadata;  /* of one body. Default 100000 */
	size_t label_bytes; /* of label sets that the body does not hold as they are, in all. Default 64 MiB */
	/* Of text: labels with an empty value stay, as labels_prepare_all has it, for who merges sets. Default false: they are absent. */
	bool keep_empty;
};

/* One event or series of a body that was refused, with the reason. */
struct ingest_reject {
	uint32_t index; /* 0-based position in the body */
	struct slice
	    text; /* a sentence, valid UTF-8, in the batch's memory; of samples it begins with its place: "series 3: …", "line 7: …" */
};

struct ingest_rejects {
	struct ingest_reject *items; /* owned (ingest_rejects_free) */
	uint32_t count;
	uint32_t unlisted; /* refused, but beyond the room for the list */
	size_t cap;
	size_t room;    /* bytes that may still be listed, as an answer has them */
	bool in_event;  /* a body of events was refused as a whole for a syntax error within an event, */
	uint32_t event; /* the one at this 0-based position */
	uint64_t samples, exemplars, histograms; /* what refused series held; decoders of samples count them */
	uint64_t points;                         /* data points of OTLP that were refused */
};

/* How many bytes the refusals of a body may take: what is refused must not cost more than what is taken. Twice the body, and at least 256 KiB, is room for all refusals of
 * anything but a body of the smallest things that are no events. */
size_t ingest_rejects_room(size_t body_len);

/* Adds a refusal, the text formatted into `texts`, or counts it as unlisted. 0 or -ENOMEM. */
int ingest_reject_add(struct ingest_rejects *rejects, struct arena *texts, uint32_t index, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Frees the list itself; its texts go with the arena that they are in. */
void ingest_rejects_free(struct ingest_rejects *rejects);

/* The defaults named above. */
void ingest_limits_default(struct ingest_limits *limits);
/* The same for samples. */
void ingest_sample_limits_default(struct ingest_sample_limits *limits);

/* JSON events (RFC 8259): one object, an array of objects, or NDJSON (objects separated by line ends; blank lines skipped; told apart by the body's
 * first bytes: '[' is an array; one object may be spread over lines; an object followed by anything but white space is NDJSON, and so is what is no object but has a
 * later line that begins like one; there an object spans no line end).
 *
 * Of each event: `type` (non-empty string, required; ≤ 128 bytes) becomes the record's type, `time` its time (RFC 3339, or a number since the Unix epoch told apart by size:
 * |t| < 1e11 seconds, < 1e14 milliseconds, < 1e17 microseconds, else nanoseconds; years 1970..2261; missing or null: `arrival_ns`); neither stays among the fields. `id`, `tenant_id`, `trace_id`,
 * `span_id`, `request_id`, `user_id` must be strings or numbers where present and not null; a number is kept as its decimal text, an empty or null one is left out. All other fields stay as they are.
 * Integers that fit int64 are VALUE_INT, other numbers VALUE_DOUBLE; a number beyond double's range (1e999), NaN and Infinity, duplicate keys, lone surrogates, invalid UTF-8, raw control characters are errors.
 *
 * An event that is well-formed JSON but no valid event is refused alone, by its index; in NDJSON so is a line with a syntax error. A syntax error in an
 * array or a single object, a cut-off body, an empty body, or an array of more than limits->events refuses the whole body.
 *
 * `body` has INGEST_PADDING readable bytes behind it, and outlives the batch or is owned by it: strings without escapes point into it.
 * 0: decoded, each event is either a record of the batch or in `rejects`, listed or counted. Values of what was refused are given back, so that decoding never takes
 * more than some eight times the body. -EINVAL: the whole body is refused, `err` says why and at which byte offset,
 * rejects->in_event and rejects->event within which event where it is one.
 * -EFBIG: over limits->events. -ENOMEM. After an error the batch is to be reset. */
int ingest_events_json(struct batch *b, struct slice body, int64_t arrival_ns, const struct ingest_limits *limits,
                       struct ingest_rejects *rejects, struct error *err);

enum { INGEST_TRACE_DIGITS = 32, INGEST_SPAN_DIGITS = 16 };

/* What the header traceparent says (W3C, Trace Context). Both in the header. */
struct ingest_traceparent {
	struct slice trace_id;  /* of INGEST_TRACE_DIGITS hexadecimal digits in lower case, not all 0 */
	struct slice parent_id; /* of INGEST_SPAN_DIGITS, likewise */
};

/* Reads it. Versions later than 00 are read by what 00 has. False: it is not valid, and to be ignored. */
bool ingest_traceparent(struct slice header, struct ingest_traceparent *out);

/* Gives each event of a batch that has no trace_id that of the header, and the header's parent_id as parent_span_id where it has none and is not that span itself. An event that has as many fields as there can
 * be stays as it is. 0 or -ENOMEM. */
int ingest_events_join(struct batch *b, const struct ingest_traceparent *from);

enum ingest_remote_write { INGEST_REMOTE_WRITE_1 = 1, INGEST_REMOTE_WRITE_2 = 2 };

/* Prometheus's remote_write: `version` 1 is the message prometheus.WriteRequest, 2 is io.prometheus.write.v2.Request (2.0-rc.4, and the created_timestamp of those before it). The body is not compressed
 * any more; a receiver knows the version from Content-Type. Fields that are not known are passed over.
 *
 * Each series becomes one of the batch, with its samples as they were sent (the bits of their values kept, the stale marker among them) and its exemplars. A canonical label set of 1.0 stays where it is
 * in the body; others are put in order in the batch. Series with neither samples nor exemplars say nothing and are left out. Of 2.0, metadata stands with each series; what is the same as that of the series
 * before is not repeated, and its name is that of the family (without _bucket, _sum, _count of histograms and summaries). When a counter began is said once a series: by the series, else by its last sample.
 *
 * Refused by its index among the series: what has no `__name__`, labels that record/labels.h does not take, references to symbols that are not there; an exemplar alone, when its labels are at fault or
 * have more than 128 characters; native histograms, with the float samples beside them taken; metadata without a name or that is not UTF-8 (with its own index, and said so).
 *
 * `body` has INGEST_PADDING readable bytes behind it, and outlives the batch or is owned by it. The batch takes at most 16 times the body, 1 MiB and, for labels that had to be written out,
 * limits->label_bytes. 0: each series is taken or among `rejects`, listed or counted. -EINVAL: the body is malformed, `err` says why and at which byte. -EFBIG: a limit. -ENOMEM. After an error the
 * batch is to be reset. */
int ingest_remote_write(struct sample_batch *b, struct slice body, enum ingest_remote_write version,
                        const struct ingest_sample_limits *limits, struct ingest_rejects *rejects, struct error *err);

enum ingest_text { INGEST_TEXT = 1, INGEST_OPENMETRICS = 2 };

/* Prometheus's text exposition, version 0.0.4, or OpenMetrics 1.0: which one a receiver knows from Content-Type. Read as Prometheus 3 reads them: names in quotes ({"my.metric", "a.b"="c"}), numbers as Go's
 * ParseFloat takes them (no hexadecimal ones; a NaN is one NaN, never the stale marker), `le` of histograms and `quantile` of summaries in the form of OpenMetrics ("1.0"), times in milliseconds, in
 * OpenMetrics in seconds and cut off to milliseconds. Samples without a time have `arrival_ms`, exemplars without one that of their sample. Samples of `_created` are series like others.
 *
 * Each line of a sample becomes a series of the batch, with one sample and at most one exemplar; its index is that of the line, 0-based. HELP, TYPE and UNIT of a metric that follow each other are one
 * piece of metadata, under the name that the lines have.
 *
 * Refused by its line: a sample whose labels record/labels.h does not take; an exemplar alone, when its labels are at fault or have more than 128 characters; metadata that is not UTF-8 or has a name too long.
 * 0: each line is taken or among `rejects`, listed or counted. -EINVAL: the body is malformed, `err` says why, at which line and byte. -EFBIG: a limit. -ENOMEM. After an error the batch is to be reset.
 * The body outlives the batch or is owned by it: metadata points into it. The batch takes at most 32 times the body, and 1 MiB. */
int ingest_prometheus_text(struct sample_batch *b, struct slice body, enum ingest_text format, int64_t arrival_ms,
                           const struct ingest_sample_limits *limits, struct ingest_rejects *rejects,
                           struct error *err);

/* OTLP metrics: an ExportMetricsServiceRequest of Protocol Buffers (opentelemetry-proto 1.x, opentelemetry.proto.collector.metrics.v1). What becomes of it is what Prometheus's own OTLP endpoint makes of it when
 * nothing is configured, where it is not said otherwise:
 *
 * - Names of metrics and labels are legacy names, by Prometheus's translation strategy UnderscoreEscapingWithSuffixes (otlp_name.h): http.server.duration of unit "s" is http_server_duration_seconds.
 * - service.namespace/service.name of the resource is the label job, service.instance.id the label instance; where there is either, the other attributes of the resource are the labels of one
 *   target_info, of value 1, at the time of the resource's newest point. Scopes make no labels: not otel_scope_name either.
 * - Attributes whose names become the same are joined with ';', in order of their keys; one that is called as a label of ours (job, instance, le, quantile) gives way to it. Values that are no strings are
 *   their text: true, 1, 0.5, base64 of bytes, JSON of lists and maps.
 * - A gauge is a gauge, a monotonic sum a counter (_total), another sum a gauge. A histogram is _bucket with `le`, _count and, where it was sent, _sum; min and max are left out. An exponential
 *   histogram is the same with bounds that do not depend on its scale (otlp_exponential.c). A summary is its quantiles, _count and _sum.
 * - Of delta temporality each series is marked `delta` (record/samples.h); increments of one series at one time, as two scopes may send them, are added up. The time when a point began is created_ms of all its series but those of gauges.
 * - A point with the flag "no recorded value" is the stale marker of all its series.
 * - Exemplars go to their series, those of histograms to the bucket that holds their value, with trace_id, span_id and the filtered attributes; these are left out where all have more than 128 characters.
 * - Times are cut off to milliseconds.
 *
 * Each data point makes series of one sample each; their index is the running number of the data point in the body, 0-based. Refused by that index, counted in rejects->points, with its place in the text
 * (resourceMetrics[0].scopeMetrics[1].metrics[3].dataPoints[0], name: …): what has no time or no value, no name, no temporality, labels that record/labels.h does not take, buckets that do not fit together. Left
 * out, and listed without being counted: an exemplar without a value, a description that is not UTF-8, a target_info with labels that are not taken.
 *
 * Nothing of the batch points into the body. The batch takes some 200 bytes for each of at most limits->series series, limits->label_bytes, and twice the body. 0: each data point is taken or among
 * `rejects`, listed or counted. -EINVAL: the body is malformed, `err` says why and at which byte. -EFBIG: a limit. -ENOMEM. After an error the batch is to be reset. */
int ingest_otlp_metrics_protobuf(struct sample_batch *b, struct slice body, const struct ingest_sample_limits *limits,
                                 struct ingest_rejects *rejects, struct error *err);

/* The same of OTLP's JSON: names of fields in lowerCamelCase or as in the .proto, numbers and enumerations as numbers or strings, ids in hexadecimal, bytes in base64, "NaN", "Infinity" and "-Infinity";
 * fields that are not known are passed over. The body is made Protocol Buffers first, which takes at most four times its length for the call. It has INGEST_PADDING readable bytes behind it. */
int ingest_otlp_metrics_json(struct sample_batch *b, struct slice body, const struct ingest_sample_limits *limits,
                             struct ingest_rejects *rejects, struct error *err);

/* What a body of spans may hold. */
struct ingest_span_limits {
	uint32_t depth;     /* nesting of lists and maps in an attribute. Default 32 */
	uint32_t values;    /* attributes of one span with its events and links, nested values counted. Default 4096 */
	uint32_t key_bytes; /* of an attribute's name. Default 256 */
	uint32_t string_bytes; /* of one string. Default 1 MiB */
	uint32_t span_bytes;   /* of one span as sent. Default 4 MiB */
	uint32_t spans;        /* in one body. Default 100000 */
};
/* The defaults named above. */
void ingest_span_limits_default(struct ingest_span_limits *limits);

/* OTLP traces: an ExportTraceServiceRequest of Protocol Buffers (opentelemetry-proto 1.x, opentelemetry.proto.collector.trace.v1). Each span becomes a record as record/span.h has it; its index is its running number in the body, 0-based.
 *
 * Refused by that index, with its place in the text (resourceSpans[0].scopeSpans[1].spans[3], name: …): ids that are no 16 or 8 bytes or all 0 (a parent of zeros is none, a link to zeros has no ids), a start or end that is 0 or past 2261, strings that are not UTF-8, what is over a limit; such a resource or scope refuses its spans.
 * Taken: an end before the start; a kind or status that is not known (as unspecified, unset); of attributes with one name the last; an attribute without a value, as null; bytes, as text in base64. Fields that are not known are passed over.
 *
 * `body` has INGEST_PADDING readable bytes behind it, and outlives the batch or is owned by it: strings point into it. 0: each span is a record or among `rejects`, listed or counted. -EINVAL: the body is malformed, `err` says why and at which byte.
 * -EFBIG: over limits->spans. -ENOMEM. After an error the batch is to be reset. */
int ingest_otlp_traces_protobuf(struct batch *b, struct slice body, const struct ingest_span_limits *limits,
                                struct ingest_rejects *rejects, struct error *err);

/* The same of OTLP's JSON, as ingest_otlp_metrics_json has it. Strings point into the batch. */
int ingest_otlp_traces_json(struct batch *b, struct slice body, const struct ingest_span_limits *limits,
                            struct ingest_rejects *rejects, struct error *err);

/* ---- remote read ---- */

enum { INGEST_READ_QUERIES = 100, INGEST_READ_MATCHERS = 1000 /* of a query */ };

struct ingest_read_matcher {
	enum matcher_op op;
	struct slice name, value; /* in the body, any bytes */
};
struct ingest_read_query {
	int64_t start_ms, end_ms; /* both within */
	struct ingest_read_matcher *matchers;
	uint32_t matcher_count;
};
struct ingest_read {
	struct ingest_read_query *queries; /* in the arena */
	uint32_t count;
};

/* Prometheus's remote read: the message prometheus.ReadRequest, inflated. Hints are passed over. 0; -EINVAL: the body is malformed, asks for more than above, or for answers of other types than samples alone, with a sentence; -ENOMEM. */
int ingest_remote_read(struct slice body, struct arena *arena, struct ingest_read *out, struct error *err);

#endif

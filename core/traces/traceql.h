/* TraceQL: the language in which Tempo is asked for traces, over the traces of the buffer. What it says, and how what is said there is meant here, is in TRACEQL.md.
 *
 *   traceql_parse ─▶ query ─┬─▶ traceql_search   the newest traces that have spans of it, as results that outlive the buffer
 *                           ├─▶ traceql_run      the same for one trace
 *                           └─▶ traces_tags, traces_tag_values   names and values of what its spans have, for an editor
 *
 * Threads: a query is immutable and may be used on any number of threads at once; a state, and what is got from it, belongs to one at a time. */
#ifndef MOONGATE_TRACES_TRACEQL_H
#define MOONGATE_TRACES_TRACEQL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "traces/trace.h"

struct traces;

enum {
	TRACEQL_BYTES_MAX = 16 * 1024, /* of a query's text */
	TRACEQL_DEPTH_MAX = 128,       /* of what stands in one another */
	TRACEQL_REGEXES_MAX = 64,
	TRACEQL_FIELDS_MAX = 256,        /* different fields that a query names */
	TRACEQL_STAGES_MAX = 64,         /* of all its pipelines */
	TRACEQL_RUN_BYTES_MAX = 64 << 20 /* what running it over one trace may take */
};

struct traceql_query;

/* Reads a query. The caller's: traceql_free. NULL: *err has "parse error at line 1, col 5: …" (-EINVAL; the column counts characters from 1), -E2BIG past the bounds above, -ENOMEM. */
struct traceql_query *traceql_parse(struct slice text, struct error *err);
void traceql_free(struct traceql_query *q); /* NULL is allowed */

/* ---- values ---- */

enum traceql_type {
	TRACEQL_NIL,
	TRACEQL_INT,
	TRACEQL_FLOAT,
	TRACEQL_STRING,
	TRACEQL_BOOL,     /* integer: 0 or 1 */
	TRACEQL_DURATION, /* integer: nanoseconds */
	TRACEQL_STATUS,   /* integer: enum span_status */
	TRACEQL_KIND,     /* integer: enum span_kind */
	TRACEQL_ARRAY     /* text: as JSON where it is given out */
};

struct traceql_value {
	enum traceql_type type;
	union {
		int64_t integer;
		double number;
		struct slice text;
		const struct trace_cell *cell; /* of an array within the evaluator */
	};
};

/* The value as text: strings and arrays as they are, "true", "1.5", durations as Go has them ("1m2.5s"), "error", "client", "nil". */
void traceql_value_text(const struct traceql_value *v, struct buf *out);

struct traceql_attribute {
	struct slice
	    name; /* as TraceQL's answers have it: of an attribute without its scope, of an intrinsic as it is written, "by(…)", "count()" */
	struct traceql_value value;
};

/* ---- one trace ---- */

/* What running takes; kept from one trace to the next, so that once it has grown none is allocated. */
struct traceql_state;

/* `stop` (may be NULL) is asked now and then while a trace is gone through: true ends it. The query must outlive the state. NULL: memory is out. */
struct traceql_state *traceql_state_new(const struct traceql_query *q, bool (*stop)(void *ctx), void *ctx);
void traceql_state_free(struct traceql_state *s); /* NULL is allowed */

/* Spans that were matched together: all of a trace's, or with by() those of one value. */
struct traceql_set {
	uint32_t *spans;                      /* numbers, rising */
	uint32_t count;                       /* never 0 */
	struct traceql_attribute *attributes; /* of the set: what by() and the aggregates say */
	uint32_t attribute_count;
};

/* Runs the query over a trace: *sets (good until the next call) and how many. 0; -ENOMEM; -ECANCELED: stopped; -E2BIG: over TRACEQL_RUN_BYTES_MAX. */
int traceql_run(struct traceql_state *s, const struct trace *t, struct traceql_set **sets, uint32_t *count);

/* Of a span of the trace that was run last: the fields that the query names or selects and that it has, but for its name, its duration, and what is of the whole trace. `out` has TRACEQL_FIELDS_MAX places.
 * Texts lie in the trace, but for arrays and ids, which are good until the next call of traceql_run. How many; -ENOMEM. */
int traceql_span_attributes(struct traceql_state *s, uint32_t span, struct traceql_attribute *out);

/* ---- search ---- */

struct traceql_ask {
	const struct traceql_query *query;
	int64_t start_ns, end_ns; /* traces that overlap it; an end of 0: no bounds */
	uint32_t limit;           /* traces; 0: 20 */
	uint32_t spans_per_set;   /* 0: 3 */
	size_t max_bytes;         /* of all results; 0: 16 MiB */
	bool (*stop)(void *ctx);  /* asked some 1,000 times a second of CPU; true ends the search. NULL: never */
	void *stop_ctx;
};

struct traceql_result_span {
	uint64_t id;
	struct slice name;
	int64_t start_ns, duration_ns; /* the latter may be negative */
	struct traceql_attribute *attributes;
	uint32_t attribute_count;
};

struct traceql_result_set {
	struct traceql_result_span *spans; /* the first ones by their start */
	uint32_t span_count;
	uint32_t matched; /* spans of it in all */
	struct traceql_attribute *attributes;
	uint32_t attribute_count;
};

/* How many spans of the whole trace a service has. */
struct traceql_service {
	struct slice name; /* may be empty */
	uint32_t spans, errors;
};

struct traceql_result {
	uint8_t id[16];
	struct slice root_service, root_name;
	int64_t start_ns, duration_ns; /* of the whole trace */
	uint32_t marks;                /* enum trace_mark */
	struct traceql_result_set *sets;
	struct traceql_service *services; /* in order of first appearance */
	uint32_t set_count, service_count;
	struct arena arena; /* what the pointers point into */
};

struct traceql_results {
	struct traceql_result **results; /* newest start first */
	uint32_t count;
	bool stopped;                                                /* by `stop`: there may be more */
	uint64_t inspected_traces, inspected_spans, inspected_bytes; /* what the query was run over */
};

/* The newest traces, by their start, with spans that the query matches, whether closed or open. *out is the caller's, in any case: traceql_results_deinit. 0; -ENOMEM; -E2BIG with a sentence: over max_bytes, or a trace is too much for the query. Any thread. */
int traceql_search(struct traces *traces, const struct traceql_ask *ask, struct traceql_results *out,
                   struct error *err);
void traceql_results_deinit(struct traceql_results *r);

/* ---- names and values ---- */

enum traceql_scope {
	TRACEQL_SCOPE_SPAN,
	TRACEQL_SCOPE_RESOURCE,
	TRACEQL_SCOPE_EVENT,
	TRACEQL_SCOPE_LINK,
	TRACEQL_SCOPE_INSTRUMENTATION,
	TRACEQL_SCOPES
};

/* "span", "resource", "event", "link", "instrumentation". */
extern const char *const traceql_scope_names[TRACEQL_SCOPES];
/* What is no attribute but of every span or trace, as it is written in a query; ends with NULL. */
extern const char *const traceql_intrinsic_names[];

struct traces_tags_ask {
	const struct traceql_query *query; /* only of spans that it matches; NULL: of all */
	int64_t start_ns, end_ns;          /* as in struct traceql_ask */
	uint32_t limit;                    /* names of each scope, or values; 0: no bound but that of bytes */
	size_t max_bytes;                  /* of them all; 0: 1 MiB */
	bool (*stop)(void *ctx);
	void *stop_ctx;
};

struct traces_tags {
	struct slice *names[TRACEQL_SCOPES]; /* of attributes, sorted */
	uint32_t counts[TRACEQL_SCOPES];
	bool cut; /* by a limit, or stopped, or a trace was too much for the query: there may be more */
	uint64_t inspected_traces, inspected_bytes;
	struct arena arena; /* what the names lie in */
};

/* The names of attributes. *out is the caller's, in any case: traces_tags_deinit. 0, -ENOMEM. Any thread. */
int traces_tags(struct traces *traces, const struct traces_tags_ask *ask, struct traces_tags *out);
void traces_tags_deinit(struct traces_tags *t);

struct traces_tag_values {
	struct traceql_value *values; /* different ones, sorted by type and value; of arrays their elements */
	uint32_t count;
	bool cut; /* likewise */
	uint64_t inspected_traces, inspected_bytes;
	struct arena arena;
};

/* The values of a field: "span.http.method", ".http.method", "status", "span:name"; what has neither a scope nor is an intrinsic is an attribute of span or resource. *out as above. 0; -EINVAL with a sentence: it is no field; -ENOMEM. Any thread. */
int traces_tag_values(struct traces *traces, struct slice tag, const struct traces_tags_ask *ask,
                      struct traces_tag_values *out, struct error *err);
void traces_tag_values_deinit(struct traces_tag_values *v);

#endif

/* Traces as Tempo's HTTP API answers them, so that Grafana's data source for Tempo reads the buffer: a trace by its id, search by TraceQL, names and values of attributes. Errors are plain text, as Tempo has them. */
#include <errno.h>
#include <stdio.h>

#include "api/internal.h"
#include "api/trace_otlp.h"
#include "base/clock.h"
#include "base/mem.h"

enum { SEARCH_LIMIT = 20, SEARCH_LIMIT_MAX = 10000, SPANS_PER_SET = 3, SPANS_PER_SET_MAX = 1000, NAMES_LIMIT = 10000 };

void api_tempo_echo(void *ctx, struct http_request *req)
{
	(void)ctx;
	http_reply(req, &(struct http_reply){.status = 200, .body = SLICE("echo"), .content_type = "text/plain"});
}

/* An answer begins: no envelope, errors in plain text. */
static void begin(struct query *q)
{
	buf_reset(&q->out);
	q->bare = q->plain_errors = true;
}

static bool is_over(void *ctx)
{
	return query_is_cancelled(ctx);
}

/* What the buffer said: after a cancellation the query knows why. */
static void fail_code(struct query *q, int code, const struct error *err)
{
	if (code == -ENOMEM)
		query_fail(q, QUERY_UNAVAILABLE, "out of memory");
	else if (code == -EINVAL || code == -E2BIG)
		query_fail(q, QUERY_BAD_DATA, "%s", err->text);
	else
		query_has_time(q);
}

/* ---- a trace by its id ---- */

static void put_varint(struct buf *out, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		buf_byte(out, (char)(v | 0x80));
	buf_byte(out, (char)v);
}

/* TraceByIDResponse has the trace as its field 1; before version 2 the trace itself is the answer. */
static void put_protobuf(struct query *q, const struct trace *t, bool wrapped)
{
	struct buf message = {0};

	trace_put_protobuf(&message, t);
	if (wrapped) {
		buf_byte(&q->out, 0x0a);
		put_varint(&q->out, message.len);
	}
	buf_slice_append(&q->out, buf_slice(&message));
	q->out.failed |= buf_failed(&message);
	buf_free(&message);
	q->content_type = "application/protobuf";
}

static void put_json(struct query *q, const struct trace *t, bool wrapped)
{
	buf_str(&q->out, wrapped ? "{\"trace\":{\"resourceSpans\":" : "{\"batches\":");
	trace_put_otlp_json(&q->out, t);
	buf_str(&q->out, wrapped ? "}}" : "}");
}

static void answer_trace(struct query *q)
{
	static const char old[] = "/api/traces/", new[] = "/api/v2/traces/";
	struct slice path = http_request_path(q->req);
	bool wrapped = path.len > sizeof new - 1 && memcmp(path.ptr, new, sizeof new - 1) == 0;
	size_t skip = wrapped ? sizeof new - 1 : sizeof old - 1;
	struct slice text = slice_new(path.ptr + skip, path.len - skip);
	struct slice accept = http_request_header(q->req, "accept");
	uint8_t id[16];
	int code = 0;

	begin(q);
	if (!trace_id_read(text, id)) {
		query_fail(q, QUERY_BAD_DATA, "invalid trace id: 1 to 32 hexadecimal digits that are not all 0");
		return;
	}
	struct trace *t = traces_get(engine_traces(q->api->engine), id, &code);
	if (t == NULL && code == -ENOMEM) {
		query_fail(q, QUERY_UNAVAILABLE, "out of memory for the trace");
	} else if (t == NULL) {
		query_fail(q, QUERY_BAD_DATA, "trace not found");
		q->status = 404;
	} else if (accept.len > 0 && memmem(accept.ptr, accept.len, "protobuf", 8) != NULL) {
		put_protobuf(q, t, wrapped);
	} else {
		put_json(q, t, wrapped);
	}
	trace_free(t);
}

void api_tempo_trace(void *ctx, struct http_request *req)
{
	query_start(ctx, req, answer_trace);
}

/* ---- what searches have in common ---- */

/* start and end in seconds; an end of 0: no bounds. False with the error set. */
static bool read_times(struct query *q, int64_t *start_ns, int64_t *end_ns)
{
	struct error err = {0};
	int64_t start_ms, end_ms;
	int code = params_time(&q->params, "start", 0, &start_ms, &err);

	if (code == 0)
		code = params_time(&q->params, "end", 0, &end_ms, &err);
	if (code == 0 &&
	    (start_ms < 0 || end_ms < 0 || start_ms > INT64_MAX / NS_PER_MS || end_ms > INT64_MAX / NS_PER_MS))
		code = error_set(&err, -EINVAL, "start and end are seconds since 1970");
	if (code != 0) {
		query_fail(q, QUERY_BAD_DATA, "%s", err.text);
		return false;
	}
	*start_ns = start_ms * NS_PER_MS;
	*end_ns = end_ms * NS_PER_MS;
	return true;
}

static bool read_limit(struct query *q, const char *name, uint32_t otherwise, uint32_t most, uint32_t *out)
{
	struct error err = {0};

	if (params_limit(&q->params, name, otherwise, out, &err) != 0) {
		query_fail(q, QUERY_BAD_DATA, "%s", err.text);
		return false;
	}
	if (*out == 0)
		*out = otherwise;
	if (*out > most)
		*out = most;
	return true;
}

/* The query of the parameter q; none is all spans. NULL with the error set. */
static struct traceql_query *read_query(struct query *q)
{
	struct slice text = params_get(&q->params, "q");
	struct error err = {0};
	struct traceql_query *query = traceql_parse(text.len > 0 ? text : SLICE("{}"), &err);

	if (query == NULL)
		fail_code(q, err.code, &err);
	return query;
}

/* ---- search ---- */

static void put_string(struct buf *out, const char *name, struct slice text)
{
	buf_printf(out, ",\"%s\":", name);
	buf_json_string(out, text);
}

/* A value as protobuf's JSON has it. */
static void put_value(struct buf *out, const struct traceql_value *v)
{
	struct buf text = {0};

	switch (v->type) {
	case TRACEQL_INT:
		buf_printf(out, "{\"intValue\":\"%lld\"}", (long long)v->integer);
		break;
	case TRACEQL_BOOL:
		buf_printf(out, "{\"boolValue\":%s}", v->integer != 0 ? "true" : "false");
		break;
	case TRACEQL_FLOAT:
		buf_str(out, "{\"doubleValue\":");
		if (v->number - v->number == 0) {
			buf_json_number(out, v->number);
		} else {
			buf_byte(out, '"');
			buf_str(out, v->number > 0 ? "Infinity" : v->number < 0 ? "-Infinity" : "NaN");
			buf_byte(out, '"');
		}
		buf_byte(out, '}');
		break;
	default:
		traceql_value_text(v, &text);
		buf_str(out, "{\"stringValue\":");
		buf_json_string(out, buf_slice(&text));
		buf_byte(out, '}');
		out->failed |= buf_failed(&text);
		buf_free(&text);
	}
}

static void put_attributes(struct buf *out, const struct traceql_attribute *attributes, uint32_t count)
{
	buf_str(out, ",\"attributes\":[");
	for (uint32_t i = 0; i < count; i++) {
		buf_str(out, i > 0 ? ",{\"key\":" : "{\"key\":");
		buf_json_string(out, attributes[i].name);
		buf_str(out, ",\"value\":");
		put_value(out, &attributes[i].value);
		buf_byte(out, '}');
	}
	buf_byte(out, ']');
}

static void put_span(struct buf *out, const struct traceql_result_span *s)
{
	char id[17];

	trace_span_id_text(s->id, id);
	buf_printf(out, "{\"spanID\":\"%s\"", id);
	put_string(out, "name", s->name);
	buf_printf(out, ",\"startTimeUnixNano\":\"%lld\",\"durationNanos\":\"%lld\"", (long long)s->start_ns,
	           (long long)(s->duration_ns < 0 ? 0 : s->duration_ns));
	if (s->attribute_count > 0)
		put_attributes(out, s->attributes, s->attribute_count);
	buf_byte(out, '}');
}

static void put_set(struct buf *out, const struct traceql_result_set *set)
{
	buf_str(out, "{\"spans\":[");
	for (uint32_t i = 0; i < set->span_count; i++) {
		buf_str(out, i > 0 ? "," : "");
		put_span(out, &set->spans[i]);
	}
	buf_printf(out, "],\"matched\":%u", set->matched);
	if (set->attribute_count > 0)
		put_attributes(out, set->attributes, set->attribute_count);
	buf_byte(out, '}');
}

static void put_services(struct buf *out, const struct traceql_result *r)
{
	buf_str(out, ",\"serviceStats\":{");
	for (uint32_t i = 0; i < r->service_count; i++) {
		buf_str(out, i > 0 ? "," : "");
		buf_json_string(out, r->services[i].name);
		buf_printf(out, ":{\"spanCount\":%u,\"errorCount\":%u}", r->services[i].spans, r->services[i].errors);
	}
	buf_byte(out, '}');
}

static void put_result(struct buf *out, const struct traceql_result *r)
{
	char id[33];
	int64_t duration_ms = r->duration_ns < 0 ? 0 : r->duration_ns / NS_PER_MS;

	trace_id_text(r->id, id);
	buf_printf(out, "{\"traceID\":\"%s\"", id);
	put_string(out, "rootServiceName", r->root_service);
	put_string(out, "rootTraceName", r->root_name);
	buf_printf(out, ",\"startTimeUnixNano\":\"%lld\",\"durationMs\":%lld,\"spanSets\":[", (long long)r->start_ns,
	           (long long)(duration_ms > INT32_MAX ? INT32_MAX : duration_ms));
	for (uint32_t i = 0; i < r->set_count; i++) {
		buf_str(out, i > 0 ? "," : "");
		put_set(out, &r->sets[i]);
	}
	buf_byte(out, ']');
	put_services(out, r);
	buf_byte(out, '}');
}

static void put_results(struct query *q, const struct traceql_results *results)
{
	buf_str(&q->out, "{\"traces\":[");
	for (uint32_t i = 0; i < results->count && query_goes_on(q); i++) {
		buf_str(&q->out, i > 0 ? "," : "");
		put_result(&q->out, results->results[i]);
	}
	buf_printf(&q->out, "],\"metrics\":{\"inspectedTraces\":%u,\"inspectedBytes\":\"%llu\"}}",
	           (uint32_t)(results->inspected_traces < UINT32_MAX ? results->inspected_traces : UINT32_MAX),
	           (unsigned long long)results->inspected_bytes);
}

static void answer_search(struct query *q)
{
	struct traceql_ask ask = {.stop = is_over, .stop_ctx = q};
	struct traceql_results results;
	struct error err = {0};

	begin(q);
	if (!read_times(q, &ask.start_ns, &ask.end_ns) ||
	    !read_limit(q, "limit", SEARCH_LIMIT, SEARCH_LIMIT_MAX, &ask.limit) ||
	    !read_limit(q, "spss", SPANS_PER_SET, SPANS_PER_SET_MAX, &ask.spans_per_set))
		return;
	struct traceql_query *query = read_query(q);
	if (query == NULL)
		return;
	ask.query = query;
	int code = traceql_search(engine_traces(q->api->engine), &ask, &results, &err);
	if (code != 0)
		fail_code(q, code, &err);
	else if (query_has_time(q))
		put_results(q, &results);
	traceql_results_deinit(&results);
	traceql_free(query);
}

void api_tempo_search(void *ctx, struct http_request *req)
{
	query_start(ctx, req, answer_search);
}

/* ---- names and values ---- */

/* What names and values are asked of; *query is the caller's: traceql_free. False with the error set. */
static bool read_names_ask(struct query *q, struct traces_tags_ask *ask, struct traceql_query **query)
{
	*ask = (struct traces_tags_ask){.stop = is_over, .stop_ctx = q};
	*query = NULL;
	if (!read_times(q, &ask->start_ns, &ask->end_ns) ||
	    !read_limit(q, "limit", NAMES_LIMIT, NAMES_LIMIT, &ask->limit))
		return false;
	if (params_get(&q->params, "q").len == 0)
		return true;
	ask->query = *query = read_query(q);
	return *query != NULL;
}

static bool put_scope(struct query *q, const char *name, bool first)
{
	struct slice asked = params_get(&q->params, "scope");
	bool wanted = asked.len == 0 || slice_eq(asked, SLICE("none")) || slice_eq(asked, slice_cstr(name));

	if (wanted)
		buf_printf(&q->out, "%s{\"name\":\"%s\",\"tags\":[", first ? "" : ",", name);
	return wanted;
}

static void put_tags(struct query *q, const struct traces_tags *tags)
{
	bool first = true;

	buf_str(&q->out, "{\"scopes\":[");
	for (int scope = 0; scope < TRACEQL_SCOPES; scope++) {
		if (!put_scope(q, traceql_scope_names[scope], first))
			continue;
		for (uint32_t i = 0; i < tags->counts[scope] && query_goes_on(q); i++) {
			buf_str(&q->out, i > 0 ? "," : "");
			buf_json_string(&q->out, tags->names[scope][i]);
		}
		buf_str(&q->out, "]}");
		first = false;
	}
	if (put_scope(q, "intrinsic", first)) {
		for (uint32_t i = 0; traceql_intrinsic_names[i] != NULL; i++) {
			buf_str(&q->out, i > 0 ? "," : "");
			buf_json_string(&q->out, slice_cstr(traceql_intrinsic_names[i]));
		}
		buf_str(&q->out, "]}");
	}
	buf_str(&q->out, "]}");
}

static void answer_tags(struct query *q)
{
	struct traces_tags_ask ask;
	struct traceql_query *query;
	struct traces_tags tags;

	begin(q);
	if (!read_names_ask(q, &ask, &query))
		return;
	int code = traces_tags(engine_traces(q->api->engine), &ask, &tags);
	if (code != 0)
		fail_code(q, code, NULL);
	else if (query_has_time(q))
		put_tags(q, &tags);
	traces_tags_deinit(&tags);
	traceql_free(query);
}

void api_tempo_tags(void *ctx, struct http_request *req)
{
	query_start(ctx, req, answer_tags);
}

static const char *type_name(enum traceql_type type)
{
	switch (type) {
	case TRACEQL_INT:
		return "int";
	case TRACEQL_FLOAT:
		return "float";
	case TRACEQL_BOOL:
		return "bool";
	case TRACEQL_DURATION:
		return "duration";
	case TRACEQL_STATUS:
	case TRACEQL_KIND:
		return "keyword";
	default:
		return "string";
	}
}

static void put_tag_values(struct query *q, const struct traces_tag_values *values)
{
	buf_str(&q->out, "{\"tagValues\":[");
	for (uint32_t i = 0; i < values->count && query_goes_on(q); i++) {
		struct buf text = {0};
		traceql_value_text(&values->values[i], &text);
		buf_printf(&q->out, "%s{\"type\":\"%s\",\"value\":", i > 0 ? "," : "",
		           type_name(values->values[i].type));
		buf_json_string(&q->out, buf_slice(&text));
		buf_byte(&q->out, '}');
		q->out.failed |= buf_failed(&text);
		buf_free(&text);
	}
	buf_str(&q->out, "]}");
}

static const char values_prefix[] = "/api/v2/search/tag/", values_suffix[] = "/values";

static void answer_values(struct query *q)
{
	const size_t before = sizeof values_prefix - 1, behind = sizeof values_suffix - 1;
	struct slice path = http_request_path(q->req);
	struct slice tag = slice_new(path.ptr + before, path.len - before - behind);
	struct traces_tags_ask ask;
	struct traceql_query *query;
	struct traces_tag_values values;
	struct error err = {0};

	begin(q);
	if (!read_names_ask(q, &ask, &query))
		return;
	int code = traces_tag_values(engine_traces(q->api->engine), tag, &ask, &values, &err);
	if (code != 0)
		fail_code(q, code, &err);
	else if (query_has_time(q))
		put_tag_values(q, &values);
	traces_tag_values_deinit(&values);
	traceql_free(query);
}

void api_tempo_values(void *ctx, struct http_request *req)
{
	struct slice path = http_request_path(req);

	if (path.len <= sizeof values_prefix + sizeof values_suffix - 2 ||
	    memcmp(path.ptr + path.len - (sizeof values_suffix - 1), values_suffix, sizeof values_suffix - 1) != 0)
		http_reply_error(req, 404, 0, "there is /api/v2/search/tag/<name>/values");
	else
		query_start(ctx, req, answer_values);
}

/* POST /api/v1/read: Prometheus's remote read. The samples of all queries in one message (prometheus.ReadResponse, as a Snappy block): of the types of answers that a client may ask for, the one that every client takes. */
#include <errno.h>

#include "api/internal.h"
#include "base/snappy.h"
#include "base/varint.h"
#include "record/labels.h"
#include "tsdb/tsdb.h"

/* Tags of the messages: ReadResponse.results, QueryResult.timeseries, TimeSeries.samples, Sample.value and .timestamp. A label set is TimeSeries.labels as it is. */
enum { TAG_RESULT = 0x0a, TAG_SERIES = 0x0a, TAG_SAMPLE = 0x12, TAG_VALUE = 0x09, TAG_TIME = 0x10 };

static int make_matchers(struct query *q, const struct ingest_read_query *asked, struct match *out, struct error *err)
{
	out->count = 0;
	out->matchers = arena_alloc(&q->arena, (asked->matcher_count + (size_t)1) * sizeof *out->matchers);
	if (out->matchers == NULL)
		return error_set(err, -ENOMEM, "out of memory for matchers");
	for (uint32_t i = 0; i < asked->matcher_count; i++) {
		const struct ingest_read_matcher *m = &asked->matchers[i];
		out->matchers[i] = matcher_new(m->op, m->name, m->value, err);
		if (out->matchers[i] == NULL)
			return err->code;
		out->count++;
	}
	return 0;
}

static void put_samples(struct query *q, const struct series_samples *s, struct buf *out)
{
	for (uint32_t i = 0; i < s->count && query_goes_on(q); i++) {
		char time[VARINT_MAX];
		size_t time_bytes = (size_t)(varint_write(time, (uint64_t)s->times_ms[i]) - time);
		buf_byte(out, TAG_SAMPLE);
		buf_byte(out, (char)(1 + 8 + 1 + time_bytes));
		buf_byte(out, TAG_VALUE);
		for (int byte = 0; byte < 8; byte++)
			buf_byte(out, (char)(s->values[i] >> 8 * byte));
		buf_byte(out, TAG_TIME);
		buf_append(out, time, time_bytes);
	}
}

static void put_message(struct buf *out, char tag, struct slice content)
{
	buf_byte(out, tag);
	varint_put(out, content.len);
	buf_slice_append(out, content);
}

static int put_result(struct query *q, const struct ingest_read_query *asked, const struct match *m,
                      struct buf *message, struct buf *result, struct error *err)
{
	struct series_set *set = tsdb_select(q->view, m->matchers, m->count, asked->start_ms, asked->end_ms, err);
	struct series_samples s;
	struct slice labels;
	int code = set != NULL ? 0 : err->code;

	buf_reset(result);
	while (code == 0 && query_goes_on(q) && (code = series_set_next(set, &labels, err)) == 1) {
		code = series_set_samples(set, &s, err);
		if (code != 0 || s.count == 0)
			continue;
		buf_reset(message);
		buf_slice_append(message, labels);
		put_samples(q, &s, message);
		put_message(result, TAG_SERIES, buf_slice(message));
		if (q->out.len + result->len > QUERY_ANSWER_BYTES)
			code = error_set(err, -E2BIG,
			                 "the answer has more than %d MiB: ask for fewer series or a shorter time",
			                 QUERY_ANSWER_BYTES >> 20);
	}
	series_set_free(set);
	q->out.failed |= buf_failed(message) || buf_failed(result);
	if (code == 0)
		put_message(&q->out, TAG_RESULT, buf_slice(result));
	return code;
}

static int answer_one(struct query *q, const struct ingest_read_query *asked, struct buf *message, struct buf *result,
                      struct error *err)
{
	struct match m;
	int code = make_matchers(q, asked, &m, err);

	if (code == 0 && asked->start_ms > asked->end_ms)
		put_message(&q->out, TAG_RESULT, SLICE(""));
	else if (code == 0)
		code = put_result(q, asked, &m, message, result, err);
	for (uint32_t i = 0; i < m.count; i++)
		matcher_free(m.matchers[i]);
	return code;
}

static void compress(struct query *q)
{
	struct buf block = {0};

	if (buf_failed(&q->out) || snappy_block_encode(buf_slice(&q->out), &block) != 0) {
		query_fail(q, QUERY_UNAVAILABLE, "out of memory for the answer");
		buf_free(&block);
		return;
	}
	buf_free(&q->out);
	q->out = block;
	q->content_type = "application/x-protobuf";
	q->encoding = "snappy";
}

static void answer_read(struct query *q)
{
	struct ingest_read asked;
	struct buf message = {0}, result = {0};
	struct error err = {0};

	buf_reset(&q->out);
	q->bare = q->plain_errors = true;
	int code = ingest_remote_read(http_request_body(q->req), &q->arena, &asked, &err);
	for (uint32_t i = 0; code == 0 && i < asked.count && query_has_time(q); i++)
		code = answer_one(q, &asked.queries[i], &message, &result, &err);
	if (code != 0)
		query_fail_code(q, code, &err);
	else if (query_goes_on(q))
		compress(q);
	buf_free(&message);
	buf_free(&result);
}

void api_remote_read(void *ctx, struct http_request *req)
{
	query_start(ctx, req, answer_read);
}

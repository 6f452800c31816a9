/* GET and POST /api/v1/export: the samples themselves, as VictoriaMetrics writes them, a line a series:
 *
 *   {"metric":{"__name__":"up","job":"a"},"values":[1,0.5,null,"Infinity"],"timestamps":[1700000000000,…]}
 *
 * A value is the shortest decimal that reads back as the same double; infinities are texts. A NaN is null, which does not say which one it is (the stale marker is one of them): with nan=bits it is "NaN:7ff0000000000002", its bits, so
 * that every sample comes back as it was written. */
#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "api/answer_json.h"
#include "api/internal.h"
#include "tsdb/tsdb.h"

static void put_value(struct buf *out, uint64_t bits, bool nan_bits)
{
	char text[32];
	double v;

	memcpy(&v, &bits, sizeof v);
	if (isnan(v) && nan_bits) {
		snprintf(text, sizeof text, "\"NaN:%016llx\"", (unsigned long long)bits);
		buf_str(out, text);
	} else if (isinf(v)) {
		buf_str(out, v > 0 ? "\"Infinity\"" : "\"-Infinity\"");
	} else {
		buf_json_number(out, v);
	}
}

/* A line, unless the series has no sample in that time. */
static int put_line(struct query *q, struct series_set *set, struct slice labels, bool nan_bits, struct error *err)
{
	struct series_samples s;
	int code = series_set_samples(set, &s, err);

	if (code != 0 || s.count == 0)
		return code;
	buf_str(&q->out, "{\"metric\":");
	put_labels(&q->out, labels);
	buf_str(&q->out, ",\"values\":");
	for (uint32_t i = 0; i < s.count && query_goes_on(q); i++) {
		buf_byte(&q->out, i > 0 ? ',' : '[');
		put_value(&q->out, s.values[i], nan_bits);
	}
	buf_str(&q->out, "],\"timestamps\":");
	for (uint32_t i = 0; i < s.count && query_goes_on(q); i++) {
		buf_byte(&q->out, i > 0 ? ',' : '[');
		buf_int(&q->out, s.times_ms[i]);
	}
	buf_str(&q->out, "]}\n");
	return 0;
}

/* Is it among the series of a match[] before, which have been written? */
static int written(const struct matches *m, uint32_t before, struct slice labels)
{
	int matches = 0;
	for (uint32_t i = 0; i < before && matches == 0; i++)
		matches = matchers_match(m->items[i].matchers, m->items[i].count, labels);
	return matches;
}

static int put_match(struct query *q, const struct matches *m, uint32_t at, int64_t from_ms, int64_t to_ms,
                     struct error *err)
{
	bool nan_bits = slice_eq(params_get(&q->params, "nan"), SLICE("bits"));
	const struct match *match = &m->items[at];
	struct slice labels;
	struct series_set *set = tsdb_select(q->view, match->matchers, match->count, from_ms, to_ms, err);
	int code = set != NULL ? 0 : err->code;

	while (code == 0 && query_goes_on(q) && (code = series_set_next(set, &labels, err)) == 1) {
		int before = written(m, at, labels);
		code = before < 0 ? error_set(err, before, "out of memory for a regular expression") : 0;
		if (before == 0)
			code = put_line(q, set, labels, nan_bits, err);
	}
	series_set_free(set);
	return code;
}

static bool check_nan(struct query *q)
{
	struct slice nan = params_get(&q->params, "nan");
	if (nan.len == 0 || slice_eq(nan, SLICE("null")) || slice_eq(nan, SLICE("bits")))
		return true;
	query_fail(q, QUERY_BAD_DATA, "invalid parameter \"nan\": wanted is null or bits");
	return false;
}

static void answer_export(struct query *q)
{
	struct matches m = {.count = 0};
	struct error err = {0};
	int64_t from_ms, to_ms;

	buf_reset(&q->out);
	q->bare = true;
	q->content_type = "application/stream+json; charset=utf-8";
	if (!query_times(q, &from_ms, &to_ms) || !check_nan(q))
		return;
	int code = params_matches(&q->params, &q->arena, &m, &err);
	if (code == 0 && m.count == 0)
		query_fail(q, QUERY_BAD_DATA, "no match[] parameter provided");
	for (uint32_t i = 0; i < m.count && code == 0 && from_ms <= to_ms && query_goes_on(q); i++)
		code = put_match(q, &m, i, from_ms, to_ms, &err);
	if (code != 0)
		query_fail_code(q, code, &err);
	matches_free(&m);
}

void api_export(void *ctx, struct http_request *req)
{
	query_start(ctx, req, answer_export);
}

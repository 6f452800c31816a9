#include "api/promql_answer.h"

#include <string.h>

#include "api/answer_json.h"
#include "api/query.h"
#include "base/clock.h"

static bool is_absent(double v)
{
	uint64_t bits;
	memcpy(&bits, &v, sizeof bits);
	return bits == PROMQL_ABSENT_BITS;
}

static void put_point(struct buf *out, int64_t time_ms, double v)
{
	buf_byte(out, '[');
	put_time(out, time_ms);
	buf_byte(out, ',');
	put_value_text(out, v);
	buf_byte(out, ']');
}

static void put_points(struct query *q, const struct promql_result *r, const struct promql_series *s)
{
	char between = '[';

	for (uint32_t i = 0; i < s->count && query_goes_on(q); i++) {
		if (s->times_ms == NULL && is_absent(s->values[i]))
			continue;
		buf_byte(&q->out, between);
		put_point(&q->out, s->times_ms != NULL ? s->times_ms[i] : r->start_ms + (int64_t)i * r->step_ms,
		          s->values[i]);
		between = ',';
	}
	buf_str(&q->out, between == '[' ? "[]" : "]");
}

static void put_series(struct query *q, const struct promql_result *r, const struct promql_series *s, bool vector)
{
	buf_str(&q->out, "{\"metric\":");
	put_labels(&q->out, s->labels);
	if (vector) {
		buf_str(&q->out, ",\"value\":");
		put_point(&q->out, r->start_ms, s->values[0]);
	} else {
		buf_str(&q->out, ",\"values\":");
		put_points(q, r, s);
	}
	buf_byte(&q->out, '}');
}

static void put_all_series(struct query *q, const struct promql_result *r, uint32_t limit)
{
	uint32_t count = limit > 0 && limit < r->series_count ? limit : r->series_count;

	if (count < r->series_count)
		query_truncated(q);
	buf_byte(&q->out, '[');
	for (uint32_t i = 0; i < count && query_goes_on(q); i++) {
		buf_str(&q->out, i > 0 ? "," : "");
		put_series(q, r, &r->series[i], r->type == PROMQL_VECTOR);
	}
	buf_byte(&q->out, ']');
}

static void put_value(struct query *q, const struct promql_result *r, uint32_t limit)
{
	static const char *const types[] = {[PROMQL_SCALAR] = "scalar",
	                                    [PROMQL_VECTOR] = "vector",
	                                    [PROMQL_MATRIX] = "matrix",
	                                    [PROMQL_STRING] = "string"};

	buf_str(&q->out, "{\"resultType\":\"");
	buf_str(&q->out, types[r->type]);
	buf_str(&q->out, "\",\"result\":");
	if (r->type == PROMQL_SCALAR) {
		put_point(&q->out, r->start_ms, r->series[0].values[0]);
	} else if (r->type == PROMQL_STRING) {
		buf_byte(&q->out, '[');
		put_time(&q->out, r->start_ms);
		buf_byte(&q->out, ',');
		buf_json_string(&q->out, r->text);
		buf_byte(&q->out, ']');
	} else {
		put_all_series(q, r, limit);
	}
}

/* Prometheus's own names; what has no counterpart here is not said. */
static void put_stats(struct query *q, const struct promql_result *r, const struct answer_stats *stats)
{
	double evaluated = (double)(stats->evaluated_ns - stats->begun_ns) / NS_PER_S;

	buf_str(&q->out, ",\"stats\":{\"timings\":{\"evalTotalTime\":");
	buf_json_number(&q->out, evaluated);
	buf_str(&q->out, ",\"execTotalTime\":");
	buf_json_number(&q->out, (double)(clock_mono_ns() - stats->begun_ns) / NS_PER_S);
	buf_printf(&q->out, "},\"samples\":{\"totalQueryableSamples\":%llu,\"peakSamples\":%llu}}",
	           (unsigned long long)r->samples_read, (unsigned long long)r->samples_peak);
}

void put_result(struct query *q, const struct promql_result *r, uint32_t limit, const struct answer_stats *stats)
{
	put_value(q, r, limit);
	if (stats->wanted)
		put_stats(q, r, stats);
	buf_byte(&q->out, '}');
	for (uint32_t i = 0; i < r->warning_count; i++)
		query_note(q, NOTE_WARNING, r->warnings[i]);
	for (uint32_t i = 0; i < r->info_count; i++)
		query_note(q, NOTE_INFO, r->infos[i]);
}

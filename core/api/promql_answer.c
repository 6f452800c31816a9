#include "api/promql_answer.h"

#include <string.h>

#include "api/answer_json.h"
#include "api/query.h"
#include "base/clock.h"
#include "base/mem.h"

enum {
	AT_ONCE_BYTES = 1 << 20, /* of an answer that is written whole */
	PART_BYTES = 64 << 10    /* of one that is written while it is sent */
};

/* A result, and how far it has been written. */
struct writing {
	struct promql_result result;
	uint32_t series_count;  /* that are to be written */
	uint32_t series, point; /* the next ones */
	bool begun;             /* that series' labels are written */
	bool any;               /* and a point of it */
	struct answer_stats stats;
};

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

/* Goes on with the points of the series at hand until `out` has `bytes`. True: they are all written. */
static bool put_points(struct writing *w, const struct promql_series *s, struct buf *out, size_t bytes)
{
	const struct promql_result *r = &w->result;

	for (; w->point < s->count && out->len < bytes; w->point++) {
		uint32_t i = w->point;
		if (s->times_ms == NULL && is_absent(s->values[i]))
			continue;
		buf_byte(out, w->any ? ',' : '[');
		put_point(out, s->times_ms != NULL ? s->times_ms[i] : r->start_ms + (int64_t)i * r->step_ms,
		          s->values[i]);
		w->any = true;
	}
	return w->point == s->count;
}

/* The same for a series with everything around it. */
static bool put_series(struct writing *w, struct buf *out, size_t bytes)
{
	const struct promql_series *s = &w->result.series[w->series];
	bool vector = w->result.type == PROMQL_VECTOR;

	if (!w->begun) {
		buf_str(out, w->series > 0 ? ",{\"metric\":" : "{\"metric\":");
		put_labels(out, s->labels);
		buf_str(out, vector ? ",\"value\":" : ",\"values\":");
		w->begun = true;
	}
	if (vector) {
		put_point(out, w->result.start_ms, s->values[0]);
		buf_byte(out, '}');
		return true;
	}
	if (!put_points(w, s, out, bytes))
		return false;
	buf_str(out, w->any ? "]}" : "[]}");
	return true;
}

/* Prometheus's own names; what has no counterpart here is not said. */
static void put_stats(const struct writing *w, struct buf *out)
{
	const struct answer_stats *stats = &w->stats;

	buf_str(out, ",\"stats\":{\"timings\":{\"evalTotalTime\":");
	buf_json_number(out, (double)(stats->evaluated_ns - stats->begun_ns) / NS_PER_S);
	buf_str(out, ",\"execTotalTime\":");
	buf_json_number(out, (double)(clock_mono_ns() - stats->begun_ns) / NS_PER_S);
	buf_printf(out, "},\"samples\":{\"totalQueryableSamples\":%llu,\"peakSamples\":%llu}}",
	           (unsigned long long)w->result.samples_read, (unsigned long long)w->result.samples_peak);
}

static void put_end(const struct writing *w, struct buf *out)
{
	if (w->stats.wanted)
		put_stats(w, out);
	buf_byte(out, '}');
}

/* Goes on until `out` has so many bytes. True: there is more. */
static bool put_until(struct writing *w, struct buf *out, size_t bytes)
{
	while (w->series < w->series_count && !buf_failed(out)) {
		if (out->len >= bytes)
			return true;
		if (!put_series(w, out, bytes))
			continue;
		w->series++;
		w->point = 0;
		w->begun = w->any = false;
	}
	buf_byte(out, ']');
	put_end(w, out);
	return false;
}

static bool put_part(void *rest, struct buf *out)
{
	return put_until(rest, out, PART_BYTES);
}

static void free_writing(void *rest)
{
	struct writing *w = rest;

	promql_result_free(&w->result);
	mem_free(w);
}

static void put_single(struct query *q, const struct writing *w)
{
	const struct promql_result *r = &w->result;

	if (r->type == PROMQL_SCALAR) {
		put_point(&q->out, r->start_ms, r->series[0].values[0]);
	} else {
		buf_byte(&q->out, '[');
		put_time(&q->out, r->start_ms);
		buf_byte(&q->out, ',');
		buf_json_string(&q->out, r->text);
		buf_byte(&q->out, ']');
	}
	put_end(w, &q->out);
}

static void put_notes(struct query *q, const struct promql_result *r, bool truncated)
{
	if (truncated)
		query_truncated(q);
	for (uint32_t i = 0; i < r->warning_count; i++)
		query_note(q, NOTE_WARNING, r->warnings[i]);
	for (uint32_t i = 0; i < r->info_count; i++)
		query_note(q, NOTE_INFO, r->infos[i]);
}

static void put_type(struct query *q, enum promql_type type)
{
	static const char *const names[] = {[PROMQL_SCALAR] = "scalar",
	                                    [PROMQL_VECTOR] = "vector",
	                                    [PROMQL_MATRIX] = "matrix",
	                                    [PROMQL_STRING] = "string"};

	buf_str(&q->out, "{\"resultType\":\"");
	buf_str(&q->out, names[type]);
	buf_str(&q->out, "\",\"result\":");
}

void answer_result(struct query *q, struct promql_result *result, uint32_t limit, const struct answer_stats *stats)
{
	struct writing *w = mem_alloc(sizeof *w);

	if (w == NULL) {
		promql_result_free(result);
		query_fail(q, QUERY_UNAVAILABLE, "out of memory for the answer");
		return;
	}
	*w = (struct writing){.result = *result, .series_count = result->series_count, .stats = *stats};
	bool truncated = limit > 0 && limit < w->series_count;
	w->series_count = truncated ? limit : w->series_count;
	put_notes(q, result, truncated);
	put_type(q, result->type);
	if (result->type == PROMQL_SCALAR || result->type == PROMQL_STRING) {
		put_single(q, w);
		free_writing(w);
		return;
	}
	buf_byte(&q->out, '[');
	if (!put_until(w, &q->out, AT_ONCE_BYTES)) {
		free_writing(w);
		return;
	}
	q->more = put_part;
	q->free_rest = free_writing;
	q->rest = w;
	q->rest_bytes = w->result.arena.total;
}

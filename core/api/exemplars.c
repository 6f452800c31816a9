/* GET and POST /api/v1/query_exemplars: the exemplars of the series that an expression selects. */
#include <errno.h>
#include <stdlib.h>

#include "api/answer_json.h"
#include "api/internal.h"
#include "promql/promql.h"
#include "record/labels.h"
#include "tsdb/tsdb.h"

struct found {
	struct query *q;
	int64_t from_ms, to_ms;
	struct exemplar_series *items; /* of all selectors so far, in the order of labels, each series once */
	uint32_t count, selectors;
	int code;
	struct error err;
};

/* The series of both, each once: in the arena. */
static int unite(struct found *f, const struct exemplar_series *more, uint32_t count)
{
	struct exemplar_series *all = arena_alloc(&f->q->arena, (f->count + (size_t)count + 1) * sizeof *all);
	uint32_t a = 0, b = 0, n = 0;

	if (all == NULL)
		return error_set(&f->err, -ENOMEM, "out of memory for exemplars");
	while (a < f->count || b < count) {
		int order = a == f->count ? 1 : b == count ? -1 : labels_compare(f->items[a].labels, more[b].labels);
		all[n++] = order <= 0 ? f->items[a] : more[b];
		a += order <= 0;
		b += order >= 0;
	}
	f->items = all;
	f->count = n;
	return 0;
}

static bool add_selector(void *ctx, struct promql_expr *e)
{
	struct found *f = ctx;
	struct matcher **matchers;
	const struct exemplar_series *more;
	uint32_t count;

	if (e->kind != PROMQL_SELECTOR)
		return true;
	if (++f->selectors > MATCHES_MAX) {
		f->code = error_set(&f->err, -EINVAL, "the query has more than %d selectors", MATCHES_MAX);
		return false;
	}
	f->code = promql_matchers(e, &f->q->arena, &matchers, &f->err);
	if (f->code != 0)
		return false;
	f->code = tsdb_exemplars_select(f->q->history, matchers, e->selector.matcher_count, f->from_ms, f->to_ms,
	                                &f->q->arena, &more, &count, &f->err);
	promql_matchers_free(matchers, e->selector.matcher_count);
	if (f->code == 0)
		f->code = unite(f, more, count);
	return f->code == 0 && query_goes_on(f->q);
}

static void put_series(struct query *q, const struct exemplar_series *s)
{
	struct buf *b = &q->out;

	buf_str(b, "{\"seriesLabels\":");
	put_labels(b, s->labels);
	buf_str(b, ",\"exemplars\":[");
	for (uint32_t i = 0; i < s->count && query_goes_on(q); i++) {
		buf_str(b, i > 0 ? ",{\"labels\":" : "{\"labels\":");
		put_labels(b, s->exemplars[i].labels);
		buf_str(b, ",\"value\":");
		put_value_text(b, s->exemplars[i].value);
		buf_str(b, ",\"timestamp\":");
		put_time(b, s->exemplars[i].time_ms);
		buf_byte(b, '}');
	}
	buf_str(b, "]}");
}

void answer_exemplars(struct query *q)
{
	struct found f = {.q = q};
	struct promql_expr *e;

	if (!query_times(q, &f.from_ms, &f.to_ms))
		return;
	if (f.from_ms > f.to_ms) {
		query_fail(q, QUERY_BAD_DATA, "end timestamp must not be before start timestamp");
		return;
	}
	f.code = promql_parse(params_get(&q->params, "query"), &q->arena, &e, &f.err);
	if (f.code == 0)
		promql_walk(e, add_selector, &f);
	if (f.code != 0) {
		query_fail_code(q, f.code, &f.err);
		return;
	}
	buf_byte(&q->out, '[');
	for (uint32_t i = 0; i < f.count && query_goes_on(q); i++) {
		buf_str(&q->out, i > 0 ? "," : "");
		put_series(q, &f.items[i]);
	}
	buf_byte(&q->out, ']');
}

void api_query_exemplars(void *ctx, struct http_request *req)
{
	query_start(ctx, req, answer_exemplars);
}

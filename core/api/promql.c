/* GET and POST /api/v1/query and /api/v1/query_range: an expression at one time, or over a range of steps. */
#include <errno.h>

#include "api/internal.h"
#include "api/promql_answer.h"
#include "base/clock.h"
#include "promql/promql.h"
#include "querier/querier.h"
#include "tsdb/tsdb.h"

enum {
	POINTS_MAX = 11000,   /* of a series, as Prometheus has it: what one asks for more has mistyped the step */
	AT_ONCE_VALUES = 4096 /* of an answer that is written on the loop: half a millisecond */
};
#define AT_ONCE_MS                                                                                                     \
	(INT64_C(2) * 3600 * 1000) /* what is older may lie in blocks, whose pages a disk has to be asked for */

static bool goes_on(void *ctx)
{
	return !query_is_cancelled(ctx);
}

/* The parameters that both routes have. False with the error set. */
static bool read_common(struct query *q, struct promql_query *asked, uint32_t *limit)
{
	const struct config *c = q->api->config;
	struct error err = {0};
	struct promql_expr *e;
	int64_t timeout_ms, lookback_ms;

	*asked = (struct promql_query){
	    .lookback_ms = c->query.lookback_ns / NS_PER_MS,
	    .samples_max = c->query.max_samples,
	    .bytes_max = c->query.max_bytes,
	    .goes_on = goes_on,
	    .ctx = q,
	};
	int code = params_limit(&q->params, "limit", 0, limit, &err);
	if (code == 0)
		code = params_duration(&q->params, "timeout", INT64_MAX, &timeout_ms, &q->arena, &err);
	if (code == 0)
		code = params_duration(&q->params, "lookback_delta", 0, &lookback_ms, &q->arena, &err);
	if (code == 0 && timeout_ms <= q->timeout_ns / NS_PER_MS)
		query_set_timeout(q, timeout_ms > 0 ? timeout_ms * NS_PER_MS : 0);
	if (code == 0 && lookback_ms > 0)
		asked->lookback_ms = lookback_ms;
	if (code == 0 && (code = promql_parse(params_get(&q->params, "query"), &q->arena, &e, &err)) == -EINVAL)
		error_prefix(&err, "invalid parameter \"query\"");
	if (code != 0)
		query_fail_code(q, code, &err);
	else
		asked->expr = e;
	return query_has_time(q);
}

/* What the expression comes to is no fault of the request's form: Prometheus tells the two apart. */
static void fail_evaluation(struct query *q, int code, const struct error *err)
{
	if (code == -EINVAL || code == -E2BIG)
		query_fail(q, QUERY_EXECUTION, "%s", err->text);
	else
		query_fail_code(q, code, err);
}

/* Is the answer so small that it may be written on the loop? */
static bool is_small(const struct promql_result *r)
{
	uint64_t values = 0;
	for (uint32_t i = 0; i < r->series_count && values <= AT_ONCE_VALUES; i++)
		values += r->series[i].count;
	return values <= AT_ONCE_VALUES;
}

/* The store, as long as nothing is asked of it that may have to be read from a disk. */
static int select_recent(void *ctx, const struct promql_select *what, void **set, struct error *err)
{
	struct query *q = ctx;
	struct promql_source whole = querier_of_view(q->view);

	if (what->from_ms < clock_wall_ns() / NS_PER_MS - AT_ONCE_MS) {
		query_not_at_once(q);
		return error_set(err, -ECANCELED, "what is asked for lies too far back");
	}
	return whole.ops->select(whole.ctx, what, set, err);
}

static int evaluate_at_once(struct query *q, const struct promql_query *asked, struct promql_result *out,
                            struct error *err)
{
	struct promql_source_ops ops = *querier_of_view(q->view).ops;

	ops.select = select_recent;
	int code = promql_eval(asked, &(struct promql_source){&ops, q}, out, err);
	if (code != 0 || is_small(out))
		return code;
	promql_result_free(out);
	query_not_at_once(q);
	return error_set(err, -ECANCELED, "the answer is too large");
}

static void evaluate(struct query *q, const struct promql_query *asked, uint32_t limit)
{
	struct promql_source source = querier_of_view(q->view);
	struct promql_result result;
	struct error err = {0};
	struct answer_stats stats = {.wanted = params_get(&q->params, "stats").len > 0, .begun_ns = clock_mono_ns()};
	int code = q->at_once ? evaluate_at_once(q, asked, &result, &err) : promql_eval(asked, &source, &result, &err);

	if (code != 0) {
		fail_evaluation(q, code, &err);
		return;
	}
	stats.evaluated_ns = clock_mono_ns();
	answer_result(q, &result, limit, &stats);
}

/* ---- /api/v1/query ---- */

static void answer_instant(struct query *q)
{
	struct promql_query asked;
	struct error err = {0};
	uint32_t limit;
	int64_t time_ms;

	if (params_time(&q->params, "time", clock_wall_ns() / NS_PER_MS, &time_ms, &err) != 0) {
		query_fail_code(q, -EINVAL, &err);
		return;
	}
	if (!read_common(q, &asked, &limit))
		return;
	asked.start_ms = asked.end_ms = time_ms;
	evaluate(q, &asked, limit);
}

void api_query(void *ctx, struct http_request *req)
{
	query_start_at_once(ctx, req, answer_instant);
}

/* ---- /api/v1/query_range ---- */

static int required(const struct params *p, const char *name, struct error *err)
{
	if (params_get(p, name).len > 0)
		return 0;
	return error_set(err, -EINVAL, "invalid parameter \"%s\": cannot parse \"\" to a valid %s", name,
	                 name[0] == 's' && name[3] == 'p' ? "duration" : "timestamp");
}

static int read_range(struct query *q, struct promql_query *asked, struct error *err)
{
	const struct params *p = &q->params;
	int64_t step_ms;
	int code = required(p, "start", err);

	if (code == 0)
		code = params_time(p, "start", 0, &asked->start_ms, err);
	if (code == 0)
		code = required(p, "end", err);
	if (code == 0)
		code = params_time(p, "end", 0, &asked->end_ms, err);
	if (code == 0 && asked->end_ms < asked->start_ms)
		return error_set(err, -EINVAL,
		                 "invalid parameter \"end\": end timestamp must not be before start time");
	if (code == 0)
		code = required(p, "step", err);
	if (code == 0)
		code = params_duration(p, "step", 0, &step_ms, &q->arena, err);
	if (code != 0)
		return code;
	if (step_ms <= 0)
		return error_set(err, -EINVAL,
		                 "invalid parameter \"step\": zero or negative query resolution step widths are not "
		                 "accepted. Try a positive integer");
	asked->step_ms = step_ms;
	uint64_t span_ms = (uint64_t)asked->end_ms - (uint64_t)asked->start_ms;
	if (span_ms / (uint64_t)step_ms > POINTS_MAX)
		return error_set(err, -EINVAL,
		                 "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the "
		                 "query resolution (?step=XX)");
	return 0;
}

static void answer_range(struct query *q)
{
	struct promql_query asked, range = {0};
	struct error err = {0};
	uint32_t limit;
	int code = read_range(q, &range, &err);

	if (code != 0) {
		query_fail_code(q, code, &err);
		return;
	}
	if (!read_common(q, &asked, &limit))
		return;
	if (asked.expr->type != PROMQL_SCALAR && asked.expr->type != PROMQL_VECTOR) {
		query_fail(q, QUERY_BAD_DATA,
		           "invalid parameter \"query\": invalid expression type \"%s\" for range query, must be "
		           "Scalar or instant Vector",
		           promql_type_text(asked.expr->type));
		return;
	}
	asked.start_ms = range.start_ms;
	asked.end_ms = range.end_ms;
	asked.step_ms = range.step_ms;
	evaluate(q, &asked, limit);
}

void api_query_range(void *ctx, struct http_request *req)
{
	query_start_at_once(ctx, req, answer_range);
}

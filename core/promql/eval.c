/* An evaluation from its beginning to its end. */
#include "promql/eval.h"

#include <errno.h>

#include "promql/annotate.h"
#include "promql/result.h"
#include "promql/shared.h"
#include "promql/when.h"

enum { LOOKBACK_MS = 5 * 60 * 1000, SUBQUERY_STEP_MS = 60 * 1000 };
#define SAMPLES_MAX UINT64_C(50000000)
#define BYTES_MAX (UINT64_C(256) << 20)

/* The query's steps; none where it ends before it begins. */
static int set_steps(struct eval *ev, const struct promql_query *q)
{
	ev->steps = (struct steps){.start_ms = q->start_ms, .count = 1};
	if (q->step_ms <= 0)
		return 0;
	ev->steps.step_ms = q->step_ms;
	if (q->end_ms < q->start_ms) {
		ev->steps.count = 0;
		return 0;
	}
	uint64_t more = (uint64_t)(q->end_ms - q->start_ms) / (uint64_t)q->step_ms;
	if (more >= ev->samples_max || more >= UINT32_MAX)
		return eval_spend(ev, ev->samples_max + 1);
	ev->steps.count = (uint32_t)more + 1;
	return 0;
}

static int begin(struct eval *ev, const struct promql_query *q)
{
	enum promql_type type = q->expr->type;

	if (q->step_ms > 0 && type != PROMQL_SCALAR && type != PROMQL_VECTOR)
		return eval_fail(ev, -EINVAL,
		                 "invalid expression type \"%s\" for range query, must be Scalar or instant Vector",
		                 promql_type_text(type));
	int code = annotations_open(ev);
	if (code == 0)
		code = set_steps(ev, q);
	if (code == 0)
		code = when_check(ev, q->expr);
	return code == 0 ? sharing_open(ev, q->expr) : code;
}

static int run(struct eval *ev, const struct promql_query *q, struct promql_result *out)
{
	int code = begin(ev, q);

	out->type = PROMQL_MATRIX;
	if (code == 0 && ev->steps.count > 0)
		code = result_make(ev, out);
	if (code == 0)
		code = ev->err->code; /* of what could not say so */
	return code == 0 ? annotations_write(ev, out) : code;
}

int promql_eval(const struct promql_query *q, const struct promql_source *source, struct promql_result *out,
                struct error *err)
{
	struct error own = {0};
	/* With the defaults in place of what is not given. */
	struct promql_query full = *q;
	struct eval ev = {
	    .query = &full,
	    .source = source,
	    .lookback_ms = when_clamp(q->lookback_ms > 0 ? q->lookback_ms : LOOKBACK_MS),
	    .samples_max = q->samples_max > 0 ? q->samples_max : SAMPLES_MAX,
	    .bytes_max = q->bytes_max > 0 ? q->bytes_max : BYTES_MAX,
	    .err = &own,
	};

	full.start_ms = when_clamp(q->start_ms);
	full.end_ms = when_clamp(q->step_ms > 0 ? q->end_ms : q->start_ms);
	full.step_ms = when_clamp(q->step_ms);
	full.subquery_step_ms = q->subquery_step_ms > 0 ? when_clamp(q->subquery_step_ms) : SUBQUERY_STEP_MS;
	*out = (struct promql_result){0};
	arena_init(&out->arena);
	arena_init(&ev.arena);
	int code = run(&ev, &full, out);
	sharing_close(&ev);
	annotations_close(&ev);
	arena_deinit(&ev.arena);
	if (code != 0) {
		promql_result_free(out);
		return error_set(err, code, "%s", own.text);
	}
	out->start_ms = ev.steps.start_ms;
	out->step_ms = ev.steps.step_ms;
	out->steps = ev.steps.count;
	out->samples_read = ev.samples;
	out->samples_peak = ev.samples;
	return 0;
}

void promql_result_free(struct promql_result *r)
{
	arena_deinit(&r->arena);
	*r = (struct promql_result){0};
	arena_init(&r->arena);
}

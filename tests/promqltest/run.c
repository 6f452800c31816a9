/* Evals. An instant one is tried in several ways, which all have to give the same:
 *
 *   as it is;
 *   with `@ <its time>` at each selector that has none, at other times: nothing but functions of the time itself may tell the difference;
 *   each of these as the middle step of a range query.
 *
 * What selects a native histogram is not compared. If that is the query as it is, the eval is skipped.
 *
 * The engine has the settings of Prometheus's runner: names go at the end, look-back 5 min, subqueries step by 1 min. */
#include "run.h"

#include <errno.h>

#include "compare.h"
#include "memory.h"
#include "promql/promql.h"

enum verdict { PASSED, FAILED, SKIPPED };

struct runner {
	struct memory memory;
	struct arena arena; /* of one eval */
	const struct script_eval *eval;
	struct buf why; /* what differs */
};

/* One query of an eval. */
struct query {
	struct slice text;
	int64_t start_ms, end_ms, step_ms; /* step 0: an instant query */
};

/* 0 and the result, which is to be freed; or what the engine says. memory.native_selected is of this query. */
static int evaluate(struct runner *r, const struct query *q, struct promql_result *out, struct error *err)
{
	struct promql_source source = memory_source(&r->memory);
	struct promql_expr *expr;
	r->memory.native_selected = false;
	int rc = promql_parse(q->text, &r->arena, &expr, err);
	if (rc != 0)
		return rc;
	struct promql_query query = {
	    .expr = expr,
	    .text = q->text,
	    .start_ms = q->start_ms,
	    .end_ms = q->end_ms,
	    .step_ms = q->step_ms,
	    .lookback_ms = 5 * 60 * 1000,
	    .subquery_step_ms = 60 * 1000,
	    .delayed_names = true,
	};
	return promql_eval(&query, &source, out, err);
}

/* Says which query it was, before what differs in it. */
static void describe(const struct query *q, struct buf *out)
{
	buf_printf(out, "    %.*s  at ", SLICE_ARG(q->text));
	compare_put_time(out, q->start_ms);
	if (q->step_ms > 0) {
		buf_str(out, " to ");
		compare_put_time(out, q->end_ms);
		buf_str(out, " step ");
		compare_put_time(out, q->step_ms);
	}
	buf_byte(out, '\n');
}

/* Evaluates and compares what every query has to meet. `*ran`: there is a result, which is to be freed. True also where nothing is compared. */
static bool run_query(struct runner *r, const struct query *q, struct promql_result *result, bool *ran)
{
	struct error err = {0};
	struct buf differs = {0};
	bool right;
	int rc = evaluate(r, q, result, &err);

	*ran = rc == 0;
	if (r->memory.native_selected)
		return true;
	if (rc != 0) {
		right = compare_failure(r->eval, slice_cstr(err.text), &differs);
	} else if (script_expects(r->eval, EXPECT_FAIL)) {
		right = false;
		buf_str(&differs, "    wanted a failure, got a result\n");
	} else {
		right = compare_annotations(r->eval, result, &differs);
		right = compare_result(r->eval, result, &differs) && right;
	}
	if (!right) {
		describe(q, &r->why);
		buf_slice_append(&r->why, buf_slice(&differs));
	}
	buf_free(&differs);
	return right;
}

static enum verdict run_range(struct runner *r)
{
	const struct script_eval *e = r->eval;
	struct query q = {e->expr, e->start_ms, e->end_ms, e->step_ms};
	struct promql_result result;
	bool ran, right = run_query(r, &q, &result, &ran);

	if (ran)
		promql_result_free(&result);
	return r->memory.native_selected ? SKIPPED : right ? PASSED : FAILED;
}

/* ---- instant queries ---- */

static bool contains(struct slice text, const char *what)
{
	return text.len > 0 && memmem(text.ptr, text.len, what, strlen(what)) != NULL;
}

/* Does it ask for the query's own times? Then a range query is another one. */
static bool asks_for_times(struct slice text)
{
	return contains(text, "start()") || contains(text, "end()") || contains(text, "range()") ||
	       contains(text, "step()");
}

static bool run_as_middle(struct runner *r, const struct query *instant, bool is_scalar)
{
	const int64_t minute = 60 * 1000;
	struct query q = {instant->text, instant->start_ms - minute, instant->start_ms + minute, minute};
	struct promql_result result;
	struct error err = {0};
	struct buf differs = {0};
	bool right = true;

	if (evaluate(r, &q, &result, &err) != 0) {
		right = r->memory.native_selected;
		buf_printf(&differs, "    failed: %s\n", err.text);
	} else {
		/* A range query has no order but that of its labels. */
		if (!r->memory.native_selected && !script_expects(r->eval, EXPECT_ORDERED))
			right = compare_step(r->eval, &result, instant->start_ms, is_scalar, &differs);
		promql_result_free(&result);
	}
	if (!right) {
		describe(&q, &r->why);
		buf_slice_append(&r->why, buf_slice(&differs));
	}
	buf_free(&differs);
	return right;
}

/* As it is, and as the middle of a range; *native: it selects native histograms, and nothing was compared. */
static bool run_instant(struct runner *r, struct slice text, int64_t time_ms, bool *native)
{
	struct query q = {text, time_ms, time_ms, 0};
	struct promql_result result;
	bool ran, right = run_query(r, &q, &result, &ran);

	*native = r->memory.native_selected;
	if (!ran)
		return right;
	enum promql_type type = result.type;
	promql_result_free(&result);
	if (!right || *native || r->eval->expects_range_vector || asks_for_times(text))
		return right;
	if (type != PROMQL_SCALAR && type != PROMQL_VECTOR)
		return true;
	return run_as_middle(r, &q, type == PROMQL_SCALAR);
}

/* ---- the same with @ ---- */

struct pin {
	int64_t time_ms;
	uint32_t inside_from, inside_to; /* a subquery that has its time: what is in it stays */
	bool moves;                      /* a function gives something else at another time */
};

/* Functions that give something else at another time, though all they take is pinned. */
static bool is_of_time(const char *name)
{
	static const char *const names[] = {
	    "days_in_month",  "day_of_month", "day_of_week", "day_of_year", "hour",      "minute", "month",
	    "predict_linear", "start",        "end",         "time",        "timestamp", "year"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

static void pin_when(struct promql_when *when, int64_t time_ms)
{
	if (when->at == PROMQL_AT_TIME)
		return;
	when->at = PROMQL_AT_TIME;
	when->at_ms = time_ms;
}

static bool pin_expr(void *ctx, struct promql_expr *e)
{
	struct pin *p = ctx;

	if (e->start >= p->inside_from && e->start < p->inside_to)
		return true;
	if (e->kind == PROMQL_SELECTOR)
		pin_when(&e->selector.when, p->time_ms);
	if (e->kind == PROMQL_CALL)
		p->moves |= is_of_time(e->call.function->name);
	if (e->kind == PROMQL_SUBQUERY) {
		pin_when(&e->subquery.when, p->time_ms);
		p->inside_from = e->subquery.of->start;
		p->inside_to = e->end;
	}
	return true;
}

static bool run_pinned(struct runner *r, int64_t time_ms)
{
	struct pin pin = {.time_ms = time_ms};
	struct promql_expr *expr;
	struct buf text = {0};
	const int64_t others[] = {-10 * time_ms, 0, time_ms / 5, time_ms, 10 * time_ms};
	const int64_t around_zero[] = {-1000, 0, 1000};
	const int64_t *times = time_ms == 0 ? around_zero : others;
	size_t count = time_ms == 0 ? 3 : 5;
	bool right = true, native;

	if (promql_parse(r->eval->expr, &r->arena, &expr, NULL) != 0)
		return true; /* that it did not parse was as expected */
	promql_walk(expr, pin_expr, &pin);
	if (pin.moves)
		return true;
	promql_print(expr, &text);
	for (size_t i = 0; i < count && right; i++)
		right = run_instant(r, buf_slice(&text), times[i], &native);
	buf_free(&text);
	return right;
}

static enum verdict run_instant_forms(struct runner *r)
{
	int64_t time_ms = script_eval_time(r->eval);
	bool native, right = run_instant(r, r->eval->expr, time_ms, &native);

	if (native)
		return SKIPPED;
	return right && run_pinned(r, time_ms) ? PASSED : FAILED;
}

/* ---- evals ---- */

static bool expects_native(const struct script_eval *e)
{
	for (uint32_t i = 0; i < e->series_count; i++) {
		for (uint32_t k = 0; k < e->series[i].count; k++) {
			if (e->series[i].values[k].native)
				return true;
		}
	}
	return false;
}

static enum verdict run_eval(struct runner *r, const struct script_eval *e)
{
	r->eval = e;
	buf_reset(&r->why);
	if (expects_native(e))
		return SKIPPED;
	enum verdict v = e->range ? run_range(r) : run_instant_forms(r);
	arena_reset(&r->arena, 64 * 1024);
	return v;
}

static void report(const struct script *s, const struct script_command *c, enum verdict v, bool verbose,
                   const struct runner *r, struct buf *out)
{
	static const char *const words[] = {"passed", "FAILED", "skipped"};

	if (v != FAILED && !verbose)
		return;
	buf_printf(out, "%-7s %s:%u: %.*s\n", words[v], s->path, c->line, SLICE_ARG(c->eval.expr));
	if (v == FAILED)
		buf_slice_append(out, buf_slice(&r->why));
}

static int run_command(struct runner *r, const struct script *s, const struct script_command *c, bool verbose,
                       struct run_counts *counts, struct buf *out, struct error *err)
{
	uint32_t *const count[] = {&counts->passed, &counts->failed, &counts->skipped};

	switch (c->kind) {
	case SCRIPT_CLEAR:
		memory_deinit(&r->memory);
		return 0;
	case SCRIPT_LOAD: {
		int rc = memory_load(&r->memory, &c->load, err);
		if (rc != 0)
			error_prefix(err, "%s:%u", s->path, c->line);
		counts->start_times += c->load.start_time_count;
		return rc;
	}
	case SCRIPT_EVAL:
		break;
	}
	enum verdict v = run_eval(r, &c->eval);
	++*count[v];
	report(s, c, v, verbose, r, out);
	return buf_failed(out) ? error_set(err, -ENOMEM, "out of memory for a report") : 0;
}

int run_script(const struct script *s, bool verbose, struct run_counts *counts, struct buf *out, struct error *err)
{
	struct runner r = {0};
	int rc = 0;

	memory_init(&r.memory);
	arena_init(&r.arena);
	for (uint32_t i = 0; i < s->count && rc == 0; i++)
		rc = run_command(&r, s, &s->commands[i], verbose, counts, out, err);
	memory_deinit(&r.memory);
	arena_deinit(&r.arena);
	buf_free(&r.why);
	return rc;
}

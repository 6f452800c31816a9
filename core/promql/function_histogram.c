/* histogram_quantile, histogram_quantiles, histogram_fraction: what classic histograms say of the observations in them. */
#include <errno.h>
#include <stdio.h>

#include "base/civil.h"
#include "base/utf8.h"
#include "promql/function.h"
#include "promql/histograms.h"
#include "promql/plan.h"
#include "promql/quote.h"
#include "record/labels.h"

/* What has been said of repairs to the histograms of one name. */
struct repairs {
	struct slice name; /* the arena's; empty where names are dropped before */
	struct bucket_repair all;
	uint32_t count;
	int64_t first_ms, last_ms;
};

struct histogram_node {
	struct node node;
	struct node *of;            /* NULL: it was collected */
	uint32_t of_at;             /* where it is written */
	bool fraction, labelled;    /* histogram_fraction, histogram_quantiles */
	struct slice label;         /* histogram_quantiles: what the quantile becomes */
	const double *const *parts; /* quantiles; of a fraction the lower and the upper end */
	uint32_t part_count;
	struct histograms h;
	struct repairs *repairs;
	size_t repair_cap;
	uint32_t repair_count;
	double *results; /* of the histogram that is given out, for each quantile a value a step */
	double *out;
	uint32_t histogram, part, step; /* next row */
	struct buf labels, with_label;
};

/* ---- what was repaired ---- */

static struct repairs *repairs_of(struct histogram_node *n, struct slice labels)
{
	struct eval *ev = n->node.ev;
	struct slice name = ev->query->delayed_names ? labels_get(labels, LABEL_METRIC_NAME) : (struct slice){0};

	for (uint32_t i = 0; i < n->repair_count; i++) {
		if (slice_eq(n->repairs[i].name, name))
			return &n->repairs[i];
	}
	if (eval_grow(ev, (void **)&n->repairs, &n->repair_cap, (size_t)n->repair_count + 1, sizeof *n->repairs) != 0)
		return NULL;
	char *copy = eval_alloc(ev, name.len + 1);
	if (copy == NULL)
		return NULL;
	if (name.len > 0)
		memcpy(copy, name.ptr, name.len);
	struct repairs *r = &n->repairs[n->repair_count++];
	*r = (struct repairs){.name = {copy, name.len}, .all = {INFINITY, -INFINITY, 0}};
	return r;
}

static int note_repair(struct histogram_node *n, const struct bucket_repair *repair, uint32_t step)
{
	struct repairs *r = repairs_of(n, label_index_labels(&n->h.sets, n->histogram));
	int64_t ms = step_time(&n->node.steps, step);

	if (r == NULL)
		return n->node.ev->err->code;
	r->all.least = fmin(r->all.least, repair->least);
	r->all.greatest = fmax(r->all.greatest, repair->greatest);
	r->all.difference = fmax(r->all.difference, repair->difference);
	if (r->count == 0 || ms < r->first_ms)
		r->first_ms = ms;
	if (r->count == 0 || ms > r->last_ms)
		r->last_ms = ms;
	r->count++;
	return 0;
}

/* A time as RFC 3339 has it, in whole seconds; cut off towards 1970 as Go divides. */
static const char *time_text(int64_t ms, char room[64])
{
	int64_t s = ms / 1000, day = civil_floor_div(s, CIVIL_DAY_S), of_day = s - day * CIVIL_DAY_S;
	struct civil date = civil_from_day(day);
	snprintf(room, 64, "%04lld-%02u-%02uT%02d:%02d:%02dZ", (long long)date.year, date.month, date.day,
	         (int)(of_day / 3600), (int)(of_day / 60 % 60), (int)(of_day % 60));
	return room;
}

static void say_repairs(const struct histogram_node *n)
{
	char least[NUMBER_TEXT_MAX], greatest[NUMBER_TEXT_MAX], first[64], last[64];
	struct arena arena;

	arena_init(&arena);
	for (uint32_t i = 0; i < n->repair_count; i++) {
		const struct repairs *r = &n->repairs[i];
		eval_annotate(
		    n->node.ev, ANNOTATION_INFO, n->of_at,
		    "input to histogram_quantile needed to be fixed for monotonicity (see "
		    "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)%s%s, from "
		    "buckets %s to %s, with a max diff of %.2g, over %u samples from %s to %s",
		    r->name.len > 0 ? " for metric name " : "",
		    r->name.len > 0 ? quoted(r->name, UINT32_MAX, &arena) : "", number_text(r->all.least, least),
		    number_text(r->all.greatest, greatest), r->all.difference, r->count, time_text(r->first_ms, first),
		    time_text(r->last_ms, last));
	}
	arena_deinit(&arena);
}

/* ---- values ---- */

/* Of a quantile that is none there is an answer, too, which does not look at the buckets. */
static double quantile(double q, const struct bucket *b, uint32_t count)
{
	if (isnan(q))
		return NAN;
	if (q < 0 || q > 1)
		return q < 0 ? -INFINITY : INFINITY;
	return buckets_quantile(q, b, count);
}

static bool any_quantile(const struct histogram_node *n, uint32_t step)
{
	for (uint32_t k = 0; k < n->part_count; k++) {
		if (n->parts[k][step] >= 0 && n->parts[k][step] <= 1)
			return true;
	}
	return false;
}

/* All results of the next histogram. */
static int reckon(struct histogram_node *n)
{
	uint32_t steps = n->node.steps.count, results = n->fraction ? 1 : n->part_count;
	const struct bucket *b = n->h.buckets;
	struct bucket_repair repair;

	for (uint32_t i = 0; i < steps; i++) {
		uint32_t count = histograms_at(&n->h, n->histogram, i);
		for (uint32_t k = 0; k < results && count == 0; k++)
			n->results[k * steps + i] = promql_absent();
		if (count == 0)
			continue;
		if (n->fraction) {
			n->results[i] = buckets_fraction(n->parts[0][i], n->parts[1][i], b, count);
			continue;
		}
		if (b[count - 1].upper == INFINITY && any_quantile(n, i) &&
		    buckets_repair(n->h.buckets, count, &repair)) {
			int code = note_repair(n, &repair, i);
			if (code != 0)
				return code;
		}
		for (uint32_t k = 0; k < results; k++)
			n->results[k * steps + i] = quantile(n->parts[k][i], b, count);
	}
	return eval_spend(n->node.ev, (uint64_t)steps * results);
}

/* ---- rows ---- */

/* A quantile as the value of a label: as OpenMetrics has it, with a point or an exponent. */
static struct slice quantile_text(double q, char room[NUMBER_TEXT_MAX])
{
	size_t len = strlen(number_text(q == 0 ? 0 : q, room));
	if (isfinite(q) && strpbrk(room, ".e") == NULL)
		memcpy(room + len, ".0", sizeof ".0"); /* there is room: six digits at most */
	return slice_cstr(room);
}

static bool same_number(double a, double b)
{
	return a == b || (isnan(a) && isnan(b));
}

/* The first step from `step` on at which a quantile has a value that it had at no step before, or their number. */
static uint32_t new_quantile(const double *q, uint32_t step, uint32_t steps)
{
	for (; step < steps; step++) {
		uint32_t k = 0;
		while (k < step && !same_number(q[k], q[step]))
			k++;
		if (k == step)
			break;
	}
	return step;
}

/* A quantile is one row for each value that it has at some step; mostly that is one for all. */
static int labelled_row(struct histogram_node *n, struct row *out)
{
	uint32_t steps = n->node.steps.count;
	const double *q = n->parts[n->part], *results = n->results + (size_t)n->part * steps;
	char text[NUMBER_TEXT_MAX];

	for (uint32_t i = 0; i < steps; i++)
		n->out[i] = same_number(q[i], q[n->step]) ? results[i] : promql_absent();
	int code = labels_with(out->labels, n->label, quantile_text(q[n->step], text), &n->with_label);
	if (code != 0)
		return labels_fail(n->node.ev, code);
	out->labels = buf_slice(&n->with_label);
	out->values = n->out;
	n->step = new_quantile(q, n->step + 1, steps);
	if (n->step == steps) {
		n->step = 0;
		n->part++;
	}
	code = eval_work(n->node.ev, steps);
	return code < 0 ? code : 1;
}

static int collect(struct histogram_node *n)
{
	struct node *of = n->of;
	n->of = NULL;
	int code = histograms_collect(&n->h, of, n->of_at);
	node_close(of);
	return code;
}

static int next_histogram(struct node *node, struct row *out)
{
	struct histogram_node *n = (struct histogram_node *)node;
	int code = n->of == NULL ? 0 : collect(n);

	if (code != 0)
		return code;
	if (n->part == (n->labelled ? n->part_count : 1)) {
		n->part = 0;
		n->histogram++;
	}
	if (n->histogram >= n->h.sets.count) {
		say_repairs(n);
		n->repair_count = 0;
		return 0;
	}
	if (n->part == 0 && n->step == 0)
		code = reckon(n);
	if (code != 0)
		return code;
	*out = (struct row){.labels = label_index_labels(&n->h.sets, n->histogram), .values = n->results};
	code = row_unname(node->ev, out, &n->labels);
	if (code < 0)
		return code;
	if (n->labelled)
		return labelled_row(n, out);
	n->part = 1;
	return 1;
}

static void close_histogram(struct node *node)
{
	struct histogram_node *n = (struct histogram_node *)node;
	node_close(n->of);
	histograms_deinit(&n->h);
	eval_release(n->node.ev, n->repairs, n->repair_cap * sizeof *n->repairs);
	buf_free(&n->labels);
	buf_free(&n->with_label);
}

static const struct node_ops histogram_ops = {next_histogram, close_histogram};

/* ---- plans ---- */

/* `vector`: which argument is the vector; `first`: the first of the scalars. */
static struct histogram_node *histogram_new(struct eval *ev, const struct promql_expr *call, const struct steps *steps,
                                            uint32_t vector, uint32_t first, uint32_t count)
{
	struct histogram_node *n = eval_alloc(ev, sizeof *n);
	const double **parts = n == NULL ? NULL : eval_alloc(ev, count * sizeof *parts);
	size_t values = ((size_t)count + 1) * steps->count;
	double *results = parts == NULL ? NULL : eval_alloc(ev, values * sizeof *results);

	if (results == NULL)
		return NULL;
	for (uint32_t i = 0; i < count; i++) {
		parts[i] = eval_scalar(ev, call->call.args[first + i], steps);
		if (parts[i] == NULL)
			return NULL;
	}
	*n = (struct histogram_node){.node = {&histogram_ops, ev, call, *steps, false},
	                             .of_at = function_arg(call, vector)->start,
	                             .parts = parts,
	                             .part_count = count,
	                             .results = results,
	                             .out = results + (size_t)count * steps->count};
	n->of = eval_plan(ev, call->call.args[vector], steps);
	if (n->of == NULL)
		return NULL;
	histograms_init(&n->h, ev, steps->count);
	return n;
}

static struct node *plan_histograms(struct histogram_node *n)
{
	bool one_name = n->of->one_name;
	struct node *distinct;

	n->node.one_name = one_name;
	/* A label that is set may make any rows the same. */
	distinct = n->labelled ? plan_distinct_always(&n->node, false) : plan_distinct(&n->node, false);
	if (distinct != NULL)
		distinct->one_name = one_name;
	return distinct;
}

struct node *plan_histogram_quantile(struct eval *ev, const struct promql_expr *call, const struct steps *steps)
{
	struct histogram_node *n = histogram_new(ev, call, steps, 1, 0, 1);
	if (n == NULL)
		return NULL;
	function_check_quantiles(ev, n->parts[0], steps->count, function_arg_at(call, 0));
	return plan_histograms(n);
}

struct node *plan_histogram_quantiles(struct eval *ev, const struct promql_expr *call, const struct steps *steps)
{
	struct histogram_node *n = histogram_new(ev, call, steps, 0, 2, call->call.arg_count - 2);
	if (n == NULL)
		return NULL;
	for (uint32_t i = 0; i < n->part_count; i++)
		function_check_quantiles(ev, n->parts[i], steps->count, function_arg_at(call, 2 + i));
	n->labelled = true;
	n->label = eval_text(call->call.args[1]);
	if (n->label.len > 0 && utf8_valid(n->label, NULL))
		return plan_histograms(n);
	eval_fail(ev, -EINVAL, "invalid label name in histogram_quantiles(): %.*s", SLICE_ARG(n->label));
	close_histogram(&n->node);
	return NULL;
}

struct node *plan_histogram_fraction(struct eval *ev, const struct promql_expr *call, const struct steps *steps)
{
	struct histogram_node *n = histogram_new(ev, call, steps, 2, 0, 2);
	if (n == NULL)
		return NULL;
	n->fraction = true;
	return plan_histograms(n);
}

/* ---- of native histograms ---- */

static int next_nothing(struct node *n, struct row *out)
{
	struct histogram_node *h = (struct histogram_node *)n;
	int code;
	while ((code = node_next(h->of, out)) == 1)
		continue;
	return code;
}

static void close_nothing(struct node *n)
{
	node_close(((struct histogram_node *)n)->of);
}

static const struct node_ops nothing_ops = {next_nothing, close_nothing};

/* Of the float samples that rows are made of they have nothing to say; only what the vector's own warnings say. */
struct node *plan_histogram_nothing(struct eval *ev, const struct promql_expr *call, const struct steps *steps)
{
	struct histogram_node *n = eval_alloc(ev, sizeof *n);
	if (n == NULL)
		return NULL;
	*n = (struct histogram_node){.node = {&nothing_ops, ev, call, *steps, true}};
	n->of = eval_plan(ev, call->call.args[0], steps);
	return n->of == NULL ? NULL : &n->node;
}

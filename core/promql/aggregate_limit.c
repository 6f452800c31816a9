/* limitk, limit_ratio: rows pass as they come, with the values that are taken; nothing but counts is held.
 *
 * Which series limit_ratio takes follows from a hash of their labels (place.h): it takes the same ones at each step, and limit_ratio(r - 1, …) those that limit_ratio(r, …) leaves. Prometheus gives no promise which ones; they are those of its
 * usual build. limitk takes the first ones, here by the order of their labels. */
#include <errno.h>

#include "promql/aggregate.h"
#include "promql/place.h"
#include "promql/quote.h"

struct limit_node {
	struct aggregate a;
	bool ratio;       /* limit_ratio */
	bool none;        /* nothing is taken */
	uint32_t *counts; /* of limitk: values taken, by group and step */
	size_t cap;
	struct buf room; /* of limit_ratio */
};

static int check_ratio(struct limit_node *l)
{
	struct param_range r = aggregate_param_range(&l->a);
	struct eval *ev = l->a.node.ev;
	uint32_t at = aggregate_param_at(&l->a);
	char text[NUMBER_TEXT_MAX];

	if (r.any_nan || (r.least == 0 && r.greatest == 0)) {
		int code = aggregate_drain(&l->a);
		if (code != 0 || !r.any_nan)
			return code;
		return eval_fail(ev, -EINVAL, "Ratio value is NaN");
	}
	if (r.greatest > 1)
		eval_annotate(ev, ANNOTATION_WARNING, at,
		              "ratio value should be between -1 and 1, got %s, capping to 1",
		              number_text(r.greatest, text));
	if (r.least < -1)
		eval_annotate(ev, ANNOTATION_WARNING, at,
		              "ratio value should be between -1 and 1, got %s, capping to -1",
		              number_text(r.least, text));
	return 1;
}

static bool is_taken(double ratio, double place)
{
	if (ratio >= 0)
		return place < (ratio > 1 ? 1 : ratio);
	return place >= 1 + (ratio < -1 ? -1 : ratio);
}

static int take_by_hash(struct limit_node *l, const struct row *row, bool *any)
{
	double place = place_of(row->labels, &l->room);

	if (place < 0)
		return eval_no_memory(l->a.node.ev);
	for (uint32_t i = 0; i < l->a.node.steps.count; i++) {
		if (!is_taken(l->a.param[i], place))
			row->values[i] = promql_absent();
		*any = *any || !promql_is_absent(row->values[i]);
	}
	return 0;
}

static int take_first(struct limit_node *l, const struct row *row, bool *any)
{
	uint32_t steps = l->a.node.steps.count, known = l->a.grouping.groups.count, group;
	int code = grouping_find(&l->a.grouping, row->labels, &group);

	if (code == 0 && group == known) {
		size_t wanted = ((size_t)known + 1) * steps;
		code = eval_grow(l->a.node.ev, (void **)&l->counts, &l->cap, wanted, sizeof *l->counts);
		if (code == 0)
			memset(l->counts + (size_t)known * steps, 0, steps * sizeof *l->counts);
	}
	if (code != 0)
		return code;
	uint32_t *counts = l->counts + (size_t)group * steps;
	for (uint32_t i = 0; i < steps; i++) {
		if (promql_is_absent(row->values[i]))
			continue;
		if (counts[i] == aggregate_k(l->a.param[i])) {
			row->values[i] = promql_absent();
			continue;
		}
		counts[i]++;
		*any = true;
	}
	return 0;
}

static int limit_next(struct node *n, struct row *out)
{
	struct limit_node *l = (struct limit_node *)n;
	bool any = false;
	int code = 1;

	if (!l->a.begun) {
		l->a.begun = true;
		code = l->ratio ? check_ratio(l) : aggregate_check_k(&l->a);
		l->none = code <= 0;
	}
	while (code > 0 && !l->none) {
		code = node_next(l->a.of, out);
		if (code <= 0)
			break;
		code = l->ratio ? take_by_hash(l, out, &any) : take_first(l, out, &any);
		if (code == 0)
			code = eval_spend(n->ev, n->steps.count);
		if (code != 0)
			return code;
		if (any)
			return 1;
		code = 1;
	}
	return code < 0 ? code : 0;
}

static void limit_close(struct node *n)
{
	struct limit_node *l = (struct limit_node *)n;

	eval_release(n->ev, l->counts, l->cap * sizeof *l->counts);
	buf_free(&l->room);
	aggregate_deinit(&l->a);
}

struct node *plan_limit(struct eval *ev, const struct promql_expr *e, const struct steps *steps)
{
	static const struct node_ops ops = {limit_next, limit_close};
	struct limit_node *l = aggregate_new(ev, e, steps, sizeof *l, &ops, slice_new(NULL, 0));

	if (l == NULL)
		return NULL;
	l->ratio = e->aggregate.op == PROMQL_LIMIT_RATIO;
	l->a.node.one_name = l->a.of->one_name;
	return &l->a.node;
}

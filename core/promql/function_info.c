/* info: series get the labels of info series that stand for the same target: those that have the same `instance` and `job`, at each step the one of each metric's name that was sampled last.
 *
 * The second argument is no vector but a selector of info series; what labels its matchers name are those that are given. */
#include <errno.h>

#include "promql/function.h"
#include "promql/info.h"
#include "promql/plan.h"
#include "record/labels.h"

/* The number of a target of an info metric with the row's instance and job, or LABEL_INDEX_NONE. */
static int find_target(struct info *n, uint32_t name, struct slice labels, uint32_t *target)
{
	if (labels_only(labels, info_identifying, INFO_IDENTIFYING, &n->labels) != 0)
		return eval_fail(n->node.ev, -ENOMEM, "no memory for labels");
	struct slice value = labels_get(label_index_labels(&n->names, name), LABEL_METRIC_NAME);
	if (labels_with(buf_slice(&n->labels), LABEL_METRIC_NAME, value, &n->scratch) != 0)
		return eval_fail(n->node.ev, -ENOMEM, "no memory for labels");
	*target = label_index_find(&n->targets, buf_slice(&n->scratch));
	return 0;
}

/* Which info series the row takes at each step, of each name. */
static int pick_series(struct info *n, const struct row *row)
{
	uint32_t steps = n->node.steps.count, names = n->names.count;

	memset(n->picks, 0xff, (size_t)steps * names * sizeof *n->picks);
	for (uint32_t name = 0; name < names; name++) {
		uint32_t target = LABEL_INDEX_NONE;
		int code = find_target(n, name, row->labels, &target);
		if (code != 0)
			return code;
		uint32_t k = target == LABEL_INDEX_NONE ? LABEL_INDEX_NONE : n->first[target];
		for (; k != LABEL_INDEX_NONE; k = n->series[k].next) {
			for (uint32_t i = 0; i < steps; i++) {
				if (n->series[k].times_ms[i] != INT64_MIN)
					n->picks[(size_t)i * names + name] = k;
			}
		}
	}
	return 0;
}

/* Is the label one of those that are asked for? Where no matcher but of the name names any, all are. */
static bool is_asked_for(const struct info *n, struct slice name)
{
	for (uint32_t i = n->name_count; i < n->matcher_count; i++) {
		if (slice_eq(n->matchers[i]->name, name))
			return true;
	}
	return n->matcher_count == n->name_count;
}

static bool has_label(struct slice labels, struct slice name)
{
	return labels_get(labels, name).len > 0;
}

/* Adds what an info series says to the set in n->labels, which began as the row's. */
static int add_labels(struct info *n, struct slice of_row, struct slice labels)
{
	struct slice rest = labels;
	for (struct label l; labels_next(&rest, &l);) {
		if (slice_eq(l.name, LABEL_METRIC_NAME) || !is_asked_for(n, l.name) || has_label(of_row, l.name))
			continue;
		struct slice other = labels_get(buf_slice(&n->labels), l.name);
		if (other.len > 0 && !slice_eq(other, l.value))
			return eval_fail(n->node.ev, -EINVAL, "conflicting label: %.*s", SLICE_ARG(l.name));
		int code = labels_with(buf_slice(&n->labels), l.name, l.value, &n->scratch);
		if (code != 0)
			return labels_fail(n->node.ev, code);
		struct buf swap = n->labels;
		n->labels = n->scratch;
		n->scratch = swap;
	}
	return 0;
}

/* The labels with these series. 1; 0: there is no series, and a matcher wants one; or negative. */
static int enrich(struct info *n, struct slice of_row, const uint32_t *picks)
{
	bool any = false;
	buf_reset(&n->labels);
	buf_slice_append(&n->labels, of_row);
	if (buf_failed(&n->labels))
		return eval_fail(n->node.ev, -ENOMEM, "no memory for labels");
	for (uint32_t name = 0; name < n->names.count; name++) {
		if (picks[name] == LABEL_INDEX_NONE)
			continue;
		any = true;
		int code = add_labels(n, of_row, n->series[picks[name]].labels);
		if (code != 0)
			return code;
	}
	for (uint32_t i = n->name_count; i < n->matcher_count && !any; i++) {
		if (!n->matchers[i]->matches_empty)
			return 0;
	}
	return 1;
}

/* The next steps of the row that take the same series, as a row of its own. 1; 0: there are none left; or negative. */
static int next_piece(struct info *n, const struct row *row, struct row *out)
{
	uint32_t steps = n->node.steps.count, names = n->names.count;

	for (uint32_t i = 0; i < steps; i++) {
		const uint32_t *picks = n->picks + (size_t)i * names;
		if (n->given[i] || promql_is_absent(row->values[i]))
			continue;
		for (uint32_t k = 0; k < steps; k++) {
			bool same =
			    memcmp(picks, n->picks + (size_t)k * names, names * sizeof *picks) == 0 && !n->given[k];
			n->out[k] = same ? row->values[k] : promql_absent();
			n->given[k] = n->given[k] || same;
		}
		int code = eval_work(n->node.ev, steps);
		if (code != 0)
			return code;
		code = enrich(n, row->labels, picks);
		if (code == 0)
			continue;
		*out = (struct row){.labels = buf_slice(&n->labels), .values = n->out};
		return code;
	}
	return 0;
}

static int begin(struct info *n)
{
	uint32_t steps = n->node.steps.count;
	struct eval *ev = n->node.ev;

	n->given = eval_alloc(ev, steps * sizeof *n->given);
	n->out = n->given == NULL ? NULL : eval_values(ev, &n->node.steps);
	if (n->out == NULL)
		return ev->err->code;
	int code = info_select(n);
	if (code != 0)
		return code;
	size_t picks = (size_t)steps * n->names.count + 1;
	n->picks = eval_alloc(ev, picks * sizeof *n->picks);
	return n->picks == NULL ? ev->err->code : 0;
}

/* The next row of what a row of the base becomes. 1; 0: there are none left; or negative. */
static int next_of_row(struct info *n, const struct row *row, struct row *out)
{
	if (!n->picked) {
		int code = eval_spend(n->node.ev, n->node.steps.count);
		if (code == 0)
			code = info_is_name(n, row->labels);
		if (code < 0)
			return code;
		if (code == 1) { /* an info series itself stays as it is */
			*out = (struct row){.labels = row->labels, .values = row->values};
			n->row++;
			return 1;
		}
		memset(n->given, 0, n->node.steps.count * sizeof *n->given);
		code = pick_series(n, row);
		if (code != 0)
			return code;
		n->picked = true;
	}
	return next_piece(n, row, out);
}

static int next_info(struct node *node, struct row *out)
{
	struct info *n = (struct info *)node;
	int code = n->begun ? 0 : begin(n);

	n->begun = true;
	while (code == 0 && n->row < n->base.count) {
		code = next_of_row(n, &n->base.items[n->row], out);
		if (code == 0) {
			n->row++;
			n->picked = false;
		}
	}
	return code;
}

static void close_info(struct node *node)
{
	struct info *n = (struct info *)node;
	promql_matchers_free(n->matchers, n->matcher_count);
	label_index_deinit(&n->instances);
	label_index_deinit(&n->jobs);
	label_index_deinit(&n->names);
	label_index_deinit(&n->targets);
	eval_release(node->ev, n->series, n->cap * sizeof *n->series);
	rows_deinit(&n->base);
	buf_free(&n->labels);
	buf_free(&n->scratch);
}

static const struct node_ops info_ops = {next_info, close_info};

struct node *plan_info(struct eval *ev, const struct promql_expr *call, const struct steps *steps)
{
	struct info *n = eval_alloc(ev, sizeof *n);
	struct node *base = n == NULL ? NULL : eval_plan(ev, call->call.args[0], steps);
	if (base == NULL)
		return NULL;
	*n = (struct info){.node = {&info_ops, ev, call, *steps, false}};
	label_index_init(&n->instances, ev);
	label_index_init(&n->jobs, ev);
	label_index_init(&n->names, ev);
	label_index_init(&n->targets, ev);
	rows_init(&n->base, ev);
	bool one_name = base->one_name;
	int code = rows_collect(&n->base, base);
	if (code == 0)
		code = info_matchers(n);
	if (code != 0) {
		close_info(&n->node);
		return NULL;
	}
	struct node *distinct = plan_distinct_always(&n->node, false);
	if (distinct != NULL)
		distinct->one_name = one_name;
	return distinct;
}

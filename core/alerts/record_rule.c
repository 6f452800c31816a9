/* Recording rules: each series of the result under the rule's name, with the rule's labels. */
#include <errno.h>

#include "alerts/internal.h"

static void rule_labels(const struct evaluation *e, struct label_changes *c)
{
	const struct rule *rule = e->state->rule;
	const struct rule_group *group = e->state->group;

	label_changes_set(c, LABEL_METRIC_NAME, rule->name);
	for (uint32_t i = 0; i < group->label_count; i++)
		label_changes_set(c, group->labels[i].name, group->labels[i].text);
	for (uint32_t i = 0; i < rule->label_count; i++)
		label_changes_set(c, rule->labels[i].name, rule->labels[i].text);
}

/* Labels of all series, before anything is written: two that are the same fail the rule whole. */
static int make_labels(struct evaluation *e, const struct promql_result *r, struct slice *labels)
{
	struct label_changes changes = {.count = 0};
	struct series_set seen = {0};
	int code = 0;

	rule_labels(e, &changes);
	for (uint32_t i = 0; i < r->series_count && code == 0; i++) {
		code = evaluation_labels(e, r->series[i].labels, &changes, &labels[i]);
		if (code == 0)
			code = series_set_add(&seen, labels[i]);
		if (code == 0)
			code = error_set(e->err, -EINVAL,
			                 "vector contains metrics with the same labelset after applying rule labels");
		else if (code == 1)
			code = 0;
	}
	series_set_deinit(&seen);
	return code;
}

int rule_evaluate_record(struct evaluation *e)
{
	struct promql_result r;
	int64_t limit = e->state->group->limit;

	int code = evaluation_query(e, &r);
	if (code != 0)
		return code;
	struct slice *labels = arena_alloc(&e->arena, r.series_count * sizeof *labels + 1);
	code = labels == NULL ? -ENOMEM : make_labels(e, &r, labels);
	if (code == 0 && limit > 0 && r.series_count > limit)
		code = error_set(e->err, -EINVAL, "exceeded limit of %lld with %u series", (long long)limit,
		                 r.series_count);
	for (uint32_t i = 0; i < r.series_count && code == 0; i++)
		code = evaluation_append(e, labels[i], r.series[i].values[0]);
	promql_result_free(&r);
	return code;
}

/* label_replace, label_join: rows get a label that is made of their others. */
#include <errno.h>

#include "base/regex.h"
#include "base/utf8.h"
#include "promql/function.h"
#include "promql/plan.h"
#include "record/labels.h"

struct relabel {
	struct node node;
	struct node *of;
	struct slice target;
	struct slice text; /* label_replace: the template; label_join: what stands between the values */
	struct slice source;
	struct regex *regex;        /* NULL: label_join */
	const struct slice *joined; /* names */
	uint32_t joined_count;
	struct buf value, labels;
};

/* ---- rows ---- */

/* 1: the target gets r->value; 0: the row stays as it is. */
static int replaced_value(struct relabel *r, struct slice labels)
{
	struct slice groups[REGEX_GROUPS_MAX + 1];
	struct slice source = labels_get(labels, r->source);
	uint32_t count = regex_group_count(r->regex) + 1;

	if (source.ptr == NULL)
		source = SLICE("");
	if (count > REGEX_GROUPS_MAX + 1)
		count = REGEX_GROUPS_MAX + 1;
	int matches = regex_match_groups(r->regex, source, groups, count);
	if (matches == 1)
		regex_expand(r->regex, r->text, groups, count, LABEL_VALUE_BYTES_MAX, &r->value);
	return matches;
}

static void joined_value(struct relabel *r, struct slice labels)
{
	for (uint32_t i = 0; i < r->joined_count && r->value.len <= LABEL_VALUE_BYTES_MAX; i++) {
		if (i > 0)
			buf_slice_append(&r->value, r->text);
		buf_slice_append(&r->value, labels_get(labels, r->joined[i]));
	}
}

static int relabel(struct relabel *r, struct row *row)
{
	struct eval *ev = r->node.ev;
	int changes = 1;

	buf_reset(&r->value);
	if (r->regex != NULL)
		changes = replaced_value(r, row->labels);
	else
		joined_value(r, row->labels);
	if (changes < 0 || buf_failed(&r->value))
		return eval_fail(ev, -ENOMEM, "no memory for a label");
	if (changes == 0)
		return 1;
	int code = labels_with(row->labels, r->target, buf_slice(&r->value), &r->labels);
	if (code != 0)
		return labels_fail(ev, code);
	row->labels = buf_slice(&r->labels);
	/* A name that was given just now stays. */
	if (slice_eq(r->target, LABEL_METRIC_NAME))
		row->drop_name = false;
	return 1;
}

static int next_relabelled(struct node *n, struct row *out)
{
	struct relabel *r = (struct relabel *)n;
	int code = node_next(r->of, out);
	return code == 1 ? relabel(r, out) : code;
}

static void close_relabel(struct node *n)
{
	struct relabel *r = (struct relabel *)n;
	node_close(r->of);
	regex_free(r->regex);
	buf_free(&r->value);
	buf_free(&r->labels);
}

static const struct node_ops relabel_ops = {next_relabelled, close_relabel};

/* ---- plans ---- */

static bool is_label_name(struct slice name)
{
	return name.len > 0 && utf8_valid(name, NULL);
}

static struct relabel *relabel_new(struct eval *ev, const struct promql_expr *call, const struct steps *steps)
{
	struct relabel *r = eval_alloc(ev, sizeof *r);
	if (r == NULL)
		return NULL;
	*r = (struct relabel){.node = {&relabel_ops, ev, call, *steps, false},
	                      .target = eval_text(call->call.args[1]),
	                      .text = eval_text(call->call.args[2])};
	return r;
}

/* Rows that the label has made the same are one. */
static struct node *plan_relabelled(struct relabel *r)
{
	const struct promql_expr *call = r->node.expr;
	struct eval *ev = r->node.ev;

	r->of = eval_plan(ev, call->call.args[0], &r->node.steps);
	if (r->of == NULL) {
		close_relabel(&r->node);
		return NULL;
	}
	bool one_name = r->of->one_name && !slice_eq(r->target, LABEL_METRIC_NAME);
	struct node *n = plan_distinct_always(&r->node, false);
	if (n != NULL)
		n->one_name = one_name;
	return n;
}

struct node *plan_label_replace(struct eval *ev, const struct promql_expr *call, const struct steps *steps)
{
	struct slice pattern = eval_text(call->call.args[4]);
	struct relabel *r = relabel_new(ev, call, steps);
	struct error err = {0};

	if (r == NULL)
		return NULL;
	r->source = eval_text(call->call.args[3]);
	r->regex = regex_new(pattern, REGEX_MATCH, &err);
	if (r->regex == NULL && err.code == -EINVAL)
		eval_fail(ev, -EINVAL, "invalid regular expression in label_replace(): %.*s", SLICE_ARG(pattern));
	else if (r->regex == NULL)
		eval_fail(ev, err.code == -ENOMEM ? -ENOMEM : -EINVAL, "%s", err.text);
	else if (!is_label_name(r->target))
		eval_fail(ev, -EINVAL, "invalid destination label name in label_replace(): %.*s", SLICE_ARG(r->target));
	else
		return plan_relabelled(r);
	close_relabel(&r->node);
	return NULL;
}

struct node *plan_label_join(struct eval *ev, const struct promql_expr *call, const struct steps *steps)
{
	uint32_t count = call->call.arg_count - 3;
	struct slice *names = eval_alloc(ev, (count + 1) * sizeof *names);
	struct relabel *r = names == NULL ? NULL : relabel_new(ev, call, steps);

	if (r == NULL)
		return NULL;
	for (uint32_t i = 0; i < count; i++) {
		names[i] = eval_text(call->call.args[3 + i]);
		if (!is_label_name(names[i])) {
			eval_fail(ev, -EINVAL, "invalid source label name in label_join(): %.*s", SLICE_ARG(names[i]));
			return NULL;
		}
	}
	r->joined = names;
	r->joined_count = count;
	if (!is_label_name(r->target)) {
		eval_fail(ev, -EINVAL, "invalid destination label name in label_join(): %.*s", SLICE_ARG(r->target));
		return NULL;
	}
	return plan_relabelled(r);
}

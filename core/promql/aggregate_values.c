/* count_values: a group for each value, which becomes the value of a label. */
#include <errno.h>

#include "base/utf8.h"
#include "promql/aggregate.h"
#include "promql/quote.h"
#include "record/labels.h"

struct values_node {
	struct aggregate a;
	struct slice label; /* that the values become values of */
	struct buf text, labels;
	double *counts; /* by group and step; 0: no value */
	size_t cap;
	uint32_t next; /* group to give out */
};

/* Digits without an exponent, however many: as Go's FormatFloat(v, 'f', -1, 64) has them. */
static void plain_number(double v, struct buf *out)
{
	struct buf short_form = {0};
	buf_number(&short_form, v);
	const char *at = short_form.ptr, *end = at + short_form.len, *e = NULL;
	if (buf_failed(&short_form))
		out->failed = true;
	else
		e = memchr(at, 'e', short_form.len);
	if (e == NULL) {
		buf_slice_append(out, buf_slice(&short_form));
		buf_free(&short_form);
		return;
	}
	int power = 0; /* digits behind the first one, or zeros before it */
	for (const char *p = e + 2; p < end; p++)
		power = power * 10 + (*p - '0');
	if (*at == '-')
		buf_byte(out, *at++);
	if (e[1] == '-')
		buf_str(out, "0.");
	for (int i = 1; e[1] == '-' && i < power; i++)
		buf_byte(out, '0');
	for (const char *p = at; p < e; p++) {
		if (*p != '.')
			buf_byte(out, *p);
	}
	/* From 1e21 on there are more places than the 17 digits that a number may have. */
	int behind = e - at > 1 ? (int)(e - at) - 2 : 0;
	for (int i = behind; e[1] == '+' && i < power; i++)
		buf_byte(out, '0');
	buf_free(&short_form);
}

static int find_group(struct values_node *v, struct slice labels, double value, uint32_t *group)
{
	struct eval *ev = v->a.node.ev;
	uint32_t steps = v->a.node.steps.count, known = v->a.grouping.groups.count;

	buf_reset(&v->text);
	plain_number(value, &v->text);
	int code = buf_failed(&v->text) ? -ENOMEM : labels_with(labels, v->label, buf_slice(&v->text), &v->labels);
	if (code != 0)
		return labels_fail(ev, code);
	code = grouping_find(&v->a.grouping, buf_slice(&v->labels), group);
	if (code != 0 || *group < known)
		return code;
	code = eval_grow(ev, (void **)&v->counts, &v->cap, ((size_t)known + 1) * steps, sizeof *v->counts);
	if (code == 0)
		memset(v->counts + (size_t)known * steps, 0, steps * sizeof *v->counts);
	return code;
}

static uint64_t bits_of(double v)
{
	uint64_t bits;
	memcpy(&bits, &v, sizeof bits);
	return bits;
}

static int count_row(struct values_node *v, const struct row *row)
{
	uint32_t steps = v->a.node.steps.count, group = LABEL_INDEX_NONE;
	uint64_t before = 0; /* the value that `group` is of */

	for (uint32_t i = 0; i < steps; i++) {
		if (promql_is_absent(row->values[i]))
			continue;
		if (group == LABEL_INDEX_NONE || bits_of(row->values[i]) != before) {
			int code = find_group(v, row->labels, row->values[i], &group);
			if (code != 0)
				return code;
			before = bits_of(row->values[i]);
		}
		v->counts[(size_t)group * steps + i] += 1;
	}
	return 0;
}

static int take_rows(struct values_node *v)
{
	struct row row;
	int code;

	while ((code = node_next(v->a.of, &row)) > 0) {
		code = count_row(v, &row);
		if (code != 0)
			return code;
	}
	node_close(v->a.of);
	v->a.of = NULL;
	return code;
}

static int values_next(struct node *n, struct row *out)
{
	struct values_node *v = (struct values_node *)n;

	if (!v->a.begun) {
		v->a.begun = true;
		int code = take_rows(v);
		if (code != 0)
			return code;
	}
	if (v->next == v->a.grouping.groups.count)
		return 0;
	uint32_t group = v->next++;
	*out = (struct row){grouping_labels(&v->a.grouping, group), false, v->counts + (size_t)group * n->steps.count};
	for (uint32_t i = 0; i < n->steps.count; i++)
		out->values[i] = out->values[i] == 0 ? promql_absent() : out->values[i];
	int code = eval_spend(n->ev, n->steps.count);
	return code != 0 ? code : 1;
}

static void values_close(struct node *n)
{
	struct values_node *v = (struct values_node *)n;

	eval_release(n->ev, v->counts, v->cap * sizeof *v->counts);
	buf_free(&v->text);
	buf_free(&v->labels);
	aggregate_deinit(&v->a);
}

struct node *plan_count_values(struct eval *ev, const struct promql_expr *e, const struct steps *steps)
{
	static const struct node_ops ops = {values_next, values_close};
	struct slice label = eval_text(e->aggregate.param);

	if (label.len == 0 || !utf8_valid(label, NULL)) {
		eval_fail(ev, -EINVAL, "invalid label name %s", quoted(label, UINT32_MAX, &ev->arena));
		return NULL;
	}
	if (label.len > LABEL_NAME_BYTES_MAX) {
		eval_fail(ev, -EINVAL, "a label name has at most %d bytes, that of count_values has %zu",
		          LABEL_NAME_BYTES_MAX, label.len);
		return NULL;
	}
	struct values_node *v = aggregate_new(ev, e, steps, sizeof *v, &ops, label);
	if (v == NULL)
		return NULL;
	v->label = label;
	return &v->a.node;
}

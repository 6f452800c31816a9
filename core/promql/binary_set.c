/* and, or, unless.
 *
 * What they ask of the other side is only whether a signature has a value at a step. So `and` and `unless` keep of their right side that alone, and let their left side pass; `or` keeps the rows of both, since a series may be on both sides, each
 * time where the other lacks it, and is one series in the result. */
#include <errno.h>

#include "promql/binary.h"
#include "promql/grouping.h"

struct set_node {
	struct node node;
	struct node *left, *right;
	struct grouping signatures;
	bool *present; /* by signature and step: has the side that is read first a value? */
	size_t cap;
	uint32_t noted;   /* signatures of that side; they have the lowest numbers */
	struct rows rows; /* of `or`: the result */
	struct label_index labels;
	uint32_t next;
	bool begun;
};

/* Notes the steps at which a row has a value, and whether there are any. */
static int note_row(struct set_node *s, const struct row *row, bool *any)
{
	uint32_t steps = s->node.steps.count, signature;
	int code = grouping_find(&s->signatures, row->labels, &signature);

	if (code == 0 && signature == s->noted) {
		size_t wanted = ((size_t)s->noted + 1) * steps;
		code = eval_grow(s->node.ev, (void **)&s->present, &s->cap, wanted, sizeof *s->present);
		if (code == 0)
			memset(s->present + (size_t)s->noted++ * steps, 0, steps * sizeof *s->present);
	}
	if (code != 0)
		return code;
	bool *present = s->present + (size_t)signature * steps;
	*any = false;
	for (uint32_t i = 0; i < steps; i++) {
		bool here = !promql_is_absent(row->values[i]);
		present[i] = present[i] || here;
		*any = *any || here;
	}
	return 0;
}

/* Leaves a row only its values at the steps at which its signature has a value on the other side, or only all others, and says whether there are any. */
static int mask_row(struct set_node *s, struct row *row, bool where_present, bool *any)
{
	uint32_t steps = s->node.steps.count, signature;
	int code = grouping_find(&s->signatures, row->labels, &signature);

	if (code != 0)
		return code;
	const bool *present = signature < s->noted ? s->present + (size_t)signature * steps : NULL;
	*any = false;
	for (uint32_t i = 0; i < steps; i++) {
		if ((present != NULL && present[i]) != where_present)
			row->values[i] = promql_absent();
		*any = *any || !promql_is_absent(row->values[i]);
	}
	return 0;
}

/* ---- and, unless ---- */

static int note_right(struct set_node *s)
{
	struct row row;
	bool any;
	int code;

	while ((code = node_next(s->right, &row)) > 0) {
		code = note_row(s, &row, &any);
		if (code != 0)
			return code;
	}
	node_close(s->right);
	s->right = NULL;
	return code;
}

/* The right side is read first, but where both fail it is the left one that fails. */
static int fail_in_order(struct set_node *s, int code)
{
	struct error *err = s->node.ev->err, right = *err;
	struct row row;
	int left;

	if (code != -EINVAL)
		return code;
	err->code = 0;
	while ((left = node_next(s->left, &row)) > 0)
		continue;
	if (left == 0)
		*err = right;
	return left == 0 ? code : left;
}

static int masked_next(struct node *n, struct row *out)
{
	struct set_node *s = (struct set_node *)n;
	bool any = false;
	int code = s->begun ? 0 : note_right(s);

	if (code != 0)
		return fail_in_order(s, code);
	s->begun = true;
	while (code == 0 && !any) {
		code = node_next(s->left, out);
		if (code <= 0)
			return code;
		code = mask_row(s, out, n->expr->binary.op == PROMQL_AND, &any);
		if (code == 0)
			code = eval_spend(n->ev, n->steps.count);
	}
	return code != 0 ? code : 1;
}

/* ---- or ---- */

/* Adds a row to the result, or its values to the series that it is there already: those have no step in common. */
static int join_row(struct set_node *s, const struct row *row)
{
	uint32_t steps = s->node.steps.count, known = s->labels.count, number;
	int code = label_index_add(&s->labels, row->labels, &number);

	if (code != 0)
		return code;
	if (number == known)
		return rows_add(&s->rows, row, steps) == NULL ? s->node.ev->err->code : 0;
	double *values = s->rows.items[number].values;
	for (uint32_t i = 0; i < steps; i++)
		values[i] = promql_is_absent(values[i]) ? row->values[i] : values[i];
	return 0;
}

static int take_side(struct set_node *s, struct node **side, bool first)
{
	struct row row;
	bool any = false;
	int code;

	while ((code = node_next(*side, &row)) > 0) {
		code = first ? note_row(s, &row, &any) : mask_row(s, &row, false, &any);
		if (code == 0 && any)
			code = join_row(s, &row);
		if (code != 0)
			return code;
	}
	node_close(*side);
	*side = NULL;
	return code;
}

static int joined_next(struct node *n, struct row *out)
{
	struct set_node *s = (struct set_node *)n;
	int code = 0;

	if (!s->begun)
		code = take_side(s, &s->left, true);
	if (code == 0 && !s->begun)
		code = take_side(s, &s->right, false);
	s->begun = true;
	if (code != 0 || s->next == s->rows.count)
		return code;
	*out = s->rows.items[s->next++];
	code = eval_spend(n->ev, n->steps.count);
	return code != 0 ? code : 1;
}

/* ---- both ---- */

static void set_close(struct node *n)
{
	struct set_node *s = (struct set_node *)n;

	node_close(s->left);
	node_close(s->right);
	eval_release(n->ev, s->present, s->cap * sizeof *s->present);
	grouping_deinit(&s->signatures);
	label_index_deinit(&s->labels);
	rows_deinit(&s->rows);
}

struct node *plan_set(struct eval *ev, const struct promql_expr *e, const struct steps *steps)
{
	static const struct node_ops masked = {masked_next, set_close}, joined = {joined_next, set_close};
	const struct promql_matching *m = e->binary.matching;
	bool joins = e->binary.op == PROMQL_OR;
	struct set_node *s = eval_alloc(ev, sizeof *s);

	if (s == NULL)
		return NULL;
	*s = (struct set_node){.node = {joins ? &joined : &masked, ev, e, *steps, false}};
	grouping_init(&s->signatures, ev);
	label_index_init(&s->labels, ev);
	rows_init(&s->rows, ev);
	if (grouping_set(&s->signatures, m->labels, m->label_count, !m->on, slice_new(NULL, 0)) != 0 ||
	    (s->left = eval_plan(ev, e->binary.left, steps)) == NULL ||
	    (s->right = eval_plan(ev, e->binary.right, steps)) == NULL) {
		set_close(&s->node);
		return NULL;
	}
	s->node.one_name = !joins && s->left->one_name;
	return &s->node;
}

/* sum, avg, count, group, min, max, stddev, stdvar: rows are added to their groups as they come, and let go. */
#include "promql/aggregate.h"
#include "promql/fold.h"

struct fold_group {
	bool whole;     /* it has a value at every step */
	bool drop_name; /* of any row */
};

struct fold_node {
	struct aggregate a;
	const struct fold *fold;
	size_t
	    group_size; /* numbers of a group: those of the fold, and for each step whether there is a value, 1 or 0 */
	double *cells;
	size_t cells_cap;
	struct fold_group *groups;
	size_t groups_cap;
	uint32_t next; /* group to give out */
};

static int begin_group(struct fold_node *f, uint32_t group)
{
	struct eval *ev = f->a.node.ev;
	uint32_t steps = f->a.node.steps.count;
	size_t wanted = ((size_t)group + 1) * f->group_size;
	int code = eval_grow(ev, (void **)&f->cells, &f->cells_cap, wanted, sizeof *f->cells);
	if (code == 0)
		code = eval_grow(ev, (void **)&f->groups, &f->groups_cap, (size_t)group + 1, sizeof *f->groups);
	if (code != 0)
		return code;
	double *cells = f->cells + group * f->group_size;
	f->fold->begin(cells, steps);
	memset(cells + (size_t)f->fold->width * steps, 0, steps * sizeof *cells);
	f->groups[group] = (struct fold_group){0};
	return 0;
}

/* The end of the run of steps with a value that begins at `from`. */
static inline uint32_t run_end(const double *values, uint32_t from, uint32_t steps)
{
	while (from < steps && !promql_is_absent(values[from]))
		from++;
	return from;
}

static void add_values(struct fold_node *f, uint32_t group, const double *values)
{
	uint32_t steps = f->a.node.steps.count, to = run_end(values, 0, steps);
	double *cells = f->cells + group * f->group_size, *seen = cells + (size_t)f->fold->width * steps;

	if (to == steps)
		f->groups[group].whole = true;
	for (uint32_t from = 0; from < steps; to = run_end(values, from, steps)) {
		if (to > from)
			f->fold->add(cells, steps, values, from, to);
		for (uint32_t i = from; i < to && !f->groups[group].whole; i++)
			seen[i] = 1;
		from = to + 1;
	}
}

static int take_rows(struct fold_node *f)
{
	struct row row;
	uint32_t group, known = 0;
	int code;

	while ((code = node_next(f->a.of, &row)) > 0) {
		code = grouping_find(&f->a.grouping, row.labels, &group);
		if (code == 0 && group == known) {
			code = begin_group(f, group);
			known++;
		}
		if (code != 0)
			return code;
		add_values(f, group, row.values);
		f->groups[group].drop_name = f->groups[group].drop_name || row.drop_name;
	}
	node_close(f->a.of);
	f->a.of = NULL;
	return code;
}

/* The values of a group, and whether there are any. */
static bool finish_group(struct fold_node *f, uint32_t group)
{
	uint32_t steps = f->a.node.steps.count;
	double *cells = f->cells + group * f->group_size, *seen = cells + (size_t)f->fold->width * steps;
	bool any = f->groups[group].whole;

	f->fold->finish(cells, steps);
	for (uint32_t i = 0; i < steps && !f->groups[group].whole; i++) {
		any = any || seen[i] != 0;
		if (seen[i] == 0)
			cells[i] = promql_absent();
	}
	return any;
}

static int fold_next(struct node *n, struct row *out)
{
	struct fold_node *f = (struct fold_node *)n;
	int code = 0;

	if (!f->a.begun)
		code = take_rows(f);
	f->a.begun = true;
	while (code == 0 && f->next < f->a.grouping.groups.count) {
		uint32_t group = f->next++;
		if (!finish_group(f, group))
			continue;
		*out = (struct row){grouping_labels(&f->a.grouping, group), f->groups[group].drop_name,
		                    f->cells + group * f->group_size};
		code = eval_spend(n->ev, n->steps.count);
		return code != 0 ? code : 1;
	}
	return code;
}

static void fold_close(struct node *n)
{
	struct fold_node *f = (struct fold_node *)n;

	eval_release(n->ev, f->cells, f->cells_cap * sizeof *f->cells);
	eval_release(n->ev, f->groups, f->groups_cap * sizeof *f->groups);
	aggregate_deinit(&f->a);
}

struct node *plan_fold(struct eval *ev, const struct promql_expr *e, const struct steps *steps)
{
	static const struct node_ops ops = {fold_next, fold_close};
	struct fold_node *f = aggregate_new(ev, e, steps, sizeof *f, &ops, slice_new(NULL, 0));

	if (f == NULL)
		return NULL;
	f->fold = fold_of(e->aggregate.op);
	f->group_size = ((size_t)f->fold->width + 1) * steps->count;
	return &f->a.node;
}

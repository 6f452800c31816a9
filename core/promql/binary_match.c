/* Operators between the series of two vectors.
 *
 * Prometheus matches step by step: at one step a series may be absent, and another one is the partner of what it was matched with before; two that would both do are an error only at a step at which both have a value. Here rows are matched,
 * each for all steps. The series of one side that agree in the labels that are matched by are a bucket; a row of the many side (one to one: of the left) and one of the other side of the same bucket are a pair, which has a value where both have.
 * Pairs whose results have the same labels are one series. Mostly buckets have one row on each side, and series one pair: that is one pass over two arrays.
 *
 * Whatever breaks a rule is known before the first row goes out (binary_conflict.c). */

#include "promql/match.h"
#include "record/labels.h"

/* ---- the labels of a result ---- */

/* Puts m->text aside, which is to be made again of what it was. */
static struct slice again(struct match *m)
{
	struct buf before = m->text;
	m->text = m->spare;
	m->spare = before;
	return buf_slice(&m->spare);
}

/* Of a pair: the labels of the many side, less what the operation changes, and what group_left or group_right takes of the other side. In m->text. */
static int result_labels(struct match *m, struct slice many, struct slice one)
{
	const struct promql_matching *how = m->how;
	const struct grouping *g = &m->signatures;
	int code = m->changes ? labels_unnamed(many, &m->text) : labels_except(many, NULL, 0, false, &m->text);

	if (code == 0 && how->card == PROMQL_ONE_TO_ONE) {
		struct slice from = again(m);
		code = how->on ? labels_only(from, g->names, g->count, &m->text)
		               : labels_except(from, g->names, g->count, false, &m->text);
	}
	for (uint32_t i = 0; code == 0 && i < how->include_count; i++) {
		struct slice from = again(m), name = how->include[i];
		code = labels_with(from, name, labels_get(one, name), &m->text);
	}
	if (code == 0 && m->drops_at_end) {
		struct slice from = again(m);
		code = labels_unnamed(from, &m->text);
	}
	return code == 0 ? 0 : labels_fail(m->node.ev, code);
}

/* ---- buckets ---- */

static int find_buckets(struct match *m, struct side *s)
{
	size_t room = (size_t)s->rows.count + 1; /* never nothing */
	s->bucket = eval_alloc(m->node.ev, room * sizeof *s->bucket);
	s->next = eval_alloc(m->node.ev, room * sizeof *s->next);
	if (s->bucket == NULL || s->next == NULL)
		return m->node.ev->err->code;
	for (uint32_t r = 0; r < s->rows.count; r++) {
		int code = grouping_find(&m->signatures, s->rows.items[r].labels, &s->bucket[r]);
		if (code != 0)
			return code;
	}
	return 0;
}

/* When all signatures are known. */
static int fill_buckets(struct match *m, struct side *s)
{
	size_t size = ((size_t)m->signatures.groups.count + 1) * sizeof *s->first;

	s->first = eval_alloc(m->node.ev, size);
	if (s->first == NULL)
		return m->node.ev->err->code;
	memset(s->first, 0xff, size);
	for (uint32_t r = s->rows.count; r-- > 0;) {
		s->next[r] = s->first[s->bucket[r]];
		s->first[s->bucket[r]] = r;
	}
	return 0;
}

/* ---- pairs ---- */

static int add_pair(struct match *m, uint32_t many, uint32_t one, uint32_t bucket)
{
	struct eval *ev = m->node.ev;
	struct slice common = grouping_labels(&m->signatures, bucket);
	uint32_t known = m->labels.count, number = m->pair_count, result;
	int code = result_labels(m, many == MATCH_NONE ? common : m->many.rows.items[many].labels,
	                         one == MATCH_NONE ? common : m->one.rows.items[one].labels);
	if (code == 0)
		code = label_index_add(&m->labels, buf_slice(&m->text), &result);
	if (code == 0)
		code = eval_grow(ev, (void **)&m->pairs, &m->pairs_cap, (size_t)number + 1, sizeof *m->pairs);
	if (code == 0 && result == known)
		code = eval_grow(ev, (void **)&m->results, &m->results_cap, (size_t)known + 1, sizeof *m->results);
	if (code != 0)
		return code;
	m->pairs[m->pair_count++] = (struct pair){many, one, bucket, MATCH_NONE};
	if (result < known) {
		m->pairs[m->results[result].last].next = number;
		m->results[result].last = number;
		return 0;
	}
	/* Prometheus forgets here that the name of what was compared is to go: -x < y shows it, where names go at the end. */
	m->results[result] = (struct result){number, number};
	return 0;
}

static int pair_many(struct match *m, uint32_t many)
{
	uint32_t bucket = m->many.bucket[many], first = m->one.first[bucket];
	int code = 0;

	for (uint32_t one = first; code == 0 && one != MATCH_NONE; one = m->one.next[one])
		code = add_pair(m, many, one, bucket);
	/* Which labels group_left takes differs where there is no row, so that is a pair of its own; else match_operands fills the row. */
	if (code == 0 && m->how->fills_right && (first == MATCH_NONE || m->how->include_count > 0))
		code = add_pair(m, many, MATCH_NONE, bucket);
	return code == 0 ? eval_work(m->node.ev, m->node.steps.count) : code;
}

static int make_pairs(struct match *m)
{
	int code = 0;

	for (uint32_t r = 0; code == 0 && r < m->many.rows.count; r++)
		code = pair_many(m, r);
	for (uint32_t r = 0; code == 0 && m->how->fills_left && r < m->one.rows.count; r++) {
		uint32_t bucket = m->one.bucket[r];
		if (r == m->one.first[bucket] || m->how->include_count > 0)
			code = add_pair(m, MATCH_NONE, r, bucket);
	}
	return code;
}

static int match_rows(struct match *m)
{
	struct node *left = m->left, *right = m->right;
	m->left = m->right = NULL;
	int code = rows_collect(m->swapped ? &m->one.rows : &m->many.rows, left);

	if (code != 0)
		node_close(right);
	else
		code = rows_collect(m->swapped ? &m->many.rows : &m->one.rows, right);
	if (code == 0)
		code = find_buckets(m, &m->many);
	if (code == 0)
		code = find_buckets(m, &m->one);
	if (code == 0)
		code = fill_buckets(m, &m->many);
	if (code == 0)
		code = fill_buckets(m, &m->one);
	if (code == 0)
		code = match_check_one_side(m);
	if (code == 0)
		code = make_pairs(m);
	if (code == 0)
		code = match_check_pairs(m);
	return code == 0 ? match_fail(m) : code;
}

/* ---- values ---- */

/* `fill` at the steps at which no row of a bucket has a value. */
static const double *fill_gaps(const struct side *s, uint32_t bucket, double fill, double *out, uint32_t steps)
{
	for (uint32_t i = 0; i < steps; i++)
		out[i] = fill;
	for (uint32_t r = s->first[bucket]; r != MATCH_NONE; r = s->next[r]) {
		for (uint32_t i = 0; i < steps; i++)
			out[i] = promql_is_absent(s->rows.items[r].values[i]) ? out[i] : promql_absent();
	}
	return out;
}

/* The row, and `fill` where it has no value. */
static const double *fill_row(const double *values, double fill, double *out, uint32_t steps)
{
	for (uint32_t i = 0; i < steps; i++)
		out[i] = promql_is_absent(values[i]) ? fill : values[i];
	return out;
}

/* fill_right stands for what the one side lacks, fill_left for the many side, also where that is the right one (group_right): so does Prometheus. */
struct operands match_operands(struct match *m, const struct pair *p)
{
	const struct promql_matching *how = m->how;
	uint32_t steps = m->node.steps.count;
	const double *many, *one;

	if (p->many == MATCH_NONE)
		many = fill_gaps(&m->many, p->bucket, how->fill_left, m->filled_many, steps);
	else
		many = m->many.rows.items[p->many].values;
	if (p->one == MATCH_NONE)
		one = fill_gaps(&m->one, p->bucket, how->fill_right, m->filled_one, steps);
	else if (p->many != MATCH_NONE && how->fills_right && how->include_count == 0)
		one = fill_row(m->one.rows.items[p->one].values, how->fill_right, m->filled_one, steps);
	else
		one = m->one.rows.items[p->one].values;
	const double *left = m->swapped ? one : many;
	return (struct operands){left, m->swapped ? many : one, left};
}

static void give_pair(struct match *m, const struct pair *p, double *out)
{
	const struct promql_expr *e = m->node.expr;
	struct operands in = match_operands(m, p);
	promql_op_rows(e->binary.op, e->binary.returns_bool, &in, out, m->node.steps.count);
}

static int match_next(struct node *n, struct row *out)
{
	struct match *m = (struct match *)n;
	uint32_t steps = n->steps.count;

	if (!m->begun) {
		m->begun = true;
		int code = match_rows(m);
		if (code != 0)
			return code;
	}
	if (m->next == m->labels.count)
		return 0;
	const struct result *r = &m->results[m->next];
	give_pair(m, &m->pairs[r->first], m->out);
	for (uint32_t p = m->pairs[r->first].next; p != MATCH_NONE; p = m->pairs[p].next) {
		give_pair(m, &m->pairs[p], m->part);
		for (uint32_t i = 0; i < steps; i++)
			m->out[i] = promql_is_absent(m->out[i]) ? m->part[i] : m->out[i];
	}
	*out = (struct row){label_index_labels(&m->labels, m->next++), m->drops_delayed, m->out};
	int code = eval_spend(n->ev, steps);
	return code != 0 ? code : 1;
}

/* ---- the node ---- */

static void match_close(struct node *n)
{
	struct match *m = (struct match *)n;

	node_close(m->left);
	node_close(m->right);
	rows_deinit(&m->many.rows);
	rows_deinit(&m->one.rows);
	grouping_deinit(&m->signatures);
	label_index_deinit(&m->labels);
	eval_release(n->ev, m->pairs, m->pairs_cap * sizeof *m->pairs);
	eval_release(n->ev, m->results, m->results_cap * sizeof *m->results);
	buf_free(&m->text);
	buf_free(&m->spare);
}

static bool takes_name(const struct promql_matching *how)
{
	for (uint32_t i = 0; i < how->include_count; i++) {
		if (slice_eq(how->include[i], LABEL_METRIC_NAME))
			return true;
	}
	return false;
}

/* Results keep the names of the many side, or have none. */
static bool has_one_name(const struct match *m)
{
	if (m->drops_at_end || (m->changes && !takes_name(m->how)))
		return true;
	const struct node *many = m->swapped ? m->right : m->left;
	return !m->changes && many->one_name && !takes_name(m->how) && !m->how->fills_left;
}

static int prepare(struct match *m, const struct promql_expr *e, const struct steps *steps)
{
	struct eval *ev = m->node.ev;
	double **arrays[] = {&m->filled_many, &m->filled_one, &m->part, &m->out};
	int code = grouping_set(&m->signatures, m->how->labels, m->how->label_count, !m->how->on, slice_new(NULL, 0));

	for (int i = 0; code == 0 && i < 4; i++) {
		*arrays[i] = eval_values(ev, steps);
		if (*arrays[i] == NULL)
			code = ev->err->code;
	}
	if (code == 0 && (m->left = eval_plan(ev, e->binary.left, steps)) == NULL)
		code = ev->err->code;
	if (code == 0 && (m->right = eval_plan(ev, e->binary.right, steps)) == NULL)
		code = ev->err->code;
	return code;
}

struct node *plan_matched(struct eval *ev, const struct promql_expr *e, const struct steps *steps)
{
	static const struct node_ops ops = {match_next, match_close};
	struct match *m = eval_alloc(ev, sizeof *m);

	if (m == NULL)
		return NULL;
	*m = (struct match){.node = {&ops, ev, e, *steps, false}, .how = e->binary.matching};
	m->swapped = m->how->card == PROMQL_ONE_TO_MANY;
	m->changes = promql_op_changes_metric(e->binary.op);
	m->drops_at_end = e->binary.returns_bool && !ev->query->delayed_names;
	m->drops_delayed = e->binary.returns_bool && ev->query->delayed_names;
	m->conflict.rank = NO_CONFLICT;
	rows_init(&m->many.rows, ev);
	rows_init(&m->one.rows, ev);
	grouping_init(&m->signatures, ev);
	label_index_init(&m->labels, ev);
	if (prepare(m, e, steps) != 0) {
		match_close(&m->node);
		return NULL;
	}
	m->node.one_name = has_one_name(m);
	return &m->node;
}

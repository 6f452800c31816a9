/* What breaks the rules of matching. Prometheus goes step by step, and within a step over the one side, then over the many side, then over the results: what it would come upon first is what is told. */
#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "promql/match.h"
#include "record/labels.h"

static void note(struct match *m, struct conflict c)
{
	struct conflict *best = &m->conflict;

	if (best->rank != NO_CONFLICT) {
		if (c.step != best->step   ? c.step > best->step
		    : c.rank != best->rank ? c.rank > best->rank
		                           : c.order >= best->order)
			return;
	}
	*best = c;
}

static uint32_t *numbers(struct match *m, uint32_t count, int byte)
{
	uint32_t *p = eval_alloc(m->node.ev, (size_t)count * sizeof *p);
	if (p != NULL)
		memset(p, byte, (size_t)count * sizeof *p);
	return p;
}

/* ---- the one side ---- */

/* The steps at which the operation is looked at: both sides have a value somewhere, or what one lacks is filled in. Only the many side is asked; who calls has a value of the other. */
static uint32_t *live_steps(struct match *m)
{
	uint32_t steps = m->node.steps.count;
	bool fills = m->how->fills_left || m->how->fills_right;
	uint32_t *live = numbers(m, steps, fills ? 1 : 0);

	for (uint32_t r = 0; live != NULL && !fills && r < m->many.rows.count; r++) {
		if (eval_work(m->node.ev, steps) != 0)
			return NULL;
		for (uint32_t i = 0; i < steps; i++)
			live[i] |= !promql_is_absent(m->many.rows.items[r].values[i]);
	}
	return live;
}

static int check_bucket(struct match *m, uint32_t first, const uint32_t *live, uint32_t *owner)
{
	uint32_t steps = m->node.steps.count;
	double *all = m->one.rows.items[first].values;

	memset(owner, 0xff, steps * sizeof *owner);
	for (uint32_t r = first; r != MATCH_NONE; r = m->one.next[r]) {
		const double *values = m->one.rows.items[r].values;
		int code = eval_work(m->node.ev, steps);
		if (code != 0)
			return code;
		for (uint32_t i = 0; i < steps; i++) {
			if (promql_is_absent(values[i]))
				continue;
			if (owner[i] != MATCH_NONE && live[i] != 0)
				note(m, (struct conflict){DUPLICATE_ONE, i, r, {owner[i], r}});
			if (owner[i] == MATCH_NONE) {
				owner[i] = r;
				if (m->how->include_count == 0)
					all[i] = values[i];
			}
		}
	}
	if (m->how->include_count == 0)
		m->one.next[first] = MATCH_NONE;
	return 0;
}

int match_check_one_side(struct match *m)
{
	uint32_t *live = NULL, *owner = NULL;
	int code = 0;

	for (uint32_t b = 0; code == 0 && b < m->signatures.groups.count; b++) {
		uint32_t first = m->one.first[b];
		if (first == MATCH_NONE || m->one.next[first] == MATCH_NONE)
			continue;
		if (live == NULL &&
		    ((live = live_steps(m)) == NULL || (owner = numbers(m, m->node.steps.count, 0)) == NULL))
			return m->node.ev->err->code;
		code = check_bucket(m, first, live, owner);
	}
	return code;
}

/* ---- one to one ---- */

/* Rows of the many side in one bucket, which has at most one row on the other side. */
static int check_matched_once(struct match *m, uint32_t bucket, uint32_t *matched)
{
	uint32_t steps = m->node.steps.count, one = m->one.first[bucket];
	const double *other = one == MATCH_NONE ? NULL : m->one.rows.items[one].values;

	memset(matched, 0, steps * sizeof *matched);
	for (uint32_t r = m->many.first[bucket]; r != MATCH_NONE; r = m->many.next[r]) {
		const double *values = m->many.rows.items[r].values;
		int code = eval_work(m->node.ev, steps);
		if (code != 0)
			return code;
		for (uint32_t i = 0; i < steps; i++) {
			bool has = m->how->fills_right || (other != NULL && !promql_is_absent(other[i]));
			if (!has || promql_is_absent(values[i]))
				continue;
			if (matched[i]++ != 0)
				note(m, (struct conflict){NOT_ONE_TO_ONE, i, 0, {0}});
		}
	}
	return 0;
}

/* ---- results ---- */

static int by_bucket(const void *a, const void *b)
{
	const struct pair *x = *(const struct pair *const *)a, *y = *(const struct pair *const *)b;
	if (x->bucket != y->bucket)
		return x->bucket < y->bucket ? -1 : 1;
	return (x > y) - (x < y);
}

/* The pairs of a result, those of a bucket together. NULL with the error set. */
static const struct pair **pairs_of(struct match *m, const struct result *r, uint32_t *count)
{
	uint32_t n = 0;
	for (uint32_t p = r->first; p != MATCH_NONE; p = m->pairs[p].next)
		n++;
	const struct pair **pairs = eval_alloc(m->node.ev, n * sizeof *pairs);
	if (pairs == NULL)
		return NULL;
	n = 0;
	for (uint32_t p = r->first; p != MATCH_NONE; p = m->pairs[p].next)
		pairs[n++] = &m->pairs[p];
	qsort(pairs, n, sizeof *pairs, by_bucket);
	*count = n;
	return pairs;
}

/* Within a bucket even what a comparison filters away is one match too many, over all buckets only values are. */
static int check_result(struct match *m, const struct result *r, uint32_t *matched, uint32_t *given)
{
	const struct promql_expr *e = m->node.expr;
	uint32_t steps = m->node.steps.count, count;
	const struct pair **pairs = pairs_of(m, r, &count);

	if (pairs == NULL)
		return m->node.ev->err->code;
	memset(matched, 0xff, steps * sizeof *matched);
	memset(given, 0, steps * sizeof *given);
	for (uint32_t p = 0; p < count; p++) {
		int code = eval_work(m->node.ev, steps);
		if (code != 0)
			return code;
		struct operands in = match_operands(m, pairs[p]);
		promql_op_rows(e->binary.op, e->binary.returns_bool, &in, m->part, steps);
		for (uint32_t i = 0; i < steps; i++) {
			if (promql_is_absent(in.left[i]) || promql_is_absent(in.right[i]))
				continue;
			if (matched[i] == pairs[p]->bucket)
				note(m, (struct conflict){NOT_ONE_TO_ONE, i, 0, {0}});
			matched[i] = pairs[p]->bucket;
			if (!promql_is_absent(m->part[i]) && given[i]++ != 0)
				note(m, (struct conflict){SAME_LABELS, i, 0, {0}});
		}
	}
	return 0;
}

int match_check_pairs(struct match *m)
{
	uint32_t steps = m->node.steps.count;
	uint32_t *matched = numbers(m, steps, 0), *given = numbers(m, steps, 0);
	int code = 0;

	if (matched == NULL || given == NULL)
		return m->node.ev->err->code;
	for (uint32_t b = 0; code == 0 && m->how->card == PROMQL_ONE_TO_ONE && b < m->signatures.groups.count; b++) {
		uint32_t first = m->many.first[b];
		if (first != MATCH_NONE && m->many.next[first] != MATCH_NONE)
			code = check_matched_once(m, b, matched);
	}
	for (uint32_t r = 0; code == 0 && r < m->labels.count; r++) {
		if (m->results[r].first != m->results[r].last)
			code = check_result(m, &m->results[r], matched, given);
	}
	return code;
}

/* ---- sentences ---- */

static bool is_plain(struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i], letter = (char)(c | 0x20);
		if ((letter < 'a' || letter > 'z') && c != '_' && (i == 0 || c < '0' || c > '9'))
			return false;
	}
	return name.len > 0;
}

/* As Prometheus shows labels in sentences: {__name__="x", a="b"}. */
static void series_text(struct slice labels, struct buf *out)
{
	const char *between = "{";

	for (struct label l; labels_next(&labels, &l); between = ", ") {
		buf_str(out, between);
		if (is_plain(l.name))
			buf_slice_append(out, l.name);
		else
			promql_quote(l.name, out);
		buf_byte(out, '=');
		promql_quote(l.value, out);
	}
	buf_str(out, *between == '{' ? "{}" : "}");
}

static int fail_duplicate(struct match *m)
{
	struct buf group = {0}, x = {0}, y = {0};
	const struct row *rows = m->one.rows.items;

	series_text(grouping_labels(&m->signatures, m->one.bucket[m->conflict.rows[0]]), &group);
	series_text(rows[m->conflict.rows[0]].labels, &x);
	series_text(rows[m->conflict.rows[1]].labels, &y);
	struct slice first = buf_slice(&x), second = buf_slice(&y);
	int code = -ENOMEM;
	if (buf_failed(&group) || buf_failed(&x) || buf_failed(&y) || x.ptr == NULL || y.ptr == NULL) {
		eval_no_memory(m->node.ev);
		goto out;
	}
	if (slice_order(&first, &second) > 0) {
		first = buf_slice(&y);
		second = buf_slice(&x);
	}
	code =
	    eval_fail(m->node.ev, -EINVAL,
	              "found duplicate series for the match group %.*s on the %s hand-side of the operation: "
	              "[%.*s, %.*s];many-to-many matching not allowed: matching labels must be unique on one side",
	              SLICE_ARG(buf_slice(&group)), m->swapped ? "left" : "right", SLICE_ARG(first), SLICE_ARG(second));
out:
	buf_free(&group);
	buf_free(&x);
	buf_free(&y);
	return code;
}

int match_fail(struct match *m)
{
	switch (m->conflict.rank) {
	case DUPLICATE_ONE:
		return fail_duplicate(m);
	case NOT_ONE_TO_ONE:
		return eval_fail(m->node.ev, -EINVAL,
		                 m->how->card == PROMQL_ONE_TO_ONE
		                     ? "multiple matches for labels: many-to-one matching must be explicit "
		                       "(group_left/group_right)"
		                     : "multiple matches for labels: grouping labels must ensure unique matches");
	case SAME_LABELS:
		return eval_fail(m->node.ev, -EINVAL, "vector cannot contain metrics with the same labelset");
	default:
		return 0;
	}
}

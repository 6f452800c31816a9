/* Equal expressions of a query are evaluated once: a - b where b is in a again, x > 0 and x < 5.
 *
 * All vectors of the tree that select something are hashed; those of one hash that are the same make a group. Who plans one of a group gets a reader of the group's rows. Only when the first of them is read it is known whether there are others: rows are kept
 * for several readers, and go through to a single one. What is evaluated is the group's last expression, since Prometheus evaluates all of them and tells each warning with its last place. */
#include "promql/shared.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/table.h"
#include "promql/select.h"

/* Bytes of expressions that are compared in all; what is longer is not shared. Chains in chains would be compared again and again. */
enum { COMPARED_MAX = 1 << 20 };

struct member {
	const struct promql_expr *e;
	uint64_t hash;
	const struct promql_expr *last; /* of its group; NULL: it is alone */
};

/* Rows of a group at some steps. */
struct shared {
	struct shared *next;
	const struct promql_expr *e;
	struct node *node;
	struct rows rows;
	uint32_t readers; /* that were planned */
	uint32_t open;    /* and are not closed */
	bool begun, kept; /* the node is being read; `rows` has all of them */
};

struct sharing {
	struct member *members;
	uint32_t count;
	size_t cap;
	struct table by_expr; /* of those that are in groups */
	struct shared *shared;
	uint64_t compared;
	struct eval *ev;
};

/* ---- groups ---- */

static uint64_t hash_slice(struct slice s)
{
	return hash_bytes(s.ptr, s.len, hash_seed());
}

static uint64_t hash_selector(const struct promql_expr *e)
{
	uint64_t sum = (uint64_t)e->selector.extended;

	/* In any order. */
	for (uint32_t i = 0; i < e->selector.matcher_count; i++) {
		const struct promql_matcher *m = &e->selector.matchers[i];
		sum += hash_mix(hash_slice(m->name), hash_slice(m->value)) ^ (uint64_t)m->op;
	}
	return hash_mix(sum, (uint64_t)e->selector.when.at_ms ^ (uint64_t)e->selector.when.offset_ms);
}

static uint64_t hash_number(double v)
{
	uint64_t bits = 0;
	if (!isnan(v)) /* which are all the same */
		memcpy(&bits, &v, sizeof bits);
	return bits;
}

/* The same for expressions that are the same; `selects`: one of them has a selector in it. */
static bool visit(struct sharing *s, const struct promql_expr *e, uint64_t *hash, bool *selects);

static bool visit_operands(struct sharing *s, const struct promql_expr *e, uint64_t *hash, bool *selects)
{
	switch (e->kind) {
	case PROMQL_SELECTOR:
		*selects = true;
		*hash = hash_mix(*hash, hash_selector(e));
		return true;
	case PROMQL_RANGE_SELECTOR:
		*selects = true;
		*hash = hash_mix(*hash, hash_selector(e->range.selector) ^ (uint64_t)e->range.range_ms);
		return true;
	case PROMQL_SUBQUERY:
		*hash = hash_mix(*hash, (uint64_t)e->subquery.range_ms);
		return visit(s, e->subquery.of, hash, selects);
	case PROMQL_PAREN:
		return visit(s, e->paren, hash, selects);
	case PROMQL_UNARY:
		*hash = hash_mix(*hash, (uint64_t)e->unary.op);
		return visit(s, e->unary.of, hash, selects);
	case PROMQL_BINARY:
		*hash = hash_mix(*hash, (uint64_t)e->binary.op);
		return visit(s, e->binary.left, hash, selects) && visit(s, e->binary.right, hash, selects);
	case PROMQL_AGGREGATE:
		*hash = hash_mix(*hash, (uint64_t)e->aggregate.op);
		return (e->aggregate.param == NULL || visit(s, e->aggregate.param, hash, selects)) &&
		       visit(s, e->aggregate.of, hash, selects);
	case PROMQL_CALL:
		*hash = hash_mix(*hash, hash_slice(slice_cstr(e->call.function->name)));
		for (uint32_t i = 0; i < e->call.arg_count; i++) {
			if (!visit(s, e->call.args[i], hash, selects))
				return false;
		}
		return true;
	case PROMQL_TEXT:
		*hash = hash_mix(*hash, hash_slice(e->text));
		return true;
	default:
		*hash = hash_mix(*hash, hash_number(e->number.value));
		return true;
	}
}

static bool add_member(struct sharing *s, const struct promql_expr *e, uint64_t hash)
{
	if (s->count == s->cap) {
		size_t cap = s->cap == 0 ? 32 : s->cap * 2, size = sizeof *s->members;
		void *p = eval_realloc(s->ev, s->members, s->cap * size, cap * size);
		if (p == NULL)
			return false;
		s->members = (struct member *)p;
		s->cap = cap;
	}
	s->members[s->count++] = (struct member){.e = e, .hash = hash};
	return true;
}

static bool visit(struct sharing *s, const struct promql_expr *e, uint64_t *hash, bool *selects)
{
	uint64_t own = (uint64_t)e->kind + 1;
	bool selects_own = false;

	if (!visit_operands(s, e, &own, &selects_own))
		return false;
	*hash = hash_mix(*hash, own);
	*selects |= selects_own;
	return !selects_own || e->type != PROMQL_VECTOR || e->kind == PROMQL_PAREN || add_member(s, e, own);
}

/* Equal hashes together, in the order of the text. */
static int member_order(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	int order = (x->hash > y->hash) - (x->hash < y->hash);
	return order != 0 ? order : (x->e->start > y->e->start) - (x->e->start < y->e->start);
}

static uint64_t hash_expr(const struct promql_expr *e)
{
	return hash_mix((uint64_t)(uintptr_t)e, 0);
}

/* Members [from, end) have one hash: those that are the same as the last one are its group. */
static int make_group(struct sharing *s, uint32_t from, uint32_t end)
{
	const struct promql_expr *last = s->members[end - 1].e;
	bool found = false;

	for (uint32_t i = from; i < end; i++) {
		struct member *m = &s->members[i];
		s->compared += m->e->end - m->e->start;
		if (s->compared > COMPARED_MAX)
			return 0;
		if (m->e != last && !promql_same(m->e, last))
			continue;
		found |= m->e != last;
		if (m->e == last && !found)
			break;
		m->last = last;
		if (table_add(&s->by_expr, hash_expr(m->e), i) != 0)
			return eval_no_memory(s->ev);
	}
	return 0;
}

int sharing_open(struct eval *ev, const struct promql_expr *e)
{
	struct sharing *s = (struct sharing *)eval_alloc(ev, sizeof *s);
	uint64_t hash = 0;
	bool selects = false;

	if (s == NULL)
		return ev->err->code;
	*s = (struct sharing){.ev = ev};
	table_init(&s->by_expr);
	ev->sharing = s;
	if (!visit(s, e, &hash, &selects))
		return ev->err->code;
	if (s->count > 0)
		qsort(s->members, s->count, sizeof *s->members, member_order);
	int code = 0;
	for (uint32_t i = 0, from = 0; i < s->count && code == 0; i++) {
		if (i + 1 < s->count && s->members[i + 1].hash == s->members[i].hash)
			continue;
		if (i > from)
			code = make_group(s, from, i + 1);
		from = i + 1;
	}
	return code;
}

void sharing_close(struct eval *ev)
{
	struct sharing *s = ev->sharing;

	if (s == NULL)
		return;
	eval_release(ev, s->members, s->cap * sizeof *s->members);
	table_deinit(&s->by_expr);
	ev->sharing = NULL;
}

static bool is_member(const void *ctx, const void *key, uint32_t item)
{
	return ((const struct sharing *)ctx)->members[item].e == key;
}

static const struct member *find(const struct sharing *s, const struct promql_expr *e)
{
	uint32_t item = table_find(&s->by_expr, hash_expr(e), is_member, s, e);
	return item == TABLE_NONE ? NULL : &s->members[item];
}

bool is_shared(const struct eval *ev, const struct promql_expr *e)
{
	return ev->sharing->by_expr.used > 0 && find(ev->sharing, e) != NULL;
}

/* ---- readers ---- */

struct reader {
	struct node node;
	struct shared *of;
	double *values;
	uint32_t given;
};

static int reader_next(struct node *n, struct row *out)
{
	struct reader *r = (struct reader *)n;
	struct shared *s = r->of;

	if (!s->begun) {
		s->begun = true;
		s->kept = s->readers > 1;
		if (s->kept) {
			struct node *of = s->node;
			s->node = NULL; /* collecting closes it */
			int code = rows_collect(&s->rows, of);
			if (code < 0)
				return code;
		}
	}
	if (!s->kept)
		return node_next(s->node, out);
	if (r->given == s->rows.count)
		return 0;
	*out = s->rows.items[r->given++];
	memcpy(r->values, out->values, n->steps.count * sizeof *r->values);
	out->values = r->values;
	/* They were counted when they were made. But whoever reads them may add them up without a word. */
	int code = eval_work(n->ev, n->steps.count);
	return code < 0 ? code : 1;
}

static void reader_close(struct node *n)
{
	struct shared *s = ((struct reader *)n)->of;

	if (--s->open > 0)
		return;
	node_close(s->node);
	s->node = NULL;
	s->begun = true;
	rows_deinit(&s->rows);
}

static const struct node_ops reader_ops = {reader_next, reader_close};

static struct shared *find_shared(const struct sharing *s, const struct promql_expr *e, const struct steps *steps)
{
	struct shared *found = s->shared;
	while (found != NULL &&
	       (found->e != e || found->begun || found->node->steps.start_ms != steps->start_ms ||
	        found->node->steps.step_ms != steps->step_ms || found->node->steps.count != steps->count))
		found = found->next;
	return found;
}

struct node *plan_shared(struct eval *ev, const struct promql_expr *e, const struct steps *steps)
{
	struct sharing *sharing = ev->sharing;
	const struct promql_expr *last = find(sharing, e)->last;
	struct reader *r = (struct reader *)eval_alloc(ev, sizeof *r);
	double *values = eval_values(ev, steps);
	struct shared *s = find_shared(sharing, last, steps);

	if (r == NULL || values == NULL)
		return NULL;
	if (s == NULL) {
		s = (struct shared *)eval_alloc(ev, sizeof *s);
		struct node *of = s == NULL ? NULL : plan_once(ev, last, steps);
		if (of == NULL)
			return NULL;
		*s = (struct shared){.next = sharing->shared, .e = last, .node = of};
		rows_init(&s->rows, ev);
		sharing->shared = s;
	}
	s->readers++;
	s->open++;
	*r = (struct reader){.node = {&reader_ops, ev, e, *steps, s->node->one_name}, .of = s, .values = values};
	return &r->node;
}

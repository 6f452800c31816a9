/* Where a trace's time went: self times, and the critical path. Children may overlap, outlive their parent or have begun before it (clocks differ from machine to machine): of each counts what lies within its parent. */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "traces/internal.h"

struct interval {
	int64_t from, to;
};

/* A span's own time, cut to `in`. Empty: to <= from. */
static struct interval within(const struct trace_span *s, struct interval in)
{
	int64_t end = span_end_ns(s);

	return (struct interval){s->start_ns > in.from ? s->start_ns : in.from, end < in.to ? end : in.to};
}

/* How much of the span its children cover. They stand in the order of their start. */
static int64_t covered(const struct trace_span *spans, const struct trace_span *s)
{
	struct interval own = {s->start_ns, span_end_ns(s)};
	int64_t sum = 0;

	for (uint32_t i = s->first_child; i != TRACE_NONE; i = spans[i].next_sibling) {
		struct interval part = within(&spans[i], own);
		if (part.to <= part.from)
			continue;
		sum += part.to - part.from;
		own.from = part.to;
	}
	return sum;
}

int trace_self_times(const struct trace *t, int64_t *self)
{
	const struct trace_span *spans = trace_spans(t);

	for (uint32_t i = 0; i < t->span_count; i++)
		self[i] = span_end_ns(&spans[i]) - spans[i].start_ns - covered(spans, &spans[i]);
	return 0;
}

/* ---- the critical path ---- */

struct visit {
	struct interval at; /* what of the span lies within its ancestors */
	uint32_t span;
};

struct child {
	struct visit visit;
	int64_t end_ns; /* uncut: of two that outlive their parent the longer one decided */
};

struct walk {
	const struct trace_span *spans;
	struct visit *stack; /* spans on the path whose children are to be looked at */
	struct child *children;
	uint32_t depth;
};

/* The last to end comes first; of equal ones that which began first. */
static int by_end(const void *a, const void *b)
{
	const struct child *x = a;
	const struct child *y = b;

	if (x->visit.at.to != y->visit.at.to)
		return x->visit.at.to < y->visit.at.to ? 1 : -1;
	if (x->end_ns != y->end_ns)
		return x->end_ns < y->end_ns ? 1 : -1;
	return (x->visit.span > y->visit.span) - (x->visit.span < y->visit.span);
}

static uint32_t collect_children(struct walk *w, const struct visit *v)
{
	uint32_t n = 0;

	for (uint32_t i = w->spans[v->span].first_child; i != TRACE_NONE; i = w->spans[i].next_sibling) {
		struct interval at = within(&w->spans[i], v->at);
		if (at.to >= at.from) /* of no length: it may have decided all the same */
			w->children[n++] = (struct child){{at, i}, span_end_ns(&w->spans[i])};
	}
	qsort(w->children, n, sizeof *w->children, by_end);
	return n;
}

/* From the span's end backwards: the child that ended last, and from its start on that which had ended before. */
static void visit_children(struct walk *w, struct visit v, bool *on_path)
{
	int64_t until = v.at.to;
	uint32_t n = collect_children(w, &v);

	for (uint32_t i = 0; i < n; i++) {
		const struct visit *c = &w->children[i].visit;
		if (c->at.to > until)
			continue;
		on_path[c->span] = true;
		w->stack[w->depth++] = *c;
		until = c->at.from;
	}
}

int trace_critical_path(const struct trace *t, bool *on_path)
{
	struct walk w = {.spans = trace_spans(t)};

	w.stack = mem_zalloc(t->span_count, sizeof *w.stack);
	w.children = mem_zalloc(t->span_count, sizeof *w.children);
	int rc = w.stack != NULL && w.children != NULL ? 0 : -ENOMEM;
	if (rc == 0) {
		const struct trace_span *root = &w.spans[t->root];
		memset(on_path, 0, t->span_count * sizeof *on_path);
		on_path[t->root] = true;
		w.stack[w.depth++] = (struct visit){{root->start_ns, span_end_ns(root)}, t->root};
		while (w.depth > 0)
			visit_children(&w, w.stack[--w.depth], on_path);
	}
	mem_free(w.stack);
	mem_free(w.children);
	return rc;
}

/* Series as the source gives them. Private to the folder: selectors of both kinds, and info(), ask by it. */
#ifndef MOONGATE_PROMQL_SELECT_H
#define MOONGATE_PROMQL_SELECT_H

#include "promql/eval.h"
#include "promql/when.h"

struct selection {
	struct eval *ev;
	struct promql_select what;
	struct matcher **matchers;
	void *set; /* NULL: it is not open yet */
};

/* Makes the matchers of a selector (PROMQL_SELECTOR); the source is asked with the first selection_next. Closed in any case. 0 or negative with the error set. */
int selection_open(struct selection *s, struct eval *ev, const struct promql_expr *selector, int64_t from_ms,
                   int64_t to_ms);
/* 1 and the next series; 0: there is none; negative with the error set. */
int selection_next(struct selection *s, struct slice *labels);
/* Its samples, which are counted. 0 or negative with the error set. */
int selection_samples(struct selection *s, struct promql_samples *out);
void selection_close(struct selection *s);

/* Does the selector name its metric? */
bool selector_has_name(const struct promql_expr *selector);

/* A selector as a node whose values are, `times`, when the samples were, in seconds: timestamp() of it. */
struct node *plan_selector(struct eval *ev, const struct promql_expr *e, const struct steps *steps, bool times);

static inline bool is_stale(double v)
{
	return promql_is_absent(v);
}

#endif

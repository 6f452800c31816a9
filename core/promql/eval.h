/* How a checked tree is evaluated. Private to this folder.
 *
 * An expression is planned for some steps (times at equal distances) and becomes a node, which gives its series one by one, each with its values at all steps:
 *
 *   sum by (a) (rate(x[5m]))      aggregate.c ◀─rows── range_call.c ◀─ranges── select.c ◀── promql_source
 *
 * What needs all rows of an operand at once (the many side's partners of a binary operator, sort, topk) collects them; all others hold one. Rows are changed in place by whoever asked for them.
 *
 * Files: eval.c (promql_eval), result.c (what comes out), limits.c (samples, memory, failures), annotate.c (warnings and infos); plan.c (an expression to a node; what does not depend on the step is evaluated once), shared.c (equal expressions are
 * evaluated once), distinct.c (names that were dropped), rows.c; select*.c (selectors: look-back, ranges), subquery.c, when.c (@, offset, durations that are reckoned), range_call.c, map_call.c, timestamp.c; aggregate*.c, binary*.c, function_*.c (one C
 * function each, behind the table in functions.c), labels_edit.c. */
#ifndef MOONGATE_PROMQL_EVAL_H
#define MOONGATE_PROMQL_EVAL_H

#include <math.h>
#include <string.h>

#include "promql/promql.h"

/* ---- values ---- */

static inline double promql_absent(void)
{
	const uint64_t bits = PROMQL_ABSENT_BITS;
	double v;
	memcpy(&v, &bits, sizeof v);
	return v;
}
static inline bool promql_is_absent(double v)
{
	uint64_t bits;
	memcpy(&bits, &v, sizeof bits);
	return bits == PROMQL_ABSENT_BITS;
}

/* ---- one evaluation ---- */

struct steps {
	int64_t start_ms, step_ms; /* step 0: there is one step */
	uint32_t count;            /* at least 1 */
};
static inline int64_t step_time(const struct steps *s, uint32_t i)
{
	return s->start_ms + (int64_t)i * s->step_ms;
}

struct annotation;
struct sharing;

struct eval {
	const struct promql_query *query;
	const struct promql_source *source;
	struct arena arena; /* of the plan, and of what lives as long as it */
	struct steps steps; /* of the query; nodes inside subqueries have others */
	int64_t lookback_ms;
	uint64_t samples, samples_max;
	uint64_t bytes, bytes_max; /* heap that nodes hold (eval_realloc), beside the arena */
	uint64_t bytes_peak;       /* of both */
	uint64_t work;             /* since goes_on was asked */
	struct sharing *sharing;   /* shared.c */
	struct annotation *annotations;
	struct error *err; /* of the first failure; its code is what promql_eval returns */
};

/* The evaluation fails: returns `code`, negative. The sentence of -EINVAL is Prometheus's. */
int eval_fail(struct eval *ev, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Memory is out: fails with -ENOMEM and a sentence. */
int eval_no_memory(struct eval *ev);

/* So many samples were read, or values computed: is it to go on? 0, -E2BIG or -ECANCELED with the error set. Called at least once for each row. */
int eval_spend(struct eval *ev, uint64_t samples);
/* So much was done as so many samples cost, which count elsewhere or not at all: is it to go on? 0, or -ECANCELED with the error set. */
int eval_work(struct eval *ev, uint64_t work);

/* Memory of this evaluation beside the arena's. eval_hold: so many bytes more are counted; 0, or -E2BIG with the error set. eval_realloc keeps the count; old_size 0 with ptr NULL; NULL with the error set. */
int eval_hold(struct eval *ev, uint64_t bytes);
void *eval_realloc(struct eval *ev, void *ptr, size_t old_size, size_t size);
void eval_release(struct eval *ev, void *ptr, size_t size);
/* In the arena, counted as well; NULL with the error set. */
void *eval_alloc(struct eval *ev, size_t size);
/* The same for a value a step, which are not set. */
double *eval_values(struct eval *ev, const struct steps *steps);

enum annotation_kind { ANNOTATION_INFO, ANNOTATION_WARNING };
/* Says something about the result, in Prometheus's words without its "PromQL info: " and without the position, both of which are added: "… (1:6)", of the byte `at` of the expression's text. The same text counts once, with its last place. */
void eval_annotate(struct eval *ev, enum annotation_kind kind, uint32_t at, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- nodes ---- */

/* A series with its values. Labels are good until the next row is asked for, as are the values, which whoever asked may change. */
struct row {
	struct slice labels; /* canonical */
	bool
	    drop_name; /* delayed_names: `__name__` goes at the end. Without that it went with the operation, and this is false */
	double *values; /* as many as the node has steps; promql_absent() where there is none */
};

struct node;
struct node_ops {
	/* 1 and a row, which may have no value at all; 0: there are no more; negative: eval_fail was called. */
	int (*next)(struct node *n, struct row *out);
	void (*close)(struct node *n); /* what is not the arena's, operands included. May be NULL */
};
struct node {
	const struct node_ops *ops;
	struct eval *ev;
	const struct promql_expr *expr;
	struct steps steps;
	/* All rows have the same metric name, or none has one: without it they are still distinct. */
	bool one_name;
};

/* Plans a vector, or a scalar: that is one row without labels with a value at every step. Parentheses are seen through. In the arena; closed by whoever asked. NULL with the error set. */
struct node *eval_plan(struct eval *ev, const struct promql_expr *e, const struct steps *steps);
static inline int node_next(struct node *n, struct row *out)
{
	return n->ops->next(n, out);
}
/* NULL is allowed. */
void node_close(struct node *n);

/* A scalar's values at all steps, in the arena; NULL with the error set. */
const double *eval_scalar(struct eval *ev, const struct promql_expr *e, const struct steps *steps);
/* A string's text: literals in parentheses. */
struct slice eval_text(const struct promql_expr *e);

/* Has it no value at any step? */
static inline bool row_is_empty(const struct row *row, uint32_t steps)
{
	uint32_t i = 0;
	while (i < steps && promql_is_absent(row->values[i]))
		i++;
	return i == steps;
}

/* All rows of a node, kept. */
struct rows {
	struct row *items; /* their labels and values are the rows' own */
	uint32_t count;
	size_t cap;         /* of items */
	struct arena arena; /* of labels and values */
	struct eval *ev;
	uint64_t held; /* bytes that are counted in ev */
};
void rows_init(struct rows *r, struct eval *ev);
void rows_deinit(struct rows *r);
/* A copy of the row at the end; NULL with the error set. */
struct row *rows_add(struct rows *r, const struct row *row, uint32_t steps);
/* Collects all rows of a node and closes it, those without any value left out. 0 or negative with the error set. */
int rows_collect(struct rows *r, struct node *n);

/* Rows whose names were dropped: series that have become the same are joined where they have no step in common, and are an error where they have (or, `strict`, in any case): "vector cannot contain metrics with the same labelset".
 * The node `n` gives rows whose labels have changed; where it has one_name it is given back as it is. Planned behind each operation that changes labels. NULL with the error set: `n` is closed then. */
struct node *plan_distinct(struct node *n, bool strict);

/* ---- ranges: what functions over time get ---- */

/* Samples of a series, all that any window needs; stale markers are left out. */
struct range_row {
	struct slice labels;
	bool drop_name;
	const int64_t *times_ms;
	const double *values;
	uint32_t count;
};

/* A range selector or a subquery, planned for the steps of the call around it. The window of step i is (range_end(i) - range_ms, range_end(i)]; it moves with the steps, or stands still (`@`). */
struct ranges {
	struct eval *ev;
	const struct promql_expr *expr; /* PROMQL_RANGE_SELECTOR or PROMQL_SUBQUERY */
	struct steps steps;             /* of the call */
	int64_t range_ms;
	int64_t offset_ms;
	bool fixed; /* by `@`: every window ends at fixed_ms, offset and all */
	int64_t fixed_ms;
	enum promql_extended
	    extended; /* anchored, smoothed: then rows reach back by the look-back beyond the first window (smoothed: ahead, too) */
	bool one_name;
	void *impl; /* select.c */
};
static inline int64_t range_end(const struct ranges *r, uint32_t step)
{
	return r->fixed ? r->fixed_ms : step_time(&r->steps, step) - r->offset_ms;
}
struct ranges *plan_ranges(struct eval *ev, const struct promql_expr *e, const struct steps *steps);
/* 1 and a row, good until the next call; series without samples are left out. 0: there are no more; negative with the error set. */
int ranges_next(struct ranges *r, struct range_row *out);
void ranges_close(struct ranges *r);

/* ---- functions ---- */

/* What a function over a range gets for one series: it fills `out`, a value or promql_absent() for each step. `scalars[i]`: the values of the i-th argument by step, where it is a scalar. The row's labels are those of the series, its name with them: what is to be said of the name (rate, increase) the function says. */
struct range_call {
	struct eval *ev;
	const struct promql_expr *expr; /* PROMQL_CALL */
	const struct ranges *ranges;
	const struct range_row *row;
	const double *const *scalars;
};
/* 0, or negative with the error set. Where windows are long it is called for some of the steps at a time: ranges->steps are those. */
typedef int range_function(const struct range_call *c, double *out);

/* What a function of a vector gets for one series: it changes the values in place. Absent ones stay so. */
struct map_call {
	struct eval *ev;
	const struct promql_expr *expr;
	const struct steps *steps;
	const double *const *scalars;
};
typedef int map_function(const struct map_call *c, struct row *row);

/* Any other: makes the node itself. NULL with the error set. */
typedef struct node *plan_function(struct eval *ev, const struct promql_expr *call, const struct steps *steps);

enum function_shape { FUNCTION_RANGE, FUNCTION_MAP, FUNCTION_PLAN };

/* A line of the table in functions.c. */
struct function {
	struct promql_function of;
	enum function_shape shape;
	bool keeps_name; /* of a range or map function: the result is still that metric */
	union {
		range_function *range;
		map_function *map;
		plan_function *plan;
	};
};
/* What stands behind a call. */
const struct function *function_of(const struct promql_expr *call);

/* Does the function know what to do with a range that is anchored or smoothed, where it gets such a one? 0, or -EINVAL with the error set. functions.c */
int function_check_extended(struct eval *ev, const struct promql_expr *call);

/* Plans a call of a range or map function; plan_functions call it on a call like theirs, too. range_call.c, map_call.c. */
struct node *plan_range_call(struct eval *ev, const struct promql_expr *call, const struct steps *steps,
                             range_function *function, bool keeps_name);
struct node *plan_map_call(struct eval *ev, const struct promql_expr *call, const struct steps *steps,
                           map_function *function, bool keeps_name);

/* timestamp(): of a selector it is the time of each sample, of anything else that of the step. timestamp.c */
struct node *plan_timestamp(struct eval *ev, const struct promql_expr *call, const struct steps *steps);

/* ---- operators ---- */

struct node *plan_aggregate(struct eval *ev, const struct promql_expr *e, const struct steps *steps); /* aggregate.c */
struct node *plan_binary(struct eval *ev, const struct promql_expr *e, const struct steps *steps);    /* binary.c */

/* The operator on two numbers; of a comparison 1 or 0. */
double promql_op_apply(enum promql_op op, double a, double b);

/* ---- labels: canonical sets made of others; binary and aggregation keys, functions ---- */

/* All of them empty `out` and then write a set to it that lies elsewhere. 0, or -ENOMEM. labels_edit.c */

/* The set without one label. */
int labels_without(struct slice labels, struct slice name, struct buf *out);
/* The set with those labels only, or without those, that are named (sorted, distinct names); `name_too`: without `__name__` as well. */
int labels_only(struct slice labels, const struct slice *names, uint32_t count, struct buf *out);
int labels_except(struct slice labels, const struct slice *names, uint32_t count, bool name_too, struct buf *out);
/* The set without what says which metric it is: `__name__`, and `__type__` and `__unit__`, which Prometheus drops with it. For results that are no longer that metric. */
int labels_unnamed(struct slice labels, struct buf *out);
/* The same for each row of many: *set lies in `labels` where these labels come first, as they mostly do, and in `room`, which is only then written to, where they do not. */
int labels_unnamed_slice(struct slice labels, struct buf *room, struct slice *set);
/* The set with a label set to a value; an empty one removes it. Also -E2BIG: a value under an empty name, or under one that is past the bounds of labels.h, as it may be itself, and the whole set. */
int labels_with(struct slice labels, struct slice name, struct slice value, struct buf *out);
/* What they gave is no 0: the evaluation fails with it and a sentence. */
int labels_fail(struct eval *ev, int code);

#endif

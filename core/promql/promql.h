/* PromQL: the query language of Prometheus 3.
 *
 *   text ──lexer──▶ tokens ──parser──▶ tree ──types──▶ checked tree ──plan──▶ nodes ──next──▶ result
 *                                                           │                   ▲
 *                                                           └─▶ text again      └── promql_source: where series come from
 *
 * The grammar is that of Prometheus 3 with all that it calls experimental: functions, limitk and limit_ratio, arithmetic in durations ([5m * 2], offset step()), anchored and smoothed, fill(…) behind a binary
 * operator. What is refused is refused in Prometheus's words, at its position: "1:5: parse error: unexpected …".
 *
 * A tree lies in the arena that it was parsed into, with all its texts, and is immutable: any number of threads may read it. Nothing here keeps state.
 *
 * It is evaluated series by series, each over all steps of the query at once: a chunk is decoded once, and an aggregation holds its groups, not what goes into them. */
#ifndef MOONGATE_PROMQL_PROMQL_H
#define MOONGATE_PROMQL_PROMQL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "record/matcher.h"

/* What an expression may have. Prometheus knows no such bounds; past one of them the error says so. */
enum {
	PROMQL_BYTES_MAX = 256 * 1024, /* of text */
	PROMQL_NESTING_MAX = 256,      /* expressions inside one another: parentheses, arguments, right operands */
	PROMQL_DEPTH_MAX = 2048,       /* of the tree: a chain of operators or of subqueries is as deep as it is long */
	PROMQL_REGEXES_MAX = 40        /* different patterns that no index answers without the engine */
};

enum promql_type { PROMQL_NONE, PROMQL_SCALAR, PROMQL_VECTOR, PROMQL_MATRIX, PROMQL_STRING };

/* "scalar", "instant vector", "range vector", "string", "none": as its documentation says. */
const char *promql_type_text(enum promql_type type);

/* Operators of binary and unary expressions, and of arithmetic in durations. */
enum promql_op {
	PROMQL_ADD,
	PROMQL_SUB,
	PROMQL_MUL,
	PROMQL_DIV,
	PROMQL_MOD,
	PROMQL_POW,
	PROMQL_ATAN2,
	PROMQL_EQ,
	PROMQL_NE,
	PROMQL_GT,
	PROMQL_LT,
	PROMQL_GE,
	PROMQL_LE,
	PROMQL_AND,
	PROMQL_OR,
	PROMQL_UNLESS,
	/* In durations only. */
	PROMQL_STEP,  /* step(): the step of the query; no operands */
	PROMQL_RANGE, /* range(): from its first to its last step; no operands */
	PROMQL_MIN,
	PROMQL_MAX
};
/* The operator as it is written. */
const char *promql_op_text(enum promql_op op);

static inline bool promql_op_compares(enum promql_op op)
{
	return op >= PROMQL_EQ && op <= PROMQL_LE;
}
static inline bool promql_op_is_set(enum promql_op op)
{
	return op >= PROMQL_AND && op <= PROMQL_UNLESS;
}

enum promql_aggregation {
	PROMQL_AVG,
	PROMQL_BOTTOMK,
	PROMQL_COUNT,
	PROMQL_COUNT_VALUES,
	PROMQL_GROUP,
	PROMQL_LIMIT_RATIO,
	PROMQL_LIMITK,
	PROMQL_AGG_MAX,
	PROMQL_AGG_MIN,
	PROMQL_QUANTILE,
	PROMQL_STDDEV,
	PROMQL_STDVAR,
	PROMQL_SUM,
	PROMQL_TOPK
};
/* The aggregation's name. */
const char *promql_aggregation_text(enum promql_aggregation a);

/* A function of the language: what the parser knows of it. */
enum { PROMQL_ARGS_MAX = 5 };
struct promql_function {
	const char *name;
	enum promql_type returns;
	uint8_t arg_count; /* of `args` */
	enum promql_type args[PROMQL_ARGS_MAX];
	/* 0: all of them, no more. n > 0: the last one may be left out, or come up to n times. -1: the last one may be left out, or come any number of times. */
	int8_t variadic;
};
/* By its name, as it is written; NULL: there is none. */
const struct promql_function *promql_function_find(struct slice name);
/* The i-th in the order of their names; NULL behind the last. */
const struct promql_function *promql_function_at(uint32_t i);

/* A label matcher of a selector. Patterns do compile: promql_matchers makes what the store takes. */
struct promql_matcher {
	enum matcher_op op;
	bool matches_empty; /* it matches what lacks the label */
	struct slice name, value;
};

enum promql_at { PROMQL_AT_NONE, PROMQL_AT_TIME, PROMQL_AT_START, PROMQL_AT_END };

/* When a selector or subquery is looked at: `@ t` and `offset d`. */
struct promql_when {
	enum promql_at at;
	bool has_offset;                       /* an offset that is not zero */
	int64_t at_ms;                         /* of PROMQL_AT_TIME */
	int64_t offset_ms;                     /* may be negative */
	const struct promql_expr *offset_expr; /* PROMQL_DURATION in place of offset_ms, or NULL */
};

/* `anchored` and `smoothed`. */
enum promql_extended { PROMQL_PLAIN, PROMQL_ANCHORED, PROMQL_SMOOTHED };

enum promql_kind {
	PROMQL_NUMBER,
	PROMQL_TEXT,
	PROMQL_SELECTOR,
	PROMQL_RANGE_SELECTOR,
	PROMQL_SUBQUERY,
	PROMQL_PAREN,
	PROMQL_UNARY,
	PROMQL_BINARY,
	PROMQL_AGGREGATE,
	PROMQL_CALL,
	PROMQL_DURATION /* within a range, a step or an offset only; its operands are such, or PROMQL_NUMBER: seconds */
};

enum promql_card { PROMQL_ONE_TO_ONE, PROMQL_MANY_TO_ONE, PROMQL_ONE_TO_MANY, PROMQL_MANY_TO_MANY };

/* How the series of two vectors find each other. */
struct promql_matching {
	enum promql_card card; /* many to many: of `and`, `or`, `unless` */
	bool on;               /* on (labels); else ignoring (labels) */
	uint32_t label_count, include_count;
	const struct slice *labels;
	const struct slice *include; /* of group_left, group_right */
	bool fills_left, fills_right;
	double fill_left, fill_right; /* stand for a series that one side lacks */
};

struct promql_expr {
	enum promql_kind kind;
	enum promql_type type;
	uint32_t start, end; /* bytes of the text: [start, end) */
	uint32_t depth;      /* levels of the tree from here on; 1: it has no operands */
	union {
		struct {
			double value;
			bool duration; /* written as one: 5m. Then in seconds */
		} number;
		struct slice text;
		struct {
			struct slice name; /* before the braces, empty where it is not; `matchers` has it too, last */
			const struct promql_matcher *matchers;
			uint32_t matcher_count;
			bool may_be_empty; /* every matcher may match the empty value: the second argument of info() */
			enum promql_extended extended;
			struct promql_when when; /* of a range selector too */
		} selector;
		struct {
			struct promql_expr *selector;
			int64_t range_ms;
			const struct promql_expr *range_expr; /* PROMQL_DURATION in its place, or NULL */
		} range;
		struct {
			struct promql_expr *of;
			int64_t range_ms, step_ms; /* step 0: the default one */
			const struct promql_expr *range_expr, *step_expr;
			struct promql_when when;
		} subquery;
		struct promql_expr *paren;
		struct {
			enum promql_op op; /* PROMQL_ADD, PROMQL_SUB */
			struct promql_expr *of;
		} unary;
		struct {
			enum promql_op op;
			bool returns_bool;
			struct promql_expr *left, *right;
			struct promql_matching *matching; /* NULL: one of them is no vector */
		} binary;
		struct {
			enum promql_aggregation op;
			bool without;
			uint32_t label_count;
			const struct slice *labels;
			struct promql_expr *of, *param; /* NULL: it has none */
		} aggregate;
		struct {
			const struct promql_function *function;
			uint32_t arg_count;
			struct promql_expr **args;
		} call;
		struct {
			enum promql_op op;
			bool wrapped;                     /* in parentheses */
			struct promql_expr *left, *right; /* left NULL: the operator has one operand */
		} duration;
	};
};

/* Reads an expression and checks its types. `text` is copied where the tree needs it. 0 with the tree in *out; -EINVAL with Prometheus's sentence, -E2BIG past a bound, -ENOMEM. */
int promql_parse(struct slice text, struct arena *arena, struct promql_expr **out, struct error *err);

/* Reads a metric selector alone, as match[] has it: name{a="b"}, without offset or range. As Prometheus does it is not checked further: {} is one. The same results. */
int promql_parse_selector(struct slice text, struct arena *arena, struct promql_expr **out, struct error *err);

/* Makes the matchers of a selector that the store takes, `count` pointers in the arena. promql_matchers_free frees what they point to, also NULL ones. 0; -ENOMEM, or -EINVAL with a sentence. */
int promql_matchers(const struct promql_expr *selector, struct arena *arena, struct matcher ***out, struct error *err);
/* The array itself is the arena's. */
void promql_matchers_free(struct matcher **matchers, uint32_t count);

/* Calls `visit` for an expression and all in it, each before its operands and these from the left, until it returns false: then that is returned. What durations are made of is left out. */
typedef bool promql_visit(void *ctx, struct promql_expr *e);
/* As said above: false where `visit` has ended the walk. */
bool promql_walk(struct promql_expr *e, promql_visit *visit, void *ctx);

/* Appends the expression as Prometheus prints it: one space around operators, labels sorted, durations in their largest units. It reads back as the same tree. */
void promql_print(const struct promql_expr *e, struct buf *out);

/* The same over several lines where one would have more than a hundred bytes. */
void promql_print_pretty(const struct promql_expr *e, struct buf *out);

/* Are the trees the same, positions aside? NaN is NaN. */
bool promql_same(const struct promql_expr *a, const struct promql_expr *b);

/* Appends a duration as Prometheus does: "1h30m", "0s". Not negative. */
void promql_print_duration(int64_t ms, struct buf *out);

/* Appends text as Go's %q does: in double quotes, what is not printable or not UTF-8 escaped. Which characters beyond ASCII are printable is known by blocks only. */
void promql_quote(struct slice text, struct buf *out);

/* ---- where series come from ---- */

/* What a selector asks for: the series that all matchers match, with their samples in from_ms..to_ms, both ends within. */
struct promql_select {
	struct matcher *const *matchers;
	uint32_t matcher_count;
	int64_t from_ms, to_ms;
};

/* Samples of one series, rising in time, stale markers among them. */
struct promql_samples {
	const int64_t *times_ms;
	const double *values;
	uint32_t count;
};

/* All of them are called on the thread that evaluates. A set is the source's, and is closed in any case. */
struct promql_source_ops {
	/* 0 and the set, its series in the order of their labels (labels_compare); or a negative errno with a sentence. */
	int (*select)(void *ctx, const struct promql_select *what, void **set, struct error *err);
	/* The next series: 1 and its labels, canonical, good until the next call; 0: there is none; or a negative errno with a sentence. */
	int (*next)(void *set, struct slice *labels, struct error *err);
	/* Its samples, good until the next call: 0, or a negative errno with a sentence. */
	int (*samples)(void *set, struct promql_samples *out, struct error *err);
	void (*close)(void *set);
};
struct promql_source {
	const struct promql_source_ops *ops;
	void *ctx;
};

/* ---- evaluation ---- */

/* Stands in values where a series has none: the stale marker's bits, which are never a result. */
#define PROMQL_ABSENT_BITS UINT64_C(0x7ff0000000000002)

struct promql_query {
	const struct promql_expr *expr;
	struct slice text; /* what it was read from: warnings and infos name a place in it. Empty: they name none */
	int64_t start_ms,
	    end_ms; /* of a range query: the first step, and the time that no step is behind; the same for an instant query */
	int64_t step_ms;          /* 0: an instant query */
	int64_t lookback_ms;      /* how old a sample may be that a selector takes: (t - lookback, t]. 0: 5 min */
	int64_t subquery_step_ms; /* of subqueries that give none. 0: 1 min */
	/* The metric's name goes from what is no longer that metric at the very end, as Prometheus has it with the feature promql-delayed-name-removal; else with the operation. */
	bool delayed_names;
	/* What it may take; 0: the default. */
	uint64_t samples_max; /* samples read, and values computed, of all expressions together: 50,000,000 */
	uint64_t bytes_max;   /* of memory: 256 MiB */
	/* Asked between pieces of work, some microseconds to a few milliseconds each: is it to go on? Else it ends with -ECANCELED. NULL: always. */
	bool (*goes_on)(void *ctx);
	void *ctx;
};

/* A series of a result. */
struct promql_series {
	struct slice labels; /* canonical */
	const int64_t *
	    times_ms; /* of raw samples (an instant query for a range vector); NULL: a value for each step, or PROMQL_ABSENT_BITS */
	const double *values;
	uint32_t count;
};

struct promql_result {
	struct arena arena;    /* of all below */
	enum promql_type type; /* of an instant query, that of the expression. Of a range query PROMQL_MATRIX */
	struct slice text;     /* PROMQL_STRING */
	/* PROMQL_SCALAR: one without labels. Of a range query in the order of their labels, of an instant one in the order that the expression gives (sort, topk). Each has at least one value. */
	const struct promql_series *series;
	uint32_t series_count;
	int64_t start_ms, step_ms; /* of the steps */
	uint32_t steps;
	const struct slice *warnings,
	    *infos; /* distinct, in Prometheus's words, rising; at most 10 of each and then "3 more info annotations omitted" */
	uint32_t warning_count, info_count;
	uint64_t samples_read, samples_peak; /* what it took; for stats */
};

/* Evaluates. 0, and the result is to be freed; or with a sentence: -EINVAL: the evaluation fails, in Prometheus's words; -E2BIG: samples_max or bytes_max; -ECANCELED: goes_on; -ENOMEM; what the source said. Any thread that has 1 MiB of stack: the deepest tree takes more than half of it. */
int promql_eval(const struct promql_query *q, const struct promql_source *source, struct promql_result *out,
                struct error *err);
/* Frees all that the result points to, and makes it empty: it may be freed again. Any thread. */
void promql_result_free(struct promql_result *r);

#endif

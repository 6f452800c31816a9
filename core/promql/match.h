/* The series of two vectors, matched. Private to this folder: binary_match.c makes pairs of them and gives their results, binary_conflict.c finds what breaks the rules. */
#ifndef MOONGATE_PROMQL_MATCH_H
#define MOONGATE_PROMQL_MATCH_H

#include "promql/binary.h"
#include "promql/grouping.h"

enum { MATCH_NONE = UINT32_MAX };

/* A row of the many side and one of the one side, of the same bucket. MATCH_NONE: there is none, and a value is filled in. */
struct pair {
	uint32_t many, one;
	uint32_t bucket;
	uint32_t next; /* pair of the same result, or MATCH_NONE */
};

/* Rows of one side: the first of each bucket, and of each row the next one of its bucket; MATCH_NONE ends it. */
struct side {
	struct rows rows;
	uint32_t *first, *next;
	uint32_t *bucket; /* of each row */
};

struct result {
	uint32_t first, last; /* pairs */
};

/* Something that breaks a rule; of several the least by step, rank, order is told. */
enum rank { DUPLICATE_ONE, NOT_ONE_TO_ONE, SAME_LABELS, NO_CONFLICT };
struct conflict {
	enum rank rank;
	uint32_t step, order;
	uint32_t rows[2]; /* of a duplicate */
};

struct match {
	struct node node;
	struct node *left, *right;
	const struct promql_matching *how;
	bool swapped;       /* the many side is the right one; one to one: the left one */
	bool changes;       /* results are no longer that metric: names go before group_left takes labels, */
	bool drops_at_end;  /* or after it, */
	bool drops_delayed; /* or at the end of the query */
	struct side many, one;
	struct grouping signatures; /* their groups are the buckets */
	struct pair *pairs;
	uint32_t pair_count;
	size_t pairs_cap;
	struct label_index labels; /* of results */
	struct result *results;
	size_t results_cap;
	uint32_t next; /* result to give out */
	bool begun;
	struct conflict conflict;
	struct buf text, spare;                        /* result_labels */
	double *filled_many, *filled_one, *part, *out; /* for each step */
};

/* The two sides of a pair at all steps, filled where they are to be, as left and right operand. Good until the next call. */
struct operands match_operands(struct match *m, const struct pair *p);

/* Rows of the one side that are in the same bucket: two at the same step are a conflict, if the other side has anything there. Where results do not depend on which one it is they are made one row. 0, or negative with the error set. */
int match_check_one_side(struct match *m);
/* What the pairs come to: a row that is matched twice, results with the same labels. 0, or negative with the error set. */
int match_check_pairs(struct match *m);
/* Fails with the conflict that was found, if any was. */
int match_fail(struct match *m);

#endif

/* A query as a tree: what the parser makes, and the evaluator goes through. */
#ifndef MOONGATE_TRACES_TRACEQL_TREE_H
#define MOONGATE_TRACES_TRACEQL_TREE_H

#include "base/regex.h"
#include "traces/traceql.h"
#include "traces/traceql_lex.h"

/* ---- fields ---- */

enum field_kind {
	FIELD_ATTRIBUTE,
	FIELD_NAME,
	FIELD_STATUS,
	FIELD_STATUS_MESSAGE,
	FIELD_KIND,
	FIELD_DURATION,
	FIELD_CHILD_COUNT,
	FIELD_SPAN_ID,
	FIELD_PARENT_ID,
	FIELD_NESTED_LEFT,
	FIELD_NESTED_RIGHT,
	FIELD_NESTED_PARENT,
	FIELD_TRACE_ID,
	FIELD_TRACE_DURATION,
	FIELD_ROOT_NAME,
	FIELD_ROOT_SERVICE,
	FIELD_EVENT_NAME,
	FIELD_EVENT_TIME,
	FIELD_LINK_TRACE_ID,
	FIELD_LINK_SPAN_ID,
	FIELD_SCOPE_NAME,
	FIELD_SCOPE_VERSION
};

struct field {
	enum field_kind kind;
	uint8_t scope;      /* of an attribute: enum traceql_scope or LEX_SCOPE_ANY */
	bool parent;        /* of the span's parent */
	struct slice name;  /* of an attribute */
	uint32_t hash;      /* of it: trace_key_hash */
	struct slice label; /* as answers have it */
};

/* Which intrinsic is written so? False: none is. */
bool field_intrinsic(struct slice written, enum field_kind *out);
/* The name that answers have for it. */
const char *field_label(enum field_kind kind);
/* What a field of this kind is, TYPE_ANY of an attribute. */
uint8_t field_type(enum field_kind kind);

/* Is there a value for each event or link? Then a condition holds where it does for one of them. */
static inline bool field_is_many(const struct field *f)
{
	if (f->kind == FIELD_ATTRIBUTE)
		return f->scope == TRACEQL_SCOPE_EVENT || f->scope == TRACEQL_SCOPE_LINK;
	return f->kind >= FIELD_EVENT_NAME && f->kind <= FIELD_LINK_SPAN_ID;
}

/* ---- expressions over the fields of a span ---- */

enum node_kind {
	NODE_STATIC,
	NODE_FIELD,
	NODE_AND, /* items */
	NODE_OR,
	NODE_NOT,     /* left */
	NODE_NEGATE,  /* left */
	NODE_EXISTS,  /* left */
	NODE_ABSENT,  /* left */
	NODE_COMPARE, /* op, left, right: what is not static is to the left, where one is */
	NODE_ARITHMETIC,
	NODE_REGEX /* op LEX_REGEX or LEX_NOT_REGEX, left, regex */
};

enum { TYPE_ANY = TRACEQL_ARRAY + 1 }; /* an attribute's: known once there is a span */

/* What decides the value: the same for all spans of a trace, or of a resource, or not. */
enum reach { REACH_STATIC, REACH_TRACE, REACH_RESOURCE, REACH_SPAN };

struct node {
	uint8_t kind;
	uint8_t op;    /* enum lex_type */
	uint8_t type;  /* enum traceql_type or TYPE_ANY */
	uint8_t reach; /* enum reach */
	uint16_t depth;
	uint16_t cost;       /* to run it, roughly; truth values are asked for in rising order */
	uint32_t memo;       /* a place where its truth is kept for a resource of the trace, from 1; 0: none */
	uint32_t start, end; /* bytes of the text */
	union {
		struct traceql_value value;
		uint32_t field; /* number */
		struct {
			struct node *left, *right;
			uint32_t regex; /* number */
		};
		struct {
			struct node **items;
			uint32_t count, cap;
		};
	};
};

/* ---- sets of spans ---- */

enum set_kind { SET_FILTER, SET_OPERATION, SET_PIPELINE };

struct set_expr {
	uint8_t kind;
	uint8_t op; /* enum lex_type */
	bool many;  /* may be more than one set, for one that goes in */
	uint16_t depth;
	uint32_t start;
	union {
		struct node *filter; /* NULL: all spans */
		struct {
			struct set_expr *left, *right;
		};
		struct stage *stages; /* the first */
	};
};

enum stage_kind { STAGE_SET, STAGE_BY, STAGE_COALESCE, STAGE_SELECT, STAGE_SCALAR };
enum aggregate { AGGREGATE_COUNT, AGGREGATE_AVG, AGGREGATE_MAX, AGGREGATE_MIN, AGGREGATE_SUM };

struct stage {
	struct stage *next;
	uint8_t kind;
	uint8_t aggregate; /* of a scalar: enum aggregate */
	uint8_t op;        /* enum lex_type */
	struct set_expr *set;
	struct node *expr;          /* of by() and aggregates; NULL of count() */
	struct traceql_value value; /* what the aggregate is compared with */
	struct slice label;         /* "by(…)" */
};

struct traceql_query {
	struct arena arena; /* of all of it but the regexes */
	struct set_expr *root;
	struct field fields[TRACEQL_FIELDS_MAX];
	uint32_t field_count;
	struct regex *regexes[TRACEQL_REGEXES_MAX];
	uint32_t regex_count;
	uint32_t memo_count;
	uint32_t stage_count;
	bool uses_nested, uses_children; /* numbers that are reckoned once a trace */
};

/* A single field, as it may stand in select(): for names of tags. What is neither an intrinsic nor has a scope is an attribute. 0, -EINVAL with a sentence, -ENOMEM. The field's texts lie in the arena or in `text`. */
int traceql_parse_field(struct slice text, struct arena *arena, struct field *out, struct error *err);

#endif

/* Prometheus's language for testing PromQL: what a script says. Described in promql/promqltest/README.md of prometheus/prometheus, defined by test.go beside it (as of August 2026); the lines of series are those of
 * its unit tests of rules.
 *
 *   load 5m                                          clear
 *     http_requests{job="a"} 0+10x10 _ stale
 *                                                    eval range from 0 to 10m step 5m rate(x[5m])
 *   eval instant at 50m sum(http_requests)             expect warn regex: .*
 *     expect no_warn                                   {job="a"} 1 _ 2
 *     {} 100
 *
 * Differences: an expression that does not parse fails its eval, not the script; samples of a series that come late are put in order. Start times (@st) are read and checked, and no more: the engine's samples have none.
 *
 * Everything of a script is in its arena, but what its patterns compiled to. One thread. */
#ifndef PROMQLTEST_SCRIPT_H
#define PROMQLTEST_SCRIPT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"

struct regex;

enum {
	SCRIPT_BYTES_MAX = 16 * 1024 * 1024,
	SCRIPT_VALUES_MAX = 1000 * 1000,        /* of one line */
	SCRIPT_ALL_VALUES_MAX = 4 * 1000 * 1000 /* of all its lines */
};

/* One of a series line. Of a native histogram it is only known that it is one; of an omitted one the value is 0. */
struct script_value {
	double value;
	bool omitted, native;
};

/* A line `name{label="value"} values`. */
struct script_series {
	struct slice labels; /* canonical */
	const struct script_value *values;
	uint32_t count;
	uint32_t line;
};

struct script_load {
	int64_t step_ms;
	bool with_nhcb;               /* its classic histograms are native ones too */
	struct script_series *series; /* as they are written: of the same labels the last one holds */
	uint32_t series_count;
	uint32_t start_time_count; /* series with start times */
};

enum script_expectation { EXPECT_FAIL, EXPECT_WARN, EXPECT_NO_WARN, EXPECT_INFO, EXPECT_NO_INFO, EXPECT_ORDERED };
extern const char *const script_expectation_names[]; /* in the order of the enum */

/* `expect fail msg: …`: the text itself, or what any part of it matches. */
struct script_expect {
	enum script_expectation what;
	struct slice text;     /* ptr NULL: any text will do */
	struct regex *pattern; /* of `text`; NULL: it is compared */
};

enum script_result { RESULT_SERIES, RESULT_SCALAR, RESULT_STRING };

struct script_eval {
	struct slice expr;
	bool range;
	int64_t start_ms, end_ms,
	    step_ms; /* of an instant one that expects a range vector, its points; else start_ms alone */
	bool expects_range_vector;
	struct script_expect *expects;
	uint32_t expect_count;
	enum script_result result;
	double scalar;
	struct slice string;
	struct script_series *series; /* of different labels, in their order */
	uint32_t series_count;
};

enum script_kind { SCRIPT_CLEAR, SCRIPT_LOAD, SCRIPT_EVAL };

struct script_command {
	enum script_kind kind;
	uint32_t line;
	union {
		struct script_load load;
		struct script_eval eval;
	};
};

struct script {
	struct arena arena;
	const char *path; /* borrowed */
	struct script_command *commands;
	uint32_t count;
};

/* Reads a script, whose text it copies. 0; or -EINVAL with "file:line: what was found and wanted", -ENOMEM. script_deinit in any case. */
int script_parse(const char *path, struct slice text, struct script *out, struct error *err);
void script_deinit(struct script *s);

/* When an instant query is evaluated. */
static inline int64_t script_eval_time(const struct script_eval *e)
{
	return e->expects_range_vector ? e->end_ms : e->start_ms;
}

/* Is this expected at least once? */
bool script_expects(const struct script_eval *e, enum script_expectation what);

/* Does the text meet the expectation? 1, 0, -ENOMEM. */
int script_expect_matches(const struct script_expect *e, struct slice text);

#endif

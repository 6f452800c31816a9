/* What a query gave beside what its eval expects. All here append what differs to `out`, in lines indented by four, and say whether nothing did. */
#ifndef PROMQLTEST_COMPARE_H
#define PROMQLTEST_COMPARE_H

#include "base/buf.h"
#include "promql/promql.h"
#include "script.h"

/* Closer than a millionth of their sum; NaN is like NaN, an infinity like itself. That of Prometheus's util/almost. */
bool compare_almost(double a, double b);

/* Appends a time as a duration: -1m30s. */
void compare_put_time(struct buf *out, int64_t ms);

/* The result of an instant or of a range query. */
bool compare_result(const struct script_eval *e, const struct promql_result *got, struct buf *out);

/* The values of a range query at one of its steps, as an instant query's. `is_scalar`: that gave a scalar. */
bool compare_step(const struct script_eval *e, const struct promql_result *got, int64_t time_ms, bool is_scalar,
                  struct buf *out);

/* Warnings and infos. */
bool compare_annotations(const struct script_eval *e, const struct promql_result *got, struct buf *out);

/* The sentence of a query that failed. */
bool compare_failure(const struct script_eval *e, struct slice sentence, struct buf *out);

#endif
